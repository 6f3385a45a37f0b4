"""A row that the file refuses stops its own order, never the desk: told, journalled, named by verify, halted for good."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from partfill.journal.journal import JournalDown
from partfill.journal.verify import verify
from partfill.model.events import Alarm
from partfill.model.observations import Execution
from partfill.model.orders import Limit
from partfill.model.words import Flag
from partfill.runtime.manager import FillManager

TERMS = Limit("ACME", "buy", qty="10", price="5")


def fill(order_id: str, key: str, qty: int) -> Execution:
    return Execution(venue="v", order_id=order_id, key=key, qty=Decimal(qty), px=Decimal(5))


async def tracked(fills: FillManager) -> None:
    for name in ("bad", "good"):
        await fills.track(TERMS, order_id=f"o-{name}", ref=name, venue="v")


def refuse(path: Path, table: str, when: str, action: str = "INSERT") -> None:
    db = sqlite3.connect(path)
    with db:
        db.execute(f"CREATE TRIGGER no_{table} BEFORE {action} ON {table} WHEN {when} BEGIN SELECT RAISE(ABORT, 'no'); END")
    db.close()


REFUSED = {
    "an execution": ("executions", "new.key = 'poison'"),
    "the order": ("children", "new.order_id = 'o-bad' AND new.cum_qty = '5'"),
    "the parent": ("parents", "new.ref = 'bad' AND new.cum_qty = '5'"),
    "an order that has no row yet": ("children", "new.order_id = 'o-bad'"),
    "a parent that has no row yet": ("parents", "new.ref = 'bad'"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refused_row_stops_its_own_order_only(case: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    table, when = REFUSED[case]
    async with FillManager.open(path):
        pass
    refuse(path, table, when)
    async with FillManager.open(path) as fills:
        alarms: list[str] = []
        fills.subscribe(lambda told: alarms.append(told.event.text) if isinstance(told.event, Alarm) else None)
        await tracked(fills)
        await fills.observe(fill("o-bad", "k1", 4))
        await fills.observe(fill("o-bad", "poison", 1))
        await fills.observe(fill("o-good", "k1", 6))
        bad, good = fills.order("bad", venue="v"), fills.order("good", venue="v")
        assert bad is not None
        assert good is not None
        assert good.cum_qty == 6
        assert fills.down is None
        assert bad.parent.halted
        assert any("in quarantine" in text for text in alarms)
        number = bad.parent.children[0].id
    verdict = verify(path)
    assert verdict.problems, "it is named"
    assert all(f"order {number} is in quarantine" in problem for problem in verdict.problems), verdict.problems
    async with FillManager.open(path) as fills:
        bad, good = fills.order("bad", venue="v"), fills.order("good", venue="v")
        assert bad is not None
        assert good is not None
        assert bad.parent.halted
        assert fills.engine.children[number].flags & Flag.QUARANTINED
        assert not good.parent.halted
        # What comes for it later is held, and makes no third order.
        await fills.observe(fill("o-bad", "k3", 2))
        await fills.observe(fill("o-good", "k2", 4))
        assert good.cum_qty == 10
        assert fills.engine.counters.held
        assert len(fills.engine.children) == 2


async def test_a_refused_row_of_nobody_stops_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with FillManager.open(path):
        pass
    refuse(path, "journal", "new.body LIKE '%poison%'")
    fills = FillManager.open(path)
    async with fills:
        await tracked(fills)
        with pytest.raises(JournalDown):
            await fills.observe(fill("o-bad", "poison", 1))
    assert fills.down is not None
