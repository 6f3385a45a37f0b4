"""Recorded messages through the engine: every order rebuilt, every contradiction named.

The same engine, and with a journal the same journal code, as in live trading; only time comes from the recording.

Rules
- Memory is bounded on input of any length: finished orders, and open ones that have been quiet longest, go to a journal
  file (a temporary one where none was asked for) and come back when a late message names them.
- A damaged message is reported with its line, value and what would be right, recorded, and skipped.
- A venue's own totals are compared with what its executions add up to, never taken over.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.low import low
from partfill.journal.batch import Batch
from partfill.journal.keeper import MAX_FINISHED
from partfill.journal.recovery import recover
from partfill.journal.store import Store
from partfill.model.admit import NotAnInput, admit, admit_unkept
from partfill.model.events import Alarm, AlarmKind
from partfill.model.inputs import MAX_RAW, Input, OrderSnapshot, Unreadable
from partfill.model.numbers import text, text_or_none
from partfill.model.observations import ExecutionRevised, ExecutionVoided
from partfill.model.words import OrdStatus, flag_names
from partfill.runtime.reading import Frame, TooLong
from partfill.venues.decoding import Damaged, Decoder, LooksAhead, Message, Printed

BATCH = 500
"""Inputs in one transaction of a journal that is kept."""
NAMED = 10
"""How often a kind of field that is left out is named; what comes more often is counted."""
MAX_KINDS = 500
"""Most kinds of such fields that are told apart."""
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_TAKES_BACK = frozenset({ExecutionVoided, ExecutionRevised})
CLASHES = frozenset(
    {
        *(AlarmKind.KEY_CONFLICT, AlarmKind.ID_CONFLICT, AlarmKind.OVERFILL, AlarmKind.REDUCTION_UNSEEN),
        *(AlarmKind.SPLIT_INEXACT, AlarmKind.KEY_REUSED, AlarmKind.ID_SHARED, AlarmKind.CONTRADICTION),
    }
)
"""Alarms that are contradictions: the venue's messages cannot all be right."""
MAX_OPEN = 20_000
"""Most open orders in memory."""
UNKEPT_BATCH = 50_000
"""Inputs after which memory is written down where no journal is kept."""


LOOKED_AT = 10_000
"""Most frames of the head of a file that are looked at before it is read."""
LOOKED_AT_SIZE = 16 << 20
"""The same in characters."""


def look_ahead(
    frames: Iterator[Frame | TooLong], decoder: LooksAhead, note: Callable[[str], None]
) -> Iterator[Frame | TooLong]:
    """The same frames, after `decoder` has seen the first of them."""
    head: list[Frame | TooLong] = []
    size = 0
    for frame in frames:
        head.append(frame)
        if not isinstance(frame, TooLong):
            decoder.look(frame[1])
            size += len(frame[1])
        if len(head) >= LOOKED_AT or size >= LOOKED_AT_SIZE:
            break
    if settled := decoder.settle():
        note(settled)
    return chain(head, frames)


class Summary(msgspec.Struct):
    """What an audit saw. `contradictions` counts messages whose printed totals differ from the ledger, and alarms that
    say that two statements of the venue cannot both be right."""

    messages: int = 0
    orders: int = 0
    executions: int = 0
    duplicates: int = 0
    parked: int = 0
    contradictions: int = 0
    damaged: int = 0
    odd_fields: int = 0
    """Fields that could not be read and were left out, because no quantity hangs on them."""
    reordered: int = 0
    """Messages that were printed out of their order."""
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 clean, 1 contradictions, 2 something could not be read."""
        return 2 if self.damaged else 1 if self.contradictions else 0


class Audit:
    """One run over one input. `journal` keeps the result as a journal file; otherwise nothing is kept.

    `trace` hears a row per message; `report` hears (line, what) of every damaged message, every contradiction
    and every field that was left out. `note` hears what is true of the whole file.
    """

    def __init__(
        self,
        decoder: Decoder,
        journal: str | Path | None = None,
        *,
        trace: Callable[[dict[str, Any]], None] | None = None,
        report: Callable[[int, str], None] | None = None,
        note: Callable[[str], None] | None = None,
        shown_id: Callable[[str], str] = str,
        max_finished: int = MAX_FINISHED,
        max_open: int = MAX_OPEN,
    ) -> None:
        self.decoder = decoder
        self._shown_id = shown_id
        self.summary = Summary()
        self._trace = trace
        self._report = report or (lambda line, what: None)
        self._note = note or (lambda what: None)
        self._temporary = None if journal is not None else tempfile.TemporaryDirectory(prefix="partfill-")
        path = journal if journal is not None else Path(self._temporary.name) / "spill.db"  # type: ignore[union-attr]
        self._kept = journal is not None
        self.store = Store(path, durable=self._kept)
        # Recorded time says nothing about when a late message may come: only the number in memory counts.
        self._keeper = recover(self.store, quiet_ns=1 << 62, max_finished=max_finished)
        self._keeper.max_open = max_open
        self.engine = self._keeper.engine
        self._seq = self.store.last_seq()
        self._batch = Batch(self.engine)
        self._contradicted: set[int] = set()
        self._odd: Counter[str] = Counter()
        """Fields that were left out, by kind."""
        self._clashes: list[str] = []
        """Alarms of the message at hand that say that two statements of the venue cannot both be right."""

    def __enter__(self) -> Audit:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal; throw a temporary one away."""
        self.store.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def run(self, frames: Iterator[Frame | TooLong], progress: Callable[[int], None] | None = None) -> Summary:
        """Read all frames. `progress` hears the number of messages now and then."""
        began = time.perf_counter()
        if isinstance(self.decoder, LooksAhead):
            frames = look_ahead(frames, self.decoder, self._note)
        for declaration in self.decoder.declare():
            self._step(*admit(declaration), 0)
        for count, frame in enumerate(frames):
            if isinstance(frame, TooLong):
                self._unreadable(frame.line, "", str(frame))
                continue
            self.feed(*frame)
            if progress is not None and not count & 0x3FF:
                progress(self.summary.messages)
        if self._kept or self._keeper.stored:
            self._commit()
        if isinstance(self.decoder, LooksAhead):
            for note in self.decoder.notes():
                self._note(note)
        for kind, times in self._odd.items():
            if times > NAMED:
                self._note(f"left out {times - NAMED:,} times more, the rest was read: {kind}")
        counters = self.engine.counters
        self.summary.orders = counters.orders
        self.summary.executions = counters.executions
        self.summary.duplicates = counters.duplicates
        self.summary.parked = counters.parked
        self.summary.seconds = time.perf_counter() - began
        return self.summary

    def feed(self, line: int, raw: str) -> None:
        """Read one frame that starts at `line`."""
        try:
            messages = tuple(self.decoder.decode(raw, line))
        except Damaged as damaged:
            self._unreadable(line, raw, str(damaged))
            return
        except Exception as error:  # a message never stops an audit
            self._unreadable(line, raw, f"cannot be read ({type(error).__name__}: {error})")
            return
        for message in messages:
            try:
                if self._kept or not raw.isascii() or "\\u" in raw:
                    admitted = [admit(inp, message.at) for inp in message.inputs]
                else:
                    admitted = [(admit_unkept(inp, message.at), b"") for inp in message.inputs]
            except NotAnInput as error:
                self._unreadable(line, raw.encode("utf-8", "replace").decode(), str(error))
                continue
            self._message(line, message, admitted)

    # ------------------------------------------------------------------ inside

    def _message(self, line: int, message: Message, admitted: list[tuple[Input, bytes]]) -> None:
        self.summary.messages += 1
        child: Child | None = None
        duplicate = bool(message.inputs)
        stale: Decimal | None = None
        for inp, body in admitted:
            if stale is not None and isinstance(inp, OrderSnapshot) and inp.cum_qty == stale:
                # The total from before the bust, printed again: what was taken back by name stays taken back.
                inp = msgspec.structs.replace(inp, cum_qty=None, leaves_qty=None, avg_px=None)
                inp, body = admit(inp)
            effects = self._step(inp, body, message.at)
            if type(inp) in _TAKES_BACK and effects.changed:
                before, after = effects.before[2], effects.after[2]
                stale = before if before != after else None
            child = effects.child if effects.child is not None else child
            duplicate = duplicate and (effects.duplicate or effects.aside)
            if isinstance(inp, OrderSnapshot) and effects.ledger is not None and not effects.duplicate and not effects.aside:
                said = low(effects.ledger, inp, message.at if inp.as_of is None else inp.as_of)
                if said is not None:
                    self._clashes.append(said)
        differs = {} if child is None or duplicate else compare(child, message.printed)
        if child is not None and (differs or self._clashes):
            self.summary.contradictions += 1
            self._contradicted.add(child.id)
            self._name(line, child, differs)
        self._clashes = []
        if message.odd:
            self.summary.odd_fields += len(message.odd)
            self._say_odd(line, message.odd)
        if message.remarks:
            self.summary.reordered += 1
            self._report(line, "; ".join(message.remarks))
        if self._trace is not None:
            self._trace(self._shown(trace_line(line, message, child, differs)))

    def _say_odd(self, line: int, odd: tuple[str, ...]) -> None:
        """Name fields that were left out: each kind a few times, the rest of it is counted and named at the end."""
        new = []
        for said in odd:
            kind = _QUOTED.sub("...", said)
            if kind not in self._odd and len(self._odd) >= MAX_KINDS:
                kind = "other fields"
            self._odd[kind] += 1
            if self._odd[kind] <= NAMED:
                new.append(said)
        if new:
            self._report(line, "left out, the rest is read: " + "; ".join(new))

    def _step(self, inp: Input, body: bytes, now: int) -> Effects:
        self._keeper.recall(inp)
        effects = self.engine.step(inp, now)
        self._seq += 1
        self._batch.stage(self._seq, inp, now, effects, body if self._kept else None)
        self._keeper.note(effects, self._seq)
        for event in effects.events:
            if type(event) is Alarm and event.kind in CLASHES:
                self._clashes.append(event.text)
        size = self._batch.size
        if size >= BATCH and (self._kept or self._keeper.crowded or size >= UNKEPT_BATCH):
            self._commit()
        return effects

    def _name(self, line: int, child: Child, differs: dict[str, str | None]) -> None:
        """Say what contradicts what."""
        row = order_line(child)
        order = self._shown_id(child.order_id) if child.order_id is not None else child.cl_ord_id
        said = [f"the venue printed {name} {printed}, its messages add up to {row[name]}" for name, printed in differs.items()]
        self._report(line, f"order {order}: " + "; ".join([*said, *self._clashes]))

    def _commit(self) -> None:
        if self._batch.size:
            self.store.write(self._batch.seal(self.engine))
            self._keeper.release(0, self._seq)
            self._batch = Batch(self.engine)

    def _unreadable(self, line: int, raw: str, why: str) -> None:
        self.summary.damaged += 1
        self._report(line, why)
        clean = raw[:MAX_RAW].encode("utf-8", "replace").decode()
        unreadable = Unreadable(venue=self.decoder.format, raw=clean, error=f"line {line}: {why}")
        self._step(*admit(unreadable), 0)

    def _shown(self, row: dict[str, Any]) -> dict[str, Any]:
        if row["order_id"] is not None:
            row["order_id"] = self._shown_id(row["order_id"])
        return row

    # ------------------------------------------------------------------ results

    def orders(self) -> Iterator[dict[str, Any]]:
        """One result per order, in the order in which they appeared. Call after `run`."""
        if self._keeper.stored:
            numbers: Iterable[int] = (row[0] for row in self.store.db.execute("SELECT id FROM children ORDER BY id"))
        else:
            numbers = sorted(self.engine.children)
        for number in numbers:
            child = self.engine.children.get(number)
            spilled = child is None
            if child is None:
                child = self._keeper.load(number)
            if child is None:
                continue
            yield self._shown(order_line(child, contradicted=number in self._contradicted))
            if spilled:
                self.engine.forget(child)


def order_line(child: Child, *, contradicted: bool = False) -> dict[str, Any]:
    """One order as the audit prints it: quantities and prices as decimal strings."""
    avg = child.average()
    flags = flag_names(child.all_flags(avg))
    if contradicted and "CONTRADICTION" not in flags:
        flags.append("CONTRADICTION")
    return {
        "order_id": child.order_id,
        "cl_ord_id": child.cl_ord_id,
        "instrument": child.instrument,
        "side": None if child.side is None else child.side.value,
        "ord_status": child.status.value,
        "order_qty": text_or_none(child.order_qty),
        "cum_qty": text(child.cum),
        "leaves_qty": text(child.leaves),
        "canceled_qty": text_or_none(child.canceled_qty),
        "overfill_qty": text(child.overfill_qty),
        "provisional_qty": text(child.provisional_qty),
        "notional": text(child.notional),
        "avg_px": text_or_none(avg[0]),
        "executions": child.executions,
        "flags": flags,
    }


def trace_line(line: int, message: Message, child: Child | None, differs: dict[str, str | None]) -> dict[str, Any]:
    """One message as `--trace` prints it: the ledger's values after it, and where the venue printed others."""
    totals: dict[str, str | None] = dict.fromkeys(("ord_status", "order_qty", "cum_qty", "leaves_qty", "avg_px"))
    if child is not None:
        totals = {
            "ord_status": child.status.value,
            "order_qty": text_or_none(child.order_qty),
            "cum_qty": text(child.cum),
            "leaves_qty": text(child.leaves),
            "avg_px": text_or_none(child.avg_px),
        }
    elif message.printed.ord_status is OrdStatus.REJECTED:
        # A request or a status question about an order nobody knows: there is no order, and that is the answer.
        totals |= {"ord_status": OrdStatus.REJECTED.value, "order_qty": "0", "cum_qty": "0", "leaves_qty": "0"}
    return {
        "line": line,
        "msg": message.msg,
        "exec_id": message.exec_id,
        "cl_ord_id": message.cl_ord_id,
        "orig_cl_ord_id": message.orig_cl_ord_id,
        "order_id": message.order_id,
        "exec_type": message.exec_type,
        **totals,
        "differs": differs,
    }


def compare(child: Child, printed: Printed) -> dict[str, str | None]:
    """Each total that the venue printed otherwise than the ledger derives it: name -> what the venue printed."""
    differs: dict[str, str | None] = {}
    if printed.ord_status is not None and printed.ord_status is not child.status:
        differs["ord_status"] = printed.ord_status.value
    for name, theirs, ours in (
        ("order_qty", printed.order_qty, child.order_qty),
        ("cum_qty", printed.cum_qty, child.cum),
        ("leaves_qty", printed.leaves_qty, child.leaves),
    ):
        if theirs is not None and theirs != ours and not (name == "order_qty" and child.cash_qty is not None):
            differs[name] = text(theirs)
    if printed.avg_px is not None and child.cum and not _same_price(child.avg_px, printed.avg_px):
        differs["avg_px"] = text(printed.avg_px)
    return differs


def _same_price(ours: Decimal | None, theirs: Decimal) -> bool:
    """Whether `theirs` is `ours` rounded, in whatever way, at its own last digit. Without a price nothing differs."""
    if ours is None:
        return True
    exponent = theirs.as_tuple().exponent
    return abs(ours - theirs) < Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0) or ours == theirs
