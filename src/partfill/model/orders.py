"""Short ways to say what a user wants.

>>> Limit("BTC-USD", "buy", qty="1.5", price="64000").order_qty
Decimal('1.5')
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from partfill.model.numbers import NotANumber, dec
from partfill.model.terms import Terms
from partfill.model.words import OrdType, Side, TimeInForce

_Word = TypeVar("_Word", Side, TimeInForce)

Number = Decimal | str | int
"""An exact number: never a float, which is refused."""


def Limit(  # noqa: N802 - reads like the thing it makes
    instrument: str, side: str, *, qty: Number, price: Number, tif: str = "gtc", base: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Terms:  # fmt: skip
    """A limit order for `qty` units at `price` (quote currency per unit) or better; `tags` go along to the venue.

    Raises `NotANumber`.
    """
    return Terms(
        instrument=instrument, side=_word(Side, side, "side"), order_qty=dec(qty, "qty"), price=dec(price, "price"),
        ord_type=OrdType.LIMIT, time_in_force=_word(TimeInForce, tif, "tif"), base=base, tags=tuple((tags or {}).items()),
    )  # fmt: skip


def Market(  # noqa: N802
    instrument: str, side: str, *, qty: Number, tif: str = "ioc", base: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Terms:  # fmt: skip
    """A market order for `qty` units; `tags` go along to the venue. Raises `NotANumber`."""
    return Terms(
        instrument=instrument, side=_word(Side, side, "side"), order_qty=dec(qty, "qty"), ord_type=OrdType.MARKET,
        time_in_force=_word(TimeInForce, tif, "tif"), base=base, tags=tuple((tags or {}).items()),
    )  # fmt: skip


def _word(words: type[_Word], said: str, name: str) -> _Word:
    try:
        return words(said)
    except ValueError:
        allowed = ", ".join(word.value for word in words)
        raise NotANumber(f"{name} is {said!r}; it is one of {allowed}") from None
