"""Orders of others at venues that know no id of ours: which orders cannot be the one whose reply was lost.

Rules
- An order whose id was heard of before our request left is not ours, whatever its terms are. Orders are numbered as they are
  first heard of, ours when they are placed: a lower number was there before.
- Its id goes along with every question about ours (`Query.others`), so that the venue's side does not offer it.
- An answer that names it all the same is no answer. Nor is one that offers several orders: none is taken for ours, a person is
  told, and the question stays open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core.effects import Effects
from partfill.model.capabilities import ClientId
from partfill.model.commands import Looked
from partfill.model.events import AlarmKind
from partfill.model.words import Flag

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.core.engine import Engine


def others(engine: Engine, child: Child) -> tuple[str, ...]:
    """Order ids that were there before `child` was placed, and may be taken for it; none where the venue knows our ids."""
    if child.rules.client_id is not ClientId.NONE or child.order_ids:
        return ()
    found: list[str] = []
    for each in engine.children.values():
        # Orders that are over may have left memory: an answer that names one of them is caught all the same.
        if (
            each.id < child.id
            and each.open
            and each.venue == child.venue
            and each.account == child.account
            and not child.contradicts(each.instrument, each.side)
        ):
            found.extend(each.order_ids)
    return tuple(sorted(found))


def not_ours(engine: Engine, child: Child, answer: Looked, effects: Effects) -> bool:
    """Whether an answer about `child` names orders of others, or several. Says so once."""
    said = None
    several = list(dict.fromkeys(answer.candidates))
    if len(several) > 1:
        names = ", ".join(several[:5])
        said = f"{len(several)} orders at the venue may be {child.cl_ord_id} ({names}): none is taken for it"
    elif answer.order is not None and child.rules.client_id is ClientId.NONE:
        found = engine.index.by_order.get((child.venue, child.account, answer.order.order_id or ""))
        other = None if found is None else found.child
        if other is not None and other is not child and other.id < child.id:
            said = f"order {answer.order.order_id} was there before {child.cl_ord_id} was placed: it is not taken for it"
    if said is None:
        return False
    effects.touch(child)
    if child.mark(Flag.ID_CONFLICT):
        engine.alarm(effects, child, AlarmKind.ID_CONFLICT, f"{said}; an operator has to look what works there")
    return True
