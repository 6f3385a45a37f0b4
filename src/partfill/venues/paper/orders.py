"""One account's order as the paper exchange keeps it, and what the exchange says of it in the model's words.

Theory of operation. The book's own order (`PaperOrder.book`) holds quantities; this adds the account's side of it: ids,
terms, executions, fees and how it ended. Status follows from those and is never set. Two kinds of statement are made:
a *report* says why it is sent (`ExecType`), goes to the stream once, and has a key of its own; a *picture* is the
answer to a question: the order as it is, with every execution.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from partfill.model.numbers import ZERO, add, mul, ratio
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, OrdType, Side
from partfill.venues.paper.book import BookOrder


class PaperOrder:
    """An order of an account. Quantities in units, prices and `notional` in quote currency, times ns UTC."""

    __slots__ = (
        *("account", "book", "born", "cl_ord_id", "client_ids", "ended", "executions", "fees", "notional", "number"),
        *("order_id", "price", "reason", "shrunk", "stop_waits", "terms", "venue"),
    )

    def __init__(self, venue: str, account: str, number: int, order_id: str, cl_ord_id: str, terms: Terms, now: int) -> None:
        assert terms.order_qty is not None
        self.venue = venue
        self.account = account
        self.number = number
        """Place in the exchange's order of arrival."""
        self.order_id = order_id
        self.cl_ord_id = cl_ord_id
        """Client id in force: a replace brings a new one."""
        self.client_ids = [cl_ord_id]
        """Every client id that leads here."""
        self.terms = terms
        self.price = terms.price
        """Limit in force."""
        self.book = BookOrder(order_id, terms.side, terms.order_qty, terms.price, self)
        self.born = now
        self.ended: OrdStatus | None = None
        """Canceled, Expired or Rejected; None while it works or when it filled."""
        self.reason: str | None = None
        self.shrunk = False
        """True once reduce-only took something off."""
        self.stop_waits = terms.ord_type in (OrdType.STOP, OrdType.STOP_LIMIT)
        """True while a stop has not been triggered."""
        self.executions: list[Execution] = []
        self.notional = ZERO
        self.fees = ZERO

    # ------------------------------------------------------------------ the truth

    @property
    def side(self) -> Side:
        """Buy or sell."""
        return self.terms.side

    @property
    def order_qty(self) -> Decimal:
        """Total quantity in force, what has filled included."""
        return self.book.total

    @property
    def cum_qty(self) -> Decimal:
        """What has filled."""
        return self.book.filled

    @property
    def leaves_qty(self) -> Decimal:
        """What may still fill."""
        return self.book.open

    @property
    def works(self) -> bool:
        """Whether it may still fill."""
        return self.ended is None and self.book.open > ZERO

    @property
    def status(self) -> OrdStatus:
        """The status by FIX precedence."""
        if self.ended is not None:
            return self.ended
        if not self.book.open:
            return OrdStatus.FILLED
        return OrdStatus.PARTIALLY_FILLED if self.book.filled else OrdStatus.NEW

    @property
    def avg_px(self) -> Decimal | None:
        """Average price, 28 digits; None while nothing filled."""
        return ratio(self.notional, self.book.filled) if self.book.filled else None

    def fill(self, key: str, qty: Decimal, px: Decimal, fee: Decimal, currency: str, now: int) -> Execution:
        """Keep one execution; the book has counted its quantity already."""
        execution = Execution(
            venue=self.venue, account=self.account, order_id=self.order_id, cl_ord_id=self.cl_ord_id, as_of=now,
            venue_time=now, key=key, qty=qty, px=px, fee=fee, fee_currency=currency,
            instrument=self.terms.instrument, side=self.terms.side,
        )  # fmt: skip
        self.executions.append(execution)
        self.notional = add(self.notional, mul(qty, px))
        self.fees = add(self.fees, fee)
        return execution

    # ------------------------------------------------------------------ what is said of it

    def report(self, kind: ExecType, key: str, now: int, **also: Any) -> OrderSnapshot:
        """A report of this very moment; `also` are further fields of `OrderSnapshot`."""
        return self._say(now, exec_type=kind, ord_status=self.status, key=key, **also)

    def picture(self, now: int) -> OrderSnapshot:
        """The whole order, as a poll shows it.

        An order that reduce-only made smaller and that is complete is called Canceled here: who missed the report of
        the smaller quantity would wait for the rest of a "Filled" for ever, and who heard it reads Filled from the
        quantities.
        """
        word = self.status
        if word is OrdStatus.FILLED and self.shrunk:
            word = OrdStatus.CANCELED
        return self._say(now, ord_status=word, executions=tuple(self.executions), reason=self.reason)

    def answer(self, now: int) -> OrderSnapshot:
        """The reply to the request that placed it: an acceptance with what has filled already, or the end it came to."""
        if not self.works:
            return self.picture(now)
        return self._say(now, exec_type=ExecType.NEW, ord_status=self.status, executions=tuple(self.executions))

    def _say(self, now: int, **also: Any) -> OrderSnapshot:
        terms = self.terms
        book = self.book
        fields: dict[str, Any] = {"cl_ord_id": self.cl_ord_id, **also}
        return OrderSnapshot(
            venue=self.venue, account=self.account, order_id=self.order_id, as_of=now, venue_time=now,
            instrument=terms.instrument, side=terms.side, ord_type=terms.ord_type, time_in_force=terms.time_in_force,
            price=self.price, stop_px=terms.stop_px, order_qty=book.total, cum_qty=book.filled, leaves_qty=book.open,
            avg_px=self.avg_px, **fields,
        )  # fmt: skip


__all__ = ["PaperOrder"]
