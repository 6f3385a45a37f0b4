"""The paper venue over its socket: the same protocol as in one process, across a connection that can break.

Theory of operation. One task keeps the connection up: it connects, says hello, listens again for every open stream, and
waits until the connection is lost, then does so again, pausing a little longer each time. Requests use the connection
that is up.

Rules
- A request whose connection is lost, or whose reply does not come in time, is UNKNOWN. So is one that found no
  connection: the venue did not refuse it.
- Every stream gets a `Gap` each time the connection comes back.
- A client keeps its `session` name through restarts: what its last connection had sent and the venue had not begun is
  then never applied. Two clients at a time need two names.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Self

import msgspec

from partfill.model.book import Book
from partfill.model.capabilities import Capabilities
from partfill.model.commands import Answered, Looked, Outcome
from partfill.model.instrument import Instrument
from partfill.model.observations import Observation, OrderSnapshot
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.words import Request, Side
from partfill.venues.paper.exchange import PAPER
from partfill.venues.paper.faults import Faults, Misfortune
from partfill.venues.paper.stream import Stream
from partfill.venues.paper.wire import (
    MAX_LINE,
    Advance,
    Ask,
    Depth,
    EndDay,
    Hello,
    History,
    Listen,
    Ops,
    Positions,
    Reply,
    Snapshot,
    TooLong,
    line,
    parts,
    read_answer,
)
from partfill.venues.protocol import VenueDown

TIMEOUT_MS = 10_000
"""How long a reply is waited for, unless told otherwise."""
FIRST_PAUSE_MS = 20
LONGEST_PAUSE_MS = 2_000
"""Pauses before connecting again."""

_REQUESTS = {Place: Request.PLACE, Cancel: Request.CANCEL, Replace: Request.REPLACE}

log = logging.getLogger("partfill.venues.paper")


class _Lost(ConnectionError):
    """No reply: the connection is not there, or not any more."""


class _Connection:
    """One TCP connection and the requests that wait on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, told: Callable[[Observation], None]) -> None:
        self._reader = reader
        self._writer = writer
        self._told = told
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._parts: dict[int, list[OrderSnapshot]] = {}
        """Orders of replies of which more is to come."""
        self._accounts: set[str] = set()
        self._next = 1
        self.over = False
        self.reading = asyncio.get_running_loop().create_task(self._read())

    def send(self, op: Ops) -> tuple[int, asyncio.Future[Reply]]:
        """Send one request at once; its number and its reply to come. Raises `_Lost`."""
        if self.over:
            raise _Lost("the connection was lost")
        number = self._next
        self._next += 1
        try:
            raw = line(Ask(number, op))
        except TooLong as error:
            # Nothing of it has left.
            raise VenueDown(f"the request is too long: {error}") from None
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        # Whoever waited may have given up: then nobody asks for the error.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._writer.write(raw)
        return number, future

    async def ask(self, op: Ops, timeout_ms: int) -> Reply:
        """Send one request and wait for its reply. Raises `_Lost` when none comes."""
        number, future = self.send(op)
        try:
            # Not wait_for: it loses a cancellation that comes together with the reply (Python 3.11).
            async with asyncio.timeout(timeout_ms / 1000):
                return await future
        except TimeoutError:
            raise _Lost(f"no reply within {timeout_ms} ms") from None
        finally:
            self._waiting.pop(number, None)
            self._parts.pop(number, None)

    def _whole(self, reply: Reply) -> Reply:
        """A reply with what came of it before."""
        before = self._parts.pop(reply.id, None)
        if before is None or reply.orders is None:
            return reply
        return msgspec.structs.replace(reply, orders=[*before, *reply.orders])

    def listen(self, account: str) -> None:
        """Have the observations of an account told, once; whatever is sent after this is done after it."""
        if account not in self._accounts and not self.over:
            self._accounts.add(account)
            self.send(Listen(account=account))

    def cut(self) -> None:
        """End it at once."""
        self._writer.transport.abort()
        self.reading.cancel()

    async def _read(self) -> None:
        try:
            while (raw := await self._reader.readline()).endswith(b"\n"):
                message = read_answer(raw)
                if isinstance(message, Reply) and message.more and message.orders is not None:
                    # Not its last part.
                    if message.id in self._waiting:
                        self._parts.setdefault(message.id, []).extend(message.orders)
                elif isinstance(message, Reply):
                    if message.id == 0:
                        log.error("the venue says: %s", message.error)
                    message = self._whole(message)
                    future = self._waiting.pop(message.id, None)
                    if future is not None and not future.done():
                        future.set_result(message)
                else:
                    self._told(message.observation)
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            # Not speaking our language (any more), or a line beyond all bounds.
            log.error("a line of the venue cannot be read, the connection is over: %s", error)
        except ConnectionError:
            pass
        finally:
            self.over = True
            self._writer.transport.abort()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(_Lost("the connection was lost before the reply"))


class PaperClient:
    """The venue of a `PaperServer`. Make it with `connect`."""

    def __init__(self, host: str, port: int, *, now: Callable[[], int], session: str, timeout_ms: int) -> None:
        self._host = host
        self._port = port
        self._now = now
        self._session = session
        self._timeout_ms = timeout_ms
        self._name = "paper"
        self._instruments: dict[str, Instrument] = {}
        self._streams: list[Stream] = []
        self._connection: _Connection | None = None
        self._up = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    async def connect(cls, host: str, port: int, *, now: Callable[[], int], session: str = "desk",
                      timeout_ms: int = TIMEOUT_MS) -> Self:  # fmt: skip
        """Connect and learn what can be traded. `now` gives ns UTC. Raises `VenueDown` when nobody answers in time."""
        client = cls(host, port, now=now, session=session, timeout_ms=timeout_ms)
        client._keeper = asyncio.get_running_loop().create_task(client._keep_up())
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await client._up.wait()
        except TimeoutError:
            await client.close()
            raise VenueDown(
                f"no paper venue answers at {host}:{port}; start one with python -m partfill.venues.paper"
            ) from None
        return client

    # ------------------------------------------------------------------ what it is

    @property
    def name(self) -> str:
        """The venue's name, as in every input it makes."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """The paper venue's."""
        return PAPER

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """What can be traded, by symbol, as of the last connection."""
        return self._instruments

    # ------------------------------------------------------------------ the protocol

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
        sent = self._now()
        try:
            found = (await self._ask(op)).looked
            error = "the reply holds no answer"
        except VenueDown as down:
            found, error = None, str(down)
        if found is None:
            return Looked(venue=self.name, account=op.account, cl_ord_id=op.cl_ord_id, order_id=op.order_id, error=error,
                          as_of=sent)  # fmt: skip
        order = None if found.order is None else msgspec.structs.replace(found.order, as_of=sent)
        return msgspec.structs.replace(found, order=order, as_of=sent)

    async def snapshot(self, account: str, order_ids: Sequence[str] = ()) -> list[OrderSnapshot]:
        """Every open order of the account, and those named that are open no more. Raises `VenueDown`."""
        sent = self._now()
        found: dict[str | None, OrderSnapshot] = {}
        for some in parts(order_ids):
            orders = (await self._ask(Snapshot(account=account, order_ids=some))).orders
            if orders is None:
                # What is missing is not empty: "no orders" would end them all here.
                raise VenueDown(f"{self.name}: the reply holds no list of orders")
            found |= {order.order_id: order for order in orders}
        return [msgspec.structs.replace(order, as_of=sent) for order in found.values()]

    async def history(self, account: str, since: int) -> AsyncIterator[Observation]:
        """Executions since `since` (ns UTC), oldest first. Raises `VenueDown`."""
        skip, more = 0, True
        while more:
            reply = await self._ask(History(account=account, since=since, skip=skip))
            more = reply.more
            if reply.executions is None or (more and not reply.executions):
                raise VenueDown(f"{self.name}: the reply holds no list of executions")
            for execution in reply.executions:
                skip += 1
                yield execution

    async def positions(self, account: str) -> Mapping[str, Decimal]:
        """What the account holds, units by symbol. Raises `VenueDown`."""
        found = (await self._ask(Positions(account=account))).positions
        if found is None:
            raise VenueDown(f"{self.name}: the reply holds no positions")
        return found

    async def book(self, instrument: str, side: Side | None = None, order_id: str | None = None) -> Book:
        """The best levels, how fast `side` trades, what stands before `order_id`; as of the question. Raises `VenueDown`."""
        sent = self._now()
        found = (await self._ask(Depth(instrument=instrument, side=side, order_id=order_id))).book
        if found is None:
            raise VenueDown(f"{self.name}: the reply holds no book")
        return msgspec.structs.replace(found, as_of=sent)

    def stream(self, account: str) -> Stream:
        """Observations of one account from now on, a `Gap` after each lost connection; ends with `close`."""
        stream = Stream(self.name, account, Misfortune(Faults()))
        if self._closed:
            stream.end()
        self._streams.append(stream)
        if self._connection is not None:
            self._connection.listen(account)
        return stream

    async def close(self) -> None:
        """Let the connection go. What was under way becomes UNKNOWN."""
        self._closed = True
        for task in (self._keeper, self._connection.reading if self._connection else None):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        for stream in self._streams:
            stream.end()

    # ------------------------------------------------------------------ beyond the protocol

    async def advance(self, events: int) -> int:
        """Let market events happen now; returns how many there were. Raises `VenueDown`."""
        count = (await self._ask(Advance(events=events))).count
        if count is None:
            raise VenueDown(f"{self.name}: the reply holds no count")
        return count

    async def end_day(self) -> None:
        """End the trading day. Raises `VenueDown`."""
        await self._ask(EndDay())

    def cut(self) -> None:
        """Lose the connection, on purpose."""
        if self._connection is not None:
            self._connection.cut()

    # ------------------------------------------------------------------ inside

    async def _request(self, op: Place | Cancel | Replace) -> Answered:
        sent = self._now()
        try:
            answered = (await self._ask(op)).answered
            why = "the reply holds no answer"
        except VenueDown as down:
            answered, why = None, str(down)
        if answered is None:
            return Answered(venue=self.name, account=op.account, request=_REQUESTS[type(op)], cl_ord_id=op.cl_ord_id,
                            outcome=Outcome.UNKNOWN, reason=why, as_of=sent)  # fmt: skip
        order = None if answered.order is None else msgspec.structs.replace(answered.order, as_of=sent)
        return msgspec.structs.replace(answered, order=order, as_of=sent)

    async def _ask(self, op: Ops) -> Reply:
        try:
            if self._connection is None and not self._closed:
                async with asyncio.timeout(self._timeout_ms / 1000):
                    await self._up.wait()
            if self._connection is None:
                raise _Lost("not connected")
            reply = await self._connection.ask(op, self._timeout_ms)
        except TimeoutError:
            raise VenueDown(f"{self.name}: not connected within {self._timeout_ms} ms") from None
        except _Lost as lost:
            raise VenueDown(f"{self.name}: {lost}") from None
        if reply.error is not None:
            raise VenueDown(f"{self.name}: {reply.error}")
        return reply

    async def _keep_up(self) -> None:
        pause = FIRST_PAUSE_MS
        while True:
            connection: _Connection | None = None
            try:
                connection = await self._open()
                self._connection = connection
                self._up.set()
                pause = FIRST_PAUSE_MS
                await asyncio.gather(connection.reading, return_exceptions=True)
            except (OSError, TimeoutError):
                pass
            finally:
                if connection is not None:
                    connection.cut()
                self._connection = None
                self._up.clear()
            for stream in self._streams:
                stream.broke("the connection was lost")
            await asyncio.sleep(pause / 1000)
            pause = min(2 * pause, LONGEST_PAUSE_MS)

    async def _open(self) -> _Connection:
        async with asyncio.timeout(self._timeout_ms / 1000):
            reader, writer = await asyncio.open_connection(self._host, self._port, limit=MAX_LINE)
        connection = _Connection(reader, writer, self._hear)
        try:
            hello = await connection.ask(Hello(session=self._session), self._timeout_ms)
            self._name = hello.venue or self._name
            if hello.error is not None or hello.instruments is None:
                raise _Lost(hello.error or "the reply holds no list of instruments")
            self._instruments = {each.symbol: each for each in hello.instruments}
            self._streams = [stream for stream in self._streams if not stream.closed]
            for stream in self._streams:
                # Listening is asked for before anything that a reader of the Gap may ask.
                connection.listen(stream.account)
                stream.interrupt(self._now(), "the connection was lost")
        except BaseException:
            connection.cut()
            raise
        return connection

    def _hear(self, observation: Observation) -> None:
        for stream in self._streams:
            if stream.account == observation.account:
                stream.put(observation, observation.as_of or self._now())


__all__ = ["TIMEOUT_MS", "PaperClient"]
