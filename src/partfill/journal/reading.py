"""Opening a journal to read it, wherever it lies.

SQLite reads a file in WAL mode through a small file beside it (`-shm`), which it makes where it is not there. On media that
cannot be written it refuses. Then nobody writes the file either: without a write-ahead log it is read as it is, with one both
are copied to where files may be made.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import apsw

READ = apsw.SQLITE_OPEN_READONLY
_NO = (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError)


def open_to_read(path: str) -> tuple[apsw.Connection, TemporaryDirectory[str] | None]:
    """(connection, the folder of a copy, which goes when the reader closes)."""
    db = None
    try:
        db = apsw.Connection(path, flags=READ)
        db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
        return db, None
    except _NO:
        if db is not None:
            db.close()
        log = f"{os.path.realpath(path)}-wal"
        if os.path.exists(log) and os.path.getsize(log):
            return _copy(path, log)
        real = quote(os.path.realpath(path))
        return apsw.Connection(f"file:{real}?immutable=1", flags=READ | apsw.SQLITE_OPEN_URI), None


def _copy(path: str, log: str) -> tuple[apsw.Connection, TemporaryDirectory[str]]:
    folder = TemporaryDirectory(prefix="partfill-read-")
    copy = Path(folder.name) / "copy.db"
    shutil.copyfile(path, copy)
    shutil.copyfile(log, f"{copy}-wal")
    # A log is read by who may write the file: this copy is nobody else's.
    return apsw.Connection(str(copy)), folder
