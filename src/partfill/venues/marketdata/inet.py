"""INET order-by-order rows of one stock: add, new rest, gone, trade -> inputs.

Theory of operation. Rows are `A,ms,id,price,size,BID|ASK`, `R,ms,id,size left`, `C,ms,id` and `T,ms,id,price,size`.
A fill takes two rows: first the book's (R when something is left, C when nothing is), then the trade's. So a C says
that the order is gone, not why, and an R says what is left, not why.

Rules
- T is the execution. The rows have no execution id: line 123 of the file has the key "L123".
- C ends the order at once. Its T, if one follows, is a fill after the end and counts there.
- R is held back for one row. When the order's own T follows, R was its echo, and what it says is left goes along as
  printed total. Otherwise its owner changed the order, and R is the quantity to have open from now on.
- Times never go back and never repeat: rows of one millisecond follow each other by one nanosecond.

It does not know the date (times count from midnight). An R that is the last row of a file stays unread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from partfill.model.capabilities import Capabilities, Cumulative, ReplaceQty
from partfill.model.inputs import VenueDeclared
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.words import ExecType, OrdType, Side
from partfill.venues.decoding import NOTHING_PRINTED, Damaged, Framing, Message, Printed, exact, only_damaged

VENUE = "inet"
MILLISECOND_NS = 1_000_000
HEADER = "type,time,id,price,size,type"

_Column = tuple[str, str, str]
_TIME: _Column = ("time", r"[0-9]{1,9}", "milliseconds after midnight such as 34200528")
_ID: _Column = ("id", r"[0-9]{1,20}", "a whole number")
_PRICE: _Column = ("price", r"[0-9]{1,12}(?:\.[0-9]{1,9})?(?:E[+-][0-9]{1,2})?", "a number such as 11.48 or 1.00E-04")
_SIZE: _Column = ("size", r"0*[1-9][0-9]{0,11}", "a whole number above zero")
_COLUMNS: dict[str, tuple[_Column, ...]] = {
    "A": (_TIME, _ID, _PRICE, _SIZE, ("side", r"BID|ASK", "BID or ASK")),
    "R": (_TIME, _ID, _SIZE),
    "C": (_TIME, _ID),
    "T": (_TIME, _ID, _PRICE, _SIZE),
}
_MARKS = frozenset({"TRUE", "FALSE"})
"""What a T may carry at its end: whether it was the recorder's own trade. It changes nothing."""


class _Held(NamedTuple):
    """An R whose meaning the next row tells."""

    order_id: str
    left: Decimal
    at: int


class InetDecoder:
    """One file. `instrument` names the stock, which the rows do not."""

    format = "inet"
    framing = Framing.LINES

    def __init__(self, instrument: str = "INET") -> None:
        self.instrument = instrument
        self._held: _Held | None = None
        self._at = -1

    def declare(self) -> Iterable[VenueDeclared]:
        """No cumulative quantities; a changed order states what is open."""
        rules = Capabilities(cumulative=Cumulative.ABSENT, replace_qty=ReplaceQty.OPEN)
        return (VenueDeclared(venue=VENUE, capabilities=rules),)

    @only_damaged
    def decode(self, raw: str, number: int) -> Iterable[Message]:
        """The message of row `number`, after that of an R before it which was no fill. Raises `Damaged`."""
        row = raw.strip()
        if not row or row == HEADER:
            return ()
        kind, *parts = row.split(",")
        if kind == "T" and len(parts) == 5 and parts[4] in _MARKS:
            del parts[4]
        _require(row, kind, parts)
        at = max(int(parts[0]) * MILLISECOND_NS, self._at + 1)
        self._at = at
        order_id = parts[1]
        held, self._held = self._held, None
        if kind == "T":
            if held is not None and held.order_id == order_id:
                return (self._trade(parts, at, f"L{number}", held.left),)
            message = self._trade(parts, at, f"L{number}", None)
        elif kind == "A":
            message = self._add(parts, at)
        elif kind == "C":
            gone = OrderSnapshot(venue=VENUE, order_id=order_id, as_of=at, exec_type=ExecType.CANCELED, reason="gone")
            message = Message(inputs=(gone,), at=at, msg="gone", order_id=order_id)
        else:
            self._held = _Held(order_id, exact(parts[2], "size"), at)
            return () if held is None else (_changed(held),)
        return (message,) if held is None else (_changed(held), message)

    def _add(self, parts: list[str], at: int) -> Message:
        _, order_id, price, size, side = parts
        new = OrderSnapshot(venue=VENUE, order_id=order_id, as_of=at, exec_type=ExecType.NEW, instrument=self.instrument,
                            side=Side.BUY if side == "BID" else Side.SELL, ord_type=OrdType.LIMIT,
                            price=exact(price, "price"), order_qty=exact(size, "size"))  # fmt: skip
        return Message(inputs=(new,), at=at, msg="add", order_id=order_id)

    def _trade(self, parts: list[str], at: int, key: str, left: Decimal | None) -> Message:
        _, order_id, price, size = parts
        fill = Execution(venue=VENUE, order_id=order_id, as_of=at, key=key, qty=exact(size, "size"), px=exact(price, "price"),
                         instrument=self.instrument)  # fmt: skip
        printed = NOTHING_PRINTED if left is None else Printed(leaves_qty=left)
        return Message(inputs=(fill,), at=at, msg="trade", exec_id=key, order_id=order_id, printed=printed)


def _changed(held: _Held) -> Message:
    """An R that was no fill: the owner left this much open."""
    changed = OrderSnapshot(venue=VENUE, order_id=held.order_id, as_of=held.at, exec_type=ExecType.REPLACED,
                            order_qty=held.left)  # fmt: skip
    return Message(inputs=(changed,), at=held.at, msg="changed", order_id=held.order_id,
                   printed=Printed(leaves_qty=held.left))  # fmt: skip


def _require(row: str, kind: str, parts: list[str]) -> None:
    """Raise `Damaged` unless the columns are those of the kind."""
    columns = _COLUMNS.get(kind)
    if columns is None:
        raise Damaged(f"type is {kind[:80]!r}; give A (add), R (new rest), C (gone) or T (trade)")
    if len(parts) != len(columns):
        names = ", ".join(name for name, _, _ in columns)
        raise Damaged(f"{row[:120]!r} has {len(parts)} columns after its type; a row of type {kind} has: {names}")
    for (name, pattern, right), part in zip(columns, parts, strict=True):
        if re.fullmatch(pattern, part) is None:
            raise Damaged(f"{name} is {part[:80]!r} in a row of type {kind}; give {right}")


__all__ = ["VENUE", "InetDecoder"]
