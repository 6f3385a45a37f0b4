"""The paper venue's wire: lines have an end, long lists go in parts, and a list that is missing is not an empty one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.words import OrdStatus
from partfill.venues.clock import CLOCK
from partfill.venues.paper import wire
from partfill.venues.paper.client import PaperClient
from partfill.venues.paper.server import PaperServer
from partfill.venues.paper.wire import MAX_LINE, Hello, Reply, Snapshot, TooLong, chunks, line, parts, read_ask
from partfill.venues.protocol import VenueDown
from tests.runtime.test_manager import paper

D = Decimal
WAIT_S = 30


def order(number: int, executions: int | None = 0) -> OrderSnapshot:
    """An order of a venue with so many executions; None: the list is not known."""
    listed = None if executions is None else tuple(
        Execution(venue="paper", order_id=f"P{number}", key=f"T{n}", qty=D(1), px=D(2)) for n in range(executions)
    )  # fmt: skip
    return OrderSnapshot(venue="paper", order_id=f"P{number}", ord_status=OrdStatus.NEW, order_qty=D(10), executions=listed)


@asynccontextmanager
async def answering(reply: Any) -> AsyncIterator[PaperClient]:
    """A client of a server that says hello, and then `reply` (of the id) to everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while raw := await reader.readline():
            ask = read_ask(raw)
            if isinstance(ask.op, Hello):
                writer.write(line(Reply(id=ask.id, venue="paper", instruments=[])))
            else:
                writer.write(reply(ask.id))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=MAX_LINE)
    client = await PaperClient.connect("127.0.0.1", server.sockets[0].getsockname()[1], now=CLOCK, timeout_ms=2_000)
    try:
        yield client
    finally:
        await client.close()
        server.close()


@pytest.mark.parametrize(
    ("call", "missing"),
    [
        (lambda c: c.snapshot(""), "no list of orders"),
        (lambda c: _all(c.history("", 0)), "no list of executions"),
        (lambda c: c.positions(""), "no positions"),
        (lambda c: c.book("ACME"), "no book"),
        (lambda c: c.advance(3), "no count"),
    ],
)
async def test_a_list_that_is_missing_is_an_answer_that_cannot_be_read(call: Any, missing: str) -> None:
    async with answering(lambda number: line(Reply(id=number))) as client:
        with pytest.raises(VenueDown, match=missing):
            await call(client)


async def _all(found: Any) -> list[Any]:
    return [each async for each in found]


async def test_an_empty_list_is_none() -> None:
    async with answering(lambda number: line(Reply(id=number, orders=[], executions=[], positions={}))) as client:
        assert await client.snapshot("") == []
        assert await _all(client.history("", 0)) == []
        assert await client.positions("") == {}


async def test_a_page_that_promises_more_and_holds_nothing_goes_not_round_for_ever() -> None:
    async with answering(lambda number: line(Reply(id=number, executions=[], more=True))) as client:
        with pytest.raises(VenueDown, match="no list of executions"):
            await asyncio.wait_for(_all(client.history("", 0)), WAIT_S)


async def test_orders_come_in_parts_and_a_part_alone_is_no_answer() -> None:
    def two(number: int) -> bytes:
        return line(Reply(id=number, orders=[order(1)], more=True)) + line(Reply(id=number, orders=[order(2)]))

    async with answering(two) as client:
        assert [each.order_id for each in await client.snapshot("")] == ["P1", "P2"]
    async with answering(lambda number: line(Reply(id=number, orders=[order(1)], more=True))) as client:
        with pytest.raises(VenueDown, match="no reply within"):
            await client.snapshot("")


async def test_a_line_without_end_is_refused_both_ways_and_in_bounded_memory(caplog: pytest.LogCaptureFixture) -> None:
    venue = paper()
    server = PaperServer(venue)
    port = await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sending = asyncio.create_task(_endless(writer))
    said = msgspec.json.decode(await asyncio.wait_for(reader.readline(), WAIT_S))
    assert said["error"] == f"a request is one line of at most {MAX_LINE} bytes"
    await asyncio.wait_for(sending, WAIT_S)
    writer.close()
    # Others go on.
    client = await PaperClient.connect("127.0.0.1", port, now=CLOCK)
    assert await client.snapshot("") == []
    await client.close()
    await server.close()
    async with answering(lambda number: b"x" * (2 * MAX_LINE + 1)) as client:
        with pytest.raises(VenueDown):
            await client.snapshot("")
    assert "a line of the venue cannot be read" in caplog.text


async def _endless(writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
    except ConnectionError:
        pass


def test_lists_are_cut_into_lines_that_are_short_enough() -> None:
    many = [order(n, 3) for n in range(4_000)]
    cut = list(chunks(many))
    assert len(cut) > 1
    assert [each for some in cut for each in some] == many
    assert all(len(line(Reply(id=1, orders=some, more=True))) <= MAX_LINE for some in cut)
    assert list(chunks([])) == [[]]
    (some,) = chunks([order(1, 9_000)])
    assert next(chunks([order(1, 300)]))[0].executions is not None
    assert (some[0].executions, some[0].order_qty) == (None, D(10)), "a list that is too long is not known, and not empty"
    ids = [f"P{n}-" + "x" * 400 for n in range(3_000)]
    assert [each for some in parts(ids) for each in some] == ids
    assert all(len(line(wire.Ask(1, Snapshot(account="", order_ids=some)))) <= MAX_LINE for some in parts(ids))
    assert list(parts([])) == [()]
    with pytest.raises(TooLong, match="a line has at most"):
        line(Reply(id=1, error="x" * MAX_LINE))


async def test_thousands_of_orders_and_names_go_over_the_wire() -> None:
    venue = paper()
    server = PaperServer(venue)
    port = await server.start()
    many = {f"P{n}": order(n, 2) for n in range(3_000)}

    async def snapshot(account: str, order_ids: Any = ()) -> list[OrderSnapshot]:
        return [many["P0"], *(many[each] for each in order_ids if each in many and each != "P0")]

    venue.snapshot = snapshot  # type: ignore[method-assign]
    client = await PaperClient.connect("127.0.0.1", port, now=CLOCK)
    try:
        found = await client.snapshot("", [*many, *(f"unknown{n}" + "y" * 200 for n in range(3_000))])
        assert {each.order_id for each in found} == set(many)
        assert len(found) == len(many)
    finally:
        await client.close()
        await server.close()
