"""Hyperliquid: recorded answers, stream frames and order replies -> inputs of the engine.

Reads fills (`userFills` rows old and new, `userFills` and `user` frames, TWAP slices), orders (`orderUpdates` frames,
`historicalOrders`, `openOrders` and `frontendOpenOrders` rows, `orderStatus` answers) and order replies, also inside
`post` frames. Other channels and answers concern no order.

Rules
- An execution is (account, coin, oid, tid): both sides of a trade have one tid. Rows that the system booked have tid 0
  and are (coin, time, dir, sz, px).
- Old rows have no tid, and hash and oid together are no key (one hash has several fills of one order). Their key is
  all of their content and the place among rows of equal content in the same listing: so two truly equal rows both
  count. A list or a frame is one listing, rows that stand alone in a file are one listing together. The same listing
  in another frame is known again only because the count starts anew there, at the same places.
- `sz` of an order is frozen at its last change of status and shrinks without fills: it states no filled quantity and
  no quantity left. `origSz` is the order's quantity. The word "filled" is a word and no quantity.
- A reply `filled` states what matched on arrival: a claim, and not the end. Recordings do not say when its request
  was sent, so the claim stands at the frame's place; an adapter that knows sets `as_of`. What names no order id (an
  error, "waitingForFill", a cancel's "success") can be attributed to nothing, and nothing comes of it.
- `orderUpdates`, `user` and replies name no user. They belong to the account that was given, else to the only user
  that the file has named so far; an order stays with the account it was first seen under.
- Rows of listings come newest first: the time of a message is made strictly increasing, `venue_time` is the venue's.

Nothing is printed for comparison: the venue states no total of an order that could be compared.

It does not follow modifies by itself (both legs carry the cloid, the core joins them), reads no positions, and never
takes `dir` or `crossed` for more than text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from partfill.model.capabilities import Capabilities, Chain
from partfill.model.inputs import Execution, OrderSnapshot, VenueDeclared
from partfill.model.words import OrdStatus, OrdType, Side, TimeInForce
from partfill.venues.decoding import Damaged, Framing, Message, only_damaged
from partfill.venues.json_row import JsonRow, read_json, shown

VENUE = "hyperliquid"

MAX_ORDERS = 100_000
"""Orders remembered with their account, and contents of rows without tid; the oldest goes first."""

STATUSES = {"open": OrdStatus.NEW, "triggered": OrdStatus.NEW, "filled": OrdStatus.FILLED,
            "canceled": OrdStatus.CANCELED, "rejected": OrdStatus.REJECTED}  # fmt: skip
SUFFIXES = (("Rejected", OrdStatus.REJECTED), ("Canceled", OrdStatus.CANCELED), ("Cancel", OrdStatus.CANCELED))
"""The list of words grows; their ends do not."""
ORD_TYPES = {"Limit": OrdType.LIMIT, "Market": OrdType.MARKET, "Stop Market": OrdType.STOP, "Stop Limit": OrdType.STOP_LIMIT,
             "Take Profit Market": OrdType.STOP, "Take Profit Limit": OrdType.STOP_LIMIT}  # fmt: skip
TIMES_IN_FORCE = {"Gtc": TimeInForce.GTC, "Alo": TimeInForce.GTC, "Ioc": TimeInForce.IOC,
                  "FrontendMarket": TimeInForce.IOC, "LiquidationMarket": TimeInForce.IOC}  # fmt: skip
SIDES = {"B": Side.BUY, "A": Side.SELL}
FILL_MARKS = frozenset({"tid", "startPosition", "closedPnl", "dir", "crossed", "feeToken"})
ORDER_MARKS = frozenset({"limitPx", "origSz", "triggerPx", "isTrigger", "orderType"})
ANSWERS_ORDERS = frozenset({"order", "cancel"})
"""Kinds of replies that answer for single orders, each with a list of them."""
OTHER_MARKS = frozenset({"levels", "universe", "assetPositions", "balances", "cumVlm", "role", "type"})
"""Fields by which an object without an envelope is a fill, an order, or an answer that concerns no order."""


class HyperliquidDecoder:
    """Decoder of one file. `account` is the user of messages that name none (an address, in any case of letters)."""

    format = "hyperliquid"
    framing = Framing.JSON

    def __init__(self, account: str = "") -> None:
        self._account = account.lower()
        self._given = bool(account)
        self._users: set[str] = set()
        self._homes: dict[str, str] = {}
        """Order id -> the account it was first seen under."""
        self._alone: dict[str, int] = {}
        """Content of rows without tid that stand alone in the file -> how often it came."""
        self._clock = 0

    def declare(self) -> Iterable[VenueDeclared]:
        """A modify gives a new oid whose counts start anew; `totalSz` is the truth about the moment of its request."""
        return [VenueDeclared(venue=VENUE, capabilities=Capabilities(chain=Chain.RESTARTS))]

    @only_damaged
    def decode(self, raw: str, number: int) -> Iterable[Message]:
        """The messages in frame `number`; none for one that concerns no order. Raises `Damaged`."""
        value = read_json(raw, f"frame {number}")
        listing: dict[str, int] = {} if isinstance(value, list) else self._alone
        items = value if isinstance(value, list) else [value]
        return [m for item in items for m in self._item(_Row(item, f"frame {number}"), listing, None)]

    def _item(self, row: _Row, listing: dict[str, int], user: str | None) -> Iterator[Message]:
        fields = row.fields
        if "channel" in fields:
            yield from self._frame(row)
        elif "response" in fields:
            yield from self._reply(row)
        elif "fill" in fields:
            yield self._fill(row.row("fill"), listing, user)
        elif fields.get("status") == "unknownOid":
            return
        elif "order" in fields:
            inner = row.row("order") if fields.get("status") == "order" else row
            yield self._order(inner.row("order"), user, inner.need("status"), inner.time_ms("statusTimestamp"))
        elif fields.keys() & FILL_MARKS:
            yield self._fill(row, listing, user)
        elif fields.keys() & ORDER_MARKS:
            yield self._order(row, user, "open", None)
        elif not fields.keys() & OTHER_MARKS:
            raise Damaged(f"{row.where} has the fields {shown(sorted(fields))}; give a fill, an order, a frame or a reply")

    def _frame(self, row: _Row) -> Iterator[Message]:
        channel = row.need("channel")
        listing: dict[str, int] = {}
        if channel == "orderUpdates":
            for each in row.rows("data"):
                yield from self._item(each, listing, None)
        elif channel in ("userFills", "user", "openOrders", "userTwapSliceFills"):
            data = row.row("data")
            user = self._user(data.text("user"))
            lists = {"userFills": "fills", "openOrders": "orders", "userTwapSliceFills": "twapSliceFills"}
            names = [lists[channel]] if channel in lists else [n for n in ("fills", "twapSliceFills") if n in data.fields]
            for name in names:
                for each in data.rows(name):
                    yield from self._item(each, listing, user)
            for each in data.rows("nonUserCancel") if "nonUserCancel" in data.fields else ():
                yield self._snapshot(each, user, OrdStatus.CANCELED, "nonUserCancel")
        elif channel == "subscriptionResponse":
            asked = row.row("data").fields.get("subscription")
            if isinstance(asked, dict):
                self._user(_Row(asked, f"{row.where}: subscription").text("user"))
        elif channel == "post":
            response = row.row("data").row("response")
            if response.fields.get("type") == "action":
                yield from self._item(response.row("payload"), listing, None)

    def _reply(self, row: _Row) -> Iterator[Message]:
        if row.need("status") != "ok":
            return
        response = row.row("response")
        if response.text("type") not in ANSWERS_ORDERS and "data" not in response.fields:
            return
        # A list that is missing is not an empty one.
        for status in response.row("data").get_list("statuses"):
            if not isinstance(status, dict):
                continue
            item = _Row(status, f"{row.where}: statuses")
            if "resting" in status:
                yield self._snapshot(item.row("resting"), None, OrdStatus.NEW, "resting")
            elif "filled" in status:
                filled = item.row("filled")
                yield self._snapshot(filled, None, OrdStatus.NEW, "filled", filled.number("totalSz"), filled.number("avgPx"))

    def _snapshot(self, row: _Row, user: str | None, status: OrdStatus, msg: str, cum: Decimal | None = None,
                  avg: Decimal | None = None) -> Message:  # fmt: skip
        """What a reply or a venue's cancel says of an order. A reply never says that nothing is left of it."""
        oid, cloid, at = row.oid(), row.text("cloid"), self._tick(None)
        said = OrderSnapshot(venue=VENUE, account=self._home(oid, user), order_id=oid, cl_ord_id=cloid, as_of=at,
                             instrument=row.text("coin"), ord_status=status, cum_qty=cum, avg_px=avg,
                             reason=msg if status is OrdStatus.CANCELED else None)  # fmt: skip
        return Message(inputs=(said,), at=at, msg=msg, cl_ord_id=cloid, order_id=oid)

    def _order(self, row: _Row, user: str | None, word: str, since: int | None) -> Message:
        oid, cloid = row.oid(), row.text("cloid")
        status = STATUSES.get(word) or next((s for end, s in SUFFIXES if word.endswith(end)), None)
        # The size of a take-profit or stop of the whole position follows the position.
        qty = None if row.fields.get("isPositionTpsl") is True else row.number("origSz")
        at = self._tick(since)
        said = OrderSnapshot(
            venue=VENUE, account=self._home(oid, user), order_id=oid, cl_ord_id=cloid,
            as_of=at if since is None else since, venue_time=row.time_ms("timestamp") if since is None else since,
            ord_status=status, status_text=word if status is None else None,
            instrument=row.need("coin"), side=row.side(), ord_type=ORD_TYPES.get(row.text("orderType") or ""),
            time_in_force=TIMES_IN_FORCE.get(row.text("tif") or ""), price=row.number("limitPx"), order_qty=qty,
            stop_px=row.number("triggerPx") if row.fields.get("isTrigger") is True else None,
            reason=word if status in (OrdStatus.CANCELED, OrdStatus.REJECTED) and word not in STATUSES else None,
        )  # fmt: skip
        return Message(inputs=(said,), at=at, msg="order", exec_type=word, cl_ord_id=cloid, order_id=oid)

    def _fill(self, row: _Row, listing: dict[str, int], user: str | None) -> Message:
        oid, cloid, coin = row.oid(), row.text("cloid"), row.need("coin")
        if (time := row.time_ms("time")) is None or (px := row.number("px")) is None or (qty := row.number("sz")) is None:
            raise Damaged(f"{row.where}: time, px or sz of a fill of order {oid} is missing; give all three")
        fee, token = row.number("fee"), row.text("feeToken")
        key = self._key(row, coin, oid, listing)
        at = self._tick(time)
        # Before fees named their token every fee was in USDC.
        fill = Execution(venue=VENUE, account=self._home(oid, user), order_id=oid, cl_ord_id=cloid, as_of=at,
                         venue_time=time, key=key, qty=qty, px=px, fee=fee, instrument=coin, side=row.side(),
                         fee_currency=None if fee is None else token or "USDC")  # fmt: skip
        return Message(inputs=(fill,), at=at, msg="fill", exec_id=key, cl_ord_id=cloid, order_id=oid)

    def _key(self, row: _Row, coin: str, oid: str, listing: dict[str, int]) -> str:
        tid = row.id("tid")
        said = row.fields
        if tid == "0":
            return f"{coin}:{said['time']}:{row.text('dir') or ''}:{said['sz']}:{said['px']}"
        if tid is not None:
            return f"{coin}:{oid}:{tid}"
        start, hash_ = said.get("startPosition"), row.text("hash") or ""
        content = f"{coin}:{oid}:{said['time']}:{start}:{said['px']}:{said['sz']}:{hash_}"
        place = listing.get(content, 0)
        listing[content] = place + 1
        _bound(listing)
        return f"{content}:{place}"

    def _user(self, named: str | None) -> str | None:
        if not named:
            return None
        user = named.lower()
        if not self._given and user not in self._users and len(self._users) < 2:
            self._users.add(user)
            self._account = user if len(self._users) == 1 else ""
        return user

    def _home(self, oid: str, user: str | None) -> str:
        home = self._homes.setdefault(oid, self._account if user is None else user)
        _bound(self._homes)
        return home

    def _tick(self, time: int | None) -> int:
        self._clock = max(time or 0, self._clock + 1)
        return self._clock


class _Row(JsonRow):
    """One object of the venue."""

    def oid(self) -> str:
        if (value := self.id("oid")) is None:
            raise Damaged(f"{self.where}: oid is missing; give the order id")
        return value

    def side(self) -> Side:
        if (value := self.need("side")) not in SIDES:
            raise Damaged(f"{self.where}: side is {shown(value)}; give B or A")
        return SIDES[value]


def _bound(memory: dict[str, int] | dict[str, str]) -> None:
    if len(memory) > MAX_ORDERS:
        del memory[next(iter(memory))]
