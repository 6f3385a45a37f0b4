"""Decisions on remainders, driven: what wants one, what it changes, what it tells, and what it never does."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from partfill.core.handling import SHED_AGAIN_MS
from partfill.core.remainder import MS
from partfill.model.book import Book, Level
from partfill.model.capabilities import Capabilities
from partfill.model.commands import Decide, Restarted, Track
from partfill.model.instrument import Instrument, TickBand
from partfill.model.operations import Cancel, Operation, Place, Query, Replace
from partfill.model.policy import CancelRest, Chase, Hold, LiveLimits, Mode, Remainder, RemainderPolicy
from partfill.model.reasons import Reason
from partfill.model.words import ExecType, OrdStatus, OrdType, Side
from tests.core.driven import GUARDED, PLAIN, SECOND, TOTAL, UNGUARDED, VENUE, D, Driven, rule, terms

ACME = Instrument(symbol="ACME", ticks=(TickBand(D(0), D("0.5")),), lot=D("0.1"))
LIVE = Mode.GENERAL_LIVE


def book(desk: Driven, ask: str = "100.5", size: str = "1000", **also: Any) -> Book:
    """The market around 100, as it is now."""
    said: dict[str, Any] = {"instrument": "ACME", "as_of": desk.now} | also
    return Book(bids=(Level(D(ask) - 1, D(size)),), asks=(Level(D(ask), D(size)),), **said)


def partly(policy: RemainderPolicy, rules: Capabilities = PLAIN, filled: str = "4", **also: Any) -> Driven:
    """An order for ten at 100 of which some filled."""
    desk = Driven(rules)
    desk.submit(remainder=policy, **also)
    desk.acknowledge()
    desk.fill("first", filled)
    desk.take()
    return desk


def decide(
    desk: Driven, shown: Book | None = None, *, event: int | None = None, mode: Mode = LIVE, **also: Any
) -> list[Operation]:
    """The market comes for the newest decision that is wanted."""
    if event is None:
        event = desk.take_wanted()[-1][1]
    desk.feed(Decide(venue=VENUE, ref="p", event=event, instrument=ACME, mode=mode,
                     book=book(desk) if shown is None else shown, **also))  # fmt: skip
    return desk.take()


# ---------------------------------------------------------------------- what wants a decision


def test_every_partial_fill_wants_one_decision() -> None:
    desk = partly(Hold())
    assert desk.take_wanted() == [("p", 1)]
    desk.fill("second", "1")
    assert desk.take_wanted() == [("p", 2)]
    # The same again, and a word without a fill.
    desk.fill("second", "1")
    desk.feed(desk.report(None, ord_status=OrdStatus.PARTIALLY_FILLED, cum_qty="5"))
    assert desk.take_wanted() == []


def test_nothing_is_wanted_without_a_policy_or_when_all_has_filled_or_is_being_taken_off() -> None:
    desk = Driven()
    desk.submit()
    desk.acknowledge()
    desk.fill("first", "4")
    assert desk.take_wanted() == []
    desk = partly(Hold(), filled="10")
    assert desk.take_wanted() == []
    desk = partly(Hold())
    desk.stop()
    desk.take_wanted()
    desk.fill("second", "1")
    assert desk.take_wanted() == []


def test_an_order_in_cash_is_left_alone() -> None:
    desk = Driven()
    desk.submit(None, None, remainder=Hold(), cash_order_qty=D(100), ord_type=OrdType.MARKET)
    desk.acknowledge()
    desk.fill("first", "0.5")
    assert desk.take_wanted() == []


def test_a_tracked_order_is_decided_on_too() -> None:
    desk = Driven()
    desk.feed(Track(venue=VENUE, ref="p", terms=terms(), cl_ord_id="mine", order_id="O1", remainder=CancelRest()))
    desk.fill("first", "4")
    assert [type(op) for op in decide(desk)] == [Cancel]


def test_each_event_is_decided_once() -> None:
    desk = partly(CancelRest())
    assert len(decide(desk, event=1)) == 1
    assert decide(desk, event=1) == []
    assert decide(desk, event=2) == []
    assert len(desk.reports()) == 1


def test_an_older_event_may_still_be_decided_before_a_newer_one() -> None:
    desk = partly(Hold())
    desk.fill("second", "1")
    decide(desk, event=1)
    decide(desk, event=2)
    decide(desk, event=1)
    assert [report.event for report in desk.reports()] == [1, 2]


def test_a_restart_wants_what_was_not_decided() -> None:
    desk = partly(Hold())
    assert desk.take_wanted() == [("p", 1)]
    desk.feed(Restarted(desk="d"))
    assert desk.take_wanted() == [("p", 1)]
    decide(desk, event=1)
    desk.feed(Restarted(desk="d"))
    assert desk.take_wanted() == []


# ---------------------------------------------------------------------- what it changes


def test_hold_leaves_the_order_and_tells_so() -> None:
    desk = partly(Hold())
    assert decide(desk) == []
    (report,) = desk.reports()
    assert (report.verdict, report.carried_out, report.policy_applied) == (Reason.HOLD_REMAINDER, False, Remainder.HOLD)
    assert (report.order_qty, report.filled_qty, report.remaining_qty, report.filled_usd) == (10, 4, 6, 400)
    assert (report.report_id, report.trace_id) == ("rep_d1-1", "trc_d1")


def test_cancel_takes_the_rest_off_and_nothing_follows() -> None:
    desk = partly(CancelRest(), resubmit=rule())
    (op,) = decide(desk)
    assert type(op) is Cancel
    desk.ended()
    assert desk.take() == []
    assert desk.outcomes() == [("canceled", 4)]
    assert [report.verdict for report in desk.reports()] == [Reason.CANCELLED_REMAINDER]


@pytest.mark.parametrize("rules", [TOTAL, GUARDED])
def test_a_chase_is_one_replace_where_that_is_safe(rules: Capabilities) -> None:
    desk = partly(Chase(3), rules)
    (op,) = decide(desk, book(desk, "101.5"))
    assert type(op) is Replace
    assert (op.price, desk.reports()[-1].px, desk.reports()[-1].seen.ticks_to_fill) == (D("101.5"), D("101.5"), 3)


@pytest.mark.parametrize("rules", [PLAIN, UNGUARDED])
def test_elsewhere_a_chase_waits_for_the_proof_of_the_end_and_places_what_is_left_then(rules: Capabilities) -> None:
    desk = partly(Chase(3), rules)
    (op,) = decide(desk, book(desk, "101"))
    assert type(op) is Cancel
    # The cancel loses against a fill: the rest is smaller than it was.
    desk.fill("second", "2")
    assert desk.take() == []
    desk.ended()
    (place,) = desk.take()
    assert isinstance(place, Place)
    assert (place.terms.order_qty, place.terms.price) == (4, 101)


def test_a_chase_that_goes_too_far_takes_the_rest_off() -> None:
    desk = partly(Chase(3))
    (op,) = decide(desk, book(desk, "107.5"))
    assert type(op) is Cancel
    assert (desk.reports()[-1].verdict, desk.reports()[-1].seen.ticks_to_fill) == (Reason.CHASE_ABORTED, 15)
    desk.ended()
    assert (desk.take(), desk.outcomes()) == ([], [("canceled", 4)])


def test_the_cap_stands_where_it_stood_whatever_was_chased() -> None:
    desk = partly(Chase(3), TOTAL)
    for number, ask in enumerate(("100.5", "101", "101.5"), 1):
        (replace,) = decide(desk, book(desk, ask))
        assert isinstance(replace, Replace)
        desk.feed(desk.report(ExecType.REPLACED, cl=replace.cl_ord_id, orig_cl_ord_id=replace.orig_cl_ord_id,
                              order_qty="10", price=ask))  # fmt: skip
        desk.fill(f"again{number}", "1")
        desk.take()
    (op,) = decide(desk, book(desk, "102"))
    assert type(op) is Cancel
    assert desk.reports()[-1].original == 100


def test_a_chase_looks_at_the_market_again() -> None:
    desk = partly(Chase(3, rechase_ms=1000), TOTAL)
    (replace,) = decide(desk, book(desk, "100.5"))
    assert isinstance(replace, Replace)
    desk.feed(desk.report(ExecType.REPLACED, cl=replace.cl_ord_id, orig_cl_ord_id=replace.orig_cl_ord_id, order_qty="10",
                          price="100.5"))  # fmt: skip
    assert desk.wait(SECOND * 2) == []
    (again,) = decide(desk, book(desk, "101"))
    assert isinstance(again, Replace)
    assert again.price == 101


def test_another_price_by_the_user_is_a_new_origin() -> None:
    desk = partly(Chase(3), TOTAL)
    (replace,) = desk.amend(price="104")
    assert isinstance(replace, Replace)
    desk.feed(desk.report(ExecType.REPLACED, cl=replace.cl_ord_id, orig_cl_ord_id=replace.orig_cl_ord_id, order_qty="10",
                          price="104"))  # fmt: skip
    desk.fill("second", "1")
    (op,) = decide(desk, book(desk, "105.5"))
    assert isinstance(op, Replace)
    assert op.price == D("105.5")


def test_a_thin_book_is_looked_at_again_and_then_counts() -> None:
    desk = partly(Hold(thin_confirm_ms=250))
    assert decide(desk, book(desk, size="1")) == []
    assert desk.reports()[-1].verdict is Reason.BOOK_THIN_UNCONFIRMED
    assert desk.wait(SECOND) == []
    (op,) = decide(desk, book(desk, size="1"))
    assert type(op) is Cancel
    assert desk.reports()[-1].verdict is Reason.BOOK_THIN_CANCEL


def test_a_hold_ends() -> None:
    desk = partly(Hold(max_hold_ms=5000))
    decide(desk)
    assert desk.wait(4 * SECOND) == []
    assert desk.take_wanted() == []
    desk.wait(2 * SECOND)
    (op,) = decide(desk)
    assert type(op) is Cancel
    assert desk.reports()[-1].reasons == (Reason.CANCELLED_REMAINDER, Reason.HOLD_EXPIRED)


def test_without_a_book_everything_stays() -> None:
    desk = partly(Chase())
    desk.feed(Decide(venue=VENUE, ref="p", event=1, instrument=ACME, mode=LIVE))
    assert desk.take() == []
    assert desk.reports()[-1].verdict is Reason.BOOK_UNAVAILABLE


def test_what_there_is_no_time_for_is_held_and_wanted_again() -> None:
    desk = partly(CancelRest())
    assert decide(desk, shed=True) == []
    assert desk.reports()[-1].verdict is Reason.SHED
    desk.wait(SHED_AGAIN_MS * MS + SECOND)
    (op,) = decide(desk)
    assert type(op) is Cancel


# ---------------------------------------------------------------------- modes


@pytest.mark.parametrize("policy", [CancelRest(), Chase()])
def test_in_the_shadow_everything_is_told_and_nothing_is_sent(policy: RemainderPolicy) -> None:
    desk = partly(policy)
    assert decide(desk, mode=Mode.SHADOW_ONLY) == []
    (report,) = desk.reports()
    assert (report.carried_out, report.mode) == (False, Mode.SHADOW_ONLY)
    assert report.verdict in (Reason.CANCELLED_REMAINDER, Reason.CHASE_ORDER_SUBMITTED)
    assert desk.child().open_at_venue


def test_in_quarantine_nothing_is_decided() -> None:
    desk = partly(CancelRest())
    assert decide(desk, mode=Mode.QUARANTINE) == []
    assert desk.reports()[-1].verdict is Reason.QUARANTINED


@pytest.mark.parametrize(
    ("limits", "reached"),
    [
        (LiveLimits(instruments=("ACME",), max_usd=D(600)), True),
        (LiveLimits(instruments=("ACME",), max_usd=D(599)), False),
        (LiveLimits(instruments=("OTHER",), max_usd=D(600)), False),
        (LiveLimits(), False),
    ],
)
def test_limited_live_reaches_named_instruments_up_to_a_value(limits: LiveLimits, reached: bool) -> None:
    desk = partly(CancelRest())
    assert bool(decide(desk, mode=Mode.LIMITED_LIVE, limits=limits)) is reached
    report = desk.reports()[-1]
    assert (report.carried_out, Reason.BEYOND_LIMITED in report.reasons) == (reached, not reached)


@pytest.mark.parametrize("mode", Mode)
def test_the_kill_switch_takes_the_rest_off_in_every_mode_and_tells_why(mode: Mode) -> None:
    desk = partly(Hold())
    decide(desk, mode=mode)
    (op,) = desk.kill()
    assert type(op) is Cancel
    report = desk.reports()[-1]
    assert (report.verdict, report.carried_out, report.remaining_qty) == (Reason.KILL_SWITCH_ACTIVE, True, 6)
    desk.take_wanted()
    desk.fill("second", "1")
    assert desk.take_wanted() == []
    desk.kill()
    assert len(desk.reports()) == 2


# ---------------------------------------------------------------------- races


def test_an_order_that_fills_while_the_market_is_looked_at_is_not_decided_on() -> None:
    desk = partly(CancelRest())
    desk.fill("rest", "6")
    assert decide(desk, event=1) == []
    assert [report.verdict for report in desk.reports()] == [Reason.ORDER_GONE]
    assert desk.outcomes() == [("filled", 10)]


def test_a_chase_while_a_request_is_out_waits_for_its_answer() -> None:
    desk = partly(Chase(3), TOTAL)
    (replace,) = desk.amend(qty="12")
    assert decide(desk, book(desk, "101")) == []
    desk.feed(desk.report(ExecType.REPLACED, cl=replace.cl_ord_id, orig_cl_ord_id="d1-1", order_qty="12", price="100"))
    (chasing,) = desk.take()
    assert isinstance(chasing, Replace)
    assert (chasing.order_qty, chasing.price) == (12, 101)


def test_what_remains_is_always_what_was_asked_for_less_what_filled() -> None:
    desk = partly(Hold())
    decide(desk)
    for number in range(5):
        desk.fill(f"more{number}", "1")
        decide(desk)
    assert [(report.filled_qty, report.remaining_qty) for report in desk.reports()] == [(4 + n, 6 - n) for n in range(6)]


def test_a_sale_is_chased_downwards_and_no_further() -> None:
    desk = partly(Chase(2), TOTAL, side=Side.SELL)
    shown = Book(instrument="ACME", bids=(Level(D(99), D(1000)),), asks=(Level(D("100.5"), D(1)),), as_of=desk.now)
    (op,) = decide(desk, shown)
    assert isinstance(op, Replace)
    assert op.price == 99
    desk = partly(Chase(2), TOTAL, side=Side.SELL)
    shown = Book(instrument="ACME", bids=(Level(D("98.5"), D(1000)),), asks=(), as_of=desk.now)
    assert [type(each) for each in decide(desk, shown)] == [Cancel]


def test_an_unknown_order_or_one_without_a_policy_is_no_decision() -> None:
    desk = Driven()
    desk.submit()
    desk.feed(Decide(venue=VENUE, ref="p", event=1, instrument=ACME, mode=LIVE),
              Decide(venue=VENUE, ref="never", event=1, instrument=ACME, mode=LIVE))  # fmt: skip
    assert desk.reports() == []
    assert not [op for op in desk.take() if isinstance(op, Query | Cancel)]


def test_quantities_are_exact() -> None:
    desk = partly(Hold(), filled="0.1")
    desk.fill("second", "0.2")
    decide(desk)
    assert desk.reports()[-1].filled_qty == Decimal("0.3")
    assert desk.reports()[-1].remaining_qty == Decimal("9.7")


def test_a_stranded_rest_is_decided_again_when_the_market_moves_and_not_every_time_the_hold_ends() -> None:
    coarse = Instrument(symbol="ACME", ticks=ACME.ticks, lot=ACME.lot, min_qty=D(5))
    desk = partly(Hold(min_remainder_size=D(1000), max_hold_ms=1000))
    desk.feed(Decide(venue=VENUE, ref="p", event=1, instrument=coarse, mode=LIVE, book=book(desk)))
    assert desk.reports()[-1].verdict is Reason.STRANDED_HOLD
    desk.take_wanted()
    desk.wait(2 * SECOND)
    ((_, event),) = desk.take_wanted()
    handling = desk.parent().handling
    assert handling is not None
    assert (handling.event, handling.same(D("100.5")), handling.same(D(101))) == (event, True, False)
    # What fills is decided on at once, whatever the market shows.
    desk.fill("second", "1")
    assert not handling.same(D("100.5"))
