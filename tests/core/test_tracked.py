"""Orders that are to be kept, said once and said again: under a known ref nothing but that order is ever given."""

from __future__ import annotations

from typing import Any

import pytest

from partfill.core.lives import DAY_NS
from partfill.model.capabilities import Capabilities, IdScope
from partfill.model.commands import Track
from partfill.model.events import CommandRefused
from partfill.model.observations import Execution
from partfill.model.words import ExecType, OrdStatus, Side
from tests.core.driven import TOTAL, VENUE, D, Driven, terms


def track(desk: Driven, ref: str = "1", of: Any = None, **names: str) -> str | None:
    """Track an order; why it was refused, None where it was not."""
    effects = desk.feed(Track(venue=VENUE, ref=ref, terms=terms() if of is None else of, **names))
    return next((event.reason for event in effects.events if isinstance(event, CommandRefused)), None)


def test_the_same_said_again_is_the_same_order() -> None:
    desk = Driven(TOTAL)
    assert track(desk, order_id="1", cl_ord_id="c") is None
    for names in ({"order_id": "1"}, {"cl_ord_id": "c"}, {"order_id": "1", "cl_ord_id": "c"}):
        assert track(desk, **names) is None
    assert len(desk.engine.desk.parents) == len(desk.engine.children) == 1


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"side": Side.SELL}, "side buy, not sell"),
        ({"instrument": "OTHER"}, "instrument ACME, not OTHER"),
        ({"qty": "20"}, "order_qty 10, not 20"),
        ({"price": "101"}, "price 100, not 101"),
    ],
)
def test_an_id_that_a_broker_uses_again_is_not_shown_the_order_that_had_it(other: dict[str, Any], says: str) -> None:
    desk = Driven(TOTAL)
    assert track(desk, order_id="1") is None
    why = track(desk, of=terms(**other), order_id="1")
    assert why is not None
    assert says in why
    assert len(desk.engine.desk.parents) == 1


def test_other_ids_are_another_order() -> None:
    desk = Driven(TOTAL)
    assert track(desk, ref="mine", order_id="1", cl_ord_id="c") is None
    assert track(desk, ref="mine", order_id="2") == (
        "ref mine is an order with other ids already (1, c), not order id 2; use a ref of its own"
    )
    why = track(desk, ref="mine", order_id="c", cl_ord_id="1")
    assert why is not None, "a client id is no order id"
    assert "not order id c and client id 1" in why
    assert track(desk, ref="theirs", order_id="2") is None


def test_a_venue_id_that_is_told_later_is_taken() -> None:
    desk = Driven(TOTAL)
    assert track(desk, cl_ord_id="c") is None
    desk.feed(Execution(venue=VENUE, order_id="9", key="k1", qty=D(3), px=D(100)))
    assert track(desk, ref="1", cl_ord_id="c", order_id="9") is None
    desk.feed(Execution(venue=VENUE, order_id="9", key="k2", qty=D(2), px=D(100)))
    (child,) = desk.engine.children.values()
    assert (child.order_id, child.cum) == ("9", D(5)), "what came before it was known is booked too"
    assert track(desk, cl_ord_id="c", order_id="9") is None


def test_an_id_of_another_order_is_not_taken() -> None:
    desk = Driven(TOTAL)
    assert track(desk, ref="a", order_id="7", cl_ord_id="x") is None
    assert track(desk, ref="b", cl_ord_id="y") is None
    why = track(desk, ref="b", cl_ord_id="y", order_id="7")
    assert why is not None
    assert "of two orders: one of them is of a" in why
    assert [child.order_ids for child in desk.engine.children.values()] == [("7",), ()]


@pytest.mark.parametrize("kind", ["order_id", "cl_ord_id"])
def test_an_id_with_any_sign_in_it_is_said_again_too(kind: str) -> None:
    desk = Driven(TOTAL)
    for _ in range(2):
        assert track(desk, ref="m", **{kind: "x[/b]\x1b[31m\x1fq"}) is None


def test_an_order_whose_id_is_of_two_instruments_is_said_again_too() -> None:
    desk = Driven(TOTAL)
    assert track(desk, ref="a", order_id="1") is None
    assert track(desk, ref="b", of=terms(instrument="OTHER"), order_id="1") is None
    for ref, of in (("a", terms()), ("b", terms(instrument="OTHER"))):
        assert track(desk, ref=ref, of=of, order_id="1") is None
    assert len(desk.engine.desk.parents) == 2


@pytest.mark.parametrize("later", [0, 1])
@pytest.mark.parametrize("ended", [False, True])
def test_where_ids_are_for_a_day_an_order_that_has_ended_is_not_given_for_todays(later: int, ended: bool) -> None:
    desk = Driven(Capabilities(id_scope=IdScope.DAY))
    assert track(desk, order_id="1") is None
    if ended:
        desk.feed(desk.report(ExecType.CANCELED, "1", None, ord_status=OrdStatus.CANCELED, order_qty="10", leaves_qty="0"))
    desk.now += later * DAY_NS
    why = track(desk, order_id="1")
    if later and ended:
        assert why is not None
        assert "of an earlier day" in why
        assert track(desk, ref="today", order_id="1") is None
        for key, at in (("k1", desk.now), ("k2", desk.now - DAY_NS)):
            desk.feed(Execution(venue=VENUE, order_id="1", key=key, qty=D(4), px=D(100), as_of=at))
        filled = {ref: desk.engine.desk.by_ref[VENUE, "", ref].children[0].cum for ref in ("1", "today")}
        assert filled == {"1": D(4), "today": D(4)}, "each day's fill is of that day's order"
    else:
        assert why is None
