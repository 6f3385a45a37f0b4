"""Short ways to say what a user wants.

>>> Limit("BTC-USD", "buy", qty="1.5", price="64000").order_qty
Decimal('1.5')
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from partfill.model.admit import text_of, word
from partfill.model.limits import shown
from partfill.model.numbers import NotAnInput, NotANumber, dec
from partfill.model.terms import MAX_TAGS, Terms
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
        instrument=_text(instrument, "instrument"), side=_word(Side, side, "side"), order_qty=dec(qty, "qty"),
        price=dec(price, "price"), ord_type=OrdType.LIMIT, time_in_force=_word(TimeInForce, tif, "tif"), base=_base(base),
        tags=_tags(tags),
    )  # fmt: skip


def Market(  # noqa: N802
    instrument: str, side: str, *, qty: Number, tif: str = "ioc", base: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Terms:  # fmt: skip
    """A market order for `qty` units; `tags` go along to the venue. Raises `NotANumber`."""
    return Terms(
        instrument=_text(instrument, "instrument"), side=_word(Side, side, "side"), order_qty=dec(qty, "qty"),
        ord_type=OrdType.MARKET, time_in_force=_word(TimeInForce, tif, "tif"), base=_base(base), tags=_tags(tags),
    )  # fmt: skip


def _word(words: type[_Word], said: object, name: str) -> _Word:
    try:
        found: _Word = word(said, words, name)
    except NotAnInput as error:
        raise NotANumber(str(error)) from None
    return found


def _text(said: object, name: str, *, number: bool = True) -> str:
    try:
        return text_of(said, name, number=number)
    except NotAnInput as error:
        raise NotANumber(str(error)) from None


def _base(said: object) -> str | None:
    return None if said is None else _text(said, "base", number=False)


def _tags(said: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    if said is None:
        return ()
    if not isinstance(said, Mapping):
        raise NotANumber(f"tags is {shown(said)}; give a mapping of names to values")
    if len(said) > MAX_TAGS:
        # Before each is looked at.
        raise NotANumber(f"{len(said)} tags; an order has at most {MAX_TAGS}")
    return tuple(
        (_text(name, "tag", number=False), _text(value, f"tag {name!r}", number=False)) for name, value in said.items()
    )
