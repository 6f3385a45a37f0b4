"""Follows one account of one venue: listens to its stream, and reads again what the stream may have missed.

Rules
- A stream is opened before history is read: what fills meanwhile would else be in neither.
- It is read again at the start, after every gap, and now and then unasked. What is read is evidence like any other and adds
  nothing twice; what is known to the letter is left out (see `repeats`).
- History is read before the orders are polled: a total that the poll brings meets the executions it is made of.
- `since` is the time up to which everything is known to have been told. It moves when history and poll were both answered.
- A read that fails is tried again, later and later; when that lasts a person is told (`outages`). Nothing but reads is ever
  tried again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from partfill.journal.journal import JournalDown
from partfill.model.inputs import Gap, Observation
from partfill.runtime import outages
from partfill.runtime.poller import FillPoller
from partfill.runtime.repeats import known

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager

OVERLAP_NS = 60_000_000_000
"""How much of a venue's history is read again each time: clocks differ, and venues list late."""
EVERY_S = 300.0
"""About how often everything is read again unasked."""
REOPEN_S = 1.0
"""Wait before a stream that ended is opened again."""
JITTER = 0.1

log = logging.getLogger("partfill.follower")


class Follower:
    """One account of one venue, followed. `since`: ns UTC."""

    def __init__(self, manager: FillManager, poller: FillPoller, since: int) -> None:
        self._manager = manager
        self._poller = poller
        self.venue, self.account = poller.venue, poller.account
        self.since = since
        self._turn = asyncio.Lock()
        self._random = random.Random()
        self.reconciled = 0
        """How often everything was read."""
        self.failures = 0
        """Reads in a row that were not answered."""
        self.listening = False
        """Whether the stream is open and what it may have missed has been read."""

    def spawn(self) -> list[asyncio.Task[None]]:
        """Listen, and read again now and then, in the background."""
        return [asyncio.create_task(self._listen()), asyncio.create_task(self._now_and_then())]

    async def reconcile(self, since: int | None = None) -> None:
        """Read everything from `since` (ns UTC; where the last time ended) and poll. Returns once both were answered."""
        async with self._turn:
            start = self.since if since is None else min(since, self.since)
            began = self._manager.clock()
            while not await self._read(max(0, start - OVERLAP_NS)):
                self.failures += 1
                settings = self._manager.settings
                ms = min(settings.retry_ms << min(self.failures - 1, 20), max(settings.retry_ms, settings.retry_max_ms))
                await asyncio.sleep(ms / 1000 * self._random.uniform(1 - JITTER, 1 + JITTER))
            self.failures = 0
            self.since = max(self.since, began)
            self.reconciled += 1
            log.info("%s %r is followed: %d orders work, %d polls, everything read %d times", self.venue.name, self.account,
                     len(self._poller.open_orders()), self._poller.polls, self.reconciled)  # fmt: skip

    async def _read(self, since: int) -> bool:
        manager, reads = self._manager, self._poller.reads
        history: AsyncIterator[Observation] | None = None
        while True:
            try:
                async with asyncio.timeout(outages.READ_S):
                    if history is None:
                        history = self.venue.history(self.account, since)
                    observation = await anext(history)
            except StopAsyncIteration:
                break
            except Exception as error:
                await reads.failed("history", error)
                return False
            if not known(manager.engine, observation):
                await manager.hear(observation)
        await reads.answered("history")
        await self._poller.poll_once()
        return self._poller.error is None

    async def _listen(self) -> None:
        stream = self.venue.stream(self.account)
        ended = False
        while True:
            try:
                if ended:
                    await self._manager.take(
                        Gap(venue=self.venue.name, account=self.account, since=None, reason="the stream ended")
                    )
                await self.reconcile()
                self.listening = True
                async for observation in stream:
                    await self._manager.hear(observation)
                    if type(observation) is Gap:
                        await self.reconcile(observation.since)
            except JournalDown as down:
                self.listening = False
                log.error("%s", down)
                return
            except Exception:
                log.exception("the stream of %s failed", self.venue.name)
            self.listening = False
            await asyncio.sleep(REOPEN_S)
            stream = self.venue.stream(self.account)
            ended = True

    async def _now_and_then(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S * self._random.uniform(1 - JITTER, 1 + JITTER))
            try:
                await self.reconcile()
            except JournalDown:
                return
            except Exception:
                log.exception("reading %s again failed", self.venue.name)
