"""Recorded Bitstamp web socket lines `<ms> <kind> <json>` of one market, orders by id -> inputs.

Theory of operation. The rows of an order tell only what is left of it (`amount`), never what filled. What filled is
the amount it was created with less what is left, and that is a cumulative claim: the decoder remembers the amount of
creation and states the difference. A trade names no order, so it cannot be an execution of one.

Rules
- A row that lowers the amount, or a deletion with nothing left, is a fill. A deletion with a rest cancels that rest.
- The price of a fill is not printed. The order's price stands in as average, and the engine marks it approximate.
- An order that was never seen created has no known beginning: its rows say nothing of what filled. They are parked.
- Rows of one order can change places. A deletion is remembered, so that a creation that comes after it does not bring
  the order back to life; a change that comes after it finds a higher claim and changes nothing.
- Memory is bounded: the `remember` orders that were touched last. An older one counts as never seen.
- Numbers of orders are text inside the JSON and stay text. Those of trades are floats, and are not read at all.

It does not read trades or book snapshots: nothing comes of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from partfill.model.capabilities import Capabilities
from partfill.model.inputs import VenueDeclared
from partfill.model.numbers import NotANumber, sub, text
from partfill.model.observations import OrderSnapshot
from partfill.model.words import ExecType, OrdStatus, OrdType, Side
from partfill.venues.decoding import NOTHING_PRINTED, Damaged, Framing, Message, Printed, exact, only_damaged

VENUE = "bitstamp"
MILLISECOND_NS = 1_000_000
MAX_ORDERS = 200_000
"""Orders remembered, unless told otherwise."""

_LINE = re.compile(r"([0-9]{1,16}) (\w+) (.*)", re.ASCII | re.DOTALL)
_KINDS = {"order_created": "created", "order_changed": "changed", "order_deleted": "deleted"}
_NO_ORDER = frozenset({"trade", "order_book"})


class _Body(msgspec.Struct):
    """One order as the venue writes it: numbers as text, `order_type` 0 buy, 1 sell."""

    id: int
    price: str
    amount: str
    order_type: Literal[0, 1]


class _Row(NamedTuple):
    order_id: str
    price: Decimal
    amount: Decimal
    side: Side
    at: int


class _Known(NamedTuple):
    created: Decimal | None = None
    """Amount it was created with."""
    rest: Decimal | None = None
    """What was left when it was deleted; None while it lives."""


_read = msgspec.json.Decoder(_Body).decode


class BitstampDecoder:
    """One recorded stream. `instrument` names the market, which the rows do not; `remember` bounds the memory, in orders."""

    format = "bitstamp"
    framing = Framing.LINES

    def __init__(self, instrument: str = "BTC/USD", remember: int = MAX_ORDERS) -> None:
        self.instrument = instrument
        self._remember = remember
        self._orders: dict[str, _Known] = {}
        self._at = -1

    def declare(self) -> Iterable[VenueDeclared]:
        """What is left is the truth about what filled."""
        return (VenueDeclared(venue=VENUE, capabilities=Capabilities()),)

    @only_damaged
    def decode(self, raw: str, number: int) -> Iterable[Message]:
        """The message of line `number`. Raises `Damaged` for a line that is none."""
        line = raw.strip()
        if not line:
            return ()
        match = _LINE.fullmatch(line)
        if match is None:
            raise Damaged(f"{line[:120]!r} is no recorded line; give '<ms> <kind> <json>', such as '1430438404518 trade {{}}'")
        ms, kind, body = match.groups()
        if kind in _NO_ORDER:
            return ()
        if kind not in _KINDS:
            raise Damaged(f"kind is {kind!r}; give one of {', '.join([*_KINDS, *sorted(_NO_ORDER)])}")
        row = self._row(kind, body, int(ms) * MILLISECOND_NS)
        known = self._orders.get(row.order_id, _Known())
        if known.created is not None and row.amount > known.created:
            raise Damaged(
                f"amount of order {row.order_id} is {text(row.amount)}; what is left of it is at most the "
                f"{text(known.created)} it was created with"
            )
        self._at = row.at
        if kind == "order_created":
            known = known if known.created is not None else known._replace(created=row.amount)
            inputs = [self._created(row)]
            if known.rest is not None:
                inputs.append(self._left(row._replace(amount=known.rest), known))
        else:
            known = known._replace(rest=row.amount) if kind == "order_deleted" else known
            inputs = [self._left(row, known)]
        self._keep(row.order_id, known)
        printed = Printed(leaves_qty=row.amount) if kind == "order_changed" else NOTHING_PRINTED
        return (Message(inputs=tuple(inputs), at=row.at, msg=_KINDS[kind], order_id=row.order_id, printed=printed),)

    def _row(self, kind: str, body: str, at: int) -> _Row:
        try:
            o = _read(body)
            price, amount = exact(o.price, "price"), exact(o.amount, "amount")
        except (msgspec.DecodeError, NotANumber, UnicodeError, RecursionError) as error:
            raise Damaged(f"{kind} is {body[:120]!r}: {error}; give id, order_type 0 or 1, price and amount as text") from None
        if amount.is_signed():
            raise Damaged(f"amount of order {o.id} is {o.amount!r}; what is left is zero or more")
        return _Row(str(o.id), price, amount, Side.SELL if o.order_type else Side.BUY, max(at, self._at + 1))

    def _created(self, row: _Row) -> OrderSnapshot:
        return OrderSnapshot(venue=VENUE, order_id=row.order_id, as_of=row.at, exec_type=ExecType.NEW,
                             instrument=self.instrument, side=row.side, ord_type=OrdType.LIMIT, price=row.price,
                             order_qty=row.amount)  # fmt: skip

    def _left(self, row: _Row, known: _Known) -> OrderSnapshot:
        """`row.amount` is left: of an order that works, or (`known.rest`) of one that is gone."""
        cum = None if known.created is None else sub(known.created, row.amount)
        canceled = known.rest is not None and bool(row.amount) and row.amount == known.rest
        filled = known.rest is not None and not known.rest and not row.amount
        return OrderSnapshot(venue=VENUE, order_id=row.order_id, as_of=row.at, instrument=self.instrument, side=row.side,
                             exec_type=ExecType.CANCELED if canceled else None,
                             ord_status=OrdStatus.FILLED if filled else None,
                             price=row.price, cum_qty=cum, avg_px=row.price if cum else None,
                             leaves_qty=None if canceled else row.amount,
                             reduced_qty=row.amount if canceled else None)  # fmt: skip

    def _keep(self, order_id: str, known: _Known) -> None:
        self._orders.pop(order_id, None)
        self._orders[order_id] = known
        if len(self._orders) > self._remember:
            del self._orders[next(iter(self._orders))]


__all__ = ["MAX_ORDERS", "VENUE", "BitstampDecoder"]
