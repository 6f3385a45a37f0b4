"""What subscribers hear of a fill beyond the quantity."""

from __future__ import annotations

from partfill.model.events import AlarmKind, Confirmation, Fill, Repriced, Reversal
from partfill.model.words import ExecType, ExecutionState, OrdStatus
from tests.core.driven import D
from tests.core.evidence import CLIENT, Desk, charge, correct, fill, placed, poll, report, void


def test_an_order_that_is_complete_and_fills_once_more_is_alarmed_once() -> None:
    desk = Desk(None, placed("10"), fill("x", "10"))
    assert desk.alarms(AlarmKind.OVERFILL) == []
    desk.hear(fill("y", "2"))
    assert desk.alarms(AlarmKind.OVERFILL) == ["12 filled of 10 ordered: 2 too much"]
    desk.hear(fill("z", "1"))
    assert (desk.child.overfill_qty, len(desk.alarms(AlarmKind.OVERFILL))) == (3, 1)


def test_how_sure_the_venue_is_of_an_execution_is_kept_where_that_is_all_it_says_besides() -> None:
    desk = Desk(None, placed("2"), fill("x", "1", state=ExecutionState.PROVISIONAL))
    assert [row.state for _, row in desk.child.ledger.live()] == ["p"]


def test_a_charge_in_the_currency_of_a_known_fee_is_added_to_it() -> None:
    desk = Desk(None, placed("2"), fill("x", "1", fee="0.1"), charge("c", "0.2", "x"))
    ((_, row),) = desk.child.ledger.live()
    assert (row.fee, row.fee_currency, desk.child.ledger.fees) == (D("0.3"), "USD", {"USD": D("0.3")})
    desk.hear(charge("d", "1", "x", "EUR"))
    ((_, row),) = desk.child.ledger.live()
    assert (row.fee, row.fee_currency) == (D("0.3"), "USD")
    assert desk.child.ledger.fees == {"USD": D("0.3"), "EUR": D(1)}


def test_a_leg_is_written_once() -> None:
    desk = Desk(None, placed("2"))
    assert len(desk.hear(fill("x", "1", leg="front")).rows) == 1
    again = desk.hear(fill("x", "1", leg="front"))
    assert (again.duplicate, again.rows, desk.engine.counters.duplicates) == (True, [], 1)
    desk.hear(fill("x", "2", leg="front"))
    assert len(desk.alarms(AlarmKind.KEY_CONFLICT)) == 1


def test_a_charge_that_came_first_is_added_to_the_fee_that_its_execution_brings() -> None:
    desk = Desk(None, placed("2"), charge("c", "0.1", "x"), fill("x", "1", fee="0.2"))
    ledger = desk.child.ledger
    ((_, row),) = ledger.live()
    assert (row.fee, ledger.fees, ledger.fee_unknown) == (D("0.3"), {"USD": D("0.3")}, 0)


def test_a_charge_that_came_before_a_correction_and_its_execution_is_its_fee_until_it_is_void() -> None:
    desk = Desk(None, placed("20"), charge("c", "0.1", "x"), correct("x", "8", new_key="y"), fill("x", "10"))
    ledger = desk.child.ledger
    ((_, row),) = ledger.live()
    assert (row.qty, row.fee, ledger.fees) == (8, D("0.1"), {"USD": D("0.1")})
    desk.hear(void("x"))
    assert not any((ledger.fees or {}).values())


def test_an_execution_is_counted_and_written_once() -> None:
    desk = Desk(None, placed("2"))
    effects = desk.hear(fill("x", "1", venue_time=7))
    assert effects.rows == [(desk.child.ledger, "x", 7, None)]
    assert desk.hear(fill("x", "1", venue_time=7)).rows == []
    assert (desk.engine.counters.executions, desk.engine.counters.duplicates) == (1, 1)


def test_what_came_before_its_execution_is_one_execution() -> None:
    desk = Desk(None, placed("20"), correct("x", "8", new_key="y"), fill("x", "10"), void("v"), fill("v", "2"))
    assert (desk.child.cum, desk.engine.counters.executions) == (8, 2)


def test_a_charge_that_comes_again_is_a_repeat() -> None:
    desk = Desk(None, placed("2"), fill("x", "1"), charge("c", "0.2", "x"))
    again = desk.hear(charge("c", "0.2", "x"))
    assert (again.duplicate, desk.engine.counters.duplicates) == (True, 1)


def test_a_leg_that_came_before_its_order_is_no_fill_of_it() -> None:
    desk = Desk(None, placed("2", order_id=None), fill("x", "1", leg="front"))
    desk.hear(report(ExecType.NEW, cl_ord_id=CLIENT, qty="2"))
    assert (desk.child.cum, desk.heard(Fill), desk.heard(Confirmation)) == (0, [], [])


def test_a_correction_of_quantity_and_price_is_told_once() -> None:
    desk = Desk(None, placed("20"), fill("x", "10"), correct("x", "8", "99"))
    assert (len(desk.heard(Reversal)), desk.heard(Repriced)) == (1, [])


def test_an_order_sized_in_cash_is_complete_once_the_price_of_what_was_claimed_is_known() -> None:
    desk = Desk(None, placed(None, cash="100"), poll("2"))
    assert desk.child.open_at_venue
    desk.hear(fill("x", "2", "50"))
    assert (desk.child.cum, desk.child.open_at_venue, desk.child.status) == (2, False, OrdStatus.FILLED)
