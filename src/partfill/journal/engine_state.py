"""The part of the engine that belongs to no order, as bytes and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import json

from partfill.core.engine import Engine
from partfill.core.holdings import Holdings
from partfill.journal import parts
from partfill.model.capabilities import Capabilities


class EngineState(msgspec.Struct, array_like=True):
    """Next numbers, trading days begun, venue declarations, the desk, outages. Fields are only ever added at the end."""

    next_id: int
    days: list[tuple[str, str, int]]
    rules: dict[str, Capabilities]
    desk: str = ""
    killed: list[tuple[str, str, str]] = []
    next_parent: int = 1
    outages: list[tuple[str, str, int]] = []
    next_position: int = 0
    """Number of the next position; 0 where none are kept."""
    next_protection: int = 1
    shared: list[tuple[str, str, str]] = []


_SINCE: dict[str, Any] = {
    "lag_ms": 3_000,
    "settle_ms": None,
    "id_scope": "forever",
    "hedge_mode": False,
    "shows_slices": False,
    "keys_made": False,
    "refusals": [],
}
"""What venues declare by fields that came later: left out where nothing is said, so that older files stay as they are."""

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(EngineState).decode
_scope = msgspec.json.Decoder(tuple[str, str, str]).decode

Row = tuple[Any, ...]
ENGINE = 0
"""The number under which what belongs to no order stands in table `parts`."""


class Placeholders(set[tuple[str, str, str]]):
    """Ids that are none, and which of them no row has yet."""

    def __init__(self, of: Iterable[tuple[str, str, str]], rows: Iterable[str] = ()) -> None:
        super().__init__(of)
        self.rows = set(rows)
        """Keys of the rows that there are."""

    def unsaved(self) -> list[Row]:
        """Rows of those that have none: most often of none."""
        if len(self.rows) == len(self):
            return []
        keys = {json.encode(each).decode() for each in self}
        fresh = sorted(keys - self.rows)
        self.rows = keys
        return [(ENGINE, "shared", key, "null") for key in fresh]


def freeze_engine_rest(engine: Engine) -> tuple[bytes, list[Row]]:
    """What stands in the row of the engine, and the rows of table `parts` that it has not written yet."""
    if len(engine.shared) <= parts.FEW:
        return freeze_engine(engine), []
    if not isinstance(engine.shared, Placeholders):
        engine.shared = Placeholders(engine.shared)
    fresh = engine.shared.unsaved()
    shared, engine.shared = engine.shared, set()
    try:
        return freeze_engine(engine), fresh
    finally:
        engine.shared = shared


def whole_engine(blob: str, rows: Sequence[tuple[str, str, str]]) -> str:
    """The state of the engine and its rows as one text, whatever stands where."""
    state = _read(blob)
    if not rows and len(state.shared) <= parts.FEW:
        return blob
    return freeze_engine(thaw_engine(blob, rows)).decode()


def freeze_engine(engine: Engine) -> bytes:
    """The engine without its orders."""
    days = [(venue, account, day) for (venue, account), day in sorted(engine.days.items())]
    killed = [(venue, account, who) for (venue, account), who in sorted(engine.desk.killed.items())]
    outages = [(venue, account, since) for (venue, account), since in sorted(engine.outages.items())]
    holdings = engine.holdings.next_number if engine.holdings is not None else 0
    desk = engine.desk
    numbers = (holdings, desk.next_protection, sorted(engine.shared))
    rules: Any = {venue: _declared(each) for venue, each in engine.rules.items()}
    return _encode(EngineState(engine.next_id, days, rules, desk.name, killed, desk.next_id, outages, *numbers))


def _declared(rules: Capabilities) -> msgspec.Raw:
    fields = msgspec.to_builtins(rules)
    # As it was written before the sum was known.
    fields["reduce_only"] = {"none": False, "each": True}.get(fields["reduce_only"], fields["reduce_only"])
    said = {name: value for name, value in fields.items() if name not in _SINCE or value != _SINCE[name]}
    return msgspec.Raw(msgspec.json.encode(said))


def _read(blob: bytes | str) -> EngineState:
    try:
        return _decode(blob)
    except msgspec.ValidationError:
        # A kill switch that nobody put on, which an older version took: it is on all the same.
        raw = msgspec.json.decode(blob)
        if not isinstance(raw, list) or len(raw) < 5 or not isinstance(raw[4], list):
            raise
        raw[3:5] = [_text(raw[3]), [[_text(part) for part in entry] for entry in raw[4]]]
        return msgspec.convert(raw, EngineState)


def _text(value: object) -> str:
    return value if isinstance(value, str) else "unknown" if value is None else str(value)


def thaw_engine(blob: bytes | str, rows: Sequence[tuple[str, str, str]] = ()) -> Engine:
    """An engine without orders that goes on where the frozen one was. `rows` are its rows in table `parts`."""
    state = _read(blob)
    engine = Engine()
    engine.next_id = state.next_id
    engine.days = {(venue, account): day for venue, account, day in state.days}
    engine.rules = state.rules
    engine.desk.name, engine.desk.next_id = state.desk, state.next_parent
    engine.desk.next_protection = state.next_protection
    engine.desk.killed = {(venue, account): who for venue, account, who in state.killed}
    if state.next_position:
        engine.holdings = Holdings(engine.listed)
        engine.holdings.next_number = state.next_position
    engine.shared = set(state.shared)
    if rows:
        keys = [key for part, key, _ in rows if part == "shared"]
        engine.shared = Placeholders((*state.shared, *(_scope(key) for key in keys)), keys)
    engine.outages = {(venue, account): since for venue, account, since in state.outages}
    return engine
