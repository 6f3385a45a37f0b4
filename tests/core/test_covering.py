"""Protective orders where a venue replaces nothing: what comes first, what leaves, and what is brought together."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from partfill.core.covering import CROWD
from partfill.model.capabilities import Capabilities
from partfill.model.commands import Protect
from partfill.model.events import AlarmKind
from partfill.model.numbers import NotANumber
from partfill.model.observations import ExecutionVoided
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.protection import Leg, OverClose, Retry
from partfill.model.words import ExecType, OrdStatus, OrdType, Side
from tests.core.driven import MS, PLAIN, SECOND, TOTAL, VENUE, D
from tests.core.test_protection import STOP, TARGET, Market

GUARDED = Capabilities(reduce_only=True)


def sizes(market: Market) -> list[Decimal]:
    """What works of the stop, order by order."""
    return sorted(total - filled for leg, total, filled in market.orders.values() if leg == "stop")


# ---------------------------------------------------------------------- held to the position by the venue


def test_what_is_too_much_leaves_only_once_its_successor_works() -> None:
    market = Market(GUARDED, STOP, TARGET)
    market.enters("100", "100")
    market.trades("target", "40", answers=False)
    (place,) = market.take()
    assert isinstance(place, Place)
    assert (place.terms.order_qty, place.terms.reduce_only) == (60, True)
    assert market.works("stop") == 100
    market.does(place)
    (cancel,) = market.take()
    assert isinstance(cancel, Cancel)
    assert market.works("stop") == 160
    market.does(cancel)
    market.answer()
    assert market.legs == (60, 60)


def test_what_leaves_and_fills_all_the_same_lowers_what_its_successor_is_asked_for() -> None:
    market = Market(GUARDED, STOP, TARGET)
    market.enters("100", "100")
    market.trades("target", "40", answers=False)
    market.answer()
    market.trades("target", "10", answers=False)
    (place,) = market.take()
    # Before the new order is there, the old one fills.
    market.trades("stop", "20", answers=False)
    market.does(place)
    market.answer()
    assert market.position == 30
    assert market.legs == (30, 30)
    assert market.alarms(AlarmKind.EXPOSURE) == []


def test_nothing_leaves_on_a_fill_that_was_counted_before_anybody_knew_whose_it_was() -> None:
    market = Market(GUARDED, STOP, TARGET)
    market.enters("200", "100")
    market.trades("target", "40", answers=False)
    (place,) = market.take()
    market.fill("more", "1", "entry")
    # The successor fills, and its venue tells that under its own id alone: one less is held, by an order of nobody.
    terms = {"instrument": "ACME", "side": Side.SELL, "order_qty": "60", "cum_qty": "1", "leaves_qty": "59"}
    shown = market.report(None, "N", ord_status=OrdStatus.PARTIALLY_FILLED, **terms)
    market.feed(shown)
    assert market.position == 60
    market.unknown(place)
    (query,) = [op for op in market.wake() if isinstance(op, Query)]
    asked = market.looked(query, msgspec.structs.replace(shown, cl_ord_id=place.cl_ord_id))
    assert market.position == 60
    # 59 are left of the successor, and 60 are held: the order before stays until the last one is covered.
    assert [op.terms.order_qty for op in asked if isinstance(op, Place) and op.terms.stop_px] == [1]
    assert not [op for op in asked if isinstance(op, Cancel) and op.order_id == "V2"]


def test_an_order_that_filled_before_its_venue_was_asked_is_followed_by_one_for_what_is_held_now() -> None:
    market = Market(GUARDED, STOP, TARGET)
    market.submit("34", ref="entry")
    market.acknowledge(order_id="entry")
    market.fill("a", "4", "entry")
    stop, target = market.take()
    market.does(stop)
    market.unknown(target)
    market.fill("b", "30", "entry")
    (more,) = market.take()
    market.does(more)
    (query,) = [op for op in market.wake() if isinstance(op, Query)]
    filled = {"ord_status": OrdStatus.FILLED, "order_qty": "4", "cum_qty": "4", "leaves_qty": "0", "avg_px": "110"}
    asked = market.looked(query, market.report(None, "T", target.cl_ord_id, **filled))
    assert market.position == 30
    assert [op.terms.order_qty for op in asked if isinstance(op, Place) and not op.terms.stop_px] == [30]


def test_a_successor_that_is_refused_leaves_what_works_alone() -> None:
    market = Market(GUARDED, STOP, TARGET)
    market.enters("100", "100")
    market.trades("target", "40", answers=False)
    for _ in range(4):
        market.fresh = []
        market.refused(market.last(Place))
        assert market.works("stop") == 100
        market.fresh = market.wake()
    market.answer()
    assert market.legs == (60, 60)


def test_the_smallest_that_is_enough_leaves() -> None:
    market = Market(GUARDED, STOP, TARGET)
    market.enters("100", "60", "30", "10")
    assert sizes(market) == [10, 30, 60]
    market.trades("target", "25", answers=False)
    market.answer()
    assert sizes(market) == [5, 10, 60]


def test_many_small_orders_become_one_and_nothing_is_bare_meanwhile() -> None:
    market = Market(GUARDED, STOP)
    for number in range(CROWD):
        market.enters("100", "1")
        assert len(sizes(market)) == number + 1
    market.fill("last", "1", "entry")
    (place,) = market.take()
    assert isinstance(place, Place)
    assert place.terms.order_qty == CROWD + 1
    market.does(place)
    assert market.works("stop") == 2 * CROWD + 1
    market.answer()
    assert sizes(market) == [CROWD + 1]


def test_what_is_too_little_for_an_order_of_its_own_comes_with_another() -> None:
    market = Market(GUARDED, STOP, min_qty=D(5))
    market.enters("100", "10", "2")
    assert sizes(market) == [12]
    assert market.alarms(AlarmKind.UNPROTECTED) == []


def test_what_is_too_little_in_value_too() -> None:
    market = Market(GUARDED, STOP, min_notional=D(500))
    market.enters("100", "10", "2", "6")
    assert sizes(market) == [6, 12]


def test_a_leg_that_its_venue_takes_off_with_the_position_is_no_alarm_and_another_is_told_when_it_comes_again() -> None:
    market = Market(GUARDED, STOP, TARGET)
    market.enters("100", "100")
    stop = next(name for name, (leg, *_) in market.orders.items() if leg == "stop")
    # The venue takes the stop off, since the target has filled: that is heard later.
    market.ends(stop)
    market.trades("target", "100", answers=False)
    market.fresh = market.wait(SECOND)
    market.answer()
    assert market.alarms(AlarmKind.UNPROTECTED) == []
    market.enters("50", "50", ref="again")
    stop = next(name for name, (leg, *_) in market.orders.items() if leg == "stop")
    market.ends(stop)
    market.fresh = market.wait(SECOND)
    market.answer()
    assert market.legs == (50, 50)
    assert market.alarms(AlarmKind.UNPROTECTED) == ["stop of ACME ended by itself; 50 were not covered by it"]


def test_who_waits_long_before_a_leg_comes_again_is_told_at_once() -> None:
    market = Market(GUARDED, STOP, retry=Retry(retry_ms=60_000, retry_max_ms=60_000))
    market.enters("100", "100")
    (name,) = market.orders
    market.ends(name)
    said = "stop of ACME ended by itself (canceled); 100 are not covered by it"
    assert market.alarms(AlarmKind.UNPROTECTED) == [said]
    market.fresh = market.wait(61 * SECOND)
    market.answer()
    assert market.alarms(AlarmKind.UNPROTECTED) == [said]
    assert market.legs == (100, 0)


# ---------------------------------------------------------------------- elsewhere


def test_as_little_as_will_do_is_taken_off_first() -> None:
    market = Market(PLAIN, STOP, TARGET)
    market.enters("100", "60", "30", "10")
    market.trades("target", "25", answers=False)
    ops = [op for op in market.take() if isinstance(op, Cancel)]
    stops = [op for op in ops if market.orders[op.order_id or ""][0] == "stop"]
    assert [market.orders[op.order_id or ""][1] for op in stops] == [30]
    market.fresh = list(ops)
    market.answer()
    assert sizes(market) == [5, 10, 60]


def test_nothing_is_placed_that_is_less_than_the_venue_takes() -> None:
    market = Market(PLAIN, STOP, TARGET, min_qty=D(5))
    market.enters("100", "60", "40")
    market.trades("target", "38")
    # Two would be missing beside the sixty.
    assert market.legs == (62, 62)
    assert all(op.terms.order_qty >= 5 for op in market.sent(Place))


def test_many_small_orders_are_brought_together_the_smallest_first() -> None:
    market = Market(PLAIN, STOP)
    for _ in range(40):
        market.enters("100", "1")
        assert market.works("stop") == market.position
        assert len(sizes(market)) <= CROWD
    assert sum(sizes(market)) == 40


def test_what_was_taken_off_together_comes_back_as_one_also_where_ends_have_to_be_asked_about() -> None:
    market = Market(Capabilities(end_is_final=False), STOP)
    for _ in range(CROWD + 1):
        market.enters("100", "1")
    for _ in range(50):
        market.fresh = [*market.take(), *market.wake()]
        if not market.fresh:
            break
        market.answer()
    assert len(sizes(market)) == CROWD
    assert sum(sizes(market)) == CROWD + 1


def test_what_is_added_does_not_wait_for_those_that_are_brought_together() -> None:
    market = Market(PLAIN, STOP)
    for _ in range(CROWD):
        market.enters("100", "1")
    market.fill("last", "1", "entry")
    (place,) = market.take()
    market.does(place)
    assert {type(op) for op in market.fresh} == {Cancel}
    market.fill("more", "7", "entry")
    assert [op.terms.order_qty for op in market.fresh if isinstance(op, Place)] == [7]
    market.answer()
    assert sum(sizes(market)) == CROWD + 8


def test_while_they_are_brought_together_only_the_smallest_are_off() -> None:
    market = Market(PLAIN, STOP)
    market.enters("100", "50")
    for _ in range(CROWD - 1):
        market.enters("100", "1")
    market.fill("last", "1", "entry")
    (place,) = market.take()
    market.does(place)
    cancels = market.take()
    assert [market.orders[op.order_id or ""][1] for op in cancels] == [1, 1]
    market.fresh = list(cancels)
    least = market.works("stop")
    while ops := market.take():
        for op in ops:
            market.does(op)
            least = min(least, market.works("stop"))
    assert least == 50 + CROWD - 2
    assert market.works("stop") == 50 + CROWD


def test_an_order_that_its_venue_takes_off_again_and_again_comes_back_later_and_later_and_the_others_stay() -> None:
    market = Market(PLAIN, STOP)
    market.enters("100", "60", "40")
    waits = []
    for _ in range(5):
        name = next(name for name, (_, total, _) in market.orders.items() if total == 40)
        before = market.now
        market.ends(name)
        assert market.take() == []
        market.fresh = market.wake()
        waits.append(market.now - before)
        market.answer()
        assert sizes(market) == [40, 60]
    assert waits == sorted(waits)
    assert waits[-1] > 2 * SECOND


def test_a_part_that_is_taken_off_after_it_worked_for_long_comes_back_at_once() -> None:
    market = Market(PLAIN, STOP)
    market.enters("100", "60", "40")
    for _ in range(9):
        market.wait(600 * SECOND)
        name = next(name for name, (_, total, _) in market.orders.items() if total == 40)
        market.ends(name)
        market.fresh = market.wait(SECOND)
        market.answer()
        assert sizes(market) == [40, 60]


@pytest.mark.parametrize("rules", [PLAIN, TOTAL, GUARDED])
def test_how_often_it_is_tried_is_the_users_to_say(rules: Capabilities) -> None:
    market = Market(rules, STOP, retry=Retry(retry_ms=10, retry_max_ms=40, alarm_after_failures=3))
    market.enters("100")
    market.fill("one", "100", "entry")
    waits = []
    for _ in range(5):
        before = market.now
        market.refused(market.last(Place))
        market.wake()
        waits.append(round((market.now - before) / MS))
    assert [wait // 10 for wait in waits] == [1, 2, 4, 4, 4]
    assert len(market.alarms(AlarmKind.UNPROTECTED)) == 2


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"retry_ms": 0}, "retry_ms is 0; it is 1 to 3600000"),
        ({"retry_max_ms": 100}, "retry_max_ms is 100, less than retry_ms, 200"),
        ({"alarm_after_failures": 1001}, "alarm_after_failures is 1001; it is 1 to 1000"),
    ],
)
def test_what_cannot_be_tried_is_refused(said: dict[str, int], why: str) -> None:
    with pytest.raises(NotANumber, match=why):
        Retry(**said)


# ---------------------------------------------------------------------- shares


@pytest.mark.parametrize("rules", [PLAIN, TOTAL, GUARDED])
def test_a_target_that_has_filled_is_not_shared_out_again(rules: Capabilities) -> None:
    legs = (STOP, Leg(name="t1", price=D(105), share=D("0.5")), Leg(name="t2", price=D(110), share=D("0.5")))
    market = Market(rules, *legs, lot=D(1))
    market.enters("100", "100")
    market.trades("t1", "20")
    assert [market.works(leg.name) for leg in legs] == [80, 30, 50]
    market.trades("t1", "30")
    assert [market.works(leg.name) for leg in legs] == [50, 0, 50]
    # What is bought more is shared out anew: the first has its part of it.
    market.enters("60", "60", ref="more")
    assert [market.works(leg.name) for leg in legs] == [110, 30, 80]
    # A new position begins from nothing.
    market.enters("110", "110", ref="out", side=Side.SELL)
    assert [market.works(leg.name) for leg in legs] == [0, 0, 0]
    market.enters("10", "10", ref="again")
    assert [market.works(leg.name) for leg in legs] == [10, 5, 5]


def test_what_is_sold_by_hand_is_taken_from_every_target() -> None:
    legs = (Leg(name="t1", price=D(105), share=D("0.5")), Leg(name="t2", price=D(110), share=D("0.5")))
    market = Market(TOTAL, *legs, lot=D(1))
    market.enters("100", "100")
    market.trades("t1", "50")
    market.enters("20", "20", ref="by hand", side=Side.SELL)
    assert [market.works(leg.name) for leg in legs] == [0, 30]


# ---------------------------------------------------------------------- what was closed too much


def test_an_order_that_trades_back_and_fills_in_part_is_followed_by_another() -> None:
    market = Market(TOTAL, STOP, TARGET, over_close=OverClose.FLATTEN)
    market.enters("100", "100")
    market.trades("target", "100", answers=False)
    market.trades("stop", "50", answers=False)
    sizes_asked = []
    market.fresh = [op for op in market.take() if not isinstance(op, Cancel)]
    for part in ("20", "0", "30"):
        flat = next(op for op in market.fresh if isinstance(op, Place) and op.terms.ord_type is OrdType.MARKET)
        sizes_asked.append(flat.terms.order_qty)
        name = f"F{len(sizes_asked)}"
        market.acknowledge(flat, name)
        if part != "0":
            market.fill(f"f{name}", part, name)
        market.feed(market.report(None, name, ord_status=OrdStatus.CANCELED, order_qty=flat.terms.order_qty, cum_qty=D(part)))
        market.fresh = market.wait(2 * SECOND)
    assert sizes_asked == [50, 30, 30]
    assert market.position == 0
    assert not any(isinstance(op, Place) for op in market.fresh)


def test_only_whole_lots_are_traded_back() -> None:
    market = Market(TOTAL, STOP, TARGET, over_close=OverClose.FLATTEN, lot=D(1))
    market.enters("100", "100")
    market.trades("target", "100", answers=False)
    market.trades("stop", "50.5", answers=False)
    (flat,) = [op for op in market.take() if isinstance(op, Place)]
    assert flat.terms.order_qty == 50


def test_nothing_is_traded_back_that_came_back_by_itself() -> None:
    market = Market(TOTAL, STOP, TARGET, over_close=OverClose.FLATTEN)
    market.enters("100", "100")
    market.trades("target", "100", answers=False)
    market.trades("stop", "50", answers=False)
    key = f"x{market.count}"
    (flat,) = [op for op in market.take() if isinstance(op, Place)]
    market.feed(market.report(None, None, flat.cl_ord_id, ord_status=OrdStatus.REJECTED))
    # The venue takes the fill of the stop back.
    ledgers = market.engine.index.by_order
    name = next(each for each, ledger in ledgers.items() if key in ledger.rows)
    market.feed(ExecutionVoided(venue=VENUE, order_id=name[2], key=key))
    assert market.position == 0
    flats = [op for op in market.wait(5 * SECOND) if isinstance(op, Place) and op.terms.ord_type is OrdType.MARKET]
    assert flats == []


@pytest.mark.parametrize("over", list(OverClose))
def test_an_entry_that_is_taken_back_after_its_exit_was_closed_too_much(over: OverClose) -> None:
    market = Market(TOTAL, STOP, TARGET, over_close=over)
    market.enters("100", "60", "40")
    market.trades("target", "100")
    assert market.position == 0
    market.feed(ExecutionVoided(venue=VENUE, order_id="entry", key="e1"))
    assert market.position == -60
    assert market.alarms(AlarmKind.OVER_CLOSE) == ["protective orders closed 60 of ACME more than was held"]
    back = [op for op in market.take() if isinstance(op, Place) and op.terms.ord_type is OrdType.MARKET]
    assert [op.terms.order_qty for op in back] == ([60] if over is OverClose.FLATTEN else [])


def test_what_a_user_sells_beyond_what_is_held_is_the_users_wish() -> None:
    market = Market(TOTAL, STOP, over_close=OverClose.FLATTEN)
    market.enters("100", "100")
    market.trades("stop", "40")
    market.enters("100", "100", ref="by hand", side=Side.SELL)
    assert market.position == -40
    assert market.alarms(AlarmKind.OVER_CLOSE) == []
    # Nor is it, when a part of the entry is taken back, more than what the legs closed.
    market.feed(ExecutionVoided(venue=VENUE, order_id="entry", key="e1"))
    assert market.position == -140
    assert market.alarms(AlarmKind.OVER_CLOSE) == ["protective orders closed 40 of ACME more than was held"]


def test_what_is_too_much_stays_while_its_successor_is_on_its_way_whatever_else_is_heard() -> None:
    market = Market(GUARDED, STOP, TARGET)
    market.enters("100", "100")
    market.trades("target", "40", answers=False)
    (place,) = market.take()
    stop = next(name for name, (leg, *_) in market.orders.items() if leg == "stop")
    market.feed(market.report(ExecType.SUSPENDED, stop, ord_status=OrdStatus.SUSPENDED))
    assert market.take() == []
    market.does(place)
    market.answer()
    assert market.legs == (60, 60)


def test_an_order_that_is_just_what_is_too_much_leaves() -> None:
    market = Market(PLAIN, STOP, TARGET)
    market.enters("100", "60", "30", "10")
    market.trades("target", "30")
    assert sizes(market) == [10, 60]


def test_what_is_missing_is_judged_whole_and_not_the_newest_part_of_it() -> None:
    market = Market(PLAIN, STOP, min_qty=D(5))
    market.enters("100", "10")
    assert market.works("stop") == 10
    # Two of it are lost, which is too little for an order of its own; three more are, with them, enough.
    (name,) = [name for name, (leg, _, _) in market.orders.items() if leg == "stop"]
    market.orders[name] = ("stop", D(8), D(0))
    market.feed(market.report(ExecType.RESTATED, name, ord_status=OrdStatus.NEW, order_qty="8", cum_qty="0", leaves_qty="8"))
    market.fresh[:0] = market.wait(SECOND)
    market.answer()
    before = market.works("stop")
    market.fill("more", "3", "entry")
    market.fresh[:0] = market.wait(SECOND)
    market.answer()
    assert (before, market.position, market.works("stop")) == (8, 13, 13)


@pytest.mark.parametrize("rules", [GUARDED, Capabilities(reduce_only=True, can_replace=True)])
def test_an_order_of_an_earlier_protection_works_on_and_asks_for_nothing_more(rules: Capabilities) -> None:
    market = Market(rules, STOP)
    market.enters("100", "60")
    (old,) = market.orders
    market.fill("more", "40", "entry")
    (grow,) = market.take()
    for op in market.refused(grow):
        market.does(op)
    market.take()
    again = Leg(name="stop", stop_px=D(94))
    market.feed(Protect(venue=VENUE, instrument="ACME", side=Side.BUY, legs=(again,)))
    (place,) = (op for op in market.take() if isinstance(op, Place))
    assert (place.terms.order_qty, place.terms.stop_px) == (100, 94)
    # Nobody answers for long, and then what works of the earlier one ends by itself.
    asked = market.wait(5 * SECOND)
    market.ends(old)
    asked += market.take() + market.wait(5 * SECOND)
    assert not [op for op in asked if isinstance(op, Place | Replace)]
    market.does(place)
    market.answer()
    assert sizes(market) == [100]
    assert [guard.parent is not None for each in market.engine.desk.protections.values() for guard in each.guards] == [True]
