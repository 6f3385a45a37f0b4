"""What fails and what is made again for protection: each counted once, and nothing that only looks like it."""

from __future__ import annotations

from typing import Any

import pytest

from partfill.core.effects import Effects
from partfill.model.capabilities import Capabilities
from partfill.model.commands import Restarted, Unprotect
from partfill.model.inputs import Input, MarketSeen
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.protection import Leg, OverClose
from partfill.model.words import ExecType, OrdStatus, OrdType, Request, Side
from partfill.runtime.bus import Told
from partfill.service import attempts
from partfill.service.attempts import Attempts, Failure
from tests.core.driven import PLAIN, SECOND, TOTAL, VENUE, D
from tests.core.test_protection import KINDS, STOP, TARGET, Market
from tests.core.test_watched import NO_STOPS, book


class Counted(Market):
    """A market of which somebody counts what fails: events first, then operations, as a manager lets go of them."""

    attempts: Attempts | None = None

    def feed(self, *inputs: Input) -> Effects:
        effects = Effects()
        for inp in inputs:
            effects = super().feed(inp)
            if self.attempts is None:
                self.attempts = Attempts(lambda: self.engine)
            for event in effects.events:
                self.attempts.hear(Told(0, 0, event))
            for op in effects.operations:
                self.attempts.leaves(op)
        return effects

    @property
    def failures(self) -> dict[str, int]:
        assert self.attempts is not None
        return {str(kind): count for kind, count in self.attempts.failures.items() if count}

    @property
    def retries(self) -> dict[str, int]:
        assert self.attempts is not None
        return {str(kind): count for kind, count in self.attempts.retries.items() if count}

    def asked(self) -> None:
        """Answer every question that is open, and nothing else."""
        for op in self.take():
            assert isinstance(op, Query)
            self.does(op)


def test_an_order_that_is_refused_fails_each_time_and_is_placed_again_each_time() -> None:
    market = Counted(PLAIN, STOP)
    market.enters("100")
    market.fill("one", "100", "entry")
    for _ in range(3):
        market.refused(market.last(Place))
        market.wake()
    market.does(market.last(Place))
    assert market.legs == (100, 0)
    assert (market.failures, market.retries) == ({"refused": 3}, {"place": 3})


@KINDS
def test_an_order_that_ends_by_itself_failed_once_and_is_placed_again_once(rules: Capabilities) -> None:
    market = Counted(rules, STOP)
    market.enters("100", "100")
    (name,) = market.orders
    market.ends(name)
    market.fresh = market.wake()
    market.answer()
    assert market.legs == (100, 0)
    assert (market.failures, market.retries) == ({"ended": 1}, {"place": 1})


def test_a_leg_may_be_called_anything() -> None:
    market = Counted(PLAIN, Leg(name="a:stop", stop_px=D(95), share=D("0.5")), Leg(name="stop", stop_px=D(94), share=D("0.5")))
    market.enters("100", "100")
    first = next(name for name, (leg, _, _) in market.orders.items() if leg == "stop")
    market.ends(first)
    market.fresh = market.wake()
    market.answer()
    assert (market.failures, market.retries) == ({"ended": 1}, {"place": 1})


def test_of_two_orders_of_one_leg_the_one_that_ended_is_placed_again() -> None:
    market = Counted(PLAIN, STOP)
    market.enters("100", "60", "40")
    market.ends(next(name for name, (_, total, _) in market.orders.items() if total == 60))
    market.fresh = market.wake()
    market.answer()
    assert market.legs == (100, 0)
    assert (market.failures, market.retries) == ({"ended": 1}, {"place": 1})


@pytest.mark.parametrize("by_report", [False, True])
def test_a_resize_that_is_refused_is_asked_again(by_report: bool) -> None:
    market = Counted(TOTAL, STOP)
    market.enters("100", "100")
    market.enters("40", ref="by hand", side=Side.SELL)
    market.fill("less", "40", "by hand")
    for number in (1, 2):
        replace = market.last(Replace)
        market.fresh = []
        if by_report:
            market.done(replace)
            market.feed(market.report(ExecType.CANCEL_REJECT, replace.order_id, replace.cl_ord_id))
        else:
            market.fresh = market.refused(replace)
        market.asked()
        assert market.failures == {"refused": number}
        assert market.retries == ({"replace": number - 1} if number > 1 else {})
        market.fresh = market.wake()
    market.answer()
    assert market.legs == (60, 0)
    assert (market.failures, market.retries) == ({"refused": 2}, {"replace": 2})


@pytest.mark.parametrize("answer", ["refused", "unanswered"])
def test_what_a_resize_was_to_bring_is_placed_beside(answer: str) -> None:
    market = Counted(TOTAL, STOP)
    market.enters("100", "60")
    market.fill("more", "20", "entry")
    replace = market.last(Replace)
    market.fresh = []
    market.fresh = market.refused(replace) if answer == "refused" else market.unknown(replace)
    market.fresh = market.fresh or market.wake()
    market.answer()
    assert (market.failures, market.retries) == ({answer: 1}, {"place": 1})
    assert sorted(total for _, total, _ in market.orders.values()) == [20, 60]
    # The next that is bought is no retry.
    market.enters("100", "20")
    assert market.legs == (100, 0)
    assert (market.failures, market.retries) == ({answer: 1}, {"place": 1})


def test_a_resize_that_was_not_answered_and_did_nothing_failed_once() -> None:
    market = Counted(TOTAL, STOP)
    market.enters("100", "100")
    market.enters("40", ref="by hand", side=Side.SELL)
    market.fill("less", "40", "by hand")
    market.fresh = []
    market.unknown(market.last(Replace))
    market.fresh = market.wake()
    market.asked()
    market.fresh = market.wake()
    market.answer()
    assert market.legs == (60, 0)
    assert (market.failures, market.retries) == ({"unanswered": 1}, {"replace": 1})


def test_an_order_that_was_not_answered_and_never_arrived_failed_once() -> None:
    market = Counted(PLAIN, STOP)
    market.enters("100")
    market.fill("one", "100", "entry")
    market.fresh = []
    market.unknown(market.last(Place))
    (query,) = market.wake()
    market.looked(query)
    market.fresh = market.wake()
    market.answer()
    assert market.legs == (100, 0)
    assert (market.failures, market.retries) == ({"unanswered": 1}, {"place": 1})


def test_a_cancel_that_is_refused_is_asked_again_and_the_end_that_was_wanted_is_no_failure() -> None:
    market = Counted(PLAIN, STOP, TARGET)
    market.enters("100", "100")
    market.trades("target", "40", answers=False)
    cancel = market.last(Cancel)
    market.fresh = [op for op in market.take() if op is not cancel]
    market.fresh += market.refused(cancel)
    market.asked()
    market.fresh = market.wake()
    market.answer()
    assert market.legs == (60, 60)
    assert market.retries == {"cancel": 1}
    assert market.failures == {"refused": 1}


@KINDS
def test_nothing_fails_while_everything_goes_well(rules: Capabilities) -> None:
    market = Counted(rules, STOP, TARGET)
    market.enters("100", *["10"] * 5)
    for number in range(5):
        market.fill(f"b{number}", "5", "entry")
    market.answer()
    market.trades("target", "20")
    market.enters("10", "10", ref="by hand", side=Side.SELL)
    market.feed(Unprotect(venue=VENUE, instrument="ACME", side=Side.BUY))
    market.answer()
    assert market.orders == {}
    assert (market.failures, market.retries) == ({}, {})


@KINDS
def test_the_kill_switch_is_nobodys_failure(rules: Capabilities) -> None:
    market = Counted(rules, STOP)
    market.enters("100", "100")
    market.fresh = market.kill()
    market.answer()
    market.fresh = market.kill(False)
    market.answer()
    assert market.legs == (100, 0)
    assert (market.failures, market.retries) == ({}, {})


def test_an_order_of_the_user_is_not_counted() -> None:
    market = Counted(TOTAL)
    market.submit("10")
    market.refused(market.last(Place))
    market.submit("10", ref="other")
    market.unknown(market.last(Place))
    assert (market.failures, market.retries) == ({}, {})


def test_what_was_stopped_while_it_waited_was_refused_by_nobody() -> None:
    market = Counted(PLAIN, STOP)
    market.enters("100")
    market.fill("one", "100", "entry")
    place = market.last(Place)
    market.feed(Unprotect(venue=VENUE, instrument="ACME", side=Side.BUY))
    market.refused(place)
    assert (market.failures, market.retries) == ({}, {})


def test_the_protection_of_a_new_position_is_no_retry_for_the_one_before() -> None:
    market = Counted(PLAIN, STOP)
    market.enters("100", "100")
    (name,) = market.orders
    market.ends(name)
    market.enters("100", "100", ref="out", side=Side.SELL)
    market.wait(60 * SECOND)
    market.enters("50", "50", ref="again")
    assert market.legs == (50, 0)
    assert (market.failures, market.retries) == ({"ended": 1}, {})


@pytest.mark.parametrize(("part", "failures", "retries"), [("30", {}, {}), ("0", {"ended": 1}, {"place": 1})])
def test_an_order_at_the_market_failed_only_where_it_got_nothing(part: str, failures: Any, retries: Any) -> None:
    market = Counted(NO_STOPS, Leg(name="stop", stop_px=D(95)))
    market.enters("100", "100")
    market.feed(MarketSeen(venue=VENUE, instrument="ACME", book=book("94", "96", market.now)))
    market.answer()
    (name,) = market.orders
    if part != "0":
        market.trades("stop", part, answers=False)
    market.ends(name)
    market.fresh = market.wake()
    market.answer()
    assert market.works("stop") == 100 - D(part)
    assert (market.failures, market.retries) == (failures, retries)


def test_what_is_traded_back_is_counted_too() -> None:
    market = Counted(TOTAL, STOP, TARGET, over_close=OverClose.FLATTEN)
    market.enters("100", "100")
    market.trades("target", "100", answers=False)
    market.trades("stop", "50", answers=False)
    flat = next(op for op in market.take() if isinstance(op, Place) and op.terms.ord_type is OrdType.MARKET)
    market.refused(flat)
    market.wait(5 * SECOND)
    flats = [op for op in market.sent(Place) if op.terms.ord_type is OrdType.MARKET]
    assert len(flats) == 2
    assert (market.failures, market.retries) == ({"refused": 1}, {"place": 1})


def test_after_a_restart_what_failed_before_is_not_counted_again() -> None:
    market = Counted(TOTAL, STOP)
    market.enters("100", "60")
    market.fill("more", "40", "entry")
    market.refused(market.last(Replace))
    # A new process: nothing is remembered here.
    market.attempts = None
    market.feed(Restarted(desk="d"))
    market.fresh = []
    market.feed(market.report(None, "V2", ord_status=OrdStatus.NEW, order_qty=D(60), cum_qty=D(0)))
    assert market.failures == {}


def test_of_orders_that_left_memory_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MOST", 10)
    market = Counted(PLAIN, STOP)
    market.enters("100", *["1"] * 20)
    counted = market.attempts
    assert counted is not None
    gone = {number for number, child in market.engine.children.items() if child.work is not None and child.work.settled}
    assert gone & counted._seen.keys()
    for number in gone:
        del market.engine.children[number]
    counted._room = 0
    market.enters("100", "1")
    assert not gone & counted._seen.keys()
    assert counted._room >= 10


def test_every_kind_is_there_from_the_start() -> None:
    counted = Attempts(lambda: Market(PLAIN).engine)
    assert counted.failures == dict.fromkeys(Failure, 0)
    assert counted.retries == dict.fromkeys(Request, 0)
