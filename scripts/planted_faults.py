"""Plant known faults, one after the other, and see which tests notice, and whether the simulator does.

Run: python scripts/planted_faults.py                  every fault: its tests, then the simulator
     python scripts/planted_faults.py --only 'ledger*' those of a name or room (a pattern)
     python scripts/planted_faults.py --json           keeps what was found in docs/faults.json, and writes docs/faults.md
     python scripts/planted_faults.py --page           writes docs/faults.md from docs/faults.json, and runs nothing

Exits 1 when tests did not notice a fault, or a fault cannot be planted.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

from faults import FAULTS, Fault, planted
from plant import ROOT, Copy

DATA = ROOT / "docs" / "faults.json"
PAGE = ROOT / "docs" / "faults.md"
FIRST = 500_000
"""Seed of the first world, where nobody names another."""

Found = dict[str, dict[str, Any]]
"""By name of a fault: `test` that noticed it, `worlds` after which the simulator did, and `why` it broke there."""


def kept() -> Found:
    """What was found before."""
    found: Found = json.loads(DATA.read_text("utf-8")) if DATA.exists() else {}
    return found


def keep_found(found: Found) -> None:
    """Add to what was found before."""
    before = kept()
    names = [fault.name for fault in FAULTS]
    merged = {name: {**before.get(name, {}), **found.get(name, {})} for name in names if name in before or name in found}
    DATA.write_text(json.dumps(merged, indent=1) + "\n", "utf-8")


def chosen(only: str | None) -> list[Fault]:
    """The faults whose name or room fits the pattern."""
    if only is None:
        return list(FAULTS)
    return [fault for fault in FAULTS if fnmatch(fault.name, only) or fnmatch(fault.room, only)]


def run(fault: Fault, copy: Copy, *, tests: bool, worlds: int, first: int, skip: list[int], seconds: float) -> dict[str, Any]:
    """What notices one fault."""
    found: dict[str, Any] = {}
    with copy.spoiled(fault.file, planted(fault, copy.path(fault.file).read_text("utf-8"))):
        if tests:
            ran = copy.run_tests(fault.tests, seconds)
            found["test"] = None if ran.timed_out else ran.failed
        if worlds and fault.lived:
            broken = copy.run_worlds(worlds, first, seconds, skip=skip)
            if broken is None:
                broken = [(-1, "the time limit")]
            seed, why = broken[0] if broken else (None, None)
            found["worlds"] = None if seed in (None, -1) else seed - first + 1
            found["of"] = worlds
            found["why"] = None if why is None else why.splitlines()[-1][:160]
    return found


def run_all(faults: list[Fault], source: Path, jobs: int, *, keep: bool, **how: Any) -> Found:
    """What notices each of them; kept as it is found, if `keep`."""
    found: Found = {}
    free: SimpleQueue[Copy] = SimpleQueue()
    writing = Lock()

    def one(fault: Fault) -> None:
        copy = free.get()
        try:
            found[fault.name] = run(fault, copy, **how)
        except Exception as error:
            found[fault.name] = {"test": None, "error": f"{type(error).__name__}: {error}"}
        finally:
            free.put(copy)
        if keep:
            with writing:
                keep_found({fault.name: found[fault.name]})
        print(f"{fault.name}: {_told(found[fault.name])}", flush=True)

    copies = [Copy(source) for _ in range(jobs)]
    try:
        for copy in copies:
            free.put(copy.__enter__())
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(one, faults))
    finally:
        for copy in copies:
            copy.__exit__()
    return found


def _told(found: dict[str, Any]) -> str:
    if "error" in found:
        return str(found["error"])
    said = []
    if "test" in found:
        said.append(f"tests: {found['test'] or 'NOT NOTICED'}")
    if "of" in found:
        said.append(f"simulator: {seen(found)}" + (f" ({found['why']})" if found["why"] else ""))
    return "; ".join(said)


def seen(found: dict[str, Any]) -> str:
    """How soon the simulator noticed."""
    if found.get("why") is None:
        return f"not in {found['of']:,}" if "of" in found else ""
    return "it hung" if found["worlds"] is None else f"{found['worlds']:,}"


def page(found: Found) -> str:
    """The page of planted faults."""
    core = [fault for fault in FAULTS if fault.core]
    told = [fault for fault in core if found.get(fault.name, {}).get("why") is not None]
    lines = [
        "# Planted faults",
        "",
        "Each row is a small wrong text in one source file, such as a slip of the hand makes it. `scripts/planted_faults.py`",
        "plants them one at a time, runs the tests that have to notice, and then the simulator, world after world",
        "from one seed, until one breaks. Worlds have the ingredients of `sim/ingredients.py` in turn (`ROUND`); one that",
        "breaks without a fault is left out. The table is written from `docs/faults.json` by that script; what it says of the",
        "simulator and the core is measured by `python scripts/planted_faults.py --core --no-tests --json`. It shows what the",
        "tests are worth, and where the simulator is blind: its column has the number of worlds after which it noticed.",
        "",
        f"{len(FAULTS)} faults. Tests notice {sum(bool(each.get('test')) for each in found.values())}.",
        f"Of the {len(core)} in the core the simulator notices {len(told)}.",
        "",
        "| fault | room | what is wrong | noticed by | simulator |",
        "| --- | --- | --- | --- | --- |",
    ]
    for fault in FAULTS:
        each = found.get(fault.name, {})
        blind = ": ".join(filter(None, (seen(each), fault.unseen))) if each.get("why") is None else seen(each)
        test = str(each.get("test") or "nothing").replace("tests/", "", 1)
        lines.append(f"| {fault.name} | {fault.room} | {fault.what} | `{test}` | {blind} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PATTERN", help="faults of this name or room")
    parser.add_argument("--tests", action="store_true", help="run the tests alone, not the simulator")
    parser.add_argument("--no-tests", action="store_true", help="run the simulator alone, not the tests")
    parser.add_argument("--core", action="store_true", help="faults of the core alone")
    parser.add_argument("--unseen", action="store_true", help="faults that the simulator has not noticed so far")
    parser.add_argument("--worlds", type=int, default=2000, metavar="N", help="most worlds for each fault (default: 2000)")
    parser.add_argument("--first", type=int, default=FIRST, metavar="SEED", help=f"the first world (default: {FIRST})")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="faults at a time (default: 1)")
    parser.add_argument("--seconds", type=float, default=300, help="time limit of one run of tests, or of the simulator")
    parser.add_argument("--source", type=Path, default=ROOT, help="another checkout in which they are planted")
    parser.add_argument("--json", action="store_true", help="keep what was found, and write the page")
    parser.add_argument("--page", action="store_true", help="write the page, and run nothing")
    options = parser.parse_args()
    if options.page:
        PAGE.write_text(page(kept()), "utf-8")
        return 0
    faults = chosen(options.only)
    if options.core:
        faults = [fault for fault in faults if fault.core]
    if options.unseen:
        faults = [fault for fault in faults if fault.lived and kept().get(fault.name, {}).get("why") is None]
    if not faults:
        parser.error(f"no fault or room is called {options.only}")
    worlds = 0 if options.tests else options.worlds
    skip: list[int] = []
    if worlds:
        with Copy(options.source) as copy:
            broken = copy.run_worlds(worlds, options.first, 10 * options.seconds, stop=False)
        for seed, why in broken or ():
            print(f"world {seed} breaks without a fault, and is left out: {why.splitlines()[-1]}", file=sys.stderr, flush=True)
            skip.append(seed)
    how = {"tests": not options.no_tests, "worlds": worlds, "first": options.first, "skip": skip, "seconds": options.seconds}
    found = run_all(faults, options.source, options.jobs, keep=options.json, **how)
    errors = [name for name, each in found.items() if "error" in each]
    missed = [name for name, each in found.items() if "test" in each and each["test"] is None and name not in errors]
    if options.json:
        PAGE.write_text(page(kept()), "utf-8")
    for name in errors:
        print(f"cannot be planted or run: {name}: {found[name]['error']}", file=sys.stderr)
    for name in missed:
        print(f"no test noticed: {name}", file=sys.stderr)
    unseen = [fault.name for fault in faults if fault.core and found[fault.name].get("of") and not found[fault.name]["why"]]
    if unseen:
        print(f"faults of the core that the simulator does not see: {', '.join(unseen)}", file=sys.stderr)
    return 1 if errors or missed else 0


if __name__ == "__main__":
    sys.exit(main())
