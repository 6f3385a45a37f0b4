"""What the running process and one that begins from its tables do alike: what is due, and orders that a step touches beside."""

from __future__ import annotations

from decimal import Decimal

import pytest

from partfill.core.child import Child
from partfill.core.engine import Engine
from partfill.core.invariants import check_whole
from partfill.model.capabilities import Capabilities, ReplaceQty
from partfill.model.commands import KillSwitch, Looked, Protect, Restarted, Submit, Tick, Untrack
from partfill.model.events import Adopted, Alarm, AlarmKind, Fill
from partfill.model.inputs import (
    Execution,
    OrderPlaced,
    OrderSnapshot,
    PositionSeen,
    Quarantined,
    RequestSent,
    Track,
    VenueDeclared,
)
from partfill.model.operations import Cancel, Place, Query
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, Request, Side
from tests.core.driven import PLAIN, VENUE
from tests.core.test_protection import STOP, TARGET, Market

D = Decimal
SECOND = 1_000_000_000
START = 20_000 * 86_400 * SECOND
TERMS = Terms(instrument="X", side=Side.BUY, order_qty=D(10), price=D(5))


def test_a_replace_that_prints_no_size_makes_an_unknown_order_known_and_what_filled_is_told() -> None:
    engine = Engine()
    engine.step(VenueDeclared(venue="v", capabilities=Capabilities(replace_qty=ReplaceQty.OPEN)), START)
    engine.step(Execution(venue="v", order_id="1", cl_ord_id="A", key="k", qty=D(3), px=D(5)), START + 1)
    asked = RequestSent(venue="v", order_id="1", cl_ord_id="B", orig_cl_ord_id="A", request=Request.REPLACE, order_qty=D(7))
    engine.step(asked, START + 2)
    done = OrderSnapshot(venue="v", order_id="1", cl_ord_id="B", orig_cl_ord_id="A", exec_type=ExecType.REPLACED)
    told = engine.step(done, START + 3).events
    child = engine.children[1]
    assert (child.order_qty, child.cum, child.leaves) == (10, 3, 7)
    assert [event.qty for event in told if isinstance(event, Fill)] == [3]
    assert any(isinstance(event, Adopted) for event in told)
    assert not any(isinstance(event, Alarm) and event.kind is AlarmKind.INVARIANT for event in told)
    check_whole(child)


def test_a_leg_of_a_combination_is_in_the_units_of_its_own_instrument_whatever_was_split() -> None:
    engine = Engine()
    engine.step(Restarted(desk="d"), START)
    engine.step(PositionSeen(venue="v", instrument="X", qty=D(0), as_of=START), START + 1)
    terms = Terms(instrument="X", side=Side.BUY, order_qty=D(12), price=D(5))
    engine.step(OrderPlaced(venue="v", order_id="1", cl_ord_id="A", terms=terms), START + 2)
    split = OrderSnapshot(venue="v", order_id="1", exec_type=ExecType.RESTATED, restatement="split", order_qty=D(20))
    engine.step(split, START + 3)
    leg = Execution(venue="v", order_id="1", key="k", qty=D(1), px=D(5), leg="p", instrument="Y", side=Side.SELL)
    told = engine.step(leg, START + 4).events
    assert not [event for event in told if isinstance(event, Alarm)]
    assert engine.counters.quarantined == 0


def two_orders(engine: Engine) -> tuple[Child, Child]:
    """Two of ours, each acknowledged; another order got the client id of the first later: that of the second."""
    engine.step(VenueDeclared(venue=VENUE, capabilities=PLAIN), START)
    engine.step(Restarted(desk="d"), START + 1)
    for ref in ("one", "two"):
        engine.step(Submit(venue=VENUE, ref=ref, terms=TERMS), START + 2)
    one, two = engine.children[1], engine.children[2]
    for number, child in ((1, one), (2, two)):
        names = {"order_id": str(number), "cl_ord_id": child.cl_ord_id}
        engine.step(OrderSnapshot(venue=VENUE, **names, exec_type=ExecType.NEW, order_qty=D(10)), START + 3)
    engine.index.by_client[VENUE, "", one.cl_ord_id or ""] = two
    return one, two


FOUND = Looked(
    venue=VENUE, order_id="1", definite=False, as_of=START + 4,
    order=OrderSnapshot(venue=VENUE, cl_ord_id="?", cum_qty=D(4), leaves_qty=D(6), avg_px=D(5), as_of=START + 4),
)  # fmt: skip
"""The question was about the first order; the answer leads to the second."""


def test_an_answer_about_another_order_reaches_the_parent_of_that_one() -> None:
    engine = Engine()
    one, two = two_orders(engine)
    engine.step(FOUND, START + 5)
    assert one.work is not None
    assert two.work is not None
    assert (two.cum, two.work.parent.cum, two.work.seen_cum) == (4, 4, 4)
    assert one.work.parent.cum == 0


def test_an_answer_about_another_order_moves_its_position_and_what_protects_that() -> None:
    engine = Engine()
    two_orders(engine)
    engine.step(PositionSeen(venue=VENUE, instrument="X", qty=D(0), as_of=START), START + 4)
    engine.step(Protect(venue=VENUE, instrument="X", side=Side.BUY, legs=(STOP,)), START + 4)
    placed = [op for op in engine.step(FOUND, START + 5).operations if isinstance(op, Place)]
    assert [(op.terms.side, op.terms.order_qty, op.terms.stop_px) for op in placed] == [(Side.SELL, 4, 95)]


def test_what_could_not_be_asked_stays_due() -> None:
    engine = Engine()
    engine.step(VenueDeclared(venue=VENUE, capabilities=PLAIN), START)
    engine.step(Restarted(desk="d"), START + 1)
    engine.step(Track(venue=VENUE, ref="r", terms=TERMS, order_id="1", cl_ord_id="A"), START + 2)
    engine.step(Untrack(venue=VENUE, ref="r"), START + 3)
    # A new life: it is to be asked for, and nobody follows it any more.
    engine.step(Restarted(desk="d"), START + SECOND)
    work = engine.children[1].work
    assert work is not None
    assert work.look_at == START + SECOND
    assert not engine.step(Tick(), START + 10 * SECOND).operations
    assert not engine.desk.timers, "it wakes nobody up"
    asked = engine.step(KillSwitch(venue=VENUE, on=True, by="me"), START + 11 * SECOND).operations
    assert [type(op) for op in asked] == [Cancel]
    assert [type(op) for op in engine.step(Tick(), START + 12 * SECOND).operations] == [Query]
    assert work.looking
    assert not engine.step(Tick(), START + 13 * SECOND).operations


def test_a_broken_order_beside_halts_its_parent_as_a_restart_would() -> None:
    engine = Engine()
    one, two = two_orders(engine)
    # What a bug would do to it.
    two.ledger.itemised = D(-1)
    engine.step(FOUND, START + 5)
    assert engine.counters.quarantined == 1
    assert one.work is not None
    assert two.work is not None
    assert two.work.parent.halted
    assert not one.work.parent.halted


def test_what_is_halted_is_asked_about_and_changed_by_nobody() -> None:
    engine = Engine()
    engine.step(VenueDeclared(venue=VENUE, capabilities=PLAIN), START)
    engine.step(Restarted(desk="d"), START + 1)
    engine.step(Submit(venue=VENUE, ref="r", terms=TERMS), START + 2)
    engine.step(Quarantined(orders=(), parents=(1,), why="a row"), START + 3)
    asked = engine.step(Restarted(desk="d"), START + SECOND).operations
    assert [type(op) for op in asked] == [Query]
    now = START + SECOND
    said = OrderSnapshot(
        venue=VENUE, order_id="1", cl_ord_id="d1-1", ord_status=OrdStatus.CANCELED, instrument="X", order_qty=D(10),
        cum_qty=D(4), leaves_qty=D(0), asked=now, as_of=now,
    )  # fmt: skip
    found = Looked(venue=VENUE, cl_ord_id="d1-1", order=said, definite=True, as_of=START + SECOND)
    after = engine.step(found, START + 2 * SECOND)
    parent = engine.desk.parents[1]
    assert (parent.halted, parent.cum) == (True, 4)
    assert not [op for op in after.operations if type(op) is not Query]


@pytest.mark.parametrize("stale", [False, True])
def test_what_is_due_together_is_asked_in_the_order_of_what_is_known_whatever_timers_are_left(stale: bool) -> None:
    market = Market(Capabilities(reduce_only=True), STOP, TARGET)
    market.enters("100", "60", "40")
    names: dict[str, list[str]] = {"stop": [], "target": []}
    for name, (leg, *_) in market.orders.items():
        names[leg].append(name)
    if stale:
        # One of an order that works on, and has nothing of its own to be asked.
        market.engine.desk.timers.set(market.now, market.engine.index.by_order[VENUE, "", names["stop"][0]].child.id)
    for name in (*names["target"], names["stop"][1]):
        market.ends(name)
    assert market.take() == []
    # The clock is set: the target is due before what is missing of the stop, and both are.
    market.now += 60 * SECOND
    market.feed(Tick())
    assert [market.leg_of(op) for op in market.take() if isinstance(op, Place)] == ["target", "stop"]
