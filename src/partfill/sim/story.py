"""What a story of orders that are only heard of is made of (see `heard`)."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from partfill.core.child import Child
from partfill.model.capabilities import Capabilities
from partfill.model.inputs import Input
from partfill.model.observations import Execution, ExecutionVoided, OrderSnapshot
from partfill.model.words import ExecType, OrdStatus, Side
from partfill.sim.orders import ACME, D

if TYPE_CHECKING:
    from partfill.core.engine import Engine
    from partfill.sim.world import World

MS = 1_000_000


class Story:
    """One story: override `tell` and `look`. Times are ns from `start`."""

    again = 0.15
    """How likely a message comes twice."""
    often = 1.0
    """How often it is told, beside others."""

    def __init__(self, random: Random, venue: str, start: int) -> None:
        self.random = random
        self.venue = venue
        self.start = start
        self.rules = Capabilities()
        self.over = False
        """True once the kill switch met it."""
        self.told: list[Input] = []

    def tell(self) -> list[Input]:
        """All that is said, in order of arrival."""
        raise NotImplementedError

    def hear(self, inp: Input) -> None:
        """A message has arrived."""

    def look(self, world: World, *, end: bool) -> str | None:
        """What is wrong; `end`: everything was told."""
        raise NotImplementedError

    # ------------------------------------------------------------------ for those who write stories

    def report(
        self, kind: ExecType | None, at: int, order_id: str | None = "X", name: str | None = "a", qty: int | None = 60,
        word: OrdStatus | None = OrdStatus.NEW, **more: Any,
    ) -> OrderSnapshot:  # fmt: skip
        """What the venue says of an order, `at` ms after the start."""
        said = OrderSnapshot(
            venue=self.venue, order_id=order_id, cl_ord_id=name, exec_type=kind, ord_status=word, instrument=ACME,
            side=Side.BUY, order_qty=None if qty is None else D[qty], as_of=self.start + at * MS,
        )  # fmt: skip
        return msgspec.structs.replace(said, **more)

    def execution(self, key: str, qty: int, at: int, order_id: str | None = "X", px: int = 95, **more: Any) -> Execution:
        """One fill of it."""
        said = Execution(venue=self.venue, order_id=order_id, key=key, qty=D[qty], px=D[px], as_of=self.start + at * MS)
        return msgspec.structs.replace(said, **more)

    def voided(self, key: str, at: int, order_id: str = "X", **more: Any) -> ExecutionVoided:
        """One fill is taken back."""
        return ExecutionVoided(venue=self.venue, order_id=order_id, key=key, as_of=self.start + at * MS, **more)

    def doubled(self, told: list[Input]) -> list[Input]:
        """The same, some of them once more, later."""
        for inp in list(told):
            if self.random.random() < self.again:
                told.insert(self.random.randint(told.index(inp) + 1, len(told)), inp)
        return told

    def shuffled(self, told: list[Input]) -> list[Input]:
        """The same in another order, mostly."""
        if self.random.random() < 0.8:
            self.random.shuffle(told)
        return told

    def named(self, engine: Engine, cl_ord_id: str) -> Child | None:
        """The order that a client id leads to."""
        return engine.index.by_client.get((self.venue, "", cl_ord_id))

    def of(self, engine: Engine, order_id: str) -> Child | None:
        """The order that a venue's id leads to."""
        ledger = engine.index.by_order.get((self.venue, "", order_id))
        return None if ledger is None else ledger.child
