"""What filled, exactly: the rules of the ledger, one by one. `test_ledger_properties` has them all together."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from partfill.core.claims import admit, best
from partfill.core.engine import Engine
from partfill.core.invariants import check_whole
from partfill.core.rows import Row, pack, pack_plain, unpack
from partfill.model.capabilities import Capabilities, Cumulative
from partfill.model.events import AlarmKind, Confirmation, Fill, Repriced, Reversal
from partfill.model.numbers import ratio
from partfill.model.observations import OrderSnapshot
from partfill.model.words import ExecType, ExecutionState, Flag, OrdStatus, Side
from tests.core.evidence import CLIENT, ORDER, VENUE, Desk, charge, correct, fill, placed, poll, report, view, void

D = Decimal

# ---------------------------------------------------------------------- claims and executions are joined, never added


def test_a_claim_alone_is_provisional_and_priced_from_its_average() -> None:
    desk = Desk(None, placed("1"), poll("0.6", "1998.6"))
    (event,) = desk.heard(Fill)
    assert (event.qty, event.px, event.key, event.approximate) == (D("0.6"), D("1998.6"), None, True)
    assert (desk.child.cum, desk.child.provisional_qty) == (D("0.6"), D("0.6"))
    assert desk.child.average() == (D("1998.6"), True)
    assert desk.child.all_flags() & Flag.PROVISIONAL
    assert desk.child.all_flags() & Flag.APPROXIMATE


def test_the_price_of_provisional_quantity_is_what_the_average_leaves_for_it() -> None:
    desk = Desk(None, placed("10"), fill("x", "4", "100"), poll("10", "106"))
    assert desk.child.ledger.provisional_px() == D(110)
    assert desk.child.average() == (D(106), True)


def test_a_claim_without_average_leaves_the_quantity_unpriced() -> None:
    desk = Desk(None, placed("1"), poll("0.6"))
    assert (desk.child.cum, desk.child.avg_px) == (D("0.6"), None)
    assert desk.child.all_flags() & Flag.UNPRICED


def test_an_execution_confirms_what_a_claim_had_published() -> None:
    desk = Desk(None, placed("1"), poll("0.6", "1998.6"), fill("x", "0.35", "1999"))
    assert len(desk.heard(Fill)) == 1
    (event,) = desk.heard(Confirmation)
    assert (event.qty, event.px, event.key, event.cum_qty) == (D("0.35"), D(1999), "x", D("0.6"))


def test_an_execution_larger_than_the_rest_is_part_confirmation_part_fill() -> None:
    desk = Desk(None, placed("1"), poll("0.6", "100"), fill("x", "0.8"))
    assert [(e.qty, e.key) for e in desk.heard(Fill)] == [(D("0.6"), None), (D("0.2"), "x")]
    assert [(e.qty, e.key) for e in desk.heard(Confirmation)] == [(D("0.6"), "x")]


@pytest.mark.parametrize("at", [0, 1, 2], ids=["claim first", "claim between", "claim last"])
def test_a_reply_counts_once_with_its_executions_whenever_it_comes(at: int) -> None:
    said = [fill("1", "0.35", "1999"), fill("2", "0.25", "1998")]
    said.insert(at, poll("0.6", "1998.5833333333"))  # type: ignore[arg-type]
    desk = Desk(None, placed("1"), *said)
    assert (desk.child.cum, desk.child.provisional_qty) == (D("0.6"), 0)
    assert desk.child.average() == (ratio(D("1199.15"), D("0.6")), False)


def test_a_claim_below_the_executions_changes_nothing_and_asks() -> None:
    desk = Desk(None, placed("1"), fill("x", "0.6"))
    effects = desk.hear(poll("0.4", "100"))
    assert (desk.child.cum, effects.events, effects.query) == (D("0.6"), [], True)


def test_a_cumulative_number_that_is_a_hint_only_makes_us_ask() -> None:
    desk = Desk(Capabilities(cumulative=Cumulative.HINT), placed("1"))
    effects = desk.hear(poll("0.6", "100"))
    assert (desk.child.cum, effects.query) == (0, True)
    assert not desk.hear(fill("x", "0.6")).query
    assert not desk.hear(poll("0.6", "100")).query


def test_a_cumulative_number_that_means_nothing_is_ignored() -> None:
    desk = Desk(Capabilities(cumulative=Cumulative.ABSENT), placed("1"))
    effects = desk.hear(poll("0.6", "100"))
    assert (desk.child.cum, effects.query, effects.events) == (0, False, [])


def test_a_poll_that_was_sent_before_a_void_says_nothing_about_what_was_voided() -> None:
    desk = Desk(None, placed("10"), fill("x", "4", as_of=10), fill("y", "1", as_of=20), void("x", as_of=40))
    desk.hear(poll("5", "100", as_of=30))
    assert (desk.child.cum, desk.child.provisional_qty) == (1, 0)


def test_a_poll_that_was_sent_after_a_void_is_believed() -> None:
    desk = Desk(None, placed("10"), fill("x", "4", as_of=10), void("x", as_of=40), poll("5", "100", as_of=50))
    assert (desk.child.cum, desk.child.provisional_qty) == (5, 5)


def test_a_claim_after_an_upward_correction_falls_by_all_that_a_void_takes() -> None:
    desk = Desk(None, placed("20"), fill("x", "10", as_of=10), correct("x", "12", new_key="y", as_of=20))
    desk.hear(poll("12", "100", as_of=30), void("y", as_of=40))
    assert desk.child.cum == 0


def test_a_claim_between_two_corrections_falls_by_the_second() -> None:
    desk = Desk(None, placed("20"), fill("x", "10", as_of=10), correct("x", "12", new_key="y", as_of=20))
    desk.hear(poll("12", "100", as_of=30), correct("y", "8", new_key="z", as_of=40))
    assert desk.child.cum == 8


def test_a_void_takes_the_first_quantity_from_a_claim_even_when_the_original_comes_last() -> None:
    said = [fill("x", "10", as_of=10), correct("x", "1", new_key="y", as_of=20), void("y", as_of=30)]
    early = poll("10", "100", as_of=15)
    assert Desk(None, placed("20"), *said, early).child.cum == 0
    assert Desk(None, placed("20"), said[1], said[2], said[0], early).child.cum == 0


def test_the_total_in_a_trade_report_counts_even_when_its_execution_is_known() -> None:
    """The stream was faster with this execution, and the report tells of earlier ones that were lost."""
    desk = Desk(None, placed("10"), fill("x2", "1"))
    desk.hear(report(ExecType.TRADE, key="x2", executions=(fill("x2", "1"),), cum_qty=D(4)))
    assert (desk.child.cum, desk.child.provisional_qty) == (4, 3)


def test_on_a_normal_stream_one_claim_is_kept() -> None:
    desk = Desk(None, placed("100"))
    for n in range(1, 21):
        desk.hear(fill(f"x{n}", "1", as_of=n), poll(str(n), "100", as_of=n))
    assert len(desk.child.ledger.claims) == 1


def test_a_claim_that_cannot_win_any_more_is_dropped() -> None:
    early, late = (10, D(5), None), (20, D(6), None)
    assert admit((late,), early) == (late,)
    assert admit((early,), late) == (late,)


def test_a_higher_claim_and_a_later_one_are_both_kept() -> None:
    high, late = (10, D(5), None), (20, D(4), None)
    both = admit(admit((), high), late)
    assert both == admit(admit((), late), high) == (high, late)
    assert best(both, None) == high
    assert best(both, {"x": ((0, D(3)), (15, D(0)))}) == late


def test_of_two_equal_claims_the_one_with_an_average_is_kept() -> None:
    bare, priced = (10, D(5), None), (10, D(5), D(100))
    assert admit((bare,), priced) == admit((priced,), bare) == (priced,)


# ---------------------------------------------------------------------- identity


def test_the_same_execution_again_changes_nothing() -> None:
    desk = Desk(None, placed("1"), fill("x", "0.5"))
    effects = desk.hear(fill("x", "0.5"))
    assert (effects.duplicate, effects.changed, effects.events, effects.rows) == (True, False, [], [])
    assert desk.engine.counters.duplicates == 1


def test_the_same_number_written_otherwise_is_the_same_execution() -> None:
    desk = Desk(None, placed("1"), fill("x", "0.5", "100"), fill("x", "0.50", "100.0"))
    assert (desk.child.cum, desk.engine.counters.duplicates) == (D("0.5"), 1)


def test_equal_fills_under_two_keys_are_two_fills() -> None:
    assert Desk(None, placed("2"), fill("x", "1", as_of=5), fill("y", "1", as_of=5)).child.cum == 2


@pytest.mark.parametrize("contents", [("2", "3"), ("3", "2")], ids=["smaller first", "larger first"])
def test_a_key_with_two_contents_counts_the_larger_and_alarms(contents: tuple[str, str]) -> None:
    desk = Desk(None, placed("10"), *(fill("x", qty) for qty in contents))
    assert desk.child.cum == 3
    assert desk.child.flags & Flag.KEY_CONFLICT
    assert len(desk.alarms(AlarmKind.KEY_CONFLICT)) == 1


def test_where_the_venue_revises_under_its_key_other_content_is_a_correction() -> None:
    desk = Desk(Capabilities(key_revises=True), placed("10"), fill("x", "3", as_of=10), fill("x", "2", "101", as_of=20))
    assert (desk.child.cum, desk.child.notional) == (2, 202)
    assert desk.child.flags & Flag.REVISED
    assert not desk.alarms(AlarmKind.KEY_CONFLICT)


def test_where_the_venue_revises_under_its_key_the_latest_counts_in_either_order() -> None:
    rules = Capabilities(key_revises=True)
    first, second = fill("x", "3", as_of=10), fill("x", "2", "101", as_of=20)
    assert Desk(rules, placed("10"), second, first).child.cum == Desk(rules, placed("10"), first, second).child.cum == 2


def test_one_execution_told_under_two_ids_counts_once_when_they_turn_out_to_be_one_order() -> None:
    by_venue_id, by_our_id = fill("x", "1"), fill("x", "1", order_id=None, cl_ord_id=CLIENT)
    joined = report(ExecType.NEW, key="n", cl_ord_id=CLIENT)
    desk = Desk(None, placed("10", order_id=None), by_venue_id, by_our_id, joined)
    assert desk.child.cum == 1


def test_a_claim_under_our_id_and_its_execution_under_the_venues_count_once() -> None:
    claimed = poll("0.6", "100", order_id=None, cl_ord_id=CLIENT)
    desk = Desk(None, placed("1", order_id=None), claimed, fill("x", "0.6"), report(ExecType.NEW, key="n", cl_ord_id=CLIENT))
    assert (desk.child.cum, desk.child.provisional_qty) == (D("0.6"), 0)


# ---------------------------------------------------------------------- prices


def test_an_execution_without_price_counts_and_leaves_the_average_unknown() -> None:
    desk = Desk(None, placed("2"), fill("x", "1", None), fill("y", "1", "100"))
    assert (desk.child.cum, desk.child.avg_px, desk.child.status) == (2, None, OrdStatus.FILLED)
    assert desk.child.all_flags() & Flag.UNPRICED


def test_an_order_that_ends_without_a_price_alarms() -> None:
    desk = Desk(None, placed("2"), fill("x", "1", None), report(ExecType.CANCELED, key="e"))
    assert len(desk.alarms(AlarmKind.UNPRICED)) == 1


def test_an_order_that_completes_without_a_price_alarms() -> None:
    assert len(Desk(None, placed("1"), fill("x", "1", None)).alarms(AlarmKind.UNPRICED)) == 1


def test_a_price_of_zero_is_a_price() -> None:
    desk = Desk(None, placed("2"), fill("x", "1", "0"), fill("y", "1", "3"))
    assert desk.child.avg_px == D("1.5")
    assert not desk.child.all_flags() & Flag.UNPRICED


def test_a_price_that_comes_later_is_taken_and_told() -> None:
    desk = Desk(None, placed("2"), fill("x", "1", None), fill("x", "1", "100"))
    assert desk.child.avg_px == 100
    assert [(e.key, e.px) for e in desk.heard(Repriced)] == [("x", D(100))]


def test_what_is_known_is_not_forgotten_when_it_is_left_out() -> None:
    desk = Desk(None, placed("2"), fill("x", "1", "100", fee="0.1"), fill("x", "1", None))
    assert (desk.child.avg_px, desk.child.fees()) == (100, ({"USD": D("0.1")}, True))


def test_a_surer_state_is_kept() -> None:
    desk = Desk(None, placed("2"))
    for state in (ExecutionState.PROVISIONAL, ExecutionState.FINAL, ExecutionState.CONFIRMED):
        desk.hear(fill("x", "1", state=state))
    ((_, row),) = desk.child.ledger.live()
    assert (row.state, desk.child.cum) == ("f", 1)


def test_an_average_is_exact_until_it_is_shown() -> None:
    desk = Desk(None, placed("3"), fill("x", "1", "100"), fill("y", "2", "100.01"))
    assert (desk.child.notional, desk.child.avg_px) == (D("300.02"), D("100.0066666666666666666666667"))


def test_negative_prices_average_like_others() -> None:
    desk = Desk(None, placed("2"), fill("x", "1", "-37.63"), fill("y", "1", "1"))
    assert desk.child.avg_px == D("-18.315")


# ---------------------------------------------------------------------- voids


def test_a_void_takes_quantity_and_value_back() -> None:
    desk = Desk(None, placed("10"), fill("x", "4", "100"), fill("y", "2", "103"), void("x"))
    assert (desk.child.cum, desk.child.notional, desk.child.avg_px) == (2, 206, 103)
    assert [(e.qty, e.key, e.cum_qty) for e in desk.heard(Reversal)] == [(D(4), "x", D(2))]
    assert desk.child.flags & Flag.VOIDED


def test_a_void_counts_once() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), void("x"))
    effects = desk.hear(void("x"))
    assert (effects.duplicate, effects.events, desk.child.cum) == (True, [], 0)


def test_a_void_that_comes_before_its_execution_waits_for_it() -> None:
    desk = Desk(None, placed("10"), void("x"), fill("x", "4"))
    assert (desk.child.cum, desk.child.executions, desk.heard(Fill, Reversal)) == (0, 0, [])


def test_an_execution_that_was_void_before_it_came_is_not_repriced() -> None:
    assert Desk(None, placed("10"), void("x"), fill("x", "4")).heard(Repriced) == []


def test_a_voided_execution_does_not_come_back() -> None:
    assert Desk(None, placed("10"), fill("x", "4"), void("x"), fill("x", "4"), correct("x", "5")).child.cum == 0


def test_a_void_of_everything_leaves_no_average() -> None:
    assert Desk(None, placed("10"), fill("x", "4"), void("x")).child.avg_px is None


def test_after_a_void_a_new_execution_is_reported_anew() -> None:
    assert Desk(None, placed("10"), fill("x", "4"), void("x"), fill("x2", "4")).child.cum == 4


# ---------------------------------------------------------------------- corrections


def test_a_correction_of_quantity_moves_cum_by_the_difference() -> None:
    down = Desk(None, placed("10"), fill("x", "4"), correct("x", "3"))
    assert (down.child.cum, [e.qty for e in down.heard(Reversal)]) == (3, [D(1)])
    up = Desk(None, placed("10"), fill("x", "4"), correct("x", "6"))
    assert (up.child.cum, [e.qty for e in up.heard(Fill)]) == (6, [D(4), D(2)])


def test_a_correction_of_price_moves_only_the_average() -> None:
    desk = Desk(None, placed("10"), fill("x", "4", "100"), correct("x", "4", "101"))
    assert (desk.child.cum, desk.child.avg_px) == (4, 101)
    assert [(e.key, e.px) for e in desk.heard(Repriced)] == [("x", D(101))]


def test_a_correction_to_nothing_is_a_void() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), correct("x", "0"))
    assert (desk.child.cum, desk.child.executions) == (0, 0)


def test_the_averages_of_matrix_j_1_a() -> None:
    desk = Desk(None, placed("10000"), fill("A", "1000", "100"), fill("B", "9000", "110"))
    assert desk.child.avg_px == 109
    desk.hear(void("A", leaves="1000"))
    assert (desk.child.avg_px, desk.child.status, desk.child.leaves) == (110, OrdStatus.PARTIALLY_FILLED, 1000)
    desk.hear(correct("B", "9000", "100", "F"))
    assert desk.child.avg_px == 100
    desk.hear(fill("G", "1000", "120"))
    assert desk.child.avg_px == 102
    desk.hear(correct("F", "9000", "120", "H"))
    assert desk.child.avg_px == 120
    desk.hear(correct("H", "9500", "120", "K"))
    assert (desk.child.avg_px, desk.child.cum, desk.child.overfill_qty) == (120, 10500, 500)


CHAIN = (fill("D", "10"), correct("D", "8", "101", "F"), correct("F", "9", "102", "H"), correct("H", "7", "103", "K"))


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (1, 3, 0, 2), (2, 3, 0, 1), (0, 3, 1, 2), (3, 0, 2, 1)])
def test_a_chain_of_corrections_resolves_in_any_order(order: tuple[int, ...]) -> None:
    desk = Desk(None, placed("100"), *(CHAIN[at] for at in order))
    assert view(desk.child).live == {"D": (D(7), D(103))}
    assert desk.child.cum == 7


def test_a_void_in_the_middle_of_a_chain_that_is_not_linked_yet() -> None:
    """The correction of a correction comes first, then the void of the original, then the link between them."""
    desk = Desk(None, placed("10"), correct("F", "2", new_key="H"), void("D"), correct("D", "2", new_key="F"))
    assert desk.child.cum == 0


def test_a_void_names_the_last_version() -> None:
    assert Desk(None, placed("100"), *CHAIN, void("K")).child.cum == 0
    assert Desk(None, placed("100"), void("K"), *reversed(CHAIN)).child.cum == 0


def test_of_numbered_revisions_the_highest_counts() -> None:
    second, third = correct("x", "8", revision=2), correct("x", "7", revision=3)
    for said in ([fill("x", "10"), second, third], [third, fill("x", "10"), second], [fill("x", "10"), third, second, third]):
        assert Desk(None, placed("100"), *said).child.cum == 7


# ---------------------------------------------------------------------- fees


def test_fees_are_kept_per_currency_and_a_rebate_is_negative() -> None:
    fills = fill("x", "1", fee="0.3"), fill("y", "1", fee="-0.1"), fill("z", "1", fee="2", fee_currency="BNB")
    desk = Desk(None, placed("10"), *fills)
    assert desk.child.fees() == ({"USD": D("0.2"), "BNB": D(2)}, True)


def test_an_unknown_fee_is_not_zero() -> None:
    assert Desk(None, placed("10"), fill("x", "1", fee="0")).child.fees() == ({"USD": D(0)}, True)
    assert Desk(None, placed("10"), fill("x", "1")).child.fees() == ({}, False)


@pytest.mark.parametrize(("side", "held"), [(Side.BUY, "0.999"), (Side.SELL, "1.001")])
def test_a_fee_in_the_base_asset_changes_what_is_held_and_never_cum(side: Side, held: str) -> None:
    desk = Desk(None, placed("1", side=side, base="BTC"), fill("x", "1", fee="0.001", fee_currency="BTC"))
    assert (desk.child.cum, desk.child.held_qty) == (1, D(held))


def test_a_charge_counts_once() -> None:
    desk = Desk(None, placed("10"), fill("x", "1"), charge("f", "0.5", "x"), charge("f", "0.5", "x"))
    assert desk.child.fees() == ({"USD": D("0.5")}, True)


def test_a_charge_of_the_whole_order_leaves_the_fees_of_executions_unknown() -> None:
    assert Desk(None, placed("10"), fill("x", "1"), charge("f", "0.5")).child.fees() == ({"USD": D("0.5")}, False)


def test_a_charge_that_comes_before_its_execution_is_its_fee() -> None:
    desk = Desk(None, placed("10"), charge("f", "0.5", "x"), fill("x", "1"))
    assert desk.child.fees() == ({"USD": D("0.5")}, True)


def test_the_fee_of_a_voided_execution_is_gone_whenever_its_charge_came() -> None:
    before = Desk(None, placed("10"), fill("x", "1"), charge("f", "0.5", "x"), void("x"))
    after = Desk(None, placed("10"), fill("x", "1"), void("x"), charge("f", "0.5", "x"))
    assert view(before.child).fees == view(after.child).fees == {}


def test_a_correction_that_names_no_fee_keeps_the_one_of_the_original_in_either_order() -> None:
    original, correction = fill("x", "1", fee="0.1"), correct("x", "2", new_key="y")
    assert Desk(None, placed("10"), original, correction).child.fees() == ({"USD": D("0.1")}, True)
    assert Desk(None, placed("10"), correction, original).child.fees() == ({"USD": D("0.1")}, True)


# ---------------------------------------------------------------------- legs, cash


def test_leg_executions_do_not_count_in_the_order() -> None:
    legs = [fill("x", "1", "5", leg="L1"), fill("x", "1", "3", leg="L2"), fill("x", "1", "5", leg="L1")]
    desk = Desk(None, placed("2"), *legs)
    assert (desk.child.cum, desk.child.executions, len(desk.child.ledger.rows)) == (0, 0, 2)
    desk.hear(fill("p", "1", "2"))
    assert (desk.child.cum, desk.child.avg_px) == (1, 2)


def test_an_order_sized_in_cash_counts_units_and_completes_by_value() -> None:
    desk = Desk(None, placed(None, cash="100"), fill("x", "0.5", "100"))
    assert (desk.child.cum, desk.child.status, desk.child.open) == (D("0.5"), OrdStatus.PARTIALLY_FILLED, True)
    desk.hear(fill("y", "0.4", "125"))
    assert (desk.child.cum, desk.child.status, desk.child.open) == (D("0.9"), OrdStatus.FILLED, False)


def test_an_order_sized_in_cash_is_not_complete_while_a_price_is_unknown() -> None:
    desk = Desk(None, placed(None, cash="100"), fill("x", "1", None))
    assert desk.child.status is OrdStatus.PARTIALLY_FILLED
    desk.hear(fill("x", "1", "100"))
    assert desk.child.status is OrdStatus.FILLED


# ---------------------------------------------------------------------- splits


def test_a_split_of_matrix_h_1_b() -> None:
    desk = Desk(None, placed("10000", price="50"), fill("x", "2000", "50"))
    desk.hear(report(ExecType.RESTATED, qty="20000", restatement="split", key="s"))
    child = desk.child
    assert (child.order_qty, child.cum, child.leaves, child.avg_px, child.notional) == (20000, 4000, 16000, 25, 100000)
    assert desk.published == 2000


def test_a_void_after_a_split_takes_todays_quantity() -> None:
    desk = Desk(None, placed("10"), fill("x", "2"))
    desk.hear(report(ExecType.RESTATED, qty="20", restatement="split", key="s"), void("x"))
    assert (desk.child.cum, desk.child.notional) == (0, 0)


def test_a_void_after_a_split_takes_todays_quantity_from_the_claim_too() -> None:
    desk = Desk(None, placed("10"), fill("x", "2", as_of=10), poll("2", "100", as_of=20))
    desk.hear(report(ExecType.RESTATED, qty="20", restatement="split", key="s"), void("x", as_of=30))
    assert desk.child.cum == 0


def test_a_split_that_is_no_exact_number_alarms_and_changes_nothing() -> None:
    desk = Desk(None, placed("3"), fill("x", "1"))
    desk.hear(report(ExecType.RESTATED, qty="10", restatement="split", key="s"))
    assert len(desk.alarms(AlarmKind.SPLIT_INEXACT)) == 1
    assert (desk.child.order_qty, desk.child.cum) == (3, 1)


def test_a_split_that_is_exact_in_sum_and_not_for_each_execution_alarms_and_changes_nothing() -> None:
    desk = Desk(None, placed("3"), fill("x", "1"), fill("y", "2"), void("z"))
    desk.hear(report(ExecType.RESTATED, qty="4", restatement="split", key="s"))
    assert len(desk.alarms(AlarmKind.SPLIT_INEXACT)) == 1
    child = desk.child
    assert (child.order_qty, child.cum, child.ledger.off, child.ledger.scales, child.era) == (3, 3, 0, None, 0)
    assert child.all_flags() & Flag.QUARANTINED
    check_whole(child)


def test_a_split_counts_versions_that_a_correction_replaced() -> None:
    desk = Desk(None, placed("6"), fill("x", "1"), correct("x", "3", "100"))
    desk.hear(report(ExecType.RESTATED, qty="8", restatement="split", key="s"))
    assert len(desk.alarms(AlarmKind.SPLIT_INEXACT)) == 1
    check_whole(desk.child)


# ---------------------------------------------------------------------- parked evidence


def test_a_fill_of_an_unknown_order_is_kept_counted_and_alarmed() -> None:
    desk = Desk(None, fill("x", "1"))
    assert (desk.child.cum, desk.engine.counters.parked, desk.heard(Fill)) == (1, 1, [])
    assert desk.child.all_flags() & Flag.PARKED
    assert len(desk.alarms(AlarmKind.PARKED)) == 1


def test_a_row_is_packed_and_read_back() -> None:
    rows = [
        Row(D("0.50"), D("100.0")),
        Row(D(1), None),
        Row(D(1), D(0), D("-0.1"), "USD", "p", 3, "a|b|c", 7, 99, D(2)),
        Row(D(1), D(1), void=True, as_of=5),
        Row(None, None, void=True, as_of=5),
        Row(D(1), D(1), leg=True),
    ]
    assert [unpack(pack(row)) for row in rows] == rows
    assert pack(rows[0]) == pack_plain(D("0.50"), D("100.0")) == "0.50|100.0"


def test_the_same_key_at_another_order_is_another_execution() -> None:
    desk = Desk(None, placed("1"), placed("1", order_id="O2", cl_ord_id="c2"), fill("x", "1"), fill("x", "1", order_id="O2"))
    assert [child.cum for child in desk.engine.children.values()] == [1, 1]
    assert desk.engine.index.by_order["venue", "", ORDER].child.id == 1


def test_a_fill_tells_what_is_left_of_the_order() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), fill("y", "6"))
    assert [(event.qty, event.cum_qty, event.leaves_qty) for event in desk.heard(Fill)] == [(4, 4, 6), (6, 10, 0)]


def test_a_correction_that_reuses_the_key_of_what_it_corrects_is_applied() -> None:
    desk = Desk(None, placed("10"), fill("x", "4"), correct("x", "3", new_key="x", as_of=10))
    assert desk.child.cum == 3


def test_corrections_without_a_key_of_their_own_are_told_apart_by_their_time_in_any_order() -> None:
    said = [fill("x", "4", as_of=1), correct("x", "3", as_of=10), correct("x", "2", as_of=20)]
    for order in itertools.permutations(said):
        assert Desk(None, placed("10"), *order, *order).child.cum == 2


def test_a_charge_of_a_corrected_execution_counts_in_any_order() -> None:
    said = [fill("x", "1", as_of=10), correct("x", "2", new_key="y", as_of=30), charge("f", "1", "x")]
    for order in itertools.permutations(said):
        child = Desk(None, placed("10"), *order, *order).child
        assert (child.cum, child.fees()) == (2, ({"USD": D("1")}, True))


def test_a_confirmation_with_other_digits_leaves_one_number_for_order_and_ledger() -> None:
    # What comes back from the journal is summed from the ledger: the text of both must be the same.
    engine = Engine()
    engine.step(placed("10"), 1)
    engine.step(OrderSnapshot(venue=VENUE, order_id=ORDER, cum_qty=Decimal(5), avg_px=Decimal(100), as_of=2), 2)
    child = engine.step(fill("a", "5.00"), 3).child
    assert child is not None
    assert (str(child.cum), str(child.ledger.cum)) == ("5.00", "5.00")
