"""Builders for the paper venue's tests: one listed share, requests by default, and a watcher that hears everything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any

from partfill.core.engine import Engine
from partfill.model.commands import Answered, Looked
from partfill.model.instrument import Instrument, TickBand
from partfill.model.observations import OrderSnapshot
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, OrdType, Side, TimeInForce
from partfill.venues.paper.events import Add, Take
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.listing import Listing
from partfill.venues.paper.orders import PaperOrder
from partfill.venues.protocol import Venue

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
LISTING = Listing(
    instrument=Instrument(
        symbol="ACME", ticks=(TickBand(D(0), D("0.01")),), lot=D(1), min_qty=D(1), min_notional=D(5), quote="USD"
    ),
    maker_fee=D("-0.0001"),
    taker_fee=D("0.0003"),
)


def terms(side: Side = BUY, qty: str = "10", price: str | None = "10", **also: Any) -> Terms:
    """A day limit order; without a price a market order."""
    kind = OrdType.LIMIT if price is not None else OrdType.MARKET
    fields: dict[str, Any] = {"ord_type": kind, "price": None if price is None else D(price), **also}
    return Terms(instrument=fields.pop("instrument", "ACME"), side=side, order_qty=D(qty), **fields)


def stop(side: Side, qty: str, stop_px: str, price: str | None = None, **also: Any) -> Terms:
    kind = OrdType.STOP if price is None else OrdType.STOP_LIMIT
    return terms(side, qty, price, ord_type=kind, stop_px=D(stop_px), **also)


def place(name: str, wanted: Terms | None = None, account: str = "a") -> Place:
    wanted = wanted if wanted is not None else terms()
    return Place(venue="paper", account=account, instrument=wanted.instrument, order=1, cl_ord_id=name, terms=wanted)


def cancel(of: str, name: str | None = None, account: str = "a") -> Cancel:
    return Cancel(venue="paper", account=account, instrument="ACME", order=1, cl_ord_id=name or f"{of}-x",
                  orig_cl_ord_id=of, order_id=None)  # fmt: skip


def replace(of: str, qty: str, price: str | None = None, name: str | None = None, account: str = "a") -> Replace:
    return Replace(venue="paper", account=account, instrument="ACME", order=1, cl_ord_id=name or f"{of}-r",
                   orig_cl_ord_id=of, order_id=None, order_qty=D(qty), cum_qty=D(0),
                   price=None if price is None else D(price))  # fmt: skip


def query(name: str, account: str = "a") -> Query:
    return Query(venue="paper", account=account, instrument="ACME", order=1, cl_ord_id=name, order_id=None,
                 terms=terms(), since=0)  # fmt: skip


def clock(step: int = 1_000) -> Callable[[], int]:
    """A clock that moves by `step` ns each time somebody looks at it."""
    ticks = count(step, step)
    return lambda: next(ticks)


async def eventually(holds: Callable[[], bool], tries: int = 20_000) -> None:
    """Let others run until something holds. Fails when it never does."""
    for _ in range(tries):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to hold")


async def definite(venue: Venue, name: str) -> Looked:
    """Ask for an order until the answer is definite."""
    for _ in range(20_000):
        looked = await venue.find(query(name))
        if looked.definite:
            return looked
        await asyncio.sleep(0.001)
    raise AssertionError("no answer was ever definite")


class Floor:
    """An exchange with one share, and everything it said."""

    def __init__(self, *listings: Listing) -> None:
        self.exchange = Exchange(listings or (LISTING,))
        self.said: list[OrderSnapshot] = []
        self.exchange.listeners.append(self.said.append)
        self.now = 0
        self._others = 0

    def do(self, op: Place | Cancel | Replace) -> Answered:
        self.now += 1
        return self.exchange.apply(op, self.now)

    def rest(self, side: Side, qty: str, price: str) -> None:
        """Another participant's order."""
        self.now += 1
        self._others += 1
        self.exchange.market(Add("ACME", f"o{self._others}", side, D(qty), D(price)), self.now)

    def take(self, side: Side, qty: str, price: str | None = None) -> None:
        self.now += 1
        self.exchange.market(Take("ACME", side, D(qty), None if price is None else D(price)), self.now)

    def order(self, name: str, account: str = "a") -> PaperOrder:
        return self.exchange.accounts[account].clients[name]

    def numbers(self, name: str, account: str = "a") -> tuple[OrdStatus, Decimal, Decimal, Decimal]:
        """(status, order_qty, cum_qty, leaves_qty)"""
        order = self.order(name, account)
        return order.status, order.order_qty, order.cum_qty, order.leaves_qty

    def kinds(self, name: str, account: str = "a") -> list[ExecType | None]:
        """The reports of an order, in order."""
        return [each.exec_type for each in self.said if each.order_id == self.order(name, account).order_id]


def assert_ledger_is_the_truth(engine: Engine, exchange: Exchange) -> int:
    """Every order of the exchange is in the engine with the exchange's numbers; returns how many there are."""
    compared = 0
    for account, of in exchange.accounts.items():
        for order in of.orders.values():
            child = engine.index.by_order[exchange.venue, account, order.order_id].child
            fees, complete = child.fees()
            truth = (order.status, order.order_qty, order.cum_qty, order.leaves_qty, order.avg_px, order.fees, True)
            ledger = (child.status, child.order_qty, child.cum, child.leaves, child.avg_px, sum(fees.values(), D(0)), complete)
            assert ledger == truth, order.order_id
            assert child.executions == len(order.executions)
            compared += 1
    assert engine.counters.quarantined == 0
    return compared


__all__ = ["BUY", "SELL", "D", "ExecType", "Floor", "OrdStatus", "TimeInForce"]
