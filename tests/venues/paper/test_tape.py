"""How fast a market trades and what stands before an order: exact windows, the right side, in process and over the socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partfill import FillManager, Hold, Limit
from partfill.model.book import Book
from partfill.model.numbers import ratio
from partfill.model.policy import Mode
from partfill.model.reports import ExecutionReport
from partfill.model.words import Side
from partfill.runtime.remainders import RemainderSettings
from partfill.venues.clock import CLOCK
from partfill.venues.paper.client import PaperClient
from partfill.venues.paper.events import Add, MarketEvent, Take, Timed
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.server import PaperServer
from partfill.venues.paper.tape import LEAST_NS, WINDOW_S, Tape
from partfill.venues.paper.venue import PaperVenue
from partfill.venues.protocol import Venue
from tests.venues.paper.desk import BUY, LISTING, SELL, D, clock, eventually, place, terms

SECOND = 1_000_000_000


# ---------------------------------------------------------------------- the window


def test_a_market_has_no_rate_before_it_was_watched_long_enough() -> None:
    tape = Tape()
    tape.traded(5 * SECOND, BUY, D(7))
    assert tape.rate(LEAST_NS - 1, 0) is None
    assert tape.rate(LEAST_NS, 0) == D("0.7")


def test_nothing_traded_is_a_rate_of_zero_and_not_an_unknown_one() -> None:
    assert Tape().rate(LEAST_NS, 0) == 0


def test_only_what_the_resting_side_gave_counts_for_that_side() -> None:
    tape = Tape()
    tape.traded(SECOND, BUY, D(30))
    tape.traded(2 * SECOND, SELL, D(10))
    assert [tape.rate(20 * SECOND, 0, side) for side in (BUY, SELL, None)] == [D("1.5"), D("0.5"), 2]


def test_a_rate_forgets_what_is_older_than_its_window() -> None:
    tape = Tape()
    tape.traded(SECOND // 2, BUY, D(600))
    tape.traded(70 * SECOND, BUY, D(59))
    # The window begins with a whole second: 59 of them, and none of the running one yet.
    assert tape.rate(129 * SECOND - SECOND, 0) == 1
    assert tape.rate(140 * SECOND, 0) == 0


def test_an_estimate_has_six_digits() -> None:
    tape = Tape()
    tape.traded(SECOND, BUY, D(1))
    assert str(tape.rate(30 * SECOND, 0)) == "0.0333333"


trades = st.lists(st.tuples(st.integers(0, 200 * SECOND), st.sampled_from([BUY, SELL]), st.integers(1, 50)), max_size=40)


@given(trades, st.integers(0, 30 * SECOND), st.sampled_from([BUY, SELL, None]))
def test_a_rate_is_what_traded_in_the_window_by_its_length(
    happened: list[tuple[int, Side, int]], later: int, side: Side | None
) -> None:
    tape = Tape()
    happened.sort(key=lambda each: each[0])
    for at, rested, qty in happened:
        tape.traded(at, rested, D(qty))
    now = (happened[-1][0] if happened else 0) + later
    start = max(0, (now // SECOND - WINDOW_S + 1) * SECOND)
    total = sum(qty for at, rested, qty in happened if at >= start and side in (None, rested))
    found = tape.rate(now, 0, side)
    if now < LEAST_NS:
        assert found is None
    else:
        assert found is not None
        assert abs(found - ratio(D(total * SECOND), D(now - start))) * 100_000 <= found


# ---------------------------------------------------------------------- the exchange


def at(second: int, event: MarketEvent) -> Timed:
    return second * SECOND, event


def market() -> Iterator[Timed]:
    """Bids of 40 and 30 at 10 and 9.99, offers of 25; sellers take 60 and buyers 5; much later sellers take 25 more."""
    yield at(0, Add("ACME", "b1", BUY, D(40), D(10)))
    yield at(0, Add("ACME", "b2", BUY, D(30), D("9.99")))
    yield at(0, Add("ACME", "a1", SELL, D(25), D("10.01")))
    yield at(1, Take("ACME", SELL, D(60)))
    yield at(2, Take("ACME", BUY, D(5)))
    for second in range(3, 31):
        yield at(second, Add("ACME", f"q{second}", BUY, D(1), D("0.50")))
    yield at(31, Add("ACME", "b3", BUY, D(8), D("9.99")))
    yield at(32, Take("ACME", SELL, D(25)))
    yield at(33, Add("ACME", "b4", BUY, D(12), D(10)))


def stepped(speed: int | None = None) -> PaperVenue:
    return PaperVenue(Exchange([LISTING]), market(), now=clock(), speed=speed)


@asynccontextmanager
async def near_and_far(how: str) -> AsyncIterator[tuple[PaperVenue, Venue]]:
    """The venue, and the way to ask it: in this process, or over its socket."""
    venue = stepped()
    if how == "in process":
        yield venue, venue
        return
    server = PaperServer(venue)
    client = await PaperClient.connect("127.0.0.1", await server.start(), now=clock())
    try:
        yield venue, client
    finally:
        await client.close()
        await server.close()


HOW = pytest.mark.parametrize("how", ["in process", "over the socket"])


@HOW
async def test_a_book_says_how_fast_each_side_trades(how: str) -> None:
    async with near_and_far(how) as (venue, ask):
        assert (await ask.book("ACME")).trade_rate is None
        venue.advance(33)
        # 30 seconds have gone by: 60 were sold into bids, 5 bought from offers.
        rates = [(await ask.book("ACME", side)).trade_rate for side in (BUY, SELL, None)]
        assert [str(rate) for rate in rates] == ["2", "0.166667", "2.16667"]


@HOW
async def test_what_stands_before_an_order_is_better_prices_and_older_orders(how: str) -> None:
    async with near_and_far(how) as (venue, ask):
        venue.advance(3)
        for name, side, qty, price in (
            ("mine", BUY, "5", "9.99"), ("later", BUY, "5", "9.99"), ("behind", BUY, "5", "9.98"), ("ask", SELL, "5", "10.02"),
        ):  # fmt: skip
            venue.exchange.apply(place(name, terms(side, qty, price)), 1)
        of = venue.exchange.accounts["a"].clients
        ahead = {name: (await ask.book("ACME", each.side, each.order_id)).queue_ahead for name, each in of.items()}
        assert ahead == {"mine": 70, "later": 75, "behind": 80, "ask": 25}
        venue.advance(1)
        assert (await ask.book("ACME", BUY, of["mine"].order_id)).queue_ahead == 10


@HOW
async def test_an_order_that_does_not_rest_has_no_queue(how: str) -> None:
    async with near_and_far(how) as (venue, ask):
        venue.advance(33)
        venue.exchange.apply(place("gone", terms(BUY, "5", "10.01")), 1)
        gone = venue.exchange.accounts["a"].clients["gone"]
        assert gone.cum_qty == 5
        for order_id in (gone.order_id, "never"):
            book = await ask.book("ACME", BUY, order_id)
            assert (book.queue_ahead, book.trade_rate) == (None, 2)


async def test_a_market_that_is_let_run_faster_trades_faster() -> None:
    venue = stepped(speed=7)
    venue.advance(33)
    assert (await venue.book("ACME", BUY)).trade_rate == 14


def test_a_warm_up_at_one_instant_counts_by_the_time_of_the_market() -> None:
    venue = PaperVenue(Exchange([LISTING]), market(), now=lambda: 5)
    venue.advance(33)
    assert venue.exchange.depth("ACME", 5, BUY).trade_rate == 2


sides = st.sampled_from([BUY, SELL])


@given(st.lists(st.tuples(sides, st.integers(1, 9), st.integers(95, 105), st.booleans()), min_size=1, max_size=40))
def test_what_stands_before_an_order_is_what_would_fill_before_it(
    orders: list[tuple[Side, int, int, bool]],
) -> None:
    exchange = Exchange([LISTING])
    for number, (side, qty, price, ours) in enumerate(orders):
        if ours:
            exchange.apply(place(f"c{number}", terms(side, str(qty), str(price))), number)
        else:
            exchange.market(Add("ACME", f"o{number}", side, D(qty), D(price)), number)
    book = exchange.markets["ACME"].book
    for side in (BUY, SELL):
        before = D(0)
        for order in book.standing(side):
            assert book.before(order) == before
            assert exchange.depth("ACME", 1, side, order.id).queue_ahead == before
            before += order.open


# ---------------------------------------------------------------------- the report


@HOW
async def test_a_held_rest_is_told_with_the_time_it_should_take(how: str, tmp_path: Path) -> None:
    live = RemainderSettings(mode=Mode.GENERAL_LIVE)
    venue = PaperVenue(Exchange([LISTING]), market(), now=CLOCK)
    server = PaperServer(venue)
    remote = await PaperClient.connect("127.0.0.1", await server.start(), now=CLOCK)
    ask: Venue = venue if how == "in process" else remote
    try:
        async with FillManager.open(tmp_path / "f.db", venues=[ask], remainders=live) as fills:
            told: list[ExecutionReport] = []
            fills.subscribe(lambda each: told.append(each.event) if isinstance(each.event, ExecutionReport) else None)
            venue.advance(33)
            order = await fills.submit(Limit("ACME", "buy", qty=40, price="9.99"), remainder=Hold(cancel_on_book_thin=False))
            await eventually(lambda: bool(venue.exchange.snapshot("", (), 1)))
            # 10 stand before it; then sellers take 25, and somebody bids more than it does.
            venue.advance(3)
            await eventually(lambda: bool(told))
            (report,) = told
            assert (report.filled_qty, report.remaining_qty) == (15, 25)
            book: Book = venue.exchange.depth("ACME", 1, BUY, report.order_id)
            # 33 seconds: 60 and 25 were sold into bids.
            assert (book.queue_ahead, str(book.trade_rate)) == (12, "2.57576")
            assert book.trade_rate is not None
            assert report.seen.time_to_fill_s == ratio(D(25 + 12), book.trade_rate)
            await order.cancel()
    finally:
        await remote.close()
        await server.close()


async def test_what_nobody_trades_has_no_time_to_fill(tmp_path: Path) -> None:
    quiet = [at(0, Add("ACME", "a1", SELL, D(25), D(10))), at(30, Add("ACME", "q", BUY, D(1), D("0.50")))]
    venue = PaperVenue(Exchange([LISTING]), iter(quiet), now=CLOCK)
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=RemainderSettings()) as fills:
        told: list[ExecutionReport] = []
        fills.subscribe(lambda each: told.append(each.event) if isinstance(each.event, ExecutionReport) else None)
        venue.advance(2)
        order = await fills.submit(Limit("ACME", "buy", qty=40, price=10), remainder=Hold(cancel_on_book_thin=False))
        await eventually(lambda: bool(told))
        # The 25 that it took itself were offers; nobody sold into a bid.
        assert venue.exchange.depth("ACME", 1, BUY).trade_rate == Decimal(0)
        assert told[0].seen.time_to_fill_s is None
        await order.cancel()
