"""What becomes of a remainder on the paper venue, at the exact edges of the rules: how often, how small, and never in cash."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from partfill import FillManager, Limit
from partfill.journal.verify import verify
from partfill.model.commands import Resubmit
from partfill.model.events import Alarm, ResubmitTriggered
from partfill.model.terms import Terms
from partfill.model.words import OrdType, Side, TimeInForce
from partfill.runtime.settings import FillManagement
from partfill.service.truth import differences
from partfill.venues.clock import CLOCK
from partfill.venues.paper.events import Add
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.venue import PaperVenue
from tests.venues.paper.desk import LISTING

WAIT_S = 20
D = Decimal


def offering(qty: str) -> PaperVenue:
    """A venue where exactly `qty` units are offered, at 10, and nothing else ever happens."""
    venue = PaperVenue(Exchange([LISTING]), now=CLOCK)
    venue.exchange.market(Add("ACME", "o1", Side.SELL, D(qty), D(10)), CLOCK())
    return venue


def proven(db: Path, venue: PaperVenue) -> None:
    """The journal is right by itself, and says what the venue says."""
    assert verify(db).problems == []
    truth = [order.picture(1) for of in venue.exchange.accounts.values() for order in of.orders.values()]
    assert differences(db, truth, "paper") == []


@pytest.mark.parametrize(
    ("least", "most", "tries"),
    [
        ("3", 1, ["10", "3"]),
        ("3", 2, ["10", "3", "3"]),
        ("3", 0, ["10"]),
        ("3.00000001", 2, ["10"]),
        ("0", 3, ["10", "3", "3", "3"]),
    ],
)
async def test_a_remainder_goes_on_within_its_rule_and_not_beyond(
    least: str, most: int, tries: list[str], tmp_path: Path
) -> None:
    venue = offering("7")
    rule = Resubmit(min_resubmit_size=D(least), max_resubmit_attempts=most)
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        order = await fills.submit(Limit("ACME", "buy", qty=10, price=10, tif="ioc"), resubmit=rule)
        assert await order.done(WAIT_S) == "canceled"
        assert [str(child.order_qty) for child in order.parent.children] == tries
        assert (order.cum_qty, order.avg_px, order.parent.exposure) == (7, 10, 7)
    proven(tmp_path / "f.db", venue)


@pytest.mark.parametrize(("offered", "tries"), [("90", ["100", "10"]), ("91", ["100"])])
async def test_the_configured_rule_has_the_same_edges(offered: str, tries: list[str], tmp_path: Path) -> None:
    venue = offering(offered)
    settings = FillManagement(auto_resubmit=True, max_resubmit_attempts=1)
    assert settings.min_resubmit_size == 10
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=settings) as fills:
        told: list[object] = []
        fills.subscribe(lambda each: told.append(each.event))
        order = await fills.submit(Limit("ACME", "buy", qty=100, price=10, tif="ioc"))
        assert await order.done(WAIT_S) == "canceled"
        assert [str(child.order_qty) for child in order.parent.children] == tries
        assert [str(each.qty) for each in told if isinstance(each, ResubmitTriggered)] == tries[1:]
        assert order.cum_qty == D(offered)
    proven(tmp_path / "f.db", venue)


async def test_a_remainder_that_is_offered_in_time_fills_the_order(tmp_path: Path) -> None:
    venue = offering("7")
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:

        def refill(each: object) -> None:
            if isinstance(each, ResubmitTriggered):
                # Before the successor can arrive: its place follows this event.
                venue.exchange.market(Add("ACME", "o2", Side.SELL, D(50), D("9.99")), CLOCK())

        fills.subscribe(lambda told: refill(told.event))
        order = await fills.submit(
            Limit("ACME", "buy", qty=10, price=10, tif="ioc"),
            resubmit=Resubmit(min_resubmit_size=D(3), max_resubmit_attempts=1),
        )
        assert await order.done(WAIT_S) == "filled"
        assert [str(child.cum) for child in order.parent.children] == ["7", "3"]
        assert order.avg_px == D("9.997")
    proven(tmp_path / "f.db", venue)


async def test_where_a_venue_takes_no_cash_the_order_is_rejected_and_has_no_successor(tmp_path: Path) -> None:
    venue = offering("7")
    settings = FillManagement(auto_resubmit=True, min_resubmit_size=D(0))
    async with FillManager.open(tmp_path / "f.db", venues=[venue], settings=settings) as fills:
        told: list[object] = []
        fills.subscribe(lambda each: told.append(each.event))
        terms = Terms(instrument="ACME", side=Side.BUY, cash_order_qty=D(100), ord_type=OrdType.MARKET,
                      time_in_force=TimeInForce.IOC)  # fmt: skip
        order = await fills.submit(terms, ref="cash")
        assert await order.done(WAIT_S) == "rejected"
        assert (order.order_qty, order.cum_qty, order.leaves_qty, order.avg_px) == (0, 0, 0, None)
        assert len(order.parent.children) == 1
        assert not [each for each in told if isinstance(each, Alarm)]
    proven(tmp_path / "f.db", venue)
