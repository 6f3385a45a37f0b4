"""The process of a simulated world: it takes inputs, commits, acts, and dies on the way.

Every input is kept, as a journal would, so a death is: forget the engine, replay the inputs, go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.model.admit import admit
from partfill.model.commands import Amend, KillSwitch, Protect, Restarted, Stop, Submit, Tick, Unprotect
from partfill.model.events import (
    Alarm,
    AlarmKind,
    DustLeft,
    DustUsed,
    KillSwitchChanged,
    ParentDone,
    ProtectionCovered,
    ProtectionFired,
)
from partfill.model.inputs import Gap, Input, VenueDeclared
from partfill.model.operations import Operation
from partfill.model.reports import ExecutionReport
from partfill.sim.ingredients import MIX, Ingredients
from partfill.sim.orders import Placed, where
from partfill.sim.timeline import Timeline
from partfill.sim.truth import Violation
from partfill.sim.venue import SimVenue

if TYPE_CHECKING:
    from partfill.sim.attempts import Attempts
    from partfill.sim.costs import Costs
    from partfill.sim.decisions import Decisions
    from partfill.sim.doubted import Doubted
    from partfill.sim.expected import Expected
    from partfill.sim.glitches import Glitches
    from partfill.sim.guards import Guards
    from partfill.sim.heard import Heard
    from partfill.sim.leaving import Leaving
    from partfill.sim.legs import Legs
    from partfill.sim.manners import Manners
    from partfill.sim.published import Published
    from partfill.sim.tables import Tables
    from partfill.sim.totals import Totals

_KEPT = (VenueDeclared, Restarted, Submit, Stop, Amend, KillSwitch, Protect, Unprotect)
"""Inputs that are given again by whoever gave them, if the process dies before they are durable."""


class Process(Timeline):
    """`engine_type` and the methods are open to be replaced: tests plant bugs there."""

    engine_type: type[Engine] = Engine
    venues: dict[str, SimVenue]
    decisions: Decisions
    costs: Costs
    expected: Expected
    totals: Totals
    guards: Guards
    heard: Heard
    leaving: Leaving
    attempts: Attempts
    legs: Legs
    glitches: Glitches
    manners: Manners
    doubted: Doubted
    published: Published

    def __init__(self, seed: int, *, story: bool, only: frozenset[str] | None = None, mix: int = MIX) -> None:
        super().__init__(story=story)
        self.ingredients = Ingredients(seed, only, mix)
        self.tables: Tables | None = None
        """The same process, living from its tables."""
        self.dying: tuple[object, Effects] = (None, Effects())
        """The step in which the process dies, and what followed from it."""
        self.seed = seed
        self.random = Random(seed)
        self.weather = Random(~seed)
        """Draws of their own for what came later: old seeds keep their worlds."""
        self.events = 0
        self.log: list[tuple[Input, int]] = []
        self.epoch = 0
        """Lives of the process: what was on its way to an earlier one is lost."""
        self.unsure: tuple[object, Sequence[Any]] = (None, ())
        """The step in which the process died: its input, and what it said; durable if it is still in the log."""
        self.next_tick = 0
        self.quiet = False
        self.still = False
        """At the end of the quiet nobody sees a book: what is chased comes to rest before it is compared."""
        self.crashes: list[int] = []
        """Numbers of events at which it dies."""
        self.engine = self.engine_type()

    def has(self, what: Placed) -> bool:
        """Whether it is at one of the venues that trade; stories are told of others."""
        return where(what) in self.venues

    def at(self, what: Placed) -> SimVenue:
        """The account at the venue that it is of."""
        return self.venues[where(what)]

    def send(self, op: Operation) -> None:
        """An operation leaves for its venue: see `network`."""
        raise NotImplementedError

    def backfill(self, venue: SimVenue) -> None:
        """What a venue's history tells after a gap: see `network`."""
        raise NotImplementedError

    def feed(self, inp: Input) -> None:
        """The process takes one input: step, commit, act. Or dies on the way."""
        self.events += 1
        if self.story is not None:
            self.tell(f"<- {inp}")
        now = self.now
        inp, _ = admit(inp, now)
        self.log.append((inp, now))
        was = self.manners.before(inp)
        effects = self.engine.step(inp, now)
        self.manners.after(inp, was)
        for event in effects.events:
            if self.story is not None:
                self.tell(f"   ! {event}")
            if type(event) is ExecutionReport:
                self.must_be(self.decisions.wrong_in(event))
            if type(event) is ProtectionFired or type(event) is ProtectionCovered:
                self.guards.heard(event)
            if type(event) is KillSwitchChanged:
                self.leaving.switched(event)
                if event.on:
                    self.heard.killed(event)
            if type(event) is ParentDone:
                self.manners.ended(event)
                self.leaving.ended(event)
            if type(event) is Alarm:
                self.expected.heard(event)
                self.totals.heard(event)
            if type(event) is Alarm and not self.manners.means_it(event.kind, inp):
                if event.kind in (AlarmKind.INVARIANT, AlarmKind.LAW):
                    raise Violation(f"alarm {event.kind}: {event.text}")
        if self.crashes and self.events >= self.crashes[0] and not self.quiet:
            self.crashes.pop(0)
            self.unsure = (self.log[-1], effects.events)
            self.dying = (self.log[-1], effects)
            self.die(effects.operations)
            return
        self.durable(inp, now, effects)
        self.dust_moves(effects.events)
        for op in effects.operations:
            self.send(op)
        for parent in effects.wanted:
            self.decisions.wanted(parent)
        self.set_alarm()

    def durable(self, inp: Input, now: int, effects: Effects) -> None:
        """A step is on disk, whatever becomes of the process."""
        if self.tables is not None:
            self.tables.take(inp, now, effects)
        self.costs.heard(effects)
        if effects.events or effects.merged:
            self.published.heard(inp, effects)
            self.attempts.changed(effects)
        self.leaving.heard(inp, effects)
        self.doubted.heard(inp, now, effects)
        self.glitches.heard(inp, effects)
        self.legs.heard(inp, effects)

    def dust_moves(self, events: Iterable[Any]) -> None:
        """What a durable step says of dust holds from now on."""
        for event in events:
            if type(event) is DustLeft or type(event) is DustUsed:
                self.decisions.dust(event)

    @staticmethod
    def must_be(wrong: str | None) -> None:
        """Nothing is wrong."""
        if wrong is not None:
            raise Violation(wrong)

    def set_alarm(self) -> None:
        """Wake the desk when it asked for it."""
        at = self.engine.desk.timers.next_at
        if at is not None and (self.next_tick <= self.now or at < self.next_tick):
            self.next_tick = max(at, self.now + 1)
            self.later(self.next_tick - self.now, self.wake)

    def wake(self) -> None:
        """Time has passed."""
        at = self.engine.desk.timers.next_at
        if at is not None and at <= self.now:
            self.feed(Tick())
        else:
            self.next_tick = 0
            self.set_alarm()

    def die(self, operations: Any) -> None:
        """The process is killed before the commit, after it, or in the middle of acting; and starts again."""
        how = self.random.randint(0, 2)
        if how == 0 and not isinstance(self.log[-1][0], _KEPT):
            self.log.pop()
        elif how == 2:
            # What is sent is durable, and so is what the step says beside it.
            self.dust_moves(self.unsure[1])
            self.unsure = (None, ())
            self.durable(*self.log[-1], self.dying[1])
            self.dying = (None, self.dying[1])
            for op in operations[: self.random.randint(0, len(operations))]:
                self.send(op)
        self.tell(f"the process dies ({how})")
        self.recover()

    def recover(self) -> None:
        """Replay what was durable, ask for everything that was in flight."""
        self.epoch += 1
        entry, events = self.unsure
        if self.log[-1] is entry:
            self.dust_moves(events)
        if self.log[-1] is self.dying[0]:
            self.durable(*self.log[-1], self.dying[1])
        if self.tables is not None:
            self.tables.reopen()
        self.engine = engine = self.engine_type()
        for inp, at in self.log:
            engine.step(inp, at)
        self.next_tick = 0
        self.feed(Restarted(desk="s"))
        for venue in self.venues.values():
            self.feed(Gap(venue=venue.name, account=venue.account, since=self.now))
            self.backfill(venue)
