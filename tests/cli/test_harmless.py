"""Whatever ids and texts are in a journal: no command ends by it, plays codes, breaks a line, or cuts a number."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import subprocess
import sys
import tempfile
import unicodedata
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from partfill import Limit
from partfill.cli import grid
from partfill.cli.live import Screen, Tape
from partfill.cli.main import main
from partfill.journal.journal import Journal
from partfill.model.capabilities import FIX_LIKE
from partfill.model.commands import Answered, KillSwitch, Outcome, Restarted, Submit
from partfill.model.harmless import escaped, harmless, json_escaped
from partfill.model.inputs import InstrumentListed, VenueDeclared
from partfill.model.numbers import ZERO
from partfill.model.observations import Execution, Gap, OrderSnapshot
from partfill.model.policy import Mode
from partfill.model.words import OrdStatus, Request, Side
from partfill.service.log import FORMAT, OneLine
from partfill.service.picture import Watcher

QTY, PX = "123456789012.987654321", "98765432109.123456789"
"""Numbers of 22 and 21 signs: whole even on forty columns."""
HOSTILE = [
    "t1[/b]", "[bold red]x[/]", "[link=http://x]y", "[", "\\[", "a\x1b[2J\x1b]0;boo\x07", "a\nb", "a\rb",
    "a\u2028b\u2029c\x85d",
    "\u202eevil\u2066", "\u200b\ufeff", "\x9b31mred", "\x7f\x08\x08", "漢字漢字漢字漢字漢字漢字",
    "e\u0301\u0302\u0303\u0304\u0305\u0306",
    "👩\u200d👩\u200d👧", "\U000e0041\U0010fffe", "x" * 512, "漢" * 512, "%s %(x)s {0}", "=1+1", "'; DROP TABLE parents; --",
]  # fmt: skip
ids = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    st.text(st.sampled_from("[]/\\\x1b\n\r\t\x00\x9b\u202e\u2028漢é\u0301"), min_size=1, max_size=20),
).filter(str.strip)


def breaks(said: str) -> list[str]:
    """Characters that a terminal would obey, a line would end at, or nobody would see."""
    return [each for each in said if each not in "\n" and unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Co")]


@pytest.mark.parametrize("category", ["Cc", "Cf", "Cs", "Zl", "Zp", "Co"])
def test_every_character_of_these_kinds_is_harmful(category: str) -> None:
    for code in range(0x110000):
        if unicodedata.category(chr(code)) == category:
            assert harmless(chr(code)) == "?", hex(code)
            assert escaped(chr(code)).isascii()


def test_what_people_write_is_left_as_it_is() -> None:
    for said in ("Müller & Söhne", "漢字", "naïve e\u0301", "price ≥ 5 €", "ελ", "👍", "שלום", "a  b"):
        assert (harmless(said), escaped(said)) == (said, said)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_says_the_same_and_has_nothing_harmful(said: str) -> None:
    line = json_escaped(json.dumps({"a": said}, ensure_ascii=False).encode())
    assert json.loads(line) == {"a": said}
    assert breaks(line.decode()) == []


# ---------------------------------------------------------------------- every command


async def hostile(db: Path, name: str, text: str) -> None:
    """A journal in which everything that others choose is `name`, and every text `text`."""
    venue, account = f"v{name}"[:500], f"a{name}"[:500]
    place = {"venue": venue, "account": account}
    async with Journal(db) as journal:
        now = 1_700_000_000_000_000_000
        steps: list[Any] = [
            VenueDeclared(venue=venue, capabilities=FIX_LIKE),
            Restarted(desk="d-", mode=Mode.SHADOW_ONLY),
            InstrumentListed(venue=venue, instrument=name, quote="USD"),
            Submit(**place, ref=name, terms=Limit(name, "buy", qty=QTY, price=PX)),
        ]
        for step in steps:
            await journal.submit(step, now := now + 1_000_000)
        parent = journal.engine.desk.by_ref[venue, account, name]
        child = parent.children[0].cl_ord_id
        for step in (
            OrderSnapshot(**place, cl_ord_id=child, order_id=name, instrument=name, side=Side.BUY, ord_status=OrdStatus.NEW,
                          order_qty=Decimal(QTY), cum_qty=ZERO, price=Decimal(PX)),
            Execution(**place, order_id=name, key=name, qty=Decimal("23456789012.987654321"), px=Decimal(PX), instrument=name,
                      side=Side.BUY, fee=Decimal("0.123456789"), fee_currency=name[:500]),
            OrderSnapshot(**place, order_id=f"{name}2"[-500:], instrument=name, side=Side.SELL, ord_status=OrdStatus.NEW,
                          order_qty=Decimal(QTY), price=Decimal(PX), status_text=text),
            Gap(venue=venue, account=account, reason=text),
            Answered(**place, request=Request.CANCEL, cl_ord_id=child, outcome=Outcome.REFUSED, reason=text),
            KillSwitch(venue=venue, account=account, on=True, by=name, reason=text),
        ):  # fmt: skip
            await journal.submit(step, now := now + 1_000_000)


COMMANDS = [
    ("orders",), ("orders", "--parents"), ("fills",), ("positions",), ("positions", "--all"), ("decisions",), ("dust",),
    ("gates",),    ("verify",), ("trace", "--instrument"), ("trace", "--ref"), ("watch", "--seconds", "0"),
    ("watch", "--json", "--seconds", "0"),
    ("orders", "--json"), ("fills", "--json"), ("positions", "--json"), ("decisions", "--json"), ("fills", "--order"),
    ("cancel-remainder",), ("cancel",), ("unprotect", "X", "long"), ("resolve",), ("kill", "off"), ("check",), ("audit",),
]  # fmt: skip


@pytest.mark.parametrize("width", [40, 80, 140])
@given(name=ids, text=st.one_of(ids, st.just("")))
@example(name="t1[/b]", text="\x1b[2J\nfake: 1 orders")
@example(name="漢" * 400, text="x" * 4000)
@example(name="123456789012", text="filled 123456789012.987654321 of 200000000000.123456789 here, and then some")
@settings(max_examples=7, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_id_ends_a_command_or_gets_out(width: int, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "PIPED", width)
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "f.db"
        asyncio.run(hostile(db, name, text))
        for command in COMMANDS:
            done = CliRunner().invoke(main, arguments(command, db, name))
            assert done.exception is None or isinstance(done.exception, SystemExit), (command, done.exception)
            for said in (done.stdout, done.stderr):
                assert breaks(said) == [], (command, said)
            if command[0] in ("orders", "fills", "positions") and "--json" not in command and command != ("fills", "--order"):
                assert PX in done.stdout or "98765432109.12345679" in done.stdout, (command, done.stdout)
                assert all(cell_len(line) <= width for line in done.stdout.splitlines()), command
            if "--json" in command:
                assert all(isinstance(json.loads(line), dict) for line in done.stdout.splitlines())
        seen(db, width)


def arguments(command: tuple[str, ...], db: Path, name: str) -> list[str]:
    """The command as it is typed. No process is ever given a zero."""
    name = name.replace("\x00", "0")
    first, *rest = command
    if first in ("cancel", "cancel-remainder", "resolve"):
        return [first, "--", name, str(db)]
    if first == "kill":
        return [first, *rest, str(db), "--by", name, f"--venue=v{name}"[:508], f"--account=a{name}"[:510]]
    if first == "unprotect":
        return [first, *rest, str(db)]
    if first == "check":
        return [first, "--", name[:80]]
    if first == "audit":
        return [first, "--format", "fix", "--", name[:80]]
    if rest and rest[-1] in ("--instrument", "--ref", "--order"):
        return [first, str(db), *rest[:-1], f"{rest[-1]}={name}"]
    return [first, str(db), *rest]


def seen(db: Path, width: int) -> None:
    """What `watch` and `demo` draw of it: nothing harmful, no line too long, each number whole."""
    with Watcher(db) as watcher:
        found = watcher.look(20, 20)
    out = io.StringIO()
    with Screen(str(db), Console(file=out, force_terminal=True, width=width, height=60, color_system=None)) as screen:
        screen.show(found)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", out.getvalue()).replace("\r", "")
    assert breaks(drawn) == []
    for number in (QTY, PX, "23456789012.987654321"):
        assert number in drawn, drawn
    assert all(cell_len(line) <= width for line in drawn.splitlines()), drawn
    told: list[str] = []
    Tape(told.append).show(found)
    assert all(breaks(line) == [] and "\n" not in line for line in told)


def test_every_command_says_what_it_says_through_one_place() -> None:
    # bench and simulate print figures of this machine alone.
    allowed = {"output.py", "bench.py", "simulate.py"}
    for file in Path(main.callback.__code__.co_filename).parent.glob("*.py"):  # type: ignore[union-attr]
        source = file.read_text("utf-8")
        assert file.name in allowed or not re.search(r"click\.echo\(|(?<![.\w])print\(|sys\.std(out|err)\.write", source), file


# ---------------------------------------------------------------------- one table


@given(
    rows=st.lists(st.tuples(ids, st.decimals(allow_nan=False, allow_infinity=False, places=9), ids, st.integers()), max_size=6),
    width=st.integers(12, 200),
)
@settings(deadline=None, max_examples=200)
def test_a_table_fits_and_its_numbers_are_whole(rows: list[tuple[str, Decimal, str, int]], width: int) -> None:
    columns = (grid.Column("id"), grid.Column("qty", True, True), grid.Column("text"), grid.Column("n", True, spare=1))
    drawn = grid.lines(columns, [grid.Row((a, f"{b:f}", c, str(d))) for a, b, c, d in rows], width)
    assert all(line.cell_len <= width for line in drawn)
    flat = "".join(line.plain.strip() for line in drawn)
    for _, number, _, _ in rows:
        whole = f"{number:f}"
        assert whole in (flat if len(whole) > width - 2 else " ".join(line.plain for line in drawn))


@pytest.mark.parametrize(
    ("said", "width", "right"),
    [
        ("30 of 100", 9, "30 of 100"), ("30 of 12345", 9, "30 of …"), ("12345678 of", 6, "…"), ("abcdefgh", 6, "abcde…"),
        ("a 12345678", 6, "a …"), ("漢字漢字", 5, "漢字…"), ("x", 0, ""),
    ],
)  # fmt: skip
def test_a_sentence_is_shortened_after_a_whole_word(said: str, width: int, right: str) -> None:
    assert grid.short_words(said, width) == right


# ---------------------------------------------------------------------- the log


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("a\nb\r\x1b[2J\u2028\u2029\x85\x0b\x0c\x1c")
def test_a_record_is_one_line(said: str) -> None:
    line = logged(lambda log: log.warning("an answer of %s: %s", said, said))
    assert len(line.splitlines()) == 1
    assert breaks(line.rstrip("\n")) == []


def test_a_traceback_is_in_the_line_of_its_record() -> None:
    def fail(log: logging.Logger) -> None:
        try:
            raise ValueError("a\nb\x1b[0m")
        except ValueError:
            log.exception("it failed")

    line = logged(fail)
    assert line.count("\n") == 1
    assert line.index("it failed") < line.index("Traceback") < line.index(r"ValueError: a\nb\x1b[0m")


def test_a_record_that_does_not_fit_its_arguments_is_not_lost() -> None:
    assert "no number" in logged(lambda log: log.warning("no number: %d", "x\ny"))


def logged(say: Any) -> str:
    """What the handler of the daemon writes."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(OneLine(FORMAT))
    log = logging.getLogger("partfill.test")
    log.addHandler(handler)
    log.propagate = False
    try:
        say(log)
    finally:
        log.removeHandler(handler)
        log.propagate = True
    return out.getvalue()


def test_a_warning_of_a_command_that_has_no_log_is_one_line(tmp_path: Path) -> None:
    code = (
        "import logging; from partfill.cli.main import main; main.callback()\n"
        "logging.getLogger('partfill').warning('a%s', '\\n\\x1b[2Jb')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "partfill: WARNING partfill: a\\n\\x1b[2Jb\n"
