"""Positions as plain values and back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from partfill.core.position import Moved, Position
from partfill.model.numbers import ZERO

Row = tuple[Any, ...]


class PositionState(msgspec.Struct, array_like=True, gc=False):
    """What its columns do not hold. Fields are only ever added at the end."""

    unpriced: int = 0
    base_qty: Decimal = ZERO
    base_cost: Decimal = ZERO
    recent: list[tuple[int, Decimal, Decimal]] = []
    differs: int = 0
    told: bool = False
    base: str | None = None
    theirs: Decimal | None = None
    gross_from: Decimal = ZERO
    net_from: Decimal | None = ZERO


_encode = msgspec.json.Encoder(order="deterministic").encode
_state = msgspec.json.Decoder(PositionState).decode
_fees = msgspec.json.Decoder(dict[str, Decimal]).decode


def position_row(position: Position, seq: int) -> Row:
    """The `positions` row, in the order of its columns."""
    average, net = position.avg_px, position.net
    recent = [(each.child, each.qty, each.value) for each in position.recent]
    base = (position.base_qty, position.base_cost)
    state = PositionState(
        position.unpriced, *base, recent, position.differs, position.told, position.base, position.theirs, position.gross_from,
        position.net_from,
    )  # fmt: skip
    return (
        position.number, position.venue, position.account, position.instrument, str(position.qty),
        None if average is None else str(average), str(position.paid), str(position.cost), str(position.realised),
        _encode(position.fees).decode(), position.rounds, position.since, position.changed, seq, _encode(state).decode(),
        str(position.held), None if net is None else str(net),
    )  # fmt: skip


def position_from_columns(row: Row) -> Position:
    """What stands in for a position whose state cannot be read: what is held and what it cost, without its last fills."""
    number, venue, account, instrument, _, _, paid, cost, _, _, rounds, since, changed, _, _, held, _ = row
    position = Position(number, venue, account, instrument)
    position.held, position.paid, position.cost = Decimal(held), Decimal(paid), Decimal(cost)
    position.base_qty, position.base_cost = position.held, position.cost
    position.net_from = None
    position.rounds, position.since, position.changed = rounds, since, changed
    return position


def thaw_position(row: Row) -> Position:
    """The position that `position_row` wrote."""
    position = position_from_columns(row)
    position.fees = _fees(row[9])
    state = _state(row[14])
    position.unpriced, position.base_qty, position.base_cost = state.unpriced, state.base_qty, state.base_cost
    position.differs, position.told, position.base, position.theirs = state.differs, state.told, state.base, state.theirs
    position.gross_from, position.net_from = state.gross_from, state.net_from
    position.recent = [Moved(*each) for each in state.recent]
    return position
