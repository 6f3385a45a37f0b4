"""A recorded market, ready to be played again: its events, and its best prices as they were without us.

Rules
- Times are ns since the first message. Prices are quote currency per unit.
- Best prices are those of the book that the recording rebuilds (`venues.paper.recorded`), not a second source.
- An instrument's tick is what the recording's prices lie on. No fees: they would shift every policy alike, by what it takes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from partfill.model.instrument import Instrument, TickBand
from partfill.model.words import Side
from partfill.runtime.reading import TooLong, frames, open_input
from partfill.venues.decoding import Decoder, Message
from partfill.venues.lobster.decoder import LobsterDecoder
from partfill.venues.marketdata.bitstamp import BitstampDecoder
from partfill.venues.paper.events import Timed
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.listing import Listing
from partfill.venues.paper.recorded import Recording

SECOND_NS = 1_000_000_000


class Kind(NamedTuple):
    """How recordings of one format are played."""

    decoder: Callable[[str], Decoder]
    symbol: str
    tick: Decimal
    lot: Decimal
    incoming_listed: bool
    """Whether incoming orders are recorded as orders too."""
    levels: int
    """How many levels were recorded; 0 for all."""


KINDS = {
    "lobster": Kind(LobsterDecoder, "AMZN", Decimal("0.01"), Decimal(1), False, 5),
    "bitstamp": Kind(BitstampDecoder, "BTC/USD", Decimal("0.01"), Decimal("0.00000001"), True, 0),
}
"""By format, as `partfill audit` calls it."""


class Quotes:
    """The best prices of a market through time; only moments at which both sides were there."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._best: list[tuple[Decimal, Decimal]] = []

    def add(self, at: int, bid: Decimal | None, ask: Decimal | None) -> None:
        """These are the best prices from `at` on."""
        if bid is not None and ask is not None and (not self._best or self._best[-1] != (bid, ask)):
            self._times.append(at)
            self._best.append((bid, ask))

    def at(self, at: int) -> tuple[Decimal, Decimal]:
        """(best bid, best ask) at a time. Raises `LookupError` when there had been none."""
        found = bisect_right(self._times, at)
        if not found:
            raise LookupError(f"no quotes before {at}")
        return self._best[found - 1]


class Recorded(NamedTuple):
    """One market to be played again."""

    name: str
    listing: Listing
    events: Sequence[Timed]
    quotes: Quotes

    @property
    def ends(self) -> int:
        """Time of the last event (ns)."""
        return self.events[-1][0]

    def exchange(self) -> Exchange:
        """An exchange at the beginning of it."""
        return Exchange([self.listing])


def listed(symbol: str, tick: Decimal, lot: Decimal) -> Listing:
    """A listing without fees and minimums of its own."""
    ticks = (TickBand(Decimal(0), tick),)
    return Listing(instrument=Instrument(symbol=symbol, ticks=ticks, lot=lot, min_qty=lot, quote="USD"))


def load(path: str, form: str) -> Recorded:
    """Read a recording of a format in `KINDS`. Raises `Unusable`, and `ValueError` for one that has nothing in it."""
    kind = KINDS[form]
    decoder = kind.decoder(kind.symbol)
    recording = Recording(kind.symbol, incoming_listed=kind.incoming_listed, levels=kind.levels)
    return recorded(kind.symbol, listed(kind.symbol, kind.tick, kind.lot), recording.events(_messages(path, decoder)))


def recorded(name: str, listing: Listing, events: Iterable[Timed]) -> Recorded:
    """A market out of its events: played once, to know its best prices."""
    played = list(events)
    if not played:
        raise ValueError(f"nothing happens in the recording of {name}; give one with orders in it")
    exchange, quotes = Exchange([listing]), Quotes()
    book = exchange.markets[listing.instrument.symbol].book
    for at, event in played:
        exchange.market(event, at)
        quotes.add(at, book.best(Side.BUY), book.best(Side.SELL))
    return Recorded(name, listing, played, quotes)


def _messages(path: str, decoder: Decoder) -> Iterator[Message]:
    with open_input(path, "message") as stream:
        for frame in frames(stream, decoder.framing):
            if not isinstance(frame, TooLong):
                number, row = frame
                yield from decoder.decode(row, number)
