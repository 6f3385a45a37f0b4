"""What positions cost in a simulated world, by arithmetic of its own: fractions over the venue's fills, in the order heard.

Rules
- Average cost: entries at what they cost, exits in proportion, the other side opens at the price of what turned it over.
- What one step brought of one order is one fill. The order of fills is that of the process; what they are is the venue's word.
- Exact where the order of fills is all that matters: no total came before its executions, and no order of several fills was
  corrected. Elsewhere the average lies within the prices that were paid.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from partfill.core.effects import Effects
from partfill.core.position import KEPT, Position
from partfill.model.events import Alarm, AlarmKind, Confirmation, Fill, PositionClosed, Repriced, Reversal
from partfill.model.words import Side
from partfill.sim.ingredients import TOTALS
from partfill.sim.orders import Order, where
from partfill.sim.truth import Violation

if TYPE_CHECKING:
    from partfill.sim.venue import SimVenue
    from partfill.sim.world import World

WIDE = 5
"""How far off an average may be where nobody says which fill of an order was corrected."""
_MOVES = (Confirmation, Reversal, Repriced)
NEAR = Fraction(1, 10**15)
"""The engine divides to 28 digits."""


class Lump(NamedTuple):
    """What one step brought of one order: signed quantity and value as told, and the executions."""

    child: int
    qty: int
    value: int
    keys: tuple[str, ...]


class Book:
    """Average cost over a sequence of fills."""

    def __init__(self) -> None:
        self.qty = self.paid = 0
        self.cost: int | Fraction = 0
        self.opened_at: int | Fraction = 0
        self.results: list[int | Fraction] = []
        """What was made in each round that is over."""

    def take(self, qty: int, value: int) -> None:
        """One more fill, signed."""
        total = self.qty + qty
        self.paid += value
        before = self.qty
        if not before or (before > 0) is (qty > 0):
            self.cost += value
        elif not total or (total > 0) is (before > 0):
            self.cost = Fraction(self.cost) * total / before
        else:
            self.cost = Fraction(value * total, qty)
        self.qty = total
        if before and (not total or (total > 0) is not (before > 0)):
            self.results.append(self.cost - self.paid - self.opened_at)
            self.opened_at = self.cost - self.paid


class Costs:
    """The positions of one world, as its world counts them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lumps: dict[str, list[Lump]] = {}
        self._books: dict[str, Book] = {}
        """Average costs as the process was told, good for as long as nothing was corrected."""
        self._vague: set[int] = set()
        """Orders of which a total came before its executions."""
        self._joined: set[str] = set()
        """Positions of which two orders turned out to be one."""
        self._moved: set[str] = set()
        """Positions in which something was told that is no plain fill."""

    def heard(self, effects: Effects) -> None:
        """What a durable step says."""
        if not effects.events:
            return
        known = self._world.engine.children
        for gone, _, _ in effects.merged:
            # It was another order all along, which says again what filled of it.
            for key, lumps in self._lumps.items():
                self._lumps[key] = [lump for lump in lumps if lump.child != gone]
                if len(self._lumps[key]) < len(lumps):
                    self._moved.add(key)
                    self._joined.add(key)
        fills: dict[int, list[Fill]] = {}
        closed: list[PositionClosed] = []
        for event in effects.events:
            if type(event) is Fill:
                fills.setdefault(event.order, []).append(event)
            elif type(event) is PositionClosed:
                closed.append(event)
            elif type(event) is Alarm and event.kind is AlarmKind.PARKED and effects.child is not None:
                # It counts in the position, and is told as a fill once its order is known.
                self._moved.add(where(effects.child))
                self._joined.add(where(effects.child))
            elif isinstance(event, _MOVES):
                child = known.get(event.order) or effects.child
                assert child is not None
                self._moved.add(where(child))
        for number, told in fills.items():
            child = known.get(number) or effects.child
            assert child is not None
            sign = 1 if child.side is Side.BUY else -1
            if any(fill.key is None or fill.px is None for fill in told):
                self._vague.add(number)
                self._moved.add(where(child))
            qty = sum(int(fill.qty) for fill in told) * sign
            value = sum(int(fill.qty) * int(fill.px or 0) for fill in told) * sign
            lump = Lump(number, qty, value, tuple(fill.key or "" for fill in told))
            self._lumps.setdefault(where(child), []).append(lump)
            self._books.setdefault(where(child), Book()).take(qty, value)
        for each in closed:
            if effects.merged:
                # What was held as another order's is counted anew: nothing was sold.
                self._moved.add(where(each))
                self._joined.add(where(each))
            self._closed(each)

    def _closed(self, event: PositionClosed) -> None:
        """A round is over: its result is that of its fills."""
        key = where(event)
        if key in self._moved or self._world.venues[key].fees is not None:
            return
        book = self._books.get(key)
        if book is None or not book.results or _apart(book.results[-1], event.realised):
            raise Violation(f"{event.side} at {key} made {event.realised} here, and {book and book.results[-1:]} by its fills")
        self._world.ingredients.meet("a result of a closed position")

    def check(self, venue: SimVenue, position: Position) -> None:
        """At a quiet point: what is held cost what the venue's fills cost."""
        fills = {fill.key: (order, fill) for order in venue.orders.values() for fill in order.fills}
        if position.base is not None and venue.fees is not None:
            # What a fee takes goes at the average of its order, whichever of its fills it was of, and however late it is heard.
            return
        book = Book()
        corrected = position.rounds > 1 and any(self._was_corrected(order) for order in venue.orders.values())
        if corrected or venue.key in self._joined:
            # What is taken back of a round that is over is a trade of now, at the price that it had.
            return
        lumps = self._lumps.get(venue.key, ())
        keys = [key for lump in lumps for key in lump.keys]
        if len(set(keys)) < len(keys):
            # One was taken back, and came again.
            self._within(venue, position)
            return
        for lump in lumps:
            if lump.child in self._vague or any(key not in fills for key in lump.keys):
                self._within(venue, position)
                return
            order = fills[lump.keys[0]][0]
            if self._was_corrected(order) and len([each for each in lumps if each.child == lump.child]) > 1:
                self._within(venue, position)
                return
            of = [fills[key][1] for key in lump.keys]
            sign = 1 if order.side is Side.BUY else -1
            qty = sum(fill.qty for fill in of) * sign
            if qty:
                book.take(qty, sum(fill.qty * fill.px for fill in of) * sign)
        if len(lumps) > KEPT and any(self._was_corrected(order) for order in venue.orders.values()):
            self._within(venue, position)
            return
        if _apart(book.cost, position.cost):
            raise Violation(
                f"{position.held} at {venue.kind.name} cost {position.cost} here, and {float(book.cost)} by its fills"
            )
        realised = book.cost - book.paid
        if _apart(realised, position.realised):
            raise Violation(f"{position.realised} was made at {venue.kind.name} here, and {float(realised)} by its fills")
        if position.quote is not None and position.net is not None:
            net = realised - Fraction(position.fees.get(position.quote, Decimal(0)))
            if _apart(net, position.net):
                raise Violation(f"{position.net} was made at {venue.kind.name} after fees here, and {float(net)} by its fills")
        self._world.ingredients.meet("an average cost to the last digit")

    @staticmethod
    def _was_corrected(order: Order) -> bool:
        return any(fill.qty == 0 or fill.version != fill.key for each in (order, order.root) for fill in each.fills)

    def _within(self, venue: SimVenue, position: Position) -> None:
        if self._world.ingredients.has & TOTALS:
            # Totals that are taken back have no price.
            return
        prices = [fill.px for order in venue.orders.values() for fill in order.fills if fill.qty]
        average = position.avg_px
        if average is not None and prices and not min(prices) - WIDE <= average <= max(prices) + WIDE:
            raise Violation(
                f"{position.held} at {venue.kind.name} cost {average} each, and {min(prices)} to {max(prices)} was paid"
            )


def _apart(right: int | Fraction, here: Decimal) -> bool:
    return right != here and abs(right - Fraction(here)) > NEAR
