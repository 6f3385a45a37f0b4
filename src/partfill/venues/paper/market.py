"""A market out of a seed: the events of other participants, the same ones for the same seed, whatever we trade.

Theory of operation. Each instrument has a fair price in whole ticks that wanders, jumps now and then, and pulls its
participants along: they rest orders around it, take them away again, and take from each other, a little at calm times and
a lot in a burst. All of it is integers (ticks, lots, nanoseconds) from one `random.Random`, and it never looks at a
book: so what we do changes who fills, never what the others try. Prices and quantities become decimals at the end.

Rules
- Same shapes, same seed: same events, byte for byte.
- At most `Shape.orders` orders per instrument are out; the oldest is taken off for a new one.
- The endless iterator is made for `itertools.islice`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from decimal import Decimal
from random import Random

import msgspec

from partfill.model.instrument import Instrument, TickBand
from partfill.model.numbers import mul
from partfill.model.words import Side
from partfill.venues.paper.events import Add, Drop, MarketEvent, Take, Timed
from partfill.venues.paper.listing import Listing

_D = Decimal


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one instrument trades. Prices in ticks, quantities in lots, times in ns, chances per thousand events."""

    listing: Listing
    start: int
    low: int = 1
    """Lowest price that anybody quotes."""
    high: int = 1 << 40
    spread: int = 2
    """Orders rest at least this far from the fair price."""
    reach: int = 12
    """And at most this much farther."""
    orders: int = 120
    """Orders out at a time; few make a thin book."""
    size: int = 40
    """Largest ordinary order."""
    takes: int = 120
    """Chance that an event takes, in calm times; four times that in a burst."""
    bursts: int = 3
    jumps: int = 1
    jump: int = 40
    """Largest jump."""
    pause_ns: int = 40_000_000
    """Longest pause between two events of this instrument in calm times; a fiftieth of that in a burst."""

    @property
    def symbol(self) -> str:
        """The instrument's symbol."""
        return self.listing.instrument.symbol


def _listing(symbol: str, tick: str, lot: str, quote: str, maker: str, taker: str, notional: str = "0") -> Listing:
    instrument = Instrument(
        symbol=symbol, ticks=(TickBand(_D(0), _D(tick)),), lot=_D(lot), min_qty=_D(lot), min_notional=_D(notional), quote=quote
    )
    return Listing(instrument=instrument, maker_fee=_D(maker), taker_fee=_D(taker))


SHAPES: dict[str, Shape] = {
    shape.symbol: shape
    for shape in (
        Shape(listing=_listing("ACME", "0.01", "1", "USD", "-0.00002", "0.00003"), start=2_500, size=300, orders=200),
        Shape(listing=_listing("BTC-USD", "0.5", "0.001", "USD", "0.0002", "0.0005", "5"), start=128_000, spread=1, size=900),
        Shape(listing=_listing("ETH-USD", "0.05", "0.01", "USD", "0.0002", "0.0005", "5"), start=64_000, jump=120, bursts=6),
        Shape(listing=_listing("THIN", "0.01", "1", "USD", "0", "0.001"), start=900, orders=14, size=60, spread=3, jumps=4),
        Shape(
            listing=_listing("RAIN-YES", "0.01", "1", "USDC", "0", "0"), start=45, low=2, high=98, jump=15, reach=6, spread=1
        ),
    )
}
"""Instruments that come with the paper venue, by symbol."""


class _Walk:
    """One instrument on its way."""

    def __init__(self, shape: Shape, rng: Random) -> None:
        self.shape = shape
        self.rng = rng
        self.at = 0
        self.fair = shape.start
        self.burst = 0
        """Events left of a burst."""
        self.side = Side.BUY
        """Who is in a hurry in it."""
        self.next_id = 1
        self.out: deque[tuple[str, int]] = deque()
        """(id, price in ticks) of what may still rest."""
        instrument = shape.listing.instrument
        self.tick = instrument.ticks[0].tick
        self.lot = instrument.lot or _D(1)

    def step(self) -> MarketEvent:
        """The next event."""
        shape, draw = self.shape, self.rng.randrange
        self.at += 1 + draw(shape.pause_ns // 50 if self.burst else shape.pause_ns)
        self._move()
        if len(self.out) >= shape.orders:
            return Drop(shape.symbol, self.out.popleft()[0])
        chance = draw(1000)
        calm = 0 if self.burst else 1
        takes = shape.takes if calm else 4 * shape.takes
        # A book of its ordinary depth comes before anybody takes from it.
        if chance < takes and self.next_id > shape.orders // 2:
            hurried = self.side if not calm else (Side.BUY if draw(2) else Side.SELL)
            # Most take little, a few take a lot.
            lots = (1 + draw(shape.size)) * (8 if draw(20) == 0 else 1)
            return Take(shape.symbol, hurried, self._lots(lots))
        if self.out and chance > 720:
            at = draw(len(self.out))
            self.out.rotate(-at)
            gone = self.out.popleft()[0]
            self.out.rotate(at)
            return Drop(shape.symbol, gone)
        side = Side.BUY if draw(2) else Side.SELL
        off = shape.spread + draw(shape.reach)
        ticks = self.fair - off if side is Side.BUY else self.fair + off
        ticks = min(shape.high, max(shape.low, ticks))
        name = f"{shape.symbol}{self.next_id}"
        self.next_id += 1
        self.out.append((name, ticks))
        return Add(shape.symbol, name, side, self._lots(1 + draw(shape.size)), mul(_D(ticks), self.tick))

    def _move(self) -> None:
        shape, draw = self.shape, self.rng.randrange
        if self.burst:
            self.burst -= 1
            self.fair += draw(3) if self.side is Side.BUY else -draw(3)
        else:
            self.fair += draw(3) - 1 if draw(4) == 0 else 0
            luck = draw(1000)
            if luck < shape.bursts:
                self.burst, self.side = 20 + draw(80), Side.BUY if draw(2) else Side.SELL
            elif luck < shape.bursts + shape.jumps:
                self.fair += draw(2 * shape.jump + 1) - shape.jump
        self.fair = min(shape.high - shape.spread, max(shape.low + shape.spread, self.fair))

    def _lots(self, lots: int) -> Decimal:
        return mul(_D(lots), self.lot)


def generated(shapes: Sequence[Shape], seed: int) -> Iterator[Timed]:
    """Events of all `shapes` for ever, in order of time (ns since the market began)."""
    root = Random(seed)
    walks = [_Walk(shape, Random(root.getrandbits(64))) for shape in shapes]
    ahead = [(walk.step(), walk) for walk in walks]
    while ahead:
        # Few instruments: looking through them all is cheaper than a heap.
        which = min(range(len(ahead)), key=lambda n: ahead[n][1].at)
        event, walk = ahead[which]
        at = walk.at
        ahead[which] = (walk.step(), walk)
        yield at, event


__all__ = ["SHAPES", "Shape", "generated"]
