"""Rows of any table that cannot be read stop no opening: they are named at start and by verify, and the rest goes on."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from partfill.journal.store import NotAJournal
from partfill.journal.verify import verify
from partfill.model.commands import Protect
from partfill.model.orders import Limit
from partfill.model.protection import Leg
from partfill.model.words import Flag, Side
from partfill.runtime.manager import FillManager
from tests.journal.test_isolate import fill, tracked


def change(path: Path, sql: str) -> None:
    db = sqlite3.connect(path)
    with db:
        assert db.execute(sql).rowcount
    db.close()


def protect(stop: str) -> Protect:
    return Protect(venue="v", instrument="ACME", side=Side.BUY, legs=(Leg(name="stop", stop_px=Decimal(stop)),))


async def write(path: Path) -> None:
    async with FillManager.open(path) as fills:
        await tracked(fills)
        await fills.observe(fill("o-bad", "k1", 4))
        await fills.take(protect("3"))


CASES = {
    "the state of a position": ("UPDATE positions SET state = 'x'", "position 1 (ACME) goes on without its last fills"),
    "the fees of a position": ("UPDATE positions SET fees = '[]'", "position 1 (ACME) goes on without its last fills"),
    "a protection": ("UPDATE protections SET state = '{'", "protection 1 (ACME) has ended, and its orders are halted"),
    "an order": ("UPDATE children SET state = '[]' WHERE order_id = 'o-bad'", "is in quarantine"),
    "a parent": ("UPDATE parents SET state = '[]' WHERE ref = 'bad'", "(bad) is halted"),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_row_that_cannot_be_read_stops_no_opening(case: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await write(path)
    sql, said = CASES[case]
    change(path, sql)
    assert any("cannot be read" in problem for problem in verify(path).problems)
    async with FillManager.open(path) as fills:
        assert any(said in each for each in fills.journal.keeper.unreadable), fills.journal.keeper.unreadable
        assert fills.engine.counters.quarantined >= 1
        await fills.observe(fill("o-good", "k1", 6))
        good = fills.order("good", venue="v")
        assert good is not None
        assert good.cum_qty == 6
        # The place of what cannot be read is free.
        await fills.take(protect("2"))
        assert fills.down is None
    assert verify(path).problems
    async with FillManager.open(path) as fills:
        assert fills.down is None


async def test_an_engine_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await write(path)
    change(path, "UPDATE engine SET body = '[]'")
    with pytest.raises(NotAJournal, match="row of the engine"):
        async with FillManager.open(path):
            pass


async def test_a_row_that_would_be_refused_at_the_commit_stops_its_own_order_only(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with FillManager.open(path):
        pass
    db = sqlite3.connect(path)
    with db:
        db.execute(
            "CREATE TRIGGER gone AFTER INSERT ON children WHEN new.order_id = 'o-bad' "
            "BEGIN DELETE FROM children WHERE id = new.id; END"
        )
    db.close()
    async with FillManager.open(path) as fills:
        await fills.track(Limit("ACME", "buy", qty="10", price="5"), order_id="o-bad", ref="bad", venue="v")
        await fills.track(Limit("ACME", "buy", qty="10", price="5"), order_id="o-good", ref="good", venue="v")
        await fills.observe(fill("o-bad", "k1", 4))
        await fills.observe(fill("o-good", "k1", 6))
        assert fills.down is None
        bad, good = fills.order("bad", venue="v"), fills.order("good", venue="v")
        assert bad is not None
        assert good is not None
        assert bad.parent.halted
        assert bad.parent.children[0].flags & Flag.QUARANTINED
        assert good.cum_qty == 6
