"""What one piece of evidence did to a ledger, and how sure a venue is of an execution, as it is packed."""

from __future__ import annotations

from enum import IntEnum

STATE_CODES = {"provisional": "p", "confirmed": "", "final": "f"}
"""How sure the venue is of an execution, as it is packed."""
STATE_RANK = {"p": 0, "": 1, "f": 2}


class Booked(IntEnum):
    """What one execution, correction or void did."""

    NEW = 0
    DUPLICATE = 1
    CONFLICT = 2
    """The key is known with another content."""
    ENRICHED = 3
    """Nothing counted anew, but a price, a fee or a state became known."""
    CHANGED = 4
    """A correction or void took effect."""
    STONE = 5
    """A void (or the execution of an earlier void) that takes nothing from the total."""
