"""Following an account: what a stream lost is read again, unasked too, and what is known to the letter costs no disk."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from partfill import FillManager, Limit
from partfill.journal.verify import verify
from partfill.model.observations import Charge, Execution, ExecutionVoided, OrderSnapshot
from partfill.model.words import ExecutionState
from partfill.runtime import follower
from partfill.runtime.repeats import Repeats, known
from partfill.runtime.settings import FillManagement
from tests.runtime.test_manager import price, same_as_the_venue, until
from tests.runtime.test_poller import SELDOM, Watched, lot

D = Decimal


async def working(fills: FillManager, venue: Watched, count: int = 3) -> list[str]:
    """Orders that rest at the venue; their ids there."""
    orders = [
        await fills.submit(Limit("ACME", "buy", qty=lot("ACME", 5), price=price(venue, "ACME", "buy", -9 - number)))
        for number in range(count)
    ]
    await until(lambda: all(order.parent.children[0].order_id for order in orders), "all are at the venue")
    return [str(order.parent.children[0].order_id) for order in orders]


async def settled(fills: FillManager) -> int:
    """Poll until nothing new comes; the number of inputs so far."""
    while True:
        before = fills.journal.seq
        await fills.pollers[0].poll_once()
        if fills.journal.seq == before:
            return before


async def test_polling_orders_to_which_nothing_happens_costs_no_disk(tmp_path: Path) -> None:
    venue = Watched()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        await working(fills, venue)
        inputs = await settled(fills)
        asked = len(venue.asked)
        for _ in range(20):
            assert await fills.pollers[0].poll_once() == []
        assert (fills.journal.seq, len(venue.asked)) == (inputs, asked + 20)


async def test_what_a_poll_says_again_is_taken_once_something_else_has_happened(tmp_path: Path) -> None:
    venue = Watched()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        ids = await working(fills, venue)
        inputs = await settled(fills)
        await fills.observe(Charge(venue=venue.name, order_id=ids[1], key="c", exec_key="x", amount=D(1), currency="USD"))
        await fills.pollers[0].poll_once()
        # The charge, and the poll of that one order; not the other two.
        assert fills.journal.seq == inputs + 2
        await fills.pollers[0].poll_once()
        assert fills.journal.seq == inputs + 2


async def test_a_total_that_comes_again_after_a_void_counts_again(tmp_path: Path) -> None:
    venue = Watched()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        order = await fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", 30)))
        await order.done(20)
        child = order.parent.children[0]
        key = next(iter(child.ledger.rows))
        assert child.order_id is not None
        await fills.observe(ExecutionVoided(venue=venue.name, order_id=child.order_id, key=key, reason="said by hand"))
        assert child.cum < 50
        snapshot = venue.exchange.snapshot("", [child.order_id], fills.clock())[0]
        await fills.observe(msgspec.structs.replace(snapshot, executions=None))
        assert child.cum == 50


@pytest.mark.parametrize("asked", ["by hand", "unasked"])
async def test_fills_that_no_stream_told_are_read_from_history(
    asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if asked == "unasked":
        monkeypatch.setattr(follower, "EVERY_S", 0.02)
    venue = Watched(held=True)
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        order = await fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", -1)))
        await until(lambda: order.parent.children[0].order_id, "it is at the venue")
        while venue.exchange.snapshot("", [str(order.parent.children[0].order_id)], 1)[0].leaves_qty:
            venue.advance(50)
        if asked == "by hand":
            await fills.followers[0].reconcile()
        await until(lambda: order.ended, "the fill is found")
        assert order.cum_qty == 50
        same_as_the_venue(fills, venue)
    assert verify(tmp_path / "f.db").problems == []


async def test_after_a_gap_everything_since_is_read_again(tmp_path: Path) -> None:
    venue = Watched()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        await until(lambda: fills.followers[0].reconciled == 1, "the start is over")
        venue.interrupt()
        await until(lambda: fills.followers[0].reconciled == 2, "it is read again")
        assert fills.engine.counters.gaps == 1


async def test_reading_history_again_costs_no_disk(tmp_path: Path) -> None:
    venue = Watched()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        for _ in range(4):
            order = await fills.submit(Limit("ACME", "buy", qty=lot("ACME", 5), price=price(venue, "ACME", "buy", 30)))
            await order.done(20)
        await fills.followers[0].reconcile()
        inputs = await settled(fills)
        before = fills.followers[0].since
        await fills.followers[0].reconcile()
        assert fills.journal.seq == inputs
        assert fills.followers[0].since > before


async def test_a_read_that_fails_is_tried_again_until_it_is_answered(tmp_path: Path) -> None:
    venue = Watched()
    settings = FillManagement(poll_interval_ms=3_600_000, retry_ms=1, retry_max_ms=5)
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=settings) as fills:
        await until(lambda: fills.followers[0].reconciled == 1, "the start is over")
        since = fills.followers[0].since
        venue.fails(1000)
        task = asyncio.create_task(fills.followers[0].reconcile())
        await until(lambda: fills.followers[0].failures > 3, "reads fail")
        assert fills.followers[0].since == since
        venue.fails(0)
        await task
        assert (fills.followers[0].failures, fills.followers[0].reconciled) == (0, 2)


async def test_only_what_changes_nothing_is_left_out(tmp_path: Path) -> None:
    venue = Watched()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        order = await fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", 30)))
        await order.done(20)
        await until(lambda: not order.parent.children[0].provisional_qty, "its executions have come")
        booked = [each for each in venue.exchange.history("", 0) if isinstance(each, Execution)]
        assert booked
        assert all(known(fills.engine, each) for each in booked)
        for change in (
            {"qty": D(1)}, {"px": D(1)}, {"key": "other"}, {"order_id": "other"}, {"cl_ord_id": "mine"}, {"fee": D("0.123")},
            {"state": ExecutionState.FINAL}, {"leg": "1"}, {"account": "other"},
        ):  # fmt: skip
            assert not known(fills.engine, msgspec.structs.replace(booked[0], **change)), change
        await fills.observe(ExecutionVoided(venue=venue.name, order_id=booked[0].order_id, key=booked[0].key))
        assert not known(fills.engine, booked[0])
        repeats = Repeats(fills.engine)
        snapshot = OrderSnapshot(venue=venue.name, order_id=booked[0].order_id, cum_qty=D(50), as_of=1)
        assert snapshot not in repeats
        repeats.took(snapshot, fills.clock())
        repeats.turn()
        assert msgspec.structs.replace(snapshot, as_of=2) in repeats
        assert msgspec.structs.replace(snapshot, cum_qty=D(49)) not in repeats
        assert msgspec.structs.replace(snapshot, executions=(booked[0],)) not in repeats


async def test_what_no_journal_can_hold_is_counted_once_and_the_stream_goes_on(tmp_path: Path) -> None:
    venue = Watched()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        (order_id,) = await working(fills, venue, 1)
        broken = OrderSnapshot(venue=venue.name, order_id=order_id, reason="half a pair: \ud800", as_of=1)
        assert [type(event).__name__ for event in (await fills.hear(broken)).events] == ["Alarm"]
        assert fills.engine.counters.unreadable == 1
        repeats = Repeats(fills.engine)
        repeats.took(broken, fills.clock())
        repeats.turn()
        assert broken in repeats
    assert verify(tmp_path / "f.db").problems == []
