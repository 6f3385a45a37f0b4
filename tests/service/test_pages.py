"""Metrics and health of a real manager in this process, over real HTTP: what is counted, and what trouble looks like."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from partfill import CancelRest, Chase, FillManager, Hold, Limit
from partfill.core import waiting
from partfill.journal.journal import JournalDown
from partfill.journal.store import Store
from partfill.model.book import Book, Level
from partfill.model.capabilities import Capabilities
from partfill.model.commands import Answered, Outcome
from partfill.model.events import Alarm, AlarmKind, ProtectionCovered, ProtectionFired
from partfill.model.inputs import MarketSeen
from partfill.model.operations import Place
from partfill.model.policy import Mode
from partfill.model.reasons import Reason
from partfill.model.words import Request, Side
from partfill.runtime.bus import Told as Heard
from partfill.runtime.limits import FAILURES, REFUSALS
from partfill.runtime.remainders import Dark, RemainderSettings
from partfill.runtime.settings import FillManagement
from partfill.service import pages as pages_module
from partfill.service.config import parse
from partfill.service.http import HttpServer
from partfill.service.metrics import OWN, Names, names
from partfill.service.pages import Pages
from partfill.venues.clock import CLOCK
from partfill.venues.paper.events import Add
from partfill.venues.protocol import VenueDown
from tests.runtime.test_decisions import Dim, Told, partly
from tests.runtime.test_manager import WAIT_S, price, until
from tests.runtime.test_outages import Troubled
from tests.runtime.test_outbox import Shaky
from tests.runtime.test_poller import SELDOM
from tests.runtime.test_remainders import offering
from tests.runtime.test_trouble import disk_with_room
from tests.service.web import health, scrape

LIVE = RemainderSettings(mode=Mode.GENERAL_LIVE)
MINE = 'metrics_prefix = "mine"\nhealth_path = "/internal/health/mine"'


class Watched:
    """A manager and its pages, asked from a thread as somebody else would."""

    def __init__(self, fills: FillManager, url: str) -> None:
        self.fills, self.url = fills, url

    async def scrape(self) -> dict[str, float]:
        return await asyncio.to_thread(scrape, self.url)

    async def health(self, path: str = "/health") -> tuple[int, dict[str, Any]]:
        return await asyncio.to_thread(health, self.url, path)

    async def part(self, name: str, path: str = "/health") -> tuple[str, str]:
        """(color, reason) of one part."""
        said = (await self.health(path))[1]["components"][name]
        return said["status"], said["reason"]

    async def becomes(self, name: str, color: str, path: str = "/health") -> str:
        """Wait until a part has a color, and return the reason."""
        async with asyncio.timeout(WAIT_S):
            while True:
                found, reason = await self.part(name, path)
                if found == color:
                    return reason
                await asyncio.sleep(0.01)


@asynccontextmanager
async def watched(folder: Path, venue: Any, said: str = "", **options: Any) -> AsyncIterator[Watched]:
    """A manager as the daemon has it: pages before it is entered, served until it is closed."""
    config = parse(f'journal.path = "{folder}/f.db"\n[[venues]]\nname = "paper"\n[execution.remainder]\n{said}')
    server = HttpServer("127.0.0.1", 0)
    server.bind()
    fills = FillManager(config.journal, [venue], **options)
    pages = Pages(fills, config)
    try:
        with suppress(JournalDown):
            async with fills:
                await server.serve(pages.routes())
                yield Watched(fills, server.url)
    finally:
        await server.close()


def in_journal(db: Path) -> Counter[str]:
    """Decisions in a journal, by verdict."""
    store = Store(db, read_only=True)
    found = Counter(str(row["verdict"]) for row in store.rows("SELECT verdict FROM decisions"))
    store.close()
    return found


def shown(found: dict[str, float], called: Names) -> dict[str, int]:
    """Decisions in a scrape, by verdict."""
    by = {reason.value: int(found[f'{called.decisions}{{verdict="{reason.value}"}}']) for reason in Reason}
    return {verdict: count for verdict, count in by.items() if count}


@pytest.mark.parametrize(("said", "called"), [("", OWN), (MINE, names("mine"))])
async def test_every_decision_is_counted_once_under_its_verdict(said: str, called: Names, tmp_path: Path) -> None:
    venue = Dim()
    async with watched(tmp_path, venue, said, remainders=LIVE) as desk:
        told = Told(desk.fills)
        # A reader that never reads loses events; the metrics do not.
        slow = desk.fills.events(limit=1)
        before = await desk.scrape()
        assert shown(before, called) == {}
        assert len([name for name in before if name.startswith(f"{called.decisions}{{")]) == len(Reason)
        number = 0
        async with asyncio.timeout(WAIT_S):
            while len(told) < 6 or len(set(told.verdicts)) < 2:
                policy = (CancelRest, Hold, Chase)[number % 3](cancel_on_book_thin=False)
                number += 1
                terms = Limit("ACME", "buy", qty=50_000 + number, price=price(venue, "ACME", "buy", 0))
                await desk.fills.submit(terms, remainder=policy)
                venue.advance(60)
                await asyncio.sleep(0.01)
        await desk.fills.kill(True, by="test")
        await until(lambda: all(order.ended for order in desk.fills.orders()), "everything is off")
        after = await desk.scrape()
        assert shown(after, called) == in_journal(tmp_path / "f.db") == Counter(report.verdict.value for report in told)
        assert len(shown(after, called)) >= 3
        # Every one that had something to decide has a value, the kill switch's without a look too.
        decided = [report for report in told if report.verdict is not Reason.ORDER_GONE]
        assert after[f"{called.usd}_count"] == len(decided)
        assert after[f'{called.usd}_bucket{{le="5.0"}}'] == sum((report.seen.remaining_usd or 100) <= 5 for report in decided)
        slow.close()


async def test_ticks_of_chases_are_shown_and_those_above_the_limit_are_aborts(tmp_path: Path) -> None:
    venue = offering("7")
    chase = Chase(3, cancel_on_book_thin=False, min_remainder_size=Decimal(1))
    async with watched(tmp_path, venue, MINE, remainders=LIVE) as desk:
        told = Told(desk.fills)
        venue.exchange.market(Add("ACME", "o2", Side.SELL, Decimal(50), Decimal("10.02")), CLOCK())
        near = await desk.fills.submit(Limit("ACME", "buy", qty=10, price="10"), remainder=chase)
        assert await near.done(WAIT_S) == "filled"
        venue.exchange.market(Add("ACME", "o3", Side.SELL, Decimal(7), Decimal("9.87")), CLOCK())
        far = await desk.fills.submit(Limit("ACME", "buy", qty=10, price="9.87"), remainder=chase)
        assert await far.done(WAIT_S) == "canceled"
        assert told.verdicts == [Reason.CHASE_ORDER_SUBMITTED, Reason.CHASE_ABORTED]
        found = await desk.scrape()
        ticks = {le: found[f'mine_chase_ticks_bucket{{le="{le}"}}'] for le in ("1.0", "2.0", "3.0", "10.0", "15.0", "+Inf")}
        assert ticks == {"1.0": 0, "2.0": 1, "3.0": 1, "10.0": 1, "15.0": 2, "+Inf": 2}
        assert found["mine_chase_ticks_sum"] == 2 + 15
        color, reason = await desk.part("chase_abort_rate", "/internal/health/mine")
        assert (color, reason) == ("amber", "1 chase aborts in the last 5 minutes, 0.2 a minute")


async def test_how_long_positions_were_not_covered_is_a_histogram(tmp_path: Path) -> None:
    venue = Dim()
    async with watched(tmp_path, venue) as desk:
        told: list[Any] = []
        desk.fills.subscribe(lambda each: told.append(each) if type(each.event) is ProtectionCovered else None)
        await desk.fills.positions.protect("ACME", "long", stop="15.00")
        order = await desk.fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", 5)))
        assert await order.done(WAIT_S) == "filled"
        await until(lambda: told, "it is protected, and that is told")
        page = await desk.scrape()
        assert page["partfill_unprotected_seconds_count"] >= 1
        assert page["partfill_protection_requests_total"] >= 1
        assert page["partfill_protection_coalesced_total"] >= 0


class NoStops(Dim):
    """A venue that takes no stops, and refuses protective orders as often as it is told."""

    refuses = 0

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(super().capabilities, stops=False)

    async def place(self, op: Place) -> Answered:
        if op.urgent and self.refuses:
            self.refuses -= 1
            return Answered(venue="paper", request=Request.PLACE, cl_ord_id=op.cl_ord_id, outcome=Outcome.REFUSED, reason="no")
        return await super().place(op)


async def test_what_is_not_covered_not_seen_or_fails_is_shown(tmp_path: Path) -> None:
    venue = NoStops()
    venue.broken = VenueDown("paper: no market data")
    async with watched(tmp_path, venue) as desk:
        page = await desk.scrape()
        shown = {name: value for name, value in page.items() if name.startswith("partfill_protection_")}
        assert set(shown.values()) == {0}
        assert {name for name in shown if "{" in name} == {
            *(f'partfill_protection_failures_total{{kind="{kind}"}}' for kind in ("refused", "unanswered", "ended")),
            *(f'partfill_protection_retries_total{{request="{request}"}}' for request in ("place", "cancel", "replace")),
            *(f'partfill_protection_fired_total{{leg="{leg}"}}' for leg in ("stop", "target", "gone")),
        }
        best = price(venue, "ACME", "buy", 0)
        await desk.fills.positions.protect("ACME", "long", stop="15.00", targets=[best * 2])
        venue.refuses = 2
        order = await desk.fills.submit(Limit("ACME", "buy", qty=50, price=price(venue, "ACME", "buy", 5)))
        assert await order.done(WAIT_S) == "filled"
        # The target comes after two refusals; nobody sees the market that the stop is watched in.
        await until(lambda: not venue.refuses, "it was refused")
        await until(lambda: desk.fills.positions.of("ACME").legs[1].works == 50, "the target works")
        assert "nobody sees the market of ACME at paper" in await desk.becomes("protection", "amber")
        page = await desk.scrape()
        assert page['partfill_protection_failures_total{kind="refused"}'] == 2
        assert page['partfill_protection_retries_total{request="place"}'] == 2
        assert page["partfill_protection_positions"] == 1
        assert page["partfill_protection_uncovered"] == page["partfill_protection_blind"] == 1
        assert page["partfill_protection_uncovered_seconds"] > 0
        assert page["partfill_protection_blind_seconds"] >= page["partfill_protection_uncovered_seconds"]
        # Somebody sees it: all is covered.
        at = CLOCK()
        book = Book(instrument="ACME", bids=(Level(Decimal(16), Decimal(1)),), asks=(), as_of=at)
        await desk.fills.take(MarketSeen(venue="paper", instrument="ACME", book=book))
        await desk.becomes("protection", "green")
        page = await desk.scrape()
        assert page["partfill_protection_uncovered"] == page["partfill_protection_blind"] == 0
        book = Book(instrument="ACME", bids=(Level(Decimal(15), Decimal(1)),), asks=(), as_of=CLOCK())
        await desk.fills.take(MarketSeen(venue="paper", instrument="ACME", book=book))
        page = await desk.scrape()
        assert page['partfill_protection_fired_total{leg="stop"}'] == 1
        assert page["partfill_protection_over_closes_total"] == 0


async def test_what_was_closed_too_much_is_counted_and_red(tmp_path: Path) -> None:
    async with watched(tmp_path, Dim()) as desk:
        desk.fills.bus.publish(Heard(1, 0, Alarm(0, None, None, AlarmKind.OVER_CLOSE, "closed 5 more")))
        page = await desk.scrape()
        assert page["partfill_protection_over_closes_total"] == 1
        assert page['partfill_alarms_total{kind="over_close"}'] == 1
        assert (await desk.part("protection"))[0] == "red"
        # A leg that fired and was replaced since is nobody's any more.
        desk.fills.bus.publish(
            Heard(1, 0, ProtectionFired(0, None, None, "paper", "", "ACME", Side.BUY, "stop", Decimal(1), Decimal(1)))
        )
        assert (await desk.scrape())['partfill_protection_fired_total{leg="gone"}'] == 1


async def test_a_series_has_no_birthday_and_numbers_of_two_managers_do_not_mix(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with watched(tmp_path / "one", Dim()) as one, watched(tmp_path / "two", Dim()) as two:
        await one.fills.submit(Limit("ACME", "buy", qty=1, price="2.00"))
        assert not [name for name in await one.scrape() if "_created" in name]
        await until(lambda: one.fills.lanes.sent, "it is sent")
        assert ((await one.scrape())["partfill_open_orders"], (await two.scrape())["partfill_open_orders"]) == (1, 0)
        assert (await one.scrape())["partfill_operations_sent_total"] == 1


async def test_the_kill_switch_is_amber_and_says_who(tmp_path: Path) -> None:
    async with watched(tmp_path, Dim()) as desk:
        await desk.fills.kill(True, by="ops")
        status, said = await desk.health()
        assert (status, said["status"]) == (200, "amber")
        assert (await desk.part("kill switch"))[1].startswith("on everywhere, by ops: everything is taken off")
        assert (await desk.scrape())["partfill_kill_switches_on"] == 1
        await desk.fills.kill(False, by="ops")
        assert (await desk.part("kill switch"))[0] == "green"


async def test_a_venue_that_does_not_answer_is_red_until_it_does(tmp_path: Path) -> None:
    venue = Troubled()
    async with watched(tmp_path, venue, MINE, settings=SELDOM) as desk:
        await desk.becomes("venue/paper", "green")
        venue.orders = VenueDown("paper: the line is dead")
        (poller,) = desk.fills.pollers
        await poller.poll_once()
        color, reason = await desk.part("venue/paper")
        assert (color, "the line is dead" in reason) == ("amber", True)
        for _ in range(4):
            await poller.poll_once()
        color, reason = await desk.part("venue/paper")
        assert (color, "the line is dead" in reason) == ("red", True)
        status, said = await desk.health("/internal/health/mine")
        assert (status, said["status"], said["components"]["clob_auth"]["status"]) == (503, "red", "red")
        found = await desk.scrape()
        assert found['partfill_venue_up{account="",venue="paper"}'] == 0
        assert found['partfill_venue_poll_failures{account="",venue="paper"}'] >= 5
        venue.orders = None
        await poller.poll_once()
        assert (await desk.part("venue/paper"))[0] == "green"
        assert (await desk.health("/internal/health/mine"))[0] == 200
        assert (await desk.scrape())['partfill_venue_up{account="",venue="paper"}'] == 1


async def test_history_that_cannot_be_read_is_told_though_polls_are_answered(tmp_path: Path) -> None:
    venue = Troubled()
    venue.past = VenueDown("paper: no history")
    async with watched(tmp_path, venue, settings=FillManagement(poll_interval_ms=10, retry_ms=1, retry_max_ms=5)) as desk:
        assert "fills may be missing" in await desk.becomes("stream/paper", "red")
        assert (await desk.scrape())['partfill_venue_stream_up{account="",venue="paper"}'] == 0
        venue.past = None
        assert "is heard" in await desk.becomes("stream/paper", "green")
        assert (await desk.scrape())['partfill_venue_stream_up{account="",venue="paper"}'] == 1


async def test_a_breaker_is_red_and_only_silence_makes_a_venue_unreachable(tmp_path: Path) -> None:
    async with watched(tmp_path, Dim(), MINE) as desk:
        breaker = desk.fills.lanes.breakers["paper"]
        for _ in range(REFUSALS):
            breaker.refused("ACME", "no margin")
        assert "ACME was refused 10 times in a row: no margin" in await desk.becomes("venue/paper", "red")
        assert (await desk.part("clob_auth", "/internal/health/mine"))[0] == "green"
        for _ in range(FAILURES):
            breaker.failed("no answer within 10 s")
        assert (await desk.part("clob_auth", "/internal/health/mine"))[0] == "red"
        assert (await desk.scrape())['partfill_venue_breaker_open{venue="paper"}'] == 1


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_book_that_does_not_come_is_amber_until_it_does(hangs: bool, tmp_path: Path) -> None:
    venue = Dim()
    options = {"remainders": RemainderSettings(timeout_ms=20)}
    async with watched(tmp_path, venue, MINE, **options) as desk:
        if hangs:
            venue.clear.clear()
        else:
            venue.broken = VenueDown("paper: no market data")
        await partly(desk.fills, venue, Hold(cancel_on_book_thin=False, max_book_age_ms=50))
        why = "no answer within 20 ms" if hangs else "no market data"
        assert why in await desk.becomes("clob_public", "amber", "/internal/health/mine")
        # The document turns red for the trading API only.
        assert (await desk.health("/internal/health/mine"))[0] == 200
        assert (await desk.part("remainders"))[0] == "amber"
        assert (await desk.scrape())["partfill_remainder_dark_books"] == 1
        venue.clear.set()
        venue.broken = None
        await desk.becomes("clob_public", "green", "/internal/health/mine")
        assert (await desk.scrape())["partfill_remainder_dark_books"] == 0


async def test_a_book_that_nobody_needs_any_more_is_not_missed_for_ever(tmp_path: Path) -> None:
    async with watched(tmp_path, Dim()) as desk:
        dark = desk.fills.remainders.dark
        dark["paper", "ACME"] = Dark("no", time.monotonic() - 299)
        assert (await desk.part("remainders"))[0] == "amber"
        dark["paper", "ACME"] = Dark("no", time.monotonic() - 301)
        await desk.becomes("remainders", "green")


async def test_a_sink_that_fails_is_told_with_how_many_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "BACKOFF_NS", 5_000_000)
    venue, sink = Dim(), Shaky()
    sink.fails = 10**9
    async with watched(tmp_path, venue, remainders=LIVE, reports=sink) as desk:
        told = Told(desk.fills)
        assert (await desk.part("reports")) == ("green", "every report was delivered")
        order = await partly(desk.fills, venue, CancelRest(cancel_on_book_thin=False))
        assert await order.done(WAIT_S)
        reason = await desk.becomes("reports", "red")
        assert "1 reports wait, none is lost" in reason
        assert "the bus is down" in reason
        assert (await desk.scrape())["partfill_outbox_waiting"] == 1
        sink.fails = 0
        await desk.becomes("reports", "green")
        assert (await desk.scrape())["partfill_outbox_waiting"] == 0
        assert len(sink.taken) == len(told) == 1


async def test_a_halted_order_is_red_and_named(tmp_path: Path) -> None:
    venue = Dim()
    async with watched(tmp_path, venue) as desk:
        order = await desk.fills.submit(Limit("ACME", "buy", qty=1, price=price(venue, "ACME", "buy", -20)), ref="my-1")
        order.parent.halted = True
        status, said = await desk.health()
        assert (status, said["components"]["orders"]["status"]) == (503, "red")
        assert "1 orders are halted (my-1)" in said["components"]["orders"]["reason"]
        assert (await desk.scrape())["partfill_halted_orders"] == 1


async def test_a_journal_that_is_down_is_red_for_as_long_as_anybody_is_answered(tmp_path: Path) -> None:
    venue = Dim()
    async with watched(tmp_path, venue, MINE) as desk:
        await desk.fills.submit(Limit("ACME", "buy", qty=1, price="2.00"))
        room = (tmp_path / "f.db-wal").stat().st_size + 200_000

        async def go_on() -> None:
            for number in range(2_000):
                await desk.fills.submit(Limit("ACME", "buy", qty=1, price="2.00"), ref=str(number))

        with disk_with_room(room), pytest.raises(JournalDown):
            await go_on()
        for path in ("/health", "/internal/health/mine"):
            status, said = await desk.health(path)
            assert (status, said["status"], said["components"]["journal"]["status"]) == (503, "red", "red")
            assert "is down" in said["components"]["journal"]["reason"]
        assert (await desk.scrape())["partfill_journal_down"] == 1


async def test_a_hundred_scrapes_at_once_while_orders_are_decided_on(tmp_path: Path) -> None:
    venue = Dim()
    async with watched(tmp_path, venue, remainders=LIVE) as desk:
        scraping = asyncio.gather(*(desk.scrape() for _ in range(100)))
        for number in range(5):
            order = await partly(desk.fills, venue, CancelRest(cancel_on_book_thin=False), qty=50_000 + number)
            assert await order.done(WAIT_S)
            venue.advance(100)
        assert len(await scraping) == 100
        assert sum(shown(await desk.scrape(), OWN).values()) == sum(in_journal(tmp_path / "f.db").values()) >= 5


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
        ("text/html, ;;;,=,version=", "text/plain"),
        ("application/openmetrics-text; version=x.y", "text/plain"),
    ],
)
async def test_whatever_format_a_scraper_asks_for_it_gets_one(accept: str, kind: str, tmp_path: Path) -> None:
    async with watched(tmp_path, Dim()) as desk:
        pages = Pages(desk.fills, parse(f'journal.path = "{tmp_path}/f.db"\n[[venues]]\nname = "paper"'))
        body, content_type = pages.metrics.render(accept)
        assert content_type.startswith(kind)
        assert b"partfill_open_orders" in body


async def test_whoever_asks_again_within_the_moment_that_a_look_is_good_for_gets_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_module, "REST", 10**9)
    monkeypatch.setattr(pages_module, "MOST_REST_S", 60)
    async with watched(tmp_path, Dim()) as desk:
        pages = Pages(desk.fills, parse(f'journal.path = "{tmp_path}/f.db"\n[[venues]]\nname = "paper"'))
        first = pages.look()
        await desk.fills.submit(Limit("ACME", "buy", qty=1, price="2.00"))
        assert pages.look() is first
        pages.stop()
        assert (pages.look().stopping, pages.look().open) == (True, 1)
        monkeypatch.setattr(pages_module, "MOST_REST_S", 0)
        pages.stop()
        assert pages.look() is not pages.look()
