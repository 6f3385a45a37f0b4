"""Orders that somebody else placed, at venues of their own: nothing is asked of these, they are only heard of.

    a story: messages in their order of arrival, and what must have come of them

Rules
- Each story has a venue, and says how that venue counts. It draws from a source of its own.
- Messages come one by one, some of them twice. What a death of the process loses is told again.
- A story may look at its order after every message, and says at the end what must be known.
- The kill switch takes these orders off too: a story that it meets ends there.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from partfill.model.commands import Answered, Looked, Outcome
from partfill.model.events import KillSwitchChanged
from partfill.model.inputs import Input, VenueDeclared
from partfill.model.observations import OrderSnapshot
from partfill.model.operations import Cancel, Operation, Query
from partfill.model.words import ExecType, OrdStatus, Request
from partfill.sim.ingredients import HEARD
from partfill.sim.orders import D, where
from partfill.sim.stories import STORIES
from partfill.sim.story import Story
from partfill.sim.timeline import MS
from partfill.sim.truth import Violation

if TYPE_CHECKING:
    from partfill.sim.world import World

TALES = 8
"""Stories that a world tells."""


class Heard:
    """The stories of one world."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = Random(seed ^ 0x4EA2D)
        self._on = HEARD in world.ingredients.has
        self.stories: dict[str, Story] = {}
        self._left: dict[str, int] = {}
        """Messages of each that have not come yet."""

    def begin(self) -> None:
        """Stories begin, one after the other."""
        if not self._on:
            return
        kinds = list(STORIES)
        for number in range(TALES):
            kind = self._random.choices(kinds, [each.often for each in kinds])[0]
            self._world.later(self._random.randint(0, 5_000) * MS, self._starts, f"h{number}", kind)

    def _starts(self, venue: str, kind: type[Story]) -> None:
        world = self._world
        story = kind(self._random, venue, world.time)
        told = story.tell()
        self.stories[venue] = story
        self._left[venue] = len(told)
        self.sure(VenueDeclared(venue=venue, capabilities=story.rules))
        wait = 0
        for inp in told:
            wait += self._random.randint(1, 40) * MS
            world.later(wait, self._hears, story, inp)

    def sure(self, inp: Input) -> None:
        """The process takes it, whatever becomes of it meanwhile."""
        world = self._world
        while True:
            epoch, told = world.epoch, len(world.log)
            world.feed(inp)
            # It may die of each word, and begins again with a few of its own.
            if world.epoch == epoch or any(each == inp for each, _ in world.log[told:]):
                return

    def _hears(self, story: Story, inp: Input) -> None:
        self._left[story.venue] -= 1
        if story.over:
            return
        story.hear(inp)
        self.sure(inp)
        if not story.over:
            self._must_be(story, end=not self._left[story.venue])

    def _must_be(self, story: Story, *, end: bool) -> None:
        wrong = story.look(self._world, end=end)
        if wrong is not None:
            raise Violation(f"{type(story).__name__} at {story.venue}: {wrong}")
        if end:
            self._world.ingredients.meet("a story that was told to its end")

    def check(self) -> None:
        """At a quiet point: what was right stays right."""
        for story in self.stories.values():
            if not story.over and not self._left[story.venue]:
                self._must_be(story, end=True)

    # ------------------------------------------------------------------ the kill switch

    def killed(self, switch: KillSwitchChanged) -> None:
        """The switch was put on: whatever works of others is taken off."""
        for child in self._world.engine.children.values():
            if child.venue not in self.stories or switch.venue not in ("*", child.venue):
                continue
            works = child.work is None and child.known and child.awaited and child.client_ids
            if works and not child.flags & 65536:
                raise Violation(f"everything was stopped, and order {child.cl_ord_id} of somebody else works at {child.venue}")

    def takes(self, op: Operation) -> bool:
        """Whether an operation is for one of these venues, which then does it."""
        story = self.stories.get(op.venue)
        if story is None and where(op) in self._world.venues:
            return False
        if isinstance(op, Cancel):
            if story is not None:
                story.over = True
            self._world.ingredients.meet("an order of others that was killed")
        self._world.later(20 * MS, self._answers, op)
        return True

    def _answers(self, op: Operation) -> None:
        world = self._world
        child = world.engine.children.get(op.order)
        if child is None:
            return
        said = OrderSnapshot(
            venue=op.venue, order_id=child.order_id, cl_ord_id=child.cl_ord_id, as_of=world.now, instrument=child.instrument,
            exec_type=ExecType.CANCELED if isinstance(op, Cancel) else None,
            ord_status=OrdStatus.CANCELED if isinstance(op, Cancel) or not child.open_at_venue else OrdStatus.NEW,
            cum_qty=child.cum, leaves_qty=D[0] if isinstance(op, Cancel) else child.leaves,
        )  # fmt: skip
        if isinstance(op, Query):
            names = (op.cl_ord_id, op.order_id)
            story = self.stories.get(op.venue)
            if story is not None and not story.over:
                # What is answered was told too.
                story.hear(said)
            found = Looked(venue=op.venue, cl_ord_id=names[0], order_id=names[1], order=said, definite=True, as_of=world.now)
            story = self.stories.get(op.venue)
            if story is not None and not story.over:
                # It is the venue's word like any other.
                story.hear(said)
            self.sure(found)
            return
        if isinstance(op, Cancel):
            world.feed(said)
            world.feed(
                Answered(venue=op.venue, request=Request.CANCEL, cl_ord_id=op.cl_ord_id, outcome=Outcome.DONE, as_of=world.now)
            )
