"""What subscribers hear when evidence that came under another id turns out to be of an order of ours."""

from __future__ import annotations

from decimal import Decimal

from partfill.core.effects import Effects
from partfill.model.events import AlarmKind, Confirmation, Fill, Reversal
from partfill.model.inputs import Input
from partfill.model.words import ExecType, OrdStatus
from tests.core.evidence import CLIENT, Desk, correct, fill, placed, poll, report, void

D = Decimal
UNNAMED = placed("10", order_id=None)
"""Our order, before anybody knows the venue's id."""
OURS = {"order_id": None, "cl_ord_id": CLIENT}
"""What is said under our id alone."""


def joined(*said: Input) -> tuple[Desk, Effects]:
    """A desk that has heard all of this, and then the venue's first word that names both ids."""
    desk = Desk(None, UNNAMED, *said)
    desk.events.clear()
    return desk, desk.hear(report(ExecType.NEW, cl_ord_id=CLIENT, qty="10"))


def told(desk: Desk) -> tuple[list[tuple[str | None, Decimal]], list[tuple[str | None, Decimal]]]:
    """(key, quantity) of the fills and of the confirmations."""
    assert desk.heard(Reversal) == []
    fills, confirmed = ([(e.key, e.qty) for e in desk.heard(kind)] for kind in (Fill, Confirmation))
    return fills, confirmed


def test_executions_that_nobody_had_heard_of_are_fills() -> None:
    desk, _ = joined(fill("x", "4"), fill("y", "3"))
    assert told(desk) == ([("x", 4), ("y", 3)], [])


def test_what_a_claim_states_beyond_them_is_a_fill_at_its_price() -> None:
    desk, _ = joined(fill("x", "4", "100"), poll("6", "102"))
    assert told(desk) == ([("x", 4), (None, 2)], [])
    assert [e.px for e in desk.heard(Fill)] == [100, 106]


def test_what_a_claim_under_our_id_had_published_is_confirmed() -> None:
    desk, _ = joined(poll("6", "100", **OURS), fill("x", "4"))
    assert told(desk) == ([], [("x", 4)])


def test_what_a_claim_had_published_in_part_is_a_confirmation_and_a_fill() -> None:
    desk, _ = joined(poll("3", "100", **OURS), fill("x", "4"))
    assert told(desk) == ([("x", 1)], [("x", 3)])
    (event,) = desk.heard(Fill)
    assert (event.cum_qty, event.leaves_qty) == (4, 6)


def test_what_was_published_under_our_id_is_not_published_again() -> None:
    desk, _ = joined(fill("x", "4", **OURS), fill("x", "4"), fill("y", "2"))
    assert told(desk) == ([("y", 2)], [])
    assert desk.child.cum == 6


def test_what_is_void_or_a_leg_is_neither() -> None:
    desk, _ = joined(fill("x", "4"), void("x"), void("lost"), fill("y", "3", leg="front"), fill("z", "1"))
    assert told(desk) == ([("z", 1)], [])
    assert desk.child.cum == 1


def test_a_correction_that_was_taken_for_an_execution_is_neither() -> None:
    desk, _ = joined(fill("y", "3"), fill("x", "4", **OURS), correct("x", "3", new_key="y", **OURS))
    assert told(desk)[0] == []
    assert (desk.child.cum, desk.child.ledger.count) == (3, 1)


def test_the_fill_that_completes_it_says_that_it_is_complete() -> None:
    desk, _ = joined(fill("x", "10"))
    (event,) = desk.heard(Fill)
    assert (event.cum_qty, event.leaves_qty, event.ord_status) == (10, 0, OrdStatus.FILLED)


def test_an_overfill_that_is_seen_then_is_alarmed_and_one_that_was_is_not() -> None:
    desk, _ = joined(fill("x", "12"))
    assert desk.alarms(AlarmKind.OVERFILL) == ["12 filled of 10 ordered: 2 too much"]
    desk, _ = joined(fill("x", "10"))
    assert desk.alarms(AlarmKind.OVERFILL) == []
    desk, _ = joined(fill("w", "11", **OURS), fill("x", "2"))
    assert (desk.child.overfill_qty, desk.alarms(AlarmKind.OVERFILL)) == (3, [])
    desk, _ = joined(fill("w", "6", **OURS), fill("x", "5"))
    assert desk.alarms(AlarmKind.OVERFILL) == ["11 filled of 10 ordered: 1 too much"]


def test_without_a_quantity_of_ours_nothing_is_too_much() -> None:
    desk = Desk(None, placed(None, cash="1000", order_id=None), fill("x", "4"))
    desk.hear(report(ExecType.NEW, cl_ord_id=CLIENT))
    assert (desk.child.cum, desk.alarms(AlarmKind.OVERFILL)) == (4, [])


def test_a_void_that_came_under_the_other_id_takes_back_what_a_claim_under_ours_had_published() -> None:
    desk, effects = joined(poll("6", "100", as_of=10, **OURS), fill("x", "4", as_of=5), void("x", as_of=20))
    (event,) = desk.heard(Reversal)
    assert (event.qty, event.cum_qty, event.leaves_qty, effects.published) == (4, 2, 4, -4)
    assert desk.heard(Fill, Confirmation) == []


def test_what_comes_beside_such_a_void_is_confirmed_and_not_filled() -> None:
    said = (poll("6", "100", as_of=10, **OURS), fill("x", "4", as_of=5), fill("y", "1", as_of=6), void("x", as_of=20))
    desk, _ = joined(*said)
    assert [e.qty for e in desk.heard(Reversal)] == [4]
    assert (desk.heard(Fill), [(e.key, e.qty) for e in desk.heard(Confirmation)]) == ([], [("y", 1)])
