"""partfill verify DB: replay a journal from nothing and compare every table."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from partfill.cli.output import JsonLines, say
from partfill.journal.store import InUse, NotAJournal
from partfill.journal.store import accept_cut as take
from partfill.journal.verify import verify as prove


@click.command()
@click.argument("db", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--accept-cut", is_flag=True, help="Take a file whose write-ahead log is lost for good as it is, from now on.")
def verify(db: Path, as_json: bool, accept_cut: bool) -> None:
    """Replay the journal DB into an empty state and compare every table and the state hash.

    Exit 0: the file proves itself; 1: it does not; 2: it is no journal.
    """
    try:
        if accept_cut:
            take(db)
        verdict = prove(db)
    except (NotAJournal, InUse) as error:
        say(f"partfill: {error}", err=True)
        sys.exit(2)
    if as_json:
        with JsonLines() as out:
            out.write(
                {
                    "ok": verdict.ok,
                    "inputs": verdict.inputs,
                    "rows": verdict.rows,
                    "hash_live": verdict.hash_live,
                    "hash_replay": verdict.hash_replay,
                    "problems": verdict.problems,
                }
            )
    else:
        rows = ", ".join(f"{count} {table}" for table, count in verdict.rows.items())
        say(f"{db}: {verdict.inputs} inputs replayed; {rows}")
        say(f"state hash  file   {verdict.hash_live}")
        say(f"            replay {verdict.hash_replay}")
        for problem in verdict.problems:
            say(f"differs: {problem}")
        say("proved: every table equals its replay" if verdict.ok else "NOT PROVED")
    sys.exit(0 if verdict.ok else 1)
