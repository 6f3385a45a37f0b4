"""A row that the file refuses stops its own order, never the desk: told, journalled, named by verify, halted for good."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from partfill.journal.journal import Journal, JournalDown
from partfill.journal.state import freeze
from partfill.journal.verify import verify
from partfill.model.events import Alarm
from partfill.model.inputs import OrderPlaced
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.orders import Limit
from partfill.model.terms import Terms
from partfill.model.words import ExecType, Flag, Side
from partfill.runtime.manager import FillManager

TERMS = Limit("ACME", "buy", qty="10", price="5")


def fill(order_id: str, key: str, qty: int) -> Execution:
    return Execution(venue="v", order_id=order_id, key=key, qty=Decimal(qty), px=Decimal(5))


async def tracked(fills: FillManager) -> None:
    for name in ("bad", "good"):
        await fills.track(TERMS, order_id=f"o-{name}", ref=name, venue="v")


def refuse(path: Path, table: str, when: str, actions: tuple[str, ...] = ("INSERT", "UPDATE")) -> None:
    db = sqlite3.connect(path)
    with db:
        for each in actions:
            db.execute(
                f"CREATE TRIGGER no_{table}_{each} BEFORE {each} ON {table} WHEN {when} BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
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


async def test_what_else_is_in_the_transaction_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with Journal(path):
        pass
    refuse(path, "executions", "new.key = 'poison'")
    terms = Terms(instrument="X", side=Side.BUY, order_qty=Decimal(100))
    async with Journal(path) as journal:
        now = 1
        for name in ("bad", "good"):
            journal.stage(OrderPlaced(venue="v", cl_ord_id=f"c-{name}", order_id=f"o-{name}", terms=terms), now)
        await journal.flush()
        said = {"venue": "v", "as_of": 5}
        for number in range(20):
            names = {
                "order_id": f"o{number}",
                "cl_ord_id": f"c{number}",
                "orig_cl_ord_id": f"c{number - 1}" if number else "c-good",
            }
            replaced = OrderSnapshot(**said, **names, exec_type=ExecType.REPLACED, key=f"m{number}", order_qty=Decimal(100))
            journal.stage(replaced, now)
        journal.stage(OrderPlaced(venue="v", cl_ord_id="c-new", order_id="o-new", terms=terms), now)
        journal.stage(fill("o-bad", "poison", 1), now)
        await journal.flush()
        good, new = journal.engine.children[2], journal.engine.children[3]
        before = freeze(good), sorted(good.seen or {}), freeze(new)
        assert {f"m{number}" for number in range(20)} <= set(good.seen or {})
    async with Journal(path) as journal:
        good, new = journal.engine.children[2], journal.engine.children[3]
        assert (freeze(good), sorted(good.seen or {}), freeze(new)) == before
        assert journal.engine.children[1].flags & Flag.QUARANTINED
        assert journal.engine.index.by_client["v", "", "c11"] is good
    assert all("order 1 is in quarantine" in problem for problem in verify(path).problems)


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
