"""The condition of a file before anything is done with it: is it a journal, is it whole, did whoever wrote it last close it?

Nothing here writes. What is found is told by what it is and what to do about it.

    a file that is        no regular file, empty, no SQLite, another application's, of a newer version
    a file that is not    whole: shorter than its own header says, or without the write-ahead log (`-wal`) that belongs to it

Theory. A process that writes marks the file as open, in the header field that SQLite leaves to applications, and as closed when
it has folded the write-ahead log into it. So an open file without its `-wal` was copied or moved without it, or while somebody
wrote: what was committed last may be missing. The lock file, which a kill leaves behind, has the number of the last input that
was acknowledged; where it is there and the file has that input, nothing is missing: somebody else's tool folded the log.

What cannot be told: a `-wal` of an older copy of the file (SQLite ignores it), a file put back whole from an older backup, and
a changed digit inside a row that is good JSON. The last one `verify` finds, since every fact stands in two tables at least.
"""

from __future__ import annotations

import os
import stat
import struct
import time
from pathlib import Path

import apsw

from partfill.journal.refusals import NotAJournal

MAGIC = b"SQLite format 3\0"
HEADER = 100
OURS = 0x50_46_4A_00
"""The application id of a journal that was closed ("PFJ")."""
OPEN = OURS | 1
"""The same while somebody writes it. Files of before have 0."""
CHECK_S = 1.0
"""Longest time for which a start looks for damage in the pages; `verify` looks at all of them."""
TABLES = {"journal": ("seq", "now", "body"), "children": ("id", "state"), "engine": ("one", "body")}
"""What every journal has, since the first version."""


def look(path: str | Path, *, kept: bool = False) -> bool:
    """Whether the file is there. Raises `NotAJournal` for one that is no journal. `kept`: a kill may have left an empty one."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise NotAJournal(f"{path} cannot be read: {error.strerror}") from None
    if stat.S_ISDIR(found.st_mode):
        raise NotAJournal(f"{path} is a directory; name a file")
    if not stat.S_ISREG(found.st_mode):
        raise NotAJournal(f"{path} is no regular file (a pipe, a socket or a device); name a file")
    if not found.st_size:
        if kept or has_log(path):
            return True
        raise NotAJournal(f"{path} is empty; restore it from a copy, or remove it to begin a new journal")
    return True


def header_of(path: str | Path, handle: int) -> None:
    """Judge the header of a file that is not empty, through a handle that stays open. Raises `NotAJournal`.

    A handle of its own would be closed again, and with it every lock that SQLite has in this process on the file would be gone.
    """
    header, size = os.pread(handle, HEADER, 0), os.fstat(handle).st_size
    if not size:
        return
    if header[:16] != MAGIC[: len(header)] or len(header) < 16:
        raise NotAJournal(f"{path} is no SQLite file; name a new file or a journal that partfill wrote")
    if len(header) < HEADER:
        raise NotAJournal(f"{path} is cut off after {len(header)} bytes; restore it from a copy")
    _is_whole(path, header, size)


def _is_whole(path: str | Path, header: bytes, size: int) -> None:
    """Compare the size with what the header says: only where no write-ahead log is there that may have the rest."""
    page, pages = struct.unpack(">H", header[16:18])[0], struct.unpack(">I", header[28:32])[0]
    page = 65_536 if page == 1 else page
    if page < 512 or page & (page - 1):
        raise NotAJournal(f"{path} is damaged: its header says that a page has {page} bytes; restore it from a copy")
    if pages * page > size and not has_log(path):
        raise NotAJournal(f"{path} is cut off: it has {size} of {pages * page} bytes; restore it from a copy")


def has_log(path: str | Path) -> bool:
    """Whether a write-ahead log with anything in it lies beside the file: whoever reads the file makes an empty one."""
    try:
        return os.path.getsize(f"{os.path.realpath(path)}-wal") > 0
    except OSError:
        return False


def acknowledged(path: str | Path) -> int | None:
    """The last input that the lock file beside the file says was acknowledged; None where there is no lock file."""
    try:
        text = Path(f"{os.path.realpath(path)}.lock").read_text()[:20]
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if len(text) == 20 and text.isdigit() else 0


def left_open(handle: int) -> bool:
    """Whether the file itself, whatever a write-ahead log says, is marked as open."""
    return os.pread(handle, 4, 68) == struct.pack(">I", OPEN)


def lost_log(path: str | Path) -> str:
    """What to say of such a file."""
    return (
        f"{path} was not closed by who wrote it, and its write-ahead log {os.path.basename(path)}-wal is missing: what was "
        "committed last may be in there. Put it beside the file. If it is lost for good, partfill verify --accept-cut takes "
        "the file as it is"
    )  # fmt: skip


def schema(db: apsw.Connection, path: str | Path, newest: int, *, empty: bool) -> int:
    """The version of an open file. Raises `NotAJournal` for another application's file and a newer version."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])  # type: ignore[index]
    if version > newest:
        raise NotAJournal(f"{path} was written by a newer partfill (schema {version}); update partfill to read it")
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not tables:
        if empty and not version:
            return 0
        raise NotAJournal(f"{path} is empty; name a journal that partfill wrote")
    for table, columns in TABLES.items():
        has = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        if not has.issuperset(columns) or not version:
            raise NotAJournal(f"{path} is an SQLite file without a journal; name a new file or a journal of partfill")
    return version


def damage(db: apsw.Connection, path: str | Path, seconds: float = CHECK_S) -> None:
    """Look for damaged pages for so long at most. Raises `NotAJournal` with what was found."""
    end = time.monotonic() + seconds
    db.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    try:
        found = [row[0] for row in db.execute("PRAGMA quick_check(1)") if row[0] != "ok"]
    except apsw.InterruptError:
        # It is too large to look at all of it now.
        return
    except apsw.Error as error:
        found = [f"{type(error).__name__}: {error}"]
    finally:
        db.set_progress_handler(None)
    if found:
        raise NotAJournal(
            f"{path} is damaged: {found[0].splitlines()[-1]}; restore it from a copy, and see partfill verify {path}"
        )
