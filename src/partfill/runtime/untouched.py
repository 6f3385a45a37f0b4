"""What a kill switch or a cancel does not reach: named, never passed over in silence.

Rules
- An order at a venue that is not connected here cannot be canceled from here, whatever is written.
- An order of somebody else of which nobody said what it is cannot be taken over: its terms are unknown.
- One that its venue named while a placing of ours is on its way waits until it is known whose it is.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import NamedTuple

from partfill.core.child import Child
from partfill.core.engine import Engine
from partfill.core.parent import Parent
from partfill.model.commands import EVERYWHERE
from partfill.model.words import Flag


class LeftAlone(NamedTuple):
    """An order that is not canceled: by which name it goes, where it is, and why."""

    order: str
    venue: str
    account: str
    why: str

    def __str__(self) -> str:
        return f"{self.order} at {self.venue} {self.account}".rstrip() + f": {self.why}"


class KillReport(NamedTuple):
    """What a kill switch does: how many orders it takes off, and which it does not reach."""

    orders: int = 0
    left: tuple[LeftAlone, ...] = ()


def left_alone(engine: Engine, venue: str, account: str, connected: Container[str] | None) -> Iterator[LeftAlone]:
    """Every order in the scope of a switch that may work and that it does not cancel. `connected` None: that is not known."""
    whole = venue == EVERYWHERE
    for parent in engine.desk.parents.values():
        if (whole or (parent.venue, parent.account) == (venue, account)) and parent.active:
            why = _unreached(parent, connected)
            if why is not None:
                yield LeftAlone(parent.ref, parent.venue, parent.account, why)
    for child in engine.children.values():
        if child.work is None and (whole or (child.venue, child.account) == (venue, account)):
            why = _not_ours(child)
            if why is not None:
                yield LeftAlone(child.order_id or child.cl_ord_id or f"order {child.id}", child.venue, child.account, why)


def _unreached(parent: Parent, connected: Container[str] | None) -> str | None:
    if connected is not None and parent.venue not in connected:
        return "its venue is not connected here, so nothing is canceled; cancel it there"
    if any(child.flags & Flag.QUARANTINED for child in parent.active):
        return "it is in quarantine, so nothing is sent for it; look at the venue and cancel it there"
    return None


def _not_ours(child: Child) -> str | None:
    if child.flags & Flag.QUARANTINED:
        return "it is in quarantine and was not placed here; look at the venue and cancel it there"
    if child.flags & Flag.UNCLAIMED:
        return "it may be an order of ours that is on its way; it is canceled once that is known"
    if not child.known and child.works and (child.order_id or child.cl_ord_id):
        return "it was not placed here and what it is was never said, so nothing is canceled; cancel it at the venue"
    return None


def unreachable(engine: Engine, parent: Parent | None, place: tuple[str, str, str], connected: Container[str]) -> str | None:
    """Why nothing can be canceled or changed under a name; None where it can, or where the engine says why not."""
    venue, account, ref = place
    if parent is not None:
        if venue in connected or parent.done is not None:
            return None
        return f"{ref} is at {venue}, which is not connected here: nothing is canceled or changed; do it at the venue"
    ledger = engine.index.by_order.get((venue, account, ref))
    child = ledger.child if ledger is not None else engine.index.by_client.get((venue, account, ref))
    if child is None:
        return None
    if child.work is not None:
        return f"{ref} is an id of order {child.work.parent.ref}; name that one"
    return f"{ref} is not our order: it was observed, neither placed nor tracked here, so nothing is canceled; track it first"


__all__ = ["KillReport", "LeftAlone", "left_alone", "unreachable"]
