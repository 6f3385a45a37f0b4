"""What happened to one order or one instrument, in order: what came in, what followed, what was asked of the venue.

    a fill comes in (12)  ->  replace stop 40 to 60 (because of 12)  ->  its reply (15, of 12, after 31 ms)

Theory of operation. The journal holds inputs; events and operations follow from them and are not stored. So all inputs go
through the engine again (`catch_up.replayed`), and of every step that has to do with what is looked for the input is told,
then the events, then the operations. What is told is therefore what truly followed, not what somebody logged of it.

Rules
- A step's operations have the number of its input: that is what they followed from. A reply, the answer to a question and a
  report under the id of a request name the step in which that was asked, and how long ago; a decision the step that wanted one.
- What a traced order made others do is told too: a fill of an entry that resizes a stop. Such an order is followed until
  nothing of it is in flight, in doubt or put off, so its reply, and a question about it, are told as well.
- The input of a step is told whatever it is about: a stop is resized because of the fill of an entry.
- Requests without an answer stand at the end. What was in flight when the process ended is asked for anew and not listed.

Cost: a replay from the first input on. Beside other work on two cores: 13,000 to 17,000 inputs a second of a desk (60 to 80 us
each: orders in four inputs, with their position), 45,000 to 55,000 a second of orders that are only followed. Looking what an
input is about is 1 to 5 us of that; a line that is told costs 15 to 20 us more. Memory: 145 MB after 200,000 inputs and after
1,000,000, what `catch_up` keeps of orders that have ended; beside it the last `REMEMBERED` requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.core.parent import Parent
from partfill.journal.keeper import MAX_FINISHED
from partfill.journal.store import Store
from partfill.model.capabilities import ReplaceQty
from partfill.model.codec import NotAnInput
from partfill.model.commands import Answered, Decide, KillSwitch, Looked, Restarted
from partfill.model.events import Event, PositionChanged, PositionClosed, ProtectionChanged, ProtectionCovered, ProtectionFired
from partfill.model.inputs import Gap, Input, OrderSnapshot
from partfill.model.numbers import add
from partfill.model.operations import Cancel, Operation, Place, Query, Replace
from partfill.model.words import ExecType, Side
from partfill.runtime.catch_up import Step, replayed

REMEMBERED = 10_000
"""Most requests, and decisions that are wanted, of which it is known when they were asked for; older ones are forgotten."""

_FOR_ALL = (KillSwitch, Restarted, Gap)
"""Inputs that name no order and concern many."""
_REPORTS: dict[ExecType | None, tuple[type, ...]] = {
    ExecType.PENDING_NEW: (Place,), ExecType.NEW: (Place,), ExecType.REJECTED: (Place,), ExecType.PENDING_CANCEL: (Cancel,),
    ExecType.CANCELED: (Cancel,), ExecType.PENDING_REPLACE: (Replace,), ExecType.REPLACED: (Replace,),
    ExecType.CANCEL_REJECT: (Cancel, Replace),
}  # fmt: skip
"""Reports that are a venue's word on a request -> the request, if they come under its id."""
_OF_A_POSITION = (PositionChanged, PositionClosed, ProtectionChanged, ProtectionCovered, ProtectionFired)
Scoped = tuple[str, str, str]
"""(venue, account, id)."""


class NotThere(LookupError):
    """The journal knows nothing of what is looked for; the message says what and how to find what there is."""


class Direction(StrEnum):
    """Which way a line goes."""

    CAME = "<-"
    FOLLOWED = "!"
    ASKED = "->"
    OPEN = "?"
    """Asked, and not answered as far as the journal goes."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for: one of `ref` (a parent order's), `order` (venue id or client id) and `instrument` (symbol).

    `venue` and `account` narrow it down; None is any.
    """

    ref: str | None = None
    order: str | None = None
    instrument: str | None = None
    venue: str | None = None
    account: str | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. `seq` is the number of the input in the journal, `now` when that reached us (ns UTC)."""

    seq: int
    now: int
    direction: Direction
    what: Input | Event | Operation
    venue: str = ""
    account: str = ""
    instrument: str | None = None
    side: Side | None = None
    ref: str | None = None
    """The parent order's."""
    order: int = 0
    """partfill's number of the order; 0 for none."""
    order_id: str | None = None
    cl_ord_id: str | None = None
    because: int | None = None
    """Number of the input that this followed from; of a reply, that of the step in which its request was made."""
    took_ns: int | None = None
    """How long before this its request was made; of what is open, how long it waits at the end of the journal."""
    waited_ns: int | None = None
    """How much of that the request waited before it left, as far as the adapter said when it did."""
    known: bool = False
    """True for an input that told nothing new."""
    was: tuple[Decimal | None, Decimal | None] | None = None
    """Of a replace: the quantity and price in force."""
    to: Decimal | None = None
    """Of a replace: the total quantity that it asks for."""


def trace(path: str | Path, wanted: Wanted, *, after: int = 0, max_finished: int = MAX_FINISHED) -> Iterator[Line]:
    """Everything about what is wanted that came after input `after`, oldest first, made as it is read.

    Raises `NotThere` before the first line, `NotAJournal`, and `NotAnInput` where the journal lacks an input or has one that
    cannot be read.
    """
    tracer = _Tracer(path, wanted)
    any_line = False
    step = None
    for expected, step in enumerate(replayed(path, max_finished=max_finished), 1):
        if step.seq != expected:
            raise NotAnInput(f"input {expected} is missing (found {step.seq})")
        lines = tracer.lines(step)
        if lines:
            any_line = True
            if step.seq > after:
                yield from lines
    if not any_line:
        raise tracer.nothing
    if step is not None:
        yield from tracer.unanswered(step)


class _Recent(dict[Any, tuple[int, int, type]]):
    """Key -> (number of a step, its time in ns UTC, what was asked for in it), the newest `REMEMBERED` of them."""

    def note(self, key: Any, step: Step, kind: type) -> None:
        """It was asked for in this step."""
        self.pop(key, None)
        if len(self) >= REMEMBERED:
            del self[next(iter(self))]
        self[key] = (step.seq, step.now, kind)


class _Tracer:
    """Picks from each step what is to be told. Holds numbers and ids of what is looked for, and what was asked."""

    def __init__(self, path: str | Path, wanted: Wanted) -> None:
        """Raises `NotThere`, `NotAJournal`."""
        self.wanted = wanted
        self.nothing = NotThere(f"{_called(wanted)} in {path}; {_hint(wanted, path)}")
        self._numbers: set[int] = set()
        """Orders that are looked for, as far as the journal's tables name them."""
        self._names: set[Scoped] = set()
        """Their ids: what came under one of these before its order was known is theirs."""
        self._followed: set[int] = set()
        """Other parent orders that something is in flight of, because of those."""
        self._asked = _Recent()
        self._decisions = _Recent()
        self._out: dict[Any, Line] = {}
        """Requests and questions without a reply, the newest `REMEMBERED`: what they were asked as -> their line."""
        store = Store(path, read_only=True)
        try:
            self._look_up(store)
        finally:
            store.close()

    def _look_up(self, store: Store) -> None:
        wanted = self.wanted
        name = wanted.ref or wanted.order or wanted.instrument or ""
        execute = store.db.execute
        where = "(?2 IS NULL OR venue = ?2) AND (?3 IS NULL OR account = ?3)"
        given = (name, wanted.venue, wanted.account)
        if wanted.instrument is not None:
            found = bool(execute(f"SELECT 1 FROM children WHERE instrument = ?1 AND {where} LIMIT 1", given).fetchone())
        elif wanted.order is not None:
            self._numbers = {child for (child,) in execute(f"SELECT child FROM names WHERE name = ?1 AND {where}", given)}
            found = bool(self._numbers)
        else:
            parents = [number for (number,) in execute(f"SELECT id FROM parents WHERE ref = ?1 AND {where}", given)]
            for parent in parents:
                self._numbers |= {child for (child,) in execute("SELECT child FROM work WHERE parent = ?", (parent,))}
            found = bool(parents)
        if self._numbers:
            # Once through all names, however many orders there are.
            theirs = "SELECT venue, account, name FROM names WHERE child IN (SELECT value FROM json_each(?))"
            self._names = set(execute(theirs, (str(sorted(self._numbers)),)))
        if not found:
            # A command that was refused is in the journal and in no other table.
            said = msgspec.json.encode(name).decode()
            if execute("SELECT 1 FROM journal WHERE instr(body, ?) LIMIT 1", (said,)).fetchone() is None:
                raise self.nothing

    # ------------------------------------------------------------------ one step

    def lines(self, step: Step) -> list[Line]:
        """What is to be told of a step; nothing when it has nothing to do with what is looked for."""
        engine, _, _, inp, effects = step
        about = self._about(step)
        if type(inp) is Restarted:
            # Nobody waits for these any more.
            self._out.clear()
        for parent in effects.wanted:
            if self._watches_parent(parent):
                self._decisions.note(parent.id, step, Decide)
        key = _reply_to(inp)
        ours = about or key in self._out
        child = effects.child
        if child is not None and not ours:
            ours = self._follows(child)
        operations = [op for op in effects.operations if about or self._of_interest(engine, op.order)]
        places = {(op.venue, op.account, op.instrument) for op in operations}
        if ours and child is not None:
            places.add((child.venue, child.account, child.instrument or ""))
        events = [event for event in effects.events if self._tells(engine, event, places)]
        if not ours and not operations and not any(event.order or type(event) in _OF_A_POSITION for event in events):
            if not (type(inp) in _FOR_ALL and self._touches(effects)):
                return []
        found = [self._came(step)]
        found += (self._line(step, Direction.FOLLOWED, event, event.order) for event in events)
        found += (self._ask(step, op) for op in operations)
        if key is not None:
            self._out.pop(key, None)
        self._let_go(step)
        return found

    def unanswered(self, last: Step) -> Iterator[Line]:
        """What is open after the last step: a report may have answered what no reply ever came to."""
        for line in self._out.values():
            child = last.engine.children.get(line.order)
            work = child.work if child is not None else None
            if work is None:
                continue
            if work.looking if type(line.what) is Query else work.request_id == getattr(line.what, "cl_ord_id", None):
                yield msgspec.structs.replace(line, direction=Direction.OPEN, took_ns=last.now - line.now)

    def _came(self, step: Step) -> Line:
        """The input itself, with what it answers."""
        engine, _, now, inp, effects = step
        since = self._answers(engine, inp)
        sent = getattr(inp, "as_of", None) if type(inp) in (Answered, Looked) else None
        order = effects.child.id if effects.child is not None else 0
        line = self._line(step, Direction.CAME, inp, order)
        waited = sent - since[1] if since is not None and sent is not None and since[1] <= sent <= now else None
        return msgspec.structs.replace(
            line, because=since[0] if since else None, took_ns=now - since[1] if since else None, waited_ns=waited,
            ref=line.ref if line.ref is not None else getattr(inp, "ref", None),
            known=effects.duplicate and not effects.bound and not effects.events,
        )  # fmt: skip

    def _ask(self, step: Step, op: Operation) -> Line:
        """An operation, which is remembered until it is answered."""
        child = step.engine.children.get(op.order)
        line = self._line(step, Direction.ASKED, op, op.order)
        if type(op) is Replace and child is not None:
            opens = child.rules.replace_qty is ReplaceQty.OPEN
            to = add(op.order_qty, op.cum_qty) if opens else op.order_qty
            line = msgspec.structs.replace(line, was=(child.order_qty, child.price), to=to)
        if child is not None and child.work is not None and not self._watches(child):
            self._followed.add(child.work.parent.id)
        key = _question(op) if type(op) is Query else (op.venue, op.account, op.cl_ord_id)
        self._asked.note(key, step, type(op))
        if len(self._out) >= REMEMBERED:
            del self._out[next(iter(self._out))]
        self._out[key] = line
        return line

    def _answers(self, engine: Engine, inp: Input) -> tuple[int, int, type] | None:
        """(number, time, what) of the step in which was asked for what this input is the answer to."""
        key = _reply_to(inp)
        if key is not None:
            return self._asked.get(key)
        if type(inp) is Decide:
            parent = engine.desk.by_ref.get((inp.venue, inp.account, inp.ref))
            return self._decisions.pop(parent.id, None) if parent is not None else None
        if type(inp) is OrderSnapshot and inp.exec_type in _REPORTS:
            asked = self._asked.get((inp.venue, inp.account, inp.cl_ord_id))
            return asked if asked is not None and asked[2] in _REPORTS[inp.exec_type] else None
        return None

    def _line(self, step: Step, direction: Direction, what: Any, order: int) -> Line:
        child = step.engine.children.get(order) if order else None
        venue, account = getattr(what, "venue", None), getattr(what, "account", None)
        instrument = getattr(what, "instrument", None)
        if child is not None:
            venue, account, instrument = child.venue, child.account, child.instrument
        elif not isinstance(instrument, str):
            # A decision brings the whole instrument, a command its terms.
            instrument = getattr(instrument, "symbol", None) or getattr(getattr(what, "terms", None), "instrument", None)
        work = child.work if child is not None else None
        return Line(
            seq=step.seq, now=step.now, direction=direction, what=what, venue=venue or "", account=account or "",
            instrument=instrument, order=order, ref=work.parent.ref if work is not None else getattr(what, "ref", None),
            side=child.side if child is not None else getattr(what, "side", None),
            order_id=child.order_id if child is not None else getattr(what, "order_id", None),
            cl_ord_id=child.cl_ord_id if child is not None else getattr(what, "cl_ord_id", None),
            because=step.seq if direction is not Direction.CAME else None,
        )  # fmt: skip

    # ------------------------------------------------------------------ what is looked for

    def _scoped(self, venue: str, account: str) -> bool:
        wanted = self.wanted
        return (wanted.venue is None or wanted.venue == venue) and (wanted.account is None or wanted.account == account)

    def _watches(self, child: Child) -> bool:
        """Whether this order is one that is looked for."""
        wanted = self.wanted
        if not self._scoped(child.venue, child.account):
            return False
        if wanted.instrument is not None:
            return child.instrument == wanted.instrument
        if child.id in self._numbers:
            return True
        if wanted.order is not None and (wanted.order in child.order_ids or wanted.order in child.client_ids):
            return True
        if wanted.ref is not None and child.work is not None and child.work.parent.ref == wanted.ref:
            return True
        if child.known:
            return False
        return any((child.venue, child.account, name) in self._names for name in (*child.order_ids, *child.client_ids))

    def _watches_parent(self, parent: Parent) -> bool:
        wanted = self.wanted
        if wanted.order is not None:
            return any(map(self._watches, parent.children))
        if not self._scoped(parent.venue, parent.account):
            return False
        return parent.ref == wanted.ref if wanted.ref is not None else parent.terms.instrument == wanted.instrument

    def _of_interest(self, engine: Engine, order: int) -> bool:
        child = engine.children.get(order)
        return child is not None and (self._watches(child) or self._follows(child))

    def _follows(self, child: Child) -> bool:
        return child.work is not None and child.work.parent.id in self._followed

    def _about(self, step: Step) -> bool:
        """Whether the input speaks of what is looked for."""
        engine, _, _, inp, effects = step
        wanted = self.wanted
        child = effects.child
        if child is not None and self._watches(child):
            return True
        venue, account = getattr(inp, "venue", None), getattr(inp, "account", "")
        if venue is None or not self._scoped(venue, account):
            return False
        if wanted.instrument is not None:
            terms = getattr(inp, "terms", None)
            if wanted.instrument in (getattr(inp, "instrument", None), getattr(terms, "instrument", None)):
                # A leg of an order in several instruments, a position, a command that may have been refused.
                return True
        if child is not None:
            return False
        ref = getattr(inp, "ref", None)
        if ref is not None:
            parent = engine.desk.by_ref.get((venue, account, ref))
            return ref == wanted.ref or (parent is not None and self._watches_parent(parent))
        return self._named(engine, venue, account, inp)

    def _named(self, engine: Engine, venue: str, account: str, inp: Input) -> bool:
        """Whether an input that no order took names one that is looked for."""
        for name in ("order_id", "cl_ord_id", "orig_cl_ord_id"):
            value = getattr(inp, name, None)
            if value is None:
                continue
            if value == self.wanted.order:
                return True
            ledger = engine.index.by_order.get((venue, account, value)) if name == "order_id" else None
            child = ledger.child if ledger is not None else engine.index.by_client.get((venue, account, value))
            if child is not None and self._watches(child):
                return True
        return False

    def _tells(self, engine: Engine, event: Event, places: set[Scoped]) -> bool:
        """Whether an event is told: that of an order that is looked for, or of its position, or of no order at all."""
        if isinstance(event, _OF_A_POSITION):
            if (event.venue, event.account, event.instrument) in places:
                return True
            return event.instrument == self.wanted.instrument and self._scoped(event.venue, event.account)
        return not event.order or self._of_interest(engine, event.order)

    def _touches(self, effects: Effects) -> bool:
        """Whether an input for many changed something of what is looked for."""
        return any(self._watches(change.child) for change in effects.others) or any(map(self._watches_parent, effects.parents))

    def _let_go(self, step: Step) -> None:
        """Follow others no longer than something of them is open, or put off."""
        for number in list(self._followed):
            parent = step.engine.desk.parents.get(number)
            works = [child.work for child in parent.active if child.work is not None] if parent is not None else []
            if not any(work.request or work.doubt or work.looking or work.look_at or work.act_at > step.now for work in works):
                self._followed.discard(number)


def _question(of: Query | Looked) -> tuple[str, ...]:
    return ("?", of.venue, of.account, of.cl_ord_id or "", of.order_id or "")


def _reply_to(inp: Input) -> tuple[str, ...] | None:
    """What the request was remembered as that this is the reply to; None for no reply."""
    if type(inp) is Answered:
        return (inp.venue, inp.account, inp.cl_ord_id)
    return _question(inp) if type(inp) is Looked else None


def _called(wanted: Wanted) -> str:
    name = next(
        f"{said} {value}"
        for said, value in (("no order", wanted.ref), ("no order with id", wanted.order), ("nothing of", wanted.instrument))
        if value is not None
    )
    place = "" if wanted.venue is None else f" at {wanted.venue}"
    return name + place + ("" if wanted.account is None else f" of account {wanted.account!r}")


def _hint(wanted: Wanted, path: str | Path) -> str:
    if wanted.instrument is not None:
        return f"partfill orders {path} lists the instruments"
    return f"partfill orders {'--parents ' if wanted.ref is not None else ''}{path} lists them"
