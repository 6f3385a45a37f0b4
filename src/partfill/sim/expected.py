"""What a person must be told: every wrong that a world does has its alarm, by the next quiet point.

Rules
- A wrong names the order and the kinds of alarm of which one must come; one that came before counts, since most come once.
- Who does a wrong that nobody could notice expects nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from partfill.model.events import Alarm, AlarmKind
from partfill.sim.truth import Violation

if TYPE_CHECKING:
    from partfill.sim.orders import Order
    from partfill.sim.venue import SimVenue
    from partfill.sim.world import World


class Wrong(NamedTuple):
    """One wrong that was done."""

    what: str
    venue: SimVenue
    order: Order
    kinds: frozenset[AlarmKind]


class Expected:
    """The alarms of one world: those that came, and those that must."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._came: set[tuple[int, AlarmKind]] = set()
        """(order, kind) of every alarm."""
        self._wrongs: list[Wrong] = []

    def came(self, order: int, kind: AlarmKind) -> bool:
        """Whether this alarm was told of this order, 0 for none."""
        return (order, kind) in self._came

    def heard(self, alarm: Alarm) -> None:
        """A person is told."""
        self._came.add((alarm.order, alarm.kind))

    def wrong(self, what: str, venue: SimVenue, order: Order, *kinds: AlarmKind) -> None:
        """Something wrong was done to an order: one of these alarms must come."""
        self._world.ingredients.meet(what)
        self._world.tell(f"{what}: {order.id}")
        if kinds:
            self._wrongs.append(Wrong(what, venue, order, frozenset(kinds)))

    def check(self) -> None:
        """At a quiet point: a person was told of each."""
        for wrong in self._wrongs:
            child = self._world.truth.child_of(wrong.venue, wrong.order)
            if child is None or not any((child.id, kind) in self._came for kind in wrong.kinds):
                kinds = ", ".join(sorted(wrong.kinds))
                raise Violation(f"{wrong.what} of {wrong.order.id} at {wrong.venue.kind.name}: none of these alarms: {kinds}")
            self._world.ingredients.meet("a wrong with its alarm")
        self._wrongs.clear()
