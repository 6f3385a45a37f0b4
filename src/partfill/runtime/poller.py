"""One poller per venue and account: asks how every order stands, in one call, as often as it is worth.

Rules
- Exactly one poll at a time; a second caller waits for its own.
- Fast while orders work, `IDLE` times slower when none does, jittered so that many desks do not meet.
- What comes back is an observation like any other: it adds nothing twice, takes nothing back, and may say "look". What is
  the same as the last time, of an order to which nothing has happened since, is not taken again (see `repeats`).
- A venue that is down is asked again later and later; the error is kept for who asks.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from partfill.journal.journal import JournalDown
from partfill.model.events import Event
from partfill.runtime.repeats import Repeats
from partfill.venues.protocol import Venue, VenueDown

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager

IDLE = 10
JITTER = 0.1
SLOWEST_S = 60.0

log = logging.getLogger("partfill.poller")


class FillPoller:
    """Polls one account of one venue."""

    def __init__(self, manager: FillManager, venue: Venue, account: str) -> None:
        self.venue = venue
        self.account = account
        self._manager = manager
        self._turn = asyncio.Lock()
        self._random = random.Random()
        self.failures = 0
        """Polls in a row that were not answered."""
        self.error: str | None = None
        self.polls = 0
        self._repeats = Repeats(manager.engine)

    async def poll_once(self) -> list[Event]:
        """Ask once and take everything that comes. Returns the events that followed."""
        async with self._turn:
            working = [
                child.order_id
                for child in self._manager.engine.children.values()
                if child.venue == self.venue.name and child.account == self.account and child.open and child.order_id
            ]
            try:
                found = await self.venue.snapshot(self.account, working)
            except VenueDown as down:
                self.failures += 1
                self.error = str(down)
                log.warning("poll of %s: %s", self.venue.name, down)
                return []
            self.failures, self.error = 0, None
            self.polls += 1
            events: list[Event] = []
            for snapshot in found:
                if snapshot in self._repeats:
                    continue
                effects = await self._manager.hear(snapshot)
                self._repeats.took(snapshot, effects.now)
                events.extend(effects.events)
            self._repeats.turn()
            return events

    def spawn_polling_task(self) -> asyncio.Task[None]:
        """Poll for ever, in the background."""
        return asyncio.create_task(self._poll_for_ever())

    def interval(self) -> float:
        """Seconds until the next poll."""
        base = self._manager.settings.poll_interval_ms / 1000
        mine = (self.venue.name, self.account)
        works = any(child.open and (child.venue, child.account) == mine for child in self._manager.engine.children.values())
        seconds = base if works else base * IDLE
        seconds = min(seconds * (1 << min(self.failures, 10)), max(SLOWEST_S, seconds))
        return seconds * self._random.uniform(1 - JITTER, 1 + JITTER)

    async def _poll_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.interval())
            try:
                await self.poll_once()
            except JournalDown:
                return
            except Exception:
                log.exception("a poll of %s failed", self.venue.name)
                self.failures += 1
