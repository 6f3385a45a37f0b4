"""The SQLite file: opening, migrations, writing sealed batches, reading orders back.

Rules
- WAL and `synchronous=FULL`: a committed batch survives a kill and a power cut. There is exactly one writer per file:
  it holds a lock on `<path>.lock` while it is open. Readers open read-only and never checkpoint.
- A writer that closes last leaves the file itself and nothing beside it. What a kill leaves the next writer takes over.
- The schema lives in numbered files in `sql/`; `PRAGMA user_version` says how many have run.
- A batch is one transaction. It is written whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw

from partfill.journal.batch import SealedBatch
from partfill.journal.condition import OPEN, OURS, acknowledged, damage, has_log, header_of, left_open, look, lost_log, schema
from partfill.journal.lock import WriterLock
from partfill.journal.reading import open_to_read
from partfill.journal.refusals import InUse, NotAJournal

_CHILD_COLUMNS = (
    *("id", "venue", "account", "order_id", "cl_ord_id", "instrument", "side", "price", "ord_status", "order_qty", "cum_qty"),
    *("leaves_qty", "canceled_qty", "provisional_qty", "overfill_qty", "notional", "avg_px", "executions", "flags", "open"),
    *("updated", "seq", "state"),
)
_CHILD_KEPT = ("id", "venue", "account", "instrument", "open")
_ON_KNOWN_EXECUTION = (
    "ON CONFLICT (child, ledger, key) DO UPDATE SET qty = excluded.qty, px = excluded.px, "
    "venue_time = coalesce(excluded.venue_time, venue_time), seq = excluded.seq, fee = excluded.fee, "
    "fee_currency = excluded.fee_currency, void = excluded.void, packed = excluded.packed"
)

_PARENT_COLUMNS = (
    *("id", "venue", "account", "ref", "instrument", "side", "order_qty", "price", "cum_qty", "avg_px", "children", "done"),
    *("open", "updated", "seq", "state"),
)

_DUST_COLUMNS = (
    *("parent", "venue", "account", "instrument", "side", "ref", "order_ids", "qty", "price", "use", "since", "state"),
    *("taken_by", "seq"),
)

_POSITION_COLUMNS = (
    *("id", "venue", "account", "instrument", "qty", "avg_px", "paid", "cost", "realised", "fees", "rounds", "since"),
    *("changed", "seq", "state", "held", "net"),
)

_PROTECTION_COLUMNS = ("id", "venue", "account", "instrument", "side", "qty", "off", "seq", "state")


def _upsert(table: str, columns: tuple[str, ...], fixed: int) -> str:
    """Insert a row, or write all its columns but the first `fixed`, which never change."""
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
        f"ON CONFLICT ({columns[0]}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in columns[fixed:])}"
    )


STATEMENTS = {
    "journal": "INSERT INTO journal (seq, now, body) VALUES (?, ?, ?)",
    "children": (
        f"INSERT INTO children ({', '.join(_CHILD_COLUMNS)}) VALUES ({', '.join('?' * len(_CHILD_COLUMNS))}) "
        f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _CHILD_COLUMNS[3:])}"
    ),
    # Without the columns that an index has, where they are as they were: nothing but the row is written.
    "changed": (
        "UPDATE children SET "
        f"{', '.join(f'{name} = ?{at}' for at, name in enumerate(_CHILD_COLUMNS, 1) if name not in _CHILD_KEPT)} WHERE id = ?1"
    ),
    "parents": _upsert("parents", _PARENT_COLUMNS, 5),
    "work": _upsert("work", ("child", "parent", "state"), 2),
    # A parked order that turned out to be another one: its executions move, one after the other as it happened, those that the
    # other had already and those that turned out to be versions of another to order -1, from where they go.
    "moved": (
        "UPDATE OR REPLACE executions SET child = ?3, ledger = ?4 WHERE child = ?1 AND ledger = ?2 AND (?5 IS NULL OR key = ?5)"
    ),
    "gone_executions": "DELETE FROM executions WHERE child = ?",
    "gone": "DELETE FROM children WHERE id = ?",
    "gone_seen": "DELETE FROM seen WHERE child = ?",
    "gone_parts": "DELETE FROM parts WHERE child = ?",
    "lost_parts": "DELETE FROM parts WHERE child = ? AND part = ? AND key = ?",
    "parts": "INSERT OR REPLACE INTO parts (child, part, key, body) VALUES (?, ?, ?, ?)",
    "gone_names": "DELETE FROM names WHERE venue = ? AND account = ? AND kind = ? AND name = ? AND child = ?",
    "seen": "INSERT OR IGNORE INTO seen (child, name, said) VALUES (?, ?, ?)",
    "names": "INSERT OR REPLACE INTO names (venue, account, kind, name, child) VALUES (?, ?, ?, ?, ?)",
    "executions": (
        "INSERT INTO executions (child, ledger, key, qty, px, venue_time, born, seq, void) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0) "
        + _ON_KNOWN_EXECUTION
    ),
    "unusual": (
        "INSERT INTO executions (child, ledger, key, qty, px, venue_time, born, seq, fee, fee_currency, void, leg, packed) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) " + _ON_KNOWN_EXECUTION
    ),
    # Two orders of arrival became one.
    "reborn": "UPDATE executions SET born = ?4 WHERE child = ?1 AND ledger = ?2 AND key = ?3",
    "audit": "INSERT INTO audit (seq, child, changes) VALUES (?, ?, ?)",
    "alarms": "INSERT INTO alarms (seq, child, kind, text) VALUES (?, ?, ?, ?)",
    "decisions": (
        "INSERT INTO decisions (number, report_id, trace_id, seq, parent, child, event, verdict, mode, carried_out, "
        f"filled_qty, remaining_qty, evaluated, body) VALUES ({', '.join('?' * 14)})"
    ),
    "dust": _upsert("dust", _DUST_COLUMNS, 1),
    "instruments": "INSERT OR REPLACE INTO instruments (venue, instrument, quote, base, multiplier) VALUES (?, ?, ?, ?, ?)",
    "positions": _upsert("positions", _POSITION_COLUMNS, 4),
    "protections": _upsert("protections", _PROTECTION_COLUMNS, 5),
    "quarantined": "INSERT OR REPLACE INTO quarantined (child, parent, seq, why, body) VALUES (?, ?, ?, ?, ?)",
    "engine": "INSERT OR REPLACE INTO engine (one, body) VALUES (1, ?)",
}
"""How each table of a `SealedBatch` is written; a batch has them in this order."""

CHECKPOINT_PAGES = 4_000
"""Pages in the write-ahead log after which the writer folds it into the file: 16 MB."""

PARTS_SINCE = 10
"""The migration that brought table `parts`."""

BUSY_MS = 5_000
"""How long a reader waits for a lock."""


def migrations() -> list[str]:
    """The SQL of every migration, in order."""
    folder = resources.files("partfill.journal") / "sql"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name[:4].isdigit())
    return [(folder / name).read_text("utf-8") for name in names]


def accept_cut(path: str | Path) -> None:
    """Take a file that was left open, and whose write-ahead log is lost for good, as it is. Raises `InUse`, `NotAJournal`."""
    look(path)
    lock = WriterLock(str(path))
    try:
        header_of(path, lock.hold())
        db = apsw.Connection(str(path))
        try:
            schema(db, path, len(migrations()), empty=False)
            db.execute(f"PRAGMA application_id = {OURS}")
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            db.close()
    finally:
        lock.drop()


class Store:
    """One open journal file. `read_only` for everybody but the one writer."""

    def __init__(self, path: str | Path, *, read_only: bool = False, durable: bool = True) -> None:
        self.path = str(path)
        self._lock: WriterLock | None = None
        self._copy: TemporaryDirectory[str] | None = None
        self._marks = durable and not read_only and self.path not in (":memory:", "")
        if read_only:
            self._open_to_read()
            return
        try:
            self._open_to_write(durable=durable)
        except BaseException as error:
            if hasattr(self, "db"):
                self.db.close()
            self._drop_lock(made=True)
            if isinstance(error, apsw.NotADBError):
                raise NotAJournal(f"{path} is no SQLite file; name a new file or a journal that partfill wrote") from None
            if isinstance(error, (apsw.CantOpenError, apsw.ReadOnlyError)):
                raise NotAJournal(
                    f"{path} cannot be opened for writing; does its folder exist, and may it and the file be written?"
                ) from None
            if isinstance(error, apsw.CorruptError):
                raise NotAJournal(
                    f"{path} is damaged: {error}; restore it from a copy, and see partfill verify {path}"
                ) from None
            raise

    def _open_to_write(self, *, durable: bool) -> None:
        there = False
        if self.path not in (":memory:", ""):
            there = look(self.path, kept=True)
            self._lock = lock = WriterLock(self.path)
            if there:
                look(self.path, kept=lock.left)
            handle = lock.hold()
            header_of(self.path, handle)
            cut = left_open(handle) and not has_log(self.path)
        self.db = apsw.Connection(self.path)
        self.db.set_busy_timeout(BUSY_MS)
        version = schema(self.db, self.path, len(migrations()), empty=True)
        if there and version:
            if cut and (not lock.left or self.last_seq() < lock.acknowledged):
                raise NotAJournal(lost_log(self.path))
            damage(self.db, self.path)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        self.db.execute("PRAGMA foreign_keys = ON")
        self.db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self._migrate()
        self._mark(OPEN)

    def _open_to_read(self) -> None:
        if self.path != ":memory:" and not look(self.path):
            raise NotAJournal(f"{self.path} does not exist; name a journal that partfill wrote")
        try:
            self.db, self._copy = open_to_read(self.path)
            self.db.set_busy_timeout(BUSY_MS)
            schema(self.db, self.path, len(migrations()), empty=False)
        except BaseException as error:
            if hasattr(self, "db"):
                self.db.close()
            self._drop_lock()
            if isinstance(error, apsw.NotADBError):
                raise NotAJournal(f"{self.path} is no SQLite file; name a journal that partfill wrote") from None
            if isinstance(error, apsw.CorruptError):
                raise NotAJournal(f"{self.path} is damaged: {error}; restore it from a copy") from None
            raise

    def _mark(self, state: int) -> None:
        """Write into the file itself whether somebody writes it."""
        if self._marks:
            self.db.execute(f"PRAGMA application_id = {state}")
            with suppress(apsw.BusyError):
                # Who reads at this moment delays it to a later one.
                self.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def _drop_lock(self, *, made: bool = False) -> None:
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None
        if self._lock is not None:
            self._lock.drop(made=made)
            self._lock = None

    @property
    def lost_log(self) -> str | None:
        """What to say of a file that was left open and whose write-ahead log is not there; None for any other."""
        application = int(self.db.execute("PRAGMA application_id").fetchone()[0])  # type: ignore[index]
        if application != OPEN or has_log(self.path):
            return None
        mark = acknowledged(self.path)
        return lost_log(self.path) if mark is None or self.last_seq() < mark else None

    def version(self) -> int:
        """Migrations that have run on this file."""
        return int(self.db.execute("PRAGMA user_version").fetchone()[0])  # type: ignore[index]

    def _migrate(self) -> None:
        scripts = migrations()
        for number in range(self.version(), len(scripts)):
            with self.db:
                self.db.execute(scripts[number])
                self.db.execute(f"PRAGMA user_version = {number + 1}")

    def close(self) -> None:
        """Close the file; a writer checkpoints first."""
        if not self.db.readonly("main"):
            with suppress(apsw.Error, InUse):
                if self._lock is not None:
                    self._lock.check()
                self._mark(OURS)
                self.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self.db.close()
        self._drop_lock()

    # ------------------------------------------------------------------ writing

    def write(self, sealed: SealedBatch) -> None:
        """Apply and commit one sealed batch: whole, or not at all. Raises what SQLite raises."""
        self.apply(sealed)
        self.commit()
        inputs = sealed.get("journal")
        if inputs:
            self.acknowledge(inputs[-1][0])

    def apply(self, sealed: SealedBatch) -> None:
        """Open the transaction of one sealed batch: into the page cache, not yet on disk. `commit` must follow. Raises `InUse`
        where the name of the file leads to another one by now."""
        if self._lock is not None:
            self._lock.check()
        execute, executemany = self.db.execute, self.db.executemany
        execute("BEGIN IMMEDIATE")
        try:
            for table, rows in sealed.items():
                executemany(STATEMENTS[table], rows)
            if self.db.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0]:
                # SQLite would say so at the commit, when it is too late to leave a row out.
                raise apsw.ConstraintError("a row belongs to an order that has no row")
        except BaseException:
            self._roll_back()
            raise

    def commit(self) -> None:
        """Make the applied batch durable. One call into SQLite, which lets other threads run."""
        try:
            self.db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def acknowledge(self, seq: int) -> None:
        """Note that everything up to input `seq` is durable. Call before anybody hears of it."""
        if self._lock is not None:
            self._lock.mark(seq)

    def end_protections(self, numbers: Iterable[int]) -> None:
        """Protections that cannot be read are wanted no more: their places are free for others."""
        with self.db:
            self.db.executemany("UPDATE protections SET off = 1 WHERE id = ?", [(number,) for number in numbers])

    def _roll_back(self) -> None:
        if not self.db.getautocommit():
            self.db.execute("ROLLBACK")

    # ------------------------------------------------------------------ reading

    def last_seq(self) -> int:
        """Sequence number of the last input; 0 for an empty journal."""
        row = self.db.execute("SELECT max(seq) FROM journal").fetchone()
        return int(row[0] or 0) if row else 0

    def last_input(self) -> tuple[int, int]:
        """(sequence number, time in ns UTC) of the last input; zeros for an empty journal."""
        row = self.db.execute("SELECT seq, now FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def engine_body(self) -> str | None:
        """The frozen engine without its orders."""
        row = self.db.execute("SELECT body FROM engine").fetchone()
        return row[0] if row else None

    def inputs(self, after: int = 0) -> Iterator[tuple[int, int, str]]:
        """(seq, now, body) of every input after `after`, in order, one by one."""
        yield from self.db.execute("SELECT seq, now, body FROM journal WHERE seq > ? ORDER BY seq", (after,))

    def open_children(self) -> list[int]:
        """Numbers of the orders on which something may still happen."""
        return [number for (number,) in self.db.execute("SELECT id FROM children WHERE open = 1 ORDER BY id")]

    def open_parents(self) -> list[int]:
        """Numbers of the parent orders that go on."""
        return [number for (number,) in self.db.execute("SELECT id FROM parents WHERE open = 1 ORDER BY id")]

    def open_dust(self) -> list[tuple[Any, ...]]:
        """Rows of the dust that waits, oldest first, in the order of their columns."""
        return list(self.db.execute(f"SELECT {', '.join(_DUST_COLUMNS)} FROM dust WHERE state = 'open' ORDER BY since, parent"))

    def instruments(self) -> list[tuple[Any, ...]]:
        """(venue, instrument, quote, base, multiplier) of every instrument of which a venue said something."""
        return list(self.db.execute("SELECT venue, instrument, quote, base, multiplier FROM instruments"))

    def positions(self) -> list[tuple[Any, ...]]:
        """Rows of all positions, in the order of their columns."""
        return list(self.db.execute(f"SELECT {', '.join(_POSITION_COLUMNS)} FROM positions ORDER BY id"))

    def protections(self) -> list[tuple[Any, ...]]:
        """Rows of all protections that are wanted, in the order of their columns."""
        columns = ", ".join(_PROTECTION_COLUMNS)
        return list(self.db.execute(f"SELECT {columns} FROM protections WHERE off = 0 ORDER BY id"))

    def quarantined(self) -> list[tuple[int, int, str, str]]:
        """(order, its parent or 0, why, what is known of it) of every order whose rows this file refused."""
        if self.db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'quarantined'").fetchone() is None:
            # A file of before, which is only read.
            return []
        return list(self.db.execute("SELECT child, parent, why, body FROM quarantined ORDER BY child"))

    def parent_of(self, child: int) -> int | None:
        """The parent that this order was placed for."""
        row = self.db.execute("SELECT parent FROM work WHERE child = ?", (child,)).fetchone()
        return int(row[0]) if row else None

    def find_parent(self, venue: str, account: str, ref: str) -> int | None:
        """The parent order of this user id."""
        where = "venue = ? AND account = ? AND ref = ?"
        row = self.db.execute(f"SELECT id FROM parents WHERE {where}", (venue, account, ref)).fetchone()
        return int(row[0]) if row else None

    def accounts(self, venue: str) -> list[str]:
        """Every account of a venue that has an order: one look into an index for each, however many orders there are."""
        found: set[str] = set()
        for table in ("parents", "names"):
            account: str | None = None
            while True:
                after = "" if account is None else "AND account > ?2"
                row = self.db.execute(
                    f"SELECT min(account) FROM {table} WHERE venue = ?1 {after}", (venue, account)[: 1 + bool(after)]
                ).fetchone()
                if row is None or row[0] is None:
                    break
                account = row[0]
                found.add(row[0])
        return sorted(found)

    def parent_state(self, number: int) -> tuple[str, list[tuple[int, str]]] | None:
        """(state, [(child, state of its work)], oldest first) of one parent order."""
        row = self.db.execute("SELECT state FROM parents WHERE id = ?", (number,)).fetchone()
        if row is None:
            return None
        return row[0], list(self.db.execute("SELECT child, state FROM work WHERE parent = ? ORDER BY child", (number,)))

    def find(self, venue: str, account: str, kind: str, name: str) -> list[int]:
        """The orders that this id leads to, oldest first: several where it was used again."""
        where = "venue = ? AND account = ? AND kind = ? AND name = ?"
        found = self.db.execute(f"SELECT child FROM names WHERE {where} ORDER BY child", (venue, account, kind, name))
        return [number for (number,) in found]

    def seen(self, number: int) -> list[tuple[str, str]]:
        """(name, what it said) of everything that was applied to one order once."""
        return list(self.db.execute("SELECT name, said FROM seen WHERE child = ? ORDER BY name", (number,)))

    def parts(self, number: int) -> list[tuple[str, str, str]]:
        """(part, key, body) of what stands in rows of one order."""
        if self.version() < PARTS_SINCE:
            # A file of before, which is only read.
            return []
        return list(self.db.execute("SELECT part, key, body FROM parts WHERE child = ? ORDER BY part, key", (number,)))

    def child_state(self, number: int) -> tuple[str, list[tuple[int, str, str]]] | None:
        """(state, executions in order of arrival) of one order."""
        row = self.db.execute("SELECT state FROM children WHERE id = ?", (number,)).fetchone()
        if row is None:
            return None
        rows = self.db.execute(
            "SELECT ledger, key, coalesce(packed, qty || '|' || coalesce(px, '')) FROM executions "
            "WHERE child = ? ORDER BY born",
            (number,),
        )
        return row[0], list(rows)

    def rows(self, sql: str, bindings: tuple[Any, ...] = ()) -> Iterator[dict[str, Any]]:
        """Rows of any query as dictionaries, one by one."""
        cursor = self.db.execute(sql, bindings)
        names: list[str] | None = None
        for row in cursor:
            if names is None:
                names = [column[0] for column in cursor.get_description()]
            yield dict(zip(names, row, strict=True))


__all__ = ["STATEMENTS", "InUse", "NotAJournal", "Store", "accept_cut", "migrations"]
