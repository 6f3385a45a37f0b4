"""A process that writes a journal is killed at any instant: what it acknowledged is there, whole, and work goes on."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from partfill.journal.journal import Journal
from partfill.journal.store import Store
from partfill.journal.verify import verify
from tests.journal.writer import accepted, execution, placed

KILLS = 14
LONGEST_S = 0.4
"""Kills come so long after the first acknowledgement, at most."""
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class Acknowledged:
    """Everything that the killed processes had acknowledged."""

    seq: int = 0
    executions: set[tuple[str, str]] = field(default_factory=set)
    voided: set[tuple[str, str]] = field(default_factory=set)
    placed: set[str] = field(default_factory=set)

    def read(self, text: str) -> int:
        """Take in what one process printed; returns the number of lines."""
        lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        for line in lines:
            seq, kind, order, key = line.split()
            self.seq = max(self.seq, int(seq))
            if kind in ("execution", "execution_revised", "execution_voided"):
                self.executions.add((order, key))
            if kind == "execution_voided":
                self.voided.add((order, key))
            if kind == "order_placed":
                self.placed.add(order)
        return len(lines)


def killed_writer(db: Path, seed: int, after_s: float) -> str:
    """Run the writer, kill it `after_s` seconds after its first acknowledgement, return what it had acknowledged."""
    printed = db.with_suffix(f".{seed}.out")
    with printed.open("wb") as out:
        command = [sys.executable, "-m", "tests.journal.writer", str(db), str(seed)]
        writer = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, cwd=REPOSITORY)
        try:
            while not printed.stat().st_size:
                assert writer.poll() is None, writer.stderr and writer.stderr.read().decode()
                time.sleep(0.001)
            time.sleep(after_s)
            assert writer.poll() is None, writer.stderr and writer.stderr.read().decode()
        finally:
            writer.kill()
            writer.communicate()
    return printed.read_text()


def assert_kept(db: Path, told: Acknowledged) -> None:
    """Everything acknowledged is in the file."""
    store = Store(db, read_only=True)
    assert [row["integrity_check"] for row in store.rows("PRAGMA integrity_check")] == ["ok"]
    assert store.last_seq() >= told.seq
    assert next(store.rows("SELECT count(*) AS n FROM journal"))["n"] == store.last_seq()
    query = "SELECT n.name, e.key, e.void FROM executions e JOIN names n ON n.child = e.child WHERE n.kind = 'order'"
    found = {(row["name"], row["key"]): bool(row["void"]) for row in store.rows(query)}
    assert not told.executions - found.keys()
    assert all(found[name] for name in told.voided)
    clients = {row["name"] for row in store.rows("SELECT name FROM names WHERE kind = 'client'")}
    assert not told.placed - clients
    store.close()


async def test_a_kill_at_any_instant_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    db = tmp_path / "fills.db"
    rng = random.Random(20260102)
    told = Acknowledged()
    for seed in range(KILLS):
        # A few kills fall right on the first commits.
        after_s = 0.0 if seed % 5 == 0 else rng.uniform(0, LONGEST_S)
        assert told.read(killed_writer(db, seed, after_s)) > 0
        assert_kept(db, told)
        verdict = verify(db)
        assert verdict.ok, verdict.problems
        # And it goes on from there.
        async with Journal(db) as journal:
            assert journal.seq >= told.seq
            for inp in (placed(f"Cafter{seed}"), accepted(f"Oafter{seed}", f"Cafter{seed}"), execution(f"Oafter{seed}", "k")):
                await journal.submit(inp, seed)
            told.seq = journal.durable_seq
            told.executions.add((f"Oafter{seed}", "k"))
    assert len(told.executions) > 100
