"""Other threads hand over to the desk's loop, which takes one input at a time; each hears of its own, once it is durable."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from partfill import FillManager, Limit
from partfill.journal.store import Store
from partfill.journal.verify import verify
from partfill.model.commands import KillSwitch, Stop
from partfill.model.observations import Execution
from partfill.runtime.manager import Refused
from tests.core.driven import D, terms

WAIT_S = 20
THREADS, EACH = 8, 25


def on_disk(db: Path, key: str) -> list[str]:
    """What has filled under an execution, as another connection sees it."""
    store = Store(db, read_only=True)
    found = [row["qty"] for row in store.rows("SELECT qty FROM executions WHERE key = ?", (key,))]
    store.close()
    return found


async def test_threads_hand_over_to_the_loop_and_every_fill_counts_once(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    loop = asyncio.get_running_loop()
    ran: set[int] = set()

    async with FillManager.open(db) as fills:
        order = await fills.track(terms(str(THREADS * EACH)), order_id="O1", ref="p", venue="v")
        fills.subscribe(lambda told: ran.add(threading.get_ident()))

        def hand_over(what: Coroutine[Any, Any, Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(what, loop).result(WAIT_S)

        def trade(thread: int) -> list[list[str]]:
            seen = []
            for number in range(EACH):
                # Two threads tell the same fills.
                key = f"T{thread // 2 * 2}.{number}" if number % 2 else f"T{thread}.{number}"
                hand_over(fills.observe(Execution(venue="v", order_id="O1", key=key, qty=D(1), px=D(100))))
                seen.append(on_disk(db, key))
            return seen

        with ThreadPoolExecutor(THREADS) as pool:
            seen = await asyncio.gather(*(loop.run_in_executor(pool, trade, thread) for thread in range(THREADS)))
        # Whoever handed over heard nothing before it was on disk.
        assert all(each == ["1"] for one in seen for each in one)
        twice = THREADS // 2 * (EACH // 2)
        assert order.cum_qty == THREADS * EACH - twice
        assert fills.engine.counters.duplicates == twice
        # Steps and what follows from them are made on one thread, that of the loop.
        assert ran == {threading.get_ident()}
    store = Store(db, read_only=True)
    numbers = [seq for seq, _, _ in store.inputs()]
    store.close()
    assert numbers == list(range(1, len(numbers) + 1))
    assert verify(db).problems == []


async def test_what_is_refused_is_raised_in_the_thread_that_asked(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with FillManager.open(tmp_path / "f.db") as fills:

        def ask() -> str:
            with pytest.raises(Refused) as refused:
                asyncio.run_coroutine_threadsafe(fills.cancel("nope", venue="v"), loop).result(WAIT_S)
            with pytest.raises(Refused, match="venue 'v' is not connected"):
                asyncio.run_coroutine_threadsafe(fills.submit(Limit("ACME", "buy", qty=1, price=2), venue="v"), loop).result(
                    WAIT_S
                )
            return str(refused.value)

        assert await asyncio.to_thread(ask) == "no order nope at v"


async def test_a_thread_that_does_not_wait_stops_nothing(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with FillManager.open(tmp_path / "f.db") as fills:
        await fills.track(terms("10"), order_id="O1", ref="p", venue="v")

        def ask() -> None:
            # Handed over in this order, and taken in this order.
            asyncio.run_coroutine_threadsafe(fills.take(Stop(venue="v", ref="p")), loop)
            asyncio.run_coroutine_threadsafe(fills.take(KillSwitch(venue="*", on=True, by="thread")), loop).result(WAIT_S)

        await asyncio.to_thread(ask)
        assert fills.engine.desk.killed
        parent = fills.engine.desk.by_ref["v", "", "p"]
        assert parent.stop == "canceled"
    assert verify(tmp_path / "f.db").problems == []
