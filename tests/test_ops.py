"""Alerts and runbook: what an alert asks for is served, what it points at exists, and the document's two are to the letter."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from partfill.cli.main import COMMANDS, main
from partfill.service.health import judge, judge_decisions
from partfill.service.recent import Recent
from partfill.service.vitals import Line, Vitals
from tests.service.processes import local
from tests.service.test_served import preset
from tests.service.web import scrape

ROOT = Path(__file__).parents[1]
ALERTS = ROOT / "ops" / "alerts.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"
OF_PROMETHEUS = {"up"}
"""Metrics that Prometheus makes itself."""
DUST = "polytraders_exec_partialfillhandler_decisions_total{verdict='PARTIAL_FILL_DUST_AUTO_CANCEL'}"
ABORTED = "polytraders_exec_partialfillhandler_decisions_total{verdict='PARTIAL_FILL_CHASE_ABORTED'}"

promtool = shutil.which("promtool")
with_promtool = pytest.mark.skipif(promtool is None, reason="promtool is not here; Debian has it in the package prometheus")


def rules() -> dict[str, dict[str, Any]]:
    """Every alert, by name."""
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    by_name = {rule["alert"]: rule for rule in found}
    assert len(by_name) == len(found), "two alerts of one name"
    return by_name


def metrics_in(expr: str) -> set[str]:
    """The metrics that an expression names: words before a brace, a bracket or a comparison that are no function."""
    bare = re.sub(r"\{[^}]*\}|\"[^\"]*\"|'[^']*'|\[[^\]]*\]|\b(?:by|without)\s*\([^)]*\)", " ", expr)
    words = re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?!\s*\(|[a-zA-Z0-9_:])", bare)
    return {word for word in words if word not in {"or", "and", "unless"} and not re.search(rf"\b{word}\s*\(", bare)}


@pytest.mark.parametrize(("name", "of", "limit"), [("PFHHighDustRate", DUST, "0.2"), ("PFHChaseAbortRate", ABORTED, "0.1")])
def test_the_alerts_of_the_document_are_there_to_the_letter(name: str, of: str, limit: str) -> None:
    rule = rules()[name]
    assert rule["expr"] == f"rate({of}[5m]) > {limit}"
    assert rule["labels"]["severity"] == "P2"
    anchor = {"PFHHighDustRate": "#runbook-pfh-dust", "PFHChaseAbortRate": "#runbook-pfh-chase"}[name]
    assert rule["annotations"]["runbook"].endswith(anchor)


def test_every_alert_has_a_severity_a_sentence_and_a_page_that_exists() -> None:
    for name, rule in rules().items():
        assert rule["labels"]["severity"] in {"P1", "P2", "P3"}, name
        assert rule["annotations"]["summary"].endswith("."), name
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert f'<a id="{anchor}"></a>' in (ROOT / page).read_text("utf-8"), f"{name} points at #{anchor}"
        assert f"`{name}`" in RUNBOOK.read_text("utf-8"), f"the runbook does not know {name}"


def test_what_the_alerts_ask_for_is_served(tmp_path: Path) -> None:
    for name in ("own", "preset"):
        (tmp_path / name).mkdir()
    with local(tmp_path / "own") as own, preset(tmp_path / "preset") as other:
        served = {sample.partition("{")[0] for daemon in (own, other) for sample in scrape(daemon.url)}
        labels = "\n".join(sample for daemon in (own, other) for sample in scrape(daemon.url))
        assert (own.stop(), other.stop()) == (0, 0)
    for name, rule in rules().items():
        named = metrics_in(rule["expr"])
        assert named, f"{name} asks for nothing"
        assert named <= served | OF_PROMETHEUS, f"{name} asks for {named - served}"
        for verdict in re.findall(r"verdict=[\"']([A-Z_]+)[\"']", rule["expr"]):
            assert f'verdict="{verdict}"' in labels, f"{name} asks for {verdict}"
        for kinds in re.findall(r"kind[!=]~[\"']([a-z_|]+)[\"']", rule["expr"]):
            assert all(f'kind="{kind}"' in labels for kind in kinds.split("|")), name


@with_promtool
def test_promtool_takes_the_alerts() -> None:
    done = subprocess.run([str(promtool), "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@with_promtool
@pytest.mark.parametrize(
    ("per_minute", "calls"), [(0, []), (2, ["PartfillDustPerMinute"]), (15, ["PartfillDustPerMinute", "PFHHighDustRate"])]
)
def test_at_two_dust_cancels_a_minute_ours_calls_and_at_fifteen_the_documents_too(
    per_minute: int, calls: list[str], tmp_path: Path
) -> None:
    series = DUST.replace("'", '"').replace("{", '{job="partfill",')
    alerts = [
        {"eval_time": "10m", "alertname": name,
         "exp_alerts": [{"exp_labels": {"severity": "P2", "job": "partfill", "verdict": "PARTIAL_FILL_DUST_AUTO_CANCEL"},
                         "exp_annotations": rules()[name]["annotations"]}] if name in calls else []}
        for name in ("PartfillDustPerMinute", "PFHHighDustRate")
    ]  # fmt: skip
    values = f"0+{per_minute}x20"
    test = {"interval": "1m", "input_series": [{"series": series, "values": values}], "alert_rule_test": alerts}
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": [test]}))
    done = subprocess.run([str(promtool), "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


PROTECTION = {
    "PartfillNotCovered": ("partfill_protection_uncovered_seconds", "31x9", "30x9"),
    "PartfillProtectionBlind": ("partfill_protection_blind_seconds", "11x9", "10x9"),
    "PartfillOverClose": ("partfill_protection_over_closes_total", "0 0 0 1x9", "1x12"),
    "PartfillProtectionFails": ('partfill_protection_failures_total{kind="refused"}', "0+3x12", "0+2x12"),
}
"""Alert -> a series, values at which it calls, and values at which it does not yet."""


@with_promtool
@pytest.mark.parametrize("name", PROTECTION)
@pytest.mark.parametrize("calls", [True, False])
def test_what_is_not_protected_calls_at_its_limit(name: str, calls: bool, tmp_path: Path) -> None:
    series, at, below = PROTECTION[name]
    annotations = {
        key: re.sub(r"\{\{ \$value \| humanizeDuration \}\}", "31s", text) for key, text in rules()[name]["annotations"].items()
    }
    expected = {"exp_labels": {"severity": rules()[name]["labels"]["severity"]}, "exp_annotations": annotations}
    alerts = [{"eval_time": "8m", "alertname": name, "exp_alerts": [expected] if calls else []}]
    values = at if calls else below
    test = {"interval": "1m", "input_series": [{"series": series, "values": values}], "alert_rule_test": alerts}
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": [test]}))
    done = subprocess.run([str(promtool), "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_runbook_has_a_place_for_every_part_that_may_be_red() -> None:
    text = RUNBOOK.read_text("utf-8")
    vitals = Vitals(lines=(Line(venue="NAME", account=""),), stopping=True)
    parts = {**judge(vitals, Recent()).components, **judge_decisions(vitals, Recent()).components}
    for part in parts:
        assert f"`{part}`" in text, f"the runbook says nothing of {part}"


def test_every_place_of_the_runbook_says_all_five_things() -> None:
    places = re.split(r'<a id="[a-z-]+"></a>\n', RUNBOOK.read_text("utf-8"))[1:]
    assert len(places) >= 10
    for place in places:
        for what in ("What it means.", "First step.", "Diagnosis.", "Mitigation.", "Escalation."):
            assert f"**{what}**" in place, f"{place.splitlines()[0]} lacks {what}"


def test_links_and_commands_of_the_runbook_exist() -> None:
    text = RUNBOOK.read_text("utf-8")
    for anchor in re.findall(r"\(#([a-z-]+)\)", text):
        assert f'<a id="{anchor}"></a>' in text, anchor
    named = set(re.findall(r"(?:^|`|\| )partfill ([a-z-]+)", text, re.MULTILINE))
    assert named >= {"decisions", "cancel-remainder", "kill", "watch", "verify", "orders", "fills", "cancel", "check"}
    assert named <= set(COMMANDS)
    for command, options in re.findall(r"(?:^|`|\| )partfill ([a-z-]+)([^`\n#|]*)", text, re.MULTILINE):
        known = CliRunner().invoke(main, [command, "--help"]).output
        for option in re.findall(r"--[a-z-]+", options):
            assert option in known, f"partfill {command} has no {option}"


@pytest.mark.parametrize(
    ("anchor", "what", "words"),
    [
        ("pfh-dust", "First step.", "Look at the sizes of the strategy's orders"),
        ("pfh-dust", "Escalation.", "The lead of the strategy"),
        ("pfh-chase", "First step.", "Look at how the market moves"),
        ("pfh-chase", "Mitigation.", "Move the strategies to `hold` or `cancel`"),
        ("pfh-chase", "Escalation.", "The lead of execution"),
    ],
)
def test_the_runbook_says_what_the_document_says(anchor: str, what: str, words: str) -> None:
    text = " ".join(RUNBOOK.read_text("utf-8").split())
    assert "orders that are small for their strategy" in text
    assert "markets that move faster than a chase may follow" in text
    place = text.partition(f'<a id="runbook-{anchor}"></a>')[2].partition("<a id=")[0]
    assert place.partition(f"**{what}** ")[2].startswith(words)


def test_the_runbook_does_not_say_to_raise_what_makes_more_dust() -> None:
    dust = RUNBOOK.read_text("utf-8").partition('<a id="runbook-pfh-dust"></a>')[2].partition("<a id=")[0]
    assert "*lower* `min_remainder_size`" in " ".join(dust.split())
    assert "Do **not** raise it" in dust
