"""What a client sent: orders (D, AB, the orders of a list E) and requests (F, G, AC)."""

from __future__ import annotations

from partfill.model.inputs import Input, OrderPlaced, RequestSent
from partfill.model.terms import Terms
from partfill.model.words import OrdType, Request
from partfill.venues.decoding import Damaged
from partfill.venues.fix import tables
from partfill.venues.fix.message import FixMessage
from partfill.venues.fix.reports import VENUE, ord_type


def order(fix: FixMessage, account: str, as_of: int) -> Input:
    """A NewOrderSingle or NewOrderMultileg. Raises `Damaged`."""
    side = tables.SIDES.get(fix.need(54))
    if side is None:
        raise Damaged(f"tag 54 (Side) is {fix.tags[54][:40]!r}; it is 1 (buy), 2 (sell) or 3 to 6")
    qty, cash = fix.qty(38), fix.qty(152)
    if (qty is None) == (cash is None):
        raise Damaged("a NewOrderSingle has either OrderQty (38) or CashOrderQty (152)")
    return OrderPlaced(
        venue=VENUE,
        account=account,
        cl_ord_id=fix.need(11),
        as_of=as_of,
        terms=Terms(
            instrument=fix.text(55) or "",
            side=side,
            order_qty=qty,
            cash_order_qty=cash,
            price=fix.loose(44),
            stop_px=fix.loose(99),
            ord_type=ord_type(fix) or OrdType.OTHER,
            time_in_force=tables.TIMES_IN_FORCE.get(fix.text(59) or "0", tables.TIMES_IN_FORCE["0"]),
        ),
    )


_SHARED = frozenset({34, 49, 52, 56})
"""Of the header: what every order of a list has."""


def order_list(fix: FixMessage) -> list[FixMessage]:
    """The orders of a NewOrderList (73 NoOrders), each as if it had come alone. Raises `Damaged` when some are missing."""
    shared: dict[int, str] = {tag: value for tag, value in fix.tags.items() if tag in _SHARED}
    found: list[FixMessage] = []
    inside = False
    for tag, value in fix.pairs():
        if tag == 73:
            inside = True
        elif inside and tag == 11:
            found.append(FixMessage({**shared, 35: "D"}, fix.nameless))
        if found and tag not in shared and tag != 35:
            found[-1].tags.setdefault(tag, value)
    if fix.text(73) != str(len(found)):
        raise Damaged(f"tag 73 (NoOrders) is {fix.tags.get(73, '')[:20]!r}, and {len(found)} orders with ClOrdID (11) follow")
    return found


def request(fix: FixMessage, account: str, as_of: int) -> Input:
    """An OrderCancelRequest or OrderCancelReplaceRequest."""
    replace = fix.tags[35] != "F"
    return RequestSent(
        venue=VENUE,
        account=account,
        request=Request.REPLACE if replace else Request.CANCEL,
        cl_ord_id=fix.need(11),
        orig_cl_ord_id=fix.id(41),
        order_id=fix.id(37),
        order_qty=fix.qty(38) if replace else None,
        price=fix.loose(44) if replace else None,
        as_of=as_of,
    )
