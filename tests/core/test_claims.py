"""Claims of a total, and what was lost since: the corners."""

from __future__ import annotations

from decimal import Decimal

from partfill.core.claims import SINCE_EVER, admit, best, outdated
from tests.core.evidence import Desk, correct, fill, placed, poll, void

D = Decimal


def test_a_void_of_the_very_moment_of_a_claim_counts_as_later() -> None:
    desk = Desk(None, placed("10"), fill("x", "4", as_of=10), poll("4", "100", as_of=20), void("x", as_of=20))
    assert (desk.child.cum, desk.child.ledger.claimed) == (0, 0)


def test_of_claims_that_lost_the_one_counts_that_has_most_left() -> None:
    high, late = (10, D(5), None), (20, D(4), None)
    assert best((high, late), {"x": ((SINCE_EVER, D(2)), (30, D(0)))}) == (10, D(3), None)


def test_a_claim_never_counts_less_than_nothing() -> None:
    assert best(((10, D(1), None),), {"x": ((SINCE_EVER, D(2)), (30, D(0)))}) == (10, D(0), None)


def test_a_claim_of_the_moment_of_a_void_is_asked_for_again() -> None:
    losses = {"x": ((SINCE_EVER, D(4)), (20, D(0)))}
    assert outdated(((20, D(4), None),), losses, D(0))
    assert not outdated(((21, D(4), None),), losses, D(0))
    assert not outdated(((20, D(4), None),), losses, D(4))
    desk = Desk(None, placed("10"), fill("x", "4", as_of=10), poll("4", "100", as_of=20), void("x", as_of=20))
    assert desk.child.ledger.outdated
    desk.hear(poll("0", None, as_of=21))
    assert not desk.child.ledger.outdated


def test_a_claim_loses_by_the_version_in_force_though_an_earlier_one_is() -> None:
    desk = Desk(None, placed("20"), fill("x", "10", as_of=5), poll("10", "100", as_of=6))
    desk.hear(correct("x", "6", revision=2, as_of=20))
    assert (desk.child.cum, desk.child.ledger.claimed) == (6, 6)
    desk.hear(correct("x", "8", revision=1, as_of=30))
    assert (desk.child.cum, desk.child.ledger.claimed) == (6, 6)


def test_where_nothing_is_provisional_there_is_no_price_of_it() -> None:
    desk = Desk(None, placed("10"), fill("x", "4", "100"), poll("4", "101"))
    assert desk.child.ledger.provisional_px() is None


def test_where_a_rounded_average_leaves_nothing_for_the_rest_the_average_is_its_price() -> None:
    desk = Desk(None, placed("10"), fill("x", "9", "100"), poll("10", "90"))
    assert desk.child.ledger.provisional_px() == 90


def test_a_claim_between_two_drops_the_earlier_lower_one_alone() -> None:
    high, late, between = (10, D(5), None), (20, D(4), None), (15, D(6), None)
    assert admit((high, late), between) == (between, late)
    assert admit((high, late), (25, D(7), None)) == ((25, D(7), None),)


def test_a_claim_that_says_nothing_new_is_none() -> None:
    known = ((10, D(5), D(100)),)
    assert admit(known, (10, D(5), D(100))) is known
    assert admit(known, (10, D(5), None)) is known
    assert admit(known, (10, D(5), D(99))) is known
    later = ((20, D(6), None),)
    assert admit(later, (10, D(6), D(100))) is later


def test_the_highest_claim_from_before_a_loss_is_what_may_be_outdated() -> None:
    losses = {"x": ((SINCE_EVER, D(2)), (30, D(0)))}
    assert outdated(((10, D(5), None), (20, D(4), None)), losses, D(4))


def test_a_lower_claim_of_the_same_moment_is_none_whatever_its_average() -> None:
    known = ((10, D(5), D(100)),)
    assert admit(known, (10, D(4), D(200))) is known


def test_of_two_equal_claims_with_averages_the_higher_average_is_kept() -> None:
    assert admit(((10, D(5), D(99)),), (10, D(5), D(100))) == ((10, D(5), D(100)),)


def test_nothing_is_outdated_where_nothing_was_claimed_or_lost() -> None:
    losses = {"x": ((SINCE_EVER, D(4)), (20, D(0)))}
    assert not outdated((), losses, D(0))
    assert not outdated(((20, D(4), None),), {}, D(0))


def test_the_last_of_several_losses_is_what_makes_a_claim_outdated() -> None:
    losses = {"x": ((SINCE_EVER, D(1)), (30, D(0))), "y": ((SINCE_EVER, D(1)), (20, D(0)))}
    assert outdated(((25, D(4), None),), losses, D(2))
    assert not outdated(((31, D(4), None),), losses, D(2))
