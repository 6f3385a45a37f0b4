"""What keeps us welcome at a venue: a budget of requests with a reserve for cancels, pauses, and breakers.

Rules
- Cancels may use the whole budget, and so may what protects a position; everything else leaves `reserve` of it alone.
- "Too many requests" pauses everything but cancels; it is not a failure and uses up nobody's tries.
- A breaker opens after `FAILURES` requests in a row without an answer, or `REFUSALS` identical refusals of new orders
  of one instrument, and refuses new orders here, with a clear reason, until `BREAK_S` have passed. Cancels, questions and
  what protects a position always pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

FAILURES = 5
REFUSALS = 10
BREAK_S = 10.0


class Budget:
    """Requests per second to one venue and account: a bucket that fills evenly."""

    def __init__(self, per_second: int, clock: Callable[[], float], reserve: int | None = None) -> None:
        self.per_second = per_second
        self._clock = clock
        # Never all of it: an order has to leave some time.
        self._reserve = min(max(1, per_second // 5) if reserve is None else reserve, per_second - 1)
        self._left = per_second * 1.0
        self._at = clock()
        self._paused_until = 0.0

    def pause(self, seconds: float) -> None:
        """The venue said "too many": nothing but cancels for so long."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def wait(self, *, cancel: bool, urgent: bool = False) -> float:
        """Take one request out, or the seconds to wait before asking again. `urgent`: it protects a position."""
        now = self._clock()
        self._left = min(self.per_second * 1.0, self._left + (now - self._at) * self.per_second)
        self._at = now
        if not cancel and now < self._paused_until:
            return self._paused_until - now
        need = 1.0 if cancel or urgent else 1.0 + self._reserve
        if self._left >= need:
            self._left -= 1.0
            return 0.0
        return (need - self._left) / self.per_second

    async def take(self, *, cancel: bool) -> None:
        """Wait for one request's worth."""
        seconds = self.wait(cancel=cancel)
        while seconds > 0:
            await asyncio.sleep(seconds)
            seconds = self.wait(cancel=cancel)


class Breaker:
    """Whether new orders may go to one venue."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._refusals: dict[str, tuple[str, int]] = {}
        """Instrument -> the reason of its last refusals in a row, and how many."""
        self._open_until = 0.0
        self.reason = ""
        self.silent = False
        """Whether it opened last because nothing was answered, and not because orders were refused."""

    @property
    def open(self) -> bool:
        """True while new orders are refused here."""
        return self._clock() < self._open_until

    def answered(self) -> None:
        """A request was answered."""
        self._failures = 0

    def failed(self, reason: str) -> None:
        """A request was not answered."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._break(f"{self._failures} requests in a row without an answer: {reason}", silent=True)

    def refused(self, instrument: str, reason: str) -> None:
        """A new order was refused."""
        last, count = self._refusals.get(instrument, (reason, 0))
        count = count + 1 if last == reason else 1
        self._refusals[instrument] = (reason, count)
        if count >= REFUSALS:
            self._break(f"{instrument} was refused {count} times in a row: {reason}", silent=False)

    def accepted(self, instrument: str) -> None:
        """A new order was taken."""
        self._refusals.pop(instrument, None)

    def _break(self, reason: str, *, silent: bool) -> None:
        self.reason, self.silent = reason, silent
        self._open_until = self._clock() + BREAK_S
        self._failures = 0
        self._refusals.clear()
