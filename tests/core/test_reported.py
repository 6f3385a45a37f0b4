"""Reports of another system: what each calls for, what it never does, and that one event is one decision."""

from __future__ import annotations

import pytest

from partfill.core.effects import Effects
from partfill.model.capabilities import Capabilities
from partfill.model.commands import Reported, Restarted
from partfill.model.numbers import NotANumber
from partfill.model.operations import Cancel, Replace
from partfill.model.policy import CancelRest, Chase, Hold, RemainderPolicy
from partfill.model.reasons import Reason
from partfill.model.words import OrdType
from tests.core.driven import SECOND, VENUE, D, Driven
from tests.core.test_handling import LIVE, book, decide, partly


def report(desk: Driven, event_ts: int, policy: RemainderPolicy | None = None, ref: str = "p") -> Effects:
    """Another system says that the order is partly filled."""
    return desk.feed(Reported(venue=VENUE, ref=ref, event_ts=event_ts, policy=policy))


def test_a_report_calls_for_a_decision_of_its_own() -> None:
    desk = partly(Hold())
    decide(desk, event=1)
    desk.take_wanted()
    effects = report(desk, 5)
    assert (effects.called, desk.take_wanted()) == (2, [("p", 2)])
    assert (effects.events, list(effects.operations), effects.rows) == ([], [], [])
    decide(desk, event=2)
    assert [each.event for each in desk.reports()] == [1, 2]


@pytest.mark.parametrize("event_ts", [5, 4, 1])
def test_the_same_event_and_older_ones_are_repeats(event_ts: int) -> None:
    desk = partly(Hold())
    report(desk, 5)
    desk.take_wanted()
    before = desk.engine.counters.duplicates
    effects = report(desk, event_ts)
    assert (effects.called, desk.take_wanted(), list(effects.parents)) == (0, [], [])
    assert desk.engine.counters.duplicates == before + 1


def test_a_restart_does_not_make_a_repeat_new() -> None:
    desk = partly(Hold())
    report(desk, 5)
    decide(desk, event=2)
    desk.feed(Restarted(desk="d"))
    desk.take_wanted()
    assert report(desk, 5).called == 0
    assert report(desk, 6).called == 3


def test_what_was_called_for_and_not_decided_is_wanted_after_a_restart() -> None:
    desk = partly(Hold())
    report(desk, 5)
    desk.take_wanted()
    desk.feed(Restarted(desk="d"))
    assert desk.take_wanted() == [("p", 2)]


def test_there_is_nothing_to_decide_while_nothing_has_filled_here() -> None:
    desk = Driven()
    desk.submit(remainder=Hold())
    desk.acknowledge()
    assert list(report(desk, 5).parents) == []
    # It was no event of an order that could be decided on: said again later it is new.
    desk.fill("first", "4")
    assert report(desk, 5).called == 2


@pytest.mark.parametrize("how", ["filled", "stopped", "killed", "released", "unknown"])
def test_there_is_nothing_to_decide_on_what_is_over_or_unknown(how: str) -> None:
    desk = partly(Hold())
    desk.take_wanted()
    if how == "filled":
        desk.fill("rest", "6")
    elif how == "stopped":
        desk.stop()
    elif how == "killed":
        desk.kill()
    elif how == "released":
        desk.parent().halted = True
    desk.take_wanted()
    effects = report(desk, 5, ref="other" if how == "unknown" else "p")
    assert (effects.called, list(effects.parents), desk.take_wanted()) == (0, [], [])


def test_between_one_order_and_the_next_the_decision_is_owed() -> None:
    desk = Driven(Capabilities(end_is_final=False))
    desk.submit(remainder=Chase(3, rechase_ms=60_000))
    desk.acknowledge()
    desk.fill("first", "4")
    desk.take()
    decide(desk, book(desk, "100.5"))
    desk.ended()
    desk.take_wanted()
    assert (report(desk, 5).called, desk.take_wanted()) == (0, [])
    handling = desk.parent().handling
    assert handling is not None
    assert (handling.owed, handling.reported) == (True, 5)


def test_an_order_without_a_policy_takes_the_one_that_comes_along_and_keeps_it() -> None:
    desk = Driven()
    desk.submit()
    desk.acknowledge()
    desk.fill("first", "4")
    desk.take()
    assert (report(desk, 5).called, desk.parent().handling) == (0, None)
    assert report(desk, 5, CancelRest()).called == 1
    assert [type(op) for op in decide(desk)] == [Cancel]
    assert desk.reports()[-1].original == 100


def test_a_policy_that_comes_along_does_not_replace_that_of_the_order() -> None:
    desk = partly(Hold())
    report(desk, 5, CancelRest())
    assert decide(desk, event=2) == []
    assert desk.reports()[-1].verdict is Reason.HOLD_REMAINDER


def test_a_policy_that_comes_along_chases_from_what_the_user_asked_for_last() -> None:
    desk = Driven(Capabilities(can_replace=True))
    desk.submit()
    desk.acknowledge()
    desk.fill("first", "4")
    (replace,) = desk.amend(price="104")
    assert isinstance(replace, Replace)
    report(desk, 5, Chase(3))
    decide(desk, book(desk, "105.5"), mode=LIVE)
    assert (desk.reports()[-1].original, desk.reports()[-1].px) == (104, D("105.5"))


def test_an_order_in_cash_is_left_alone() -> None:
    desk = Driven()
    desk.submit(None, None, cash_order_qty=D(100), ord_type=OrdType.MARKET)
    desk.acknowledge()
    desk.fill("first", "0.5")
    assert report(desk, 5, Hold()).called == 0


def test_a_market_that_shows_what_it_showed_is_decided_on_when_somebody_reports() -> None:
    desk = partly(Chase(10, rechase_ms=50))
    shown = decide(desk, book(desk, "112"))
    assert shown
    desk = partly(Hold(max_hold_ms=5000))
    decide(desk, event=1)
    desk.wait(SECOND)
    report(desk, 5)
    handling = desk.parent().handling
    assert handling is not None
    assert not handling.again


@pytest.mark.parametrize("event_ts", [0, -1, 10**16])
def test_a_time_that_is_none_is_named(event_ts: int) -> None:
    with pytest.raises(NotANumber, match=f"event_ts is {event_ts}; it is a time in ms UTC"):
        Reported(venue=VENUE, ref="p", event_ts=event_ts)
