"""The live desk: cost of a step with many parent orders, time from an observation to the operation it leads to, memory.

- `step`: one execution of a desk's order through the engine (ledger, parent, law, plan), with 10 to 100,000 live parents,
  measured in turn in processes of their own.
- `decision`: seconds from the start of `FillManager.take` to its operations being handed to their lanes, for inputs that
  led to operations, while 1,000 orders rest at the paper venue; beside it the disk's own sync, in the same run.
- `finished`: resident memory while orders are submitted, filled and finished through the journal, a few live at a time.
- `simulator`: events per second of simulated worlds.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import tempfile
import time
from decimal import Decimal
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from partfill.core.engine import Engine
from partfill.journal.journal import Journal
from partfill.model.commands import Restarted, Submit
from partfill.model.inputs import Execution, Input, OrderSnapshot
from partfill.model.orders import Limit
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, Side
from partfill.runtime.manager import FillManager
from partfill.sim.run import simulate
from partfill.venues.clock import CLOCK
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.market import SHAPES, generated
from partfill.venues.paper.venue import PaperVenue

PARENTS = (10, 1_000, 100_000)
ROUNDS = 25
GROUP = 2_500
LIVE = 1_000
_LARGE, _QTY, _PX = Decimal(10**9), Decimal("0.35"), Decimal(2000)


def _submit(number: int, qty: Decimal) -> Submit:
    terms = Terms(instrument="BTC-USD", side=Side.BUY, order_qty=qty, price=_PX)
    return Submit(venue="bench", ref=f"r{number}", terms=terms)


def _accepted(number: int, qty: Decimal) -> OrderSnapshot:
    return OrderSnapshot(
        venue="bench", order_id=f"o{number}", cl_ord_id=f"d{number + 1}-1", exec_type=ExecType.NEW, ord_status=OrdStatus.NEW,
        order_qty=qty,
    )  # fmt: skip


def _execution(number: int, key: str, qty: Decimal) -> Execution:
    return Execution(venue="bench", order_id=f"o{number}", key=key, qty=qty, px=_PX, as_of=number)


def _serve(pipe: Connection, parents: int) -> None:
    engine = Engine()
    engine.step(Restarted(desk="d"), 1)
    for number in range(parents):
        engine.step(_submit(number, _LARGE), 1)
        engine.step(_accepted(number, _LARGE), 1)
    gc.collect()
    gc.freeze()
    pipe.send(0.0)
    while (each := pipe.recv()) is not None:
        inputs = [_execution(number % parents, f"{each}-{number}", _QTY) for number in range(GROUP)]
        began = time.perf_counter_ns()
        for inp in inputs:
            engine.step(inp, 1)
        pipe.send((time.perf_counter_ns() - began) / GROUP)


def step() -> dict[str, float]:
    """Nanoseconds of one execution with so many live parents."""
    context = get_context("spawn")
    pipes: dict[int, Connection] = {}
    for parents in PARENTS:
        pipes[parents], theirs = context.Pipe()
        context.Process(target=_serve, args=(theirs, parents), daemon=True).start()
    for pipe in pipes.values():
        pipe.recv()
    best = dict.fromkeys(PARENTS, float("inf"))
    for each in range(ROUNDS):
        for parents, pipe in pipes.items():
            pipe.send(each)
            best[parents] = min(best[parents], pipe.recv())
    for pipe in pipes.values():
        pipe.send(None)
    figures = {f"ns_per_execution_{parents}_parents": round(value, 1) for parents, value in best.items()}
    return figures | {"slowest_by_fastest": round(max(best.values()) / min(best.values()), 2)}


class _Timed(FillManager):
    """A manager that notes how long each input took that led to an operation."""

    spent: list[float]

    async def take(self, inp: Input) -> Any:
        began = time.perf_counter()
        effects = await super().take(inp)
        if effects.operations:
            self.spent.append(time.perf_counter() - began)
        return effects


async def _decisions(folder: Path, seconds: float) -> dict[str, float]:
    shape = SHAPES["ACME"]
    venue = PaperVenue(Exchange([shape.listing]), generated([shape], 1), now=CLOCK)
    venue.advance(2000)
    book = venue.exchange.markets["ACME"].book
    async with _Timed(folder / "desk.db", [venue], per_second=100_000) as fills:
        fills.spent = []
        best = book.best(Side.BUY)
        assert best is not None
        orders = []
        for number in range(LIVE):
            price = best - Decimal("0.01") * (300 + number % 1000)
            orders.append(await fills.submit(Limit("ACME", "buy", qty=100, price=price)))
        await fills.lanes.drain()
        fills.spent.clear()
        ends = time.perf_counter() + seconds
        number = 0
        while time.perf_counter() < ends:
            number += 1
            order = orders[number * 7 % LIVE]
            if not order.ended:
                await order.amend(qty=100 + number % 50)
            venue.advance(5)
            await asyncio.sleep(0.002)
        spent = sorted(fills.spent)
        await fills.kill(True, by="bench")
        await fills.lanes.drain()
    sync = _sync(folder / "sync")
    return {
        "decisions": len(spent), "p50_ms": _at(spent, 50), "p99_ms": _at(spent, 99), "disk_sync_p50_ms": _at(sync, 50),
        "disk_sync_p99_ms": _at(sync, 99),
    }  # fmt: skip


def _at(seconds: list[float], percent: int) -> float:
    return round(seconds[len(seconds) * percent // 100] * 1e3, 3)


def _sync(path: Path) -> list[float]:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    spent = []
    for number in range(300):
        began = time.perf_counter()
        os.pwrite(file, b"x" * 8192, number * 8192)
        os.fdatasync(file)
        spent.append(time.perf_counter() - began)
    os.close(file)
    return sorted(spent)


async def _finished(folder: Path, orders: int) -> dict[str, float]:
    one = Decimal(1)
    resident: list[float] = []
    async with Journal(folder / "million.db", quiet_ns=0, max_finished=1_000) as journal:
        journal.stage(Restarted(desk="d"), 1)
        began = time.perf_counter()
        for number in range(orders):
            journal.stage(_submit(number, one), number)
            journal.stage(_accepted(number, one), number)
            journal.stage(_execution(number, "k", one), number)
            if number % 150 == 0:
                await journal.flush()
            if number % (orders // 10) == 0:
                resident.append(_resident())
        await journal.flush()
        resident.append(_resident())
        rate = orders / (time.perf_counter() - began)
        live = len(journal.engine.children)
    return {
        "orders": orders, "orders_per_s": round(rate), "in_memory_at_the_end": live,
        "resident_mb_after_a_tenth": round(resident[1], 1), "resident_mb_at_the_end": round(resident[-1], 1),
        "resident_mb_peak": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }  # fmt: skip


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _run_finished(folder: str, orders: int) -> dict[str, float]:
    return asyncio.run(_finished(Path(folder), orders))


def run(folder: str | None = None, orders: int = 100_000, seconds: float = 10.0) -> dict[str, Any]:
    """Every figure of the live desk."""
    worlds = simulate(2_000, 1)
    with tempfile.TemporaryDirectory(prefix="partfill-bench-", dir=folder or os.getcwd()) as name:
        with get_context("spawn").Pool(1) as pool:
            finished = pool.apply(_run_finished, (name, orders))
        return {
            "step": step(),
            "decision": asyncio.run(_decisions(Path(name), seconds)),
            "finished": finished,
            "simulator": {
                "runs": worlds.runs, "events_per_s": round(worlds.events / worlds.seconds), "violations": len(worlds.violations)
            },
        }  # fmt: skip
