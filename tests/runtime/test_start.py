"""A manager that cannot start lets go of everything it had: the journal, its tasks, its threads, its files."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import apsw
import pytest

from partfill import FillManager, Limit
from partfill.journal.journal import Journal
from partfill.journal.verify import verify
from partfill.model.capabilities import Capabilities
from partfill.venues.paper.venue import PaperVenue
from partfill.venues.protocol import VenueDown
from tests.runtime.test_manager import paper, price


class Unready(PaperVenue):
    """A venue that cannot say yet what it can do."""

    @property
    def name(self) -> str:
        return "unready"

    @property
    def capabilities(self) -> Capabilities:
        raise VenueDown("unready: log in first")


def files() -> set[tuple[str, str]]:
    """Every open file of this process: number and what it is."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add((number, os.readlink(f"/proc/self/fd/{number}")))
        except FileNotFoundError:
            # The listing's own.
            continue
    return found


def left_over() -> list[str]:
    """Tasks and threads of a journal or manager that still run."""
    tasks = [repr(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    return tasks + [thread.name for thread in threading.enumerate() if thread.name == "partfill-journal"]


async def working(db: Path) -> PaperVenue:
    """A journal with orders that go on, so that a start has much to do; and their venue."""
    venue = paper()
    async with FillManager.open(db, venues=[venue]) as fills:
        for number in range(5):
            await fills.submit(Limit("ACME", "buy", qty=10, price=price(venue, "ACME", "buy", -20)), ref=str(number))
    return venue


async def test_a_venue_that_fails_at_the_start_leaves_nothing_open(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    venue = await working(db)
    before = files()
    unready = Unready(venue.exchange, now=venue.now)
    with pytest.raises(VenueDown, match="log in first"):
        async with FillManager.open(db, venues=[venue, unready]):
            raise AssertionError("it has not started")
    assert left_over() == []
    assert files() == before
    async with FillManager.open(db, venues=[venue]) as fills:
        assert len(fills.orders()) == 5
    assert verify(db).problems == []


async def test_a_start_that_is_cancelled_at_any_moment_leaves_nothing_open(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    venue = await working(db)
    before = files()
    for moments in range(100):
        fills = FillManager(db, [venue])
        start = asyncio.create_task(fills.__aenter__())
        for _ in range(moments):
            await asyncio.sleep(0)
        if start.done():
            await fills.close(drain=False)
            break
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        assert left_over() == [], moments
        assert files() == before, moments
    assert moments > 2, "it was cancelled on the way"
    async with Journal(db) as journal:
        assert len(journal.engine.desk.parents) == 5
    assert verify(db).problems == []


async def test_a_journal_that_cannot_be_recovered_is_let_go(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    await working(db)
    damaged = apsw.Connection(str(db))
    damaged.execute("UPDATE engine SET body = 'nonsense'")
    damaged.close()
    before = files()
    with pytest.raises(Exception, match="JSON is malformed"):
        await Journal.open(db)
    assert files() == before
    assert left_over() == []
