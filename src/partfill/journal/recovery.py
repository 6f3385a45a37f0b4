"""Opening: an engine as it was at the last commit, with its open orders in memory.

Rules
- A row that cannot be read stops no opening. What it is of is named, at start and by `verify`, and counted.
- An order, its parent and a position are made from their plain columns; an order is in quarantine then, its parent halted, and
  a position goes on without the order of its last fills. A protection is ended: its orders are halted, and whoever wants the
  position protected says so again. Dust and what a venue said of an instrument are left out.
- The one row without which nothing can go on is that of the engine: the next numbers and the kill switch.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from partfill.core.engine import Engine
from partfill.core.protection import find_leaving, set_timers
from partfill.journal.desk_state import thaw_dust
from partfill.journal.engine_state import ENGINE, thaw_engine
from partfill.journal.isolate import remember
from partfill.journal.keeper import MAX_FINISHED, QUIET_NS, Keeper
from partfill.journal.position_state import position_from_columns, thaw_position
from partfill.journal.protection_state import thaw_protection
from partfill.journal.refusals import NotAJournal
from partfill.journal.salvage import UNREADABLE
from partfill.journal.store import Store
from partfill.model.inputs import InstrumentListed
from partfill.model.words import Flag


def recover(store: Store, quiet_ns: int = QUIET_NS, max_finished: int = MAX_FINISHED) -> Keeper:
    """An engine as it was at the last commit, with its open orders in memory. Raises `NotAJournal` where it cannot be told."""
    body = store.engine_body()
    try:
        engine = thaw_engine(body, store.parts(ENGINE)) if body is not None else Engine()
    except UNREADABLE as error:
        raise NotAJournal(
            f"{store.path}: the row of the engine (next numbers, kill switch) cannot be read: {error}; restore it from a copy"
        ) from None
    keeper = Keeper(engine, store, quiet_ns, max_finished, stored=store.last_seq() > 0)
    next_id = engine.next_id
    for row in store.instruments():
        _instrument(keeper, row)
    if engine.holdings is not None:
        for row in store.positions():
            _position(keeper, row)
    for number in store.open_parents():
        keeper.load_parent(number)
    for number in store.open_children():
        if number not in engine.children:
            keeper.load(number)
    for put in store.quarantined():
        _quarantined(keeper, put)
    for row in store.protections():
        _protection(keeper, row)
    find_leaving(engine.desk, engine.desk.protections.values())
    set_timers(engine.desk)
    engine.next_id = next_id
    for row in store.open_dust():
        try:
            engine.desk.dust.keep(thaw_dust(row))
        except UNREADABLE as error:
            keeper.name(f"the dust of parent order {row[0]} is left out: it cannot be read: {error}")
    return keeper


def faults(store: Store) -> list[str]:
    """Every row beside those of orders that cannot be read, for `verify`."""
    found = []
    tables: list[tuple[str, list[tuple[Any, ...]], Any]] = [
        ("position", store.positions(), thaw_position),
        ("protection", store.protections(), thaw_protection),
        ("dust of parent order", store.open_dust(), thaw_dust),
    ]
    for what, rows, read in tables:
        for row in rows:
            try:
                read(row)
            except UNREADABLE as error:
                found.append(f"{what} {row[0]} cannot be read: {type(error).__name__}: {error}"[:300])
    return found


def _instrument(keeper: Keeper, row: tuple[Any, ...]) -> None:
    venue, instrument, quote, base, multiplier = row
    try:
        listed = InstrumentListed(venue=venue, instrument=instrument, quote=quote, base=base, multiplier=Decimal(multiplier))
        keeper.engine.listed[venue, instrument] = listed
    except UNREADABLE as error:
        keeper.name(f"what {venue} says of {instrument} cannot be read and is left out: {error}")


def _position(keeper: Keeper, row: tuple[Any, ...]) -> None:
    holdings = keeper.engine.holdings
    assert holdings is not None
    try:
        holdings.remember(thaw_position(row))
    except UNREADABLE as error:
        keeper.name(f"position {row[0]} ({row[3]}) goes on without its last fills: its state cannot be read: {error}")
        try:
            holdings.remember(position_from_columns(row))
        except UNREADABLE:
            raise NotAJournal(
                f"{keeper.store.path}: position {row[0]} ({row[3]}) cannot be read: {error}; restore the file from a copy"
            ) from None


def _quarantined(keeper: Keeper, put: tuple[int, int, str, str]) -> None:
    try:
        remember(keeper, *put)
    except UNREADABLE as error:
        number, parent, why, _ = put
        keeper.hide((number,), (parent,) if parent else ())
        child = keeper.engine.children.get(number) or keeper.load(number)
        if child is not None:
            child.mark(Flag.QUARANTINED)
        keeper.name(f"order {number} is in quarantine ({why}), and what was kept of it cannot be read: {error}")


def _protection(keeper: Keeper, row: tuple[Any, ...]) -> None:
    desk = keeper.engine.desk
    try:
        protection, parents = thaw_protection(row)
        for guard, having in zip(protection.guards, parents, strict=True):
            if having is not None:
                # It may have ended, and stands there until the consequences are drawn.
                keeper.load_parent(having)
                guard.parent = desk.parents[having]
    except UNREADABLE as error:
        for parent in desk.parents.values():
            if parent.guards == row[0]:
                parent.halted = True
        what = f"protection {row[0]} ({row[3]}) has ended, and its orders are halted"
        keeper.name(f"{what}: it cannot be read: {error}; protect the position anew")
        keeper.unread_protections.add(row[0])
        return
    desk.protections[protection.place] = protection
