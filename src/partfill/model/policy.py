"""What a user wants done with the rest of a partly filled order, within limits that nobody may pass.

Rules
- Every value has a range that is locked in code. A value beyond a lock is an error that names the lock, never a silent clamp.
- The defaults are those of the remainder document: hold, 5, 3 ticks, cancel on a thin book.
- An order may bring a policy of its own; only that may raise `chase_max_ticks` above the default band.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from partfill.model.numbers import ZERO, NotANumber, require, text
from partfill.model.shapes import named


class Remainder(StrEnum):
    """What to do with what is left."""

    HOLD = "hold"
    CANCEL = "cancel"
    CHASE = "chase"


class DustUse(StrEnum):
    """What may become of dust: quantity that is left of an order and worth too little to keep."""

    RECORD = "record"
    """It is noted and shown."""
    NEXT_ORDER = "next_order"
    """The next order of the same side whose policy says so too asks for it in addition, at no worse a price."""
    SWEEP = "sweep"
    """Together with other dust it becomes an order of its own, once that is large enough."""


class Mode(StrEnum):
    """How far decisions reach."""

    QUARANTINE = "quarantine"
    """Nothing is decided: every remainder is held, and reported as such."""
    SHADOW_ONLY = "shadow_only"
    """Decisions are made, recorded and reported; nothing is sent."""
    LIMITED_LIVE = "limited_live"
    """Carried out for named instruments up to a capped value."""
    GENERAL_LIVE = "general_live"


class Lock(NamedTuple):
    """The range that a setting never leaves, in its own unit."""

    low: Decimal
    high: Decimal
    unit: str


WIDE_TICKS = 3
"""A chase further than this is wide: it takes an order's own policy, and is reported as such."""
DAY_MS = 86_400_000

LOCKS = {
    "min_remainder_size": Lock(Decimal(1), Decimal(1_000_000_000), "quote currency"),
    "chase_max_ticks": Lock(ZERO, Decimal(10), "ticks"),
    "thin_confirm_ms": Lock(ZERO, Decimal(10_000), "ms"),
    "max_book_age_ms": Lock(Decimal(1), Decimal(60_000), "ms"),
    "max_hold_ms": Lock(Decimal(100), Decimal(30 * DAY_MS), "ms"),
    "max_hold_drift_ticks": Lock(Decimal(1), Decimal(10_000), "ticks"),
    "rechase_ms": Lock(Decimal(50), Decimal(DAY_MS), "ms"),
    "taker_fee_rate": Lock(ZERO, Decimal("0.1"), "part of the value"),
}


class RemainderPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The policy of one order. Raises `NotANumber` for a value beyond its lock, naming the lock.

    `min_remainder_size`: below this value (quote currency) the rest is dust. `chase_max_ticks`: how many ticks worse than the
    original price a chase may go. `cancel_on_book_thin`: cancel when less rests against the order than it has left, still so
    after `thin_confirm_ms`. A book older than `max_book_age_ms` is none. A hold ends after `max_hold_ms`, or when the market is
    `max_hold_drift_ticks` worse than the order's price (None: no such end), and `after_hold` says what then. A chase
    looks at the market again every `rechase_ms`. `taker_fee_rate` is what taking costs, as a part of the value: distance too.
    `dust`: what may become of a rest that was taken off as dust.
    """

    default_policy: Remainder = Remainder.HOLD
    min_remainder_size: Decimal = Decimal(5)
    chase_max_ticks: int = WIDE_TICKS
    cancel_on_book_thin: bool = True
    thin_confirm_ms: int = 250
    max_book_age_ms: int = 2_000
    max_hold_ms: int | None = DAY_MS
    max_hold_drift_ticks: int | None = None
    after_hold: Remainder = Remainder.CANCEL
    rechase_ms: int = 1_000
    taker_fee_rate: Decimal = ZERO
    dust: DustUse = DustUse.RECORD

    @named
    def __post_init__(self) -> None:
        for name, lock in LOCKS.items():
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, Decimal | int) or isinstance(value, bool):
                raise TypeError(f"{name} is no number")
            number = Decimal(value)
            require(number, name)
            if not lock.low <= number <= lock.high:
                limits = f"{text(lock.low)} to {text(lock.high)} {lock.unit}"
                raise NotANumber(f"{name} is {text(number)}; it is locked to {limits}")


class LiveLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How far `limited_live` reaches: these instruments, and remainders worth at most `max_usd` (quote currency)."""

    instruments: tuple[str, ...] = ()
    max_usd: Decimal = ZERO

    @named
    def __post_init__(self) -> None:
        require(self.max_usd, "max_usd")
        if self.max_usd < ZERO:
            raise NotANumber(f"max_usd is {self.max_usd}; it is zero or more")


def Hold(  # noqa: N802 - reads like the thing it makes
    **also: Any,
) -> RemainderPolicy:
    """Leave the rest where it is; other fields of `RemainderPolicy` by name."""
    return _policy(Remainder.HOLD, **also)


def CancelRest(  # noqa: N802
    **also: Any,
) -> RemainderPolicy:
    """Take the rest off; other fields of `RemainderPolicy` by name."""
    return _policy(Remainder.CANCEL, **also)


def Chase(  # noqa: N802
    max_ticks: int = WIDE_TICKS, **also: Any
) -> RemainderPolicy:
    """Follow the market with the rest, `max_ticks` at most; other fields of `RemainderPolicy` by name."""
    return _policy(Remainder.CHASE, chase_max_ticks=max_ticks, **also)


def _policy(default_policy: Remainder, **also: Any) -> RemainderPolicy:
    return RemainderPolicy(default_policy=default_policy, **also)
