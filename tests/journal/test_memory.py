"""Which orders leave memory, and when: never before their last change is on disk."""

from __future__ import annotations

from pathlib import Path

from partfill.journal.journal import Journal
from tests.journal.writer import filled_order


async def test_a_finished_order_stays_until_its_last_change_is_on_disk(tmp_path: Path) -> None:
    async with Journal(tmp_path / "f.db", quiet_ns=0, max_finished=0) as journal:
        for number, inp in enumerate(filled_order("O1", "C1"), 1):
            journal.stage(inp, number)
        assert journal.keeper.release(100, journal.durable_seq) == 0
        assert journal.keeper.release(100, journal.seq - 1) == 0
        assert len(journal.engine.children) == 1
        await journal.flush()
        assert journal.durable_seq == journal.seq
        assert len(journal.engine.children) == 0
