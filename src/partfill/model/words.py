"""The field's standard words (FIX names) as enumerations, and the marks an order can carry.

Values are what is written to JSON, msgpack and the journal: renaming one is a migration.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Side(StrEnum):
    """Side of an order (FIX 54). Short sale variants are sells that a venue reports apart."""

    BUY = "buy"
    SELL = "sell"


class OrdType(StrEnum):
    """Order type (FIX 40)."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    OTHER = "other"


class TimeInForce(StrEnum):
    """How long an order works (FIX 59)."""

    DAY = "day"
    GTC = "gtc"
    GTD = "gtd"
    IOC = "ioc"
    FOK = "fok"
    OPENING = "opening"
    CLOSING = "closing"


class OrdStatus(StrEnum):
    """The venue's summary of an order (FIX 39). `core.lifecycle` derives it; nobody sets it."""

    PENDING_NEW = "PendingNew"
    NEW = "New"
    PARTIALLY_FILLED = "PartiallyFilled"
    FILLED = "Filled"
    DONE_FOR_DAY = "DoneForDay"
    CANCELED = "Canceled"
    EXPIRED = "Expired"
    REJECTED = "Rejected"
    PENDING_CANCEL = "PendingCancel"
    PENDING_REPLACE = "PendingReplace"
    STOPPED = "Stopped"
    SUSPENDED = "Suspended"
    CALCULATED = "Calculated"
    ACCEPTED_FOR_BIDDING = "AcceptedForBidding"


class ExecType(StrEnum):
    """Why a venue sent a report (FIX 150). CANCEL_REJECT stands for the OrderCancelReject message (35=9)."""

    NEW = "New"
    PENDING_NEW = "PendingNew"
    TRADE = "Trade"
    TRADE_CANCEL = "TradeCancel"
    TRADE_CORRECT = "TradeCorrect"
    PENDING_CANCEL = "PendingCancel"
    PENDING_REPLACE = "PendingReplace"
    CANCELED = "Canceled"
    EXPIRED = "Expired"
    REPLACED = "Replaced"
    REJECTED = "Rejected"
    DONE_FOR_DAY = "DoneForDay"
    RESTATED = "Restated"
    SUSPENDED = "Suspended"
    STOPPED = "Stopped"
    CALCULATED = "Calculated"
    TRIGGERED = "Triggered"
    ORDER_STATUS = "OrderStatus"
    CANCEL_REJECT = "CancelReject"


class ExecutionState(StrEnum):
    """How sure a venue is of one execution. A provisional one counts for exposure, not for settlement."""

    PROVISIONAL = "provisional"
    CONFIRMED = "confirmed"
    FINAL = "final"


class Request(StrEnum):
    """What we ask a venue to do with one order."""

    PLACE = "place"
    CANCEL = "cancel"
    REPLACE = "replace"


class LinkKind(StrEnum):
    """Why two venue orders belong together."""

    REPLACE = "replace"
    CHILD = "child"
    ADOPT = "adopt"


class Flag(IntEnum):
    """Marks of an order, one bit each. Derived ones come and go; the others stay once set.

    An IntEnum, not an IntFlag: sets of marks are plain ints, whose arithmetic is twenty times faster.
    """

    # Derived from quantities and terms.
    PARKED = 1
    """Evidence is here, the order itself (its terms) is not known yet."""
    PROVISIONAL = 2
    """The venue says more has filled than its executions add up to."""
    UNPRICED = 4
    """Some of the filled quantity has no price yet."""
    APPROXIMATE = 8
    """Some of the filled quantity is priced from the venue's average."""
    OVERFILL = 16
    """More has filled than was ordered."""
    # Kept once seen.
    VOIDED = 32
    """An execution of this order was taken back."""
    REVISED = 64
    """An execution of this order was corrected."""
    LATE_FILL = 128
    """A fill came after the end of the order."""
    KEY_CONFLICT = 256
    """One execution key came with two contents."""
    CONTRADICTION = 512
    """The venue printed something else than its own executions add up to, or a message contradicted itself."""
    UNKNOWN_STATUS = 1024
    """The venue used a status word that nobody knows; counted as open."""
    STATUS_AHEAD = 2048
    """The venue calls the order filled and its quantities do not say so."""
    REPLACED = 4096
    """The venue says that the rest went on under another order, which is not known here."""
    RESTATED = 8192
    """The venue restated quantities by itself (a split, a decline, a renewal)."""
    DUPLICATE_ID = 16384
    """Somebody tried to use this order's client id again."""
    REDUCTION_UNSEEN = 32768
    """The venue took off another quantity at the end than was left by its own messages."""
    QUARANTINED = 65536
    """An invariant broke: nothing is applied to this order any more until a person looks."""
    VANISHED = 131072
    """A complete list of executions no longer holds one that was there."""
    UNCLAIMED = 262144
    """The kill switch wants it off, and it may yet turn out to be an order of ours that is on its way: taken off once not."""
    KEY_REUSED = 524288
    """The venue used one message key for two messages."""
    ID_CONFLICT = 1048576
    """A message under an id of this order was about another instrument or side."""
    SUSPECTED = 4194304
    """On while the venue's answers say that less has filled than was heard: nothing more is decided or placed for it."""
    DISPUTED = 8388608
    """On while they keep saying so: a person, or what `core.rulings` calls fresh answers, decides."""
    RULED = 16777216
    """The venue's later word took back what had been heard: executions were set aside, or a total was."""
    PRESUMED = 33554432
    """On while the order is taken for ended since the venue prints that nothing of it works, and no word of an end came."""


DERIVED_FLAGS = Flag.PARKED | Flag.PROVISIONAL | Flag.UNPRICED | Flag.APPROXIMATE | Flag.OVERFILL
"""Flags that are recomputed from quantities and never stored as history."""


_NAMED = [(flag.value, flag.name) for flag in Flag]


def flag_names(flags: int) -> list[str]:
    """Names of the set flags, lowest first. `flag_names(2)` is ["PROVISIONAL"]."""
    return [name for bit, name in _NAMED if flags & bit] if flags else []
