"""The machine fails: a full disk, a file that may not be written, a damaged page, a clock that goes back."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import msgspec
import pytest

from partfill import FillManager, Limit
from partfill.journal.journal import JournalDown
from partfill.journal.store import NotAJournal, Store
from partfill.journal.verify import verify
from partfill.model.commands import Answered, Looked
from partfill.model.operations import Cancel, Query
from partfill.runtime.settings import FillManagement
from partfill.venues.clock import CLOCK, Clock
from partfill.venues.paper.client import PaperClient
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.faults import Faults
from partfill.venues.paper.market import SHAPES, generated
from partfill.venues.paper.server import PaperServer
from partfill.venues.paper.venue import PaperVenue
from partfill.venues.paper.wire import Reply
from tests.runtime.test_manager import WAIT_S, paper, price, same_as_the_venue, until


@contextmanager
def disk_with_room(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: what a full disk is to a writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    told = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, told)


async def test_a_full_disk_stops_the_desk_and_loses_nothing(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    venue = paper()
    accepted: list[str] = []
    async with FillManager.open(db, venues=[venue]) as fills:
        first = await fills.submit(Limit("ACME", "buy", qty=10, price=price(venue, "ACME", "buy", -10)), ref="first")
        await until(lambda: first.parent.children[0].order_id, "it is acknowledged")

        async def go_on() -> None:
            for number in range(2000):
                await fills.submit(Limit("ACME", "buy", qty=1, price=price(venue, "ACME", "buy", -20)), ref=str(number))
                accepted.append(str(number))

        room = db.with_name("f.db-wal").stat().st_size + 2_000_000
        with disk_with_room(room), pytest.raises(JournalDown, match="full"):
            await go_on()
        assert fills.down is not None
        sent = fills.lanes.sent
        with pytest.raises(JournalDown):
            await fills.submit(Limit("ACME", "buy", qty=1, price="20"), ref="after")
        assert fills.lanes.sent == sent
    assert len(accepted) > 10
    # With room again everything that was accepted is there, is at the venue once, and nothing else is.
    async with FillManager.open(db, venues=[venue]) as fills:
        assert fills.order("after") is None
        refs = {order.ref for order in fills.orders()}
        assert {"first", *accepted} <= refs
        await until(lambda: all(not child.work.doubt for order in fills.orders() for child in order.parent.active),  # type: ignore[union-attr]
                    "every order has been asked for")  # fmt: skip
        same_as_the_venue(fills, venue)
        known = {child.order_id for child in fills.engine.children.values()}
        assert {order.order_id for order in venue.exchange.snapshot("", [], 0)} <= known
    assert verify(db).problems == []


async def test_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    async with FillManager.open(db):
        pass
    folder = tmp_path / "none"
    with pytest.raises(NotAJournal, match="No such file or directory"):
        async with FillManager.open(folder / "f.db"):
            pass
    db.write_bytes(b"this was a journal once, and somebody wrote a letter over it" * 100)
    with pytest.raises(NotAJournal, match="no SQLite file"):
        async with FillManager.open(db):
            pass


@pytest.mark.parametrize("seed", range(6))
async def test_a_damaged_page_is_an_error_and_never_another_number(seed: int, tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    venue = paper()
    async with FillManager.open(db, venues=[venue]) as fills:
        for number in range(30):
            await fills.submit(Limit("ACME", "buy", qty=10, price=price(venue, "ACME", "buy", number - 25)), ref=str(number))
            venue.advance(10)
        await fills.lanes.drain()
    rng = Random(seed)
    page = bytearray(db.read_bytes())
    at = rng.randrange(1, len(page) // 4096) * 4096
    page[at : at + 4096] = rng.randbytes(4096)
    db.write_bytes(page)
    try:
        problems = verify(db).problems
    except NotAJournal as damaged:
        # Not even its tables can be found.
        problems = [str(damaged)]
    assert problems, f"page {at // 4096} was overwritten and verify saw nothing"


async def test_a_clock_that_goes_back(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    venue = paper()
    times = iter([1_700_000_000_000_000_000 + step * 1_000_000 * (-1 if step % 3 == 0 else 1) for step in range(100_000)])
    async with FillManager.open(db, venues=[venue], clock=Clock(lambda: next(times))) as fills:
        orders = [await fills.submit(Limit("ACME", "buy", qty=5, price=price(venue, "ACME", "buy", 20))) for _ in range(5)]
        await until(lambda: all(order.ended for order in orders), "they fill")
        same_as_the_venue(fills, venue)
    store = Store(db, read_only=True)
    stamps = [now for _, now, _ in store.inputs()]
    store.close()
    assert stamps == sorted(set(stamps))
    assert verify(db).problems == []


class Garbled(PaperVenue):
    """A venue whose answers hold text that is no Unicode: half of a surrogate pair."""

    async def cancel(self, op: Cancel) -> Answered:
        answer = await super().cancel(op)
        return msgspec.structs.replace(answer, order=None, reason="\udcff")

    async def find(self, op: Query) -> Looked:
        looked = await super().find(op)
        self.asked += 1
        return msgspec.structs.replace(looked, order=None, error="\udcff") if self.asked == 1 else looked

    asked = 0


async def test_an_answer_that_no_journal_can_hold_is_one_that_did_not_come(tmp_path: Path) -> None:
    shape = SHAPES["ACME"]
    venue = Garbled(Exchange([shape.listing]), generated([shape], 1), now=CLOCK)
    venue.advance(500)
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        orders = [await fills.submit(Limit("ACME", "buy", qty=10, price=price(venue, "ACME", "buy", -20))) for _ in range(3)]
        await until(lambda: all(order.parent.children[0].order_id for order in orders), "they are acknowledged")
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        await until(lambda: venue.asked == 4, "all are asked for, and the first one again")
        await fills.kill(True, by="operator")
        await until(lambda: all(order.status == "killed" for order in fills.orders()), "everything is off")
        same_as_the_venue(fills, venue)
    assert len(venue.exchange.accounts[""].orders) == 3
    assert verify(tmp_path / "f.db").problems == []


async def test_a_close_that_meets_the_answer_to_a_poll_does_not_hang(tmp_path: Path) -> None:
    slow = Faults(latency_min_ns=10_000_000, latency_max_ns=10_000_000)
    shape = SHAPES["ACME"]
    server = PaperServer(PaperVenue(Exchange([shape.listing]), now=CLOCK, faults=slow))
    client = await PaperClient.connect("127.0.0.1", await server.start(), now=CLOCK)
    async with asyncio.timeout(WAIT_S):
        async with FillManager.open(tmp_path / "f.db", venues=[client], settings=FillManagement(poll_interval_ms=50)) as fills:
            await until(lambda: fills.pollers[0].polls, "the start is over")
            connection = client._connection
            assert connection is not None
            await until(lambda: connection._waiting, "a poll is out")
            for number, reply in connection._waiting.items():
                reply.set_result(Reply(id=number))
    await client.close()
    await server.close()
