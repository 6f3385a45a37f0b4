"""The paper venue behind the protocol: requests, streams, questions, and what goes wrong on demand."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest

from partfill.core.engine import Engine
from partfill.model.commands import Outcome
from partfill.model.inputs import OrderPlaced, VenueDeclared
from partfill.model.observations import Execution, Gap, Observation
from partfill.model.words import ExecType, OrdStatus, Side
from partfill.venues.paper.events import Add, Take, Timed
from partfill.venues.paper.exchange import PAPER, Exchange
from partfill.venues.paper.faults import RATE_LIMIT, Applied, Faults, Misfortune
from partfill.venues.paper.market import SHAPES, generated
from partfill.venues.paper.stream import Stream
from partfill.venues.paper.venue import PaperVenue
from partfill.venues.protocol import Venue, VenueDown
from tests.venues.paper.desk import (
    LISTING,
    assert_ledger_is_the_truth,
    cancel,
    clock,
    definite,
    eventually,
    place,
    query,
    replace,
    terms,
)

D = Decimal
SELLS: list[Timed] = [(n, Take("ACME", Side.SELL, D(2))) for n in range(50)]


def venue(market: list[Timed] | None = None, seed: int = 1, **faults: int) -> PaperVenue:
    return PaperVenue(Exchange([LISTING]), iter(market or []), now=clock(), faults=Faults(**faults), seed=seed)


def waiting(stream: Stream) -> list[Observation]:
    """Everything a stream has right now."""
    found = list(stream._waiting)
    stream._waiting.clear()
    return found


# ---------------------------------------------------------------------- a venue like any other


async def test_it_is_a_venue() -> None:
    paper: Venue = venue()
    assert (paper.name, paper.capabilities, list(paper.instruments)) == ("paper", PAPER, ["ACME"])
    await paper.close()


async def test_a_stream_hears_everything_of_its_account_from_its_making_on() -> None:
    paper = venue(SELLS)
    stream = paper.stream("a")
    await paper.place(place("c1"))
    await paper.place(place("other", account="b"))
    assert paper.advance(2) == 2
    await paper.close()
    said = [each async for each in stream]
    assert [each.exec_type for each in said] == [ExecType.NEW, ExecType.TRADE, ExecType.TRADE]
    assert {each.account for each in said} == {"a"}


async def test_answers_are_as_of_the_sending() -> None:
    paper = venue(SELLS)
    answered = await paper.place(place("c1"))
    assert answered.order is not None
    assert answered.as_of == answered.order.as_of == 1_000
    order = paper.exchange.accounts["a"].clients["c1"]
    assert order.born > 1_000


async def test_find_history_and_snapshot_tell_the_same_fills() -> None:
    paper = venue(SELLS)
    await paper.place(place("c1"))
    paper.advance(3)
    looked = await paper.find(query("c1"))
    history = [each async for each in paper.history("a", 0)]
    (shown,) = await paper.snapshot("a")
    assert looked.definite
    assert looked.order is not None
    assert list(looked.order.executions or ()) == history == list(shown.executions or ())
    assert looked.order.cum_qty == 6
    assert all(isinstance(each, Execution) for each in history)


async def test_find_of_nothing_is_definite() -> None:
    looked = await venue().find(query("never"))
    assert (looked.order, looked.definite, looked.error) == (None, True, None)


async def test_replace_and_cancel_go_through() -> None:
    paper = venue(SELLS)
    await paper.place(place("c1"))
    assert (await paper.replace(replace("c1", "8"))).outcome is Outcome.DONE
    assert (await paper.cancel(cancel("c1-r"))).outcome is Outcome.DONE
    assert paper.exchange.accounts["a"].clients["c1"].status is OrdStatus.CANCELED


async def test_the_market_runs_by_itself_at_its_speed() -> None:
    events: list[Timed] = [(n * 1_000, Add("ACME", f"o{n}", Side.SELL, D(1), D("10.01"))) for n in range(2_000)]
    paper = PaperVenue(Exchange([LISTING]), iter(events), now=clock(100), speed=10)
    async with paper:
        await eventually(lambda: len(paper.exchange.markets["ACME"].book.orders) == 2_000)


async def test_a_market_without_speed_does_not_start() -> None:
    with pytest.raises(ValueError, match="advance"):
        venue().start()


async def test_a_closed_venue_answers_unknown_and_reads_fail() -> None:
    paper = venue()
    await paper.close()
    assert (await paper.place(place("c1"))).outcome is Outcome.UNKNOWN
    assert (await paper.find(query("c1"))).error == "closed"
    with pytest.raises(VenueDown):
        await paper.snapshot("a")


# ---------------------------------------------------------------------- misbehaviour


async def test_a_lost_reply_leaves_an_order_that_find_finds() -> None:
    paper = venue(lose_reply=1000)
    answered = await paper.place(place("c1"))
    assert (answered.outcome, answered.order) == (Outcome.UNKNOWN, None)
    looked = await paper.find(query("c1"))
    assert looked.definite
    assert looked.order is not None


async def test_a_lost_request_is_definitely_nothing() -> None:
    paper = venue(lose_request=1000)
    assert (await paper.place(place("c1"))).outcome is Outcome.UNKNOWN
    looked = await paper.find(query("c1"))
    assert (looked.order, looked.definite) == (None, True)


async def test_a_late_request_makes_answers_indefinite_until_it_is_applied() -> None:
    paper = venue(late=1000, late_ns=20_000_000)
    assert (await paper.place(place("c1"))).outcome is Outcome.UNKNOWN
    looked = await paper.find(query("c1"))
    assert (looked.order, looked.definite) == (None, False)
    assert (await definite(paper, "c1")).order is not None


async def test_giving_up_on_a_request_does_not_take_it_back() -> None:
    paper = venue(latency_min_ns=5_000_000, latency_max_ns=5_000_000)
    waits = asyncio.create_task(paper.place(place("c1")))
    await asyncio.sleep(0)
    waits.cancel()
    await asyncio.gather(waits, return_exceptions=True)
    assert waits.cancelled()
    assert (await definite(paper, "c1")).order is not None


async def test_a_request_on_its_way_to_a_venue_that_closes_is_unknown() -> None:
    paper = venue(latency_min_ns=60_000_000_000, latency_max_ns=60_000_000_000)
    waits = asyncio.create_task(paper.place(place("c1")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await paper.close()
    assert (await waits).outcome is Outcome.UNKNOWN


async def test_requests_over_the_rate_are_refused_and_cancels_have_a_reserve() -> None:
    paper = venue(rate=2, cancel_reserve=1)
    first = [await paper.place(place(f"c{n}")) for n in range(3)]
    assert [each.outcome for each in first] == [Outcome.DONE, Outcome.DONE, Outcome.REFUSED]
    assert first[2].reason == RATE_LIMIT == "rate_limit"
    assert (await paper.cancel(cancel("c0"))).outcome is Outcome.DONE
    assert (await paper.cancel(cancel("c1"))).reason == RATE_LIMIT


def test_the_rate_recovers_after_a_second() -> None:
    luck = Misfortune(Faults(rate=2))
    at = [0, 10, 999_999_999, 1_000_000_000, 1_000_000_005, 1_000_000_010]
    assert [luck.request("a", now, cancel=False).refused for now in at] == [None, None, RATE_LIMIT, None, RATE_LIMIT, None]
    assert luck.request("b", 1_000_000_010, cancel=False).refused is None, "each account has its own"


async def test_refused_requests_do_nothing() -> None:
    paper = venue(refuse=1000)
    answered = await paper.place(place("c1"))
    assert answered.outcome is Outcome.REFUSED
    assert str(answered.reason).startswith("unavailable")
    assert not paper.exchange.accounts


async def test_reads_fail() -> None:
    paper = venue(fail_read=1000)
    assert (await paper.find(query("c1"))).error == "no answer came"
    with pytest.raises(VenueDown):
        await paper.snapshot("a")
    with pytest.raises(VenueDown):
        await anext(paper.history("a", 0))


async def test_every_loss_of_messages_is_followed_by_a_gap() -> None:
    heard = whole = gaps = 0
    for seed in range(20):
        paper = venue(SELLS, seed, disconnect=150)
        stream = paper.stream("a")
        await paper.place(place("c1", terms(qty="60")))
        paper.advance(30)
        said = waiting(stream)
        keys = [each.key for each in paper.exchange.accounts["a"].executions]
        known = [e.key for each in said if not isinstance(each, Gap) for e in each.executions or ()]
        gaps += sum(isinstance(each, Gap) for each in said)
        heard, whole = heard + len(known), whole + len(keys)
        assert known == [key for key in keys if key in known], "what comes is in order"
        assert len(known) == len(keys) or stream._broken or any(isinstance(each, Gap) for each in said)
    assert gaps > 10
    assert heard < whole


async def test_a_gap_says_since_when() -> None:
    paper = venue()
    stream = paper.stream("a")
    await paper.place(place("c1"))
    paper.interrupt()
    new, gap = waiting(stream)
    assert isinstance(gap, Gap)
    assert (gap.venue, gap.account, gap.since, gap.reason) == ("paper", "a", new.as_of, "the connection was lost")


async def test_a_slow_reader_loses_messages_and_is_told() -> None:
    paper = venue(SELLS)
    stream = Stream("paper", "a", Misfortune(Faults()), limit=3)
    paper._streams.append(stream)
    await paper.place(place("c1", terms(qty="60")))
    paper.advance(10)
    assert [type(each).__name__ for each in waiting(stream)] == ["OrderSnapshot"] * 3
    paper.advance(1)
    gap, trade = waiting(stream)
    assert isinstance(gap, Gap)
    assert "slow reader" in str(gap.reason)
    assert not isinstance(trade, Gap)


async def test_duplicates_are_the_same_message_twice() -> None:
    paper = venue(duplicate=1000)
    stream = paper.stream("a")
    await paper.place(place("c1"))
    one, two = waiting(stream)
    assert one == two


@pytest.mark.parametrize("bad", [{"refuse": 1001}, {"rate": -1}, {"latency_min_ns": 5, "latency_max_ns": 4}])
def test_faults_that_cannot_be(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"refuse|rate|latency"):
        Faults(**bad)


def test_the_same_seed_goes_wrong_in_the_same_places() -> None:
    faults = Faults(refuse=100, lose_request=100, lose_reply=100, late=100, latency_max_ns=50, disconnect=50, duplicate=50)

    def run(seed: int) -> list[Any]:
        luck = Misfortune(faults, seed)
        stream = luck.fork()
        return [(luck.request("a", n, cancel=False), stream.message()) for n in range(300)]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert {fate.applied for fate, _ in run(1)} == set(Applied)


@pytest.mark.parametrize("seed", range(8))
async def test_a_ledger_that_asks_after_gaps_and_unknowns_ends_with_the_truth(seed: int) -> None:
    """The whole of it: requests and messages go wrong, the desk asks, and the ledger is the exchange's in the end."""
    shape = SHAPES["ACME"]
    faults = Faults(refuse=50, lose_request=50, lose_reply=80, disconnect=40, duplicate=100)
    paper = PaperVenue(Exchange([shape.listing]), generated([shape], seed), now=clock(), faults=faults, seed=seed)
    engine, stream = Engine(), paper.stream("a")
    engine.step(VenueDeclared(venue="paper", capabilities=PAPER), 0)
    paper.advance(300)
    unknown = 0

    async def look(name: str) -> None:
        looked = await paper.find(query(name))
        assert looked.definite
        if looked.order is not None:
            engine.step(looked.order, paper.now())

    names: list[str] = []
    for number in range(120):
        last = paper.exchange.markets["ACME"].last
        assert last is not None
        side = Side.BUY if number % 2 else Side.SELL
        op = place(f"c{number}", terms(side, "150", str(last)))
        engine.step(OrderPlaced(venue="paper", account="a", terms=op.terms, cl_ord_id=op.cl_ord_id), paper.now())
        answered = await paper.place(op)
        if answered.outcome is Outcome.UNKNOWN:
            unknown += 1
            await look(op.cl_ord_id)
        names.append(op.cl_ord_id)
        if number % 5 == 0:
            await paper.cancel(cancel(names[number // 2], f"x{number}"))
        paper.advance(10)
        for said in waiting(stream):
            engine.step(said, paper.now())
            if isinstance(said, Gap):
                for name in names:
                    await look(name)
    for name in names:
        await look(name)
    assert unknown > 3
    assert engine.counters.gaps > 3
    assert engine.counters.duplicates > 10
    assert assert_ledger_is_the_truth(engine, paper.exchange) > 80
    await paper.close()


def test_a_second_of_the_generated_market_is_a_second() -> None:
    (first, _), *_, (last, _) = islice(generated(list(SHAPES.values()), 1), 5_000)
    assert 0 < first < 1_000_000_000 < last
