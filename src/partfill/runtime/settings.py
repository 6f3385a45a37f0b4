"""Settings of the fill manager, under the names of `[execution.fill_management]`, from code or from the environment.

    PARTFILL_POLL_INTERVAL_MS=15000 PARTFILL_MIN_RESUBMIT_SIZE=0.5 partfill run desk.toml

Rules
- Every key has a variable: `PARTFILL_` and the key in capitals. What is set there goes before what stands elsewhere.
- It is read as strictly as a file: every mistake is named by its variable, all at once, with what would be right. A variable
  `PARTFILL_...` that is no setting is a mistake too: a misspelt one must not silently be off.
- A number with a point is the decimal that is written there, never a float.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from partfill.core.waiting import MANY
from partfill.model.commands import MAX_ATTEMPTS, Resubmit
from partfill.model.numbers import ZERO, NotANumber, dec, require, text
from partfill.runtime import keys

PREFIX = "PARTFILL_"
ELSEWHERE = frozenset({keys.VARIABLE})
"""Variables that are no settings and are read elsewhere."""
HOUR_MS = 3_600_000
BOUNDS: Mapping[str, tuple[int | Decimal, int | Decimal]] = {
    "min_resubmit_size": (ZERO, Decimal(10) ** 18),
    "poll_interval_ms": (10, HOUR_MS),
    "max_resubmit_attempts": (0, MAX_ATTEMPTS),
    "retry_ms": (1, HOUR_MS),
    "retry_max_ms": (1, HOUR_MS),
    "alarm_after_failures": (1, 1000),
    "watch_ms": (10, 60_000),
}
"""Lowest and highest value of every key that is a number."""


class FillManagement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fills are followed and what becomes of remainders. Raises `NotANumber` for a value out of `BOUNDS`.

    `enabled` False: track and poll, and never place anything by itself. `auto_resubmit` applies to orders that do not
    say otherwise; `min_resubmit_size` is in units, `poll_interval_ms` milliseconds between polls while orders work.

    `retry_ms`: milliseconds before a read of history that failed is tried again; they double up to `retry_max_ms`. Reads
    are tried for ever; after `alarm_after_failures` failures in a row a person is told. Requests are never tried again.
    `watch_ms`: milliseconds between looks at a market whose prices are watched here, since its venue has no stops.
    """

    enabled: bool = True
    auto_resubmit: bool = False
    min_resubmit_size: Decimal = Decimal(10)
    poll_interval_ms: int = 1000
    max_resubmit_attempts: int = 3
    retry_ms: int = 250
    retry_max_ms: int = 30_000
    alarm_after_failures: int = MANY
    watch_ms: int = 250

    def __post_init__(self) -> None:
        require(self.min_resubmit_size, "min_resubmit_size")
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise NotANumber(f"{name} is {value}; it is {bounds(name)}")

    @property
    def resubmit(self) -> Resubmit | None:
        """The rule for orders that bring none."""
        if not (self.enabled and self.auto_resubmit):
            return None
        return Resubmit(min_resubmit_size=self.min_resubmit_size, max_resubmit_attempts=self.max_resubmit_attempts)

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str] | None = None, *, over: FillManagement | None = None
    ) -> FillManagement:
        """`over` (the defaults) with what the environment sets; `environ` is that of the process.

        Raises `WrongVariables` with every mistake.
        """
        found, mistakes = from_environment(os.environ if environ is None else environ)
        if mistakes:
            raise WrongVariables(mistakes)
        return msgspec.structs.replace(cls() if over is None else over, **found)


class WrongVariable(NamedTuple):
    """One mistake of the environment: which variable, what is wrong, and which values are right (may be empty)."""

    variable: str
    message: str
    allowed: str = ""

    def __str__(self) -> str:
        return f"{self.variable}: {self.message}" + (f" (allowed: {self.allowed})" if self.allowed else "")


class WrongVariables(ValueError):
    """Variables that cannot be; `mistakes` holds all of them, the message one a line."""

    def __init__(self, mistakes: list[WrongVariable]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(map(str, mistakes)))


def bounds(name: str) -> str:
    """The range of a key in words: "10 to 3600000"."""
    low, high = BOUNDS[name]
    return f"{text(Decimal(low))} to {text(Decimal(high))}"


def from_environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[WrongVariable]]:
    """(values by key, mistakes) of every variable that begins with `PREFIX`."""
    known = {PREFIX + field.name.upper(): field for field in msgspec.structs.fields(FillManagement)}
    found: dict[str, Any] = {}
    mistakes: list[WrongVariable] = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in ELSEWHERE:
            continue
        field = known.get(variable)
        if field is None:
            near = difflib.get_close_matches(variable, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            mistakes.append(WrongVariable(variable, f"is no setting{hint}", ", ".join(known)))
            continue
        value = _read(environ[variable], field.type, field.name)
        if isinstance(value, str):
            allowed = bounds(field.name) if field.name in BOUNDS else "true, false"
            mistakes.append(WrongVariable(variable, value, allowed))
        else:
            found[field.name] = value
    return found, mistakes


def _read(said: str, kind: Any, name: str) -> bool | int | Decimal | str:
    """The value of one variable, or in words what is wrong with it."""
    shown = f"is the text {said[:60]!r}"
    if kind is bool:
        return {"true": True, "false": False}.get(said, f"{shown}; give true or false")
    if kind is int and not re.fullmatch(r"-?[0-9]{1,18}", said, re.ASCII):
        return f"{shown}; give a whole number"
    try:
        value = int(said) if kind is int else dec(said, "it")
    except NotANumber:
        return f"{shown}; give a number"
    low, high = BOUNDS[name]
    return value if low <= value <= high else f"is {text(Decimal(value))}, out of range"
