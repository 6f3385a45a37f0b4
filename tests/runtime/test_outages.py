"""Reads that go unanswered: told once when that lasts and once when it is over, whatever fails and through restarts."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from partfill import FillManager, Limit
from partfill.journal.store import Store
from partfill.journal.verify import verify
from partfill.model.events import Alarm, AlarmKind
from partfill.model.inputs import Outage
from partfill.model.observations import Observation, OrderSnapshot
from partfill.runtime import outages, poller
from partfill.runtime.catch_up import events_between
from partfill.runtime.settings import FillManagement
from partfill.venues.clock import CLOCK
from partfill.venues.protocol import VenueDown
from tests.runtime.test_manager import price, until
from tests.runtime.test_poller import OFTEN, SELDOM, Watched

OVER = (AlarmKind.OUTAGE, AlarmKind.OUTAGE_OVER)
FAST = FillManagement(poll_interval_ms=3_600_000, retry_ms=1, retry_max_ms=5)


class Troubled(Watched):
    """A venue whose reads raise whatever is put into `orders` and `past`, or hang while `hangs`."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: Exception | None = None
        self.past: Exception | None = None
        self.hangs = False

    async def snapshot(self, account: str, order_ids: Sequence[str] = ()) -> list[OrderSnapshot]:
        if self.hangs:
            await asyncio.Event().wait()
        found = await super().snapshot(account, order_ids)
        if self.orders is not None:
            raise self.orders
        return found

    async def history(self, account: str, since: int) -> AsyncIterator[Observation]:
        if self.past is not None:
            raise self.past
        async for observation in super().history(account, since):
            yield observation


def told(fills: FillManager) -> list[Any]:
    """The alarms about outages that a subscriber hears from now on, as (kind, text)."""
    heard: list[Any] = []

    def hear(each: Any) -> None:
        if type(each.event) is Alarm and each.event.kind in OVER:
            heard.append((each.event.kind, each.event.text))

    fills.subscribe(hear)
    return heard


def kinds(heard: list[Any]) -> list[AlarmKind]:
    return [kind for kind, _ in heard]


def kept(path: Path) -> list[str]:
    """The alarms about outages in a journal."""
    store = Store(path, read_only=True)
    found = [row["kind"] for row in store.rows("SELECT kind FROM alarms ORDER BY seq") if row["kind"] in OVER]
    store.close()
    return found


async def test_a_lasting_outage_is_told_once_and_its_end_once(tmp_path: Path) -> None:
    venue = Troubled()
    db = tmp_path / "f.db"
    async with FillManager.open(db, venues=[venue], settings=SELDOM) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        heard = told(fills)
        for _ in range(2):
            venue.orders = VenueDown("paper: 503 Service Unavailable")
            for number in range(1, 12):
                await fills.pollers[0].poll_once()
                assert len(heard) == (number >= SELDOM.alarm_after_failures)
            assert fills.pollers[0].reads.out
            venue.orders = None
            for _ in range(3):
                await fills.pollers[0].poll_once()
            assert kinds(heard) == [*OVER]
            assert "503 Service Unavailable" in heard[0][1]
            assert not fills.pollers[0].reads.out
            heard.clear()
    assert kept(db) == [*OVER, *OVER]
    assert verify(db).problems == []
    assert [each.event.kind for each in events_between(db, 1) if type(each.event) is Alarm] == [*OVER, *OVER]


async def test_failures_that_do_not_last_are_told_to_nobody(tmp_path: Path) -> None:
    venue = Troubled()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        heard = told(fills)
        inputs = fills.journal.seq
        for _ in range(10):
            venue.orders = VenueDown("paper: no answer")
            for _ in range(SELDOM.alarm_after_failures - 1):
                await fills.pollers[0].poll_once()
            venue.orders = None
            await fills.pollers[0].poll_once()
        assert (heard, fills.journal.seq) == ([], inputs)


async def test_two_failures_far_apart_are_an_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "LASTING_NS", 1)
    venue = Troubled()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        heard = told(fills)
        venue.orders = VenueDown("paper: no answer")
        await fills.pollers[0].poll_once()
        assert heard == []
        await fills.pollers[0].poll_once()
        assert kinds(heard) == [AlarmKind.OUTAGE]


async def test_it_is_over_only_when_everything_that_failed_is_answered(tmp_path: Path) -> None:
    venue = Troubled()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=FAST) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        heard = told(fills)
        venue.orders = venue.past = VenueDown("paper: no answer")
        for _ in range(3):
            await fills.pollers[0].poll_once()
        reading = asyncio.create_task(fills.followers[0].reconcile())
        await until(lambda: fills.followers[0].failures > FAST.alarm_after_failures, "history is not answered")
        assert kinds(heard) == [AlarmKind.OUTAGE]
        venue.orders = None
        await fills.pollers[0].poll_once()
        assert kinds(heard) == [AlarmKind.OUTAGE]
        venue.past = None
        await reading
        assert kinds(heard) == [*OVER]


async def test_an_outage_that_goes_on_through_a_restart_is_the_same_one(tmp_path: Path) -> None:
    venue = Troubled()
    db = tmp_path / "f.db"
    async with FillManager.open(db, venues=[venue], settings=FAST) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        venue.orders = venue.past = VenueDown("paper: no answer")
        for _ in range(FAST.alarm_after_failures):
            await fills.pollers[0].poll_once()
    for _ in range(2):
        async with FillManager.open(db, venues=[venue], settings=FAST) as fills:
            await until(lambda: fills.followers[0].failures > FAST.alarm_after_failures, "reads fail")
    assert kept(db) == [AlarmKind.OUTAGE]
    venue.orders = venue.past = None
    async with FillManager.open(db, venues=[venue], settings=FAST) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        assert not fills.pollers[0].reads.out
    assert kept(db) == [*OVER]
    assert verify(db).problems == []


@pytest.mark.parametrize("kind", ["orders", "past"])
async def test_an_error_that_nobody_expected_is_a_read_without_an_answer(kind: str, tmp_path: Path) -> None:
    venue = Troubled()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=FAST) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        heard = told(fills)
        setattr(venue, kind, KeyError("orderActivityCollection \ud800"))
        reading = asyncio.create_task(fills.followers[0].reconcile())
        await until(lambda: fills.followers[0].failures > FAST.alarm_after_failures, "reads fail")
        assert kinds(heard) == [AlarmKind.OUTAGE]
        assert "KeyError" in heard[0][1]
        assert fills.engine.counters.gaps == 0
        setattr(venue, kind, None)
        await reading
        assert kinds(heard) == [*OVER]
    assert verify(tmp_path / "f.db").problems == []


async def test_a_poll_that_hangs_is_given_up_and_holds_up_no_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venue = Troubled()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=OFTEN) as fills:
        await until(lambda: fills.pollers[0].polls, "the start is over")
        heard = told(fills)
        monkeypatch.setattr(outages, "READ_S", 0.001)
        venue.hangs = True
        order = await fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", 30)))
        assert await order.done(20) == "filled"
        for _ in range(OFTEN.alarm_after_failures):
            await fills.pollers[0].poll_once()
        assert kinds(heard) == [AlarmKind.OUTAGE]
        assert "no answer within 0.001 s" in heard[0][1]


async def test_a_poller_goes_on_after_an_error_that_nobody_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(poller, "AGAIN_S", 0.001)
    venue = Troubled()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=OFTEN) as fills:
        await until(lambda: fills.pollers[0].polls, "the start is over")
        right = fills.settings
        fills.settings = None  # type: ignore[assignment]
        await until(lambda: "goes on" in caplog.text, "a poll fails in our own code")
        fills.settings = right
        polls = fills.pollers[0].polls
        await until(lambda: fills.pollers[0].polls > polls + 3, "it polls again")
        assert not fills._tasks[-1].done()


async def test_logs_tell_how_following_goes_on_every_level(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "partfill")
    venue = Troubled()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=SELDOM) as fills:
        await until(lambda: fills.followers[0].reconciled, "the start is over")
        order = await fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", -9)), ref="a")
        await until(lambda: order.parent.children[0].order_id, "it is at the venue")
        await fills.followers[0].reconcile()
        venue.orders = VenueDown("paper: 503")
        for _ in range(SELDOM.alarm_after_failures):
            await fills.pollers[0].poll_once()
        venue.orders = None
        await fills.pollers[0].poll_once()
    said = [(each.levelname, each.getMessage()) for each in caplog.records if each.name.startswith("partfill")]
    name = order.parent.children[0].cl_ord_id
    (step,) = (each.args[1] for each in caplog.records if each.msg == "%s sent, because of %d" and each.args)
    answered = rf"Place {name} of order 1 at paper '' after \d+\.\d ms, because of {step}: done"
    assert any(level == "DEBUG" and re.fullmatch(answered, text) for level, text in said)
    for line in (
        ("INFO", "paper '' is followed: 1 orders work, 2 polls, everything read 2 times"),
        ("DEBUG", f"Place {name} of order 1 at paper '' sent, because of {step}"),
        ("DEBUG", "poll of paper '': 1 asked for, 1 found"),
        ("WARNING", "orders of paper '': paper: 503"),
        ("ERROR", "orders of paper '': not answered 5 times in a row: paper: 503"),
        ("INFO", "orders of paper '': answered again"),
    ):
        assert line in said, line


async def test_what_is_said_twice_is_told_once(tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "f.db") as fills:
        heard = told(fills)
        since = CLOCK()
        for over in (True, False, False, True, True):
            await fills.take(Outage(venue="v", account="a", over=over, since=since, reason="no answer"))
        assert kinds(heard) == [*OVER]
        assert all("v a" in text for _, text in heard)
