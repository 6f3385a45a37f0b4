"""What order reports, status words and our own requests do to an order. The tables are in `lifecycle`.

Order within one snapshot: executions, then the claim, then the word. So a closing report publishes what filled first
and the end after it.

Rules
- Terms move on New, Replaced, Restated and reductions only; a report under an id that was replaced since is old news.
- A Rejected that still shows a live status, or names a duplicate id, refuses somebody's second use of the id.
- A Stopped report guarantees a quantity, it does not execute it.
- An unknown status word means open, and one alarm.
- An order sized in cash gets a quantity from the first report that states one, or that calls it filled.
"""

from __future__ import annotations

from decimal import Decimal, Inexact
from typing import TYPE_CHECKING

from partfill.core import asides, fills, lives, message_keys, presumed, refused, rulings, self_contradiction, weak_keys
from partfill.core.attribution import left
from partfill.core.booked import Booked
from partfill.core.effects import Effects
from partfill.core.ledger import Ledger
from partfill.core.lifecycle import (
    EFFECTS,
    ENDED,
    GOOD_TILL,
    GOOD_TILL_CLEARS,
    PRINTED_ENDS,
    WORD_EFFECTS,
    Effect,
    Fact,
    end_mask,
)
from partfill.model.capabilities import Chain, Cumulative, ReplaceQty
from partfill.model.events import Alarm, AlarmKind, StatusChanged, TermsChanged
from partfill.model.inputs import OrderPlaced
from partfill.model.numbers import ZERO, add, sub, text
from partfill.model.observations import OrderSnapshot
from partfill.model.words import ExecType, Flag, OrdStatus, Request

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.core.engine import Engine

_PRESUMED = int(Flag.PRESUMED)
_CLOSING = frozenset({OrdStatus.CANCELED, OrdStatus.EXPIRED, OrdStatus.REJECTED, OrdStatus.CALCULATED, OrdStatus.FILLED})
_CLOSING_TYPES = frozenset({ExecType.CANCELED, ExecType.EXPIRED, ExecType.REJECTED, ExecType.CALCULATED})

ANONYMOUS = ""
"""Request id of an acknowledgement that names none (a polled status word)."""


def needs_order(s: OrderSnapshot) -> bool:
    """Whether a snapshot says nothing about an order nobody knows: a refused request, a status of nothing."""
    if s.exec_type is ExecType.CANCEL_REJECT:
        return True
    return s.exec_type is ExecType.ORDER_STATUS and s.ord_status is OrdStatus.REJECTED


def placed(engine: Engine, child: Child, p: OrderPlaced, effects: Effects) -> None:
    """Our own order: its terms are known from now on, whatever came before it."""
    terms = p.terms
    was_known = child.known
    child.placed = True
    child.instrument, child.side, child.base = terms.instrument, terms.side, terms.base
    child.ord_type, child.tif, child.stop_px = terms.ord_type, terms.time_in_force, terms.stop_px
    child.end_mask = end_mask(terms.time_in_force)
    if not was_known:
        child.cash_qty = terms.cash_order_qty
        child.accept_terms(terms.order_qty, terms.price)
        child.settle()
        engine.adopt(child, effects)
    else:
        # Which ends are ends depends on how long it is for.
        child.settle()


def snapshot(engine: Engine, child: Child, ledger: Ledger, s: OrderSnapshot, now: int, effects: Effects) -> None:
    """Apply one snapshot to its order."""
    reused = False
    if s.key is not None:
        known_key = message_keys.note(child, s)
        if known_key is message_keys.Known.REPEAT:
            # It says what was said, whatever its stamp: nothing counts, not even what was voided since.
            engine.counters.duplicates += 1
            effects.duplicate = True
            return
        reused = known_key is message_keys.Known.CONTENT
        if reused and child.mark(Flag.KEY_REUSED):
            said = f"message key {s.key} came with another content: its total and end count, what it would take off does not"
            engine.alarm(effects, child, AlarmKind.KEY_REUSED, said)
        effects.bound = True
    s = _sized(s)
    status, total, price, was_known, flags = child.status, child.order_qty, child.price, child.known, child.flags
    as_of = now if s.as_of is None else s.as_of
    _describe(child, s, effects)
    if not was_known and (s.order_qty is not None or child.known):
        # The first word about its size: what comes with it, or was parked, is a fill of a known order.
        if _is_leg(child):
            child.accept_leg(ledger, s.order_qty, s.price)
        else:
            child.accept_terms(s.order_qty, s.price)
        child.settle()
        effects.bound = True
        if child.known:
            engine.adopt(child, effects)
    duplicates = engine.counters.duplicates
    listing = weak_keys.believed(engine, child, ledger, s, now, effects) if child.rules.keys_made else s
    fresh = _executions(engine, child, ledger, listing, now, effects)
    known = s.exec_type is ExecType.TRADE and bool(s.executions) and not fresh
    before, claims = _words(child, ledger) if known else (), ledger.claims
    effects.duplicate = False
    effect = _effect(engine, child, s, effects)
    if effect.terms or (total is None and s.order_qty is not None):
        if not (reused and _is_delta(child, s)):
            unknown = not child.known
            _terms(engine, child, ledger, s, as_of, effects)
            if unknown and child.known:
                # It prints no size, and it does what we had asked for: that is the first word about it.
                child.settle()
                effects.bound = True
                engine.adopt(child, effects)
    elif s.order_qty is not None and _is_leg(child):
        # Whatever is the first to be heard of a new leg, it says for how much that is.
        child.accept_leg(ledger, s.order_qty, None)
    if s.day_cum_qty == ZERO and child.day_cum_qty > ZERO and effect.terms:
        child.roll_day(child.day)
    # A report that may be an old one again vouches for its total only by its own stamp.
    again = known and s.key is None and s.as_of is None
    if s.cum_qty is not None and child.rules.cumulative is not Cumulative.ABSENT and not again:
        if child.rules.cumulative is Cumulative.HINT:
            effects.query = effects.query or s.cum_qty != child.cum
        elif not self_contradiction.only_a_hint(engine, child, ledger, s, effects):
            fills.claim(engine, child, ledger, s.cum_qty, s.avg_px, as_of, effects)
            effects.behind = s.cum_qty > ledger.cum
    _facts(engine, child, ledger, s, effect, as_of, now, effects)
    if s.reduced_qty and not reused:
        _reduce(engine, child, ledger, s, as_of, effects)
    elif child.reductions and child.order_qty is not None:
        _reduce_late(engine, child, s, as_of, effects)
    child.settle()
    asides.works_again(child, ledger, s, as_of)
    if s.asked is not None:
        rulings.answer(engine, child, ledger, s, now, effects)
        presumed.answer(engine, child, ledger, s, now, effects)
    if child.flags & _PRESUMED:
        presumed.lives(engine, child, s, as_of, effects)
    if known and claims is ledger.claims and flags == child.flags and before == _words(child, ledger):
        effects.duplicate = True
        return
    lives.opened(child, s)
    engine.counters.duplicates = duplicates if known else engine.counters.duplicates
    _say(engine, child, s, status, total, price, effects)


# ---------------------------------------------------------------------- parts of a snapshot


def _sized(s: OrderSnapshot) -> OrderSnapshot:
    """A quantity of zero on a closing row is unknown: rows of finished orders print what is left."""
    closing = s.ord_status in _CLOSING or s.exec_type in _CLOSING_TYPES
    return s.unsized() if closing and s.order_qty == ZERO else s


def _words(child: Child, ledger: Ledger) -> tuple[object, ...]:
    """What a report with executions may change beside them and its total."""
    requests, sent = dict(child.requests or {}), dict(child.in_flight or {})
    terms = (child.order_qty, child.price, child.cash_qty, ledger.qty, child.reductions)
    ends = (ledger.ends, child.ended_at, child.ended_under)
    return (child.facts, ends, terms, requests, sent, child.cl_ord_id, child.day_era, child.put_back)


def _is_delta(child: Child, s: OrderSnapshot) -> bool:
    """Whether new terms would count twice: a split, a new day, a replace to what is to be open."""
    if s.exec_type is ExecType.RESTATED:
        return s.restatement in ("split", "renewal")
    return s.exec_type is ExecType.REPLACED and child.rules.replace_qty is ReplaceQty.OPEN


def _describe(child: Child, s: OrderSnapshot, effects: Effects) -> None:
    """Fill in what the order did not tell of itself yet. Never changes terms in force."""
    if child.instrument is None and s.instrument is not None:
        child.instrument = s.instrument
        effects.bound = True
    if child.side is None and s.side is not None:
        child.side = s.side
        effects.bound = True
    if child.ord_type is None and s.ord_type is not None:
        child.ord_type = s.ord_type
        effects.bound = True
    if child.tif is None and s.time_in_force is not None:
        child.tif = s.time_in_force
        child.end_mask = end_mask(s.time_in_force)
        effects.bound = True
    if child.stop_px is None and s.stop_px is not None:
        child.stop_px = s.stop_px
        effects.bound = True
    if child.price is None and s.price is not None:
        child.price = s.price
        effects.bound = True
    if child.cash_qty is None and s.cash_order_qty is not None and s.order_qty is None and child.order_qty is None:
        child.cash_qty = s.cash_order_qty
        effects.bound = True


def _executions(engine: Engine, child: Child, ledger: Ledger, s: OrderSnapshot, now: int, effects: Effects) -> bool:
    """Book the listed executions; True when one of them was news. Says so when a complete list lost one."""
    if s.executions is None:
        return False
    fresh = False
    for e in s.executions:
        if e.leg is None and child.contradicts(e.instrument, e.side):
            if child.mark(Flag.ID_CONFLICT):
                theirs = " ".join(filter(None, (e.side, e.instrument)))
                said = f"execution {e.key} in a list of this order is a {theirs}: it counts nowhere"
                engine.alarm(effects, child, AlarmKind.ID_CONFLICT, said)
            continue
        booked = fills.execution(engine, child, ledger, e, now, effects, s.asked)
        fresh = fresh or booked is not Booked.DUPLICATE
    told = now if s.as_of is None else s.as_of
    # A list asked for before our last news is merely old.
    complete = child.rules.executions_complete and s.exec_type is None and told > child.updated
    if complete and len(s.executions) < len(ledger.rows):
        listed = {e.key if e.leg is None else f"{e.key}\x1f{e.leg}" for e in s.executions}
        gone = [key for key, packed in ledger.rows.items() if key not in listed and packed[0] != "!"]
        if gone and child.mark(Flag.VANISHED):
            effects.query = True
            engine.alarm(effects, child, AlarmKind.VANISHED, f"execution {gone[0]} is no longer in the venue's complete list")
    return fresh


def _effect(engine: Engine, child: Child, s: OrderSnapshot, effects: Effects) -> Effect:
    """What the report or word does by the tables, after the exceptions to them."""
    if s.exec_type is None or s.exec_type is ExecType.ORDER_STATUS:
        if s.ord_status is None:
            if s.status_text is not None and child.mark(Flag.UNKNOWN_STATUS):
                said = f"status {s.status_text!r} is not known here; the order counts as open"
                engine.alarm(effects, child, AlarmKind.UNKNOWN_STATUS, said)
            return Effect()
        effect = WORD_EFFECTS[s.ord_status]
        if s.exec_type is ExecType.ORDER_STATUS and effect.acknowledges is not None:
            return Effect(effect.sets)
        return effect
    if s.exec_type is ExecType.REJECTED and (s.ord_status not in (None, OrdStatus.REJECTED) or s.reason == "duplicate_id"):
        if child.known and (child.facts or child.ledger.ends):
            child.mark(Flag.DUPLICATE_ID)
            return Effect()
    if s.exec_type is ExecType.TRADE and s.ord_status in PRINTED_ENDS:
        return EFFECTS[ExecType.TRADE]._replace(sets=int(Fact.NEW) | PRINTED_ENDS[s.ord_status])
    return EFFECTS[s.exec_type]


def _terms(engine: Engine, child: Child, ledger: Ledger, s: OrderSnapshot, as_of: int, effects: Effects) -> None:
    """New, Replaced, Restated, or the first word about an unknown order: terms take effect here and nowhere else."""
    kind = s.exec_type
    if kind is ExecType.REPLACED:
        _replaced(child, ledger, s, as_of)
    elif kind is ExecType.RESTATED:
        _restated(engine, child, ledger, s, as_of, effects)
    elif _is_leg(child):
        child.accept_leg(ledger, s.order_qty, s.price)
    elif child.order_qty is None or (kind is ExecType.NEW and not child.facts & Fact.NEW):
        # An order sized in cash gets a quantity here when the venue states one.
        child.accept_terms(s.order_qty, s.price)


def _replaced(child: Child, ledger: Ledger, s: OrderSnapshot, as_of: int) -> None:
    asked, price = s.order_qty, s.price
    sent = (child.in_flight or {}).get(s.cl_ord_id or ANONYMOUS)
    if sent is not None:
        asked = sent[1] if asked is None else asked
        price = sent[2] if price is None else price
    restarts = child.rules.chain is Chain.RESTARTS
    if restarts and ledger is not child.ledger:
        # The terms of a leg that was replaced since.
        return
    if s.cl_ord_id is not None:
        if child.supersedes(s.cl_ord_id):
            return
        if not restarts and child.is_answered(s.cl_ord_id):
            # The same report again: an open quantity would be added to what has filled since.
            return
        child.chain(s.cl_ord_id, s.orig_cl_ord_id)
    child.terms_at = max(child.terms_at, as_of)
    if not child.works and s.leaves_qty and as_of >= child.ended_at:
        child.facts &= ~child.end_mask
        child.ledger.ends = 0
    if asked is None:
        child.accept_terms(None, price)
        return
    if restarts:
        child.accept_leg(ledger, asked, price)
        return
    total = child.replaced_qty(asked)
    if total is None:
        child.ledger.ends |= Fact.CANCELED
        child.ended_at = as_of
    else:
        child.accept_terms(total, price)


def _is_leg(child: Child) -> bool:
    """Whether the order went on under a venue order that counts for itself: its reports state the quantity of one leg."""
    return len(child.ledgers) > 1 and child.rules.chain is Chain.RESTARTS


def _restated(engine: Engine, child: Child, ledger: Ledger, s: OrderSnapshot, as_of: int, effects: Effects) -> None:
    if child.supersedes(s.cl_ord_id or "") or as_of < child.terms_at:
        # Old news: the terms have been others since.
        return
    child.terms_at = as_of
    child.mark(Flag.RESTATED)
    old, new = child.order_qty, s.order_qty
    if s.restatement == "split" and old and new and new != old:
        try:
            child.split(new, old)
        except Inexact as inexact:
            engine.alarm(effects, child, AlarmKind.SPLIT_INEXACT, f"{inexact}; the order needs a person")
            child.mark(Flag.QUARANTINED)
            return
        # What a split multiplies was published in old units; the restated total is not a fill.
        effects.published = sub(child.cum, effects.told)
        child.accept_terms(None, s.price)
        return
    if s.restatement == "renewal":
        child.roll_day(child.day)
    if _is_leg(child):
        child.accept_leg(ledger, new, s.price)
        return
    child.accept_terms(new, s.price)
    if s.leaves_qty is not None and child.removed and new is not None:
        # It knows of what was off when it was said, and of nothing later.
        removed = sub(ledger.off_by(as_of), child.put_back)
        filled = child.cum if s.cum_qty is None else s.cum_qty
        off = max(ZERO, min(removed, sub(sub(new, filled), s.leaves_qty)))
        if removed > off:
            child.put_back = add(child.put_back, sub(removed, off))


def _facts(engine: Engine, child: Child, ledger: Ledger, s: OrderSnapshot, effect: Effect, as_of: int, now: int,
           effects: Effects) -> None:  # fmt: skip
    """Set and clear facts, open and answer requests."""
    ends = effect.sets & ENDED
    if ends and child.rules.chain is Chain.CONTINUES:
        if left(child, s):
            # "Canceled, replaced": the end of the version that was replaced.
            return
        child.ended_under = s.order_id
    if s.exec_type is ExecType.REJECTED and child.work is not None and not child.cum:
        refused.understood(engine, child, Request.PLACE, s.reason, now, effects)
    if ends and child.gone is not None and ledger is child.ledger:
        presumed.said_over(child)
    ledger.ends |= ends
    if ends and ledger is not child.ledger:
        # The end of a venue order that was replaced is not the end of the order.
        return
    clears = effect.clears
    if s.exec_type in GOOD_TILL_CLEARS and child.tif in GOOD_TILL:
        clears |= GOOD_TILL_CLEARS[s.exec_type]
    child.facts = (child.facts & ~clears) | (effect.sets & ~ENDED)
    if ends and not child.ended_at:
        child.ended_at = as_of
    if s.replaced and s.order_id in (None, child.order_id):
        child.mark(Flag.REPLACED)
    _requests(engine, child, s, effect, now, effects)
    word = s.ord_status
    if word is OrdStatus.FILLED and child.cash_qty is not None and child.order_qty is None and not s.leaves_qty:
        _spent(child, s)
    if word is OrdStatus.FILLED and s.exec_type is None and child.known and not _filled(child):
        effects.query = True
        if child.mark(Flag.STATUS_AHEAD):
            said = f"the venue says filled, its quantities say {text(child.cum)}"
            engine.alarm(effects, child, AlarmKind.STATUS_AHEAD, said)
    if s.cum_qty is not None and s.cum_qty < child.cum and s.exec_type is None and not rulings.kept(ledger, s.cum_qty):
        # Usual while a poll lags; a reason to look, never a reason to take anything back.
        effects.query = True
    if s.exec_type is None and s.order_qty is not None and child.known and not child.in_flight:
        # A replace that was cut down, or that nobody told of: the terms in force are asked for, not taken from a poll.
        effects.query = effects.query or (child.rules.chain is Chain.CONTINUES and s.order_qty != child.order_qty)


def _requests(engine: Engine, child: Child, s: OrderSnapshot, effect: Effect, now: int, effects: Effects) -> None:
    name = s.cl_ord_id or ANONYMOUS
    if effect.ends:
        if child.requests:
            child.answer(*child.requests)
        if s.cl_ord_id is not None and s.cl_ord_id != child.cl_ord_id:
            child.answer(s.cl_ord_id)
        child.requests = None
        # Where a replace begins a venue order, or gives it another id, the end of the one before may be the first word of it.
        goes_on = child.work is not None
        sent = {each: what for each, what in (child.in_flight or {}).items() if goes_on and what[0] is Request.REPLACE}
        child.in_flight = sent or None
        return
    if effect.acknowledges is not None:
        if s.exec_type is None:
            name = ANONYMOUS
        elif child.in_flight and name in child.in_flight:
            del child.in_flight[name]
        over = not child.works or child.is_answered(name)
        if not over and not (child.ids is not None and name in child.ids and name != ANONYMOUS):
            child.requests = child.requests or {}
            child.requests[name] = effect.acknowledges
        return
    if effect.answers:
        asked = (child.in_flight or {}).get(name)
        if s.exec_type is ExecType.CANCEL_REJECT and asked is not None and asked[0] is Request.CANCEL:
            refused.understood(engine, child, Request.CANCEL, s.reason, now, effects)
        child.answer(name)
        if child.requests is not None:
            child.requests.pop(name, None)
            if s.exec_type is ExecType.CANCEL_REJECT and s.cl_ord_id is None and len(child.requests) == 1:
                child.requests.clear()
        if child.in_flight is not None:
            child.in_flight.pop(name, None)
    elif s.exec_type is None and s.ord_status is not None and child.requests:
        # A poll that shows no pending word: whatever it had acknowledged without a name is over.
        child.requests.pop(ANONYMOUS, None)
    if not child.requests:
        child.requests = None
    if not child.in_flight:
        child.in_flight = None


def _spent(child: Child, s: OrderSnapshot) -> None:
    """An order sized in cash is complete by the venue's word, since lots rarely cost just that: what filled is its quantity."""
    if s.cum_qty is not None and child.rules.cumulative is Cumulative.TRUTH:
        child.accept_terms(max(s.cum_qty, child.cum), None)
    elif child.cum and s.cum_qty in (None, child.cum):
        child.accept_terms(child.cum, None)


def _reduce_late(engine: Engine, child: Child, s: OrderSnapshot, as_of: int, effects: Effects) -> None:
    """The size came after quantity was taken off: what was taken off since it was said is off."""
    for at, qty in child.reductions:
        child.settle()
        if at > as_of and not child.reduce(qty) and child.mark(Flag.REDUCTION_UNSEEN):
            said = f"{text(qty)} was taken off, the messages before it leave {text(child.leaves)}"
            engine.alarm(effects, child, AlarmKind.REDUCTION_UNSEEN, said)
    child.reductions = ()
    if not child.order_qty:
        child.ledger.ends |= Fact.CANCELED


def _reduce(engine: Engine, child: Child, ledger: Ledger, s: OrderSnapshot, as_of: int, effects: Effects) -> None:
    """The report takes quantity off: part of it while the order works on, all that was left when it ends."""
    assert s.reduced_qty is not None
    if child.order_qty is None and child.works and child.cash_qty is None:
        child.reductions += ((as_of, s.reduced_qty),)
        effects.bound = True
        return
    if child.order_qty is None or (ledger is not child.ledger and _is_leg(child)):
        return
    if not child.works:
        left = max(ZERO, sub(sub(child.order_qty, child.cum), child.removed))
        if left != s.reduced_qty and child.mark(Flag.REDUCTION_UNSEEN):
            said = f"the end took off {text(s.reduced_qty)}, the messages before it leave {text(left)}"
            engine.alarm(effects, child, AlarmKind.REDUCTION_UNSEEN, said)
        return
    child.settle()
    if not child.reduce(s.reduced_qty) and child.mark(Flag.REDUCTION_UNSEEN):
        said = f"{text(s.reduced_qty)} was taken off, the messages before it leave {text(child.leaves)}"
        engine.alarm(effects, child, AlarmKind.REDUCTION_UNSEEN, said)
    if not child.order_qty:
        # Nothing is left of it and nothing filled: that is the end, whatever the report is called.
        child.ledger.ends |= Fact.CANCELED


def _filled(child: Child) -> bool:
    child.settle()
    return child.status is OrdStatus.FILLED or (child.order_qty is not None and child.cum >= child.order_qty)


def _say(engine: Engine, child: Child, s: OrderSnapshot, status: OrdStatus, total: Decimal | None, price: Decimal | None,
         effects: Effects) -> None:  # fmt: skip
    """Tell what changed besides fills."""
    ids = (child.id, child.order_id, child.cl_ord_id)
    if child.known and total is not None and (child.order_qty != total or child.price != price):
        why = s.restatement or s.reason
        effects.events.append(TermsChanged(*ids, child.order_qty, child.price, child.cum, child.leaves, child.status, why))
    if child.status is not status:
        ended = not child.awaited
        effects.events.append(StatusChanged(*ids, status, child.status, child.cum, child.leaves, ended, s.reason))
        told = any(isinstance(event, Alarm) and event.kind is AlarmKind.UNPRICED for event in effects.events)
        if ended and not told and child.cum and child.avg_px is None:
            engine.alarm(effects, child, AlarmKind.UNPRICED, f"{text(child.cum)} filled and the venue gave no price")


__all__ = ["Request", "needs_order", "placed", "snapshot"]
