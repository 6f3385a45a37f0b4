"""Busts that nobody tells, and totals that are wrong once.

Rules
- A lost bust is in no message and in no history: the venue's totals and lists are lower, and that is all.
- It may come back: what was taken back counts again, and is listed again.
- A wrong total stands in one message, higher or lower than the truth, and fits the order.
- Only at venues whose word on totals counts: elsewhere nobody could know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from partfill.model.capabilities import Capabilities, Cumulative
from partfill.model.commands import Answered, Looked
from partfill.model.inputs import Execution, Input, OrderSnapshot
from partfill.model.words import OrdStatus, TimeInForce
from partfill.sim.ingredients import LOST
from partfill.sim.manners import MEANS
from partfill.sim.orders import D, Fill, Order
from partfill.sim.timeline import SECOND
from partfill.sim.venue import SimVenue

if TYPE_CHECKING:
    from partfill.sim.world import World

BUST, RETURNS = "a bust that nobody told", "a busted execution that came back"
HIGH, LOW = "a total that was too high once", "a total that was too low once"


class Losses:
    """What is not told, or told wrong, in one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.ingredients.random
        self._on = LOST in world.ingredients.has
        self._wrong = 0
        """Messages of totals that are to be wrong."""
        self.less: set[Order] = set()
        """Orders of which less works than anybody was told."""

    def begin(self) -> None:
        """Some time, something will be lost."""
        if not self._on:
            return
        for _ in range(self._random.randint(1, 3)):
            wait = self._random.randint(1, self._world.trouble // SECOND) * SECOND
            self._world.later(wait, self._random.choice((self._bust, self._bust, self._be_wrong)))

    def declared(self, venue: SimVenue, rules: Capabilities) -> Capabilities:
        """What its refusals mean; where lists are whole, the venue may say so.

        An order of which all that works was busted before anybody heard of it is printed as partly filled, with nothing open:
        only a refused cancel that means something can tell.
        """
        if not self._on:
            return rules
        rules = msgspec.structs.replace(rules, refusals=MEANS)
        whole = venue.kind.itemised and not venue.kind.reversible
        if whole and rules.cumulative is Cumulative.TRUTH and self._random.random() < 0.5:
            return msgspec.structs.replace(rules, executions_complete=True)
        return rules

    # ------------------------------------------------------------------ busts

    def _bust(self) -> None:
        found = [
            (venue, order, fill)
            for venue in self._world.venues.values()
            if venue.kind.capabilities.cumulative is Cumulative.TRUTH and not venue.daily
            for order in venue.orders.values()
            # One that never rests does not work again either, and no venue would show it so.
            if not order.doubled and order.terms.time_in_force is not TimeInForce.IOC
            for fill in order.fills
            if fill.qty
        ]
        if not found:
            return
        self._bust_of(*self._random.choice(found))

    def _bust_of(self, venue: SimVenue, order: Order, fill: Fill) -> None:
        qty = fill.qty
        if not qty:
            return
        fill.qty = 0
        order.cum -= qty
        if order.end is None and venue.kind.itemised:
            order.off += qty
            self.less.add(order)
        elif order.end is None:
            # Who tells no executions cannot tell either that one does not work again.
            venue.open[order.uid] = order
            self._world.truth.works_again(order.root.parent, qty)
            self._world.guards.works_again(venue, order, qty)
        about = [each for each in venue.past if isinstance(each, Execution) and each.order_id in order.names]
        told = [each for each in about if each.key == fill.key]
        venue.past = [each for each in venue.past if each not in told]
        self._world.doubted.busted(order, told)
        venue.changed(order)
        self._world.totals.wrong(venue, order, BUST)
        if fill.version == fill.key and self._random.random() < 0.3:
            self._world.later(self._random.randint(4, 16) * SECOND, self._returns, venue, order, fill, qty, told)

    def _returns(self, venue: SimVenue, order: Order, fill: Fill, qty: int, told: list[Execution]) -> None:
        if fill.qty or order.cum + qty > order.qty:
            return
        fill.qty = qty
        order.cum += qty
        if order.end is None and venue.kind.itemised:
            order.off -= qty
        if not order.leaves:
            venue.open.pop(order.uid, None)
        # What was asked for in its stead may have filled.
        self._world.truth.works_again(order.root.parent, qty)
        venue.past += told
        venue.changed(order)
        self._world.totals.wrong(venue, order, RETURNS)
        soon = self._world.time < self._world.start + self._world.trouble + 12 * SECOND
        if soon and not venue.kind.reversible and self._random.random() < 0.7:
            # And is taken back once more.
            self._world.later(self._random.randint(3, 9) * SECOND, self._bust_of, venue, order, fill)

    # ------------------------------------------------------------------ wrong totals

    def _be_wrong(self) -> None:
        self._wrong += 1

    def passed(self, inp: Input) -> Input:
        """The message as it arrives."""
        if not self._wrong or self._world.quiet:
            return inp
        said = inp if isinstance(inp, OrderSnapshot) else inp.order if isinstance(inp, Answered | Looked) else None
        if said is None or said.cum_qty is None or said.order_qty is None or said.order_id is None:
            return inp
        if not self._world.has(said):
            return inp
        venue = self._world.at(said)
        if venue.scoped:
            # Two instruments have the id.
            return inp
        if venue.kind.capabilities.cumulative is not Cumulative.TRUTH or venue.daily:
            # Nobody asks tomorrow what an order of today is.
            return inp
        order = venue.ids.get(said.order_id)
        if order is None or order.doubled:
            return inp
        if not said.leaves_qty and order.leaves:
            # It is odd already: no venue's word would be worth anything.
            return inp
        right, most = int(said.cum_qty), int(said.order_qty)
        high = right < most and (not right or self._random.random() < 0.7)
        if not high and not right:
            return inp
        if not high and not said.leaves_qty and venue.kind.capabilities.end_is_final:
            # Such a venue says that its word of the end comes with everything that filled: nobody could know better.
            return inp
        wrong = self._random.randint(right + 1, most) if high else self._random.randint(0, right - 1)
        self._wrong -= 1
        self._world.totals.wrong(venue, order, HIGH if high else LOW)
        if high:
            # What is believed to have filled is placed once more, until it is known better.
            self._world.guards.works_again(venue, order, wrong - right)
        leaves = D[0] if not said.leaves_qty else D[most - wrong]
        word = OrdStatus.FILLED if wrong == most else said.ord_status
        changed = msgspec.structs.replace(
            said, cum_qty=D[wrong], leaves_qty=leaves, ord_status=word, executions=None if not high else said.executions
        )
        return changed if said is inp else msgspec.structs.replace(inp, order=changed)
