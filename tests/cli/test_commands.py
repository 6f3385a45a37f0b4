"""The commands as a user meets them: what they print, to where, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import CliRunner, Result

from partfill.cli.main import COMMANDS, main
from partfill.journal.journal import Journal
from partfill.model.words import OrdStatus
from tests.journal.writer import accepted, canceled, execution, placed, snapshot, voided
from tests.runtime.test_audit import DAY, ORDER_FIELDS, PARTFILL, busy_log, trade

# Whether inputs are closed is a test of the reader.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SECOND = 1_000_000_000
NEW_YEAR = 1_767_225_600 * SECOND
"""2026-01-01 00:00:00 UTC."""


def partfill(*arguments: Any) -> Result:
    """Run a command; an exception is a failure of the test, whatever the exit code."""
    done = CliRunner().invoke(main, [str(each) for each in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def lines(done: Result) -> list[dict[str, Any]]:
    """JSON Lines on standard output."""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
async def db(tmp_path: Path) -> Path:
    """Four orders, one second after the other: filled, partly filled, canceled, parked."""
    path = tmp_path / "fills.db"
    async with Journal(path) as journal:
        steps = [
            placed("C1"), accepted("O1", "C1"), execution("O1", "k1", "4", "50"), execution("O1", "k2", "6", "50.5"),
            placed("C2"), accepted("O2", "C2"), execution("O2", "k1", "3", "49.10"),
            placed("C3"), accepted("O3", "C3"), execution("O3", "k1", "1"), voided("O3", "k1"), canceled("O3"),
            execution("O4", "k1", "2", "7", instrument="OTHER"),
        ]  # fmt: skip
        for number, inp in enumerate(steps):
            await journal.submit(inp, NEW_YEAR + number * SECOND)
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "day.log"
    path.write_text("\n".join(DAY) + "\n")
    return path


# ---------------------------------------------------------------------- help


def test_help_names_every_command_with_a_line_of_help() -> None:
    done = partfill("--help")
    assert done.exit_code == 0
    for name, (_, _, help_) in COMMANDS.items():
        assert name in done.stdout
        assert help_.split()[0] in done.stdout
    assert partfill("-h").stdout == done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = partfill(name, "--help")
    assert done.exit_code == 0
    assert done.stdout.startswith("Usage: ")


def test_version() -> None:
    assert "partfill" in partfill("--version").stdout


def test_a_command_that_does_not_exist_is_a_usage_error() -> None:
    done = partfill("fill")
    assert done.exit_code == 2
    assert "No such command 'fill'" in done.stderr


def test_help_is_fast_because_it_imports_no_command() -> None:
    code = "import sys\nfrom partfill.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([name for name in sys.modules if name.startswith(('apsw', 'rich', 'partfill.cli.audit'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# ---------------------------------------------------------------------- audit


def test_audit_prints_one_json_line_per_order(log: Path) -> None:
    done = partfill("audit", log, "--format", "fix")
    assert done.exit_code == 0
    (order,) = lines(done)
    assert list(order) == ORDER_FIELDS
    assert (order["order_id"], order["cum_qty"], order["avg_px"]) == ("O1", "1000", "101.3")
    assert done.stderr.startswith("1 orders, 3 executions, 0 duplicates, 0 parked, 0 contradictions, 0 damaged; 5 messages in ")
    assert len(done.stderr.splitlines()) == 1


def test_audit_needs_a_format_and_names_those_it_knows(log: Path) -> None:
    for arguments in (("audit", log), ("audit", log, "--format", "fox")):
        done = partfill(*arguments)
        assert done.exit_code == 2
        for name in ("fix", "lobster", "partfill", "hyperliquid"):
            assert name in done.stderr


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b"\x1f\x8b and no gzip"), "is broken"),
        (lambda path: path.write_text("nothing of the kind\n"), "holds no message of format fix; is this the right format?"),
        (lambda path: path.touch(), "holds no message of format fix"),
    ],
    ids=["missing", "folder", "torn", "other", "empty"],
)
def test_an_input_that_audit_cannot_use_is_exit_2_and_one_line(tmp_path: Path, make: Any, told: str) -> None:
    path = tmp_path / "input"
    make(path)
    done = partfill("audit", path, "--format", "fix")
    assert done.exit_code == 2
    assert told in done.stderr
    assert done.stdout == ""


def test_the_wrong_format_is_exit_2(log: Path) -> None:
    for format_ in ("lobster", "inet", "partfill", "schwab"):
        assert partfill("audit", log, "--format", format_).exit_code == 2, format_


def test_audit_refuses_a_journal_that_exists_and_leaves_it_alone(log: Path, tmp_path: Path) -> None:
    journal = tmp_path / "mine.db"
    journal.write_bytes(b"precious")
    done = partfill("audit", log, "--format", "fix", "--journal", journal)
    assert done.exit_code == 2
    assert "mine.db exists already; name a new file" in done.stderr
    assert (journal.read_bytes(), done.stdout) == (b"precious", "")


def test_audit_names_a_folder_that_is_missing_for_its_journal(log: Path, tmp_path: Path) -> None:
    done = partfill("audit", log, "--format", "fix", "--journal", tmp_path / "nowhere" / "day.db")
    assert done.exit_code == 2
    assert "nowhere" in done.stderr


def test_an_audit_that_fails_leaves_no_journal_behind(tmp_path: Path) -> None:
    journal = tmp_path / "day.db"
    assert partfill("audit", tmp_path / "none.log", "--format", "fix", "--journal", journal).exit_code == 2
    assert not journal.exists()


# ---------------------------------------------------------------------- orders


def test_orders_as_a_table(db: Path) -> None:
    done = partfill("orders", db)
    assert done.exit_code == 0
    head, *rows, foot = done.stdout.splitlines()
    assert head.split() == ["order", "order_id", "cl_ord_id", "instrument", "side", "ord_status", "order_qty", "cum_qty",
                            "leaves_qty", "avg_px", "executions", "flags", "updated"]  # fmt: skip
    assert len(rows) == 4
    assert rows[0].split()[:10] == ["1", "O1", "C1", "ACME", "buy", "Filled", "10", "10", "0", "50.3"]
    assert "2026-01-01 00:00:03.000000" in rows[0]
    assert "PARKED" in rows[3]
    assert foot == "4 orders"


def test_orders_as_json(db: Path) -> None:
    done = partfill("orders", db, "--json")
    found = lines(done)
    assert [row["order_id"] for row in found] == ["O1", "O2", "O3", "O4"]
    assert set(ORDER_FIELDS) <= found[0].keys()
    assert found[1]["cum_qty"] == "3"
    assert found[1]["leaves_qty"] == "7"
    assert found[1]["avg_px"] == "49.1"
    assert (found[1]["open"], found[0]["open"]) == (True, False)
    assert found[2]["flags"] == ["VOIDED"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--instrument", "ACME"], ["O1", "O2", "O3"]),
        (["--instrument", "OTHER"], ["O4"]),
        (["--instrument", "acme"], []),
        (["--status", "Filled"], ["O1"]),
        (["--status", "partially_filled"], ["O2", "O4"]),
        (["--status", "Canceled"], ["O3"]),
        (["--open"], ["O2"]),
        (["--since", "2026-01-01T00:00:06"], ["O2", "O3", "O4"]),
        (["--since", "2026-01-01T00:00:06.000001"], ["O3", "O4"]),
        (["--since", "2026-01-01T01:00:06+01:00"], ["O2", "O3", "O4"]),
        (["--since", str(NEW_YEAR + 12 * SECOND)], ["O4"]),
        (["--until", "2026-01-01T00:00:06"], ["O1"]),
        (["--until", "2026-01-01"], []),
        (["--since", "2026-01-01", "--until", "2026-01-02"], ["O1", "O2", "O3", "O4"]),
        (["--until", "9999-12-31"], ["O1", "O2", "O3", "O4"]),
        (["--since", "9" * 25], []),
        (["--limit", "2"], ["O3", "O4"]),
        (["--instrument", "ACME", "--limit", "1"], ["O3"]),
        (["--limit", "100"], ["O1", "O2", "O3", "O4"]),
    ],
    ids=str,
)
def test_orders_are_filtered(db: Path, options: list[str], expected: list[str]) -> None:
    done = partfill("orders", db, "--json", *options)
    assert done.exit_code == 0
    assert [row["order_id"] for row in lines(done)] == expected


@pytest.mark.parametrize("name", ["orders", "fills"])
def test_a_status_that_does_not_exist_names_those_that_do(db: Path, name: str) -> None:
    done = partfill(name, db, "--status", "Fulfilled")
    assert done.exit_code == 2
    assert "'Fulfilled' is no order status" in done.stderr
    for status in OrdStatus:
        assert status.value in done.stderr


@pytest.mark.parametrize("name", ["orders", "fills"])
@pytest.mark.parametrize("option", ["--since", "--until"])
@pytest.mark.parametrize("time", ["yesterday", "2026-13-01", "26-1-1", "", "-5"])
def test_a_time_that_is_none_says_what_one_looks_like(db: Path, name: str, option: str, time: str) -> None:
    done = partfill(name, db, option, time)
    assert done.exit_code == 2
    assert "2026-01-31T14:30" in done.stderr


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_is_a_number_above_zero(db: Path, limit: str) -> None:
    assert partfill("orders", db, "--limit", limit).exit_code == 2


# ---------------------------------------------------------------------- fills


def test_fills_as_a_table(db: Path) -> None:
    head, *rows, foot = partfill("fills", db).stdout.splitlines()
    assert head.split() == ["time", "order", "order_id", "instrument", "side", "key", "qty", "px", "fee", "void"]
    assert rows[0].split() == ["2026-01-01", "00:00:02.000000", "1", "O1", "ACME", "buy", "k1", "4", "50", "-"]
    assert rows[3].split()[-1] == "void"
    assert (len(rows), foot) == (5, "5 executions")


def test_fills_as_json(db: Path) -> None:
    found = lines(partfill("fills", db, "--json"))
    assert [(row["order_id"], row["key"], row["qty"], row["px"], row["void"]) for row in found] == [
        ("O1", "k1", "4", "50", False), ("O1", "k2", "6", "50.5", False), ("O2", "k1", "3", "49.1", False),
        ("O3", "k1", "1", "50", True), ("O4", "k1", "2", "7", False),
    ]  # fmt: skip
    assert found[0]["time"] == NEW_YEAR + 2 * SECOND


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--order", "O1"], ["O1", "O1"]),
        (["--order", "C2"], ["O2"]),
        (["--order", "none"], []),
        (["--instrument", "OTHER"], ["O4"]),
        (["--status", "filled"], ["O1", "O1"]),
        (["--since", "2026-01-01T00:00:03"], ["O1", "O2", "O3", "O4"]),
        (["--until", "2026-01-01T00:00:03"], ["O1"]),
        (["--until", "9999-12-31"], ["O1", "O1", "O2", "O3", "O4"]),
        (["--limit", "2"], ["O3", "O4"]),
    ],
    ids=str,
)
def test_fills_are_filtered(db: Path, options: list[str], expected: list[str]) -> None:
    assert [row["order_id"] for row in lines(partfill("fills", db, "--json", *options))] == expected


@pytest.mark.parametrize("name", ["orders", "fills"])
@pytest.mark.parametrize("hostile", ["[/]", "[red]x", "\x1b[31mred", "O\n2", "a" * 500])
async def test_a_table_shows_ids_as_they_are_and_no_markup(tmp_path: Path, name: str, hostile: str) -> None:
    path = tmp_path / "fills.db"
    async with Journal(path) as journal:
        await journal.submit(execution(hostile, hostile), 1)
    done = partfill(name, path)
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 ")
    if "[" in hostile and "\x1b" not in hostile:
        assert hostile in done.stdout
    assert lines(partfill(name, path, "--json"))[0]["order_id"] == hostile


async def test_an_empty_journal_shows_no_orders(tmp_path: Path) -> None:
    async with Journal(tmp_path / "fills.db"):
        pass
    assert partfill("orders", tmp_path / "fills.db").stdout == "0 orders\n"
    assert partfill("fills", tmp_path / "fills.db", "--json").stdout == ""


async def test_a_journal_is_shown_while_it_is_written(db: Path) -> None:
    async with Journal(db) as journal:
        await journal.submit(snapshot("O2", cum_qty=None), NEW_YEAR * 2)
        assert len(lines(partfill("orders", db, "--json"))) == 4


# ---------------------------------------------------------------------- verify


def test_verify_of_a_whole_journal_is_exit_0(db: Path) -> None:
    done = partfill("verify", db)
    assert done.exit_code == 0
    assert "13 inputs replayed; 4 children" in done.stdout
    assert done.stdout.splitlines()[-1] == "proved: every table equals its replay"


def test_verify_as_json(db: Path) -> None:
    (found,) = lines(partfill("verify", db, "--json"))
    assert (found["ok"], found["inputs"], found["problems"]) == (True, 13, [])
    assert found["hash_live"] == found["hash_replay"]
    assert found["rows"]["executions"] == 5


@pytest.mark.parametrize("as_json", [False, True])
def test_verify_of_a_changed_journal_is_exit_1_and_says_where(db: Path, as_json: bool) -> None:
    file = apsw.Connection(str(db))
    file.execute("UPDATE children SET cum_qty = '9' WHERE order_id = 'O2'")
    file.close()
    done = partfill("verify", db, *(["--json"] if as_json else []))
    assert done.exit_code == 1
    if as_json:
        (found,) = lines(done)
        assert not found["ok"]
        assert found["problems"][0].startswith("children: the file has ")
    else:
        assert "differs: children: the file has " in done.stdout
        assert done.stdout.splitlines()[-1] == "NOT PROVED"


@pytest.mark.parametrize("name", ["orders", "fills", "verify"])
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "does not exist; name a journal that partfill wrote"),
        (lambda path: path.write_text("no database at all\n" * 99), "is no SQLite file"),
        (lambda path: apsw.Connection(str(path)).execute("CREATE TABLE t (a)"), "is an SQLite file without a journal"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.write_bytes(b"SQLite format 3\x00" + bytes(4080)), "input"),
    ],
    ids=["missing", "text", "other database", "empty", "torn database"],
)
def test_a_file_that_is_no_journal_is_exit_2_and_one_line(tmp_path: Path, name: str, make: Any, told: str) -> None:
    path = tmp_path / "input"
    make(path)
    done = partfill(name, path)
    assert done.exit_code == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["orders", "fills", "verify"])
def test_a_damaged_journal_is_told_in_a_line_and_no_traceback(db: Path, name: str) -> None:
    data = bytearray(db.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    db.write_bytes(bytes(data))
    done = partfill(name, db)
    assert done.exit_code in (1, 2)
    assert "fills.db" in done.stderr + done.stdout


# ---------------------------------------------------------------------- a reader that goes away


def piped_to_head(*arguments: Any) -> tuple[bytes, str]:
    """(first line, standard error) of a command whose reader leaves after one line."""
    process = subprocess.Popen([*PARTFILL, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    process.stdout.close()
    told = process.stderr.read().decode()
    process.stderr.close()
    process.wait(60)
    return line, told


@pytest.mark.parametrize("options", [[], ["--trace"]], ids=str)
def test_audit_into_head_is_quiet(tmp_path: Path, options: list[str]) -> None:
    path = tmp_path / "day.log"
    path.write_text("\n".join(busy_log(3000)))
    line, told = piped_to_head("audit", path, "--format", "fix", *options)
    assert json.loads(line)["order_id" if not options else "line"]
    assert "Traceback" not in told
    assert "Error" not in told
    assert "Broken pipe" not in told


@pytest.mark.parametrize("name", ["orders", "fills"])
@pytest.mark.parametrize("options", [[], ["--json"]], ids=str)
def test_a_long_listing_into_head_is_quiet(tmp_path: Path, name: str, options: list[str]) -> None:
    path = tmp_path / "day.log"
    path.write_text("\n".join(busy_log(1500)))
    journal = tmp_path / "day.db"
    assert partfill("audit", path, "--format", "fix", "--journal", journal).exit_code == 0
    line, told = piped_to_head(name, journal, *options)
    assert line
    assert told == ""


def test_a_contradiction_shows_in_the_exit_code(tmp_path: Path) -> None:
    path = tmp_path / "day.log"
    path.write_text("\n".join([*DAY[:2], trade("E2", 200, 200, 700)]))
    assert partfill("audit", path, "--format", "fix").exit_code == 1
