"""What a group of steps writes: one transaction, each row once.

Theory. Steps that come together are committed together. A step stages its input, its new execution rows, its audit
row and its alarms; the order it touched is only remembered. When the batch is sealed, every touched order is encoded
once, in the state after the last step staged so far. Sealing runs where the engine runs, so that no step can come in
between; writing runs in the writer's thread on plain tuples.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from partfill.core.child import Child
from partfill.core.effects import Effects, State
from partfill.core.engine import Engine
from partfill.core.engine_state import freeze_engine
from partfill.core.ledger import Ledger
from partfill.core.rows import unpack
from partfill.core.state import freeze
from partfill.model.codec import to_msgpack
from partfill.model.events import Alarm
from partfill.model.inputs import DayRolled, Input, VenueDeclared

_AUDITED = ("ord_status", "order_qty", "cum_qty", "leaves_qty", "notional", "flags")
_json = msgspec.json.Encoder(decimal_format="string").encode

SealedBatch = dict[str, list[tuple[Any, ...]]]
"""Rows per statement of `store.STATEMENTS`, ready to bind."""


class Batch:
    """Steps staged for one transaction. `size` counts inputs."""

    __slots__ = ("_alarms", "_audit", "_engine", "_inputs", "_merged", "_rows", "_touched", "first_id", "last_seq", "size")

    def __init__(self, engine: Engine) -> None:
        self.size = 0
        self.last_seq = 0
        self.first_id = engine.next_id
        self._inputs: list[tuple[Any, ...]] = []
        self._touched: dict[int, tuple[Child, int]] = {}
        self._rows: dict[tuple[Ledger, str], tuple[int, int, int | None, str | None]] = {}
        self._audit: list[tuple[Any, ...]] = []
        self._alarms: list[tuple[Any, ...]] = []
        self._merged: list[tuple[int, int]] = []
        self._engine = False

    def stage(self, seq: int, inp: Input, now: int, effects: Effects, *, journal: bool = True) -> None:
        """Add one step and all that followed from it. Without `journal` only what memory needs to let orders go."""
        self.size += 1
        self.last_seq = seq
        if journal:
            self._inputs.append((seq, now, to_msgpack(inp)))
        for gone, keep in effects.merged:
            self._touched.pop(gone, None)
            self._merged.append((gone, keep.id))
            self._touched[keep.id] = (keep, seq)
        child = effects.child
        if child is not None and effects.changed:
            self._touched[child.id] = (child, seq)
            if journal and effects.after != effects.before:
                self._audit.append((seq, child.id, _difference(effects.before, effects.after)))
        for place, (ledger, key, venue_time, leg) in enumerate(effects.rows):
            known = self._rows.get((ledger, key))
            if known is None:
                self._rows[ledger, key] = (seq << 16 | min(place, 65_535), seq, venue_time, leg)
            else:
                self._rows[ledger, key] = (known[0], seq, known[2] if venue_time is None else venue_time, leg)
        for event in effects.events:
            if type(event) is Alarm:
                self._alarms.append((seq, event.order, event.kind.value, event.text))
        if type(inp) is VenueDeclared or type(inp) is DayRolled:
            self._engine = True

    def seal(self, engine: Engine) -> SealedBatch:
        """Encode everything. Call where the engine runs, with no step since the last one staged."""
        children: list[tuple[Any, ...]] = []
        names: list[tuple[Any, ...]] = []
        executions: list[tuple[Any, ...]] = []
        for child, seq in self._touched.values():
            children.append(child_row(child, seq))
            names.extend(_new_names(child))
        for (ledger, key), (born, seq, venue_time, leg) in self._rows.items():
            executions.append(execution_row(ledger, key, born, seq, venue_time, leg))
        sealed: SealedBatch = {
            "journal": self._inputs,
            "merge_executions": [(keep, gone) for gone, keep in self._merged],
            "merge_child": [(gone,) for gone, _ in self._merged],
            "children": children,
            "names": names,
            "executions": executions,
            "audit": self._audit,
            "alarms": self._alarms,
        }
        if self._engine or self._merged or engine.next_id != self.first_id:
            sealed["engine"] = [(freeze_engine(engine),)]
        return sealed


def child_row(child: Child, seq: int) -> tuple[Any, ...]:
    """The `children` row of an order, in the order of its columns."""
    average = child.average()
    total, cum, leaves = child.order_qty, child.cum, child.leaves
    over = cum > total if total is not None else False
    canceled = child.canceled_qty
    ledger = child.ledger
    alone = len(child.ledgers) == 1
    exact = alone and ledger.cum is ledger.itemised
    return (
        child.id,
        child.venue,
        child.account,
        ledger.order_id,
        child.cl_ord_id,
        child.instrument,
        child.side,
        None if child.price is None else str(child.price),
        child.status,
        None if total is None else str(total),
        str(cum),
        str(leaves),
        None if canceled is None else str(canceled),
        "0" if exact else str(child.provisional_qty),
        str(child.overfill_qty) if over else "0",
        str(ledger.notional if alone else child.notional),
        None if average[0] is None else str(average[0]),
        ledger.count if alone else child.executions,
        child.all_flags(average),
        1 if child.open else 0,
        child.updated,
        seq,
        freeze(child),
    )


def execution_row(ledger: Ledger, key: str, born: int, seq: int, venue_time: int | None, leg: str | None) -> tuple[Any, ...]:
    """The `executions` row of one execution, newest version, in the order of its columns."""
    child = ledger.child
    position = 0 if ledger is child.ledgers[0] else child.ledgers.index(ledger)
    packed = ledger.rows[key]
    if packed[0] not in "!~" and packed.count("|") == 1:
        qty, _, px = packed.partition("|")
        return (child.id, position, key, qty, px or None, None, None, 0, None, venue_time, born, seq, None)
    row = unpack(packed)
    return (
        child.id,
        position,
        key,
        None if row.qty is None else str(row.qty),
        None if row.px is None else str(row.px),
        None if row.fee is None else str(row.fee),
        row.fee_currency,
        1 if row.void else 0,
        leg if leg is not None else key.partition("\x1f")[2] if row.leg else None,
        venue_time,
        born,
        seq,
        packed,
    )


def _new_names(child: Child) -> Iterator[tuple[Any, ...]]:
    orders, clients = child.saved_ids
    for order_id in child.order_ids[orders:]:
        yield (child.venue, child.account, "order", order_id, child.id)
    for cl_ord_id in child.client_ids[clients:]:
        yield (child.venue, child.account, "client", cl_ord_id, child.id)
    child.saved_ids = (len(child.order_ids), len(child.client_ids))


def _difference(before: State, after: State) -> str:
    changes = {}
    for name, was, now in zip(_AUDITED, before, after, strict=True):
        if was is not now and was != now:
            changes[name] = (was, now)
    return _json(changes).decode()
