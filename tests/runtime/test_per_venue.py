"""Accounts and requests a second of each venue, and what becomes of an account that nobody knows."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from partfill import FillManager, Limit
from partfill.journal.journal import Journal
from partfill.model.commands import KillSwitch, Stop, Submit
from partfill.model.terms import Terms
from partfill.runtime.manager import Refused
from partfill.runtime.per_venue import Wrong, settle
from partfill.service.commands import accounts_in, kill_in_journal, the_one
from partfill.venues.clock import CLOCK
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.market import SHAPES, generated
from partfill.venues.paper.venue import PaperVenue
from tests.runtime.test_manager import price, until

KNOWN = r"venue 'a' has no account 'mian'; it has 'hedge', 'main'"


def venue(name: str) -> PaperVenue:
    shape = SHAPES["ACME"]
    made = PaperVenue(Exchange([shape.listing], venue=name), generated([shape], 1), now=CLOCK)
    made.advance(1500)
    return made


def resting(at: PaperVenue) -> Terms:
    return Limit("ACME", "buy", qty=10, price=price(at, "ACME", "buy", -20))


def two(folder: Path) -> tuple[FillManager, PaperVenue, PaperVenue]:
    a, b = venue("a"), venue("b")
    return FillManager.open(folder / "f.db", venues=[a, b], accounts={"a": ("main", "hedge")}), a, b


@pytest.mark.parametrize(
    ("accounts", "per_second", "found"),
    [
        (("",), 50, ({"a": ("",), "b": ("",)}, {"a": 50, "b": 50})),
        ("main", 7, ({"a": ("main",), "b": ("main",)}, {"a": 7, "b": 7})),
        (["x", "y"], {"b": 9}, ({"a": ("x", "y"), "b": ("x", "y")}, {"a": 50, "b": 9})),
        ({"a": ["x"]}, {"a": 1, "b": 2}, ({"a": ("x",), "b": ("",)}, {"a": 1, "b": 2})),
    ],
)
def test_one_value_is_for_all_and_a_mapping_for_the_venues_in_it(accounts: Any, per_second: Any, found: Any) -> None:
    assert settle(["a", "b"], accounts, per_second) == found


def test_every_mistake_is_named_at_once_and_nothing_is_opened(tmp_path: Path) -> None:
    accounts = {"a": [], "c": ["x"], "b": ["x", "x"]}
    with pytest.raises(Wrong) as raised:
        FillManager(tmp_path / "f.db", [venue("a"), venue("b"), venue("b")], accounts=accounts, per_second={"a": 0, "d": 1})
    assert str(raised.value).splitlines() == [
        "2 venues are called 'b'; give each a name of its own",
        "accounts: there is no venue 'c'; there are: 'a', 'b'",
        "accounts of 'a': (); give one name or more, each once",
        "accounts of 'b': ('x', 'x'); give one name or more, each once",
        "per_second: there is no venue 'd'; there are: 'a', 'b'",
        "per_second of 'a': 0; give a whole number from 1",
    ]
    assert list(tmp_path.iterdir()) == []


async def test_every_account_of_a_venue_is_followed_and_no_other(tmp_path: Path) -> None:
    fills, a, b = two(tmp_path)
    async with fills:
        assert [(poller.venue.name, poller.account) for poller in fills.pollers] == [("a", "main"), ("a", "hedge"), ("b", "")]
        orders = [await fills.submit(resting(a), venue="a", account=account) for account in ("main", "hedge")]
        orders.append(await fills.submit(resting(b), venue="b"))
        for order in orders:
            await until(lambda each=order: each.parent.children[0].order_id, "it is acknowledged")
            await order.cancel()
            await until(lambda each=order: each.status == "canceled", "it ends")


async def test_the_budget_of_one_venue_is_not_that_of_another(tmp_path: Path) -> None:
    a, b = venue("a"), venue("b")
    async with FillManager.open(tmp_path / "f.db", venues=[a, b], per_second={"a": 1, "b": 1000}) as fills:
        orders = [await fills.submit(resting(each), venue=each.name) for each in (a, b)]
        await until(lambda: all(order.parent.children[0].order_id for order in orders), "they are acknowledged")
        assert [fills.lanes.budget(name, "").per_second for name in ("a", "b")] == [1, 1000]


async def test_a_misspelt_account_is_refused_at_every_door_with_the_known_ones(tmp_path: Path) -> None:
    fills, a, _ = two(tmp_path)
    async with fills:
        seq = fills.journal.seq
        terms = resting(a)
        with pytest.raises(Refused, match=KNOWN):
            await fills.submit(terms, ref="r", venue="a", account="mian")
        with pytest.raises(Refused, match="venue 'b' has no account 'main'; it has ''"):
            await fills.submit(terms, ref="r", venue="b", account="main")
        with pytest.raises(Refused, match=KNOWN):
            await fills.track(terms, order_id="7", venue="a", account="mian")
        with pytest.raises(Refused, match=KNOWN):
            await fills.tracking.track_order("7", terms, venue="a", account="mian")
        with pytest.raises(Refused, match=KNOWN):
            await fills.kill(True, by="me", venue="a", account="mian")
        assert fills.journal.seq == seq, "nothing of it became an input"
        await fills.submit(terms, ref="r", venue="a", account="main")
        with pytest.raises(Refused, match="no order r at a mian: " + KNOWN):
            await fills.cancel("r", venue="a", account="mian")
        with pytest.raises(Refused, match="no order r at a mian: " + KNOWN):
            await fills.amend("r", venue="a", account="mian", qty=5)
        with pytest.raises(Refused, match="no order r at a mian: " + KNOWN):
            await fills.release("r", venue="a", account="mian")
        assert fills.order("r", venue="a", account="main") is not None
        await fills.kill(True, by="me", venue="a", account="hedge")
        await fills.kill(False, by="me", venue="a", account="hedge")


async def test_orders_of_an_account_that_is_not_configured_any_more_are_told_of_and_can_be_taken_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fills, a, b = two(tmp_path)
    async with fills:
        order = await fills.submit(resting(a), ref="old", venue="a", account="hedge")
        await until(lambda: order.parent.children[0].order_id, "it is acknowledged")
    with caplog.at_level(logging.WARNING, "partfill"):
        async with FillManager.open(tmp_path / "f.db", venues=[a, b], accounts={"a": ["main"]}) as fills:
            assert "nobody follows: venue 'a' has no account 'hedge'; it has 'main'" in caplog.text
            with pytest.raises(Refused, match="has no account 'hedge'"):
                await fills.submit(resting(a), venue="a", account="hedge")
            await fills.kill(True, by="me", venue="a", account="hedge")
            left = fills.order("old", venue="a", account="hedge")
            assert left is not None
            await until(lambda: left.status == "killed", "it is off")


async def test_without_a_daemon_the_accounts_are_those_with_orders(tmp_path: Path) -> None:
    fills, a, _ = two(tmp_path)
    db = tmp_path / "f.db"
    async with fills:
        for account in ("main", "hedge"):
            order = await fills.submit(resting(a), ref=account, venue="a", account=account)
            await order.cancel()
            await until(lambda each=order: each.ended, "it ends")
    assert (accounts_in(db, "a"), accounts_in(db, "b")) == (["hedge", "main"], [])
    with pytest.raises(Refused, match=KNOWN):
        await kill_in_journal(db, KillSwitch(venue="a", account="mian", on=True, by="me"))
    with pytest.raises(Refused, match="venue 'a' has no account ''; it has 'hedge', 'main'"):
        await kill_in_journal(db, KillSwitch(venue="a", on=True, by="me"))
    assert (await kill_in_journal(db, KillSwitch(venue="a", account="main", on=True, by="me")))["changed"]
    # What it cannot know it believes: the venue has had no order yet.
    assert (await kill_in_journal(db, KillSwitch(venue="b", account="any", on=True, by="me")))["changed"]
    with pytest.raises(Refused, match=r"no order main of account 'mian' at a in .*; there is one of account 'main'"):
        the_one(db, "main", "a", "mian")
    with pytest.raises(Refused, match="no order nobody of account 'main'"):
        the_one(db, "nobody", None, "main")


async def test_accounts_are_found_however_many_orders_they_have(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    async with Journal(db) as journal:
        terms = Limit("ACME", "buy", qty=1, price=2)
        for number, account in enumerate(("", "b", "b", "a", "", "ü", "b\x00c")):
            await journal.submit(Stop(venue="v", account="of no order", ref="r"), 2 * number)
            await journal.submit(Submit(venue="v", account=account, ref=str(number), terms=terms), 2 * number + 1)
    assert accounts_in(db, "v") == ["", "a", "b", "b\x00c", "ü"]
    assert accounts_in(db, "w") == []
