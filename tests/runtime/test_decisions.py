"""Remainders decided on the paper venue: what is sent, what is only told, and what happens when the market cannot be seen."""

from __future__ import annotations

import asyncio
import json
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from partfill import CancelRest, Chase, FillManager, Hold, Limit
from partfill.journal.verify import verify
from partfill.model.book import Book
from partfill.model.numbers import NotANumber
from partfill.model.policy import Mode, RemainderPolicy
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport
from partfill.model.words import Side
from partfill.runtime.order import Order
from partfill.runtime.remainders import RemainderSettings
from partfill.venues.clock import CLOCK
from partfill.venues.paper.client import PaperClient
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.market import SHAPES, generated
from partfill.venues.paper.server import PaperServer
from partfill.venues.paper.venue import PaperVenue
from partfill.venues.protocol import VenueDown
from tests.runtime.test_manager import NAMES, WAIT_S, paper, price, same_as_the_venue, until

LIVE = RemainderSettings(mode=Mode.GENERAL_LIVE)
TICK = SHAPES["ACME"].listing.instrument.tick_at(Decimal(25))


class Told(list[ExecutionReport]):
    """Every decision that subscribers heard of."""

    def __init__(self, fills: FillManager) -> None:
        super().__init__()
        fills.subscribe(lambda told: self.append(told.event) if isinstance(told.event, ExecutionReport) else None)

    @property
    def verdicts(self) -> list[Reason]:
        return [report.verdict for report in self]


class Dim(PaperVenue):
    """A paper venue whose book can be made to hang or to fail."""

    def __init__(self) -> None:
        shapes = [SHAPES[name] for name in NAMES]
        super().__init__(Exchange([shape.listing for shape in shapes]), generated(shapes, 1), now=CLOCK)
        self.clear = asyncio.Event()
        self.clear.set()
        self.broken: Exception | None = None
        self.looking = self.most = 0
        self.advance(1500)

    async def book(self, instrument: str, side: Side | None = None, order_id: str | None = None) -> Book:
        self.looking += 1
        self.most = max(self.most, self.looking)
        try:
            await self.clear.wait()
            if self.broken is not None:
                raise self.broken
            return await super().book(instrument, side, order_id)
        finally:
            self.looking -= 1


async def partly(
    fills: FillManager, venue: PaperVenue, policy: RemainderPolicy | None, qty: int = 100_000,
    tags: dict[str, str] | None = None, **also: Any,
) -> Order:  # fmt: skip
    """An order that takes the best level and rests with what is left."""
    terms = Limit("ACME", "buy", qty=qty, price=price(venue, "ACME", "buy", 0), tags=tags)
    order = await fills.submit(terms, remainder=policy, **also)

    def some() -> bool:
        (child,) = order.parent.children[-1:]
        if child.order_id is not None and not order.ended:
            shown = venue.exchange.snapshot(order.account, [child.order_id], 1)
            if not any(each.cum_qty for each in shown if each.order_id == child.order_id):
                # A chase of another order was first at that price: it rests until the market comes.
                venue.advance(5)
        return order.cum_qty > 0

    await until(some, "some of it fills")
    return order


async def test_a_chase_follows_the_market_and_never_beyond_its_cap(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=LIVE) as fills:
        told = Told(fills)
        order = await partly(fills, venue, Chase(5, cancel_on_book_thin=False, rechase_ms=50, min_remainder_size=Decimal(1)))
        original = order.parent.terms.price
        await until(lambda: order.ended or Reason.CHASE_ORDER_SUBMITTED in told.verdicts, "it is chased")
        for _ in range(300):
            venue.advance(20)
            await asyncio.sleep(0.002)
            if order.ended:
                break
        assert original is not None
        assert TICK is not None
        chased = [report.px for report in told if report.verdict is Reason.CHASE_ORDER_SUBMITTED and report.px is not None]
        assert chased
        assert max(chased) <= original + 5 * TICK
        placed = [
            snapshot.price
            for snapshot in venue.exchange.snapshot("", [str(child.order_id) for child in order.parent.children], 1)
        ]
        assert all(px is not None and px <= original + 5 * TICK for px in placed)
        assert all(report.remaining_qty == report.order_qty - report.filled_qty for report in told)
        same_as_the_venue(fills, venue)
    verdict = verify(tmp_path / "f.db")
    assert (verdict.problems, verdict.rows["decisions"]) == ([], len(told))


async def test_the_rest_is_taken_off_where_that_is_the_policy(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=LIVE) as fills:
        told = Told(fills)
        order = await partly(fills, venue, CancelRest(cancel_on_book_thin=False))
        assert await order.done(WAIT_S) == "canceled"
        assert told.verdicts == [Reason.CANCELLED_REMAINDER]
        assert told[0].carried_out
        same_as_the_venue(fills, venue)


async def test_the_policy_of_the_settings_is_for_orders_that_bring_none(tmp_path: Path) -> None:
    venue = paper()
    settings = RemainderSettings(mode=Mode.GENERAL_LIVE, policy=CancelRest(cancel_on_book_thin=False))
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=settings) as fills:
        mine = await partly(fills, venue, Hold(cancel_on_book_thin=False), ref="mine")
        usual = await partly(fills, venue, None, ref="usual")
        assert await usual.done(WAIT_S) == "canceled"
        assert not mine.ended


async def test_without_a_word_decisions_are_told_and_not_sent(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        told = Told(fills)
        order = await partly(fills, venue, CancelRest(cancel_on_book_thin=False))
        await until(lambda: told, "a decision is told")
        assert (told[0].verdict, told[0].mode, told[0].carried_out) == (Reason.CANCELLED_REMAINDER, Mode.SHADOW_ONLY, False)
        assert not order.ended


@pytest.mark.parametrize("error", [VenueDown("paper: no"), RuntimeError("what an adapter may do")])
async def test_a_market_that_cannot_be_seen_takes_nothing_off(
    error: Exception, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    venue = Dim()
    venue.broken = error
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=LIVE) as fills:
        told = Told(fills)
        order = await partly(fills, venue, Chase(5, rechase_ms=50))
        await until(lambda: fills.remainders.looks > 3, "it is looked for again")
        # Told once; and once more when it can be seen.
        assert told.verdicts == [Reason.BOOK_UNAVAILABLE]
        assert len([record for record in caplog.records if record.name == "partfill.remainders"]) == 1
        assert not order.ended
        venue.broken = None
        await until(lambda: len(told) > 1, "it is seen")
        assert told[1].verdict is not Reason.BOOK_UNAVAILABLE


async def test_a_market_that_stands_still_is_looked_at_and_not_told_about(tmp_path: Path) -> None:
    venue = Dim()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        told = Told(fills)
        # In the shadow nothing moves by itself.
        order = await partly(fills, venue, Chase(10, rechase_ms=50, cancel_on_book_thin=False))
        await until(lambda: fills.remainders.looks > 5, "it is looked at again and again")
        assert len(told) == 1
        inputs = fills.journal.seq
        await until(lambda: fills.remainders.looks > 9, "and again")
        assert fills.journal.seq == inputs
        before = told[0].seen.best
        while venue.exchange.markets["ACME"].book.best(Side.SELL) == before:
            venue.advance(5)
        await until(lambda: len(told) > 1, "the market has moved")
        assert told[1].seen.best != before or told[1].filled_qty != told[0].filled_qty
        assert not order.ended


async def test_a_market_that_takes_too_long_is_held_and_looked_at_again(tmp_path: Path) -> None:
    venue = Dim()
    venue.clear.clear()
    settings = RemainderSettings(mode=Mode.GENERAL_LIVE, timeout_ms=20)
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=settings) as fills:
        told = Told(fills)
        order = await partly(fills, venue, CancelRest(cancel_on_book_thin=False))
        await until(lambda: told.verdicts == [Reason.SHED], "it is shed")
        assert not order.ended
        venue.clear.set()
        assert await order.done(WAIT_S) == "canceled"


async def test_more_decisions_than_there_is_room_for_are_shed_and_made_later(tmp_path: Path) -> None:
    venue = Dim()
    venue.clear.clear()
    settings = RemainderSettings(mode=Mode.GENERAL_LIVE, max_in_flight=5, timeout_ms=5000)
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=settings, per_second=2000) as fills:
        told = Told(fills)
        orders = [
            await partly(fills, venue, CancelRest(cancel_on_book_thin=False), qty=50_000 + number) for number in range(12)
        ]
        await until(lambda: told.verdicts.count(Reason.SHED) >= 7, "what is beyond the bound is shed")
        assert venue.most == 5
        venue.clear.set()
        for order in orders:
            assert await order.done(WAIT_S) in ("canceled", "filled")
        assert fills.remainders.shed >= 7
        same_as_the_venue(fills, venue)


async def test_a_decision_that_was_wanted_at_the_end_of_a_life_is_made_in_the_next(tmp_path: Path) -> None:
    venue = Dim()
    venue.clear.clear()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=LIVE) as fills:
        order = await partly(fills, venue, CancelRest(cancel_on_book_thin=False), ref="one")
        await fills.close(drain=False)
    venue.clear.set()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=LIVE) as fills:
        again = fills.order("one")
        assert again is not None
        assert await again.done(WAIT_S) == "canceled"
        assert again.cum_qty == order.cum_qty


async def test_the_kill_switch_is_told_as_a_decision(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=LIVE) as fills:
        told = Told(fills)
        order = await partly(fills, venue, Hold(cancel_on_book_thin=False))
        await until(lambda: told, "it is held")
        await fills.kill(True, by="operator")
        assert await order.done(WAIT_S) == "killed"
        assert told[-1].verdict is Reason.KILL_SWITCH_ACTIVE


async def test_the_book_over_the_socket_is_the_book() -> None:
    venue = paper()
    server = PaperServer(venue, port=0)
    await server.start()
    client = await PaperClient.connect("127.0.0.1", server.port, now=CLOCK)
    try:
        shown, true = await client.book("ACME"), venue.exchange.depth("ACME", 1)
        assert (shown.bids, shown.asks) == (true.bids, true.asks)
        assert len(shown.bids) > 1
        assert shown.bids[0].px < shown.asks[0].px
        with pytest.raises(VenueDown, match="'NOPE' is not listed"):
            await client.book("NOPE")
    finally:
        await client.close()
        await server.close()


async def test_every_decision_is_a_line_of_the_log_with_its_numbers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "partfill.decisions")
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=LIVE) as fills:
        told = Told(fills)
        order = await partly(fills, venue, Hold(cancel_on_book_thin=False), ref="one")
        await until(lambda: told, "it is held")
        await fills.kill(True, by="operator")
        assert await order.done(WAIT_S) == "killed"
    said = [json.loads(record.getMessage()) for record in caplog.records if record.name == "partfill.decisions"]
    assert [each["verdict"] for each in said] == [report.verdict for report in told]
    first, report = said[0], told[0]
    assert (first["order_id"], first["ref"], first["policy_applied"], first["cancel_on_book_thin"]) == (
        report.order_id, "one", "hold", False,
    )  # fmt: skip
    numbers = [Decimal(first[name]) for name in ("remaining_usd", "book_depth_usd")]
    assert numbers == [report.seen.remaining_usd, report.seen.book_depth_usd]
    assert first["ticks_to_fill"] == report.seen.ticks_to_fill
    # The kill switch looks at no book.
    assert (said[-1]["book_depth_usd"], said[-1]["ticks_to_fill"], said[-1]["carried_out"]) == (None, None, True)


def test_a_wide_chase_for_everybody_is_refused_and_the_usual_bounds_are_those_of_the_document() -> None:
    RemainderSettings(policy=Chase(3))
    with pytest.raises(NotANumber, match="chase_max_ticks is 4 for orders that bring no policy"):
        RemainderSettings(policy=Chase(4))
    usual = RemainderSettings()
    assert (usual.mode, usual.max_in_flight, usual.timeout_ms) == (Mode.SHADOW_ONLY, 50, 300)


async def test_a_hold_that_could_not_see_the_market_is_decided_once_it_can(tmp_path: Path) -> None:
    venue = Dim()
    venue.broken = VenueDown("paper: no")
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=LIVE) as fills:
        told = Told(fills)
        await partly(fills, venue, Hold(cancel_on_book_thin=False, max_book_age_ms=50, rechase_ms=50))
        await until(lambda: fills.remainders.looks > 3, "it is looked for")
        assert told.verdicts == [Reason.BOOK_UNAVAILABLE]
        venue.broken = None
        await until(lambda: len(told) > 1, "it is seen")
        assert told.verdicts == [Reason.BOOK_UNAVAILABLE, Reason.HOLD_REMAINDER]
