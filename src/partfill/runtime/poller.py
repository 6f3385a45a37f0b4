"""One poller per venue and account: asks how every order stands, in one call, as often as it is worth.

Rules
- Exactly one poll at a time; a second caller waits for its own.
- Fast while orders work, `IDLE` times slower when none does, jittered so that many desks do not meet.
- What comes back is an observation like any other: it adds nothing twice, takes nothing back, and may say "look". What is
  the same as the last time, of an order to which nothing has happened since, is not taken again (see `repeats`).
- An order that begins to work while the poller is slow makes it fast at once.
- A venue that is down is asked again later and later; the error is kept for who asks, and a person is told when it lasts
  (`outages`). Whatever goes wrong, polling goes on: only a journal that cannot be written ends it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from partfill.core.child import Child
from partfill.journal.journal import JournalDown
from partfill.model.events import Event
from partfill.runtime import outages
from partfill.runtime.outages import Reads
from partfill.runtime.repeats import Repeats
from partfill.venues.protocol import Venue

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager

IDLE = 10
JITTER = 0.1
SLOWEST_S = 60.0
AGAIN_S = 1.0
"""Wait before polling goes on after an error that nobody expected."""

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
        self.reads = Reads(manager, venue.name, account)
        """What goes unanswered of this account."""
        self._repeats = Repeats(manager.engine)

    async def poll_once(self) -> list[Event]:
        """Ask once and take everything that comes. Returns the events that followed."""
        async with self._turn:
            working = [child.order_id for child in self.open_orders() if child.order_id]
            asked = self._manager.clock()
            try:
                async with asyncio.timeout(outages.READ_S):
                    found = await self.venue.snapshot(self.account, working)
            except Exception as error:
                self.failures += 1
                self.error = outages.reason(error)
                await self.reads.failed("orders", error)
                return []
            self.failures, self.error = 0, None
            self.polls += 1
            log.debug("poll of %s %r: %d asked for, %d found", self.venue.name, self.account, len(working), len(found))
            await self.reads.answered("orders")
            events: list[Event] = []
            for snapshot in found:
                if snapshot in self._repeats:
                    continue
                # When it was asked for, by our own clock: what a venue stamps may be the time of a status.
                effects = await self._manager.hear(msgspec.structs.replace(snapshot, asked=asked))
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
        seconds = base if self._works() else base * IDLE
        seconds = min(seconds * (1 << min(self.failures, 10)), max(SLOWEST_S, seconds))
        return seconds * self._random.uniform(1 - JITTER, 1 + JITTER)

    def open_orders(self) -> list[Child]:
        """Every order of this account of which something may still fill, or is doubted; those of an earlier life included."""
        return list(self._open())

    def _open(self) -> Iterator[Child]:
        mine = (self.venue.name, self.account)
        orders = self._manager.engine.children.values()
        return (child for child in orders if child.open and (child.venue, child.account) == mine)

    def _works(self) -> bool:
        return any(True for _ in self._open())

    async def _wait(self) -> None:
        """Until the next poll is due. While nothing works it is looked in memory, at the fast pace, whether something does."""
        seconds = self.interval()
        if self.failures or self._works():
            await asyncio.sleep(seconds)
            return
        for _ in range(IDLE):
            await asyncio.sleep(seconds / IDLE)
            if self._works():
                return

    async def _poll_for_ever(self) -> None:
        while True:
            try:
                await self._wait()
                await self.poll_once()
            except JournalDown:
                return
            except Exception:
                log.exception("polling %s %r failed and goes on", self.venue.name, self.account)
                await asyncio.sleep(AGAIN_S)


OrderStatusPoller = FillPoller
"""The same under the name that readers of order status designs look for."""
