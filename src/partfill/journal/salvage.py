"""Rows that cannot be read: the order is made from its plain columns instead, stands in quarantine, and is named.

An older version could write what no version reads (an id that was a number, a word that was no word of ours). Such a row never
keeps a journal from opening. What stands in for the order knows its ids, so that whatever comes for it is held and nothing is
taken for another order; its totals are those of the columns; its parent is halted, so that nothing is placed in its stead.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from partfill.core.child import Child
from partfill.core.ledger import Ledger
from partfill.core.parent import Done, Parent, Work
from partfill.journal.desk_state import thaw_parent
from partfill.journal.state import is_split, thaw
from partfill.model.capabilities import FIX_LIKE
from partfill.model.numbers import ZERO, NotAnInput, dec
from partfill.model.terms import Terms
from partfill.model.words import Flag, Side

if TYPE_CHECKING:
    from partfill.journal.store import Store

UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
"""What reading a damaged state raises; what SQLite raises is not among them: a disk that fails is another matter."""


def child_from_columns(store: Store, number: int) -> tuple[Child, dict[str, Ledger]]:
    """What stands in for an order whose state cannot be read, in quarantine."""
    row = next(store.rows("SELECT * FROM children WHERE id = ?", (number,)))
    names = list(store.rows("SELECT kind, name FROM names WHERE child = ? ORDER BY kind, name", (number,)))
    child = Child(number, row["venue"], row["account"], row["order_id"], row["cl_ord_id"], FIX_LIKE)
    ledger = child.ledger
    ledger.itemised = _number(row["cum_qty"]) or ZERO
    ledger.notional = _number(row["notional"]) or ZERO
    ledger.rejoin()
    child.cum = ledger.cum
    child.instrument, child.price = row["instrument"], _number(row["price"])
    child.side = Side(row["side"]) if row["side"] else None
    child.order_qty = child.peak_qty = _number(row["order_qty"])
    child.order_ids = tuple(each["name"] for each in names if each["kind"] == "order")
    child.client_ids = tuple(each["name"] for each in names if each["kind"] == "client")
    child.saved_ids = (len(child.order_ids), len(child.client_ids))
    child.updated = row["updated"]
    child.flags = int(row["flags"]) | Flag.QUARANTINED
    child.settle()
    return child, dict.fromkeys(child.order_ids, ledger)


def parent_from_columns(store: Store, number: int) -> Parent:
    """What stands in for a parent order whose state cannot be read: halted, so that nothing is placed for it."""
    row = next(store.rows("SELECT * FROM parents WHERE id = ?", (number,)))
    asked = _number(row["order_qty"]) or ZERO
    terms = Terms(instrument=row["instrument"], side=Side(row["side"]), order_qty=asked, price=_number(row["price"]))
    parent = Parent(number, row["venue"], row["account"], row["ref"], terms, None)
    parent.cum, parent.halted = _number(row["cum_qty"]) or ZERO, True
    parent.attempts = row["children"]
    parent.done = Done(row["done"]) if row["done"] is not None else None
    return parent


def work_from_child(child: Child, parent: Parent) -> None:
    """What stands in for the desk's side of an order that cannot be read: as much as it asked for may still fill."""
    work = child.work = Work(parent, child.order_qty if child.order_qty is not None else child.cum)
    work.settled = not child.open
    # The parent's own row has counted what filled.
    work.seen_cum = child.cum
    parent.halted = True
    parent.children.append(child)
    if not work.settled:
        parent.active.append(child)


def faults(store: Store) -> list[str]:
    """Every order of the file whose state cannot be read, by number and why, for `verify`."""
    found = []
    for row in store.db.execute("SELECT id FROM children ORDER BY id"):
        number = int(row[0])
        state = store.child_state(number)
        try:
            if state is not None:
                thaw(state[0], state[1], {}, None, store.parts(number) if is_split(state[0]) else ())
        except UNREADABLE as error:
            found.append(f"order {number} is in quarantine: its state cannot be read: {_why(error)}")
    for number, ref, blob in store.db.execute("SELECT id, ref, state FROM parents ORDER BY id"):
        try:
            thaw_parent(blob)
        except UNREADABLE as error:
            found.append(f"parent order {number} ({ref}) is halted: its state cannot be read: {_why(error)}")
    return found


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def _number(text: str | None) -> Decimal | None:
    try:
        return None if text is None else dec(text)
    except NotAnInput:
        return None
