"""From a step of the plan to the operation that asks a venue for it: into the state first, then into `effects.operations`.

Rules
- What is asked for is in the state of the order before it leaves: the request, its id, and the most that may fill by it.
- Client ids come from the journal: desk, parent, attempt; request ids from the child's id and a counter. An id that anybody
  has used is passed over. A retry has no other id, since there is no retry: a lost request is asked for.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core import attribution, reports
from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.parent import Parent, Work
from partfill.core.step import Step
from partfill.model.capabilities import BelowCum, ReplaceQty
from partfill.model.events import ResubmitTriggered
from partfill.model.inputs import OrderPlaced
from partfill.model.numbers import ZERO, sub
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.terms import Terms
from partfill.model.words import OrdType, Request, Side, TimeInForce

if TYPE_CHECKING:
    from partfill.core.desk import Desk


def place(desk: Desk, parent: Parent, step: Step, now: int, effects: Effects) -> None:
    """A new child of `step.qty` units, under a client id that was never used."""
    engine = desk.engine
    last = parent.children[-1] if parent.children else None
    cl_ord_id = _client_id(desk, parent)
    terms = parent.terms
    if terms.cash_order_qty is None:
        terms = terms.sized(step.qty, parent.price)
    child = attribution.new_child(engine, parent.venue, parent.account, None, cl_ord_id)
    effects.touch(child)
    reports.placed(engine, child, OrderPlaced(venue=parent.venue, account=parent.account, terms=terms, cl_ord_id=cl_ord_id),
                   effects)  # fmt: skip
    work = child.work = Work(parent, ZERO if terms.order_qty is None else terms.order_qty)
    work.request, work.request_id, work.sent_at = Request.PLACE, cl_ord_id, now
    parent.children.append(child)
    parent.active.append(child)
    if parent.done is not None:
        parent.done = None
        effects.family(parent)
    if step.resubmit and last is not None:
        parent.resubmits += 1
        ids = (last.id, last.order_id, last.cl_ord_id)
        effects.events.append(ResubmitTriggered(*ids, parent.ref, cl_ord_id, step.qty, parent.resubmits))
    effects.send(
        Place(venue=parent.venue, account=parent.account, instrument=terms.instrument, order=child.id,
              cl_ord_id=cl_ord_id, terms=terms, urgent=parent.guards is not None)
    )  # fmt: skip


def _client_id(desk: Desk, parent: Parent) -> str:
    while True:
        parent.attempts += 1
        cl_ord_id = f"{desk.name}{parent.id}-{parent.attempts}"
        if (parent.venue, parent.account, cl_ord_id) not in desk.engine.index.by_client:
            return cl_ord_id


def _request(desk: Desk, child: Child, request: Request, qty: Decimal | None, price: Decimal | None, now: int,
             effects: Effects) -> str:  # fmt: skip
    """Note a request as in flight; returns its id."""
    work = child.work
    assert work is not None
    effects.touch(child)
    index = desk.engine.index
    first = child.client_ids[0] if child.client_ids else f"{desk.name}{child.id}"
    name = ""
    while not name or (child.venue, child.account, name) in index.by_client:
        # A user may have used what looks like one of our ids.
        work.requests += 1
        name = f"{first}.{work.requests}"
    index.bind_client(child, name)
    child.in_flight = child.in_flight or {}
    child.in_flight[name] = (request, qty, price)
    work.request, work.request_id, work.sent_at, work.accepted = request, name, now, False
    work.answered, work.refusal = False, None
    return name


def cancel(desk: Desk, child: Child, retarget: bool, now: int, effects: Effects) -> None:
    """Take the child off; `retarget` when what is left is to be placed anew."""
    assert child.work is not None
    child.work.retarget = child.work.retarget or retarget
    name = _request(desk, child, Request.CANCEL, None, None, now, effects)
    effects.send(
        Cancel(venue=child.venue, account=child.account, instrument=child.instrument or "", order=child.id, cl_ord_id=name,
               orig_cl_ord_id=child.cl_ord_id or "", order_id=child.order_id)
    )  # fmt: skip


def replace(desk: Desk, parent: Parent, child: Child, total: Decimal, now: int, effects: Effects) -> None:
    """Bring the child to `total` units, filled ones included, at the parent's price."""
    work = child.work
    assert work is not None
    qty = sub(total, child.cum) if child.rules.replace_qty is ReplaceQty.OPEN else total
    orig = child.cl_ord_id or ""
    name = _request(desk, child, Request.REPLACE, qty, parent.price, now, effects)
    # Should it fill before it is made larger, the rest is placed anew.
    work.retarget = total > work.max_qty
    if parent.guards is not None and child.rules.below_cum is BelowCum.CANCEL:
        # Should it fill more than it is made smaller to, it ends by our request and not by itself.
        work.retarget = True
    work.target = (total, parent.price)
    work.max_qty = max(work.max_qty, total)
    effects.send(
        Replace(venue=child.venue, account=child.account, instrument=child.instrument or "", order=child.id, cl_ord_id=name,
                orig_cl_ord_id=orig, order_id=child.order_id, order_qty=qty, price=parent.price, cum_qty=child.cum,
                tags=parent.terms.tags, urgent=parent.guards is not None)
    )  # fmt: skip


def ask(child: Child, effects: Effects, others: tuple[str, ...] = ()) -> None:
    """Ask the venue about the child, which is none of the `others`; the answer comes as `Looked`."""
    work = child.work
    assert work is not None
    effects.touch(child)
    work.looking, work.look_at = True, 0
    effects.send(
        Query(venue=child.venue, account=child.account, instrument=child.instrument or "", order=child.id,
              cl_ord_id=child.cl_ord_id or "", order_id=child.order_id, terms=terms_of(child),
              since=work.sent_at, others=others)
    )  # fmt: skip


def terms_of(child: Child) -> Terms:
    """The terms in force of an order."""
    return Terms(
        instrument=child.instrument or "", side=child.side or Side.BUY, order_qty=child.order_qty,
        cash_order_qty=child.cash_qty if child.order_qty is None else None, price=child.price, stop_px=child.stop_px,
        ord_type=child.ord_type or OrdType.OTHER, time_in_force=child.tif or TimeInForce.DAY, base=child.base,
    )  # fmt: skip
