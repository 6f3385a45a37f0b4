"""The page of policies: it shows its own figures and nothing else, and the command that makes it works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from partfill.runtime.replay.chart import chart
from partfill.runtime.replay.page import BEGIN, END, NoMarks, page
from partfill.runtime.replay.policies import Report, tried

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"


def shown() -> Report:
    return msgspec.json.decode((DOCS / "policies.json").read_bytes(), type=Report)


def test_the_page_and_the_chart_show_the_figures_that_lie_beside_them() -> None:
    text = (DOCS / "policies.md").read_text("utf-8")
    assert page(text, shown()) == text
    assert chart(shown()) == (DOCS / "policies.svg").read_text("utf-8")


def test_the_figures_are_of_some_thousand_orders_under_every_policy() -> None:
    report = shown()
    assert [market.market for market in report.markets] == ["AMZN", "BTC/USD"]
    for market in report.markets:
        named = [(row.policy, row.thin_rule) for row in market.rows]
        assert named == [(each.name, each.policy.cancel_on_book_thin) for each in tried()]
        assert {row.orders for row in market.rows} == {market.orders}
        assert market.orders > 2_900
    assert report.made_with in (DOCS / "policies.md").read_text("utf-8")


def test_the_chart_is_a_picture_that_names_its_units() -> None:
    root = ElementTree.fromstring(chart(shown()))
    texts = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    for head in ("filled, % of the order", "cost of the order in full, ticks per unit", "time to done, seconds (log)"):
        assert texts.count(head) == 2
    assert texts.count("chase 10") == 2


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(NoMarks, match="end of figures"):
        page("nothing here", shown())


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "benchmarks" / "policies.py")
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False, timeout=120)


def test_the_command_plays_a_generated_market_and_writes_page_chart_and_figures(tmp_path: Path) -> None:
    (tmp_path / "policies.md").write_text(f"# Mine\n\n{BEGIN}\nyesterday\n{END}\nend\n", "utf-8")
    done = run("--orders", "4", "--seed", "3", "--docs", str(tmp_path))
    assert done.returncode == 0, done.stderr
    report = msgspec.json.decode(done.stdout, type=Report)
    assert msgspec.json.decode((tmp_path / "policies.json").read_bytes(), type=Report) == report
    assert (report.seed, report.markets[0].market) == (3, "ACME")
    text = (tmp_path / "policies.md").read_text("utf-8")
    assert text.startswith("# Mine\n")
    assert "| chase 10 | on |" in text
    assert "yesterday" not in text
    assert (tmp_path / "policies.svg").read_text("utf-8") == chart(report)


def test_a_recording_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    done = run("--lobster", str(tmp_path / "none.zip"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "none.zip" in done.stderr
    (tmp_path / "bad.csv").write_text("34200.1,1,5,x,100,1\n", "utf-8")
    done = run("--lobster", str(tmp_path / "bad.csv"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "shares is 'x'" in done.stderr
