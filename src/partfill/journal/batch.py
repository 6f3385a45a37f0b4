"""What a group of steps writes: one transaction, each row once.

Theory. Steps that come together are committed together. A step stages its input, its new execution rows, its audit
row and its alarms; the order it touched is only remembered. When the batch is sealed, every touched order is encoded
once, in the state after the last step staged so far. Sealing and applying run where the engine runs, so that no step can
come in between; only the commit runs in the writer's thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.core.guard import Protection
from partfill.core.ledger import Ledger
from partfill.core.parent import Parent
from partfill.core.position import Position
from partfill.core.rows import unpack
from partfill.journal.desk_state import dust_row, parent_row, work_row
from partfill.journal.engine_state import freeze_engine_rest
from partfill.journal.parts import place_of
from partfill.journal.position_state import position_row
from partfill.journal.protection_state import protection_row
from partfill.journal.state import freeze_rest
from partfill.model.codec import to_json
from partfill.model.dust import Speck
from partfill.model.events import Alarm
from partfill.model.inputs import DayRolled, Input, VenueDeclared
from partfill.model.numbers import ZERO
from partfill.model.reports import ExecutionReport

_json = msgspec.json.Encoder(decimal_format="string").encode

Row = tuple[Any, ...]
NOWHERE = -1
"""The order to which execution rows go that are no more."""
_INSTRUMENT, _OPEN = 5, 19
"""Where the row of an order has what has an index."""
ORDINARY = 8
"""Columns of an execution that is a quantity at a price and nothing else."""


HANDED_OUT_ONCE = ("gone_names", "names", "seen", "gone_parts", "lost_parts", "parts")
"""Rows that say what came since the last batch: a batch that is sealed again has them no more."""

SealedBatch = dict[str, list[Row]]
"""The rows of one transaction per entry of `store.STATEMENTS`, ready to bind."""


class Batch:
    """Steps staged for one transaction. `size` counts inputs."""

    __slots__ = (
        *(
            "_alarms",
            "_audit",
            "_decisions",
            "_dust",
            "_positions",
            "_protections",
            "_engine",
            "_inputs",
            "_listed",
            "_gone",
            "_moved",
            "_parents",
            "_rows",
            "_touched",
            "_first",
            "last_seq",
        ),
        "size",
    )

    def __init__(self, engine: Engine) -> None:
        self.size = 0
        self.last_seq = 0
        self._first = _numbers(engine)
        """The numbers that the next order and the like had before."""
        self._inputs: list[Row] = []
        self._touched: dict[int, tuple[Child, int]] = {}
        self._rows: dict[tuple[Ledger, str], tuple[int, int, int | None, bool]] = {}
        """Execution rows to be written: order of arrival, newest input, venue time, whether a merger gave that order."""
        self._audit: list[Row] = []
        self._alarms: list[Row] = []
        self._decisions: list[Row] = []
        self._listed: dict[tuple[str, str], Row] = {}
        self._dust: dict[int, tuple[Speck, int]] = {}
        self._positions: dict[int, tuple[Position, int]] = {}
        self._protections: dict[int, tuple[Protection, int]] = {}
        self._moved: list[Row] = []
        """What rows of before this batch go where: all of a ledger, or one to `NOWHERE`. In the order of the steps."""
        self._gone: list[tuple[int, Ledger]] = []
        """Orders that turned out to be another one, with a ledger that is that one's now."""
        self._parents: dict[int, tuple[Parent, int, int]] = {}
        self._engine = False

    def stage(self, seq: int, inp: Input, now: int, effects: Effects, body: bytes | None) -> None:
        """Add one step and all that followed from it. `body` is the input as JSON; without it no history is kept, only what
        memory needs to let orders go."""
        journal = body is not None
        self.size += 1
        self.last_seq = seq
        if body is not None:
            self._inputs.append((seq, now, body.decode()))
        child = effects.child
        if child is not None and effects.changed:
            self._touched[child.id] = (child, seq)
            if journal and effects.after != effects.before:
                self._audit.append((seq, child.id, (effects.before, effects.after)))
        if effects.others or effects.parents or effects.engine:
            self._stage_desk(seq, now, effects, journal=journal)
        for position in effects.positions:
            self._positions[position.number] = (position, seq)
        for protection in effects.protections:
            self._protections[protection.number] = (protection, seq)
        if effects.merged:
            self._stage_merged(effects)
        for place, (ledger, key, venue_time, came) in enumerate(effects.rows):
            if came is None and key in ledger.rows:
                # Most of them: an execution that came, or says something else now.
                known = self._rows.get((ledger, key))
                if known is None:
                    self._rows[ledger, key] = (seq << 16 | min(place, 65_535), seq, venue_time, False)
                else:
                    self._rows[ledger, key] = (known[0], seq, known[2] if venue_time is None else venue_time, known[3])
                continue
            if key not in ledger.rows:
                # It turned out to be a version of another execution.
                self._rows.pop((ledger, key), None)
                whole = _resolved(ledger)
                if key not in whole.rows:
                    # Where the same step then joined that order to another, its row went along.
                    self._moved.append((whole.child.id, place_of(whole), NOWHERE, 0, key))
                continue
            born = seq << 16 | min(place, 65_535)
            source = ledger if came is None or came.source is None else came.source
            known = self._rows.pop((source, key), None) if source is not ledger else self._rows.get((ledger, key))
            if known is None:
                self._rows[ledger, key] = (born, seq, venue_time, came is not None and came.anew)
                continue
            at, anew = (born, True) if came is not None and came.anew else (known[0], known[3])
            self._rows[ledger, key] = (at, seq, known[2] if venue_time is None else venue_time, anew)
        if effects.merged:
            for _, _, ledgers in effects.merged:
                for _, ledger, _ in ledgers:
                    if ledger.into is not None:
                        for key in ledger.rows:
                            self._rows.pop((ledger, key), None)
        for place, event in enumerate(effects.events):
            if type(event) is Alarm:
                self._alarms.append((seq, event.order, event.kind.value, event.text))
            elif type(event) is ExecutionReport and journal:
                self._decisions.append(_decision_row(event, seq, place))
        if type(inp) is VenueDeclared or type(inp) is DayRolled:
            self._engine = True

    def _stage_merged(self, effects: Effects) -> None:
        """Orders that turned out to be others: their rows move, as they would if each step were a transaction of its own."""
        came = {(how.source, key) for _, key, _, how in effects.rows if how is not None}
        for gone, keep, ledgers in effects.merged:
            self._touched.pop(gone, None)
            self._gone.append((gone, ledgers[0][1]))
            for position, ledger, there in ledgers:
                if ledger.into is not None:
                    self._moved.extend((gone, position, NOWHERE, 0, key) for key in ledger.rows if (ledger, key) not in came)
                self._moved.append((gone, position, keep, there, None))

    def _stage_desk(self, seq: int, now: int, effects: Effects, *, journal: bool) -> None:
        """What the desk did besides: other orders, parents, the kill switch."""
        self._engine = self._engine or effects.engine
        for change in effects.others:
            self._touched[change.child.id] = (change.child, seq)
            if journal and change.after != change.before:
                self._audit.append((seq, change.child.id, (change.before, change.after)))
        for parent in effects.parents:
            self._parents[parent.id] = (parent, now, seq)
        for listed in effects.listed:
            place = (listed.venue, listed.instrument)
            self._listed[place] = (*place, listed.quote, listed.base, str(listed.multiplier))
        for speck in effects.specks:
            self._dust[speck.parent] = (speck, seq)

    def seal(self, engine: Engine) -> SealedBatch:
        """Encode everything. Call where the engine runs, with no step since the last one staged."""
        gone_names: list[Row] = []
        for number, ledger in self._gone:
            # Its ids are the other one's since then, so they are among those that came to that one.
            gone_names.extend((*name[:4], number) for name in _new_names(_resolved(ledger).child))
        children: list[Row] = []
        changed: list[Row] = []
        names: list[Row] = []
        executions: list[Row] = []
        unusual: list[Row] = []
        work: list[Row] = []
        seen: list[Row] = []
        parts: list[Row] = []
        lost_parts: list[Row] = []
        anew_parts: list[Row] = []
        for child, seq in self._touched.values():
            if child.work is not None:
                work.append(work_row(child))
            state, diff = freeze_rest(child)
            if diff is not None:
                parts.extend(diff.new)
                lost_parts.extend(diff.gone)
                if diff.anew:
                    anew_parts.append((child.id,))
            row = child_row(child, seq, state)
            kept = (row[_INSTRUMENT], row[_OPEN])
            if child.saved_row == kept:
                changed.append(row)
            else:
                children.append(row)
                child.saved_row = kept
            ids = (len(child.order_ids), len(child.client_ids))
            if child.saved_ids != ids:
                names.extend(_new_names(child))
                child.saved_ids = ids
            if child.unsaved is not None:
                known = child.seen or {}
                seen.extend((child.id, name, known[name]) for name in child.unsaved)
                child.unsaved = None
        reborn: list[Row] = []
        for (ledger, key), (born, seq, venue_time, anew) in self._rows.items():
            row = execution_row(ledger, key, born, seq, venue_time)
            (executions if len(row) == ORDINARY else unusual).append(row)
            if anew:
                reborn.append((*row[:3], born))
        gone: list[Row] = [(number,) for number, _ in self._gone] if self._gone else []
        engine_rows: list[Row] = []
        if self._engine or gone or _numbers(engine) != self._first:
            body, placeholders = freeze_engine_rest(engine)
            engine_rows.append((body.decode(),))
            parts.extend(placeholders)
        # In the order in which they are written; what there is none of is left out.
        sealed: SealedBatch = {}
        for table, rows in (
            ("journal", self._inputs),
            ("children", children),
            ("changed", changed),
            ("parents", [parent_row(*each) for each in self._parents.values()] if self._parents else ()),
            ("work", work),
        ):
            if rows:
                sealed[table] = rows
        if self._moved:
            sealed["moved"] = self._moved
            sealed["gone_executions"] = [*gone, (NOWHERE,)]
        if gone:
            sealed |= {"gone_executions": sealed.get("gone_executions", gone), "gone": gone, "gone_seen": gone}
        for table, rows in (
            ("gone_parts", [*gone, *anew_parts] if gone else anew_parts),
            ("lost_parts", lost_parts),
            ("parts", parts),
            ("gone_names", gone_names),
            ("seen", seen),
            ("names", names),
            ("executions", executions),
            ("unusual", unusual),
            ("reborn", reborn),
            ("audit", [(seq, number, _json(changes).decode()) for seq, number, changes in self._audit]),
            ("alarms", self._alarms),
            ("decisions", self._decisions),
            ("dust", [dust_row(*each) for each in self._dust.values()] if self._dust else ()),
            ("instruments", list(self._listed.values()) if self._listed else ()),
            ("positions", [position_row(*each) for each in self._positions.values()] if self._positions else ()),
            ("protections", [protection_row(*each) for each in self._protections.values()] if self._protections else ()),
            ("engine", engine_rows),
        ):
            if rows:
                sealed[table] = rows
        return sealed

    def unwritten(self) -> None:
        """Nothing of it was written: when it is sealed again, rows are written as if there were none yet."""
        for child, _ in self._touched.values():
            child.saved_row = None


def _numbers(engine: Engine) -> tuple[int, ...]:
    """The numbers that come next."""
    holdings = engine.holdings
    return engine.next_id, engine.desk.next_id, engine.desk.next_protection, 0 if holdings is None else holdings.next_number


def _decision_row(report: ExecutionReport, seq: int, place: int) -> Row:
    """The `decisions` row of a report."""
    return (
        seq << 16 | min(place, 65_535), report.report_id, report.trace_id, seq, report.parent, report.order, report.event,
        report.verdict, report.mode, int(report.carried_out), str(report.filled_qty), str(report.remaining_qty),
        report.evaluated_at, to_json(report).decode(),
    )  # fmt: skip


def child_row(child: Child, seq: int, state: bytes) -> Row:
    """The `children` row of an order, in the order of its columns; `state` is what no other row holds."""
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
        # Nothing is nothing, whatever digits it would have.
        "0" if exact else str(child.provisional_qty or ZERO),
        str(child.overfill_qty) if over else "0",
        str(ledger.notional if alone else child.notional),
        None if average[0] is None else str(average[0]),
        ledger.count if alone else child.executions,
        child.flags
        if exact and child.flags == 0 and total is not None and average[0] is not None and not over
        else child.all_flags(average),
        1 if child.open else 0,
        child.updated,
        seq,
        state.decode(),
    )


def execution_row(ledger: Ledger, key: str, born: int, seq: int, venue_time: int | None) -> Row:
    """The `executions` row of one execution, newest version, in the order of its columns."""
    child = ledger.child
    position = _position(ledger)
    packed = ledger.rows[key]
    if packed[0] not in "!~" and packed.count("|") == 1:
        qty, _, px = packed.partition("|")
        return (child.id, position, key, qty, px or None, venue_time, born, seq)
    row = unpack(packed)
    return (
        child.id,
        position,
        key,
        None if row.qty is None else str(row.qty),
        None if row.px is None else str(row.px),
        venue_time,
        born,
        seq,
        None if row.fee is None else str(row.fee),
        # A correction may give a fee and no currency: that is unknown, which is not none.
        "" if row.fee is not None and row.fee_currency is None else row.fee_currency,
        1 if row.void else 0,
        key.rpartition("\x1f")[2] if row.leg else None,
        packed,
    )


def _resolved(ledger: Ledger) -> Ledger:
    """The ledger that this one is part of now."""
    while ledger.into is not None:
        ledger = ledger.into
    return ledger


def _position(ledger: Ledger) -> int:
    """Where the ledger stands in the chain of its order."""
    ledger = _resolved(ledger)
    return place_of(ledger)


def _new_names(child: Child) -> Iterator[Row]:
    orders, clients = child.saved_ids
    for order_id in child.order_ids[orders:]:
        yield (child.venue, child.account, "order", order_id, child.id)
    for cl_ord_id in child.client_ids[clients:]:
        yield (child.venue, child.account, "client", cl_ord_id, child.id)
