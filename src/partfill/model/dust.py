"""Dust: what is left of an order that is worth too little to keep, and what may become of it.

Rules
- Dust is quantity that a user asked for and did not get; nobody holds it. To use it is to buy or sell it after all, so it takes
  the user's word (`RemainderPolicy.dust`), and never a worse price than that of the order it is from.
- It is noted when the end of its order is proven, under that order's own ids, and used once.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from partfill.model.policy import DustUse
from partfill.model.words import Side


class DustState(StrEnum):
    """What became of it."""

    OPEN = "open"
    """It waits."""
    TAKEN = "taken"
    """Another order asks for it."""
    GONE = "gone"
    """Its own order filled or worked again after all."""
    DROPPED = "dropped"
    """Too much newer dust came; it is not used any more."""


class Speck(msgspec.Struct, frozen=True, kw_only=True):
    """What one parent order left. `qty` in units, `price` quote currency per unit, `since` ns UTC.

    `parent` is partfill's number of that order, `ref` the user's own name of it, `order_ids` the venue's ids of all that was
    placed for it. `taken_by`: `ref` of the order that asks for it now.
    """

    parent: int
    venue: str
    account: str
    instrument: str
    side: Side
    ref: str
    order_ids: tuple[str, ...]
    qty: Decimal
    price: Decimal
    use: DustUse
    since: int
    state: DustState = DustState.OPEN
    taken_by: str | None = None

    def but(self, **changed: Any) -> Speck:
        """The same with other values of some fields."""
        return msgspec.structs.replace(self, **changed)
