"""Voids and corrections: what they leave at work, whatever came first."""

from __future__ import annotations

from decimal import Decimal

import pytest

from partfill.core.invariants import check_whole
from partfill.core.rows import unpack
from partfill.model.inputs import DayRolled
from partfill.model.observations import ExecutionVoided
from partfill.model.words import ExecType
from tests.core.evidence import ORDER, VENUE, Desk, correct, fill, placed, poll, report, void

D = Decimal


@pytest.mark.parametrize("first", [True, False], ids=["after the correction", "before the correction"])
def test_a_correction_that_is_told_as_an_execution_too_counts_once(first: bool) -> None:
    said = [correct("x", "8", new_key="y"), fill("y", "8")]
    desk = Desk(None, placed("20"), fill("x", "10"), *(said if first else reversed(said)))
    assert (desk.child.cum, desk.child.ledger.count) == (8, 1)
    assert desk.hear(fill("y", "8")).duplicate
    assert desk.child.cum == 8


def test_every_void_takes_its_quantity_off_and_not_the_last_alone() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), fill("y", "3"), void("x"), void("y"))
    assert (desk.child.cum, desk.child.leaves, desk.child.canceled_qty) == (0, 3, 7)


def test_what_a_correction_takes_off_does_not_work_again_by_itself() -> None:
    desk = Desk(None, placed("20"), fill("x", "10"), correct("x", "8"))
    assert (desk.child.cum, desk.child.leaves, desk.child.canceled_qty) == (8, 10, 2)
    desk.hear(correct("x", "7", leaves_qty=D(13), as_of=1_000_100))
    assert (desk.child.cum, desk.child.leaves) == (7, 13)


def test_a_restatement_knows_of_the_void_of_its_own_moment() -> None:
    desk = Desk(None, placed("10"), fill("x", "4", as_of=10), void("x", as_of=40))
    assert desk.child.leaves == 6
    desk.hear(report(ExecType.RESTATED, qty="10", cum_qty=D(0), leaves="10", as_of=40))
    assert desk.child.leaves == 10


def test_a_restatement_from_before_a_void_knows_nothing_of_it() -> None:
    desk = Desk(None, placed("10"), fill("x", "4", as_of=10), void("x", as_of=40))
    desk.hear(report(ExecType.RESTATED, qty="10", cum_qty=D(0), leaves="10", as_of=39))
    assert desk.child.leaves == 6


def test_a_void_of_an_earlier_days_fill_leaves_the_day_alone() -> None:
    desk = Desk(None, placed("10000"), fill("x", "2000"), DayRolled(venue=VENUE), fill("y", "500"), void("x"))
    assert (desk.child.cum, desk.child.day_cum_qty) == (500, 500)


def test_a_fill_after_a_split_is_in_todays_units_already() -> None:
    desk = Desk(None, placed("10"), fill("x", "2"))
    desk.hear(report(ExecType.RESTATED, qty="20", restatement="split", key="s"), fill("y", "3", "50"))
    check_whole(desk.child)
    assert (desk.child.cum, desk.child.notional, desk.child.leaves) == (7, 350, 13)
    desk.hear(void("y"))
    assert (desk.child.cum, desk.child.notional) == (4, 200)


def test_a_split_halves_the_average_of_what_was_claimed() -> None:
    desk = Desk(None, placed("10"), poll("2", "100"))
    desk.hear(report(ExecType.RESTATED, qty="20", restatement="split", key="s"))
    assert (desk.child.cum, desk.child.avg_px) == (4, 50)


def test_corrections_of_one_moment_are_told_apart_by_their_number() -> None:
    desk = Desk(None, placed("20"), fill("x", "10", as_of=10))
    desk.hear(correct("x", "8", revision=1, as_of=20), correct("x", "7", revision=2, as_of=20))
    assert desk.child.cum == 7


@pytest.mark.parametrize("key", ["y", None])
def test_the_same_correction_again_is_a_repeat(key: str | None) -> None:
    said = correct("x", "8", new_key=key, as_of=20)
    desk = Desk(None, placed("20"), fill("x", "10", as_of=10), said)
    effects = desk.hear(said)
    assert (effects.duplicate, effects.rows, desk.engine.counters.duplicates) == (True, [], 1)


def test_what_was_off_at_a_moment_is_by_the_version_that_nothing_had_replaced() -> None:
    desk = Desk(None, placed("20"), fill("x", "10", as_of=10))
    desk.hear(correct("x", "8", new_key="z", as_of=20), correct("z", "6", new_key="a", as_of=20))
    ledger = desk.child.ledger
    assert (ledger.cum, ledger.off, ledger.off_by(20), ledger.off_by(19)) == (6, 4, 4, 0)


def test_a_correction_that_was_taken_for_an_execution_and_voided_takes_off_once() -> None:
    desk = Desk(None, placed("30"), fill("x", "10", as_of=10), fill("y", "8", as_of=20), poll("8", "100", as_of=25))
    desk.hear(void("y", as_of=30), correct("x", "8", new_key="y", as_of=20))
    ledger = desk.child.ledger
    assert (ledger.cum, ledger.claimed, ledger.off, desk.child.leaves) == (0, 0, 10, 20)
    assert set(ledger.cases or {}) == set(ledger.losses or {}) == {"x"}


def test_a_correction_that_states_no_price_keeps_the_one_that_was_known() -> None:
    desk = Desk(None, placed("20"), fill("x", "10", "99"), correct("x", "8", None))
    assert (desk.child.cum, desk.child.notional, desk.child.avg_px) == (8, 792, 99)


def test_the_row_of_a_void_execution_has_the_moment_of_the_void() -> None:
    desk = Desk(None, placed("20"), fill("x", "10", as_of=10), correct("x", "8", new_key="y", as_of=20), void("y", as_of=40))
    row = unpack(desk.child.ledger.rows["x"])
    assert (row.void, row.as_of, row.qty, row.first_qty) == (True, 40, 8, 10)


def test_a_void_of_what_never_came_takes_the_quantity_that_it_names_from_earlier_claims() -> None:
    desk = Desk(None, placed("20"), poll("4", "100", as_of=30))
    desk.hear(ExecutionVoided(venue=VENUE, order_id=ORDER, key="x", qty=D(3), as_of=40))
    assert (desk.child.cum, desk.child.ledger.off, desk.child.leaves) == (1, 3, 16)
    desk.hear(poll("4", "100", as_of=41))
    assert desk.child.cum == 4


def test_a_correction_after_a_split_is_in_todays_units_already() -> None:
    desk = Desk(None, placed("10"), fill("x", "2"))
    desk.hear(report(ExecType.RESTATED, qty="20", restatement="split", key="s"), fill("y", "3", "50"), correct("y", "2", "50"))
    check_whole(desk.child)
    assert (desk.child.cum, desk.child.notional, desk.child.ledger.off, desk.child.leaves) == (6, 300, 1, 13)


def test_what_a_correction_does_not_state_is_as_the_version_before_it_has_it() -> None:
    desk = Desk(None, placed("20"), fill("x", "10", "99", fee="0.3"))
    desk.hear(correct("x", "8", None, new_key="y", fee=D("0.1"), fee_currency="USD"))
    assert (desk.child.notional, desk.child.fees()[0]) == (792, {"USD": D("0.1")})
    desk.hear(correct("y", "7", "98", new_key="z"))
    assert (desk.child.notional, desk.child.fees()[0]) == (686, {"USD": D("0.1")})
    desk.hear(correct("z", "6", None, new_key="w"))
    assert (desk.child.notional, desk.child.fees()[0]) == (588, {"USD": D("0.1")})


def test_what_a_correction_does_not_state_is_known_once_the_execution_comes() -> None:
    desk = Desk(None, placed("20"), correct("y", "7", None, new_key="z"), correct("x", "8", None, new_key="y"))
    assert (desk.child.cum, desk.child.avg_px) == (7, None)
    desk.hear(fill("x", "10", "99", fee="0.3"))
    assert (desk.child.cum, desk.child.notional, desk.child.fees()) == (7, 693, ({"USD": D("0.3")}, True))


def test_a_correction_upwards_makes_up_for_nothing_that_another_took_off() -> None:
    desk = Desk(None, placed("20"), fill("x", "4"), fill("y", "3"), correct("x", "6"), void("y"))
    assert (desk.child.cum, desk.child.ledger.off, desk.child.leaves) == (6, 3, 11)


@pytest.mark.parametrize("leaves", [None, "10"])
def test_the_row_of_a_void_says_whether_it_works_again_and_has_no_first_version(leaves: str | None) -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), void("x", leaves=leaves))
    row = unpack(desk.child.ledger.rows["x"])
    assert (row.void, row.qty, row.first_qty, row.reopens) == (True, 4, None, leaves is not None)


def test_a_claim_from_before_the_last_word_on_an_execution_is_outdated_though_an_earlier_word_is_in_force() -> None:
    desk = Desk(None, placed("20"), fill("x", "10", as_of=5), poll("10", "100", as_of=25))
    desk.hear(correct("x", "6", revision=2, as_of=20))
    assert not desk.child.ledger.outdated
    desk.hear(correct("x", "8", revision=1, as_of=30))
    assert (desk.child.cum, desk.child.ledger.outdated) == (8, True)
