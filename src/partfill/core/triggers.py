"""Prices that are watched here: when one is reached, and who sees the market.

    a book  ->  what the position could be closed at  ->  a leg whose price is reached fires  ->  its order

Rules
- A long position is closed at what somebody bids, a short one at what somebody asks: that price is held against the leg's.
  Where nobody is on that side, a stop goes by the other side's best price: it is no better.
- What was reached stays so: a stop that fired goes on until the position is closed, whatever the price does meanwhile. A target
  takes what is shown at its price or better, no more, and is watched again: the stop keeps the rest.
- A book that is older than `MAX_AGE_NS` is not believed. While nobody sees the market, what is watched does not cover.
- Under the kill switch nothing fires.
"""

from __future__ import annotations

from decimal import Decimal

from partfill.model.book import Book
from partfill.model.numbers import ZERO, add
from partfill.model.protection import Leg
from partfill.model.words import Side

MAX_AGE_NS = 5_000_000_000


def closing_px(book: Book, side: Side) -> Decimal | None:
    """What a position of `side` could be closed at, or no better; None for an empty book."""
    levels = (book.bids or book.asks) if side is Side.BUY else (book.asks or book.bids)
    return levels[0].px if levels else None


def reached(leg: Leg, side: Side, book: Book) -> Decimal | None:
    """The price that fires a leg of a position of `side`; None while it does not."""
    if leg.stops:
        px = closing_px(book, side)
        assert leg.stop_px is not None
        hit = px is not None and (px <= leg.stop_px if side is Side.BUY else px >= leg.stop_px)
        return px if hit else None
    px = book.best_against(Side.SELL if side is Side.BUY else Side.BUY)
    assert leg.price is not None
    hit = px is not None and (px >= leg.price if side is Side.BUY else px <= leg.price)
    return px if hit else None


def takes(leg: Leg, side: Side, book: Book) -> Decimal:
    """What a target of a position of `side` could take at its price or better, units, as far as the book shows."""
    found = ZERO
    for level in book.against(Side.SELL if side is Side.BUY else Side.BUY):
        if leg.price is None or (level.px < leg.price if side is Side.BUY else level.px > leg.price):
            break
        found = add(found, level.qty)
    return found


def fresh(book: Book, now: int) -> bool:
    """Whether a book is believed at `now` (ns UTC)."""
    return now - book.as_of <= MAX_AGE_NS
