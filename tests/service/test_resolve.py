"""A person's decision where a venue says less than was heard: shown, bound to its numbers, journalled, through restarts."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from partfill.cli.resolve import resolve
from partfill.cli.show import orders
from partfill.core.doubts import pending
from partfill.core.rulings import MANY
from partfill.journal.journal import Journal
from partfill.journal.store import Store
from partfill.journal.verify import verify
from partfill.model.capabilities import Capabilities
from partfill.model.observations import OrderSnapshot
from partfill.model.words import Flag
from partfill.runtime.manager import FillManager
from partfill.runtime.repeats import Repeats
from partfill.service.picture import Watcher
from partfill.service.vitals import Vitals, take
from tests.core.driven import SECOND, Driven
from tests.core.test_rulings import BOTH, LISTS, ask, disputed, ruled, two_fills
from tests.service.processes import LOCAL, Daemon


def written(desk: Driven, db: Path, lives: int = 1) -> None:
    """Everything that was told, into a journal that is closed and opened again `lives` times on the way."""

    async def write() -> None:
        each = max(1, -(-len(desk.log) // lives))
        for start in range(0, len(desk.log), each):
            async with Journal(db) as journal:
                for inp, now in desk.log[start : start + each]:
                    await journal.submit(inp, now)

    asyncio.run(write())


def run(db: Path, *arguments: str, order: str = "p") -> Result:
    return CliRunner().invoke(resolve, [order, str(db), *arguments])


def cum(db: Path) -> str:
    store = Store(db, read_only=True)
    try:
        (row,) = store.rows("SELECT cum_qty FROM children")
        return str(row["cum_qty"])
    finally:
        store.close()


@pytest.mark.parametrize("lives", [1, 3, 8])
@pytest.mark.parametrize("rules", [LISTS, BOTH], ids=["lists", "both"])
def test_doubts_survive_restarts_and_the_tables_equal_their_replay(tmp_path: Path, rules: Capabilities, lives: int) -> None:
    db = tmp_path / "j.db"
    written(disputed(rules), db, lives)
    shown = json.loads(run(db).output)
    assert (shown["numbers"], shown["disputed"], shown["answers"]) == ("20/10", True, MANY)
    assert verify(db).problems == []


@pytest.mark.parametrize("lives", [1, 4])
def test_rulings_survive_restarts_and_the_tables_equal_their_replay(tmp_path: Path, lives: int) -> None:
    desk = ruled()
    ask(desk, "20", ("E1", "10"), ("E2", "10"))
    written(desk, tmp_path / "j.db", lives)
    assert cum(tmp_path / "j.db") == "20"
    assert verify(tmp_path / "j.db").problems == []


def test_the_command_shows_and_decides_and_the_journal_proves_it(tmp_path: Path) -> None:
    db = tmp_path / "j.db"
    written(disputed(), db)
    shown = json.loads(run(db, order="O1").output)
    assert (shown["cum_qty"], shown["venue_cum_qty"], shown["executions"]) == ("20", "10", ["E1", "E2"])
    moved = run(db, "--accept-venue", "--void", "E2", "--reason", "they called", "--numbers", "20/11")
    assert (moved.exit_code, "look again" in moved.stderr) == (1, True)
    nothing = run(db, "--accept-venue", "--reason", "they called")
    assert (nothing.exit_code, "name the executions that are void" in nothing.stderr) == (1, True)
    assert cum(db) == "20"
    done = run(db, "--accept-venue", "--void", "E2", "--reason", "they called", "--numbers", "20/10", "--by", "kim")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.output)["cum_qty"] == "10"
    assert cum(db) == "10"
    again = run(db)
    assert (again.exit_code, "nothing is doubted" in again.stderr) == (1, True)
    store = Store(db, read_only=True)
    assert any("kim (they called)" in row["text"] for row in store.rows("SELECT text FROM alarms"))
    store.close()
    assert verify(db).problems == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--keep",), "needs --reason"),
        (("--accept-venue", "--reason", " "), "needs --reason"),
        (("--keep", "--void", "E1", "--reason", "x"), "--void goes with"),
        (("--void", "E1"), "go with a decision"),
    ],
)
def test_half_a_decision_is_refused(tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    db = tmp_path / "j.db"
    written(disputed(), db)
    done = run(db, *arguments)
    assert (done.exit_code, why in done.stderr) == (2, True), done.stderr
    assert cum(db) == "20"


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    db = tmp_path / "j.db"
    written(disputed(), db)
    for numbers in ("20", "20/x", "x/10"):
        done = run(db, "--keep", "--reason", "x", "--numbers", numbers)
        assert done.exit_code == 1, numbers
    assert json.loads(run(db).output)["numbers"] == "20/10"
    done = run(db, "--keep", "--reason", "x")
    assert (done.exit_code, cum(db)) == (0, "20")
    assert verify(db).problems == []


def test_an_order_in_dispute_is_shown_so_and_counted(tmp_path: Path) -> None:
    db = tmp_path / "j.db"
    written(disputed(), db)
    with Watcher(db) as watcher:
        (order,) = watcher.look().orders
    assert order.state == "disputed"
    shown = CliRunner().invoke(orders, [str(db), "--parents", "--json"])
    assert json.loads(shown.output)["state"] == "disputed"

    async def look() -> Vitals:
        async with FillManager.open(db) as fills:
            return take(fills)

    vitals = asyncio.run(look())
    assert (vitals.doubted, vitals.disputed) == (0, 1)
    once = two_fills()
    ask(once, "10", ("E1", "10"), after=4 * SECOND)
    written(once, tmp_path / "k.db")
    with Watcher(tmp_path / "k.db") as watcher:
        assert [order.state for order in watcher.look().orders] == ["doubted"]


def test_a_running_daemon_resolves_over_its_socket(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    written(disputed(), db)
    daemon = Daemon(tmp_path, LOCAL.format(folder=tmp_path))
    try:
        said = json.loads(run(db, order="O1").output)
        assert said["numbers"] == "20/10"
        done = run(db, "--accept-venue", "--void", "E2", "--reason", "they called", "--numbers", "20/10", order="O1")
        assert (done.exit_code, json.loads(done.output)["cum_qty"]) == (0, "10"), done.stderr
        refused = run(db, "--keep", "--reason", "again", order="O1")
        assert (refused.exit_code, "nothing is doubted" in refused.stderr) == (1, True)
    finally:
        daemon.signal(signal.SIGTERM)
        daemon.wait()
    assert cum(db) == "10"
    assert verify(db).problems == []


def test_equal_polls_are_left_out_but_of_an_order_that_is_doubted() -> None:
    desk = two_fills()
    repeats = Repeats(desk.engine)

    def left_out(s: OrderSnapshot) -> bool:
        found = s in repeats
        if not found:
            desk.feed(s)
            repeats.took(s, desk.now)
        repeats.turn()
        return found

    def poll(qty: str, *keys: str) -> OrderSnapshot:
        desk.now += 4 * SECOND
        before = len(desk.log)
        ask(desk, qty, *[(key, "10") for key in keys], after=0)
        said = desk.log.pop()[0]
        assert len(desk.log) == before
        assert isinstance(said, OrderSnapshot)
        return said

    same = poll("20", "E1", "E2")
    assert [left_out(same), left_out(same)] == [False, True]
    low = poll("10", "E1")
    assert pending(desk.child())
    assert [left_out(low) for _ in range(3)] == [False, False, False]
    assert desk.child().flags & Flag.SUSPECTED
    assert desk.child().open
