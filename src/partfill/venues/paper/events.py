"""What other participants of a market do: four events, and their form as JSON lines.

A file of them drives a book (`read_events`), so that anybody can write a market of their own:

    {"at":1000,"type":"add","instrument":"ACME","id":"1","side":"buy","qty":"100","price":"9.99"}
    {"at":2000,"type":"take","instrument":"ACME","side":"sell","qty":"40"}

`at` is nanoseconds since the market began and never goes back. Quantities are units, prices quote currency per unit.
Numbers are text; one written as a JSON fraction is refused, since it may have been through a float.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec

from partfill.model.numbers import NotANumber, dec
from partfill.model.words import Side


class _Event(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", forbid_unknown_fields=True, gc=False):
    instrument: str


class Add(_Event, frozen=True, tag="add"):
    """A limit order comes in; it takes what it crosses, the rest of it rests under `id`. A known id is ignored."""

    id: str
    side: Side
    qty: Decimal
    price: Decimal


class Drop(_Event, frozen=True, tag="drop"):
    """A resting order is canceled; one that is gone already is no matter."""

    id: str


class Reduce(_Event, frozen=True, tag="reduce"):
    """A resting order gives up `qty` and keeps its place; all of it goes when no more than that is open."""

    id: str
    qty: Decimal


class Take(_Event, frozen=True, tag="take"):
    """Somebody takes up to `qty` at once and at `price` or better (None: any); `side` is the taker's.

    `of` and `cum` are for recordings that list incoming orders too (`Add`), so that most of what trades has traded when
    its execution is read: order `of` has `cum` in all, and only what it does not have here yet is taken. When it is
    gone, nothing is.
    """

    side: Side
    qty: Decimal
    price: Decimal | None = None
    of: str | None = None
    cum: Decimal | None = None


MarketEvent = Add | Drop | Reduce | Take
Timed = tuple[int, MarketEvent]
"""(nanoseconds since the market began, event)"""

_encode = msgspec.json.Encoder().encode


class BadEvent(ValueError):
    """A line that is no event; the message names the line, the value, and what would be right."""


def write_event(at: int, event: MarketEvent) -> str:
    """One line of JSON without its end: what `read_events` reads."""
    return f'{{"at":{at},{_encode(event)[1:].decode()}'


def read_events(lines: Iterable[str]) -> Iterator[Timed]:
    """Events from JSON lines, one by one; empty lines are skipped. Raises `BadEvent`."""
    last = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            raw = msgspec.json.decode(line, type=dict[str, str | int | float])
            at = raw.pop("at", None)
            fields = {name: dec(value, name) if name in _NUMBERS else value for name, value in raw.items()}
            event: MarketEvent = msgspec.convert(fields, MarketEvent)
            if not isinstance(at, int) or at < last:
                raise BadEvent(f"at is {at!r}; give nanoseconds since the market began, {last} or later")
            for name in ("qty", "price", "cum"):
                value = getattr(event, name, None)
                if value is not None and value <= 0:
                    raise BadEvent(f"{name} is {value}; it is above zero")
        except (msgspec.MsgspecError, NotANumber, BadEvent, UnicodeError, RecursionError) as error:
            raise BadEvent(f"line {number}: {error}; the line is {line.strip()[:120]!r}") from None
        last = at
        yield at, event


_NUMBERS = frozenset({"qty", "price", "cum"})


__all__ = ["Add", "BadEvent", "Drop", "MarketEvent", "Reduce", "Take", "Timed", "read_events", "write_event"]
