"""The durable engine: journal before act, with group commit behind an asyncio front.

    effects = await journal.submit(input, now)     # returns when the step is on disk

Theory. The step itself is instant and runs here. Its rows join the batch that is being filled. When the writer's thread
is free, the batch is sealed and its rows are applied here, into the page cache of one open transaction, and the thread
commits it: the write-ahead log and the sync, one call that needs no interpreter. So the steps of the next batch run
beside the commit of this one, and whatever came while it ran is committed together. Every caller waits for the commit
of its own batch and hears nothing before it.

Rows in the writer's thread instead were measured: each row gives the interpreter up and has to win it back from a busy
loop, so that nothing overlapped.

Rules
- Nothing that `submit` returned is ever lost, by a kill at any instruction or a power cut.
- Bounded: one batch is being committed, one is being filled with at most `MAX_BATCH` inputs; then callers wait.
- Fail-stop: when a write fails, everybody waiting gets `JournalDown`, nothing of the batch is on disk, and no further
  step is taken: memory is ahead of the disk and must not be believed. Open the file again to go on.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType

from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.journal.batch import HANDED_OUT_ONCE, Batch, SealedBatch
from partfill.journal.isolate import REFUSED, culprits, quarantine, rows, without
from partfill.journal.keeper import MAX_FINISHED, QUIET_NS, Keeper
from partfill.journal.recovery import recover
from partfill.journal.store import STATEMENTS, Store
from partfill.model.admit import admit
from partfill.model.commands import KillSwitch, Protect, Stop, Unprotect
from partfill.model.inputs import Input, Quarantined

MAX_BATCH = 500
"""Inputs in one transaction; while the writer is busy and so many wait, further callers wait to get in."""
FIRST = frozenset({KillSwitch, Protect, Stop, Unprotect})
"""What waits at no door: it joins the batch that is being filled, however full that is."""
ENOUGH = 50
"""Inputs that make a commit worth its sync: when so many are staged and the writer is idle, it starts at once, and the
steps of whoever comes next run beside it."""

HAND_OVER_S = 0.05
"""Longest time for which the loop lets the writer go first."""

log = logging.getLogger("partfill")

_Waiters = list[asyncio.Future[None]]


class JournalDown(RuntimeError):
    """A write failed. Nothing of its batch is on disk; this journal takes no further step."""


class ClosedError(RuntimeError):
    """Why a journal that was closed takes no step."""


class Journal:
    """One engine on one journal file. Make it with `await Journal.open(path)` or `async with Journal(path)`."""

    batch_type: type[Batch] = Batch

    def __init__(self, path: str | Path, *, quiet_ns: int = QUIET_NS, max_finished: int = MAX_FINISHED) -> None:
        self._path = path
        self._quiet_ns = quiet_ns
        self._max_finished = max_finished
        self._queue: SimpleQueue[tuple[int, _Waiters] | None] = SimpleQueue()
        self._started: SimpleQueue[None] = SimpleQueue()
        """The writer's word that it has begun a commit."""
        self._waiting = 0
        """Batches with the writer: 0 or 1."""
        self._room: deque[asyncio.Future[None]] = deque()
        self._failed: BaseException | None = None
        self.heard: Callable[[Effects], None] | None = None
        """Hears of a step that nobody submitted: orders that had to be put into quarantine."""
        self._flushing = False
        self._closed = False

    @classmethod
    async def open(cls, path: str | Path, *, quiet_ns: int = QUIET_NS, max_finished: int = MAX_FINISHED) -> Journal:
        """Open or create a journal and recover its open orders. Raises `NotAJournal` for a file that is none."""
        journal = cls(path, quiet_ns=quiet_ns, max_finished=max_finished)
        await journal.__aenter__()
        return journal

    async def __aenter__(self) -> Journal:
        self._loop = asyncio.get_running_loop()
        self._writer = Store(self._path)
        try:
            # The writer's connection belongs to its thread; what is on disk is read through this one.
            self.reader = Store(self._path, read_only=True)
            try:
                self.keeper: Keeper = recover(self.reader, self._quiet_ns, self._max_finished)
                self.seq, self.last_now = self.reader.last_input()
            except BaseException:
                self.reader.close()
                raise
        except BaseException:
            self._writer.close()
            raise
        if self.keeper.unread_protections:
            self._writer.end_protections(self.keeper.unread_protections)
        for what in self.keeper.unreadable:
            log.error("%s: %s", self._path, what)
        self.engine: Engine = self.keeper.engine
        self.durable_seq = self.seq
        """Every input up to this number is on disk."""
        self._batch = self.batch_type(self.engine)
        self._waiters: _Waiters = []
        self._now = 0
        self._thread = threading.Thread(target=self._write, name="partfill-journal", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        await self.close()

    async def submit(self, inp: Input, now: int, look: Callable[[Effects], None] | None = None) -> Effects:
        """Step the engine with `inp` at `now` (ns UTC) and return what follows once it is durable.

        `look` is called right after the step: the last moment at which the engine shows this step and no later one.
        Raises `NotAnInput` for what no journal could give back as it is, which changes nothing, and `JournalDown` when it is
        not durable and will not be.
        """
        while self._batch.size >= MAX_BATCH and self._failed is None and not self._closed and type(inp) not in FIRST:
            room = self._loop.create_future()
            self._room.append(room)
            await room
        effects = self.stage(inp, now)
        if look is not None:
            look(effects)
        await self._durable()
        return effects

    def stage(self, inp: Input, now: int) -> Effects:
        """Step at once, without waiting for the disk: `flush` does. For callers that bound their own work.

        Raises `NotAnInput` for what no journal could give back as it is (`model.admit`), which changes nothing, and
        `JournalDown`.
        """
        if self._failed is not None or self._closed:
            raise self._down()
        inp, body = admit(inp, now)
        try:
            self.keeper.recall(inp)
            effects = self.engine.step(inp, now)
            self.seq += 1
            self._batch.stage(self.seq, inp, now, effects, body)
            self.keeper.note(effects, self.seq)
        except BaseException as error:
            self._fail(error)
            raise self._down() from error
        effects.seq, effects.now = self.seq, now
        self._now = now
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        return effects

    async def flush(self) -> None:
        """Wait until everything staged so far is durable. Raises `JournalDown`."""
        if self._failed is None and (self._batch.size or self._waiting):
            await self._durable()
        if self._failed is not None:
            raise self._down()

    def _durable(self) -> asyncio.Future[None]:
        """Done when the batch that is being filled is on disk. One per waiter: one may be cancelled without the others."""
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        if not self._waiting and self._batch.size >= ENOUGH:
            self._seal()
        elif not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        return waiter

    def _down(self) -> JournalDown:
        why = self._failed or ClosedError("it was closed")
        down = JournalDown(f"the journal {self._path} is down: {why}")
        down.__cause__ = self._failed
        return down

    async def close(self) -> None:
        """Commit what is staged, stop the writer, close the file. Callers that still wait to get in hear `JournalDown`."""
        try:
            self._closed = True
            for room in self._room:
                if not room.done():
                    room.set_result(None)
            self._room.clear()
            while self._failed is None and (self._batch.size or self._waiting):
                await self._durable()
        except JournalDown:
            # Whoever waited has heard it.
            pass
        finally:
            self._fail(ClosedError("it was closed"))
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
            # The last connection folds the write-ahead log into the file and takes it away; a reader cannot.
            self.reader.close()
            self._writer.close()

    # ------------------------------------------------------------------ the loop's side

    def _flush(self) -> None:
        self._flushing = False
        # While the writer is busy the batch goes on filling: that is the group commit.
        if self._failed is None and not self._waiting and (self._batch.size or self._waiters):
            self._seal()

    def _seal(self) -> None:
        batch, waiters = self._batch, self._waiters
        self._batch, self._waiters = self.batch_type(self.engine), []
        try:
            sealed = batch.seal(self.engine)
            if self.keeper.hidden[0]:
                sealed = without(sealed, *self.keeper.hidden)
            try:
                self._writer.apply(sealed)
            except REFUSED as error:
                self._isolate(batch, sealed, error)
        except BaseException as error:
            # Memory is ahead of what can be written: the same as a failed write.
            self._waiters.extend(waiters)
            self._fail(error)
            return
        self._waiting += 1
        self._queue.put((batch.last_seq, waiters))
        # The writer has to run Python to start the commit, and the loop would not let it for a whole round of steps.
        with suppress(Empty):
            self._started.get(timeout=HAND_OVER_S)

    def _isolate(self, batch: Batch, sealed: SealedBatch, error: Exception) -> None:
        """Write the batch without the orders whose rows the file refuses, which stand in quarantine from now on."""
        children, parents = culprits(self._writer, sealed, STATEMENTS)
        if not children and not parents:
            raise error
        put, body = admit(quarantine(self.engine, children, parents, f"{type(error).__name__}: {error}"), self._now)
        assert isinstance(put, Quarantined)
        log.error("%s: orders %s are in quarantine: %s", self._path, put.orders, put.why)
        effects = self.engine.step(put, self._now)
        self.seq += 1
        effects.seq, effects.now = self.seq, self._now
        batch.stage(self.seq, put, self._now, effects, body)
        batch.unwritten()
        again = batch.seal(self.engine)
        # These are handed out once.
        again |= {table: sealed.get(table, []) + again.get(table, []) for table in HANDED_OUT_ONCE}
        again = {table: again[table] for table in STATEMENTS if table in again}
        self.keeper.hide(put.orders, put.parents)
        kept = without(again, *self.keeper.hidden)
        kept["quarantined"] = rows(self.engine, put, self.seq)
        self._writer.apply(kept)
        if self.heard is not None:
            self.heard(effects)

    def _written(self, seq: int, waiters: _Waiters, error: BaseException | None) -> None:
        self._waiting -= 1
        error = error or self._failed
        if error is None:
            try:
                # Here and not beside the commit: each call into the system there lets the loop have the interpreter first.
                self._writer.acknowledge(seq)
            except OSError as refused:
                error = refused
        if error is not None:
            self._waiters.extend(waiters)
            self._fail(error)
            return
        self.durable_seq = max(self.durable_seq, seq)
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        if self._batch.size or self._waiters:
            self._seal()
        if self._room:
            for _ in range(min(len(self._room), MAX_BATCH)):
                room = self._room.popleft()
                if not room.done():
                    room.set_result(None)
        self.keeper.release(self._now, self.durable_seq)

    def _fail(self, error: BaseException | None) -> None:
        """Fail-stop: everybody who waits, here or at the door, hears it; nothing is stepped any more."""
        if self._failed is None:
            self._failed = error
        waiters = [*self._waiters, *self._room]
        self._waiters = []
        self._room.clear()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(self._down())

    # ------------------------------------------------------------------ the writer's thread

    def _write(self) -> None:
        failed: BaseException | None = None
        while (item := self._queue.get()) is not None:
            seq, waiters = item
            if failed is None:
                try:
                    self._started.put(None)
                    self._writer.commit()
                except BaseException as error:  # fail-stop on anything at all
                    failed = error
            self._loop.call_soon_threadsafe(self._written, seq, waiters, failed)
