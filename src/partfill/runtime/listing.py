"""What venues say of instruments, told to the engine where it is news: a start at which nothing changed writes nothing.

Rules
- An instrument without currencies and with a multiplier of 1 is news only where something else was known of it.
- What a venue does not list any more stays known: positions in it have their results.
"""

from __future__ import annotations

from collections.abc import Mapping

from partfill.model.inputs import InstrumentListed
from partfill.model.instrument import Instrument


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
