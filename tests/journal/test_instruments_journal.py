"""What venues say of instruments in the journal: there again after a restart without a replay, and proven by one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from partfill.journal.journal import Journal
from partfill.journal.position_state import position_row
from partfill.journal.store import migrations
from partfill.journal.verify import verify
from partfill.model.inputs import InstrumentListed
from partfill.model.observations import ExecutionVoided
from partfill.model.words import Side
from tests.core.driven import PLAIN, VENUE, D, Driven
from tests.core.test_result import OPTION, SPOT, filling
from tests.journal.test_dust_journal import kept

OTHER = InstrumentListed(venue=VENUE, instrument="OTHER", multiplier=D("0.10"))


def spot(*listed: InstrumentListed) -> Driven:
    """Two orders with fees in the base and in the quote asset."""
    desk = Driven(PLAIN)
    desk.feed(*listed)
    filling(desk, "a", "1", "100", fee=("0.001", "BTC"))
    filling(desk, "b", "0.5", "110", Side.SELL, fee=("0.1", "USD"))
    return desk


def rows(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(db)) as opened:
        return list(opened.execute(sql))


def changed(db: Path, *statements: str) -> None:
    with closing(sqlite3.connect(db)) as opened:
        for each in statements:
            opened.execute(each)
        opened.commit()


async def test_after_every_step_and_a_restart_it_is_what_it_was(tmp_path: Path) -> None:
    desk = spot(OTHER, SPOT)
    desk.feed(ExecutionVoided(venue=VENUE, order_id="V-b", key="b"))
    filling(desk, "c", "0.2", "120", Side.SELL, fee=("0.01", "BNB"))
    db = tmp_path / "i.db"
    engine = await kept(db, desk)
    assert engine.listed == desk.engine.listed == {(VENUE, "ACME"): SPOT, (VENUE, "OTHER"): OTHER}
    assert engine.holdings is not None
    assert desk.engine.holdings is not None
    (ours,), (theirs,) = engine.holdings.positions.values(), desk.engine.holdings.positions.values()
    assert position_row(ours, 0) == position_row(theirs, 0)
    assert (ours.held, ours.base, ours.quote, ours.net) == (D("0.799"), "BTC", "USD", D("3.9"))
    assert rows(db, "SELECT qty, held, net, fees FROM positions") == [
        ("0.800", "0.799", "3.900", '{"BNB":"0.01","BTC":"0.001"}')
    ]  # fmt: skip
    assert rows(db, "SELECT venue, instrument, quote, base, multiplier FROM instruments") == [
        (VENUE, "ACME", "USD", "BTC", "1"), (VENUE, "OTHER", None, None, "0.10")
    ]  # fmt: skip
    for most in (0, 1 << 30):
        verdict = verify(db, max_finished=most)
        assert (verdict.problems, verdict.rows["instruments"]) == ([], 2)


async def test_what_is_listed_anew_is_in_the_rows_of_positions_at_once(tmp_path: Path) -> None:
    desk = spot()
    db = tmp_path / "n.db"
    await kept(db, desk)
    assert rows(db, "SELECT held, net FROM positions") == [("0.5", None)]
    desk.feed(OPTION)
    assert (await kept(tmp_path / "m.db", desk)).listed == {(VENUE, "ACME"): OPTION}
    assert rows(tmp_path / "m.db", "SELECT held, realised, net FROM positions") == [("0.5", "5.0", "499.9")]
    assert verify(tmp_path / "m.db").problems == []


async def test_a_table_that_was_changed_by_hand_is_found(tmp_path: Path) -> None:
    db = tmp_path / "c.db"
    await kept(db, spot(SPOT))
    changed(db, "UPDATE instruments SET multiplier = '7'")
    (problem,) = verify(db).problems
    assert problem.startswith("instruments: the file has ('venue', 'ACME', 'USD', 'BTC', '7')")


@pytest.mark.parametrize("fee", [None, ("0.5", "USD")])
async def test_a_journal_of_before_opens_and_is_proven(tmp_path: Path, fee: tuple[str, str] | None) -> None:
    desk = Driven(PLAIN)
    filling(desk, "a", "3", "100", fee=fee)
    filling(desk, "b", "1", "110", Side.SELL, fee=fee)
    db = tmp_path / "old.db"
    await kept(db, desk)
    # As it was before anything was said of instruments.
    changed(
        db,
        "DROP TABLE parts",
        "DROP TABLE seen",
        "DROP TABLE instruments",
        "ALTER TABLE positions DROP COLUMN net",
        "ALTER TABLE positions DROP COLUMN held",
        "UPDATE positions SET state = replace(state, ',null]', ']')",
        "PRAGMA user_version = 6",
    )
    async with Journal(db) as journal:
        holdings = journal.engine.holdings
        assert holdings is not None
        (position,) = holdings.positions.values()
        assert (position.held, position.qty, position.gross) == (2, 2, 10)
        assert position.net == (10 if fee is None else None)
    assert verify(db).problems == []
    assert rows(db, "PRAGMA user_version") == [(len(migrations()),)]
