"""Executions that a ruling sets aside, and the total that it puts in the place of earlier ones.

Rules
- A ruling as of R drops every claim up to R and stands as a claim itself. One that comes later and is of R or before is dropped
  too: what rules is the same for every order of arrival.
- An execution set aside counts like a void one, from just before R on, so that the total of R itself is not reduced by it. It
  is a case without the venue's void: a void or a correction by the venue takes its place, and listed again it counts.
- What a ruling takes from a total beside executions does not work again either, where the venue's answer shows no more open.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core.claims import admit
from partfill.core.corrections import Void
from partfill.core.doubts import Doubt
from partfill.model.numbers import ZERO, add, sub

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.core.ledger import Ledger
    from partfill.model.observations import OrderSnapshot


def rule(ledger: Ledger, at: int, total: Decimal, avg: Decimal | None, void: tuple[str, ...], *, reopens: bool) -> None:
    """As of `at` (ns UTC) the total was `total`, and the executions `void` are none of it. Those may still be to come."""
    doubt = ledger.doubt = ledger.doubt or Doubt()
    doubt.ruled_at = max(doubt.ruled_at, at)
    before = add(ledger.cum, ledger.off)
    for key in void:
        root = ledger.root(key)
        case = ledger.open_case(root)
        if case.void is None:
            case.void = Void(at - 1, reopens, era=ledger.era)
            doubt.aside.append(root)
            ledger.derive_row(root, case)
    ledger.claims = admit(tuple(claim for claim in ledger.claims if claim[0] > at), (at, total, avg))
    ledger.rejoin()
    if not reopens:
        # What was taken from the total alone has no execution that could say so.
        _take_off(ledger, doubt, sub(before, add(ledger.cum, ledger.off)))


def open_by(child: Child, ledger: Ledger, leaves: Decimal | None) -> None:
    """The answers that were ruled by say what is open: no more than that is, whatever else was not heard of."""
    child.cum = child.sum_cum()
    child.settle()
    if leaves is not None and ledger.doubt is not None and ledger is child.ledger and child.leaves > leaves:
        _take_off(ledger, ledger.doubt, sub(child.leaves, leaves))
        child.settle()


def works_again(child: Child, ledger: Ledger, s: OrderSnapshot, as_of: int) -> None:
    """A statement after a ruling, of just what is known to have filled, says that more is open: that much works again."""
    doubt = ledger.doubt
    if doubt is None or not doubt.off or ledger is not child.ledger or as_of <= doubt.ruled_at:
        return
    if s.leaves_qty is None or s.cum_qty != ledger.cum:
        return
    more = sub(s.leaves_qty, child.leaves)
    if more > ZERO and child.open_at_venue:
        _take_off(ledger, doubt, max(more.copy_negate(), doubt.off.copy_negate()))
        child.settle()


def _take_off(ledger: Ledger, doubt: Doubt, qty: Decimal) -> None:
    if qty:
        doubt.off = max(ZERO, add(doubt.off, qty))
        ledger.sum_off()


def count_again(ledger: Ledger, key: str) -> None:
    """What was set aside counts: the venue lists it again, corrects it, or is about to void it."""
    assert ledger.cases is not None
    case = ledger.cases[key]
    case.void = None
    if case.first is not None or case.versions:
        ledger.derive_row(key, case)


def lift(ledger: Ledger, key: str) -> bool:
    """Before the venue's own word on `key`: it is set aside no more. True when it was."""
    doubt = ledger.doubt
    if doubt is None or key not in doubt.aside:
        return False
    doubt.aside.remove(key)
    count_again(ledger, key)
    return True


def too_late(ledger: Ledger, as_of: int) -> bool:
    """Whether a claim is of the time that was ruled on."""
    return ledger.doubt is not None and as_of <= ledger.doubt.ruled_at
