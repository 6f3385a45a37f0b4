"""Ids that name two orders: per day, per instrument, or a name before the id; what comes first must not matter."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from partfill.core.engine import Engine
from partfill.model.capabilities import Capabilities, IdScope
from partfill.model.events import Alarm, AlarmKind
from partfill.model.inputs import Execution, Input, OrderPlaced, OrderSnapshot, VenueDeclared
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, Side, TimeInForce
from tests.core.driven import Driven, execution

D = Decimal
DAY = 86_400_000_000_000
V: dict[str, Any] = {"venue": "v"}


def engine(rules: Capabilities, *inputs: Input) -> tuple[Engine, list[Alarm]]:
    made, alarms = Engine(), []
    for number, each in enumerate((VenueDeclared(venue="v", capabilities=rules), *inputs), 1):
        alarms += [event for event in made.step(each, 3 * DAY + number).events if isinstance(event, Alarm)]
    return made, alarms


def placed(name: str, instrument: str = "X", side: Side = Side.BUY) -> OrderPlaced:
    terms = Terms(instrument=instrument, side=side, order_qty=D(10), price=D(5), time_in_force=TimeInForce.DAY)
    return OrderPlaced(**V, cl_ord_id=name, terms=terms)


def new(name: str, order_id: str, as_of: int, instrument: str = "X", side: Side = Side.BUY) -> OrderSnapshot:
    return OrderSnapshot(**V, order_id=order_id, cl_ord_id=name, exec_type=ExecType.NEW, ord_status=OrdStatus.NEW, cum_qty=D(0),
                         instrument=instrument, side=side, order_qty=D(10), leaves_qty=D(10), as_of=as_of)  # fmt: skip


def fill(order_id: str, qty: int, as_of: int, instrument: str | None = None) -> Execution:
    return Execution(**V, order_id=order_id, key="1", qty=D(qty), px=D(5), as_of=as_of, instrument=instrument)


def filled(made: Engine, name: str) -> Decimal:
    return made.index.by_client["v", "", name].cum


BY_DAY = Capabilities(id_scope=IdScope.DAY)


def test_a_fill_of_today_under_an_id_of_yesterday_is_of_the_order_that_opens_under_it() -> None:
    first = (placed("a"), new("a", "7", DAY), fill("7", 10, DAY + 5))
    made, alarms = engine(BY_DAY, *first, placed("b"), fill("7", 4, 2 * DAY), new("b", "7", 2 * DAY - 5))
    assert (filled(made, "a"), filled(made, "b")) == (10, 4)
    assert {alarm.kind for alarm in alarms} == {"parked"}


@pytest.mark.parametrize(("instrument", "side"), [("X", Side.SELL), ("Y", Side.BUY), ("X", Side.BUY)])
@pytest.mark.parametrize("asked", [True, False])
def test_an_answer_about_an_order_whose_id_another_has_today_opens_nothing(instrument: str, side: Side, asked: bool) -> None:
    over = OrderSnapshot(**V, order_id="7", cl_ord_id="a", ord_status=OrdStatus.EXPIRED, instrument="X", side=Side.BUY,
                         order_qty=D(10), cum_qty=D(4), leaves_qty=D(0), as_of=DAY + 9)  # fmt: skip
    late = msgspec.structs.replace(over, as_of=2 * DAY + 9, asked=2 * DAY + 9 if asked else None)
    first = (placed("a"), new("a", "7", DAY), fill("7", 4, DAY + 5), over)
    then = (placed("b", instrument, side), new("b", "7", 2 * DAY, instrument, side))
    made, alarms = engine(BY_DAY, *first, *then, late, late)
    one, other = (made.index.by_client["v", "", name] for name in "ab")
    assert (one.status, one.cum, one.leaves, one.order_ids) == (OrdStatus.EXPIRED, 4, 0, ("7",))
    assert (other.status, other.cum, other.leaves) == (OrdStatus.NEW, 0, 10)
    assert (len(made.children), alarms) == (2, [])


def test_a_fill_of_yesterday_that_comes_late_is_of_yesterdays_order() -> None:
    first = (placed("a"), new("a", "7", DAY), fill("7", 10, DAY + 5))
    again = Execution(**V, order_id="7", key="1", qty=D(10), px=D(5), as_of=DAY + 5)
    made, _ = engine(BY_DAY, *first, placed("b"), new("b", "7", 2 * DAY), again)
    assert (filled(made, "a"), filled(made, "b")) == (10, 0)


def test_a_fill_of_an_order_that_still_works_is_its_own_the_next_day() -> None:
    made, _ = engine(BY_DAY, placed("a"), new("a", "7", DAY), fill("7", 4, 2 * DAY))
    assert filled(made, "a") == 4


def test_an_order_of_another_instrument_has_its_fills_whatever_came_first() -> None:
    rules = Capabilities(id_scope=IdScope.INSTRUMENT)
    one = (placed("a"), new("a", "7", DAY), fill("7", 3, DAY, "X"))
    for other in (
        (placed("b", "Y"), fill("7", 4, DAY, "Y"), new("b", "7", DAY, "Y")),
        (placed("b", "Y"), new("b", "7", DAY, "Y"), fill("7", 4, DAY, "Y")),
    ):
        made, alarms = engine(rules, *one, *other)
        assert (filled(made, "a"), filled(made, "b")) == (3, 4)
        assert made.index.by_client["v", "", "b"].order_id == "7"
        assert not [alarm for alarm in alarms if alarm.kind == "id_conflict"]


def test_what_an_order_was_called_before_it_had_an_id_is_no_later_id() -> None:
    end = OrderSnapshot(
        **V, order_id="7", cl_ord_id="a", exec_type=ExecType.CANCELED, ord_status=OrdStatus.CANCELED, as_of=DAY + 5
    )
    made, _ = engine(Capabilities(), placed("a"), fill("7", 3, DAY + 1), new("a", "7", DAY), end, new("a", "PENDING", DAY - 1))
    child = made.index.by_client["v", "", "a"]
    assert (child.order_id, child.status, child.open_at_venue) == ("7", OrdStatus.CANCELED, False)


def test_a_placeholder_that_two_orders_share_takes_no_order_its_own_id() -> None:
    said = (
        placed("a"),
        new("a", "NONE", DAY),
        new("a", "7", DAY + 1),
        placed("b"),
        new("b", "NONE", DAY + 2),
        fill("7", 4, DAY + 3),
    )
    made, _ = engine(Capabilities(), *said)
    assert filled(made, "a") == 4
    assert ("v", "", "7") not in made.shared


@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("reply", [False, True])
def test_an_order_that_filled_yesterday_and_is_asked_about_today_keeps_no_id_from_an_order_of_today(
    opened: bool, reply: bool
) -> None:
    desk = Driven(BY_DAY)
    desk.submit("10", ref="a")
    if opened:
        desk.feed(desk.report(ExecType.NEW, "7", "d1-1", ord_status=OrdStatus.NEW, order_qty="10", as_of=desk.now))
    done: dict[str, Any] = {"ord_status": OrdStatus.FILLED, "order_qty": "10", "cum_qty": "10", "leaves_qty": "0"}
    desk.feed(desk.report(None, "7", "d1-1", **done, as_of=desk.now))
    desk.now += DAY
    desk.feed(desk.report(None, "7", "d1-1", **done, as_of=desk.now, asked=desk.now))
    (place,) = desk.submit("4", ref="b")
    first = desk.report(ExecType.NEW, "7", "d2-1", ord_status=OrdStatus.NEW, order_qty="4", leaves_qty="4", as_of=desk.now)
    if reply:
        desk.done(place, order=msgspec.structs.replace(first, exec_type=None))
    desk.feed(first)
    one, other = desk.child(ref="a"), desk.child(ref="b")
    assert (one.cum, one.order_qty, one.status) == (10, 10, OrdStatus.FILLED)
    assert (other.order_id, other.cum, other.leaves) == ("7", 0, 4)
    assert not desk.alarms(AlarmKind.ID_CONFLICT)
    assert not desk.alarms(AlarmKind.ID_SHARED)


@pytest.mark.parametrize("known", [False, True])
def test_a_fill_of_yesterday_is_none_of_an_order_of_today_whose_acknowledgement_is_still_to_come(known: bool) -> None:
    desk = Driven(BY_DAY)
    desk.submit("10", ref="a")
    old = execution("k1", "3", "7", px="101", as_of=desk.now)
    desk.feed(desk.report(ExecType.NEW, "7", "d1-1", ord_status=OrdStatus.NEW, order_qty="10", as_of=desk.now))
    if known:
        desk.feed(old)
    desk.feed(desk.report(ExecType.CANCELED, "7", "d1-1", ord_status=OrdStatus.CANCELED, order_qty="10", as_of=desk.now))
    desk.now += DAY
    desk.submit("4", ref="b")
    part: dict[str, Any] = {"ord_status": OrdStatus.PARTIALLY_FILLED, "order_qty": "4", "cum_qty": "1", "leaves_qty": "3"}
    desk.feed(desk.report(None, "7", "d2-1", **part, as_of=desk.now))
    desk.feed(old, execution("k2", "2", "7", px="101", as_of=desk.now - DAY))
    one, other = desk.child(ref="a"), desk.child(ref="b")
    assert (one.cum, other.cum) == (5, 1)
    assert (other.order_id, other.leaves) == ("7", 3)
