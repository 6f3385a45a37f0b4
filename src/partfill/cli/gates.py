"""partfill gates DB: may decisions on remainders reach further, by what the journal shows?"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from partfill.cli.output import JsonLines
from partfill.cli.tables import db_argument, json_option, opened
from partfill.model.harmless import harmless
from partfill.model.numbers import text
from partfill.model.policy import Mode
from partfill.service.gates import Gate, State, gates, passed

_STYLES = {State.PASS: "green", State.FAIL: "red", State.NOT_ENOUGH_DATA: "yellow"}
_TO = [Mode.LIMITED_LIVE.value, Mode.GENERAL_LIVE.value]


@click.command("gates")
@db_argument
@click.option("--to", type=click.Choice(_TO), help="Only the gates to this mode.")
@json_option
def show(db: Path, to: str | None, as_json: bool) -> None:
    """Compute the promotion gates of decisions on remainders from the journal DB, also beside a daemon that writes it.

    To limited_live: no chase beyond the limit of its order's policy, over the last 48 h of the newest run in shadow_only. To
    general_live: under 5 % of the partial fills decided on end as dust, and few chases are given up, over the last 7 days of
    the newest run in limited_live. To shadow_only: the tests, which no journal can tell of.

    Exit 0: every gate that can be computed passes; 1: one fails, or there is not enough data; 2: DB cannot be used.
    """
    with opened(db) as store:
        found = [gate for gate in gates(store) if to is None or gate.to == to]
    if as_json:
        with JsonLines() as out:
            out.write_all(msgspec.to_builtins(gate) for gate in found)
    else:
        _table(found)
    sys.exit(0 if passed(found) else 1)


def _table(found: list[Gate]) -> None:
    from rich.text import Text

    from partfill.cli import grid

    # All but the names are measured: never shortened.
    columns = [grid.Column(name, whole=name not in ("to", "gate", "state"))
               for name in ("to", "gate", "state", "measured", "threshold", "covered", "until")]  # fmt: skip
    rows = []
    for gate in found:
        covered = f"{text(gate.covered_h)} of {gate.window_h} h" if gate.window_h else "-"
        until = "-" if gate.ends is None else datetime.fromtimestamp(gate.ends // 1_000_000_000, UTC).isoformat(" ")[:19]
        cells = (gate.to, gate.gate, gate.state.upper(), gate.measured, gate.threshold, covered, until)
        rows.append(grid.Row(cells, _STYLES.get(gate.state, "")))
    closing = []
    for gate in found:
        counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in gate.counts.items())
        closing.append(Text(harmless(f"{gate.gate}: {gate.note}{f' ({counts})' if counts else ''}")))
        for each in gate.violations:
            closing.append(Text(harmless(f"  {each.report_id}: {each.why}"), style="red"))
        hidden = gate.counts.get("violations", 0) - len(gate.violations)
        if hidden > 0:
            closing.append(Text(f"  and {hidden} more", style="red"))
    grid.show(columns, rows, closing)
