"""Reads the tables of a configuration by their keys and collects what is wrong, so that a person corrects a file once.

Theory of operation. A `Key` says what one key may hold and what it is when left out. A `Reader` goes through a table with its
keys and notes every mistake by its path, with what would be right; what was wrong is the default afterwards, so that the
reading goes on. Whoever read everything looks at `mistakes` before believing anything.

Rules
- An unknown key is a mistake, and the nearest known one is named.
- A number with a point is the decimal that is written, never a float.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from partfill.model.numbers import NotANumber, dec, text


class Mistake(NamedTuple):
    """One thing that is wrong: where, what, and which values are right (may be empty)."""

    path: str
    message: str
    allowed: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" (allowed: {self.allowed})" if self.allowed else "")


class Invalid(ValueError):
    """A configuration that cannot be used; `mistakes` holds everything that is wrong with it."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(map(str, mistakes)))


class Key(NamedTuple):
    """What one key may hold. `of`: text, word, words, int, number, bool or table; `low` and `high` bound numbers.

    `choices`: the only words it may be.
    """

    of: str
    default: Any = None
    low: int | Decimal = 0
    high: int | Decimal = 0
    needed: bool = False
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        if self.choices:
            return ", ".join(self.choices)
        if self.of == "bool":
            return "true, false"
        if self.of in ("int", "number"):
            return f"{text(Decimal(self.low))} to {text(Decimal(self.high))}"
        return ""


_OF = {
    "text": "text in quotes", "words": "a list of texts", "int": "a whole number", "number": "a number",
    "bool": "true or false", "table": "a table", "tables": "a list of tables ([[venues]])",
}  # fmt: skip


class Reader:
    """Reads tables by their keys and collects mistakes; what was wrong is None or the default afterwards."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def wrong(self, path: str, message: str, allowed: str = "") -> None:
        """Note a mistake."""
        self.mistakes.append(Mistake(path, message, allowed))

    def table(self, found: Mapping[str, Any] | None, keys: Mapping[str, Key], path: str) -> dict[str, Any]:
        """The values of one table, defaults filled in."""
        if found is None:
            # It is missing or wrong as a whole, and that has been said.
            return {name: key.default for name, key in keys.items()}
        for name in found:
            if name not in keys:
                self.unknown(name, keys, path)
        values = {}
        for name, key in keys.items():
            where = f"{path}.{name}" if path else name
            if name in found:
                values[name] = self._value(found[name], key, where)
            else:
                values[name] = key.default
                if key.needed:
                    self.wrong(where, "is missing", key.allowed or _OF[key.of])
        return values

    def unknown(self, name: str, keys: Mapping[str, Key], path: str) -> None:
        """A key that is none: a mistake that names the nearest one."""
        said = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else repr(name)
        self.wrong(f"{path}.{said}" if path else said, f"is no key here{hint(name, keys)}", ", ".join(keys))

    def _value(self, value: Any, key: Key, path: str) -> Any:
        if key.of == "number" and isinstance(value, str | int | Decimal) and not isinstance(value, bool):
            try:
                return self._bounded(dec(value, "it"), key, path)
            except NotANumber as error:
                self.wrong(path, str(error).removeprefix("it "), key.allowed)
                return key.default
        if key.of == "int" and type(value) is int:
            return self._bounded(value, key, path)
        if key.of == "words" and isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
        kinds = {"text": str, "bool": bool, "table": dict}
        if key.choices and isinstance(value, str) and value not in key.choices:
            self.wrong(path, f"is {shown(value)}{hint(value, key.choices)}", key.allowed)
            return key.default
        if key.of in kinds and isinstance(value, kinds[key.of]):
            return value
        if key.of == "tables" and isinstance(value, list) and all(isinstance(each, dict) for each in value):
            return value
        self.wrong(path, f"is {shown(value)}; give {_OF[key.of]}", key.allowed)
        return key.default

    def _bounded(self, value: Any, key: Key, path: str) -> Any:
        if key.low <= value <= key.high:
            return value
        self.wrong(path, f"is {text(Decimal(value))}, out of range", key.allowed)
        return key.default


def hint(said: str, known: Iterable[str]) -> str:
    """Words for the nearest of the known names, to be put behind "is no such thing"; empty when none is near."""
    near = difflib.get_close_matches(said, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def shown(value: Any) -> str:
    """A value as the file has it, shortened."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value[:60]!r}"
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return str(value)[:60]


__all__ = ["Invalid", "Key", "Mistake", "Reader", "hint", "shown"]
