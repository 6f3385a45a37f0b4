"""The report of a decision as it leaves for a bus: the names, the order and the types of its fields.

Rules
- Quantities, prices and values are text: exact. Times are ms UTC.
- `docs/schema/execution-report.json` is made of this, and so is everything that is delivered: they cannot differ.
- A field keeps its name and place; a new one is added beside what it belongs to, and old readers leave it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from partfill.model.policy import Mode, Remainder
from partfill.model.reasons import MEANINGS, Reason, Severity
from partfill.model.reports import Seen
from partfill.model.words import Side

Exact = Annotated[Decimal, msgspec.Meta(extra_json_schema={"pattern": r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"})]
"""An exact number, as text."""


class DeliveredReport(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="ExecutionReport"):
    """One decision, with everything that its receiver needs to know of it and of how to keep it.

    Sizes in units, values (`_usd`) in quote currency, prices in quote currency per unit. `number` is its place in the journal:
    it rises, and what comes after a number can be asked for again. `order_id` is the venue's id, or ours where the venue gave
    none yet. `chase_price` is where a chase goes; `carried_out` False: told, and not sent.
    """

    schema: Literal["2"]
    number: int
    topic: str
    partition_key: str
    retention_class: str
    report_id: str
    trace_id: str
    bot_id: str
    order_id: str | None
    ref: str
    market_id: str
    side: Side
    original_size: Exact
    filled_size: Exact
    remaining_size: Exact
    filled_usd: Exact | None
    remaining_usd: Exact | None
    policy_applied: Remainder
    verdict: Reason
    reason_codes: tuple[Reason, ...]
    severity: Severity
    user_message: str
    operator_message: str
    mode: Mode
    carried_out: bool
    original_price: Exact | None
    price: Exact | None
    chase_price: Exact | None
    inputs: Seen
    collateral: str | None
    builder_code: str | None
    evaluated_at_ms: int


EXAMPLE = DeliveredReport(
    schema="2", number=65_536, topic="partfill.reports.execution", partition_key="trc_5f1c09aa-7", retention_class="7y",
    report_id="rep_5f1c09aa-7-1", trace_id="trc_5f1c09aa-7", bot_id="partfill", order_id="0xcc33dd44", ref="mine-1",
    market_id="RAIN-YES", side=Side.BUY, original_size=Decimal(900), filled_size=Decimal(400), remaining_size=Decimal(500),
    filled_usd=Decimal(200), remaining_usd=Decimal(250), policy_applied=Remainder.HOLD, verdict=Reason.HOLD_REMAINDER,
    reason_codes=(Reason.HOLD_REMAINDER,), severity=MEANINGS[Reason.HOLD_REMAINDER].severity,
    user_message=MEANINGS[Reason.HOLD_REMAINDER].user, operator_message=MEANINGS[Reason.HOLD_REMAINDER].operator,
    mode=Mode.SHADOW_ONLY, carried_out=False, original_price=Decimal("0.5"), price=Decimal("0.5"), chase_price=None,
    inputs=Seen(remaining_usd=Decimal(250), book_depth_usd=Decimal(800), best=Decimal("0.51"), ticks_to_fill=1),
    collateral="pUSD", builder_code=None, evaluated_at_ms=1_790_000_000_000,
)  # fmt: skip
"""What one looks like; published with the schema."""
