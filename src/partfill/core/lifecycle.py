"""Order status: every rule and every table, in one place.

Theory of operation. An order has no "state variable". Facts hold about it: words the venue said (accepted, canceled,
done for day, ...), quantities (partly filled, filled) and requests it has acknowledged (cancel, replace). FIX ranks
them; the status is the highest fact that is true now. Each fact is a bit, and bits stand in the order of precedence,
so the status of any set of facts is its highest bit.

Rules
- Filled and PartiallyFilled come from quantities alone, never from a venue's word.
- Our own requests count when the venue acknowledges them, not when we send them.
- A word that ends an order is kept. Only the venue can reopen: by a Replaced that leaves quantity, later than the end.
- Absence of a transition from FIX's matrices does not make it illegal: any report is accepted in any state.

The state diagram in docs/ is drawn from these tables by scripts/make_docs.py.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from partfill.model.words import ExecType, OrdStatus, Request, TimeInForce


class Fact(IntEnum):
    """Facts in FIX order of precedence, lowest first (semantics of FIX 4.4 Volume 4, OrdStatus precedence)."""

    ACCEPTED_FOR_BIDDING = 1 << 0
    PENDING_NEW = 1 << 1
    NEW = 1 << 2
    REJECTED = 1 << 3
    PARTIALLY_FILLED = 1 << 4
    EXPIRED = 1 << 5
    CANCELED = 1 << 6
    SUSPENDED = 1 << 7
    STOPPED = 1 << 8
    FILLED = 1 << 9
    CALCULATED = 1 << 10
    DONE_FOR_DAY = 1 << 11
    PENDING_REPLACE = 1 << 12
    PENDING_CANCEL = 1 << 13


STATUS_OF_FACT: dict[Fact, OrdStatus] = {
    Fact.ACCEPTED_FOR_BIDDING: OrdStatus.ACCEPTED_FOR_BIDDING,
    Fact.PENDING_NEW: OrdStatus.PENDING_NEW,
    Fact.NEW: OrdStatus.NEW,
    Fact.REJECTED: OrdStatus.REJECTED,
    Fact.PARTIALLY_FILLED: OrdStatus.PARTIALLY_FILLED,
    Fact.EXPIRED: OrdStatus.EXPIRED,
    Fact.CANCELED: OrdStatus.CANCELED,
    Fact.SUSPENDED: OrdStatus.SUSPENDED,
    Fact.STOPPED: OrdStatus.STOPPED,
    Fact.FILLED: OrdStatus.FILLED,
    Fact.CALCULATED: OrdStatus.CALCULATED,
    Fact.DONE_FOR_DAY: OrdStatus.DONE_FOR_DAY,
    Fact.PENDING_REPLACE: OrdStatus.PENDING_REPLACE,
    Fact.PENDING_CANCEL: OrdStatus.PENDING_CANCEL,
}

STATUS_BY_RANK: tuple[OrdStatus, ...] = (OrdStatus.PENDING_NEW, *STATUS_OF_FACT.values())
"""Indexed by the bit length of the facts: no fact at all is an order the venue has not acknowledged."""

ENDED = int(Fact.CANCELED | Fact.EXPIRED | Fact.REJECTED | Fact.CALCULATED)
"""Facts after which nothing of an order works any more."""
ENDED_DAY = int(ENDED | Fact.DONE_FOR_DAY)
"""The same for an order that lives one day: done for day is the end of it."""
GOOD_TILL = frozenset({TimeInForce.GTC, TimeInForce.GTD})
"""Orders that outlive a day."""


def end_mask(tif: TimeInForce | None) -> int:
    """The facts that end an order of this time in force."""
    return int(ENDED if tif in GOOD_TILL else ENDED_DAY)


class Effect(NamedTuple):
    """What a report does to the facts. Quantities are the ledger's; terms move only where `terms` says so."""

    sets: int = 0
    clears: int = 0
    terms: bool = False
    """True when new terms (quantity, price, id) take effect: only New, Replaced and Restated."""
    acknowledges: Request | None = None
    """The request of ours that the venue has received and not answered yet."""
    answers: bool = False
    """True when the request named in the report is answered."""
    ends: bool = False
    """True when every open request falls with the order."""
    meaning: str = ""


EFFECTS: dict[ExecType, Effect] = {
    ExecType.PENDING_NEW: Effect(Fact.PENDING_NEW, meaning="received, not accepted yet"),
    ExecType.NEW: Effect(Fact.NEW, Fact.SUSPENDED, terms=True, meaning="accepted"),
    ExecType.TRADE: Effect(Fact.NEW, meaning="an execution; may be the first message of an order"),
    ExecType.TRADE_CANCEL: Effect(meaning="an execution is taken back"),
    ExecType.TRADE_CORRECT: Effect(meaning="an execution is corrected"),
    ExecType.PENDING_CANCEL: Effect(acknowledges=Request.CANCEL, meaning="cancel received; still shows old terms"),
    ExecType.PENDING_REPLACE: Effect(acknowledges=Request.REPLACE, meaning="replace received; still shows old terms"),
    ExecType.CANCELED: Effect(Fact.CANCELED, Fact.SUSPENDED | Fact.STOPPED, ends=True, meaning="the rest is off"),
    ExecType.EXPIRED: Effect(Fact.EXPIRED, Fact.SUSPENDED | Fact.STOPPED, ends=True, meaning="the rest ran out of time"),
    ExecType.REPLACED: Effect(
        Fact.NEW, Fact.SUSPENDED | Fact.DONE_FOR_DAY, terms=True, answers=True, meaning="new terms in force"
    ),
    ExecType.REJECTED: Effect(Fact.REJECTED, ends=True, meaning="refused, perhaps after it was accepted"),
    ExecType.DONE_FOR_DAY: Effect(Fact.DONE_FOR_DAY, meaning="no more executions today"),
    ExecType.RESTATED: Effect(
        Fact.NEW, Fact.DONE_FOR_DAY | Fact.SUSPENDED, terms=True, meaning="the venue changed or renewed terms by itself"
    ),
    ExecType.SUSPENDED: Effect(Fact.SUSPENDED, meaning="held"),
    ExecType.STOPPED: Effect(Fact.STOPPED, meaning="quantity and price guaranteed; not an execution"),
    ExecType.CALCULATED: Effect(Fact.CALCULATED, meaning="done, charges computed"),
    ExecType.TRIGGERED: Effect(Fact.NEW, meaning="a stop starts to work"),
    ExecType.ORDER_STATUS: Effect(meaning="an answer, no event: its word is read like a polled one (below), requests apart"),
    ExecType.CANCEL_REJECT: Effect(answers=True, meaning="a cancel or replace was refused"),
}
"""Effect of every report on the facts (FIX ExecType; CancelReject is message 35=9)."""

GOOD_TILL_CLEARS: dict[ExecType, int] = {
    ExecType.TRADE: int(Fact.DONE_FOR_DAY),
    ExecType.CANCELED: int(Fact.DONE_FOR_DAY),
    ExecType.EXPIRED: int(Fact.DONE_FOR_DAY),
}
"""Further facts that a report clears on an order that outlives the day: its restatement in the morning is optional."""

WORD_EFFECTS: dict[OrdStatus, Effect] = {
    OrdStatus.ACCEPTED_FOR_BIDDING: Effect(Fact.ACCEPTED_FOR_BIDDING),
    OrdStatus.PENDING_NEW: Effect(Fact.PENDING_NEW),
    OrdStatus.NEW: Effect(Fact.NEW),
    OrdStatus.PARTIALLY_FILLED: Effect(Fact.NEW),
    OrdStatus.FILLED: Effect(Fact.NEW),
    OrdStatus.DONE_FOR_DAY: Effect(Fact.NEW | Fact.DONE_FOR_DAY),
    OrdStatus.CANCELED: EFFECTS[ExecType.CANCELED],
    OrdStatus.EXPIRED: EFFECTS[ExecType.EXPIRED],
    OrdStatus.REJECTED: EFFECTS[ExecType.REJECTED],
    OrdStatus.PENDING_CANCEL: Effect(Fact.NEW, acknowledges=Request.CANCEL),
    OrdStatus.PENDING_REPLACE: Effect(Fact.NEW, acknowledges=Request.REPLACE),
    OrdStatus.STOPPED: EFFECTS[ExecType.STOPPED],
    OrdStatus.SUSPENDED: EFFECTS[ExecType.SUSPENDED],
    OrdStatus.CALCULATED: EFFECTS[ExecType.CALCULATED],
}
"""Effect of a status word in a poll answer or reply, where no report says why. Its quantities are evidence; its
Filled and PartiallyFilled are not: completion is read from quantities."""

PRINTED_ENDS: dict[OrdStatus, int] = {
    OrdStatus.CANCELED: int(Fact.CANCELED),
    OrdStatus.EXPIRED: int(Fact.EXPIRED),
}
"""Ends that exchanges bundle into the report of an execution (FIX 5.0 Volume 7, I.1.b)."""


def status_of(facts: int) -> OrdStatus:
    """The status of a set of facts: the highest that holds. `status_of(0)` is PendingNew."""
    return STATUS_BY_RANK[facts.bit_length()]
