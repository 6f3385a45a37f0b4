"""Requests for protection that failed, and those that were made again: counted while they happen.

    lanes: a request or question of a protective order leaves ─┐
    bus: it was refused, ended, or was not answered ───────────┴─▶ failures by kind, retries by request

Rules
- A protective order is one that has a leg, or trades back what legs closed too much. Others are not counted.
- A failure is a request that the venue or a breaker refused, one that was not answered, and an order that ended by itself while
  it was wanted. Each counts once: what was not answered and turns out to have done nothing is one failure.
- An order that takes what is there at once and got a part has not failed.
- A retry is a cancel or replace after one in vain, or an order after a replace in vain, or after an order, of the same leg that
  failed. The next size of a burst of fills is none, and neither is what a new position needs.
- What is no longer wanted is neither: an order that was stopped while it waited here was refused by nobody.
- How often a request was in vain is read from the engine as the question about it is queued, which is the same step, or as the
  next request of its leg is. What happened to an order in an earlier life is not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from partfill.core.child import Child
from partfill.core.engine import Engine
from partfill.core.parent import Parent, Work
from partfill.model.events import OutcomeUnknown, ProtectionChanged, StatusChanged
from partfill.model.operations import Operation, Place, Query, Replace
from partfill.model.words import OrdStatus, Request, TimeInForce
from partfill.runtime.bus import Told

MOST = 1000
"""Orders that are remembered before those that left memory are looked for."""
_ENDS = (OrdStatus.REJECTED, OrdStatus.CANCELED, OrdStatus.EXPIRED)


class Failure(StrEnum):
    """How a request for protection came to nothing."""

    REFUSED = "refused"
    UNANSWERED = "unanswered"
    ENDED = "ended"
    """The order worked, and ended by itself."""


class Attempts:
    """Counts of one manager, whose engine `engine` gives: subscribe `hear` to its bus, and `leaves` to its lanes."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine
        self.failures = dict.fromkeys(Failure, 0)
        self.retries = dict.fromkeys(Request, 0)
        self._seen: dict[int, tuple[int, Request]] = {}
        """Order -> how many of its requests in vain are counted, since one had an effect, and what the newest asks for."""
        self._room = MOST
        self._silent: set[int] = set()
        """Orders whose newest request was not answered: that is counted."""
        self._owed: dict[int, set[str]] = {}
        """Number of a protection -> its legs that lack what the last request was to bring."""

    def hear(self, told: Told) -> None:
        """Count one event."""
        event = told.event
        if type(event) is OutcomeUnknown:
            if self._of(event.order) is not None:
                self.failures[Failure.UNANSWERED] += 1
                self._silent.add(event.order)
        elif type(event) is StatusChanged and event.ord_status in _ENDS:
            found = self._of(event.order)
            if found is not None:
                self._ended(event, *found)
        elif type(event) is ProtectionChanged and not event.qty:
            protection = self._engine().desk.protections.get((event.venue, event.account, event.instrument, event.side))
            if protection is not None:
                self._owed.pop(protection.number, None)

    def leaves(self, op: Operation) -> None:
        """Count one operation, as it is queued."""
        found = self._of(op.order)
        if found is None:
            return
        child, work = found
        self._in_vain(child, work)
        if type(op) is Query:
            return
        request = Request.PLACE if type(op) is Place else Request.REPLACE if type(op) is Replace else Request.CANCEL
        self._seen[op.order] = (work.tries, request)
        self._silent.discard(op.order)
        if request is Request.PLACE:
            for other in work.parent.active:
                if other.work is not None:
                    self._in_vain(other, other.work)
        owed = self._owed.get(work.parent.guards or 0, set())
        leg = _leg(work.parent)
        if work.tries or (request is Request.PLACE and leg in owed):
            self.retries[request] += 1
        if request is not Request.CANCEL:
            owed.discard(leg)
        if len(self._seen) > self._room:
            here = self._engine().children
            self._seen = {number: seen for number, seen in self._seen.items() if number in here}
            self._silent &= here.keys()
            self._room = max(MOST, 2 * len(self._seen))

    def _in_vain(self, child: Child, work: Work) -> None:
        """Count what was in vain since the last time, but for what was not answered and is counted."""
        before, request = self._seen.get(child.id, (work.tries, None))
        if work.tries > before:
            self.failures[Failure.REFUSED] += work.tries - before - (child.id in self._silent)
            if request is Request.REPLACE:
                self._owe(work.parent)
        if request is not None:
            self._seen[child.id] = (work.tries, request)

    def _owe(self, parent: Parent) -> None:
        self._owed.setdefault(parent.guards or 0, set()).add(_leg(parent))

    def _ended(self, event: StatusChanged, child: Child, work: Work) -> None:
        silent = event.order in self._silent
        self._silent.discard(event.order)
        parent = work.parent
        if work.retarget or work.leaving or not self._is_wanted(parent):
            return
        if event.ord_status is OrdStatus.REJECTED:
            self.failures[Failure.REFUSED] += not silent
        elif event.cum_qty and child.tif is TimeInForce.IOC:
            return
        else:
            self.failures[Failure.ENDED] += 1
        self._owe(parent)

    def _is_wanted(self, parent: Parent) -> bool:
        """Whether nobody stopped the order: it goes on, or its leg notes that it ended by itself."""
        if parent.stop is None:
            return True
        protections = self._engine().desk.protections.values()
        legs = (guard for protection in protections if protection.number == parent.guards for guard in protection.guards)
        return any(guard.tries and _leg(parent).split(":", 2)[2] == guard.leg.name for guard in legs)

    def _of(self, number: int) -> tuple[Child, Work] | None:
        """The order, where it protects."""
        child = self._engine().children.get(number)
        if child is None or child.work is None or child.work.parent.guards is None:
            return None
        return child, child.work


def _leg(parent: Parent) -> str:
    """What all orders of one leg have in common; of those that trade back, nothing else has their number."""
    return parent.ref.rpartition(":")[0]


__all__ = ["Attempts", "Failure"]
