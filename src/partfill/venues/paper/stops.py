"""Stops that wait for a price: a buy for a trade at or above its stop price, a sell for one at or below it.

They are triggered nearest first, and at one price in the order in which they came.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from decimal import Decimal

from partfill.model.words import Side
from partfill.venues.paper.orders import PaperOrder


class Stops:
    """The waiting stops of one instrument."""

    __slots__ = ("_buys", "_orders", "_sells")

    def __init__(self) -> None:
        self._buys: list[tuple[Decimal, int]] = []
        self._sells: list[tuple[Decimal, int]] = []
        self._orders: dict[int, PaperOrder] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def add(self, order: PaperOrder) -> None:
        """Let it wait."""
        waiting, entry = self._place(order)
        self._orders[order.number] = order
        insort(waiting, entry)

    def remove(self, order: PaperOrder) -> None:
        """It waits no more; nothing happens when it did not."""
        if self._orders.pop(order.number, None) is not None:
            waiting, entry = self._place(order)
            del waiting[bisect_left(waiting, entry)]

    def due(self, low: Decimal, high: Decimal) -> PaperOrder | None:
        """Take out the next stop that trades between `low` and `high` trigger, None when there is none."""
        if self._buys and self._buys[0][0] <= high:
            return self._orders.pop(self._buys.pop(0)[1])
        if self._sells and self._sells[-1][0] >= low:
            return self._orders.pop(-self._sells.pop()[1])
        return None

    def _place(self, order: PaperOrder) -> tuple[list[tuple[Decimal, int]], tuple[Decimal, int]]:
        stop = order.terms.stop_px
        assert stop is not None
        if order.side is Side.BUY:
            return self._buys, (stop, order.number)
        # Sells go from the top down, so the older of two at one price has to sort behind the younger.
        return self._sells, (stop, -order.number)


__all__ = ["Stops"]
