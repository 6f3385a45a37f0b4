"""Order-by-order market data (Bitstamp, INET, PITCH, CME market by order): rows, traps, damage, recorded files."""

from __future__ import annotations

import gzip
import lzma
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partfill.model.events import AlarmKind
from partfill.model.words import Flag, OrdStatus, Side
from partfill.venues.decoding import Damaged, Decoder
from partfill.venues.lobster.decoder import LobsterDecoder
from partfill.venues.marketdata.bitstamp import BitstampDecoder
from partfill.venues.marketdata.inet import InetDecoder
from partfill.venues.marketdata.mbo import MboDecoder
from partfill.venues.marketdata.pitch import PitchDecoder
from tests.recorded import Replay, assert_canceled_is_what_was_printed, assert_conserved, recorded

# ====================================================================== Bitstamp


def stamped(ms: int, kind: str, amount: str, *, order: int = 501, price: str = "250.10", side: int = 0) -> str:
    body = f'{{"price": "{price}", "amount": "{amount}", "datetime": "1", "id": {order}, "order_type": {side}}}'
    return f"{ms} order_{kind} {body}"


def bitstamp(*rows: str, remember: int = 100) -> Replay:
    return Replay(BitstampDecoder("BTC/USD", remember)).run(rows)


CREATED = stamped(1000, "created", "2.00000000")


def test_bitstamp_created_is_an_order() -> None:
    order = bitstamp(stamped(1000, "created", "2.00000000", side=1)).order("501")
    assert (order.instrument, order.side, order.price) == ("BTC/USD", Side.SELL, Decimal("250.10"))
    assert (order.order_qty, order.leaves, order.status) == (2, 2, OrdStatus.NEW)


def test_bitstamp_what_is_left_tells_what_filled() -> None:
    replay = bitstamp(CREATED, stamped(1100, "changed", "1.25000000"), stamped(1200, "changed", "0.50000000"))
    order = replay.order("501")
    assert (order.cum, order.leaves, order.status) == (Decimal("1.5"), Decimal("0.5"), OrdStatus.PARTIALLY_FILLED)
    assert replay.fills[order.id] == 2
    assert order.average() == (Decimal("250.10"), True)


def test_bitstamp_deleted_with_nothing_left_is_filled() -> None:
    order = bitstamp(CREATED, stamped(1100, "deleted", "0.00000000")).order("501")
    assert (order.cum, order.leaves, order.canceled_qty, order.status) == (2, 0, 0, OrdStatus.FILLED)
    assert not order.open


def test_bitstamp_deleted_with_a_rest_cancels_the_rest() -> None:
    order = bitstamp(CREATED, stamped(1100, "changed", "0.75"), stamped(1200, "deleted", "0.75")).order("501")
    assert (order.cum, order.leaves, order.canceled_qty) == (Decimal("1.25"), 0, Decimal("0.75"))
    assert order.status is OrdStatus.CANCELED


def test_bitstamp_deletion_that_tells_of_a_fill_and_a_rest_at_once() -> None:
    replay = bitstamp(CREATED, stamped(1200, "deleted", "0.75"))
    order = replay.order("501")
    assert (order.cum, order.canceled_qty, order.status) == (Decimal("1.25"), Decimal("0.75"), OrdStatus.CANCELED)
    assert not replay.alarms


def test_bitstamp_changed_that_changes_nothing_is_no_fill() -> None:
    replay = bitstamp(CREATED, stamped(1100, "changed", "2.00000000"))
    assert (replay.order("501").cum, sum(replay.fills.values())) == (0, 0)


@pytest.mark.parametrize("rest", ["0.00000000", "0.75000000", "2.00000000"])
def test_bitstamp_order_created_after_its_deletion_does_not_revive(rest: str) -> None:
    order = bitstamp(stamped(900, "deleted", rest), CREATED).order("501")
    assert (order.cum, order.leaves, order.canceled_qty) == (2 - Decimal(rest), 0, Decimal(rest))
    assert not order.open


def test_bitstamp_change_that_comes_after_the_deletion_changes_nothing() -> None:
    order = bitstamp(CREATED, stamped(1100, "deleted", "0.00"), stamped(1101, "changed", "1.50")).order("501")
    assert (order.cum, order.leaves, order.status) == (2, 0, OrdStatus.FILLED)


def test_bitstamp_order_deleted_twice_ends_once() -> None:
    replay = bitstamp(CREATED, stamped(1100, "deleted", "2.00"), stamped(1110, "deleted", "2.00"))
    order = replay.order("501")
    assert (order.canceled_qty, order.status, dict(replay.alarms)) == (2, OrdStatus.CANCELED, {})


def test_bitstamp_order_never_seen_created_is_parked_without_a_guess() -> None:
    rows = (stamped(1000, "changed", "1.5"), stamped(1100, "deleted", "0.0"), stamped(1200, "deleted", "3", order=502))
    replay = bitstamp(*rows)
    assert [(order.order_id, order.cum) for order in replay.parked] == [("501", 0), ("502", 0)]


def test_bitstamp_memory_is_bounded_and_a_forgotten_order_counts_as_never_seen() -> None:
    other = stamped(1001, "created", "1.0", order=502)
    replay = bitstamp(CREATED, other, stamped(1100, "deleted", "1.0", order=501), remember=1)
    order = replay.order("501")
    assert (order.cum, order.leaves, order.canceled_qty) == (0, 0, 2)


def test_bitstamp_trades_and_books_name_no_order() -> None:
    rows = ('1000 trade {"price": 250.1, "amount": 1.7000000000000002, "id": 9}', '1001 order_book {"bids": [], "asks": []}')
    assert not bitstamp(*rows).messages


@pytest.fixture(scope="module")
def stamps() -> Replay:
    with lzma.open(recorded("data/bitstamp/2015-05-01.log.xz"), "rt", encoding="ascii") as file:
        return Replay(BitstampDecoder()).run(file)


def test_bitstamp_recorded_hours_have_all_orders_and_fills(stamps: Replay) -> None:
    assert len(stamps.known) == 24_894
    assert sum(order.cum > 0 for order in stamps.known) == 736
    assert sum(count >= 2 for count in stamps.fills.values()) == 183
    assert max(stamps.fills.values()) == 16


def test_bitstamp_recorded_hours_revive_no_order_and_disagree_once(stamps: Replay) -> None:
    kinds: dict[str, list[str]] = {}
    for message in stamps.messages:
        kinds.setdefault(message.order_id or "", []).append(message.msg)
    late = [order_id for order_id, told in kinds.items() if told[0] == "deleted" and "created" in told]
    assert len(late) == 5
    assert not any(stamps.order(order_id).open for order_id in late)
    # One change was printed after the deletion of its order.
    assert [message.msg for message in stamps.disagreements] == ["changed"]
    assert not stamps.alarms


def test_bitstamp_recorded_hours_conserve_every_order(stamps: Replay) -> None:
    assert_conserved(stamps)


# ====================================================================== INET


def inet(*rows: str) -> Replay:
    return Replay(InetDecoder("XYZ")).run(rows)


ADDED = "A,34200000,801,11.40,400,BID"


def test_inet_add_is_an_order() -> None:
    order = inet("type,time,id,price,size,type", ADDED).order("801")
    assert (order.instrument, order.side, order.price, order.leaves) == ("XYZ", Side.BUY, Decimal("11.40"), 400)


def test_inet_small_price_in_powers_of_ten_is_exact() -> None:
    assert inet("A,34200000,801,1.00E-04,400,ASK").order("801").price == Decimal("0.0001")


def test_inet_rest_before_its_trade_is_the_same_fill_once() -> None:
    replay = inet(ADDED, "R,34200005,801,300", "T,34200005,801,11.40,100")
    order = replay.order("801")
    assert (order.cum, order.leaves, order.order_qty, order.canceled_qty) == (100, 300, 400, 0)
    assert replay.messages[-1].printed.leaves_qty == 300
    assert not replay.disagreements


def test_inet_rest_without_a_trade_is_a_change_by_the_owner() -> None:
    replay = inet(ADDED, "R,34200005,801,300", "A,34200006,802,11.41,100,ASK")
    order = replay.order("801")
    assert (order.cum, order.leaves, order.canceled_qty) == (0, 300, 100)
    assert [message.msg for message in replay.messages] == ["add", "changed", "add"]


def test_inet_rest_that_grows_is_what_is_open_now() -> None:
    fill = ("R,34200005,801,300", "T,34200005,801,11.40,100")
    changes = ("R,34200006,801,500", "R,34200007,801,450", "C,34200008,899")
    order = inet(ADDED, *fill, *changes).order("801")
    assert (order.cum, order.leaves, order.order_qty, order.peak_qty) == (100, 450, 550, 600)


def test_inet_trade_of_another_order_does_not_explain_a_rest() -> None:
    replay = inet(ADDED, "A,34200001,802,11.40,100,BID", "R,34200005,801,300", "T,34200005,802,11.40,100")
    assert (replay.order("801").cum, replay.order("801").leaves, replay.order("802").cum) == (0, 300, 100)


def test_inet_gone_is_a_cancel() -> None:
    order = inet(ADDED, "C,34200005,801").order("801")
    assert (order.leaves, order.canceled_qty, order.status) == (0, 400, OrdStatus.CANCELED)


def test_inet_trade_after_gone_still_fills_the_order() -> None:
    replay = inet(ADDED, "C,34200005,801", "T,34200005,801,11.40,400,TRUE")
    order = replay.order("801")
    assert (order.cum, order.leaves, order.canceled_qty, order.status) == (400, 0, 0, OrdStatus.FILLED)
    assert order.all_flags() & Flag.LATE_FILL


def test_inet_fill_after_cancel_moves_cum_but_not_leaves() -> None:
    order = inet(ADDED, "C,34200005,801", "T,34200005,801,11.40,150").order("801")
    assert (order.cum, order.leaves, order.canceled_qty, order.status) == (150, 0, 250, OrdStatus.CANCELED)


def test_inet_trade_of_an_unknown_order_is_parked() -> None:
    replay = inet("T,34200005,899,11.40,150")
    assert (replay.order("899").known, replay.order("899").cum, replay.engine.counters.parked) == (False, 150, 1)


def test_inet_two_equal_trades_are_two_fills() -> None:
    order = inet(ADDED, "T,34200005,801,11.40,100", "T,34200005,801,11.40,100").order("801")
    assert (order.cum, order.executions) == (200, 2)


@pytest.fixture(scope="module")
def inet_rows() -> list[str]:
    with gzip.open(recorded("data/inet_orderbook/sample.txt.gz"), "rt", encoding="ascii") as file:
        return file.read().splitlines()


def test_inet_recorded_rows_have_all_fills(inet_rows: list[str]) -> None:
    replay = Replay(InetDecoder()).run(inet_rows)
    filled = [order for order in replay.engine.children.values() if order.cum > 0]
    assert len(filled) == 741
    assert sum(order.executions >= 2 for order in filled) == 65
    assert max(order.executions for order in filled) == 6
    assert sum(order.executions for order in filled) == 830
    assert len(replay.flagged(Flag.LATE_FILL)) == 653
    # 33 orders traded before the file's first add of them; 6 trades are of more than their order ever had.
    assert sum(order.cum > 0 for order in replay.parked) == replay.alarms[AlarmKind.PARKED] == 33
    assert replay.alarms[AlarmKind.OVERFILL] == 6
    assert not replay.disagreements
    assert_conserved(replay)


def test_inet_recorded_trades_equal_what_the_row_before_took_off(inet_rows: list[str]) -> None:
    replay = Replay(InetDecoder())
    rows = [row.split(",") for row in inet_rows]
    pairs = pairwise(rows)
    wanted = {at for at, (row, after) in enumerate(pairs) if row[0] in "RC" and after[0] == "T" and row[2] == after[2]}
    equal: Counter[str] = Counter()
    off = Decimal(0)
    for number, row in enumerate(inet_rows):
        if number in wanted:
            kind, _, order_id, *size = rows[number]
            off = replay.order(order_id).leaves - (Decimal(size[0]) if kind == "R" else 0)
        if number - 1 in wanted:
            equal[rows[number - 1][0]] += off == Decimal(rows[number][4])
        replay.run([row])
    assert len(wanted) == 782
    assert equal == {"R": 129, "C": 646}


# ====================================================================== PITCH


def pitch(*rows: str) -> Replay:
    return Replay(PitchDecoder()).run(rows)


ID = "7Q00000000AB"


def added(ms: int = 28_800_000, *, order: str = ID, shares: int = 500, price: str = "0000304500", side: str = "S") -> str:
    return f"S{ms:08d}A{order}{side}{shares:06d}XYZ   {price}Y"


def canceled(shares: int, *, ms: int = 28_800_100, order: str = ID) -> str:
    return f"S{ms:08d}X{order}{shares:06d}"


def executed(shares: int, key: str, *, ms: int = 28_800_050, order: str = ID) -> str:
    return f"S{ms:08d}E{order}{shares:06d}{key:0>12}"


def test_pitch_add_is_an_order() -> None:
    order = pitch(added()).order(ID)
    assert (order.instrument, order.side, order.price, order.leaves) == ("XYZ", Side.SELL, Decimal("30.45"), 500)


def test_pitch_execution_fills_at_the_price_of_the_order() -> None:
    order = pitch(added(), executed(200, "E1"), executed(300, "E2")).order(ID)
    assert (order.cum, order.leaves, order.avg_px, order.status) == (500, 0, Decimal("30.45"), OrdStatus.FILLED)


def test_pitch_same_execution_id_counts_once() -> None:
    order = pitch(added(), executed(200, "E1"), executed(200, "E1")).order(ID)
    assert (order.cum, order.leaves) == (200, 300)


def test_pitch_cancel_of_some_shares_leaves_the_order_working() -> None:
    order = pitch(added(), canceled(200)).order(ID)
    assert (order.order_qty, order.leaves, order.canceled_qty, order.open) == (300, 300, 200, True)


def test_pitch_cancel_of_all_that_is_left_ends_the_order() -> None:
    order = pitch(added(), executed(100, "E1"), canceled(150), canceled(250)).order(ID)
    assert (order.cum, order.leaves, order.canceled_qty, order.status) == (100, 0, 400, OrdStatus.CANCELED)


def test_pitch_id_that_comes_back_is_a_new_order() -> None:
    replay = pitch(added(), executed(100, "E1"), canceled(400), added(28_800_100, shares=400, price="0000304600"))
    first, second = replay.known
    assert (first.cum, first.leaves, first.status) == (100, 0, OrdStatus.CANCELED)
    assert (second.cum, second.leaves, second.price) == (0, 400, Decimal("30.46"))
    assert replay.order(ID) is second


def test_pitch_id_that_comes_back_after_a_full_fill_is_a_new_order() -> None:
    replay = pitch(added(), executed(500, "E1"), added(28_800_200), executed(50, "E2", ms=28_800_300))
    assert [(order.cum, order.leaves) for order in replay.known] == [(500, 0), (50, 450)]


def test_pitch_add_under_a_live_id_ends_the_order_before_it() -> None:
    replay = pitch(added(), canceled(200), added(28_800_200, shares=700))
    assert [(order.leaves, order.open) for order in replay.known] == [(0, False), (700, True)]


def test_pitch_id_of_an_order_older_than_the_file_comes_back_without_its_fills() -> None:
    replay = pitch(executed(100, "E1"), canceled(400), added(28_800_200))
    assert (replay.order(ID).cum, replay.order(ID).leaves) == (0, 500)
    assert [(order.cum, order.avg_px, order.open) for order in replay.parked] == [(100, None, False)]


def test_pitch_cancel_of_more_than_is_left_ends_the_order_and_is_told() -> None:
    replay = pitch(added(), canceled(600))
    assert (replay.order(ID).leaves, replay.order(ID).status) == (0, OrdStatus.CANCELED)
    assert replay.alarms == {AlarmKind.REDUCTION_UNSEEN: 1}


def test_pitch_hidden_trade_is_kept_apart_from_a_displayed_order_of_the_same_id() -> None:
    hidden = f"S28800150P{ID}B000100XYZ   0000304400{'H1':0>12}"
    replay = pitch(added(), canceled(500), hidden)
    assert replay.order(ID).cum == 0
    assert [(order.order_id, order.cum, order.avg_px) for order in replay.parked] == [(f"hidden-{ID}", 100, Decimal("30.44"))]


def test_pitch_memory_is_bounded_and_a_forgotten_order_is_only_reduced() -> None:
    rows = (added(), added(order="7Q00000000AC"), canceled(500))
    order = Replay(PitchDecoder(remember=1)).run(rows).order(ID)
    assert (order.leaves, order.canceled_qty) == (0, 500)


def test_pitch_clock_that_goes_back_does_not_reorder_lines() -> None:
    replay = pitch(added(28_800_100), canceled(100, ms=28_800_099))
    assert [message.at for message in replay.messages] == [28_800_100_000_000, 28_800_100_000_001]


def test_pitch_recorded_messages_have_all_orders_and_fills() -> None:
    with gzip.open(recorded("data/bats_pitch/pitch_example_data.gz"), "rt", encoding="ascii") as file:
        replay = Replay(PitchDecoder()).run(file)
    assert len(replay.known) == 10_361
    ids = Counter(order.order_id for order in replay.known)
    assert (len(ids), max(ids.values())) == (7_551, 52)
    assert sum(order.executions for order in replay.known) == sum(replay.fills.values()) == 20
    assert replay.engine.counters.parked == 27
    assert len(replay.flagged(Flag.RESTATED)) == 28
    assert sum(order.leaves > 0 for order in replay.known) == 784
    assert set(replay.alarms) == {AlarmKind.PARKED}
    assert_conserved(replay)
    assert_canceled_is_what_was_printed(replay)


# ====================================================================== CME market by order


def mbo(*rows: str) -> Replay:
    return Replay(MboDecoder("XYZ")).run(rows)


def cme(action: str, size: int, *, side: str = "A", price: str = "5000250000000", order: int = 901, seq: int = 7) -> str:
    return f"100,90,{action},{side},{price},{size},{order},130,{seq}"


def test_mbo_add_is_an_order() -> None:
    order = mbo("ts_recv,ts_event,action,side,price,size,order_id,flags,sequence", cme("A", 10)).order("901")
    assert (order.instrument, order.side, order.price, order.leaves) == ("XYZ", Side.SELL, Decimal("5000.25"), 10)


def test_mbo_fill_and_the_modify_that_repeats_it_count_once() -> None:
    replay = mbo(cme("A", 10), cme("T", 3, side="B", order=950), cme("F", 3), cme("M", 7))
    order = replay.order("901")
    assert (order.cum, order.leaves, order.order_qty, order.canceled_qty) == (3, 7, 10, 0)
    assert not replay.disagreements


def test_mbo_modify_states_what_is_open_from_now_on() -> None:
    order = mbo(cme("A", 10), cme("F", 3), cme("M", 7), cme("M", 12, price="5000500000000")).order("901")
    assert (order.cum, order.leaves, order.order_qty, order.price) == (3, 12, 15, Decimal("5000.5"))
    order = mbo(cme("A", 10), cme("F", 3), cme("M", 7), cme("M", 5)).order("901")
    assert (order.cum, order.leaves, order.order_qty, order.canceled_qty) == (3, 5, 8, 2)


def test_mbo_cancel_after_the_last_fill_leaves_the_order_filled() -> None:
    replay = mbo(cme("A", 10), cme("F", 10), cme("C", 10))
    order = replay.order("901")
    assert (order.cum, order.canceled_qty, order.status, dict(replay.alarms)) == (10, 0, OrdStatus.FILLED, {})


def test_mbo_cancel_ends_the_order() -> None:
    order = mbo(cme("A", 10), cme("F", 4), cme("M", 6), cme("C", 6)).order("901")
    assert (order.cum, order.leaves, order.canceled_qty, order.status) == (4, 0, 6, OrdStatus.CANCELED)


def test_mbo_two_fills_of_one_packet_are_two() -> None:
    order = mbo(cme("A", 10), cme("F", 2), cme("F", 2), cme("F", 2, seq=8)).order("901")
    assert (order.cum, order.executions) == (6, 3)


def test_mbo_trade_clear_and_none_concern_no_order() -> None:
    assert not mbo(cme("T", 3), cme("R", 0, side="N", price="9223372036854775807", order=0), cme("N", 0)).messages


def test_mbo_rows_of_one_moment_keep_their_order() -> None:
    assert [message.at for message in mbo(cme("A", 10), cme("F", 2), cme("M", 8)).messages] == [100, 101, 102]


def test_mbo_price_column_without_a_price() -> None:
    assert mbo(cme("A", 10, price="9223372036854775807")).order("901").price is None


def test_mbo_negative_price_is_a_price() -> None:
    assert mbo(cme("A", 10, price="-250000000")).order("901").price == Decimal("-0.25")


def test_mbo_recorded_seconds_have_all_trades() -> None:
    with gzip.open(recorded("data/cme_mbo/ESM4_2024-05-08_2s.csv.gz"), "rt", encoding="ascii") as file:
        replay = Replay(MboDecoder()).run(file)
    assert len(replay.known) == 13_678
    filled = [order for order in replay.known if order.cum > 0]
    assert sorted((order.executions, order.cum, order.leaves) for order in filled) == [(1, 1, 0), (1, 1, 0), (3, 4, 6)]
    assert sum(order.status is OrdStatus.CANCELED for order in replay.known) == 78
    assert sum(order.leaves > 0 for order in replay.known) == 13_598
    assert not replay.parked
    assert not replay.alarms
    # After every add and modify the order has open what the row says.
    assert not replay.disagreements
    assert_conserved(replay)


# ====================================================================== damage


@pytest.mark.parametrize(
    ("decoder", "row", "said"),
    [
        (BitstampDecoder(), "order_created {}", "'order_created {}' is no recorded line"),
        (BitstampDecoder(), "1000 order_moved {}", "kind is 'order_moved'; give one of order_created"),
        (BitstampDecoder(), "1000 order_created {", "order_created is '{'"),
        (BitstampDecoder(), stamped(1000, "created", "two"), "amount is 'two', which is no number"),
        (BitstampDecoder(), stamped(1000, "created", "-2"), "amount of order 501 is '-2'"),
        (BitstampDecoder(), stamped(1000, "created", "2", side=3), "Invalid enum value 3"),
        (BitstampDecoder(), CREATED.replace('"2.00000000"', "2.0"), "Expected `str`, got `float`"),
        (BitstampDecoder(), "1000 order_created " + "[" * 50_000, "order_created is '[[["),
        (InetDecoder(), "Q,34200000,801", "type is 'Q'; give A (add)"),
        (InetDecoder(), "A,34200000,801,11.40,400", "has 4 columns after its type; a row of type A has: time, id, price"),
        (InetDecoder(), "A,34200000,801,11.40,400,BUY", "side is 'BUY' in a row of type A; give BID or ASK"),
        (InetDecoder(), "A,34200000,801,11.40,0,BID", "size is '0'"),
        (InetDecoder(), "T,late,801,11.40,100", "time is 'late'"),
        (InetDecoder(), "T,34200000,801,nan,100", "price is 'nan'"),
        (PitchDecoder(), "28800000A", "begins with '28800000A'; give S and 8 digits"),
        (PitchDecoder(), "S28800000Q" + ID, "type is 'Q'; give A (add)"),
        (PitchDecoder(), "S28800000", "type is ''"),
        (PitchDecoder(), canceled(100)[:-1], "has 27 characters; a line of type X has 28"),
        (PitchDecoder(), canceled(0), "shares is '000000' in a line of type X; give 6 digits, above zero"),
        (PitchDecoder(), added(side="Z"), "side is 'Z'"),
        (PitchDecoder(), added(price="00003045.0"), "price is '00003045.0'"),
        (MboDecoder(), "100,90,A,A,1,1,901,130", "has 8 columns; a row has 9: ts_recv, ts_event"),
        (MboDecoder(), cme("Z", 1), "action is 'Z'; give A add"),
        (MboDecoder(), cme("A", 0), "size is '0' in a row of action A"),
        (MboDecoder(), cme("A", 1, price="5000.25"), "price is '5000.25'; give the price times 10^9"),
    ],
)
def test_damaged_row_names_the_value_and_what_would_be_right(decoder: Decoder, row: str, said: str) -> None:
    with pytest.raises(Damaged) as damaged:
        Replay(decoder).run([row])
    assert said in str(damaged.value)


def test_bitstamp_more_left_than_was_created_is_damaged() -> None:
    with pytest.raises(Damaged, match=r"amount of order 501 is 3; what is left of it is at most the 2 it was created with"):
        bitstamp(CREATED, stamped(1100, "changed", "3"))


@pytest.mark.parametrize(
    ("make", "row"),
    [
        (LobsterDecoder, "36000.5,4,7001,300,505000,-1"),
        (BitstampDecoder, CREATED),
        (InetDecoder, ADDED),
        (InetDecoder, "R,34200005,801,300"),
        (PitchDecoder, added()),
        (PitchDecoder, executed(100, "E1")),
        (MboDecoder, cme("F", 3)),
    ],
)
@settings(deadline=None)
@given(data=st.data())
def test_whatever_stands_in_a_row_only_damaged_comes_of_it(make: Callable[[], Decoder], row: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(row)))
    end = data.draw(st.integers(start, len(row)))
    replay = Replay(make())
    with suppress(Damaged):
        replay.run([row[:start] + data.draw(st.text(max_size=30)) + row[end:], row])
    assert_conserved(replay)
