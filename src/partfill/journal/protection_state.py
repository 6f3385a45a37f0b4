"""Protections as plain values and back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from partfill.core.guard import Guard, Protection
from partfill.model.numbers import ZERO
from partfill.model.protection import Budget, Leg, OverClose, Passed, Retry
from partfill.model.words import Side

Row = tuple[Any, ...]


class GuardState(msgspec.Struct, array_like=True, gc=False):
    """One leg. `parent`: number of the order that has it now. Fields are only ever added at the end."""

    leg: Leg
    parent: int | None
    placed: int
    tries: int
    again_at: int
    filled: Decimal = ZERO
    seen: Decimal = ZERO
    watched: bool = False
    fired_at: int = 0
    wanted: Decimal = ZERO
    takes: Decimal = ZERO
    passed: bool = False


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
    budget: Budget = Budget.SHARED
    rounds: int = 0
    blind_since: int = 0
    blind_told: bool = False
    owed: Decimal = ZERO
    owed_at: int = 0
    owed_tries: int = 0
    retry: Retry = Retry()
    closed: Decimal = ZERO
    passed: Passed = Passed.WATCHED


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(ProtectionState).decode


_GUARD = tuple(name for name in GuardState.__struct_fields__ if name not in ("leg", "parent"))
_OWN = tuple(name for name in ProtectionState.__struct_fields__ if name not in ("lot", "over_close", "guards", "budget"))


def protection_row(protection: Protection, seq: int) -> Row:
    """The `protections` row, in the order of its columns."""
    guards = [
        GuardState(
            guard.leg, None if guard.parent is None else guard.parent.id, **{name: getattr(guard, name) for name in _GUARD}
        )
        for guard in protection.guards
    ]
    own = {name: getattr(protection, name) for name in _OWN}
    state = ProtectionState(protection.lot, protection.over_close, guards, budget=protection.budget, **own)
    return (
        protection.number, protection.venue, protection.account, protection.instrument, protection.side,
        str(protection.wanted), int(protection.off), seq, _encode(state).decode(),
    )  # fmt: skip


def thaw_protection(row: Row) -> tuple[Protection, list[int | None]]:
    """The protection that `protection_row` wrote, and the numbers of the orders that have its legs."""
    number, venue, account, instrument, side, wanted, off, _, blob = row
    state = _decode(blob)
    place = (venue, account, instrument, Side(side))
    protection = Protection(number, place, state.lot, state.over_close, state.budget)
    protection.wanted, protection.off = Decimal(wanted), bool(off)
    for name in _OWN:
        setattr(protection, name, getattr(state, name))
    for each in state.guards:
        guard = Guard(each.leg)
        for name in _GUARD:
            setattr(guard, name, getattr(each, name))
        protection.guards.append(guard)
    return protection, [each.parent for each in state.guards]
