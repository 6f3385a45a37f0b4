"""partfill check CONFIG: every mistake of a configuration at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from partfill.cli.output import say
from partfill.service.config import Invalid, load


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
def check(config: Path) -> None:
    """Read the daemon's configuration CONFIG and name every mistake in it, one per line.

    Variables such as PARTFILL_POLL_INTERVAL_MS are read over it, as partfill run does.

    Exit 0: it can be run; 2: it cannot.
    """
    try:
        found = load(config, os.environ)
    except Invalid as invalid:
        for mistake in invalid.mistakes:
            say(str(mistake))
        sys.exit(2)
    management = found.fill_management
    again = f"up to {management.max_resubmit_attempts} times from {management.min_resubmit_size} units on"
    say(f"{config}: right")
    say(f"journal  {found.journal} ({'goes on' if found.journal.exists() else 'will be made'})")
    for venue in found.venues:
        where = ", ".join(venue.instruments) if venue.instruments else f"{venue.host}:{venue.port}"
        say(f"venue    {venue.name} ({venue.kind}): {where}")
        accounts = ", ".join(account or "the unnamed one" for account in venue.accounts)
        say(f"         accounts: {accounts}; {venue.per_second} requests a second to each")
    say(f"fills    {'followed' if management.enabled else 'followed, nothing is placed by itself'}, "
               f"polled every {management.poll_interval_ms} ms")  # fmt: skip
    say(f"ended    the rest is {'resubmitted ' + again if management.resubmit else 'left, unless an order says otherwise'}")
    policy, mode = found.remainders.policy, found.remainders.mode
    what = "left, unless an order says otherwise" if policy is None else f"decided: {policy.default_policy}"
    say(f"partly   the rest is {what}; {mode}")
    if found.http is None:
        say("http     nothing is served")
    else:
        also = f", {found.bot.health_path}" if found.bot.health_path else ""
        port = found.http.port or "a free port, told when ready"
        say(f"http     /metrics, /health{also} at {found.http.host}, {port}")
