"""What was asked for: the terms of one order."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from partfill.model.numbers import ZERO, NotANumber, require
from partfill.model.words import OrdType, Side, TimeInForce


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

    def sized(self, order_qty: Decimal, price: Decimal | None) -> Terms:
        """The same terms for another quantity (units) and price (quote currency per unit)."""
        return msgspec.structs.replace(self, order_qty=order_qty, price=price)
