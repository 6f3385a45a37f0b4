"""The orders that are tried: drawn once from a seed, and the same under every policy.

Rules
- A moment, a side and a size are drawn; the limit is the best price of the other side at that moment. So all that stands at
  that price fills at once, and what the order asks beyond that is the rest which the policy is about.
- The rest is a tenth to four times what fills at once.
- Moments leave the market `WARM_UP_NS` to build its book, and every order the same patience before the recording ends.
- The draws are whole numbers: the same seed, the same orders, on any machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random

from partfill.model.numbers import add, mul
from partfill.model.words import Side
from partfill.runtime.replay.alone import TRAVEL_NS, Asked
from partfill.runtime.replay.recording import SECOND_NS, Recorded
from partfill.venues.paper.exchange import Exchange

WARM_UP_NS = 300 * SECOND_NS
"""The recordings begin in the middle of a market, or before it opens: the book has to fill first."""
AFTERWARDS_NS = 60 * SECOND_NS
"""What is left of the recording when the last order is given up: to see where the market went."""
RESTS_PERCENT = (10, 25, 50, 100, 200, 400)
"""The rest, in percent of what fills at once."""


def drawn(market: Recorded, orders: int, seed: int, patience: int) -> Iterator[tuple[Asked, Exchange]]:
    """Each order, with the exchange as it stands when it comes; in order of time. Fork the exchange, never use it.

    Raises `ValueError` for a recording that is too short.
    """
    random = Random(f"{seed} {market.name}")
    first, last = market.events[0][0] + WARM_UP_NS + TRAVEL_NS, market.ends - patience - AFTERWARDS_NS
    if last <= first:
        raise ValueError(
            f"{market.name} is {market.ends / 1e9:.0f} s long; that is too short for a patience of {patience / 1e9:.0f} s"
        )
    draws = sorted(
        (random.randint(first, last), random.choice((Side.BUY, Side.SELL)), random.choice(RESTS_PERCENT)) for _ in range(orders)
    )
    exchange, n = market.exchange(), 0
    (book,) = (each.book for each in exchange.markets.values())
    instrument = market.listing.instrument
    lot = instrument.lot or Decimal(1)
    for number, (at, side, percent) in enumerate(draws, 1):
        while n < len(market.events) and market.events[n][0] <= at:
            exchange.market(market.events[n][1], market.events[n][0])
            n += 1
        levels = book.depth(Side.SELL if side is Side.BUY else Side.BUY, 1)
        if not levels:
            # Nobody is there to fill a part of it: such a moment is no order.
            continue
        price, qty = levels[0]
        rest = instrument.qty_at_most(mul(qty, Decimal(percent) / 100))
        yield Asked(number, at, side, add(qty, max(rest, lot)), price), exchange
