"""What every venue adapter is: eight coroutines and a stream. Adapters translate, and decide nothing.

    place, cancel, replace   one request each; the answer is `Answered`, never an exception
    find                     one order by its ids; the answer is `Looked`
    snapshot                 all open orders of an account in one call, and named ones
    history                  what happened since a time
    stream                   observations as they come; a `Gap` whenever it may have missed some
    book                     the market of one instrument as it is now
    positions                what an account holds, by the venue's own books

Rules
- A request whose answer did not come, or cannot be understood, is `Outcome.UNKNOWN`. Only a refusal that the venue made
  before it did anything is `REFUSED`.
- No method raises for anything that a venue or a network does. `CancelledError` passes through.
- Writes are sent once. Reads may be tried again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Protocol, runtime_checkable

from partfill.model.book import Book
from partfill.model.capabilities import Capabilities
from partfill.model.commands import Answered, Looked
from partfill.model.instrument import Instrument
from partfill.model.observations import Observation, OrderSnapshot
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.words import Side


class VenueDown(ConnectionError):
    """A read could not be answered; try again later. The message says which venue and why."""


@runtime_checkable
class Forgets(Protocol):
    """A venue that lives in this process and forgets with it: each life has ids of its own."""

    @property
    def name(self) -> str:
        """The venue's name."""
        ...

    def begin_anew(self, left: Sequence[OrderSnapshot]) -> None:
        """The desk has orders of an earlier life: their ids are given out no second time, and `left`, which worked, ended."""
        ...


class Venue(Protocol):
    """One venue. Every call names its account where there may be several."""

    @property
    def name(self) -> str:
        """The venue's name, as in every input it makes."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """How its numbers are to be read and what it can do."""
        ...

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """What can be traded, by symbol."""
        ...

    async def place(self, op: Place) -> Answered:
        """Send a new order, once."""
        ...

    async def cancel(self, op: Cancel) -> Answered:
        """Ask for the end of an order, once."""
        ...

    async def replace(self, op: Replace) -> Answered:
        """Ask for new terms, once. Only where `capabilities.can_replace`."""
        ...

    async def find(self, op: Query) -> Looked:
        """Look one order up with its executions. `Looked.error` says that no answer came."""
        ...

    async def snapshot(self, account: str, order_ids: Sequence[str] = ()) -> list[OrderSnapshot]:
        """Every open order of the account in one call, and those named that are open no more. Raises `VenueDown`."""
        ...

    def history(self, account: str, since: int) -> AsyncIterator[Observation]:
        """Executions since `since` (ns UTC), oldest first. Raises `VenueDown`."""
        ...

    def stream(self, account: str) -> AsyncIterator[Observation]:
        """Observations as they come, for ever, none missed from this call on; connects again and says `Gap` each time."""
        ...

    async def book(self, instrument: str, side: Side | None = None, order_id: str | None = None) -> Book:
        """The best levels of both sides, `DEPTH_LEVELS` or more, as of the question. Raises `VenueDown`.

        `side` and `order_id` name the order that it is asked for: `trade_rate` is then what trades with resting orders of
        that side alone, since nothing else lets it fill, and `queue_ahead` what fills before it. A venue that cannot tell
        leaves either None, and never puts something else in its place.
        """
        ...

    async def positions(self, account: str) -> Mapping[str, Decimal]:
        """What the account holds, units by symbol, below zero for short; instruments that are not held may be left out.

        Only where `capabilities.shows_positions`. Raises `VenueDown`.
        """
        ...

    async def close(self) -> None:
        """Let connections go."""
        ...
