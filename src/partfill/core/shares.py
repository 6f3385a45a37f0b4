"""How a position is shared out among the legs that protect it: what each is to cover, and what of that works at the venue.

    held  ->  what each leg covers  ->  watched here, or an order  ->  what may be asked for now

Rules
- Stops cover the position, and so do targets: each leg its share, down to whole lots, the last of its kind what is left.
- What has filled keeps its place: a share is of all that was held since the position was opened, less what the leg filled.
- What is less than the venue takes is left to the last leg of its kind.
- Where the venue holds each order to the position (`reduces_each`) both kinds work there. Elsewhere, and where it holds the
  sum of them, they share one budget: all that may still fill is never asked to be more than is held. Stops are orders then,
  and targets are watched here until one is reached.
- Where a venue has no stops they are watched here, and so is a stop that it refused since the market had passed it.
- A leg that was reached goes first, a stop before a target; it grows as what the others have open is proven to be gone.
"""

from __future__ import annotations

from decimal import Decimal

from partfill.core.guard import Guard, Protection, open_at_worst
from partfill.model.capabilities import Capabilities, ReduceOnly
from partfill.model.instrument import whole_lots
from partfill.model.numbers import ZERO, add, mul, sub
from partfill.model.protection import Budget


def covers(protection: Protection, held: Decimal) -> list[Decimal]:
    """What each leg is to cover of `held` units."""
    found: dict[str, Decimal] = {}
    for stops in (True, False):
        kind = [guard for guard in protection.guards if guard.leg.stops is stops]
        whole = sum((guard.leg.share for guard in kind), ZERO) == 1
        left = held
        gross = sum((guard.filled for guard in kind), held)
        for guard in kind:
            part = min(left, max(ZERO, sub(mul(gross, guard.leg.share), guard.filled)))
            if whole and guard is kind[-1]:
                part = left
            part = whole_lots(part, protection.lot)
            if protection.too_little(guard.leg, part):
                part = ZERO
            left = sub(left, part)
            found[guard.leg.name] = part
    return [found[guard.leg.name] for guard in protection.guards]


def assign(protection: Protection, held: Decimal, rules: Capabilities) -> list[Decimal]:
    """Note what each leg is to cover and how; returns what is to be an order of each, once nothing is on its way."""
    one_budget = _is_shared(protection, rules) and not rules.reduces_each
    beyond = one_budget and sum((guard.leg.share for guard in protection.guards), ZERO) > 1
    found: dict[str, Decimal] = {}
    for guard, part in zip(protection.guards, covers(protection, held), strict=True):
        guard.watched = guard.passed or (guard.leg.stops and not rules.stops) or (beyond and guard.leg.stops is not rules.stops)
        guard.wanted = part
        if guard.watched and guard.fired_at and not guard.leg.stops:
            part = guard.wanted = min(part, guard.takes)
        found[guard.leg.name] = ZERO if guard.waits else part
    if one_budget:
        left = held
        for guard in sorted(protection.guards, key=_first):
            part = whole_lots(min(guard.wanted, held if guard.waits else left), protection.lot)
            if not guard.waits and protection.too_little(guard.leg, part):
                part = ZERO
            guard.wanted = part
            if not guard.waits:
                found[guard.leg.name] = part
                left = sub(left, part)
    return [found[guard.leg.name] for guard in protection.guards]


def within(protection: Protection, held: Decimal, parts: list[Decimal], rules: Capabilities) -> list[Decimal]:
    """What may be asked for now of `parts`: nothing grows beyond what all else that may still fill leaves of `held`."""
    protection.leaving = [parent for parent in protection.leaving if parent.active]
    gone = held
    for parent in protection.leaving:
        gone = sub(gone, open_at_worst(parent))
    now = dict(zip((guard.leg.name for guard in protection.guards), parts, strict=True))
    for budget in _budgets(protection, rules):
        free = gone
        for guard in budget:
            free = sub(free, guard.worst)
        waits = set()
        for guard in sorted(budget, key=_first):
            more = sub(now[guard.leg.name], guard.worst)
            if more > ZERO:
                grows = whole_lots(min(more, max(free, ZERO)), protection.lot)
                if free < ZERO:
                    now[guard.leg.name] = whole_lots(_stays(guard, free.copy_negate()), protection.lot)
                    waits.add(guard.leg.name)
                else:
                    now[guard.leg.name] = add(guard.worst, grows)
                free = sub(free, grows)
        for guard in sorted(budget, key=_first, reverse=True):
            # One that is made smaller anyway makes room for what is leaving, too.
            less = sub(guard.worst, now[guard.leg.name])
            free = add(free, less) if less > ZERO else free
            if less > ZERO > free and guard.leg.name not in waits:
                now[guard.leg.name] = whole_lots(max(ZERO, add(now[guard.leg.name], free)), protection.lot)
                free = ZERO
    return [now[guard.leg.name] for guard in protection.guards]


def _stays(guard: Guard, too_much: Decimal) -> Decimal:
    """What is asked of a leg that is to grow, where `too_much` may fill already: no more than is asked.

    What it is being made larger by just now is not asked again should that fail.
    """
    if guard.parent is None:
        return ZERO
    works = ZERO
    for child in guard.parent.active:
        works = add(works, child.leaves)
    growing = max(ZERO, sub(guard.worst, works))
    return max(ZERO, sub(min(guard.worst, guard.parent.rest), min(growing, too_much)))


def at_worst(protection: Protection, rules: Capabilities) -> list[Decimal]:
    """What may still fill of each budget, units. Orders that have no leg any more are in the shared one."""
    found = []
    for budget in _budgets(protection, rules):
        total = ZERO
        for guard in budget:
            total = add(total, guard.worst)
        found.append(total)
    if _is_shared(protection, rules):
        for parent in protection.leaving:
            found[0] = add(found[0], open_at_worst(parent))
    return found


def _is_shared(protection: Protection, rules: Capabilities) -> bool:
    """Whether stops and targets together may be no more than the position: as the user says, or since the venue sums them."""
    return protection.budget is Budget.SHARED or rules.reduce_only is ReduceOnly.SUM


def _budgets(protection: Protection, rules: Capabilities) -> list[list[Guard]]:
    if _is_shared(protection, rules):
        return [protection.guards]
    return [[guard for guard in protection.guards if guard.leg.stops is stops] for stops in (True, False)]


def _first(guard: Guard) -> tuple[bool, bool]:
    """Who is served first where not all can be: what was reached, stops before targets."""
    return (not guard.fired_at, not guard.leg.stops)
