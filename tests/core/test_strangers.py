"""Orders of others at venues that know no id of ours: which is never taken for ours, and which is."""

from __future__ import annotations

from typing import Any

import pytest

from partfill.core.waiting import MANY
from partfill.model.capabilities import Capabilities, ClientId
from partfill.model.events import AlarmKind
from partfill.model.observations import OrderSnapshot
from partfill.model.operations import Cancel, Place, Query
from partfill.model.words import ExecType, OrdStatus, Side
from partfill.venues.matching import SKEW_NS, Listed, candidates
from tests.core.driven import SECOND, VENUE, D, Driven, rule, terms

ANONYMOUS = Capabilities(client_id=ClientId.NONE, end_is_final=False)
OURS: dict[str, Any] = {"instrument": "ACME", "side": Side.BUY, "order_qty": D(10), "price": D(100)}


def lost(*before: str, rules: Capabilities = ANONYMOUS) -> tuple[Driven, Query]:
    """An order whose reply was lost; orders with just its terms were there before. Returns the question about it."""
    desk = Driven(rules)
    for name in before:
        desk.feed(desk.report(None, name, ord_status=OrdStatus.NEW, leaves_qty="10", cum_qty="0", **OURS))
    (place,) = desk.submit(resubmit=rule())
    desk.unknown(place)
    (query,) = desk.wait()
    assert isinstance(query, Query)
    return desk, query


def shown(desk: Driven, name: str) -> OrderSnapshot:
    return desk.report(None, name, ord_status=OrdStatus.NEW, leaves_qty="10", cum_qty="0", **OURS)


def test_no_client_ids_and_an_order_that_was_open_before_ours_left_has_our_terms() -> None:
    desk, query = lost("S1")
    assert query.others == ("S1",)
    desk.looked(query, shown(desk, "S1"))
    assert desk.child().order_id is None
    assert desk.engine.index.by_order[VENUE, "", "S1"].child is not desk.child()
    (said,) = desk.alarms(AlarmKind.ID_CONFLICT)
    assert "S1 was there before" in said
    desk.stop()
    assert all(cancel.order_id != "S1" for cancel in desk.sent(Cancel))
    # It is asked for again, and once the venue's side leaves the stranger out it is proven that ours never arrived.
    desk.wait(30 * SECOND)
    desk.looked(desk.last(Query))
    assert desk.outcomes() == [("canceled", D(0))]
    assert desk.parent().exposure == 0


def test_it_is_told_once_and_nothing_is_placed_meanwhile() -> None:
    desk, query = lost("S1")
    todo: list[Any] = [query]
    for _ in range(4 * MANY):
        for op in todo:
            if isinstance(op, Query):
                desk.looked(op, shown(desk, "S1"))
        todo = desk.wait(40 * SECOND)
    assert len(desk.alarms(AlarmKind.ID_CONFLICT)) == 1
    assert len(desk.sent(Place)) == 1
    assert desk.parent().exposure == 10


def test_an_order_that_came_after_ours_left_is_ours() -> None:
    desk, query = lost("S1")
    desk.feed(desk.report(ExecType.NEW, "O2", ord_status=OrdStatus.NEW, leaves_qty="10", **OURS))
    desk.looked(query, shown(desk, "O2"))
    assert desk.child().order_id == "O2"
    assert desk.alarms(AlarmKind.ID_CONFLICT) == []


def test_two_candidates_and_neither_is_taken() -> None:
    desk, query = lost()
    desk.looked(query, candidates=("O2", "O3"))
    assert desk.child().order_id is None
    assert desk.parent().exposure == 10
    (said,) = desk.alarms(AlarmKind.ID_CONFLICT)
    assert "O2, O3" in said
    fresh = desk.wait(30 * SECOND)
    again = next(op for op in fresh if isinstance(op, Query))
    desk.looked(again, shown(desk, "O3"), candidates=("O3",))
    assert desk.child().order_id == "O3"


def test_one_candidate_named_twice_is_one() -> None:
    desk, query = lost()
    desk.looked(query, shown(desk, "O3"), candidates=("O3", "O3"))
    assert desk.child().order_id == "O3"


def test_an_order_of_ours_that_has_its_id_is_no_candidate_either() -> None:
    desk = Driven(ANONYMOUS)
    desk.submit(ref="first")
    desk.acknowledge(order_id="O1")
    (place,) = desk.submit(ref="second")
    desk.unknown(place)
    (query,) = [op for op in desk.wait() if isinstance(op, Query)]
    assert query.others == ("O1",)


@pytest.mark.parametrize("kind", [ClientId.UNIQUE, ClientId.TAG])
def test_where_the_venue_knows_our_ids_nothing_is_left_out(kind: ClientId) -> None:
    _, query = lost("S1", rules=Capabilities(client_id=kind))
    assert query.others == ()


# ---------------------------------------------------------------------- the venue's side


def asked(**also: Any) -> Query:
    said: dict[str, Any] = {"cl_ord_id": "d1-1", "order_id": None, "since": 100 * SECOND} | also
    return Query(venue=VENUE, account="", instrument="ACME", order=1, terms=terms(), **said)


def listed(name: str, created: int | None = None, **also: Any) -> Listed:
    return Listed(OrderSnapshot(venue=VENUE, order_id=name, **(OURS | also)), created)


def names(op: Query, *orders: Listed) -> list[str | None]:
    return [order.order_id for order in candidates(op, orders)]


def test_the_same_terms_and_not_there_before() -> None:
    orders = (listed("a"), listed("b"), listed("a"))
    assert names(asked(), *orders) == ["a", "b"]
    assert names(asked(others=("a",)), *orders) == ["b"]
    assert names(asked(others=("a", "b")), *orders) == []


@pytest.mark.parametrize("also", [{"instrument": "OTHER"}, {"side": Side.SELL}, {"order_qty": D(11)}, {"price": D(101)}])
def test_other_terms_are_another_order(also: dict[str, Any]) -> None:
    assert names(asked(), listed("a", **also)) == []
    assert names(asked(), listed("a", **dict.fromkeys(also))) == ["a"]


def test_a_creation_time_decides_beyond_the_skew_of_clocks() -> None:
    since = 100 * SECOND
    assert names(asked(), listed("a", since - SKEW_NS), listed("b", since - SKEW_NS - 1), listed("c", since)) == ["a", "c"]
