"""The Schwab decoder: what order JSON becomes, and what the engine makes of it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from partfill.core.child import Child
from partfill.core.engine import Engine
from partfill.core.invariants import check_whole
from partfill.model.events import AlarmKind, Event, Fill
from partfill.model.inputs import OrderSnapshot
from partfill.model.numbers import ZERO, add
from partfill.model.words import Flag, OrdStatus, OrdType, Side, TimeInForce
from partfill.venues.decoding import Damaged, Message
from partfill.venues.schwab.decoder import NOT_YET, SchwabDecoder
from tests.recorded import recorded
from tests.venues.damage import assert_named_or_harmless

FIXTURES = "venues/schwab/fixtures"
NS = 10**9


def leg(number: int = 1, symbol: str = "ABC", instruction: str = "BUY", qty: Any = 10.0) -> dict[str, Any]:
    instrument = {"assetType": "EQUITY", "cusip": "000000000", "symbol": symbol, "instrumentId": 40 + number}
    return {"orderLegType": "EQUITY", "legId": number, "instrument": instrument, "instruction": instruction,
            "positionEffect": "OPENING", "quantity": qty}  # fmt: skip


def activity(
    qty: Any, *prices: Any, kind: str = "FILL", number: int | None = 501, legs: tuple[int, ...] = (1,)
) -> dict[str, Any]:
    """One activity; every leg executes its quantity at its own price."""
    executed = [{"legId": n, "quantity": qty, "mismarkedQuantity": 0.0, "price": px, "time": "2026-03-09T14:55:52+0000",
                 "instrumentId": 40 + n} for n, px in zip(legs, prices, strict=True)]  # fmt: skip
    ident = {} if number is None else {"activityId": number}
    return {"activityType": "EXECUTION", **ident, "executionType": kind, "quantity": qty, "executionLegs": executed}


def order(*activities: dict[str, Any], filled: Any = 0.0, status: str = "WORKING", **fields: Any) -> dict[str, Any]:
    """An order to buy 10 ABC at 20.5."""
    row: dict[str, Any] = {
        "session": "NORMAL", "duration": "DAY", "orderType": "LIMIT", "complexOrderStrategyType": "NONE", "quantity": 10.0,
        "filledQuantity": filled, "remainingQuantity": 0.0, "price": 20.5, "orderLegCollection": [leg()],
        "orderStrategyType": "SINGLE", "orderId": 1009000000001, "status": status, "accountNumber": 11112222,
        "enteredTime": "2026-03-09T14:55:51+0000",
    }  # fmt: skip
    return row | ({"orderActivityCollection": list(activities)} if activities else {}) | fields


def spread(*activities: dict[str, Any], kind: str = "NET_CREDIT", **fields: Any) -> dict[str, Any]:
    """A vertical: one leg sold, one bought."""
    legs = [leg(1, "ABC P20", "SELL_TO_OPEN"), leg(2, "ABC P15", "BUY_TO_OPEN")]
    return order(*activities, orderType=kind, complexOrderStrategyType="VERTICAL", orderLegCollection=legs, price=1.2, **fields)


def decode(*polls: Any, decoder: SchwabDecoder | None = None) -> list[Message]:
    decoder = decoder or SchwabDecoder()
    return [message for n, poll in enumerate(polls, 1) for message in decoder.decode(json.dumps(poll), n)]


def snapshot(poll: Any) -> OrderSnapshot:
    (message,) = decode(poll)
    (said,) = message.inputs
    assert isinstance(said, OrderSnapshot)
    return said


def watch(*polls: Any) -> tuple[dict[str | None, Child], list[Event]]:
    """All polls through the engine: (order id -> order, everything subscribers heard)."""
    engine, decoder, heard = Engine(), SchwabDecoder(), []
    for declared in decoder.declare():
        engine.step(declared, 0)
    for message in decode(*polls, decoder=decoder):
        for said in message.inputs:
            heard += engine.step(said, message.at).events
    for child in engine.children.values():
        check_whole(child)
        assert not child.flags & (Flag.QUARANTINED | Flag.KEY_CONFLICT)
    return {child.order_id: child for child in engine.children.values()}, heard


def run(*polls: Any) -> Child:
    """All polls through the engine; the one order that they are about."""
    (child,) = watch(*polls)[0].values()
    return child


# ---------------------------------------------------------------------- executions


def test_a_fill_activity_is_an_execution_under_its_activity_id() -> None:
    said = snapshot(order(activity(4.0, 20.4999), filled=4.0))
    assert said.executions is not None
    (fill,) = said.executions
    assert (fill.key, fill.qty, fill.px, fill.leg) == ("501", Decimal("4.0"), Decimal("20.4999"), None)
    assert (fill.instrument, fill.side, fill.fee) == ("ABC", Side.BUY, None)
    assert (said.cum_qty, said.order_qty, said.account) == (Decimal("4.0"), Decimal("10.0"), "11112222")


def test_a_cancelled_order_carries_an_execution_that_is_no_fill() -> None:
    phantom = activity(6.0, 0.0, kind="CANCELED", number=502)
    shown = run(order(activity(4.0, 20.4), phantom, filled=4.0, status="CANCELED"))
    assert (shown.cum, shown.executions, shown.avg_px) == (Decimal(4), 1, Decimal("20.4"))
    assert (shown.status, shown.canceled_qty) == (OrdStatus.CANCELED, Decimal(6))


@pytest.mark.parametrize("kind", ["CANCELED", "CANCEL_REPLACE", "SOMETHING_NEW"])
def test_only_the_type_fill_fills(kind: str) -> None:
    assert snapshot(order(activity(4.0, 20.4, kind=kind))).executions == ()
    assert snapshot(order(activity(4.0, 20.4) | {"activityType": "ORDER_ACTION"})).executions == ()


@pytest.mark.parametrize("numbered", [True, False], ids=["with ids", "without ids"])
def test_equal_fills_of_one_second_are_different_fills(numbered: bool) -> None:
    fills = [activity(2.0, 20.4, number=500 + n if numbered else None) for n in range(4)]
    for polls in ([order(*fills, filled=8.0)], [order(*fills[:n], filled=2.0 * n) for n in (1, 2, 4, 4)]):
        shown = run(*polls)
        assert (shown.cum, shown.executions) == (Decimal(8), 4)


def test_without_activity_ids_a_fill_is_its_place_among_the_fills() -> None:
    first, phantom = activity(1.0, 20.4, number=None), activity(9.0, 0.0, kind="CANCELED")
    said = snapshot(order(first, phantom, activity(2.0, 20.5, number=None)))
    assert said.executions is not None
    assert [fill.key for fill in said.executions] == ["#1", "#2"]


def test_one_activity_at_two_prices_is_two_executions() -> None:
    shown = run(order(activity(2.0, 20.4, 20.5, legs=(1, 1)) | {"quantity": 4.0}, filled=4.0))
    assert (shown.cum, shown.executions, shown.avg_px) == (Decimal(4), 2, Decimal("20.45"))


def test_a_spread_counts_in_packages_and_keeps_its_legs() -> None:
    said = snapshot(spread(activity(3.0, 0.26, 1.72, legs=(2, 1)), filled=3.0))
    assert said.executions is not None
    package, *legs = said.executions
    assert (package.qty, package.px, package.leg) == (Decimal("3.0"), Decimal("1.46"), None)
    assert [(each.leg, each.instrument, each.side, each.qty, each.px) for each in legs] == [
        ("2", "ABC P15", Side.BUY, Decimal("3.0"), Decimal("0.26")),
        ("1", "ABC P20", Side.SELL, Decimal("3.0"), Decimal("1.72")),
    ]
    assert {each.key for each in said.executions} == {"501"}
    shown = run(spread(activity(3.0, 0.26, 1.72, legs=(2, 1)), filled=3.0))
    assert (shown.cum, shown.executions, shown.avg_px, shown.side) == (Decimal(3), 1, Decimal("1.46"), Side.SELL)


def test_a_debit_is_what_was_paid() -> None:
    """Seen from the order's side: a package bought for 0.17, not sold for -0.17."""
    legs = [leg(1, "ABC P20", "BUY_TO_CLOSE"), leg(2, "ABC P15", "SELL_TO_CLOSE")]
    shown = run(order(activity(1.0, 0.46, 0.29, legs=(1, 2)), filled=1.0, orderType="NET_DEBIT", orderLegCollection=legs))
    assert (shown.side, shown.avg_px) == (Side.BUY, Decimal("0.17"))


def test_legs_of_another_ratio_count_per_package() -> None:
    """One sold, two bought, in two packages: net 3.00 - 2 * 0.50."""
    fill = activity(2.0, 3.0, 0.5, legs=(1, 2))
    fill["executionLegs"][1]["quantity"] = 4.0
    assert run(spread(fill, filled=2.0)).avg_px == Decimal(2)


def test_a_package_with_a_leg_unpriced_has_no_price() -> None:
    assert run(spread(activity(1.0, 1.72, None, legs=(1, 2)), filled=1.0)).average() == (None, False)
    assert run(spread(activity(1.0, 1.72, legs=(1,)), filled=1.0)).average() == (None, False)


# ---------------------------------------------------------------------- quantities


def test_the_total_ahead_of_the_activities_is_a_gap_that_closes() -> None:
    """Quantity at once, no invented price, and no second fill when the executions come."""
    ahead = order(activity(1.5, 20.4), filled=3.5)
    shown = run(ahead)
    assert (shown.cum, shown.provisional_qty, shown.avg_px) == (Decimal("3.5"), Decimal("2.0"), None)
    orders, heard = watch(order(), ahead, order(activity(1.5, 20.4), activity(2.0, 20.6, number=502), filled=3.5))
    (shown,) = orders.values()
    assert (shown.cum, shown.provisional_qty, shown.executions) == (Decimal("3.5"), Decimal(0), 2)
    assert sum(event.qty for event in heard if isinstance(event, Fill)) == Decimal("3.5")


def test_what_is_left_is_not_read_from_remaining_quantity() -> None:
    shown = run(order(activity(4.0, 20.4), filled=4.0, remainingQuantity=0.0))
    assert shown.leaves == Decimal(6)


def test_a_stale_poll_takes_nothing_back() -> None:
    late = order(activity(1.0, 20.4), activity(2.0, 20.4, number=502), filled=3.0)
    shown = run(late, order(activity(1.0, 20.4), filled=1.0), late)
    assert (shown.cum, shown.executions) == (Decimal(3), 2)


def test_fractions_and_sub_cents_are_exact() -> None:
    shown = run(order(activity(0.0498, 22.7299), filled=0.0498, quantity=45.0498))
    assert (shown.order_qty, shown.cum, shown.avg_px) == (Decimal("45.0498"), Decimal("0.0498"), Decimal("22.7299"))


def test_numbers_ids_and_flags_may_be_text() -> None:
    text = order(activity("4", "20.4"), filled="4", quantity="10", price="20.5", orderId="370000001", cancelable="false")
    text["orderLegCollection"][0]["legId"] = "1"
    shown = run(text)
    assert (shown.order_id, shown.cum, shown.price) == ("370000001", Decimal(4), Decimal("20.5"))


# ---------------------------------------------------------------------- status


@pytest.mark.parametrize("word", NOT_YET)
def test_not_yet_at_the_market_is_open(word: str) -> None:
    shown = run(order(status=word))
    assert (shown.status, shown.open) == (OrdStatus.PENDING_NEW, True)


@pytest.mark.parametrize(
    ("word", "expected", "still_open"),
    [
        ("WORKING", OrdStatus.PARTIALLY_FILLED, True),
        ("PENDING_CANCEL", OrdStatus.PENDING_CANCEL, True),
        ("AWAITING_UR_OUT", OrdStatus.PENDING_CANCEL, True),
        ("PENDING_RECALL", OrdStatus.PENDING_CANCEL, True),
        ("PENDING_REPLACE", OrdStatus.PENDING_REPLACE, True),
        ("CANCELED", OrdStatus.CANCELED, False),
        ("EXPIRED", OrdStatus.EXPIRED, False),
        ("REPLACED", OrdStatus.CANCELED, False),
        ("UNKNOWN", OrdStatus.PARTIALLY_FILLED, True),
        ("NEVER_SEEN", OrdStatus.PARTIALLY_FILLED, True),
    ],
)
def test_every_word_keeps_the_partial_fill(word: str, expected: OrdStatus, still_open: bool) -> None:
    shown = run(order(activity(4.0, 20.4), filled=4.0, status=word))
    assert (shown.status, shown.open, shown.cum) == (expected, still_open, Decimal(4))
    assert shown.leaves == (Decimal(6) if still_open else ZERO)
    assert bool(shown.flags & Flag.REPLACED) is (word == "REPLACED")


def test_an_unknown_word_alarms_once() -> None:
    _, heard = watch(order(status="NEVER_SEEN"), order(status="NEVER_SEEN"))
    assert [event.kind for event in heard if hasattr(event, "kind")] == [AlarmKind.UNKNOWN_STATUS]


def test_a_fill_that_races_the_cancel_wins() -> None:
    part, rest = activity(4.0, 20.4), activity(6.0, 20.5, number=502)
    cancelling = order(part, filled=4.0, status="PENDING_CANCEL")
    shown = run(order(part, filled=4.0), cancelling, order(part, rest, filled=10.0, status="FILLED"))
    assert (shown.status, shown.cum, shown.open) == (OrdStatus.FILLED, Decimal(10), False)


def test_a_rejected_order_says_why() -> None:
    said = snapshot(order(status="REJECTED", statusDescription="not enough buying power"))
    assert (said.ord_status, said.reason) == (OrdStatus.REJECTED, "not enough buying power")
    assert not run(order(status="REJECTED")).open


def test_before_anything_happened_there_is_no_list_of_executions() -> None:
    assert snapshot(order()).executions is None
    assert snapshot(order(activity(1.0, 0.0, kind="CANCELED"))).executions == ()


# ---------------------------------------------------------------------- terms and nesting


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("BUY", Side.BUY),
        ("BUY_TO_COVER", Side.BUY),
        ("BUY_TO_OPEN", Side.BUY),
        ("SELL", Side.SELL),
        ("SELL_SHORT", Side.SELL),
        ("SELL_TO_CLOSE", Side.SELL),
        ("EXCHANGE", None),
    ],
)
def test_sides(instruction: str, expected: Side | None) -> None:
    assert snapshot(order(orderLegCollection=[leg(instruction=instruction)])).side is expected


def test_terms() -> None:
    said = snapshot(order(orderType="STOP_LIMIT", stopPrice=19.75, duration="GOOD_TILL_CANCEL"))
    assert (said.ord_type, said.time_in_force) == (OrdType.STOP_LIMIT, TimeInForce.GTC)
    assert (said.price, said.stop_px, said.instrument) == (Decimal("20.5"), Decimal("19.75"), "ABC")
    assert (snapshot(spread()).side, snapshot(spread(kind="NET_ZERO")).side) == (Side.SELL, None)
    assert snapshot(order(orderType="EXERCISE", duration="NEVER_SEEN")).ord_type is OrdType.OTHER


def node(*children: Any, number: int = 1009000000002) -> dict[str, Any]:
    return {"orderStrategyType": "OCO", "orderId": number, "status": "WORKING", "childOrderStrategies": list(children)}


def test_children_are_orders_and_a_node_is_none() -> None:
    low, high = order(orderId=3, status="AWAITING_PARENT_ORDER"), order(orderId=4, status="AWAITING_PARENT_ORDER")
    parent = order(activity(4.0, 20.4), filled=4.0, childOrderStrategies=[node(low, high)])
    shown = watch(parent)[0]
    assert [(oid, child.cum) for oid, child in shown.items()] == [("1009000000001", Decimal(4)), ("3", ZERO), ("4", ZERO)]
    assert {child.account for child in shown.values()} == {"11112222"}


def test_a_node_may_have_the_id_of_its_child() -> None:
    shown = run(node(order(orderId=4, status="EXPIRED"), number=4))
    assert (shown.order_id, shown.status) == ("4", OrdStatus.EXPIRED)


def test_a_list_is_its_orders_in_turn() -> None:
    assert [message.order_id for message in decode([order(orderId=1), order(orderId=2)])] == ["1", "2"]
    assert decode([]) == []


def test_times_are_exact_and_increase_from_answer_to_answer() -> None:
    messages = decode(order(activity(4.0, 20.4), filled=4.0), order(), order(enteredTime="2026-03-09T14:56:00Z"))
    assert messages[0].at == 1773068152 * NS
    assert messages[1].at == messages[0].at + 1
    assert messages[2].at == 1773068160 * NS
    assert messages[0].inputs[0].as_of == messages[0].at  # type: ignore[union-attr]


# ---------------------------------------------------------------------- damage

SHAPES = [
    order(activity(4.0, 20.4), filled=4.0, closeTime="2026-03-09T14:55:59+0000", stopPrice=1.5, statusDescription="text"),
    spread(activity(3.0, 0.26, 1.72, legs=(2, 1)), filled=3.0),
    order(childOrderStrategies=[node(order(orderId=3))]),
    [order(), node(order(orderId=4))],
]


@pytest.mark.parametrize("shape", SHAPES, ids=["order", "spread", "bracket", "list"])
def test_damage_is_named_or_harmless(shape: Any) -> None:
    assert_named_or_harmless(shape, decode)


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (order(quantity="ten"), "quantity is 'ten'"),
        (order(filled=-1), "cum_qty is -1"),
        (order(activity(0.0, 20.4)), "qty of execution '501' is 0.0"),
        (order(activity(1.0, "cheap")), "order 1009000000001: orderActivityCollection[0]: executionLegs[0]: price is 'cheap'"),
        (order(status=None), "status is missing"),
        (order(enteredTime="yesterday"), "enteredTime is 'yesterday'"),
        (order(enteredTime="2026-03-09T14:55:51"), "enteredTime is '2026-03-09T14:55:51'"),
        (order(orderId={}), "orderId is {}"),
        (order(orderLegCollection=[]), "orderLegCollection is []"),
        (order(orderActivityCollection="none"), "orderActivityCollection is 'none'"),
        (spread(activity(1.0, 1.0, 2.0, legs=(1, 7))), "legId is 7"),
        ({"access_token": "x"}, "['access_token']"),
        ([3], "frame 1 is 3"),
    ],
)
def test_damage_names_the_value(broken: Any, named: str) -> None:
    with pytest.raises(Damaged) as caught:
        decode(broken)
    assert named in str(caught.value)


def test_orders_nested_without_end_are_damaged() -> None:
    nested: Any = order()
    for _ in range(30):
        nested = node(nested)
    with pytest.raises(Damaged, match="deep"):
        decode(nested)


@pytest.mark.parametrize("raw", ["", "{", "nonsense", "NaN", '{"quantity": NaN}', "[" * 100_000, "1" * 5000, "\x00"])
def test_what_is_no_json_object_is_damaged(raw: str) -> None:
    with pytest.raises(Damaged):
        SchwabDecoder().decode(raw, 1)


# ---------------------------------------------------------------------- recorded orders


def fixtures() -> list[Path]:
    """Every recorded or derived file of orders."""
    kinds = ("order_*", "tda_*", "derived_*", "orders_list_*")
    found = {path for kind in kinds for path in recorded(FIXTURES).glob(kind + ".json")}
    return sorted(path for path in found if path.stem not in ("derived_poll_sequences", "derived_stream_partial_fills"))


def flat(value: Any) -> list[dict[str, Any]]:
    """Every order of a file that has a quantity, nested ones too."""
    orders = []
    for each in value if isinstance(value, list) else [value]:
        if "quantity" in each:
            orders.append(each)
        orders += flat(each.get("childOrderStrategies", []))
    return orders


def test_every_recorded_order_has_filled_what_its_fill_activities_add_up_to() -> None:
    seen = phantoms = 0
    for path in fixtures():
        raw = path.read_text()
        children = watch(json.loads(raw, parse_float=str))[0]
        for said in flat(json.loads(raw, parse_float=str)):
            fills = [a for a in said.get("orderActivityCollection", []) if a["executionType"] == "FILL"]
            total = ZERO
            for fill in fills:
                total = add(total, Decimal(fill["quantity"]))
            child = children[str(said["orderId"])]
            assert (child.cum, child.order_qty) == (Decimal(said["filledQuantity"]), Decimal(said["quantity"])), path.name
            assert (sum(ledger.itemised for ledger in child.ledgers), child.executions) == (total, len(fills)), path.name
            if "lagging" not in path.name:
                assert (total, child.average()[1]) == (child.cum, False), path.name
            closed = said["status"] in ("FILLED", "CANCELED", "REJECTED", "EXPIRED", "REPLACED")
            assert child.open is not closed, (path.name, said["status"])
            assert (child.status is OrdStatus.FILLED) is (said["status"] == "FILLED")
            seen += 1
            phantoms += len(said.get("orderActivityCollection", [])) - len(fills)
    assert (seen, phantoms > 10) == (66, True)


@pytest.mark.parametrize(
    ("name", "average"),
    [
        ("order_filled_iron_condor_four_legs", "2.81"),
        ("order_filled_vertical_legs_out_of_order", "0.17"),
        ("order_filled_single", "22.7299"),
        ("tda_order_canceled_partial", "32.6999"),
        ("order_canceled_unfilled_phantom_leg", None),
        ("order_replaced", None),
    ],
)
def test_average_of_recorded_orders(name: str, average: str | None) -> None:
    shown = run(json.loads(recorded(f"{FIXTURES}/{name}.json").read_text(), parse_float=str))
    assert shown.avg_px == (None if average is None else Decimal(average))


def test_a_recorded_chain_of_replaced_stops_has_not_filled() -> None:
    chain = json.loads(recorded(f"{FIXTURES}/order_trigger_filled_replaced_stop_chain.json").read_text(), parse_float=str)
    parent, *stops = watch(chain)[0].values()
    assert (parent.status, parent.cum) == (OrdStatus.FILLED, Decimal(39))
    assert [stop.cum for stop in stops] == [ZERO] * 9
    assert [stop.order_qty for stop in stops if stop.open] == [Decimal(30)]
    assert sum(bool(stop.flags & Flag.REPLACED) for stop in stops) == 8


ENDS = {"canceled": OrdStatus.CANCELED, "filled": OrdStatus.FILLED, "replaced": OrdStatus.CANCELED}


def test_every_poll_sequence_ends_right() -> None:
    for sequence in json.loads(recorded(f"{FIXTURES}/derived_poll_sequences.json").read_text(), parse_float=str):
        expected = sequence["expected"]
        polls = sequence["snapshots"]
        orders, heard = watch(*polls)
        (shown,) = orders.values()
        if "after_first" in expected:
            for seen, state in ((polls[:1], expected["after_first"]), (polls, expected["after_second"])):
                child = run(*seen)
                assert sum(ledger.itemised for ledger in child.ledgers) == Decimal(state["confirmed_by_executions"])
                assert child.provisional_qty == Decimal(state["gap"]), sequence["name"]
            assert run(*polls[:1]).avg_px is None, "no price is invented"
        else:
            assert shown.cum == Decimal(expected["filled"]), sequence["name"]
        if "fill_count" in expected:
            assert shown.executions == expected["fill_count"]
        if "terminal" in expected:
            assert (shown.status, shown.open) == (ENDS[expected["terminal"]], False)
            assert bool(shown.flags & Flag.REPLACED) is (expected["terminal"] == "replaced")
        for name in ("unfilled", "unfilled_on_old_id"):
            if name in expected:
                assert shown.canceled_qty == Decimal(expected[name])
        if "average_price" in expected:
            assert shown.avg_px == Decimal(expected["average_price"])
        if "fills" in expected:
            rows = [[key, row.qty, row.px] for key, row in shown.ledger.live()]
            assert rows == [[key, Decimal(qty), Decimal(px)] for key, qty, px in expected["fills"]]
        assert sum(event.qty for event in heard if isinstance(event, Fill)) == shown.cum, sequence["name"]
