"""An audit names every total that is below what was heard, and decides nothing."""

from __future__ import annotations

import pytest

from partfill.model.events import AlarmKind
from partfill.model.words import ExecType
from tests.core.driven import D, Driven, execution, working


def audited(names: bool = True) -> Driven:
    desk = working(qty="30")
    desk.engine.names_low = names
    desk.feed(execution("E1", "20", as_of=desk.now))
    desk.feed(desk.report(ExecType.TRADE, "O1", cum_qty="20", as_of=desk.now))
    return desk


@pytest.mark.parametrize("kind", [None, ExecType.CANCELED, ExecType.ORDER_STATUS])
def test_each_statement_of_less_is_named_and_nothing_is_taken_back(kind: ExecType | None) -> None:
    desk = audited()
    for later in (1, 2):
        desk.feed(desk.report(kind, "O1", cum_qty="10", as_of=desk.now + later))
    said = "the venue says 10 filled after 20 had: was an execution taken back?"
    assert desk.alarms(AlarmKind.LOW) == [said, said]
    assert desk.child().cum == D(20)


def test_an_older_statement_that_comes_late_is_no_contradiction() -> None:
    desk = audited()
    desk.feed(desk.report(None, "O1", cum_qty="10", as_of=1))
    assert not desk.alarms(AlarmKind.LOW)


def test_where_a_venue_can_be_asked_it_is_asked_instead() -> None:
    desk = audited(names=False)
    desk.feed(desk.report(None, "O1", cum_qty="10", as_of=desk.now + 1))
    assert not desk.alarms(AlarmKind.LOW)
