"""Exact numbers: what is let in, what is refused and in which words, how a number is written."""

from __future__ import annotations

import doctest
from decimal import Decimal, Inexact
from fractions import Fraction
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partfill.model.numbers import MAX_DIGITS, MAX_EXPONENT, NotANumber, add, dec, mul, ratio, require, scale, sub, text

D = Decimal
EXACT = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=D(-(10**20)), max_value=D(10**20))


@pytest.mark.parametrize(
    ("given", "value"),
    [("0.35", "0.35"), ("-1", "-1"), ("+2", "2"), (".5", "0.5"), ("5.", "5"), ("1e3", "1000"), ("1E-3", "0.001"), (7, "7")],
)
def test_plain_numbers_are_read(given: Any, value: str) -> None:
    assert dec(given) == D(value)


def test_text_keeps_its_scale() -> None:
    assert str(dec("0.350")) == "0.350"


@pytest.mark.parametrize("value", [0.1, 1.0, -2.5, float("nan"), float("inf")])
def test_a_float_is_refused_with_its_value_and_field(value: float) -> None:
    with pytest.raises(NotANumber, match=f"px is the float {value!r}, which is not exact; give text"):
        dec(value, "px")


@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_no_number(value: bool) -> None:
    with pytest.raises(NotANumber, match=f"qty is {value}, a truth value"):
        dec(value, "qty")


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", " 1", "1 ", "1\n", "1_000", "1,000", "0x10", "1e", "e5", ".", "--1", "twelve", "1e99999"),
        *("nan", "NaN", "sNaN", "inf", "Infinity", "-Infinity"),
        *("\u0661\u0662", "\uff11", "\u00bd", "1\u00a0000"),
    ],
)
def test_text_that_is_no_plain_number_is_refused_by_name(value: str) -> None:
    with pytest.raises(NotANumber, match="fee is"):
        dec(value, "fee")


@pytest.mark.parametrize("value", [D("NaN"), D("sNaN"), D("Infinity"), D("-Infinity")])
def test_a_decimal_has_to_be_finite(value: Decimal) -> None:
    for read in (dec, require):
        with pytest.raises(NotANumber, match="no finite number"):
            read(value, "qty")


@pytest.mark.parametrize("value", [None, [], b"1", object()])
def test_another_type_is_refused_by_its_name(value: object) -> None:
    with pytest.raises(NotANumber, match=f"qty is .* of type {type(value).__name__}"):
        dec(value, "qty")


TOO_MUCH = ["1" * (MAX_DIGITS + 1), f"1e{MAX_EXPONENT + 1}", f"1e-{MAX_EXPONENT + 1}", "1e9999", "1e-9999"]


@pytest.mark.parametrize("value", TOO_MUCH)
def test_a_number_that_no_market_has_is_refused(value: str) -> None:
    with pytest.raises(NotANumber, match="no market has such a number"):
        dec(value, "qty")
    with pytest.raises(NotANumber):
        dec(D(value), "qty")


@pytest.mark.parametrize("value", ["9" * MAX_DIGITS, f"1e{MAX_EXPONENT}", f"1e-{MAX_EXPONENT}"])
def test_the_bounds_themselves_are_let_in(value: str) -> None:
    assert dec(value, "qty") == D(value)


def test_a_long_number_is_shortened_in_the_message() -> None:
    with pytest.raises(NotANumber) as error:
        dec("1" * 5000, "qty")
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("value", ["1." + "1" * MAX_DIGITS, *TOO_MUCH])
def test_the_fast_check_lets_in_nothing_that_dec_refuses(value: str) -> None:
    with pytest.raises(NotANumber):
        require(D(value), "qty")


def test_a_value_type_takes_a_decimal_only_and_says_how_to_get_one() -> None:
    with pytest.raises(NotANumber, match=r"qty is '1' of type str; make it exact first with dec\('1'\)"):
        require("1", "qty")
    with pytest.raises(NotANumber, match=r"qty is the float 0\.5"):
        require(0.5, "qty")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *(("0.60", "0.6"), ("1E+3", "1000"), ("100", "100"), ("10.0", "10"), ("-1.50", "-1.5"), ("1E-7", "0.0000001")),
        *(("0", "0"), ("-0", "0"), ("0.000", "0"), ("-0.0", "0")),
    ],
)
def test_numbers_are_written_plainly(value: str, shown: str) -> None:
    assert text(D(value)) == shown


@given(EXACT)
def test_what_is_written_is_read_back(value: Decimal) -> None:
    assert dec(text(value)) == value


@given(EXACT, EXACT)
def test_sums_and_products_are_exact(one: Decimal, other: Decimal) -> None:
    assert sub(add(one, other), other) == one
    assert Fraction(mul(one, other)) == Fraction(one) * Fraction(other)


def test_the_largest_numbers_multiply_exactly() -> None:
    large = dec("9" * MAX_DIGITS)
    assert int(mul(large, large)) == int("9" * MAX_DIGITS) ** 2
    high, low = dec(f"1e{MAX_EXPONENT}"), dec(f"1e-{MAX_EXPONENT}")
    assert sub(add(high, low), high) == low


def test_an_average_is_shown_with_28_digits_half_even() -> None:
    assert ratio(D(2), D(3)) == D("0.6666666666666666666666666667")
    assert ratio(D(1), D(8)) == D("0.125")


def test_a_scale_is_exact_or_refused() -> None:
    assert scale(D(10), D(3), D(2)) == 15
    assert scale(D("0.3"), D(2), D(3)) == D("0.2")
    with pytest.raises(Inexact, match="1 times 1/3 is no exact number"):
        scale(D(1), D(1), D(3))


MODULES = ["numbers", "words", "instrument", "terms", "capabilities", "observations", "inputs", "events", "codec"]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_text_are_true(name: str) -> None:
    assert doctest.testmod(import_module(f"partfill.model.{name}")).failed == 0
