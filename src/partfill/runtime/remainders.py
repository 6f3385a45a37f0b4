"""Decisions on remainders: looks at the market for each that is wanted, within a bound of time and number.

Rules
- At most `max_in_flight` at once, each within `timeout_ms`. What is beyond is shed: held, told, and wanted again by the core.
- No book is not an error: the decision is made without one, and takes nothing off blind.
- A decision that is lost with the process is wanted again after the start; one that comes twice changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from partfill.core.parent import Parent
from partfill.journal.journal import JournalDown
from partfill.model.book import Book
from partfill.model.commands import Decide
from partfill.model.instrument import Instrument
from partfill.model.numbers import NotANumber
from partfill.model.policy import WIDE_TICKS, LiveLimits, Mode, RemainderPolicy
from partfill.venues.protocol import VenueDown

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager

log = logging.getLogger("partfill.remainders")


class RemainderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How remainders are decided. `policy` is that of orders that bring none; None: those are left alone.

    That policy chases no further than the default band: more takes an order's own. `mode` is `shadow_only` until somebody says
    otherwise: every decision is made, recorded and told, and none is sent.
    """

    mode: Mode = Mode.SHADOW_ONLY
    policy: RemainderPolicy | None = None
    limits: LiveLimits = LiveLimits()
    max_in_flight: int = 50
    timeout_ms: int = 300

    def __post_init__(self) -> None:
        for name, low, high in (("max_in_flight", 1, 10_000), ("timeout_ms", 1, 60_000)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise NotANumber(f"{name} is {value}; it is {low} to {high}")
        if self.policy is not None and self.policy.chase_max_ticks > WIDE_TICKS:
            said = f"chase_max_ticks is {self.policy.chase_max_ticks} for orders that bring no policy"
            raise NotANumber(f"{said}; it is {WIDE_TICKS} at most, a wider chase takes a policy of the order's own")


class Remainders:
    """Carries out what the core wants decided."""

    def __init__(self, manager: FillManager, settings: RemainderSettings) -> None:
        self.settings = settings
        self._manager = manager
        self._tasks: set[asyncio.Task[None]] = set()
        self.decided = self.shed = self.blind = 0
        """Decisions asked for; of these without time, and without a book."""

    def want(self, parents: Iterable[Parent]) -> None:
        """Decisions on these parents are wanted."""
        for parent in parents:
            assert parent.handling is not None
            shed = len(self._tasks) >= self.settings.max_in_flight
            task = asyncio.create_task(self._decide(parent, parent.handling.event, shed=shed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Nothing more is looked at; what is wanted stays wanted."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _decide(self, parent: Parent, event: int, *, shed: bool) -> None:
        instrument = self._instrument(parent)
        book, settings = None, self.settings
        if not shed and settings.mode is not Mode.QUARANTINE:
            try:
                async with asyncio.timeout(settings.timeout_ms / 1000):
                    book = await self._book(parent)
            except TimeoutError:
                shed = True
        self.decided += 1
        self.shed += shed
        self.blind += book is None
        decide = Decide(
            venue=parent.venue, account=parent.account, ref=parent.ref, event=event, instrument=instrument, mode=settings.mode,
            book=book, shed=shed, limits=settings.limits,
        )  # fmt: skip
        try:
            await self._manager.take(decide)
        except JournalDown as down:
            log.error("%s", down)

    async def _book(self, parent: Parent) -> Book | None:
        venue = self._manager.venues.get(parent.venue)
        if venue is None:
            return None
        try:
            return await venue.book(parent.terms.instrument)
        except (VenueDown, NotANumber) as why:
            log.warning("no book of %s at %s: %s", parent.terms.instrument, parent.venue, why)
        except Exception:
            log.exception("the book of %s at %s", parent.terms.instrument, parent.venue)
        return None

    def _instrument(self, parent: Parent) -> Instrument:
        venue = self._manager.venues.get(parent.venue)
        known = venue.instruments.get(parent.terms.instrument) if venue is not None else None
        return known if known is not None else Instrument(symbol=parent.terms.instrument)
