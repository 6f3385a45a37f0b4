"""The poller on the paper venue: what it asks, how often, and that it finds what a stream never told, exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from partfill import FillManager, Limit
from partfill.journal.verify import verify
from partfill.model.events import Fill
from partfill.model.observations import Execution, Observation, OrderLinked, OrderSnapshot
from partfill.runtime import poller as polling
from partfill.runtime.poller import IDLE, JITTER, SLOWEST_S, FillPoller, OrderStatusPoller
from partfill.runtime.settings import FillManagement
from partfill.venues.clock import CLOCK
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.faults import Faults
from partfill.venues.paper.market import SHAPES, generated
from partfill.venues.paper.venue import PaperVenue
from tests.runtime.test_manager import NAMES, price, same_as_the_venue, until

SELDOM = FillManagement(poll_interval_ms=3_600_000)
OFTEN = FillManagement(poll_interval_ms=10)


class Watched(PaperVenue):
    """A paper venue that counts its polls, and whose stream can be held back."""

    def __init__(self, *, held: bool = False) -> None:
        shapes = [SHAPES[name] for name in NAMES]
        super().__init__(Exchange([shape.listing for shape in shapes]), generated(shapes, 1), now=CLOCK)
        self.asked: list[Sequence[str]] = []
        self.under_way = self.most = self.told = 0
        self.open = asyncio.Event()
        if not held:
            self.open.set()
        self.advance(1500)

    async def snapshot(self, account: str, order_ids: Sequence[str] = ()) -> list[OrderSnapshot]:
        self.asked.append(tuple(order_ids))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await super().snapshot(account, order_ids)
        finally:
            self.under_way -= 1

    def stream(self, account: str) -> Any:
        return self.later(super().stream(account))

    async def later(self, stream: AsyncIterator[Observation]) -> AsyncIterator[Observation]:
        await self.open.wait()
        async for observation in stream:
            self.told += 1
            yield observation

    def fails(self, per_thousand: int) -> None:
        """Reads fail from now on, or do so no more."""
        self._luck.faults = msgspec.structs.replace(self._luck.faults, fail_read=per_thousand)


async def test_a_poll_asks_for_every_order_of_the_account_in_one_call(tmp_path: Path) -> None:
    venue = Watched()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        orders = [
            await fills.submit(Limit(name, "buy", qty=lot(name, 5), price=price(venue, name, "buy", -5)), ref=name)
            for name in NAMES
        ]
        await until(lambda: all(order.parent.children[0].order_id for order in orders), "all are at the venue")
        venue.asked.clear()
        await fills.pollers[0].poll_once()
        assert [sorted(ids) for ids in venue.asked] == [sorted(str(order.parent.children[0].order_id) for order in orders)]


async def test_after_a_restart_the_orders_of_the_life_before_are_asked_for(tmp_path: Path) -> None:
    venue = Watched()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        order = await fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", -9)))
        await until(lambda: order.parent.children[0].order_id, "it is at the venue")
        number = order.parent.children[0].order_id
    venue.asked.clear()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        assert venue.asked == [(number,)]


async def test_a_thousand_orders_are_one_call_and_cost_no_disk_while_nothing_happens(tmp_path: Path) -> None:
    venue = Watched()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM, per_second=1_000_000) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        at = price(venue, "ACME", "buy", -9)
        orders = await asyncio.gather(*(fills.submit(Limit("ACME", "buy", qty=1, price=at)) for _ in range(1000)))
        await until(lambda: all(order.parent.children[0].order_id for order in orders), "all are at the venue")
        await fills.pollers[0].poll_once()
        await fills.pollers[0].poll_once()
        venue.asked.clear()
        inputs = fills.journal.seq
        for _ in range(3):
            assert await fills.pollers[0].poll_once() == []
        assert [len(set(ids)) for ids in venue.asked] == [1000] * 3
        assert fills.journal.seq == inputs


async def test_a_modified_order_is_followed_under_its_new_id(tmp_path: Path) -> None:
    venue = Watched()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        order = await fills.track(Limit("ACME", "buy", qty=50, price="25"), order_id="old")
        await fills.observe(Execution(venue=venue.name, order_id="old", key="1", qty=Decimal(20), px=Decimal(25)))
        for number in ("newer", "newest"):
            await fills.observe(OrderLinked(venue=venue.name, order_id="old", new_order_id=number))
            venue.asked.clear()
            await fills.pollers[0].poll_once()
            assert venue.asked == [(number,)]
        await fills.observe(OrderSnapshot(venue=venue.name, order_id="newest", cum_qty=Decimal(50), avg_px=Decimal(25)))
        assert (order.status, order.cum_qty) == ("filled", 50)


@pytest.mark.parametrize("first", ["poll", "stream"])
async def test_a_fill_counts_once_whichever_of_poll_and_stream_is_faster(first: str, tmp_path: Path) -> None:
    venue = Watched(held=first == "poll")
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        told: list[Any] = []
        fills.subscribe(lambda each: told.append(each.event))
        order = await fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", -1)))
        await until(lambda: order.parent.children[0].order_id, "it is at the venue")
        taken = await fills.submit(Limit("ACME", "buy", qty=40, price=price(venue, "ACME", "buy", 30)))
        await until(lambda: taken.parent.children[0].order_id, "it is at the venue")
        await fills.pollers[0].poll_once()
        assert taken.cum_qty == 40
        venue.open.set()
        for _ in range(3):
            venue.advance(300)
            await fills.pollers[0].poll_once()
        # Both have told it by now.
        await until(lambda: venue.told >= 3, "the stream tells of both orders and the fill")
        await fills.pollers[0].poll_once()
        filled = [event.qty for event in told if type(event) is Fill and event.order == taken.parent.children[0].id]
        assert (sum(filled), taken.cum_qty, taken.parent.children[0].provisional_qty) == (40, 40, 0)
        same_as_the_venue(fills, venue)
    assert verify(tmp_path / "f.db").problems == []


async def test_without_any_stream_fills_are_found_by_polling_alone(tmp_path: Path) -> None:
    venue = Watched(held=True)
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=OFTEN) as fills:
        order = await fills.submit(Limit("ACME", "buy", qty=200, price=price(venue, "ACME", "buy", -1)))
        for _ in range(400):
            venue.advance(50)
            await asyncio.sleep(0.002)
            if order.ended:
                break
        assert order.cum_qty == 200
        assert venue.told == 0
        same_as_the_venue(fills, venue)


async def test_polls_go_one_at_a_time(tmp_path: Path) -> None:
    venue = Watched()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=OFTEN) as fills:
        await asyncio.gather(*(fills.pollers[0].poll_once() for _ in range(8)))
        assert len(venue.asked) >= 8
        assert venue.most == 1


async def test_it_asks_seldom_while_nothing_works_and_never_in_step(tmp_path: Path) -> None:
    venue = Watched()
    settings = FillManagement(poll_interval_ms=2000)
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=settings) as fills:
        poller = fills.pollers[0]
        idle = [poller.interval() for _ in range(100)]
        assert all(2 * IDLE * (1 - JITTER) <= each <= 2 * IDLE * (1 + JITTER) for each in idle)
        assert len(set(idle)) > 90
        await fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", -5)))
        assert all(2 * (1 - JITTER) <= poller.interval() <= 2 * (1 + JITTER) for _ in range(100))


async def test_an_order_that_begins_to_work_makes_polling_fast_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "IDLE", 10_000_000)
    venue = Watched(held=True)
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=OFTEN) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        order = await fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", -1)))
        await until(lambda: order.parent.children[0].order_id, "it is at the venue")
        while venue.exchange.snapshot("", [str(order.parent.children[0].order_id)], 1)[0].leaves_qty:
            venue.advance(50)
        await until(lambda: order.ended, "polling finds it")
        assert (order.cum_qty, venue.told) == (50, 0)


@pytest.mark.parametrize("seconds", [1, 10, 25])
async def test_a_working_order_is_asked_for_within_thirty_seconds(seconds: int, tmp_path: Path) -> None:
    venue = Watched()
    settings = FillManagement(poll_interval_ms=seconds * 1000)
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=settings) as fills:
        await fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", -9)))
        assert all(fills.pollers[0].interval() <= 30 for _ in range(100))


async def test_the_poller_has_the_name_that_other_designs_give_it(tmp_path: Path) -> None:
    assert OrderStatusPoller is FillPoller
    async with FillManager.open(tmp_path / "f.db", venues=[Watched()], settings=SELDOM) as fills:
        assert [type(each) for each in fills.pollers] == [OrderStatusPoller]


async def test_a_venue_that_does_not_answer_is_asked_later_and_later_and_costs_nothing_known(tmp_path: Path) -> None:
    venue = Watched()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        order = await fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", 30)))
        await order.done(20)
        poller = fills.pollers[0]
        venue.fails(1000)
        for number in range(1, 13):
            assert await poller.poll_once() == []
            assert (poller.failures, poller.error is not None) == (number, True)
        assert order.cum_qty == 50
        poller_interval = FillManagement(poll_interval_ms=1000)
        fills.settings = poller_interval
        assert SLOWEST_S * (1 - JITTER) <= poller.interval() <= SLOWEST_S * (1 + JITTER)
        venue.fails(0)
        await poller.poll_once()
        assert (poller.failures, poller.error) == (0, None)


async def test_polling_goes_on_when_the_venue_answers_again(tmp_path: Path) -> None:
    venue = Watched(held=True)
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=OFTEN) as fills:
        order = await fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", -1)))
        await until(lambda: order.parent.children[0].order_id, "it is at the venue")
        venue.fails(1000)
        await until(lambda: fills.pollers[0].failures > 2, "polls fail")
        while venue.exchange.snapshot("", [str(order.parent.children[0].order_id)], 1)[0].leaves_qty:
            venue.advance(50)
        venue.fails(0)
        await until(lambda: order.ended, "the fill is found")
        assert order.cum_qty == 50


def lot(name: str, lots: int) -> Decimal:
    """A quantity of so many lots."""
    size = SHAPES[name].listing.instrument.lot
    assert size is not None
    return size * lots


def test_a_fault_is_a_chance_per_thousand() -> None:
    with pytest.raises(ValueError, match="fail_read is 1001"):
        Faults(fail_read=1001)
