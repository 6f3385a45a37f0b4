"""partfill kill on|off DB and partfill cancel ORDER DB: an operator's hand on a journal, with or without a daemon."""

from __future__ import annotations

import asyncio
import getpass
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NoReturn

import apsw
import click

from partfill.cli.output import say, say_json
from partfill.journal.journal import JournalDown
from partfill.journal.store import InUse, NotAJournal, Store
from partfill.model.commands import EVERYWHERE, KillSwitch, Stop
from partfill.runtime.manager import Refused
from partfill.service import commands
from partfill.service.client import NoAnswer, ask

NOT_YET = 3
"""Exit code of a kill switch that is written and of which no venue has heard."""
PATIENCE_S = 10.0
"""How long a daemon that starts or stops just now is waited for."""

_db = click.argument("db", type=click.Path(dir_okay=False, path_type=Path))
_reason = click.option("--reason", help="Why; kept in the journal.")


@click.command()
@click.argument("position", type=click.Choice(["on", "off"]))
@_db
@click.option("--by", help="Who does this; kept in the journal (default: your user name).")
@_reason
@click.option("--venue", default=EVERYWHERE, help="Only this venue (default: everywhere).")
@click.option("--account", default="", help="Only this account of --venue (default: its unnamed one).")
def kill(position: str, db: Path, by: str | None, reason: str | None, venue: str, account: str) -> None:
    """Put the kill switch of the journal DB on, or lift it.

    On: everything that works is canceled, and no order starts until somebody lifts the switch; restarts do not lift it. The
    daemon on DB does it at once; without one it is written into the journal and holds from the next start on. Fills that
    happen before a cancel arrives are still booked.

    A venue or account that nobody knows is refused: it would stop nothing. Known are the accounts that the daemon was given
    and those that have orders in DB.

    Off lifts exactly the switch that was put on: one for everywhere is not lifted by naming a venue.

    Both may be repeated. Prints a line of JSON: whether anything changed, who had put it on, how many orders are being taken
    off and which (the first 200, each with what had filled of it), and every switch that is on now. Exit 0: done, the venues
    are being told; 1: refused or failed; 2: DB cannot be used; 3: on without a daemon: it is written, and NOTHING IS CANCELED
    AT A VENUE until a daemon starts on DB. That is said on standard error too.
    """
    who = by if by is not None else user()
    switch = KillSwitch(venue=venue, account=account, on=position == "on", by=who, reason=reason)
    request = {"cmd": "kill", "on": switch.on, "by": who, "reason": reason, "venue": venue, "account": account}
    through = carry_out(db, request, lambda: commands.kill_in_journal(db, switch))
    if through == "journal" and switch.on:
        say(
            f"partfill: NOTHING IS CANCELED AT ANY VENUE YET: no daemon runs on {db}. The kill switch is written and carried "
            "out when a daemon starts on it (partfill run CONFIG), before it sends anything else. Until then orders go on "
            "working and may fill: start the daemon, or cancel them at the venue by hand.",
            err=True,
        )
        sys.exit(NOT_YET)


@click.command()
@click.argument("order")
@_db
@_reason
@click.option("--venue", help="Where, if several venues have an order of this ref.")
@click.option("--account", help="Which account, if several have one.")
def cancel(order: str, db: Path, reason: str | None, venue: str | None, account: str | None) -> None:
    """Cancel ORDER (your own ref of it) in the journal DB: nothing of it is to work any more. What has filled stays.

    The daemon on DB does it at once; without one it is written into the journal, nothing is canceled at the venue until a
    daemon starts, and standard error says so.

    May be repeated. Prints a line of JSON with the order's state and whether anything changed. Exit 0: done, or it had ended
    already; 1: no such order; 2: DB cannot be used.
    """
    _cancel(db, lambda: commands.the_one(db, order, venue, account), reason)


@click.command()
@click.argument("order")
@_db
@_reason
@click.option("--venue", help="Where, if several venues have an order of this name.")
@click.option("--account", help="Which account, if several have one.")
def cancel_remainder(order: str, db: Path, reason: str | None, venue: str | None, account: str | None) -> None:
    """Take the rest of ORDER off, whatever its policy says: by your ref, the venue's order id or a client order id.

    For a remainder that hangs. It goes the way of partfill cancel: through the daemon on DB, or into the journal for the next
    start. May be repeated. Exit 0: done, or it had ended already; 1: no such order; 2: DB cannot be used.
    """
    _cancel(db, lambda: commands.the_one_named(db, order, venue, account), reason or "cancel-remainder")


def _cancel(db: Path, find: Callable[[], commands.Answer], reason: str | None) -> None:
    try:
        found = find()
    except Refused as error:
        _fail(1, error)
    except (NotAJournal, apsw.Error) as error:
        _fail(2, error)
    stop = Stop(venue=found["venue"], account=found["account"], ref=found["ref"], reason=reason)
    if found["state"] not in ("working", "stopping", "halted"):
        _say({**found, "changed": False, "orders": 0}, "journal")
        return
    request = {"cmd": "cancel", "ref": stop.ref, "venue": stop.venue, "account": stop.account, "reason": reason}
    if carry_out(db, request, lambda: commands.cancel_in_journal(db, stop)) == "journal":
        say(f"partfill: no daemon runs on {db}: {stop.ref!r} is not canceled at the venue until one starts", err=True)


def carry_out(db: Path, request: dict[str, Any], alone: Callable[[], Coroutine[Any, Any, commands.Answer]]) -> str:
    """Have the daemon do it, or do it in the journal when there is none. Prints the answer; ends the program where it is no.

    Returns who did it: "daemon" or "journal".
    """
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            Store(db, read_only=True).close()
            answer = ask(db, request)
            if answer is not None:
                break
            _say(asyncio.run(alone()), "journal")
            return "journal"
        except InUse:
            # A daemon that starts has no socket yet, one that stops has none any more.
            if time.monotonic() > end:
                _fail(2, f"{db} is being written by a process that has no control socket; do it there, or stop it first")
            time.sleep(0.1)
        except NoAnswer as error:
            if time.monotonic() > end:
                _fail(1, error)
            time.sleep(0.1)
        except (Refused, JournalDown) as error:
            _fail(1, error)
        except (NotAJournal, apsw.Error) as error:
            _fail(2, error)
    if not answer.pop("ok", False):
        _fail(1, answer.get("error", "the daemon said no"))
    _say(answer, "daemon")
    for each in answer.get("left", ()):
        who = f"{each['order']} at {each['venue']} {each['account']}".rstrip()
        say(f"partfill: NOT REACHED: {who}: {each['why']}", err=True)
    return "daemon"


def _say(answer: dict[str, Any], through: str) -> None:
    say_json({**answer, "through": through})


def _fail(code: int, why: object) -> NoReturn:
    say(f"partfill: {why}", err=True)
    sys.exit(code)


def user() -> str:
    """The name of who runs this program."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"
