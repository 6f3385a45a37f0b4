"""Any evidence about one order, in any order of arrival, any number of times, is the same order.

The evidence is drawn by `evidence.worlds`; `Desk` checks after every single step that nothing is in quarantine, that
rows add up to totals, that quantity is conserved, and that what was published is what filled.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partfill.journal.state import freeze
from partfill.model.capabilities import Capabilities, Chain
from partfill.model.inputs import Input, OrderLinked
from partfill.model.numbers import ZERO, scale
from partfill.model.observations import OrderSnapshot
from partfill.model.words import ExecType
from tests.core.evidence import CLIENT, HAPPENINGS, ORDER, VENUE, Desk, World, arrivals, placed, report, view, void, worlds

ONLY_ADDING = ("fill", "fill", "poll")
AT_WORK = ("status", "leaves", "canceled")
"""What an order is besides its ledger."""
FEES = ("fees", "fee_unknown")


@st.composite
def told(draw: st.DrawFn, happenings: tuple[str, ...] = HAPPENINGS) -> tuple[World, list[Input]]:
    """A world and one order of arrival of its evidence."""
    world = draw(worlds(happenings))
    return world, draw(arrivals(world.said))


@given(told())
def test_whatever_the_arrival_the_ledger_is_the_truth(case: tuple[World, list[Input]]) -> None:
    world, arrived = case
    desk = Desk(None, world.placed, *arrived)
    now = view(desk.child)
    assert now.live == world.live
    assert (now.cum, now.itemised, now.notional) == (world.cum, world.cum, world.notional)
    assert now.unpriced == sum((qty for qty, px in world.live.values() if px is None), ZERO)
    assert now.count == len(world.live)
    assert now.overfill == max(ZERO, world.cum - world.placed.terms.order_qty)


@given(told())
def test_whatever_the_arrival_the_claim_is_the_same(case: tuple[World, list[Input]]) -> None:
    world, arrived = case
    assert view(Desk(None, world.placed, *arrived).child).claimed == view(Desk(None, world.placed, *world.said).child).claimed


@given(told())
def test_whatever_the_arrival_the_fees_are_the_same(case: tuple[World, list[Input]]) -> None:
    world, arrived = case
    ours, theirs = (view(Desk(None, world.placed, *said).child) for said in (arrived, world.said))
    assert (ours.fees, ours.fee_unknown) == (theirs.fees, theirs.fee_unknown)


@given(told())
def test_whatever_the_arrival_the_same_quantity_is_at_work(case: tuple[World, list[Input]]) -> None:
    world, arrived = case
    ours, theirs = (view(Desk(None, world.placed, *said).child) for said in (arrived, world.said))
    assert ours.differences(theirs, ignoring=("claimed", *FEES)) == {}


@given(told(ONLY_ADDING))
def test_without_voids_and_corrections_everything_is_the_same(case: tuple[World, list[Input]]) -> None:
    world, arrived = case
    ours, theirs = (view(Desk(None, world.placed, *said).child) for said in (arrived, world.said))
    assert ours.differences(theirs) == {}


@given(told(), st.integers(0, 40))
def test_evidence_that_comes_before_the_order_is_adopted_in_full(case: tuple[World, list[Input]], at: int) -> None:
    world, arrived = case
    parked = Desk(None, *arrived[:at], world.placed, *arrived[at:])
    assert view(parked.child).differences(view(Desk(None, world.placed, *arrived).child), ignoring=AT_WORK) == {}


@given(told(ONLY_ADDING), st.integers(0, 40))
def test_an_order_that_comes_late_has_the_same_quantity_at_work(case: tuple[World, list[Input]], at: int) -> None:
    world, arrived = case
    parked = Desk(None, *arrived[:at], world.placed, *arrived[at:])
    assert view(parked.child).differences(view(Desk(None, world.placed, *arrived).child)) == {}


@given(told(), st.data())
def test_messages_that_name_only_one_of_two_ids_are_of_one_order(case: tuple[World, list[Input]], data: st.DataObject) -> None:
    """The order is placed under our id alone; what comes names our id, the venue's, or both; one report joins them."""
    world, _ = case
    names = ({"order_id": ORDER, "cl_ord_id": None}, {"order_id": None, "cl_ord_id": CLIENT},
             {"order_id": ORDER, "cl_ord_id": CLIENT})  # fmt: skip
    said = tuple(_named(each, data.draw(st.sampled_from(names))) for each in world.said)
    joined = (*said, report(ExecType.NEW, key="n", as_of=1, cl_ord_id=CLIENT))
    own = placed(str(world.placed.terms.order_qty), order_id=None, cl_ord_id=CLIENT)
    desk = Desk(None, *data.draw(arrivals((own, *joined))))
    now = view(desk.child)
    assert (now.live, now.cum, now.notional) == (world.live, world.cum, world.notional)


def _named(said: Input, names: dict[str, str | None]) -> Input:
    changed = {name: value for name, value in names.items() if hasattr(said, name)}
    if isinstance(said, OrderSnapshot) and said.executions is not None:
        changed["executions"] = tuple(_named(each, names) for each in said.executions)
    return type(said)(**{name: changed.get(name, getattr(said, name)) for name in said.__struct_fields__})


@settings(max_examples=60)
@given(told(), st.integers(0, 40), st.integers(0, 40))
def test_a_restart_at_any_step_changes_nothing(case: tuple[World, list[Input]], first: int, second: int) -> None:
    world, arrived = case
    inputs = [world.placed, *arrived]
    straight, restarted = Desk(None, *inputs), Desk()
    for number, said in enumerate(inputs):
        restarted.hear(said)
        if number in (first, second):
            restarted.restart()
    assert restarted.frozen() == straight.frozen()
    assert restarted.events == straight.events


@settings(max_examples=40)
@given(told(), st.integers(0, 40))
def test_a_replay_is_byte_for_byte_the_same(case: tuple[World, list[Input]], at: int) -> None:
    world, arrived = case
    inputs = [*arrived[:at], world.placed, *arrived[at:]]
    live, replayed = Desk(None, *inputs), Desk(None, *inputs)
    assert live.frozen() == replayed.frozen()
    assert live.events == replayed.events
    assert live.engine.counters.as_dict() == replayed.engine.counters.as_dict()


# ---------------------------------------------------------------------- splits

SPLITS = [(2, 1), (3, 2)]


@settings(max_examples=60)
@pytest.mark.parametrize(("into", "of"), SPLITS, ids=["2:1", "3:2"])
@given(world=worlds(may_end=False), data=st.data())
def test_a_split_multiplies_quantities_and_keeps_what_was_paid(world: World, into: int, of: int, data: st.DataObject) -> None:
    desk = Desk(None, world.placed, report(ExecType.NEW, key="accepted"), *world.said)
    before, total = view(desk.child), desk.child.order_qty
    desk.hear(report(ExecType.RESTATED, qty=str(scale(total, Decimal(into), Decimal(of))), restatement="split", key="s"))
    after = view(desk.child)
    for name in ("cum", "itemised", "claimed", "unpriced", "leaves", "canceled", "overfill"):
        assert getattr(after, name) == getattr(before, name) * into / of, name
    for name in ("notional", "count", "fees", "status"):
        assert getattr(after, name) == getattr(before, name), name
    if not world.live:
        return
    # A void that comes late takes what the execution is today.
    key = data.draw(st.sampled_from(sorted(world.live)))
    qty, px = world.live[key]
    desk.hear(void(key, as_of=10_000))
    gone = view(desk.child)
    assert gone.cum == after.cum - qty * into / of
    assert gone.notional == after.notional - qty * (px or ZERO)


# ---------------------------------------------------------------------- chains that restart


@given(first=worlds(order_id="O1", most=5, may_end=False), second=worlds(order_id="O2", most=5, may_end=False), data=st.data())
def test_a_chain_that_restarts_is_the_sum_of_its_venue_orders(first: World, second: World, data: st.DataObject) -> None:
    link = OrderLinked(venue=VENUE, order_id="O1", new_order_id="O2", as_of=1)
    said = tuple(_named(each, {"cl_ord_id": None}) for each in (*first.said, *second.said))
    desk = Desk(Capabilities(chain=Chain.RESTARTS), first.placed, *data.draw(arrivals((*said, link))))
    now = view(desk.child)
    assert now.cum == first.cum + second.cum
    assert now.notional == first.notional + second.notional
    assert now.live == first.live | second.live
    by_id = {ledger.order_id: ledger.cum for ledger in desk.child.ledgers}
    assert by_id == {"O1": first.cum, "O2": second.cum}


# ---------------------------------------------------------------------- the same statement again


@given(told())
def test_saying_everything_again_changes_nothing(case: tuple[World, list[Input]]) -> None:
    world, arrived = case
    desk = Desk(None, world.placed, *arrived)
    before, heard = view(desk.child), len(desk.events)
    desk.hear(*arrived, world.placed)
    assert view(desk.child) == before
    assert desk.events[heard:] == []
    assert freeze(desk.child)
