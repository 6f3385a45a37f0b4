"""What is doubted of one venue order: the state that `rulings` moves, and what the rest of the core asks of it.

Rules
- Each venue order has its own doubt: where a replace begins a new one, each is asked and decided for itself.
- It comes from journalled inputs alone and is part of the order's state, so a replay doubts and decides the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.model.numbers import ZERO, add, sub
from partfill.model.words import Flag, Side

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.core.engine import Engine
    from partfill.core.ledger import Ledger

_SUSPECTED = int(Flag.SUSPECTED)


@dataclass(slots=True)
class Doubt:
    """Answers of the venue that say less than was heard. Quantities in units, times ns UTC by our clock."""

    cum: Decimal | None = None
    """What was heard, as the answers are compared with it; None while no answer says less."""
    rows: int = 0
    """Executions known then."""
    news_at: int = 0
    """When the last news of the order arrived, or a little later: a question sent sooner says nothing."""
    total: Decimal = ZERO
    """What the answers say."""
    missing: tuple[str, ...] = ()
    """Executions that a complete list lacks."""
    listed: bool = False
    """Whether the answers are complete lists."""
    count: int = 0
    """Answers in a row that say just that; 0 while all were asked for too soon."""
    first: int = 0
    last: int = 0
    """When the first and the last of them were asked for."""
    ends: int = 0
    ends_from: int = 0
    """How many of the newest in a row carry the end of the order, and when the first of those was asked for."""
    leaves: bool = False
    """Whether the newest says that the missing quantity works again."""
    avg: Decimal | None = None
    """The average price that the newest states."""
    disputed: bool = False
    flaps: int = 0
    """How often an answer took a doubt back, or what was set aside came again. Above 0 only a person decides."""
    lacked: tuple[str, ...] = ()
    lacked_rows: int = 0
    """What the list lacked when news ended an earlier doubt, and how many executions were known before that news."""
    kept: tuple[Decimal, Decimal, tuple[str, ...]] | None = None
    """(heard, total, missing) that a person decided to keep."""
    ruled_at: int = 0
    """As of when the newest ruling is: what a total said up to then counts no more. 0 for none."""
    ruled_from: Decimal | None = None
    """What had been booked before that ruling."""
    aside: list[str] = field(default_factory=list)
    """Executions set aside: out of every total until they are listed again."""
    listed_at: int = 0
    """Where keys are made here: of when the newest whole list is (see `weak_keys`)."""
    off: Decimal = ZERO
    """What rulings took from the total beside executions, and does not work again."""
    open_qty: Decimal | None = None
    """What the newest says is open; None where it does not say."""


def pending(child: Child) -> bool:
    """Whether some answer says less than was heard, and the question is open."""
    return any(ledger.doubt is not None and ledger.doubt.cum is not None for ledger in child.ledgers)


def next_question(child: Child, at: int) -> int:
    """When to ask next, where `at` is when the waits alone would: an answer must be older than the venue's lag to count."""
    for ledger in child.ledgers:
        doubt = ledger.doubt
        if doubt is not None and doubt.count == 1:
            at = max(at, doubt.first + child.rules.lag_ns)
    return at


def lacking(child: Child) -> Decimal:
    """By how much the venue's answers are below what was heard of a doubted order."""
    less = ZERO
    for ledger in child.ledgers:
        doubt = ledger.doubt
        if doubt is not None and doubt.count and ledger.cum > doubt.total:
            less = add(less, sub(ledger.cum, doubt.total))
    return less


def least_held(engine: Engine, place: tuple[str, str, str], side: Side, held: Decimal) -> Decimal:
    """What is held for certain of `held` units on a side: orders that entered it may have filled less than was heard."""
    for number in engine.doubted:
        child = engine.children.get(number)
        if child is None or (child.venue, child.account, child.instrument) != place or child.side is not side:
            continue
        held = sub(held, lacking(child))
    return max(ZERO, held)


def note(engine: Engine, child: Child) -> None:
    """Bring the marks of an order in line with the doubts of its venue orders."""
    suspected = any(ledger.doubt is not None and ledger.doubt.count for ledger in child.ledgers)
    disputed = any(ledger.doubt is not None and ledger.doubt.disputed for ledger in child.ledgers)
    flags = child.flags & ~(Flag.SUSPECTED | Flag.DISPUTED)
    child.flags = int(flags | (Flag.SUSPECTED if suspected else 0) | (Flag.DISPUTED if disputed else 0))
    if suspected:
        engine.doubted[child.id] = None
    else:
        engine.doubted.pop(child.id, None)


def suspected(child: Child) -> bool:
    """Whether nothing more may be decided or placed for it."""
    return bool(child.flags & _SUSPECTED)


def join(ledger: Ledger, other: Ledger) -> None:
    """`other` turned out to be the same venue order: what is set aside stays so, and what is doubted is asked anew."""
    theirs = other.doubt
    if theirs is None and ledger.doubt is None:
        return
    mine = ledger.doubt = ledger.doubt or Doubt()
    mine.cum, mine.count, mine.disputed = None, 0, False
    # Which executions were heard after which is not known of two.
    mine.lacked, mine.lacked_rows = (), 0
    if theirs is None:
        return
    mine.flaps += theirs.flaps
    mine.ruled_at = max(mine.ruled_at, theirs.ruled_at)
    mine.listed_at = max(mine.listed_at, theirs.listed_at)
    mine.off = add(mine.off, theirs.off)
    mine.aside.extend(key for key in theirs.aside if key not in mine.aside)
