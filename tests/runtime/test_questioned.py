"""Stops that would close a position at once are questioned, and prices that no market reaches are refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from partfill import FillManager, Market
from partfill.model.numbers import NotANumber
from partfill.model.orders import Limit
from partfill.runtime.bracket import Bracket
from partfill.runtime.refusals import Refused
from partfill.venues.paper.venue import PaperVenue
from tests.runtime.test_manager import NAMES, paper, price, until


async def held(fills: FillManager, venue: PaperVenue, side: str) -> Decimal:
    """Hold one unit of the first instrument; returns a price near the market."""
    order = await fills.submit(Market(NAMES[0], side=side, qty="1"), ref="entry")
    await until(lambda: order.cum_qty == 1, "it fills")
    return price(venue, NAMES[0], "sell" if side == "buy" else "buy")


@pytest.mark.parametrize(("side", "what"), [("buy", "long"), ("sell", "short")])
async def test_a_stop_on_the_wrong_side_of_the_market_is_refused_until_it_is_meant(
    side: str, what: str, tmp_path: Path
) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "fills.db", [venue]) as fills:
        near = await held(fills, venue, side)
        wrong = near * 2 if side == "buy" else near / 2
        tick = venue.instruments[NAMES[0]].tick_at(near)
        assert tick is not None
        wrong = wrong // tick * tick
        with pytest.raises(Refused, match=f"of a {what} position is .* the market"):
            await fills.positions.protect(NAMES[0], what, stop=wrong)
        assert fills.engine.desk.protections == {}
        right = (near * Decimal("0.8") if side == "buy" else near * Decimal("1.2")) // tick * tick
        await fills.positions.protect(NAMES[0], what, stop=right)
        # The same again is no question, and neither is a stop that is meant.
        await fills.positions.protect(NAMES[0], what, stop=right)
        await fills.positions.protect(NAMES[0], what, stop=wrong, at_once=True)
        await until(lambda: not fills.positions.of(NAMES[0]).held, "it is closed at once")


async def test_before_there_is_a_position_nothing_is_questioned(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "fills.db", [venue]) as fills:
        tick = venue.instruments[NAMES[0]].tick_at(Decimal(1))
        assert tick is not None
        await fills.positions.protect(NAMES[0], "long", stop=tick * 1_000_000)
        assert len(fills.engine.desk.protections) == 1


@pytest.mark.parametrize("px", ["-5", "0"])
async def test_a_price_that_no_market_reaches_is_refused(px: str, tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "fills.db", [paper()]) as fills:
        with pytest.raises(NotANumber, match="prices of ACME are above zero"):
            await fills.positions.protect(NAMES[0], "long", stop=px)
        assert fills.engine.desk.protections == {}


@pytest.mark.parametrize(("side", "stop"), [("buy", "30"), ("buy", "20"), ("sell", "10"), ("sell", "20")])
async def test_a_bracket_whose_stop_closes_the_entry_at_once_is_refused(side: str, stop: str, tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "fills.db", [paper()]) as fills:
        with pytest.raises(NotANumber, match="the entry's price, 20"):
            await fills.submit(Limit(NAMES[0], side=side, qty="1", price="20"), bracket=Bracket(stop=stop))
        assert fills.engine.desk.parents == {}
