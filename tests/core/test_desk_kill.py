"""The kill switch, and orders that the user placed by other means: what is taken off, and what never starts."""

from __future__ import annotations

import pytest

from partfill.model.capabilities import Capabilities, ClientId
from partfill.model.commands import EVERYWHERE, Answered, KillSwitch, Outcome, Restarted, Stop, Track, Untrack
from partfill.model.events import Alarm, AlarmKind, KillSwitchChanged, ParentDone
from partfill.model.inputs import Gap
from partfill.model.observations import ExecutionVoided
from partfill.model.operations import Cancel, Place, Query
from partfill.model.words import ExecType, Flag, OrdStatus, Request, Side
from tests.core.driven import PLAIN, SECOND, TOTAL, VENUE, D, Driven, execution, rule, terms, working
from tests.core.test_protection import STOP, Market

# ---------------------------------------------------------------------- kill switch


@pytest.mark.parametrize(("venue", "account"), [(VENUE, ""), (EVERYWHERE, ""), (EVERYWHERE, "other")])
def test_the_kill_switch_takes_everything_off_and_starts_nothing(venue: str, account: str) -> None:
    desk = working(filled="4", resubmit=rule())
    assert [type(op) for op in desk.kill(venue=venue, account=account)] == [Cancel]
    assert desk.kill(venue=venue, account=account) == []
    desk.ended()
    assert desk.take() == []
    assert desk.submit(ref="second") == []
    assert desk.outcomes() == [("killed", D(4))]
    assert len([event for event in desk.events if type(event) is KillSwitchChanged]) == 1


@pytest.mark.parametrize(("venue", "account"), [("elsewhere", ""), (VENUE, "other")])
def test_another_scope_is_left_alone(venue: str, account: str) -> None:
    desk = working()
    assert desk.kill(venue=venue, account=account) == []
    assert [type(op) for op in desk.submit(ref="second")] == [Place]


def test_lifting_lets_new_orders_in_and_raises_no_dead() -> None:
    desk = working()
    desk.kill()
    desk.ended()
    assert desk.kill(on=False) == []
    assert [type(op) for op in desk.submit(ref="second")] == [Place]
    assert desk.kill(on=False) == []


def test_the_switch_for_everything_is_lifted_whatever_account_is_named() -> None:
    desk = Driven()
    desk.kill(venue=EVERYWHERE, account="a")
    desk.kill(on=False, venue=EVERYWHERE)
    assert [type(op) for op in desk.submit()] == [Place]


def test_orders_that_the_user_placed_are_taken_off_too() -> None:
    desk = Driven()
    desk.feed(desk.report(ExecType.NEW, "U1", "mine", order_qty="5", instrument="ACME"))
    desk.feed(Track(venue=VENUE, ref="t", terms=terms("7"), cl_ord_id="mine-2", order_id="U2"))
    desk.take()
    assert sorted(op.order_id for op in desk.kill()) == ["U1", "U2"]  # type: ignore[union-attr, type-var]
    desk.ended("U1")
    desk.ended("U2")
    assert [outcome for outcome, _ in desk.outcomes()] == ["killed", "killed"]


ANONYMOUS = Capabilities(client_id=ClientId.NONE, end_is_final=False)


def killed_before_the_reply() -> Driven:
    """A venue that knows no ids of ours has told of two like orders; the reply to our placing is on its way at the kill."""
    desk = Driven(ANONYMOUS)
    desk.submit()
    said = {"order_qty": "10", "price": "100", "instrument": "ACME", "side": Side.BUY, "ord_status": OrdStatus.NEW}
    desk.feed(desk.report(ExecType.NEW, "O1", **said), desk.report(ExecType.NEW, "O2", **said))
    desk.feed(desk.report(ExecType.NEW, "O3", **said | {"side": Side.SELL}))
    desk.fill("first", "4")
    desk.take()
    assert [op.order_id for op in desk.kill() if isinstance(op, Cancel)] == ["O3"]
    return desk


def test_an_order_that_may_be_ours_is_taken_off_once_it_is_known_whose_it_is() -> None:
    desk = killed_before_the_reply()
    taken = desk.done(desk.last(Place), order=desk.report(None, "O1", ord_status=OrdStatus.PARTIALLY_FILLED, order_qty="10"))
    assert sorted(op.order_id for op in taken if isinstance(op, Cancel)) == ["O1", "O2"]
    for order_id in ("O1", "O2", "O3"):
        desk.ended(order_id)
    for query in desk.wake():
        assert isinstance(query, Query)
        desk.looked(query, desk.report(None, query.order_id, ord_status=OrdStatus.CANCELED))
    assert sorted(desk.outcomes()) == [("killed", D(0)), ("killed", D(0)), ("killed", D(4))]
    assert desk.parent().cum == 4
    assert not any(child.flags & Flag.UNCLAIMED for child in desk.engine.children.values())


def test_an_order_that_was_not_ours_after_all_is_taken_off_too() -> None:
    desk = killed_before_the_reply()
    taken = desk.refused(desk.last(Place))
    assert [op.order_id for op in taken if isinstance(op, Cancel)] == ["O1", "O2"]
    assert desk.parent().cum == 0


def test_an_order_that_may_be_ours_and_ends_meanwhile_is_left_alone() -> None:
    desk = killed_before_the_reply()
    desk.ended("O2")
    taken = desk.done(desk.last(Place), order=desk.report(None, "O1", ord_status=OrdStatus.PARTIALLY_FILLED, order_qty="10"))
    assert [op.order_id for op in taken if isinstance(op, Cancel)] == ["O1"]


def test_lifting_the_switch_forgets_what_it_would_have_taken_off() -> None:
    desk = killed_before_the_reply()
    assert desk.kill(on=False) == []
    assert not desk.engine.desk.unclaimed
    assert desk.refused(desk.last(Place)) == []


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_placement_that_was_taken_and_not_reported_is_asked_for_at_once(how: str) -> None:
    desk = Driven()
    desk.submit()
    desk.done(desk.last(Place))
    asked = desk.kill() if how == "kill" else desk.stop()
    assert [type(op) for op in asked] == [Query]


def test_after_a_gap_what_waits_to_be_asked_is_asked_at_once() -> None:
    desk = working()
    desk.kill()
    for op in desk.unknown(desk.last(Cancel)) or desk.wake():
        assert isinstance(op, Query)
        desk.looked(op, error="no answer came", definite=False)
    for _ in range(6):
        (query,) = desk.wake()
        desk.looked(query, error="no answer came", definite=False)
    assert desk.wait(SECOND) == []
    desk.feed(Gap(venue=VENUE, account="other", since=None))
    assert desk.take() == []
    desk.feed(Gap(venue=VENUE, since=None))
    assert [type(op) for op in desk.take()] == [Query]


def test_an_order_that_filled_before_the_kill_and_is_voided_after_it_has_no_successor() -> None:
    desk = working(resubmit=rule())
    desk.fill("a", "10")
    desk.kill()
    desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="a"))
    assert desk.take() == []
    assert not desk.parent().active


def test_an_order_tracked_under_the_kill_switch_has_no_successor() -> None:
    desk = Driven()
    desk.kill()
    desk.feed(Track(venue=VENUE, ref="t", terms=terms("7"), cl_ord_id="mine", order_id="U1", resubmit=rule()))
    desk.feed(desk.report(ExecType.EXPIRED, "U1", "mine"))
    assert desk.sent(Place) == []


def test_the_kill_switch_does_not_wait_for_an_answer_to_a_question() -> None:
    desk = working()
    desk.feed(Restarted())
    (query,) = desk.take()
    assert type(query) is Query
    assert [type(op) for op in desk.kill()] == [Cancel]
    desk.looked(query, error="timeout")
    assert len(desk.sent(Cancel)) == 1


def test_the_kill_switch_is_told_with_who_and_why() -> None:
    desk = Driven()
    desk.feed(KillSwitch(venue=VENUE, on=True, by="ana", reason="fire"))
    desk.submit()
    assert "ana" in desk.refusals()[0]
    assert not [event for event in desk.events if type(event) is ParentDone]
    assert desk.alarms(AlarmKind.LAW) == []


# ---------------------------------------------------------------------- track and untrack


def tracked(desk: Driven, **also: object) -> None:
    named: dict[str, object] = {"cl_ord_id": "mine"} | also
    desk.feed(Track(venue=VENUE, ref="t", terms=terms(), **named))  # type: ignore[arg-type]


def test_a_tracked_order_is_canceled_under_its_own_ids_and_succeeded_under_ours() -> None:
    desk = Driven()
    tracked(desk, resubmit=rule())
    assert desk.take() == []
    desk.feed(desk.report(ExecType.NEW, "U1", "mine"), execution("a", "4", "U1"))
    desk.ended("U1", ExecType.EXPIRED)
    (place,) = desk.take()
    assert (place.cl_ord_id, place.terms.order_qty) == ("d1-2", 6)
    assert desk.parent("t").cum == 4


def test_fills_known_before_an_order_is_tracked_count_once() -> None:
    desk = Driven()
    desk.feed(execution("a", "4", "U1"))
    tracked(desk, order_id="U1", cl_ord_id=None)
    assert (desk.parent("t").cum, desk.parent("t").exposure) == (4, 10)
    desk.feed(execution("a", "4", "U1"))
    assert desk.parent("t").cum == 4


def test_tracking_twice_changes_nothing_and_a_child_of_ours_is_not_tracked() -> None:
    desk = working()
    tracked(desk)
    tracked(desk)
    assert len(desk.engine.desk.parents) == 2
    desk.feed(Track(venue=VENUE, ref="u", terms=terms(), cl_ord_id="d1-1"))
    assert len(desk.refusals()) == 1
    assert len(desk.engine.desk.parents) == 2


def test_a_request_never_takes_the_id_of_another_order() -> None:
    desk = Driven()
    tracked(desk)
    desk.feed(Track(venue=VENUE, ref="u", terms=terms(), cl_ord_id="mine.1"))
    (cancel,) = desk.stop("t")
    assert isinstance(cancel, Cancel)
    assert cancel.cl_ord_id != "mine.1"
    desk.feed(desk.report(ExecType.NEW, "U2", "mine.1"))
    assert desk.child(ref="u").order_id == "U2"


def test_orders_of_one_name_taken_over_by_the_kill_switch_stay_apart() -> None:
    desk = Driven()
    desk.feed(desk.report(ExecType.NEW, "5", "x", order_qty="5", instrument="ACME"))
    desk.feed(desk.report(ExecType.NEW, "x", None, order_qty="5", instrument="ACME"))
    desk.kill()
    parents = desk.engine.desk.parents
    assert len(parents) == 2
    assert len(desk.engine.desk.by_ref) == 2


def test_untracked_means_nothing_more_is_asked_and_fills_still_count() -> None:
    desk = working(resubmit=rule())
    desk.feed(Untrack(venue=VENUE, ref="p"), Untrack(venue=VENUE, ref="p"))
    assert desk.outcomes() == [("released", D(0))]
    desk.fill("a", "4")
    desk.ended()
    assert desk.wait(60 * SECOND) == []
    assert desk.parent().cum == 4
    assert desk.outcomes() == [("released", D(0))]
    desk.feed(Stop(venue=VENUE, ref="p"))
    assert len(desk.refusals()) == 1


def test_a_released_order_that_the_venue_opens_again_stays_released() -> None:
    desk = working(TOTAL)
    desk.feed(Untrack(venue=VENUE, ref="p"))
    desk.fill("a", "10")
    desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="a", leaves_qty=D(10)))
    assert desk.parent().done == "released"
    assert desk.wait(60 * SECOND) == []


def test_a_halted_order_is_taken_off_all_the_same() -> None:
    desk = working()
    desk.parent().halted = True
    assert [type(op) for op in desk.kill()] == [Cancel]


def test_a_released_order_is_taken_off_all_the_same() -> None:
    desk = working()
    desk.feed(Untrack(venue=VENUE, ref="p"))
    assert [type(op) for op in desk.kill()] == [Cancel]


def test_a_refused_order_that_fills_all_the_same_is_asked_for_and_has_no_successor_beside_it() -> None:
    desk = Driven(PLAIN)
    (place,) = desk.submit("10", resubmit=rule())
    assert isinstance(place, Place)
    refused = Answered(venue=VENUE, request=Request.PLACE, cl_ord_id=place.cl_ord_id, outcome=Outcome.REFUSED, reason="margin")
    desk.feed(refused)
    assert desk.parent().done == "rejected"
    desk.acknowledge(place)
    desk.fill("a", "4")
    assert [type(op) for op in desk.ops] == [Place, Query]
    assert desk.parent().exposure == 10
    assert any(event.kind is AlarmKind.MISSING for event in desk.events if type(event) is Alarm)


def test_what_fills_under_the_kill_switch_is_not_protected_until_it_is_lifted() -> None:
    market = Market(PLAIN, STOP)
    market.enters("100")
    market.kill()
    market.fill("late", "40", "entry")
    assert [op for op in market.take() if isinstance(op, Place)] == []
    assert [parent.ref for parent in market.engine.desk.parents.values()] == ["entry"]
    market.kill(on=False)
    (place,) = [op for op in market.sent(Place) if op.terms.stop_px is not None]
    assert place.terms.order_qty == 40
