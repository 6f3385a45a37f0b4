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

from partfill.core.position import Position
from partfill.core.protection import Protection, shares, works
from partfill.model.commands import Protect, Unprotect
from partfill.model.instrument import Instrument
from partfill.model.numbers import ZERO, NotANumber, dec
from partfill.model.orders import Number
from partfill.model.protection import Leg, OverClose
from partfill.model.words import Side

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager

SIDES = {"long": Side.BUY, "short": Side.SELL}


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a protection: what should work for it now, and what does (units)."""

    name: str
    stops: bool
    wanted: Decimal
    works: Decimal


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
    legs: tuple[Covered, ...] = ()
    """Of its protection; empty where nobody asked for one."""

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
        engine = self._manager.engine
        found = {} if engine.holdings is None else {key: one for key, one in engine.holdings.positions.items() if one.held}
        keys = {*found, *(protection.place[:3] for protection in engine.desk.protections.values())}
        return [self._held(key, found.get(key)) for key in sorted(keys)]

    def of(self, instrument: str, *, venue: str | None = None, account: str = "") -> Held:
        """The position in one instrument; zero where there is none. Raises `Refused` for a venue that is not connected."""
        key = (self._manager.where(venue), account, instrument)
        holdings = self._manager.engine.holdings
        return self._held(key, None if holdings is None else holdings.positions.get(key))

    async def protect(self, instrument: str, side: str, *, stop: Number | None = None, stop_limit: Number | None = None,
                      targets: Iterable[Number | tuple[Number, Number]] = (), over_close: str = "alarm",
                      venue: str | None = None, account: str = "") -> None:  # fmt: skip
        """Keep the `side` ("long" or "short") of a position protected; returns once that is durable.

        `stop` triggers a market order, or a limit order at `stop_limit`. A target is a price, or a price and the share of the
        position that it covers. `over_close`: "alarm", or "flatten" to trade back what protective orders closed too much.
        Raises `NotANumber`, `Refused`.
        """
        where = self._manager.where(venue)
        legs = []
        if stop is not None:
            limit = None if stop_limit is None else dec(stop_limit, "stop_limit")
            legs.append(Leg(name="stop", stop_px=dec(stop, "stop"), price=limit))
        given = [each if isinstance(each, tuple) else (each, 1) for each in targets]
        for number, (price, share) in enumerate(given, 1):
            name = "target" if len(given) == 1 else f"target{number}"
            legs.append(Leg(name=name, price=dec(price, name), share=dec(share, f"share of {name}")))
        listed = self._manager.venues[where].instruments.get(instrument)
        await self._manager.take(
            Protect(
                venue=where, account=account, instrument=instrument, side=_side(side), legs=tuple(legs),
                over_close=_over_close(over_close), **_least(listed),
            )
        )  # fmt: skip

    async def unprotect(self, instrument: str, side: str, *, venue: str | None = None, account: str = "") -> None:
        """Protect that side no more; its orders are taken off. Raises `Refused` where there is no protection."""
        where = self._manager.where(venue)
        effects = await self._manager.take(Unprotect(venue=where, account=account, instrument=instrument, side=_side(side)))
        self._manager.refuse(where, account, effects)

    def _held(self, key: tuple[str, str, str], position: Position | None) -> Held:
        venue, account, instrument = key
        legs: list[Covered] = []
        for side in Side:
            protection = self._manager.engine.desk.protections.get((*key, side))
            if protection is not None and (protection.wanted or not legs):
                legs = covered(protection)
        if position is None:
            return Held(venue=venue, account=account, instrument=instrument, legs=tuple(legs))
        return Held(
            venue=venue, account=account, instrument=instrument, qty=position.qty, held=position.held,
            avg_px=position.avg_px, realised=position.gross, net=position.net, fees=dict(position.fees), legs=tuple(legs),
        )  # fmt: skip


def covered(protection: Protection) -> list[Covered]:
    """What of each leg should work, and what does at the venue as far as it has said."""
    found = []
    for guard, wanted in zip(protection.guards, shares(protection, protection.wanted), strict=True):
        found.append(Covered(name=guard.leg.name, stops=guard.leg.stops, wanted=wanted, works=works(guard)))
    return found


def _least(listed: Instrument | None) -> dict[str, Any]:
    """What the venue says of quantities."""
    if listed is None:
        return {}
    return {"lot": listed.lot, "min_qty": listed.min_qty, "min_notional": listed.min_notional}


def _side(said: str) -> Side:
    if said not in SIDES:
        raise NotANumber(f"side is {said!r}; it is long or short")
    return SIDES[said]


def _over_close(said: str) -> OverClose:
    try:
        return OverClose(said)
    except ValueError:
        raise NotANumber(f"over_close is {said!r}; it is {', '.join(each.value for each in OverClose)}") from None
