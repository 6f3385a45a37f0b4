"""FillManager on the paper venue: orders, events, faults, restarts; the ledger equals the venue's truth."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from partfill import FillManager, Limit, Market
from partfill.core.child import Child
from partfill.journal.verify import verify
from partfill.model.commands import Resubmit
from partfill.model.events import Fill, ParentDone, ResubmitTriggered
from partfill.runtime.bus import Missed, Told
from partfill.runtime.catch_up import events_between
from partfill.runtime.manager import Refused
from partfill.runtime.settings import FillManagement
from partfill.venues.clock import CLOCK
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.faults import Faults
from partfill.venues.paper.market import SHAPES, generated
from partfill.venues.paper.venue import PaperVenue

WAIT_S = 20
"""Whatever must not hang has ended after so long."""
NAMES = ("ACME", "BTC-USD", "ETH-USD")


def paper(seed: int = 1, *, faults: Faults | None = None, warm_up: int = 1500, session: str = "") -> PaperVenue:
    """A venue whose market is stepped by `advance`."""
    shapes = [SHAPES[name] for name in NAMES]
    exchange = Exchange([shape.listing for shape in shapes], session=session)
    venue = PaperVenue(exchange, generated(shapes, seed), now=CLOCK, faults=faults, seed=seed)
    venue.advance(warm_up)
    return venue


async def until(true: Any, what: str) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(WAIT_S):
        while not true():  # noqa: ASYNC110 - any condition, not one event
            await asyncio.sleep(0.005)
    assert true(), what


def price(venue: PaperVenue, instrument: str, side: str, away: int = 0) -> Decimal:
    """A price `away` ticks from the best one on the other side: 0 takes, a negative number rests."""
    book = venue.exchange.markets[instrument].book
    best = book.best("sell" if side == "buy" else "buy")  # type: ignore[arg-type]
    while best is None:
        # Our own orders have eaten it all.
        venue.advance(10)
        best = book.best("sell" if side == "buy" else "buy")  # type: ignore[arg-type]
    tick = SHAPES[instrument].listing.instrument.tick_at(best)
    assert tick is not None
    return best + tick * (away if side == "buy" else -away)


def same_as_the_venue(fills: FillManager, venue: PaperVenue) -> None:
    """Every order the venue has is known here, with its numbers."""
    ours: dict[str, Child] = {child.order_id: child for child in fills.engine.children.values() if child.order_id is not None}
    for snapshot in venue.exchange.snapshot("", list(ours), time.time_ns()):
        assert snapshot.order_id is not None
        child = ours[snapshot.order_id]
        assert child.cum == snapshot.cum_qty, f"{child.cl_ord_id}: {child.cum} here, {snapshot.cum_qty} at the venue"
        assert child.leaves == snapshot.leaves_qty
        assert child.avg_px == snapshot.avg_px


async def test_an_order_fills_and_tells_its_story(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        order = await fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", 30)), ref="one")
        assert await order.done(WAIT_S) == "filled"
        assert (order.cum_qty, order.leaves_qty) == (Decimal(50), Decimal(0))
        assert order.avg_px is not None
        same_as_the_venue(fills, venue)
    assert verify(tmp_path / "f.db").problems == []


async def test_events_come_in_order_and_add_up(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        seen: list[Any] = []
        fills.subscribe(seen.append)
        order = await fills.submit(Limit("ACME", "buy", qty=500, price=price(venue, "ACME", "buy", -1)))
        for _ in range(400):
            venue.advance(20)
            await asyncio.sleep(0)
            if order.status != "working":
                break
        with suppress(Refused):
            # It may have filled on the way.
            await order.cancel()
        await until(lambda: order.status != "working" and order.status != "stopping", "the order ends")
        assert [told.seq for told in seen] == sorted(told.seq for told in seen)
        mine = [told.event for told in seen if told.parent == order.id]
        assert sum(event.qty for event in mine if type(event) is Fill) == order.cum_qty
        assert type(mine[-1]) is ParentDone
        same_as_the_venue(fills, venue)


async def test_a_remainder_is_resubmitted_for_exactly_what_is_left(tmp_path: Path) -> None:
    venue = paper()
    settings = FillManagement(auto_resubmit=True, min_resubmit_size=Decimal(1), max_resubmit_attempts=50)
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=settings) as fills:
        seen: list[Any] = []
        fills.subscribe(lambda told: seen.append(told.event))
        order = await fills.submit(Limit("ACME", "buy", qty=5000, price=price(venue, "ACME", "buy", 2), tif="ioc"))
        await order.done(WAIT_S)
        resubmitted = [event for event in seen if type(event) is ResubmitTriggered]
        assert resubmitted
        assert resubmitted[0].qty + sum(e.qty for e in seen[: seen.index(resubmitted[0])] if type(e) is Fill) == 5000
        assert order.cum_qty <= 5000
        assert sum(child.cum for child in order.parent.children) == order.cum_qty
        same_as_the_venue(fills, venue)


async def test_an_amendment_replaces_and_a_cancel_ends(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        order = await fills.submit(Limit("ACME", "buy", qty=100, price=price(venue, "ACME", "buy", -20)))
        await until(lambda: order.parent.children[0].order_id, "it is acknowledged")
        await order.amend(qty=60, price=price(venue, "ACME", "buy", -10))
        await until(lambda: order.parent.children[0].order_qty == 60, "the replace is in force")
        assert len(order.parent.children) == 1
        await order.cancel()
        await until(lambda: order.status == "canceled", "it ends")
        same_as_the_venue(fills, venue)


async def test_the_same_ref_is_the_same_order(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        terms = Limit("ACME", "buy", qty=10, price=price(venue, "ACME", "buy", -20))
        first, second = await fills.submit(terms, ref="a"), await fills.submit(terms, ref="a")
        assert first.id == second.id
        with pytest.raises(Refused, match="other terms"):
            await fills.submit(Limit("ACME", "buy", qty=11, price="20"), ref="a")


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        (Limit("ACME", "buy", qty=10, price="20.005"), "tick"),
        (Limit("ACME", "buy", qty="1.5", price="20"), "lots"),
        (Market("NOPE", "buy", qty=1), "does not list"),
    ],
)
async def test_what_the_venue_cannot_take_is_refused_by_name(terms: Any, why: str, tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "f.db", venues=[paper()]) as fills:
        with pytest.raises(Refused, match=why):
            await fills.submit(terms)
        assert fills.orders() == []


async def test_the_kill_switch_cancels_everything_survives_a_restart_and_is_lifted_by_hand(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        orders = [
            await fills.submit(Limit(name, "buy", qty=SHAPES[name].listing.instrument.lot * 500,  # type: ignore[operator]
                                     price=price(venue, name, "buy", -30)))
            for name in NAMES
        ]  # fmt: skip
        await fills.kill(True, by="operator", reason="test")
        await until(lambda: all(order.status == "killed" for order in orders), "everything is off")
        with pytest.raises(Refused, match="kill switch"):
            await fills.submit(Limit("ACME", "buy", qty=1, price="20"))
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        with pytest.raises(Refused, match="kill switch"):
            await fills.submit(Limit("ACME", "buy", qty=1, price="20"))
        await fills.kill(False, by="operator")
        await fills.submit(Limit("ACME", "buy", qty=1, price="20"))
    assert verify(tmp_path / "f.db").problems == []


async def test_an_order_that_the_user_placed_is_tracked(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        terms = Limit("ACME", "buy", qty=100, price=price(venue, "ACME", "buy", -15))
        order = await fills.track(terms, cl_ord_id="mine-1")
        answer = await venue.place(_place(terms, "mine-1"))
        assert answer.order is not None
        await fills.observe(answer.order)
        await until(lambda: order.parent.children[0].order_id, "the stream tells of it")
        await order.cancel()
        await until(lambda: order.status == "canceled", "it ends")
        same_as_the_venue(fills, venue)


def _place(terms: Any, cl_ord_id: str) -> Any:
    from partfill.model.operations import Place

    return Place(venue="paper", account="", instrument=terms.instrument, order=0, cl_ord_id=cl_ord_id, terms=terms)


BAD = Faults(latency_max_ns=3_000_000, refuse=30, lose_request=50, lose_reply=80, late=60, late_ns=20_000_000, fail_read=100,
             disconnect=30, duplicate=80)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_a_bad_venue_and_restarts_leave_nothing_wrong(seed: int, tmp_path: Path) -> None:
    rng = Random(seed)
    venue = paper(seed, faults=BAD)
    settings = FillManagement(
        auto_resubmit=True, min_resubmit_size=Decimal("0.001"), max_resubmit_attempts=3, poll_interval_ms=50
    )
    refs: list[str] = []
    for life in range(3):
        async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=settings, per_second=2000) as fills:
            for number in range(12):
                name = rng.choice(NAMES)
                lots = rng.randint(1, 400)
                side = rng.choice(("buy", "sell"))
                terms = Limit(
                    name, side, qty=SHAPES[name].listing.instrument.lot * lots,  # type: ignore[operator]
                    price=price(venue, name, side, rng.randint(-6, 6)), tif=rng.choice(("gtc", "ioc")),
                )  # fmt: skip
                order = await fills.submit(terms, ref=f"{life}-{number}")
                refs.append(order.ref)
                venue.advance(rng.randint(1, 30))
                if rng.random() < 0.3:
                    await asyncio.sleep(0.01)
                if rng.random() < 0.2:
                    with suppress(Refused):
                        await order.cancel()
            for _ in range(30):
                venue.advance(20)
                await asyncio.sleep(0.002)
            if life < 2:
                # Leave without grace: whatever was in flight is unknown.
                await fills.close(drain=False)
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=settings) as fills:
        await fills.kill(True, by="test")
        await until(lambda: all(order.ended and not order.parent.active for order in fills.orders()), "everything is off")
        for poller in fills.pollers:
            await poller.poll_once()
        same_as_the_venue(fills, venue)
        assert not fills.engine.counters.quarantined
        assert not [order for order in venue.exchange.snapshot("", [], time.time_ns()) if order.leaves_qty]
    assert verify(tmp_path / "f.db").problems == []


async def test_who_missed_events_reads_them_again_from_the_journal(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        everything: list[Told] = []
        fills.subscribe(everything.append)
        slow = fills.events(limit=3)
        for number in range(5):
            order = await fills.submit(Limit("ACME", "buy", qty=10 + number, price=price(venue, "ACME", "buy", 20)))
            await order.done(WAIT_S)
        slow.close()
        heard = [told async for told in slow]
        missed = heard[-1].event
        assert isinstance(missed, Missed)
        assert [told.event for told in heard[:-1]] == [told.event for told in everything[:3]]
        assert missed.count == len(everything) - 3
        again = list(events_between(tmp_path / "f.db", missed.first_seq, missed.last_seq))
        assert [told for told in again if told not in heard] == everything[3:]


async def test_where_fill_management_is_off_no_order_has_a_successor_whatever_it_brings(tmp_path: Path) -> None:
    venue = paper()
    settings, rule = FillManagement(enabled=False), Resubmit(min_resubmit_size=Decimal(1), max_resubmit_attempts=3)
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=settings) as fills:
        limit = Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", -20))
        await fills.submit(limit, ref="one", resubmit=rule)
        assert fills.engine.desk.by_ref[venue.name, "", "one"].resubmit is None
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        await fills.submit(limit, ref="two", resubmit=rule)
        assert fills.engine.desk.by_ref[venue.name, "", "two"].resubmit == rule
