"""Events to subscribers: in order, after the commit, bounded, and never in anybody's way.

Rules
- A subscriber that is slow loses events, not the process its memory: when `limit` of them wait, the next ones are
  counted, and before the stream goes on the subscriber gets one `Missed` with the numbers of the first and the last.
- Whoever missed some reads them again from the journal (`partfill.runtime.catch_up`): the same inputs give the same events.
- A callback that raises is counted and logged; the next event reaches it all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import msgspec

from partfill.model.events import Event

LIMIT = 10_000
"""Events that may wait for one subscriber."""

log = logging.getLogger("partfill.bus")


class Missed(msgspec.Struct, frozen=True, tag_field="type", tag="missed"):
    """`count` events were dropped for this subscriber, from inputs `first_seq` to `last_seq` of the journal."""

    first_seq: int
    last_seq: int
    count: int


class Told(NamedTuple):
    """One event, the number of the input it came from, and the parent order it is about (0 for none)."""

    seq: int
    parent: int
    event: Event | Missed


class Subscription:
    """One reader of events: `async for told in subscription`. Ends when the bus closes or `close` is called."""

    def __init__(self, bus: Bus, parent: int | None, limit: int) -> None:
        self._bus = bus
        self._parent = parent
        self._limit = limit
        self._waiting: deque[Told] = deque()
        self._missed: Missed | None = None
        self._ready = asyncio.Event()
        self._closed = False

    def offer(self, told: Told) -> None:
        """Take one event, or count it as missed."""
        if self._parent is not None and told.parent != self._parent:
            return
        if self._missed is not None or len(self._waiting) >= self._limit:
            first, count = (told.seq, 0) if self._missed is None else (self._missed.first_seq, self._missed.count)
            self._missed = Missed(first, told.seq, count + 1)
        else:
            self._waiting.append(told)
        self._ready.set()

    def close(self) -> None:
        """No more events; what waits can still be read."""
        self._closed = True
        self._bus.leave(self)
        self._ready.set()

    def __aiter__(self) -> AsyncIterator[Told]:
        return self

    async def __anext__(self) -> Told:
        while True:
            if self._waiting:
                return self._waiting.popleft()
            if self._missed is not None:
                missed, self._missed = self._missed, None
                return Told(missed.last_seq, 0, missed)
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()


class Bus:
    """All subscribers of one process."""

    def __init__(self) -> None:
        self._readers: list[Subscription] = []
        self._callbacks: list[Callable[[Told], None]] = []
        self.failures = 0
        """Callbacks that raised."""

    def subscribe(self, *, parent: int | None = None, limit: int = LIMIT) -> Subscription:
        """A new reader, of everything or of one parent order."""
        reader = Subscription(self, parent, limit)
        self._readers.append(reader)
        return reader

    def call(self, callback: Callable[[Told], None]) -> Callable[[], None]:
        """Call `callback` with every event; returns how to end that. It must return at once: it holds up everything."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback) if callback in self._callbacks else None

    def publish(self, told: Told) -> None:
        """Hand one event to everybody."""
        for reader in self._readers:
            reader.offer(told)
        for callback in list(self._callbacks):
            try:
                callback(told)
            except (Exception, asyncio.CancelledError):
                # Nothing is awaited here: a CancelledError comes out of a future that the callback looked at.
                self.failures += 1
                log.exception("a subscriber failed on %s", type(told.event).__name__)

    def leave(self, reader: Subscription) -> None:
        """Forget a reader."""
        if reader in self._readers:
            self._readers.remove(reader)

    def close(self) -> None:
        """End every reader."""
        for reader in list(self._readers):
            reader.close()
