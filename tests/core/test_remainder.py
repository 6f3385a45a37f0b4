"""What is done with the rest of a partly filled order: the document's cases, every rule, and what never happens."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partfill.core.remainder import MS, Act, Situation, Verdict, cap, decide
from partfill.model.book import Book, Level
from partfill.model.instrument import Instrument, TickBand
from partfill.model.numbers import NotANumber
from partfill.model.policy import LOCKS, CancelRest, Chase, Hold, Remainder, RemainderPolicy
from partfill.model.reasons import MEANINGS, Reason
from partfill.model.words import Side

D = Decimal
NOW = 1_000_000_000_000
TOKEN = Instrument(symbol="TOKEN", ticks=(TickBand(D(0), D("0.01")),), lot=D("0.01"), min_qty=D(5), min_notional=D(1))


def book(bids: list[tuple[str, str]] | None = None, asks: list[tuple[str, str]] | None = None, **also: Any) -> Book:
    """A book around 0.62; nobody at all by an empty list."""
    said = {"instrument": "TOKEN", "as_of": NOW} | also
    return Book(bids=levels(bids if bids is not None else [("0.61", "1000")]),
                asks=levels(asks if asks is not None else [("0.63", "1300")]), **said)  # fmt: skip


def levels(pairs: list[tuple[str, str]]) -> tuple[Level, ...]:
    return tuple(Level(D(px), D(qty)) for px, qty in pairs)


def seen(policy: RemainderPolicy | None = None, *, filled: str = "200", left: str = "250", price: str = "0.62",
         **also: Any) -> Situation:  # fmt: skip
    """A buy at 0.62 of which 200 units filled and 250 are left."""
    said: dict[str, Any] = {
        "side": Side.BUY, "original": D(price), "price": D(price), "cum": D(filled), "leaves": D(left),
        "policy": policy or RemainderPolicy(), "instrument": TOKEN, "now": NOW, "book": book(),
    }  # fmt: skip
    return Situation(**said | also)


def told(verdict: Verdict) -> tuple[Act, tuple[Reason, ...]]:
    return verdict.act, verdict.reasons


# ---------------------------------------------------------------------- the document's own cases


def test_a_deep_book_and_hold_leave_the_rest() -> None:
    verdict = decide(seen(Hold(), left="403", book=book(asks=[("0.63", "1270")])))
    assert told(verdict) == (Act.HOLD, (Reason.HOLD_REMAINDER,))
    assert (verdict.seen.remaining_usd, verdict.seen.book_depth_usd) == (D("249.86"), D("800.10"))


def test_a_rest_below_the_minimum_is_dust_and_taken_off() -> None:
    verdict = decide(seen(Hold(min_remainder_size=D(5)), left="4.84", price="0.62"))
    assert verdict.seen.remaining_usd == D("3.0008")
    assert told(verdict) == (Act.CANCEL, (Reason.DUST_AUTO_CANCEL, Reason.DUST_REMAINDER))


def test_below_the_floor_there_is_not_even_a_warning() -> None:
    assert told(decide(seen(left="1.5"))) == (Act.CANCEL, (Reason.DUST_AUTO_CANCEL,))


def test_a_rest_of_exactly_the_minimum_is_decided_by_the_policy() -> None:
    enough = book(bids=[("0.49", "1")], asks=[("0.51", "1000")])
    assert told(decide(seen(Hold(), left="10", price="0.5", book=enough))) == (Act.HOLD, (Reason.HOLD_REMAINDER,))
    assert decide(seen(Hold(), left="9.99", price="0.5", book=enough)).reasons[0] is Reason.DUST_AUTO_CANCEL


def test_a_book_that_holds_exactly_the_rest_is_not_thin() -> None:
    assert told(decide(seen(Hold(), left="63", price="1", book=book(asks=[("0.63", "100")])))) == (
        Act.HOLD, (Reason.HOLD_REMAINDER,),
    )  # fmt: skip
    just_less = decide(seen(Hold(), left="63.01", price="1", book=book(asks=[("0.63", "100")])))
    assert just_less.reasons == (Reason.BOOK_THIN_UNCONFIRMED,)


def test_a_book_of_a_hundred_against_two_hundred_is_thin() -> None:
    thin = seen(Hold(), left="323", book=book(asks=[("0.63", "159")]))
    first = decide(thin)
    assert told(first) == (Act.HOLD, (Reason.BOOK_THIN_UNCONFIRMED,))
    assert (first.thin_since, first.again_at) == (NOW, NOW + 250 * MS)
    later = replace(thin, now=NOW + 250 * MS, thin_since=first.thin_since)
    assert told(decide(later)) == (Act.CANCEL, (Reason.BOOK_THIN_CANCEL,))


def test_a_book_that_was_thin_for_a_moment_costs_nothing() -> None:
    again = seen(Hold(), left="323", thin_since=NOW - 250 * MS)
    verdict = decide(again)
    assert (told(verdict), verdict.thin_since) == ((Act.HOLD, (Reason.HOLD_REMAINDER,)), 0)


def test_a_thin_book_is_no_reason_where_the_policy_says_so() -> None:
    thin = book(asks=[("0.63", "1")])
    assert told(decide(seen(Hold(cancel_on_book_thin=False), book=thin))) == (Act.HOLD, (Reason.HOLD_REMAINDER,))


def test_a_chase_goes_to_the_best_price_on_the_other_side() -> None:
    verdict = decide(seen(Chase(3), book=book(asks=[("0.65", "1300")])))
    assert (told(verdict), verdict.px, verdict.seen.ticks_to_fill) == (
        (Act.CHASE, (Reason.CHASE_ORDER_SUBMITTED,)),
        D("0.65"),
        3,
    )
    sell = seen(Chase(3), side=Side.SELL, book=book(bids=[("0.60", "1300")]))
    assert (decide(sell).act, decide(sell).px, decide(sell).seen.ticks_to_fill) == (Act.CHASE, D("0.60"), 2)


def test_a_market_fifteen_ticks_away_is_not_chased() -> None:
    verdict = decide(seen(Chase(3), book=book(asks=[("0.77", "1300")])))
    assert (told(verdict), verdict.seen.ticks_to_fill) == ((Act.CANCEL, (Reason.CHASE_ABORTED,)), 15)


def test_the_kill_switch_comes_before_everything() -> None:
    for policy in (Hold(), CancelRest(), Chase()):
        for left in ("0.1", "250"):
            assert told(decide(seen(policy, left=left, killed=True, book=None))) == (Act.CANCEL, (Reason.KILL_SWITCH_ACTIVE,))


def test_the_policy_of_cancel_takes_the_rest_off_with_and_without_a_book() -> None:
    for shown in (book(), None):
        assert told(decide(seen(CancelRest(), book=shown))) == (Act.CANCEL, (Reason.CANCELLED_REMAINDER,))


# ---------------------------------------------------------------------- books that are none


@pytest.mark.parametrize("policy", [Hold(), Chase()])
@pytest.mark.parametrize("shown", [None, book(as_of=NOW - 2001 * MS), book(as_of=NOW + 1), book(instrument="OTHER")],
                         ids=["none", "stale", "of the future", "of another"])  # fmt: skip
def test_without_a_fresh_book_nothing_is_taken_off(policy: RemainderPolicy, shown: Book | None) -> None:
    assert told(decide(seen(policy, book=shown))) == (Act.HOLD, (Reason.BOOK_UNAVAILABLE,))


def test_a_side_without_anybody_is_thin_and_where_that_does_not_count_nothing_to_chase() -> None:
    assert decide(seen(Chase(), book=book(asks=[]))).reasons == (Reason.BOOK_THIN_UNCONFIRMED,)
    assert decide(seen(Chase(cancel_on_book_thin=False), book=book(asks=[]))).reasons == (Reason.BOOK_UNAVAILABLE,)


@pytest.mark.parametrize(
    ("bids", "asks", "why"),
    [
        ([("0.64", "1")], [("0.63", "1")], "crossed"),
        ([("0.63", "1")], [("0.63", "1")], "crossed"),
        ([("0.60", "1"), ("0.61", "1")], [("0.63", "1")], "best level first"),
        ([("0.61", "1")], [("0.65", "1"), ("0.63", "1")], "best level first"),
        ([("0.61", "0")], [("0.63", "1")], "above zero"),
        ([("0.61", "1")], [("-0.63", "1")], "above zero"),
    ],
)
def test_a_book_that_cannot_be_is_refused(bids: list[tuple[str, str]], asks: list[tuple[str, str]], why: str) -> None:
    with pytest.raises(NotANumber, match=why):
        book(bids, asks)


def test_only_the_best_five_levels_are_depth() -> None:
    asks = [(f"0.{63 + number}", "100") for number in range(9)]
    verdict = decide(seen(Hold(), book=book(asks=asks)))
    assert verdict.seen.book_depth_usd == 63 + 64 + 65 + 66 + 67


# ---------------------------------------------------------------------- leftovers


def test_dust_is_kept_where_what_filled_could_never_be_sold() -> None:
    verdict = decide(seen(filled="4", left="1"))
    assert told(verdict) == (Act.HOLD, (Reason.STRANDED_HOLD, Reason.DUST_AUTO_CANCEL))
    # Nothing in hand, nothing stranded.
    assert decide(seen(filled="0", left="1")).act is Act.CANCEL


def test_the_rest_of_a_sale_that_could_never_be_sold_later_stays() -> None:
    selling = seen(CancelRest(), side=Side.SELL, filled="200", left="4", price="0.99", instrument=TOKEN)
    assert decide(selling).reasons[0] is Reason.STRANDED_HOLD
    assert decide(seen(CancelRest(), side=Side.SELL, left="10", price="0.99")).act is Act.CANCEL


def test_the_kill_switch_asks_for_no_leftovers() -> None:
    assert decide(seen(filled="4", left="1", killed=True)).act is Act.CANCEL


# ---------------------------------------------------------------------- holding


def test_a_hold_ends_by_time() -> None:
    policy = Hold(max_hold_ms=1000)
    first = decide(seen(policy))
    assert first.again_at == NOW + 1000 * MS
    over = seen(policy, now=NOW + 1000 * MS, held_since=NOW, book=book(as_of=NOW + 1000 * MS))
    assert told(decide(over)) == (Act.CANCEL, (Reason.CANCELLED_REMAINDER, Reason.HOLD_EXPIRED))
    later = replace(over, policy=Hold(max_hold_ms=1000, after_hold=Remainder.CHASE))
    assert told(decide(later)) == (Act.CHASE, (Reason.CHASE_ORDER_SUBMITTED, Reason.HOLD_EXPIRED))
    longer = decide(replace(over, policy=Hold(max_hold_ms=1000, after_hold=Remainder.HOLD)))
    assert told(longer) == (Act.HOLD, (Reason.HOLD_REMAINDER, Reason.HOLD_EXPIRED))
    assert longer.again_at == NOW + 2000 * MS


def test_a_hold_ends_when_the_market_goes_away() -> None:
    policy = Hold(max_hold_drift_ticks=5, max_hold_ms=None)
    assert decide(seen(policy, book=book(asks=[("0.66", "1300")]))).act is Act.HOLD
    assert told(decide(seen(policy, book=book(asks=[("0.67", "1300")])))) == (
        Act.CANCEL, (Reason.CANCELLED_REMAINDER, Reason.HOLD_EXPIRED),
    )  # fmt: skip


def test_an_ended_hold_without_a_book_is_looked_at_again_soon() -> None:
    verdict = decide(seen(Hold(max_hold_ms=1000), now=NOW + 5000 * MS, held_since=NOW, book=None))
    assert told(verdict) == (Act.HOLD, (Reason.BOOK_UNAVAILABLE,))
    assert verdict.again_at == NOW + 7000 * MS


def test_the_time_to_fill_counts_what_is_ahead() -> None:
    assert decide(seen(book=book(trade_rate=D(10), queue_ahead=D(50)))).seen.time_to_fill_s == 30
    assert decide(seen(book=book())).seen.time_to_fill_s is None


# ---------------------------------------------------------------------- chasing


def test_the_market_coming_towards_the_order_costs_no_tick() -> None:
    verdict = decide(seen(Chase(0), book=book(bids=[("0.50", "1")], asks=[("0.55", "1300")])))
    assert (told(verdict), verdict.seen.ticks_to_fill) == (
        (Act.CHASE, (Reason.CHASE_ORDER_SUBMITTED, Reason.FAVOURABLE_MOVE)),
        0,
    )


def test_a_chase_counts_from_the_original_price_however_often_it_was_chased() -> None:
    chased = seen(Chase(3), price="0.62")
    chased = replace(chased, price=D("0.65"), book=book(asks=[("0.66", "1300")]))
    assert told(decide(chased)) == (Act.CANCEL, (Reason.CHASE_ABORTED,))


def test_a_fee_is_distance() -> None:
    near = book(asks=[("0.65", "1300")])
    assert decide(seen(Chase(3), book=near)).act is Act.CHASE
    paid = decide(seen(Chase(3, taker_fee_rate=D("0.02")), book=near))
    assert (paid.act, paid.seen.ticks_to_fill) == (Act.CANCEL, 5)


def test_a_fee_is_distance_for_a_sell_too() -> None:
    near = book(bids=[("0.59", "1300")])
    sell = {"side": Side.SELL, "filled": "0", "book": near}
    assert decide(seen(Chase(3), **sell)).seen.ticks_to_fill == 3
    paid = decide(seen(Chase(3, taker_fee_rate=D("0.02")), **sell))
    assert (paid.seen.ticks_to_fill, paid.reasons[-1]) == (5, Reason.CHASE_ABORTED)


def test_a_rest_that_follows_the_market_is_looked_at_again_when_its_policy_says() -> None:
    verdict = decide(seen(Chase(3, rechase_ms=70, max_hold_ms=None), price="0.62", book=book(asks=[("0.62", "1300")])))
    assert (verdict.act, verdict.again_at) == (Act.HOLD, NOW + 70 * MS)


def test_just_what_the_venue_takes_an_order_for_is_not_stranded() -> None:
    assert decide(seen(CancelRest(), filled="5")).act is Act.CANCEL
    assert decide(seen(CancelRest(), filled="4.99")).reasons[0] is Reason.STRANDED_HOLD


def test_what_is_left_is_worth_its_price_in_force_and_not_the_one_it_had_first() -> None:
    assert decide(seen(Hold(), left="100", price="0.62", original=D("0.5"))).seen.remaining_usd == 62


def test_a_wide_chase_takes_a_policy_that_allows_it_and_says_so() -> None:
    far = book(asks=[("0.67", "1300")])
    assert told(decide(seen(Chase(5), book=far))) == (Act.CHASE, (Reason.CHASE_ORDER_SUBMITTED, Reason.CHASE_WIDE))
    assert told(decide(seen(Chase(3), book=far))) == (Act.CANCEL, (Reason.CHASE_ABORTED,))


def test_an_order_at_the_best_price_stays() -> None:
    verdict = decide(seen(Chase(3), price="0.62", book=book(asks=[("0.62", "1300")])))
    assert told(verdict) == (Act.HOLD, (Reason.HOLD_REMAINDER, Reason.CHASE_AT_BEST))


def test_a_price_that_the_venue_does_not_take_is_not_chased() -> None:
    assert told(decide(seen(Chase(3), book=book(asks=[("0.635", "1300")])))) == (Act.HOLD, (Reason.NO_SUCH_PRICE,))
    assert decide(seen(Chase(3), original=None)).reasons == (Reason.NO_SUCH_PRICE,)
    assert decide(seen(Chase(3), instrument=msgspec.structs.replace(TOKEN, ticks=()))).reasons == (Reason.NO_SUCH_PRICE,)


# ---------------------------------------------------------------------- policies


@pytest.mark.parametrize("name", LOCKS)
def test_a_value_beyond_its_lock_is_an_error_that_names_it(name: str) -> None:
    lock = LOCKS[name]
    whole = not name.endswith(("size", "rate"))
    for value in (lock.low - 1, lock.high + 1):
        with pytest.raises(NotANumber, match=rf"{name} is .* it is locked to .* {lock.unit}"):
            RemainderPolicy(**{name: int(value) if whole else value})
    for value in (lock.low, lock.high):
        RemainderPolicy(**{name: int(value) if whole else value})


def test_the_defaults_are_those_of_the_document() -> None:
    policy = RemainderPolicy()
    assert (policy.default_policy, policy.min_remainder_size, policy.chase_max_ticks, policy.cancel_on_book_thin) == (
        "hold", 5, 3, True,
    )  # fmt: skip


def test_every_reason_says_what_it_means() -> None:
    assert set(MEANINGS) == set(Reason)
    assert all(meaning.operator and meaning.user.endswith(".") for meaning in MEANINGS.values())


@pytest.mark.parametrize(
    ("reason", "severity", "says"),
    [
        (Reason.HOLD_REMAINDER, "INFO", "The rest stays in the market."),
        (Reason.CANCELLED_REMAINDER, "INFO", "The rest was taken off"),
        (Reason.DUST_AUTO_CANCEL, "HARD_REJECT", "too little to keep, so it was taken off"),
        (Reason.DUST_REMAINDER, "WARN", "very little"),
        (Reason.BOOK_THIN_CANCEL, "WARN", "too thin for the rest of your order, which was taken off"),
        (Reason.CHASE_ABORTED, "WARN", "could not fill at a price that you would want, and was taken off"),
        (Reason.CHASE_WIDE, "WARN", "further than usual, as you allowed"),
        (Reason.KILL_SWITCH_ACTIVE, "HARD_REJECT", "Trading is paused."),
        (Reason.BOOK_UNAVAILABLE, "WARN", "stays as it is"),
    ],
)
def test_the_user_reads_what_became_of_the_rest(reason: Reason, severity: str, says: str) -> None:
    assert MEANINGS[reason].severity == severity
    assert says in MEANINGS[reason].user


# ---------------------------------------------------------------------- whatever the situation

PRICES = st.integers(1, 99).map(lambda cents: D(cents) / 100)
SIZES = st.integers(1, 200_000).map(lambda cents: D(cents) / 100)
POLICIES = st.builds(
    RemainderPolicy, default_policy=st.sampled_from(Remainder), after_hold=st.sampled_from(Remainder),
    min_remainder_size=st.integers(1, 500).map(D), chase_max_ticks=st.integers(0, 10), cancel_on_book_thin=st.booleans(),
    thin_confirm_ms=st.sampled_from((0, 1, 250)), max_hold_ms=st.sampled_from((None, 100, 5000)),
    max_hold_drift_ticks=st.sampled_from((None, 1, 5)), taker_fee_rate=st.sampled_from((D(0), D("0.001"), D("0.02"))),
)  # fmt: skip


@st.composite
def books(draw: st.DrawFn) -> Book | None:
    """Any book that can be, fresh or not, or none."""
    if draw(st.booleans()) and draw(st.booleans()):
        return None
    split = draw(st.integers(1, 99))
    bids = draw(st.lists(st.integers(1, split), max_size=8, unique=True)) if split > 1 else []
    asks = draw(st.lists(st.integers(split + 1, 100), max_size=8, unique=True))
    size = draw(SIZES)
    return Book(
        instrument="TOKEN", as_of=NOW - draw(st.sampled_from((0, 10, 3000))) * MS,
        bids=tuple(Level(D(px) / 100, size) for px in sorted(bids, reverse=True)),
        asks=tuple(Level(D(px) / 100, size) for px in sorted(asks)),
    )  # fmt: skip


SITUATIONS = st.builds(
    Situation, side=st.sampled_from(Side), original=PRICES, price=PRICES, cum=SIZES, leaves=SIZES, policy=POLICIES,
    instrument=st.just(TOKEN), now=st.just(NOW), killed=st.booleans(), book=books(),
    held_since=st.sampled_from((0, NOW - 60 * MS, NOW - 6000 * MS)),
    thin_since=st.sampled_from((0, NOW - 1 * MS, NOW - 300 * MS)),
)  # fmt: skip


@given(SITUATIONS)
def test_whatever_the_situation_the_verdict_keeps_its_promises(s: Situation) -> None:
    verdict = decide(s)
    assert verdict == decide(s)
    assert verdict.reasons
    assert (verdict.px is not None) is (verdict.act is Act.CHASE)
    if s.killed:
        assert told(verdict) == (Act.CANCEL, (Reason.KILL_SWITCH_ACTIVE,))
        return
    fresh = s.book is not None and s.now - s.book.as_of <= s.policy.max_book_age_ms * MS
    if verdict.act is Act.CANCEL and not fresh:
        assert verdict.reasons[0] is Reason.DUST_AUTO_CANCEL or s.policy.default_policy is Remainder.CANCEL
    if verdict.act is Act.CHASE:
        assert fresh
        assert s.book is not None
        assert verdict.px == s.book.best_against(s.side)
        assert s.instrument.valid_price(verdict.px)
        assert s.original is not None
        worst = cap(s.side, s.original, s.policy, s.instrument)
        assert worst is not None
        assert verdict.px <= worst if s.side is Side.BUY else verdict.px >= worst
    if verdict.act is Act.HOLD:
        # It ends: there is another look, unless the policy wants none.
        assert verdict.again_at > s.now or s.policy.max_hold_ms is None or verdict.again_at == 0
        if s.policy.max_hold_ms is not None:
            assert verdict.again_at > s.now


@given(SITUATIONS, st.integers(1, 50))
def test_more_room_for_a_chase_never_turns_a_chase_into_an_end(s: Situation, more: int) -> None:
    verdict = decide(s)
    if verdict.act is Act.CHASE:
        limit = min(10, s.policy.chase_max_ticks + more)
        wider = replace(s, policy=msgspec.structs.replace(s.policy, chase_max_ticks=limit))
        assert decide(wider).px == verdict.px
