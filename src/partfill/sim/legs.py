"""Legs with shares, least sizes, and stops that the market has passed: what each leg is to have, by arithmetic of its own.

Rules
- Legs of one kind cover the position together: each its share of all that was held, less what it filled; the last what is left.
  What is less than the venue takes is left to the last.
- Where stops and targets have one budget, what fired goes first, then stops; what waits for its price is no order.
- Where nothing can be added that is less than the venue takes, less than that may be missing.
- A stop that its venue refused, since the market had passed it, is no order there again until the position is closed.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING

from partfill.core.effects import Effects
from partfill.core.guard import Guard, Protection
from partfill.core.step import safe_replace
from partfill.model.capabilities import Capabilities, ReduceOnly
from partfill.model.events import Alarm, AlarmKind, Fill, ProtectionFired, Reversal
from partfill.model.inputs import Input
from partfill.model.operations import Operation, Place
from partfill.model.protection import Budget, Leg, Passed
from partfill.model.words import Side, TimeInForce
from partfill.sim.ingredients import LEGS
from partfill.sim.truth import Violation

if TYPE_CHECKING:
    from partfill.sim.venue import SimVenue
    from partfill.sim.world import World

_SETS = (
    ((95, "1"), (109, "1")),
    ((95, "0.3", 94, "0.7"), (109, "1")),
    ((95, "1"), (109, "0.5", 111, "0.5")),
    ((95, "0.4", 93, "0.6"), (108, "0.3", 110, "0.7")),
    ((95, "1"), (109, "0.33", 110, "0.33", 112, "0.34")),
)
"""Of a long position: prices and shares of stops, and of targets. Of a short one they are mirrored at 100."""
Key = tuple[str, str, str, Side]


class Legs:
    """The legs of one world that has more of them."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = Random(seed ^ 0x1E65)
        self.on = LEGS in world.ingredients.has
        self._filled: dict[tuple[Key, str], Decimal] = {}
        """What each leg filled since the position was opened."""
        self._rounds: dict[Key, tuple[int, int]] = {}
        """Per protection: its number, and the round of the position."""
        self._has: dict[tuple[Key, str], int] = {}
        """Per leg: the parent order that has it."""
        self._fired: set[tuple[Key, str]] = set()
        """Legs whose price was reached, and that have no order for it yet."""
        self._passed: dict[tuple[Key, str], str] = {}
        """Stops that the market had passed -> the order of each that was refused."""

    def legs(self, side: Side) -> tuple[Leg, ...]:
        """What a user wants."""
        stops, targets = self._random.choice(_SETS)
        found = []
        for name, prices in (("stop", stops), ("target", targets)):
            for number in range(0, len(prices), 2):
                level = int(prices[number])
                px = Decimal(level if side is Side.BUY else 200 - level)
                share = Decimal(str(prices[number + 1]))
                called = f"{name}{number // 2 or ''}"
                limit = None if self._random.random() < 0.5 else px - 3 if side is Side.BUY else px + 3
                stop = Leg(name=called, stop_px=px, price=limit, share=share)
                found.append(stop if name == "stop" else Leg(name=called, price=px, share=share))
        return tuple(found)

    def least(self) -> Decimal:
        """The least that the venue takes."""
        return Decimal(self._random.choice((0, 0, 3, 5)) if self.on else 0)

    def passed(self) -> Passed:
        """What becomes of a stop that the market has passed."""
        return self._random.choice(tuple(Passed)) if self.on else Passed.WATCHED

    def refuses(self, venue: SimVenue, op: Place) -> bool:
        """Whether a venue refuses a stop since the market has passed it."""
        stop = op.terms.stop_px
        mid = self._world.guards.mids.get(venue.key)
        if not self.on or stop is None or mid is None or self._world.quiet:
            return False
        return mid <= stop if op.terms.side is Side.SELL else mid >= stop

    # ------------------------------------------------------------------ steps

    def sent(self, op: Operation) -> None:
        """An operation leaves."""
        key = self._key(op)
        if not self.on or key is None or not isinstance(op, Place):
            return
        place, name = key
        child = self._world.engine.children[op.order]
        ioc = op.terms.time_in_force is TimeInForce.IOC and name.startswith("target")
        if ioc and child.work is not None and child.work.parent.children[0] is child:
            if (place, name) not in self._fired:
                raise Violation(f"{op.cl_ord_id} takes what is shown for {name}, and its price was not reached again")
            self._fired.discard((place, name))
        if op.terms.stop_px is not None and (place, name) in self._passed:
            raise Violation(f"{op.cl_ord_id} is a stop that the market has passed: {self._passed[place, name]} was refused")

    def heard(self, inp: Input, effects: Effects) -> None:
        """A step is on disk."""
        if not self.on:
            return
        for event in effects.events:
            if isinstance(event, Fill | Reversal):
                self._fills(event)
            elif isinstance(event, ProtectionFired):
                self._fired.add(((event.venue, event.account, event.instrument, event.side), event.leg))
        desk, holdings = self._world.engine.desk, self._world.engine.holdings
        for place, protection in desk.protections.items():
            position = None if holdings is None else holdings.positions.get(place[:3])
            held = Decimal(0) if position is None else position.held
            gone = not held or (held > 0) is not (place[3] is Side.BUY)
            now = (protection.number, 0 if position is None else position.rounds)
            if gone or self._rounds.get(place) != now:
                for leg in [each for each in self._filled if each[0] == place]:
                    del self._filled[leg]
                for leg in [each for each in self._passed if each[0] == place]:
                    del self._passed[leg]
            self._rounds[place] = now
            for guard in protection.guards:
                # What fills of it in the next step is of this leg.
                self._has[place, guard.leg.name] = 0 if guard.parent is None else guard.parent.id
        for event in effects.events:
            if isinstance(event, Alarm) and event.kind is AlarmKind.REFUSED and "has passed its price" in event.text:
                self._refused(event)

    def _fills(self, event: Fill | Reversal) -> None:
        child = self._world.engine.children.get(event.order)
        parent = None if child is None or child.work is None else child.work.parent
        if parent is None or (parent.guards or 0) <= 0:
            return
        side = Side.SELL if parent.terms.side is Side.BUY else Side.BUY
        leg = ((parent.venue, parent.account, parent.terms.instrument, side), parent.ref.split(":")[-2])
        protection = self._world.engine.desk.protections.get(leg[0])
        if protection is None or protection.number != parent.guards or self._has.get(leg) != parent.id:
            return
        more = event.qty if isinstance(event, Fill) else -event.qty
        self._filled[leg] = max(Decimal(0), self._filled.get(leg, Decimal(0)) + more)

    def _refused(self, alarm: Alarm) -> None:
        """A person is told that the market had passed a stop."""
        child = self._world.engine.children.get(alarm.order)
        parent = None if child is None or child.work is None else child.work.parent
        if parent is not None:
            side = Side.SELL if parent.terms.side is Side.BUY else Side.BUY
            place = (parent.venue, parent.account, parent.terms.instrument, side)
            self._world.ingredients.meet("a stop that the market had passed")
            self._passed[place, parent.ref.split(":")[-2]] = alarm.cl_ord_id or ""

    def _key(self, op: Operation) -> tuple[Key, str] | None:
        child = self._world.engine.children.get(op.order)
        parent = None if child is None or child.work is None else child.work.parent
        if parent is None or (parent.guards or 0) <= 0:
            return None
        side = Side.SELL if parent.terms.side is Side.BUY else Side.BUY
        return (parent.venue, parent.account, parent.terms.instrument, side), parent.ref.split(":")[-2]

    # ------------------------------------------------------------------ once it is quiet

    def check(self, venue: SimVenue, side: Side) -> None:
        """Of each leg works what is to work."""
        held = max(Fraction(0), Fraction(venue.holding) if side is Side.BUY else -Fraction(venue.holding))
        place = (venue.name, venue.account, "ACME", side)
        protection = self._world.engine.desk.protections.get(place)
        rules = self._world.engine.rules[venue.name]
        if protection is None:
            return
        if any(guard.watched and guard.fired_at and not guard.leg.stops for guard in protection.guards):
            gone = [guard for guard in protection.guards if guard.parent is None and guard.fired_at and not guard.leg.stops]
            if any(guard.wanted for guard in gone):
                raise Violation(f"a target of {side.value} at {venue.kind.name} has fired, and fires no more")
            return
        if int(held) and not protection.covered and not protection.small and not protection.blind_since:
            raise Violation(f"{int(held)} {side.value} at {venue.kind.name} are quiet and not covered")
        grows = rules.reduces_each or safe_replace(rules)
        slack = 0 if grows else max(0, int(protection.min_qty) - 1)
        for name, wanted in self._orders(protection, place, held, rules).items():
            works = self._world.guards._works(venue, name, side)
            if not wanted - slack <= works <= wanted:
                of = f"{float(held)} {side.value} at {venue.kind.name}"
                raise Violation(f"{works} work as {name} of {of}, {wanted} are wanted")
        self._world.ingredients.meet("legs that are what they are to be")

    def _covers(self, guards: list[Guard], place: Key, held: Fraction, least: int) -> dict[str, int]:
        """What each leg of one kind is to cover."""
        filled = {guard.leg.name: Fraction(self._filled.get((place, guard.leg.name), Decimal(0))) for guard in guards}
        gross, left = held + sum(filled.values(), Fraction(0)), held
        found: dict[str, int] = {}
        whole = sum((guard.leg.share for guard in guards), Decimal(0)) == 1
        for guard in guards:
            name = guard.leg.name
            share = gross * Fraction(guard.leg.share) - filled[name]
            part = int(min(left, share)) if share > 0 else 0
            if whole and guard is guards[-1]:
                part = int(left)
            found[name] = part if part >= least else 0
            left -= found[name]
        return found

    def _orders(self, protection: Protection, place: Key, held: Fraction, rules: Capabilities) -> dict[str, int]:
        """What of each leg is to be an order at the venue."""
        least = int(protection.min_qty)
        covers: dict[str, int] = {}
        for stops in (True, False):
            covers |= self._covers([each for each in protection.guards if each.leg.stops is stops], place, held, least)
        shared = protection.budget is Budget.SHARED or rules.reduce_only is ReduceOnly.SUM
        one = shared and not rules.reduces_each
        both = one and sum((guard.leg.share for guard in protection.guards), Decimal(0)) > 1
        found, left = dict.fromkeys(covers, 0), held
        for guard in sorted(protection.guards, key=lambda each: (not each.fired_at, not each.leg.stops)):
            name, stops = guard.leg.name, guard.leg.stops
            watched = guard.passed or (stops and not rules.stops) or (both and stops is not rules.stops)
            if watched and not guard.fired_at:
                found[name] = 0
                continue
            part = min(covers[name], int(left)) if one else covers[name]
            found[name] = part if part >= least else 0
            left -= found[name]
        return found
