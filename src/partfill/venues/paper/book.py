"""The order book of one instrument: price levels, first come first served inside each. Pure: no clock, no I/O, no luck.

Theory of operation. Either side is a sorted list of prices and a queue per price. Whoever comes in takes from the best
level of the other side, oldest order first, at the resting order's price, until it is filled or its limit is reached;
what is left rests at the back of its own level, or is taken off when it may not rest. Orders of accounts and of the
market's other participants stand in the same queues, so an order of ours fills when its turn comes and not before.

Rules
- Of every order: total = filled + open + canceled. Nothing else changes `filled` but a trade.
- A trade is told (`on_trade`) after both orders and their level are up to date. Whoever hears it may reduce or cancel
  orders of this very book; matching looks at the book anew after each trade.
- A replace to no more than the order's total at its own price keeps its place; another price or more quantity goes to
  the back of the queue, and may take at once.
- Exact decimals only.

It knows no accounts, no positions, no fees, no ticks: that is the exchange.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Iterator
from decimal import Decimal

from partfill.model.numbers import ZERO, add, sub
from partfill.model.words import Side, TimeInForce

_BUY = Side.BUY


class BookOrder:
    """One order as a book sees it. `owner` is whatever its maker hangs on it, None for other participants of the market.

    Quantities in units, `price` in quote currency, None for a market order.
    """

    __slots__ = ("filled", "id", "level", "open", "owner", "price", "side", "total")

    def __init__(self, id: str, side: Side, total: Decimal, price: Decimal | None, owner: object = None) -> None:
        self.id = id
        self.side = side
        self.total = total
        self.price = price
        self.owner = owner
        self.filled = ZERO
        self.open = total
        """What may still fill."""
        self.level: Level | None = None
        """Where it rests; None while it does not."""

    @property
    def canceled(self) -> Decimal:
        """What was taken off without a fill, units."""
        return sub(sub(self.total, self.filled), self.open)


class Level:
    """All that rests at one price, oldest first."""

    __slots__ = ("price", "queue", "size")

    def __init__(self, price: Decimal) -> None:
        self.price = price
        # Ordered both ways in O(1): a plain dict whose front is eaten away is scanned from its start every time.
        self.queue: OrderedDict[str, BookOrder] = OrderedDict()
        self.size = ZERO


class _Half:
    """One side of a book."""

    __slots__ = ("best", "buy", "levels", "prices")

    def __init__(self, side: Side) -> None:
        self.buy = side is _BUY
        self.prices: list[Decimal] = []
        self.levels: dict[Decimal, Level] = {}
        self.best: Level | None = None

    def at(self, price: Decimal) -> Level:
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = Level(price)
            insort(self.prices, price)
            self.best = self.levels[self.prices[-1 if self.buy else 0]]
        return level

    def drop(self, level: Level) -> None:
        del self.levels[level.price]
        prices = self.prices
        del prices[bisect_left(prices, level.price)]
        if level is self.best:
            self.best = self.levels[prices[-1 if self.buy else 0]] if prices else None


OnTrade = Callable[[BookOrder, BookOrder, Decimal, Decimal], None]
"""Called with (resting order, incoming order, quantity in units, price)."""


class Book:
    """One instrument's orders. `orders` holds those that rest, by id."""

    __slots__ = ("_asks", "_bids", "_on_trade", "orders")

    def __init__(self, on_trade: OnTrade) -> None:
        self._bids = _Half(Side.BUY)
        self._asks = _Half(Side.SELL)
        self._on_trade = on_trade
        self.orders: dict[str, BookOrder] = {}

    # ------------------------------------------------------------------ what stands

    def best(self, side: Side) -> Decimal | None:
        """The best price of a side, None when it is empty."""
        best = (self._bids if side is _BUY else self._asks).best
        return None if best is None else best.price

    def depth(self, side: Side, levels: int = 5) -> list[tuple[Decimal, Decimal]]:
        """(price, quantity) of the best `levels` levels of a side, best first."""
        half = self._bids if side is _BUY else self._asks
        prices = half.prices[: -levels - 1 : -1] if half.buy else half.prices[:levels]
        return [(price, half.levels[price].size) for price in prices]

    def standing(self, side: Side) -> Iterator[BookOrder]:
        """Every resting order of a side in the order in which they would fill. Not to be changed on the way."""
        half = self._bids if side is _BUY else self._asks
        for price in reversed(half.prices) if half.buy else half.prices:
            yield from half.levels[price].queue.values()

    def beyond(self, side: Side, levels: int) -> list[BookOrder]:
        """Every resting order behind the best `levels` levels of a side, in no order."""
        half = self._bids if side is _BUY else self._asks
        if len(half.prices) <= levels:
            return []
        prices = half.prices[:-levels] if half.buy else half.prices[levels:]
        return [order for price in prices for order in half.levels[price].queue.values()]

    def ahead(self, order: BookOrder) -> Decimal:
        """Quantity that stands before a resting order at its own price, units. Raises `KeyError` when it does not rest."""
        if order.level is None:
            raise KeyError(order.id)
        before = ZERO
        for each in order.level.queue.values():
            if each is order:
                break
            before = add(before, each.open)
        return before

    def before(self, order: BookOrder) -> Decimal:
        """Quantity that fills before a resting order: better prices of its side, and what is older at its own; units.

        Raises `KeyError` when it does not rest.
        """
        found = self.ahead(order)
        half = self._bids if order.side is _BUY else self._asks
        assert order.price is not None
        for price in reversed(half.prices) if half.buy else half.prices:
            if price == order.price:
                break
            found = add(found, half.levels[price].size)
        return found

    def crosses(self, side: Side, price: Decimal | None) -> bool:
        """Whether an order of this side and limit (None: any price) would take something now."""
        best = (self._asks if side is _BUY else self._bids).best
        if best is None:
            return False
        return price is None or (best.price <= price if side is _BUY else best.price >= price)

    def available(self, side: Side, price: Decimal | None, enough: Decimal) -> bool:
        """Whether an order of this side could take `enough` units within its limit `price`."""
        half = self._asks if side is _BUY else self._bids
        found = ZERO
        for at in half.prices if side is _BUY else reversed(half.prices):
            if price is not None and (at > price if side is _BUY else at < price):
                break
            found = add(found, half.levels[at].size)
            if found >= enough:
                return True
        return False

    # ------------------------------------------------------------------ what happens

    def submit(self, order: BookOrder, tif: TimeInForce = TimeInForce.GTC, *, post_only: bool = False) -> str | None:
        """Match an order and let the rest of it stand. Returns None, or why what was left was taken off:

        "post_only" (it would have taken), "fok" (not all of it could fill), "ioc", "no_liquidity" (a market order).
        """
        if post_only and self.crosses(order.side, order.price):
            order.open = ZERO
            return "post_only"
        if tif is TimeInForce.FOK and not self.available(order.side, order.price, order.open):
            order.open = ZERO
            return "fok"
        self._take(order)
        if not order.open:
            return None
        if order.price is None:
            order.open = ZERO
            return "no_liquidity"
        if tif is TimeInForce.IOC or tif is TimeInForce.FOK:
            order.open = ZERO
            return "ioc"
        level = (self._bids if order.side is _BUY else self._asks).at(order.price)
        level.queue[order.id] = order
        level.size = add(level.size, order.open)
        order.level = level
        self.orders[order.id] = order
        return None

    def cancel(self, order: BookOrder) -> Decimal:
        """Take off what is open of an order, resting or not; returns how much it was, units."""
        was = order.open
        if order.level is not None:
            self._leave(order, order.level)
        order.open = ZERO
        return was

    def change(self, order: BookOrder, total: Decimal, price: Decimal | None) -> bool:
        """New terms for an order: `total` includes what has filled and is at least that.

        True when the order lost its place: it is out of the book with its new terms, and `submit` brings it back.
        """
        opened = sub(total, order.filled)
        level = order.level
        if level is not None and (price == level.price and total <= order.total):
            level.size = sub(level.size, sub(order.open, opened))
            order.total, order.open = total, opened
            if not opened:
                self._leave(order, level)
            return False
        moved = level is not None
        if level is not None:
            self._leave(order, level)
        order.total, order.open, order.price = total, opened, price
        return moved and opened > ZERO

    def replace(self, order: BookOrder, total: Decimal, price: Decimal | None) -> None:
        """`change` and, when the order lost its place, `submit`."""
        if self.change(order, total, price):
            self.submit(order)

    def copied(self, on_trade: OnTrade) -> Book:
        """The same resting orders in another book, in the same places and with what each has filled; nobody owns them there."""
        other = Book(on_trade)
        for side in (Side.BUY, Side.SELL):
            for order in self.standing(side):
                again = BookOrder(order.id, side, order.total, order.price)
                again.filled, again.open = order.filled, order.open
                other.submit(again)
        return other

    # ------------------------------------------------------------------ inside

    def _take(self, taker: BookOrder) -> None:
        buy = taker.side is _BUY
        half = self._asks if buy else self._bids
        limit = taker.price
        while taker.open:
            level = half.best
            if level is None:
                return
            px = level.price
            if limit is not None and (px > limit if buy else px < limit):
                return
            maker = next(iter(level.queue.values()))
            qty = taker.open if taker.open < maker.open else maker.open
            taker.open = sub(taker.open, qty)
            taker.filled = add(taker.filled, qty)
            maker.filled = add(maker.filled, qty)
            if qty is maker.open or qty == maker.open:
                self._leave(maker, level)
                maker.open = ZERO
            else:
                maker.open = sub(maker.open, qty)
                level.size = sub(level.size, qty)
            self._on_trade(maker, taker, qty, px)

    def _leave(self, order: BookOrder, level: Level) -> None:
        del level.queue[order.id]
        del self.orders[order.id]
        order.level = None
        if level.queue:
            level.size = sub(level.size, order.open)
        else:
            (self._bids if order.side is _BUY else self._asks).drop(level)


__all__ = ["Book", "BookOrder", "Level", "OnTrade"]
