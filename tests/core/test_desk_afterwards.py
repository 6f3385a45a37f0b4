"""What a venue still owes of orders that have ended: executions behind a total, and quantities that it merely hints at."""

from __future__ import annotations

import pytest

from partfill.core.waiting import GRACE_NS, MANY
from partfill.model.capabilities import Capabilities, Cumulative
from partfill.model.commands import Restarted, Untrack
from partfill.model.events import AlarmKind
from partfill.model.observations import ExecutionVoided
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.words import ExecType, OrdStatus
from tests.core.driven import PLAIN, SECOND, TOTAL, VENUE, D, Driven, execution, rule, working

ITEMISED, TOTALS = PLAIN, Capabilities(itemised=False)


def filled_by_a_total(rules: Capabilities = ITEMISED) -> Driven:
    """A poll says that all ten filled; one execution of four has come."""
    desk = working(rules, filled="4")
    desk.feed(desk.report(None, "O1", ord_status=OrdStatus.FILLED, order_qty="10", cum_qty="10"))
    assert desk.take() == []
    assert desk.outcomes() == [("filled", D(10))]
    return desk


def shown(desk: Driven, *executions: tuple[str, str]) -> object:
    """What the venue answers: all filled, with these executions."""
    listed = tuple(execution(key, qty) for key, qty in executions) or None
    return desk.report(None, "O1", ord_status=OrdStatus.FILLED, order_qty="10", cum_qty="10", executions=listed)


def test_the_executions_of_a_total_are_asked_for_after_they_had_time_to_come() -> None:
    desk = filled_by_a_total()
    assert desk.wait(GRACE_NS - SECOND // 2) == []
    (query,) = desk.wait(SECOND)
    assert isinstance(query, Query)
    desk.looked(query, shown(desk, ("first", "4"), ("second", "6")))  # type: ignore[arg-type]
    assert (desk.child().provisional_qty, desk.child().executions, desk.child().cum) == (0, 2, 10)
    assert desk.wait(600 * SECOND) == []
    assert not desk.child().open


def test_executions_that_come_by_themselves_are_not_asked_for() -> None:
    desk = filled_by_a_total()
    assert desk.child().open
    desk.fill("second", "6")
    assert desk.wait(600 * SECOND) == []
    assert not desk.child().open
    assert not desk.alarms(AlarmKind.UNPROVEN)


def test_a_venue_that_knows_totals_only_is_not_asked_for_executions() -> None:
    desk = filled_by_a_total(TOTALS)
    assert desk.wait(600 * SECOND) == []
    assert not desk.child().open


@pytest.mark.parametrize("answer", ["nothing new", "no answer", "no such order"])
def test_fruitless_questions_end_and_a_person_is_told_once(answer: str) -> None:
    desk = filled_by_a_total()
    asked = 0
    while queries := desk.wake():
        (query,) = queries
        asked += 1
        if answer == "nothing new":
            desk.looked(query, shown(desk))  # type: ignore[arg-type]
        elif answer == "no answer":
            desk.looked(query, error="no answer came", definite=False)
        else:
            desk.looked(query)
    assert asked == MANY
    assert desk.alarms(AlarmKind.UNPROVEN) == ["6 of 10 filled have no executions yet; their fees are not known"]
    assert not desk.child().open
    assert (desk.child().cum, desk.outcomes()) == (10, [("filled", D(10))])


def test_a_question_that_was_out_at_the_end_of_a_life_is_asked_anew() -> None:
    desk = filled_by_a_total()
    (query,) = desk.wake()
    desk.feed(Restarted())
    (again,) = desk.wake()
    assert (type(again), again.order) == (Query, query.order)


def test_a_released_order_is_not_asked_about() -> None:
    desk = working(filled="4")
    desk.feed(Untrack(venue=VENUE, ref="p"))
    desk.feed(desk.report(None, "O1", ord_status=OrdStatus.FILLED, order_qty="10", cum_qty="10"))
    assert desk.wait(600 * SECOND) == []
    assert not desk.child().open


def test_what_the_venue_takes_back_while_executions_are_awaited_is_worked_on() -> None:
    desk = filled_by_a_total()
    desk.feed(desk.report(ExecType.RESTATED, "O1", order_qty="12", restatement="other"))
    assert desk.parent().active == [desk.child()]
    assert desk.child().leaves == 2
    # Two more than asked for: off with them, whatever else is to be asked.
    (cancel,) = desk.take()
    assert isinstance(cancel, Cancel)


def test_a_hint_of_more_after_the_end_is_a_reason_to_ask() -> None:
    desk = working(Capabilities(cumulative=Cumulative.HINT))
    desk.fill("first", "4")
    desk.ended()
    assert desk.take() == []
    hint = desk.report(None, "O1", ord_status=OrdStatus.CANCELED, order_qty="10", cum_qty="6")
    desk.feed(hint)
    (query,) = desk.wake()
    assert isinstance(query, Query)
    listed = desk.report(None, "O1", ord_status=OrdStatus.CANCELED, order_qty="10", cum_qty="6",
                         executions=(execution("first", "4"), execution("second", "2")))  # fmt: skip
    desk.looked(query, listed)
    assert (desk.parent().cum, desk.wait(600 * SECOND)) == (6, [])
    assert not desk.child().open


def test_a_hint_that_nothing_bears_out_is_asked_about_a_few_times() -> None:
    desk = working(Capabilities(cumulative=Cumulative.HINT))
    desk.ended()
    hint = desk.report(None, "O1", ord_status=OrdStatus.CANCELED, order_qty="10", cum_qty="6")
    desk.feed(hint)
    asked = 0
    while queries := desk.wake():
        asked += 1
        desk.looked(queries[0], hint)
    assert 1 < asked <= MANY
    assert len(desk.alarms(AlarmKind.UNPROVEN)) == 1
    desk.feed(hint)
    assert desk.wake() == []
    assert not desk.child().open


def taken_back_after_a_total() -> tuple[Driven, int]:
    """All ten filled, by two executions and by a total; four were taken back after the question for the total was sent."""
    desk = working(resubmit=rule())
    desk.fill("first", "6")
    desk.fill("second", "4")
    asked = desk.now
    desk.feed(desk.report(None, "O1", ord_status=OrdStatus.FILLED, order_qty="10", cum_qty="10", as_of=asked))
    assert desk.outcomes() == [("filled", D(10))]
    desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="second", as_of=asked + 1))
    assert desk.child().cum == 6
    return desk, asked


@pytest.mark.parametrize("still", ["6", "8"])
def test_after_a_void_nothing_is_placed_until_the_venue_says_what_still_counts(still: str) -> None:
    desk, _ = taken_back_after_a_total()
    (query,) = desk.wait()
    assert isinstance(query, Query)
    now = desk.report(None, "O1", ord_status=OrdStatus.CANCELED, order_qty="10", cum_qty=still)
    (placed,) = desk.looked(query, now)
    assert isinstance(placed, Place)
    assert placed.terms.order_qty == 10 - D(still)
    assert desk.parent().cum == D(still)


def test_an_answer_to_a_question_from_before_the_void_is_not_enough() -> None:
    desk, asked = taken_back_after_a_total()
    (query,) = desk.wait()
    old = desk.report(None, "O1", ord_status=OrdStatus.CANCELED, order_qty="10", cum_qty="8", as_of=asked)
    assert desk.looked(query, old, as_of=asked) == []
    (again,) = desk.wake()
    fresh = desk.report(None, "O1", ord_status=OrdStatus.CANCELED, order_qty="10", cum_qty="8")
    (placed,) = desk.looked(again, fresh)
    assert isinstance(placed, Place)
    assert placed.terms.order_qty == 2


def test_a_question_after_a_void_survives_a_restart() -> None:
    desk, _ = taken_back_after_a_total()
    desk.feed(Restarted())
    (query,) = desk.wait()
    assert isinstance(query, Query)


def test_a_venue_that_never_says_what_still_counts_is_an_alarm_and_the_executions_count() -> None:
    desk, _ = taken_back_after_a_total()
    asked = 0
    while (operation := desk.wake()[0]) and isinstance(operation, Query):
        asked += 1
        desk.looked(operation, error="no answer came", definite=False)
        if desk.sent(Place)[1:]:
            break
    assert asked == MANY
    assert desk.alarms(AlarmKind.UNPROVEN) == ["6 filled after a void, and the venue does not say whether that is all"]
    assert desk.last(Place).terms.order_qty == 4


@pytest.mark.parametrize("still", ["6", "4"])
def test_no_child_grows_while_it_is_asked_what_counts_of_another(still: str) -> None:
    desk = working(TOTAL, resubmit=rule())
    desk.fill("first", "4")
    desk.fill("second", "2")
    asked = desk.now
    desk.feed(desk.report(None, "O1", ord_status=OrdStatus.CANCELED, order_qty="10", cum_qty="6", as_of=asked))
    (successor,) = desk.take()
    desk.acknowledge(successor, "O2")
    desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="second", as_of=asked + 1))
    (query,) = desk.wait()
    assert isinstance(query, Query)
    steps = desk.looked(query, desk.report(None, "O1", ord_status=OrdStatus.CANCELED, order_qty="10", cum_qty=still))
    grown = [step.order_qty for step in steps if isinstance(step, Replace)]
    assert grown == ([6] if still == "4" else [])
    assert len(steps) == len(grown)


def test_while_a_question_after_a_void_is_out_nothing_is_placed_whatever_else_happens() -> None:
    desk, _ = taken_back_after_a_total()
    (query,) = desk.wait()
    assert isinstance(query, Query)
    assert desk.amend(price="101") == []
    assert desk.parent().unsure
    now = desk.report(None, "O1", ord_status=OrdStatus.CANCELED, order_qty="10", cum_qty="6")
    (placed,) = desk.looked(query, now)
    assert isinstance(placed, Place)
    assert placed.terms.order_qty == 4
