"""One number, one text: 20, 20.0 and 2E+1 are the same quantity; and a table without entries is none.

Arithmetic on the same numbers may leave other digits when an order was away in between, since a sum keeps the digits of what it
was made of. No quantity differs by that, so a proof compares numbers and not their digits.
"""

from __future__ import annotations

import re
from decimal import Decimal

_NUMBER = re.compile(r'(?<=")-?(?:0|[1-9][0-9]{0,199})(?:\.[0-9]{1,200})?(?:E[+-]?[0-9]{1,3})?(?=")')
"""A number in JSON, as the journal writes it: text."""
_EMPTY = re.compile(r"(?<=[\[,:])\{\}(?=[,\]}])")
"""A table without entries, which is none: what was asked for and has been answered."""
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,199})(?:\.[0-9]{1,200})?(?:E[+-]?[0-9]{1,3})?")


def plain(text: str) -> str:
    """The text of a cell or of a state, every number in it without zeros at its end and without an exponent."""
    if _WHOLE.fullmatch(text):
        return _plain(text)
    if text[:1] not in ("[", "{"):
        return text
    return _EMPTY.sub("null", _NUMBER.sub(lambda found: _plain(found[0]), text))


def _plain(number: str) -> str:
    if "." not in number and "E" not in number:
        return number
    said = format(Decimal(number), "f")
    if "." in said:
        said = said.rstrip("0").rstrip(".")
    return "0" if said.strip("-0") == "" else said


def plain_row(row: tuple[object, ...] | None) -> tuple[object, ...] | None:
    """The same of a row of a table."""
    return None if row is None else tuple(plain(cell) if type(cell) is str else cell for cell in row)
