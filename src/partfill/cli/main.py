"""The `partfill` command. Each subcommand lives in a module of its own and is imported when it is called."""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any

import click

from partfill import __version__
from partfill.service.log import last_resort

COMMANDS = {
    "audit": ("partfill.cli.audit", "audit", "Rebuild every order from recorded messages and name each contradiction."),
    "bench": ("partfill.cli.bench", "bench", "Measure the engine and the journal on this machine."),
    "cancel": ("partfill.cli.operate", "cancel", "Cancel one order, through the daemon or in the journal."),
    "resolve": ("partfill.cli.resolve", "resolve", "Decide where a venue says less than was heard of an order."),
    "cancel-remainder": ("partfill.cli.operate", "cancel_remainder", "Take the rest of one order off, by any of its ids."),
    "check": ("partfill.cli.check", "check", "Name every mistake in a configuration of the daemon."),
    "decisions": ("partfill.cli.decisions", "decisions", "Show what was decided on remainders, and why."),
    "demo": ("partfill.cli.demo", "demo", "Trade on a generated market, live, and compare with the venue."),
    "dust": ("partfill.cli.dust", "dust", "Show what was left of orders and was worth too little to keep."),
    "fills": ("partfill.cli.show", "fills", "Show the executions in a journal."),
    "gates": ("partfill.cli.gates", "show", "Compute from a journal whether decisions may reach further."),
    "kill": ("partfill.cli.operate", "kill", "Stop everything and start nothing, or lift that."),
    "orders": ("partfill.cli.show", "orders", "Show the orders in a journal."),
    "positions": ("partfill.cli.positions", "positions", "Show what is held, what it cost, and what was made of it."),
    "protect": ("partfill.cli.protect", "protect", "Protect a position with a stop and targets."),
    "run": ("partfill.cli.run", "run", "Run the daemon that a configuration describes."),
    "simulate": ("partfill.cli.simulate", "simulate", "Live through simulated worlds that try to break the engine."),
    "trace": ("partfill.cli.trace", "trace", "Follow an order from the fill to the reply, and what followed from what."),
    "unprotect": ("partfill.cli.protect", "unprotect", "Protect a position no more."),
    "verify": ("partfill.cli.verify", "verify", "Replay a journal from nothing and compare every table."),
    "watch": ("partfill.cli.watch", "watch", "Watch a journal that another process writes."),
}
"""Command -> (module, function, one line of help)."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command: Any = getattr(importlib.import_module(module), function)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in sorted(COMMANDS)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="partfill")
def main() -> None:
    """What filled, exactly, and what should happen to the rest."""
    last_resort()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A sign that a terminal has not is no reason to end.
            stream.reconfigure(errors="backslashreplace")
