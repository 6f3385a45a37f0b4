"""Remainders in a simulated world: policies of users, books that move, decisions that are wanted, and what must hold of them.

Rules
- Everything here draws from a source of its own: a world without policies is the world that it was.
- The price of every order and replace is no worse than one that the user wished for, by more ticks than the policy allows.
- Reports are judged by the world's own wishes and by the books it showed, with arithmetic of its own: one tick is 1 here.
- Another system reports partial fills too, in some worlds: now and then, again, late, out of order, of orders that ended. Such
  a report books nothing and asks nothing of a venue; one event calls for one decision, whatever the process went through.
- Nothing is taken off without a fresh book but by the kill switch, as dust, or by a policy of cancel; nothing for a thin one
  that was not looked at before. Depth is what the best five levels are worth.
- In some worlds venues show our own orders in their books, and some books lack them: those are not believed.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

import msgspec

from partfill.core.handling import undecided
from partfill.core.parent import Parent
from partfill.model.book import Book, Level
from partfill.model.capabilities import Capabilities
from partfill.model.commands import Decide, Reported
from partfill.model.events import DustLeft, DustUsed
from partfill.model.instrument import Instrument, TickBand
from partfill.model.operations import Operation, Place, Replace
from partfill.model.policy import DustUse, Mode, Remainder, RemainderPolicy
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport
from partfill.model.words import Side
from partfill.sim.markets import Markets
from partfill.sim.truth import Violation

if TYPE_CHECKING:
    from partfill.sim.world import World

ACME = Instrument(symbol="ACME", ticks=(TickBand(Decimal(0), Decimal(1)),), lot=Decimal(1))
MS = 1_000_000
CONFIRM_MS = 250
"""How far apart two looks at a thin book are, as policies have it that say nothing of it."""
LOWEST = 70
"""No price in force here is lower."""
FIVE = 5
"""How many levels count as depth."""
FRESH_MS = 2_000
"""How old a book may be, likewise."""


class Decisions:
    """The part of one world that looks at markets."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = Random(seed ^ 0x5EED)
        self._mode = Mode.SHADOW_ONLY if self._random.random() < 0.2 else Mode.GENERAL_LIVE
        self._middle, self._size = 100, Decimal(500)
        """Where the market is, and how much rests at each price: it drifts, and sometimes it is another one."""
        self._own = Random(seed ^ 0xB00C)
        self._shows = self._own.random() < 0.25
        self._dusty = self._own.choice(tuple(DustUse)) if self._own.random() < 0.2 else None
        """What becomes of dust in a world that has much of it."""
        self._lacking = False
        """True while a book is shown that lacks an order which the desk has to know to be there."""
        self._wishes: dict[int, list[Decimal]] = {}
        """Prices that the user wished for, per parent."""
        self._dust: dict[int, Decimal] = {}
        """What was decided to be dust, per parent."""
        self.markets = Markets(world, seed)
        self.made = 0
        self._outside = Random(~seed ^ 0x5EED)
        """Draws of the other system, so that a world without it is the world that it was."""
        self._reports = self._outside.random() < 0.4
        self._heard: dict[int, set[int]] = {}
        """Events of the other system that called for a decision, per parent, as far as they are durable."""

    def declared(self, rules: Capabilities) -> Capabilities:
        """What a venue declares in this world."""
        return msgspec.structs.replace(rules, book_shows_own=True) if self._shows else rules

    def policy(self, price: Decimal) -> RemainderPolicy | None:
        """What a user wants done with remainders; often nothing."""
        policy = self._policy()
        return None if policy is None else self.markets.policy(policy, price)

    def _policy(self) -> RemainderPolicy | None:
        random = self._random
        if random.random() < 0.3:
            return None
        return RemainderPolicy(
            default_policy=random.choice(tuple(Remainder)), chase_max_ticks=random.randint(0, 10),
            min_remainder_size=Decimal(random.choice((1, 5, 300)) if self._dusty is None else 1000),
            cancel_on_book_thin=random.random() < 0.7,
            max_hold_ms=random.choice((None, 500, 3000)), max_hold_drift_ticks=random.choice((None, 2)),
            after_hold=random.choice(tuple(Remainder)), rechase_ms=random.choice((100, 1000)),
            dust=self._own.choice(tuple(DustUse)) if self._dusty is None else self._dusty,
        )  # fmt: skip

    def latecomers(self) -> list[int]:
        """When further users come (ns): whoever comes late finds what others left."""
        return [self._own.randint(1, 8_000) * MS for _ in range(0 if self._dusty is None else 12)]

    def wishes(self, number: int, price: Decimal | None) -> None:
        """A user wished for a price."""
        if price is not None:
            self._wishes.setdefault(number, []).append(price)
            self.markets.wished(number)

    def dust(self, event: DustLeft | DustUsed) -> None:
        """Dust was left, or is asked for."""
        parents = self._world.engine.desk.parents
        if isinstance(event, DustLeft):
            child = self._world.engine.children[event.order]
            assert child.work is not None
            number = child.work.parent.id
            if event.qty > self._dust[number]:
                raise Violation(f"{event.ref} left {event.qty}, and {self._dust[number]} were decided to be dust")
            self._world.truth.dust_left(event, number)
            return
        wishes = [self._wishes[number][-1] for number in event.numbers]
        if event.ref.startswith("dust:"):
            self._wishes[event.parent] = []
            self.wishes(event.parent, event.price)
        self._world.truth.dust_used(event, parents[event.parent].terms.side, wishes)

    def wanted(self, parent: Parent) -> None:
        """A decision is wanted: the market is looked at, which takes a while, fails, or takes too long."""
        assert parent.handling is not None
        self._world.later(self._wait(), self._look, parent.id, parent.handling.event, self._world.epoch)
        if self._reports and self._outside.random() < 0.5:
            for _ in range(self._outside.randint(1, 3)):
                self._world.later(self._outside.randint(0, 4_000) * MS, self._other_system, parent.id)

    def _other_system(self, number: int) -> None:
        """The other system says that an order is partly filled, as of now, of a while ago, or as it said before."""
        world = self._world
        parent = world.engine.desk.parents.get(number)
        if parent is None or world.quiet:
            return
        known = self._heard.setdefault(number, set())
        event_ts = world.time // MS - self._outside.choice((0, 0, 3, 1_000))
        if known and self._outside.random() < 0.3:
            event_ts = self._outside.choice(sorted(known))
        handling = parent.handling
        before = (0, 0) if handling is None else (handling.event, handling.reports)
        epoch = world.epoch
        world.feed(Reported(venue=parent.venue, account=parent.account, ref=parent.ref, event_ts=event_ts))
        if world.epoch != epoch:
            # The process died of it, and it may not have been durable.
            return
        after = before if handling is None else (handling.event, handling.reports)
        if after != before:
            world.tell("another system called for a decision")
            if event_ts in known or after != (before[0] + 1, before[1]):
                world.must_be(f"{parent.ref}: event {event_ts} of the other system, said before: {before} became {after}")
            known.add(event_ts)

    def _wait(self) -> int:
        return self._random.randint(1, 20 if self._world.quiet else 400) * MS

    def _look(self, number: int, event: int, epoch: int) -> None:
        world = self._world
        parent = world.engine.desk.parents.get(number)
        if parent is None or epoch != world.epoch:
            return
        chance = self._random.random()
        self.made += 1
        book = None if chance < 0.1 or world.still else self._book(world.now - self._random.choice((0, 0, 5_000)) * MS)
        if book is not None:
            book = self.markets.book(book)
        if book is not None and self._shows and book.instrument == ACME.symbol:
            book = self._with_ours(parent, book)
        world.feed(
            Decide(
                venue=parent.venue,
                account=parent.account,
                ref=parent.ref,
                event=event,
                instrument=self.markets.instrument(ACME),
                mode=self._mode,
                book=book,
                shed=chance > 0.95,
            )
        )
        self._lacking = False
        if self._random.random() < 0.1:
            # Somebody asks twice.
            world.later(self._wait(), self._look, number, event, epoch)

    def _book(self, as_of: int) -> Book:
        random = self._random
        if random.random() < 0.2:
            self._middle, self._size = random.randint(85, 115), Decimal(random.choice((1, 20, 500)))
        self._middle = min(115, max(85, self._middle + random.randint(-2, 2)))
        bids = tuple(Level(Decimal(self._middle - away), self._size) for away in range(1, random.randint(1, 7)))
        asks = tuple(Level(Decimal(self._middle + away), self._size) for away in range(random.randint(1, 7)))
        return Book(instrument="ACME", bids=bids, asks=asks, as_of=as_of)

    def _with_ours(self, parent: Parent, book: Book) -> Book:
        """The same book with our order of this parent in it, mostly; the market moves out of its way then."""
        child = undecided(parent)
        venue = self._world.at(parent)
        order = venue.ids.get(child.order_id or "") if child is not None else None
        if child is None or order is None or not order.leaves:
            return book
        px, buys = Decimal(order.price), order.side is Side.BUY
        if self._own.random() < 0.7:
            ours = (Level(px, Decimal(order.leaves)),)
            bids = tuple(level for level in book.bids if level.px != px and (buys or level.px < px))
            asks = tuple(level for level in book.asks if level.px != px and (not buys or level.px > px))
            if buys:
                bids = tuple(sorted((*bids, *ours), key=lambda level: -level.px))
            else:
                asks = tuple(sorted((*asks, *ours), key=lambda level: level.px))
            return msgspec.structs.replace(book, bids=bids, asks=asks)
        side = book.bids if buys else book.asks
        reaches = len(side) < FIVE or (px >= side[-1].px if buys else px <= side[-1].px)
        work = child.work
        known = (
            work is not None and work.request is None and child.price == px and max(child.updated, work.sent_at) < book.as_of
        )
        self._lacking = known and reaches and all(level.px != px for level in side)
        return book

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
        ticks = parent.handling.policy.chase_max_ticks * self.markets.cap(parent.id)
        for wish in self._wishes.get(parent.id, ()):
            if price == wish or (price <= wish + ticks if parent.terms.side is Side.BUY else price >= wish - ticks):
                return None
        return f"{parent.ref} asks at {price}; wished for were {self._wishes.get(parent.id)}, {ticks} ticks to chase"

    def wrong_in(self, report: ExecutionReport) -> str | None:
        """What is wrong with a report, judged by what the user wished for and what was shown; None when it is right."""
        world, said = self._world, f"{report.verdict}{', sent' if report.carried_out else ''}"
        world.tell(f"decided: {said}")
        parent = world.engine.desk.parents[report.parent]
        assert parent.handling is not None
        inp, now = world.log[-1]
        book = inp.book if isinstance(inp, Decide) and not inp.shed else None
        fresh = book is not None and 0 <= now - book.as_of <= FRESH_MS * MS and book.instrument == ACME.symbol
        wish, policy = self._wishes[report.parent][-1], parent.handling.policy
        wrong = None
        if report.verdict is Reason.DUST_AUTO_CANCEL and report.carried_out:
            self._dust[report.parent] = report.remaining_qty
        asked = world.truth.asked[report.parent]
        if report.order_qty != asked or report.remaining_qty != max(asked - report.filled_qty, Decimal(0)):
            wrong = f"{report.remaining_qty} remain of {asked} less {report.filled_qty}"
        elif book is not None and fresh and report.seen.book_depth_usd not in (None, self._depth(report, book)):
            wrong = f"{report.seen.book_depth_usd} is not what five levels are worth"
        elif self._lacking and report.seen.best is not None:
            wrong = "a book was believed that lacks our order"
        elif report.verdict in (Reason.CHASE_ORDER_SUBMITTED, Reason.CHASE_ABORTED) and not self.markets.on:
            wrong = self._wrong_chase(report, book if fresh else None, wish, policy)
        elif report.verdict is Reason.BOOK_THIN_CANCEL:
            if not fresh or not self._seen_before(parent, now):
                wrong = "a book was believed to be thin at once, or an old one was"
        elif report.verdict is Reason.CANCELLED_REMAINDER and not fresh and policy.default_policy is not Remainder.CANCEL:
            wrong = "a hold ended without a fresh book"
        elif report.verdict is Reason.DUST_AUTO_CANCEL and report.remaining_qty * wish > self._much(wish, policy):
            wrong = f"{report.remaining_qty} at {wish} are no dust"
        wrong = wrong or self.markets.wrong_in(report, policy, fresh)
        return None if wrong is None else f"{report.report_id}, {said}: {wrong}"

    @staticmethod
    def _depth(report: ExecutionReport, book: Book) -> Decimal:
        """What the best five levels that could fill the rest are worth."""
        side = sorted(book.asks, key=lambda level: level.px) if report.side is Side.BUY else sorted(
            book.bids, key=lambda level: -level.px)  # fmt: skip
        return sum((level.px * level.qty for level in side[:FIVE]), Decimal(0))

    @staticmethod
    def _wrong_chase(report: ExecutionReport, book: Book | None, wish: Decimal, policy: RemainderPolicy) -> str | None:
        """A chase follows, or gives up on, the side of a fresh book that could fill the rest, counted from the wish."""
        buys = report.side is Side.BUY
        side = () if book is None else book.asks if buys else book.bids
        if not side:
            return "the market was not seen"
        away = side[0].px - wish if buys else wish - side[0].px
        if (away > policy.chase_max_ticks) is not (report.verdict is Reason.CHASE_ABORTED):
            return f"{side[0].px} is {away} ticks worse than {wish}, and {policy.chase_max_ticks} are allowed"
        if report.px not in (None, side[0].px):
            return f"it goes to {report.px}, and the best is {side[0].px}"
        return None

    def _seen_before(self, parent: Parent, now: int) -> bool:
        """Whether a fresh book was shown for the same order long enough before."""
        return any(
            isinstance(inp, Decide) and (inp.venue, inp.ref) == (parent.venue, parent.ref) and inp.book is not None
            and not inp.shed and 0 <= at - inp.book.as_of <= FRESH_MS * MS and at <= now - CONFIRM_MS * MS
            for inp, at in self._world.log
        )  # fmt: skip

    @staticmethod
    def _much(wish: Decimal, policy: RemainderPolicy) -> Decimal:
        """The most that dust is worth at the wish: the price in force may be this much lower, by a chase or its venue."""
        return policy.min_remainder_size * wish / LOWEST
