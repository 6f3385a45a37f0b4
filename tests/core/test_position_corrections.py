"""Corrections and voids of fills: what a position cost is as if the fill had never been, or had always been so."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from partfill.core.engine import Engine
from partfill.core.holdings import Holdings
from partfill.core.position import Position
from partfill.model.inputs import Execution, ExecutionRevised, ExecutionVoided, Input, OrderPlaced, OrderSnapshot
from partfill.model.terms import Terms
from partfill.model.words import Side

D = Decimal


def after(*inputs: Input) -> Position:
    engine = Engine()
    engine.holdings = Holdings(engine.listed)
    for number, (name, side) in enumerate((("b", Side.BUY), ("s", Side.SELL)), 1):
        terms = Terms(instrument="X", side=side, order_qty=D(100), price=D(100))
        engine.step(OrderPlaced(venue="v", cl_ord_id=f"c{name}", order_id=name, terms=terms), number)
    for number, each in enumerate(inputs, 10):
        engine.step(each, number)
    (position,) = engine.holdings.positions.values()
    return position


def fill(order: str, key: str, qty: int, px: int) -> Execution:
    return Execution(venue="v", order_id=order, key=key, qty=D(qty), px=D(px), as_of=5)


def void(order: str, key: str) -> ExecutionVoided:
    return ExecutionVoided(venue="v", order_id=order, key=key, as_of=6)


def now(order: str, key: str, qty: int, px: int) -> ExecutionRevised:
    return ExecutionRevised(venue="v", order_id=order, key=key, new_key=f"{key}'", qty=D(qty), px=D(px), as_of=6)


BOUGHT = (fill("b", "1", 10, 100), fill("s", "2", 5, 120), fill("b", "3", 4, 90))

CASES: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "the older of two is void": ((*BOUGHT, void("b", "1")), BOUGHT[1:]),
    "the newer of two is void": ((*BOUGHT, void("b", "3")), BOUGHT[:2]),
    "the older of two costs less": ((*BOUGHT, now("b", "1", 10, 80)), (fill("b", "1", 10, 80), *BOUGHT[1:])),
    "the older of two is smaller": ((*BOUGHT, now("b", "1", 8, 100)), (fill("b", "1", 8, 100), *BOUGHT[1:])),
    "smaller and cheaper": ((*BOUGHT, now("b", "1", 8, 80)), (fill("b", "1", 8, 80), *BOUGHT[1:])),
    "the exit is void": ((*BOUGHT, void("s", "2")), (BOUGHT[0], BOUGHT[2])),
    "corrected twice": (
        (*BOUGHT, now("b", "1", 9, 80), now("b", "1'", 7, 70)),
        (fill("b", "1", 7, 70), *BOUGHT[1:]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_is_as_if_it_had_always_been_so(case: str) -> None:
    told, always = (after(*inputs) for inputs in CASES[case])
    assert (told.held, told.cost, told.realised) == (always.held, always.cost, always.realised)


def test_a_price_of_a_round_that_is_over_changes_its_result_and_not_what_is_held() -> None:
    position = after(fill("b", "1", 10, 100), fill("s", "2", 10, 110), fill("b", "3", 1, 100), now("b", "1", 10, 90))
    # The same order has fills in both rounds; only the one that is open may be told apart by what is held.
    assert position.realised + (D(100) - position.cost) == D(200)
    position = after(fill("b", "1", 10, 100), fill("s", "2", 11, 110), now("b", "1", 10, 90))
    assert (position.held, position.cost, position.realised) == (D(-1), D(-110), D(200))


def test_a_total_without_a_price_is_none_of_the_fill_that_comes_after_it() -> None:
    total = OrderSnapshot(venue="v", order_id="b", cum_qty=D(11), as_of=5)
    position = after(total, fill("b", "1", 11, 108), fill("b", "2", 1, 108), fill("s", "3", 1, 100))
    assert (position.held, position.cost) == (D(11), D(1188))
    position = after(total, fill("s", "9", 1, 100), fill("b", "1", 12, 108))
    assert position.avg_px is not None
    assert abs(position.avg_px - 108) < D("1e-20")
