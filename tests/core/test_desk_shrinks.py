"""Reduce-only orders that the venue cuts to the position in its own words: terms changed by the venue are not fought."""

from __future__ import annotations

import pytest

from partfill.model.capabilities import Capabilities
from partfill.model.commands import Restarted
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.words import ExecType, Side, TimeInForce
from tests.core.driven import GUARDED, PLAIN, SECOND, TOTAL, D, Driven
from tests.core.test_desk_traps import CANCELED, FIXED, MOVES, NEW, fill, orders, resting

ALL = [FIXED, MOVES, PLAIN, TOTAL, GUARDED]


def cut(desk: Driven) -> None:
    """The venue restates: 0.02 of 0.05, since that is the position."""
    desk.feed(desk.report(ExecType.RESTATED, "O1", "d1-1", ord_status=NEW, order_qty="0.02", leaves_qty="0.02",
                          restatement="decline", reason="reduce_only"))  # fmt: skip


@pytest.mark.parametrize("rules", ALL)
def test_9_a_shrink_is_the_venues_word_and_is_not_fought(rules: Capabilities) -> None:
    desk = resting(rules, qty="0.05", side=Side.SELL, reduce_only=True)
    cut(desk)
    assert desk.wait(60 * SECOND) == []
    assert (desk.child().order_qty, desk.child().leaves, desk.child().canceled_qty) == (D("0.02"), D("0.02"), D("0.03"))
    assert (desk.sent(Cancel), desk.sent(Replace), len(desk.sent(Place))) == ([], [], 1)


@pytest.mark.parametrize("rules", ALL)
def test_9_a_shrink_seen_by_looking_is_not_fought(rules: Capabilities) -> None:
    desk = resting(rules, qty="0.05", side=Side.SELL, reduce_only=True)
    desk.feed(Restarted(desk="d"))
    (query,) = desk.take()
    assert isinstance(query, Query)
    assert desk.looked(query, desk.report(None, "O1", ord_status=NEW, order_qty="0.02", leaves_qty="0.02")) == []
    assert desk.child().order_qty == D("0.02")


@pytest.mark.parametrize("rules", ALL)
def test_9_what_is_left_after_a_shrink_fills_and_nothing_follows(rules: Capabilities) -> None:
    steps = {"cut": cut, "t1": fill("t1", "0.015"), "t2": fill("t2", "0.005")}
    for order in orders(steps):
        desk = resting(rules, qty="0.05", side=Side.SELL, reduce_only=True)
        for step in order:
            step(desk)
        assert len(desk.sent(Place)) == 1
        assert (desk.sent(Cancel), desk.sent(Replace)) == ([], [])
        assert (desk.parent().cum, desk.parent().exposure) == (D("0.02"), D("0.02"))


@pytest.mark.parametrize("rules", ALL)
def test_9_a_shrunk_order_that_the_venue_ends_has_no_successor(rules: Capabilities) -> None:
    desk = resting(rules, qty="0.05", side=Side.SELL, reduce_only=True)
    cut(desk)
    desk.ended("O1", reason="reduceOnlyCanceled")
    for _ in range(3):
        for query in [op for op in desk.wait(3 * SECOND) if isinstance(op, Query)]:
            desk.looked(query, desk.report(None, "O1", ord_status=CANCELED))
    assert len(desk.sent(Place)) == 1
    assert (desk.parent().done, desk.parent().cum) == ("canceled", 0)


@pytest.mark.parametrize("rules", ALL)
def test_8_cut_to_the_position_when_it_comes_and_ended_with_it(rules: Capabilities) -> None:
    desk = Driven(rules)
    desk.submit("0.05", side=Side.SELL, reduce_only=True, time_in_force=TimeInForce.IOC)
    desk.feed(desk.report(ExecType.NEW, "O1", "d1-1", ord_status=NEW, order_qty="0.02", leaves_qty="0.02"))
    fill("t1", "0.02")(desk)
    for _ in range(3):
        for query in [op for op in desk.wait(3 * SECOND) if isinstance(op, Query)]:
            desk.looked(query, desk.report(None, "O1", ord_status=CANCELED))
    assert [type(op) for op in desk.ops if not isinstance(op, Query)] == [Place]
    assert (desk.parent().cum, desk.parent().exposure, desk.parent().active) == (D("0.02"), D("0.02"), [])


def test_9_a_shrink_that_a_question_shows_once_more_is_not_fought_either() -> None:
    desk = resting(TOTAL, qty="0.05", side=Side.SELL, reduce_only=True)
    cut(desk)
    desk.feed(Restarted(desk="d"))
    (query,) = desk.take()
    assert isinstance(query, Query)
    assert desk.looked(query, desk.report(None, "O1", ord_status=NEW, order_qty="0.02", leaves_qty="0.02")) == []
    desk.fill("t1", "0.01")
    assert desk.wait(60 * SECOND) == []
    assert (desk.sent(Cancel), desk.sent(Replace)) == ([], [])
