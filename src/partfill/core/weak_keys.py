"""Keys that are made here, since the venue gives none: they give way to its complete list, where that adds up to its own total.

    a list whose sum is the total that it is printed with  ->  what it lacks is set aside, what it has counts

Theory of operation. Where a venue names no executions, a key is composed (an activity and the place of a row in it) or counted
(the second of the list). When an activity grows, or a list comes back in another order, the same fills have other keys, and a
sum over keys counts them twice. But such a venue prints its whole list with every answer, and the total beside it: where those
two agree they are the truth, and the keys are only names.

Rules
- It holds at venues that say so (`Capabilities.keys_made`), for lists that are complete, and whose sum is the printed total.
- A list that is older than the newest such list adds nothing.
- A list whose total is below one that the venue has printed is not believed here: it may lag. It is weighed like every answer
  that says less than was heard (`rulings`), and none of its names counts.
- What is set aside is not void, and what is changed was not taken off: the quantity has other names now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core import asides, fills
from partfill.core.corrections import Version
from partfill.core.doubts import Doubt
from partfill.core.effects import Effects
from partfill.core.ledger import Ledger
from partfill.model.numbers import ZERO, add, sub
from partfill.model.observations import Execution, OrderSnapshot

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.core.engine import Engine


def believed(engine: Engine, child: Child, ledger: Ledger, s: OrderSnapshot, now: int, effects: Effects) -> OrderSnapshot:
    """Bring the ledger in line with a list that is whole; returns the statement with the executions that are still to book."""
    if s.executions is None or s.cum_qty is None or not child.rules.executions_complete:
        return s
    single = [e for e in s.executions if e.leg is None]
    legs = tuple(e for e in s.executions if e.leg is not None)
    whole = ZERO
    for e in single:
        whole = add(whole, e.qty)
    if whole != s.cum_qty or len({e.key for e in single}) != len(single):
        return s
    told = s.asked if s.asked is not None else now if s.as_of is None else s.as_of
    doubt = ledger.doubt
    if (doubt is not None and told < doubt.listed_at) or s.cum_qty < ledger.claimed:
        return s.listing(legs)
    if doubt is None:
        doubt = ledger.doubt = Doubt()
    if told > doubt.listed_at:
        effects.bound = True
        doubt.listed_at = told
    live = {key: ledger.live_qty(row) for key, row in ledger.live()}
    listed = {e.key: e for e in single}
    gone = tuple(key for key in live if key not in listed)
    changed = [e for e in single if e.key in live and live[e.key] != e.qty]
    back = [e for e in single if e.key in doubt.aside]
    if gone or changed or back:
        _renamed(engine, child, ledger, s, gone, changed, back, told, effects)
    known = ledger.cases or {}
    return s.listing((*(e for e in single if e.key not in known), *legs))


def _renamed(engine: Engine, child: Child, ledger: Ledger, s: OrderSnapshot, gone: tuple[str, ...], changed: list[Execution],
             back: list[Execution], told: int, effects: Effects) -> None:  # fmt: skip
    """The same fills have other names, or another quantity under the same."""
    old, today = ledger.cum, child.day_cum_qty
    assert s.cum_qty is not None
    assert ledger.doubt is not None
    for e in back:
        ledger.doubt.aside.remove(e.key)
        asides.count_again(ledger, e.key)
        if ledger.live_qty(dict(ledger.live())[e.key]) != e.qty:
            changed.append(e)
    asides.rule(ledger, told, s.cum_qty, s.avg_px, gone, reopens=True)
    for e in changed:
        ledger.revise(e.key, None, Version(e.qty, e.px, e.fee, e.fee_currency, 0, told, True))
    for key in (*gone, *(e.key for e in changed), *(e.key for e in back)):
        effects.rows.append((ledger, key, None, None))
    effects.doubts = True
    fell = sub(old, ledger.cum)
    if child.day_era and fell > ZERO:
        child.day_cum = max(ZERO, sub(today, fell))
    fills.publish_change(engine, child, ledger, gone[0] if len(gone) == 1 else "", old, "the venue lists it under other keys",
                         effects)  # fmt: skip
