"""Positions: what fills add up to per account and instrument, what it cost, and what was made of it. Exact.

    a child's filled quantity or value changes -> its share of the position changes -> the position

Theory of operation. A position is the sum of the shares of its orders, signed: bought above zero, sold below. `paid` is the
sum of what they paid, so quantity, `paid` and everything that follows from a closed position are exact, whatever came in which
order, and a void takes its share back to the last digit. `cost` is what the open quantity was entered at; it moves with
entries, shrinks in proportion with exits, and begins anew where a position goes through zero. Realised is what these two
leave: `cost - paid`. Only `cost` depends on the order of fills; the last of them are kept, so that a void or a correction of a
fill is as if that fill had never been, or had always been so.

A fee that is taken in the base asset is a part of the fill that does not stay: of 1 bought for 100 with a fee of 0.001 there is
0.999, entered at 99.9, and 0.1 is spent. So `held` is what fills and such fees leave, `cost` is what that was entered at, and
realised has such fees in it, at the price of their fills.

Rules
- An order counts from the moment on at which its instrument and side are known, with all that has filled of it.
- Fees are kept per currency. Only those in the base asset lower what is held; `qty` is what fills add up to, whatever the fees.
- Sums here are price times units. The multiplier of an instrument is applied where a result is read: `gross` and `net`.
- Only `cost` is ever divided, and rounded to 28 digits then; it is exactly zero again when nothing is held.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from partfill.model.inputs import InstrumentListed
from partfill.model.numbers import ZERO, add, mul, ratio, sub

ONE = Decimal(1)
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
        *("account", "base", "base_cost", "base_qty", "changed", "cost", "differs", "fees", "gross_from", "held", "instrument"),
        *("multiplier", "net_from", "number", "paid", "quote", "recent", "rounds", "since", "theirs", "told", "unpriced"),
        "venue",
    )

    def __init__(self, number: int, venue: str, account: str, instrument: str) -> None:
        self.number = number
        self.venue = venue
        self.account = account
        self.instrument = instrument
        self.quote: str | None = None
        """Currency of its prices; None while no venue said."""
        self.base: str | None = None
        """Currency of one unit: fees in it lower what is held. None while nobody said, and for contracts."""
        self.multiplier = ONE
        """Quote currency per price point and unit."""
        self.held = ZERO
        """What is there, signed, above zero is long: fills less the fees that were taken in the base asset."""
        self.paid = ZERO
        """Paid for all that was bought, less what was got for all that was sold, ever."""
        self.cost = ZERO
        """What is held was entered at, signed like it."""
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
        self.theirs: Decimal | None = None
        """What it says, while that differs."""
        self.gross_from = ZERO
        """What `gross` was when it was opened last."""
        self.net_from: Decimal | None = ZERO
        """The same of `net`; None where that could not be told."""
        self.told = False
        """True once a person was told that it does."""
        self.base_qty = self.base_cost = ZERO
        """What it was before the fills of `recent`."""
        self.recent: list[Moved] = []
        """The last fills, oldest first."""

    @property
    def qty(self) -> Decimal:
        """What fills add up to, signed: above zero is long."""
        taken = self.fees.get(self.base) if self.base is not None else None
        return self.held if taken is None else add(self.held, taken) or ZERO

    @property
    def realised(self) -> Decimal:
        """What was made of what is closed, price times units, before all fees but those in the base asset."""
        return sub(self.cost, self.paid)

    @property
    def gross(self) -> Decimal:
        """The same in quote currency, with the multiplier."""
        return self.realised if self.multiplier == ONE else mul(self.realised, self.multiplier)

    @property
    def net(self) -> Decimal | None:
        """What was made of what is closed less every fee ever, in quote currency; None while that cannot be told.

        Fees in the base asset are in it by what they cost, fees in the quote currency are taken off; those in another currency
        stay apart in `fees`, never converted. A fee without a currency is in that of the deal, as in FIX (479, CommCurrency).
        It cannot be told while a price is missing, and while a fee has a currency and nobody said which one prices are in: it
        may be that one or another. A fee that no venue has told yet is not in it.
        """
        if self.unpriced:
            return None
        net = self.gross
        for currency, amount in self.fees.items():
            if currency == self.base:
                continue
            if currency == self.quote or not currency:
                net = sub(net, amount)
            elif self.quote is None:
                return None
        return net

    @property
    def avg_px(self) -> Decimal | None:
        """Average price of entry, 28 digits; None where nothing is held or while a price is missing."""
        return None if not self.held or self.unpriced else ratio(self.cost, self.held)

    def learn(self, listed: InstrumentListed, now: int) -> None:
        """What the venue says of the instrument. A base asset that it does not name is what it was."""
        self.quote, self.multiplier = listed.quote, listed.multiplier
        if listed.unit is not None:
            self.rebase(listed.unit, now)

    def rebase(self, base: str, now: int) -> None:
        """A unit is one of this currency: what fees took of it already goes at the average price of entry."""
        before = self.qty
        self.base = base
        more = sub(before, self.qty)
        if more:
            worth = ratio(mul(self.cost, more), self.held) if self.held else ZERO
            # Nothing was paid for it, or got.
            self.paid = sub(self.paid, worth)
            self.changed = now
            self._append(Moved(0, more, worth), now)

    def move(self, child: int, before: Share, after: Share, now: int, became: tuple[Decimal, Decimal] | None = None) -> None:
        """The share of one order is `after` and was `before`.

        `became`: where that is since one execution was corrected or taken back, what is left of it (signed quantity, value).
        """
        qty, value = sub(after.qty, before.qty), sub(after.value, before.value)
        if before.fees is not after.fees:
            self._fees(before, after)
            if self.base is not None:
                less = self._less_taken(self.base, before, after, value)
                became = became if less == (qty, value) else None
                qty, value = less
        self.unpriced += after.unpriced - before.unpriced
        self.changed = now
        if not qty and not value:
            return
        buys = (before.qty or after.qty) > ZERO
        if qty and (qty > ZERO) is buys:
            if before.unpriced and before.qty:
                # What had no price has one now: it is none of the fill that came with it.
                late = sub(ratio(mul(after.value, before.qty), after.qty), before.value)
                self._amend(child, ZERO, late, now, None)
                value = sub(value, late)
            if self.held and (self.held > ZERO) is buys:
                # More of the same.
                self.held, self.cost, self.paid = add(self.held, qty), add(self.cost, value), add(self.paid, value)
                self.recent.append(Moved(child, qty, value))
                if len(self.recent) > KEPT:
                    self._fold()
                return
            self._append(Moved(child, qty, value), now)
        else:
            self._amend(child, qty, value, now, became)

    # ------------------------------------------------------------------ inside

    def _fees(self, before: Share, after: Share) -> None:
        for currency, amount in before.fees:
            self.fees[currency] = sub(self.fees.get(currency, ZERO), amount)
        for currency, amount in after.fees:
            self.fees[currency] = add(self.fees.get(currency, ZERO), amount)
        self.fees = {currency: amount for currency, amount in self.fees.items() if amount}

    def _less_taken(self, base: str, before: Share, after: Share, value: Decimal) -> tuple[Decimal, Decimal]:
        """(quantity, value) by which what is held of the order's share changes, where its value changes by `value`."""
        was, now = _kept(before, base), _kept(after, base)
        worth = sub(now[1], was[1])
        # What the fee took was paid for all the same.
        self.paid = add(self.paid, sub(value, worth))
        return sub(now[0], was[0]), worth

    def _append(self, moved: Moved, now: int) -> None:
        """One more fill."""
        if not self.held:
            # A new round: what was before is over, and closed.
            self.base_qty = self.base_cost = ZERO
            self.recent = []
        was = self.held
        self.recent.append(moved)
        self.held, self.cost = _after(self.held, self.cost, moved)
        self.paid = add(self.paid, moved.value)
        if self.held and (not was or (was > ZERO) is not (self.held > ZERO)):
            self.rounds += 1
            self.since = now
        if len(self.recent) > KEPT:
            self._fold()

    def _fold(self) -> None:
        """The oldest fill is remembered as a part of what was there before the others."""
        self.base_qty, self.base_cost = _after(self.base_qty, self.base_cost, self.recent.pop(0))

    def _amend(self, child: int, qty: Decimal, value: Decimal, now: int, became: tuple[Decimal, Decimal] | None) -> None:
        """Less, or at another price, than was counted: the fills that are remembered are as if it had always been so."""
        left_qty, left_value = qty, value
        became = became or (ZERO, ZERO)
        exact = Moved(child, sub(became[0], qty), sub(became[1], value))
        if exact in self.recent:
            # The newest of those that look like it.
            place = len(self.recent) - 1 - self.recent[::-1].index(exact)
            self.recent[place : place + 1] = [Moved(child, *became)] if became[0] else []
            left_qty = left_value = ZERO
        else:
            for place in range(len(self.recent) - 1, -1, -1):
                each = self.recent[place]
                if not left_qty:
                    break
                if each.child != child or not each.qty:
                    continue
                # Nobody says which fill it was: the newest go, at what they cost, and the others cost the rest.
                taken = left_qty if abs(left_qty) <= abs(each.qty) else mul(each.qty, Decimal(-1))
                worth = mul(each.value, Decimal(-1)) if taken == -each.qty else ratio(mul(each.value, taken), each.qty)
                self.recent[place] = Moved(child, add(each.qty, taken), add(each.value, worth))
                left_qty, left_value = sub(left_qty, taken), sub(left_value, worth)
            # Another price of what is not remembered has no quantity, and stays.
            self.recent = [each for each in self.recent if each.qty or each.value]
            left_value = left_value if left_qty else self._reprice(child, left_value)
        was = self.held
        self.paid = add(self.paid, value)
        self.held, self.cost = self.base_qty, self.base_cost
        for each in self.recent:
            self.held, self.cost = _after(self.held, self.cost, each)
        if left_qty or (left_value and self.base_qty):
            # It is of a time that nobody remembers: as a trade of its own. A price of a round that is over is none of this one.
            older = Moved(child, left_qty, left_value)
            self.recent.append(older)
            self.held, self.cost = _after(self.held, self.cost, older)
        if self.held and (not was or (was > ZERO) is not (self.held > ZERO)):
            self.rounds += 1
            self.since = now

    def _reprice(self, child: int, value: Decimal) -> Decimal:
        """Fills of an order cost `value` more, and nobody says which: all that are remembered cost their average. Returns the
        rest."""
        of = [place for place, each in enumerate(self.recent) if each.child == child and each.qty]
        whole, worth = ZERO, value
        for place in of:
            whole, worth = add(whole, self.recent[place].qty), add(worth, self.recent[place].value)
        if not whole or not value:
            return value
        left = worth
        for place in of:
            qty = self.recent[place].qty
            part = left if place == of[-1] else ratio(mul(worth, qty), whole)
            left = sub(left, part)
            self.recent[place] = Moved(child, qty, part)
        return ZERO


def _kept(share: Share, base: str) -> tuple[Decimal, Decimal]:
    """(quantity, value) of what the fees in this currency leave of a share, signed like it."""
    for currency, taken in share.fees:
        if currency == base:
            qty = sub(share.qty, taken)
            return qty, ratio(mul(share.value, qty), share.qty) if share.qty else share.value
    return share.qty, share.value


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
