"""UnifiedFillManager: the doors of unified fill manager designs, in front of a FillManager and its positions.

    unified = UnifiedFillManager(fills)
    await unified.initialize()
    await fills.positions.protect("ACME", "long", stop="95", targets=["110"])
    ...                       # fills come by themselves from the venues
    await unified.cleanup()

| there | here |
| --- | --- |
| a lock and a queue per symbol | the engine takes one input at a time; lanes per account and instrument |
| on_order_fill(event) | the same: books the execution, moves the position, and asks for what protection needs |
| position size, stop, target, double-down | `core.position`, `core.protection`: derived from fills, not from what was ordered |
| retries of a replacement | the venue is asked what became of it; what is refused is tried anew, later and later |
"""

from __future__ import annotations

from partfill.core.effects import Effects
from partfill.model.observations import Execution
from partfill.runtime.bus import Bus
from partfill.runtime.manager import FillManager


class UnifiedFillManager:
    """`context` is a manager that was opened and not yet entered, or runs already. `event_bus` is its own bus.

    A manager that this one started is closed by `cleanup`; one that ran before goes on.
    """

    def __init__(self, context: FillManager, event_bus: Bus | None = None) -> None:
        if event_bus is not None and event_bus is not context.bus:
            raise ValueError("event_bus is another one than that of the context; leave it out, or give context.bus")
        self.context = context
        self.event_bus = context.bus
        self._ours = False

    async def initialize(self) -> None:
        """Recover, connect, listen: from here on fills are handled without further calls. May be repeated."""
        if not self.context.running:
            await self.context.__aenter__()
            self._ours = True

    async def on_order_fill(self, event: Execution) -> Effects:
        """Take one fill that came by another way than the venue's stream; twice is once. Returns once it is durable.

        What follows from it (legs that grow, shrink or end) has been asked of the venue's lanes by then.
        """
        return await self.context.hear(event)

    async def cleanup(self) -> None:
        """Let lanes finish, commit, close. Safe when nothing was started, and when it was done before."""
        if self._ours:
            self._ours = False
            await self.context.close()
