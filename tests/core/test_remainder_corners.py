"""Decisions on a rest at the edges: numbers that are just equal, what is not known, and when it is looked at again."""

from __future__ import annotations

from decimal import Decimal

import pytest

from partfill.core.remainder import MS, Act, cap, decide, follows, within
from partfill.model.instrument import Instrument
from partfill.model.policy import CancelRest, Chase, Hold, Remainder
from partfill.model.reasons import Reason
from partfill.model.words import Side
from tests.core.test_remainder import NOW, book, seen, told

D = Decimal
FREE = Instrument(symbol="TOKEN", lot=D("0.01"))
"""Any price goes."""

# ---------------------------------------------------------------------- when it is looked at again


def test_without_a_book_it_is_looked_at_again_after_the_age_of_a_book() -> None:
    assert decide(seen(Hold(max_book_age_ms=700), book=None)).again_at == NOW + 700 * MS
    assert decide(seen(Chase(3, max_book_age_ms=700, rechase_ms=900), book=None)).again_at == NOW + 700 * MS
    assert decide(seen(Chase(3, max_book_age_ms=700, rechase_ms=300), book=None)).again_at == NOW + 300 * MS


def test_a_hold_without_an_end_waits_for_something_to_happen() -> None:
    assert decide(seen(Hold(max_hold_ms=None))).again_at == 0


def test_a_chase_looks_at_the_market_again() -> None:
    verdict = decide(seen(Chase(3, rechase_ms=300)))
    assert (verdict.act, verdict.again_at) == (Act.CHASE, NOW + 300 * MS)


def test_a_hold_that_ends_before_the_next_look_is_looked_at_then() -> None:
    policy = Hold(max_hold_ms=100, thin_confirm_ms=250)
    verdict = decide(seen(policy, held_since=NOW - 50 * MS, book=book(asks=[("0.63", "1")])))
    assert (verdict.reasons, verdict.again_at) == ((Reason.BOOK_THIN_UNCONFIRMED,), NOW + 50 * MS)
    verdict = decide(seen(policy, held_since=NOW + 200 * MS, book=book(asks=[("0.63", "1")])))
    assert verdict.again_at == NOW + 250 * MS


def test_a_hold_that_is_just_over_and_cannot_end_is_not_looked_at_at_once() -> None:
    verdict = decide(seen(Hold(max_hold_ms=100, max_book_age_ms=700), held_since=NOW - 100 * MS, book=None))
    assert (verdict.act, verdict.again_at) == (Act.HOLD, NOW + 700 * MS)


def test_a_hold_that_has_ended_follows_the_market_from_then_on() -> None:
    policy = Hold(max_hold_ms=100, after_hold=Remainder.CHASE, rechase_ms=900)
    asked = seen(policy, price="0.63", expired=True, held_since=NOW - 50 * MS)
    verdict = decide(asked)
    assert (told(verdict)[0], verdict.reasons[-1], verdict.again_at) == (Act.HOLD, Reason.HOLD_EXPIRED, NOW + 900 * MS)


@pytest.mark.parametrize("expired", [False, True])
def test_what_follows_the_market(expired: bool) -> None:
    assert follows(Chase(3), expired)
    assert follows(Hold(after_hold=Remainder.CHASE), expired) is expired
    assert not follows(Hold(after_hold=Remainder.CANCEL), expired)
    assert not follows(CancelRest(), expired)


# ---------------------------------------------------------------------- what is not known


def test_without_a_book_nobody_has_to_show_our_order() -> None:
    assert told(decide(seen(Hold(), book=None, rests_at=D("0.62"), rests_since=1))) == (Act.HOLD, (Reason.BOOK_UNAVAILABLE,))


def test_what_is_worth_nothing_that_is_known_is_neither_dust_nor_beyond_the_book() -> None:
    nobody = book(asks=[])
    unpriced = seen(Hold(), book=nobody)
    unpriced.price = unpriced.original = None
    verdict = decide(unpriced)
    assert (told(verdict), verdict.seen.remaining_usd) == ((Act.HOLD, (Reason.HOLD_REMAINDER,)), None)


def test_without_a_price_of_its_own_a_rest_is_worth_what_the_market_pays() -> None:
    asked = seen(Hold(), left="100")
    asked.price = None
    assert decide(asked).seen.remaining_usd == 62
    asked.original = None
    assert decide(asked).seen.remaining_usd == 63


def test_a_cap_that_is_not_known_holds_for_no_price() -> None:
    assert not within(Side.BUY, D(1), None)
    assert within(Side.BUY, D(1), D(1))
    assert not within(Side.SELL, D(1), D("1.01"))
    assert cap(Side.BUY, D(1), Chase(3), FREE) is None


def test_a_hold_without_an_end_by_time_stays_however_long_it_is() -> None:
    assert told(decide(seen(Hold(max_hold_ms=None), held_since=1))) == (Act.HOLD, (Reason.HOLD_REMAINDER,))


def test_how_far_the_market_went_ends_no_hold_where_it_cannot_be_told() -> None:
    policy = Hold(max_hold_drift_ticks=1, cancel_on_book_thin=False)
    held = (Act.HOLD, (Reason.HOLD_REMAINDER,))
    far = book(asks=[("0.90", "1000")])
    assert decide(seen(policy, book=far)).reasons[-1] is Reason.HOLD_EXPIRED
    assert told(decide(seen(policy, book=book(asks=[])))) == held
    assert told(decide(seen(policy, book=far, instrument=FREE))) == held
    unpriced = seen(policy, book=far)
    unpriced.price = None
    assert told(decide(unpriced)) == held


def test_an_order_without_a_price_in_force_is_not_chased() -> None:
    asked = seen(Chase(3))
    asked.price = None
    assert told(decide(asked)) == (Act.HOLD, (Reason.NO_SUCH_PRICE,))


def test_the_time_to_fill_is_told_where_nobody_says_what_is_ahead() -> None:
    assert decide(seen(Hold(), left="250", book=book(trade_rate=D(10)))).seen.time_to_fill_s == 25


# ---------------------------------------------------------------------- just equal


def test_dust_of_just_the_floor_is_warned_of() -> None:
    asked = seen(Hold(), left="2", price="0.5", book=book(bids=[("0.49", "1")], asks=[("0.51", "1000")]))
    assert told(decide(asked)) == (Act.CANCEL, (Reason.DUST_AUTO_CANCEL, Reason.DUST_REMAINDER))


@pytest.mark.parametrize(
    ("filled", "price", "act"),
    [("6", "0.1", Act.HOLD), ("10", "0.1", Act.CANCEL), ("10.01", "0.1", Act.CANCEL), ("4.99", "1", Act.HOLD)],
)
def test_what_filled_is_stranded_by_its_value_as_well(filled: str, price: str, act: Act) -> None:
    """The venue takes five units and a value of one, and no less."""
    assert decide(seen(CancelRest(), filled=filled, left="5000", price=price, book=None)).act is act


def test_where_no_value_is_known_the_quantity_alone_says_what_is_stranded() -> None:
    asked = seen(CancelRest(), filled="6", book=None)
    asked.price = asked.original = None
    assert decide(asked).act is Act.CANCEL
    asked.cum = D("4.99")
    assert told(decide(asked)) == (Act.HOLD, (Reason.STRANDED_HOLD, Reason.CANCELLED_REMAINDER))


# ---------------------------------------------------------------------- a book that has to show our order

BIDS = [("0.61", "1"), ("0.60", "1"), ("0.59", "1"), ("0.58", "1"), ("0.55", "1000")]
ASKS = [("0.63", "1000"), ("0.64", "1"), ("0.65", "1"), ("0.66", "1"), ("0.69", "1")]


@pytest.mark.parametrize(
    ("side", "rests_at", "shows"),
    [
        *((Side.BUY, at, shows) for at, shows in (("0.55", True), ("0.54", True), ("0.56", False), ("0.62", False))),
        *((Side.SELL, at, shows) for at, shows in (("0.69", True), ("0.70", True), ("0.68", False), ("0.62", False))),
    ],
)
def test_beyond_the_levels_that_are_shown_nobody_can_tell(side: Side, rests_at: str, shows: bool) -> None:
    asked = seen(Hold(cancel_on_book_thin=False), side=side, book=book(BIDS, ASKS), rests_at=D(rests_at), rests_since=1)
    assert (Reason.BOOK_IMPLAUSIBLE not in decide(asked).reasons) is shows


def test_where_fewer_levels_are_shown_than_could_be_ours_has_to_be_among_them() -> None:
    asked = seen(Hold(cancel_on_book_thin=False), book=book(BIDS[:4], ASKS), rests_at=D("0.54"), rests_since=1)
    assert Reason.BOOK_IMPLAUSIBLE in decide(asked).reasons
