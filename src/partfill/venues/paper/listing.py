"""What the paper exchange lists: an instrument and its fees; and why it refuses an order of it, in words for a person.

Every refusal is `code: sentence`. Codes: unknown_instrument, unsupported, price, tick, lot, min_qty, min_notional, stop.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from partfill.model.instrument import Instrument
from partfill.model.numbers import ZERO, require, text
from partfill.model.terms import Terms
from partfill.model.words import OrdType, TimeInForce

_TIMES = frozenset({TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK})
_TYPES = frozenset({OrdType.MARKET, OrdType.LIMIT, OrdType.STOP, OrdType.STOP_LIMIT})
_NOW = frozenset({TimeInForce.IOC, TimeInForce.FOK})


class Listing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One instrument at the paper exchange. Fees are a share of the value traded, below zero for a rebate (0.0002 is 2 bp)."""

    instrument: Instrument
    maker_fee: Decimal = ZERO
    taker_fee: Decimal = ZERO

    def __post_init__(self) -> None:
        require(self.maker_fee, "maker_fee")
        require(self.taker_fee, "taker_fee")

    @property
    def currency(self) -> str:
        """Currency of the fees."""
        return self.instrument.quote or "USD"

    def refusal(self, terms: Terms, last: Decimal | None) -> str | None:
        """Why an order on these terms is refused, None when it is not. `last` is the last price traded."""
        symbol = self.instrument.symbol
        if terms.order_qty is None:
            return f"unsupported: {symbol} takes no orders sized in cash; give order_qty"
        if terms.ord_type not in _TYPES:
            return f"unsupported: order type {terms.ord_type.value}; give market, limit, stop or stop_limit"
        if terms.time_in_force not in _TIMES:
            return f"unsupported: time in force {terms.time_in_force.value}; give day, gtc, ioc or fok"
        limited = terms.ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT)
        if limited != (terms.price is not None):
            need = "needs" if limited else "takes no"
            return f"price: a {terms.ord_type.value} order {need} limit price"
        stops = terms.ord_type in (OrdType.STOP, OrdType.STOP_LIMIT)
        if stops != (terms.stop_px is not None):
            return f"stop: a {terms.ord_type.value} order {'needs' if stops else 'takes no'} stop_px"
        if terms.post_only and (terms.ord_type is not OrdType.LIMIT or terms.time_in_force in _NOW):
            return "unsupported: post-only is for limit orders that may rest (day or gtc)"
        if stops and terms.time_in_force in _NOW:
            return "unsupported: a stop waits; give day or gtc, not ioc or fok"
        return (
            self.refused_price(terms.price, "price")
            or self.refused_price(terms.stop_px, "stop_px")
            or self.refused_qty(terms.order_qty, terms.price if terms.price is not None else terms.stop_px or last)
        )

    def refused_price(self, price: Decimal | None, name: str) -> str | None:
        """Why this price is refused."""
        if price is None:
            return None
        if price <= ZERO:
            return f"price: {name} is {text(price)}; it is above zero here"
        if not self.instrument.valid_price(price):
            tick = self.instrument.tick_at(price) or ZERO
            lower, upper = self.instrument.price_at_most(price), self.instrument.price_at_least(price)
            near = f"the nearest are {text(lower)} and {text(upper)}"
            return f"tick: {name} {text(price)} of {self.instrument.symbol} is not on the tick of {text(tick)}; {near}"
        return None

    def refused_qty(self, qty: Decimal, price: Decimal | None) -> str | None:
        """Why this quantity is refused; `price` values it, None where there is no price."""
        of = self.instrument
        if qty <= ZERO:
            return f"min_qty: order_qty is {text(qty)}; it is above zero"
        if of.qty_at_most(qty) != qty:
            return f"lot: order_qty {text(qty)} of {of.symbol} is no whole number of lots of {text(of.lot or ZERO)}"
        if qty < of.min_qty:
            return f"min_qty: order_qty {text(qty)} of {of.symbol} is below the minimum of {text(of.min_qty)}"
        if price is not None and of.min_notional and of.notional(qty, price) < of.min_notional:
            value = text(of.notional(qty, price))
            return f"min_notional: {text(qty)} {of.symbol} is worth {value}, below the minimum of {text(of.min_notional)}"
        return None


__all__ = ["Listing"]
