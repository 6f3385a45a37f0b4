"""How a position is shared out among its legs, and what of that may be asked for while something else may still fill."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from partfill.core.guard import Guard, Protection
from partfill.core.parent import Parent
from partfill.core.shares import assign, at_worst, covers, within
from partfill.model.capabilities import Capabilities
from partfill.model.protection import Budget, Leg, OverClose
from partfill.model.terms import Terms
from partfill.model.words import Side

D = Decimal
EACH = Capabilities(reduce_only=True)
"""A venue that holds each order to the position."""


def open_order(worst: str, works: str | None = None) -> Parent:
    """An order of which so much may still fill, and so much works for certain: all of it, or what is said."""
    parent = Parent(1, "v", "", "r", Terms(instrument="X", side=Side.SELL, order_qty=D(worst), price=D(1)), None)
    work = SimpleNamespace(is_beside=lambda child: False, worst=lambda child: D(worst))
    parent.active.append(SimpleNamespace(work=work, leaves=D(worst if works is None else works)))  # type: ignore[arg-type]
    return parent


def protection(*worst: str | None, shares: tuple[str, ...] = ("1", "1"), budget: Budget = Budget.SHARED,
               **also: Any) -> Protection:  # fmt: skip
    """A stop and a target; `worst`: what may still fill of their orders."""
    found = Protection(1, ("v", "", "X", Side.BUY), D(1), OverClose.ALARM, budget)
    legs = (Leg(name="stop", stop_px=D(95), share=D(shares[0])), Leg(name="target", price=D(109), share=D(shares[1])))
    found.guards = [Guard(leg) for leg in legs]
    for guard, qty in zip(found.guards, worst or (None, None), strict=True):
        guard.parent = None if qty is None else open_order(qty)
    for name, value in also.items():
        setattr(found, name, value)
    return found


# ---------------------------------------------------------------------- what each is to cover


def test_what_has_filled_keeps_its_place() -> None:
    found = protection(shares=("0.5", "0.5"))
    assert covers(found, D(10)) == [5, 5]
    found.guards[1].filled = D(4)
    assert covers(found, D(6)) == [3, 1]


def test_where_the_position_and_its_target_share_a_budget_what_fired_goes_first_and_too_little_is_left_out() -> None:
    found = protection(min_qty=D(3))
    stop, target = found.guards
    assert assign(found, D(10), Capabilities()) == [10, 0]
    assert (target.waits, target.wanted) == (True, 10)
    target.fired_at, target.takes = 1, D(6)
    assert assign(found, D(10), Capabilities()) == [4, 6]
    assert (stop.wanted, target.wanted) == (4, 6)
    target.takes = D(8)
    assert assign(found, D(10), Capabilities()) == [0, 8]
    assert (stop.wanted, target.wanted) == (0, 8)


def test_a_target_that_fired_and_is_an_order_again_covers_its_whole_share() -> None:
    found = protection()
    found.guards[1].fired_at, found.guards[1].takes = 1, D(2)
    assert assign(found, D(10), EACH) == [10, 10]


# ---------------------------------------------------------------------- what may be asked for now


def test_what_leaves_and_may_still_fill_is_taken_from_what_may_grow_stops_first() -> None:
    found = protection(None, None, shares=("0.5", "0.5"), leaving=[open_order("6")])
    assert within(found, D(10), [D(5), D(5)], Capabilities()) == [4, 0]
    found.guards[1].fired_at = 1
    assert within(found, D(10), [D(5), D(5)], Capabilities()) == [0, 4]
    found.leaving = [open_order("3")]
    assert within(found, D(10), [D(5), D(5)], Capabilities()) == [2, 5]


def test_what_works_already_is_part_of_what_may_fill() -> None:
    found = protection("8", None, shares=("0.5", "0.5"))
    assert within(found, D(10), [D(5), D(5)], Capabilities()) == [5, 2]
    assert within(found, D(10), [D(8), D(2)], Capabilities()) == [8, 2]
    assert within(found, D(12), [D(7), D(3)], Capabilities()) == [7, 3]
    assert within(protection("8", None), D(10), [D(7), D(3)], Capabilities()) == [7, 2]


def test_what_is_made_smaller_anyway_makes_room_for_what_leaves() -> None:
    found = protection("10", None, leaving=[open_order("3")])
    assert within(found, D(8), [D(8), D(0)], Capabilities()) == [5, 0]
    found.leaving = [open_order("9")]
    assert within(found, D(2), [D(2), D(0)], Capabilities()) == [0, 0]
    found.leaving = []
    assert within(found, D(8), [D(8), D(0)], Capabilities()) == [8, 0]


def test_what_is_being_made_smaller_for_what_leaves_is_not_asked_to_grow_again_meanwhile() -> None:
    found = protection("3", None, leaving=[open_order("3")])
    parent = found.guards[0].parent
    assert parent is not None
    parent.asked = D(2)
    assert within(found, D(5), [D(5), D(0)], Capabilities()) == [2, 0]
    found.leaving = [open_order("1")]
    assert within(found, D(5), [D(5), D(0)], Capabilities()) == [4, 0], "there is room: it grows"
    found.leaving = [open_order("2")]
    assert within(found, D(5), [D(5), D(0)], Capabilities()) == [3, 0], "what may fill is just what is held"
    assert within(protection(None, None, leaving=[open_order("9")]), D(5), [D(5), D(0)], Capabilities()) == [0, 0]
    parent.asked, found.leaving = D(9), [open_order("4")]
    assert within(found, D(5), [D(5), D(0)], Capabilities()) == [3, 0], "nor does it grow where it was asked to"


@pytest.mark.parametrize(
    ("works", "leaving", "stays"),
    [("0", "32", "0"), ("2", "32", "2"), ("10", "32", "10"), ("2", "25", "4"), ("2", "19", "10")],
)
def test_what_it_is_being_made_larger_by_is_not_asked_again_where_too_much_may_fill(
    works: str, leaving: str, stays: str
) -> None:
    found = protection(None, None, leaving=[open_order(leaving)])
    found.guards[0].parent = open_order("10", works)
    assert within(found, D(29), [D(29), D(0)], Capabilities()) == [D(stays), 0]


def test_targets_make_room_before_stops_do() -> None:
    found = protection("6", "6", shares=("0.5", "0.5"), leaving=[open_order("2")])
    # 14 may fill of 10, and the target is asked first: the room that the stop makes is its own next time.
    assert within(found, D(10), [D(5), D(5)], Capabilities()) == [5, 2]


def test_what_is_not_made_smaller_stays_though_too_much_may_fill() -> None:
    found = protection("6", "6", shares=("0.5", "0.5"))
    assert within(found, D(10), [D(6), D(6)], Capabilities()) == [6, 6]


def test_only_whole_lots_grow_and_shrink() -> None:
    found = protection("10", None, leaving=[open_order("2.5")])
    assert within(found, D(8), [D(8), D(0)], Capabilities()) == [5, 0]
    found = protection(None, None, leaving=[open_order("2.5")])
    assert within(found, D(8), [D(8), D(0)], Capabilities()) == [5, 0]


# ---------------------------------------------------------------------- what may still fill


def test_what_may_still_fill_is_counted_by_kind_or_together() -> None:
    found = protection("8", "3", budget=Budget.EACH, leaving=[open_order("2")])
    assert at_worst(found, Capabilities()) == [8, 3]
    found.budget = Budget.SHARED
    assert at_worst(found, Capabilities()) == [13]


@pytest.mark.parametrize(("parts", "now"), [(("10", "10"), ["7", "7"]), (("3", "10"), ["3", "7"]), (("10", "0"), ["7", "0"])])
def test_where_each_kind_has_its_own_budget_neither_grows_beyond_what_is_left(parts: tuple[str, str], now: list[str]) -> None:
    found = protection(None, None, budget=Budget.EACH, leaving=[open_order("3")])
    assert within(found, D(10), [D(part) for part in parts], Capabilities()) == [D(part) for part in now]
