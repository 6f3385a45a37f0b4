"""What the tables give to a person with an SQL shell: indexes that are used, an audit trail that can be read."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from partfill.journal.journal import Journal
from partfill.journal.store import Store
from partfill.journal.verify import verify
from partfill.model.inputs import Execution, ExecutionRevised, OrderPlaced, OrderSnapshot
from partfill.model.terms import Terms
from partfill.model.words import ExecType, Side

TERMS = Terms(instrument="ACME", side=Side.BUY, order_qty=Decimal(10), price=Decimal(100))


async def test_the_audit_trail_shows_quantity_and_value_before_and_after(tmp_path: Path) -> None:
    db = tmp_path / "fills.db"
    async with Journal(db) as journal:
        await journal.submit(OrderPlaced(venue="v", cl_ord_id="c1", order_id="1", terms=TERMS), 1)
        await journal.submit(Execution(venue="v", order_id="1", key="x", qty=Decimal(4), px=Decimal(100)), 2)
        await journal.submit(ExecutionRevised(venue="v", order_id="1", key="x", new_key="y", qty=Decimal(4), px=Decimal(99)), 3)
    store = Store(db, read_only=True)
    trail = list(store.rows("SELECT * FROM audit_trail ORDER BY seq"))
    store.close()
    seen = [(row["cum_qty_before"], row["cum_qty_after"], row["value_before"], row["value_after"]) for row in trail]
    assert seen == [("0", "0", "0", "0"), ("0", "4", "0", "400"), ("4", "4", "400", "396")]
    assert [row["ord_status_after"] for row in trail] == ["PendingNew", "PartiallyFilled", "PartiallyFilled"]
    # What brought the change stands beside it.
    assert '"execution_revised"' in trail[2]["input"]


@pytest.mark.parametrize("together", [True, False], ids=["one commit", "a commit each"])
async def test_a_report_of_a_known_execution_is_remembered_however_it_was_committed(tmp_path: Path, together: bool) -> None:
    db = tmp_path / "fills.db"
    fill = Execution(venue="v", order_id="1", key="x", qty=Decimal(4), px=Decimal(100), as_of=2)
    report = OrderSnapshot(venue="v", order_id="1", key="x", exec_type=ExecType.TRADE, executions=(fill,), as_of=3)
    accepted = OrderSnapshot(venue="v", order_id="1", key="n", exec_type=ExecType.NEW, as_of=1)
    async with Journal(db) as journal:
        for now, inp in enumerate((OrderPlaced(venue="v", order_id="1", terms=TERMS), accepted, fill, report), 1):
            journal.stage(inp, now)
            if not together:
                await journal.flush()
        await journal.flush()
    verdict = verify(db)
    assert verdict.ok, verdict.problems
    async with Journal(db) as journal:
        assert set(journal.engine.children[1].seen or ()) == {"n", "x"}


def test_the_look_up_of_open_orders_does_not_read_the_history(tmp_path: Path) -> None:
    store = Store(tmp_path / "fills.db")
    plan = [row["detail"] for row in store.rows("EXPLAIN QUERY PLAN SELECT id FROM children WHERE open = 1 ORDER BY id")]
    assert plan == ["SCAN children USING COVERING INDEX children_open"]
    store.close()
