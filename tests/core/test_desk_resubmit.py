"""The limits of a resubmit rule, exactly at their edges."""

from __future__ import annotations

import pytest

from partfill.model.capabilities import Capabilities
from partfill.model.operations import Place
from partfill.model.words import ExecType, OrdStatus
from tests.core.driven import GUARDED, PLAIN, SECOND, TOTAL, D, Driven, rule, working

SMALLEST = "0.00000001"


@pytest.mark.parametrize("rules", [PLAIN, TOTAL, GUARDED])
@pytest.mark.parametrize("filled", ["4", "4.0", "4.00000000"])
def test_a_remainder_of_exactly_the_least_size_goes_on(rules: Capabilities, filled: str) -> None:
    desk = working(rules, filled=filled, resubmit=rule("6"))
    desk.ended()
    (place,) = desk.take()
    assert isinstance(place, Place)
    assert place.terms.order_qty == 6
    assert desk.resubmitted() == [6]


@pytest.mark.parametrize("rules", [PLAIN, TOTAL, GUARDED])
def test_a_remainder_of_one_smallest_unit_less_is_left(rules: Capabilities) -> None:
    desk = working(rules, filled=str(D(4) + D(SMALLEST)), resubmit=rule("6"))
    desk.ended()
    assert desk.take() == []
    assert desk.outcomes() == [("canceled", D(4) + D(SMALLEST))]
    assert desk.parent().rest == D(6) - D(SMALLEST)


def test_the_smallest_remainder_goes_on_where_none_is_too_small() -> None:
    desk = working(filled=str(D(10) - D(SMALLEST)), resubmit=rule("0"))
    desk.ended()
    (place,) = desk.take()
    assert isinstance(place, Place)
    assert place.terms.order_qty == D(SMALLEST)


def test_nothing_left_is_no_remainder_however_small_the_least_size() -> None:
    desk = working(filled="10", resubmit=rule("0"))
    desk.ended()
    assert desk.take() == []
    assert desk.outcomes() == [("filled", D(10))]


def test_without_an_attempt_nothing_goes_on() -> None:
    desk = working(filled="4", resubmit=rule("0", 0))
    desk.ended()
    assert desk.take() == []
    assert desk.outcomes() == [("canceled", D(4))]


@pytest.mark.parametrize("most", [1, 2, 7])
@pytest.mark.parametrize("kind", [ExecType.CANCELED, ExecType.EXPIRED])
def test_as_many_successors_as_allowed_and_not_one_more(most: int, kind: ExecType) -> None:
    desk = working(qty="100", resubmit=rule("1", most))
    left = D(100)
    for number in range(most + 1):
        order_id = f"O{number + 1}"
        if number:
            (place,) = desk.take()
            assert isinstance(place, Place)
            assert (place.terms.order_qty, place.cl_ord_id) == (left, f"d1-{number + 1}")
            desk.acknowledge(place, order_id)
        assert desk.parent().exposure == 100
        desk.fill(f"k{number}", "5", order_id)
        left -= 5
        desk.ended(order_id, kind)
    assert desk.take() == []
    assert desk.resubmitted() == [D(100) - 5 * (number + 1) for number in range(most)]
    assert desk.outcomes() == [(str(kind).lower() if kind is ExecType.EXPIRED else "canceled", D(5) * (most + 1))]
    assert (desk.parent().resubmits, desk.parent().attempts) == (most, most + 1)
    assert desk.wait(60 * SECOND) == []


def test_a_successor_that_fills_nothing_uses_up_an_attempt() -> None:
    desk = working(filled="4", resubmit=rule("1", 2))
    desk.ended()
    for number in (2, 3):
        (place,) = desk.take()
        desk.acknowledge(place, f"O{number}")
        desk.ended(f"O{number}")
    assert desk.take() == []
    assert desk.resubmitted() == [6, 6]
    assert desk.outcomes() == [("canceled", D(4))]


def test_a_successor_that_is_refused_ends_it_with_attempts_left() -> None:
    desk = working(filled="4", resubmit=rule("1", 5))
    desk.ended()
    (place,) = desk.take()
    assert desk.refused(place) == []
    assert desk.resubmitted() == [6]
    assert desk.outcomes() == [("rejected", D(4))]


def test_the_least_size_is_asked_of_every_remainder_anew() -> None:
    desk = working(filled="4", resubmit=rule("3"))
    desk.ended()
    (place,) = desk.take()
    desk.acknowledge(place, "O2")
    desk.fill("b", "4", "O2")
    desk.ended("O2")
    assert desk.take() == [], "2 are left, and 3 is the least"
    assert desk.outcomes() == [("canceled", D(8))]


def test_an_amendment_uses_up_no_attempt_and_is_no_remainder() -> None:
    desk = working(filled="4", resubmit=rule("100", 0))
    desk.amend(price="101")
    desk.ended()
    (place,) = desk.take()
    assert isinstance(place, Place)
    assert (place.terms.order_qty, desk.parent().resubmits, desk.resubmitted()) == (6, 0, [])


@pytest.mark.parametrize("definite", [True, False])
def test_no_successor_before_the_end_is_proven(definite: bool) -> None:
    desk = working(Capabilities(end_is_final=False), filled="4", resubmit=rule("6", 1))
    desk.ended()
    (query,) = desk.take()
    sent = desk.looked(query, desk.report(None, ord_status=OrdStatus.CANCELED, cum_qty="4"), definite=definite)
    assert [type(op) for op in sent] == ([Place] if definite else [])


def test_a_last_fill_in_the_proof_brings_the_remainder_below_the_least_size() -> None:
    desk = working(Capabilities(end_is_final=False), filled="4", resubmit=rule("6", 1))
    desk.ended()
    (query,) = desk.take()
    said = desk.report(None, ord_status=OrdStatus.CANCELED, cum_qty=str(D(4) + D(SMALLEST)), avg_px="100")
    assert desk.looked(query, said) == []
    assert desk.outcomes() == [("canceled", D(4) + D(SMALLEST))]


def test_a_rule_holds_for_its_own_order_only() -> None:
    desk = Driven()
    for ref, least in (("a", "6"), ("b", "7")):
        (place,) = desk.submit(ref=ref, resubmit=rule(least, 1))
        desk.acknowledge(place, f"O-{ref}")
        desk.fill("k", "4", f"O-{ref}")
        desk.ended(f"O-{ref}")
        assert [op.order for op in desk.take()] == ([desk.child(1, "a").id] if ref == "a" else [])
    assert desk.parent("b").done == "canceled"


def test_the_average_is_that_of_all_successors() -> None:
    desk = working(filled="4", resubmit=rule())
    desk.ended()
    desk.acknowledge(order_id="O2")
    desk.fill("second", "6", "O2", "110")
    assert (desk.parent().spent, desk.parent().avg_px) == (1060, 106)
