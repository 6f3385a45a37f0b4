"""The names that readers of other designs look for, onto the same engine: fill tracking and order state."""

from __future__ import annotations

import itertools
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from partfill import FillManager, Limit
from partfill.model.numbers import NotANumber
from partfill.model.words import OrdStatus, Side
from partfill.runtime.order_manager import OrderManager, OrderState
from partfill.runtime.settings import FillManagement
from partfill.runtime.tracking import (
    Fill,
    FullFill,
    OrderExpired,
    PartialFill,
    Resubmitted,
    TrackedOrderStatus,
    calculate_vwap,
)
from tests.runtime.test_manager import paper, price, same_as_the_venue, until

D = Decimal
BUY = Limit("ACME", "buy", qty=10, price="25")


async def test_a_tracked_order_from_start_to_end(tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "f.db") as fills:
        tracking = fills.tracking
        await tracking.track_order("o1", BUY, venue="v")
        tracked = await tracking.get_tracked_order("o1", venue="v")
        assert tracked is not None
        assert (tracked.original_size, tracked.filled_size, tracked.remaining_size) == (10, 0, 10)
        assert tracked.status is TrackedOrderStatus.ACTIVE
        await tracking.update_status("o1", filled_size="3", avg_price="24.5", venue="v")
        await tracking.update_status("o1", filled_size="3", avg_price="24.5", venue="v")
        tracked = await tracking.get_tracked_order("o1", venue="v")
        assert tracked is not None
        assert (tracked.filled_size, tracked.remaining_size, tracked.status) == (3, 7, TrackedOrderStatus.PARTIALLY_FILLED)
        await tracking.update_status("o1", filled_size="10", avg_price="24.9", status=OrdStatus.FILLED, venue="v")
        events = await tracking.process_fills()
        assert [type(event) for event in events] == [PartialFill, PartialFill, FullFill]
        assert isinstance(events[0], PartialFill)
        assert (events[0].fill.size, events[0].fill.price) == (3, D("24.5"))
        assert tracked.created_at < events[0].fill.timestamp <= tracked.last_checked
        assert events[2] == FullFill("o1", D("24.9"), D(10))
        assert await tracking.process_fills() == []


@pytest.mark.parametrize(
    ("word", "status"),
    [(OrdStatus.EXPIRED, TrackedOrderStatus.EXPIRED), (OrdStatus.CANCELED, TrackedOrderStatus.CANCELLED)],
)
async def test_an_order_that_ends_with_a_remainder(word: OrdStatus, status: TrackedOrderStatus, tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "f.db") as fills:
        await fills.tracking.track_order("o1", BUY, venue="v")
        await fills.tracking.update_status("o1", filled_size=4, avg_price=25, status=word, venue="v")
        events = await fills.tracking.process_fills()
        assert isinstance(events[-1], OrderExpired)
        assert (events[-1].filled, events[-1].unfilled) == (4, 6)
        tracked = await fills.tracking.get_tracked_order("o1", venue="v")
        assert tracked is not None
        assert tracked.status is status


async def test_stop_tracking_asks_nothing_more_and_still_books(tmp_path: Path) -> None:
    venue = paper()
    settings = FillManagement(auto_resubmit=True, min_resubmit_size=D(1))
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=settings) as fills:
        order = await fills.submit(Limit("ACME", "buy", qty=40, price=price(venue, "ACME", "buy", -3)), ref="a")
        await until(lambda: order.parent.children[0].order_id, "it is acknowledged")
        await fills.tracking.stop_tracking("a")
        sent = fills.lanes.sent
        venue.advance(3000)
        await until(lambda: order.parent.cum == 40, "the fills come all the same")
        assert fills.lanes.sent == sent
        same_as_the_venue(fills, venue)


async def test_an_order_nobody_tracks(tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "f.db") as fills:
        assert await fills.tracking.get_tracked_order("o9", venue="v") is None
        with pytest.raises(LookupError, match="track_order"):
            await fills.tracking.update_status("o9", filled_size=1, venue="v")


async def test_a_tracked_order_is_resubmitted_when_that_is_configured(tmp_path: Path) -> None:
    venue = paper()
    settings = FillManagement(auto_resubmit=True, min_resubmit_size=D(1), max_resubmit_attempts=1)
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=settings) as fills:
        terms = Limit("ACME", "buy", qty=10, price=price(venue, "ACME", "buy", 10))
        order = await fills.tracking.track_order("elsewhere-1", terms, venue="paper")
        await fills.tracking.update_status("elsewhere-1", filled_size=4, avg_price=25, status=OrdStatus.EXPIRED, venue="paper")
        await until(lambda: order.ended, "the successor fills")
        assert (order.status, order.cum_qty) == ("filled", 10)
        assert [child.order_qty for child in order.parent.children] == [10, 6]
        resubmitted = [event for event in await fills.tracking.process_fills() if isinstance(event, Resubmitted)]
        assert [event.size for event in resubmitted] == [6]


async def test_disabled_means_tracking_only(tmp_path: Path) -> None:
    venue = paper()
    settings = FillManagement(enabled=False, auto_resubmit=True, min_resubmit_size=D(1))
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=settings) as fills:
        order = await fills.submit(Limit("ACME", "buy", qty=100_000, price=price(venue, "ACME", "buy", 2), tif="ioc"))
        await until(lambda: order.ended, "it ends")
        assert len(order.parent.children) == 1
        assert 0 < order.cum_qty < 100_000
        same_as_the_venue(fills, venue)


async def test_orders_that_go_on_are_found_by_their_symbol(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    async with FillManager.open(db) as fills:
        for ref, symbol, venue, account in (
            ("1", "ACME", "v", ""), ("2", "ACME", "v", "b"), ("3", "BTC-USD", "v", ""), ("4", "ACME", "w", ""),
            ("5", "ACME", "v", ""),
        ):  # fmt: skip
            await fills.tracking.track_order(ref, Limit(symbol, "buy", qty=10, price="25"), venue=venue, account=account)
        await fills.tracking.update_status("1", filled_size=4, avg_price=25, venue="v")
        await fills.tracking.update_status("5", filled_size=10, avg_price=25, status=OrdStatus.FILLED, venue="v")
    # As after any restart.
    async with FillManager.open(db) as fills:
        find = fills.tracking.find_pending_executions_by_symbol
        assert [order.ref for order in find("ACME")] == ["1", "2", "4"]
        assert [order.ref for order in find("ACME", venue="v")] == ["1", "2"]
        assert [order.ref for order in find("ACME", venue="v", account="")] == ["1"]
        assert (find("ACME")[0].cum_qty, find("ACME")[0].leaves_qty) == (4, 6)
        assert [order.ref for order in find("BTC-USD")] == ["3"]
        assert find("ETH-USD") == []


def test_vwap() -> None:
    fills = [Fill(D("0.1"), D("100.1"), 0), Fill(D("0.2"), D("100.4"), 0)]
    assert calculate_vwap(fills) == D("100.3")
    assert calculate_vwap([]) == 0
    with pytest.raises(ValueError, match="no price"):
        calculate_vwap([Fill(D(1), None, 0)])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"poll_interval_ms": 1}, "poll_interval_ms is 1"),
        ({"min_resubmit_size": D(-1)}, "min_resubmit_size is -1"),
        ({"max_resubmit_attempts": -1}, "max_resubmit_attempts is -1"),
        ({"retry_ms": 0}, "retry_ms is 0; it is 1 to 3600000"),
        ({"alarm_after_failures": 0}, "alarm_after_failures is 0; it is 1 to 1000"),
    ],
)
def test_settings_out_of_range_are_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(NotANumber, match=named):
        FillManagement(**change)


# ---------------------------------------------------------------------- order state

FILLS = {"t1": "0.35", "t2": "0.25", "t3": "0.15", "t4": "0.25"}


@pytest.mark.parametrize("reply_after", range(5))
async def test_partial_immediate_fill_multiple_ws_fills(reply_after: int, tmp_path: Path) -> None:
    """1.0 ordered, the reply tells of 0.6, the stream of four trades: 1.0, whenever the reply comes."""
    async with FillManager.open(tmp_path / "f.db") as fills:
        orders = OrderManager(fills, "v")
        order = await orders.add_pending_with_cloid("c1", Limit("ETH", "buy", qty="1.0", price="2000"))
        assert orders.state("c1") is OrderState.PENDING
        moved = D(0)
        for number, (tid, size) in enumerate([*FILLS.items(), ("", "")]):
            if number == reply_after:
                before = order.cum_qty
                await orders.finalize_pending_by_cloid("c1", "21", filled="0.6")
                moved += order.cum_qty - before
            if tid:
                moved += await orders.process("21", tid, size, 2000)
                # The same trade again, as after a reconnect.
                assert await orders.process("21", tid, size, 2000) == 0
        assert moved == order.cum_qty == 1
        assert orders.get_immediate_fill_remaining("21") == 0
        assert orders.state("21") is OrderState.FILLED


async def test_the_amount_of_an_immediate_fill_is_explained_trade_by_trade(tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "f.db") as fills:
        orders = OrderManager(fills, "v")
        await orders.add_pending_with_cloid("c1", Limit("ETH", "buy", qty="1.0", price="2000"))
        await orders.finalize_pending_by_cloid("c1", "21")
        assert orders.state("21") is OrderState.RESTING
        await orders.pre_register_immediate_fill("21", "0.6")
        assert orders.state("21") is OrderState.PARTIAL_FILLED
        assert orders.state("21").is_active  # type: ignore[union-attr]
        assert [child.cl_ord_id for child in orders.get_all_by_side(Side.BUY)] == ["c1"]
        assert orders.get_all_by_side(Side.SELL) == []
        left = [orders.get_immediate_fill_remaining("21")]
        for tid, size in FILLS.items():
            await orders.process("21", tid, size, 2000)
            left.append(orders.get_immediate_fill_remaining("21"))
        assert left == [D("0.6"), D("0.25"), D(0), D(0), D(0)]
        assert orders.get_all_by_side(Side.BUY) == []


async def test_a_full_immediate_fill_is_terminal(tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "f.db") as fills:
        orders = OrderManager(fills, "v")
        await orders.add_pending_with_cloid("c1", Limit("ETH", "buy", qty="0.5", price="2000"))
        await orders.finalize_pending_by_cloid("c1", "11", filled="0.5", avg_px="1999.8")
        assert orders.state("11") is OrderState.FILLED_IMMEDIATELY
        assert OrderState.FILLED_IMMEDIATELY.is_terminal
        assert orders.state("none") is None


async def test_cancel_words(tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "f.db") as fills:
        orders = OrderManager(fills, "v")
        for cloid, oid in (("c1", "1"), ("c2", "2"), ("c3", "3")):
            await orders.add_pending_with_cloid(cloid, Limit("ETH", "buy", qty=1, price="2000"))
            await orders.finalize_pending_by_cloid(cloid, oid)
        await orders.initiate_cancel("c1")
        await orders.initiate_cancel("c2")
        assert orders.state("1") is OrderState.CANCEL_PENDING
        assert orders.state("1").is_active  # type: ignore[union-attr]
        await orders.process("1", "t1", 1, 2000)
        assert orders.state("1") is OrderState.FILLED_DURING_CANCEL
        for oid, state in (("2", OrderState.CANCEL_CONFIRMED), ("3", OrderState.CANCELLED)):
            await fills.observe(_canceled(oid))
            assert orders.state(oid) is state


def _canceled(oid: str) -> Any:
    from partfill.model.observations import OrderSnapshot

    return OrderSnapshot(venue="v", order_id=oid, ord_status=OrdStatus.CANCELED)


@pytest.mark.parametrize("arrival", list(itertools.permutations(["t1", "t2", "reply", "end"])))
async def test_every_arrival_order_of_an_immediate_fill_and_a_cancel(arrival: tuple[str, ...], tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "f.db") as fills:
        orders = OrderManager(fills, "v")
        order = await orders.add_pending_with_cloid("c1", Limit("ETH", "buy", qty=1, price="2000"))
        await orders.finalize_pending_by_cloid("c1", "21")
        for what in arrival:
            if what == "reply":
                await orders.pre_register_immediate_fill("21", "0.6")
            elif what == "end":
                await fills.observe(_canceled("21"))
            else:
                await orders.process("21", what, FILLS[what], 2000)
        assert order.cum_qty == D("0.6")
        assert orders.state("21") is OrderState.CANCELLED
        assert fills.engine.counters.quarantined == 0
