"""Protection: stops and targets are exactly the position, through everything that happens to it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from partfill.core.protection import open_qty
from partfill.model.capabilities import Capabilities
from partfill.model.commands import Protect, Restarted, Unprotect
from partfill.model.events import AlarmKind, ProtectionChanged, ProtectionCovered
from partfill.model.numbers import NotANumber
from partfill.model.observations import ExecutionVoided
from partfill.model.operations import Cancel, Operation, Place, Query, Replace
from partfill.model.protection import Budget, Leg, OverClose
from partfill.model.words import ExecType, OrdStatus, OrdType, Side
from tests.core.driven import PLAIN, SECOND, TOTAL, VENUE, D, Driven

STOP, TARGET = Leg(name="stop", stop_px=D(95)), Leg(name="target", price=D(110))
KINDS = pytest.mark.parametrize("rules", [PLAIN, TOTAL])


class Market(Driven):
    """A desk, and a venue that does what it is asked for, when it is told to."""

    def __init__(self, rules: Capabilities, *legs: Leg, side: Side = Side.BUY, **also: Any) -> None:
        super().__init__(rules)
        self.side = side
        self.orders: dict[str, tuple[str, Decimal, Decimal]] = {}
        """Working at the venue: id -> (leg, total, filled)."""
        self.over: dict[str, tuple[Decimal, Decimal]] = {}
        """What does not: id -> (total, filled)."""
        self.count = 0
        if legs:
            said: dict[str, Any] = {"budget": Budget.EACH} | also
            self.feed(Protect(venue=VENUE, instrument="ACME", side=side, legs=legs, **said))

    # ------------------------------------------------------------------ the entry

    def enters(self, qty: str, *fills: str, ref: str = "entry", side: Side | None = None, px: str = "100") -> None:
        """An order of the user fills in these parts, and the venue answers all that follows."""
        if (VENUE, "", ref) not in self.engine.desk.by_ref:
            self.submit(qty, px, ref=ref, side=side or self.side)
            self.acknowledge(order_id=ref)
        for part in fills:
            self.count += 1
            self.fill(f"e{self.count}", part, ref, px)
            self.answer()

    # ------------------------------------------------------------------ the venue

    def answer(self) -> None:
        """Do everything that is asked for, until nothing is."""
        for _ in range(1000):
            operations = self.take()
            if not operations:
                return
            for op in operations:
                self.does(op)
        raise AssertionError("something is asked for without end")

    def does(self, op: Operation) -> None:
        """Do one thing."""
        if isinstance(op, Place):
            self.count += 1
            name = f"V{self.count}"
            assert op.terms.order_qty is not None
            self.orders[name] = (self.leg_of(op), op.terms.order_qty, D(0))
            self.feed(self.report(ExecType.NEW, name, op.cl_ord_id, order_qty=op.terms.order_qty))
        elif isinstance(op, Query):
            name = op.order_id or ""
            total, filled = self.over.get(name) or self.orders[name][1:]
            word = OrdStatus.FILLED if total == filled else OrdStatus.CANCELED if name in self.over else OrdStatus.NEW
            self.fresh[:0] = self.looked(op, self.report(None, name, ord_status=word, order_qty=total, cum_qty=filled))
        elif op.order_id not in self.orders:
            self.fresh[:0] = self.refused(op)
        elif isinstance(op, Cancel):
            self.ends(op.order_id or "")
        elif isinstance(op, Replace):
            leg, _, filled = self.orders[op.order_id]
            self.orders[op.order_id] = (leg, op.order_qty, filled)
            said = {"order_qty": op.order_qty, "orig_cl_ord_id": op.orig_cl_ord_id}
            self.feed(self.report(ExecType.REPLACED, op.order_id, op.cl_ord_id, **said))

    def ends(self, name: str) -> None:
        """An order is taken off."""
        _, total, filled = self.orders.pop(name)
        self.over[name] = (total, filled)
        self.feed(self.report(ExecType.CANCELED, name, cum_qty=filled))

    def leg_of(self, op: Place) -> str:
        child = self.engine.children[op.order]
        assert child.work is not None
        return child.work.parent.ref.split(":")[-2] if child.work.parent.guards else child.work.parent.ref

    def trades(self, leg: str, qty: str, *, answers: bool = True) -> None:
        """So much of a leg fills, over as many of its orders as it takes."""
        left = D(qty)
        for name, (of, total, filled) in list(self.orders.items()):
            part = min(left, total - filled)
            if of != leg or not part:
                continue
            left -= part
            self.orders[name] = (of, total, filled + part)
            if filled + part == total:
                del self.orders[name]
                self.over[name] = (total, total)
            self.count += 1
            self.fill(f"x{self.count}", str(part), name, "95" if leg == "stop" else "110")
        assert not left, f"{left} of {qty} could not fill"
        if answers:
            self.answer()

    def works(self, leg: str) -> Decimal:
        """What of a leg works at the venue."""
        return sum((total - filled for of, total, filled in self.orders.values() if of == leg), D(0))

    @property
    def legs(self) -> tuple[Decimal, Decimal]:
        """(stop, target) as they work."""
        return self.works("stop"), self.works("target")

    @property
    def position(self) -> Decimal:
        holdings = self.engine.holdings
        assert holdings is not None
        found = holdings.positions.get((VENUE, "", "ACME"))
        return D(0) if found is None else found.qty


# ---------------------------------------------------------------------- entries


@KINDS
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("fills", [["100"], ["40", "60"], ["2.5"] * 40])
def test_from_the_first_partial_fill_on_both_legs_are_the_position(rules: Capabilities, side: Side, fills: list[str]) -> None:
    legs = (STOP, TARGET) if side is Side.BUY else (Leg(name="stop", stop_px=D(105)), Leg(name="target", price=D(90)))
    market = Market(rules, *legs, side=side)
    held = D(0)
    for part in fills:
        market.enters("100", part)
        held += D(part)
        assert market.legs == (held, held)
    assert market.position == (100 if side is Side.BUY else -100)
    assert {market.engine.children[op.order].side for op in market.sent(Place)[1:]} == {
        Side.SELL if side is Side.BUY else Side.BUY
    }


@KINDS
def test_a_double_down_grows_the_protection_partly_filled_too(rules: Capabilities) -> None:
    market = Market(rules, STOP, TARGET)
    market.enters("100", "100")
    market.enters("100", "60", ref="more", px="98")
    assert market.legs == (160, 160)
    market.enters("100", "40", ref="more")
    assert market.legs == (200, 200)


@KINDS
def test_a_position_that_is_there_already_is_protected_at_once(rules: Capabilities) -> None:
    market = Market(rules)
    market.enters("100", "30")
    market.feed(Protect(venue=VENUE, instrument="ACME", side=Side.BUY, legs=(STOP,)))
    market.answer()
    assert market.legs == (30, 0)


def test_an_order_of_another_instrument_account_or_side_is_not_what_is_protected() -> None:
    market = Market(PLAIN, STOP)
    market.submit("10", ref="other", instrument="OTHER")
    market.acknowledge(order_id="other")
    market.fill("o", "10", "other")
    market.enters("20", "20", ref="short", side=Side.SELL)
    assert market.legs == (0, 0)


# ---------------------------------------------------------------------- exits


@KINDS
@pytest.mark.parametrize(("leg", "parts"), [("target", ["100", "50", "150"]), ("stop", ["200", "100", "150", "150"])])
def test_a_partial_exit_shrinks_the_other_leg_and_a_full_one_ends_it(rules: Capabilities, leg: str, parts: list[str]) -> None:
    market = Market(rules, STOP, TARGET)
    whole = sum(map(D, parts))
    market.enters(str(whole), str(whole))
    for part in parts:
        market.trades(leg, part)
        whole -= D(part)
        assert market.legs == (whole, whole)
        assert market.position == whole
    assert market.orders == {}
    assert market.engine.desk.parents[1].ref == "entry"
    assert all(parent.done is not None for parent in market.engine.desk.parents.values())


@KINDS
def test_a_double_down_after_a_partial_target_protects_what_is_held_then(rules: Capabilities) -> None:
    market = Market(rules, STOP, TARGET)
    market.enters("300", "300")
    market.trades("target", "100")
    market.enters("100", "100", ref="more", px="98")
    assert market.legs == (300, 300)
    assert market.position == 300


@KINDS
def test_what_the_user_sells_by_hand_shrinks_both(rules: Capabilities) -> None:
    market = Market(rules, STOP, TARGET)
    market.enters("100", "100")
    market.enters("40", "40", ref="by hand", side=Side.SELL)
    assert market.legs == (60, 60)


@KINDS
def test_a_void_after_the_exit_arms_it_again(rules: Capabilities) -> None:
    market = Market(rules, STOP, TARGET)
    market.enters("100", "100")
    market.trades("target", "100")
    assert market.orders == {}
    key = f"x{market.count}"
    target = next(name for name in market.engine.index.by_order if market.engine.index.by_order[name].rows.get(key))
    market.feed(ExecutionVoided(venue=VENUE, order_id=target[2], key=key))
    market.answer()
    assert market.position == 100
    assert market.legs == (100, 100)


# ---------------------------------------------------------------------- several legs


def test_targets_share_the_position_and_the_last_has_what_does_not_divide() -> None:
    legs = (STOP, Leg(name="t1", price=D(105), share=D("0.5")), Leg(name="t2", price=D(110), share=D("0.3")),
            Leg(name="t3", price=D(120), share=D("0.2")))  # fmt: skip
    market = Market(PLAIN, *legs, lot=D(1))
    for part in ["1", "2", "4", "8", "16", "32", "37"]:
        market.enters("100", part)
        works = [market.works(leg.name) for leg in legs]
        assert works[0] == sum(works[1:]) == market.position
        assert all(each == int(each) for each in works)
    assert works == [100, 50, 30, 20]


def test_a_part_that_is_less_than_a_lot_is_left_to_the_last() -> None:
    market = Market(PLAIN, Leg(name="t1", price=D(105), share=D("0.5")), Leg(name="t2", price=D(110), share=D("0.5")), lot=D(1))
    market.enters("3", "1")
    assert (market.works("t1"), market.works("t2")) == (0, 1)
    market.enters("3", "2")
    assert (market.works("t1"), market.works("t2")) == (1, 2)


def test_shares_of_less_than_the_whole_cover_no_more() -> None:
    market = Market(PLAIN, Leg(name="t1", price=D(105), share=D("0.25")))
    market.enters("100", "40")
    assert market.works("t1") == 10


@pytest.mark.parametrize(
    ("legs", "said"),
    [
        ((), "0 legs; give 1 to 16"),
        ((STOP, STOP), "two legs are called stop"),
        ((TARGET, Leg(name="more", price=D(120), share=D("0.1"))), "the targets cover 1.1 of the position together"),
    ],
)
def test_legs_that_cannot_be_together_are_refused(legs: tuple[Leg, ...], said: str) -> None:
    with pytest.raises(NotANumber, match=said):
        Protect(venue=VENUE, instrument="ACME", side=Side.BUY, legs=legs)


def test_a_leg_without_a_price_or_with_a_share_that_cannot_be_is_refused() -> None:
    with pytest.raises(NotANumber, match="leg x has neither stop_px nor price"):
        Leg(name="x")
    for share in ("0", "1.01", "-1"):
        with pytest.raises(NotANumber, match="a share is above 0 and at most 1"):
            Leg(name="x", price=D(1), share=D(share))


# ---------------------------------------------------------------------- while requests are on their way


@KINDS
def test_a_burst_of_fills_asks_for_the_newest_size_and_not_for_each(rules: Capabilities) -> None:
    market = Market(rules, STOP)
    market.enters("100", "1")
    before = len(market.sent(Place)) + len(market.sent(Replace))
    for number in range(40):
        market.fill(f"b{number}", "1", "entry")
    # One request is on its way, whatever fills meanwhile.
    assert len(market.sent(Place)) + len(market.sent(Replace)) == before + 1
    market.answer()
    assert market.legs == (41, 0)
    assert len(market.sent(Place)) + len(market.sent(Replace)) == before + 2


def test_what_was_protected_stays_so_while_more_is_added() -> None:
    market = Market(PLAIN, STOP)
    market.enters("100", "60")
    market.fill("more", "40", "entry")
    # Nothing is taken off to grow.
    (op,) = market.take()
    assert isinstance(op, Place)
    assert op.terms.order_qty == 40
    assert market.works("stop") == 60


def test_an_exit_while_a_resize_is_on_its_way_ends_with_the_position() -> None:
    market = Market(TOTAL, STOP, TARGET)
    market.enters("100", "60")
    market.fill("more", "40", "entry")
    resizes = market.take()
    assert {type(op) for op in resizes} == {Replace}
    market.trades("target", "60", answers=False)
    for op in resizes:
        market.does(op)
    market.answer()
    assert market.position == 40
    assert market.legs == (40, 40)


def test_the_stop_and_the_target_fill_in_the_same_instant() -> None:
    market = Market(TOTAL, STOP, TARGET)
    market.enters("100", "100")
    market.trades("target", "100", answers=False)
    market.trades("stop", "100", answers=False)
    assert market.position == -100
    assert market.alarms(AlarmKind.OVER_CLOSE) == ["protective orders closed 100 of ACME more than was held"]
    market.answer()
    assert market.orders == {}


def test_what_was_closed_too_much_is_traded_back_where_the_user_says_so() -> None:
    market = Market(TOTAL, STOP, TARGET, over_close=OverClose.FLATTEN)
    market.enters("100", "100")
    market.trades("target", "100", answers=False)
    market.trades("stop", "30", answers=False)
    market.trades("stop", "20", answers=False)
    flat = [op for op in market.sent(Place) if op.terms.ord_type is OrdType.MARKET]
    assert [(op.terms.side, op.terms.order_qty) for op in flat] == [(Side.BUY, 30), (Side.BUY, 20)]


# ---------------------------------------------------------------------- when things go wrong


@KINDS
def test_a_leg_that_its_venue_takes_off_is_placed_anew_and_told(rules: Capabilities) -> None:
    market = Market(rules, STOP)
    market.enters("100", "100")
    (name,) = market.orders
    market.ends(name)
    assert "stop of ACME ended by itself (canceled); 100 are not covered by it" in market.alarms(AlarmKind.UNPROTECTED)[0]
    assert market.take() == []
    market.wait(SECOND)
    for op in market.ops[-1:]:
        market.does(op)
    assert market.legs == (100, 0)


def test_a_leg_that_is_refused_again_and_again_is_tried_later_and_later_and_told_twice() -> None:
    market = Market(PLAIN, STOP)
    market.enters("100")
    market.fill("one", "100", "entry")
    for _ in range(7):
        place = market.last(Place)
        market.refused(place)
        market.wake()
    stops = [op for op in market.sent(Place) if op.terms.stop_px is not None]
    assert len(stops) == 8
    assert len(market.alarms(AlarmKind.UNPROTECTED)) == 2
    market.does(market.last(Place))
    assert market.legs == (100, 0)


@KINDS
def test_a_restart_in_the_middle_changes_nothing(rules: Capabilities) -> None:
    market = Market(rules, STOP, TARGET)
    market.enters("100", "60")
    market.feed(Restarted(desk="d"))
    market.orders["entry"] = ("entry", D(100), D(60))
    market.answer()
    del market.orders["entry"]
    market.enters("100", "40")
    assert market.legs == (100, 100)


def test_the_kill_switch_takes_protection_off_too_and_it_comes_back_with_the_lift() -> None:
    market = Market(TOTAL, STOP)
    market.enters("100", "100")
    market.kill()
    market.fresh = list(market.ops[-1:])
    market.answer()
    assert market.orders == {}
    market.kill(False)
    market.fresh = list(market.ops[-1:])
    market.answer()
    assert market.legs == (100, 0)


# ---------------------------------------------------------------------- what the user says


@KINDS
def test_protection_that_is_taken_back_takes_its_orders_off(rules: Capabilities) -> None:
    market = Market(rules, STOP, TARGET)
    market.enters("100", "100")
    market.feed(Unprotect(venue=VENUE, instrument="ACME", side=Side.BUY))
    market.answer()
    assert market.orders == {}
    market.enters("100", "10", ref="later")
    assert market.orders == {}
    market.feed(Unprotect(venue=VENUE, instrument="ACME", side=Side.BUY))
    assert market.refusals()[-1] == "no protection of buy ACME at venue"


def test_other_legs_take_the_place_of_those_before_and_the_same_again_changes_nothing() -> None:
    market = Market(PLAIN, STOP)
    market.enters("100", "100")
    market.feed(Protect(venue=VENUE, instrument="ACME", side=Side.BUY, legs=(STOP,)))
    assert market.take() == []
    market.feed(Protect(venue=VENUE, instrument="ACME", side=Side.BUY, legs=(Leg(name="tight", stop_px=D(98)),)))
    market.answer()
    assert (market.works("stop"), market.works("tight")) == (0, 100)


@pytest.mark.parametrize("how", ["cancel", "amend", "untrack"])
def test_a_protective_order_is_not_the_users_to_change(how: str) -> None:
    from partfill.model.commands import Amend, Stop, Untrack

    market = Market(PLAIN, STOP)
    market.enters("100", "100")
    (ref,) = [parent.ref for parent in market.engine.desk.parents.values() if parent.guards]
    command: Any = {
        "cancel": Stop(venue=VENUE, ref=ref), "amend": Amend(venue=VENUE, ref=ref, order_qty=D(5)),
        "untrack": Untrack(venue=VENUE, ref=ref),
    }[how]  # fmt: skip
    market.feed(command)
    assert "protects ACME; change or end the protection instead" in market.refusals()[-1]
    assert market.legs == (100, 0)


def test_what_is_protected_is_told() -> None:
    market = Market(TOTAL, STOP)
    market.enters("100", "60", "40")
    market.trades("stop", "100")
    told = [event.qty for event in market.events if type(event) is ProtectionChanged]
    assert told == [60, 100, 0]
    assert open_qty(market.engine.desk, next(iter(market.engine.desk.protections.values()))) == 0


# ---------------------------------------------------------------------- what is too little


def test_what_is_less_than_the_venue_takes_is_told_and_not_asked_for() -> None:
    market = Market(PLAIN, STOP, TARGET, lot=D(1), min_qty=D(5))
    market.enters("100", "3")
    assert market.legs == (0, 0)
    assert market.alarms(AlarmKind.UNPROTECTED) == ["3 of ACME are less than the venue takes an order for, and not covered"]
    market.enters("100", "1")
    assert len(market.alarms(AlarmKind.UNPROTECTED)) == 1
    market.enters("100", "6")
    assert market.legs == (10, 10)


def test_the_least_value_is_judged_at_the_price_of_the_leg() -> None:
    market = Market(PLAIN, STOP, TARGET, min_notional=D(1000))
    market.enters("100", "10")
    # Ten are worth 950 at the stop, and 1100 at the target.
    assert market.legs == (0, 10)


def test_a_part_that_is_too_small_for_an_order_of_its_own_waits_where_nothing_is_replaced() -> None:
    market = Market(PLAIN, STOP, min_qty=D(5))
    market.enters("100", "10", "2")
    assert market.legs == (10, 0)
    assert market.alarms(AlarmKind.UNPROTECTED) == ["2 of ACME are less than the venue takes an order for, and not covered"]
    market.enters("100", "3")
    assert market.legs == (15, 0)
    replacing = Market(TOTAL, STOP, min_qty=D(5))
    replacing.enters("100", "10", "2")
    assert replacing.legs == (12, 0)
    assert replacing.alarms(AlarmKind.UNPROTECTED) == []


def test_what_ended_by_itself_and_is_too_small_to_come_again_is_told() -> None:
    market = Market(PLAIN, STOP, min_qty=D(5))
    market.enters("100", "10", "6")
    assert market.legs == (16, 0)
    # The venue takes one of the two off, all but a part of it; what is missing is less than it takes.
    (small,) = [name for name, (_, total, _) in market.orders.items() if total == 6]
    market.fill("part", "3", small)
    del market.orders[small]
    market.feed(market.report(ExecType.CANCELED, small, ord_status=OrdStatus.CANCELED, order_qty="6", cum_qty="3"))
    market.wait(10 * SECOND)
    assert market.position == 13
    assert market.alarms(AlarmKind.UNPROTECTED)[-1] == "3 of ACME are less than the venue takes an order for, and not covered"


def test_a_share_that_is_too_small_goes_to_the_last_leg() -> None:
    legs = (Leg(name="t1", price=D(105), share=D("0.2")), Leg(name="t2", price=D(110), share=D("0.8")))
    market = Market(PLAIN, *legs, lot=D(1), min_qty=D(5))
    market.enters("100", "20")
    assert (market.works("t1"), market.works("t2")) == (0, 20)


def test_a_part_that_is_refused_is_tried_later_and_later_and_what_works_stays() -> None:
    market = Market(PLAIN, STOP)
    market.enters("100", "60")
    market.fill("more", "40", "entry")
    for _ in range(6):
        market.fresh = []
        market.refused(market.last(Place))
        assert market.take() == []
        market.fresh = market.wake()
        assert market.works("stop") == 60
    market.answer()
    assert market.legs == (100, 0)


# ---------------------------------------------------------------------- how long it took


@KINDS
def test_how_long_a_position_was_not_covered_is_told_with_what_it_took(rules: Capabilities) -> None:
    market = Market(rules, STOP)
    market.enters("100", "10")
    market.fill("a", "20", "entry")
    market.fill("b", "30", "entry")
    market.now += 40 * SECOND
    market.answer()
    told = [event for event in market.events if type(event) is ProtectionCovered]
    assert [event.qty for event in told] == [10, 60]
    assert told[1].after_ns > 40 * SECOND
    # Two fills and two requests: for the first of them, and for all that came while it was on its way.
    assert (told[1].changes, told[1].requests) == (2, 2)
    assert next(iter(market.engine.desk.protections.values())).since == 0


def test_the_leg_that_filled_is_left_as_it_is() -> None:
    market = Market(TOTAL, STOP, TARGET)
    market.enters("100", "100")
    before = len(market.sent(Replace))
    market.trades("target", "40")
    (resize,) = market.sent(Replace)[before:]
    assert market.engine.children[resize.order].stop_px == 95
