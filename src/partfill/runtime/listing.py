"""What venues say of instruments: told to the engine where it is news, and held against what users ask for.

Rules
- A start at which nothing changed writes nothing.
- An instrument without currencies and with a multiplier of 1 is news only where something else was known of it.
- Inverse contracts and accounts in hedge mode are refused by name: their results would be wrong in silence.
- What a venue does not list any more stays known: positions in it have their results.
"""

from __future__ import annotations

from collections.abc import Mapping

from partfill.model.capabilities import Capabilities
from partfill.model.inputs import InstrumentListed
from partfill.model.instrument import Instrument
from partfill.model.terms import Terms


def news(
    venue: str, instruments: Mapping[str, Instrument], known: Mapping[tuple[str, str], InstrumentListed]
) -> list[InstrumentListed]:
    """What of a venue's list differs from what is known per (venue, instrument). Raises `NotANumber` for a bad multiplier."""
    found = []
    for symbol, each in sorted(instruments.items()):
        said = InstrumentListed(
            venue=venue, instrument=symbol, quote=each.quote, base=each.base, multiplier=each.multiplier
        )  # fmt: skip
        if said != known.get((venue, symbol), InstrumentListed(venue=venue, instrument=symbol)):
            found.append(said)
    return found


def unsupported(venue: str, rules: Capabilities) -> str | None:
    """Why a venue cannot be connected at all; None where it can."""
    if rules.hedge_mode:
        return f"{venue} is in hedge mode, long and short at once; positions here are net. Set the account to one-way mode"
    return None


def unlisted(venue: str, instrument: str, listed: Mapping[str, Instrument]) -> str | None:
    """That a venue does not list an instrument, and what it lists; None where it does, or where it lists nothing at all."""
    if instrument in listed and listed[instrument].inverse:
        return (
            f"{instrument} at {venue} is an inverse contract, worth units divided by price; results here are units times price"
        )
    if not listed or instrument in listed:
        return None
    return f"{venue} does not list {instrument!r}; it lists {', '.join(sorted(listed)[:10])}"


def wrong_with(venue: str, terms: Terms, listed: Mapping[str, Instrument]) -> str | None:
    """Why a venue would not take an order with these terms, and what it would take; None where nothing says so."""
    fault = unlisted(venue, terms.instrument, listed)
    if fault is not None or not listed:
        return fault
    instrument = listed[terms.instrument]
    if terms.price is not None and not instrument.valid_price(terms.price):
        near = instrument.price_no_worse(terms.price, terms.side)
        return f"price {terms.price} is not on the tick of {terms.instrument}; {near} is"
    if terms.order_qty is not None and not instrument.valid_qty(terms.order_qty):
        near = instrument.qty_at_most(terms.order_qty)
        return (
            f"qty {terms.order_qty} of {terms.instrument} is not a number of lots of {instrument.lot} of at least "
            f"{instrument.min_qty}; {near} is the largest below it"
        )
    return None
