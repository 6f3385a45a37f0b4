"""Fills of many instruments at once, under the names of unified fill managers: every position protected, in order."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from partfill import FillManager, Limit
from partfill.journal.verify import verify
from partfill.model.commands import Answered
from partfill.model.instrument import Instrument, TickBand
from partfill.model.observations import Execution
from partfill.model.operations import Cancel, Place, Replace
from partfill.runtime.bus import Bus
from partfill.runtime.unified import UnifiedFillManager
from partfill.venues.clock import CLOCK
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.faults import Faults
from partfill.venues.paper.listing import Listing
from partfill.venues.paper.venue import PaperVenue
from tests.runtime.test_manager import until

D = Decimal


class Many(PaperVenue):
    """A venue of many instruments with a street that sells what is asked for, and a note of every request."""

    def __init__(self, count: int, faults: Faults) -> None:
        self.names = [f"I{number}" for number in range(count)]
        ticks = (TickBand(D(0), D("0.01")),)
        listings = [Listing(instrument=Instrument(symbol=name, ticks=ticks, lot=D(1), quote="USD")) for name in self.names]
        super().__init__(Exchange(listings), now=CLOCK, faults=faults)
        self.out: dict[str, int] = defaultdict(int)
        self.most_of_one = self.most = self.requests = self.sold = 0

    async def place(self, op: Place) -> Answered:
        return await self._counted(op, super().place(op))

    async def cancel(self, op: Cancel) -> Answered:
        return await self._counted(op, super().cancel(op))

    async def replace(self, op: Replace) -> Answered:
        return await self._counted(op, super().replace(op))

    async def _counted(self, op: Place | Cancel | Replace, request: object) -> Answered:
        self.requests += 1
        self.out[op.instrument] += 1
        self.most_of_one = max(self.most_of_one, self.out[op.instrument])
        self.most = max(self.most, sum(self.out.values()))
        try:
            return await request  # type: ignore[misc,no-any-return]
        finally:
            self.out[op.instrument] -= 1

    def sells(self, name: str, qty: int, price: str = "10.00") -> None:
        """The street takes the other side."""
        self.sold += 1
        terms = Limit(name, "sell", qty=qty, price=price, tif="ioc")
        place = Place(venue="paper", account="street", instrument=name, order=0, cl_ord_id=f"s{self.sold}", terms=terms)
        self.exchange.apply(place, CLOCK())

    def working(self, name: str) -> tuple[Decimal, Decimal]:
        """(stop, target) that work."""
        of = [order for order in self.exchange.accounts[""].working.values() if order.terms.instrument == name]
        stops = sum((order.leaves_qty for order in of if order.terms.stop_px is not None), D(0))
        return stops, sum((order.leaves_qty for order in of if order.terms.stop_px is None and order.side == "sell"), D(0))


async def test_five_hundred_instruments_with_cascading_fills_are_all_protected(tmp_path: Path) -> None:
    venue, random = Many(500, Faults(latency_min_ns=1_000_000, latency_max_ns=20_000_000)), Random(5)
    unified = UnifiedFillManager(FillManager.open(tmp_path / "f.db", venues=[venue], per_second=10_000))
    await unified.initialize()
    fills = unified.context
    for name in venue.names:
        await fills.positions.protect(name, "long", stop="9.00", stop_limit="8.50", targets=["11.00"])
    await asyncio.gather(*(fills.submit(Limit(name, "buy", qty=100, price="10.00")) for name in venue.names))
    await until(lambda: len(venue.exchange.accounts[""].working) == 500, "all entries rest")
    held = dict.fromkeys(venue.names, 0)
    before = venue.requests
    count = 0
    for _ in range(8):
        for name in random.sample(venue.names, 500):
            part = random.randint(1, 12)
            held[name] += part
            venue.sells(name, part)
            count += 1
        await asyncio.sleep(0)
    await until(
        lambda: all(venue.working(name) == (held[name], held[name]) for name in venue.names), "every leg is its position"
    )
    await until(lambda: all(each.covered for each in fills.positions.all()), "and that is known")
    assert {each.instrument: each.qty for each in fills.positions.all()} == held
    # In order within an instrument, overlapping across them, and far fewer resizes than two legs times the fills.
    assert (venue.most_of_one, venue.most > 20) == (1, True)
    assert venue.requests - before < count
    await unified.cleanup()
    assert verify(tmp_path / "f.db").problems == []


async def test_a_fill_that_comes_by_another_way_counts_once_and_is_protected(tmp_path: Path) -> None:
    venue = Many(1, Faults())
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        unified = UnifiedFillManager(fills, fills.bus)
        await unified.initialize()
        await fills.positions.protect("I0", "long", stop="9.00", stop_limit="8.50")
        order = await fills.submit(Limit("I0", "buy", qty=100, price="10.00"))
        await until(lambda: venue.exchange.accounts[""].working, "it rests")
        venue.sells("I0", 40)
        (fill,) = venue.exchange.accounts[""].executions
        assert isinstance(fill, Execution)
        for _ in range(3):
            await unified.on_order_fill(fill)
        assert order.cum_qty == 40
        await until(lambda: venue.working("I0") == (40, 0), "it is protected")
        # It was running before, and goes on.
        await unified.cleanup()
        assert fills.running
    assert not fills.running


async def test_cleanup_is_safe_before_a_start_and_twice(tmp_path: Path) -> None:
    unified = UnifiedFillManager(FillManager.open(tmp_path / "f.db", venues=[Many(1, Faults())]))
    await unified.cleanup()
    await unified.initialize()
    await unified.initialize()
    assert unified.context.running
    await unified.cleanup()
    await unified.cleanup()
    assert not unified.context.running


def test_another_bus_than_that_of_the_context_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="event_bus is another one than that of the context"):
        UnifiedFillManager(FillManager.open(tmp_path / "f.db"), Bus())
