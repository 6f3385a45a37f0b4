"""Events made again from the journal: the same as those that were told, in memory that does not grow with the file."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

from partfill.core.child import Child
from partfill.core.engine import Engine
from partfill.core.parent import Parent
from partfill.journal.journal import Journal
from partfill.journal.store import NotAJournal, Store
from partfill.model.commands import Restarted, Submit
from partfill.model.events import Alarm, Fill
from partfill.model.inputs import Input, VenueDeclared
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.orders import Limit
from partfill.model.words import ExecType, OrdStatus
from partfill.runtime.bus import Told
from partfill.runtime.catch_up import BATCH, events_between, replayed
from partfill.sim.world import World
from partfill.venues.paper.exchange import PAPER
from tests.core.driven import D

VENUE = "paper"


async def written(db: Path, inputs: list[tuple[Input, int]]) -> list[Told]:
    """Write a journal, and return what a subscriber was told."""
    told: list[Told] = []
    async with Journal(db, quiet_ns=0, max_finished=5) as journal:
        for number, (inp, now) in enumerate(inputs):
            effects = journal.stage(inp, now)
            for event in effects.events:
                child = journal.engine.children.get(event.order)
                told.append(Told(effects.seq, child.work.parent.id if child and child.work else 0, event))
            if number % 50 == 0:
                await journal.flush()
    return told


def life(number: int) -> list[Input]:
    """An order that is submitted, taken, and fills in two executions."""
    name, ref = f"d{number + 1}-1", f"r{number}"
    terms = Limit("ACME", "buy", qty=10, price=20)
    report = OrderSnapshot(
        venue=VENUE, order_id=f"O{number}", cl_ord_id=name, exec_type=ExecType.NEW, ord_status=OrdStatus.NEW, order_qty=D(10)
    )
    fills = [Execution(venue=VENUE, order_id=f"O{number}", key=f"T{number}.{n}", qty=D(5), px=D(20)) for n in range(2)]
    return [Submit(venue=VENUE, ref=ref, terms=terms), report, *fills]


def timed(inputs: list[Input]) -> list[tuple[Input, int]]:
    begin: list[Input] = [VenueDeclared(venue=VENUE, capabilities=PAPER), Restarted(desk="d")]
    return [(inp, 1_000 + number) for number, inp in enumerate(begin + inputs)]


def held() -> tuple[int, int]:
    """How many orders and parent orders this process holds."""
    # An order and its parent name each other: what was let go of is gone when this has run.
    gc.collect()
    objects = gc.get_objects()
    return sum(type(each) is Child for each in objects), sum(type(each) is Parent for each in objects)


@pytest.mark.parametrize("seed", range(700_000, 700_008))
async def test_any_world_is_told_again_word_for_word(seed: int, tmp_path: Path) -> None:
    world = World(seed)
    world.run()
    told = await written(tmp_path / "f.db", world.log)
    assert list(events_between(tmp_path / "f.db", 1, max_finished=0)) == told
    middle = told[len(told) // 2].seq
    again = events_between(tmp_path / "f.db", middle // 2, middle, max_finished=1)
    assert list(again) == [each for each in told if middle // 2 <= each.seq <= middle]


async def test_finished_orders_leave_memory_and_come_back_when_they_are_named(tmp_path: Path) -> None:
    orders = 2_000
    inputs = [step for number in range(orders) for step in life(number)]
    # Long after it ended: what is known already, what is new, and what it was asked for again.
    again = life(7)[0]
    late = Execution(venue=VENUE, order_id="O11", key="T11.late", qty=D(1), px=D(21))
    inputs += [life(3)[2], again, late]
    told = await written(tmp_path / "f.db", timed(inputs))
    before, peak = held(), (0, 0)
    heard = []
    for number, each in enumerate(events_between(tmp_path / "f.db", 1, max_finished=20)):
        heard.append(each)
        if number % 501 == 0:
            now = held()
            peak = (max(peak[0], now[0] - before[0]), max(peak[1], now[1] - before[1]))
    assert heard == told
    assert heard[-1].seq == len(inputs) + 2
    assert any(type(each.event) is Fill and each.event.key == "T11.late" and each.parent == 12 for each in heard)
    # Four inputs an order: so many end between two looks.
    most = 20 + BATCH // 4 + 2
    assert 20 < peak[0] <= most
    assert 20 < peak[1] <= most


async def test_orders_that_go_on_stay_and_only_they(tmp_path: Path) -> None:
    resting = [step for number in range(100) for step in life(number)[:2]]
    inputs = resting + [step for number in range(100, 1_100) for step in life(number)]
    await written(tmp_path / "f.db", timed(inputs))
    before = held()
    events = events_between(tmp_path / "f.db", len(inputs) + 2, max_finished=0)
    assert type(next(events)) is Told
    orders, parents = held()
    assert 100 <= orders - before[0] <= 100 + BATCH // 4 + 1
    assert 100 <= parents - before[1] <= 100 + BATCH // 4 + 1
    events.close()  # type: ignore[attr-defined]


async def test_a_journal_that_is_being_written_is_read_as_far_as_it_is_on_disk(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    plain, told = Engine(), []
    async with Journal(db) as journal:
        for inp, now in timed([step for number in range(3) for step in life(number)]):
            await journal.submit(inp, now)
            told += plain.step(inp, now).events
        assert [each.event for each in events_between(db, 1)] == told


async def test_a_reader_that_pauses_keeps_nothing_from_the_writer(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    inputs = timed([step for number in range(BATCH) for step in life(number)])
    await written(db, inputs)
    steps = replayed(db)
    assert [next(steps).seq for _ in range(3)] == [1, 2, 3]
    writer = Store(db)
    writer.db.execute("INSERT INTO journal VALUES (?, 9, '{}')", (len(inputs) + 1,))
    busy, *_ = writer.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() or (1,)
    assert not busy
    writer.close()
    # What came after it began is left out.
    assert [step.seq for step in steps] == list(range(4, len(inputs) + 1))


async def test_an_input_that_cannot_be_read_is_named_and_passed_over(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    inputs = timed(life(0))
    await written(db, inputs)
    writer = Store(db)
    writer.db.execute('UPDATE journal SET body = \'{"type":"nonsense"}\' WHERE seq = 4')
    writer.close()
    steps = list(replayed(db))
    assert steps[-1].seq == len(list(timed(life(0))))
    said = [event.text for event in steps[3].effects.events if isinstance(event, Alarm)]
    assert said == ["journal: input 4 of the journal cannot be read and is passed over: Invalid value 'nonsense' - at `$.type`"]


@pytest.mark.parametrize("what", ["nothing", "letter"])
def test_a_file_that_is_no_journal_is_named(what: str, tmp_path: Path) -> None:
    db: Any = tmp_path / "f.db"
    if what == "letter":
        db.write_text("dear reader " * 100)
    with pytest.raises(NotAJournal):
        list(events_between(db, 1))
