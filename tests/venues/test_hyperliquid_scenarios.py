"""Hyperliquid's races, each under every order of arrival, and with everything delivered twice.

A scenario is an order of ours (placed first) and the frames that the venue sends about it: replies `R`, order updates
`O`, fills `F`, snapshots of fills `S`. Whatever order they arrive in, the end is the same: quantity, average, status,
position, and what subscribers heard adds up to it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from partfill.core.engine import Engine
from partfill.core.invariants import check_whole
from partfill.model.events import Fill, Reversal
from partfill.model.inputs import Input, OrderPlaced, OrderSnapshot
from partfill.model.numbers import ZERO, add, ratio, sub
from partfill.model.terms import Terms
from partfill.model.words import Flag, OrdStatus, Side, TimeInForce
from partfill.venues.hyperliquid.decoder import HyperliquidDecoder

ALICE, BOB = "0x" + "a1" * 20, "0x" + "b0" * 20
T0 = 1_700_000_000_000
"""When the order was sent, ms."""

Order = tuple[str, str, str, str]
"""(account, cloid, cum_qty, status)"""


# ---------------------------------------------------------------------- builders


def placed(cloid: str, qty: str, *, side: Side = Side.BUY, account: str = ALICE) -> OrderPlaced:
    terms = Terms(instrument="ETH", side=side, order_qty=Decimal(qty), price=Decimal(2000), time_in_force=TimeInForce.GTC)
    return OrderPlaced(venue="hyperliquid", account=account, terms=terms, cl_ord_id=cloid, as_of=T0 * 10**6)


def decoded(frame: Any, account: str) -> list[Input]:
    decoder = HyperliquidDecoder(account=account)
    return [said for message in decoder.decode(json.dumps(frame), 1) for said in message.inputs]


def R(oid: int, cloid: str, filled: str | None = None, avg: str | None = None, *, account: str = ALICE) -> list[Input]:  # noqa: N802
    """The reply to placing. An adapter knows when it sent the request: that is the claim's time."""
    status = {"resting": {"oid": oid}} if filled is None else {"filled": {"totalSz": filled, "avgPx": avg, "oid": oid}}
    next(iter(status.values()))["cloid"] = cloid
    said = decoded({"status": "ok", "response": {"type": "order", "data": {"statuses": [status]}}}, account)
    return [msgspec.structs.replace(said[0], as_of=T0 * 10**6)]  # type: ignore[type-var,list-item]


def O(oid: int, cloid: str, status: str, sz: str, orig: str, *, account: str = ALICE, side: str = "B") -> list[Input]:  # noqa: E743, N802
    """One entry of an orderUpdates frame."""
    order = {"coin": "ETH", "side": side, "limitPx": "2000", "sz": sz, "oid": oid, "timestamp": T0, "origSz": orig,
             "cloid": cloid}  # fmt: skip
    entry = {"order": order, "status": status, "statusTimestamp": T0 + 900}
    return decoded({"channel": "orderUpdates", "data": [entry]}, account)


def row(tid: int, oid: int, sz: str, px: str, *, side: str = "B", start: str = "0.0", ms: int = 500) -> dict[str, Any]:
    return {"coin": "ETH", "px": px, "sz": sz, "side": side, "time": T0 + ms, "startPosition": start, "dir": "Open Long",
            "closedPnl": "0.0", "hash": "0x0", "oid": oid, "crossed": True, "fee": "0.1", "tid": tid,
            "feeToken": "USDC"}  # fmt: skip


def F(*rows: dict[str, Any], account: str = ALICE) -> list[Input]:  # noqa: N802
    """A live frame of fills, or with several rows a snapshot or the answer to a backfill."""
    return decoded({"channel": "userFills", "data": {"user": account, "fills": list(rows)}}, account)


# ---------------------------------------------------------------------- running


class Outcome(msgspec.Struct, frozen=True):
    """What is left at the end of one order of arrival."""

    orders: tuple[tuple[str, str | None, Decimal, Decimal | None, bool, str, Decimal], ...]
    """(account, cloid, cum_qty, avg_px, approximate, status, provisional), by account and cloid."""
    positions: tuple[tuple[str, Decimal], ...]


def play(own: Sequence[OrderPlaced], arrived: Iterable[Input]) -> Outcome:
    """Run one order of arrival and check what holds in all of them."""
    engine = Engine()
    for declared in HyperliquidDecoder().declare():
        engine.step(declared, 0)
    heard: dict[int, Decimal] = {}
    for now, said in enumerate((*own, *arrived), T0 * 10**6):
        effects = engine.step(said, now)
        for event in effects.events:
            if isinstance(event, Fill | Reversal):
                change = event.qty if isinstance(event, Fill) else -event.qty
                heard[event.order] = add(heard.get(event.order, ZERO), change)
    orders, positions = [], dict.fromkeys({placed.account for placed in own}, ZERO)
    for child in engine.children.values():
        check_whole(child)
        assert not child.flags & (Flag.QUARANTINED | Flag.KEY_CONFLICT), child.flags
        assert not child.overfill_qty
        assert heard.get(child.id, ZERO) == child.cum, "what was published is not what filled"
        avg, approximate = child.average()
        orders.append((child.account, child.cl_ord_id, child.cum, avg, approximate, child.status.value, child.provisional_qty))
        move = add if child.side is Side.BUY else sub
        positions[child.account] = move(positions[child.account], child.cum)
    return Outcome(tuple(sorted(orders, key=str)), tuple(sorted(positions.items())))


def every_arrival(own: Sequence[OrderPlaced], *frames: list[Input]) -> Outcome:
    """The one outcome of all orders of arrival of `frames`, each delivered once, twice in a row, and all again at the end."""
    outcomes: dict[Outcome, tuple[int, ...]] = {}
    for order in itertools.permutations(range(len(frames))):
        arrived = [said for at in order for said in frames[at]]
        doubled = [said for at in order for said in (*frames[at], *frames[at])]
        for delivery in (arrived, doubled, arrived + arrived):
            outcomes.setdefault(play(own, delivery), order)
    assert len(outcomes) == 1, "\n".join(f"{order}: {outcome}" for outcome, order in outcomes.items())
    return next(iter(outcomes))


def one(outcome: Outcome) -> tuple[Decimal, Decimal | None, bool, str]:
    """(cum_qty, avg_px, approximate, status) of the only order; nothing may be provisional at the end."""
    ((_, _, cum, avg, approximate, status, provisional),) = outcome.orders
    assert provisional == ZERO
    return cum, avg, approximate, status


FILLED, PARTIAL, CANCELED = (s.value for s in (OrdStatus.FILLED, OrdStatus.PARTIALLY_FILLED, OrdStatus.CANCELED))
PARTS = [("0.35", "1999"), ("0.25", "1998"), ("0.15", "2000"), ("0.25", "2000")]
PARTS_AVG = ratio(sum((Decimal(q) * Decimal(p) for q, p in PARTS), ZERO), Decimal(1))


def parts(oid: int, **fields: str) -> list[dict[str, Any]]:
    """Four fills that complete 1.0: two on arrival, two from the book."""
    return [row(n, oid, qty, px, ms=n) | fields for n, (qty, px) in enumerate(PARTS, 1)]


# ---------------------------------------------------------------------- scenarios


def test_1_full_immediate_fill() -> None:
    frames = [
        R(11, "c1", "0.5", "1999.8"),
        O(11, "c1", "open", "0.5", "0.5"),
        O(11, "c1", "filled", "0.0", "0.5"),
        F(row(1, 11, "0.2", "1999.5")),
        F(row(2, 11, "0.3", "2000")),
    ]
    outcome = every_arrival([placed("c1", "0.5")], *frames)
    assert one(outcome) == (Decimal("0.5"), Decimal("1999.8"), False, FILLED)
    assert outcome.positions == ((ALICE, Decimal("0.5")),)


def test_2_partial_immediate_fill_goes_on_from_the_book() -> None:
    t1, t2, t3, t4 = (F(each) for each in parts(21))
    reply, opened, filled = R(21, "c1", "0.6", "1998.6"), O(21, "c1", "open", "1.0", "1.0"), O(21, "c1", "filled", "0.0", "1.0")
    outcome = every_arrival([placed("c1", "1.0")], reply, opened, t1, t2, t3, t4, filled)
    assert one(outcome) == (Decimal(1), PARTS_AVG, False, FILLED)
    assert outcome.positions == ((ALICE, Decimal(1)),)


def test_2_after_the_reply_the_order_is_active_and_acknowledged() -> None:
    ((_, _, cum, avg, approximate, status, provisional),) = play([placed("c1", "1.0")], R(21, "c1", "0.6", "1998.6")).orders
    assert (cum, avg, approximate, status, provisional) == (Decimal("0.6"), Decimal("1998.6"), True, PARTIAL, Decimal("0.6"))


@pytest.mark.parametrize("fields", [{}, {"cloid": "c1"}], ids=["rows without cloid", "rows with cloid"])
def test_3_the_socket_is_faster_than_the_reply(fields: dict[str, str]) -> None:
    t1, t2, t3, t4 = (F(each) for each in parts(21, **fields))
    reply, opened = R(21, "c1", "0.6", "1998.6"), O(21, "c1", "open", "1.0", "1.0")
    outcome = every_arrival([placed("c1", "1.0")], t1, t2, opened, reply, t3, t4)
    assert one(outcome) == (Decimal(1), PARTS_AVG, False, FILLED)
    own = [placed("c1", "1.0")]
    before = play(own, [*t1, *t2, *opened])
    assert one(before) == (Decimal("0.6"), ratio(Decimal("1199.15"), Decimal("0.6")), False, PARTIAL)
    assert play(own, [*t1, *t2, *opened, *reply]) == before, "the reply changes nothing"


def test_4_fills_of_the_immediate_part_are_lost_and_backfilled() -> None:
    first, second, third = row(1, 31, "0.35", "1999"), row(2, 31, "0.25", "1998"), row(3, 31, "0.4", "2000", ms=900)
    reply, live, backfill = R(31, "c1", "0.6", "1998.6"), F(third), F(third, second, first)
    outcome = every_arrival([placed("c1", "1.0")], reply, live, backfill)
    assert one(outcome) == (Decimal(1), Decimal("1999.15"), False, FILLED)
    outcome = every_arrival([placed("c1", "1.0")], reply, live, F(first), F(second), O(31, "c1", "open", "1.0", "1.0"))
    assert one(outcome) == (Decimal(1), Decimal("1999.15"), False, FILLED)


def test_4_before_the_backfill_nothing_is_swallowed_and_nothing_counts_twice() -> None:
    """0.6 claimed, 0.4 itemised: they may be the same quantity, so the larger counts and the order stays open."""
    own, arrived = [placed("c1", "1.0")], [*R(31, "c1", "0.6", "1998.6"), *F(row(3, 31, "0.4", "2000", ms=900))]
    ((_, _, cum, _, _, status, provisional),) = play(own, arrived).orders
    assert (cum, status, provisional) == (Decimal("0.6"), PARTIAL, Decimal("0.2"))


def test_5_replayed_fills() -> None:
    first, second, third, fourth = parts(21)
    frames = [R(21, "c1", "0.6", "1998.6"), F(first), F(second), F(first, second), F(third), F(fourth)]
    outcome = every_arrival([placed("c1", "1.0")], *frames, O(21, "c1", "open", "1.0", "1.0"))
    assert one(outcome) == (Decimal(1), PARTS_AVG, False, FILLED)
    assert outcome.positions == ((ALICE, Decimal(1)),)


@pytest.mark.parametrize("cancel_first", [False, True], ids=["open first", "cancel first"])
def test_10_and_11_a_modify_moves_the_order_to_a_new_oid(cancel_first: bool) -> None:
    """Both legs carry the cloid. The end of the old leg is not the end of the order, whichever leg is heard first."""
    engine = Engine()
    for declared in HyperliquidDecoder().declare():
        engine.step(declared, 0)
    legs = [O(12, "c1", "open", "1.0", "1.0"), O(11, "c1", "canceled", "1.0", "1.0")]
    for said in [placed("c1", "1.0"), *R(11, "c1"), *(said for leg in (legs[::-1] if cancel_first else legs) for said in leg)]:
        engine.step(said, T0 * 10**6)
    (child,) = engine.children.values()
    assert (child.order_id, child.status, child.leaves, child.open) == ("12", OrdStatus.NEW, Decimal(1), True)


def test_16_a_fill_comes_after_the_cancel() -> None:
    early, late = F(row(1, 101, "0.6", "1999")), F(row(2, 101, "0.1", "2000"))
    opened, canceled = O(101, "c1", "open", "1.0", "1.0"), O(101, "c1", "canceled", "0.3", "1.0")
    outcome = every_arrival([placed("c1", "1.0")], R(101, "c1"), opened, early, late, canceled)
    assert one(outcome) == (Decimal("0.7"), ratio(Decimal("1399.4"), Decimal("0.7")), False, CANCELED)
    assert outcome.positions == ((ALICE, Decimal("0.7")),)


def test_16_what_is_cancelled_is_the_rest_after_the_late_fill() -> None:
    engine = Engine()
    late = F(row(2, 101, "0.1", "2000"))
    for said in [placed("c1", "1.0"), *F(row(1, 101, "0.6", "1999")), *O(101, "c1", "canceled", "0.3", "1.0"), *late]:
        engine.step(said, T0 * 10**6)
    # The fills name no cloid and came before the order id was known: two orders became one.
    (child,) = engine.children.values()
    assert (child.cum, child.leaves, child.canceled_qty) == (Decimal("0.7"), Decimal(0), Decimal("0.3"))
    assert child.flags & Flag.LATE_FILL


def test_20_two_own_accounts_trade_with_each_other() -> None:
    own = [placed("c1", "0.5"), placed("c2", "0.5", side=Side.SELL, account=BOB)]
    frames = [
        R(141, "c1", "0.5", "2000"),
        F(row(1, 141, "0.5", "2000")),
        R(142, "c2", account=BOB),
        F(row(1, 142, "0.5", "2000", side="A"), account=BOB),
        O(141, "c1", "filled", "0.0", "0.5"),
        O(142, "c2", "filled", "0.0", "0.5", account=BOB, side="A"),
    ]
    outcome = every_arrival(own, *frames)
    assert [(account, cum, status) for account, _, cum, _, _, status, _ in outcome.orders] == [
        (ALICE, Decimal("0.5"), FILLED),
        (BOB, Decimal("0.5"), FILLED),
    ]
    assert outcome.positions == ((ALICE, Decimal("0.5")), (BOB, Decimal("-0.5")))


CHAIN = [("142.7", "4623.5"), ("3749.1", "4480.8"), ("731.7", "731.7")]
"""(size, position before it) of three fills of one sell in one millisecond."""


def test_21_fills_of_one_millisecond_close_a_position() -> None:
    rows = [row(n, 211, sz, "2000", side="A", start=start) for n, (sz, start) in enumerate(CHAIN, 1)]
    own = [placed("c1", "4623.5", side=Side.SELL)]
    outcome = every_arrival(own, R(211, "c1", "4623.5", "2000"), *(F(each) for each in rows))
    assert one(outcome) == (Decimal("4623.5"), Decimal(2000), False, FILLED)
    ((_, sold),) = outcome.positions
    assert Decimal("4623.5") + sold == 0


def test_21_a_missing_row_is_a_gap_until_the_backfill() -> None:
    rows = [row(n, 211, sz, "2000", side="A", start=start) for n, (sz, start) in enumerate(CHAIN, 1)]
    own = [placed("c1", "4623.5", side=Side.SELL)]
    reply, seen = R(211, "c1", "4623.5", "2000"), [*F(rows[0]), *F(rows[2])]
    ((_, _, cum, _, approximate, _, provisional),) = play(own, [*reply, *seen]).orders
    assert (cum, approximate, provisional) == (Decimal("4623.5"), True, Decimal("3749.1"))
    assert one(every_arrival(own, reply, F(rows[0]), F(rows[2]), F(*rows))) == (Decimal("4623.5"), Decimal(2000), False, FILLED)


@pytest.mark.parametrize("claimed", ["0.6", "1.0"])
def test_a_reply_is_a_claim_at_the_time_its_request_was_sent(claimed: str) -> None:
    (said,) = R(21, "c1", claimed, "1999")
    assert isinstance(said, OrderSnapshot)
    assert (said.cum_qty, said.as_of, said.executions) == (Decimal(claimed), T0 * 10**6, None)
