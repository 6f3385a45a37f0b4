"""Budgets and breakers, by a clock of the test's own."""

from __future__ import annotations

import time

import pytest

from partfill.runtime.limits import BREAK_S, FAILURES, REFUSALS, Breaker, Budget


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def spend(budget: Budget, *, cancel: bool = False) -> int:
    """How many requests leave now."""
    count = 0
    while budget.wait(cancel=cancel) == 0.0:
        count += 1
        assert count < 10_000
    return count


def test_orders_leave_the_reserve_to_cancels() -> None:
    budget = Budget(10, Clock(), reserve=3)
    assert spend(budget) == 7
    assert spend(budget, cancel=True) == 3


def test_cancels_may_use_everything() -> None:
    budget = Budget(10, Clock(), reserve=3)
    assert spend(budget, cancel=True) == 10
    assert spend(budget) == 0


def test_every_budget_has_a_reserve_and_room_for_orders() -> None:
    for per_second in (2, 5, 50, 500):
        budget = Budget(per_second, Clock())
        orders = spend(budget)
        assert orders >= 1
        assert spend(budget, cancel=True) >= 1
    single = Budget(1, Clock())
    assert single.wait(cancel=False) == 0.0


@pytest.mark.parametrize("cancel", [True, False])
def test_the_wait_it_names_is_enough_and_not_too_long(cancel: bool) -> None:
    clock = Clock()
    budget = Budget(10, clock, reserve=3)
    spend(budget, cancel=True)
    wait = budget.wait(cancel=cancel)
    assert wait > 0
    clock.now += wait / 2
    assert budget.wait(cancel=cancel) > 0
    clock.now += wait / 2 + 1e-6
    assert budget.wait(cancel=cancel) == 0.0


def test_it_fills_evenly_and_never_above_a_second() -> None:
    clock = Clock()
    budget = Budget(10, clock, reserve=0)
    spend(budget)
    clock.now += 0.55
    assert spend(budget) == 5
    clock.now += 3600
    assert spend(budget) == 10


def test_too_many_pauses_everything_but_cancels() -> None:
    clock = Clock()
    budget = Budget(10, clock, reserve=3)
    budget.pause(5)
    budget.pause(1)
    assert budget.wait(cancel=False) == 5
    assert spend(budget, cancel=True) == 10
    clock.now += 4.9
    assert spend(budget) == 0
    clock.now += 0.2
    assert spend(budget) == 7


async def test_taking_waits_for_its_turn() -> None:
    budget = Budget(1000, time.monotonic, reserve=0)
    for _ in range(1005):
        await budget.take(cancel=False)


def test_a_breaker_opens_after_failures_in_a_row_and_closes_with_time() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES - 1):
        breaker.failed("timeout")
    breaker.answered()
    for _ in range(FAILURES - 1):
        breaker.failed("timeout")
    assert not breaker.open
    breaker.failed("timeout")
    assert breaker.open
    assert "timeout" in breaker.reason
    clock.now += BREAK_S
    assert not breaker.open
    for _ in range(FAILURES - 1):
        breaker.failed("timeout")
    assert not breaker.open, "it begins to count anew"


def test_identical_refusals_open_it_and_name_the_instrument() -> None:
    breaker = Breaker(Clock())
    for _ in range(REFUSALS):
        assert not breaker.open
        breaker.refused("ACME", "margin")
    assert breaker.open
    assert "ACME" in breaker.reason


@pytest.mark.parametrize("between", ["accepted", "reason"])
def test_refusals_that_are_not_the_same_do_not_add_up(between: str) -> None:
    breaker = Breaker(Clock())
    for _ in range(3):
        for _ in range(REFUSALS - 1):
            breaker.refused("ACME", "margin")
        if between == "accepted":
            breaker.accepted("ACME")
        else:
            breaker.refused("ACME", "size")
    assert not breaker.open


def test_each_instrument_has_refusals_of_its_own() -> None:
    breaker = Breaker(Clock())
    for _ in range(REFUSALS):
        breaker.refused("ACME", "margin")
        breaker.refused("OTHER", "size")
        breaker.accepted("THIRD")
    assert breaker.open
