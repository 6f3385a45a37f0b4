"""Protection: stops and targets whose quantity is the position, whatever it becomes.

    a position changes, a protective order ends  ->  what each leg should have open  ->  the target of its parent order

Theory of operation. A leg is a parent order like any other, so requests, their outcomes, restarts and the law are the
planner's; only its quantity is nobody's wish: it is what filled of it and what the position leaves to it. A burst of fills
moves that target; while a request is on its way the planner waits, so the next one asks for the newest size and no queue of
resizes is ever made. Growth adds: what is missing is placed beside what works, which stays until it is proven to be more than
is needed. So a position is unprotected for what was added, for one round trip, and for nothing else.

Rules
- What the legs of one kind have open is never asked to be more than the position: what does not divide goes to the last.
- A side is protected, long or short. A position on the other side is not, and legs are taken off when none is left to protect.
- What is less than the venue takes is not asked for: it goes to the last leg, or is told as not covered until there is more.
- A leg that ends by itself, refused or taken off by its venue, is placed anew, later and later, and a person is told.
- Protective orders that closed more than there was are alarmed, and traded back where the user said so.
- Under the kill switch nothing is placed, for protection neither.
"""

from __future__ import annotations

from decimal import Decimal
from heapq import heappush
from typing import TYPE_CHECKING

from partfill.core import kill_switch
from partfill.core.effects import Effects
from partfill.core.parent import Done, Parent
from partfill.core.planner import safe_replace
from partfill.core.waiting import MANY, backoff
from partfill.model.commands import Protect, Unprotect
from partfill.model.events import AlarmKind, CommandRefused, ProtectionChanged, ProtectionCovered
from partfill.model.instrument import whole_lots
from partfill.model.numbers import ZERO, add, mul, sub, text
from partfill.model.operations import Query
from partfill.model.protection import Leg, OverClose
from partfill.model.terms import Terms
from partfill.model.words import OrdType, Side, TimeInForce

if TYPE_CHECKING:
    from partfill.core.desk import Desk

Place = tuple[str, str, str, Side]
"""(venue, account, instrument, side of the position)."""


class Guard:
    """One leg at work."""

    __slots__ = ("again_at", "leg", "parent", "placed", "tries")

    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self.parent: Parent | None = None
        """The order that has the leg now; None before the first."""
        self.placed = 0
        """Orders that had it."""
        self.tries = 0
        """How often in a row it ended by itself."""
        self.again_at = 0
        """Not before this time is it placed anew (ns UTC)."""


class Protection:
    """The protection of one side of a position."""

    __slots__ = (
        *("account", "changes", "guards", "instrument", "lot", "min_notional", "min_qty", "number", "off", "over_close"),
        *("requests", "side", "since", "small", "venue", "wanted"),
    )

    def __init__(self, number: int, place: Place, lot: Decimal | None, over_close: OverClose) -> None:
        self.number = number
        self.venue, self.account, self.instrument, self.side = place
        self.lot = lot
        """Step of quantity; None where any goes."""
        self.min_qty = self.min_notional = ZERO
        """The least that the venue takes, units and quote currency."""
        self.small = False
        """True while something is not covered since it is too little, and that was told."""
        self.over_close = over_close
        self.guards: list[Guard] = []
        self.wanted = ZERO
        """What is to be protected, units."""
        self.since = 0
        """Since when what works is not what should (ns UTC); 0 while it is."""
        self.changes = self.requests = 0
        """Of the position, and for it, since then."""
        self.off = False
        """True once the user wants none any more."""

    @property
    def place(self) -> Place:
        """What it protects."""
        return (self.venue, self.account, self.instrument, self.side)


def protect(desk: Desk, p: Protect, now: int, effects: Effects) -> None:
    """The user wants a position protected like this; what was wanted before ends."""
    place = (p.venue, p.account, p.instrument, p.side)
    before = desk.protections.get(place)
    if before is not None and not before.off and [guard.leg for guard in before.guards] == list(p.legs):
        before.over_close, before.lot = p.over_close, p.lot
        before.min_qty, before.min_notional = p.min_qty, p.min_notional
        effects.protection(before)
        desk.engine.counters.duplicates += 1
        return
    if before is not None:
        _let_go(desk, before, now, effects)
    protection = Protection(desk.next_protection, place, p.lot, p.over_close)
    protection.min_qty, protection.min_notional = p.min_qty, p.min_notional
    desk.next_protection += 1
    effects.engine = True
    protection.guards = [Guard(leg) for leg in p.legs]
    desk.protections[place] = protection
    _derive(desk, protection, now, effects)


def unprotect(desk: Desk, u: Unprotect, now: int, effects: Effects) -> None:
    """The user wants no protection of this side any more."""
    protection = desk.protections.pop((u.venue, u.account, u.instrument, u.side), None)
    if protection is None:
        said = f"{u.instrument} at {u.venue} {u.account}".rstrip()
        effects.events.append(CommandRefused(0, None, None, u.instrument, f"no protection of {u.side.value} {said}"))
        return
    _let_go(desk, protection, now, effects)


def follow(desk: Desk, now: int, effects: Effects) -> None:
    """Draw the consequences of what a step did to positions and protective orders."""
    concerned: list[Protection] = []
    for position in effects.positions:
        for side in Side:
            protection = desk.protections.get((position.venue, position.account, position.instrument, side))
            if protection is not None:
                _over_closed(desk, protection, position.qty, now, effects)
                _derive(desk, protection, now, effects)
                concerned.append(protection)
    for parent in list(effects.parents):
        if parent.guards is None or parent.guards < 0:
            continue
        protection = _of(desk, parent)
        if protection is not None and protection not in concerned:
            concerned.append(protection)
        if parent.done is not None and protection is not None:
            _derive(desk, protection, now, effects)
        elif parent.done is None and parent.stop is None and not _has_leg(protection, parent):
            # Its venue opened it again, and the leg is another order's by now.
            effects.parent(parent)
            parent.stop = Done.CANCELED
            desk.advance(parent, now, effects)
    for each in concerned:
        _watch(desk, each, now, effects)


def _watch(desk: Desk, protection: Protection, now: int, effects: Effects) -> None:
    """Note since when what works is not what should, and tell when it is again."""
    covers = all(
        works(guard) == wanted
        for guard, wanted in zip(protection.guards, shares(protection, protection.wanted), strict=True)
    )  # fmt: skip
    if covers and not protection.since:
        return
    effects.protection(protection)
    if not protection.since:
        protection.since, protection.changes, protection.requests = now, 0, 0
    numbers = {child.id for guard in protection.guards if guard.parent is not None for child in guard.parent.children}
    protection.requests += sum(1 for op in effects.operations if type(op) is not Query and op.order in numbers)
    protection.changes += any(position.instrument == protection.instrument for position in effects.positions)
    if covers:
        effects.events.append(
            ProtectionCovered(
                0, None, None, protection.venue, protection.account, protection.instrument, protection.side, protection.wanted,
                now - protection.since, protection.changes, protection.requests,
            )
        )  # fmt: skip
        protection.since = 0


def works(guard: Guard) -> Decimal:
    """What of a leg works at the venue, as far as it has said."""
    found = ZERO
    for child in guard.parent.active if guard.parent is not None else ():
        if child.open_at_venue and child.order_ids:
            found = add(found, child.leaves)
    return found


def due(desk: Desk, now: int, effects: Effects) -> None:
    """A leg may be placed anew."""
    for protection in list(desk.protections.values()):
        if any(guard.again_at and guard.again_at <= now for guard in protection.guards):
            _derive(desk, protection, now, effects)


def set_timers(desk: Desk) -> None:
    """A new life, or a journal that was read: timers are set anew."""
    for protection in desk.protections.values():
        for guard in protection.guards:
            if guard.again_at:
                heappush(desk.timers, (guard.again_at, 0))


def lifted(desk: Desk, now: int, effects: Effects) -> None:
    """A kill switch was lifted: what is held is protected again."""
    for protection in list(desk.protections.values()):
        _derive(desk, protection, now, effects)


# ---------------------------------------------------------------------- what each leg should have


def open_qty(desk: Desk, protection: Protection) -> Decimal:
    """What is held on the side that is protected, units."""
    holdings = desk.engine.holdings
    position = holdings.positions.get(protection.place[:3]) if holdings is not None else None
    if position is None or not position.qty or (position.qty > ZERO) is not (protection.side is Side.BUY):
        return ZERO
    return position.qty.copy_abs()


def shares(protection: Protection, held: Decimal) -> list[Decimal]:
    """What each leg is to have open: its share, down to whole lots; the last of its kind has what is left of the whole."""
    found: list[Decimal] = []
    for stops in (True, False):
        kind = [guard.leg for guard in protection.guards if guard.leg.stops is stops]
        whole = sum((leg.share for leg in kind), ZERO) == 1
        left = held
        for leg in kind:
            part = whole_lots(mul(held, leg.share), protection.lot)
            if whole and leg is kind[-1]:
                part = whole_lots(left, protection.lot)
            if too_little(protection, leg, part):
                part = ZERO
            left = sub(left, part)
            found.append(part)
    legs = [*(g.leg for g in protection.guards if g.leg.stops), *(g.leg for g in protection.guards if not g.leg.stops)]
    by_name = dict(zip((leg.name for leg in legs), found, strict=True))
    return [by_name[guard.leg.name] for guard in protection.guards]


def too_little(protection: Protection, leg: Leg, qty: Decimal) -> bool:
    """Whether the venue takes no order of `qty` units for this leg, judged at its own price."""
    prices = [px for px in (leg.price, leg.stop_px) if px is not None]
    return qty < protection.min_qty or mul(qty, min(prices)) < protection.min_notional


def _derive(desk: Desk, protection: Protection, now: int, effects: Effects) -> None:
    """Bring every leg to what it should have open."""
    held = ZERO if protection.off else open_qty(desk, protection)
    if held != protection.wanted:
        protection.wanted = held
        effects.events.append(
            ProtectionChanged(
                0, None, None, protection.venue, protection.account, protection.instrument, protection.side, held,
            )
        )  # fmt: skip
    effects.protection(protection)
    killed = kill_switch.who_killed(desk, protection.venue, protection.account) is not None
    uncovered = held if held and not any(shares(protection, held)) else ZERO
    for guard, wanted in zip(protection.guards, shares(protection, held), strict=True):
        parent = guard.parent
        if parent is not None and parent.done is not None:
            _ended(desk, guard, parent, wanted, now, effects)
            parent = guard.parent
        if parent is None:
            if wanted and not killed and guard.again_at <= now:
                _place(desk, protection, guard, wanted, now, effects)
        elif parent.stop is None and not wanted:
            effects.parent(parent)
            parent.stop = Done.CANCELED
            desk.hurry(parent, now, effects)
            desk.advance(parent, now, effects)
        elif parent.stop is None and parent.asked != add(parent.cum, wanted):
            more = sub(add(parent.cum, wanted), parent.asked)
            if more > ZERO and too_little(protection, guard.leg, more) and not _replaces(desk, protection):
                # It would have to be an order of its own.
                uncovered = uncovered or more
                continue
            effects.parent(parent)
            parent.asked = add(parent.cum, wanted)
            parent.limit = max(parent.limit, parent.asked)
            for child in parent.active:
                assert child.work is not None
                effects.touch(child)
                child.work.cut = False
            desk.advance(parent, now, effects)

    if bool(uncovered) is not protection.small:
        protection.small = bool(uncovered)
        if uncovered:
            said = f"{text(uncovered)} of {protection.instrument} are less than the venue takes an order for, and not covered"
            desk.engine.alarm(effects, effects.child, AlarmKind.UNPROTECTED, said)


def _replaces(desk: Desk, protection: Protection) -> bool:
    rules = desk.engine.rules.get(protection.venue)
    return rules is not None and safe_replace(rules)


def _place(desk: Desk, protection: Protection, guard: Guard, wanted: Decimal, now: int, effects: Effects) -> None:
    """An order that has the leg."""
    leg = guard.leg
    kind = OrdType.LIMIT if not leg.stops else OrdType.STOP if leg.price is None else OrdType.STOP_LIMIT
    terms = Terms(
        instrument=protection.instrument, side=Side.SELL if protection.side is Side.BUY else Side.BUY, order_qty=wanted,
        price=leg.price, stop_px=leg.stop_px, ord_type=kind, time_in_force=TimeInForce.GTC,
        reduce_only=protection.venue in desk.engine.rules and desk.engine.rules[protection.venue].reduce_only,
    )  # fmt: skip
    guard.placed += 1
    ref = f"guard:{desk.name}{protection.number}:{leg.name}:{guard.placed}"
    parent = Parent(desk.next_id, protection.venue, protection.account, ref, terms, None)
    parent.guards = protection.number
    guard.parent = parent
    desk.take_in(parent, None, effects)
    desk.advance(parent, now, effects)


def _ended(desk: Desk, guard: Guard, parent: Parent, wanted: Decimal, now: int, effects: Effects) -> None:
    """The order that had the leg has ended: as it should, or by itself."""
    guard.parent = None
    if parent.stop is not None or not wanted or parent.done is Done.FILLED:
        guard.tries = guard.again_at = 0
        return
    guard.tries += 1
    guard.again_at = now + backoff(guard.tries)
    heappush(desk.timers, (guard.again_at, 0))
    if guard.tries in (1, MANY):
        what = f"{guard.leg.name} of {parent.terms.instrument}"
        said = f"{what} ended by itself ({parent.done}); {text(wanted)} are not covered by it"
        desk.engine.alarm(effects, parent.children[-1] if parent.children else None, AlarmKind.UNPROTECTED, said)


def _let_go(desk: Desk, protection: Protection, now: int, effects: Effects) -> None:
    protection.off = True
    _derive(desk, protection, now, effects)


def _has_leg(protection: Protection | None, parent: Parent) -> bool:
    return protection is not None and any(guard.parent is parent for guard in protection.guards)


def _of(desk: Desk, parent: Parent) -> Protection | None:
    """The protection that this order is part of."""
    side = Side.SELL if parent.terms.side is Side.BUY else Side.BUY
    found = desk.protections.get((parent.venue, parent.account, parent.terms.instrument, side))
    return found if found is not None and found.number == parent.guards else None


def _over_closed(desk: Desk, protection: Protection, qty: Decimal, now: int, effects: Effects) -> None:
    """Whether a protective order has closed more than there was."""
    child = effects.child
    parent = child.work.parent if child is not None and child.work is not None else None
    if parent is None or parent.guards != protection.number or not qty or (qty > ZERO) is (protection.side is Side.BUY):
        return
    much = qty.copy_abs()
    said = f"protective orders closed {text(much)} of {protection.instrument} more than was held"
    desk.engine.alarm(effects, child, AlarmKind.OVER_CLOSE, said)
    killed = kill_switch.who_killed(desk, protection.venue, protection.account) is not None
    if protection.over_close is OverClose.FLATTEN and not killed:
        _flatten(desk, protection, much, now, effects)


def _flatten(desk: Desk, protection: Protection, much: Decimal, now: int, effects: Effects) -> None:
    """Trade the excess back, less what is being traded back already."""
    going = ZERO
    for parent in desk.parents.values():
        if parent.guards == -protection.number and parent.done is None:
            going = add(going, parent.rest)
    if much <= going:
        return
    terms = Terms(
        instrument=protection.instrument, side=protection.side, order_qty=sub(much, going), ord_type=OrdType.MARKET,
        time_in_force=TimeInForce.IOC,
    )  # fmt: skip
    ref = f"flat:{desk.name}{desk.next_id}"
    parent = Parent(desk.next_id, protection.venue, protection.account, ref, terms, None)
    parent.guards = -protection.number
    desk.take_in(parent, None, effects)
    desk.advance(parent, now, effects)
