"""FIX 4.2 and 4.4 order logs, both directions, as inputs of the engine.

Theory. An ExecutionReport is one OrderSnapshot; a Trade lists its one execution in it. A bust or a correction is the
void or revision first, then the snapshot of what the report prints. Client messages (D, F, G) become our own orders and
requests, which count for nothing until the venue acknowledges them.

Rules
- 4.2 says with ExecTransType what 4.4 says with ExecType; a guarantee comes there as a "partial fill" with status Stopped
  and nothing filled.
- `as_of` rises with the log: the order of a sequenced session is the order of its statements. Only a message that says
  it is old (PossDup, PossResend) keeps its own time.
- Which side sent a message is told by its type, never by its CompIDs; the pair of them names the account.
"""

from __future__ import annotations

from collections.abc import Iterable

from partfill.model.inputs import Input, OrderPlaced, RequestSent, VenueDeclared
from partfill.model.numbers import NotANumber
from partfill.model.observations import Execution, ExecutionRevised, ExecutionVoided, OrderSnapshot
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdType, Request
from partfill.venues.decoding import Damaged, Framing, Message, Printed, only_damaged
from partfill.venues.fix import tables
from partfill.venues.fix.message import FixMessage

VENUE = "fix"

_NAMES = {
    "D": "NewOrderSingle",
    "F": "OrderCancelRequest",
    "G": "OrderCancelReplaceRequest",
    "8": "ExecutionReport",
    "9": "OrderCancelReject",
}


class FixDecoder:
    """One FIX log."""

    format = "fix"
    framing = Framing.FIX

    def __init__(self) -> None:
        self._clock = 0

    def declare(self) -> Iterable[VenueDeclared]:
        """FIX is what the core assumes of a venue that declares nothing."""
        return ()

    @only_damaged
    def decode(self, raw: str, number: int) -> Iterable[Message]:
        """The order message in one frame, if it is one."""
        fix = FixMessage.parse(raw)
        if fix is None or fix.tags[35] not in _NAMES:
            return ()
        kind = fix.tags[35]
        at = fix.time(52) or fix.time(60) or 0
        as_of = self._as_of(fix, at)
        account = "|".join(sorted(filter(None, (fix.text(49), fix.text(56)))))
        try:
            if kind == "8":
                inputs = _report(fix, account, as_of)
                # A bust or correction speaks twice: the void first, then what it prints.
                self._clock = max(self._clock, as_of + len(inputs) - 1)
            elif kind == "9":
                inputs = (_refusal(fix, account, as_of),)
            elif kind == "D":
                inputs = (_order(fix, account, as_of),)
            else:
                inputs = (_request(fix, account, as_of),)
        except NotANumber as error:
            raise Damaged(str(error)) from None
        exec_type = getattr(inputs[-1], "exec_type", None) if kind == "8" else None
        return (
            Message(
                inputs=inputs,
                at=at or as_of,
                msg=_NAMES[kind],
                exec_type=None if exec_type is None else exec_type.value,
                exec_id=fix.text(17),
                cl_ord_id=fix.id(11),
                orig_cl_ord_id=fix.id(41),
                order_id=fix.id(37),
                printed=_printed(fix, kind),
            ),
        )

    def _as_of(self, fix: FixMessage, at: int) -> int:
        if fix.text(43) == "Y":
            return fix.time(122) or at or self._clock
        if fix.text(97) == "Y" and (told := fix.time(60)) is not None:
            return told
        self._clock = max(at, self._clock + 1)
        return self._clock


def _report(fix: FixMessage, account: str, as_of: int) -> tuple[Input, ...]:
    kind = _exec_type(fix)
    key = fix.id(17)
    key = None if key == "0" else key
    venue_time = fix.time(60)
    order_id, cl_ord_id = fix.id(37), fix.id(11)
    if order_id is None and cl_ord_id is None and fix.id(41) is None:
        raise Damaged("an ExecutionReport without OrderID (37) and ClOrdID (11) names no order")
    before: tuple[Input, ...] = ()
    executions: tuple[Execution, ...] | None = None
    if kind is ExecType.TRADE:
        executions = _execution(fix, account, key, as_of)
        if executions and executions[0].leg is not None:
            return executions
    elif kind in (ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT):
        before = (_change(fix, kind, account, key, as_of),)
    status = fix.text(39)
    return (
        *before,
        OrderSnapshot(
            venue=VENUE,
            account=account,
            order_id=order_id,
            cl_ord_id=cl_ord_id,
            orig_cl_ord_id=fix.id(41),
            as_of=as_of + len(before),
            venue_time=venue_time,
            key=None if kind is ExecType.ORDER_STATUS else key,
            exec_type=kind,
            ord_status=tables.ORD_STATUS.get(status or ""),
            status_text=status if status not in tables.ORD_STATUS and status not in tables.NO_STATUS else None,
            instrument=fix.text(55),
            side=tables.SIDES.get(fix.text(54) or ""),
            ord_type=_ord_type(fix),
            time_in_force=tables.TIMES_IN_FORCE.get(fix.text(59) or ""),
            price=fix.number(44),
            stop_px=fix.number(99),
            order_qty=fix.qty(38),
            cash_order_qty=fix.qty(152),
            cum_qty=fix.qty(14),
            leaves_qty=fix.qty(151),
            avg_px=fix.number(6) if fix.qty(14) else None,
            day_order_qty=fix.qty(424),
            day_cum_qty=fix.qty(425),
            executions=executions,
            restatement=tables.RESTATEMENTS.get(fix.text(378) or ""),
            reason="duplicate_id" if fix.text(103) == tables.DUPLICATE_ORDER else fix.text(58),
        ),
    )


def _exec_type(fix: FixMessage) -> ExecType:
    trans = fix.text(20)
    if trans in tables.TRANS_TYPES:
        return tables.TRANS_TYPES[trans]
    if trans not in (None, "0"):
        raise Damaged(f"tag 20 (ExecTransType) is {trans!r}; it is 0 to 3")
    code = fix.need(150)
    # A venue may have more reasons than the standard: what it prints is then a statement of status.
    kind = tables.EXEC_TYPES.get(code, ExecType.ORDER_STATUS)
    if code in ("1", "2") and fix.text(39) == "7" and not fix.qty(14):
        return ExecType.STOPPED
    return kind


def _execution(fix: FixMessage, account: str, key: str | None, as_of: int) -> tuple[Execution, ...] | None:
    qty = fix.qty(32)
    # Without identity or quantity there is no execution to book; its cumulative quantity is still a claim.
    if key is None or not qty:
        return None
    commission, currency = fix.number(12), fix.text(479) or fix.text(15)
    total = commission if fix.text(13) in ("3", None) and currency is not None else None
    return (
        Execution(
            venue=VENUE,
            account=account,
            order_id=fix.id(37),
            cl_ord_id=fix.id(11),
            as_of=as_of,
            venue_time=fix.time(60),
            key=key,
            qty=qty,
            px=fix.number(31),
            fee=total,
            fee_currency=currency if total is not None else None,
            leg=(fix.text(654) or fix.text(55) or "leg") if fix.text(442) == tables.LEG_REPORT else None,
            instrument=fix.text(55),
            side=tables.SIDES.get(fix.text(54) or ""),
        ),
    )


def _change(fix: FixMessage, kind: ExecType, account: str, key: str | None, as_of: int) -> Input:
    """The void or correction that a bust or correction report makes."""
    ref = fix.id(19)
    if ref is None:
        raise Damaged(f"a {kind} without ExecRefID (19) names no execution")
    names = {"venue": VENUE, "account": account, "order_id": fix.id(37), "cl_ord_id": fix.id(11)}
    times = {"as_of": as_of, "venue_time": fix.time(60)}
    if kind is ExecType.TRADE_CANCEL:
        return ExecutionVoided(**names, **times, key=ref, new_key=key, leaves_qty=fix.qty(151), reason=fix.text(58))  # type: ignore[arg-type]
    qty = fix.qty(32)
    if qty is None:
        raise Damaged("a TradeCorrect without LastQty (32) corrects to nothing; the whole new quantity belongs there")
    return ExecutionRevised(
        **names, **times, key=ref, new_key=key, qty=qty, px=fix.number(31), leaves_qty=fix.qty(151), reason=fix.text(58)  # type: ignore[arg-type]
    )  # fmt: skip


def _refusal(fix: FixMessage, account: str, as_of: int) -> Input:
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


def _order(fix: FixMessage, account: str, as_of: int) -> Input:
    side = tables.SIDES.get(fix.need(54))
    if side is None:
        raise Damaged(f"tag 54 (Side) is {fix.text(54)!r}; it is 1 (buy), 2 (sell) or 3 to 6")
    qty, cash = fix.qty(38), fix.qty(152)
    if (qty is None) == (cash is None):
        raise Damaged("a NewOrderSingle has either OrderQty (38) or CashOrderQty (152)")
    return OrderPlaced(
        venue=VENUE,
        account=account,
        cl_ord_id=fix.need(11),
        as_of=as_of,
        terms=Terms(
            instrument=fix.text(55) or "",
            side=side,
            order_qty=qty,
            cash_order_qty=cash,
            price=fix.number(44),
            stop_px=fix.number(99),
            ord_type=_ord_type(fix) or OrdType.OTHER,
            time_in_force=tables.TIMES_IN_FORCE.get(fix.text(59) or "0", tables.TIMES_IN_FORCE["0"]),
        ),
    )


def _request(fix: FixMessage, account: str, as_of: int) -> Input:
    replace = fix.tags[35] == "G"
    return RequestSent(
        venue=VENUE,
        account=account,
        request=Request.REPLACE if replace else Request.CANCEL,
        cl_ord_id=fix.need(11),
        orig_cl_ord_id=fix.id(41),
        order_id=fix.id(37),
        order_qty=fix.qty(38) if replace else None,
        price=fix.number(44) if replace else None,
        as_of=as_of,
    )


def _ord_type(fix: FixMessage) -> OrdType | None:
    code = fix.text(40)
    return None if code is None else tables.ORD_TYPES.get(code, OrdType.OTHER)


def _printed(fix: FixMessage, kind: str) -> Printed:
    status = tables.ORD_STATUS.get(fix.text(39) or "")
    if kind == "9":
        return Printed(ord_status=status)
    if kind != "8" or fix.text(442) == tables.LEG_REPORT:
        return Printed()
    cum = fix.qty(14)
    return Printed(
        ord_status=status, order_qty=fix.qty(38), cum_qty=cum, leaves_qty=fix.qty(151), avg_px=fix.number(6) if cum else None
    )
