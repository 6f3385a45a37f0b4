"""Proof of a journal: replay every input from nothing, and compare every table and the state hash.

The replay runs through the same engine, the same batches and the same store as live trading, into a temporary file,
with the same letting-go of finished orders, so memory stays bounded. Where the two files differ, the first rows of each
table are shown: a difference means that the file was changed by something else, or that the engine is not
deterministic; both stop trading.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec

from partfill.journal.batch import Batch
from partfill.journal.digits import plain_row
from partfill.journal.engine_state import ENGINE, whole_engine
from partfill.journal.isolate import without
from partfill.journal.keeper import MAX_FINISHED
from partfill.journal.recovery import faults as other_faults
from partfill.journal.recovery import recover
from partfill.journal.salvage import UNREADABLE, faults
from partfill.journal.state import whole
from partfill.journal.store import PARTS_SINCE, Store
from partfill.model.codec import NotAnInput, input_from_journal

TABLES = {
    "children": "SELECT * FROM {}.children ORDER BY id",
    "parents": "SELECT * FROM {}.parents ORDER BY id",
    "work": "SELECT * FROM {}.work ORDER BY child",
    "names": "SELECT * FROM {}.names ORDER BY venue, account, kind, name, child",
    "seen": "SELECT * FROM {}.seen ORDER BY child, name",
    "executions": "SELECT * FROM {}.executions ORDER BY child, ledger, key",
    "audit": "SELECT * FROM {}.audit ORDER BY seq, child",
    "alarms": "SELECT * FROM {}.alarms ORDER BY seq, child, kind, text",
    "decisions": "SELECT * FROM {}.decisions ORDER BY number",
    "dust": "SELECT * FROM {}.dust ORDER BY parent",
    "instruments": "SELECT * FROM {}.instruments ORDER BY venue, instrument",
    "positions": "SELECT * FROM {}.positions ORDER BY id",
    "protections": "SELECT * FROM {}.protections ORDER BY id",
    "engine": "SELECT * FROM {}.engine",
}
"""Every derived table, in an order that does not depend on how it was written. Rows of `parts` are compared with the order that
they are of: an older version wrote them with it."""

SHOWN = 3
"""Differing rows shown per table."""
BATCH = 1000


class Verdict(msgspec.Struct):
    """Outcome: `problems` is empty for a journal that proves itself. Hashes are SHA-256 over all derived rows."""

    inputs: int
    rows: dict[str, int]
    hash_live: str
    hash_replay: str
    problems: list[str]

    @property
    def ok(self) -> bool:
        """True when every table equals its replay."""
        return not self.problems


def verify(path: str | Path, progress: Callable[[int], None] | None = None, *, max_finished: int = MAX_FINISHED) -> Verdict:
    """Replay the journal at `path` and compare. Raises `NotAJournal` for a file that is none."""
    try:
        live = Store(path, read_only=True)
        try:
            return _verify(live, progress, max_finished)
        finally:
            live.close()
    except apsw.Error as error:
        return Verdict(0, {}, "", "", [f"the file is damaged: {type(error).__name__}: {error}"])


def _verify(live: Store, progress: Callable[[int], None] | None, max_finished: int) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="partfill-verify-") as folder:
        fresh = Path(folder) / "replay.db"
        # One read transaction: a writer may go on while we look.
        with live.db:
            damage = [row[0] for row in live.db.execute(f"PRAGMA integrity_check({SHOWN})") if row[0] != "ok"]
            problems, inputs = _replay(live, fresh, progress, max_finished)
            problems.extend(faults(live))
            problems.extend(other_faults(live))
            problems.extend(f"the file is damaged: {each}" for each in damage)
            if live.lost_log is not None:
                problems.append(live.lost_log)
            strays = _parts(live) - {ENGINE} - {number for (number,) in live.db.execute("SELECT id FROM children")}
            problems.extend(f"parts: rows of order {number}, which is not there" for number in sorted(strays)[:SHOWN])
            replay = Store(fresh, read_only=True)
            rows: dict[str, int] = {}
            hashes = hashlib.sha256(), hashlib.sha256()
            for table, query in TABLES.items():
                query = _without_hidden(table, query, live)
                rows[table] = _compare(table, query, live, replay, hashes, problems)
            replay.close()
    return Verdict(inputs, rows, hashes[0].hexdigest(), hashes[1].hexdigest(), problems)


def _replay(live: Store, fresh: Path, progress: Callable[[int], None] | None, max_finished: int) -> tuple[list[str], int]:
    problems: list[str] = []
    store = Store(fresh, durable=False)
    keeper = recover(store, quiet_ns=1 << 62, max_finished=max_finished)
    batch = Batch(keeper.engine)
    hidden = live.quarantined()
    problems.extend(f"order {number} is in quarantine: the file refused its rows: {why}" for number, _, why, _ in hidden)
    orders, parents = {each[0] for each in hidden}, {each[1] for each in hidden}

    def write() -> None:
        sealed = batch.seal(keeper.engine)
        store.write(without(sealed, orders, parents) if hidden else sealed)

    expected = 0
    for seq, now, body in live.inputs():
        expected += 1
        if seq != expected:
            problems.append(f"journal: input {expected} is missing (found {seq})")
            expected = seq
        try:
            inp = input_from_journal(body)
        except NotAnInput as error:
            problems.append(f"journal: input {seq} cannot be read: {error}")
            continue
        keeper.recall(inp)
        effects = keeper.engine.step(inp, now)
        batch.stage(seq, inp, now, effects, body.encode())
        keeper.note(effects, seq)
        if batch.size >= BATCH:
            write()
            keeper.release(0, seq)
            batch = Batch(keeper.engine)
            if progress is not None:
                progress(expected)
    if batch.size:
        write()
    store.close()
    return problems, expected


_OWNERS = {
    **dict.fromkeys(("names", "executions", "audit", "alarms", "work"), ("child", "child")),
    **dict.fromkeys(("decisions", "dust"), ("parent", "parent")),
    "children": ("id", "child"),
    "parents": ("id", "parent"),
}


def _without_hidden(table: str, query: str, live: Store) -> str:
    """Without the orders whose rows the file refused: those are named, and cannot be compared."""
    hidden = live.quarantined()
    if not hidden or table not in _OWNERS:
        return query
    column, which = _OWNERS[table]
    numbers = ", ".join(str(each[which == "parent"]) for each in hidden if each[which == "parent"])
    where = f" WHERE {column} NOT IN ({numbers or '-1'})"
    return query.replace(" ORDER BY", where + " ORDER BY")


def _compare(table: str, query: str, live: Store, replay: Store, hashes: tuple[Any, Any], problems: list[str]) -> int:
    ours: Iterator[tuple[Any, ...]] = live.db.execute(query.format("main"))
    theirs: Iterator[tuple[Any, ...]] = replay.db.execute(query.format("main"))
    if table == "children":
        ours, theirs = _whole(ours, live), _whole(theirs, replay)
    if table == "engine":
        ours, theirs = _whole_engine(ours, live), _whole_engine(theirs, replay)
    count = shown = 0
    while True:
        left, right = next(ours, None), next(theirs, None)
        if left is None and right is None:
            return count
        count += left is not None
        if left != right:
            left, right = plain_row(left), plain_row(right)
        for row, digest in zip((left, right), hashes, strict=True):
            if row is not None:
                digest.update(repr(row).encode())
        if left != right and shown < SHOWN:
            shown += 1
            problems.append(f"{table}: the file has {_brief(left)}, the replay {_brief(right)}")


def _parts(store: Store) -> set[int]:
    """Orders that have rows in table `parts`."""
    if store.version() < PARTS_SINCE:
        return set()
    return {number for (number,) in store.db.execute("SELECT DISTINCT child FROM parts")}


def _whole(rows: Iterator[tuple[Any, ...]], store: Store) -> Iterator[tuple[Any, ...]]:
    """Rows of orders with all that stands in other rows of them."""
    having = _parts(store)
    for row in rows:
        yield (*row[:-1], whole(row[-1], store.parts(row[0]) if row[0] in having else ()))


def _whole_engine(rows: Iterator[tuple[Any, ...]], store: Store) -> Iterator[tuple[Any, ...]]:
    """The row of the engine with all that stands in other rows of it."""
    for row in rows:
        try:
            yield (*row[:-1], whole_engine(row[-1], store.parts(ENGINE)))
        except UNREADABLE:
            yield row


def _brief(row: tuple[Any, ...] | None) -> str:
    return "no such row" if row is None else repr(row)[:300]
