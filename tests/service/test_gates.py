"""Promotion gates, computed from real journals: what passes, what fails, what is too little, and what was planted."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from partfill import CancelRest, Chase, Limit
from partfill.cli.main import main
from partfill.journal.journal import Journal
from partfill.journal.store import Store
from partfill.model.book import Book, Level
from partfill.model.commands import Amend, Decide, KillSwitch, Restarted, Submit
from partfill.model.instrument import Instrument, TickBand
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.operations import Place
from partfill.model.policy import LiveLimits, Mode, RemainderPolicy
from partfill.model.words import ExecType
from partfill.service import gates as computed
from partfill.service.decided import Row, Run
from partfill.service.gates import Gate, State, gates

D = Decimal
SECOND = 1_000_000_000
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
BORN = 1_767_225_600 * SECOND
ACME = Instrument(symbol="ACME", ticks=(TickBand(D(0), D("0.5")),), lot=D(1))
SHADOW, LIMITED = Mode.SHADOW_ONLY, Mode.LIMITED_LIVE
LIMITS = LiveLimits(instruments=("ACME",), max_usd=D(10**9))


class Story:
    """A journal in which decisions are made when the test says so."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.orders = 0
        journal.stage(Restarted(desk="d"), BORN)

    def decide(
        self, at: int, mode: Mode, *, policy: RemainderPolicy | None = None, ask: str = "101", filled: str = "4",
        side: str = "buy", amend: str | None = None, again: int = 0, kill: bool = False,
    ) -> str:  # fmt: skip
        """One order for ten at 100 of which some filled, decided on at `at` (and `again` times after it, by further fills)."""
        self.orders += 1
        ref, now = f"o{self.orders}", BORN + at
        stage = self.journal.stage
        policy = policy if policy is not None else Chase(3, cancel_on_book_thin=False)
        terms = Limit("ACME", side, qty=10, price="100")
        (place,) = stage(Submit(venue="v", ref=ref, terms=terms, remainder=policy), now - 10).operations
        assert isinstance(place, Place)
        order_id = f"O{self.orders}"
        stage(OrderSnapshot(venue="v", order_id=order_id, cl_ord_id=place.cl_ord_id, exec_type=ExecType.NEW, order_qty=D(10)),
              now - 9)  # fmt: skip
        if amend is not None:
            stage(Amend(venue="v", ref=ref, price=D(amend)), now - 8)
        stage(Execution(venue="v", order_id=order_id, key="x", qty=D(filled), px=D(100)), now - 7)
        if kill:
            stage(KillSwitch(venue="v", on=True, by="test"), now)
            stage(KillSwitch(venue="v", on=False, by="test"), now + 1)
            return ref
        for event in range(1, again + 2):
            levels = (Level(D(ask), D(1000)),)
            book = Book(
                instrument="ACME", bids=levels if side == "sell" else (), asks=levels if side == "buy" else (), as_of=now
            )
            stage(Decide(venue="v", ref=ref, event=event, instrument=ACME, mode=mode, book=book, limits=LIMITS), now)
            now += SECOND
            stage(Execution(venue="v", order_id=order_id, key=f"x{event}", qty=D(1), px=D(100)), now)
        return ref


@pytest.fixture
async def story(tmp_path: Path) -> Any:
    journal = await Journal.open(tmp_path / "g.db")
    yield Story(journal)
    await journal.close()


async def found(story: Story) -> dict[str, Gate]:
    """The gates by name, computed beside the journal that is still being written."""
    await story.journal.flush()
    store = Store(story.journal._path, read_only=True)
    try:
        return {gate.gate: gate for gate in gates(store)}
    finally:
        store.close()


def shadow_run(story: Story, hours: int = 48, **also: Any) -> None:
    """Chases in the shadow, one an hour."""
    for hour in range(hours + 1):
        story.decide(HOUR + hour * HOUR, SHADOW, **also)


def limited_run(story: Story, days: int = 7, **also: Any) -> None:
    """Decisions of limited_live, four a day."""
    for quarter in range(4 * days + 1):
        story.decide(100 * HOUR + quarter * 6 * HOUR, LIMITED, **also)


def forged(path: Path, statement: str, *values: Any) -> None:
    """Somebody's hand in the file."""
    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute(statement, values).rowcount


def partfill(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


# ---------------------------------------------------------------------- chase_price


async def test_two_days_of_chases_within_their_limit_pass(story: Story) -> None:
    shadow_run(story)
    gate = (await found(story))["chase_price"]
    assert (gate.state, gate.to, gate.measured) == (State.PASS, Mode.LIMITED_LIVE, "0 of 49 chases beyond their limit")
    assert (gate.window_h, gate.covered_h, gate.counts["chases"]) == (48, 48, 49)
    assert (gate.begins, gate.ends) == (BORN + HOUR, BORN + 49 * HOUR)


async def test_an_hour_less_is_not_enough_and_no_pass(story: Story) -> None:
    shadow_run(story, hours=47)
    gate = (await found(story))["chase_price"]
    assert (gate.state, gate.covered_h) == (State.NOT_ENOUGH_DATA, 47)
    assert gate.note == "the newest run in mode shadow_only covers 47 h of 48 h"


async def test_the_window_is_the_last_two_days_of_a_longer_run(story: Story) -> None:
    shadow_run(story, hours=60)
    gate = (await found(story))["chase_price"]
    assert (gate.state, gate.covered_h, gate.counts["chases"]) == (State.PASS, 48, 49)
    assert gate.begins == BORN + 13 * HOUR


async def test_a_run_that_was_broken_by_another_mode_begins_again(story: Story) -> None:
    shadow_run(story)
    story.decide(50 * HOUR, Mode.GENERAL_LIVE)
    story.decide(51 * HOUR, SHADOW)
    gate = (await found(story))["chase_price"]
    assert (gate.state, gate.covered_h, gate.counts["chases"]) == (State.NOT_ENOUGH_DATA, 0, 1)


async def test_a_run_that_is_over_is_still_one(story: Story) -> None:
    shadow_run(story)
    story.decide(50 * HOUR, LIMITED)
    assert (await found(story))["chase_price"].state is State.PASS


async def test_the_kill_switch_breaks_no_run_and_makes_none(story: Story) -> None:
    story.decide(1, LIMITED, kill=True)
    shadow_run(story)
    story.decide(50 * HOUR, LIMITED, kill=True)
    by_name = await found(story)
    assert by_name["chase_price"].state is State.PASS
    assert by_name["chase_price"].ends == BORN + 49 * HOUR
    assert by_name["dust_rate"].note == "no decision was made in mode limited_live"


async def test_a_run_without_a_chase_shows_nothing(story: Story) -> None:
    shadow_run(story, policy=CancelRest(cancel_on_book_thin=False))
    gate = (await found(story))["chase_price"]
    assert (gate.state, gate.note) == (State.NOT_ENOUGH_DATA, "nothing was chased in the window, so nothing was shown")


async def test_sales_and_amended_prices_are_measured_the_right_way(story: Story) -> None:
    shadow_run(story, side="sell", ask="98.5")
    for hour, (amend, ask) in enumerate((("104", "105.5"), ("90", "91.5"))):
        story.decide((50 + hour) * HOUR, SHADOW, amend=amend, ask=ask)
    gate = (await found(story))["chase_price"]
    assert (gate.state, gate.counts["violations"]) == (State.PASS, 0)


FORGERIES = {
    "px": ("json_set(body, '$.px', '102')", "102 is more than 3 ticks of 0.5 worse than 100"),
    "far": ("json_set(body, '$.px', '1e30')", "is more than 3 ticks"),
    "origin": ("json_set(body, '$.px', '110', '$.original', '109')", "it counts from 109, which the user never asked for"),
    "event": ("json_set(body, '$.event', 7)", "is not that decision"),
    "ref": ("json_set(body, '$.ref', 'other')", "is another one"),
    "number": ("json_set(body, '$.px', 101)", "cannot be proven"),
    "text": ("json_set(body, '$.px', 'x')", "cannot be proven: NotANumber: px is 'x'"),
    "none": ("json_set(body, '$.original', null)", "cannot be proven"),
}


@pytest.mark.parametrize("how", FORGERIES)
async def test_a_planted_violation_is_found_and_named(how: str, story: Story, tmp_path: Path) -> None:
    forge, why = FORGERIES[how]
    shadow_run(story)
    await story.journal.flush()
    forged(tmp_path / "g.db", f"UPDATE decisions SET body = {forge} WHERE report_id = 'rep_d20-1'")
    gate = (await found(story))["chase_price"]
    if how == "number":
        # A number where there should be text says the same number.
        assert gate.state is State.PASS
        return
    assert (gate.state, gate.counts["violations"]) == (State.FAIL, 1)
    (violation,) = gate.violations
    assert violation.report_id == "rep_d20-1"
    assert why in violation.why


async def test_a_sale_below_its_limit_is_found(story: Story, tmp_path: Path) -> None:
    shadow_run(story, side="sell", ask="98.5")
    await story.journal.flush()
    forged(tmp_path / "g.db", "UPDATE decisions SET body = json_set(body, '$.px', '98') WHERE report_id = 'rep_d3-1'")
    assert (await found(story))["chase_price"].violations[0].why == "98 is more than 3 ticks of 0.5 worse than 100"


async def test_a_chase_whose_input_is_gone_or_is_another_one_is_a_violation(story: Story, tmp_path: Path) -> None:
    shadow_run(story)
    await story.journal.flush()
    forged(tmp_path / "g.db", "UPDATE decisions SET seq = 1 WHERE report_id = 'rep_d20-1'")
    forged(tmp_path / "g.db", "UPDATE decisions SET seq = 1000000 WHERE report_id = 'rep_d21-1'")
    gate = (await found(story))["chase_price"]
    assert [each.why.split(":")[1] for each in gate.violations] == [
        " input 1 is not that decision", " its input or its order is not in the journal",
    ]  # fmt: skip


async def test_a_violation_fails_however_short_the_run_is(story: Story, tmp_path: Path) -> None:
    shadow_run(story, hours=1)
    await story.journal.flush()
    forged(tmp_path / "g.db", "UPDATE decisions SET body = json_set(body, '$.px', '102') WHERE report_id = 'rep_d1-1'")
    assert (await found(story))["chase_price"].state is State.FAIL


async def test_many_violations_are_counted_and_the_first_are_named(story: Story, tmp_path: Path) -> None:
    shadow_run(story)
    await story.journal.flush()
    forged(tmp_path / "g.db", "UPDATE decisions SET body = json_set(body, '$.px', '102')")
    gate = (await found(story))["chase_price"]
    assert (gate.counts["violations"], len(gate.violations)) == (49, computed.SHOWN)
    assert "  and 29 more" in partfill("gates", tmp_path / "g.db").stdout


# ---------------------------------------------------------------------- dust_rate


def mixed(story: Story, dust: int, others: int) -> None:
    """Seven days with so many partial fills, dust first."""
    step = 7 * 24 * HOUR // (dust + others - 1)
    for number in range(dust + others):
        filled = "9" if number < dust else "4"
        policy = CancelRest(cancel_on_book_thin=False, min_remainder_size=D(200))
        story.decide(HOUR + number * step + (7 * 24 * HOUR - step * (dust + others - 1)) * bool(number), LIMITED, policy=policy,
                     filled=filled)  # fmt: skip


@pytest.mark.parametrize(
    ("dust", "others", "state"), [(0, 40, State.PASS), (1, 20, State.PASS), (1, 19, State.FAIL), (9, 31, State.FAIL)]
)
async def test_dust_is_under_five_percent_of_partial_fills(dust: int, others: int, state: State, story: Story) -> None:
    mixed(story, dust, others)
    gate = (await found(story))["dust_rate"]
    assert (gate.state, gate.counts) == (state, {"decisions": dust + others, "partial_fills": dust + others, "dust": dust})
    assert gate.to is Mode.GENERAL_LIVE
    assert gate.measured.startswith(f"{dust} of {dust + others}, ")


async def test_a_few_partial_fills_say_nothing_of_five_percent(story: Story) -> None:
    mixed(story, 0, 19)
    gate = (await found(story))["dust_rate"]
    assert (gate.state, gate.note) == (State.NOT_ENOUGH_DATA, "19 partial fills say nothing of 5 %; 20 would")


async def test_the_same_fill_decided_on_again_is_one_partial_fill() -> None:
    def row(number: int, verdict: str, filled: str) -> Row:
        return Row(f"r{number}", 1, number, verdict, filled, BORN + number, "{}")

    dust = "PARTIAL_FILL_DUST_AUTO_CANCEL"
    rows = [row(1, "HOLD_REMAINDER", "4"), row(2, "HOLD_REMAINDER", "4"), row(3, dust, "9"), row(4, dust, "9")]
    gate = computed.dust_rate(Run(0, 4, BORN, BORN + 8 * 24 * HOUR), rows)
    assert gate.counts == {"decisions": 4, "partial_fills": 2, "dust": 1}


async def test_further_fills_are_further_partial_fills(story: Story) -> None:
    limited_run(story, policy=Chase(3, cancel_on_book_thin=False), ask="100", again=2)
    gate = (await found(story))["dust_rate"]
    # Three of each order; two of the first came before the window of the last.
    assert gate.counts == {"decisions": 85, "partial_fills": 85, "dust": 0}


async def test_six_days_are_not_enough(story: Story) -> None:
    limited_run(story, days=6)
    by_name = await found(story)
    for name in ("dust_rate", "abort_rate"):
        assert (by_name[name].state, by_name[name].covered_h) == (State.NOT_ENOUGH_DATA, 144)


# ---------------------------------------------------------------------- abort_rate


@pytest.mark.parametrize(("close_by", "state"), [(2, State.PASS), (3, State.FAIL)])
async def test_aborts_within_five_minutes_are_judged_by_their_worst(close_by: int, state: State, story: Story) -> None:
    limited_run(story)
    end = (100 + 7 * 24) * HOUR
    for number in range(close_by):
        story.decide(end + number * 149 * SECOND, LIMITED, ask="109")
    gate = (await found(story))["abort_rate"]
    assert (gate.state, gate.counts["worst_five_minutes"], gate.counts["aborts"]) == (state, close_by, close_by)


async def test_aborts_five_minutes_apart_are_not_together(story: Story) -> None:
    limited_run(story)
    end = (100 + 7 * 24) * HOUR
    for number in range(4):
        story.decide(end + number * 5 * MINUTE, LIMITED, ask="109")
    gate = (await found(story))["abort_rate"]
    assert (gate.state, gate.counts["worst_five_minutes"]) == (State.PASS, 1)


def test_many_aborts_fail_by_their_mean() -> None:
    def rows(count: int) -> Iterator[Row]:
        step = 7 * 24 * HOUR // count
        for number in range(count):
            yield Row(f"r{number}", number, number, "PARTIAL_FILL_CHASE_ABORTED", "4", BORN + number * step, "{}")

    run = Run(0, 1, BORN, BORN + 7 * 24 * HOUR)
    assert computed.abort_rate(run, rows(1007)).state is State.PASS
    assert computed.abort_rate(run, rows(1008)).state is State.FAIL


# ---------------------------------------------------------------------- the command


async def test_the_command_prints_numbers_and_passes_when_every_gate_does(story: Story, tmp_path: Path) -> None:
    shadow_run(story)
    limited_run(story)
    await story.journal.flush()
    done = partfill("gates", tmp_path / "g.db")
    lines = done.stdout.splitlines()
    assert [line.split()[1] for line in lines[1:5]] == ["tests", "chase_price", "dust_rate", "abort_rate"]
    assert "NOT COMPUTABLE" in lines[1]
    assert all("PASS" in line for line in lines[2:5])
    assert "48 of 48 h" in lines[2]
    assert "168 of 168 h" in lines[3]
    assert "a journal cannot tell" in done.stdout
    assert done.exit_code == 0
    rows = [json.loads(line) for line in partfill("gates", tmp_path / "g.db", "--json").stdout.splitlines()]
    assert [row["state"] for row in rows] == ["not computable", "pass", "pass", "pass"]
    assert (rows[1]["counts"], rows[1]["window_h"], D(rows[1]["covered_h"])) == ({"chases": 49, "violations": 0}, 48, 48)


async def test_the_command_tells_not_enough_data_from_a_pass(story: Story, tmp_path: Path) -> None:
    shadow_run(story)
    await story.journal.flush()
    assert partfill("gates", tmp_path / "g.db").exit_code == 1
    assert "NOT ENOUGH DATA" in partfill("gates", tmp_path / "g.db", "--to", "general_live").stdout
    assert partfill("gates", tmp_path / "g.db", "--to", "limited_live").exit_code == 0
    forged(tmp_path / "g.db", "UPDATE decisions SET body = json_set(body, '$.px', '102') WHERE report_id = 'rep_d20-1'")
    done = partfill("gates", tmp_path / "g.db", "--to", "limited_live")
    assert (done.exit_code, "rep_d20-1: 102 is more than 3 ticks of 0.5 worse than 100" in done.stdout) == (1, True)


async def test_an_empty_journal_passes_nothing(story: Story, tmp_path: Path) -> None:
    await story.journal.flush()
    assert partfill("gates", tmp_path / "g.db").exit_code == 1


def test_what_is_no_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no journal")
    for path in (tmp_path / "text", tmp_path / "missing.db"):
        assert partfill("gates", path).exit_code == 2
