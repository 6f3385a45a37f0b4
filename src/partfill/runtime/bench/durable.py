"""Durable executions per second through the journal, beside two limits measured in the same run.

The limits: a bare apsw loop that writes the same rows in the same batches (plain INSERTs, one transaction a batch), and
the disk itself (the same bytes into a preallocated file, one fdatasync a batch). Both run right after the measurement
they belong to, on the same disk. Ratios are what to read; a busy machine moves all three.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import apsw

from partfill.journal.batch import Batch, SealedBatch
from partfill.journal.journal import Journal
from partfill.journal.store import STATEMENTS, migrations
from partfill.model.inputs import Execution, OrderPlaced
from partfill.model.terms import Terms
from partfill.model.words import Side

WAITERS = (1, 10, 100, 1000)
EXECUTIONS = {1: 1_000, 10: 6_000, 100: 30_000, 1000: 50_000}
"""How many executions each measurement takes."""
ROUNDS = 3
"""Measurements of each, in turn with its limits; rates are the best, ratios the median."""

_QTY, _PX = Decimal("0.35"), Decimal("1999.5")


class _Recorder(Batch):
    """A batch that remembers what it sealed, so that the bare loop can write the same."""

    sealed: list[SealedBatch]

    def seal(self, engine: Any) -> SealedBatch:
        """Seal, and keep a reference."""
        rows = super().seal(engine)
        self.sealed.append(rows)
        return rows


async def _journal(path: Path, waiters: int, executions: int, batch: type[Batch]) -> float:
    """Executions per second: `waiters` tasks, each submitting its next when the last one is on disk."""
    journal = Journal(path)
    journal.batch_type = batch
    async with journal:
        for number in range(waiters):
            terms = Terms(instrument="BTC-USD", side=Side.BUY, order_qty=Decimal(10**9), price=Decimal("2000"))
            journal.stage(
                OrderPlaced(venue="bench", account="main", cl_ord_id=f"c{number}", order_id=f"o{number}", terms=terms), 1
            )
        await journal.flush()
        each = executions // waiters

        async def work(number: int) -> None:
            for fill in range(each):
                key = f"{number}-{fill}"
                e = Execution(
                    venue="bench", account="main", order_id=f"o{number}", key=key, qty=_QTY, px=_PX, as_of=fill, venue_time=fill
                )
                await journal.submit(e, fill)

        began = perf_counter()
        await asyncio.gather(*(work(number) for number in range(waiters)))
        return each * waiters / (perf_counter() - began)


def _bare(path: Path, sealed: list[SealedBatch]) -> float:
    """Inputs per second of a plain loop that writes the same rows in the same batches."""
    db = apsw.Connection(str(path))
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    for script in migrations():
        db.execute(script)
    inputs = sum(len(each["journal"]) for each in sealed)
    began = perf_counter()
    for batch in sealed:
        db.execute("BEGIN IMMEDIATE")
        for table, rows in batch.items():
            if rows:
                db.executemany(STATEMENTS[table], rows)
        db.execute("COMMIT")
    spent = perf_counter() - began
    db.close()
    return inputs / spent


def _disk(path: Path, sealed: list[SealedBatch]) -> float:
    """Inputs per second of writing the same bytes to a preallocated file, fdatasync after each batch."""
    inputs = sum(len(each["journal"]) for each in sealed)
    sizes = [len(json.dumps(batch)) for batch in sealed]
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.posix_fallocate(file, 0, sum(sizes))
    os.pwrite(file, bytes(sum(sizes)), 0)
    os.fsync(file)
    began = perf_counter()
    at = 0
    for size in sizes:
        os.pwrite(file, b"x" * size, at)
        os.fdatasync(file)
        at += size
    spent = perf_counter() - began
    os.close(file)
    return inputs / spent


def run(folder: str | None = None, waiters: tuple[int, ...] = WAITERS) -> dict[str, Any]:
    """Every durable figure, on the disk of `folder` (the working directory's if None)."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="partfill-bench-", dir=folder or os.getcwd()) as name:
        for count in waiters:
            rounds = [_round(Path(name) / f"{count}-{number}", count) for number in range(ROUNDS)]
            rates, bares, disks, per_commit = zip(*rounds, strict=True)
            figures[f"waiters_{count}"] = {
                "executions_per_s": round(max(rates)),
                "bare_loop_per_s": round(max(bares)),
                "disk_per_s": round(max(disks)),
                "of_bare_loop": round(median(rate / bare for rate, bare in zip(rates, bares, strict=True)), 3),
                "of_disk": round(median(rate / disk for rate, disk in zip(rates, disks, strict=True)), 3),
                "inputs_per_commit": round(median(per_commit), 1),
            }
    return figures


def _round(base: Path, waiters: int) -> tuple[float, float, float, float]:
    """(ours, bare loop, disk: all inputs per second; inputs per commit)."""
    rate = asyncio.run(_journal(base.with_suffix(".db"), waiters, EXECUTIONS[waiters], Batch))
    # The rows are recorded in a run of their own: keeping them costs time too.
    sealed: list[SealedBatch] = []
    recorder = type("Recorder", (_Recorder,), {"sealed": sealed})
    asyncio.run(_journal(base.with_suffix(".rec"), waiters, EXECUTIONS[waiters], recorder))
    bare, disk = _bare(base.with_suffix(".bare"), sealed), _disk(base.with_suffix(".raw"), sealed)
    return rate, bare, disk, sum(len(each["journal"]) for each in sealed) / len(sealed)
