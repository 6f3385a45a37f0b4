"""A parent order: what the user wants, and the child orders that were tried for it. And the one safety law.

    filled (all children) + worst case still open (all children not proven ended) <= asked

Rules
- A child counts with everything that may still fill of it until its end is proven (`Work.settled`): unknown placements,
  unconfirmed cancels and the larger quantity of an unanswered replace included.
- `limit` is the right side of the law. It rises when the user asks for more, and when venues filled more than we could
  foresee (alarmed); it falls back to what is asked as soon as the left side allows.
- No operation may leave after which the law does not hold.
- A protective order that its venue holds to the position (`reduce_only`) and that leaves counts no more: what it may still
  close is there to be closed, and lowers what the others are asked for.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from partfill.core.doubts import suspected
from partfill.model.commands import Resubmit
from partfill.model.numbers import ZERO, add, ratio, sub
from partfill.model.protection import Retry
from partfill.model.refusals import Refusal
from partfill.model.terms import Terms
from partfill.model.words import Request

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.core.handling import Handling


class Done(StrEnum):
    """How a parent order ended."""

    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    KILLED = "killed"
    RELEASED = "released"


class Parent:
    """What a user wants. Quantities in units, prices in quote currency per unit, times ns UTC."""

    __slots__ = (
        "account",
        "active",
        "asked",
        "attempts",
        "children",
        "cum",
        "done",
        "excess",
        "guards",
        "halted",
        "handling",
        "id",
        "least",
        "limit",
        "price",
        "ref",
        "resubmit",
        "resubmits",
        "retry",
        "stop",
        "terms",
        "venue",
    )

    def __init__(self, number: int, venue: str, account: str, ref: str, terms: Terms, resubmit: Resubmit | None) -> None:
        self.id = number
        self.venue = venue
        self.account = account
        self.ref = ref
        self.terms = terms
        self.asked = terms.order_qty if terms.order_qty is not None else ZERO
        """Total quantity wanted; 0 for an order sized in cash, which has one child for ever."""
        self.price = terms.price
        self.resubmit = resubmit
        self.resubmits = 0
        """Successors placed for remainders."""
        self.attempts = 0
        """Children made; the next one's number."""
        self.cum = ZERO
        self.limit = self.asked
        self.excess = ZERO
        """By how much venues exceeded what was asked, as far as it was alarmed; quote currency for an order sized in cash."""
        self.stop: Done | None = None
        """Why nothing of it may work any more: the user's word or the kill switch."""
        self.done: Done | None = None
        self.halted = False
        """True after the law broke: nothing leaves for this parent until a person looks."""
        self.handling: Handling | None = None
        """What is decided on the rest of it; None when nobody wants that."""
        self.guards: int | None = None
        """Number of the protection that this order is part of, below zero if it trades back what that closed too much."""
        self.least = ZERO
        """Of an order that protects: the least that its venue takes, units."""
        self.retry: Retry | None = None
        """How what is refused of it is tried anew; None for as always."""
        self.children: list[Child] = []
        self.active: list[Child] = []
        """Children whose end is not proven."""

    @property
    def exposure(self) -> Decimal:
        """Filled, and all that may still fill, but for what leaves: its venue holds that to the position."""
        total = self.cum
        for child in self.active:
            assert child.work is not None
            if not child.work.is_beside(child):
                total = add(total, child.work.worst(child))
        return total

    @property
    def rest(self) -> Decimal:
        """What is asked for and not filled; never below zero."""
        rest = sub(self.asked, self.cum)
        return rest if rest > ZERO else ZERO

    @property
    def unsure(self) -> bool:
        """Whether a venue is being asked what still counts: after a void, or since it says less than was heard."""
        if self.doubted:
            return True
        for child in self.children:
            work = child.work
            assert work is not None
            if work.settled and (work.looking or work.look_at) and any(ledger.outdated for ledger in child.ledgers):
                return True
        return False

    @property
    def doubted(self) -> bool:
        """Whether a venue's answers say that less has filled than was heard (see `rulings`)."""
        return any(suspected(child) for child in self.children)

    @property
    def held(self) -> bool:
        """Whether it is doubted, and nothing is placed for it: all but what its venue holds to the position."""
        return self.doubted and not (self.guards is not None and self.terms.reduce_only)

    @property
    def spent(self) -> Decimal | None:
        """Value of everything that filled, quote currency; None while some of it has no price."""
        value = ZERO
        for child in self.children:
            for ledger in child.ledgers:
                priced = ledger.priced()
                if priced is None:
                    return None
                value = add(value, priced[0])
        return value

    @property
    def avg_px(self) -> Decimal | None:
        """Volume weighted average price over all children, 28 digits; None when nothing filled or a price is missing."""
        spent = self.spent if self.cum else None
        return None if spent is None else ratio(spent, self.cum)


class Work:
    """The desk's side of one child order: the request in flight, what to ask, and whether its end is proven."""

    __slots__ = (
        "accepted",
        "act_at",
        "answered",
        "cut",
        "doubt",
        "leaving",
        "look_at",
        "looking",
        "looks",
        "max_qty",
        "parent",
        "presumed",
        "px",
        "refusal",
        "request",
        "request_id",
        "requests",
        "retarget",
        "seen_cum",
        "sent_at",
        "settled",
        "target",
        "terms_at",
        "tries",
        "wake_at",
    )

    def __init__(self, parent: Parent, qty: Decimal) -> None:
        self.parent = parent
        self.request: Request | None = None
        """What is in flight: at most one."""
        self.request_id = ""
        self.sent_at = 0
        self.accepted = False
        """True when the reply said done and the venue's report is still to come."""
        self.answered = False
        """True when the outcome of the newest request is known, though what it did may not be."""
        self.doubt = False
        """True when the venue has to be asked: a lost reply, a refusal, an end without its last fills."""
        self.max_qty = qty
        """Largest total quantity that may be in force, by any request of ours that may still be applied."""
        self.px = parent.price
        """The price that we asked for last and the venue took. In force may be another one: venues reprice by themselves."""
        self.target: tuple[Decimal, Decimal | None] | None = None
        """Total quantity and price that the replace in flight asks for."""
        self.cut = False
        """True when the venue has less in force than we asked for (reduce-only, at the position): not made larger again."""
        self.leaving = False
        """True when another order works, or will, in its stead, and it is taken off then: see `core.covering`."""
        self.terms_at = 0
        """When the venue last changed the quantity in force by itself (ns UTC)."""
        self.look_at = 0
        """When to ask next (ns UTC); 0 for not at all."""
        self.looking = False
        """True while a question is out."""
        self.looks = 0
        """Questions in a row that settled nothing."""
        self.act_at = 0
        """Not before this time is a refused request tried anew."""
        self.tries = 0
        """Requests in a row that were refused or changed nothing."""
        self.requests = 0
        """Requests made on this child, for their ids."""
        self.retarget = False
        """True when we took it off to place the rest elsewhere."""
        self.refusal: Refusal | None = None
        """What the newest refusal of a request means, where it means something."""
        self.presumed = False
        """True when we took it for ended without a word of the venue about the order: refused, or never arrived."""
        self.settled = False
        """True when nothing more can fill, as far as the venue's word goes, and what filled is known."""
        self.seen_cum = ZERO
        """What of the child's `cum` is in the parent's."""
        self.wake_at = 0
        """The newest timer set for it; no part of the journal, since timers are set anew after a start."""

    def in_force(self, total: Decimal) -> None:
        """The venue has `total` units in force, and no replace of ours is in flight."""
        self.cut = self.cut or total < self.max_qty
        self.max_qty = total

    def is_beside(self, child: Child) -> bool:
        """Whether it leaves once another works, and counts for nothing meanwhile: its venue holds both to the position.

        A venue that turns out to sum its reduce-only orders does not: what leaves counts again, and is taken off.
        """
        return self.leaving and child.rules.reduces_each

    def worst(self, child: Child) -> Decimal:
        """What may still fill of the child."""
        rest = sub(self.max_qty, child.cum)
        return rest if rest > ZERO else ZERO
