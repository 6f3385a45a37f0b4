"""A batch that the file refuses: whose rows those are, and how everything else is written all the same.

Theory. A row that breaks a constraint says nothing about the disk: the next row may be written. Memory is ahead and callers
hold its objects, so nothing is stepped again. The batch is tried row by row under savepoints and rolled back. The orders whose
rows were refused are named by one journalled input, `Quarantined`, which halts their parents; then the batch is written without
their rows, with every input. From then on none of their rows is written. What they were is kept apart, so that a restart knows
their ids and places nothing in their stead.

A refused row that belongs to no order is another matter: then the journal stops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import apsw
import msgspec

from partfill.core.child import Child
from partfill.core.engine import Engine
from partfill.core.parent import Parent, Work
from partfill.journal.batch import NOWHERE
from partfill.model.capabilities import FIX_LIKE
from partfill.model.inputs import Quarantined
from partfill.model.numbers import ZERO
from partfill.model.terms import Terms
from partfill.model.words import Flag, Side

if TYPE_CHECKING:
    from partfill.journal.batch import SealedBatch
    from partfill.journal.keeper import Keeper
    from partfill.journal.store import Store

REFUSED = (apsw.ConstraintError, apsw.MismatchError, apsw.TooBigError)
"""What SQLite says of a row; everything else it says is about the file or the disk, and stops the journal."""

_CHILD: dict[str, Callable[[Any], Iterable[int]]] = {
    "children": lambda row: (row[0],),
    "changed": lambda row: (row[0],),
    "work": lambda row: (row[0],),
    "moved": lambda row: (row[0], row[2]) if row[2] != NOWHERE else (row[0],),
    "gone_executions": lambda row: (row[0],) if row[0] != NOWHERE else (),
    "gone": lambda row: (row[0],),
    "names": lambda row: (row[4],),
    "seen": lambda row: (row[0],),
    "parts": lambda row: (row[0],),
    "gone_parts": lambda row: (row[0],),
    "lost_parts": lambda row: (row[0],),
    "executions": lambda row: (row[0],),
    "unusual": lambda row: (row[0],),
    "reborn": lambda row: (row[0],),
    "audit": lambda row: (row[1],),
    "alarms": lambda row: (row[1],) if row[1] else (),
}
_PARENT: dict[str, Callable[[Any], int]] = {
    "parents": lambda row: row[0],
    "work": lambda row: row[1],
    "decisions": lambda row: row[4],
    "dust": lambda row: row[0],
}


class _Body(msgspec.Struct, frozen=True):
    venue: str
    account: str
    order_ids: tuple[str, ...]
    client_ids: tuple[str, ...]
    ref: str | None = None
    terms: Terms | None = None
    instrument: str | None = None
    side: Side | None = None


_read = msgspec.json.Decoder(_Body).decode
_write = msgspec.json.Encoder().encode


def culprits(store: Store, sealed: SealedBatch, statements: dict[str, str]) -> tuple[set[int], set[int]]:
    """The orders and parent orders whose rows the file refuses. Nothing is written. Raises what it says of a row of nobody."""
    children: set[int] = set()
    parents: set[int] = set()
    db = store.db
    db.execute("BEGIN IMMEDIATE")
    try:
        for table, statement in statements.items():
            for row in sealed.get(table, ()):
                db.execute("SAVEPOINT a_row")
                try:
                    db.execute(statement, row)
                except REFUSED:
                    db.execute("ROLLBACK TO a_row")
                    owners = set(_CHILD[table](row)) if table in _CHILD else set()
                    if table in _PARENT:
                        parents.add(_PARENT[table](row))
                    elif not owners:
                        raise
                    children |= owners
                db.execute("RELEASE a_row")
        if db.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0]:
            orphans(store, sealed, children, parents)
    finally:
        db.execute("ROLLBACK")
    return children, parents


_BELONGS = {
    "executions": (0, "children"),
    "unusual": (0, "children"),
    "work": (0, "children"),
    "decisions": (4, "parents"),
    "dust": (0, "parents"),
}
"""What each row belongs to: column, table."""


def orphans(store: Store, sealed: SealedBatch, children: set[int], parents: set[int]) -> None:
    """The orders and parent orders that rows of the batch belong to, and that have no row themselves."""
    for table, (column, of) in _BELONGS.items():
        for number in {row[column] for row in sealed.get(table, ())}:
            if store.db.execute(f"SELECT 1 FROM {of} WHERE id = ?", (number,)).fetchone() is None:
                (children if of == "children" else parents).add(number)
    for child, parent, _ in sealed.get("work", ()):
        if store.db.execute("SELECT 1 FROM parents WHERE id = ?", (parent,)).fetchone() is None:
            children.add(child)
            parents.add(parent)


def quarantine(engine: Engine, children: set[int], parents: set[int], why: str) -> Quarantined:
    """The input that names them: with an order its parent, with a parent all its orders."""
    for number in children:
        child = engine.children.get(number)
        if child is not None and child.work is not None:
            parents.add(child.work.parent.id)
    for number in parents:
        parent = engine.desk.parents.get(number)
        if parent is not None:
            children.update(child.id for child in parent.children)
    return Quarantined(orders=tuple(sorted(children)), parents=tuple(sorted(parents)), why=why[:500])


def without(sealed: SealedBatch, children: Iterable[int], parents: Iterable[int]) -> SealedBatch:
    """The batch without all rows of these orders and parent orders."""
    gone, gone_parents = set(children), set(parents)
    return {
        table: [
            row for row in rows
            if not (table in _CHILD and not gone.isdisjoint(_CHILD[table](row)))
            and not (table in _PARENT and _PARENT[table](row) in gone_parents)
        ]
        for table, rows in sealed.items()
    }  # fmt: skip


def rows(engine: Engine, put: Quarantined, seq: int) -> list[tuple[Any, ...]]:
    """The `quarantined` rows: what a restart has to know of them."""
    found: list[tuple[Any, ...]] = []
    for number in put.orders:
        child = engine.children.get(number)
        if child is None:
            continue
        parent = child.work.parent if child.work is not None else None
        body = _Body(
            child.venue, child.account, child.order_ids, child.client_ids, None if parent is None else parent.ref,
            None if parent is None else parent.terms, child.instrument, child.side,
        )  # fmt: skip
        found.append((number, 0 if parent is None else parent.id, seq, put.why, _write(body).decode()))
    return found


def remember(keeper: Keeper, number: int, parent_number: int, why: str, blob: str) -> None:
    """Put an order in quarantine back as such: its rows as they were before, or what is known of it where it has none."""
    engine = keeper.engine
    body = _read(blob)
    if parent_number and parent_number not in engine.desk.parents:
        keeper.load_parent(parent_number)
    parent = engine.desk.parents.get(parent_number)
    if parent is None and parent_number and body.ref is not None and body.terms is not None:
        parent = Parent(parent_number, body.venue, body.account, body.ref, body.terms, None)
        engine.desk.remember(parent)
    child = engine.children.get(number) or keeper.load(number)
    if child is None:
        child = Child(number, body.venue, body.account, None, body.client_ids[0] if body.client_ids else None, FIX_LIKE)
        child.order_ids, child.client_ids = body.order_ids, body.client_ids
        child.instrument, child.side = body.instrument, body.side
        if body.order_ids:
            child.ledger.order_id = body.order_ids[-1]
        child.settle()
        engine.restore(child, dict.fromkeys(body.order_ids, child.ledger))
        if parent is not None:
            child.work = Work(parent, body.terms.order_qty or ZERO if body.terms is not None else ZERO)
            parent.children.append(child)
            parent.active.append(child)
    keeper.hide((number,), (parent_number,) if parent_number else ())
    child.mark(Flag.QUARANTINED)
    engine.counters.quarantined += 1
    if parent is not None:
        parent.halted = True
    keeper.unreadable.append(f"order {number} is in quarantine: the file refused its rows: {why}")
