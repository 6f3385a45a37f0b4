"""The daemon's HTTP server: pages of this process for this machine, and for nobody else.

    server = HttpServer("127.0.0.1", 0)
    server.bind()                                 # the port is ours from here on: whatever asks now waits
    await server.serve({"/health": page})
    await server.close()

Theory of operation. The address is taken before anything else is begun, so that a port that is in use is told at once and not
after orders were sent. aiohttp speaks the protocol; a page is a coroutine of ours that looks at memory.

Rules
- It listens on loopback only, and answers no request whose `Host` is a name but localhost: a page of somewhere else in a
  browser of this machine could ask under a name of its own otherwise.
- Whoever has an account on this machine can read the pages: they hold no secret, and nobody can do anything there.
- Pages are read with GET, without a body, and change nothing. The head of a request is bounded. A page that raises is a 500 in
  the log; the process goes on.
- At most `MAX_CONNECTIONS`: then the oldest goes that has no request under way, and where all have, the new one. So clients
  that hang use up nothing that the journal or a venue needs. Closing waits for nobody longer than `SHUTDOWN_S`.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from partfill.service.address import Unusable, is_loopback

MAX_CONNECTIONS = 128
MAX_HEADER = 8_190
"""Bytes of the first line of a request, and of one field of its head."""
SHUTDOWN_S = 1.0
KEEP_S = 60.0
"""How long a connection may be kept without a request."""

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpServer:
    """Serves pages at one loopback address. `port` 0 is a free one. Raises `Unusable` for an address that is not loopback."""

    def __init__(self, host: str, port: int) -> None:
        if not is_loopback(host):
            raise Unusable(f"http.host: {host!r} is no address of this machine alone; give 127.0.0.1 or ::1")
        self.host, self.port = host, port
        self._socket: socket.socket | None = None
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._asking: set[object] = set()
        """Connections with a request that is being answered."""

    @property
    def url(self) -> str:
        """Where it is; the port is known after `bind`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def bind(self) -> None:
        """Take the address. Raises `Unusable` when another process has it, or it may not be had."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self.host, self.port))
            # Bound alone is not taken: another process that begins at the same moment could bind it too.
            listening.listen(MAX_CONNECTIONS)
        except OSError as error:
            listening.close()
            why = "is taken by another process" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
            raise Unusable(f"http.port: {self.port} at {self.host} {why}; give another, or 0 for a free one") from None
        listening.setblocking(False)
        self._socket = listening
        self.port = listening.getsockname()[1]

    async def serve(self, pages: Mapping[str, Page]) -> None:
        """Answer requests, those that wait already too. `bind` came before."""
        assert self._socket is not None
        app = web.Application(middlewares=[self._guard])
        for path, page in pages.items():
            app.router.add_get(path, page)
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=SHUTDOWN_S,
                                     max_line_size=MAX_HEADER, max_field_size=MAX_HEADER, keepalive_timeout=KEEP_S,
                                     lingering_time=0)  # fmt: skip
        await self._runner.setup()
        self._server = await asyncio.get_running_loop().create_server(self._admit, sock=self._socket)

    async def close(self) -> None:
        """Listen no more and let every connection go."""
        if self._server is not None:
            self._server.close()
        elif self._socket is not None:
            self._socket.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def open_connections(self) -> list[web.RequestHandler]:
        """Every connection that is not closed or being closed, oldest first."""
        server = self._runner.server if self._runner is not None else None
        return [] if server is None else [each for each in server.connections if each.transport is not None]

    def _admit(self) -> asyncio.BaseProtocol:
        """The protocol of a connection that has just come."""
        assert self._runner is not None
        server = self._runner.server
        assert server is not None
        open_ = self.open_connections()
        if len(open_) >= MAX_CONNECTIONS:
            # Oldest first.
            idle = next((each for each in open_ if each not in self._asking), None)
            if idle is None:
                return _Closed()
            idle.force_close()
        return server()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not _ours(request.host):
            raise web.HTTPForbidden(text=f"this is {self.url}; ask for it by its address or as localhost\n")
        if request.body_exists:
            # No page takes one: nothing of it is read, however long it is.
            refused = web.HTTPRequestEntityTooLarge(max_size=0, actual_size=request.content_length or 0,
                                                    text="pages are read with GET and take no body\n")  # fmt: skip
            refused.force_close()
            raise refused
        connection = request.protocol
        self._asking.add(connection)
        try:
            response = await handler(request)
            response.headers.setdefault("Cache-Control", "no-store")
            return response
        finally:
            self._asking.discard(connection)


class _Closed(asyncio.Protocol):
    """A connection there is no room for."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _ours(host: str) -> bool:
    """Whether the `Host` of a request is an address, or localhost; a port may follow."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    if name.casefold() == "localhost":
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


__all__ = ["MAX_CONNECTIONS", "HttpServer", "Page"]
