"""Whatever happens to an order with a policy: prices within the cap, reports that add up, nothing blind, the same again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from partfill.core.engine import Engine
from partfill.model.capabilities import Capabilities
from partfill.model.codec import to_json
from partfill.model.commands import Outcome
from partfill.model.operations import Replace
from partfill.model.policy import Chase, Mode, RemainderPolicy
from partfill.model.words import Side
from tests.core.chased import MOVES, POLICIES, RULES, Move, Watched
from tests.core.driven import TOTAL
from tests.core.test_desk_properties import Kept, told

SIDES = st.sampled_from(Side)


def played(rules: Capabilities, policy: RemainderPolicy, side: Side, moves: list[Move], resubmit: bool = False) -> Watched:
    desk = Watched(rules, policy, side, resubmit=resubmit)
    desk.play(moves)
    return desk


@given(RULES, POLICIES, SIDES, MOVES, st.booleans())
def test_no_script_gets_a_price_beyond_the_cap_or_a_report_that_is_wrong(
    rules: Capabilities, policy: RemainderPolicy, side: Side, moves: list[Move], resubmit: bool
) -> None:
    desk = played(rules, policy, side, moves, resubmit)
    names = [report.report_id for report in desk.reports()]
    assert len(names) == len(set(names))


@given(RULES, POLICIES, SIDES, MOVES, st.booleans())
def test_a_replay_makes_the_same_decisions_to_the_byte(
    rules: Capabilities, policy: RemainderPolicy, side: Side, moves: list[Move], resubmit: bool
) -> None:
    desk = played(rules, policy, side, moves, resubmit)
    again = Engine()
    events, operations = [], []
    for inp, now in desk.log:
        effects = again.step(inp, now)
        events.extend(effects.events)
        operations.extend(effects.operations)
    assert [to_json(event) for event in events] == [to_json(event) for event in desk.events]
    assert operations == desk.ops


@given(RULES, POLICIES, SIDES, MOVES, st.integers(0, 30))
def test_frozen_between_want_and_decision_it_decides_the_same(
    rules: Capabilities, policy: RemainderPolicy, side: Side, moves: list[Move], at: int
) -> None:
    desk = played(rules, policy, side, moves, resubmit=True)
    first, kept = Engine(), Kept()
    second = first
    for number, (inp, now) in enumerate(desk.log):
        if number == at:
            second = kept.thaw(first)
        effects = first.step(inp, now)
        if second is not first:
            theirs = second.step(inp, now)
            assert told(theirs) == told(effects), number
            assert [parent.ref for parent in theirs.wanted] == [parent.ref for parent in effects.wanted]
        kept.note(first, effects)
        kept.same_as(first)


def test_scripts_meet_chases_that_are_carried_out() -> None:
    """The moves do what they are for: a plain script chases twice."""
    plain = Move("decide", 1, 0, 1, 1, "fresh", Outcome.DONE, Mode.GENERAL_LIVE, False)
    moves = [plain, Move("confirm", *MOVED), Move("fill", *MOVED), Move("decide", 1, 0, 3, 1, *MOVED[4:])]
    desk = played(TOTAL, Chase(3), Side.BUY, moves)
    assert [op.price for op in desk.sent(Replace)] == [100.5, 101.5]
    assert [report.carried_out for report in desk.reports()] == [True, True]


MOVED = (1, 0, 0, 1, "fresh", Outcome.DONE, Mode.GENERAL_LIVE, False)
