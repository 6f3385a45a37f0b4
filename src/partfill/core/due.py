"""What is due at a tick, and what stays due.

Rules
- Timers are a hint and the order's state is what counts: a process that begins anew has a timer for each time in the state. So
  all that is possible is done at once, however many timers there are for it.
- What could not be done (its parent is halted or let go of) stays due and is tried at every tick. It wakes nobody up.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from partfill.core import afterwards, handling, protection
from partfill.core.patience import again_at

if TYPE_CHECKING:
    from partfill.core.desk import Desk
    from partfill.core.effects import Effects
    from partfill.core.parent import Parent

AT_ONCE = 8
"""Most operations that one timer brings about, one after the other."""


def tick(desk: Desk, now: int, effects: Effects) -> None:
    """Do what is due."""
    for entry in desk.overdue:
        desk.timers.set(*entry)
    desk.overdue.clear()
    undone: set[tuple[int, int]] = set()
    while due := desk.timers.due(now, partial(_meant, desk)):
        for number in due:
            _wake(desk, number, now, effects)
            child = desk.engine.children.get(number)
            if child is not None and child.work is not None:
                undone.update((at, number) for at in (child.work.look_at, child.work.act_at) if 0 < at <= now)
    desk.overdue.extend(sorted(undone))


def _meant(desk: Desk, number: int) -> int:
    """When what has this number is to be woken, by what is known of it (ns UTC); 0 where nothing says so.

    An order that has no time of its own stands for its parent: what that wants next is done when one of its orders is woken.
    """
    if number == 0:
        guards = [guard.again_at for each in desk.protections.values() for guard in each.guards]
        return _first((*guards, *(each.owed_at for each in desk.protections.values())))
    if number < 0:
        owner = desk.parents.get(-number)
        return owner.handling.again_at if owner is not None and owner.handling is not None else 0
    child = desk.engine.children.get(number)
    work = None if child is None else child.work
    if work is None or work.look_at or work.act_at or work.settled:
        return 0 if work is None else work.look_at or work.act_at
    parent = work.parent
    beside = [each.work for each in parent.active if each.work is not None]
    more = again_at(parent) if parent.guards is not None and parent.asked > parent.exposure else 0
    return _first((more, *(each.look_at for each in beside), *(each.act_at for each in beside)))


def _first(times: Iterable[int]) -> int:
    """The first of these times; 0 for none."""
    return min((at for at in times if at), default=0)


def _wake(desk: Desk, number: int, now: int, effects: Effects) -> None:
    """The time of an order has come; below zero of a parent order, 0 of the protections."""
    if number == 0:
        protection.due(desk, now, effects)
        return
    if number < 0:
        parent = desk.parents.get(-number)
        if parent is not None:
            handling.due(desk, parent, now, effects)
        return
    child = desk.engine.children.get(number)
    if child is None or child.work is None:
        return
    if child.work.settled:
        afterwards.due(child, now, effects)
    else:
        _all(desk, child.work.parent, now, effects)


def _all(desk: Desk, parent: Parent, now: int, effects: Effects) -> None:
    """One step may make another one possible."""
    for _ in range(AT_ONCE):
        done = len(effects.operations)
        desk.advance(parent, now, effects)
        if len(effects.operations) == done:
            break
