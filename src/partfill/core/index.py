"""Which order a message is about: by the venue's order id first, then by any client id of its chain.

Rules (invariant 16): an id leads to one order, the one that got it last; orders that had it before are its former holders.
Ids are scoped by (venue, account): two accounts that trade with each other share nothing. Which holder got an id last is part
of the holders' state (`Child.bound`), so an order that comes back from the journal takes no id from a later one.
"""

from __future__ import annotations

from partfill.core.child import Child
from partfill.core.ledger import Ledger

Scope = tuple[str, str, str]
"""(venue, account, id)"""


class Index:
    """Ids of the orders in memory."""

    __slots__ = ("by_client", "by_order", "former", "former_clients")

    def __init__(self) -> None:
        self.by_order: dict[Scope, Ledger] = {}
        self.by_client: dict[Scope, Child] = {}
        self.former: dict[Scope, tuple[Ledger, ...]] = {}
        """Orders in memory that had an order id before the one that has it now, oldest first."""
        self.former_clients: dict[Scope, tuple[Child, ...]] = {}
        """The same for client ids."""

    def bind_order(self, ledger: Ledger, order_id: str) -> None:
        """`order_id` means this ledger from now on."""
        child = ledger.child
        scope = (child.venue, child.account, order_id)
        if scope in self.former:
            child.got("order", order_id, 1 + max(each.child.had("order", order_id) for each in self.former[scope]))
        self.by_order[scope] = ledger
        if scope in self.former:
            self._keep_former(scope, self.former[scope])
        ledger.order_id = order_id
        child.order_ids += (order_id,)

    def bind_client(self, child: Child, cl_ord_id: str) -> None:
        """`cl_ord_id` means this order from now on."""
        scope = (child.venue, child.account, cl_ord_id)
        if scope in self.former_clients:
            child.got("client", cl_ord_id, 1 + max(each.had("client", cl_ord_id) for each in self.former_clients[scope]))
        self.by_client[scope] = child
        if scope in self.former_clients:
            self._keep_former_clients(scope, self.former_clients[scope])
        child.client_ids += (cl_ord_id,)
        if child.cl_ord_id is None:
            child.cl_ord_id = cl_ord_id

    def holders(self, scope: Scope) -> tuple[Ledger, ...]:
        """Every order in memory that has or had this order id."""
        now = self.by_order.get(scope)
        return (*self.former.get(scope, ()), *(() if now is None else (now,)))

    def client_holders(self, scope: Scope) -> tuple[Child, ...]:
        """The same for a client id."""
        now = self.by_client.get(scope)
        return (*self.former_clients.get(scope, ()), *(() if now is None else (now,)))

    def part(self, scope: Scope) -> None:
        """The order of this order id had it: it is free for another, and late news still finds the former one."""
        ledger = self.by_order.pop(scope)
        ledger.child.parted = True
        self._keep_former(scope, (*self.former.get(scope, ()), ledger))

    def part_client(self, scope: Scope) -> None:
        """The same for a client id."""
        child = self.by_client.pop(scope)
        child.parted = True
        self._keep_former_clients(scope, (*self.former_clients.get(scope, ()), child))

    def merged(self, keep: Child, parked: Child, into: dict[Ledger, Ledger]) -> None:
        """`parked` turned out to be `keep`: whatever led to it, or did before, leads to that one."""
        for order_id in parked.order_ids:
            scope = (keep.venue, keep.account, order_id)
            found = self.by_order.get(scope)
            if found in into:
                self.by_order[scope] = into[found]
            if scope in self.former:
                self._keep_former(scope, tuple(into.get(each, each) for each in self.former[scope]))
        for cl_ord_id in parked.client_ids:
            scope = (keep.venue, keep.account, cl_ord_id)
            if self.by_client.get(scope) in (None, parked):
                self.by_client[scope] = keep
            if scope in self.former_clients:
                self._keep_former_clients(scope, tuple(keep if each is parked else each for each in self.former_clients[scope]))

    def forget(self, child: Child) -> None:
        """Nothing leads to this order any more."""
        for order_id in child.order_ids:
            scope = (child.venue, child.account, order_id)
            ledger = self.by_order.get(scope)
            if ledger is not None and ledger.child is child:
                del self.by_order[scope]
            if scope in self.former:
                self._keep_former(scope, tuple(each for each in self.former[scope] if each.child is not child))
        for cl_ord_id in child.client_ids:
            scope = (child.venue, child.account, cl_ord_id)
            if self.by_client.get(scope) is child:
                del self.by_client[scope]
            if scope in self.former_clients:
                self._keep_former_clients(scope, tuple(each for each in self.former_clients[scope] if each is not child))

    def compact(self) -> None:
        """Give back the room of ids that are gone."""
        self.by_order = dict(self.by_order)
        self.by_client = dict(self.by_client)

    def remember(self, child: Child, ledgers: dict[str, Ledger]) -> None:
        """The names of an order lead to it again, unless a later holder is here; `ledgers`: which one each venue id means."""
        for order_id in dict.fromkeys(child.order_ids):
            scope = (child.venue, child.account, order_id)
            if order_id not in ledgers:
                continue
            holders = [each for each in self.former.get(scope, ()) if each.child is not child]
            now = self.by_order.get(scope)
            if now is not None and now.child is not child:
                holders.append(now)
            holders.append(ledgers[order_id])
            self.by_order[scope] = max(holders, key=lambda each: (each.child.had("order", order_id), each.child.id))
            self._keep_former(scope, tuple(holders))
        for cl_ord_id in dict.fromkeys(child.client_ids):
            scope = (child.venue, child.account, cl_ord_id)
            owners = [each for each in self.former_clients.get(scope, ()) if each is not child]
            other = self.by_client.get(scope)
            if other is not None and other is not child:
                owners.append(other)
            owners.append(child)
            self.by_client[scope] = max(owners, key=lambda each: (each.had("client", cl_ord_id), each.id))
            self._keep_former_clients(scope, tuple(owners))

    # ------------------------------------------------------------------ inside

    def _keep_former(self, scope: Scope, holders: tuple[Ledger, ...]) -> None:
        """Note who had an order id: each order once, in the order in which they got it."""
        name, now = scope[2], self.by_order.get(scope)
        each_once = {each.child.id: each for each in holders if now is None or each.child is not now.child}
        if each_once:
            self.former[scope] = tuple(
                sorted(each_once.values(), key=lambda each: (each.child.had("order", name), each.child.id))
            )
        else:
            self.former.pop(scope, None)

    def _keep_former_clients(self, scope: Scope, holders: tuple[Child, ...]) -> None:
        name, now = scope[2], self.by_client.get(scope)
        each_once = {each.id: each for each in holders if each is not now}
        if each_once:
            self.former_clients[scope] = tuple(sorted(each_once.values(), key=lambda each: (each.had("client", name), each.id)))
        else:
            self.former_clients.pop(scope, None)
