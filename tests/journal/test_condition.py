"""Files that are no whole journal are told at start, by the daemon too, with what to do; nothing is written to them.

And one writer per file, by whatever name it comes: real processes.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner, Result

from partfill.cli.main import main
from partfill.journal.journal import Journal, JournalDown
from partfill.journal.store import InUse, NotAJournal, Store
from partfill.journal.verify import verify
from tests.journal.writer import filled_order, lives, placed
from tests.service.processes import LOCAL

HOLDER = """
import asyncio, sys
from partfill.journal.journal import Journal, JournalDown
from partfill.journal.store import InUse
from tests.journal.writer import placed
async def main():
    try:
        async with Journal(sys.argv[1]) as journal:
            for number in range(1_000_000):
                await journal.submit(placed(f"{sys.argv[2]}{number}"), number + 1)
                if not number:
                    print("writes", flush=True)
                if sys.argv[3] == "wait":
                    print(sys.stdin.readline() and number, flush=True)
    except (InUse, JournalDown) as error:
        print(type(error).__name__, error, flush=True)
asyncio.run(main())
"""


def partfill(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def inputs(path: Path) -> int:
    """How many inputs a process finds that goes on with the file."""

    async def count() -> int:
        async with Journal(path) as journal:
            return journal.seq

    return asyncio.run(count())


def run(folder: Path) -> Result:
    """What the daemon says of the journal `f.db` in this folder."""
    config = folder / "c.toml"
    config.write_text(LOCAL.format(folder=folder))
    return partfill("run", config)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A closed journal."""

    async def write() -> None:
        async with Journal(tmp_path / "f.db") as journal:
            for now, inp in enumerate(lives(random.Random(1), "c", 30), 1):
                journal.stage(inp, now)

    asyncio.run(write())
    return tmp_path / "f.db"


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A journal whose process was killed: its write-ahead log and its lock file lie beside it."""
    path = tmp_path / "f.db"
    with holder(path, "k", "wait") as process:
        process.stdin.write("go\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        assert process.stdout.readline() == "0\n"  # type: ignore[union-attr]
    assert Path(f"{path}-wal").stat().st_size
    return path


@contextmanager
def holder(path: Path, name: str, how: str) -> Iterator[subprocess.Popen[str]]:
    """A process that writes a journal: as fast as it can, or an input a line that it is given."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), name, how], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "writes\n"
        yield process
    finally:
        process.kill()
        process.communicate()


# ---------------------------------------------------------------------- what a file is


def cut(path: Path, keep: float) -> None:
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * keep))


def text(path: Path) -> None:
    path.write_text("no database at all\n" * 99)


def other(path: Path) -> None:
    path.unlink(missing_ok=True)
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE journal (id INTEGER PRIMARY KEY, entry TEXT)")
    db.close()


def newer(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute("PRAGMA user_version = 999")
    db.close()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def page_gone(path: Path) -> None:
    """Flipped bits in the middle of a page."""
    data = bytearray(path.read_bytes())
    for page in range(3, len(data) // 4096, 3):
        data[page * 4096] ^= 0x55
    path.write_bytes(bytes(data))


KINDS: list[tuple[Callable[[Path], None], str]] = [
    (lambda path: cut(path, 0.5), "is cut off: it has "),
    (lambda path: cut(path, 0.99), "is cut off: it has "),
    (lambda path: cut(path, 50 / path.stat().st_size), "is cut off after 50 bytes"),
    (text, "is no SQLite file"),
    (other, "is an SQLite file without a journal"),
    (newer, "was written by a newer partfill (schema 999); update partfill"),
    (empty, "is empty; restore it from a copy, or remove it to begin a new journal"),
    (directory, "is a "),
    (pipe, "is no regular file"),
    (page_gone, "is damaged: "),
]
NAMES = ["half", "last page", "header", "text", "other", "newer", "empty", "directory", "pipe", "bits"]


@pytest.mark.parametrize(("make", "said"), KINDS, ids=NAMES)
def test_a_file_that_is_no_whole_journal_is_told_by_the_daemon_and_not_touched(
    journal: Path, make: Callable[[Path], None], said: str
) -> None:
    make(journal)
    before = journal.read_bytes() if journal.is_file() else None
    done = run(journal.parent)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert before is None or journal.read_bytes() == before
    assert not Path(f"{journal}.lock").exists()


@pytest.mark.parametrize(("make", "said"), KINDS[3:9], ids=NAMES[3:9])
@pytest.mark.parametrize("command", ["verify", "orders", "fills", "decisions"])
def test_readers_say_the_same(journal: Path, make: Callable[[Path], None], said: str, command: str) -> None:
    make(journal)
    done = partfill(command, journal)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_a_half_file_is_no_proof(journal: Path) -> None:
    cut(journal, 0.5)
    assert partfill("verify", journal).exit_code in (1, 2)


# ---------------------------------------------------------------------- the write-ahead log


def test_a_file_that_was_moved_without_its_log_is_told_and_nothing_is_written(killed: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    moved = there / "f.db"
    shutil.copy(killed, moved)
    before = moved.read_bytes()
    done = run(there)
    assert done.exit_code == 2
    assert "its write-ahead log f.db-wal is missing" in done.stderr
    assert moved.read_bytes() == before
    verdict = verify(moved)
    assert any("write-ahead log" in problem for problem in verdict.problems)
    shutil.copy(f"{killed}-wal", f"{moved}-wal")
    assert inputs(moved) >= 1


def test_a_log_that_is_lost_for_good_may_be_given_up(killed: Path) -> None:
    Path(f"{killed}-wal").unlink()
    with pytest.raises(NotAJournal, match="write-ahead log"):
        Store(killed)
    assert partfill("verify", killed, "--accept-cut").exit_code == 0
    assert inputs(killed) == 0


def test_a_log_that_another_tool_has_folded_into_the_file_is_not_missed(killed: Path) -> None:
    db = apsw.Connection(str(killed))
    there = db.execute("SELECT count(*) FROM journal").fetchone()
    db.close()
    assert not Path(f"{killed}-wal").exists()
    assert (inputs(killed),) == there


def test_a_kill_is_no_damage(killed: Path) -> None:
    assert inputs(killed) >= 1
    assert verify(killed).ok


# ---------------------------------------------------------------------- media that cannot be written


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """The folder where nobody can write: by its mode, for root through a mount."""
    if os.geteuid() == 0:
        there = folder.parent / "mounted"
        there.mkdir()
        for words in (["mount", "--bind", str(folder), str(there)], ["mount", "-o", "remount,ro,bind", str(there)]):
            if subprocess.run(words, capture_output=True, check=False).returncode:
                pytest.skip("root, and nothing can be mounted here")
        try:
            yield there
        finally:
            subprocess.run(["umount", str(there)], check=True)
        return
    for each in folder.iterdir():
        each.chmod(0o444)
    folder.chmod(0o555)
    try:
        yield folder
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize("log", [False, True])
def test_a_journal_on_media_that_cannot_be_written_is_read_and_proved(tmp_path: Path, log: bool) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    path = folder / "f.db"
    if log:
        with holder(path, "k", "wait"):
            pass
    else:

        async def write() -> None:
            async with Journal(path) as journal:
                for now, inp in enumerate(filled_order("O1", "k0"), 1):
                    journal.stage(inp, now)

        asyncio.run(write())
    for name in folder.iterdir():
        if name.name not in ("f.db", "f.db-wal"):
            name.unlink()
    with read_only(folder) as there:
        proof = partfill("verify", there / "f.db")
        assert proof.exit_code == 0, proof.output
        assert proof.stdout.splitlines()[-1] == "proved: every table equals its replay"
        for words in (("orders",), ("fills",), ("decisions",), ("trace", "--order", "k0")):
            done = partfill(words[0], there / "f.db", *words[1:])
            assert done.exit_code == 0, (words, done.output)
        with pytest.raises(NotAJournal, match="cannot be opened for writing"):
            Store(there / "f.db")


# ---------------------------------------------------------------------- one writer


@pytest.mark.parametrize("how", ["removed lock", "hard link", "symlink", "symlinked folder"])
def test_a_second_writer_never_gets_in(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a" / "f.db"
    path.parent.mkdir()
    with holder(path, "a", "wait") as first:
        name = tmp_path / "b" / "g.db"
        if how == "removed lock":
            Path(f"{path}.lock").unlink()
            name = path
        elif how == "symlinked folder":
            (tmp_path / "b").symlink_to(path.parent)
            name = tmp_path / "b" / "f.db"
        else:
            name.parent.mkdir()
            (os.link if how == "hard link" else os.symlink)(path, name)
        second = subprocess.run(
            [sys.executable, "-c", HOLDER, str(name), "b", "fast"], capture_output=True, text=True, timeout=60, check=True
        )
        assert second.stdout.startswith("InUse "), second.stdout + second.stderr
        first.stdin.write("go\n")  # type: ignore[union-attr]
        first.stdin.flush()  # type: ignore[union-attr]
        assert first.stdout.readline() == "0\n"  # type: ignore[union-attr]
    store = Store(path, read_only=True)
    assert {row["cl_ord_id"][0] for row in store.rows("SELECT cl_ord_id FROM children")} == {"a"}
    store.close()


async def test_a_writer_whose_file_is_replaced_acknowledges_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    async with Journal(path) as journal:
        await journal.submit(placed("C1"), 1)
        path.rename(tmp_path / "old.db")
        async with Journal(tmp_path / "new.db") as another:
            await another.submit(placed("N1"), 1)
        (tmp_path / "new.db").rename(path)
        before = path.read_bytes()
        with pytest.raises(JournalDown, match="moved away or replaced"):
            await journal.submit(placed("C2"), 2)
    assert path.read_bytes() == before


async def test_a_writer_whose_file_is_removed_acknowledges_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    async with Journal(path) as journal:
        await journal.submit(placed("C1"), 1)
        path.unlink()
        with pytest.raises(JournalDown, match="moved away or replaced"):
            await journal.submit(placed("C2"), 2)
    assert not path.exists()


def test_the_lock_on_the_file_holds_in_one_process_too(journal: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    os.link(journal, link)
    first = Store(journal)
    with pytest.raises(InUse):
        Store(link)
    first.close()
    Store(link).close()
