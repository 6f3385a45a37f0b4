"""partfill positions DB: what is held, what it was entered at, and what was made of what is closed, with and without fees."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import click

from partfill.cli.tables import Row, db_argument, instrument_option, json_option, plain, print_rows, wanted
from partfill.journal.store import NotAJournal, Store
from partfill.model.numbers import NotANumber, add, dec, mul, sub, text
from partfill.service.held import legs_of

_COLUMNS = ("venue", "account", "instrument", "qty", "held", "avg_px", "realised", "net", "unrealised", "total", "fees",
            "venue_says", "protected", "rounds", "since", "unchanged")  # fmt: skip
Key = tuple[str, str, str]


def _marks(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Decimal]:
    found = {}
    for value in values:
        instrument, is_price, price = value.rpartition("=")
        try:
            found[instrument] = dec(price, "a price")
        except NotANumber as error:
            raise click.BadParameter(f"{value!r}: {error}; give INSTRUMENT=PRICE, such as ACME=25.10") from None
        if not is_price or not instrument:
            raise click.BadParameter(f"{value!r} is no mark; give INSTRUMENT=PRICE, such as ACME=25.10")
    return found


@click.command()
@db_argument
@instrument_option
@click.option("--venue", help="Only of this venue.")
@click.option("--account", help="Only of this account.")
@click.option("--all", "everything", is_flag=True, help="Closed positions too.")
@click.option("--mark", "marks", multiple=True, callback=_marks, help="INSTRUMENT=PRICE: what is held is worth so much.")
@json_option
def positions(db: Path, instrument: str | None, venue: str | None, account: str | None, everything: bool,
              marks: dict[str, Decimal], as_json: bool) -> None:  # fmt: skip
    """Show the positions in the journal DB: quantity (below zero is short), average price of entry, and result.

    qty is what fills add up to, held the same less the fees that were taken in the base asset. Results are in quote currency,
    with the multiplier of the instrument: realised is what was made of all that is closed, before all fees but those in base;
    net is that less the fees in quote currency; unrealised is what the price of --mark makes of what is held; total is net and
    unrealised. fees are all that were taken, per currency; those in a third currency are in no result. net is missing where the
    venue did not say which currency prices are in, and fees have one. An average price, net and total are missing while a fill
    has no price yet. venue_says: what is held by the venue's own books, while that differs. unchanged: time since the last
    change. protected: of each stop and target what works, of what should; one whose price is watched and that is no order yet
    says so; a position that is not covered is red.
    """
    conditions = wanted(
        ("p.instrument = ?", instrument),
        ("p.venue = ?", venue),
        ("p.account = ?", account),
        ("p.held <> ?", None if everything else "0"),
    )
    query = (
        "SELECT p.venue, p.account, p.instrument, p.qty, p.held, p.avg_px, p.cost, p.realised, p.net, i.quote, "
        "coalesce(i.multiplier, '1') AS multiplier, p.fees, p.rounds, p.since, p.changed, p.state->>0 AS unpriced, "
        "p.state->>7 AS venue_says "
        "FROM positions p LEFT JOIN instruments i ON i.venue = p.venue AND i.instrument = p.instrument "
        f"WHERE {conditions[0]} ORDER BY p.venue, p.account, p.instrument"
    )
    now = time.time_ns()
    show = _told if as_json else _line
    legs = _legs(db)

    def one(row: Row) -> Row:
        row["legs"] = legs.get((row["venue"], row["account"], row["instrument"]), [])
        row["uncovered"] = any(leg["works"] != leg["wanted"] for leg in row["legs"])
        return show(row, marks.get(row["instrument"]), now)

    print_rows(db, query, conditions[1], _COLUMNS, one, as_json, "positions")


def _legs(db: Path) -> dict[Key, list[Row]]:
    """Of every protection what of each leg should work, and what does."""
    try:
        store = Store(db, read_only=True)
    except (NotAJournal, apsw.Error):
        # Whoever reads the positions says so.
        return {}
    try:
        found: dict[Key, list[Row]] = {}
        for row in store.protections():
            legs = [
                {"name": leg.name, "wanted": text(leg.wanted), "works": text(leg.works), "watched": leg.watched}
                for leg in legs_of(store, row)
            ]
            if legs:
                found.setdefault(row[1:4], []).extend(legs)
        return found
    finally:
        store.close()


def _results(row: Row, mark: Decimal | None) -> None:
    """Put in what there is at the price `mark`, all in quote currency with the multiplier; what cannot be told is None."""
    multiplier = Decimal(row["multiplier"])
    for name in ("cost", "realised"):
        row[name] = mul(Decimal(row[name]), multiplier)
    row["unrealised"] = row["total"] = None
    if mark is not None and not row["unpriced"]:
        row["unrealised"] = sub(mul(mul(Decimal(row["held"]), mark), multiplier), row["cost"])
        row["total"] = None if row["net"] is None else add(Decimal(row["net"]), row["unrealised"])


def _told(row: Row, mark: Decimal | None, now: int) -> Row:
    _results(row, mark)
    row["fees"] = json.loads(row["fees"])
    row["unchanged_s"] = max(0, now - row["changed"]) // 1_000_000_000
    row["unpriced"] = bool(row["unpriced"])
    return plain(row)


def _line(row: Row, mark: Decimal | None, now: int) -> Row:
    fees: dict[str, Any] = json.loads(row["fees"])
    line = _told(row, mark, now)
    line["fees"] = " ".join(f"{text(Decimal(amount))} {currency}".rstrip() for currency, amount in sorted(fees.items()))
    line["unchanged"] = _ago(line["unchanged_s"])
    line["protected"] = ", ".join(
        f"{leg['name']} {leg['works']}/{leg['wanted']}{' watched' if leg['watched'] else ''}" for leg in line["legs"]
    )
    return line


def _ago(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
