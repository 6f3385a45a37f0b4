"""One step of a plan, and when a venue's replace is safe to plan with."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from partfill.core.child import Child
from partfill.core.parent import Done
from partfill.model.capabilities import Capabilities, ReplaceQty
from partfill.model.numbers import ZERO
from partfill.model.words import Request


class Step(NamedTuple):
    """One thing to do: a request on `child`, a question about it, a new child, or the end of the parent."""

    child: Child | None = None
    request: Request | None = None
    qty: Decimal = ZERO
    """Total quantity the child is to have in force (replace), or quantity of the new child (place)."""
    ask: bool = False
    resubmit: bool = False
    """True when the new child follows one that ended by itself."""
    retarget: bool = False
    leave: bool = False
    """The child leaves once another one works in its stead; its venue holds it to the position until then."""
    done: Done | None = None
    at: int = 0
    """Not now but at this time (ns UTC)."""


def safe_replace(rules: Capabilities) -> bool:
    """Whether a fill on the way cannot make a replace too large."""
    return rules.can_replace and (rules.replace_qty is ReplaceQty.TOTAL or rules.replace_guarded)
