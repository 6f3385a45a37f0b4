"""What subscribers hear of a fill beyond the quantity."""

from __future__ import annotations

from partfill.model.capabilities import Capabilities
from partfill.model.events import AlarmKind, Confirmation, Fill, Repriced, Reversal
from partfill.model.inputs import DayRolled
from partfill.model.words import ExecType, ExecutionState, Flag, OrdStatus
from tests.core.driven import D
from tests.core.evidence import CLIENT, VENUE, Desk, charge, correct, fill, placed, poll, report, void


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


# ---------------------------------------------------------------------- what is counted, marked and written


def test_a_plain_fill_is_a_fill_and_nothing_else() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"))
    assert [(e.qty, e.px, e.key, e.approximate) for e in desk.heard(Fill)] == [(4, 100, "x", False)]
    assert (desk.heard(Confirmation), desk.heard(Reversal), desk.heard(Repriced)) == ([], [], [])


def test_what_a_correction_adds_is_a_fill_of_its_execution_at_the_new_price() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), correct("x", "6", "99"))
    assert [(e.qty, e.px, e.key) for e in desk.heard(Fill)] == [(4, 100, "x"), (2, 99, "x")]
    assert (desk.heard(Confirmation), desk.heard(Reversal), desk.heard(Repriced)) == ([], [], [])


def test_a_void_is_counted_and_written_once() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"))
    effects = desk.hear(void("x", venue_time=7))
    assert effects.rows == [(desk.child.ledger, "x", 7, None)]
    again = desk.hear(void("x", venue_time=7))
    assert (again.rows, again.duplicate) == ([], True)
    assert (desk.engine.counters.voids, desk.engine.counters.duplicates) == (1, 1)


def test_a_charge_writes_the_row_of_its_execution_and_one_of_the_order_writes_none() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"))
    assert desk.hear(charge("c", "0.2", "x")).rows == [(desk.child.ledger, "x", None, None)]
    assert desk.hear(charge("d", "0.1")).rows == []


def test_what_a_repeat_adds_is_written_and_is_no_correction() -> None:
    desk = Desk(None, placed("10"), fill("x", "4", None))
    effects = desk.hear(fill("x", "4", "99", venue_time=7))
    assert effects.rows == [(desk.child.ledger, "x", 7, None)]
    assert not desk.child.flags & Flag.REVISED
    assert desk.engine.counters.executions == 1
    assert [(e.key, e.px) for e in desk.heard(Repriced)] == [("x", 99)]


def test_an_execution_that_comes_after_its_void_is_counted_then() -> None:
    desk = Desk(None, placed("10"), void("x"))
    assert desk.engine.counters.executions == 0
    desk.hear(fill("x", "4"))
    assert (desk.engine.counters.executions, desk.child.cum) == (1, 0)


def test_an_execution_that_comes_after_its_correction_is_counted_with_that() -> None:
    desk = Desk(None, placed("10"), correct("x", "3", new_key="y"))
    assert desk.engine.counters.executions == 1
    desk.hear(fill("x", "4"))
    assert (desk.engine.counters.executions, desk.child.cum) == (1, 3)


def test_a_leg_with_two_contents_is_marked() -> None:
    desk = Desk(None, placed("2"), fill("x", "1", leg="front"))
    assert not desk.child.flags & Flag.KEY_CONFLICT
    desk.hear(fill("x", "2", leg="front"))
    assert desk.child.flags & Flag.KEY_CONFLICT


# ---------------------------------------------------------------------- moments and numbers that are not told


def test_a_void_without_a_moment_is_of_now_and_takes_from_what_was_claimed() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), poll("4", "100", as_of=10), void("x"))
    assert (desk.child.cum, desk.child.ledger.claimed) == (0, 0)


def test_where_a_key_revises_what_came_later_without_a_moment_counts() -> None:
    desk = Desk(Capabilities(key_revises=True), placed("10"), fill("x", "4"), fill("x", "3"))
    assert (desk.child.cum, desk.child.flags & Flag.REVISED != 0) == (3, True)


def test_a_correction_without_a_number_is_below_one_that_has_one() -> None:
    desk = Desk(None, placed("20"), fill("x", "10", as_of=10))
    desk.hear(correct("x", "7", revision=1, as_of=20), correct("x", "8", as_of=30))
    assert desk.child.cum == 7


# ---------------------------------------------------------------------- prices


def test_an_execution_without_a_price_is_published_without_one_though_a_claim_has_an_average() -> None:
    desk = Desk(None, placed("10"), poll("2", "100"), fill("x", "5", None))
    assert [(e.qty, e.px, e.key) for e in desk.heard(Fill)] == [(2, 100, None), (3, None, "x")]


def test_an_order_that_is_complete_without_a_price_is_alarmed_once() -> None:
    for said in ((fill("x", "4", None), fill("y", "6")), (fill("x", "4"), fill("y", "6", None)), (poll("10"),)):
        desk = Desk(None, placed("10"), *said[:-1])
        assert desk.alarms(AlarmKind.UNPRICED) == []
        desk.hear(said[-1])
        assert desk.alarms(AlarmKind.UNPRICED) == ["10 filled and the venue gave no price"]
        desk.hear(fill("z", "1", None))
        assert len(desk.alarms(AlarmKind.UNPRICED)) == 1
    desk = Desk(None, placed("10"), fill("x", "4"), fill("y", "6"))
    assert desk.alarms(AlarmKind.UNPRICED) == []


def test_a_correction_that_says_the_same_reprices_nothing() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), correct("x", "4", new_key="y"))
    assert desk.heard(Repriced) == []
    desk.hear(correct("y", "4", "99", new_key="z"))
    assert [(e.key, e.px) for e in desk.heard(Repriced)] == [("x", 99)]


def test_a_correction_to_nothing_that_a_claim_covers_reprices_nothing() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), poll("4", "100", as_of=2_000_000))
    desk.hear(correct("x", "0", "99", as_of=1_000_500))
    assert (desk.child.cum, desk.heard(Repriced), desk.heard(Reversal)) == (4, [], [])


# ---------------------------------------------------------------------- orders that nobody placed yet


def test_of_an_unknown_order_nothing_is_published_and_its_executions_are_alarmed() -> None:
    desk = Desk(None, poll("5", "100", as_of=10))
    assert desk.alarms(AlarmKind.PARKED) == []
    desk.hear(fill("x", "4", as_of=11), fill("y", "3", as_of=12), correct("y", "3", "99", as_of=13), void("x", as_of=14))
    assert desk.alarms(AlarmKind.PARKED) == ["execution y of 2 for an unknown order"]
    assert desk.heard(Fill, Confirmation, Reversal, Repriced) == []
    assert desk.engine.counters.parked == 1


# ---------------------------------------------------------------------- the trading day


def test_only_what_changes_today_changes_the_day() -> None:
    desk = Desk(None, placed("100"), fill("x", "20"), fill("w", "5"), DayRolled(venue=VENUE), fill("y", "8"))
    assert desk.child.day_cum_qty == 8
    desk.hear(correct("y", "6"))
    assert desk.child.day_cum_qty == 6
    desk.hear(correct("x", "10", as_of=2_000_000))
    assert desk.child.day_cum_qty == 6
    desk.hear(correct("x", "13", as_of=3_000_000))
    assert (desk.child.cum, desk.child.day_cum_qty) == (24, 9)
    desk.hear(void("w"))
    assert (desk.child.cum, desk.child.day_cum_qty) == (19, 9)
    desk.hear(void("y"))
    assert (desk.child.cum, desk.child.day_cum_qty) == (13, 3)


def test_what_is_taken_of_today_is_never_more_than_filled_today() -> None:
    desk = Desk(None, placed("100"), fill("x", "20"), DayRolled(venue=VENUE), correct("x", "23", as_of=2_000_000))
    assert desk.child.day_cum_qty == 3
    desk.hear(fill("y", "4"), correct("y", "1"))
    assert desk.child.day_cum_qty == 4


def test_a_void_of_what_never_came_leaves_the_day_alone() -> None:
    desk = Desk(None, placed("100"), DayRolled(venue=VENUE), fill("y", "8"), void("lost"), void("y"))
    assert (desk.child.cum, desk.child.day_cum_qty) == (0, 0)


def test_a_void_of_what_came_as_a_correction_alone_is_of_its_day() -> None:
    desk = Desk(None, placed("100"), DayRolled(venue=VENUE), correct("x", "8", new_key="y"))
    assert (desk.child.cum, desk.child.day_cum_qty) == (8, 8)
    desk.hear(void("y"))
    assert (desk.child.cum, desk.child.day_cum_qty) == (0, 0)
