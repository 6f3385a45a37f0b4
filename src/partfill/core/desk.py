"""The desk: commands, answers and time for orders that partfill places itself. Pure, like the engine it is part of.

Theory of operation. Every input about a child of a parent order ends in `follow`: what filled goes up to the parent, the
request in flight is closed when the venue's word answers it, the end of the child is proven or a question is wanted, the
law is checked, and `planner.plan` names the next operations, which are carried out here: into the state first, then into
`effects.operations`, which leave once the step is durable.

Rules
- A request is closed by the venue's report, by a reply that carries it, or by a definite answer to a question. A reply
  "done" alone is a promise, a refusal of a cancel or replace a reason to look, and silence an unknown that counts as open.
- An order that a definite answer does not know, and of which nothing was ever heard, never arrived.
- The kill switch takes off what works when it is put on. An order that the venue spoke of under no id of ours waits while
  one of our placings is on its way: it may be that one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core import (
    afterwards,
    dust,
    handling,
    held_back,
    kill_switch,
    laws,
    protection,
    requests,
    strangers,
    tracked,
)
from partfill.core.answered import is_answered
from partfill.core.answers import revive
from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.guard import Place, Protection
from partfill.core.holdings import Holdings
from partfill.core.parent import Done, Parent, Work
from partfill.core.patience import again_at
from partfill.core.planner import plan
from partfill.core.step import Step
from partfill.core.timers import Timers
from partfill.core.waiting import backoff, many
from partfill.model.commands import Amend, KillSwitch, Protect, Restarted, Stop, Submit, Track, Unprotect, Untrack
from partfill.model.events import AlarmKind, CommandRefused, ParentDone, TermsChanged
from partfill.model.inputs import MarketSeen
from partfill.model.numbers import ZERO, add, sub, text
from partfill.model.policy import Mode, RemainderPolicy
from partfill.model.terms import reused
from partfill.model.words import Flag, Request

if TYPE_CHECKING:
    from partfill.core.engine import Engine


class Desk:
    """Parent orders, the kill switch and timers of one engine."""

    __slots__ = (
        *(
            "by_ref",
            "dust",
            "engine",
            "killed",
            "mode",
            "name",
            "next_id",
            "next_protection",
            "overdue",
            "parents",
            "protections",
        ),
        *("timers", "unclaimed"),
    )

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.name = ""
        """What stands before every client id of this journal."""
        self.mode: Mode | None = None
        """How far decisions reach in this life of the process; None: nobody has said."""
        self.parents: dict[int, Parent] = {}
        self.by_ref: dict[tuple[str, str, str], Parent] = {}
        self.next_id = 1
        self.killed: dict[kill_switch.Scope, str] = {}
        """(venue, account) -> who put the kill switch on."""
        self.timers = Timers()
        self.overdue: list[tuple[int, int]] = []
        """Those whose time has come and that could not be done (see `due`)."""
        self.unclaimed: set[int] = set()
        """Orders marked `UNCLAIMED`; numbers may be outdated, never missing."""
        self.dust = dust.Dust()
        self.protections: dict[Place, Protection] = {}
        self.next_protection = 1

    # ------------------------------------------------------------------ commands

    def submit(self, s: Submit, now: int, effects: Effects) -> None:
        """A new parent order; a known `ref` changes nothing."""
        known = self.by_ref.get((s.venue, s.account, s.ref))
        if known is not None:
            self.engine.counters.duplicates += 1
            if known.terms != s.terms:
                self._refuse(effects, s.ref, reused(s.ref, known.terms, s.terms))
            return
        who = kill_switch.who_killed(self, s.venue, s.account)
        if who is not None:
            self._refuse(effects, s.ref, f"the kill switch is on ({who}); an operator has to lift it first")
            return
        if s.bracket is not None:
            protection.protect(self, s.bracket, now, effects)
        parent = Parent(self.next_id, s.venue, s.account, s.ref, s.terms, s.resubmit)
        self.take_in(parent, s.remainder, effects)
        dust.gather(self, parent, effects)
        self.advance(parent, now, effects)

    def track(self, t: Track, now: int, effects: Effects) -> None:
        """An order that was placed by other means gets a parent."""
        tracked.track(self, t, now, effects)

    def untrack(self, u: Untrack, now: int, effects: Effects) -> None:
        """The parent ends as it is: nothing is asked of a venue for it any more."""
        parent = self._named(u.venue, u.account, u.ref, effects)
        if parent is None or parent.done is not None:
            return
        effects.parent(parent)
        parent.halted = True
        self._done(parent, Done.RELEASED, now, effects)

    def stop(self, s: Stop, now: int, effects: Effects) -> None:
        """Nothing of the parent may work any more."""
        parent = self._named(s.venue, s.account, s.ref, effects)
        if parent is None:
            return
        if parent.done is not None:
            self._refuse(effects, s.ref, f"{s.ref} has ended ({parent.done}); nothing of it works")
        else:
            effects.parent(parent)
            handling.unwanted(parent)
            parent.stop = parent.stop or Done.CANCELED
            self.hurry(parent, now, effects)
            self.advance(parent, now, effects)

    def amend(self, a: Amend, now: int, effects: Effects) -> None:
        """Other terms are wanted. The law keeps the larger quantity until the smaller one is proven."""
        parent = self._named(a.venue, a.account, a.ref, effects)
        if parent is None:
            return
        if parent.done is not None or parent.stop is not None:
            why = f"has ended ({parent.done})" if parent.done else "is being canceled"
            self._refuse(effects, a.ref, f"{a.ref} {why}; submit a new order")
            return
        if parent.terms.cash_order_qty is not None:
            self._refuse(effects, a.ref, f"{a.ref} is sized in cash; cancel it and submit another")
            return
        effects.parent(parent)
        if a.order_qty is not None:
            parent.asked = a.order_qty
            parent.limit = max(parent.limit, a.order_qty)
            for child in parent.active:
                # What a venue made of an earlier wish says nothing about this one.
                assert child.work is not None
                effects.touch(child)
                child.work.cut = False
        if a.price is not None:
            parent.price = a.price
            handling.wished(parent, a.price)
        self.advance(parent, now, effects)

    def protect(self, p: Protect, now: int, effects: Effects) -> None:
        """A position is to be protected."""
        protection.protect(self, p, now, effects)

    def unprotect(self, u: Unprotect, now: int, effects: Effects) -> None:
        """A position is to be protected no more."""
        protection.unprotect(self, u, now, effects)

    def market_seen(self, m: MarketSeen, now: int, effects: Effects) -> None:
        """A market that is watched for a protection was seen."""
        protection.market_seen(self, m, now, effects)

    def kill(self, k: KillSwitch, now: int, effects: Effects) -> None:
        """Everything of the scope is taken off and nothing starts there, or that is lifted."""
        kill_switch.switched(self, k, now, effects)

    def gap(self, venue: str, account: str, now: int, effects: Effects) -> None:
        """A stream is back: the venue answers again, so what waits to be asked is asked now."""
        for _, parent in sorted(self.parents.items()):
            if parent.active and (parent.venue, parent.account) == (venue, account):
                self.hurry(parent, now, effects)
                self.advance(parent, now, effects)

    def restarted(self, r: Restarted, now: int, effects: Effects) -> None:
        """What was in flight is unknown; every order that works is asked for."""
        if not self.name and r.desk:
            self.name = r.desk
            self.engine.holdings = Holdings(self.engine.listed)
            effects.engine = True
        self.mode = r.mode
        protection.restarted(self, now, effects)
        for _, parent in sorted(self.parents.items()):
            for child in parent.active:
                work = child.work
                assert work is not None
                effects.touch(child)
                work.doubt, work.looking, work.looks, work.look_at = True, False, 0, now
            for child in parent.children:
                if child.work is not None and child.work.settled:
                    afterwards.restarted(self, child, now, effects)
            handling.restarted(self, parent, r.mode, effects)
            self.advance(parent, now, effects)
            for child in parent.active:
                if child.work is not None and child.work.look_at:
                    self.timers.set(child.work.look_at, child.id)

    # ------------------------------------------------------------------ after every input about a child

    def follow(self, child: Child, now: int, effects: Effects) -> None:
        """Draw the consequences of what is now known of `child`."""
        work = child.work
        assert work is not None
        parent = work.parent
        refilled = False
        effects.parent(parent)
        filled = child.cum is not work.seen_cum and child.cum != work.seen_cum
        if filled:
            before = parent.cum
            more = sub(child.cum, work.seen_cum)
            parent.cum = add(before, more)
            work.seen_cum = child.cum
            if work.is_beside(child):
                # It was asked for beside what is: see `covering`.
                parent.asked = add(parent.asked, more)
                parent.limit = max(parent.limit, parent.asked)
            if parent.done is not None:
                dust.filled(self, parent, before, effects)
            refilled = parent.handling is not None
        if work.presumed and (child.cum or child.facts):
            revive(self, child, now, effects)
        if work.request is not None and is_answered(child, work):
            self._answered_by_report(child, work, now, effects)
        if work.request is not Request.REPLACE and child.order_qty is not None and work.max_qty is not child.order_qty:
            if work.max_qty != child.order_qty:
                work.terms_at = now
            work.in_force(child.order_qty)
        elif child.order_qty is not None and child.order_qty > work.max_qty:
            # A venue made it larger by itself while a replace was on its way: that may fill too.
            work.max_qty = child.order_qty
        if work.request is Request.REPLACE and any(type(event) is TermsChanged for event in effects.events):
            # Whatever was asked before is older than these terms.
            work.terms_at = now
        if child.open_at_venue:
            if work.settled:
                # The venue opened it again.
                work.settled = False
                if parent.done is not None:
                    dust.opened(self, parent, effects)
                parent.active.append(child)
                # The order in which they were made, as after a start: it decides which is asked first.
                parent.active.sort(key=parent.children.index)
                if parent.done not in (None, Done.RELEASED):
                    parent.done = None
                    effects.family(parent)
            if effects.query and not work.look_at and not work.looking:
                work.looks += 1
                work.look_at = now + backoff(work.looks)
        elif not work.settled and work.request is None:
            complete = child.order_qty is not None and child.cum >= child.order_qty
            gone_on = bool(child.flags & Flag.REPLACED)
            if complete or (child.rules.end_is_final and not work.doubt and not gone_on and not effects.behind):
                self.settle(child, work, now)
            elif not work.look_at:
                work.doubt, work.look_at = True, now
        elif work.settled:
            afterwards.heard(self, child, work, now, effects)
        if filled and held_back.waits(self, parent):
            effects.waits = (*(each for each in effects.waits if each is not parent), parent)
        else:
            self.advance(parent, now, effects)
        if refilled:
            handling.filled(self, parent, effects)
        if self.unclaimed:
            kill_switch.sweep(self, now, effects)

    def _answered_by_report(self, child: Child, work: Work, now: int, effects: Effects) -> None:
        """The venue's words closed the request: it worked, or was rejected, which means look."""
        replaced = work.request is Request.REPLACE and work.request_id in (child.ids or ())
        rejected = child.open_at_venue and not replaced and work.request is not Request.PLACE
        if rejected:
            self.in_vain(child, work, work.request, "rejected", now, effects)
        else:
            work.tries = work.act_at = 0
        self.close_request(child, work, applied=replaced)
        if rejected and not work.looking:
            work.doubt, work.look_at = True, now

    def in_vain(self, child: Child, work: Work, request: Request | None, reason: str, now: int, effects: Effects) -> None:
        """The newest request did nothing: the next comes later, and in the end a person is told. Counts once per request."""
        if work.act_at > work.sent_at:
            return
        work.tries += 1
        work.act_at = now + backoff(work.tries, work.parent.retry)
        if request is Request.CANCEL:
            handling.in_vain(self, work.parent, child, work.tries, now, effects)
        if work.tries == many(work.parent.retry):
            said = f"{work.tries} requests in a row changed nothing: {reason}"
            self.engine.alarm(effects, child, AlarmKind.REFUSED, said)

    def close_request(self, child: Child, work: Work, *, applied: bool = False) -> None:
        """The request in flight is answered, one way or the other. `applied`: it is a replace that took effect."""
        if child.in_flight is not None:
            child.in_flight.pop(work.request_id, None)
            child.in_flight = child.in_flight or None
        if child.requests is not None and child.requests.pop(work.request_id, None) is not None:
            child.requests = child.requests or None
            child.settle()
        if applied or child.open_at_venue:
            # It became what we asked for, or we did not take it off. If it ends now, it ends by itself.
            work.retarget = False
        if child.order_qty is not None:
            if applied and work.target is not None:
                work.max_qty, work.px = work.target
            elif work.request is Request.REPLACE:
                work.max_qty = child.order_qty
            work.in_force(child.order_qty)
        work.request, work.request_id, work.accepted, work.target = None, "", False, None
        if not work.looking:
            work.doubt, work.look_at, work.looks = False, 0, 0

    def settle(self, child: Child, work: Work, now: int) -> None:
        """The end is proven: the child counts with what filled and no more."""
        work.settled, work.looking = True, False
        work.tries = work.act_at = 0
        work.doubt, work.look_at, work.looks = False, 0, 0
        if child in work.parent.active:
            work.parent.active.remove(child)
        afterwards.ended(self, child, work, now)

    # ------------------------------------------------------------------ decisions

    def advance(self, parent: Parent, now: int, effects: Effects) -> None:
        """Check the law, carry out the plan, check the law again."""
        killed = kill_switch.holds(self, parent)
        if killed and parent.done is None:
            # It came, or came back, after the switch was put on: a late report, an order to track.
            effects.parent(parent)
            parent.stop = Done.KILLED
        if (parent.guards or 0) > 0 and parent.stop is None:
            protection.asks_no_more(self, parent, effects)
        before = self._law(parent, effects)
        first = len(effects.operations)
        for step in plan(parent, now):
            if killed and step.request is Request.PLACE:
                # What had ended before the switch was put on lacks quantity again: a void.
                effects.parent(parent)
                parent.stop = Done.KILLED
                break
            self._carry_out(parent, step, now, effects)
        try:
            laws.exposure(parent, before)
        except laws.LawBroken as broken:
            effects.take_back(first)
            laws.halt(self.engine, parent, broken, effects)
        handling.moved(self, parent, effects)

    def _law(self, parent: Parent, effects: Effects) -> Decimal:
        """The left side of the law; an excess that venues made is alarmed and remembered."""
        cash = parent.terms.cash_order_qty
        if cash is not None:
            spent = parent.spent
            if spent is not None and spent > max(cash, parent.limit):
                self._too_much(parent, spent, cash, "spent", effects)
            return ZERO
        exposure = parent.exposure
        if exposure > parent.limit:
            self._too_much(parent, exposure, parent.asked, "filled or working", effects)
        elif parent.limit > parent.asked and parent.limit > exposure:
            effects.parent(parent)
            parent.limit = max(parent.asked, exposure)
        return exposure

    def _too_much(self, parent: Parent, much: Decimal, asked: Decimal, what: str, effects: Effects) -> None:
        effects.parent(parent)
        parent.limit, parent.excess = much, sub(much, asked)
        said = f"{text(much)} {what} of {text(asked)} asked for: {text(parent.excess)} too much"
        self.engine.alarm(effects, parent.children[-1] if parent.children else None, AlarmKind.EXPOSURE, said)

    def _carry_out(self, parent: Parent, step: Step, now: int, effects: Effects) -> None:
        if step.at:
            assert step.child is not None
            self.timers.wake(step.child, step.at)
            return
        effects.parent(parent)
        if step.leave:
            assert step.child is not None
            assert step.child.work is not None
            effects.touch(step.child)
            step.child.work.leaving = True
        elif step.done is not None:
            self._done(parent, step.done, now, effects)
        elif step.child is None:
            requests.place(self, parent, step, now, effects)
        elif step.ask:
            requests.ask(step.child, effects, strangers.others(self.engine, step.child))
        elif step.request is Request.CANCEL:
            requests.cancel(self, step.child, step.retarget, now, effects)
            assert step.child.work is not None
            if step.child.work.look_at and not step.child.work.looking:
                # The question that waited while it left.
                self.timers.wake(step.child, step.child.work.look_at)
        else:
            requests.replace(self, parent, step.child, step.qty, now, effects)

    def _done(self, parent: Parent, done: Done, now: int, effects: Effects) -> None:
        parent.done = done
        handling.ended(self, parent, now, effects)
        dust.left(self, parent, now, effects)
        last = parent.children[-1] if parent.children else None
        effects.family(parent)
        ids = (last.id, last.order_id, last.cl_ord_id) if last is not None else (0, None, None)
        effects.events.append(ParentDone(*ids, parent.ref, str(done), parent.cum, parent.rest, parent.avg_px))

    # ------------------------------------------------------------------ help

    def hurry(self, parent: Parent, now: int, effects: Effects) -> None:
        """What would be asked later, since a report may still come or a venue did not answer, is asked now."""
        for child in parent.active:
            work = child.work
            assert work is not None
            if work.look_at > now:
                effects.touch(child)
                work.look_at = now

    def _named(self, venue: str, account: str, ref: str, effects: Effects) -> Parent | None:
        parent = self.by_ref.get((venue, account, ref))
        if parent is None:
            self._refuse(effects, ref, f"no order {ref} at {venue} {account}".rstrip())
        elif parent.guards is not None and parent.guards > 0:
            # Its quantity is the position's; another would be placed in its stead.
            self._refuse(effects, ref, f"{ref} protects {parent.terms.instrument}; change or end the protection instead")
            return None
        return parent

    def _refuse(self, effects: Effects, ref: str, reason: str) -> None:
        effects.events.append(CommandRefused(0, None, None, ref, reason))

    def take_in(self, parent: Parent, policy: RemainderPolicy | None, effects: Effects) -> None:
        """A new parent comes into memory, with the next number."""
        if policy is not None and parent.terms.cash_order_qty is None:
            parent.handling = handling.Handling(policy, parent.terms.price)
        self.remember(parent)
        effects.parent(parent)

    def remember(self, parent: Parent) -> None:
        """A parent comes into memory."""
        self.parents[parent.id] = parent
        self.by_ref[parent.venue, parent.account, parent.ref] = parent
        self.next_id = max(self.next_id, parent.id + 1)

    def set_timers(self, parent: Parent) -> None:
        """A parent has come back into memory as it was: so do its timers."""
        for child in parent.children:
            work = child.work
            assert work is not None
            for at in (work.look_at, work.act_at):
                if at:
                    self.timers.set(at, child.id)
        if parent.handling is not None and parent.handling.again_at:
            self.timers.set(parent.handling.again_at, -parent.id)
        again = again_at(parent) if parent.guards is not None and parent.active and parent.asked > parent.exposure else 0
        if again:
            self.timers.set(again, parent.active[0].id)

    def forget(self, parent: Parent) -> None:
        """A parent leaves memory; its rows stay."""
        del self.parents[parent.id]
        del self.by_ref[parent.venue, parent.account, parent.ref]
