"""The part of the engine that belongs to no order, as bytes and back."""

from __future__ import annotations

import msgspec

from partfill.core.engine import Engine
from partfill.model.capabilities import Capabilities


class EngineState(msgspec.Struct, array_like=True):
    """Next order number, trading days begun, venue declarations. Fields are only ever added at the end."""

    next_id: int
    days: list[tuple[str, str, int]]
    rules: dict[str, Capabilities]


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(EngineState).decode


def freeze_engine(engine: Engine) -> bytes:
    """The engine without its orders."""
    days = [(venue, account, day) for (venue, account), day in sorted(engine.days.items())]
    return _encode(EngineState(engine.next_id, days, engine.rules))


def thaw_engine(blob: bytes | str) -> Engine:
    """An engine without orders that goes on where the frozen one was."""
    state = _decode(blob)
    engine = Engine()
    engine.next_id = state.next_id
    engine.days = {(venue, account): day for venue, account, day in state.days}
    engine.rules = state.rules
    return engine
