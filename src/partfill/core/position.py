"""Positions: what fills add up to per account and instrument, what it cost, and what was made of it. Exact.

    a child's filled quantity or value changes -> its share of the position changes -> the position

Theory of operation. A position is the sum of the shares of its orders, signed: bought above zero, sold below. `paid` is the
sum of what they paid, so quantity, `paid` and everything that follows from a closed position are exact, whatever came in which
order, and a void takes its share back to the last digit. `cost` is what the open quantity was entered at; it moves with
entries, shrinks in proportion with exits, and begins anew where a position goes through zero. Realised is what these two
leave: `cost - paid`. Only `cost` depends on the order of fills; the last of them are kept, so that a void or a correction of a
fill is as if that fill had never been, or had always been so.

Rules
- An order counts from the moment on at which its instrument and side are known, with all that has filled of it.
- Fees are kept apart, per currency; they lower no quantity here.
- Only `cost` is ever divided, and rounded to 28 digits then; it is exactly zero again when the position is.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from partfill.model.numbers import ZERO, add, mul, ratio, sub

KEPT = 64
"""Fills of an open position whose order is remembered; older ones are folded into one."""


class Share(NamedTuple):
    """What one order contributes: signed quantity (units) and value (quote currency), and its fees per currency."""

    qty: Decimal = ZERO
    value: Decimal = ZERO
    fees: tuple[tuple[str, Decimal], ...] = ()
    unpriced: bool = False
    """True while some of the quantity has no price: the value is too small then."""


NOTHING = Share()


class Moved(NamedTuple):
    """One change of a position by order `child`: signed quantity and value."""

    child: int
    qty: Decimal
    value: Decimal


class Position:
    """One account's position in one instrument. Quantities in units, values in quote currency, times ns UTC."""

    __slots__ = (
        *("account", "base_cost", "base_qty", "changed", "cost", "differs", "fees", "instrument", "number", "paid", "qty"),
        *("recent", "rounds", "since", "told", "unpriced", "venue"),
    )

    def __init__(self, number: int, venue: str, account: str, instrument: str) -> None:
        self.number = number
        self.venue = venue
        self.account = account
        self.instrument = instrument
        self.qty = ZERO
        """Signed: above zero is long."""
        self.paid = ZERO
        """Paid for all that was bought, less what was got for all that was sold, ever."""
        self.cost = ZERO
        """What the open quantity was entered at, signed like it."""
        self.fees: dict[str, Decimal] = {}
        self.unpriced = 0
        """Orders of which some quantity has no price yet: until it has, cost and realised are without it."""
        self.rounds = 0
        """How often it was opened from zero, or went through it."""
        self.since = 0
        """When it was opened."""
        self.changed = 0
        self.differs = 0
        """Since when the venue says that something else is held (ns UTC); 0 while it does not."""
        self.told = False
        """True once a person was told that it does."""
        self.base_qty = self.base_cost = ZERO
        """What it was before the fills of `recent`."""
        self.recent: list[Moved] = []
        """The last fills, oldest first."""

    @property
    def realised(self) -> Decimal:
        """What was made of what is closed, quote currency, before fees."""
        return sub(self.cost, self.paid)

    @property
    def avg_px(self) -> Decimal | None:
        """Average price of entry, 28 digits; None without a position or while a price is missing."""
        return None if not self.qty or self.unpriced else ratio(self.cost, self.qty)

    def move(self, child: int, before: Share, after: Share, now: int) -> None:
        """The share of one order is `after` and was `before`."""
        qty, value = sub(after.qty, before.qty), sub(after.value, before.value)
        if before.fees is not after.fees:
            self._fees(before, after)
        self.unpriced += after.unpriced - before.unpriced
        self.changed = now
        if not qty and not value:
            return
        buys = (before.qty or after.qty) > ZERO
        if qty and (qty > ZERO) is buys:
            if self.qty and (self.qty > ZERO) is buys:
                # More of the same.
                self.qty, self.cost, self.paid = add(self.qty, qty), add(self.cost, value), add(self.paid, value)
                self.recent.append(Moved(child, qty, value))
                if len(self.recent) > KEPT:
                    self._fold()
                return
            self._append(Moved(child, qty, value), now)
        else:
            self._amend(child, qty, value, now)

    # ------------------------------------------------------------------ inside

    def _fees(self, before: Share, after: Share) -> None:
        for currency, amount in before.fees:
            self.fees[currency] = sub(self.fees.get(currency, ZERO), amount)
        for currency, amount in after.fees:
            self.fees[currency] = add(self.fees.get(currency, ZERO), amount)
        self.fees = {currency: amount for currency, amount in self.fees.items() if amount}

    def _append(self, moved: Moved, now: int) -> None:
        """One more fill."""
        if not self.qty:
            # A new round: what was before is over, and closed.
            self.base_qty = self.base_cost = ZERO
            self.recent = []
        was = self.qty
        self.recent.append(moved)
        self.qty, self.cost = _after(self.qty, self.cost, moved)
        self.paid = add(self.paid, moved.value)
        if self.qty and (not was or (was > ZERO) is not (self.qty > ZERO)):
            self.rounds += 1
            self.since = now
        if len(self.recent) > KEPT:
            self._fold()

    def _fold(self) -> None:
        """The oldest fill is remembered as a part of what was there before the others."""
        self.base_qty, self.base_cost = _after(self.base_qty, self.base_cost, self.recent.pop(0))

    def _amend(self, child: int, qty: Decimal, value: Decimal, now: int) -> None:
        """Less, or at another price, than was counted: the fills that are remembered are as if it had always been so."""
        left_qty, left_value = qty, value
        exact = Moved(child, mul(qty, Decimal(-1)), mul(value, Decimal(-1)))
        if exact in self.recent:
            # The newest of those that look like it.
            place = len(self.recent) - 1 - self.recent[::-1].index(exact)
            del self.recent[place]
            left_qty = left_value = ZERO
        else:
            for place in range(len(self.recent) - 1, -1, -1):
                each = self.recent[place]
                if each.child != child or not (left_qty or left_value):
                    continue
                taken = left_qty if abs(left_qty) <= abs(each.qty) else mul(each.qty, Decimal(-1))
                worth = left_value if taken == left_qty else mul(each.value, Decimal(-1))
                self.recent[place] = Moved(child, add(each.qty, taken), add(each.value, worth))
                left_qty, left_value = sub(left_qty, taken), sub(left_value, worth)
            self.recent = [each for each in self.recent if each.qty or each.value]
        was = self.qty
        self.paid = add(self.paid, value)
        self.qty, self.cost = self.base_qty, self.base_cost
        for each in self.recent:
            self.qty, self.cost = _after(self.qty, self.cost, each)
        if left_qty or left_value:
            # It is of a time that nobody remembers: as a trade of its own.
            older = Moved(child, left_qty, left_value)
            self.recent.append(older)
            self.qty, self.cost = _after(self.qty, self.cost, older)
        if self.qty and (not was or (was > ZERO) is not (self.qty > ZERO)):
            self.rounds += 1
            self.since = now


def _after(qty: Decimal, cost: Decimal, moved: Moved) -> tuple[Decimal, Decimal]:
    """Quantity and cost after one fill."""
    total = add(qty, moved.qty)
    if not total:
        return ZERO, ZERO
    if not moved.qty:
        return total, add(cost, moved.value)
    if not qty or (qty > ZERO) is (moved.qty > ZERO):
        return total, add(cost, moved.value)
    if (total > ZERO) is (qty > ZERO):
        return total, ratio(mul(cost, total), qty)
    # Through zero: what is left of the fill opens the other side.
    return total, ratio(mul(moved.value, total), moved.qty)
