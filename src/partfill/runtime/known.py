"""Orders by the user's own `ref`: a known one is that order for ever, also when it has left memory; only new ones are checked.

A submit that is sent again, because its answer was lost, must find its order whatever has changed since: the venue may list the
instrument no more, the queue may be full, the kill switch may be on. So the checks of a new order are for new orders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core.parent import Parent
from partfill.model.observations import OrderSnapshot
from partfill.model.terms import Terms
from partfill.runtime import listing
from partfill.runtime.refusals import Busy, Refused
from partfill.venues.protocol import Forgets

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager


def parent_of(manager: FillManager, venue: str, account: str, ref: str) -> Parent | None:
    """The order of this `ref`, brought back where it has left memory; None where there is none."""
    return manager.journal.keeper.parent(venue, account, ref)


def begin_anew(manager: FillManager, venue: Forgets) -> None:
    """Tell a venue that forgets with its process of the life that the journal knows, if it does."""
    name = venue.name
    if not manager.journal.reader.accounts(name):
        return
    venue.begin_anew([
        OrderSnapshot(
            venue=name, account=child.account, order_id=child.order_id, cl_ord_id=child.cl_ord_id, instrument=child.instrument,
            side=child.side, order_qty=child.order_qty, cum_qty=child.cum,
        )
        for child in manager.engine.children.values()
        if child.venue == name and child.order_id is not None and child.awaited
    ])  # fmt: skip


def check_new(manager: FillManager, venue: str, account: str, terms: Terms, most: int) -> None:
    """Raises `Refused` for an order that the venue does not take from this account, `Busy` while `most` operations wait."""
    manager.check_place(venue, account)
    fault = listing.wrong_with(venue, terms, manager.venues[venue].instruments)
    if fault is not None:
        raise Refused(fault)
    if manager.lanes.waiting >= most:
        raise Busy(f"{manager.lanes.waiting} operations wait for the venues; submit again later")


__all__ = ["begin_anew", "check_new", "parent_of"]
