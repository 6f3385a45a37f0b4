"""Protection while things are in its way: a venue that hangs, a lane that is full, an open breaker, a process that stops."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from partfill import FillManager, Limit
from partfill.journal.verify import verify
from partfill.model.commands import Answered, Outcome
from partfill.model.operations import Place, Replace
from partfill.model.words import Request
from partfill.runtime import manager as manager_module
from partfill.runtime.limits import FAILURES, REFUSALS
from partfill.runtime.manager import Busy
from partfill.runtime.unified import UnifiedFillManager
from partfill.venues.paper.faults import Faults
from tests.runtime.test_manager import until
from tests.runtime.test_unified import Many

D = Decimal


class Slow(Many):
    """A venue of which resizes wait at a gate, and that notes which requests came, in order."""

    def __init__(self, count: int = 1) -> None:
        super().__init__(count, Faults())
        self.gate = asyncio.Event()
        self.gate.set()
        self.resizes = 0
        self.came: list[str] = []

    async def place(self, op: Place) -> Answered:
        self.came.append("protects" if op.urgent else "order")
        return await super().place(op)

    async def replace(self, op: Replace) -> Answered:
        self.resizes += 1
        await self.gate.wait()
        return await super().replace(op)


async def entered(fills: FillManager, venue: Slow, part: int) -> None:
    """A position in I0 that is protected, of an entry that goes on."""
    await fills.positions.protect("I0", "long", stop="9.00", stop_limit="8.50", targets=["11.00"])
    await fills.submit(Limit("I0", "buy", qty=100, price="10.00"), ref="entry")
    await until(lambda: venue.exchange.accounts[""].working, "it rests")
    venue.sells("I0", part)
    await until(lambda: venue.working("I0") == (part, part), "it is protected")
    await until(lambda: fills.positions.of("I0").covered, "and that is known")


async def test_while_a_resize_hangs_fills_are_booked_and_one_resize_catches_up(tmp_path: Path) -> None:
    venue = Slow()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        await entered(fills, venue, 10)
        venue.gate.clear()
        for number in range(1, 21):
            venue.sells("I0", 1)
            await until(lambda number=number: fills.positions.of("I0").qty == 10 + number, "it is booked")  # type: ignore[misc]
        assert venue.resizes == 1, "one lane, one request at a time"
        assert venue.working("I0") == (10, 10), "what was covered stays so"
        venue.gate.set()
        await until(lambda: venue.working("I0") == (30, 30), "the newest size")
        # Of each leg the one that hung, and one for all that came meanwhile.
        await until(lambda: fills.positions.of("I0").covered, "and that is known")
        assert venue.resizes <= 4
    assert verify(tmp_path / "f.db").problems == []


@pytest.mark.parametrize("drains", [True, False])
async def test_a_stop_while_a_resize_is_in_flight_leaves_nothing_behind_and_the_next_start_ends_it(
    drains: bool, tmp_path: Path
) -> None:
    venue = Slow()
    unified = UnifiedFillManager(FillManager.open(tmp_path / "f.db", venues=[venue]))
    await unified.initialize()
    fills = unified.context
    await entered(fills, venue, 10)
    venue.gate.clear()
    venue.sells("I0", 5)
    await until(lambda: venue.resizes, "a resize is in flight")
    before = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    if drains:
        closing = asyncio.create_task(unified.cleanup())
        await asyncio.sleep(0.05)
        assert not closing.done(), "it waits for the answer"
        venue.gate.set()
        await closing
    else:
        # As on an error: nothing is waited for, and what became of the resize is not known.
        await fills.close(drain=False)
        venue.gate.set()
    assert not fills.running
    mine = [task for task in before if not task.done() and "partfill/runtime" in str(task.get_coro())]
    assert mine == []
    assert verify(tmp_path / "f.db").problems == []
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        await until(lambda: venue.working("I0") == (15, 15), "both legs are the position")
        await until(lambda: fills.positions.of("I0").covered, "and that is known")
        if drains:
            assert len(venue.exchange.accounts[""].working) == 3, "the entry and one order a leg"
    assert verify(tmp_path / "f.db").problems == []


@pytest.mark.parametrize("why", ["silence", "refusals"])
async def test_a_stop_leaves_while_the_breaker_is_open(why: str, tmp_path: Path) -> None:
    venue = Slow(2)
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        await fills.positions.protect("I0", "long", stop="9.00", stop_limit="8.50")
        await fills.submit(Limit("I0", "buy", qty=100, price="10.00"), ref="entry")
        await until(lambda: venue.exchange.accounts[""].working, "it rests")
        breaker = fills.lanes.breakers["paper"]
        for _ in range(REFUSALS):
            breaker.refused("I1", "no margin") if why == "refusals" else None
        for _ in range(FAILURES):
            breaker.failed("no answer within 10 s") if why == "silence" else None
        assert breaker.open
        venue.sells("I0", 40)
        await until(lambda: venue.working("I0") == (40, 0), "it is protected")
        refused = await fills.submit(Limit("I1", "buy", qty=1, price="10.00"))
        assert await refused.done(20) == "rejected"
        assert breaker.open
        assert venue.came == ["order", "protects"]


async def test_under_load_protection_leaves_before_the_orders_that_waited_longer(tmp_path: Path) -> None:
    venue = Slow()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], per_second=10) as fills:
        await fills.positions.protect("I0", "long", stop="9.00", stop_limit="8.50")
        await fills.submit(Limit("I0", "buy", qty=100, price="10.00"), ref="entry")
        await until(lambda: venue.exchange.accounts[""].working, "it rests")
        for number in range(40):
            await fills.submit(Limit("I0", "buy", qty=1, price="5.00"), ref=f"load-{number}")
        assert fills.lanes.waiting > 20
        venue.sells("I0", 40)
        await until(lambda: venue.working("I0") == (40, 0), "it is protected")
        assert fills.lanes.waiting > 20, "and the load still waits"
        assert venue.came.count("order") < 20
        await fills.kill(True, by="the end of the test")


async def test_what_may_wait_is_bounded_and_who_brings_more_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager_module, "MAX_WAITING", 5)
    venue = Slow()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], per_second=2) as fills:

        async def too_many() -> None:
            for _ in range(20):
                await fills.submit(Limit("I0", "buy", qty=1, price="5.00"))

        with pytest.raises(Busy, match="5 operations wait for the venues; submit again later"):
            await too_many()
        assert fills.lanes.waiting == 5
        # A cancel is taken all the same.
        await fills.kill(True, by="the end of the test")


async def test_a_leg_that_is_refused_comes_back_and_is_one_order(tmp_path: Path) -> None:
    class Refusing(Slow):
        refuses = 3

        async def place(self, op: Place) -> Answered:
            if op.urgent and self.refuses:
                self.refuses -= 1
                return Answered(
                    venue="paper", request=Request.PLACE, cl_ord_id=op.cl_ord_id, outcome=Outcome.REFUSED, reason="not now"
                )
            return await super().place(op)

    venue = Refusing()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        await fills.positions.protect("I0", "long", stop="9.00", stop_limit="8.50")
        await fills.submit(Limit("I0", "buy", qty=100, price="10.00"), ref="entry")
        await until(lambda: venue.exchange.accounts[""].working, "it rests")
        venue.sells("I0", 25)
        await until(lambda: venue.working("I0") == (25, 0), "it is protected in the end")
        assert venue.came.count("protects") == 1
    assert verify(tmp_path / "f.db").problems == []
