"""partfill orders DB and partfill fills DB: what a journal holds, for people and as JSON Lines."""

from __future__ import annotations

from pathlib import Path

import click

from partfill.cli.tables import (
    Row,
    db_argument,
    instrument_option,
    json_option,
    limit_option,
    most,
    plain,
    print_rows,
    since_option,
    until_option,
    wanted,
)
from partfill.model.words import OrdStatus, flag_names
from partfill.service.picture import SHOWN_STATE

_STATUSES = {status.value.lower(): status.value for status in OrdStatus}


def _status(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    found = _STATUSES.get(value.lower().replace("_", "").replace(" ", ""))
    if found is None:
        raise click.BadParameter(f"{value!r} is no order status; it is one of {', '.join(sorted(_STATUSES.values()))}")
    return found


@click.command()
@db_argument
@instrument_option
@click.option("--status", callback=_status, help="Only this order status, such as PartiallyFilled.")
@click.option("--open", "only_open", is_flag=True, help="Only orders on which something may still happen.")
@since_option
@until_option
@limit_option
@click.option("--parents", is_flag=True, help="The orders you submitted, instead of those at the venues.")
@json_option
def orders(db: Path, instrument: str | None, status: str | None, only_open: bool, since: int | None, until: int | None,
           limit: int | None, parents: bool, as_json: bool) -> None:  # fmt: skip
    """Show the orders in the journal DB: those at the venues, or with --parents those that were submitted to partfill."""
    if parents:
        if status is not None:
            raise click.UsageError("--status is of an order at a venue; a parent order has a state: leave out one of the two")
        _parents(db, instrument, only_open, since, until, limit, as_json)
        return
    where = wanted(("instrument = ?", instrument), ("ord_status = ?", status), ("updated >= ?", since), ("updated < ?", until))
    if only_open:
        where = (where[0] + " AND open = 1", where[1])
    query = f"SELECT * FROM (SELECT * FROM children WHERE {where[0]} ORDER BY id DESC{most(limit)}) ORDER BY id"
    columns = ("order", "order_id", "cl_ord_id", "instrument", "side", "ord_status", "order_qty", "cum_qty", "leaves_qty",
               "avg_px", "executions", "flags", "updated")  # fmt: skip
    print_rows(db, query, where[1], columns, _order, as_json, "orders")


def _parents(db: Path, instrument: str | None, only_open: bool, since: int | None, until: int | None, limit: int | None,
             as_json: bool) -> None:  # fmt: skip
    where = wanted(("p.instrument = ?", instrument), ("p.updated >= ?", since), ("p.updated < ?", until))
    if only_open:
        where = (where[0] + " AND p.open = 1", where[1])
    query = (
        "SELECT * FROM (SELECT p.id, p.ref, p.venue, p.account, p.instrument, p.side, p.order_qty, p.price, p.cum_qty, "
        f"p.avg_px, p.children, {SHOWN_STATE} AS state, p.open, p.updated, p.seq FROM parents p WHERE {where[0]} "
        f"ORDER BY p.id DESC{most(limit)}) ORDER BY id"
    )
    columns = ("ref", "instrument", "side", "order_qty", "cum_qty", "avg_px", "children", "state", "updated")
    print_rows(db, query, where[1], columns, _parent, as_json, "parent orders")


@click.command()
@db_argument
@instrument_option
@click.option("--order", help="Only executions of this ref of yours, venue order id or client order id.")
@click.option("--status", callback=_status, help="Only executions of orders in this status.")
@since_option
@until_option
@limit_option
@json_option
def fills(db: Path, instrument: str | None, order: str | None, status: str | None, since: int | None, until: int | None,
          limit: int | None, as_json: bool) -> None:  # fmt: skip
    """Show the executions in the journal DB, voided ones included and marked."""
    by_name = (
        "e.child IN (WITH asked(name) AS (SELECT ?) SELECT n.child FROM asked JOIN names n ON n.name = asked.name "
        "UNION SELECT w.child FROM asked JOIN parents p ON p.ref = asked.name JOIN work w ON w.parent = p.id)"
    )
    where = wanted(
        ("c.instrument = ?", instrument), (by_name, order), ("c.ord_status = ?", status), ("j.now >= ?", since),
        ("j.now < ?", until),
    )  # fmt: skip
    query = (
        "SELECT * FROM (SELECT e.seq, j.now AS time, e.child AS 'order', c.order_id, c.cl_ord_id, c.instrument, c.side, e.key, "
        "e.qty, e.px, e.fee, e.fee_currency, e.void, e.leg, e.venue_time FROM executions e JOIN children c ON c.id = e.child "
        f"LEFT JOIN journal j ON j.seq = e.seq WHERE {where[0]} ORDER BY e.seq DESC{most(limit)}) ORDER BY seq"
    )
    columns = ("time", "order", "order_id", "instrument", "side", "key", "qty", "px", "fee", "void")
    print_rows(db, query, where[1], columns, _fill, as_json, "executions")


def _order(row: Row) -> Row:
    row["order"] = row.pop("id")
    row["flags"] = flag_names(row["flags"])
    row["open"] = bool(row["open"])
    del row["state"]
    return plain(row)


def _parent(row: Row) -> Row:
    row["open"] = bool(row["open"])
    return plain(row)


def _fill(row: Row) -> Row:
    row["void"] = bool(row["void"])
    return plain(row)
