"""The durable engine: journal before act, with group commit behind an asyncio front.

    effects = await journal.submit(input, now)     # returns when the step is on disk

Theory. The step itself is instant and runs here. Its rows join the batch that is being filled; the writer's thread
takes the whole batch as soon as it is free, so whatever came while it was writing is committed together. Every caller
waits for the commit of its own batch and hears nothing before it.

Rules
- Nothing that `submit` returned is ever lost, by a kill at any instruction or a power cut.
- Bounded: a batch holds at most `MAX_BATCH` inputs, at most `MAX_SEALED` batches wait for the writer.
- Fail-stop: when a write fails, everybody waiting gets `JournalDown`, nothing of the batch is on disk, and no further
  step is taken: memory is ahead of the disk and must not be believed. Open the file again to go on.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType

from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.journal.batch import Batch, SealedBatch
from partfill.journal.keeper import MAX_FINISHED, QUIET_NS, Keeper, recover
from partfill.journal.store import Store
from partfill.model.inputs import Input

MAX_BATCH = 500
"""Inputs in one transaction."""
MAX_SEALED = 4
"""Sealed batches that may wait for the writer; then callers wait to get in."""


class JournalDown(RuntimeError):
    """A write failed. Nothing of its batch is on disk; this journal takes no further step."""


class Journal:
    """One engine on one journal file. Make it with `await Journal.open(path)` or `async with Journal(path)`."""

    def __init__(self, path: str | Path, *, quiet_ns: int = QUIET_NS, max_finished: int = MAX_FINISHED) -> None:
        self._path = path
        self._quiet_ns = quiet_ns
        self._max_finished = max_finished
        self._queue: SimpleQueue[tuple[SealedBatch, int, asyncio.Future[None]] | None] = SimpleQueue()
        self._waiting = 0
        self._room: deque[asyncio.Future[None]] = deque()
        self._failed: BaseException | None = None
        self._flushing = False

    @classmethod
    async def open(cls, path: str | Path, *, quiet_ns: int = QUIET_NS, max_finished: int = MAX_FINISHED) -> Journal:
        """Open or create a journal and recover its open orders. Raises `NotAJournal` for a file that is none."""
        journal = cls(path, quiet_ns=quiet_ns, max_finished=max_finished)
        await journal.__aenter__()
        return journal

    async def __aenter__(self) -> Journal:
        self._loop = asyncio.get_running_loop()
        self._writer = Store(self._path)
        # The writer's connection belongs to its thread; what has left memory is read through this one.
        self._reader = Store(self._path, read_only=True)
        self.keeper: Keeper = recover(self._reader, self._quiet_ns, self._max_finished)
        self.engine: Engine = self.keeper.engine
        self.seq = self._reader.last_seq()
        self.durable_seq = self.seq
        """Every input up to this number is on disk."""
        self._batch = Batch(self.engine)
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._sealed: asyncio.Future[None] | None = None
        self._now = 0
        self._thread = threading.Thread(target=self._write, name="partfill-journal", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        await self.close()

    async def submit(self, inp: Input, now: int) -> Effects:
        """Step the engine with `inp` at `now` (ns UTC) and return what follows once it is durable.

        Raises `JournalDown` when it is not and will not be.
        """
        while self._waiting >= MAX_SEALED and self._batch.size >= MAX_BATCH:
            room = self._loop.create_future()
            self._room.append(room)
            await room
        effects, done = self.stage(inp, now)
        await asyncio.shield(done)
        return effects

    def stage(self, inp: Input, now: int) -> tuple[Effects, asyncio.Future[None]]:
        """Step at once; the future is done when the step is durable. For callers that bound their own work."""
        if self._failed is not None:
            raise JournalDown(f"the journal {self._path} is down: {self._failed}") from self._failed
        self.keeper.recall(inp)
        effects = self.engine.step(inp, now)
        self.seq += 1
        self._batch.stage(self.seq, inp, now, effects)
        self.keeper.note(effects, self.seq)
        done = self._done
        if self._batch.size >= MAX_BATCH:
            self._seal()
        elif not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        self._now = now
        return effects, done

    async def flush(self) -> None:
        """Wait until everything staged so far is durable."""
        if self._batch.size and self._failed is None:
            self._seal()
        if self._sealed is not None:
            await asyncio.shield(self._sealed)
        if self._failed is not None:
            raise JournalDown(f"the journal {self._path} is down: {self._failed}") from self._failed

    async def close(self) -> None:
        """Commit what is staged, stop the writer, close the file."""
        try:
            if self._failed is None:
                await self.flush()
        finally:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
            self._writer.close()
            self._reader.close()

    # ------------------------------------------------------------------ the loop's side

    def _flush(self) -> None:
        self._flushing = False
        # While the writer is busy the batch goes on filling: that is the group commit.
        if self._batch.size and not self._waiting:
            self._seal()

    def _seal(self) -> None:
        batch, done = self._batch, self._done
        self._sealed = done
        sealed = batch.seal(self.engine)
        self._batch = Batch(self.engine)
        self._done = self._loop.create_future()
        self._waiting += 1
        self._queue.put((sealed, batch.last_seq, done))

    def _written(self, seq: int, done: asyncio.Future[None], error: BaseException | None) -> None:
        self._waiting -= 1
        if error is not None and self._failed is None:
            self._failed = error
        if self._failed is not None:
            self._fail(done)
            if self._batch.size:
                self._fail(self._done)
        else:
            self.durable_seq = seq
            if not done.done():
                done.set_result(None)
            if self._batch.size and not self._waiting:
                self._seal()
            self.keeper.release(self._now, self.durable_seq)
        while self._room:
            room = self._room.popleft()
            if not room.done():
                room.set_result(None)

    def _fail(self, done: asyncio.Future[None]) -> None:
        if not done.done():
            done.set_exception(JournalDown(f"the journal {self._path} is down: {self._failed}"))
            # Everybody who cares awaits it; a stage() without an await must not warn at shutdown.
            done.exception()

    # ------------------------------------------------------------------ the writer's thread

    def _write(self) -> None:
        failed: BaseException | None = None
        while (item := self._queue.get()) is not None:
            sealed, seq, done = item
            if failed is None:
                try:
                    self._writer.write(sealed)
                except BaseException as error:  # fail-stop on anything at all
                    failed = error
            self._loop.call_soon_threadsafe(self._written, seq, done, failed)
