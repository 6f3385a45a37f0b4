"""Decisions on remainders: looks at the market for each that is wanted, within a bound of time and number.

Rules
- At most `max_in_flight` at once, each within `timeout_ms`. What is beyond is shed: held, told, and wanted again by the core.
- No book is not an error: the decision is made without one, and takes nothing off blind.
- A chase looks at the market every `rechase_ms`; while it shows what it showed, nothing is decided, journalled or told.
- Every decision is one line of the log `partfill.decisions`: a JSON object with the numbers that it was made with.
- A decision that is lost with the process is wanted again after the start; one that comes twice changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from partfill.core.handling import Handling, undecided
from partfill.core.parent import Parent
from partfill.journal.journal import JournalDown
from partfill.model.book import Book
from partfill.model.commands import Decide
from partfill.model.instrument import Instrument
from partfill.model.numbers import NotANumber, text
from partfill.model.policy import WIDE_TICKS, LiveLimits, Mode, RemainderPolicy
from partfill.model.reports import ExecutionReport
from partfill.runtime.bus import Told
from partfill.venues.protocol import VenueDown

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager

log = logging.getLogger("partfill.remainders")
decisions = logging.getLogger("partfill.decisions")


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


class Dark(NamedTuple):
    """A book that did not come: why, and when it was looked for last (seconds of `time.monotonic`)."""

    why: str
    at: float


class Remainders:
    """Carries out what the core wants decided."""

    def __init__(self, manager: FillManager, settings: RemainderSettings) -> None:
        self.settings = settings
        self._manager = manager
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking = 0
        self.decided = self.shed = self.blind = 0
        """Decisions made; of these without time, and without a book."""
        self.looks = 0
        self.dark: dict[tuple[str, str], Dark] = {}
        """(venue, instrument) whose book did not come at the last look: said once in the log."""
        manager.subscribe(self._log)

    @property
    def looking(self) -> int:
        """Looks at markets that are under way."""
        return self._looking

    def want(self, parents: Iterable[Parent]) -> None:
        """Decisions on these parents are wanted."""
        for parent in parents:
            assert parent.handling is not None
            task = asyncio.create_task(self._decide(parent, parent.handling, parent.handling.event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _log(self, told: Told) -> None:
        """One line for every decision, also for those that the kill switch made."""
        report = told.event
        if type(report) is not ExecutionReport or not decisions.isEnabledFor(logging.INFO):
            return
        parent = self._manager.engine.desk.parents.get(report.parent)
        handling = parent.handling if parent is not None else None
        seen = report.seen
        said = {
            "order_id": report.order_id or report.cl_ord_id, "ref": report.ref, "remaining_usd": seen.remaining_usd,
            "book_depth_usd": seen.book_depth_usd, "ticks_to_fill": seen.ticks_to_fill,
            "policy_applied": report.policy_applied.value,
            "cancel_on_book_thin": handling.policy.cancel_on_book_thin if handling is not None else None,
            "verdict": report.verdict.value, "mode": report.mode.value, "carried_out": report.carried_out,
        }  # fmt: skip
        decisions.info("%s", json.dumps(said, default=text))

    async def stop(self) -> None:
        """Nothing more is looked at; what is wanted stays wanted."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look(self, parent: Parent) -> tuple[Book | None, bool]:
        """(book, shed): what the market shows, or that there was no room or no time to look."""
        if self.settings.mode is Mode.QUARANTINE:
            return None, False
        if self._looking >= self.settings.max_in_flight:
            return None, True
        self._looking += 1
        self.looks += 1
        try:
            async with asyncio.timeout(self.settings.timeout_ms / 1000):
                return await self._book(parent), False
        except TimeoutError:
            self._missed(parent, f"no answer within {self.settings.timeout_ms} ms")
            return None, True
        finally:
            self._looking -= 1

    async def _decide(self, parent: Parent, handling: Handling, event: int) -> None:
        instrument, settings = self._instrument(parent), self.settings
        book, shed = await self._look(parent)
        waited = False
        while not shed and handling.same(None if book is None else book.best_against(parent.terms.side)):
            waited = True
            await asyncio.sleep(handling.policy.rechase_ms / 1000)
            if handling.event != event or handling.decided >= event or undecided(parent) is None:
                # Something has happened that is decided by itself, or nothing is left to decide.
                break
            book, shed = await self._look(parent)
        if waited and handling.event != event:
            # The newer one decides.
            return
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
            # With the order that it is for: how soon that fills depends on its side, and on what stands before it.
            child = undecided(parent)
            order_id = None if child is None else child.order_id
            book = await venue.book(parent.terms.instrument, parent.terms.side, order_id)
        except (VenueDown, NotANumber) as why:
            self._missed(parent, str(why))
        except Exception as error:
            self._missed(parent, f"{type(error).__name__}: {error}", error)
        else:
            self.dark.pop((parent.venue, parent.terms.instrument), None)
            return book
        return None

    def _missed(self, parent: Parent, why: str, unexpected: Exception | None = None) -> None:
        which = (parent.venue, parent.terms.instrument)
        if which not in self.dark:
            level = logging.WARNING if unexpected is None else logging.ERROR
            log.log(level, "no book of %s at %s: %s", *reversed(which), why, exc_info=unexpected)
        self.dark[which] = Dark(why, time.monotonic())

    def _instrument(self, parent: Parent) -> Instrument:
        venue = self._manager.venues.get(parent.venue)
        known = venue.instruments.get(parent.terms.instrument) if venue is not None else None
        return known if known is not None else Instrument(symbol=parent.terms.instrument)
