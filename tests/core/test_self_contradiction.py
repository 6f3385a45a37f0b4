"""Messages whose own numbers cannot all be true: what of them counts."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from partfill.core.engine import Engine
from partfill.journal.state import freeze, thaw
from partfill.model.capabilities import Capabilities, ReplaceQty
from partfill.model.events import AlarmKind, Fill
from partfill.model.operations import Query
from partfill.model.words import ExecType, Flag, OrdStatus
from tests.core.driven import SECOND, D, Driven, execution, working

PARTLY = OrdStatus.PARTIALLY_FILLED


def says(desk: Driven, cum: str, leaves: str | None, qty: str = "100", kind: ExecType | None = None, *,
         asked: bool | int = False, **also: Any) -> None:  # fmt: skip
    """One message of the venue, or its answer to a question of now."""
    desk.now += SECOND
    said: dict[str, Any] = {
        "asked": desk.now if asked is True else asked or None,
        "cum_qty": cum,
        "leaves_qty": leaves,
        "order_qty": qty,
        "ord_status": PARTLY,
        "as_of": desk.now,
    }
    desk.feed(desk.report(kind, **(said | also)))


def filled(desk: Driven) -> list[Any]:
    return [event.qty for event in desk.events if type(event) is Fill]


def test_cum_70_and_leaves_70_of_100_in_one_message() -> None:
    desk = working(qty="100", filled="30")
    says(desk, "70", "70")
    assert desk.child().cum == 30
    assert filled(desk) == [30]
    assert desk.child().flags & Flag.CONTRADICTION
    (said,) = desk.alarms(AlarmKind.CONTRADICTION)
    assert "70 filled and 70 at work of 100" in said
    desk.wait()
    assert desk.sent(Query)


@pytest.mark.parametrize(
    ("cum", "leaves", "qty"), [("70", "31", "100"), ("101", "0", "100"), ("101", None, "100"), ("0.01", "100", "100")]
)
@pytest.mark.parametrize("kind", [None, ExecType.TRADE, ExecType.NEW, ExecType.RESTATED, ExecType.TRADE_CANCEL])
def test_any_sum_above_the_quantity(cum: str, leaves: str | None, qty: str, kind: ExecType | None) -> None:
    desk = working(qty="100")
    says(desk, cum, leaves, qty, kind)
    assert desk.child().cum == 0
    assert len(desk.alarms(AlarmKind.CONTRADICTION)) == 1


@pytest.mark.parametrize(
    "also",
    [
        {"ord_status": OrdStatus.FILLED, "leaves": "0"}, {"ord_status": OrdStatus.CANCELED, "leaves": "0"},
        {"ord_status": OrdStatus.PENDING_REPLACE}, {"kind": ExecType.PENDING_REPLACE}, {"kind": ExecType.CANCELED},
        {"leaves": "30"}, {"cash_order_qty": D(1000)},
    ],
)  # fmt: skip
def test_what_is_no_contradiction_of_an_order_at_work(also: dict[str, Any]) -> None:
    desk = working(qty="100")
    kind, leaves = also.pop("kind", None), also.pop("leaves", "70")
    says(desk, "120" if leaves == "0" else "70", leaves, kind=kind, **also)
    assert desk.child().cum == (120 if leaves == "0" else 70)
    assert desk.alarms(AlarmKind.CONTRADICTION) == []


def test_a_replace_to_what_is_to_be_open_prints_that() -> None:
    desk = working(Capabilities(replace_qty=ReplaceQty.OPEN), qty="100", filled="70")
    says(desk, "70", "50", "50", ExecType.REPLACED)
    assert desk.child().order_qty == 120
    assert desk.alarms(AlarmKind.CONTRADICTION) == []


def test_executions_of_such_a_message_count() -> None:
    desk = working(qty="100")
    says(desk, "70", "70", kind=ExecType.TRADE, executions=(execution("e1", "40"),))
    assert desk.child().cum == 40
    assert filled(desk) == [40]
    assert desk.child().flags & Flag.CONTRADICTION


def test_the_second_answer_with_the_same_numbers_counts_and_no_stream_does() -> None:
    desk = working(qty="100", filled="30")
    for _ in range(4):
        says(desk, "70", "70")
    assert desk.child().cum == 30
    says(desk, "70", "70", asked=True)
    assert desk.child().cum == 30
    says(desk, "70", "71", asked=True)
    assert desk.child().cum == 30
    says(desk, "70", "71", asked=True)
    assert desk.child().cum == 70
    assert desk.child().flags & Flag.CONTRADICTION
    assert len(desk.alarms(AlarmKind.CONTRADICTION)) == 1


def test_the_same_answer_twice_is_one_answer() -> None:
    desk = working(qty="100", filled="30")
    says(desk, "70", "70", asked=True)
    asked = desk.child().odd[0]  # type: ignore[index]
    for _ in range(3):
        says(desk, "70", "70", asked=asked, as_of=asked)
    assert desk.child().cum == 30


def test_an_answer_that_is_sound_counts_at_once() -> None:
    desk = working(qty="100", filled="30")
    says(desk, "70", "70", asked=True)
    says(desk, "70", "30", asked=True)
    assert desk.child().cum == 70


def test_the_order_of_arrival_does_not_matter() -> None:
    desk = working(qty="100")
    messages = [
        desk.report(None, cum_qty="70", leaves_qty="70", order_qty="100", ord_status=PARTLY, as_of=desk.now),
        desk.report(ExecType.TRADE, cum_qty="40", leaves_qty="60", order_qty="100", as_of=desk.now + 1),
        execution("e1", "20", as_of=desk.now + 2),
        desk.report(None, cum_qty="101", leaves_qty="0", order_qty="100", ord_status=PARTLY, as_of=desk.now + 3),
    ]
    found = set()
    for order in itertools.permutations(messages):
        engine = Engine()
        for inp, now in desk.log:
            engine.step(inp, now)
        for message in order:
            engine.step(message, desk.now + SECOND)
        child = engine.children[1]
        found.add((child.cum, child.leaves, child.flags & Flag.CONTRADICTION))
    assert found == {(D(40), D(60), int(Flag.CONTRADICTION))}


def test_after_a_restart_the_second_answer_is_the_second() -> None:
    desk = working(qty="100", filled="30")
    says(desk, "70", "70", asked=True)
    child = desk.child()
    rows = [(0, key, packed) for key, packed in child.ledger.rows.items()]
    back, _ = thaw(freeze(child), rows, {child.venue: child.rules})
    assert back.odd == child.odd is not None
    assert freeze(back) == freeze(child)
