"""Answers that print nothing at work: of orders that have ended in silence, and of some that work all the same.

Rules
- An order may end without a word. Its answers then call it filled, or by a word that nobody knows, and print leaves 0: that is
  its end, once it is proven.
- One answer may print so of an order at work, where a word of the end is not final; or print less filled than there is. That
  proves nothing.
- For some seconds all answers may. The order is then taken for ended, rightly; never a stop that did not trigger. What fills
  of it, and an answer that was asked for later, revives it; one that was asked for before does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from partfill.core.effects import Effects
from partfill.model.capabilities import Capabilities
from partfill.model.events import Alarm, AlarmKind
from partfill.model.inputs import Input, OrderSnapshot
from partfill.model.words import Flag, OrdStatus, TimeInForce
from partfill.sim.doubted import answer_in
from partfill.sim.ingredients import GLITCHES
from partfill.sim.orders import D, Order
from partfill.sim.timeline import MS, SECOND
from partfill.sim.truth import Violation

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.sim.kinds import Kind
    from partfill.sim.venue import SimVenue
    from partfill.sim.world import World

_PRESUMED = int(Flag.PRESUMED)
ONCE, LOW, LONG = "once", "low", "long"


class Glitches:
    """The odd answers of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.ingredients.random
        self.on = GLITCHES in world.ingredients.has
        self._odd: dict[Order, tuple[str, int]] = {}
        """Order -> how its answers are odd, and until when."""
        self._silent: set[Order] = set()
        """Orders that have ended without a word."""
        self._over: dict[Order, set[int]] = {}
        """Orders -> when it was asked about them while nothing of them worked."""
        self._proven: dict[int, int] = {}
        self._cum: dict[int, int] = {}
        """Order number that is taken for ended -> when the proof was asked for, and what had filled."""

    def declared(self, kind: Kind, rules: Capabilities) -> Capabilities:
        """Where lists are whole the venue says so."""
        if not self.on or not kind.itemised or kind.reversible:
            return rules
        return msgspec.structs.replace(rules, executions_complete=True)

    def begin(self) -> None:
        """Some time, answers are odd."""
        if self.on:
            for _ in range(8):
                what = self._random.choice((self._ends, self._begins, self._begins, self._begins))
                self._world.later(self._random.randint(300, 7_000) * MS, what)

    def _open(self) -> list[tuple[SimVenue, Order]]:
        if self._world.quiet:
            return []
        found = [(venue, order) for venue in self._world.venues.values() for order in venue.open.values()]
        return [each for each in found if each[1] not in self._odd and each[1].terms.time_in_force is not TimeInForce.IOC]

    def _begins(self) -> None:
        found = self._open()
        if not found:
            return
        venue, order = self._random.choice(found)
        stops = [each for each in found if each[1].terms.stop_px is not None]
        if stops and self._random.random() < 0.5:
            venue, order = self._random.choice(stops)
        final = venue.kind.capabilities.end_is_final
        how = self._random.choice((LONG, LOW) if final else (ONCE, LONG))
        self._odd[order] = (how, self._world.time + 7 * SECOND)
        self._world.tell(f"answers about {order.id} are odd: {how}")

    def _ends(self) -> None:
        found = [each for each in self._open() if each[1].root is each[1] and each[1].terms.stop_px is None]
        if not found:
            return
        venue, order = self._random.choice(found)
        self._silent.add(order)
        self._world.tell(f"{order.id} ends in silence")
        self._world.ingredients.meet("an order that ended in silence")
        venue.finish(order, OrdStatus.CANCELED, self._world.now, [])

    def slow(self) -> int:
        """How much longer an answer is on its way (ns)."""
        if not self.on or self._world.quiet or self._random.random() > 0.3:
            return 0
        return self._random.randint(1_000, 6_000) * MS

    def printed(self, venue: SimVenue, said: OrderSnapshot) -> OrderSnapshot:
        """An answer about an order as it is printed."""
        order = venue.ids.get(said.order_id or "")
        if not self.on or order is None:
            return said
        if not order.leaves:
            self._over.setdefault(order, set()).add(said.asked or 0)
        if order in self._silent:
            return self._word(said)
        how, until = self._odd.get(order, ("", 0))
        if not how or self._world.quiet or self._world.time > until or not said.leaves_qty:
            return said
        if how is ONCE:
            del self._odd[order]
        if how is LOW:
            ledger = self._world.truth.ledger_of(venue, order)
            known = 0 if ledger is None else int(ledger.cum)
            if not known or said.cum_qty is None or venue.kind.reversible:
                return said
            del self._odd[order]
            said = msgspec.structs.replace(said, cum_qty=D[self._random.randint(0, known - 1)], executions=None)
        self._world.ingredients.meet("an answer that prints nothing at work")
        return self._word(said)

    def _word(self, said: OrderSnapshot) -> OrderSnapshot:
        if self._random.random() < 0.5:
            return msgspec.structs.replace(said, leaves_qty=D[0], ord_status=OrdStatus.FILLED)
        return msgspec.structs.replace(said, leaves_qty=D[0], ord_status=None, status_text="closed")

    # ------------------------------------------------------------------ what must hold

    def heard(self, inp: Input, effects: Effects) -> None:
        """A step is on disk. Raises `Violation`."""
        if not self.on:
            return
        for event in effects.events:
            if isinstance(event, Alarm) and event.kind is AlarmKind.PRESUMED:
                child = self._world.engine.children.get(event.order)
                if child is not None:
                    self._presumed(child, event.text, inp)
        child = effects.child
        if child is None or child.id not in self._cum:
            return
        if child.flags & _PRESUMED and child.cum > self._cum[child.id]:
            raise Violation(f"order {child.id} is taken for ended, and {child.cum - self._cum[child.id]} more of it filled")
        self._cum[child.id] = min(self._cum[child.id], int(child.cum))

    def _presumed(self, child: Child, text: str, inp: Input) -> None:
        said = answer_in(inp)
        if not text.startswith("taken for ended"):
            proven = self._proven.get(child.id, 0)
            if said is not None and said.asked is not None and said.asked <= proven and "shows it at work" in text:
                raise Violation(f"order {child.id} was revived by an answer that was asked for before its end was proven")
            self._cum.pop(child.id, None)
            return
        self._proven[child.id] = (said.asked or 0) if said is not None else 0
        self._cum[child.id] = int(child.cum)
        for venue in self._world.venues.values():
            for order in venue.orders.values():
                odd = self._odd.get(order, ("", 0))[0]
                if (order.leaves or odd is LONG) and self._world.truth.child_of(venue, order) is child:
                    self._works(venue, order, child)

    def _works(self, venue: SimVenue, order: Order, child: Child) -> None:
        """An order at work was taken for ended."""
        how, _ = self._odd.get(order, ("", 0))
        if how is not LONG and self._proven[child.id] in self._over.get(order, ()):
            # It had truly ended when it was asked about; a void may have opened it again since.
            return
        if how is not LONG:
            raise Violation(f"{order.id} at {venue.kind.name} was taken for ended, and works: {how}")
        if child.stop_px is not None and not child.cum and not (child.gone is not None and child.gone.refused_at):
            raise Violation(f"{order.id} at {venue.kind.name} is a stop that did not trigger, and was taken for ended")
        # What is placed in its stead may fill beside it.
        open_qty = max(0, order.leaves, order.qty - order.off - int(child.cum))
        truth, number = self._world.truth, order.root.parent
        truth.works_again(number, open_qty)
        truth.loose[number] = truth.loose.get(number, 0) + open_qty
        self._world.guards.works_again(venue, order, open_qty)
        self._world.ingredients.meet("an order at work that was taken for ended")
