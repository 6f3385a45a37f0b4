"""What an execution, a claim, a correction, a void and a charge do to an order, and what subscribers hear of it.

Rules
- The change of `cum_qty` is published once: as `Fill` when it rose, as `Reversal` when it fell. The part of an execution
  that had been published already, because a claim was faster, is a `Confirmation`.
- A fill is booked in every state. After the end it moves `cum_qty`, never `leaves_qty`, and is marked.
- A void gives quantity back to work only by the venue's word (its leaves); otherwise it counts as taken off.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core.booked import STATE_CODES, Booked
from partfill.core.corrections import Version, Void
from partfill.core.effects import Effects
from partfill.core.ledger import Ledger
from partfill.core.rows import unpack
from partfill.model.events import AlarmKind, Confirmation, Fill, Repriced, Reversal
from partfill.model.numbers import ZERO, add, sub, text
from partfill.model.observations import Charge, Execution, ExecutionRevised, ExecutionVoided
from partfill.model.words import ExecutionState, Flag

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.core.engine import Engine

_CONFIRMED = ExecutionState.CONFIRMED
_NEW, _DUPLICATE = Booked.NEW, Booked.DUPLICATE

__all__ = ["booked_today", "charge", "claim", "execution", "publish_change", "publish_joined", "revised", "voided"]


def execution(
    engine: Engine, child: Child, ledger: Ledger, e: Execution, now: int, effects: Effects, asked: int | None = None
) -> Booked:
    """Book one execution and publish what it adds. `asked`: when the question was sent whose answer lists it (ns UTC)."""
    if e.leg is not None:
        return _leg(engine, child, ledger, e, effects)
    key, qty, px, as_of = e.key, e.qty, e.px, e.as_of
    old = ledger.cum
    was = ledger.rows.get(key)
    state = "" if e.state is _CONFIRMED else STATE_CODES[e.state]
    booked = ledger.book(key, qty, px, e.fee, e.fee_currency, state, now if as_of is None else as_of)
    if booked is _NEW:
        engine.counters.executions += 1
        effects.rows.append((ledger, key, e.venue_time, None))
        _moved(engine, child, ledger, old, key, qty, px, effects)
    elif booked is _DUPLICATE:
        engine.counters.duplicates += 1
        effects.duplicate = True
    else:
        _changed(engine, child, ledger, booked, e, was, old, effects)
    if ledger.doubt is not None and booked is not _NEW and ledger.doubt.aside:
        told = e.as_of if asked is None else asked
        if engine.set_aside(engine, child, ledger, e, now if told is None else told, effects):
            return Booked.CHANGED
    return booked


def claim(
    engine: Engine, child: Child, ledger: Ledger, cum: Decimal, avg: Decimal | None, as_of: int, effects: Effects
) -> None:
    """Take a cumulative claim; what it adds is published as a fill without identity."""
    old = ledger.cum
    if ledger.claim(cum, avg, as_of):
        _moved(engine, child, ledger, old, None, None, None, effects)


def revised(engine: Engine, child: Child, ledger: Ledger, r: ExecutionRevised, now: int, effects: Effects) -> None:
    """A correction: quantity and value of one execution change to the newest version's."""
    old = ledger.cum
    root = ledger.root(r.key)
    was = ledger.rows.get(root)
    as_of = now if r.as_of is None else r.as_of
    works = bool(r.leaves_qty)
    stray = r.new_key is not None and r.new_key in ledger.rows
    # A fill corrected to nothing has no quantity left: it is a void.
    if r.qty:
        version = Version(r.qty, r.px, r.fee, r.fee_currency, r.revision or 0, as_of, works)
        booked, root = ledger.revise(r.key, r.new_key, version)
    else:
        booked, root = ledger.void(r.key, Void(as_of, works))
    if booked is Booked.DUPLICATE:
        engine.counters.duplicates += 1
        effects.duplicate = True
        return
    if booked is Booked.CONFLICT:
        if child.mark(Flag.KEY_CONFLICT):
            said = f"correction {r.new_key} corrects {r.key}, which corrects {r.new_key}: it changes nothing"
            engine.alarm(effects, child, AlarmKind.KEY_CONFLICT, said)
        return
    if was is None:
        engine.counters.executions += 1
    child.mark(Flag.REVISED)
    effects.rows.append((ledger, root, r.venue_time, None))
    if stray:
        effects.rows.append((ledger, r.new_key or "", None, None))
    _after_change(engine, child, ledger, root, was, old, r.reason, effects)


def voided(engine: Engine, child: Child, ledger: Ledger, v: ExecutionVoided, now: int, effects: Effects) -> None:
    """A bust: the execution no longer counts."""
    old = ledger.cum
    was_today = booked_today(child, ledger, v.key)
    void = Void(now if v.as_of is None else v.as_of, bool(v.leaves_qty), v.qty)
    booked, root = ledger.void(v.key, void)
    if booked is Booked.DUPLICATE:
        engine.counters.duplicates += 1
        effects.duplicate = True
        return
    engine.counters.voids += 1
    child.mark(Flag.VOIDED)
    effects.rows.append((ledger, root, v.venue_time, None))
    fell = sub(old, ledger.cum)
    if was_today and fell > ZERO and child.day_era:
        child.day_cum = max(ZERO, sub(child.day_cum, fell))
    publish_change(engine, child, ledger, root, old, v.reason, effects)


def charge(engine: Engine, child: Child, ledger: Ledger, c: Charge, effects: Effects) -> None:
    """A fee that came apart; each charge key counts once."""
    name = f"charge:{c.key}"
    if child.seen is not None and name in child.seen:
        engine.counters.duplicates += 1
        effects.duplicate = True
        return
    child.remember(name, "")
    changed = ledger.charge(c.exec_key, c.amount, c.currency)
    if changed is not None:
        effects.rows.append((ledger, changed, None, None))


def publish_joined(engine: Engine, child: Child, new: list[tuple[Ledger, str]], effects: Effects) -> None:
    """Publish evidence that was booked before its order was known, or under another of its ids.

    `new` are the executions that subscribers have not heard of. What a claim had published of them is confirmed.
    """
    child.cum = child.sum_cum()
    child.settle()
    rest = sub(child.cum, add(effects.told, effects.published))
    for ledger, key in new:
        packed = ledger.rows.get(key)
        if packed is None:
            continue
        row = unpack(packed)
        if row.void or row.leg or row.qty is None:
            continue
        part = min(row.qty, rest) if rest > ZERO else ZERO
        if part:
            _fill(child, part, row.px, key, effects)
            rest = sub(rest, part)
        if part != row.qty:
            _confirm(child, sub(row.qty, part), row.px, key, effects)
    if rest > ZERO:
        _fill(child, rest, child.ledger.provisional_px(), None, effects)
    elif rest < ZERO:
        effects.published = add(effects.published, rest)
        ids = (child.id, child.order_id, child.cl_ord_id)
        effects.events.append(Reversal(*ids, rest.copy_negate(), "", "joined evidence", child.cum, child.leaves, child.status))
    total = child.order_qty
    if total is not None and child.cum > total >= effects.told:
        _overfill(engine, child, effects)


def publish_change(engine: Engine, child: Child, ledger: Ledger, key: str, old: Decimal, reason: str | None,
                    effects: Effects) -> None:  # fmt: skip
    """Publish how `ledger.cum` moved from `old` through execution `key`, or through no one execution where it is empty."""
    delta = sub(ledger.cum, old)
    if delta < ZERO:
        child.cum = child.sum_cum()
        child.settle()
        if child.known:
            effects.published = add(effects.published, delta)
            fell = delta.copy_negate()
            effects.events.append(
                Reversal(child.id, child.order_id, child.cl_ord_id, fell, key, reason, child.cum, child.leaves, child.status)
            )
    elif delta > ZERO:
        packed = ledger.rows.get(key)
        px = unpack(packed).px if packed is not None else None
        _moved(engine, child, ledger, old, key or None, None, px, effects)
    else:
        child.cum = child.sum_cum()
        child.settle()


def booked_today(child: Child, ledger: Ledger, key: str) -> bool:
    """Whether execution `key` was booked on the current trading day (invariant 14: older days keep DayCumQty)."""
    if not child.day_era:
        return True
    root = ledger.root(key)
    case = (ledger.cases or {}).get(root)
    if case is not None and case.first is not None:
        return case.first.era >= child.day_era
    packed = ledger.rows.get(root)
    return packed is not None and unpack(packed).era >= child.day_era


# ---------------------------------------------------------------------- inside


def _moved(engine: Engine, child: Child, ledger: Ledger, old: Decimal, key: str | None, qty: Decimal | None,
           px: Decimal | None, effects: Effects) -> None:  # fmt: skip
    """`ledger.cum` rose from `old`, or stayed, through one execution (`key`, `qty`, `px`) or a claim (no key)."""
    delta = sub(ledger.cum, old)
    total = child.order_qty
    if delta:
        was = child.cum
        # An order of one ledger shares its number with it.
        child.cum = cum = ledger.cum if was is old else child.sum_cum()
        if child.day_era:
            child.day_cum = add(child.day_cum, delta)
        late = (child.facts | child.ledger.ends) & child.end_mask
        child.settle()
        if total is None and child.cash_qty is None:
            if key is not None:
                engine.counters.parked += 1
                engine.alarm(effects, child, AlarmKind.PARKED, f"execution {key} of {text(delta)} for an unknown order")
            return
        if px is None and key is None:
            px = ledger.provisional_px()
        _fill(child, delta, px, key, effects)
        if late and child.mark(Flag.LATE_FILL):
            engine.alarm(effects, child, AlarmKind.LATE_FILL, f"{text(delta)} filled after the end of the order")
        if total is not None and cum >= total > was and child.avg_px is None:
            engine.alarm(effects, child, AlarmKind.UNPRICED, f"{text(child.cum)} filled and the venue gave no price")
        if total is not None and cum > total >= was:
            _overfill(engine, child, effects)
    else:
        # The same quantity, perhaps with other digits: an order of one ledger shares its number with it. What is left follows.
        child.cum = child.sum_cum()
        child.settle()
    if qty is not None and delta != qty and child.known:
        assert key is not None
        _confirm(child, sub(qty, delta), px, key, effects)


def _confirm(child: Child, qty: Decimal, px: Decimal | None, key: str, effects: Effects) -> None:
    effects.events.append(Confirmation(child.id, child.order_id, child.cl_ord_id, qty, px, key, child.cum, child.status))


def _overfill(engine: Engine, child: Child, effects: Effects) -> None:
    assert child.order_qty is not None
    over = f"{text(child.cum)} filled of {text(child.order_qty)} ordered: {text(child.overfill_qty)} too much"
    engine.alarm(effects, child, AlarmKind.OVERFILL, over)


def _fill(child: Child, qty: Decimal, px: Decimal | None, key: str | None, effects: Effects) -> None:
    effects.published = add(effects.published, qty)
    effects.events.append(
        Fill(child.id, child.ledger.order_id, child.cl_ord_id, qty, px, key, child.cum, child.leaves, child.status, key is None)
    )


def _changed(engine: Engine, child: Child, ledger: Ledger, booked: Booked, e: Execution, was: str | None, old: Decimal,
             effects: Effects) -> None:  # fmt: skip
    """A known key came again and not the same to the letter."""
    if booked is Booked.CONFLICT:
        child.mark(Flag.KEY_CONFLICT)
        content = f"{text(e.qty)} at {'no price' if e.px is None else text(e.px)}"
        said = f"execution {e.key} came as {content} after it came with another content; the larger counts"
        engine.alarm(effects, child, AlarmKind.KEY_CONFLICT, said)
    elif booked is Booked.CHANGED:
        child.mark(Flag.REVISED)
    root = ledger.root(e.key)
    effects.rows.append((ledger, root, e.venue_time, None))
    if booked is Booked.STONE:
        engine.counters.executions += 1
    _after_change(engine, child, ledger, root, was, old, None, effects)


def _after_change(engine: Engine, child: Child, ledger: Ledger, root: str, was: str | None, old: Decimal,
                  reason: str | None, effects: Effects) -> None:  # fmt: skip
    delta = sub(ledger.cum, old)
    if delta < ZERO and child.day_era and booked_today(child, ledger, root):
        # What it rose by is of today, whenever the execution was: that is counted where it is published.
        child.day_cum = max(ZERO, add(child.day_cum, delta))
    publish_change(engine, child, ledger, root, old, reason, effects)
    if delta or was is None:
        return
    before, after = unpack(was), unpack(ledger.rows[root])
    if before.px != after.px and child.known and not after.void:
        effects.events.append(Repriced(child.id, child.order_id, child.cl_ord_id, root, after.px, child.cum))


def _leg(engine: Engine, child: Child, ledger: Ledger, e: Execution, effects: Effects) -> Booked:
    assert e.leg is not None
    booked = ledger.leg(e.key, e.leg, e.qty, e.px)
    if booked is Booked.ENRICHED:
        effects.rows.append((ledger, f"{e.key}\x1f{e.leg}", e.venue_time, None))
    elif booked is Booked.DUPLICATE:
        engine.counters.duplicates += 1
        effects.duplicate = True
    else:
        child.mark(Flag.KEY_CONFLICT)
        engine.alarm(effects, child, AlarmKind.KEY_CONFLICT, f"leg {e.leg} of execution {e.key} came with two contents")
    return booked
