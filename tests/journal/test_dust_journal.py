"""Dust in the journal: noted with the step that led to it, there again after a restart, and proven by a replay."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from partfill.core.engine import Engine
from partfill.journal.journal import Journal
from partfill.journal.verify import verify
from partfill.model.policy import DustUse
from tests.core.driven import PLAIN, Driven
from tests.core.test_dust import dusty, policy, waiting


async def kept(db: Path, desk: Driven) -> Engine:
    """Journal what happened, open it again after every step, and let everything go that has ended."""
    for inp, now in desk.log:
        journal = await Journal.open(db, quiet_ns=0, max_finished=0)
        journal.stage(inp, now)
        await journal.close()
    journal = await Journal.open(db, quiet_ns=0, max_finished=0)
    await journal.close()
    return journal.engine


def rows(db: Path) -> list[tuple[str, ...]]:
    with sqlite3.connect(db) as opened:
        return list(opened.execute("SELECT ref, order_ids, qty, price, use, state, taken_by FROM dust ORDER BY parent"))


async def test_dust_waits_in_the_journal_and_is_used_after_a_restart(tmp_path: Path) -> None:
    desk = Driven(PLAIN)
    dusty(desk, "a", DustUse.NEXT_ORDER)
    dusty(desk, "b", DustUse.RECORD)
    dusty(desk, "late")
    desk.fill("late fill", "1", "V-late")
    db = tmp_path / "dust.db"
    engine = await kept(db, desk)
    assert engine.desk.dust.waiting == desk.engine.desk.dust.waiting
    assert waiting(desk) == [("a", 1), ("b", 1)]
    # Nothing of the orders themselves is in memory any more.
    assert engine.desk.parents == {}
    desk.submit(ref="c", remainder=policy(DustUse.NEXT_ORDER))
    whole = tmp_path / "whole.db"
    engine = await kept(whole, desk)
    assert engine.desk.by_ref["venue", "", "c"].asked == 11
    assert rows(whole) == [
        ("a", '["V-a"]', "1", "100", "next_order", "taken", "c"),
        ("b", '["V-b"]', "1", "100", "record", "open", None),
        ("late", '["V-late"]', "1", "100", "record", "gone", None),
    ]
    for most in (0, 1 << 30):
        assert verify(whole, max_finished=most).problems == []
