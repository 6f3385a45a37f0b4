"""Time the paper venue: market events a second through the book alone, through the exchange, and out of the seed.

Run: python benchmarks/paper.py [EVENTS]     prints one JSON line
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from itertools import islice
from timeit import default_timer

from partfill.model.operations import Place
from partfill.model.terms import Terms
from partfill.model.words import Side, TimeInForce
from partfill.venues.paper.book import Book, BookOrder
from partfill.venues.paper.crowd import happen
from partfill.venues.paper.events import Timed
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.market import SHAPES, generated


def book_alone(events: list[Timed]) -> int:
    """Events a second through bare books; trades go to a function that does nothing."""

    def nothing(maker: BookOrder, taker: BookOrder, qty: Decimal, px: Decimal) -> None: ...

    books = {symbol: Book(nothing) for symbol in SHAPES}
    began = default_timer()
    for _, event in events:
        happen(books[event.instrument], event)
    return round(len(events) / (default_timer() - began))


def exchange(events: list[Timed], every: int) -> int:
    """The same through an exchange, with an order of ours after each `every` events, at the last price; 0 for none."""
    venue = Exchange([shape.listing for shape in SHAPES.values()])
    began = default_timer()
    for number, (at, event) in enumerate(events, 1):
        venue.market(event, at)
        last = venue.markets["ACME"].last
        if every and number % every == 0 and last is not None:
            terms = Terms(instrument="ACME", side=Side.BUY, order_qty=Decimal(20), price=last, time_in_force=TimeInForce.GTC)
            name = f"c{number}"
            venue.apply(Place(venue="paper", account="a", instrument="ACME", order=number, cl_ord_id=name, terms=terms), at)
    return round(len(events) / (default_timer() - began))


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    began = default_timer()
    events = list(islice(generated(list(SHAPES.values()), 1), count))
    generator = round(count / (default_timer() - began))
    print(
        json.dumps(
            {
                "events": count,
                "generated_per_s": generator,
                "book_events_per_s": book_alone(events),
                "exchange_events_per_s": exchange(events, 0),
                "exchange_events_per_s_with_an_order_every_10": exchange(events, 10),
            }
        )
    )


if __name__ == "__main__":
    main()
