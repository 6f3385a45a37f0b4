"""Events again, from the journal: for whoever missed some, or was not there.

The journal holds inputs, and the same inputs give the same events; so they are not stored a second time but made again.
That costs a replay from the first input on: some microseconds each, and memory for the orders that the file ever had. It
holds up nobody: it reads the file through a connection of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from partfill.core.engine import Engine
from partfill.journal.store import Store
from partfill.model.codec import input_from_journal
from partfill.model.events import Event
from partfill.runtime.bus import Told


def events_between(path: str | Path, first_seq: int, last_seq: int | None = None) -> Iterator[Told]:
    """Every event that inputs `first_seq` to `last_seq` (the newest, if None) led to, oldest first.

    Raises `NotAJournal` for a file that is none.
    """
    store = Store(path, read_only=True)
    try:
        engine = Engine()
        for seq, now, body in store.inputs():
            if last_seq is not None and seq > last_seq:
                return
            effects = engine.step(input_from_journal(body), now)
            if seq >= first_seq:
                for event in effects.events:
                    yield Told(seq, _parent_of(engine, event), event)
    finally:
        store.close()


def _parent_of(engine: Engine, event: Event) -> int:
    child = engine.children.get(event.order)
    return child.work.parent.id if child is not None and child.work is not None else 0
