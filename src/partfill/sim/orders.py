"""Orders and executions as they truly are, at one account of a simulated venue."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from partfill.model.operations import Place, Query
from partfill.model.words import OrdStatus, Side

ACME = "ACME"
"""What is traded, mostly."""


class Placed(Protocol):
    """What is of one account at one venue."""

    @property
    def venue(self) -> str:
        """The venue's name."""

    @property
    def account(self) -> str:
        """The account there; empty where there is one."""


def where(what: Placed) -> str:
    """The key of the account that it is of, and of its instrument where that is another one."""
    key = f"{what.venue}/{what.account}" if what.account else what.venue
    instrument = getattr(what, "instrument", None)
    return key if instrument in (None, ACME) else f"{key}:{instrument}"


D = [Decimal(number) for number in range(2001)]
"""Quantities and prices are small whole numbers: their Decimals are made once."""


class Fill:
    """One execution as it truly is. `qty` 0 after it was voided."""

    __slots__ = ("charges", "currency", "fee", "fee_late", "key", "px", "qty", "version")

    def __init__(self, key: str, qty: int, px: int) -> None:
        self.key = key
        self.qty = qty
        self.px = px
        self.version = key
        self.fee: Decimal | None = None
        self.currency = ""
        self.fee_late = False
        """True while it was told without its fee."""
        self.charges: list[tuple[str, Decimal]] = []
        """(currency, amount) that was charged apart for it."""


class Order:
    """One venue order as it truly is. Quantities in whole units."""

    __slots__ = (
        "charges",
        "cl_ord_id",
        "cum",
        "doubled",
        "end",
        "fills",
        "first",
        "id",
        "moved",
        "names",
        "off",
        "parent",
        "price",
        "qty",
        "root",
        "side",
        "terms",
        "uid",
        "where",
    )

    def __init__(self, number: str, op: Place, root: Order | None = None) -> None:
        self.id = self.uid = number
        """What the venue calls it now, and a name that no other order of the account has."""
        self.names: list[str] = [number]
        """Everything that the venue ever called it."""
        self.terms = op.terms
        self.cl_ord_id = op.cl_ord_id
        self.first = op.cl_ord_id
        """The id it was placed under: the same for all legs of a chain."""
        self.side: Side = op.terms.side
        self.qty = int(op.terms.order_qty or 0)
        self.price = int(op.terms.price or 0)
        self.cum = 0
        self.doubled = False
        """Whether one of its execution ids names two executions."""
        self.where = where(op)
        """The key of the account at its venue that it is of."""
        self.moved = False
        """Whether its venue gave it another price by itself."""
        self.off = 0
        """Voided quantity that does not work again."""
        self.fills: list[Fill] = []
        self.charges: list[tuple[str, Decimal]] = []
        """(currency, amount) that was charged for it as a whole."""
        self.end: OrdStatus | None = None
        self.root = root if root is not None else self
        self.parent = int(op.cl_ord_id.partition("-")[0][1:])
        """Number of the parent that the root of the chain was placed for."""

    @property
    def leaves(self) -> int:
        """What may still fill."""
        return 0 if self.end is not None else max(0, self.qty - self.cum - self.off)


def same(order: Order, op: Query) -> bool:
    """Whether an order has the terms that are asked for."""
    terms = op.terms
    return (order.terms.instrument, order.side, order.terms.order_qty, order.terms.price) == (
        terms.instrument,
        terms.side,
        terms.order_qty,
        terms.price,
    )


def word(order: Order) -> OrdStatus:
    """What the venue calls its state."""
    if order.end is not None:
        return order.end
    if order.cum >= order.qty:
        return OrdStatus.FILLED
    return OrdStatus.PARTIALLY_FILLED if order.cum else OrdStatus.NEW


def average(order: Order) -> Decimal | None:
    """Its average price; None when nothing filled."""
    value = sum(fill.qty * fill.px for fill in order.fills)
    return Decimal(value) / order.cum if order.cum else None
