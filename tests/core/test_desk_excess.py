"""Venues that fill more than was asked, and fills that come after their order was taken for ended: nothing more is placed,
what works is made smaller or taken off, a person is told, and every total is exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from partfill.journal.journal import Journal
from partfill.journal.verify import verify
from partfill.model.capabilities import Capabilities
from partfill.model.events import AlarmKind, Fill, ParentDone
from partfill.model.numbers import text
from partfill.model.observations import ExecutionVoided
from partfill.model.operations import Cancel, Operation, Place, Replace
from partfill.model.words import ExecType, Flag, OrdStatus
from tests.core.driven import GUARDED, PLAIN, SECOND, TOTAL, UNGUARDED, VENUE, D, Driven, rule, working

RULES = [PLAIN, TOTAL, GUARDED, UNGUARDED]
NO_REPLACE = [PLAIN, UNGUARDED]
REPLACES = [TOTAL, GUARDED]


def succeeded(rules: Capabilities = PLAIN, *, take: bool = True) -> tuple[Driven, Operation]:
    """4 of 10 filled, the order ended, and its successor for 6 works as O2 (or is on its way)."""
    desk = working(rules, filled="4", resubmit=rule("1", 5))
    desk.ended()
    (place,) = desk.take()
    if take:
        desk.acknowledge(place, "O2")
    return desk, place


def totals(desk: Driven) -> None:
    """What is told adds up to what the children have, and that to what the parent has."""
    parent = desk.parent()
    told = sum((event.qty for event in desk.events if type(event) is Fill), D(0))
    assert told == parent.cum == sum((child.cum for child in parent.children), D(0))
    assert parent.rest == max(D(0), parent.asked - parent.cum)


# ---------------------------------------------------------------------- more than was asked


@pytest.mark.parametrize("rules", [*RULES, Capabilities(end_is_final=False)])
@pytest.mark.parametrize("last", ["8", "6.00000001"])
def test_an_overfill_is_kept_told_and_followed_by_nothing(rules: Capabilities, last: str) -> None:
    desk = working(rules, filled="4", resubmit=rule("0", 5))
    desk.fill("b", last)
    cum, over = D(4) + D(last), D(last) - 6
    parent = desk.parent()
    assert (parent.cum, parent.rest, parent.exposure, parent.excess) == (cum, 0, cum, over)
    assert desk.child().all_flags() & Flag.OVERFILL
    assert desk.alarms(AlarmKind.OVERFILL) == [f"{text(cum)} filled of 10 ordered: {text(over)} too much"]
    assert desk.alarms(AlarmKind.EXPOSURE) == [f"{text(cum)} filled or working of 10 asked for: {text(over)} too much"]
    assert desk.outcomes() == [("filled", cum)]
    assert desk.take() == []
    assert desk.wait(60 * SECOND) == []
    assert len(desk.sent(Place)) == 1
    totals(desk)


def test_an_overfill_by_a_claim_is_the_same_and_its_executions_change_nothing() -> None:
    desk = working(filled="4", resubmit=rule())
    desk.feed(desk.report(ExecType.TRADE, ord_status=OrdStatus.FILLED, cum_qty="12", avg_px="100", leaves_qty="0"))
    assert desk.outcomes() == [("filled", D(12))]
    desk.fill("b", "8")
    assert desk.parent().cum == 12
    assert [len(desk.alarms(kind)) for kind in (AlarmKind.OVERFILL, AlarmKind.EXPOSURE)] == [1, 1]
    totals(desk)


def test_every_further_excess_is_told_once_with_what_it_comes_to() -> None:
    desk = working(filled="10")
    for _ in range(2):
        # Whatever comes twice is told once.
        desk.fill("b", "2")
        desk.fill("c", "1")
    told = ["12 filled or working of 10 asked for: 2 too much", "13 filled or working of 10 asked for: 3 too much"]
    assert desk.alarms(AlarmKind.EXPOSURE) == told
    assert desk.take() == []


def test_an_overfill_while_a_cancel_is_out_ends_filled() -> None:
    desk = working(filled="4")
    (cancel,) = desk.stop()
    desk.fill("b", "8")
    desk.refused(cancel)
    assert desk.outcomes() == [("filled", D(12))]
    totals(desk)


@pytest.mark.parametrize("rules", NO_REPLACE)
def test_an_overfill_that_an_amendment_to_more_covers_is_no_excess_and_the_rest_is_placed(rules: Capabilities) -> None:
    desk = working(rules, filled="4")
    desk.amend("15")
    desk.fill("b", "8")
    (place,) = desk.take()
    assert isinstance(place, Place)
    assert (place.terms.order_qty, desk.parent().cum, desk.parent().exposure) == (3, 12, 15)
    assert desk.alarms(AlarmKind.EXPOSURE) == []
    assert len(desk.alarms(AlarmKind.OVERFILL)) == 1, "the venue knew of 10 only"
    totals(desk)


def test_an_overfill_before_the_larger_quantity_is_in_force_leaves_the_rest_of_that() -> None:
    desk = working(TOTAL, filled="4")
    (replace,) = desk.amend("15")
    assert isinstance(replace, Replace)
    desk.fill("b", "8")
    assert desk.take() == []
    desk.feed(desk.report(ExecType.REPLACED, cl=replace.cl_ord_id, orig_cl_ord_id="d1-1", order_qty="15", leaves_qty="3"))
    assert (desk.child().leaves, desk.parent().exposure, desk.child().overfill_qty) == (3, 15, 0)
    assert desk.take() == []
    assert desk.alarms(AlarmKind.EXPOSURE) == []
    totals(desk)


def test_an_overfill_that_is_taken_back_lets_the_limit_fall_again() -> None:
    desk = working(filled="10")
    desk.fill("b", "2")
    assert desk.parent().limit == 12
    desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="b"))
    parent = desk.parent()
    assert (parent.cum, parent.limit, parent.exposure) == (10, 10, 10)
    assert not desk.child().all_flags() & Flag.OVERFILL
    desk.fill("c", "1")
    assert len(desk.alarms(AlarmKind.EXPOSURE)) == 2, "a new excess is news"


# ---------------------------------------------------------------------- beside a child that works


@pytest.mark.parametrize("rules", RULES)
def test_an_overfilled_predecessor_takes_the_successor_off(rules: Capabilities) -> None:
    desk, _ = succeeded(rules)
    desk.fill("late", "8")
    (cancel,) = desk.take()
    assert isinstance(cancel, Cancel)
    assert cancel.order_id == "O2"
    assert (desk.parent().cum, desk.parent().rest) == (12, 0)
    desk.ended("O2")
    assert desk.take() == []
    assert desk.outcomes() == [("filled", D(12))]
    assert desk.wait(60 * SECOND) == []
    totals(desk)


@pytest.mark.parametrize("rules", REPLACES)
def test_a_late_fill_makes_the_successor_smaller_by_exactly_that(rules: Capabilities) -> None:
    desk, _ = succeeded(rules)
    desk.fill("late", "2.5")
    (replace,) = desk.take()
    assert isinstance(replace, Replace)
    assert (replace.order_id, replace.order_qty) == ("O2", D("3.5"))
    assert desk.alarms(AlarmKind.EXPOSURE) == ["12.5 filled or working of 10 asked for: 2.5 too much"]
    assert len(desk.alarms(AlarmKind.LATE_FILL)) == 1
    desk.feed(desk.report(ExecType.REPLACED, "O2", replace.cl_ord_id, orig_cl_ord_id="d1-2", order_qty="3.5"))
    assert (desk.parent().exposure, desk.parent().limit) == (10, 10)
    desk.fill("s", "3.5", "O2")
    assert desk.outcomes() == [("filled", D(10))]
    assert desk.take() == []
    totals(desk)


@pytest.mark.parametrize("rules", REPLACES)
def test_a_successor_that_has_filled_in_part_keeps_room_for_that(rules: Capabilities) -> None:
    desk, _ = succeeded(rules)
    desk.fill("s", "2", "O2")
    desk.fill("late", "3")
    (replace,) = desk.take()
    assert isinstance(replace, Replace)
    # A total of 3, of which 2 have filled, or 1 to have open.
    assert (replace.order_qty, replace.cum_qty) == (D(3) if rules is TOTAL else D(1), 2)
    totals(desk)


@pytest.mark.parametrize("rules", NO_REPLACE)
def test_where_it_cannot_be_replaced_it_is_taken_off_and_the_rest_placed(rules: Capabilities) -> None:
    desk, _ = succeeded(rules)
    desk.fill("late", "3")
    (cancel,) = desk.take()
    assert isinstance(cancel, Cancel)
    desk.fill("s", "1", "O2")
    desk.ended("O2")
    (place,) = desk.take()
    assert isinstance(place, Place)
    assert (place.terms.order_qty, desk.parent().exposure) == (2, 10)
    assert desk.resubmitted() == [6], "we took it off: that is no attempt"
    totals(desk)


@pytest.mark.parametrize("rules", RULES)
def test_a_late_fill_while_the_successor_is_on_its_way_waits_for_its_word(rules: Capabilities) -> None:
    desk, place = succeeded(rules, take=False)
    desk.fill("late", "3")
    assert desk.take() == []
    assert desk.parent().exposure == 13
    desk.feed(desk.report(ExecType.NEW, "O2", "d1-2", ord_status=OrdStatus.NEW, order_qty="6"))
    (request,) = desk.take()
    assert type(request) is (Replace if rules in REPLACES else Cancel)
    assert len(desk.alarms(AlarmKind.EXPOSURE)) == 1
    desk.done(place)
    totals(desk)


@pytest.mark.parametrize("rules", RULES)
def test_a_successor_that_never_arrived_leaves_what_is_left_after_the_late_fill(rules: Capabilities) -> None:
    desk, place = succeeded(rules, take=False)
    desk.fill("late", "3")
    desk.refused(place)
    parent = desk.parent()
    assert (parent.cum, parent.rest, parent.exposure, parent.limit) == (7, 3, 7, 10)
    assert desk.outcomes() == [("rejected", D(7))]
    totals(desk)


@pytest.mark.parametrize("rules", REPLACES)
def test_late_fills_while_a_replace_is_out_are_answered_by_the_next(rules: Capabilities) -> None:
    desk, _ = succeeded(rules)
    desk.fill("late", "2")
    (first,) = desk.take()
    assert isinstance(first, Replace)
    desk.fill("later", "1")
    assert desk.take() == [], "one request at a time"
    desk.feed(desk.report(ExecType.REPLACED, "O2", first.cl_ord_id, orig_cl_ord_id="d1-2", order_qty="4"))
    (second,) = desk.take()
    assert isinstance(second, Replace)
    assert (first.order_qty, second.order_qty) == (4, 3)
    totals(desk)


@pytest.mark.parametrize("rules", RULES)
def test_a_late_fill_after_the_successor_has_filled_is_too_late_and_told(rules: Capabilities) -> None:
    desk, _ = succeeded(rules)
    desk.fill("s", "6", "O2")
    desk.fill("late", "3")
    parent = desk.parent()
    assert (parent.cum, parent.rest, parent.exposure, parent.excess, parent.done) == (13, 0, 13, 3, "filled")
    assert desk.alarms(AlarmKind.EXPOSURE) == ["13 filled or working of 10 asked for: 3 too much"]
    assert desk.take() == []
    assert desk.wait(60 * SECOND) == []
    assert [event.cum_qty for event in desk.events if type(event) is ParentDone] == [10]
    totals(desk)


@pytest.mark.parametrize("rules", RULES)
def test_a_late_fill_that_leaves_no_room_takes_the_successor_off_and_fills_on_the_way_count(rules: Capabilities) -> None:
    desk, _ = succeeded(rules)
    desk.fill("late", "6")
    (cancel,) = desk.take()
    assert isinstance(cancel, Cancel)
    desk.fill("s", "2", "O2")
    desk.ended("O2")
    assert desk.outcomes() == [("filled", D(12))]
    assert desk.alarms(AlarmKind.EXPOSURE) == ["16 filled or working of 10 asked for: 6 too much"]
    assert (desk.parent().limit, desk.parent().exposure) == (12, 12)
    assert desk.take() == []
    totals(desk)


@pytest.mark.parametrize("kill", [True, False])
def test_a_late_fill_after_everything_was_stopped_counts_and_starts_nothing(kill: bool) -> None:
    desk, _ = succeeded()
    _ = desk.kill() if kill else desk.stop()
    desk.ended("O2")
    desk.fill("late", "3")
    assert desk.take() == []
    assert desk.outcomes() == [("killed" if kill else "canceled", D(4))]
    assert (desk.parent().cum, desk.parent().exposure) == (7, 7)
    assert desk.alarms(AlarmKind.EXPOSURE) == []
    totals(desk)


async def test_all_of_it_is_in_the_journal_and_proven(tmp_path: Path) -> None:
    for number, rules in enumerate(RULES):
        desk, _ = succeeded(rules)
        desk.fill("late", "8")
        desk.fill("s", "2", "O2")
        desk.ended("O2")
        db = tmp_path / f"{number}.db"
        for inp, now in desk.log:
            # A restart between every two.
            async with Journal(db, quiet_ns=0, max_finished=0) as journal:
                await journal.submit(inp, now)
        async with Journal(db) as journal:
            await journal.submit(ExecutionVoided(venue=VENUE, order_id="O1", key="nobody's"), desk.now + 1)
            (parent,) = journal.engine.desk.parents.values()
            assert (parent.cum, parent.limit, parent.excess) == (14, 14, desk.parent().excess)
        assert verify(db).problems == []


def test_what_a_venue_makes_larger_while_a_replace_is_on_its_way_counts_too() -> None:
    desk = working(TOTAL, filled="4")
    (replace,) = desk.amend(qty="8")
    assert isinstance(replace, Replace)
    desk.feed(desk.report(ExecType.RESTATED, order_qty="12", restatement="position"))
    assert desk.parent().exposure == 12
    assert desk.alarms(AlarmKind.EXPOSURE)
