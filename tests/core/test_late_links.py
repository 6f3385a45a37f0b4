"""Replaces that make new ids and are told late: which id is in force, whatever came first."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

from partfill.core.engine import Engine
from partfill.model.inputs import OrderLinked, OrderPlaced, OrderSnapshot, RequestSent
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, Request, Side

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
