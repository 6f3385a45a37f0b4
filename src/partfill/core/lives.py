"""An id that begins anew: a venue that counts its order ids from one again each day, or uses an ended one for another order.

Theory. Nothing is concluded from a message that also fits the order that is known. A message begins a new order under a known
id only when it opens one (New or PendingNew, nothing filled, replacing nothing), was said later than everything that was
heard of the known order, is no repeat, and cannot be about that order: another instrument or side, or the known order was
opened itself and is over, or it was opened on an earlier day and lives one day only.

Rules
- A message without a stamp begins nothing: it may be an old one that came late.
- A report never parts an order of ours from its client id where client ids are unique for ever, nor while a replace of ours is
  out or the end of our order is unproven. Only a placing under that id does (`attribution.placed_anew`); it is alarmed while
  the known order is open.
- A report that names an id that the desk gave is about the order that has it.
- The new life has only the ids that its opener names. The old one keeps its executions, and its late news finds it: a bust
  goes to the life that has the execution, anything else to the life of its time.
- Two orders of which each was opened under one id, both alive, show that it is no id: the venue prints a placeholder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core import message_keys
from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.index import Index, Scope
from partfill.core.ledger import Ledger
from partfill.core.rows import unpack
from partfill.model.capabilities import FIX_LIKE, Capabilities, Chain, ClientId, IdScope
from partfill.model.events import AlarmKind
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.words import ExecType, Request, TimeInForce

if TYPE_CHECKING:
    from partfill.core.engine import Engine

DAY_NS = 86_400_000_000_000
OPENERS = frozenset({ExecType.NEW, ExecType.PENDING_NEW})
"""Reports that begin an order."""
ONE_DAY = frozenset(TimeInForce) - {TimeInForce.GTC, TimeInForce.GTD}
"""Orders that are over when their day is."""


def begins(engine: Engine, s: OrderSnapshot, effects: Effects) -> int:
    """Whether a report begins another order under ids that are known: its life number, ids set free; 0 where it does not."""
    rules = engine.rules.get(s.venue, FIX_LIKE)
    opener = s.exec_type in OPENERS
    if not opener and rules.id_scope is not IdScope.DAY:
        return 0
    index = engine.index
    scope = (s.venue, s.account, s.order_id or "")
    used = index.by_order.get(scope) if s.order_id is not None and scope not in engine.shared else None
    child = used.child if used is not None else index.by_client.get((s.venue, s.account, s.cl_ord_id or ""))
    if child is None:
        return 0
    ours = index.by_client.get((s.venue, s.account, s.cl_ord_id or ""))
    if not (opener and rules.order_id_reused and used is not None and not child.open):
        if not (used is not None and passed_on(child, ours, s.as_of)) and not _another(
            engine, s, child, used, rules, effects, opener=opener
        ):
            return 0
    return next_life(index, child, used, scope, (s.venue, s.account, s.cl_ord_id or ""), effects)


def next_life(index: Index, child: Child, used: Ledger | None, order: Scope, client: Scope, effects: Effects) -> int:
    """Set the ids free under which another order begins; `used` is what has the id `order`. Returns its life number."""
    effects.touch(child)
    if used is not None:
        index.part(order)
    if index.by_client.get(client) is child:
        index.part_client(client)
    return child.life + 1


def outlived(engine: Engine, e: Execution, ledger: Ledger, effects: Effects) -> int:
    """Whether an execution is of an order that begins anew under the id of one that is over since yesterday: its life number,
    the id set free; 0 where it is not. The report that opens the order is still to come."""
    child = ledger.child
    ours = child.work is not None and e.cl_ord_id in child.client_ids
    if e.as_of is None or ours or not child.known or child.rules.chain is Chain.RESTARTS:
        # A client id of ours says whose it is, and where each replace begins a venue order it may be the next of them.
        return 0
    scope = (e.venue, e.account, e.order_id or "")
    if scope in engine.shared or engine.index.by_order.get(scope) is not ledger:
        return 0
    if not passed_on(child, engine.index.by_client.get((e.venue, e.account, e.cl_ord_id or "")), e.as_of):
        # Since its end was said: an order that is over may be asked about, and heard of, on the next day too.
        one_day = bool(child.opened_at) and child.tif in ONE_DAY
        last = child.opened_at if one_day else max(child.opened_at, child.ended_at or child.heard)
        if e.as_of // DAY_NS <= last // DAY_NS or child.open_at_venue:
            return 0
        # Of one that lived for its day only, or whose end was said, it is none, though that end is not proven yet.
        if _replaces(child) or (not one_day and not child.ended_at and _ours_is_open(child)):
            return 0
    effects.touch(child)
    engine.index.part(scope)
    return child.life + 1


def passed_on(holder: Child, other: Child | None, as_of: int | None) -> bool:
    """Whether a message that names an id of `holder` and a client id of `other` shows that the id has begun anew: the venue
    counts its ids by day, and `holder` was over before the day of the message. `other` has no id of the venue yet."""
    if other is None or other is holder or other.order_id is not None or as_of is None:
        return False
    if holder.rules.id_scope is not IdScope.DAY or (holder.open_at_venue and holder.tif not in ONE_DAY):
        return False
    # One that filled has no end of its own, and may have been asked about today: when it was sent is of its day.
    sent = 0 if holder.work is None else holder.work.sent_at
    return as_of // DAY_NS > (holder.opened_at or holder.ended_at or sent or holder.heard) // DAY_NS


def held(index: Index, scope: Scope, child: Child) -> Ledger | None:
    """The venue order that `child` was under an id that another order has now; None where it never had it."""
    return next((each for each in index.former.get(scope, ()) if each.child is child), None)


def _another(engine: Engine, s: OrderSnapshot, child: Child, used: Ledger | None, rules: Capabilities, effects: Effects, *,
             opener: bool) -> bool:  # fmt: skip
    """Whether the report cannot be about `child`, and opens an order."""
    if s.as_of is None or s.as_of <= child.heard or s.orig_cl_ord_id is not None:
        return False
    if child.work is not None and s.cl_ord_id in child.client_ids:
        # The desk gives no id twice.
        return False
    if opener and (s.cum_qty or s.executions):
        return False
    if _ours_is_open(child) or message_keys.is_repeat(child, s, DAY_NS):
        return False
    by_day = rules.id_scope is IdScope.DAY
    hard = child.contradicts(s.instrument, s.side)
    later_day = s.as_of // DAY_NS > (child.opened_at or child.heard) // DAY_NS
    if used is None:
        ours = child.placed or child.work is not None
        if ours and rules.client_id is ClientId.UNIQUE and not by_day:
            return False
        if not ours and opener and s.exec_type is ExecType.NEW and child.opened_at and rules.chain is Chain.CONTINUES:
            # Somebody else's client id: the venue acknowledged two orders under it.
            if s.order_id is not None and child.order_id not in (None, s.order_id):
                return True
        if not by_day and not hard:
            return False
    if hard:
        if rules.id_scope is IdScope.INSTRUMENT and s.instrument not in (None, child.instrument):
            # Both go on side by side (see `attribution.alias`).
            return False
        return opener or (by_day and later_day)
    if not child.opened_at or not child.known:
        return False
    if not child.open_at_venue:
        return opener or later_day
    if later_day and (child.tif in ONE_DAY or (by_day and child.tif is None)):
        return True
    if s.exec_type is ExecType.NEW and used is not None and s.cl_ord_id is not None and not later_day:
        if child.client_ids and s.cl_ord_id not in child.client_ids and s.cl_ord_id not in (child.in_flight or {}):
            _shared(engine, child, s.order_id or "", f"client ids {child.cl_ord_id} and {s.cl_ord_id}", effects)
    return False


def _ours_is_open(child: Child) -> bool:
    """Whether a replace of ours is out, or the end of an order of ours is not proven."""
    return _replaces(child) or (child.work is not None and not child.work.settled)


def _replaces(child: Child) -> bool:
    """Whether a replace of ours is out."""
    if any(sent[0] is Request.REPLACE for sent in (child.in_flight or {}).values()):
        return True
    return any(request is Request.REPLACE for request in (child.requests or {}).values())


def share(engine: Engine, by_order: Child, by_client: Child, order_id: str | None, effects: Effects) -> bool:
    """Whether one message shows that two orders, each opened by itself, have one order id: then it is none from now on."""
    if order_id is None or not by_order.opened_at or not (by_client.opened_at or by_client.placed):
        return False
    if by_order.placed and by_order.work is not None and by_client.work is None:
        # Nobody takes an id from an order of ours that works under it.
        return False
    _shared(engine, by_order, order_id, f"client ids {by_order.cl_ord_id} and {by_client.cl_ord_id}", effects)
    return True


def _shared(engine: Engine, child: Child, order_id: str, by: str, effects: Effects) -> None:
    """The id that was printed is none. The order may have another one, which is."""
    engine.shared.add((child.venue, child.account, order_id))
    effects.engine = True
    effects.touch(child)
    said = f"order id {order_id} is printed for two orders ({by}); it is a placeholder from here on, client ids decide"
    engine.alarm(effects, child, AlarmKind.ID_SHARED, said)


def meant(index: Index, scope: Scope, newest: Ledger, as_of: int | None, ref: str | None,
          said: Execution | None) -> Ledger:  # fmt: skip
    """Which life of an id a message is about: the one that has execution `ref`, else that of its time, else the newest.

    `said`: the execution that the message is. Without a stamp, one that a former life has to the letter is a repeat of that.
    """
    # An order may have gone on under the same id more than once.
    own = _under(newest, scope[2])[1:]
    former = index.former.get(scope, ())
    if not former and not own:
        return newest
    early = as_of is not None and _before(newest.child, as_of)
    if said is not None and as_of is None and said.key not in newest.rows:
        for each in (*own, *(one for held in reversed(former) for one in _under(held, scope[2]))):
            packed = each.rows.get(said.key)
            row = None if packed is None else unpack(packed)
            if row is not None and (row.qty, row.px) == (said.qty, said.px):
                return each
    if ref is not None:
        chain = (*reversed(former), newest) if early else (newest, *reversed(former))
        for each in (one for held in chain for one in _under(held, scope[2])):
            if each.root(ref) in each.rows or (each.links is not None and ref in each.links):
                return each
    if early and former and as_of is not None:
        return next((each for each in reversed(former) if each.child.opened_at <= as_of), former[0])
    return newest


def _before(child: Child, as_of: int) -> bool:
    """Whether something was true before an order began: one of ours that is not acknowledged, on the day it was sent."""
    if child.opened_at or child.work is None:
        return as_of < child.opened_at
    return as_of // DAY_NS < child.work.sent_at // DAY_NS


def _under(ledger: Ledger, order_id: str) -> list[Ledger]:
    """The venue orders of its order that have this id, newest first."""
    return [each for each in reversed(ledger.child.ledgers) if each.order_id == order_id] or [ledger]


def opened(child: Child, s: OrderSnapshot) -> None:
    """Note when an order began, and of when the newest word on it is."""
    if s.as_of is not None and s.as_of > child.heard:
        child.heard = s.as_of
    if not child.opened_at and s.exec_type in OPENERS:
        child.opened_at = s.as_of or 1
