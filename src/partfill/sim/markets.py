"""Markets that are odd in one way or another, and what must hold of every decision there, by arithmetic of its own.

Rules
- In such a world books are of another instrument now and then, or a little too old; instruments have a least size, and their
  ticks become larger; policies know of a fee; a least value is just that of what may be left.
- No number is taken from a book that is not fresh, or of something else.
- What is worth just the least is no dust. A book that stayed thin long enough is not looked at again.
- Of a buy what filled must not be stranded, of a sell what is left.
- A chase counts the fee against whoever pays it, goes to no price that is asked for already, and its cap stays where it was.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

import msgspec

from partfill.model.book import Book
from partfill.model.commands import Decide
from partfill.model.instrument import Instrument, TickBand
from partfill.model.policy import Mode, Remainder, RemainderPolicy
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport
from partfill.model.words import Side
from partfill.sim.ingredients import MARKETS
from partfill.sim.timeline import MS, SECOND

if TYPE_CHECKING:
    from partfill.sim.world import World

_ENDS = {Reason.CANCELLED_REMAINDER, Reason.BOOK_THIN_CANCEL, Reason.DUST_AUTO_CANCEL, Reason.CHASE_ABORTED}


class Markets:
    """The markets of one world."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self.random = Random(seed ^ 0x0DD)
        self.on = MARKETS in world.ingredients.has
        self._least = Decimal(self.random.choice((0, 0, 5, 12)) if self.on else 0)
        self._grows = self.random.randint(1, 4) * SECOND if self.on and self.random.random() < 0.7 else None
        """How long ticks have one size, and then another."""
        self._thin: dict[int, int] = {}
        """Per parent: when its book was first thin, of looks in a row."""
        self._ticks: dict[int, int] = {}
        """Per parent: the size of a tick when its cap was fixed."""
        self._epoch = 0

    def policy(self, policy: RemainderPolicy, price: Decimal) -> RemainderPolicy:
        """The same with what is odd here."""
        if not self.on:
            return policy
        fee = self.random.choice((Decimal(0), Decimal("0.01"), Decimal("0.02")))
        if self._grows is not None and self.random.random() < 0.5:
            # It follows the market for as long as it may.
            policy = msgspec.structs.replace(
                policy, default_policy=Remainder.CHASE, chase_max_ticks=self.random.randint(2, 6), rechase_ms=100,
                cancel_on_book_thin=False,
            )  # fmt: skip
        if self.random.random() < 0.5:
            return msgspec.structs.replace(policy, taker_fee_rate=fee)
        least = min(price * self.random.randint(1, 9), Decimal(1000))
        return msgspec.structs.replace(policy, taker_fee_rate=fee, min_remainder_size=least)

    @property
    def tick(self) -> int:
        """The size of a tick now."""
        return 1 if self._grows is None else 1 + (self._world.time - self._world.start) // self._grows % 2

    def instrument(self, instrument: Instrument) -> Instrument:
        """What is traded, as it is now."""
        if not self.on:
            return instrument
        bands = (TickBand(Decimal(0), Decimal(self.tick)),)
        return msgspec.structs.replace(instrument, ticks=bands, min_qty=self._least)

    def book(self, book: Book) -> Book:
        """A book as it is shown."""
        chance = self.random.random() if self.on else 1.0
        if chance < 0.25:
            self._world.ingredients.meet("an odd book")
        if chance < 0.1:
            return msgspec.structs.replace(book, instrument="BOLT")
        if chance < 0.25:
            return msgspec.structs.replace(book, as_of=self._world.latest - self.random.choice((1_900, 2_500, 3_500)) * MS)
        return book

    # ------------------------------------------------------------------ what must hold

    def cap(self, number: int) -> int:
        """How many units a tick of a parent's cap may have."""
        return self._ticks.get(number, 2 if self._grows is not None else 1)

    def wished(self, number: int) -> None:
        """A user wishes for another price: the cap is another one."""
        self._ticks.pop(number, None)

    def wrong_in(self, report: ExecutionReport, policy: RemainderPolicy, fresh: bool) -> str | None:
        """What is wrong with a decision; None when it is right. `fresh`: whether a book was shown that is to be believed."""
        if self._epoch != self._world.epoch:
            # Some of what was decided may be lost.
            self._epoch = self._world.epoch
            self._thin.clear()
            self._ticks = dict.fromkeys(self._ticks, 2)
        inp, now = self._world.log[-1]
        if not isinstance(inp, Decide):
            return None
        seen, verdict, number = report.seen, report.verdict, report.parent
        if not inp.shed:
            self._ticks.setdefault(number, int(inp.instrument.ticks[0].tick))
        first = self._thin.pop(number, None)
        if verdict is Reason.BOOK_THIN_UNCONFIRMED:
            if first is not None and now >= first + policy.thin_confirm_ms * MS:
                return f"the book was thin {(now - first) // MS} ms ago, and is to be looked at again"
            self._thin[number] = now if first is None else first
        if not fresh and (seen.best is not None or seen.book_depth_usd is not None):
            return "numbers were taken from a book that is old, or of something else"
        if verdict is Reason.DUST_AUTO_CANCEL and (seen.remaining_usd or 0) >= policy.min_remainder_size:
            return f"{seen.remaining_usd} is dust, and {policy.min_remainder_size} is the least"
        left = report.filled_qty if report.side is Side.BUY else report.remaining_qty
        least = inp.instrument.min_qty
        if (verdict is Reason.STRANDED_HOLD) is not (0 < left < least) and verdict in (*_ENDS, Reason.STRANDED_HOLD):
            return f"{left} would be left in hand, and {least} is the least"
        parent = self._world.engine.desk.parents[number]
        if verdict is Reason.CHASE_ORDER_SUBMITTED and report.mode is Mode.GENERAL_LIVE and not report.carried_out:
            if report.px == report.price == parent.price:
                return f"it goes to {report.px}, where it is"
        if seen.ticks_to_fill is not None and seen.best is not None and report.original is not None:
            fee = seen.best * policy.taker_fee_rate
            buys = report.side is Side.BUY
            away = seen.best + fee - report.original if buys else report.original - (seen.best - fee)
            if abs(seen.ticks_to_fill - max(Decimal(0), away / self.tick)) >= 1:
                return (
                    f"{seen.best} is {seen.ticks_to_fill} ticks from {report.original} here, and {away / self.tick} with fees"
                )
        return None
