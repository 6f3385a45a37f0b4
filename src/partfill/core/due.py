"""What is due at a tick, and what stays due.

Rules
- Timers are a hint and the order's state is what counts: a process that begins anew has a timer for each time in the state. So
  all that is possible is done at once, however many timers there are for it.
- What could not be done (its parent is halted or let go of) stays due and is tried at every tick. It wakes nobody up.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from partfill.core import afterwards, handling, protection

if TYPE_CHECKING:
    from partfill.core.desk import Desk
    from partfill.core.effects import Effects
    from partfill.core.parent import Parent

AT_ONCE = 8
"""Most operations that one timer brings about, one after the other."""


def tick(desk: Desk, now: int, effects: Effects) -> None:
    """Do what is due."""
    timers = desk.timers
    for entry in desk.overdue:
        heappush(timers, entry)
    desk.overdue.clear()
    undone: set[tuple[int, int]] = set()
    while timers and timers[0][0] <= now:
        at, number = heappop(timers)
        if number == 0:
            protection.due(desk, now, effects)
            continue
        if number < 0:
            parent = desk.parents.get(-number)
            if parent is not None:
                handling.due(desk, parent, now, effects)
            continue
        child = desk.engine.children.get(number)
        if child is None or child.work is None:
            continue
        if child.work.settled:
            afterwards.due(child, now, effects)
        else:
            _all(desk, child.work.parent, now, effects)
        if at in (child.work.look_at, child.work.act_at):
            undone.add((at, number))
    desk.overdue.extend(sorted(undone))


def _all(desk: Desk, parent: Parent, now: int, effects: Effects) -> None:
    """One step may make another one possible."""
    for _ in range(AT_ONCE):
        done = len(effects.operations)
        desk.advance(parent, now, effects)
        if len(effects.operations) == done:
            break
