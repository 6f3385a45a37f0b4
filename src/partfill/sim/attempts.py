"""How often something is tried, counted from what leaves: no limit that a user set is ever passed.

Rules
- A successor of an order that we took off is no attempt of its own; one of an order that ended by itself is.
- Of those there are at most `max_resubmit_attempts`, none without a rule, and none for less than `min_resubmit_size`.
- What is missing of a protective order and was refused is placed anew no sooner than its policy says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core.effects import Effects
from partfill.model.commands import Answered, Outcome, Protect, Unprotect
from partfill.model.events import (
    Alarm,
    AlarmKind,
    KillSwitchChanged,
    ParentDone,
    PositionClosed,
    ProtectionChanged,
    ProtectionFired,
)
from partfill.model.inputs import Input
from partfill.model.operations import Cancel, Operation, Place, Replace
from partfill.model.words import OrdStatus, Request
from partfill.sim.orders import where
from partfill.sim.timeline import MS
from partfill.sim.truth import Violation
from partfill.sim.venue import DUPLICATE, TRIGGERS

if TYPE_CHECKING:
    from partfill.sim.world import World


_NEWS = (ProtectionChanged, ProtectionFired, KillSwitchChanged, PositionClosed)
"""After these another thing is to be protected."""


class Attempts:
    """The attempts of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._changed: set[int] = set()
        """Orders that we asked to take off, or to change."""
        self._last: dict[int, int] = {}
        """Per parent, the newest order that was placed for it."""
        self._count: dict[int, int] = {}
        self._refused: dict[str, tuple[int, int]] = {}
        """Protective leg -> (when the process heard that it was refused, how far off its clock was then)."""
        self._legs: dict[str, str] = {}
        """Client id of a protective order that was placed -> its leg."""
        self._skews: dict[str, int] = {}
        """The same -> how far off the process's clock was then."""

    def sent(self, op: Operation) -> None:
        """An operation leaves. Raises `Violation`."""
        if isinstance(op, Cancel | Replace):
            self._changed.add(op.order)
            return
        work = self._world.engine.children[op.order].work
        if not isinstance(op, Place) or work is None:
            return
        parent = work.parent
        if parent.guards is not None:
            self._leg(op, f"{where(op)} {parent.ref.rpartition(':')[0]}")
            return
        before = self._last.get(parent.id)
        self._last[parent.id] = op.order
        last = None if before is None else self._world.engine.children[before]
        # What was asked of the one before may have been lost with the process: the journal has that it was to be taken off.
        lost = last is not None and last.work is not None and last.work.retarget
        if last is None or before in self._changed or lost or last.status is OrdStatus.FILLED:
            # The first, one that we took off, or more is wanted than the last was for.
            return
        count = self._count[parent.id] = self._count.get(parent.id, 0) + 1
        rule = parent.resubmit
        most, least = (0, 0) if rule is None else (rule.max_resubmit_attempts, rule.min_resubmit_size)
        if count > most or (op.terms.order_qty or 0) < least:
            raise Violation(
                f"{parent.ref} is tried {count} times more, now for {op.terms.order_qty}; {most} of {least} are allowed"
            )
        self._world.ingredients.meet("a remainder that was submitted again")
        if count == most:
            self._world.ingredients.meet("the last attempt")

    def _leg(self, op: Place, leg: str) -> None:
        self._legs[op.cl_ord_id] = leg
        self._skews[op.cl_ord_id] = self._world.skew
        at, skew = self._refused.pop(leg, (0, 0))
        side = self._world.guards.side_of(op)
        if not at or skew != self._world.skew or side is None:
            return
        waits = self._world.guards.waits.get((where(op), side), 0)
        if self._world.time < at + waits - MS:
            raise Violation(f"{leg} was refused and comes again after {self._world.time - at} ns; {waits} are to pass")
        self._world.ingredients.meet("a protective order that was refused and came again")

    def changed(self, effects: Effects) -> None:
        """What is to be protected has changed: whatever was refused before says nothing of it."""
        if self._refused and any(isinstance(event, _NEWS) for event in effects.events):
            self._refused.clear()
        for event in effects.events if self._refused else ():
            if isinstance(event, Alarm) and event.kind is AlarmKind.MISSING:
                # It was refused, and works all the same.
                self._refused.pop(self._legs.get(event.cl_ord_id or "", ""), None)
            elif isinstance(event, ParentDone) and event.outcome == "filled":
                # Nothing was missing of it any more: what comes after it is another thing.
                self._refused.pop(self._legs.get(event.cl_ord_id or "", ""), None)

    def heard(self, inp: Input) -> None:
        """An answer arrives."""
        if isinstance(inp, Protect | Unprotect):
            self._refused.clear()
        if isinstance(inp, Answered) and inp.outcome is Outcome.REFUSED and inp.request is Request.PLACE:
            leg = self._legs.get(inp.cl_ord_id)
            child = self._world.engine.index.by_client.get((inp.venue, inp.account, inp.cl_ord_id))
            taken = inp.order is not None or inp.reason == TRIGGERS or (inp.reason == DUPLICATE and self._world.manners.on)
            if taken or child is None or child.work is None or child.work.request is not Request.PLACE:
                # It is there, or was given up since.
                return
            protections = self._world.engine.desk.protections.values()
            if not any(guard.parent is child.work.parent for each in protections for guard in each.guards):
                # Another order has the leg meanwhile.
                return
            if leg is not None and self._skews.get(inp.cl_ord_id) == self._world.skew:
                # A clock that jumped meanwhile makes it an order that had worked for long.
                self._refused[leg] = (self._world.time, self._world.skew)
