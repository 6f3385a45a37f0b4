"""A broken invariant stops one order, loudly, and no other. The orders here are damaged by hand."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from partfill.core.child import Child
from partfill.core.engine import Engine
from partfill.core.invariants import Broken, check, check_whole
from partfill.core.rows import pack_plain
from partfill.journal.state import freeze
from partfill.model.events import Alarm, AlarmKind
from partfill.model.inputs import Input
from partfill.model.numbers import ZERO
from partfill.model.words import ExecType, Flag, OrdStatus
from tests.core.evidence import fill, placed, report

D = Decimal


def two_orders() -> tuple[Engine, Child, Child]:
    """An engine with two working orders of 10, each with 2 filled."""
    engine = Engine()
    other = placed("10", order_id="O2", cl_ord_id="c2")
    for said in (placed("10"), other, fill("x", "2"), fill("x", "2", order_id="O2")):
        engine.step(said, 1)
    return engine, engine.children[1], engine.children[2]


def alarms(engine: Engine, said: Input) -> list[str]:
    return [e.text for e in engine.step(said, 2).events if isinstance(e, Alarm) and e.kind is AlarmKind.INVARIANT]


def more_itemised(child: Child) -> None:
    child.ledger.itemised += 1


def other_notional(child: Child) -> None:
    child.ledger.notional += 1_000_000


DAMAGE = pytest.mark.parametrize("damage", [more_itemised, other_notional])


@DAMAGE
def test_a_damaged_order_is_quarantined_and_says_which_invariant_broke(damage: Callable[[Child], None]) -> None:
    engine, child, _ = two_orders()
    damage(child)
    (text,) = alarms(engine, fill("y", "1"))
    assert text.startswith("invariant 3 average: ")
    assert child.flags & Flag.QUARANTINED
    assert engine.counters.quarantined == 1


def test_nothing_is_applied_to_an_order_in_quarantine() -> None:
    engine, child, _ = two_orders()
    more_itemised(child)
    engine.step(fill("y", "1"), 2)
    before = freeze(child)
    for said in (fill("z", "1"), report(ExecType.CANCELED, key="e"), placed("10"), fill("z", "1", cl_ord_id="c1")):
        effects = engine.step(said, 3)
        assert (effects.child, effects.events, effects.rows) == (None, [], [])
    assert freeze(child) == before
    assert engine.counters.held == 4


def test_the_other_orders_go_on() -> None:
    engine, child, other = two_orders()
    more_itemised(child)
    engine.step(fill("y", "1"), 2)
    engine.step(fill("y", "8", order_id="O2"), 3)
    assert (other.cum, other.status, other.flags & Flag.QUARANTINED) == (10, OrdStatus.FILLED, 0)


def test_quarantine_is_alarmed_once() -> None:
    engine, child, _ = two_orders()
    more_itemised(child)
    assert len(alarms(engine, fill("y", "1"))) == 1
    assert alarms(engine, fill("z", "1")) == []


def test_a_sound_order_passes() -> None:
    _, child, _ = two_orders()
    check(child, child.ledger, child.cum, ZERO)
    check_whole(child)


def break_leaves(child: Child) -> None:
    child.leaves = D(9)


def break_leaves_after_the_end(child: Child) -> None:
    child.facts |= 1 << 6


def break_status(child: Child) -> None:
    child.status, child.leaves = OrdStatus.FILLED, ZERO


def break_cum(child: Child) -> None:
    child.ledger.cum = D(3)


@pytest.mark.parametrize(
    ("damage", "number"),
    [(break_cum, "1"), (other_notional, "3"), (break_leaves_after_the_end, "4"), (break_leaves, "5"), (break_status, "7")],
)
def test_each_invariant_is_named_by_its_number(damage: Callable[[Child], None], number: str) -> None:
    _, child, _ = two_orders()
    damage(child)
    with pytest.raises(Broken, match=f"^{number} "):
        check(child, child.ledger, child.cum, ZERO)


def test_what_is_published_has_to_be_what_filled() -> None:
    _, child, _ = two_orders()
    with pytest.raises(Broken, match=r"^1 ledger: cum went from 0 to 2 and 1 was published"):
        check(child, child.ledger, ZERO, D(1))


def test_the_whole_check_finds_a_row_that_was_changed() -> None:
    _, child, _ = two_orders()
    child.ledger.rows["x"] = pack_plain(D(3), D(100))
    with pytest.raises(Broken, match="rows add up to 3 units"):
        check_whole(child)


def test_the_whole_check_finds_a_row_that_is_gone() -> None:
    _, child, _ = two_orders()
    child.ledger.rows.clear()
    with pytest.raises(Broken, match="rows add up to 0 units"):
        check_whole(child)


def test_the_whole_check_finds_ledgers_that_are_not_the_order() -> None:
    _, child, _ = two_orders()
    child.cum = D(5)
    with pytest.raises(Broken, match="ledgers add up to 2, the order says 5"):
        check_whole(child)
