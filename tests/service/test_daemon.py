"""The daemon as a real process: ready, commands through its socket and the command line, stops, failures."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import stat
import time
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from partfill.cli import operate
from partfill.journal.journal import Journal
from partfill.journal.store import Store
from partfill.journal.verify import verify
from partfill.model.commands import Submit
from partfill.model.orders import Limit
from partfill.runtime.partials import sign
from partfill.service.client import ask
from partfill.service.commands import find
from tests.service.processes import LOCAL, WAIT_S, Daemon, Process, local, paper_venue, partfill, remote, until

RESTING = {"instrument": "ACME", "side": "buy", "qty": "10", "price": "2.00"}
"""An order far from the market: it rests until somebody takes it off."""


def said(done: Any) -> dict[str, Any]:
    """The line of JSON of a command that went well."""
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_it_says_ready_takes_orders_and_stops_cleanly(tmp_path: Path) -> None:
    with local(tmp_path) as daemon:
        assert daemon.ready["ready"] is True
        assert daemon.ready["venues"] == ["paper"]
        until(lambda: daemon.ask("status")["venues"][0]["polls"] > 2, "it polls by itself")
        control = Path(daemon.ready["control"])
        assert stat.S_IMODE(control.stat().st_mode) == 0o600
        assert daemon.ask("submit", ref="m", instrument="ACME", side="buy", qty=5)["ok"]
        until(lambda: daemon.order("m")["state"] == "filled", "the market order fills")
        assert daemon.order("m")["cum_qty"] == "5"
        assert daemon.ask("submit", ref="r", **RESTING)["order"]["state"] == "working"
        assert daemon.ask("orders")["count"] == 1
        status = daemon.ask("status")
        assert (status["open"], status["pid"], status["killed"]) == (1, daemon.process.pid, [])
        assert daemon.stop() == 0
        assert not control.exists()
    assert verify(tmp_path / "f.db").problems == []
    assert "stopped: everything is committed" in (tmp_path / "errors.log").read_text()


def test_sigint_stops_it_as_well(tmp_path: Path) -> None:
    with local(tmp_path) as daemon:
        daemon.signal(signal.SIGINT)
        assert daemon.wait() == 0


def test_the_same_ref_is_the_same_order_and_other_terms_are_refused(tmp_path: Path) -> None:
    with local(tmp_path) as daemon:
        assert daemon.ask("submit", ref="r", **RESTING) == daemon.ask("submit", ref="r", **RESTING)
        refused = daemon.ask("submit", ref="r", **{**RESTING, "qty": "11"})
        assert not refused["ok"]
        assert "other terms" in refused["error"]


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"cmd": "submit", "ref": "x", **RESTING, "qty": 1.5}, "float"),
        ({"cmd": "submit", "ref": "x", **RESTING, "qty": "1.5"}, "lots"),
        ({"cmd": "submit", "ref": "x", **RESTING, "price": "2.005"}, "tick"),
        ({"cmd": "submit", "ref": "x", **RESTING, "side": "up"}, "buy, sell"),
        ({"cmd": "submit", "ref": "", **RESTING}, "ref is empty"),
        ({"cmd": "submit", **RESTING}, "ref"),
        ({"cmd": "submit", "ref": "x", **RESTING, "venue": "nope"}, "not connected"),
        ({"cmd": "submit", "ref": "x", **RESTING, "prize": "1"}, "prize"),
        ({"cmd": "cancel", "ref": "nope"}, "no order nope"),
        ({"cmd": "kill", "on": True, "by": "me", "venue": "papr"}, "never met venue"),
        ({"cmd": "kill", "on": True, "by": "me", "account": "a"}, "without a venue"),
        ({"cmd": "submit", "ref": "x", **RESTING, "account": "mian"}, "venue 'paper' has no account 'mian'; it has ''"),
        ({"cmd": "kill", "on": True, "by": "me", "venue": "paper", "account": "mian"}, "no account 'mian'; it has ''"),
        ({"cmd": "cancel", "ref": "x", "account": "mian"}, "no order x of account 'mian'"),
        ({"cmd": "dance"}, "dance"),
        ([1, 2], "object"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(request_: Any, why: str, served: Daemon) -> None:
    answer = ask(served.db, request_)
    assert answer is not None
    assert not answer["ok"]
    assert why in answer["error"]
    assert served.ask("status")["open"] == 0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One daemon for tests that change nothing."""
    with local(tmp_path_factory.mktemp("served")) as daemon:
        yield daemon


@pytest.mark.parametrize("command", [("kill", "on", "no account 'mian'; it has ''"), ("cancel", "x", "of account 'mian'")])
def test_a_misspelt_account_is_refused_on_the_command_line(command: tuple[str, str, str], served: Daemon) -> None:
    done = partfill(*command[:2], served.db, "--venue", "paper", "--account", "mian")
    assert (done.returncode, command[2] in done.stderr) == (1, True), done.stderr
    assert served.ask("status")["killed"] == []


def test_a_report_of_another_system_goes_through_the_socket(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    secret = b"k" * 32
    keys.write_text(f'[bot]\nsecret = "{secret.hex()}"\n')
    keys.chmod(0o600)
    config = LOCAL + "[execution.remainder]\nenabled = true\n[execution.remainder.ingest]\nkey_file = '{folder}/keys.toml'\n"
    with Daemon(tmp_path, config.format(folder=tmp_path)) as daemon:
        daemon.ask("submit", ref="big", instrument="ACME", side="buy", qty=10_000_000, price="26")
        until(lambda: daemon.order("big")["cum_qty"] != "0", "some of it fills")

        def report(**changed: Any) -> dict[str, Any]:
            order = daemon.order("big")
            filled, left = Decimal(order["cum_qty"]) * 26, Decimal(order["leaves_qty"]) * 26
            said = {"order_id": "big", "status": "PARTIAL", "filled_usd": str(filled), "remaining_usd": str(left),
                    "original_price": "26.00", "side": "BUY", "event_ts_ms": 1}  # fmt: skip
            body, now = json.dumps(said | changed), time.time_ns() // 1_000_000
            signature = sign(secret, "bot", now, body.encode())
            return daemon.ask("partial", key_id="bot", timestamp_ms=now, body=body, signature=signature)

        refused = report(side="SELL")
        assert (refused["ok"], refused["heard"], refused["code"]) == (False, "refused", "WRONG_SIDE")
        assert refused["error"] == "side is sell; big is a buy"
        events = []

        def decided() -> dict[str, Any] | None:
            # While the market goes on, some of it may fill between the look and the report; and a decision may take its time.
            events.append(time.time_ns() // 1_000_000)
            found = report(event_ts_ms=events[-1])
            return found if found["heard"] == "decided" else None

        answer = until(decided, "a report agrees with the books and is decided on")
        assert (answer["ok"], answer["ref"], answer["report"]["mode"]) == (True, "big", "shadow_only")
        assert report(event_ts_ms=events[-1])["heard"] == "repeated"
        with urlopen(f"{daemon.ready['http']}/metrics", timeout=WAIT_S) as page:
            shown = page.read().decode()
        assert 'partfill_partial_reports_total{heard="decided"} 1.0' in shown
        assert 'partfill_partial_reports_total{heard="repeated"} 1.0' in shown
        assert 'partfill_partial_reports_refused_total{reason="WRONG_SIDE"} 1.0' in shown
        assert "partfill_dust_waiting 0.0" in shown
        assert daemon.stop() == 0
    assert secret.hex() not in (tmp_path / "errors.log").read_text()
    assert verify(tmp_path / "f.db").problems == []


def test_nobody_may_report_where_there_are_no_keys(served: Daemon) -> None:
    answer = served.ask("partial", key_id="bot", timestamp_ms=1, body="{}", signature="")
    assert (answer["ok"], "give [execution.remainder.ingest] a key_file" in answer["error"]) == (False, True)


def test_keys_that_others_may_read_end_the_start_with_2(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[bot]\nsecret = "{"6b" * 32}"\n')
    keys.chmod(0o644)
    config = tmp_path / "c.toml"
    said = LOCAL.format(folder=tmp_path) + f"[execution.remainder.ingest]\nkey_file = '{keys}'\n"
    config.write_text(said)
    done = partfill("run", config)
    assert (done.returncode, "chmod 600 it" in done.stderr, "6b6b" in done.stderr) == (2, True, False)
    assert not (tmp_path / "f.db").exists()


def test_a_line_without_end_is_cut_off_and_others_go_on(served: Daemon) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(WAIT_S)
        line.connect(served.ready["control"])
        line.sendall(b"x" * 200_000)
        with line.makefile("rb") as answers:
            assert b"at most" in answers.readline()
    assert served.ask("status")["ok"]


def test_one_connection_may_ask_many_things(served: Daemon) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(WAIT_S)
        line.connect(served.ready["control"])
        line.sendall(b'{"cmd":"status"}\n' * 3 + b"nonsense\n")
        with line.makefile("rb") as answers:
            assert [json.loads(answers.readline())["ok"] for _ in range(4)] == [True, True, True, False]


def test_kill_cancels_everything_holds_through_restarts_and_is_lifted_by_hand(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    with local(tmp_path) as daemon:
        for number in range(3):
            assert daemon.ask("submit", ref=f"r{number}", **RESTING)["ok"]
        done = said(partfill("kill", "on", db, "--by", "ops", "--reason", "a drill"))
        assert (done["changed"], done["orders"], done["through"]) == (True, 3, "daemon")
        assert done["on"] == [{"venue": "*", "account": "", "by": "ops"}]
        assert [(each["ref"], each["leaves_qty"]) for each in done["taken_off"]] == [
            (f"r{n}", RESTING["qty"]) for n in range(3)
        ]
        until(lambda: all(daemon.order(f"r{number}")["state"] == "killed" for number in range(3)), "all are off")
        again = said(partfill("kill", "on", db))
        assert (again["changed"], again["orders"], again["on"][0]["by"]) == (False, 0, "ops")
        assert "kill switch" in daemon.ask("submit", ref="new", **RESTING)["error"]
        assert daemon.stop() == 0
    with local(tmp_path) as daemon:
        assert "kill switch" in daemon.ask("submit", ref="new", **RESTING)["error"]
        lifted = said(partfill("kill", "off", db))
        assert (lifted["changed"], lifted["was_on_by"], lifted["taken_off"]) == (True, "ops", [])
        assert not said(partfill("kill", "off", db))["changed"]
        assert daemon.ask("submit", ref="new", **RESTING)["ok"]
        assert daemon.stop() == 0
    assert verify(db).problems == []


def test_cancel_takes_one_order_off_and_may_be_repeated(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    with local(tmp_path) as daemon:
        for ref in ("one", "two"):
            assert daemon.ask("submit", ref=ref, **RESTING)["ok"]
        done = said(partfill("cancel", "one", db, "--reason", "enough"))
        assert (done["ref"], done["state"], done["changed"], done["through"]) == ("one", "stopping", True, "daemon")
        until(lambda: daemon.order("one")["state"] == "canceled", "it is off")
        assert daemon.order("two")["state"] == "working"
        again = said(partfill("cancel", "one", db))
        assert (again["state"], again["changed"]) == ("canceled", False)
        missing = partfill("cancel", "three", db)
        assert (missing.returncode, "no order three" in missing.stderr) == (1, True)
        assert daemon.stop() == 0
    assert verify(db).problems == []


def test_an_order_may_bring_a_policy_for_its_rest(tmp_path: Path) -> None:
    with local(tmp_path) as daemon:
        done = daemon.ask("submit", ref="one", **RESTING, remainder={"default_policy": "chase", "taker_fee_rate": "0.0004"})
        assert done["ok"], done
        wrong = daemon.ask("submit", ref="two", **RESTING, remainder={"default_policy": "chase", "chase_max_ticks": 11})
        assert (wrong["ok"], "chase_max_ticks is 11; it is locked to 0 to 10 ticks" in wrong["error"]) == (False, True)
        assert daemon.stop() == 0


def test_the_rest_of_an_order_is_taken_off_by_any_of_its_ids(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    # A market that stands still: however long the commands take, nothing fills.
    with paper_venue(tmp_path, speed=0) as venue, remote(tmp_path, venue) as daemon:
        for ref in ("one", "two", "three"):
            assert daemon.ask("submit", ref=ref, **RESTING)["ok"]
        until(lambda: all(row["order_id"] for row in rows_of(db)), "the venue has all of them")
        shown = rows_of(db)
        for name, ref in (("one", "one"), (shown[1]["order_id"], "two"), (shown[2]["cl_ord_id"], "three")):
            done = said(partfill("cancel-remainder", name, db))
            assert (done["ref"], done["changed"], done["through"]) == (ref, True, "daemon")
            until(lambda ref=ref: daemon.order(ref)["state"] == "canceled", "it is off")
            assert said(partfill("cancel-remainder", name, db))["changed"] is False
        missing = partfill("cancel-remainder", "never", db)
        assert (missing.returncode, "neither by ref nor by an id of it" in missing.stderr) == (1, True)
        assert daemon.stop() == 0
    assert verify(db).problems == []


def rows_of(db: Path) -> list[dict[str, Any]]:
    """The orders at the venue, as the command prints them."""
    return [json.loads(line) for line in partfill("orders", db, "--json").stdout.splitlines()]


@pytest.mark.parametrize("command", ["kill", "cancel"])
def test_without_a_daemon_it_is_written_and_holds_from_the_next_start_on(command: str, tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    with paper_venue(tmp_path, speed=0) as venue:
        with remote(tmp_path, venue) as daemon:
            assert daemon.ask("submit", ref="r", **RESTING)["ok"]
            until(lambda: find_order_id(daemon), "the venue has it")
            daemon.die()
        assert Path(daemon.ready["control"]).exists(), "what a killed daemon leaves behind"
        arguments = ("kill", "on", db) if command == "kill" else ("cancel", "r", db)
        done = [partfill(*arguments) for _ in range(2)]
        # A script notices, and a person reads, that no venue has heard of it.
        assert {each.returncode for each in done} == {3 if command == "kill" else 0}
        words = "NOTHING IS CANCELED AT ANY VENUE YET" if command == "kill" else "not canceled at the venue until one starts"
        assert words in done[0].stderr
        first, second = (json.loads(each.stdout) for each in done)
        assert (first["changed"], first["orders"], first["through"]) == (True, 1, "journal")
        assert (second["changed"], second["orders"]) == (False, 0)
        assert find(db, "r", None, None)[0]["state"] == "stopping"
        with remote(tmp_path, venue) as daemon:
            state = "killed" if command == "kill" else "canceled"
            until(lambda: find(db, "r", None, None)[0]["state"] == state, "it is taken off at the venue")
            refused = not daemon.ask("submit", ref="new", **RESTING)["ok"]
            assert refused is (command == "kill")
            if command == "kill":
                done[0] = partfill(*arguments)
                assert (done[0].returncode, done[0].stderr) == (0, ""), "a daemon has heard it"
            assert daemon.stop() == 0
    assert verify(db).problems == []


def find_order_id(daemon: Daemon) -> bool:
    """Whether the venue has acknowledged everything."""
    done = partfill("orders", daemon.db, "--json")
    return all(json.loads(line)["ord_status"] == "New" for line in done.stdout.splitlines()) and bool(done.stdout)


async def test_two_orders_of_one_ref_are_told_apart(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    async with Journal(db) as journal:
        for number, venue in enumerate(("x", "y")):
            await journal.submit(Submit(venue=venue, ref="r", terms=Limit("ACME", "buy", qty=1, price=2)), number + 1)
    done = partfill("cancel", "r", db)
    assert (done.returncode, "2 orders have ref r: at x, y" in done.stderr) == (1, True)
    assert said(partfill("cancel", "r", db, "--venue", "y"))["venue"] == "y"


def test_a_journal_of_a_process_without_a_socket_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from partfill.cli.main import main

    monkeypatch.setattr(operate, "PATIENCE_S", 0.2)
    holder = Store(tmp_path / "f.db")
    try:
        done = CliRunner().invoke(main, ["kill", "on", str(tmp_path / "f.db")])
    finally:
        holder.close()
    assert done.exit_code == 2
    assert "no control socket" in done.stderr


@pytest.mark.parametrize("command", [("kill", "on"), ("cancel", "r")])
def test_a_journal_that_does_not_exist_is_not_made(command: tuple[str, str], tmp_path: Path) -> None:
    done = partfill(*command, tmp_path / "no.db")
    assert (done.returncode, "does not exist" in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "check", "kill", "cancel", "watch", "demo"])
def test_help_explains(command: str) -> None:
    done = partfill(command, "--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 6


def test_a_second_daemon_on_the_same_journal_leaves_the_first_alone(tmp_path: Path) -> None:
    with local(tmp_path) as first:
        second = partfill("run", tmp_path / "config.toml")
        assert (second.returncode, "being written by another process" in second.stderr) == (2, True)
        assert first.ask("status")["ok"]
        assert first.stop() == 0


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    with paper_venue(tmp_path, faults={"latency_min_ns": 1_000 * 10**9, "latency_max_ns": 1_000 * 10**9}) as venue:
        with remote(tmp_path, venue, timeout="600") as daemon:
            assert daemon.ask("submit", ref="r", **RESTING)["ok"]
            daemon.signal(signal.SIGTERM)
            log = tmp_path / "errors.log"
            until(lambda: "draining" in log.read_text(), "it drains, and would for minutes")
            daemon.signal(signal.SIGTERM)
            assert daemon.wait() == 128 + signal.SIGTERM
        assert not Path(daemon.ready["control"]).exists()
    assert verify(tmp_path / "f.db").problems == []


def test_a_journal_that_cannot_be_written_ends_it_with_a_clear_error(tmp_path: Path) -> None:
    def small() -> None:
        # No file of this process may grow beyond this: what a full disk does.
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    with local(tmp_path, limit=small) as daemon:
        number = 0
        answer: dict[str, Any] | None = {"ok": True}
        while answer is not None and answer["ok"] and number < 5_000:
            number += 1
            try:
                answer = ask(daemon.db, {"cmd": "submit", "ref": f"r{number}", **RESTING, "price": "2.00"})
            except ConnectionError:
                break
        assert daemon.wait() == 1
    log = (tmp_path / "errors.log").read_text()
    assert "is down" in log
    assert "start again" in log
    assert verify(tmp_path / "f.db").problems == []
    with local(tmp_path) as daemon:
        # Everything that was answered is there.
        assert daemon.ask("orders", open=False, limit=1)["count"] >= number - 1
        assert daemon.stop() == 0


def test_a_configuration_that_is_wrong_is_named_and_not_run(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(LOCAL.format(folder=tmp_path) + "pol = 1\n")
    done = partfill("run", config)
    assert done.returncode == 2
    assert "execution.fill_management.pol: is no key here" in done.stderr
    assert not (tmp_path / "f.db").exists()


def on_port(folder: Path, port: int) -> Path:
    """A configuration for venue `v` at this port."""
    config = folder / "c.toml"
    venue = f'[[venues]]\nname = "v"\nkind = "paper-remote"\nport = {port}\n'
    config.write_text(f'limits.timeout_s = 1\njournal.path = "{folder}/f.db"\n{venue}')
    return config


def test_a_venue_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = partfill("run", on_port(tmp_path, port))
    assert (done.returncode, f"no paper venue answers at 127.0.0.1:{port}" in done.stderr) == (1, True)


def test_a_venue_of_another_name_is_refused(tmp_path: Path) -> None:
    with paper_venue(tmp_path) as venue:
        done = partfill("run", on_port(tmp_path, venue.ready["port"]))
    assert (done.returncode, "calls itself 'paper'" in done.stderr) == (1, True)


def test_watch_follows_a_daemon(tmp_path: Path) -> None:
    with local(tmp_path) as daemon, Process("partfill.cli", "watch", str(tmp_path / "f.db"), "--json",
                                            errors=tmp_path / "watch.log") as watcher:  # fmt: skip
        assert watcher.ready["orders"] == []
        assert daemon.ask("submit", ref="seen", **RESTING)["ok"]
        assert watcher.process.stdout is not None
        os.set_blocking(watcher.process.stdout.fileno(), True)
        while not (picture := json.loads(watcher.process.stdout.readline()))["orders"]:
            pass
        assert (picture["orders"][0]["ref"], picture["orders"][0]["order_qty"]) == ("seen", "10")
        watcher.signal(signal.SIGINT)
        assert watcher.wait() == 0
        assert daemon.stop() == 0
