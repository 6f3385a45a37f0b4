"""Parent orders sized in cash: one child for ever, units counted, completion by value, and no successor whatever happens."""

from __future__ import annotations

from typing import Any

import pytest

from partfill.model.capabilities import Capabilities, Cumulative
from partfill.model.commands import Restarted
from partfill.model.events import AlarmKind, ParentDone
from partfill.model.observations import ExecutionVoided
from partfill.model.operations import Cancel, Operation, Place, Query, Replace
from partfill.model.words import ExecType, OrdStatus, OrdType, Side, TimeInForce
from tests.core.driven import GUARDED, PLAIN, SECOND, TOTAL, VENUE, D, Driven, rule

ASKED = Capabilities(end_is_final=False)
"""A venue whose word of an end is asked for once more."""


def bought(rules: Capabilities = PLAIN, *fills: tuple[str, str, str], resubmit: bool = True, **also: Any) -> Driven:
    """A market buy for 100 in cash that the venue took, and its fills: (key, units, price)."""
    desk = Driven(rules)
    said: dict[str, Any] = {"ord_type": OrdType.MARKET, "time_in_force": TimeInForce.IOC} | also
    desk.submit(None, None, cash_order_qty=D(100), resubmit=rule("0", 5) if resubmit else None, **said)
    desk.acknowledge()
    for key, qty, px in fills:
        desk.fill(key, qty, px=px)
    return desk


def settle(desk: Driven, word: OrdStatus) -> None:
    """Answer what is asked, if anything is."""
    for op in desk.take():
        if type(op) is Query:
            desk.looked(op, desk.report(None, ord_status=word))


def is_over(desk: Driven, outcome: str, cum: str) -> None:
    """It ended once, and nothing is placed, changed or asked any more."""
    assert desk.outcomes() == [(outcome, D(cum))]
    assert not desk.parent().active
    assert desk.wait(60 * SECOND) == []
    assert len(desk.sent(Place)) == 1
    assert desk.sent(Replace) == []
    assert desk.resubmitted() == []
    assert desk.parent().rest == 0


def test_it_is_placed_once_for_its_cash_and_has_no_quantity() -> None:
    desk = bought()
    (place,) = desk.sent(Place)
    assert (place.terms.order_qty, place.terms.cash_order_qty, place.terms.price) == (None, 100, None)
    parent = desk.parent()
    assert (parent.asked, parent.rest, parent.exposure, parent.cum) == (0, 0, 0, 0)
    assert desk.child().open


@pytest.mark.parametrize("rules", [PLAIN, TOTAL, GUARDED, ASKED])
def test_it_is_filled_when_the_value_is_there_and_counts_units(rules: Capabilities) -> None:
    desk = bought(rules, ("a", "0.5", "100"))
    assert (desk.parent().done, desk.parent().cum, desk.parent().avg_px) == (None, D("0.5"), 100)
    assert desk.take() == []
    desk.fill("b", "0.4", px="125")
    settle(desk, OrdStatus.FILLED)
    is_over(desk, "filled", "0.9")
    assert desk.parent().avg_px == desk.child().avg_px == D(100) / D("0.9")
    assert desk.alarms(AlarmKind.EXPOSURE) == []


def test_its_end_is_told_with_the_average_and_nothing_unfilled() -> None:
    desk = bought(PLAIN, ("a", "0.8", "100"), ("b", "0.25", "80"))
    (end,) = [event for event in desk.events if type(event) is ParentDone]
    assert (end.cum_qty, end.unfilled_qty, end.avg_px) == (D("1.05"), 0, D(100) / D("1.05"))


@pytest.mark.parametrize("rules", [PLAIN, TOTAL, ASKED])
@pytest.mark.parametrize(
    ("kind", "word", "outcome"),
    [
        (ExecType.CANCELED, OrdStatus.CANCELED, "canceled"),
        (ExecType.EXPIRED, OrdStatus.EXPIRED, "expired"),
    ],
)
def test_what_the_venue_did_not_spend_is_not_placed_again(
    rules: Capabilities, kind: ExecType, word: OrdStatus, outcome: str
) -> None:
    desk = bought(rules, ("a", "0.5", "100"))
    desk.ended(kind=kind)
    settle(desk, word)
    is_over(desk, outcome, "0.5")


def test_a_refused_one_is_rejected_and_not_tried_again() -> None:
    desk = Driven()
    (place,) = desk.submit(None, None, cash_order_qty=D(100), ord_type=OrdType.MARKET, resubmit=rule("0"))
    assert desk.refused(place) == []
    is_over(desk, "rejected", "0")


def test_one_that_never_arrived_is_rejected_and_not_tried_again() -> None:
    desk = Driven()
    (place,) = desk.submit(None, None, cash_order_qty=D(100), ord_type=OrdType.MARKET, resubmit=rule("0"))
    desk.unknown(place)
    (query,) = desk.wait()
    assert desk.looked(query) == []
    is_over(desk, "rejected", "0")


@pytest.mark.parametrize("rules", [PLAIN, TOTAL, ASKED])
def test_a_cancel_takes_the_rest_off_and_keeps_what_filled(rules: Capabilities) -> None:
    desk = bought(rules, ("a", "0.5", "100"), time_in_force=TimeInForce.GTC)
    (cancel,) = desk.stop()
    assert type(cancel) is Cancel
    desk.fill("b", "0.1")
    desk.ended()
    settle(desk, OrdStatus.CANCELED)
    is_over(desk, "canceled", "0.6")


def test_a_cancel_that_loses_against_the_last_fill_ends_filled() -> None:
    desk = bought(PLAIN, ("a", "0.5", "100"))
    (cancel,) = desk.stop()
    desk.fill("b", "0.5")
    desk.refused(cancel)
    is_over(desk, "filled", "1.0")


@pytest.mark.parametrize("rules", [PLAIN, TOTAL, ASKED])
def test_the_kill_switch_takes_it_off(rules: Capabilities) -> None:
    desk = bought(rules, ("a", "0.5", "100"), time_in_force=TimeInForce.GTC)
    assert [type(op) for op in desk.kill()] == [Cancel]
    desk.ended()
    settle(desk, OrdStatus.CANCELED)
    is_over(desk, "killed", "0.5")


def test_an_amendment_is_refused_with_what_to_do_instead() -> None:
    desk = bought(TOTAL)
    assert desk.amend("5") == []
    assert desk.amend(price="99") == []
    assert desk.refusals() == ["p is sized in cash; cancel it and submit another"] * 2


def test_after_a_restart_it_is_asked_for_and_goes_on() -> None:
    desk = bought(PLAIN, ("a", "0.5", "100"))
    desk.feed(Restarted())
    (query,) = desk.take()
    assert isinstance(query, Query)
    assert (query.terms.order_qty, query.terms.cash_order_qty) == (None, 100)
    assert desk.looked(query, desk.report(None, ord_status=OrdStatus.PARTIALLY_FILLED, cum_qty="0.5", avg_px="100")) == []
    desk.fill("b", "0.5")
    is_over(desk, "filled", "1.0")


def test_a_fill_that_is_voided_opens_nothing_anew() -> None:
    desk = bought(PLAIN, ("a", "0.5", "100"), ("b", "0.5", "100"))
    desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="b"))
    assert desk.parent().cum == D("0.5")
    assert [op for op in desk.take() if type(op) is not Query] == []
    assert len(desk.sent(Place)) == 1


def test_a_sale_for_cash_counts_the_same() -> None:
    desk = bought(PLAIN, ("a", "2", "50"), side=Side.SELL)
    is_over(desk, "filled", "2")


@pytest.mark.parametrize("qty", ["1", "1.25"])
def test_where_the_venue_turns_the_cash_into_a_quantity_that_is_what_counts(qty: str) -> None:
    desk = Driven()
    (place,) = desk.submit(None, None, cash_order_qty=D(100), ord_type=OrdType.MARKET, resubmit=rule("0"))
    desk.feed(desk.report(ExecType.NEW, "O1", place.cl_ord_id, ord_status=OrdStatus.NEW, order_qty=qty))
    assert desk.child().order_qty == D(qty)
    desk.fill("a", "0.5")
    assert (desk.parent().done, desk.child().leaves) == (None, D(qty) - D("0.5"))
    desk.fill("b", str(D(qty) - D("0.5")))
    is_over(desk, "filled", qty)


def test_orders_in_cash_and_in_units_do_not_touch_each_other() -> None:
    desk = bought()
    units: list[Operation] = desk.submit("10", ref="units")
    desk.acknowledge(units[0], "O2")
    desk.fill("a", "1", "O1")
    assert desk.parent().done == "filled"
    assert (desk.parent("units").done, desk.parent("units").exposure) == (None, 10)


# ---------------------------------------------------------------------- cash that does not come out even


@pytest.mark.parametrize("kind", [ExecType.TRADE, None], ids=["report", "poll"])
def test_the_venues_word_completes_it_where_lots_do_not_add_up_to_the_cash(kind: ExecType | None) -> None:
    desk = bought(PLAIN, ("a", "0.9997", "100"))
    desk.feed(desk.report(kind, ord_status=OrdStatus.FILLED, cum_qty="0.9997", leaves_qty="0", avg_px="100"))
    is_over(desk, "filled", "0.9997")
    assert desk.alarms(AlarmKind.STATUS_AHEAD) == []


def test_the_word_may_come_before_the_executions_it_counts() -> None:
    desk = bought(PLAIN)
    desk.feed(desk.report(None, ord_status=OrdStatus.FILLED, cum_qty="0.9997", leaves_qty="0", avg_px="100"))
    desk.fill("a", "0.5")
    desk.fill("b", "0.4997")
    is_over(desk, "filled", "0.9997")
    assert (desk.child().executions, desk.child().provisional_qty, desk.child().overfill_qty) == (2, 0, 0)


def test_where_totals_are_a_mere_hint_the_executions_complete_it() -> None:
    desk = bought(Capabilities(cumulative=Cumulative.HINT), ("a", "0.5", "100"))
    word = desk.report(None, ord_status=OrdStatus.FILLED, cum_qty="0.9997", leaves_qty="0")
    desk.feed(word)
    assert desk.outcomes() == []
    (query,) = desk.wake()
    desk.fill("b", "0.4997")
    desk.looked(query, word)
    is_over(desk, "filled", "0.9997")


def test_filled_with_something_left_is_not_the_end() -> None:
    desk = bought(PLAIN, ("a", "0.5", "100"))
    desk.feed(desk.report(None, ord_status=OrdStatus.FILLED, cum_qty="0.5", leaves_qty="0.4"))
    assert desk.outcomes() == []
    assert desk.child().open_at_venue


def test_more_cash_than_was_given_is_told_once() -> None:
    desk = bought(PLAIN, ("a", "0.9", "100"), ("b", "0.6", "100"))
    assert desk.alarms(AlarmKind.EXPOSURE) == ["150 spent of 100 asked for: 50 too much"]
    desk.feed(desk.report(None, ord_status=OrdStatus.FILLED, cum_qty="1.5", leaves_qty="0", avg_px="100"))
    assert len(desk.alarms(AlarmKind.EXPOSURE)) == 1
    is_over(desk, "filled", "1.5")
