"""What protective orders closed more than there was: noticed, alarmed, and traded back where the user said so.

Rules
- It can happen where both kinds of legs work without a venue that holds them to the position, by a void of an exit that was
  made good, and where an entry is taken back after its exit. What users sell beyond what they hold is their own wish.
- An order that trades back and ends with something left is followed by another, later and later, until nothing is owed; what
  several of them leave adds up.
- Under the kill switch nothing is traded back.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core import kill_switch
from partfill.core.effects import Effects
from partfill.core.guard import Protection
from partfill.core.parent import Parent
from partfill.core.waiting import backoff
from partfill.model.events import AlarmKind, ParentDone, Reversal
from partfill.model.instrument import whole_lots
from partfill.model.numbers import ZERO, add, sub, text
from partfill.model.protection import OverClose
from partfill.model.terms import Terms
from partfill.model.words import OrdType, Side, TimeInForce

if TYPE_CHECKING:
    from partfill.core.desk import Desk


def noticed(desk: Desk, protection: Protection, qty: Decimal, now: int, effects: Effects) -> None:
    """Whether protective orders have closed more than there was; the position is `qty` units now, signed."""
    child = effects.child
    much = _beyond(protection, qty)
    if child is None or not much:
        return
    if child.work is None or child.work.parent.guards != protection.number:
        # Not by a fill of theirs. But what they closed may have been taken back of the entry.
        taken_back = any(type(event) is Reversal for event in effects.events)
        much = min(much, protection.closed) if taken_back and child.side is protection.side else ZERO
    if not much:
        return
    said = f"protective orders closed {text(much)} of {protection.instrument} more than was held"
    desk.engine.alarm(effects, child, AlarmKind.OVER_CLOSE, said)
    if protection.over_close is OverClose.FLATTEN:
        _flatten(desk, protection, much, now, effects)


def ended(desk: Desk, protection: Protection, parent: Parent, now: int, effects: Effects) -> None:
    """An order that trades back has ended: what is left of it is owed."""
    if not any(type(event) is ParentDone and event.ref == parent.ref for event in effects.events):
        return
    effects.protection(protection)
    protection.owed_tries = 0 if parent.cum else protection.owed_tries + 1
    # What others left is owed still.
    protection.owed = add(protection.owed, parent.rest)
    protection.closed = add(protection.closed, parent.rest)
    if protection.owed:
        protection.owed_at = now + backoff(max(protection.owed_tries, 1), protection.retry)
        desk.timers.set(protection.owed_at, 0)


def due(desk: Desk, protection: Protection, now: int, effects: Effects) -> None:
    """What is owed is traded back now, as far as it is still there."""
    if not protection.owed_at or protection.owed_at > now:
        return
    effects.protection(protection)
    protection.owed_at = 0
    holdings = desk.engine.holdings
    position = holdings.positions.get(protection.place[:3]) if holdings is not None else None
    beyond = _beyond(protection, ZERO if position is None else position.held)
    much = min(add(protection.owed, _going(desk, protection)), beyond)
    protection.owed = ZERO
    if much:
        _flatten(desk, protection, much, now, effects)


def _beyond(protection: Protection, qty: Decimal) -> Decimal:
    """What of a position is on the other side of what is protected."""
    return ZERO if not qty or (qty > ZERO) is (protection.side is Side.BUY) else qty.copy_abs()


def _going(desk: Desk, protection: Protection) -> Decimal:
    """What is being traded back, and has not filled."""
    going = ZERO
    for parent in desk.parents.values():
        if parent.guards == -protection.number and parent.done is None:
            going = add(going, parent.rest)
    return going


def _flatten(desk: Desk, protection: Protection, much: Decimal, now: int, effects: Effects) -> None:
    """Trade the excess back, less what is being traded back already."""
    if kill_switch.who_killed(desk, protection.venue, protection.account) is not None:
        return
    # Less than a lot cannot be traded back. It was told with the rest.
    much = whole_lots(sub(much, _going(desk, protection)), protection.lot)
    if much <= ZERO:
        return
    rules = desk.engine.rules.get(protection.venue)
    terms = Terms(
        instrument=protection.instrument, side=protection.side, order_qty=much, ord_type=OrdType.MARKET,
        time_in_force=TimeInForce.IOC, reduce_only=rules is not None and rules.reduces,
    )  # fmt: skip
    effects.protection(protection)
    protection.closed = max(ZERO, sub(protection.closed, much))
    ref = f"flat:{desk.name}{desk.next_id}"
    parent = Parent(desk.next_id, protection.venue, protection.account, ref, terms, None)
    parent.guards, parent.retry = -protection.number, protection.retry
    desk.take_in(parent, None, effects)
    desk.advance(parent, now, effects)
