"""Execution ids that a venue uses twice, for two executions of one order.

Rules
- Only where the venue's total counts: elsewhere the second could never be told from a repeat.
- The total then counts, and what executions are worth cannot be right. Where the two differ a person is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.model.capabilities import Cumulative
from partfill.model.events import AlarmKind
from partfill.sim.ingredients import DOUBLED
from partfill.sim.orders import Order

if TYPE_CHECKING:
    from partfill.sim.venue import SimVenue
    from partfill.sim.world import World


class Keys:
    """The execution ids of one account."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.ingredients.random

    def next(self, venue: SimVenue, order: Order, key: str, qty: int) -> str:
        """The id of a new execution: mostly `key`."""
        live = [fill for fill in order.fills if fill.qty]
        if not live or order in self._world.totals.wronged or self._random.random() > 0.1:
            return key
        before = live[-1]
        order.doubled = True
        differs = (before.qty, before.px) != (qty, order.price)
        kinds = (AlarmKind.KEY_CONFLICT,) if differs else ()
        self._world.expected.wrong("an execution id that was used twice", venue, order, *kinds)
        return before.key


def give_keys(world: World, venue: SimVenue) -> Keys | None:
    """How an account uses execution ids; None where each names one."""
    counts = venue.kind.capabilities.cumulative is Cumulative.TRUTH and venue.kind.itemised and not venue.kind.reversible
    return Keys(world) if DOUBLED in world.ingredients.has and counts else None
