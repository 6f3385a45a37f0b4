"""Compare policies for the rest of a partly filled order on recorded markets; prints JSON.

Run: python benchmarks/policies.py --lobster FILE --bitstamp FILE [--orders N] [--seed N] [--docs docs]

Without a recording a generated market is played. `--docs` also writes the page, the chart and the figures there.
"""

from __future__ import annotations

import argparse
import sys
from decimal import Decimal
from itertools import takewhile
from pathlib import Path

import msgspec

from partfill.runtime.replay.chart import chart
from partfill.runtime.replay.page import page
from partfill.runtime.replay.policies import ORDERS, SEED, Report, compare
from partfill.runtime.replay.recording import KINDS, SECOND_NS, Recorded, listed, load, recorded
from partfill.venues.paper.market import SHAPES, generated

GENERATED_NS = 3_600 * SECOND_NS


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for form in KINDS:
        parser.add_argument(
            f"--{form}", metavar="FILE", help=f"a recording of this format, as it is or packed ({KINDS[form].symbol})"
        )
    parser.add_argument("--orders", type=int, default=ORDERS, help="orders in each market, under every policy")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the orders")
    parser.add_argument("--docs", type=Path, help="folder of policies.md, policies.svg and policies.json")
    return parser


def command(options: argparse.Namespace) -> str:
    """What was called, with the names of the files alone."""
    files = [f"--{form} {Path(getattr(options, form)).name}" for form in KINDS if getattr(options, form)]
    return " ".join(["python benchmarks/policies.py", *files, f"--orders {options.orders} --seed {options.seed} --docs docs"])


def acme(seed: int) -> Recorded:
    """An hour of the generated market ACME."""
    shape, instrument = SHAPES["ACME"], SHAPES["ACME"].listing.instrument
    events = takewhile(lambda timed: timed[0] < GENERATED_NS, generated([shape], seed))
    return recorded("ACME", listed("ACME", instrument.ticks[0].tick, instrument.lot or Decimal(1)), events)


def write(folder: Path, report: Report) -> None:
    """The three files."""
    where = folder / "policies.md"
    where.write_text(page(where.read_text("utf-8"), report), "utf-8")
    (folder / "policies.svg").write_text(chart(report), "utf-8")
    (folder / "policies.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def main() -> int:
    """Exit code 2 for what cannot be played."""
    options = arguments().parse_args()
    try:
        markets = [load(getattr(options, form), form) for form in KINDS if getattr(options, form)] or [acme(options.seed)]

        def progress(market: str, done: int) -> None:
            if done % 100 == 0:
                print(f"{market}: {done} of {options.orders}", file=sys.stderr)

        report = compare(markets, options.orders, options.seed, progress=progress)
        report = msgspec.structs.replace(report, made_with=command(options))
        if options.docs is not None:
            write(options.docs, report)
    except (ValueError, OSError) as error:
        print(f"policies: {error}", file=sys.stderr)
        return 2
    print(msgspec.json.encode(report).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
