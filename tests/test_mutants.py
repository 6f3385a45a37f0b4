"""Mutants: every one was tried, the page explains those that no test notices, and the runner tells the one from the other."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLAIMS = ROOT / "src" / "partfill" / "core" / "claims.py"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield
    for name in ("forked", "mutants", "plant"):
        sys.modules.pop(name, None)


def test_the_page_is_written_from_what_was_found() -> None:
    import mutants

    assert mutants.PAGE.read_text("utf-8") == mutants.page(mutants.kept())


def test_every_mutant_was_tried_and_every_survivor_is_explained() -> None:
    import mutants

    found = mutants.kept()
    assert set(found) == set(mutants.MODULES)
    for name, each in found.items():
        assert each["killed"] + len(each["survivors"]) == each["tried"] == each["of"], name
        assert [one for one in each["survivors"] if not one["why"]] == [], name
    assert "not looked at yet" not in mutants.PAGE.read_text("utf-8")


def test_mutants_are_python_and_each_differs_from_its_source() -> None:
    import mutants

    source = "def f(a: int = 3) -> int:\n    assert a\n    if a < 1 and not a:\n        return max(a, 2)\n    return a\n"
    plain = ast.unparse(ast.parse(source))
    made = mutants.mutants(source)
    for each in made:
        compile(each.source, "f", "exec")
        assert each.source != plain
        assert "assert a" in each.source
        assert "int=3" in each.source
    assert {(each.was, each.now) for each in made} >= {
        ("a < 1", "a <= 1"), ("a < 1 and (not a)", "a < 1 or not a"), ("not a", "a"), ("max(a, 2)", "min(a, 2)"), ("2", "3"),
    }  # fmt: skip
    assert [each.source for each in mutants.mutants(source)] == [each.source for each in made]


def test_a_mutant_names_the_function_that_stands_in_the_module_or_a_class() -> None:
    import mutants

    source = (
        "class A:\n    def b(self):\n        def c():\n            return 1\n        return c\n\n\ndef d():\n    return 2\n"
    )
    assert [(each.where, each.line, each.was) for each in mutants.mutants(source)] == [("A.b", 4, "1"), ("d", 9, "2")]


def test_the_runner_names_the_test_that_notices_and_nothing_where_none_does() -> None:
    from forked import Forked

    good = CLAIMS.read_text("utf-8")
    with Forked(ROOT, "partfill.core.claims", ["tests/core/test_claims.py"]) as forked:
        names = [test.name for test in forked.tests]
        assert names[0].startswith("tests/core/test_claims.py::")
        assert all(test.lines for test in forked.tests)
        assert forked.failed(good, names, 30) is None
        assert forked.failed(good.replace("return sub(most, history[-1][1])", "return most"), names, 30) in names
        assert forked.failed(good.replace("return tuple(kept)", "while True: pass"), names, 1) == "the time limit"
        assert forked.failed(good, names, 30) is None
