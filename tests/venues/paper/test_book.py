"""The order book: price, then time; and what must hold of any book after anything."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partfill.model.words import Side, TimeInForce
from partfill.venues.paper.book import Book, BookOrder

D = Decimal
BUY, SELL = Side.BUY, Side.SELL


class Pit:
    """A book, every order that ever came, and every trade."""

    def __init__(self) -> None:
        self.trades: list[tuple[str, str, Decimal, Decimal]] = []
        self.book = Book(self._traded)
        self.all: dict[str, BookOrder] = {}

    def _traded(self, maker: BookOrder, taker: BookOrder, qty: Decimal, px: Decimal) -> None:
        self.trades.append((maker.id, taker.id, qty, px))

    def put(
        self, name: str, side: Side, qty: str, price: str | None, tif: TimeInForce = TimeInForce.GTC, **also: bool
    ) -> BookOrder:
        order = self.all[name] = BookOrder(name, side, D(qty), None if price is None else D(price))
        self.why = self.book.submit(order, tif, **also)
        return order


# ---------------------------------------------------------------------- cases


def test_the_better_price_fills_first_and_then_the_older_order() -> None:
    pit = Pit()
    pit.put("late", SELL, "5", "10.00")
    pit.put("worse", SELL, "5", "10.01")
    pit.put("later", SELL, "5", "10.00")
    pit.put("me", BUY, "12", "10.01")
    assert pit.trades == [("late", "me", D(5), D(10)), ("later", "me", D(5), D(10)), ("worse", "me", D(2), D("10.01"))]


def test_what_does_not_cross_rests() -> None:
    pit = Pit()
    pit.put("ask", SELL, "5", "10.01")
    order = pit.put("bid", BUY, "7", "10.00")
    assert (pit.trades, order.open, pit.book.best(BUY), pit.book.best(SELL)) == ([], 7, D(10), D("10.01"))
    assert pit.book.depth(BUY) == [(D(10), D(7))]


def test_an_order_trades_at_the_resting_price() -> None:
    pit = Pit()
    pit.put("ask", SELL, "5", "9")
    pit.put("bid", BUY, "5", "11")
    assert pit.trades == [("ask", "bid", D(5), D(9))]


def test_less_quantity_keeps_the_place_and_more_loses_it() -> None:
    for total, first in (("4", "a"), ("5", "a"), ("6", "b")):
        pit = Pit()
        a = pit.put("a", BUY, "5", "10")
        pit.put("b", BUY, "5", "10")
        pit.book.replace(a, D(total), D(10))
        pit.put("taker", SELL, "1", "10")
        assert pit.trades[0][0] == first, total


def test_another_price_and_back_loses_the_place() -> None:
    pit = Pit()
    a = pit.put("a", BUY, "5", "10")
    pit.put("b", BUY, "5", "10")
    pit.book.replace(a, D(5), D("9.99"))
    pit.book.replace(a, D(5), D(10))
    assert pit.book.ahead(a) == 5


def test_a_replace_counts_what_has_filled() -> None:
    pit = Pit()
    a = pit.put("a", BUY, "10", "10")
    pit.put("taker", SELL, "4", "10")
    pit.book.replace(a, D(7), D(10))
    assert (a.filled, a.open, pit.book.depth(BUY)) == (4, 3, [(D(10), D(3))])


def test_a_replace_across_the_book_takes() -> None:
    pit = Pit()
    pit.put("ask", SELL, "3", "10.05")
    a = pit.put("a", BUY, "5", "10")
    pit.book.replace(a, D(5), D("10.05"))
    assert (a.filled, a.open, pit.book.best(BUY)) == (3, 2, D("10.05"))


def test_a_market_order_that_finds_too_little_leaves_nothing() -> None:
    pit = Pit()
    pit.put("ask", SELL, "3", "10")
    order = pit.put("me", BUY, "5", None)
    assert (order.filled, order.open, order.canceled, pit.why, pit.book.best(BUY)) == (3, 0, 2, "no_liquidity", None)


def test_whoever_hears_of_a_trade_may_take_the_next_order_out() -> None:
    pit = Pit()
    first = pit.put("first", SELL, "5", "10")
    second = pit.put("second", SELL, "5", "10")
    pit.put("third", SELL, "5", "10")
    pit.book._on_trade = lambda maker, taker, qty, px: pit.book.cancel(second) if maker is first else None
    order = pit.put("me", BUY, "12", "10")
    assert (order.filled, second.filled, second.canceled, pit.book.depth(SELL)) == (10, 0, 5, [])


@pytest.mark.parametrize(("qty", "filled"), [("8", "8"), ("9", "0")])
def test_fill_or_kill_looks_at_all_levels_within_its_limit(qty: str, filled: str) -> None:
    pit = Pit()
    pit.put("a", SELL, "3", "10")
    pit.put("b", SELL, "5", "10.01")
    pit.put("c", SELL, "5", "10.02")
    order = pit.put("me", BUY, qty, "10.01", TimeInForce.FOK)
    assert (order.filled, order.open) == (D(filled), 0)


# ---------------------------------------------------------------------- any sequence

PRICES = st.integers(95, 105)
SIZES = st.integers(1, 20)
KINDS = st.sampled_from(["gtc", "gtc", "gtc", "ioc", "fok", "post", "market"])
PUT = st.tuples(st.just("put"), st.sampled_from([BUY, SELL]), SIZES, PRICES, KINDS)
CANCEL = st.tuples(st.just("cancel"), st.integers(0, 60))
REPLACE = st.tuples(st.just("replace"), st.integers(0, 60), SIZES, PRICES)
STEPS = st.lists(st.one_of(PUT, CANCEL, REPLACE), max_size=60)


class Model:
    """The same book as a plain list, oldest first: slow, and evidently right."""

    def __init__(self) -> None:
        self.rows: list[list[object]] = []
        """[id, side, price, open] in order of their place in time"""

    def take(self, side: Side, qty: Decimal, limit: Decimal | None) -> list[tuple[str, Decimal, Decimal]]:
        trades = []
        while qty:
            others = [row for row in self.rows if row[1] is not side and (limit is None or _meets(side, limit, row[2]))]
            if not others:
                break
            best = (min if side is BUY else max)(row[2] for row in others)
            row = next(row for row in others if row[2] == best)
            done = min(qty, row[3])
            trades.append((row[0], done, best))
            row[3] -= done
            qty -= done
            if not row[3]:
                self.rows.remove(row)
        return trades

    def put(
        self, name: str, side: Side, qty: Decimal, limit: Decimal | None, rests: bool
    ) -> list[tuple[str, Decimal, Decimal]]:
        trades = self.take(side, qty, limit)
        rest = qty - sum((each[1] for each in trades), D(0))
        if rest and rests:
            self.rows.append([name, side, limit, rest])
        return trades


def _meets(side: Side, limit: Decimal, price: Decimal) -> bool:
    return price <= limit if side is BUY else price >= limit


@given(STEPS)
def test_any_book_trades_like_the_plain_list(steps: list[tuple]) -> None:
    pit, model = Pit(), Model()
    names: list[str] = []
    for number, step in enumerate(steps):
        told = len(pit.trades)
        expected: list[tuple[str, Decimal, Decimal]] = []
        if step[0] == "put":
            _, side, size, price, kind = step
            name, limit = f"n{number}", None if kind == "market" else D(price)
            tif = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}.get(kind, TimeInForce.GTC)
            names.append(name)
            within = sum(
                (row[3] for row in model.rows if row[1] is not side and (limit is None or _meets(side, limit, row[2]))), D(0)
            )
            order = pit.put(name, side, str(size), None if limit is None else str(price), tif, post_only=kind == "post")
            if kind == "post" and within:
                assert (order.filled, order.open, pit.why) == (0, 0, "post_only"), "post-only never takes"
            elif kind == "fok" and within < size:
                assert (order.filled, order.open, pit.why) == (0, 0, "fok"), "all or nothing"
            else:
                expected = model.put(name, side, D(size), limit, kind in ("gtc", "post"))
            if kind in ("ioc", "fok", "market"):
                assert (order.level, order.open) == (None, 0), "nothing of it stays"
            if kind == "fok":
                assert order.filled in (0, size)
        elif names:
            name = names[step[1] % len(names)]
            order = pit.all[name]
            row = next((row for row in model.rows if row[0] == name), None)
            assert (row is not None) == (name in pit.book.orders)
            if row is None:
                continue
            if step[0] == "cancel":
                assert pit.book.cancel(order) == row[3]
                model.rows.remove(row)
            else:
                total, price = max(D(step[2]), order.filled), D(step[3])
                stays = price == row[2] and total <= order.total
                opened = total - order.filled
                pit.book.replace(order, total, price)
                if stays and opened:
                    row[3] = opened
                else:
                    model.rows.remove(row)
                    if opened:
                        expected = model.put(name, row[1], opened, price, True)
        assert [(maker, qty, px) for maker, _, qty, px in pit.trades[told:]] == expected
        check(pit, model)


def check(pit: Pit, model: Model) -> None:
    book = pit.book
    bid, ask = book.best(BUY), book.best(SELL)
    assert bid is None or ask is None or bid < ask, "a crossed book"
    traded = dict.fromkeys(pit.all, D(0))
    for maker, taker, qty, _ in pit.trades:
        traded[maker] += qty
        traded[taker] += qty
    for name, order in pit.all.items():
        assert order.filled == traded[name]
        assert order.total == order.filled + order.open + order.canceled
        assert min(order.open, order.canceled) >= 0
        assert (order.level is not None) == (name in book.orders) == (order.open > 0)
    assert {row[0]: row[3] for row in model.rows} == {name: order.open for name, order in book.orders.items()}
    for side in (BUY, SELL):
        prices = {row[2] for row in model.rows if row[1] is side}
        sizes = {price: sum(row[3] for row in model.rows if row[1] is side and row[2] == price) for price in prices}
        assert dict(book.depth(side, 100)) == sizes
        assert [price for price, _ in book.depth(side, 100)] == sorted(prices, reverse=side is BUY)
