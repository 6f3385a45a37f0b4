"""The venue's later word: what follows when its answers keep saying that less has filled than was heard.

    low answer  ->  suspected  ->  disputed  ->  ruled, or a person decides

Theory of operation. What filled is joined from positive evidence, the same for every order of arrival, and nothing that a
venue does not say enters that join. But a bust whose message was lost is never said again: the venue merely shows less. So an
answer that is low is counted, the venue is asked again, and only a *ruling* takes quantity back: one input's worth of
evidence that says "as of R the total was T, and these executions are none of it".

Rules
- An answer is what was asked for (`OrderSnapshot.asked`) about the order in force, and is whole: its complete list adds up to
  its total, and total and leaves fit the order. Streams, replies and ends are reasons to ask.
- It is low when it was asked for more than `lag_ms` after the last news of the order arrived, and says less than was heard.
- Suspected from the first low answer on: no end, no decision on the rest, no resubmission; questions go on for good.
- Disputed from the third on that says the same, `lag_ms` after the first at least: a person is told, with both numbers.
- A ruling needs a dispute that no answer ever took back, and fresh answers: three that carry the order's end, or a list with
  an execution that was heard after the missing ones were missed already, or the same word for `settle_ms`. A complete list
  sets executions aside; a total rules where no execution is held. Everything else is a person's to decide (`Resolve`).
- What is set aside is not void: listed again, it counts at once, and from then on only a person decides. A message of it that
  is no younger than the ruling is the one that was weighed: it is a reason to ask.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core import attribution, fills
from partfill.core.asides import count_again, open_by, rule
from partfill.core.child import Child
from partfill.core.doubts import Doubt, note
from partfill.core.effects import Effects
from partfill.core.ledger import Ledger
from partfill.model.capabilities import Chain, Cumulative
from partfill.model.commands import Resolve
from partfill.model.events import AlarmKind, CommandRefused
from partfill.model.numbers import ZERO, add, sub, text
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.words import Flag, OrdStatus

if TYPE_CHECKING:
    from partfill.core.engine import Engine

MANY = 3
"""Answers in a row that say the same before a person is told."""
SETTLED = 6
"""Answers in a row that say the same for `settle_ms`: our own clock may have jumped over that time."""
_ENDS = frozenset({OrdStatus.CANCELED, OrdStatus.EXPIRED, OrdStatus.REJECTED, OrdStatus.CALCULATED})
_SHOWN = 5
"""Most executions that a message names."""


def answer(engine: Engine, child: Child, ledger: Ledger, s: OrderSnapshot, now: int, effects: Effects) -> None:
    """Weigh an answer. What it says for the order has been joined already."""
    said = _said(child, ledger, s)
    if said is None:
        return
    total, missing, listed = said
    doubt = ledger.doubt
    if not _is_low(ledger, total, missing, listed):
        if doubt is not None and doubt.cum is not None:
            doubt.flaps += bool(doubt.count)
            _over(engine, child, ledger, doubt, effects, "the venue shows it again")
        return
    if kept(ledger, total, missing):
        return
    assert s.asked is not None
    effects.query = True
    if doubt is None:
        doubt = ledger.doubt = Doubt()
    if doubt.cum != ledger.cum or doubt.rows != len(ledger.rows):
        doubt.cum, doubt.rows, doubt.count = ledger.cum, len(ledger.rows), 0
        # The order has not changed since `updated`; what this very answer brought is news of now.
        doubt.news_at = now if effects.published or effects.rows else child.updated
    if s.asked <= doubt.news_at + child.rules.lag_ns or (doubt.count and s.asked <= doubt.last):
        return
    _count(child, doubt, s, total, missing, listed)
    effects.doubts = True
    if doubt.count >= MANY and doubt.last - doubt.first >= child.rules.lag_ns:
        if not doubt.disputed:
            doubt.disputed = True
            said_so = f"{_versus(ledger, doubt)}; {_way_out(ledger, doubt)}"
            engine.alarm(effects, child, AlarmKind.DISPUTED, said_so)
        if not doubt.flaps and _is_fresh(child, ledger, doubt) and _explained(ledger, doubt, missing):
            if listed or not ledger.itemised:
                _rule(engine, child, ledger, doubt, missing, "the venue's answers", effects)
    note(engine, child)


def news(engine: Engine, child: Child, effects: Effects) -> None:
    """Something was heard of a doubted order: answers before it are about less than is known now."""
    for ledger in child.ledgers:
        doubt = ledger.doubt
        if doubt is None or doubt.cum is None or (doubt.cum == ledger.cum and doubt.rows == len(ledger.rows)):
            continue
        if doubt.count and doubt.listed:
            doubt.lacked, doubt.lacked_rows = doubt.missing, doubt.rows
        _over(engine, child, ledger, doubt, effects, "something else was heard")
    note(engine, child)


def again(engine: Engine, child: Child, ledger: Ledger, e: Execution, told: int, effects: Effects) -> bool:
    """What was set aside comes again; True when it counts again. `told`: when the question was sent, or its stamp."""
    doubt = ledger.doubt
    if doubt is None or e.key not in doubt.aside:
        return False
    if told <= doubt.ruled_at:
        effects.query = True
        return False
    doubt.aside.remove(e.key)
    doubt.flaps += 1
    old = ledger.cum
    count_again(ledger, e.key)
    effects.rows.append((ledger, e.key, e.venue_time, None))
    effects.duplicate, effects.doubts = False, True
    said = f"execution {e.key} of {text(e.qty)} was set aside and is listed again: it counts, and from now on a person decides"
    engine.alarm(effects, child, AlarmKind.RULED, said)
    fills.publish_change(engine, child, ledger, e.key, old, None, effects)
    return True


def resolve(engine: Engine, r: Resolve, now: int, effects: Effects) -> None:
    """A person decides."""
    name = r.order_id or r.cl_ord_id or ""
    ledger = attribution.attribute(engine, r.venue, r.account, r.order_id, r.cl_ord_id, None, effects, create=False)
    if ledger is None:
        _refuse(effects, name, f"no order {name} at {r.venue} {r.account}".rstrip())
        return
    child = ledger.child
    if not effects.enter(child, ledger, engine):
        return
    doubt = ledger.doubt
    if doubt is None or not doubt.count:
        _refuse(effects, name, f"nothing is doubted of {name}: {text(ledger.cum)} filled")
        return
    if (r.cum_qty, r.venue_cum_qty) != (ledger.cum, doubt.total):
        shown = f"{text(r.cum_qty)} here and {text(r.venue_cum_qty)} at the venue"
        _refuse(effects, name, f"your decision names {shown}; the numbers are now {_versus(ledger, doubt)}; look again")
        return
    who = f"{r.by} ({r.reason})"
    effects.bound = effects.doubts = True
    if not r.accept:
        doubt.kept = (ledger.cum, doubt.total, doubt.missing)
        doubt.flaps += 1
        _over(engine, child, ledger, doubt, effects, f"{who} keeps what is booked")
        note(engine, child)
        return
    void = r.void or doubt.missing
    why = _cannot_void(ledger, doubt, void)
    if why is not None:
        _refuse(effects, name, why)
        return
    _rule(engine, child, ledger, doubt, tuple(void), who, effects)
    note(engine, child)


def kept(ledger: Ledger, total: Decimal | None, missing: tuple[str, ...] | None = None) -> bool:
    """Whether a person decided that what is booked stays, whatever the venue says like this."""
    doubt = ledger.doubt
    if doubt is None or doubt.kept is None or total is None:
        return False
    cum, low, lacks = doubt.kept
    return (cum, low) == (ledger.cum, total) and missing in (None, lacks)


# ---------------------------------------------------------------------- what an answer says


def _said(child: Child, ledger: Ledger, s: OrderSnapshot) -> tuple[Decimal, tuple[str, ...], bool] | None:
    """(total, executions that its complete list lacks, whether it is such a list); None where it is no whole answer."""
    if s.asked is None or not child.known or s.exec_type is not None or s.key is not None:
        return None
    rules = child.rules
    if rules.chain is Chain.CONTINUES and s.order_id in child.left:
        return None
    if ledger.scales is not None and s.asked <= child.terms_at:
        return None
    total = s.cum_qty if rules.cumulative is Cumulative.TRUTH else None
    fits = s.cum_qty is None or s.leaves_qty is None or s.order_qty is None or add(s.cum_qty, s.leaves_qty) <= s.order_qty
    if not fits:
        return None
    if not rules.executions_complete or s.executions is None:
        return None if total is None or (rules.executions_complete and ledger.count) else (total, (), False)
    if ledger.scales is not None:
        return None
    listed = {e.key: e.qty for e in s.executions if e.leg is None}
    whole = ZERO
    for qty in listed.values():
        whole = add(whole, qty)
    if total is not None and whole != total:
        return None
    roots = {ledger.root(key) for key in listed}
    return whole, tuple(sorted(key for key, _ in ledger.live() if key not in roots)), True


def _is_low(ledger: Ledger, total: Decimal, missing: tuple[str, ...], listed: bool) -> bool:
    """Whether it says less than was heard: by more than the digits that it prints, where no execution is as small as those."""
    if total >= ledger.cum:
        return False
    exponent = total.as_tuple().exponent
    if missing or listed or not isinstance(exponent, int) or exponent >= 0 or not ledger.count:
        return True
    less = sub(ledger.cum, total)
    return less >= Decimal(1).scaleb(exponent) or any(row.qty is not None and row.qty <= less for _, row in ledger.live())


def _count(child: Child, doubt: Doubt, s: OrderSnapshot, total: Decimal, missing: tuple[str, ...], listed: bool) -> None:
    assert s.asked is not None
    if not doubt.count or (doubt.total, doubt.missing) != (total, missing):
        doubt.total, doubt.missing, doubt.count, doubt.first, doubt.ends = total, missing, 0, s.asked, 0
    doubt.count += 1
    doubt.last, doubt.listed = s.asked, listed
    # What is open by its word says whether the missing quantity works again: more than is open without it.
    doubt.open_qty = s.leaves_qty
    doubt.leaves, doubt.avg = s.leaves_qty is not None and s.leaves_qty > child.leaves, s.avg_px
    if s.ord_status in _ENDS and not s.leaves_qty:
        doubt.ends += 1
        doubt.ends_from = s.asked if doubt.ends == 1 else doubt.ends_from
    else:
        doubt.ends = 0


def _is_fresh(child: Child, ledger: Ledger, doubt: Doubt) -> bool:
    if doubt.ends >= MANY and doubt.last - doubt.ends_from >= child.rules.lag_ns:
        return True
    if doubt.count >= SETTLED and doubt.last - doubt.first >= child.rules.settle_ns:
        return True
    if not doubt.listed or not doubt.missing or not set(doubt.missing) <= set(doubt.lacked):
        return False
    younger = list(ledger.rows)[doubt.lacked_rows :]
    return any(ledger.rows[key][0] not in "!~" and key not in doubt.missing for key in younger)


def _explained(ledger: Ledger, doubt: Doubt, void: tuple[str, ...]) -> bool:
    return _cannot_void(ledger, doubt, void) is None


def _cannot_void(ledger: Ledger, doubt: Doubt, void: tuple[str, ...]) -> str | None:
    """Why setting these executions aside does not give the venue's total; None when it does."""
    live = dict(ledger.live())
    left = ledger.itemised
    for key in void:
        if key not in live:
            return f"execution {key} does not count in this order; {_names(tuple(live))} do"
        left = sub(left, ledger.live_qty(live[key]))
    if left > doubt.total or (doubt.listed and left != doubt.total):
        return (
            f"voiding {_names(void)} leaves {text(left)} filled, and the venue says {text(doubt.total)}: name the "
            f"executions that are void, of {_names(tuple(live))}"
        )  # fmt: skip
    return None


# ---------------------------------------------------------------------- what follows


def _rule(engine: Engine, child: Child, ledger: Ledger, doubt: Doubt, void: tuple[str, ...], who: str,
          effects: Effects) -> None:  # fmt: skip
    """Take back what the venue does not show, as of the last question."""
    old, total, missing = ledger.cum, doubt.total, doubt.missing
    today = [ledger.rows[key] for key in void if fills.booked_today(child, ledger, key)]
    doubt.ruled_from = old
    child.mark(Flag.RULED)
    rule(ledger, doubt.last, total, doubt.avg, void, reopens=doubt.leaves)
    open_by(child, ledger, doubt.open_qty)
    for key in void:
        effects.rows.append((ledger, key, None, None))
    fell = sub(old, ledger.cum)
    if child.day_era and fell > ZERO and (today or not void):
        child.day_cum = max(ZERO, sub(child.day_cum, fell))
    doubt.cum, doubt.count, doubt.disputed, doubt.kept = None, 0, False, None
    effects.doubts = True
    what = f"; set aside: {_names(void)}" if void else ""
    said = f"{text(total)} of {text(old)} count, by {who}{what}"
    if missing and tuple(missing) != void:
        said += f"; its list lacks {_names(missing)}"
    engine.alarm(effects, child, AlarmKind.RULED, said)
    fills.publish_change(engine, child, ledger, void[0] if len(void) == 1 else "", old, f"by {who}", effects)


def _over(engine: Engine, child: Child, ledger: Ledger, doubt: Doubt, effects: Effects, why: str) -> None:
    if doubt.disputed:
        engine.alarm(effects, child, AlarmKind.DISPUTE_OVER, f"{text(ledger.cum)} filled, as was heard: {why}")
    effects.doubts = effects.doubts or bool(doubt.count)
    doubt.cum, doubt.count, doubt.disputed = None, 0, False
    note(engine, child)


def _versus(ledger: Ledger, doubt: Doubt) -> str:
    lacks = f"; its list lacks {_names(doubt.missing)}" if doubt.missing else ""
    return f"{text(ledger.cum)} filled by what was heard, {text(doubt.total)} by the venue's answers{lacks}"


def _way_out(ledger: Ledger, doubt: Doubt) -> str:
    if doubt.flaps:
        return "it took that back before, so a person decides: partfill resolve"
    if not doubt.listed and ledger.itemised:
        return "no list says which executions are void, so a person decides: partfill resolve"
    return "it counts in full until the answers are fresh, or partfill resolve decides"


def _names(keys: tuple[str, ...]) -> str:
    shown = ", ".join(keys[:_SHOWN]) or "nothing"
    return f"{shown} and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else shown


def _refuse(effects: Effects, name: str, why: str) -> None:
    effects.events.append(CommandRefused(0, None, None, name, why))
