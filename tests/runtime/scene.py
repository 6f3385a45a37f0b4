"""A position, its protection and the street around it on the paper venue, with a desk that stops and comes back.

Everything is said of a long position. A scene of a short one is the same in a mirror: buys are sells, and 0.70 is 0.54.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec
import pytest

from partfill import FillManager, Limit
from partfill.journal.store import accept_cut
from partfill.journal.verify import verify
from partfill.model.capabilities import Capabilities
from partfill.model.observations import ExecutionVoided, OrderSnapshot
from partfill.model.operations import Place
from partfill.model.words import ExecType, OrdStatus
from partfill.runtime.order import Order
from partfill.venues.clock import CLOCK
from partfill.venues.paper.client import PaperClient
from partfill.venues.paper.exchange import PAPER
from partfill.venues.paper.faults import Faults
from partfill.venues.paper.listing import Listing
from partfill.venues.paper.orders import PaperOrder
from tests.runtime.test_manager import until
from tests.runtime.test_partial_fill_handler import NoReplace, Street, manager

D = Decimal
HERE = ("", "TOKEN")
FEE = D("0.001")
FAR = Faults(latency_min_ns=10_000_000, latency_max_ns=15_000_000)
"""Each way to the venue takes its time."""
MIRROR = D("1.24")


class Plain(PaperClient):
    """A venue that replaces nothing and holds no order to the position."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(PAPER, can_replace=False, reduce_only=False)


class Case(NamedTuple):
    """At which kind of venue, which side, and whether the desk is killed or closed."""

    kind: type[PaperClient]
    side: str
    how: str


def cases(*kinds: type[PaperClient]) -> Any:
    """Both sides at each of these venues; one of the two desks is killed and the other is closed."""
    found = [
        Case(kind, side, "killed" if (number + (side == "short")) % 2 else "closed")
        for number, kind in enumerate(kinds)
        for side in ("long", "short")
    ]
    return pytest.mark.parametrize(
        "scene", found, indirect=True, ids=[f"{each[0].__name__}-{each[1]}-{each[2]}" for each in found]
    )


EVERYWHERE = cases(PaperClient, NoReplace, Plain)
HELD_TO_IT = cases(PaperClient, NoReplace)
"""Venues that hold every order to the position."""
NOT_HELD_TO_IT = cases(Plain)


class Halted(Listing, frozen=True, kw_only=True):
    """An instrument of which orders are taken at one price only."""

    only: Decimal

    def refused_qty(self, qty: Decimal, price: Decimal | None) -> str | None:
        """Everything else is refused."""
        return None if price == self.only else f"halted: orders are taken at {self.only} only"


class Scene:
    """One account, and everybody it trades with."""

    def __init__(self, street: Street, db: Path, case: Case) -> None:
        self.street, self.db, self.case = street, db, case
        self.exchange = street.exchange
        self.fills: FillManager = None  # type: ignore[assignment]
        self.over_closed = False
        """Whether the account was ever on the other side of its position."""
        self.bare = False
        """Whether the stop ever was less than `floor`."""
        self.floor = D(0)
        self.requests = 0
        self.exchange.listeners.append(self._heard)
        market = self.exchange.markets["TOKEN"]
        market.listing = msgspec.structs.replace(market.listing, maker_fee=FEE, taker_fee=FEE)
        self._counted()

    # ------------------------------------------------------------------ the mirror

    def px(self, price: str) -> str:
        """A price, as the side of this scene has it."""
        return price if self.case.side == "long" else str(MIRROR - D(price))

    def word(self, side: str) -> str:
        """A side, as the side of this scene has it."""
        return side if self.case.side == "long" else {"buy": "sell", "sell": "buy"}[side]

    # ------------------------------------------------------------------ the desk

    async def up(self) -> None:
        """The desk comes up, on what its journal has."""
        self.fills = await manager(self.street, self.db, self.case.kind, remainders=None, per_second=10_000)
        await self.fills.__aenter__()

    async def down(self) -> None:
        """The desk goes: closed, or killed at this very moment, with nothing but what is on disk, and what has left."""
        client = self.fills.venues["paper"]
        assert isinstance(client, PaperClient)
        if self.case.how == "killed":
            left = self.db.with_suffix(".killed")
            with closing(apsw.Connection(str(self.db))) as source, closing(apsw.Connection(str(left))) as copy:
                backup = copy.backup("main", source, "main")
                backup.step()
                backup.finish()
            client.cut()
            await client.close()
            await self.fills.close(drain=False)
            # What it did after that moment has never been.
            os.replace(left, self.db)
            # A copy of a file that is open says that it was not closed, and its log stayed where it was.
            accept_cut(self.db)
        else:
            await self.fills.close()
            await client.close()

    @asynccontextmanager
    async def gone(self) -> AsyncIterator[None]:
        """While the desk is down."""
        await self.down()
        yield
        await self.up()

    async def protects(self, **also: Any) -> None:
        """The user wants a stop and a target."""
        said: dict[str, Any] = {"stop": self.px("0.55"), "stop_limit": self.px("0.50"), "targets": [self.px("0.70")]}
        await self.fills.positions.protect("TOKEN", self.case.side, **(said | {"budget": "each"} | also))

    async def enters(self, qty: int, *parts: int, ref: str = "entry", price: str = "0.62") -> Order:
        """An order of the user that fills in these parts, each known before the next."""
        order = self.fills.order(ref)
        if order is None:
            order = await self.fills.submit(Limit("TOKEN", self.word("buy"), qty=qty, price=self.px(price)), ref=ref)
            await self.waits(lambda: any(each.cl_ord_id == order.parent.children[0].cl_ord_id for each in self.street.ours))
        for part in parts:
            self.sells_to_it(part, price)
            await self.knows()
        return order

    # ------------------------------------------------------------------ the street

    def sells_to_it(self, qty: int, price: str = "0.62") -> None:
        """Somebody takes a part of the entry."""
        before = self.held
        self.street.puts(self.word("sell"), qty, self.px(price))
        assert self.held == before + qty

    def takes_target(self, qty: int) -> None:
        """Somebody takes a part of the target."""
        before = self.held
        self.street.puts(self.word("buy"), qty, self.px("0.70"))
        assert self.held == before - qty

    def falls(self, *parts: int) -> None:
        """The market falls through the stop, and has bids of these sizes."""
        before = self.held
        for number, part in enumerate(parts):
            self.street.puts(self.word("buy"), part + (number == 0), self.px("0.55"))
        self.street.puts(self.word("sell"), 1, self.px("0.55"))
        assert self.held == before - sum(parts)

    def takes_stop(self, qty: int) -> None:
        """Somebody takes a part of the stop, which rests at its limit by now."""
        before = self.held
        self.street.puts(self.word("buy"), qty, self.px("0.50"))
        assert self.held == before - qty

    def by_hand(self, qty: int, name: str) -> None:
        """The user sells a part at the venue itself, past the desk."""
        terms = Limit("TOKEN", self.word("sell"), qty=qty, price=self.px("0.60"), tif="ioc")
        before = self.held
        self.street.puts(self.word("buy"), qty, self.px("0.60"))
        place = Place(venue="paper", account="", instrument="TOKEN", order=0, cl_ord_id=name, terms=terms)
        self.exchange.apply(place, CLOCK())
        assert self.held == before - qty

    # ------------------------------------------------------------------ the venue

    def far(self) -> None:
        """Requests take their time from now on."""
        self.street.venue._luck.faults = FAR

    def cancels(self, order: PaperOrder) -> None:
        """The venue takes an order off by itself."""
        self.exchange._end(order, OrdStatus.CANCELED, ExecType.CANCELED, "house rules")

    @contextmanager
    def halted(self) -> Iterator[None]:
        """While the venue takes no stops and targets, and no new quantities of them."""
        market = self.exchange.markets["TOKEN"]
        before = market.listing
        market.listing = Halted(instrument=before.instrument, maker_fee=FEE, taker_fee=FEE, only=D(self.px("0.62")))
        yield
        market.listing = before

    def voids(self, order: PaperOrder) -> None:
        """The venue takes the last execution of an order back; what that was of the order does not work again."""
        execution = order.executions.pop()
        qty, px = execution.qty, execution.px
        assert px is not None
        assert execution.fee is not None
        self.exchange.accounts[""].executions.remove(execution)
        order.notional, order.fees = order.notional - qty * px, order.fees - execution.fee
        order.book.filled -= qty
        if order.book.open:
            order.book.total -= qty
        else:
            order.ended, order.reason = OrdStatus.CANCELED, "void"
        self.exchange.positions[HERE] += -qty if order.side == "buy" else qty
        said = ExecutionVoided(venue="paper", order_id=order.order_id, key=execution.key, leaves_qty=order.leaves_qty,
                               as_of=CLOCK())  # fmt: skip
        for listener in self.exchange.listeners:
            listener(said)  # type: ignore[arg-type]

    # ------------------------------------------------------------------ the truth

    @property
    def held(self) -> Decimal:
        """What the exchange holds for the account; above zero is the side that is protected."""
        qty = self.exchange.positions.get(HERE, D(0))
        return qty if self.case.side == "long" else -qty

    def exits(self, *, stops: bool) -> list[PaperOrder]:
        """The stops, or the targets, that work."""
        side = self.word("sell")
        return [order for order in self.street.ours if order.side == side and (order.terms.stop_px is not None) is stops]

    @property
    def legs(self) -> tuple[Decimal, Decimal]:
        """(stop, target) that work at the exchange."""
        stop, target = (sum((order.leaves_qty for order in self.exits(stops=stops)), D(0)) for stops in (True, False))
        return stop, target

    def made(self) -> tuple[Decimal, Decimal]:
        """(realised, net) of the account while it holds nothing, from the executions of the exchange itself."""
        gross = fees = D(0)
        for each in self.exchange.accounts[""].executions:
            assert each.px is not None
            assert each.fee is not None
            gross += each.qty * each.px * (1 if each.side == "sell" else -1)
            fees += each.fee
        return gross, gross - fees

    def alarms(self) -> list[tuple[str, str]]:
        """(kind, text) of all that a person should look at."""
        with closing(apsw.Connection(str(self.db))) as opened:
            return list(opened.execute("SELECT kind, text FROM alarms ORDER BY rowid"))

    # ------------------------------------------------------------------ waiting

    async def waits(self, true: Any) -> None:
        """Until something is so. Who waits in vain is told how it stands."""
        try:
            await until(true, "")
        except TimeoutError:
            raise AssertionError(self.story()) from None

    async def knows(self) -> None:
        """Until the desk knows what is held."""
        await self.waits(lambda: self.fills.positions.of("TOKEN").qty == self.exchange.positions.get(HERE, D(0)))

    async def settles(self, held: int) -> None:
        """Until the exchange holds so much, both legs are that there, and the desk knows it and has no more to ask for."""

        def settled() -> bool:
            of = self.fills.positions.of("TOKEN")
            same = of.qty == of.held == self.exchange.positions.get(HERE, D(0))
            wanted = [leg.wanted for leg in of.legs]
            return same and of.covered and wanted == [held, held] and self.legs == (held, held) and not self.fills.lanes.busy

        assert self.held == held
        await self.waits(settled)

    async def is_over(self, *kinds: str, perhaps: tuple[str, ...] = ()) -> None:
        """What is held is sold at the target: then nothing works and the result is exact. Alarms were of these kinds only."""
        await self.settles(int(self.held))
        if self.held:
            self.takes_target(int(self.held))
        await self.ended(*kinds, perhaps=perhaps)
        assert not self.over_closed

    async def ended(self, *kinds: str, perhaps: tuple[str, ...] = ()) -> None:
        """Nothing is held and nothing works, also after one more start; the journal is proven."""
        await self.settles(0)
        for order in self.fills.orders():
            if not order.ended and order.parent.guards is None:
                await order.cancel()
        await self.waits(lambda: not self.street.ours)
        await self.settles(0)
        assert self.told() == self.made()
        async with self.gone():
            pass
        await self.settles(0)
        assert self.told() == self.made()
        assert self.street.ours == []
        await self.stops()
        assert set(kinds) <= {kind for kind, _ in self.alarms()} <= {*kinds, *perhaps}, self.alarms()

    async def stops(self) -> None:
        """The desk is closed, and its journal proven."""
        client = self.fills.venues["paper"]
        await self.fills.close()
        await client.close()  # type: ignore[attr-defined]
        assert verify(self.db).problems == []

    def told(self) -> tuple[Decimal, Decimal | None]:
        """(realised, net) as the desk tells it."""
        of = self.fills.positions.of("TOKEN")
        return of.realised, of.net

    def story(self) -> str:
        """How it stands."""
        of = self.fills.positions.of("TOKEN")
        works = [(each.order_id, each.side.value, each.leaves_qty, each.terms.stop_px, each.price) for each in self.street.ours]
        return f"the exchange holds {self.held}, legs are {self.legs}; works: {works}; the desk says {of}; {self.alarms()}"

    # ------------------------------------------------------------------ inside

    def _heard(self, report: OrderSnapshot) -> None:
        self.over_closed = self.over_closed or self.held < 0
        self.bare = self.bare or self.legs[0] < self.floor

    def _counted(self) -> None:
        """Count what the desk asks of the venue."""
        asks = self.street.venue._request

        async def counted(op: Any) -> Any:
            self.requests += 1
            return await asks(op)

        self.street.venue._request = counted  # type: ignore[method-assign]


@pytest.fixture
async def scene(street: Street, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """A desk that is up, before anything was asked."""
    one = Scene(street, tmp_path / "f.db", request.param)
    street.puts(one.word("buy"), 100_000, one.px("0.10"))
    await one.up()
    yield one
    if one.fills.running:
        await one.fills.close(drain=False)
