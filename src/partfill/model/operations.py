"""What we ask a venue: the desk's only way to speak to a market.

An operation leaves after the step that decided it is durable, never before. It names everything its adapter needs; an
adapter adds nothing and decides nothing. Quantities are units, prices quote currency per unit, times ns UTC.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from partfill.model.terms import Terms


class _Operation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", forbid_unknown_fields=True):
    venue: str
    account: str
    instrument: str
    order: int
    """partfill's number of the child order."""
    urgent: bool = False
    """True when it protects a position: it goes before everything but cancels."""


class Place(_Operation, frozen=True, tag="place"):
    """A new order under `cl_ord_id`. Sent once; whether it arrived is found out by asking, never by sending again."""

    cl_ord_id: str
    terms: Terms


class Cancel(_Operation, frozen=True, tag="cancel"):
    """Take the order off. `cl_ord_id` is this request's own id, `orig_cl_ord_id` the order's in force."""

    cl_ord_id: str
    orig_cl_ord_id: str
    order_id: str | None


class Replace(_Operation, frozen=True, tag="replace"):
    """New terms for a working order. `order_qty` is in the venue's own meaning (its `replace_qty`)."""

    cl_ord_id: str
    orig_cl_ord_id: str
    order_id: str | None
    order_qty: Decimal
    price: Decimal | None
    cum_qty: Decimal
    """What had filled when this was decided: the guard, where the venue has one."""
    tags: tuple[tuple[str, str], ...] = ()
    """Those of the order: where a replace makes a new order, it carries them on."""


class Query(_Operation, frozen=True, tag="query"):
    """Ask for the whole order, its executions included, by either id.

    Where a venue knows no ids of ours it is found by its `terms`: it was placed at `since` (ns UTC) and is none of `others`,
    which were there before (see `venues.matching`).
    """

    cl_ord_id: str
    order_id: str | None
    terms: Terms
    since: int
    others: tuple[str, ...] = ()


Operation = Place | Cancel | Replace | Query
