"""What a venue can do and how its numbers are to be read. The core obeys this and never looks at a venue's name."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Cumulative(StrEnum):
    """What a venue's cumulative filled quantity is worth."""

    TRUTH = "truth"
    """Joined with the executions by maximum."""
    HINT = "hint"
    """Only a reason to ask: it stays up after a trade fails, or lags."""
    ABSENT = "absent"


class ReplaceQty(StrEnum):
    """What the quantity in a replace means at this venue (semantics: FIX total, CME without mitigation open)."""

    TOTAL = "total"
    OPEN = "open"


class BelowCum(StrEnum):
    """What a venue does with a replace to less than has filled."""

    CLAMP = "clamp"
    CANCEL = "cancel"
    REJECT = "reject"


class Chain(StrEnum):
    """Whether a venue's counts go on through a replace (FIX) or start anew under the new id."""

    CONTINUES = "continues"
    RESTARTS = "restarts"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One venue's declaration. The defaults are FIX behaviour."""

    cumulative: Cumulative = Cumulative.TRUTH
    replace_qty: ReplaceQty = ReplaceQty.TOTAL
    below_cum: BelowCum = BelowCum.CLAMP
    chain: Chain = Chain.CONTINUES
    order_id_reused: bool = False
    """True when an order id that ended may come back as a new order (BATS PITCH)."""
    key_revises: bool = False
    """True when a known key with other content is a correction; if False it is an alarm."""
    executions_complete: bool = False
    """True when a snapshot's execution list is the whole list."""


FIX_LIKE = Capabilities()
