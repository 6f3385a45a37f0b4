"""ExecutionReports and OrderCancelRejects as inputs of the engine, FIX 4.0 to 5.0 SP2.

Rules
- 4.2 says with ExecTransType what 4.4 says with ExecType; a guarantee comes there as a "partial fill" with status Stopped
  and nothing filled. A report without ExecType (4.0) was sent for what its OrdStatus says.
- A missing OrderQty is what filled and what works (14 + 151), where both are printed and something works or all filled.
- Rejected after fills, with nothing working, is how some venues end an order: what filled stands, the rest is off.
- A fee is the sum of Commission (12, whole or per unit) and MiscFees (136) in one currency; others are charges.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from partfill.model.inputs import Input
from partfill.model.numbers import ZERO, add, mul
from partfill.model.observations import Charge, Execution, ExecutionRevised, ExecutionVoided, OrderSnapshot
from partfill.model.words import ExecType, OrdStatus, OrdType
from partfill.venues.decoding import Damaged, Printed
from partfill.venues.fix import tables
from partfill.venues.fix.message import FixMessage, exact

VENUE = "fix"
MAX_FEES = 100
"""Most fees of one report that are read."""


def report(fix: FixMessage, account: str, as_of: int) -> tuple[Input, ...]:
    """What an ExecutionReport says. Raises `Damaged`."""
    tags = fix.tags
    kind = exec_type(fix)
    key = fix.id(17)
    venue_time = fix.time(60)
    order_id, cl_ord_id, orig = fix.id(37), fix.id(11), fix.id(41)
    if order_id is None and cl_ord_id is None and orig is None:
        raise Damaged("an ExecutionReport without OrderID (37) and ClOrdID (11) names no order")
    before: tuple[Input, ...] = ()
    after: tuple[Input, ...] = ()
    executions: tuple[Execution, ...] | None = None
    if kind is ExecType.TRADE:
        executions, after = _execution(fix, account, key, as_of, (order_id, cl_ord_id, venue_time))
        if executions and executions[0].leg is not None:
            return (*executions, *after)
    elif kind is ExecType.TRADE_CANCEL or kind is ExecType.TRADE_CORRECT:
        before = (_change(fix, kind, account, key, as_of),)
    said = tags.get(39, "")
    status = tables.ORD_STATUS.get(said)
    cum, leaves = fix.qty(14), fix.loose_qty(151)
    if ends_by_rejection(fix, status, cum, leaves):
        status = OrdStatus.CANCELED
        kind = ExecType.CANCELED if kind is ExecType.REJECTED else kind
    return (
        *before,
        OrderSnapshot(
            venue=VENUE,
            account=account,
            order_id=order_id,
            cl_ord_id=cl_ord_id,
            orig_cl_ord_id=orig,
            as_of=as_of + len(before),
            venue_time=venue_time,
            key=None if kind is ExecType.ORDER_STATUS else key,
            exec_type=kind,
            ord_status=status,
            status_text=said if said and status is None and said not in tables.NO_STATUS else None,
            instrument=fix.text(55),
            side=tables.SIDES.get(tags.get(54, "")),
            ord_type=ord_type(fix),
            time_in_force=tables.TIMES_IN_FORCE.get(tags.get(59, "")),
            price=fix.loose(44),
            stop_px=fix.loose(99),
            order_qty=order_qty(fix, status, cum, leaves),
            cash_order_qty=fix.loose_qty(152),
            cum_qty=cum,
            leaves_qty=leaves,
            avg_px=fix.loose(6) if cum else None,
            day_order_qty=fix.loose_qty(424),
            day_cum_qty=fix.loose_qty(425),
            executions=executions,
            restatement=tables.RESTATEMENTS.get(tags.get(378, "")),
            reason="duplicate_id" if tags.get(103) == tables.DUPLICATE_ORDER else fix.text(58),
        ),
        *after,
    )


def exec_type(fix: FixMessage) -> ExecType:
    """Why the report was sent. Raises `Damaged`."""
    trans = fix.text(20)
    if trans in tables.TRANS_TYPES:
        return tables.TRANS_TYPES[trans]
    if trans not in (None, "0"):
        raise Damaged(f"tag 20 (ExecTransType) is {trans[:40]!r}; it is 0 to 3")
    status = fix.text(39)
    if status is not None and fix.text(150) is None:
        if status in ("1", "2") and fix.qty(32):
            return ExecType.TRADE
        return tables.STATUS_TYPES.get(status, ExecType.ORDER_STATUS)
    code = fix.need(150)
    # A venue may have more reasons than the standard: what it prints is then a statement of status.
    kind = tables.EXEC_TYPES.get(code, ExecType.ORDER_STATUS)
    if code in ("1", "2") and status == "7" and not fix.qty(14):
        return ExecType.STOPPED
    return kind


def ends_by_rejection(fix: FixMessage, status: OrdStatus | None, cum: Decimal | None, leaves: Decimal | None) -> bool:
    """Whether a Rejected ends an order that has filled in part. Not the refusal of a request about it, nor of a second id."""
    if status is not OrdStatus.REJECTED or not cum or leaves or fix.tags.get(103) == tables.DUPLICATE_ORDER:
        return False
    orig = fix.id(41)
    return orig is None or orig == fix.id(11)


def order_qty(fix: FixMessage, status: OrdStatus | None, cum: Decimal | None, leaves: Decimal | None) -> Decimal | None:
    """The size of the order: as printed, or what filled and what works. Raises `Damaged`."""
    printed = fix.qty(38)
    if printed is not None or cum is None or leaves is None or fix.tags.get(152):
        return printed
    if leaves or (cum and status is OrdStatus.FILLED):
        return add(cum, leaves)
    return None


def ord_type(fix: FixMessage) -> OrdType | None:
    """Tag 40 in our words."""
    code = fix.text(40)
    return None if code is None else tables.ORD_TYPES.get(code, OrdType.OTHER)


def printed(fix: FixMessage, kind: str, said: OrderSnapshot | None) -> Printed:
    """The totals that the message itself states; `said` is what `report` or `refusal` made of it."""
    if said is None:
        return Printed()
    if kind == "9":
        return Printed(ord_status=said.ord_status)
    if kind != "8" or fix.tags.get(442) == tables.LEG_REPORT:
        return Printed()
    return Printed(
        ord_status=said.ord_status,
        # One that is worked out of the others is not printed.
        order_qty=said.order_qty if fix.tags.get(38) else None,
        cum_qty=said.cum_qty,
        leaves_qty=said.leaves_qty,
        avg_px=said.avg_px,
    )


def _execution(
    fix: FixMessage, account: str, key: str | None, as_of: int, head: tuple[str | None, str | None, int | None]
) -> tuple[tuple[Execution, ...] | None, tuple[Input, ...]]:
    """The one execution of a Trade, and the charges that its own fee cannot hold. `head`: OrderID, ClOrdID, venue time."""
    qty = fix.qty(32)
    # Without identity or quantity there is no execution to book; its cumulative quantity is still a claim.
    if key is None or not qty:
        return None, ()
    fee, currency, others = None, None, dict[str, Decimal]()
    if 12 in fix.tags or 136 in fix.tags:
        fee, currency, others = _fees(fix, qty)
    order_id, cl_ord_id, venue_time = head
    trade = Execution(
        venue=VENUE,
        account=account,
        order_id=order_id,
        cl_ord_id=cl_ord_id,
        as_of=as_of,
        venue_time=venue_time,
        key=key,
        qty=qty,
        px=fix.loose(31),
        fee=fee,
        fee_currency=currency,
        leg=(fix.text(654) or fix.text(55) or "leg") if fix.tags.get(442) == tables.LEG_REPORT else None,
        instrument=fix.text(55),
        side=tables.SIDES.get(fix.tags.get(54, "")),
    )
    charges = tuple(
        Charge(
            venue=VENUE, account=account, order_id=order_id, cl_ord_id=cl_ord_id, as_of=as_of, key=f"{key}/{other}",
            amount=amount, currency=other, exec_key=key,
        )
        for other, amount in others.items()
    )  # fmt: skip
    return (trade,), charges


def _fees(fix: FixMessage, qty: Decimal) -> tuple[Decimal | None, str | None, dict[str, Decimal]]:
    """(fee, its currency, further fees by currency) of one execution."""
    sums: dict[str, Decimal] = {}
    main = fix.text(479) or fix.text(15)
    commission = fix.loose(12)
    if commission is not None and main is not None:
        kind = fix.text(13)
        if kind in ("3", None):
            sums[main] = commission
        elif kind == "1":
            sums[main] = mul(commission, qty)
        else:
            fix.drop(f"tag 13 (CommType) is {kind[:40]!r}; 1 (per unit) and 3 (whole) are amounts")
    elif commission:
        fix.drop(f"tag 12 (Commission) is {fix.tags[12][:40]!r} without a currency in 479 or 15")
    if 136 in fix.tags:
        _add_misc_fees(fix, sums)
    if not sums:
        return None, None, {}
    first = main if main in sums else next(iter(sums))
    return sums.pop(first), first, sums


def _add_misc_fees(fix: FixMessage, sums: dict[str, Decimal]) -> None:
    amount: Decimal | None = None
    fees: list[tuple[Decimal, str | None]] = []
    currency: str | None = None
    for tag, value in [*fix.pairs(), (137, "")]:
        if tag == 137:
            if amount is not None:
                fees.append((amount, currency))
            amount, currency = None, None
            if value and len(fees) < MAX_FEES:
                try:
                    amount = exact(value, 137)
                except Damaged as damaged:
                    fix.drop(str(damaged))
        elif tag == 138:
            currency = value or None
    for fee, named in fees:
        where = named or fix.text(15)
        if where is None:
            fix.drop(f"tag 137 (MiscFeeAmt) is {fee} without a currency in 138 or 15")
        else:
            sums[where] = add(sums.get(where, ZERO), fee)


def _change(fix: FixMessage, kind: ExecType, account: str, key: str | None, as_of: int) -> Input:
    """The void or correction that a bust or correction report makes."""
    ref = fix.id(19)
    if ref is None:
        raise Damaged(f"a {kind} without ExecRefID (19) names no execution")
    said: dict[str, Any] = {
        "venue": VENUE, "account": account, "order_id": fix.id(37), "cl_ord_id": fix.id(11), "as_of": as_of,
        "venue_time": fix.time(60), "key": ref, "new_key": key, "leaves_qty": fix.loose_qty(151), "reason": fix.text(58),
    }  # fmt: skip
    if kind is ExecType.TRADE_CANCEL:
        return ExecutionVoided(**said)
    qty = fix.qty(32)
    if qty is None:
        raise Damaged("a TradeCorrect without LastQty (32) corrects to nothing; the whole new quantity belongs there")
    return ExecutionRevised(**said, qty=qty, px=fix.loose(31))


def refusal(fix: FixMessage, account: str, as_of: int) -> Input:
    """An OrderCancelReject."""
    reason = fix.text(102)
    return OrderSnapshot(
        venue=VENUE,
        account=account,
        order_id=fix.id(37),
        cl_ord_id=fix.id(11),
        orig_cl_ord_id=fix.id(41),
        as_of=as_of,
        venue_time=fix.time(60),
        exec_type=ExecType.CANCEL_REJECT,
        ord_status=tables.ORD_STATUS.get(fix.text(39) or ""),
        reason=tables.CANCEL_REJECTS.get(reason or "", reason),
    )
