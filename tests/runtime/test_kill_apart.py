"""The kill switch while a venue in another process is dead: cut off, its answers lost, standing still, killed.
Once it is back everything is off, nothing was placed, and only an operator's word lifts the switch."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from partfill import FillManager, Limit
from partfill.journal.verify import verify
from partfill.model.events import Alarm, AlarmKind, OutcomeUnknown
from partfill.model.observations import OrderSnapshot
from partfill.runtime.bus import Told
from partfill.runtime.order import Order
from partfill.runtime.settings import FillManagement
from partfill.service.truth import differences
from partfill.venues.clock import CLOCK
from partfill.venues.paper.client import PaperClient
from tests.runtime.network import Line
from tests.runtime.test_kill import ended, refuses
from tests.runtime.test_manager import until
from tests.service.processes import Process

D = Decimal
AGAIN = FillManagement(poll_interval_ms=50, auto_resubmit=True, min_resubmit_size=D("0.001"), max_resubmit_attempts=50)
OPTIONS: dict[str, Any] = {"settings": AGAIN, "timeout_s": 0.4, "per_second": 500}


def start(folder: Path, port: int = 0, session: str = "first-") -> Process:
    """A venue whose market stands still, so that nobody fills what rests."""
    options = ["--port", str(port), "--speed", "0", "--warm-up", "2000", "--seed", "1", "--instruments", "ACME,THIN"]
    return Process("partfill.venues.paper", *options, "--session", session, errors=folder / "venue.log")


@asynccontextmanager
async def apart(folder: Path) -> AsyncIterator[tuple[Process, Line, PaperClient]]:
    """A venue process, the line to it, and our client at the end of the line."""
    with start(folder) as venue:
        line = Line(venue.ready["port"])
        await line.up()
        client = await PaperClient.connect("127.0.0.1", line.port, now=CLOCK, timeout_ms=300)
        try:
            yield venue, line, client
        finally:
            await client.close()
            await line.down()


async def judged(port: int, known: list[str]) -> list[OrderSnapshot]:
    """What the venue says for itself, past the line: what works, and the orders it is asked for by name."""
    judge = await PaperClient.connect("127.0.0.1", port, now=time.time_ns, session="judge")
    try:
        return await judge.snapshot("", known)
    finally:
        await judge.close()


async def at_work(fills: FillManager, client: PaperClient) -> list[Order]:
    """Two that rest, and one that took what there was and waits for more."""
    orders = [
        await fills.submit(Limit("ACME", "buy", qty=100, price="20"), ref="low"),
        await fills.submit(Limit("THIN", "sell", qty=100, price="20"), ref="high"),
        await fills.submit(Limit("ACME", "buy", qty=100_000, price="40"), ref="part"),
    ]
    await until(lambda: all(order.parent.children[0].order_id for order in orders), "they are acknowledged")
    await until(lambda: orders[2].cum_qty > 0, "one has filled in part")
    return orders


def ids(fills: FillManager) -> list[str]:
    """Every venue id that is known here."""
    return [child.order_id for child in fills.engine.children.values() if child.order_id is not None]


async def is_over(folder: Path, fills: FillManager, client: PaperClient, port: int, known: list[str]) -> None:
    """The venue is back: everything goes off, and the switch holds until it is lifted."""
    await until(lambda: all(order.ended and not order.parent.active for order in fills.orders()), "everything is off")
    truth = await judged(port, known)
    assert [order.order_id for order in truth if order.leaves_qty] == []
    assert {order.order_id for order in truth} <= set(known)
    await refuses(fills)
    seen: list[Any] = []
    fills.subscribe(lambda told: seen.append(told.event))
    await fills.kill(True, by="somebody else")
    assert seen == [], "a second time changes nothing"
    await fills.kill(False, by="operator")
    assert [order for order in await judged(port, known) if order.leaves_qty] == [], "lifting raises no dead"
    await fills.submit(Limit("ACME", "buy", qty=1, price="20"), ref="after")
    after = fills.order("after")
    assert after is not None
    await until(lambda: after.parent.children[0].order_id, "new orders go out again")
    await after.cancel()
    await until(lambda: after.ended, "and come back")
    assert differences(folder / "f.db", truth, "paper") == []


def is_told(folder: Path) -> None:
    """How the orders ended, and that the journal is whole."""
    assert verify(folder / "f.db").problems == []
    ends = ended(folder / "f.db")
    assert ends == dict.fromkeys(("low", "high", "part", "lost"), "killed") | {"after": "canceled"}


@pytest.mark.parametrize("restart", [True, False])
@pytest.mark.parametrize("how", ["cut", "deaf", "standing"])
async def test_killed_while_the_venue_is_dead_and_carried_out_when_it_is_back(how: str, restart: bool, tmp_path: Path) -> None:
    async with apart(tmp_path) as (venue, line, client):
        port = venue.ready["port"]
        fills = FillManager.open(tmp_path / "f.db", venues=[client], **OPTIONS)
        async with fills:
            await at_work(fills, client)
            if how == "cut":
                await line.down()
            elif how == "deaf":
                line.deaf = True
            else:
                venue.signal(signal.SIGSTOP)
            unknown: list[str] = []
            fills.subscribe(lambda told: unknown.append(told.event.request) if isinstance(told.event, OutcomeUnknown) else None)
            sent = fills.lanes.sent
            await fills.submit(Limit("THIN", "buy", qty=10, price="5"), ref="lost")
            await until(lambda: fills.lanes.sent > sent, "it has left")
            await fills.kill(True, by="operator")
            await refuses(fills)
            await until(lambda: len(unknown) == 4, "no answer came to anything")
            assert sorted(unknown) == ["cancel", "cancel", "cancel", "place"]
            if restart:
                await fills.close(drain=False)
            else:
                await back(how, venue, line)
                await is_over(tmp_path, fills, client, port, ids(fills))
        if restart:
            async with FillManager.open(tmp_path / "f.db", venues=[client], **OPTIONS) as fills:
                await refuses(fills)
                await until(lambda: fills.lanes.busy, "the venue is asked, in vain")
                await back(how, venue, line)
                await is_over(tmp_path, fills, client, port, ids(fills))
        is_told(tmp_path)


async def back(how: str, venue: Process, line: Line) -> None:
    """The venue lives again."""
    if how == "cut":
        await line.up()
    elif how == "deaf":
        # What it has said is lost for good: it has to be asked.
        await line.down()
        line.deaf = False
        await line.up()
    else:
        venue.signal(signal.SIGCONT)


async def test_a_venue_that_was_killed_and_forgot_its_orders_gets_none_and_a_person_is_told(tmp_path: Path) -> None:
    missing: set[int] = set()

    def is_alarmed(told: Told) -> None:
        if isinstance(told.event, Alarm) and told.event.kind is AlarmKind.MISSING:
            missing.add(told.event.order)

    async with apart(tmp_path) as (venue, _, client):
        async with FillManager.open(tmp_path / "f.db", venues=[client], **OPTIONS) as fills:
            await at_work(fills, client)
            known = ids(fills)
            venue.die()
            await fills.kill(True, by="operator")
            await fills.close(drain=False)
        with start(tmp_path, venue.ready["port"], "second-"):
            async with FillManager.open(tmp_path / "f.db", venues=[client], **OPTIONS) as fills:
                fills.subscribe(is_alarmed)
                await refuses(fills)
                await until(lambda: len(missing) == 3, "a person is told of each")
                # It may be that the order works somewhere: it stays open, and nothing is put in its stead.
                assert {order.status for order in fills.orders()} == {"stopping"}
                assert await judged(venue.ready["port"], known) == []
                assert ids(fills) == known
                await refuses(fills)
    assert verify(tmp_path / "f.db").problems == []
