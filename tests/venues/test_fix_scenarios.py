"""The FIX order-state matrices, every one, through the FIX decoder and the engine.

As printed; with every report doubled; with messages that pass each other on the wire swapped; with a restart from the
journal after every message. After every report the status and quantities must be what the specification prints.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from partfill.core.child import Child
from partfill.core.engine import Engine
from partfill.journal.batch import Batch
from partfill.journal.recovery import recover
from partfill.journal.store import Store
from partfill.model.codec import to_json
from partfill.model.events import Alarm, AlarmKind
from partfill.model.words import Flag
from partfill.venues.decoding import Message
from partfill.venues.fix.decoder import FixDecoder
from tests.fix_scenarios import SHARED, Row, Scenario, scenarios

ALL = scenarios()
BY_ID = pytest.mark.parametrize("scenario", ALL, ids=[each.id for each in ALL])
Feed = Callable[[Message], Child | None]


def live() -> Feed:
    """One engine that stays in memory."""
    engine = Engine()

    def feed(message: Message) -> Child | None:
        child = None
        for inp in message.inputs:
            effects = engine.step(inp, message.at)
            child = effects.child or child
            broken = [e for e in effects.events if isinstance(e, Alarm) and e.kind is AlarmKind.INVARIANT]
            assert not broken
        return child

    return feed


def restarting(path: Path) -> Feed:
    """A new engine for every message, recovered from what the journal file holds."""

    def feed(message: Message) -> Child | None:
        store = Store(path, durable=False)
        keeper = recover(store)
        batch = Batch(keeper.engine)
        child = None
        for number, inp in enumerate(message.inputs, store.last_seq() + 1):
            keeper.recall(inp)
            effects = keeper.engine.step(inp, message.at)
            batch.stage(number, inp, message.at, effects, to_json(inp))
            child = effects.child or child
        store.write(batch.seal(keeper.engine))
        store.close()
        return child

    return feed


def play(rows: list[Row], feed: Feed, *, doubled: bool = False) -> None:
    decoder = FixDecoder()
    for row in rows:
        for _ in range(2 if doubled and row.is_report else 1):
            child = None
            for message in decoder.decode(row.line, 1):
                child = feed(message)
            check(row, child)


def check(row: Row, child: Child | None) -> None:
    if not row.expected:
        return
    if child is None:
        # No such order: the specification prints Rejected and zeros.
        assert row.expected.get("ord_status") == "Rejected", row.where
        return
    assert not child.flags & Flag.QUARANTINED, row.where
    got: dict[str, Any] = {
        "ord_status": child.status.value,
        "order_qty": child.order_qty,
        "cum_qty": child.cum,
        "leaves_qty": child.leaves,
        "avg_px": child.avg_px,
        "day_order_qty": child.day_order_qty,
        "day_cum_qty": child.day_cum_qty,
    }
    for name, printed in row.expected.items():
        if name == "ord_status":
            assert got[name] == printed, f"{row.where}: {name}"
        elif name in got:
            assert got[name] == Decimal(printed), f"{row.where}: {name}"


def branches(scenario: Scenario) -> list[list[Row]]:
    """The path, and the path up to each alternative with that alternative at its end."""
    return [scenario.path, *([*scenario.path[:at], row] for at, row in scenario.alternatives)]


@BY_ID
def test_as_printed(scenario: Scenario) -> None:
    for rows in branches(scenario):
        play(rows, live())


@BY_ID
def test_every_report_doubled(scenario: Scenario) -> None:
    for rows in branches(scenario):
        play(rows, live(), doubled=True)


def test_messages_that_cross_on_the_wire_may_come_in_either_order() -> None:
    swapped = 0
    for scenario in ALL:
        for at in range(len(scenario.path) - 1):
            one, two = scenario.path[at : at + 2]
            if one.crosses and two.crosses:
                rows = [*scenario.path[:at], two, one, *scenario.path[at + 2 :]]
                play(rows, live())
                swapped += 1
    # The messages that cross are in groups B and C, which the shared file holds.
    assert swapped > 0 or not SHARED.is_file()


@BY_ID
def test_restart_from_the_journal_after_every_message(scenario: Scenario, tmp_path: Path) -> None:
    for number, rows in enumerate(branches(scenario)):
        play(rows, restarting(tmp_path / f"{number}.db"))


def test_every_group_of_the_specification_is_played() -> None:
    groups = {each.id.split("-")[1][0] for each in ALL if each.id.startswith("D4.4")}
    missing = set("ABCDEFGHIJKL") - groups
    # The shared file holds A, B, C and I.
    assert missing == (set() if SHARED.is_file() else set("ABCI"))
