"""One execution of an open order, packed into a short string.

An order keeps every execution it has had, since any of them can be voided or corrected. Two Decimals, a fee and
their container would take 400 bytes and more; the packed form of a plain fill takes about 60. The plain form is
"qty|px"; everything else is a suffix that only unusual executions have.

A row that starts with "!" is void, one that starts with "~" is a leg and does not count in its order.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(slots=True)
class Row:
    """One execution, newest version. `px` None: no price known. `fee` None: fee unknown."""

    qty: Decimal | None
    """None only in the stone of a void whose execution has not come (yet)."""
    px: Decimal | None = None
    fee: Decimal | None = None
    fee_currency: str | None = None
    state: str = ""
    """"p" provisional, "f" final, "" confirmed."""
    era: int = 0
    """Splits and day rolls of the order before this execution came."""
    version: str | None = None
    """The key of the newest version, when it was corrected."""
    rank: int = 0
    """The venue's revision number of the newest version."""
    as_of: int = 0
    """When the newest version, or the void, was true. Kept for corrected and void rows."""
    first_qty: Decimal | None = None
    """Quantity of the first version, once that came."""
    reopens: bool = False
    """The venue said that what this row lost works again."""
    void: bool = False
    leg: bool = False
    charged: Decimal | None = None
    """What of the fee was charged apart from it, beside a fee of its own, while it has no case. See `charges`."""


_SEPARATOR = "|"
_ESCAPED = "\x1e"


def pack_plain(qty: Decimal, px: Decimal | None) -> str:
    """The packed form of an ordinary fill."""
    return f"{qty!s}|{px!s}" if px is not None else f"{qty!s}|"


def pack(row: Row) -> str:
    """Pack any row; the inverse of `unpack`."""
    mark = "!" if row.void else "~" if row.leg else ""
    qty = "" if row.qty is None else str(row.qty)
    px = "" if row.px is None else str(row.px)
    rest = (
        row.state,
        str(row.era) if row.era else "",
        "" if row.fee is None else str(row.fee),
        (row.fee_currency or "").replace(_SEPARATOR, _ESCAPED),
        str(row.rank) if row.rank else "",
        str(row.as_of) if row.as_of else "",
        "" if row.first_qty is None else str(row.first_qty),
        ("r" if row.reopens else "") + ("" if row.charged is None else str(row.charged)),
        row.version or "",
    )
    packed = f"{mark}{qty}|{px}"
    return packed + _SEPARATOR + _SEPARATOR.join(rest) if any(rest) else packed


def unpack(packed: str) -> Row:
    """Read a packed row."""
    void, leg = packed.startswith("!"), packed.startswith("~")
    if void or leg:
        packed = packed[1:]
    # The version key is the venue's text and may hold anything, so it comes last and is not split.
    parts = packed.split(_SEPARATOR, 10)
    row = Row(Decimal(parts[0]) if parts[0] else None, Decimal(parts[1]) if parts[1] else None, void=void, leg=leg)
    if len(parts) > 2:
        _, _, state, era, fee, currency, rank, as_of, first, reopens, version = parts
        row.state = state
        row.era = int(era) if era else 0
        row.fee = Decimal(fee) if fee else None
        row.fee_currency = currency.replace(_ESCAPED, _SEPARATOR) or None
        row.rank = int(rank) if rank else 0
        row.as_of = int(as_of) if as_of else 0
        row.first_qty = Decimal(first) if first else None
        row.reopens = reopens.startswith("r")
        charged = reopens.removeprefix("r")
        row.charged = Decimal(charged) if charged else None
        row.version = version or None
    return row
