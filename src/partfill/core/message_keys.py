"""The identity of a venue's message: its key and what it says.

Theory. Venues promise that a message key (FIX ExecID) is unique, and some print the order's id in every report. So a repeat
is a message with a known key that says the same. A known key with other content is evidence like any other: its executions,
its total and its end count. What would count twice does not: a reduction, a split, a new day, a replace to an open quantity.

What a message says is everything in it but our own stamps (`as_of`); the venue's time is part of it.
"""

from __future__ import annotations

from enum import Enum

from partfill.core.child import Child
from partfill.model.observations import OrderSnapshot


class Known(Enum):
    """What is known of a message key."""

    NEW = 0
    CONTENT = 1
    """The key is known; what the message says is new."""
    REPEAT = 2


def note(child: Child, s: OrderSnapshot) -> Known:
    """Remember a keyed report, and say whether it was known."""
    assert s.key is not None
    said = s.content()
    seen = child.seen
    first = None if seen is None else seen.get(s.key)
    if first is None:
        child.remember(s.key, said)
        return Known.NEW
    again = f"{s.key}\x1f{said}"
    if first == said or (seen is not None and again in seen):
        return Known.REPEAT
    child.remember(again, said)
    return Known.CONTENT


def is_repeat(child: Child, s: OrderSnapshot, day_ns: int) -> bool:
    """Whether a report was heard before: key and content, on the same trading day unless it has the venue's time in it."""
    if s.key is None or child.seen is None:
        return False
    first = child.seen.get(s.key)
    if first is None:
        return False
    said = s.content()
    if first != said and f"{s.key}\x1f{said}" not in child.seen:
        return False
    return s.venue_time is not None or s.as_of is None or s.as_of // day_ns == child.heard // day_ns
