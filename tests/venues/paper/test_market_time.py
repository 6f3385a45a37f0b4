"""When the market of the paper venue runs in time."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal

from partfill.model.words import Side
from partfill.venues.paper.events import Add, Take
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.venue import PaperVenue
from tests.venues.paper.desk import LISTING

HOUR_NS = 3_600_000_000_000
WAIT_S = 20


async def test_what_was_let_happen_before_the_start_takes_no_time() -> None:
    events = [
        (0, Add("ACME", "o1", Side.SELL, Decimal(5), Decimal(10))),
        (HOUR_NS, Take("ACME", Side.BUY, Decimal(1))),
        (HOUR_NS + 1_000_000, Take("ACME", Side.BUY, Decimal(1))),
    ]
    exchange = Exchange([LISTING])
    venue = PaperVenue(exchange, iter(events), now=time.time_ns, speed=1)
    venue.advance(1)
    async with venue, asyncio.timeout(WAIT_S):
        while exchange.trades < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
