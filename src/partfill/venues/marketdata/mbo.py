"""CME market by order as CSV (Databento's column names): every order of one future by id -> inputs.

Theory of operation. A row is `ts_recv,ts_event,action,side,price,size,order_id,flags,sequence`, prices in billionths.
The file opens with a clear (R) and the whole book as adds, then the changes follow. A trade is several rows: T for the
incoming order, F for each resting order that filled, then M or C, which say what is left of the resting order.

Rules
- F is the execution. Rows have no execution id: the packet's sequence number and the place of the F among the fills
  of that packet are the key ("11051173-1").
- M states the quantity to have *open* from now on, at which price; after a fill it repeats what the fill left. So it is
  a replace in the open meaning, and the venue is declared so.
- C ends the order. Its size is what stood in the book, a fill that came just before included, so it is not passed on.
- T brings nothing: it names the incoming order, which is not in the book; its add, if it has one, states only the rest.
- An add of the opening book states what is open then; what the order was or filled before is not in the file.
- `at` is when the row was received, the venue's clock goes along as venue time. Rows never share a time.

It does not read Databento's binary form, and it is for venues where a C takes the whole order (CME).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from partfill.model.capabilities import Capabilities, Cumulative, ReplaceQty
from partfill.model.inputs import VenueDeclared
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.words import ExecType, OrdType, Side
from partfill.venues.decoding import NOTHING_PRINTED, Damaged, Framing, Message, Printed, exact, only_damaged

VENUE = "mbo"
NO_PRICE = "9223372036854775807"
"""What the price column holds where there is no price."""

_COLUMNS = (
    ("ts_recv", r"[0-9]{1,19}", "nanoseconds UTC as a whole number"),
    ("ts_event", r"[0-9]{1,19}", "nanoseconds UTC as a whole number"),
    ("action", r"[AMCTFRN]", "A add, M modify, C cancel, T trade, F fill, R clear or N none"),
    ("side", r"[ABN]", "A sell, B buy or N none"),
    ("price", r"-?[0-9]{1,19}", "the price times 10^9 as a whole number"),
    ("size", r"[0-9]{1,10}", "a whole number"),
    ("order_id", r"[0-9]{1,20}", "a whole number"),
    ("flags", r"[0-9]{1,3}", "a whole number up to 255"),
    ("sequence", r"[0-9]{1,10}", "a whole number"),
)
_ROW = re.compile(",".join(f"({pattern})" for _, pattern, _ in _COLUMNS))
HEADER = ",".join(name for name, _, _ in _COLUMNS)

_NO_ORDER = frozenset("TRN")
_KINDS = {"A": "add", "M": "modify", "C": "cancel", "F": "fill"}
_WORDS = {"A": ExecType.NEW, "M": ExecType.REPLACED, "C": ExecType.CANCELED}
_SIDES = {"A": Side.SELL, "B": Side.BUY, "N": None}


class MboDecoder:
    """One file. `instrument` names the contract, which the rows do not."""

    format = "mbo"
    framing = Framing.LINES

    def __init__(self, instrument: str = "CME") -> None:
        self.instrument = instrument
        self._at = -1
        self._packet = ""
        self._fills = 0
        """Fills so far in this packet."""

    def declare(self) -> Iterable[VenueDeclared]:
        """No cumulative quantities; a modify states what is open."""
        rules = Capabilities(cumulative=Cumulative.ABSENT, replace_qty=ReplaceQty.OPEN)
        return (VenueDeclared(venue=VENUE, capabilities=rules),)

    @only_damaged
    def decode(self, raw: str, number: int) -> Iterable[Message]:
        """The message of row `number`. Raises `Damaged` for a row that is none."""
        row = raw.strip()
        if not row or row == HEADER:
            return ()
        match = _ROW.fullmatch(row)
        if match is None:
            raise Damaged(_fault(row))
        received, event, action, side, price, size, order_id, _flags, sequence = match.groups()
        at = self._at = max(int(received), self._at + 1)
        if action in _NO_ORDER:
            return ()
        qty, px = exact(size, "size"), None if price == NO_PRICE else exact(f"{price}E-9", "price")
        if action in "AF" and not qty:
            raise Damaged(f"size is {size!r} in a row of action {action}; give a whole number above zero")
        if action == "F":
            key = self._key(sequence)
            fill = Execution(venue=VENUE, order_id=order_id, as_of=at, venue_time=int(event), key=key, qty=qty, px=px,
                             instrument=self.instrument, side=_SIDES[side])  # fmt: skip
            return (Message(inputs=(fill,), at=at, msg="fill", exec_id=key, order_id=order_id),)
        said = self._order(action, side, px, qty, order_id, at, int(event))
        printed = NOTHING_PRINTED if action == "C" else Printed(leaves_qty=qty)
        return (Message(inputs=(said,), at=at, msg=_KINDS[action], order_id=order_id, printed=printed),)

    def _order(self, action: str, side: str, px: Decimal | None, qty: Decimal, order_id: str, at: int,
               event: int) -> OrderSnapshot:  # fmt: skip
        ends = action == "C"
        return OrderSnapshot(venue=VENUE, order_id=order_id, as_of=at, venue_time=event, exec_type=_WORDS[action],
                             instrument=self.instrument, side=_SIDES[side], ord_type=OrdType.LIMIT, price=px,
                             order_qty=None if ends else qty)  # fmt: skip

    def _key(self, sequence: str) -> str:
        if sequence != self._packet:
            self._packet, self._fills = sequence, 0
        self._fills += 1
        return f"{sequence}-{self._fills}"


def _fault(row: str) -> str:
    """What is wrong with a row that does not match."""
    parts = row.split(",")
    if len(parts) != len(_COLUMNS):
        return f"{row[:120]!r} has {len(parts)} columns; a row has {len(_COLUMNS)}: {HEADER.replace(',', ', ')}"
    for (name, pattern, right), part in zip(_COLUMNS, parts, strict=True):
        if re.fullmatch(pattern, part) is None:
            return f"{name} is {part[:80]!r}; give {right}"
    return f"{row[:120]!r} is no row of market by order"


__all__ = ["VENUE", "MboDecoder"]
