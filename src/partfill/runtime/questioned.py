"""Stops that would close a position the moment they are wanted: they are questioned first.

Rules
- A stop of a long position that is above what it could be closed at now, or of a short one below, would trade at once. Typed by
  mistake, that closes a position nobody wanted to close: it is refused, with the market's price, unless it is said to be meant.
- Only what is held is looked at, and only once; what is not seen within `SECONDS` is not questioned, since protection
  matters more.
- A price of zero or less is refused for an instrument whose prices are above zero: no market reaches it, and it would show as
  covered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from partfill.core.triggers import closing_px, reached
from partfill.model.instrument import Instrument
from partfill.model.numbers import ZERO, text
from partfill.model.protection import Leg
from partfill.model.words import Side
from partfill.venues.protocol import Venue, VenueDown

SECONDS = 2.0
"""How long the market is waited for."""


def no_price(legs: Iterable[Leg], listed: Instrument | None) -> str | None:
    """Why a leg has a price that its instrument cannot have; None where none has."""
    if listed is None or listed.below_zero:
        return None
    for leg in legs:
        for name, px in (("stop", leg.stop_px), ("stop_limit" if leg.stops else "targets", leg.price)):
            if px is not None and px <= ZERO:
                return f"{name} is {text(px)}, for the leg {leg.name}; prices of {listed.symbol} are above zero"
    return None


async def fires_at_once(venue: Venue, instrument: str, side: Side, legs: Iterable[Leg]) -> str | None:
    """Why a stop would trade as soon as it is wanted; None where none would, or nobody sees the market."""
    stops = [leg for leg in legs if leg.stops]
    if not stops:
        return None
    try:
        async with asyncio.timeout(SECONDS):
            book = await venue.book(instrument)
    except (VenueDown, TimeoutError):
        return None
    for leg in stops:
        if reached(leg, side, book) is not None:
            px = closing_px(book, side)
            what, where = ("long", "above") if side is Side.BUY else ("short", "below")
            assert leg.stop_px is not None
            assert px is not None
            return (
                f"{leg.name} at {text(leg.stop_px)} of a {what} position is {where} the market, {text(px)}: it "
                "would close it at once; say at_once if that is meant"
            )
    return None
