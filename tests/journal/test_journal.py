"""The journal: durable before it returns, committed together, recovered the same, down when the disk is."""

from __future__ import annotations

import asyncio
import itertools
import random
import resource
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import pytest

from partfill.journal.journal import MAX_BATCH, Journal, JournalDown
from partfill.journal.state import freeze
from partfill.journal.store import InUse, NotAJournal, Store
from partfill.journal.verify import verify
from partfill.model.capabilities import Capabilities, Chain, Cumulative
from partfill.model.inputs import Input, OrderSnapshot, VenueDeclared
from partfill.model.words import Flag, OrdStatus
from tests.journal.writer import (
    VENUE,
    accepted,
    cancel_sent,
    canceled,
    claim,
    execution,
    filled_order,
    lives,
    placed,
    revised,
    snapshot,
    voided,
)

WAIT_S = 5
"""Whatever must not hang has ended after so long."""


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "fills.db"


def rows(db: Path, sql: str, *bindings: Any) -> list[dict[str, Any]]:
    """Rows as another process reads them: a connection of its own, read only."""
    store = Store(db, read_only=True)
    try:
        return list(store.rows(sql, bindings))
    finally:
        store.close()


def one(db: Path, sql: str, *bindings: Any) -> dict[str, Any]:
    (row,) = rows(db, sql, *bindings)
    return row


def count(db: Path, table: str) -> int:
    return int(one(db, f"SELECT count(*) AS n FROM {table}")["n"])


def order_row(db: Path, name: str) -> dict[str, Any]:
    return one(db, "SELECT * FROM children WHERE id IN (SELECT child FROM names WHERE name = ?)", name)


def commits(db: Path) -> int:
    """Transactions in the write-ahead log: its frames that say how large the database is after a commit."""
    log = db.with_name(db.name + "-wal").read_bytes()
    size = struct.unpack(">I", log[8:12])[0]
    salt = log[16:24]
    found = 0
    for at in range(32, len(log) - 23, 24 + size):
        found += log[at + 8 : at + 16] == salt and log[at + 4 : at + 8] != bytes(4)
    return found


async def submit_all(journal: Journal, inputs: list[Input], now: int = 1) -> None:
    for inp in inputs:
        await journal.submit(inp, now)


async def gather(*waiting: Any) -> list[Any]:
    """All outcomes, exceptions among them."""
    return list(await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), WAIT_S))


def open_orders(journal: Journal) -> dict[int, bytes]:
    return {number: freeze(child) for number, child in journal.engine.children.items() if child.open}


@contextmanager
def refusing(db: Path, table: str) -> Iterator[None]:
    """Another connection makes every INSERT into `table` fail, for real."""
    other = apsw.Connection(str(db))
    other.set_busy_timeout(5000)
    other.execute(f"CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no more room'); END")
    try:
        yield
    finally:
        other.execute("DROP TRIGGER refuse")
        other.close()


@contextmanager
def full_disk(db: Path) -> Iterator[None]:
    """No file of this process may grow beyond what the write-ahead log has now, and a little."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = db.with_name(db.name + "-wal").stat().st_size + 20_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# ---------------------------------------------------------------------- durable, and together


async def test_submit_returns_when_another_connection_sees_the_row(db: Path) -> None:
    async with Journal(db) as journal:
        for number in range(1, 20):
            await journal.submit(execution("O1", f"k{number}"), number)
            assert one(db, "SELECT max(seq) AS seq FROM journal")["seq"] == number == journal.durable_seq
            assert count(db, "executions") == number


async def test_inputs_that_come_together_are_committed_together(db: Path) -> None:
    async with Journal(db) as journal:
        await journal.submit(placed("C1"), 1)
        before = commits(db)
        await asyncio.gather(*(journal.submit(execution("O1", f"k{n}"), n) for n in range(300)))
        assert count(db, "journal") == 301
        assert 1 <= commits(db) - before < 30


async def test_inputs_that_come_one_after_the_other_are_each_committed(db: Path) -> None:
    async with Journal(db) as journal:
        await journal.submit(placed("C1"), 1)
        before = commits(db)
        for number in range(10):
            await journal.submit(execution("O1", f"k{number}"), number)
        assert commits(db) - before == 10


async def test_one_transaction_is_bounded(db: Path) -> None:
    async with Journal(db) as journal:
        seen = {0}

        async def submit(number: int) -> None:
            await journal.submit(execution(f"O{number % 7}", f"k{number}"), number)
            seen.add(journal.durable_seq)

        await asyncio.gather(*(submit(number) for number in range(MAX_BATCH * 6 + 7)))
        steps = sorted(seen)
        assert steps[-1] == MAX_BATCH * 6 + 7
        assert max(after - before for before, after in itertools.pairwise(steps)) <= MAX_BATCH


async def test_inputs_are_numbered_without_a_hole_in_the_order_in_which_they_came(db: Path) -> None:
    async with Journal(db) as journal:
        await asyncio.gather(*(journal.submit(execution("O1", f"k{n}"), 1000 + n) for n in range(700)))
    found = rows(db, "SELECT seq, now FROM journal ORDER BY seq")
    assert [row["seq"] for row in found] == list(range(1, 701))
    assert [row["now"] for row in found] == list(range(1000, 1700))


async def test_staged_inputs_are_durable_after_flush(db: Path) -> None:
    async with Journal(db) as journal:
        for number in range(50):
            journal.stage(execution("O1", f"k{number}"), number)
        await journal.flush()
        assert count(db, "executions") == 50
        await journal.flush()
        assert count(db, "journal") == 50


async def test_close_commits_what_is_staged(db: Path) -> None:
    journal = await Journal.open(db)
    journal.stage(execution("O1", "k1"), 1)
    await journal.close()
    assert count(db, "executions") == 1


async def test_submit_after_close_is_refused_and_does_not_hang(db: Path) -> None:
    journal = await Journal.open(db)
    await journal.submit(placed("C1"), 1)
    await journal.close()
    (outcome,) = await gather(journal.submit(accepted("O1", "C1"), 2))
    assert isinstance(outcome, Exception)
    assert not isinstance(outcome, TimeoutError)
    assert count(db, "journal") == 1


# ---------------------------------------------------------------------- rows


async def test_the_row_of_an_order_says_what_the_order_says(db: Path) -> None:
    async with Journal(db) as journal:
        await submit_all(journal, [placed("C1", "10"), accepted("O1", "C1")], now=5)
        await journal.submit(execution("O1", "k1", "2.50", "50.10"), 6)
        await journal.submit(claim("O1", "4", "50.10"), 7)
        row = order_row(db, "O1")
    assert {name: row[name] for name in ("venue", "account", "order_id", "cl_ord_id", "instrument", "side", "price")} == {
        "venue": VENUE, "account": "", "order_id": "O1", "cl_ord_id": "C1", "instrument": "ACME", "side": "buy", "price": "50",
    }  # fmt: skip
    assert row["ord_status"] == "PartiallyFilled"
    numbers = {name: Decimal(row[name]) for name in row if name.endswith("_qty") or name in ("notional", "avg_px")}
    assert numbers == {
        "order_qty": Decimal(10), "cum_qty": Decimal(4), "leaves_qty": Decimal(6), "canceled_qty": Decimal(0),
        "provisional_qty": Decimal("1.5"), "overfill_qty": Decimal(0), "notional": Decimal("125.25"), "avg_px": Decimal("50.1"),
    }  # fmt: skip
    assert (row["executions"], row["open"], row["updated"], row["seq"]) == (1, 1, 7, 4)
    assert row["flags"] == Flag.PROVISIONAL | Flag.APPROXIMATE


async def test_the_row_of_an_execution_is_its_newest_version(db: Path) -> None:
    async with Journal(db) as journal:
        await submit_all(journal, [placed("C1"), accepted("O1", "C1")])
        fee = {"fee": Decimal("-0.02"), "fee_currency": "USD", "venue_time": 77}
        await journal.submit(execution("O1", "k1", "2", "50.5", **fee), 3)
        await submit_all(journal, [execution("O1", "k2", "3", None), execution("O1", "k3", "1")])
        await submit_all(journal, [revised("O1", "k1", "1.5", "49"), voided("O1", "k3")])
        found = {row["key"]: row for row in rows(db, "SELECT * FROM executions ORDER BY born")}
    assert list(found) == ["k1", "k2", "k3"]
    assert (found["k1"]["qty"], found["k1"]["px"], found["k1"]["void"], found["k1"]["seq"]) == ("1.5", "49", 0, 6)
    assert found["k1"]["venue_time"] == 77
    assert (found["k2"]["qty"], found["k2"]["px"], found["k2"]["fee"]) == ("3", None, None)
    assert found["k3"]["void"] == 1


async def test_every_id_of_an_order_leads_to_it(db: Path) -> None:
    async with Journal(db) as journal:
        await submit_all(journal, [placed("C1"), accepted("O1", "C1"), cancel_sent("X1", "C1")])
    found = rows(db, "SELECT kind, name, child FROM names ORDER BY name")
    assert {(row["kind"], row["name"]) for row in found} == {("client", "C1"), ("order", "O1"), ("client", "X1")}
    assert len({row["child"] for row in found}) == 1


async def test_the_audit_trail_says_what_changed_from_what(db: Path) -> None:
    async with Journal(db) as journal:
        await submit_all(journal, [placed("C1"), accepted("O1", "C1"), execution("O1", "k1", "4"), execution("O1", "k1", "4")])
    # One row per step that changed something; the repeat changed nothing.
    audit = rows(db, "SELECT seq, child, changes FROM audit ORDER BY seq")
    assert [(row["seq"], row["child"]) for row in audit] == [(1, 1), (2, 1), (3, 1)]
    assert all(word in audit[2]["changes"] for word in ('"0"', '"4"', "PartiallyFilled"))


async def test_an_alarm_is_a_row(db: Path) -> None:
    async with Journal(db) as journal:
        await submit_all(journal, [placed("C1", "1"), accepted("O1", "C1", "1"), execution("O1", "k1", "3")])
    assert one(db, "SELECT seq, kind FROM alarms") == {"seq": 3, "kind": "overfill"}


async def test_an_unknown_name_makes_a_new_order_that_is_parked(db: Path) -> None:
    async with Journal(db) as journal:
        await submit_all(journal, filled_order("O1", "C1"))
        effects = await journal.submit(execution("O2", "k1"), 9)
        assert effects.child is not None
        assert effects.child.id == 2
        assert order_row(db, "O2")["flags"] & Flag.PARKED


async def test_a_parked_order_leaves_its_row_to_the_order_that_it_was(db: Path) -> None:
    async with Journal(db) as journal:
        await journal.submit(placed("C1"), 1)
        await journal.submit(execution("O1", "k1", "3"), 2)
        assert count(db, "children") == 2
        await journal.submit(accepted("O1", "C1"), 3)
        assert count(db, "children") == 1
        row = order_row(db, "O1")
        assert (row["cl_ord_id"], row["cum_qty"], row["executions"]) == ("C1", "3", 1)
        assert one(db, "SELECT child FROM executions")["child"] == row["id"]


# ---------------------------------------------------------------------- restart


async def test_restart_gives_every_open_order_byte_for_byte(db: Path) -> None:
    async with Journal(db) as journal:
        for now, inp in enumerate(lives(random.Random(7), "x", 150), 1):
            journal.stage(inp, now)
        await journal.flush()
        # Some orders that are open for sure: working, partly filled, with a claim, with a bust, with a request.
        await submit_all(journal, [placed("Ca"), accepted("Oa", "Ca"), execution("Oa", "k", "2"), claim("Oa", "3", "50.7")])
        await submit_all(journal, [placed("Cb"), accepted("Ob", "Cb"), execution("Ob", "k", "2"), voided("Ob", "k")])
        await submit_all(journal, [placed("Cc"), accepted("Oc", "Cc"), revised("Oc", "z", "2"), cancel_sent("Xc", "Cc")])
        before = open_orders(journal)
        seq, next_id = journal.seq, journal.engine.next_id
    async with Journal(db) as journal:
        assert {number: freeze(child) for number, child in journal.engine.children.items()} == before
        assert (journal.seq, journal.durable_seq, journal.engine.next_id) == (seq, seq, next_id)
    assert len(before) >= 3


async def test_after_a_restart_the_same_inputs_do_the_same(tmp_path: Path) -> None:
    stream = list(enumerate(lives(random.Random(11), "y", 60), 1))
    whole, broken = tmp_path / "whole.db", tmp_path / "broken.db"
    async with Journal(whole) as journal:
        for now, inp in stream:
            journal.stage(inp, now)
    for at in range(0, len(stream), 40):
        async with Journal(broken) as journal:
            for now, inp in stream[at : at + 40]:
                journal.stage(inp, now)
    for table, key in (("children", "id"), ("executions", "born"), ("names", "name"), ("audit", "seq"), ("alarms", "seq")):
        query = f"SELECT * FROM {table} ORDER BY {key}, 1, 2, 3"
        assert rows(broken, query) == rows(whole, query), table


async def test_finished_orders_are_not_loaded_at_start_and_stay_in_the_tables(db: Path) -> None:
    async with Journal(db) as journal:
        for number in range(50):
            await submit_all(journal, filled_order(f"O{number}", f"C{number}"))
        await journal.submit(placed("Copen"), 2)
    async with Journal(db) as journal:
        assert [child.cl_ord_id for child in journal.engine.children.values()] == ["Copen"]
        assert count(db, "children") == 51


async def test_a_finished_order_leaves_memory_after_its_quiet_time_and_not_before(db: Path) -> None:
    async with Journal(db, quiet_ns=1000) as journal:
        await submit_all(journal, filled_order("O1", "C1"), now=100)
        await journal.submit(placed("C2"), 600)
        assert len(journal.engine.children) == 2
        await journal.submit(placed("C3"), 2000)
        # Letting go happens with a commit; another one is behind it for sure.
        await journal.submit(placed("C4"), 2001)
        assert {child.cl_ord_id for child in journal.engine.children.values()} == {"C2", "C3", "C4"}
        assert order_row(db, "O1")["ord_status"] == "Filled"


@pytest.mark.parametrize("name", ["order", "client"])
async def test_a_late_fill_brings_an_order_back_with_its_full_history(db: Path, name: str) -> None:
    async with Journal(db, quiet_ns=0) as journal:
        await submit_all(journal, filled_order("O1", "C1", "10"))
        await submit_all(journal, [placed("C2"), placed("C3")], now=10)
        assert not any(child.order_id == "O1" for child in journal.engine.children.values())
        late = execution("O1", "k9", "1") if name == "order" else execution("O1", "k9", "1", cl_ord_id="C1")
        effects = await journal.submit(late, 20)
        child = effects.child
        assert child is not None
        assert (child.id, child.cum, child.leaves, child.executions) == (1, 11, 0, 3)
        # It knows what it had: a repeat of its first execution is a repeat.
        assert (await journal.submit(execution("O1", "k1", "5"), 21)).duplicate
        row = order_row(db, "O1")
        assert (row["cum_qty"], row["overfill_qty"], row["executions"]) == ("11", "1", 3)
    assert verify(db).ok


async def test_a_late_fill_after_a_restart_finds_its_order(db: Path) -> None:
    async with Journal(db) as journal:
        await submit_all(journal, [placed("C1"), accepted("O1", "C1"), execution("O1", "k1", "4"), canceled("O1")])
    async with Journal(db) as journal:
        assert not journal.engine.children
        effects = await journal.submit(execution("O1", "k2", "1"), 9)
        assert effects.child is not None
        assert (effects.child.cum, effects.child.leaves, effects.child.status) == (5, 0, OrdStatus.CANCELED)
        assert effects.child.flags & Flag.LATE_FILL


async def test_more_finished_orders_than_allowed_leave_however_fresh(db: Path) -> None:
    async with Journal(db, max_finished=5) as journal:
        for number in range(40):
            await submit_all(journal, filled_order(f"O{number}", f"C{number}"))
        assert len(journal.engine.children) <= 7
        assert count(db, "children") == 40


async def test_old_orders_that_only_hear_what_they_know_do_not_pile_up_in_memory(db: Path) -> None:
    async with Journal(db, max_finished=5) as journal:
        for number in range(60):
            await submit_all(journal, filled_order(f"O{number}", f"C{number}"))
        # A venue that sends the day once more: every execution is a repeat, and brings its order back.
        for number in range(60):
            assert (await journal.submit(execution(f"O{number}", "k1", "5"), 9)).duplicate
        assert len(journal.engine.children) <= 7


async def test_an_order_id_that_the_venue_uses_again_means_the_new_order_when_the_old_one_comes_back(db: Path) -> None:
    rules = VenueDeclared(venue=VENUE, capabilities=Capabilities(order_id_reused=True))
    async with Journal(db) as journal:
        await submit_all(journal, [rules, *filled_order("O1", "C1"), placed("C2"), accepted("O1", "C2")])
    async with Journal(db) as journal:
        assert [child.cl_ord_id for child in journal.engine.children.values()] == ["C2"]
        # The old order comes back under its client id; the order id is the new order's all the same.
        old = await journal.submit(OrderSnapshot(venue=VENUE, cl_ord_id="C1", cum_qty=Decimal(11)), 12)
        assert old.child is not None
        assert (old.child.id, old.child.cum) == (1, 11)
        new = await journal.submit(execution("O1", "k1", "2"), 13)
        assert new.child is not None
        assert (new.child.cl_ord_id, new.child.cum) == ("C2", 2)
    assert verify(db).ok


async def test_evidence_that_joins_an_order_with_a_venue_order_of_its_own_survives_a_restart(db: Path) -> None:
    # A modify gives a new venue order; its fill is faster than the word that it belongs to ours.
    rules = VenueDeclared(venue=VENUE, capabilities=Capabilities(chain=Chain.RESTARTS))
    async with Journal(db) as journal:
        await submit_all(journal, [rules, placed("C1"), accepted("O1", "C1"), execution("O1", "k1", "2")])
        await journal.submit(execution("O2", "k2", "3"), 5)
        await journal.submit(snapshot("O2", "C1", ord_status=OrdStatus.NEW), 6)
        before = open_orders(journal)
        assert journal.engine.children[1].cum == 5
    assert verify(db).ok
    async with Journal(db) as journal:
        assert open_orders(journal) == before
        assert (await journal.submit(execution("O2", "k2", "3"), 7)).duplicate


async def test_evidence_that_joins_an_order_may_have_the_same_execution_key(db: Path) -> None:
    # A key is unique per venue order, so two venue orders of one chain may both have a "1".
    rules = VenueDeclared(venue=VENUE, capabilities=Capabilities(chain=Chain.RESTARTS))
    async with Journal(db) as journal:
        await submit_all(journal, [rules, placed("C1"), accepted("O1", "C1"), execution("O1", "1", "2")])
        await journal.submit(execution("O2", "1", "3"), 5)
        await journal.submit(snapshot("O2", "C1", ord_status=OrdStatus.NEW), 6)
        assert journal.engine.children[1].cum == 5
    assert verify(db).ok


async def test_a_new_declaration_means_the_same_before_and_after_a_restart(db: Path) -> None:
    # An adapter of a newer version declares its venue otherwise while an order is open.
    rules = VenueDeclared(venue=VENUE, capabilities=Capabilities(cumulative=Cumulative.ABSENT))
    async with Journal(db) as journal:
        await submit_all(journal, [placed("C1"), accepted("O1", "C1"), rules])
    async with Journal(db) as journal:
        await journal.submit(claim("O1", "3"), 9)
    verdict = verify(db)
    assert verdict.ok, verdict.problems


# ---------------------------------------------------------------------- one writer, many readers


async def test_a_second_writer_is_refused_and_the_first_goes_on(db: Path) -> None:
    async with Journal(db) as journal:
        await journal.submit(placed("C1"), 1)
        with pytest.raises(InUse, match="another process"):
            await Journal.open(db)
        await journal.submit(accepted("O1", "C1"), 2)
    async with Journal(db) as journal:
        assert journal.seq == 2


async def test_a_second_writer_is_refused_under_another_name_of_the_same_file(db: Path) -> None:
    alias = db.with_name("alias.db")
    async with Journal(db) as journal:
        await journal.submit(placed("C1"), 1)
        alias.symlink_to(db)
        with pytest.raises(InUse):
            Store(alias)


async def test_readers_read_while_it_writes_and_see_whole_steps_only(db: Path) -> None:
    async with Journal(db) as journal:
        await journal.submit(placed("C0"), 1)
        reader = Store(db, read_only=True)
        submits = asyncio.gather(*(journal.submit(execution("O1", f"k{n}"), n) for n in range(3000)))
        looks = 0
        while not submits.done():
            await asyncio.sleep(0)
            query = "SELECT (SELECT max(seq) FROM journal) AS seq, (SELECT count(*) FROM executions) AS fills"
            (seen,) = reader.rows(query)
            assert seen["fills"] == seen["seq"] - 1
            looks += 1
        await submits
        reader.close()
    assert looks > 1


async def test_a_reader_cannot_write(db: Path) -> None:
    async with Journal(db) as journal:
        await journal.submit(placed("C1"), 1)
    reader = Store(db, read_only=True)
    with pytest.raises(apsw.ReadOnlyError):
        list(reader.rows("DELETE FROM journal"))
    reader.close()


# ---------------------------------------------------------------------- constraints


ORDER_COLUMNS = ("order_qty", "cum_qty", "leaves_qty", "canceled_qty", "provisional_qty", "overfill_qty")
FILLED = {"ord_status": "Filled", "avg_px": None}
BAD_ORDERS: list[dict[str, Any]] = [
    *({name: "-1"} for name in ORDER_COLUMNS), {**FILLED, "flags": 0}, {"side": "up"}, {"executions": -1}, {"open": 2},
    {"cum_qty": None}, {"venue": None}, {"ord_status": None},
]  # fmt: skip
BAD_EXECUTIONS: list[dict[str, Any]] = [
    {"qty": "-1"}, {"qty": None, "void": 0}, {"void": 2}, {"fee": "1", "fee_currency": None}, {"key": "k1"}, {"child": 99},
    {"key": None},
]  # fmt: skip


@pytest.fixture
async def filled_db(db: Path) -> Path:
    async with Journal(db) as journal:
        await submit_all(journal, filled_order("O1", "C1"))
    return db


def insert_changed(db: Path, table: str, changes: dict[str, Any]) -> None:
    """Insert a copy of a row of `table` with some columns changed."""
    row = rows(db, f"SELECT * FROM {table} LIMIT 1")[0] | changes
    direct = apsw.Connection(str(db))
    direct.execute("PRAGMA foreign_keys = ON")
    try:
        marks = ", ".join("?" * len(row))
        direct.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
    finally:
        direct.close()


@pytest.mark.parametrize("bad", BAD_ORDERS, ids=str)
def test_an_impossible_order_is_refused_by_the_file_itself(filled_db: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(apsw.ConstraintError):
        insert_changed(filled_db, "children", {"id": 77} | bad)


@pytest.mark.parametrize("bad", BAD_EXECUTIONS, ids=str)
def test_an_impossible_execution_is_refused_by_the_file_itself(filled_db: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(apsw.ConstraintError):
        insert_changed(filled_db, "executions", {"key": "k77"} | bad)


@pytest.mark.parametrize(("table", "good"), [("children", {"id": 77}), ("executions", {"key": "k77"}),
                                             ("children", {**FILLED, "id": 77, "flags": 4})], ids=str)  # fmt: skip
def test_a_possible_row_is_taken(filled_db: Path, table: str, good: dict[str, Any]) -> None:
    insert_changed(filled_db, table, good)


def test_a_sequence_number_and_a_name_are_taken_once(filled_db: Path) -> None:
    for table in ("journal", "names"):
        with pytest.raises(apsw.ConstraintError):
            insert_changed(filled_db, table, {})


# ---------------------------------------------------------------------- a waiter that goes away


async def test_a_cancelled_waiter_does_not_disturb_the_others(db: Path) -> None:
    async with Journal(db) as journal:
        tasks = [asyncio.create_task(journal.submit(execution("O1", f"k{n}"), n)) for n in range(200)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        outcomes = await gather(*tasks)
        for number, outcome in enumerate(outcomes):
            assert isinstance(outcome, asyncio.CancelledError) == (number % 3 == 0)
        # Their steps were taken, and a step that was taken is kept.
        assert count(db, "executions") == 200
        await journal.submit(execution("O1", "more"), 300)
    assert verify(db).ok


async def test_cancelled_waiters_at_the_door_do_not_disturb_the_others(db: Path) -> None:
    async with Journal(db) as journal:
        number = MAX_BATCH * 5
        tasks = [asyncio.create_task(journal.submit(execution("O1", f"k{n}"), n)) for n in range(number)]
        await asyncio.sleep(0)
        for task in tasks[MAX_BATCH:][::2]:
            task.cancel()
        outcomes = await gather(*tasks)
        served = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        assert len(served) >= MAX_BATCH + (number - MAX_BATCH) // 2
        assert count(db, "executions") >= len(served)
    assert verify(db).ok


async def test_close_while_callers_wait_leaves_nobody_hanging(db: Path) -> None:
    journal = await Journal.open(db)
    number = MAX_BATCH * 4
    tasks = [asyncio.create_task(journal.submit(execution("O1", f"k{n}"), n)) for n in range(number)]
    await asyncio.sleep(0)
    await asyncio.wait_for(journal.close(), WAIT_S)
    outcomes = await gather(*tasks)
    served = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert count(db, "executions") == len(served)
    assert verify(db).ok


# ---------------------------------------------------------------------- fail-stop


@pytest.mark.parametrize("table", ["journal"])  # a refused row of an order stops that order alone: test_isolate
async def test_when_a_write_fails_everybody_hears_it_and_nothing_of_the_batch_is_on_disk(db: Path, table: str) -> None:
    journal = await Journal.open(db)
    await submit_all(journal, [placed("C1"), accepted("O1", "C1")])
    with refusing(db, table):
        outcomes = await gather(*(journal.submit(execution("O1", f"k{n}"), n) for n in range(1200)))
        assert all(isinstance(outcome, JournalDown) for outcome in outcomes)
        assert "no more room" in str(outcomes[0])
        assert str(db) in str(outcomes[0])
    assert (count(db, "journal"), count(db, "executions"), order_row(db, "O1")["cum_qty"]) == (2, 0, "0")
    # The cause is gone, and still it takes no step: its memory is ahead of the disk.
    with pytest.raises(JournalDown):
        await journal.submit(execution("O1", "k1"), 9)
    with pytest.raises(JournalDown):
        journal.stage(execution("O1", "k1"), 9)
    with pytest.raises(JournalDown):
        await journal.flush()
    await journal.close()
    assert verify(db).ok
    async with Journal(db) as journal:
        assert (await journal.submit(execution("O1", "k1"), 9)).child.cum == 1  # type: ignore[union-attr]
    assert verify(db).ok


async def test_a_full_disk_stops_it_and_loses_nothing_that_was_acknowledged(db: Path) -> None:
    journal = await Journal.open(db)
    await submit_all(journal, [placed("C1"), accepted("O1", "C1")])
    kept = 0
    failed: list[Any] = []
    with full_disk(db):
        for start in range(0, 100_000, 200):
            outcomes = await gather(*(journal.submit(execution("O1", f"k{n}"), n) for n in range(start, start + 200)))
            failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
            kept += len(outcomes) - len(failed)
            if failed:
                break
        assert failed
        assert all(isinstance(outcome, JournalDown) for outcome in failed)
    await journal.close()
    assert count(db, "executions") == kept
    assert verify(db).ok
    async with Journal(db) as journal:
        await journal.submit(execution("O1", "new"), 9)
        assert count(db, "executions") == kept + 1


async def test_close_after_a_failure_frees_the_file(db: Path) -> None:
    journal = await Journal.open(db)
    with refusing(db, "journal"):
        await gather(journal.submit(placed("C1"), 1))
    await journal.close()
    Store(db).close()


async def test_an_open_that_fails_frees_the_file(db: Path) -> None:
    async with Journal(db) as journal:
        await journal.submit(placed("C1"), 1)
    direct = apsw.Connection(str(db))
    (body,) = direct.execute("SELECT body FROM engine").fetchone()  # type: ignore[misc]
    direct.execute("UPDATE engine SET body = substr(body, 1, 2)")
    for _ in range(2):
        # Twice the same complaint, not "another process writes".
        with pytest.raises(Exception) as told:  # noqa: PT011
            await Journal.open(db)
        assert not isinstance(told.value, InUse)
    direct.execute("UPDATE engine SET body = ?", (body,))
    direct.close()
    async with Journal(db) as journal:
        assert journal.engine.children[1].cl_ord_id == "C1"


HOSTILE: dict[str, Input] = {
    "a lone surrogate": execution("O\ud800", "k1"),
    "a currency with a separator": execution("O1", "k1", fee=Decimal(1), fee_currency="US|D"),
    "a key with a separator": execution("O1", "k|1\x1f!~"),
    "a zero byte": execution("O\x00", "k\x00"),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_value_is_kept_or_refused_and_the_journal_goes_on(db: Path, what: str) -> None:
    journal = await Journal.open(db)
    await submit_all(journal, [placed("C1"), accepted("O1", "C1")])
    (outcome,) = await gather(journal.submit(HOSTILE[what], 3))
    assert not isinstance(outcome, JournalDown | TimeoutError), outcome
    # Refused means: no step was taken, and the next one is as if it had not come.
    (after,) = await gather(journal.submit(execution("O1", "next"), 4))
    assert not isinstance(after, BaseException), after
    await asyncio.wait_for(journal.close(), WAIT_S)
    verdict = verify(db)
    assert verdict.ok, verdict.problems
    async with Journal(db) as journal:
        if not isinstance(outcome, Exception):
            # What was kept is known again, to the letter.
            assert (await journal.submit(HOSTILE[what], 5)).duplicate
        assert (await journal.submit(execution("O1", "next"), 6)).duplicate


async def test_keys_that_differ_after_a_zero_byte_are_two_executions(db: Path) -> None:
    async with Journal(db) as journal:
        await submit_all(journal, [placed("C1"), accepted("O1", "C1")])
        await submit_all(journal, [execution("O1", "k\x00a"), execution("O1", "k\x00b")])
    assert count(db, "executions") == 2
    async with Journal(db) as journal:
        assert journal.engine.children[1].cum == 2
        assert (await journal.submit(execution("O1", "k\x00a"), 5)).duplicate


# ---------------------------------------------------------------------- files that are none


def test_a_text_file_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("this is not a database, whatever its name says\n" * 100)
    for read_only in (True, False):
        with pytest.raises(NotAJournal, match=r"notes\.txt is no SQLite file"):
            Store(path, read_only=read_only)
    assert path.read_text().startswith("this is not")


def test_a_database_of_something_else_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE things (a)")
    other.close()
    for read_only in (True, False):
        with pytest.raises(NotAJournal, match=r"other\.db is an SQLite file without a journal"):
            Store(path, read_only=read_only)


async def test_a_journal_of_a_newer_version_is_not_touched(filled_db: Path) -> None:
    direct = apsw.Connection(str(filled_db))
    direct.execute("PRAGMA user_version = 900")
    direct.close()
    with pytest.raises(NotAJournal, match=r"newer partfill \(schema 900\); update partfill"):
        await Journal.open(filled_db)
    with pytest.raises(NotAJournal, match="newer partfill"):
        verify(filled_db)


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotAJournal, match="nowhere"):
        await Journal.open(tmp_path / "nowhere" / "fills.db")
    with pytest.raises(NotAJournal, match="does not exist"):
        Store(tmp_path / "nowhere" / "fills.db", read_only=True)


async def test_a_folder_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(NotAJournal):
        await Journal.open(tmp_path)
    with pytest.raises(NotAJournal):
        Store(tmp_path, read_only=True)


def test_an_empty_file_is_no_journal_for_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(NotAJournal, match="is empty"):
        Store(path, read_only=True)
