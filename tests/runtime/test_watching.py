"""Stops and targets that are watched here, against the paper venue over its socket: what is looked at, and what follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from partfill import Bracket, FillManager, Limit
from partfill.journal.journal import JournalDown
from partfill.journal.store import Store
from partfill.journal.verify import verify
from partfill.model.book import Book
from partfill.model.capabilities import Capabilities
from partfill.model.commands import KillSwitch
from partfill.model.events import Alarm, AlarmKind, ProtectionFired
from partfill.model.numbers import NotANumber
from partfill.model.words import Side
from partfill.runtime import watching
from partfill.runtime.manager import Refused
from partfill.runtime.settings import FillManagement
from partfill.venues.paper.client import PaperClient
from partfill.venues.paper.exchange import PAPER
from partfill.venues.protocol import VenueDown
from tests.runtime.test_manager import until
from tests.runtime.test_partial_fill_handler import Street, manager, street
from tests.runtime.test_positions import entered, legs, quiet

D = Decimal
__all__ = ["quiet", "street"]
FAST = FillManagement(watch_ms=10)


class NoStops(PaperClient):
    """A venue that has no stops, and holds reduce-only orders to the position."""

    blind = False
    confused = False
    asked = 0

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(PAPER, stops=False)

    async def book(self, instrument: str, side: Side | None = None, order_id: str | None = None) -> Book:
        type(self).asked += 1
        if type(self).blind:
            raise VenueDown("paper: no book")
        shown = await super().book(instrument, side, order_id)
        return msgspec.structs.replace(shown, instrument="OTHER") if type(self).confused else shown


class Bare(NoStops):
    """A venue that has neither, and replaces nothing."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(PAPER, stops=False, reduce_only=False, can_replace=False)


KINDS = pytest.mark.parametrize("kind", [NoStops, Bare])


@pytest.fixture(autouse=True)
def sees() -> AsyncIterator[None]:
    """Everybody sees the market again after a test."""
    yield  # type: ignore[misc]
    for kind in (NoStops, Bare):
        kind.blind = kind.confused = False


def sold(street: Street) -> Decimal:
    """What of the desk's orders to sell has filled at the exchange."""
    return sum((order.cum_qty for order in street.every if order.side == "sell"), D(0))


@KINDS
async def test_a_watched_stop_closes_the_position_and_the_target_with_it(
    quiet: Street, tmp_path: Path, kind: type[PaperClient]
) -> None:
    path = tmp_path / "f.db"
    async with await manager(quiet, path, kind, settings=FAST) as fills:
        told: list[Any] = []
        fills.subscribe(lambda each: told.append(each.event))
        await fills.positions.protect("TOKEN", "long", stop="0.55", targets=["0.70"])
        quiet.puts("buy", 1, "0.58")
        await entered(fills, quiet, 300, 40, 60)
        await until(lambda: legs(quiet) == (0, 100), "the target is the position")
        await until(lambda: fills.positions.of("TOKEN").covered, "and somebody watches for the stop")
        held = fills.positions.of("TOKEN").legs
        assert [(leg.name, leg.watched, leg.works) for leg in held] == [("stop", True, 100), ("target", False, 100)]
        assert fills.watching.watched == [("paper", "TOKEN")]
        await fills.cancel("entry")
        await until(lambda: not any(order.side == "buy" for order in quiet.ours), "nothing more is bought")
        # The bid goes, and the next one is below the stop.
        quiet.puts("buy", 70, "0.54")
        quiet.puts("sell", 1, "0.58")
        await until(lambda: fills.positions.of("TOKEN").qty == 0, "it is closed, at what is bid")
        await until(lambda: not quiet.ours, "and the target is off")
        assert [event.leg for event in told if type(event) is ProtectionFired] == ["stop"]
        assert sold(quiet) == 100
        assert quiet.exchange.positions["", "TOKEN"] == 0
        await until(lambda: fills.watching.watched == [], "nothing is watched any more")
    assert verify(path).problems == []


@KINDS
async def test_after_a_restart_it_is_watched_again_and_what_fell_meanwhile_is_closed(
    quiet: Street, tmp_path: Path, kind: type[PaperClient]
) -> None:
    path = tmp_path / "f.db"
    quiet.puts("buy", 1, "0.58")
    async with await manager(quiet, path, kind, settings=FAST) as fills:
        await fills.positions.enter(Limit("TOKEN", "buy", qty=50, price="0.62"), Bracket(stop="0.55"), ref="entry")
        await entered(fills, quiet, 50, 50)
        await until(lambda: fills.positions.of("TOKEN").covered, "it is watched")
    quiet.puts("buy", 500, "0.40")
    quiet.puts("sell", 1, "0.58")
    async with await manager(quiet, path, kind, settings=FAST) as fills:
        await until(lambda: fills.positions.of("TOKEN").qty == 0, "it is closed at the first look")
        assert fills.positions.of("TOKEN").realised == D("50") * (D("0.40") - D("0.62"))
    assert verify(path).problems == []


async def test_what_one_look_does_not_close_the_next_does(quiet: Street, tmp_path: Path) -> None:
    quiet.puts("buy", 1, "0.58")
    async with await manager(quiet, tmp_path / "f.db", Bare, settings=FAST) as fills:
        await fills.positions.protect("TOKEN", "long", stop="0.55", stop_limit="0.50")
        await entered(fills, quiet, 100, 100)
        await until(lambda: fills.positions.of("TOKEN").covered, "it is watched")
        quiet.puts("buy", 30, "0.52")
        quiet.puts("sell", 1, "0.58")
        await until(lambda: sold(quiet) == 30, "what is bid above the limit is taken")
        await until(lambda: legs(quiet) == (0, 70), "the rest waits at the limit")
        quiet.puts("buy", 100, "0.51")
        await until(lambda: fills.positions.of("TOKEN").qty == 0, "and is taken when somebody comes")


async def test_a_market_that_nobody_sees_is_told_and_looked_at_all_the_same(
    quiet: Street, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "BLIND_S", 0.05)
    quiet.puts("buy", 1, "0.58")
    async with await manager(quiet, tmp_path / "f.db", Bare, settings=FAST) as fills:
        told: list[Any] = []
        fills.subscribe(lambda each: told.append(each.event))
        await fills.positions.protect("TOKEN", "long", stop="0.55")
        await entered(fills, quiet, 100, 100)
        await until(lambda: fills.positions.of("TOKEN").covered, "it is watched")
        Bare.blind = True
        alarms = lambda: [e.text for e in told if type(e) is Alarm and e.kind is AlarmKind.UNPROTECTED]  # noqa: E731
        await until(lambda: len(alarms()) == 1, "somebody is told")
        assert not fills.positions.of("TOKEN").covered
        before = Bare.asked
        await until(lambda: Bare.asked > before + 5, "it is looked at")
        assert len(alarms()) == 1
        Bare.blind = False
        await until(lambda: fills.positions.of("TOKEN").covered, "it is seen again")


async def test_a_book_of_something_else_and_a_look_that_breaks_end_no_watch(
    quiet: Street, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "BLIND_S", 0.05)
    quiet.puts("buy", 1, "0.58")
    async with await manager(quiet, tmp_path / "f.db", Bare, settings=FAST) as fills:
        await fills.positions.protect("TOKEN", "long", stop="0.55")
        await entered(fills, quiet, 100, 100)
        await until(lambda: fills.positions.of("TOKEN").covered, "it is watched")
        Bare.confused = True
        await until(lambda: not fills.positions.of("TOKEN").covered, "nobody sees its own market")
        Bare.confused = False
        await until(lambda: fills.positions.of("TOKEN").covered, "it is seen again")
        breaks = iter([True, True])
        tell = fills.watching._tell

        async def broken(*what: Any) -> None:
            if next(breaks, False):
                raise RuntimeError("a mistake of ours")
            await tell(*what)

        monkeypatch.setattr(fills.watching, "_tell", broken)
        quiet.puts("buy", 200, "0.54")
        quiet.puts("sell", 1, "0.58")
        await until(lambda: fills.positions.of("TOKEN").qty == 0, "the stop goes all the same")
        assert next(breaks, None) is None


async def test_a_journal_that_is_down_ends_the_watch(quiet: Street, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet.puts("buy", 1, "0.58")
    async with await manager(quiet, tmp_path / "f.db", Bare, settings=FAST) as fills:
        await fills.positions.protect("TOKEN", "long", stop="0.55")
        await entered(fills, quiet, 100, 100)
        await until(lambda: fills.positions.of("TOKEN").covered, "it is watched")

        async def down(inp: Any) -> None:
            raise JournalDown("the disk is full")

        monkeypatch.setattr(fills, "take", down)
        quiet.puts("buy", 200, "0.54")
        quiet.puts("sell", 1, "0.58")
        await until(lambda: fills.watching.watched == [], "nothing is looked at for a journal that takes nothing")
        looks = fills.watching.looks
        await asyncio.sleep(0.1)
        assert fills.watching.looks == looks
        monkeypatch.undo()


async def test_looks_that_show_nothing_new_write_nothing(quiet: Street, tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    quiet.puts("buy", 1, "0.58")
    async with await manager(quiet, path, Bare, settings=FAST) as fills:
        await fills.positions.protect("TOKEN", "long", stop="0.55")
        await entered(fills, quiet, 100, 100)
        await until(lambda: fills.positions.of("TOKEN").covered, "it is watched")
        looks = fills.watching.looks
        await until(lambda: fills.watching.looks > looks + 20, "many looks")
        store = Store(path, read_only=True)
        seen = list(store.rows("SELECT count(*) AS n FROM journal WHERE body->>'type' = 'market_seen'"))
        store.close()
    assert seen[0]["n"] == 1


async def test_under_the_kill_switch_nothing_fires_however_often_it_is_looked(quiet: Street, tmp_path: Path) -> None:
    quiet.puts("buy", 1, "0.58")
    async with await manager(quiet, tmp_path / "f.db", Bare, settings=FAST) as fills:
        await fills.positions.protect("TOKEN", "long", stop="0.55")
        await entered(fills, quiet, 100, 100)
        await until(lambda: fills.positions.of("TOKEN").covered, "it is watched")
        await fills.take(KillSwitch(venue="*", on=True, by="operator"))
        quiet.puts("buy", 200, "0.54")
        quiet.puts("sell", 1, "0.58")
        looks = fills.watching.looks
        await until(lambda: fills.watching.looks > looks + 10, "it is looked at")
        assert sold(quiet) == 0
        await fills.take(KillSwitch(venue="*", on=False, by="operator"))
        await until(lambda: fills.positions.of("TOKEN").qty == 0, "once it is lifted the stop goes")


# ---------------------------------------------------------------------- entries


async def test_an_entry_and_a_double_down_are_one_command_each_and_carry_their_name(quiet: Street, tmp_path: Path) -> None:
    async with await manager(quiet, tmp_path / "f.db") as fills:
        wish = Bracket(stop="0.55", stop_limit="0.50", targets=["0.70"])
        main = await fills.positions.enter(Limit("TOKEN", "buy", qty=100, price="0.62"), wish, ref="main")
        await entered(fills, quiet, 100, 100, ref="main")
        await until(lambda: legs(quiet) == (100, 100), "both legs are the position")
        more = await fills.positions.enter(Limit("TOKEN", "buy", qty=100, price="0.60"), entry="double_down", ref="more")
        await until(lambda: any(order.side == "buy" for order in quiet.ours), "it rests")
        quiet.puts("sell", 60, "0.60")
        await until(lambda: legs(quiet) == (160, 160), "they grow with what filled of it")
        tags = [order.parent.terms.tag("entry") for order in (main, more)]
        assert tags == ["main", "double_down"]
        assert {order.terms.tag("entry") for order in quiet.every if order.side == "buy"} == {"main", "double_down"}


@pytest.mark.parametrize(
    ("bracket", "said"),
    [
        (Bracket(stop="0.555"), "stop_px 0.555 of stop is not on the tick of TOKEN; 0.56 is"),
        (Bracket(stop="0.55", stop_limit="0.501"), "price 0.501 of stop is not on the tick of TOKEN"),
        (Bracket(targets=["0.701"]), "price 0.701 of target is not on the tick of TOKEN"),
        (Bracket(stop_limit="0.50"), "stop_limit is 0.50 and there is no stop"),
        (Bracket(stop="0.55", budget="both"), "budget is 'both'; it is shared or each"),
        (Bracket(stop="0.55", over_close="no"), "over_close is 'no'; it is alarm or flatten"),
        (Bracket(), "0 legs; give 1 to 16"),
    ],
)
async def test_what_cannot_protect_is_refused_and_nothing_is_placed(
    quiet: Street, tmp_path: Path, bracket: Bracket, said: str
) -> None:
    async with await manager(quiet, tmp_path / "f.db") as fills:
        with pytest.raises(NotANumber, match=said):
            await fills.positions.enter(Limit("TOKEN", "buy", qty=100, price="0.62"), bracket)
        assert fills.orders() == []
        assert quiet.ours == []


async def test_an_entry_that_is_refused_protects_nothing(quiet: Street, tmp_path: Path) -> None:
    async with await manager(quiet, tmp_path / "f.db") as fills:
        await fills.take(KillSwitch(venue="*", on=True, by="operator"))
        with pytest.raises(Refused, match="kill switch"):
            await fills.positions.enter(Limit("TOKEN", "buy", qty=100, price="0.62"), Bracket(stop="0.55"))
        assert fills.engine.desk.protections == {}


async def test_another_threads_loop_is_refused_before_anything_happens(tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "f.db") as fills:
        before = fills.journal.durable_seq

        def elsewhere() -> str:
            with pytest.raises(RuntimeError, match="run_coroutine_threadsafe") as error:
                asyncio.run(fills.take(KillSwitch(venue="*", on=True, by="a thread")))
            return str(error.value)

        assert "another event loop" in await asyncio.to_thread(elsewhere)
        assert fills.engine.desk.killed == {}
        assert fills.journal.durable_seq == before
