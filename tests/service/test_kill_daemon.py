"""kill -9 at random instants, while the venue trades on: what the journal says afterwards is what happened at the venue."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from partfill.journal.store import Store
from partfill.journal.verify import verify
from partfill.model.observations import OrderSnapshot
from partfill.service.client import ask
from partfill.service.truth import differences
from partfill.venues.paper.client import PaperClient
from partfill.venues.paper.market import SHAPES
from tests.service.processes import Daemon, Process, paper_venue, partfill, remote, until

FAULTS = {"latency_max_ns": 20_000_000, "lose_request": 20, "lose_reply": 50, "late": 30, "late_ns": 30_000_000,
          "fail_read": 30, "disconnect": 5, "duplicate": 50, "refuse": 10}  # fmt: skip
LIVES = 5
ORDERS = 12


def draw(rng: Random, ref: str) -> dict[str, Any]:
    """A random order near the market."""
    shape = SHAPES[rng.choice(("ACME", "BTC-USD", "ETH-USD", "THIN"))]
    of = shape.listing.instrument
    side = rng.choice(("buy", "sell"))
    qty = (of.lot or Decimal(1)) * rng.randint(1, 12 * shape.size)
    order = {"ref": ref, "instrument": shape.symbol, "side": side, "qty": str(qty)}
    if rng.random() < 0.2:
        return order
    ticks = shape.start + rng.randint(-30, 30)
    return {**order, "price": str(of.ticks[0].tick * ticks), "tif": rng.choice(("gtc", "gtc", "ioc"))}


def submit(daemon: Daemon, order: dict[str, Any]) -> bool:
    """Whether it was answered; an order that was refused is a fault of the test."""
    try:
        answer = ask(daemon.db, {"cmd": "submit", **order}, timeout_s=30)
    except ConnectionError:
        return False
    assert answer is not None
    assert answer["ok"], answer
    return True


def live_and_die(folder: Path, venue: Process, rng: Random, orders: dict[str, dict[str, Any]], life: int) -> None:
    """One life of a daemon: orders and cancels until it is killed somewhere in between."""
    with remote(folder, venue) as daemon:
        for order in orders.values():
            # Whoever had no answer sends again; whoever had one may, too.
            if rng.random() < 0.3:
                submit(daemon, order)
        last = rng.randrange(ORDERS)
        for number in range(last + 1):
            ref = f"{life}-{number}"
            orders[ref] = draw(rng, ref)
            if number == last and rng.random() < 0.5:
                # Nobody waits for this answer: the kill falls into the middle of it.
                send(daemon, orders[ref])
                time.sleep(rng.random() * 0.01)
                break
            submit(daemon, orders[ref])
            if rng.random() < 0.2:
                daemon.ask("cancel", ref=rng.choice(list(orders)))
            time.sleep(rng.random() * 0.05)
        daemon.die()
    time.sleep(rng.random() * 0.3)


def send(daemon: Daemon, order: dict[str, Any]) -> None:
    """Submit without waiting for the answer."""
    with contextlib.suppress(ConnectionError):
        ask(daemon.db, {"cmd": "submit", **order}, timeout_s=0.002)


async def everything(port: int, known: list[str]) -> list[OrderSnapshot]:
    """What the venue has: every order that works, that filled anything, or that `known` names."""
    client = await PaperClient.connect("127.0.0.1", port, now=time.time_ns, session="judge")
    try:
        for _ in range(100):
            try:
                filled = {each.order_id async for each in client.history("", 0)}
                return await client.snapshot("", sorted({*known, *(name for name in filled if name)}))
            except ConnectionError:
                # The venue fails reads now and then.
                await asyncio.sleep(0.01)
        raise AssertionError("the venue answers nothing")
    finally:
        await client.close()


def provisional(db: Path) -> list[str]:
    """Orders of which a total says more than their executions add up to."""
    store = Store(db, read_only=True)
    try:
        rows = store.rows("SELECT order_id, provisional_qty FROM children")
        return [row["order_id"] for row in rows if Decimal(row["provisional_qty"])]
    finally:
        store.close()


@pytest.mark.parametrize("seed", range(3))
def test_after_any_kill_the_ledger_is_the_venues_and_no_order_is_lost_or_doubled(seed: int, tmp_path: Path) -> None:
    rng = Random(seed)
    db = tmp_path / "f.db"
    orders: dict[str, dict[str, Any]] = {}
    with paper_venue(tmp_path, seed=seed, speed=3, faults=FAULTS) as venue:
        for life in range(LIVES):
            live_and_die(tmp_path, venue, rng, orders, life)
        with remote(tmp_path, venue) as daemon:
            for order in orders.values():
                assert submit(daemon, order)
            assert partfill("kill", "on", db, "--by", "test").returncode == 0
            until(lambda: not daemon.ask("orders")["count"], "everything is off")
            until(lambda: not provisional(db), "every quantity has its executions")
            assert daemon.stop() == 0
        store = Store(db, read_only=True)
        refs = Counter(row["ref"] for row in store.rows("SELECT ref FROM parents"))
        known = [row["order_id"] for row in store.rows("SELECT order_id FROM children WHERE order_id IS NOT NULL")]
        quarantined = list(store.rows("SELECT * FROM alarms WHERE kind IN ('invariant', 'law', 'overfill', 'exposure')"))
        store.close()
        truth = asyncio.run(everything(venue.ready["port"], known))
        assert venue.stop() == 0
    assert refs == Counter(orders.keys())
    assert quarantined == []
    assert differences(db, truth, "paper") == []
    assert any(picture.cum_qty for picture in truth), "nothing filled, so nothing was tested"
    assert verify(db).problems == []


def test_a_kill_that_no_venue_heard_and_no_daemon_outlived_is_carried_out_all_the_same(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    orders = {
        "low": {"ref": "low", "instrument": "ACME", "side": "buy", "qty": "10", "price": "10"},
        "high": {"ref": "high", "instrument": "BTC-USD", "side": "sell", "qty": "0.01", "price": "90000"},
    }
    with paper_venue(tmp_path, faults={"disconnect": 500, "lost_messages": 8}) as venue:
        with remote(tmp_path, venue, timeout="0.5") as daemon:
            for order in orders.values():
                assert submit(daemon, order)
            until(lambda: len(asyncio.run(everything(venue.ready["port"], []))) == 2, "they work")
            venue.signal(signal.SIGSTOP)
            assert partfill("kill", "on", db, "--by", "test").returncode == 0
            assert partfill("kill", "on", db, "--by", "test").returncode == 0
            daemon.die()
        # Without a daemon the journal itself is asked: the switch is on, and nothing lifts it but an operator.
        assert partfill("kill", "on", db, "--by", "test").returncode == 3
        venue.signal(signal.SIGCONT)
        with remote(tmp_path, venue) as daemon:
            for order in ({**orders["low"], "ref": "new"}, {**orders["high"], "ref": "newer"}):
                assert not daemon.ask("submit", **order)["ok"]
            until(lambda: not daemon.ask("orders")["count"], "everything is off")
            assert asyncio.run(everything(venue.ready["port"], [])) == []
            assert partfill("kill", "off", db, "--by", "test").returncode == 0
            assert daemon.ask("submit", **{**orders["low"], "ref": "after"})["ok"]
            assert daemon.stop() == 0
        assert venue.stop() == 0
    assert verify(db).problems == []
