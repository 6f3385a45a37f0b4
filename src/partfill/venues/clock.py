"""The clock that stamps everything one process sends and hears.

A claim is weighed against a void by which of them is newer, so no two stamps may be equal and none may go back, whatever
is done to the machine's clock. The desk and its adapters share one `Clock`; venue times are kept apart and never compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Nanoseconds UTC, each reading above the last: `clock()`."""

    def __init__(self, source: Callable[[], int] = time.time_ns, after: int = 0) -> None:
        self._source = source
        self._latest = after

    def __call__(self) -> int:
        self._latest = max(self._latest + 1, self._source())
        return self._latest

    def go_on_from(self, stamp: int) -> None:
        """Never read `stamp` or less: an earlier process used it."""
        self._latest = max(self._latest, stamp)


CLOCK = Clock()
"""The process's own."""
