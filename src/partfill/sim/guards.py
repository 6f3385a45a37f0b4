"""Protection in a simulated world: users who want stops and targets, and what must work for them once everything is quiet.

Rules
- Draws from a source of its own: a world without protection is the world that it was.
- At a quiet point what works at the venue for each leg is the position, if it is on the side that is protected, and nothing
  otherwise. Nothing works for protection that nobody wants.
- What a leg has open is never asked to be more than was held at some time while it was on its way.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from partfill.core.kill_switch import who_killed
from partfill.model.commands import Protect, Unprotect
from partfill.model.protection import Leg, OverClose
from partfill.model.words import Side
from partfill.sim.truth import Violation
from partfill.sim.venue import SimVenue

if TYPE_CHECKING:
    from partfill.sim.world import World

MS = 1_000_000
LONG = (Leg(name="stop", stop_px=Decimal(95), price=Decimal(91)), Leg(name="target", price=Decimal(109)))
SHORT = (Leg(name="stop", stop_px=Decimal(105), price=Decimal(108)), Leg(name="target", price=Decimal(92)))


class Guards:
    """The users of one world who protect positions."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = Random(seed ^ 0x5AFE)
        self.wanted = self._random.random() < 0.3
        self.sides: dict[tuple[str, Side], tuple[Leg, ...]] = {}
        """What is protected now: (venue, side) -> legs."""

    def begin(self) -> None:
        """Users will want protection, and sometimes no more."""
        if not self.wanted:
            return
        for venue in self._world.venues:
            for side in Side:
                if self._random.random() < 0.6:
                    self._world.later(self._random.randint(0, 5000) * MS, self._protect, venue, side)

    def _protect(self, venue: str, side: Side) -> None:
        if self._world.quiet:
            return
        legs: tuple[Leg, ...] = LONG if side is Side.BUY else SHORT
        if self._random.random() < 0.3:
            legs = legs[: self._random.randint(1, 2)]
        over = self._random.choice(tuple(OverClose))
        self.sides[venue, side] = legs
        self._world.feed(Protect(venue=venue, instrument="ACME", side=side, legs=legs, lot=Decimal(1), over_close=over))
        if self._random.random() < 0.2:
            self._world.later(self._random.randint(100, 3000) * MS, self._unprotect, venue, side)
            self._world.later(self._random.randint(100, 5000) * MS, self._protect, venue, side)

    def _unprotect(self, venue: str, side: Side) -> None:
        if self.sides.pop((venue, side), None) is not None:
            self._world.feed(Unprotect(venue=venue, instrument="ACME", side=side))

    def end(self) -> None:
        """Nobody wants protection any more."""
        for venue, side in list(self.sides):
            self._unprotect(venue, side)

    # ------------------------------------------------------------------ what must hold

    def check(self) -> None:
        """What works for protection is the position."""
        for venue in self._world.venues.values():
            if who_killed(self._world.engine.desk, venue.name, "") is not None:
                continue
            held = self._held(venue)
            for side in Side:
                legs = self.sides.get((venue.name, side), ())
                open_qty = max(0, held if side is Side.BUY else -held)
                for name in ("stop", "target"):
                    wanted = open_qty if any(leg.name == name for leg in legs) else 0
                    works = self._works(venue, name, side)
                    if works != wanted:
                        raise Violation(
                            f"{works} work as {name} of {open_qty} {side.value} at {venue.kind.name}, {wanted} are wanted"
                        )

    @staticmethod
    def _held(venue: SimVenue) -> int:
        return sum(fill.qty * (1 if order.side is Side.BUY else -1) for order in venue.orders.values() for fill in order.fills)

    def _works(self, venue: SimVenue, name: str, side: Side) -> int:
        """What works at the venue for a leg of the position of this side."""
        found = 0
        for order in venue.open.values():
            parent = self._world.engine.desk.parents.get(order.root.parent)
            if parent is not None and parent.guards and parent.ref.split(":")[-2] == name and order.side is not side:
                found += order.leaves
        return found
