"""Protection: stops and targets whose quantity is the position, whatever it becomes.

    a position changes, a protective order ends, a price is reached  ->  what each leg should have open  ->  its parent order

Theory of operation. A leg is a parent order like any other, so requests, their outcomes, restarts and the law are the
planner's; only its quantity is nobody's wish: it is what filled of it and what the position leaves to it (`shares`). A burst
of fills moves that target; while a request is on its way the planner waits, so the next one asks for the newest size and no
queue of resizes is ever made. What is missing is placed beside what works, which stays until it is proven to be more than is
needed (`covering`). So a position is unprotected for what was added, for one round trip, and for nothing else.

Rules
- A side is protected, long or short. A position on the other side is not, and legs are taken off when none is left to protect.
- What is less than the venue takes is not asked for: it goes to the last leg, or is told as not covered until there is more.
- A leg that ends by itself, refused or taken off by its venue, is placed anew, later and later, and a person is told.
- A leg whose price is watched here (`triggers`) is no order until it fires, and covers while somebody sees the market.
- Other legs for the same position take the place of those before: where the venue holds all to the position, once they work.
- Under the kill switch nothing is placed, for protection neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core import firing, held_back, kill_switch, laws, over_close
from partfill.core.effects import Effects
from partfill.core.guard import Guard, Protection, place_of
from partfill.core.open_position import open_qty
from partfill.core.parent import Done, Parent
from partfill.core.shares import assign, at_worst, within
from partfill.core.step import safe_replace
from partfill.core.triggers import fresh
from partfill.core.waiting import BACKOFF_MAX_NS, MS, backoff
from partfill.model.capabilities import FIX_LIKE, Capabilities
from partfill.model.commands import Protect, Unprotect
from partfill.model.events import AlarmKind, CommandRefused, ProtectionChanged, ProtectionCovered
from partfill.model.inputs import MarketSeen
from partfill.model.numbers import ZERO, add, ratio, sub, text
from partfill.model.operations import Query
from partfill.model.terms import Terms
from partfill.model.words import OrdType, Side, TimeInForce

if TYPE_CHECKING:
    from partfill.core.desk import Desk

SOON_NS = 1_000_000_000
"""Within which what ended a leg may explain itself, before a person is told."""


# ---------------------------------------------------------------------- what the user says


def protect(desk: Desk, p: Protect, now: int, effects: Effects) -> None:
    """The user wants a position protected like this; what was wanted before ends."""
    place = (p.venue, p.account, p.instrument, p.side)
    before = desk.protections.get(place)
    if before is not None and [guard.leg for guard in before.guards] == list(p.legs):
        before.over_close, before.budget, before.lot = p.over_close, p.budget, p.lot
        before.min_qty, before.min_notional, before.retry, before.passed = p.min_qty, p.min_notional, p.retry, p.passed
        desk.engine.counters.duplicates += 1
        _bring(desk, before, now, effects)
        return
    protection = Protection(desk.next_protection, place, p.lot, p.over_close, p.budget)
    protection.min_qty, protection.min_notional, protection.retry = p.min_qty, p.min_notional, p.retry
    protection.blind_since, protection.passed = now, p.passed
    desk.next_protection += 1
    effects.engine = True
    protection.guards = [Guard(leg) for leg in p.legs]
    # In the order of their numbers, as after a start: it decides which is brought to its size first.
    desk.protections.pop(place, None)
    desk.protections[place] = protection
    still = [] if before is None else [guard.parent for guard in before.guards if guard.parent is not None]
    protection.leaving = still + ([] if before is None else before.leaving)
    if before is None:
        find_leaving(desk, [protection])
    elif _rules(desk, protection).reduces_each:
        _end(before, effects)
        protection.since = before.since
    else:
        _let_go(desk, before, now, effects)
    _bring(desk, protection, now, effects)


def unprotect(desk: Desk, u: Unprotect, now: int, effects: Effects) -> None:
    """The user wants no protection of this side any more."""
    protection = desk.protections.pop((u.venue, u.account, u.instrument, u.side), None)
    if protection is None:
        said = f"{u.instrument} at {u.venue} {u.account}".rstrip()
        effects.events.append(CommandRefused(0, None, None, u.instrument, f"no protection of {u.side.value} {said}"))
        return
    for parent in _in_order(protection.leaving):
        _take_off(desk, parent, now, effects)
    _let_go(desk, protection, now, effects)


def find_leaving(desk: Desk, protections: Iterable[Protection]) -> None:
    """Note the orders that earlier protections of the same positions left: they may still fill."""
    places = {protection.place: protection for protection in protections}
    for protection in places.values():
        protection.leaving = []
    for _, parent in sorted(desk.parents.items()):
        found = places.get(place_of(parent)) if parent.guards is not None and parent.guards > 0 and parent.active else None
        if found is not None and all(guard.parent is not parent for guard in found.guards):
            found.leaving.append(parent)


# ---------------------------------------------------------------------- what happens


def follow(desk: Desk, now: int, effects: Effects) -> None:
    """Draw the consequences of what a step did to positions and protective orders."""
    held_back.go_on(desk, now, effects, first=True)
    concerned: list[Protection] = []
    stale: list[Protection] = []
    touched = [parent for parent in effects.parents if parent.guards is not None]
    for parent in touched:
        protection = desk.protections.get(place_of(parent))
        if protection is None:
            continue
        if protection not in concerned:
            concerned.append(protection)
        guard = next((guard for guard in protection.guards if guard.parent is parent), None)
        if guard is not None:
            more = sub(parent.cum, guard.seen)
            guard.filled, guard.seen = max(ZERO, add(guard.filled, more)), parent.cum
            protection.closed = max(ZERO, add(protection.closed, more))
        elif (parent.guards or 0) > 0 and parent.active and parent not in protection.leaving:
            # Its venue opened it again: what may fill of it counts from now on.
            protection.leaving.append(parent)
        if parent.guards == -protection.number and parent.done is not None and parent.stop is None:
            over_close.ended(desk, protection, parent, now, effects)
        if (parent.guards or 0) > 0 and parent.cum > parent.asked:
            # It filled more than it was being made smaller to: that is what it was asked for.
            parent.asked = parent.cum
        if (parent.done is not None or not _rules(desk, protection).reduces_each) and protection not in stale:
            stale.append(protection)
    for position in effects.positions:
        for side in Side:
            protection = desk.protections.get((position.venue, position.account, position.instrument, side))
            if protection is not None:
                over_close.noticed(desk, protection, position.held, now, effects)
                if protection not in stale:
                    stale.append(protection)
                if protection not in concerned:
                    concerned.append(protection)
    if effects.doubts and effects.child is not None:
        child = effects.child
        for protection in list(desk.protections.values()):
            if protection.place[:3] == (child.venue, child.account, child.instrument):
                stale += [protection] if protection not in stale else []
                concerned += [protection] if protection not in concerned else []
    for protection in stale:
        _derive(desk, protection, now, effects)
    for free in held_back.go_on(desk, now, effects):
        _derive(desk, free, now, effects)
    for parent in touched:
        if parent.guards is not None and parent.guards > 0 and parent.done is None and parent.stop is None:
            _has_a_leg(desk, parent, now, effects)
    for protection in concerned:
        _watch(desk, protection, now, effects)


def due(desk: Desk, now: int, effects: Effects) -> None:
    """Something may be tried anew."""
    for protection in list(desk.protections.values()):
        over_close.due(desk, protection, now, effects)
        again = [guard for guard in protection.guards if guard.again_at and guard.again_at <= now]
        for guard in again:
            guard.again_at = 0
        if again:
            _bring(desk, protection, now, effects)


def restarted(desk: Desk, now: int, effects: Effects) -> None:
    """A new life: timers are set anew, and nobody has seen a market yet."""
    set_timers(desk)
    for protection in list(desk.protections.values()):
        protection.blind_since, protection.blind_told = now, False
        _bring(desk, protection, now, effects)


def set_timers(desk: Desk) -> None:
    """A new life, or a journal that was read: timers are set anew."""
    for protection in list(desk.protections.values()):
        for at in (protection.owed_at, *(guard.again_at for guard in protection.guards)):
            if at:
                desk.timers.set(at, 0)


def lifted(desk: Desk, now: int, effects: Effects) -> None:
    """A kill switch was lifted: what is held is protected again."""
    for protection in list(desk.protections.values()):
        _bring(desk, protection, now, effects)


def market_seen(desk: Desk, m: MarketSeen, now: int, effects: Effects) -> None:
    """A market that is watched was seen, or nobody has seen it for some time."""
    for side in Side:
        protection = desk.protections.get((m.venue, m.account, m.instrument, side))
        if protection is None:
            continue
        if m.book is None or not fresh(m.book, now):
            protection.blind_since = protection.blind_since or now
            if protection.watches and not protection.blind_told:
                protection.blind_told = True
                names = ", ".join(guard.leg.name for guard in protection.guards if guard.waits)
                said = f"nobody sees the market of {m.instrument}: what is watched there ({names}) does not protect"
                desk.engine.alarm(effects, None, AlarmKind.UNPROTECTED, said)
        else:
            protection.blind_since, protection.blind_told = 0, False
            if kill_switch.who_killed(desk, m.venue, m.account) is None:
                for guard in protection.guards:
                    found = firing.fires(protection, guard, m.book, now)
                    if found is not None:
                        firing.fire(protection, guard, *found, now, effects)
        _bring(desk, protection, now, effects)


def asks_no_more(desk: Desk, parent: Parent, effects: Effects) -> None:
    """An order whose leg another protection has taken over works until that does: it grows no more, and what ends has ended."""
    protection = desk.protections.get(place_of(parent))
    earlier = protection is not None and protection.number != parent.guards and parent.done is None
    if earlier and parent.asked > parent.exposure:
        effects.parent(parent)
        parent.asked = parent.exposure


# ---------------------------------------------------------------------- whether it is covered


def _watch(desk: Desk, protection: Protection, now: int, effects: Effects) -> None:
    """Note since when what works is not what should, and tell when it is again; what is replaced leaves then."""
    if protection.in_place:
        for parent in _in_order(protection.leaving):
            _take_off(desk, parent, now, effects)
    covered = protection.covered
    if covered and not protection.since:
        return
    effects.protection(protection)
    if not protection.since:
        protection.since, protection.changes, protection.requests = now, 0, 0
    numbers = {child.id for guard in protection.guards if guard.parent is not None for child in guard.parent.children}
    protection.requests += sum(1 for op in effects.operations if type(op) is not Query and op.order in numbers)
    protection.changes += any(position.instrument == protection.instrument for position in effects.positions)
    if covered:
        effects.events.append(
            ProtectionCovered(
                0, None, None, protection.venue, protection.account, protection.instrument, protection.side, protection.wanted,
                now - protection.since, protection.changes, protection.requests,
            )
        )  # fmt: skip
        protection.since = 0


# ---------------------------------------------------------------------- what each leg should have


def _bring(desk: Desk, protection: Protection, now: int, effects: Effects) -> None:
    """Bring every leg to what it should have open, and note whether it has."""
    _derive(desk, protection, now, effects)
    _watch(desk, protection, now, effects)


def _derive(desk: Desk, protection: Protection, now: int, effects: Effects) -> None:
    """Bring every leg to what it should have open."""
    held = open_qty(desk, protection)
    if held != protection.wanted:
        protection.wanted = held
        effects.events.append(
            ProtectionChanged(
                0, None, None, protection.venue, protection.account, protection.instrument, protection.side, held,
            )
        )  # fmt: skip
    effects.protection(protection)
    for guard in protection.guards:
        if guard.parent is not None and guard.parent.stop is not None:
            _leaves(protection, guard)
        elif guard.parent is not None and guard.parent.done is not None:
            _ended(desk, protection, guard, guard.parent, held, now, effects)
    rules = _rules(desk, protection)
    parts = assign(protection, held, rules)
    uncovered = held if held and not any(guard.wanted for guard in protection.guards) else ZERO
    killed = kill_switch.who_killed(desk, protection.venue, protection.account) is not None
    before = at_worst(protection, rules)
    first = len(effects.operations)
    if not rules.reduces_each:
        parts = within(protection, held, parts, rules)
    for guard, part in zip(protection.guards, parts, strict=True):
        parent = guard.parent
        if parent is None:
            if part and not killed and guard.again_at <= now and not protection.too_little(guard.leg, part):
                soon = rules.reduces and backoff(guard.tries, protection.retry) <= SOON_NS
                if soon and guard.tries in (1, protection.retry.alarm_after_failures):
                    said = f"{guard.leg.name} of {protection.instrument} ended by itself; {text(part)} were not covered by it"
                    desk.engine.alarm(effects, None, AlarmKind.UNPROTECTED, said)
                _place(desk, protection, guard, part, now, effects)
        elif not part and (not guard.wanted or guard.waits):
            _take_off(desk, parent, now, effects)
            _leaves(protection, guard)
        elif parent.asked != add(parent.cum, part):
            more = sub(add(parent.cum, part), parent.asked)
            missing = sub(add(parent.cum, part), parent.exposure)
            small = more > ZERO and missing > ZERO and protection.too_little(guard.leg, missing)
            if small and not (rules.reduces_each or safe_replace(rules)):
                # It would have to be an order of its own.
                uncovered = uncovered or missing
                continue
            _resize(desk, parent, add(parent.cum, part), now, effects)
        elif _cannot_come(protection, guard, parent, rules):
            # Some of it ended by itself, and what is missing is too little for an order of its own.
            uncovered = uncovered or sub(parent.asked, parent.exposure)
    if not rules.reduces_each:
        _law(desk, protection, rules, held, before, first, effects)
    if bool(uncovered) is not protection.small:
        protection.small = bool(uncovered)
        if uncovered:
            said = f"{text(uncovered)} of {protection.instrument} are less than the venue takes an order for, and not covered"
            desk.engine.alarm(effects, effects.child, AlarmKind.UNPROTECTED, said)


def _cannot_come(protection: Protection, guard: Guard, parent: Parent, rules: Capabilities) -> bool:
    """Whether an order that has a leg lacks less than the venue takes, and nothing of it is on its way."""
    if rules.reduces_each or safe_replace(rules) or parent.stop is not None:
        return False
    missing = sub(parent.asked, parent.exposure)
    return missing > ZERO and protection.too_little(guard.leg, missing)


def _law(desk: Desk, protection: Protection, rules: Capabilities, held: Decimal, before: list[Decimal], first: int,
         effects: Effects) -> None:  # fmt: skip
    """No operation leaves by which what may still fill of a budget grows beyond what is held."""
    try:
        laws.budget(protection.instrument, held, before, at_worst(protection, rules))
    except laws.LawBroken as broken:
        effects.take_back(first)
        for guard in protection.guards:
            if guard.parent is not None:
                effects.parent(guard.parent)
                guard.parent.halted = True
        desk.engine.alarm(effects, effects.child, AlarmKind.LAW, str(broken))


def _resize(desk: Desk, parent: Parent, asked: Decimal, now: int, effects: Effects) -> None:
    effects.parent(parent)
    parent.asked = asked
    parent.limit = max(parent.limit, parent.asked)
    for child in parent.active:
        assert child.work is not None
        effects.touch(child)
        child.work.cut = False
    desk.advance(parent, now, effects)


def _take_off(desk: Desk, parent: Parent, now: int, effects: Effects) -> None:
    if parent.stop is None and parent.done is None:
        effects.parent(parent)
        parent.stop = Done.CANCELED
        desk.hurry(parent, now, effects)
        desk.advance(parent, now, effects)


def _place(desk: Desk, protection: Protection, guard: Guard, wanted: Decimal, now: int, effects: Effects) -> None:
    """An order that has the leg: at its venue for good, or what follows once its price was reached here."""
    leg = guard.leg
    kind = OrdType.LIMIT if not leg.stops else OrdType.STOP if leg.price is None else OrdType.STOP_LIMIT
    stop_px, lasts = leg.stop_px, TimeInForce.GTC
    if guard.watched:
        kind, stop_px = OrdType.LIMIT if leg.price is not None else OrdType.MARKET, None
        if leg.price is None or not leg.stops:
            lasts = TimeInForce.IOC
    terms = Terms(
        instrument=protection.instrument, side=Side.SELL if protection.side is Side.BUY else Side.BUY, order_qty=wanted,
        price=leg.price, stop_px=stop_px, ord_type=kind, time_in_force=lasts, reduce_only=_rules(desk, protection).reduces,
    )  # fmt: skip
    guard.placed += 1
    ref = f"guard:{desk.name}{protection.number}:{leg.name}:{guard.placed}"
    parent = Parent(desk.next_id, protection.venue, protection.account, ref, terms, None)
    parent.guards = protection.number
    parent.least, parent.retry = _least(protection, guard), protection.retry
    guard.parent, guard.seen = parent, ZERO
    desk.take_in(parent, None, effects)
    desk.advance(parent, now, effects)


def _least(protection: Protection, guard: Guard) -> Decimal:
    """The least that the venue takes for a leg, units."""
    lowest = min(px for px in (guard.leg.price, guard.leg.stop_px) if px is not None)
    worth = ratio(protection.min_notional, lowest) if protection.min_notional and lowest > ZERO else ZERO
    return max(protection.min_qty, worth)


def _ended(desk: Desk, protection: Protection, guard: Guard, parent: Parent, held: Decimal, now: int, effects: Effects) -> None:
    """The order that had the leg has ended: as it should, or by itself."""
    guard.parent = None
    # Should its venue open it again, it is taken off: another has the leg by then.
    effects.parent(parent)
    parent.stop = Done.CANCELED
    if firing.has_passed(desk.engine, protection, guard, parent, now, effects):
        guard.tries = guard.again_at = 0
        return
    if guard.watched and not guard.leg.stops:
        # It took what was there at its price. The next look may find more.
        guard.fired_at = 0
        guard.tries = 0 if parent.cum else guard.tries + 1
        guard.again_at = now + backoff(guard.tries, protection.retry) if guard.tries else 0
        if guard.again_at:
            desk.timers.set(guard.again_at, 0)
        return
    if not guard.wanted or not held or parent.done is Done.FILLED:
        guard.tries = guard.again_at = 0
        return
    fired = guard.watched and parent.terms.time_in_force is TimeInForce.IOC
    if _worked_long(protection, parent, now):
        # What ended it is a new trouble.
        guard.tries = 0
    # One that took what was there is not in vain.
    guard.tries = 0 if fired and parent.cum else guard.tries + 1
    guard.again_at = now + backoff(max(guard.tries, 1), protection.retry)
    desk.timers.set(guard.again_at, 0)
    # Where the venue takes off what the position does not need, the fills that say why may be on their way.
    soon = parent.terms.reduce_only and guard.again_at - now <= SOON_NS
    if guard.tries in (1, protection.retry.alarm_after_failures) and not soon:
        what = f"{guard.leg.name} of {parent.terms.instrument}"
        said = f"{what} ended by itself ({parent.done}); {text(min(held, guard.wanted))} are not covered by it"
        desk.engine.alarm(effects, parent.children[-1] if parent.children else None, AlarmKind.UNPROTECTED, said)


def _worked_long(protection: Protection, parent: Parent, now: int) -> bool:
    """Whether the venue had its newest order for longer than anything is waited for."""
    work = parent.children[-1].work if parent.children else None
    longest = max(BACKOFF_MAX_NS, protection.retry.retry_max_ms * MS)
    return work is not None and bool(work.sent_at) and now - work.sent_at > longest


def _leaves(protection: Protection, guard: Guard) -> None:
    """The order that had the leg is being taken off, and does not come back: another may have the leg meanwhile."""
    if guard.parent is not None and guard.parent.active and guard.parent not in protection.leaving:
        protection.leaving.append(guard.parent)
    guard.parent = None
    guard.tries = guard.again_at = 0
    if guard.watched and not guard.leg.stops:
        # Whatever comes after it waits for the price once more: the market was somewhere else meanwhile.
        guard.fired_at = 0


def _let_go(desk: Desk, protection: Protection, now: int, effects: Effects) -> None:
    protection.off = True
    _derive(desk, protection, now, effects)


def _end(protection: Protection, effects: Effects) -> None:
    """It is over, and its orders work until others do."""
    protection.off = True
    for guard in protection.guards:
        guard.parent, guard.wanted = None, ZERO
    protection.wanted = ZERO
    effects.protection(protection)


def _has_a_leg(desk: Desk, parent: Parent, now: int, effects: Effects) -> None:
    """An order that has no leg any more and works: its venue opened it again, or another protection took its place."""
    protection = desk.protections.get(place_of(parent))
    if protection is None:
        _take_off(desk, parent, now, effects)
        return
    if any(guard.parent is parent for guard in protection.guards):
        return
    if parent.guards == protection.number or not _rules(desk, protection).reduces_each:
        _take_off(desk, parent, now, effects)


def _rules(desk: Desk, protection: Protection) -> Capabilities:
    return desk.engine.rules.get(protection.venue, FIX_LIKE)


def _in_order(parents: Iterable[Parent]) -> list[Parent]:
    """In the order of their numbers, as after a start: it decides which is asked for first."""
    return sorted(parents, key=lambda parent: parent.id)
