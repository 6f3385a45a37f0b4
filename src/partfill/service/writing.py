"""Whether a journal that is watched is still being written: a picture that stands still must not look like a quiet market.

Theory of operation. A thread asks the daemon how it is, once a second, and says in words what is wrong. Where none answers, the
lock file beside the journal tells: a process that ends cleanly takes it away, one that died leaves it and holds it no more.

Rules
- It only asks and reads. Nothing is said where nothing is known.
- A journal at rest, which nobody wrote from the beginning on, is nothing wrong.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from partfill.service.client import NoAnswer, ask

EVERY_S = 1.0
ANSWER_S = 3.0
"""How long the daemon may take to say how it is."""
DIED = "NOBODY WRITES THIS JOURNAL: its process died. Orders go on working at the venues, followed by nobody: start it again"
STOPPED = "NOBODY WRITES THIS JOURNAL: its process was stopped. Orders go on working at the venues, followed by nobody"
SILENT = "THE DAEMON DOES NOT ANSWER: what is shown may be old, and orders may work that nobody follows"


class Writing:
    """Looks after the process that writes the journal at `path`. Use as a context manager; `trouble` is what is wrong now."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._was_alive = False
        self._over = threading.Event()
        self.trouble = ""
        """What is wrong, in words; empty while nothing is known to be."""
        self._thread = threading.Thread(target=self._run, name="partfill-writing", daemon=True)

    def __enter__(self) -> Writing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _run(self) -> None:
        while not self._over.is_set():
            self.look()
            self._over.wait(EVERY_S)

    def look(self) -> str:
        """What is wrong now."""
        try:
            answer = ask(self._path, {"cmd": "status"}, ANSWER_S)
        except NoAnswer:
            # It may just have gone: then nobody holds the journal.
            answer = None
            silent = True
        else:
            silent = False
        held = None if answer is not None else _held(self._path)
        if answer is not None or (held and not silent):
            self._was_alive = True
            self.trouble = ""
        elif silent and held is not False:
            self._was_alive = True
            self.trouble = SILENT
        elif held is False:
            left = os.path.exists(_lock(self._path))
            self.trouble = DIED if left else STOPPED if self._was_alive else ""
        return self.trouble


def _lock(path: str | Path) -> str:
    return os.path.realpath(path) + ".lock"


def _held(path: str | Path) -> bool | None:
    """Whether a process holds the journal; None where that cannot be told."""
    for _ in range(2):
        try:
            lock = os.stat(_lock(path))
        except OSError:
            return False
        try:
            with open("/proc/locks", encoding="ascii", errors="replace") as file:
                held = {line.split()[5] for line in file if len(line.split()) > 5}
        except OSError:
            return None
        if f"{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}:{lock.st_ino}" in held:
            return True
        # One that is being taken just now is locked a moment after it is made.
        time.sleep(0.05)
    return False


__all__ = ["DIED", "SILENT", "STOPPED", "Writing"]
