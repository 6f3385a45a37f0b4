"""TradeCaptureReports (AE): one execution per side that names an order.

Rules
- A side that names no order (37, 11) is somebody else's: it is counted by the decoder, not read.
- The identity is ExecID (17). A report with none is read by TradeID (1003) or TradeReportID (571), and only in a log in which
  no ExecutionReport tells of trades: the same trade would count under two identities.
- 487 says New (0), Cancel (1) or Replace (2).
"""

from __future__ import annotations

from typing import Any

from partfill.model.inputs import Input
from partfill.model.observations import Execution, ExecutionRevised, ExecutionVoided
from partfill.venues.decoding import Damaged
from partfill.venues.fix import tables
from partfill.venues.fix.message import FixMessage
from partfill.venues.fix.reports import VENUE


def sides(fix: FixMessage) -> list[FixMessage]:
    """The sides of the report (552), each with what the whole report says."""
    whole: dict[int, str] = {}
    found: list[FixMessage] = []
    inside = False
    for tag, value in fix.pairs():
        if tag == 552:
            inside = True
        elif inside and tag == 54:
            found.append(FixMessage({}, fix.nameless))
        (found[-1].tags if found and tag in _OF_A_SIDE else whole).setdefault(tag, value)
    for each in found:
        each.tags = {**whole, **each.tags}
        each.odd = fix.odd
    return found


_OF_A_SIDE = frozenset({1, 11, 12, 13, 15, 37, 41, 54, 109, 479, 1009})


def trade(side: FixMessage, account: str, as_of: int) -> Input:
    """What one side says happened to its order. Raises `Damaged`."""
    key = side.id(17) or side.text(1003) or side.text(571)
    if key is None:
        raise Damaged("a TradeCaptureReport without ExecID (17), TradeID (1003) and TradeReportID (571) names no execution")
    said: dict[str, Any] = {
        "venue": VENUE, "account": account, "order_id": side.id(37), "cl_ord_id": side.id(11), "as_of": as_of,
        "venue_time": side.time(60),
    }  # fmt: skip
    action = side.text(487) or "0"
    qty = side.qty(1009)
    qty = side.qty(32) if qty is None else qty
    if action == "0" and side.text(150) not in ("G", "H"):
        if not qty:
            raise Damaged("a TradeCaptureReport without LastQty (32) fills nothing; the quantity belongs there")
        return Execution(
            **said, key=key, qty=qty, px=side.loose(31), instrument=side.text(55), side=tables.SIDES.get(side.tags[54])
        )
    ref = side.id(19) or side.text(1126) or side.text(572)
    if ref is None:
        raise Damaged("a TradeCaptureReport that changes a trade names it with ExecRefID (19), 1126 or 572")
    new_key = key if key != ref else None
    if action == "1" or side.text(150) == "H":
        return ExecutionVoided(**said, key=ref, new_key=new_key)
    if qty is None:
        raise Damaged("a TradeCaptureReport that corrects a trade gives its whole new quantity in LastQty (32)")
    return ExecutionRevised(**said, key=ref, new_key=new_key, qty=qty, px=side.loose(31))
