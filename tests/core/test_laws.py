"""The laws: each catches the mistake that it is there for, none can be left out unnoticed, none is removed by `python -O`."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from partfill.core import desk as desk_module
from partfill.core import handling, laws, protection, shares
from partfill.core.remainder import Act, Verdict
from partfill.core.shares import at_worst, within
from partfill.model.commands import Protect
from partfill.model.events import AlarmKind
from partfill.model.operations import Place, Replace
from partfill.model.policy import Chase
from partfill.model.protection import Budget, Leg
from partfill.model.reports import ExecutionReport
from partfill.model.words import Request, Side
from tests.core.driven import PLAIN, TOTAL, VENUE, D, Driven
from tests.core.test_handling import decide, partly
from tests.core.test_protection import STOP, TARGET, Market


def broken(law: Any, *numbers: Any) -> str:
    with pytest.raises(laws.LawBroken) as caught:
        law(*numbers)
    return str(caught.value)


def test_each_law_names_its_numbers() -> None:
    laws.chase_cap("p", Side.BUY, D("101"), D("101"))
    laws.chase_cap("p", Side.SELL, D("99"), D("99"))
    laws.chase_cap("p", Side.SELL, D("1"), None)
    laws.budget("ACME", D(10), [D(0)], [D(10)])
    laws.budget("ACME", D(10), [D(12)], [D(12)])
    laws.journalled(4, 4)
    assert broken(laws.chase_cap, "p", Side.BUY, D("101.5"), D("101")) == "a chase to 101.5 is beyond the cap 101; p is halted"
    assert broken(laws.chase_cap, "p", Side.SELL, D("98"), D("99")) == "a chase to 98 is beyond the cap 99; p is halted"
    assert broken(laws.budget, "ACME", D(10), [D(0)], [D(11)]).startswith("11 could fill to protect 10 of ACME")
    assert broken(laws.journalled, 5, 4) == "input 5 would take effect, and only 4 are on disk"


# ---------------------------------------------------------------------- exposure


def too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planner that asks for one more than is left."""
    plan = desk_module.plan

    def greedy(parent: Any, now: int) -> Any:
        for step in plan(parent, now):
            yield step._replace(qty=step.qty + 1) if step.request is Request.PLACE else step

    monkeypatch.setattr(desk_module, "plan", greedy)


@pytest.mark.parametrize("law", [True, False])
def test_exposure_is_kept_when_the_planner_is_wrong(monkeypatch: pytest.MonkeyPatch, law: bool) -> None:
    too_large(monkeypatch)
    # It would notice by itself.
    monkeypatch.setattr(Driven, "check", lambda *of: None)
    desk = Driven(PLAIN)
    if not law:
        monkeypatch.setattr(laws, "exposure", lambda *numbers: None)
        assert [op.terms.order_qty for op in desk.submit("10") if type(op) is Place] == [11]
        return
    assert desk.submit("10") == []
    assert desk.alarms(AlarmKind.LAW) == ["11 could fill of 10 asked for; p is halted"]
    assert desk.engine.desk.parents[1].halted


# ---------------------------------------------------------------------- the cap of a chase


def too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decision that chases to any price."""
    found = handling.decide

    def eager(situation: Any) -> Verdict:
        verdict = found(situation)
        return Verdict(act=Act.CHASE, reasons=verdict.reasons, seen=verdict.seen, px=Decimal(999))

    monkeypatch.setattr(handling, "decide", eager)


@pytest.mark.parametrize("law", [True, False])
def test_a_chase_beyond_its_cap_never_leaves_and_is_never_reported_as_done(monkeypatch: pytest.MonkeyPatch, law: bool) -> None:
    desk = partly(Chase(max_ticks=3), TOTAL)
    desk.strict = False
    too_far(monkeypatch)
    if not law:
        monkeypatch.setattr(laws, "chase_cap", lambda *numbers: None)
        assert [op.price for op in decide(desk) if type(op) is Replace] == [999]
        return
    assert decide(desk) == []
    assert desk.alarms(AlarmKind.LAW) == ["a chase to 999 is beyond the cap 101.5; p is halted"]
    reports = [event for event in desk.events if type(event) is ExecutionReport]
    assert [report.carried_out for report in reports] == [False]
    assert desk.engine.desk.parents[1].halted
    assert desk.engine.desk.parents[1].price == 100


# ---------------------------------------------------------------------- the budget of protective orders


@pytest.mark.parametrize("law", [True, False])
def test_protective_orders_never_close_more_than_is_held(monkeypatch: pytest.MonkeyPatch, law: bool) -> None:
    def greedy(which: Any, held: Decimal, parts: list[Decimal], rules: Any) -> list[Decimal]:
        return [held * 2 for _ in parts]

    monkeypatch.setattr(protection, "within", greedy)
    assert shares.within is not greedy
    market = Market(PLAIN, STOP, TARGET)
    if not law:
        monkeypatch.setattr(laws, "budget", lambda *numbers: None)
        market.enters("100", "10")
        sent = [op for op in market.sent(Place) if op.terms.side is Side.SELL]
        assert sum(op.terms.order_qty or 0 for op in sent) > 10
        return
    with pytest.raises(AssertionError):
        market.enters("100", "10")
    assert not [op for op in market.sent(Place) if op.terms.side is Side.SELL]


# ---------------------------------------------------------------------- python -O

UNDER_O = """
from decimal import Decimal as D
from partfill.core import laws
from partfill.model.words import Side
assert False, "asserts are off here"
caught = 0
for law, numbers in ((laws.chase_cap, ("p", Side.BUY, D(2), D(1))), (laws.budget, ("A", D(1), [D(0)], [D(2)])),
                     (laws.journalled, (2, 1))):
    try:
        law(*numbers)
    except laws.LawBroken:
        caught += 1
print(caught)
"""


def test_no_law_is_removed_by_python_o() -> None:
    done = subprocess.run([sys.executable, "-O", "-c", UNDER_O], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr


def test_orders_that_leave_are_in_the_budget_until_they_are_gone() -> None:
    market = Market(PLAIN, STOP, budget=Budget.SHARED)
    market.enters("100", "100")
    other = Leg(name="other", stop_px=D(90))
    market.feed(Protect(venue=VENUE, instrument="ACME", side=Side.BUY, legs=(other,), budget=Budget.SHARED))
    (protection,) = market.engine.desk.protections.values()
    assert at_worst(protection, PLAIN) == [100]
    assert within(protection, D(100), [D(100)], PLAIN) == [0]
    market.answer()
    assert (at_worst(protection, PLAIN), protection.leaving) == ([100], [])
    assert market.works("other") == 100
