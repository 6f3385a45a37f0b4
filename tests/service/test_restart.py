"""A daemon with a paper venue inside is stopped or killed: its orders end as the exchange says, and nothing is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest

from partfill.journal.store import Store
from partfill.journal.verify import verify
from partfill.service.address import paper_path
from partfill.service.client import ask
from partfill.service.truth import differences
from partfill.venues.paper.kept import RESTARTED, Kept, KeptExchange
from tests.service.processes import Daemon, local, until
from tests.service.test_kill_daemon import draw, send

RULE = {"min_resubmit_size": "1", "max_resubmit_attempts": 2}
LARGE = {"instrument": "ACME", "side": "buy", "qty": "50000", "price": "30.00"}
"""Takes everything that is offered up to its price, and waits for the rest."""


@contextlib.contextmanager
def record(db: Path) -> Iterator[KeptExchange]:
    """The exchange of a daemon that is down, as the next one would find it."""
    kept = Kept(paper_path(db))
    try:
        yield KeptExchange([], kept)
    finally:
        kept.close()


def proven(db: Path) -> None:
    """The journal is right by itself, and says what the exchange says of every order."""
    assert verify(db).problems == []
    with record(db) as exchange:
        truth = [order.picture(1) for of in exchange.accounts.values() for order in of.orders.values()]
        assert truth
        assert differences(db, truth, "paper") == []


def rows(db: Path, sql: str) -> list[dict[str, Any]]:
    store = Store(db, read_only=True)
    try:
        return list(store.rows(sql))
    finally:
        store.close()


def end(daemon: Daemon, how: str) -> None:
    if how == "stop":
        assert daemon.stop() == 0
    else:
        daemon.die()


def all_off(daemon: Daemon) -> None:
    """Take everything off and wait until the venue has said so."""
    assert daemon.ask("kill", on=True, by="test")["ok"]
    until(
        lambda: not daemon.ask("orders")["count"] and not rows(daemon.db, "SELECT id FROM children WHERE open = 1"), "all off"
    )
    assert daemon.ask("kill", on=False, by="test")["ok"]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_orders_end_at_the_restart_with_all_that_filled_and_no_alarm(how: str, tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    with local(tmp_path) as daemon:
        assert daemon.ask("submit", ref="large", **LARGE)["ok"]
        assert daemon.ask("submit", ref="resting", **{**LARGE, "price": "2.00"})["ok"]
        assert daemon.ask("submit", ref="market", instrument="ACME", side="sell", qty=5)["ok"]
        until(lambda: Decimal(daemon.order("large")["cum_qty"]), "some of it fills")
        until(lambda: daemon.order("market")["state"] == "filled", "the market order fills")
        end(daemon, how)
    with local(tmp_path) as daemon:
        for ref in ("large", "resting"):
            until(lambda each=ref: daemon.order(each)["state"] == "canceled", "the venue says that it ended")
        assert Decimal(daemon.order("large")["cum_qty"]) > 0
        assert daemon.order("resting")["cum_qty"] == "0"
        assert rows(db, "SELECT done, cum_qty FROM parents WHERE ref = 'market'") == [{"done": "filled", "cum_qty": "5"}]
        assert (daemon.ask("status")["alarms"], rows(db, "SELECT * FROM alarms")) == (0, [])
        assert daemon.ask("submit", ref="new", **{**LARGE, "price": "2.00"})["ok"]
        all_off(daemon)
        assert daemon.stop() == 0
    proven(db)
    with record(db) as exchange:
        reasons = [order.reason for order in exchange.accounts[""].orders.values()]
        assert reasons == [RESTARTED, RESTARTED, None, None]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_an_order_with_a_resubmit_rule_goes_on_with_exactly_what_is_left(how: str, tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    with local(tmp_path) as daemon:
        assert daemon.ask("submit", ref="large", resubmit=RULE, **LARGE)["ok"]
        until(lambda: Decimal(daemon.order("large")["cum_qty"]), "some of it fills")
        end(daemon, how)
    for life in (2, 3):
        with local(tmp_path) as daemon:
            until(
                lambda n=life: len(rows(db, "SELECT id FROM children WHERE ord_status <> 'PendingNew'")) == n, "its successor"
            )
            assert daemon.order("large")["state"] == "working"
            end(daemon, how)
    with local(tmp_path) as daemon:
        until(lambda: daemon.order("large")["state"] == "canceled", "no attempt is left")
        assert rows(db, "SELECT * FROM alarms") == []
        assert daemon.stop() == 0
    children = rows(db, "SELECT order_qty, cum_qty FROM children ORDER BY id")
    left = Decimal(50_000)
    for child in children:
        assert Decimal(child["order_qty"]) == left
        left -= Decimal(child["cum_qty"])
    proven(db)


@pytest.mark.parametrize("seed", range(3))
def test_kills_at_any_moment_lose_and_double_nothing(seed: int, tmp_path: Path) -> None:
    rng = Random(seed)
    orders: dict[str, dict[str, Any]] = {}
    for life in range(4):
        with local(tmp_path) as daemon:
            for number in range(10):
                ref = f"{life}-{number}"
                order = draw(rng, ref)
                if order["instrument"] not in ("ACME", "BTC-USD"):
                    continue
                orders[ref] = order
                if number == 9 or rng.random() < 0.1:
                    # Nobody waits for this answer: the kill falls into the middle of it.
                    send(daemon, order)
                    break
                answer = ask(daemon.db, {"cmd": "submit", **order, "resubmit": RULE if rng.random() < 0.5 else None})
                assert answer is not None
                assert answer["ok"], answer
            daemon.die()
    db = tmp_path / "f.db"
    with local(tmp_path) as daemon:
        all_off(daemon)
        assert daemon.stop() == 0
    assert rows(db, "SELECT * FROM alarms WHERE kind = 'missing'") == []
    proven(db)


def test_a_record_that_cannot_be_written_ends_the_daemon_with_a_clear_error(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    with local(tmp_path) as daemon:
        assert daemon.stop() == 0
    full = "CREATE TRIGGER full BEFORE INSERT ON orders BEGIN SELECT raise(FAIL, 'no room for this order'); END"
    alter(db, full)
    with local(tmp_path) as daemon:
        assert daemon.ask("submit", ref="r", **{**LARGE, "price": "2.00"})["ok"]
        assert daemon.wait() == 1
    log = (tmp_path / "errors.log").read_text()
    assert "paper is down: its orders cannot be written" in log
    assert "no room for this order" in log
    assert "start again" in log
    alter(db, "DROP TRIGGER full")
    with local(tmp_path) as daemon:
        until(lambda: daemon.order("r")["state"] == "rejected", "it never arrived")
        assert daemon.ask("submit", ref="new", **{**LARGE, "price": "2.00"})["ok"]
        all_off(daemon)
        assert daemon.stop() == 0
    assert rows(db, "SELECT * FROM alarms") == []
    proven(db)


def alter(db: Path, sql: str) -> None:
    """Change the record of a daemon that is down."""
    file = apsw.Connection(paper_path(db))
    file.execute(sql)
    file.close()


def test_a_record_that_is_something_else_is_named_and_nothing_starts(tmp_path: Path) -> None:
    Path(paper_path(tmp_path / "f.db")).write_text("somebody wrote a letter over it " * 200)
    with local(tmp_path) as daemon:
        assert (daemon.wait(), daemon.ready) == (1, {})
    assert "is no file of a paper exchange" in (tmp_path / "errors.log").read_text()
    assert not (tmp_path / "f.db").exists()
