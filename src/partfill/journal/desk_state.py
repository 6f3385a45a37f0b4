"""Parent orders and the desk's side of their children, as plain values and back."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from partfill.core.child import Child
from partfill.core.handling import Handling
from partfill.core.parent import Done, Parent, Work
from partfill.model.commands import Resubmit
from partfill.model.dust import Speck
from partfill.model.instrument import Instrument
from partfill.model.numbers import ZERO
from partfill.model.policy import Mode, RemainderPolicy
from partfill.model.protection import Retry
from partfill.model.reasons import Reason
from partfill.model.refusals import Refusal
from partfill.model.terms import Terms
from partfill.model.words import Request


class HandlingState(msgspec.Struct, array_like=True, gc=False):
    """What is decided on the rest of one parent. Fields are only ever added at the end."""

    policy: RemainderPolicy
    original: Decimal | None
    event: int
    decided: int
    held_since: int
    thin_since: int
    again_at: int
    reports: int
    mode: Mode
    cap: Decimal | None
    again: bool = False
    verdict: Reason | None = None
    best: Decimal | None = None
    owed: bool = False
    expired: bool = False
    dust_of: Instrument | None = None
    dust_qty: Decimal = ZERO
    reported: int = 0


class ParentState(msgspec.Struct, array_like=True, gc=False):
    """One parent order without its children. Fields are only ever added at the end."""

    id: int
    venue: str
    account: str
    ref: str
    terms: Terms
    resubmit: Resubmit | None
    asked: Decimal
    price: Decimal | None
    resubmits: int
    attempts: int
    cum: Decimal
    limit: Decimal
    excess: Decimal
    stop: Done | None
    done: Done | None
    halted: bool
    handling: HandlingState | None = None
    guards: int | None = None
    least: Decimal = ZERO
    retry: Retry | None = None


class WorkState(msgspec.Struct, array_like=True, gc=False):
    """The desk's side of one child. Fields are only ever added at the end."""

    request: Request | None
    request_id: str
    sent_at: int
    accepted: bool
    doubt: bool
    max_qty: Decimal
    look_at: int
    looking: bool
    looks: int
    act_at: int
    tries: int
    requests: int
    retarget: bool
    settled: bool
    seen_cum: Decimal = ZERO
    terms_at: int = 0
    presumed: bool = False
    px: Decimal | None = None
    target: tuple[Decimal, Decimal | None] | None = None
    cut: bool = False
    leaving: bool = False
    answered: bool = False
    refusal: Refusal | None = None


_encode = msgspec.json.Encoder(order="deterministic").encode
_parent = msgspec.json.Decoder(ParentState).decode
_work = msgspec.json.Decoder(WorkState).decode

Row = tuple[object, ...]


def parent_row(parent: Parent, now: int, seq: int) -> Row:
    """The `parents` row, in the order of its columns."""
    average = parent.avg_px
    state = ParentState(**{name: getattr(parent, name) for name in ParentState.__struct_fields__ if name != "handling"})
    handling = parent.handling
    if handling is not None:
        state.handling = HandlingState(**{name: getattr(handling, name) for name in HandlingState.__struct_fields__})
    return (
        parent.id, parent.venue, parent.account, parent.ref, parent.terms.instrument, parent.terms.side, str(parent.asked),
        None if parent.price is None else str(parent.price), str(parent.cum), None if average is None else str(average),
        len(parent.children), parent.done, 0 if parent.done is not None else 1, now, seq, _encode(state).decode(),
    )  # fmt: skip


def work_row(child: Child) -> Row:
    """The `work` row of a child that has one."""
    work = child.work
    assert work is not None
    state = WorkState(**{name: getattr(work, name) for name in WorkState.__struct_fields__})
    return (child.id, work.parent.id, _encode(state).decode())


def thaw_parent(blob: str) -> Parent:
    """The parent that `parent_row` wrote; its children are added by `thaw_work`, oldest first."""
    state = _parent(blob)
    parent = Parent(state.id, state.venue, state.account, state.ref, state.terms, state.resubmit)
    numbers = ("asked", "price", "resubmits", "attempts", "cum", "limit", "excess", "least")
    for name in (*numbers, "stop", "done", "halted", "guards", "retry"):
        setattr(parent, name, getattr(state, name))
    if state.handling is not None:
        parent.handling = Handling(state.handling.policy, state.handling.original)
        for name in HandlingState.__struct_fields__:
            setattr(parent.handling, name, getattr(state.handling, name))
    return parent


def thaw_work(blob: str, child: Child, parent: Parent) -> None:
    """Put a child back under its parent, as `work_row` wrote it."""
    state = _work(blob)
    work = child.work = Work(parent, state.max_qty)
    for name in WorkState.__struct_fields__:
        setattr(work, name, getattr(state, name))
    if str(work.seen_cum) == str(child.cum):
        work.seen_cum = child.cum
    parent.children.append(child)
    if not work.settled:
        parent.active.append(child)


def dust_row(speck: Speck, seq: int) -> Row:
    """The `dust` row, in the order of its columns."""
    return (
        speck.parent, speck.venue, speck.account, speck.instrument, speck.side, speck.ref, _encode(speck.order_ids).decode(),
        str(speck.qty), str(speck.price), speck.use, speck.since, speck.state, speck.taken_by, seq,
    )  # fmt: skip


def thaw_dust(row: Row) -> Speck:
    """The dust that `dust_row` wrote."""
    fields = dict(zip(Speck.__struct_fields__, row, strict=False))
    return msgspec.convert(fields | {"order_ids": msgspec.json.decode(str(fields["order_ids"]))}, Speck)
