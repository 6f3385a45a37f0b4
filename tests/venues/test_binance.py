"""The Binance futures decoder: what one message becomes, and what the engine makes of it."""

from __future__ import annotations

import itertools
import json
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from partfill.core.child import Child
from partfill.core.engine import Engine
from partfill.core.invariants import check_whole
from partfill.model.inputs import Execution, OrderPlaced, OrderSnapshot
from partfill.model.terms import Terms
from partfill.model.words import ExecType, Flag, OrdStatus, OrdType, Side, TimeInForce
from partfill.venues.binance.decoder import LONG_NAMES, BinanceFuturesDecoder
from partfill.venues.decoding import Damaged, Message
from tests.recorded import recorded
from tests.venues.damage import assert_named_or_harmless

SESSIONS = [f"data/binance_futures_user_stream/session_{n:02}.jsonl" for n in range(1, 8)]


def wire(**order: Any) -> dict[str, Any]:
    """One ORDER_TRADE_UPDATE as the venue sends it: an accepted limit order, changed by `order`."""
    base: dict[str, Any] = {
        "s": "ABCUSDT", "c": "mine-1", "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "3", "p": "20.5", "ap": "0", "sp": "0",
        "x": "NEW", "X": "NEW", "i": 77, "l": "0", "z": "0", "L": "0", "n": "0", "N": "USDT", "T": 1700000000001, "t": 0,
        "ot": "LIMIT",
    }  # fmt: skip
    return {"e": "ORDER_TRADE_UPDATE", "E": 1700000000002, "T": 1700000000001, "o": base | order}


def trade(key: int, last: str, done: str, px: str = "20.5", **order: Any) -> dict[str, Any]:
    """One execution of that order."""
    return wire(x="TRADE", X="PARTIALLY_FILLED", t=key, l=last, z=done, L=px, ap=px, n="0.004", N="USDT") | {
        "o": wire(x="TRADE", X="PARTIALLY_FILLED", t=key, l=last, z=done, L=px, ap=px, n="0.004")["o"] | order
    }


def long_named(event: dict[str, Any]) -> dict[str, Any]:
    """The same event as recorders write it."""
    head = {LONG_NAMES[name]: value for name, value in event.items() if name != "o"}
    return head | {"order": {LONG_NAMES[name]: value for name, value in event["o"].items() if name in LONG_NAMES}}


def decode(*events: Any, decoder: BinanceFuturesDecoder | None = None) -> list[Message]:
    decoder = decoder or BinanceFuturesDecoder()
    return [message for n, event in enumerate(events, 1) for message in decoder.decode(json.dumps(event), n)]


def snapshot(event: Any) -> OrderSnapshot:
    (message,) = decode(event)
    (said,) = message.inputs
    assert isinstance(said, OrderSnapshot)
    return said


def run(*events: Any) -> tuple[Engine, Child]:
    """All events through the engine; the one order that they are about."""
    engine = Engine()
    decoder = BinanceFuturesDecoder()
    for declared in decoder.declare():
        engine.step(declared, 0)
    for message in decode(*events, decoder=decoder):
        for said in message.inputs:
            engine.step(said, message.at)
    for child in engine.children.values():
        check_whole(child)
        assert not child.flags & Flag.QUARANTINED
    return engine, next(iter(engine.children.values()))


# ---------------------------------------------------------------------- translation


def test_a_trade_is_an_execution_under_its_trade_id_and_a_claim() -> None:
    said = snapshot(trade(901, "0.5", "1.25", px="20.4"))
    assert said.exec_type is ExecType.TRADE
    assert said.ord_status is OrdStatus.PARTIALLY_FILLED
    assert (said.order_qty, said.cum_qty, said.price) == (Decimal(3), Decimal("1.25"), Decimal("20.5"))
    assert said.executions is not None
    (fill,) = said.executions
    assert (fill.key, fill.qty, fill.px, fill.side) == ("901", Decimal("0.5"), Decimal("20.4"), Side.BUY)
    assert (fill.fee, fill.fee_currency) == (Decimal("0.004"), "USDT")


def test_the_recorders_names_say_the_same_as_the_wire() -> None:
    assert snapshot(long_named(trade(901, "0.5", "1.25"))) == snapshot(trade(901, "0.5", "1.25"))


def test_a_combined_stream_wraps_the_same_event() -> None:
    assert snapshot({"stream": "listen-key", "data": wire()}) == snapshot(wire())


def test_an_order_is_named_with_its_symbol_because_ids_are_counted_per_symbol() -> None:
    engine, _ = run(wire(s="ABCUSDT", c="a"), wire(s="XYZUSDT", c="b"))
    assert [child.order_id for child in engine.children.values()] == ["ABCUSDT:77", "XYZUSDT:77"]


def test_a_fee_of_null_is_unknown_and_a_fee_of_zero_is_zero() -> None:
    assert run(trade(1, "1", "1", n=None, N=None))[1].fees() == ({}, False)
    assert run(trade(1, "1", "1", n="0"))[1].fees() == ({"USDT": Decimal(0)}, True)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("NEW", ExecType.NEW),
        ("CANCELED", ExecType.CANCELED),
        ("EXPIRED", ExecType.EXPIRED),
        ("AMENDMENT", ExecType.REPLACED),
        ("CALCULATED", ExecType.TRADE),
        ("SOMETHING_NEW", None),
    ],
)
def test_execution_types(word: str, expected: ExecType | None) -> None:
    assert snapshot(wire(x=word)).exec_type is expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("GTC", TimeInForce.GTC),
        ("GTX", TimeInForce.GTC),
        ("IOC", TimeInForce.IOC),
        ("FOK", TimeInForce.FOK),
        ("GTD", TimeInForce.GTD),
        ("LATER", None),
    ],
)
def test_times_in_force(word: str, expected: TimeInForce | None) -> None:
    assert snapshot(wire(f=word)).time_in_force is expected


def test_an_unknown_status_word_is_kept_as_text() -> None:
    said = snapshot(wire(x="NOVEL", X="HALTED"))
    assert (said.ord_status, said.status_text) == (None, "HALTED")
    assert run(wire(x="NOVEL", X="HALTED"))[1].open


def test_a_market_order_has_no_price_and_a_close_position_order_no_quantity() -> None:
    said = snapshot(wire(o="STOP_MARKET", p="0", q="0", sp="19.75"))
    assert (said.price, said.order_qty, said.stop_px, said.ord_type) == (None, None, Decimal("19.75"), OrdType.STOP)


@pytest.mark.parametrize("kind", ["ACCOUNT_UPDATE", "MARGIN_CALL", "listenKeyExpired", "SOMETHING_ELSE"])
def test_other_events_concern_no_order(kind: str) -> None:
    assert decode({"e": kind, "E": 1700000000002, "a": {}}) == []
    assert decode({"eventType": kind, "eventTime": 1700000000002}) == []


def test_message_times_increase_strictly_though_the_venue_has_milliseconds() -> None:
    first, second, third = decode(wire(), trade(1, "1", "1"), wire() | {"E": 1690000000000})
    assert first.at == 1700000000002 * 10**6
    assert first.at < second.at < third.at
    assert second.inputs[0].venue_time == 1700000000001 * 10**6  # type: ignore[union-attr]


def test_numbers_that_are_json_numbers_stay_exact() -> None:
    raw = json.dumps(trade(1, "1", "1")).replace('"L": "20.5"', '"L": 0.1000000000000000055511151231257827')
    (message,) = BinanceFuturesDecoder().decode(raw, 1)
    assert message.inputs[0].executions[0].px == Decimal("0.1000000000000000055511151231257827")  # type: ignore[union-attr]


# ---------------------------------------------------------------------- through the engine


def test_an_order_fills_in_parts_and_each_trade_counts_once() -> None:
    events = [wire(), trade(1, "1", "1", "20.4"), trade(2, "0.5", "1.5", "20.5"), trade(3, "1.5", "3", "20.3", X="FILLED")]
    for shown in (events, events + events[1:], [events[0], *events[:0:-1]]):
        _, order = run(*shown)
        assert (order.status, order.cum, order.leaves) == (OrdStatus.FILLED, Decimal(3), Decimal(0))
        assert order.avg_px == Decimal("61.10") / 3 or order.notional == Decimal("61.10")


def test_a_rounded_average_makes_no_difference_where_executions_explain_it() -> None:
    _, order = run(wire(), trade(1, "1", "1", "20.4", ap="20.4"), trade(2, "2", "3", "20.5", ap="20.47", X="FILLED"))
    assert order.notional == Decimal("61.4")
    assert order.average() == (Decimal("20.46666666666666666666666667"), False)


def test_a_lost_trade_is_counted_from_the_total_and_priced_from_the_average_until_it_comes() -> None:
    lost, seen = trade(1, "1", "1", "20.4"), trade(2, "2", "3", "20.7", ap="20.6", X="FILLED")
    _, order = run(wire(), seen)
    assert (order.cum, order.provisional_qty, order.average()) == (Decimal(3), Decimal(1), (Decimal("20.6"), True))
    _, order = run(wire(), seen, lost)
    assert (order.cum, order.provisional_qty, order.average()) == (Decimal(3), Decimal(0), (Decimal("20.6"), False))


def test_a_cancel_keeps_what_filled() -> None:
    _, order = run(wire(), trade(1, "1", "1"), wire(x="CANCELED", X="CANCELED", z="1", ap="20.5"))
    assert (order.status, order.cum, order.leaves, order.canceled_qty) == (
        OrdStatus.CANCELED, Decimal(1), Decimal(0), Decimal(2),
    )  # fmt: skip


def test_the_first_message_of_an_order_may_be_its_end() -> None:
    """Recording began late: the total is all that is known of the fills."""
    _, order = run(wire(x="CANCELED", X="CANCELED", z="1", ap="20.5"))
    assert (order.status, order.cum, order.canceled_qty) == (OrdStatus.CANCELED, Decimal(1), Decimal(2))


def test_the_rest_of_an_immediate_or_cancel_order_expires() -> None:
    _, order = run(wire(f="IOC"), trade(1, "1", "1", f="IOC"), wire(f="IOC", x="EXPIRED", X="EXPIRED", z="1", ap="20.5"))
    assert (order.status, order.cum, order.leaves) == (OrdStatus.EXPIRED, Decimal(1), Decimal(0))


def test_expired_in_match_is_expired() -> None:
    _, order = run(wire(), wire(x="EXPIRED", X="EXPIRED_IN_MATCH"))
    assert order.status is OrdStatus.EXPIRED


def test_an_amendment_moves_terms_and_keeps_the_id() -> None:
    amended = wire(x="AMENDMENT", X="PARTIALLY_FILLED", q="2", p="20.6", z="1", ap="20.5")
    engine, order = run(wire(), trade(1, "1", "1"), amended)
    assert len(engine.children) == 1
    assert (order.order_qty, order.price, order.cum, order.leaves) == (Decimal(2), Decimal("20.6"), Decimal(1), Decimal(1))


def test_a_liquidation_takes_quantity_as_a_fill_and_does_not_end_the_order() -> None:
    _, order = run(wire(), trade(5, "1", "1", x="CALCULATED", X="PARTIALLY_FILLED"))
    assert (order.status, order.cum, order.leaves) == (OrdStatus.PARTIALLY_FILLED, Decimal(1), Decimal(2))


def test_a_fill_without_trade_id_is_only_in_the_total() -> None:
    _, order = run(wire(), trade(0, "1", "1"))
    assert (order.cum, order.provisional_qty, order.executions) == (Decimal(1), Decimal(1), 0)


def test_an_early_copy_of_a_trade_counts_once_and_learns_its_fee_later() -> None:
    lite = {"e": "TRADE_LITE", "E": 1700000000002, "T": 1700000000001, "s": "ABCUSDT", "q": "3", "p": "20.5", "m": False,
            "c": "mine-1", "S": "BUY", "L": "20.5", "l": "1", "t": 1, "i": 77}  # fmt: skip
    (message,) = decode(lite)
    assert isinstance(message.inputs[0], Execution)
    for events in ([wire(), lite, trade(1, "1", "1")], [wire(), trade(1, "1", "1"), lite]):
        _, order = run(*events)
        assert (order.cum, order.executions, order.fees()) == (Decimal(1), 1, ({"USDT": Decimal("0.004")}, True))


def test_a_triggered_stop_expires_and_lives_on_under_the_same_id() -> None:
    stop = {"o": "STOP_MARKET", "ot": "STOP_MARKET", "sp": "19", "p": "0"}
    events = [wire(**stop), wire(**stop, x="EXPIRED", X="EXPIRED"), wire(**stop | {"o": "MARKET"})]
    assert run(*events[:2])[1].status is OrdStatus.EXPIRED
    _, order = run(*events)
    assert (order.status, order.leaves) == (OrdStatus.NEW, Decimal(3))
    _, order = run(*events, trade(1, "3", "3", **stop | {"o": "MARKET", "X": "FILLED"}))
    assert (order.status, order.cum) == (OrdStatus.FILLED, Decimal(3))


def test_a_client_id_that_is_used_again_names_the_first_order_only() -> None:
    first = [wire(i=1), trade(1, "3", "3", i=1, X="FILLED")]
    engine, _ = run(*first, wire(i=2), trade(2, "1", "1", i=2))
    assert [(o.order_id, o.cl_ord_id, o.cum) for o in engine.children.values()] == [
        ("ABCUSDT:1", "mine-1", Decimal(3)),
        ("ABCUSDT:2", None, Decimal(1)),
    ]


def test_auto_deleveraging_orders_share_a_client_id_and_are_different_orders() -> None:
    engine, _ = run(wire(i=1, c="adl_autoclose"), wire(i=2, c="adl_autoclose"))
    assert len(engine.children) == 2


def test_an_order_of_ours_is_found_by_its_client_id() -> None:
    engine = Engine()
    terms = Terms(instrument="ABCUSDT", side=Side.BUY, order_qty=Decimal(3), price=Decimal("20.5"))
    engine.step(OrderPlaced(venue="binance", terms=terms, cl_ord_id="mine-1"), 1)
    for message in decode(wire(), trade(1, "1", "1")):
        engine.step(message.inputs[0], message.at)
    (order,) = engine.children.values()
    assert (order.order_id, order.cum, order.status) == ("ABCUSDT:77", Decimal(1), OrdStatus.PARTIALLY_FILLED)


@pytest.mark.parametrize("end", ["filled", "canceled"])
def test_every_order_of_arrival_ends_the_same(end: str) -> None:
    last = (
        trade(3, "1.5", "3", "20.3", X="FILLED")
        if end == "filled"
        else wire(x="CANCELED", X="CANCELED", z="1.5", ap="20.43333")
    )
    messages = decode(wire(), trade(1, "1", "1", "20.4"), trade(2, "0.5", "1.5", "20.5", ap="20.43333"), last)
    outcomes = set()
    for arrived in itertools.permutations(messages):
        engine = Engine()
        for message in (*arrived, *arrived):
            engine.step(message.inputs[0], message.at)
        (order,) = engine.children.values()
        check_whole(order)
        outcomes.add((order.status, order.cum, order.leaves, order.canceled_qty, order.notional, order.provisional_qty))
    assert len(outcomes) == 1


# ---------------------------------------------------------------------- damage


@pytest.mark.parametrize("event", [wire(), trade(1, "1", "1"), long_named(trade(1, "1", "1"))], ids=["new", "trade", "long"])
def test_damage_is_named_or_harmless(event: dict[str, Any]) -> None:
    assert_named_or_harmless(event, decode)


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (wire(q="three"), "q is 'three'"),
        (wire(S="HOLD"), "S is 'HOLD'"),
        (wire(i=None), "i is missing"),
        (wire(i=[7]), "i is [7]"),
        (wire() | {"E": "soon"}, "E is 'soon'"),
        (trade(1, "1", "1", n="0.1", N=None), "fee of execution '1' is 0.1 without fee_currency"),
        (trade(1, "-1", "1"), "qty of execution '1' is -1"),
        (long_named(wire(z="many")), "orderFilledAccumulatedQuantity is 'many'"),
        ([1], "frame 1 is 1"),
        ({"no": "event"}, "e is missing"),
    ],
)
def test_damage_names_the_value(broken: Any, named: str) -> None:
    with pytest.raises(Damaged) as caught:
        decode(broken)
    assert named in str(caught.value)


@pytest.mark.parametrize("raw", ["", "{", "nonsense", "NaN", '{"e": NaN}', "[" * 100_000, "1" * 5000, "\x00"])
def test_what_is_no_json_object_is_damaged(raw: str) -> None:
    with pytest.raises(Damaged):
        BinanceFuturesDecoder().decode(raw, 1)


# ---------------------------------------------------------------------- recorded sessions


@pytest.mark.parametrize("name", SESSIONS)
def test_recorded_session_adds_up_to_the_venues_own_totals(name: str) -> None:
    engine, decoder = Engine(), BinanceFuturesDecoder()
    for number, line in enumerate(recorded(name).read_text().splitlines(), 1):
        for message in decoder.decode(line, number):
            (said,) = message.inputs
            child = engine.step(said, message.at).child
            assert child is not None
            printed = message.printed
            assert (child.status, child.order_qty, child.cum) == (printed.ord_status, printed.order_qty, printed.cum_qty)
            assert (child.provisional_qty, child.all_flags()) == (Decimal(0), 0)
            if printed.avg_px is not None:
                assert child.avg_px is not None
                digit = Decimal(1).scaleb(int(printed.avg_px.as_tuple().exponent))
                assert child.avg_px.quantize(digit, ROUND_HALF_UP) == printed.avg_px
    for child in engine.children.values():
        check_whole(child)


def test_recorded_sessions_hold_39_updates_of_17_orders_with_21_trades() -> None:
    updates, orders, trades = 0, set(), set()
    for session in SESSIONS:
        decoder = BinanceFuturesDecoder()
        for number, line in enumerate(recorded(session).read_text().splitlines(), 1):
            for message in decoder.decode(line, number):
                updates += 1
                orders.add(message.order_id)
                trades.add((message.order_id, message.exec_id))
    assert (updates, len(orders), sum(key is not None for _, key in trades)) == (39, 17, 21)
