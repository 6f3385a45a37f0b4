"""The live view: what is drawn of a picture, on a terminal and elsewhere; and the commands that show it."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from partfill.cli.live import Screen, Tape, bar, most_positions, percent, protected
from partfill.journal.store import Store
from partfill.service.demo import KINDS, LEAST, script
from partfill.service.held import LegLine, PositionLine
from partfill.service.picture import FillLine, NoteLine, OrderLine, Picture

D = Decimal
WAIT_S = 60
SECOND = 1_000_000_000
ORDER = OrderLine("my-order", "paper", "", "ACME", "buy", D(100), D("25.5"), D(30), D("25.4"), 1, "working", True)


def picture(seq: int = 1, **also: Any) -> Picture:
    """One order, one fill, one alarm."""
    fields: dict[str, Any] = {
        "killed": [], "open": 1, "orders": [ORDER],
        "fills": [FillLine(seq, seq * SECOND, "my-order", "P1", "ACME", "buy", D(30), D("25.4"), f"T{seq}", False)],
        "notes": [NoteLine(seq, seq * SECOND, None, "gap", "a gap at paper")],
    }  # fmt: skip
    return Picture(seq=seq, time=seq * SECOND, **{**fields, **also})


@pytest.mark.parametrize(
    ("cum", "qty", "drawn"),
    [("0", "3", "......"), ("0.001", "3", "#....."), ("1", "3", "##...."), ("2.999", "3", "#####."), ("3", "3", "######"),
     ("4", "3", "######"), ("0", "0", "......")],
)  # fmt: skip
def test_a_bar_is_full_only_when_all_has_filled(cum: str, qty: str, drawn: str) -> None:
    assert bar(D(cum), D(qty), 6, "#.") == drawn


def test_a_percentage_is_rounded_down() -> None:
    assert (percent(D("2.999"), D(3)), percent(D(3), D(3)), percent(D(1), D(0))) == ("99%", "100%", "-")


def test_a_tape_tells_each_thing_once_oldest_first() -> None:
    told: list[str] = []
    tape = Tape(told.append)
    tape.show(picture(1))
    tape.show(picture(1))
    later = picture(2)
    tape.show(picture(2, fills=[*later.fills, *picture(1).fills]))
    assert told == [
        "00:00:01.000  fill  my-order  buy 30 ACME at 25.4", "00:00:01.000  ALARM gap  -  a gap at paper",
        "00:00:02.000  fill  my-order  buy 30 ACME at 25.4", "00:00:02.000  ALARM gap  -  a gap at paper",
    ]  # fmt: skip


def test_elsewhere_than_on_a_terminal_there_are_no_control_codes() -> None:
    out = io.StringIO()
    with Screen("title", Console(file=out)) as screen:
        screen.show(picture(1, notes=[NoteLine(1, SECOND, "r", "gap", "\x1b[2Jboo")], killed=[("*", "", "me")]))
    assert "\x1b" not in out.getvalue()
    assert "?[2Jboo" in out.getvalue()
    assert "kill switch on" in out.getvalue()


def test_on_a_terminal_orders_have_bars_and_a_venue_cannot_play_codes() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=140, height=40, color_system=None)
    with Screen("title", console) as screen:
        screen.show(picture(1, notes=[NoteLine(1, SECOND, "r", "gap", "\x1b]0;boo")], killed=[("*", "", "me")]))
    drawn = out.getvalue()
    assert "████░" in drawn or "####." in drawn
    assert "30%" in drawn
    assert "KILL SWITCH ON everywhere (me)" in drawn
    assert "\x1b]0;" not in drawn


BARE = PositionLine("paper", "main", "ACME", D(100), D(100), D("25.1234567"), D("-1.5"),
                    [LegLine("stop", D(100), D(60), False), LegLine("target", D("50.0"), D("30.0"), True)], False)  # fmt: skip
WHOLE = PositionLine("paper", "", "BTC", D(-2), D(-2), None, None, [], True)


def drawn(height: int, **also: Any) -> list[str]:
    """The lines on a terminal of this height, with their colors."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=140, height=height, color_system="standard")
    with Screen("title", console) as screen:
        seen = picture(1, **also)
        screen.show(Picture(**{**{name: getattr(seen, name) for name in seen.__struct_fields__},
                               "orders": [ORDER] * screen.rows, "fills": seen.fills * screen.rows}))  # fmt: skip
        last = len(out.getvalue())
        screen.show(seen)
    return out.getvalue()[:last].splitlines()


def test_what_works_for_a_position_is_told_leg_by_leg() -> None:
    assert protected(BARE.legs) == "stop 60/100, target 30/50 watched"
    assert protected([]) == "-"


def test_positions_come_first_and_one_that_is_not_covered_is_red() -> None:
    lines = drawn(40, positions=[BARE, WHOLE], held=2, uncovered=1)
    red, plain = (next(line for line in lines if name in line) for name in ("paper main", "BTC"))
    assert "stop 60/100, target 30/50 watched" in red
    assert "25.1235" in red
    assert "31m" in red
    assert "31m" not in plain
    assert not any(" more" in line for line in lines)
    heads = [next(number for number, line in enumerate(lines) if head in line) for head in ("protected", "tries", "events")]
    assert heads == sorted(heads)


@pytest.mark.parametrize("height", [24, 40, 80])
def test_thousands_of_positions_leave_room_for_the_rest_and_are_counted(height: int) -> None:
    lines = drawn(height, positions=[BARE] * 3 + [WHOLE] * 200, held=4000, uncovered=40)
    shown = sum("paper" in line and "gap" not in line for line in lines)
    assert shown == most_positions((height - 5) // 2) <= height // 3
    assert len(lines) <= height
    more = next(line for line in lines if " more" in line)
    assert f"and {4000 - shown} more" in more
    assert f", {40 - min(3, shown)} of them not covered" in more
    assert sum("my-order" in line for line in lines) >= 6, "orders and fills have rows as well"


def test_alarms_are_counted_and_the_last_stay_in_sight_when_events_scroll_away() -> None:
    status = [NoteLine(n, n * SECOND, "r", "status", "New to Filled") for n in range(200, 0, -1)]
    last = [NoteLine(9, 9 * SECOND, None, "overfill", "12345 too much"), NoteLine(3, 3 * SECOND, "r", "gap", "a gap at paper")]
    lines = drawn(24, notes=status, alarms=17, last_alarms=last)
    head = next(number for number, line in enumerate(lines) if "17 alarms, the last:" in line)
    assert "overfill: 12345 too much" in lines[head + 1]
    assert "gap: a gap at paper" in lines[head + 2]
    assert len(lines) <= 24


def test_a_process_that_died_is_said_at_the_top_and_once_on_a_tape() -> None:
    assert any("NOBODY WRITES" in line for line in drawn(24, writer="NOBODY WRITES THIS JOURNAL")[:4])
    told: list[str] = []
    tape = Tape(told.append)
    for writer in ("", "", "it died", "it died", "", ""):
        tape.show(picture(1, fills=[], notes=[], writer=writer))
    assert told == ["it died", "the journal is being written again"]


def test_a_picture_without_positions_is_as_it_was() -> None:
    assert not any("protected" in line for line in drawn(40))


def run(*arguments: Any, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command as a process of its own."""
    command = [sys.executable, "-m", "partfill.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=WAIT_S, check=False)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The journal and the summary of a short demonstration."""
    folder = tmp_path_factory.mktemp("demo")
    done = run("demo", "--headless", "--seconds", 3, "--seed", 5, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "partfill-demo.db", json.loads(done.stdout)


def test_a_demonstration_ends_with_what_the_venue_knows(played: tuple[Path, dict[str, Any]]) -> None:
    db, summary = played
    assert (summary["verify"], summary["differs"], summary["db"]) == ("proved", [], "partfill-demo.db")
    assert summary["orders"] == LEAST == sum(summary["states"].values())
    assert summary["executions"] > 0
    assert set(summary["states"]) <= {"filled", "canceled"}
    store = Store(db, read_only=True)
    bought = sum(D(row["cum_qty"]) for row in store.rows("SELECT cum_qty FROM parents WHERE side = 'buy'"))
    store.close()
    assert bought == sum(D(cum["buy"]) for cum in summary["cum"].values())


def test_the_other_commands_read_its_journal(played: tuple[Path, dict[str, Any]]) -> None:
    db, summary = played
    assert run("verify", db, cwd=db.parent).returncode == 0
    fills = run("fills", db, "--json", cwd=db.parent)
    assert len(fills.stdout.splitlines()) == summary["executions"]
    assert len(run("orders", db, "--json", cwd=db.parent).stdout.splitlines()) == summary["children"]
    parents = [json.loads(line) for line in run("orders", db, "--parents", "--json", cwd=db.parent).stdout.splitlines()]
    assert len(parents) == summary["orders"]
    assert {parent["state"] for parent in parents} == set(summary["states"])
    table = run("orders", db, "--parents", cwd=db.parent).stdout
    assert "01-touch" in table
    assert f"{summary['orders']} parent orders" in table


def test_watch_prints_a_picture_as_json(played: tuple[Path, dict[str, Any]]) -> None:
    db, summary = played
    done = run("watch", db, "--json", "--seconds", 0, cwd=db.parent)
    (line,) = done.stdout.splitlines()
    seen = json.loads(line)
    assert len(seen["orders"]) == summary["orders"]
    assert seen["open"] == 0
    assert isinstance(seen["fills"][0]["qty"], str)


def test_watch_writes_plain_lines_into_a_pipe(played: tuple[Path, dict[str, Any]]) -> None:
    db, _ = played
    done = run("watch", db, "--seconds", 0, cwd=db.parent)
    assert done.returncode == 0
    assert "  fill  " in done.stdout
    assert "\x1b" not in done.stdout


def test_watch_draws_on_a_terminal(played: tuple[Path, dict[str, Any]]) -> None:
    db, _ = played
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "partfill.cli", "watch", str(db), "--seconds", "0"]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "140", "LINES": "40"}
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    drawn = b""
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:
            break
        if not piece:
            break
        drawn += piece
    os.close(ours)
    assert process.wait(WAIT_S) == 0
    assert b"\x1b[" in drawn
    assert b"01-touch" in drawn


def test_watch_names_what_is_no_journal(tmp_path: Path) -> None:
    done = run("watch", tmp_path / "no.db", cwd=tmp_path)
    assert (done.returncode, "does not exist" in done.stderr) == (2, True)


def test_a_demonstration_never_touches_a_file_that_exists(tmp_path: Path) -> None:
    (tmp_path / "mine.db").write_text("mine")
    done = run("demo", "--headless", "--seconds", 1, "--db", "mine.db", cwd=tmp_path)
    assert (done.returncode, "exists already" in done.stderr) == (2, True)
    assert (tmp_path / "mine.db").read_text() == "mine"
    (tmp_path / "partfill-demo.db").write_text("mine too")
    done = run("demo", "--seconds", 1, "--seed", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "partfill-demo-2.db" in done.stdout
    assert "\x1b" not in done.stdout
    assert (tmp_path / "partfill-demo.db").read_text() == "mine too"


def test_the_same_seed_writes_the_same_script() -> None:
    first = script(3, 5)
    assert first == script(3, 5)
    assert first != script(4, 5)
    kinds = {step.ref.split("-")[1] for step in first}
    assert kinds == set(KINDS)
    assert {step.verb for step in first} == {"submit", "amend", "cancel"}
    assert [step.at_ms for step in first] == sorted(step.at_ms for step in first)
