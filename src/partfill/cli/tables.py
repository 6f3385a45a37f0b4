"""Rows of a journal as a table or as JSON Lines, and the options that every such command has."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import click

from partfill.cli.numbers import whole
from partfill.cli.output import JsonLines, say
from partfill.journal.store import NotAJournal, Store
from partfill.model.numbers import text
from partfill.model.observations import MAX_TIME

NUMBERS = ("price", "order_qty", "cum_qty", "leaves_qty", "canceled_qty", "provisional_qty", "overfill_qty", "notional",
           "avg_px", "qty", "px", "fee", "filled_qty", "remaining_qty", "remaining_usd", "depth_usd", "ticks",
           "value", "cost", "held", "realised", "net", "unrealised", "total")  # fmt: skip
"""Columns that hold a number, shown without needless zeros and to the right."""
_COUNTS = ("order", "executions", "children", "rounds", "works", "wanted")
_WHOLE = ("updated", "time", "since", "unchanged", "fees", "protected", "venue_says", "flags", "void", "side")
"""Other columns that are never shortened: times, and what has numbers in it."""

Row = dict[str, Any]


def _time(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return min(int(value[:25]), MAX_TIME)
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no time; give 2026-01-31T14:30 (UTC) or nanoseconds") from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return min((since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000, MAX_TIME)


db_argument = click.argument("db", type=click.Path(dir_okay=False, path_type=Path))
instrument_option = click.option("--instrument", help="Only this instrument.")
since_option = click.option("--since", callback=_time, help="Only what changed at or after this time (ISO, UTC, or ns).")
until_option = click.option("--until", callback=_time, help="Only what changed before this time.")
limit_option = click.option("--limit", type=whole(1), help="At most so many rows, the newest.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")


def wanted(*conditions: tuple[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """(condition, its values) of those that were asked for."""
    given = [(sql, value) for sql, value in conditions if value is not None]
    return " AND ".join([sql for sql, _ in given] or ["1"]), tuple(value for _, value in given)


def most(limit: int | None) -> str:
    """The LIMIT of a query."""
    return "" if limit is None else f" LIMIT {int(limit)}"


def plain(row: Row) -> Row:
    """The row with its numbers as plain digits."""
    for name in NUMBERS:
        if row.get(name) is not None:
            row[name] = text(Decimal(row[name]))
    return row


def print_rows(
    db: Path,
    query: str,
    values: tuple[Any, ...],
    columns: tuple[str, ...],
    shape: Callable[[Row], Row],
    as_json: bool,
    noun: str,
) -> None:
    """Print what a query finds, each row through `shape`; a file that is no journal, or is damaged, ends with 2."""
    with opened(db) as store:
        rows: Iterator[Row] = (shape(row) for row in store.rows(query, values))
        if as_json:
            with JsonLines() as out:
                out.write_all(rows)
        else:
            _table(rows, columns, noun)


@contextmanager
def opened(db: Path) -> Iterator[Store]:
    """The journal `db`, to be read; a file that is none, or turns out to be damaged, ends the program with 2."""
    try:
        store = Store(db, read_only=True)
        try:
            yield store
        finally:
            store.close()
    except NotAJournal as error:
        say(f"partfill: {error}", err=True)
        sys.exit(2)
    except apsw.Error as error:
        say(f"partfill: {db} is damaged: {error}; partfill verify says more", err=True)
        sys.exit(2)


def moment(ns: int) -> str:
    """A time (ns UTC) as people read it, to the microsecond."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S") + f".{rest // 1000:06d}"


def _table(rows: Iterator[Row], columns: tuple[str, ...], noun: str) -> None:
    from rich.text import Text

    from partfill.cli import grid

    heads = [grid.Column(name, whole=name in NUMBERS + _COUNTS + _WHOLE, right=name in NUMBERS + _COUNTS) for name in columns]
    shown = [grid.Row([_cell(name, row.get(name)) for name in columns], _style(row)) for row in rows]
    grid.show(heads, shown, [Text(f"{len(shown)} {noun}")])


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name in ("updated", "time", "since"):
        return moment(int(value))
    if name in ("avg_px", "realised", "net", "unrealised", "total"):
        return text(round(Decimal(value), 8))
    if name == "void":
        return "void" if value else ""
    return " ".join(value) if isinstance(value, list) else str(value)


def _style(row: Row) -> str:
    grave = {"QUARANTINED", "OVERFILL", "DISPUTED"}
    if row.get("void") or row.get("uncovered") or grave.intersection(row.get("flags", ())):
        return "red"
    return ""
