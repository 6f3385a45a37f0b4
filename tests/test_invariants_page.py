"""The page of invariants names code that exists: a rule whose check was renamed or removed is found here."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "partfill"
PAGE = (ROOT / "docs" / "invariants.md").read_text("utf-8")
DEFINED = re.compile(r"^\s*(?:async )?(?:def|class) (\w+)", re.MULTILINE)


def test_every_code_name_of_the_page_exists() -> None:
    names = {name for path in SOURCE.rglob("*.py") for name in DEFINED.findall(path.read_text("utf-8"))}
    modules = {path.stem for path in SOURCE.rglob("*.py")}
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| #", "| ---", "| law"))]
    assert len(rows) >= 23
    for row in rows:
        told = re.findall(r"`([^`]+)`", row.rsplit("|", 2)[1])
        assert told or "tests" in row, f"no code named: {row}"
        for name in told:
            if "/" in name:
                assert (SOURCE / name).is_file(), name
                continue
            if name.startswith("partfill ") or name == "children":
                continue
            owner, _, method = name.partition(".")
            assert owner in names | modules, name
            assert not method or method in names, name


def test_every_law_is_on_the_page() -> None:
    laws = DEFINED.findall((SOURCE / "core" / "laws.py").read_text("utf-8"))
    for law in laws:
        assert law in ("LawBroken", "halt") or f"laws.{law}" in PAGE, law
