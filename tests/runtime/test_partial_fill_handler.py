"""What the remainder document asks for, case by case, on the paper venue over its socket: a street that is made to order.

The order of its examples: a buy at 0.62 for 450 pUSD, of which 200 fill.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from partfill import CancelRest, Chase, FillManager, Hold, Limit
from partfill.journal.verify import verify
from partfill.model.book import Book, Level
from partfill.model.capabilities import Capabilities
from partfill.model.events import Fill
from partfill.model.instrument import Instrument, TickBand
from partfill.model.observations import OrderSnapshot
from partfill.model.operations import Cancel, Place
from partfill.model.policy import DustUse, Mode, RemainderPolicy
from partfill.model.reasons import Reason
from partfill.model.terms import Terms
from partfill.model.words import Side
from partfill.runtime.bus import Told as Heard
from partfill.runtime.order import Order
from partfill.runtime.outbox import FileSink, Wire
from partfill.runtime.remainders import RemainderSettings
from partfill.venues.clock import CLOCK
from partfill.venues.paper.client import PaperClient
from partfill.venues.paper.exchange import PAPER, Exchange
from partfill.venues.paper.listing import Listing
from partfill.venues.paper.server import PaperServer
from partfill.venues.paper.venue import PaperVenue
from tests.runtime.test_decisions import LIVE, Told
from tests.runtime.test_manager import WAIT_S, until

D = Decimal
TOKEN = Instrument(symbol="TOKEN", ticks=(TickBand(D(0), D("0.01")),), lot=D(1), quote="pUSD")
BUILDER = {"builder_code": "0x7061727466696c6c"}
QTY, FILLED = 726, 323
"""450.12 and 200.26 pUSD at 0.62."""


class Street:
    """Everybody else at the venue, and what the desk's account has working there at any moment."""

    def __init__(self) -> None:
        self.exchange = Exchange([Listing(instrument=TOKEN)])
        self.venue = PaperVenue(self.exchange, now=CLOCK)
        self.count = 0
        self.most = 0
        self.said: list[OrderSnapshot] = []
        self.exchange.listeners.append(self._heard)

    def _heard(self, report: OrderSnapshot) -> None:
        if report.account == "":
            self.said.append(report)
            self.most = max(self.most, len(self.ours))

    @property
    def ours(self) -> list[Any]:
        """The desk's orders that work."""
        account = self.exchange.accounts.get("")
        return list(account.working.values()) if account is not None else []

    @property
    def every(self) -> list[Any]:
        """Every order the desk ever placed."""
        return list(self.exchange.accounts[""].orders.values())

    def puts(self, side: str, qty: int, price: str) -> str:
        """Somebody wants to trade; returns the id of the order."""
        self.count += 1
        name = f"s{self.count}"
        terms = Limit("TOKEN", side, qty=qty, price=price)
        place = Place(venue="paper", account="street", instrument="TOKEN", order=0, cl_ord_id=name, terms=terms)
        self.exchange.apply(place, CLOCK())
        return name

    def leaves(self, name: str) -> None:
        """Somebody goes away."""
        cancel = Cancel(venue="paper", account="street", instrument="TOKEN", order=0, cl_ord_id=f"c-{name}",
                        orig_cl_ord_id=name, order_id=None)  # fmt: skip
        self.exchange.apply(cancel, CLOCK())


class NoReplace(PaperClient):
    """The same venue to a desk that must cancel and place anew."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(PAPER, can_replace=False)


class Poisoned(PaperClient):
    """Somebody stands between us and the market data."""

    async def book(self, instrument: str, side: Side | None = None, order_id: str | None = None) -> Book:
        true = await super().book(instrument, side, order_id)
        # Almost nobody sells, and our own bid is not there.
        return Book(instrument=instrument, bids=(Level(D("0.55"), D(9000)),), asks=(Level(D("0.63"), D(1)),), as_of=true.as_of)


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    one = Street()
    server = PaperServer(one.venue, port=0)
    await server.start()
    one.port = server.port  # type: ignore[attr-defined]
    yield one
    await server.close()


async def manager(street: Street, db: Path, kind: type[PaperClient] = PaperClient, **also: Any) -> FillManager:
    client = await kind.connect("127.0.0.1", street.port, now=CLOCK)  # type: ignore[attr-defined]
    return FillManager.open(db, venues=[client], **({"remainders": LIVE} | also))


async def partly(fills: FillManager, street: Street, policy: RemainderPolicy, *, qty: int = QTY, filled: int = FILLED,
                 **also: Any) -> Order:  # fmt: skip
    """A buy at 0.62 that rests, and of which the street fills a part."""
    terms: Terms = Limit("TOKEN", "buy", qty=qty, price="0.62", tags=BUILDER)
    order = await fills.submit(terms, remainder=policy, **also)
    await until(
        lambda: any(each.cl_ord_id.startswith(order.parent.children[0].cl_ord_id or "?") for each in street.ours), "rests"
    )
    street.puts("sell", filled, "0.62")
    await until(lambda: order.cum_qty >= filled, "some of it fills")
    return order


# ---------------------------------------------------------------------- unit tests of the document


async def test_hold_policy_leaves_the_remainder_resting_when_the_book_is_deep(street: Street, tmp_path: Path) -> None:
    street.puts("sell", 1270, "0.63")
    async with await manager(street, tmp_path / "f.db") as fills:
        told = Told(fills)
        order = await partly(fills, street, Hold())
        await until(lambda: told, "it is decided")
        (report,) = told
        assert (report.verdict, report.carried_out) == (Reason.HOLD_REMAINDER, False)
        assert (report.seen.remaining_usd, report.seen.book_depth_usd, report.seen.ticks_to_fill) == (
            D("249.86"),
            D("800.10"),
            1,
        )
        assert (report.filled_usd, report.remaining_qty) == (D("200.26"), 403)
        # No cancel is issued: the order stands as it stood.
        (works,) = street.ours
        assert (works.leaves_qty, works.price, order.status) == (403, D("0.62"), "working")
        assert len(street.every) == 1


async def test_a_remainder_below_the_minimum_is_cancelled_and_goes_to_the_dust_sweeper(street: Street, tmp_path: Path) -> None:
    street.puts("sell", 1270, "0.63")
    async with await manager(street, tmp_path / "f.db") as fills:
        told = Told(fills)
        # Five are left: 3.10 pUSD.
        order = await partly(fills, street, Hold(min_remainder_size=D(5), dust=DustUse.NEXT_ORDER), qty=328)
        assert await order.done(WAIT_S) == "canceled"
        assert [report.reasons for report in told] == [(Reason.DUST_AUTO_CANCEL, Reason.DUST_REMAINDER)]
        assert street.ours == []
        (speck,) = fills.engine.desk.dust.of(order.parent).values()
        assert (speck.ref, speck.qty, speck.order_ids) == (order.ref, 5, (street.every[0].order_id,))
        # The next order of the side asks for it too.
        taker = await fills.submit(Limit("TOKEN", "buy", qty=100, price="0.60"), remainder=Hold(dust=DustUse.NEXT_ORDER))
        await until(lambda: street.ours, "it works")
        assert (street.ours[0].order_qty, taker.order_qty) == (105, 105)
    assert verify(tmp_path / "f.db").problems == []


async def test_a_book_thinner_than_the_remainder_cancels_it(street: Street, tmp_path: Path) -> None:
    # 99.54 pUSD against 200.26.
    street.puts("sell", 158, "0.63")
    async with await manager(street, tmp_path / "f.db") as fills:
        told = Told(fills)
        order = await partly(fills, street, Hold(), qty=2 * FILLED)
        assert await order.done(WAIT_S) == "canceled"
        assert told.verdicts == [Reason.BOOK_THIN_UNCONFIRMED, Reason.BOOK_THIN_CANCEL]
        assert (told[-1].seen.remaining_usd, told[-1].seen.book_depth_usd) == (D("200.26"), D("99.54"))
        assert told[-1].evaluated_at - told[0].evaluated_at >= 250_000_000
        assert (order.cum_qty, street.ours) == (FILLED, [])


# ---------------------------------------------------------------------- integration tests of the document


@pytest.mark.parametrize("kind", [PaperClient, NoReplace])
async def test_chase_policy_moves_the_remainder_to_the_best_ask_and_never_has_two_orders(
    street: Street, tmp_path: Path, kind: type[PaperClient]
) -> None:
    street.puts("sell", 5000, "0.64")
    async with await manager(street, tmp_path / "f.db", kind) as fills:
        told = Told(fills)
        order = await partly(fills, street, Chase(3))
        assert await order.done(WAIT_S) == "filled"
        chase = next(report for report in told if report.verdict is Reason.CHASE_ORDER_SUBMITTED)
        assert (chase.px, chase.seen.ticks_to_fill, chase.builder_code) == (D("0.64"), 2, BUILDER["builder_code"])
        assert street.most == 1
        assert len(street.every) == (1 if kind is PaperClient else 2)
        # The builder code goes along, and what is bought is what was asked for.
        assert {each.terms.tags for each in street.every} == {tuple(BUILDER.items())}
        assert sum(each.cum_qty for each in street.every) == QTY == order.cum_qty
        assert street.every[-1].executions[-1].px == D("0.64")
    assert verify(tmp_path / "f.db").problems == []


async def test_with_the_kill_switch_on_the_remainder_is_cancelled_at_once(street: Street, tmp_path: Path) -> None:
    street.puts("sell", 1270, "0.63")
    async with await manager(street, tmp_path / "f.db") as fills:
        told = Told(fills)
        order = await partly(fills, street, Hold())
        await until(lambda: told, "it is held")
        await fills.kill(True, by="risk")
        assert await order.done(WAIT_S) == "killed"
        assert told.verdicts == [Reason.HOLD_REMAINDER, Reason.KILL_SWITCH_ACTIVE]
        assert (street.ours, len(street.every)) == ([], 1)


# ---------------------------------------------------------------------- failure injection of the document


async def test_a_book_that_is_drained_cancels_and_recovers_with_the_next_partial_fill(street: Street, tmp_path: Path) -> None:
    deep = street.puts("sell", 1270, "0.63")
    async with await manager(street, tmp_path / "f.db") as fills:
        told = Told(fills)
        street.leaves(deep)
        thin = street.puts("sell", 15, "0.63")
        drained = await partly(fills, street, Hold(), ref="drained")
        assert await drained.done(WAIT_S) == "canceled"
        assert told[-1].verdict is Reason.BOOK_THIN_CANCEL
        depth = told[-1].seen.book_depth_usd
        assert depth is not None
        assert depth < 10
        street.leaves(thin)
        street.puts("sell", 1270, "0.63")
        again = await partly(fills, street, Hold(), ref="again")
        await until(lambda: told[-1].ref == "again", "it is decided")
        assert (told[-1].verdict, again.status) == (Reason.HOLD_REMAINDER, "working")


async def test_a_market_fifteen_ticks_away_aborts_the_chase(street: Street, tmp_path: Path) -> None:
    street.puts("sell", 5000, "0.77")
    async with await manager(street, tmp_path / "f.db") as fills:
        told = Told(fills)
        order = await partly(fills, street, Chase(3))
        assert await order.done(WAIT_S) == "canceled"
        assert told.verdicts == [Reason.CHASE_ABORTED]
        assert (told[0].seen.ticks_to_fill, order.cum_qty, len(street.every)) == (15, FILLED, 1)


@pytest.mark.parametrize("kind", [PaperClient, NoReplace])
async def test_a_kill_switch_in_the_middle_of_a_partial_fill_cancels_and_chases_nothing(
    street: Street, tmp_path: Path, kind: type[PaperClient]
) -> None:
    street.puts("sell", 5000, "0.64")
    async with await manager(street, tmp_path / "f.db", kind) as fills:
        told = Told(fills)
        killing: list[asyncio.Task[None]] = []

        def pulls(told: Heard) -> None:
            # The market for this fill is being looked at.
            if isinstance(told.event, Fill) and not killing:
                killing.append(asyncio.create_task(fills.kill(True, by="risk")))

        fills.subscribe(pulls)
        order = await fills.submit(Limit("TOKEN", "buy", qty=QTY, price="0.62"), remainder=Chase(3))
        await until(lambda: len(street.said) == 1, "it rests")
        street.puts("sell", FILLED, "0.62")
        assert await order.done(WAIT_S) == "killed"
        assert told.verdicts[-1] in (Reason.KILL_SWITCH_ACTIVE, Reason.ORDER_GONE)
        assert Reason.KILL_SWITCH_ACTIVE in told.verdicts
        assert Reason.CHASE_ORDER_SUBMITTED not in told.verdicts
        assert (street.ours, len(street.every), order.cum_qty) == ([], 1, FILLED)


async def test_a_poisoned_book_that_lacks_our_own_order_cancels_nothing(street: Street, tmp_path: Path) -> None:
    street.puts("sell", 1270, "0.63")
    async with await manager(street, tmp_path / "f.db", Poisoned) as fills:
        told = Told(fills)
        order = await partly(fills, street, Hold(max_book_age_ms=100, thin_confirm_ms=50))
        await until(lambda: told, "it is decided")
        # Looked at a few times more: the verdict stays, and is not told again and again.
        await until(lambda: fills.remainders.looks >= 4, "it is looked at again")
        assert told[0].reasons == (Reason.BOOK_UNAVAILABLE, Reason.BOOK_IMPLAUSIBLE)
        assert not any(report.carried_out for report in told)
        assert (order.status, len(street.ours)) == ("working", 1)


# ---------------------------------------------------------------------- the report as it leaves


async def test_the_report_has_every_field_of_the_document_under_its_name(street: Street, tmp_path: Path) -> None:
    street.puts("sell", 1270, "0.63")
    wire = Wire(bot_id="exec.partialfillhandler", topic="polytraders.reports.execution", collateral="pUSD")
    sink = FileSink(tmp_path / "reports.jsonl")
    shadow = RemainderSettings(mode=Mode.SHADOW_ONLY)
    async with await manager(street, tmp_path / "f.db", reports=sink, wire=wire, remainders=shadow) as fills:
        told = Told(fills)
        order = await partly(fills, street, CancelRest())
        await until(lambda: told, "it is decided")
        assert order.status == "working"
    (line,) = (tmp_path / "reports.jsonl").read_text().splitlines()
    said = json.loads(line)
    expected = {
        "bot_id": "exec.partialfillhandler", "order_id": street.every[0].order_id, "market_id": "TOKEN", "filled_usd": "200.26",
        "remaining_usd": "249.86", "policy_applied": "cancel", "verdict": "CANCELLED_REMAINDER", "collateral": "pUSD",
        "builder_code": BUILDER["builder_code"], "topic": "polytraders.reports.execution", "partition_key": told[0].trace_id,
        "retention_class": "7y", "mode": "shadow_only", "carried_out": False,
    }  # fmt: skip
    assert {name: said[name] for name in expected} == expected
    assert said["report_id"].startswith("rep_")
    assert said["trace_id"].startswith("trc_")
    assert abs(said["evaluated_at_ms"] - CLOCK() // 1_000_000) < 60_000
