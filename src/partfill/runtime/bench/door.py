"""Cost of the door in front of the engine: one execution checked to the bottom, beside the JSON that it is kept as anyway.

Microseconds per execution as an adapter gives it, wall time in one thread, the best of several rounds. `added_us` is what the
door costs: with it less without it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from time import perf_counter_ns
from typing import Any

from partfill.model.admit import admit
from partfill.model.codec import to_json
from partfill.model.observations import Execution

ROUNDS = 20
EXECUTIONS = 5_000
_NOW = 1_750_000_000_000_000_000


def _execution(number: int) -> Execution:
    return Execution(
        venue="bench", account="main", order_id="order-000000000012", key=f"key-{number}", qty=Decimal("0.35"),
        px=Decimal("1999.5"), fee=Decimal("0.0125"), fee_currency="USD", as_of=_NOW + number, venue_time=_NOW + number,
    )  # fmt: skip


def _us(act: Callable[[Execution], Any], inputs: list[Execution]) -> float:
    best = 1e9
    for _ in range(ROUNDS):
        began = perf_counter_ns()
        for inp in inputs:
            act(inp)
        best = min(best, (perf_counter_ns() - began) / len(inputs) / 1_000)
    return best


def run() -> dict[str, Any]:
    """The figures of the door."""
    inputs = [_execution(number) for number in range(EXECUTIONS)]
    before, after = _us(to_json, inputs), _us(lambda inp: admit(inp, _NOW), inputs)
    return {"json_only_us": round(before, 3), "admitted_us": round(after, 3), "added_us": round(after - before, 3)}
