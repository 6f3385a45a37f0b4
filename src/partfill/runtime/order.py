"""What a user holds in code: one parent order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core.parent import Parent
from partfill.model.events import Event, ParentDone
from partfill.runtime.bus import Missed

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager


class Order:
    """One parent order: its numbers now, its events, and what can be asked of it.

    Quantities in units, prices in quote currency per unit. The numbers are those of the last input that is durable.
    """

    def __init__(self, manager: FillManager, parent: Parent) -> None:
        self._manager = manager
        self._last = parent
        self.ref = parent.ref
        self.venue = parent.venue
        self.account = parent.account
        self.id = parent.id

    def __repr__(self) -> str:
        return f"<Order {self.ref}: {self.cum_qty} of {self.order_qty}, {self.status}>"

    @property
    def parent(self) -> Parent:
        """The engine's own object; read it, never change it."""
        self._last = self._manager.engine.desk.parents.get(self.id, self._last)
        return self._last

    @property
    def order_qty(self) -> Decimal:
        """What is asked for now; 0 for an order sized in cash."""
        return self.parent.asked

    @property
    def cum_qty(self) -> Decimal:
        """What filled, over all children."""
        return self.parent.cum

    @property
    def leaves_qty(self) -> Decimal:
        """What is still to be filled; 0 once nothing works any more."""
        parent = self.parent
        return parent.rest if parent.done is None else Decimal(0)

    @property
    def avg_px(self) -> Decimal | None:
        """Volume weighted average price, 28 digits; None while nothing filled or a price is missing."""
        return self.parent.avg_px

    @property
    def status(self) -> str:
        """`working`, `stopping`, or how it ended: filled, canceled, expired, rejected, killed, released."""
        parent = self.parent
        if parent.done is not None:
            return str(parent.done)
        return "stopping" if parent.stop is not None else "working"

    async def events(self) -> AsyncIterator[Event | Missed]:
        """Its events from now on, until it has ended. Fills that come later still reach `FillManager.events`."""
        reader = self._manager.bus.subscribe(parent=self.id)
        try:
            if self.parent.done is not None:
                return
            async for told in reader:
                yield told.event
                if type(told.event) is ParentDone and self.parent.done is not None:
                    return
        finally:
            reader.close()

    async def done(self, timeout_s: float | None = None) -> str:
        """Wait until nothing of it works any more; returns `status`. Raises `TimeoutError`."""
        async with asyncio.timeout(timeout_s):
            async for _ in self.events():
                pass
        return self.status

    async def cancel(self, reason: str | None = None) -> None:
        """Nothing of it is to work any more. Returns when that is durable, not when it is so: see `done`."""
        await self._manager.cancel(self.ref, venue=self.venue, account=self.account, reason=reason)

    async def amend(self, *, qty: Decimal | str | int | None = None, price: Decimal | str | int | None = None) -> None:
        """Other terms: `qty` is the new total, what filled included. Raises `Refused`."""
        await self._manager.amend(self.ref, venue=self.venue, account=self.account, qty=qty, price=price)
