"""Decisions on remainders in the journal: kept between want and decision, proven by replay, told once."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partfill.journal.journal import Journal
from partfill.journal.verify import verify
from partfill.model.capabilities import Capabilities
from partfill.model.codec import to_json
from partfill.model.commands import Reported, Restarted
from partfill.model.inputs import Input
from partfill.model.policy import Chase, Hold, RemainderPolicy
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport
from partfill.model.words import ExecType, Side
from partfill.sim.world import World
from tests.core.chased import MOVES, POLICIES, RULES, Move, Watched
from tests.core.driven import SECOND, TOTAL, VENUE, Driven
from tests.core.test_handling import book, decide, partly

OUT_OF_MEMORY = (0, 3, 1000)
"""How many finished orders a proof keeps in memory: what it finds may not depend on that."""


def rows(db: Path) -> list[str]:
    """The decisions as the table has them."""
    with sqlite3.connect(db) as opened:
        return [body for (body,) in opened.execute("SELECT body FROM decisions ORDER BY number")]


async def kept(db: Path, log: list[tuple[Input, int]], *, everywhere: bool = False) -> list[ExecutionReport]:
    """Journal what happened; close and open it again at every start, or between any two inputs. Returns what was told."""
    told: list[ExecutionReport] = []
    journal = await Journal.open(db, quiet_ns=0, max_finished=0)
    for number, (inp, now) in enumerate(log):
        if number and (everywhere or isinstance(inp, Restarted)):
            timers = journal.engine.desk.timers
            await journal.close()
            journal = await Journal.open(db, quiet_ns=0, max_finished=0)
            # A start sets them anew; where there is none in the log, time must pass all the same.
            journal.engine.desk.timers = timers
        told.extend(event for event in journal.stage(inp, now).events if type(event) is ExecutionReport)
        if number % 3 == 0:
            await journal.flush()
    await journal.close()
    return told


def proven(db: Path, told: list[ExecutionReport]) -> None:
    """The journal proves itself whatever was in memory, and its table has every decision as it was told."""
    for most in OUT_OF_MEMORY:
        assert verify(db, max_finished=most).problems == []
    assert rows(db) == [to_json(report).decode() for report in told]


@settings(max_examples=15)
@given(RULES, POLICIES, st.sampled_from(Side), MOVES, st.booleans())
def test_whatever_happens_every_decision_is_in_the_journal_as_it_was_told(
    rules: Capabilities, policy: RemainderPolicy, side: Side, moves: list[Move], everywhere: bool
) -> None:
    desk = Watched(rules, policy, side, resubmit=True)
    desk.play(moves)
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "script.db"
        told = asyncio.run(kept(db, desk.log, everywhere=everywhere))
        assert told == desk.reports()
        proven(db, told)


async def test_a_decision_that_was_wanted_before_the_file_was_closed_is_made_after_it_was_opened(tmp_path: Path) -> None:
    desk = partly(Chase(3), TOTAL)
    ((_, event),) = desk.take_wanted()
    db = tmp_path / "wanted.db"
    await kept(db, desk.log)
    journal = await Journal.open(db)
    (parent,) = journal.stage(Restarted(desk="d"), desk.now + 1).wanted
    assert parent.handling is not None
    assert parent.handling.event == event
    await journal.close()
    desk.now += 2
    decide(desk, book(desk, "101"), event=event)
    told = await kept(tmp_path / "whole.db", desk.log, everywhere=True)
    assert [report.verdict for report in told] == [Reason.CHASE_ORDER_SUBMITTED]
    proven(tmp_path / "whole.db", told)


async def test_what_another_system_reported_is_a_repeat_after_the_file_was_opened_again(tmp_path: Path) -> None:
    desk = partly(Hold(), TOTAL)
    decide(desk, book(desk, "101"))
    desk.feed(Reported(venue=VENUE, ref="p", event_ts=7))
    decide(desk, book(desk, "101"))
    db = tmp_path / "reported.db"
    told = await kept(db, desk.log, everywhere=True)
    assert [report.event for report in told] == [1, 2]
    journal = await Journal.open(db)
    assert journal.stage(Reported(venue=VENUE, ref="p", event_ts=7), desk.now + 1).called == 0
    assert journal.stage(Reported(venue=VENUE, ref="p", event_ts=8), desk.now + 2).called == 3
    await journal.close()
    for most in OUT_OF_MEMORY:
        assert verify(db, max_finished=most).problems == []


async def test_a_time_that_was_set_for_an_order_that_ended_changes_no_row(tmp_path: Path) -> None:
    desk = partly(Chase(3, rechase_ms=1000))
    decide(desk, book(desk, "101"))
    desk.fill("rest", "6")
    desk.ended(kind=ExecType.CANCELED)
    assert desk.outcomes() == [("filled", 10)]
    desk.wait(10 * SECOND)
    told = await kept(tmp_path / "ended.db", desk.log)
    proven(tmp_path / "ended.db", told)


async def test_what_is_owed_between_two_orders_is_owed_after_a_restart(tmp_path: Path) -> None:
    desk = Driven(Capabilities(end_is_final=False))
    desk.submit(remainder=Chase(3, rechase_ms=50))
    desk.acknowledge()
    desk.fill("first", "4")
    desk.take()
    decide(desk, book(desk, "100.5"))
    desk.ended()
    desk.now += SECOND
    desk.wait()
    handling = desk.parent().handling
    assert handling is not None
    assert handling.owed
    db = tmp_path / "owed.db"
    await kept(db, desk.log)
    async with Journal(db) as journal:
        (parent,) = journal.engine.desk.parents.values()
        assert parent.handling is not None
        assert parent.handling.owed


@pytest.mark.parametrize("seed", range(900_000, 900_012))
async def test_the_proof_of_a_world_does_not_depend_on_what_was_in_memory(seed: int, tmp_path: Path) -> None:
    world = World(seed)
    world.run()
    told = await kept(tmp_path / "world.db", world.log)
    proven(tmp_path / "world.db", told)
