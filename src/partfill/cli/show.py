"""partfill orders DB and partfill fills DB: what a journal holds, for people and as JSON Lines."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import apsw
import click

from partfill.cli.output import JsonLines
from partfill.journal.store import NotAJournal, Store
from partfill.model.numbers import text
from partfill.model.observations import MAX_TIME
from partfill.model.words import OrdStatus, flag_names
from partfill.service.picture import PARENT_STATE

_STATUSES = {status.value.lower(): status.value for status in OrdStatus}
_SIGNS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Signs that a terminal would obey: a venue's text is shown, never played."""
_NUMBERS = ("price", "order_qty", "cum_qty", "leaves_qty", "canceled_qty", "provisional_qty", "overfill_qty", "notional",
            "avg_px", "qty", "px", "fee")  # fmt: skip


def _status(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    found = _STATUSES.get(value.lower().replace("_", "").replace(" ", ""))
    if found is None:
        raise click.BadParameter(f"{value!r} is no order status; it is one of {', '.join(sorted(_STATUSES.values()))}")
    return found


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


_db = click.argument("db", type=click.Path(dir_okay=False, path_type=Path))
_instrument = click.option("--instrument", help="Only this instrument.")
_since = click.option("--since", callback=_time, help="Only what changed at or after this time (ISO, UTC, or ns).")
_until = click.option("--until", callback=_time, help="Only what changed before this time.")
_limit = click.option("--limit", type=click.IntRange(min=1), help="At most so many rows, the newest.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")


@click.command()
@_db
@_instrument
@click.option("--status", callback=_status, help="Only this order status, such as PartiallyFilled.")
@click.option("--open", "only_open", is_flag=True, help="Only orders on which something may still happen.")
@_since
@_until
@_limit
@click.option("--parents", is_flag=True, help="The orders you submitted, instead of those at the venues.")
@_json
def orders(db: Path, instrument: str | None, status: str | None, only_open: bool, since: int | None, until: int | None,
           limit: int | None, parents: bool, as_json: bool) -> None:  # fmt: skip
    """Show the orders in the journal DB: those at the venues, or with --parents those that were submitted to partfill."""
    if parents:
        if status is not None:
            raise click.UsageError("--status is of an order at a venue; a parent order has a state: leave out one of the two")
        _parents(db, instrument, only_open, since, until, limit, as_json)
        return
    where = _where(("instrument = ?", instrument), ("ord_status = ?", status), ("updated >= ?", since), ("updated < ?", until))
    if only_open:
        where = (where[0] + " AND open = 1", where[1])
    query = f"SELECT * FROM (SELECT * FROM children WHERE {where[0]} ORDER BY id DESC{_most(limit)}) ORDER BY id"
    columns = ("order", "order_id", "cl_ord_id", "instrument", "side", "ord_status", "order_qty", "cum_qty", "leaves_qty",
               "avg_px", "executions", "flags", "updated")  # fmt: skip
    _print(db, query, where[1], columns, _order, as_json, "orders")


def _parents(db: Path, instrument: str | None, only_open: bool, since: int | None, until: int | None, limit: int | None,
             as_json: bool) -> None:  # fmt: skip
    where = _where(("p.instrument = ?", instrument), ("p.updated >= ?", since), ("p.updated < ?", until))
    if only_open:
        where = (where[0] + " AND p.open = 1", where[1])
    query = (
        "SELECT * FROM (SELECT p.id, p.ref, p.venue, p.account, p.instrument, p.side, p.order_qty, p.price, p.cum_qty, "
        f"p.avg_px, p.children, {PARENT_STATE} AS state, p.open, p.updated, p.seq FROM parents p WHERE {where[0]} "
        f"ORDER BY p.id DESC{_most(limit)}) ORDER BY id"
    )
    columns = ("ref", "instrument", "side", "order_qty", "cum_qty", "avg_px", "children", "state", "updated")
    _print(db, query, where[1], columns, _parent, as_json, "parent orders")


@click.command()
@_db
@_instrument
@click.option("--order", help="Only executions of this venue order id or client order id.")
@click.option("--status", callback=_status, help="Only executions of orders in this status.")
@_since
@_until
@_limit
@_json
def fills(db: Path, instrument: str | None, order: str | None, status: str | None, since: int | None, until: int | None,
          limit: int | None, as_json: bool) -> None:  # fmt: skip
    """Show the executions in the journal DB, voided ones included and marked."""
    by_name = "e.child IN (SELECT child FROM names WHERE name = ?)"
    where = _where(
        ("c.instrument = ?", instrument), (by_name, order), ("c.ord_status = ?", status), ("j.now >= ?", since),
        ("j.now < ?", until),
    )  # fmt: skip
    query = (
        "SELECT * FROM (SELECT e.seq, j.now AS time, e.child AS 'order', c.order_id, c.cl_ord_id, c.instrument, c.side, e.key, "
        "e.qty, e.px, e.fee, e.fee_currency, e.void, e.leg, e.venue_time FROM executions e JOIN children c ON c.id = e.child "
        f"LEFT JOIN journal j ON j.seq = e.seq WHERE {where[0]} ORDER BY e.seq DESC{_most(limit)}) ORDER BY seq"
    )
    columns = ("time", "order", "order_id", "instrument", "side", "key", "qty", "px", "fee", "void")
    _print(db, query, where[1], columns, _fill, as_json, "executions")


def _where(*conditions: tuple[str, Any]) -> tuple[str, tuple[Any, ...]]:
    wanted = [(sql, value) for sql, value in conditions if value is not None]
    return " AND ".join([sql for sql, _ in wanted] or ["1"]), tuple(value for _, value in wanted)


def _most(limit: int | None) -> str:
    return "" if limit is None else f" LIMIT {int(limit)}"


def _order(row: dict[str, Any]) -> dict[str, Any]:
    row["order"] = row.pop("id")
    row["flags"] = flag_names(row["flags"])
    row["open"] = bool(row["open"])
    del row["state"]
    return _plain(row)


def _parent(row: dict[str, Any]) -> dict[str, Any]:
    row["open"] = bool(row["open"])
    return _plain(row)


def _fill(row: dict[str, Any]) -> dict[str, Any]:
    row["void"] = bool(row["void"])
    return _plain(row)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    for name in _NUMBERS:
        if row.get(name) is not None:
            row[name] = text(Decimal(row[name]))
    return row


def _print(db: Path, query: str, values: tuple[Any, ...], columns: tuple[str, ...], shape: Any, as_json: bool,
           noun: str) -> None:  # fmt: skip
    try:
        store = Store(db, read_only=True)
    except NotAJournal as error:
        click.echo(f"partfill: {error}", err=True)
        sys.exit(2)
    except apsw.Error as error:
        _damaged(db, error)
    rows: Iterator[dict[str, Any]] = (shape(row) for row in store.rows(query, values))
    try:
        if as_json:
            with JsonLines() as out:
                out.write_all(rows)
        else:
            _table(rows, columns, noun)
    except apsw.Error as error:
        _damaged(db, error)
    finally:
        store.close()


def _damaged(db: Path, error: Exception) -> NoReturn:
    click.echo(f"partfill: {db} is damaged: {error}; partfill verify says more", err=True)
    sys.exit(2)


def _table(rows: Iterator[dict[str, Any]], columns: tuple[str, ...], noun: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in columns:
        right = name in _NUMBERS or name in ("order", "executions", "children")
        table.add_column(name, justify="right" if right else "left", no_wrap=name not in ("flags",), overflow="ellipsis")
    count = 0
    for row in rows:
        count += 1
        cells = (Text(_SIGNS.sub("?", _cell(name, row.get(name)))) for name in columns)
        table.add_row(*cells, style=_style(row))
    console = Console(width=None if sys.stdout.isatty() else 240)
    if count:
        console.print(table)
    console.print(f"{count} {noun}", highlight=False)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name in ("updated", "time"):
        seconds, rest = divmod(int(value), 1_000_000_000)
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S") + f".{rest // 1000:06d}"
    if name == "avg_px":
        return text(round(Decimal(value), 8))
    if name == "void":
        return "void" if value else ""
    return " ".join(value) if isinstance(value, list) else str(value)


def _style(row: dict[str, Any]) -> str:
    if row.get("void") or "QUARANTINED" in row.get("flags", ()) or "OVERFILL" in row.get("flags", ()):
        return "red"
    return ""
