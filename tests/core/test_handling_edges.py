"""Decisions on remainders at the edges: what comes between a want and its decision, and between one order and the next."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from partfill.model.book import Book, Level
from partfill.model.capabilities import Capabilities
from partfill.model.commands import Decide, Restarted, Track, Untrack
from partfill.model.instrument import Instrument, TickBand
from partfill.model.observations import ExecutionVoided
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.policy import CancelRest, Chase, Hold, Mode, Remainder
from partfill.model.reasons import Reason
from partfill.model.words import ExecType, OrdStatus, OrdType, Side
from tests.core.driven import MS, PLAIN, SECOND, TOTAL, VENUE, D, Driven, rule, terms
from tests.core.test_handling import ACME, LIVE, book, decide, partly

COARSE = msgspec.structs.replace(ACME, ticks=(TickBand(D(0), D(2)),))
"""The same instrument after its venue made its ticks larger."""


def replaced(desk: Driven, op: Replace, **also: str) -> None:
    """The venue did what a replace asks for."""
    said = {"order_qty": str(op.order_qty), "price": str(op.price)} | also
    desk.feed(desk.report(ExecType.REPLACED, cl=op.cl_ord_id, orig_cl_ord_id=op.orig_cl_ord_id, **said))


def shown(desk: Driven, event: int, instrument: Instrument, market: Book | None) -> None:
    """A market for one decision, whatever it is."""
    desk.feed(Decide(venue=VENUE, ref="p", event=event, instrument=instrument, mode=LIVE, book=market))


# ---------------------------------------------------------------------- between one order and the next


def test_a_decision_that_falls_due_between_two_orders_is_made_on_the_second() -> None:
    desk = partly(Chase(3, rechase_ms=50), Capabilities(end_is_final=False))
    (cancel,) = decide(desk, book(desk, "100.5"))
    assert isinstance(cancel, Cancel)
    desk.ended()
    (asked,) = [op for op in [*desk.take(), *desk.wake()] if isinstance(op, Query)]
    # The time to look again comes while nothing works.
    desk.now += SECOND
    desk.wait()
    assert desk.take_wanted() == []
    (place,) = desk.looked(asked, desk.report(None, ord_status=OrdStatus.CANCELED))
    assert isinstance(place, Place)
    assert place.terms.price == D("100.5")
    assert desk.take_wanted() == [("p", 2)]
    desk.acknowledge(place, "O2")
    (op,) = decide(desk, book(desk, "101"), event=2)
    assert isinstance(op, Cancel)


def test_a_market_that_comes_between_two_orders_is_looked_at_again_for_the_second() -> None:
    desk = partly(Chase(3, rechase_ms=50), Capabilities(end_is_final=False))
    decide(desk, book(desk, "100.5"))
    desk.wait(SECOND)
    ((_, event),) = desk.take_wanted()
    desk.ended()
    (asked,) = [op for op in [*desk.take(), *desk.wake()] if isinstance(op, Query)]
    assert decide(desk, book(desk, "101"), event=event) == []
    assert len(desk.reports()) == 1
    desk.looked(asked, desk.report(None, ord_status=OrdStatus.CANCELED))
    assert desk.take_wanted() == [("p", event + 1)]


def test_what_is_owed_is_wanted_once() -> None:
    desk = partly(Chase(3, rechase_ms=50), Capabilities(end_is_final=False))
    decide(desk, book(desk, "100.5"))
    desk.ended()
    (asked,) = [op for op in [*desk.take(), *desk.wake()] if isinstance(op, Query)]
    desk.wait(2 * SECOND)
    (place,) = desk.looked(asked, desk.report(None, ord_status=OrdStatus.CANCELED))
    desk.take_wanted()
    desk.acknowledge(place, "O2")
    desk.wait(20 * SECOND)
    assert desk.take_wanted() == []


@pytest.mark.parametrize("rules", [PLAIN, TOTAL])
def test_a_successor_goes_on_at_the_chased_price_and_its_chase_has_the_same_cap(rules: Capabilities) -> None:
    desk = partly(Chase(3, rechase_ms=100), rules, resubmit=rule())
    (op,) = decide(desk, book(desk, "101"))
    name = "O1"
    if isinstance(op, Replace):
        replaced(desk, op)
    else:
        desk.ended()
        (first,) = desk.take()
        desk.acknowledge(first, "O2")
        name = "O2"
    # It ends by itself, and the rule goes on.
    desk.ended(name, ExecType.EXPIRED)
    (place,) = desk.take()
    assert isinstance(place, Place)
    assert (place.terms.order_qty, place.terms.price) == (6, 101)
    assert desk.resubmitted() == [6]
    desk.acknowledge(place, "O9")
    desk.wait(SECOND)
    (further,) = decide(desk, book(desk, "101.5"))
    assert isinstance(further, Replace | Cancel)
    assert desk.parent().price == D("101.5")
    desk.fill("more", "1", "O9")
    decide(desk, book(desk, "102"))
    assert desk.reports()[-1].verdict is Reason.CHASE_ABORTED
    assert {report.original for report in desk.reports()} == {100}


def test_an_order_that_ends_by_itself_while_the_market_is_looked_at_is_not_decided_on() -> None:
    desk = partly(Chase(3))
    desk.ended(kind=ExecType.EXPIRED)
    assert decide(desk, book(desk, "101"), event=1) == []
    assert [report.verdict for report in desk.reports()] == [Reason.ORDER_GONE]
    assert desk.outcomes() == [("expired", 4)]
    # Nor is it wanted again.
    desk.take_wanted()
    desk.feed(Restarted(desk="d"))
    assert desk.take_wanted() == []


def test_a_parent_that_ended_has_nothing_due() -> None:
    desk = partly(Chase(3, rechase_ms=1000), TOTAL)
    (op,) = decide(desk, book(desk, "100.5"))
    assert isinstance(op, Replace)
    replaced(desk, op)
    desk.fill("rest", "6")
    assert desk.outcomes() == [("filled", 10)]
    handling = desk.parent().handling
    assert handling is not None
    assert handling.again_at == 0
    touched = desk.feed(Decide(venue=VENUE, ref="p", event=handling.event, instrument=ACME, mode=LIVE, book=book(desk)))
    assert not touched.parents


# ---------------------------------------------------------------------- what venues do meanwhile


@pytest.mark.parametrize("rules", [PLAIN, TOTAL])
def test_what_is_voided_after_a_chase_works_again_at_the_chased_price(rules: Capabilities) -> None:
    desk = partly(Chase(3), rules)
    desk.fill("second", "1")
    (op,) = decide(desk, book(desk, "101"))
    if isinstance(op, Replace):
        replaced(desk, op)
    else:
        desk.ended()
        (place,) = desk.take()
        assert place.terms.order_qty == 5  # type: ignore[union-attr]
        desk.acknowledge(place, "O2")
    desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="second"))
    assert desk.parent().rest == 6
    assert desk.take_wanted()[-1] == ("p", 3)
    decide(desk, book(desk, "101.5"), event=3)
    assert (desk.reports()[-1].remaining_qty, desk.reports()[-1].px) == (6, D("101.5"))
    assert all((op.terms.price if isinstance(op, Place) else op.price) <= D("101.5") for op in desk.sent(Place | Replace))


@pytest.mark.parametrize("mode", list(Mode))
def test_what_nobody_decided_is_reported_in_the_mode_that_is_in_force(mode: Mode) -> None:
    desk = partly(Chase(3))
    desk.take()
    desk.feed(Restarted(mode=mode))
    (asked,) = desk.take()
    desk.ended(kind=ExecType.EXPIRED)
    desk.looked(asked, desk.report(None, ord_status=OrdStatus.EXPIRED))
    assert [(report.verdict, report.mode) for report in desk.reports()] == [(Reason.ORDER_GONE, mode)]


def test_when_all_that_filled_is_voided_nothing_is_left_to_decide() -> None:
    desk = partly(CancelRest())
    desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="first"))
    assert decide(desk, event=1) == []
    assert [report.verdict for report in desk.reports()] == [Reason.ORDER_GONE]
    assert desk.child().open_at_venue


def test_a_chase_of_an_order_that_its_venue_cut_asks_for_no_more_than_the_venue_left() -> None:
    desk = partly(Chase(3), TOTAL)
    desk.feed(desk.report(ExecType.RESTATED, order_qty="7", restatement="position"))
    assert desk.parent().children[0].work.cut  # type: ignore[union-attr]
    (op,) = decide(desk, book(desk, "101"))
    assert isinstance(op, Replace)
    assert (op.order_qty, op.price) == (7, 101)
    assert desk.reports()[-1].remaining_qty == 6


def test_a_price_that_the_venue_took_away_is_not_asked_for_again_and_the_report_says_so() -> None:
    desk = partly(Chase(3, rechase_ms=100), TOTAL)
    (op,) = decide(desk, book(desk, "101"))
    assert isinstance(op, Replace)
    replaced(desk, op)
    desk.feed(desk.report(ExecType.RESTATED, order_qty="10", price="99", restatement="repriced"))
    desk.wait(SECOND)
    assert decide(desk, book(desk, "101")) == []
    report = desk.reports()[-1]
    assert (report.verdict, report.price, report.carried_out) == (Reason.CHASE_ORDER_SUBMITTED, 99, False)


@pytest.mark.parametrize("rules", [PLAIN, TOTAL])
def test_while_a_chase_is_on_its_way_the_next_is_measured_from_where_it_goes(rules: Capabilities) -> None:
    desk = partly(Chase(3, rechase_ms=100), rules)
    (op,) = decide(desk, book(desk, "101"))
    desk.wait(SECOND)
    # The same again is no second chase.
    assert decide(desk, book(desk, "101")) == []
    assert desk.reports()[-1].reasons == (Reason.HOLD_REMAINDER, Reason.CHASE_AT_BEST)
    # And the market back at the old price is not where the order goes.
    desk.fill("more", "1")
    decide(desk, book(desk, "100"))
    assert (desk.reports()[-1].verdict, desk.reports()[-1].px, desk.reports()[-1].carried_out) == (
        Reason.CHASE_ORDER_SUBMITTED, 100, True,
    )  # fmt: skip
    assert desk.parent().price == 100
    assert isinstance(op, Cancel | Replace)


# ---------------------------------------------------------------------- what users do meanwhile


@pytest.mark.parametrize("rules", [PLAIN, TOTAL])
def test_less_asked_for_than_what_is_left_to_decide_ends_the_decision(rules: Capabilities) -> None:
    desk = partly(CancelRest(), rules)
    (op,) = desk.amend(qty="4")
    assert type(op) is Cancel
    assert decide(desk, event=1) == []
    assert [report.verdict for report in desk.reports()] == [Reason.ORDER_GONE]
    desk.ended()
    assert desk.outcomes() == [("filled", 4)]


def test_two_decisions_out_at_once_are_one_chase_each_time_for_what_is_left() -> None:
    desk = partly(Chase(3), TOTAL)
    desk.fill("second", "1")
    assert desk.take_wanted() == [("p", 1), ("p", 2)]
    (first,) = decide(desk, book(desk, "100.5"), event=1)
    assert decide(desk, book(desk, "101"), event=2) == []
    assert isinstance(first, Replace)
    replaced(desk, first)
    (second,) = desk.take()
    assert isinstance(second, Replace)
    assert (second.price, second.order_qty) == (101, 10)
    assert [report.event for report in desk.reports()] == [1, 2]


def test_of_two_decisions_out_at_once_the_older_one_may_come_too_late() -> None:
    desk = partly(Chase(3), TOTAL)
    desk.fill("second", "1")
    decide(desk, book(desk, "101"), event=2)
    assert decide(desk, book(desk, "100.5"), event=1) == []
    assert [report.event for report in desk.reports()] == [2]


def test_the_kill_switch_between_want_and_decision_decides() -> None:
    desk = partly(Chase(3))
    (op,) = desk.kill()
    assert type(op) is Cancel
    assert decide(desk, book(desk, "101"), event=1) == []
    desk.kill(on=False)
    assert decide(desk, book(desk, "101"), event=2) == []
    desk.ended()
    assert (desk.take(), desk.outcomes()) == ([], [("killed", 4)])
    assert [(report.verdict, report.event) for report in desk.reports()] == [(Reason.KILL_SWITCH_ACTIVE, 2)]


# ---------------------------------------------------------------------- holds


def test_an_ended_hold_becomes_a_chase_within_its_cap() -> None:
    desk = partly(Hold(max_hold_ms=5000, after_hold=Remainder.CHASE), TOTAL)
    assert decide(desk, book(desk, "101")) == []
    desk.wait(6 * SECOND)
    (op,) = decide(desk, book(desk, "101"))
    assert isinstance(op, Replace)
    assert op.price == 101
    assert desk.reports()[-1].reasons == (Reason.CHASE_ORDER_SUBMITTED, Reason.HOLD_EXPIRED)


def test_an_ended_hold_that_cannot_be_chased_within_its_cap_is_taken_off() -> None:
    desk = partly(Hold(max_hold_ms=5000, after_hold=Remainder.CHASE), TOTAL)
    decide(desk, book(desk, "101"))
    desk.wait(6 * SECOND)
    (op,) = decide(desk, book(desk, "102"))
    assert type(op) is Cancel
    assert desk.reports()[-1].reasons == (Reason.CHASE_ABORTED, Reason.HOLD_EXPIRED)


# ---------------------------------------------------------------------- prices


def test_a_sell_near_zero_is_chased_to_what_is_bid_and_no_further() -> None:
    desk = partly(Chase(10), TOTAL, side=Side.SELL, price="1.5")
    bid = Book(instrument="ACME", bids=(Level(D("0.5"), D(1000)),), asks=(), as_of=desk.now)
    (op,) = decide(desk, bid)
    assert isinstance(op, Replace)
    assert op.price == D("0.5")
    handling = desk.parent().handling
    assert handling is not None
    # The cap itself is no price that anybody could bid.
    assert handling.cap == D("-3.5")
    nobody = Book(instrument="ACME", bids=(), asks=(), as_of=desk.now)
    desk.fill("more", "1")
    assert decide(desk, nobody) == []


def test_without_ticks_nothing_is_chased_and_once_they_are_known_it_is() -> None:
    desk = partly(Chase(3), TOTAL)
    shown(desk, 1, Instrument(symbol="ACME"), book(desk, "100.5"))
    assert desk.take() == []
    assert desk.reports()[-1].verdict is Reason.NO_SUCH_PRICE
    desk.wait(2 * SECOND)
    (op,) = decide(desk, book(desk, "100.5"))
    assert isinstance(op, Replace)


def test_the_cap_does_not_move_when_the_venue_makes_its_ticks_larger() -> None:
    desk = partly(Chase(3), TOTAL)
    (op,) = decide(desk, book(desk, "101"))
    assert isinstance(op, Replace)
    replaced(desk, op)
    desk.fill("more", "1")
    shown(desk, 2, COARSE, book(desk, "104"))
    assert [type(each) for each in desk.take()] == [Cancel]
    assert desk.reports()[-1].verdict is Reason.CHASE_ABORTED
    assert desk.parent().price == 101


def test_another_price_by_the_user_is_what_moves_the_cap() -> None:
    desk = partly(Chase(3), TOTAL)
    decide(desk, book(desk, "100"))
    handling = desk.parent().handling
    assert handling is not None
    assert handling.cap == D("101.5")
    desk.amend(qty="12")
    assert handling.cap == D("101.5")
    desk.amend(price="104")
    desk.fill("more", "1")
    decide(desk, book(desk, "104"))
    assert handling.cap == D("105.5")


def test_an_old_book_gives_an_order_without_a_price_no_value_to_be_dust_by() -> None:
    desk = Driven(PLAIN)
    desk.submit("10", None, remainder=Hold(), ord_type=OrdType.MARKET)
    desk.acknowledge()
    desk.fill("first", "4")
    desk.take()
    cheap = Book(instrument="ACME", bids=(Level(D("0.05"), D(9)),), asks=(Level(D("0.1"), D(9)),), as_of=desk.now - 5_000 * MS)
    assert decide(desk, cheap) == []
    assert (desk.reports()[-1].verdict, desk.reports()[-1].seen.remaining_usd) == (Reason.BOOK_UNAVAILABLE, None)


# ---------------------------------------------------------------------- orders placed by other means


def test_a_tracked_order_that_had_filled_before_is_decided_on_at_once() -> None:
    desk = Driven(TOTAL)
    desk.fill("first", "4")
    desk.feed(Track(venue=VENUE, ref="p", terms=terms(), cl_ord_id="mine", order_id="O1", remainder=Chase(3)))
    desk.take()
    assert desk.take_wanted() == [("p", 1)]
    (op,) = decide(desk, book(desk, "101"), event=1)
    assert isinstance(op, Replace)
    assert (op.price, op.order_qty, desk.reports()[-1].remaining_qty) == (101, 10, Decimal(6))


def test_a_tracked_order_is_let_go_with_its_decisions() -> None:
    desk = Driven(TOTAL)
    desk.feed(Track(venue=VENUE, ref="p", terms=terms(), cl_ord_id="mine", order_id="O1", remainder=Chase(3)))
    desk.fill("first", "4")
    desk.take_wanted()
    desk.feed(Untrack(venue=VENUE, ref="p"))
    assert decide(desk, book(desk, "101"), event=1) == []
    desk.fill("second", "1")
    assert desk.take_wanted() == []


def test_a_report_names_its_order_by_every_id_and_the_time_of_the_decision() -> None:
    desk = partly(Hold())
    decide(desk)
    (report,) = desk.reports()
    assert (report.order_id, report.cl_ord_id, report.ref, report.parent) == ("O1", "d1-1", "p", desk.parent().id)
    assert (report.report_id, report.trace_id, report.event) == ("rep_d1-1", "trc_d1", 1)
    assert (report.instrument, report.side, report.evaluated_at) == ("ACME", Side.BUY, desk.now)
    assert report.seen.remaining_usd == 600
