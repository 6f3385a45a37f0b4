"""partfill decisions: what was decided on remainders, as a table and as JSON Lines."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from partfill import CancelRest, Chase, Limit
from partfill.cli.main import main
from partfill.journal.journal import Journal
from partfill.model.book import Book, Level
from partfill.model.commands import Decide, Restarted, Submit
from partfill.model.instrument import Instrument, TickBand
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.operations import Place
from partfill.model.policy import Mode, RemainderPolicy
from partfill.model.words import ExecType
from partfill.runtime import outbox
from partfill.runtime.outbox import FileSink, Wire, reports_after

D = Decimal
SECOND = 1_000_000_000
BORN = 1_767_225_600 * SECOND
ACME = Instrument(symbol="ACME", ticks=(TickBand(D(0), D("0.5")),), lot=D(1))


@pytest.fixture
async def db(tmp_path: Path) -> Path:
    """Two orders that were partly filled: one chased too far and taken off, one decided in the shadow."""
    path = tmp_path / "d.db"
    journal = await Journal.open(path)
    journal.stage(Restarted(desk="d"), BORN)
    for number, (ref, policy, mode) in enumerate(
        (("far", Chase(3), Mode.GENERAL_LIVE), ("shadow", CancelRest(), Mode.SHADOW_ONLY))
    ):
        decided_on(journal, number, ref, policy, mode)
    await journal.close()
    return path


def decided_on(journal: Journal, number: int, ref: str, policy: RemainderPolicy, mode: Mode) -> None:
    now = BORN + (number + 1) * SECOND
    terms = Limit("ACME", "buy", qty=10, price="100.00")
    (place,) = journal.stage(Submit(venue="v", ref=ref, terms=terms, remainder=policy), now).operations
    assert isinstance(place, Place)
    new = OrderSnapshot(venue="v", order_id=f"O{number}", cl_ord_id=place.cl_ord_id, exec_type=ExecType.NEW, order_qty=D(10))
    journal.stage(new, now + 1)
    journal.stage(Execution(venue="v", order_id=f"O{number}", key="x", qty=D("4.0"), px=D(100)), now + 2)
    book = Book(instrument="ACME", bids=(), asks=(Level(D(105), D(1000)),), as_of=now + 2)
    journal.stage(Decide(venue="v", ref=ref, event=1, instrument=ACME, mode=mode, book=book), now + 3)


def partfill(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


def test_as_a_table(db: Path) -> None:
    done = partfill("decisions", db)
    head, *rows, foot = done.stdout.splitlines()
    assert head.split()[:4] == ["time", "ref", "instrument", "side"]
    assert rows[0].split()[2:] == [
        *("far", "ACME", "buy", "PARTIAL_FILL_CHASE_ABORTED", "4", "6", "600", "105000", "10", "-", "chase"),
        *("general_live", "yes"),
    ]  # fmt: skip
    assert "CANCELLED_REMAINDER" in rows[1]
    assert "shadow_only" in rows[1]
    assert foot == "2 decisions"
    assert done.exit_code == 0


def test_as_json_with_what_it_means_to_whom(db: Path) -> None:
    rows = [json.loads(line) for line in partfill("decisions", db, "--json").stdout.splitlines()]
    assert [row["verdict"] for row in rows] == ["PARTIAL_FILL_CHASE_ABORTED", "CANCELLED_REMAINDER"]
    first = rows[0]
    assert (first["report_id"], first["trace_id"], first["severity"]) == ("rep_d1-1", "trc_d1", "WARN")
    seen = {name: D(value) for name, value in first["seen"].items()}
    assert seen == {"remaining_usd": 600, "book_depth_usd": 105_000, "best": 105, "ticks_to_fill": 10}
    assert first["user_message"].startswith("The rest of your order could not fill")
    assert D(first["remaining_qty"]) == D(first["order_qty"]) - D(first["filled_qty"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--ref", "far"], ["far"]),
        (["--verdict", "cancelled_remainder"], ["shadow"]),
        (["--instrument", "OTHER"], []),
        (["--since", "2026-01-01T00:00:02"], ["shadow"]),
        (["--until", "2026-01-01T00:00:02"], ["far"]),
        (["--limit", "1"], ["shadow"]),
    ],
)
def test_only_what_is_asked_for(db: Path, options: list[str], expected: list[str]) -> None:
    rows = [json.loads(line) for line in partfill("decisions", db, "--json", *options).stdout.splitlines()]
    assert [row["ref"] for row in rows] == expected


def test_what_was_delivered_comes_again_from_any_number_on(db: Path, tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    delivered = reports_after(db, 0, Wire(), 100)
    FileSink(file).deliver(delivered)
    assert partfill("decisions", db, "--json", "--after", 0).stdout_bytes == file.read_bytes()
    numbers = [report["number"] for report in delivered]
    for after, limit, expected in ((0, 1, numbers[:1]), (numbers[0], 5, numbers[1:]), (numbers[-1], 5, []), (0, 9, numbers)):
        done = partfill("decisions", db, "--json", "--after", after, "--limit", limit)
        assert [json.loads(line)["number"] for line in done.stdout.splitlines()] == expected


def test_a_replay_is_paged(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "PAGE", 1)
    assert len(partfill("decisions", db, "--json", "--after", 0).stdout.splitlines()) == 2


@pytest.mark.parametrize("options", [["--after", "0"], ["--json", "--after", "0", "--ref", "far"], ["--json", "--after", "-1"]])
def test_a_replay_is_all_or_nothing(db: Path, options: list[str]) -> None:
    assert partfill("decisions", db, *options).exit_code == 2


def test_what_is_no_verdict_or_no_journal_is_named(db: Path, tmp_path: Path) -> None:
    wrong = partfill("decisions", db, "--verdict", "MAYBE")
    assert wrong.exit_code == 2
    assert "'MAYBE' is no verdict; it is one of CANCELLED_REMAINDER" in wrong.stderr
    (tmp_path / "text").write_text("no journal")
    assert partfill("decisions", tmp_path / "text").exit_code == 2
    assert partfill("decisions", tmp_path / "text", "--json", "--after", 0).exit_code == 2
