"""Reads that a venue does not answer: told once when that begins and once when it is over.

Rules
- However often it is said, and through restarts: what is out stands in the state of the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core.effects import Effects
from partfill.model.events import AlarmKind
from partfill.model.inputs import Outage

if TYPE_CHECKING:
    from partfill.core.engine import Engine

SECOND_NS = 1_000_000_000


def outage(engine: Engine, outage: Outage, now: int, effects: Effects) -> None:
    """Reads of an account stay unanswered, or are answered again."""
    scope = (outage.venue, outage.account)
    if outage.over is (scope not in engine.outages):
        engine.counters.duplicates += 1
        return
    effects.engine = True
    where = f"{outage.venue} {outage.account}".rstrip()
    if outage.over:
        seconds = max(0, now - engine.outages.pop(scope)) // SECOND_NS
        engine.alarm(effects, None, AlarmKind.OUTAGE_OVER, f"{where} answers reads again, after {seconds} s")
        return
    engine.outages[scope] = outage.since
    seconds = max(0, now - outage.since) // SECOND_NS
    text = f"{where} has answered no read for {seconds} s ({outage.reason}); fills may be missing here until it does"
    engine.alarm(effects, None, AlarmKind.OUTAGE, text)
