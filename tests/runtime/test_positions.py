"""Positions and their protection on the paper venue over its socket: stops and targets that are real orders there."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from partfill import FillManager, Limit
from partfill.journal.verify import verify
from partfill.model.capabilities import Capabilities
from partfill.model.events import PositionChanged
from partfill.model.instrument import Instrument
from partfill.model.numbers import NotANumber
from partfill.runtime.comparing import Comparing
from partfill.runtime.manager import Refused
from partfill.venues.paper.client import PaperClient
from partfill.venues.paper.exchange import PAPER
from partfill.venues.paper.faults import Faults
from tests.runtime.test_manager import until
from tests.runtime.test_partial_fill_handler import Street, manager, street

D = Decimal
__all__ = ["street"]


class Plain(PaperClient):
    """A venue that replaces nothing and knows no reduce-only orders."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(PAPER, can_replace=False, reduce_only=False)


KINDS = pytest.mark.parametrize("kind", [PaperClient, Plain])


def legs(street: Street) -> tuple[Decimal, Decimal]:
    """(stop, target) that work at the venue to sell what is held."""
    sells = [order for order in street.ours if order.side == "sell"]
    stops = sum((order.leaves_qty for order in sells if order.terms.stop_px is not None), D(0))
    return stops, sum((order.leaves_qty for order in sells if order.terms.stop_px is None), D(0))


async def entered(fills: FillManager, street: Street, qty: int, *parts: int, ref: str = "entry") -> None:
    """An entry at 0.62 that the street fills in parts."""
    order = fills.order(ref) or await fills.submit(Limit("TOKEN", "buy", qty=qty, price="0.62"), ref=ref)
    for part in parts:
        before = order.cum_qty
        await until(lambda: any(each.side == "buy" for each in street.ours), "it rests")
        street.puts("sell", part, "0.62")
        await until(lambda before=before, part=part: order.cum_qty == before + part, "it fills")  # type: ignore[misc]


@pytest.fixture
async def quiet(street: Street) -> AsyncIterator[Street]:
    """A street with bids far below, so that nothing trades by itself."""
    street.puts("buy", 100_000, "0.10")
    return street


@KINDS
async def test_from_entry_to_exit_the_legs_are_the_position(quiet: Street, tmp_path: Path, kind: type[PaperClient]) -> None:
    async with await manager(quiet, tmp_path / "f.db", kind) as fills:
        told: list[Any] = []
        fills.subscribe(lambda each: told.append(each.event))
        await fills.positions.protect("TOKEN", "long", stop="0.55", stop_limit="0.50", targets=["0.70"], budget="each")
        await entered(fills, quiet, 300, 40, 60)
        await until(lambda: legs(quiet) == (100, 100), "both legs are the position")
        await entered(fills, quiet, 300, 200)
        await until(lambda: legs(quiet) == (300, 300), "they grow")
        # Somebody takes a part of the target.
        quiet.puts("buy", 120, "0.70")
        await until(lambda: legs(quiet) == (180, 180), "the stop shrinks")
        await until(lambda: fills.positions.of("TOKEN").qty == 180 and fills.positions.of("TOKEN").covered, "and that is known")
        held = fills.positions.of("TOKEN")
        assert (held.qty, held.avg_px, held.realised, held.covered) == (180, D("0.62"), D("9.60"), True)
        # The market falls through the stop.
        quiet.puts("buy", 500, "0.54")
        quiet.puts("buy", 1, "0.55")
        quiet.puts("sell", 1, "0.55")
        await until(lambda: fills.positions.of("TOKEN").qty == 0, "it is stopped out")
        await until(lambda: not [order for order in quiet.ours if order.side == "sell"], "the target is taken off")
        assert quiet.exchange.positions["", "TOKEN"] == 0
        await until(lambda: [each.qty for each in told if type(each) is PositionChanged][-1] == 0, "and that is told")
        assert fills.positions.all()[0].legs[0].wanted == 0
    assert verify(tmp_path / "f.db").problems == []


@KINDS
async def test_protection_goes_on_after_a_restart(quiet: Street, tmp_path: Path, kind: type[PaperClient]) -> None:
    async with await manager(quiet, tmp_path / "f.db", kind) as fills:
        await fills.positions.protect(
            "TOKEN", "long", stop="0.55", stop_limit="0.50", targets=[("0.70", "0.5"), ("0.80", "0.5")], budget="each"
        )
        await entered(fills, quiet, 100, 30)
        await until(lambda: legs(quiet) == (30, 30), "it is protected")
    # While nobody looks, the entry fills on.
    quiet.puts("sell", 41, "0.62")
    async with await manager(quiet, tmp_path / "f.db", kind) as fills:
        await until(lambda: legs(quiet) == (71, 71), "what filled meanwhile is protected")
        await until(lambda: fills.positions.of("TOKEN").covered, "and known to be")
        shares = sorted(order.leaves_qty for order in quiet.ours if order.side == "sell" and order.terms.stop_px is None)
        assert sum(shares) == 71
        await fills.positions.unprotect("TOKEN", "long")
        await until(lambda: legs(quiet) == (0, 0), "it is taken off")
        with pytest.raises(Refused, match="no protection of buy TOKEN at paper"):
            await fills.positions.unprotect("TOKEN", "long")
    assert verify(tmp_path / "f.db").problems == []


async def test_a_burst_of_forty_fills_takes_far_fewer_resizes(quiet: Street, tmp_path: Path) -> None:
    # A venue as far away as venues are.
    quiet.venue._luck.faults = Faults(latency_min_ns=30_000_000, latency_max_ns=40_000_000)
    async with await manager(quiet, tmp_path / "f.db") as fills:
        await fills.positions.protect("TOKEN", "long", stop="0.55", stop_limit="0.50")
        order = await fills.submit(Limit("TOKEN", "buy", qty=1000, price="0.62"))
        await until(lambda: quiet.ours, "it rests")
        for _ in range(40):
            quiet.puts("sell", 5, "0.62")
        await until(lambda: order.cum_qty == 200, "all of them fill")
        await until(lambda: legs(quiet) == (200, 0), "the stop is the position")
        (stop,) = [each for each in quiet.every if each.terms.stop_px is not None]
        assert len(stop.client_ids) < 20
        assert len(quiet.every) == 2


async def test_what_cannot_be_is_refused_by_name(quiet: Street, tmp_path: Path) -> None:
    async with await manager(quiet, tmp_path / "f.db") as fills:
        with pytest.raises(NotANumber, match="side is 'buy'; it is long or short"):
            await fills.positions.protect("TOKEN", "buy", stop="1")
        with pytest.raises(NotANumber, match="0 legs"):
            await fills.positions.protect("TOKEN", "long")
        with pytest.raises(NotANumber, match="over_close is 'no'; it is alarm or flatten"):
            await fills.positions.protect("TOKEN", "long", stop="1", over_close="no")
        with pytest.raises(Refused, match="venue 'moon' is not connected"):
            fills.positions.of("TOKEN", venue="moon")
        # Nothing would be protected, and nobody would notice.
        with pytest.raises(Refused, match="paper does not list 'TOKN'; it lists TOKEN"):
            await fills.positions.protect("TOKN", "long", stop="0.50")
        with pytest.raises(Refused, match="no account 'mian'; it has ''"):
            await fills.positions.protect("TOKEN", "long", stop="0.50", account="mian")
        # Long was said and short was meant.
        with pytest.raises(NotANumber, match=r"stop 0\.70 is not below target 0\.50; the stop of a long position is below its"):
            await fills.positions.protect("TOKEN", "long", stop="0.70", targets=["0.50"])
        with pytest.raises(NotANumber, match=r"stop 0\.50 is not above target 0\.50; the stop of a short position is above"):
            await fills.positions.protect("TOKEN", "short", stop="0.50", targets=[("0.40", "0.5"), ("0.50", "0.5")])
        assert fills.engine.desk.protections == {}
        assert fills.positions.of("TOKEN").qty == 0


class Contracts(PaperClient):
    """A venue that says what a price point of a token is worth."""

    worth = D(1)

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return {name: msgspec.structs.replace(each, multiplier=self.worth) for name, each in super().instruments.items()}


def listed(db: Path) -> list[str]:
    """Every input that said something of an instrument."""
    with closing(sqlite3.connect(db)) as opened:
        return [body for (body,) in opened.execute("SELECT body FROM journal WHERE body LIKE '%instrument_listed%'")]


async def test_results_are_net_of_fees_and_have_the_multiplier_that_the_venue_lists(quiet: Street, tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    market = quiet.exchange.markets["TOKEN"]
    market.listing = msgspec.structs.replace(market.listing, maker_fee=D("0.001"), taker_fee=D("0.002"))
    async with await manager(quiet, db, Contracts) as fills:
        await entered(fills, quiet, 100, 60, 40)
        await fills.submit(Limit("TOKEN", "sell", qty=50, price="0.60"), ref="exit")
        await until(lambda: legs(quiet) == (0, 50), "it rests")
        quiet.puts("buy", 50, "0.70")
        await until(lambda: fills.positions.of("TOKEN").qty == 50, "half of it is sold")
        held = fills.positions.of("TOKEN")
        # The exit rested at 0.60.
        assert (held.held, held.avg_px, held.realised, held.fees) == (50, D("0.62"), D("-1"), {"pUSD": D("0.092")})
        assert held.net == D("-1.092")
        assert fills.positions.of("NONE").net == 0
    assert listed(db) == [
        '{"type":"instrument_listed","instrument":"TOKEN","quote":"pUSD","multiplier":"1","venue":"paper"}'
    ]  # fmt: skip
    # The same again writes nothing, and what is new holds from then on.
    async with await manager(quiet, db, Contracts) as fills:
        assert fills.positions.of("TOKEN") == held
    assert len(listed(db)) == 1
    Contracts.worth = D(100)
    try:
        async with await manager(quiet, db, Contracts) as fills:
            held = fills.positions.of("TOKEN")
            assert (held.realised, held.net, held.avg_px) == (-100, D("-100.092"), D("0.62"))
        Contracts.worth = D(0)
        with pytest.raises(NotANumber, match="multiplier of TOKEN is 0; it must be above zero"):
            async with await manager(quiet, db, Contracts):
                pass
    finally:
        Contracts.worth = D(1)
    assert len(listed(db)) == 2
    assert verify(db).problems == []


async def test_what_the_venue_says_is_held_is_compared_and_not_taken(quiet: Street, tmp_path: Path) -> None:
    async with await manager(quiet, tmp_path / "f.db") as fills:
        await entered(fills, quiet, 300, 40)
        comparing = Comparing(fills, fills.venues["paper"], "")
        assert await fills.venues["paper"].positions("") == {"TOKEN": 40}
        await until(lambda: fills.positions.of("TOKEN").qty == 40, "the fill is known")
        assert not await comparing.look()
        before = fills.journal.durable_seq
        # Somebody moved tokens by hand, where no order shows it.
        quiet.exchange.positions["", "TOKEN"] = D(55)
        assert await comparing.look()
        assert fills.positions.of("TOKEN").qty == 40
        quiet.exchange.positions["", "TOKEN"] = D(40)
        assert not await comparing.look()
        assert fills.positions.of("TOKEN").qty == 40
        assert fills.journal.durable_seq >= before + 2
        assert comparing.looks == 3
    assert verify(tmp_path / "f.db").problems == []


async def test_results_at_a_price_are_exact_and_the_price_is_the_one_at_which_it_could_be_closed(
    quiet: Street, tmp_path: Path
) -> None:
    async with await manager(quiet, tmp_path / "f.db") as fills:
        assert await fills.positions.closing_px("TOKEN") is None
        await entered(fills, quiet, 40, 40)
        quiet.puts("buy", 5, "0.57")
        px = await fills.positions.closing_px("TOKEN")
        held = fills.positions.of("TOKEN")
        assert px == D("0.57")
        assert held.cost == D("24.80")
        assert held.net is not None
        assert (held.unrealised(px), held.total(px)) == (D("-2.00"), held.net - D("2.00"))
