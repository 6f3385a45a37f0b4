"""A program again on its journal, with a paper venue in its process that begins anew: nothing is mixed up, nothing hangs."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

from partfill import FillManager, Limit
from partfill.journal.store import Store
from partfill.journal.verify import verify
from tests.runtime.test_manager import WAIT_S, paper, price, until


async def run(db: Path, ref: str | None = None, away: int = 30, *, leave: bool = False) -> str:
    """One run of a program: an order, until it has ended; or the process dies while it works."""
    venue = paper()
    async with FillManager.open(db, venues=[venue]) as fills:
        order = await fills.submit(Limit("ACME", "buy", qty=5, price=price(venue, "ACME", "buy", away)), ref=ref)
        await until(lambda: order.parent.children[0].order_id, "it is acknowledged")
        if leave:
            await fills.close(drain=False)
            return "left"
        return await order.done(WAIT_S)


async def test_ids_of_a_venue_that_begins_anew_never_meet_those_of_its_last_life(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    for _ in range(3):
        assert await run(db) == "filled"
    store = Store(db, read_only=True)
    ids = [row["order_id"] for row in store.rows("SELECT order_id FROM children")]
    keys = [row["key"] for row in store.rows("SELECT key FROM executions")]
    alarms = list(store.rows("SELECT * FROM alarms"))
    filled = [Decimal(row["cum_qty"]) for row in store.rows("SELECT cum_qty FROM children")]
    store.close()
    assert ids[0] == "P1", "a first life has plain ids"
    assert len(set(ids)) == 3
    assert len(set(keys)) == len(keys)
    assert (alarms, filled) == ([], [Decimal(5)] * 3)
    assert verify(db).problems == []


async def test_a_run_that_was_cut_short_does_not_hang_the_next(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    assert await run(db, "first", -300, leave=True) == "left"
    async with asyncio.timeout(2 * WAIT_S):
        assert await run(db, "second") == "filled"
        venue = paper()
        async with FillManager.open(db, venues=[venue]) as fills:
            first = fills.order("first")
            assert first is not None
            # Its venue forgot it: nothing of it works, and the other did not fill it.
            await first.done(WAIT_S)
            assert (first.status, first.cum_qty) == ("canceled", Decimal(0))
    assert verify(db).problems == []


async def test_a_venue_that_lives_on_keeps_its_ids(tmp_path: Path) -> None:
    venue = paper()
    for expected in ("P1", "P2"):
        async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
            order = await fills.submit(Limit("ACME", "buy", qty=5, price=price(venue, "ACME", "buy", 30)))
            assert await order.done(WAIT_S) == "filled"
            assert order.parent.children[0].order_id == expected
