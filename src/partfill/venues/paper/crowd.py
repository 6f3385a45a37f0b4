"""What the other participants of a market do to a book: each of the four events, and how a recorded one is kept in step.

Theory of operation. A generated or written event simply happens. A recorded one is also news about the market it was
recorded in: an order that is said to have rested found nothing to take there, and an order that is said to have filled was
first in the queue there. Other participants' orders that contradict this are stale (their end was never recorded, or an
order of ours took what would have filled them) and leave. Orders of accounts are never touched: those trade.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from partfill.model.numbers import ZERO, sub
from partfill.model.words import Side, TimeInForce
from partfill.venues.paper.book import Book, BookOrder
from partfill.venues.paper.events import Add, MarketEvent, Reduce, Take

MARKET = "~"
"""Put before the ids of other participants, so that they never meet an order id of an account."""


def happen(book: Book, event: MarketEvent) -> None:
    """Let one event happen. What names an order that is not there does nothing."""
    if isinstance(event, Add):
        name = MARKET + event.id
        if name in book.orders:
            return
        if event.rested and book.crosses(event.side, event.price):
            _leave(book, _crossed(book, event))
        book.submit(BookOrder(name, event.side, event.qty, event.price))
        if event.levels:
            _leave(book, book.beyond(event.side, event.levels))
    elif isinstance(event, Take):
        _take(book, event)
    else:
        resting = book.orders.get(MARKET + event.id)
        if resting is None:
            return
        if isinstance(event, Reduce) and event.qty < resting.open:
            book.change(resting, sub(resting.total, event.qty), resting.price)
        else:
            book.cancel(resting)


def _take(book: Book, event: Take) -> None:
    qty = event.qty
    if event.of is not None:
        resting = book.orders.get(MARKET + event.of)
        if resting is None:
            if event.cum is not None:
                return
        else:
            if event.cum is not None:
                qty = min(qty, sub(event.cum, resting.filled))
            if qty > ZERO:
                _leave(book, _before(book, resting))
    if qty > ZERO:
        book.submit(BookOrder("", event.side, qty, event.price), TimeInForce.IOC)


def _crossed(book: Book, event: Add) -> Iterator[BookOrder]:
    """What an order that is said to rest would take."""
    for order in book.standing(Side.SELL if event.side is Side.BUY else Side.BUY):
        if order.price is None or (order.price > event.price if event.side is Side.BUY else order.price < event.price):
            return
        yield order


def _before(book: Book, resting: BookOrder) -> Iterator[BookOrder]:
    """What stands before an order that is said to fill."""
    for order in book.standing(resting.side):
        if order is resting:
            return
        yield order


def _leave(book: Book, stale: Iterable[BookOrder]) -> None:
    for order in [order for order in stale if order.owner is None]:
        book.cancel(order)


__all__ = ["MARKET", "happen"]
