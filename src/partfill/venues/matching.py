"""Which of a venue's orders is ours, where the venue knows no id of ours and the reply to our request was lost.

    orders that the venue lists  ->  the same terms  ->  not there before, not older than the request  ->  one, none or several

Rules
- Instrument, side, quantity and price must be the same. What the venue does not print is no difference.
- An id that any list showed before our request left is not ours (`Query.others`).
- A creation time decides only beyond `SKEW_NS`: clocks differ.
- Two that fit are two: neither is ours, until a person has looked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from partfill.model.observations import OrderSnapshot
from partfill.model.operations import Query

SKEW_NS = 5_000_000_000
"""By how much a venue's clock may differ from ours."""


class Listed(NamedTuple):
    """One order as a venue lists it. `created`: by the venue's clock, ns UTC; None where it does not say."""

    order: OrderSnapshot
    created: int | None = None


def candidates(op: Query, listed: Iterable[Listed]) -> list[OrderSnapshot]:
    """Those of the listed orders that may be the one which is asked for, as listed; each id once."""
    found: dict[str, OrderSnapshot] = {}
    for order, created in listed:
        if order.order_id is None or order.order_id in op.others:
            continue
        if created is not None and created < op.since - SKEW_NS:
            continue
        if _alike(op, order):
            found.setdefault(order.order_id, order)
    return list(found.values())


def _alike(op: Query, order: OrderSnapshot) -> bool:
    terms = op.terms
    pairs = (
        (op.instrument, order.instrument), (terms.side, order.side), (terms.order_qty, order.order_qty),
        (terms.price, order.price), (terms.stop_px, order.stop_px),
    )  # fmt: skip
    return all(theirs is None or ours == theirs for ours, theirs in pairs)
