"""Cumulative claims of a venue, and what was taken back since.

Theory. A claim says: "as of this moment, so much had filled". Claims come late, twice and out of order. What
counts is the highest of them, each less what was voided after its moment:

    claimed = max over claims c of ( c.cum - sum over executions of what they lost since c.as_of )

What an execution lost since a moment is the most it was from then on less its quantity now, where a void or correction of
the same moment counts as later. So a poll that was sent before a void and answered after it says nothing about the voided
quantity, and the result is the same for every order of arrival. Only claims that can still win are kept: a claim is
dropped when another one is at least as high and at least as late. On a normal stream exactly one is left.
"""

from __future__ import annotations

from decimal import Decimal

from partfill.model.numbers import ZERO, sub

Claim = tuple[int, Decimal, Decimal | None]
"""(as_of in ns, cumulative quantity, average price or None)"""

History = tuple[tuple[int, Decimal], ...]
"""Versions of one execution, oldest first: (from when, quantity). The first version holds since ever."""

Losses = dict[str, History]
"""Per key of every execution that was voided or corrected: its versions, the last one in force."""

SINCE_EVER = -(1 << 63)


def admit(claims: tuple[Claim, ...], new: Claim) -> tuple[Claim, ...]:
    """The claims that can still win once `new` has come. Returns `claims` itself when `new` says nothing new."""
    as_of, cum, avg = new
    if not claims or (len(claims) == 1 and claims[0][0] < as_of and claims[0][1] <= cum):
        # The normal stream: each claim is later and at least as high.
        return (new,)
    for claim in claims:
        if claim[0] >= as_of and claim[1] >= cum:
            same = claim[0] == as_of and claim[1] == cum
            if not (same and avg is not None and (claim[2] is None or avg > claim[2])):
                return claims
    kept = [claim for claim in claims if not (claim[0] <= as_of and claim[1] <= cum)]
    kept.append(new)
    kept.sort(key=lambda claim: claim[0])
    return tuple(kept)


def best(claims: tuple[Claim, ...], losses: Losses | None) -> Claim | None:
    """The claim that counts, its quantity reduced by what was lost since; None without claims."""
    if not claims:
        return None
    if not losses:
        return max(claims, key=lambda claim: claim[1])
    winner: Claim | None = None
    for as_of, cum, avg in claims:
        left = cum
        for history in losses.values():
            lost = lost_since(history, as_of)
            if lost > ZERO:
                left = sub(left, lost)
        if winner is None or left > winner[1]:
            winner = (as_of, left if left > ZERO else ZERO, avg)
    return winner


def outdated(claims: tuple[Claim, ...], losses: Losses | None, cum: Decimal) -> bool:
    """Whether only the venue can say how much counts: it had claimed more than `cum`, and has claimed nothing since a loss.

    A claim that was asked for before a loss and answered after it may count the loss already, and something new beside it.
    """
    if not losses or not claims:
        return False
    last = max(history[-1][0] for history in losses.values())
    return claims[-1][0] <= last and max(claim[1] for claim in claims) > cum


def lost_since(history: History, as_of: int) -> Decimal:
    """The most that an execution may have had in the eyes of a claim of `as_of`, less what it has now.

    A poll is stamped when it is sent and answered later, so any version from then on may be in it.
    """
    most = history[0][1]
    for at, qty in history:
        if at < as_of or qty > most:
            most = qty
    return sub(most, history[-1][1])
