"""What a watcher sees of positions: at every step what the engine knows, not covered ones first, no more than asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from partfill.core.engine import Engine
from partfill.journal.journal import Journal
from partfill.model.commands import KillSwitch, Protect, Restarted, Submit, Unprotect
from partfill.model.events import AlarmKind
from partfill.model.inputs import InstrumentListed
from partfill.model.observations import Execution, ExecutionVoided
from partfill.model.orders import Limit
from partfill.model.protection import Budget, Leg
from partfill.model.words import Side
from partfill.runtime.positions import covered
from partfill.service.held import LegLine, PositionLine
from partfill.service.picture import Picture, Watcher
from tests.core.driven import PLAIN, TOTAL, VENUE, D, Driven
from tests.core.test_protection import STOP, TARGET, Market
from tests.core.test_watched import NO_STOPS, Watched


def known(engine: Engine) -> list[PositionLine]:
    """The same from the engine, by place."""
    found = []
    positions = {} if engine.holdings is None else engine.holdings.positions
    for place in sorted({*positions, *(each.place[:3] for each in engine.desk.protections.values())}):
        position = positions.get(place)
        legs: list[LegLine] = []
        fine = True
        for side in Side:
            protection = engine.desk.protections.get((*place, side))
            if protection is None:
                continue
            fine = fine and not protection.since
            own = [LegLine(leg.name, leg.wanted, leg.works, leg.watched) for leg in covered(protection)]
            if protection.wanted or any(leg.works for leg in own):
                legs += own
        if (position is not None and position.held) or not fine:
            numbers = (D(0), D(0), None, D(0)) if position is None else (
                position.qty, position.held, position.avg_px, position.net
            )  # fmt: skip
            found.append(PositionLine(*place, *numbers, legs, fine))
    return found


def by_place(picture: Picture) -> list[PositionLine]:
    return sorted(picture.positions, key=lambda line: (line.venue, line.account, line.instrument))


def in_and_out(market: Market) -> None:
    """Entries in parts, a burst, exits by a leg, a void, a short on the other side."""
    market.enters("80", "40", "20")
    market.fill("burst1", "10", "entry")
    market.fill("burst2", "10", "entry")
    market.answer()
    market.trades("target", "30")
    market.enters("20", "20", ref="by hand", side=Side.SELL)
    market.trades("stop", str(market.position))
    market.enters("50", "50", ref="short", side=Side.SELL)
    market.feed(Protect(venue=VENUE, instrument="ACME", side=Side.SELL, legs=(Leg(name="up", stop_px=D(120)),)))
    market.answer()
    market.feed(KillSwitch(venue="*", on=True, by="me"))
    market.answer()
    market.feed(KillSwitch(venue="*", on=False, by="me"))
    market.answer()
    market.feed(Unprotect(venue=VENUE, instrument="ACME", side=Side.SELL))
    market.answer()


def anew(market: Market) -> None:
    """Other legs take the place of those before while they work, then a void after the exit arms them."""
    market.enters("100", "60")
    legs = (Leg(name="tight", stop_px=D(98)), TARGET)
    market.feed(Protect(venue=VENUE, instrument="ACME", side=Side.BUY, legs=legs, budget=Budget.EACH))
    market.answer()
    market.trades("target", "60")
    key = f"x{market.count}"
    target = next(name for name in market.engine.index.by_order if market.engine.index.by_order[name].rows.get(key))
    market.feed(ExecutionVoided(venue=VENUE, order_id=target[2], key=key))
    market.answer()


def watched(market: Market) -> None:
    """Prices that are watched, by nobody at first, and one that is reached."""
    assert isinstance(market, Watched)
    market.enters("100", "80")
    market.shows("100", "101")
    market.feed(Restarted(desk="d-"))
    market.take()
    market.shows("100", "101")
    market.shows("94", "95")


MARKETS: list[tuple[Callable[[], Market], Callable[[Market], None]]] = [
    (lambda: Market(PLAIN, STOP, TARGET), in_and_out),
    (lambda: Market(TOTAL, STOP, TARGET), in_and_out),
    (lambda: Market(PLAIN, STOP, TARGET), anew),
    (lambda: Market(TOTAL, STOP, TARGET), anew),
    (lambda: Watched(NO_STOPS, STOP, TARGET), watched),
]


@pytest.mark.parametrize(("make", "story"), MARKETS)
async def test_a_watcher_knows_at_every_step_what_the_engine_does(
    make: Callable[[], Market], story: Callable[[Market], None], tmp_path: Path
) -> None:
    market = make()
    story(market)
    seen = set()
    async with Journal(tmp_path / "f.db") as journal:
        # One looks at every step, one now and then, one for the first time.
        with Watcher(tmp_path / "f.db") as closely, Watcher(tmp_path / "f.db") as seldom:
            for number, (inp, now) in enumerate(market.log):
                await journal.submit(inp, now)
                picture = closely.look()
                expected = known(journal.engine)
                assert by_place(picture) == expected
                assert (picture.held, picture.uncovered) == (len(expected), sum(not each.covered for each in expected))
                seen |= {(each.covered, bool(each.held)) for each in expected}
                if number % 7 == 0:
                    assert by_place(seldom.look()) == expected
            with Watcher(tmp_path / "f.db") as late:
                assert late.look() == seldom.look() == closely.look()
    assert {(True, True), (False, True)} <= seen


async def journalled(path: Path, desk: Driven) -> None:
    async with Journal(path) as journal:
        for inp, now in desk.log:
            journal.stage(inp, now)


async def test_not_covered_ones_come_first_then_the_largest_and_the_rest_is_counted(tmp_path: Path) -> None:
    desk = Driven(PLAIN)
    desk.feed(InstrumentListed(venue=VENUE, instrument="I2", quote="USD", multiplier=D(100)))
    for number in range(8):
        name = f"I{number}"
        if number in (0, 5):
            desk.feed(Protect(venue=VENUE, instrument=name, side=Side.BUY, legs=(STOP,)))
        side = Side.SELL if number == 6 else Side.BUY
        desk.submit("9", "100", ref=name, instrument=name, side=side)
        desk.acknowledge(order_id=name)
        desk.feed(Execution(venue=VENUE, order_id=name, key=name, qty=D(1 + number), px=D(100)))
    await journalled(tmp_path / "f.db", desk)
    with Watcher(tmp_path / "f.db") as watcher:
        picture = watcher.look(20, 5)
        assert [(line.instrument, line.held, line.covered) for line in picture.positions] == [
            # The stop of I0 and I5 is on its way; I2 has a multiplier; a short one counts by its size.
            ("I5", 6, False), ("I0", 1, False), ("I2", 3, True), ("I7", 8, True), ("I6", -7, True),
        ]  # fmt: skip
        assert (picture.held, picture.uncovered) == (8, 2)
        assert [line.instrument for line in watcher.look(20, 1).positions] == ["I5"]
        assert watcher.look(20, 0).positions == []
        assert watcher.look(20, 100).positions[0].legs == [LegLine("stop", D(6), D(0), False)]


async def test_what_has_closed_and_still_has_an_order_that_works_is_shown(tmp_path: Path) -> None:
    market = Market(TOTAL, STOP, TARGET)
    market.enters("100", "100")
    market.trades("target", "100", answers=False)
    await journalled(tmp_path / "f.db", market)
    with Watcher(tmp_path / "f.db") as watcher:
        (line,) = watcher.look().positions
    assert (line.held, line.covered) == (0, False)
    assert market.alarms(AlarmKind.OVER_CLOSE) == []


async def test_a_journal_from_before_positions_has_none(tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    async with Journal(path) as journal:
        await journal.submit(Submit(venue="paper", ref="one", terms=Limit("ACME", "buy", qty=10, price=5)), 1)
    with apsw.Connection(str(path)) as opened:
        for table in ("positions", "protections", "instruments"):
            opened.execute(f"DROP TABLE {table}")
        opened.execute("PRAGMA user_version = 4")
    with Watcher(path) as watcher:
        picture: Any = watcher.look()
    assert (picture.held, picture.uncovered, picture.positions, len(picture.orders)) == (0, 0, [], 1)
