"""The dust sweeper: what is noted, for whom it is used, and that it is used once and never at a worse price."""

from __future__ import annotations

from typing import Any

import pytest

from partfill.core import dust
from partfill.core.parent import Done
from partfill.model.commands import Decide, Submit, Untrack
from partfill.model.dust import DustState
from partfill.model.events import AlarmKind, DustLeft, DustUsed
from partfill.model.instrument import Instrument, TickBand
from partfill.model.observations import ExecutionVoided
from partfill.model.operations import Cancel, Place
from partfill.model.policy import DustUse, Hold, Mode, RemainderPolicy
from partfill.model.reasons import Reason
from partfill.model.words import ExecType, Side
from tests.core.driven import PLAIN, VENUE, D, Driven, rule, terms
from tests.core.test_handling import ACME, LIVE, book, decide


def policy(use: DustUse = DustUse.RECORD, least: str = "200") -> RemainderPolicy:
    """Whatever is worth less than `least` is dust: at a price of 100, less than two units."""
    return Hold(min_remainder_size=D(least), dust=use)


def dusty(desk: Driven, ref: str, use: DustUse = DustUse.RECORD, *, left: str = "1", price: str = "100",
          instrument: Instrument = ACME, **also: Any) -> None:  # fmt: skip
    """An order for ten of which all but `left` fills; the rest is taken off as dust."""
    desk.submit(ref=ref, price=price, remainder=policy(use), **also)
    place, name = desk.last(Place), f"V-{ref}"
    desk.acknowledge(place, name)
    desk.fill(f"f-{ref}", str(10 - D(left)), name, price)
    ((_, event),) = [each for each in desk.take_wanted() if each[0] == ref]
    desk.feed(Decide(venue=VENUE, ref=ref, event=event, instrument=instrument, mode=LIVE, book=book(desk)))
    cancel = desk.last(Cancel)
    assert cancel.orig_cl_ord_id == place.cl_ord_id
    desk.ended(name, ExecType.CANCELED, cum_qty=str(10 - D(left)))
    desk.take()


def waiting(desk: Driven) -> list[tuple[str, Any]]:
    return [(speck.ref, speck.qty) for each in desk.engine.desk.dust.waiting.values() for speck in each.values()]


def used(desk: Driven) -> list[DustUsed]:
    return [event for event in desk.events if type(event) is DustUsed]


# ---------------------------------------------------------------------- what is noted


def test_a_rest_that_was_taken_off_as_dust_is_noted_when_its_end_is_proven() -> None:
    desk = Driven(PLAIN)
    desk.submit(remainder=policy())
    desk.acknowledge()
    desk.fill("first", "9")
    decide(desk)
    assert desk.reports()[-1].verdict is Reason.DUST_AUTO_CANCEL
    # The cancel is on its way: what is left may still fill.
    assert waiting(desk) == []
    desk.fill("more", "0.4")
    desk.ended(cum_qty="9.4")
    (speck,) = desk.engine.desk.dust.of(desk.parent()).values()
    assert (speck.ref, speck.order_ids, speck.qty, speck.price) == ("p", ("O1",), D("0.6"), 100)
    (event,) = [event for event in desk.events if type(event) is DustLeft]
    assert (event.ref, event.instrument, event.side, event.qty, event.price) == ("p", "ACME", Side.BUY, D("0.6"), 100)


def test_what_fills_while_the_cancel_is_on_its_way_leaves_no_dust() -> None:
    desk = Driven(PLAIN)
    desk.submit(remainder=policy())
    desk.acknowledge()
    desk.fill("first", "9")
    decide(desk)
    desk.fill("rest", "1")
    assert waiting(desk) == []
    assert desk.outcomes() == [("filled", 10)]


def test_a_verdict_that_is_only_told_leaves_no_dust() -> None:
    desk = Driven(PLAIN)
    desk.submit(remainder=policy())
    desk.acknowledge()
    desk.fill("first", "9")
    decide(desk, mode=Mode.SHADOW_ONLY)
    desk.ended(kind=ExecType.EXPIRED, cum_qty="9")
    assert waiting(desk) == []


@pytest.mark.parametrize("how", ["stop", "kill", "untrack"])
def test_what_the_user_takes_off_is_nobodys_dust(how: str) -> None:
    desk = Driven(PLAIN)
    desk.submit(remainder=policy(DustUse.SWEEP, "150"))
    desk.acknowledge()
    desk.fill("first", "9")
    decide(desk)
    if how == "stop":
        desk.stop()
        desk.ended(cum_qty="9")
        assert waiting(desk) == []
    elif how == "kill":
        # It was dust before; under the switch nothing is made of it.
        desk.kill()
        desk.ended(cum_qty="9")
        assert (waiting(desk), used(desk)) == ([("p", 1)], [])
    else:
        desk.feed(Untrack(venue=VENUE, ref="p"))
        assert desk.parent().done is Done.RELEASED
        assert waiting(desk) == []


def test_what_is_taken_back_later_is_no_dust_and_what_fills_later_is_none_either() -> None:
    desk = Driven(PLAIN)
    dusty(desk, "p")
    desk.feed(ExecutionVoided(venue=VENUE, order_id="V-p", key="f-p"))
    assert waiting(desk) == [("p", 1)]
    late = Driven(PLAIN)
    dusty(late, "p")
    late.fill("late", "0.7", "V-p")
    assert waiting(late) == [("p", D("0.3"))]
    late.fill("later", "0.3", "V-p")
    assert waiting(late) == []
    assert late.alarms(AlarmKind.EXPOSURE) == []


def test_a_fill_taken_back_before_the_end_does_not_make_more_dust() -> None:
    desk = Driven(PLAIN)
    desk.submit(remainder=policy())
    desk.acknowledge()
    desk.fill("big", "8")
    desk.fill("small", "1")
    decide(desk)
    desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="big"))
    desk.ended(cum_qty="1")
    assert waiting(desk) == [("p", 1)]


def test_the_oldest_dust_of_a_side_is_dropped_for_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dust, "MOST", 2)
    desk = Driven(PLAIN)
    for ref in ("a", "b", "c"):
        dusty(desk, ref)
    assert [ref for ref, _ in waiting(desk)] == ["b", "c"]


# ---------------------------------------------------------------------- the next order


def test_the_next_order_of_the_side_asks_for_the_dust_in_addition() -> None:
    desk = Driven(PLAIN)
    dusty(desk, "a", DustUse.NEXT_ORDER)
    # It asks for a worse price than `a` did, so it may not have the dust of `a`.
    dusty(desk, "b", DustUse.NEXT_ORDER, left="1.5", price="101")
    (place,) = desk.submit(ref="c", remainder=policy(DustUse.NEXT_ORDER))
    assert isinstance(place, Place)
    assert place.terms.order_qty == D("12.5")
    assert (desk.parent("c").asked, desk.parent("c").terms.order_qty) == (D("12.5"), 10)
    assert waiting(desk) == []
    assert [(event.ref, event.qty, event.left_by) for event in used(desk)] == [("c", D("2.5"), ("a", "b"))]


@pytest.mark.parametrize(
    ("order", "takes"),
    [
        ({"price": "100"}, True), ({"price": "99"}, True), ({"price": "100.5"}, False), ({"side": Side.SELL}, False),
        ({"instrument": "OTHER"}, False), ({"remainder": policy(DustUse.RECORD)}, False),
        ({"remainder": policy(DustUse.SWEEP)}, False), ({"remainder": None}, False), ({"price": None}, False),
    ],
)  # fmt: skip
def test_dust_goes_to_an_order_of_its_side_that_may_have_it_at_no_worse_a_price(order: dict[str, Any], takes: bool) -> None:
    desk = Driven(PLAIN)
    dusty(desk, "a", DustUse.NEXT_ORDER)
    desk.submit(ref="b", **({"remainder": policy(DustUse.NEXT_ORDER)} | order))
    assert desk.parent("b").asked == (11 if takes else 10)
    assert (waiting(desk) == []) is takes


@pytest.mark.parametrize("use", [DustUse.RECORD, DustUse.SWEEP])
def test_dust_of_a_user_who_did_not_allow_it_is_not_given_away(use: DustUse) -> None:
    desk = Driven(PLAIN)
    dusty(desk, "a", use)
    desk.submit(ref="b", remainder=policy(DustUse.NEXT_ORDER))
    assert desk.parent("b").asked == 10
    assert waiting(desk) == [("a", 1)]


def test_a_sell_takes_dust_where_it_sells_no_cheaper() -> None:
    for price, takes in (("100", True), ("101", True), ("99", False)):
        desk = Driven(PLAIN)
        dusty(desk, "a", DustUse.NEXT_ORDER, side=Side.SELL)
        desk.submit(ref="b", price=price, side=Side.SELL, remainder=policy(DustUse.NEXT_ORDER))
        assert desk.parent("b").asked == (11 if takes else 10)


def test_another_account_has_dust_of_its_own() -> None:
    desk = Driven(PLAIN)
    dusty(desk, "a", DustUse.NEXT_ORDER)
    desk.feed(Submit(venue=VENUE, account="other", ref="b", terms=terms(), remainder=policy(DustUse.NEXT_ORDER)))
    assert desk.parent("b", "other").asked == 10


def test_the_same_submission_again_is_the_same_order_though_it_took_dust() -> None:
    desk = Driven(PLAIN)
    dusty(desk, "a", DustUse.NEXT_ORDER)
    desk.submit(ref="b", remainder=policy(DustUse.NEXT_ORDER))
    assert desk.submit(ref="b", remainder=policy(DustUse.NEXT_ORDER)) == []
    assert desk.refusals() == []
    assert desk.parent("b").asked == 11


# ---------------------------------------------------------------------- sweeping


def test_dust_becomes_an_order_of_its_own_once_there_is_enough_of_it() -> None:
    desk = Driven(PLAIN)
    dusty(desk, "a", DustUse.SWEEP, left="1.5")
    assert used(desk) == []
    dusty(desk, "b", DustUse.SWEEP, left="1.5", price="98")
    (event,) = used(desk)
    place = desk.last(Place)
    # Nobody's price is passed: it asks at the best of both for a buyer.
    assert (place.terms.order_qty, place.terms.price, event.left_by) == (3, 98, ("a", "b"))
    assert event.ref == desk.engine.desk.parents[event.parent].ref
    assert waiting(desk) == []
    # What it leaves itself is dust again.
    desk.acknowledge(place, "S1")
    desk.fill("s", "2", "S1", "98")
    ((ref, number),) = [each for each in desk.take_wanted() if each[0] == event.ref]
    desk.feed(Decide(venue=VENUE, ref=ref, event=number, instrument=ACME, mode=LIVE, book=book(desk)))
    desk.ended("S1", cum_qty="2")
    assert waiting(desk) == [(event.ref, 1)]


def test_a_sweep_waits_for_what_the_venue_takes() -> None:
    large = Instrument(symbol="ACME", ticks=(TickBand(D(0), D("0.5")),), lot=D("0.1"), min_qty=D(4), min_notional=D(450))
    desk = Driven(PLAIN)
    for count, ref in enumerate("abcde", 1):
        dusty(desk, ref, DustUse.SWEEP, instrument=large)
        # Four units are enough, and 400 are not.
        assert len(used(desk)) == (count == 5)
    assert desk.last(Place).terms.order_qty == 5


def test_a_sweep_of_sells_asks_for_the_highest_of_their_prices() -> None:
    desk = Driven(PLAIN)
    dusty(desk, "a", DustUse.SWEEP, side=Side.SELL, price="101", left="1.5")
    dusty(desk, "b", DustUse.SWEEP, side=Side.SELL, left="1.5")
    assert (desk.last(Place).terms.side, desk.last(Place).terms.price) == (Side.SELL, 101)


# ---------------------------------------------------------------------- used once


def test_a_fill_of_an_order_whose_dust_was_used_is_alarmed() -> None:
    desk = Driven(PLAIN)
    dusty(desk, "a", DustUse.NEXT_ORDER)
    desk.submit(ref="b", remainder=policy(DustUse.NEXT_ORDER))
    desk.fill("late", "0.5", "V-a")
    (said,) = desk.alarms(AlarmKind.EXPOSURE)
    assert said == "0.5 of a filled after its rest had been given to the dust sweeper"


def chased_dust(desk: Driven) -> None:
    """An order whose venue cut its first child to what filled, and whose second one left dust."""
    desk.submit(ref="a", remainder=policy(DustUse.NEXT_ORDER), resubmit=rule())
    desk.acknowledge(order_id="V1")
    desk.fill("whole", "4", "V1")
    desk.take_wanted()
    desk.feed(desk.report(ExecType.RESTATED, "V1", order_qty="4", restatement="decline"))
    desk.acknowledge(order_id="V2")
    desk.fill("most", "5", "V2")
    ((_, event),) = desk.take_wanted()
    desk.feed(Decide(venue=VENUE, ref="a", event=event, instrument=ACME, mode=LIVE, book=book(desk)))
    desk.ended("V2", cum_qty="5")
    desk.take()


def test_an_order_that_works_again_takes_its_dust_back_and_leaves_it_anew() -> None:
    desk = Driven(PLAIN)
    chased_dust(desk)
    assert waiting(desk) == [("a", 1)]
    desk.feed(ExecutionVoided(venue=VENUE, order_id="V1", key="whole", leaves_qty=D(4)))
    assert desk.child(ref="a").open_at_venue
    assert waiting(desk) == []
    desk.fill("again", "4", "V1")
    assert waiting(desk) == [("a", 1)]
    assert desk.alarms(AlarmKind.EXPOSURE) == []


def test_an_order_that_works_again_after_its_dust_was_used_is_alarmed_and_leaves_none_a_second_time() -> None:
    desk = Driven(PLAIN)
    chased_dust(desk)
    desk.submit(ref="b", remainder=policy(DustUse.NEXT_ORDER))
    assert desk.parent("b").asked == 11
    desk.feed(ExecutionVoided(venue=VENUE, order_id="V1", key="whole", leaves_qty=D(4)))
    assert desk.alarms(AlarmKind.EXPOSURE) == ["a works again after its rest had been given to the dust sweeper"]
    desk.fill("again", "4", "V1")
    assert waiting(desk) == []


def test_a_speck_says_what_became_of_it() -> None:
    desk = Driven(PLAIN)
    dusty(desk, "a", DustUse.NEXT_ORDER)
    effects = desk.feed(Submit(venue=VENUE, ref="b", terms=terms(), remainder=policy(DustUse.NEXT_ORDER)))
    assert [(speck.ref, speck.state, speck.taken_by) for speck in effects.specks] == [("a", DustState.TAKEN, "b")]
