"""What traded lately in one instrument, told apart by the side that rested: how fast a queue is being eaten.

Theory of operation. Trades are added up in slots of one second, and slots older than the window are let go of. A rate is
what the slots hold, by the time they span: a whole window, or less while less has been watched.

Rules
- Time is the market's own. It stands while nothing happens anywhere, and a market that is let run faster trades faster.
- A buy that rests fills when somebody sells into it, and by nothing else: what sellers took from bids says how soon, what
  buyers took from offers does not.
- Every trade counts, ours too: the queue got shorter by it.
- Nothing is said before `LEAST_NS` have been watched. Zero is said when nobody traded in all that time.
- A rate is an estimate, kept to six digits. No quantity is ever made from it.
"""

from __future__ import annotations

from collections import deque
from decimal import ROUND_HALF_EVEN, Context, Decimal

from partfill.model.numbers import ZERO, add, mul
from partfill.model.words import Side

SECOND_NS = 1_000_000_000
WINDOW_S = 60
"""How far back a rate looks, in seconds of market time; the running second counts as one."""
LEAST_NS = 10 * SECOND_NS
"""How long a market has to be watched before it has a rate."""
_ESTIMATE = Context(prec=6, rounding=ROUND_HALF_EVEN)


class _Slot:
    """What traded in one second of market time, units: by the side that rested."""

    __slots__ = ("asks", "bids", "second")

    def __init__(self, second: int) -> None:
        self.second = second
        self.bids = self.asks = ZERO


class Tape:
    """The trades of one instrument in the last `WINDOW_S` seconds. Times in ns of market time, quantities in units."""

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots: deque[_Slot] = deque()

    def copied(self) -> Tape:
        """The same trades on a tape of its own."""
        other = Tape()
        for slot in self._slots:
            again = _Slot(slot.second)
            again.bids, again.asks = slot.bids, slot.asks
            other._slots.append(again)
        return other

    def traded(self, at: int, rested: Side, qty: Decimal) -> None:
        """`qty` traded at `at` with an order of side `rested` that stood in the book."""
        second = at // SECOND_NS
        slots = self._slots
        if not slots or slots[-1].second != second:
            slots.append(_Slot(second))
            self._forget(second)
        slot = slots[-1]
        if rested is Side.BUY:
            slot.bids = add(slot.bids, qty)
        else:
            slot.asks = add(slot.asks, qty)

    def rate(self, at: int, since: int, rested: Side | None = None) -> Decimal | None:
        """Units per second that traded up to `at` with resting orders of side `rested`; of both sides for None.

        `since` is when watching began. None while that is less than `LEAST_NS` ago.
        """
        if at - since < LEAST_NS:
            return None
        second = at // SECOND_NS
        self._forget(second)
        total = ZERO
        for slot in self._slots:
            if rested is not Side.SELL:
                total = add(total, slot.bids)
            if rested is not Side.BUY:
                total = add(total, slot.asks)
        span = at - max(since, (second - WINDOW_S + 1) * SECOND_NS)
        return _ESTIMATE.divide(mul(total, Decimal(SECOND_NS)), Decimal(span))

    def _forget(self, second: int) -> None:
        slots = self._slots
        while slots and slots[0].second <= second - WINDOW_S:
            slots.popleft()


__all__ = ["LEAST_NS", "WINDOW_S", "Tape"]
