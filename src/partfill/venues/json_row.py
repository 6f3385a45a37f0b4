"""Strict reading of one JSON object of a venue: every complaint is `Damaged` and names the place, the field and the value.

JSON fractions are parsed as text (`read_json`), so that no number ever goes through a float. What a venue spells in
its own way (sides, times) is in its own decoder, on top of this.
"""

from __future__ import annotations

import json
import reprlib
from decimal import Decimal
from typing import Self

from partfill.model.limits import MAX_BODY, MAX_DEPTH, MAX_SHOWN, too_deep
from partfill.venues.decoding import Damaged, exact

MAX_TIME_MS = 9_000_000_000_000
"""Latest time that is believed (ms): nanoseconds of it still fit 64 bits."""


_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = MAX_SHOWN


def shown(value: object) -> str:
    """A value as an error shows it: short, however long and deep it is."""
    return _repr.repr(value)[:MAX_SHOWN]


def refuse(constant: str) -> object:
    """For `parse_constant`: NaN and Infinity are no numbers of a market. Raises `Damaged`."""
    raise Damaged(f"{constant} is no number of a market; give plain digits")


def read_json(raw: str, where: str) -> object:
    """Parse one JSON text with fractions kept as text. Raises `Damaged`, before anything is parsed that is too long or deep."""
    if len(raw) > MAX_BODY:
        raise Damaged(f"{where} has {len(raw)} characters; a message has at most {MAX_BODY}")
    if too_deep(raw):
        raise Damaged(f"{where} is nested too deeply to be an order: more than {MAX_DEPTH} levels")
    try:
        return json.loads(raw, parse_float=str, parse_constant=refuse)
    except RecursionError:
        raise Damaged(f"{where} is nested too deeply to be an order") from None
    except Damaged:
        raise
    except ValueError as error:
        raise Damaged(f"{where} cannot be read: {error}") from None


class JsonRow:
    """The fields of one JSON object, under the names that the caller uses; `names` maps those to the object's own."""

    __slots__ = ("fields", "names", "where")

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise Damaged(f"{where} is {shown(value)}; give a JSON object")
        self.fields: dict[str, object] = value
        self.names: dict[str, str] = {}
        self.where = where

    def name(self, field: str) -> str:
        """What this object calls the field."""
        return self.names.get(field, field)

    def get(self, field: str) -> object:
        """The value as it stands; None when missing."""
        return self.fields.get(self.name(field))

    def row(self, field: str) -> Self:
        """An object inside."""
        return type(self)(self.get(field), f"{self.where}: {self.name(field)}")

    def rows(self, field: str) -> list[Self]:
        """A list of objects inside."""
        value = self.get(field)
        if not isinstance(value, list):
            raise Damaged(f"{self.where}: {self.name(field)} is {shown(value)}; give a list")
        return [type(self)(item, f"{self.where}: {self.name(field)}[{n}]") for n, item in enumerate(value)]

    def get_list(self, field: str) -> list[object]:
        """A list of anything inside."""
        value = self.get(field)
        if not isinstance(value, list):
            raise Damaged(f"{self.where}: {self.name(field)} is {shown(value)}; give a list")
        return value

    def text(self, field: str) -> str | None:
        """Text; None when missing or empty."""
        value = self.get(field)
        if value is None or isinstance(value, str):
            return value or None
        raise Damaged(f"{self.where}: {self.name(field)} is {shown(value)}; give text")

    def need(self, field: str) -> str:
        """Text that must be there."""
        value = self.text(field)
        if value is None:
            found = "missing" if self.get(field) is None else "empty"
            raise Damaged(f"{self.where}: {self.name(field)} is {found}; give text")
        return value

    def id(self, field: str) -> str | None:
        """A whole number as text, whether the venue writes it as a number or as text; negative where the venue does."""
        value = self.get(field)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if value is None or (isinstance(value, str) and value.removeprefix("-").isdecimal()):
            return value
        raise Damaged(f"{self.where}: {self.name(field)} is {shown(value)}; give a whole number")

    def number(self, field: str) -> Decimal | None:
        """An exact number; None when missing."""
        value = self.get(field)
        return None if value is None else exact(value, f"{self.where}: {self.name(field)}")

    def time_ms(self, field: str) -> int | None:
        """A time in milliseconds since 1970 as nanoseconds; None when missing."""
        value = self.get(field)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < MAX_TIME_MS:
            raise Damaged(f"{self.where}: {self.name(field)} is {shown(value)}; give milliseconds since 1970")
        return value * 1_000_000
