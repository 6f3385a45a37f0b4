"""The Hyperliquid decoder: what every recorded shape becomes, and what the engine makes of it."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from partfill.core.child import Child
from partfill.core.engine import Engine
from partfill.core.invariants import check_whole
from partfill.model.inputs import Execution, Input, OrderSnapshot
from partfill.model.words import Flag, OrdStatus, OrdType, Side, TimeInForce
from partfill.venues.decoding import Damaged, Message
from partfill.venues.hyperliquid.decoder import HyperliquidDecoder
from tests.recorded import recorded
from tests.venues.damage import assert_named_or_harmless

FIXTURES = "venues/hyperliquid/fixtures"
ALICE, BOB = "0x" + "a1" * 20, "0x" + "b0" * 20


def fill(tid: int | None, oid: int = 11, sz: str = "0.2", px: str = "100.5", **fields: Any) -> dict[str, Any]:
    """One row of userFills; without `tid` in the old shape."""
    row: dict[str, Any] = {
        "coin": "ABC", "px": px, "sz": sz, "side": "B", "time": 1700000000500, "startPosition": "0.0", "dir": "Open Long",
        "closedPnl": "0.0", "hash": "0x" + "5c" * 32, "oid": oid, "crossed": True, "fee": "0.01",
    }  # fmt: skip
    new = {} if tid is None else {"tid": tid, "feeToken": "USDC", "twapId": None}
    return row | new | fields


def order(oid: int = 11, sz: str = "1.0", **fields: Any) -> dict[str, Any]:
    """The order inside an update: 1.0 ABC bought at 101."""
    row = {"coin": "ABC", "side": "B", "limitPx": "101", "sz": sz, "oid": oid, "timestamp": 1700000000000, "origSz": "1.0"}
    return row | fields


def update(status: str, **fields: Any) -> dict[str, Any]:
    return {"order": order(**fields), "status": status, "statusTimestamp": 1700000000500}


def fills_frame(*rows: Any, user: str = ALICE, **fields: Any) -> dict[str, Any]:
    return {"channel": "userFills", "data": {"user": user, "fills": list(rows)} | fields}


def updates_frame(*rows: Any) -> dict[str, Any]:
    return {"channel": "orderUpdates", "data": list(rows)}


def reply(*statuses: Any) -> dict[str, Any]:
    return {"status": "ok", "response": {"type": "order", "data": {"statuses": list(statuses)}}}


def decode(*frames: Any, decoder: HyperliquidDecoder | None = None) -> list[Message]:
    decoder = decoder or HyperliquidDecoder()
    return [message for n, frame in enumerate(frames, 1) for message in decoder.decode(json.dumps(frame), n)]


def inputs(*frames: Any) -> list[Input]:
    return [said for message in decode(*frames) for said in message.inputs]


def snapshot(*frames: Any) -> OrderSnapshot:
    (said,) = inputs(*frames)
    assert isinstance(said, OrderSnapshot)
    return said


def execution(*frames: Any) -> Execution:
    (said,) = inputs(*frames)
    assert isinstance(said, Execution)
    return said


def run(*frames: Any) -> dict[str | None, Child]:
    """All frames through the engine: order id -> order."""
    engine = Engine()
    decoder = HyperliquidDecoder()
    for declared in decoder.declare():
        engine.step(declared, 0)
    for message in decode(*frames, decoder=decoder):
        for said in message.inputs:
            engine.step(said, message.at)
    for child in engine.children.values():
        check_whole(child)
        assert not child.flags & Flag.QUARANTINED
    return {child.order_id: child for child in engine.children.values()}


# ---------------------------------------------------------------------- fills


def test_a_fill_is_an_execution_under_coin_oid_and_tid() -> None:
    said = execution(fills_frame(fill(9001, cloid="0xc1")))
    assert (said.key, said.account, said.order_id, said.cl_ord_id) == ("ABC:11:9001", ALICE, "11", "0xc1")
    assert (said.qty, said.px, said.side, said.instrument) == (Decimal("0.2"), Decimal("100.5"), Side.BUY, "ABC")
    assert (said.fee, said.fee_currency, said.venue_time) == (Decimal("0.01"), "USDC", 1700000000500 * 10**6)


def test_the_same_fill_has_the_same_key_in_a_frame_in_a_list_and_alone() -> None:
    shapes = (fills_frame(fill(1)), {"channel": "user", "data": {"fills": [fill(1)]}}, [fill(1)], fill(1), {"fill": fill(1)})
    assert {execution(shape).key for shape in shapes} == {"ABC:11:1"}


def test_a_replayed_listing_changes_nothing() -> None:
    rows = fill(1), fill(2), fill(3)
    order = run(fills_frame(*rows[:2], isSnapshot=True), fills_frame(*rows), list(rows), rows[2])["11"]
    assert (order.cum, order.executions) == (Decimal("0.6"), 3)


def test_a_rebate_is_a_negative_fee_and_may_be_in_another_token() -> None:
    said = execution(fill(1, fee="-0.003", feeToken="ABC"))
    assert (said.fee, said.fee_currency) == (Decimal("-0.003"), "ABC")


def test_an_old_row_has_no_token_and_its_fee_is_in_usdc() -> None:
    said = execution(fill(None, fee="0.0"))
    assert (said.fee, said.fee_currency) == (Decimal("0.0"), "USDC")


def test_old_rows_of_one_hash_and_order_are_different_fills() -> None:
    rows = [fill(None, px="100.5"), fill(None, px="100.4"), fill(None, px="100.5", startPosition="0.2")]
    assert run(rows)["11"].cum == Decimal("0.6")


def test_two_truly_equal_old_rows_in_one_listing_both_count() -> None:
    for listing in ([fill(None), fill(None)], fills_frame(fill(None), fill(None))):
        assert run(listing)["11"].cum == Decimal("0.4")
    assert run(fill(None), fill(None))["11"].cum == Decimal("0.4"), "rows that stand alone in a file are one listing"


def test_an_old_listing_that_comes_again_is_known_by_the_places_of_its_rows() -> None:
    listing = [fill(None), fill(None), fill(None, px="100.4")]
    assert run(listing, listing, fills_frame(*listing))["11"].cum == Decimal("0.6")


def test_system_rows_have_tid_zero_and_are_told_apart_by_content() -> None:
    dust = fill(0, dir="Spot Dust Conversion")
    assert run([dust, dust | {"sz": "0.3"}], [dust])["11"].cum == Decimal("0.5")


def test_numbers_that_are_json_numbers_stay_exact() -> None:
    raw = json.dumps(fill(1)).replace('"100.5"', "0.1000000000000000055511151231257827")
    (message,) = HyperliquidDecoder().decode(raw, 1)
    assert message.inputs[0].px == Decimal("0.1000000000000000055511151231257827")  # type: ignore[union-attr]


def test_message_times_increase_though_a_listing_is_newest_first() -> None:
    messages = decode([fill(2, time=1700000000900), fill(1, time=1700000000100)], reply({"resting": {"oid": 5}}))
    times = [message.at for message in messages]
    assert times == sorted(set(times))
    assert messages[1].inputs[0].venue_time == 1700000000100 * 10**6  # type: ignore[union-attr]


# ---------------------------------------------------------------------- accounts


def test_two_accounts_that_trade_with_each_other_share_a_tid_and_no_fill() -> None:
    rows = inputs(fills_frame(fill(7, oid=1), user=ALICE), fills_frame(fill(7, oid=2, side="A"), user=BOB))
    assert [(said.account, said.key) for said in rows] == [(ALICE, "ABC:1:7"), (BOB, "ABC:2:7")]  # type: ignore[union-attr]


def test_what_names_no_user_belongs_to_the_only_user_of_the_file() -> None:
    assert inputs(fills_frame(fill(1, oid=1)), updates_frame(update("open", oid=2)))[1].account == ALICE
    acknowledged = {"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": {"user": ALICE.upper()}}}
    assert inputs(acknowledged, updates_frame(update("open")))[0].account == ALICE.lower()


def test_what_names_no_user_belongs_to_nobody_when_the_file_names_two() -> None:
    frames = fills_frame(fill(1, oid=1)), fills_frame(fill(2, oid=2), user=BOB), updates_frame(update("open", oid=3))
    assert inputs(*frames)[2].account == ""


def test_the_given_account_owns_what_names_no_user() -> None:
    decoder = HyperliquidDecoder(account=ALICE)
    said = [m.inputs[0].account for m in decode(fills_frame(fill(1), user=BOB), updates_frame(update("open", oid=2)),
                                                decoder=decoder)]  # fmt: skip
    assert said == [BOB, ALICE]


def test_an_order_stays_with_the_account_it_was_first_seen_under() -> None:
    """A reply names no user, the fills after it do: still one order, and its quantity once."""
    orders = run(reply({"filled": {"totalSz": "0.2", "avgPx": "100.5", "oid": 11}}), fills_frame(fill(1)))
    assert [(o.order_id, o.cum) for o in orders.values()] == [("11", Decimal("0.2"))]


# ---------------------------------------------------------------------- orders and words


def test_an_open_order_states_terms_and_no_quantity_filled() -> None:
    said = snapshot(updates_frame(update("open", sz="0.4", cloid="0xc1", orderType="Limit", tif="Gtc")))
    assert (said.order_qty, said.cum_qty, said.leaves_qty) == (Decimal("1.0"), None, None)
    assert (said.ord_status, said.price, said.side, said.cl_ord_id) == (OrdStatus.NEW, Decimal(101), Side.BUY, "0xc1")
    assert (said.ord_type, said.time_in_force, said.as_of) == (OrdType.LIMIT, TimeInForce.GTC, 1700000000500 * 10**6)


def test_a_shrunk_reduce_only_order_has_not_filled() -> None:
    shown = run([order(sz="0.02", origSz="0.05", reduceOnly=True)])["11"]
    assert (shown.cum, shown.order_qty) == (Decimal(0), Decimal("0.05"))


def test_an_old_open_order_does_not_say_its_quantity() -> None:
    row = order()
    del row["origSz"]
    assert snapshot([row]).order_qty is None
    assert not run([row])["11"].known


def test_a_stop_of_the_whole_position_has_no_quantity_of_its_own() -> None:
    said = snapshot([order(origSz="0.0", isPositionTpsl=True, isTrigger=True, triggerPx="90", orderType="Stop Market")])
    assert (said.order_qty, said.stop_px, said.ord_type) == (None, Decimal(90), OrdType.STOP)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("open", OrdStatus.NEW),
        ("triggered", OrdStatus.NEW),
        ("filled", OrdStatus.FILLED),
        ("canceled", OrdStatus.CANCELED),
        ("rejected", OrdStatus.REJECTED),
        ("marginCanceled", OrdStatus.CANCELED),
        ("selfTradeCanceled", OrdStatus.CANCELED),
        ("scheduledCancel", OrdStatus.CANCELED),
        ("internalCancel", OrdStatus.CANCELED),
        ("badAloPxRejected", OrdStatus.REJECTED),
        ("iocCancelRejected", OrdStatus.REJECTED),
        ("notInventedYetCanceled", OrdStatus.CANCELED),
        ("notInventedYetRejected", OrdStatus.REJECTED),
        ("notInventedYet", None),
    ],
)
def test_status_words(word: str, expected: OrdStatus | None) -> None:
    said = snapshot(update(word))
    assert said.ord_status is expected
    assert said.status_text == (word if expected is None else None)
    plain = word in ("open", "triggered", "filled", "canceled", "rejected") or expected is None
    assert said.reason == (None if plain else word)


def test_an_unknown_word_counts_as_open() -> None:
    shown = run(updates_frame(update("open"), update("notInventedYet")))["11"]
    assert shown.open
    assert shown.flags & Flag.UNKNOWN_STATUS


def test_the_word_filled_invents_no_quantity() -> None:
    shown = run(updates_frame(update("open"), update("filled", sz="0.0")))["11"]
    assert (shown.cum, shown.status) == (Decimal(0), OrdStatus.NEW)
    shown = run(updates_frame(update("open"), update("filled", sz="0.0")), [fill(1, sz="1.0")])["11"]
    assert (shown.cum, shown.status) == (Decimal(1), OrdStatus.FILLED)


def test_a_cancel_status_can_carry_fills() -> None:
    shown = run(updates_frame(update("open"), update("marginCanceled", sz="0.6")), [fill(1, sz="0.4")])["11"]
    assert (shown.cum, shown.status, shown.canceled_qty) == (Decimal("0.4"), OrdStatus.CANCELED, Decimal("0.6"))


def test_history_lists_an_order_twice_newest_first() -> None:
    shown = run([update("canceled"), update("open")])["11"]
    assert (shown.status, shown.open) == (OrdStatus.CANCELED, False)


def test_order_status_answers() -> None:
    assert snapshot({"status": "order", "order": update("open")}) == snapshot(update("open"))
    assert inputs({"status": "unknownOid"}) == []


def test_a_cancel_of_the_venue_names_only_the_order() -> None:
    shown = run(updates_frame(update("open")), {"channel": "user", "data": {"nonUserCancel": [{"coin": "ABC", "oid": 11}]}})
    assert shown["11"].status is OrdStatus.CANCELED


def test_a_modified_order_lives_on_under_its_new_oid() -> None:
    """Both legs carry the cloid; the old leg's end is not the order's end."""
    for legs in ([update("open", oid=12, cloid="0xc1"), update("canceled", cloid="0xc1")],):
        (shown,) = run(updates_frame(update("open", cloid="0xc1")), updates_frame(*legs)).values()
        assert (shown.order_id, shown.status, shown.open) == ("12", OrdStatus.NEW, True)


# ---------------------------------------------------------------------- replies


def test_a_filled_reply_is_a_claim_and_not_the_end() -> None:
    said = snapshot(reply({"filled": {"totalSz": "0.6", "avgPx": "100.4", "oid": 11, "cloid": "0xc1"}}))
    assert (said.cum_qty, said.avg_px) == (Decimal("0.6"), Decimal("100.4"))
    assert (said.ord_status, said.cl_ord_id) == (OrdStatus.NEW, "0xc1")
    shown = run(updates_frame(update("open")), reply({"filled": {"totalSz": "0.6", "avgPx": "100.4", "oid": 11}}))["11"]
    assert (shown.status, shown.cum, shown.leaves) == (OrdStatus.PARTIALLY_FILLED, Decimal("0.6"), Decimal("0.4"))


def test_fills_explain_a_claim_and_are_not_added_to_it() -> None:
    claim = reply({"filled": {"totalSz": "0.6", "avgPx": "100.4", "oid": 11}})
    fills = fills_frame(fill(1, sz="0.35", px="100.3"), fill(2, sz="0.25", px="100.6"))
    for frames in ((claim, fills), (fills, claim)):
        shown = run(updates_frame(update("open")), *frames)["11"]
        assert (shown.cum, shown.provisional_qty, shown.average()[1]) == (Decimal("0.6"), Decimal(0), False)
        assert shown.notional == Decimal("60.255")


def test_a_resting_reply_opens_the_order() -> None:
    said = snapshot(reply({"resting": {"oid": 11}}))
    assert (said.ord_status, said.order_id, said.cum_qty) == (OrdStatus.NEW, "11", None)


@pytest.mark.parametrize(
    "frame",
    [
        reply({"error": "Order must have minimum value of $10. asset=4"}, "waitingForFill", "waitingForTrigger", "success"),
        {"status": "err", "response": "Signed action over weight limit of 200."},
        {"status": "ok", "response": {"type": "default"}},
        {"channel": "pong"},
        {"channel": "l2Book", "data": {"coin": "ABC", "levels": [[], []]}},
        {"channel": "trades", "data": [{"coin": "ABC", "tid": 1}]},
        {"channel": "user", "data": {"funding": {"coin": "ABC", "usdc": "-1"}}},
        {"coin": "ABC", "levels": [[], []], "time": 1},
        [],
    ],
)
def test_what_concerns_no_order_gives_nothing(frame: Any) -> None:
    assert decode(frame) == []


def test_a_post_frame_wraps_the_same_reply() -> None:
    inner = reply({"resting": {"oid": 11}})
    post = {"channel": "post", "data": {"id": 3, "response": {"type": "action", "payload": inner}}}
    assert snapshot(post) == snapshot(inner)


def test_open_orders_are_pushed_in_full() -> None:
    said = inputs({"channel": "openOrders", "data": {"dex": "", "user": ALICE, "orders": [order(1), order(2)]}})
    assert [(s.account, s.order_id) for s in said] == [(ALICE, "1"), (ALICE, "2")]  # type: ignore[union-attr]


# ---------------------------------------------------------------------- damage

SHAPES: list[Any] = [
    fill(1),
    fill(None),
    fill(0),
    fills_frame(fill(1), isSnapshot=True),
    updates_frame(update("open", cloid="0xc1", tif="Gtc", orderType="Limit", isTrigger=True, triggerPx="3")),
    {"status": "order", "order": update("open")},
    [order()],
    reply({"filled": {"totalSz": "1", "avgPx": "2", "oid": 3}}, {"resting": {"oid": 4, "cloid": "0xc"}}),
    {"channel": "post", "data": {"id": 3, "response": {"type": "action", "payload": reply({"resting": {"oid": 4}})}}},
    {"channel": "user", "data": {"nonUserCancel": [{"coin": "ABC", "oid": 11}]}},
    {"channel": "openOrders", "data": {"user": ALICE, "orders": [order()]}},
    {"channel": "subscriptionResponse", "data": {"subscription": {"user": ALICE}}},
    {"fill": fill(1), "twapId": 3},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_damage_is_named_or_harmless(shape: Any) -> None:
    assert_named_or_harmless(shape, decode)


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (fill(1, sz="much"), "sz is 'much'"),
        (fill(1, sz="0"), "qty of execution 'ABC:11:1' is 0"),
        (fill(1, side="buy"), "side is 'buy'"),
        (fill(1) | {"oid": None}, "oid is missing"),
        (fill(1) | {"tid": []}, "tid is []"),
        (fill(1, time="now"), "time is 'now'"),
        (fill(1, coin=None), "coin is missing"),
        (update("open", origSz="-1"), "order_qty is -1"),
        (updates_frame(update("")), "status is empty"),
        ({"channel": "userFills", "data": {"fills": "none"}}, "fills is 'none'"),
        ({"what": "is this"}, "['what']"),
        ([7], "frame 1 is 7"),
    ],
)
def test_damage_names_the_value(broken: Any, named: str) -> None:
    with pytest.raises(Damaged) as caught:
        decode(broken)
    assert named in str(caught.value)


@pytest.mark.parametrize("raw", ["", "{", "nonsense", "NaN", '{"tid": NaN}', "[" * 100_000, "1" * 5000, "\x00"])
def test_what_is_no_json_object_is_damaged(raw: str) -> None:
    with pytest.raises(Damaged):
        HyperliquidDecoder().decode(raw, 1)


# ---------------------------------------------------------------------- recorded answers


def recorded_json(path: str) -> Any:
    return json.loads(recorded(path).read_text(), parse_float=str)


@pytest.mark.parametrize("alone", [True, False], ids=["row by row", "one list"])
def test_all_258_recorded_fills_count_once(alone: bool) -> None:
    rows = recorded_json("data/hyperliquid/user_fills.json")
    orders = run(*rows) if alone else run(rows, rows)
    expected: Counter[str] = Counter()
    for row in rows:
        expected[str(row["oid"])] += Decimal(row["sz"])  # type: ignore[assignment]
    assert (len(rows), len(orders), sum(order.executions for order in orders.values())) == (258, 217, 258)
    assert {oid: order.cum for oid, order in orders.items()} == dict(expected)
    assert sum(order.executions > 1 for order in orders.values()) == 31


def test_recorded_open_and_historical_orders() -> None:
    assert len(decode(recorded_json("data/hyperliquid/open_orders.json"))) == 196
    assert len(decode(recorded_json("data/hyperliquid/frontend_open_orders.json"))) == 3
    ended = run(recorded_json("data/hyperliquid/historical_orders.json")).values()
    assert {(o.cum, o.open) for o in ended} == {(Decimal(0), False)}
    assert Counter(o.status for o in ended) == {OrdStatus.REJECTED: 3, OrdStatus.CANCELED: 2}


@pytest.mark.parametrize("name", ["l2_snapshot", "user_state", "user_twap_slice_fills"])
def test_recorded_answers_that_concern_no_order(name: str) -> None:
    assert decode(recorded_json(f"data/hyperliquid/{name}.json")) == []


def test_recorded_frames_and_replies_are_all_read() -> None:
    counts = {}
    for file, part in (("ws_frames", "frame"), ("exchange_replies", "reply"), ("info_replies", "reply")):
        for entry in recorded_json(f"{FIXTURES}/{file}.json"):
            counts[f"{file}/{entry['name']}"] = [m.msg for m in decode(entry[part])]
    assert counts["ws_frames/order_updates_open_and_filled_same_ms"] == ["order"] * 3
    assert counts["ws_frames/user_fills_snapshot"] == ["fill"]
    assert counts["ws_frames/user_event_non_user_cancel"] == ["nonUserCancel"]
    assert counts["exchange_replies/ioc_partial_fill_rest_dropped"] == ["filled"]
    assert counts["exchange_replies/reduce_only_full_close_below_min_value_rests"] == ["resting"]
    assert counts["info_replies/user_fills_with_dust_conversion"] == ["fill"] * 5
    assert counts["info_replies/order_status_unknown"] == []


@pytest.mark.parametrize(
    "file",
    [
        "info_open_orders",
        "info_frontend_open_orders",
        "info_user_fills_2023",
        "info_user_fills_by_time_2023",
        "info_historical_orders",
    ],
)
def test_recorded_info_answers_are_all_read(file: str) -> None:
    rows = recorded_json(f"{FIXTURES}/{file}.json")["response"]
    assert len(decode(rows)) == len(rows)


def test_the_recorded_modify_run_leaves_two_resting_orders() -> None:
    """Four orders rest one after the other, two of them as replacements; no error is taken for a fill."""
    steps = recorded_json(f"{FIXTURES}/testnet_modify_sequence.json")["steps"]
    orders = run(*(step["response"] for step in steps if isinstance(step["response"], dict | list)))
    assert all(order.cum == 0 for order in orders.values())
    assert "53244219349" in orders


@pytest.mark.parametrize(
    "frame",
    [
        {"channel": "orderUpdates"}, {"channel": "orderUpdates", "data": None},
        {"channel": "userFills", "data": {"user": ALICE}},
        {"channel": "openOrders", "data": {"user": ALICE}}, {"status": "ok", "response": {"type": "order"}},
        {"status": "ok", "response": {"type": "order", "data": {}}},
        {"status": "ok", "response": {"type": "cancel", "data": None}},
        {"status": "ok", "response": {"type": "order", "data": {"statuses": None}}},
    ],
)  # fmt: skip
def test_a_list_that_is_missing_is_not_an_empty_one(frame: Any) -> None:
    with pytest.raises(Damaged):
        decode(frame)
    assert decode({"channel": "orderUpdates", "data": []}, reply(), {"status": "ok", "response": {"type": "default"}}) == []


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000, "[" * 40 + "]" * 40, '{"a":"' + "[" * 50 + '"' + "[" * 33])
def test_json_without_end_is_refused_before_it_is_parsed(deep: str) -> None:
    with pytest.raises(Damaged, match="more than 32 levels"):
        list(HyperliquidDecoder().decode(deep, 1))


def test_brackets_in_text_and_side_by_side_are_no_depth() -> None:
    assert list(HyperliquidDecoder().decode(json.dumps({"type": "[" * 100 + '"\\' + "{" * 100}), 1)) == []
    assert list(HyperliquidDecoder().decode(json.dumps([{"type": "x"}] * 1_000), 1)) == []
    with pytest.raises(Damaged, match="at most"):
        list(HyperliquidDecoder().decode('{"type":"' + "x" * (5 << 20) + '"}', 1))
