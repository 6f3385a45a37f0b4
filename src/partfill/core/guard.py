"""What a protection is made of: the position that it is for, its legs, and the orders that have them."""

from __future__ import annotations

from decimal import Decimal

from partfill.core.parent import Parent
from partfill.model.numbers import ZERO, add, mul, sub
from partfill.model.protection import Budget, Leg, OverClose, Passed, Retry
from partfill.model.words import Side

Place = tuple[str, str, str, Side]
"""(venue, account, instrument, side of the position)."""


class Guard:
    """One leg at work. Quantities in units, times ns UTC."""

    __slots__ = (
        *("again_at", "filled", "fired_at", "leg", "parent", "passed", "placed", "seen", "takes", "tries", "wanted"),
        *("watched",),
    )

    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self.parent: Parent | None = None
        """The order that has the leg now; None before the first, and while it is watched."""
        self.placed = 0
        """Orders that had it."""
        self.tries = 0
        """How often in a row it ended by itself."""
        self.again_at = 0
        """Not before this time is it placed anew, or does it fire again."""
        self.filled = ZERO
        """What it has closed of the position, since that was opened."""
        self.seen = ZERO
        """What of `parent` is in `filled`."""
        self.watched = False
        """True where it is no order: its price is watched here until it is reached."""
        self.passed = False
        """True once the venue refused it since the market had passed its price: watched here until the position is closed."""
        self.fired_at = 0
        """When that was; 0 before."""
        self.takes = ZERO
        """Of a target that fired: what the market showed at its price or better."""
        self.wanted = ZERO
        """What is to work for it, or to be watched, once nothing is on its way."""

    @property
    def waits(self) -> bool:
        """Whether its price is watched and has not been reached."""
        return self.watched and not self.fired_at

    @property
    def works(self) -> Decimal:
        """What of it works at the venue, as far as that has said, and nothing says that it does not."""
        found = ZERO
        for child in self.parent.active if self.parent is not None else ():
            if child.open_at_venue and child.order_ids and child.gone is None:
                found = add(found, child.leaves)
        return found

    @property
    def worst(self) -> Decimal:
        """What may still fill of it."""
        return ZERO if self.parent is None else open_at_worst(self.parent)


class Protection:
    """The protection of one side of a position. Quantities in units, times ns UTC."""

    __slots__ = (
        *("account", "blind_since", "blind_told", "budget", "changes", "closed", "guards", "instrument", "leaving", "lot"),
        *("min_notional", "min_qty", "number", "off", "over_close", "owed", "owed_at", "owed_tries", "passed", "requests"),
        *("retry", "rounds", "side", "since", "small", "venue", "wanted"),
    )

    def __init__(self, number: int, place: Place, lot: Decimal | None, over_close: OverClose, budget: Budget) -> None:
        self.number = number
        self.venue, self.account, self.instrument, self.side = place
        self.lot = lot
        """Step of quantity; None where any goes."""
        self.min_qty = self.min_notional = ZERO
        """The least that the venue takes, units and quote currency."""
        self.small = False
        """True while something is not covered since it is too little, and that was told."""
        self.over_close = over_close
        self.budget = budget
        self.guards: list[Guard] = []
        self.leaving: list[Parent] = []
        """Orders of this place that have no leg any more and may still fill: no part of a row, found again after a start."""
        self.wanted = ZERO
        """What is to be protected."""
        self.closed = ZERO
        """What its legs have closed of it, since that was opened."""
        self.rounds = 0
        """The round of the position that `filled` of its legs is of."""
        self.since = 0
        """Since when what works is not what should; 0 while it is."""
        self.changes = self.requests = 0
        """Of the position, and for it, since then."""
        self.blind_since = 0
        """Since when nobody has seen the market that is watched for it; 0 while somebody does."""
        self.blind_told = False
        self.owed = ZERO
        """What its legs closed too much and is still to be traded back, after an order for that ended without it."""
        self.owed_at = 0
        """When that is tried anew; 0 for not at all."""
        self.owed_tries = 0
        self.retry = Retry()
        self.passed = Passed.WATCHED
        """What becomes of a stop that the market has passed."""
        self.off = False
        """True once the user wants none any more."""

    @property
    def place(self) -> Place:
        """What it protects."""
        return (self.venue, self.account, self.instrument, self.side)

    @property
    def watches(self) -> bool:
        """Whether the market has to be watched for it."""
        return any(guard.waits and guard.wanted for guard in self.guards)

    @property
    def in_place(self) -> bool:
        """Whether of every leg works what should, as far as the venue has said."""
        return all(self.has(guard) == guard.wanted for guard in self.guards)

    @property
    def covered(self) -> bool:
        """Whether everything works that should, and nothing more."""
        return self.in_place and not any(parent.active for parent in self.leaving)

    def has(self, guard: Guard) -> Decimal:
        """What of a leg works, or is watched by somebody who sees the market."""
        if guard.waits:
            return add(guard.works, ZERO if self.blind_since else guard.wanted)
        return guard.works

    def too_little(self, leg: Leg, qty: Decimal) -> bool:
        """Whether the venue takes no order of `qty` units for this leg, judged at its own price."""
        return qty < self.min_qty or mul(qty, _lowest(leg)) < self.min_notional


def open_at_worst(parent: Parent) -> Decimal:
    """What may still fill of an order, units. What is held to the position by its venue, and leaves, is not counted."""
    return sub(parent.exposure, parent.cum)


def _lowest(leg: Leg) -> Decimal:
    return min(px for px in (leg.price, leg.stop_px) if px is not None)


def place_of(parent: Parent) -> Place:
    """What the order protects, or trades back for."""
    side = parent.terms.side
    if parent.guards is not None and parent.guards > 0:
        side = Side.SELL if side is Side.BUY else Side.BUY
    return (parent.venue, parent.account, parent.terms.instrument, side)
