"""What a user holds in code: one parent order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from partfill.core.parent import Parent
from partfill.model.events import Event, ParentDone
from partfill.model.numbers import ZERO
from partfill.runtime.bus import Missed

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager


class View(NamedTuple):
    """A parent order at one moment. Quantities in units, `avg_px` in quote currency per unit."""

    id: int
    order_qty: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    avg_px: Decimal | None
    status: str


def view_of(parent: Parent) -> View:
    """What the engine has of it now."""
    status = "working" if parent.stop is None else "stopping"
    over = parent.done is not None
    leaves = ZERO if over else parent.rest
    return View(parent.id, parent.asked, parent.cum, leaves, parent.avg_px, str(parent.done) if over else status)


class Order:
    """One parent order: its numbers now, its events, and what can be asked of it.

    Quantities in units, prices in quote currency per unit. The numbers are those of the last input that is durable.
    """

    def __init__(self, manager: FillManager, parent: Parent) -> None:
        self._manager = manager
        self._last = parent
        self._view = view_of(parent)
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
    def view(self) -> View:
        """Its numbers, all of one moment."""
        if self.id in self._manager.views or self.id in self._manager.engine.desk.parents:
            self._view = self._manager.view(self.parent)
        return self._view

    @property
    def order_qty(self) -> Decimal:
        """What is asked for now; 0 for an order sized in cash."""
        return self.view.order_qty

    @property
    def cum_qty(self) -> Decimal:
        """What filled, over all children."""
        return self.view.cum_qty

    @property
    def leaves_qty(self) -> Decimal:
        """What is still to be filled; 0 once nothing works any more, and for an order sized in cash."""
        return self.view.leaves_qty

    @property
    def avg_px(self) -> Decimal | None:
        """Volume weighted average price, 28 digits; None while nothing filled or a price is missing."""
        return self.view.avg_px

    @property
    def status(self) -> str:
        """`working`, `stopping`, or how it ended: filled, canceled, expired, rejected, killed, released."""
        return self.view.status

    @property
    def ended(self) -> bool:
        """Whether nothing of it works any more."""
        return self.view.status not in ("working", "stopping")

    async def events(self) -> AsyncIterator[Event | Missed]:
        """Its events from now on, until it has ended. Fills that come later still reach `FillManager.events`."""
        reader = self._manager.bus.subscribe(parent=self.id)
        try:
            if self.ended:
                return
            async for told in reader:
                yield told.event
                if type(told.event) is ParentDone and self.ended:
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
