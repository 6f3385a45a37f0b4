"""Instruments: ticks, lots and minimums, with exact arithmetic.

Rules: a price or quantity is only ever rounded here, once, in a direction the caller names. Nothing is
rounded to nearest: a nearest price can be worse than the limit, a nearest quantity can be too much.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

import msgspec

from partfill.model.numbers import ZERO, NotANumber, mul, require, sub
from partfill.model.shapes import named
from partfill.model.words import Side

_WHOLE_DOWN = Context(prec=200, rounding=ROUND_FLOOR)
_WHOLE_UP = Context(prec=200, rounding=ROUND_CEILING)
_ONE = Decimal(1)


class TickBand(msgspec.Struct, frozen=True):
    """From this price (quote currency) on, prices are multiples of `tick`."""

    from_price: Decimal
    tick: Decimal


class Instrument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tradable thing at one venue.

    `ticks`: bands in rising order, the first from 0. `max_significant`: most significant digits of a price,
    for venues that count digits (whole numbers are always allowed there). `lot`: step of quantity.
    `min_qty` in units; `min_notional` in quote currency; `multiplier`: quote currency per price point and unit.
    `below_zero`: whether its prices may be zero or less (spreads, some futures).
    `inverse`: a contract whose value is units divided by price. It may be listed, and nothing of it is traded here: averages,
    notionals and results are quantity times price.

    >>> spot = Instrument(symbol="BTC-USD", ticks=(TickBand(Decimal(0), Decimal("0.5")),), lot=Decimal("0.001"))
    >>> spot.price_at_most(Decimal("64000.7"))
    Decimal('64000.5')
    """

    symbol: str
    ticks: tuple[TickBand, ...] = ()
    max_significant: int | None = None
    lot: Decimal | None = None
    min_qty: Decimal = ZERO
    min_notional: Decimal = ZERO
    multiplier: Decimal = _ONE
    base: str | None = None
    quote: str | None = None
    inverse: bool = False
    below_zero: bool = False

    @named
    def __post_init__(self) -> None:
        for band in self.ticks:
            require(band.from_price, "from_price")
            require(band.tick, "tick")
            if band.tick <= ZERO:
                raise NotANumber(f"tick of {self.symbol} is {band.tick}; it must be above zero")
        starts = [band.from_price for band in self.ticks]
        if starts and (starts[0] != ZERO or starts != sorted(set(starts))):
            raise NotANumber(f"tick bands of {self.symbol} start at {starts}; they must rise, the first from 0")
        if self.lot is not None:
            require(self.lot, "lot")
            if self.lot <= ZERO:
                raise NotANumber(f"lot of {self.symbol} is {self.lot}; it must be above zero")

    def tick_at(self, price: Decimal) -> Decimal | None:
        """The tick in force at `price` (quote currency), or None where any price goes."""
        tick = None
        for band in self.ticks:
            if band.from_price <= price.copy_abs():
                tick = band.tick
        if self.max_significant is not None and price != ZERO:
            digits = Decimal(1).scaleb(min(0, price.adjusted() - self.max_significant + 1))
            if tick is None or digits > tick:
                tick = digits
        return tick

    def price_at_most(self, price: Decimal) -> Decimal:
        """The highest valid price not above `price`."""
        return _step(price, self.tick_at(price), _WHOLE_DOWN)

    def price_at_least(self, price: Decimal) -> Decimal:
        """The lowest valid price not below `price`."""
        up = _step(price, self.tick_at(price), _WHOLE_UP)
        # Rounding up can enter the next band, whose tick is coarser.
        return _step(up, self.tick_at(up), _WHOLE_UP)

    def price_no_worse(self, price: Decimal, side: Side) -> Decimal:
        """The valid price nearest to `price` that is no worse for `side`: down for a buy, up for a sell."""
        return self.price_at_most(price) if side is Side.BUY else self.price_at_least(price)

    def valid_price(self, price: Decimal) -> bool:
        """Whether `price` lies on the tick grid."""
        return self.price_at_most(price) == price

    def qty_at_most(self, qty: Decimal) -> Decimal:
        """The largest valid quantity not above `qty` (units)."""
        return _step(qty, self.lot, _WHOLE_DOWN)

    def valid_qty(self, qty: Decimal) -> bool:
        """Whether `qty` is a whole number of lots and at least `min_qty`."""
        return self.qty_at_most(qty) == qty and qty >= self.min_qty

    def notional(self, qty: Decimal, price: Decimal) -> Decimal:
        """Exact value of `qty` units at `price`, quote currency."""
        value = mul(qty, price)
        return value if self.multiplier is _ONE else mul(value, self.multiplier)

    def adverse_ticks(self, side: Side, original: Decimal, price: Decimal) -> int:
        """Whole ticks by which `price` is worse than `original` for `side`; 0 when it is no worse. Rounded up.

        A buy at 10.00 against a best price of 10.03 on a tick of 0.01 is 3; against 9.90 it is 0.
        """
        worse = sub(price, original) if side is Side.BUY else sub(original, price)
        if worse <= ZERO:
            return 0
        tick = self.tick_at(original)
        if tick is None:
            raise NotANumber(f"{self.symbol} has no tick; a distance in ticks cannot be told")
        return int(_WHOLE_UP.to_integral_value(_WHOLE_UP.divide(worse, tick)))


def whole_lots(qty: Decimal, lot: Decimal | None) -> Decimal:
    """The largest whole number of lots not above `qty` (units); `qty` itself where there are no lots."""
    return _step(qty, lot, _WHOLE_DOWN)


def _step(value: Decimal, step: Decimal | None, rounding: Context) -> Decimal:
    if step is None:
        return value
    whole = rounding.to_integral_value(rounding.divide(value, step))
    return value if mul(whole, step) == value else mul(whole, step)
