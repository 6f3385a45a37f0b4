"""partfill audit FILE --format F: rebuild every order from recorded messages."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import click

from partfill.cli.output import JsonLines, say
from partfill.journal.store import InUse, NotAJournal
from partfill.runtime.audit import Audit, Summary
from partfill.runtime.reading import Unusable, frames, open_text
from partfill.venues.decoding import Decoder
from partfill.venues.fix.decoder import FixDecoder
from partfill.venues.fix.dialect import READY
from partfill.venues.fix.dialect import parse as parse_dialect
from partfill.venues.formats import FORMATS, SHOWN_IDS

MEMBERS = {"lobster": "message"}
"""Which file of a zip holds the messages, per format."""


@click.command()
@click.argument("file")
@click.option("--format", "format_", required=True, type=click.Choice(sorted(FORMATS)), help="What FILE holds.")
@click.option("--dialect", help=f"How a FIX log means its ids: {', '.join(READY)}, or key=value,... (guessed if left out).")
@click.option("--trace", is_flag=True, help="Print one line per message instead of one per order.")
@click.option("--journal", type=click.Path(dir_okay=False, path_type=Path), help="Keep the result as this journal file.")
def audit(file: str, format_: str, dialect: str | None, trace: bool, journal: Path | None) -> None:
    """Rebuild every order of FILE (- is standard input; gz, xz and zip are read as they are).

    Prints JSON Lines, then a summary on standard error. Exit 0: clean; 1: contradictions; 2: unusable input.
    """
    if journal is not None and journal.exists():
        _fail(f"{journal} exists already; name a new file for the journal of this audit")
    decoder = _decoder(format_, dialect)
    summary: Summary | None = None
    try:
        with JsonLines() as out, closing(open_text(file, MEMBERS.get(format_))) as stream, Audit(
            decoder, journal, trace=out.write if trace else None, report=_report, note=_note,
            shown_id=SHOWN_IDS.get(format_, str),
        ) as run:  # fmt: skip
            with _Progress() as progress:
                summary = run.run(frames(stream, decoder.framing), progress.update)
            if not trace:
                out.write_all(run.orders())
    except (Unusable, NotAJournal, InUse) as error:
        _fail(str(error))
    if summary is None:
        # Whoever read the output has enough.
        return
    say(summary_line(summary), err=True)
    sys.exit(_exit_code(summary, format_, file))


def _decoder(format_: str, dialect: str | None) -> Decoder:
    if dialect is None:
        return FORMATS[format_]()
    if format_ != "fix":
        _fail(f"--dialect is for --format fix; a log of format {format_} has none")
    try:
        return FixDecoder(parse_dialect(dialect))
    except ValueError as error:
        _fail(str(error))


def _note(what: str) -> None:
    say(what, err=True)


def summary_line(summary: Summary) -> str:
    """The closing line on standard error."""
    rate = summary.messages / summary.seconds if summary.seconds else 0
    rare = ((summary.odd_fields, "odd fields"), (summary.reordered, "out of order"))
    more = "".join(f", {count} {what}" for count, what in rare if count)
    return (
        f"{summary.orders} orders, {summary.executions} executions, {summary.duplicates} duplicates, "
        f"{summary.parked} parked, {summary.contradictions} contradictions, {summary.damaged} damaged"
        f"{more}; "
        f"{summary.messages} messages in {summary.seconds:.2f} s, {rate:,.0f} messages/s"
    )


def _report(line: int, what: str) -> None:
    say(f"line {line}: {what}", err=True)


def _exit_code(summary: Summary, format_: str, file: str) -> int:
    if not summary.messages and not summary.damaged:
        say(f"partfill: {file} holds no message of format {format_}; is this the right format?", err=True)
        return 2
    return summary.exit_code


def _fail(why: str) -> NoReturn:
    say(f"partfill: {why}", err=True)
    sys.exit(2)


class _Progress:
    """A progress bar on standard error while a terminal watches, nothing otherwise."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> _Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            columns = (SpinnerColumn(), TextColumn("{task.completed:,} messages"), TimeElapsedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("audit", total=None)
            self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, messages: int) -> None:
        """Show how far it is."""
        if self._bar is not None:
            self._bar.update(self._task, completed=messages)
