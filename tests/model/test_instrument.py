"""Ticks, lots and minimums: rounded once, in the direction that is named, never to nearest."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partfill.model.instrument import Instrument, TickBand
from partfill.model.numbers import NotANumber
from partfill.model.words import Side

D = Decimal


def bands(*pairs: tuple[str, str]) -> tuple[TickBand, ...]:
    return tuple(TickBand(D(start), D(tick)) for start, tick in pairs)


PLAIN = Instrument(symbol="BTC-USD", ticks=bands(("0", "0.5")), lot=D("0.001"), min_qty=D("0.01"))
BANDED = Instrument(symbol="7203", ticks=bands(("0", "0.1"), ("1000", "0.5"), ("3000", "1")))
DIGITS = Instrument(symbol="ETH", max_significant=5)
FREE = Instrument(symbol="OTC")

PRICES = st.decimals(min_value=D("0.01"), max_value=D(9999), places=4)
INSTRUMENTS = st.sampled_from([PLAIN, BANDED, DIGITS, FREE])


@given(INSTRUMENTS, PRICES)
def test_rounding_goes_where_it_is_told_to_and_ends_on_the_grid(instrument: Instrument, price: Decimal) -> None:
    low, high = instrument.price_at_most(price), instrument.price_at_least(price)
    assert low <= price <= high
    assert instrument.valid_price(low)
    assert instrument.valid_price(high)
    assert (low == price == high) == instrument.valid_price(price)


@given(INSTRUMENTS, PRICES)
def test_a_rounded_price_is_never_worse_for_its_side(instrument: Instrument, price: Decimal) -> None:
    assert instrument.price_no_worse(price, Side.BUY) <= price <= instrument.price_no_worse(price, Side.SELL)


@pytest.mark.parametrize(
    ("price", "low", "high"),
    [("999.94", "999.9", "1000"), ("1000.3", "1000", "1000.5"), ("2999.7", "2999.5", "3000"), ("3000.2", "3000", "3001")],
)
def test_each_band_has_its_tick(price: str, low: str, high: str) -> None:
    assert (BANDED.price_at_most(D(price)), BANDED.price_at_least(D(price))) == (D(low), D(high))


def test_rounding_up_into_a_coarser_band_ends_on_its_grid() -> None:
    odd = Instrument(symbol="odd", ticks=bands(("0", "0.3"), ("1", "0.5")))
    assert odd.price_at_least(D("0.95")) == D("1.5")


@pytest.mark.parametrize(
    ("price", "low"),
    [("1234.56", "1234.5"), ("12345.6", "12345"), ("123456", "123456"), ("0.00123456", "0.0012345"), ("99999.9", "99999")],
)
def test_where_a_venue_counts_digits_whole_numbers_are_always_allowed(price: str, low: str) -> None:
    assert DIGITS.price_at_most(D(price)) == D(low)


def test_the_coarser_of_tick_and_digits_rules() -> None:
    both = Instrument(symbol="both", ticks=bands(("0", "0.01")), max_significant=5)
    assert both.price_at_most(D("1.23456")) == D("1.23")
    assert both.price_at_most(D("12345.67")) == D(12345)


def test_without_a_tick_any_price_goes() -> None:
    assert FREE.price_at_most(D("1.23456789")) == D("1.23456789")


def test_a_negative_price_goes_down_away_from_zero() -> None:
    assert PLAIN.price_at_most(D("-37.63")) == D(-38)
    assert PLAIN.price_at_least(D("-37.63")) == D("-37.5")


@pytest.mark.parametrize(
    ("side", "original", "price", "ticks"),
    [
        (Side.BUY, "10.00", "10.03", 3),
        (Side.BUY, "10.00", "9.90", 0),
        (Side.BUY, "10.00", "10.00", 0),
        (Side.SELL, "10.00", "9.97", 3),
        (Side.SELL, "10.00", "10.10", 0),
        (Side.BUY, "10.00", "10.001", 1),
        (Side.BUY, "10.00", "10.0301", 4),
    ],
)
def test_adverse_ticks_are_whole_and_rounded_up(side: Side, original: str, price: str, ticks: int) -> None:
    cents = Instrument(symbol="cents", ticks=bands(("0", "0.01")))
    assert cents.adverse_ticks(side, D(original), D(price)) == ticks


def test_a_distance_in_ticks_needs_a_tick() -> None:
    with pytest.raises(NotANumber, match="OTC has no tick"):
        FREE.adverse_ticks(Side.BUY, D(10), D(11))


def test_quantities_go_down_to_whole_lots() -> None:
    assert PLAIN.qty_at_most(D("0.0129")) == D("0.012")
    assert PLAIN.qty_at_most(D("0.0009")) == 0


@pytest.mark.parametrize(("qty", "valid"), [("0.012", True), ("0.0125", False), ("0.009", False), ("0.01", True)])
def test_a_valid_quantity_is_whole_lots_and_not_too_small(qty: str, valid: bool) -> None:
    assert PLAIN.valid_qty(D(qty)) is valid


def test_notional_has_the_multiplier() -> None:
    future = Instrument(symbol="ES", multiplier=D(50))
    assert future.notional(D(2), D("4500.25")) == D("450025")


@pytest.mark.parametrize("tick", ["0", "-0.1"])
def test_a_tick_is_above_zero(tick: str) -> None:
    with pytest.raises(NotANumber, match="tick of X"):
        Instrument(symbol="X", ticks=bands(("0", tick)))


def test_a_lot_is_above_zero() -> None:
    with pytest.raises(NotANumber, match="lot of X is 0"):
        Instrument(symbol="X", lot=D(0))


@pytest.mark.parametrize("starts", [("1",), ("0", "5", "3"), ("0", "5", "5"), ("0", "0")])
def test_tick_bands_rise_from_zero(starts: tuple[str, ...]) -> None:
    with pytest.raises(NotANumber, match="they must rise, the first from 0"):
        Instrument(symbol="X", ticks=bands(*((start, "1") for start in starts)))
