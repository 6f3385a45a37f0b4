"""Two orders that turn out to be one: what was said of either holds for both."""

from __future__ import annotations

from decimal import Decimal

import pytest

from partfill.core.child import Child
from partfill.model.capabilities import Capabilities, Chain
from partfill.model.inputs import DayRolled, RequestSent
from partfill.model.words import ExecType, OrdStatus, Request, Side
from tests.core.driven import TOTAL, working
from tests.core.evidence import CLIENT, ORDER, VENUE, Desk, fill, placed, report, void

D = Decimal
UNNAMED = placed("10", order_id=None)
"""Our order, before anybody knows the venue's id."""


def joined(desk: Desk) -> Child:
    """The venue's first word that names both ids, said before all else."""
    desk.hear(report(ExecType.NEW, cl_ord_id=CLIENT, qty="10", as_of=10))
    return desk.child


def test_a_message_that_was_heard_of_the_parked_order_is_a_repeat_afterwards() -> None:
    cut = report(ExecType.RESTATED, key="d", reduced_qty=D(3), as_of=20)
    desk = Desk(None, UNNAMED, cut)
    assert joined(desk).leaves == 7
    assert desk.hear(cut).duplicate
    assert desk.child.leaves == 7


def test_a_state_that_was_told_of_the_parked_order_is_that_of_both() -> None:
    desk = Desk(None, UNNAMED, report(ExecType.SUSPENDED, ord_status=OrdStatus.SUSPENDED))
    desk.hear(fill("x", "1", cl_ord_id=CLIENT))
    assert (desk.child.status, desk.child.cum) == (OrdStatus.SUSPENDED, 1)


def test_an_id_that_the_parked_order_had_left_is_left() -> None:
    gone = report(ExecType.REPLACED, order_id="O2", cl_ord_id="B", orig_cl_ord_id="A", qty="12")
    desk = Desk(None, report(ExecType.NEW, order_id="O1", cl_ord_id="A", qty="10"), gone)
    desk.hear(report(ExecType.CANCELED, order_id="O1", cl_ord_id="A"))
    assert (desk.child.leaves, desk.child.order_id) == (12, "O2")


@pytest.mark.parametrize("told", [True, False], ids=["told by a report", "by its first fill"])
def test_what_a_new_leg_fills_is_of_the_day_on_which_it_began(told: bool) -> None:
    desk = Desk(Capabilities(chain=Chain.RESTARTS), placed("10"), DayRolled(venue=VENUE), fill("w", "1"))
    if told:
        desk.hear(report(ExecType.REPLACED, order_id="O2", cl_ord_id="B", orig_cl_ord_id=CLIENT, qty="10"))
    desk.hear(fill("x", "4", order_id="O2", cl_ord_id="B" if told else CLIENT))
    assert desk.child.day_cum_qty == 5
    desk.hear(void("x", order_id="O2"))
    assert desk.child.day_cum_qty == 1


def test_a_rejected_request_of_an_order_that_has_ended_leaves_its_end() -> None:
    sent = RequestSent(venue=VENUE, request=Request.CANCEL, cl_ord_id="c2", orig_cl_ord_id=CLIENT)
    desk = Desk(None, placed("10"), report(ExecType.NEW, cl_ord_id=CLIENT), report(ExecType.CANCELED, as_of=30), sent)
    ends = desk.child.ledger.ends
    desk.hear(report(ExecType.REJECTED, cl_ord_id="c2", orig_cl_ord_id=CLIENT, ord_status=OrdStatus.REJECTED, qty="10"))
    assert (desk.child.status, desk.child.ledger.ends, desk.child.in_flight) == (OrdStatus.CANCELED, ends, None)


def test_no_report_takes_the_id_of_an_order_of_ours_whose_end_is_not_proven() -> None:
    desk = working(TOTAL)
    other = desk.report(
        ExecType.NEW, ORDER, "theirs", instrument="OTHER", side=Side.BUY, order_qty="5", cum_qty="0", as_of=desk.now + 10
    )
    desk.feed(other)
    desk.fill("x", "4")
    assert (desk.child().cum, desk.parent().cum, desk.parent().done) == (4, 4, None)
    assert desk.engine.index.by_order[VENUE, "", ORDER].child is desk.child()
