"""Everything the engine takes: observations, and what comes from our own side.

The journal holds exactly these. A new kind is added at the end and old ones keep their fields: an old journal
has to replay for ever.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from partfill.model.book import Book
from partfill.model.capabilities import Capabilities
from partfill.model.commands import (
    Amend,
    Answered,
    Decide,
    KillSwitch,
    Looked,
    Protect,
    Reported,
    Resolve,
    Restarted,
    Stop,
    Submit,
    Tick,
    Track,
    Unprotect,
    Untrack,
)
from partfill.model.limits import MAX_TEXT
from partfill.model.numbers import ZERO, NotANumber, require
from partfill.model.observations import (
    Charge,
    Execution,
    ExecutionRevised,
    ExecutionVoided,
    Gap,
    Observation,
    OrderLinked,
    OrderSnapshot,
    check_times,
)
from partfill.model.shapes import named
from partfill.model.terms import Terms
from partfill.model.words import Request


class _Own(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", forbid_unknown_fields=True):
    venue: str
    account: str = ""


class VenueDeclared(_Own, frozen=True, tag="venue_declared"):
    """How a venue's numbers are to be read from now on. Journalled, so that a replay reads them the same way."""

    capabilities: Capabilities


class PositionSeen(_Own, frozen=True, tag="position_seen"):
    """The venue's own word on a position: `qty` units, below zero for short, as of the question (ns UTC).

    It overwrites nothing: what stays different from what fills add up to is told.
    """

    instrument: str
    qty: Decimal
    as_of: int

    @named
    def __post_init__(self) -> None:
        require(self.qty, "qty")
        check_times(self)


class MarketSeen(_Own, frozen=True, tag="market_seen"):
    """What the market shows against which a position is protected from here: prices that are reached, or that it is seen again.

    `book` None: nobody has seen it for some time.
    """

    instrument: str
    book: Book | None = None

    @named
    def __post_init__(self) -> None:
        if self.book is not None and self.book.instrument != self.instrument:
            raise NotANumber(f"the book is of {self.book.instrument}; it is to be of {self.instrument}")


class InstrumentListed(_Own, frozen=True, tag="instrument_listed"):
    """What a venue says of an instrument that results need, from now on. Journalled, so that a replay counts the same way.

    `quote`: currency of its prices. `base`: currency of one unit, where fees may be taken in it. `multiplier`: quote currency
    per price point and unit. An instrument of which nothing is said has neither currency and a multiplier of 1. Raises
    `NotANumber` for a multiplier that is not exact or not above zero.
    """

    instrument: str
    quote: str | None = None
    base: str | None = None
    multiplier: Decimal = Decimal(1)

    @named
    def __post_init__(self) -> None:
        require(self.multiplier, f"multiplier of {self.instrument}")
        if self.multiplier <= ZERO:
            raise NotANumber(f"multiplier of {self.instrument} is {self.multiplier}; it must be above zero")

    @property
    def unit(self) -> str | None:
        """The currency that a unit is, from which fees may be taken; None for a contract that is worth more or less of it."""
        return self.base or None if self.multiplier == 1 else None


class OrderPlaced(_Own, frozen=True, tag="order_placed"):
    """An order of ours leaves, or left, for the venue under `cl_ord_id`; `order_id` where it is known already."""

    terms: Terms
    cl_ord_id: str | None = None
    order_id: str | None = None
    as_of: int | None = None

    @named
    def __post_init__(self) -> None:
        check_times(self)
        if self.cl_ord_id is None and self.order_id is None:
            raise NotANumber("an order was placed with neither cl_ord_id nor order_id; give at least one")


class RequestSent(_Own, frozen=True, tag="request_sent"):
    """A cancel or replace of ours leaves for the venue. It changes no quantity until the venue answers.

    `order_qty` and `price` are the new terms a replace asks for, in the venue's own meaning of a replace quantity.
    """

    request: Request
    cl_ord_id: str
    orig_cl_ord_id: str | None = None
    order_id: str | None = None
    order_qty: Decimal | None = None
    price: Decimal | None = None
    as_of: int | None = None

    @named
    def __post_init__(self) -> None:
        check_times(self)
        for name in ("order_qty", "price"):
            value = getattr(self, name)
            if value is not None:
                require(value, name)
        if self.order_qty is not None and self.order_qty < ZERO:
            raise NotANumber(f"order_qty is {self.order_qty}; a quantity is zero or more")


class DayRolled(_Own, frozen=True, tag="day_rolled"):
    """A trading day of this account begins: day quantities start again."""


class Unreadable(_Own, frozen=True, tag="unreadable"):
    """A message that could not be understood, kept word for word (shortened to `MAX_RAW`)."""

    raw: str
    error: str


class Outage(_Own, frozen=True, tag="outage"):
    """Reads of this account go unanswered and a person should know, or (`over`) they are answered again.

    `since`: when the first read that was not answered failed (ns UTC). `reason`: what the last one said.
    """

    over: bool
    since: int
    reason: str | None = None

    @named
    def __post_init__(self) -> None:
        check_times(self)


class Quarantined(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    tag="quarantined",
    forbid_unknown_fields=True,
):
    """The journal's file refused rows of these orders, by partfill's numbers: they and their parents stand still."""

    orders: tuple[int, ...]
    parents: tuple[int, ...] = ()
    why: str


MAX_RAW = MAX_TEXT
"""Characters kept of an unreadable message."""

Input = (
    OrderSnapshot
    | Execution
    | ExecutionRevised
    | ExecutionVoided
    | OrderLinked
    | Gap
    | Charge
    | VenueDeclared
    | OrderPlaced
    | RequestSent
    | DayRolled
    | Unreadable
    | Submit
    | Stop
    | Amend
    | Answered
    | Looked
    | KillSwitch
    | Decide
    | Restarted
    | Tick
    | Track
    | Untrack
    | Outage
    | Reported
    | Protect
    | Unprotect
    | PositionSeen
    | MarketSeen
    | InstrumentListed
    | Resolve
    | Quarantined
)

__all__ = [
    "MAX_RAW",
    "Amend",
    "Answered",
    "Charge",
    "DayRolled",
    "Decide",
    "Execution",
    "ExecutionRevised",
    "ExecutionVoided",
    "Gap",
    "Input",
    "InstrumentListed",
    "KillSwitch",
    "Looked",
    "MarketSeen",
    "Observation",
    "OrderLinked",
    "OrderPlaced",
    "OrderSnapshot",
    "Outage",
    "PositionSeen",
    "Protect",
    "Quarantined",
    "Reported",
    "RequestSent",
    "Resolve",
    "Restarted",
    "Stop",
    "Submit",
    "Tick",
    "Track",
    "Unprotect",
    "Unreadable",
    "Untrack",
    "VenueDeclared",
]
