"""What users want, what venues answer to our requests, and the signs of time: the desk's own inputs.

Rules
- `ref` is the user's own id of a parent order, unique per (venue, account) for ever: a submission that comes again
  under the same `ref` changes nothing, so it may be sent again after any failure.
- A request has three outcomes: done, refused, unknown. Unknown counts as open until the venue has been asked.
- An answer whose `definite` is True is the venue's last word on everything that was sent before the question.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from partfill.model.book import Book
from partfill.model.instrument import Instrument
from partfill.model.numbers import ZERO, NotANumber, require
from partfill.model.observations import MAX_TIME, OrderSnapshot, check_times
from partfill.model.policy import LiveLimits, Mode, RemainderPolicy
from partfill.model.protection import Budget, Leg, OverClose, Passed, Retry, check_legs
from partfill.model.shapes import named
from partfill.model.terms import Terms
from partfill.model.words import Request, Side


class _Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", forbid_unknown_fields=True):
    venue: str
    account: str = ""


class Resubmit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What follows when a child order ends with a remainder: a successor for exactly what is left.

    `min_resubmit_size` in units: a smaller remainder is left alone. `max_resubmit_attempts` successors at most.
    """

    min_resubmit_size: Decimal = Decimal(10)
    max_resubmit_attempts: int = 3

    @named
    def __post_init__(self) -> None:
        require(self.min_resubmit_size, "min_resubmit_size")
        if self.min_resubmit_size < ZERO:
            raise NotANumber(f"min_resubmit_size is {self.min_resubmit_size}; it is zero or more")
        if not 0 <= self.max_resubmit_attempts <= MAX_ATTEMPTS:
            raise NotANumber(f"max_resubmit_attempts is {self.max_resubmit_attempts}; it is 0 to {MAX_ATTEMPTS}")


MAX_ATTEMPTS = 1000
"""Most successors that anybody may configure."""


class Submit(_Command, frozen=True, tag="submit"):
    """A user wants `terms` traded. `resubmit` None: a child that ends has no successor. `remainder` None: what is left of a
    working order is left alone. `bracket`: how the position that it opens or adds to is protected from now on.
    """

    ref: str
    terms: Terms
    resubmit: Resubmit | None = None
    remainder: RemainderPolicy | None = None
    bracket: Protect | None = None

    @named
    def __post_init__(self) -> None:
        if not self.ref:
            raise NotANumber("ref is empty; give the order an id of your own that you never use again")
        if self.bracket is not None:
            theirs = (self.bracket.venue, self.bracket.account, self.bracket.instrument, self.bracket.side)
            if theirs != (self.venue, self.account, self.terms.instrument, self.terms.side):
                raise NotANumber(f"the bracket is for {theirs}; give it for what the order itself enters")
        if self.terms.order_qty is not None and self.terms.order_qty == ZERO:
            raise NotANumber("order_qty is 0; an order asks for more than nothing")


class Track(_Command, frozen=True, tag="track"):
    """A user placed an order with a venue by other means and wants it kept like one of partfill's own.

    At least one of `cl_ord_id` and `order_id`. With `resubmit`, successors of it are placed by partfill.
    """

    ref: str
    terms: Terms
    cl_ord_id: str | None = None
    order_id: str | None = None
    resubmit: Resubmit | None = None
    remainder: RemainderPolicy | None = None

    @named
    def __post_init__(self) -> None:
        if not self.ref:
            raise NotANumber("ref is empty; give the order an id of your own that you never use again")
        if self.cl_ord_id is None and self.order_id is None:
            raise NotANumber("an order to track has neither cl_ord_id nor order_id; give at least one")


class Untrack(_Command, frozen=True, tag="untrack"):
    """Nothing more is to be done for parent `ref`: whatever works of it goes on, its fills are still booked."""

    ref: str


class Stop(_Command, frozen=True, tag="stop"):
    """A user wants nothing of parent `ref` to work any more. What has filled stays."""

    ref: str
    reason: str | None = None


class Amend(_Command, frozen=True, tag="amend"):
    """A user wants other terms: `order_qty` is the new total (filled part included), `price` the new limit."""

    ref: str
    order_qty: Decimal | None = None
    price: Decimal | None = None

    @named
    def __post_init__(self) -> None:
        for name in ("order_qty", "price"):
            value = getattr(self, name)
            if value is not None:
                require(value, name)
        if self.order_qty is not None and self.order_qty < ZERO:
            raise NotANumber(f"order_qty is {self.order_qty}; a quantity is zero or more")
        if self.order_qty is None and self.price is None:
            raise NotANumber("an amendment of nothing; give order_qty, price or both")


class Outcome(StrEnum):
    """What became of a request."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Answered(_Command, frozen=True, tag="answered"):
    """The reply to one request of ours, or the news that none came.

    `cl_ord_id` is the id of the request itself. `order` is what the reply says of the order, `as_of` when the request
    was sent (ns UTC). A refusal of a cancel or replace never means anything but "look": the order may have filled.
    """

    request: Request
    cl_ord_id: str
    outcome: Outcome
    order: OrderSnapshot | None = None
    reason: str | None = None
    as_of: int | None = None

    @named
    def __post_init__(self) -> None:
        check_times(self)


class Looked(_Command, frozen=True, tag="looked"):
    """The answer to a query about one order, by the ids it was asked under.

    `order` None: the venue does not know it. `definite`: every request sent before `as_of`, the time of the question, has
    been applied or never will be, and everything that had filled by then is in the answer; such an answer needs `as_of`.
    `error`: no answer came. `candidates`: order ids that may all be it, where the venue knows no ids of ours; with more than
    one of them none is meant.
    """

    cl_ord_id: str | None = None
    order_id: str | None = None
    order: OrderSnapshot | None = None
    definite: bool = False
    error: str | None = None
    as_of: int | None = None
    candidates: tuple[str, ...] = ()

    @named
    def __post_init__(self) -> None:
        check_times(self)
        if self.cl_ord_id is None and self.order_id is None:
            raise NotANumber("an answer about neither cl_ord_id nor order_id; give at least one")
        if self.definite and self.as_of is None:
            raise NotANumber("a definite answer without as_of; give the time of the question, ns UTC")


class Resolve(_Command, frozen=True, tag="resolve"):
    """A person decides between what was heard of an order and the venue's later word, which says less.

    `cum_qty` is what is booked and `venue_cum_qty` what the venue says, as they were shown: when either has moved, the
    decision is refused. `accept`: the venue is right, and the executions `void` are set aside; none named, those that its
    complete list lacks. Else what is booked stays, and the same answer is doubted no more. `by` and `reason`: who, and why.
    """

    cum_qty: Decimal
    venue_cum_qty: Decimal
    accept: bool
    by: str
    reason: str
    order_id: str | None = None
    cl_ord_id: str | None = None
    void: tuple[str, ...] = ()

    @named
    def __post_init__(self) -> None:
        for name in ("cum_qty", "venue_cum_qty"):
            value = getattr(self, name)
            require(value, name)
            if value < ZERO:
                raise NotANumber(f"{name} is {value}; a quantity is zero or more")
        if self.order_id is None and self.cl_ord_id is None:
            raise NotANumber("a decision about neither order_id nor cl_ord_id; give at least one")
        for name in ("by", "reason"):
            if not getattr(self, name).strip():
                raise NotANumber(f"{name} is empty; a decision about quantities names who decides and why")
        if self.void and not self.accept:
            raise NotANumber("executions to set aside and what is booked kept; it is one or the other")


class KillSwitch(_Command, frozen=True, tag="kill_switch"):
    """Stop everything that works and start nothing, or lift that. `venue` "*" means every venue and account."""

    on: bool
    by: str
    reason: str | None = None


class Decide(_Command, frozen=True, tag="decide"):
    """The market as it is now, for decision number `event` on the rest of parent `ref`.

    `book` None: there is none. `shed`: there was no time for a decision. `mode` and `limits` say how far it reaches.
    """

    ref: str
    event: int
    instrument: Instrument
    mode: Mode
    book: Book | None = None
    shed: bool = False
    limits: LiveLimits = LiveLimits()


class Reported(_Command, frozen=True, tag="reported"):
    """Another system says that parent `ref` is partly filled: a call for a decision on the rest, and never a fill.

    `event_ts` is the time that it gives its event (ms UTC): one that is no later than the newest of this order is a repeat.
    `policy` is for an order that has none.
    """

    ref: str
    event_ts: int
    policy: RemainderPolicy | None = None

    @named
    def __post_init__(self) -> None:
        if not 0 < self.event_ts <= MAX_TIME // 1_000_000:
            raise NotANumber(f"event_ts is {self.event_ts}; it is a time in ms UTC")


class Protect(_Command, frozen=True, tag="protect"):
    """A user wants `side` of a position protected: long for buy, short for sell. What was wanted there before ends.

    `lot`: step of quantity at the venue, None where any goes; `min_qty` (units) and `min_notional` (quote currency): the least
    that it takes.
    """

    instrument: str
    side: Side
    legs: tuple[Leg, ...]
    lot: Decimal | None = None
    min_qty: Decimal = ZERO
    min_notional: Decimal = ZERO
    over_close: OverClose = OverClose.ALARM
    budget: Budget = Budget.SHARED
    retry: Retry = Retry()
    passed: Passed = Passed.WATCHED

    @named
    def __post_init__(self) -> None:
        check_legs(self.legs)
        for name in ("min_qty", "min_notional"):
            require(getattr(self, name), name)
        if self.lot is not None:
            require(self.lot, "lot")
            if self.lot <= ZERO:
                raise NotANumber(f"lot is {self.lot}; it is above zero")


class Unprotect(_Command, frozen=True, tag="unprotect"):
    """A user wants this side of a position protected no more."""

    instrument: str
    side: Side


class Restarted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="restarted", forbid_unknown_fields=True):
    """The process begins: what was in flight is unknown now. `desk` is put before every client id of this journal.

    `mode`: how far decisions reach from now on; those told in another mode are made again. None: as before.
    """

    desk: str = ""
    mode: Mode | None = None


class Tick(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tick", forbid_unknown_fields=True):
    """Time has passed: whatever was due by now is done."""


EVERYWHERE = "*"
"""The venue of a kill switch for everything."""

Command = (
    Submit | Track | Untrack | Stop | Amend | Answered | Looked | KillSwitch | Decide | Restarted | Tick | Reported | Protect
    | Unprotect
)  # fmt: skip
