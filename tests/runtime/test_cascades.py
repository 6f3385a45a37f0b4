"""Fills that cascade through five instruments: each lane in its order, the lanes side by side, the ledgers the venue's own."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from partfill import FillManager, Limit
from partfill.journal.verify import verify
from partfill.model.commands import Answered, Resubmit
from partfill.model.events import Fill, ParentDone, ResubmitTriggered
from partfill.model.operations import Cancel, Place, Replace
from partfill.model.words import Side
from partfill.runtime.bus import Told
from partfill.runtime.order import Order
from partfill.venues.clock import CLOCK
from partfill.venues.paper.events import Add, Take
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.faults import Faults
from partfill.venues.paper.market import SHAPES
from partfill.venues.paper.venue import PaperVenue
from tests.runtime.test_manager import WAIT_S, until
from tests.venues.paper.desk import assert_ledger_is_the_truth

D = Decimal
FIVE = tuple(SHAPES)
SLOW = Faults(latency_min_ns=1_000_000, latency_max_ns=3_000_000)
Step = tuple[str, str, str]
"""("begins" | "ends", instrument, client id of the request)"""


class Watched(PaperVenue):
    """The paper venue, with a note of when each request begins and ends, and instruments that can be held up."""

    def __init__(self, seed: int = 0, faults: Faults = SLOW) -> None:
        super().__init__(Exchange([SHAPES[name].listing for name in FIVE]), now=CLOCK, faults=faults, seed=seed)
        self.steps: list[Step] = []
        self.held: dict[str, asyncio.Event] = {}
        self._others = 0

    async def place(self, op: Place) -> Answered:
        return await self._noted(op, super().place(op))

    async def cancel(self, op: Cancel) -> Answered:
        return await self._noted(op, super().cancel(op))

    async def replace(self, op: Replace) -> Answered:
        return await self._noted(op, super().replace(op))

    async def _noted(self, op: Place | Cancel | Replace, request: Any) -> Answered:
        self.steps.append(("begins", op.instrument, op.cl_ord_id))
        if isinstance(op, Place):
            # However long it takes, an order finds a little more to take, and never all it wants.
            self.others_rest(op.instrument, Side.SELL, 7, 3)
        if op.instrument in self.held:
            await self.held[op.instrument].wait()
        answer: Answered = await request
        self.steps.append(("ends", op.instrument, op.cl_ord_id))
        return answer

    def others_rest(self, name: str, side: Side, lots: int, ticks: int = 0) -> None:
        """Somebody rests `lots` at the middle price, `ticks` worse for whoever takes."""
        self._others += 1
        away = ticks if side is Side.SELL else -ticks
        self.exchange.market(Add(name, f"o{self._others}", side, qty(name, lots), px(name, away)), CLOCK())

    def others_take(self, name: str, side: Side, lots: int) -> None:
        """Somebody takes `lots` at any price."""
        self.exchange.market(Take(name, side, qty(name, lots)), CLOCK())


def qty(name: str, lots: int) -> Decimal:
    return (SHAPES[name].listing.instrument.lot or D(1)) * lots


def px(name: str, ticks: int = 0) -> Decimal:
    """The middle price of an instrument, or one `ticks` above it."""
    return SHAPES[name].listing.instrument.ticks[0].tick * (SHAPES[name].start + ticks)


def again(name: str, most: int = 20) -> Resubmit:
    return Resubmit(min_resubmit_size=qty(name, 1), max_resubmit_attempts=most)


def strictly_in_order(steps: list[Step]) -> None:
    """Within each instrument one cancel and one order at a time. No order begins while a cancel is out, none is sent twice."""
    for name in FIVE:
        out: list[str] = []
        lane = [(what, request) for what, instrument, request in steps if instrument == name]
        for what, request in lane:
            if what == "ends":
                out.remove(request)
                continue
            # Ours for a cancel end in attempt.request.
            assert not any("." in each for each in out), "something begins while a cancel is out"
            assert "." in request or not out, "an order begins while another is out"
            out.append(request)
        assert not out
        assert max(Counter(request for what, request in lane if what == "begins").values(), default=1) == 1


def placements(steps: list[Step], name: str) -> list[str]:
    """Client ids of the placements of an instrument, in the order in which they began; ours end in parent-attempt."""
    return [request for what, instrument, request in steps if (what, instrument) == ("begins", name) and "." not in request]


def tells_what_happened(heard: list[Told], orders: list[Order]) -> None:
    """The events of each order add up to it, in order, with its end last."""
    assert [told.seq for told in heard] == sorted(told.seq for told in heard)
    for order in orders:
        mine = [told.event for told in heard if told.parent == order.id]
        assert sum((event.qty for event in mine if type(event) is Fill), D(0)) == order.cum_qty
        assert [type(event) for event in mine].count(ParentDone) == 1
        # Each successor is for exactly what had not filled when it was decided.
        done = D(0)
        for event in mine:
            if type(event) is Fill:
                done += event.qty
            elif type(event) is ResubmitTriggered:
                assert event.qty == order.order_qty - done


# ---------------------------------------------------------------------- cascades


@pytest.mark.parametrize("seed", range(3))
async def test_a_fill_of_one_instrument_sets_off_the_next_and_every_lane_keeps_its_order(seed: int, tmp_path: Path) -> None:
    venue = Watched(seed)
    rng = Random(seed)
    heard: list[Told] = []
    async with FillManager.open(tmp_path / "f.db", venues=[venue], per_second=100_000) as fills:
        # Two that rest and one that takes what there is, again and again, in each instrument; three of five have successors.
        for name in FIVE:
            venue.others_rest(name, Side.SELL, 10, 2)
        rules = {name: again(name) if number % 2 == 0 else None for number, name in enumerate(FIVE)}
        terms = [
            (f"{name} {number}", Limit(name, "buy", qty=qty(name, lots), price=px(name, ticks), tif=tif), rules[name])
            for name in FIVE
            for number, lots, ticks, tif in ((1, 40, 0, "gtc"), (2, 90, 5, "ioc"), (3, 25, 1, "gtc"))
        ]
        fills.subscribe(heard.append)

        def cascades(told: Told) -> None:
            """Whatever fills in one instrument makes others trade in the next one: part of what rests there, or new depth."""
            if type(told.event) is Fill:
                child = fills.engine.children[told.event.order]
                follower = FIVE[(FIVE.index(child.instrument or "") + 1) % len(FIVE)]
                if rng.random() < 0.5:
                    venue.others_take(follower, Side.SELL, rng.randint(1, 3))
                else:
                    venue.others_rest(follower, Side.SELL, rng.randint(1, 3), rng.randint(1, 4))

        fills.subscribe(cascades)
        gate = asyncio.Event()
        venue.held = dict.fromkeys(FIVE, gate)
        orders = await asyncio.gather(*(fills.submit(each, ref=ref, resubmit=rule) for ref, each, rule in terms))
        await until(lambda: len(venue.steps) == 5, "all lanes have a request under way at once")
        gate.set()
        async with asyncio.timeout(WAIT_S):
            while not all(order.ended and not order.parent.active for order in orders):
                for name in FIVE:
                    venue.others_take(name, Side.SELL, 3)
                await asyncio.sleep(0.001)
        assert venue.exchange.trades > 100
        await fills.lanes.drain()
        strictly_in_order(venue.steps)
        assert [step[0] for step in venue.steps[:5]] == ["begins"] * 5
        for name in FIVE:
            first = [request for request in placements(venue.steps, name) if request.endswith("-1")]
            ids = {order.parent.children[0].cl_ord_id: order.ref for order in orders}
            assert [ids[request] for request in first] == [f"{name} {number}" for number in (1, 2, 3)]
        for order in orders:
            attempts = [child.cl_ord_id for child in order.parent.children]
            mine = [request for request in placements(venue.steps, order.parent.terms.instrument) if request in set(attempts)]
            assert mine == attempts, "one after the other"
            assert order.cum_qty <= order.order_qty
        assert any(len(order.parent.children) > 2 for order in orders), "no successor followed a successor: nothing was tested"
        assert all(len(order.parent.children) == 1 for order in orders if order.parent.resubmit is None)
        tells_what_happened(heard, list(orders))
        assert assert_ledger_is_the_truth(fills.engine, venue.exchange) >= 15
    assert verify(tmp_path / "f.db").problems == []


async def test_an_instrument_that_is_held_up_holds_up_no_other(tmp_path: Path) -> None:
    venue = Watched()
    held, *free = FIVE
    venue.held[held] = asyncio.Event()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], per_second=100_000) as fills:
        orders = {}
        for name in FIVE:
            venue.others_rest(name, Side.SELL, 100, 1)
            for number in (1, 2):
                orders[name, number] = await fills.submit(Limit(name, "buy", qty=qty(name, 40), price=px(name, 3), tif="ioc"))
        for name in free:
            for number in (1, 2):
                assert await orders[name, number].done(WAIT_S) == "filled"
        # All that is done elsewhere was done while this one had not even its first answer.
        assert [step for step in venue.steps if step[1] == held] == [
            ("begins", held, orders[held, 1].parent.children[0].cl_ord_id)]  # fmt: skip
        venue.held[held].set()
        for number in (1, 2):
            assert await orders[held, number].done(WAIT_S) == "filled"
        await fills.lanes.drain()
        strictly_in_order(venue.steps)
        assert assert_ledger_is_the_truth(fills.engine, venue.exchange) == 10
    assert verify(tmp_path / "f.db").problems == []


# ---------------------------------------------------------------------- a lane that waits


async def test_cancels_of_a_lane_that_waits_go_first_and_what_was_not_sent_never_is(tmp_path: Path) -> None:
    venue = Watched()
    held, *free = FIVE
    async with FillManager.open(tmp_path / "f.db", venues=[venue], per_second=100_000) as fills:
        rests = Limit(held, "buy", qty=qty(held, 40), price=px(held, -5))
        before = await fills.submit(rests, ref="before", resubmit=again(held))
        await until(lambda: before.parent.children[0].order_id, "it works")
        venue.held[held] = asyncio.Event()
        first, second, third = [await fills.submit(rests, ref=ref, resubmit=again(held)) for ref in ("1", "2", "3")]
        others = [await fills.submit(Limit(name, "buy", qty=qty(name, 40), price=px(name, -5))) for name in free]
        await until(lambda: len(venue.steps) >= 3 and fills.lanes.waiting == 2, "two wait behind the first")
        at = len(venue.steps)
        for order in (second, before):
            await order.cancel()
        # What works fills on while its cancel waits, and the other instruments hear of none of it.
        venue.others_take(held, Side.SELL, 15)
        await until(lambda: before.cum_qty == qty(held, 15), "a fill comes in between")
        await until(lambda: all(order.parent.children[0].order_id for order in others), "the others work")
        assert (second.status, before.status) == ("stopping", "stopping")
        await until(lambda: len(venue.steps) > at, "the cancel leaves, though an order hangs")
        venue.held[held].set()
        assert await before.done(WAIT_S) == "canceled"
        assert await second.done(WAIT_S) == "canceled"
        await until(lambda: third.parent.children[0].order_id, "the last one works")
        lane = [request for what, name, request in venue.steps[at:] if (what, name) == ("begins", held)]
        canceling, placing = lane
        assert canceling.startswith(before.parent.children[0].cl_ord_id or "?"), "the cancel goes before the order that waited"
        assert placing == third.parent.children[0].cl_ord_id
        assert (before.cum_qty, first.status, third.status) == (qty(held, 15), "working", "working")
        assert second.parent.children[0].order_id is None
        assert [len(order.parent.children) for order in (before, first, second, third)] == [1, 1, 1, 1]
        await fills.lanes.drain()
        strictly_in_order(venue.steps)
        assert assert_ledger_is_the_truth(fills.engine, venue.exchange) == 7
    assert verify(tmp_path / "f.db").problems == []


async def test_an_order_that_is_canceled_while_its_own_placing_is_held_up_is_canceled_after_it(tmp_path: Path) -> None:
    venue = Watched()
    name = FIVE[0]
    venue.held[name] = asyncio.Event()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], per_second=100_000) as fills:
        venue.others_rest(name, Side.SELL, 10, 1)
        order = await fills.submit(Limit(name, "buy", qty=qty(name, 40), price=px(name, 1)), resubmit=again(name))
        await until(lambda: venue.steps, "it has left")
        await order.cancel()
        assert (order.status, fills.lanes.waiting) == ("stopping", 0)
        venue.held[name].set()
        assert await order.done(WAIT_S) == "canceled"
        assert order.cum_qty == qty(name, 10), "what filled before the cancel got there counts"
        assert len(order.parent.children) == 1
        await fills.lanes.drain()
        strictly_in_order(venue.steps)
        assert assert_ledger_is_the_truth(fills.engine, venue.exchange) == 1
    assert verify(tmp_path / "f.db").problems == []


async def test_a_kill_in_the_middle_of_a_cascade_stops_every_lane(tmp_path: Path) -> None:
    venue = Watched(faults=Faults(latency_max_ns=3_000_000, lose_reply=100, late=50, late_ns=5_000_000, duplicate=200))
    heard: list[Told] = []
    async with FillManager.open(tmp_path / "f.db", venues=[venue], per_second=100_000) as fills:
        fills.subscribe(heard.append)
        orders = []
        for number in range(30):
            name = FIVE[number % 5]
            venue.others_rest(name, Side.SELL, 7, 1)
            terms = Limit(name, "buy", qty=qty(name, 50), price=px(name, 2), tif=("gtc", "ioc")[number % 2])
            orders.append(await fills.submit(terms, resubmit=again(name, 100)))
        await until(lambda: any(type(told.event) is ResubmitTriggered for told in heard), "successors follow")
        await fills.kill(True, by="operator")
        children = sum(len(order.parent.children) for order in orders)
        for name in FIVE:
            venue.others_rest(name, Side.SELL, 500, 1)
        await until(lambda: all(order.ended and not order.parent.active for order in orders), "everything has ended")
        assert sum(len(order.parent.children) for order in orders) == children, "no successor after the switch"
        for poller in fills.pollers:
            await poller.poll_once()
        await fills.lanes.drain()
        strictly_in_order(venue.steps)
        assert not [each for each in venue.exchange.snapshot("", [], CLOCK()) if each.leaves_qty]
        assert_ledger_is_the_truth(fills.engine, venue.exchange)
    assert verify(tmp_path / "f.db").problems == []
