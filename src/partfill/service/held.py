"""What a person wants to see of positions right now: those that are not covered, then the largest, and how many more there are.

Theory of operation. A journal may have thousands of positions, and a picture is wanted several times a second. So `Holdings`
remembers of each how large it is, and of each protection whether it is covered: every look reads what was touched since the
last, and in full only the few that are shown. What works for a leg is read from the orders of its parent order.

Rules
- All reads of one look are made inside the transaction of the caller, so that they belong together.
- How large a position is, is what it was entered at, in quote currency. It decides the order of rows and nothing else.
- Not covered is what the engine has noted as such; what closed and still has orders that work is shown too.
"""

from __future__ import annotations

from decimal import Decimal
from heapq import nlargest
from typing import Any

import msgspec

from partfill.core.guard import Protection
from partfill.journal.protection_state import ProtectionState, thaw_protection
from partfill.journal.store import Store
from partfill.model.numbers import ZERO, add

Place = tuple[str, str, str]
"""(venue, account, instrument)."""

_SCHEMA = 7
"""Migrations without which nobody kept what is held: a journal of an earlier partfill, or one that is being made."""
_SINCE = ProtectionState.__struct_fields__.index("since")
_TOUCHED = (
    "SELECT p.venue, p.account, p.instrument, CAST(p.cost AS REAL) * coalesce(i.multiplier, 1), p.held FROM positions p "
    "LEFT JOIN instruments i ON i.venue = p.venue AND i.instrument = p.instrument WHERE p.seq > ?"
)
_UNCOVERED = (
    "SELECT id, venue, account, instrument FROM protections INDEXED BY protections_one WHERE off = 0 AND seq > ? "
    f"AND state->>{_SINCE} <> 0"
)
_NOT_ANY_MORE = (
    "SELECT j.value AS id FROM json_each(?) j LEFT JOIN protections p ON p.id = j.value "
    f"WHERE p.off <> 0 OR (p.seq > ? AND p.state->>{_SINCE} = 0)"
)
_POSITION = "SELECT qty, held, avg_px, net FROM positions WHERE venue = ? AND account = ? AND instrument = ?"
_PROTECTIONS = (
    "SELECT id, venue, account, instrument, side, qty, off, seq, state FROM protections "
    "WHERE venue = ? AND account = ? AND instrument = ? AND off = 0 ORDER BY side"
)
_WORKS = (
    "SELECT c.leaves_qty FROM work w JOIN children c ON c.id = w.child "
    "WHERE w.parent = ? AND c.open = 1 AND c.order_id IS NOT NULL"
)


class LegLine(msgspec.Struct, frozen=True):
    """One leg of a protection: what should work for it, and what does, units. `watched`: its price is watched, no order yet."""

    name: str
    wanted: Decimal
    works: Decimal
    watched: bool


class PositionLine(msgspec.Struct, frozen=True):
    """One position. `qty` and `held` in units, `net` in quote currency, as `runtime.positions.Held` has them.

    `legs`: of its protection; empty where there is none. `covered`: everything works that should, and nothing more.
    """

    venue: str
    account: str
    instrument: str
    qty: Decimal
    held: Decimal
    avg_px: Decimal | None
    net: Decimal | None
    legs: list[LegLine]
    covered: bool


class Holdings:
    """Reads positions of one journal, look after look."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen = 0
        self._open: dict[Place, float] = {}
        """How large each open position is."""
        self._uncovered: dict[int, Place] = {}
        """Protections that are not covered."""

    def learn(self, seq: int) -> tuple[int, int]:
        """Read what was touched up to input `seq`. Returns how many positions there are, and how many are not covered.

        Those count that are open, and those that are not covered: orders may work for what has closed.
        """
        store, seen = self._store, self._seen
        if store.version() < _SCHEMA:
            return 0, 0
        for venue, account, instrument, size, held in store.db.execute(_TOUCHED, (seen,)):
            if Decimal(held):
                self._open[venue, account, instrument] = abs(size)
            else:
                self._open.pop((venue, account, instrument), None)
        if self._uncovered:
            asked = msgspec.json.encode(list(self._uncovered)).decode()
            for (gone,) in list(store.db.execute(_NOT_ANY_MORE, (asked, seen))):
                del self._uncovered[gone]
        for number, *place in store.db.execute(_UNCOVERED, (seen,)):
            self._uncovered[number] = (place[0], place[1], place[2])
        self._seen = seq
        bad = set(self._uncovered.values())
        return len(self._open) + sum(1 for place in bad if place not in self._open), len(bad)

    def lines(self, rows: int) -> list[PositionLine]:
        """At most so many positions as of the last `learn`: not covered ones first, of these and the rest the largest."""
        bad = set(self._uncovered.values())
        chosen = nlargest(rows, sorted(bad), key=lambda place: self._open.get(place, 0.0))
        if len(chosen) < rows:
            others = (place for place in self._open if place not in bad)
            chosen += nlargest(rows - len(chosen), others, key=self._open.__getitem__)
        return [self._line(place, place not in bad) for place in chosen]

    def _line(self, place: Place, covered: bool) -> PositionLine:
        row: dict[str, Any] = next(self._store.rows(_POSITION, place), {"qty": "0", "held": "0", "avg_px": None, "net": None})
        legs = [
            leg for protection in self._store.db.execute(_PROTECTIONS, place) for leg in legs_of(self._store, protection)
        ]  # fmt: skip
        average, net = row["avg_px"], row["net"]
        return PositionLine(
            *place, Decimal(row["qty"]), Decimal(row["held"]), None if average is None else Decimal(average),
            None if net is None else Decimal(net), legs, covered,
        )  # fmt: skip


def legs_of(store: Store, row: tuple[Any, ...]) -> list[LegLine]:
    """Of a row of `protections` what of each leg should work, and what does; nothing where neither is anything."""
    protection, parents = thaw_protection(row)
    found = [
        LegLine(guard.leg.name, guard.wanted, _works(store, protection, number, parent), guard.waits)
        for number, (guard, parent) in enumerate(zip(protection.guards, parents, strict=True))
    ]
    return found if protection.wanted or any(leg.works for leg in found) else []


def _works(store: Store, protection: Protection, number: int, parent: int | None) -> Decimal:
    """What works at the venue, and what is watched by somebody who sees the market, units."""
    guard = protection.guards[number]
    works = guard.wanted if guard.waits and not protection.blind_since else ZERO
    if parent is not None:
        for (leaves,) in store.db.execute(_WORKS, (parent,)):
            works = add(works, Decimal(leaves))
    return works


__all__ = ["Holdings", "LegLine", "PositionLine", "legs_of"]
