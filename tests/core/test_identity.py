"""Ids are evidence of identity: repeats, placeholders, contradictions, ids that begin anew, links in any order of arrival."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from typing import Any

import msgspec
import pytest

from partfill.core.child import Child
from partfill.model.capabilities import Capabilities, Chain, IdScope, ReplaceQty
from partfill.model.events import AlarmKind
from partfill.model.inputs import Input, OrderPlaced, RequestSent
from partfill.model.observations import Execution, OrderLinked, OrderSnapshot
from partfill.model.terms import Terms
from partfill.model.words import ExecType, Flag, OrdStatus, Request, Side, TimeInForce
from tests.core.driven import Driven
from tests.core.evidence import VENUE, D, Desk, fill, placed, void

NEW, TRADE, CANCELED, REPLACED = ExecType.NEW, ExecType.TRADE, ExecType.CANCELED, ExecType.REPLACED
DAY = 86_400_000_000_000
T0 = 20_000 * DAY


def said(kind: ExecType, order_id: str | None = "O1", cl: str | None = None, at: int = 0, **also: Any) -> OrderSnapshot:
    """A report of the venue, stamped `at` ns after T0."""
    numbers = {name: D(value) for name, value in also.items() if isinstance(value, str) and name.endswith("_qty")}
    return OrderSnapshot(venue=VENUE, order_id=order_id, cl_ord_id=cl, exec_type=kind, as_of=T0 + at, **(also | numbers))


def opened(order_id: str | None = "O1", cl: str | None = None, at: int = 0, qty: str = "10", **also: Any) -> OrderSnapshot:
    named: dict[str, Any] = {"instrument": "ACME", "side": Side.BUY, "ord_status": OrdStatus.NEW} | also
    return said(NEW, order_id, cl, at, order_qty=qty, cum_qty="0", **named)


def trade(key: str, qty: str, cum: str | None = None, at: int = 0, order_id: str | None = "O1", **also: Any) -> OrderSnapshot:
    """A trade report under message key `key`, which is its execution's key too."""
    cl = also.pop("cl", None)
    each = Execution(venue=VENUE, order_id=order_id, cl_ord_id=cl, key=key, qty=D(qty), px=D("5"), as_of=T0 + at)
    return said(TRADE, order_id, cl, at, key=key, cum_qty=cum, executions=(each,), **also)


def later(engine_desk: Desk) -> Desk:
    """The clock of this desk runs after every stamp here."""
    engine_desk.now = T0 + 100 * DAY
    return engine_desk


def desk(*inputs: Input, rules: Capabilities | None = None) -> Desk:
    made = later(Desk(rules))
    made.hear(*inputs)
    return made


def orders(heard: Desk) -> list[Child]:
    return list(heard.engine.children.values())


# ---------------------------------------------------------------------- three parts of a report


def test_exec_id_not_unique_a_known_key_with_another_total_is_evidence() -> None:
    heard = desk(
        opened(key="716"), trade("716", "4", "4", 1, leaves_qty="6"), trade("716", "4", "8", 2, leaves_qty="2")
    )  # fmt: skip
    child = heard.child
    assert (child.cum, child.ledger.itemised, child.leaves) == (8, 4, 2)
    assert child.flags & Flag.KEY_REUSED
    assert len(heard.alarms(AlarmKind.KEY_REUSED)) == 1


def test_an_end_under_the_key_of_the_last_fill_ends_the_order() -> None:
    heard = desk(opened(), trade("E1", "4", "4", 1), said(CANCELED, at=2, key="E1", leaves_qty="0"))
    assert (heard.child.status, heard.child.cum, heard.child.leaves) == (OrdStatus.CANCELED, 4, 0)
    assert heard.alarms(AlarmKind.KEY_REUSED)


@pytest.mark.parametrize("again", [1, 9, 10 * DAY])
def test_a_report_that_says_the_same_again_counts_nothing_whatever_its_stamp(again: int) -> None:
    first = trade("E1", "4", "4", 1, venue_time=T0)
    heard = desk(opened(), first, void("E1", as_of=T0 + 5), trade("E1", "4", "4", again, venue_time=T0))
    assert (heard.child.cum, heard.alarms(AlarmKind.KEY_REUSED)) == (0, [])
    heard.restart()
    heard.hear(trade("E1", "4", "4", again + 1, venue_time=T0))
    assert heard.child.cum == 0


@pytest.mark.parametrize("restart", [False, True])
def test_what_would_count_twice_under_a_known_key_counts_once(restart: bool) -> None:
    off = said(ExecType.RESTATED, at=3, key="K", restatement="decline", reduced_qty="2")
    heard = desk(opened(), off)
    if restart:
        heard.restart()
    heard.hear(said(ExecType.RESTATED, at=4, key="K", restatement="decline", reduced_qty="2", reason="told again"))
    assert (heard.child.order_qty, heard.child.leaves) == (8, 8)
    assert heard.child.flags & Flag.KEY_REUSED


def test_a_split_under_a_known_key_multiplies_once() -> None:
    split = {"restatement": "split", "order_qty": "20", "cum_qty": "8"}
    heard = desk(opened(), trade("E1", "4", "4", 1), said(ExecType.RESTATED, at=2, key="S", **split))
    heard.hear(said(ExecType.RESTATED, at=3, key="S", reason="again", **split))
    assert (heard.child.order_qty, heard.child.cum) == (20, 8)


def test_a_replace_to_an_open_quantity_under_a_known_key_counts_once() -> None:
    rules = Capabilities(replace_qty=ReplaceQty.OPEN)
    heard = desk(opened(cl="A"), trade("E1", "4", "4", 1), rules=rules)
    heard.hear(said(REPLACED, at=2, key="R", order_qty="10"), said(REPLACED, at=4, key="R", order_qty="10", reason="again"))
    assert (heard.child.order_qty, heard.child.leaves) == (14, 10)


# ---------------------------------------------------------------------- placeholders


@pytest.mark.parametrize("blank", ["", " ", "   "])
def test_a_blank_id_is_no_id(blank: str) -> None:
    heard = desk(opened(blank, "R1"), opened("O7", "R1", 1), opened(blank, "R2", 2), said(CANCELED, blank, "R2", 3))
    assert [(child.cl_ord_id, child.order_id, child.leaves) for child in orders(heard)] == [("R1", "O7", 10), ("R2", None, 0)]


@pytest.mark.parametrize("placed_first", [True, False])
def test_an_id_that_two_orders_have_is_none_from_the_message_that_shows_it(placed_first: bool) -> None:
    heard = desk(opened("5", "R1"))
    if placed_first:
        heard.hear(placed("20", order_id=None, cl_ord_id="R2"))
    heard.hear(opened("5", "R2", 1, qty="20"), said(CANCELED, "5", "R2", 2), trade("E1", "4", "4", 3, "5", cl="R1"))
    heard.restart()
    heard.hear(trade("E2", "1", "5", 4, "5", cl="R1"))
    one, two = orders(heard)
    assert (one.cl_ord_id, one.cum, one.leaves, two.cl_ord_id, two.cum, two.leaves) == ("R1", 5, 5, "R2", 0, 0)
    assert len(heard.alarms(AlarmKind.ID_SHARED)) == 1


def test_a_request_of_ours_under_a_new_id_does_not_make_the_order_id_a_placeholder() -> None:
    sent = RequestSent(venue=VENUE, request=Request.REPLACE, cl_ord_id="B", orig_cl_ord_id="A")
    heard = desk(opened("5", "A"), sent, said(REPLACED, "5", "B", 1, orig_cl_ord_id="A", order_qty="12"))
    heard.hear(opened("5", "B", 2, qty="12"))
    assert (len(orders(heard)), heard.child.order_qty) == (1, 12)
    assert not heard.alarms(AlarmKind.ID_SHARED)


# ---------------------------------------------------------------------- contradictions

OTHERS = [{"instrument": "ZETA"}, {"side": Side.SELL}, {"instrument": "ZETA", "side": Side.SELL}]


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("restart", [False, True])
def test_an_execution_of_another_instrument_or_side_is_parked_and_counts_nowhere(other: dict[str, Any], restart: bool) -> None:
    heard = desk(opened(), fill("x", "3", instrument="ACME", side=Side.BUY))
    heard.hear(fill("y", "4", **({"instrument": "ACME", "side": Side.BUY} | other)))
    if restart:
        heard.restart()
    heard.hear(fill("z", "1", **({"instrument": "ACME", "side": Side.BUY} | other)))
    mine, parked = orders(heard)
    assert (mine.cum, parked.cum, parked.known) == (3, 5, False)
    assert len(heard.alarms(AlarmKind.ID_CONFLICT)) == 1
    assert mine.flags & Flag.ID_CONFLICT


@pytest.mark.parametrize("other", OTHERS)
def test_a_report_of_another_instrument_or_side_changes_nothing_of_the_order(other: dict[str, Any]) -> None:
    heard = desk(opened(cl="A"), said(CANCELED, cl="A", at=1, **other))
    child = orders(heard)[0]
    assert (child.status, child.leaves) == (OrdStatus.NEW, 10)
    assert heard.alarms(AlarmKind.ID_CONFLICT)


@pytest.mark.parametrize("other", OTHERS)
def test_a_client_id_of_another_instrument_or_side_is_no_match(other: dict[str, Any]) -> None:
    heard = desk(placed("10", order_id=None, cl_ord_id="A"))
    heard.hear(fill("x", "4", order_id="O9", cl_ord_id="A", **other), fill("y", "1", order_id="O9", cl_ord_id="A"))
    child = orders(heard)[0]
    assert (child.cl_ord_id, child.cum) == ("A", 0)
    assert heard.alarms(AlarmKind.ID_CONFLICT)


def test_ids_that_are_unique_per_instrument_are_orders_of_their_own_and_no_alarm() -> None:
    rules = Capabilities(id_scope=IdScope.INSTRUMENT)
    heard = desk(opened(), opened(at=1, instrument="ZETA", qty="7"), fill("x", "2", instrument="ZETA"), rules=rules)
    heard.hear(fill("x", "1", instrument="ACME"))
    heard.restart()
    heard.hear(fill("y", "1", instrument="ZETA"))
    assert [(child.instrument, child.cum) for child in orders(heard)] == [("ACME", 1), ("ZETA", 3)]
    assert not heard.alarms(AlarmKind.ID_CONFLICT)


def test_a_leg_of_a_spread_has_its_own_instrument() -> None:
    heard = desk(opened(instrument="SPREAD"), fill("x", "2", leg="1", instrument="ACME", side=Side.SELL))
    assert (len(orders(heard)), heard.alarms(AlarmKind.ID_CONFLICT)) == (1, [])


def test_an_execution_in_a_list_that_is_of_another_instrument_does_not_count() -> None:
    listed = Execution(venue=VENUE, order_id="O1", key="y", qty=D(4), px=D(5), instrument="ZETA")
    heard = desk(opened(), said(TRADE, at=1, executions=(listed,)))
    assert orders(heard)[0].cum == 0
    assert heard.alarms(AlarmKind.ID_CONFLICT)


# ---------------------------------------------------------------------- a new life


def ended(at: int, **also: Any) -> OrderSnapshot:
    return said(CANCELED, at=at, leaves_qty="0", **also)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("other", [{}, *OTHERS])
def test_ids_restart_each_day(other: dict[str, Any], restart: bool) -> None:
    first = (opened(cl="A", key="1"), trade("2", "3", "3", 1, cl="A"), ended(2, key="3"))
    heard = desk(*first)
    if restart:
        heard.restart()
    heard.hear(opened(cl="A", key="1", at=DAY, **other), trade("2", "5", "5", DAY + 1, cl="A"))
    if restart:
        heard.restart()
    heard.hear(void("2", as_of=T0 + DAY + 2))
    assert [(child.cum, child.status) for child in orders(heard)] == [(3, OrdStatus.CANCELED), (0, OrdStatus.NEW)]
    # What is said of the first day finds the order of the first day.
    heard.hear(void("2", as_of=T0 + 5))
    assert orders(heard)[0].cum == 0


def test_the_same_terms_and_keys_on_another_day_are_another_order() -> None:
    heard = desk(opened(cl="A", key="1"), trade("2", "3", "3", 1, cl="A"), ended(2, key="3"))
    heard.hear(opened(cl="A", key="1", at=DAY), trade("2", "3", "3", DAY + 1, cl="A"), ended(DAY + 2, key="3"))
    assert [child.cum for child in orders(heard)] == [3, 3]


NOT_ANOTHER: list[tuple[str, tuple[Input, ...], OrderSnapshot]] = [
    ("no stamp", (opened(cl="A"), ended(2)), OrderSnapshot(venue=VENUE, order_id="O1", exec_type=NEW, order_qty=D(10))),
    ("older than the end", (opened(cl="A"), ended(9)), opened(cl="A", at=5)),
    ("as old as the last fill", (opened(cl="A"), trade("2", "10", "10", 7)), opened(cl="A", at=7)),
    ("a total", (opened(cl="A"), ended(2)), said(NEW, at=DAY, order_qty="10", cum_qty="3")),
    ("it replaces something", (opened(cl="A"), ended(2)), said(NEW, at=DAY, order_qty="10", orig_cl_ord_id="A")),
    ("good till canceled", (opened(cl="A", time_in_force=TimeInForce.GTC),), opened(cl="A", at=DAY)),
    ("it works and nothing says for how long", (opened(cl="A"),), opened(cl="A", at=DAY)),
    ("a repeat", (opened(cl="A", key="1", venue_time=T0), ended(2)), opened(cl="A", key="1", venue_time=T0, at=DAY)),
    ("its own opener comes late", (placed(order_id="O1"), trade("2", "10", "10", 1)), opened(at=5)),
    ("a replace is out", (opened(cl="A"),
     RequestSent(venue=VENUE, request=Request.REPLACE, cl_ord_id="B", orig_cl_ord_id="A")),
     opened(cl="A", at=DAY, instrument="ZETA")),
]  # fmt: skip


@pytest.mark.parametrize(("why", "before", "again"), NOT_ANOTHER, ids=[each[0] for each in NOT_ANOTHER])
def test_what_is_no_new_life(why: str, before: tuple[Input, ...], again: OrderSnapshot) -> None:
    heard = desk(*before, again)
    assert [child for child in orders(heard) if child.life] == [], why
    assert len([child for child in orders(heard) if child.known]) == 1 + bool(heard.alarms(AlarmKind.ID_CONFLICT)), why


def test_an_order_of_one_day_that_nobody_ended_is_over_on_the_next() -> None:
    heard = desk(opened(cl="A", time_in_force=TimeInForce.DAY), opened(cl="A", at=DAY, time_in_force=TimeInForce.DAY))
    heard.hear(trade("2", "3", "3", DAY + 1, cl="A"))
    assert [child.cum for child in orders(heard)] == [0, 3]


def test_two_live_orders_under_one_client_id_of_somebody_else_are_two() -> None:
    heard = desk(opened("O1", "X"), opened("O2", "X", 1), said(CANCELED, "O2", "X", 2), trade("e", "4", "4", 3, "O1", cl="X"))
    assert [(child.order_id, child.cum, child.leaves) for child in orders(heard)] == [("O1", 4, 6), ("O2", 0, 0)]


def test_where_ids_begin_anew_each_day_a_fill_may_be_the_first_word_of_another_order() -> None:
    rules = Capabilities(id_scope=IdScope.DAY)
    heard = desk(opened(cl="A"), ended(2), rules=rules)
    heard.hear(trade("9", "3", "3", DAY, cl="A", order_qty="8"))
    assert [(child.cum, child.order_qty) for child in orders(heard)] == [(0, 10), (3, 8)]


DAILY = Capabilities(id_scope=IdScope.DAY)


def test_a_placeholder_that_orders_of_both_sides_print_is_none_and_their_own_ids_stay() -> None:
    heard = Driven(Capabilities(), strict=False)
    for ref, side in (("a", Side.BUY), ("b", Side.SELL), ("c", Side.SELL)):
        heard.submit("10", ref=ref, side=side)

    def new(order_id: str, cl_ord_id: str, side: Side) -> None:
        status = OrdStatus.NEW
        heard.feed(heard.report(NEW, order_id, cl_ord_id, instrument="ACME", side=side, ord_status=status, order_qty="10"))

    new("NONE", "d1-1", Side.BUY)
    new("NONE", "d2-1", Side.SELL)
    new("O2", "d2-1", Side.SELL)
    new("NONE", "d3-1", Side.SELL)
    heard.fill("x", "4", "O2")
    children = heard.engine.children.values()
    assert [(child.cl_ord_id, child.cum) for child in children] == [("d1-1", 0), ("d2-1", 4), ("d3-1", 0)]
    assert all("id O2" not in said for said in heard.alarms(AlarmKind.ID_SHARED))


def our(cl_ord_id: str, at: int, qty: str = "10") -> OrderPlaced:
    """An order of ours that lives for one day."""
    made = placed(qty, order_id=None, cl_ord_id=cl_ord_id, time_in_force=TimeInForce.DAY)
    return msgspec.structs.replace(made, as_of=T0 + at)


@pytest.mark.parametrize("restart", [False, True])
def test_a_report_of_today_that_names_our_order_and_an_id_of_yesterday_is_about_ours(restart: bool) -> None:
    heard = desk(our("A", 0), opened(cl="A"), trade("2", "3", "3", 1, cl="A"), our("B", DAY, "4"), rules=DAILY)
    if restart:
        heard.restart()
    # The report that opened it is lost; keys begin anew as well. What is said of yesterday comes late.
    heard.hear(trade("2", "4", "4", DAY + 2, cl="B"), said(CANCELED, "O1", "A", 5, cum_qty="3", leaves_qty="0"))
    if restart:
        heard.restart()
    # An answer about the first, asked for today.
    late = said(CANCELED, "O1", "A", DAY + 9, cum_qty="3", leaves_qty="0", asked=T0 + DAY + 9)
    heard.hear(msgspec.structs.replace(late, exec_type=None, ord_status=OrdStatus.CANCELED))
    assert [(child.cl_ord_id, child.cum, child.leaves) for child in orders(heard)] == [("A", 3, 0), ("B", 4, 0)]
    assert not heard.alarms(AlarmKind.ID_CONFLICT)


@pytest.mark.parametrize("heard_today", [False, True])
def test_a_fill_of_today_is_none_of_an_order_that_lived_yesterday(heard_today: bool) -> None:
    heard = desk(our("A", 0), opened(cl="A", time_in_force=TimeInForce.DAY), ended(2, cum_qty="0"), rules=DAILY)
    if heard_today:
        heard.hear(said(CANCELED, "O1", "A", DAY, cum_qty="0", leaves_qty="0"))
    heard.hear(fill("2", "4", order_id="O1", as_of=T0 + DAY + 5))
    assert [(child.cum, child.known) for child in orders(heard)] == [(0, True), (4, False)]
    # It is told, and found as soon as the order of today is named.
    heard.hear(our("B", DAY, "4"), opened("O1", "B", DAY + 1, qty="4"))
    assert [(child.cl_ord_id, child.cum) for child in orders(heard)] == [("A", 0), ("B", 4)]


def test_our_client_id_of_another_instrument_is_another_order_and_told() -> None:
    first = placed("10", order_id=None, cl_ord_id="A")
    terms = Terms(instrument="ZETA", side=Side.BUY, order_qty=D(3))
    heard = desk(first, opened("O1", "A", 1), OrderPlaced(venue=VENUE, cl_ord_id="A", terms=terms, as_of=T0 + 2))
    assert [(child.instrument, child.order_qty) for child in orders(heard)] == [("ACME", 10), ("ZETA", 3)]
    assert heard.alarms(AlarmKind.ID_CONFLICT)


def test_an_order_placed_again_under_its_client_id_with_another_quantity_is_told() -> None:
    heard = desk(placed("10"), placed("10"))
    assert not heard.alarms(AlarmKind.DUPLICATE_ID)
    heard.hear(placed("11"))
    assert (heard.child.order_qty, len(heard.alarms(AlarmKind.DUPLICATE_ID))) == (10, 1)


# ---------------------------------------------------------------------- links

PLACED = placed("10", order_id=None, cl_ord_id="A")
OLD_FILL = fill("x", "3", order_id="O1", cl_ord_id="A", as_of=T0 + 1)
NEW_FILL = fill("y", "2", order_id="O2", cl_ord_id="B", as_of=T0 + 5)
OLD_END = said(CANCELED, "O1", "A", 4, leaves_qty="0", ord_status=OrdStatus.CANCELED)
LINKED = OrderLinked(venue=VENUE, order_id="O1", cl_ord_id="A", new_order_id="O2", new_cl_ord_id="B", as_of=T0 + 3)
IS_REPLACED = said(REPLACED, "O2", "B", 3, orig_cl_ord_id="A", order_qty="12", leaves_qty="9")


def arrivals(*inputs: Input) -> Iterable[tuple[Input, ...]]:
    return permutations(inputs)


def outcome(child: Child) -> tuple[Any, ...]:
    return (child.cum, child.leaves, child.status, child.order_qty, child.order_id, tuple(sorted(child.client_ids)))


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("restart", [False, True])
def test_every_arrival_of_a_replace_whose_counts_go_on_gives_one_order(ours: bool, restart: bool) -> None:
    results = set()
    for order in arrivals(OLD_FILL, NEW_FILL, IS_REPLACED, OLD_END):
        heard = desk(*([PLACED] if ours else []))
        for each in order:
            heard.hear(each)
            if restart:
                heard.restart()
        assert len(orders(heard)) == 1, order
        results.add(outcome(heard.child))
    assert results == {(D(5), D(7), OrdStatus.PARTIALLY_FILLED, D(12), "O2", ("A", "B"))}


@pytest.mark.parametrize("chain", list(Chain))
@pytest.mark.parametrize("restart", [False, True])
def test_every_arrival_of_a_link_gives_one_order(chain: Chain, restart: bool) -> None:
    rules = Capabilities(chain=chain)
    results = set()
    for order in arrivals(OLD_FILL, NEW_FILL, LINKED, OLD_END):
        heard = desk(PLACED, rules=rules)
        for each in order:
            heard.hear(each)
            if restart:
                heard.restart()
        assert len(orders(heard)) == 1, order
        child = heard.child
        results.add((child.cum, child.leaves, child.status, child.order_id))
    assert results == {(D(5), D(5), OrdStatus.PARTIALLY_FILLED, "O2")}


def test_the_end_of_the_leg_in_force_is_the_end_in_every_arrival() -> None:
    end = said(CANCELED, "O2", "B", 9, leaves_qty="0")
    for order in arrivals(OLD_FILL, NEW_FILL, IS_REPLACED, end):
        heard = desk(PLACED, *order)
        assert (heard.child.cum, heard.child.leaves, heard.child.works) == (5, 0, False), order


# ---------------------------------------------------------------------- refused requests


@pytest.mark.parametrize("order_id", ["0x", "K1", None])
@pytest.mark.parametrize("sent", [True, False])
def test_replace_refused_by_report(order_id: str | None, sent: bool) -> None:
    heard = desk(placed("2", order_id=None, cl_ord_id="A1"), opened("K1", "A1", qty="2"))
    if sent:
        heard.hear(RequestSent(venue=VENUE, request=Request.REPLACE, cl_ord_id="A4", orig_cl_ord_id="A1"))
    refusal = said(ExecType.REJECTED, order_id, "A4", 2, orig_cl_ord_id="A1", ord_status=OrdStatus.REJECTED, leaves_qty="0")
    heard.hear(refusal)
    child = heard.child
    assert (child.status, child.leaves, child.order_id, child.in_flight) == (OrdStatus.NEW, 2, "K1", None)
    heard.hear(fill("x", "1", order_id="K1"))
    assert child.leaves == 1


def test_a_refusal_of_the_order_itself_refuses_it() -> None:
    heard = desk(placed("2", order_id=None, cl_ord_id="A1"))
    heard.hear(said(ExecType.REJECTED, "K1", "A1", 2, orig_cl_ord_id="A1", ord_status=OrdStatus.REJECTED))
    assert heard.child.status is OrdStatus.REJECTED


# ---------------------------------------------------------------------- sizes that come late


def test_reduce_first_in_every_arrival() -> None:
    size = opened(key="a", at=1, qty="200")
    off = said(ExecType.RESTATED, at=2, key="b", restatement="decline", reduced_qty="100")
    filled = fill("x", "30", as_of=T0 + 3)
    for order in permutations((size, off, filled)):
        for restart in (False, True):
            heard = later(Desk(Capabilities()))
            for each in order:
                heard.hear(each)
                if restart:
                    heard.restart()
            assert (heard.child.order_qty, heard.child.leaves) == (100, 70), order


@pytest.mark.parametrize("kind", [CANCELED, ExecType.EXPIRED])
def test_a_quantity_of_zero_on_a_closing_row_is_unknown_in_every_arrival(kind: ExecType) -> None:
    closing = said(kind, at=5, order_qty="0", cum_qty="4", leaves_qty="0")
    for order in permutations((opened(), closing, fill("x", "4", as_of=T0 + 2))):
        heard = desk(*order)
        child = heard.child
        assert (child.order_qty, child.cum, child.leaves, child.overfill_qty) == (10, 4, 0, 0), order


def test_a_second_content_of_a_key_counts_nothing_when_it_is_delivered_again() -> None:
    heard = desk(opened(), trade("K", "4", "4", 1), trade("K", "4", "8", 2), void("K", as_of=T0 + 5))
    assert heard.child.cum == 4
    assert heard.hear(trade("K", "4", "8", 9)).duplicate
    assert heard.child.cum == 4
