"""Legs that end by themselves and come back, legs of several orders, and what is still to be traded back."""

from __future__ import annotations

import pytest

from partfill.model.capabilities import Capabilities
from partfill.model.commands import Restarted
from partfill.model.events import AlarmKind
from partfill.model.operations import Place, Replace
from partfill.model.protection import OverClose
from partfill.model.words import OrdType
from tests.core.driven import PLAIN, SECOND, TOTAL, D
from tests.core.test_covering import GUARDED, sizes
from tests.core.test_protection import STOP, TARGET, Market

# ---------------------------------------------------------------------- ended by themselves


@pytest.mark.parametrize("rules", [PLAIN, TOTAL, GUARDED])
def test_a_leg_that_worked_for_long_and_is_taken_off_comes_back_at_once_and_is_told_every_time(rules: Capabilities) -> None:
    market = Market(rules, STOP)
    market.enters("100", "100")
    for number in range(8):
        market.now += 3600 * SECOND
        before = market.now
        market.ends(next(iter(market.orders)))
        market.fresh = market.wake()
        market.answer()
        assert market.legs == (100, 0)
        assert market.now - before < SECOND
        assert len(market.alarms(AlarmKind.UNPROTECTED)) == number + 1


# ---------------------------------------------------------------------- replaced


@pytest.mark.parametrize("rules", [TOTAL, Capabilities(can_replace=True, reduce_only=True)])
def test_what_was_placed_beside_an_order_that_is_asked_about_is_resized_from_then_on(rules: Capabilities) -> None:
    market = Market(rules, STOP)
    market.enters("100", "10")
    market.orders["entry"] = ("entry", D(100), D(10))
    market.feed(Restarted(desk="d"))
    # While the venue is asked about it, what is bought more is an order of its own, and no longer than that.
    market.fill("meanwhile", "5", "entry")
    market.orders["entry"] = ("entry", D(100), D(15))
    market.answer()
    assert sizes(market) == [5, 10]
    del market.orders["entry"]
    for _ in range(20):
        market.enters("100", "1")
        assert len(sizes(market)) == 2
    assert market.legs == (35, 0)


def test_of_several_orders_of_a_leg_one_at_a_time_is_resized() -> None:
    market = Market(TOTAL, STOP)
    market.enters("100", "10")
    market.orders["entry"] = ("entry", D(100), D(10))
    market.feed(Restarted(desk="d"))
    market.fill("meanwhile", "5", "entry")
    market.orders["entry"] = ("entry", D(100), D(15))
    market.answer()
    del market.orders["entry"]
    for number in range(10):
        market.fill(f"b{number}", "1", "entry")
    (op,) = market.take()
    assert isinstance(op, Replace)
    market.does(op)
    market.answer()
    assert market.legs == (25, 0)
    assert len(market.sent(Replace)) == 2


# ---------------------------------------------------------------------- traded back


@pytest.mark.parametrize("both", [True, False])
def test_what_several_orders_that_trade_back_leave_adds_up(both: bool) -> None:
    market = Market(TOTAL, STOP, TARGET, over_close=OverClose.FLATTEN)
    market.enters("100", "100")
    market.trades("target", "100", answers=False)
    market.trades("stop", "30", answers=False)
    market.trades("stop", "20", answers=False)
    first, second = (op for op in market.take() if isinstance(op, Place) and op.terms.ord_type is OrdType.MARKET)
    market.refused(first)
    if both:
        market.refused(second)
    again = [op for op in market.wait(SECOND) if isinstance(op, Place) and op.terms.ord_type is OrdType.MARKET]
    # The other one is on its way still, or it is not.
    assert [op.terms.order_qty for op in again] == [50 if both else 30]
    orders = again if both else [second, *again]
    for number, op in enumerate(orders):
        market.acknowledge(op, f"F{number}")
        market.fill(f"f{number}", str(op.terms.order_qty), f"F{number}")
    assert market.position == 0
    assert not [op for op in market.wait(60 * SECOND) if isinstance(op, Place)]
