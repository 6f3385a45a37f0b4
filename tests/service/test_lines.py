"""The control socket under clients that do it no good: idle ones, thousands at once, half lines, endless ones, ones that do not
read, no file descriptors, no socket file. A kill switch gets through all of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import socket
import stat
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from partfill.service import lines
from partfill.service.lines import Lines
from tests.runtime.test_manager import until as reached
from tests.service.processes import WAIT_S, Daemon, local, paper_venue, partfill, until

SOON_S = 5.0
"""Within a second on a machine that has nothing else to do."""
SLOW = """
[journal]
path = "{folder}/f.db"
[[venues]]
name = "paper"
kind = "paper-remote"
port = {port}
[limits]
per_second = 1
"""
"""A venue that takes one request a second: nearly everything waits."""


def connected(path: Any) -> socket.socket:
    """A connection to a control socket."""
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(WAIT_S)
    line.connect(str(path))
    return line


def asked(line: socket.socket, **request: Any) -> dict[str, Any]:
    """One request on a connection, and its answer."""
    line.sendall(json.dumps(request).encode() + b"\n")
    return dict(json.loads(line.makefile("rb").readline()))


@pytest.fixture
def many() -> Iterator[ExitStack]:
    """Sockets to be closed; the limit of this process allows for thousands."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8_000, before[1]), before[1]))
    with ExitStack() as stack:
        yield stack
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def fill(daemon: Daemon, name: str, count: int) -> None:
    """Submit so many orders that nobody takes."""
    with connected(daemon.ready["control"]) as line:
        orders = (
            {"cmd": "submit", "ref": f"{name}{n}", "instrument": "ACME", "side": "buy", "qty": "1", "price": "1"}
            for n in range(count)
        )
        said = b"".join(json.dumps(order).encode() + b"\n" for order in orders)
        sender = threading.Thread(target=line.sendall, args=(said,))
        sender.start()
        answers = line.makefile("rb")
        assert all(json.loads(answers.readline())["ok"] for _ in range(count))
        sender.join()


def crowd(path: str, count: int, stack: ExitStack) -> None:
    """Connect so often, as fast as it goes, and say nothing."""
    for _ in range(count):
        line = stack.enter_context(socket.socket(socket.AF_UNIX))
        line.setblocking(False)
        while True:
            try:
                line.connect(path)
                break
            except BlockingIOError:
                time.sleep(0.001)


def test_a_kill_gets_through_idle_connections_thousands_that_connect_and_a_full_queue(tmp_path: Path, many: ExitStack) -> None:
    with paper_venue(tmp_path) as venue, Daemon(tmp_path, SLOW.format(folder=tmp_path, port=venue.ready["port"])) as daemon:
        filling = [threading.Thread(target=fill, args=(daemon, f"{n}-", 500)) for n in range(20)]
        for thread in filling:
            thread.start()
        for thread in filling:
            thread.join()
        assert daemon.ask("status")["waiting"] > 9_900
        for _ in range(lines.MAX_CONNECTIONS):
            many.enter_context(connected(daemon.ready["control"]))
        crowding = threading.Thread(target=crowd, args=(daemon.ready["control"], 3_000, many))
        crowding.start()
        time.sleep(0.05)
        began = time.monotonic()
        answer = daemon.ask("kill", on=True, by="me")
        took = time.monotonic() - began
        crowding.join()
        assert (answer["ok"], answer["changed"]) == (True, True)
        assert answer["orders"] > 9_900
        assert took < SOON_S
        # What waited never leaves, and the place of a visitor is another's again.
        until(lambda: daemon.ask("status").get("waiting") == 0, "nothing waits")
        assert daemon.stop() == 0


def test_beside_the_connections_that_are_served_only_what_makes_things_safer_is_heard(tmp_path: Path) -> None:
    with local(tmp_path) as daemon, ExitStack() as stack:
        daemon.ask("submit", ref="a", instrument="ACME", side="buy", qty="1", price="1")
        # Two more than there is room for: the one before may not have gone yet when they come.
        idle = [stack.enter_context(connected(daemon.ready["control"])) for _ in range(lines.MAX_CONNECTIONS + 2)]
        until(lambda: "64 connections" in daemon.ask("orders").get("error", ""), "all connections are taken")
        assert daemon.ask("status")["ok"]
        assert daemon.ask("cancel", ref="a")["ok"]
        assert daemon.ask("kill", on=True, by="me")["ok"]
        assert asked(idle[0], cmd="orders")["ok"], "who is served stays so"
        idle[1].close()
        until(lambda: daemon.ask("orders")["ok"], "one that goes makes room")


@pytest.mark.parametrize("descriptors", [34, 40, 60])
def test_a_kill_gets_through_where_no_file_descriptor_is_left(descriptors: int, tmp_path: Path, many: ExitStack) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    with local(tmp_path, limit=limit) as daemon:
        daemon.ask("submit", ref="a", instrument="ACME", side="buy", qty="1", price="1")
        for _ in range(100):
            many.enter_context(connected(daemon.ready["control"]))
        began = time.monotonic()
        assert daemon.ask("cancel", ref="a")["ok"]
        answer = daemon.ask("kill", on=True, by="me", venue="paper")
        assert answer["ok"], answer
        assert time.monotonic() - began < SOON_S
        assert daemon.ask("kill", on=False, by="me", venue="paper")["ok"]


def test_a_socket_file_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    with local(tmp_path) as daemon, connected(daemon.ready["control"]) as before:
        path = Path(daemon.ready["control"])
        for _ in range(2):
            path.unlink()
            until(path.exists, "it is there again")
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert daemon.ask("status")["ok"]
        assert asked(before, cmd="status")["ok"], "who was connected stays so"
        # Another socket in its place is not ours either.
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            until(lambda: _answers(daemon), "it is ours again")
        assert "was gone and has been made again" in daemon.errors.read_text()
        assert daemon.stop() == 0
        assert not path.exists()


def _answers(daemon: Daemon) -> bool:
    from partfill.service.client import ask

    return (ask(daemon.db, {"cmd": "status"}) or {}).get("ok", False)


def test_what_is_in_the_way_of_the_socket_is_named_once_and_left_alone(tmp_path: Path) -> None:
    with local(tmp_path) as daemon:
        path = Path(daemon.ready["control"])
        path.unlink()
        path.write_text("mine")
        until(lambda: "in the way" in daemon.errors.read_text(), "it is named")
        time.sleep(3 * lines.LOOK_S)
        assert daemon.errors.read_text().count("in the way") == 1
        assert path.read_text() == "mine"
        path.unlink()
        until(path.exists, "it is made once there is room")
        assert daemon.ask("kill", on=True, by="me")["ok"]


def test_a_kill_of_the_command_line_waits_for_the_socket_to_be_there_again(tmp_path: Path) -> None:
    with local(tmp_path) as daemon:
        Path(daemon.ready["control"]).unlink()
        done = partfill("kill", "on", daemon.db)
        assert (done.returncode, json.loads(done.stdout)["through"]) == (0, "daemon")


# ---------------------------------------------------------------------- one server, and clients of every kind


@asynccontextmanager
async def served(path: Path, answer: Any = None) -> AsyncIterator[Lines]:
    """A server that says what it was asked, in the other case."""

    async def same(raw: bytes) -> bytes:
        return raw.swapcase()

    async def first(raw: bytes) -> bytes:
        return b"first " + raw

    server = Lines(str(path), answer or same, first, lambda why: f"no: {why}\n".encode())
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def test_who_says_nothing_or_half_a_line_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "IDLE_S", 0.2)
    async with served(tmp_path / "s"):
        for said in (b"", b"half a line", b"whole\nhalf"):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
            writer.write(said)
            answers = await asyncio.wait_for(reader.read(), WAIT_S)
            assert answers.endswith(b"no: no request came for 0.2 s; connect again\n")
            writer.close()


async def test_bytes_without_end_are_refused_and_hold_nobody_up(tmp_path: Path) -> None:
    async with served(tmp_path / "s"):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))

        async def endless() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b"x" * 65_536)
                    await writer.drain()

        sending = asyncio.create_task(endless())
        assert await asyncio.wait_for(reader.readline(), WAIT_S) == b"no: a request is one line of at most 65536 bytes\n"
        other, other_writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        other_writer.write(b"a\n")
        assert await other.readline() == b"A\n"
        await asyncio.wait_for(sending, WAIT_S)
        for each in (writer, other_writer):
            each.close()


async def test_a_client_that_does_not_read_holds_nobody_up_and_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "WRITE_S", 0.3)

    async def much(raw: bytes) -> bytes:
        return b"y" * 1_000_000 + b"\n"

    async with served(tmp_path / "s", much) as server:
        with connected(tmp_path / "s") as deaf:
            deaf.sendall(b"a\n" * 1000)
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"), limit=1 << 21)
            writer.write(b"b\n")
            assert len(await asyncio.wait_for(reader.readline(), WAIT_S)) == 1_000_001
            writer.close()
            await reached(lambda: server.count <= 1, "it is closed")


async def test_one_that_asks_without_end_leaves_the_loop_to_others(tmp_path: Path) -> None:
    async with served(tmp_path / "s"):
        greedy_reader, greedy = await asyncio.open_unix_connection(str(tmp_path / "s"))
        greedy.write(b"a\n" * 50_000)
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(b"b\n")
        assert await asyncio.wait_for(reader.readline(), WAIT_S) == b"B\n"
        assert await greedy_reader.readexactly(100_000) == b"A\n" * 50_000
        greedy.close()
        writer.close()


async def test_what_has_begun_is_answered_when_the_server_closes_and_a_deaf_client_holds_up_no_end(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def slow(raw: bytes) -> bytes:
        begun.set()
        await asyncio.sleep(0.1)
        return b"y" * (1 if raw == b"a\n" else 10_000_000) + b"\n"

    async with served(tmp_path / "s", slow) as server:
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        with connected(tmp_path / "s") as deaf:
            deaf.sendall(b"b\n")
            writer.write(b"a\na\n")
            await begun.wait()
            await asyncio.wait_for(server.close(), WAIT_S)
        assert await reader.read() in (b"y\n", b"y\ny\n")
        writer.close()
    assert not (tmp_path / "s").exists()


async def test_visitors_come_and_go_and_each_has_its_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(lines, "MAX_VISITORS", 3)
    async with served(tmp_path / "s") as server:
        idle = [await asyncio.open_unix_connection(str(tmp_path / "s")) for _ in range(12)]
        await reached(lambda: server.count >= 5, "all that there is room for")
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(b"kill\n")
        assert await asyncio.wait_for(reader.read(), WAIT_S) == b"first kill\n"
        assert server.count <= 5
        for each, _ in idle[2:5]:
            assert await asyncio.wait_for(each.readline(), WAIT_S) == b"no: 2 connections are open already; close one\n"
        for _, each in (*idle, (reader, writer)):
            each.close()


def test_sockets_of_a_process_that_died_are_taken_over(tmp_path: Path) -> None:
    with local(tmp_path) as daemon:
        daemon.die()
    assert os.path.exists(daemon.ready["control"])
    with local(tmp_path) as daemon:
        assert daemon.ask("status")["ok"]
