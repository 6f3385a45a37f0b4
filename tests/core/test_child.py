"""One order: terms, the venue's words, requests, ids, and the quantities that follow from them."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Any

import pytest

from partfill.core.engine import Engine
from partfill.model.capabilities import BelowCum, Capabilities, Chain, ReplaceQty
from partfill.model.events import Adopted, AlarmKind, Fill, Reversal, StatusChanged, TermsChanged
from partfill.model.inputs import DayRolled, Gap, Input, OrderLinked, Outage, RequestSent, Unreadable
from partfill.model.numbers import NotANumber
from partfill.model.words import ExecType, Flag, OrdStatus, Request, TimeInForce
from tests.core.evidence import CLIENT, ORDER, VENUE, Desk, correct, fill, placed, poll, report, void

D = Decimal
NEW, CANCELED, EXPIRED, REPLACED = ExecType.NEW, ExecType.CANCELED, ExecType.EXPIRED, ExecType.REPLACED


def replaced(qty: str, new: str = "c2", old: str = CLIENT, **also: Any) -> Any:
    return report(REPLACED, qty=qty, key=f"replaced {new}", cl_ord_id=new, orig_cl_ord_id=old, **also)


def numbers(desk: Desk) -> tuple[OrdStatus, Decimal | None, Decimal, Decimal]:
    """(ord_status, order_qty, cum_qty, leaves_qty) as FIX's matrices print them."""
    child = desk.child
    return child.status, child.order_qty, child.cum, child.leaves


# ---------------------------------------------------------------------- a plain life


def test_from_placing_to_filled() -> None:
    desk = Desk(None, placed("10"))
    assert numbers(desk) == (OrdStatus.PENDING_NEW, 10, 0, 10)
    desk.hear(report(NEW, key="n"))
    assert numbers(desk) == (OrdStatus.NEW, 10, 0, 10)
    desk.hear(fill("x", "4"))
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 10, 4, 6)
    desk.hear(fill("y", "6"))
    assert numbers(desk) == (OrdStatus.FILLED, 10, 10, 0)
    assert not desk.child.open


def test_a_fill_may_be_the_first_message() -> None:
    desk = Desk(None, placed("10"), report(ExecType.TRADE, executions=(fill("x", "4"),)))
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 10, 4, 6)


def test_canceled_takes_the_rest_off() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), report(CANCELED, key="e"))
    assert numbers(desk) == (OrdStatus.CANCELED, 10, 4, 0)
    assert desk.child.canceled_qty == 6


def test_a_closing_report_tells_what_filled_before_the_end() -> None:
    desk = Desk(None, placed("10"))
    effects = desk.hear(report(CANCELED, key="e", cum_qty=D(4), avg_px=D(100)))
    assert [type(event) for event in effects.events] == [Fill, StatusChanged]


def test_the_same_message_again_changes_nothing() -> None:
    desk = Desk(None, placed("10"), report(CANCELED, key="e"))
    effects = desk.hear(report(CANCELED, key="e"))
    assert (effects.duplicate, effects.events) == (True, [])


# ---------------------------------------------------------------------- words are not quantities


def test_the_word_filled_without_the_quantity_does_not_fill() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"))
    effects = desk.hear(poll(None, None, word=OrdStatus.FILLED))
    assert (desk.child.status, desk.child.leaves, effects.query) == (OrdStatus.PARTIALLY_FILLED, 6, True)
    desk.hear(poll(None, None, word=OrdStatus.FILLED))
    assert len(desk.alarms(AlarmKind.STATUS_AHEAD)) == 1


def test_the_quantity_without_the_word_fills() -> None:
    assert Desk(None, placed("10"), poll("10", "100", word=OrdStatus.NEW)).child.status is OrdStatus.FILLED


def test_an_unknown_status_word_counts_as_open_and_alarms_once() -> None:
    desk = Desk(None, placed("10"), *(poll(None, None, status_text="FROBNICATED") for _ in range(3)))
    assert (desk.child.open, desk.child.leaves) == (True, 10)
    assert len(desk.alarms(AlarmKind.UNKNOWN_STATUS)) == 1


def test_a_stopped_report_guarantees_and_does_not_fill() -> None:
    desk = Desk(None, placed("10"), report(ExecType.STOPPED, key="s"))
    assert numbers(desk) == (OrdStatus.STOPPED, 10, 0, 10)


def test_a_status_snapshot_never_reopens_what_ended() -> None:
    desk = Desk(None, placed("10"), report(CANCELED, key="e"), poll("0", None, word=OrdStatus.NEW))
    assert numbers(desk) == (OrdStatus.CANCELED, 10, 0, 0)


def test_pending_cancel_outranks_filled_and_the_quantities_tell() -> None:
    sent = RequestSent(venue=VENUE, request=Request.CANCEL, cl_ord_id="c2", orig_cl_ord_id=CLIENT)
    desk = Desk(None, placed("10"), sent)
    assert desk.child.status is OrdStatus.PENDING_NEW, "what we ask for is not what the venue says"
    desk.hear(report(ExecType.PENDING_CANCEL, key="p", cl_ord_id="c2", orig_cl_ord_id=CLIENT), fill("x", "10"))
    assert numbers(desk) == (OrdStatus.PENDING_CANCEL, 10, 10, 0)
    desk.hear(report(ExecType.CANCEL_REJECT, key="r", cl_ord_id="c2", orig_cl_ord_id=CLIENT))
    assert numbers(desk) == (OrdStatus.FILLED, 10, 10, 0)


def test_a_request_in_flight_keeps_the_order_open() -> None:
    sent = RequestSent(venue=VENUE, request=Request.CANCEL, cl_ord_id="c2", order_id=ORDER)
    desk = Desk(None, placed("10"), fill("x", "10"), sent)
    assert desk.child.open
    desk.hear(report(ExecType.CANCEL_REJECT, cl_ord_id="c2"))
    assert not desk.child.open


def test_a_refused_request_of_no_order_makes_none() -> None:
    desk = Desk(None, report(ExecType.CANCEL_REJECT, order_id="NONE", cl_ord_id="c9"))
    assert desk.engine.children == {}
    assert len(desk.alarms(AlarmKind.NO_ORDER)) == 1


def test_an_acknowledgement_that_comes_after_its_answer_changes_nothing() -> None:
    rejected = report(ExecType.CANCEL_REJECT, key="r", cl_ord_id="c2", orig_cl_ord_id=CLIENT)
    pending = report(ExecType.PENDING_CANCEL, key="p", cl_ord_id="c2", orig_cl_ord_id=CLIENT)
    assert Desk(None, placed("10"), report(NEW, key="n"), rejected, pending).child.status is OrdStatus.NEW


# ---------------------------------------------------------------------- fills in every state


@pytest.mark.parametrize("end", [CANCELED, EXPIRED, ExecType.REJECTED, ExecType.CALCULATED])
def test_a_fill_after_the_end_moves_cum_and_never_leaves(end: ExecType) -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), report(end, key="e"), fill("y", "1"))
    assert (desk.child.cum, desk.child.leaves, desk.child.canceled_qty) == (5, 0, 5)
    assert desk.child.flags & Flag.LATE_FILL
    assert len(desk.alarms(AlarmKind.LATE_FILL)) == 1


def test_a_late_fill_of_everything_makes_a_canceled_order_filled() -> None:
    assert Desk(None, placed("10"), report(CANCELED, key="e"), fill("x", "10")).child.status is OrdStatus.FILLED


def test_an_overfill_is_flagged_and_never_clamped() -> None:
    desk = Desk(None, placed("10"), fill("x", "8"), fill("y", "5"))
    assert (desk.child.cum, desk.child.overfill_qty, desk.child.leaves) == (13, 3, 0)
    assert desk.child.all_flags() & Flag.OVERFILL


def test_an_overfill_alarms_once() -> None:
    desk = Desk(None, placed("10"), *(fill(f"x{n}", "8") for n in range(4)))
    assert len(desk.alarms(AlarmKind.OVERFILL)) == 1


def test_an_overfill_goes_when_its_fill_is_voided() -> None:
    desk = Desk(None, placed("10"), fill("x", "8"), fill("y", "5"), void("y"))
    assert (desk.child.overfill_qty, bool(desk.child.all_flags() & Flag.OVERFILL)) == (0, False)


# ---------------------------------------------------------------------- parked evidence is adopted


def test_parked_fills_are_adopted_when_the_order_becomes_known() -> None:
    desk = Desk(None, fill("x", "1"), fill("y", "2"))
    effects = desk.hear(placed("10"))
    assert [(e.key, e.qty) for e in effects.events if isinstance(e, Fill)] == [("x", 1), ("y", 2)]
    assert [e.cum_qty for e in effects.events if isinstance(e, Adopted)] == [3]
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 10, 3, 7)
    assert not desk.child.all_flags() & Flag.PARKED


def test_a_parked_claim_is_adopted_as_provisional_quantity() -> None:
    effects = Desk(None, poll("3", "100")).engine.step(placed("10"), 2_000_000)
    assert [(e.key, e.qty, e.px) for e in effects.events if isinstance(e, Fill)] == [(None, D(3), D(100))]


def test_an_order_that_the_venue_describes_is_adopted_too() -> None:
    desk = Desk(None, fill("x", "1"))
    desk.hear(poll("1", "100", order_qty=D(10), word=OrdStatus.PARTIALLY_FILLED))
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 10, 1, 9)


def test_what_was_parked_and_is_too_much_alarms_when_the_order_becomes_known() -> None:
    assert len(Desk(None, fill("x", "5"), placed("3")).alarms(AlarmKind.OVERFILL)) == 1


def test_evidence_under_the_venue_id_joins_the_order_placed_under_ours() -> None:
    desk = Desk(None, placed("10", order_id=None), fill("x", "3"))
    assert len(desk.engine.children) == 2
    effects = desk.hear(report(NEW, key="n", cl_ord_id=CLIENT))
    assert [(gone, keep, [ledger.child.id for _, ledger, _ in ledgers]) for gone, keep, ledgers in effects.merged] == [
        (2, 1, [1])
    ]
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 10, 3, 7)


# ---------------------------------------------------------------------- replaces


def test_a_replace_quantity_is_the_new_total() -> None:
    desk = Desk(None, placed("10"), fill("x", "2"), replaced("15"))
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 15, 2, 13)
    assert (desk.child.cl_ord_id, desk.child.peak_qty) == ("c2", 15)
    assert [e.order_qty for e in desk.heard(TermsChanged)] == [15]


def test_where_it_is_what_is_open_cum_is_added() -> None:
    desk = Desk(Capabilities(replace_qty=ReplaceQty.OPEN), placed("15"), fill("x", "2"), replaced("10"))
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 12, 2, 10)


@pytest.mark.parametrize(
    ("below", "expected"),
    [
        (BelowCum.CLAMP, (OrdStatus.FILLED, D(8), D(8), D(0))),
        (BelowCum.CANCEL, (OrdStatus.CANCELED, D(10), D(8), D(0))),
        (BelowCum.REJECT, (OrdStatus.PARTIALLY_FILLED, D(10), D(8), D(2))),
    ],
)
def test_a_replace_below_what_has_filled(below: BelowCum, expected: tuple[Any, ...]) -> None:
    assert numbers(Desk(Capabilities(below_cum=below), placed("10"), fill("x", "8"), replaced("7"))) == expected


def test_a_pending_replace_shows_the_old_terms() -> None:
    desk = Desk(None, placed("10"), report(ExecType.PENDING_REPLACE, qty="15", key="p", cl_ord_id="c2", orig_cl_ord_id=CLIENT))
    assert numbers(desk) == (OrdStatus.PENDING_REPLACE, 10, 0, 10)
    desk.hear(replaced("15"))
    assert numbers(desk) == (OrdStatus.NEW, 15, 0, 15)


def test_a_late_replaced_report_of_an_older_id_does_not_move_terms() -> None:
    second, third = replaced("12"), replaced("15", "c3", "c2")
    assert numbers(Desk(None, placed("10"), third, second)) == numbers(Desk(None, placed("10"), second, third))
    assert Desk(None, placed("10"), third, second).child.order_qty == 15


def test_a_replaced_report_without_a_quantity_takes_the_one_that_was_asked_for() -> None:
    names = {"cl_ord_id": "c2", "orig_cl_ord_id": CLIENT}
    sent = RequestSent(venue=VENUE, request=Request.REPLACE, order_qty=D(12), price=D(99), **names)
    desk = Desk(None, placed("10"), sent, report(REPLACED, key="r", **names))
    assert (desk.child.order_qty, desk.child.price, desk.child.in_flight) == (12, 99, None)


def test_only_the_venue_reopens_an_order_that_ended() -> None:
    desk = Desk(None, placed("10"), report(CANCELED, key="e", as_of=10), report(NEW, key="n", as_of=20))
    assert desk.child.leaves == 0
    desk.hear(replaced("12", leaves="12", as_of=30))
    assert numbers(desk) == (OrdStatus.NEW, 12, 0, 12)


def test_a_replaced_report_from_before_the_end_does_not_reopen() -> None:
    desk = Desk(None, placed("10"), report(CANCELED, key="e", as_of=30), replaced("12", leaves="12", as_of=20))
    assert desk.child.leaves == 0


def test_an_increase_of_a_filled_order_opens_it() -> None:
    desk = Desk(None, placed("10"), fill("x", "10"), replaced("12"))
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 12, 10, 2)


def test_a_reduction_takes_off_what_works() -> None:
    desk = Desk(None, placed("10"), fill("x", "2"), report(ExecType.RESTATED, key="d", reduced_qty=D(3)))
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 7, 2, 5)
    assert desk.child.canceled_qty == 3


def test_a_reduction_of_more_than_is_left_is_marked() -> None:
    desk = Desk(None, placed("10"), fill("x", "8"), report(ExecType.RESTATED, key="d", reduced_qty=D(3)))
    assert (desk.child.leaves, len(desk.alarms(AlarmKind.REDUCTION_UNSEEN))) == (0, 1)


# ---------------------------------------------------------------------- busts


def test_a_bust_of_a_filled_order_reopens_it_by_the_venues_word() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), fill("y", "6"), void("x", leaves="4"))
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 10, 6, 4)


def test_a_bust_without_a_word_on_leaves_does_not_work_again() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), fill("y", "6"), void("x"))
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 10, 6, 0)
    assert desk.child.canceled_qty == 4


def test_a_bust_of_a_working_order_leaves_what_worked() -> None:
    desk = Desk(None, placed("10"), report(NEW, key="n"), fill("x", "4"), void("x"))
    assert numbers(desk) == (OrdStatus.NEW, 10, 0, 6)
    assert desk.child.canceled_qty == 4


def test_what_does_not_work_again_is_the_same_when_the_bust_comes_before_its_fill() -> None:
    assert Desk(None, placed("10"), void("x"), fill("x", "4")).child.leaves == 6


def test_what_works_again_by_the_venues_word_does_not_depend_on_fills_that_are_still_to_come() -> None:
    said = [fill("x", "4"), fill("y", "6"), void("x", leaves="4")]
    assert Desk(None, placed("10"), said[0], said[2], said[1]).child.leaves == 4


def test_a_reversal_tells_the_leaves_that_the_order_has_after_it() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), void("x"))
    (event,) = desk.heard(Reversal)
    assert event.leaves_qty == desk.child.leaves == 6


def test_a_bust_after_the_cancel_keeps_it_canceled() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), report(CANCELED, key="e"), void("x"))
    assert numbers(desk) == (OrdStatus.CANCELED, 10, 0, 0)
    assert desk.child.canceled_qty == 10


def test_a_bust_after_done_for_day_keeps_it_done() -> None:
    own = placed("10", time_in_force=TimeInForce.DAY)
    desk = Desk(None, own, fill("x", "4"), report(ExecType.DONE_FOR_DAY, key="d"), void("x"))
    assert numbers(desk) == (OrdStatus.DONE_FOR_DAY, 10, 0, 0)


# ---------------------------------------------------------------------- days


def test_done_for_day_keeps_the_leaves_of_an_order_that_outlives_the_day() -> None:
    desk = Desk(None, placed("10"), fill("x", "2"), report(ExecType.DONE_FOR_DAY, key="d"))
    assert numbers(desk) == (OrdStatus.DONE_FOR_DAY, 10, 2, 8)


def test_the_restatement_in_the_morning_is_optional() -> None:
    trade = report(ExecType.TRADE, executions=(fill("y", "1"),))
    desk = Desk(None, placed("10"), fill("x", "2"), report(ExecType.DONE_FOR_DAY, key="d"), DayRolled(venue=VENUE), trade)
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 10, 3, 7)


def test_day_quantities_start_again_with_the_day() -> None:
    desk = Desk(None, placed("10000"), fill("x", "2000"))
    assert (desk.child.day_cum_qty, desk.child.day_order_qty) == (2000, 10000)
    desk.hear(DayRolled(venue=VENUE), fill("y", "500"))
    assert (desk.child.day_cum_qty, desk.child.day_order_qty, desk.child.cum) == (500, 8000, 2500)


def test_a_bust_of_an_earlier_days_fill_raises_the_day_order() -> None:
    """Matrix J.1.c: DayOrderQty goes from 8000 to 8500."""
    desk = Desk(None, placed("10000"), fill("x", "500"), fill("y", "1500"), DayRolled(venue=VENUE))
    desk.hear(report(NEW, key="n"))
    assert desk.child.day_order_qty == 8000
    desk.hear(void("x", leaves="8500"))
    assert (desk.child.day_order_qty, desk.child.day_cum_qty, desk.child.leaves) == (8500, 0, 8500)


def test_a_bust_of_todays_fill_lowers_the_day_and_not_its_order() -> None:
    desk = Desk(None, placed("10000"), fill("x", "2000"), DayRolled(venue=VENUE), fill("y", "500"), void("y", leaves="8000"))
    assert (desk.child.day_order_qty, desk.child.day_cum_qty) == (8000, 0)


def test_a_correction_of_an_earlier_days_fill_leaves_the_day_alone() -> None:
    desk = Desk(None, placed("10000"), fill("x", "2000"), DayRolled(venue=VENUE), fill("y", "500"), correct("x", "1900"))
    assert desk.child.day_cum_qty == 500


# ---------------------------------------------------------------------- identity


def test_a_duplicate_id_refuses_the_second_use_and_not_the_order() -> None:
    refused = report(ExecType.REJECTED, key="r", ord_status=OrdStatus.PARTIALLY_FILLED, reason="duplicate_id", cl_ord_id=CLIENT)
    desk = Desk(None, placed("10"), report(NEW, key="n"), fill("x", "4"), refused)
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 10, 4, 6)
    assert desk.child.flags & Flag.DUPLICATE_ID


def test_a_rejected_order_is_over() -> None:
    desk = Desk(None, placed("10"), report(NEW, key="n"), report(ExecType.REJECTED, key="r", ord_status=OrdStatus.REJECTED))
    assert numbers(desk) == (OrdStatus.REJECTED, 10, 0, 0)


def test_the_same_placing_again_changes_nothing() -> None:
    desk = Desk(None, placed("10"), fill("x", "1"))
    effects = desk.hear(placed("10"))
    assert (effects.duplicate, len(desk.engine.children), desk.child.order_qty) == (True, 1, 10)


def test_an_order_id_that_comes_back_is_a_new_order_where_the_venue_uses_ids_again() -> None:
    rules = Capabilities(order_id_reused=True)
    desk = Desk(rules, report(NEW, qty="10"), fill("x", "10"), report(NEW, qty="5"), fill("x", "2"))
    assert [(child.cum, child.order_qty) for child in desk.engine.children.values()] == [(10, 10), (2, 5)]


def test_an_order_id_that_comes_back_while_its_order_is_open_is_the_same_order() -> None:
    desk = Desk(Capabilities(order_id_reused=True), report(NEW, qty="10"), fill("x", "1"), report(NEW, qty="10"))
    assert len(desk.engine.children) == 1


def test_one_message_that_names_two_orders_alarms_and_the_order_id_rules() -> None:
    desk = Desk(None, placed("10"), placed("10", order_id="O2", cl_ord_id="c2"), fill("x", "1", cl_ord_id="c2"))
    assert [child.cum for child in desk.engine.children.values()] == [1, 0]
    assert len(desk.alarms(AlarmKind.ID_CONFLICT)) == 1


def test_two_accounts_share_no_ids() -> None:
    desk = Desk(None, fill("x", "1", account="a"), fill("x", "1", account="b"))
    assert [child.account for child in desk.engine.children.values()] == ["a", "b"]


def test_an_execution_that_left_a_complete_list_alarms_and_is_not_voided() -> None:
    desk = Desk(Capabilities(executions_complete=True), placed("10"), fill("x", "1"), fill("y", "2"))
    effects = desk.hear(poll("3", "100", fill("x", "1")))
    assert (desk.child.cum, effects.query, len(desk.alarms(AlarmKind.VANISHED))) == (3, True, 1)


def test_a_complete_list_that_was_asked_for_before_our_last_news_is_merely_old() -> None:
    desk = Desk(Capabilities(executions_complete=True), placed("10"), fill("x", "1"), fill("y", "2"))
    desk.hear(poll("1", "100", fill("x", "1"), as_of=5))
    assert not desk.alarms(AlarmKind.VANISHED)


def test_a_gap_and_an_unreadable_message_alarm_and_touch_no_order() -> None:
    desk = Desk(None, placed("10"), Gap(venue=VENUE, since=5), Unreadable(venue=VENUE, raw="{", error="not JSON"))
    assert (len(desk.alarms(AlarmKind.GAP)), len(desk.alarms(AlarmKind.UNREADABLE))) == (1, 1)
    assert numbers(desk) == (OrdStatus.PENDING_NEW, 10, 0, 10)


def test_an_outage_is_told_once_and_its_end_once_and_touches_no_order() -> None:
    down, up = (Outage(venue=VENUE, over=over, since=5, reason="503") for over in (False, True))
    desk = Desk(None, placed("10"), fill("x", "4"), up, down, down, up, up)
    assert (len(desk.alarms(AlarmKind.OUTAGE)), len(desk.alarms(AlarmKind.OUTAGE_OVER))) == (1, 1)
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 10, 4, 6)
    with pytest.raises(NotANumber, match="since"):
        Outage(venue=VENUE, over=False, since=2**70)


# ---------------------------------------------------------------------- bundled ends, chains that restart


@pytest.mark.parametrize("stream_first", [False, True], ids=["report first", "stream first"])
def test_an_end_bundled_into_an_execution_counts(stream_first: bool) -> None:
    trade = report(ExecType.TRADE, key="x", executions=(fill("x", "4"),), ord_status=OrdStatus.CANCELED)
    said: list[Input] = [fill("x", "4"), trade] if stream_first else [trade, fill("x", "4")]
    assert numbers(Desk(None, placed("10"), *said)) == (OrdStatus.CANCELED, 10, 4, 0)


RESTARTS = Capabilities(chain=Chain.RESTARTS)
LINK = OrderLinked(venue=VENUE, order_id="O1", new_order_id="O2")


def test_a_chain_that_restarts_counts_each_venue_order() -> None:
    desk = Desk(RESTARTS, placed("10"), poll("3", "100"), LINK, poll("2", "100", order_id="O2"), OF_SECOND)
    assert [(each.order_id, each.cum) for each in desk.child.ledgers] == [("O1", 3), ("O2", 2)]
    assert numbers(desk) == (OrdStatus.PARTIALLY_FILLED, 10, 5, 5)


def test_a_chain_that_goes_on_has_one_count() -> None:
    desk = Desk(None, placed("10"), poll("3", "100"), LINK, poll("5", "100", order_id="O2"))
    assert (len(desk.child.ledgers), desk.child.cum) == (1, 5)


END_OF_FIRST = report(CANCELED, key="e1")
OF_SECOND = fill("x", "2", order_id="O2")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param((LINK, END_OF_FIRST, OF_SECOND), id="link first"),
        pytest.param((END_OF_FIRST, LINK, OF_SECOND), id="end first"),
        pytest.param((OF_SECOND, LINK, END_OF_FIRST), id="end last"),
        pytest.param((END_OF_FIRST, OF_SECOND, LINK), id="link last"),
    ],
)
def test_the_end_of_a_venue_order_that_was_replaced_is_not_the_end(said: tuple[Input, ...]) -> None:
    assert numbers(Desk(RESTARTS, placed("10"), *said)) == (OrdStatus.PARTIALLY_FILLED, 10, 2, 8)


def test_an_older_venue_order_that_is_linked_late_does_not_become_the_one_in_force() -> None:
    desk = Desk(RESTARTS, placed("10", order_id="O2"), fill("x", "1"), OF_SECOND, LINK)
    assert (desk.child.order_id, desk.child.cum) == ("O2", 3)
    desk.hear(report(CANCELED, order_id="O2", key="e2"))
    assert desk.child.leaves == 0


def test_forgotten_orders_leave_no_room_behind() -> None:
    engine = Engine()
    for number in range(5000):
        engine.step(placed("1", order_id=f"O{number}", cl_ord_id=f"c{number}"), 1)
        engine.step(fill("x", "1", order_id=f"O{number}"), 1)
    full = sys.getsizeof(engine.index.by_order)
    for child in list(engine.children.values())[:-10]:
        engine.forget(child)
    assert len(engine.index.by_order) == len(engine.index.by_client) == len(engine.children) == 10
    assert sys.getsizeof(engine.index.by_order) * 10 < full
    # What is left is found as before.
    assert engine.step(fill("x", "1", order_id="O4999"), 2).duplicate


@pytest.mark.parametrize("named", [True, False], ids=["under the old id", "by its stamp"])
def test_a_restatement_that_is_older_than_the_terms_in_force_is_old_news(named: bool) -> None:
    desk = Desk(None, placed("10"), report(ExecType.NEW, qty="10", as_of=10))
    desk.hear(report(ExecType.REPLACED, qty="12", cl_ord_id="C2", orig_cl_ord_id=CLIENT, as_of=30))
    desk.hear(report(ExecType.RESTATED, qty="8", cl_ord_id=CLIENT if named else None, as_of=40 if named else 20))
    assert (desk.child.order_qty, desk.child.leaves) == (12, 12)
    desk.hear(report(ExecType.RESTATED, qty="9", cl_ord_id="C2", as_of=50))
    assert desk.child.order_qty == 9
