"""What goes over the paper venue's socket: one JSON object a line, both ways.

    -> {"id":1,"op":{"type":"hello","session":"desk"}}
    <- {"type":"reply","id":1,"venue":"paper","instruments":[...]}
    -> {"id":2,"op":{"type":"place","venue":"paper","account":"a",...}}
    <- {"type":"reply","id":2,"answered":{...}}
    <- {"type":"told","observation":{...}}

The first request of a connection is `hello`. A connection takes over from an older one of the same `session`: nothing of
that one that the server has not begun is ever applied, so an answer to a later question can be definite.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec

from partfill.model.book import Book
from partfill.model.commands import Answered, Looked
from partfill.model.instrument import Instrument
from partfill.model.observations import Execution, Observation, OrderSnapshot
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.words import Side

MAX_LINE = 1 << 19
"""Longest line in bytes, either way. What is longer is refused by name, and its connection is over."""
CHUNK = 1 << 15
"""Bytes of orders in one reply, and of order ids in one request; a longer list goes in several, so that none holds the other
side for more than a few milliseconds."""
MAX_ONE = 1 << 18
"""Bytes of one order with its executions; a longer list is not sent, and not known to the other side: its total is."""
PAGE = 1_000
"""Executions in one answer to `History`."""


class _Op(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", forbid_unknown_fields=True):
    pass


class Hello(_Op, frozen=True, tag="hello"):
    """Who is speaking. A client keeps its session name through restarts."""

    session: str


class Snapshot(_Op, frozen=True, tag="snapshot"):
    """Open orders of an account, and the named ones."""

    account: str
    order_ids: tuple[str, ...] = ()


class History(_Op, frozen=True, tag="history"):
    """Executions since `since` (ns UTC), a page at a time: `skip` counts those that the asker has."""

    account: str
    since: int
    skip: int = 0


class Depth(_Op, frozen=True, tag="depth"):
    """The market of one instrument; how fast `side` of it trades, and what stands before order `order_id`."""

    instrument: str
    side: Side | None = None
    order_id: str | None = None


class Positions(_Op, frozen=True, tag="positions"):
    """What an account holds."""

    account: str


class Listen(_Op, frozen=True, tag="listen"):
    """Tell the observations of an account from now on."""

    account: str


class Advance(_Op, frozen=True, tag="advance"):
    """Let that many market events happen now (a server without a speed of its own)."""

    events: int


class EndDay(_Op, frozen=True, tag="end_day"):
    """End the trading day."""


Ops = Place | Cancel | Replace | Query | Hello | Snapshot | History | Depth | Positions | Listen | Advance | EndDay


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request; its reply has the same `id`."""

    id: int
    op: Ops


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="reply"):
    """The reply to one request: what fits it, or `error`."""

    id: int
    error: str | None = None
    answered: Answered | None = None
    looked: Looked | None = None
    orders: list[OrderSnapshot] | None = None
    executions: list[Execution] | None = None
    book: Book | None = None
    positions: dict[str, Decimal] | None = None
    venue: str | None = None
    instruments: list[Instrument] | None = None
    count: int | None = None
    more: bool = False
    """True when more follows: a page of executions to be asked for, or, of orders, a further reply to the same request."""


class Told(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="told"):
    """One message of a stream."""

    observation: Observation


class TooLong(ValueError):
    """A message that is longer than any line may be."""


_encode = msgspec.json.Encoder().encode
read_ask = msgspec.json.Decoder(Ask).decode
read_answer = msgspec.json.Decoder(Reply | Told).decode


def line(message: Ask | Reply | Told) -> bytes:
    """One message as it is sent, its line end included. Raises `TooLong`."""
    raw = _encode(message) + b"\n"
    if len(raw) > MAX_LINE:
        raise TooLong(f"a message of {len(raw)} bytes; a line has at most {MAX_LINE}")
    return raw


def chunks(orders: Iterable[OrderSnapshot]) -> Iterator[list[OrderSnapshot]]:
    """Orders as they go into one reply each; at least one list, which may be empty."""
    some: list[OrderSnapshot] = []
    size = 0
    for order in orders:
        order = fitting(order)
        length = len(_encode(order))
        if some and size + length > CHUNK:
            yield some
            some, size = [], 0
        some.append(order)
        size += length
    yield some


def fitting(order: OrderSnapshot) -> OrderSnapshot:
    """The order as it fits into a line."""
    return order if len(_encode(order)) <= MAX_ONE else msgspec.structs.replace(order, executions=None)


def parts(order_ids: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Order ids as they go into one request each; at least one part, which may be empty."""
    some: list[str] = []
    size = 0
    for order_id in order_ids:
        length = len(_encode(order_id)) + 1
        if some and size + length > CHUNK:
            yield tuple(some)
            some, size = [], 0
        some.append(order_id)
        size += length
    yield tuple(some)


__all__ = [
    *(
        "MAX_LINE",
        "PAGE",
        "Advance",
        "Ask",
        "Depth",
        "EndDay",
        "Hello",
        "History",
        "Listen",
        "Ops",
        "Positions",
        "Reply",
        "Snapshot",
    ),
    *("Told", "TooLong", "chunks", "fitting", "line", "parts", "read_answer", "read_ask"),
]
