"""When a part of a protective order is placed anew: later and later while such orders are refused, or end by themselves."""

from __future__ import annotations

from partfill.core.parent import Parent
from partfill.core.waiting import BACKOFF_MAX_NS, backoff
from partfill.model.words import OrdStatus

_ENDED = (OrdStatus.REJECTED, OrdStatus.CANCELED, OrdStatus.EXPIRED)


def in_vain(parent: Parent) -> tuple[int, int]:
    """(how many of its newest orders came to nothing by themselves, when the last of these was heard of), ns UTC."""
    count, last = 0, 0
    for child in reversed(parent.children):
        work = child.work
        assert work is not None
        if not work.settled:
            continue
        if child.status not in _ENDED or work.retarget or child.updated - work.sent_at > BACKOFF_MAX_NS:
            # It filled, was taken off by us, or had worked for long.
            break
        count += 1
        last = max(last, child.updated)
    return count, last


def again_at(parent: Parent) -> int:
    """Not before this time is what is missing placed beside what works (ns UTC); 0 for at once."""
    count, last = in_vain(parent)
    return last + backoff(count, parent.retry) if count else 0
