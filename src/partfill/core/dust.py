"""The dust sweeper: notes what is left of orders that were taken off as dust, and gives it to other orders if users allow that.

    a rest is taken off as dust -> its order ends -> a speck -> the next order of that side, or an order of its own

Rules
- A speck is noted when the end of its order is proven, with what is left then of what was dust. A late fill makes it smaller,
  an order that works again takes it back.
- `next_order`: a limit order of the same side whose own policy says so too asks for it in addition, where its price is
  no worse than that of the order the speck is from.
- `sweep`: once the specks of a side are worth what the venue takes, and together no dust themselves, they become one order at
  the best of their prices for the user.
- Each speck is used once. What is used is told, with the orders it is from; a fill that comes for it afterwards is alarmed.
- Nothing is used while the kill switch is on, and nothing of an order that its user took off.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core import kill_switch
from partfill.core.effects import Effects
from partfill.core.parent import Done, Parent
from partfill.core.remainder import within
from partfill.model.dust import DustState, Speck
from partfill.model.events import AlarmKind, DustLeft, DustUsed
from partfill.model.instrument import Instrument
from partfill.model.numbers import ZERO, add, sub, text
from partfill.model.policy import DustUse, RemainderPolicy
from partfill.model.words import Side

if TYPE_CHECKING:
    from partfill.core.desk import Desk

MOST = 1_000
"""Specks of one side that wait; the oldest is dropped for a newer one."""

Place = tuple[str, str, str, Side]
"""(venue, account, instrument, side)."""


class Dust:
    """Every speck that waits, by where it is from, then by the number of its order; oldest first."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: dict[Place, dict[int, Speck]] = {}

    def of(self, parent: Parent) -> dict[int, Speck]:
        """What waits on the side of this order."""
        return self.waiting.get(_place(parent), {})

    def keep(self, speck: Speck) -> None:
        """It waits, as it is now."""
        self.waiting.setdefault((speck.venue, speck.account, speck.instrument, speck.side), {})[speck.parent] = speck

    def change(self, speck: Speck, effects: Effects) -> None:
        """It is as it says now; what does not wait any more leaves memory."""
        self.keep(speck)
        if speck.state is not DustState.OPEN:
            place = (speck.venue, speck.account, speck.instrument, speck.side)
            del self.waiting[place][speck.parent]
            if not self.waiting[place]:
                del self.waiting[place]
        effects.speck(speck)


def left(desk: Desk, parent: Parent, now: int, effects: Effects) -> None:
    """The order has ended; what is left of it is dust if it was taken off as such."""
    handling = parent.handling
    if handling is None or not parent.rest or parent.done is not Done.CANCELED:
        return
    instrument, price = handling.dust_of, handling.original
    if instrument is None or price is None:
        return
    speck = Speck(
        parent=parent.id, venue=parent.venue, account=parent.account, instrument=parent.terms.instrument,
        side=parent.terms.side, ref=parent.ref, qty=min(parent.rest, handling.dust_qty), price=price,
        order_ids=tuple(each for child in parent.children for each in child.order_ids), use=handling.policy.dust, since=now,
    )  # fmt: skip
    others = desk.dust.of(parent)
    if len(others) >= MOST and parent.id not in others:
        desk.dust.change(others[next(iter(others))].but(state=DustState.DROPPED), effects)
    desk.dust.change(speck, effects)
    last = parent.children[-1]
    effects.events.append(
        DustLeft(last.id, last.order_id, last.cl_ord_id, parent.ref, speck.instrument, speck.side, speck.qty, speck.price)
    )
    if speck.use is DustUse.SWEEP:
        _sweep(desk, parent, handling.policy, instrument, now, effects)


def filled(desk: Desk, parent: Parent, before: Decimal, effects: Effects) -> None:
    """What filled of an order that has ended has changed, from `before` on."""
    handling = parent.handling
    if handling is None or handling.dust_of is None:
        return
    speck = desk.dust.of(parent).get(parent.id)
    if speck is not None:
        rest = parent.rest
        if not rest:
            desk.dust.change(speck.but(state=DustState.GONE), effects)
        elif rest < speck.qty:
            desk.dust.change(speck.but(qty=rest), effects)
    elif parent.cum > before:
        said = f"{text(sub(parent.cum, before))} of {parent.ref} filled after its rest had been given to the dust sweeper"
        desk.engine.alarm(effects, parent.children[-1], AlarmKind.EXPOSURE, said)


def opened(desk: Desk, parent: Parent, effects: Effects) -> None:
    """An order that left dust works again: what is left of it may fill there."""
    handling = parent.handling
    if handling is None or handling.dust_of is None:
        return
    speck = desk.dust.of(parent).get(parent.id)
    if speck is not None:
        desk.dust.change(speck.but(state=DustState.GONE), effects)
        return
    # It leaves none a second time.
    handling.dust_of = None
    said = f"{parent.ref} works again after its rest had been given to the dust sweeper"
    desk.engine.alarm(effects, parent.children[-1], AlarmKind.EXPOSURE, said)


def gather(desk: Desk, parent: Parent, effects: Effects) -> None:
    """A new order asks for the dust of its side in addition, if its user allows that."""
    handling, price = parent.handling, parent.price
    if handling is None or price is None or handling.policy.dust is not DustUse.NEXT_ORDER:
        return
    _use(desk, parent, lambda speck: speck.use is DustUse.NEXT_ORDER and within(speck.side, price, speck.price), effects)


def _sweep(desk: Desk, last: Parent, policy: RemainderPolicy, instrument: Instrument, now: int, effects: Effects) -> None:
    """Make one order of all that may be swept on the side of `last`, if it is enough for one."""
    specks = [speck for speck in desk.dust.of(last).values() if speck.use is DustUse.SWEEP]
    prices = [speck.price for speck in specks]
    price = min(prices) if last.terms.side is Side.BUY else max(prices)
    total = ZERO
    for speck in specks:
        total = add(total, speck.qty)
    enough = max(instrument.min_notional, policy.min_remainder_size)
    if total < instrument.min_qty or instrument.notional(total, price).copy_abs() < enough:
        return
    if kill_switch.who_killed(desk, last.venue, last.account) is not None:
        return
    ref = f"dust:{desk.name}{desk.next_id}"
    parent = Parent(desk.next_id, last.venue, last.account, ref, last.terms.sized(total, price), None)
    parent.asked = parent.limit = ZERO
    desk.take_in(parent, policy, effects)
    _use(desk, parent, lambda speck: speck.use is DustUse.SWEEP, effects)
    desk.advance(parent, now, effects)


def _use(desk: Desk, parent: Parent, fits: Callable[[Speck], bool], effects: Effects) -> None:
    """The order asks for every speck of its side that fits, in addition to what it asked for."""
    used = [speck for speck in desk.dust.of(parent).values() if speck.parent != parent.id and fits(speck)]
    total = ZERO
    for speck in used:
        total = add(total, speck.qty)
        desk.dust.change(speck.but(state=DustState.TAKEN, taken_by=parent.ref), effects)
    if used:
        parent.asked = add(parent.asked, total)
        parent.limit = max(parent.limit, parent.asked)
        refs, numbers = tuple(speck.ref for speck in used), tuple(speck.parent for speck in used)
        effects.events.append(DustUsed(0, None, None, parent.ref, parent.id, total, parent.price, refs, numbers))


def _place(parent: Parent) -> Place:
    return (parent.venue, parent.account, parent.terms.instrument, parent.terms.side)
