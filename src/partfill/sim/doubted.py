"""When a venue may be doubted, and what may follow: looked at at every step.

Rules
- Nothing is suspected by an answer that was asked for within the venue's lag of the last news of the order.
- A person is told after three answers and no sooner. Who took its word back is never ruled on by itself.
- What was set aside by a ruling does not count again because an old message is delivered once more, or because a total of the
  very moment of the ruling comes late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core.effects import Effects
from partfill.model.commands import Answered, Looked, Resolve
from partfill.model.events import Alarm, AlarmKind, Confirmation, Fill, Reversal
from partfill.model.inputs import Execution, Input, OrderSnapshot
from partfill.model.words import Flag, OrdStatus
from partfill.sim.orders import D, Order
from partfill.sim.timeline import MS, SECOND
from partfill.sim.truth import Violation

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.sim.venue import SimVenue
    from partfill.sim.world import World

_SUSPECTED = int(Flag.SUSPECTED)
MANY = 3


def answer_in(inp: Input) -> OrderSnapshot | None:
    """What an input says of an order by an answer to a question; None for anything else."""
    said = inp.order if isinstance(inp, Answered | Looked) else inp
    return said if isinstance(said, OrderSnapshot) and said.asked is not None else None


class Doubted:
    """The doubts of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._news: dict[int, int] = {}
        """Order -> when what filled of it was told last."""
        self._answers: dict[int, int] = {}
        """Order that is suspected -> answers about it since."""
        self._flapped: set[int] = set()
        """Orders of which a doubt was taken back by an answer."""
        self._busted: dict[Order, list[Execution]] = {}
        """Orders with busts that nobody told -> the messages of what was taken back."""

    def busted(self, order: Order, told: list[Execution]) -> None:
        """A bust that nobody tells."""
        self._busted.setdefault(order, []).extend(told)

    def heard(self, inp: Input, now: int, effects: Effects) -> None:
        """A step is on disk. Raises `Violation`."""
        child = effects.child
        calm = child is None or not (child.flags & _SUSPECTED or child.id in self._answers)
        if calm and not effects.events:
            return
        said = answer_in(inp)
        for event in effects.events:
            if isinstance(event, Fill | Confirmation | Reversal) and said is None:
                self._news[event.order] = now
            elif isinstance(event, Alarm) and event.kind is AlarmKind.DISPUTED:
                count = self._answers.get(event.order, 0) + (said is not None)
                if count < MANY:
                    raise Violation(f"order {event.order} is disputed after {count} answers")
            elif isinstance(event, Alarm) and event.kind is AlarmKind.RULED and not isinstance(inp, Resolve):
                self._ruled(event.order)
        if child is None or child.work is None or calm:
            return
        if not child.flags & _SUSPECTED:
            news = any(isinstance(event, Fill | Reversal | Confirmation) for event in effects.events)
            if self._answers.pop(child.id, None) and said is not None and not news:
                self._flapped.add(child.id)
            return
        if child.id not in self._answers and said is not None and said.asked is not None:
            since = self._news.get(child.id)
            if since is not None and said.asked <= since + child.rules.lag_ns:
                ago = (said.asked - since) // MS
                raise Violation(f"order {child.id} is suspected by an answer that was asked for {ago} ms after its last news")
        self._answers[child.id] = self._answers.get(child.id, 0) + (said is not None)

    def _ruled(self, number: int) -> None:
        world = self._world
        if number in self._flapped:
            raise Violation(f"order {number} is ruled on by itself, and its venue had taken its word back")
        child = world.engine.children.get(number)
        if child is None:
            return
        for order, told in self._busted.items():
            venue = world.venues[order.where]
            if world.truth.child_of(venue, order) is not child:
                continue
            ledger = world.truth.ledger_of(venue, order)
            known = [each for each in told if ledger is not None and each.key in ledger.rows]
            for each in known if venue.kind.itemised else ():
                # Somebody reads the log once more.
                world.later(world.ingredients.random.randint(1, 4) * SECOND, self._again, each)
            world.later(500 * MS, self._late, venue, order, child)
            world.ingredients.meet("a log that was read again after a ruling")

    def _again(self, each: Execution) -> None:
        self._world.feed(each)

    def _late(self, venue: SimVenue, order: Order, child: Child) -> None:
        """A total of the very moment of the ruling, from before the bust, comes late."""
        doubt = child.ledger.doubt
        if doubt is None or not doubt.ruled_at or doubt.ruled_from is None or venue.kind.itemised or venue.scoped:
            return
        self._world.feed(
            OrderSnapshot(
                venue=venue.name, account=venue.account, order_id=order.id, ord_status=OrdStatus.PARTIALLY_FILLED,
                cum_qty=min(doubt.ruled_from, D[order.qty]), as_of=doubt.ruled_at,
            )
        )  # fmt: skip
