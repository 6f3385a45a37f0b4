"""Times of FIX logs as nanoseconds UTC, in the forms that engines and log writers print.

20240102-14:30:00.123 is the standard's. Also read: without seconds, with Z or an offset, ISO dates, a blank or T between
day and time, and counts since 1970 in seconds, milliseconds, microseconds or nanoseconds (told by their digits).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

EXAMPLE = "20260102-14:30:00.123"

_TIME = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[-T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?\s*(?:Z|UTC|([+-])(\d\d)(?::?(\d\d))?)?", re.ASCII
)
_EPOCH = {10: 1_000_000_000, 13: 1_000_000, 16: 1_000, 19: 1}
"""Nanoseconds per unit of a count since 1970, by its number of digits (true from 2001 to 2286)."""
_LONGEST = 40


@lru_cache(maxsize=4096)
def utc(value: str) -> int:
    """A time as ns since 1970. Raises `ValueError`, whose text says what would be right."""
    if len(value) > _LONGEST:
        raise ValueError(f"is {value[:_LONGEST]!r}...; a time looks like {EXAMPLE}")
    if value.isascii() and value.isdecimal() and len(value) in _EPOCH:
        return int(value) * _EPOCH[len(value)]
    found = _TIME.fullmatch(value)
    if found is None:
        raise ValueError(f"is {value!r}; a time looks like {EXAMPLE}")
    hour, minute, second = int(found[4]), int(found[5]), int(found[6] or 0)
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError(f"is {value!r}; a time is below 24:00:00")
    ahead = 0
    if found[8] is not None:
        ahead = (int(found[9]) * 60 + int(found[10] or 0)) * (60 if found[8] == "+" else -60)
    seconds = (_days(found[1], found[2], found[3]) * 24 + hour) * 3600 + minute * 60 + second - ahead
    return seconds * 1_000_000_000 + int((found[7] or "").ljust(9, "0")[:9])


@lru_cache(maxsize=64)
def _days(year: str, month: str, day: str) -> int:
    try:
        return datetime(int(year), int(month), int(day), tzinfo=UTC).toordinal() - _1970
    except ValueError as error:
        raise ValueError(f"is on {year}-{month}-{day}: {error}") from None


_1970 = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
