"""After a write has failed nothing is stepped any more: memory is ahead of the disk and is not to be believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from partfill.journal.journal import Journal, JournalDown
from partfill.journal.verify import verify
from tests.journal.test_journal import accepted, execution, gather, placed, refusing


async def test_after_a_failed_write_no_step_is_taken(tmp_path: Path) -> None:
    db = tmp_path / "fills.db"
    journal = await Journal.open(db)
    await journal.submit(placed("C1"), 1)
    with refusing(db, "journal"):
        (failed,) = await gather(journal.submit(accepted("O1", "C1"), 2))
    assert isinstance(failed, JournalDown)
    seq = journal.seq
    try:
        with pytest.raises(JournalDown):
            journal.stage(execution("O1", "x"), 3)
        assert (journal.seq, journal.durable_seq) == (seq, 1)
        assert [child.cum for child in journal.engine.children.values()] == [0]
    finally:
        await journal.close()
    assert verify(db).ok
