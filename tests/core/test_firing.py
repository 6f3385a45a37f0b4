"""Refusals of protective orders that mean something: a stop that has fired already, and venues that sum reduce-only orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from partfill.core.effects import Effects
from partfill.journal.engine_state import freeze_engine, thaw_engine
from partfill.journal.protection_state import protection_row, thaw_protection
from partfill.model.capabilities import FIX_LIKE, Capabilities, ReduceOnly
from partfill.model.commands import Answered, Outcome
from partfill.model.events import Alarm, AlarmKind
from partfill.model.inputs import Input, VenueDeclared
from partfill.model.operations import Operation, Place, Replace
from partfill.model.protection import Budget, Leg, Passed
from partfill.model.refusals import Refusal
from partfill.model.words import ExecType, OrdStatus, OrdType, Request, Side, TimeInForce
from tests.core.driven import SECOND, VENUE, D
from tests.core.test_protection import STOP, TARGET
from tests.core.test_watched import Watched

WORDS = (("-2021", Refusal.WOULD_TRIGGER), ("-4118", Refusal.REDUCE_ONLY_SUM))
EACH = Capabilities(reduce_only=ReduceOnly.EACH, refusals=WORDS)
SUM = Capabilities(reduce_only=ReduceOnly.SUM, refusals=WORDS)
FREE = Capabilities(refusals=WORDS)
REPLACING = Capabilities(reduce_only=ReduceOnly.SUM, refusals=WORDS, can_replace=True)


class Refusing(Watched):
    """A venue that refuses stops whose price is passed, and sums its reduce-only orders."""

    mark = D(100)
    sums = True
    as_report = False
    tried = 0

    def does(self, op: Operation) -> None:
        if isinstance(op, Place) and op.terms.order_qty is not None:
            self.tried += 1
            stop = op.terms.stop_px
            if stop is not None and (self.mark <= stop if op.terms.side is Side.SELL else self.mark >= stop):
                self.refuses(op, "-2021: Order would immediately trigger.")
                return
            if op.terms.reduce_only and self.sums and self.open_now() + op.terms.order_qty > abs(self.position):
                self.refuses(op, "-4118: ReduceOnly orders exceed the position.")
                return
        if isinstance(op, Replace) and self.sums and op.order_id in self.orders:
            _, total, _ = self.orders[op.order_id]
            if self.open_now() + op.order_qty - total > abs(self.position):
                self.refuses(op, "-4118")
                return
        super().does(op)

    def open_now(self) -> Decimal:
        return sum((total - filled for leg, total, filled in self.orders.values() if leg in ("stop", "target")), D(0))

    def refuses(self, op: Place | Replace, why: str) -> None:
        if self.as_report and isinstance(op, Place):
            said = {"ord_status": OrdStatus.REJECTED, "reason": why, "order_qty": op.terms.order_qty}
            self.feed(self.report(ExecType.REJECTED, f"R{self.tried}", op.cl_ord_id, **said))
            return
        kind = Request.PLACE if isinstance(op, Place) else Request.REPLACE
        self.feed(Answered(venue=VENUE, request=kind, cl_ord_id=op.cl_ord_id, outcome=Outcome.REFUSED, reason=why))

    def lasts(self, seconds: int = 10) -> None:
        """Time passes, and everything that is asked for is done."""
        for _ in range(seconds * 10):
            self.fresh[:0] = self.wait(SECOND // 10)
            self.answer()


# ---------------------------------------------------------------------- a stop that has fired


@pytest.mark.parametrize("rules", [EACH, FREE, SUM], ids=["each", "free", "sum"])
@pytest.mark.parametrize("as_report", [False, True], ids=["reply", "report"])
@pytest.mark.parametrize("side", Side)
def test_a_stop_that_the_market_has_passed_is_watched_here_and_fires_at_the_next_look(
    rules: Capabilities, as_report: bool, side: Side
) -> None:
    long = side is Side.BUY
    market = Refusing(rules, Leg(name="stop", stop_px=D(95 if long else 105)), side=side)
    market.mark, market.as_report = D(94 if long else 106), as_report
    market.enters("10", "10")
    market.lasts(20)
    assert market.tried == 1
    (said,) = market.alarms(AlarmKind.REFUSED)
    assert "passed its price: its price is watched here" in said
    assert market.fired() == []
    market.shows(*(("94", "96") if long else ("104", "106")))
    assert market.fired() == [("stop", D(94 if long else 106))]
    order = market.last(Place).terms
    assert (order.ord_type, order.time_in_force, order.order_qty) == (OrdType.MARKET, TimeInForce.IOC, 10)
    market.trades("stop", "10")
    assert market.position == 0


def test_a_stop_that_is_watched_covers_while_somebody_looks() -> None:
    market = Refusing(EACH, STOP)
    market.mark = D(94)
    market.enters("10", "10")
    (protection,) = market.engine.desk.protections.values()
    assert not protection.covered
    market.shows("96", "97")
    assert protection.covered
    assert market.works("stop") == 0


def test_at_the_market_it_goes_at_once() -> None:
    market = Refusing(EACH, STOP, passed=Passed.AT_MARKET)
    market.mark = D(94)
    market.enters("10", "10")
    assert market.fired() == [("stop", D(95))]
    order = market.last(Place).terms
    assert (order.ord_type, order.stop_px, order.order_qty, order.reduce_only) == (OrdType.MARKET, None, 10, True)
    assert market.tried == 2
    market.trades("stop", "10")
    market.lasts()
    assert (market.position, market.orders) == (0, {})


def test_a_target_keeps_its_place_until_the_stop_has_fired() -> None:
    market = Refusing(EACH, STOP, TARGET, passed=Passed.AT_MARKET)
    market.sums, market.mark = False, D(94)
    market.enters("10", "10")
    market.lasts(3)
    assert market.legs == (10, 10)


def test_after_the_position_is_closed_the_stop_is_an_order_again() -> None:
    market = Refusing(EACH, STOP)
    market.mark = D(94)
    market.enters("10", "10")
    market.shows("94", "96")
    market.trades("stop", "10")
    market.mark = D(100)
    market.enters("5", "5", ref="again")
    assert market.last(Place).terms.stop_px == 95
    assert market.works("stop") == 5


def test_what_was_passed_is_known_after_a_restart() -> None:
    market = Refusing(EACH, STOP, passed=Passed.AT_MARKET)
    market.mark = D(94)
    market.enters("10", "10")
    (protection,) = market.engine.desk.protections.values()
    row = protection_row(protection, 1)
    back, _ = thaw_protection(row)
    assert [guard.passed for guard in back.guards] == [True]
    assert back.passed is Passed.AT_MARKET


# ---------------------------------------------------------------------- reduce-only orders in sum


@pytest.mark.parametrize("rules", [SUM, REPLACING], ids=["cancel", "replace"])
@pytest.mark.parametrize("budget", Budget)
def test_where_the_venue_sums_the_stop_rests_and_the_target_is_watched(rules: Capabilities, budget: Budget) -> None:
    market = Refusing(rules, STOP, TARGET, budget=budget)
    market.enters("30", "10", "5", "15")
    market.lasts(3)
    assert market.legs == (30, 0)
    assert market.alarms(AlarmKind.REFUSED) == []
    market.trades("stop", "12")
    assert (market.position, market.legs) == (18, (18, 0))
    market.shows("110", "111", qty="7")
    market.lasts(3)
    assert market.works("target") <= 7
    assert market.open_now() <= market.position


def test_a_venue_that_was_declared_each_and_sums_gives_the_stop_the_priority() -> None:
    market = Refusing(EACH, TARGET, STOP)
    market.enters("10", "10")
    assert market.legs != (10, 10)
    market.lasts(3)
    assert market.legs == (10, 0)
    (said,) = market.alarms(AlarmKind.REFUSED)
    assert "sums the reduce-only orders" in said
    assert market.tried <= 5
    # The rules are part of the journal, as every venue's are.
    back = thaw_engine(freeze_engine(market.engine))
    assert back.rules[VENUE].reduce_only is ReduceOnly.SUM


def test_with_another_order_of_somebody_else_the_stop_is_tried_later_and_later_and_told() -> None:
    market = Refusing(SUM, STOP)
    market.orders["stranger"] = ("target", D(10), D(0))
    market.enters("10", "10")
    market.lasts(15)
    assert market.works("stop") == 0
    assert market.tried < 12
    assert market.alarms(AlarmKind.UNPROTECTED)
    del market.orders["stranger"]
    market.lasts(40)
    assert market.works("stop") == 10


@pytest.mark.parametrize(
    ("said", "means"), [(True, ReduceOnly.EACH), (False, ReduceOnly.NONE), (ReduceOnly.SUM, ReduceOnly.SUM)]
)
def test_older_files_say_it_as_true_or_false(said: Any, means: ReduceOnly) -> None:
    assert Capabilities(reduce_only=said).reduce_only is means
    market = Watched(FIX_LIKE)
    market.feed(VenueDeclared(venue="other", capabilities=Capabilities(reduce_only=said)))
    frozen = freeze_engine(market.engine)
    assert thaw_engine(frozen).rules["other"].reduce_only is means
    assert freeze_engine(thaw_engine(frozen)) == frozen


class Noting(Refusing):
    """Notes whether a step that told of the venue's sums was to be written."""

    def __init__(self, *args: Any, **also: Any) -> None:
        self.written: list[bool] = []
        super().__init__(*args, **also)

    def feed(self, *inputs: Input) -> Effects:
        effects = super().feed(*inputs)
        if any(type(event) is Alarm and "sums the reduce-only orders" in event.text for event in effects.events):
            self.written.append(effects.engine)
        return effects


def test_that_a_venue_sums_is_written_with_the_step_that_showed_it() -> None:
    market = Noting(EACH, TARGET, STOP)
    market.enters("10", "10")
    assert market.written == [True]


def test_where_the_venue_sums_no_target_is_asked_for_before_its_price_is_reached() -> None:
    market = Refusing(SUM, TARGET, STOP, budget=Budget.EACH)
    market.enters("10", "10")
    market.lasts(3)
    assert [market.leg_of(op) for op in market.sent(Place)] == ["entry", "stop"]


def test_what_leaves_counts_again_where_the_venue_turns_out_to_sum() -> None:
    market = Refusing(EACH, STOP, TARGET)
    market.sums = False
    market.enters("30", "10")
    market.trades("target", "4")
    market.sums = True
    market.trades("target", "2", answers=False)
    operations = market.take()
    (child,) = [each for each in market.engine.children.values() if each.work is not None and each.work.leaving and each.works]
    assert child.leaves == 6
    for op in operations:
        market.does(op)
    market.lasts(60)
    assert market.alarms(AlarmKind.REFUSED)
    assert market.works("stop") == market.position
    assert not market.alarms(AlarmKind.EXPOSURE)
