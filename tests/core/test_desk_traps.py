"""Sequences that break order tracking at a venue whose replace moves an order to a new id: every order of arrival of what the
venue says, and the same end: what filled, what works, what was asked for and what never was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from partfill.model.capabilities import Capabilities, Chain, Cumulative, ReplaceQty
from partfill.model.events import AlarmKind, ParentDone
from partfill.model.inputs import Input
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.words import ExecType, OrdStatus, TimeInForce
from tests.core.driven import SECOND, Driven, execution, rule

D = Decimal
KIND: dict[str, Any] = {"chain": Chain.RESTARTS, "cumulative": Cumulative.ABSENT, "end_is_final": False}
FIXED = Capabilities(**KIND)
MOVES = Capabilities(**KIND, can_replace=True, replace_guarded=True, replace_qty=ReplaceQty.OPEN)
CANCELED, FILLED, NEW = OrdStatus.CANCELED, OrdStatus.FILLED, OrdStatus.NEW
Step = Callable[[Driven], Any]


def orders(steps: dict[str, Step], *before: str) -> Iterator[list[Step]]:
    """Every order of the named steps in which, for each "a<b", a comes before b."""
    pairs = [pair.split("<") for pair in before]
    for names in permutations(steps):
        if all(names.index(first) < names.index(later) for first, later in pairs):
            yield [steps[name] for name in names]


def said(*inputs: Input) -> Step:
    """Something comes on a stream."""
    return lambda desk: desk.feed(*inputs)


def opened(order_id: str = "O1", cl: str | None = "d1-1", qty: str = "1.0", kind: ExecType = ExecType.NEW, **also: Any) -> Step:
    return lambda desk: desk.feed(desk.report(kind, order_id, cl, ord_status=NEW, order_qty=qty, **also))


def took(
    number: int = 0, order_id: str = "O1", filled: Sequence[tuple[str, str]] = (), word: OrdStatus = NEW, **also: Any
) -> Step:
    """The reply to placement `number`, with the executions that it lists."""

    def step(desk: Driven) -> None:
        op = desk.sent(Place)[number]
        listed = tuple(execution(key, qty, order_id) for key, qty in filled) or None
        desk.done(op, order=desk.report(None, order_id, op.cl_ord_id, ord_status=word, executions=listed, **also))

    return step


def fill(key: str, qty: str, order_id: str = "O1") -> Step:
    return said(execution(key, qty, order_id))


def settle(desk: Driven, word: OrdStatus, order_id: str = "O1", *fills: tuple[str, str], **also: Any) -> None:
    """Answer every question that is out, or comes soon, with what is true in the end."""
    for _ in range(6):
        desk.wait(3 * SECOND)
        out = [child.id for child in desk.parent().active if child.work is not None and child.work.looking]
        for op in [next(op for op in reversed(desk.sent(Query)) if op.order == number) for number in out]:
            listed = tuple(execution(key, qty, order_id) for key, qty in fills) or None
            desk.looked(op, desk.report(None, order_id, None, ord_status=word, executions=listed, **also))


def start(rules: Capabilities = MOVES, qty: str = "1.0", **also: Any) -> Driven:
    desk = Driven(rules)
    desk.submit(qty, **also)
    return desk


def resting(rules: Capabilities = MOVES, filled: str | None = None, qty: str = "1.0", **also: Any) -> Driven:
    desk = start(rules, qty, **also)
    desk.acknowledge()
    if filled is not None:
        desk.fill("t1", filled)
    desk.take()
    return desk


def is_over(desk: Driven, outcome: str, cum: str) -> None:
    """One end, told once; nothing works and nothing more is wanted."""
    ends = [event for event in desk.events if type(event) is ParentDone]
    assert [(end.outcome, end.cum_qty) for end in ends] == [(outcome, D(cum))]
    assert not desk.parent().active
    assert desk.parent().exposure == D(cum)
    assert desk.wait(60 * SECOND) == []


# ---------------------------------------------------------------------- immediate fills (2, 3, 4, 5, 6, 7)


@pytest.mark.parametrize("rules", [FIXED, MOVES])
def test_2_and_3_a_partial_immediate_fill_in_every_order(rules: Capabilities) -> None:
    fills = [("t1", "0.35"), ("t2", "0.25"), ("t3", "0.15"), ("t4", "0.25")]
    steps = {key: fill(key, qty) for key, qty in fills} | {"reply": took(filled=fills[:2]), "open": opened()}
    for order in orders(steps):
        desk = start(rules)
        for number, step in enumerate(order):
            step(desk)
            assert desk.parent().exposure == D("1.0"), number
        assert len(desk.sent(Place)) == 1
        settle(desk, FILLED)
        is_over(desk, "filled", "1.0")
        assert len(desk.engine.children) == 1


def test_2_after_the_reply_the_rest_is_active() -> None:
    desk = start()
    took(filled=[("t1", "0.35"), ("t2", "0.25")])(desk)
    child = desk.child()
    assert (child.leaves, child.open, desk.parent().done) == (D("0.4"), True, None)


def test_2_a_total_and_its_executions_in_every_order_count_once() -> None:
    truth = Capabilities(chain=Chain.RESTARTS, end_is_final=False)
    fills = {key: fill(key, qty) for key, qty in (("t1", "0.35"), ("t2", "0.25"), ("t3", "0.15"), ("t4", "0.25"))}
    for order in orders(fills | {"reply": took(cum_qty="0.6", avg_px="100")}):
        desk = start(truth)
        for step in order:
            step(desk)
        is_over(desk, "filled", "1.0")


def test_4_fills_lost_in_a_disconnect_come_by_backfill() -> None:
    truth = Capabilities(chain=Chain.RESTARTS, end_is_final=False)
    again = {key: fill(key, qty) for key, qty in (("t1", "0.35"), ("t2", "0.25"), ("t3", "0.4"))}
    for order in orders(again):
        desk = start(truth)
        took(cum_qty="0.6", avg_px="100")(desk)
        fill("t3", "0.4")(desk)
        for step in order:
            step(desk)
        assert desk.parent().cum == 1
        is_over(desk, "filled", "1.0")


def test_5_replayed_fills_change_nothing() -> None:
    steps = {"t1": fill("t1", "0.35"), "t2": fill("t2", "0.25"), "t3": fill("t3", "0.15"), "t4": fill("t4", "0.25")}
    replayed = {"again": said(execution("t1", "0.35"), execution("t2", "0.25"))}
    for order in orders(steps | replayed, "t1<again", "t2<again"):
        desk = start()
        took(filled=[("t1", "0.35"), ("t2", "0.25")])(desk)
        for step in order:
            step(desk)
        is_over(desk, "filled", "1.0")


@pytest.mark.parametrize("rules", [FIXED, MOVES])
def test_6_the_rest_of_an_ioc_order_is_over(rules: Capabilities) -> None:
    steps = {"reply": took(filled=[("t1", "136")], word=CANCELED), "t1": fill("t1", "136")}
    steps["end"] = lambda desk: desk.ended(cl="d1-1")
    for order in orders(steps):
        desk = start(rules, "200", time_in_force=TimeInForce.IOC)
        for step in order:
            step(desk)
        settle(desk, CANCELED)
        is_over(desk, "canceled", "136")
        assert desk.child().canceled_qty == 64


def test_7_an_ioc_order_that_met_nobody_is_rejected_and_not_tried_again() -> None:
    desk = start(time_in_force=TimeInForce.IOC, resubmit=rule("0"))
    desk.refused(desk.last(Place))
    is_over(desk, "rejected", "0")
    assert desk.child().order_id is None


# ---------------------------------------------------------------------- replaces (10, 11, 12, 13, 14)


def moved(qty: str, order_id: str = "O2") -> Step:
    def step(desk: Driven) -> None:
        op = desk.sent(Replace)[0]
        desk.feed(desk.report(ExecType.REPLACED, order_id, op.cl_ord_id, orig_cl_ord_id="d1-1", ord_status=NEW,
                              order_qty=qty, price=str(op.price)))  # fmt: skip

    return step


@pytest.mark.parametrize("final", [False, True])
def test_10_and_11_a_replace_moves_the_order_whatever_is_told_first(final: bool) -> None:
    rules = Capabilities(**KIND | {"end_is_final": final}, can_replace=True, replace_guarded=True, replace_qty=ReplaceQty.OPEN)
    steps: dict[str, Step] = {
        "off": lambda desk: desk.ended("O1", cl="d1-1"), "open": moved("1.0"),
        "reply": lambda desk: desk.done(desk.last(Replace)),
    }  # fmt: skip
    for order in orders(steps):
        desk = resting(rules, resubmit=rule("0"))
        desk.amend(price="101")
        for step in order:
            step(desk)
            assert desk.parent().exposure == 1
        settle(desk, NEW, "O2", order_qty="1.0", price="101")
        assert len(desk.sent(Place)) == len(desk.sent(Replace)) == 1
        child = desk.child()
        assert (child.order_id, child.open_at_venue, child.price, desk.parent().done) == ("O2", True, 101, None)
        (cancel,) = desk.stop()
        assert (cancel.order_id, type(cancel)) == ("O2", Cancel)  # type: ignore[union-attr]


def test_10_a_refused_second_replace_ends_nothing() -> None:
    desk = resting()
    desk.amend(price="101")
    moved("1.0")(desk)
    (again,) = desk.amend(price="102")
    assert again.order_id == "O2"  # type: ignore[union-attr]
    (query,) = desk.refused(again)
    desk.looked(query, desk.report(None, "O2", ord_status=NEW, order_qty="1.0", price="101"))
    assert desk.child().open_at_venue
    assert desk.outcomes() == []


def test_11_an_end_alone_is_asked_about_by_our_own_id_before_anything_else() -> None:
    desk = resting(resubmit=rule("0"))
    desk.amend(price="101")
    desk.ended("O1", cl="d1-1")
    desk.unknown(desk.last(Replace))
    (query,) = desk.wait()
    assert query.cl_ord_id == "d1-1"  # type: ignore[union-attr]
    assert desk.parent().exposure == 1
    desk.looked(query, desk.report(None, "O2", "d1-1", ord_status=NEW, order_qty="1.0", price="101"))
    assert len(desk.sent(Place)) == 1
    assert desk.child().order_id == "O2"
    assert desk.child().open_at_venue


def test_12_a_replace_that_loses_against_the_fill_is_followed_by_nothing() -> None:
    steps: dict[str, Step] = {
        "no": lambda desk: desk.refused(desk.last(Replace)), "t1": fill("t1", "1.0"),
        "word": lambda desk: desk.feed(desk.report(None, ord_status=FILLED)),
    }  # fmt: skip
    for order in orders(steps):
        desk = resting(resubmit=rule("0"))
        desk.amend(price="101")
        for step in order:
            step(desk)
        settle(desk, FILLED, "O1", ("t1", "1.0"))
        assert len(desk.sent(Place)) == len(desk.sent(Replace)) == 1
        is_over(desk, "filled", "1.0")


def test_13_a_replace_refused_after_its_cancel_half_leaves_the_rest_to_the_policy() -> None:
    steps: dict[str, Step] = {
        "no": lambda desk: desk.refused(desk.last(Replace)), "off": lambda desk: desk.ended("O1"), "t1": fill("t1", "0.3"),
    }  # fmt: skip
    for order in orders(steps):
        desk = resting(filled="0.3", resubmit=rule("0"))
        desk.amend(price="101")
        for step in order:
            step(desk)
            assert len(desk.sent(Place)) == 1, "not before the end is proven"
        settle(desk, CANCELED, "O1", ("t1", "0.3"))
        assert [op.terms.order_qty for op in desk.sent(Place)] == [1, D("0.7")]
        assert desk.sent(Place)[1].cl_ord_id == "d1-2"
        assert desk.parent().exposure == 1


def test_14_a_replacement_that_a_fill_made_too_large_is_shrunk_and_told() -> None:
    for order in orders({"t1": fill("t1", "0.165"), "open": moved("1.0"), "off": lambda desk: desk.ended("O1", cl="d1-1")}):
        desk = resting()
        (replace,) = desk.amend(price="101")
        assert (replace.order_qty, replace.cum_qty) == (1, 0)  # type: ignore[union-attr]
        desk.take()
        for step in order:
            step(desk)
        # Where the fill of the old leg comes last, the next word about the new one tells how much that is for.
        desk.feed(desk.report(None, "O2", ord_status=NEW, order_qty="1.0"))
        (shrink,) = desk.sent(Replace)[1:]
        assert (shrink.order_id, shrink.order_qty, shrink.cum_qty) == ("O2", D("0.835"), D("0.165"))
        assert len(desk.alarms(AlarmKind.EXPOSURE)) == 1
        assert len(desk.sent(Place)) == 1


# ---------------------------------------------------------------------- cancels (15, 16)


@pytest.mark.parametrize(
    ("fills", "word", "outcome", "cum"),
    [([("t1", "0.4")], FILLED, "filled", "0.4"), ([("t1", "0.1")], CANCELED, "canceled", "0.1")],
)
def test_15_a_cancel_loses_against_a_fill(fills: list[tuple[str, str]], word: OrdStatus, outcome: str, cum: str) -> None:
    steps: dict[str, Step] = {
        "no": lambda desk: desk.refused(desk.last(Cancel)), "word": lambda desk: desk.feed(desk.report(None, ord_status=word)),
    } | {key: fill(key, qty) for key, qty in fills}  # fmt: skip
    for order in orders(steps):
        desk = resting(qty="0.4", resubmit=rule("0"))
        desk.stop()
        for step in order:
            step(desk)
        settle(desk, word, "O1", *fills)
        assert (len(desk.sent(Place)), len(desk.sent(Cancel))) == (1, 1)
        is_over(desk, outcome, cum)


def test_15c_an_order_that_worked_and_is_not_known_stays_open_until_its_fills_are_seen() -> None:
    desk = resting(qty="0.4")
    desk.stop()
    (query,) = desk.refused(desk.last(Cancel))
    desk.looked(query)
    assert desk.parent().exposure == D("0.4")
    assert desk.outcomes() == []
    fill("t1", "0.4")(desk)
    settle(desk, FILLED)
    is_over(desk, "filled", "0.4")


def test_16_a_fill_that_comes_after_the_cancel_counts() -> None:
    steps: dict[str, Step] = {
        "yes": lambda desk: desk.done(desk.last(Cancel)), "t2": fill("t2", "0.1"), "off": lambda desk: desk.ended("O1"),
        "again": fill("t1", "0.6"),
    }  # fmt: skip
    for order in orders(steps):
        desk = resting(filled="0.6", resubmit=rule("0"))
        desk.stop()
        for step in order:
            step(desk)
        settle(desk, CANCELED, "O1", ("t1", "0.6"), ("t2", "0.1"))
        is_over(desk, "canceled", "0.7")
        assert desk.child().canceled_qty == D("0.3")


# ---------------------------------------------------------------------- lost placements and fallbacks (17, 18, 19)


@pytest.mark.parametrize("filled", [[("t1", "0.6")], []])
def test_17_a_lost_placement_is_found_by_its_id_and_never_sent_again(filled: list[tuple[str, str]]) -> None:
    steps: dict[str, Step] = {"lost": lambda desk: desk.unknown(desk.last(Place)), "open": opened()}
    steps |= {key: fill(key, qty) for key, qty in filled}
    for order in orders(steps):
        desk = start(resubmit=rule("0"))
        for step in order:
            step(desk)
        settle(desk, NEW, "O1", *filled, order_qty="1.0")
        assert len(desk.sent(Place)) == 1
        assert (desk.parent().cum, desk.parent().exposure) == (sum(D(qty) for _, qty in filled), 1)
        assert desk.child().open_at_venue


def test_17c_an_order_that_can_never_exist_is_over() -> None:
    desk = start(resubmit=rule("0"))
    desk.unknown(desk.last(Place))
    (query,) = desk.wait()
    assert desk.looked(query) == []
    is_over(desk, "rejected", "0")


def test_18_the_rest_goes_on_in_a_successor_that_is_followed_to_its_end() -> None:
    fills = {"t2": fill("t2", "0.5", "O2"), "t3": fill("t3", "0.3", "O2")}
    fills |= {"reply": took(1, "O2", [("t2", "0.5")]), "open": opened("O2", "d1-2", "0.8")}
    for order in orders(fills):
        desk = resting(FIXED, filled="0.2")
        (cancel,) = desk.amend(price="101")
        desk.done(cancel)
        desk.ended("O1")
        settle(desk, CANCELED, "O1", ("t1", "0.2"))
        assert [(op.cl_ord_id, op.terms.order_qty) for op in desk.sent(Place)] == [("d1-1", 1), ("d1-2", D("0.8"))]
        for step in order:
            step(desk)
            assert desk.parent().exposure == 1
        settle(desk, FILLED, "O2")
        is_over(desk, "filled", "1.0")
        assert [child.cum for child in desk.parent().children] == [D("0.2"), D("0.8")]


def test_18b_no_successor_where_the_look_shows_that_it_filled() -> None:
    desk = resting(FIXED, filled="0.2")
    (cancel,) = desk.amend(price="101")
    (query,) = desk.refused(cancel)
    desk.looked(query, desk.report(None, ord_status=FILLED, executions=(execution("t1", "0.2"), execution("t2", "0.8"))))
    assert len(desk.sent(Place)) == 1
    is_over(desk, "filled", "1.0")


def test_19_of_a_batch_each_order_has_its_own_end() -> None:
    for order in permutations(range(3)):
        desk = Driven(MOVES)
        for ref in "abc":
            desk.submit("0.1", ref=ref)
        a, b, c = desk.sent(Place)
        replies: list[Step] = [
            took(0, "O131"), lambda desk, op=b: desk.refused(op), took(2, "O132", [("t1", "0.1")], FILLED),  # type: ignore[misc]
        ]  # fmt: skip
        for number in order:
            replies[number](desk)
        ended = [desk.parent(ref).done for ref in "abc"]
        assert ended == [None, "rejected", "filled"]
        assert [desk.parent(ref).exposure for ref in "abc"] == [D("0.1"), 0, D("0.1")]
        assert (a.cl_ord_id, c.cl_ord_id, len(desk.sent(Place))) == ("d1-1", "d3-1", 3)


def test_19_a_batch_refused_as_a_whole_leaves_nothing_live() -> None:
    desk = Driven(MOVES)
    for ref in "abc":
        desk.submit("0.1", ref=ref, resubmit=rule("0"))
    for op in desk.sent(Place):
        desk.refused(op)
    assert desk.outcomes() == [("rejected", D(0))] * 3
    assert desk.wait(60 * SECOND) == []
