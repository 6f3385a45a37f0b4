"""One writer per journal file, by whatever name it is reached.

Two locks. The one on `FILE.lock` keeps out whoever comes by the same name, older versions too. The one on the file itself keeps
out whoever comes by another: a hard link, a link in a folder, a bind mount, or after somebody removed the lock file. Before
every commit the name must still lead to the file that is locked: a file that was moved away or replaced under a running process
takes no further input.

The lock file says which input was acknowledged last. A kill leaves it behind.

Rules
- The file itself is opened before SQLite opens it and closed after SQLite has: POSIX drops all locks of a process on a file as
  soon as the process closes any handle of it.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from partfill.journal.refusals import InUse, NotAJournal


class WriterLock:
    """Taken when it is made. Raises `InUse`, `NotAJournal`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.real = os.path.realpath(path)
        self._lock_path = self.real + ".lock"
        self.left = os.path.exists(self._lock_path)
        """Whether a process was killed here."""
        self._beside = self._take_beside()
        self.acknowledged = self._read_mark()
        """The last input that was acknowledged before, 0 where nobody knows."""
        self._file: int | None = None

    def hold(self) -> int:
        """Lock the file itself, which is made where it is not there. Returns the handle, which stays open."""
        try:
            self._file = os.open(self.real, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise NotAJournal(
                f"{self.path} cannot be opened for writing: {error.strerror}; does its folder exist, and may it be written?"
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InUse(
                f"{self.path} is being written by another process, perhaps by another name of the file; stop it, or read the "
                "file instead"
            ) from None
        held = os.fstat(self._file)
        self._inode, self._device = held.st_ino, held.st_dev
        return self._file

    def check(self) -> None:
        """Raise `InUse` when the name leads to another file by now, or to none."""
        if self._file is None:
            return
        try:
            # What is held stays what it is: only the name is looked up again.
            found = os.stat(self.real)
            same = found.st_ino == self._inode and found.st_dev == self._device
        except FileNotFoundError:
            same = False
        if not same:
            raise InUse(f"{self.path} was moved away or replaced while it was being written; nothing more is written")

    def mark(self, seq: int) -> None:
        """Input `seq` is on disk and may be acknowledged."""
        os.pwrite(self._beside, b"%020d\n" % seq, 0)

    def drop(self, *, made: bool = False) -> None:
        """Let go; of a file that was `made` for nothing too."""
        with suppress(OSError):
            if made and self._file is not None and not os.fstat(self._file).st_size:
                os.unlink(self.real)
        # While it is still held: nobody else can have a lock on the file of this name.
        with suppress(OSError):
            os.unlink(self._lock_path)
        os.close(self._beside)
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _take_beside(self) -> int:
        while True:
            try:
                lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except OSError as error:
                raise NotAJournal(f"{self.path} cannot be opened for writing: {error.strerror}") from None
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                raise InUse(f"{self.path} is being written by another process; stop it, or read the file instead") from None
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(self._lock_path)):
                    return lock
            # Whoever closed in between took this file away: a lock on it would keep nobody out.
            os.close(lock)

    def _read_mark(self) -> int:
        text = os.pread(self._beside, 20, 0)
        return int(text) if len(text) == 20 and text.isdigit() else 0
