"""Protections as plain values and back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from partfill.core.protection import Guard, Protection
from partfill.model.numbers import ZERO
from partfill.model.protection import Leg, OverClose
from partfill.model.words import Side

Row = tuple[Any, ...]


class GuardState(msgspec.Struct, array_like=True, gc=False):
    """One leg. `parent`: number of the order that has it now. Fields are only ever added at the end."""

    leg: Leg
    parent: int | None
    placed: int
    tries: int
    again_at: int


class ProtectionState(msgspec.Struct, array_like=True, gc=False):
    """What the columns do not hold. Fields are only ever added at the end."""

    lot: Decimal | None
    over_close: OverClose
    guards: list[GuardState]
    min_qty: Decimal = ZERO
    min_notional: Decimal = ZERO
    small: bool = False
    since: int = 0
    changes: int = 0
    requests: int = 0


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(ProtectionState).decode


def protection_row(protection: Protection, seq: int) -> Row:
    """The `protections` row, in the order of its columns."""
    guards = [
        GuardState(guard.leg, None if guard.parent is None else guard.parent.id, guard.placed, guard.tries, guard.again_at)
        for guard in protection.guards
    ]
    least = (protection.min_qty, protection.min_notional)
    watched = (protection.since, protection.changes, protection.requests)
    state = ProtectionState(protection.lot, protection.over_close, guards, *least, protection.small, *watched)
    return (
        protection.number, protection.venue, protection.account, protection.instrument, protection.side,
        str(protection.wanted), int(protection.off), seq, _encode(state).decode(),
    )  # fmt: skip


def thaw_protection(row: Row) -> tuple[Protection, list[int | None]]:
    """The protection that `protection_row` wrote, and the numbers of the orders that have its legs."""
    number, venue, account, instrument, side, wanted, off, _, blob = row
    state = _decode(blob)
    protection = Protection(number, (venue, account, instrument, Side(side)), state.lot, state.over_close)
    protection.wanted, protection.off = Decimal(wanted), bool(off)
    protection.min_qty, protection.min_notional, protection.small = state.min_qty, state.min_notional, state.small
    protection.since, protection.changes, protection.requests = state.since, state.changes, state.requests
    for each in state.guards:
        guard = Guard(each.leg)
        guard.placed, guard.tries, guard.again_at = each.placed, each.tries, each.again_at
        protection.guards.append(guard)
    return protection, [each.parent for each in state.guards]
