"""Corners of the ledger: what it keeps beside quantities, cycles, and splits of what was voided or corrected."""

from __future__ import annotations

from decimal import Decimal

import pytest

from partfill.core.asides import open_by, rule
from partfill.core.invariants import check_whole
from partfill.core.rows import unpack
from partfill.model.capabilities import Capabilities, Chain, ReplaceQty
from partfill.model.events import AlarmKind, Fill
from partfill.model.inputs import Input
from partfill.model.observations import ExecutionVoided
from partfill.model.words import ExecType, ExecutionState, Flag
from tests.core.evidence import CLIENT, ORDER, VENUE, Desk, charge, correct, fill, placed, poll, report, void

D = Decimal


def split(to: str) -> Input:
    """The venue splits the order: its quantity is `to` from now on."""
    return report(ExecType.RESTATED, qty=to, restatement="split", key="split")


# ---------------------------------------------------------------------- what is kept of an execution


def test_an_ordinary_fill_is_kept_in_the_short_form() -> None:
    desk = Desk(None, placed("10"), fill("x", "1", "100", as_of=7), fill("y", "2", None, as_of=8))
    assert desk.child.ledger.rows == {"x": "1|100", "y": "2|"}


def test_the_lowest_and_the_highest_price_are_kept() -> None:
    desk = Desk(None, placed("10"), fill("a", "1", "100"), fill("b", "1", "110"), fill("c", "1", "105"), fill("d", "1", "95"))
    assert (desk.child.ledger.low, desk.child.ledger.high) == (95, 110)
    desk.hear(correct("b", "1", "120"), correct("c", "1", "90"))
    assert (desk.child.ledger.low, desk.child.ledger.high) == (90, 120)


def test_after_a_split_the_prices_of_before_bound_nothing() -> None:
    desk = Desk(None, placed("10"), fill("x", "1", "100"), split("20"))
    assert (desk.child.ledger.low, desk.child.ledger.high) == (None, None)
    desk.hear(fill("y", "1", "51"))
    assert (desk.child.ledger.low, desk.child.ledger.high) == (51, 51)


def test_a_fill_that_becomes_final_is_kept_as_final_and_counts_once() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"))
    assert not desk.hear(fill("x", "4", state=ExecutionState.FINAL)).duplicate
    ((_, row),) = desk.child.ledger.live()
    assert (row.state, row.qty, desk.child.cum) == ("f", 4, 4)
    assert desk.hear(fill("x", "4", state=ExecutionState.FINAL)).duplicate


def test_a_fee_that_comes_with_a_repeat_is_taken() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"))
    desk.hear(fill("x", "4", fee="0.2"))
    assert desk.child.fees() == ({"USD": D("0.2")}, True)


def test_how_sure_the_venue_is_stays_known_of_an_execution_that_is_corrected() -> None:
    desk = Desk(None, placed("10"), fill("x", "4", state=ExecutionState.FINAL), correct("x", "3", "99"))
    assert unpack(desk.child.ledger.rows["x"]).state == "f"


# ---------------------------------------------------------------------- corrections


def test_two_corrections_of_each_other_are_an_alarm_and_the_second_changes_nothing() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), correct("x", "3", new_key="y"))
    effects = desk.hear(correct("y", "2", new_key="x"))
    assert (desk.child.cum, effects.rows, effects.duplicate) == (3, [], False)
    assert desk.alarms(AlarmKind.KEY_CONFLICT) == ["correction x corrects y, which corrects x: it changes nothing"]
    assert desk.child.flags & Flag.KEY_CONFLICT
    assert desk.child.ledger.rows.keys() == {"x"}
    desk.hear(correct("y", "2", new_key="x"))
    assert (desk.child.cum, len(desk.alarms(AlarmKind.KEY_CONFLICT))) == (3, 1)


def test_a_correction_writes_the_row_of_its_execution_and_the_one_that_it_was_taken_for() -> None:
    desk = Desk(None, placed("20"), fill("x", "10"))
    effects = desk.hear(correct("x", "9", new_key="y", venue_time=7))
    assert effects.rows == [(desk.child.ledger, "x", 7, None)]
    desk.hear(fill("z", "8"))
    effects = desk.hear(correct("y", "8", new_key="z", venue_time=8))
    assert effects.rows == [(desk.child.ledger, "x", 8, None), (desk.child.ledger, "z", None, None)]
    assert (desk.child.cum, desk.child.ledger.count, desk.engine.counters.executions) == (8, 1, 2)


def test_a_correction_that_came_first_is_one_execution_and_one_that_came_later_is_none_more() -> None:
    desk = Desk(None, placed("20"), correct("x", "8", new_key="y"))
    assert desk.engine.counters.executions == 1
    desk.hear(correct("y", "7", new_key="z"))
    assert desk.engine.counters.executions == 1


def test_a_correction_that_adds_the_price_ends_what_was_unpriced() -> None:
    desk = Desk(None, placed("10"), fill("x", "4", None), correct("x", "3", None))
    assert (desk.child.ledger.unpriced, desk.child.avg_px) == (3, None)
    desk.hear(correct("x", "3", "99", as_of=2_000_000))
    assert (desk.child.ledger.unpriced, desk.child.avg_px) == (0, 99)
    check_whole(desk.child)


# ---------------------------------------------------------------------- splits


def test_a_void_after_a_split_names_the_quantity_in_todays_units() -> None:
    desk = Desk(None, placed("10"), split("20"))
    desk.hear(ExecutionVoided(venue=VENUE, order_id=ORDER, key="lost", qty=D(3), as_of=1_000_100))
    assert (desk.child.cum, desk.child.ledger.off, desk.child.leaves) == (0, 3, 17)


def test_a_void_before_a_split_named_the_quantity_in_the_units_of_then() -> None:
    lost = ExecutionVoided(venue=VENUE, order_id=ORDER, key="lost", qty=D(3), as_of=20)
    desk = Desk(None, placed("10"), poll("4", "100", as_of=10), lost, split("20"))
    assert (desk.child.cum, desk.child.ledger.off, desk.child.leaves) == (2, 6, 12)
    desk.hear(void("other", as_of=30))
    assert (desk.child.cum, desk.child.ledger.off, desk.child.leaves) == (2, 6, 12)


def test_two_splits_multiply_what_was_filled_before_them_twice() -> None:
    desk = Desk(None, placed("10"), fill("x", "2"), split("20"))
    desk.hear(fill("y", "3"), report(ExecType.RESTATED, qty="60", restatement="split", key="another"))
    check_whole(desk.child)
    assert (desk.child.cum, desk.child.leaves) == (21, 39)
    desk.hear(void("x", as_of=2_000_000))
    assert (desk.child.cum, desk.child.ledger.off) == (9, 12)


@pytest.mark.parametrize(
    "said",
    [
        (fill("x", "1"), fill("y", "2")),
        (fill("x", "1"), void("x", as_of=5)),
        (fill("x", "1"), correct("x", "3", as_of=5)),
        (correct("x", "1", new_key="y", as_of=5), correct("y", "3", new_key="z", as_of=6)),
        (ExecutionVoided(venue=VENUE, order_id=ORDER, key="x", qty=D(1), as_of=5),),
    ],
    ids=["executions", "a void", "the first version", "an earlier version", "what a void named"],
)
def test_a_split_that_is_not_exact_of_anything_that_was_ever_said_changes_nothing(said: tuple[Input, ...]) -> None:
    """One new share for three, and the totals are whole: but one of the quantities that made them is not."""
    desk = Desk(None, placed("30"), *said)
    ledger = desk.child.ledger
    before = (ledger.itemised, ledger.era, dict(ledger.rows))
    desk.hear(split("10"))
    assert len(desk.alarms(AlarmKind.SPLIT_INEXACT)) == 1
    assert (ledger.itemised, ledger.era, ledger.rows) == before
    assert desk.child.order_qty == 30


def test_a_reverse_split_that_is_exact_of_everything_is_made() -> None:
    said = (fill("x", "3"), correct("x", "6", as_of=5), fill("y", "9"), void("y", as_of=6))
    desk = Desk(None, placed("30"), *said, void("lost", as_of=7), split("10"))
    assert desk.alarms(AlarmKind.SPLIT_INEXACT) == []
    assert (desk.child.order_qty, desk.child.cum, desk.child.ledger.off) == (10, 2, 3)


def test_what_claims_lost_is_split_with_them() -> None:
    desk = Desk(None, placed("10"), fill("x", "4", as_of=5), poll("4", "100", as_of=6), void("x", as_of=9), split("20"))
    desk.hear(fill("y", "1", "50", as_of=20))
    assert (desk.child.ledger.claimed, desk.child.cum) == (0, 1)
    desk.hear(poll("8", "50", as_of=8))
    assert (desk.child.ledger.claimed, desk.child.cum) == (0, 1)


def test_what_a_ruling_took_from_the_total_is_split_with_it() -> None:
    desk = Desk(None, placed("10"), poll("6", "100", as_of=10))
    rule(desk.child.ledger, 50, D(2), D(100), (), reopens=False)
    open_by(desk.child, desk.child.ledger, None)
    desk.published = D(2)
    assert (desk.child.cum, desk.child.ledger.off) == (2, 4)
    desk.hear(split("20"), fill("y", "5", "50"), correct("y", "4", "50"))
    assert (desk.child.cum, desk.child.ledger.off, desk.child.ledger.off_by(desk.now)) == (4, 9, 9)


def test_what_a_ruling_took_was_not_off_before_it() -> None:
    desk = Desk(None, placed("10"), poll("6", "100", as_of=10))
    rule(desk.child.ledger, 50, D(2), D(100), (), reopens=False)
    ledger = desk.child.ledger
    assert (ledger.cases, ledger.off_by(49), ledger.off_by(50), ledger.off_by(51)) == (None, 0, 4, 4)


# ---------------------------------------------------------------------- prices of what only a claim states


def test_beside_executions_without_a_price_what_a_claim_states_has_none() -> None:
    desk = Desk(None, placed("10"), fill("x", "4", None), poll("6", "100"))
    assert [(e.qty, e.px, e.key) for e in desk.heard(Fill)] == [(4, None, "x"), (2, None, None)]


@pytest.mark.parametrize(
    ("first", "average", "rest"), [("-4", "-5", "-6"), ("4", "0", "-4"), ("4", "-1", "-6"), ("9", "4", "4")]
)
def test_a_price_may_be_below_zero_where_the_average_is(first: str, average: str, rest: str) -> None:
    desk = Desk(None, placed("10"), fill("x", "1", first), poll("2", average))
    assert [e.px for e in desk.heard(Fill)] == [D(first), D(rest)]


def test_an_order_sized_in_cash_is_not_complete_while_something_that_filled_has_no_price() -> None:
    desk = Desk(None, placed(None, cash="100"), fill("x", "2", None), fill("y", "2", "50"))
    assert desk.child.open_at_venue
    desk.hear(fill("x", "2", "1"))
    assert not desk.child.open_at_venue


LEGS = Capabilities(chain=Chain.RESTARTS, replace_qty=ReplaceQty.OPEN)


def replaced(qty: str) -> Input:
    """A replace began a venue order of its own, for `qty`."""
    return report(ExecType.REPLACED, order_id="O2", cl_ord_id="c2", orig_cl_ord_id=CLIENT, qty=qty)


def test_the_average_over_legs_is_exact_where_every_execution_is_known() -> None:
    desk = Desk(LEGS, placed("10"), fill("x", "4", "100"), replaced("6"), fill("y", "4", "102", order_id="O2"))
    assert desk.child.average() == (101, False)


def test_an_order_that_is_complete_is_alarmed_where_a_leg_that_went_has_no_price() -> None:
    desk = Desk(LEGS, placed("10"), fill("x", "4", None), replaced("6"), fill("y", "6", order_id="O2"))
    assert desk.child.leaves == 0
    assert desk.alarms(AlarmKind.UNPRICED) == ["10 filled and the venue gave no price"]


def test_what_a_leg_that_went_claims_is_published_without_a_price_once_the_order_is_known() -> None:
    said = (report(ExecType.NEW, cl_ord_id=CLIENT), poll("4", "100"), replaced("6"))
    desk = Desk(LEGS, *said, placed("10", order_id=None))
    assert (desk.child.cum, [(e.qty, e.px, e.key) for e in desk.heard(Fill)]) == (4, [(4, None, None)])


def test_the_quantity_of_a_leg_is_split_with_all_else() -> None:
    desk = Desk(LEGS, placed("10"), fill("x", "4"), replaced("6"))
    assert (desk.child.order_qty, desk.child.ledger.qty) == (10, 6)
    desk.hear(report(ExecType.RESTATED, order_id="O2", qty="20", restatement="split", key="split"))
    assert (desk.child.order_qty, desk.child.ledger.qty, desk.child.leaves) == (20, 12, 12)
    desk.hear(fill("late", "1", "50"))
    assert (desk.child.order_qty, desk.child.cum, desk.child.leaves) == (21, 9, 12)


# ---------------------------------------------------------------------- charges


def test_a_charge_of_what_was_taken_for_an_execution_goes_with_it_once() -> None:
    desk = Desk(None, placed("20"), fill("x", "10"), fill("y", "8", fee="0.1"), charge("c", "7", "y", "VIP"))
    assert desk.child.fees()[0] == {"USD": D("0.1"), "VIP": 7}
    desk.hear(correct("x", "8", new_key="y"))
    assert {currency: amount for currency, amount in desk.child.fees()[0].items() if amount} == {"VIP": 7}
    desk.hear(void("x"))
    assert not any(desk.child.fees()[0].values())
