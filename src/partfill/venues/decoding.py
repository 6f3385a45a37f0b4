"""Decoders: recorded messages of one format -> inputs of the engine. The seam that every format implements.

Rules
- A decoder translates and decides nothing: what the message stated, in our words. It never totals, never compares.
- It may keep what the format needs to be read (a sequence number, a clock, a symbol table), bounded in size.
- A message that cannot be read raises `Damaged`, which names the value and what would be right. Nothing else escapes.
- `printed` holds the totals that the venue itself stated, for comparison with the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

import msgspec

from partfill.model.inputs import Input, VenueDeclared
from partfill.model.words import OrdStatus


class Damaged(ValueError):
    """A message that cannot be read. The text names the value and what would be right."""


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
    """One recorded message, decoded. `at` is its time (ns UTC), which becomes the engine's `now`."""

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
