"""Protection in a simulated world: users who want stops and targets, markets that are watched, and what must hold.

Rules
- Draws from sources of its own: a world without protection is the world that it was.
- At a quiet point what works at the venue for each leg is the position, if it is on the side that is protected, and nothing
  otherwise; what is watched is seen, and is no order. Nothing works for protection that nobody wants.
- Where all legs share one budget and the venue holds none of them to the position, no order arrives that makes what may fill of
  them together more than was held, as far as the process knew when it was sent.
- A leg fires only when the market that was shown has reached its price.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

import msgspec

from partfill.core.kill_switch import who_killed
from partfill.model.book import Book, Level
from partfill.model.capabilities import Capabilities, ReduceOnly
from partfill.model.commands import Protect, Unprotect
from partfill.model.events import ProtectionCovered, ProtectionFired
from partfill.model.inputs import MarketSeen
from partfill.model.operations import Operation, Place, Query, Replace
from partfill.model.protection import Budget, Leg, OverClose, Retry
from partfill.model.words import Side, TimeInForce
from partfill.sim.ingredients import LEGS, LOST
from partfill.sim.orders import ACME, D, Order, where
from partfill.sim.truth import Violation
from partfill.sim.venue import SimVenue

if TYPE_CHECKING:
    from partfill.sim.world import World

MS = 1_000_000
LONG = (Leg(name="stop", stop_px=Decimal(95), price=Decimal(91)), Leg(name="target", price=Decimal(109)))
SHORT = (Leg(name="stop", stop_px=Decimal(105), price=Decimal(108)), Leg(name="target", price=Decimal(92)))
OLD = 6_000 * MS
"""A book of before this time fires nothing."""
CALM = 100
"""Where a market stands once everything is quiet: it reaches nothing."""


class Guards:
    """The users of one world who protect positions."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = Random(seed ^ 0x5AFE)
        self._later = Random(seed ^ 0xB00C)
        """Draws for what came later: budgets, venues without stops, markets."""
        self._retries = Random(seed ^ 0x2E72)
        self.wanted = self._random.random() < 0.3 or LEGS in world.ingredients.has
        self.modern = self._later.random() < 0.8
        """False in a world that is as it was before those."""
        self.sides: dict[tuple[str, Side], tuple[Leg, ...]] = {}
        """What is protected now: (venue, side) -> legs."""
        self.budgets: dict[tuple[str, Side], Budget] = {}
        self.rules: dict[str, Capabilities] = {}
        self.mids: dict[str, int] = {}
        self.shown: dict[str, Book] = {}
        self.known: dict[str, int] = {}
        """What was held, as far as the process knew, when an order left that shares a budget with others."""
        self.waits: dict[tuple[str, Side], int] = {}
        """How long a refused order is not tried anew, at least (ns)."""
        self.each: set[tuple[str, Side]] = set()
        """Positions of which stops and targets had a budget each at some time."""
        self.again: dict[tuple[str, Side], int] = {}
        """What a venue took back of protective orders and lets work again, ever."""
        self.covered: list[int] = []
        """How long positions were not covered, each time (ns)."""

    def declared(self, venue: SimVenue) -> Capabilities:
        """What a venue says of itself in this world."""
        rules = self._world.losses.declared(venue, self._world.decisions.declared(venue.kind.capabilities))
        rules = self._world.manners.declared(self._world.ids.declared(venue, rules))
        rules = self._world.glitches.declared(venue.kind, rules)
        sums = False
        if self.wanted and self.modern:
            stops, chance = self._later.random() < 0.6, self._later.random()
            # A bust that nobody told leaves less at the venue than is known here: it refuses until that is ruled.
            sum_up = ReduceOnly.EACH if LOST in self._world.ingredients.has else ReduceOnly.SUM
            many = LEGS in self._world.ingredients.has
            kind = ReduceOnly.EACH if chance < 0.3 else sum_up if chance < (0.65 if many else 0.5) else ReduceOnly.NONE
            sums = kind is ReduceOnly.SUM
            if chance < (0.45 if many else 0.4) and sums:
                # It says otherwise: its refusals tell.
                kind = ReduceOnly.EACH
            rules = msgspec.structs.replace(rules, stops=stops, reduce_only=kind)
        for each in self._world.venues.values():
            if each.name == venue.name:
                each.reduces, each.sums = rules.reduces, sums
        self.rules[venue.name] = rules
        return rules

    def begin(self) -> None:
        """Users will want protection, and sometimes no more."""
        if not self.wanted:
            return
        for venue in self._world.venues.values():
            if venue.instrument != ACME:
                continue
            for side in Side:
                if self._random.random() < 0.6:
                    self._world.later(self._random.randint(0, 5000) * MS, self._protect, venue, side)
            self.mids[venue.key] = CALM
            self._world.later(self._later.randint(10, 500) * MS, self._market, venue)

    def _protect(self, venue: SimVenue, side: Side) -> None:
        if self._world.quiet:
            return
        legs: tuple[Leg, ...] = LONG if side is Side.BUY else SHORT
        if self._random.random() < 0.3:
            legs = legs[: self._random.randint(1, 2)]
        over = self._random.choice(tuple(OverClose))
        budget = self._later.choice((Budget.SHARED, Budget.SHARED, Budget.EACH)) if self.modern else Budget.EACH
        if self.modern and self._later.random() < 0.4:
            # At the market, once it is reached.
            legs = (msgspec.structs.replace(legs[0], price=None), *legs[1:])
        if self._world.legs.on:
            legs = self._world.legs.legs(side)
        self.sides[venue.key, side], self.budgets[venue.key, side] = legs, budget
        if budget is Budget.EACH:
            self.each.add((venue.key, side))
        retry = Retry(retry_ms=self._retries.choice((200, 200, 1_000, 3_000)))
        self.waits[venue.key, side] = min(retry.retry_ms * MS, self.waits.get((venue.key, side), retry.retry_ms * MS))
        self._world.feed(
            Protect(
                venue=venue.name,
                account=venue.account,
                instrument="ACME",
                side=side,
                legs=legs,
                lot=Decimal(1),
                over_close=over,
                budget=budget,
                retry=retry,
                min_qty=self._world.legs.least(),
                passed=self._world.legs.passed(),
            )
        )
        if self._random.random() < 0.2:
            self._world.later(self._random.randint(100, 3000) * MS, self._unprotect, venue, side)
            self._world.later(self._random.randint(100, 5000) * MS, self._protect, venue, side)
        elif self.modern and self._later.random() < 0.2:
            self._world.later(self._later.randint(100, 5000) * MS, self._protect, venue, side)

    def _unprotect(self, venue: SimVenue, side: Side) -> None:
        if self.sides.pop((venue.key, side), None) is not None:
            self._world.feed(Unprotect(venue=venue.name, account=venue.account, instrument="ACME", side=side))

    def end(self) -> None:
        """Nobody wants protection any more."""
        for key, side in list(self.sides):
            self._unprotect(self._world.venues[key], side)

    # ------------------------------------------------------------------ markets that are watched

    def _market(self, venue: SimVenue) -> None:
        """Somebody looks at the market of a venue, or cannot."""
        draw = self._later
        self._world.later(draw.randint(50, 1000) * MS, self._market, venue)
        world = self._world
        if world.quiet:
            self.mids[venue.key] = CALM
        else:
            self.mids[venue.key] += draw.randint(-4, 4)
            self.mids[venue.key] += (self.mids[venue.key] < 88) - (self.mids[venue.key] > 112)
        mid, now = self.mids[venue.key], world.now
        chance = 1.0 if world.quiet else draw.random()
        if chance < 0.05:
            world.feed(MarketSeen(venue=venue.name, account=venue.account, instrument="ACME"))
            return
        bid, ask = None if chance < 0.1 else mid - 1, None if 0.1 <= chance < 0.15 else mid + 1
        blind = any(p.blind_since for p in world.engine.desk.protections.values() if where(p) == venue.key)
        reached = any(
            _reached(leg, side, bid, ask) for (at, side), legs in self.sides.items() if at == venue.key for leg in legs
        )
        if blind or reached or chance < 0.2:
            bids = () if bid is None else (Level(D[bid], D[mid * 7 % 50 + 1]),)
            asks = () if ask is None else (Level(D[ask], D[mid * 3 % 50 + 1]),)
            stale = chance > 0.95 and not world.quiet
            book = Book(instrument="ACME", bids=bids, asks=asks, as_of=now - (20_000 if stale else 0) * MS)
            self.shown[venue.key] = book
            world.feed(MarketSeen(venue=venue.name, account=venue.account, instrument="ACME", book=book))

    def heard(self, event: ProtectionFired | ProtectionCovered) -> None:
        """A leg fired, or a position is covered again."""
        if isinstance(event, ProtectionCovered):
            self.covered.append(event.after_ns)
            return
        leg = next(leg for leg in self.sides[where(event), event.side] if leg.name == event.leg)
        if self._world.legs.on and leg.stops and event.px == leg.stop_px:
            # By its venue's word.
            return
        book = self.shown[where(event)]
        if self._world.latest - book.as_of > OLD or not _shows(leg, event.side, book):
            raise Violation(f"{leg.name} fired at {event.px}, and the market had not reached it")
        if not leg.stops and event.qty > _at(leg, event.side, book):
            raise Violation(f"{leg.name} fired for {event.qty}, and the market shows {_at(leg, event.side, book)}")

    # ------------------------------------------------------------------ at every moment

    def sent(self, op: Operation) -> None:
        """An operation leaves."""
        side = self.side_of(op) if self.wanted and not isinstance(op, Query) else None
        if side is None or isinstance(op, Query):
            return
        if self.budgets.get((where(op), side)) is Budget.SHARED and not self.rules[op.venue].reduces_each:
            holdings = self._world.engine.holdings
            position = holdings.positions.get((op.venue, op.account, "ACME")) if holdings is not None else None
            held = 0 if position is None else int(position.held)
            self.known[op.cl_ord_id] = max(0, held if side is Side.BUY else -held)

    def open_beside(self, op: Operation) -> int:
        """What may fill at the venue of all orders that protect the same side."""
        side = self.side_of(op) if self.wanted else None
        return 0 if side is None else self._open(self._world.at(op), side)

    def grew(self, op: Operation, before: int) -> None:
        """An operation has arrived: it made nothing too much."""
        side = self.side_of(op) if self.wanted else None
        if (
            side is None
            or not isinstance(op, Place | Replace)
            or op.cl_ord_id not in self.known
            or (where(op), side) in self.each
        ):
            return
        venue = self._world.at(op)
        after = self._open(venue, side)
        # What was sent for more may have come first.
        names = [order.cl_ord_id for order in venue.open.values() if order.side is not side and self._is_guard(order)]
        known = max(self.known.get(name, 0) for name in (op.cl_ord_id, *names)) + self.again.get((where(op), side), 0)
        if after > max(before, known):
            raise Violation(f"{op.cl_ord_id} made {after} of {before} that may fill to protect {known} {side.value}")

    def works_again(self, venue: SimVenue, order: Order, qty: int) -> None:
        """A venue took a fill back, and it works again."""
        if self._is_guard(order):
            side = Side.SELL if order.side is Side.BUY else Side.BUY
            self.again[venue.key, side] = self.again.get((venue.key, side), 0) + qty

    def side_of(self, op: Operation) -> Side | None:
        """The side of the position that an operation is to protect; None for those of users."""
        child = self._world.engine.children.get(op.order)
        parent = child.work.parent if child is not None and child.work is not None else None
        if parent is None or not parent.guards or parent.guards < 0:
            return None
        return Side.SELL if parent.terms.side is Side.BUY else Side.BUY

    def _is_guard(self, order: Order) -> bool:
        parent = self._world.engine.desk.parents.get(order.root.parent)
        return parent is not None and bool(parent.guards) and (parent.guards or 0) > 0

    def _open(self, venue: SimVenue, side: Side) -> int:
        return sum(order.leaves for order in venue.open.values() if order.side is not side and self._is_guard(order))

    # ------------------------------------------------------------------ once it is quiet

    def check(self) -> None:
        """What works for protection is the position."""
        for venue in self._world.venues.values():
            if (
                venue.instrument != ACME
                or venue.key in self._world.totals.unsure
                # It works on, was taken for ended, and takes room from what protects.
                or any(order.root.parent in self._world.truth.loose for order in venue.open.values())
                # A void opened it again, and nobody trades with it in the quiet.
                or any(order.terms.time_in_force is TimeInForce.IOC for order in venue.open.values())
                or who_killed(self._world.engine.desk, venue.name, venue.account) is not None
            ):
                continue
            for side in Side:
                legs = self.sides.get((venue.key, side), ())
                open_qty = max(0, venue.held if side is Side.BUY else -venue.held)
                if self._world.legs.on and legs:
                    self._world.legs.check(venue, side)
                    continue
                for name, wanted in self._wanted(venue, side, legs, open_qty).items():
                    works = self._works(venue, name, side)
                    if works != wanted:
                        raise Violation(
                            f"{works} work as {name} of {open_qty} {side.value} at {venue.kind.name}, {wanted} are wanted"
                        )

    def _wanted(self, venue: SimVenue, side: Side, legs: tuple[Leg, ...], held: int) -> dict[str, int]:
        """What is to work at the venue of each leg, by arithmetic of its own."""
        if not legs:
            return {"stop": 0, "target": 0}
        # As the desk knows it: what a venue sums shows when it refuses.
        rules = self._world.engine.rules[venue.name]
        protection = self._world.engine.desk.protections[venue.name, venue.account, "ACME", side]
        if not held and protection.small and not protection.blind_since:
            # Fees left less than a unit of it: that cannot be covered, and a person was told.
            self._world.ingredients.meet("a rest that is too small to protect")
            return {"stop": 0, "target": 0}
        if protection.blind_since or not protection.covered:
            raise Violation(f"{side.value} at {venue.kind.name} is quiet and not covered, or its market not seen")
        fired = any(guard.fired_at for guard in protection.guards if guard.leg.stops)
        shared = self.budgets[venue.key, side] is Budget.SHARED or rules.reduce_only is ReduceOnly.SUM
        one_budget = shared and not rules.reduces_each and len(legs) == 2
        stop = held if rules.stops or fired else 0
        target = held if len(legs) == 2 else 0
        if one_budget and (rules.stops or fired):
            target = 0
        return {"stop": stop, "target": target}

    def _works(self, venue: SimVenue, name: str, side: Side) -> int:
        """What works at the venue for a leg of the position of this side."""
        found = 0
        for order in venue.open.values():
            parent = self._world.engine.desk.parents.get(order.root.parent)
            if parent is not None and parent.guards and parent.ref.split(":")[-2] == name and order.side is not side:
                found += order.leaves
        return found


def _at(leg: Leg, side: Side, book: Book) -> Decimal:
    """What a book shows at the price of a target, or better."""
    levels = book.bids if side is Side.BUY else book.asks
    px = leg.price or Decimal(0)
    return sum((each.qty for each in levels if (each.px >= px if side is Side.BUY else each.px <= px)), Decimal(0))


def _shows(leg: Leg, side: Side, book: Book) -> bool:
    """Whether a book shows that the price of a leg is reached."""
    bid, ask = (int(levels[0].px) if levels else None for levels in (book.bids, book.asks))
    return _reached(leg, side, bid, ask)


def _reached(leg: Leg, side: Side, bid: int | None, ask: int | None) -> bool:
    if side is Side.BUY:
        sees = bid if bid is not None or not leg.stops else ask
        return sees is not None and (sees <= leg.stop_px if leg.stop_px is not None else sees >= (leg.price or 0))
    sees = ask if ask is not None or not leg.stops else bid
    return sees is not None and (sees >= leg.stop_px if leg.stop_px is not None else sees <= (leg.price or 0))
