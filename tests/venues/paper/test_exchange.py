"""The paper exchange: orders, refusals, positions, stops, days, fees, what is said, and that the ledger agrees."""

from __future__ import annotations

import msgspec
import pytest

from partfill.core.engine import Engine
from partfill.model.commands import Outcome
from partfill.model.inputs import OrderPlaced, VenueDeclared
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, OrdType, TimeInForce
from partfill.venues.paper.events import Drop, Reduce
from partfill.venues.paper.exchange import PAPER, Exchange
from tests.venues.paper.desk import (
    BUY,
    LISTING,
    SELL,
    D,
    Floor,
    assert_ledger_is_the_truth,
    cancel,
    place,
    query,
    replace,
    stop,
    terms,
)
from tests.venues.paper.trader import Trader

NEW, TRADE, CANCELED = ExecType.NEW, ExecType.TRADE, ExecType.CANCELED
IOC, FOK, GTC = TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTC


# ---------------------------------------------------------------------- kinds of orders


def test_an_order_fills_partially_when_its_turn_comes() -> None:
    floor = Floor()
    floor.rest(BUY, "7", "10")
    floor.do(place("c1", terms(BUY, "10", "10")))
    floor.take(SELL, "5")
    assert floor.numbers("c1") == (OrdStatus.NEW, 10, 0, 10), "the older order is first"
    floor.take(SELL, "6")
    assert floor.numbers("c1") == (OrdStatus.PARTIALLY_FILLED, 10, 4, 6)
    floor.take(SELL, "6")
    assert floor.numbers("c1") == (OrdStatus.FILLED, 10, 10, 0)
    assert floor.kinds("c1") == [NEW, TRADE, TRADE]
    assert floor.exchange.positions["a", "ACME"] == 10


def test_others_who_leave_or_shrink_bring_an_order_forward() -> None:
    floor = Floor()
    floor.rest(BUY, "7", "10")
    floor.rest(BUY, "7", "10")
    floor.do(place("c1", terms(BUY, "10", "10")))
    floor.exchange.market(Drop("ACME", "o1"), 9)
    floor.exchange.market(Reduce("ACME", "o2", D(5)), 9)
    floor.take(SELL, "3")
    assert floor.order("c1").cum_qty == 1


def test_a_limit_order_takes_what_it_crosses_and_the_reply_says_so() -> None:
    floor = Floor()
    floor.rest(SELL, "4", "9.98")
    answered = floor.do(place("c1", terms(BUY, "10", "10")))
    order = answered.order
    assert order is not None
    assert (answered.outcome, order.cum_qty, order.leaves_qty, order.avg_px) == (Outcome.DONE, 4, 6, D("9.98"))
    assert order.executions is not None
    assert len(order.executions) == 1


@pytest.mark.parametrize(
    ("wanted", "result", "reason"),
    [
        (terms(BUY, "10", None, time_in_force=IOC), (OrdStatus.CANCELED, 10, 4, 0), "no_liquidity"),
        (terms(BUY, "10", "10", time_in_force=IOC), (OrdStatus.CANCELED, 10, 4, 0), "ioc"),
        (terms(BUY, "10", "10", time_in_force=FOK), (OrdStatus.CANCELED, 10, 0, 0), "fok"),
        (terms(BUY, "4", "10", time_in_force=FOK), (OrdStatus.FILLED, 4, 4, 0), None),
        (terms(BUY, "3", None), (OrdStatus.FILLED, 3, 3, 0), None),
    ],
)
def test_orders_that_may_not_rest(wanted: Terms, result: tuple, reason: str | None) -> None:
    floor = Floor()
    floor.rest(SELL, "4", "9.98")
    answered = floor.do(place("c1", wanted))
    assert (floor.numbers("c1"), floor.order("c1").reason) == (result, reason)
    assert answered.outcome is Outcome.DONE
    assert floor.exchange.snapshot("a", (), 9) == []


def test_post_only_rests_or_is_refused() -> None:
    floor = Floor()
    floor.rest(SELL, "4", "10")
    refused = floor.do(place("c1", terms(BUY, "10", "10", post_only=True)))
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "post_only: 10 would take at 10")
    assert floor.do(place("c2", terms(BUY, "10", "9.99", post_only=True))).outcome is Outcome.DONE
    assert floor.do(replace("c2", "10", "10")).reason == "post_only: 10 would take"
    assert floor.numbers("c2") == (OrdStatus.NEW, 10, 0, 10)
    assert floor.order("c2").price == D("9.99")


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("wanted", "starts", "names"),
    [
        (terms(instrument="NOPE"), "unknown_instrument:", "ACME"),
        (terms(price="10.005"), "tick:", "the nearest are 10 and 10.01"),
        (terms(qty="1.5"), "lot:", "lots of 1"),
        (terms(qty="0"), "min_qty:", "above zero"),
        (terms(qty="1", price="4"), "min_notional:", "below the minimum of 5"),
        (terms(price="-1"), "price:", "above zero"),
        (terms(price=None, ord_type=OrdType.LIMIT), "price:", "needs limit price"),
        (terms(ord_type=OrdType.MARKET), "price:", "takes no limit price"),
        (terms(ord_type=OrdType.STOP, price=None), "stop:", "needs stop_px"),
        (terms(stop_px=D(9)), "stop:", "takes no stop_px"),
        (stop(BUY, "1", "11", time_in_force=IOC), "unsupported:", "a stop waits"),
        (terms(ord_type=OrdType.OTHER), "unsupported:", "order type other"),
        (terms(time_in_force=TimeInForce.GTD), "unsupported:", "time in force gtd"),
        (terms(post_only=True, time_in_force=IOC), "unsupported:", "post-only"),
        (terms(reduce_only=True), "reduce_only:", "would reduce"),
    ],
)
def test_an_order_that_cannot_be_is_refused_and_says_why(wanted: Terms, starts: str, names: str) -> None:
    floor = Floor()
    answered = floor.do(place("c1", wanted))
    assert answered.outcome is Outcome.REFUSED
    assert answered.reason is not None
    assert answered.reason.startswith(starts)
    assert names in answered.reason
    assert floor.numbers("c1")[0] is OrdStatus.REJECTED
    assert floor.kinds("c1") == [ExecType.REJECTED]


def test_cash_is_no_quantity_here() -> None:
    wanted = Terms(instrument="ACME", side=BUY, cash_order_qty=D(100), ord_type=OrdType.MARKET)
    answered = Floor().do(place("c1", wanted))
    assert (answered.outcome, answered.order) == (Outcome.REFUSED, None)
    assert str(answered.reason).startswith("unsupported:")


def test_a_client_id_is_used_once_per_account() -> None:
    floor = Floor()
    floor.do(place("c1"))
    again = floor.do(place("c1"))
    assert (again.outcome, again.reason) == (Outcome.REFUSED, "duplicate_id: 'c1' was used before")
    assert len(floor.exchange.accounts["a"].orders) == 1
    assert floor.do(place("c1", account="b")).outcome is Outcome.DONE
    floor.do(replace("c1", "5", name="c2"))
    assert floor.do(place("c2")).outcome is Outcome.REFUSED, "the id of a replace counts"
    floor.do(cancel("c2"))
    assert floor.do(place("c2")).outcome is Outcome.REFUSED, "and for ever"


def test_refused_requests_on_orders_show_the_order() -> None:
    floor = Floor()
    assert floor.do(cancel("none")).reason == "unknown_order: there is no order 'none'"
    floor.do(place("c1"))
    floor.take(SELL, "10")
    for op in (cancel("c1"), replace("c1", "20")):
        answered = floor.do(op)
        assert (answered.outcome, answered.reason) == (Outcome.REFUSED, "too_late: order P1 is Filled")
        assert answered.order is not None
        assert answered.order.cum_qty == 10


# ---------------------------------------------------------------------- cancel and replace


def test_cancel_takes_the_rest_off() -> None:
    floor = Floor()
    floor.do(place("c1"))
    floor.take(SELL, "4")
    answered = floor.do(cancel("c1"))
    assert (answered.outcome, floor.numbers("c1")) == (Outcome.DONE, (OrdStatus.CANCELED, 10, 4, 0))
    assert answered.order == floor.said[-1], "the reply is the report"
    assert (floor.said[-1].cl_ord_id, floor.said[-1].orig_cl_ord_id) == ("c1-x", "c1")


def test_replace_means_the_total_and_brings_a_new_id() -> None:
    floor = Floor()
    floor.do(place("c1"))
    floor.take(SELL, "4")
    floor.do(replace("c1", "7", "9.99", name="c2"))
    assert floor.numbers("c2") == (OrdStatus.PARTIALLY_FILLED, 7, 4, 3)
    assert floor.order("c2") is floor.order("c1")
    assert floor.said[-1].exec_type is ExecType.REPLACED


def test_a_replace_below_what_has_filled_is_clamped() -> None:
    floor = Floor()
    floor.do(place("c1"))
    floor.take(SELL, "4")
    assert floor.do(replace("c1", "2")).outcome is Outcome.DONE
    assert floor.numbers("c1") == (OrdStatus.FILLED, 4, 4, 0)
    assert floor.exchange.snapshot("a", (), 9) == []


def test_a_replace_across_the_book_is_told_before_its_fills() -> None:
    floor = Floor()
    floor.rest(SELL, "3", "10.05")
    floor.do(place("c1"))
    floor.do(replace("c1", "10", "10.05"))
    assert floor.kinds("c1") == [NEW, ExecType.REPLACED, TRADE]
    assert floor.order("c1").cum_qty == 3


# ---------------------------------------------------------------------- two accounts, fees


def test_two_accounts_that_cross_share_the_trade_and_pay_their_own_fees() -> None:
    floor = Floor()
    floor.do(place("m", terms(SELL, "10", "10"), account="maker"))
    floor.do(place("t", terms(BUY, "10", "10"), account="taker"))
    maker, taker = floor.order("m", "maker"), floor.order("t", "taker")
    assert [e.key for e in maker.executions] == [e.key for e in taker.executions] == ["T1"]
    assert (maker.fees, taker.fees) == (D("-0.01"), D("0.03")), "1 bp rebate, 3 bp taker of 100"
    assert taker.executions[0].fee_currency == "USD"
    assert (floor.exchange.positions["maker", "ACME"], floor.exchange.positions["taker", "ACME"]) == (-10, 10)


# ---------------------------------------------------------------------- reduce-only


def long(qty: str) -> Floor:
    """An account that holds `qty`, in an empty book."""
    floor = Floor()
    floor.rest(SELL, qty, "10")
    floor.do(place("entry", terms(BUY, qty, "10")))
    return floor


def test_reduce_only_is_cut_to_the_position_when_it_comes() -> None:
    floor = long("10")
    floor.do(place("c1", terms(SELL, "15", "11", reduce_only=True)))
    assert floor.numbers("c1") == (OrdStatus.NEW, 10, 0, 10)


def test_reduce_only_shrinks_with_the_position_and_ends_with_it() -> None:
    floor = long("10")
    floor.do(place("c1", terms(SELL, "10", "11", reduce_only=True)))
    floor.do(place("s1", stop(SELL, "10", "9", reduce_only=True)))
    floor.take(BUY, "4", "11")
    assert (floor.numbers("c1"), floor.numbers("s1")) == ((OrdStatus.PARTIALLY_FILLED, 10, 4, 6), (OrdStatus.NEW, 6, 0, 6))
    assert floor.said[-1].exec_type is ExecType.RESTATED
    floor.take(BUY, "6", "11")
    assert floor.numbers("c1") == (OrdStatus.FILLED, 10, 10, 0)
    assert (floor.numbers("s1"), floor.order("s1").reason) == ((OrdStatus.CANCELED, 6, 0, 0), "reduce_only")
    assert floor.exchange.positions["a", "ACME"] == 0


def test_one_taker_cannot_fill_two_reducing_orders_beyond_the_position() -> None:
    floor = long("10")
    for name in ("c1", "c2"):
        floor.do(place(name, terms(SELL, "10", "11", reduce_only=True)))
    floor.take(BUY, "15", "11")
    assert floor.exchange.positions["a", "ACME"] == 0
    assert floor.order("c2").cum_qty == 0


def test_reduce_only_cannot_be_replaced_beyond_the_position() -> None:
    floor = long("10")
    floor.do(place("c1", terms(SELL, "5", "11", reduce_only=True)))
    floor.take(BUY, "2", "11")
    floor.do(replace("c1", "50"))
    assert floor.numbers("c1") == (OrdStatus.PARTIALLY_FILLED, 10, 2, 8)


def test_a_complete_order_that_was_shrunk_is_over_for_whoever_missed_the_news() -> None:
    floor = long("10")
    floor.do(place("c1", terms(SELL, "10", "11", reduce_only=True)))
    engine = Engine()
    engine.step(VenueDeclared(venue="paper", capabilities=PAPER), 1)
    engine.step(OrderPlaced(venue="paper", account="a", cl_ord_id="c1", terms=terms(SELL, "10", "11")), 1)
    for report in floor.said:
        engine.step(report, 1)
    floor.do(place("x", terms(SELL, "4", None)))
    floor.rest(BUY, "4", "10")
    floor.do(place("y", terms(SELL, "4", "10")))
    floor.take(BUY, "6", "11")
    assert floor.numbers("c1") == (OrdStatus.FILLED, 6, 6, 0)
    seen = floor.exchange.find(query("c1"), 99)
    assert seen is not None
    child = engine.step(seen, 99).child
    assert child is not None
    assert (child.cum, child.leaves, child.open) == (6, 0, False)


# ---------------------------------------------------------------------- stops


def test_a_stop_waits_for_a_trade_at_its_price_and_then_takes() -> None:
    floor = Floor()
    floor.do(place("s", stop(SELL, "5", "9.50")))
    floor.rest(BUY, "3", "9.60")
    floor.rest(BUY, "9", "9.50")
    floor.take(SELL, "3")
    assert floor.numbers("s") == (OrdStatus.NEW, 5, 0, 5), "9.60 is above"
    floor.take(SELL, "1")
    assert floor.kinds("s") == [NEW, ExecType.TRIGGERED, TRADE]
    assert floor.numbers("s") == (OrdStatus.FILLED, 5, 5, 0)


def test_a_stop_limit_rests_at_its_limit() -> None:
    floor = Floor()
    floor.do(place("s", stop(BUY, "5", "10.50", "10.50")))
    floor.rest(SELL, "1", "10.50")
    floor.take(BUY, "1")
    assert (floor.numbers("s"), floor.exchange.markets["ACME"].book.best(BUY)) == ((OrdStatus.NEW, 5, 0, 5), D("10.5"))


def test_a_stop_that_is_due_already_is_triggered_at_once() -> None:
    floor = Floor()
    floor.rest(SELL, "9", "10")
    floor.take(BUY, "1")
    floor.do(place("s", stop(BUY, "5", "9.90")))
    assert floor.numbers("s") == (OrdStatus.FILLED, 5, 5, 0)


def test_stops_set_each_other_off_nearest_first() -> None:
    floor = Floor()
    floor.do(place("far", stop(SELL, "2", "9.40")))
    floor.do(place("near", stop(SELL, "2", "9.50")))
    for price in ("9.50", "9.40", "9.30"):
        floor.rest(BUY, "2", price)
    floor.take(SELL, "2")
    triggered = [each.order_id for each in floor.said if each.exec_type is ExecType.TRIGGERED]
    assert triggered == [floor.order("near").order_id, floor.order("far").order_id]
    assert floor.order("far").avg_px == D("9.30")


def test_a_stop_can_be_resized_and_canceled_while_it_waits() -> None:
    floor = Floor()
    floor.do(place("s", stop(SELL, "5", "9.50")))
    floor.do(replace("s", "3"))
    assert floor.numbers("s") == (OrdStatus.NEW, 3, 0, 3)
    assert str(floor.do(replace("s-r", "3", "9")).reason).startswith("price: a stop order has no limit")
    floor.do(cancel("s-r"))
    floor.rest(BUY, "9", "9.50")
    floor.take(SELL, "1")
    assert floor.numbers("s") == (OrdStatus.CANCELED, 3, 0, 0)
    assert len(floor.exchange.markets["ACME"].stops) == 0


# ---------------------------------------------------------------------- days, questions, memory


def test_the_end_of_the_day_expires_day_orders_only() -> None:
    floor = Floor()
    floor.do(place("day"))
    floor.do(place("stop", stop(SELL, "5", "9")))
    floor.do(place("gtc", terms(time_in_force=GTC)))
    floor.take(SELL, "4")
    floor.exchange.end_day(99)
    assert floor.numbers("day") == (OrdStatus.EXPIRED, 10, 4, 0)
    assert floor.numbers("stop")[0] is OrdStatus.EXPIRED
    assert floor.numbers("gtc") == (OrdStatus.NEW, 10, 0, 10)
    assert floor.exchange.markets["ACME"].book.depth(BUY) == [(D(10), D(10))]


def test_snapshot_has_what_works_and_what_was_named() -> None:
    floor = Floor()
    floor.do(place("c1"))
    floor.do(place("c2"))
    floor.do(place("other", account="b"))
    floor.do(cancel("c1"))
    assert [each.cl_ord_id for each in floor.exchange.snapshot("a", (), 9)] == ["c2"]
    assert [each.order_id for each in floor.exchange.snapshot("a", ("P1", "P2", "P99"), 9)] == ["P2", "P1"]


def test_history_is_every_execution_since() -> None:
    floor = Floor()
    floor.do(place("c1"))
    floor.take(SELL, "4")
    middle = floor.now + 1
    floor.take(SELL, "6")
    assert [e.qty for e in floor.exchange.history("a", 0)] == [4, 6]
    assert [e.qty for e in floor.exchange.history("a", middle)] == [6]


def test_what_ended_is_forgotten_in_time_and_history_says_when_it_cannot_answer() -> None:
    floor = Floor()
    floor.exchange = Exchange([LISTING], remember=3)
    for number in range(6):
        floor.do(place(f"c{number}", terms(qty="1")))
        floor.take(SELL, "1")
    assert list(floor.exchange.accounts["a"].orders) == ["P4", "P5", "P6"]
    assert sorted(floor.exchange.accounts["a"].clients) == ["c3", "c4", "c5"]
    with pytest.raises(LookupError, match="kept from"):
        floor.exchange.history("a", 0)
    assert len(floor.exchange.history("a", floor.now - 1)) == 1


# ---------------------------------------------------------------------- any trading: the ledger agrees, and it repeats


@pytest.mark.parametrize("seed", range(25))
def test_the_ledger_has_the_exchanges_numbers_of_every_order(seed: int) -> None:
    engine = Engine()
    trader = Trader(seed, engine)
    assert assert_ledger_is_the_truth(engine, trader.exchange) > 100
    for (account, symbol), held in trader.exchange.positions.items():
        orders = [o for o in trader.exchange.accounts[account].orders.values() if o.terms.instrument == symbol]
        assert held == sum((o.cum_qty if o.side is BUY else -o.cum_qty for o in orders), D(0))


def test_the_random_trading_meets_every_kind_of_report() -> None:
    reports = {msgspec.json.decode(line).get("exec_type") for seed in range(4) for line in Trader(seed, None).lines}
    wanted = {ExecType.NEW, TRADE, CANCELED, ExecType.REPLACED, ExecType.REJECTED, ExecType.EXPIRED}
    assert reports >= {*wanted, ExecType.TRIGGERED, ExecType.RESTATED}


def test_the_same_seed_says_the_same_byte_for_byte() -> None:
    assert Trader(3, None).lines == Trader(3, None).lines
    assert Trader(3, None).lines != Trader(4, None).lines


@pytest.mark.parametrize("seed", range(5))
def test_polls_alone_tell_the_ledger_the_same(seed: int) -> None:
    engine = Engine()
    engine.step(VenueDeclared(venue="paper", capabilities=PAPER), 0)
    exchange = Trader(seed, None).exchange
    for account, of in exchange.accounts.items():
        for each in exchange.snapshot(account, list(of.orders), 10_000):
            engine.step(each, 10_000)
    for account, of in exchange.accounts.items():
        for order in of.orders.values():
            child = engine.index.by_order["paper", account, order.order_id].child
            assert (child.cum, child.leaves, child.avg_px) == (order.cum_qty, order.leaves_qty, order.avg_px)
            assert not child.provisional_qty


# ---------------------------------------------------------------------- a market of its own


def test_a_fork_is_the_same_market_and_goes_its_own_way() -> None:
    floor = Floor()
    floor.rest(BUY, "7", "10")
    floor.rest(SELL, "8", "10.02")
    floor.rest(SELL, "9", "10.02")
    floor.take(BUY, "3")
    other = floor.exchange.fork()
    assert other.depth("ACME", 1) == floor.exchange.depth("ACME", 1)
    other.apply(place("c1", terms(BUY, "10", "10.02")), 20)
    filled = other.accounts["a"].clients["c1"].executions
    assert [(each.qty, each.px) for each in filled] == [(5, D("10.02")), (5, D("10.02"))], "the older of them has 5 left"
    assert floor.exchange.depth("ACME", 1).asks[0].qty == 14
    assert floor.exchange.accounts == {}
    floor.take(SELL, "7")
    assert other.depth("ACME", 1).bids[0].qty == 7


def test_a_market_in_which_accounts_work_cannot_be_forked() -> None:
    floor = Floor()
    floor.do(place("c1", terms(BUY, "10", "10")))
    with pytest.raises(ValueError, match=r"1 orders of accounts work here \(P1 first\)"):
        floor.exchange.fork()
    floor.do(cancel("c1"))
    assert floor.exchange.fork().accounts == {}
