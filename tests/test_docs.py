"""The generated pages are up to date, the coverage table names things that exist, and no page names a machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from partfill.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
COVERAGE = ROOT / "docs" / "spec-coverage.md"
STATES = {"built", "protection", "venue adapters", "service", "contradicted"}


def rows() -> list[list[str]]:
    """The rows of the coverage tables: id, requirement, where, shown by, state."""
    found = []
    for line in COVERAGE.read_text("utf-8").splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if len(cells) == 5 and re.fullmatch(r"[A-Z]{2}-\d{2,3}", cells[0]):
            found.append(cells)
    return found


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "make_docs.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_requirement_has_a_row_of_its_own() -> None:
    ids = [row[0] for row in rows()]
    assert len(ids) == len(set(ids))
    assert {each.split("-")[0] for each in ids} == {"FM", "SW", "PH", "OS", "UF"}


def test_every_module_named_in_the_coverage_exists() -> None:
    for row in rows():
        for name in re.findall(r"`([^`]+/[^`]+\.(?:py|sql|md))`", row[2]):
            assert (ROOT / name).is_file(), f"{row[0]} names {name}"


def test_every_test_named_in_the_coverage_exists() -> None:
    known: dict[str, set[str]] = {}
    for row in rows():
        for path, test in re.findall(r"`(tests/[^`:]+\.py)(?:::(\w+))?`", row[3]):
            file = ROOT / path
            assert file.is_file(), f"{row[0]} names {path}"
            if test:
                if path not in known:
                    tree = ast.parse(file.read_text("utf-8"))
                    known[path] = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
                assert test in known[path], f"{row[0]} names {path}::{test}"


def test_what_is_built_is_shown_by_a_test() -> None:
    for row in rows():
        assert row[4] in STATES, f"{row[0]} has state {row[4]!r}"
        if row[4] == "built":
            assert "`src/" in row[2], f"{row[0]} is built nowhere"
            assert "`tests/" in row[3], f"{row[0]} is shown by no test"


def test_no_tracked_text_names_a_path_of_a_machine() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    bad = re.compile("(?:^|[^A-Za-z0-9_.])/" + "(?:work|farm|root|home)/")
    for name in files:
        text = (ROOT / name).read_text("utf-8", "ignore")
        assert not bad.search(text), f"{name} names a path of a machine"


def run_example(holding: str, folder: Path) -> str:
    """What the example of the README that holds this word prints."""
    found = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    (code,) = [each for each in found if holding in each]
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_quick_start_in_the_readme_runs_and_says_what_it_claims(tmp_path: Path) -> None:
    printed = run_example('ref="my-1"', tmp_path).splitlines()
    again = run_example('ref="my-1"', tmp_path).splitlines()
    assert again == printed[-1:], "the same ref is the same order, in the next run as well"
    kinds = [line.split("(")[0] for line in printed[:-1]]
    assert kinds[0] == "StatusChanged"
    assert kinds[-1] == "ParentDone"
    assert "Fill" in kinds
    assert printed[-1].startswith("filled 100 0 2")


def test_the_chase_in_the_readme_runs_and_says_what_it_claims(tmp_path: Path) -> None:
    printed = run_example("Chase(max_ticks=3)", tmp_path).splitlines()
    assert any(line.startswith("ExecutionReport(") and "CHASE_ORDER_SUBMITTED" in line for line in printed)
    assert printed[-1] == "filled 0"
    for _ in range(2):
        # Its paper venue begins anew each time, and nothing of the last run is taken for something of this one.
        again = run_example("Chase(max_ticks=3)", tmp_path).splitlines()
        assert again[-1] == "filled 0"
        assert not any(line.startswith("Alarm(") for line in again)


def test_the_example_in_the_readme_runs_and_says_what_it_claims(tmp_path: Path) -> None:
    printed = run_example("import Journal", tmp_path)
    assert "Confirmation" in printed
    assert "0.6 0.9 PartiallyFilled 63999" in printed


def test_every_command_in_the_readme_exists() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"(?:^|`|bin/)partfill ([a-z]+)", text, re.MULTILINE))
    assert named >= {"demo", "run", "check", "kill", "cancel", "watch", "orders", "fills", "verify", "audit"}
    assert named <= set(COMMANDS)
