"""What is asked of a venue next: questions beside changes, sizes while something is unsure, and ends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from partfill.model.capabilities import Capabilities, Chain, ReduceOnly, ReplaceQty
from partfill.model.commands import Unprotect
from partfill.model.inputs import VenueDeclared
from partfill.model.observations import ExecutionVoided
from partfill.model.operations import Cancel, Operation, Place, Query, Replace
from partfill.model.words import ExecType, Flag, OrdStatus, Side
from tests.core.driven import MS, PLAIN, SECOND, TOTAL, VENUE, D, Driven, execution, working
from tests.core.test_presumed import SLICES, shown
from tests.core.test_protection import STOP, TARGET, Market
from tests.core.test_protection_doubted import Doubted
from tests.core.test_rulings import LAG, ask

LISTS = Capabilities(executions_complete=True, can_replace=True)


def void(key: str, order_id: str = "O1", leaves: str | None = None) -> ExecutionVoided:
    return ExecutionVoided(venue=VENUE, order_id=order_id, key=key, leaves_qty=None if leaves is None else D(leaves))


def kinds(operations: list[Operation]) -> list[type]:
    return [type(op) for op in operations]


def sizes(operations: list[Operation]) -> list[Decimal | None]:
    return [
        op.terms.order_qty if isinstance(op, Place) else op.order_qty for op in operations if isinstance(op, Place | Replace)
    ]


# ---------------------------------------------------------------------- questions


def asked_about(rules: Capabilities = TOTAL) -> Driven:
    """A total below the executions that are known: the venue is to be asked, in a while, and nothing is in doubt."""
    desk = working(rules, filled="4")
    desk.feed(desk.report(None, cum_qty="2"))
    work = desk.child().work
    assert work is not None
    assert (desk.take(), work.doubt, work.look_at > desk.now) == ([], False, True)
    return desk


def test_a_question_that_is_due_keeps_nothing_from_being_changed() -> None:
    desk = asked_about()
    desk.now += 60 * SECOND
    asked = desk.amend("12")
    assert (kinds(asked), sizes(asked)) == ([Query, Replace], [12])


def test_a_question_that_is_not_due_is_asked_in_its_time_beside_the_change() -> None:
    desk = asked_about()
    (change,) = desk.amend("12")
    assert sizes([change]) == [12]
    assert kinds(desk.wake()) == [Query]


def test_the_question_comes_in_its_time_though_a_refused_request_waits_longer() -> None:
    desk = working(TOTAL, filled="4")
    work = desk.child().work
    assert work is not None
    work.look_at = due = desk.now + SECOND
    # What was refused again and again.
    work.act_at = desk.now + 60 * SECOND
    assert desk.amend("12") == []
    assert kinds(desk.wake()) == [Query]
    assert due <= desk.now <= due + SECOND
    desk.looked(desk.last(Query), desk.report(None, order_qty="10", cum_qty="4", ord_status=OrdStatus.PARTIALLY_FILLED))
    assert sizes(desk.wake()) == [12]


def test_a_refused_request_comes_in_its_time_though_a_question_waits_longer() -> None:
    desk = asked_about()
    work = desk.child().work
    assert work is not None
    work.act_at = due = desk.now + SECOND
    work.look_at = desk.now + 60 * SECOND
    assert desk.amend("12") == []
    assert sizes(desk.wake()) == [12]
    assert due <= desk.now <= due + SECOND


@pytest.mark.parametrize("flag", [0, int(Flag.QUARANTINED)])
def test_of_what_is_halted_only_what_is_unsure_is_asked_once_and_nothing_of_an_order_in_quarantine(flag: int) -> None:
    desk = working(PLAIN)
    desk.parent().halted = True
    desk.child().flags |= flag
    work = desk.child().work
    assert work is not None
    desk.amend("12")
    assert (desk.wait(60 * SECOND), work.looking) == ([], False)
    work.look_at = desk.now + SECOND
    desk.amend("13")
    desk.engine.desk.timers.set(work.look_at, desk.child().id)
    asked = desk.wait(60 * SECOND)
    assert kinds(asked) == ([] if flag else [Query])
    desk.amend("14")
    assert desk.take() == []


def test_of_what_is_halted_an_order_in_doubt_is_asked_about() -> None:
    desk = working(PLAIN)
    work = desk.child().work
    assert work is not None
    work.doubt = True
    desk.parent().halted = True
    assert kinds(desk.amend("12")) == [Query]
    assert (work.looking, desk.amend("13")) == (True, [])


def test_a_cancel_that_is_to_prove_an_end_waits_as_long_as_any_other_request() -> None:
    desk = working(SLICES, filled="7")
    work = desk.child().work
    assert work is not None
    # What was refused again and again.
    work.act_at = due = desk.now + 60 * SECOND
    for _ in range(3):
        shown(desk, {"ord_status": OrdStatus.FILLED}, after=LAG + MS)
    assert desk.sent(Cancel) == []
    while not desk.sent(Cancel) and desk.now < due + 60 * SECOND:
        desk.wake()
    assert due <= desk.now <= due + SECOND


# ---------------------------------------------------------------------- sizes


def doubted(qty: str = "30") -> Driven:
    """Twenty were heard of, and the venue shows ten."""
    desk = working(LISTS, qty)
    desk.feed(execution("E1", "10", as_of=desk.now), execution("E2", "10", as_of=desk.now))
    desk.now += LAG
    ask(desk, "10", ("E1", "10"))
    assert desk.child().flags & Flag.SUSPECTED
    desk.take()
    return desk


def test_what_is_doubted_is_made_smaller_and_not_larger() -> None:
    desk = doubted()
    assert [op for op in desk.amend("40") if type(op) is not Query] == []
    assert sizes(desk.amend("25")) == [25]


def test_what_its_venue_cut_keeps_its_size_until_another_one_is_wanted() -> None:
    desk = working(TOTAL, "10", reduce_only=True)
    desk.feed(desk.report(ExecType.RESTATED, order_qty="6", cum_qty="0", leaves_qty="6", ord_status=OrdStatus.NEW))
    assert desk.take() == []
    assert sizes(desk.amend(price="101")) == [6]
    desk = working(TOTAL, "10", reduce_only=True)
    desk.feed(desk.report(ExecType.RESTATED, order_qty="6", cum_qty="0", leaves_qty="6", ord_status=OrdStatus.NEW))
    assert sizes(desk.amend("9")) == [9]


def test_what_a_void_took_of_an_order_of_the_user_is_left_to_the_venue() -> None:
    desk = working(TOTAL, "10", filled="4")
    desk.feed(void("first"))
    assert (desk.child().leaves, desk.child().removed) == (6, 4)
    assert [op for op in desk.take() if type(op) is not Query] == []


def test_a_stop_of_which_the_venue_took_a_fill_back_is_replaced_by_a_fresh_one_for_the_whole_position() -> None:
    market = Market(TOTAL, STOP)
    market.enters("20", "20")
    (name,) = market.orders
    market.trades("stop", "5", answers=False)
    key = f"x{market.count}"
    market.answer()
    assert (market.position, market.works("stop")) == (15, 15)
    market.orders[name] = ("stop", D(20), D(0))
    market.feed(void(key, name))
    asked = [op for op in market.take() if type(op) is not Query]
    assert kinds(asked) == [Cancel]
    market.does(asked[0])
    market.answer()
    assert (market.position, sum((total - filled for _, total, filled in market.orders.values()), D(0))) == (20, 20)


def test_one_request_at_a_time_makes_a_stop_larger() -> None:
    market = Market(TOTAL, STOP)
    market.enters("40", "10")
    market.fill("a", "5", "entry")
    (first,) = market.take()
    assert sizes([first]) == [15]
    market.fill("b", "5", "entry")
    assert [op for op in market.take() if type(op) is not Query] == []
    market.does(first)
    (second,) = market.take()
    assert sizes([second]) == [20]


def test_what_is_doubted_of_a_stop_that_nothing_holds_to_the_position_has_nothing_placed_beside_it() -> None:
    market = Doubted(LISTS, STOP)
    market.enters("40", "20")
    (name,) = market.orders
    market.now += 2 * LAG
    market.trades("stop", "5")
    market.now += 2 * LAG
    said: dict[str, Any] = {"ord_status": OrdStatus.NEW, "cum_qty": "0", "leaves_qty": "20", "executions": ()}
    market.feed(market.report(None, name, asked=market.now, as_of=market.now, **said))
    market.take()
    market.fill("e9", "10", "entry")
    assert sizes(market.take()) == []


# ---------------------------------------------------------------------- ends


def test_what_was_taken_back_after_the_end_is_placed_by_nobody() -> None:
    desk = working(PLAIN, "10", filled="6")
    (cancel,) = desk.amend("5")
    assert type(cancel) is Cancel
    desk.ended()
    desk.take()
    assert desk.outcomes() == [("filled", D(6))]
    desk.feed(void("first"))
    assert (desk.parent().rest, desk.parent().unsure, desk.parent().done) == (5, False, "canceled")
    assert [op for op in (*desk.take(), *desk.wait(60 * SECOND)) if type(op) is Place] == []
    assert desk.parent().cum == 0


def test_an_end_is_told_once_however_often_it_is_said() -> None:
    desk = working(PLAIN, "10", filled="6")
    desk.ended(cum_qty="6")
    desk.ended(cum_qty="6")
    desk.feed(desk.report(None, ord_status=OrdStatus.CANCELED, cum_qty="6"))
    assert desk.outcomes() == [("canceled", D(6))]


def test_an_order_that_is_canceled_with_all_that_was_asked_for_is_filled() -> None:
    desk = working(PLAIN, "10", filled="4")
    assert kinds(desk.amend("4")) == [Cancel]
    desk.stop()
    desk.ended(cum_qty="4")
    assert desk.outcomes() == [("filled", D(4))]


def test_an_order_that_is_canceled_with_nothing_is_canceled() -> None:
    desk = working(PLAIN, "10")
    assert kinds(desk.stop()) == [Cancel]
    desk.ended(cum_qty="0")
    assert desk.outcomes() == [("canceled", D(0))]


def test_a_stop_that_is_not_wanted_any_more_is_taken_off_and_nothing_is_placed_beside_it() -> None:
    market = Market(PLAIN, STOP)
    market.enters("100", "60", "40")
    assert len(market.orders) == 2
    market.feed(Unprotect(venue=VENUE, instrument="ACME", side=Side.BUY))
    first, second = market.take()
    assert kinds([first, second]) == [Cancel, Cancel]
    market.does(first)
    market.fresh[:0] = market.refused(second)
    for _ in range(20):
        asked = market.wake()
        assert not sizes(asked)
        for op in asked:
            market.does(op)
    assert market.orders == {}


def test_under_the_kill_switch_nothing_is_placed_in_the_stead_of_what_was_taken_off() -> None:
    market = Market(TOTAL, STOP)
    market.enters("150", "100")
    (name,) = market.orders
    market.orders[name] = ("stop", D(100), D(0))
    protective = market.engine.children[2].work
    assert protective is not None
    parent = protective.parent
    (cancel,) = [op for op in market.kill() if type(op) is Cancel and op.order_id == name]
    market.fill("more", "50", "entry")
    assert sizes(market.take()) == []
    market.fresh = market.refused(cancel)
    parent.asked = parent.limit = D(150)
    for _ in range(20):
        asked = market.wake()
        assert sizes(asked) == []
        for op in asked:
            market.does(op)
    assert name not in market.orders


def test_one_order_at_a_time_is_placed_beside_what_may_still_fill() -> None:
    market = Market(Capabilities(can_replace=True, end_is_final=False), STOP)
    market.enters("150", "100")
    (name,) = market.orders
    market.ends(name)
    market.take()
    market.fill("more", "30", "entry")
    (place,) = market.take()
    assert sizes([place]) == [30]
    market.fill("most", "20", "entry")
    assert sizes(market.take()) == []
    market.does(place)
    asked = [op for op in market.take() if type(op) is not Query]
    assert sizes(asked) == [50]


# ---------------------------------------------------------------------- what may still fill


def test_an_order_of_the_user_that_is_doubted_is_not_made_larger_though_its_venue_may_hold_it_to_the_position() -> None:
    desk = working(LISTS, "30", reduce_only=True)
    desk.feed(execution("E1", "10", as_of=desk.now), execution("E2", "10", as_of=desk.now))
    desk.now += LAG
    ask(desk, "10", ("E1", "10"))
    assert (desk.parent().doubted, desk.parent().held) == (True, True)
    desk.take()
    assert sizes(desk.amend("40")) == []


def test_more_than_was_asked_for_is_no_room_for_anything_else() -> None:
    desk = working(TOTAL, "10")
    desk.fill("a", "12")
    parent, work = desk.parent(), desk.child().work
    assert work is not None
    assert (work.worst(desk.child()), parent.rest) == (0, 0)
    assert (parent.cum, parent.exposure) == (12, 12)


def test_what_leaves_counts_again_where_the_venue_turns_out_to_sum_its_orders() -> None:
    each = Capabilities(reduce_only=True)
    market = Market(each, STOP, TARGET)
    market.enters("100", "100")
    market.trades("target", "40", answers=False)
    (place,) = market.take()
    market.does(place)
    (stop,) = [parent for parent in market.engine.desk.parents.values() if parent.ref.split(":")[-2:-1] == ["stop"]]
    assert (len(stop.active), stop.exposure) == (2, 60)
    market.strict = False
    market.feed(VenueDeclared(venue=VENUE, capabilities=Capabilities(reduce_only=ReduceOnly.SUM)))
    assert stop.exposure == 160


def test_one_order_of_a_stop_at_a_time_is_made_larger() -> None:
    market = Market(PLAIN, STOP)
    market.enters("200", "60", "40")
    assert len(market.orders) == 2
    market.feed(VenueDeclared(venue=VENUE, capabilities=TOTAL))
    market.fill("a", "20", "entry")
    first = [op for op in market.take() if type(op) is not Query]
    assert sizes(first) == [80]
    market.fill("b", "10", "entry")
    assert sizes(market.take()) == []
    market.does(first[0])
    market.answer()
    assert market.works("stop") == 130


def test_a_doubted_stop_that_its_venue_holds_to_the_position_is_made_larger() -> None:
    market = Doubted(Capabilities(executions_complete=True, reduce_only=True, can_replace=True), STOP)
    market.enters("40", "20")
    market.trades("stop", "5")
    (name,) = market.orders
    market.now += 2 * LAG
    said: dict[str, Any] = {"ord_status": OrdStatus.NEW, "cum_qty": "0", "leaves_qty": "20", "executions": ()}
    market.feed(market.report(None, name, asked=market.now, as_of=market.now, **said))
    assert market.engine.children[2].flags & Flag.SUSPECTED
    market.take()
    market.fill("e9", "10", "entry")
    assert sizes(market.take()) == [30]


def test_one_venue_order_of_several_that_is_asked_what_counts_is_enough_to_wait_for() -> None:
    desk = working(Capabilities(chain=Chain.RESTARTS, replace_qty=ReplaceQty.OPEN), "10")
    desk.feed(execution("a", "4", as_of=desk.now), desk.report(None, cum_qty="4", as_of=desk.now))
    desk.feed(desk.report(ExecType.REPLACED, "O2", "c2", orig_cl_ord_id=desk.child().cl_ord_id, order_qty="6"))
    child, work = desk.child(), desk.child().work
    assert work is not None
    assert (len(child.ledgers), desk.parent().unsure) == (2, False)
    desk.feed(void("a"))
    assert [ledger.outdated for ledger in child.ledgers] == [True, False]
    work.settled, work.look_at, work.looking = True, desk.now, False
    assert desk.parent().unsure
    work.look_at, work.looking = 0, True
    assert desk.parent().unsure
    work.looking = False
    assert not desk.parent().unsure
