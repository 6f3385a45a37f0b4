"""LOBSTER message files: rows, traps, damage, and a recorded day with its known totals."""

from __future__ import annotations

import io
import zipfile
from decimal import Decimal

import pytest

from partfill.model.events import AlarmKind
from partfill.model.words import Flag, OrdStatus, Side
from partfill.venues.decoding import Damaged
from partfill.venues.lobster.decoder import LobsterDecoder
from tests.recorded import Replay, assert_canceled_is_what_was_printed, assert_conserved, recorded

NEW = "36000.5,1,7001,300,505000,-1"


def lobster(*rows: str) -> Replay:
    return Replay(LobsterDecoder("XYZ")).run(rows)


# ---------------------------------------------------------------------- one row, one meaning


def test_new_is_an_order_with_the_terms_of_its_row() -> None:
    order = lobster(NEW).order("7001")
    assert (order.instrument, order.side, order.price) == ("XYZ", Side.SELL, Decimal("50.5"))
    assert (order.order_qty, order.cum, order.leaves, order.status) == (300, 0, 300, OrdStatus.NEW)


def test_direction_1_is_a_resting_buy() -> None:
    assert lobster("36000.5,1,7001,300,505000,1").order("7001").side is Side.BUY


def test_partial_cancel_takes_off_what_it_says() -> None:
    order = lobster(NEW, "36001,2,7001,120,505000,-1").order("7001")
    assert (order.order_qty, order.leaves, order.canceled_qty, order.status) == (180, 180, 120, OrdStatus.NEW)


def test_delete_ends_the_order() -> None:
    order = lobster(NEW, "36001,3,7001,300,505000,-1").order("7001")
    assert (order.leaves, order.canceled_qty, order.status) == (0, 300, OrdStatus.CANCELED)


def test_two_executions_fill_in_two_steps_at_the_printed_price() -> None:
    replay = lobster(NEW, "36001,4,7001,100,505000,-1", "36002,4,7001,200,505000,-1")
    order = replay.order("7001")
    assert (order.cum, order.leaves, order.avg_px, order.status) == (300, 0, Decimal("50.5"), OrdStatus.FILLED)
    assert replay.fills[order.id] == 2
    assert order.id in replay.partly


def test_delete_after_a_fill_cancels_the_rest_only() -> None:
    order = lobster(NEW, "36001,4,7001,100,505000,-1", "36002,3,7001,200,505000,-1").order("7001")
    assert (order.cum, order.leaves, order.canceled_qty, order.status) == (100, 0, 200, OrdStatus.CANCELED)


@pytest.mark.parametrize("row", ["36000,7,0,0,-1,-1", "36000,7,0,0,1,-1", "36000,6,-1,5000,505000,1", ""])
def test_halts_and_crosses_concern_no_order(row: str) -> None:
    assert not lobster(row).messages


def test_messages_carry_the_words_of_the_format() -> None:
    rows = (NEW, "36001,2,7001,1,505000,-1", "36002,4,7001,1,505000,-1", "36003,5,0,1,505000,-1", "36004,3,7001,298,505000,-1")
    words = [(message.msg, message.exec_id) for message in lobster(*rows).messages]
    assert words == [
        ("new", None), ("partial cancel", None), ("execution", "L3"), ("hidden execution", "L4"), ("delete", None),
    ]  # fmt: skip


# ---------------------------------------------------------------------- traps


def test_two_equal_executions_are_two_fills() -> None:
    order = lobster(NEW, "36001,4,7001,100,505000,-1", "36001,4,7001,100,505000,-1").order("7001")
    assert (order.cum, order.executions) == (200, 2)


def test_rows_of_one_moment_keep_their_order() -> None:
    replay = lobster(NEW, "36000.5,4,7001,100,505000,-1", "36000.4,4,7001,50,505000,-1")
    start = 36_000_500_000_000
    assert [message.at for message in replay.messages] == [start, start + 1, start + 2]


def test_times_are_exact_to_the_nanosecond_and_noise_below_is_cut() -> None:
    replay = lobster("34200.000000001,1,7001,300,505000,-1", "34200.100000002999,3,7001,300,505000,-1")
    assert [message.at for message in replay.messages] == [34_200_000_000_001, 34_200_100_000_002]


def test_hidden_executions_do_not_pile_up_on_one_order() -> None:
    replay = lobster("36000,5,0,10,505000,1", "36001,5,0,20,505000,1")
    assert [(order.order_id, order.cum) for order in replay.parked] == [("hidden-1", 10), ("hidden-2", 20)]
    assert replay.alarms[AlarmKind.PARKED] == 2


def test_hidden_execution_with_an_id_keeps_it() -> None:
    assert lobster("36000,5,7009,10,505000,1", "36001,5,7009,20,505000,1").order("7009").cum == 30


def test_rows_of_an_order_older_than_the_file_are_parked_and_counted() -> None:
    replay = lobster("36000,4,6000,10,505000,1", "36001,2,6000,5,505000,1", "36002,3,6000,85,505000,1")
    order = replay.order("6000")
    assert not order.known
    assert (order.cum, order.leaves, replay.engine.counters.parked) == (10, 0, 1)
    assert not order.open


def test_delete_of_fewer_shares_than_are_left_is_told_once() -> None:
    replay = lobster(NEW, "36001,3,7001,250,505000,-1")
    assert replay.alarms == {AlarmKind.REDUCTION_UNSEEN: 1}
    assert (replay.order("7001").leaves, replay.order("7001").canceled_qty) == (0, 300)


# ---------------------------------------------------------------------- damage


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("36000.5,8,7001,300,505000,-1", "type is '8'; give 1 new"),
        ("36000.5,1,7001,300,505000", "has 5 columns; a message row has 6"),
        ("noon,1,7001,300,505000,-1", "time is 'noon'; give seconds after midnight"),
        ("36000.5,1,seven,300,505000,-1", "order id is 'seven'"),
        ("36000.5,1,7001,3.5,505000,-1", "shares is '3.5'"),
        ("36000.5,4,7001,0,505000,-1", "shares is '0' in a row of type 4"),
        ("36000.5,1,7001,300,50.5,-1", "price is '50.5'; give dollars times 10000"),
        ("36000.5,1,7001,300,-505000,-1", "price is '-505000' in a row of type 1"),
        ("36000.5,1,7001,300,505000,2", "direction is '2'; give 1"),
        ("36000.5,4,0,300,505000,1", "order id is '0' in a row of type 4"),
    ],
)
def test_damaged_row_names_the_value_and_what_would_be_right(row: str, said: str) -> None:
    with pytest.raises(Damaged) as damaged:
        lobster(row)
    assert said in str(damaged.value)


# ---------------------------------------------------------------------- a recorded day


@pytest.fixture(scope="module")
def day() -> Replay:
    path = recorded("data/lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip")
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if "_message_" in name)
        with archive.open(name) as file:
            return Replay(LobsterDecoder("AMZN")).run(io.TextIOWrapper(file, encoding="ascii"), keep=False)


def test_recorded_day_has_all_orders_and_fills(day: Replay) -> None:
    born = day.known
    assert len(born) == 77_381
    assert sum(day.fills.values()) == 7_922
    assert sum(order.executions for order in born) == 7_922
    assert sum(order.cum > 0 for order in born) == 6_251
    assert len(day.partly) == 1_469
    assert sum(order.executions >= 2 for order in born) == 1_111
    assert max(order.executions for order in born) == 17


def test_recorded_day_ends_as_its_rows_say(day: Replay) -> None:
    born = day.known
    assert sum(order.status is OrdStatus.CANCELED and order.cum > 0 for order in born) == 405
    assert sum(order.leaves > 0 for order in born) == 12_194
    assert len(day.flagged(Flag.REDUCTION_UNSEEN)) == day.alarms[AlarmKind.REDUCTION_UNSEEN] == 5
    assert not day.flagged(Flag.OVERFILL)
    assert not day.flagged(Flag.LATE_FILL)


def test_recorded_day_parks_what_is_older_than_the_file_and_what_was_hidden(day: Replay) -> None:
    hidden = [order for order in day.parked if (order.order_id or "").startswith("hidden-")]
    older = sum(order.executions for order in day.parked) - len(hidden)
    assert (older, len(hidden)) == (1_052, 2_445)
    assert day.engine.counters.parked == 1_052 + 2_445


def test_recorded_day_conserves_every_order(day: Replay) -> None:
    assert_conserved(day)
    assert_canceled_is_what_was_printed(day)
