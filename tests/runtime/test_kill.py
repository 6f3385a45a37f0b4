"""The kill switch through the real desk: its caller has gone, subscribers are stuck, the market is dead, the venue is dead.
What must hold: cancels go out, nothing is placed, and only an operator's word lifts it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from partfill import FillManager, Limit
from partfill.journal.store import Store
from partfill.journal.verify import verify
from partfill.model.commands import EVERYWHERE
from partfill.model.events import CommandRefused, KillSwitchChanged, ParentDone
from partfill.model.operations import Place
from partfill.model.words import OrdStatus
from partfill.runtime.bus import Missed, Told
from partfill.runtime.catch_up import events_between
from partfill.runtime.manager import Refused
from partfill.runtime.order import Order
from partfill.runtime.settings import FillManagement
from partfill.venues.clock import CLOCK
from partfill.venues.paper.events import Add, Take, Timed
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.faults import Faults
from partfill.venues.paper.market import SHAPES
from partfill.venues.paper.venue import PaperVenue
from tests.runtime.test_manager import NAMES, WAIT_S, paper, price, until
from tests.venues.paper.desk import assert_ledger_is_the_truth

D = Decimal
FAST = FillManagement(poll_interval_ms=50)
AGAIN = FillManagement(poll_interval_ms=50, auto_resubmit=True, min_resubmit_size=D("0.001"), max_resubmit_attempts=50)


def resting(name: str, venue: PaperVenue) -> Limit:
    """An order that nobody takes soon."""
    return Limit(name, "buy", qty=SHAPES[name].listing.instrument.lot * 500, price=price(venue, name, "buy", -30))  # type: ignore[operator]


async def at_work(fills: FillManager, venue: PaperVenue, count: int = 1, account: str = "") -> list[Order]:
    """`count` orders of each instrument that the venue works on."""
    orders = [await fills.submit(resting(name, venue), account=account) for name in NAMES for _ in range(count)]
    await until(lambda: all(order.parent.children[0].order_id for order in orders), "they are acknowledged")
    return orders


def working(venue: PaperVenue, account: str = "") -> list[str]:
    """Client ids of what works at the venue."""
    of = venue.exchange.accounts.get(account)
    return [] if of is None else [order.cl_ord_id for order in of.working.values()]


def placed(venue: PaperVenue, account: str = "") -> int:
    """Orders that the venue ever got."""
    of = venue.exchange.accounts.get(account)
    return 0 if of is None else len(of.orders)


async def refuses(fills: FillManager, account: str = "") -> None:
    """No new order is taken."""
    with pytest.raises(Refused, match="kill switch"):
        await fills.submit(Limit("ACME", "buy", qty=1, price="20"), account=account)


# ---------------------------------------------------------------------- whoever gave it has gone


@pytest.mark.parametrize("turns", range(6))
async def test_a_kill_whose_caller_gives_up_takes_everything_off_all_the_same(turns: int, tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        orders = await at_work(fills, venue)
        caller = asyncio.create_task(fills.kill(True, by="operator"))
        for _ in range(turns + 1):
            await asyncio.sleep(0)
        caller.cancel()
        with suppress(asyncio.CancelledError):
            await caller
        await until(lambda: not working(venue), "everything is off")
        await until(lambda: all(order.status == "killed" for order in orders), "and told so")
        await refuses(fills)
    assert verify(tmp_path / "f.db").problems == []


async def test_what_followed_from_a_step_that_nobody_waits_for_is_told_in_its_order(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        seen: list[Told] = []
        fills.subscribe(seen.append)
        tasks = []
        for number in range(60):
            terms = Limit("ACME", "buy", qty=10 + number, price=price(venue, "ACME", "buy", 30 if number % 2 else -30))
            tasks.append(asyncio.create_task(fills.submit(terms, ref=str(number))))
            await asyncio.sleep(0)
            if number % 3 == 0:
                tasks[-1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: len(fills.orders()) == 60, "each of them is an order")
        await until(lambda: all(order.parent.children[0].order_id for order in fills.orders()), "each of them left")
        assert placed(venue) == 60
        await until(lambda: fills.lanes.busy == 0, "all is answered")
        assert [told.seq for told in seen] == sorted(told.seq for told in seen)
        assert [told for told in events_between(tmp_path / "f.db", seen[0].seq, seen[-1].seq) if told not in seen] == []


async def test_a_close_right_after_a_kill_that_was_given_up_loses_no_cancel(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        await at_work(fills, venue)
        caller = asyncio.create_task(fills.kill(True, by="operator"))
        await asyncio.sleep(0)
        caller.cancel()
    assert working(venue) == []


# ---------------------------------------------------------------------- what waits here


def waiting(fills: FillManager) -> set[str]:
    """Client ids of the orders that wait in lanes."""
    return {
        op.cl_ord_id for queues in fills.lanes._queues for queue in queues.values() for op, _ in queue if isinstance(op, Place)
    }


async def test_orders_that_wait_in_their_lanes_when_the_switch_is_put_on_never_leave(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], per_second=2, settings=AGAIN) as fills:
        orders = await asyncio.gather(*(fills.submit(resting(name, venue)) for name in NAMES * 10))
        await fills.kill(True, by="operator")
        left_out = waiting(fills)
        assert left_out, "nothing waited, so nothing was tested"
        await until(lambda: all(order.status == "killed" for order in orders), "everything has ended")
        assert not left_out & set(venue.exchange.accounts[""].clients)
        assert (working(venue), fills.lanes.waiting) == ([], 0)
        assert_ledger_is_the_truth(fills.engine, venue.exchange)
    assert verify(tmp_path / "f.db").problems == []


async def test_an_order_canceled_while_it_waits_in_its_lane_never_leaves_and_the_others_do(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], per_second=4) as fills:
        *others, last = await asyncio.gather(*(fills.submit(resting("ACME", venue)) for _ in range(10)))
        assert last.parent.children[0].cl_ord_id in waiting(fills)
        await last.cancel()
        assert await last.done(WAIT_S) == "canceled"
        await until(lambda: all(order.parent.children[0].order_id for order in others), "the others left")
        assert last.parent.children[0].order_id is None
        assert placed(venue) == len(others)


# ---------------------------------------------------------------------- subscribers in trouble


async def test_no_subscriber_keeps_a_kill_from_the_venue(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        await at_work(fills, venue, 4)
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gone.cancel()
        heard: list[Told] = []

        def raises(told: Told) -> None:
            raise RuntimeError(told.seq)

        def looks_at_what_was_cancelled(told: Told) -> None:
            gone.result()

        async def is_stuck() -> None:
            async for _ in stuck:
                await asyncio.Event().wait()

        stuck, overflowing = fills.events(limit=1), fills.events(limit=2)
        reading = asyncio.create_task(is_stuck())
        await asyncio.sleep(0)
        for callback in (raises, looks_at_what_was_cancelled, heard.append):
            fills.subscribe(callback)
        await fills.kill(True, by="operator")
        await until(lambda: not working(venue), "everything is off")
        await until(lambda: all(order.status == "killed" for order in fills.orders()), "and told so")
        assert fills.bus.failures == 2 * len(heard)
        assert [type(told.event) for told in heard].count(ParentDone) == 12
        overflowing.close()
        missed = [told.event async for told in overflowing][-1]
        assert isinstance(missed, Missed)
        assert missed.count == len(heard) - 2
        again = list(events_between(tmp_path / "f.db", missed.first_seq, missed.last_seq))
        assert heard[2:] == [told for told in again if told not in heard[:2]]
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


# ---------------------------------------------------------------------- no market


def silent(kind: str) -> Iterator[Timed]:
    """A market that never was, that stopped after a while, or that breaks."""
    if kind == "absent":
        return
    yield 0, Add("ACME", "1", "buy", D(100), D("24.5"))  # type: ignore[arg-type]
    yield 1, Add("ACME", "2", "sell", D(100), D("25.5"))  # type: ignore[arg-type]
    yield 2, Take("ACME", "sell", D(40))  # type: ignore[arg-type]
    if kind == "broken":
        raise OSError("the feed is gone")


@pytest.mark.parametrize("kind", ["absent", "halted", "broken"])
async def test_a_kill_needs_no_market(kind: str, tmp_path: Path) -> None:
    venue = PaperVenue(Exchange([SHAPES["ACME"].listing]), silent(kind), now=CLOCK, speed=1000)
    market = venue.start()
    await asyncio.wait([market], timeout=WAIT_S)
    assert (market.exception() is not None) is (kind == "broken")
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=AGAIN) as fills:
        orders = [await fills.submit(Limit("ACME", side, qty=10, price=px)) for side, px in (("buy", "24"), ("sell", "26"))]  # type: ignore[arg-type]
        await until(lambda: len(working(venue)) == 2, "they work")
        await fills.kill(True, by="operator")
        await until(lambda: all(order.status == "killed" for order in orders), "they are off")
        assert (working(venue), placed(venue)) == ([], 2)
        assert_ledger_is_the_truth(fills.engine, venue.exchange)
    await venue.close()


# ---------------------------------------------------------------------- scopes


async def test_the_switch_of_one_account_leaves_the_other_at_work(tmp_path: Path) -> None:
    venue = paper()
    changed: list[Any] = []
    options: dict[str, Any] = {"venues": [venue], "accounts": ("a", "b"), "settings": FAST}
    async with FillManager.open(tmp_path / "f.db", **options) as fills:
        ours, theirs = await at_work(fills, venue, account="a"), await at_work(fills, venue, account="b")
        fills.subscribe(lambda told: changed.append(told.event) if isinstance(told.event, KillSwitchChanged) else None)
        for _ in range(2):
            await fills.kill(True, by="operator", venue="paper", account="a")
        await until(lambda: all(order.status == "killed" for order in ours), "a is off")
        await refuses(fills, "a")
        assert len(changed) == 1
    async with FillManager.open(tmp_path / "f.db", **options) as fills:
        await refuses(fills, "a")
        # The switches of others lift nothing here.
        for scope in ({}, {"venue": "paper", "account": "b"}):
            await fills.kill(True, by="operator", **scope)
            await fills.kill(False, by="operator", **scope)
        await refuses(fills, "a")
        theirs = [order for order in fills.orders() if order.account == "b"]
        # They came between: everything of b was taken off by its own switch, and may start again.
        await until(lambda: all(order.status == "killed" for order in theirs), "b is off")
        more = await at_work(fills, venue, account="b")
        assert (working(venue, "a"), len(working(venue, "b"))) == ([], 3)
        await fills.kill(False, by="operator", venue="paper", account="a")
        assert await at_work(fills, venue, account="a")
        assert all(order.status == "working" for order in more)
    assert verify(tmp_path / "f.db").problems == []


async def test_the_other_account_is_not_touched_at_all(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], accounts=("a", "b")) as fills:
        await at_work(fills, venue, account="a")
        theirs = await at_work(fills, venue, account="b")
        # What the engine has is told once it is durable.
        await fills.journal.flush()
        told: list[Told] = []
        fills.subscribe(told.append)
        await fills.kill(True, by="operator", venue="paper", account="a")
        await until(lambda: not working(venue, "a"), "a is off")
        await fills.lanes.drain()
        assert len(working(venue, "b")) == 3
        assert not {each.parent for each in told} & {order.id for order in theirs}
        more = await fills.submit(Limit("ACME", "buy", qty=10, price=price(venue, "ACME", "buy", 30)), account="b")
        assert await more.done(WAIT_S) == "filled"
        assert {order.status for order in theirs} == {"working"}


# ---------------------------------------------------------------------- the venue is dead

DEAD = {
    "it refuses connections": None,
    "it does what it is told and nobody hears it": Faults(lose_reply=1000, fail_read=1000, disconnect=1000),
    "nothing reaches it": Faults(lose_request=1000, fail_read=1000, disconnect=1000),
    "what it gets takes effect late": Faults(late=1000, late_ns=300_000_000, fail_read=1000, disconnect=1000),
}
"""How a venue in this process is dead."""


def die(venue: PaperVenue, faults: Faults) -> None:
    """From now on this goes wrong, the streams that are open included."""
    venue._luck.faults = faults
    for stream in venue._streams:
        stream._luck.faults = faults


async def struck(fills: FillManager, venue: PaperVenue, how: Faults | None) -> list[Order]:
    """Orders at work and partly filled, one whose placing is lost, and the switch put on while the venue is dead."""
    orders = await at_work(fills, venue, 2)
    for name in NAMES:
        venue.exchange.market(Take(name, "sell", D(3) * (SHAPES[name].listing.instrument.lot or 1)), CLOCK())  # type: ignore[arg-type]
    if how is None:
        await venue.close()
    else:
        die(venue, how)
    sent = fills.lanes.sent
    orders.append(await fills.submit(resting("ACME", venue), ref="lost"))
    await until(lambda: fills.lanes.sent > sent, "it has left")
    await fills.kill(True, by="operator")
    await fills.kill(True, by="operator")
    await refuses(fills)
    assert {order.status for order in orders} <= {"stopping", "filled", "killed"}
    return orders


def ended(db: Path) -> dict[str, str | None]:
    """How every order of a journal ended, by its ref."""
    store = Store(db, read_only=True)
    try:
        return {row["ref"]: row["done"] for row in store.rows("SELECT ref, done FROM parents")}
    finally:
        store.close()


@pytest.mark.parametrize("drain", [True, False])
@pytest.mark.parametrize("how", DEAD)
async def test_killed_while_the_venue_is_dead_and_carried_out_after_a_restart(how: str, drain: bool, tmp_path: Path) -> None:
    venue = paper()
    exchange = venue.exchange
    options: dict[str, Any] = {"settings": AGAIN, "timeout_s": 0.5, "per_second": 500}
    fills = FillManager.open(tmp_path / "f.db", venues=[venue], **options)
    async with fills:
        orders = await struck(fills, venue, DEAD[how])
        refs = [order.ref for order in orders]
        if not drain:
            await fills.close(drain=False)
    # The desk starts again while the venue is still dead.
    async with FillManager.open(tmp_path / "f.db", venues=[venue], **options) as fills:
        await refuses(fills)
        await asyncio.sleep(0)
    await venue.close()
    arrived = len(exchange.accounts[""].orders)
    alive = PaperVenue(exchange, now=CLOCK)
    async with FillManager.open(tmp_path / "f.db", venues=[alive], **options) as fills:
        await until(lambda: not working(alive), "everything is off")
        await until(lambda: all(order.ended and not order.parent.active for order in fills.orders()), "and told so")
        await refuses(fills)
        assert len(exchange.accounts[""].orders) == arrived, "nothing was placed"
        for poller in fills.pollers:
            await poller.poll_once()
        assert_ledger_is_the_truth(fills.engine, exchange)
        await fills.kill(False, by="operator")
        assert working(alive) == []
        (again,) = [await fills.submit(Limit("ACME", "buy", qty=1, price="20"))]
        await until(lambda: len(working(alive)) == 1, "and new orders work")
        assert again.status == "working"
    assert verify(tmp_path / "f.db").problems == []
    ends = ended(tmp_path / "f.db")
    assert set(ends) == {*refs, again.ref}
    assert {ends[ref] for ref in refs} == {"killed"}


@pytest.mark.parametrize("how", [name for name, faults in DEAD.items() if faults is not None])
async def test_killed_while_the_venue_is_dead_and_carried_out_when_it_is_back(how: str, tmp_path: Path) -> None:
    venue = paper()
    options: dict[str, Any] = {"settings": AGAIN, "timeout_s": 0.5, "per_second": 500}
    faults = DEAD[how]
    assert faults is not None
    async with FillManager.open(tmp_path / "f.db", venues=[venue], **options) as fills:
        orders = await struck(fills, venue, faults)
        await fills.lanes.drain()
        die(venue, Faults())
        venue.interrupt()
        await until(lambda: not working(venue), "everything is off")
        await until(lambda: all(order.ended and not order.parent.active for order in orders), "and told so")
        arrived = {order.status for order in venue.exchange.accounts[""].orders.values()}
        assert arrived <= {OrdStatus.CANCELED, OrdStatus.FILLED}
        assert sum(len(order.parent.children) for order in orders) == len(orders), "nothing was placed in the stead"
        for poller in fills.pollers:
            await poller.poll_once()
        assert_ledger_is_the_truth(fills.engine, venue.exchange)
        assert fills.engine.desk.killed == {(EVERYWHERE, ""): "operator"}
        seen: list[Any] = []
        fills.subscribe(lambda told: seen.append(told.event))
        await refuses(fills)
        assert [type(event) for event in seen] == [CommandRefused]
    assert verify(tmp_path / "f.db").problems == []
