"""Decisions that come too late, cancels that fail, holds that are over, modes that change, markets that lack our order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from partfill.core.remainder import Act
from partfill.core.remainder import decide as judge
from partfill.model.book import Book, Level
from partfill.model.capabilities import Capabilities
from partfill.model.commands import Decide, Restarted
from partfill.model.events import CommandRefused
from partfill.model.instrument import Instrument, TickBand
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.policy import CancelRest, Chase, Hold, Mode, Remainder
from partfill.model.reasons import Reason
from partfill.model.words import OrdStatus, Side
from tests.core.driven import PLAIN, SECOND, TOTAL, VENUE, D, Driven
from tests.core.test_handling import LIVE, book, decide, partly
from tests.core.test_handling_edges import replaced
from tests.core.test_remainder import seen, told

SHOWS = Capabilities(can_replace=True, book_shows_own=True)
TAGS = (("builder_code", "0x70"), ("strategy", "mean-reversion"))


# ---------------------------------------------------------------------- every event has its report


def test_a_decision_that_is_wanted_when_the_order_ends_is_told_as_too_late() -> None:
    desk = partly(Hold())
    desk.fill("more", "1")
    decide(desk, event=1)
    desk.fill("rest", "5")
    last = desk.reports()[-1]
    assert (last.verdict, last.event, last.remaining_qty, last.carried_out) == (Reason.ORDER_GONE, 2, 0, False)
    # The market that comes for it after that changes nothing.
    assert decide(desk, event=2) == []
    assert [report.event for report in desk.reports()] == [1, 2]


def test_what_was_decided_is_not_told_again_when_the_order_ends() -> None:
    desk = partly(Hold())
    decide(desk)
    desk.fill("rest", "6")
    assert [report.verdict for report in desk.reports()] == [Reason.HOLD_REMAINDER]


# ---------------------------------------------------------------------- a cancel that fails


def fails(desk: Driven, cancel: Cancel) -> None:
    """The venue refuses it, and shows the order as it was."""
    desk.refused(cancel)
    still = desk.report(None, ord_status=OrdStatus.PARTIALLY_FILLED, order_qty="10", cum_qty="4")
    desk.looked(desk.last(Query), still)


def test_a_cancel_of_the_rest_that_fails_three_times_is_told_and_tried_on() -> None:
    desk = partly(CancelRest())
    decide(desk)
    for count in range(6):
        fails(desk, desk.sent(Cancel)[count])
        failed = [report for report in desk.reports() if report.verdict is Reason.CANCEL_FAILED]
        assert len(failed) == (count >= 2)
        desk.wait(60 * SECOND)
    (report,) = failed
    assert (report.carried_out, report.remaining_qty, report.event) == (False, 6, 2)
    assert desk.parent().done is None
    assert len({op.cl_ord_id for op in desk.sent(Cancel)}) == 7


def test_a_cancel_that_fails_for_an_order_that_is_not_decided_on_has_no_report() -> None:
    plain = Driven(PLAIN)
    plain.submit()
    plain.acknowledge()
    plain.fill("first", "4")
    plain.stop()
    for count in range(4):
        fails(plain, plain.sent(Cancel)[count])
        plain.wait(60 * SECOND)
    assert plain.reports() == []


# ---------------------------------------------------------------------- a hold that is over


def test_after_a_hold_that_is_followed_by_a_chase_the_rest_goes_on_following_the_market() -> None:
    desk = partly(Hold(max_hold_ms=1000, after_hold=Remainder.CHASE, rechase_ms=100, chase_max_ticks=10), TOTAL)
    decide(desk, book(desk, "100.5"))
    desk.wait(SECOND)
    (first,) = decide(desk, book(desk, "101"))
    assert isinstance(first, Replace)
    replaced(desk, first)
    desk.wait(SECOND // 10)
    (second,) = decide(desk, book(desk, "101.5"))
    assert isinstance(second, Replace)
    assert (first.price, second.price) == (101, D("101.5"))
    assert desk.reports()[-1].reasons == (Reason.CHASE_ORDER_SUBMITTED, Reason.HOLD_EXPIRED)


def test_another_price_by_the_user_begins_the_hold_anew() -> None:
    desk = partly(Hold(max_hold_ms=1000, after_hold=Remainder.CHASE, rechase_ms=100, chase_max_ticks=10), TOTAL)
    decide(desk, book(desk, "100.5"))
    desk.wait(SECOND)
    (chased,) = decide(desk, book(desk, "101"))
    assert isinstance(chased, Replace)
    replaced(desk, chased)
    (amended,) = desk.amend(price="99")
    assert isinstance(amended, Replace)
    replaced(desk, amended)
    desk.fill("more", "1")
    assert decide(desk, book(desk, "102")) == []
    assert desk.reports()[-1].reasons == (Reason.HOLD_REMAINDER,)


# ---------------------------------------------------------------------- modes


def test_what_was_only_told_is_decided_anew_when_the_mode_goes_live() -> None:
    desk = partly(CancelRest())
    assert decide(desk, mode=Mode.SHADOW_ONLY) == []
    desk.feed(Restarted(desk="d", mode=LIVE))
    desk.take()
    assert [type(op) for op in decide(desk)] == [Cancel]
    assert [(report.mode, report.carried_out) for report in desk.reports()] == [(Mode.SHADOW_ONLY, False), (LIVE, True)]


@pytest.mark.parametrize("mode", [None, Mode.SHADOW_ONLY])
def test_a_restart_in_the_same_mode_wants_nothing_new(mode: Mode | None) -> None:
    desk = partly(CancelRest())
    decide(desk, mode=Mode.SHADOW_ONLY)
    desk.feed(Restarted(desk="d", mode=mode))
    assert desk.take_wanted() == []


def test_the_market_of_another_instrument_decides_nothing() -> None:
    desk = partly(CancelRest())
    ((_, event),) = desk.take_wanted()
    other = Instrument(symbol="OTHER", ticks=(TickBand(D(0), D(1)),))
    desk.feed(Decide(venue=VENUE, ref="p", event=event, instrument=other, mode=LIVE, book=book(desk)))
    refused = [each for each in desk.events if type(each) is CommandRefused]
    assert "p trades ACME, and the market that came is of OTHER" in refused[-1].reason
    assert desk.reports() == []
    assert [type(op) for op in decide(desk, event=event)] == [Cancel]


# ---------------------------------------------------------------------- a market that lacks our order


def around(bids: list[str], ask: str, size: str = "1", **also: Any) -> Book:
    said: dict[str, Any] = {"instrument": "TOKEN"} | also
    return Book(bids=tuple(Level(D(px), D(500)) for px in bids), asks=(Level(D(ask), D(size)),), **said)


def test_a_thin_book_that_lacks_our_own_order_takes_nothing_off() -> None:
    poisoned = around(["0.61", "0.60"], "0.63", as_of=seen().now)
    thin = seen(Hold(), book=poisoned, thin_since=1)
    assert told(judge(thin)) == (Act.CANCEL, (Reason.BOOK_THIN_CANCEL,))
    ours = replace(thin, rests_at=D("0.62"), rests_since=1)
    assert told(judge(ours)) == (Act.HOLD, (Reason.BOOK_UNAVAILABLE, Reason.BOOK_IMPLAUSIBLE))
    whole = replace(ours, book=around(["0.62", "0.61"], "0.63", as_of=thin.now))
    assert told(judge(whole)) == (Act.CANCEL, (Reason.BOOK_THIN_CANCEL,))


@pytest.mark.parametrize(
    ("bids", "believed"),
    [([], False), (["0.61"], False), (["0.61", "0.60", "0.59", "0.58", "0.57"], False), (["0.62"], True),
     (["0.67", "0.66", "0.65", "0.64", "0.63"], True), (["0.66", "0.65", "0.64", "0.63"], False)],
)  # fmt: skip
def test_our_order_has_to_be_where_the_book_reaches(bids: list[str], believed: bool) -> None:
    shown = around(bids, "0.68", "100000", as_of=seen().now)
    verdict = judge(seen(Hold(), book=shown, rests_at=D("0.62"), rests_since=1))
    assert (Reason.BOOK_IMPLAUSIBLE not in verdict.reasons) is believed


def test_a_sell_has_to_be_among_the_asks() -> None:
    shown = Book(instrument="TOKEN", bids=(Level(D("0.61"), D(9000)),), asks=(Level(D("0.64"), D(1)),), as_of=seen().now)
    for asked, believed in (("0.64", True), ("0.63", False), ("0.65", False)):
        verdict = judge(seen(Hold(), side=Side.SELL, price=asked, book=shown, rests_at=D(asked), rests_since=1))
        assert (Reason.BOOK_IMPLAUSIBLE not in verdict.reasons) is believed


def test_a_book_from_before_the_order_rested_need_not_show_it() -> None:
    shown = around(["0.61"], "0.63", "100000", as_of=seen().now - 5)
    verdict = judge(seen(Hold(), book=shown, rests_at=D("0.62"), rests_since=seen().now - 5))
    assert told(verdict) == (Act.HOLD, (Reason.HOLD_REMAINDER,))


def test_through_the_desk_a_book_without_our_order_is_no_book_and_one_with_it_is() -> None:
    desk = partly(Chase(3), SHOWS)
    desk.wait(SECOND)
    assert decide(desk, book(desk, "101.5")) == []
    assert desk.reports()[-1].reasons == (Reason.BOOK_UNAVAILABLE, Reason.BOOK_IMPLAUSIBLE)
    desk.wait(3 * SECOND)
    ours = Book(instrument="ACME", bids=(Level(D(100), D(6)),), asks=(Level(D(101), D(100)),), as_of=desk.now)
    (op,) = decide(desk, ours)
    assert isinstance(op, Replace)
    # Until the venue has answered, either price may be there.
    desk.fill("more", "1")
    decide(desk, book(desk, "101.5"))
    assert desk.reports()[-1].verdict is Reason.CHASE_ORDER_SUBMITTED


# ---------------------------------------------------------------------- what goes along


@pytest.mark.parametrize("rules", [PLAIN, TOTAL])
def test_every_order_of_a_chase_carries_the_tags_and_its_reports_the_builder_code(rules: Capabilities) -> None:
    desk = partly(Chase(3), rules, tags=TAGS)
    (op,) = decide(desk, book(desk, "101"))
    if isinstance(op, Cancel):
        desk.ended(order_id="O1")
        (op,) = desk.take()
    assert isinstance(op, Place | Replace)
    assert (op.terms.tags if isinstance(op, Place) else op.tags) == TAGS
    assert desk.sent(Place)[0].terms.tags == TAGS
    assert desk.reports()[-1].builder_code == "0x70"
