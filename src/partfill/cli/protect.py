"""partfill protect and partfill unprotect INSTRUMENT long|short DB: stops and targets for what is held, by command.

Rules
- Numbers are read exactly as written, and refused before anybody is asked. What else is wrong the daemon says.
- Without a daemon nothing can be protected; ending a protection is written into the journal and done at the next start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from partfill.cli.operate import carry_out
from partfill.model.numbers import NotANumber, dec
from partfill.model.protection import Budget, OverClose, Passed
from partfill.service import commands

_db = click.argument("db", type=click.Path(dir_okay=False, path_type=Path))
_side = click.argument("side", metavar="long|short", type=click.Choice(["long", "short"]))


def _price(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        _exact(value, value, "a price such as 24.50")
    return value


def _targets(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        price, has_share, share = value.partition(":")
        for number in (price, share) if has_share else (price,):
            _exact(number, value, "PX or PX:SHARE, such as 26.50:0.5")
        found.append([price, share] if has_share else price)
    return found


def _exact(number: str, said: str, right: str) -> None:
    try:
        dec(number, repr(said))
    except NotANumber:
        raise click.BadParameter(f"{said!r} is no exact number; give {right}") from None


@click.command()
@click.argument("instrument")
@_side
@_db
@click.option("--stop", callback=_price, help="Price that triggers a market order, or one at --stop-limit.")
@click.option("--stop-limit", callback=_price, help="Limit price of the stop.")
@click.option("--target", "targets", multiple=True, callback=_targets, metavar="PX[:SHARE]",
              help="A limit price, and the share of the position that it covers (default: all). May be repeated.")  # fmt: skip
@click.option("--over-close", type=click.Choice([each.value for each in OverClose]), default="alarm", show_default=True,
              help="What is done about what protective orders close too much.")  # fmt: skip
@click.option("--budget", type=click.Choice([each.value for each in Budget]), default="shared", show_default=True,
              help="Whether stops and targets may both rest where the venue does not hold them to the position.")  # fmt: skip
@click.option("--passed", type=click.Choice([each.value for each in Passed]), default="watched", show_default=True,
              help="What becomes of a stop that the venue refuses since the market has passed its price.")  # fmt: skip
@click.option("--at-once", is_flag=True, help="A stop that the market has passed already is meant: close what is held now.")
@click.option("--venue", help="Where, if the daemon has several venues.")
@click.option("--account", default="", help="Which account (default: the unnamed one).")
def protect(instrument: str, side: str, db: Path, stop: str | None, stop_limit: str | None, targets: list[Any],
            over_close: str, budget: str, passed: str, at_once: bool, venue: str | None, account: str) -> None:  # fmt: skip
    """Protect the long or short position in INSTRUMENT of the daemon on the journal DB with a stop, targets, or both.

    From then on their quantity is what is held: partial fills of the entry, exits, voids and restarts change it. It may be said
    before there is a position. Said again with other prices, those take the place of the ones before.

    May be repeated. Prints a line of JSON: whether anything changed, and the position with what of each leg should work and
    what does by now; partfill positions and partfill watch show how that goes on. Exit 0: done; 1: refused, failed, or no
    daemon runs on DB; 2: DB or a value cannot be used.
    """
    if stop is None and not targets:
        if stop_limit is not None:
            raise click.UsageError(f"--stop-limit is {stop_limit} and there is no --stop; give the price that triggers it")
        raise click.UsageError("nothing to protect with; give --stop, --target or both")
    request = {
        "cmd": "protect", "instrument": instrument, "side": side, "stop": stop, "stop_limit": stop_limit, "targets": targets,
        "over_close": over_close, "budget": budget, "passed": passed, "at_once": at_once, "venue": venue, "account": account,
    }  # fmt: skip
    carry_out(db, request, lambda: commands.protect_in_journal(db))


@click.command()
@click.argument("instrument")
@_side
@_db
@click.option("--venue", help="Where, if several venues have it protected.")
@click.option("--account", help="Which account, if several have it protected.")
def unprotect(instrument: str, side: str, db: Path, venue: str | None, account: str | None) -> None:
    """Protect the long or short position in INSTRUMENT in the journal DB no more: its protective orders are taken off.

    What is held stays held. The daemon on DB does it at once; without one it is written into the journal and done at the next
    start.

    May be repeated. Prints a line of JSON: whether anything changed, and which orders are being taken off. Exit 0: done, or it
    had ended already; 1: nothing of the kind was ever protected; 2: DB cannot be used.
    """
    request = {"cmd": "unprotect", "instrument": instrument, "side": side, "venue": venue, "account": account}
    carry_out(db, request, lambda: commands.unprotect_in_journal(db, instrument, side, venue, account))
