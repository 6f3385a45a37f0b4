"""What a user wants a position protected with: a stop, targets, or both.

Rules
- A leg is a stop (`stop_px`, with a limit `price` or at the market) or a target (a limit `price` alone).
- The quantity of a leg is never said: it is the position's, or the leg's `share` of it, whatever that becomes.
- Neither stops nor targets are ever more than the position. Whether both together may be is `Budget`.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from partfill.model.numbers import ZERO, NotANumber, require
from partfill.model.shapes import named

MAX_LEGS = 16
HOUR_MS = 3_600_000


class OverClose(StrEnum):
    """What is done when protective orders have sold more than was held, or bought back more than was short."""

    ALARM = "alarm"
    FLATTEN = "flatten"
    """The excess is traded back at the market, and alarmed."""


class Budget(StrEnum):
    """What stops and targets may still fill together, where their venue does not hold every order to the position itself."""

    SHARED = "shared"
    """Never more than is held: of the two, one is an order at the venue, and the prices of the other are watched here."""
    EACH = "each"
    """Each kind as much as is held, so that both rest at the venue: what both fill at once is too much, see `OverClose`."""


class Passed(StrEnum):
    """What becomes of a stop that its venue refuses since the market has passed its price already: it has fired."""

    WATCHED = "watched"
    """Its price is watched here from then on: it goes to the market as soon as the book shows that it is reached."""
    AT_MARKET = "at_market"
    """It goes to the market at once, by the venue's word."""


class Retry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How what a venue refuses of a protection, or takes off, is tried anew.

    `retry_ms` before the first time; it doubles up to `retry_max_ms`, for ever. A person is told at the first failure, and once
    more after `alarm_after_failures` in a row. Raises `NotANumber`.
    """

    retry_ms: int = 200
    retry_max_ms: int = 30_000
    alarm_after_failures: int = 5

    @named
    def __post_init__(self) -> None:
        for name, most in (("retry_ms", HOUR_MS), ("retry_max_ms", HOUR_MS), ("alarm_after_failures", 1000)):
            value = getattr(self, name)
            if not 1 <= value <= most:
                raise NotANumber(f"{name} is {value}; it is 1 to {most}")
        if self.retry_max_ms < self.retry_ms:
            raise NotANumber(f"retry_max_ms is {self.retry_max_ms}, less than retry_ms, {self.retry_ms}")


class Leg(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One protective order. Prices in quote currency per unit; `share` is the part of the position that it covers."""

    name: str
    stop_px: Decimal | None = None
    price: Decimal | None = None
    share: Decimal = Decimal(1)

    @named
    def __post_init__(self) -> None:
        if not self.name:
            raise NotANumber("a leg has no name; call it stop, target, or what you like")
        for name in ("stop_px", "price", "share"):
            value = getattr(self, name)
            if value is not None:
                require(value, name)
        if self.stop_px is None and self.price is None:
            raise NotANumber(f"leg {self.name} has neither stop_px nor price; give stop_px for a stop, price for a target")
        if not ZERO < self.share <= 1:
            raise NotANumber(f"leg {self.name} covers {self.share} of the position; a share is above 0 and at most 1")

    @property
    def stops(self) -> bool:
        """Whether it is a stop; else a target."""
        return self.stop_px is not None


def check_legs(legs: tuple[Leg, ...]) -> None:
    """Raises `NotANumber` for legs that cannot be together."""
    if not 1 <= len(legs) <= MAX_LEGS:
        raise NotANumber(f"{len(legs)} legs; give 1 to {MAX_LEGS}")
    names = [leg.name for leg in legs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise NotANumber(f"two legs are called {twice}; give each a name of its own")
    for stops, what in ((True, "stops"), (False, "targets")):
        total = sum((leg.share for leg in legs if leg.stops is stops), ZERO)
        if total > 1:
            raise NotANumber(
                f"the {what} cover {total} of the position together; at most 1, or more would be sold than is held"
            )
