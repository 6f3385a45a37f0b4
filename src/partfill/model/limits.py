"""Sizes that nothing which comes in may pass, in one place.

Rules
- A limit is looked at before the work that it bounds: a text is measured before it is parsed, a list before it is walked.
- The limits stand at the doors only (`model.admit`, decoders, sockets). What an older version let in is read back without them.
- Each is far above what any venue sends, and low enough that one message never holds the loop longer than some milliseconds.
"""

from __future__ import annotations

import re

MAX_ID = 512
"""Characters of an id, a key, an instrument, a venue's or an account's name, a currency."""
MAX_TEXT = 4_000
"""Characters of free text (a reason, a raw message). What is longer is cut: a long reason is no reason to lose a fill."""
MAX_ID_BITS = 512
"""Bits of an id that is given as a whole number: token ids of 256 bits exist."""
MAX_LIST = 10_000
"""Entries of a list: executions of an order, levels of a book."""
MAX_NUMBER = 256
"""Characters of one number: sixty digits, an exponent, and more leading zeros than anybody writes."""
MAX_TIME = (1 << 63) - (1 << 40)
"""Latest time in ns: what 64 bits hold, with room for the ticks that decoders add."""
MAX_INT = (1 << 63) - 1
"""Largest whole number, up or down, that a journal holds."""
MAX_DEPTH = 32
"""Levels of nesting in JSON."""
MAX_BODY = 4 << 20
"""Bytes of one JSON text that is no line: a reply, a page."""
MAX_LINE = 1 << 20
"""Bytes of one line of recorded messages."""
MAX_SHOWN = 80
"""Characters of a wrong value that an error repeats."""

EARLIEST_NS = 100_000_000_000_000_000
"""A clock that shows more than this (March 1973) is a real one, in nanoseconds UTC."""

_UNITS = (
    (1_000_000_000, 10_000_000_000, "seconds"),
    (1_000_000_000_000, 10_000_000_000_000, "milliseconds"),
    (1_000_000_000_000_000, 10_000_000_000_000_000, "microseconds"),
)
UNITS_FROM = _UNITS[0][0]
"""No time below this is one in another unit."""
_FAR = 100
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[][{}]', re.DOTALL)


def unit_of(time: int, now: int) -> str | None:
    """The unit that `time` evidently is in when it is not nanoseconds, by the time at which it came; None where it is fine.

    Every time from 2001 to 2286 in seconds, milliseconds or microseconds falls into one of three ranges. As nanoseconds these
    are a second to ten, a quarter of an hour to three, and twelve days to 116 after 1970: no real clock has shown
    them, while a clock that begins at zero (a simulation, a test) does. Such a clock is near to what it stamps, so that a time
    counts as one of another unit only where `now` is a real time or far before it.
    """
    for low, high, unit in _UNITS:
        if low <= time < high:
            return unit if now >= EARLIEST_NS or time > _FAR * max(now, 1) else None
    return None


def too_deep(raw: str, most: int = MAX_DEPTH) -> bool:
    """Whether a JSON text is nested more than `most` levels: told from its brackets, in one pass, before it is parsed."""
    if raw.count("{") + raw.count("[") <= most:
        return False
    depth = 0
    for found in _BRACKETS.finditer(raw):
        sign = found.group()[0]
        if sign in "[{":
            depth += 1
            if depth > most:
                return True
        elif sign != '"':
            depth -= 1
    return False


def shown(value: object) -> str:
    """A wrong value as an error repeats it: never more than `MAX_SHOWN` characters, whatever it is."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 4 * MAX_SHOWN:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, str | bytes | bytearray):
        return repr(value[:MAX_SHOWN]) + ("..." if len(value) > MAX_SHOWN else "")
    if isinstance(value, list | tuple | dict | set | frozenset):
        return f"a {type(value).__name__} of {len(value)}"
    try:
        text = repr(value)
    except Exception:  # somebody else's class may do anything
        return f"a {type(value).__name__}"
    return text[:MAX_SHOWN] + ("..." if len(text) > MAX_SHOWN else "")
