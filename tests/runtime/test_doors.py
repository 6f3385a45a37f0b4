# ruff: noqa: E501
"""The calls of a manager: a wrong argument is refused at the call, by name, and neither manager nor other orders hear of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from partfill.journal.verify import verify
from partfill.model.admit import NotAnInput
from partfill.model.observations import Execution, ExecutionRevised, OrderSnapshot
from partfill.model.orders import Limit, Market
from partfill.model.policy import Chase
from partfill.model.terms import Terms
from partfill.model.words import OrdStatus, Side
from partfill.runtime.bracket import Bracket
from partfill.runtime.manager import FillManager
from partfill.runtime.order_manager import OrderManager

TERMS = Limit("ACME", "buy", qty="10", price="5")
Call = Callable[[FillManager], Awaitable[Any]]


async def seen(fills: FillManager, **also: Any) -> Any:
    """One order that is tracked, so that there is another one to go on."""
    return await fills.track(TERMS, order_id="o1", ref="r1", venue="v", **also)


REFUSED: list[tuple[Call, str]] = [
    (lambda m: m.track(TERMS, order_id="o2", venue="v", remainder="chase"), "remainder is 'chase' of type str"),  # type: ignore[arg-type]
    (lambda m: m.track(TERMS, order_id="o2", venue="v", resubmit=3), "resubmit is 3 of type int; give a Resubmit"),  # type: ignore[arg-type]
    (lambda m: m.track(TERMS, order_id="o2", venue="v", account=None), "account is None"),  # type: ignore[arg-type]
    (lambda m: m.track(TERMS, order_id=2.5, venue="v"), "order_id is 2.5 of type float"),  # type: ignore[arg-type]
    (lambda m: m.track("ACME", order_id="o2", venue="v"), "terms is 'ACME' of type str; give a Terms"),  # type: ignore[arg-type]
    (lambda m: m.track(TERMS, order_id="x" * 600, venue="v"), "order_id is"),
    (lambda m: m.submit(TERMS, ref=True, venue="v"), "ref is True of type bool"),  # type: ignore[arg-type]
    (lambda m: m.submit(TERMS, bracket={"stop": 1}, venue="v"), "bracket is a dict of 1 of type dict; give a Bracket"),  # type: ignore[arg-type]
    (lambda m: m.submit(TERMS, venue=7), "venue is 7 of type int"),  # type: ignore[arg-type]
    (lambda m: m.kill("off", by="me"), "on is 'off' of type str; give True or False"),  # type: ignore[arg-type]
    (lambda m: m.kill(1, by="me"), "on is 1 of type int; give True or False"),  # type: ignore[arg-type]
    (lambda m: m.kill(True, by=None), "by is None of type NoneType; give text"),  # type: ignore[arg-type]
    (lambda m: m.kill(True, by="me", account=None), "account is None"),  # type: ignore[arg-type]
    (lambda m: m.cancel(None, venue="v"), "ref is None"),  # type: ignore[arg-type]
    (lambda m: m.cancel("r1", venue="v", reason=5), "reason is 5 of type int"),  # type: ignore[arg-type]
    (lambda m: m.amend("r1", venue="v", qty=2.5), "qty is the float 2.5"),  # type: ignore[arg-type]
    (lambda m: m.amend(b"r1", venue="v", qty="5"), "ref is b'r1'"),  # type: ignore[arg-type]
    (lambda m: m.release(["r1"], venue="v"), "ref is a list of 1"),  # type: ignore[arg-type]
    (lambda m: m.observe(None), "input is None"),  # type: ignore[arg-type]
    (lambda m: m.observe(Execution(venue="v", order_id="o1", key="k", qty=Decimal(1), as_of=1_700_000_000_000)), "that is milliseconds"),
    (lambda m: m.observe(OrderSnapshot(venue="v", order_id="o1", ord_status="done")), "ord_status is 'done'"),  # type: ignore[arg-type]
    (lambda m: m.tracking.update_status(None, filled_size="1"), "order_id is None"),  # type: ignore[arg-type]
    (lambda m: m.tracking.track_order(1.5, TERMS, venue="v"), "order_id is 1.5"),  # type: ignore[arg-type]
    (lambda m: OrderManager(m, "v").process("o1", None, "1"), "key is None"),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize(("call", "says"), REFUSED, ids=[says for _, says in REFUSED])
async def test_a_wrong_argument_is_refused_by_name_and_everything_else_goes_on(call: Call, says: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with FillManager.open(path) as fills:
        order = await seen(fills)
        before = fills.journal.seq
        with pytest.raises(NotAnInput) as refused:
            await call(fills)
        assert says in str(refused.value)
        assert fills.journal.seq == before, "something was kept of it"
        assert fills.down is None
        assert not fills.engine.desk.killed
        await fills.observe(Execution(venue="v", order_id="o1", key="k1", qty=Decimal(3), px=Decimal(5)))
        assert order.cum_qty == 3
    assert verify(path).ok


async def test_ids_that_are_numbers_are_the_ids_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with FillManager.open(path) as fills:
        order = await fills.track(TERMS, order_id=7, ref=8, venue="v")  # type: ignore[arg-type]
        assert order.parent.ref == "8"
        assert fills.order(8, venue="v") is not None  # type: ignore[arg-type]
        # A key as a number and as text is one execution.
        for key in (3, "3"):
            await fills.observe(Execution(venue="v", order_id=7, key=key, qty=Decimal(4), px=Decimal(5)))  # type: ignore[arg-type]
        assert order.cum_qty == 4
        await fills.observe(OrderSnapshot(venue="v", order_id="7", ord_status="FILLED", cum_qty=Decimal(10)))  # type: ignore[arg-type]
        await fills.observe(Execution(venue="v", order_id="7", key="4", qty=Decimal(6), px=Decimal(5)))
        assert order.cum_qty == 10
        assert order.parent.children[0].status is OrdStatus.FILLED
    assert verify(path).ok
    async with FillManager.open(path) as fills:
        assert fills.journal.seq


async def test_a_word_in_any_case_is_the_side_live_in_replay_and_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    bare = Terms(instrument="ACME", side="buy", order_qty=Decimal(20), price=Decimal(5))  # type: ignore[arg-type]
    async with FillManager.open(path) as fills:
        await fills.track(bare, order_id="o1", ref="r1", venue="v")
        await fills.observe(Execution(venue="v", order_id="o1", key="k", qty=Decimal(20), px=Decimal(5)))
        assert fills.positions.at(("v", "", "ACME")).qty == 20
    assert verify(path).ok
    async with FillManager.open(path) as fills:
        assert fills.positions.at(("v", "", "ACME")).qty == 20


def test_terms_are_made_of_what_is_certain_and_nothing_else() -> None:
    assert Limit(7, "BUY", qty=1, price="5", tif="GTC").instrument == "7"  # type: ignore[arg-type]
    assert Market("ACME", Side.SELL, qty=1).side is Side.SELL
    for make, says in (
        (lambda: Limit("ACME", "buy", qty=1, price=5, base=3), "base is 3 of type int"),  # type: ignore[arg-type]
        (lambda: Limit("ACME", None, qty=1, price=5), "side is None"),  # type: ignore[arg-type]
        (lambda: Limit("ACME", "buy", qty=1, price=5, tags=["a"]), "tags is a list of 1"),  # type: ignore[arg-type]
        (lambda: Limit("ACME", "buy", qty=1, price=5, tags={"a": 5}), "tag 'a' is 5"),  # type: ignore[dict-item]
        (lambda: Limit(None, "buy", qty=1, price=5), "instrument is None"),  # type: ignore[arg-type]
        (lambda: Limit("ACME", "buy", qty="1" * 65_000 + "x", price=5), "65001 characters"),
        (lambda: Chase("3"), "chase_max_ticks is '3' of type str"),  # type: ignore[arg-type]
        (lambda: Chase(min_remainder_size="x"), "min_remainder_size is 'x'"),
        (lambda: Bracket(targets="110").legs_wanted(), "targets is '110'"),  # type: ignore[arg-type]
    ):
        with pytest.raises(NotAnInput) as refused:
            make()
        assert says in str(refused.value)


async def test_a_corrected_fee_without_its_currency_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with FillManager.open(path) as fills:
        order = await seen(fills)
        await fills.observe(Execution(venue="v", order_id="o1", key="k", qty=Decimal(4), px=Decimal(5)))
        await fills.observe(ExecutionRevised(venue="v", order_id="o1", key="k", qty=Decimal(3), px=Decimal(5), fee=Decimal(1)))
        assert order.cum_qty == 3
        assert fills.down is None
    assert verify(path).ok


async def test_less_than_nothing_of_a_quantity_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with FillManager.open(path) as fills:
        order = await seen(fills)
        none = Decimal("-0")
        await fills.observe(OrderSnapshot(venue="v", order_id="o1", order_qty=none, cum_qty=none, leaves_qty=none))
        await fills.observe(OrderSnapshot(venue="v", order_id="o3", order_qty=none, cum_qty=none, leaves_qty=none))
        await fills.observe(ExecutionRevised(venue="v", order_id="o1", key="k", qty=none))
        assert (order.cum_qty, fills.down) == (0, None)
    assert verify(path).ok
