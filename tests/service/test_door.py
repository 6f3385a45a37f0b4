"""Protection and positions through the daemon's socket and the command line: real processes, the paper venue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from partfill.journal.store import Store
from partfill.journal.verify import verify
from partfill.service.client import ask
from tests.service.processes import Daemon, Process, local, partfill, remote, until

MARKET = """
{"at":0,"type":"add","instrument":"ACME","id":"1","side":"buy","qty":"1000","price":"24.00"}
{"at":0,"type":"add","instrument":"ACME","id":"2","side":"sell","qty":"1000","price":"25.00"}
{"at":0,"type":"add","instrument":"BTC-USD","id":"3","side":"buy","qty":"5","price":"60000"}
"""
"""A market in which nobody does anything but us."""
BUY = {"instrument": "ACME", "side": "buy", "qty": "40"}
FAR = {"stop": "20.00", "targets": [["26.00", "0.5"], ["27.00", "0.5"]]}
LONG = {"instrument": "ACME", "side": "long"}


def said(done: Any) -> dict[str, Any]:
    """The line of JSON of a command that went well."""
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def held(daemon: Daemon, instrument: str = "ACME") -> dict[str, Any]:
    """The position as the daemon has it; empty where there is none."""
    answer = daemon.ask("positions", instrument=instrument)
    assert answer["ok"], answer
    return dict(answer["positions"][0]) if answer["positions"] else {}


def legs(daemon: Daemon) -> dict[str, tuple[str, str]]:
    """Of each leg what should work and what does."""
    return {leg["name"]: (leg["wanted"], leg["works"]) for leg in held(daemon).get("legs", [])}


def in_place(daemon: Daemon, qty: str, half: str) -> bool:
    """Whether the stop is `qty` and each target `half`, and all of it works."""
    return legs(daemon) == {"stop": (qty, qty), "target1": (half, half), "target2": (half, half)}


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Process]:
    """A venue with this market, as a process of its own."""
    events = tmp_path / "events.jsonl"
    events.write_text(MARKET.lstrip())
    with Process("partfill.venues.paper", "--events", str(events), "--warm-up", "3", errors=tmp_path / "venue.log") as venue:
        yield venue


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for tests that change nothing."""
    with local(tmp_path_factory.mktemp("served")) as daemon:
        yield daemon


def test_an_order_brings_its_protection_and_another_process_reads_what_is_held(quiet: Process, tmp_path: Path) -> None:
    with remote(tmp_path, quiet) as daemon:
        assert daemon.ask("positions") == {"ok": True, "count": 0, "more": False, "positions": []}
        done = daemon.ask("submit", ref="entry", **BUY, bracket=FAR)
        assert done["ok"], done
        until(lambda: in_place(daemon, "40", "20"), "both kinds are the position")
        found = held(daemon)
        assert (found["venue"], found["account"], found["instrument"]) == ("paper", "", "ACME")
        assert (found["qty"], found["held"], found["realised"], found["covered"]) == ("40", "40", "0", True)
        order = daemon.order("entry")
        assert Decimal(found["avg_px"]) == Decimal(order["avg_px"])
        # Prices are in what fees are in, so that a net result can be told: a market order pays them.
        assert Decimal(found["net"]) == -Decimal(found["fees"]["USD"])
        assert Decimal(found["net"]) < 0
        assert found["legs"][0] == {"name": "stop", "stops": True, "wanted": "40", "works": "40", "watched": False}
        assert daemon.ask("submit", ref="more", **{**BUY, "qty": 20})["ok"]
        until(lambda: in_place(daemon, "60", "30"), "they grow with a further entry")
        # A bracket of a ref that is known is no news: what was said since then goes on.
        assert daemon.ask("submit", ref="entry", **BUY, bracket={"stop": "21.00"})["ok"]
        assert in_place(daemon, "60", "30")
        assert daemon.stop() == 0
    assert verify(tmp_path / "f.db").problems == []


def test_by_command_from_protect_to_unprotect(quiet: Process, tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    command = ("protect", "ACME", "long", db, "--stop", "20.00", "--target", "26.00:0.5", "--target", "27.00:0.5")
    with remote(tmp_path, quiet) as daemon:
        first = said(partfill(*command, "--over-close", "flatten"))
        assert [first[name] for name in ("venue", "account", "instrument", "side", "changed", "through")] == [
            "paper", "", "ACME", "long", True, "daemon",
        ]  # fmt: skip
        assert (first["over_close"], first["budget"], first["position"]["qty"]) == ("flatten", "shared", "0")
        assert not said(partfill(*command, "--over-close", "flatten"))["changed"]
        assert said(partfill(*command))["changed"], "what is done about too much is another"
        assert daemon.ask("submit", ref="entry", **BUY)["ok"]
        until(lambda: in_place(daemon, "40", "20"), "what is entered is protected")
        shown = json.loads(partfill("positions", db, "--json").stdout)
        assert {leg["name"]: leg["works"] for leg in shown["legs"]} == {"stop": "40", "target1": "20", "target2": "20"}
        seen = json.loads(partfill("watch", db, "--json", "--seconds", 0).stdout)
        assert (seen["held"], seen["uncovered"], [each["instrument"] for each in seen["positions"]]) == (1, 0, ["ACME"])
        assert [Decimal(leg["works"]) for leg in seen["positions"][0]["legs"]] == [40, 20, 20]
        assert said(partfill("protect", "ACME", "long", db, "--stop", "21.00", "--stop-limit", "20.90"))["changed"]
        until(lambda: legs(daemon) == {"stop": ("40", "40")} and daemon.ask("orders")["count"] == 1, "others take their place")
        (working,) = daemon.ask("orders")["orders"]
        assert (working["side"], working["leaves_qty"]) == ("sell", "40")
        off = said(partfill("unprotect", "ACME", "long", db))
        assert (off["changed"], off["orders"], off["taken_off"][0]["leaves_qty"]) == (True, 1, "40")
        again = said(partfill("unprotect", "ACME", "long", db))
        assert (again["changed"], again["orders"]) == (False, 0)
        until(lambda: daemon.ask("orders")["count"] == 0, "nothing works any more")
        assert (held(daemon)["qty"], held(daemon)["legs"]) == ("40", [])
        assert daemon.stop() == 0
    assert verify(db).problems == []


def test_protection_said_through_the_socket_goes_on_after_a_kill_and_a_restart(quiet: Process, tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    with remote(tmp_path, quiet) as daemon:
        assert daemon.ask("protect", **LONG, **FAR)["ok"]
        assert daemon.ask("submit", ref="entry", **BUY)["ok"]
        until(lambda: in_place(daemon, "40", "20"), "it is protected")
        daemon.die()
    # Without a daemon nothing new can be protected, and what is can be ended.
    alone = partfill("protect", "ACME", "long", db, "--stop", "21.00")
    assert (alone.returncode, "no daemon runs on" in alone.stderr, "partfill run" in alone.stderr) == (1, True, True)
    with remote(tmp_path, quiet) as daemon:
        until(lambda: in_place(daemon, "40", "20"), "it goes on")
        assert not daemon.ask("protect", **LONG, **FAR)["changed"]
        daemon.die()
    ended = said(partfill("unprotect", "ACME", "long", db))
    assert (ended["changed"], ended["orders"], ended["through"]) == (True, 3, "journal")
    assert not said(partfill("unprotect", "ACME", "long", db))["changed"]
    with remote(tmp_path, quiet) as daemon:
        until(lambda: daemon.ask("orders")["count"] == 0, "its orders are taken off at the next start")
        assert held(daemon)["legs"] == []
        assert daemon.stop() == 0
    assert verify(db).problems == []


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"cmd": "protect", **LONG}, "0 legs; give 1 to 16"),
        ({"cmd": "protect", **LONG, "side": "buy", "stop": "2"}, "side is 'buy'; it is long or short"),
        ({"cmd": "protect", **LONG, "stop": 2.5}, "got `float`"),
        ({"cmd": "protect", **LONG, "stop": "two"}, "stop is 'two', which is no number"),
        ({"cmd": "protect", **LONG, "stop": "2.005"}, "stop_px 2.005 of stop is not on the tick of ACME; 2"),
        ({"cmd": "protect", **LONG, "stop_limit": "2"}, "there is no stop; give the price that triggers it"),
        ({"cmd": "protect", **LONG, "targets": [["26", "1.5"]]}, "a share is above 0 and at most 1"),
        ({"cmd": "protect", **LONG, "targets": [["26", "0.6"], ["27", "0.6"]]}, "the targets cover 1.2 of the position"),
        ({"cmd": "protect", **LONG, "targets": [["26", "0.6", "1"]]}, "$.targets[0]"),
        ({"cmd": "protect", **LONG, "stop": "27", "targets": ["26"]}, "stop 27 is not below target 26"),
        ({"cmd": "protect", **LONG, "side": "short", "stop": "26", "targets": ["27"]}, "stop 26 is not above target 27"),
        ({"cmd": "protect", **LONG, "stop": "2", "over_close": "no"}, "over_close is 'no'; it is alarm or flatten"),
        ({"cmd": "protect", **LONG, "stop": "2", "budget": "no"}, "budget is 'no'; it is shared or each"),
        ({"cmd": "protect", **LONG, "stop": "2", "instrument": "ACNE"}, "paper does not list 'ACNE'; it lists ACME, BTC-USD"),
        ({"cmd": "protect", **LONG, "stop": "2", "venue": "nope"}, "venue 'nope' is not connected; there are: paper"),
        ({"cmd": "protect", **LONG, "stop": "2", "account": "mian"}, "venue 'paper' has no account 'mian'; it has ''"),
        ({"cmd": "protect", **LONG, "stop": "2", "stpo": "2"}, "stpo"),
        ({"cmd": "unprotect", **LONG}, "no protection of ACME long; there is: none"),
        ({"cmd": "unprotect", **LONG, "side": "up"}, "side is 'up'; it is long or short"),
        ({"cmd": "unprotect", **LONG, "stop": "2"}, "stop"),
        ({"cmd": "submit", "ref": "x", **BUY, "bracket": {"stop": "2.005"}}, "not on the tick"),
        ({"cmd": "submit", "ref": "x", **BUY, "bracket": {"stpo": "2"}}, "stpo"),
        ({"cmd": "submit", "ref": "x", **BUY, "bracket": {}}, "0 legs"),
        ({"cmd": "submit", "ref": "x", **BUY, "side": "sell", "bracket": {"stop": "2", "targets": ["26"]}}, "not above target"),
        ({"cmd": "positions", "venue": "nope"}, "venue 'nope' is not connected"),
        ({"cmd": "positions", "account": "mian"}, "venue 'paper' has no account 'mian'"),
        ({"cmd": "positions", "all": True}, "all"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words_and_changes_nothing(request_: Any, why: str, served: Daemon) -> None:
    before = served.ask("status")["input"]
    answer = ask(served.db, request_)
    assert answer is not None
    assert not answer["ok"]
    assert why in answer["error"]
    after = served.ask("status")
    assert (after["open"], after["input"]) == (0, before)
    assert served.ask("positions")["count"] == 0


@pytest.mark.parametrize(
    ("command", "code", "why"),
    [
        (("protect", "ACME", "long"), 2, "give --stop, --target or both"),
        (("protect", "ACME", "long", "--stop-limit", "2"), 2, "give the price that triggers it"),
        (("protect", "ACME", "up", "--stop", "2"), 2, "'up' is not one of"),
        (("protect", "ACME", "long", "--stop", "2,5"), 2, "'2,5' is no exact number; give a price such as 24.50"),
        (("protect", "ACME", "long", "--target", "26:"), 2, "'26:' is no exact number; give PX or PX:SHARE"),
        (("protect", "ACME", "long", "--target", "26:2"), 1, "a share is above 0 and at most 1"),
        (("protect", "ACME", "long", "--stop", "2.005"), 1, "is not on the tick of ACME"),
        (("protect", "ACME", "long", "--stop", "27", "--target", "26"), 1, "stop 27 is not below target 26"),
        (("protect", "ACNE", "long", "--stop", "2"), 1, "does not list 'ACNE'"),
        (("protect", "ACME", "long", "--stop", "2", "--account", "mian"), 1, "no account 'mian'; it has ''"),
        (("unprotect", "ACME", "short"), 1, "no protection of ACME short; there is: none"),
    ],
)
def test_on_the_command_line_as_well(command: tuple[str, ...], code: int, why: str, served: Daemon) -> None:
    before = served.ask("status")["input"]
    done = partfill(*command[:3], served.db, *command[3:])
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    # Words of usage are broken into lines.
    assert why in " ".join(done.stderr.split()).replace(" │ ", " "), done.stderr
    assert served.ask("status")["input"] == before


@pytest.mark.parametrize("command", [("protect", "--stop", "2"), ("unprotect",)])
def test_a_journal_that_does_not_exist_is_not_made(command: tuple[str, ...], tmp_path: Path) -> None:
    done = partfill(command[0], "ACME", "long", tmp_path / "no.db", *command[1:])
    assert (done.returncode, "does not exist" in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_positions_are_read_a_page_at_a_time(quiet: Process, tmp_path: Path) -> None:
    with remote(tmp_path, quiet) as daemon:
        assert daemon.ask("submit", ref="one", **BUY)["ok"]
        assert daemon.ask("submit", ref="two", instrument="BTC-USD", side="sell", qty="0.010")["ok"]
        until(lambda: daemon.ask("positions")["count"] == 2, "both are there")
        first = daemon.ask("positions", limit=1)
        assert (first["count"], first["more"], [each["instrument"] for each in first["positions"]]) == (2, True, ["ACME"])
        last = daemon.ask("positions", limit=1, after=["paper", "", "ACME"])
        assert (last["count"], last["more"], [each["qty"] for each in last["positions"]]) == (2, False, ["-0.01"])
        assert daemon.ask("positions", after=["paper", "", "BTC-USD"])["positions"] == []
        assert daemon.ask("positions", venue="paper", account="", instrument="ACME")["count"] == 1
        assert daemon.stop() == 0


def test_a_protection_of_two_accounts_is_told_apart(tmp_path: Path) -> None:
    config = '[journal]\npath = "{0}/f.db"\n[[venues]]\nname = "paper"\ninstruments = ["ACME"]\naccounts = ["a", "b"]\n'
    with Daemon(tmp_path, config.format(tmp_path)) as daemon:
        for account in ("a", "b"):
            assert said(partfill("protect", "ACME", "long", daemon.db, "--stop", "2", "--account", account))["changed"]
        both = partfill("unprotect", "ACME", "long", daemon.db)
        assert (both.returncode, "ACME long is protected at paper a, paper b; say which" in both.stderr) == (1, True)
        wrong = partfill("unprotect", "ACME", "long", daemon.db, "--account", "c")
        assert "no protection of ACME long of account 'c'; there is: ACME long at paper a, ACME long at paper b" in wrong.stderr
        assert said(partfill("unprotect", "ACME", "long", daemon.db, "--account", "b"))["account"] == "b"
        assert said(partfill("unprotect", "ACME", "long", daemon.db))["account"] == "a"
        assert daemon.stop() == 0
    store = Store(tmp_path / "f.db", read_only=True)
    assert [row["off"] for row in store.rows("SELECT off FROM protections")] == [1, 1]
    store.close()
