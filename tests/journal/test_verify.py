"""A journal proves itself, and whoever changes the file is found out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from partfill.journal.journal import Journal
from partfill.journal.store import NotAJournal, Store
from partfill.journal.verify import verify
from partfill.model.inputs import DayRolled, Gap, Unreadable
from tests.journal.writer import VENUE, execution, lives

SEED = 5


@pytest.fixture(scope="module")
def busy_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a busy journal, closed."""
    path = tmp_path_factory.mktemp("busy") / "fills.db"
    asyncio.run(write_busy(path))
    return path.read_bytes()


@pytest.fixture
def busy(tmp_path: Path, busy_bytes: bytes) -> Path:
    path = tmp_path / "fills.db"
    path.write_bytes(busy_bytes)
    return path


async def write_busy(path: Path) -> None:
    """Busts, corrections, parked orders that find theirs, days, gaps, damage; few finished orders stay in memory."""
    async with Journal(path, max_finished=10, quiet_ns=50) as journal:
        rng = random.Random(SEED)
        for now, inp in enumerate(lives(rng, "v", 250), 1):
            journal.stage(inp, now)
            if now % 60 == 0:
                await journal.flush()
            if now % 300 == 0:
                journal.stage(DayRolled(venue=VENUE), now)
                journal.stage(Gap(venue=VENUE, since=now - 5), now)
                journal.stage(Unreadable(venue=VENUE, raw="{", error="not JSON"), now)
        await journal.flush()
        # Orders that left long ago get late fills, busts and repeats.
        for number in range(0, 250, 3):
            await journal.submit(execution(f"Ov-{number}", "k-late"), 10_000 + number)


def direct(path: Path) -> apsw.Connection:
    """The file without any of our code."""
    return apsw.Connection(str(path))


def rows(path: Path, sql: str) -> Iterator[dict[str, Any]]:
    store = Store(path, read_only=True)
    found = list(store.rows(sql))
    store.close()
    return iter(found)


# ---------------------------------------------------------------------- proof


def test_a_busy_journal_proves_itself(busy: Path) -> None:
    verdict = verify(busy)
    assert verdict.ok, verdict.problems
    assert verdict.hash_live == verdict.hash_replay
    assert verdict.inputs > 1000
    counted = {table: next(rows(busy, f"SELECT count(*) AS n FROM {table}"))["n"] for table in verdict.rows}
    assert verdict.rows == counted


def test_the_busy_journal_has_what_it_should_have(busy: Path) -> None:
    assert next(rows(busy, "SELECT count(*) AS n FROM executions WHERE void = 1"))["n"] > 20
    # Numbers that are missing among the orders are parked ones that found theirs.
    span = next(rows(busy, "SELECT max(id) - count(*) AS merged, min(open) AS least, max(open) AS most FROM children"))
    assert span["merged"] > 20
    assert (span["least"], span["most"]) == (0, 1)


@pytest.mark.parametrize("max_finished", [0, 3, 100_000])
def test_the_proof_does_not_depend_on_how_many_orders_stay_in_memory(busy: Path, max_finished: int) -> None:
    verdict = verify(busy, max_finished=max_finished)
    assert verdict.ok, verdict.problems


async def test_the_proof_does_not_depend_on_restarts(tmp_path: Path) -> None:
    path = tmp_path / "fills.db"
    stream = list(enumerate(lives(random.Random(8), "r", 40), 1))
    for at in range(0, len(stream), 25):
        async with Journal(path, max_finished=2) as journal:
            for now, inp in stream[at : at + 25]:
                journal.stage(inp, now)
    verdict = verify(path)
    assert verdict.ok, verdict.problems
    assert verdict.inputs == len(stream)


async def test_a_journal_may_be_proved_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "fills.db"
    async with Journal(path) as journal:
        for now, inp in enumerate(lives(random.Random(9), "w", 30), 1):
            await journal.submit(inp, now)
            if now % 40 == 0:
                verdict = verify(path)
                assert verdict.ok, verdict.problems
                assert verdict.inputs == now


async def test_an_empty_journal_proves_itself(tmp_path: Path) -> None:
    async with Journal(tmp_path / "fills.db"):
        pass
    verdict = verify(tmp_path / "fills.db")
    assert verdict.ok
    assert verdict.inputs == 0


def test_progress_is_told(busy: Path) -> None:
    told: list[int] = []
    verify(busy, told.append)
    assert told
    assert told == sorted(told)


def test_a_proof_changes_nothing(busy: Path, busy_bytes: bytes) -> None:
    verify(busy)
    assert busy.read_bytes() == busy_bytes


def test_the_proof_of_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotAJournal, match="does not exist"):
        verify(tmp_path / "none.db")


# ---------------------------------------------------------------------- tampering

MIDDLE = "(SELECT seq FROM journal ORDER BY seq LIMIT 1 OFFSET 700)"
VICTIM = "(SELECT id FROM children WHERE executions > 1 LIMIT 1)"
TAMPERINGS: list[tuple[str, str]] = [
    ("executions", f"UPDATE executions SET qty = qty || '0' WHERE child = {VICTIM}"),
    ("executions", f"UPDATE executions SET px = '1' WHERE child = {VICTIM}"),
    ("executions", "UPDATE executions SET void = 0 WHERE void = 1"),
    ("executions", f"DELETE FROM executions WHERE child = {VICTIM}"),
    ("executions", "INSERT INTO executions (child, ledger, key, qty, px, void, born, seq) SELECT max(id), 0, 'mine', '1', '1', "
                   "0, 1, 1 FROM children"),
    ("children", f"UPDATE children SET cum_qty = '1' || cum_qty WHERE id = {VICTIM}"),
    ("children", f"UPDATE children SET ord_status = 'New' WHERE id = {VICTIM}"),
    ("children", f"UPDATE children SET flags = flags + 1048576 WHERE id = {VICTIM}"),
    ("children", f"UPDATE children SET updated = updated + 1 WHERE id = {VICTIM}"),
    ("children", f"UPDATE children SET state = (SELECT max(state) FROM children) WHERE id = {VICTIM}"),
    ("children", "DELETE FROM children WHERE id = (SELECT max(id) FROM children)"),
    ("names", f"DELETE FROM names WHERE child = {VICTIM} AND kind = 'client'"),
    ("names", f"UPDATE names SET child = child + 1 WHERE child = {VICTIM}"),
    ("names", "INSERT INTO names VALUES ('paper', '', 'order', 'another', 1)"),
    ("audit", "INSERT INTO audit VALUES (5, 1, '{}')"),
    ("audit", "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)"),
    ("audit", "UPDATE audit SET changes = '{}' WHERE seq = (SELECT min(seq) FROM audit)"),
    ("alarms", "DELETE FROM alarms WHERE seq = (SELECT min(seq) FROM alarms)"),
    ("alarms", "INSERT INTO alarms VALUES (5, 1, 'gap', 'nothing')"),
    ("engine", "UPDATE engine SET body = (SELECT max(body) FROM journal)"),
    ("engine", "DELETE FROM engine"),
    ("journal", f"DELETE FROM journal WHERE seq = {MIDDLE}"),
    ("journal", "DELETE FROM journal WHERE seq = 1"),
    ("journal", f"UPDATE journal SET body = substr(body, 1, 5) WHERE seq = {MIDDLE}"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "sql"), TAMPERINGS, ids=[sql[:60] for _, sql in TAMPERINGS])
def test_whatever_is_changed_in_the_file_is_found(busy: Path, table: str, sql: str) -> None:
    file = direct(busy)
    file.execute(sql)
    assert file.changes() > 0
    file.close()
    verdict = verify(busy)
    assert not verdict.ok
    assert any(problem.startswith(f"{table}: ") for problem in verdict.problems), verdict.problems
    if table != "journal":
        assert verdict.hash_live != verdict.hash_replay


def test_a_missing_input_is_named(busy: Path) -> None:
    file = direct(busy)
    file.execute("DELETE FROM journal WHERE seq = 700")
    file.close()
    assert "journal: input 700 is missing (found 701)" in verify(busy).problems


@pytest.mark.parametrize("kind", ["order_placed", "execution", "execution_voided"])
def test_another_input_in_the_place_of_one_is_found(busy: Path, kind: str) -> None:
    file = direct(busy)
    # The first input of the kind becomes the last one of the kind.
    of_kind = f"FROM journal WHERE instr(CAST(body AS TEXT), '{kind}')"
    last = f"SELECT body {of_kind} ORDER BY seq DESC LIMIT 1"
    file.execute(f"UPDATE journal SET body = ({last}) WHERE seq = (SELECT min(seq) {of_kind})")
    assert file.changes() == 1
    file.close()
    assert not verify(busy).ok


def test_another_time_of_an_input_is_found(busy: Path) -> None:
    # An execution moves its order's time of last change.
    found = next(rows(busy, "SELECT seq FROM children WHERE executions > 0 ORDER BY seq DESC LIMIT 1"))["seq"]
    file = direct(busy)
    file.execute("UPDATE journal SET now = now + 1 WHERE seq = ?", (found,))
    file.close()
    assert not verify(busy).ok


@pytest.mark.parametrize("page", [2, 5, 9, 20, 40])
def test_a_page_of_garbage_is_a_problem_and_no_crash(busy: Path, page: int) -> None:
    data = bytearray(busy.read_bytes())
    size = 4096
    assert len(data) > (page + 1) * size
    data[page * size : (page + 1) * size] = random.Random(page).randbytes(size)
    busy.write_bytes(bytes(data))
    try:
        verdict = verify(busy)
    except NotAJournal:
        return
    assert not verdict.ok
