"""The kill switch: what it takes off, what it waits for, and who put it on.

Rules
- It takes off what is known to work when it is put on, orders of others too; what comes later under it never starts.
- An order that only its venue ever named, while a placing of ours is on its way, may turn out to be that one. It waits under
  the mark `UNCLAIMED` until the placing is answered, and is taken off if it is somebody else's.
- It is idempotent, written before anything leaves, and lifted by an operator's command only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core import handling, protection, requests
from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.parent import Done, Parent, Work
from partfill.model.commands import EVERYWHERE, KillSwitch
from partfill.model.events import KillSwitchChanged
from partfill.model.numbers import ZERO
from partfill.model.words import Flag, Request

if TYPE_CHECKING:
    from partfill.core.desk import Desk

Scope = tuple[str, str]


def switched(desk: Desk, k: KillSwitch, now: int, effects: Effects) -> None:
    """Everything of the scope is taken off and nothing starts there, or that is lifted. Idempotent."""
    # Everywhere is one switch, whatever account is named with it.
    scope = (k.venue, "" if k.venue == EVERYWHERE else k.account)
    if (scope in desk.killed) is k.on:
        return
    effects.events.append(KillSwitchChanged(0, None, None, *scope, k.on, k.by, k.reason))
    effects.engine = True
    if not k.on:
        del desk.killed[scope]
        sweep(desk, now, effects)
        protection.lifted(desk, now, effects)
        return
    desk.killed[scope] = k.by
    on_their_way = _on_their_way(desk)
    for _, child in sorted(desk.engine.children.items()):
        if child.work is None and child.known and child.open and _within(scope, child.venue, child.account):
            if child.nameless and any(_may_be(child, each) for each in on_their_way):
                effects.touch(child)
                child.mark(Flag.UNCLAIMED)
                desk.unclaimed.add(child.id)
            else:
                _take_over(desk, child, effects)
    for _, parent in sorted(desk.parents.items()):
        if (parent.done is None or parent.active) and _within(scope, parent.venue, parent.account):
            effects.parent(parent)
            handling.killed(desk, parent, now, effects)
            parent.stop = parent.stop or Done.KILLED
            desk.hurry(parent, now, effects)
            desk.advance(parent, now, effects)


def who_killed(desk: Desk, venue: str, account: str) -> str | None:
    """Who put on the switch that holds this account; None when none does."""
    for scope, who in desk.killed.items():
        if _within(scope, venue, account):
            return who
    return None


def holds(desk: Desk, parent: Parent) -> bool:
    """Whether a switch is on that holds the account of an order, which nobody has stopped yet."""
    return bool(desk.killed) and parent.stop is None and who_killed(desk, parent.venue, parent.account) is not None


def _within(scope: Scope, venue: str, account: str) -> bool:
    return scope[0] == EVERYWHERE or scope == (venue, account)


def _take_over(desk: Desk, child: Child, effects: Effects) -> Parent:
    """An order that the user placed gets a parent, so that it can be canceled."""
    # One order's client id may be another's venue id: our own number keeps their names apart.
    ref = f"tracked:{child.id}:{child.cl_ord_id or child.order_id}"
    parent = Parent(desk.next_id, child.venue, child.account, ref, requests.terms_of(child), None)
    desk.next_id += 1
    work = child.work = Work(parent, ZERO if child.order_qty is None else child.order_qty)
    work.seen_cum, work.px = child.cum, child.price
    parent.cum, parent.attempts = child.cum, 1
    parent.halted = bool(child.flags & Flag.QUARANTINED)
    parent.children.append(child)
    parent.active.append(child)
    desk.remember(parent)
    effects.parent(parent)
    effects.touch(child)
    return parent


def _on_their_way(desk: Desk) -> list[Child]:
    """Orders that we asked for and whose venue id is not known yet: any of them may work under an id nobody connects."""
    return [
        child
        for parent in desk.parents.values()
        for child in parent.active
        if child.work is not None and child.work.request is Request.PLACE and not child.order_ids
    ]


def sweep(desk: Desk, now: int, effects: Effects) -> None:
    """Take off what the kill switch left until it was known whose it is."""
    on_their_way = _on_their_way(desk)
    for number in sorted(desk.unclaimed):
        child = desk.engine.children.get(number)
        wanted = child is not None and child.work is None and child.open and who_killed(desk, child.venue, child.account)
        if child is not None and wanted and child.nameless and any(_may_be(child, each) for each in on_their_way):
            continue
        desk.unclaimed.discard(number)
        if child is None:
            continue
        effects.touch(child)
        child.flags &= ~int(Flag.UNCLAIMED)
        if wanted:
            desk.advance(_take_over(desk, child, effects), now, effects)


def _may_be(child: Child, ours: Child) -> bool:
    """Whether an order that only its venue ever named may turn out to be the one that we asked for."""
    return child.nameless and (child.venue, child.account, child.instrument or ours.instrument, child.side or ours.side) == (
        ours.venue, ours.account, ours.instrument, ours.side,
    )  # fmt: skip
