"""A report of a partial fill as another system sends it: how it is signed, and how its bytes are read.

What is signed, HMAC-SHA256, 64 hexadecimal digits in lower case:

    partfill-partial-v1 LF key id LF timestamp in ms UTC LF body, byte for byte

So nothing of it can be changed, moved to another time, or presented under another key. A key id holds no line feed.

The body is a JSON object:

    {"order_id": "0xcc..", "status": "PARTIAL", "filled_usd": 200, "remaining_usd": 250, "original_price": 0.62,
     "side": "BUY", "event_ts_ms": 1746770100000}

and may name `market_id`, `collateral`, `builder_code`, `policy`, `venue` and `account`.

Rules
- Numbers are the digits that stand there, as JSON numbers or as text: never a float on the way.
- A key that stands twice is refused: two readers could take it for two different reports. Keys that nobody asked for are left.
"""

from __future__ import annotations

import hmac
import json
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from partfill.model.limits import MAX_DEPTH, too_deep
from partfill.model.numbers import ZERO, NotANumber, dec, text
from partfill.model.policy import Remainder
from partfill.model.words import Side

VERSION = "partfill-partial-v1"
MAX_BODY = 16_384
"""Longest body, bytes."""
MAX_TEXT = 256
"""Longest text in it, characters."""
MAX_MS = 1 << 53
"""No time in ms UTC is as large."""


class Refusal(StrEnum):
    """Why a report was refused."""

    TOO_LONG = "TOO_LONG"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    KEY_NOT_VALID = "KEY_NOT_VALID"
    """The key is not valid yet, or no more."""
    STALE = "STALE"
    """It was signed too long ago, or for a time to come."""
    MALFORMED = "MALFORMED"
    NOT_PARTIAL = "NOT_PARTIAL"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    AMBIGUOUS_ORDER = "AMBIGUOUS_ORDER"
    ENDED = "ENDED"
    """The order has ended, or is being taken off."""
    HALTED = "HALTED"
    """Nothing is done for the order until a person has looked."""
    NO_REST = "NO_REST"
    """Nothing is left of the order, or it is sized in cash."""
    WRONG_SIDE = "WRONG_SIDE"
    WRONG_MARKET = "WRONG_MARKET"
    WRONG_PRICE = "WRONG_PRICE"
    WRONG_COLLATERAL = "WRONG_COLLATERAL"
    WRONG_BUILDER = "WRONG_BUILDER"
    WRONG_POLICY = "WRONG_POLICY"
    NO_POLICY = "NO_POLICY"
    """The order has no policy, and the settings have none."""
    INFLATED = "INFLATED"
    """More is said to be left, or to have been asked for, than there is."""
    EVENT_TIME = "EVENT_TIME"
    """The event is said to be of a time to come."""
    AHEAD = "AHEAD"
    """More is said to have filled than is known here, and there is no venue that could be asked."""
    BUSY = "BUSY"
    """Too many reports wait for their decisions."""


class Refused(Exception):
    """A report that is refused: `code`, and in words why and what would be right."""

    def __init__(self, code: Refusal, why: str) -> None:
        super().__init__(why)
        self.code = code


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says. Amounts in quote currency, the price in quote currency per unit, `event_ts` ms UTC."""

    order_id: str
    side: Side
    filled_usd: Decimal
    remaining_usd: Decimal
    original_price: Decimal
    event_ts: int
    market_id: str | None = None
    collateral: str | None = None
    builder_code: str | None = None
    policy: Remainder | None = None
    venue: str | None = None
    account: str | None = None


def sign(secret: bytes, key_id: str, timestamp_ms: int, body: bytes) -> str:
    """The signature of a report: what its sender sends along with key id and timestamp."""
    return hmac.digest(secret, f"{VERSION}\n{key_id}\n{timestamp_ms}\n".encode() + body, "sha256").hex()


def signed(secret: bytes, key_id: str, timestamp_ms: int, body: bytes, signature: str) -> bool:
    """Whether that is the signature, told in the same time whatever it is."""
    # Text that is no ASCII cannot be compared as it is, and is no signature.
    return hmac.compare_digest(sign(secret, key_id, timestamp_ms, body).encode(), signature.encode("ascii", "replace"))


def read(body: bytes) -> Partial:
    """Read a body whose signature is right. Raises `Refused`: MALFORMED or NOT_PARTIAL."""
    said = body.decode(errors="replace")
    if too_deep(said):
        raise Refused(Refusal.MALFORMED, f"the body is nested more than {MAX_DEPTH} levels; a report is one flat JSON object")
    try:
        found = json.loads(
            body.decode(), parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number, object_pairs_hook=_once
        )
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Refused(Refusal.MALFORMED, f"the body is no JSON that can be read: {str(error)[:200]}") from None
    if not isinstance(found, dict):
        raise Refused(Refusal.MALFORMED, 'the body is no JSON object such as {"order_id":"..","status":"PARTIAL"}')
    status = _words(found, "status")
    if status != "PARTIAL":
        raise Refused(Refusal.NOT_PARTIAL, f"status is {status!r}; only PARTIAL calls for a decision")
    try:
        return _partial(found)
    except NotANumber as error:
        # It shows what was said, which may be as long as a body.
        raise Refused(Refusal.MALFORMED, str(error)[:200]) from None


def _partial(found: dict[str, Any]) -> Partial:
    side = (_words(found, "side") or "").lower()
    if side not in (Side.BUY, Side.SELL):
        raise Refused(Refusal.MALFORMED, f"side is {found.get('side')!r:.80}; it is BUY or SELL")
    policy = _words(found, "policy", needed=False)
    if policy is not None and policy not in tuple(Remainder):
        raise Refused(Refusal.MALFORMED, f"policy is {policy!r}; it is one of {', '.join(Remainder)}")
    filled, left = (dec(found.get(name), name) for name in ("filled_usd", "remaining_usd"))
    for name, amount in (("filled_usd", filled), ("remaining_usd", left)):
        if amount <= ZERO:
            raise NotANumber(f"{name} is {text(amount)}; of a partial fill it is above zero")
    return Partial(
        order_id=_words(found, "order_id") or "", side=Side(side), filled_usd=filled, remaining_usd=left,
        original_price=dec(found.get("original_price"), "original_price"), event_ts=_time(found.get("event_ts_ms")),
        market_id=_words(found, "market_id", needed=False), collateral=_words(found, "collateral", needed=False),
        builder_code=_words(found, "builder_code", needed=False), venue=_words(found, "venue", needed=False),
        account=_words(found, "account", needed=False), policy=Remainder(policy) if policy is not None else None,
    )  # fmt: skip


def _words(found: dict[str, Any], name: str, *, needed: bool = True) -> str | None:
    value = found.get(name)
    if value is None and not needed:
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT or (needed and not value):
        raise Refused(Refusal.MALFORMED, f"{name} is {value!r:.80}; it is text of at most {MAX_TEXT} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Refused(Refusal.MALFORMED, f"{name} is no Unicode text; it holds half of a surrogate pair") from None
    return value


def _time(value: Any) -> int:
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0 and ZERO < value < MAX_MS:
        return int(value)
    raise Refused(Refusal.MALFORMED, f"event_ts_ms is {value!s:.80}; it is a whole number, the time of the event in ms UTC")


def _no_number(said: str) -> Any:
    raise ValueError(f"{said} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found
