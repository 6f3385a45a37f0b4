"""Verdicts from pictures: which state has which color, and that every reason names what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from partfill import CancelRest, FillManager
from partfill.model.events import Alarm, AlarmKind
from partfill.model.policy import Mode
from partfill.model.reasons import Reason
from partfill.model.words import Side
from partfill.runtime.bus import Told
from partfill.runtime.remainders import RemainderSettings
from partfill.service.health import Color, judge, judge_decisions
from partfill.service.recent import WINDOW_S, Recent, Window
from partfill.service.vitals import Bare, Covered, DarkBook, Delivery, Line, Vitals
from partfill.venues.clock import CLOCK
from tests.runtime.test_decisions import Dim, partly
from tests.runtime.test_manager import until

WELL = Line(venue="paper", account="main", polls=3, reads=1)


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def vitals(**also: object) -> Vitals:
    """A manager that is well but for what is said."""
    return Vitals(**{"lines": (WELL,), **also})  # type: ignore[arg-type]


def alarmed(kind: AlarmKind) -> Recent:
    recent = Recent(Clock())
    recent.hear(Told(1, 0, Alarm(0, None, None, kind, "look")))
    return recent


def test_what_is_well_is_green() -> None:
    health = judge(vitals(), Recent(Clock()))
    assert health.status is Color.GREEN
    assert {part.status for part in health.components.values()} == {Color.GREEN}
    assert list(health.components) == [
        *("journal", "venue/paper/main", "stream/paper/main", "orders", "remainders", "protection", "reports", "kill switch"),
        "alarms",
    ]


DOWN = {"error": "paper: no answer"}
BOOK = DarkBook(venue="paper", instrument="ACME", why="no answer within 300 ms", age_s=4)


@pytest.mark.parametrize(
    ("part", "also", "color", "words"),
    [
        ("journal", {"down": "the journal f.db is down: full"}, Color.RED, "is down: full; nothing is sent any more"),
        ("daemon", {"stopping": True, "waiting": 3, "busy": 2}, Color.AMBER, "3 operations wait and 2 lanes"),
        ("orders", {"halted": 7, "named": ("a", "b")}, Color.RED, "7 orders are halted (a, b, ...)"),
        ("orders", {"quarantined": 1}, Color.RED, "1 in quarantine"),
        ("kill switch", {"killed": (("*", "", "ops"), ("x", "a", "me"))}, Color.AMBER, "on everywhere, by ops; x a, by me"),
        ("remainders", {"dark": (BOOK, BOOK)}, Color.AMBER, "ACME at paper and 1 more did not come 4 s ago: no answer within"),
        ("reports", {"reports": Delivery(failures=1, error="full", waiting=8)}, Color.AMBER, "8 reports wait, none is lost"),
        ("reports", {"reports": Delivery(failures=5, error="full", waiting=None)}, Color.RED, "reports wait, none is lost"),
        ("venue/x", {"lines": (Line(venue="x", account=""),)}, Color.AMBER, "x has not answered yet"),
        ("venue/x", {"lines": (Line(venue="x", account="", polls=1, failures=1, **DOWN),)}, Color.AMBER, "last 1 polls of x"),
        ("venue/x", {"lines": (Line(venue="x", account="", failures=5, **DOWN),)}, Color.RED, "x does not answer, 5 polls"),
        ("venue/x", {"lines": (Line(venue="x", account="", outage=True),)}, Color.RED, "does not answer"),
        ("venue/x", {"lines": (Line(venue="x", account="", polls=1, breaker="no margin"),)}, Color.RED, "no margin"),
        ("stream/x", {"lines": (Line(venue="x", account="", polls=1, unread=1),)}, Color.AMBER, "could not be read, 1 times"),
        ("stream/x", {"lines": (Line(venue="x", account="", polls=1, unread=5),)}, Color.RED, "fills may be missing"),
        ("stream/x", {"lines": (Line(venue="x", account="", polls=1, listening=False),)}, Color.AMBER, "is not open"),
    ],
)
def test_what_is_wrong_has_a_color_and_is_named(part: str, also: dict[str, object], color: Color, words: str) -> None:
    health = judge(vitals(**also), Recent(Clock()))
    assert (health.components[part].status, health.status) == (color, color)
    assert words in health.components[part].reason


@pytest.mark.parametrize(
    ("kind", "color"),
    [
        (AlarmKind.LAW, Color.RED),
        (AlarmKind.INVARIANT, Color.RED),
        (AlarmKind.EXPOSURE, Color.RED),
        (AlarmKind.OUTAGE, Color.AMBER),
        (AlarmKind.OUTAGE_OVER, Color.GREEN),
    ],
)
def test_an_alarm_is_seen_for_five_minutes(kind: AlarmKind, color: Color) -> None:
    part = judge(vitals(), alarmed(kind)).components["alarms"]
    assert part.status is color
    if color is not Color.GREEN:
        assert f"{kind}: look" in part.reason


# ---------------------------------------------------------------------- protection


def bare(for_s: float, blind_s: float | None = None, **also: object) -> Covered:
    """One position that has not been covered for so long."""
    one = Bare(venue="paper", account="main", instrument="ACME", side=Side.BUY, for_s=for_s, blind_s=blind_s)
    blind = blind_s is not None
    said = {"protected": 3, "bare": (one,), "uncovered": int(for_s > 0), "oldest_s": for_s, "blind": int(blind)}
    return Covered(**{**said, "blindest_s": blind_s or 0.0, **also})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("covered", "color", "words"),
    [
        (Covered(), Color.GREEN, "0 positions are covered"),
        (Covered(protected=7), Color.GREEN, "7 positions are covered"),
        (bare(0.2), Color.GREEN, "3 positions are covered, or are about to be"),
        (bare(5.0), Color.GREEN, "about to be"),
        (bare(5.001), Color.AMBER, "the long position in ACME at paper main has not been covered as it should for 5 s"),
        (bare(30.0), Color.AMBER, "for 30 s"),
        (bare(30.001), Color.RED, "for 30 s"),
        (bare(86_400.0, uncovered=4), Color.RED, "ACME at paper main, one of 4, has not been covered"),
        (bare(0.0, 0.0), Color.AMBER, "nobody sees the market of ACME at paper: what is watched there does not protect"),
        (bare(1.0, 1.0, blind=2), Color.AMBER, "nobody sees the market of ACME at paper and 1 more"),
        (bare(31.0, 31.0), Color.RED, "for 31 s; nobody sees the market of ACME"),
        (Covered(protected=1, small=1), Color.AMBER, "a part of 1 positions is less than the venue takes an order for"),
    ],
)
def test_what_is_not_covered_is_amber_after_five_seconds_and_red_after_thirty(
    covered: Covered, color: Color, words: str
) -> None:
    health = judge(vitals(covered=covered), Recent(Clock()))
    part = health.components["protection"]
    assert (part.status, health.status) == (color, color)
    assert words in part.reason
    assert part.numbers["oldest_s"] == covered.oldest_s


def test_an_over_close_is_red_for_five_minutes() -> None:
    clock = Clock()
    recent = Recent(clock)
    recent.hear(Told(1, 0, Alarm(0, None, None, AlarmKind.OVER_CLOSE, "look")))
    clock.now += WINDOW_S
    part = judge(vitals(), recent).components["protection"]
    assert part.status is Color.RED
    assert part.reason == "protective orders closed more than was held, 1 times in the last 5 minutes"
    clock.now += 1.001
    assert judge(vitals(), recent).components["protection"].status is Color.GREEN


@pytest.mark.parametrize(
    ("scope", "named"), [(("*", ""), True), (("paper", "main"), True), (("paper", "other"), False), (("moon", "main"), False)]
)
def test_what_is_bare_under_the_kill_switch_says_so(scope: tuple[str, str], named: bool) -> None:
    part = judge(vitals(covered=bare(31.0), killed=((*scope, "ops"),)), Recent(Clock())).components["protection"]
    assert part.status is Color.RED
    assert ("the kill switch is on there, and nothing is placed" in part.reason) is named


def decided(clock: Clock, verdict: Reason, count: int, *also: Reason) -> Recent:
    recent = Recent(clock)
    for _ in range(count):
        recent._decided((verdict, *also), 0)
    return recent


@pytest.mark.parametrize(
    ("part", "verdict", "counts"),
    [
        ("dust_cancel_rate", Reason.DUST_AUTO_CANCEL, {0: Color.GREEN, 1: Color.AMBER, 5: Color.AMBER, 6: Color.RED}),
        ("chase_abort_rate", Reason.CHASE_ABORTED, {0: Color.GREEN, 1: Color.AMBER, 2: Color.AMBER, 3: Color.RED}),
    ],
)
def test_rates_have_the_limits_of_the_document(part: str, verdict: Reason, counts: dict[int, Color]) -> None:
    # Per minute over five minutes: 0.2 and 1 for dust, 0.1 and 0.5 for aborts.
    for count, color in counts.items():
        health = judge_decisions(vitals(), decided(Clock(), verdict, count))
        assert (health.components[part].status, health.status) == (color, color), count
        assert health.components[part].numbers["per_minute"] == count / 5
    calm = decided(clock := Clock(), verdict, 9)
    clock.now += WINDOW_S + 1
    assert judge_decisions(vitals(), calm).status is Color.GREEN


def test_only_a_verdict_counts_for_a_rate_and_every_reason_for_the_rest() -> None:
    recent = decided(Clock(), Reason.STRANDED_HOLD, 9, Reason.DUST_AUTO_CANCEL, Reason.SHED)
    assert judge_decisions(vitals(), recent).status is Color.GREEN
    assert "9 decisions of the last 5 minutes were shed" in judge(vitals(), recent).components["remainders"].reason


@pytest.mark.parametrize(
    ("also", "part", "color"),
    [
        ({}, "clob_auth", Color.GREEN),
        ({"lines": (Line(venue="x", account="", failures=1, **DOWN),)}, "clob_auth", Color.AMBER),
        ({"lines": (Line(venue="x", account="", failures=5, **DOWN),)}, "clob_auth", Color.RED),
        ({"lines": (WELL, Line(venue="x", account="", outage=True))}, "clob_auth", Color.RED),
        ({"lines": (Line(venue="x", account="", polls=1, breaker="silence", silent=True),)}, "clob_auth", Color.RED),
        # A refusal is an answer.
        ({"lines": (Line(venue="x", account="", polls=1, breaker="no margin"),)}, "clob_auth", Color.GREEN),
        ({"dark": (BOOK,)}, "clob_public", Color.AMBER),
        ({"down": "full"}, "journal", Color.RED),
    ],
)
def test_the_health_of_decisions_has_the_parts_of_the_document(also: dict[str, object], part: str, color: Color) -> None:
    health = judge_decisions(vitals(**also), Recent(Clock()))
    assert list(health.components) == ["journal", "clob_auth", "clob_public", "dust_cancel_rate", "chase_abort_rate"]
    assert (health.components[part].status, health.status) == (color, color)


def test_a_window_forgets_by_its_clock_and_stays_small() -> None:
    clock = Clock()
    window = Window(clock)
    for _ in range(10_000):
        clock.now += 0.1
        window.add()
    assert window.count == pytest.approx(10 * WINDOW_S, abs=20)
    assert window.per_minute == pytest.approx(600, abs=4)
    assert len(window._seconds) <= WINDOW_S + 2
    clock.now += WINDOW_S + 1
    assert (window.count, len(window._seconds)) == (0, 0)


async def test_what_an_earlier_life_decided_a_minute_ago_is_remembered(tmp_path: Path) -> None:
    db, venue = tmp_path / "f.db", Dim()
    heard = Recent()
    async with FillManager.open(db, venues=[venue], remainders=RemainderSettings(mode=Mode.GENERAL_LIVE)) as fills:
        fills.subscribe(heard.hear)
        for number in range(3):
            order = await partly(fills, venue, CancelRest(cancel_on_book_thin=False), qty=50_000 + number)
            assert await order.done(20)
            venue.advance(200)
        await until(lambda: heard.verdicts[Reason.CANCELLED_REMAINDER].count == 3, "all are told")
    later = Recent()
    later.remember(db, CLOCK())
    assert {reason: window.count for reason, window in later.verdicts.items() if window.count} == {
        Reason.CANCELLED_REMAINDER: 3
    }
    assert {kind: window.count for kind, window in later.alarms.items()} == {
        kind: window.count for kind, window in heard.alarms.items()
    }
    much_later = Recent()
    much_later.remember(db, CLOCK() + (WINDOW_S + 60) * 10**9)
    assert not any(window.count for window in much_later.verdicts.values())


@pytest.mark.parametrize("said", [None, b"", b"a letter" * 100])
def test_what_is_no_journal_has_nothing_to_remember(said: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    if said is not None:
        path.write_bytes(said)
    recent = Recent()
    recent.remember(path, CLOCK())
    assert not any(window.count for window in recent.reasons.values())
