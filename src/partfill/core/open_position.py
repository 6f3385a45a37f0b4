"""What of a position is to be protected: what is held for certain, and since when its legs count what they have filled.

Rules
- Legs begin anew with each position: where nothing is held, or what is held was opened later than what they knew.
- A doubt about what is held closes no position. Less is covered for a while; what has filled, fired or was refused stays.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core.doubts import least_held
from partfill.core.guard import Protection
from partfill.model.capabilities import FIX_LIKE
from partfill.model.numbers import ZERO
from partfill.model.words import Side

if TYPE_CHECKING:
    from partfill.core.desk import Desk


def open_qty(desk: Desk, protection: Protection) -> Decimal:
    """What is to be covered of what is held on the side that is protected, units."""
    holdings = desk.engine.holdings
    position = holdings.positions.get(protection.place[:3]) if holdings is not None else None
    here = position is not None and position.held and (position.held > ZERO) is (protection.side is Side.BUY)
    if protection.off or position is None or not here:
        _begin(protection)
        return ZERO
    if protection.rounds != position.rounds:
        protection.rounds, protection.closed = position.rounds, ZERO
        _begin(protection)
    held = position.held.copy_abs()
    if not desk.engine.doubted or desk.engine.rules.get(protection.venue, FIX_LIKE).reduces:
        return held
    # Where nothing holds a stop to the position, it is for no more than what is held for certain.
    return least_held(desk.engine, protection.place[:3], protection.side, held)


def _begin(protection: Protection) -> None:
    """Nothing has filled or fired of any leg."""
    for guard in protection.guards:
        guard.filled, guard.fired_at, guard.passed = ZERO, 0, False
