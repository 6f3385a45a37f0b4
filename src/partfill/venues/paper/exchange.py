"""The paper exchange: the truth of a venue. Accounts, orders, positions, fees, stops, days. Pure and synchronous.

Theory of operation. A request goes in at a time (`apply`), or something happens in the market (`market`); books match;
every consequence is told to the listeners at once, in order, in the model's words. The same calls give the same
observations, byte for byte: there is no clock here, no luck and no I/O.

Rules
- A client id is used once per account, replaces included. A second use is refused and changes nothing.
- A refused order is an order that ended Rejected: it is found by its ids. Refused cancels and replaces leave no trace.
- A trade has one id (`T<n>`), which is the key of the execution on both sides; when two accounts cross, both have it.
- The resting side pays the maker's rate, the incoming one the taker's, of quantity x price x multiplier, in quote.
- Reduce-only: after every fill of its account the order is cut to the position (Restated), or ended when nothing is
  left to reduce. Each order alone is held against the position, so two may wait for the same position.
- Stops are triggered by trades, after the event that traded is over, and become market or limit orders then.
- The end of a day expires day orders. What has ended is forgotten once `remember` others ended after it.

It does not delay, lose or repeat anything: that is `faults` and `venue`. It forgets everything with its process: `kept` is one
that does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from partfill.model.book import Book as Shown
from partfill.model.book import Level
from partfill.model.capabilities import BelowCum, Capabilities, Chain, ClientId, Cumulative, ReplaceQty
from partfill.model.commands import Answered, Outcome
from partfill.model.numbers import ZERO, add, mul, sub, text
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.words import ExecType, OrdStatus, OrdType, Request, Side, TimeInForce
from partfill.venues.paper.accounts import Account, Market
from partfill.venues.paper.book import Book, BookOrder
from partfill.venues.paper.crowd import happen
from partfill.venues.paper.events import MarketEvent
from partfill.venues.paper.listing import Listing
from partfill.venues.paper.orders import PaperOrder

LEVELS = 10
"""Levels of a side that the venue shows."""
PAPER = Capabilities(
    cumulative=Cumulative.TRUTH,
    replace_qty=ReplaceQty.TOTAL,
    below_cum=BelowCum.CLAMP,
    chain=Chain.CONTINUES,
    executions_complete=True,
    can_replace=True,
    client_id=ClientId.UNIQUE,
    end_is_final=True,
    book_shows_own=True,
    reduce_only=True,
    shows_positions=True,
)
"""What the paper venue declares."""

REMEMBER = 1_000_000
"""Orders that ended, and executions per account, that are kept unless told otherwise."""

Listener = Callable[[OrderSnapshot], None]


class Exchange:
    """All instruments and accounts. `session` is put before order and execution ids, so that they never meet another run's."""

    def __init__(
        self, listings: Iterable[Listing], *, venue: str = "paper", session: str = "", remember: int = REMEMBER
    ) -> None:
        self.venue = venue
        self.listeners: list[Listener] = []
        self.accounts: dict[str, Account] = {}
        self.positions: dict[tuple[str, str], Decimal] = {}
        """Units per (account, instrument), below zero for short."""
        self.trades = 0
        self._session = session
        self._remember = remember
        self._number = 0
        self._reports = 0
        self._now = 0
        self._market_now = 0
        """The market's own time (ns), and when the exchange first saw it; it stands while nothing happens."""
        self._market_began: int | None = None
        self._finished: deque[PaperOrder] = deque()
        self._reducing: dict[tuple[str, str], dict[int, PaperOrder]] = {}
        self.markets: dict[str, Market] = {}
        for listing in listings:
            symbol = listing.instrument.symbol
            self.markets[symbol] = Market(listing, Book(self._on_trade(symbol)))

    def begin_anew(self, now: int) -> bool:
        """A desk has orders of an exchange of this name: ids of that one are given out no second time.

        False where this is that one: ids of it have been given out, or have a session. Nothing changes then.
        """
        if self._session or self._number:
            return False
        self._session = f"{now // 1_000_000:x}-"
        return True

    # ------------------------------------------------------------------ requests

    def apply(self, op: Place | Cancel | Replace, now: int) -> Answered:
        """Do one request at `now` (ns UTC) and return its answer: done, or refused with the reason."""
        self._now = now
        if isinstance(op, Place):
            return self._place(op)
        return self._cancel(op) if isinstance(op, Cancel) else self._replace(op)

    def find(self, op: Query, now: int) -> OrderSnapshot | None:
        """The order of a query by either id, with all executions; None when there is none."""
        order = self._known(op.account, op.order_id, op.cl_ord_id)
        return None if order is None else order.picture(now)

    def snapshot(self, account: str, order_ids: Sequence[str], now: int) -> list[OrderSnapshot]:
        """Every order that works, oldest first, then the named ones that do not (unknown ones left out)."""
        of = self._account(account)
        found = dict(of.working)
        found |= {each: of.orders[each] for each in order_ids if each in of.orders and each not in found}
        return [order.picture(now) for order in found.values()]

    def depth(self, instrument: str, now: int, side: Side | None = None, order_id: str | None = None) -> Shown:
        """The best levels of an instrument's market. Raises `LookupError` for one that is not listed.

        With `side`, `trade_rate` is of trades with resting orders of that side alone. With the `order_id` of an order that
        rests, that side is its own, and `queue_ahead` is what stands before it in price and time, our other orders included.
        Rates are units per second of market time: see `tape`.
        """
        market = self.markets.get(instrument)
        if market is None:
            raise LookupError(f"{instrument!r} is not listed; listed are {', '.join(sorted(self.markets)) or 'none'}")
        bids, asks = (tuple(Level(*each) for each in market.book.depth(side, LEVELS)) for side in (Side.BUY, Side.SELL))
        queue, rate = None, None
        resting = market.book.orders.get(order_id) if order_id is not None else None
        if resting is not None:
            side, queue = resting.side, market.book.before(resting)
        if self._market_began is not None:
            rate = market.tape.rate(self._market_now, self._market_began, side)
        return Shown(instrument=instrument, bids=bids, asks=asks, as_of=now, trade_rate=rate, queue_ahead=queue)

    def held(self, account: str) -> dict[str, Decimal]:
        """What an account holds, units by symbol, below zero for short."""
        return {instrument: qty for (whose, instrument), qty in self.positions.items() if whose == account}

    def history(self, account: str, since: int) -> list[Execution]:
        """Executions from `since` (ns UTC) on, oldest first. Raises `LookupError` when they are not kept that far back."""
        of = self._account(account)
        if of.forgotten_until is not None and of.forgotten_until >= since:
            raise LookupError(f"executions of {account!r} are kept from {of.forgotten_until} on, asked for from {since}")
        return [execution for execution in of.executions if execution.as_of is not None and execution.as_of >= since]

    # ------------------------------------------------------------------ the market and the day

    def market(self, event: MarketEvent, now: int, at: int | None = None) -> None:
        """Something that other participants do. What names no listed instrument or no resting order does nothing.

        `at` is the market's own time of it (ns), where that goes at another pace than `now`.
        """
        self._now = now
        self._market_now = now if at is None else at
        if self._market_began is None:
            self._market_began = self._market_now
        market = self.markets.get(event.instrument)
        if market is None:
            return
        happen(market.book, event)
        if market.low is not None:
            self._run_stops(market)

    def end_day(self, now: int) -> None:
        """The trading day is over: day orders expire, the others stay."""
        self._now = now
        working = [order for account in self.accounts.values() for order in account.working.values()]
        for order in sorted(working, key=lambda order: order.number):
            if order.works and order.terms.time_in_force is TimeInForce.DAY:
                self._end(order, OrdStatus.EXPIRED, ExecType.EXPIRED, "end_of_day")

    def fork(self) -> Exchange:
        """The markets as they stand in an exchange of their own, without accounts: neither changes the other from now on.

        Raises `ValueError` while an order of an account works here: nobody would own it there.
        """
        working = [order.order_id for account in self.accounts.values() for order in account.working.values()]
        if working:
            raise ValueError(f"{len(working)} orders of accounts work here ({working[0]} first); fork before they are placed")
        other = Exchange([market.listing for market in self.markets.values()], venue=self.venue)
        other._now, other._market_now, other._market_began = self._now, self._market_now, self._market_began
        for symbol, market in self.markets.items():
            there = other.markets[symbol]
            there.book = market.book.copied(other._on_trade(symbol))
            there.tape, there.last = market.tape.copied(), market.last
        return other

    # ------------------------------------------------------------------ place

    def _place(self, op: Place) -> Answered:
        of = self._account(op.account)
        if op.cl_ord_id in of.clients:
            return self._refuse(op, Request.PLACE, f"duplicate_id: {op.cl_ord_id!r} was used before", None)
        terms = op.terms
        market = self.markets.get(terms.instrument)
        if market is None:
            known = ", ".join(sorted(self.markets)) or "none"
            why: str | None = f"unknown_instrument: {terms.instrument!r} is not listed; listed are {known}"
        else:
            why = market.listing.refusal(terms, market.last)
        if why is None and terms.reduce_only and not self._reducible(op.account, terms.instrument, terms.side):
            why = f"reduce_only: {op.account!r} has no {terms.instrument} that a {terms.side.value} would reduce"
        if why is None and terms.post_only and market is not None and market.book.crosses(terms.side, terms.price):
            best = market.book.best(Side.SELL if terms.side is Side.BUY else Side.BUY)
            why = f"post_only: {text(terms.price or ZERO)} would take at {text(best or ZERO)}"
        if terms.order_qty is None:
            # No book can hold it, so it is no order at all.
            return self._refuse(op, Request.PLACE, why or "", None)
        self._number += 1
        order_id = f"{self._session}P{self._number}"
        order = PaperOrder(self.venue, op.account, self._number, order_id, op.cl_ord_id, terms, self._now)
        of.orders[order_id] = order
        of.clients[op.cl_ord_id] = order
        if why is not None or market is None:
            order.book.open = ZERO
            order.ended, order.reason = OrdStatus.REJECTED, why
            self._finish(order)
            report = self._tell(order, ExecType.REJECTED, reason=why)
            return self._refuse(op, Request.PLACE, why or "", report)
        of.working[order_id] = order
        if terms.reduce_only:
            allowed = self._reducible(op.account, terms.instrument, terms.side)
            if order.book.open > allowed:
                order.book.total = order.book.open = allowed
                order.shrunk = True
            self._reducing.setdefault((op.account, terms.instrument), {})[order.number] = order
        self._tell(order, ExecType.NEW)
        if not order.stop_waits:
            self._enter(order, market)
        elif market.last is not None and self._triggers(order, market.last):
            self._trigger(order, market)
        else:
            market.stops.add(order)
        self._run_stops(market)
        return Answered(venue=self.venue, account=op.account, request=Request.PLACE, cl_ord_id=op.cl_ord_id,
                        outcome=Outcome.DONE, order=order.answer(self._now), as_of=self._now)  # fmt: skip

    def _enter(self, order: PaperOrder, market: Market) -> None:
        why = market.book.submit(order.book, order.terms.time_in_force)
        if why is not None and order.ended is None:
            self._end(order, OrdStatus.CANCELED, ExecType.CANCELED, why)

    # ------------------------------------------------------------------ cancel and replace

    def _cancel(self, op: Cancel) -> Answered:
        order = self._known(op.account, op.order_id, op.orig_cl_ord_id)
        why = _gone(order, op.order_id or op.orig_cl_ord_id)
        if order is None or why is not None:
            return self._refuse(op, Request.CANCEL, why or "", None if order is None else order.picture(self._now))
        report = self._end(
            order, OrdStatus.CANCELED, ExecType.CANCELED, None, cl_ord_id=op.cl_ord_id, orig_cl_ord_id=order.cl_ord_id
        )
        return self._done(op, Request.CANCEL, report)

    def _replace(self, op: Replace) -> Answered:
        order = self._known(op.account, op.order_id, op.orig_cl_ord_id)
        why = _gone(order, op.order_id or op.orig_cl_ord_id)
        if order is None or why is not None:
            return self._refuse(op, Request.REPLACE, why or "", None if order is None else order.picture(self._now))
        market = self.markets[order.terms.instrument]
        why = self._refused_replace(op, order, market)
        if why is not None:
            return self._refuse(op, Request.REPLACE, why, order.picture(self._now))
        total = max(op.order_qty, order.cum_qty)
        if order.terms.reduce_only:
            allowed = add(order.cum_qty, self._reducible(op.account, order.terms.instrument, order.side))
            order.shrunk = order.shrunk or total > allowed
            total = min(total, allowed)
        if op.price is not None:
            order.price = op.price
        orig, order.cl_ord_id = order.cl_ord_id, op.cl_ord_id
        order.client_ids.append(op.cl_ord_id)
        self._account(op.account).clients[op.cl_ord_id] = order
        again = market.book.change(order.book, total, order.price)
        report = self._tell(order, ExecType.REPLACED, orig_cl_ord_id=orig)
        if again:
            self._enter(order, market)
        if not order.works:
            # It was replaced to no more than had filled.
            self._close(order)
        self._run_stops(market)
        return self._done(op, Request.REPLACE, report)

    def _refused_replace(self, op: Replace, order: PaperOrder, market: Market) -> str | None:
        if op.cl_ord_id in self._account(op.account).clients:
            return f"duplicate_id: {op.cl_ord_id!r} was used before"
        if op.price is not None and order.price is None:
            return f"price: a {order.terms.ord_type.value} order has no limit price to change"
        price = order.price if op.price is None else op.price
        why = market.listing.refused_price(op.price, "price") or market.listing.refused_qty(op.order_qty, price or market.last)
        if why is None and order.terms.post_only and market.book.crosses(order.side, price):
            why = f"post_only: {text(price or ZERO)} would take"
        return why

    # ------------------------------------------------------------------ trades

    def _on_trade(self, symbol: str) -> Callable[[BookOrder, BookOrder, Decimal, Decimal], None]:
        def traded(maker: BookOrder, taker: BookOrder, qty: Decimal, px: Decimal) -> None:
            self.trades += 1
            market = self.markets[symbol]
            market.last = px
            market.tape.traded(self._market_now, maker.side, qty)
            if market.low is None or px < market.low:
                market.low = px
            if market.high is None or px > market.high:
                market.high = px
            ours = [order.owner for order in (maker, taker) if isinstance(order.owner, PaperOrder)]
            if not ours:
                return
            listing, key = market.listing, f"{self._session}T{self.trades}"
            value = listing.instrument.notional(qty, px)
            for order in ours:
                fee = mul(value, listing.maker_fee if order.book is maker else listing.taker_fee)
                self._filled(order, key, qty, px, fee, listing.currency)
            for order in ours:
                self._hold_reducing(order.account, symbol)

        return traded

    def _filled(self, order: PaperOrder, key: str, qty: Decimal, px: Decimal, fee: Decimal, currency: str) -> None:
        execution = order.fill(key, qty, px, fee, currency, self._now)
        of = self.accounts[order.account]
        if len(of.executions) == of.executions.maxlen and of.executions:
            of.forgotten_until = of.executions[0].as_of
        of.executions.append(execution)
        where = (order.account, order.terms.instrument)
        held = self.positions.get(where, ZERO)
        self.positions[where] = add(held, qty) if order.side is Side.BUY else sub(held, qty)
        self._tell(order, ExecType.TRADE, executions=(execution,))
        if not order.book.open:
            self._close(order)

    def _hold_reducing(self, account: str, symbol: str) -> None:
        orders = self._reducing.get((account, symbol))
        for order in list(orders.values()) if orders else ():
            allowed = self._reducible(account, symbol, order.side)
            if order.works and order.book.open > allowed:
                order.shrunk = True
                if not allowed:
                    self._end(order, OrdStatus.CANCELED, ExecType.CANCELED, "reduce_only")
                    continue
                self.markets[symbol].book.change(order.book, add(order.cum_qty, allowed), order.price)
                self._tell(order, ExecType.RESTATED, restatement="decline", reason="reduce_only")

    def _reducible(self, account: str, symbol: str, side: Side) -> Decimal:
        held = self.positions.get((account, symbol), ZERO)
        if side is Side.BUY:
            held = held.copy_negate()
        return held if held > ZERO else ZERO

    # ------------------------------------------------------------------ stops

    def _run_stops(self, market: Market) -> None:
        while market.low is not None and market.high is not None:
            low, high = market.low, market.high
            market.low = market.high = None
            while (order := market.stops.due(low, high)) is not None:
                self._trigger(order, market)

    def _triggers(self, order: PaperOrder, last: Decimal) -> bool:
        stop = order.terms.stop_px
        return stop is not None and (last >= stop if order.side is Side.BUY else last <= stop)

    def _trigger(self, order: PaperOrder, market: Market) -> None:
        order.stop_waits = False
        if not order.works:
            return
        order.book.price = order.price if order.terms.ord_type is OrdType.STOP_LIMIT else None
        self._tell(order, ExecType.TRIGGERED)
        self._enter(order, market)

    # ------------------------------------------------------------------ ends

    def _end(self, order: PaperOrder, status: OrdStatus, kind: ExecType, reason: str | None, **also: Any) -> OrderSnapshot:
        self.markets[order.terms.instrument].book.cancel(order.book)
        order.ended, order.reason = status, reason
        self._close(order)
        return self._tell(order, kind, reason=reason, **also)

    def _close(self, order: PaperOrder) -> None:
        """Nothing of it works any more."""
        if self.accounts[order.account].working.pop(order.order_id, None) is None:
            return
        if order.stop_waits:
            self.markets[order.terms.instrument].stops.remove(order)
        if order.terms.reduce_only:
            where = (order.account, order.terms.instrument)
            self._reducing[where].pop(order.number, None)
            if not self._reducing[where]:
                del self._reducing[where]
        self._finish(order)

    def _finish(self, order: PaperOrder) -> None:
        self._finished.append(order)
        if len(self._finished) > self._remember:
            self._forget(self._finished.popleft())

    def _forget(self, old: PaperOrder) -> None:
        of = self.accounts[old.account]
        del of.orders[old.order_id]
        for name in old.client_ids:
            del of.clients[name]

    # ------------------------------------------------------------------ inside

    def _account(self, account: str) -> Account:
        found = self.accounts.get(account)
        if found is None:
            found = self.accounts[account] = Account(self._remember)
        return found

    def _known(self, account: str, order_id: str | None, cl_ord_id: str | None) -> PaperOrder | None:
        of = self._account(account)
        if order_id is not None and order_id in of.orders:
            return of.orders[order_id]
        return of.clients.get(cl_ord_id) if cl_ord_id is not None else None

    def _tell(self, order: PaperOrder, kind: ExecType, **also: Any) -> OrderSnapshot:
        self._reports += 1
        report = order.report(kind, f"{self._session}R{self._reports}", self._now, **also)
        self._publish(report)
        return report

    def _publish(self, report: OrderSnapshot) -> None:
        for listener in self.listeners:
            listener(report)

    def _done(self, op: Cancel | Replace, request: Request, report: OrderSnapshot) -> Answered:
        return Answered(venue=self.venue, account=op.account, request=request, cl_ord_id=op.cl_ord_id,
                        outcome=Outcome.DONE, order=report, as_of=self._now)  # fmt: skip

    def _refuse(self, op: Place | Cancel | Replace, request: Request, why: str, order: OrderSnapshot | None) -> Answered:
        return Answered(venue=self.venue, account=op.account, request=request, cl_ord_id=op.cl_ord_id,
                        outcome=Outcome.REFUSED, order=order, reason=why, as_of=self._now)  # fmt: skip


def _gone(order: PaperOrder | None, name: str) -> str | None:
    """Why an order cannot be canceled or replaced, None when it can."""
    if order is None:
        return f"unknown_order: there is no order {name!r}"
    return None if order.works else f"too_late: order {order.order_id} is {order.status.value}"


__all__ = ["PAPER", "REMEMBER", "Exchange", "Listener"]
