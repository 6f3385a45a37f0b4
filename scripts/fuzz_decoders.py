"""Mutated messages through every decoder: nothing but `Damaged` escapes, and no message holds it long.

    python scripts/fuzz_decoders.py --count 1000000 --seed 7

Prints one JSON object: what was done, how many messages were read and refused per format, the slowest message, and what
escaped (each with the text that does it, shortened). Exit 1 when anything did.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from partfill.venues.decoding import Damaged, LooksAhead
from partfill.venues.fix.framing import messages
from partfill.venues.formats import FORMATS

CASES = importlib.import_module("tests.venues.test_fix_cases")
FUZZ = importlib.import_module("tests.venues.test_fuzz")
VALID, MUTATIONS = FUZZ.VALID, FUZZ.MUTATIONS
PRINTED, WIRE, captured = CASES.PRINTED, CASES.WIRE, CASES.captured
LINES: dict[str, list[str]] = VALID | {
    "fix": [*VALID["fix"], *(form(message) for form in PRINTED.values() for message in WIRE), captured("E9", 5, "54=1|37=O1")]
}
"""Whole messages, one text each."""
SLOW = 0.25
"""Seconds that one message may take at most (a busy machine included)."""
MAX_FOUND = 20
"""Most escapes that are kept."""
PER_FILE = 500
"""Messages that one decoder reads before it is made anew."""


def huge(rng: random.Random, text: str) -> str:
    """One place grows far."""
    at = rng.randrange(len(text) + 1)
    grown = rng.choice(["9", "1.", "|", "\x01", "[", '{"a":', "8=FIX.4.4|", " ", "=", '"', "8=FIX.", "58= 8=FIX.4.4"])
    return text[:at] + grown * rng.choice([300, 5000]) + text[at:]


def mutated(rng: random.Random, lines: list[str]) -> str:
    """One message, changed a few times."""
    text = rng.choice(lines)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        text = rng.choice(MUTATIONS)(rng, text)
    return huge(rng, text) if rng.random() < 0.002 else text


def parts(format_: str, text: str) -> list[str]:
    """The frames of one text."""
    if format_ != "fix":
        return [text]
    return [part for _, part in messages(iter(enumerate(text.split("\n"))))]


def fuzz(format_: str, count: int, seed: int) -> dict[str, Any]:
    """`count` mutated messages through decoders of one format."""
    rng = random.Random(f"{seed}/{format_}")
    read = refused = 0
    slowest, found = 0.0, list[dict[str, str]]()
    decoder = FORMATS[format_]()
    for number in range(count):
        if number % PER_FILE == 0:
            decoder = FORMATS[format_]()
        text = mutated(rng, LINES[format_])
        began = time.perf_counter()
        try:
            for part in parts(format_, text):
                if isinstance(decoder, LooksAhead):
                    decoder.look(part)
                tuple(decoder.decode(part, number + 1))
            read += 1
        except Damaged:
            refused += 1
        except Exception as error:
            if len(found) < MAX_FOUND:
                found.append({"error": f"{type(error).__name__}: {error}"[:200], "text": text[:500]})
        took = time.perf_counter() - began
        if took > SLOW and len(found) < MAX_FOUND:
            found.append({"error": f"took {took:.2f} s", "text": text[:500]})
        slowest = max(slowest, took)
    return {"messages": count, "read": read, "refused": refused, "slowest_ms": round(slowest * 1000, 2), "found": found}


def main() -> int:
    """Run, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="messages in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", choices=sorted(FORMATS), action="append", help="only this one (may be given again)")
    given = parser.parse_args()
    formats = given.format or sorted(FORMATS)
    began = time.perf_counter()
    results = {name: fuzz(name, given.count // len(formats), given.seed) for name in formats}
    clean = not any(result["found"] for result in results.values())
    print(
        json.dumps({"seed": given.seed, "clean": clean, "seconds": round(time.perf_counter() - began, 1), "formats": results})
    )
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
