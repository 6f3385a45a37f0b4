"""The daemon's configuration: what is read, and that every mistake is named, at once, with what would be right."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from partfill.cli.main import main
from partfill.model.policy import RemainderPolicy
from partfill.runtime.outbox import Wire
from partfill.runtime.settings import FillManagement, WrongVariables
from partfill.service.config import Bot, HttpConfig, Invalid, load, parse

ROOT = Path(__file__).parents[2]
GOOD = """
[journal]
path = "{folder}/f.db"
[[venues]]
name = "paper"
"""


def mistakes(said: str) -> list[str]:
    """Every mistake of a text, as `partfill check` prints it."""
    with pytest.raises(Invalid) as raised:
        parse(said)
    return [str(mistake) for mistake in raised.value.mistakes]


@pytest.fixture
def good(tmp_path: Path) -> str:
    return GOOD.format(folder=tmp_path)


def test_the_example_is_right_and_holds_the_defaults() -> None:
    assert parse((ROOT / "examples" / "paper.toml").read_text()) == parse('journal.path = "paper.db"\n[[venues]]\nname="paper"')


def test_a_number_with_a_point_is_read_exactly(good: str) -> None:
    section = "[execution.fill_management]\nmin_resubmit_size = "
    for written in ("10.0", "0.1", "0.30000000000000004", "1_000.5"):
        exact = Decimal(written.replace("_", ""))
        assert str(parse(good + section + written).fill_management.min_resubmit_size) == str(exact)
    assert parse(good + section + '"0.1"').fill_management.min_resubmit_size == Decimal("0.1")
    assert parse(good + section + "7").fill_management.min_resubmit_size == Decimal(7)


def test_who_may_report_partial_fills_is_read(good: str) -> None:
    said = '[execution.remainder.ingest]\nkey_file = "k.toml"\nwindow_ms = 5000\n'
    ingest = parse(good + said).ingest
    assert (ingest.key_file, ingest.window_ms) == (Path("k.toml"), 5000)
    nobody = parse(good).ingest
    assert (nobody.key_file, nobody.window_ms) == (None, 30_000)
    wrong = mistakes(good + "[execution.remainder.ingest]\nwindow_ms = 0\nkeyfile = 'x'\n")
    assert any("execution.remainder.ingest.window_ms: is 0, out of range" in each for each in wrong)
    assert any("execution.remainder.ingest.keyfile: is no key here; did you mean key_file?" in each for each in wrong)


def test_how_remainders_are_decided_is_read(good: str) -> None:
    said = """
    [execution.remainder]
    enabled = true
    mode = "limited_live"
    default_policy = "chase"
    chase_max_ticks = 2
    min_remainder_size = 7.5
    max_hold_ms = 0
    taker_fee_rate = 0.0004
    limited_instruments = ["ACME"]
    limited_max_usd = 500
    timeout_ms = 100
    reports = "reports.jsonl"
    """
    assert parse(good + said).reports == Path("reports.jsonl")
    assert parse(good).reports is None
    settings = parse(good + said).remainders
    assert settings.policy is not None
    assert (settings.mode, settings.timeout_ms, settings.policy.default_policy) == ("limited_live", 100, "chase")
    assert (settings.policy.chase_max_ticks, settings.policy.max_hold_ms) == (2, None)
    assert settings.policy.max_hold_drift_ticks is None
    assert (str(settings.policy.min_remainder_size), str(settings.policy.taker_fee_rate)) == ("7.5", "0.0004")
    assert (settings.limits.instruments, settings.limits.max_usd) == (("ACME",), 500)
    assert parse(good).remainders.policy == RemainderPolicy(), (
        "every partial fill is decided on, unless somebody says otherwise"
    )
    assert parse(good).remainders.mode == "shadow_only"
    assert parse(good + "[execution.remainder]\nenabled = false").remainders.policy is None


def test_under_which_names_decisions_leave_is_read(good: str) -> None:
    said = """
    [execution.remainder]
    bot_name = "Mine"
    bot_id = "desk.mine"
    topic = "reports"
    retention_class = "1y"
    collateral = "USD"
    metrics_prefix = "mine"
    health_path = "/internal/health/mine"
    [http]
    host = "::1"
    port = 9000
    """
    config = parse(good + said)
    assert config.wire == Wire(bot_id="desk.mine", topic="reports", retention_class="1y", collateral="USD")
    assert config.bot == Bot(name="Mine", metrics_prefix="mine", health_path="/internal/health/mine")
    assert config.http == HttpConfig(host="::1", port=9000)
    assert (parse(good).wire, parse(good).http) == (Wire(), HttpConfig(host="127.0.0.1", port=0))
    assert parse(good + "[http]\nenabled = false").http is None


def test_a_remote_venue_has_keys_of_its_own(good: str) -> None:
    config = parse(good + 'kind = "paper-remote"\nport = 9000\naccounts = ["a", "b"]')
    assert (config.venues[0].host, config.venues[0].port, config.accounts) == ("127.0.0.1", 9000, {"paper": ("a", "b")})


def test_every_venue_has_its_own_accounts_and_requests_and_the_limits_hold_where_it_does_not_say(good: str) -> None:
    said = """
    accounts = ["main", "hedge"]
    per_second = 7
    [[venues]]
    name = "second"
    [limits]
    per_second = 20
    """
    config = parse(good + said)
    assert config.accounts == {"paper": ("main", "hedge"), "second": ("",)}
    assert config.per_second == {"paper": 7, "second": 20}
    assert parse(good).per_second == {"paper": 50}


@pytest.mark.parametrize(
    ("said", "mistake"),
    [
        ("[limit]", "limit: is no key here; did you mean limits? (allowed: journal, venues, execution, limits, http)"),
        ("[limits]\nper_second = 0", "limits.per_second: is 0, out of range (allowed: 1 to 10000)"),
        ("[limits]\nper_second = 1.5", "limits.per_second: is the number 1.5; give a whole number (allowed: 1 to 10000)"),
        ("[limits]\nper_second = true", "limits.per_second: is true; give a whole number (allowed: 1 to 10000)"),
        ("[limits]\ntimeout_s = 601", "limits.timeout_s: is 601, out of range (allowed: 0.1 to 600)"),
        ("[execution.remainder]\nchase_max_ticks = 11", "chase_max_ticks: is 11, out of range (allowed: 0 to 3)"),
        (
            "[execution.remainder]\nmin_remainder_size = 0.5",
            "min_remainder_size: is 0.5, out of range (allowed: 1 to 1000000000)",
        ),
        ("[execution.remainder]\nmax_hold_ms = 99", "is 99, out of range (allowed: 0 for never, 100 to 2592000000)"),
        ('[execution.remainder]\nmode = "live"', "mode: is the text 'live'"),
        (
            '[execution.remainder]\ndefault_policy = "chace"',
            "is the text 'chace'; did you mean chase? (allowed: hold, cancel, chase)",
        ),
        (
            '[http]\nhost = "0.0.0.0"',
            "http.host: is the text '0.0.0.0', and only this machine is served (allowed: 127.0.0.1, ::1)",
        ),
        ('[http]\nhost = "localhost"', "http.host: is the text 'localhost', and only this machine is served"),
        ("[http]\nport = 65536", "http.port: is 65536, out of range (allowed: 0 to 65535)"),
        ("[http]\nprot = 1", "http.prot: is no key here; did you mean port?"),
        (
            '[execution.remainder]\nmetrics_prefix = "my-bot"',
            "metrics_prefix: is the text 'my-bot' (allowed: letters, digits and _,",
        ),
        ('[execution.remainder]\nmetrics_prefix = "partfill_x"', "and not partfill at the start, which is our own"),
        ('[execution.remainder]\nhealth_path = "/metrics"', "health_path: is the text '/metrics' (allowed: a path such as"),
        ('[execution.remainder]\nhealth_path = "internal"', "health_path: is the text 'internal' (allowed: a path such as"),
        ('[execution.remainder]\nhealth_path = "/a b"', "health_path: is the text '/a b'"),
        ('[execution.remainder]\ntopic = ""', "topic: is the text '' (allowed: 1 to 200 signs without a space)"),
        ("[execution.remainder]\nbot_id = 3", "bot_id: is 3; give text in quotes"),
        ("[execution]\nfill_management = 3", "execution.fill_management: is 3; give a table"),
        ('[execution.fill_management]\nenabled = "no"', "enabled: is the text 'no'; give true or false (allowed: true, false)"),
        ("[execution.fill_management]\nauto_resubmt = true", "auto_resubmt: is no key here; did you mean auto_resubmit?"),
        ("[execution.fill_management]\nmin_resubmit_size = nan", "is NaN, which is no finite number"),
        ("[execution.fill_management]\nmin_resubmit_size = -1", "min_resubmit_size: is -1, out of range"),
        ("[execution.fill_management]\npoll_interval_ms = 5", "poll_interval_ms: is 5, out of range (allowed: 10 to 3600000)"),
        ("[execution.fill_management]\nmax_resubmit_attempts = 1001", "is 1001, out of range (allowed: 0 to 1000)"),
        ("[[venues]]\nseed = 1", "venues[1].name: is missing (allowed: text in quotes)"),
        ('[[venues]]\nname = "paper"', "venues[1].name: 'paper' is the name of another venue"),
        ('[[venues]]\nname = "*"', "venues[1].name: is '*'"),
        ('[[venues]]\nname = "b"\nkind = "papr"', "venues[1].kind: is the text 'papr' (allowed: paper, paper-remote)"),
        ('[[venues]]\nname = "b"\nkind = "paper-remote"', "venues[1].port: is missing (allowed: 1 to 65535)"),
        ('[[venues]]\nname = "b"\nkind = "paper-remote"\nseed = 1\nport = 1', "venues[1].seed: is no key here"),
        ('[[venues]]\nname = "b"\ninstruments = ["ACM"]', "venues[1].instruments: 'ACM' is not listed; did you mean ACME?"),
        ('[[venues]]\nname = "b"\naccounts = []', "venues[1].accounts: is empty (allowed: one or more, each once)"),
        ('[[venues]]\nname = "b"\naccounts = ["x", "x"]', "venues[1].accounts: holds one of them twice"),
        ('[[venues]]\nname = "b"\naccounts = "x"', "venues[1].accounts: is the text 'x'; give a list of texts"),
        ('[[venues]]\nname = "b"\nper_second = 0', "venues[1].per_second: is 0, out of range (allowed: 1 to 10000)"),
        ('[[venues]]\nname = "b"\nper_secnd = 1', "venues[1].per_secnd: is no key here; did you mean per_second?"),
        ('[[venues]]\nname = "b"\nspeed = 0', "venues[1].speed: is 0, out of range (allowed: 1 to 1000)"),
    ],
)
def test_a_mistake_is_named_with_what_would_be_right(said: str, mistake: str, good: str) -> None:
    found = mistakes(f"{good}\n{said}")
    assert len(found) == 1
    assert mistake in found[0]


def test_a_journal_that_cannot_be_is_a_mistake(tmp_path: Path) -> None:
    venue = '[[venues]]\nname = "p"\n[journal]\n'
    assert "is a folder" in mistakes(f'{venue}path = "{tmp_path}"')[0]
    assert "does not exist" in mistakes(f'{venue}path = "{tmp_path}/no/f.db"')[0]
    assert "is empty" in mistakes(f'{venue}path = ""')[0]
    assert mistakes(f"{venue}") == ["journal.path: is missing (allowed: text in quotes)"]
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    assert "control socket" in mistakes(f'{venue}path = "{deep}/f.db"')[0]


def test_a_venue_of_no_known_kind_has_its_other_mistakes_named_too(good: str) -> None:
    found = mistakes(f'{good}\n[[venues]]\nkind = "papr"\nspeeed = 3\nseed = "x"')
    assert len(found) == 4
    told = "\n".join(found)
    for each in (
        "kind: is the text 'papr'",
        "speeed: is no key here; did you mean speed?",
        "seed: is the text 'x'",
        "name: is missing",
    ):
        assert f"venues[1].{each}" in told


def test_nothing_at_all_names_what_is_needed() -> None:
    assert mistakes("") == [
        "journal: is missing (allowed: a table)",
        "venues: is missing (allowed: a list of tables ([[venues]]))",
    ]
    assert "is empty" in mistakes("venues = []\njournal.path = 'x.db'")[0]


SET = {
    "PARTFILL_ENABLED": "false", "PARTFILL_AUTO_RESUBMIT": "true", "PARTFILL_MIN_RESUBMIT_SIZE": "0.30000000000000004",
    "PARTFILL_POLL_INTERVAL_MS": "15000", "PARTFILL_MAX_RESUBMIT_ATTEMPTS": "7", "PARTFILL_RETRY_MS": "100",
    "PARTFILL_RETRY_MAX_MS": "60000", "PARTFILL_ALARM_AFTER_FAILURES": "9", "PARTFILL_WATCH_MS": "40",
}  # fmt: skip


def test_the_environment_goes_before_the_file(good: str) -> None:
    file = good + "[execution.fill_management]\npoll_interval_ms = 50\nretry_ms = 20\n"
    assert parse(file, environ={"HOME": "/", "PATH": ""}) == parse(file)
    found = parse(file, environ={"PARTFILL_POLL_INTERVAL_MS": "15000"}).fill_management
    assert (found.poll_interval_ms, found.retry_ms) == (15_000, 20)
    assert parse(file, environ=SET).fill_management == FillManagement.from_environment(SET)


def test_every_key_has_a_variable_and_numbers_are_exact() -> None:
    assert {name.removeprefix("PARTFILL_").lower() for name in SET} == set(FillManagement.__struct_fields__)
    assert FillManagement.from_environment(SET) == FillManagement(
        enabled=False, auto_resubmit=True, min_resubmit_size=Decimal("0.30000000000000004"), poll_interval_ms=15_000,
        max_resubmit_attempts=7, retry_ms=100, retry_max_ms=60_000, alarm_after_failures=9, watch_ms=40,
    )  # fmt: skip
    mine = FillManagement(poll_interval_ms=77)
    assert FillManagement.from_environment({}, over=mine) == mine
    assert FillManagement.from_environment({}) == FillManagement()


@pytest.mark.parametrize(
    ("variable", "said", "mistake"),
    [
        ("POLL_INTERVAL_MS", "15s", "is the text '15s'; give a whole number (allowed: 10 to 3600000)"),
        ("POLL_INTERVAL_MS", "1.5", "is the text '1.5'; give a whole number (allowed: 10 to 3600000)"),
        ("POLL_INTERVAL_MS", "", "is the text ''; give a whole number (allowed: 10 to 3600000)"),
        ("POLL_INTERVAL_MS", "9", "is 9, out of range (allowed: 10 to 3600000)"),
        ("POLL_INTERVAL_MS", "9" * 400, f"is the text '{'9' * 60}'; give a whole number (allowed: 10 to 3600000)"),
        ("ENABLED", "yes", "is the text 'yes'; give true or false (allowed: true, false)"),
        ("MIN_RESUBMIT_SIZE", "-1", "is -1, out of range (allowed: 0 to 1000000000000000000)"),
        ("MIN_RESUBMIT_SIZE", "nan", "is the text 'nan'; give a number (allowed: 0 to 1000000000000000000)"),
        ("POL_INTERVAL_MS", "1", f"is no setting; did you mean PARTFILL_POLL_INTERVAL_MS? (allowed: {', '.join(SET)})"),
    ],
)
def test_a_wrong_variable_is_named_with_what_would_be_right(variable: str, said: str, mistake: str, good: str) -> None:
    with pytest.raises(Invalid) as raised:
        parse(good, environ={f"PARTFILL_{variable}": said})
    assert [str(each) for each in raised.value.mistakes] == [f"PARTFILL_{variable}: {mistake}"]
    with pytest.raises(WrongVariables) as wrong:
        FillManagement.from_environment({f"PARTFILL_{variable}": said})
    assert str(wrong.value) == f"PARTFILL_{variable}: {mistake}"


@pytest.mark.parametrize("command", ["check", "run"])
def test_mistakes_of_file_and_environment_come_at_once(command: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('[journal]\npath = "/"\n[[venues]]\nname = "p"\n')
    wrong = {"PARTFILL_ENABLED": "maybe", "PARTFILL_POLL_INTERVAL_MS": "0"}
    done = CliRunner().invoke(main, [command, str(path)], env=wrong)
    assert done.exit_code == 2
    keys = [line.removeprefix("partfill: ").split(":")[0] for line in done.output.splitlines()]
    assert keys == [*wrong, "journal.path"]


def test_check_shows_what_the_environment_sets(tmp_path: Path, good: str) -> None:
    path = tmp_path / "good.toml"
    path.write_text(good)
    done = CliRunner().invoke(main, ["check", str(path)], env={"PARTFILL_POLL_INTERVAL_MS": "15000"})
    assert (done.exit_code, "polled every 15000 ms" in done.stdout) == (0, True)


def test_what_is_no_toml_is_one_mistake_with_its_line() -> None:
    assert "line 2" in mistakes("[journal]\npath = \n")[0]


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('[journal]\npath = "/"\n[[venues]]\nnam = 1\nspeed = "x"\n[limits]\nper_second = -1\n')
    done = CliRunner().invoke(main, ["check", str(path)])
    assert done.exit_code == 2
    keys = [line.split(":")[0] for line in done.stdout.splitlines()]
    assert keys == ["venues[0].nam", "venues[0].name", "venues[0].speed", "limits.per_second", "journal.path"]


def test_check_says_what_would_run(tmp_path: Path, good: str) -> None:
    path = tmp_path / "good.toml"
    path.write_text(good)
    done = CliRunner().invoke(main, ["check", str(path)])
    assert done.exit_code == 0
    assert "right" in done.stdout
    assert "paper (paper): ACME" in done.stdout
    assert "accounts: the unnamed one; 50 requests a second" in done.stdout
    assert "decided: hold; shadow_only" in done.stdout
    assert "/metrics, /health at 127.0.0.1, a free port, told when ready" in done.stdout
    path.write_text(good + '[execution.remainder]\nhealth_path = "/mine"\n[http]\nport = 9000\nhost = "::1"')
    assert "/metrics, /health, /mine at ::1, 9000" in CliRunner().invoke(main, ["check", str(path)]).stdout
    path.write_text(good + "[http]\nenabled = false")
    assert "nothing is served" in CliRunner().invoke(main, ["check", str(path)]).stdout


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="does not exist"):
        load(tmp_path / "no.toml")
    done = CliRunner().invoke(main, ["check", str(tmp_path / "no.toml")])
    assert done.exit_code == 2
    assert "no.toml: does not exist" in done.stdout
