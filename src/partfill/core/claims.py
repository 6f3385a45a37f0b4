"""Cumulative claims of a venue, and what was taken back since.

Theory. A claim says: "as of this moment, so much had filled". Claims come late, twice and out of order. What
counts is the highest of them, each less what was voided after its moment:

    claimed = max over claims c of ( c.cum - sum of losses with loss.as_of >= c.as_of )

So a poll that was sent before a void and answered after it says nothing about the voided quantity, and the result
is the same for every order of arrival. Only claims that can still win are kept: a claim is dropped when another
one is at least as high and at least as late. On a normal stream exactly one is left.
"""

from __future__ import annotations

from decimal import Decimal

from partfill.model.numbers import ZERO, sub

Claim = tuple[int, Decimal, Decimal | None]
"""(as_of in ns, cumulative quantity, average price or None)"""

Losses = dict[str, tuple[int, Decimal]]
"""Per execution key: (as_of in ns, quantity it lost by a void or a correction)."""


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
        for lost_at, qty in losses.values():
            if lost_at >= as_of:
                left = sub(left, qty)
        if winner is None or left > winner[1]:
            winner = (as_of, left if left > ZERO else ZERO, avg)
    return winner
