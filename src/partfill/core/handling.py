"""The rest of a partly filled parent order: when a decision is wanted, what it is made with, and what it changes.

    a fill, a time that came  ->  event n is wanted  ->  Decide(n) with the market  ->  verdict  ->  report, and a new target

Rules
- A decision changes what should work: nothing more (`stop`), or at another price. The planner does the rest, so a chase is as
  safe as an amendment: no moment has two orders for one remainder, and no chase can be for more than is left.
- Each event is decided once. An answer to an event that is decided changes nothing.
- Every decision is a report, also one that is not carried out: the mode is not live, a limit is passed.
- The cap of a chase stands in the state from the first decision on, whatever becomes of ticks; only another price by the user
  moves it. That a chase is within it is asserted before anything is asked of a venue.
- A decision that falls due while nothing works, between one order and the next, is owed until something does. One that comes
  too late, since the order has filled or ended, is told as such: every event has its report.
- A cancel of the rest that fails `CANCEL_TRIES` times is told too. It is tried on, later and later, under watch.
- A parent that has ended is not touched: it may have left memory, and what is decided may not depend on that.
- A restart wants what was wanted and not decided, and anew what was decided in a mode that is no longer in force.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core import laws
from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.parent import Done, Parent
from partfill.core.remainder import MS, Act, Situation, Verdict, cap, decide, follows
from partfill.model.commands import Decide
from partfill.model.events import CommandRefused
from partfill.model.instrument import Instrument
from partfill.model.numbers import ZERO
from partfill.model.policy import Mode, Remainder, RemainderPolicy
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport, Seen
from partfill.model.terms import BUILDER_CODE

if TYPE_CHECKING:
    from partfill.core.desk import Desk

_STUCK = frozenset({Reason.BOOK_UNAVAILABLE, Reason.NO_SUCH_PRICE, Reason.STRANDED_HOLD})
_AS_BEFORE = _STUCK | {Reason.HOLD_REMAINDER, Reason.CHASE_ORDER_SUBMITTED}
"""Verdicts that stay what they are while the market's price does: of any policy, and of a chase."""
CANCEL_TRIES = 3
"""The first try and two more."""
SHED_AGAIN_MS = 1_000
"""When a decision that there was no time for is wanted again."""


class Handling:
    """What is known and decided of the rest of one parent. Times ns UTC, prices quote currency per unit."""

    __slots__ = (
        *("again", "again_at", "best", "cap", "decided", "dust_of", "dust_qty", "event", "expired", "held_since", "mode"),
        *("original", "owed", "policy", "reported", "reports", "thin_since", "verdict"),
    )

    def __init__(self, policy: RemainderPolicy, original: Decimal | None) -> None:
        self.policy = policy
        self.original = original
        """What the user asked for; chases are measured from here."""
        self.event = 0
        """Decisions wanted so far; the newest one's number."""
        self.decided = 0
        """The newest event that was decided."""
        self.held_since = 0
        self.thin_since = 0
        self.again_at = 0
        """When a decision is wanted even if nothing happens; 0 for not at all."""
        self.reports = 0
        self.mode = Mode.SHADOW_ONLY
        """The mode of the last decision."""
        self.cap: Decimal | None = None
        """The worst price of any chase; None before the first decision."""
        self.owed = False
        """True when a decision was due while nothing worked."""
        self.again = False
        """True when time alone wants the newest decision: nothing has filled since the last."""
        self.verdict: Reason | None = None
        self.best: Decimal | None = None
        """What the last decision was, and the market's price that it saw."""
        self.expired = False
        """True once a hold has ended, and what follows a hold goes on."""
        self.dust_of: Instrument | None = None
        """What the order trades, once its rest was taken off as dust."""
        self.dust_qty = ZERO
        """That rest, in units: what is taken back of the fills later on is no dust."""
        self.reported = 0
        """Time of the newest event that another system reported (ms UTC); 0 for none. See `core.reported`."""

    def same(self, best: Decimal | None) -> bool:
        """Whether a look that only time asked for shows what the last decision saw: there is nothing to decide yet."""
        stays = _AS_BEFORE if follows(self.policy, self.expired) else _STUCK
        return self.again and not self.thin_since and self.verdict in stays and best == self.best


def filled(desk: Desk, parent: Parent, effects: Effects) -> None:
    """What filled of the parent has changed: a decision on the rest is wanted, while there is one that works."""
    handling = parent.handling
    if handling is not None and undecided(parent) is not None:
        want(desk, parent, handling, effects)


def due(desk: Desk, parent: Parent, now: int, effects: Effects) -> None:
    """A timer of the parent went off."""
    handling = parent.handling
    if handling is None or not _goes_on(parent) or not handling.again_at or handling.again_at > now:
        return
    effects.parent(parent)
    handling.again_at = 0
    if undecided(parent) is not None:
        want(desk, parent, handling, effects)
        handling.again = True
    else:
        handling.owed = _between(parent)


def moved(desk: Desk, parent: Parent, effects: Effects) -> None:
    """The plan was carried out: a decision that is owed is wanted once something works again."""
    handling = parent.handling
    if handling is not None and handling.owed and undecided(parent) is not None:
        want(desk, parent, handling, effects)


def wished(parent: Parent, price: Decimal) -> None:
    """The user asked for another price: chases and holds begin anew from there."""
    handling = parent.handling
    if handling is not None:
        handling.original, handling.cap, handling.held_since, handling.verdict = price, None, 0, None
        handling.expired = False


def ended(desk: Desk, parent: Parent, now: int, effects: Effects) -> None:
    """The parent is over: nothing is due any more, and what was wanted came too late."""
    handling = parent.handling
    if handling is None:
        return
    handling.again_at, handling.owed = 0, False
    if handling.event > handling.decided:
        handling.decided = handling.event
        _too_late(desk, parent, handling, now, effects)


def unwanted(parent: Parent) -> None:
    """The user takes it off: what is left of it is nobody's wish any more."""
    if parent.handling is not None:
        parent.handling.dust_of = None


def in_vain(desk: Desk, parent: Parent, child: Child, tries: int, now: int, effects: Effects) -> None:
    """A cancel of the rest has failed, `tries` times in a row."""
    handling = parent.handling
    if handling is None or tries != CANCEL_TRIES or not _between(parent, stopped=True):
        return
    effects.parent(parent)
    _at_once(desk, parent, handling, child, Reason.CANCEL_FAILED, now, effects)


def restarted(desk: Desk, parent: Parent, mode: Mode | None, effects: Effects) -> None:
    """A new life: timers are set anew, and what was wanted is wanted again, or in another mode than it was decided in."""
    handling = parent.handling
    if handling is None or not _goes_on(parent):
        return
    if handling.again_at:
        desk.timers.set(handling.again_at, -parent.id)
    if handling.event > handling.decided:
        effects.want(parent)
    elif mode not in (None, handling.mode) and handling.reports and undecided(parent) is not None:
        want(desk, parent, handling, effects)


def want(desk: Desk, parent: Parent, handling: Handling, effects: Effects) -> None:
    """A decision on the rest is wanted, for a new event. There has to be a rest that works: see `undecided`."""
    effects.parent(parent)
    handling.event += 1
    handling.again = False
    handling.owed = False
    effects.want(parent)


def killed(desk: Desk, parent: Parent, now: int, effects: Effects) -> None:
    """The kill switch takes the rest off: that is a decision like any other, made without a look."""
    handling = parent.handling
    child = undecided(parent)
    if handling is None or child is None:
        return
    _at_once(desk, parent, handling, child, Reason.KILL_SWITCH_ACTIVE, now, effects)


def undecided(parent: Parent) -> Child | None:
    """The child whose rest may be decided on: partly filled parent, something left of it, and it works."""
    if (
        parent.done is not None
        or parent.stop is not None
        or parent.halted
        or not parent.cum
        or not parent.rest
        or parent.doubted
    ):
        return None
    return next((child for child in reversed(parent.active) if child.open_at_venue), None)


def decided(desk: Desk, d: Decide, now: int, effects: Effects) -> None:
    """The market came for one decision: make it, tell it, and change the target."""
    parent = desk.by_ref.get((d.venue, d.account, d.ref))
    handling = parent.handling if parent is not None else None
    if parent is None or handling is None or not _goes_on(parent) or not handling.decided < d.event <= handling.event:
        desk.engine.counters.duplicates += 1
        return
    if d.instrument.symbol != parent.terms.instrument:
        said = f"{d.ref} trades {parent.terms.instrument}, and the market that came is of {d.instrument.symbol}"
        effects.events.append(CommandRefused(0, None, None, d.ref, said))
        return
    effects.parent(parent)
    handling.decided, handling.mode = d.event, d.mode
    child = undecided(parent)
    if child is None:
        # It has filled, or is being taken off: nothing is left to decide. Or the next order is still to come.
        handling.owed = _between(parent)
        if not handling.owed:
            _too_late(desk, parent, handling, now, effects)
        return
    verdict = _verdict(d, parent, handling, child, now)
    reaches = verdict.act is not Act.HOLD and _reaches(d, parent, verdict)
    if verdict.act is not Act.HOLD and not reaches and d.mode is Mode.LIMITED_LIVE:
        verdict = Verdict(act=verdict.act, reasons=(*verdict.reasons, Reason.BEYOND_LIMITED), seen=verdict.seen, px=verdict.px)
    # The price that we asked for already is not asked for again, though the venue may have made another of it.
    acts = reaches and (verdict.act is Act.CANCEL or verdict.px != parent.price)
    if acts and verdict.px is not None and verdict.act is not Act.CANCEL:
        try:
            laws.chase_cap(parent.ref, parent.terms.side, verdict.px, handling.cap)
        except laws.LawBroken as broken:
            acts = False
            laws.halt(desk.engine, parent, broken, effects)
    _keep(desk, parent, handling, verdict, now)
    _report(desk, parent, handling, child, verdict, now, effects, carried_out=acts)
    if acts and verdict.act is Act.CANCEL:
        parent.stop = Done.CANCELED
        if verdict.reasons[0] is Reason.DUST_AUTO_CANCEL:
            handling.dust_of, handling.dust_qty = d.instrument, parent.rest
    elif acts:
        parent.price = verdict.px
    if acts:
        told = len(effects.events) - 1
        desk.advance(parent, now, effects)
        if parent.halted:
            # A law kept it from leaving.
            report = effects.events[told]
            if type(report) is ExecutionReport:
                effects.events[told] = report.not_carried_out()


# ---------------------------------------------------------------------- inside


def _goes_on(parent: Parent) -> bool:
    return parent.done is None and not parent.halted


def _between(parent: Parent, *, stopped: bool = False) -> bool:
    """Whether an order for the rest is still to come, or to end: partly filled, not stopped unless it may be."""
    return (stopped or parent.stop is None) and bool(parent.cum and parent.rest)


def _verdict(d: Decide, parent: Parent, handling: Handling, child: Child, now: int) -> Verdict:
    if d.mode is Mode.QUARANTINE:
        return Verdict(act=Act.HOLD, reasons=(Reason.QUARANTINED,), seen=Seen())
    if d.shed:
        return Verdict(act=Act.HOLD, reasons=(Reason.SHED,), seen=Seen(), again_at=now + SHED_AGAIN_MS * MS)
    if handling.original is not None and handling.cap is None:
        handling.cap = cap(parent.terms.side, handling.original, handling.policy, d.instrument)
    work = child.work
    assert work is not None
    # While a change is on its way, the price that counts is the one that it brings.
    price = child.price if parent.price == work.px else parent.price
    # Until the venue has answered, its book may show either.
    shown = child.rules.book_shows_own and work.request is None and child.stop_px is None
    return decide(
        Situation(
            side=parent.terms.side, original=handling.original, price=price, cum=parent.cum, leaves=parent.rest,
            policy=handling.policy, instrument=d.instrument, now=now, book=d.book, held_since=handling.held_since,
            thin_since=handling.thin_since, cap=handling.cap, expired=handling.expired,
            rests_at=child.price if shown else None, rests_since=max(child.updated, work.sent_at),
        )
    )  # fmt: skip


def _reaches(d: Decide, parent: Parent, verdict: Verdict) -> bool:
    if d.mode is not Mode.LIMITED_LIVE:
        return d.mode is Mode.GENERAL_LIVE
    worth = verdict.seen.remaining_usd
    return parent.terms.instrument in d.limits.instruments and worth is not None and worth <= d.limits.max_usd


def _keep(desk: Desk, parent: Parent, handling: Handling, verdict: Verdict, now: int) -> None:
    """What the next decision has to know of this one."""
    handling.thin_since = verdict.thin_since
    handling.verdict, handling.best = verdict.reasons[0], verdict.seen.best
    if verdict.act is not Act.HOLD:
        handling.held_since = 0
    elif not handling.held_since or Reason.HOLD_EXPIRED in verdict.reasons:
        handling.held_since = now
    handling.expired = handling.expired or (
        Reason.HOLD_EXPIRED in verdict.reasons and handling.policy.after_hold is Remainder.CHASE
    )
    handling.again_at = verdict.again_at
    if verdict.again_at:
        desk.timers.set(verdict.again_at, -parent.id)


def _at_once(desk: Desk, parent: Parent, handling: Handling, child: Child, why: Reason, now: int, effects: Effects) -> None:
    """An event that is its own decision: the rest is being taken off."""
    handling.event += 1
    handling.decided = handling.event
    verdict = Verdict(act=Act.CANCEL, reasons=(why,), seen=Seen())
    took_effect = why is not Reason.CANCEL_FAILED
    _report(desk, parent, handling, child, verdict, now, effects, carried_out=took_effect, mode=desk.mode)


def _too_late(desk: Desk, parent: Parent, handling: Handling, now: int, effects: Effects) -> None:
    verdict = Verdict(act=Act.HOLD, reasons=(Reason.ORDER_GONE,), seen=Seen())
    _report(desk, parent, handling, parent.children[-1], verdict, now, effects, carried_out=False, mode=desk.mode)


def _report(desk: Desk, parent: Parent, handling: Handling, child: Child, verdict: Verdict, now: int, effects: Effects, *,
            carried_out: bool, mode: Mode | None = None) -> None:  # fmt: skip
    """`mode`: the one in force, where nobody has decided; None: that of the last decision."""
    handling.reports += 1
    name = f"{desk.name}{parent.id}"
    effects.events.append(
        ExecutionReport(
            order=child.id, order_id=child.order_id, cl_ord_id=child.cl_ord_id, parent=parent.id,
            ref=parent.ref, report_id=f"rep_{name}-{handling.reports}", trace_id=f"trc_{name}", event=handling.decided,
            instrument=parent.terms.instrument, side=parent.terms.side, verdict=verdict.reasons[0], reasons=verdict.reasons,
            policy_applied=handling.policy.default_policy, mode=mode or handling.mode, carried_out=carried_out,
            order_qty=parent.asked, filled_qty=parent.cum, remaining_qty=parent.rest, filled_usd=parent.spent,
            original=handling.original, price=child.price, px=verdict.px, builder_code=parent.terms.tag(BUILDER_CODE),
            seen=verdict.seen, evaluated_at=now,
        )
    )  # fmt: skip
