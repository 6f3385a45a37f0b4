"""What venues declare: how their numbers are read, when a trading day begins, and what results need to know of instruments.

Rules
- It holds from that moment on, for orders and positions that are there already too.
- What is said again changes nothing and is counted as a duplicate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core import covering, protection
from partfill.core.effects import Effects
from partfill.model.events import AlarmKind
from partfill.model.inputs import DayRolled, InstrumentListed, Quarantined, VenueDeclared
from partfill.model.words import Flag

if TYPE_CHECKING:
    from partfill.core.engine import Engine


def rules(engine: Engine, declared: VenueDeclared, now: int, effects: Effects) -> None:
    """How the numbers of a venue are read."""
    # An order that is not in memory takes the rules of the moment when it comes back; these must not differ.
    covering.read_by(engine, declared.venue, declared.capabilities, effects)


def day(engine: Engine, rolled: DayRolled, now: int, effects: Effects) -> None:
    """A trading day of an account begins."""
    scope = (rolled.venue, rolled.account)
    engine.days[scope] = engine.days.get(scope, 0) + 1


def instrument(engine: Engine, listed: InstrumentListed, now: int, effects: Effects) -> None:
    """What a venue says of an instrument."""
    place = (listed.venue, listed.instrument)
    before = engine.listed.get(place)
    # Of every account: who asked is no part of it.
    said = (listed.quote, listed.base, listed.multiplier)
    if before is not None and (before.quote, before.base, before.multiplier) == said:
        engine.counters.duplicates += 1
        return
    engine.listed[place] = listed
    effects.engine = True
    effects.listed = (listed,)
    if engine.holdings is not None:
        engine.holdings.learn(listed, now, effects)
        if engine.desk.next_protection > 1:
            protection.follow(engine.desk, now, effects)


def quarantined(engine: Engine, put: Quarantined, now: int, effects: Effects) -> None:
    """The file refused rows of orders: nothing is applied to them any more, and nothing is sent for their parents."""
    for number in put.orders:
        child = engine.children.get(number)
        if child is not None:
            effects.touch(child)
            if child.mark(Flag.QUARANTINED):
                engine.counters.quarantined += 1
    for number in put.parents:
        parent = engine.desk.parents.get(number)
        if parent is not None:
            parent.halted = True
            effects.parent(parent)
    said = [f"order {number} is in quarantine" for number in put.orders]
    said += [f"parent order {number} is halted" for number in put.parents]
    engine.alarm(effects, None, AlarmKind.INVARIANT, f"{', '.join(said)}: the journal refused its row: {put.why}")
