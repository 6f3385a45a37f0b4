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
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from partfill.core import (
    answers,
    attribution,
    chains,
    declared,
    due,
    fills,
    handling,
    lives,
    outages,
    presumed,
    protection,
    reported,
    reports,
    rulings,
)
from partfill.core.child import Child
from partfill.core.desk import Desk
from partfill.core.effects import Counters, Effects, state_of
from partfill.core.holdings import Holdings
from partfill.core.index import Index
from partfill.core.invariants import Broken, check
from partfill.core.ledger import Ledger
from partfill.model.capabilities import Capabilities, IdScope
from partfill.model.events import Adopted, Alarm, AlarmKind
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
    Resolve,
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
from partfill.model.words import ExecType, Flag, LinkKind

_DAY = IdScope.DAY
_QUARANTINED = int(Flag.QUARANTINED)
_SUSPECTED = int(Flag.SUSPECTED)
_PRESUMED = int(Flag.PRESUMED)
_DOUBTED = _SUSPECTED | _PRESUMED
_UNCLAIMED = int(Flag.UNCLAIMED)

COMPACT_AFTER = 1024
"""Orders forgotten, beyond twice those left, after which the dictionaries are made anew. Amortised O(1)."""


class Engine:
    """All orders of one process. Feed it with `step`; read orders from `children` by number."""

    __slots__ = (
        *("_by_order", "_forgotten", "_handlers", "children", "counters", "days", "desk", "holdings", "index", "next_id"),
        *("doubted", "listed", "outages", "rules", "shared"),
    )

    set_aside = staticmethod(rulings.again)
    """What an execution that was set aside does when it comes again: `rulings` stand on `fills`, which call it here."""

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
        self.shared: set[tuple[str, str, str]] = set()
        """(venue, account, order id) that two orders were seen to have: placeholders, which name none."""
        self.doubted: dict[int, None] = {}
        """Orders marked `SUSPECTED`; numbers may be outdated, never missing."""
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
            Answered: partial(answers.answered, self.desk),
            Looked: partial(answers.looked, self.desk),
            KillSwitch: self.desk.kill,
            Decide: partial(handling.decided, self.desk),
            Reported: self._reported,
            PositionSeen: self._position_seen,
            Protect: self.desk.protect,
            Unprotect: self.desk.unprotect,
            MarketSeen: self.desk.market_seen,
            Restarted: self.desk.restarted,
            Tick: lambda _, now, effects: due.tick(self.desk, now, effects),
            Quarantined: partial(declared.quarantined, self),
            Outage: partial(outages.outage, self),
            Resolve: partial(rulings.resolve, self),
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
            if effects.others or effects.merged:
                self._beside(effects, now)
                self._protect(effects, now)
            return effects
        effects.changed = True
        child.updated = now
        ledger = effects.ledger
        assert ledger is not None
        if not child.flags & _QUARANTINED:
            if effects.bound or ledger.qty is not None:
                # It may go on as another venue order now: the end of the one before is not its end.
                self._settle(child, effects)
            if ledger.doubt is not None or child.flags & _DOUBTED:
                rulings.news(self, child, effects)
                if child.flags & _PRESUMED:
                    presumed.moved(self, child, effects)
            try:
                check(child, ledger, effects.told, effects.published)
            except (Broken, ArithmeticError) as broken:
                self._stop(effects, f"invariant {broken}")
        if child.flags & _QUARANTINED:
            _rest(child)
        elif child.cum is not child.ledger.cum and (total := child.sum_cum()) == child.cum:
            # The same quantity with the digits that it has after a restart; so is what is left.
            child.cum = total
            child.settle()
        if child.work is not None:
            self._follow(child, now, effects)
        effects.after = (child.status, child.order_qty, child.cum, child.leaves, ledger.notional, child.flags)
        if self.holdings is not None:
            self._hold(self.holdings, child, effects, now)
        if effects.others:
            self._beside(effects, now)
        self._protect(effects, now)
        return effects

    def _hold(self, holdings: Holdings, child: Child, effects: Effects, now: int) -> None:
        """What the step does to positions."""
        try:
            if effects.merged:
                holdings.merged(effects, now)
            holdings.follow(child, effects, now)
        except Exception as error:
            self._halt(child, effects, f"{type(error).__name__} in the position of {child.instrument}: {error}")
            holdings.forgotten(child.id)

    def _protect(self, effects: Effects, now: int) -> None:
        """What protects the positions that the step moved, once all of them are known."""
        if self.holdings is None or self.desk.next_protection == 1:
            return
        try:
            protection.follow(self.desk, now, effects)
        except Exception as error:
            why = f"{type(error).__name__} in what protects a position: {error}"
            if effects.child is None:
                self._stop(effects, why)
            else:
                self._halt(effects.child, effects, why)
                self.holdings.forgotten(effects.child.id)

    def _settle(self, child: Child, effects: Effects) -> None:
        """Derive the order anew; where the venue order in force now is the first whose size is known, it is adopted."""
        known = child.known
        child.settle()
        if child.known and not known:
            self.adopt(child, effects)

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

    def _beside(self, effects: Effects, now: int) -> None:
        """Assert the invariants of every other order that the step touched, and count what it did to positions."""
        holdings = self.holdings
        if holdings is not None and effects.merged and not effects.changed:
            holdings.merged(effects, now)
        if effects.merged:
            # What turned out to be another order is no order any more.
            effects.others = [change for change in effects.others if self.children.get(change.child.id) is change.child]
        for change in effects.others:
            child = change.child
            child.updated = now
            if child.flags & _QUARANTINED:
                _rest(child)
                if holdings is not None:
                    holdings.forgotten(child.id)
                if child.work is not None:
                    self._follow(child, now, effects)
                continue
            # What was taken from it, or given to it, shows at once, as it does after a restart.
            child.settle()
            try:
                check(child, child.ledger, child.cum if change.told is None else change.told, change.published)
                if holdings is not None:
                    holdings.follow(child, effects, now)
            except (Broken, ArithmeticError) as broken:
                child.mark(Flag.QUARANTINED)
                self.counters.quarantined += 1
                self.alarm(effects, child, AlarmKind.INVARIANT, f"invariant {broken}; the order is in quarantine")
            work = child.work
            if work is not None and (child.flags & _QUARANTINED or child.cum != work.seen_cum):
                # An answer was about another order than the one that was asked for: its parent hears of it all the same.
                self._follow(child, now, effects)
            change.after = state_of(child)

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
        if (
            ledger is None
            or e.cl_ord_id is not None
            or (of_it := ledger.child).life
            or of_it.rules.id_scope is _DAY
            or ((e.instrument is not None or e.side is not None) and of_it.contradicts(e.instrument, e.side))
        ):
            names = (e.venue, e.account, order_id, e.cl_ord_id, None)
            of = (None, None) if e.leg is not None else (e.instrument, e.side)
            life = 0
            if ledger is not None and ledger.child.rules.id_scope is IdScope.DAY:
                life = lives.outlived(self, e, ledger, effects)
            ledger = attribution.attribute(
                self, *names, effects, create=True, instrument=of[0], side=of[1], as_of=e.as_of, said=e
            )
            if ledger is None:
                return
            if life:
                ledger.child.life = life
                effects.bound = True
        child = ledger.child
        if effects.enter(child, ledger, self):
            if child.instrument is None and e.instrument is not None:
                child.instrument = e.instrument
                effects.bound = True
            if child.side is None and e.side is not None:
                child.side = e.side
                effects.bound = True
            fills.execution(self, child, ledger, e, now, effects)
            if e.as_of is not None and e.as_of > child.heard and not effects.duplicate:
                child.heard = e.as_of

    def apply_snapshot(self, s: OrderSnapshot, now: int, effects: Effects) -> None:
        """What a venue says of a whole order, as an input of its own or inside an answer."""
        told = attribution.refused_request(self, s)
        effects.aside = effects.aside or told is not s
        s = told
        # What only refuses or asks begins nothing.
        speaks = not reports.needs_order(s)
        life = lives.begins(self, s, effects) if speaks else 0
        if s.exec_type is ExecType.REPLACED:
            names = ((s.venue, s.account, each or "") for each in (s.cl_ord_id, s.orig_cl_ord_id))
            replacing = next((child for each in names if (child := self.index.by_client.get(each)) is not None), None)
            chains.weave(replacing, s.cl_ord_id, s.orig_cl_ord_id, s.as_of, effects)
        ledger = attribution.attribute(
            self, s.venue, s.account, s.order_id, s.cl_ord_id, s.orig_cl_ord_id, effects, create=speaks,
            instrument=s.instrument, side=s.side, as_of=s.as_of,
        )  # fmt: skip
        if ledger is None:
            return
        if life:
            ledger.child.life = life
            effects.bound = True
        if ledger.child.left:
            attribution.works_under(ledger.child, s, effects)
        if s.exec_type is ExecType.REPLACED:
            ledger = attribution.replaced(self, s, ledger, effects)
        if effects.enter(ledger.child, ledger, self):
            reports.snapshot(self, ledger.child, ledger, s, now, effects)

    def _revised(self, r: ExecutionRevised, now: int, effects: Effects) -> None:
        names = (r.venue, r.account, r.order_id, r.cl_ord_id, None)
        ledger = attribution.attribute(self, *names, effects, create=True, as_of=r.as_of, ref=r.key)
        if ledger is not None and effects.enter(ledger.child, ledger, self):
            fills.revised(self, ledger.child, ledger, r, now, effects)

    def _voided(self, v: ExecutionVoided, now: int, effects: Effects) -> None:
        names = (v.venue, v.account, v.order_id, v.cl_ord_id, None)
        ledger = attribution.attribute(self, *names, effects, create=True, as_of=v.as_of, ref=v.key)
        if ledger is not None and effects.enter(ledger.child, ledger, self):
            fills.voided(self, ledger.child, ledger, v, now, effects)

    def _charge(self, c: Charge, now: int, effects: Effects) -> None:
        names = (c.venue, c.account, c.order_id, c.cl_ord_id, None)
        ledger = attribution.attribute(self, *names, effects, create=True, as_of=c.as_of, ref=c.exec_key)
        if ledger is not None and effects.enter(ledger.child, ledger, self):
            fills.charge(self, ledger.child, ledger, c, effects)

    def _linked(self, link: OrderLinked, now: int, effects: Effects) -> None:
        names = (link.venue, link.account, link.order_id, link.cl_ord_id, None)
        ledger = attribution.attribute(self, *names, effects, create=True)
        if ledger is not None and effects.enter(ledger.child, ledger, self):
            new = attribution.continue_as(self, ledger.child, link.new_order_id, effects, joined=True)
            child = new.child
            if ledger.child is not child:
                effects.touch(ledger.child)
            if not effects.enter(child, new, self):
                return
            if link.as_of is not None and link.as_of > child.heard:
                child.heard = link.as_of
            # What is in force goes on: a link that was said before it is old news, whatever its ids were taken for.
            in_force = link.order_id == child.order_id
            if link.kind is LinkKind.REPLACE and (in_force or link.new_order_id not in child.left):
                attribution.leave(child, link.new_order_id, effects)
            if child.ledger is ledger:
                # A later one of the chain may be in force already.
                child.ledger = new
            if link.new_cl_ord_id is not None and attribution.named_by_link(self, child, link.new_cl_ord_id, effects):
                chains.weave(child, link.new_cl_ord_id, link.cl_ord_id, link.as_of, effects)
                child.chain(link.new_cl_ord_id, link.cl_ord_id or child.cl_ord_id)
            effects.enter(child, new, self)
            self._settle(child, effects)

    def _placed(self, p: OrderPlaced, now: int, effects: Effects) -> None:
        known = self.index.by_client.get((p.venue, p.account, p.cl_ord_id)) if p.cl_ord_id is not None else None
        if known is not None and known.known and not attribution.placed_anew(self, p, known, effects):
            if effects.enter(known, known.ledger, self):
                effects.duplicate = known.placed
                self.counters.duplicates += known.placed
                known.placed = True
            return
        ledger = attribution.attribute(self, p.venue, p.account, p.order_id, p.cl_ord_id, None, effects, create=True)
        if ledger is not None and effects.enter(ledger.child, ledger, self):
            reports.placed(self, ledger.child, p, effects)

    def _request(self, r: RequestSent, now: int, effects: Effects) -> None:
        names = (r.venue, r.account, r.order_id, r.cl_ord_id, r.orig_cl_ord_id)
        ledger = attribution.attribute(self, *names, effects, create=False)
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

    def _reported(self, r: Reported, now: int, effects: Effects) -> None:
        reported.reported(self.desk, r, effects)

    def _position_seen(self, p: PositionSeen, now: int, effects: Effects) -> None:
        if self.holdings is not None:
            self.holdings.seen(self, p, now, effects)

    # ------------------------------------------------------------------ shared by the rooms above

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
        self.doubted.pop(child.id, None)
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
        if child.flags & _SUSPECTED:
            self.doubted[child.id] = None


def _rest(child: Child) -> None:
    """What an order in quarantine shows is what it shows after a restart, however far the step came that broke it."""
    with suppress(ArithmeticError):
        child.cum = child.sum_cum()
        child.settle()
