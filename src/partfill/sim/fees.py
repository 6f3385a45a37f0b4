"""Fees at a simulated venue: with the execution, later, apart as a charge, of the order as a whole; in any currency.

Rules
- What a venue takes for an execution belongs to it: a void takes it back, a correction may state another one.
- A fee in the base asset is taken from the fill: the account holds less than what filled.
- Fees are exact fractions of what filled, sometimes rebates.
"""

from __future__ import annotations

from decimal import Decimal

from partfill.model.inputs import Charge, InstrumentListed
from partfill.model.observations import Observation
from partfill.sim.ingredients import ACCOUNTS, FEES, Ingredients
from partfill.sim.orders import D, Fill, Order

BASE = "COIN"
"""The currency of one unit of what is traded."""
QUOTE = "USD"
OTHER = "VIP"
STYLES = ("with", "late", "apart", "order", "both")
"""With the execution; with it, but only when it is told again; as a charge that names it; as one that names none; mixed."""


class Fees:
    """What one account at one venue takes for fills. Draws from a source of its own."""

    def __init__(self, ingredients: Ingredients, venue: str, account: str) -> None:
        self._ingredients = ingredients
        self._random = ingredients.random
        self._venue, self._account = venue, account
        self.style = self._random.choice(STYLES)
        self.currency = self._random.choice((QUOTE, BASE, BASE, OTHER))
        self._charges = 0
        alone = ACCOUNTS not in ingredients.has
        self._bare = alone and self.style != "both" and self.currency != BASE and self._random.random() < 0.7
        """Whether its venue does not say what a unit is: nothing is taken in that."""

    @property
    def in_base(self) -> bool:
        """Whether some are taken in what is traded."""
        return self.currency == BASE

    def listed(self) -> InstrumentListed:
        """What the venue says of the instrument."""
        base = None if self._bare else BASE
        return InstrumentListed(venue=self._venue, instrument="ACME", quote=QUOTE, base=base)

    def amount(self, qty: int, px: int) -> Decimal:
        """The fee of a fill."""
        if self.currency == BASE:
            self._ingredients.meet("a fee in the base asset")
        rate = self._random.choice((Decimal("0.01"), Decimal("0.002"), Decimal("-0.001")))
        return D[qty] * rate if self.currency == BASE else D[qty] * D[px] * rate

    def take(self, order: Order, fill: Fill, now: int) -> list[Observation]:
        """The fee of a new fill; what is told of it apart from the execution."""
        style = self._random.choice(STYLES[:4]) if self.style == "both" else self.style
        if self.style == "both" and self._random.random() < 0.2:
            self._ingredients.meet("an execution with two fees")
            fill.fee, fill.currency = self.amount(fill.qty, fill.px), self.currency
            return [self._charge(order, fill, self._random.choice((QUOTE, BASE, OTHER)), now)]
        if style in ("with", "late"):
            fill.fee, fill.currency, fill.fee_late = self.amount(fill.qty, fill.px), self.currency, style == "late"
            self._ingredients.meet("a fee with its execution")
            return []
        return [self._charge(order, None if style == "order" else fill, self.currency, now)]

    def _charge(self, order: Order, fill: Fill | None, currency: str, now: int) -> Charge:
        qty, px = (1, order.price) if fill is None else (fill.qty, fill.px)
        amount = self.amount(qty, px) if currency == self.currency else D[qty] / 100
        (order.charges if fill is None else fill.charges).append((currency, amount))
        self._charges += 1
        self._ingredients.meet("a charge of an order" if fill is None else "a charge of an execution")
        return Charge(
            venue=self._venue, account=self._account, order_id=order.id, key=f"c{self._charges}", amount=amount,
            currency=currency, exec_key=None if fill is None else fill.key, as_of=now,
        )  # fmt: skip

    def revised(self, fill: Fill) -> None:
        """A correction of a fill may state another fee."""
        if fill.fee is not None and self._random.random() < 0.7:
            fill.fee = self.amount(fill.qty, fill.px)
            self._ingredients.meet("a fee that was revised")


def fees_of(order: Order) -> dict[str, Decimal]:
    """What an order truly cost, per currency; nothing that adds up to zero."""
    paid: dict[str, Decimal] = {}
    for currency, amount in order.charges:
        paid[currency] = paid.get(currency, D[0]) + amount
    for fill in order.fills:
        if fill.qty:
            for currency, amount in (*fill.charges, *(() if fill.fee is None else ((fill.currency, fill.fee),))):
                paid[currency] = paid.get(currency, D[0]) + amount
    return {currency: amount for currency, amount in paid.items() if amount}


def give_fees(ingredients: Ingredients, venue: str, account: str) -> Fees | None:
    """The fees of an account in this world; None where nothing is taken."""
    return Fees(ingredients, venue, account) if FEES in ingredients.has else None
