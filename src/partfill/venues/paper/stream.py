"""One reader's stream of observations: bounded, breakable, and honest about what it lost.

Theory of operation. The venue puts every observation of the account in (`put`), the reader takes them out one by one. What
gets lost on the way, by a fault or because the reader is slower than `LIMIT` messages, is lost for good; a `Gap` stands
in its place, so that the reader knows to ask. The Gap comes out once the stream works again, and before what follows.
"""

from __future__ import annotations

import asyncio
from collections import deque

from partfill.model.observations import Gap, Observation
from partfill.venues.paper.faults import Misfortune

LIMIT = 100_000
"""Messages that wait for a slow reader before they are lost."""


class Stream:
    """An async iterator. It exists, and misses nothing, from its making on; `aclose` ends it."""

    def __init__(self, venue: str, account: str, luck: Misfortune, limit: int = LIMIT) -> None:
        self.venue = venue
        self.account = account
        self._luck = luck
        self._limit = limit
        self._waiting: deque[Observation] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self._heard: int | None = None
        """Time of the last message that came through (ns UTC)."""
        self._broken: str | None = None
        """Why messages are being lost."""

    def put(self, observation: Observation, now: int) -> None:
        """The venue says something at `now` (ns UTC)."""
        if self._closed:
            return
        trouble = self._luck.message()
        if trouble.breaks:
            self.broke("the connection was lost")
        if len(self._waiting) >= self._limit:
            self.broke(f"{self._limit} messages were waiting for a slow reader")
            return
        if trouble.copies:
            self._mend(now)
            self._waiting.extend([observation] * trouble.copies)
            self._heard = now
        elif not self._luck.losing:
            # The last one that is lost: it is up again.
            self._mend(now)
        self._wake.set()

    def broke(self, why: str) -> None:
        """Messages get lost from here on."""
        self._broken = self._broken or why

    def interrupt(self, now: int, why: str) -> None:
        """The stream broke and is up again already: a Gap, with nothing known to be lost."""
        self.broke(why)
        self._mend(now)
        self._wake.set()

    def _mend(self, now: int) -> None:
        if self._broken is not None:
            gap = Gap(venue=self.venue, account=self.account, since=self._heard, as_of=now, reason=self._broken)
            self._waiting.append(gap)
            self._broken = None

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Observation:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()

    @property
    def closed(self) -> bool:
        """Whether it was ended."""
        return self._closed

    def end(self) -> None:
        """End it: what waits can still be read."""
        self._closed = True
        self._wake.set()

    async def aclose(self) -> None:
        """End it for good."""
        self._waiting.clear()
        self.end()


__all__ = ["LIMIT", "Stream"]
