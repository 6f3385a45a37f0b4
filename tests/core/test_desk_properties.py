"""Whatever is fed to the desk, right or wrong: no exception, one request at a time, the law, ids used once, the same again.

A script is a list of moves; each becomes one input by what the desk has asked for so far, so that scripts meet live requests,
and lies about them, often. Nothing here knows what is true: a venue that contradicts itself may put an order in quarantine.
"""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.journal.desk_state import parent_row, thaw_parent, thaw_work, work_row
from partfill.journal.engine_state import freeze_engine, thaw_engine
from partfill.journal.position_state import position_row, thaw_position
from partfill.journal.state import freeze, thaw
from partfill.model.capabilities import Capabilities, Chain, ReduceOnly
from partfill.model.codec import to_json
from partfill.model.commands import Amend, Answered, KillSwitch, Looked, Outcome, Restarted, Stop, Submit, Tick, Track, Untrack
from partfill.model.inputs import Input
from partfill.model.observations import ExecutionRevised, ExecutionVoided, OrderLinked, OrderSnapshot
from partfill.model.operations import Operation, Place, Query
from partfill.model.refusals import Refusal
from partfill.model.words import ExecType, OrdStatus, Request
from partfill.sim.kinds import KINDS
from tests.core.driven import VENUE, Driven, execution, rule, terms
from tests.core.evidence import rows_of

QTY = st.sampled_from(["1", "3", "4", "5", "10", "25"])
MAYBE = st.none() | QTY.map(Decimal)
ORDER_ID = st.sampled_from(["O1", "O2", "O3", "O4"])
REF = st.sampled_from(["p", "q"])
SMALL = st.integers(0, 5)
"""Picks one of the latest requests, questions or ids."""


def dec(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


class Move(msgspec.Struct, frozen=True):
    """One thing that happens: what, and everything it may need. `wait` is the time before it (ns)."""

    kind: str
    wait: int
    ref: str
    pick: int
    qty: str
    other: Decimal | None
    order_id: str | None
    word: OrdStatus | None
    exec_type: ExecType | None
    outcome: Outcome
    request: Request
    yes: bool
    no: bool


COMMANDS = ("submit", "submit", "stop", "amend", "amend", "kill", "track", "untrack", "restart", "tick", "tick")
REPORTS = ("poll", "poll", "report", "report", "report", "fill", "fill", "fill", "void", "revise", "link")
ANSWERS = ("answer", "answer", "answer", "look", "look", "look", "wild answer", "wild look")

MOVES = st.lists(
    st.builds(
        Move,
        kind=st.sampled_from(COMMANDS + REPORTS + ANSWERS),
        wait=st.sampled_from([1, 1_000_000, 300_000_000, 3_000_000_000, 40_000_000_000]),
        ref=REF,
        pick=SMALL,
        qty=QTY,
        other=MAYBE | st.just(Decimal(0)),
        order_id=st.none() | ORDER_ID,
        word=st.none() | st.sampled_from(OrdStatus),
        exec_type=st.none() | st.sampled_from(ExecType),
        outcome=st.sampled_from(Outcome),
        request=st.sampled_from(Request),
        yes=st.booleans(),
        no=st.booleans(),
    ),
    min_size=1,
    max_size=40,
)
ODD = [
    Capabilities(executions_complete=True, keys_made=True),
    Capabilities(executions_complete=True, keys_made=True, chain=Chain.RESTARTS),
    Capabilities(executions_complete=True, end_is_final=False, shows_slices=True),
    Capabilities(reduce_only=ReduceOnly.SUM, can_replace=True),
]
RULES = st.sampled_from([kind.capabilities for kind in KINDS] + ODD)
REASONS = (None, *Refusal, "no")


def client_id(move: Move, ops: list[Operation]) -> str | None:
    """An id of ours: of the order or request of one of the latest operations, or none."""
    if move.pick == 5 or not ops:
        return "mine" if move.yes else None
    return ops[-1 - move.pick % len(ops)].cl_ord_id


def polled(move: Move, cl_ord_id: str | None, now: int) -> OrderSnapshot:
    """An answer to a question about the whole order, by our clock: what proves ends, and what is low."""
    keys = [f"x{move.pick}", f"x{move.pick + 1}"][: 1 + move.no]
    listed = tuple(execution(key, move.qty, move.order_id) for key in keys) if move.order_id is not None else None
    whole = Decimal(move.qty) * len(keys)
    return OrderSnapshot(
        venue=VENUE, order_id=move.order_id, cl_ord_id=cl_ord_id, ord_status=move.word, instrument="ACME", executions=listed,
        status_text="odd" if move.word is None and move.no else None, cum_qty=whole if move.yes else move.other,
        leaves_qty=move.other if move.yes else Decimal(0), order_qty=Decimal(10) if move.no else None, asked=now, as_of=now,
    )  # fmt: skip


def snapshot(move: Move, cl_ord_id: str | None, as_of: int | None = None) -> OrderSnapshot:
    if move.pick == 2:
        return polled(move, cl_ord_id, as_of or 1)
    executions = (execution(f"x{move.pick}", move.qty, move.order_id),) if move.yes and move.order_id is not None else None
    return OrderSnapshot(
        venue=VENUE, order_id=move.order_id, cl_ord_id=cl_ord_id, exec_type=move.exec_type, ord_status=move.word,
        order_qty=Decimal(move.qty) if move.no else None, cum_qty=move.other, leaves_qty=move.other if move.yes else None,
        executions=executions, instrument="ACME", replaced=move.yes and move.no, as_of=as_of,
    )  # fmt: skip


def as_input(move: Move, ops: list[Operation], now: int) -> Input:
    """What the move is, given what was asked of the venue so far."""
    kind, yes, cl = move.kind, move.yes, client_id(move, ops)
    requests = [op for op in ops if not isinstance(op, Query)]
    questions = [op for op in ops if isinstance(op, Query)]
    as_of = None if move.pick == 4 else now - (10**9 if move.no else 0)
    order = snapshot(move, cl, as_of) if yes else None
    match kind:
        case "submit":
            return Submit(venue=VENUE, ref=move.ref, terms=terms(move.qty), resubmit=rule("1", 2) if yes else None)
        case "stop":
            return Stop(venue=VENUE, ref=move.ref)
        case "amend":
            return Amend(venue=VENUE, ref=move.ref, order_qty=dec(move.qty) if yes or not move.no else None,
                         price=Decimal(100 + move.pick) if move.no else None)  # fmt: skip
        case "kill":
            return KillSwitch(venue="*" if move.no else VENUE, on=yes, by="test")
        case "track":
            return Track(venue=VENUE, ref=f"t{move.ref}", terms=terms(move.qty), cl_ord_id=cl or "mine", order_id=move.order_id,
                         resubmit=rule("1", 2) if yes else None)  # fmt: skip
        case "untrack":
            return Untrack(venue=VENUE, ref=move.ref)
        case "restart":
            return Restarted(desk="z")
        case "fill":
            return execution(
                f"x{move.pick}", move.qty, move.order_id, **({} if move.order_id is not None else {"cl_ord_id": cl or "mine"})
            )
        case "void":
            return ExecutionVoided(venue=VENUE, order_id=move.order_id or "O1", key=f"x{move.pick}", leaves_qty=move.other)
        case "revise":
            return ExecutionRevised(venue=VENUE, order_id=move.order_id or "O1", key=f"x{move.pick}", qty=Decimal(move.qty),
                                    new_key=f"y{move.pick}" if yes else None)  # fmt: skip
        case "link":
            return OrderLinked(venue=VENUE, order_id=move.order_id or "O1", new_order_id=f"O{1 + move.pick}")
        case "answer" if requests:
            op = requests[-1 - move.pick % len(requests) % 2]
            right = {"Place": Request.PLACE, "Cancel": Request.CANCEL, "Replace": Request.REPLACE}[type(op).__name__]
            return Answered(venue=VENUE, request=right, cl_ord_id=op.cl_ord_id, outcome=move.outcome, order=order, as_of=as_of,
                            reason=REASONS[move.pick % len(REASONS)])  # fmt: skip
        case "look" if questions:
            asked = questions[-1 - move.pick % len(questions) % 2]
            return Looked(venue=VENUE, cl_ord_id=asked.cl_ord_id, order_id=asked.order_id, order=order,
                          definite=move.pick < 4 and as_of is not None,
                          error="no" if move.pick == 3 else None, as_of=as_of,
                          candidates=("O1", "O2") if move.pick == 1 and move.no else ())  # fmt: skip
        case "poll":
            return polled(move, cl if cl is not None or move.order_id is not None else "mine", now)
        case "wild answer":
            return Answered(
                venue=VENUE,
                request=move.request,
                cl_ord_id=cl or "mine",
                outcome=move.outcome,
                order=order,
                as_of=as_of,
                reason=REASONS[-1 - move.pick],
            )
        case "wild look":
            return Looked(venue=VENUE, cl_ord_id=cl, order_id=move.order_id if cl is not None else "O1", order=order,
                          definite=move.no and as_of is not None, as_of=as_of)  # fmt: skip
        case "report":
            return snapshot(move, cl if cl is not None or move.order_id is not None else "mine")
        case _:
            return Tick()


def live(rules: Capabilities, moves: list[Move]) -> Driven:
    """Feed a script; everything that must hold is checked after each input."""
    desk = Driven(rules, strict=False)
    for move in moves:
        desk.now += move.wait
        desk.feed(as_input(move, desk.ops, desk.now))
        assert not [event.text for event in desk.events if "Error on" in getattr(event, "text", "")]
        assert not [event.text for event in desk.events if "Error in the plan" in getattr(event, "text", "")]
    return desk


def told(effects: Effects) -> tuple[list[bytes], list[Any]]:
    return [to_json(event) for event in effects.events], list(effects.operations)


@given(RULES, MOVES)
def test_nothing_that_is_said_breaks_the_desk(rules: Capabilities, moves: list[Move]) -> None:
    desk = live(rules, moves)
    for parent in desk.engine.desk.parents.values():
        assert parent.exposure <= parent.limit or parent.terms.cash_order_qty is not None
    assert not [event.text for event in desk.events if getattr(event, "kind", None) == "law"]


@given(RULES, MOVES)
def test_the_same_inputs_give_the_same_operations_and_events(rules: Capabilities, moves: list[Move]) -> None:
    desk = live(rules, moves)
    again = Engine()
    operations = []
    events = []
    for inp, now in desk.log:
        effects = again.step(inp, now)
        operations.extend(effects.operations)
        events.extend(effects.events)
    assert operations == desk.ops
    assert events == desk.events


class Kept:
    """What a journal would have of an engine: rewritten only for what a step says that it changed."""

    def __init__(self) -> None:
        self.children: dict[int, tuple[bytes, list[tuple[int, str, str]], Any]] = {}
        self.parents: dict[int, str] = {}
        self.positions: dict[int, tuple[Any, ...]] = {}
        self.engine = freeze_engine(Engine())

    def note(self, engine: Engine, effects: Effects) -> None:
        touched: list[Child] = [change.child for change in effects.others]
        if effects.child is not None and effects.changed:
            touched.append(effects.child)
        for child in touched:
            if child.id in engine.children:
                self.children[child.id] = self.row(child)
        for number, _, _ in effects.merged:
            self.children.pop(number, None)
        for parent in effects.parents:
            self.parents[parent.id] = str(parent_row(parent, 0, 0)[-1])
        for position in effects.positions:
            self.positions[position.number] = position_row(position, 0)
        self.engine = freeze_engine(engine)

    @staticmethod
    def row(child: Child) -> tuple[bytes, list[tuple[int, str, str]], Any]:
        return freeze(child), rows_of(child), None if child.work is None else work_row(child)

    def same_as(self, engine: Engine) -> None:
        """Nothing changed that no step spoke of."""
        assert self.children.keys() == engine.children.keys()
        for number, child in engine.children.items():
            assert self.children[number] == self.row(child), f"order {number} changed and nobody said so"
        assert self.parents == {number: str(parent_row(each, 0, 0)[-1]) for number, each in engine.desk.parents.items()}
        held = engine.holdings.positions.values() if engine.holdings is not None else ()
        assert self.positions == {position.number: position_row(position, 0) for position in held if position.changed}

    def thaw(self, old: Engine) -> Engine:
        """An engine made of what was kept, with the timers of the one before."""
        engine = thaw_engine(self.engine)
        for each in self.positions.values():
            assert engine.holdings is not None
            engine.holdings.remember(thaw_position(each))
        for number, blob in sorted(self.parents.items()):
            parent = thaw_parent(blob)
            assert parent.id == number
            engine.desk.remember(parent)
        for _, (blob, rows, work) in sorted(self.children.items()):
            child, ledgers = thaw(blob, rows, engine.rules)
            engine.restore(child, ledgers)
            if work is not None:
                thaw_work(work[2], child, engine.desk.parents[work[1]])
        engine.next_id, engine.desk.timers = old.next_id, deepcopy(old.desk.timers)
        return engine


@given(RULES, MOVES, st.integers(0, 40))
def test_frozen_at_any_point_and_brought_back_it_goes_on_the_same(rules: Capabilities, moves: list[Move], at: int) -> None:
    desk = live(rules, moves)
    first, kept = Engine(), Kept()
    second = first
    for number, (inp, now) in enumerate(desk.log):
        if number == at:
            second = kept.thaw(first)
        effects = first.step(inp, now)
        if second is not first:
            assert told(second.step(inp, now)) == told(effects), number
        kept.note(first, effects)
        kept.same_as(first)


def test_scripts_meet_live_requests() -> None:
    """The moves above do what they are for: a plain script gets an order placed, canceled and settled."""
    plain = Move("submit", 1, "p", 0, "10", None, "O1", None, None, Outcome.DONE, Request.PLACE, False, False)
    report = msgspec.structs.replace(plain, kind="report", exec_type=ExecType.NEW, word=OrdStatus.NEW)
    stop = msgspec.structs.replace(plain, kind="stop")
    off = msgspec.structs.replace(report, exec_type=ExecType.CANCELED, word=OrdStatus.CANCELED)
    desk = live(Capabilities(), [plain, report, stop, off])
    assert next(type(op) for op in desk.ops) is Place
    assert desk.outcomes() == [("canceled", Decimal(0))]
