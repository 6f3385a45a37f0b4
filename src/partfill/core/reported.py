"""Reports of partial fills by another system: each calls for one decision on the rest of an order that is known here.

Rules
- Nothing of it is booked. What filled is what executions and the venue say; a report only asks to look at the rest now.
- One event, one decision: a report whose event is no newer than the newest one of its order changes nothing, also after a
  restart.
- Where there is no rest to decide on (nothing has filled here, it has ended, it is being taken off), nothing changes. Between
  one order and the next the decision is owed.
- An order that has no policy takes the one that comes with the report, and keeps it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core.effects import Effects
from partfill.core.handling import Handling, undecided, want
from partfill.model.commands import Reported

if TYPE_CHECKING:
    from partfill.core.desk import Desk


def reported(desk: Desk, r: Reported, effects: Effects) -> None:
    """Another system reports a partial fill of one parent."""
    parent = desk.by_ref.get((r.venue, r.account, r.ref))
    if parent is None or parent.done is not None or parent.stop is not None or parent.halted:
        return
    if not parent.cum or not parent.rest:
        # An order sized in cash has no rest that could be told either.
        return
    handling = parent.handling
    if handling is not None and r.event_ts <= handling.reported:
        desk.engine.counters.duplicates += 1
        return
    if handling is None:
        if r.policy is None:
            return
        # No chase has moved its price yet: what stands there is what the user asked for last.
        handling = parent.handling = Handling(r.policy, parent.price)
    effects.parent(parent)
    handling.reported = r.event_ts
    if undecided(parent) is None:
        handling.owed = True
        return
    want(desk, parent, handling, effects)
    effects.called = handling.event
