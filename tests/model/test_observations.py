"""What an observation or an order may say at all. The message of a refusal names the field and the value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from partfill.model.inputs import OrderPlaced, RequestSent
from partfill.model.numbers import NotANumber
from partfill.model.observations import Charge, Execution, ExecutionRevised, ExecutionVoided, OrderSnapshot
from partfill.model.terms import Terms
from partfill.model.words import DERIVED_FLAGS, ExecutionState, Flag, Request, Side, flag_names

D = Decimal
IDS: dict[str, Any] = {"venue": "v", "order_id": "O1"}
FULL: dict[type[Any], dict[str, Any]] = {
    Execution: {**IDS, "key": "x", "qty": D(1), "fee_currency": "USD"},
    ExecutionRevised: {**IDS, "key": "x", "qty": D(1)},
    ExecutionVoided: {**IDS, "key": "x"},
    OrderSnapshot: IDS,
    Charge: {**IDS, "key": "f", "amount": D(1), "currency": "USD"},
    Terms: {"instrument": "ACME", "side": Side.BUY, "order_qty": D(1)},
    RequestSent: {"venue": "v", "request": Request.REPLACE, "cl_ord_id": "c2"},
}
QUANTITIES = {
    ExecutionRevised: ["qty", "leaves_qty"],
    ExecutionVoided: ["qty", "leaves_qty"],
    OrderSnapshot: ["order_qty", "cash_order_qty", "cum_qty", "leaves_qty", "reduced_qty", "day_order_qty", "day_cum_qty"],
    Terms: ["order_qty"],
    RequestSent: ["order_qty"],
}
PRICES = {
    Execution: ["px", "fee"],
    ExecutionRevised: ["px", "fee"],
    OrderSnapshot: ["price", "stop_px", "avg_px"],
    Charge: ["amount"],
    Terms: ["price", "stop_px"],
    RequestSent: ["price"],
}
TABLES = (QUANTITIES, PRICES, {Execution: ["qty"]})
NUMBERS = [(kind, name) for table in TABLES for kind, names in table.items() for name in names]


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
@pytest.mark.parametrize("value", [0.5, "1", 1], ids=["float", "text", "int"])
def test_a_number_is_a_decimal(kind: type[Any], name: str, value: Any) -> None:
    with pytest.raises(NotANumber, match=f"^{name} is .*{value!r}"):
        kind(**FULL[kind] | {name: value})


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
@pytest.mark.parametrize("value", [D("NaN"), D("Infinity"), D("1e999")])
def test_a_number_is_finite_and_of_this_world(kind: type[Any], name: str, value: Decimal) -> None:
    with pytest.raises(NotANumber, match=f"^{name} is"):
        kind(**FULL[kind] | {name: value})


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in QUANTITIES.items() for name in names])
def test_a_quantity_is_zero_or_more(kind: type[Any], name: str) -> None:
    kind(**FULL[kind] | {name: D(0)})
    with pytest.raises(NotANumber, match=f"^{name} is -1; a quantity is zero or more"):
        kind(**FULL[kind] | {name: D(-1)})


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in PRICES.items() for name in names])
def test_a_price_or_fee_may_be_zero_or_less(kind: type[Any], name: str) -> None:
    for value in (D(0), D("-37.63")):
        assert getattr(kind(**FULL[kind] | {name: value}), name) == value


@pytest.mark.parametrize("qty", [D(0), D(-1)])
def test_an_execution_fills_more_than_zero(qty: Decimal) -> None:
    with pytest.raises(NotANumber, match=f"qty of execution 'x' is {qty}"):
        Execution(**IDS, key="x", qty=qty)


def test_a_fee_names_its_currency() -> None:
    with pytest.raises(NotANumber, match=r"fee of execution 'x' is 0\.1 without fee_currency"):
        Execution(**IDS, key="x", qty=D(1), fee=D("0.1"))


def test_an_execution_says_only_what_is_known() -> None:
    bare = Execution(**IDS, key="x", qty=D(1))
    assert (bare.px, bare.fee, bare.state, bare.leg, bare.as_of) == (None, None, ExecutionState.CONFIRMED, None, None)


def test_an_order_is_sized_in_units_or_in_cash() -> None:
    for sizes in ({}, {"order_qty": D(1), "cash_order_qty": D(1)}):
        with pytest.raises(NotANumber, match="give exactly one of them"):
            Terms(instrument="ACME", side=Side.BUY, **sizes)
    assert Terms(instrument="ACME", side=Side.BUY, cash_order_qty=D(100)).order_qty is None


def test_an_order_that_was_placed_has_an_id() -> None:
    terms = Terms(instrument="ACME", side=Side.BUY, order_qty=D(1))
    with pytest.raises(NotANumber, match="neither cl_ord_id nor order_id"):
        OrderPlaced(venue="v", terms=terms)


def test_marks_are_one_bit_each_and_named() -> None:
    assert all(flag.value.bit_count() == 1 for flag in Flag)
    assert len({flag.value for flag in Flag}) == len(Flag)
    assert flag_names(Flag.PROVISIONAL | Flag.VOIDED) == ["PROVISIONAL", "VOIDED"]
    assert flag_names(0) == []


def test_marks_that_follow_from_quantities_are_not_kept() -> None:
    assert set(flag_names(DERIVED_FLAGS)) == {"PARKED", "PROVISIONAL", "UNPRICED", "APPROXIMATE", "OVERFILL"}
