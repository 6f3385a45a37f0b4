"""Fill tracking under the names that readers of fill-manager designs look for: thin doors onto the same engine.

track_order, update_status, process_fills, get_tracked_order, stop_tracking, find_pending_executions_by_symbol,
calculate_vwap; `FillEvent` with its four kinds. Nothing is kept here but the events that `process_fills` has not handed out
yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from partfill.core.parent import Done, Parent
from partfill.model.admit import text_of, text_or_none
from partfill.model.events import Fill as FillTold
from partfill.model.events import ParentDone, ResubmitTriggered
from partfill.model.numbers import ZERO, add, dec, mul, ratio
from partfill.model.observations import OrderSnapshot
from partfill.model.terms import Terms
from partfill.model.words import OrdStatus
from partfill.runtime.bus import Missed, Told
from partfill.runtime.order import Order

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager

WAITING = 10_000
"""Fill events kept for `process_fills`; the oldest go first."""


class TrackedOrderStatus(StrEnum):
    """Where a tracked order stands."""

    ACTIVE = "Active"
    PARTIALLY_FILLED = "PartiallyFilled"
    FULLY_FILLED = "FullyFilled"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"


class Fill(msgspec.Struct, frozen=True):
    """One fill: units, quote currency per unit (None while the venue gave no price), ns UTC."""

    size: Decimal
    price: Decimal | None
    timestamp: int


class TrackedOrder(msgspec.Struct, frozen=True):
    """An order and its fills, now. Sizes in units, times ns UTC."""

    order: Terms
    original_size: Decimal
    filled_size: Decimal
    remaining_size: Decimal
    fills: tuple[Fill, ...]
    status: TrackedOrderStatus
    created_at: int
    last_checked: int


class PartialFill(msgspec.Struct, frozen=True, tag_field="type", tag="partial_fill"):
    """Some of the order filled."""

    order_id: str
    fill: Fill
    remaining: Decimal


class FullFill(msgspec.Struct, frozen=True, tag_field="type", tag="full_fill"):
    """Everything filled; `avg_price` over all its child orders, None when a price is missing."""

    order_id: str
    avg_price: Decimal | None
    total_size: Decimal


class OrderExpired(msgspec.Struct, frozen=True, tag_field="type", tag="order_expired"):
    """It ended with `unfilled` units left: `outcome` is expired, canceled, rejected, killed or released."""

    order_id: str
    filled: Decimal
    unfilled: Decimal
    outcome: str


class Resubmitted(msgspec.Struct, frozen=True, tag_field="type", tag="resubmit_triggered"):
    """What was left goes on as `new_order`."""

    original_id: str
    new_order: str
    size: Decimal


FillEvent = PartialFill | FullFill | OrderExpired | Resubmitted


def calculate_vwap(fills: Iterable[Fill]) -> Decimal:
    """Volume weighted average price, 28 digits; 0 for no fills. Raises `ValueError` for a fill without a price."""
    size, value = ZERO, ZERO
    for fill in fills:
        if fill.price is None:
            raise ValueError(f"a fill of {fill.size} has no price; there is no average until it has")
        size, value = add(size, fill.size), add(value, mul(fill.size, fill.price))
    return ratio(value, size) if size else ZERO


class Tracking:
    """The doors. `FillManager.tracking` is one; orders are named by their `ref`, which is the id they were tracked by."""

    calculate_vwap = staticmethod(calculate_vwap)

    def __init__(self, manager: FillManager) -> None:
        self._manager = manager
        self._told: deque[FillEvent] = deque(maxlen=WAITING)
        manager.subscribe(self._hear)

    async def track_order(self, order_id: str, order: Terms, *, venue: str | None = None, account: str = "") -> Order:
        """Start tracking an order that was placed under `order_id`, the venue's id."""
        order_id = text_of(order_id, "order_id")
        return await self._manager.track(order, order_id=order_id, ref=order_id, venue=venue, account=account)

    async def update_status(
        self, order_id: str, *, filled_size: Decimal | str | int | None = None, avg_price: Decimal | str | int | None = None,
        status: OrdStatus | None = None, as_of: int | None = None, venue: str | None = None, account: str = "",
    ) -> None:  # fmt: skip
        """Take a status answer: `filled_size` is cumulative. It never takes anything back and adds nothing twice."""
        order_id = text_of(order_id, "order_id")
        order = self._order(order_id, venue, account)
        await self._manager.observe(
            OrderSnapshot(
                venue=order.venue, account=order.account, order_id=order_id, ord_status=status, as_of=as_of,
                cum_qty=None if filled_size is None else dec(filled_size, "filled_size"),
                avg_px=None if avg_price is None else dec(avg_price, "avg_price"),
            )
        )  # fmt: skip

    async def process_fills(self) -> list[FillEvent]:
        """Poll every venue once and return what happened since the last call, oldest first."""
        for poller in self._manager.pollers:
            await poller.poll_once()
        told = list(self._told)
        self._told.clear()
        return told

    async def get_tracked_order(self, order_id: str, *, venue: str | None = None, account: str = "") -> TrackedOrder | None:
        """The order now, however long ago it ended; None when nobody ever tracked it."""
        order = self._manager.order(order_id, venue=venue, account=account)
        return tracked(order.parent) if order is not None else None

    def find_pending_executions_by_symbol(
        self, symbol: str, *, venue: str | None = None, account: str | None = None
    ) -> list[Order]:
        """Every order in `symbol` that has not ended, oldest first, those of an earlier life included.

        All venues and accounts, or one. A symbol that nothing works in gives an empty list.
        """
        symbol, venue, account = text_of(symbol, "symbol"), text_or_none(venue, "venue"), text_or_none(account, "account")
        return [
            order
            for order in self._manager.orders()
            if order.parent.terms.instrument == symbol and not order.ended
            and venue in (None, order.venue) and account in (None, order.account)
        ]  # fmt: skip

    async def stop_tracking(self, order_id: str, *, venue: str | None = None, account: str = "") -> None:
        """Do nothing more for it. Its fills are still booked, should any come."""
        order_id = text_of(order_id, "order_id")
        order = self._order(order_id, venue, account)
        if not order.ended:
            await self._manager.release(order_id, venue=order.venue, account=order.account)

    def _order(self, order_id: str, venue: str | None, account: str) -> Order:
        order = self._manager.order(order_id, venue=venue, account=account)
        if order is None:
            raise LookupError(f"no order {order_id!r} is tracked; call track_order first")
        return order

    def _hear(self, told: Told) -> None:
        event = told.event
        if isinstance(event, Missed) or not told.parent:
            return
        parent = self._manager.engine.desk.parents.get(told.parent)
        if parent is None:
            return
        if isinstance(event, FillTold):
            child = self._manager.engine.children.get(event.order)
            left = self._manager.view(parent).leaves_qty
            at = child.updated if child is not None else 0
            self._told.append(PartialFill(parent.ref, Fill(event.qty, event.px, at), left))
        elif isinstance(event, ResubmitTriggered):
            self._told.append(Resubmitted(event.cl_ord_id or parent.ref, event.new_cl_ord_id, event.qty))
        elif isinstance(event, ParentDone):
            if event.outcome == Done.FILLED:
                self._told.append(FullFill(parent.ref, event.avg_px, event.cum_qty))
            else:
                self._told.append(OrderExpired(parent.ref, event.cum_qty, event.unfilled_qty, event.outcome))


def tracked(parent: Parent) -> TrackedOrder:
    """A parent order as its tracker sees it. Quantity without executions yet has no fill of its own."""
    fills: list[Fill] = []
    for child in parent.children:
        for ledger in child.ledgers:
            fills.extend(Fill(row.qty, row.px, row.as_of or child.updated) for _, row in ledger.live() if row.qty is not None)
    first = parent.children[0].work if parent.children else None
    return TrackedOrder(
        order=parent.terms, original_size=parent.asked, filled_size=parent.cum, remaining_size=parent.rest,
        fills=tuple(fills), status=_status(parent), created_at=first.sent_at if first is not None else 0,
        last_checked=max((child.updated for child in parent.children), default=0),
    )  # fmt: skip


def _status(parent: Parent) -> TrackedOrderStatus:
    if parent.done is None:
        return TrackedOrderStatus.PARTIALLY_FILLED if parent.cum else TrackedOrderStatus.ACTIVE
    if parent.done is Done.FILLED:
        return TrackedOrderStatus.FULLY_FILLED
    return TrackedOrderStatus.EXPIRED if parent.done is Done.EXPIRED else TrackedOrderStatus.CANCELLED
