"""A daemon as a real process and what it serves: both sets of names, ports, trouble, and clients that hang."""

from __future__ import annotations

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from partfill import __version__
from partfill.service.config import load
from tests.service.processes import LOCAL, REMOTE, Daemon, Process, local, paper_venue, partfill, remote, until
from tests.service.test_daemon import RESTING
from tests.service.web import get, health, scrape

ROOT = Path(__file__).parents[2]
PRESET = ROOT / "examples" / "polytraders.toml"
DOCUMENT = "polytraders_exec_partialfillhandler"
PATH = "/internal/health/partialfillhandler"
EVERYTHING = {"instrument": "RAIN-YES", "side": "buy", "qty": "1000000", "price": "0.98"}
"""A price that the market is always better than, and more than there is: it fills in part, whatever the moment."""


def preset(folder: Path) -> Daemon:
    """A daemon on the polytraders preset as it is, but for the port."""
    said = PRESET.read_text()
    assert "port = 9464" in said
    return Daemon(folder, said.replace("port = 9464", "port = 0"), db="polytraders.db")


def decisions(url: str, name: str) -> dict[str, float]:
    """Verdict -> how often, of those that were made."""
    found = scrape(url)
    begin = f'{name}{{verdict="'
    return {key.removeprefix(begin)[:-2]: value for key, value in found.items() if key.startswith(begin) and value}


def reports(file: Path) -> list[dict[str, Any]]:
    """The reports in a file that may be being written."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_the_preset_has_the_defaults_of_the_document() -> None:
    config = load(PRESET)
    policy = config.remainders.policy
    assert policy is not None
    assert (policy.default_policy, str(policy.min_remainder_size), policy.chase_max_ticks, policy.cancel_on_book_thin) == (
        "hold", "5", 3, True,
    )  # fmt: skip
    assert (config.remainders.mode, config.remainders.max_in_flight, config.remainders.timeout_ms) == ("shadow_only", 50, 300)
    assert (config.wire.bot_id, config.bot.name) == ("exec.partialfillhandler", "PartialFillHandler")
    assert (config.wire.topic, config.wire.retention_class) == ("polytraders.reports.execution", "7y")
    assert config.wire.collateral == "pUSD"
    assert (config.bot.metrics_prefix, config.bot.health_path) == (DOCUMENT, PATH)


def test_the_preset_runs_and_serves_the_names_of_the_document(tmp_path: Path) -> None:
    file = tmp_path / "polytraders.reports.jsonl"
    with preset(tmp_path) as daemon:
        assert daemon.ask("submit", ref="a", **EVERYTHING)["ok"]
        made = until(lambda: decisions(daemon.url, f"{DOCUMENT}_decisions_total"), "it is decided on")
        assert all(verdict.isupper() for verdict in made)
        found = scrape(daemon.url)
        assert found[f"{DOCUMENT}_remainder_usd_count"] >= 1
        assert found[f"{DOCUMENT}_remainder_usd_sum"] > 100_000
        assert f"{DOCUMENT}_chase_ticks_count" in found
        assert not [name for name in found if name.startswith("partfill_remainder_decisions")]
        assert found['partfill_remainder_info{bot_id="exec.partialfillhandler",mode="shadow_only",schema="2"}'] == 1
        status, said = health(daemon.url, PATH)
        assert (status, said["status"]) == (200, "green")
        assert (said["bot_id"], said["bot_name"], said["mode"], said["schema"], said["version"]) == (
            "exec.partialfillhandler", "PartialFillHandler", "shadow_only", "2", __version__,
        )  # fmt: skip
        assert list(said["components"]) == ["journal", "clob_auth", "clob_public", "dust_cancel_rate", "chase_abort_rate"]
        assert health(daemon.url)[0] == 200
        first = until(lambda: reports(file), "it is reported")[0]
        assert (first["bot_id"], first["topic"], first["retention_class"], first["collateral"], first["schema"]) == (
            "exec.partialfillhandler", "polytraders.reports.execution", "7y", "pUSD", "2",
        )  # fmt: skip
        assert (first["mode"], first["carried_out"]) == ("shadow_only", False)
        assert daemon.order("a")["state"] == "working", "nothing is sent in the shadow"
        assert daemon.stop() == 0
    rows = [json.loads(line) for line in partfill("decisions", daemon.db, "--json").stdout.splitlines()]
    assert [row["report_id"] for row in rows] == [row["report_id"] for row in reports(file)]


def test_without_a_word_every_partial_fill_is_decided_on_and_nothing_is_sent(tmp_path: Path) -> None:
    with local(tmp_path) as daemon:
        order = {"instrument": "ACME", "side": "buy", "qty": "1000000", "price": "100.00"}
        assert daemon.ask("submit", ref="a", **order)["ok"]
        until(lambda: decisions(daemon.url, "partfill_remainder_decisions_total"), "it is decided on")
        assert scrape(daemon.url)["partfill_remainder_usd_count"] >= 1
        assert daemon.order("a")["state"] == "working"
        assert get(daemon.url, PATH)[0] == 404, "the preset asks for that page, the defaults do not"
        assert daemon.stop() == 0


def test_two_daemons_of_the_same_defaults_both_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with local(tmp_path / "one") as one, local(tmp_path / "two") as two:
        assert one.url != two.url
        assert health(one.url)[0] == health(two.url)[0] == 200
        assert (one.stop(), two.stop()) == (0, 0)


def test_a_port_that_is_taken_is_named_before_anything_is_begun(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config.write_text(LOCAL.format(folder=tmp_path) + f"[http]\nport = {port}\n")
        done = partfill("run", config)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"http.port: {port} at 127.0.0.1 is taken by another process; give another, or 0 for a free one" in done.stderr
    assert not (tmp_path / "f.db").exists()


def test_a_port_that_was_asked_for_is_the_one_and_none_is_none(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Daemon(tmp_path, LOCAL.format(folder=tmp_path) + f"[http]\nport = {port}\n") as daemon:
        assert daemon.url == f"http://127.0.0.1:{port}"
        assert health(daemon.url)[0] == 200
        assert daemon.stop() == 0
    with Daemon(tmp_path, LOCAL.format(folder=tmp_path) + "[http]\nenabled = false\n") as daemon:
        assert daemon.ready["http"] is None
        assert daemon.ask("status")["ok"]
        assert daemon.stop() == 0


def test_the_kill_switch_is_amber_through_a_restart(tmp_path: Path) -> None:
    with local(tmp_path) as daemon:
        assert partfill("kill", "on", daemon.db, "--by", "ops").returncode == 0
        assert daemon.stop() == 0
    with local(tmp_path) as daemon:
        status, said = health(daemon.url)
        assert (status, said["status"]) == (200, "amber")
        assert "by ops" in said["components"]["kill switch"]["reason"]
        assert partfill("kill", "off", daemon.db).returncode == 0
        assert health(daemon.url)[1]["components"]["kill switch"]["status"] == "green"
        assert daemon.stop() == 0


def test_a_venue_that_dies_is_red(tmp_path: Path) -> None:
    soon = REMOTE.replace("poll_interval_ms", "alarm_after_failures = 1\npoll_interval_ms")
    with paper_venue(tmp_path) as venue:
        said = soon.format(folder=tmp_path, port=venue.ready["port"], timeout="1")
        with Daemon(tmp_path, said) as daemon:
            turns_red(venue, daemon)


def turns_red(venue: Process, daemon: Daemon) -> None:
    """The venue answers, and dies."""
    assert daemon.ask("submit", ref="r", **RESTING)["ok"]
    until(lambda: health(daemon.url)[1]["components"]["venue/paper"]["status"] == "green", "it is polled")
    venue.die()
    until(lambda: health(daemon.url)[0] == 503, "the venue is red")
    part = health(daemon.url)[1]["components"]["venue/paper"]
    assert (part["status"], "paper does not answer" in part["reason"]) == ("red", True)
    until(lambda: scrape(daemon.url)['partfill_venue_up{account="",venue="paper"}'] == 0, "and its metric is 0")
    daemon.die()


def test_a_daemon_that_drains_can_still_be_asked_what_it_waits_for(tmp_path: Path) -> None:
    slow = {"latency_min_ns": 1_000 * 10**9, "latency_max_ns": 1_000 * 10**9}
    with paper_venue(tmp_path, faults=slow) as venue, remote(tmp_path, venue, timeout="600") as daemon:
        assert daemon.ask("submit", ref="r", **RESTING)["ok"]
        daemon.signal(signal.SIGTERM)
        part = until(lambda: health(daemon.url)[1]["components"].get("daemon"), "it says that it stops")
        assert (part["status"], "it was told to stop" in part["reason"]) == ("amber", True)
        assert scrape(daemon.url)["partfill_stopping"] == 1
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize("said", [b"", b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
def test_clients_that_hang_are_in_nobodys_way(said: bytes, tmp_path: Path) -> None:
    with local(tmp_path) as daemon:
        where = urlsplit(daemon.url)
        hanging = []
        for _ in range(200):
            line = socket.create_connection((str(where.hostname), int(where.port or 0)))
            line.sendall(said)
            hanging.append(line)
        assert health(daemon.url)[0] == 200
        assert daemon.ask("submit", ref="r", **RESTING)["ok"]
        # One that asks again and again and never reads.
        greedy = socket.create_connection((str(where.hostname), int(where.port or 0)))
        greedy.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 50)
        assert health(daemon.url)[0] == 200
        assert daemon.stop() == 0
        for line in (*hanging, greedy):
            line.close()


def test_a_hundred_scrapes_at_once_are_all_answered_while_it_trades(tmp_path: Path) -> None:
    with local(tmp_path) as daemon, ThreadPoolExecutor(100) as askers:
        scrapes = [askers.submit(get, daemon.url, path) for path in ("/metrics", "/health") * 50]
        for number in range(10):
            assert daemon.ask("submit", ref=f"m{number}", instrument="ACME", side="buy", qty=5)["ok"]
        assert [each.result()[0] for each in scrapes] == [200] * 100
        until(lambda: scrape(daemon.url)["partfill_open_orders"] == 0, "all have filled")
        assert scrape(daemon.url)["partfill_operations_sent_total"] == 10
        assert daemon.stop() == 0
