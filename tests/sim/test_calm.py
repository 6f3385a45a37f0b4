"""Protection in worlds where nothing is lost and nobody is refused: how long a position is wrong, in round trips.

What is measured is the truth at the venue, not what the process believes: from the moment a fill happens there until what works
for it there is what is held.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from partfill.model.capabilities import Capabilities, ClientId
from partfill.model.commands import Protect, Submit
from partfill.model.observations import Observation
from partfill.model.operations import Operation, Query
from partfill.model.protection import Budget
from partfill.model.terms import Terms
from partfill.model.words import Side, TimeInForce
from partfill.sim.guards import CALM, LONG, SHORT
from partfill.sim.kinds import KINDS, Kind
from partfill.sim.orders import D
from partfill.sim.venue import SimVenue
from partfill.sim.world import MS, World

TRIP = 10 * MS
"""From the process to the venue, and back: a round trip is two."""
ROUND = 2 * TRIP


class Calm(World):
    """One venue of one kind, a user who enters in many fills, and exits by both legs and by hand."""

    def __init__(self, seed: int, kind: Kind, *, reduce_only: bool, **knobs: Any) -> None:
        super().__init__(seed, users=0, deaths=False, only=frozenset(), **knobs)
        self.venues = {"v0": SimVenue("v0", kind, self.random)}
        self.venues["v0"].moody = False
        self.guards.wanted, self.guards.modern = True, False
        self.reduce_only = reduce_only
        self.bare: list[int] = []
        """How long less worked at the venue than was held, each time (ns)."""
        self.over: list[int] = []
        """How long more did."""
        self._since: dict[str, int] = {}
        self.exits = True
        """Whether legs fill, and users sell: without, the position only grows."""
        self._held = 0
        self.guards.begin = self._users  # type: ignore[method-assign]
        self.decisions.latecomers = lambda: ()  # type: ignore[method-assign,assignment]

    def _users(self) -> None:
        """What the users do, and somebody who sees the market."""
        self.later(1 * MS, self._protect)
        for number in range(6):
            self.later((50 + number * 900) * MS, self._enter, number)
        self.guards.mids["v0"] = CALM
        self.later(TRIP, self.guards._market, self.venues["v0"])

    # What could go wrong in a world goes right in this one.

    def wait(self, most: int = 300) -> int:
        return TRIP

    def send(self, op: Operation) -> None:
        self.guards.sent(op)
        if not isinstance(op, Query):
            self.pending[op.order] = self.pending.get(op.order, 0) + 1
        self.later(TRIP, self.arrives, op, self.now, self.epoch, False)

    def arrives(self, op: Operation, sent: int, epoch: int, lost: bool) -> None:
        super().arrives(op, sent, epoch, lost)
        self.look()

    def asked_at_venue(self, venue: SimVenue, op: Query, sent: int, epoch: int) -> None:
        self.later(TRIP, self.answer, venue.find(op, sent, True), epoch)

    def says(self, venue: SimVenue, said: list[Observation]) -> None:
        for each in said:
            self.later(TRIP, self.answer, each, self.epoch)

    def market(self) -> None:
        """The entry fills in bursts; now and then a leg does."""
        if self.quiet:
            return
        self.later(self.random.randint(1, 400) * MS, self.market)
        venue = self.venues["v0"]
        said: list[Observation] = []
        for _ in range(self.random.randint(1, 5)):
            works = [
                name
                for name, order in venue.open.items()
                if self.exits or (order.terms.stop_px is None and order.side is Side.BUY)
            ]
            if works:
                order = venue.orders[self.random.choice(works)]
                venue.fill(order, self.random.randint(1, 5), self.now, said)
        self.says(venue, said)
        self.look()

    def _protect(self) -> None:
        for side, legs in ((Side.BUY, LONG), (Side.SELL, SHORT)):
            budget = Budget.SHARED if self.reduce_only else Budget.EACH
            self.guards.sides["v0", side], self.guards.budgets["v0", side] = legs, budget
            self.feed(Protect(venue="v0", instrument="ACME", side=side, legs=legs, lot=D[1], budget=budget))

    def _enter(self, number: int) -> None:
        terms = Terms(
            instrument="ACME", side=Side.BUY if number % 3 or not self.exits else Side.SELL, order_qty=D[60], price=D[100],
            time_in_force=TimeInForce.GTC,
        )  # fmt: skip
        self.truth.submitted(self.engine.desk.next_id, 60)
        self.feed(Submit(venue="v0", ref=f"u{number}", terms=terms))

    def clock_jumps(self) -> None:
        pass

    def venue_restates(self) -> None:
        pass

    def look(self) -> None:
        """Note since when what works is not what is held, and has been since the last fill."""
        venue = self.venues["v0"]
        if self.quiet or venue.held != self._held:
            self._since.clear()
            self._held = venue.held
        if self.quiet:
            return
        for side in Side:
            held = max(0, venue.held if side is Side.BUY else -venue.held)
            for name in ("stop", "target"):
                works = self.guards._works(venue, name, side)
                for what, wrong, kept in (("bare", works < held, self.bare), ("over", works > held, self.over)):
                    key = f"{side}{name}{what}"
                    if wrong:
                        self._since.setdefault(key, self.time)
                    elif key in self._since:
                        kept.append(self.time - self._since.pop(key))


def lived(kind: Kind, *, reduce_only: bool, worlds: int = 8, exits: bool = True) -> tuple[list[int], list[int]]:
    """(bare, over) of some worlds."""
    bare: list[int] = []
    over: list[int] = []
    for seed in range(worlds):
        world = Calm(seed, kind, reduce_only=reduce_only)
        world.exits = world.venues["v0"].eager = exits
        world.guards.declared = lambda venue, w=world: _declared(w, venue)  # type: ignore[method-assign,misc]
        world.run()
        bare += world.bare
        over += world.over
    assert len(bare) > 50
    return bare, over


def _declared(world: Calm, venue: SimVenue) -> Capabilities:
    rules = msgspec.structs.replace(venue.kind.capabilities, reduce_only=world.reduce_only)
    venue.reduces = world.reduce_only
    world.guards.rules[venue.name] = rules
    return rules


KNOWN = [kind for kind in KINDS if kind.capabilities.client_id is not ClientId.NONE]


# Counted from the fill at the venue: the news of it takes half a round trip, and so does the order that answers it. The request
# that is on its way is waited for. A guarded replace that a fill outran is asked about first. Where the venue holds no order
# to the position, what is too much has to be gone, and proven to be, before what takes its place is asked for.
BARE = {("guarded", True): 3, ("guarded", False): 5, ("other", True): 2, ("other", False): 5}
OVER = 3


@pytest.mark.parametrize("reduce_only", [False, True], ids=["free", "reduce_only"])
@pytest.mark.parametrize("kind", KNOWN, ids=lambda kind: kind.name)
def test_a_position_is_wrong_for_a_bounded_number_of_round_trips(kind: Kind, reduce_only: bool) -> None:
    bare, over = lived(kind, reduce_only=reduce_only)
    most = BARE["guarded" if kind.capabilities.replace_guarded else "other", reduce_only]
    assert max(bare) <= most * ROUND + MS
    assert max(over, default=0) <= OVER * ROUND + MS
    assert sorted(bare)[len(bare) // 2] <= 2 * ROUND


@pytest.mark.parametrize("reduce_only", [False, True], ids=["free", "reduce_only"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_added_is_bare_for_the_request_on_its_way_and_one_round_trip(kind: Kind, reduce_only: bool) -> None:
    bare, over = lived(kind, reduce_only=reduce_only, worlds=4, exits=False)
    # Half for the news of the fill, one for the request that is on its way, half for the one that covers it. Where many small
    # orders are brought together, and their ends have to be asked about, the smallest two are off for one more.
    asks = not reduce_only and not kind.capabilities.end_is_final and not kind.capabilities.can_replace
    assert max(bare) <= (3 if asks else 2) * ROUND + MS
    if reduce_only:
        # The one that takes the place of many works before they leave.
        assert max(over, default=0) <= OVER * ROUND + MS
    else:
        assert over == []
