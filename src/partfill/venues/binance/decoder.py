"""Binance USD-M futures: the user data stream of own orders -> inputs of the engine.

Reads `ORDER_TRADE_UPDATE` in the venue's wire shape (`{"e": ..., "o": {"s": ..., "x": ...}}`, also inside a combined
stream's `{"stream": ..., "data": ...}`) and in the long-named shape of recorders (`eventType`, `order.symbol`, ...),
and `TRADE_LITE`, the early copy of an execution without its fee.

Rules
- An order is "<symbol>:<order id>": the venue counts order ids per symbol. An execution is its trade id.
- Whatever the execution type says, a last quantity with a trade id is an execution. One without a trade id is only
  in the accumulated quantity, which is a claim.
- The average price is rounded by the venue. It is printed for comparison, and goes with the claim, where the core
  uses it only for quantity that no execution explains.
- A client id may be used again after its order has ended, and all auto-deleveraging orders share one. So a client id
  counts for the first order that shows it.
- A conditional order that triggers is EXPIRED and then NEW under the same id with another type: it goes on.
- Time of a message is its event time, made strictly increasing (the venue's clock has milliseconds only).

It does not read balances or positions: `ACCOUNT_UPDATE` and every other event type concern no order, nothing comes
of them. It knows no account: the stream does not name one.
"""

from __future__ import annotations

from collections.abc import Iterable

from partfill.model.capabilities import BelowCum, Capabilities
from partfill.model.inputs import Execution, OrderSnapshot, VenueDeclared
from partfill.model.words import ExecType, OrdStatus, OrdType, Side, TimeInForce
from partfill.venues.decoding import Damaged, Framing, Message, Printed, only_damaged
from partfill.venues.json_row import JsonRow, read_json, shown

VENUE = "binance"

MAX_CLIENT_IDS = 100_000
"""Client ids remembered with their order; the oldest goes first."""
SHARED_CLIENT_IDS = frozenset({"adl_autoclose"})
"""Client ids that the venue itself gives to many orders."""

LONG_NAMES = {
    "e": "eventType", "E": "eventTime", "T": "transactionTime", "s": "symbol", "c": "clientOrderId", "S": "orderSide",
    "o": "orderType", "f": "orderTimeInForce", "q": "originalQuantity", "p": "originalPrice", "ap": "averagePrice",
    "sp": "stopPrice", "x": "executionType", "X": "orderStatus", "i": "orderId", "l": "lastFilledQuantity",
    "z": "orderFilledAccumulatedQuantity", "L": "lastFilledPrice", "N": "commissionAsset", "n": "commissionAmount",
    "ps": "positionSide", "t": "tradeId", "ot": "originalOrderType",
}  # fmt: skip
"""Wire name -> recorder's name."""

EXEC_TYPES = {
    "NEW": ExecType.NEW,
    "CANCELED": ExecType.CANCELED,
    "EXPIRED": ExecType.EXPIRED,
    "REJECTED": ExecType.REJECTED,
    "TRADE": ExecType.TRADE,
    # The liquidation engine took a quantity over: a fill, and not the end of the order (that is FIX's Calculated).
    "CALCULATED": ExecType.TRADE,
    "AMENDMENT": ExecType.REPLACED,
}
STATUSES = {
    "NEW": OrdStatus.NEW,
    "PARTIALLY_FILLED": OrdStatus.PARTIALLY_FILLED,
    "FILLED": OrdStatus.FILLED,
    "CANCELED": OrdStatus.CANCELED,
    "EXPIRED": OrdStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrdStatus.EXPIRED,
    "REJECTED": OrdStatus.REJECTED,
}
ORD_TYPES = {
    "LIMIT": OrdType.LIMIT,
    "MARKET": OrdType.MARKET,
    "STOP": OrdType.STOP_LIMIT,
    "TAKE_PROFIT": OrdType.STOP_LIMIT,
    "STOP_MARKET": OrdType.STOP,
    "TAKE_PROFIT_MARKET": OrdType.STOP,
    "TRAILING_STOP_MARKET": OrdType.STOP,
}
CONDITIONAL = frozenset({OrdType.STOP, OrdType.STOP_LIMIT})
TIMES_IN_FORCE = {
    "GTC": TimeInForce.GTC,
    # Post only: refused or expired when it would take, else good till cancelled.
    "GTX": TimeInForce.GTC,
    "GTE_GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTD": TimeInForce.GTD,
}
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}


class BinanceFuturesDecoder:
    """Decoder of one recorded user data stream."""

    format = "binance-futures"
    framing = Framing.JSON

    def __init__(self) -> None:
        self._clock = 0
        self._owners: dict[str, str] = {}
        """Client id -> the order that showed it first."""
        self._told_hedged = False

    def declare(self) -> Iterable[VenueDeclared]:
        """Totals are the truth; a changed order keeps its id; one changed to less than has filled is cancelled."""
        return [VenueDeclared(venue=VENUE, capabilities=Capabilities(below_cum=BelowCum.CANCEL))]

    @only_damaged
    def decode(self, raw: str, number: int) -> Iterable[Message]:
        """The messages in frame `number`; none for an event that concerns no order. Raises `Damaged`."""
        value = read_json(raw, f"frame {number}")
        events = value if isinstance(value, list) else [value]
        return [message for event in events for message in self._event(_Row(event, f"frame {number}"))]

    def _event(self, row: _Row) -> list[Message]:
        if "stream" in row.fields and "data" in row.fields:
            row = _Row(row.fields["data"], f"{row.where}: data")
        if "eventType" in row.fields:
            row.names = LONG_NAMES
        kind = row.need("e")
        if kind == "TRADE_LITE":
            return [self._lite(row)]
        if kind != "ORDER_TRADE_UPDATE":
            return []
        order = _Row(row.fields.get("order" if row.names else "o"), f"{row.where}: order")
        order.names = row.names
        return [self._update(row, order)]

    def _lite(self, row: _Row) -> Message:
        order_id, cl_ord_id = self._ids(row)
        at, venue_time = self._times(row)
        fill = self._execution(row, order_id, cl_ord_id, at, venue_time)
        if fill is None:
            raise Damaged(f"{row.where}: TRADE_LITE has trade id {row.fields.get('t')!r} and quantity {row.fields.get('l')!r}; "
                          "an execution has both")  # fmt: skip
        return Message(inputs=(fill,), at=at, msg="TRADE_LITE", exec_id=fill.key, cl_ord_id=cl_ord_id, order_id=order_id)

    def _update(self, row: _Row, order: _Row) -> Message:
        order_id, cl_ord_id = self._ids(order)
        at, venue_time = self._times(row)
        word, status = order.need("x"), order.need("X")
        fill = self._execution(order, order_id, cl_ord_id, at, venue_time)
        kind = EXEC_TYPES.get(word)
        qty, cum = order.number("q"), order.number("z")
        if cum is None:
            raise Damaged(f"{order.where}: {order.name('z')} is missing; give the accumulated filled quantity, 0 if none")
        avg = order.number("ap") if cum else None
        ord_type = ORD_TYPES.get(order.need("o"), OrdType.OTHER)
        leaves = None
        if kind is ExecType.NEW and ord_type not in CONDITIONAL and ORD_TYPES.get(order.text("ot") or "") in CONDITIONAL:
            # Triggered: "expired" as a conditional order, live again under the same id.
            kind, leaves = ExecType.REPLACED, qty
        snapshot = OrderSnapshot(
            venue=VENUE,
            order_id=order_id,
            cl_ord_id=cl_ord_id,
            as_of=at,
            venue_time=venue_time,
            exec_type=kind,
            ord_status=STATUSES.get(status),
            status_text=None if status in STATUSES else status,
            instrument=order.need("s"),
            side=order.side(),
            ord_type=ord_type,
            time_in_force=TIMES_IN_FORCE.get(order.text("f") or ""),
            price=order.number("p") or None,
            stop_px=order.number("sp") or None,
            # An order that closes the whole position has quantity 0 until it triggers.
            order_qty=qty or None,
            cum_qty=cum,
            leaves_qty=leaves,
            avg_px=avg,
            executions=(fill,) if fill is not None else None,
        )
        return Message(
            inputs=(snapshot,),
            at=at,
            msg="ORDER_TRADE_UPDATE",
            exec_type=word,
            exec_id=None if fill is None else fill.key,
            cl_ord_id=cl_ord_id,
            order_id=order_id,
            odd=self._hedged(order),
            printed=Printed(ord_status=STATUSES.get(status), order_qty=qty or None, cum_qty=cum, avg_px=avg),
        )

    def _hedged(self, row: _Row) -> tuple[str, ...]:
        """That the account holds long and short at once, once: orders are read, and no net position says what is held."""
        side = row.text("ps")
        if side not in ("LONG", "SHORT") or self._told_hedged:
            return ()
        self._told_hedged = True
        return (f"{row.name('ps')} is {side}: hedge mode; orders are exact, positions are not kept by side",)

    def _execution(self, row: _Row, order_id: str, cl_ord_id: str | None, at: int, venue_time: int | None) -> Execution | None:
        key, qty = row.id("t"), row.number("l")
        if key is None or key in ("0", "-1") or not qty:
            return None
        fee = row.number("n")
        return Execution(
            venue=VENUE,
            order_id=order_id,
            cl_ord_id=cl_ord_id,
            as_of=at,
            venue_time=venue_time,
            key=key,
            qty=qty,
            px=row.number("L"),
            fee=fee,
            fee_currency=None if fee is None else row.text("N"),
            instrument=row.need("s"),
            side=row.side(),
        )

    def _ids(self, row: _Row) -> tuple[str, str | None]:
        number = row.id("i")
        if number is None:
            raise Damaged(f"{row.where}: {row.name('i')} is missing; give the order id")
        order_id = f"{row.need('s')}:{number}"
        client = row.text("c")
        if not client or client in SHARED_CLIENT_IDS:
            return order_id, None
        owner = self._owners.setdefault(client, order_id)
        if len(self._owners) > MAX_CLIENT_IDS:
            del self._owners[next(iter(self._owners))]
        return order_id, client if owner == order_id else None

    def _times(self, row: _Row) -> tuple[int, int | None]:
        """(time of the message, the matching engine's time), ns."""
        event = row.time_ms("E")
        if event is None:
            raise Damaged(f"{row.where}: {row.name('E')} is missing; give the event time in milliseconds")
        self._clock = max(event, self._clock + 1)
        return self._clock, row.time_ms("T")


class _Row(JsonRow):
    """An event or its order, under the wire names."""

    def side(self) -> Side:
        value = self.need("S")
        if value not in SIDES:
            raise Damaged(f"{self.where}: {self.name('S')} is {shown(value)}; give BUY or SELL")
        return SIDES[value]
