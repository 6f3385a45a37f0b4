"""When what is to be woken: orders to ask about or try anew, remainders, protections.

Rules
- A number says what is woken: above zero an order, below zero a parent order, 0 the protections.
- Timers may be older than what they are for, or doubled, and are no part of the journal. So what is due together is woken in
  the order of the times that the orders themselves have: after a start it is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partfill.core.child import Child


class Timers:
    """The timers of one desk."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_at(self) -> int | None:
        """When the next one is due (ns UTC); None for never."""
        return self._heap[0][0] if self._heap else None

    def set(self, at: int, number: int) -> None:
        """Wake what has this number at this time (ns UTC)."""
        heappush(self._heap, (at, number))

    def wake(self, child: Child, at: int) -> None:
        """Wake an order of ours at this time (ns UTC), unless that is the newest timer that is set for it."""
        assert child.work is not None
        if child.work.wake_at != at:
            child.work.wake_at = at
            heappush(self._heap, (at, child.id))

    def due(self, now: int, meant: Callable[[int], int]) -> list[int]:
        """Take out what is due: each number once. `meant` says when each is to be woken by what is known of it (ns UTC), and 0
        where nothing says so: then the timer counts."""
        found: dict[int, int] = {}
        while self._heap and self._heap[0][0] <= now:
            at, number = heappop(self._heap)
            found.setdefault(number, at)
        return [number for _, number in sorted((meant(number) or at, number) for number, at in found.items())]
