"""What subscribers were told, summed up: always what is known.

Rules
- Fills less reversals of an order are what filled of it, after every step that is on disk.
- What was told without an execution and not confirmed since is what only a total says; where nothing was ever taken back.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core.effects import Effects
from partfill.model.events import Adopted, Confirmation, Fill, Repriced, Reversal
from partfill.model.inputs import Input, OrderSnapshot
from partfill.model.words import ExecType
from partfill.sim.truth import Violation

if TYPE_CHECKING:
    from partfill.sim.world import World

ZERO = Decimal(0)


class Published:
    """The sums of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._told: dict[int, Decimal] = {}
        """Order -> fills less reversals."""
        self._open: dict[int, Decimal] = {}
        """Order -> what was told without an execution and was not confirmed."""
        self._vague: set[int] = set()
        """Orders of which something was taken back, or joined with another's."""

    def heard(self, inp: Input, effects: Effects) -> None:
        """A step is on disk."""
        touched: set[int] = set()
        for event in effects.events:
            if type(event) is Fill:
                self._told[event.order] = self._told.get(event.order, ZERO) + event.qty
                if event.key is None:
                    self._open[event.order] = self._open.get(event.order, ZERO) + event.qty
                touched.add(event.order)
            elif type(event) is Reversal:
                self._told[event.order] = self._told.get(event.order, ZERO) - event.qty
                self._vague.add(event.order)
                touched.add(event.order)
            elif type(event) is Confirmation:
                self._open[event.order] = self._open.get(event.order, ZERO) - event.qty
                touched.add(event.order)
            elif type(event) is Adopted or type(event) is Repriced:
                self._vague.add(event.order)
        for gone, into, _ in effects.merged:
            self._vague.update((gone, into))
        if isinstance(inp, OrderSnapshot) and inp.exec_type is ExecType.RESTATED and inp.restatement == "split":
            # What it multiplies was told in old units.
            touched.clear()
            if effects.child is not None:
                self._vague.add(effects.child.id)
                self._told[effects.child.id] = effects.child.cum
        for number in touched:
            child = self._world.engine.children.get(number)
            if child is None or not child.known:
                continue
            if child.cum != self._told[number]:
                raise Violation(f"order {number} has {child.cum}, and {self._told[number]} were told")
            if number not in self._vague and not child.flags and child.provisional_qty != self._open.get(number, ZERO):
                told = self._open.get(number, ZERO)
                raise Violation(f"a total alone says {child.provisional_qty} of order {number}, and {told} is to be confirmed")
