"""Ids that name more than one order: per instrument, per day, or none at all.

Rules
- In a world of this kind one venue counts its order and execution ids for each instrument, or anew each day, or prints a
  placeholder until an order has an id. It says so (`id_scope`), but for the placeholder: that shows.
- A venue that counts per instrument says with every execution which it is of. One that counts per day ends all its orders in
  the evening and opens after midnight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from partfill.model.capabilities import Capabilities, Chain, ClientId, IdScope
from partfill.model.observations import Observation
from partfill.model.words import OrdStatus
from partfill.sim.ingredients import IDS
from partfill.sim.kinds import KINDS
from partfill.sim.timeline import MS, SECOND
from partfill.sim.venue import SimVenue

if TYPE_CHECKING:
    from partfill.sim.world import World

DAY = 86_400 * SECOND
SCOPES = ("instrument", "day", "none")
OTHER = "BOLT"
"""Another instrument, with ids of its own."""
_KNOWN = [
    kind
    for kind in KINDS
    if kind.capabilities.client_id is not ClientId.NONE and kind.capabilities.chain is Chain.CONTINUES and not kind.reversible
]


class Ids:
    """The ids of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.ingredients.random
        self.scope = self._random.choice(SCOPES) if IDS in world.ingredients.has else ""

    def choose(self) -> None:
        """One venue uses its ids so."""
        if not self.scope:
            return
        world = self._world
        first = world.venues["v0"] = SimVenue("v0", self._random.choice(_KNOWN), world.random)
        if self.scope == "instrument":
            first.scoped = True
            other = SimVenue("v0", first.kind, world.random, instrument=OTHER)
            other.scoped = True
            world.venues[other.key] = other
        elif self.scope == "none":
            first.placeholder = self._random.choice(("NONE", "0", "-", "PENDING"))
        else:
            first.daily = True
            world.begin_at(20_000 * DAY - 6 * SECOND)
            # Its day is over when ours is.
            world.skew = 0

    def declared(self, venue: SimVenue, rules: Capabilities) -> Capabilities:
        """What the venue says of its ids."""
        scope = IdScope.INSTRUMENT if venue.scoped else IdScope.DAY if venue.daily else None
        return rules if scope is None else msgspec.structs.replace(rules, id_scope=scope)

    def begin(self) -> None:
        """A day will be over."""
        if self.scope == "day":
            self._world.later(4 * SECOND, self._closes)

    def _closes(self) -> None:
        world = self._world
        venue = world.venues["v0"]
        said: list[Observation] = []
        for order in list(venue.open.values()):
            venue.finish(order, OrdStatus.EXPIRED, world.now, said)
        venue.closed = True
        world.says(venue, said)
        world.later(1_500 * MS, self._opens)

    def _opens(self) -> None:
        venue = self._world.venues["v0"]
        self._world.tell("a day begins")
        venue.closed, venue.day, venue.count = False, 1, 0
        # What was yesterday is found by our ids only.
        venue.ids.clear()
        venue.past.clear()

    def count(self) -> None:
        """Note how many ids named more than one order."""
        meet, venues = self._world.ingredients.meet, self._world.venues
        first = venues["v0"]
        if self.scope == "instrument":
            meet("an id of two instruments", len(set(first.ids) & set(venues[f"v0:{OTHER}"].ids)))
        elif self.scope == "day":
            meet("an id that began anew", len(first.orders) - len(first.ids))
        elif self.scope == "none":
            meet("a placeholder for an id", first.blanks)
