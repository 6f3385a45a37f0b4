"""One world from one seed: venues, users, a network that misbehaves, a process that dies; and what must hold in it.

Theory of operation. Time is a heap of things to happen. The engine hears what arrives; its operations travel to the
simulated venues and their answers travel back. Every input is kept, as a journal would, so a death is: forget the
engine, replay the inputs, go on. After a time of trouble comes quiet: no faults, no trade, the usual polls. Then every
ledger must equal the venue's truth, and after everything was stopped nothing may hang.

The world checks the law against the truth, not against what the engine believes: what filled and works at the venues for
one parent never exceeds what was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from random import Random
from typing import Any

from partfill.core.engine import Engine
from partfill.model.admit import admit
from partfill.model.commands import (
    Amend,
    Answered,
    KillSwitch,
    Looked,
    Outcome,
    Protect,
    Restarted,
    Resubmit,
    Stop,
    Submit,
    Tick,
    Unprotect,
)
from partfill.model.events import Alarm, AlarmKind, DustLeft, DustUsed, ProtectionCovered, ProtectionFired
from partfill.model.inputs import Gap, Input, VenueDeclared
from partfill.model.observations import Observation
from partfill.model.operations import Cancel, Operation, Place, Query, Replace
from partfill.model.reports import ExecutionReport
from partfill.model.terms import Terms
from partfill.model.words import OrdStatus, Request, Side, TimeInForce
from partfill.sim.decisions import Decisions
from partfill.sim.guards import Guards
from partfill.sim.kinds import KINDS
from partfill.sim.truth import Truth, Violation
from partfill.sim.venue import D, Order, SimVenue

MS = 1_000_000
SECOND = 1_000 * MS
TROUBLE = 8 * SECOND
"""How long users trade and things go wrong."""
QUIET = (1, 3, 35, 70)
"""Seconds after the trouble at which everything is polled; the longest wait of the desk is 30 s."""
ENOUGH = 60
"""Requests of one parent that quiet may take: those that are refused come later and later."""
SIDES = (Side.BUY, Side.SELL)
TIFS = (TimeInForce.GTC, TimeInForce.GTC, TimeInForce.DAY, TimeInForce.IOC)
_KEPT = (VenueDeclared, Restarted, Submit, Stop, Amend, KillSwitch, Protect, Unprotect)
"""Inputs that are given again by whoever gave them, if the process dies before they are durable."""
_REQUEST = {Place: Request.PLACE, Cancel: Request.CANCEL, Replace: Request.REPLACE}


class World:
    """One run. `engine_type` and the methods are open to be replaced: tests plant bugs there."""

    engine_type: type[Engine] = Engine

    def __init__(
        self, seed: int, *, story: bool = False, trouble: int = TROUBLE, users: int | None = None, deaths: bool = True
    ) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.weather = Random(~seed)
        """Draws of their own for what came later: old seeds keep their worlds."""
        self.time = SECOND
        """True time (ns). The process has a clock of its own: `now`."""
        self.skew = 0
        self.latest = 0
        self.events = 0
        self.story: list[str] | None = [] if story else None
        self.heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self.count = 0
        self.log: list[tuple[Input, int]] = []
        self.epoch = 0
        """Lives of the process: what was on its way to an earlier one is lost."""
        self.unsure: tuple[object, Sequence[Any]] = (None, ())
        """The step in which the process died: its input, and what it said; durable if it is still in the log."""
        self.next_tick = 0
        self.quiet = False
        self.asked: dict[int, int] = {}
        """Requests since it is quiet, per parent."""
        self.pending: dict[int, int] = {}
        """Requests on their way to the venue, per order."""
        self.truth = Truth(self)
        self.sent: dict[str, Place] = {}
        self.engine = self.engine_type()
        kinds = self.random.sample(KINDS, self.random.randint(1, 3))
        self.venues = {f"v{number}": SimVenue(f"v{number}", kind, self.random) for number, kind in enumerate(kinds)}
        self.decisions = Decisions(self, seed)
        self.guards = Guards(self, seed)
        self.trouble = trouble
        self.users = self.random.randint(1, 5) if users is None else users
        self.crashes = sorted(self.random.randint(5, 200) for _ in range(self.random.choice((0, 0, 1, 2))))
        if not deaths:
            self.crashes = []

    # ------------------------------------------------------------------ the run

    def run(self) -> int:
        """Live through it; returns the number of events. Raises `Violation`."""
        for venue in self.venues.values():
            self.feed(VenueDeclared(venue=venue.name, capabilities=self.guards.declared(venue)))
        self.feed(Restarted(desk="s"))
        for number in range(self.users):
            self.later(self.random.randint(0, 3 * SECOND), self.user_submits, f"u{number}")
        for number, wait in enumerate(self.decisions.latecomers()):
            self.later(wait, self.user_submits, f"late{number}")
        self.guards.begin()
        self.later(self.random.randint(50, 200) * MS, self.market)
        self.later(SECOND, self.polls)
        for _ in range(self.weather.choice((0, 0, 0, 1, 2))):
            self.later(self.weather.randint(0, self.trouble), self.clock_jumps)
        for _ in range(self.weather.choice((0, 0, 0, 1, 3))):
            self.later(self.weather.randint(0, self.trouble), self.venue_restates)
        self.until(self.trouble + SECOND)
        self.quiet = True
        self.settle()
        self.guards.end()
        for parent in list(self.engine.desk.parents.values()):
            if parent.done is None and (parent.guards is None or parent.guards < 0):
                self.feed(Stop(venue=parent.venue, ref=parent.ref))
        for scope in list(self.engine.desk.killed):
            self.feed(KillSwitch(venue=scope[0], account=scope[1], on=False, by="sim"))
        self.settle()
        for parent in self.engine.desk.parents.values():
            if parent.done is None or parent.active:
                raise Violation(f"{parent.ref} was stopped and hangs: {[child.status for child in parent.active]}")
        for venue in self.venues.values():
            if venue.open:
                raise Violation(f"everything was stopped and {next(iter(venue.open))} works at {venue.kind.name}")
        return self.events

    @property
    def now(self) -> int:
        """The clock that stamps everything: it may jump; no two readings are equal and none goes back, as in the shell."""
        self.latest = max(self.latest + 1, self.time + self.skew)
        return self.latest

    def clock_jumps(self) -> None:
        """Somebody sets the machine's clock."""
        if not self.quiet:
            self.skew += self.weather.choice((-3, -1, 1, 60)) * SECOND
            self.tell(f"the clock jumps, it is {self.skew / SECOND:+.0f} s off")
            self.next_tick = 0
            self.set_alarm()

    def settle(self) -> None:
        """Quiet until nothing is on its way; then compare with the truth."""
        began = self.time
        for wait in QUIET:
            self.until(began + wait * SECOND)
            for venue in self.venues.values():
                for each in venue.history(self.now):
                    self.feed(each)
                self.poll(venue)
        self.until(began + (QUIET[-1] + 40) * SECOND)
        self.truth.compare()

    def until(self, end: int) -> None:
        """Let everything happen that happens before `end`."""
        heap = self.heap
        while heap and heap[0][0] <= end:
            at, _, act, with_ = heappop(heap)
            self.time = max(self.time, at)
            act(*with_)
        self.time = end

    def later(self, wait: int, act: Callable[..., None], *with_: Any) -> None:
        """Let `act` happen in `wait` ns."""
        self.count += 1
        heappush(self.heap, (self.time + wait, self.count, act, with_))

    def tell(self, text: str) -> None:
        """A line of the story."""
        if self.story is not None:
            self.story.append(f"{self.time / SECOND:9.3f}  {text}")

    # ------------------------------------------------------------------ the process

    def feed(self, inp: Input) -> None:
        """The process takes one input: step, commit, act. Or dies on the way."""
        self.events += 1
        if self.story is not None:
            self.tell(f"<- {inp}")
        now = self.now
        inp, _ = admit(inp, now)
        self.log.append((inp, now))
        effects = self.engine.step(inp, now)
        for event in effects.events:
            if self.story is not None:
                self.tell(f"   ! {event}")
            if type(event) is ExecutionReport:
                self.must_be(self.decisions.wrong_in(event))
            if type(event) is ProtectionFired or type(event) is ProtectionCovered:
                self.guards.heard(event)
            if type(event) is Alarm and event.kind in (AlarmKind.INVARIANT, AlarmKind.LAW):
                raise Violation(f"alarm {event.kind}: {event.text}")
        if self.crashes and self.events >= self.crashes[0] and not self.quiet:
            self.crashes.pop(0)
            self.unsure = (self.log[-1], effects.events)
            self.die(effects.operations)
            return
        self.dust_moves(effects.events)
        for op in effects.operations:
            self.send(op)
        for parent in effects.wanted:
            self.decisions.wanted(parent)
        self.set_alarm()

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
        timers = self.engine.desk.timers
        if timers and (self.next_tick <= self.now or timers[0][0] < self.next_tick):
            self.next_tick = max(timers[0][0], self.now + 1)
            self.later(self.next_tick - self.now, self.wake)

    def wake(self) -> None:
        """Time has passed."""
        timers = self.engine.desk.timers
        if timers and timers[0][0] <= self.now:
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
        self.engine = engine = self.engine_type()
        for inp, at in self.log:
            engine.step(inp, at)
        self.next_tick = 0
        self.feed(Restarted(desk="s"))
        for venue in self.venues.values():
            self.feed(Gap(venue=venue.name, since=self.now))
            self.backfill(venue)

    # ------------------------------------------------------------------ the network

    def send(self, op: Operation) -> None:
        """An operation leaves for its venue."""
        if self.story is not None:
            self.tell(f"-> {op}")
        self.must_be(self.decisions.wrong_with(op))
        if type(op) is Query:
            self.later(self.wait(), self.arrives, op, self.now, self.epoch, False)
            return
        if type(op) is Place:
            self.sent[op.cl_ord_id] = op
        if self.quiet:
            self.without_end(op)
        self.guards.sent(op)
        trouble = 1.0 if self.quiet else self.random.random()
        lost = trouble < 0.08
        if lost:
            self.later(500 * MS, self.answer, self.unknown(op), self.epoch)
        if trouble > 0.03:
            self.pending[op.order] = self.pending.get(op.order, 0) + 1
            self.later(self.wait(900 if lost else 300), self.arrives, op, self.now, self.epoch, lost)

    def without_end(self, op: Operation) -> None:
        """Once it is quiet nothing is asked for again and again, but by a chase, which follows a market that moves."""
        work = self.engine.children[op.order].work
        if work is None or work.parent.handling is not None:
            return
        number = work.parent.id
        self.asked[number] = self.asked.get(number, 0) + 1
        if self.asked[number] > ENOUGH:
            raise Violation(f"parent {number} asks without end: {self.asked[number]} times since it is quiet")

    def wait(self, most: int = 300) -> int:
        """Time that a message travels (ns)."""
        return self.random.randint(1, 20 if self.quiet else most) * MS

    def unknown(self, op: Operation) -> Answered:
        """No answer came."""
        return Answered(venue=op.venue, request=_REQUEST[type(op)], cl_ord_id=op.cl_ord_id, outcome=Outcome.UNKNOWN)

    def arrives(self, op: Operation, sent: int, epoch: int, lost: bool) -> None:
        """An operation reaches its venue."""
        self.events += 1
        venue = self.venues[op.venue]
        said: list[Observation] = []
        if type(op) is Query:
            self.asked_at_venue(venue, op, sent, epoch)
            return
        self.pending[op.order] -= 1
        before = self.guards.open_beside(op)
        if type(op) is Place:
            reply = venue.place(op, self.now, said)
        elif type(op) is Cancel:
            reply = venue.cancel(op, self.now, said)
        else:
            assert type(op) is Replace
            reply = venue.replace(op, self.now, said)
        self.guards.grew(op, before)
        self.truth.check(venue)
        self.says(venue, said)
        if not lost:
            self.later(self.wait(), self.answer, reply, epoch)

    def asked_at_venue(self, venue: SimVenue, op: Query, sent: int, epoch: int) -> None:
        """A question reaches the venue."""
        if not self.quiet and self.random.random() < 0.1:
            failed = Looked(venue=op.venue, cl_ord_id=op.cl_ord_id, order_id=op.order_id, error="timeout")
            self.later(500 * MS, self.answer, failed, epoch)
            return
        definite = not self.pending.get(op.order) and (self.quiet or self.random.random() < 0.8)
        taken = frozenset(
            order_id
            for child in self.engine.children.values()
            if child.venue == venue.name and child.id != op.order and child.known and child.work is not None
            for order_id in child.order_ids
        )
        found = venue.find(op, sent, definite, taken)
        self.later(self.wait(), self.answer, found, epoch)

    def answer(self, inp: Input, epoch: int) -> None:
        """A reply reaches the process that asked, if it still lives."""
        if epoch == self.epoch:
            self.feed(inp)

    def says(self, venue: SimVenue, said: list[Observation]) -> None:
        """Messages of a stream set out: late, twice, in another order, or never."""
        for each in said:
            chance = 1.0 if self.quiet else self.random.random()
            if chance < 0.03:
                if self.story is not None:
                    self.tell(f"lost: {each}")
                if self.random.random() < 0.7:
                    self.later(self.wait(), self.answer, Gap(venue=venue.name, since=self.now), self.epoch)
                    if self.random.random() < 0.7:
                        self.later(self.wait(2000), self.backfill, venue)
                continue
            self.later(self.wait(), self.answer, each, self.epoch)
            if chance < 0.1:
                self.later(self.wait(3000), self.answer, each, self.epoch)

    def backfill(self, venue: SimVenue) -> None:
        """What a venue's history tells after a gap."""
        for each in venue.history(self.now):
            self.later(self.wait(), self.answer, each, self.epoch)

    # ------------------------------------------------------------------ users, markets, polls

    def user_submits(self, ref: str) -> None:
        """A user wants something, and may think again."""
        random = self.random
        venue = random.choice(list(self.venues))
        qty = random.randint(1, 60)
        terms = Terms(
            instrument="ACME", side=random.choice(SIDES), order_qty=D[qty], price=D[random.randint(90, 110)],
            time_in_force=random.choice(TIFS),
        )  # fmt: skip
        rule = Resubmit(min_resubmit_size=D[random.choice((0, 1, 5))], max_resubmit_attempts=random.randint(0, 4))
        before = self.engine.desk.next_id
        self.decisions.wishes(before, terms.price)
        self.truth.submitted(before, qty)
        self.feed(Submit(venue=venue, ref=ref, terms=terms, resubmit=rule if random.random() < 0.7 else None,
                         remainder=self.decisions.policy()))  # fmt: skip
        parent = self.engine.desk.by_ref.get((venue, "", ref))
        if parent is None or parent.id != before:
            self.truth.refused(before)
            return
        for _ in range(random.randint(0, 3)):
            self.later(random.randint(10, 6000) * MS, self.user_thinks_again, parent.id)

    def user_thinks_again(self, number: int) -> None:
        """Cancel, amend, submit the same again, or pull the kill switch."""
        parent = self.engine.desk.parents.get(number)
        if parent is None:
            return
        chance = self.random.random()
        if chance < 0.3:
            self.feed(Stop(venue=parent.venue, ref=parent.ref))
        elif chance < 0.8:
            qty = self.random.randint(1, 80) if self.random.random() < 0.6 else None
            price = D[self.random.randint(90, 110)] if qty is None or self.random.random() < 0.5 else None
            if parent.done is None and parent.stop is None:
                self.decisions.wishes(number, price)
                self.truth.amended(number, qty)
            self.feed(Amend(venue=parent.venue, ref=parent.ref, order_qty=None if qty is None else D[qty], price=price))
        elif chance < 0.9:
            self.feed(Submit(venue=parent.venue, ref=parent.ref, terms=parent.terms, resubmit=parent.resubmit))
        else:
            scope = ("*", "") if self.random.random() < 0.3 else (parent.venue, "")
            self.feed(KillSwitch(venue=scope[0], account=scope[1], on=True, by="sim"))
            if self.random.random() < 0.7:
                self.later(self.wait(2000), self.feed, KillSwitch(venue=scope[0], account=scope[1], on=False, by="sim"))

    def market(self) -> None:
        """Something trades, ends, or is taken back."""
        if self.quiet:
            return
        self.later(self.random.randint(5, 150) * MS, self.market)
        venue = self.random.choice(list(self.venues.values()))
        self.events += 1
        said: list[Observation] = []
        chance = self.random.random()
        if venue.open and chance < 0.85:
            order = venue.orders[self.random.choice(list(venue.open))]
            if chance < 0.75:
                venue.fill(order, self.random.randint(1, max(1, order.leaves)), self.now, said)
            else:
                venue.finish(order, self.random.choice((OrdStatus.CANCELED, OrdStatus.EXPIRED)), self.now, said)
        elif venue.kind.reversible and venue.orders:
            self.takes_back(venue, self.random.choice(list(venue.orders.values())), said)
        self.truth.check(venue)
        self.says(venue, said)

    def venue_restates(self) -> None:
        """A venue cuts an order down, or reprices it, by itself."""
        venue = self.weather.choice(list(self.venues.values()))
        if self.quiet or not venue.open:
            return
        order = venue.orders[self.weather.choice(list(venue.open))]
        said: list[Observation] = []
        less = self.weather.randint(0, order.leaves - 1)
        step = self.weather.randint(-1, 1)
        # What has no limit has none that could be moved.
        venue.restate(order, less, order.price if order.terms.price is None else order.price + step, self.now, said)
        self.tell(f"{order.id} is cut by {less} by its venue")
        self.truth.check(venue)
        self.says(venue, said)

    def takes_back(self, venue: SimVenue, order: Order, said: list[Observation]) -> None:
        """A fill is voided or corrected, perhaps long after the end of its order."""
        live = [fill for fill in order.fills if fill.qty]
        if not live:
            return
        fill = self.random.choice(live)
        if self.random.random() < 0.6:
            again = venue.void(order, fill, self.random.random() < 0.4, self.now, said)
            if again:
                self.truth.works_again(order.root.parent, again)
                self.guards.works_again(venue, order, again)
        else:
            venue.correct(order, fill, self.random.randint(1, fill.qty), self.random.randint(90, 110), self.now, said)

    def polls(self) -> None:
        """The usual poll."""
        if not self.quiet:
            self.later(SECOND, self.polls)
            for venue in self.venues.values():
                if self.random.random() < 0.7:
                    self.poll(venue)

    def poll(self, venue: SimVenue) -> None:
        """Ask a venue for its open orders, and for those that only we think open."""
        also = [
            each.order_id
            for child in self.engine.children.values()
            if child.venue == venue.name and child.open
            for each in child.ledgers
            if each.order_id is not None
        ]
        for each in venue.poll(self.now, also):
            self.later(self.wait(), self.answer, each, self.epoch)
