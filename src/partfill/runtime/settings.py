"""Settings of the fill manager, under the names of `[execution.fill_management]`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from partfill.core.waiting import MANY
from partfill.model.commands import MAX_ATTEMPTS, Resubmit
from partfill.model.numbers import ZERO, NotANumber, require, text

HOUR_MS = 3_600_000
BOUNDS: Mapping[str, tuple[int | Decimal, int | Decimal]] = {
    "min_resubmit_size": (ZERO, Decimal(10) ** 18),
    "poll_interval_ms": (10, HOUR_MS),
    "max_resubmit_attempts": (0, MAX_ATTEMPTS),
    "retry_ms": (1, HOUR_MS),
    "retry_max_ms": (1, HOUR_MS),
    "alarm_after_failures": (1, 1000),
}
"""Lowest and highest value of every key that is a number."""


class FillManagement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fills are followed and what becomes of remainders. Raises `NotANumber` for a value out of `BOUNDS`.

    `enabled` False: track and poll, and never place anything by itself. `auto_resubmit` applies to orders that do not
    say otherwise; `min_resubmit_size` is in units, `poll_interval_ms` milliseconds between polls while orders work.

    `retry_ms`: milliseconds before a read of history that failed is tried again; they double up to `retry_max_ms`. Reads
    are tried for ever; after `alarm_after_failures` failures in a row a person is told. Requests are never tried again.
    """

    enabled: bool = True
    auto_resubmit: bool = False
    min_resubmit_size: Decimal = Decimal(10)
    poll_interval_ms: int = 1000
    max_resubmit_attempts: int = 3
    retry_ms: int = 250
    retry_max_ms: int = 30_000
    alarm_after_failures: int = MANY

    def __post_init__(self) -> None:
        require(self.min_resubmit_size, "min_resubmit_size")
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise NotANumber(f"{name} is {value}; it is {bounds(name)}")

    @property
    def resubmit(self) -> Resubmit | None:
        """The rule for orders that bring none."""
        if not (self.enabled and self.auto_resubmit):
            return None
        return Resubmit(min_resubmit_size=self.min_resubmit_size, max_resubmit_attempts=self.max_resubmit_attempts)


def bounds(name: str) -> str:
    """The range of a key in words: "10 to 3600000"."""
    low, high = BOUNDS[name]
    return f"{text(Decimal(low))} to {text(Decimal(high))}"
