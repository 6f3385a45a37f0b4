"""The HTTP server alone: whom it serves, what a port that is taken says, and that clients that hang are in nobody's way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

import pytest
from aiohttp import web

from partfill.service import http
from partfill.service.address import Unusable, is_loopback
from partfill.service.http import MAX_CONNECTIONS, HttpServer
from tests.service.processes import WAIT_S
from tests.service.web import get


async def page(request: web.Request) -> web.Response:
    return web.Response(text="here")


async def broken(request: web.Request) -> web.Response:
    raise RuntimeError("a page that fails")


@asynccontextmanager
async def served(pages: Mapping[str, http.Page] = MappingProxyType({}), host: str = "127.0.0.1") -> AsyncIterator[HttpServer]:
    server = HttpServer(host, 0)
    server.bind()
    await server.serve({"/page": page, "/broken": broken, **pages})
    try:
        yield server
    finally:
        async with asyncio.timeout(WAIT_S):
            await server.close()


async def ask(server: HttpServer, path: str = "/page", **headers: str) -> tuple[int, bytes]:
    return await asyncio.to_thread(get, server.url, path, **headers)


async def hanging(server: HttpServer, count: int, said: bytes = b"") -> list[asyncio.StreamWriter]:
    """Connections that never finish a request."""
    lines = []
    for _ in range(count):
        _, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(said)
        lines.append(writer)
    return lines


async def test_a_page_is_served_and_nothing_else() -> None:
    async with served() as server:
        assert await ask(server) == (200, b"here")
        assert (await ask(server, "/"))[0] == 404
        assert (await ask(server, "/page/../page"))[0] in (200, 404)


async def test_a_page_that_fails_is_an_error_in_the_log_and_the_next_is_served(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as server:
        assert (await ask(server, "/broken"))[0] == 500
        assert "a page that fails" in caplog.text
        assert await ask(server) == (200, b"here")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:80", 200), ("localhost", 200), ("LOCALHOST:9464", 200), ("[::1]:9464", 200),
        ("evil.example", 403), ("127.0.0.1.evil.example:80", 403), ("localhost.evil.example", 403), ("", 403),
    ],
)  # fmt: skip
async def test_a_page_of_somewhere_else_may_not_ask_under_a_name_of_its_own(host: str, status: int) -> None:
    async with served() as server:
        assert (await ask(server, Host=host))[0] == status


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "localhost", "", "127.0.0.1.example"])
def test_what_is_not_this_machine_alone_is_refused(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(Unusable, match=r"give 127\.0\.0\.1 or ::1"):
        HttpServer(host, 0)


async def test_it_speaks_the_newer_protocol_of_addresses_too() -> None:
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    async with served(host="::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert await ask(server) == (200, b"here")


async def test_a_port_that_is_taken_is_told_before_anything_is_served() -> None:
    async with served() as server:
        second = HttpServer("127.0.0.1", server.port)
        with pytest.raises(Unusable, match=f"http.port: {server.port} at 127.0.0.1 is taken by another process; give another"):
            second.bind()
        await second.close()
        # Taken is taken before the first is served too.
        first = HttpServer("127.0.0.1", 0)
        first.bind()
        with pytest.raises(Unusable, match="is taken"):
            HttpServer("127.0.0.1", first.port).bind()
        await first.close()


async def test_a_port_is_free_again_after_the_end() -> None:
    async with served() as server:
        port = server.port
        assert await ask(server) == (200, b"here")
    again = HttpServer("127.0.0.1", port)
    again.bind()
    await again.close()


@pytest.mark.parametrize("said", [b"", b"GET /page HTTP/1.1\r\nHost: loc"])
async def test_clients_that_hang_leave_room_for_whoever_asks(said: bytes) -> None:
    async with served() as server:
        lines = await hanging(server, 3 * MAX_CONNECTIONS, said)
        for _ in range(5):
            assert await ask(server) == (200, b"here")
        assert len(server.open_connections()) <= MAX_CONNECTIONS
        for line in lines:
            line.close()


async def test_where_every_connection_has_a_request_under_way_the_new_one_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_CONNECTIONS", 4)
    asked, clear = asyncio.Semaphore(0), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        asked.release()
        await clear.wait()
        return web.Response(text="at last")

    async with served({"/slow": slow}) as server, asyncio.timeout(WAIT_S):
        lines = [await asyncio.open_connection(server.host, server.port) for _ in range(4)]
        for _, writer in lines:
            writer.write(b"GET /slow HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            await asked.acquire()
        reader, refused = await asyncio.open_connection(server.host, server.port)
        assert await reader.read() == b""
        clear.set()
        assert [(await reader.read()).endswith(b"at last") for reader, _ in lines] == [True] * 4
        for writer in (refused, *(writer for _, writer in lines)):
            writer.close()


async def test_clients_that_hang_do_not_keep_it_from_closing() -> None:
    async with served() as server:
        lines = await hanging(server, 20, b"GET /page HTTP/1.1\r\n")
    for line in lines:
        line.close()


@pytest.mark.parametrize("said", [b"\x00\xff" * 50, b"GET /page HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000])
async def test_what_is_no_request_is_refused_and_the_server_goes_on(said: bytes) -> None:
    async with served() as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(said + b"\r\n\r\n")
        async with asyncio.timeout(WAIT_S):
            answer = await reader.read(4096)
        assert b" 400 " in answer
        writer.close()
        assert await ask(server) == (200, b"here")


async def test_a_hundred_ask_at_once_and_all_are_answered() -> None:
    async with served() as server:
        assert await asyncio.gather(*(ask(server) for _ in range(100))) == [(200, b"here")] * 100


async def raw(server: HttpServer, said: bytes, more: bytes = b"", times: int = 0) -> bytes:
    """What the server answers to these bytes, and to so many more of the same kind."""
    reader, writer = await asyncio.open_connection(server.host, server.port)

    async def send() -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(said)
            for _ in range(times):
                writer.write(more)
                await writer.drain()

    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(WAIT_S):
            try:
                return await reader.read()
            except ConnectionError:
                return b""
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()


@pytest.mark.parametrize(
    ("said", "more", "times"),
    [
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"", 0),
        (b"GET /page HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", b"", 0),
        (b"GET /page HTTP/1.1\r\nHost: localhost\r\n", b"X-More: 1\r\n" * 1_000, 2_000),
        (b"GET /", b"x" * 65_536, 1_000),
        (b"GET /page HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", b"z" * 65_536, 1_000),
        (
            b"GET /page HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"10000\r\n" + b"z" * 65_536 + b"\r\n",
            500,
        ),
    ],
    ids=["path", "field", "fields", "endless path", "body", "chunks"],
)
async def test_a_request_without_end_is_refused_and_the_next_is_served(said: bytes, more: bytes, times: int) -> None:
    async with served() as server:
        answer = await raw(server, said, more, times)
        assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 431", b"HTTP/1.0 400", b""), answer[:100]
        assert await ask(server) == (200, b"here")
