"""Answers that are behind: a venue whose questions are answered by a copy that lags, or that stands still for a while.

Rules
- Streams, replies and ends are as always. Only polls and look-ups are behind, and stamped like any other.
- A lag is shorter than the venue declares, a standstill shorter than its answers must stay the same to take anything back.
- A copy that is behind an order does not say for certain what became of a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from partfill.model.observations import OrderSnapshot
from partfill.sim.ingredients import LAG, STOPS, Ingredients
from partfill.sim.orders import Order
from partfill.sim.timeline import MS, SECOND

if TYPE_CHECKING:
    from partfill.sim.world import World

LONGEST = 25 * SECOND
"""How long a copy stands still at most."""


class Replicas:
    """What the copies of one account's orders know, and when."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.ingredients.random
        self._past: dict[str, list[tuple[int, OrderSnapshot]]] = {}
        """Every state of every order, by the venue's id: (true time, what a report says then)."""
        self._lags = LAG in world.ingredients.has
        self._stops: tuple[int, int] = (0, 0)
        """From when to when a copy stands still."""
        self._of = self._random.choice((1, 3))
        """Copies that answer in turn; one of them stands still."""
        if STOPS in world.ingredients.has:
            begins = world.start + self._random.randint(1, 9) * SECOND
            self._stops = (begins, begins + self._random.randint(1 * SECOND, LONGEST))

    def note(self, order: Order, report: OrderSnapshot) -> None:
        """The state of an order has changed."""
        self._past.setdefault(order.uid, []).append((self._world.time, report))

    def seen(self) -> int:
        """As of when (true time) the copy that is asked now knows."""
        time = self._world.time
        if self._stops[0] <= time < self._stops[1] and self._random.randrange(self._of) == 0:
            return self._stops[0]
        return time - self._random.randint(0, 2_900) * MS if self._lags else time

    def answer(self, order: Order, at: int, now: int) -> tuple[OrderSnapshot | None, bool]:
        """(what a copy of time `at` says of an order, stamped `now`; whether that is all there is to know)."""
        past = self._past[order.uid]
        known = [report for since, report in past if since <= at]
        meet: Ingredients = self._world.ingredients
        if len(known) < len(past):
            meet.meet("an answer of a copy that stands still" if at == self._stops[0] else "an answer that lags")
        if not known:
            return None, False
        return msgspec.structs.replace(known[-1], as_of=now, asked=now), len(known) == len(past)
