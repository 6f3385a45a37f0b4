"""Whether the venue's own words have closed a request that is in flight.

Rules
- A placing is answered by the first word about the order.
- A cancel or replace is answered by a report about it. A cancel is by the end of the order, too.
- An end while a replace is in flight may be that of the id from which the order goes on: the reply, or a question, will tell.
"""

from __future__ import annotations

from partfill.core.answers import heard_of
from partfill.core.child import Child
from partfill.core.parent import Work
from partfill.model.capabilities import Chain
from partfill.model.words import OrdStatus, Request


def is_answered(child: Child, work: Work) -> bool:
    """Whether the venue's own words have closed the request in flight."""
    if work.request is Request.PLACE:
        return heard_of(child)
    if work.request is Request.REPLACE and child.status is OrdStatus.CANCELED and work.request_id not in (child.ids or ()):
        return False
    # A request that the venue has acknowledged is not answered yet.
    if work.request_id not in (child.in_flight or ()) and work.request_id not in (child.requests or ()):
        return True
    if child.open_at_venue:
        return False
    # It has ended. A replace may still make it go on, where that has a new id or reopens a filled order.
    return work.request is Request.CANCEL or (not child.works and child.rules.chain is Chain.CONTINUES)
