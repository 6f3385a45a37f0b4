"""What was asked for: the terms of one order.

Rules
- Tags are the user's own words for the venue (a builder code, a strategy's name). Every order that is placed for these terms,
  and every replace of one, carries them as they are; nothing here reads them.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from partfill.model.numbers import ZERO, NotANumber, require, text
from partfill.model.shapes import named
from partfill.model.words import OrdType, Side, TimeInForce

MAX_TAGS = 16
MAX_TAG = 256
"""Most tags of an order, and most characters of a tag's name or value."""
BUILDER_CODE = "builder_code"
"""The tag by which a venue attributes an order to who built it; reports of decisions repeat it."""


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Terms of one order.

    `order_qty` is in units of the instrument (shares, contracts, coins; packages for a multi-leg order);
    `cash_order_qty` is in quote currency and stands instead of it for an order sized in cash. `price` and
    `stop_px` are quote currency per unit. Raises `NotANumber` for a negative quantity or an inexact number.
    """

    instrument: str
    side: Side
    order_qty: Decimal | None = None
    cash_order_qty: Decimal | None = None
    price: Decimal | None = None
    stop_px: Decimal | None = None
    ord_type: OrdType = OrdType.LIMIT
    time_in_force: TimeInForce = TimeInForce.DAY
    base: str | None = None
    """Currency of one unit, when fees may be taken in it: such a fee lowers what is held, never `cum_qty`."""
    post_only: bool = False
    """True: the order may only rest and give liquidity; the venue refuses it where it would take."""
    reduce_only: bool = False
    """True: the order may only make the account's position smaller; the venue shrinks it to the position, or ends it."""
    tags: tuple[tuple[str, str], ...] = ()
    """(name, value), each name once."""

    @named
    def __post_init__(self) -> None:
        for name in ("order_qty", "cash_order_qty", "price", "stop_px"):
            value = getattr(self, name)
            if value is not None:
                require(value, name)
        for name in ("order_qty", "cash_order_qty"):
            value = getattr(self, name)
            if value is not None and value < ZERO:
                raise NotANumber(f"{name} is {value}; a quantity is zero or more, the side says which way")
        if (self.order_qty is None) == (self.cash_order_qty is None):
            raise NotANumber("an order is sized either by order_qty or by cash_order_qty; give exactly one of them")
        if self.tags:
            _check(self.tags)

    def tag(self, name: str) -> str | None:
        """The value of one tag; None when there is none of this name."""
        return next((value for each, value in self.tags if each == name), None)

    def sized(self, order_qty: Decimal, price: Decimal | None) -> Terms:
        """The same terms for another quantity (units) and price (quote currency per unit)."""
        return msgspec.structs.replace(self, order_qty=order_qty, price=price)


def reused(ref: str, known: Terms, said: Terms) -> str:
    """Why `said` is not the order `known` that has this `ref`: each term in which they differ, as it is and as it was said."""
    pairs = ((name, getattr(known, name), getattr(said, name)) for name in Terms.__struct_fields__)
    other_terms = ", ".join(f"{name} {_shown(one)}, not {_shown(other)}" for name, one, other in pairs if one != other)
    return f"ref {ref} is an order with other terms already ({other_terms}); use a ref of its own"


def _shown(value: object) -> str:
    if isinstance(value, Decimal):
        return text(value)
    return "none" if value is None else str(value)


def _check(tags: tuple[tuple[str, str], ...]) -> None:
    if len(tags) > MAX_TAGS:
        raise NotANumber(f"{len(tags)} tags; an order has at most {MAX_TAGS}")
    names = [name for name, _ in tags]
    for name, value in tags:
        if not name or names.count(name) > 1:
            raise NotANumber(f"tag {name!r}: a tag has a name, and each name comes once")
        if max(len(name), len(value)) > MAX_TAG:
            raise NotANumber(f"tag {name[:MAX_TAG]!r} has {len(value)} characters; at most {MAX_TAG}")
