"""What a cancel or a kill switch cannot reach is said by name: nobody believes that an order is off which works on."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from partfill import FillManager, Limit
from partfill.journal.verify import verify
from partfill.model.capabilities import FIX_LIKE
from partfill.model.inputs import VenueDeclared
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.words import OrdStatus, Side
from partfill.runtime.manager import Refused
from partfill.service.control import Control
from tests.runtime.test_manager import paper, price, until

D = Decimal
TERMS = Limit("ACME", "buy", qty=10, price=2)


def seen(order_id: str, venue: str, qty: str | None = "10") -> OrderSnapshot:
    """What a venue says of an order that somebody else placed."""
    return OrderSnapshot(venue=venue, order_id=order_id, instrument="ACME", side=Side.BUY, ord_status=OrdStatus.NEW, price=D(2),
                         order_qty=None if qty is None else D(qty), cum_qty=D(0))  # fmt: skip


async def test_at_a_venue_that_is_not_connected_nothing_is_canceled_and_that_is_said(tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "f.db") as fills:
        await fills.take(VenueDeclared(venue="x", capabilities=FIX_LIKE))
        order = await fills.track(TERMS, cl_ord_id="c1", ref="mine", venue="x")
        await fills.observe(seen("o9", "x"))
        hash_before = fills.journal.seq
        for call in (lambda: fills.cancel("mine", venue="x"), order.cancel, lambda: order.amend(qty=5)):
            with pytest.raises(Refused, match="mine is at x, which is not connected here: nothing is canceled or changed"):
                await call()
        with pytest.raises(Refused, match="o9 is not our order: it was observed"):
            await fills.cancel("o9", venue="x")
        assert fills.journal.seq == hash_before, "nothing was written"
        assert order.status == "working"
        report = await fills.kill(True, by="me")
        assert report.orders == 2
        assert {(each.order.split(":")[0], each.venue) for each in report.left} == {("mine", "x"), ("tracked", "x")}
        assert all("not connected" in str(each) for each in report.left)
    assert verify(tmp_path / "f.db").problems == []


async def test_somebody_elses_order_is_named_by_a_cancel_and_taken_off_by_a_kill(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        ours = await fills.submit(Limit("ACME", "buy", qty=5, price=price(venue, "ACME", "buy", -300)), ref="ours")
        await until(lambda: ours.parent.children[0].order_id, "it works")
        await fills.observe(seen("o9", venue.name))
        await fills.observe(Execution(venue=venue.name, order_id="o8", key="k", qty=D(1), px=D(2)))
        with pytest.raises(Refused, match="o9 is not our order"):
            await fills.cancel("o9")
        with pytest.raises(Refused, match="is an id of order ours; name that one"):
            await fills.cancel(ours.parent.children[0].order_id or "")
        with pytest.raises(Refused, match="no order nope"):
            await fills.cancel("nope")
        control = Control(fills, tmp_path / "f.db")
        answer = await control.answer(b'{"cmd":"kill","on":true,"by":"me"}')
        assert (answer["ok"], answer["orders"], answer["not_reached"]) == (True, 2, 1)
        assert answer["left"][0]["order"] == "o8"
        assert "what it is was never said" in answer["left"][0]["why"]
        lifted = json.loads(await control.line(b'{"cmd":"kill","on":false,"by":"me"}'))
        assert (lifted["not_reached"], lifted["left"]) == (0, [])


async def test_a_cancel_through_the_socket_of_an_order_whose_venue_has_gone_is_refused(tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "f.db") as fills:
        await fills.take(VenueDeclared(venue="gone", capabilities=FIX_LIKE))
        await fills.track(TERMS, cl_ord_id="c1", ref="mine", venue="gone")
        answer = await Control(fills, tmp_path / "f.db").answer(b'{"cmd":"cancel","ref":"mine"}')
        assert (answer["ok"], "not connected here" in answer["error"]) == (False, True)


async def test_a_kill_that_reaches_everything_names_nothing(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        order = await fills.submit(Limit("ACME", "buy", qty=5, price=price(venue, "ACME", "buy", -300)), ref="ours")
        report = await fills.kill(True, by="me")
        assert report == (1, ())
        assert await order.done(30) == "killed"
        assert await fills.kill(False, by="me") == (0, ())
