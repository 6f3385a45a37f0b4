"""A network line to a venue in another process, which goes down, comes back on the same port, and loses what it is told to."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Line:
    """Carries bytes between whoever connects to `port` and the venue behind it."""

    def __init__(self, venue: int) -> None:
        self.port = 0
        self.deaf = False
        """True: nothing that the venue says comes through. What it is told does."""
        self._venue = venue
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()

    async def up(self) -> None:
        """Connections are taken (again)."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Connections are refused, and those that were there are gone."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for end in self._ends:
            end.transport.abort()
        while self._carrying:
            await asyncio.wait(self._carrying)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        ends = {writer}
        self._ends |= ends
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._venue)
            ends.add(back)
            self._ends |= ends
            if self._server is not None:
                await asyncio.gather(self._carry(reader, back, False), self._carry(there, writer, True))
        except OSError:
            # The venue is not there.
            pass
        finally:
            for end in ends:
                end.transport.abort()
            self._ends -= ends
            self._carrying.discard(task)

    async def _carry(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, said: bool) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                if not (said and self.deaf):
                    to.write(data)
                    await to.drain()
        # One direction without the other is no connection.
        to.transport.abort()
