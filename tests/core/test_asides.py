"""What a ruling drops and what it lets in: the moments around it, and when a dispute is one."""

from __future__ import annotations

from partfill.core.asides import rule, too_late
from partfill.core.rulings import MANY
from partfill.model.events import AlarmKind
from partfill.model.words import Flag, OrdStatus
from tests.core.driven import D, Driven, execution
from tests.core.evidence import Desk, fill, placed
from tests.core.test_rulings import LAG, ask, two_fills


def test_a_claim_of_the_moment_that_was_ruled_on_is_too_late_and_a_later_one_is_not() -> None:
    ledger = Desk(None, placed("10"), fill("x", "4", as_of=10)).child.ledger
    rule(ledger, 50, D(0), None, ("x",), reopens=False)
    assert (ledger.cum, too_late(ledger, 50), too_late(ledger, 51)) == (0, True, False)
    assert not ledger.claim(D(4), None, 50)
    assert ledger.cum == 0
    assert ledger.claim(D(3), None, 51)
    assert ledger.cum == 3


def test_a_dispute_takes_three_answers_however_far_apart_they_are() -> None:
    desk = two_fills()
    for number in range(MANY):
        assert not desk.child().flags & Flag.DISPUTED, number
        ask(desk, "10", ("E1", "10"), after=2 * LAG)
    assert desk.child().flags & Flag.DISPUTED
    assert len(desk.alarms(AlarmKind.DISPUTED)) == 1


def set_aside() -> Driven:
    """E2 was ruled out, since no answer had it."""
    desk = two_fills()
    for _ in range(MANY):
        ask(desk, "10", ("E1", "10"), after=2 * LAG, status=OrdStatus.CANCELED)
    assert (desk.child().cum, desk.child().ledger.doubt.aside) == (10, ["E2"])  # type: ignore[union-attr]
    return desk


def test_what_was_set_aside_counts_once_a_later_answer_lists_it_whatever_its_own_moment() -> None:
    desk = set_aside()
    desk.now += LAG
    listed = (execution("E1", "10", as_of=1), execution("E2", "10", as_of=1))
    desk.feed(desk.report(None, cum_qty="20", leaves_qty="0", executions=listed, asked=desk.now, as_of=desk.now,
                          ord_status=OrdStatus.CANCELED))  # fmt: skip
    assert (desk.child().cum, desk.child().ledger.itemised) == (20, 20)


def test_what_was_set_aside_counts_once_it_is_told_without_a_moment_and_not_by_a_message_of_before() -> None:
    desk = set_aside()
    desk.feed(execution("E2", "10", as_of=1))
    assert desk.child().cum == 10
    desk.feed(execution("E2", "10"))
    assert desk.child().cum == 20
