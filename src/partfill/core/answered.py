"""Whether the venue's own words have closed a request that is in flight.

Rules
- A placing is answered by the first word about the order.
- A cancel or replace is answered by a report about it. A cancel is by the end of the order, too.
- An end while a replace is in flight may be that of the id from which the order goes on: the reply, or a question, will tell.
  It is no other id's where the replace asks for no more than has filled, and the venue cancels such an order.
"""

from __future__ import annotations

from partfill.core.answers import heard_of
from partfill.core.child import Child
from partfill.core.lifecycle import Fact
from partfill.core.parent import Work
from partfill.model.capabilities import BelowCum, Chain
from partfill.model.words import Request


def _by_the_replace(child: Child, work: Work) -> bool:
    """Whether the replace itself ended it: it asks for no more than has filled, at a venue that cancels then."""
    return child.rules.below_cum is BelowCum.CANCEL and work.target is not None and child.cum >= work.target[0]


def is_answered(child: Child, work: Work) -> bool:
    """Whether the venue's own words have closed the request in flight."""
    if work.request is Request.PLACE:
        return heard_of(child)
    # By its own word, whatever has filled since: more than it was for may have, under the terms that were asked for.
    canceled = bool(child.ledger.ends & Fact.CANCELED)
    named = work.request_id in (child.ids or ())
    if work.request is Request.REPLACE and canceled and not named and not _by_the_replace(child, work):
        return False
    # A request that the venue has acknowledged is not answered yet.
    if work.request_id not in (child.in_flight or ()) and work.request_id not in (child.requests or ()):
        return True
    if child.open_at_venue:
        return False
    # It has ended. A replace may still make it go on, where that has a new id or reopens a filled order.
    return work.request is Request.CANCEL or (not child.works and child.rules.chain is Chain.CONTINUES)
