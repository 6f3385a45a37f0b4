"""A simulated venue: it knows what truly happened to every order, and tells it in its own way.

Everything it says is a list of observations for the stream; requests return their reply. It is never wrong about the
truth; the world loses, doubles, delays and reorders what it says.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

import msgspec

from partfill.model.capabilities import BelowCum, Chain, ClientId, ReplaceQty
from partfill.model.commands import Answered, Looked, Outcome
from partfill.model.observations import Execution, ExecutionRevised, ExecutionVoided, Observation, OrderLinked, OrderSnapshot
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.words import ExecType, OrdStatus, Request, Side, TimeInForce
from partfill.sim.fees import BASE, Fees, fees_of
from partfill.sim.kinds import Kind
from partfill.sim.orders import ACME, D, Fill, Order, average, same, where, word

if TYPE_CHECKING:
    from partfill.sim.keys import Keys
    from partfill.sim.links import Links
    from partfill.sim.replicas import Replicas


DUPLICATE = "duplicate client id"
"""Why a venue refuses a second order under an id of ours."""
TRIGGERS = "would_trigger: the market is beyond it"
"""Why a venue refuses a stop that the market has passed."""
TOO_MUCH = "reduce_only_sum: the reduce-only orders would be more than the position"
"""Why a venue that sums them refuses one."""


class SimVenue:
    """One account at one venue."""

    __slots__ = (
        "account",
        "blanks",
        "closed",
        "daily",
        "day",
        "instrument",
        "placeholder",
        "scoped",
        "sums",
        "by_client",
        "count",
        "eager",
        "fees",
        "ids",
        "key",
        "keys",
        "kind",
        "links",
        "moody",
        "name",
        "open",
        "orders",
        "past",
        "random",
        "reduces",
        "refuses",
        "replicas",
        "venue",
    )

    def __init__(self, name: str, kind: Kind, random: Random, account: str = "", instrument: str = ACME) -> None:
        self.name = self.venue = name
        self.account = account
        self.instrument = instrument
        self.key = where(self)
        """What this account of this venue is found by."""
        self.kind = kind
        self.random = random
        self.orders: dict[str, Order] = {}
        """Every order, under a name of its own."""
        self.ids: dict[str, Order] = {}
        """What the venue's ids lead to now."""
        self.by_client: dict[str, Order] = {}
        """The order in force under an id, for venues that know ours."""
        self.open: dict[str, Order] = {}
        self.past: list[Observation] = []
        """Every message about an execution, as it was told."""
        self.count = 0
        self.replicas: Replicas | None = None
        """The copies that answer questions; None where an answer is never behind."""
        self.scoped = False
        """Whether its ids are unique per instrument only, and executions name theirs."""
        self.daily = self.closed = False
        """Whether its ids begin anew each day, and whether it is between two days."""
        self.day = 0
        self.placeholder: str | None = None
        """What it prints until an order has an id; None where it has one at once."""
        self.blanks = 0
        """How often it did."""
        self.links: Links | None = None
        """How it tells that an order goes on under another id; None for at once."""
        self.keys: Keys | None = None
        """How it uses execution ids; None where each names one execution."""
        self.fees: Fees | None = None
        """What it takes for fills; None for nothing that it tells of."""
        self.eager = True
        """Whether some orders trade as they arrive."""
        self.moody = True
        """Whether it refuses things now and then for no reason."""
        self.sums = False
        """Whether it counts all orders that may only reduce together, and refuses what would be more than the position."""
        self.refuses: Callable[[SimVenue, Place], bool] | None = None
        """Says whether a stop is refused since the market has passed it; None for never."""
        self.reduces = False
        """Whether it holds orders that may only reduce to the position: they fill no more, and end with it."""

    @property
    def held(self) -> int:
        """The position, signed; whole units of it, where fees are taken from it."""
        return int(self.holding)

    @property
    def holding(self) -> Decimal | int:
        """The position, signed, to the last digit of the fees that were taken from it."""
        orders = self.orders.values()
        filled = sum(fill.qty * (1 if order.side is Side.BUY else -1) for order in orders for fill in order.fills)
        if self.fees is None:
            return filled
        return filled - sum((fees_of(order).get(BASE, D[0]) for order in orders), D[0])

    def _room(self, order: Order) -> int:
        """How much of an order may fill."""
        if not (self.reduces and order.terms.reduce_only):
            return order.leaves
        return min(order.leaves, max(0, -self.held if order.side is Side.BUY else self.held))

    def _is_too_much(self, order: Order) -> bool:
        """Whether an order is one too many of those that together may only reduce the position."""
        if not (self.sums and order.terms.reduce_only):
            return False
        beside = [each for each in self.open.values() if each.terms.reduce_only and each.side is order.side]
        return sum(each.leaves for each in beside) > max(0, -self.held if order.side is Side.BUY else self.held)

    # ------------------------------------------------------------------ requests

    def place(self, op: Place, now: int, said: list[Observation]) -> Answered:
        """A new order arrives."""
        chance = self.random.random()
        knows = self.kind.capabilities.client_id is not ClientId.NONE
        if knows and op.cl_ord_id in self.by_client:
            # A request that arrives twice is refused for that, whatever else might be wrong: the order is there.
            return self._answer(op, Request.PLACE, Outcome.REFUSED, None, now, DUPLICATE)
        if self.closed or (chance < 0.04 and self.moody):
            return self._answer(op, Request.PLACE, Outcome.REFUSED, None, now, "not enough margin")
        if self.refuses is not None and self.refuses(self, op):
            return self._answer(op, Request.PLACE, Outcome.REFUSED, None, now, TRIGGERS)
        order = self._new(op)
        much = self._is_too_much(order)
        if not self._room(order) or much:
            del self.orders[order.uid], self.open[order.uid], self.ids[order.id]
            why = TOO_MUCH if much else "it would not reduce the position"
            return self._answer(op, Request.PLACE, Outcome.REFUSED, None, now, why)
        if knows:
            self.by_client[op.cl_ord_id] = order
        self.changed(order)
        first = self._report(order, ExecType.NEW, now)
        if self.placeholder is not None and self.random.random() < 0.6:
            self.blanks += 1
            first = msgspec.structs.replace(first, order_id=self.placeholder)
        said.append(first)
        ioc = op.terms.time_in_force is TimeInForce.IOC
        if (chance < 0.4 and self.eager) or ioc:
            self.fill(order, self.random.randint(1, order.qty), now, said)
        if ioc and order.leaves:
            self.finish(order, OrdStatus.CANCELED, now, said)
        carries = self.random.random() < 0.8 or not knows
        return self._answer(op, Request.PLACE, Outcome.DONE, self._report(order, None, now) if carries else None, now)

    def _new(self, op: Place) -> Order:
        self.count += 1
        order = Order(f"{self.name}{self.count}", op)
        order.uid = f"{order.id}@{self.day}" if self.day else order.id
        self.orders[order.uid] = self.open[order.uid] = self.ids[order.id] = order
        return order

    def cancel(self, op: Cancel, now: int, said: list[Observation]) -> Answered:
        """Take an order off, if it is there and works."""
        order = self._of(op.order_id, op.orig_cl_ord_id)
        if order is None or not order.leaves:
            return self._answer(op, Request.CANCEL, Outcome.REFUSED, None, now, "never placed, already canceled, or filled")
        if self.random.random() < 0.05 and self.moody:
            return self._answer(op, Request.CANCEL, Outcome.REFUSED, None, now, "too many requests")
        self.finish(order, OrdStatus.CANCELED, now, said)
        carries = self.random.random() < 0.5
        return self._answer(op, Request.CANCEL, Outcome.DONE, self._report(order, None, now) if carries else None, now)

    def replace(self, op: Replace, now: int, said: list[Observation]) -> Answered:
        """New terms for a working order, by this venue's meaning of the quantity."""
        rules = self.kind.capabilities
        order = self._of(op.order_id, op.orig_cl_ord_id)
        refused = order is None or not order.leaves or (self.random.random() < 0.05 and self.moody)
        if refused or (rules.replace_guarded and self._chain_cum(order) != int(op.cum_qty)):
            return self._answer(op, Request.REPLACE, Outcome.REFUSED, None, now, "cannot modify canceled or filled order")
        assert order is not None
        price = order.price if op.price is None else int(op.price)
        if rules.chain is Chain.RESTARTS:
            order = self._go_on(order, op, price, now, said)
        else:
            asked = int(op.order_qty)
            was, order.qty = order.qty, max(asked, order.qty)
            much = self._is_too_much(order)
            order.qty = was
            if much and asked > was:
                return self._answer(op, Request.REPLACE, Outcome.REFUSED, None, now, TOO_MUCH)
            if asked < order.cum + order.off and rules.below_cum is BelowCum.CANCEL:
                self.finish(order, OrdStatus.CANCELED, now, said)
                return self._answer(op, Request.REPLACE, Outcome.DONE, None, now)
            order.qty, order.price = max(asked, order.cum + order.off), price
            self.by_client[op.cl_ord_id] = order
            order.cl_ord_id = op.cl_ord_id
            if self.kind.relabels:
                said.extend(self._relabel(order, op.orig_cl_ord_id, now))
            else:
                said.append(self._report(order, ExecType.REPLACED, now, orig=op.orig_cl_ord_id))
            self.changed(order)
            self._close_if_done(order)
        carries = self.random.random() < 0.5
        reply = self._report(order, ExecType.REPLACED, now, orig=op.orig_cl_ord_id) if carries else None
        return self._answer(op, Request.REPLACE, Outcome.DONE, reply, now)

    def _relabel(self, order: Order, orig: str, now: int) -> list[Observation]:
        """The order goes on under a new id of the venue: a report or a link says so, late; the old id ends, late."""
        self.count += 1
        before = order.id
        gone = self._report(order, ExecType.CANCELED, now).named(orig)
        order.id = f"{self.name}{self.count}"
        order.names.append(order.id)
        self.ids[order.id] = order
        link = OrderLinked(
            venue=self.name, account=self.account, order_id=before, cl_ord_id=orig, new_order_id=order.id,
            new_cl_ord_id=order.cl_ord_id, as_of=now,
        )  # fmt: skip
        self.past.append(link)
        said = (
            self.links.told(self._report(order, ExecType.REPLACED, now, orig=orig), link) if self.links is not None else [link]
        )
        end = msgspec.structs.replace(gone, ord_status=OrdStatus.CANCELED, leaves_qty=D[0])
        return [*said, *([] if self.links is None else self.links.ended(end))]

    def _go_on(self, old: Order, op: Replace, price: int, now: int, said: list[Observation]) -> Order:
        """The rest goes on under a new order id; the old one ends."""
        assert self.kind.capabilities.replace_qty is ReplaceQty.OPEN
        self.count += 1
        place = Place(
            venue=op.venue,
            account=op.account,
            instrument=op.instrument,
            order=op.order,
            cl_ord_id=op.cl_ord_id,
            terms=old.terms.sized(op.order_qty, None if old.terms.price is None else D[price]),
        )
        order = Order(f"{self.name}{self.count}", place, old.root)
        order.first = old.first
        self.orders[order.uid] = self.open[order.uid] = self.ids[order.id] = order
        for name in (old.first, old.cl_ord_id, op.cl_ord_id):
            self.by_client[name] = order
        self.changed(order)
        told: list[Observation] = [self._report(order, ExecType.REPLACED, now, orig=op.orig_cl_ord_id)]
        self.finish(old, OrdStatus.CANCELED, now, told)
        said.extend(told if self.links is None else self.links.late(told))
        return order

    def find(self, op: Query, now: int, definite: bool, taken: frozenset[str] = frozenset()) -> Looked:
        """Look an order up. `taken` are ids that a venue without client ids cannot mean."""
        order = self._of(op.order_id, op.cl_ord_id)
        if order is None and self.kind.capabilities.client_id is ClientId.NONE and op.order_id is None:
            order = next((each for each in self.orders.values() if each.id not in taken and same(each, op)), None)
        if order is not None and self.replicas is not None:
            found, current = self.replicas.answer(order, self.replicas.seen(), now)
            definite = definite and current
        else:
            found = None if order is None else self._report(order, None, now, asked=now)
        return Looked(
            venue=self.name,
            account=self.account,
            cl_ord_id=op.cl_ord_id,
            order_id=op.order_id,
            order=found,
            definite=definite,
            as_of=now,
        )

    def poll(self, now: int, also: list[str]) -> list[OrderSnapshot]:
        """All open orders, and those named."""
        working = [order.id for order in self.open.values()]
        ids = [each for each in dict.fromkeys([*working, *also]) if each in self.ids]
        if self.replicas is None:
            return [self._report(self.ids[each], None, now, asked=now) for each in ids]
        at = self.replicas.seen()
        found = [self.replicas.answer(self.ids[each], at, now)[0] for each in ids]
        return [report for report in found if report is not None]

    def poll_former(self, now: int) -> list[OrderSnapshot]:
        """Orders of a day that is over, by our ids."""
        known = set(map(id, self.ids.values()))
        return [self._report(order, None, now, asked=now) for order in self.orders.values() if id(order) not in known]

    def history(self, now: int) -> list[Observation]:
        """Everything that ever happened to executions, oldest first, and who goes on for whom."""
        legs = [order for order in self.orders.values() if order.root is not order]
        links: list[Observation] = [self._report(order, ExecType.REPLACED, now, orig=order.first) for order in legs]
        return [*links, *self.past] if self.kind.itemised else links

    # ------------------------------------------------------------------ what happens

    def fill(self, order: Order, qty: int, now: int, said: list[Observation]) -> None:
        """Some of the order trades."""
        room = self._room(order)
        if order.leaves and not room:
            self.finish(order, OrdStatus.CANCELED, now, said)
        qty = min(qty, room)
        if not qty:
            return
        self.count += 1
        key = f"x{self.count}"
        fill = Fill(key if self.keys is None else self.keys.next(self, order, key, qty), qty, order.price)
        order.fills.append(fill)
        order.cum += qty
        apart = [] if self.fees is None else self.fees.take(order, fill, now)
        self.changed(order)
        if self.kind.itemised:
            said.append(self._execution(order, fill, now))
        fill.fee_late = False
        self.past.append(self._execution(order, fill, now))
        self.past.extend(apart)
        said.extend(apart)
        if self.kind.totals:
            said.append(self._report(order, None, now))
        self._close_if_done(order)

    def finish(self, order: Order, word: OrdStatus, now: int, said: list[Observation]) -> None:
        """The rest of the order is taken off."""
        order.end = word
        self.open.pop(order.uid, None)
        self.changed(order)
        kind = {OrdStatus.EXPIRED: ExecType.EXPIRED}.get(word, ExecType.CANCELED)
        said.append(self._report(order, kind, now))

    def void(self, order: Order, fill: Fill, works: bool, now: int, said: list[Observation]) -> int:
        """A fill is taken back; returns the quantity that works again."""
        qty, fill.qty = fill.qty, 0
        order.cum -= qty
        works = works and order.end is None
        if not works:
            order.off += qty
        elif order.leaves:
            self.open[order.uid] = order
        self.changed(order)
        self.past.append(
            ExecutionVoided(
                venue=self.name,
                account=self.account,
                order_id=order.id,
                key=fill.version,
                qty=D[qty],
                leaves_qty=D[order.leaves if works else 0],
                as_of=now,
            )
        )
        said.append(self.past[-1])
        return qty if works else 0

    def correct(self, order: Order, fill: Fill, qty: int, px: int, now: int, said: list[Observation]) -> None:
        """A fill gets another quantity (never a larger one) and price."""
        self.count += 1
        old, fill.version = fill.version, f"x{self.count}"
        order.cum -= fill.qty - qty
        order.off += fill.qty - qty
        fill.qty, fill.px = qty, px
        before = fill.fee
        if self.fees is not None:
            self.fees.revised(fill)
        fee = fill.fee if fill.fee is not before else None
        self.changed(order)
        self.past.append(
            ExecutionRevised(
                venue=self.name,
                account=self.account,
                order_id=order.id,
                key=old,
                new_key=fill.version,
                qty=D[qty],
                px=D[px],
                fee=fee,
                fee_currency=None if fee is None else fill.currency,
                as_of=now,
            )
        )
        said.append(self.past[-1])

    def restate(self, order: Order, less: int, px: int, now: int, said: list[Observation]) -> None:
        """The venue changes a working order by itself: `less` of it stays in force, at `px`."""
        order.qty -= less
        order.moved = order.moved or px != order.price
        order.price = px
        self.changed(order)
        said.append(self._report(order, ExecType.RESTATED, now))
        self._close_if_done(order)

    def _close_if_done(self, order: Order) -> None:
        if not order.leaves:
            self.open.pop(order.uid, None)

    # ------------------------------------------------------------------ words

    def _of(self, order_id: str | None, cl_ord_id: str) -> Order | None:
        """The order meant, or the one that goes on in its stead."""
        if self.kind.capabilities.client_id is not ClientId.NONE and cl_ord_id in self.by_client:
            return self.by_client[cl_ord_id]
        return self.ids.get(order_id) if order_id is not None else None

    def _chain_cum(self, order: Order | None) -> int:
        return 0 if order is None else sum(each.cum for each in self.orders.values() if each.root is order.root)

    def _answer(
        self,
        op: Place | Cancel | Replace,
        request: Request,
        outcome: Outcome,
        order: OrderSnapshot | None,
        now: int,
        reason: str | None = None,
    ) -> Answered:
        return Answered(
            venue=self.name,
            account=self.account,
            request=request,
            cl_ord_id=op.cl_ord_id,
            outcome=outcome,
            order=order,
            reason=reason,
            as_of=now,
        )

    def _execution(self, order: Order, fill: Fill, now: int) -> Execution:
        fee = None if fill.fee_late else fill.fee
        return Execution(
            venue=self.name, account=self.account, order_id=order.id, key=fill.key, qty=D[fill.qty], px=D[fill.px], fee=fee,
            fee_currency=None if fee is None else fill.currency, as_of=now,
            instrument=self.instrument if self.scoped else None, side=order.side if self.scoped else None,
        )  # fmt: skip

    def shown(self, order: Order, now: int) -> OrderSnapshot:
        """What a reply shows of an order."""
        return self._report(order, None, now)

    def changed(self, order: Order) -> None:
        """Every copy will know."""
        if self.replicas is not None:
            self.replicas.note(order, self._report(order, None, 0))

    def _report(
        self, order: Order, kind: ExecType | None, now: int, orig: str | None = None, asked: int | None = None
    ) -> OrderSnapshot:
        knows = self.kind.capabilities.client_id is not ClientId.NONE
        executions = None
        if kind is None and self.kind.itemised and not self.kind.reversible:
            executions = tuple(self._execution(order, fill, now) for fill in order.fills if fill.qty)
        name = order.cl_ord_id if knows else None
        return OrderSnapshot(
            venue=self.name,
            account=self.account,
            order_id=order.id,
            cl_ord_id=name,
            orig_cl_ord_id=orig,
            exec_type=kind,
            ord_status=word(order),
            instrument=order.terms.instrument,
            side=order.side,
            ord_type=order.terms.ord_type,
            time_in_force=order.terms.time_in_force,
            price=D[order.price],
            order_qty=D[order.qty],
            cum_qty=D[order.cum] if self.kind.totals else None,
            avg_px=average(order) if self.kind.totals and not self.kind.itemised else None,
            leaves_qty=D[order.leaves],
            executions=executions,
            as_of=now,
            asked=asked,
        )
