"""Which order a message is about: by the venue's order id first, then by any client id of its chain.

Rules (invariant 16): an id belongs to one order for ever, unless the venue declares that it reuses order ids. Ids are
scoped by (venue, account): two accounts that trade with each other share nothing.
"""

from __future__ import annotations

from partfill.core.child import Child
from partfill.core.ledger import Ledger

Scope = tuple[str, str, str]
"""(venue, account, id)"""


class Index:
    """Ids of the orders in memory."""

    __slots__ = ("by_client", "by_order")

    def __init__(self) -> None:
        self.by_order: dict[Scope, Ledger] = {}
        self.by_client: dict[Scope, Child] = {}

    def bind_order(self, ledger: Ledger, order_id: str) -> None:
        """`order_id` means this ledger from now on."""
        child = ledger.child
        self.by_order[(child.venue, child.account, order_id)] = ledger
        ledger.order_id = order_id
        child.order_ids += (order_id,)

    def bind_client(self, child: Child, cl_ord_id: str) -> None:
        """`cl_ord_id` means this order from now on."""
        self.by_client[(child.venue, child.account, cl_ord_id)] = child
        child.client_ids += (cl_ord_id,)
        if child.cl_ord_id is None:
            child.cl_ord_id = cl_ord_id

    def forget(self, child: Child) -> None:
        """Nothing leads to this order any more."""
        for order_id in child.order_ids:
            scope = (child.venue, child.account, order_id)
            ledger = self.by_order.get(scope)
            if ledger is not None and ledger.child is child:
                del self.by_order[scope]
        for cl_ord_id in child.client_ids:
            scope = (child.venue, child.account, cl_ord_id)
            if self.by_client.get(scope) is child:
                del self.by_client[scope]

    def compact(self) -> None:
        """Give back the room of ids that are gone."""
        self.by_order = dict(self.by_order)
        self.by_client = dict(self.by_client)

    def remember(self, child: Child, ledgers: dict[str, Ledger]) -> None:
        """The names of an order lead to it again; `ledgers` says which ledger each venue id means."""
        for order_id in child.order_ids:
            scope = (child.venue, child.account, order_id)
            now = self.by_order.get(scope)
            # Where a venue reuses order ids, a newer order may have this one.
            if order_id in ledgers and (now is None or now.child.id <= child.id):
                self.by_order[scope] = ledgers[order_id]
        for cl_ord_id in child.client_ids:
            self.by_client[child.venue, child.account, cl_ord_id] = child
