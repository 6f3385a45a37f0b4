"""A `ref` is one order for ever: after it ended, left memory, after restarts, whatever has changed since."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from partfill import FillManager, Limit, Market
from partfill.cli.main import main
from partfill.journal.verify import verify
from partfill.runtime import manager as manager_module
from partfill.runtime.bracket import Bracket
from partfill.runtime.manager import Refused
from partfill.service.control import Control
from tests.runtime.test_manager import WAIT_S, paper, price, until


async def ended_long_ago(fills: FillManager, terms: Limit | Market, ref: str = "a") -> None:
    """An order has been submitted, has filled, and has left memory."""
    fills.journal.keeper.quiet_ns = 0
    order = await fills.submit(terms, ref=ref)
    assert await order.done(WAIT_S) == "filled"
    await until(lambda: (order.venue, "", ref) not in fills.engine.desk.by_ref or _nudge(fills), "it left memory")


def _nudge(fills: FillManager) -> bool:
    fills.journal.keeper.release(fills.clock(), fills.journal.durable_seq)
    return False


async def test_a_ref_of_an_order_that_left_memory_is_that_order(tmp_path: Path) -> None:
    venue = paper()
    terms = Limit("ACME", "buy", qty=5, price=price(venue, "ACME", "buy", 30))
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        await ended_long_ago(fills, terms)
        for _ in range(2):
            again = await fills.submit(terms, ref="a")
            assert (again.ref, again.status, again.cum_qty, again.leaves_qty) == ("a", "filled", Decimal(5), Decimal(0))
            _nudge(fills)
        found = fills.order("a")
        assert found is not None
        assert found.status == "filled"
        with pytest.raises(Refused, match="a has ended"):
            await fills.cancel("a")
        with pytest.raises(Refused, match="a has ended"):
            await fills.amend("a", qty=6)
        assert len(venue.exchange.accounts[""].clients) == 1, "nothing was placed again"
    async with FillManager.open(tmp_path / "f.db", venues=[paper()]) as fills:
        again = await fills.submit(terms, ref="a")
        assert (again.status, again.cum_qty) == ("filled", Decimal(5))
    assert verify(tmp_path / "f.db").problems == []


async def test_other_terms_under_a_known_ref_are_refused_with_both(tmp_path: Path) -> None:
    venue = paper()
    terms = Limit("ACME", "buy", qty=5, price=price(venue, "ACME", "buy", 30))
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        await ended_long_ago(fills, terms)
        assert terms.price is not None
        with pytest.raises(Refused, match=r"ref a is an order with other terms already \(order_qty 5, not 6\); use a ref of"):
            await fills.submit(Limit("ACME", "buy", qty=6, price=terms.price), ref="a")
        with pytest.raises(Refused, match=rf"side buy, not sell, order_qty 5, not 7, price {terms.price}, not none, ord_type"):
            await fills.submit(Market("ACME", "sell", qty=7), ref="a")
        with pytest.raises(Refused, match="instrument ACME, not NEVER"):
            await fills.submit(Limit("NEVER", "buy", qty=5, price=terms.price), ref="a")


async def test_what_stands_against_new_orders_stands_not_against_a_known_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue = paper()
    terms = Limit("ACME", "buy", qty=5, price=price(venue, "ACME", "buy", 30))
    async with FillManager.open(tmp_path / "f.db", venues=[venue]) as fills:
        await ended_long_ago(fills, terms)
        listed = venue.instruments
        monkeypatch.setattr(type(venue), "instruments", {"BTC-USD": listed["BTC-USD"]})
        monkeypatch.setattr(manager_module, "MAX_WAITING", 0)
        await fills.kill(True, by="me")
        again = await fills.submit(terms, ref="a", bracket=Bracket(stop="1"))
        assert again.status == "filled"
        with pytest.raises(Refused):
            await fills.submit(terms, ref="b")


async def test_through_the_socket_and_the_command_line_too(tmp_path: Path) -> None:
    venue = paper()
    db = tmp_path / "f.db"
    said = {"cmd": "submit", "ref": "t1[/b]", "instrument": "ACME", "side": "buy", "qty": "5", "tif": "ioc"}
    async with FillManager.open(db, venues=[venue]) as fills:
        await ended_long_ago(fills, Market("ACME", "buy", qty=5, tif="ioc"), ref="t1[/b]")
        control = Control(fills, db)
        answer = await control.answer(json.dumps(said).encode())
        assert answer["ok"], answer
        assert (answer["order"]["state"], answer["order"]["cum_qty"]) == ("filled", Decimal(5))
        answer = await control.answer(json.dumps({**said, "qty": "6"}).encode())
        assert (answer["ok"], "order_qty 5, not 6" in answer["error"]) == (False, True)
    done = CliRunner().invoke(main, ["fills", str(db), "--order", "t1[/b]", "--json"])
    assert sum(Decimal(json.loads(line)["qty"]) for line in done.stdout.splitlines()) == 5
    assert "0 executions" in CliRunner().invoke(main, ["fills", str(db), "--order", "t1"]).stdout
    assert "0 executions" in CliRunner().invoke(main, ["fills", str(db), "--order", "t1[/b]", "--instrument", "X"]).stdout


async def test_whatever_goes_wrong_in_a_command_is_answered_and_the_next_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FillManager.open(tmp_path / "f.db", venues=[paper()]) as fills:
        control = Control(fills, tmp_path / "f.db")
        for wrong in (KeyError("x"), RecursionError(), MemoryError(), OSError(24, "no descriptors"), AssertionError("\ud800")):
            with monkeypatch.context() as patched:
                patched.setattr(fills, "submit", _raises(wrong))
                line = b'{"cmd":"submit","ref":"r","instrument":"ACME","side":"buy","qty":"1","price":"1"}'
                answer = json.loads(await control.line(line))
            assert not answer["ok"]
            assert type(wrong).__name__ in answer["error"]
        assert json.loads(await control.line(b'{"cmd":"status"}'))["ok"]


def _raises(error: Exception) -> object:
    async def submit(*_: object, **__: object) -> None:
        raise error

    return submit


async def test_a_kill_waits_at_no_door_behind_thousands_of_orders(tmp_path: Path) -> None:
    venue = paper()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], per_second=1) as fills:
        far = Limit("ACME", "buy", qty=1, price=1)
        waiting = [asyncio.create_task(fills.submit(far)) for _ in range(3_000)]
        await asyncio.sleep(0)
        report = await fills.kill(True, by="me")
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        refused = [each for each in answers if isinstance(each, Refused)]
        # One batch was being filled when it came; everything behind that found the switch on.
        assert len(refused) >= 2_000
        assert report.orders == len(answers) - len(refused)
        await until(lambda: not fills.lanes.waiting, "what had been taken was taken off")
    assert verify(tmp_path / "f.db").problems == []
