"""When a leg whose price is watched here fires, and stops that a venue says have fired.

    order refused: it would trigger at once  ->  the stop has fired  ->  watched here, or to the market, as the user wants

Rules
- A stop closes all that it covers. A target takes what is shown at its price; too little is not worth taking the stop off.
- A stop that its venue refuses since the market has passed its price has fired. To place it again would be refused again, and
  the position would be bare meanwhile. It is no order at that venue any more, until the position is closed.
- A venue that refuses an order since its reduce-only orders would be more than the position sums them, whatever was declared:
  from then on stops have the whole budget, and targets are watched here. A person is told, once.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core import covering
from partfill.core.effects import Effects
from partfill.core.guard import Guard, Protection
from partfill.core.triggers import reached, takes
from partfill.model.book import Book
from partfill.model.events import AlarmKind, ProtectionFired
from partfill.model.instrument import whole_lots
from partfill.model.protection import Passed
from partfill.model.refusals import Refusal

if TYPE_CHECKING:
    from partfill.core.engine import Engine
    from partfill.core.parent import Parent


def fires(protection: Protection, guard: Guard, book: Book, now: int) -> tuple[Decimal, Decimal] | None:
    """(price, quantity) with which the price of a leg that is watched is reached by a book; None while it is not.

    A stop closes all that it covers. A target takes what is shown at its price; too little is not worth taking the stop off.
    """
    if not guard.waits or not guard.wanted or guard.again_at > now:
        return None
    px = reached(guard.leg, protection.side, book)
    if px is None or guard.leg.stops:
        return None if px is None else (px, guard.wanted)
    qty = whole_lots(min(guard.wanted, takes(guard.leg, protection.side, book)), protection.lot)
    return (px, qty) if qty and not protection.too_little(guard.leg, qty) else None


def fire(protection: Protection, guard: Guard, px: Decimal, qty: Decimal, now: int, effects: Effects) -> None:
    """The price of a leg was reached: from now on it closes `qty` units."""
    guard.fired_at, guard.takes = now, qty
    effects.events.append(
        ProtectionFired(
            0, None, None, protection.venue, protection.account, protection.instrument, protection.side, guard.leg.name, px,
            qty,
        )
    )  # fmt: skip


def has_passed(engine: Engine, protection: Protection, guard: Guard, parent: Parent, now: int, effects: Effects) -> bool:
    """Whether the order of a stop was refused since the market had passed its price; it has fired then."""
    work = parent.children[-1].work if parent.children else None
    if work is None or work.refusal is not Refusal.WOULD_TRIGGER or parent.cum or not guard.leg.stops or guard.passed:
        return False
    guard.passed = True
    what = "its price is watched here from now on"
    if protection.passed is Passed.AT_MARKET:
        what = "it goes to the market now"
        assert guard.leg.stop_px is not None
        fire(protection, guard, guard.leg.stop_px, guard.wanted, now, effects)
    said = f"{guard.leg.name} of {protection.instrument} was refused, since the market has passed its price: {what}"
    engine.alarm(effects, parent.children[-1], AlarmKind.REFUSED, said)
    return True


def sums(engine: Engine, venue: str, effects: Effects) -> bool:
    """A venue refused an order since the sum of its reduce-only orders would be too much; whether that is news."""
    rules = engine.rules.get(venue)
    if rules is None or not rules.reduces_each:
        return False
    covering.read_by(engine, venue, rules.summing(), effects)
    effects.engine = True
    said = f"{venue} sums the reduce-only orders of a position: stops go before targets, which are watched here from now on"
    engine.alarm(effects, None, AlarmKind.REFUSED, said)
    return True
