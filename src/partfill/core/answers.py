"""Answers to our requests and questions: what each outcome means for the child order it is about.

Rules
- Only the placing of an order that nobody ever heard of can be refused for good. A refused cancel or replace means look.
- A definite answer closes every request that was sent before the question: it has been applied or never will be.
- A definite "no such order" ends an order of which nothing was ever heard. Of one that worked it means nothing: venues
  forget; the question is asked again and a person is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.lifecycle import Fact
from partfill.core.parent import Work
from partfill.model.capabilities import Chain
from partfill.model.commands import Answered, Looked, Outcome
from partfill.model.events import AlarmKind, OutcomeUnknown, StatusChanged, TermsChanged
from partfill.model.observations import OrderSnapshot
from partfill.model.words import OrdStatus, Request

if TYPE_CHECKING:
    from partfill.core.desk import Desk
    from partfill.core.engine import Engine

BACKOFF_NS = 200_000_000
"""First wait before a question or a refused request is tried anew; it doubles up to `BACKOFF_MAX_NS`."""
BACKOFF_MAX_NS = 30_000_000_000
GRACE_NS = 2_000_000_000
"""How long the report of a request that was answered "done" may take before the venue is asked."""
MANY = 5
"""Refusals or fruitless questions in a row after which a person is told."""

_ENDS = frozenset({OrdStatus.CANCELED, OrdStatus.EXPIRED, OrdStatus.REJECTED, OrdStatus.CALCULATED, OrdStatus.FILLED})


def answered(desk: Desk, a: Answered, now: int, effects: Effects) -> None:
    """The outcome of one request."""
    engine = desk.engine
    child = engine.index.by_client.get((a.venue, a.account, a.cl_ord_id))
    if child is None or child.work is None:
        if a.order is not None:
            engine.apply_snapshot(a.order, now, effects)
        elif child is None:
            engine.unattributed(effects, a.venue, a.account, f"answer to request {a.cl_ord_id}")
        return
    if a.order is not None:
        _apply(engine, child, a.order, a.cl_ord_id, now, effects)
    if not effects.enter(child, child.ledger, engine):
        return
    effects.duplicate, effects.bound = False, True
    work = child.work
    if work.request is not a.request or work.request_id != a.cl_ord_id:
        return
    if a.outcome is Outcome.DONE:
        work.accepted = True
        work.tries = 0
        work.look_at = now + GRACE_NS
    elif a.outcome is Outcome.UNKNOWN:
        work.doubt = True
        work.look_at = now + BACKOFF_NS
        ids = (child.id, child.order_id, child.cl_ord_id)
        effects.events.append(OutcomeUnknown(*ids, str(a.request), a.cl_ord_id, a.reason))
    elif a.request is Request.PLACE and not heard_of(child):
        _never_worked(desk, child, now, a.reason or "refused", effects)
    else:
        work.doubt = True
        work.look_at = now
        work.tries += 1
        work.act_at = now + backoff(work.tries)
        if work.tries == MANY:
            said = f"{a.request} was refused {MANY} times: {a.reason}"
            engine.alarm(effects, child, AlarmKind.REFUSED, said)


def looked(desk: Desk, answer: Looked, now: int, effects: Effects) -> None:
    """The answer to a question about one order."""
    engine = desk.engine
    index = engine.index
    child = None
    if answer.cl_ord_id is not None:
        child = index.by_client.get((answer.venue, answer.account, answer.cl_ord_id))
    if child is None and answer.order_id is not None:
        ledger = index.by_order.get((answer.venue, answer.account, answer.order_id))
        child = ledger.child if ledger is not None else None
    if answer.order is not None:
        if child is None:
            engine.apply_snapshot(answer.order, now, effects)
        else:
            _apply(engine, child, answer.order, child.cl_ord_id, now, effects)
    if child is None or child.work is None or not effects.enter(child, child.ledger, engine):
        return
    effects.duplicate, effects.bound = False, True
    work = child.work
    work.looking = False
    if answer.error is not None or not answer.definite:
        work.looks += 1
        work.look_at = now + backoff(work.looks)
        return
    if answer.order is None:
        _not_known(desk, child, work, now, effects)
        return
    as_of = now if answer.as_of is None else answer.as_of
    if as_of < max(work.sent_at, work.terms_at):
        # It was asked before our last request, or before the venue's last word on the terms: it may be older than they are.
        if work.doubt or work.request is not None:
            work.looks += 1
            work.look_at = now + backoff(work.looks)
        return
    if work.request is not None:
        _settle_request(desk, child, work, now)
    _terms(child, answer.order, effects)
    work.max_qty = child.order_qty if child.order_qty is not None else work.max_qty
    work.doubt, work.look_at = False, 0
    if not effects.query:
        # Else they still differ: the next question comes later than the last.
        work.looks = 0
    if answer.order.ord_status in _ENDS and not child.open_at_venue:
        desk.settle(child, work)


def _settle_request(desk: Desk, child: Child, work: Work, now: int) -> None:
    """A definite answer came: whatever was in flight has been applied or never will be."""
    if work.request is Request.CANCEL and child.open_at_venue:
        work.tries += 1
        work.act_at = now + backoff(work.tries)
    desk.close_request(child, work)


def _terms(child: Child, s: OrderSnapshot, effects: Effects) -> None:
    """The terms in force are those of the venue's last word: of a replace whose answer was lost, or that it cut down."""
    if s.order_qty is None:
        return
    total = child.leg_qty(s.order_qty) if child.rules.chain is Chain.RESTARTS else s.order_qty
    price = child.price if s.price is None else s.price
    if (total, price) == (child.order_qty, child.price):
        return
    child.accept_terms(total, price)
    child.settle()
    ids = (child.id, child.order_id, child.cl_ord_id)
    effects.events.append(TermsChanged(*ids, total, price, child.cum, child.leaves, child.status, "as the venue shows it"))


def _not_known(desk: Desk, child: Child, work: Work, now: int, effects: Effects) -> None:
    """The venue's last word is that it knows no such order."""
    if not heard_of(child):
        _never_worked(desk, child, now, "it never reached the venue", effects)
        return
    if not child.open_at_venue:
        desk.close_request(child, work)
        desk.settle(child, work)
        return
    work.looks += 1
    work.look_at = now + backoff(work.looks)
    if work.looks == MANY:
        said = f"the venue does not know order {child.order_id}, which was working; nothing is placed in its stead"
        desk.engine.alarm(effects, child, AlarmKind.MISSING, said)


def _never_worked(desk: Desk, child: Child, now: int, reason: str, effects: Effects) -> None:
    """The placing was refused, or never arrived: an end without anything before it."""
    assert child.work is not None
    status = child.status
    child.ledger.ends |= Fact.REJECTED
    child.ended_at = now
    child.settle()
    ids = (child.id, child.order_id, child.cl_ord_id)
    effects.events.append(StatusChanged(*ids, status, child.status, child.cum, child.leaves, True, reason))
    desk.close_request(child, child.work)
    desk.settle(child, child.work)


def _apply(engine: Engine, child: Child, s: OrderSnapshot, name: str | None, now: int, effects: Effects) -> None:
    """Apply what an answer says of `child`: under `name`, unless it comes under another id of the same order."""
    venue, account = child.venue, child.account
    found = engine.index.by_order.get((venue, account, s.order_id or ""))
    other = found.child if found is not None else None
    if other is not None and other is not child and other.known and not other.nameless:
        said = f"the answer about {child.cl_ord_id} names {s.order_id}, which is order {other.cl_ord_id}; it is not believed"
        engine.alarm(effects, child, AlarmKind.ID_CONFLICT, said)
        return
    if name is not None and engine.index.by_client.get((venue, account, s.cl_ord_id or "")) is not child:
        s = s.named(name)
    engine.apply_snapshot(s, now, effects)


def backoff(tries: int) -> int:
    """Wait before try number `tries` (ns)."""
    return min(BACKOFF_NS << min(max(tries - 1, 0), 20), BACKOFF_MAX_NS)


def heard_of(child: Child) -> bool:
    """Whether the venue ever said anything about the order."""
    return bool(child.order_ids or child.cum or child.facts or child.ledger.ends)
