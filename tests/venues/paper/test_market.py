"""Markets that drive the books: out of a seed, out of a file, out of a recording."""

from __future__ import annotations

import io
import lzma
import zipfile
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice

import pytest

from partfill.model.instrument import Instrument, TickBand
from partfill.model.words import OrdStatus, Side
from partfill.venues.decoding import Decoder, Message
from partfill.venues.lobster.decoder import LobsterDecoder
from partfill.venues.marketdata.bitstamp import BitstampDecoder
from partfill.venues.paper.events import Add, BadEvent, Drop, Reduce, Take, read_events, write_event
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.listing import Listing
from partfill.venues.paper.market import SHAPES, generated
from partfill.venues.paper.recorded import Recording
from tests.recorded import recorded
from tests.venues.paper.desk import place, terms

D = Decimal
BUY, SELL = Side.BUY, Side.SELL


def messages(decoder: Decoder, rows: Iterable[str]) -> Iterator[Message]:
    for number, row in enumerate(rows, 1):
        yield from decoder.decode(row, number)


def lobster(*rows: str) -> list[object]:
    recording = Recording("XYZ", incoming_listed=False)
    return [event for _, event in recording.events(messages(LobsterDecoder("XYZ"), rows))]


# ---------------------------------------------------------------------- out of a seed


def written(seed: int, count: int = 3000) -> list[str]:
    return [write_event(at, event) for at, event in islice(generated(list(SHAPES.values()), seed), count)]


def test_the_same_seed_is_the_same_market_byte_for_byte() -> None:
    assert written(7) == written(7)
    assert written(7) != written(8)


def test_a_generated_market_is_well_formed_and_trades() -> None:
    exchange = Exchange([shape.listing for shape in SHAPES.values()])
    kinds, before = set(), 0
    for at, event in islice(generated(list(SHAPES.values()), 1), 20_000):
        assert at >= before
        before = at
        kinds.add((event.instrument, type(event)))
        if isinstance(event, Add):
            listing = exchange.markets[event.instrument].listing
            assert listing.refused_price(event.price, "price") is None
            assert listing.instrument.valid_qty(event.qty)
        exchange.market(event, at)
    assert kinds == {(symbol, kind) for symbol in SHAPES for kind in (Add, Drop, Take)}
    for symbol, market in exchange.markets.items():
        assert market.last is not None, symbol
        assert len(market.book.orders) <= SHAPES[symbol].orders


def test_jumps_and_bursts_move_the_price_further_than_a_calm_walk() -> None:
    exchange = Exchange([SHAPES["THIN"].listing])
    prices = []
    for at, event in islice(generated([SHAPES["THIN"]], 5), 20_000):
        exchange.market(event, at)
        prices.append(exchange.markets["THIN"].last or D(9))
    assert max(prices) - min(prices) > D("0.50")


# ---------------------------------------------------------------------- out of a file


def test_events_come_back_from_their_lines() -> None:
    lines = written(3, 500)
    assert [write_event(at, event) for at, event in read_events(lines)] == lines
    timed = [(5, Reduce("X", "1", D("0.5"))), (9, Take("X", SELL, D(3), D("9.9"), "1", D(3)))]
    assert list(read_events(write_event(*each) + "\n" for each in timed)) == timed


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"at":1,"type":"take","instrument":"X","side":"buy","qty":0.1}', "float"),
        ('{"at":1,"type":"take","instrument":"X","side":"buy","qty":"-1"}', "above zero"),
        ('{"at":1,"type":"frob","instrument":"X"}', "frob"),
        ('{"type":"drop","instrument":"X","id":"1"}', "at is None"),
        ('{"at":-1,"type":"drop","instrument":"X","id":"1"}', "at is -1"),
        ('{"at":1,"type":"drop"', "line 1"),
        ("[]", "line 1"),
    ],
)
def test_a_line_that_is_no_event_is_named(line: str, says: str) -> None:
    with pytest.raises(BadEvent, match=says):
        list(read_events([line]))


def test_time_does_not_go_back() -> None:
    lines = [write_event(5, Drop("X", "1")), write_event(4, Drop("X", "2"))]
    with pytest.raises(BadEvent, match="line 2"):
        list(read_events(lines))


# ---------------------------------------------------------------------- out of a recording


def test_rows_of_resting_orders_become_events() -> None:
    rows = ("1,1,7,300,505000,-1", "2,2,7,100,505000,-1", "3,4,7,50,505000,-1", "4,3,7,150,505000,-1", "5,4,99,5,505000,1")
    assert lobster(*rows) == [
        Add("XYZ", "7", SELL, D(300), D("50.5000"), rested=True),
        Reduce("XYZ", "7", D(100)),
        Take("XYZ", BUY, D(50), D("50.5000"), "7"),
        Drop("XYZ", "7"),
    ]


def test_what_was_recorded_after_it_shows_that_an_order_is_stale() -> None:
    exchange = Exchange([Listing(instrument=Instrument(symbol="XYZ"))])
    rows = ("1,1,7,300,505000,-1", "2,1,8,10,505000,1", "3,1,9,300,500000,-1", "4,1,10,300,500000,-1", "5,4,10,50,500000,-1")
    book = exchange.markets["XYZ"].book
    for at, event in Recording("XYZ", incoming_listed=False).events(messages(LobsterDecoder("XYZ"), rows)):
        exchange.market(event, at)
    assert exchange.trades == 1, "a bid that rested took nothing, and neither did an offer"
    assert book.depth(SELL) == [(D(50), D(250))], "9 stood before 10, and 10 filled"


def test_orders_out_of_sight_leave_and_ours_stay() -> None:
    exchange = Exchange([Listing(instrument=Instrument(symbol="XYZ"))])
    exchange.apply(place("c1", terms(SELL, "60", "51", instrument="XYZ")), 0)
    rows = ("1,1,7,300,510000,-1", "2,1,8,10,505000,-1", "3,1,9,300,500000,-1")
    for at, event in Recording("XYZ", incoming_listed=False, levels=2).events(messages(LobsterDecoder("XYZ"), rows)):
        exchange.market(event, at)
    assert exchange.markets["XYZ"].book.depth(SELL) == [(D(50), D(300)), (D("50.5"), D(10)), (D(51), D(60))]


def test_an_order_of_ours_that_stands_before_a_recorded_one_fills_first() -> None:
    exchange = Exchange([Listing(instrument=Instrument(symbol="XYZ", ticks=(TickBand(D(0), D("0.01")),), lot=D(1)))])
    rows = ("1,1,7,300,505000,-1", "3,4,7,50,505000,-1", "4,4,7,50,505000,-1")
    exchange.apply(place("c1", terms(SELL, "60", "50.50", instrument="XYZ")), 0)
    recording = Recording("XYZ", incoming_listed=False)
    for at, event in recording.events(messages(LobsterDecoder("XYZ"), rows)):
        exchange.market(event, at)
    ours = exchange.accounts["a"].clients["c1"]
    assert (ours.cum_qty, ours.status) == (60, OrdStatus.FILLED)
    assert exchange.markets["XYZ"].book.depth(SELL) == [(D("50.5"), D(260))]


def bitstamp_rows(*rows: tuple[str, int, str, str, int]) -> list[str]:
    return [
        f'{1000 + n} order_{kind} {{"id":{name},"price":"{price}","amount":"{amount}","order_type":{side}}}'
        for n, (kind, name, price, amount, side) in enumerate(rows)
    ]


def test_a_trade_that_a_recording_shows_on_both_sides_happens_once() -> None:
    rows = bitstamp_rows(
        ("created", 1, "200", "5", 1),
        ("created", 2, "200", "3", 0),
        ("changed", 1, "200", "2", 1),
        ("deleted", 2, "200", "0", 0),
    )
    exchange = Exchange([Listing(instrument=Instrument(symbol="BTC/USD"))])
    for at, event in Recording("BTC/USD", incoming_listed=True).events(messages(BitstampDecoder(), rows)):
        exchange.market(event, at)
    assert exchange.trades == 1
    assert exchange.markets["BTC/USD"].book.depth(SELL) == [(D(200), D(2))]


def test_a_recorded_lobster_day_rebuilds_its_own_book() -> None:
    """The venue's own book beside the messages is the judge: how often the best price of a side is the same."""
    path = recorded("data/lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip")
    exchange = Exchange([Listing(instrument=Instrument(symbol="AMZN", ticks=(TickBand(D(0), D("0.01")),), lot=D(1)))])
    book = exchange.markets["AMZN"].book
    recording = Recording("AMZN", incoming_listed=False, levels=5)
    same = compared = 0
    with zipfile.ZipFile(path) as archive:
        named = {("message" in name): name for name in archive.namelist() if name.endswith(".csv")}
        with archive.open(named[True]) as events, archive.open(named[False]) as books:
            decoder = LobsterDecoder("AMZN")
            rows = zip(io.TextIOWrapper(events), io.TextIOWrapper(books), strict=True)
            for number, (row, truth) in enumerate(islice(rows, 40_000), 1):
                for at, event in recording.events(decoder.decode(row, number)):
                    exchange.market(event, at)
                if number > 10_000:
                    ask, _, bid, _ = truth.split(",")[:4]
                    compared += 2
                    same += (book.best(SELL) == D(f"{ask}E-4")) + (book.best(BUY) == D(f"{bid}E-4"))
    assert exchange.trades > 1000
    assert compared == 60_000
    # Orders that left the visible levels may or may not be gone: the messages alone cannot tell.
    assert same * 10 > compared * 8, f"{same} of {compared}"


def test_a_recorded_bitstamp_day_drives_orders_of_ours() -> None:
    path = recorded("data/bitstamp/2015-05-01.log.xz")
    exchange = Exchange([Listing(instrument=Instrument(symbol="BTC/USD", lot=D("0.00000001"), quote="USD"))])
    recording = Recording("BTC/USD", incoming_listed=True)
    book = exchange.markets["BTC/USD"].book
    done = 0
    with lzma.open(path, "rt") as rows:
        for number, (at, event) in enumerate(recording.events(messages(BitstampDecoder(), rows)), 1):
            exchange.market(event, at)
            bid, ask = book.best(BUY), book.best(SELL)
            assert bid is None or ask is None or bid < ask
            if number % 2_000 == 0 and bid is not None:
                done += 1
                exchange.apply(place(f"c{number}", terms(BUY, "2", str(bid), instrument="BTC/USD")), at)
    orders = exchange.accounts["a"].orders.values()
    assert done > 10
    assert exchange.trades > 300
    assert any(order.status is OrdStatus.FILLED and len(order.executions) > 1 for order in orders)
