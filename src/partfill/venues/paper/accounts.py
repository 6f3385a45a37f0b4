"""What the paper exchange keeps per account and per listed instrument. Plain records; `exchange` moves them."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from partfill.model.observations import Execution
from partfill.venues.paper.book import Book
from partfill.venues.paper.listing import Listing
from partfill.venues.paper.orders import PaperOrder
from partfill.venues.paper.stops import Stops
from partfill.venues.paper.tape import Tape


class Account:
    """One account: its orders by both ids, what works, what filled."""

    __slots__ = ("clients", "executions", "forgotten_until", "orders", "working")

    def __init__(self, remember: int) -> None:
        self.orders: dict[str, PaperOrder] = {}
        self.clients: dict[str, PaperOrder] = {}
        self.working: dict[str, PaperOrder] = {}
        """By order id, in order of arrival."""
        self.executions: deque[Execution] = deque(maxlen=remember)
        self.forgotten_until: int | None = None
        """Time of the newest execution that is no longer kept (ns UTC)."""


class Market:
    """One listed instrument: book, stops, what traded lately, last price, and the range traded since stops were looked at."""

    __slots__ = ("book", "high", "last", "listing", "low", "stops", "tape")

    def __init__(self, listing: Listing, book: Book) -> None:
        self.listing = listing
        self.book = book
        self.stops = Stops()
        self.tape = Tape()
        self.last: Decimal | None = None
        self.low: Decimal | None = None
        self.high: Decimal | None = None


__all__ = ["Account", "Market"]
