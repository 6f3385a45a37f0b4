"""Orders that were placed by other means, and are to be kept: each gets a parent, as if it had been placed here.

Rules
- A known `ref` is that order for ever. What is said of it once more must be about that order: other terms, or ids of which it
  has none, are refused, since whoever says so means another order and would be shown this one.
- Where ids are a day's, a `ref` that is an id says nothing of another day: an order that has ended is not given for today's.
- An id that comes to one that is known is taken: a bot knows its own id before it knows the venue's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core import attribution, reports
from partfill.core.effects import Effects
from partfill.core.lives import DAY_NS, next_life
from partfill.core.parent import Parent, Work
from partfill.model.capabilities import FIX_LIKE, IdScope
from partfill.model.commands import Track
from partfill.model.events import CommandRefused
from partfill.model.inputs import OrderPlaced
from partfill.model.numbers import ZERO
from partfill.model.terms import reused

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.core.desk import Desk


def track(desk: Desk, t: Track, now: int, effects: Effects) -> None:
    """A user wants an order kept."""
    known = desk.by_ref.get((t.venue, t.account, t.ref))
    if known is not None:
        _again(desk, known, t, now, effects)
        return
    life = _begins(desk, t, now, effects)
    ledger = attribution.tracked(desk.engine, t, effects)
    if life and ledger is not None:
        ledger.child.life = life
        # What is stamped today is of today's order, what is stamped before of the one before.
        ledger.child.opened_at = now // DAY_NS * DAY_NS
        effects.bound = True
    # Its ids may have moved even where it is not tracked.
    if ledger is None or not effects.enter(ledger.child, ledger.child.ledger, desk.engine):
        return
    child = ledger.child
    if child.work is not None:
        _refuse(effects, t.ref, f"order {t.cl_ord_id or t.order_id} belongs to {child.work.parent.ref} already")
        return
    placed = OrderPlaced(venue=t.venue, account=t.account, terms=t.terms, cl_ord_id=t.cl_ord_id, order_id=t.order_id)
    reports.placed(desk.engine, child, placed, effects)
    parent = Parent(desk.next_id, t.venue, t.account, t.ref, t.terms, t.resubmit)
    desk.take_in(parent, t.remainder, effects)
    parent.attempts = 1
    work = child.work = Work(parent, ZERO if child.order_qty is None else child.order_qty)
    work.sent_at = now
    parent.children.append(child)
    parent.active.append(child)
    effects.engine = True


def _again(desk: Desk, known: Parent, t: Track, now: int, effects: Effects) -> None:
    """A `ref` that is known already."""
    desk.engine.counters.duplicates += 1
    # Of an order that was halted since its rows could not be read the terms may be lost, and nothing is done for it.
    if known.terms != t.terms and not known.halted:
        _refuse(effects, t.ref, reused(t.ref, known.terms, t.terms))
        return
    orders = [each for child in known.children for name in child.order_ids for each in (_name(name), name)]
    clients = [name for child in known.children for name in child.client_ids]
    here = [name in names for name, names in ((t.order_id, orders), (t.cl_ord_id, clients)) if name is not None]
    if not any(here):
        own = " and ".join(filter(None, (t.order_id and f"order id {t.order_id}", t.cl_ord_id and f"client id {t.cl_ord_id}")))
        ids = ", ".join(dict.fromkeys((*orders, *clients))) or "none"
        _refuse(effects, t.ref, f"ref {t.ref} is an order with other ids already ({ids}), not {own}; use a ref of its own")
        return
    if (
        t.ref in (t.order_id, t.cl_ord_id)
        and known.done is not None
        and all(_by_day(desk, each, now) for each in known.children)
    ):
        said = f"ref {t.ref} is an order of an earlier day, which has ended, and ids of {t.venue} are for one day"
        _refuse(effects, t.ref, f"{said}; give the order of today a ref of its own")
        return
    if not all(here):
        ledger = attribution.tracked(desk.engine, t, effects)
        if ledger is None or not effects.enter(ledger.child, ledger.child.ledger, desk.engine):
            return
        work = ledger.child.work
        if work is None or work.parent is not known:
            whose = "another order" if work is None else work.parent.ref
            _refuse(
                effects, t.ref, f"the ids of ref {t.ref} are of two orders: one of them is of {whose}; give its own ids alone"
            )


def _begins(desk: Desk, t: Track, now: int, effects: Effects) -> int:
    """Whether the order begins anew under ids of one that was kept on an earlier day: its life number, ids set free."""
    index, order, client = desk.engine.index, (t.venue, t.account, t.order_id or ""), (t.venue, t.account, t.cl_ord_id or "")
    ledger = index.by_order.get(order)
    child = index.by_client.get(client) if ledger is None else ledger.child
    if child is None or child.work is None or not child.work.settled or not _by_day(desk, child, now):
        return 0
    return next_life(index, child, ledger, order, client, effects)


def _by_day(desk: Desk, child: Child, now: int) -> bool:
    """Whether an order has ended, and its ids were those of a day that is over."""
    if desk.engine.rules.get(child.venue, FIX_LIKE).id_scope is not IdScope.DAY or child.open_at_venue:
        return False
    return child.heard // DAY_NS < now // DAY_NS


def _name(name: str) -> str:
    """An order id as its venue prints it (see `attribution.alias`)."""
    return name.partition(attribution.SEPARATOR)[0]


def _refuse(effects: Effects, ref: str, reason: str) -> None:
    effects.events.append(CommandRefused(0, None, None, ref, reason))
