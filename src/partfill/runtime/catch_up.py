"""Events again, from the journal: for whoever missed some, or was not there.

The journal holds inputs, and the same inputs give the same events; so they are not stored a second time but made again.
That costs a replay from the first input on, some microseconds each. It holds up nobody: it reads the file through a
connection of its own.

Memory is bounded whatever the file holds: by the orders that are open at the moment that is replayed, by `max_finished`
that have ended, and by what `BATCH` inputs touch. Finished orders leave for a temporary file, with the same code as in live
trading, and come back when a late input names them. They cannot be taken from the journal's own tables instead: those hold
every order as it stands now, and here it is wanted as it stood then.

Inputs are read a page at a time, each page a read of its own: a reader that pauses (`| less`) keeps nothing from the writer,
whose write-ahead log would otherwise grow for as long as the read goes on. What came after the first look is left out.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.journal.batch import Batch
from partfill.journal.keeper import MAX_FINISHED
from partfill.journal.recovery import recover
from partfill.journal.store import Store
from partfill.model.codec import NotAnInput, input_from_journal
from partfill.model.events import Event
from partfill.model.inputs import MAX_RAW, Input, Unreadable
from partfill.runtime.bus import Told

BATCH = 500
"""Inputs between two looks at how many finished orders are in memory, and in a page that is read."""
MOST = 50_000
"""Inputs after which memory is written down however few orders are in it."""

log = logging.getLogger("partfill")


class Step(NamedTuple):
    """One input, and what follows from it. `engine` is as it was right after, until the next step is asked for."""

    engine: Engine
    seq: int
    now: int
    """When it reached us (ns UTC)."""
    inp: Input
    effects: Effects


def events_between(
    path: str | Path, first_seq: int, last_seq: int | None = None, *, max_finished: int = MAX_FINISHED
) -> Iterator[Told]:
    """Every event that inputs `first_seq` to `last_seq` (the newest, if None) led to, oldest first.

    `max_finished`: orders that have ended and stay in memory. Raises `NotAJournal` for a file that is none.
    """
    for engine, seq, _, _, effects in replayed(path, last_seq, max_finished=max_finished):
        if seq >= first_seq:
            for event in effects.events:
                yield Told(seq, _parent_of(engine, event), event)


def replayed(path: str | Path, last_seq: int | None = None, *, max_finished: int = MAX_FINISHED) -> Iterator[Step]:
    """Every step of the journal at `path` again, up to input `last_seq` (the newest that is on disk now, if None).

    `max_finished` as above. Raises `NotAJournal`. An input that cannot be read is told as an alarm, logged, and passed over.
    """
    live = Store(path, read_only=True)
    try:
        newest = live.last_seq()
        with tempfile.TemporaryDirectory(prefix="partfill-replay-") as folder:
            spill = Store(Path(folder) / "spill.db", durable=False)
            try:
                yield from _replay(live, spill, newest if last_seq is None else min(last_seq, newest), max_finished)
            finally:
                spill.close()
    finally:
        live.close()


def _replay(live: Store, spill: Store, last_seq: int, max_finished: int) -> Iterator[Step]:
    # Recorded time says nothing about when a late input may come: only the number in memory counts.
    keeper = recover(spill, quiet_ns=1 << 62, max_finished=max_finished)
    engine = keeper.engine
    batch = Batch(engine)
    for seq, now, body in _inputs(live, last_seq):
        try:
            inp = input_from_journal(body)
        except NotAnInput as error:
            # It is told as what it is, and what came after it is told too.
            said = f"input {seq} of the journal cannot be read and is passed over: {error}"
            log.error("%s: %s", live.path, said)
            inp = Unreadable(venue="journal", raw=str(body)[:MAX_RAW], error=said)
        keeper.recall(inp)
        effects = engine.step(inp, now)
        batch.stage(seq, inp, now, effects, None)
        keeper.note(effects, seq)
        yield Step(engine, seq, now, inp, effects)
        if batch.size >= BATCH and (keeper.crowded or batch.size >= MOST):
            spill.write(batch.seal(engine))
            keeper.release(0, seq)
            batch = Batch(engine)


def _inputs(live: Store, last_seq: int) -> Iterator[tuple[int, int, str]]:
    seq = 0
    while page := list(islice(live.inputs(seq), BATCH)):
        for seq, now, body in page:
            if seq > last_seq:
                return
            yield seq, now, body


def _parent_of(engine: Engine, event: Event) -> int:
    child = engine.children.get(event.order)
    return child.work.parent.id if child is not None and child.work is not None else 0
