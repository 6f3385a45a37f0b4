"""partfill decisions DB: what was decided on remainders, why, and with which numbers."""

from __future__ import annotations

import json
from pathlib import Path

import click

from partfill.cli.output import JsonLines
from partfill.cli.tables import (
    Row,
    db_argument,
    instrument_option,
    json_option,
    limit_option,
    most,
    opened,
    plain,
    print_rows,
    since_option,
    until_option,
    wanted,
)
from partfill.model.observations import MAX_TIME
from partfill.model.reasons import MEANINGS, Reason

_REASONS = {reason.value.lower(): reason.value for reason in Reason}


def _verdict(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    found = _REASONS.get(value.lower())
    if found is None:
        raise click.BadParameter(f"{value!r} is no verdict; it is one of {', '.join(sorted(_REASONS.values()))}")
    return found


@click.command()
@db_argument
@instrument_option
@click.option("--ref", help="Only decisions on the order of this ref.")
@click.option("--verdict", callback=_verdict, help="Only this verdict, such as PARTIAL_FILL_CHASE_ABORTED.")
@since_option
@until_option
@limit_option
@click.option("--after", type=click.IntRange(0, MAX_TIME), help="With --json: replay what was delivered after this number.")
@json_option
def decisions(db: Path, instrument: str | None, ref: str | None, verdict: str | None, since: int | None, until: int | None,
              limit: int | None, after: int | None, as_json: bool) -> None:  # fmt: skip
    """Show the decisions on remainders in the journal DB; as JSON with every number seen and what each reason means.

    With --json --after N the reports after number N come oldest first and exactly as a bus or a file of reports gets them
    (docs/schema/execution-report.json), --limit of them at most: 0 is from the beginning on, and the number of the last one is
    where to go on.
    """
    if after is not None:
        if not as_json or any(each is not None for each in (instrument, ref, verdict, since, until)):
            raise click.UsageError("--after replays what was delivered: give it with --json, and with --limit at most")
        _replay(db, after, limit)
        return
    conditions = wanted(
        ("p.instrument = ?", instrument), ("p.ref = ?", ref), ("d.verdict = ?", verdict), ("d.evaluated >= ?", since),
        ("d.evaluated < ?", until),
    )  # fmt: skip
    query = (
        "SELECT body FROM (SELECT d.number, d.body FROM decisions d JOIN parents p ON p.id = d.parent "
        f"WHERE {conditions[0]} ORDER BY d.number DESC{most(limit)}) ORDER BY number"
    )
    columns = ("time", "ref", "instrument", "side", "verdict", "filled_qty", "remaining_qty", "remaining_usd", "depth_usd",
               "ticks", "px", "policy", "mode", "sent")  # fmt: skip
    print_rows(db, query, conditions[1], columns, _told if as_json else _line, as_json, "decisions")


def _replay(db: Path, after: int, limit: int | None) -> None:
    from partfill.runtime.outbox import PAGE, Wire, as_line, reports_after

    with JsonLines() as out, opened(db):
        while limit is None or limit > 0:
            reports = reports_after(db, after, Wire(), PAGE if limit is None else min(limit, PAGE))
            if not reports:
                return
            for report in reports:
                out.write_line(as_line(report))
            after = reports[-1]["number"]
            limit = None if limit is None else limit - len(reports)


def _told(row: Row) -> Row:
    report: Row = json.loads(row["body"])
    meaning = MEANINGS[Reason(report["verdict"])]
    return report | {"severity": meaning.severity, "user_message": meaning.user, "operator_message": meaning.operator}


def _line(row: Row) -> Row:
    report: Row = json.loads(row["body"])
    seen = report.get("seen", {})
    line = {name: report.get(name) for name in ("ref", "instrument", "side", "filled_qty", "remaining_qty", "px", "mode")}
    line["time"], line["policy"] = report["evaluated_at"], report["policy_applied"]
    line["verdict"] = " + ".join(report["reasons"])
    line["remaining_usd"], line["depth_usd"] = seen.get("remaining_usd"), seen.get("book_depth_usd")
    line["ticks"] = seen.get("ticks_to_fill")
    line["sent"] = "yes" if report["carried_out"] else ""
    return plain(line)
