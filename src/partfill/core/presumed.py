"""Ends that no word says: an order of which, by the venue's own numbers, nothing works any more.

    an answer prints leaves 0 where some are open  ->  asked again  ->  presumed ended, what did not fill is off

Theory of operation. A word like Filled, or one that nobody knows, makes no quantity, and an order that is called so stays open
by its quantities. But its venue works nothing of it: what is asked of it is refused without end, and a stop like that protects
nothing. So an answer that itself prints "nothing works" is taken for the end, once it is proven.

Rules
- Proof is an answer that was asked for after our last request and after its outcome, or `lag_ms` later. It prints leaves 0
  itself, calls the order filled or by a word that nobody knows, and its quantity is the one that is booked, as a total or as a
  complete list. It takes two, `lag_ms` apart, where the venue's word of an end is not final.
- Words of orders that live on prove nothing, whatever they print: New, PartiallyFilled, every Pending, Suspended, Stopped,
  DoneForDay. Nor does a stop order that was not seen to trigger, or a venue that prints the slice that it shows
  (`shows_slices`): there a cancel is sent, which is always safe, and its definite refusal together with leaves 0 is the proof.
- So it is of an order that its venue knows no more: that alone means nothing, since venues forget; together with a cancel that
  is refused, since there is no such order, it is the end.
- The end is presumed, and marked so (`Flag.PRESUMED`): a fill, or an answer that shows it at work, revives it. It then counts
  in full at once, and what was placed in its stead is made smaller.
- From the first such answer on, what the order protects is not covered by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core.doubts import pending
from partfill.core.effects import Effects
from partfill.core.ledger import Ledger
from partfill.core.lifecycle import Fact
from partfill.model.capabilities import Cumulative
from partfill.model.events import AlarmKind
from partfill.model.numbers import ZERO, add, sub, text
from partfill.model.observations import OrderSnapshot
from partfill.model.words import Flag, OrdStatus, Request

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.core.engine import Engine

_PRESUMED = int(Flag.PRESUMED)
_WORKING = frozenset({OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.PENDING_CANCEL, OrdStatus.PENDING_REPLACE})


@dataclass(slots=True)
class Gone:
    """Answers that show nothing of an order at work. Times ns UTC by our clock."""

    cum: Decimal
    """What had filled then; more, and they say nothing any more."""
    first: int = 0
    """When the first and the last of them were asked for."""
    last: int = 0
    count: int = 0
    """How many in a row."""
    unproven: bool = False
    """True where such answers are no proof: the order is a stop that did not trigger, or its venue prints slices."""
    refused_at: int = 0
    """When a cancel was refused since nothing works under its id; 0 for not."""
    proven_at: int = 0
    """When the answer was asked for that proved it; 0 for not proven."""


def answer(engine: Engine, child: Child, ledger: Ledger, s: OrderSnapshot, now: int, effects: Effects) -> None:
    """Weigh an answer about one order: whether it shows that nothing of it works. What it says has been joined already."""
    if ledger is not child.ledger or s.asked is None or s.exec_type is not None:
        return
    if not child.open_at_venue:
        return
    if s.leaves_qty != ZERO or not _whole(child, ledger, s):
        _over(child, effects)
        return
    gone = _noted(child, effects)
    odd = s.ord_status is OrdStatus.FILLED or (s.ord_status is None and s.status_text is not None)
    refused = bool(gone.refused_at) and s.asked >= gone.refused_at
    if not odd and not refused:
        if not gone.refused_at:
            _over(child, effects)
        return
    effects.query = True
    if not _late_enough(child, s.asked):
        return
    _count(gone, s.asked)
    gone.unproven = (child.rules.shows_slices or _untriggered(child)) and not refused
    if not gone.unproven and _enough(child, gone):
        word = s.ord_status.name.lower() if s.ord_status is not None else repr(s.status_text or "nothing")
        _end(engine, child, gone, s.asked, f"the venue calls it {word} and prints that nothing of it works", effects)


def not_known(engine: Engine, child: Child, asked: int, effects: Effects) -> bool:
    """The venue's last word is that it knows no such order, which worked; True when that is its end."""
    gone = child.gone
    if gone is None or not gone.refused_at or asked < gone.refused_at or gone.cum != child.cum or not child.open_at_venue:
        return False
    if not _late_enough(child, asked):
        return False
    effects.touch(child)
    _count(gone, asked)
    if gone.count < 2 or gone.last - gone.first < child.rules.lag_ns:
        return False
    _end(engine, child, gone, asked, "a cancel was refused, and the venue knows no such order", effects)
    return True


def refused(child: Child, now: int, effects: Effects) -> None:
    """A cancel was refused, since nothing works under its id."""
    if child.open_at_venue:
        _noted(child, effects).refused_at = now


def next_question(child: Child, at: int) -> int:
    """When to ask next, where `at` is when the waits alone would: the second answer counts `lag_ms` after the first."""
    gone = child.gone
    if gone is None or not gone.count or gone.proven_at:
        return at
    return max(at, gone.first + child.rules.lag_ns + 1)


def doomed(child: Child) -> bool:
    """Whether nothing of it seems to work and only a cancel can prove it."""
    gone = child.gone
    if gone is None or not gone.unproven or gone.count < 2 or gone.refused_at:
        return False
    return gone.last - gone.first >= child.rules.lag_ns


def said_over(child: Child) -> None:
    """The venue's own word has ended it: nothing is presumed any more."""
    child.gone = None
    child.flags &= ~_PRESUMED


def lives(engine: Engine, child: Child, s: OrderSnapshot, as_of: int, effects: Effects) -> None:
    """Revive an order that was taken for ended, where a statement shows it at work later than that."""
    gone = child.gone
    told = s.asked if s.asked is not None else as_of
    works = s.leaves_qty > ZERO if s.leaves_qty is not None else s.asked is not None and s.ord_status in _WORKING
    if gone is not None and works and told > gone.proven_at:
        _revive(engine, child, "the venue shows it at work", effects)


def moved(engine: Engine, child: Child, effects: Effects) -> None:
    """Revive an order that was taken for ended and has filled since."""
    gone = child.gone
    if gone is None or child.works:
        # Another word has reopened it.
        said_over(child)
    elif child.cum > gone.cum:
        _revive(engine, child, f"{text(sub(child.cum, gone.cum))} more of it filled", effects)
    else:
        # Of what was taken back since, none has to fill again before it lives.
        gone.cum = child.cum


# ---------------------------------------------------------------------- inside


def _whole(child: Child, ledger: Ledger, s: OrderSnapshot) -> bool:
    """Whether the answer states, as a total or a complete list, just the quantity that is booked."""
    if pending(child):
        return False
    rules = child.rules
    total = s.cum_qty if rules.cumulative is Cumulative.TRUTH else None
    if total is not None and total != ledger.cum:
        return False
    listed = s.executions if rules.executions_complete else None
    if listed is not None:
        whole = ZERO
        for e in listed:
            whole = whole if e.leg is not None else add(whole, e.qty)
        return whole == ledger.cum
    return total is not None


def _late_enough(child: Child, asked: int) -> bool:
    """Whether our last request had its effect, or never will have, when the question was sent."""
    work = child.work
    if work is None:
        return not child.in_flight
    if asked <= max(work.sent_at, work.terms_at):
        return False
    if asked > work.sent_at + child.rules.lag_ns:
        return True
    return (work.request is None or work.answered) and asked >= child.updated


def _untriggered(child: Child) -> bool:
    """Whether it is a stop order that was not seen to trigger: some venues print such orders with nothing open."""
    return child.stop_px is not None and not child.cum


def _noted(child: Child, effects: Effects) -> Gone:
    effects.touch(child)
    gone = child.gone
    if gone is None or gone.cum != child.cum:
        gone = child.gone = Gone(child.cum)
    return gone


def _count(gone: Gone, asked: int) -> None:
    if not gone.count:
        gone.first = asked
    if asked > gone.last:
        gone.count += 1
        gone.last = asked


def _enough(child: Child, gone: Gone) -> bool:
    rules = child.rules
    return rules.end_is_final or (gone.count >= 2 and gone.last - gone.first >= rules.lag_ns)


def _over(child: Child, effects: Effects) -> None:
    """An answer shows it at work, or as a whole other thing: nothing is presumed of it."""
    if child.gone is not None:
        effects.touch(child)
        child.gone = None


def _end(engine: Engine, child: Child, gone: Gone, asked: int, why: str, effects: Effects) -> None:
    gone.proven_at = asked
    left = child.leaves
    child.ledger.ends |= Fact.CANCELED
    child.ended_at = child.ended_at or asked
    child.mark(Flag.PRESUMED)
    if child.requests:
        child.answer(*child.requests)
    child.requests = None
    sent = {name: what for name, what in (child.in_flight or {}).items() if what[0] is not Request.CANCEL}
    child.in_flight = sent or None
    child.settle()
    rest = f"{text(left)} of {text(child.order_qty)} did not fill" if child.order_qty is not None else "the rest did not fill"
    engine.alarm(effects, child, AlarmKind.PRESUMED, f"taken for ended, {rest}: {why}")


def _revive(engine: Engine, child: Child, why: str, effects: Effects) -> None:
    effects.touch(child)
    child.gone = None
    child.flags &= ~_PRESUMED
    child.ledger.ends &= ~int(Fact.CANCELED)
    child.ended_at = 0
    child.settle()
    effects.query = True
    engine.alarm(effects, child, AlarmKind.PRESUMED, f"it was taken for ended, and it lives: {why}")
