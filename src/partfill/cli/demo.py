"""partfill demo: a market, orders and their fills, live, on a paper venue in the same process."""

from __future__ import annotations

import asyncio
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from partfill.cli.numbers import Seconds, whole
from partfill.cli.output import JsonLines, say

if TYPE_CHECKING:
    from partfill.service.demo import Summary


@click.command()
@click.option("--seconds", type=Seconds(min=1, max=3600), default=20, show_default=True, help="How long to trade.")
@click.option("--seed", type=whole(), help="Same seed, same market and same orders (default: a fresh one).")
@click.option("--headless", is_flag=True, help="Show nothing while it runs; print a summary as JSON at the end.")
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="Journal to make (default: ./partfill-demo.db).")
def demo(seconds: float, seed: int | None, headless: bool, db: Path | None) -> None:
    """Trade on a generated market for a while and watch what fills.

    Orders of several kinds go through the real engine and a real journal to a paper venue that loses replies and repeats
    messages. At the end every order is compared with what the venue knows.

    Exit 0: journal and venue say the same and the journal proves itself; 1: they do not.
    """
    from partfill.service.demo import play, reserve

    try:
        path = reserve(Path(), db)
    except FileExistsError:
        say(f"partfill: {db} exists already; name a new file", err=True)
        sys.exit(2)
    except OSError as error:
        say(f"partfill: {db or 'partfill-demo.db'} cannot be made: {error.strerror}", err=True)
        sys.exit(2)
    number = secrets.randbelow(1 << 31) if seed is None else seed
    try:
        summary = asyncio.run(play(path, number, seconds) if headless else _live(path, number, seconds))
    except KeyboardInterrupt:
        say(f"partfill: stopped; what had happened by then is in {path}", err=True)
        sys.exit(130)
    if headless:
        with JsonLines() as out:
            out.write_now(summary)
    else:
        _tell(summary)
    for line in summary.differs:
        say(f"partfill: differs: {line}", err=True)
    sys.exit(0 if summary.ok else 1)


async def _live(path: Path, seed: int, seconds: float) -> Summary:
    from partfill.cli.live import PER_SECOND, Screen
    from partfill.journal.store import NotAJournal
    from partfill.service.demo import play
    from partfill.service.picture import Watcher

    playing = asyncio.create_task(play(path, seed, seconds))
    watcher: Watcher | None = None
    try:
        with Screen(f"partfill demo, seed {seed}, journal {path}") as screen:
            while not playing.done():
                await asyncio.wait({playing}, timeout=1 / PER_SECOND)
                try:
                    watcher = watcher if watcher is not None else Watcher(path)
                except NotAJournal:
                    # It is being made.
                    continue
                if watcher.changed():
                    screen.show(watcher.look(screen.rows, screen.positions))
    finally:
        if watcher is not None:
            watcher.close()
        if not playing.done():
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
    return await playing


def _tell(summary: Summary) -> None:
    from partfill.cli.live import number, plain

    states = ", ".join(f"{count} {state}" for state, count in summary.states.items())
    say(f"\n{summary.orders} orders ({states}) as {summary.children} orders at the venue, {summary.resubmits} resubmitted")
    say(f"{summary.executions} executions, {summary.alarms} alarms")
    for instrument, cum in summary.cum.items():
        say(f"  {plain(instrument):<9} bought {number(cum['buy'])}, sold {number(cum['sell'])}")
    say("journal: every table equals its replay" if summary.verify == "proved" else f"journal: {summary.verify}")
    say("venue: every order and every execution is the same" if not summary.differs else "venue: NOT THE SAME")
    say("")
    say(f"look into it: partfill orders --parents {summary.db}")
    say(f"              partfill fills {summary.db}")
    say(f"              partfill decisions {summary.db}")
    say(f"              partfill verify {summary.db}")
