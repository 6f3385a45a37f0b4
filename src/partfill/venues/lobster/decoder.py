"""LOBSTER message files: every event of the visible orders of one NASDAQ stock on one day -> inputs.

Theory of operation. A row is `time,type,order id,shares,price x 10000,direction`: seconds after midnight (New York),
what happened, to which resting order, of which side. Rows give no execution id and no message id, so the place of a
row in its day file is the identity of both: line 123 has the key "L123".

Rules
- Types: 1 new, 2 shares taken off, 3 gone, 4 execution, 5 execution of a hidden order. 6 (a cross) is a summary of
  executions that have rows of their own and 7 (a halt) names no order: nothing comes of them.
- A hidden order has id 0 since 2010. Each of its executions gets an order id of its own, so that strangers do not
  pile up on one order that never was. The engine keeps and counts them as parked.
- Times never go back and never repeat: rows of one nanosecond follow each other by one nanosecond. Digits below a
  nanosecond (one row of a recorded day has twelve) are noise and cut off.
- A file begins with a full book that it does not list. Rows about those orders go to the engine all the same.

It does not read the orderbook file that comes beside, and it does not know the date: times count from midnight.
An order that leaves the visible levels may end without a row; this decoder cannot see that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from partfill.model.capabilities import Capabilities, Cumulative
from partfill.model.inputs import Input, VenueDeclared
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.words import ExecType, OrdType, Side
from partfill.venues.decoding import Damaged, Framing, Message, exact, only_damaged

VENUE = "lobster"
SECOND_NS = 1_000_000_000

_COLUMNS = (
    ("time", r"[0-9]{1,5}(?:\.[0-9]{1,18})?", "seconds after midnight such as 34200.017459617"),
    ("type", r"[1-7]", "1 new, 2 partial cancel, 3 delete, 4 execution, 5 hidden execution, 6 cross or 7 halt"),
    ("order id", r"-?[0-9]{1,20}", "a whole number"),
    ("shares", r"[0-9]{1,12}", "a whole number of shares"),
    ("price", r"-?[0-9]{1,15}", "dollars times 10000 as a whole number, such as 2238200"),
    ("direction", r"-?1", "1 for a resting buy order or -1 for a resting sell order"),
)
_ROW = re.compile(",".join(f"({pattern})" for _, pattern, _ in _COLUMNS))

_KINDS = {"1": "new", "2": "partial cancel", "3": "delete", "4": "execution", "5": "hidden execution"}
_NO_ORDER = frozenset({"6", "7"})


class LobsterDecoder:
    """One LOBSTER message file. `instrument` names the stock, which the rows do not."""

    format = "lobster"
    framing = Framing.LINES

    def __init__(self, instrument: str = "LOBSTER") -> None:
        self.instrument = instrument
        self._at = -1

    def declare(self) -> Iterable[VenueDeclared]:
        """The rows hold no cumulative quantities."""
        return (VenueDeclared(venue=VENUE, capabilities=Capabilities(cumulative=Cumulative.ABSENT)),)

    @only_damaged
    def decode(self, raw: str, number: int) -> Iterable[Message]:
        """The message of row `number`. Raises `Damaged` for a row that is none."""
        row = raw.strip()
        if not row:
            return ()
        match = _ROW.fullmatch(row)
        if match is None:
            raise Damaged(_fault(row))
        time, kind, order_id, shares, price, direction = match.groups()
        at = self._clock(time)
        if kind in _NO_ORDER:
            return ()
        if not shares.strip("0"):
            raise Damaged(f"shares is {shares!r} in a row of type {kind}; give a whole number above zero")
        if price.startswith("-"):
            raise Damaged(f"price is {price!r} in a row of type {kind}; only a halt has a price below zero")
        key = f"L{number}"
        nameless = not order_id.strip("0") or order_id.startswith("-")
        if nameless and kind == "5":
            order_id = f"hidden-{number}"
        elif nameless:
            raise Damaged(f"order id is {order_id!r} in a row of type {kind}; only a hidden execution has no order id")
        observed = self._observe(kind, order_id, shares, price, Side.BUY if direction == "1" else Side.SELL, key, at)
        exec_id = key if kind in "45" else None
        return (Message(inputs=(observed,), at=at, msg=_KINDS[kind], exec_id=exec_id, order_id=order_id),)

    def _observe(self, kind: str, order_id: str, shares: str, price: str, side: Side, key: str, at: int) -> Input:
        qty, px = exact(shares, "shares"), exact(f"{price}E-4", "price")
        if kind in "45":
            return Execution(venue=VENUE, order_id=order_id, as_of=at, key=key, qty=qty, px=px,
                             instrument=self.instrument, side=side)  # fmt: skip
        if kind == "1":
            return OrderSnapshot(venue=VENUE, order_id=order_id, as_of=at, key=key, exec_type=ExecType.NEW,
                                 instrument=self.instrument, side=side, ord_type=OrdType.LIMIT, price=px,
                                 order_qty=qty)  # fmt: skip
        word, why = (ExecType.RESTATED, "decline") if kind == "2" else (ExecType.CANCELED, None)
        return OrderSnapshot(venue=VENUE, order_id=order_id, as_of=at, key=key, exec_type=word, restatement=why,
                             instrument=self.instrument, side=side, reduced_qty=qty)  # fmt: skip

    def _clock(self, time: str) -> int:
        seconds, _, fraction = time.partition(".")
        at = int(seconds) * SECOND_NS + int(fraction[:9].ljust(9, "0"))
        self._at = at if at > self._at else self._at + 1
        return self._at


def _fault(row: str) -> str:
    """What is wrong with a row that does not match."""
    parts = row.split(",")
    if len(parts) != len(_COLUMNS):
        names = ", ".join(name for name, _, _ in _COLUMNS)
        return f"{row[:120]!r} has {len(parts)} columns; a message row has {len(_COLUMNS)}: {names}"
    for (name, pattern, right), part in zip(_COLUMNS, parts, strict=True):
        if re.fullmatch(pattern, part) is None:
            return f"{name} is {part[:80]!r}; give {right}"
    return f"{row[:120]!r} is no message row"


__all__ = ["VENUE", "LobsterDecoder"]
