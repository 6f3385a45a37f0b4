"""The paper venue as a process of its own: a `PaperVenue` behind a TCP socket on loopback.

Theory of operation. A connection's lines are read in order, and each request becomes a task in that order; replies go out as
they come. A client that dies leaves the exchange as it is: that is the point. When it comes back under the same session
name, the connection it had before is cut off first, unread bytes and all (see `wire`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec

from partfill.model.commands import Answered, Looked
from partfill.model.observations import Execution
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.venues.paper.stream import Stream
from partfill.venues.paper.venue import PaperVenue
from partfill.venues.paper.wire import (
    MAX_LINE,
    PAGE,
    Advance,
    Ask,
    Depth,
    EndDay,
    Hello,
    History,
    Listen,
    Positions,
    Reply,
    Snapshot,
    Told,
    TooLong,
    chunks,
    fitting,
    line,
    read_ask,
)
from partfill.venues.protocol import VenueDown

SAY_S = 1.0
"""How long a client may take to read why its connection is over."""
MAX_AT_ONCE = 1_000
"""Requests of one connection that may be under way; more are read when these are done."""

_A = TypeVar("_A", Answered, Looked)
log = logging.getLogger("partfill.venues.paper")


class PaperServer:
    """Serves one venue. `port` is known after `start`; 0 asks for a free one."""

    def __init__(self, venue: PaperVenue, host: str = "127.0.0.1", port: int = 0) -> None:
        self.venue = venue
        self.host = host
        self.port = port
        self.sessions: dict[str, _Connection] = {}
        self._connections: dict[_Connection, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; returns the port. Raises `OSError` when it is taken."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port, limit=MAX_LINE)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    def drop_connections(self) -> None:
        """Cut every connection off at once, as a network does."""
        for connection in list(self._connections):
            connection.cut()

    async def close(self) -> None:
        """Stop listening, cut connections off, close the venue."""
        if self._server is not None:
            self._server.close()
        await self.venue.close()
        self.drop_connections()
        await asyncio.gather(*self._connections.values(), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, reader, writer)
        task = self._connections[connection] = asyncio.get_running_loop().create_task(connection.run())
        try:
            await task
        finally:
            del self._connections[connection]


class _Connection:
    def __init__(self, server: PaperServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.venue = server.venue
        self.dead = False
        self._reader = reader
        self._writer = writer
        self._session: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._streams: list[Stream] = []
        self._room = asyncio.Semaphore(MAX_AT_ONCE)

    def cut(self) -> None:
        """Nothing that was not begun is begun any more."""
        self.dead = True
        self._writer.transport.abort()
        self._reader.feed_eof()

    async def run(self) -> None:
        try:
            while not self.dead:
                try:
                    raw = await self._reader.readline()
                except ValueError:
                    self._send(Reply(id=0, error=f"a request is one line of at most {MAX_LINE} bytes"))
                    with contextlib.suppress(ConnectionError, TimeoutError):
                        async with asyncio.timeout(SAY_S):
                            await self._writer.drain()
                    break
                if not raw.endswith(b"\n") or self.dead:
                    # A request that was cut in two was never made.
                    break
                try:
                    ask = read_ask(raw)
                except msgspec.MsgspecError as error:
                    self._send(Reply(id=0, error=f"cannot be read: {error}"))
                    continue
                if isinstance(ask.op, Hello):
                    self._hello(ask, ask.op)
                elif self._session is None:
                    self._send(Reply(id=ask.id, error="say hello first, with the name of your session"))
                else:
                    await self._room.acquire()
                    if self.dead:
                        break
                    self._begin(self._do(ask))
        except (ConnectionError, ValueError, asyncio.LimitOverrunError):
            # Gone, or a line beyond all bounds: either way this connection is over.
            pass
        finally:
            self.dead = True
            for stream in self._streams:
                await stream.aclose()
            if self.server.sessions.get(self._session or "") is self:
                del self.server.sessions[self._session or ""]
            self._writer.transport.abort()
            # Requests that were begun are with the venue and go on; only their replies have nowhere to go.
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _hello(self, ask: Ask, hello: Hello) -> None:
        before = self.server.sessions.get(hello.session)
        if before is not None and before is not self:
            before.cut()
        self._session = hello.session
        self.server.sessions[hello.session] = self
        instruments = list(self.venue.instruments.values())
        self._send(Reply(id=ask.id, venue=self.venue.name, instruments=instruments))

    async def _do(self, ask: Ask) -> None:
        try:
            self._send(await self._answer(ask))
            with contextlib.suppress(ConnectionError):
                await self._writer.drain()
        except VenueDown as down:
            self._send(Reply(id=ask.id, error=str(down)))
        finally:
            self._room.release()

    async def _answer(self, ask: Ask) -> Reply:
        op, venue = ask.op, self.venue
        if isinstance(op, Place):
            return Reply(id=ask.id, answered=_fitting(await venue.place(op)))
        if isinstance(op, Cancel):
            return Reply(id=ask.id, answered=_fitting(await venue.cancel(op)))
        if isinstance(op, Replace):
            return Reply(id=ask.id, answered=_fitting(await venue.replace(op)))
        if isinstance(op, Query):
            return Reply(id=ask.id, looked=_fitting(await venue.find(op)))
        if isinstance(op, Snapshot):
            *first, last = chunks(await venue.snapshot(op.account, op.order_ids))
            for some in first:
                self._send(Reply(id=ask.id, orders=some, more=True))
                with contextlib.suppress(ConnectionError):
                    await self._writer.drain()
            return Reply(id=ask.id, orders=last)
        if isinstance(op, History):
            found = [each async for each in venue.history(op.account, op.since) if isinstance(each, Execution)]
            page = found[max(0, op.skip) : max(0, op.skip) + PAGE]
            return Reply(id=ask.id, executions=page, more=op.skip + len(page) < len(found))
        if isinstance(op, Positions):
            return Reply(id=ask.id, positions=dict(await venue.positions(op.account)))
        if isinstance(op, Depth):
            return Reply(id=ask.id, book=await venue.book(op.instrument, op.side, op.order_id))
        if isinstance(op, Listen):
            stream = venue.stream(op.account)
            self._streams.append(stream)
            self._begin(self._tell(stream))
            return Reply(id=ask.id)
        if isinstance(op, Advance):
            return Reply(id=ask.id, count=venue.advance(op.events))
        if isinstance(op, EndDay):
            venue.exchange.end_day(venue.now())
        return Reply(id=ask.id)

    async def _tell(self, stream: Stream) -> None:
        with contextlib.suppress(ConnectionError):
            async for observation in stream:
                self._send(Told(observation=observation))
                # A reader that is slow is waited for here; what comes meanwhile waits in the stream, which is bounded.
                await self._writer.drain()

    def _send(self, message: Reply | Told) -> None:
        if self.dead:
            return
        try:
            self._writer.write(line(message))
        except TooLong as error:
            if isinstance(message, Reply):
                self._writer.write(line(Reply(id=message.id, error=f"the answer is too long: {error}")))
            else:
                # Passed over in silence it would be missed: the client hears of the gap.
                log.error("a message of the stream cannot be sent: %s", error)
                self.cut()


def _fitting(answer: _A) -> _A:
    """An answer whose order fits into a line."""
    return answer if answer.order is None else msgspec.structs.replace(answer, order=fitting(answer.order))


__all__ = ["MAX_AT_ONCE", "PaperServer"]
