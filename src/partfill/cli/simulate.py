"""partfill simulate: worlds from seeds that try to break the engine."""

from __future__ import annotations

import json
import secrets
import sys

import click

from partfill.cli.numbers import Seconds, whole


@click.command()
@click.option("--runs", type=whole(1), default=1000, show_default=True, help="How many worlds.")
@click.option("--seed", type=whole(), help="The first seed; each run takes the next (default: a fresh one).")
@click.option("--events", type=whole(1), help="Stop after about so many events.")
@click.option("--seconds", type=Seconds(min=0, max=10**9, min_open=True), help="Stop after so much time.")
@click.option("--mix", type=whole(0, 15), default=1, show_default=True, help="Most ingredients of a world.")
@click.option("--shrink", is_flag=True, help="Look for a smaller world that breaks in the same seed.")
def simulate(runs: int, seed: int | None, events: int | None, seconds: float | None, mix: int, shrink: bool) -> None:
    """Live through simulated worlds. Exit 1 when something that must hold did not."""
    from time import monotonic

    from partfill.sim.run import Outcome
    from partfill.sim.run import simulate as run

    first = secrets.randbelow(1 << 32) if seed is None else seed
    began = monotonic()
    block = runs if seconds is None else 200
    total = Outcome(0, 0, 0.0, [], {})
    while total.runs < runs and not total.violations:
        left = None if events is None else events - total.events
        part = run(min(block, runs - total.runs), first + total.runs, events=left, shrink=shrink, mix=mix)
        counts = (total.runs + part.runs, total.events + part.events, total.seconds + part.seconds)
        met = {what: total.met.get(what, 0) + count for what, count in part.met.items()}
        total = Outcome(*counts, [*total.violations, *part.violations], met)
        if (seconds is not None and monotonic() - began >= seconds) or (events is not None and total.events >= events):
            break
    for broken in total.violations:
        click.echo(f"seed {broken.seed}: {broken.why}", err=True)
        for line in broken.story:
            click.echo(f"    {line}", err=True)
    rate = round(total.events / total.seconds) if total.seconds else 0
    figures = {
        "runs": total.runs, "seed": first, "events": total.events, "events_per_s": rate, "violations": len(total.violations),
        "met": total.met,
    }  # fmt: skip
    click.echo(json.dumps(figures))
    sys.exit(1 if total.violations else 0)
