"""partfill watch DB: a journal that another process writes, live and read-only."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import apsw
import click
import msgspec

from partfill.cli.numbers import Seconds
from partfill.cli.output import JsonLines, say
from partfill.journal.store import NotAJournal

ROWS = 50
"""Orders, fills, events and positions in a line of JSON, at most of each."""


@click.command()
@click.argument("db", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seconds", type=Seconds(min=0, max=10**9), help="Stop after so much time (default: until Ctrl-C).")
@click.option("--json", "as_json", is_flag=True, help="Print a picture as one line of JSON, now and after each change.")
def watch(db: Path, seconds: float | None, as_json: bool) -> None:
    """Watch the journal DB while another process writes it: positions and what protects them, orders with fill bars, fills,
    events and alarms. A position that is not covered is red; `watched` is what has a price that is watched, and no order yet.

    When the process that writes DB died or does not answer, that is said at the top. It only reads. Where the output is no
    terminal it prints each fill and event as a plain line.
    """
    from partfill.cli.live import PER_SECOND, Screen
    from partfill.service.picture import Watcher
    from partfill.service.writing import Writing

    end = None if seconds is None else time.monotonic() + seconds
    try:
        with suppress(KeyboardInterrupt), Watcher(db) as watcher, Writing(db) as writing:
            said = ""
            with JsonLines() if as_json else Screen(str(db)) as out:
                for _ in _beats(end, PER_SECOND):
                    trouble = writing.trouble
                    # The file alone does not change when its process dies.
                    if not watcher.changed() and trouble == said:
                        continue
                    said = trouble
                    rows, positions = (ROWS, ROWS) if isinstance(out, JsonLines) else (out.rows, out.positions)
                    picture = msgspec.structs.replace(watcher.look(rows, positions), writer=trouble)
                    if isinstance(out, JsonLines):
                        out.write_now(picture)
                    else:
                        out.show(picture)
    except BrokenPipeError:
        sys.stderr.close()
    except NotAJournal as error:
        say(f"partfill: {error}", err=True)
        sys.exit(2)
    except apsw.Error as error:
        say(f"partfill: {db} cannot be read: {error}; partfill verify says more", err=True)
        sys.exit(2)


def _beats(end: float | None, per_second: int) -> Iterator[None]:
    """One beat at once, then `per_second` a second, and one last when time is up."""
    while True:
        yield
        now = time.monotonic()
        if end is not None and now >= end:
            return
        time.sleep(1 / per_second if end is None else min(1 / per_second, end - now))
