"""What an operator can do to a journal, the same with a daemon on it and without: the kill switch, canceling one order, and
ending the protection of a position. Protecting one takes a daemon.

Theory of operation. Each is one input. `take` makes it durable: the FillManager's in a daemon, which then also tells the
venues; the bare journal's when no daemon runs, so that it is what the next start finds, before it sends anything. Only a
daemon knows the ticks and lots that protective orders need, from its venues.

Rules
- Idempotent: what is so already changes nothing, and the answer says that it was so.
- An order is named by the user's `ref`. Where two venues or accounts use the same one, it is refused until one is named.
- A kill switch for a venue that the journal has never met is refused: a misspelt venue would protect nothing. The same
  for an account: one is known that the daemon was given, or that has an order in the journal. Where a journal has no order
  of a venue yet, every account of it is believed.
- Ending a protection that has ended changes nothing; ending one that never was is refused: a misspelt instrument would stay
  protected.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.core.guard import Place
from partfill.core.parent import Parent
from partfill.journal.journal import Journal
from partfill.journal.store import Store
from partfill.model.commands import EVERYWHERE, KillSwitch, Stop, Unprotect
from partfill.model.events import CommandRefused, KillSwitchChanged
from partfill.model.inputs import Input
from partfill.model.numbers import text, text_or_none
from partfill.model.words import Side
from partfill.runtime.bracket import WORDS, Bracket, side_of
from partfill.runtime.manager import FillManager, Refused
from partfill.runtime.per_venue import no_such_account
from partfill.runtime.positions import Held
from partfill.runtime.untouched import left_alone, unreachable
from partfill.service.picture import PARENT_STATE
from partfill.venues.clock import CLOCK

SHOWN = 200
"""Most orders that an answer names."""

Take = Callable[[Input], Awaitable[Effects]]
Answer = dict[str, Any]
At = Path | Store
"""A journal: its path, or what reads it already. A daemon gives the latter, so that no file descriptor is needed for it."""


async def kill(take: Take, engine: Engine, path: At, switch: KillSwitch, given: Iterable[str] = (),
               connected: Container[str] | None = None) -> Answer:  # fmt: skip
    """Put the kill switch of a scope on or lift it. Raises `Refused`, `JournalDown`.

    `given` are accounts of its venue that exist whatever the journal at `path` holds; `connected` the venues that can be told.
    """
    if switch.venue == EVERYWHERE and switch.account:
        raise Refused(f"account {switch.account!r} without a venue; name the venue too, or leave both out for everything")
    if switch.on and switch.venue != EVERYWHERE and switch.venue not in engine.rules:
        met = ", ".join(sorted(engine.rules)) or "none"
        raise Refused(f"this journal has never met venue {switch.venue!r}, so nothing would be stopped; it knows {met}")
    if switch.on and switch.venue != EVERYWHERE:
        known = {*given, *accounts_in(path, switch.venue)}
        if known and switch.account not in known:
            raise Refused(no_such_account(switch.venue, switch.account, known))
    was = engine.desk.killed.get((switch.venue, switch.account))
    effects = await take(switch)
    changed = any(type(event) is KillSwitchChanged for event in effects.events)
    taken_off = effects.parents if switch.on and changed else ()
    left = list(left_alone(engine, switch.venue, switch.account, connected)) if switch.on else []
    return {
        "kill_switch": "on" if switch.on else "off", "venue": switch.venue, "account": switch.account, "changed": changed,
        "was_on_by": was, "orders": len(taken_off), "taken_off": [_taken_off(parent) for parent in taken_off[:SHOWN]],
        "not_reached": len(left), "left": [each._asdict() for each in left[:SHOWN]],
        "on": [{"venue": venue, "account": account, "by": who} for (venue, account), who in sorted(engine.desk.killed.items())],
    }  # fmt: skip


def check_reached(fills: FillManager, place: tuple[str, str, str]) -> None:
    """Raises `Refused` for an order at a venue that is not connected: nothing would be canceled, whatever is written."""
    why = unreachable(fills.engine, fills.engine.desk.by_ref.get(place), place, fills.venues)
    if why is not None:
        raise Refused(why)


def _taken_off(parent: Parent) -> Answer:
    """One order that a kill switch takes off, with its numbers at that moment."""
    return {
        "ref": parent.ref, "venue": parent.venue, "account": parent.account, "instrument": parent.terms.instrument,
        "side": parent.terms.side, "order_qty": text(parent.asked), "cum_qty": text(parent.cum),
        "leaves_qty": text(parent.rest),
    }  # fmt: skip


async def cancel(take: Take, engine: Engine, path: At, stop: Stop) -> Answer:
    """Nothing of one order is to work any more. Raises `Refused` for an order nobody knows, `JournalDown`."""
    parent = engine.desk.by_ref.get((stop.venue, stop.account, stop.ref))
    was_stopping = parent is not None and parent.stop is not None
    effects = await take(stop)
    refused = any(type(event) is CommandRefused for event in effects.events)
    found = find(path, stop.ref, stop.venue, stop.account)
    if not found:
        raise Refused(f"no order {stop.ref} at {stop.venue} {stop.account}".rstrip())
    changed = not refused and not was_stopping
    return {**found[0], "changed": changed, "orders": int(changed)}


async def protect(fills: FillManager, instrument: str, side: str, wish: Bracket, venue: str | None, account: str,
                  at_once: bool = False) -> Answer:  # fmt: skip
    """The `side` ("long" or "short") of a position is protected like this from now on. Raises `Refused`, `NotANumber`,
    `JournalDown`.

    The answer has the position as it is now, and what of each leg works; what is asked of the venue is on its way.
    """
    where = fills.where(venue)
    place = (where, account, instrument, side_of(side))
    before = _terms(fills.engine, place)
    await fills.positions.protect(instrument, side, **wish._asdict(), at_once=at_once, venue=where, account=account)
    return {
        **_named(place), "changed": _terms(fills.engine, place) != before, "over_close": wish.over_close,
        "budget": wish.budget, "passed": wish.passed,
        "position": told(fills.positions.at(place[:3])),
    }  # fmt: skip


def _terms(engine: Engine, place: Place) -> Any:
    """What is wanted of a protection; None where there is none."""
    found = engine.desk.protections.get(place)
    return None if found is None else ([guard.leg for guard in found.guards], found.over_close, found.budget, found.passed)


async def unprotect(
    take: Take, engine: Engine, path: At, instrument: str, side: str, venue: str | None, account: str | None
) -> Answer:
    """One side of a position is protected no more. Raises `Refused`, `NotANumber` for a side that is none, `JournalDown`.

    `venue` and `account` None: whichever has it, if only one has.
    """
    wanted = side_of(side)
    found = [
        place for place in sorted(engine.desk.protections)
        if place[2:] == (instrument, wanted) and venue in (None, place[0]) and account in (None, place[1])
    ]  # fmt: skip
    if not found:
        ended = _ended(path, instrument, wanted, venue, account)
        if ended is None:
            raise Refused(_no_protection(engine, instrument, side, venue, account))
        return {**_named(ended), "changed": False, "orders": 0, "taken_off": []}
    if len(found) > 1:
        places = ", ".join(f"{each[0]} {each[1]}".rstrip() for each in found)
        raise Refused(f"{instrument} {side} is protected at {places}; say which with --venue and --account")
    (place,) = found
    effects = await take(Unprotect(venue=place[0], account=place[1], instrument=instrument, side=wanted))
    for event in effects.events:
        if type(event) is CommandRefused:
            raise Refused(event.reason)
    off = [parent for parent in effects.parents if parent.guards is not None and parent.stop is not None]
    return {**_named(place), "changed": True, "orders": len(off), "taken_off": [_taken_off(parent) for parent in off[:SHOWN]]}


def _named(place: Place) -> Answer:
    venue, account, instrument, side = place
    return {"venue": venue, "account": account, "instrument": instrument, "side": WORDS[side]}


def _ended(path: At, instrument: str, side: Side, venue: str | None, account: str | None) -> Place | None:
    """The newest protection of this that has ended."""
    with _opened(path) as store:
        query = (
            "SELECT venue, account FROM protections WHERE off = 1 AND instrument = ?1 AND side = ?2 "
            "AND (?3 IS NULL OR venue = ?3) AND (?4 IS NULL OR account = ?4) ORDER BY id DESC LIMIT 1"
        )
        for row in store.rows(query, (instrument, side.value, venue, account)):
            return (row["venue"], row["account"], instrument, side)
        return None


def _no_protection(engine: Engine, instrument: str, side: str, venue: str | None, account: str | None) -> str:
    there = sorted(engine.desk.protections)
    some = ", ".join(f"{each[2]} {WORDS[each[3]]} at {each[0]} {each[1]}".rstrip() for each in there[:10])
    more = f" and {len(there) - 10} more" if len(there) > 10 else ""
    where = f" at {venue}" if venue else ""
    whose = f" of account {account!r}" if account is not None else ""
    return f"no protection of {instrument} {side}{where}{whose}; there is: {some or 'none'}{more}"


def told(held: Held) -> Answer:
    """A position in JSON: the fields of `Held` under their names, numbers as plain text, and whether it is covered."""
    return {
        "venue": held.venue, "account": held.account, "instrument": held.instrument, "qty": text(held.qty),
        "held": text(held.held), "avg_px": text_or_none(held.avg_px), "realised": text(held.realised),
        "net": text_or_none(held.net), "fees": {currency: text(fee) for currency, fee in sorted(held.fees.items())},
        "legs": [
            {"name": leg.name, "stops": leg.stops, "wanted": text(leg.wanted), "works": text(leg.works),
             "watched": leg.watched}
            for leg in held.legs
        ],
        "covered": held.covered,
    }  # fmt: skip


@contextmanager
def _opened(journal: At) -> Iterator[Store]:
    if isinstance(journal, Store):
        yield journal
        return
    store = Store(journal, read_only=True)
    try:
        yield store
    finally:
        store.close()


def _named_as(journal: At) -> str:
    return journal.path if isinstance(journal, Store) else str(journal)


def find(path: At, ref: str, venue: str | None, account: str | None) -> list[Answer]:
    """Every parent order of this `ref` in the journal at `path`: ref, venue, account, state. Raises `NotAJournal`."""
    with _opened(path) as store:
        query = (
            f"SELECT p.ref, p.venue, p.account, {PARENT_STATE} AS state FROM parents p WHERE p.ref = ?1 "
            "AND (?2 IS NULL OR p.venue = ?2) AND (?3 IS NULL OR p.account = ?3) ORDER BY p.id"
        )
        return list(store.rows(query, (ref, venue, account)))


def refs_of(path: At, order_id: str, venue: str | None, account: str | None) -> list[Answer]:
    """Every parent order with a child of this venue id or client id: ref, venue, account, state. Raises `NotAJournal`."""
    with _opened(path) as store:
        query = (
            f"SELECT DISTINCT p.ref, p.venue, p.account, {PARENT_STATE} AS state FROM names n JOIN work w ON w.child = n.child "
            "JOIN parents p ON p.id = w.parent WHERE n.name = ?1 AND (?2 IS NULL OR p.venue = ?2) "
            "AND (?3 IS NULL OR p.account = ?3) ORDER BY p.id"
        )
        return list(store.rows(query, (order_id, venue, account)))


def accounts_in(path: At, venue: str) -> list[str]:
    """Every account of `venue` that has an order in the journal at `path`. Raises `NotAJournal`."""
    with _opened(path) as store:
        return store.accounts(venue)


def the_one(path: At, ref: str, venue: str | None, account: str | None) -> Answer:
    """The one order of this `ref`. Raises `Refused` for none or several, `NotAJournal`."""
    found, file = find(path, ref, venue, account), _named_as(path)
    if not found:
        where = f" at {venue}" if venue else ""
        elsewhere = find(path, ref, venue, None) if account is not None else []
        if elsewhere:
            known = ", ".join(repr(each["account"]) for each in elsewhere)
            raise Refused(f"no order {ref} of account {account!r}{where} in {file}; there is one of account {known}")
        whose = f" of account {account!r}" if account is not None else ""
        raise Refused(
            f"no order {ref}{whose}{where} in {_named_as(path)}; partfill orders --parents {_named_as(path)} lists them"
        )
    if len(found) > 1:
        places = ", ".join(f"{each['venue']} {each['account']}".rstrip() for each in found)
        raise Refused(f"{len(found)} orders have ref {ref}: at {places}; say which with --venue and --account")
    return found[0]


def the_one_named(path: At, name: str, venue: str | None, account: str | None) -> Answer:
    """The one order of this ref or, where that is none, of this venue id or client id. Raises `Refused`, `NotAJournal`."""
    if find(path, name, venue, account):
        return the_one(path, name, venue, account)
    found, file = refs_of(path, name, venue, account), _named_as(path)
    if not found:
        raise Refused(f"no order {name} in {file}, neither by ref nor by an id of it; partfill orders {file} lists the ids")
    if len(found) > 1:
        whose = ", ".join(f"{each['ref']} at {each['venue']} {each['account']}".rstrip() for each in found)
        raise Refused(f"{name} is an id of {len(found)} orders: {whose}; say which with --venue and --account")
    return found[0]


async def kill_in_journal(path: Path, switch: KillSwitch) -> Answer:
    """`kill` where no daemon runs. Raises `NotAJournal`, `InUse`, `Refused`, `JournalDown`."""
    async with Journal(path) as journal:
        return await kill(_taking(journal), journal.engine, path, switch)


async def unprotect_in_journal(path: Path, instrument: str, side: str, venue: str | None, account: str | None) -> Answer:
    """`unprotect` where no daemon runs. Raises `NotAJournal`, `InUse`, `Refused`, `JournalDown`."""
    async with Journal(path) as journal:
        return await unprotect(_taking(journal), journal.engine, path, instrument, side, venue, account)


async def protect_in_journal(path: Path) -> Answer:
    """`protect` where no daemon runs. Raises `NotAJournal`, `InUse` where one starts just now, `Refused` else."""
    Store(path).close()
    raise Refused(f"no daemon runs on {path}, and ticks and lots are known to one only; partfill run starts it, then ask again")


async def cancel_in_journal(path: Path, stop: Stop) -> Answer:
    """`cancel` where no daemon runs. Raises `NotAJournal`, `InUse`, `Refused`, `JournalDown`."""
    async with Journal(path) as journal:
        return await cancel(_taking(journal), journal.engine, path, stop)


def _taking(journal: Journal) -> Take:
    CLOCK.go_on_from(journal.last_now)

    async def take(inp: Input) -> Effects:
        return await journal.submit(inp, CLOCK())

    return take


__all__ = ["accounts_in", "cancel", "cancel_in_journal", "find", "kill", "kill_in_journal", "protect", "protect_in_journal",
           "the_one", "told", "unprotect", "unprotect_in_journal"]  # fmt: skip
