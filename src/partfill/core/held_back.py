"""A protective order that filled asks for nothing more until its position is known: a fee may take more than the fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core.guard import place_of
from partfill.model.capabilities import FIX_LIKE
from partfill.model.instrument import whole_lots
from partfill.model.numbers import ZERO, add
from partfill.model.words import Side

if TYPE_CHECKING:
    from partfill.core.desk import Desk
    from partfill.core.effects import Effects
    from partfill.core.guard import Protection
    from partfill.core.parent import Parent


def waits(desk: Desk, parent: Parent) -> bool:
    """Whether an order protects a position that is followed: what it asks for next waits until that is known."""
    return (parent.guards or 0) > 0 and desk.engine.holdings is not None and place_of(parent) in desk.protections


def go_on(desk: Desk, now: int, effects: Effects, *, first: bool = False) -> list[Protection]:
    """The positions are known. Where nothing holds an order that waits to its own, it asks for no more than is held by now.

    `first`: its legs are brought to that position next. Where its venue holds it to the position, it waits for that too: what
    filled of it may have been counted before, as the fill of an order that nobody knew, and then more is to stay. Returns the
    protections whose order has ended by that: its leg is free.
    """
    free: list[Protection] = []
    for parent in effects.waits:
        protection = desk.protections[place_of(parent)]
        each = desk.engine.rules.get(protection.venue, FIX_LIKE).reduces_each
        if first and each:
            continue
        effects.waits = [other for other in effects.waits if other is not parent]
        holdings = desk.engine.holdings
        position = holdings.positions.get(protection.place[:3]) if holdings is not None else None
        held = position.held if position is not None else ZERO
        left = whole_lots(max(ZERO, held if protection.side is Side.BUY else held.copy_negate()), protection.lot)
        if not each and parent.asked > add(parent.cum, left):
            parent.asked = add(parent.cum, left)
        desk.advance(parent, now, effects)
        if parent.done is not None:
            free.append(protection)
    return free
