"""Policies on markets that are played again: the same orders, the same figures twice, and nothing that must not happen."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from itertools import takewhile

import msgspec
import pytest

from partfill import CancelRest, Chase, Hold
from partfill.model.policy import Remainder, RemainderPolicy
from partfill.model.reasons import Reason
from partfill.model.words import Side
from partfill.runtime.replay.alone import Alone, Asked, Result, left
from partfill.runtime.replay.orders import RESTS_PERCENT, drawn
from partfill.runtime.replay.policies import compare, tried
from partfill.runtime.replay.recording import SECOND_NS, Recorded, listed, load, recorded
from partfill.venues.paper.events import Add, Take, Timed
from partfill.venues.paper.market import SHAPES, generated
from tests.recorded import recorded as recording

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
PATIENCE = 60 * SECOND_NS
LISTING = listed("ACME", D("0.01"), D(1))


@cache
def acme() -> Recorded:
    """Half an hour of the generated market."""
    shape = SHAPES["ACME"]
    return recorded("ACME", LISTING, takewhile(lambda timed: timed[0] < 1_800 * SECOND_NS, generated([shape], 1)))


@cache
def amzn() -> Recorded:
    return load(str(recording("data/lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip")), "lobster")


@cache
def bitcoin() -> Recorded:
    return load(str(recording("data/bitstamp/2015-05-01.log.xz")), "bitstamp")


MARKETS = pytest.mark.parametrize("market", [acme, amzn, bitcoin])
Market = Callable[[], Recorded]


def worst(asked: Asked, policy: RemainderPolicy) -> Decimal:
    """The worst price that an order may pay: told by the policy, not by the code under test."""
    chases = Remainder.CHASE in (policy.default_policy, policy.after_hold)
    way = D("0.01") * policy.chase_max_ticks if chases else D(0)
    return asked.price + way if asked.side is BUY else asked.price - way


@MARKETS
def test_every_order_adds_up_under_every_policy_and_pays_no_more_than_its_cap(market: Market) -> None:
    seen = 0
    for asked, exchange in drawn(market(), 12, 3, PATIENCE):
        for each in tried():
            for meets in (False, True):
                result = Alone(market(), exchange.fork(), asked, each.policy, patience=PATIENCE, meets=meets).run()
                assert result.filled + left(result) == asked.qty
                assert sum(qty for qty, _ in result.later) == left(result)
                limit = worst(asked, each.policy)
                assert all(px <= limit if asked.side is BUY else px >= limit for _, px in result.fills)
                assert asked.at < result.ended <= asked.at + PATIENCE + SECOND_NS
                seen += 1
    assert seen == 12 * 16 * 2


@MARKETS
def test_a_part_of_every_order_fills_at_once_and_a_rest_is_left(market: Market) -> None:
    for asked, exchange in drawn(market(), 30, 5, PATIENCE):
        (book,) = (each.book for each in exchange.markets.values())
        other = SELL if asked.side is BUY else BUY
        assert book.best(other) == asked.price
        # Taken off as soon as may be: what filled by then is what stood there, or more where somebody joined.
        result = Alone(market(), exchange.fork(), asked, CancelRest(cancel_on_book_thin=False), patience=PATIENCE).run()
        assert result.filled >= book.depth(other, 1)[0][1]
        rest = asked.qty - book.depth(other, 1)[0][1]
        assert 0 < rest <= book.depth(other, 1)[0][1] * max(RESTS_PERCENT) / 100 or rest == LISTING.instrument.lot


@MARKETS
def test_a_replay_gives_the_same_figures_twice(market: Market) -> None:
    first, second, other = (compare([market()], 15, seed, PATIENCE) for seed in (7, 7, 8))
    assert msgspec.json.encode(first) == msgspec.json.encode(second)
    assert first.markets[0].rows != other.markets[0].rows


def test_an_order_changes_nothing_in_the_market_that_others_are_tried_in() -> None:
    together = [
        Alone(acme(), exchange.fork(), asked, each.policy, patience=PATIENCE).run()
        for asked, exchange in drawn(acme(), 6, 2, PATIENCE)
        for each in tried()
    ]
    alone = [
        Alone(acme(), exchange.fork(), asked, each.policy, patience=PATIENCE).run()
        for n in range(16)
        for asked, exchange in drawn(acme(), 6, 2, PATIENCE)
        for each in list(tried())[n : n + 1]
    ]
    assert sorted(together, key=repr) == sorted(alone, key=repr)


# ---------------------------------------------------------------------- a market written by hand


def market(*events: Timed) -> Recorded:
    """Offers of 10 at 10.00 and 50 at 10.02, a bid at 9.95; then what is given, and a last word much later."""
    start = (
        (0, Add("ACME", "a1", SELL, D(10), D("10.00"), True)),
        (0, Add("ACME", "a2", SELL, D(50), D("10.02"), True)),
        (0, Add("ACME", "b1", BUY, D(500), D("9.95"), True)),
    )
    return recorded("ACME", LISTING, [*start, *events, (900 * SECOND_NS, Add("ACME", "z", BUY, D(1), D("0.01"), True))])


def tried_once(of: Recorded, policy: RemainderPolicy, *, meets: bool = False) -> Result:
    """A buy of 25 at 10.00, one second in: 10 fill at once."""
    asked = Asked(1, SECOND_NS, BUY, D(25), D("10.00"))
    exchange = of.exchange()
    for at, event in of.events:
        if at <= asked.at:
            exchange.market(event, at)
    return Alone(of, exchange, asked, policy, patience=PATIENCE, meets=meets).run()


PLAIN = {"cancel_on_book_thin": False}


def test_a_chase_goes_to_the_next_price_within_its_cap() -> None:
    result = tried_once(market(), Chase(3, **PLAIN))
    assert result.fills == ((10, D("10.00")), (15, D("10.02")))
    assert (result.verdicts, result.later) == ({Reason.CHASE_ORDER_SUBMITTED: 1}, ())


def test_a_chase_of_one_tick_gives_up_before_a_gap_of_two() -> None:
    result = tried_once(market(), Chase(1, **PLAIN))
    assert result.fills == ((10, D("10.00")),)
    assert result.verdicts == {Reason.CHASE_ABORTED: 1}


def test_what_is_given_up_is_bought_ten_seconds_later_from_what_is_left() -> None:
    result = tried_once(market(), CancelRest(**PLAIN))
    assert (result.fills, result.later) == (((10, D("10.00")),), ((15, D("10.02")),))


def test_what_nobody_offers_any_more_counts_at_the_last_price() -> None:
    of = market((2 * SECOND_NS, Take("ACME", BUY, D(45), D("10.02"), "a2")))
    result = tried_once(of, CancelRest(**PLAIN))
    assert result.later == ((5, D("10.02")), (10, D("10.02")))


def test_a_rest_that_is_held_fills_by_a_seller_who_comes() -> None:
    result = tried_once(market((5 * SECOND_NS, Take("ACME", SELL, D(100), D("9.95"), "b1"))), Hold(**PLAIN))
    assert (result.fills, left(result), result.out_of_patience) == (((10, D("10.00")), (15, D("10.00"))), 0, False)
    assert 4 * SECOND_NS < result.ended - SECOND_NS < 5 * SECOND_NS


def test_a_user_takes_off_what_is_held_too_long() -> None:
    result = tried_once(market(), Hold(**PLAIN))
    assert (left(result), result.out_of_patience) == (15, True)


def test_who_rested_steps_aside_and_trades_only_where_that_is_asked_for() -> None:
    of = market((5 * SECOND_NS, Add("ACME", "a3", SELL, D(15), D("10.00"), True)))
    assert left(tried_once(of, Hold(**PLAIN))) == 15
    assert left(tried_once(of, Hold(**PLAIN), meets=True)) == 0
    # It stands one tick away, where a chase finds it.
    assert tried_once(of, Hold(max_hold_ms=10_000, after_hold=Remainder.CHASE, **PLAIN)).fills[-1] == (15, D("10.01"))


def test_who_took_in_a_recording_of_incoming_orders_meets_the_rest() -> None:
    taker = market((5 * SECOND_NS, Add("ACME", "s", SELL, D(15), D("9.95"))))
    rester = market((5 * SECOND_NS, Add("ACME", "s", SELL, D(15), D("9.99"))))
    assert left(tried_once(taker, Hold(**PLAIN))) == 0
    assert left(tried_once(rester, Hold(**PLAIN))) == 15


def test_a_market_that_is_too_short_is_named() -> None:
    with pytest.raises(ValueError, match="ACME is 900 s long; that is too short for a patience of 600 s"):
        list(drawn(market(), 3, 1, 600 * SECOND_NS))
    with pytest.raises(ValueError, match="nothing happens in the recording of ACME"):
        recorded("ACME", LISTING, [])
