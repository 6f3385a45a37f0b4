"""Remainders in a simulated world: policies of users, books that move, decisions that are wanted, and what must hold of them.

Rules
- Everything here draws from a source of its own: a world without policies is the world that it was.
- The price of every order and replace is no worse than one that the user wished for, by more ticks than the policy allows.
- A report counts right, and nothing is taken off without a book but by the kill switch, as dust, or by a policy of cancel.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from partfill.core.parent import Parent
from partfill.model.book import Book, Level
from partfill.model.commands import Decide
from partfill.model.instrument import Instrument, TickBand
from partfill.model.operations import Operation, Place, Replace
from partfill.model.policy import Mode, Remainder, RemainderPolicy
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport
from partfill.model.words import Side

if TYPE_CHECKING:
    from partfill.sim.world import World

ACME = Instrument(symbol="ACME", ticks=(TickBand(Decimal(0), Decimal(1)),), lot=Decimal(1))
MS = 1_000_000
BLIND = frozenset({Reason.KILL_SWITCH_ACTIVE, Reason.DUST_AUTO_CANCEL, Reason.CANCELLED_REMAINDER})
"""Reasons for which the rest may be taken off without a look at the market."""


class Decisions:
    """The part of one world that looks at markets."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = Random(seed ^ 0x5EED)
        self._mode = Mode.SHADOW_ONLY if self._random.random() < 0.2 else Mode.GENERAL_LIVE
        self._wishes: dict[int, list[Decimal]] = {}
        """Prices that the user wished for, per parent."""
        self.made = 0

    def policy(self) -> RemainderPolicy | None:
        """What a user wants done with remainders; often nothing."""
        random = self._random
        if random.random() < 0.5:
            return None
        return RemainderPolicy(
            default_policy=random.choice(tuple(Remainder)), chase_max_ticks=random.randint(0, 10),
            min_remainder_size=Decimal(random.choice((1, 5, 300))), cancel_on_book_thin=random.random() < 0.7,
            max_hold_ms=random.choice((None, 500, 3000)), max_hold_drift_ticks=random.choice((None, 2)),
            after_hold=random.choice(tuple(Remainder)), rechase_ms=random.choice((100, 1000)),
        )  # fmt: skip

    def wishes(self, number: int, price: Decimal | None) -> None:
        """A user wished for a price."""
        if price is not None:
            self._wishes.setdefault(number, []).append(price)

    def wanted(self, parent: Parent) -> None:
        """A decision is wanted: the market is looked at, which takes a while, fails, or takes too long."""
        assert parent.handling is not None
        self._world.later(self._wait(), self._look, parent.id, parent.handling.event, self._world.epoch)

    def _wait(self) -> int:
        return self._random.randint(1, 20 if self._world.quiet else 400) * MS

    def _look(self, number: int, event: int, epoch: int) -> None:
        world = self._world
        parent = world.engine.desk.parents.get(number)
        if parent is None or epoch != world.epoch:
            return
        chance = self._random.random()
        self.made += 1
        world.feed(
            Decide(
                venue=parent.venue,
                ref=parent.ref,
                event=event,
                instrument=ACME,
                mode=self._mode,
                book=None if chance < 0.1 else self._book(world.now - self._random.choice((0, 0, 5_000)) * MS),
                shed=chance > 0.95,
            )
        )
        if self._random.random() < 0.1:
            # Somebody asks twice.
            world.later(self._wait(), self._look, number, event, epoch)

    def _book(self, as_of: int) -> Book:
        middle, size = self._random.randint(85, 115), Decimal(self._random.choice((1, 20, 500)))
        bids = tuple(Level(Decimal(middle - away), size) for away in range(1, self._random.randint(1, 7)))
        asks = tuple(Level(Decimal(middle + away), size) for away in range(self._random.randint(1, 7)))
        return Book(instrument="ACME", bids=bids, asks=asks, as_of=as_of)

    # ------------------------------------------------------------------ what must hold

    def wrong_with(self, op: Operation) -> str | None:
        """Why an operation may not leave: a price is one that the user wished for, or a chase within the cap."""
        child = self._world.engine.children.get(op.order)
        if child is None or child.work is None:
            return None
        parent = child.work.parent
        price = op.terms.price if isinstance(op, Place) else op.price if isinstance(op, Replace) else None
        if price is None or parent.handling is None:
            return None
        ticks = parent.handling.policy.chase_max_ticks
        for wish in self._wishes.get(parent.id, ()):
            if price == wish or (price <= wish + ticks if parent.terms.side is Side.BUY else price >= wish - ticks):
                return None
        return f"{parent.ref} asks at {price}; wished for were {self._wishes.get(parent.id)}, {ticks} ticks to chase"

    def wrong_in(self, report: ExecutionReport) -> str | None:
        """What is wrong with a report: it does not add up, or something was done blind."""
        left = report.order_qty - report.filled_qty
        if report.remaining_qty != max(left, Decimal(0)):
            return f"{report.report_id}: {report.remaining_qty} remain of {report.order_qty} less {report.filled_qty}"
        if report.carried_out and report.seen.best is None and report.seen.book_depth_usd is None:
            if report.verdict not in BLIND:
                return f"{report.report_id}: {report.verdict} was carried out without a book"
        return None
