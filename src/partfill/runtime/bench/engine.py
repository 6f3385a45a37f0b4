"""Cost of one execution through the engine: deduplication, ledger, status, event, invariants.

Inputs are made in small groups just before they are timed, since a live input is fresh in the cache too. Each figure is
nanoseconds per input, wall time in one thread, the best of several rounds: what the code costs when nothing else runs.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import perf_counter_ns
from typing import TypeVar

from partfill.core.engine import Engine
from partfill.model.inputs import Execution, OrderPlaced, OrderSnapshot
from partfill.model.terms import Terms
from partfill.model.words import ExecType, Side

_T = TypeVar("_T")

GROUP = 500
WARM = 2
"""Groups that are not timed, before those that are: another process had the caches."""
ROUNDS = 40
_QTY = Decimal("0.35")
_PRICES = [Decimal("1999.5") + Decimal(step) / 10 for step in range(7)]


def world(open_orders: int, fills_before: int = 1, finished: int = 0) -> Engine:
    """An engine with that many open orders (each with `fills_before` executions) after `finished` others ended."""
    engine = Engine()
    for number in range(finished):
        engine.step(_order(f"done{number}", _QTY), 1)
        engine.step(_execution(f"done{number}", "k", number), 1)
    for child in [child for child in engine.children.values() if not child.open]:
        engine.forget(child)
    for number in range(open_orders):
        engine.step(_order(f"o{number}", Decimal(10**9)), 1)
        for fill in range(fills_before):
            engine.step(_execution(f"o{number}", f"before{fill}", fill), 1)
    return engine


def _order(name: str, qty: Decimal) -> OrderPlaced:
    terms = Terms(instrument="BTC-USD", side=Side.BUY, order_qty=qty, price=Decimal("2000"))
    return OrderPlaced(venue="bench", account="main", cl_ord_id=f"c-{name}", order_id=name, terms=terms)


def _execution(order: str, key: str, number: int) -> Execution:
    return Execution(venue="bench", account="main", order_id=order, key=key, qty=_QTY, px=_PRICES[number % 7], as_of=number)


def _timed(engine: Engine, make: Callable[[int], Execution], groups: int) -> float:
    """Nanoseconds per input over `groups` groups of fresh inputs."""
    spent = 0
    for group in range(-WARM, groups):
        inputs = [make((group + WARM) * GROUP + number) for number in range(GROUP)]
        step = engine.step
        began = perf_counter_ns()
        for inp in inputs:
            step(inp, 1)
        if group >= 0:
            spent += perf_counter_ns() - began
    return spent / (groups * GROUP)


def _serve(pipe: Connection, open_orders: int, fills_before: int = 1, finished: int = 0) -> None:
    """Build one world, then measure a round whenever asked: new executions that go round over the open orders."""
    engine = world(open_orders, fills_before, finished)
    gc.collect()
    gc.freeze()
    pipe.send(0.0)
    while (each := pipe.recv()) is not None:
        pipe.send(_timed(engine, lambda n, r=each: _execution(f"o{n % open_orders}", f"r{r}-{n}", n), 10))  # type: ignore[misc]


def steps_ns(worlds: dict[str, tuple[int, ...]]) -> dict[str, float]:
    """Nanoseconds of a new execution in each world.

    Each world lives in a process of its own, since one leaves the memory of the next as it was, and all are measured in
    turn, round by round, since the machine does not run at one speed for long.
    """
    context = get_context("spawn")
    pipes: dict[str, Connection] = {}
    for name, sizes in worlds.items():
        pipes[name], theirs = context.Pipe()
        context.Process(target=_serve, args=(theirs, *sizes), daemon=True).start()
    for pipe in pipes.values():
        pipe.recv()
    rounds: dict[str, list[float]] = {name: [] for name in worlds}
    for each in range(ROUNDS):
        for name, pipe in pipes.items():
            pipe.send(each)
            rounds[name].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(None)
    return {name: min(measured) for name, measured in rounds.items()}


def duplicate_ns(open_orders: int = 1000) -> tuple[float, float]:
    """(nanoseconds of a known execution through the engine, of that the ledger's own part)."""
    engine = world(open_orders, 1)
    whole = min(_timed(engine, lambda n: _execution(f"o{n % open_orders}", "before0", 0), 10) for _ in range(ROUNDS))
    ledgers = [child.ledger for child in engine.children.values()]
    parts = []
    for _ in range(ROUNDS):
        began = perf_counter_ns()
        for ledger in ledgers:
            ledger.book("before0", _QTY, _PRICES[0], None, None, "", 0)
        parts.append((perf_counter_ns() - began) / len(ledgers))
    return whole, min(parts)


def report_ns(open_orders: int = 1000) -> float:
    """Nanoseconds of a FIX-like trade report (execution, totals and status in one message)."""
    engine = world(open_orders, 1)

    def make(number: int) -> OrderSnapshot:
        order = f"o{number % open_orders}"
        execution = _execution(order, f"x{number}", number)
        return OrderSnapshot(
            venue="bench", account="main", order_id=order, exec_type=ExecType.TRADE, executions=(execution,), as_of=number + 2,
            cum_qty=_QTY * (number // open_orders + 2), leaves_qty=Decimal(1),
        )  # fmt: skip

    return min(_timed(engine, make, 2) for _ in range(ROUNDS))  # type: ignore[arg-type]


def memory(open_orders: int = 10_000, fills: int = 20) -> tuple[float, float]:
    """(bytes per open order with its ids, terms and index; bytes per execution on top)."""
    gc.collect()
    tracemalloc.start()
    engine = Engine()
    for number in range(open_orders):
        engine.step(_order(f"order-{number:012d}", Decimal(10**9)), 1)
    gc.collect()
    orders = tracemalloc.get_traced_memory()[0]
    for fill in range(fills):
        for number in range(open_orders):
            key = f"{fill:04d}{number:012d}"
            execution = Execution(
                venue="bench", account="main", order_id=f"order-{number:012d}", key=key, qty=Decimal("0.35"),
                px=Decimal("1999.5") + fill, as_of=fill,
            )  # fmt: skip
            engine.step(execution, 1)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(engine.children) == open_orders
    return orders / open_orders, (after - orders) / (open_orders * fills)


def _alone(measure: Callable[..., _T], *world: int) -> _T:
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, world)


def run() -> dict[str, float]:
    """Every figure of the engine, each measured in a process of its own."""
    worlds = {
        "10_open": (10,),
        "1000_open": (1000,),
        "100000_open": (100_000,),
        "after_10_fills": (100, 10),
        "after_5000_fills": (20, 5000),
        "after_100000_finished": (1000, 1, 100_000),
    }
    figures = {f"ns_per_execution_{name}": value for name, value in steps_ns(worlds).items()}
    figures["slowest_by_fastest"] = max(figures.values()) / min(figures.values())
    figures["ns_per_trade_report"] = _alone(report_ns)
    figures["ns_per_duplicate"], figures["ns_per_duplicate_ledger_part"] = _alone(duplicate_ns)
    figures["bytes_per_open_order"], figures["bytes_per_fill"] = _alone(memory)
    return {name: round(value, 2) for name, value in figures.items()}
