"""Orders of the desk in the journal: simulated worlds, written, let go, recovered and replayed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from partfill.core.engine import Engine
from partfill.core.parent import Done
from partfill.journal.desk_state import parent_row, work_row
from partfill.journal.engine_state import freeze_engine
from partfill.journal.journal import Journal
from partfill.journal.position_state import position_row
from partfill.journal.protection_state import protection_row
from partfill.journal.state import freeze
from partfill.journal.verify import verify
from partfill.model.capabilities import Capabilities, ClientId
from partfill.model.codec import to_json
from partfill.model.commands import Answered, KillSwitch, Outcome, Restarted, Submit
from partfill.model.inputs import OrderPlaced, VenueDeclared
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.operations import Cancel, Place
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, Request, Side
from partfill.sim.world import World

D = Decimal
SEEDS = range(700_000, 700_012)


def everything(engine: Engine) -> dict[str, Any]:
    """All that an engine knows, as the journal would write it; times of writing apart."""
    return {
        "engine": freeze_engine(engine),
        "children": {number: freeze(child) for number, child in sorted(engine.children.items())},
        "work": {child.id: work_row(child) for child in engine.children.values() if child.work is not None},
        "parents": {number: parent_row(parent, 0, 0) for number, parent in sorted(engine.desk.parents.items())},
        "protections": [protection_row(each, 0) for each in engine.desk.protections.values()],
        "positions": [position_row(each, 0) for each in engine.holdings.positions.values()] if engine.holdings else [],
    }


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_world_comes_back_from_its_journal(seed: int, tmp_path: Path) -> None:
    world = World(seed)
    world.run()
    db = tmp_path / "world.db"
    journal = await Journal.open(db, quiet_ns=0, max_finished=2)
    told: list[bytes] = []
    replay = Engine()
    expected: list[bytes] = []
    restarts = 0
    for number, (inp, now) in enumerate(world.log):
        if type(inp) is Restarted and number > 5:
            # The process died here: what the journal has must be all of it.
            restarts += 1
            await journal.close()
            journal = await Journal.open(db, quiet_ns=0, max_finished=2)
        told.extend(to_json(event) for event in journal.stage(inp, now).events)
        expected.extend(to_json(event) for event in replay.step(inp, now).events)
        if number % 7 == 0:
            await journal.flush()
    await journal.close()
    assert told == expected
    assert restarts == sum(type(inp) is Restarted for inp, _ in world.log[6:])
    verdict = verify(db, max_finished=3)
    assert verdict.problems == []
    assert verdict.rows["parents"] == len(replay.desk.parents)
    assert verdict.rows["decisions"] == sum(b'"type":"execution_report"' in each for each in told)
    # Everything comes back from the file, finished orders too.
    journal = await Journal.open(db)
    for parent in replay.desk.parents.values():
        journal.keeper.load_parent(parent.id)
    for child in list(replay.children.values()):
        if child.id not in journal.engine.children:
            journal.keeper.load(child.id)
    assert everything(journal.engine) == everything(replay)
    await journal.close()


async def test_a_finished_parent_leaves_memory_with_its_children_and_comes_back(tmp_path: Path) -> None:
    world = World(SEEDS[0])
    world.run()
    journal = await Journal.open(tmp_path / "world.db", quiet_ns=0, max_finished=0)
    for inp, now in world.log:
        journal.stage(inp, now)
        await journal.flush()
    assert all(parent.done is not None for parent in world.engine.desk.parents.values())
    assert journal.engine.desk.parents == {}
    assert all(child.work is None for child in journal.engine.children.values())
    number, parent = next(iter(world.engine.desk.parents.items()))
    journal.keeper.load_parent(number)
    back = journal.engine.desk.parents[number]
    assert isinstance(back.done, Done)
    assert (back.cum, back.asked, back.done, back.avg_px) == (parent.cum, parent.asked, parent.done, parent.avg_px)
    assert [child.client_ids for child in back.children] == [child.client_ids for child in parent.children]
    await journal.close()


async def test_an_id_that_an_order_in_quarantine_got_is_still_its_own_after_a_restart(tmp_path: Path) -> None:
    db = tmp_path / "held.db"
    journal = await Journal.open(db)
    terms = Terms(instrument="ACME", side=Side.BUY, order_qty=D(3), price=D(100))
    journal.stage(OrderPlaced(venue="v", terms=terms, cl_ord_id="c1", order_id="O1"), 1)
    split = OrderSnapshot(venue="v", order_id="O1", exec_type=ExecType.RESTATED, order_qty=D(10), restatement="split")
    journal.stage(Execution(venue="v", order_id="O1", key="x", qty=D(1), px=D(100)), 2)
    journal.stage(split, 2)
    await journal.flush()
    journal.stage(OrderSnapshot(venue="v", order_id="O1", cl_ord_id="c2", ord_status=OrdStatus.NEW), 3)
    await journal.close()
    journal = await Journal.open(db)
    journal.stage(OrderSnapshot(venue="v", cl_ord_id="c2", ord_status=OrdStatus.CANCELED), 4)
    assert journal.engine.counters.held == 1
    assert len(journal.engine.children) == 1
    await journal.close()
    assert verify(db).problems == []


async def test_what_the_kill_switch_left_for_later_is_taken_off_after_a_restart(tmp_path: Path) -> None:
    rules = Capabilities(client_id=ClientId.NONE, end_is_final=False)
    terms = Terms(instrument="ACME", side=Side.BUY, order_qty=D(10), price=D(100))
    db = tmp_path / "killed.db"
    journal = await Journal.open(db)
    journal.stage(VenueDeclared(venue="v", capabilities=rules), 1)
    journal.stage(Restarted(desk="d"), 2)
    (place,) = journal.stage(Submit(venue="v", ref="p", terms=terms), 3).operations
    assert isinstance(place, Place)
    new = OrderSnapshot(venue="v", order_id="O1", exec_type=ExecType.NEW, order_qty=D(10), instrument="ACME", side=Side.BUY)
    journal.stage(new, 4)
    assert not journal.stage(KillSwitch(venue="v", on=True, by="operator"), 5).operations
    await journal.close()
    journal = await Journal.open(db)
    journal.stage(Restarted(desk="d"), 6)
    refused = Answered(venue="v", request=Request.PLACE, cl_ord_id=place.cl_ord_id, outcome=Outcome.REFUSED)
    assert [op.order_id for op in journal.stage(refused, 7).operations if isinstance(op, Cancel)] == ["O1"]
    await journal.close()
    assert verify(db).problems == []


async def test_what_an_older_file_says_was_answered_is_still_answered(tmp_path: Path) -> None:
    db = tmp_path / "older.db"
    journal = await Journal.open(db)
    terms = Terms(instrument="ACME", side=Side.BUY, order_qty=D(3), price=D(100))
    journal.stage(OrderPlaced(venue="v", terms=terms, cl_ord_id="c1", order_id="O1"), 1)
    await journal.close()
    with closing(sqlite3.connect(db)) as file, file:
        (state,) = file.execute("SELECT state FROM children").fetchone()
        row = json.loads(state)
        row[24] = ["c2"]
        file.execute("UPDATE children SET state = ?", (json.dumps(row, separators=(",", ":")),))
    journal = await Journal.open(db)
    child = journal.engine.children[1]
    assert (child.is_answered("c2"), child.is_answered("c1")) == (True, False)
    await journal.close()
