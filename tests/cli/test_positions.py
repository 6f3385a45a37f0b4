"""partfill positions: what is held, as a table and as JSON Lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from partfill.cli.main import main
from partfill.model.inputs import InstrumentListed
from partfill.model.observations import Execution
from partfill.model.protection import Leg
from partfill.model.words import Side
from tests.core.driven import PLAIN, VENUE, D, Driven
from tests.core.test_protection import Market
from tests.journal.test_dust_journal import kept


def trade(desk: Driven, ref: str, qty: str, px: str, side: Side = Side.BUY, instrument: str = "ACME", fee: str = "0.5",
          currency: str = "USD") -> None:  # fmt: skip
    """An order that fills at once."""
    desk.submit(qty, px, ref=ref, side=side, instrument=instrument)
    desk.acknowledge(order_id=f"V-{ref}")
    desk.feed(Execution(venue=VENUE, order_id=f"V-{ref}", key=ref, qty=D(qty), px=D(px), fee=D(fee), fee_currency=currency))


@pytest.fixture
async def db(tmp_path: Path) -> Path:
    """Long in one instrument, closed in another."""
    desk = Driven(PLAIN)
    trade(desk, "a", "10", "100")
    trade(desk, "b", "5", "103")
    trade(desk, "c", "6", "105", Side.SELL)
    trade(desk, "d", "2", "50", instrument="OTHER")
    trade(desk, "e", "2", "49.5", Side.SELL, instrument="OTHER")
    path = tmp_path / "p.db"
    await kept(path, desk)
    return path


def partfill(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


def test_as_a_table(db: Path) -> None:
    done = partfill("positions", db, "--mark", "ACME=104")
    head, row, foot = done.stdout.splitlines()
    assert head.split()[3:11] == ["qty", "held", "avg_px", "realised", "net", "unrealised", "total", "fees"]
    # Fifteen for 1515, of which six went for 105. Fees may be in another currency than prices: nobody said which those are in.
    assert row.split()[:12] == ["venue", "ACME", "9", "9", "101", "24", "-", "27", "-", "1.5", "USD", "-"]
    assert foot == "1 positions"
    assert done.exit_code == 0


def last(*arguments: object) -> dict[str, Any]:
    """The last row as JSON."""
    found: dict[str, Any] = json.loads(partfill("positions", *arguments, "--json").stdout.splitlines()[-1])
    return found


async def test_net_of_fees_with_the_multiplier(tmp_path: Path) -> None:
    desk = Driven(PLAIN)
    desk.feed(InstrumentListed(venue=VENUE, instrument="ACME", quote="USD", multiplier=D(100)))
    trade(desk, "a", "3", "1.50", fee="1.95")
    trade(desk, "b", "1", "2.10", Side.SELL, fee="0.65")
    path = tmp_path / "o.db"
    await kept(path, desk)
    said = last(path, "--mark", "ACME=1.75")
    named = ("qty", "held", "avg_px", "cost", "realised", "net", "unrealised", "total", "multiplier", "quote")
    assert tuple(said[name] for name in named) == ("2", "2", "1.5", "300", "60", "57.4", "50", "107.4", "100", "USD")
    (_, row, _) = partfill("positions", path, "--mark", "ACME=1.75").stdout.splitlines()
    assert row.split()[2:11] == ["2", "2", "1.5", "60", "57.4", "50", "107.4", "2.6", "USD"]
    assert [last(path)[name] for name in ("net", "unrealised", "total")] == ["57.4", None, None]


async def test_what_a_fee_took_of_the_base_asset_is_not_held(tmp_path: Path) -> None:
    desk = Driven(PLAIN)
    desk.feed(InstrumentListed(venue=VENUE, instrument="ACME", quote="USD", base="BTC"))
    trade(desk, "a", "1", "100", fee="0.001", currency="BTC")
    await kept(tmp_path / "b.db", desk)
    said = last(tmp_path / "b.db", "--mark", "ACME=110")
    named = ("qty", "held", "avg_px", "realised", "net", "unrealised", "total", "fees")
    assert tuple(said[name] for name in named) == ("1", "0.999", "100", "-0.1", "-0.1", "9.99", "9.89", {"BTC": "0.001"})
    trade(desk, "b", "0.999", "110", Side.SELL, fee="0.01", currency="BNB")
    await kept(tmp_path / "c.db", desk)
    # Nothing is left, though fills alone would leave what the fee took.
    assert partfill("positions", tmp_path / "c.db").stdout == "0 positions\n"
    said = last(tmp_path / "c.db", "--all")
    assert (said["qty"], said["held"], said["net"], said["fees"]) == ("0.001", "0", "9.89", {"BNB": "0.01", "BTC": "0.001"})


async def test_what_is_protected_and_what_is_not(tmp_path: Path) -> None:
    stop, target = Leg(name="stop", stop_px=D(95)), Leg(name="target", price=D(110), share=D("0.5"))
    market = Market(PLAIN, stop, target)
    market.enters("100", "60")
    market.fill("unanswered", "40", "entry")
    path = tmp_path / "g.db"
    await kept(path, market)
    (line,) = partfill("positions", path, "--json").stdout.splitlines()
    said = json.loads(line)
    assert said["legs"] == [
        {"name": "stop", "wanted": "100", "works": "60", "watched": False},
        {"name": "target", "wanted": "50", "works": "30", "watched": False},
    ]
    assert said["uncovered"]
    assert "stop 60/100, target 30/50" in partfill("positions", path).stdout
    market.answer()
    await kept(tmp_path / "h.db", market)
    done = partfill("positions", tmp_path / "h.db")
    assert "stop 100/100, target 50/50" in done.stdout


def test_as_json_with_those_that_are_closed(db: Path) -> None:
    rows = [json.loads(line) for line in partfill("positions", db, "--all", "--json").stdout.splitlines()]
    assert [(row["instrument"], row["qty"], row["realised"], row["fees"], row["unrealised"]) for row in rows] == [
        ("ACME", "9", "24", {"USD": "1.5"}, None), ("OTHER", "0", "-1", {"USD": "1.0"}, None),
    ]  # fmt: skip
    assert rows[1]["avg_px"] is None
    assert rows[0]["unchanged_s"] > 0


def test_of_one_account_or_instrument(db: Path) -> None:
    assert partfill("positions", db, "--instrument", "OTHER").stdout == "0 positions\n"
    assert partfill("positions", db, "--account", "else", "--all").stdout == "0 positions\n"


@pytest.mark.parametrize("mark", ["ACME", "=5", "ACME=", "ACME=five", "104"])
def test_a_mark_that_is_none_is_named(db: Path, mark: str) -> None:
    done = partfill("positions", db, "--mark", mark)
    assert done.exit_code == 2
    assert "give INSTRUMENT=PRICE, such as ACME=25.10" in done.stderr
