"""The paper venue: the exchange behind the protocol that every adapter implements, in the same process.

Theory of operation. The exchange is synchronous and perfect; this puts distance between it and its users. A request takes
time, may be refused, and its reply may be lost (`faults`); reads may fail; streams may break. The market goes on by itself
(`start`, at `speed` times its own time) or one event at a time (`advance`), which is what tests use.

Rules
- `find` is definite when everything sent before the question has been applied or never will be; a request that is still on
  its way makes it indefinite.
- Times in answers are when the request was sent. Nothing here reads a clock but the one it was given.
- A stream misses nothing from the call of `stream` on, however late its first message is read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Self

import msgspec

from partfill.model.book import Book
from partfill.model.capabilities import Capabilities
from partfill.model.commands import Answered, Looked, Outcome
from partfill.model.instrument import Instrument
from partfill.model.numbers import ZERO, mul
from partfill.model.observations import Observation, OrderSnapshot
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.words import OrdStatus, Request, Side
from partfill.venues.paper.events import Timed
from partfill.venues.paper.exchange import PAPER, Exchange
from partfill.venues.paper.faults import Applied, Faults, Misfortune
from partfill.venues.paper.stream import Stream
from partfill.venues.protocol import VenueDown

SECOND_NS = 1_000_000_000
SLICE = 500
"""Most market events in one go before others get their turn."""

_REQUESTS = {Place: Request.PLACE, Cancel: Request.CANCEL, Replace: Request.REPLACE}

BACK_S = 3.0
"""How long a venue that begins anew knows nothing of the orders of its last life, before it says that they ended."""


class PaperVenue:
    """A venue over `exchange`, driven by the events of `market`.

    `now` gives ns UTC. `speed`: market time per real time, a whole number; None leaves the market to `advance`.
    """

    def __init__(self, exchange: Exchange, market: Iterator[Timed] | None = None, *, now: Callable[[], int],
                 faults: Faults | None = None, seed: int = 0, speed: int | None = None) -> None:  # fmt: skip
        if speed is not None and speed < 1:
            raise ValueError(f"speed is {speed}; give a whole number from 1, or None to step the market yourself")
        self.exchange = exchange
        self.now = now
        self._market = iter(market) if market is not None else iter(())
        self._luck = Misfortune(faults or Faults(), seed)
        self._speed = speed
        self._streams: list[Stream] = []
        self._under_way: dict[int, str] = {}
        """Requests that were sent and are not applied yet: number -> account."""
        self._sent = 0
        self._late: set[asyncio.Task[Answered]] = set()
        self._running: asyncio.Task[None] | None = None
        self._closed = False
        self._left: dict[tuple[str, str | None], OrderSnapshot] = {}
        """Orders of an earlier life that worked when it ended, as the desk knew them."""
        self._began = 0.0
        exchange.listeners.append(self._told)

    # ------------------------------------------------------------------ what it is

    @property
    def name(self) -> str:
        """The venue's name, as in every input it makes."""
        return self.exchange.venue

    @property
    def capabilities(self) -> Capabilities:
        """FIX behaviour, with complete execution lists and a replace of its own."""
        return PAPER

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """What can be traded, by symbol."""
        return {symbol: market.listing.instrument for symbol, market in self.exchange.markets.items()}

    def begin_anew(self, left: Sequence[OrderSnapshot]) -> None:
        """The desk has orders of an earlier life: see `Exchange.begin_anew`. What worked then ended with that process."""
        if self.exchange.begin_anew(self.now()):
            self._began = time.monotonic()
            self._left = {(order.account, order.order_id): order for order in left}

    # ------------------------------------------------------------------ requests

    async def place(self, op: Place) -> Answered:
        """Send a new order, once."""
        return await self._request(op)

    async def cancel(self, op: Cancel) -> Answered:
        """Ask for the end of an order, once."""
        return await self._request(op)

    async def replace(self, op: Replace) -> Answered:
        """Ask for new terms, once; `order_qty` is the new total."""
        return await self._request(op)

    async def find(self, op: Query) -> Looked:
        """Look one order up with its executions."""
        sent = self.now()
        before = self._sent
        delay, answers = self._luck.read()
        await _pause(delay)
        if not answers or self._closed:
            error = "closed" if self._closed else "no answer came"
            return Looked(venue=self.name, account=op.account, cl_ord_id=op.cl_ord_id, order_id=op.order_id, error=error,
                          as_of=sent)  # fmt: skip
        definite = not any(number <= before and account == op.account for number, account in self._under_way.items())
        try:
            order = self.exchange.find(op, sent) or self._ended_before(op, sent)
        except VenueDown as down:
            return Looked(venue=self.name, account=op.account, cl_ord_id=op.cl_ord_id, order_id=op.order_id, error=str(down),
                          as_of=sent)  # fmt: skip
        return Looked(venue=self.name, account=op.account, cl_ord_id=op.cl_ord_id, order_id=op.order_id, order=order,
                      definite=definite, as_of=sent)  # fmt: skip

    def _ended_before(self, op: Query, now: int) -> OrderSnapshot | None:
        """An order that ended with the process of an earlier life: with what had filled of it, as far as anybody knows.

        An exchange that comes back says so only after a while.
        """
        if time.monotonic() - self._began < BACK_S:
            return None
        for order in self._left.values():
            same = order.order_id == op.order_id if op.order_id is not None else order.cl_ord_id == op.cl_ord_id
            if same and order.account == op.account:
                return msgspec.structs.replace(order, ord_status=OrdStatus.CANCELED, leaves_qty=ZERO, as_of=now)
        return None

    async def snapshot(self, account: str, order_ids: Sequence[str] = ()) -> list[OrderSnapshot]:
        """Every open order of the account, and those named that are open no more. Raises `VenueDown`."""
        sent = self.now()
        await self._read()
        return self.exchange.snapshot(account, order_ids, sent)

    async def positions(self, account: str) -> Mapping[str, Decimal]:
        """What the account holds, units by symbol. Raises `VenueDown`."""
        await self._read()
        return self.exchange.held(account)

    async def book(self, instrument: str, side: Side | None = None, order_id: str | None = None) -> Book:
        """The best levels of both sides, how fast `side` trades, and what stands before `order_id`. Raises `VenueDown`.

        Market time that runs `speed` times as fast trades so much faster; a market that is stepped counts as one that
        goes at its own pace.
        """
        sent = self.now()
        await self._read()
        try:
            shown = self.exchange.depth(instrument, sent, side, order_id)
        except LookupError as error:
            raise VenueDown(f"{self.name}: {error}") from None
        if self._speed is None or shown.trade_rate is None:
            return shown
        return msgspec.structs.replace(shown, trade_rate=mul(shown.trade_rate, Decimal(self._speed)))

    async def history(self, account: str, since: int) -> AsyncIterator[Observation]:
        """Executions since `since` (ns UTC), oldest first. Raises `VenueDown`."""
        await self._read()
        try:
            executions = self.exchange.history(account, since)
        except LookupError as error:
            raise VenueDown(f"{self.name}: {error}") from None
        for execution in executions:
            yield execution

    def stream(self, account: str) -> Stream:
        """Observations of one account from now on; ends with the venue."""
        stream = Stream(self.name, account, self._luck.fork())
        if self._closed:
            stream.end()
        self._streams.append(stream)
        return stream

    def interrupt(self, why: str = "the connection was lost") -> None:
        """Break every stream once, on purpose: each reader finds a Gap."""
        for stream in self._streams:
            stream.interrupt(self.now(), why)

    # ------------------------------------------------------------------ the market

    def advance(self, events: int = 1) -> int:
        """Let the next `events` market events happen now; returns how many there were."""
        done = 0
        for _, (at, event) in zip(range(events), self._market, strict=False):
            self.exchange.market(event, self.now(), at)
            done += 1
        return done

    def start(self) -> asyncio.Task[None]:
        """Let the market run in a task of its own, at `speed`; the task ends with the market's events, or as they fail.

        Raises `ValueError` without a speed.
        """
        if self._speed is None:
            raise ValueError("this paper venue has no speed; give one, or step it with advance()")
        if self._running is None:
            self._running = asyncio.create_task(self._run(self._speed))
        return self._running

    async def close(self) -> None:
        """Stop the market, end the streams. Requests that are still on their way never arrive."""
        self._closed = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        for stream in self._streams:
            stream.end()
        if self._told in self.exchange.listeners:
            self.exchange.listeners.remove(self._told)

    async def __aenter__(self) -> Self:
        if self._speed is not None:
            self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ------------------------------------------------------------------ inside

    async def _request(self, op: Place | Cancel | Replace) -> Answered:
        sent = self.now()
        if self._closed:
            return self._answer(op, _REQUESTS[type(op)], Outcome.UNKNOWN, "the venue is closed; nothing was sent", sent)
        fate = self._luck.request(op.account, sent, cancel=isinstance(op, Cancel))
        if fate.applied is not Applied.NEVER:
            self._sent += 1
            self._under_way[self._sent] = op.account
        number = self._sent
        answer: Answered | None = None
        if fate.applied is Applied.NOW:
            # It leaves in a task of its own: whoever waits may give up, the request is on its way all the same.
            try:
                answer = await self._arrival(self._keep(self._arrive(op, number, fate.delay_there)))
            except VenueDown as down:
                return self._answer(op, _REQUESTS[type(op)], Outcome.UNKNOWN, str(down), sent)
        elif fate.applied is Applied.LATE:
            self._keep(self._arrive(op, number, fate.delay_there + fate.delay_back + self._luck.faults.late_ns))
        else:
            await _pause(fate.delay_there)
        request = _REQUESTS[type(op)]
        if self._closed:
            return self._answer(op, request, Outcome.UNKNOWN, "the venue closed before it answered", sent)
        await _pause(fate.delay_back)
        if fate.refused is not None:
            return self._answer(op, request, Outcome.REFUSED, fate.refused, sent)
        if answer is None or not fate.replied:
            return self._answer(op, request, Outcome.UNKNOWN, "no reply came", sent)
        order = None if answer.order is None else msgspec.structs.replace(answer.order, as_of=sent)
        return msgspec.structs.replace(answer, order=order, as_of=sent)

    async def _arrival(self, task: asyncio.Task[Answered]) -> Answered | None:
        """The answer of a request on its way; None when the venue closed before it arrived."""
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            waiting = asyncio.current_task()
            if not task.cancelled() or (waiting is not None and waiting.cancelling()):
                raise
            return None

    async def _arrive(self, op: Place | Cancel | Replace, number: int, delay: int) -> Answered:
        await _pause(delay)
        del self._under_way[number]
        return self.exchange.apply(op, self.now())

    def _keep(self, work: Coroutine[Any, Any, Answered]) -> asyncio.Task[Answered]:
        task = asyncio.get_running_loop().create_task(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return task

    def _answer(self, op: Place | Cancel | Replace, request: Request, outcome: Outcome, reason: str, sent: int) -> Answered:
        return Answered(venue=self.name, account=op.account, request=request, cl_ord_id=op.cl_ord_id, outcome=outcome,
                        reason=reason, as_of=sent)  # fmt: skip

    async def _read(self) -> None:
        delay, answers = self._luck.read()
        await _pause(delay)
        if self._closed:
            raise VenueDown(f"{self.name} is closed")
        if not answers:
            raise VenueDown(f"{self.name}: no answer came")

    def _told(self, report: OrderSnapshot) -> None:
        for stream in list(self._streams):
            if stream.closed:
                self._streams.remove(stream)
            elif stream.account == report.account:
                stream.put(report, report.as_of or 0)

    async def _run(self, speed: int) -> None:
        """The market in time: everything that is due, then sleep until the next."""
        began, first = self.now(), None
        for done, (at, event) in enumerate(self._market):
            # What was let happen before takes no time any more.
            first = at if first is None else first
            wait = began + (at - first) // speed - self.now()
            if wait > 0:
                await _pause(wait)
            elif done % SLICE == 0:
                await asyncio.sleep(0)
            self.exchange.market(event, self.now(), at)


async def _pause(ns: int) -> None:
    if ns > 0:
        await asyncio.sleep(ns / SECOND_NS)


__all__ = ["PaperVenue"]
