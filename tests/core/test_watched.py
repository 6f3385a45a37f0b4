"""Protection where a venue takes no stops, or holds no order to the position: what is watched, and one budget for all legs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from partfill.core.triggers import MAX_AGE_NS, closing_px
from partfill.model.book import Book, Level
from partfill.model.capabilities import Capabilities
from partfill.model.commands import KillSwitch, Protect, Restarted, Submit
from partfill.model.events import AlarmKind, ProtectionCovered, ProtectionFired
from partfill.model.inputs import MarketSeen
from partfill.model.numbers import NotANumber
from partfill.model.operations import Cancel, Place, Replace
from partfill.model.protection import Budget, Leg
from partfill.model.words import OrdType, Side, TimeInForce
from tests.core.driven import PLAIN, SECOND, TOTAL, VENUE, D, terms
from tests.core.test_protection import STOP, TARGET, Market

NO_STOPS = Capabilities(stops=False)
NO_STOPS_GUARDED = Capabilities(stops=False, reduce_only=True)
GUARDED = Capabilities(reduce_only=True)
BOTH = pytest.mark.parametrize("rules", [NO_STOPS, NO_STOPS_GUARDED], ids=["free", "reduce_only"])


def book(bid: str | None, ask: str | None, as_of: int, qty: str = "500") -> Book:
    """One level a side."""
    bids = () if bid is None else (Level(D(bid), D(qty)),)
    return Book(instrument="ACME", bids=bids, asks=() if ask is None else (Level(D(ask), D(qty)),), as_of=as_of)


class Watched(Market):
    """A market that somebody looks at."""

    def __init__(self, rules: Capabilities, *legs: Leg, **also: Any) -> None:
        super().__init__(rules, *legs, **({"budget": Budget.SHARED} | also))

    def shows(self, bid: str | None, ask: str | None, *, answers: bool = True, age: int = 0, qty: str = "500") -> None:
        """What the market is now."""
        self.feed(MarketSeen(venue=VENUE, instrument="ACME", book=book(bid, ask, self.now - age, qty)))
        if answers:
            self.answer()

    def fired(self) -> list[tuple[str, Decimal]]:
        return [(event.leg, event.px) for event in self.events if type(event) is ProtectionFired]

    def worst(self) -> Decimal:
        """What may fill of all that protects, at the venue and on the way to it."""
        works = sum((total - filled for leg, total, filled in self.orders.values() if leg in ("stop", "target")), D(0))
        return works + sum((op.terms.order_qty or D(0) for op in self.fresh if isinstance(op, Place)), D(0))


# ---------------------------------------------------------------------- a stop that is no order


@BOTH
@pytest.mark.parametrize("side", Side)
def test_a_stop_is_watched_and_closes_what_is_held_once_its_price_is_reached(rules: Capabilities, side: Side) -> None:
    long = side is Side.BUY
    market = Watched(rules, Leg(name="stop", stop_px=D(95 if long else 105)), side=side)
    market.enters("100", "40", "60")
    assert market.orders == {}
    for bid, ask in (("99", "101"), ("96", "104"), ("95.01", "104.99")):
        market.shows(bid, ask)
    assert market.fired() == []
    market.shows(*(("95", "97") if long else ("103", "105")), answers=False)
    assert market.fired() == [("stop", D(95 if long else 105))]
    (place,) = market.take()
    assert isinstance(place, Place)
    said = place.terms
    assert (said.order_qty, said.ord_type, said.time_in_force) == (100, OrdType.MARKET, TimeInForce.IOC)
    assert (said.stop_px, said.price, said.reduce_only) == (None, None, rules.reduces)
    assert said.side is (Side.SELL if long else Side.BUY)


def test_a_stop_with_a_limit_rests_at_that_limit_once_it_is_reached() -> None:
    market = Watched(NO_STOPS, Leg(name="stop", stop_px=D(95), price=D(94)))
    market.enters("100", "30")
    market.shows("94.5", "96")
    (place,) = market.sent(Place)[1:]
    assert (place.terms.order_qty, place.terms.price, place.terms.time_in_force) == (30, 94, TimeInForce.GTC)
    # The rest of the entry fills on: it is to be closed too, whatever the price is by now.
    market.enters("100", "70")
    assert market.works("stop") == 100
    market.shows("99", "100")
    assert market.works("stop") == 100


def test_what_the_market_did_not_take_is_tried_again_until_the_position_is_closed() -> None:
    market = Watched(NO_STOPS, Leg(name="stop", stop_px=D(95)))
    market.enters("100", "100")
    market.shows("94", "96")
    for part in ("30", "30", "40"):
        (name,) = market.orders
        market.trades("stop", part, answers=False)
        if market.position:
            market.ends(name)
            market.fresh = market.wake()
            market.answer()
    assert market.position == 0
    assert market.alarms(AlarmKind.UNPROTECTED) == []
    sold = [op.terms.order_qty for op in market.sent(Place) if op.terms.side is Side.SELL]
    assert sold == [100, 70, 40]


def test_after_the_position_was_closed_the_stop_is_watched_anew() -> None:
    market = Watched(NO_STOPS, Leg(name="stop", stop_px=D(95)))
    market.enters("100", "100")
    market.shows("94", "96")
    market.trades("stop", "100")
    market.enters("50", "50", ref="again")
    assert market.orders == {}
    market.shows("99", "100")
    assert len(market.fired()) == 1
    market.shows("95", "96")
    assert len(market.fired()) == 2


def test_nothing_fires_without_a_position_or_on_the_other_side() -> None:
    market = Watched(NO_STOPS, Leg(name="stop", stop_px=D(95)))
    market.shows("90", "91")
    market.enters("10", "10", ref="short", side=Side.SELL)
    market.shows("90", "91")
    assert (market.fired(), market.orders) == ([], {})


def test_a_side_on_which_nobody_is_goes_by_the_other() -> None:
    assert closing_px(book(None, "94", 0), Side.BUY) == 94
    assert closing_px(book("106", None, 0), Side.SELL) == 106
    assert closing_px(book(None, None, 0), Side.BUY) is None
    market = Watched(NO_STOPS, Leg(name="stop", stop_px=D(95)), TARGET)
    market.enters("10", "10")
    market.shows(None, None)
    market.shows(None, "96")
    assert market.fired() == []
    market.shows(None, "95")
    assert market.fired() == [("stop", D(95))]


# ---------------------------------------------------------------------- who sees the market


def test_while_nobody_sees_the_market_nothing_is_covered_and_that_is_told_once() -> None:
    market = Watched(NO_STOPS, Leg(name="stop", stop_px=D(95)))
    market.enters("100", "100")
    (protection,) = market.engine.desk.protections.values()
    assert not protection.covered
    market.shows("99", "101")
    assert protection.covered
    for _ in range(3):
        market.feed(MarketSeen(venue=VENUE, instrument="ACME"))
    assert not protection.covered
    said = "nobody sees the market of ACME: what is watched there (stop) does not protect"
    assert market.alarms(AlarmKind.UNPROTECTED) == [said]
    market.now += 7 * SECOND
    market.shows("99", "101")
    assert protection.covered
    covered = [event for event in market.events if type(event) is ProtectionCovered]
    assert covered[-1].after_ns > 7 * SECOND


def test_an_old_book_is_not_believed() -> None:
    market = Watched(NO_STOPS, Leg(name="stop", stop_px=D(95)))
    market.enters("100", "100")
    market.shows("90", "91", age=MAX_AGE_NS + SECOND)
    assert market.fired() == []
    assert market.alarms(AlarmKind.UNPROTECTED)
    market.shows("90", "91", age=MAX_AGE_NS - SECOND)
    assert market.fired() == [("stop", D(90))]


def test_after_a_restart_the_market_has_to_be_seen_again_and_what_fired_goes_on() -> None:
    market = Watched(NO_STOPS, Leg(name="stop", stop_px=D(95), price=D(94)))
    market.enters("100", "100")
    market.shows("99", "101")
    market.feed(Restarted(desk="d"))
    market.fresh = []
    (protection,) = market.engine.desk.protections.values()
    assert not protection.covered
    market.shows("95", "97")
    assert market.works("stop") == 100
    market.feed(Restarted(desk="d"))
    market.fresh = [op for op in market.take() if op.order_id != "entry"]
    market.answer()
    assert market.works("stop") == 100
    assert len(market.fired()) == 1


def test_under_the_kill_switch_nothing_fires_and_after_it_what_is_reached_does() -> None:
    market = Watched(NO_STOPS, Leg(name="stop", stop_px=D(95)))
    market.enters("100", "100")
    market.feed(KillSwitch(venue=VENUE, on=True, by="operator"))
    market.shows("90", "91")
    assert (market.fired(), market.orders) == ([], {})
    market.feed(KillSwitch(venue=VENUE, on=False, by="operator"))
    market.shows("90", "91")
    assert market.works("stop") == 100


# ---------------------------------------------------------------------- one budget


@pytest.mark.parametrize("rules", [PLAIN, TOTAL])
def test_at_a_venue_that_holds_nothing_to_the_position_the_target_is_watched(rules: Capabilities) -> None:
    market = Watched(rules, STOP, TARGET)
    market.enters("100", "60", "40")
    market.shows("100", "101")
    assert market.legs == (100, 0)
    (protection,) = market.engine.desk.protections.values()
    assert protection.covered
    # The price of the target is there: the stop makes room first, and only then is the target asked for.
    market.shows("110", "111", answers=False)
    ops = market.take()
    assert {type(op) for op in ops} == {Cancel}
    for op in ops:
        market.does(op)
        assert market.worst() <= 100
    market.answer()
    assert market.legs == (0, 100)
    target = market.last(Place)
    assert (target.terms.price, target.terms.time_in_force) == (110, TimeInForce.IOC)
    # It takes what is there, and what is left is protected by the stop again.
    market.trades("target", "30", answers=False)
    for name in list(market.orders):
        market.ends(name)
    market.answer()
    assert market.position == 70
    assert market.legs == (70, 0)
    assert protection.covered


def test_a_target_takes_what_is_shown_and_the_stop_keeps_the_rest() -> None:
    market = Watched(TOTAL, STOP, TARGET, lot=D(1), min_qty=D(5))
    market.enters("100", "100")
    market.shows("110", "111", qty="4.9")
    assert market.fired() == []
    market.shows("110", "111", qty="12.5")
    assert market.legs == (88, 12)
    assert [event.qty for event in market.events if type(event) is ProtectionFired] == [12]
    market.trades("target", "12")
    assert market.legs == (88, 0)
    # What is bid below the target is none of its.
    levels = (Level(D(110), D(7)), Level(D(109), D(100)))
    market.feed(
        MarketSeen(venue=VENUE, instrument="ACME", book=Book(instrument="ACME", bids=levels, asks=(), as_of=market.now))
    )
    market.answer()
    assert market.legs == (81, 7)


def test_a_target_that_was_taken_off_waits_for_its_price_once_more() -> None:
    market = Watched(TOTAL, STOP, TARGET)
    market.enters("100", "100")
    market.shows("110", "111", qty="40")
    assert market.legs == (60, 40)
    market.feed(KillSwitch(venue=VENUE, on=True, by="op"))
    market.answer()
    assert market.legs == (0, 0)
    market.shows("100", "101")
    market.feed(KillSwitch(venue=VENUE, on=False, by="op"))
    market.answer()
    assert market.legs == (100, 0)
    assert len(market.fired()) == 1
    market.shows("110", "111", qty="40")
    assert market.legs == (60, 40)


def test_a_target_that_finds_nothing_is_not_tried_again_at_once() -> None:
    market = Watched(TOTAL, STOP, TARGET)
    market.enters("100", "100")
    market.shows("110", "111")
    (name,) = market.orders
    market.ends(name)
    market.answer()
    assert market.legs == (100, 0)
    market.shows("110", "111")
    assert len(market.fired()) == 1
    market.now += SECOND
    market.shows("110", "111")
    assert len(market.fired()) == 2


def test_a_watched_stop_takes_the_place_of_the_target_that_rests() -> None:
    market = Watched(NO_STOPS, STOP, TARGET)
    market.enters("100", "100")
    market.shows("100", "101")
    assert market.legs == (0, 100)
    market.trades("target", "40")
    assert market.legs == (0, 60)
    market.shows("95", "96", answers=False)
    (op,) = market.take()
    assert isinstance(op, Cancel)
    # The target fills on while its cancel is on its way: the stop closes what is left, and no more.
    market.trades("target", "25", answers=False)
    market.does(op)
    market.answer()
    assert market.position == 35
    assert market.legs == (35, 0)


def test_a_reduce_only_venue_has_both_at_work_and_a_watched_stop_waits_for_nobody() -> None:
    market = Watched(GUARDED, STOP, TARGET)
    market.enters("100", "100")
    assert market.legs == (100, 100)
    market = Watched(NO_STOPS_GUARDED, STOP, TARGET)
    market.enters("100", "100")
    assert market.legs == (0, 100)
    market.shows("95", "96", answers=False)
    (place,) = market.take()
    assert isinstance(place, Place)
    assert place.terms.reduce_only


def test_legs_that_fit_together_both_rest() -> None:
    half = D("0.5")
    legs = (Leg(name="stop", stop_px=D(95), share=half), Leg(name="target", price=D(110), share=half))
    market = Watched(TOTAL, *legs, lot=D(1))
    market.enters("100", "100")
    assert market.legs == (50, 50)


@pytest.mark.parametrize("rules", [PLAIN, TOTAL, NO_STOPS])
def test_other_legs_wait_until_those_before_are_gone(rules: Capabilities) -> None:
    market = Watched(rules, TARGET)
    market.enters("100", "100")
    market.feed(Protect(venue=VENUE, instrument="ACME", side=Side.BUY, legs=(Leg(name="near", price=D(105)),)))
    ops = market.take()
    assert [type(op) for op in ops] == [Cancel]
    market.fresh = ops
    market.answer()
    assert (market.works("target"), market.works("near")) == (0, 100)


def test_other_legs_work_before_those_before_leave_where_the_venue_holds_all_to_the_position() -> None:
    market = Watched(GUARDED, STOP)
    market.enters("100", "100")
    market.feed(Protect(venue=VENUE, instrument="ACME", side=Side.BUY, legs=(Leg(name="tight", stop_px=D(98)),)))
    (place,) = market.take()
    assert isinstance(place, Place)
    assert market.works("stop") == 100
    market.does(place)
    assert market.works("tight") == 100
    market.answer()
    assert (market.works("stop"), market.works("tight")) == (0, 100)


# ---------------------------------------------------------------------- entry and protection in one


def test_an_entry_brings_its_protection() -> None:
    market = Market(TOTAL)
    wish = Protect(venue=VENUE, instrument="ACME", side=Side.BUY, legs=(STOP,))
    market.feed(Submit(venue=VENUE, ref="entry", terms=terms("100"), bracket=wish))
    market.acknowledge(order_id="entry")
    market.enters("100", "40")
    assert market.legs == (40, 0)
    # The same again changes nothing, and one that is refused protects nothing.
    before = len(market.ops)
    market.feed(Submit(venue=VENUE, ref="entry", terms=terms("100"), bracket=wish))
    assert len(market.ops) == before
    refused = Market(TOTAL)
    refused.kill()
    refused.feed(Submit(venue=VENUE, ref="entry", terms=terms("100"), bracket=wish))
    assert refused.engine.desk.protections == {}


@pytest.mark.parametrize(
    ("name", "value"), [("instrument", "OTHER"), ("side", Side.SELL), ("venue", "other"), ("account", "a")]
)
def test_a_bracket_for_something_else_is_refused(name: str, value: Any) -> None:
    said: dict[str, Any] = {"venue": VENUE, "instrument": "ACME", "side": Side.BUY, "legs": (STOP,)} | {name: value}
    with pytest.raises(NotANumber, match="the bracket is for"):
        Submit(venue=VENUE, ref="entry", terms=terms("100"), bracket=Protect(**said))


def test_a_book_of_another_instrument_is_refused() -> None:
    with pytest.raises(NotANumber, match="the book is of ACME; it is to be of OTHER"):
        MarketSeen(venue=VENUE, instrument="OTHER", book=book("1", "2", 0))


def test_replaced_is_the_stop_and_not_taken_off_where_its_target_takes_a_part() -> None:
    legs = (STOP, Leg(name="target", price=D(110), share=D("0.3")))
    market = Watched(TOTAL, *legs, lot=D(1))
    market.enters("100", "100")
    market.shows("110", "111", answers=False)
    (op,) = market.take()
    assert isinstance(op, Replace)
    assert op.order_qty == 70
    market.does(op)
    market.answer()
    assert market.legs == (70, 30)
