"""Many partial fills at the same moment: how soon each is decided on, over the paper venue's socket, with a durable journal.

The venue is a process of its own. One order rests in each of 50 instruments, as many as may be decided at a time; then somebody
sells one unit in every one of them. Time runs from the fill being on disk to the decision being on disk, with a look at the
market between them, over the socket like everything else. Fills that come over a socket come one after the other, and the last
ones wait for the work on the first: `whole_round` is from the first fill to the last decision, `from_the_sale` from the moment
before the venue was told to sell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import chain, cycle
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from partfill.model.commands import Decide
from partfill.model.inputs import Input
from partfill.model.instrument import Instrument, TickBand
from partfill.model.orders import Limit
from partfill.model.policy import Hold, Mode
from partfill.model.words import Side
from partfill.runtime.manager import FillManager
from partfill.runtime.remainders import RemainderSettings
from partfill.venues.clock import CLOCK
from partfill.venues.paper.client import PaperClient
from partfill.venues.paper.events import Add, MarketEvent, Take, Timed
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.listing import Listing
from partfill.venues.paper.server import PaperServer
from partfill.venues.paper.venue import PaperVenue

ORDERS = 50
"""As many as are decided at a time: one more would be shed."""
ROUNDS = 60


def _instrument(symbol: str) -> Instrument:
    return Instrument(symbol=symbol, ticks=(TickBand(Decimal(0), Decimal("0.01")),), lot=Decimal(1))


def _symbols(orders: int) -> list[str]:
    return [f"I{number}" for number in range(orders)]


def _market(symbols: Sequence[str]) -> Iterator[Timed]:
    """An offer in each instrument; then a seller of one unit in each, for ever."""
    offers = (Add(symbol, f"a{symbol}", Side.SELL, Decimal(10**9), Decimal("10.05")) for symbol in symbols)
    sellers = (Take(symbol, Side.SELL, Decimal(1)) for symbol in cycle(symbols))
    events: Iterator[MarketEvent] = chain(offers, sellers)
    for number, event in enumerate(events):
        yield number * 1_000_000, event


def _serve(pipe: Connection, orders: int) -> None:
    asyncio.run(_serving(pipe, orders))


async def _serving(pipe: Connection, orders: int) -> None:
    symbols = _symbols(orders)
    exchange = Exchange([Listing(instrument=_instrument(symbol)) for symbol in symbols])
    server = PaperServer(PaperVenue(exchange, _market(symbols), now=CLOCK))
    pipe.send(await server.start())
    # Waits for the word to stop without holding up the loop.
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    await server.close()


class _Timed(FillManager):
    """A manager that notes when each fill and each decision was on disk."""

    filled: dict[tuple[str, int], float]
    decided: dict[tuple[str, int], float]
    told: asyncio.Event

    async def take(self, inp: Input) -> Any:
        effects = await super().take(inp)
        now = perf_counter()
        for parent in effects.wanted:
            assert parent.handling is not None
            self.filled[parent.ref, parent.handling.event] = now
        if type(inp) is Decide and (inp.ref, inp.event) in self.filled:
            self.decided[inp.ref, inp.event] = now
            self.told.set()
        return effects


async def at_once(folder: Path, rounds: int = ROUNDS, orders: int = ORDERS) -> dict[str, float]:
    """Milliseconds from fill to decision, both on disk, of `orders` partial fills at the same moment, `rounds` times."""
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_serve, args=(theirs, orders), daemon=True)
    process.start()
    port = await asyncio.get_running_loop().run_in_executor(None, ours.recv)
    client = await PaperClient.connect("127.0.0.1", port, now=CLOCK)
    try:
        return await _rounds(folder, client, rounds, orders)
    finally:
        await client.close()
        ours.send(None)
        process.join()


async def _rounds(folder: Path, client: PaperClient, rounds: int, orders: int) -> dict[str, float]:
    live = RemainderSettings(mode=Mode.GENERAL_LIVE, policy=Hold())
    waits: list[float] = []
    whole: list[float] = []
    since: list[float] = []
    async with _Timed(folder / "decisions.db", [client], per_second=10_000, remainders=live) as fills:
        fills.filled, fills.decided, fills.told = {}, {}, asyncio.Event()
        await client.advance(orders)
        for symbol in _symbols(orders):
            await fills.submit(Limit(symbol, "buy", qty=100_000, price="10.00"), ref=symbol)
        await fills.lanes.drain()
        for _ in range(rounds):
            fills.filled.clear()
            fills.decided.clear()
            began = perf_counter()
            await client.advance(orders)
            while len(fills.decided) < orders:
                fills.told.clear()
                await fills.told.wait()
            waits += [fills.decided[each] - fills.filled[each] for each in fills.decided]
            last = max(fills.decided.values())
            whole.append(last - min(fills.filled.values()))
            since.append(last - began)
        figures: dict[str, float] = {
            "orders": orders, "rounds": rounds, "decisions": len(waits), "shed": fills.remainders.shed,
            "blind": fills.remainders.blind,
        }  # fmt: skip
        await fills.kill(True, by="bench")
        await fills.lanes.drain()
    waits.sort()
    return figures | {
        "p50_ms": _at(waits, 50), "p99_ms": _at(waits, 99), "max_ms": round(waits[-1] * 1e3, 2),
        "whole_round_median_ms": round(median(whole) * 1e3, 2), "whole_round_max_ms": round(max(whole) * 1e3, 2),
        "from_the_sale_median_ms": round(median(since) * 1e3, 2), "from_the_sale_max_ms": round(max(since) * 1e3, 2),
    }  # fmt: skip


def _at(ordered: Sequence[float], percent: int) -> float:
    return round(ordered[len(ordered) * percent // 100] * 1e3, 2)
