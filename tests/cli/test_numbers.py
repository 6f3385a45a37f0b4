"""Every number option of every command refuses what is out of range, no number or endless, and says what would be right."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from partfill.cli.main import COMMANDS, main
from partfill.journal.store import Store

HUGE = "99999999999999999999"
WRONG = (HUGE, "-1", "-" + HUGE, "nan", "inf", "-inf", "1e999", "ten", "", "0x10", "1.5.5", "\u0663x")


def numbers() -> list[tuple[str, click.Option]]:
    """(command, option) of every option that takes a number."""
    found = []
    group = main
    for name in COMMANDS:
        command = group.get_command(click.Context(group), name)  # type: ignore[attr-defined]
        found += [
            (name, each) for each in command.params
            if isinstance(each, click.Option) and isinstance(each.type, (click.types.IntParamType, click.types.FloatParamType))
        ]  # fmt: skip
    return found


NUMBERS = numbers()


def test_there_are_such_options() -> None:
    assert {name for name, _ in NUMBERS} >= {
        "orders",
        "fills",
        "decisions",
        "dust",
        "simulate",
        "watch",
        "demo",
        "bench",
        "trace",
    }


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize(("name", "option"), NUMBERS, ids=[f"{name} {option.opts[0]}" for name, option in NUMBERS])
def test_a_number_that_cannot_be_is_refused(tmp_path: Path, name: str, option: click.Option, value: str) -> None:
    path = tmp_path / "f.db"
    Store(path).close()
    words = [name, option.opts[0], value]
    if name not in ("simulate", "demo", "bench"):
        words.insert(1, str(path))
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2, done.output
    assert option.opts[0] in done.stderr
    assert "Traceback" not in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_the_largest_limit_works(tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    Store(path).close()
    for name in ("orders", "fills", "decisions", "dust"):
        assert CliRunner().invoke(main, [name, str(path), "--limit", str(2**63 - 1)]).exit_code == 0


@pytest.mark.parametrize("value", ["0", "-1", "nan", HUGE])
def test_a_limit_is_one_or_more(tmp_path: Path, value: str) -> None:
    path = tmp_path / "f.db"
    Store(path).close()
    done = CliRunner().invoke(main, ["orders", str(path), "--limit", value])
    assert done.exit_code == 2
    assert "range" in done.stderr or "valid integer" in done.stderr
