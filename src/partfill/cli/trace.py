"""partfill trace DB: what happened to one order or one instrument, in order, and what followed from what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec

from partfill.cli.output import JsonLines, say
from partfill.cli.tables import db_argument, json_option, moment, opened
from partfill.cli.words import MS, sentence
from partfill.model.codec import NotAnInput
from partfill.model.harmless import harmless
from partfill.model.observations import MAX_TIME
from partfill.runtime.tracing import Line, NotThere, Wanted
from partfill.runtime.tracing import trace as traced


@click.command()
@db_argument
@click.option("--ref", help="The order of this ref; one that protects a position too (guard:...).")
@click.option("--order", help="The order of this venue order id or client order id.")
@click.option("--instrument", help="Everything of this instrument: its orders, stops, targets and positions.")
@click.option("--venue", help="Only at this venue.")
@click.option("--account", help="Only of this account.")
@click.option("--after", type=click.IntRange(0, MAX_TIME), default=0, help="Only what came after this number of the journal.")
@json_option
def trace(db: Path, ref: str | None, order: str | None, instrument: str | None, venue: str | None, account: str | None,
          after: int, as_json: bool) -> None:  # fmt: skip
    """Show in order what happened to one order or one instrument in the journal DB: say which with one of --ref, --order and
    --instrument.

    A line has its number in the journal, the time (UTC), what it is about, and what happened. <- is what came in: commands,
    executions, reports, replies, time. ! is what followed here. -> is what was asked of the venue, because of the input of that
    number. A reply says the number of the step in which its request was made, and how long that took. ? at the end is what was
    asked and not answered so far. What the order made others do is shown too: a fill that resizes a stop, the reply to that.

    It goes through the whole journal once, some 60 microseconds an input, and holds up no daemon that writes it. With --json
    one object a line, times in ns, and what happened with every field. Exit 1: no such order or instrument; 2: DB cannot be
    read.
    """
    if sum(each is not None for each in (ref, order, instrument)) != 1:
        raise click.UsageError("say what to follow: exactly one of --ref, --order and --instrument")
    wanted = Wanted(ref=ref, order=order, instrument=instrument, venue=venue, account=account)
    with opened(db), JsonLines() as out:
        try:
            for line in traced(db, wanted, after=after):
                if as_json:
                    out.write(_row(line))
                else:
                    out.write_line(_text(line, named=venue is None).encode(errors="replace"))
        except NotThere as error:
            _fail(1, error)
        except NotAnInput as error:
            _fail(2, f"{db} is damaged: {error}; partfill verify says more")


def _fail(code: int, why: object) -> NoReturn:
    say(f"partfill: {why}", err=True)
    sys.exit(code)


def _text(line: Line, *, named: bool) -> str:
    place = f"{line.venue}/{line.account}".rstrip("/") if named else ""
    who = " ".join(each for each in (place, line.ref or line.order_id or line.cl_ord_id) if each)
    said = harmless(f"{who or '-'}: {sentence(line)}")
    return f"{line.seq:>8}  {moment(line.now)}  {line.direction:<2}  {said}\n"


def _row(line: Line) -> dict[str, Any]:
    what = msgspec.to_builtins(line.what, builtin_types=())
    return {
        "seq": line.seq, "time": line.now, "direction": line.direction.value, "kind": what.pop("type"), "venue": line.venue,
        "account": line.account, "instrument": line.instrument, "side": line.side, "ref": line.ref, "order": line.order,
        "order_id": line.order_id, "cl_ord_id": line.cl_ord_id, "because": line.because, "took_ms": _ms(line.took_ns),
        "waited_ms": _ms(line.waited_ns), "known": line.known, "text": sentence(line), "what": what,
    }  # fmt: skip


def _ms(ns: int | None) -> float | None:
    return None if ns is None else ns / MS
