"""Settings of the fill manager, under the names of `[execution.fill_management]`."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from partfill.model.commands import MAX_ATTEMPTS, Resubmit
from partfill.model.numbers import ZERO, NotANumber, require


class FillManagement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fills are followed and what becomes of remainders.

    `enabled` False: track and poll, and never place anything by itself. `auto_resubmit` applies to orders that do not
    say otherwise; `min_resubmit_size` is in units, `poll_interval_ms` milliseconds between polls while orders work.
    """

    enabled: bool = True
    auto_resubmit: bool = False
    min_resubmit_size: Decimal = Decimal(10)
    poll_interval_ms: int = 1000
    max_resubmit_attempts: int = 3

    def __post_init__(self) -> None:
        require(self.min_resubmit_size, "min_resubmit_size")
        if self.min_resubmit_size < ZERO:
            raise NotANumber(f"min_resubmit_size is {self.min_resubmit_size}; it is zero or more")
        if not 10 <= self.poll_interval_ms <= 3_600_000:
            raise NotANumber(f"poll_interval_ms is {self.poll_interval_ms}; it is 10 to 3600000 (an hour)")
        if not 0 <= self.max_resubmit_attempts <= MAX_ATTEMPTS:
            raise NotANumber(f"max_resubmit_attempts is {self.max_resubmit_attempts}; it is 0 to {MAX_ATTEMPTS}")

    @property
    def resubmit(self) -> Resubmit | None:
        """The rule for orders that bring none."""
        if not (self.enabled and self.auto_resubmit):
            return None
        return Resubmit(min_resubmit_size=self.min_resubmit_size, max_resubmit_attempts=self.max_resubmit_attempts)
