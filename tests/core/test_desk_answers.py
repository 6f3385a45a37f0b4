"""Answers, questions, refusals and time: what closes a request, what is asked again and when, and what is never sent again."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from partfill.core.waiting import BACKOFF_MAX_NS, GRACE_NS, MANY
from partfill.model.capabilities import Capabilities, Cumulative, ReplaceQty
from partfill.model.commands import Answered, Looked, Outcome, Restarted
from partfill.model.events import AlarmKind
from partfill.model.numbers import NotANumber
from partfill.model.observations import ExecutionVoided, OrderSnapshot
from partfill.model.operations import Cancel, Operation, Place, Query, Replace
from partfill.model.words import ExecType, OrdStatus, Request
from tests.core.driven import MS, SECOND, VENUE, Driven, execution, rule
from tests.core.test_desk import GUARDED, PLAIN, TOTAL, working

D = Decimal
NEW, CANCELED, FILLED = OrdStatus.NEW, OrdStatus.CANCELED, OrdStatus.FILLED
LATE = Capabilities(end_is_final=False)


def polled(desk: Driven, word: OrdStatus | None = NEW, **also: Any) -> OrderSnapshot:
    """What a look-up shows."""
    return desk.report(None, ord_status=word, **also)


# ---------------------------------------------------------------------- placements


def test_a_refused_placement_ends_and_is_not_tried_anew() -> None:
    desk = Driven()
    (place,) = desk.submit(resubmit=rule())
    assert desk.refused(place) == []
    assert desk.wait(60 * SECOND) == []
    assert desk.outcomes() == [("rejected", D(0))]


def test_a_placement_without_an_answer_is_asked_for_and_never_sent_again() -> None:
    desk = Driven()
    (place,) = desk.submit(resubmit=rule())
    desk.unknown(place)
    for _ in range(20):
        for op in desk.wait(5 * SECOND):
            desk.looked(op, definite=False)
    assert len(desk.sent(Place)) == 1
    assert len(desk.sent(Query)) >= 4
    assert desk.parent().exposure == 10


def test_a_definite_no_ends_an_order_of_which_nothing_was_heard() -> None:
    desk = Driven()
    (place,) = desk.submit(resubmit=rule())
    desk.unknown(place)
    (query,) = desk.wait()
    assert (query.cl_ord_id, query.terms.order_qty) == ("d1-1", 10)  # type: ignore[union-attr]
    assert desk.looked(query) == []
    assert desk.outcomes() == [("rejected", D(0))]


def test_a_no_that_is_older_than_the_placement_proves_nothing() -> None:
    desk = Driven()
    (place,) = desk.submit()
    desk.unknown(place)
    (query,) = desk.wait()
    desk.looked(query, as_of=desk.child().work.sent_at - 1)  # type: ignore[union-attr]
    assert desk.parent().exposure == 10
    assert desk.outcomes() == []


def test_a_no_about_an_order_that_the_venue_said_it_took_is_not_believed() -> None:
    desk = Driven()
    (place,) = desk.submit(resubmit=rule())
    desk.done(place)
    for _ in range(2 * MANY):
        for op in desk.wait(40 * SECOND):
            desk.looked(op)
    assert desk.parent().exposure == 10
    assert len(desk.alarms(AlarmKind.MISSING)) == 1


def test_a_no_about_an_order_that_worked_is_asked_again_and_told_once() -> None:
    desk = working(resubmit=rule())
    (cancel,) = desk.amend(price="101")
    for op in desk.unknown(cancel):
        desk.looked(op)
    for _ in range(3 * MANY):
        for op in desk.wait(40 * SECOND):
            desk.looked(op)
    assert len(desk.sent(Place)) == 1
    assert len(desk.alarms(AlarmKind.MISSING)) == 1


@pytest.mark.parametrize("first", ["report", "reply"])
def test_report_and_reply_of_a_placement_in_either_order(first: str) -> None:
    desk = Driven()
    (place,) = desk.submit()
    report = desk.report(ExecType.NEW, "O1", "d1-1", ord_status=NEW, order_qty="10")
    steps: list[Callable[[], Any]] = [lambda: desk.feed(report), lambda: desk.done(place, order=polled(desk, order_qty="10"))]
    for step in steps if first == "report" else reversed(steps):
        step()
    assert desk.child().work.request is None  # type: ignore[union-attr]
    assert desk.wait(60 * SECOND) == []
    assert len(desk.engine.children) == 1


def test_a_late_refusal_of_an_order_that_was_heard_of_ends_nothing() -> None:
    desk = Driven()
    (place,) = desk.submit()
    desk.acknowledge()
    desk.refused(place)
    assert desk.parent().exposure == 10
    assert desk.child().open_at_venue


# ---------------------------------------------------------------------- cancels and replaces


def test_an_accepted_cancel_without_a_report_is_asked_for_after_a_grace() -> None:
    desk = working()
    (cancel,) = desk.stop()
    assert desk.done(cancel) == []
    assert desk.wait(GRACE_NS - 2 * MS) == []
    assert [type(op) for op in desk.wait(3 * MS)] == [Query]
    assert desk.parent().exposure == 10


def test_a_refused_cancel_means_look() -> None:
    desk = working()
    (cancel,) = desk.stop()
    (query,) = desk.refused(cancel)
    assert type(query) is Query
    desk.feed(execution("a", "10"))
    desk.looked(query, polled(desk, FILLED))
    assert len(desk.sent(Cancel)) == 1
    assert desk.outcomes() == [("filled", D(10))]


def test_a_cancel_reject_report_means_look_and_a_wait_as_well() -> None:
    desk = working()
    (cancel,) = desk.stop()
    desk.feed(desk.report(ExecType.CANCEL_REJECT, cl=cancel.cl_ord_id))  # type: ignore[union-attr]
    (query,) = desk.take()
    assert type(query) is Query
    assert desk.looked(query, polled(desk)) == []
    assert [type(op) for op in desk.wait()] == [Cancel]


@pytest.mark.parametrize("rules", [TOTAL, GUARDED])
def test_a_replace_rejected_by_report_means_look_and_a_wait_as_well(rules: Capabilities) -> None:
    desk = working(rules)
    (replace,) = desk.amend("8")
    desk.feed(desk.report(ExecType.CANCEL_REJECT, cl=replace.cl_ord_id))  # type: ignore[union-attr]
    (query,) = desk.take()
    assert type(query) is Query
    assert desk.looked(query, polled(desk, order_qty="10")) == []
    assert [type(op) for op in desk.wait()] == [Replace]
    assert desk.parent().exposure == 10


def test_a_pending_cancel_is_no_answer() -> None:
    desk = working()
    (cancel,) = desk.stop()
    desk.feed(desk.report(ExecType.PENDING_CANCEL, cl=cancel.cl_ord_id, ord_status=OrdStatus.PENDING_CANCEL))
    assert desk.take() == []
    desk.ended()
    assert desk.outcomes() == [("canceled", D(0))]


def test_a_pending_replace_counts_with_the_larger_quantity() -> None:
    desk = working(TOTAL)
    (replace,) = desk.amend("15")
    desk.feed(desk.report(ExecType.PENDING_REPLACE, cl=replace.cl_ord_id, ord_status=OrdStatus.PENDING_REPLACE))
    assert desk.take() == []
    assert desk.parent().exposure == 15
    desk.feed(desk.report(ExecType.REPLACED, cl=replace.cl_ord_id, orig_cl_ord_id="d1-1", order_qty="15"))
    assert desk.take() == []
    assert desk.child().order_qty == 15


def test_a_pending_request_that_a_definite_answer_shows_undone_is_over() -> None:
    desk = working()
    (cancel,) = desk.stop()
    desk.feed(desk.report(ExecType.PENDING_CANCEL, cl=cancel.cl_ord_id, ord_status=OrdStatus.PENDING_CANCEL))
    (query,) = desk.refused(cancel)
    desk.looked(query, polled(desk))
    assert desk.child().status is NEW
    assert [type(op) for op in desk.wake()] == [Cancel]


def test_reply_and_report_of_one_refusal_count_once() -> None:
    desk = working()
    (cancel,) = desk.stop()
    (query,) = desk.refused(cancel)
    desk.feed(desk.report(ExecType.CANCEL_REJECT, cl=cancel.cl_ord_id))  # type: ignore[union-attr]
    desk.looked(query, polled(desk))
    assert desk.child().work.tries == 1  # type: ignore[union-attr]


Venue = Callable[[Driven, Operation], list[Operation]]


def refuses(desk: Driven, op: Operation) -> list[Operation]:
    return desk.refused(op)


def rejects(desk: Driven, op: Operation) -> list[Operation]:
    desk.feed(desk.report(ExecType.CANCEL_REJECT, cl=op.cl_ord_id))
    return desk.take()


def promises(desk: Driven, op: Operation) -> list[Operation]:
    return desk.done(op)


def is_silent(desk: Driven, op: Operation) -> list[Operation]:
    return desk.unknown(op)


@pytest.mark.parametrize("venue", [refuses, rejects, promises, is_silent])
@pytest.mark.parametrize("request_", [Cancel, Replace])
def test_a_request_that_does_not_work_is_tried_later_and_later_and_told(venue: Venue, request_: type[Operation]) -> None:
    desk = working(TOTAL)
    pending: list[Operation] = desk.stop() if request_ is Cancel else desk.amend("8")
    times: list[int] = []
    for _ in range(200):
        (op,) = pending or desk.wake()
        if type(op) is Query:
            pending = desk.looked(op, polled(desk, order_qty="10", price="100"))
        else:
            assert type(op) is request_
            times.append(desk.now)
            pending = venue(desk, op)
        if len(times) >= 12:
            break
    assert len(times) >= 12
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps[-1] >= BACKOFF_MAX_NS * 9 // 10, gaps
    assert gaps == sorted(gaps)
    assert len(desk.alarms(AlarmKind.REFUSED)) == 1


def test_a_replace_that_worked_without_a_word_is_seen_by_looking() -> None:
    desk = working(TOTAL)
    (replace,) = desk.amend("8")
    assert desk.unknown(replace) == []
    (query,) = desk.wait()
    assert desk.looked(query, polled(desk, order_qty="8")) == []
    assert (desk.child().order_qty, desk.parent().exposure, desk.parent().limit) == (8, 8, 8)
    assert [type(op) for op in desk.amend("9")] == [Replace], "it had worked: nothing is put off"


def test_an_answer_older_than_the_request_does_not_close_it() -> None:
    desk = working()
    (cancel,) = desk.stop()
    (query,) = desk.refused(cancel)
    desk.looked(query, polled(desk), as_of=desk.child().work.sent_at - 1)  # type: ignore[union-attr]
    assert desk.child().work.request is Request.CANCEL  # type: ignore[union-attr]
    assert [type(op) for op in desk.wait()] == [Query]


# ---------------------------------------------------------------------- questions


@pytest.mark.parametrize("said", [{"definite": False}, {"error": "timeout"}])
def test_questions_without_a_definite_answer_come_later_and_later(said: dict[str, Any]) -> None:
    desk = Driven()
    (place,) = desk.submit()
    desk.unknown(place)
    times = []
    for _ in range(12):
        (query,) = desk.wait(2 * BACKOFF_MAX_NS)
        times.append(desk.now)
        assert desk.wait(2 * BACKOFF_MAX_NS) == [], "one question at a time"
        desk.looked(query, **said)
    due = (desk.engine.desk.timers.next_at or 0) - desk.now
    assert due == BACKOFF_MAX_NS


@pytest.mark.parametrize("word", [NEW, OrdStatus.PARTIALLY_FILLED, None, OrdStatus.PENDING_CANCEL])
def test_an_end_that_the_venue_does_not_confirm_is_asked_for_later_and_later(word: OrdStatus | None) -> None:
    desk = working(LATE, resubmit=rule())
    desk.ended()
    (query,) = desk.take()
    for _ in range(12):
        assert desk.looked(query, polled(desk, word)) == [], "no question follows an answer at once"
        began = desk.now
        (query,) = desk.wake()
        waited = desk.now - began
    assert waited >= BACKOFF_MAX_NS
    assert len(desk.sent(Place)) == 1
    desk.looked(query, polled(desk, CANCELED))
    assert len(desk.sent(Place)) == 2


@pytest.mark.parametrize("shown", [{"cum_qty": "7"}, {"word": FILLED}])
def test_a_venue_that_keeps_saying_something_else_is_asked_later_and_later(shown: dict[str, Any]) -> None:
    desk = working(Capabilities(cumulative=Cumulative.HINT))
    desk.feed(polled(desk, **shown))
    asked = []
    for _ in range(12):
        (query,) = desk.wake()
        asked.append(desk.now)
        desk.looked(query, polled(desk, **shown))
    gaps = [after - before for before, after in pairwise(asked)]
    assert gaps[-1] >= BACKOFF_MAX_NS, gaps


def test_timers_do_not_pile_up() -> None:
    desk = working(qty="1000")
    (cancel,) = desk.stop()
    (query,) = desk.refused(cancel)
    desk.looked(query, error="timeout")
    for number in range(300):
        desk.fill(f"x{number}", "1")
    assert len(desk.engine.desk.timers) < 10


def test_answers_to_what_was_never_asked_change_nothing_of_ours() -> None:
    desk = working()
    desk.feed(
        Answered(venue=VENUE, request=Request.CANCEL, cl_ord_id="never", outcome=Outcome.DONE),
        Answered(venue=VENUE, request=Request.CANCEL, cl_ord_id="d1-1", outcome=Outcome.REFUSED),
        Answered(venue=VENUE, request=Request.PLACE, cl_ord_id="d1-1", outcome=Outcome.REFUSED),
        Looked(venue=VENUE, cl_ord_id="never", definite=True, as_of=1),
        Looked(venue=VENUE, order_id="never", definite=True, as_of=1),
        Looked(venue=VENUE, cl_ord_id="d1-1", order=polled(desk), definite=True, as_of=1),
    )
    assert desk.take() == []
    assert desk.child().open_at_venue
    assert desk.parent().exposure == 10


def test_an_answer_that_names_another_order_is_not_believed() -> None:
    desk = working()
    desk.submit("5", ref="q")
    desk.acknowledge(order_id="O2")
    (cancel,) = desk.stop()
    (query,) = desk.refused(cancel)
    desk.looked(query, desk.report(None, "O2", ord_status=CANCELED, cum_qty="5"))
    assert len(desk.alarms(AlarmKind.ID_CONFLICT)) == 1
    assert desk.child(ref="q").cum == 0
    assert desk.child(ref="q").open_at_venue


def test_an_answer_that_names_no_known_order_but_ours_by_venue_id_is_ours() -> None:
    desk = Driven(Capabilities(can_replace=False, replace_qty=ReplaceQty.TOTAL))
    (place,) = desk.submit()
    desk.unknown(place)
    (query,) = desk.wait()
    desk.feed(execution("a", "4", "O9"))
    desk.looked(query, desk.report(None, "O9", ord_status=NEW))
    assert (desk.parent().cum, desk.parent().exposure) == (4, 10)
    assert len(desk.engine.children) == 1


def test_a_void_while_nobody_knows_reopens_nothing() -> None:
    desk = working(PLAIN, filled="4")
    (cancel,) = desk.stop()
    desk.unknown(cancel)
    desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="first"))
    assert desk.parent().cum == 0
    assert desk.sent(Place) == [desk.ops[0]]


def test_a_batch_refused_as_a_whole_leaves_nothing_live() -> None:
    desk = Driven()
    for ref in "abc":
        desk.submit("0.1", ref=ref, resubmit=rule("0"))
    for op in desk.sent(Place):
        desk.refused(op)
    assert desk.outcomes() == [("rejected", D(0))] * 3
    assert desk.wait(60 * SECOND) == []


def test_a_definite_answer_says_of_when_it_is() -> None:
    with pytest.raises(NotANumber, match="give the time of the question"):
        Looked(venue=VENUE, cl_ord_id="d1-1", definite=True)


@pytest.mark.parametrize("said", ["answer", "poll"])
def test_a_total_that_may_count_what_was_taken_back_since_proves_no_end(said: str) -> None:
    desk = working(filled="4", resubmit=rule())
    desk.fill("b", "3")
    asked = desk.now
    desk.feed(Restarted(desk="d"))
    (query,) = desk.take()
    desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="b", leaves_qty=D(6), as_of=desk.now))
    # Two more filled that nobody told; the question was sent before the void, and answered after it.
    word = desk.report(None, "O1", ord_status=OrdStatus.CANCELED, order_qty="10", cum_qty="6", leaves_qty="0", as_of=asked)
    if said == "answer":
        desk.looked(query, word, as_of=asked)
    else:
        desk.looked(query, None, definite=False)
        desk.feed(word)
        desk.take()
    assert (desk.child().cum, desk.resubmitted()) == (4, [])
    (again,) = desk.wake()
    desk.looked(again, desk.report(None, "O1", ord_status=OrdStatus.CANCELED, order_qty="10", cum_qty="6", leaves_qty="0"))
    assert (desk.child().cum, desk.resubmitted()) == (6, [4])


def test_a_refusal_that_shows_the_order_at_work_does_not_end_it() -> None:
    desk = Driven(PLAIN)
    (place,) = desk.submit()
    desk.reply(place, Outcome.REFUSED, reason="busy", order=polled(desk, cl=place.cl_ord_id, order_qty="10", cum_qty="4"))
    child = desk.child()
    assert child.work is not None
    assert (child.cum, child.leaves, child.work.presumed, child.ledger.ends) == (4, 6, False, 0)
    assert desk.alarms(AlarmKind.MISSING) == []


def test_the_reply_to_an_older_request_says_nothing_about_the_one_in_flight() -> None:
    desk = working(PLAIN)
    (first,) = desk.stop()
    todo = desk.refused(first)
    while len(desk.sent(Cancel)) == 1:
        for op in todo:
            desk.looked(op, polled(desk, order_qty="10"))
        todo = desk.wake()
    child = desk.child()
    assert child.work is not None
    assert (child.work.request, child.work.request_id) == (Request.CANCEL, desk.last(Cancel).cl_ord_id)
    desk.reply(first, Outcome.DONE)
    assert (child.work.accepted, child.work.answered) == (False, False)


def test_nothing_is_asked_of_an_order_while_a_question_about_it_is_open_after_a_start() -> None:
    desk = working(TOTAL)
    desk.feed(Restarted(desk="d"))
    (query,) = desk.take()
    assert desk.looked(query, definite=False) == []
    assert desk.amend("8") == []
    (query,) = desk.wake()
    (replace,) = desk.looked(query, polled(desk, order_qty="10"))
    assert isinstance(replace, Replace)
    assert replace.order_qty == 8


def test_an_order_that_was_taken_for_refused_and_ended_is_asked_about_before_the_rest_is_placed() -> None:
    desk = Driven(PLAIN)
    (place,) = desk.submit("15", resubmit=rule())
    desk.feed(execution("x", "10"))
    desk.reply(place, Outcome.REFUSED, reason="not enough margin")
    # It had been taken all the same: it filled, and has ended. What else filled of it may be lost.
    desk.feed(
        desk.report(ExecType.EXPIRED, "O1", place.cl_ord_id, ord_status=OrdStatus.EXPIRED, order_qty="15", leaves_qty="0")
    )
    assert [type(op) for op in desk.take()] == [Query]
    whole = polled(desk, OrdStatus.EXPIRED, cl=place.cl_ord_id, order_qty="15", cum_qty="13", leaves_qty="0")
    desk.feed(Looked(venue=VENUE, cl_ord_id=place.cl_ord_id, order=whole, definite=True, as_of=desk.now))
    (rest,) = [op for op in desk.take() if isinstance(op, Place)]
    assert rest.terms.order_qty == 2
