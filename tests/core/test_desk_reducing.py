"""Orders that the venue makes smaller or ends by itself: reduce-only ones as the position goes, the exits of an entry as one of
them fills. Every order of arrival, and the same end; nothing is ever placed in the stead of what the venue took off."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from partfill.model.capabilities import Capabilities
from partfill.model.commands import Restarted
from partfill.model.events import AlarmKind
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.words import ExecType, OrdStatus, OrdType, Side, TimeInForce
from tests.core.driven import SECOND, Driven, execution, rule
from tests.core.test_desk_traps import CANCELED, FILLED, FIXED, MOVES, NEW, Step, fill, opened, orders, settle, took

D = Decimal
REDUCE: dict[str, Any] = {"side": Side.SELL, "reduce_only": True}
IOC = TimeInForce.IOC


def ended(order_id: str, cl: str, why: str, kind: ExecType = ExecType.CANCELED, **also: Any) -> Step:
    """The venue takes an order off by itself."""
    return lambda desk: desk.ended(order_id, kind, cl=cl, reason=why, **also)


def over(desk: Driven, ref: str, outcome: str, cum: str) -> None:
    """This order has ended so, was told so once, and counts with what filled."""
    parent = desk.parent(ref)
    assert (parent.done, parent.cum, parent.exposure, parent.active) == (outcome, D(cum), D(cum), [])
    assert [end.cum_qty for end in desk.events if getattr(end, "ref", None) == ref and hasattr(end, "outcome")] == [D(cum)]


# ---------------------------------------------------------------------- larger than the position (8)


@pytest.mark.parametrize("rules", [FIXED, MOVES])
@pytest.mark.parametrize("fills", [[("t1", "0.02")], [("t1", "0.015"), ("t2", "0.005")]])
def test_8_a_reduce_only_order_ends_with_the_position_and_the_rest_is_dropped(
    rules: Capabilities, fills: list[tuple[str, str]]
) -> None:
    steps = {key: fill(key, qty) for key, qty in fills} | {"reply": took(filled=fills, word=CANCELED)}
    steps |= {"end": ended("O1", "d1-1", "reduceOnlyCanceled"), "open": opened(qty="0.05")}
    for order in orders(steps):
        desk = Driven(rules)
        desk.submit("0.05", time_in_force=IOC, **REDUCE)
        for step in order:
            step(desk)
            assert desk.parent().cum <= D("0.02")
        settle(desk, CANCELED, "O1", *fills)
        assert len(desk.ops) == len(desk.sent(Place)) + len(desk.sent(Query))
        assert len(desk.sent(Place)) == 1
        over(desk, "p", "canceled", "0.02")
        assert (desk.child().leaves, desk.child().canceled_qty) == (D(0), D("0.03"))
        assert desk.wait(60 * SECOND) == []


def test_8_filled_by_the_venues_word_and_not_by_its_quantities_is_asked_for_and_told_and_never_made_up() -> None:
    for order in orders({"t1": fill("t1", "0.02"), "word": said_filled, "reply": took(filled=[("t1", "0.02")])}):
        desk = Driven(FIXED)
        desk.submit("0.05", time_in_force=IOC, **REDUCE)
        for step in order:
            step(desk)
        # The venue goes on saying "filled" of an order of 0.05 that filled 0.02: not one unit is invented.
        settle(desk, FILLED, "O1", ("t1", "0.02"))
        assert (desk.parent().cum, len(desk.sent(Place))) == (D("0.02"), 1)
        assert len(desk.alarms(AlarmKind.STATUS_AHEAD)) == 1
        # Its final word comes: the same end as above.
        desk.ended("O1")
        settle(desk, CANCELED, "O1", ("t1", "0.02"))
        over(desk, "p", "canceled", "0.02")


def said_filled(desk: Driven) -> None:
    desk.feed(desk.report(None, "O1", "d1-1", ord_status=FILLED))


def test_8_a_reduce_only_order_without_a_position_is_refused_and_not_tried_again() -> None:
    desk = Driven(MOVES)
    desk.submit("0.05", resubmit=rule("0"), **REDUCE)
    desk.refused(desk.last(Place))
    assert desk.wait(60 * SECOND) == []
    assert len(desk.sent(Place)) == 1
    over(desk, "p", "rejected", "0")


# ---------------------------------------------------------------------- the position goes elsewhere (9)


def closed_by_another(rules: Capabilities) -> Driven:
    """A reduce-only order of 0.05 rests over a position of 0.02; another order is about to sell that."""
    desk = Driven(rules)
    desk.submit("0.05", ref="rest", **REDUCE)
    desk.acknowledge(desk.last(Place), "O51")
    desk.submit("0.02", ref="close", time_in_force=IOC, side=Side.SELL)
    desk.take()
    return desk


def shown_shrunk(desk: Driven) -> None:
    """A listing that shows what is left of it: "0.02 of 0.05" is no fill of 0.03."""
    desk.feed(desk.report(None, "O51", "d1-1", ord_status=NEW, order_qty="0.05", leaves_qty="0.02"))


@pytest.mark.parametrize("rules", [FIXED, MOVES])
def test_9_a_resting_reduce_only_order_ends_unfilled_when_another_closes_the_position(rules: Capabilities) -> None:
    steps: dict[str, Step] = {
        "t9": fill("t9", "0.02", "O52"), "open 52": opened("O52", "d2-1", "0.02"), "reply": took(1, "O52"),
        "filled 52": lambda desk: desk.feed(desk.report(None, "O52", "d2-1", ord_status=FILLED)),
        "end 51": ended("O51", "d1-1", "reduceOnlyCanceled"), "listing": shown_shrunk,
    }  # fmt: skip
    for order in orders(steps):
        desk = closed_by_another(rules)
        for step in order:
            step(desk)
            assert desk.child(ref="rest").cum == 0
            assert desk.parent("rest").exposure in (D("0.05"), 0)
        answer_all(desk, {"rest": ("O51", CANCELED, []), "close": ("O52", FILLED, [("t9", "0.02")])})
        over(desk, "rest", "canceled", "0")
        over(desk, "close", "filled", "0.02")
        assert (len(desk.sent(Place)), len(desk.sent(Cancel)), len(desk.sent(Replace))) == (2, 0, 0)
        assert desk.child(ref="rest").canceled_qty == D("0.05")
        assert desk.wait(60 * SECOND) == []


@pytest.mark.parametrize("rules", [FIXED, MOVES])
def test_9_what_it_filled_before_the_position_went_counts_and_no_more(rules: Capabilities) -> None:
    steps: dict[str, Step] = {
        "t1": fill("t1", "0.005", "O51"), "t9": fill("t9", "0.015", "O52"), "again": fill("t1", "0.005", "O51"),
        "end 51": ended("O51", "d1-1", "reduceOnlyCanceled"), "end 52": ended("O52", "d2-1", "iocCancel"),
    }  # fmt: skip
    for order in orders(steps):
        desk = closed_by_another(rules)
        took(1, "O52")(desk)
        for step in order:
            step(desk)
        answer_all(desk, {"rest": ("O51", CANCELED, [("t1", "0.005")]), "close": ("O52", CANCELED, [("t9", "0.015")])})
        over(desk, "rest", "canceled", "0.005")
        over(desk, "close", "canceled", "0.015")
        assert len(desk.sent(Place)) == 2


def test_9_a_cancel_that_meets_the_venues_own_end_is_one_end() -> None:
    steps: dict[str, Step] = {
        "no": lambda desk: desk.refused(desk.last(Cancel)), "end": ended("O51", "d1-1", "reduceOnlyCanceled"),
        "t9": fill("t9", "0.02", "O52"),
    }  # fmt: skip
    for order in orders(steps):
        desk = closed_by_another(MOVES)
        took(1, "O52")(desk)
        desk.stop("rest")
        for step in order:
            step(desk)
        answer_all(desk, {"rest": ("O51", CANCELED, []), "close": ("O52", FILLED, [("t9", "0.02")])})
        over(desk, "rest", "canceled", "0")
        assert len(desk.sent(Cancel)) == 1


# ---------------------------------------------------------------------- an entry and its exits (23)

EXITS = (("tp", "O152", "45"), ("sl", "O153", "35"))


def bracket(rules: Capabilities) -> Driven:
    """An entry and two exits that wait for their price, all three sent; nothing is answered."""
    desk = Driven(rules)
    desk.submit("1.0", "39", ref="entry", time_in_force=IOC)
    for ref, _, stop_px in EXITS:
        desk.submit("1.0", None, ref=ref, ord_type=OrdType.STOP, stop_px=D(stop_px), **REDUCE)
    return desk


def accepted(number: int) -> Step:
    """The venue takes it and names no order id: it waits for its price."""
    return lambda desk: desk.done(desk.sent(Place)[number])


def bound(number: int) -> Step:
    """A listing of open orders shows it with the venue's id."""
    _, order_id, stop_px = EXITS[number - 1]
    return lambda desk: desk.feed(
        desk.report(None, order_id, f"d{number + 1}-1", ord_status=NEW, order_qty="1.0", stop_px=D(stop_px))
    )


def answer_all(desk: Driven, truth: dict[str, tuple[str, OrdStatus, list[tuple[str, str]]]]) -> None:
    """Answer every question with what is true in the end: ref -> (order id, word, fills)."""
    for _ in range(6):
        desk.wait(3 * SECOND)
        for child in list(desk.engine.children.values()):
            assert child.work is not None
            if not child.work.looking:
                continue
            query = next(op for op in reversed(desk.sent(Query)) if op.order == child.id)
            order_id, word, fills = truth[child.work.parent.ref]
            listed = tuple(execution(key, qty, order_id) for key, qty in fills) or None
            desk.looked(query, desk.report(None, order_id, query.cl_ord_id, ord_status=word, executions=listed))


@pytest.mark.parametrize("rules", [FIXED, MOVES])
def test_23_exits_are_accepted_without_an_id_and_found_in_the_listing_in_every_order(rules: Capabilities) -> None:
    steps: dict[str, Step] = {
        "entry": took(0, "O151", [("e1", "1.0")], CANCELED), "e1": fill("e1", "1.0", "O151"),
        "tp": accepted(1), "sl": accepted(2), "see tp": bound(1), "see sl": bound(2),
    }  # fmt: skip
    for order in orders(steps):
        desk = bracket(rules)
        for step in order:
            step(desk)
            assert [desk.parent(ref).exposure for ref, _, _ in EXITS] == [1, 1]
        truth = {"entry": ("O151", FILLED, [("e1", "1.0")]), "tp": ("O152", NEW, []), "sl": ("O153", NEW, [])}
        answer_all(desk, truth)
        over(desk, "entry", "filled", "1.0")
        assert [(desk.child(ref=ref).order_id, desk.child(ref=ref).status) for ref, _, _ in EXITS] == [
            ("O152", NEW), ("O153", NEW)]  # fmt: skip
        assert len(desk.engine.children) == len(desk.sent(Place)) == 3


@pytest.mark.parametrize("rules", [FIXED, MOVES])
@pytest.mark.parametrize("early", [False, True])
def test_23_one_exit_fills_and_the_other_is_the_venues_to_end(rules: Capabilities, early: bool) -> None:
    """`early`: nothing was heard of either exit before, not even that it was taken."""
    steps: dict[str, Step] = {
        "trigger": lambda desk: desk.feed(desk.report(ExecType.TRIGGERED, "O152", "d2-1", ord_status=NEW, order_qty="1.0")),
        "x1": fill("x1", "0.4", "O152"), "x2": fill("x2", "0.6", "O152"),
        "filled": lambda desk: desk.feed(desk.report(None, "O152", "d2-1", ord_status=FILLED)),
        "sibling": ended("O153", "d3-1", "siblingFilledCanceled"),
    }  # fmt: skip
    for order in orders(steps):
        desk = bracket(rules)
        took(0, "O151", [("e1", "1.0")], CANCELED)(desk)
        for step in () if early else (accepted(1), accepted(2), bound(1), bound(2)):
            step(desk)
        for step in order:
            step(desk)
        truth = {"entry": ("O151", FILLED, [("e1", "1.0")]), "sl": ("O153", CANCELED, [])}
        answer_all(desk, truth | {"tp": ("O152", FILLED, [("x1", "0.4"), ("x2", "0.6")])})
        over(desk, "entry", "filled", "1.0")
        over(desk, "tp", "filled", "1.0")
        over(desk, "sl", "canceled", "0")
        assert (len(desk.sent(Place)), len(desk.sent(Cancel)), len(desk.sent(Replace))) == (3, 0, 0)
        assert desk.wait(60 * SECOND) == []


def test_23_an_exit_that_was_taken_and_is_not_found_stays_open_and_a_person_is_told() -> None:
    desk = bracket(FIXED)
    for number in (1, 2):
        accepted(number)(desk)
    for _ in range(10):
        for query in [op for op in desk.wait(60 * SECOND) if type(op) is Query and op.order != 1]:
            desk.looked(query)
    assert [desk.parent(ref).exposure for ref, _, _ in EXITS] == [1, 1]
    assert [desk.parent(ref).done for ref, _, _ in EXITS] == [None, None]
    assert len(desk.alarms(AlarmKind.MISSING)) == 2
    assert len(desk.sent(Place)) == 3


def test_23_exits_without_an_id_are_canceled_under_ours_after_a_restart_too() -> None:
    desk = bracket(FIXED)
    took(0, "O151", [("e1", "1.0")], CANCELED)(desk)
    accepted(1)(desk)
    accepted(2)(desk)
    desk.feed(Restarted(desk="e"))
    asked = {op.cl_ord_id: op for op in desk.take() if isinstance(op, Query)}
    assert {"d2-1", "d3-1"} <= set(asked)
    assert [op for op in desk.kill() if isinstance(op, Cancel)] == [], "their placing is not answered yet"
    for name, order_id in (("d2-1", "O152"), ("d3-1", "O153")):
        desk.looked(asked[name], desk.report(None, order_id, name, ord_status=NEW, order_qty="1.0"))
    assert sorted((op.order_id or "", op.orig_cl_ord_id) for op in desk.sent(Cancel)) == [("O152", "d2-1"), ("O153", "d3-1")]
    for name, order_id in (("d2-1", "O152"), ("d3-1", "O153")):
        ended(order_id, name, "canceled")(desk)
    answer_all(desk, {"entry": ("O151", CANCELED, [("e1", "1.0")]), "tp": ("O152", CANCELED, []), "sl": ("O153", CANCELED, [])})
    over(desk, "entry", "filled", "1.0")
    over(desk, "tp", "killed", "0")
    over(desk, "sl", "killed", "0")
    assert len(desk.sent(Place)) == 3
