"""A recorded market drives a book: messages of order-by-order market data (LOBSTER, Bitstamp, ...) -> market events.

Theory of operation. The decoders of recordings (`venues.lobster`, `venues.marketdata`) give, for every order of a market,
when it came, what it lost and what it filled. An order that came is an `Add`, what it gave up a `Reduce` or `Drop`. What it
filled means that somebody took: a `Take` at its price on the other side, which meets whatever stands first in our book.
So an order of ours that stands before the recorded one fills first, and the recorded one fills later or not at all.

Rules
- LOBSTER lists resting orders only, so every execution is somebody who comes in. Bitstamp lists incoming orders too: they
  have matched when they came, and only what the recording gives beyond that is taken (`Take.of`, `Take.cum`).
- What filled is counted per order, from executions or from what the venue claims in all, whichever the recording has.
- Orders that the recording does not show coming cannot rest here; executions of theirs still take.
- Memory is bounded: the `remember` orders that came last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from partfill.model.numbers import ZERO, add, sub
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.words import ExecType, OrdStatus, Side
from partfill.venues.decoding import Message
from partfill.venues.paper.events import Add, Drop, MarketEvent, Reduce, Take, Timed

REMEMBER = 200_000
"""Orders remembered, unless told otherwise."""


class _Seen:
    __slots__ = ("cum", "price", "qty", "side")

    def __init__(self, side: Side, qty: Decimal, price: Decimal) -> None:
        self.side, self.qty, self.price = side, qty, price
        self.cum = ZERO


class Recording:
    """Turns messages of one decoder into events of `instrument`. `incoming_listed`: incoming orders come as orders too."""

    def __init__(self, instrument: str, *, incoming_listed: bool, remember: int = REMEMBER) -> None:
        self.instrument = instrument
        self._incoming_listed = incoming_listed
        self._remember = remember
        self._orders: dict[str, _Seen] = {}

    def events(self, messages: Iterable[Message]) -> Iterator[Timed]:
        """(time of the message since the first one in ns, event) one by one."""
        first: int | None = None
        last = 0
        for message in messages:
            first = message.at if first is None else first
            last = max(last, message.at - first)
            for inp in message.inputs:
                for event in self._read(inp):
                    yield last, event

    def _read(self, inp: object) -> Iterator[MarketEvent]:
        if isinstance(inp, Execution) and inp.order_id is not None:
            yield from self._filled(inp.order_id, inp.qty, inp.px, inp.side)
        elif isinstance(inp, OrderSnapshot) and inp.order_id is not None:
            yield from self._said(inp.order_id, inp)

    def _said(self, name: str, s: OrderSnapshot) -> Iterator[MarketEvent]:
        if s.exec_type is ExecType.NEW and s.side is not None and s.order_qty and s.price and s.price > ZERO:
            if name not in self._orders:
                self._orders[name] = _Seen(s.side, s.order_qty, s.price)
                if len(self._orders) > self._remember:
                    del self._orders[next(iter(self._orders))]
                yield Add(self.instrument, name, s.side, s.order_qty, s.price)
            return
        seen = self._orders.get(name)
        if seen is None:
            return
        if s.cum_qty is not None and s.cum_qty > seen.cum:
            yield from self._filled(name, sub(s.cum_qty, seen.cum), seen.price, seen.side)
        if s.exec_type is ExecType.CANCELED or s.ord_status is OrdStatus.FILLED:
            yield Drop(self.instrument, name)
            del self._orders[name]
        elif s.reduced_qty:
            yield Reduce(self.instrument, name, s.reduced_qty)

    def _filled(self, name: str, qty: Decimal, px: Decimal | None, side: Side | None) -> Iterator[MarketEvent]:
        seen = self._orders.get(name)
        side = seen.side if seen is not None else side
        if side is None or px is None or px <= ZERO:
            return
        taker = Side.SELL if side is Side.BUY else Side.BUY
        if seen is not None:
            seen.cum = add(seen.cum, qty)
        if self._incoming_listed:
            if seen is not None:
                yield Take(self.instrument, taker, qty, px, name, seen.cum)
        else:
            yield Take(self.instrument, taker, qty, px)


__all__ = ["REMEMBER", "Recording"]
