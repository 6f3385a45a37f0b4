"""What a decision on a remainder costs: in memory, from fill to decision on disk, and in bytes.

- `decide`: the pure function alone, with a book of five levels a side.
- `step`: one `Decide` through the engine: verdict, report, the new target and what it asks of the venue. By policy; with more
  orders live; and after many partial fills of the same order.
- `at_once`: from fill to decision, both on disk, when 50 orders fill in part at the same moment (`at_once.py`).
- `state`: bytes that a decided remainder takes, in memory and in the journal.

Every time is given as the least, the median and the most of its rounds: the least is the cost, the rest is the machine.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Any

from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.core.remainder import Situation, cap, decide
from partfill.journal.journal import Journal
from partfill.model.book import Book, Level
from partfill.model.commands import Decide, Restarted, Submit
from partfill.model.inputs import Execution, Input, OrderSnapshot
from partfill.model.instrument import Instrument, TickBand
from partfill.model.policy import CancelRest, Chase, Hold, Mode, RemainderPolicy
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, Side
from partfill.runtime.bench.at_once import at_once

ROUNDS = 25
GROUP = 400
"""Decisions in one round."""
LIVE = (10, 1_000, 20_000)
PARTIALS = (1, 1_000)
_QTY, _PART, _PX = Decimal(100_000), Decimal("0.35"), Decimal("10.00")
_TICK = Decimal("0.01")
_POLICIES = {
    "hold": Hold(),
    "cancel": CancelRest(),
    "chase": Chase(3),
    "dust": Hold(min_remainder_size=Decimal(10_000_000)),
}
Times = dict[str, float]


_ACME = Instrument(symbol="ACME", ticks=(TickBand(Decimal(0), _TICK),), lot=Decimal("0.01"))


def _book(now: int) -> Book:
    """Five levels a side; the best offer is two ticks worse than the orders."""
    bids = tuple(Level(_PX - _TICK * n, Decimal(40_000)) for n in range(1, 6))
    asks = tuple(Level(_PX + _TICK * n, Decimal(40_000)) for n in range(2, 7))
    return Book(instrument="ACME", bids=bids, asks=asks, as_of=now, trade_rate=Decimal("12.5"), queue_ahead=Decimal(70))


def _spread(rounds: Sequence[float]) -> Times:
    return {"min": round(min(rounds), 2), "median": round(median(rounds), 2), "max": round(max(rounds), 2)}


# ---------------------------------------------------------------------- in memory


def decide_us(rounds: int = ROUNDS, group: int = GROUP) -> dict[str, Times]:
    """Microseconds of the pure function, by policy."""
    return {name: _decide_us(policy, rounds, group) for name, policy in _POLICIES.items()}


def _decide_us(policy: RemainderPolicy, rounds: int, group: int) -> Times:
    situation = Situation(
        side=Side.BUY, original=_PX, price=_PX, cum=_PART, leaves=_QTY - _PART, policy=policy, instrument=_ACME, now=2,
        book=_book(1), cap=cap(Side.BUY, _PX, policy, _ACME),
    )  # fmt: skip
    spent = []
    for _ in range(rounds):
        began = perf_counter_ns()
        for _ in range(group):
            decide(situation)
        spent.append((perf_counter_ns() - began) / group / 1000)
    return _spread(spent)


class Orders:
    """Orders of one engine, submitted and accepted, that fill in part."""

    def __init__(self, step: Callable[[Input, int], Effects]) -> None:
        self._step = step
        self._number = 0
        self._key = 0
        self._step(Restarted(desk="d"), 1)

    def new(self, policy: RemainderPolicy | None) -> str:
        """One more order; returns its ref."""
        self._number += 1
        ref = f"r{self._number}"
        terms = Terms(instrument="ACME", side=Side.BUY, order_qty=_QTY, price=_PX)
        self._step(Submit(venue="bench", ref=ref, terms=terms, remainder=policy), 1)
        self._step(
            OrderSnapshot(
                venue="bench", order_id=f"o{self._number}", cl_ord_id=f"d{self._number}-1", exec_type=ExecType.NEW,
                ord_status=OrdStatus.NEW, order_qty=_QTY,
            ),
            1,
        )  # fmt: skip
        return ref

    def fills(self, ref: str) -> None:
        """A part of it fills."""
        self._key += 1
        self._step(Execution(venue="bench", order_id=f"o{ref[1:]}", key=f"x{self._key}", qty=_PART, px=_PX, as_of=1), 1)


def question(ref: str, event: int, now: int) -> Decide:
    """Decision number `event` on the order `ref` is to be made, with the market as of `now` (ns)."""
    return Decide(venue="bench", ref=ref, event=event, instrument=_ACME, mode=Mode.GENERAL_LIVE, book=_book(now))


def step_us(policy: RemainderPolicy, live: int, rounds: int = ROUNDS, group: int = GROUP) -> tuple[Times, int]:
    """(microseconds of a first decision while `live` other orders are held; how many were made)."""
    engine = Engine()
    orders = Orders(engine.step)
    for _ in range(live):
        orders.fills(orders.new(_POLICIES["hold"]))
    spent: list[float] = []
    made = 0
    for _ in range(rounds):
        asked = []
        for _ in range(group):
            ref = orders.new(policy)
            orders.fills(ref)
            asked.append(question(ref, 1, 1))
        made += _timed(engine, asked, spent)
    return _spread(spent), made


def after_us(partials: int, rounds: int = ROUNDS, orders_of: int = 20) -> tuple[Times, int]:
    """(microseconds of a decision on orders that filled and were decided on `partials` times before; how many were made)."""
    engine = Engine()
    orders = Orders(engine.step)
    refs = [orders.new(_POLICIES["hold"]) for _ in range(orders_of)]
    event = 0
    while event < partials:
        event += 1
        for ref in refs:
            orders.fills(ref)
            engine.step(question(ref, event, 1), 1)
    spent: list[float] = []
    made = 0
    for _ in range(rounds):
        event += 1
        for ref in refs:
            orders.fills(ref)
        made += _timed(engine, [question(ref, event, 1) for ref in refs], spent)
    return _spread(spent), made


def _timed(engine: Engine, asked: Sequence[Decide], spent: list[float]) -> int:
    reports = 0
    gc.collect()
    gc.disable()
    began = perf_counter_ns()
    for each in asked:
        reports += len(engine.step(each, 1).events)
    spent.append((perf_counter_ns() - began) / len(asked) / 1000)
    gc.enable()
    return reports


def steps(rounds: int = ROUNDS, group: int = GROUP) -> dict[str, Times]:
    """Every figure of the engine's step."""
    figures = {f"us_{name}": step_us(policy, LIVE[1], rounds, group)[0] for name, policy in _POLICIES.items()}
    figures |= {f"us_hold_{live}_live": step_us(_POLICIES["hold"], live, rounds, group)[0] for live in LIVE}
    return figures | {f"us_hold_after_{partials}_partials": after_us(partials, rounds)[0] for partials in PARTIALS}


# ---------------------------------------------------------------------- bytes


def state_bytes(folder: Path, orders: int = 2_000, partials: int = 5) -> dict[str, float]:
    """Bytes of a remainder that is decided on, beside the same order without a policy: in memory, and in a closed journal."""
    memory = {kept: _memory(policy, orders) for kept, policy in (("without", None), ("with", _POLICIES["hold"]))}
    disk = {
        kept: asyncio.run(_disk(folder / f"{kept}.db", policy, max(1, orders // 10), partials))
        for kept, policy in (("without", None), ("with", _POLICIES["hold"]))
    }
    return {
        "memory_per_partly_filled_order": round(memory["with"] - memory["without"]),
        "journal_per_decision": round(disk["with"] - disk["without"]),
        "journal_per_partial_fill": round(disk["without"]),
    }


def _memory(policy: RemainderPolicy | None, orders: int) -> float:
    """Bytes an order, filled in part and, with a policy, decided on."""
    gc.collect()
    tracemalloc.start()
    engine = Engine()
    of = Orders(engine.step)
    for _ in range(orders):
        ref = of.new(policy)
        of.fills(ref)
        if policy is not None:
            engine.step(question(ref, 1, 1), 1)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(engine.children) == orders
    return taken / orders


async def _disk(path: Path, policy: RemainderPolicy | None, orders: int, partials: int) -> float:
    """Bytes of the closed file a partial fill, less those of the orders."""
    sizes = []
    for count in (0, partials):
        where = path.with_suffix(f".{count}")
        async with Journal(where) as journal:
            of = Orders(journal.stage)
            refs = [of.new(policy) for _ in range(orders)]
            for event in range(1, count + 1):
                for ref in refs:
                    of.fills(ref)
                    if policy is not None:
                        journal.stage(question(ref, event, 1), 1)
                await journal.flush()
        sizes.append(where.stat().st_size)
    return (sizes[1] - sizes[0]) / (orders * partials)


def run(folder: str | None = None, rounds: int = ROUNDS) -> dict[str, Any]:
    """Every figure of decisions, the load of the machine among them."""
    with tempfile.TemporaryDirectory(prefix="partfill-bench-", dir=folder or os.getcwd()) as name:
        return {
            "load": round(os.getloadavg()[0], 2),
            "decide_us": decide_us(rounds),
            "step": steps(rounds),
            "at_once": asyncio.run(at_once(Path(name))),
            "state_bytes": state_bytes(Path(name)),
        }
