"""Answers to our requests and questions: what each outcome means for the child order it is about.

Rules
- Only the placing of an order that nobody ever heard of can be refused for good. A refused cancel or replace means look,
  unless all of the order is known to have filled: then it came too late.
- A report or a question that shows a request to have done nothing counts like a refusal: the next one comes later.
- A definite answer closes every request that was sent before the question: it has been applied or never will be.
- A definite "no such order" ends an order of which nothing was ever heard. Of one that worked it means nothing by itself:
  venues forget; the question is asked again and a person is told. See `presumed` for what it means with a refused cancel.
- A placing that is refused since its id exists is one whose reply was lost: the order is looked up.
- An order that somebody else replaced has not ended: what is left may work under an order that nobody named yet.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core import afterwards, attribution, lives, presumed, refused, strangers
from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.lifecycle import Fact
from partfill.core.parent import Done, Work
from partfill.core.waiting import BACKOFF_NS, GRACE_NS, MANY, backoff
from partfill.model.capabilities import Chain, ClientId, IdScope, ReplaceQty
from partfill.model.commands import Answered, Looked, Outcome
from partfill.model.events import AlarmKind, OutcomeUnknown, StatusChanged, TermsChanged
from partfill.model.numbers import ZERO, sub
from partfill.model.observations import OrderSnapshot
from partfill.model.refusals import Refusal
from partfill.model.words import Flag, OrdStatus, Request

if TYPE_CHECKING:
    from partfill.core.desk import Desk
    from partfill.core.engine import Engine

_ENDS = frozenset({OrdStatus.CANCELED, OrdStatus.EXPIRED, OrdStatus.REJECTED, OrdStatus.CALCULATED, OrdStatus.FILLED})


def answered(desk: Desk, a: Answered, now: int, effects: Effects) -> None:
    """The outcome of one request."""
    engine = desk.engine
    child = engine.index.by_client.get((a.venue, a.account, a.cl_ord_id))
    if child is None or child.work is None:
        if a.order is not None:
            engine.apply_snapshot(a.order, now, effects)
        elif child is None:
            attribution.unattributed(engine, effects, a.venue, a.account, f"answer to request {a.cl_ord_id}")
        return
    if a.order is not None:
        _apply(engine, child, a.order, a.cl_ord_id, now, effects)
        effects.leave(child)
    if not effects.enter(child, child.ledger, engine):
        return
    effects.duplicate, effects.bound = False, True
    work = child.work
    if work.request is not a.request or work.request_id != a.cl_ord_id:
        return
    means = None
    if a.outcome is Outcome.REFUSED:
        means = refused.understood(engine, child, a.request, a.reason, now, effects)
    work.answered = a.outcome is not Outcome.UNKNOWN
    if a.outcome is Outcome.DONE:
        work.accepted = True
        work.look_at = now + GRACE_NS
    elif a.outcome is Outcome.UNKNOWN:
        work.doubt = True
        work.look_at = now + BACKOFF_NS
        ids = (child.id, child.order_id, child.cl_ord_id)
        effects.events.append(OutcomeUnknown(*ids, str(a.request), a.cl_ord_id, a.reason))
    elif a.request is Request.PLACE and means is Refusal.EXISTS:
        # An order under this id is there: it is looked up, and what it is counts.
        work.doubt = True
        work.look_at = now
    elif a.request is Request.PLACE and not heard_of(child):
        _never_worked(desk, child, now, a.reason or "refused", effects)
    elif child.order_qty is not None and child.cum >= child.order_qty and not child.open_at_venue:
        # It filled before the request came: that is why, and there is nothing to ask.
        desk.close_request(child, work)
    else:
        work.doubt = True
        work.look_at = now
        if not _outrun(child, work):
            desk.in_vain(child, work, a.request, a.reason or "refused", now, effects)


def _outrun(child: Child, work: Work) -> bool:
    """Whether a guarded replace was refused since a fill came before it: the next one need not wait."""
    sent = (child.in_flight or {}).get(work.request_id)
    if work.target is None or sent is None or sent[1] is None or not child.rules.replace_guarded:
        return False
    return child.rules.replace_qty is ReplaceQty.OPEN and sub(work.target[0], sent[1]) != child.cum


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
    before = None if child is None else (child.order_qty, child.price)
    if child is not None and strangers.not_ours(engine, child, answer, effects):
        if child.work is not None and effects.enter(child, child.ledger, engine):
            effects.duplicate, effects.bound = False, True
            child.work.looking = False
            _again(child.work, now)
        return
    if answer.order is not None:
        if child is None:
            engine.apply_snapshot(answer.order, now, effects)
        else:
            _apply(engine, child, answer.order, child.cl_ord_id, now, effects)
    if child is None or child.work is None:
        return
    effects.leave(child)
    if not effects.enter(child, child.ledger, engine):
        return
    effects.duplicate, effects.bound = False, True
    work = child.work
    work.looking = False
    if work.settled and not child.open_at_venue:
        afterwards.answered(desk, child, work, now, effects, definite=answer.definite and answer.error is None)
        return
    if answer.error is not None or not answer.definite or answer.as_of is None:
        _again(work, now)
    elif answer.as_of < max(work.sent_at, work.terms_at):
        # It was asked before our last request, or before the venue's last word on the terms: it may be older than they are.
        if work.doubt or work.request is not None:
            _again(work, now)
    elif answer.order is None:
        _not_known(desk, child, work, answer.as_of, now, effects)
    else:
        _last_word(desk, child, work, answer.order, before, now, effects)


def _again(work: Work, now: int) -> None:
    """The question is still open."""
    work.looks += 1
    work.look_at = now + backoff(work.looks)


def _last_word(desk: Desk, child: Child, work: Work, s: OrderSnapshot, before: tuple[Decimal | None, Decimal | None] | None,
               now: int, effects: Effects) -> None:  # fmt: skip
    """A definite answer: whatever was in flight has been applied or never will be. `before` are the terms until now."""
    request, looks, outrun = work.request, work.looks, _outrun(child, work)
    _terms(child, s, effects)
    terms = (child.order_qty, child.price)
    applied = request is Request.REPLACE and (terms != before or terms == work.target)
    if request is not None:
        desk.close_request(child, work, applied=applied)
    elif child.order_qty is not None:
        work.in_force(child.order_qty)
    if child.open_at_venue:
        if applied:
            work.tries = work.act_at = 0
        elif request in (Request.CANCEL, Request.REPLACE) and not outrun:
            desk.in_vain(child, work, request, "it changed nothing", now, effects)
        work.doubt, work.look_at = False, 0
        # An answer that is itself a reason to look does not begin the waits anew.
        work.looks = looks if effects.query else 0
        if effects.query and child.gone is not None:
            work.looks += 1
            work.look_at = presumed.next_question(child, now + backoff(work.looks))
    elif child.flags & Flag.REPLACED:
        _went_on(desk, child, work, looks, now, effects)
    elif effects.behind:
        # How much filled is open: what it says may count what was taken back meanwhile. The next answer knows.
        work.doubt, work.looks = True, looks
        _again(work, now)
    elif s.ord_status in _ENDS or s.leaves_qty == ZERO or child.rules.end_is_final:
        # The venue confirms that nothing of it works. Where its word was final, no more is needed than that it answered.
        desk.settle(child, work, now)
    else:
        work.doubt, work.looks = True, looks
        _again(work, now)
        if work.looks == MANY:
            said = f"the venue shows order {child.order_id} as {s.ord_status or s.status_text} after it said that it had ended"
            desk.engine.alarm(effects, child, AlarmKind.MISSING, said)


def _terms(child: Child, s: OrderSnapshot, effects: Effects) -> None:
    """The terms in force are those of the venue's last word: of a replace whose answer was lost, or that it cut down."""
    restarts = child.rules.chain is Chain.RESTARTS
    if s.order_qty is None or s.order_id in child.left or (restarts and s.order_id not in (None, child.order_id)):
        # Nothing, or the terms of a venue order that was replaced since.
        return
    before = (child.order_qty, child.price)
    if child.rules.chain is Chain.RESTARTS:
        child.accept_leg(child.ledger, s.order_qty, s.price)
    else:
        child.accept_terms(s.order_qty, s.price)
    if before == (child.order_qty, child.price):
        return
    child.settle()
    terms = (child.order_qty, child.price, child.cum, child.leaves, child.status)
    effects.events.append(TermsChanged(child.id, child.order_id, child.cl_ord_id, *terms, "as the venue shows it"))


def _not_known(desk: Desk, child: Child, work: Work, asked: int, now: int, effects: Effects) -> None:
    """The venue's last word on a question of `asked` (ns UTC) is that it knows no such order."""
    # Where the venue knows our ids, an order that it said it took and does not find is a record that is gone, or not there yet.
    taken = work.request is Request.PLACE and work.accepted and child.rules.client_id is not ClientId.NONE
    if not heard_of(child) and not taken:
        _never_worked(desk, child, now, "it never reached the venue", effects)
        return
    if not child.open_at_venue and child.flags & Flag.REPLACED:
        _went_on(desk, child, work, work.looks, now, effects)
        return
    if not child.open_at_venue or presumed.not_known(desk.engine, child, asked, effects):
        desk.close_request(child, work)
        desk.settle(child, work, now)
        return
    _again(work, now)
    work.look_at = presumed.next_question(child, work.look_at)
    if work.looks == MANY:
        said = f"the venue does not know order {child.order_id}, which was working; nothing is placed in its stead"
        desk.engine.alarm(effects, child, AlarmKind.MISSING, said)


def _went_on(desk: Desk, child: Child, work: Work, looks: int, now: int, effects: Effects) -> None:
    """It was replaced, not by us, and what goes on in its stead is not known: whatever is left may work there."""
    work.doubt, work.looks = True, looks
    _again(work, now)
    if work.looks == MANY:
        said = f"order {child.order_id} went on under an order that is not known here; nothing is placed in its stead"
        desk.engine.alarm(effects, child, AlarmKind.MISSING, said)


def _never_worked(desk: Desk, child: Child, now: int, reason: str, effects: Effects) -> None:
    """The placing was refused, or never arrived: an end without anything before it."""
    assert child.work is not None
    status = child.status
    child.ledger.ends |= Fact.REJECTED
    child.work.presumed = True
    child.ended_at = now
    child.settle()
    ids = (child.id, child.order_id, child.cl_ord_id)
    effects.events.append(StatusChanged(*ids, status, child.status, child.cum, child.leaves, True, reason))
    desk.close_request(child, child.work)
    desk.settle(child, child.work, now)


def revive(desk: Desk, child: Child, now: int, effects: Effects) -> None:
    """An order that was refused, or never arrived, shows signs of life: the venue's deeds count, and it is asked."""
    work = child.work
    assert work is not None
    work.presumed = False
    child.ledger.ends &= ~int(Fact.REJECTED)
    child.ended_at = 0
    child.settle()
    if work.settled and not child.open_at_venue:
        # It worked and has ended: the venue is asked what filled before anything is placed in its stead.
        parent = work.parent
        work.settled = False
        parent.active.append(child)
        parent.active.sort(key=parent.children.index)
        if parent.done not in (None, Done.RELEASED):
            parent.done = None
            effects.family(parent)
    work.doubt, work.look_at = True, now
    said = f"{child.cl_ord_id} was taken for refused or lost, and the venue works on it"
    desk.engine.alarm(effects, child, AlarmKind.MISSING, said)


def _apply(engine: Engine, child: Child, s: OrderSnapshot, name: str | None, now: int, effects: Effects) -> None:
    """Apply what an answer says of `child`: under `name`, unless it comes under another id of the same order."""
    venue, account = child.venue, child.account
    found = engine.index.by_order.get((venue, account, s.order_id or ""))
    other = found.child if found is not None else None
    if other is not None and child.rules.id_scope is IdScope.INSTRUMENT and other.contradicts(s.instrument, None):
        # Another instrument has an order of this id, too.
        other = None
    scope = (venue, account, s.order_id or "")
    if other is not None and (lives.held(engine.index, scope, child) or lives.passed_on(other, child, s.as_of)):
        # It had the id before, or has it since a day began.
        other = None
    if other is not None and other is not child and other.known and not other.nameless:
        said = f"the answer about {child.cl_ord_id} names {s.order_id}, which is order {other.cl_ord_id}; it is not believed"
        engine.alarm(effects, child, AlarmKind.ID_CONFLICT, said)
        return
    if name is not None and engine.index.by_client.get((venue, account, s.cl_ord_id or "")) is not child:
        s = s.named(name)
    engine.apply_snapshot(s, now, effects)


def heard_of(child: Child) -> bool:
    """Whether the venue ever said anything about the order."""
    return bool(child.order_ids or child.cum or child.facts or child.ledger.ends)
