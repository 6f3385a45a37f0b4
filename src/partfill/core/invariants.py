"""The invariants that concern one order, asserted after every step, always on.

Numbers are those of the twenty invariants of order state that the design rests on (docs/invariants.md lists all).
A broken one raises `Broken`; the engine puts that order into quarantine and goes on with the others.
"""

from __future__ import annotations

from decimal import Decimal

from partfill.core.child import Child
from partfill.core.ledger import Ledger
from partfill.model.numbers import ZERO, add, mul
from partfill.model.words import OrdStatus

_FILLED = OrdStatus.FILLED


class Broken(Exception):
    """An invariant does not hold; the message has its number and the values."""


def check(child: Child, ledger: Ledger, before: Decimal, published: Decimal) -> None:
    """Everything about one order that can be said in O(1). `published` is the net quantity of this step's events."""
    cum, itemised = ledger.cum, ledger.itemised
    if cum is not itemised or ledger.claimed > itemised:
        if cum < itemised or cum < ledger.claimed or (cum != itemised and cum != ledger.claimed) or itemised < ZERO:
            raise Broken(f"1 ledger: cum {cum} of {itemised} itemised and {ledger.claimed} claimed")
    cum, total, leaves = child.cum, child.order_qty, child.leaves
    if total is None:
        if leaves:
            raise Broken(f"4 leaves: {leaves} on an order whose quantity is not known")
        if child.cash_qty is None:
            return
    if cum is not ledger.cum and len(child.ledgers) == 1 and cum != ledger.cum:
        raise Broken(f"1 ledger: the order says {cum}, its only ledger {ledger.cum}")
    if add(before, published) != cum:
        raise Broken(f"1 ledger: cum went from {before} to {cum} and {published} was published")
    low, high = ledger.low, ledger.high
    if low is not None and high is not None and itemised and not ledger.unpriced and ledger.scales is None:
        notional = ledger.notional
        if low is high:
            if notional != mul(low, itemised):
                raise Broken(f"3 average: {notional} for {itemised} at {low}")
        elif notional < mul(low, itemised) or notional > mul(high, itemised):
            raise Broken(f"3 average: {notional} for {itemised} between {low} and {high}")
    if total is None:
        return
    if leaves:
        if (child.facts | child.ledger.ends) & child.end_mask or leaves < ZERO:
            raise Broken(f"4 leaves: {leaves} on an order that has ended, or below zero")
        if add(cum, leaves) > total:
            raise Broken(f"5 conservation: {cum} filled and {leaves} left of {total}")
    elif child.status is _FILLED and not cum >= total > ZERO:
        raise Broken(f"7 status: Filled with {cum} of {total}")


def check_whole(child: Child) -> None:
    """The sums over all rows: O(executions), for recovery, verification and tests."""
    for ledger in child.ledgers:
        itemised, notional, unpriced, count = ledger.recount()
        if (itemised, notional, unpriced, count) != (ledger.itemised, ledger.notional, ledger.unpriced, ledger.count):
            raise Broken(
                f"1 ledger: rows add up to {itemised} units, {notional} value, {unpriced} unpriced, {count} executions; "
                f"the totals say {ledger.itemised}, {ledger.notional}, {ledger.unpriced}, {ledger.count}"
            )
    if child.sum_cum() != child.cum:
        raise Broken(f"1 ledger: ledgers add up to {child.sum_cum()}, the order says {child.cum}")
    canceled = child.canceled_qty
    if canceled is not None and canceled < ZERO:
        raise Broken(f"5 conservation: {canceled} canceled of {child.peak_qty}")
