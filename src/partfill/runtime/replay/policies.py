"""The policies that are compared, and the comparison: the same orders under each, one market after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from partfill.model.policy import CancelRest, Chase, Hold, Remainder, RemainderPolicy
from partfill.model.words import Side
from partfill.runtime.replay.alone import PATIENCE_NS, Alone, Asked, Result
from partfill.runtime.replay.figures import Costs, Estimates, Row, Under, estimates, mean, row
from partfill.runtime.replay.orders import drawn
from partfill.runtime.replay.recording import SECOND_NS, Recorded
from partfill.venues.paper.exchange import Exchange

HOLD_MS = 30_000
ORDERS = 3_000
SEED = 1
CANCEL = "cancel"


class Tried(NamedTuple):
    """A policy and what it is called."""

    name: str
    policy: RemainderPolicy


def tried() -> Iterator[Tried]:
    """Every policy, first without the rule for thin books and then with it. All else is the default."""
    for thin in (False, True):
        yield Tried("hold", Hold(cancel_on_book_thin=thin))
        yield Tried("hold 30 s, then cancel", Hold(max_hold_ms=HOLD_MS, cancel_on_book_thin=thin))
        yield Tried("hold 30 s, then chase 3", Hold(max_hold_ms=HOLD_MS, after_hold=Remainder.CHASE, cancel_on_book_thin=thin))
        yield Tried(CANCEL, CancelRest(cancel_on_book_thin=thin))
        for ticks in (0, 1, 3, 10):
            yield Tried(f"chase {ticks}", Chase(ticks, cancel_on_book_thin=thin))


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One market. Prices in ticks, averages over the orders when they came."""

    market: str
    seconds: int
    """Length of the recording."""
    events: int
    orders: int
    tick: Decimal
    tick_bp: Decimal
    """The tick, in hundredths of a percent of the price."""
    spread: Decimal
    half_spread: Decimal
    """Half of it: what filling at the limit costs against the mid price."""
    next_price: Decimal
    """How far the second best price of the other side was from the best: where a chase has to go."""
    at_once: Decimal
    """Share that filled at once."""
    rows: tuple[Row, ...]
    estimates: Estimates


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole comparison: what it was made with, and what it came to."""

    seed: int
    orders: int
    patience_s: int
    markets: tuple[Compared, ...]
    made_with: str = ""
    """The command, when there was one."""


def compare(markets: Sequence[Recorded], orders: int = ORDERS, seed: int = SEED, patience: int = PATIENCE_NS,
            progress: Callable[[str, int], None] = lambda market, done: None) -> Report:  # fmt: skip
    """Try `orders` moments of each market under every policy. Raises `Wrong`, and `ValueError` for a market too short."""
    return Report(
        seed=seed, orders=orders, patience_s=patience // SECOND_NS,
        markets=tuple(_compared(market, orders, seed, patience, progress) for market in markets),
    )  # fmt: skip


def _under(policies: Sequence[Tried], tried: Sequence[Sequence[Result]], market: Recorded, tick: Decimal) -> Iterator[Under]:
    costs = [[Costs(result, market.quotes, tick) for result in results] for results in tried]
    # The first of that name: without the rule for thin books.
    cancel = next(cost for each, cost in zip(policies, costs, strict=True) if each.name == CANCEL)
    for results, cost in zip(tried, costs, strict=True):
        yield Under(results, cost, cancel)


class _Context(NamedTuple):
    """What the market looked like to one order when it came; in ticks, None where nobody was there."""

    at_once: Decimal
    """Share of the order that stood at its limit."""
    spread: Decimal | None
    next_price: Decimal | None


def _compared(market: Recorded, orders: int, seed: int, patience: int, progress: Callable[[str, int], None]) -> Compared:
    policies = list(tried())
    aside: list[list[Result]] = [[] for _ in policies]
    met: list[list[Result]] = [[] for _ in policies]
    seen: list[_Context] = []
    tick = market.listing.instrument.ticks[0].tick
    middle: list[Decimal] = []
    for asked, exchange in drawn(market, orders, seed, patience):
        seen.append(_context(asked, exchange, tick))
        middle.append(asked.price)
        for each, results, others in zip(policies, aside, met, strict=True):
            results.append(Alone(market, exchange.fork(), asked, each.policy).run())
            others.append(Alone(market, exchange.fork(), asked, each.policy, meets=True).run())
        progress(market.name, len(seen))
    if not seen:
        raise ValueError(f"nobody offers anything in {market.name}; give a recording with a book")
    both = (_under(policies, results, market, tick) for results in (aside, met))
    rows = tuple(row(each.name, each.policy.cancel_on_book_thin, *two) for each, *two in zip(policies, *both, strict=True))
    spread = mean(each.spread for each in seen if each.spread is not None)
    return Compared(
        market=market.name, seconds=(market.ends - market.events[0][0]) // SECOND_NS, events=len(market.events),
        orders=len(seen), tick=tick, tick_bp=mean(tick * 10_000 / price for price in middle), spread=spread,
        half_spread=mean(each.spread / 2 for each in seen if each.spread is not None),
        next_price=mean(each.next_price for each in seen if each.next_price is not None),
        at_once=mean(each.at_once for each in seen), rows=rows, estimates=estimates(aside[0], patience),
    )  # fmt: skip


def _context(asked: Asked, exchange: Exchange, tick: Decimal) -> _Context:
    (book,) = (market.book for market in exchange.markets.values())
    other = Side.SELL if asked.side is Side.BUY else Side.BUY
    levels, own = book.depth(other, 2), book.best(asked.side)
    return _Context(
        levels[0][1] / asked.qty,
        None if own is None else abs(levels[0][0] - own) / tick,
        None if len(levels) < 2 else abs(levels[1][0] - levels[0][0]) / tick,
    )


__all__ = ["ORDERS", "SEED", "Compared", "Report", "Tried", "compare", "tried"]
