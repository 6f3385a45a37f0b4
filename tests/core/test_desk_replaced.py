"""An order that somebody else replaced: what is left of it may work under an order that nobody named yet."""

from __future__ import annotations

import pytest

from partfill.core.waiting import MANY
from partfill.model.capabilities import Capabilities, Chain, ReplaceQty
from partfill.model.commands import Untrack
from partfill.model.events import AlarmKind
from partfill.model.observations import OrderLinked, OrderSnapshot
from partfill.model.operations import Place, Query
from partfill.model.words import ExecType, Flag, OrdStatus
from tests.core.driven import SECOND, VENUE, Driven, rule, working

BROKER = Capabilities(chain=Chain.RESTARTS, replace_qty=ReplaceQty.OPEN, end_is_final=False)
FINAL = Capabilities(chain=Chain.RESTARTS, replace_qty=ReplaceQty.OPEN)
LINK = OrderLinked(venue=VENUE, order_id="O1", new_order_id="O2")


def replaced_by_hand(rules: Capabilities = BROKER) -> Driven:
    """Four of ten filled, then the venue says that the order was replaced."""
    desk = working(rules, filled="4", resubmit=rule())
    desk.feed(gone(desk))
    return desk


def gone(desk: Driven) -> OrderSnapshot:
    """The venue's word that the first order is no more, and that it was replaced."""
    return desk.report(None, "O1", ord_status=OrdStatus.CANCELED, replaced=True, order_qty="10", cum_qty="4")


@pytest.mark.parametrize("rules", [BROKER, FINAL], ids=["asked once more", "final"])
@pytest.mark.parametrize("known", [True, False], ids=["shown", "unknown by now"])
def test_nothing_is_placed_in_the_stead_of_an_order_that_went_on_elsewhere(rules: Capabilities, known: bool) -> None:
    desk = replaced_by_hand(rules)
    for _ in range(MANY + 2):
        (query,) = desk.take() or desk.wake()
        assert isinstance(query, Query)
        desk.looked(query, gone(desk) if known else None)
    assert len(desk.sent(Place)) == 1
    assert desk.parent().exposure == 10
    assert len(desk.alarms(AlarmKind.MISSING)) == 1
    assert "nothing is placed in its stead" in desk.alarms(AlarmKind.MISSING)[0]


def test_once_it_is_named_it_is_followed_and_its_end_is_the_end() -> None:
    desk = replaced_by_hand()
    (query,) = desk.take()
    desk.feed(LINK, desk.report(None, "O2", ord_status=OrdStatus.NEW, order_qty="6"))
    child = desk.child()
    assert (child.order_id, child.order_qty, child.leaves, child.flags & Flag.REPLACED) == ("O2", 10, 6, 0)
    # The word about the order before it comes again and changes nothing.
    desk.looked(query, gone(desk))
    assert not child.flags & Flag.REPLACED
    assert child.leaves == 6
    desk.fill("second", "1", "O2")
    desk.ended("O2")
    for asked in desk.wake():
        desk.looked(asked, desk.report(None, "O2", ord_status=OrdStatus.CANCELED, order_qty="6", cum_qty="1"))
    assert desk.resubmitted() == [5]


def test_a_successor_that_is_named_first_makes_no_doubt() -> None:
    desk = working(BROKER, filled="4", resubmit=rule())
    desk.feed(LINK, gone(desk), desk.report(None, "O2", ord_status=OrdStatus.NEW, order_qty="6"))
    assert (desk.child().leaves, desk.child().flags & Flag.REPLACED) == (6, 0)
    assert desk.wait(60 * SECOND) == []


def test_what_filled_whole_before_it_was_replaced_is_done() -> None:
    desk = working(BROKER, filled="10", resubmit=rule())
    desk.feed(desk.report(None, "O1", ord_status=OrdStatus.CANCELED, replaced=True, order_qty="10", cum_qty="10"))
    assert desk.outcomes() == [("filled", 10)]


def test_an_order_that_went_on_elsewhere_can_be_released() -> None:
    desk = replaced_by_hand()
    desk.feed(Untrack(venue=VENUE, ref="p"))
    desk.take()
    assert desk.outcomes() == [("released", 4)]
    desk.ended("O1", ExecType.CANCELED)
    assert [op for op in desk.wait(600 * SECOND) if not isinstance(op, Query)] == []
