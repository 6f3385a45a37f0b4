"""What must hold of everything that leaves for a venue, and of every end: laws of the planner, looked at at every step.

Rules
- Under the kill switch nothing is placed.
- What was refused is not asked for again before its time. A replace changes something.
- Nothing is placed in the stead of an order of which its venue says less than was heard, but what it holds to the position; nor
  while it is asked what still counts of it after a void.
- An order that its venue cut down is not made larger until its user asks for something else.
- No user's order ends while a remainder is left that is to be submitted again.
- An order that protects leaves only once those that stay work; what was taken off together comes back together; of those that
  are too much the one that is just enough leaves.
- What protects at a venue that holds it to the position says that it only closes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core.effects import Effects
from partfill.core.ledger import Ledger
from partfill.core.parent import Parent, Work
from partfill.core.step import safe_replace
from partfill.model.capabilities import ReplaceQty
from partfill.model.commands import Amend
from partfill.model.events import KillSwitchChanged, ParentDone
from partfill.model.inputs import Input
from partfill.model.operations import Cancel, Operation, Place, Query, Replace
from partfill.model.words import Flag, OrdStatus, Request
from partfill.sim.truth import Violation

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.sim.orders import Order
    from partfill.sim.venue import SimVenue
    from partfill.sim.world import World

_QUARANTINED = int(Flag.QUARANTINED)
_SUSPECTED = int(Flag.SUSPECTED)


class Leaving:
    """What leaves in one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.killed: set[tuple[str, str]] = set()
        """Where the switch is on, as far as it is on disk."""
        self._cut: dict[int, int] = {}
        """Order number of ours -> to what its venue cut it down."""
        self._together: dict[int, list[dict[int, int]]] = {}
        """Per parent: orders that were taken off in one step -> when."""

    # ------------------------------------------------------------------ steps

    def heard(self, inp: Input, effects: Effects) -> None:
        """A step is on disk."""
        if type(inp) is Amend and inp.order_qty is not None:
            parent = self._world.engine.desk.by_ref.get((inp.venue, inp.account, inp.ref))
            for child in parent.children if parent is not None else ():
                self._cut.pop(child.id, None)
        if not effects.operations:
            return
        goes: dict[int, dict[int, int]] = {}
        for op in effects.operations:
            work = self._work(op)
            if isinstance(op, Cancel) and work is not None and (work.parent.guards or 0) > 0:
                goes.setdefault(work.parent.id, {})[op.order] = work.sent_at
        for number, orders in goes.items():
            self._together.setdefault(number, []).append(orders)

    def switched(self, event: KillSwitchChanged) -> None:
        """The switch is put on, or lifted: whoever did that does it again, should the process die of it."""
        (self.killed.add if event.on else self.killed.discard)((event.venue, event.account))

    def ended(self, event: ParentDone) -> None:
        """A parent has ended: nothing is left that was to be submitted again."""
        child = self._world.engine.children.get(event.order)
        if child is None or child.work is None:
            return
        parent, rule = child.work.parent, child.work.parent.resubmit
        held = parent.guards is not None and parent.terms.reduce_only
        if not held and any(each.flags & _SUSPECTED for each in parent.children):
            raise Violation(f"{parent.ref} has ended while a venue says that less has filled than was heard")
        if parent.stop is not None or rule is None or parent.halted or not parent.rest or child.status is OrdStatus.REJECTED:
            return
        if parent.resubmits < rule.max_resubmit_attempts and parent.rest >= rule.min_resubmit_size:
            raise Violation(f"{parent.ref} has ended, and {parent.rest} of it were to be submitted again")

    def cut(self, venue: SimVenue, order: Order) -> None:
        """A venue cuts an order down by itself."""
        child = self._world.truth.child_of(venue, order)
        if child is not None and child.work is not None and child.work.parent.guards is None and not child.work.request:
            self._cut[child.id] = order.qty

    # ------------------------------------------------------------------ operations

    def sent(self, op: Operation) -> None:
        """An operation leaves. Raises `Violation`."""
        work = self._work(op)
        if isinstance(op, Query) or work is None:
            return
        parent, child = work.parent, self._world.engine.children[op.order]
        if isinstance(op, Place):
            self._placed(op, parent, child)
            return
        if work.act_at > self._world.log[-1][1]:
            raise Violation(f"{op.cl_ord_id} was refused and is asked for before its time")
        if isinstance(op, Replace):
            self._replaced(op, parent, child)
        elif parent.guards is None and self._cut.get(child.id) == child.order_qty:
            wanted = parent.price == work.px and parent.exposure <= parent.asked and work.retarget
            if wanted and parent.stop is None and child.gone is None:
                raise Violation(f"{op.cl_ord_id} takes an order off that its venue cut down, to place more")
        elif (parent.guards or 0) > 0 and parent.stop is None and not safe_replace(child.rules):
            self._leaves(parent, child, work)

    def _placed(self, op: Place, parent: Parent, child: Child) -> None:
        if self.killed & {("*", ""), (op.venue, op.account)}:
            raise Violation(f"{op.cl_ord_id} is placed under the kill switch")
        others = [each for each in parent.children if each is not child]
        held = parent.guards is not None and parent.terms.reduce_only
        if not held and any(each.flags & _SUSPECTED for each in others):
            raise Violation(f"{op.cl_ord_id} is placed while a venue says that less has filled than was heard")
        planned = parent.guards is None or not safe_replace(child.rules)
        if planned and any(self._is_asked(each) for each in others) and not any(each.flags & _SUSPECTED for each in others):
            raise Violation(f"{op.cl_ord_id} is placed while a venue is asked what counts after a void")
        if (parent.guards or 0) > 0 and child.rules.reduces and not op.terms.reduce_only:
            raise Violation(f"{op.cl_ord_id} protects, and does not say that it only closes")
        for group in self._together.get(parent.id, ()):
            mine = [each for each in others if each.work and each.work.retarget and each.work.sent_at == group.get(each.id)]
            goes = [each for each in mine if each in parent.active and (_asked(each) or not each.open_at_venue)]
            if goes and any(each not in parent.active for each in mine) and not safe_replace(child.rules):
                raise Violation(f"{op.cl_ord_id} is placed before all that was taken off together is gone")

    def _is_asked(self, child: Child) -> bool:
        """Whether a venue is asked what counts of an order that has ended."""
        work = child.work
        if work is None or not work.settled or not (work.looking or work.look_at):
            return False
        return any(to_be_asked(ledger) for ledger in child.ledgers)

    def _replaced(self, op: Replace, parent: Parent, child: Child) -> None:
        qty = op.order_qty + child.cum if child.rules.replace_qty is ReplaceQty.OPEN else op.order_qty
        if (
            parent.handling is not None
            and (qty, op.price) == (child.order_qty, child.price)
            and not child.flags & Flag.RESTATED
        ):
            raise Violation(f"{op.cl_ord_id} replaces an order by itself: {qty} at {op.price}")
        held = parent.guards is not None and parent.terms.reduce_only
        if qty > (child.order_qty or 0) and not held and any(each.flags & _SUSPECTED for each in parent.children):
            raise Violation(f"{op.cl_ord_id} asks for more while a venue says that less has filled than was heard")
        if child.id in self._cut and child.order_qty == self._cut[child.id] < qty:
            raise Violation(f"{op.cl_ord_id} asks for {qty} of an order that its venue cut down to {child.order_qty}")
        if child.order_qty != self._cut.get(child.id):
            # It left before the cut was known.
            self._cut.pop(child.id, None)

    def _leaves(self, parent: Parent, child: Child, work: Work) -> None:
        """An order that protects is taken off: not before those that stay work, and not a larger one than is too much."""
        if child.gone is not None or child.removed:
            return
        others = [each for each in parent.active if each is not child and each.work is not None]
        if child.rules.reduces_each:
            # One that leaves too covers until it is taken off.
            stay = [each for each in others if each.work and each.work.request is not Request.CANCEL]
            covered = sum(each.work.worst(each) for each in stay if each.work)
            if covered < parent.asked - parent.cum:
                raise Violation(f"{child.cl_ord_id} leaves, and {covered} are left of {parent.asked - parent.cum} to protect")
            for each in stay:
                if each.work is not None and (each.work.leaving or each.work.sent_at == self._world.log[-1][1]):
                    # It is placed in the very step in which this one leaves, after that was decided.
                    continue
                if not each.order_ids or (each.work is not None and each.work.request is Request.PLACE):
                    raise Violation(f"{child.cl_ord_id} leaves before {each.cl_ord_id} works, which takes its place")
            return
        going = [each for each in others if each.work and each.work.request is Request.CANCEL]
        excess = parent.exposure - parent.asked
        mine = work.worst(child)
        if going or not 0 < excess < mine:
            return
        for each in others:
            free = each.work is not None and each.work.request is None and not each.work.doubt and each.open_at_venue
            if free and each.work is not None and each.work.worst(each) == excess:
                raise Violation(f"{child.cl_ord_id} leaves with {mine}, and {each.cl_ord_id} is just the {excess} too much")

    def _work(self, op: Operation) -> Work | None:
        child = self._world.engine.children.get(op.order)
        return None if child is None else child.work

    # ------------------------------------------------------------------ once it is quiet

    def check(self) -> None:
        """Nothing works where the switch is on; every price is the one that was asked for last; averages are right."""
        world = self._world
        for venue in world.venues.values():
            killed = bool(self.killed & {("*", ""), (venue.name, venue.account)})
            for order in venue.open.values():
                child = world.truth.child_of(venue, order)
                if child is None or child.work is None or child.flags & _QUARANTINED:
                    continue
                parent = child.work.parent
                if killed and not parent.halted and child.open_at_venue:
                    raise Violation(f"{order.first} works at {venue.kind.name} under the kill switch")
                if child.flags & _SUSPECTED or parent.guards is not None or parent.handling is not None:
                    continue
                if parent.done is not None or parent.stop is not None:
                    continue
                if parent.price is not None and order.price != parent.price and not (order.moved or parent.halted):
                    raise Violation(f"{order.first} works at {order.price}, and {parent.price} was asked for")
        for parent in world.engine.desk.parents.values():
            if (parent.guards or 0) > 0 and not parent.children and not parent.halted:
                raise Violation(f"{parent.ref} protects a position, and no order was ever placed for it")
            ledgers = [ledger for child in parent.children for ledger in child.ledgers]
            if not parent.cum or any(ledger.unpriced or ledger.provisional for ledger in ledgers):
                continue
            right = sum(ledger.notional for ledger in ledgers) / parent.cum
            if parent.avg_px is None or abs(parent.avg_px - right) > 1e-9:
                raise Violation(f"{parent.ref} filled at {parent.avg_px} here, and {right} by its orders")


def _asked(child: Child) -> bool:
    return child.work is not None and child.work.request is Request.CANCEL


def to_be_asked(ledger: Ledger) -> bool:
    """Whether a total from before the last loss says more than counts now, by arithmetic of its own."""
    if not ledger.losses or not ledger.claims:
        return False
    lost = max(at for told in ledger.losses.values() for at, _ in told)
    return max(at for at, _, _ in ledger.claims) <= lost and any(cum > ledger.cum for _, cum, _ in ledger.claims)
