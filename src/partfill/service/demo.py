"""The demonstration: a generated market, the paper venue, and a real FillManager that trades on it for a while.

Theory of operation. `script` writes down beforehand, from the seed alone, which orders are submitted when: it lets the same
market run in a second exchange in which nobody trades, and takes each order's price from its touch at that moment. `play`
submits them in time through a real journal to a venue that loses replies and repeats messages, takes off what still works,
proves the journal, and compares it with what the venue knows. So one seed always submits the same orders; which of them
fill how depends on the moment at which they arrive.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from partfill.journal.store import Store
from partfill.journal.verify import verify
from partfill.model.commands import Resubmit
from partfill.model.events import Alarm, Fill, ResubmitTriggered
from partfill.model.numbers import ZERO, add, mul
from partfill.model.observations import OrderSnapshot
from partfill.model.orders import Limit, Market
from partfill.model.policy import Chase, Mode, RemainderPolicy
from partfill.model.reports import ExecutionReport
from partfill.model.terms import Terms
from partfill.model.words import Side
from partfill.runtime.bus import Told
from partfill.runtime.manager import FillManager, Refused
from partfill.runtime.order import Order
from partfill.runtime.remainders import RemainderSettings
from partfill.runtime.settings import FillManagement
from partfill.service.truth import differences
from partfill.venues.clock import CLOCK
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.faults import Faults
from partfill.venues.paper.market import SHAPES, Shape, generated
from partfill.venues.paper.venue import PaperVenue

VENUE = "paper"
WARM_UP = 5_000
"""Market events before the first order: books of their ordinary depth."""
SPEED = 2
"""Market time per real time."""
PER_SECOND = 3
LEAST = 16
"""Orders per second, and at least: each kind twice."""
KINDS = ("touch", "ioc", "amended", "market", "cancelled", "chase", "touch", "resting")
TRADING = 0.85
"""Share of the time in which orders are submitted and may fill; then what works is taken off."""
PATIENCE_S = 20.0
"""Longest wait for the last orders to end."""
FAULTS = Faults(latency_min_ns=1_000_000, latency_max_ns=15_000_000, lose_reply=30, duplicate=100)
"""A venue on an ordinary day: a few replies are lost, some messages come twice."""


class Step(NamedTuple):
    """One thing the script does, `at_ms` after the start: submit (`terms`), amend (`qty`, `price`) or cancel."""

    at_ms: int
    verb: str
    ref: str
    terms: Terms | None = None
    resubmit: Resubmit | None = None
    remainder: RemainderPolicy | None = None
    qty: Decimal | None = None
    price: Decimal | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `differs` names where the journal and the venue differ; `verify` is "proved" or what is wrong."""

    db: str
    seed: int
    seconds: float
    orders: int
    states: dict[str, int]
    children: int
    fills: int
    executions: int
    cum: dict[str, dict[str, Decimal]]
    """Instrument -> side -> units."""
    resubmits: int
    decisions: dict[str, int]
    """Verdicts on the rest of partly filled orders, and how often."""
    refused: int
    """Amendments and cancels that came after the end of their order."""
    alarms: int
    verify: str
    differs: list[str]

    @property
    def ok(self) -> bool:
        """Whether the journal proves itself and says what the venue says."""
        return self.verify == "proved" and not self.differs


def script(seed: int, seconds: float) -> list[Step]:
    """Everything that is submitted, in order of time."""
    rng = Random(seed)
    shapes = list(SHAPES.values())
    market = _Shadow(shapes, seed)
    trading = int(seconds * 1000 * TRADING)
    count = max(LEAST, int(seconds * PER_SECOND))
    wanted: list[tuple[int, int, str, str]] = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        at = trading * 3 // 4 * number // count + rng.randrange(max(1, trading // (2 * count)))
        wanted.append((at, number, kind, "submit"))
        if kind in ("amended", "cancelled"):
            later = "amend" if kind == "amended" else "cancel"
            wanted.append((at + trading // 8 + rng.randrange(max(1, trading // 10)), number, kind, later))
    drawn: dict[int, tuple[Shape, Side, Decimal]] = {}
    steps = []
    for at, number, kind, verb in sorted(wanted):
        market.run_to(at * SPEED)
        ref = f"{number + 1:02d}-{kind}"
        if verb == "submit":
            shape = shapes[rng.randrange(len(shapes))]
            side = Side.BUY if rng.randrange(2) else Side.SELL
            lots = 1 + rng.randrange(shape.size * (8 if kind in ("ioc", "amended", "touch", "chase") else 2))
            qty = mul(Decimal(lots), shape.listing.instrument.lot or Decimal(1))
            drawn[number] = (shape, side, qty)
            steps.append(_submission(at, ref, kind, shape, side, qty, market, rng))
        elif verb == "cancel":
            steps.append(Step(at, "cancel", ref))
        else:
            shape, side, qty = drawn[number]
            lot = shape.listing.instrument.lot or Decimal(1)
            more = add(qty, mul(lot, Decimal(1 + rng.randrange(shape.size))))
            steps.append(Step(at, "amend", ref, qty=more, price=market.price(shape, side, 0)))
    return steps


def _submission(at: int, ref: str, kind: str, shape: Shape, side: Side, qty: Decimal, market: _Shadow, rng: Random) -> Step:
    name = shape.symbol
    if kind == "market":
        return Step(at, "submit", ref, Market(name, side, qty=qty))
    if kind == "ioc":
        rule = Resubmit(min_resubmit_size=shape.listing.instrument.lot or Decimal(1), max_resubmit_attempts=3)
        return Step(at, "submit", ref, Limit(name, side, qty=qty, price=market.price(shape, side, -1), tif="ioc"), rule)
    if kind == "chase":
        # It takes what stands at the touch, and the rest follows the market.
        terms = Limit(name, side, qty=qty, price=market.price(shape, side, 0))
        return Step(at, "submit", ref, terms, remainder=Chase(5, rechase_ms=300, cancel_on_book_thin=False))
    away = {"touch": rng.randrange(2), "amended": 2 + rng.randrange(4)}.get(kind, 6 + rng.randrange(8))
    return Step(at, "submit", ref, Limit(name, side, qty=qty, price=market.price(shape, side, away)))


class _Shadow:
    """The same market without us: where its touch is at a time."""

    def __init__(self, shapes: list[Shape], seed: int) -> None:
        self._exchange = Exchange([shape.listing for shape in shapes])
        self._events = generated(shapes, seed)
        for _ in range(WARM_UP):
            self._exchange.market(next(self._events)[1], 0)
        self._ahead = next(self._events)
        self._began = self._ahead[0]

    def run_to(self, ms: int) -> None:
        """Let everything happen until `ms` of market time have passed."""
        while self._ahead[0] - self._began <= ms * 1_000_000:
            self._exchange.market(self._ahead[1], 0)
            self._ahead = next(self._events)

    def price(self, shape: Shape, side: Side, away: int) -> Decimal:
        """The touch of the own side, `away` ticks further off (below zero: that far through the other side)."""
        book = self._exchange.markets[shape.symbol].book
        other = Side.SELL if side is Side.BUY else Side.BUY
        best = book.best(side if away >= 0 else other)
        tick = shape.listing.instrument.ticks[0].tick
        price = best if best is not None else mul(Decimal(shape.start), tick)
        off = mul(tick, Decimal(away))
        price = price - off if side is Side.BUY else price + off
        return max(price, tick)


def reserve(folder: Path, wanted: Path | None = None) -> Path:
    """A name for a journal that no file has: `wanted`, or the first numbered one in `folder`.

    Raises `FileExistsError` when `wanted` exists, `OSError` when nothing can be made there.
    """
    number = 1
    while True:
        path = wanted if wanted is not None else folder / f"partfill-demo{f'-{number}' if number > 1 else ''}.db"
        try:
            path.open("xb").close()
            # It can be made there. The journal makes it: an empty file would be one that lost what it had.
            path.unlink()
            return path
        except FileExistsError:
            if wanted is not None:
                raise
            number += 1


class _Counts:
    """What subscribers heard."""

    def __init__(self) -> None:
        self.of: Counter[type] = Counter()
        self.verdicts: Counter[str] = Counter()

    def hear(self, told: Told) -> None:
        """One event."""
        self.of[type(told.event)] += 1
        if isinstance(told.event, ExecutionReport):
            self.verdicts[told.event.verdict.value] += 1


async def play(path: Path, seed: int, seconds: float) -> Summary:
    """Trade for so long into a new journal at `path`, then compare it with the venue."""
    steps = script(seed, seconds)
    shapes = list(SHAPES.values())
    exchange = Exchange([shape.listing for shape in shapes], venue=VENUE)
    venue = PaperVenue(exchange, generated(shapes, seed), now=CLOCK, faults=FAULTS, seed=seed, speed=SPEED)
    venue.advance(WARM_UP)
    counts = _Counts()
    async with FillManager.open(path, [venue], settings=FillManagement(poll_interval_ms=500), per_second=200,
                                remainders=RemainderSettings(mode=Mode.GENERAL_LIVE)) as fills:  # fmt: skip
        fills.subscribe(counts.hear)
        async with venue:
            orders, refused = await _perform(fills, steps, seconds)
            await _settled(fills, orders)
            states = Counter(order.status for order in orders.values())
    now = time.time_ns()
    truth = [order.picture(now) for account in exchange.accounts.values() for order in account.orders.values()]
    return _summary(path, seed, seconds, counts, states, refused, truth)


async def _perform(fills: FillManager, steps: list[Step], seconds: float) -> tuple[dict[str, Order], int]:
    began, refused = time.monotonic(), 0
    orders: dict[str, Order] = {}
    for step in [*steps, Step(int(seconds * 1000 * TRADING), "end", "")]:
        await asyncio.sleep(max(0.0, began + step.at_ms / 1000 - time.monotonic()))
        try:
            if step.terms is not None:
                orders[step.ref] = await fills.submit(step.terms, ref=step.ref, resubmit=step.resubmit,
                                                      remainder=step.remainder)  # fmt: skip
            elif step.verb == "amend":
                await orders[step.ref].amend(qty=step.qty, price=step.price)
            elif step.verb == "cancel":
                await orders[step.ref].cancel("by the script")
        except Refused:
            # It has filled by now: nothing is left to change.
            refused += 1
    for order in orders.values():
        if not order.ended:
            try:
                await order.cancel("the demonstration ends")
            except Refused:
                refused += 1
    return orders, refused


async def _settled(fills: FillManager, orders: dict[str, Order]) -> None:
    """Wait until nothing works and the venue has been asked once more. What is not settled in time will differ."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and any(not order.ended or order.parent.active for order in orders.values()):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    for poller in fills.pollers:
        await poller.poll_once()


def _summary(path: Path, seed: int, seconds: float, counts: _Counts, states: Counter[str], refused: int,
             truth: list[OrderSnapshot]) -> Summary:  # fmt: skip
    verdict = verify(path)
    cum: dict[str, dict[str, Decimal]] = {}
    children = 0
    for row in _children(path):
        children += 1
        of = cum.setdefault(row["instrument"], {"buy": ZERO, "sell": ZERO})
        of[row["side"]] = add(of[row["side"]], Decimal(row["cum_qty"]))
    return Summary(
        db=str(path), seed=seed, seconds=seconds, orders=sum(states.values()), states=dict(sorted(states.items())),
        children=children, fills=counts.of[Fill], executions=verdict.rows["executions"], cum=dict(sorted(cum.items())),
        resubmits=counts.of[ResubmitTriggered], decisions=dict(sorted(counts.verdicts.items())),
        refused=refused, alarms=counts.of[Alarm],
        verify="proved" if verdict.ok else "; ".join(verdict.problems), differs=differences(path, truth, VENUE),
    )  # fmt: skip


def _children(path: Path) -> Iterator[dict[str, str]]:
    store = Store(path, read_only=True)
    try:
        yield from store.rows("SELECT instrument, side, cum_qty FROM children ORDER BY id")
    finally:
        store.close()


__all__ = ["Step", "Summary", "play", "reserve", "script"]
