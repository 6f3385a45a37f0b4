"""Decoders: recorded messages of one format -> inputs of the engine. The seam that every format implements.

Rules
- A decoder translates and decides nothing: what the message stated, in our words. It never totals, never compares.
- It may keep what the format needs to be read (a sequence number, a clock, a symbol table), bounded in size.
- A message that cannot be read raises `Damaged`, which names the value and what would be right. Nothing else escapes.
- `printed` holds the totals that the venue itself stated, for comparison with the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache, wraps
from typing import Protocol, TypeVar, runtime_checkable

import msgspec

from partfill.model.codec import NotAnInput, to_json
from partfill.model.inputs import Input, VenueDeclared
from partfill.model.numbers import NotANumber, dec
from partfill.model.observations import MAX_TIME
from partfill.model.words import OrdStatus

_D = TypeVar("_D")


class Damaged(ValueError):
    """A message that cannot be read. The text names the value and what would be right."""


def only_damaged(decode: Callable[[_D, str, int], Iterable[Message]]) -> Callable[[_D, str, int], Iterable[Message]]:
    """Decorates a `decode`: what it reads is read at once, and a number out of bounds is `Damaged` like all else."""

    @wraps(decode)
    def strict(self: _D, raw: str, number: int) -> Iterable[Message]:
        try:
            messages = tuple(decode(self, raw, number))
            if "\\ud" in raw or "\\uD" in raw:
                # JSON can spell half of a surrogate pair, which is no text.
                for message in messages:
                    for inp in message.inputs:
                        to_json(inp)
            return messages
        except (NotANumber, NotAnInput) as error:
            raise Damaged(str(error)) from None

    return strict


MAX_NUMBER = 200
"""Longest text (characters) that is looked at as a number."""


SHORT = 24
"""Longest text of a number that is remembered."""


@lru_cache(maxsize=1 << 14)
def short(value: str) -> Decimal:
    """A number of at most `SHORT` characters; prices and sizes of a day are few. Raises `NotANumber`, nameless."""
    return dec(value)


def exact(value: object, name: str) -> Decimal:
    """Read one exact number (`model.numbers.dec`), its length checked first. Raises `Damaged` or `NotANumber`."""
    if isinstance(value, str) and len(value) > MAX_NUMBER:
        raise Damaged(f"{name} is {value[:40]!r}... of {len(value)} characters; give plain digits such as '0.35'")
    return dec(value, name)


class Framing(StrEnum):
    """How a file falls apart into messages."""

    LINES = "lines"
    """One message a line."""
    JSON = "json"
    """JSON values: one a line, or the elements of arrays (read one by one, never the whole array at once)."""
    FIX = "fix"
    """FIX messages, one or several a line, or none but SOH between them."""


class Printed(msgspec.Struct, frozen=True, kw_only=True):
    """Totals that the venue printed in one message; None where it printed none. Units as in observations."""

    ord_status: OrdStatus | None = None
    order_qty: Decimal | None = None
    cum_qty: Decimal | None = None
    leaves_qty: Decimal | None = None
    avg_px: Decimal | None = None


NOTHING_PRINTED = Printed()


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded message, decoded. `at` is its time (ns UTC), which becomes the engine's `now`.

    Raises `Damaged` for a time that no journal can hold.
    """

    inputs: tuple[Input, ...]
    at: int
    msg: str
    """The format's own name of the message kind."""
    exec_type: str | None = None
    exec_id: str | None = None
    cl_ord_id: str | None = None
    orig_cl_ord_id: str | None = None
    order_id: str | None = None
    printed: Printed = NOTHING_PRINTED
    odd: tuple[str, ...] = ()
    """What could not be read and was left out because no quantity hangs on it; each names the field and the value."""
    remarks: tuple[str, ...] = ()
    """What else a reader has to know of this message, such as that it was printed out of its order."""

    def __post_init__(self) -> None:
        if not -MAX_TIME <= self.at <= MAX_TIME:
            raise Damaged(f"its time is {self.at} ns since 1970; a time is below {MAX_TIME}")


class Decoder(Protocol):
    """One format. A new instance per file, since it may carry state along the file."""

    format: str
    framing: Framing

    def declare(self) -> Iterable[VenueDeclared]:
        """How the venues of this format are to be read."""
        ...

    def decode(self, raw: str, number: int) -> Iterable[Message]:
        """Messages in one frame (a line, a JSON value). `number` counts frames from 1. Raises `Damaged`.

        Nothing comes of a frame that concerns no order (a header, a market data update, a heartbeat).
        """
        ...


@runtime_checkable
class LooksAhead(Protocol):
    """A decoder that wants to see the head of a file before it reads it, and has something to say in the end."""

    def look(self, raw: str) -> None:
        """One frame of the head of the file. Never raises."""
        ...

    def settle(self) -> str:
        """The head is over: make up the mind. Returns one line on how the file is read, empty where it is read as usual."""
        ...

    def notes(self) -> Iterable[str]:
        """What was passed over or not checked, one line each, for the end of a run."""
        ...
