"""What a ruling drops and what it lets in: the moments around it, and when a dispute is one."""

from __future__ import annotations

from partfill.core.asides import rule, too_late
from partfill.core.rulings import MANY
from partfill.model.events import AlarmKind
from partfill.model.words import Flag
from tests.core.driven import D
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
