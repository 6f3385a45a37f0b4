"""What a person wants to see of a journal right now: positions, parent orders, the last fills, the last changes and alarms.

Theory of operation. A `Watcher` holds a read-only connection to a file that somebody else writes. `changed` is one pragma;
`look` reads a picture inside one read transaction, so that its parts belong together. Every query walks an index from its
newest end, so the cost of a look does not grow with the history; of positions `held` reads what changed since the last look.

Rules
- It never writes, never locks anybody out, and never shows what is not committed.
- The newest fills and changes come first. Numbers are exact; how they are drawn is not decided here.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from partfill.journal.desk_state import ParentState
from partfill.journal.store import Store
from partfill.model.numbers import text
from partfill.model.words import Flag
from partfill.service.held import Holdings, PositionLine

LAST_ALARMS = 3
CHANGES = 400
"""Rows of the audit trail that are looked through for the newest fills and changes."""

_STOP, _HALTED = (ParentState.__struct_fields__.index(name) for name in ("stop", "halted"))
PARENT_STATE = (
    f"coalesce(p.done, CASE WHEN p.state->>{_HALTED} THEN 'halted' WHEN p.state->>{_STOP} IS NOT NULL THEN 'stopping' "
    "ELSE 'working' END)"
)
"""SQL for the state of a parent order `p`: working, stopping, halted, or how it ended."""
_MARKED = "EXISTS (SELECT 1 FROM work w JOIN children c ON c.id = w.child WHERE w.parent = p.id AND c.flags & {})"
SHOWN_STATE = (
    f"CASE WHEN {_MARKED.format(int(Flag.DISPUTED))} THEN 'disputed' WHEN {_MARKED.format(int(Flag.SUSPECTED))} THEN 'doubted' "
    f"ELSE {PARENT_STATE} END"
)
"""The same to be looked at: what a venue says less of than was heard is doubted or disputed before anything else."""

_PARENTS = (
    "SELECT p.id, p.ref, p.venue, p.account, p.instrument, p.side, p.order_qty, p.price, p.cum_qty, p.avg_px, p.children, "
    f"{SHOWN_STATE} AS state, p.open FROM parents p WHERE p.open = ? ORDER BY p.id DESC LIMIT ?"
)
_FILLS = (
    "SELECT e.seq, j.now AS time, p.ref, c.order_id, c.instrument, c.side, e.key, e.qty, e.px, e.void FROM executions e "
    "JOIN children c ON c.id = e.child LEFT JOIN work w ON w.child = e.child LEFT JOIN parents p ON p.id = w.parent "
    "LEFT JOIN journal j ON j.seq = e.seq WHERE e.child IN ({}) ORDER BY e.born DESC LIMIT ?"
)
_AUDIT = (
    "SELECT a.seq, j.now AS time, a.child, a.changes, p.ref, c.order_id, c.instrument FROM "
    "(SELECT rowid AS n, * FROM audit ORDER BY rowid DESC LIMIT ?) a LEFT JOIN journal j ON j.seq = a.seq "
    "LEFT JOIN children c ON c.id = a.child LEFT JOIN work w ON w.child = a.child LEFT JOIN parents p ON p.id = w.parent "
    "ORDER BY a.n DESC"
)
_ALARMS = (
    "SELECT a.seq, j.now AS time, a.kind, a.text, p.ref FROM (SELECT rowid AS n, * FROM alarms ORDER BY rowid DESC LIMIT ?) a "
    "LEFT JOIN journal j ON j.seq = a.seq LEFT JOIN work w ON w.child = a.child LEFT JOIN parents p ON p.id = w.parent "
    "ORDER BY a.n DESC"
)


class OrderLine(msgspec.Struct, frozen=True):
    """One parent order. `order_qty` is 0 for one sized in cash. `state`: working, stopping, halted, doubted, disputed, or how
    it ended."""

    ref: str
    venue: str
    account: str
    instrument: str
    side: str
    order_qty: Decimal
    price: Decimal | None
    cum_qty: Decimal
    avg_px: Decimal | None
    children: int
    state: str
    open: bool


class FillLine(msgspec.Struct, frozen=True):
    """One execution; `time` is when it reached us (ns UTC), `ref` its parent order's, None for an order without one."""

    seq: int
    time: int | None
    ref: str | None
    order_id: str | None
    instrument: str | None
    side: str | None
    qty: Decimal | None
    px: Decimal | None
    key: str
    void: bool


class NoteLine(msgspec.Struct, frozen=True):
    """Something that happened to an order, or an alarm: `kind` is the alarm's, or "status"."""

    seq: int
    time: int | None
    ref: str | None
    kind: str
    text: str

    @property
    def alarm(self) -> bool:
        """Whether a person should look."""
        return self.kind != "status"


class Picture(msgspec.Struct, frozen=True):
    """A journal as of input `seq`. `killed`: (venue, account, by whom) of every kill switch that is on."""

    seq: int
    time: int
    killed: list[tuple[str, str, str]]
    open: int
    """Parent orders that go on; more than are in `orders` when there are many."""
    orders: list[OrderLine]
    fills: list[FillLine]
    notes: list[NoteLine]
    positions: list[PositionLine] = []
    """Those that are not covered first, then the largest."""
    held: int = 0
    """Positions that are open or not covered; more than are in `positions` when there are many."""
    uncovered: int = 0
    """Positions whose protection is not what it should be."""
    alarms: int = 0
    """Alarms that the journal has, from its beginning on."""
    last_alarms: list[NoteLine] = []
    """The newest `LAST_ALARMS` of them, newest first."""
    writer: str = ""
    """What is wrong with the process that writes the journal, in words; empty where nothing is known to be."""


class _EngineRow(msgspec.Struct, array_like=True):
    next_id: int
    days: list[Any]
    rules: dict[str, Any]
    desk: str = ""
    killed: list[tuple[str, str, str]] = []


class Watcher:
    """Reads pictures of the journal at `path`. Raises `NotAJournal`. Use as a context manager."""

    def __init__(self, path: str | Path) -> None:
        self._store = Store(path, read_only=True)
        self._holdings = Holdings(self._store)
        self._version = -1

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def changed(self) -> bool:
        """Whether anything was committed since the last call; True on the first."""
        row = self._store.db.execute("PRAGMA data_version").fetchone()
        before, self._version = self._version, int(row[0]) if row else 0
        return before != self._version

    def look(self, rows: int = 20, positions: int = 20) -> Picture:
        """The journal now, with at most `rows` orders, fills and notes each, and so many `positions`."""
        self._store.db.execute("BEGIN")
        try:
            return self._look(rows, positions)
        finally:
            self._store.db.execute("COMMIT")

    def _look(self, rows: int, positions: int) -> Picture:
        store = self._store
        seq, now = store.last_input()
        body = store.engine_body()
        killed = msgspec.json.decode(body, type=_EngineRow).killed if body is not None else []
        orders = list(store.rows(_PARENTS, (1, rows)))
        if len(orders) < rows:
            orders += store.rows(_PARENTS, (0, rows - len(orders)))
        count = next(iter(store.db.execute("SELECT count(*) FROM parents WHERE open = 1")))[0]
        audit = list(store.rows(_AUDIT, (CHANGES,)))
        held, uncovered = self._holdings.learn(seq)
        alarms = next(iter(store.db.execute("SELECT coalesce(max(rowid), 0) FROM alarms")))[0]
        return Picture(
            seq, now, killed, int(count), [_order(row) for row in orders], self._fills(audit, rows), self._notes(audit, rows),
            self._holdings.lines(positions), held, uncovered, int(alarms), self._alarms(LAST_ALARMS),
        )  # fmt: skip

    def _fills(self, audit: list[dict[str, Any]], rows: int) -> list[FillLine]:
        touched = {row["child"] for row in audit if row["changes"]}
        found = self._store.rows(_FILLS.format(",".join(str(int(child)) for child in touched)), (rows,))
        return [
            FillLine(row["seq"], row["time"], row["ref"], row["order_id"], row["instrument"], row["side"], _number(row["qty"]),
                     _number(row["px"]), row["key"], bool(row["void"]))
            for row in found
        ]  # fmt: skip

    def _alarms(self, rows: int) -> list[NoteLine]:
        return [
            NoteLine(row["seq"], row["time"], row["ref"], row["kind"], row["text"])
            for row in self._store.rows(_ALARMS, (rows,))
        ]

    def _notes(self, audit: list[dict[str, Any]], rows: int) -> list[NoteLine]:
        notes = self._alarms(rows)
        for row in audit:
            before, after = msgspec.json.decode(row["changes"])
            if before[0] != after[0]:
                said = f"{row['order_id'] or ''} {row['instrument'] or ''} {before[0]} to {after[0]}".strip()
                if Decimal(after[2]):
                    said += f", {text(Decimal(after[2]))} filled"
                notes.append(NoteLine(row["seq"], row["time"], row["ref"], "status", said))
        notes.sort(key=lambda note: note.seq, reverse=True)
        return notes[:rows]


def _order(row: dict[str, Any]) -> OrderLine:
    del row["id"]
    for name in ("order_qty", "price", "cum_qty", "avg_px"):
        row[name] = _number(row[name])
    return OrderLine(**{**row, "open": bool(row["open"])})


def _number(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


__all__ = ["PARENT_STATE", "SHOWN_STATE", "FillLine", "NoteLine", "OrderLine", "Picture", "Watcher"]
