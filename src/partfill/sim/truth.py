"""What must hold in a simulated world, by what its venues know: the law, and every ledger.

Rules
- What filled and works at the venues for one parent never exceeds what its user asked for. Dust that another order takes over
  moves from the one to the other: the sum stays.
- Once everything is quiet every ledger equals the truth, and every order is known for whose it is.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core.child import Child
from partfill.core.invariants import check_whole
from partfill.core.ledger import Ledger
from partfill.model.capabilities import ClientId
from partfill.model.events import DustLeft, DustUsed
from partfill.model.words import Side
from partfill.sim.fees import BASE, fees_of
from partfill.sim.orders import D, Order
from partfill.sim.venue import SimVenue

if TYPE_CHECKING:
    from partfill.sim.world import World


class Violation(AssertionError):
    """Something that must hold did not."""


class Truth:
    """What users asked for in one world, held against what is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.asked: dict[int, int] = {}
        self.allowed: dict[int, int] = {}
        """Per parent: what is asked for now, and what may be out until a smaller wish has come through."""
        self.loose: dict[int, int] = {}
        """Parents of which an order at work was rightly taken for ended -> what was open of it."""
        self._dust: dict[int, int] = {}
        """What a parent left as dust and nobody took."""

    def submitted(self, number: int, qty: int) -> None:
        """A user wants this much, if the order is taken."""
        self.asked[number] = self.allowed[number] = qty

    def refused(self, number: int) -> None:
        """The order of this number, if there will be one, is somebody else's."""
        parent = self._world.engine.desk.parents.get(number)
        if parent is None or parent.guards is not None:
            self.asked.pop(number, None)
            self.allowed.pop(number, None)

    def amended(self, number: int, qty: int | None) -> None:
        """A user wants another total."""
        self.asked[number] = qty or self.asked[number]
        self.allowed[number] = max(self.allowed[number], self.asked[number] + self.loose.get(number, 0))

    def works_again(self, number: int, qty: int) -> None:
        """What a venue took back works again: it may be out beside what was asked for."""
        if number in self.allowed:
            self.allowed[number] += qty

    def dust_left(self, event: DustLeft, number: int) -> None:
        """An order has ended with dust: what is left of it, and no more."""
        rest = self.asked[number] - self._filled(number)
        if event.qty > rest and number not in self.loose and self._heard(number):
            raise Violation(f"{event.ref} left {event.qty} as dust and {rest} were left of it")
        self._dust[number] = min(int(event.qty), max(0, rest))

    def dust_used(self, event: DustUsed, side: Side, wishes: list[Decimal]) -> None:
        """An order asks for the dust of others: their wish becomes part of it."""
        for wish in wishes:
            if event.price is None or (event.price > wish if side is Side.BUY else event.price < wish):
                raise Violation(f"{event.ref} asks at {event.price} for dust of orders at {wishes}")
        moved = 0
        for number in event.numbers:
            share = min(self._dust.pop(number, 0), self.asked[number] - self._filled(number))
            self.asked[number] -= share
            self.allowed[number] -= share
            moved += share
        if event.qty > moved:
            raise Violation(f"{event.ref} asks for {event.qty} of dust, and {moved} were there")
        if event.ref.startswith("dust:"):
            self.submitted(event.parent, 0)
        self.asked[event.parent] += int(event.qty)
        self.allowed[event.parent] += int(event.qty)

    def _filled(self, number: int) -> int:
        orders = (order for venue in self._world.venues.values() for order in venue.orders.values())
        return sum(order.cum for order in orders if order.root.parent == number)

    def _heard(self, number: int) -> bool:
        """Whether the engine has heard of all that filled: a bust that came back may not have been told yet."""
        parent = self._world.engine.desk.parents.get(number)
        return parent is None or parent.cum >= self._filled(number)

    def check(self, venue: SimVenue) -> None:
        """The law, by what the venue knows."""
        out: dict[int, int] = {}
        for order in venue.orders.values():
            number = order.root.parent
            out[number] = out.get(number, 0) + order.cum + order.leaves
        for number, total in out.items():
            if number not in self.allowed:
                # Nobody asked for it in a number: it protects a position.
                continue
            if total > self.allowed[number]:
                raise Violation(f"parent {number}: {total} filled or working at the venue of {self.allowed[number]} asked for")
            asked = self.asked[number]
            loose = number in self.loose or not self._heard(number)
            if total <= asked != self.allowed[number] and not loose:
                if not any(self._world.pending.get(child.id) for child in self.children_of(number)):
                    self.allowed[number] = asked

    def check_positions(self) -> None:
        """Every position is what all fills of its venue add up to, and so is what was paid for it."""
        holdings = self._world.engine.holdings
        assert holdings is not None
        for venue in self._world.venues.values():
            if venue.key in self._world.totals.unsure:
                continue
            position = holdings.positions.get((venue.name, venue.account, venue.instrument))
            fills = [(fill, 1 if order.side is Side.BUY else -1) for order in venue.orders.values() for fill in order.fills]
            qty, paid = sum(fill.qty * sign for fill, sign in fills), sum(fill.qty * fill.px * sign for fill, sign in fills)
            held = position.qty if position is not None else 0
            if held != qty:
                raise Violation(f"the position at {venue.kind.name} is {held} here, and {qty} at the venue")
            if position is None:
                continue
            if any(order.doubled for order in venue.orders.values()):
                continue
            taken = self._fees_of(venue, position.fees)
            if position.base == BASE and position.held != held - taken:
                raise Violation(f"{position.held} is held at {venue.kind.name} here, and {held - taken} by its fees")
            if venue.kind.itemised and not (taken and position.base == BASE) and position.paid != paid:
                raise Violation(f"{position.paid} was paid at {venue.kind.name} here, and {paid} at the venue")
            if not position.held and position.cost:
                raise Violation(f"nothing is held at {venue.kind.name}, and it cost {position.cost}")
            if venue.kind.itemised:
                self._world.costs.check(venue, position)

    def _fees_of(self, venue: SimVenue, here: dict[str, Decimal]) -> Decimal:
        """What was taken in the base asset; the fees of every currency are those of the position."""
        fees: dict[str, Decimal] = {}
        for order in venue.orders.values():
            for currency, amount in fees_of(order).items():
                fees[currency] = fees.get(currency, D[0]) + amount
        fees = {currency: amount for currency, amount in fees.items() if amount}
        if fees != here:
            raise Violation(f"fees at {venue.kind.name} are {here} here, and {fees} at the venue")
        return fees.get(BASE, D[0])

    def ledger_of(self, venue: SimVenue, order: Order) -> Ledger | None:
        """What the engine has of an order; None where it knows nothing of it."""
        if self._world.ids.scope:
            # The venue's id may be that of another order, too.
            child = self._world.engine.index.by_client.get((venue.name, venue.account, order.first))
            if child is not None:
                return next((each for each in child.ledgers if each.order_id in order.names), child.ledger)
        return self._world.engine.index.by_order.get((venue.name, venue.account, order.id))

    def child_of(self, venue: SimVenue, order: Order) -> Child | None:
        """The order of the engine that it is; None where there is none."""
        ledger = self.ledger_of(venue, order)
        return None if ledger is None else ledger.child

    def children_of(self, number: int) -> list[Child]:
        """The children of a parent, as far as the engine knows."""
        parent = self._world.engine.desk.parents.get(number)
        return parent.children if parent is not None else []

    def twins(self, order: Order, child: Child) -> bool:
        """Whether nobody could tell an order of `child` from this one: a venue without our ids, and the very same terms."""
        asked = (order.side, order.terms.order_qty, order.terms.price or 0)
        alike = (child.side, child.order_qty, child.price or 0) == asked
        return child.rules.client_id is ClientId.NONE and child.placed and alike

    def _has_twin(self, child: Child) -> bool:
        return self._world.has(child) and any(self.twins(order, child) for order in self._world.at(child).orders.values())

    def compare(self) -> None:
        """Every ledger equals the truth."""
        self._world.totals.quiet()
        for venue in self._world.venues.values():
            kind = venue.kind
            for order in venue.orders.values():
                ledger = self.ledger_of(venue, order)
                if ledger is None:
                    raise Violation(f"order {order.id} of {order.first} lives at {kind.name} and nobody here knows it")
                child = ledger.child
                if self._world.totals.excused(venue, order, ledger):
                    continue
                if ledger.cum != D[order.cum]:
                    raise Violation(f"{order.first} {order.id} at {kind.name}: {ledger.cum} here, {order.cum} at the venue")
                worth = sum(fill.qty * fill.px for fill in order.fills)
                if kind.itemised and not order.doubled and ledger.notional != worth:
                    raise Violation(f"{order.first} at {kind.name}: value {ledger.notional} here, {worth} at the venue")
                fees = {currency: amount for currency, amount in (ledger.fees or {}).items() if amount}
                if fees != fees_of(order) and not order.doubled:
                    raise Violation(f"{order.first} at {kind.name}: fees {fees} here, {fees_of(order)} at the venue")
                # That nothing works shows when it is to be canceled: an answer that calls it partly filled proves nothing.
                untold = order in self._world.losses.less and not order.leaves
                if ledger is child.ledger and child.open_at_venue is not bool(order.leaves) and not untold:
                    raise Violation(
                        f"{order.first} at {kind.name}: {child.status}, leaves {child.leaves} here, {order.leaves} at the venue"
                    )
                if child.work is None and kind.capabilities.client_id is not ClientId.NONE:
                    raise Violation(f"{order.id} of {order.first} at {kind.name} was not recognised as ours")
                if child.work is not None and child.work.parent.id != order.root.parent and not self.twins(order, child):
                    raise Violation(f"{order.id} of {order.first} at {kind.name} counts for {child.work.parent.ref}")
        self._world.expected.check()
        self._world.heard.check()
        self._world.leaving.check()
        self.check_positions()
        self._world.guards.check()
        known = {order.first for venue in self._world.venues.values() for order in venue.orders.values()}
        for child in self._world.engine.children.values():
            if not child.flags & 65536:
                check_whole(child)
            name = child.client_ids[0] if child.client_ids else None
            if (
                name in self._world.sent
                and name not in known
                and (child.open_at_venue or child.cum)
                and not (child.work is not None and child.work.parent.halted)
                and not self._has_twin(child)
            ):
                raise Violation(f"{name} never reached its venue and is {child.status} with {child.cum} filled here")
        for parent in self._world.engine.desk.parents.values():
            if parent.cum != sum(child.cum for child in parent.children):
                raise Violation(f"{parent.ref}: {parent.cum} filled, its children say otherwise")
