"""A market as one venue shows it: the best levels of both sides, and how fast it trades.

Rules
- Best level first, on both sides, whatever order the venue lists them in (one lists the worst first).
- A book that cannot be is no book: crossed, with levels out of order, with a price or size that is not above zero.
- Levels hold units of the instrument. Whoever compares them with money multiplies first: both in one unit.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from partfill.model.numbers import ZERO, NotANumber, require
from partfill.model.shapes import named
from partfill.model.words import Side

DEPTH_LEVELS = 5
"""How many of the best levels count as depth."""


class Level(msgspec.Struct, frozen=True, array_like=True):
    """One price (quote currency per unit) and what rests there (units)."""

    px: Decimal
    qty: Decimal


class Book(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Levels of one instrument as of `as_of` (ns UTC, when it was asked for or stamped).

    `trade_rate`: units traded per second of late; in a book that was asked for with an order only what traded with resting
    orders of that order's side, since a buy that rests fills by sellers alone. `queue_ahead`: units that fill before that
    order, in price and time. None when unknown. Raises `NotANumber` for a book that cannot be.
    """

    instrument: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    as_of: int
    trade_rate: Decimal | None = None
    queue_ahead: Decimal | None = None

    @named
    def __post_init__(self) -> None:
        for name, levels, falls in (("bids", self.bids, True), ("asks", self.asks, False)):
            last: Decimal | None = None
            for level in levels:
                require(level.px, f"price of {name}")
                require(level.qty, f"size of {name}")
                if level.px <= ZERO or level.qty <= ZERO:
                    raise NotANumber(f"{self.instrument} {name}: {level.qty} at {level.px}; both are above zero")
                if last is not None and (level.px >= last if falls else level.px <= last):
                    raise NotANumber(f"{self.instrument} {name}: {level.px} after {last}; give the best level first")
                last = level.px
        if self.bids and self.asks and self.bids[0].px >= self.asks[0].px:
            raise NotANumber(
                f"{self.instrument}: bid {self.bids[0].px} is not below ask {self.asks[0].px}; a crossed book is none"
            )
        for name in ("trade_rate", "queue_ahead"):
            value = getattr(self, name)
            if value is None:
                continue
            require(value, name)
            if value < ZERO:
                raise NotANumber(f"{name} is {value}; it is zero or more")

    def against(self, side: Side) -> tuple[Level, ...]:
        """The levels that could fill an order of `side`, best first: asks for a buy."""
        return self.asks if side is Side.BUY else self.bids

    def best_against(self, side: Side) -> Decimal | None:
        """The price at which an order of `side` could fill now; None when nobody is there."""
        levels = self.against(side)
        return levels[0].px if levels else None
