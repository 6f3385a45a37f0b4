"""The network of a simulated world: it loses, doubles, delays and reorders what goes to venues and comes back."""

from __future__ import annotations

import msgspec

from partfill.model.commands import Answered, Looked, Outcome
from partfill.model.inputs import Gap, Input
from partfill.model.observations import Observation
from partfill.model.operations import Cancel, Operation, Place, Query, Replace
from partfill.model.words import Request
from partfill.sim.ids import Ids
from partfill.sim.ingredients import MIX
from partfill.sim.losses import Losses
from partfill.sim.orders import where
from partfill.sim.process import Process
from partfill.sim.timeline import MS
from partfill.sim.truth import Truth, Violation
from partfill.sim.venue import SimVenue
from partfill.sim.wire import Wire

ENOUGH = 60
"""Requests of one parent that quiet may take: those that are refused come later and later."""
_REQUEST = {Place: Request.PLACE, Cancel: Request.CANCEL, Replace: Request.REPLACE}


class Network(Process):
    """What is on its way."""

    truth: Truth
    losses: Losses
    ids: Ids

    def __init__(self, seed: int, *, story: bool, only: frozenset[str] | None = None, mix: int = MIX) -> None:
        super().__init__(seed, story=story, only=only, mix=mix)
        self.asked: dict[int, int] = {}
        """Requests since it is quiet, per parent."""
        self.pending: dict[int, int] = {}
        """Requests on their way to the venue, per order."""
        self.wire: Wire | None = None
        """What writes and reads messages; None where they come as they are."""
        self.sent: dict[str, Place] = {}

    def send(self, op: Operation) -> None:
        """An operation leaves for its venue."""
        if self.story is not None:
            self.tell(f"-> {op}")
        if self.heard.takes(op):
            return
        self.must_be(self.decisions.wrong_with(op))
        if type(op) is Query:
            self.later(self.wait(), self.arrives, op, self.now, self.epoch, False)
            return
        if type(op) is Place:
            self.sent[op.cl_ord_id] = op
        if self.quiet:
            self.without_end(op)
        self.guards.sent(op)
        self.attempts.sent(op)
        self.leaving.sent(op)
        self.legs.sent(op)
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
        return Answered(
            venue=op.venue, account=op.account, request=_REQUEST[type(op)], cl_ord_id=op.cl_ord_id, outcome=Outcome.UNKNOWN
        )

    def arrives(self, op: Operation, sent: int, epoch: int, lost: bool) -> None:
        """An operation reaches its venue."""
        self.events += 1
        venue = self.at(op)
        said: list[Observation] = []
        if type(op) is Query:
            self.asked_at_venue(venue, op, sent, epoch)
            return
        self.pending[op.order] -= 1
        before = self.guards.open_beside(op)
        if type(op) is Place:
            reply = self.manners.placed(venue, op, venue.place(op, self.now, said), self.now)
        elif type(op) is Cancel:
            reply = venue.cancel(op, self.now, said)
        else:
            assert type(op) is Replace
            reply = venue.replace(op, self.now, said)
        self.guards.grew(op, before)
        self.truth.check(venue)
        self.says(venue, said)
        if not lost:
            slow = self.manners.slow()
            if slow:
                self.later(300 * MS, self.answer, self.unknown(op), epoch)
            self.later(self.wait() + slow, self.answer, reply, epoch)

    def asked_at_venue(self, venue: SimVenue, op: Query, sent: int, epoch: int) -> None:
        """A question reaches the venue."""
        if not self.quiet and self.random.random() < 0.1:
            failed = Looked(venue=op.venue, account=op.account, cl_ord_id=op.cl_ord_id, order_id=op.order_id, error="timeout")
            self.later(500 * MS, self.answer, failed, epoch)
            return
        definite = not self.pending.get(op.order) and (self.quiet or self.random.random() < 0.8)
        taken = frozenset(
            order_id
            for child in self.engine.children.values()
            if where(child) == venue.key and child.id != op.order and child.known and child.work is not None
            for order_id in child.order_ids
        )
        found = venue.find(op, sent, definite, taken)
        if found.order is not None:
            found = msgspec.structs.replace(found, order=self.glitches.printed(venue, found.order))
        self.later(self.wait() + self.manners.slow() + self.glitches.slow(), self.answer, found, epoch)

    def answer(self, inp: Input, epoch: int) -> None:
        """A reply reaches the process that asked, if it still lives."""
        if epoch == self.epoch:
            self.attempts.heard(inp)
            self.feed(self.losses.passed(inp))

    def says(self, venue: SimVenue, said: list[Observation]) -> None:
        """Messages of a stream set out: late, twice, in another order, or never."""
        for each in said:
            if self.wire is not None:
                self.wire.garbled(venue, self.wire.passed(each))
            chance = 1.0 if self.quiet else self.random.random()
            if chance < 0.03:
                if self.story is not None:
                    self.tell(f"lost: {each}")
                if self.random.random() < 0.7:
                    self.later(
                        self.wait(), self.answer, Gap(venue=venue.name, account=venue.account, since=self.now), self.epoch
                    )
                    if self.random.random() < 0.7:
                        self.later(self.wait(2000), self.backfill, venue)
                continue
            slow = 0 if venue.links is None else venue.links.delay(each)
            self.later(self.wait() + slow, self.answer, each, self.epoch)
            if chance < 0.1:
                self.later(self.wait(3000), self.answer, each, self.epoch)

    def backfill(self, venue: SimVenue) -> None:
        """What a venue's history tells after a gap."""
        for each in venue.history(self.now):
            self.later(self.wait(), self.answer, each, self.epoch)
