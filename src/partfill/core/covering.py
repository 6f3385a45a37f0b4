"""The plan for a protective order where its venue replaces nothing safely: what is missing comes first, then too much goes.

    what should be open  ->  orders that stay, orders that leave, one that is placed

Rules
- What is missing is placed beside what works, one request at a time, so a burst of fills asks for the newest size.
- Where the venue holds each order to the position (`reduces_each`), what is too much leaves only once the order that takes its
  place works: nothing is ever bare. Elsewhere it is taken off first, and as little as will do.
- No order is placed that is less than the venue takes: another one leaves with it, and both come back as one.
- Many small orders become one: more than `CROWD` of them are brought together, the smallest first.
- While a venue is asked what still counts, nothing is placed.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core.child import Child
from partfill.core.parent import Parent, Work
from partfill.core.patience import again_at
from partfill.core.step import Step
from partfill.model.numbers import ZERO, add, sub
from partfill.model.words import Request, TimeInForce

if TYPE_CHECKING:
    from partfill.core.effects import Effects
    from partfill.core.engine import Engine
    from partfill.model.capabilities import Capabilities

CROWD = 8
"""Orders of one leg that may work side by side before they are brought together."""


def read_by(engine: Engine, venue: str, rules: Capabilities, effects: Effects) -> None:
    """From now on a venue is read by these rules, orders that are there already too.

    Where it no longer holds each protective order to the position, what leaves counts again. It was asked for, so no law is
    broken by it; it is taken off next.
    """
    engine.rules[venue] = rules
    for child in engine.children.values():
        if child.venue == venue:
            child.rules = rules
    for parent in engine.desk.parents.values():
        if parent.venue == venue and (parent.guards or 0) > 0 and parent.exposure > parent.limit:
            effects.parent(parent)
            parent.limit = parent.exposure


def cover(parent: Parent, now: int) -> Iterator[Step]:
    """What to do next for a protective order that is wanted; there is at least one child whose end is not proven."""
    for child in list(parent.active):
        step = _question(child, _work(child), now)
        if step is not None:
            yield step
    guarded = parent.active[0].rules.reduces_each
    wanted = parent.rest
    stay = [
        child for child in parent.active if not _work(child).is_beside(child) and _work(child).request is not Request.CANCEL
    ]
    has = _sum(stay)
    goes = [child for child in stay if child.removed and _free(child)]
    if has > wanted or goes:
        movable = [child for child in stay if guarded or _free(child)]
        goes = _too_much(movable, goes, sub(has, wanted), parent.least)
    elif guarded and has < wanted and not _on_their_way(parent):
        goes = _to_join(stay, sub(wanted, has), parent.least)
    elif not guarded and has == wanted and len(stay) > CROWD and all(map(_works, stay)):
        goes = sorted(stay, key=_open)[:2]
    for child in goes:
        if guarded:
            yield Step(child, leave=True)
        elif _free(child):
            yield _take_off(child, now)
    rest = sub(parent.asked, parent.exposure)
    if rest > ZERO:
        step = _place(parent, rest, now)
        if step is not None:
            yield step
    elif guarded:
        stay = [child for child in stay if not _work(child).leaving]
        if all(map(_works, stay)):
            for child in list(parent.active):
                if _work(child).leaving and _free(child):
                    yield _take_off(child, now)


def _question(child: Child, work: Work, now: int) -> Step | None:
    """Whether the venue is to be asked about a child."""
    if work.looking or not (work.doubt or work.look_at):
        return None
    return Step(child, ask=True, at=work.look_at if work.look_at > now else 0)


def _take_off(child: Child, now: int) -> Step:
    at = _work(child).act_at
    return Step(child, at=at) if at > now else Step(child, Request.CANCEL, retarget=True)


def _place(parent: Parent, rest: Decimal, now: int) -> Step | None:
    """What is missing, as an order of its own; later and later while such orders are refused, or end by themselves."""
    if parent.held or (parent.unsure and not parent.doubted) or rest < parent.least or _on_their_way(parent):
        return None
    if _half_gone(parent):
        # What was taken off together comes back as one.
        return None
    again = again_at(parent)
    if again and parent.terms.time_in_force is TimeInForce.IOC:
        # It does not rest: once all of it has ended, what is left is tried anew.
        return None
    if again > now:
        return Step(parent.active[0], at=again)
    return Step(request=Request.PLACE, qty=rest)


def _too_much(stay: list[Child], goes: list[Child], excess: Decimal, least: Decimal) -> list[Child]:
    """Orders to take off, so that at least `excess` is gone, and what is missing then is enough for an order."""
    found = list(goes)
    left = [child for child in stay if child not in found]
    excess = sub(excess, _sum(found))
    while excess > ZERO and left:
        # The smallest that is enough, or else the largest.
        enough = [child for child in left if _open(child) >= excess]
        child = min(enough, key=_open) if enough else max(left, key=_open)
        left.remove(child)
        found.append(child)
        excess = sub(excess, _open(child))
    return _with_more(found, left, sub(ZERO, excess), least)


def _to_join(stay: list[Child], missing: Decimal, least: Decimal) -> list[Child]:
    """Orders that are replaced by the one that brings what is missing."""
    if len(stay) >= CROWD:
        return list(stay)
    return _with_more([], list(stay), missing, least)


def _with_more(found: list[Child], left: list[Child], missing: Decimal, least: Decimal) -> list[Child]:
    """Some more of `left`, smallest first, until what is missing is nothing, or enough for an order."""
    for child in sorted(left, key=_open):
        if not ZERO < missing < least:
            break
        found.append(child)
        missing = add(missing, _open(child))
    return found


def _on_their_way(parent: Parent) -> bool:
    return any(_work(child).request is Request.PLACE for child in parent.active)


def _half_gone(parent: Parent) -> bool:
    """Whether of orders that were taken off in one step one has ended, and another's end is not proven yet."""
    going = {_work(child).sent_at for child in parent.active if _work(child).retarget and _goes(child)}
    if not going:
        return False
    return any(_work(child).settled and _work(child).retarget and _work(child).sent_at in going for child in parent.children)


def _goes(child: Child) -> bool:
    """Whether it is being taken off, and that is not proven yet."""
    return _work(child).request is Request.CANCEL or not child.open_at_venue


def _free(child: Child) -> bool:
    """Whether something may be asked of it."""
    work = _work(child)
    return work.request is None and not work.doubt and child.open_at_venue


def _works(child: Child) -> bool:
    return _free(child) and bool(child.order_ids)


def _open(child: Child) -> Decimal:
    return _work(child).worst(child)


def _sum(children: list[Child]) -> Decimal:
    total = ZERO
    for child in children:
        total = add(total, _open(child))
    return total


def _work(child: Child) -> Work:
    assert child.work is not None
    return child.work
