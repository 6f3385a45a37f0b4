"""partfill resolve ORDER DB: what the venue's answers say against an order, and a person's decision."""

from __future__ import annotations

import sys
from pathlib import Path

import apsw
import click

from partfill.cli.operate import carry_out, user
from partfill.cli.output import say, say_json
from partfill.journal.store import NotAJournal
from partfill.model.numbers import NotANumber
from partfill.runtime.manager import Refused
from partfill.service import resolving


@click.command()
@click.argument("order")
@click.argument("db", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--accept-venue", "decision", flag_value="accept", help="The venue is right: what it does not show is set aside.")
@click.option("--keep", "decision", flag_value="keep", help="What is booked stays; the same answer is doubted no more.")
@click.option("--void", multiple=True, metavar="KEY", help="An execution that is void; may be repeated. With --accept-venue.")
@click.option("--numbers", metavar="OURS/VENUE", help="What you decide on, as shown; refused when moved (default: as it is).")
@click.option("--by", help="Who decides; kept in the journal (default: your user name).")
@click.option("--reason", help="Why; kept in the journal. Needed for a decision.")
@click.option("--venue", help="Where, if several venues have an order of this name.")
@click.option("--account", help="Which account, if several have one.")
def resolve(order: str, db: Path, decision: str | None, void: tuple[str, ...], numbers: str | None, by: str | None,
            reason: str | None, venue: str | None, account: str | None) -> None:  # fmt: skip
    """Show what the venue says against ORDER (your ref, the venue's id or a client id) in the journal DB, or decide on it.

    Without --accept-venue or --keep it prints both numbers, what the venue's list lacks and what is booked; nothing changes.
    A decision is an input of the journal: through the daemon on DB, or written into DB when none runs.

    Prints a line of JSON. Exit 0: done or shown; 1: refused, or nothing is doubted; 2: DB cannot be used.
    """
    if decision is None:
        if void or numbers is not None:
            raise click.UsageError("--void and --numbers go with a decision: --accept-venue or --keep")
        try:
            say_json(resolving.doubted(db, order, venue, account))
        except Refused as error:
            _fail(1, error)
        except (NotAJournal, apsw.Error) as error:
            _fail(2, error)
        return
    if reason is None or not reason.strip():
        raise click.UsageError("a decision about quantities needs --reason")
    if void and decision == "keep":
        raise click.UsageError("--void goes with --accept-venue: --keep sets nothing aside")
    who = by if by is not None else user()
    accept = decision == "accept"
    request = {"cmd": "resolve", "order": order, "accept": accept, "by": who, "reason": reason, "numbers": numbers,
               "void": list(void), "venue": venue, "account": account}  # fmt: skip
    try:
        carry_out(
            db, request,
            lambda: resolving.resolve_in_journal(db, order, accept=accept, by=who, reason=reason, numbers=numbers, void=void,
                                                 venue=venue, account=account),
        )  # fmt: skip
    except NotANumber as error:
        _fail(1, error)


def _fail(code: int, why: object) -> None:
    say(f"partfill: {why}", err=True)
    sys.exit(code)
