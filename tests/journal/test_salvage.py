"""A journal with rows that no version can read opens: that order in quarantine, named; every command works."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from partfill.journal.verify import verify
from partfill.model.observations import Execution
from partfill.model.orders import Limit
from partfill.model.words import Flag
from partfill.runtime.manager import FillManager
from partfill.runtime.refusals import Refused

TERMS = Limit("ACME", "buy", qty="10", price="5")


def fill(order_id: str, key: str, qty: int) -> Execution:
    return Execution(venue="v", order_id=order_id, key=key, qty=Decimal(qty), px=Decimal(5))


async def written(path: Path) -> None:
    async with FillManager.open(path) as fills:
        for name in ("bad", "good"):
            await fills.track(TERMS, order_id=f"o-{name}", ref=name, venue="v")
            await fills.observe(fill(f"o-{name}", "k1", 4))


def change(path: Path, sql: str) -> None:
    db = sqlite3.connect(path)
    with db:
        assert db.execute(sql).rowcount > 0
    db.close()


BAD = {
    "an order with words that are none": "UPDATE children SET state = '[1, 2, \"x\"]' WHERE id = 1",
    "an order with no JSON at all": "UPDATE children SET state = '~' WHERE id = 1",
    "an order with a time that is no whole number": "UPDATE children SET state = json_replace(state, '$[0]', 1.5) WHERE id = 1",
    "a parent whose ref is a number": "UPDATE parents SET state = json_replace(state, '$[3]', 7) WHERE id = 1",
    "a parent whose policy is a word": "UPDATE parents SET state = json_replace(state, '$[5]', 'chase') WHERE id = 1",
    "work that cannot be read": "UPDATE work SET state = '[]' WHERE child = 1",
}


@pytest.mark.parametrize("sql", BAD.values(), ids=BAD)
async def test_a_row_that_cannot_be_read_stops_its_own_order_only(sql: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await written(path)
    change(path, sql)
    async with FillManager.open(path) as fills:
        assert fills.journal.keeper.unreadable
        bad, good = fills.order("bad", venue="v"), fills.order("good", venue="v")
        assert bad is not None
        assert good is not None
        assert bad.parent.halted
        assert (bad.parent.cum, good.cum_qty) == (4, 4)
        assert not good.parent.halted
        # What comes for either goes to it, and no third order appears.
        await fills.observe(fill("o-bad", "k2", 1))
        await fills.observe(fill("o-good", "k2", 6))
        assert good.cum_qty == 10
        assert bad.parent.cum in (4, 5), "what comes is held, or counts once"
        assert len(fills.engine.children) == 2
        # The same ref again is that order, never another one.
        again = await fills.track(TERMS, order_id="o-bad", ref="bad", venue="v")
        assert again.parent is bad.parent
        await fills.kill(True, by="me")
        await fills.kill(False, by="me")
        with pytest.raises(Refused, match="bad is at v, which is not connected"):
            await fills.cancel("bad", venue="v")
        assert fills.down is None
    async with FillManager.open(path) as fills:
        found = fills.order("bad", venue="v")
        assert found is None or found.parent.halted or found.ended


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_verify_names_the_order(number: int, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await written(path)
    change(path, list(BAD.values())[number])
    verdict = verify(path)
    assert not verdict.ok
    assert any("order 1 is in quarantine" in problem for problem in verdict.problems)


async def test_an_order_in_quarantine_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await written(path)
    change(path, BAD["an order with no JSON at all"])
    async with FillManager.open(path) as fills:
        assert fills.engine.children[1].flags & Flag.QUARANTINED
        assert fills.engine.counters.quarantined == 1


async def test_a_kill_switch_that_nobody_put_on_is_on(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await written(path)
    change(path, "UPDATE engine SET body = json_replace(body, '$[4]', json('[[\"*\", \"\", null]]'))")
    async with FillManager.open(path) as fills:
        assert fills.engine.desk.killed == {("*", ""): "unknown"}
        await fills.kill(False, by="me")
        assert not fills.engine.desk.killed


async def test_an_input_that_cannot_be_read_is_named_and_the_journal_opens(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await written(path)
    change(path, "UPDATE journal SET body = replace(body, '\"o-bad\"', '7') WHERE seq = 3")
    async with FillManager.open(path) as fills:
        assert fills.order("good", venue="v") is not None
    verdict = verify(path)
    assert any("input 3 cannot be read" in problem for problem in verdict.problems)
