"""Venues with odd manners: refusals that mean something, requests that arrive twice, replies that come after a timeout.

Rules
- A request may reach its venue twice: the second is refused since the first was taken, and only that refusal comes back.
- A placing may be refused in a reply that shows the order at work: it was taken all the same.
- A reply may come long after it was given up, when the next request is out; an answer long after its question. Neither says
  anything about a request that was made since.
- A refused replace says that nothing works under the id, though the order does: that alone proves nothing.
- A stranger's order may be printed under the id of one of ours, and of another instrument: ours keeps its id.
- A file may refuse the row of a parent order: it stands still, and can be taken off all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from partfill.core.child import Child
from partfill.model.capabilities import Capabilities, ClientId
from partfill.model.commands import Answered, KillSwitch, Looked, Outcome, Untrack
from partfill.model.events import AlarmKind, ParentDone
from partfill.model.inputs import Input, OrderSnapshot, Quarantined
from partfill.model.refusals import Refusal
from partfill.model.words import ExecType, OrdStatus, Request, Side
from partfill.sim.ingredients import MANNERS
from partfill.sim.orders import D, where
from partfill.sim.timeline import MS
from partfill.sim.truth import Violation
from partfill.sim.venue import DUPLICATE

if TYPE_CHECKING:
    from partfill.model.operations import Place
    from partfill.sim.venue import SimVenue
    from partfill.sim.world import World

BUSY = "busy, try again"
MEANS = (
    (DUPLICATE, Refusal.EXISTS),
    ("never placed, already canceled, or filled", Refusal.ENDED),
    ("cannot modify canceled or filled order", Refusal.ENDED),
)
"""What venues say, and what they declare that it means."""


class Before(NamedTuple):
    """What was in flight for an order before a step."""

    child: Child
    request: Request | None
    name: str
    state: tuple[object, ...]


class Manners:
    """The manners of one world's venues."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.ingredients.random
        self.on = MANNERS in world.ingredients.has
        self.put: set[int] = set()
        """Parents whose rows a file refused."""

    def declared(self, rules: Capabilities) -> Capabilities:
        """What a venue says that its refusals mean."""
        return msgspec.structs.replace(rules, refusals=MEANS) if self.on else rules

    def begin(self) -> None:
        """Things happen to orders now and then."""
        if self.on:
            for _ in range(6):
                what = self._random.choice((self._stranger, self._stranger, self._refused_row, self._released))
                self._world.later(self._random.randint(500, 8_000) * MS, what)

    # ------------------------------------------------------------------ on the way

    def placed(self, venue: SimVenue, op: Place, reply: Answered, now: int) -> Answered:
        """The reply to a placing, as it comes back."""
        if not self.on or self._world.quiet or reply.outcome is not Outcome.DONE:
            return reply
        chance = self._random.random()
        knows = venue.kind.capabilities.client_id is not ClientId.NONE
        if chance < 0.1 and knows:
            self._world.ingredients.meet("a placing that arrived twice")
            return venue.place(op, now, [])
        order = venue.by_client.get(op.cl_ord_id) if knows else None
        if chance < 0.2 and order is not None and order.leaves:
            self._world.ingredients.meet("a refusal that shows the order at work")
            shown = venue.shown(order, now)
            return msgspec.structs.replace(reply, outcome=Outcome.REFUSED, reason=BUSY, order=shown)
        return reply

    def slow(self) -> int:
        """How much longer a reply or an answer is on its way (ns); 0 mostly."""
        if not self.on or self._world.quiet or self._random.random() > 0.15:
            return 0
        self._world.ingredients.meet("a reply that came late")
        return self._random.randint(300, 4_000) * MS

    # ------------------------------------------------------------------ what happens

    def _ours(self) -> list[Child]:
        if self._world.quiet:
            return []
        children = [each for each in self._world.engine.children.values() if self._world.has(each)]
        return [each for each in children if each.work is not None and each.work.parent.guards is None and each.open_at_venue]

    def _stranger(self) -> None:
        """A venue prints the order of somebody else under the id of one of ours."""
        found = [each for each in self._ours() if each.order_id is not None and not self._world.at(each).scoped]
        if not found:
            return
        child = self._random.choice(found)
        self._world.ingredients.meet("a stranger under an id of ours")
        said = OrderSnapshot(
            venue=child.venue, account=child.account, order_id=child.order_id, cl_ord_id=f"z{child.id}",
            exec_type=ExecType.NEW, ord_status=OrdStatus.NEW, instrument="ELSE", side=Side.BUY, order_qty=D[7],
            cum_qty=D[0], leaves_qty=D[7], as_of=self._world.now,
        )  # fmt: skip
        over = msgspec.structs.replace(said, exec_type=ExecType.CANCELED, ord_status=OrdStatus.CANCELED, leaves_qty=D[0])
        for each in (said, over):
            self._world.heard.sure(msgspec.structs.replace(each, as_of=self._world.now))

    def _refused_row(self) -> None:
        """The file refuses the row of a parent order."""
        found = self._ours()
        if not found:
            return
        child = self._random.choice(found)
        assert child.work is not None
        self.put.add(child.work.parent.id)
        self._world.ingredients.meet("a parent order whose row was refused")
        self._world.feed(Quarantined(orders=(), parents=(child.work.parent.id,), why="simulated"))

    def _released(self) -> None:
        """A user lets an order go as it is; then the switch is pulled."""
        found = self._ours()
        if not found:
            return
        child = self._random.choice(found)
        assert child.work is not None
        parent, world = child.work.parent, self._world
        where_ = {"venue": parent.venue, "account": parent.account}
        world.heard.sure(Untrack(ref=parent.ref, **where_))
        world.ingredients.meet("an order that was let go")
        world.later(500 * MS, world.feed, KillSwitch(on=True, by="sim", **where_))
        world.later(2_500 * MS, world.feed, KillSwitch(on=False, by="sim", **where_))

    # ------------------------------------------------------------------ what must hold

    def before(self, inp: Input) -> Before | None:
        """What is in flight for the order that an answer is about."""
        if type(inp) is not Answered and type(inp) is not Looked:
            return None
        if inp.cl_ord_id is None:
            return None
        child = self._world.engine.index.by_client.get((inp.venue, inp.account, inp.cl_ord_id))
        if child is None or child.work is None:
            return None
        return Before(child, child.work.request, child.work.request_id, _state(child))

    def after(self, inp: Input, was: Before | None) -> None:
        """An answer says nothing about a request that it is not about, or that was made since. Raises `Violation`."""
        if was is None or was.request is None or was.child.work is None:
            return
        child, work = was.child, was.child.work
        if isinstance(inp, Answered):
            gone, now = child.gone, self._world.log[-1][1]
            if inp.request is Request.REPLACE and gone is not None and gone.refused_at == now:
                raise Violation(f"{inp.cl_ord_id} is a replace, and its refusal counts towards the end of the order")
            if inp.order is None and inp.cl_ord_id != was.name and _state(child) != was.state:
                raise Violation(f"the reply to {inp.cl_ord_id} was taken for one to {was.name}")
            return
        if not isinstance(inp, Looked) or inp.as_of is None or inp.as_of >= work.sent_at or work.request is not None:
            return
        if inp.order is None and child.open_at_venue:
            raise Violation(f"an answer that was asked for before {was.name} closed it")
        if was.request is Request.CANCEL and child.open_at_venue:
            raise Violation(f"an answer that was asked for before {was.name} closed it")

    def ended(self, event: ParentDone) -> None:
        """No order is given up as refused of which the venue has spoken."""
        inp = self._world.log[-1][0]
        if event.outcome == "rejected" and isinstance(inp, Answered) and inp.reason == DUPLICATE and self.on:
            raise Violation(f"{event.ref} was given up since its id exists: it is there")
        child = self._world.engine.children.get(event.order)
        if event.outcome != "rejected" or child is None or not child.order_ids:
            return
        venue = self._world.venues.get(where(child))
        order = None if venue is None or child.order_id is None else venue.ids.get(child.order_id)
        if order is not None and order.leaves and self._world.truth.child_of(self._world.at(child), order) is child:
            raise Violation(f"{event.ref} was given up as refused, and {child.order_id} had been shown at work")

    def means_it(self, kind: AlarmKind, inp: Input) -> bool:
        """Whether an alarm is of what was done on purpose. Raises `Violation` for one that must not be."""
        if kind is AlarmKind.MISSING and isinstance(inp, Answered) and inp.order is not None and inp.order.leaves_qty:
            raise Violation(f"{inp.cl_ord_id} was taken for refused by a reply that shows it at work")
        return kind is AlarmKind.INVARIANT and isinstance(inp, Quarantined)


def _state(child: Child) -> tuple[object, ...]:
    work = child.work
    assert work is not None
    return (work.request, work.request_id, work.accepted, work.answered, work.tries, work.act_at)
