"""partfill run CONFIG: the daemon."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import click

from partfill.cli.output import say, say_json
from partfill.journal.store import InUse, NotAJournal
from partfill.runtime.keys import WrongKeys
from partfill.service.address import Unusable
from partfill.service.config import Invalid, load
from partfill.venues.protocol import VenueDown


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True,
              help="What is written to standard error.")  # fmt: skip
def run(config: Path, log_level: str) -> None:
    """Run the daemon that CONFIG describes, until SIGINT or SIGTERM.

    PARTFILL_POLL_INTERVAL_MS and the other keys of [execution.fill_management] may be set in the environment, which goes
    before the file.

    It prints one line of JSON once it is ready, takes commands on the socket beside its journal (partfill kill, partfill
    cancel), and stops cleanly; a second signal stops it at once. Log lines go to standard error. /metrics and /health are
    served to this machine at the "http" of that line.

    Exit 0: stopped as told; 1: the journal or a venue failed; 2: the configuration, its keys, its port or the journal cannot be
    used.
    """
    from partfill.service.daemon import run as serve
    from partfill.service.log import to_stderr

    to_stderr(log_level)
    try:
        found = load(config, os.environ)
        code = asyncio.run(serve(found, _ready))
    except Invalid as invalid:
        for mistake in invalid.mistakes:
            say(f"partfill: {mistake}", err=True)
        sys.exit(2)
    except (NotAJournal, InUse, Unusable, WrongKeys) as error:
        say(f"partfill: {error}", err=True)
        sys.exit(2)
    except (VenueDown, OSError) as error:
        say(f"partfill: {error}", err=True)
        sys.exit(1)
    sys.exit(code)


def _ready(said: dict[str, Any]) -> None:
    say_json(said)
    sys.stdout.flush()
