"""Whether a journal says what the venue says: every order, every execution, nothing lost, nothing doubled.

Theory of operation. The venue's pictures of its orders, executions included, are the truth. The journal is read from its
file, where orders are that have long left memory. What differs is said in words, one line per difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from partfill.journal.store import Store
from partfill.model.numbers import ZERO, add
from partfill.model.observations import OrderSnapshot
from partfill.model.words import OrdStatus


def differences(path: str | Path, truth: Iterable[OrderSnapshot], venue: str) -> list[str]:
    """Where the journal at `path` and the orders of `venue` differ; empty when they are the same.

    `truth` holds every order of the venue, each with all its executions.
    """
    found: list[str] = []
    seen: set[tuple[str, str]] = set()
    store = Store(path, read_only=True)
    try:
        for picture in truth:
            order_id = picture.order_id or ""
            seen.add((picture.account, order_id))
            found.extend(_order(store, picture, order_id))
        claims = "venue = ? AND order_id IS NOT NULL AND (cum_qty <> '0' OR open = 1)"
        for row in store.rows(f"SELECT account, order_id FROM children WHERE {claims}", (venue,)):
            if (row["account"], row["order_id"]) not in seen:
                found.append(f"{row['order_id']}: filled or working here, and the venue has no such order")
        found.extend(_parents(store, venue))
    finally:
        store.close()
    return found


def _order(store: Store, picture: OrderSnapshot, order_id: str) -> list[str]:
    number = (0, *store.find(picture.venue, picture.account, "order", order_id))[-1]
    row = next(store.rows("SELECT * FROM children WHERE id = ?", (number,)), None)
    if row is None:
        rejected = picture.ord_status is OrdStatus.REJECTED
        return [] if rejected else [f"{order_id}: the venue has it, the journal has not"]
    found = []
    names = ("order_qty", "cum_qty", "leaves_qty", "avg_px")
    ours = {name: None if row[name] is None else Decimal(row[name]) for name in names}
    for name in names:
        if ours[name] != getattr(picture, name):
            found.append(f"{order_id}: {name} is {ours[name]} here and {getattr(picture, name)} at the venue")
    if row["ord_status"] != picture.ord_status:
        found.append(f"{order_id}: {row['ord_status']} here and {picture.ord_status} at the venue")
    query = "SELECT key, qty, px, fee FROM executions WHERE child = ? AND void = 0 ORDER BY key"
    here = {each["key"]: (each["qty"], each["px"], each["fee"]) for each in store.rows(query, (number,))}
    there = {each.key: (each.qty, each.px, each.fee) for each in picture.executions or ()}
    for key in sorted(here.keys() ^ there.keys()):
        found.append(f"{order_id}: execution {key} is only {'here' if key in here else 'at the venue'}")
    for key in sorted(here.keys() & there.keys()):
        numbers = tuple(None if each is None else Decimal(each) for each in here[key])
        if numbers != there[key]:
            found.append(f"{order_id}: execution {key} is {numbers} here and {there[key]} at the venue")
    return found


def _parents(store: Store, venue: str) -> list[str]:
    """Parents against their own children: what filled adds up, and is no more than was asked for."""
    found = []
    sums: dict[int, Decimal] = {}
    query = "SELECT w.parent, c.cum_qty FROM work w JOIN children c ON c.id = w.child WHERE c.venue = ?"
    for row in store.rows(query, (venue,)):
        sums[row["parent"]] = add(sums.get(row["parent"], ZERO), Decimal(row["cum_qty"]))
    for row in store.rows("SELECT id, ref, order_qty, cum_qty FROM parents WHERE venue = ?", (venue,)):
        cum, asked = Decimal(row["cum_qty"]), Decimal(row["order_qty"])
        if cum != sums.get(row["id"], ZERO):
            found.append(f"{row['ref']}: {cum} filled, its children {sums.get(row['id'], ZERO)}")
        if asked and cum > asked:
            found.append(f"{row['ref']}: {cum} filled of {asked} asked for")
    return found


__all__ = ["differences"]
