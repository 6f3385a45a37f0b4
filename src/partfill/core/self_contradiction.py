"""Statements that contradict themselves: an order at work of which more has filled and works than it is for.

    cum 70 and leaves 70 of 100, in one message  ->  its total is a reason to ask  ->  the second answer that says so counts

Rules
- Only numbers that are printed in the same message can contradict: cum + leaves above the quantity, or cum alone, while the
  order works. What another message said is no measure: terms change.
- Not while a replace is pending, since such reports mix the terms of before and after; not of orders sized in cash; not of a
  replace whose quantity is what is to be open. Prices have no bounds here.
- The executions in such a message count as always. Its total does not, until a second answer says the same.
- The order is marked and a person is told, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core.effects import Effects
from partfill.core.ledger import Ledger
from partfill.model.capabilities import ReplaceQty
from partfill.model.events import AlarmKind
from partfill.model.numbers import ZERO, add, text
from partfill.model.observations import OrderSnapshot
from partfill.model.words import ExecType, Flag, OrdStatus

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.core.engine import Engine

_OVER = frozenset(
    {OrdStatus.CANCELED, OrdStatus.EXPIRED, OrdStatus.REJECTED, OrdStatus.CALCULATED, OrdStatus.FILLED, OrdStatus.DONE_FOR_DAY}
)
_ENDS = frozenset({ExecType.CANCELED, ExecType.EXPIRED, ExecType.REJECTED, ExecType.CALCULATED, ExecType.DONE_FOR_DAY})


def only_a_hint(engine: Engine, child: Child, ledger: Ledger, s: OrderSnapshot, effects: Effects) -> bool:
    """Whether the total of a statement is not believed, since the same message contradicts it. Says so once."""
    if s.order_qty is None or s.cum_qty is None or not _contradicts_itself(child, s):
        return False
    if child.mark(Flag.CONTRADICTION):
        open_qty = "" if s.leaves_qty is None else f" and {text(s.leaves_qty)} at work"
        said = f"one message says {text(s.cum_qty)} filled{open_qty} of {text(s.order_qty)}: its total does not count"
        engine.alarm(effects, child, AlarmKind.CONTRADICTION, said)
    if s.cum_qty <= ledger.cum:
        return False
    effects.query = True
    if s.asked is None:
        return True
    numbers = (s.cum_qty, s.leaves_qty, s.order_qty)
    if child.odd is not None and child.odd[1:] == numbers and s.asked > child.odd[0]:
        child.odd = None
        return False
    if child.odd is None or child.odd[1:] != numbers:
        effects.touch(child)
        child.odd = (s.asked, *numbers)
    return True


def _contradicts_itself(child: Child, s: OrderSnapshot) -> bool:
    assert s.order_qty is not None
    assert s.cum_qty is not None
    total = s.cum_qty if s.leaves_qty is None else add(s.cum_qty, s.leaves_qty)
    if total <= s.order_qty or s.order_qty == ZERO:
        return False
    if child.cash_qty is not None or s.cash_order_qty is not None:
        return False
    if s.ord_status in _OVER or s.exec_type in _ENDS:
        return False
    if s.ord_status is OrdStatus.PENDING_REPLACE or s.exec_type is ExecType.PENDING_REPLACE:
        return False
    return not (s.exec_type is ExecType.REPLACED and child.rules.replace_qty is ReplaceQty.OPEN)
