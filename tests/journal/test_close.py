"""What a journal leaves behind when it is closed: one file, that the next writer and any reader can have."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from partfill import FillManager, Limit
from partfill.journal.journal import Journal
from partfill.journal.store import InUse, Store
from partfill.journal.verify import verify
from tests.journal.writer import filled_order
from tests.runtime.test_manager import paper, price


def beside(db: Path) -> list[str]:
    """Every file of the folder."""
    return sorted(each.name for each in db.parent.iterdir())


async def test_a_clean_close_leaves_only_the_file(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    for life in range(3):
        async with Journal(db) as journal:
            for number, inp in enumerate(filled_order(f"o{life}", f"c{life}")):
                await journal.submit(inp, life * 100 + number)
            assert beside(db) == ["f.db", "f.db-shm", "f.db-wal", "f.db.lock"]
        assert beside(db) == ["f.db"]
    assert verify(db).problems == []


async def test_a_desk_that_stops_leaves_only_the_file(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    venue = paper()
    async with FillManager.open(db, venues=[venue]) as fills:
        await fills.submit(Limit("ACME", "buy", qty=10, price=price(venue, "ACME", "buy", -20)), ref="one")
    assert beside(db) == ["f.db"]


async def test_a_reader_that_stays_keeps_what_it_reads_and_the_next_close_takes_it_away(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    async with Journal(db) as journal:
        reader = Store(db, read_only=True)
        for number, inp in enumerate(filled_order("o", "c")):
            await journal.submit(inp, number)
    assert reader.last_seq() == journal.seq
    reader.close()
    async with Journal(db):
        pass
    assert beside(db) == ["f.db"]


async def test_what_a_killed_writer_left_is_in_nobodys_way(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    (tmp_path / "f.db.lock").touch()
    async with Journal(db):
        pass
    assert beside(db) == ["f.db"]


def test_a_lock_on_a_file_that_was_taken_away_keeps_nobody_out_and_is_not_believed(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    Store(db).close()
    # Whoever opened the lock of a writer that was about to close holds a file that nobody finds any more.
    first = Store(db)
    late = os.open(tmp_path / "f.db.lock", os.O_RDWR)
    first.close()
    fcntl.flock(late, fcntl.LOCK_EX | fcntl.LOCK_NB)
    second = Store(db)
    with pytest.raises(InUse):
        Store(db)
    second.close()
    os.close(late)
    assert beside(db) == ["f.db"]


def test_there_is_one_writer_however_many_open_and_close(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    Store(db).close()
    inside = threading.Lock()
    together: list[str] = []
    opened = []

    def open_and_close() -> None:
        for _ in range(200):
            try:
                store = Store(db)
            except InUse:
                continue
            if not inside.acquire(blocking=False):
                together.append("two writers")
            else:
                opened.append(store.last_seq())
                inside.release()
            store.close()

    threads = [threading.Thread(target=open_and_close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == []
    assert opened
    assert beside(db) == ["f.db"]
