"""The paper venue as a process of its own: a real server, a real socket, and connections that are lost."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from partfill.model.commands import Outcome
from partfill.model.observations import Execution, Gap, OrderSnapshot
from partfill.model.words import ExecType, Side, TimeInForce
from partfill.venues.paper.client import PaperClient
from partfill.venues.paper.events import Add, Take, write_event
from partfill.venues.paper.exchange import PAPER, Exchange
from partfill.venues.paper.faults import Faults
from partfill.venues.paper.server import PaperServer
from partfill.venues.paper.stream import Stream
from partfill.venues.paper.venue import PaperVenue
from partfill.venues.paper.wire import Ask, Hello, Reply, line
from partfill.venues.protocol import Venue, VenueDown
from tests.venues.paper.desk import LISTING, cancel, clock, definite, eventually, place, query, replace, terms

D = Decimal
LONG = 30


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """A server process of ours and its port; it is told to stop at the end, and has to."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "partfill.venues.paper", "--port", "0", "--instruments", "ACME", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert started.stdout is not None
    try:
        first = json.loads(await asyncio.wait_for(started.stdout.readline(), LONG))
        assert first["instruments"] == ["ACME"]
        yield started, first["port"]
    finally:
        killed = started.returncode is not None
        if not killed:
            started.send_signal(signal.SIGTERM)
        _, complaints = await asyncio.wait_for(started.communicate(), LONG)
    assert (killed or started.returncode, complaints) in ((True, b""), (0, b""))


@asynccontextmanager
async def served(**faults: int) -> AsyncIterator[tuple[PaperServer, PaperClient]]:
    """A server in this process, where its inside can be seen, and a client of it."""
    events = ((n, Take("ACME", Side.SELL, D(2))) for n in range(10_000))
    server = PaperServer(PaperVenue(Exchange([LISTING]), events, now=clock(), faults=Faults(**faults)))
    client = await PaperClient.connect("127.0.0.1", await server.start(), now=clock())
    try:
        yield server, client
    finally:
        await client.close()
        await server.close()


async def until(stream: Stream, kind: type) -> list[object]:
    """What a stream says up to the first of a kind."""
    said: list[object] = []
    while not said or not isinstance(said[-1], kind):
        said.append(await asyncio.wait_for(anext(stream), LONG))
    return said


# ---------------------------------------------------------------------- a process of its own


async def test_the_whole_protocol_over_a_socket() -> None:
    async with process("--seed", "3", "--speed", "0", "--warm-up", "500") as (_, port):
        client = await PaperClient.connect("127.0.0.1", port, now=clock())
        paper: Venue = client
        assert (paper.name, paper.capabilities, list(paper.instruments)) == ("paper", PAPER, ["ACME"])
        stream = client.stream("a")
        done = await client.place(place("c1", terms(Side.BUY, "50000", "40")))
        assert done.outcome is Outcome.DONE
        assert done.order is not None
        assert done.order.cum_qty is not None
        assert done.order.cum_qty > 0, "40 is far above a market of 25"
        assert (await client.replace(replace("c1", "60000", "20"))).outcome is Outcome.DONE
        assert await client.advance(100) == 100
        assert (await client.cancel(cancel("c1-r"))).outcome is Outcome.DONE
        assert (await client.place(place("c1"))).outcome is Outcome.REFUSED
        looked = await client.find(query("c1"))
        history = [each async for each in client.history("a", 0)]
        assert looked.definite
        assert looked.order is not None
        assert list(looked.order.executions or ()) == history
        assert await client.snapshot("a") == []
        said = []
        while not said or said[-1].exec_type is not ExecType.CANCELED:
            observation = await asyncio.wait_for(anext(stream), LONG)
            assert isinstance(observation, OrderSnapshot)
            said.append(observation)
        assert [e for each in said for e in each.executions or ()] == history
        await client.place(place("c2", terms(Side.BUY, "5", "20")))
        await client.end_day()
        assert await client.snapshot("a") == []
        await client.close()


async def test_the_venue_outlives_a_client_that_dies() -> None:
    async with process("--speed", "50", "--warm-up", "500") as (_, port):
        first = await PaperClient.connect("127.0.0.1", port, now=clock())
        assert (await first.place(place("c1", terms(Side.BUY, "100000", "40")))).outcome is Outcome.DONE
        before = (await first.find(query("c1"))).order
        await first.close()
        second = await PaperClient.connect("127.0.0.1", port, now=clock())
        after = (await second.find(query("c1"))).order
        assert before is not None
        assert after is not None
        assert after.order_id == before.order_id
        assert (after.executions or ())[: len(before.executions or ())] == before.executions
        for _ in range(LONG * 100):
            (shown,) = await second.snapshot("a")
            if len(shown.executions or ()) > len(before.executions or ()):
                break
            await asyncio.sleep(0.01)
        assert len(shown.executions or ()) > len(before.executions or ()), "it went on trading"
        await second.close()


async def test_a_killed_server_leaves_unknowns_and_failed_reads() -> None:
    async with process("--speed", "0", "--faults", '{"latency_min_ns":60000000000,"latency_max_ns":60000000000}') as (
        server,
        port,
    ):
        client = await PaperClient.connect("127.0.0.1", port, now=clock(), timeout_ms=300)
        asked = [asyncio.create_task(client.place(place(f"c{n}"))) for n in range(3)]
        looks = asyncio.create_task(client.find(query("c0")))
        await asyncio.sleep(0.1)
        server.kill()
        assert {(await each).outcome for each in asked} == {Outcome.UNKNOWN}
        assert (await looks).error is not None
        with pytest.raises(VenueDown):
            await client.snapshot("a")
        await client.close()
        await server.wait()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--instruments", "NOPE"), "NOPE"),
        (("--faults", '{"frob":1}'), "frob"),
        (("--faults", '{"refuse":2000}'), "refuse is 2000"),
        (("--events", "no/such/file"), "no/such/file"),
        (("--events", __file__), "line 1"),
    ],
)
async def test_options_that_cannot_be_are_named(options: tuple[str, ...], says: str) -> None:
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "partfill.venues.paper", *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await asyncio.wait_for(started.communicate(), LONG)
    assert started.returncode == 2, complaint
    assert says in complaint.decode()
    assert b"Traceback" not in complaint


async def test_a_market_out_of_a_file(tmp_path: Path) -> None:
    events = tmp_path / "market.jsonl"
    events.write_text(write_event(1, Add("ACME", "1", Side.SELL, D(7), D(10))) + "\n", "utf-8")
    async with process("--events", str(events), "--speed", "1") as (_, port):
        client = await PaperClient.connect("127.0.0.1", port, now=clock())
        filled = D(0)
        for number in range(1000):
            done = await client.place(place(f"c{number}", terms(time_in_force=TimeInForce.IOC)))
            assert done.order is not None
            filled += done.order.cum_qty or 0
            if filled:
                break
            await asyncio.sleep(0.01)
        assert filled == 7
        await client.close()


async def test_nobody_there_is_venue_down() -> None:
    server = PaperServer(PaperVenue(Exchange([LISTING]), now=clock()))
    port = await server.start()
    await server.close()
    with pytest.raises(VenueDown, match="no paper venue answers"):
        await PaperClient.connect("127.0.0.1", port, now=clock(), timeout_ms=100)


# ---------------------------------------------------------------------- connections that are lost


async def test_a_lost_connection_is_a_gap_and_then_the_stream_goes_on() -> None:
    async with served() as (server, client):
        stream = client.stream("a")
        await client.place(place("c1", terms(qty="1000")))
        assert isinstance(await anext(stream), OrderSnapshot)
        server.drop_connections()
        server.venue.advance(1)
        (gap,) = await until(stream, Gap)
        assert isinstance(gap, Gap)
        looked = await client.find(query("c1"))
        assert looked.order is not None
        assert looked.order.cum_qty == 2, "what was missed is found by asking"
        server.venue.advance(1)
        (trade,) = await until(stream, OrderSnapshot)
        assert isinstance(trade, OrderSnapshot)
        assert trade.cum_qty == 4


async def test_requests_in_flight_when_the_connection_goes_are_unknown_and_resolved_by_asking() -> None:
    async with served(latency_min_ns=30_000_000, latency_max_ns=30_000_000) as (server, client):
        waits = asyncio.create_task(client.place(place("c1")))
        await eventually(lambda: bool(server.venue._under_way))
        server.drop_connections()
        assert (await waits).outcome is Outcome.UNKNOWN
        assert (await definite(client, "c1")).order is not None, "it had left before the connection did"


async def test_a_new_connection_of_a_session_cuts_the_old_one_off() -> None:
    async with served() as (server, client):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(line(Ask(1, Hello(session="desk"))))
        assert b'"id":1' in await asyncio.wait_for(reader.readline(), LONG)
        # What the old connection had sent and nobody had read, when the new one came, is never applied.
        old = server.sessions["desk"]
        old._reader.feed_data(line(Ask(9, place("stale"))))
        old.cut()
        # The client comes back under its name and takes over in turn.
        assert (await definite(client, "stale")).order is None
        assert "stale" not in server.venue.exchange._account("a").clients
        writer.close()


async def test_listening_is_in_force_before_the_next_request() -> None:
    async with served() as (_, client):
        streams = [client.stream("a"), client.stream("a")]
        await client.place(place("c1"))
        for stream in streams:
            (new,) = await until(stream, OrderSnapshot)
            assert isinstance(new, OrderSnapshot)
            assert new.exec_type is ExecType.NEW
            await stream.aclose()
        third = client.stream("a")
        await client.cancel(cancel("c1"))
        (gone,) = await until(third, OrderSnapshot)
        assert isinstance(gone, OrderSnapshot)
        assert gone.exec_type is ExecType.CANCELED
        await client.find(query("c1"))
        assert not third._waiting, "it is told once, however many have listened"


async def test_history_comes_in_pages() -> None:
    async with served() as (server, client):
        await client.place(place("c1", terms(qty="5000")))
        server.venue.advance(2_500)
        history = [each async for each in client.history("a", 0)]
        assert len(history) == 2_500
        assert {each.key for each in history if isinstance(each, Execution)} == {f"T{n}" for n in range(1, 2_501)}


@pytest.mark.parametrize("garbage", [b"not json\n", b'{"id":1,"op":{"type":"frob"}}\n', b'{"id":2,"op":{"type":"end_day"}}\n'])
async def test_garbage_is_answered_and_harms_nobody(garbage: bytes) -> None:
    async with served() as (server, client):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(garbage)
        answer = json.loads(await asyncio.wait_for(reader.readline(), LONG))
        assert answer["error"]
        writer.close()
        assert (await client.place(place("c1"))).outcome is Outcome.DONE


async def test_a_request_cut_in_two_is_no_request() -> None:
    async with served() as (server, client):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(line(Ask(1, Hello(session="other"))) + line(Ask(2, place("half")))[:-1])
        writer.close()
        await asyncio.sleep(0.05)
        await eventually(lambda: "other" not in server.sessions)
        assert (await definite(client, "half")).order is None


async def test_a_cancellation_that_meets_the_reply_ends_the_task_all_the_same() -> None:
    async with served(latency_min_ns=10_000_000, latency_max_ns=10_000_000) as (_, client):
        for ask in (lambda: client.find(query("c1")), lambda: client.snapshot("a"), lambda: client.place(place("c1"))):
            asking: asyncio.Task[object] = asyncio.create_task(ask())  # type: ignore[arg-type]
            connection = client._connection
            assert connection is not None
            await eventually(lambda of=connection: bool(of._waiting))  # type: ignore[misc]
            (number, reply), *_ = connection._waiting.items()
            # Both in one turn of the loop: whoever wants the task to end waits for it.
            reply.set_result(Reply(id=number))
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
