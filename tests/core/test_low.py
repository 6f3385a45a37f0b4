"""An audit names every total that is below what was heard, and decides nothing."""

from __future__ import annotations

import pytest

from partfill.core.low import low
from partfill.model.words import ExecType
from tests.core.driven import D, Driven, execution, working

SAID = "the venue says 10 filled after 20 had: was an execution taken back?"


def audited() -> Driven:
    desk = working(qty="30")
    desk.feed(execution("E1", "20", as_of=desk.now))
    desk.feed(desk.report(ExecType.TRADE, "O1", cum_qty="20", as_of=desk.now))
    return desk


@pytest.mark.parametrize("kind", [None, ExecType.CANCELED, ExecType.ORDER_STATUS])
def test_each_statement_of_less_is_named_and_nothing_is_taken_back(kind: ExecType | None) -> None:
    desk = audited()
    for later in (1, 2):
        said = desk.report(kind, "O1", cum_qty="10", as_of=desk.now + later)
        effects = desk.feed(said)
        assert effects.ledger is not None
        assert low(effects.ledger, said, desk.now) == SAID
    assert desk.child().cum == D(20)


def test_an_older_statement_that_comes_late_is_no_contradiction() -> None:
    desk = audited()
    effects = desk.feed(desk.report(None, "O1", cum_qty="10", as_of=1))
    assert effects.ledger is not None
    assert low(effects.ledger, desk.report(None, "O1", cum_qty="10", as_of=1), 1) is None
