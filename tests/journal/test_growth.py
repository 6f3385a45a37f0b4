"""What a report writes does not depend on how many came before it: of a thousand ids, only what changed is written.

Bytes are those of all rows of one transaction but the input itself. Journals that an older version wrote hold everything with
the order; they open, prove themselves, and go on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from partfill.core.child import Child
from partfill.core.doubts import Doubt
from partfill.core.engine import Engine
from partfill.core.position import KEPT
from partfill.journal import parts
from partfill.journal.batch import Batch
from partfill.journal.recovery import recover
from partfill.journal.state import freeze, freeze_rest, thaw
from partfill.journal.store import STATEMENTS, Store
from partfill.journal.verify import verify
from partfill.model.admit import admit
from partfill.model.capabilities import Capabilities, Chain, Cumulative
from partfill.model.commands import Resubmit
from partfill.model.inputs import (
    Charge,
    Execution,
    ExecutionRevised,
    ExecutionVoided,
    Input,
    OrderPlaced,
    OrderSnapshot,
    PositionSeen,
    RequestSent,
    Restarted,
    Submit,
    VenueDeclared,
)
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, OrdType, Request, Side, TimeInForce

D = Decimal
SECOND = 1_000_000_000
START = 20_000 * 86_400 * SECOND
FEW, MANY = 50, 1_000
SPARE = 100
"""Numbers have more digits later: so many bytes may be more."""
TERMS = Terms(instrument="X", side=Side.BUY, order_qty=D(100_000), price=D(5))
"""What is ordered."""


def said(number: int, **more: Any) -> dict[str, Any]:
    return {"venue": "v", "order_id": "o0", "as_of": START + number * SECOND, **more}


def placed(rules: Capabilities | None = None) -> Iterator[Input]:
    if rules is not None:
        yield VenueDeclared(venue="v", capabilities=rules)
    yield OrderPlaced(venue="v", cl_ord_id="c0", order_id="o0", terms=TERMS)


def chain(of: Chain, **rules: Any) -> Iterator[Input]:
    """Each replace has a new client id and a new venue id; something fills in between."""
    yield from placed(Capabilities(chain=of, **rules))
    for number in range(1, 2 * MANY):
        names = {"order_id": f"o{number}", "cl_ord_id": f"c{number}"}
        yield RequestSent(
            venue="v", order_id=f"o{number - 1}", cl_ord_id=f"c{number}", orig_cl_ord_id=f"c{number - 1}",
            request=Request.REPLACE, order_qty=D(100_000), as_of=START + number * SECOND,
        )  # fmt: skip
        yield OrderSnapshot(
            **said(number, **names), orig_cl_ord_id=f"c{number - 1}", exec_type=ExecType.REPLACED, order_qty=D(100_000)
        )
        yield Execution(**said(number, **names), key=f"k{number}", qty=D(1), px=D(5))


def evidence_before_links() -> Iterator[Input]:
    """The fill of the new venue order comes before anybody says that it belongs to the chain."""
    yield from placed(Capabilities(chain=Chain.RESTARTS))
    for number in range(1, 2 * MANY):
        yield Execution(**said(number, order_id=f"o{number}"), key=f"k{number}", qty=D(1), px=D(5))
        yield OrderSnapshot(
            **said(number, order_id=f"o{number}", cl_ord_id=f"c{number}"), orig_cl_ord_id=f"c{number - 1}",
            exec_type=ExecType.REPLACED, order_qty=D(100_000),
        )  # fmt: skip


def keyed() -> Iterator[Input]:
    yield from placed()
    for number in range(1, 2 * MANY):
        yield OrderSnapshot(**said(number), key=f"m{number}", exec_type=ExecType.TRADE, cum_qty=D(number))


def voids() -> Iterator[Input]:
    yield from placed()
    for number in range(1, 2 * MANY):
        yield Execution(**said(number), key=f"k{number}", qty=D(1), px=D(5))
        yield ExecutionVoided(**said(number), key=f"k{number}", qty=D(1))


def corrections() -> Iterator[Input]:
    """Each of another execution."""
    yield from placed()
    for number in range(1, 2 * MANY):
        yield Execution(**said(number), key=f"k{number}", qty=D(2), px=D(5))
        yield ExecutionRevised(**said(number), key=f"k{number}", new_key=f"r{number}", qty=D(1), px=D(5))


def corrections_of_corrections() -> Iterator[Input]:
    """Each of the one before it."""
    yield from placed()
    yield Execution(**said(1), key="k0", qty=D(5_000), px=D(5))
    for number in range(1, 2 * MANY):
        yield ExecutionRevised(**said(number), key=f"k{number - 1}", new_key=f"k{number}", qty=D(5_000 - number), px=D(5))


def charges() -> Iterator[Input]:
    """The executions that they are for never come."""
    yield from placed()
    for number in range(1, 2 * MANY):
        yield Charge(**said(number), key=f"c{number}", amount=D("0.1"), currency="USD", exec_key=f"k{number}")


def lower_and_lower() -> Iterator[Input]:
    """Each total is later and lower than the one before."""
    yield from placed(Capabilities(cumulative=Cumulative.TRUTH))
    for number in range(1, 2 * MANY):
        yield OrderSnapshot(**said(number), cum_qty=D(10_000 - number))


def reductions() -> Iterator[Input]:
    """Nobody ever says how large the order is."""
    for number in range(1, 2 * MANY):
        yield OrderSnapshot(**said(number), exec_type=ExecType.RESTATED, reduced_qty=D(1), key=f"m{number}")


def requests() -> Iterator[Input]:
    """None is ever answered."""
    yield from placed()
    for number in range(1, 2 * MANY):
        yield RequestSent(
            venue="v", order_id="o0", cl_ord_id=f"r{number}", orig_cl_ord_id="c0", request=Request.REPLACE,
            order_qty=D(10), as_of=START + number * SECOND,
        )  # fmt: skip


def refused_requests() -> Iterator[Input]:
    for number, inp in enumerate(requests()):
        yield inp
        if type(inp) is RequestSent:
            yield OrderSnapshot(
                **said(number, cl_ord_id=inp.cl_ord_id),
                orig_cl_ord_id="c0",
                exec_type=ExecType.CANCEL_REJECT,
                key=f"m{number}",
            )


def positions() -> Iterator[Input]:
    yield Restarted(desk="d")
    yield PositionSeen(venue="v", instrument="X", qty=D(0), as_of=1)
    yield from placed()
    for number in range(1, 2 * MANY):
        yield Execution(**said(number), key=f"k{number}", qty=D(1), px=D(5))


def placeholders() -> Iterator[Input]:
    """Each id is printed for two orders."""
    for number in range(1, 2 * MANY):
        for which in "ab":
            yield OrderSnapshot(
                **said(3 * number, order_id=f"p{number}", cl_ord_id=f"c{number}{which}"), exec_type=ExecType.NEW,
                instrument="X", side=Side.BUY, order_qty=D(10), cum_qty=D(0),
            )  # fmt: skip


STREAMS: dict[str, Callable[[], Iterator[Input]]] = {
    "a chain that continues": lambda: chain(Chain.CONTINUES),
    "a chain that restarts": lambda: chain(Chain.RESTARTS),
    "evidence before links": evidence_before_links,
    "keyed reports": keyed,
    "voids": voids,
    "corrections": corrections,
    "corrections of corrections": corrections_of_corrections,
    "charges": charges,
    "lower and lower": lower_and_lower,
    "reductions": reductions,
    "requests": requests,
    "refused requests": refused_requests,
    "positions": positions,
    "placeholders": placeholders,
}


class Written:
    """An engine whose every step is a transaction, and how many bytes each was."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.engine = Engine()
        self.sizes: list[int] = []
        self.now = START

    def take(self, inp: Input) -> None:
        self.now += SECOND
        inp, body = admit(inp, self.now)
        batch = Batch(self.engine)
        effects = self.engine.step(inp, self.now)
        number = len(self.sizes) + 1
        batch.stage(number, inp, self.now, effects, body)
        sealed = batch.seal(self.engine)
        self.store.write(sealed)
        self.sizes.append(
            sum(len(str(cell)) for table, rows in sealed.items() if table != "journal" for row in rows for cell in row)
        )


def most(sizes: list[int], around: int) -> int:
    """The largest of the ten transactions from there on."""
    return max(sizes[around : around + 10])


@pytest.mark.parametrize("what", STREAMS)
def test_what_a_report_writes_does_not_grow(what: str) -> None:
    written = Written(Store(":memory:"))
    inputs = list(islice(STREAMS[what](), 3 * MANY + 100))
    for inp in inputs[: MANY * (3 if "chain" in what else 2)]:
        written.take(inp)
    at_few, at_many = most(written.sizes, 3 * FEW), most(written.sizes, len(written.sizes) - 10)
    assert at_many <= at_few + SPARE, (at_few, at_many)
    # What stands in the tables is the order all the same.
    again = recover(written.store, quiet_ns=1 << 62)
    for number, child in written.engine.children.items():
        back = again.engine.children.get(number) or again.load(number)
        assert back is not None
        assert freeze(back) == freeze(child)
    assert again.engine.shared == written.engine.shared


def test_what_a_report_writes_does_not_grow_with_successors() -> None:
    written = Written(Store(":memory:"))
    written.take(Restarted(desk="d"))
    retry = Resubmit(min_resubmit_size=D(1), max_resubmit_attempts=MANY)
    terms = Terms(
        instrument="X", side=Side.BUY, ord_type=OrdType.LIMIT, time_in_force=TimeInForce.IOC, order_qty=D(100_000), price=D(5)
    )
    written.take(Submit(venue="v", ref="p", terms=terms, resubmit=retry))
    sizes: list[int] = []
    for number in range(MANY):
        desk = written.engine.desk
        child = desk.by_ref["v", "", "p"].children[-1]
        before = len(written.sizes)
        names = {"order_id": f"o{number}", "cl_ord_id": child.cl_ord_id}
        stamp = {"as_of": written.now}
        written.take(
            OrderSnapshot(venue="v", **names, **stamp, exec_type=ExecType.NEW, order_qty=child.order_qty, cum_qty=D(0))
        )
        fill = Execution(venue="v", **names, **stamp, key=f"k{number}", qty=D(1), px=D(5))
        written.take(fill)
        written.take(
            OrderSnapshot(venue="v", **names, **stamp, exec_type=ExecType.CANCELED, ord_status=OrdStatus.CANCELED, cum_qty=D(1))
        )
        sizes.append(max(written.sizes[before:]))
    assert len(written.engine.desk.by_ref["v", "", "p"].children) > MANY - 2
    # A position keeps its last fills, so many at most, each with a number of up to four digits.
    assert sizes[MANY - 2] <= sizes[max(FEW, KEPT)] + SPARE + 2 * KEPT


@pytest.mark.parametrize("what", STREAMS)
def test_a_journal_of_before_opens_and_is_proven_and_goes_on(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = list(islice(STREAMS[what](), 100))
    path = tmp_path / "old.db"
    with monkeypatch.context() as patched:
        # As it was: everything with the order.
        patched.setattr(parts, "FEW", 1 << 60)
        store = Store(path, durable=False)
        old = Written(store)
        for inp in inputs[:80]:
            old.take(inp)
        assert not list(store.rows("SELECT * FROM parts"))
        store.close()
    db = sqlite3.connect(path)
    db.execute("DROP TABLE parts")
    db.execute("PRAGMA user_version = 9")
    db.commit()
    db.close()
    # As nobody has opened it to write yet, and then as somebody has.
    assert verify(path).problems == []
    Store(path).close()
    verdict = verify(path)
    assert (verdict.problems, verdict.hash_live) == ([], verdict.hash_replay)
    store = Store(path, durable=False)
    keeper = recover(store, quiet_ns=1 << 62)
    went_on = Written(store)
    went_on.engine, went_on.now, went_on.sizes = keeper.engine, old.now, list(old.sizes)
    for inp in inputs[80:]:
        keeper.recall(inp)
        went_on.take(inp)
    store.close()
    verdict = verify(path)
    assert (verdict.problems, verdict.hash_live) == ([], verdict.hash_replay)
    stays = Written(Store(":memory:"))
    for inp in inputs:
        stays.take(inp)
    for number, child in stays.engine.children.items():
        here = went_on.engine.children.get(number) or keeper.load(number)
        assert here is not None
        assert freeze(here) == freeze(child)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("DELETE FROM parts WHERE part = 'order_ids' AND key = '3'", "children"),
        ("UPDATE parts SET body = '\"else\"' WHERE part = 'client_ids' AND key = '3'", "children"),
        ("DELETE FROM parts WHERE part = 'ids' AND key = 'c5'", "children"),
        ("INSERT INTO parts VALUES (1, 'left', '77', '\"o\"')", "children"),
        ("INSERT INTO parts VALUES (1, 'other', '0', '1')", "children"),
        ("INSERT INTO parts VALUES (9, 'left', '0', '\"o\"')", "parts"),
        ("INSERT INTO parts VALUES (0, 'shared', '[\"v\",\"\",\"o1\"]', 'null')", "engine"),
    ],
)
def test_a_changed_row_is_found(change: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = Store(path, durable=False)
    written = Written(store)
    for inp in islice(chain(Chain.CONTINUES), 90):
        written.take(inp)
    store.close()
    assert verify(path).ok
    db = sqlite3.connect(path)
    with db:
        assert db.execute(change).rowcount == 1
    db.close()
    assert any(problem.startswith(told) for problem in verify(path).problems)
    # It opens all the same; an order whose rows cannot be read is in quarantine.
    store = Store(path)
    keeper = recover(store)
    assert 1 in keeper.engine.children
    store.close()


def read_back(child: Child, store: dict[tuple[str, str], str]) -> bytes:
    """What a process makes of the rows, once this one has written what it says is new."""
    state, diff = freeze_rest(child)
    if diff is not None:
        if diff.anew:
            store.clear()
        for _, part, key in diff.gone:
            del store[part, key]
        store.update({(part, key): body for _, part, key, body in diff.new})
    rows = [(place, key, packed) for place, ledger in enumerate(child.ledgers) for key, packed in ledger.rows.items()]
    parts_of_it = [(part, key, body) for (part, key), body in sorted(store.items())]
    return freeze(thaw(state, rows, {child.venue: child.rules}, sorted((child.seen or {}).items()), parts_of_it)[0])


def grown(stream: Iterator[Input], inputs: int) -> Child:
    written = Written(Store(":memory:"))
    for inp in islice(stream, inputs):
        written.take(inp)
    (child,) = written.engine.children.values()
    child.saved = None
    return child


def test_what_changes_inside_a_leg_that_was_left_is_written() -> None:
    store: dict[tuple[str, str], str] = {}
    child = grown(chain(Chain.RESTARTS), 60)
    left = child.ledgers[3]
    left.doubt = Doubt(total=D(1))
    assert read_back(child, store) == freeze(child)
    left.doubt.count = 2
    assert read_back(child, store) == freeze(child)
    left.doubt.aside.extend(f"k{number}" for number in range(20))
    assert read_back(child, store) == freeze(child)
    del left.doubt.aside[3:]
    assert read_back(child, store) == freeze(child)
    _, diff = freeze_rest(child)
    assert diff is not None
    assert not diff.new
    # The same after it came back.
    rows = [(place, key, packed) for place, ledger in enumerate(child.ledgers) for key, packed in ledger.rows.items()]
    state, _ = freeze_rest(child)
    back, _ = thaw(state, rows, {}, None, [(part, key, body) for (part, key), body in sorted(store.items())])
    assert back.ledgers[3].doubt is not None
    back.ledgers[3].doubt.count = 5
    _, diff = freeze_rest(back)
    assert diff is not None
    assert [row[1:3] for row in diff.new] == [("ledgers", "3")]


def test_legs_that_are_others_than_before_are_written_anew() -> None:
    store: dict[tuple[str, str], str] = {}
    child = grown(chain(Chain.RESTARTS), 60)
    assert read_back(child, store) == freeze(child)
    child.ledgers[2], child.ledgers[5] = child.ledgers[5], child.ledgers[2]
    state, diff = freeze_rest(child)
    assert diff is not None
    assert diff.anew
    assert len(diff.new) >= len(child.ledgers)
    assert b"ledgers" not in state


def test_a_transaction_takes_out_what_is_written_anew() -> None:
    written = Written(Store(":memory:"))
    for inp in islice(chain(Chain.RESTARTS), 60):
        written.take(inp)
    (child,) = written.engine.children.values()
    child.ledgers[2], child.ledgers[5] = child.ledgers[5], child.ledgers[2]
    last = {"order_id": child.order_id, "cl_ord_id": child.cl_ord_id}
    inp, body = admit(Execution(**said(99, **last), key="more", qty=D(1), px=D(5)), written.now)
    batch = Batch(written.engine)
    batch.stage(99, inp, written.now, written.engine.step(inp, written.now), body)
    sealed = batch.seal(written.engine)
    assert sealed["gone_parts"] == [(child.id,)]
    assert list(sealed) == [table for table in STATEMENTS if table in sealed]


def test_losses_that_do_not_follow_from_the_case_are_written() -> None:
    store: dict[tuple[str, str], str] = {}
    child = grown(voids(), 60)
    assert read_back(child, store) == freeze(child)
    ledger = child.ledger
    assert ledger.cases is not None
    case = ledger.cases["k5"]
    case.void = None
    assert read_back(child, store) == freeze(child)
    assert store["losses/0", "k5"] != "null"
    assert store["losses/0", "k6"] == "null"
