"""Change single places of the core at random, and see whether the quick tests of that module notice.

Run: python scripts/mutants.py                        a sample of every module
     python scripts/mutants.py --only ledger --most 0  every mutant of one module
     python scripts/mutants.py --json                 keeps what was found in docs/mutants.json, and writes docs/mutants.md
     python scripts/mutants.py --jobs 2               in two processes
     python scripts/mutants.py --page                 writes docs/mutants.md from docs/mutants.json, and runs nothing

Places: comparisons, plus and minus (`add` and `sub`), `min` and `max`, `and` and `or`, `not`, whole numbers, true and false,
conditions that always or never hold, statements that are left out. Assertions, texts and type hints are left alone.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from forked import Forked
from plant import ROOT, Copy

DATA = ROOT / "docs" / "mutants.json"
PAGE = ROOT / "docs" / "mutants.md"

_CORE = "tests/core/test_"
_LEDGER = (
    *("ledger", "corrections", "claims", "fills", "joined", "child", "result", "legs", "legs_again", "rulings", "weak_keys"),
    *("reported", "charges", "identity", "late_links", "asides", "position_corrections", "ledger_properties", "ledger_corners"),
)
_DESK = (
    *("desk", "desk_answers", "desk_traps", "desk_resubmit", "desk_afterwards", "desk_excess", "desk_reducing"),
    *("desk_shrinks", "desk_replaced", "desk_cash", "desk_kill", "protection", "covering", "rulings", "handling"),
    *("desk_properties", "due_and_beside", "planner"),
)
_GUARDS = ("shares", "protection", "covering", "watched", "firing", "protection_waits", "protection_doubted", "rounds", "laws")

MODULES: dict[str, tuple[str, ...]] = {
    "ledger": _LEDGER,
    "claims": _LEDGER,
    "corrections": _LEDGER,
    "fills": (*_LEDGER, "joined_events", "low"),
    "parent": (*_DESK, "protection_doubted", "laws"),
    "planner": (*_DESK, "presumed", "protection_doubted", "protection_waits", "laws"),
    "shares": _GUARDS,
    "remainder": (
        "remainder",
        "remainder_corners",
        "handling",
        "handling_edges",
        "handling_ends",
        "handling_properties",
        "dust",
        "reported",
    ),
    "position": ("position", "position_corrections", "position_as_if", "result", "rounds", "charges", "protection", "rulings"),
}
"""Module of the core -> the test files of tests/core that are quick and matter to it, the likeliest first."""


class Mutant(NamedTuple):
    """One changed place. `where`: the function."""

    where: str
    line: int
    end: int
    column: int
    was: str
    now: str
    source: str


# ---------------------------------------------------------------------- making them

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_CALLS = {"add": "sub", "sub": "add", "min": "max", "max": "min", "any": "all", "all": "any"}

Change = Callable[[ast.AST], ast.AST | None]


def _swapped(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """The changes that a node allows. Each gets a copy of the node, and gives what stands in its place."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        other = _COMPARE[type(node.ops[0])]
        yield "compare", lambda n: _with(n, ops=[other()])
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        sign = ast.Sub if isinstance(node.op, ast.Add) else ast.Add
        yield "sign", lambda n: _with(n, op=sign())
    elif isinstance(node, ast.BoolOp):
        either = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield "and/or", lambda n: _with(n, op=either())
        for place in range(len(node.values)):
            yield "dropped", lambda n, place=place: _without(n, place)  # type: ignore[misc]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not", lambda n: n.operand if isinstance(n, ast.UnaryOp) else n
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "constant", lambda n: ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield "constant", lambda n: ast.Constant(node.value + 1)  # type: ignore[operator]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        name = _CALLS[node.func.id]
        yield "call", lambda n: _with(n, func=ast.Name(name))
    elif isinstance(node, ast.If | ast.IfExp):
        for value in (True, False):
            yield "condition", lambda n, value=value: _with(n, test=ast.Constant(value))  # type: ignore[misc]
    elif _may_go(node):
        yield "statement", lambda n: ast.Pass()


def _may_go(node: ast.AST) -> bool:
    """Whether it is a statement that may be left out: a call, a change of something that others hold."""
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign):
        return not all(isinstance(target, ast.Name) for target in node.targets)
    return isinstance(node, ast.AugAssign | ast.Continue | ast.Break)


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    for name, value in fields.items():
        setattr(node, name, value)
    return node


def _without(node: ast.AST, place: int) -> ast.AST:
    assert isinstance(node, ast.BoolOp)
    values = node.values[:place] + node.values[place + 1 :]
    return values[0] if len(values) == 1 else _with(node, values=values)


def _places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, str]]:
    """(owner, field, index, function) of every node that may be changed: no hints, no assertions, nothing outside functions."""

    def walk(node: ast.AST, names: str, where: str) -> Iterator[tuple[ast.AST, str, int | None, str]]:
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list", "slice", "args", "bases") and not isinstance(
                node, ast.Call
            ):
                if field != "slice":
                    continue
            for index, each in enumerate(value) if isinstance(value, list) else ((None, value),):
                if not isinstance(each, ast.AST) or isinstance(each, ast.Assert | ast.JoinedStr | ast.Raise):
                    continue
                if where:
                    yield node, field, index, where
                if not isinstance(each, ast.FunctionDef | ast.ClassDef):
                    yield from walk(each, names, where)
                elif each.name != "__init__":
                    # What is left out in __init__ is missed at the first use.
                    inner = f"{names}{each.name}"
                    yield from walk(each, f"{inner}.", where or (inner if isinstance(each, ast.FunctionDef) else ""))

    yield from walk(tree, "", "")


def mutants(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    found = []
    for owner, field, index, where in list(_places(tree)):
        held = getattr(owner, field)
        node = held if index is None else held[index]
        for _, change in _swapped(node):
            changed = change(copy.deepcopy(node))
            if changed is None:
                continue
            _put(owner, field, index, changed)
            text = ast.unparse(ast.fix_missing_locations(tree))
            now = _first_line(changed)
            _put(owner, field, index, node)
            found.append(Mutant(where, node.lineno, node.end_lineno, node.col_offset, _first_line(node), now, text))
    return sorted(found, key=lambda mutant: mutant.line)


def _put(owner: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(owner, field, node)
    else:
        getattr(owner, field)[index] = node


def _first_line(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node)).splitlines()[0]


# ---------------------------------------------------------------------- running them

Found = dict[str, dict[str, Any]]
"""By module: `of` all mutants, `tried`, `killed`, and the `survivors`, each with its place, `was`, `now` and `why`."""


class Trials:
    """The tests of a module, and which of them noticed most so far."""

    def __init__(self, name: str, seconds: int, jobs: int, place: Copy) -> None:
        self.name, self._seconds, self._jobs, self._place = name, seconds, jobs, place
        self.file = f"core/{name}.py"
        self.every = mutants(place.path(self.file).read_text("utf-8"))
        self._files = [f"{_CORE}{each}.py" for each in MODULES[name]]
        self._noticed: Counter[str] = Counter()

    def survivors(self, chosen: Sequence[Mutant]) -> list[Mutant]:
        """Those that no test notices."""
        left = iter(chosen)
        with ThreadPoolExecutor(self._jobs) as pool:
            found = [each for part in pool.map(self._survivors, [left] * self._jobs) for each in part]
        return [each for each in chosen if each in found]

    def _survivors(self, left: Iterator[Mutant]) -> list[Mutant]:
        found = []
        with Forked(self._place.root, f"partfill.core.{self.name}", self._files) as forked:
            for mutant in left:
                failed = self._failed(mutant, forked)
                if failed is None:
                    found.append(mutant)
                    print(f"{self.name}:{mutant.line}: {mutant.was}  ->  {mutant.now}", flush=True)
                else:
                    self._noticed[failed] += 1
        return found

    def _failed(self, mutant: Mutant, forked: Forked) -> str | None:
        lines = frozenset(range(mutant.line, mutant.end + 1))
        if lines & forked.early:
            with self._place.spoiled(self.file, mutant.source):
                return self._place.run_tests(self._files, 20 * self._seconds).failed
        tests = [test for test in forked.tests if lines & test.lines]
        tests.sort(key=lambda test: (-self._noticed[test.name], test.seconds))
        return forked.failed(mutant.source, [test.name for test in tests], self._seconds)


def run(most: int, seed: int, trials: Trials) -> dict[str, Any]:
    """Try mutants of one module."""
    every = trials.every
    chosen = every if not most else sorted(random.Random(seed).sample(every, min(most, len(every))), key=lambda m: m.line)
    left = trials.survivors(chosen)
    print(f"{trials.name}: {len(chosen) - len(left)} of {len(chosen)} killed ({len(every)} there are)", flush=True)
    survivors = [{**each._asdict(), "why": ""} for each in left]
    for each in survivors:
        del each["source"], each["end"]
    return {"of": len(every), "tried": len(chosen), "killed": len(chosen) - len(left), "survivors": survivors}


def again(before: dict[str, Any], trials: Trials) -> dict[str, Any]:
    """Try those once more that survived before."""
    there = {_named(each._asdict()): each for each in trials.every}
    for one in before["survivors"]:
        if _named(one) not in there:
            raise SystemExit(f"{trials.name}: {one['where']} has changed; run all of that module anew")
    left = trials.survivors([there[_named(one)] for one in before["survivors"]])
    names = {_named(each._asdict()) for each in left}
    survivors = [one for one in before["survivors"] if _named(one) in names]
    killed = before["tried"] - len(survivors)
    print(f"{trials.name}: {killed} of {before['tried']} killed", flush=True)
    return {**before, "killed": killed, "survivors": survivors}


def _named(one: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(one[each] for each in ("where", "line", "column", "was", "now"))


def kept() -> Found:
    """What was found before."""
    found: Found = json.loads(DATA.read_text("utf-8")) if DATA.exists() else {}
    return found


def keep(name: str, found: dict[str, Any]) -> None:
    """Keep what was found of a module, with what was said of the same survivors before."""
    before = kept()
    said = {_named({**each, "line": 0}): each["why"] for each in before.get(name, {}).get("survivors", ())}
    for each in found["survivors"]:
        each["why"] = each["why"] or said.get(_named({**each, "line": 0}), "")
    before[name] = found
    DATA.write_text(json.dumps({each: before[each] for each in MODULES if each in before}, indent=1) + "\n", "utf-8")


def page(found: Found) -> str:
    """The page of mutants."""
    lines = [
        "# Mutants",
        "",
        "`scripts/mutants.py` changes one place of a module at a time, each that there is, and runs the quick tests of it.",
        "A change that no test notices survives. Each survivor is listed with the reason why nothing has to notice it.",
        "",
        "| module | mutants | tried | killed | survived |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, each in found.items():
        lines.append(f"| {name} | {each['of']} | {each['tried']} | {each['killed']} | {len(each['survivors'])} |")
    lines += ["", "| survivor in | was | is | why it may |", "| --- | --- | --- | --- |"]
    for name, each in found.items():
        for one in each["survivors"]:
            cells = [one[part].replace("|", "\\|") for part in ("was", "now", "why")]
            lines.append(f"| {name}: `{one['where']}` | `{cells[0]}` | `{cells[1]}` | {cells[2] or 'not looked at yet'} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=MODULES, action="append", help="this module; may be said more than once")
    parser.add_argument("--again", action="store_true", help="only those that survived before")
    parser.add_argument("--most", type=int, default=60, metavar="N", help="most mutants of a module, 0 for all (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="which of them (default: 1)")
    parser.add_argument(
        "--seconds", type=int, default=10, help="processor time of one test, which kills the mutant (default: 10)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time (default: 1)")
    parser.add_argument("--json", action="store_true", help="keep what was found, and write the page")
    parser.add_argument("--page", action="store_true", help="write the page, and run nothing")
    options = parser.parse_args()
    if not options.page:
        with Copy() as place:
            for name in options.only or MODULES:
                trials = Trials(name, options.seconds, options.jobs, place)
                if not options.again:
                    found = run(options.most, options.seed, trials)
                elif name in kept():
                    found = again(kept()[name], trials)
                else:
                    continue
                if options.json:
                    keep(name, found)
    if options.page or options.json:
        PAGE.write_text(page(kept()), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
