"""Fees that come apart, with a correction or a void: what an order cost is the same in every order of arrival."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from partfill.core.engine import Engine
from partfill.core.guard import Guard, Protection
from partfill.core.holdings import Holdings
from partfill.core.rows import Row, pack, unpack
from partfill.core.shares import assign
from partfill.model.capabilities import Capabilities
from partfill.model.inputs import Charge, Execution, ExecutionRevised, ExecutionVoided, Input, OrderPlaced
from partfill.model.protection import Budget, Leg, OverClose
from partfill.model.terms import Terms
from partfill.model.words import Side

D = Decimal
V: dict[str, Any] = {"venue": "v", "order_id": "o"}
FILL = Execution(**V, key="x", qty=D(10), px=D(5), fee=D(2), fee_currency="USD", as_of=1)
BARE = Execution(**V, key="x", qty=D(10), px=D(5), as_of=1)
CHARGED = Charge(**V, key="c1", exec_key="x", amount=D(3), currency="USD", as_of=2)
OTHER = Charge(**V, key="c2", exec_key="x", amount=D(7), currency="VIP", as_of=2)
OF_ORDER = Charge(**V, key="c3", amount=D(11), currency="USD", as_of=2)
VOID = ExecutionVoided(**V, key="x", qty=D(10), as_of=9)
AGAIN = ExecutionRevised(**V, key="x", new_key="y", qty=D(9), px=D(6), fee=D(4), fee_currency="USD", as_of=3)
ONLY_QTY = ExecutionRevised(**V, key="y", new_key="z", qty=D(8), as_of=4)
OF_Y = Charge(**V, key="c4", exec_key="y", amount=D(13), currency="VIP", as_of=5)

CORRECTED = (CHARGED, ExecutionRevised(**V, key="x", new_key="y", qty=D(9), px=D(6), as_of=3), VOID)

CASES: list[tuple[str, tuple[Input, ...], dict[str, Decimal]]] = [
    ("two currencies", (FILL, CHARGED, OTHER), {"USD": D(5), "VIP": D(7)}),
    ("a void takes all of it", (FILL, CHARGED, OTHER, VOID), {}),
    ("a void leaves what was charged for the order", (FILL, OTHER, OF_ORDER, VOID), {"USD": D(11)}),
    ("a correction states another fee", (FILL, CHARGED, OTHER, AGAIN), {"USD": D(7), "VIP": D(7)}),
    ("a correction that states none", (FILL, CHARGED, AGAIN, ONLY_QTY), {"USD": D(7)}),
    ("charged and corrected, the execution itself was lost", CORRECTED[:2], {"USD": D(3)}),
    ("charged, corrected and void, the execution itself was lost", CORRECTED, {}),
    ("corrected, then void", (FILL, OTHER, AGAIN, VOID), {}),
    ("charged under the correction's key", (FILL, AGAIN, OF_Y), {"USD": D(4), "VIP": D(13)}),
    ("charged under the correction's key, then void", (FILL, AGAIN, OF_Y, VOID), {}),
]


def engine() -> Engine:
    made = Engine()
    made.holdings = Holdings(made.listed)
    terms = Terms(instrument="X", side=Side.BUY, order_qty=D(20), price=D(5))
    made.step(OrderPlaced(venue="v", cl_ord_id="c", order_id="o", terms=terms), 1)
    return made


def fees(of: Engine) -> dict[str, Decimal]:
    return {currency: amount for currency, amount in of.children[1].fees()[0].items() if amount}


@pytest.mark.parametrize(("said", "right"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_fees_are_the_same_in_every_order_of_arrival(said: tuple[Input, ...], right: dict[str, Decimal]) -> None:
    for order in permutations(said):
        one = engine()
        for number, each in enumerate((*order, *order), 2):
            one.step(each, number)
        assert fees(one) == right, order
        assert one.holdings is not None
        position = one.holdings.positions.get(("v", "", "X"))
        assert (position.fees if position is not None else {}) == right, order


def test_the_price_and_fee_of_a_correction_that_states_neither_are_those_before_it() -> None:
    for order in permutations((FILL, AGAIN, ONLY_QTY)):
        one = engine()
        for number, each in enumerate(order, 2):
            one.step(each, number)
        child = one.children[1]
        assert (child.cum, child.notional, fees(one)) == (D(8), D(48), {"USD": D(4)}), order


def test_corrections_that_name_each_other_end() -> None:
    one = engine()
    for number, each in enumerate((BARE, AGAIN, ExecutionRevised(**V, key="y", new_key="x", qty=D(7), as_of=6)), 2):
        one.step(each, number)
    assert one.children[1].cum in (D(7), D(9))


def test_a_fee_of_an_order_that_filled_nothing_is_a_cost_of_the_position() -> None:
    one = engine()
    one.step(OF_ORDER, 2)
    assert one.holdings is not None
    (position,) = one.holdings.positions.values()
    assert (position.qty, position.fees) == (0, {"USD": D(11)})


@pytest.mark.parametrize("reopens", [False, True])
@pytest.mark.parametrize("charged", [None, D("0.5"), D("-0.5"), D(0)])
def test_what_was_charged_survives_packing(charged: Decimal | None, reopens: bool) -> None:
    row = Row(D(3), D(4), D(2), "USD", reopens=reopens, charged=charged)
    assert unpack(pack(row)) == row
    assert unpack("3|4|||2|USD||||r|").reopens
    assert unpack("3|4|||2|USD||||r|").charged is None


@pytest.mark.parametrize("rest", ["0.072", "0.9"])
def test_a_rest_below_a_lot_is_wanted_of_no_leg(rest: str) -> None:
    legs = (Leg(name="stop", stop_px=D(95)), Leg(name="target", price=D(109)))
    protection = Protection(1, ("v", "", "X", Side.BUY), D(1), OverClose.ALARM, Budget.SHARED)
    stop, target = protection.guards = [Guard(leg) for leg in legs]
    target.fired_at = 1
    found = assign(protection, D(4) + D(rest), Capabilities(stops=True))
    assert all(part == int(part) for part in (*found, stop.wanted, target.wanted))
