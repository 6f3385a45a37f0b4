"""Venues without execution ids: their complete list and their own total win over names that are made here."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partfill.core.engine import Engine
from partfill.journal.state import freeze, thaw
from partfill.model.capabilities import Capabilities
from partfill.model.events import AlarmKind, Fill, Reversal
from partfill.model.inputs import VenueDeclared
from partfill.model.words import ExecType, Flag, OrdStatus
from partfill.runtime.audit import Audit
from partfill.venues.schwab.decoder import SchwabDecoder
from tests.core.driven import SECOND, VENUE, D, Driven, execution, working

MADE = Capabilities(executions_complete=True, keys_made=True)
LAG = 3 * SECOND


def lists(desk: Driven, *keys: tuple[str, str], total: str | None = None, at: int | None = None, asked: bool = True,
          **also: Any) -> None:  # fmt: skip
    """An answer: its list, and its own total."""
    desk.now += SECOND
    told = desk.now if at is None else at
    whole = sum((Decimal(qty) for _, qty in keys), Decimal(0)) if total is None else D(total)
    listed = tuple(execution(key, qty) for key, qty in keys)
    stamp = {"asked": told} if asked else {}
    desk.feed(desk.report(None, ord_status=OrdStatus.PARTIALLY_FILLED, cum_qty=whole, executions=listed, as_of=told, **stamp,
                          **also))  # fmt: skip


def net(desk: Driven) -> Decimal:
    found = Decimal(0)
    for event in desk.events:
        found += event.qty if type(event) is Fill else -event.qty if type(event) is Reversal else 0
    return found


def state(desk: Driven) -> tuple[Decimal, Decimal, Decimal]:
    child = desk.child()
    assert net(desk) == child.cum
    ledger = child.ledger
    assert ledger.recount() == (ledger.itemised, ledger.notional, ledger.unpriced, ledger.count)
    assert ledger.notional == 100 * ledger.itemised
    return child.cum, child.ledger.itemised, child.leaves


def test_an_activity_that_grows_from_one_row_to_two_counts_3_of_10() -> None:
    desk = working(MADE)
    lists(desk, ("A", "2"))
    lists(desk, ("A/1", "2"), ("A/2", "1"))
    assert state(desk) == (3, 3, 7)
    for _ in range(3):
        lists(desk, ("A/1", "2"), ("A/2", "1"))
    assert state(desk) == (3, 3, 7)
    assert desk.alarms(AlarmKind.KEY_CONFLICT) == []
    assert not desk.child().flags & (Flag.SUSPECTED | Flag.VANISHED)


def test_a_list_without_ids_that_comes_back_in_another_order() -> None:
    desk = working(MADE)
    for order in itertools.permutations(["5", "3", "1"]):
        lists(desk, *((f"#{place}", qty) for place, qty in enumerate(order, 1)))
        assert state(desk) == (9, 9, 1)
    assert desk.alarms(AlarmKind.KEY_CONFLICT) == []


def test_names_that_come_back_count_again() -> None:
    desk = working(MADE)
    for keys in ([("A", "2")], [("A/1", "2"), ("A/2", "1")], [("A", "3")], [("A/1", "2"), ("A/2", "2")], [("A", "4")]):
        lists(desk, *keys)
        assert state(desk)[:2] == (sum(D(qty) for _, qty in keys), sum(D(qty) for _, qty in keys))


def test_an_older_list_adds_nothing_in_either_order() -> None:
    desk = working(MADE)
    at = desk.now
    lists(desk, ("A/1", "2"), ("A/2", "1"), at=at + 10 * SECOND)
    lists(desk, ("A", "2"), at=at + 5 * SECOND)
    assert state(desk) == (3, 3, 7)


def test_a_list_that_lags_is_weighed_like_every_low_answer() -> None:
    desk = working(MADE)
    lists(desk, ("A/1", "2"), ("A/2", "1"))
    desk.now += LAG
    lists(desk, ("A", "2"))
    assert state(desk) == (3, 3, 7)
    assert desk.child().flags & Flag.SUSPECTED
    lists(desk, ("A/1", "2"), ("A/2", "1"))
    assert state(desk) == (3, 3, 7)
    assert not desk.child().flags & Flag.SUSPECTED


def test_a_list_that_does_not_add_up_to_its_total_changes_no_names() -> None:
    desk = working(MADE)
    lists(desk, ("A", "2"))
    lists(desk, ("B", "1"), total="2")
    assert desk.child().ledger.itemised == 3


def test_elsewhere_keys_are_the_venues_own_and_stay() -> None:
    desk = working(Capabilities(executions_complete=True))
    lists(desk, ("A", "2"))
    lists(desk, ("A/1", "2"), ("A/2", "1"))
    assert desk.child().cum == 5


def test_the_end_comes_with_a_last_list() -> None:
    desk = working(MADE)
    lists(desk, ("A", "2"))
    lists(desk, ("A/1", "2"), ("A/2", "1"))
    desk.feed(desk.report(ExecType.CANCELED, cum_qty="3", leaves_qty="0", as_of=desk.now))
    assert (desk.child().cum, desk.child().leaves, desk.child().canceled_qty) == (3, 0, 7)


@given(st.lists(st.lists(st.integers(1, 4), min_size=0, max_size=4), min_size=1, max_size=6), st.randoms())
def test_the_newest_list_is_what_counts_whatever_the_names(fills: list[list[int]], random: Any) -> None:
    """Lists of a venue whose total never falls, under random names, doubled and with old ones in between, and a restart."""
    desk = working(MADE, "1000")
    at, sent, most = desk.now, [], Decimal(0)
    for count, parts in enumerate(fills):
        whole = Decimal(sum(parts))
        if whole < most:
            continue
        most = whole
        names = random.sample([f"#{n}" for n in range(6)], len(parts))
        keys = tuple((name, str(part)) for name, part in zip(names, parts, strict=True))
        sent.append((keys, at + count * SECOND))
        for again in (sent[-1], random.choice(sent), sent[-1]):
            lists(desk, *again[0], at=again[1], asked=False)
            child = desk.child()
            rows = [(0, key, packed) for key, packed in child.ledger.rows.items()]
            back, _ = thaw(freeze(child), rows, {child.venue: child.rules})
            assert freeze(back) == freeze(child)
        assert state(desk)[:2] == (most, most)


# ---------------------------------------------------------------------- the recorded venue of that kind


def activity(*parts: tuple[str, str], number: int | None = 7) -> dict[str, Any]:
    rows = [{"legId": 1, "quantity": float(qty), "price": float(px), "time": "2026-11-27T15:00:00+0000"} for qty, px in parts]
    whole = sum(float(qty) for qty, _ in parts)
    said = {"activityType": "EXECUTION", "executionType": "FILL", "quantity": whole, "executionLegs": rows}
    return said if number is None else said | {"activityId": number}


def order(*activities: dict[str, Any], filled: float, word: str = "WORKING", at: str = "2026-11-27T15:00:00+0000") -> str:
    leg = {"legId": 1, "instruction": "BUY", "instrument": {"symbol": "ACME"}, "quantity": 10.0}
    return json.dumps(
        {
            "orderId": 77, "status": word, "quantity": 10.0, "filledQuantity": filled, "remainingQuantity": 10 - filled,
            "orderType": "LIMIT", "price": 5.0, "enteredTime": at, "orderLegCollection": [leg], "duration": "DAY",
            "orderActivityCollection": list(activities), "accountNumber": 123,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    "answers",
    [
        [order(activity(("2", "5")), filled=2), order(activity(("2", "5"), ("1", "5")), filled=3)],
        [
            order(activity(("2", "5"), number=None), activity(("1", "4"), number=None), filled=3),
            order(activity(("1", "4"), number=None), activity(("2", "5"), number=None), filled=3),
        ],
    ],
    ids=["grows", "another order"],
)
def test_an_audit_of_such_answers(answers: list[str], tmp_path: Path) -> None:
    audit = Audit(SchwabDecoder())
    audit.run(iter([(number, raw) for number, raw in enumerate(answers * 2, 1)]))
    (row,) = audit.orders()
    assert (row["cum_qty"], row["leaves_qty"], row["executions"]) == ("3", "7", 2)
    audit.close()


def test_a_declaration_of_before_says_no() -> None:
    engine = Engine()
    engine.step(VenueDeclared(venue=VENUE, capabilities=Capabilities()), 1)
    assert not engine.rules[VENUE].keys_made


def test_what_a_list_has_more_of_under_other_names_is_of_no_one_execution() -> None:
    desk = working(MADE)
    lists(desk, ("A", "2"), ("B", "1"))
    desk.events.clear()
    lists(desk, ("C", "2"), ("D", "2"), avg_px="103")
    (event,) = [event for event in desk.events if type(event) is Fill]
    assert (event.qty, event.key, event.px, event.approximate, event.cum_qty) == (1, None, 103, True, 4)
    assert (desk.child().cum, desk.child().ledger.itemised) == (4, 4)
