"""What a venue said: six observations, and `Charge` for fees that come later.

Rules
- An observation states what the venue stated. Nothing in it is computed by us, and a missing value is None.
- Every observation names its order: `order_id` is the venue's id, `cl_ord_id` ours, at least one of them.
- `as_of` is when the statement was true, in nanoseconds UTC: for an answer or a poll the time its request was
  *sent*, for a stream the time of the message. A claim is reduced by what was voided after its `as_of`.
  None means "when the engine got it". `venue_time` is the venue's own clock, kept apart, never compared.
- `key` is the venue's own identity of the message or execution. Never a price, a time or a size.

Quantities are in units of the instrument, prices in quote currency per unit.
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b
from operator import attrgetter

import msgspec

from partfill.model.limits import MAX_TIME, shown
from partfill.model.numbers import ZERO, NotANumber, require
from partfill.model.shapes import typed
from partfill.model.words import ExecType, ExecutionState, LinkKind, OrdStatus, OrdType, Side, TimeInForce


class _Observation(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", forbid_unknown_fields=True, gc=False
):
    venue: str
    account: str = ""
    order_id: str | None = None
    cl_ord_id: str | None = None
    as_of: int | None = None
    venue_time: int | None = None

    def __post_init__(self) -> None:
        check_times(self)


_encode = msgspec.msgpack.Encoder(decimal_format="string").encode


def check_times(of: msgspec.Struct) -> None:
    """Raise `NotANumber` for a time that no journal can hold."""
    for name in ("as_of", "venue_time", "since", "asked"):
        value = getattr(of, name, None)
        try:
            if value is not None and not -MAX_TIME <= value <= MAX_TIME:
                raise NotANumber(f"{name} is {shown(value)}; a time is nanoseconds since 1970, below {MAX_TIME}")
        except (TypeError, ArithmeticError) as error:
            raise typed(of, error) from None


def _quantities(of: msgspec.Struct, *names: str) -> None:
    for name in names:
        value = getattr(of, name)
        if value is not None:
            require(value, name)
            if value < ZERO:
                raise NotANumber(f"{name} is {value}; a quantity is zero or more")


class Execution(_Observation, frozen=True, tag="execution"):
    """One fill with the venue's own identity.

    `key` is unique per (venue, account, order). `px` None means the venue gave no price; 0 is a price.
    `fee` None means unknown, which is not zero; negative is a rebate. `leg` is set on one leg of a multi-leg
    order: it feeds positions and does not count in the order, whose quantity is packages.
    """

    key: str
    qty: Decimal
    px: Decimal | None = None
    fee: Decimal | None = None
    fee_currency: str | None = None
    state: ExecutionState = ExecutionState.CONFIRMED
    leg: str | None = None
    instrument: str | None = None
    side: Side | None = None

    def __post_init__(self) -> None:
        check_times(self)
        require(self.qty, "qty")
        if self.qty <= ZERO:
            raise NotANumber(f"qty of execution {self.key!r} is {self.qty}; an execution fills more than zero")
        if self.px is not None:
            require(self.px, "px")
        if self.fee is not None:
            require(self.fee, "fee")
            if self.fee_currency is None:
                raise NotANumber(f"fee of execution {self.key!r} is {self.fee} without fee_currency; name the currency")


class ExecutionRevised(_Observation, frozen=True, tag="execution_revised"):
    """The venue corrected an execution. `key` names the last version known to it, `new_key` the correction itself.

    Venues that number their versions give `revision` (higher wins) and no `new_key`.
    """

    key: str
    qty: Decimal
    px: Decimal | None = None
    new_key: str | None = None
    revision: int | None = None
    fee: Decimal | None = None
    fee_currency: str | None = None
    leaves_qty: Decimal | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        check_times(self)
        _quantities(self, "qty", "leaves_qty")
        for name in ("px", "fee"):
            value = getattr(self, name)
            if value is not None:
                require(value, name)


class ExecutionVoided(_Observation, frozen=True, tag="execution_voided"):
    """The venue took an execution back (bust, on-chain failure).

    `leaves_qty` is the venue's word on what works now, where it gives one: without it the voided quantity does
    not work again. `qty`, if given, is the voided quantity and only compared.
    """

    key: str
    new_key: str | None = None
    qty: Decimal | None = None
    leaves_qty: Decimal | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        check_times(self)
        _quantities(self, "qty", "leaves_qty")


class OrderSnapshot(_Observation, frozen=True, tag="order_snapshot"):
    """What the venue says of a whole order: a poll answer, an order report, the reply to a request.

    `exec_type` says why a report was sent, None for a poll. `ord_status` is the venue's word in our vocabulary;
    a word that does not translate goes to `status_text` and counts as open. `cum_qty` is the claim;
    `avg_px` its average. `reduced_qty` is what this very report takes off the order without a fill.
    `executions` are the executions it lists, all of them where the venue's lists are complete.
    `key` is the identity of the message where the venue gives one; a message seen before changes nothing.
    `restatement` says why a venue restated by itself ("split", "renewal", "decline", ...).
    """

    key: str | None = None
    orig_cl_ord_id: str | None = None
    exec_type: ExecType | None = None
    ord_status: OrdStatus | None = None
    status_text: str | None = None
    instrument: str | None = None
    side: Side | None = None
    ord_type: OrdType | None = None
    time_in_force: TimeInForce | None = None
    price: Decimal | None = None
    stop_px: Decimal | None = None
    order_qty: Decimal | None = None
    cash_order_qty: Decimal | None = None
    cum_qty: Decimal | None = None
    leaves_qty: Decimal | None = None
    avg_px: Decimal | None = None
    reduced_qty: Decimal | None = None
    day_order_qty: Decimal | None = None
    day_cum_qty: Decimal | None = None
    executions: tuple[Execution, ...] | None = None
    restatement: str | None = None
    reason: str | None = None
    replaced: bool = False
    """True when the venue says that the rest went on under another order. It is not over then: `OrderLinked` names that one."""
    asked: int | None = None
    """When the question was sent that this answers, by our clock (ns UTC). Set for polls and look-ups alone: a stream, a reply
    and an end are no answers. Only an answer can say that less has filled than was heard (see `core.rulings`)."""

    def __post_init__(self) -> None:
        check_times(self)
        _quantities(self, "order_qty", "cash_order_qty", "cum_qty", "leaves_qty", "reduced_qty")
        _quantities(self, "day_order_qty", "day_cum_qty")
        for name in ("price", "stop_px", "avg_px"):
            value = getattr(self, name)
            if value is not None:
                require(value, name)

    def named(self, cl_ord_id: str) -> OrderSnapshot:
        """The same statement under an id of ours."""
        return msgspec.structs.replace(self, cl_ord_id=cl_ord_id)

    def listing(self, executions: tuple[Execution, ...]) -> OrderSnapshot:
        """The same statement with these executions."""
        return msgspec.structs.replace(self, executions=executions)

    def unsized(self) -> OrderSnapshot:
        """The same statement without a quantity of the order."""
        return msgspec.structs.replace(self, order_qty=None)

    def of_a_request(self, order_id: str | None) -> OrderSnapshot:
        """The same refusal as one of a request about order `order_id`: what it prints of terms is not of the order."""
        return msgspec.structs.replace(
            self, exec_type=ExecType.CANCEL_REJECT, order_id=order_id, instrument=None, side=None, order_qty=None,
            leaves_qty=None, price=None, stop_px=None, cum_qty=self.cum_qty or None,
        )  # fmt: skip

    def content(self) -> str:
        """What it says, as 16 hex digits, the same in every process: everything but our own stamps (`as_of`)."""
        said: list[object] = list(_said(self))
        for e in self.executions or ():
            said.append((e.key, e.qty, e.px, e.fee, e.fee_currency, e.state, e.leg, e.venue_time))
        return blake2b(_encode(said), digest_size=8).hexdigest()


_said = attrgetter(*(name for name in OrderSnapshot.__struct_fields__ if name not in ("as_of", "executions")))


class OrderLinked(_Observation, frozen=True, tag="order_linked"):
    """Two venue orders belong together: `new_order_id` continues, is a child of, or is the same as `order_id`."""

    new_order_id: str
    kind: LinkKind = LinkKind.REPLACE
    new_cl_ord_id: str | None = None


class Gap(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="gap", forbid_unknown_fields=True
):
    """The stream of an account broke: what happened since `since` (ns UTC, None if unknown) may be missing."""

    venue: str
    account: str = ""
    since: int | None = None
    as_of: int | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        check_times(self)


class Charge(_Observation, frozen=True, tag="charge"):
    """A fee that came apart from its execution. `key` is the identity of the charge itself.

    `exec_key` names the execution it belongs to; without it the charge is the order's. `amount` is in
    `currency`, negative for a rebate.
    """

    key: str
    amount: Decimal
    currency: str
    exec_key: str | None = None
    kind: str = "fee"

    def __post_init__(self) -> None:
        check_times(self)
        require(self.amount, "amount")


Observation = OrderSnapshot | Execution | ExecutionRevised | ExecutionVoided | OrderLinked | Gap | Charge

__all__ = ["MAX_TIME", "Charge", "Execution", "ExecutionRevised", "ExecutionVoided", "Gap", "Observation", "OrderLinked",
           "OrderSnapshot", "check_times"]  # fmt: skip
