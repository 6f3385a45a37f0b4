"""A chain of venue orders that each count for themselves: whatever arrives first, the same quantity is in force."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import permutations

import pytest

from partfill.core.engine import Engine
from partfill.core.invariants import check_whole
from partfill.model.capabilities import Capabilities, Chain, Cumulative, ReplaceQty
from partfill.model.inputs import Input, OrderPlaced, VenueDeclared
from partfill.model.observations import ExecutionRevised, ExecutionVoided, OrderLinked, OrderSnapshot
from partfill.model.words import OrdStatus
from tests.core.driven import VENUE, D, execution, terms

LEGS = Capabilities(chain=Chain.RESTARTS, replace_qty=ReplaceQty.OPEN, cumulative=Cumulative.ABSENT)


def opened(order_id: str, qty: str, cl: str | None = None, as_of: int = 0) -> OrderSnapshot:
    """The venue shows one leg with its own quantity."""
    return OrderSnapshot(
        venue=VENUE, order_id=order_id, cl_ord_id=cl, ord_status=OrdStatus.NEW, order_qty=D(qty), instrument="ACME",
        as_of=as_of or None,
    )  # fmt: skip


PLACED = OrderPlaced(venue=VENUE, terms=terms("10"), cl_ord_id="c1", order_id="O1")


def after(inputs: Sequence[Input]) -> tuple[Decimal | None, Decimal, Decimal, OrdStatus]:
    """Quantity in force, filled, working and status after an order of ten and these inputs."""
    engine = Engine()
    now = 1_000
    inputs = inputs if PLACED in inputs else (PLACED, *inputs)
    for inp in (VenueDeclared(venue=VENUE, capabilities=LEGS), *inputs):
        now += 1
        engine.step(inp, now)
    child = engine.index.by_client[VENUE, "", "c1"]
    check_whole(child)
    assert len(engine.children) == 1
    return child.order_qty, child.cum, child.leaves, child.status


LINK = OrderLinked(venue=VENUE, order_id="O1", new_order_id="O2", new_cl_ord_id="c2")
FIRST, LATE = execution("a", "4", "O1"), execution("b", "1", "O1")
SECOND = execution("c", "2", "O2")
SHOWN = opened("O2", "6")


@pytest.mark.parametrize("more", [(), (SECOND,)], ids=["before the new leg fills", "after"])
def test_a_late_fill_of_a_leg_that_went_takes_nothing_of_the_leg_in_force(more: tuple[Input, ...]) -> None:
    inputs = (FIRST, LINK, SHOWN, LATE, *more)
    ends = {after(each) for each in permutations(inputs)}
    filled = D(7) if more else D(5)
    assert ends == {(D(11), filled, D(11) - filled, OrdStatus.PARTIALLY_FILLED)}


def test_our_own_word_of_the_order_may_come_last() -> None:
    for inputs in permutations((PLACED, FIRST, LINK, SHOWN, LATE)):
        assert after(inputs)[:3] == (11, 5, 6), [type(each).__name__ for each in inputs]


def test_a_fill_of_the_leg_before_while_nothing_is_known_of_the_next_moves_no_quantity() -> None:
    assert after((FIRST, LINK, LATE))[:3] == (10, 5, 5)


@pytest.mark.parametrize(
    ("change", "total"),
    [
        (ExecutionVoided(venue=VENUE, order_id="O1", key="b"), 11),
        (ExecutionRevised(venue=VENUE, order_id="O1", key="b", qty=D("0.4"), px=D(100)), 11),
        (ExecutionRevised(venue=VENUE, order_id="O1", key="b", qty=D("3"), px=D(100)), 13),
    ],
    ids=["void", "correction down", "correction up"],
)
def test_what_is_taken_back_or_corrected_on_a_leg_that_went_leaves_the_leg_in_force_as_it_is(change: Input, total: int) -> None:
    for inputs in permutations((FIRST, LATE, LINK, SHOWN, change)):
        order_qty, cum, leaves, _ = after(inputs)
        assert leaves == 6, [type(each).__name__ for each in inputs]
        assert order_qty is not None
        assert order_qty <= total
        assert cum <= 7


def test_a_third_leg_counts_from_what_the_two_before_it_filled() -> None:
    third = OrderLinked(venue=VENUE, order_id="O2", new_order_id="O3")
    steps = (FIRST, LINK, SHOWN, SECOND, third, opened("O3", "3"), LATE)
    for inputs in permutations(steps):
        assert after(inputs)[1:3] == (7, 3), [type(each).__name__ for each in inputs]
