"""What subscribers hear.

Rules
- Every change of an order's filled quantity is one `Fill` or one `Reversal`, once. So the fills less the
  reversals of an order are its `cum_qty`, always.
- An execution that only gives identity to quantity already published is a `Confirmation`, not a second fill.
- Events are made by the core and carry the order's totals after the change.

`order` is partfill's own number of the order. Quantities are units, prices quote currency per unit.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from partfill.model.numbers import ratio, sub
from partfill.model.reports import ExecutionReport
from partfill.model.words import OrdStatus, Side


class _Event(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", forbid_unknown_fields=True, gc=False):
    order: int
    order_id: str | None
    cl_ord_id: str | None


class Fill(_Event, frozen=True, tag="fill"):
    """`cum_qty` rose by `qty`. `key` is None while only the venue's total says so; then `px` is approximate."""

    qty: Decimal
    px: Decimal | None
    key: str | None
    cum_qty: Decimal
    leaves_qty: Decimal
    ord_status: OrdStatus
    approximate: bool = False


class Confirmation(_Event, frozen=True, tag="confirmation"):
    """`qty` that was published before now has its execution `key` and its own price."""

    qty: Decimal
    px: Decimal | None
    key: str
    cum_qty: Decimal
    ord_status: OrdStatus


class Reversal(_Event, frozen=True, tag="reversal"):
    """`cum_qty` fell by `qty`: execution `key` was voided or corrected downwards."""

    qty: Decimal
    key: str
    reason: str | None
    cum_qty: Decimal
    leaves_qty: Decimal
    ord_status: OrdStatus


class Repriced(_Event, frozen=True, tag="repriced"):
    """Execution `key` has another price (or a first one) and the same quantity."""

    key: str
    px: Decimal | None
    cum_qty: Decimal


class StatusChanged(_Event, frozen=True, tag="status_changed"):
    """The derived status moved without a change of `cum_qty`; `ended` when nothing of the order works any more."""

    before: OrdStatus
    ord_status: OrdStatus
    cum_qty: Decimal
    leaves_qty: Decimal
    ended: bool
    reason: str | None = None


class TermsChanged(_Event, frozen=True, tag="terms_changed"):
    """The quantity or price in force moved (Replaced, Restated, a reduction)."""

    order_qty: Decimal | None
    price: Decimal | None
    cum_qty: Decimal
    leaves_qty: Decimal
    ord_status: OrdStatus
    reason: str | None = None


class Adopted(_Event, frozen=True, tag="adopted"):
    """Evidence that was parked found its order; `cum_qty` was booked before the order was known."""

    cum_qty: Decimal


class AlarmKind(StrEnum):
    """Why a person should look."""

    OVERFILL = "overfill"
    KEY_CONFLICT = "key_conflict"
    PARKED = "parked"
    UNPRICED = "unpriced"
    LATE_FILL = "late_fill"
    UNKNOWN_STATUS = "unknown_status"
    STATUS_AHEAD = "status_ahead"
    INVARIANT = "invariant"
    ID_CONFLICT = "id_conflict"
    DUPLICATE_ID = "duplicate_id"
    UNREADABLE = "unreadable"
    NO_ORDER = "no_order"
    GAP = "gap"
    REDUCTION_UNSEEN = "reduction_unseen"
    VANISHED = "vanished"
    SPLIT_INEXACT = "split_inexact"
    EXPOSURE = "exposure"
    LAW = "law"
    REFUSED = "refused"
    MISSING = "missing"
    UNPROVEN = "unproven"
    OUTAGE = "outage"
    OUTAGE_OVER = "outage_over"
    UNPROTECTED = "unprotected"
    OVER_CLOSE = "over_close"
    POSITION = "position"
    POSITION_AGREES = "position_agrees"
    KEY_REUSED = "key_reused"
    ID_SHARED = "id_shared"
    DISPUTED = "disputed"
    DISPUTE_OVER = "dispute_over"
    RULED = "ruled"
    PRESUMED = "presumed"
    CONTRADICTION = "contradiction"


class Alarm(_Event, frozen=True, tag="alarm"):
    """Something a person should look at. `order` is 0 when it concerns no order."""

    kind: AlarmKind
    text: str


class ResubmitTriggered(_Event, frozen=True, tag="resubmit_triggered"):
    """Child `order` ended with a remainder; `qty` of it goes on under `new_cl_ord_id`, attempt `attempt` of parent `ref`."""

    ref: str
    new_cl_ord_id: str
    qty: Decimal
    attempt: int


class ParentDone(_Event, frozen=True, tag="parent_done"):
    """Nothing of parent `ref` works any more. `outcome` is filled, canceled, expired, rejected or killed.

    `order` is its last child. `avg_px` is over all children, None when nothing filled or a price is missing.
    """

    ref: str
    outcome: str
    cum_qty: Decimal
    unfilled_qty: Decimal
    avg_px: Decimal | None


class CommandRefused(_Event, frozen=True, tag="command_refused"):
    """A command that changes nothing, and why. `order` is 0."""

    ref: str
    reason: str


class OutcomeUnknown(_Event, frozen=True, tag="outcome_unknown"):
    """Request `request_id` (place, cancel or replace) was not answered. It counts as open; the venue is asked."""

    request: str
    request_id: str
    reason: str | None = None


class KillSwitchChanged(_Event, frozen=True, tag="kill_switch_changed"):
    """The kill switch of (venue, account) was put on or lifted; venue "*" is everything. `order` is 0."""

    venue: str
    account: str
    on: bool
    by: str
    reason: str | None = None


class PositionChanged(_Event, frozen=True, tag="position_changed"):
    """The position of an account in an instrument is `qty` now, above zero for long. `order` is the order that changed it.

    `cost`: what that quantity was entered at; `paid`: for all that was ever bought less what was got for all that was sold.
    `held`: what fees that were taken in the instrument itself leave of `qty`, then `cost` is of that; None without such fees.
    Values in quote currency, price times units: a multiplier is not in them, nor are other fees. `unpriced`: some fill has no
    price yet, and its value is missing.
    """

    venue: str
    account: str
    instrument: str
    qty: Decimal
    cost: Decimal
    paid: Decimal
    unpriced: bool = False
    held: Decimal | None = None

    @property
    def avg_px(self) -> Decimal | None:
        """Average price of entry, 28 digits; None without a position and while a price is missing."""
        held = self.qty if self.held is None else self.held
        return None if not held or self.unpriced else ratio(self.cost, held)

    @property
    def realised(self) -> Decimal:
        """What was made of all that is closed, before fees other than those that `held` is without."""
        return sub(self.cost, self.paid)


class PositionClosed(_Event, frozen=True, tag="position_closed"):
    """A position of `side` (buy for long) is closed, or turned over, with this result since it was opened, quote currency.

    `rounds`: how often it was opened by now. `realised`: with the multiplier, before all fees but those in the base asset.
    `net`: less the fees in quote currency, of entry and exit; None where it cannot be told. A fee that comes later is not in
    it. After a void opens it again, the next result is that of the whole, and takes the place of this one.
    """

    venue: str
    account: str
    instrument: str
    side: Side
    rounds: int
    realised: Decimal
    net: Decimal | None


class ProtectionChanged(_Event, frozen=True, tag="protection_changed"):
    """`qty` of a position are to be protected now: `side` is buy for a long one. `order` is 0."""

    venue: str
    account: str
    instrument: str
    side: Side
    qty: Decimal


class ProtectionCovered(_Event, frozen=True, tag="protection_covered"):
    """Every leg works as it should again, for `qty` of a position. `order` is 0.

    `after_ns`: how long something was not covered, or more was open than is held, as far as the venue has said. `changes`:
    changes of the position meanwhile; `requests`: requests that were made for it.
    """

    venue: str
    account: str
    instrument: str
    side: Side
    qty: Decimal
    after_ns: int
    changes: int
    requests: int


class ProtectionFired(_Event, frozen=True, tag="protection_fired"):
    """The price of a leg that is watched here was reached: `px` is what the market shows. An order for `qty` units follows."""

    venue: str
    account: str
    instrument: str
    side: Side
    leg: str
    px: Decimal
    qty: Decimal


class DustLeft(_Event, frozen=True, tag="dust_left"):
    """`qty` of parent `ref` was taken off as dust and is noted. `price`: that of the user."""

    ref: str
    instrument: str
    side: Side
    qty: Decimal
    price: Decimal


class DustUsed(_Event, frozen=True, tag="dust_used"):
    """Parent `ref` (number `parent`) asks for `qty` more than its user wrote: the dust of orders `left_by`. `order` is 0."""

    ref: str
    parent: int
    qty: Decimal
    price: Decimal | None
    left_by: tuple[str, ...]
    numbers: tuple[int, ...]
    """Partfill's own numbers of those orders."""


Event = (
    Fill
    | Confirmation
    | Reversal
    | Repriced
    | StatusChanged
    | TermsChanged
    | Adopted
    | Alarm
    | ResubmitTriggered
    | ParentDone
    | CommandRefused
    | KillSwitchChanged
    | OutcomeUnknown
    | ExecutionReport
    | DustLeft
    | DustUsed
    | PositionChanged
    | PositionClosed
    | ProtectionChanged
    | ProtectionCovered
    | ProtectionFired
)
