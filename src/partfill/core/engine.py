"""The engine: `step(input, now) -> effects`. Plain, deterministic, no clock, no I/O.

Theory of operation. One input goes in; it is matched to an order (`index`), booked as evidence (`ledger`), read as
facts (`lifecycle`), the order is derived anew (`child.settle`), its invariants are asserted (`invariants`), and what
changed comes out: events for subscribers, rows for the journal. The same inputs give the same state and the same
effects, byte for byte. So replay is recovery, audit and test in one.

Rules
- No input raises. What cannot be attributed or does not fit is counted and alarmed, and the input itself is journalled.
- A broken invariant puts that one order into quarantine: nothing is applied to it any more, its inputs stay in the
  journal, the others go on.
- Evidence of an unknown order is parked as an order without terms, silent until its terms come; then it is adopted.

What reports do to an order is in `reports`; what executions do in `fills`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from partfill.core import answers, declared, fills, handling, outages, protection, reported, reports
from partfill.core.child import Child
from partfill.core.desk import Desk
from partfill.core.effects import Counters, Effects, state_of
from partfill.core.holdings import Holdings
from partfill.core.index import Index
from partfill.core.invariants import Broken, check
from partfill.core.ledger import Ledger
from partfill.core.merging import merge
from partfill.model.capabilities import FIX_LIKE, Capabilities, Chain, ReplaceQty
from partfill.model.events import Adopted, Alarm, AlarmKind, Reversal
from partfill.model.inputs import (
    Amend,
    Answered,
    Charge,
    DayRolled,
    Decide,
    Execution,
    ExecutionRevised,
    ExecutionVoided,
    Gap,
    Input,
    InstrumentListed,
    KillSwitch,
    Looked,
    MarketSeen,
    OrderLinked,
    OrderPlaced,
    OrderSnapshot,
    Outage,
    PositionSeen,
    Protect,
    Quarantined,
    Reported,
    RequestSent,
    Restarted,
    Stop,
    Submit,
    Tick,
    Track,
    Unprotect,
    Unreadable,
    Untrack,
    VenueDeclared,
)
from partfill.model.numbers import ZERO
from partfill.model.words import Flag

_QUARANTINED = int(Flag.QUARANTINED)
_REPLACED = int(Flag.REPLACED)
_UNCLAIMED = int(Flag.UNCLAIMED)

COMPACT_AFTER = 1024
"""Orders forgotten, beyond twice those left, after which the dictionaries are made anew. Amortised O(1)."""


class Engine:
    """All orders of one process. Feed it with `step`; read orders from `children` by number."""

    __slots__ = (
        *("_by_order", "_forgotten", "_handlers", "children", "counters", "days", "desk", "holdings", "index", "next_id"),
        *("listed", "outages", "rules"),
    )

    def __init__(self) -> None:
        self.children: dict[int, Child] = {}
        self.index = Index()
        self._by_order = self.index.by_order
        self.rules: dict[str, Capabilities] = {}
        self.days: dict[tuple[str, str], int] = {}
        """Trading days that began, per (venue, account)."""
        self.outages: dict[tuple[str, str], int] = {}
        """(venue, account) whose reads are not answered -> since when (ns UTC)."""
        self.listed: dict[tuple[str, str], InstrumentListed] = {}
        """What venues say of instruments, per (venue, instrument)."""
        self.next_id = 1
        self.counters = Counters()
        self._forgotten = 0
        self.desk = Desk(self)
        self.holdings: Holdings | None = None
        """Positions; None where nobody trades and orders are only read, as in an audit."""
        self._handlers: dict[type, Callable[[Any, int, Effects], None]] = {
            Execution: self._execution,
            OrderSnapshot: self.apply_snapshot,
            ExecutionRevised: self._revised,
            ExecutionVoided: self._voided,
            OrderLinked: self._linked,
            Charge: self._charge,
            Gap: self._gap,
            OrderPlaced: self._placed,
            RequestSent: self._request,
            VenueDeclared: partial(declared.rules, self),
            InstrumentListed: partial(declared.instrument, self),
            DayRolled: partial(declared.day, self),
            Unreadable: self._unreadable,
            Submit: self.desk.submit,
            Track: self.desk.track,
            Untrack: self.desk.untrack,
            Stop: self.desk.stop,
            Amend: self.desk.amend,
            Answered: self._answered,
            Looked: self._looked,
            KillSwitch: self.desk.kill,
            Decide: partial(handling.decided, self.desk),
            Reported: self._reported,
            PositionSeen: self._position_seen,
            Protect: self.desk.protect,
            Unprotect: self.desk.unprotect,
            MarketSeen: self.desk.market_seen,
            Restarted: self.desk.restarted,
            Tick: lambda _, now, effects: self.desk.tick(now, effects),
            Quarantined: partial(declared.quarantined, self),
            Outage: partial(outages.outage, self),
        }

    def step(self, inp: Input, now: int) -> Effects:
        """Take one input at `now` (ns UTC, when it reached us) and return everything that follows from it."""
        effects = Effects()
        self.counters.inputs += 1
        try:
            self._handlers[type(inp)](inp, now, effects)
        except Exception as error:
            self._stop(effects, f"{type(error).__name__} on {type(inp).__name__}: {error}")
        child = effects.child
        if child is None or (effects.duplicate and not effects.bound):
            return self._beside(effects, now) if effects.others else effects
        effects.changed = True
        child.updated = now
        ledger = effects.ledger
        assert ledger is not None
        if not child.flags & _QUARANTINED:
            if effects.bound:
                # It may go on as another venue order now: the end of the one before is not its end.
                child.settle()
            try:
                check(child, ledger, effects.told, effects.published)
            except (Broken, ArithmeticError) as broken:
                self._stop(effects, f"invariant {broken}")
        if child.work is not None:
            self._follow(child, now, effects)
        effects.after = (child.status, child.order_qty, child.cum, child.leaves, ledger.notional, child.flags)
        if self.holdings is not None:
            try:
                self.holdings.follow(effects, now)
                if self.desk.next_protection > 1:
                    protection.follow(self.desk, now, effects)
            except Exception as error:
                self._halt(child, effects, f"{type(error).__name__} in the position of {child.instrument}: {error}")
        return self._beside(effects, now) if effects.others else effects

    def _halt(self, child: Child, effects: Effects, why: str) -> None:
        """What is held cannot be told after this order: it is stopped with its parent, and the others go on."""
        self._stop(effects, why)
        if child.work is not None:
            child.work.parent.halted = True
            effects.parent(child.work.parent)
        effects.after = state_of(child)

    def _follow(self, child: Child, now: int, effects: Effects) -> None:
        assert child.work is not None
        if child.flags & _QUARANTINED:
            # Its numbers are not to be believed: nothing is sent for its parent until a person has looked.
            child.work.parent.halted = True
            effects.parent(child.work.parent)
            return
        try:
            self.desk.follow(child, now, effects)
        except Exception as error:
            self._halt(child, effects, f"{type(error).__name__} in the plan of {child.work.parent.ref}: {error}")

    def _beside(self, effects: Effects, now: int) -> Effects:
        """Assert the invariants of every other order that the step touched."""
        for change in effects.others:
            child = change.child
            child.updated = now
            if child.flags & _QUARANTINED:
                continue
            try:
                check(child, child.ledger, child.cum, ZERO)
            except Broken as broken:
                child.mark(Flag.QUARANTINED)
                self.counters.quarantined += 1
                self.alarm(effects, child, AlarmKind.INVARIANT, f"invariant {broken}; the order is in quarantine")
            change.after = state_of(child)
        return effects

    def _stop(self, effects: Effects, why: str) -> None:
        """Something that cannot be: stop the one order it happened to, tell a person, and let the others go on."""
        child = effects.child
        effects.duplicate = False
        if child is not None and child.mark(Flag.QUARANTINED):
            self.counters.quarantined += 1
        self.alarm(effects, child, AlarmKind.INVARIANT, f"{why}; the order is in quarantine" if child else why)

    # ------------------------------------------------------------------ inputs

    def _execution(self, e: Execution, now: int, effects: Effects) -> None:
        order_id = e.order_id
        # The common case by hand: one look-up. A message with a client id may have to bind it.
        ledger = self._by_order.get((e.venue, e.account, order_id)) if order_id is not None else None
        if ledger is None or e.cl_ord_id is not None:
            ledger = self.attribute(e.venue, e.account, order_id, e.cl_ord_id, None, effects, create=True)
            if ledger is None:
                return
        child = ledger.child
        if effects.enter(child, ledger, self):
            if child.instrument is None and e.instrument is not None:
                child.instrument = e.instrument
                effects.bound = True
            if child.side is None and e.side is not None:
                child.side = e.side
                effects.bound = True
            fills.execution(self, child, ledger, e, now, effects)

    def apply_snapshot(self, s: OrderSnapshot, now: int, effects: Effects) -> None:
        """What a venue says of a whole order, as an input of its own or inside an answer."""
        scope = (s.venue, s.account, s.order_id or "")
        if s.exec_type in reports.OPENERS and self.rules.get(s.venue, FIX_LIKE).order_id_reused:
            used = self.index.by_order.get(scope)
            if used is not None and not used.child.open:
                del self.index.by_order[scope]
        ledger = self.attribute(
            s.venue, s.account, s.order_id, s.cl_ord_id, s.orig_cl_ord_id, effects, create=not reports.needs_order(s)
        )
        if ledger is not None and effects.enter(ledger.child, ledger, self):
            reports.snapshot(self, ledger.child, ledger, s, now, effects)

    def _revised(self, r: ExecutionRevised, now: int, effects: Effects) -> None:
        ledger = self.attribute(r.venue, r.account, r.order_id, r.cl_ord_id, None, effects, create=True)
        if ledger is not None and effects.enter(ledger.child, ledger, self):
            fills.revised(self, ledger.child, ledger, r, now, effects)

    def _voided(self, v: ExecutionVoided, now: int, effects: Effects) -> None:
        ledger = self.attribute(v.venue, v.account, v.order_id, v.cl_ord_id, None, effects, create=True)
        if ledger is not None and effects.enter(ledger.child, ledger, self):
            fills.voided(self, ledger.child, ledger, v, now, effects)

    def _charge(self, c: Charge, now: int, effects: Effects) -> None:
        ledger = self.attribute(c.venue, c.account, c.order_id, c.cl_ord_id, None, effects, create=True)
        if ledger is not None and effects.enter(ledger.child, ledger, self):
            fills.charge(self, ledger.child, ledger, c, effects)

    def _linked(self, link: OrderLinked, now: int, effects: Effects) -> None:
        ledger = self.attribute(link.venue, link.account, link.order_id, link.cl_ord_id, None, effects, create=True)
        if ledger is not None and effects.enter(ledger.child, ledger, self):
            new = self.continue_as(ledger.child, link.new_order_id, effects)
            child = new.child
            if child.ledger is ledger:
                # A later one of the chain may be in force already.
                child.ledger = new
            if link.new_cl_ord_id is not None:
                self.index.bind_client(child, link.new_cl_ord_id)
                child.chain(link.new_cl_ord_id, link.cl_ord_id or child.cl_ord_id)
            effects.enter(child, new, self)
            child.settle()

    def _placed(self, p: OrderPlaced, now: int, effects: Effects) -> None:
        known = self.index.by_client.get((p.venue, p.account, p.cl_ord_id)) if p.cl_ord_id is not None else None
        if known is not None and known.known:
            effects.enter(known, known.ledger, self)
            effects.duplicate = known.placed
            self.counters.duplicates += known.placed
            known.placed = True
            return
        ledger = self.attribute(p.venue, p.account, p.order_id, p.cl_ord_id, None, effects, create=True)
        if ledger is not None and effects.enter(ledger.child, ledger, self):
            reports.placed(self, ledger.child, p, effects)

    def _request(self, r: RequestSent, now: int, effects: Effects) -> None:
        ledger = self.attribute(r.venue, r.account, r.order_id, r.cl_ord_id, r.orig_cl_ord_id, effects, create=False)
        if ledger is not None and effects.enter(ledger.child, ledger, self):
            child = ledger.child
            if child.in_flight is None:
                child.in_flight = {}
            child.in_flight[r.cl_ord_id] = (r.request, r.order_qty, r.price)

    def _gap(self, gap: Gap, now: int, effects: Effects) -> None:
        self.counters.gaps += 1
        since = "an unknown time" if gap.since is None else str(gap.since)
        text = f"stream of {gap.venue} {gap.account} broke; what happened since {since} may be missing"
        effects.events.append(Alarm(0, None, None, AlarmKind.GAP, text))
        self.desk.gap(gap.venue, gap.account, now, effects)

    def _unreadable(self, u: Unreadable, now: int, effects: Effects) -> None:
        self.counters.unreadable += 1
        effects.events.append(Alarm(0, None, None, AlarmKind.UNREADABLE, f"{u.venue}: {u.error}"))

    def _answered(self, a: Answered, now: int, effects: Effects) -> None:
        answers.answered(self.desk, a, now, effects)

    def _looked(self, answer: Looked, now: int, effects: Effects) -> None:
        answers.looked(self.desk, answer, now, effects)

    def _reported(self, r: Reported, now: int, effects: Effects) -> None:
        reported.reported(self.desk, r, effects)

    def _position_seen(self, p: PositionSeen, now: int, effects: Effects) -> None:
        if self.holdings is not None:
            self.holdings.seen(self, p, now, effects)

    # ------------------------------------------------------------------ attribution

    def attribute(self, venue: str, account: str, order_id: str | None, cl_ord_id: str | None, orig: str | None,
                  effects: Effects, *, create: bool) -> Ledger | None:  # fmt: skip
        """The ledger that a message is about, its ids bound; a parked order is made when `create`. None: of no order."""
        index = self.index
        ledger = index.by_order.get((venue, account, order_id)) if order_id is not None else None
        mine = index.by_client.get((venue, account, cl_ord_id)) if cl_ord_id is not None else None
        if ledger is not None:
            child = ledger.child
            if cl_ord_id is not None and mine is None:
                index.bind_client(child, cl_ord_id)
                effects.bound = True
            elif mine is not None and mine is not child:
                ledger = self._two_orders(child, mine, ledger, effects)
            return ledger
        if mine is None and orig is not None:
            mine = index.by_client.get((venue, account, orig))
            if mine is not None and cl_ord_id is not None:
                index.bind_client(mine, cl_ord_id)
                effects.bound = True
        if mine is not None:
            return mine.ledger if order_id is None else self.continue_as(mine, order_id, effects)
        if not create or (order_id is None and cl_ord_id is None):
            self.unattributed(effects, venue, account, f"order id {order_id}, client id {cl_ord_id or orig}")
            return None
        return self.new_child(venue, account, order_id, cl_ord_id).ledger

    def unattributed(self, effects: Effects, venue: str, account: str, ids: str) -> None:
        """A message that concerns no order anybody knows."""
        self.counters.unattributed += 1
        self.alarm(effects, None, AlarmKind.NO_ORDER, f"{venue} {account}: a message of no known order ({ids})")

    def new_child(self, venue: str, account: str, order_id: str | None, cl_ord_id: str | None) -> Child:
        """An order that nobody knew, with its ids bound."""
        child = Child(self.next_id, venue, account, order_id, cl_ord_id, self.rules.get(venue, FIX_LIKE))
        child.day = self.days.get((venue, account), 0)
        self.next_id += 1
        self.children[child.id] = child
        self.counters.orders += 1
        if order_id is not None:
            self.index.bind_order(child.ledger, order_id)
        if cl_ord_id is not None:
            self.index.bind_client(child, cl_ord_id)
        return child

    def continue_as(self, child: Child, order_id: str, effects: Effects) -> Ledger:
        """The order goes on (or turns out to be) under this venue id; returns the ledger of that id."""
        found = self.index.by_order.get((child.venue, child.account, order_id))
        if found is not None:
            return found if found.child is child else self._two_orders(found.child, child, found, effects)
        if child.ledger.order_id is not None and child.rules.chain is Chain.RESTARTS:
            child.ledger = Ledger(child, None)
            child.ledger.era = child.era
            child.ledgers.append(child.ledger)
            # What may have ended was the venue order before; this one goes on.
            child.ended_at = 0
        child.flags &= ~_REPLACED
        self.index.bind_order(child.ledger, order_id)
        effects.bound = True
        return child.ledger

    def _two_orders(self, by_order: Child, by_client: Child, ledger: Ledger, effects: Effects) -> Ledger:
        """One message names two orders. A parked or nameless one is evidence of the other; two real ones are an alarm."""
        if not by_order.known or by_order.nameless:
            return self._absorb(by_client, by_order, effects).get(ledger, ledger)
        if not by_client.known:
            self._absorb(by_order, by_client, effects)
            return ledger
        text = f"order id {ledger.order_id} is order {by_order.id}, client id {by_client.cl_ord_id} is order {by_client.id}"
        self.alarm(effects, by_order, AlarmKind.ID_CONFLICT, text + "; the order id rules")
        return ledger

    def _absorb(self, keep: Child, parked: Child, effects: Effects) -> dict[Ledger, Ledger]:
        """Move the parked order's evidence and ids into the order it belongs to.

        Evidence of one venue order under two ids is one ledger; that of a later venue order of the chain is one more.
        Returns, for each ledger that was merged, the one that it is part of now.
        """
        effects.enter(keep, keep.ledger, self)
        if parked.known and parked.cum:
            # It was taken for an order of somebody else, and its fills were published as such.
            gone = Reversal(
                parked.id, parked.order_id, None, parked.cum, "", f"it is order {keep.id}", ZERO, ZERO, parked.status
            )
            effects.events.append(gone)
        into: dict[Ledger, Ledger] = {}
        new: list[tuple[Ledger, str]] = []
        one_count = keep.rules.chain is Chain.CONTINUES
        later = parked.ledger.order_id is not None and keep.ledger.order_id is not None and not parked.client_ids
        if not one_count and len(parked.ledgers) == 1 and keep.rules.replace_qty is ReplaceQty.OPEN:
            # What was the quantity of an order of its own is that of one leg.
            parked.ledger.qty = parked.order_qty
        for ledger in parked.ledgers:
            ledger.child = keep
            if one_count or keep.ledger.order_id is None or ledger.order_id is None:
                new.extend((keep.ledger, key) for key in ledger.rows if key not in keep.ledger.rows)
                effects.rows.extend((keep.ledger, key, None, None) for key in merge(keep.ledger, ledger))
                into[ledger] = keep.ledger
            else:
                ledger.era = keep.era
                keep.ledgers.append(ledger)
                new.extend((ledger, key) for key in ledger.rows)
        for order_id in parked.order_ids:
            found = self.index.by_order.get((keep.venue, keep.account, order_id))
            if found in into:
                self.index.by_order[keep.venue, keep.account, order_id] = into[found]
        for cl_ord_id in parked.client_ids:
            self.index.by_client[keep.venue, keep.account, cl_ord_id] = keep
        keep.ended_at = max(keep.ended_at, parked.ended_at)
        keep.terms_at = max(keep.terms_at, parked.terms_at)
        if later and not one_count:
            # What may have ended before was the leg before.
            keep.ledger, keep.ended_at = parked.ledger, parked.ended_at
            keep.flags &= ~_REPLACED
            keep.price = keep.price if parked.price is None else parked.price
        keep.order_ids += parked.order_ids
        keep.client_ids += parked.client_ids
        keep.instrument = keep.instrument or parked.instrument
        keep.side = keep.side or parked.side
        keep.facts |= parked.facts
        keep.flags |= parked.flags & ~_UNCLAIMED
        keep.seen = (keep.seen or set()) | parked.seen if parked.seen else keep.seen
        del self.children[parked.id]
        self.counters.orders -= 1
        effects.merged = (*effects.merged, (parked.id, list(enumerate(parked.ledgers))))
        effects.bound = True
        effects.ledger = keep.ledger
        if keep.known:
            fills.publish_joined(self, keep, new, effects)
        else:
            keep.cum = keep.sum_cum()
            keep.settle()
            if keep.known:
                # The other one told for how much it is.
                self.adopt(keep, effects)
        return into

    def adopt(self, child: Child, effects: Effects) -> None:
        """The terms of a parked order came: publish what had been booked in silence."""
        if child.cum or child.executions:
            new = [(ledger, key) for ledger in child.ledgers for key in ledger.rows]
            fills.publish_joined(self, child, new, effects)
            effects.events.append(Adopted(child.id, child.order_id, child.cl_ord_id, child.cum))

    def alarm(self, effects: Effects, child: Child | None, kind: AlarmKind, text: str) -> None:
        """Tell a person; counted per kind."""
        self.counters.alarms += 1
        if child is None:
            effects.events.append(Alarm(0, None, None, kind, text))
        else:
            effects.events.append(Alarm(child.id, child.order_id, child.cl_ord_id, kind, text))

    # ------------------------------------------------------------------ memory

    def forget(self, child: Child) -> None:
        """Drop an order from memory. Its rows stay in the journal; `restore` brings it back."""
        del self.children[child.id]
        self.index.forget(child)
        if self.holdings is not None:
            self.holdings.forgotten(child.id)
        self._forgotten += 1
        if self._forgotten > COMPACT_AFTER + 2 * len(self.children):
            # A dictionary does not shrink by itself: copies of what is left do.
            self._forgotten = 0
            self.children = dict(self.children)
            self.index.compact()
            self._by_order = self.index.by_order

    def restore(self, child: Child, ledgers: dict[str, Ledger]) -> None:
        """Put an order back; `ledgers` says which of its ledgers each venue id means."""
        self.children[child.id] = child
        self.next_id = max(self.next_id, child.id + 1)
        self.index.remember(child, ledgers)
        if self.holdings is not None:
            self.holdings.restored(child)
        if child.flags & _UNCLAIMED:
            self.desk.unclaimed.add(child.id)
