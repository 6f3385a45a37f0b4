"""Time in a simulated world: a heap of things to happen, and the clock of the process, which may jump."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

MS = 1_000_000
SECOND = 1_000 * MS


class Timeline:
    """What happens when. Times are ns."""

    def __init__(self, *, story: bool) -> None:
        self.start = 0
        """When the world begins (ns UTC)."""
        self.time = SECOND
        """True time (ns UTC). The process has a clock of its own: `now`."""
        self.skew = 0
        self.latest = 0
        self.story: list[str] | None = [] if story else None
        self.heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self.count = 0

    @property
    def now(self) -> int:
        """The clock that stamps everything: it may jump; no two readings are equal and none goes back, as in the shell."""
        self.latest = max(self.latest + 1, self.time + self.skew)
        return self.latest

    def until(self, end: int) -> None:
        """Let everything happen that happens before `end`."""
        heap = self.heap
        while heap and heap[0][0] <= end:
            at, _, act, with_ = heappop(heap)
            self.time = max(self.time, at)
            act(*with_)
        self.time = end

    def begin_at(self, start: int) -> None:
        """The world begins then (ns UTC)."""
        self.start, self.time = start, start + SECOND

    def later(self, wait: int, act: Callable[..., None], *with_: Any) -> None:
        """Let `act` happen in `wait` ns."""
        self.count += 1
        heappush(self.heap, (self.time + wait, self.count, act, with_))

    def tell(self, text: str) -> None:
        """A line of the story."""
        if self.story is not None:
            self.story.append(f"{(self.time - self.start) / SECOND:9.3f}  {text}")
