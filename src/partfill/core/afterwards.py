"""Questions about orders that have ended: what their venue still owes of them.

Rules
- The end of an order is proven by its quantities; a total proves them. But a total has no execution ids, no fees and no exact
  prices, and where the venue lists single executions those must come. Once they have had time to, the venue is asked.
- So it is where a word that only hints at a quantity says something else than the executions add up to.
- So it is after a void, where what the venue had claimed before may count the void already: until it has answered, nothing
  more is placed for that parent (`Parent.unsure`).
- So it is while its answers say less than was heard (`core.rulings`), for as long as they do.
- Else an order that waits for this is settled: nothing is held back for it, and its parent goes on or ends.
- After `MANY` fruitless questions a person is told, once; from then on a gap or a reconciliation brings what is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core import requests
from partfill.core.child import Child
from partfill.core.doubts import next_question, pending, suspected
from partfill.core.effects import Effects
from partfill.core.parent import Done, Work
from partfill.core.waiting import GRACE_NS, MANY, backoff
from partfill.model.events import AlarmKind
from partfill.model.numbers import text

if TYPE_CHECKING:
    from partfill.core.desk import Desk


def ended(desk: Desk, child: Child, work: Work, now: int) -> None:
    """The child is settled: note when to ask for executions that its total is made of."""
    if _outdated(child):
        work.doubt = True
        _later(desk, child, work, now)
    elif pending(child):
        work.doubt = True
        _later(desk, child, work, next_question(child, now + backoff(1)))
    elif _owes(child):
        _later(desk, child, work, now + GRACE_NS)


def due(child: Child, now: int, effects: Effects) -> None:
    """A timer of a settled child went off."""
    work = child.work
    assert work is not None
    if not work.look_at or work.look_at > now or work.looking:
        return
    effects.touch(child)
    if (_owes(child) or work.doubt) and _wanted(work):
        requests.ask(child, effects)
    else:
        work.doubt, work.look_at, work.looks = False, 0, 0


def restarted(desk: Desk, child: Child, now: int, effects: Effects) -> None:
    """A new life: a question that was out is asked anew."""
    work = child.work
    assert work is not None
    if work.look_at or work.looking:
        effects.touch(child)
        work.looking = False
        _later(desk, child, work, now)


def heard(desk: Desk, child: Child, work: Work, now: int, effects: Effects) -> None:
    """Something came about a settled child; where it is itself a reason to look, look."""
    if pending(child) and effects.query and (suspected(child) or work.looks < MANY) and _wanted(work):
        if not work.look_at and not work.looking:
            work.doubt = True
            work.looks += 1
            _later(desk, child, work, next_question(child, now + backoff(work.looks)))
    elif _outdated(child) and not work.doubt and work.looks < MANY and _wanted(work):
        work.doubt = True
        if not work.looking:
            _later(desk, child, work, now)
    elif effects.query and not work.look_at and not work.looking and work.looks < MANY and _wanted(work):
        work.doubt = True
        work.looks += 1
        _later(desk, child, work, now + backoff(work.looks))


def answered(desk: Desk, child: Child, work: Work, now: int, effects: Effects, *, definite: bool) -> None:
    """The answer to a question about a settled child has been applied."""
    work.doubt = effects.query or (work.doubt and not definite) or _outdated(child)
    if not _owes(child) and not work.doubt and not suspected(child):
        work.look_at = work.looks = 0
        return
    work.looks += 1
    doubted = suspected(child)
    work.doubt = work.doubt or doubted
    if (work.looks < MANY or doubted) and _wanted(work):
        _later(desk, child, work, next_question(child, now + backoff(work.looks)))
        return
    work.doubt, work.look_at = False, 0
    if work.looks == MANY:
        said = f"{text(child.provisional_qty)} of {text(child.cum)} filled have no executions yet; their fees are not known"
        if not _owes(child):
            said = f"{text(child.cum)} filled after a void, and the venue does not say whether that is all"
        if not _owes(child) and not _outdated(child):
            said = f"the venue hints at another quantity than the {text(child.cum)} its executions add up to"
        desk.engine.alarm(effects, child, AlarmKind.UNPROVEN, said)


def _owes(child: Child) -> bool:
    return child.rules.itemised and bool(child.provisional_qty)


def _outdated(child: Child) -> bool:
    return any(ledger.outdated for ledger in child.ledgers)


def _wanted(work: Work) -> bool:
    return work.parent.done is not Done.RELEASED


def _later(desk: Desk, child: Child, work: Work, at: int) -> None:
    work.look_at = work.wake_at = at
    desk.timers.set(at, child.id)
