"""Recovery time: open orders come back beside a long history, which must not cost anything."""

from __future__ import annotations

import os
import tempfile
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any

from partfill.journal.batch import Batch
from partfill.journal.recovery import recover
from partfill.journal.store import Store
from partfill.model.codec import to_json
from partfill.model.inputs import Execution, OrderPlaced
from partfill.model.terms import Terms
from partfill.model.words import Side

FILLS = 20
"""Executions of each finished order; an open order has two."""


def build(path: Path, open_orders: int, executions: int) -> None:
    """A journal with that many open orders beside that many journalled executions of finished ones."""
    store = Store(path, durable=False)
    keeper = recover(store, max_finished=1000)
    batch = Batch(keeper.engine)
    seq = 0

    def step(inp: OrderPlaced | Execution) -> None:
        nonlocal seq, batch
        seq += 1
        effects = keeper.engine.step(inp, seq)
        batch.stage(seq, inp, seq, effects, to_json(inp))
        keeper.note(effects, seq)
        if batch.size >= 2000:
            store.write(batch.seal(keeper.engine))
            keeper.release(seq, seq)
            batch = Batch(keeper.engine)

    def order(name: str, fills: int, qty: int) -> None:
        terms = Terms(instrument="BTC-USD", side=Side.BUY, order_qty=Decimal(qty), price=Decimal(100))
        step(OrderPlaced(venue="bench", account="main", cl_ord_id=f"c-{name}", order_id=name, terms=terms))
        for fill in range(fills):
            step(Execution(venue="bench", account="main", order_id=name, key=f"{name}-{fill}", qty=Decimal(1), px=Decimal(99)))

    for number in range(executions // FILLS):
        order(f"done-{number}", FILLS, FILLS)
    for number in range(open_orders):
        order(f"open-{number}", 2, 10)
    store.write(batch.seal(keeper.engine))
    store.close()


def run(open_orders: int = 10_000, executions: int = 1_000_000, folder: str | None = None) -> dict[str, Any]:
    """Seconds to recover `open_orders` beside a tenth of the history, and beside all of it."""
    figures: dict[str, Any] = {"open_orders": open_orders}
    with tempfile.TemporaryDirectory(prefix="partfill-bench-", dir=folder or os.getcwd()) as name:
        for history in (executions // 10, executions):
            path = Path(name) / f"{history}.db"
            build(path, open_orders, history)
            began = perf_counter()
            store = Store(path)
            keeper = recover(store)
            spent = perf_counter() - began
            assert len(keeper.engine.children) == open_orders
            store.close()
            figures[f"seconds_beside_{history}_executions"] = round(spent, 3)
    return figures
