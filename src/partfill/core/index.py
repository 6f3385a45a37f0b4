"""Which order a message is about: by the venue's order id first, then by any client id of its chain.

Rules (invariant 16): an id leads to one order, the newest that has it; orders that had it before are its former lives. Ids
are scoped by (venue, account): two accounts that trade with each other share nothing.
"""

from __future__ import annotations

from partfill.core.child import Child
from partfill.core.ledger import Ledger

Scope = tuple[str, str, str]
"""(venue, account, id)"""


class Index:
    """Ids of the orders in memory."""

    __slots__ = ("by_client", "by_order", "former")

    def __init__(self) -> None:
        self.by_order: dict[Scope, Ledger] = {}
        self.by_client: dict[Scope, Child] = {}
        self.former: dict[Scope, tuple[Ledger, ...]] = {}
        """Orders in memory that had an order id before the one that has it now, oldest first."""

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

    def part(self, scope: Scope) -> None:
        """The order of this id had it: it is free for another, and late news still finds the former one."""
        self.former[scope] = (*self.former.get(scope, ()), self.by_order.pop(scope))

    def forget(self, child: Child) -> None:
        """Nothing leads to this order any more."""
        for order_id in child.order_ids:
            scope = (child.venue, child.account, order_id)
            ledger = self.by_order.get(scope)
            if ledger is not None and ledger.child is child:
                del self.by_order[scope]
            if scope in self.former:
                rest = tuple(each for each in self.former[scope] if each.child is not child)
                if rest:
                    self.former[scope] = rest
                else:
                    del self.former[scope]
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
            if order_id not in ledgers:
                continue
            lives = [each for each in self.former.get(scope, ()) if each.child is not child]
            now = self.by_order.get(scope)
            if now is not None and now.child is not child:
                lives.append(now)
            lives.append(ledgers[order_id])
            lives.sort(key=lambda each: each.child.id)
            self.by_order[scope] = lives.pop()
            if lives:
                self.former[scope] = tuple(lives)
        for cl_ord_id in child.client_ids:
            name = (child.venue, child.account, cl_ord_id)
            other = self.by_client.get(name)
            if other is None or other.id <= child.id:
                self.by_client[name] = child
