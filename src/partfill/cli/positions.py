"""partfill positions DB: what is held, what it was entered at, and what was made of what is closed."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import click

from partfill.cli.tables import Row, db_argument, instrument_option, json_option, plain, print_rows, wanted
from partfill.journal.protection_state import thaw_protection
from partfill.journal.store import NotAJournal, Store
from partfill.model.numbers import ZERO, NotANumber, add, dec, mul, sub, text

_COLUMNS = ("venue", "account", "instrument", "qty", "avg_px", "realised", "unrealised", "fees", "protected", "rounds", "since",
            "unchanged")  # fmt: skip
_WORKING = (
    "SELECT p.venue, p.account, p.instrument, p.side, p.ref, c.leaves_qty FROM parents p JOIN work w ON w.parent = p.id "
    "JOIN children c ON c.id = w.child WHERE c.open = 1 AND c.ord_status <> 'PendingNew' AND p.ref LIKE 'guard:%'"
)
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
@click.option("--mark", "marks", multiple=True, callback=_marks, help="INSTRUMENT=PRICE: what the open quantity is worth at.")
@json_option
def positions(db: Path, instrument: str | None, venue: str | None, account: str | None, everything: bool,
              marks: dict[str, Decimal], as_json: bool) -> None:  # fmt: skip
    """Show the positions in the journal DB: quantity (below zero is short), average price of entry, and result.

    realised is what was made of all that is closed, unrealised what the open quantity would bring at the price of --mark; both
    before fees, which stand beside them per currency, and without the multiplier of an instrument. An average price is missing
    while a fill has no price yet. unchanged: time since the last change. protected: of each stop and target what works at the
    venue, of what should; a position that is not covered is red.
    """
    conditions = wanted(
        ("instrument = ?", instrument),
        ("venue = ?", venue),
        ("account = ?", account),
        ("qty <> ?", None if everything else "0"),
    )
    query = (
        "SELECT venue, account, instrument, qty, avg_px, cost, realised, fees, rounds, since, changed, "
        f"state->>0 AS unpriced FROM positions WHERE {conditions[0]} ORDER BY venue, account, instrument"
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
        works: dict[tuple[str, ...], Decimal] = {}
        for row in store.rows(_WORKING):
            number, name = row["ref"].split(":")[1:3]
            key = (row["venue"], row["account"], row["instrument"], number, name)
            works[key] = add(works.get(key, ZERO), Decimal(row["leaves_qty"]))
        desk = json.loads(store.engine_body() or '[0,0,0,""]')[3]
        found: dict[Key, list[Row]] = {}
        for protection, _ in map(thaw_protection, store.protections()):
            key3 = protection.place[:3]
            for guard in protection.guards:
                works_now = works.get((*key3, f"{desk}{protection.number}", guard.leg.name), ZERO)
                if guard.waits and not protection.blind_since:
                    works_now = add(works_now, guard.wanted)
                if protection.wanted or works_now:
                    leg = {
                        "name": guard.leg.name,
                        "wanted": text(guard.wanted),
                        "works": text(works_now),
                        "watched": guard.waits,
                    }
                    found.setdefault(key3, []).append(leg)
        return found
    finally:
        store.close()


def _unrealised(row: Row, mark: Decimal | None) -> str | None:
    if mark is None or row["unpriced"]:
        return None
    return text(sub(mul(Decimal(row["qty"]), mark), Decimal(row["cost"])))


def _told(row: Row, mark: Decimal | None, now: int) -> Row:
    row["unrealised"] = _unrealised(row, mark)
    row["fees"] = json.loads(row["fees"])
    row["unchanged_s"] = max(0, now - row["changed"]) // 1_000_000_000
    row["unpriced"] = bool(row["unpriced"])
    return plain(row)


def _line(row: Row, mark: Decimal | None, now: int) -> Row:
    fees: dict[str, Any] = json.loads(row["fees"])
    line = _told(row, mark, now)
    line["fees"] = " ".join(f"{text(Decimal(amount))} {currency}".rstrip() for currency, amount in sorted(fees.items()))
    line["unchanged"] = _ago(line["unchanged_s"])
    line["protected"] = ", ".join(f"{leg['name']} {leg['works']}/{leg['wanted']}" for leg in line["legs"])
    return line


def _ago(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
