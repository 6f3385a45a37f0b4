"""Commands: submit, stop, amend, restart. What is asked of the venue for each, and what is not."""

from __future__ import annotations

import pytest

from partfill.model.capabilities import BelowCum, Capabilities, Chain, ReplaceQty
from partfill.model.commands import Restarted, Submit
from partfill.model.observations import ExecutionVoided
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.words import ExecType, OrdStatus
from tests.core.driven import GUARDED, PLAIN, SECOND, TOTAL, UNGUARDED, VENUE, D, Driven, rule, terms, working

# ---------------------------------------------------------------------- submit


def test_submit_places_once_under_an_id_of_the_journal() -> None:
    desk = Driven()
    (place,) = desk.submit("10", "100")
    assert type(place) is Place
    assert (place.cl_ord_id, place.terms.order_qty, place.terms.price) == ("d1-1", 10, 100)
    assert desk.parent().exposure == 10


def test_the_same_submit_again_changes_nothing() -> None:
    desk = Driven()
    desk.submit()
    assert desk.submit() == []
    assert desk.refusals() == []
    assert len(desk.engine.desk.parents) == 1


def test_a_known_ref_with_other_terms_is_refused() -> None:
    desk = Driven()
    desk.submit("10")
    assert desk.submit("11") == []
    assert len(desk.refusals()) == 1
    assert desk.parent().asked == 10


def test_a_ref_is_free_again_at_another_account() -> None:
    desk = Driven()
    desk.submit()
    desk.feed(Submit(venue=VENUE, account="second", ref="p", terms=terms()))
    assert len(desk.sent(Place)) == 2


def test_a_filled_order_ends_once() -> None:
    desk = working(filled="4")
    desk.fill("b", "6")
    assert desk.take() == []
    assert desk.outcomes() == [("filled", D(10))]


# ---------------------------------------------------------------------- stop


def test_stop_cancels_what_works_and_keeps_what_filled() -> None:
    desk = working(filled="4")
    (cancel,) = desk.stop()
    assert type(cancel) is Cancel
    assert (cancel.orig_cl_ord_id, cancel.order_id, cancel.cl_ord_id) == ("d1-1", "O1", "d1-1.1")
    assert desk.stop() == []
    desk.ended()
    assert desk.outcomes() == [("canceled", D(4))]


def test_stop_waits_for_a_placement_without_an_answer() -> None:
    desk = Driven()
    desk.submit()
    assert desk.stop() == []
    desk.acknowledge()
    assert len(desk.sent(Cancel)) == 1


def test_stop_of_nothing_or_of_what_ended_is_refused() -> None:
    desk = working()
    assert desk.stop("nobody") == []
    desk.fill("a", "10")
    assert desk.stop() == []
    assert len(desk.refusals()) == 2


def test_a_cancel_that_loses_against_the_fill_ends_filled() -> None:
    desk = working(filled="4")
    desk.stop()
    desk.fill("b", "6")
    assert desk.outcomes() == [("filled", D(10))]


# ---------------------------------------------------------------------- amend


@pytest.mark.parametrize(
    ("rules", "qty", "sent"),
    [
        (TOTAL, "15", "15"), (TOTAL, "7", "7"), (GUARDED, "15", "11"), (GUARDED, "7", "3"),
        (Capabilities(can_replace=True, below_cum=BelowCum.REJECT), "7", "7"),
    ],
)  # fmt: skip
def test_an_amendment_is_one_replace_where_that_is_safe(rules: Capabilities, qty: str, sent: str) -> None:
    desk = working(rules, filled="4")
    (replace,) = desk.amend(qty, "101")
    assert type(replace) is Replace
    assert (replace.order_qty, replace.price, replace.cum_qty) == (D(sent), 101, 4)
    assert desk.parent().exposure == max(D(qty), 10), "the larger of both counts until one is proven"
    desk.feed(desk.report(ExecType.REPLACED, cl=replace.cl_ord_id, orig_cl_ord_id="d1-1", order_qty=sent, price="101"))
    assert desk.take() == []
    assert (desk.child().order_qty, desk.parent().exposure, desk.parent().limit) == (D(qty), D(qty), D(qty))


@pytest.mark.parametrize("rules", [PLAIN, UNGUARDED])
@pytest.mark.parametrize(("qty", "price", "rest"), [("15", None, "11"), ("7", None, "3"), (None, "101", "6")])
def test_elsewhere_it_is_a_cancel_and_a_successor_for_the_rest(
    rules: Capabilities, qty: str | None, price: str | None, rest: str
) -> None:
    desk = working(rules, filled="4")
    (cancel,) = desk.amend(qty, price)
    assert type(cancel) is Cancel
    desk.ended()
    (place,) = desk.take()
    assert type(place) is Place
    assert (place.cl_ord_id, place.terms.order_qty, place.terms.price) == ("d1-2", D(rest), D(price or 100))
    assert desk.resubmitted() == []


@pytest.mark.parametrize("said", ["refusal", "report"])
def test_an_amendment_to_more_that_loses_against_the_last_fill_is_placed_anew(said: str) -> None:
    desk = working(TOTAL, filled="4")
    (replace,) = desk.amend("15")
    desk.fill("b", "6")
    if said == "refusal":
        # All of it is known to have filled: there is nothing to ask.
        placed = desk.refused(replace)
    else:
        desk.feed(desk.report(ExecType.CANCEL_REJECT, cl=replace.cl_ord_id, orig_cl_ord_id=replace.orig_cl_ord_id))
        placed = desk.take()
    assert [op.terms.order_qty for op in placed if isinstance(op, Place)] == [5]
    assert desk.resubmitted() == []


def test_an_order_that_was_made_larger_and_ends_by_itself_has_no_successor() -> None:
    desk = working(TOTAL, filled="4")
    (replace,) = desk.amend("15")
    (query,) = desk.refused(replace)
    # It was applied all the same, and then the venue took it off.
    assert desk.looked(query, desk.report(None, ord_status=OrdStatus.CANCELED, order_qty="15", cum_qty="4")) == []
    assert desk.outcomes() == [("canceled", 4)]


@pytest.mark.parametrize("rules", [PLAIN, TOTAL, GUARDED, UNGUARDED])
@pytest.mark.parametrize("qty", ["4", "3"])
def test_an_amendment_to_no_more_than_filled_cancels_the_rest(rules: Capabilities, qty: str) -> None:
    desk = working(rules, filled="4", resubmit=rule())
    (cancel,) = desk.amend(qty)
    assert type(cancel) is Cancel
    desk.ended()
    assert desk.take() == []
    assert desk.outcomes() == [("filled", D(4))]


def test_an_amendment_to_nothing_before_any_fill_is_not_called_filled() -> None:
    desk = working(TOTAL)
    desk.amend("0")
    desk.ended()
    assert desk.outcomes() == [("canceled", D(0))]


def test_an_amendment_while_a_request_is_out_waits_and_the_last_wish_counts() -> None:
    desk = working(TOTAL)
    (first,) = desk.amend("12")
    assert desk.amend("8") == []
    assert desk.parent().exposure == 12
    desk.feed(desk.report(ExecType.REPLACED, cl=first.cl_ord_id, orig_cl_ord_id="d1-1", order_qty="12"))
    (second,) = desk.take()
    assert (second.order_qty, second.orig_cl_ord_id) == (8, first.cl_ord_id)


def test_asking_for_more_again_while_the_cancel_is_out_is_not_forgotten() -> None:
    desk = working(filled="4")
    desk.amend("4")
    assert desk.amend("10") == []
    desk.ended()
    (place,) = desk.take()
    assert place.terms.order_qty == 6


def test_an_amendment_that_was_taken_back_leaves_no_successor_behind() -> None:
    desk = working()
    (cancel,) = desk.amend(price="101")
    (query,) = desk.refused(cancel)
    desk.amend(price="100")
    desk.looked(query, desk.report(None, ord_status=OrdStatus.NEW, order_qty="10"))
    assert desk.wait(60 * SECOND) == []
    desk.ended(kind=ExecType.EXPIRED)
    assert desk.take() == [], "it ended by itself and nobody asked for a successor"
    assert desk.outcomes() == [("expired", D(0))]


def test_what_has_ended_or_is_being_canceled_is_not_amended() -> None:
    desk = working()
    desk.stop()
    assert desk.amend("20") == []
    desk.ended()
    assert desk.amend("20") == []
    assert desk.amend("20", ref="nobody") == []
    assert len(desk.refusals()) == 3


# ---------------------------------------------------------------------- restart


def test_after_a_restart_every_working_order_is_asked_for_once() -> None:
    desk = working()
    desk.submit(ref="second")
    desk.submit("3", ref="third")
    desk.acknowledge(order_id="O3")
    desk.fill("all", "3", "O3")
    desk.take()
    desk.feed(Restarted(desk="later"))
    asked = desk.take()
    assert [(type(op), op.order) for op in asked] == [(Query, 1), (Query, 2)]
    assert desk.engine.desk.name == "d", "the journal's name never changes"
    assert len(desk.sent(Place)) == 3


def test_what_was_in_flight_is_asked_for_and_not_sent_again() -> None:
    desk = working()
    desk.stop()
    desk.feed(Restarted())
    (query,) = desk.take()
    assert type(query) is Query
    assert desk.parent().exposure == 10
    desk.looked(query, desk.report(None, ord_status=OrdStatus.CANCELED))
    assert len(desk.sent(Cancel)) == 1
    assert desk.outcomes() == [("canceled", D(0))]


def test_a_chain_that_starts_anew_is_replaced_for_the_rest() -> None:
    rules = Capabilities(can_replace=True, replace_guarded=True, replace_qty=ReplaceQty.OPEN, chain=Chain.RESTARTS)
    desk = working(rules, filled="4")
    (replace,) = desk.amend("12")
    assert (replace.order_qty, replace.cum_qty) == (8, 4)
    desk.feed(desk.report(ExecType.REPLACED, "O2", replace.cl_ord_id, orig_cl_ord_id="d1-1", order_qty="8"))
    desk.fill("b", "8", "O2")
    assert desk.outcomes() == [("filled", D(12))]


def test_a_child_that_the_venue_opens_again_stands_where_it_stood() -> None:
    desk = working(PLAIN, resubmit=rule())
    desk.fill("a", "4")
    desk.fill("b", "6")
    desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="a"))
    desk.acknowledge(order_id="O2")
    desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="b", leaves_qty=D(6)))
    assert [child.id for child in desk.parent().active] == [1, 2]
    assert [op.order for op in desk.stop()] == [1, 2]
