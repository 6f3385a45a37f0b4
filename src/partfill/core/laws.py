"""The laws: what no operation may break, whatever a plan, a policy or a venue says. `docs/invariants.md` lists them all.

A law is a plain comparison that costs nothing to keep, apart from the code whose mistake it would catch. A check raises
`LawBroken` with the numbers. Whoever made the operation takes it back, halts the order, alarms, and goes on with the rest.
No law is an `assert`: `python -O` removes none.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core.effects import Effects
from partfill.model.events import AlarmKind
from partfill.model.numbers import text
from partfill.model.words import Side

if TYPE_CHECKING:
    from partfill.core.engine import Engine
    from partfill.core.parent import Parent


class LawBroken(Exception):
    """An operation would break a law. The message has the numbers."""


def exposure(parent: Parent, before: Decimal) -> None:
    """What filled and what may still fill is at most what was asked for, units. `before`: what venues made of it already."""
    if parent.terms.cash_order_qty is None and parent.exposure > max(parent.asked, before):
        raise LawBroken(f"{text(parent.exposure)} could fill of {text(parent.asked)} asked for; {parent.ref} is halted")


def chase_cap(ref: str, side: Side, px: Decimal, cap: Decimal | None) -> None:
    """No chase goes beyond the worst price that its policy allowed, measured from the price that the user asked for."""
    if cap is not None and (px > cap if side is Side.BUY else px < cap):
        raise LawBroken(f"a chase to {text(px)} is beyond the cap {text(cap)}; {ref} is halted")


def budget(instrument: str, held: Decimal, before: Sequence[Decimal], after: Sequence[Decimal]) -> None:
    """What may still fill of each budget of protective orders is at most the position, units. `before`: what it was already."""
    if any(now > max(was, held) for was, now in zip(before, after, strict=True)):
        open_now = " and ".join(map(text, after))
        raise LawBroken(f"{open_now} could fill to protect {text(held)} of {instrument}; its orders are halted")


def journalled(seq: int, durable: int) -> None:
    """Nothing leaves, and nobody is told, before the step that it follows from is on disk. Numbers of inputs."""
    if seq > durable:
        raise LawBroken(f"input {seq} would take effect, and only {durable} are on disk")


def halt(engine: Engine, parent: Parent, broken: LawBroken, effects: Effects) -> None:
    """Nothing leaves for this parent until a person has looked, and the person is told."""
    parent.halted = True
    effects.parent(parent)
    engine.alarm(effects, parent.children[-1] if parent.children else None, AlarmKind.LAW, str(broken))
