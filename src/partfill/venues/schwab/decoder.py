"""Schwab Trader API: recorded order JSON -> inputs of the engine.

Reads one order, a list of orders, and the orders nested in them (`childOrderStrategies`), in the shapes of Schwab and
of its predecessor TD Ameritrade, whose numbers are text.

Rules
- An execution is an activity EXECUTION with executionType FILL. A cancelled or replaced order carries an EXECUTION of
  type CANCELED, with a quantity and the price 0, that is none.
- Its key is the activityId; without one its place among the FILL activities ("#2"). Fills equal in leg, quantity,
  price and second are different fills.
- An order counts in its own units. The execution of a multi-leg order is a package of `activity.quantity` at the net
  price per unit, seen from the order's side: paid for a debit (buy), received for a credit (sell, and any other type).
  The executions of its legs come beside it and feed positions.
- `filledQuantity` is a claim. `remainingQuantity` is what works, 0 on every closed order, and is not read.
- A nested order is an order of its own. A node without quantity and legs (OCO) is none, only its children are; a
  node id may even be the id of one of its children.
- A REPLACED order is cancelled and went on under an id that nothing here names. UNKNOWN and new words are open.
- Answers name no time of asking, and times have whole seconds: the time of a message is the newest time that the order
  names, made strictly increasing from answer to answer. No fee stands on an order.

It does not read the account stream, transactions, previews, or positions; it links no order to its successor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, Inexact

from msgspec import structs

from partfill.model.capabilities import Capabilities, Chain
from partfill.model.inputs import Execution, OrderSnapshot, VenueDeclared
from partfill.model.numbers import ZERO, add, mul, scale
from partfill.model.words import OrdStatus, OrdType, Side, TimeInForce
from partfill.venues.decoding import Damaged, Framing, Message, Printed, only_damaged
from partfill.venues.json_row import JsonRow, read_json, shown

VENUE = "schwab"

MAX_DEPTH = 20
"""Levels of nested orders that are believed (a bracket has three)."""

NOT_YET = ("NEW", "ACCEPTED", "QUEUED", "PENDING_ACTIVATION", "PENDING_ACKNOWLEDGEMENT", "AWAITING_PARENT_ORDER",
           "AWAITING_CONDITION", "AWAITING_STOP_CONDITION", "AWAITING_MANUAL_REVIEW", "AWAITING_RELEASE_TIME")  # fmt: skip
STATUSES = dict.fromkeys(NOT_YET, OrdStatus.PENDING_NEW) | {
    "WORKING": OrdStatus.NEW,
    "PENDING_CANCEL": OrdStatus.PENDING_CANCEL,
    "AWAITING_UR_OUT": OrdStatus.PENDING_CANCEL,
    "PENDING_RECALL": OrdStatus.PENDING_CANCEL,
    "PENDING_REPLACE": OrdStatus.PENDING_REPLACE,
    "FILLED": OrdStatus.FILLED,
    "CANCELED": OrdStatus.CANCELED,
    "REPLACED": OrdStatus.CANCELED,
    "REJECTED": OrdStatus.REJECTED,
    "EXPIRED": OrdStatus.EXPIRED,
}
CLOSED = frozenset({OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED})
"""Words that say the same as the ledger's status; the others do not know of partial fills."""
ORD_TYPES = {"MARKET": OrdType.MARKET, "MARKET_ON_CLOSE": OrdType.MARKET, "LIMIT": OrdType.LIMIT,
             "LIMIT_ON_CLOSE": OrdType.LIMIT, "NET_DEBIT": OrdType.LIMIT, "NET_CREDIT": OrdType.LIMIT,
             "NET_ZERO": OrdType.LIMIT, "STOP": OrdType.STOP, "TRAILING_STOP": OrdType.STOP,
             "STOP_LIMIT": OrdType.STOP_LIMIT, "TRAILING_STOP_LIMIT": OrdType.STOP_LIMIT}  # fmt: skip
NET_SIDES = {"NET_DEBIT": Side.BUY, "NET_CREDIT": Side.SELL}
"""Side of a whole package."""
TIMES_IN_FORCE = {
    "DAY": TimeInForce.DAY,
    "GOOD_TILL_CANCEL": TimeInForce.GTC,
    "FILL_OR_KILL": TimeInForce.FOK,
    "IMMEDIATE_OR_CANCEL": TimeInForce.IOC,
    "END_OF_WEEK": TimeInForce.GTD,
    "END_OF_MONTH": TimeInForce.GTD,
    "NEXT_END_OF_MONTH": TimeInForce.GTD,
}
Legs = dict[str, tuple[str | None, Side | None]]
"""legId -> (symbol, side)"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE = Decimal(1)


class SchwabDecoder:
    """Decoder of one file of order answers."""

    format = "schwab"
    framing = Framing.JSON

    def __init__(self) -> None:
        self._clock = 0

    def declare(self) -> Iterable[VenueDeclared]:
        """The list of executions is the whole list; a replace gives a new order whose counts start anew."""
        rules = Capabilities(chain=Chain.RESTARTS, executions_complete=True, keys_made=True)
        return [VenueDeclared(venue=VENUE, capabilities=rules)]

    @only_damaged
    def decode(self, raw: str, number: int) -> Iterable[Message]:
        """One message per order in frame `number`, parents before children. Raises `Damaged`."""
        value = read_json(raw, f"frame {number}")
        orders = value if isinstance(value, list) else [value]
        return [m for order in orders for m in self._order(_Row(order, f"frame {number}"), "", 0)]

    def _order(self, row: _Row, account: str, depth: int) -> Iterator[Message]:
        if depth > MAX_DEPTH:
            raise Damaged(f"{row.where}: orders are nested more than {MAX_DEPTH} deep; a bracket has three levels")
        account = row.id("accountNumber") or row.id("accountId") or account
        children = row.rows("childOrderStrategies")
        if row.fields.get("quantity") is not None or row.fields.get("orderLegCollection") is not None:
            yield self._message(row, account)
        elif not children:
            raise Damaged(f"{row.where} has the fields {shown(sorted(row.fields))}; an order has a quantity and legs")
        for child in children:
            yield from self._order(child, account, depth + 1)

    def _message(self, row: _Row, account: str) -> Message:
        order_id, qty, cum = row.id("orderId"), row.number("quantity"), row.number("filledQuantity")
        if order_id is None or qty is None or cum is None:
            raise Damaged(f"{row.where}: orderId, quantity or filledQuantity of an order is missing; give all three")
        row.where = f"{row.where}: order {order_id}"
        word, kind = row.need("status"), row.text("orderType") or ""
        legs = self._legs(row)
        side = next(iter(legs.values()))[1] if len(legs) == 1 else NET_SIDES.get(kind)
        status = STATUSES.get(word)
        activities = row.rows("orderActivityCollection")
        fills = [a for a in activities if a.need("activityType") == "EXECUTION" and a.need("executionType") == "FILL"]
        times = [row.time("enteredTime"), row.time("closeTime")]
        times += [leg.time("time") for fill in fills for leg in fill.rows("executionLegs")]
        known = [time for time in times if time is not None]
        self._clock = at = max([self._clock + 1, *known])
        listed: list[Execution] = []
        for place, fill in enumerate(fills, 1):
            key = fill.id("activityId") or f"#{place}"
            units = fill.need_number("quantity")
            template = Execution(venue=VENUE, account=account, order_id=order_id, as_of=at, key=key, qty=units)
            listed += self._single(fill, template, legs) if len(legs) == 1 else self._package(fill, template, legs, side)
        snapshot = OrderSnapshot(
            venue=VENUE,
            account=account,
            order_id=order_id,
            as_of=at,
            venue_time=max(known, default=None),
            ord_status=status,
            status_text=word if status is None else None,
            instrument="/".join(symbol or "?" for symbol, _ in legs.values()),
            side=side,
            ord_type=ORD_TYPES.get(kind, OrdType.OTHER),
            time_in_force=TIMES_IN_FORCE.get(row.text("duration") or ""),
            price=row.number("price"),
            stop_px=row.number("stopPrice"),
            order_qty=qty,
            cum_qty=cum,
            # Absent until something happened: then there is no list that could be complete.
            executions=tuple(listed) if row.fields.get("orderActivityCollection") is not None else None,
            reason=row.text("statusDescription"),
            replaced=word == "REPLACED",
        )
        printed = Printed(ord_status=status if status in CLOSED else None, order_qty=qty, cum_qty=cum)
        return Message(inputs=(snapshot,), at=at, msg="order", exec_type=word, order_id=order_id, printed=printed)

    def _legs(self, row: _Row) -> Legs:
        legs: Legs = {}
        for leg in row.rows("orderLegCollection"):
            instrument = _Row(leg.fields.get("instrument"), f"{leg.where}: instrument")
            word = leg.need("instruction")
            side = Side.BUY if word.startswith("BUY") else Side.SELL if word.startswith("SELL") else None
            legs[leg.id("legId") or str(len(legs) + 1)] = (instrument.text("symbol") or instrument.text("cusip"), side)
        if not legs:
            raise Damaged(f"{row.where}: orderLegCollection is {shown(row.fields.get('orderLegCollection'))}; give the legs")
        return legs

    def _single(self, fill: _Row, template: Execution, legs: Legs) -> Iterator[Execution]:
        """The execution of an order of one leg; more than one price in one activity is more than one execution."""
        (symbol, side), *_ = legs.values()
        parts = fill.rows("executionLegs")
        for n, part in enumerate(parts or [fill], 1):
            several = len(parts) > 1
            yield _with(template, key=f"{template.key}/{n}" if several else template.key, px=part.number("price"), side=side,
                        qty=part.need_number("quantity") if several else template.qty, instrument=symbol,
                        venue_time=part.time("time"))  # fmt: skip

    def _package(self, fill: _Row, template: Execution, legs: Legs, side: Side | None) -> Iterator[Execution]:
        """The execution of a multi-leg order in its own units, and those of its legs."""
        value, unknown = ZERO, set(legs)
        parts: list[Execution] = []
        if fill.get("executionLegs") is None:
            raise Damaged(f"{fill.where}: executionLegs is missing; an execution of a package has those of its legs")
        for part in fill.rows("executionLegs"):
            leg = part.id("legId")
            if leg is None or leg not in legs:
                raise Damaged(f"{part.where}: legId is {leg}; the order has the legs {', '.join(legs)}")
            symbol, way = legs[leg]
            qty, px = part.need_number("quantity"), part.number("price")
            parts.append(_with(template, leg=leg, instrument=symbol, side=way, qty=qty, px=px, venue_time=part.time("time")))
            if px is not None and way is not None:
                amount = mul(px, qty)
                value = add(value, amount if way is (side or Side.SELL) else amount.copy_negate())
                unknown.discard(leg)
        at = max((part.venue_time for part in parts if part.venue_time is not None), default=None)
        yield _with(template, px=None if unknown else _per_unit(value, template.qty), side=side, venue_time=at)
        yield from parts


class _Row(JsonRow):
    """One object of the venue."""

    def rows(self, field: str) -> list[_Row]:
        return [] if self.get(field) is None else super().rows(field)

    def need_number(self, field: str) -> Decimal:
        value = self.number(field)
        if value is None:
            raise Damaged(f"{self.where}: {field} is missing; give a number")
        return value

    def time(self, field: str) -> int | None:
        """Nanoseconds UTC of a time such as 2025-08-29T17:15:17+0000."""
        value = self.text(field)
        if value is None:
            return None
        try:
            since = datetime.fromisoformat(value) - _EPOCH
        except (ValueError, TypeError, OverflowError):
            raise Damaged(f"{self.where}: {field} is {shown(value)}; give a time with its zone") from None
        return since // timedelta(microseconds=1) * 1000


def _with(template: Execution, **changes: object) -> Execution:
    return structs.replace(template, **changes)


def _per_unit(value: Decimal, qty: Decimal) -> Decimal | None:
    """`value` per unit; None when that is no finite decimal number (a guess would be worse than no price)."""
    try:
        return scale(value, _ONE, qty)
    except Inexact:
        return None
