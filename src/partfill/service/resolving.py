"""A person's decision between what was heard of an order and the venue's later word, with a daemon and without.

Rules
- It is one journalled input, `Resolve`, which the engine refuses when the numbers have moved since they were shown.
- Nobody decides without a name and a reason. What is not doubted cannot be decided on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.ledger import Ledger
from partfill.journal.journal import Journal
from partfill.journal.state import is_split, thaw
from partfill.journal.store import Store
from partfill.model.commands import Resolve
from partfill.model.events import CommandRefused
from partfill.model.inputs import Input
from partfill.model.numbers import dec, text
from partfill.runtime.manager import Refused
from partfill.venues.clock import CLOCK

Answer = dict[str, Any]
Take = Callable[[Input], Awaitable[Effects]]


def doubted(path: Path, name: str, venue: str | None, account: str | None) -> Answer:
    """What is doubted of the order of this ref, venue id or client id. Raises `Refused` for none or several, `NotAJournal`."""
    store = Store(path, read_only=True)
    try:
        query = (
            "SELECT n.child AS id FROM names n WHERE n.name = ?1 AND (?2 IS NULL OR n.venue = ?2) "
            "AND (?3 IS NULL OR n.account = ?3) UNION SELECT w.child FROM work w JOIN parents p ON p.id = w.parent "
            "WHERE p.ref = ?1 AND (?2 IS NULL OR p.venue = ?2) AND (?3 IS NULL OR p.account = ?3) ORDER BY 1"
        )
        numbers = [int(row["id"]) for row in store.rows(query, (name, venue, account))]
        found: list[Answer] = []
        for number in numbers:
            state = store.child_state(number)
            if state is not None:
                child, _ = thaw(*state, {}, None, store.parts(number) if is_split(state[0]) else ())
                found.extend(_shown(child, each) for each in child.ledgers if each.doubt is not None and each.doubt.count)
    finally:
        store.close()
    if not numbers:
        raise Refused(f"no order {name} in {path}; partfill orders {path} lists them")
    if not found:
        raise Refused(f"nothing is doubted of order {name}: the venue's answers say what was heard")
    if len(found) > 1:
        whose = ", ".join(f"{each['order_id']} at {each['venue']} {each['account']}".rstrip() for each in found)
        raise Refused(f"{name} is doubted {len(found)} times: {whose}; name one by its venue id")
    return found[0]


def _shown(child: Child, ledger: Ledger) -> Answer:
    doubt = ledger.doubt
    assert doubt is not None
    return {
        "order": child.id, "venue": child.venue, "account": child.account, "order_id": ledger.order_id,
        "cl_ord_id": child.cl_ord_id, "cum_qty": text(ledger.cum), "venue_cum_qty": text(doubt.total),
        "numbers": f"{text(ledger.cum)}/{text(doubt.total)}", "missing": list(doubt.missing),
        "executions": [key for key, _ in ledger.live()], "answers": doubt.count, "disputed": doubt.disputed,
    }  # fmt: skip


def numbers_of(said: str) -> tuple[Decimal, Decimal]:
    """Ours and the venue's out of "20/10". Raises `NotANumber`, `Refused`."""
    ours, slash, theirs = said.partition("/")
    if not slash:
        raise Refused(f"numbers are {said!r}; give them as they are shown: what is booked / what the venue says, such as 20/10")
    return dec(ours.strip(), "cum_qty"), dec(theirs.strip(), "venue_cum_qty")


async def resolve(take: Take, path: Path, name: str, *, accept: bool, by: str, reason: str, numbers: str | None = None,
                  void: Sequence[str] = (), venue: str | None = None, account: str | None = None) -> Answer:  # fmt: skip
    """Decide. `numbers`: what was shown, as in `doubted`; None for what the journal at `path` shows now.

    Raises `Refused`, `NotANumber`, `NotAJournal`, `JournalDown`.
    """
    shown = doubted(path, name, venue, account)
    ours, theirs = numbers_of(numbers if numbers is not None else shown["numbers"])
    effects = await take(
        Resolve(
            venue=shown["venue"], account=shown["account"], order_id=shown["order_id"],
            cl_ord_id=None if shown["order_id"] is not None else shown["cl_ord_id"], cum_qty=ours, venue_cum_qty=theirs,
            accept=accept, by=by, reason=reason, void=tuple(void),
        )
    )  # fmt: skip
    for event in effects.events:
        if type(event) is CommandRefused:
            raise Refused(event.reason)
    assert effects.child is not None
    assert effects.ledger is not None
    return {
        **{each: shown[each] for each in ("order", "venue", "account", "order_id", "cl_ord_id")},
        "decided": "accept-venue" if accept else "keep", "cum_qty": text(effects.ledger.cum), "was": shown["cum_qty"],
    }  # fmt: skip


async def resolve_in_journal(path: Path, name: str, **said: Any) -> Answer:
    """`resolve` where no daemon runs. Raises `InUse` besides."""
    async with Journal(path) as journal:
        CLOCK.go_on_from(journal.last_now)

        async def take(inp: Input) -> Effects:
            return await journal.submit(inp, CLOCK())

        return await resolve(take, path, name, **said)
