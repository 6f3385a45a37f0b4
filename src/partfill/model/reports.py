"""The report of one decision on a remainder: what was seen, what was decided and why, and whether it was carried out."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from partfill.model.policy import Mode, Remainder
from partfill.model.reasons import Reason
from partfill.model.words import Side


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The numbers that a decision was made with. Values in quote currency, `best` quote currency per unit."""

    remaining_usd: Decimal | None = None
    book_depth_usd: Decimal | None = None
    best: Decimal | None = None
    """The price at which the rest could fill."""
    ticks_to_fill: int | None = None
    """Adverse ticks from the original price to there, fees included."""
    time_to_fill_s: Decimal | None = None
    """Seconds until what trades ahead of the rest, and the rest itself, have traded at the rate of late; None: no rate."""


class ExecutionReport(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="execution_report",
    forbid_unknown_fields=True,
):  # fmt: skip
    """One decision. Quantities in units, prices in quote currency per unit, `evaluated_at` ns UTC.

    `remaining_qty` is what was asked for less what filled, always. `event` counts what called for decisions on parent `ref`;
    each is decided once. `verdict` is the first of `reasons`.
    """

    order: int
    order_id: str | None
    cl_ord_id: str | None
    parent: int
    """partfill's number of the parent order, whose own name is `ref`."""
    ref: str
    report_id: str
    trace_id: str
    event: int
    instrument: str
    side: Side
    verdict: Reason
    reasons: tuple[Reason, ...]
    policy_applied: Remainder
    mode: Mode
    carried_out: bool
    """False when the mode, a limit or the state of the order kept it from leaving."""
    order_qty: Decimal
    filled_qty: Decimal
    remaining_qty: Decimal
    filled_usd: Decimal | None
    """Value of what filled; None while some of it has no price."""
    original: Decimal | None
    price: Decimal | None
    px: Decimal | None = None
    """Where a chase goes."""
    builder_code: str | None = None
    """The order's tag of this name, as every order of its chain carries it."""
    seen: Seen = Seen()
    evaluated_at: int = 0

    def not_carried_out(self) -> ExecutionReport:
        """The same decision, kept from leaving."""
        return msgspec.structs.replace(self, carried_out=False)
