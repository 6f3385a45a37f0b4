"""The planner: compares what should work with what does, and names the next safe operation. The only source of operations.

Rules
- At most one request in flight per child, and one question.
- Replace where the venue's replace is safe for a fill on the way (its quantity is a total, or it is guarded by the filled
  quantity); else cancel, wait for the proof of the end, and place what is left.
- A new child is placed only when every other one is settled, and only for what the law leaves.
- Nothing becomes larger while a venue is asked what still counts of an order that has ended, after a void.
- Nothing becomes larger, follows or ends while a venue says that less has filled than was heard, but for a protective order
  that its venue holds to the position: that one may grow.
- A request that was refused is tried anew later and later, for as long as it is wanted.
- What a venue changed by itself is not fought: an order that it cut down or repriced stays so, until the user asks for
  something else.
- A child that works without need is canceled; one that could fill too much is made smaller or canceled first.
- An order of which nothing seems to work, where only a cancel can prove it, is canceled (see `presumed`).
- A protective order that has to grow is replaced where that is safe; elsewhere `covering` has the plan.

`plan` decides, `desk` carries it out. It reads state and changes none.
"""

from __future__ import annotations

from collections.abc import Iterator

from partfill.core.child import Child
from partfill.core.covering import cover
from partfill.core.parent import Done, Parent, Work
from partfill.core.patience import again_at
from partfill.core.presumed import doomed
from partfill.core.step import Step, safe_replace
from partfill.model.numbers import ZERO, add, sub
from partfill.model.words import Flag, OrdStatus, Request

_QUARANTINED = int(Flag.QUARANTINED)
_DONE_BY = {OrdStatus.REJECTED: Done.REJECTED, OrdStatus.EXPIRED: Done.EXPIRED}


def plan(parent: Parent, now: int) -> Iterator[Step]:
    """What to do next for this parent; nothing when everything is as it should be, or an answer is awaited.

    Each step must be carried out before the next is asked for: what one child takes, the next cannot have.
    """
    if parent.halted and parent.stop is None:
        # Nothing is changed for it until a person has looked; but it is asked what filled, and what works can be taken off.
        if parent.done is not Done.RELEASED:
            yield from _questions(parent, now)
        return
    for child in list(parent.active):
        if parent.stop is None and doomed(child):
            step = _now_or_later(child, Step(child, Request.CANCEL), now)
            if step is not None:
                yield step
    if parent.active and parent.stop is None and (parent.guards or 0) > 0 and not safe_replace(parent.active[0].rules):
        yield from cover(parent, now)
        return
    for child in list(parent.active):
        assert child.work is not None
        step = _of_child(parent, child, child.work, now)
        if step is not None:
            yield step
            if step.ask and not step.at:
                # A question that nothing hangs on keeps nothing from being changed: not even until the next step comes.
                step = _of_child(parent, child, child.work, now)
                if step is not None:
                    yield step
    if not parent.active:
        step = _next(parent)
    elif parent.guards is not None and parent.stop is None:
        step = _beside(parent, now)
    else:
        step = None
    if step is not None:
        yield step


def _questions(parent: Parent, now: int) -> Iterator[Step]:
    """What the venue is to be asked, and nothing else. Of an order in quarantine no answer would count."""
    for child in list(parent.active):
        work = child.work
        assert work is not None
        if (work.doubt or work.look_at) and not work.looking and not child.flags & _QUARANTINED:
            yield Step(child, ask=True, at=work.look_at if work.look_at > now else 0)


def _now_or_later(child: Child, step: Step, now: int) -> Step | None:
    """A request on a child, once none is in flight and the last refusal has had its wait."""
    work = child.work
    assert work is not None
    if work.request is not None:
        return None
    return Step(child, at=work.act_at) if work.act_at > now else step


def _beside(parent: Parent, now: int) -> Step | None:
    """A protective order whose position has grown: what is missing is placed beside what works, one request at a time."""
    rest = sub(parent.asked, parent.exposure)
    if rest <= ZERO or parent.held or _on_their_way(parent):
        return None
    again = again_at(parent)
    if again > now:
        return Step(parent.active[0], at=again)
    return Step(request=Request.PLACE, qty=rest)


def _on_their_way(parent: Parent) -> bool:
    return any(child.work is not None and child.work.request is not None for child in parent.active)


def _of_child(parent: Parent, child: Child, work: Work, now: int) -> Step | None:
    if work.doubt or work.look_at:
        if parent.stop is not None:
            # To take an order off is safe whatever the answer will be, and a stop waits for no answer.
            step = _wanted(parent, child, work, now)
            if step is not None and not step.at:
                return step
        if work.looking:
            return None
        if work.look_at > now:
            later = Step(child, ask=True, at=work.look_at)
            step = None if work.request is not None or work.doubt else _wanted(parent, child, work, now)
            # Of two things that are due later the sooner one wakes the desk: it is no other after a start.
            return later if step is None or step.at > later.at else step
        return Step(child, ask=True)
    return _wanted(parent, child, work, now)


def _wanted(parent: Parent, child: Child, work: Work, now: int) -> Step | None:
    if work.request is not None or not child.open_at_venue:
        return None
    step = _change(parent, child, work)
    if step is not None and work.act_at > now:
        return Step(child, ask=False, at=work.act_at)
    return step


def _change(parent: Parent, child: Child, work: Work) -> Step | None:
    """The request that brings a working child to what is wanted; None when it is."""
    cash = parent.terms.cash_order_qty is not None
    if parent.stop is not None:
        return Step(child, Request.CANCEL)
    if cash:
        return None
    if parent.guards is not None and child.removed:
        # What was taken back of it does not work again, and no replace can say so: a fresh order covers the whole.
        return Step(child, Request.CANCEL, retarget=True)
    # What the law leaves to this child beside everything else that filled or works.
    room = sub(parent.asked, sub(parent.exposure, work.worst(child)))
    if room <= ZERO:
        return Step(child, Request.CANCEL, retarget=True)
    wanted = add(child.cum, room)
    if wanted > work.max_qty and (parent.held or (parent.unsure and not parent.doubted)):
        wanted = work.max_qty
    if work.cut and wanted > work.max_qty:
        # To ask for it again would go on for ever.
        wanted = work.max_qty
    if wanted == work.max_qty and parent.price == work.px:
        return None
    if parent.guards is not None and wanted > work.max_qty and _on_their_way(parent):
        # One request at a time: the next asks for the newest size.
        return None
    if safe_replace(child.rules):
        return Step(child, Request.REPLACE, wanted)
    return Step(child, Request.CANCEL, retarget=True)


def _next(parent: Parent) -> Step | None:
    """Every child is settled: place what is left, or end."""
    if parent.held:
        return None
    if parent.stop is not None:
        return None if parent.done is not None else Step(done=_outcome(parent, parent.stop))
    if parent.attempts == 0:
        return Step(request=Request.PLACE, qty=parent.asked)
    last = parent.children[-1]
    assert last.work is not None
    if parent.terms.cash_order_qty is not None:
        return None if parent.done is not None else Step(done=_of_status(last))
    rest = parent.rest
    if rest and parent.unsure:
        return None
    if not rest:
        done = Done.FILLED if parent.cum else Done.CANCELED
        return None if parent.done is done else Step(done=done)
    if last.work.retarget and parent.done is None:
        return Step(request=Request.PLACE, qty=rest)
    rule = parent.resubmit
    rejected = last.status is OrdStatus.REJECTED
    if rule is not None and not rejected and parent.resubmits < rule.max_resubmit_attempts and rest >= rule.min_resubmit_size:
        return Step(request=Request.PLACE, qty=rest, resubmit=True)
    done = _of_status(last)
    return None if parent.done is done else Step(done=done)


def _of_status(child: Child) -> Done:
    if child.status is OrdStatus.FILLED:
        return Done.FILLED
    return _DONE_BY.get(child.status, Done.CANCELED)


def _outcome(parent: Parent, stop: Done) -> Done:
    if parent.terms.cash_order_qty is not None:
        return Done.FILLED if parent.children[-1].status is OrdStatus.FILLED else stop
    return Done.FILLED if parent.cum and not parent.rest else stop
