"""Positions of a running manager, and their protection: what is held, and what works to close it.

    await fills.positions.protect("ACME", "long", stop="95", targets=["110"])
    fills.positions.of("ACME").qty

Rules
- Protection follows the position by itself from then on: partial fills of the entry, further entries, partial exits, voids,
  restarts. It is said once, and the same again changes nothing.
- Numbers are those of the engine, which is ahead of the disk by the commit that is under way.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from partfill.core.guard import Protection
from partfill.core.position import ONE
from partfill.core.triggers import closing_px
from partfill.model.admit import NotAnInput, admitted, flag, text_of
from partfill.model.commands import Protect, Unprotect
from partfill.model.limits import shown
from partfill.model.numbers import ZERO, add, mul, sub
from partfill.model.orders import Number
from partfill.model.protection import Leg, Retry
from partfill.model.terms import Terms
from partfill.model.words import Side
from partfill.runtime import questioned
from partfill.runtime.bracket import Bracket, Targets, side_of
from partfill.runtime.refusals import Refused

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager
    from partfill.runtime.order import Order

Key = tuple[str, str, str]
"""(venue, account, instrument)."""
ENTRY = "entry"
"""The tag that says what an order is to its position."""


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a protection: what should work for it now, and what does (units).

    `watched`: it is no order, its price is watched here; it works while somebody sees the market.
    """

    name: str
    stops: bool
    wanted: Decimal
    works: Decimal
    watched: bool = False


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A position at one moment. `qty` and `held` in units, above zero for long; results in quote currency.

    `qty`: what fills add up to; `held`: the same less the fees that were taken in the base asset: what is there to be sold.
    `avg_px`: average price of entry of what is held. `realised`: what was made of what is closed, before all fees but those in
    the base asset. `net`: that less every fee ever in the quote currency; None while it cannot be told (`core.position`).
    `fees`: all of them by currency; those in a third one are in no result.
    """

    venue: str
    account: str
    instrument: str
    qty: Decimal = ZERO
    held: Decimal = ZERO
    avg_px: Decimal | None = None
    realised: Decimal = ZERO
    net: Decimal | None = ZERO
    fees: dict[str, Decimal] = {}
    cost: Decimal | None = ZERO
    """What is held was entered at, with the multiplier; None while a fill has no price yet."""
    multiplier: Decimal = ONE
    legs: tuple[Covered, ...] = ()
    """Of its protection; empty where nobody asked for one."""

    def unrealised(self, px: Decimal) -> Decimal | None:
        """What the price `px` makes of what is held, quote currency; None while a fill has no price yet."""
        return None if self.cost is None else sub(mul(mul(self.held, px), self.multiplier), self.cost)

    def total(self, px: Decimal) -> Decimal | None:
        """Net of every fee, with what is held at the price `px`; None where one of both cannot be told."""
        unrealised = self.unrealised(px)
        return None if self.net is None or unrealised is None else add(self.net, unrealised)

    @property
    def covered(self) -> bool:
        """Whether everything works that should, and nothing more."""
        return all(leg.wanted == leg.works for leg in self.legs)


class Positions:
    """The door to positions of one manager."""

    def __init__(self, manager: FillManager) -> None:
        self._manager = manager

    def all(self) -> list[Held]:
        """Every position that is open, and every one that is protected, by venue, account and instrument."""
        return [self.at(key) for key in self.places()]

    def places(self) -> list[Key]:
        """Where those of `all` are, in the same order."""
        engine = self._manager.engine
        found = () if engine.holdings is None else (key for key, one in engine.holdings.positions.items() if one.held)
        return sorted({*found, *(protection.place[:3] for protection in engine.desk.protections.values())})

    def of(self, instrument: str, *, venue: str | None = None, account: str = "") -> Held:
        """The position in one instrument; zero where there is none. Raises `Refused` for a venue that is not connected."""
        return self.at((self._manager.where(venue), text_of(account, "account"), text_of(instrument, "instrument")))

    async def closing_px(self, instrument: str, *, venue: str | None = None, account: str = "") -> Decimal | None:
        """What the position could be closed at now, by its venue's book; None where nobody bids or asks, or nothing is held.

        `of(...).unrealised(px)` and `total(px)` are results at that price. Raises `Refused`, `VenueDown`.
        """
        where = self._manager.where(venue)
        held = self.of(instrument, venue=where, account=account).held
        if not held:
            return None
        return closing_px(await self._manager.venues[where].book(instrument), Side.BUY if held > ZERO else Side.SELL)

    async def protect(self, instrument: str, side: str, *, stop: Number | None = None, stop_limit: Number | None = None,
                      targets: Targets = (), legs: Iterable[Leg] = (), over_close: str = "alarm", budget: str = "shared",
                      retry: Retry | None = None, passed: str = "watched", at_once: bool = False, venue: str | None = None,
                      account: str = "") -> None:  # fmt: skip
        """Keep the `side` ("long" or "short") of a position protected, as `bracket.Bracket` says; returns once that is durable.

        Raises `NotANumber`, also for a price that is not on the tick of the instrument, and `Refused`, also for an account
        that the venue was not given and an instrument that it does not list: nothing would be protected. A stop that the market
        has passed already would close what is held at once: it is refused too, unless `at_once` says that this is meant.
        """
        account, instrument = text_of(account, "account"), text_of(instrument, "instrument")
        where = self._manager.where(venue)
        self._manager.check_place(where, account, instrument)
        wish = Bracket(stop, stop_limit, targets, legs, over_close, budget, Retry() if retry is None else retry, passed)
        listed = self._manager.venues[where].instruments
        wanted = wish.protecting(where, account, instrument, side_of(side), listed)
        if not flag(at_once, "at_once"):
            await self._question(wanted)
        await self._manager.take(wanted)

    async def _question(self, wanted: Protect) -> None:
        """Raises `Refused` for a stop that would close what is held at once, and was not wanted before."""
        place = (wanted.venue, wanted.account, wanted.instrument)
        held = self.at(place).held
        before = self._manager.engine.desk.protections.get((*place, wanted.side))
        if not held or (held > ZERO) is not (wanted.side is Side.BUY):
            return
        if before is not None and [guard.leg for guard in before.guards] == list(wanted.legs):
            return
        fault = await questioned.fires_at_once(self._manager.venues[wanted.venue], wanted.instrument, wanted.side, wanted.legs)
        if fault is not None:
            raise Refused(fault)

    async def enter(self, terms: Terms, bracket: Bracket | None = None, *, entry: str = "main", **also: Any) -> Order:
        """Place an order that enters a position, and have that protected from its first fill on, in the same step.

        `entry` goes along as the tag of this name: "main", "double_down", "scale_in", or what you like. Without a `bracket`
        what protects the position already goes on, and grows with it. `also`: what `FillManager.submit` takes; raises what
        that does.
        """
        terms, entry = admitted(terms, Terms, "terms"), text_of(entry, "entry", number=False)
        tagged = msgspec.structs.replace(terms, tags=(*terms.tags, (ENTRY, entry)))
        return await self._manager.submit(tagged, bracket=bracket, **also)

    async def unprotect(self, instrument: str, side: str, *, venue: str | None = None, account: str = "") -> None:
        """Protect that side no more; its orders are taken off. Raises `Refused` where there is no protection."""
        account, instrument = text_of(account, "account"), text_of(instrument, "instrument")
        where = self._manager.where(venue)
        effects = await self._manager.take(Unprotect(venue=where, account=account, instrument=instrument, side=side_of(side)))
        self._manager.refuse(where, account, effects)

    def at(self, place: Key) -> Held:
        """The position of this venue, account and instrument; zero where there is none."""
        if not isinstance(place, tuple) or len(place) != 3:
            raise NotAnInput(f"place is {shown(place)}; give (venue, account, instrument)")
        venue, account, instrument = place = (
            text_of(place[0], "place: venue"), text_of(place[1], "place: account"), text_of(place[2], "place: instrument"),
        )  # fmt: skip
        holdings = self._manager.engine.holdings
        position = None if holdings is None else holdings.positions.get(place)
        legs: list[Covered] = []
        for side in Side:
            protection = self._manager.engine.desk.protections.get((*place, side))
            if protection is not None and (protection.wanted or not legs):
                legs = covered(protection)
        if position is None:
            return Held(venue=venue, account=account, instrument=instrument, legs=tuple(legs))
        return Held(
            venue=venue, account=account, instrument=instrument, qty=position.qty, held=position.held,
            avg_px=position.avg_px, realised=position.gross, net=position.net, fees=dict(position.fees),
            cost=None if position.unpriced else mul(position.cost, position.multiplier), multiplier=position.multiplier,
            legs=tuple(legs),
        )  # fmt: skip


def covered(protection: Protection) -> list[Covered]:
    """What of each leg should work, and what does at the venue as far as it has said."""
    return [
        Covered(
            name=guard.leg.name, stops=guard.leg.stops, wanted=guard.wanted, works=protection.has(guard), watched=guard.waits
        )
        for guard in protection.guards
    ]
