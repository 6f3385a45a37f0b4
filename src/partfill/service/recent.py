"""What happened in the last few minutes: decisions by reason, and alarms by kind, for rates that health is judged by.

Theory of operation. Counts are kept per second, so that memory is bounded whatever happens, and everything older than
`WINDOW_S` is forgotten when somebody looks. A process that has just started would know of nothing, and show a storm of dust as
green to whoever restarted it because of that storm: `remember` takes the last minutes out of the journal first.

Rules
- Ages are counted on a clock that never goes back. Only what the journal holds from an earlier life is aged by the wall clock.
- Memory is bounded by the window, not by what happens. A rate is per minute over the whole window, also after a start.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw

from partfill.journal.store import NotAJournal, Store
from partfill.model.events import Alarm, AlarmKind
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport
from partfill.runtime.bus import Told

WINDOW_S = 300
"""The five minutes of the alerts."""
MOST_REMEMBERED = 100_000
"""Rows of each kind that are read from the journal at the start, at most."""


class Window:
    """How often something happened in the last `WINDOW_S` seconds. Ages in seconds."""

    __slots__ = ("_clock", "_seconds", "_total")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seconds: deque[tuple[int, int]] = deque()
        """(second, how often), oldest first."""
        self._total = 0

    def add(self, age: float = 0) -> None:
        """It happened `age` seconds ago. Nothing newer than what is older may come before it."""
        second = int(self._clock() - age)
        if self._seconds and self._seconds[-1][0] >= second:
            last, count = self._seconds[-1]
            self._seconds[-1] = (last, count + 1)
        else:
            self._seconds.append((second, 1))
        self._total += 1
        self._forget()

    @property
    def count(self) -> int:
        """How often."""
        self._forget()
        return self._total

    @property
    def per_minute(self) -> float:
        """The mean rate over the whole window."""
        return self.count * 60 / WINDOW_S

    def _forget(self) -> None:
        oldest = self._clock() - WINDOW_S
        while self._seconds and self._seconds[0][0] < oldest:
            self._total -= self._seconds.popleft()[1]


class Recent:
    """The windows of one daemon: subscribe `hear`. `clock`: seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.verdicts = {reason: Window(clock) for reason in Reason}
        """Decisions by the first of their reasons."""
        self.reasons = {reason: Window(clock) for reason in Reason}
        """And by each of them."""
        self.alarms = {kind: Window(clock) for kind in AlarmKind}
        self.last_alarm = ""
        """The newest alarm in words; it may be older than the window."""

    def hear(self, told: Told) -> None:
        """Count one event."""
        event = told.event
        if type(event) is ExecutionReport:
            self._decided(event.reasons, 0)
        elif type(event) is Alarm:
            self.alarms[event.kind].add()
            self.last_alarm = f"{event.kind}: {event.text}"

    def _decided(self, reasons: Sequence[Reason], age: float) -> None:
        self.verdicts[reasons[0]].add(age)
        for reason in reasons:
            self.reasons[reason].add(age)

    def remember(self, path: Path, now: int) -> None:
        """Count what the journal at `path` holds of the last minutes before `now` (ns UTC). To be called before it is opened.

        A file that is none, or one of an older version, has nothing to tell.
        """
        try:
            store = Store(path, read_only=True)
        except (NotAJournal, apsw.Error):
            return
        try:
            self._remember(store, now)
        except apsw.Error:
            # Opening it to write will say what is wrong.
            return
        finally:
            store.close()

    def _remember(self, store: Store, now: int) -> None:
        since = now - WINDOW_S * 1_000_000_000
        query = f"SELECT evaluated, body FROM decisions ORDER BY number DESC LIMIT {MOST_REMEMBERED}"
        found: list[tuple[int, str]] = []
        for evaluated, body in store.db.execute(query):
            if int(str(evaluated)) < since:
                break
            found.append((int(str(evaluated)), str(body)))
        for evaluated, body in reversed(found):
            self._decided([Reason(each) for each in json.loads(body)["reasons"]], _age(evaluated, now))
        query = (
            "SELECT j.now, a.kind, a.text FROM alarms a JOIN journal j ON j.seq = a.seq "
            f"ORDER BY a.rowid DESC LIMIT {MOST_REMEMBERED}"
        )
        alarms: list[tuple[int, AlarmKind, str]] = []
        for at, kind, text in store.db.execute(query):
            if int(str(at)) < since:
                break
            alarms.append((int(str(at)), AlarmKind(str(kind)), str(text)))
        for at, kind, text in reversed(alarms):
            self.alarms[kind].add(_age(at, now))
            self.last_alarm = f"{kind}: {text}"


def _age(at: int, now: int) -> float:
    """Seconds; 0 for a time that the machine's clock has not come to yet."""
    return max(0, now - at) / 1e9


__all__ = ["WINDOW_S", "Recent", "Window"]
