"""BATS PITCH lines: add, execution, cancel of shares, trade of a hidden order -> inputs.

Theory of operation. Fields have fixed places after `S`, 8 digits of milliseconds after midnight, a type letter and an
order id of 12. An order that ended may come back under its id: a cancel of everything and an add in the same
millisecond are how a replace looks. So the venue is declared to reuse ids, and the decoder must say when an order
ended. `X` does not say it: it names the shares taken off. A table of what is left, bounded, tells the two apart.

Rules
- `X` of less than is left is a reduction, `X` of everything the end. Of an order whose size is not known it is a reduction.
- `E` prints no price, because it happens at the order's own. Where the add was not seen, the price is unknown.
- One id has at most one live order: an add under an id that has not ended proves that the earlier one is gone.
- `P` is a trade of a hidden order, under an id that a displayed one may have had before. It is kept apart under
  "hidden-" and that id. The engine keeps and counts it as parked, since a hidden order's size is never told.
- Times never go back and never repeat; the clock of the line itself goes along as venue time.

It does not know the date (times count from midnight) and reads these four kinds only: any other is damaged and so seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from partfill.model.capabilities import Capabilities, Cumulative
from partfill.model.inputs import Input, VenueDeclared
from partfill.model.numbers import ZERO, sub
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.words import ExecType, OrdType, Side
from partfill.venues.decoding import Damaged, Framing, Message, exact, only_damaged

VENUE = "pitch"
MILLISECOND_NS = 1_000_000
MAX_ORDERS = 200_000
"""Live orders remembered, unless told otherwise."""

_HEAD = 10
"""Length of 'S', the time and the type."""

_Field = tuple[str, int, str, str]
_ORDER: _Field = ("order id", 12, r"[0-9A-Z]{12}", "12 digits or capital letters")
_SIDE: _Field = ("side", 1, r"[BS]", "B or S")
_SHARES: _Field = ("shares", 6, r"(?!0{6})[0-9]{6}", "6 digits, above zero")
_SYMBOL: _Field = ("symbol", 6, r"[!-~]+ *", "a symbol of up to 6 characters, filled up with blanks")
_PRICE: _Field = ("price", 10, r"[0-9]{10}", "10 digits, the last 4 of them decimals")
_EXECUTION: _Field = ("execution id", 12, r"[0-9A-Z]{12}", "12 digits or capital letters")
_FIELDS: dict[str, tuple[_Field, ...]] = {
    "A": (_ORDER, _SIDE, _SHARES, _SYMBOL, _PRICE, ("display", 1, r"[YN]", "Y or N")),
    "E": (_ORDER, _SHARES, _EXECUTION),
    "X": (_ORDER, _SHARES),
    "P": (_ORDER, _SIDE, _SHARES, _SYMBOL, _PRICE, _EXECUTION),
}
_SIDES = {"B": Side.BUY, "S": Side.SELL}


class _Live(NamedTuple):
    """What is left of an order and at which price; None where its add was not seen."""

    left: Decimal | None = None
    px: Decimal | None = None


class PitchDecoder:
    """One file. `remember` bounds the memory, in live orders."""

    format = "pitch"
    framing = Framing.LINES

    def __init__(self, remember: int = MAX_ORDERS) -> None:
        self._remember = remember
        self._live: dict[str, _Live] = {}
        self._at = -1

    def declare(self) -> Iterable[VenueDeclared]:
        """Order ids come back, and there are no cumulative quantities."""
        rules = Capabilities(cumulative=Cumulative.ABSENT, order_id_reused=True)
        return (VenueDeclared(venue=VENUE, capabilities=rules),)

    @only_damaged
    def decode(self, raw: str, number: int) -> Iterable[Message]:
        """The message of line `number`. Raises `Damaged` for a line that is none."""
        line = raw.rstrip("\r\n")
        if not line:
            return ()
        kind, venue_time, values = _fields(line)
        at = self._at = max(venue_time, self._at + 1)
        order_id = values[0]
        if kind == "A":
            inputs = self._add(values, at, venue_time)
            return (Message(inputs=inputs, at=at, msg="add", order_id=order_id),)
        if kind == "X":
            off = self._cancel(order_id, exact(values[1], "shares"), f"L{number}", at, venue_time)
            return (Message(inputs=(off,), at=at, msg="cancel", order_id=order_id),)
        if kind == "E":
            _, shares, key = values
            qty = exact(shares, "shares")
            px = self._take(order_id, qty).px
            fill = Execution(venue=VENUE, order_id=order_id, as_of=at, venue_time=venue_time, key=key, qty=qty, px=px)
            return (Message(inputs=(fill,), at=at, msg="execution", exec_id=key, order_id=order_id),)
        _, side, shares, symbol, price, key = values
        order_id = f"hidden-{order_id}"
        hidden = Execution(venue=VENUE, order_id=order_id, as_of=at, venue_time=venue_time, key=key,
                           qty=exact(shares, "shares"), px=exact(f"{price}E-4", "price"), instrument=symbol.rstrip(),
                           side=_SIDES[side])  # fmt: skip
        return (Message(inputs=(hidden,), at=at, msg="hidden trade", exec_id=key, order_id=order_id),)

    def _add(self, values: list[str], at: int, venue_time: int) -> tuple[Input, ...]:
        order_id, side, shares, symbol, price, _ = values
        qty, px = exact(shares, "shares"), exact(f"{price}E-4", "price")
        new = OrderSnapshot(venue=VENUE, order_id=order_id, as_of=at, venue_time=venue_time, exec_type=ExecType.NEW,
                            instrument=symbol.rstrip(), side=_SIDES[side], ord_type=OrdType.LIMIT, price=px,
                            order_qty=qty)  # fmt: skip
        before = self._live.pop(order_id, None)
        self._keep(order_id, _Live(qty, px))
        if before is None:
            return (new,)
        gone = OrderSnapshot(venue=VENUE, order_id=order_id, as_of=at, exec_type=ExecType.CANCELED,
                             reason="its id came back")  # fmt: skip
        return gone, new

    def _cancel(self, order_id: str, qty: Decimal, key: str, at: int, venue_time: int) -> Input:
        left = self._take(order_id, qty).left
        ends = left is not None and left <= ZERO
        return OrderSnapshot(venue=VENUE, order_id=order_id, as_of=at, venue_time=venue_time, key=key, reduced_qty=qty,
                             exec_type=ExecType.CANCELED if ends else ExecType.RESTATED,
                             restatement=None if ends else "decline")  # fmt: skip

    def _take(self, order_id: str, qty: Decimal) -> _Live:
        """The order after `qty` went; forgotten when nothing is left."""
        live = self._live.pop(order_id, None) or _Live()
        if live.left is not None:
            live = live._replace(left=sub(live.left, qty))
        if live.left is None or live.left > ZERO:
            self._keep(order_id, live)
        return live

    def _keep(self, order_id: str, live: _Live) -> None:
        self._live[order_id] = live
        if len(self._live) > self._remember:
            del self._live[next(iter(self._live))]


def _fields(line: str) -> tuple[str, int, list[str]]:
    """(type, ns after midnight, the fields of the type). Raises `Damaged`."""
    time, kind = line[1:9], line[9:_HEAD]
    if line[0] != "S" or re.fullmatch(r"[0-9]{8}", time) is None:
        raise Damaged(f"{line[:120]!r} begins with {line[:9]!r}; give S and 8 digits of milliseconds such as S28800011")
    fields = _FIELDS.get(kind)
    if fields is None:
        raise Damaged(f"type is {kind!r}; give A (add), E (execution), X (cancel) or P (hidden trade)")
    size = _HEAD + sum(width for _, width, _, _ in fields)
    if len(line) != size:
        raise Damaged(f"{line[:120]!r} has {len(line)} characters; a line of type {kind} has {size}")
    values = []
    start = _HEAD
    for name, width, pattern, right in fields:
        value = line[start : start + width]
        if re.fullmatch(pattern, value) is None:
            raise Damaged(f"{name} is {value!r} in a line of type {kind}; give {right}")
        values.append(value)
        start += width
    return kind, int(time) * MILLISECOND_NS, values


__all__ = ["MAX_ORDERS", "VENUE", "PitchDecoder"]
