"""Replaces that make new ids and are told late: which id is in force, whatever came first."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from partfill.core.engine import Engine
from partfill.model.inputs import OrderLinked, OrderPlaced, OrderSnapshot, RequestSent
from partfill.model.operations import Replace
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, Request, Side
from tests.core.driven import TOTAL, VENUE, Driven

D = Decimal
V: dict[str, Any] = {"venue": "v"}


def chain() -> Engine:
    """An order of 10 that was asked to be replaced twice."""
    engine = Engine()
    terms = Terms(instrument="X", side=Side.BUY, order_qty=D(10), price=D(5))
    engine.step(OrderPlaced(venue="v", cl_ord_id="c1", order_id="o1", terms=terms), 1)
    for number, (new, old) in enumerate((("c2", "c1"), ("c3", "c2")), 2):
        engine.step(RequestSent(**V, request=Request.REPLACE, cl_ord_id=new, orig_cl_ord_id=old, order_qty=D(10)), number)
    return engine


SEEN = OrderSnapshot(**V, order_id="o3", cl_ord_id="c3", ord_status=OrdStatus.NEW, order_qty=D(10), leaves_qty=D(10), asked=5)
REPLACED = OrderSnapshot(**V, order_id="o2", cl_ord_id="c2", orig_cl_ord_id="c1", exec_type=ExecType.REPLACED, order_qty=D(10))
LINKS = (
    OrderLinked(**V, order_id="o1", cl_ord_id="c1", new_order_id="o2", new_cl_ord_id="c2"),
    OrderLinked(**V, order_id="o2", cl_ord_id="c2", new_order_id="o3", new_cl_ord_id="c3"),
)
LEFT = OrderSnapshot(**V, order_id="o2", cl_ord_id="c2", exec_type=ExecType.CANCELED, ord_status=OrdStatus.CANCELED)
END = OrderSnapshot(**V, order_id="o3", cl_ord_id="c3", exec_type=ExecType.EXPIRED, ord_status=OrdStatus.EXPIRED)


def test_the_newest_id_is_in_force_in_every_order_of_arrival() -> None:
    for said in permutations((SEEN, REPLACED, *LINKS, LEFT)):
        engine = chain()
        for number, each in enumerate((*said, *LINKS), 10):
            engine.step(each, number)
        child = engine.index.by_client["v", "", "c1"]
        assert (child.order_id, child.open_at_venue) == ("o3", True), said
        engine.step(END, 99)
        assert not child.open_at_venue, said


def test_an_id_under_which_it_works_is_in_force_again() -> None:
    engine = chain()
    for number, each in enumerate((SEEN, REPLACED, SEEN, END), 10):
        engine.step(each, number)
    child = engine.index.by_client["v", "", "c1"]
    assert (child.order_id, child.status) == ("o3", OrdStatus.EXPIRED)


def forked() -> tuple[Driven, list[OrderSnapshot | OrderLinked]]:
    """An order of ours of which two replaces name the same id before them, and all that its venue says of both."""
    desk = Driven(TOTAL)
    desk.submit("10")
    desk.acknowledge()
    (first,) = desk.amend("12")
    desk.unknown(first)
    (query,) = desk.wake()
    shown = desk.report(None, "O1", "d1-1", ord_status=OrdStatus.NEW, order_qty="10", leaves_qty="10")
    desk.looked(query, shown)
    second = next(op for op in (*desk.take(), *desk.wait()) if isinstance(op, Replace))
    assert (first.orig_cl_ord_id, second.orig_cl_ord_id) == ("d1-1", "d1-1")
    desk.take()
    said: list[OrderSnapshot | OrderLinked] = []
    for before, order_id, name, qty in (("O1", "O2", first.cl_ord_id, "12"), ("O2", "O3", second.cl_ord_id, "11")):
        also: dict[str, Any] = {"orig_cl_ord_id": "d1-1", "order_qty": qty, "leaves_qty": qty, "as_of": desk.now}
        said.append(desk.report(ExecType.REPLACED, order_id, name, ord_status=OrdStatus.NEW, **also))
        said.append(OrderLinked(venue=VENUE, order_id=before, cl_ord_id="d1-1", new_order_id=order_id, new_cl_ord_id=name))
    return desk, said


@pytest.mark.parametrize("count", [2, 4])
def test_of_two_replaces_of_one_id_the_one_that_was_sent_last_is_in_force(count: int) -> None:
    _, all_of_it = forked()
    reports = [each for each in all_of_it if isinstance(each, OrderSnapshot)]
    for places in permutations(range(count)):
        desk, said = forked()
        told = said if count == 4 else [each for each in said if isinstance(each, OrderSnapshot)]
        for number in (*places, *places):
            desk.feed(told[number])
        child = desk.child()
        assert (child.order_id, child.order_qty, child.leaves) == ("O3", 11, 11), places
        assert child.cl_ord_id == reports[1].cl_ord_id, places
        desk.ended("O3")
        assert not child.open_at_venue, places


@pytest.mark.parametrize("late", [False, True])
def test_of_two_replaces_of_one_id_by_somebody_else_the_one_that_was_stamped_last_is_in_force(late: bool) -> None:
    engine = Engine()
    terms = Terms(instrument="X", side=Side.BUY, order_qty=D(10), price=D(5))
    engine.step(OrderPlaced(**V, cl_ord_id="c1", order_id="o1", terms=terms), 1)
    said = [
        OrderSnapshot(**V, order_id=f"o{number}", cl_ord_id=f"c{number}", orig_cl_ord_id="c1", exec_type=ExecType.REPLACED,
                      order_qty=D(10 + number), leaves_qty=D(10 + number), as_of=number)
        for number in (2, 3)
    ]  # fmt: skip
    for now, each in enumerate((said[::-1] if late else said) * 2, 10):
        engine.step(each, now)
    child = engine.index.by_client["v", "", "c1"]
    assert (child.order_id, child.cl_ord_id, child.order_qty) == ("o3", "c3", 13)
