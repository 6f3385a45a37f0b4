"""The benchmark of decisions measures what it says: real decisions, each of them once, none shed. No times are judged."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from types import FrameType

import pytest

from partfill.core.engine import Engine
from partfill.journal.verify import verify
from partfill.model.policy import CancelRest, Chase, Hold, RemainderPolicy
from partfill.runtime.bench.at_once import at_once
from partfill.runtime.bench.decisions import Orders, after_us, decide_us, question, state_bytes, step_us, steps


async def test_fifty_fills_at_once_are_all_decided_on_with_the_market_in_view(tmp_path: Path) -> None:
    figures = await at_once(tmp_path, rounds=3, orders=50)
    counts = {name: figures[name] for name in ("orders", "rounds", "decisions", "shed", "blind")}
    assert counts == {"orders": 50, "rounds": 3, "decisions": 150, "shed": 0, "blind": 0}
    assert figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"] <= figures["whole_round_max_ms"]
    proof = verify(tmp_path / "decisions.db")
    assert proof.problems == []
    # And one for each order that the kill switch took off at the end.
    assert proof.rows["decisions"] == 150 + 50


def test_every_step_that_is_timed_is_a_decision_with_its_report() -> None:
    for policy in (Hold(), CancelRest(), Chase(3)):
        times, made = step_us(policy, 5, rounds=2, group=7)
        assert made == 14
        assert 0 < times["min"] <= times["median"] <= times["max"]


def test_decisions_after_many_partial_fills_are_decisions_too() -> None:
    assert after_us(9, rounds=3, orders_of=4)[1] == 12


def test_every_policy_is_measured_alone_and_in_the_engine() -> None:
    policies = {"hold", "cancel", "chase", "dust"}
    assert set(decide_us(1, 2)) == policies
    assert set(steps(1, 2)) > {f"us_{name}" for name in policies}


def test_a_remainder_and_its_decisions_take_room_in_memory_and_in_the_journal(tmp_path: Path) -> None:
    figures = state_bytes(tmp_path, orders=200, partials=3)
    assert set(figures) == {"memory_per_partly_filled_order", "journal_per_decision", "journal_per_partial_fill"}
    assert all(value > 0 for value in figures.values())


def calls_of_a_decision(policy: RemainderPolicy, *, live: int, partials: int) -> int:
    """Functions that run for one decision, Python's own included."""
    engine = Engine()
    orders = Orders(engine.step)
    for _ in range(live):
        orders.fills(orders.new(Hold()))
    ref = orders.new(Hold() if partials > 1 else policy)
    for event in range(1, partials):
        orders.fills(ref)
        engine.step(question(ref, event, 1), 1)
    orders.fills(ref)
    asked = question(ref, partials, 1)
    count = 0

    def counted(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    # A collection in between would run callbacks of whoever asked for them.
    gc.disable()
    sys.setprofile(counted)
    try:
        effects = engine.step(asked, 1)
    finally:
        sys.setprofile(None)
        gc.enable()
    assert len(effects.events) == 1
    return count


@pytest.mark.parametrize("policy", [Hold(), CancelRest(), Chase(3)])
def test_a_decision_is_as_much_work_beside_many_orders_as_alone(policy: RemainderPolicy) -> None:
    assert calls_of_a_decision(policy, live=0, partials=1) == calls_of_a_decision(policy, live=300, partials=1)


def test_a_decision_is_as_much_work_after_many_partial_fills_as_after_two() -> None:
    # The first one fixes the cap of all chases.
    assert calls_of_a_decision(Hold(), live=1, partials=2) == calls_of_a_decision(Hold(), live=1, partials=300)
