"""Exact numbers: text in, `Decimal` inside, plain text out.

Rules
- A quantity, price or fee comes from text (or an int). A float is refused: 0.1 is not 0.1 as a float.
- The ledger adds, subtracts and multiplies through this module only. Its context traps `Inexact`, so a
  rounding cannot happen unseen, and its precision is far above what `dec` lets in.
- A division (an average) happens when a number is shown, never before: `ratio`.

It does not know instruments: ticks and lots are in `instrument`.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

from partfill.model.limits import MAX_NUMBER, shown

MAX_DIGITS = 60
"""Most significant digits in one number that comes in."""
MAX_EXPONENT = 60
"""Largest power of ten, up or down, in one number that comes in."""

# Products of two admitted numbers and sums of those stay far below this many digits.
_EXACT = Context(prec=600, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
_SHOW = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])

add = _EXACT.add
sub = _EXACT.subtract
mul = _EXACT.multiply

ZERO = Decimal(0)

# Each digit can be matched in one way only, so that a text which is no number is refused in one pass.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)


class NotAnInput(ValueError):
    """A value or text that is no input of ours; the message names the field and what would be right."""


class NotANumber(NotAnInput):
    """A value that cannot be an exact quantity, price or fee; the message names it and what would be right."""


def dec(value: object, name: str = "value") -> Decimal:
    """Read one exact number.

    `value` is text such as "0.35", an int, or a finite `Decimal`; `name` is what the error calls it.
    Raises `NotANumber` for a float, for anything that is no plain number, and for one of more than
    `MAX_DIGITS` digits or beyond 10 to the power of +-`MAX_EXPONENT`.

    >>> dec("0.35") + dec("0.25")
    Decimal('0.60')
    """
    if type(value) is str:
        if len(value) > MAX_NUMBER:
            raise NotANumber(f"{name} is {shown(value)}, {len(value)} characters; a number has at most {MAX_NUMBER}")
        if _NUMBER.fullmatch(value) is None:
            raise NotANumber(f"{name} is {shown(value)}, which is no number; give plain digits such as '0.35'")
        number = Decimal(value)
        # Short text without an exponent cannot be out of bounds.
        return number if len(value) <= MAX_DIGITS and "e" not in value and "E" not in value else checked(number, name)
    if isinstance(value, Decimal):
        return checked(value, name)
    if isinstance(value, bool):
        raise NotANumber(f"{name} is {value!r}, a truth value; give a number as text such as '1'")
    if isinstance(value, int):
        if value.bit_length() > MAX_NUMBER:
            raise NotANumber(f"{name} is {shown(value)}, beyond 10^{MAX_EXPONENT}; no market has such a number")
        return checked(Decimal(value), name)
    if isinstance(value, float):
        raise NotANumber(
            f"{name} is the float {value!r}, which is not exact; give text such as '{value!r}' or a Decimal made from text"
        )
    raise NotANumber(f"{name} is {shown(value)} of type {type(value).__name__}; give text such as '0.35'")


def checked(value: Decimal, name: str) -> Decimal:
    """Return `value` when it is finite and within the bounds of this module, else raise `NotANumber`."""
    if not value.is_finite():
        raise NotANumber(f"{name} is {value}, which is no finite number")
    _sign, digits, exponent = value.as_tuple()
    if len(digits) > MAX_DIGITS or abs(value.adjusted()) > MAX_EXPONENT or abs(int(exponent)) > MAX_EXPONENT + MAX_DIGITS:
        raise NotANumber(
            f"{name} is {str(value)[:80]}, beyond {MAX_DIGITS} digits or 10^{MAX_EXPONENT}; no market has such a number"
        )
    return value


def require(value: object, name: str) -> None:
    """Raise `NotANumber` unless `value` is a `Decimal` that `dec` would have let in (the fast check of the value types)."""
    if type(value) is not Decimal:
        dec(value, name)
        said = shown(value)
        raise NotANumber(f"{name} is {said} of type {type(value).__name__}; make it exact first with dec({said})")
    if not value.is_finite() or not -MAX_EXPONENT <= value.adjusted() <= MAX_EXPONENT or len(str(value)) > MAX_DIGITS:
        checked(value, name)


def ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    """A quotient to show, rounded half-even to 28 significant digits. Never fed back into a ledger."""
    return _SHOW.divide(numerator, denominator)


def neg(value: Decimal) -> Decimal:
    """The value with the other sign, exactly."""
    return value.copy_negate() if value else value


def scale(value: Decimal, numerator: Decimal, denominator: Decimal) -> Decimal:
    """`value` * `numerator` / `denominator`, exactly. Raises `Inexact` when that is no finite decimal number."""
    product = mul(value, numerator)
    quotient = ratio(product, denominator).normalize()
    if mul(quotient, denominator) != product:
        raise Inexact(f"{value} times {numerator}/{denominator} is no exact number")
    return quotient


def text(value: Decimal) -> str:
    """Plain digits without exponent or trailing zeros: '0.60' becomes '0.6', '1E+3' becomes '1000'."""
    shown = format(value, "f")
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown


def text_or_none(value: Decimal | None) -> str | None:
    """`text`, and None for None."""
    return None if value is None else text(value)
