"""A second process of a simulated world, which lives from its tables: it is closed and opened again and again, in the middle.

Theory of operation. Every durable input of the world goes into a journal's tables too, in batches of any size. A twin of the
engine is made from nothing but those tables, lets every order go as soon as it may, and is thrown away now and then for a new
one. Twin and engine take the same inputs; whatever one says or asks, the other says and asks, and at the end they are the same.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.journal.batch import Batch
from partfill.journal.engine_state import freeze_engine
from partfill.journal.keeper import Keeper
from partfill.journal.position_state import position_row
from partfill.journal.recovery import recover
from partfill.journal.state import freeze
from partfill.journal.store import Store
from partfill.model.codec import to_json
from partfill.model.inputs import Input, Restarted
from partfill.model.operations import Operation
from partfill.sim.truth import Violation

if TYPE_CHECKING:
    from partfill.sim.ingredients import Ingredients

OPEN_AGAIN = 1 / 40
"""How likely it is closed and opened after an input."""


class Tables:
    """The tables, and the twin that lives from them."""

    def __init__(self, seed: int, ingredients: Ingredients) -> None:
        self._random = Random(seed ^ 0x7AB1E)
        self._ingredients = ingredients
        self._store = Store(":memory:")
        self._seq = 0
        self._open()

    def _open(self) -> None:
        self._keeper: Keeper = recover(self._store, quiet_ns=0, max_finished=0)
        self._keeper.stored = True
        self._batch = Batch(self._keeper.engine)

    @property
    def engine(self) -> Engine:
        """The twin."""
        return self._keeper.engine

    def reopen(self) -> None:
        """Close the journal and open it from its tables."""
        self._write()
        self._open()
        self._ingredients.meet("restart from the tables")

    def take(self, inp: Input, now: int, there: Effects) -> None:
        """An input became durable; `there` is what followed from it in the engine that goes on. Raises `Violation`."""
        self._keeper.recall(inp)
        here = self.engine.step(inp, now)
        self._seq += 1
        self._batch.stage(self._seq, inp, now, here, to_json(inp))
        self._keeper.note(here, self._seq)
        for what, ours, theirs in (
            ("says", here.events, there.events),
            ("asks", _in_order(here, inp), _in_order(there, inp)),
            ("wants", [parent.id for parent in here.wanted], [parent.id for parent in there.wanted]),
        ):
            if ours != theirs:
                raise Violation(f"after {inp}: from its tables it {what} {ours}, and {theirs} if it goes on")
        if self._batch.size >= self._random.choice((1, 1, 3, 10, 50)):
            self._write()
        if self._random.random() < OPEN_AGAIN:
            self.reopen()

    def compare(self, stays: Engine) -> None:
        """Everything that the engine which went on knows stands in the tables. Raises `Violation`."""
        self._write()
        for number, child in stays.children.items():
            mine = self.engine.children.get(number) or self._keeper.load(number)
            if mine is None:
                raise Violation(f"order {number} is not in the tables: {freeze(child).decode()}")
            if freeze(mine) != freeze(child):
                raise Violation(f"order {number} is {freeze(mine).decode()} from the tables, and {freeze(child).decode()}")
        if freeze_engine(self.engine) != freeze_engine(stays):
            raise Violation(f"from the tables: {freeze_engine(self.engine).decode()}, and {freeze_engine(stays).decode()}")
        assert stays.holdings is not None
        assert self.engine.holdings is not None
        for place, position in stays.holdings.positions.items():
            row = position_row(self.engine.holdings.positions[place], 0)
            if row != position_row(position, 0):
                raise Violation(f"position {row} from the tables, and {position_row(position, 0)}")

    def _write(self) -> None:
        if self._batch.size:
            self._store.write(self._batch.seal(self.engine))
            self._keeper.release(self._last_now(), self._seq)
            self._batch = Batch(self.engine)

    @staticmethod
    def _last_now() -> int:
        return 1 << 62


def _in_order(effects: Effects, inp: Input) -> list[Operation]:
    """What is asked. After a start every order is asked about, in whichever order they came back."""
    asked = list(effects.operations)
    return sorted(asked, key=lambda op: op.order) if isinstance(inp, Restarted) else asked
