"""What a refusal says besides no, and what follows from it, however it was told: as a reply or as a report.

Rules
- The meaning of words comes from the venue's capabilities (see `model.refusals`). Words that mean nothing change nothing.
- A cancel that is refused since nothing works under its id is half of a proof (`presumed`).
- A refusal that shows the venue to sum reduce-only orders is believed, whatever was declared (`firing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core import firing, presumed
from partfill.core.effects import Effects
from partfill.model.refusals import Refusal, meaning
from partfill.model.words import Request

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.core.engine import Engine


def understood(
    engine: Engine, child: Child, request: Request, reason: str | None, now: int, effects: Effects
) -> Refusal | None:
    """Draw what a refusal of `request` says of its order; returns what it means, None for nothing that is known."""
    means = meaning(reason, child.rules.refusals)
    if child.work is not None and child.work.refusal is not means:
        effects.touch(child)
        child.work.refusal = means
    if means is Refusal.ENDED and request is Request.CANCEL:
        presumed.refused(child, now, effects)
    elif means is Refusal.REDUCE_ONLY_SUM and request is not Request.CANCEL:
        firing.sums(engine, child.venue, effects)
    return means
