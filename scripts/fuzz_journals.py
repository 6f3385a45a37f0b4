"""Random journals, closed and opened all along: memory, tables and replay say the same, and every file proves itself.

    python scripts/fuzz_journals.py --count 10000 --seed 1

Prints one JSON object: how many journals, and what was found (each with its seed, which writes it again). Exit 1 when
anything was.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

WRONG = importlib.import_module("tests.journal.fuzzed").wrong
MAX_FOUND = 50
"""Most findings that are kept."""


def examine(seed: int) -> str | None:
    """What does not hold of one journal; an exception counts."""
    with tempfile.TemporaryDirectory(prefix="partfill-fuzz-") as folder:
        try:
            found: str | None = WRONG(seed, Path(folder))
        except Exception:
            return traceback.format_exc(limit=-4)
    return found


def main() -> int:
    """Run, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000, help="journals in all")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; the others follow it")
    parser.add_argument("--show", action="store_true", help="also print each finding when it comes")
    given = parser.parse_args()
    began = time.perf_counter()
    found: list[dict[str, object]] = []
    done = 0
    for seed in range(given.seed, given.seed + given.count):
        done += 1
        why = examine(seed)
        if why is not None:
            found.append({"seed": seed, "what": why[:2000]})
            if given.show:
                print(seed, why[:1500], file=sys.stderr, flush=True)
        if len(found) >= MAX_FOUND:
            break
    seconds = round(time.perf_counter() - began, 1)
    print(json.dumps({"seed": given.seed, "journals": done, "seconds": seconds, "clean": not found, "found": found}))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
