"""The venue's own later word: answers that say less than was heard are doubted, disputed, ruled or decided by a person."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partfill.core.engine import Engine
from partfill.core.rulings import MANY
from partfill.core.waiting import MANY as FRUITLESS
from partfill.journal.state import freeze, thaw
from partfill.model.capabilities import Capabilities, Chain, Cumulative
from partfill.model.commands import Resolve
from partfill.model.events import AlarmKind, Fill, Reversal
from partfill.model.numbers import ZERO, NotANumber
from partfill.model.observations import ExecutionRevised, ExecutionVoided, OrderLinked
from partfill.model.operations import Cancel, Place, Query
from partfill.model.words import ExecType, Flag, OrdStatus
from tests.core.driven import MS, SECOND, VENUE, D, Driven, execution, rule, working

LISTS = Capabilities(executions_complete=True)
TOTALS = Capabilities(itemised=False)
BOTH = Capabilities()
LAG = 3 * SECOND
KINDS = (AlarmKind.DISPUTED, AlarmKind.RULED, AlarmKind.DISPUTE_OVER)


def ask(desk: Driven, cum: str | None, *keys: tuple[str, str], after: int = SECOND, status: OrdStatus | None = None,
        leaves: str | None = None, order_id: str = "O1", **also: Any) -> None:  # fmt: skip
    """A question `after` ns from now, and its answer: a total, and the list where the venue has one."""
    desk.now += after
    rules = desk.engine.rules[VENUE]
    listed = tuple(execution(key, qty, order_id) for key, qty in keys) if rules.executions_complete else None
    if leaves is None and status not in (None, OrdStatus.PARTIALLY_FILLED):
        leaves = "0"
    desk.feed(
        desk.report(None, order_id, ord_status=status or OrdStatus.PARTIALLY_FILLED, cum_qty=cum, leaves_qty=leaves,
                    executions=listed, asked=desk.now, as_of=desk.now, **also)
    )  # fmt: skip


def told(desk: Driven) -> dict[AlarmKind, int]:
    return {kind: len(desk.alarms(kind)) for kind in KINDS if desk.alarms(kind)}


def two_fills(rules: Capabilities = LISTS) -> Driven:
    """E1 and E2 of ten each, of thirty; the bust of E2 will be lost."""
    desk = working(rules, "30")
    if rules is TOTALS:
        desk.feed(desk.report(ExecType.TRADE, "O1", cum_qty="20", as_of=desk.now))
    else:
        desk.feed(execution("E1", "10", as_of=desk.now), execution("E2", "10", as_of=desk.now + MS))
    desk.take()
    assert desk.child().cum == 20
    return desk


# ---------------------------------------------------------------------- the rows of the cases


@pytest.mark.parametrize("rules", [LISTS, TOTALS], ids=["lists", "totals"])
def test_totals_20_then_10_six_times_the_last_with_canceled(rules: Capabilities) -> None:
    desk = two_fills(rules)
    for _ in range(5):
        ask(desk, "10", ("E1", "10"), after=2 * SECOND)
    assert desk.child().cum == 20
    assert desk.child().flags & Flag.DISPUTED
    for _ in range(MANY):
        ask(desk, "10", ("E1", "10"), after=2 * SECOND, status=OrdStatus.CANCELED)
    assert (desk.child().cum, desk.child().leaves) == (10, 0)
    assert told(desk) == {AlarmKind.DISPUTED: 1, AlarmKind.RULED: 1}
    (lost,) = [event for event in desk.events if type(event) is Reversal]
    assert lost.qty == 10
    assert desk.parent().cum == 10
    assert desk.engine.holdings is not None
    assert [position.qty for position in desk.engine.holdings.positions.values()] == [D(10)]
    assert not desk.child().flags & (Flag.SUSPECTED | Flag.DISPUTED)
    assert desk.child().flags & Flag.RULED


def test_one_trade_under_two_execution_ids_while_list_and_total_say_21() -> None:
    desk = working(LISTS, "100")
    desk.feed(execution("T1", "21", as_of=desk.now), execution("T1-copy", "21", as_of=desk.now))
    assert desk.child().cum == 42
    for _ in range(MANY + 1):
        ask(desk, "21", ("T1", "21"), after=2 * SECOND)
    (said,) = desk.alarms(AlarmKind.DISPUTED)
    assert "42 filled" in said
    assert "T1-copy" in said
    for _ in range(MANY):
        ask(desk, "21", ("T1", "21"), after=2 * SECOND, status=OrdStatus.CANCELED)
    assert desk.child().cum == 21
    assert told(desk) == {AlarmKind.DISPUTED: 1, AlarmKind.RULED: 1}


def test_a_single_canceled_after_low_answers_is_disputed_and_its_end_is_not_told() -> None:
    desk = two_fills()
    for _ in range(5):
        ask(desk, "10", ("E1", "10"), after=2 * SECOND)
    ask(desk, "10", ("E1", "10"), after=2 * SECOND, status=OrdStatus.CANCELED)
    assert desk.child().cum == 20
    assert desk.outcomes() == []
    (said,) = desk.alarms(AlarmKind.DISPUTED)
    assert "20 filled" in said
    assert "10 by the venue" in said
    assert "E2" in said


def test_one_wrong_total_70_then_forty_polls_of_30_with_complete_lists() -> None:
    desk = working(LISTS, "100", resubmit=rule())
    desk.feed(execution("E1", "30", as_of=desk.now))
    desk.feed(desk.report(ExecType.TRADE, "O1", cum_qty="70", as_of=desk.now))
    for _ in range(40):
        ask(desk, "30", ("E1", "30"), after=SECOND)
    assert told(desk) == {AlarmKind.DISPUTED: 1}
    for _ in range(MANY + 1):
        ask(desk, "30", ("E1", "30"), after=2 * SECOND, status=OrdStatus.CANCELED)
    assert desk.child().cum == 30
    assert [op.terms.order_qty for op in desk.sent(Place)] == [100, 70]


@pytest.mark.parametrize("rules", [LISTS, TOTALS], ids=["lists", "totals"])
def test_the_same_word_for_long_enough_rules_while_the_order_works(rules: Capabilities) -> None:
    desk = two_fills(rules)
    settle = rules.settle_ns
    ask(desk, "10", ("E1", "10"), after=LAG + SECOND, leaves="20")
    for _ in range(4):
        ask(desk, "10", ("E1", "10"), after=settle // 5, leaves="20")
    assert desk.child().cum == 20
    ask(desk, "10", ("E1", "10"), after=settle // 5, leaves="20")
    assert (desk.child().cum, desk.child().leaves) == (10, 20)


def test_a_clock_that_jumps_over_the_time_settles_nothing() -> None:
    desk = two_fills()
    settle = LISTS.settle_ns
    for after in (LAG + SECOND, SECOND, settle, SECOND):
        ask(desk, "10", ("E1", "10"), after=after, leaves="20")
    assert desk.child().cum == 20
    assert desk.child().flags & Flag.DISPUTED


def test_what_works_again_is_said_by_more_than_is_open_without_it() -> None:
    for leaves, works in (("10", 10), ("20", 20)):
        desk = two_fills()
        for _ in range(6):
            ask(desk, "10", ("E1", "10"), after=LISTS.settle_ns // 4, leaves=leaves)
        assert (desk.child().cum, desk.child().leaves) == (10, works)


def test_what_is_set_aside_and_does_not_work_again_is_taken_off() -> None:
    desk = two_fills()
    ask(desk, "10", ("E1", "10"), after=LAG + SECOND)
    for _ in range(5):
        ask(desk, "10", ("E1", "10"), after=LISTS.settle_ns // 4)
    assert (desk.child().cum, desk.child().leaves) == (10, 10)


def test_an_execution_after_the_missing_ones_makes_an_answer_fresh() -> None:
    desk = two_fills()
    ask(desk, "10", ("E1", "10"), after=LAG + SECOND)
    desk.feed(execution("E3", "5", as_of=desk.now))
    assert not desk.child().flags & Flag.SUSPECTED
    for _ in range(MANY):
        ask(desk, "15", ("E1", "10"), ("E3", "5"), after=LAG + SECOND)
    assert desk.child().cum == 15
    assert told(desk) == {AlarmKind.DISPUTED: 1, AlarmKind.RULED: 1}


def test_executions_without_a_list_are_a_persons_to_decide() -> None:
    desk = two_fills(BOTH)
    for _ in range(10):
        ask(desk, "10", after=100 * SECOND, status=OrdStatus.CANCELED)
    assert desk.child().cum == 20
    assert told(desk) == {AlarmKind.DISPUTED: 1}
    assert "a person decides" in desk.alarms(AlarmKind.DISPUTED)[0]


# ---------------------------------------------------------------------- what is no answer


@pytest.mark.parametrize(
    "also",
    [
        {"asked": None},
        {"exec_type": ExecType.ORDER_STATUS},
        {"cum_qty": D(15)},
        {"leaves_qty": D(25), "order_qty": D(30)},
        {"key": "m1"},
    ],
    ids=["stream", "status report", "sum is not the total", "more than the order", "a message of its own"],
)
def test_what_is_no_whole_answer_is_only_a_reason_to_ask(also: dict[str, Any]) -> None:
    desk = two_fills()
    for _ in range(6):
        desk.now += 100 * SECOND
        said = {"asked": desk.now, "as_of": desk.now, "order_id": "O1", "cum_qty": D(10), "cl_ord_id": "d1-1"} | also
        kind = said.pop("exec_type", None)
        order_id = said.pop("order_id")
        desk.feed(desk.report(kind, order_id, said.pop("cl_ord_id"), ord_status=OrdStatus.PARTIALLY_FILLED,
                              executions=(execution("E1", "10", order_id),), **said))  # fmt: skip
    assert desk.child().cum == 20
    assert not desk.child().flags & Flag.SUSPECTED


def test_an_answer_under_an_id_that_the_order_has_left_says_nothing_against_it() -> None:
    desk = two_fills()
    desk.feed(OrderLinked(venue=VENUE, order_id="O1", new_order_id="O2"))
    ask(desk, "10", ("E1", "10"), after=LAG + SECOND)
    assert not desk.child().flags & Flag.SUSPECTED
    ask(desk, "10", ("E1", "10"), after=LAG + SECOND, order_id="O2")
    assert desk.child().flags & Flag.SUSPECTED


def test_an_answer_within_the_lag_of_the_last_news_says_nothing_against_it() -> None:
    desk = two_fills()
    for _ in range(5):
        ask(desk, "10", ("E1", "10"), after=LAG // 6)
    assert not desk.child().flags & Flag.SUSPECTED
    ask(desk, "10", ("E1", "10"), after=LAG)
    assert desk.child().flags & Flag.SUSPECTED


def test_a_hint_is_no_total_but_its_list_is_an_answer() -> None:
    desk = two_fills(Capabilities(executions_complete=True, cumulative=Cumulative.HINT))
    ask(desk, "20", ("E1", "10"), after=LAG + SECOND)
    assert desk.child().flags & Flag.SUSPECTED


def test_the_last_printed_digit_is_no_difference() -> None:
    desk = working(BOTH, "30")
    desk.feed(execution("E1", "1.00000004"), execution("E2", "2"))
    ask(desk, "3.000000", after=LAG + SECOND)
    assert not desk.child().flags & Flag.SUSPECTED
    ask(desk, "2.000000", after=LAG + SECOND)
    assert desk.child().flags & Flag.SUSPECTED


def test_each_leg_of_a_chain_that_restarts_is_doubted_for_itself() -> None:
    desk = Driven(Capabilities(chain=Chain.RESTARTS, executions_complete=True, can_replace=True), strict=False)
    desk.submit("30")
    desk.acknowledge()
    desk.feed(execution("E1", "10"), execution("E2", "10"))
    desk.feed(desk.report(ExecType.REPLACED, "O2", "d1-1", order_qty="10"))
    desk.feed(execution("E3", "5", "O2"))
    ask(desk, "5", ("E3", "5"), after=LAG + SECOND, order_id="O2")
    assert not desk.child().flags & Flag.SUSPECTED
    ask(desk, "10", ("E1", "10"), after=LAG + SECOND, order_id="O1")
    assert desk.child().flags & Flag.SUSPECTED


@pytest.mark.parametrize("leaves", ["20", "10"])
def test_what_a_ruling_takes_from_a_total_works_again_only_where_the_answers_show_it(leaves: str) -> None:
    desk = two_fills(TOTALS)
    for _ in range(4):
        ask(desk, "10", after=2 * SECOND, leaves=leaves)
    desk.feed(Resolve(venue=VENUE, order_id="O1", cum_qty=D(20), venue_cum_qty=D(10), by="me", reason="seen", accept=True))
    assert (desk.child().cum, desk.child().leaves) == (10, D(leaves))
    again, ledgers = thaw(freeze(desk.child()), {}, desk.engine.rules)
    assert (again.cum, again.leaves, len(ledgers)) == (10, D(leaves), 1)
    # A statement of just what has filled may say that more is open after all; an older one, or of less, may not.
    ask(desk, "10", after=2 * SECOND, leaves="20")
    assert desk.child().leaves == 20
    ask(desk, "15", after=2 * SECOND, leaves="15")
    assert (desk.child().cum, desk.child().leaves) == (15, 15)


# ---------------------------------------------------------------------- meanwhile


def test_while_it_is_doubted_nothing_follows_and_the_venue_is_asked_for_good() -> None:
    desk = two_fills(TOTALS)
    desk.take()
    ask(desk, "10", after=LAG + SECOND)
    desk.ended(as_of=desk.now, order_id="O1")
    questions = 0
    for _ in range(4 * FRUITLESS):
        operations = desk.wake()
        assert all(isinstance(op, Query) for op in operations), operations
        for query in operations:
            questions += 1
            # An answer that is no answer leaves it open.
            desk.looked(query, error="no answer came", definite=False)
    assert questions == 4 * FRUITLESS
    assert desk.outcomes() == []


def test_a_resubmission_waits_for_the_ruling_and_is_for_what_is_missing_then() -> None:
    desk = working(LISTS, "30", resubmit=rule())
    desk.feed(execution("E1", "10", as_of=desk.now), execution("E2", "10", as_of=desk.now + MS))
    ask(desk, "10", ("E1", "10"), after=LAG + SECOND)
    for _ in range(MANY - 1):
        ask(desk, "10", ("E1", "10"), after=LAG, status=OrdStatus.CANCELED)
        assert len(desk.sent(Place)) == 1
    ask(desk, "10", ("E1", "10"), after=LAG, status=OrdStatus.CANCELED)
    assert [op.terms.order_qty for op in desk.sent(Place)] == [30, 20]


def test_a_cancel_still_leaves_while_it_is_doubted() -> None:
    desk = two_fills()
    ask(desk, "10", ("E1", "10"), after=LAG + SECOND)
    assert any(isinstance(op, Cancel) for op in desk.stop())
    desk.ended(as_of=desk.now)
    assert desk.outcomes() == []


def test_an_answer_that_shows_it_again_clears_and_counts() -> None:
    desk = two_fills()
    for _ in range(MANY):
        ask(desk, "10", ("E1", "10"), after=2 * LAG)
    ask(desk, "20", ("E1", "10"), ("E2", "10"))
    assert not desk.child().flags & Flag.SUSPECTED
    assert told(desk) == {AlarmKind.DISPUTED: 1, AlarmKind.DISPUTE_OVER: 1}
    for _ in range(10):
        ask(desk, "10", ("E1", "10"), after=100 * SECOND, status=OrdStatus.CANCELED)
    assert desk.child().cum == 20
    assert "a person decides" in desk.alarms(AlarmKind.DISPUTED)[1]


# ---------------------------------------------------------------------- what was set aside


def ruled(desk: Driven | None = None) -> Driven:
    desk = desk or two_fills()
    for _ in range(MANY + 1):
        ask(desk, "10", ("E1", "10"), after=2 * SECOND, status=OrdStatus.CANCELED)
    assert desk.child().cum == 10
    return desk


def test_a_key_that_is_listed_again_counts_at_once_and_is_never_ruled_again() -> None:
    desk = ruled()
    ask(desk, "20", ("E1", "10"), ("E2", "10"), status=OrdStatus.CANCELED)
    assert desk.child().cum == 20
    assert [event.qty for event in desk.events if type(event) is Fill] == [10, 10, 10]
    for _ in range(10):
        ask(desk, "10", ("E1", "10"), after=100 * SECOND, status=OrdStatus.CANCELED)
    assert desk.child().cum == 20
    assert told(desk)[AlarmKind.DISPUTED] == 2


def test_the_message_that_was_weighed_does_not_count_again_when_it_is_delivered_again() -> None:
    desk = two_fills()
    second = next(inp for inp, _ in desk.log if getattr(inp, "key", None) == "E2")
    ruled(desk)
    desk.feed(second)
    assert desk.child().cum == 10
    assert any(isinstance(op, Query) for op in desk.wake())


@pytest.mark.parametrize("void", [True, False], ids=["void", "correction"])
def test_the_venues_own_word_takes_the_place_of_what_was_set_aside(void: bool) -> None:
    desk = ruled()
    if void:
        desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="E2", as_of=desk.now))
        assert desk.child().cum == 10
        ask(desk, "20", ("E1", "10"), ("E2", "10"), status=OrdStatus.CANCELED)
        assert [row.void for _, row in desk.child().ledger.live()] == [False]
    else:
        desk.feed(ExecutionRevised(venue=VENUE, order_id="O1", key="E2", qty=D(4), as_of=desk.now, new_key="E2b"))
        assert desk.child().cum == 14


def test_a_total_of_before_the_ruling_that_comes_late_counts_no_more() -> None:
    desk = two_fills(TOTALS)
    early = desk.now
    ruled(desk)
    desk.feed(desk.report(ExecType.TRADE, "O1", cum_qty="20", as_of=early + SECOND))
    assert desk.child().cum == 10
    desk.feed(desk.report(ExecType.TRADE, "O1", cum_qty="12", as_of=desk.now + SECOND))
    assert desk.child().cum == 12


def test_a_parent_that_is_done_is_open_again_after_a_ruling() -> None:
    desk = working(LISTS, "20", resubmit=rule())
    desk.feed(execution("E1", "10", as_of=desk.now), execution("E2", "10", as_of=desk.now + MS))
    assert desk.outcomes() == [("filled", 20)]
    for _ in range(MANY + 1):
        ask(desk, "10", ("E1", "10"), after=2 * LAG, status=OrdStatus.CANCELED)
    assert desk.child().cum == 10
    assert [op.terms.order_qty for op in desk.sent(Place)] == [20, 10]


# ---------------------------------------------------------------------- a person decides


def decide(desk: Driven, *void: str, accept: bool = True, cum: str = "20", total: str = "10") -> None:
    numbers = {"cum_qty": D(cum), "venue_cum_qty": D(total)}
    desk.feed(Resolve(venue=VENUE, order_id="O1", accept=accept, by="kim", reason="called", void=void, **numbers))


def disputed(rules: Capabilities = BOTH) -> Driven:
    desk = two_fills(rules)
    for _ in range(MANY):
        ask(desk, "10", ("E1", "10"), after=2 * LAG)
    assert desk.child().flags & Flag.DISPUTED
    return desk


def test_a_person_accepts_and_names_what_is_void() -> None:
    desk = disputed()
    decide(desk)
    assert "name the executions that are void, of E1, E2" in desk.refusals()[-1]
    decide(desk, "E9")
    assert "E9 does not count" in desk.refusals()[-1]
    assert desk.child().cum == 20
    decide(desk, "E1")
    assert desk.child().cum == 10
    (said,) = desk.alarms(AlarmKind.RULED)
    assert "kim (called)" in said
    assert "E1" in said


def test_a_person_accepts_a_list() -> None:
    desk = disputed(LISTS)
    decide(desk)
    assert desk.child().cum == 10
    assert [key for key, _ in desk.child().ledger.live()] == ["E1"]


def test_a_person_keeps_what_is_booked_and_the_same_answer_is_doubted_no_more() -> None:
    desk = disputed()
    decide(desk, accept=False)
    assert not desk.child().flags & Flag.SUSPECTED
    for _ in range(5):
        ask(desk, "10", after=100 * SECOND)
    assert not desk.child().flags & Flag.SUSPECTED
    ask(desk, "9", after=100 * SECOND)
    assert desk.child().flags & Flag.SUSPECTED
    assert desk.child().cum == 20


@pytest.mark.parametrize(("cum", "total"), [("19", "10"), ("20", "11")])
def test_a_decision_on_numbers_that_moved_is_refused(cum: str, total: str) -> None:
    desk = disputed()
    decide(desk, "E1", cum=cum, total=total)
    assert "look again" in desk.refusals()[-1]
    assert desk.child().cum == 20


def test_a_decision_where_nothing_is_doubted_is_refused() -> None:
    desk = two_fills()
    decide(desk, "E1")
    assert "nothing is doubted" in desk.refusals()[-1]
    desk.feed(Resolve(venue=VENUE, order_id="nobody", cum_qty=D(1), venue_cum_qty=ZERO, accept=True, by="kim", reason="x"))
    assert "no order nobody" in desk.refusals()[-1]


@pytest.mark.parametrize(
    ("field", "value"),
    [("by", " "), ("reason", ""), ("cum_qty", D(-1)), ("venue_cum_qty", D("NaN")), ("void", ("E1",)), ("order_id", None)],
)
def test_a_decision_without_who_why_or_numbers_cannot_be_made(field: str, value: object) -> None:
    said: dict[str, Any] = {"venue": VENUE, "order_id": "O1", "cum_qty": D(2), "venue_cum_qty": D(1), "accept": False,
                            "by": "kim", "reason": "called"}  # fmt: skip
    with pytest.raises(NotANumber):
        Resolve(**said | {field: value})


@pytest.mark.parametrize("field", ["lag_ms", "settle_ms"])
def test_a_venue_cannot_declare_a_negative_wait(field: str) -> None:
    with pytest.raises(NotANumber, match=field):
        Capabilities(**{field: -1})


# ---------------------------------------------------------------------- properties


@given(st.permutations(range(6)))
def test_positive_evidence_gives_one_result_in_every_order(order: list[int]) -> None:
    """Executions, totals and their repeats before a given ruling, in every order: (1)."""
    desk = working(LISTS, "60")
    at = desk.now
    evidence = [
        execution("E1", "10", as_of=at + 1),
        execution("E2", "10", as_of=at + 2),
        execution("E3", "7", as_of=at + 3),
        desk.report(ExecType.TRADE, "O1", cum_qty="27", as_of=at + 3),
        execution("E2", "10", as_of=at + 2),
        desk.report(ExecType.TRADE, "O1", cum_qty="20", as_of=at + 2),
    ]
    desk.feed(*(evidence[each] for each in order))
    for _ in range(MANY):
        ask(desk, "17", ("E1", "10"), ("E3", "7"), after=2 * LAG)
    desk.feed(Resolve(venue=VENUE, order_id="O1", cum_qty=D(27), venue_cum_qty=D(17), accept=True, by="kim", reason="x"))
    assert desk.child().cum == 17
    # And once more after it: nothing of that is news.
    desk.feed(*(evidence[each] for each in reversed(order)))
    assert (desk.child().cum, desk.child().provisional_qty) == (17, 0)
    assert [key for key, _ in sorted(desk.child().ledger.live())] == ["E1", "E3"]


@given(st.data(), st.sampled_from([LISTS, TOTALS]), st.integers(0, 2_900), st.integers(-(10**12), 10**12))
def test_without_a_bust_a_lagging_venue_is_never_doubted(data: st.DataObject, rules: Capabilities, lag: int, skew: int) -> None:
    """(2): answers are `lag` ms behind, and the venue's clock is off by `skew`."""
    desk = working(rules, "1000")
    history = [(desk.now, 0)]
    for number in range(data.draw(st.integers(1, 12))):
        desk.now += data.draw(st.integers(1, 4_000)) * MS
        if data.draw(st.booleans()):
            filled = history[-1][1] + 5
            at = desk.now
            if rules is TOTALS:
                desk.feed(desk.report(ExecType.TRADE, "O1", cum_qty=D(filled), as_of=max(1, at + skew)))
            else:
                desk.feed(execution(f"E{number}", "5", as_of=max(1, at + skew)))
            history.append((at, filled))
        seen = max(cum for at, cum in history if at <= max(desk.now - lag * MS, history[0][0]))
        keys = [(f"E{n}", "5") for n in range(20) if f"E{n}" in desk.child().ledger.rows][: seen // 5]
        ask(desk, str(seen), *keys, after=0)
        assert not desk.child().flags & Flag.SUSPECTED
    assert not told(desk)
    assert desk.child().cum == history[-1][1]


@given(st.data(), st.sampled_from([LISTS, TOTALS]))
def test_without_a_bust_a_stopped_replica_never_makes_a_ruling(data: st.DataObject, rules: Capabilities) -> None:
    """(3): one of several replicas, or the only one, stops for less than `settle_ms`; answers come from any of them."""
    desk = working(rules, "1000")
    replicas = data.draw(st.integers(1, 3))
    filled, stopped = 0, None
    until = 0
    for number in range(data.draw(st.integers(2, 25))):
        desk.now += data.draw(st.integers(100, 9_000)) * MS
        if stopped is None and data.draw(st.booleans()):
            stopped, until = filled, desk.now + rules.settle_ns - SECOND
        if stopped is not None and desk.now >= until:
            stopped, until = filled, 0
        if data.draw(st.booleans()):
            filled += 5
            if rules is TOTALS:
                desk.feed(desk.report(ExecType.TRADE, "O1", cum_qty=D(filled), as_of=desk.now))
            else:
                desk.feed(execution(f"E{number:02}", "5", as_of=desk.now))
            desk.now += 10 * MS
        old = stopped is not None and until and data.draw(st.integers(1, replicas)) == 1
        seen = stopped if old and stopped is not None else filled
        ask(desk, str(seen), *[(key, "5") for key in list(desk.child().ledger.rows)[: seen // 5]], after=0)
        assert desk.child().cum == filled
    assert AlarmKind.RULED not in told(desk)


@given(st.data(), st.sampled_from([LISTS, TOTALS, BOTH]), st.booleans())
def test_a_lost_bust_ends_equal_or_disputed_and_alarmed(data: st.DataObject, rules: Capabilities, ends: bool) -> None:
    """(4): then it is quiet, and the venue is asked on."""
    desk = working(rules, "100")
    fills = data.draw(st.integers(1, 5))
    for number in range(fills):
        if rules is TOTALS:
            desk.feed(desk.report(ExecType.TRADE, "O1", cum_qty=D(10 * number + 10), as_of=desk.now))
        else:
            desk.feed(execution(f"E{number}", "10", as_of=desk.now))
    gone = data.draw(st.integers(0, fills - 1))
    left = [(f"E{number}", "10") for number in range(fills) if number != gone]
    status = OrdStatus.CANCELED if ends else OrdStatus.PARTIALLY_FILLED
    for _ in range(data.draw(st.integers(MANY + 1, 12))):
        ask(desk, str(10 * fills - 10), *left, after=data.draw(st.integers(1_600, 30_000)) * MS, status=status)
    for _ in range(2):
        ask(desk, str(10 * fills - 10), *left, after=LAG + MS, status=status)
    assert told(desk)[AlarmKind.DISPUTED] == 1
    if desk.child().cum == 10 * fills:
        assert desk.child().flags & Flag.DISPUTED
    else:
        assert desk.child().cum == 10 * fills - 10
        assert rules is not BOTH


def test_the_inputs_fold_to_the_same_rulings_and_a_restart_changes_nothing() -> None:
    """(5), also from a frozen order in the middle of a doubt."""
    desk = two_fills()
    ask(desk, "10", ("E1", "10"), after=LAG + SECOND)
    ask(desk, "10", ("E1", "10"), after=LAG)
    for cut in range(len(desk.log)):
        engine = Engine()
        for inp, now in desk.log[:cut]:
            engine.step(inp, now)
        for number, child in list(engine.children.items()):
            rows = [(0, key, packed) for key, packed in child.ledger.rows.items()]
            back, _ = thaw(freeze(child), rows, {child.venue: child.rules})
            assert freeze(back) == freeze(child), number
    twin = Engine()
    for inp, now in desk.log:
        twin.step(inp, now)
    assert freeze(twin.children[1]) == freeze(desk.engine.children[1])
    child = desk.child()
    back, _ = thaw(freeze(child), [(0, key, packed) for key, packed in child.ledger.rows.items()], {child.venue: child.rules})
    doubt = back.ledger.doubt
    assert doubt is not None
    assert doubt == child.ledger.doubt
    assert (doubt.count, doubt.total, doubt.missing) == (2, 10, ("E2",))


def test_doubted_answers_in_every_order_of_questions_count_each_question_once() -> None:
    for order in itertools.permutations(range(3)):
        desk = two_fills()
        base = desk.now + LAG + SECOND
        for each in order:
            desk.now = base + 10 * SECOND
            desk.feed(desk.report(None, "O1", ord_status=OrdStatus.PARTIALLY_FILLED, cum_qty="10", asked=base + each * SECOND,
                                  as_of=base + each, executions=(execution("E1", "10"),)))  # fmt: skip
        assert desk.child().ledger.doubt is not None
        assert not desk.child().flags & Flag.DISPUTED, order
        assert desk.child().cum == 20
