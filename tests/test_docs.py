"""The generated pages are up to date, the coverage table names things that exist, and no page names a machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COVERAGE = ROOT / "docs" / "spec-coverage.md"
STATES = {"built", "live desk", "remainder", "protection", "venue adapters", "service", "contradicted"}


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


def test_the_example_in_the_readme_runs_and_says_what_it_claims(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    done = subprocess.run([sys.executable, "-c", code[1]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Confirmation" in done.stdout
    assert "0.6 0.9 PartiallyFilled 63999" in done.stdout
