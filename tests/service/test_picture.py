"""What a watcher sees of a journal that somebody else writes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from partfill.journal.journal import Journal
from partfill.journal.store import NotAJournal
from partfill.model.commands import KillSwitch, Stop, Submit
from partfill.model.orders import Limit
from partfill.service.picture import Watcher
from tests.journal.writer import accepted, execution, placed, voided

D = Decimal


async def test_a_picture_holds_parents_fills_and_changes_newest_first(tmp_path: Path) -> None:
    async with Journal(tmp_path / "f.db") as journal:
        first = Submit(venue="paper", ref="one", terms=Limit("ACME", "buy", qty=10, price=5))
        await journal.submit(first, 1)
        child = journal.engine.desk.by_ref["paper", "", "one"].children[0]
        await journal.submit(Submit(venue="paper", ref="two", terms=Limit("ACME", "sell", qty=10, price=9)), 2)
        assert child.cl_ord_id is not None
        await journal.submit(accepted("O1", child.cl_ord_id), 3)
        await journal.submit(execution("O1", "k1", "4", "5"), 4)
        await journal.submit(Stop(venue="paper", ref="two"), 5)
        with Watcher(tmp_path / "f.db") as watcher:
            picture = watcher.look()
    assert picture.seq == 5
    assert picture.open == 2
    assert [(line.ref, line.cum_qty, line.state) for line in picture.orders] == [
        ("two", D(0), "stopping"),
        ("one", D(4), "working"),
    ]
    assert [(line.ref, line.qty, line.px, line.key) for line in picture.fills] == [("one", D(4), D(5), "k1")]
    assert picture.notes[0].text.endswith("New to PartiallyFilled, 4 filled")


async def test_a_change_of_another_connection_is_noticed_once(tmp_path: Path) -> None:
    async with Journal(tmp_path / "f.db") as journal:
        await journal.submit(placed("C1"), 1)
        with Watcher(tmp_path / "f.db") as watcher:
            assert watcher.changed()
            assert not watcher.changed()
            await journal.submit(placed("C2"), 2)
            assert watcher.changed()
            assert watcher.look().seq == 2
            assert not watcher.changed()


async def test_alarms_kill_switches_and_voids_are_seen(tmp_path: Path) -> None:
    async with Journal(tmp_path / "f.db") as journal:
        await journal.submit(execution("O9", "k1", "2", "7"), 1)
        await journal.submit(placed("C1"), 2)
        await journal.submit(accepted("O1", "C1"), 3)
        await journal.submit(execution("O1", "k1", "4", "5"), 4)
        await journal.submit(voided("O1", "k1"), 5)
        await journal.submit(KillSwitch(venue="*", on=True, by="me"), 6)
        with Watcher(tmp_path / "f.db") as watcher:
            picture = watcher.look()
    assert picture.killed == [("*", "", "me")]
    assert [note.kind for note in picture.notes if note.alarm] == ["parked"]
    assert any(fill.void for fill in picture.fills)


async def test_no_more_rows_than_asked_for(tmp_path: Path) -> None:
    async with Journal(tmp_path / "f.db") as journal:
        for number in range(30):
            await journal.submit(Submit(venue="paper", ref=f"r{number}", terms=Limit("ACME", "buy", qty=10, price=5)), number)
        with Watcher(tmp_path / "f.db") as watcher:
            picture = watcher.look(5)
    assert (len(picture.orders), picture.open, picture.orders[0].ref) == (5, 30, "r29")


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAJournal):
        Watcher(tmp_path / "no.db")
