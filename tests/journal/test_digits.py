"""One number, one text, wherever a proof compares what is written."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partfill.journal.digits import plain, plain_row


@pytest.mark.parametrize(
    ("said", "is_"),
    [
        *(("2E+1", "20"), ("20.0", "20"), ("-0.50", "-0.5"), ("0.000", "0"), ("0E+3", "0"), ("1E-9", "0.000000001")),
        *(("20", "20"), ("", ""), ("x", "x"), ("1.0.0", "1.0.0"), ("007.0", "007.0"), ("v1.0", "v1.0")),
        ('["2E+1","A-1.50",{"qty":"1.50"},1.5]', '["20","A-1.50",{"qty":"1.5"},1.5]'),
        ('[{},{"a":{}},"{}",[]]', '[null,{"a":null},"{}",[]]'),
        ("9" * 300 + ".0", "9" * 300 + ".0"),
    ],
)
def test_a_number_is_written_in_one_way(said: str, is_: str) -> None:
    assert plain(said) == is_


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None, min_value=-(10**20), max_value=10**20))
def test_it_is_the_same_number(value: Decimal) -> None:
    assert Decimal(plain(str(value))) == value
    assert plain(plain(str(value))) == plain(str(value))


def test_rows_that_differ_in_more_than_digits_differ() -> None:
    assert plain_row((1, "20.0", None, b"2E+1")) == plain_row((1, "2E+1", None, b"2E+1"))
    assert plain_row((1, "20.0")) != plain_row((1, "20.1"))
    assert plain_row(None) is None
