"""What venues say of how much filled, where that is behind, wrong, or lower than before; and what must follow from it.

Rules
- Where nothing was taken back and answers lag by less than is declared, no order is ever doubted, whatever the clock says.
- Where a copy stands still for less than the venue needs to settle, nothing is ever ruled.
- A bust that nobody told, a total that was wrong, or one that was old when it was stamped: once everything is quiet the order
  is right, or it is disputed and a person was told. The person knows better than the engine: then it is right, too.
- Without one of those, no doubt is left once everything is quiet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core.child import Child
from partfill.core.ledger import Ledger
from partfill.core.parent import Done
from partfill.model.commands import Resolve
from partfill.model.events import Alarm, AlarmKind
from partfill.model.words import Flag
from partfill.sim.ingredients import LAG, STOPS, TOTALS
from partfill.sim.orders import D, Order
from partfill.sim.replicas import Replicas
from partfill.sim.timeline import SECOND
from partfill.sim.truth import Violation
from partfill.sim.venue import SimVenue

if TYPE_CHECKING:
    from partfill.sim.world import World


class Totals:
    """The totals of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._told: set[int] = set()
        """Orders of which a person was told that they are disputed."""
        self._ruled: set[int] = set()
        self.wronged: dict[Order, str] = {}
        """Orders of which something was not told, or told wrong -> what."""
        self.unsure: set[str] = set()
        """Accounts that have a disputed order at this quiet point: what follows from it cannot be right."""
        if LAG in world.ingredients.has and world.ids.scope != "day":
            # Our clock and the venue's are not one, and need not be.
            world.skew = world.ingredients.random.choice((-3, 0, 5)) * SECOND

    def replicas(self) -> Replicas | None:
        """The copies of one account; None where answers are never behind."""
        return Replicas(self._world) if self._world.ingredients.has & {LAG, STOPS} else None

    def wrong(self, venue: SimVenue, order: Order, what: str) -> None:
        """Something was not told of an order, or told wrong."""
        self.wronged[order] = what
        self._world.ingredients.meet(what)
        self._world.tell(f"{what}: {order.id} has {order.cum}")

    def _may_be_low(self, child: Child) -> bool:
        """Whether the venue may rightly seem to say less than was heard."""
        if not self._world.has(child):
            # Stories have a second opinion of their own.
            return True
        venue = self._world.at(child)
        if venue.kind.reversible or any(self._world.truth.child_of(venue, order) is child for order in self.wronged):
            return True
        # Of two contents under one id the larger counts, which is told and is more than the venue's total.
        return bool(child.flags & Flag.KEY_CONFLICT)

    def heard(self, alarm: Alarm) -> None:
        """The engine alarms."""
        world = self._world
        if alarm.kind is AlarmKind.DISPUTE_OVER:
            world.ingredients.meet("a dispute that went away")
        if alarm.kind not in (AlarmKind.DISPUTED, AlarmKind.RULED):
            return
        child = world.engine.children[alarm.order]
        (self._told if alarm.kind is AlarmKind.DISPUTED else self._ruled).add(child.id)
        if self._may_be_low(child):
            return
        if alarm.kind is AlarmKind.RULED or STOPS not in world.ingredients.has:
            raise Violation(f"order {child.id} at {world.at(child).kind.name}: {alarm.text}; and nothing was taken back")

    def quiet(self) -> None:
        """A quiet point begins."""
        world = self._world
        self.unsure.clear()
        for number in world.engine.doubted:
            child = world.engine.children[number]
            if not child.flags & Flag.SUSPECTED:
                continue
            if not self._may_be_low(child):
                raise Violation(f"order {number} at {world.at(child).kind.name} is doubted, and nothing was taken back")

    def undecided(self) -> bool:
        """Whether an order is doubted of which something was told wrong, and no person was told yet; or what follows from the
        end of a doubt is still on its way."""
        world = self._world
        for venue in world.venues.values():
            for order in venue.orders.values():
                if order not in self.wronged:
                    continue
                ledger = world.truth.ledger_of(venue, order)
                doubt = None if ledger is None else ledger.doubt
                if doubt is not None and doubt.count and not doubt.disputed:
                    return True
        works = [child.work for child in world.engine.children.values() if child.work is not None and world.has(child)]
        return bool(self.wronged) and any(work.request is not None for work in works)

    def excused(self, venue: SimVenue, order: Order, ledger: Ledger) -> bool:
        """Whether an order may differ from the truth: it is disputed, and a person was told."""
        what = self.wronged.get(order)
        behind = venue.kind.reversible and self._world.ingredients.has & TOTALS
        if what is None and not behind:
            return False
        child = ledger.child
        if ledger.doubt is not None and ledger.doubt.disputed:
            if child.id not in self._told or not child.flags & Flag.DISPUTED:
                raise Violation(f"{order.first} {order.id} at {venue.kind.name} is disputed, and nobody was told")
            self.unsure.add(venue.key)
            self._world.ingredients.meet("a dispute that a person decides")
            return True
        released = child.work is not None and child.work.parent.done is Done.RELEASED
        if released and ledger.doubt is not None and ledger.doubt.count:
            # Nobody asks any more about an order that was let go of.
            self.unsure.add(venue.key)
            return True
        if what is not None and child.id in self._ruled:
            self._world.ingredients.meet("a ruling")
        return False

    def decide(self) -> bool:
        """A person decides every dispute as it truly is; whether there was one."""
        found = False
        for venue in self._world.venues.values():
            for order in venue.orders.values():
                ledger = self._world.truth.ledger_of(venue, order)
                doubt = None if ledger is None else ledger.doubt
                if ledger is None or doubt is None or not doubt.disputed:
                    continue
                busted = {fill.version for fill in order.fills if not fill.qty} | {
                    fill.key for fill in order.fills if not fill.qty
                }
                void = tuple(key for key, _ in ledger.live() if key in busted)
                self._world.feed(
                    Resolve(venue=venue.name, account=venue.account, order_id=order.id, cum_qty=ledger.cum,
                            venue_cum_qty=doubt.total, accept=doubt.total == D[order.cum], void=void, by="sim", reason="truth")
                )  # fmt: skip
                found = True
        return found
