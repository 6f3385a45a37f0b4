"""partfill bench: measure the engine and the journal on this machine."""

from __future__ import annotations

import json
import os
import platform
from typing import Any

import click

from partfill.cli.numbers import whole


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--only", type=click.Choice(["engine", "door", "durable", "recovery", "desk", "decisions"]), help="Only this part."
)
@click.option("--folder", type=click.Path(file_okay=False, exists=True), help="Disk to measure (default: this folder's).")
@click.option("--history", type=whole(1000, 100_000_000), default=1_000_000, show_default=True,
              help="Journalled executions of the recovery measurement.")  # fmt: skip
@click.option("--orders", type=whole(1000, 10_000_000), default=100_000, show_default=True,
              help="Orders that finish in the desk's measurement of memory.")  # fmt: skip
def bench(as_json: bool, only: str | None, folder: str | None, history: int, orders: int) -> None:
    """Measure the engine and the journal on this machine. Takes some minutes; read ratios, not absolutes."""
    from partfill.runtime.bench import decisions, desk, door, durable, engine, recovery

    figures: dict[str, Any] = {
        "machine": {"python": platform.python_version(), "cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}
    }
    if only in (None, "engine"):
        figures["engine"] = engine.run()
    if only in (None, "door"):
        figures["door"] = door.run()
    if only in (None, "durable"):
        figures["durable"] = durable.run(folder)
    if only in (None, "recovery"):
        figures["recovery"] = recovery.run(executions=history, folder=folder)
    if only in (None, "desk"):
        figures["desk"] = desk.run(folder, orders=orders)
    if only in (None, "decisions"):
        figures["decisions"] = decisions.run(folder)
    if as_json:
        click.echo(json.dumps(figures, indent=1))
        return
    for part, values in figures.items():
        click.echo(part)
        for name, value in values.items():
            click.echo(f"  {name:44} {value}")
