"""partfill dust DB: what was left of orders that were taken off as dust, and what became of it."""

from __future__ import annotations

import json
from decimal import Decimal
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
from partfill.model.dust import DustState
from partfill.model.numbers import mul

_COLUMNS = "venue, account, instrument, side, ref, order_ids, qty, price, use, since, state, taken_by"


@click.command()
@db_argument
@instrument_option
@click.option("--venue", help="Only of this venue.")
@click.option("--account", help="Only of this account.")
@click.option("--state", type=click.Choice([each.value for each in DustState]), help="Only what this became of.")
@since_option
@until_option
@limit_option
@json_option
def dust(db: Path, instrument: str | None, venue: str | None, account: str | None, state: str | None, since: int | None,
         until: int | None, limit: int | None, as_json: bool) -> None:  # fmt: skip
    """Show the dust in the journal DB, by account and instrument, oldest first, with the orders that it is from.

    open: it waits; taken: the order of ref taken_by asks for it; gone: its own order filled or worked again after all;
    dropped: too much newer dust came. What may become of it is for the policy of its order to say: record, next_order, sweep.
    """
    conditions = wanted(
        ("instrument = ?", instrument), ("venue = ?", venue), ("account = ?", account), ("state = ?", state),
        ("since >= ?", since), ("since < ?", until),
    )  # fmt: skip
    query = (
        f"SELECT {_COLUMNS}, parent FROM (SELECT {_COLUMNS}, parent FROM dust WHERE {conditions[0]} "
        f"ORDER BY since DESC, parent DESC{most(limit)}) ORDER BY venue, account, instrument, side, since, parent"
    )
    columns = ("since", "venue", "account", "instrument", "side", "qty", "price", "value", "state", "use", "taken_by", "ref",
               "order_ids")  # fmt: skip
    print_rows(db, query, conditions[1], columns, _told if as_json else _line, as_json, "specks of dust")


def _told(row: Row) -> Row:
    del row["parent"]
    row["order_ids"] = json.loads(row["order_ids"])
    return _valued(row)


def _line(row: Row) -> Row:
    row["order_ids"] = " ".join(json.loads(row["order_ids"]))
    return _valued(row)


def _valued(row: Row) -> Row:
    row["value"] = str(mul(Decimal(row["qty"]), Decimal(row["price"])))
    return plain(row)
