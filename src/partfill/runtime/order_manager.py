"""Order state under the names that readers of market-maker order managers look for: thin doors onto the same engine.

add_pending_with_cloid, finalize_pending_by_cloid, pre_register_immediate_fill, process, get_immediate_fill_remaining,
initiate_cancel, get_all_by_side, and the state words. An immediate fill is a claim of the reply, each trade an execution
under its own id: the engine joins the two by quantity, so nothing is skipped by counting down and nothing counts twice,
whatever comes first.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from partfill.core.child import Child
from partfill.model.admit import text_of, word
from partfill.model.commands import Stop
from partfill.model.events import Event
from partfill.model.numbers import ZERO, dec
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, Request, Side
from partfill.runtime.order import Order

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager

Number = Decimal | str | int


class OrderState(StrEnum):
    """State words of market-maker order managers, derived from FIX status, quantities and what we asked for."""

    PENDING = "Pending"
    RESTING = "Resting"
    PARTIAL_FILLED = "PartialFilled"
    FILLED = "Filled"
    FILLED_IMMEDIATELY = "FilledImmediately"
    CANCEL_PENDING = "CancelPending"
    CANCEL_CONFIRMED = "CancelConfirmed"
    CANCELLED = "Cancelled"
    FILLED_DURING_CANCEL = "FilledDuringCancel"
    REJECTED = "Rejected"

    @property
    def is_active(self) -> bool:
        """Whether it takes part in reconciliation: anything of it may still fill."""
        return self in (OrderState.PENDING, OrderState.RESTING, OrderState.PARTIAL_FILLED, OrderState.CANCEL_PENDING)

    @property
    def is_terminal(self) -> bool:
        """Whether nothing of it works any more. Fills are booked all the same, should any come."""
        return not self.is_active


class OrderManager:
    """The doors for one venue and account. Orders are named by our id (`cloid`) or the venue's (`oid`)."""

    def __init__(self, manager: FillManager, venue: str, account: str = "") -> None:
        self._manager = manager
        self._venue = venue
        self._account = account

    async def add_pending_with_cloid(self, cloid: str, terms: Terms) -> Order:
        """Register an order before it is sent, so that no fill can come before its order."""
        cloid = text_of(cloid, "cloid")
        return await self._manager.track(terms, cl_ord_id=cloid, ref=cloid, venue=self._venue, account=self._account)

    async def finalize_pending_by_cloid(self, cloid: str, oid: str, *, filled: Number | None = None,
                                        avg_px: Number | None = None) -> list[Event]:  # fmt: skip
        """The venue took it as `oid`; `filled` is what its reply says filled at once."""
        cloid, oid = text_of(cloid, "cloid"), text_of(oid, "oid")
        return await self._manager.observe(
            OrderSnapshot(
                venue=self._venue, account=self._account, cl_ord_id=cloid, order_id=oid, exec_type=ExecType.NEW,
                ord_status=OrdStatus.NEW, cum_qty=None if filled is None else dec(filled, "filled"),
                avg_px=None if avg_px is None else dec(avg_px, "avg_px"),
            )
        )  # fmt: skip

    async def pre_register_immediate_fill(self, oid: str, amount: Number) -> list[Event]:
        """The reply says that `amount` filled at once; its trades come later, one by one."""
        total = dec(amount, "amount")
        return await self._manager.observe(OrderSnapshot(venue=self._venue, account=self._account, order_id=oid, cum_qty=total))

    async def process(self, oid: str, tid: str, sz: Number, px: Number | None = None, *, time: int | None = None) -> Decimal:
        """Take one trade. Returns by how much the filled quantity moved: less than `sz` where the reply had told of it."""
        events = await self._manager.observe(
            Execution(
                venue=self._venue, account=self._account, order_id=oid, key=tid, qty=dec(sz, "sz"),
                px=None if px is None else dec(px, "px"), venue_time=time,
            )
        )  # fmt: skip
        return sum((event.qty for event in events if type(event).__name__ == "Fill"), ZERO)  # type: ignore[union-attr]

    def get_immediate_fill_remaining(self, oid: str) -> Decimal:
        """What a reply said has filled and whose trades are not here yet."""
        child = self._child(oid)
        return child.provisional_qty if child is not None else ZERO

    async def initiate_cancel(self, cloid: str) -> None:
        """Nothing of it is to work any more; the request leaves once this is durable. Raises `Refused`.

        Where the venue is not connected here you send the request: this says that you do.
        """
        cloid = text_of(cloid, "cloid")
        if self._venue in self._manager.venues:
            await self._manager.cancel(cloid, venue=self._venue, account=self._account)
            return
        stop = Stop(venue=self._venue, account=self._account, ref=cloid)
        self._manager.refuse(self._venue, self._account, await self._manager.take(stop))

    def state(self, oid: str) -> OrderState | None:
        """The state of an order, None for one that is not in memory."""
        child = self._child(oid)
        return state_of(child) if child is not None else None

    def get_all_by_side(self, side: Side) -> list[Child]:
        """Every active order of one side, partly filled ones included: what reconciliation goes through."""
        side = word(side, Side, "side")
        return [
            child
            for child in self._manager.engine.children.values()
            if (child.venue, child.account, child.side) == (self._venue, self._account, side) and state_of(child).is_active
        ]

    def _child(self, oid: str) -> Child | None:
        oid = text_of(oid, "oid")
        index = self._manager.engine.index
        ledger = index.by_order.get((self._venue, self._account, oid))
        return ledger.child if ledger is not None else index.by_client.get((self._venue, self._account, oid))


def state_of(child: Child) -> OrderState:
    """The state word of an order."""
    work = child.work
    canceling = (work is not None and (work.request is Request.CANCEL or work.parent.stop is not None)) or any(
        request is Request.CANCEL for request in (child.requests or {}).values()
    )
    if child.open_at_venue:
        if canceling:
            return OrderState.CANCEL_PENDING
        if not (child.facts or child.cum or child.order_ids):
            return OrderState.PENDING
        return OrderState.PARTIAL_FILLED if child.cum else OrderState.RESTING
    if child.status is OrdStatus.REJECTED:
        return OrderState.REJECTED
    if child.order_qty is not None and child.cum >= child.order_qty > ZERO:
        if canceling:
            return OrderState.FILLED_DURING_CANCEL
        told_at_once = any(cum >= child.order_qty for _, cum, _ in child.ledger.claims) and not child.ledger.count
        return OrderState.FILLED_IMMEDIATELY if told_at_once else OrderState.FILLED
    return OrderState.CANCEL_CONFIRMED if canceling else OrderState.CANCELLED
