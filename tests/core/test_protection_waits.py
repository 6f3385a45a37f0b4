"""How long a protective order that came to nothing is waited with before it is asked for again: twice as long each time."""

from __future__ import annotations

import pytest

from partfill.core.waiting import BACKOFF_MAX_NS, BACKOFF_NS, backoff
from partfill.model.capabilities import Capabilities
from partfill.model.commands import KillSwitch
from partfill.model.operations import Cancel, Place, Replace
from partfill.model.words import Side
from tests.core.driven import MS, PLAIN, SECOND, TOTAL, VENUE
from tests.core.test_protection import KINDS, STOP, Market

TRIES = 12
DOUBLING = [min(BACKOFF_NS * 2**number, BACKOFF_MAX_NS) for number in range(TRIES)]
SLACK = 5 * MS
"""The steps in between take a millisecond each."""


def about(waits: list[int]) -> bool:
    """Whether waits double from a fifth of a second to half a minute."""
    return len(waits) == TRIES and all(0 <= is_ - want <= SLACK for is_, want in zip(waits, DOUBLING, strict=True))


@KINDS
@pytest.mark.parametrize("how", ["refused", "taken off"])
def test_a_leg_comes_again_after_twice_as_long_each_time(rules: Capabilities, how: str) -> None:
    market = Market(rules, STOP)
    market.enters("100")
    market.fill("one", "100", "entry")
    waits = []
    for _ in range(TRIES):
        place = market.last(Place)
        if how == "taken off":
            market.does(place)
            (name,) = market.orders
            market.ends(name)
        else:
            market.refused(place)
        before, asked = market.now, len(market.sent(Place))
        market.fresh = []
        market.wake()
        assert len(market.sent(Place)) == asked + 1
        waits.append(market.now - before)
    assert about(waits), [wait / 1e9 for wait in waits]
    market.fresh = []
    market.does(market.last(Place))
    market.answer()
    assert market.legs == (100, 0)


def test_a_resize_comes_again_after_twice_as_long_each_time() -> None:
    market = Market(TOTAL, STOP)
    market.enters("100", "100")
    market.enters("40", ref="by hand", side=Side.SELL)
    market.fill("less", "40", "by hand")
    waits = []
    for _ in range(TRIES):
        # Refused, and asked about: nothing has changed.
        market.fresh = []
        market.fresh = market.refused(market.last(Replace))
        market.answer()
        before, asked = market.now, len(market.sent(Replace))
        market.fresh = market.wake()
        assert len(market.sent(Replace)) == asked + 1
        waits.append(market.now - before)
    assert all(0 <= want - is_ <= SLACK for is_, want in zip(waits, DOUBLING, strict=True)), [wait / 1e9 for wait in waits]
    market.answer()
    assert market.legs == (60, 0)


def test_what_is_missing_beside_what_works_comes_again_after_twice_as_long_each_time() -> None:
    market = Market(PLAIN, STOP)
    market.enters("100", "60")
    market.fill("more", "40", "entry")
    waits = []
    for _ in range(TRIES):
        market.fresh = []
        market.refused(market.last(Place))
        before, asked = market.now, len(market.sent(Place))
        market.fresh = market.wake()
        assert len(market.sent(Place)) == asked + 1
        waits.append(market.now - before)
        assert market.works("stop") == 60
    assert about(waits), [wait / 1e9 for wait in waits]


@KINDS
def test_a_new_position_does_not_wait_for_what_the_one_before_ran_into(rules: Capabilities) -> None:
    market = Market(rules, STOP)
    market.enters("100", "100")
    (name,) = market.orders
    market.ends(name)
    market.enters("100", "100", ref="out", side=Side.SELL)
    market.now += backoff(1) + MS
    market.enters("50", "50", ref="again")
    assert market.legs == (50, 0)


def test_what_waits_is_not_placed_once_it_is_not_wanted() -> None:
    market = Market(PLAIN, STOP)
    market.enters("100")
    market.fill("one", "100", "entry")
    market.refused(market.last(Place))
    asked = len(market.sent(Place))
    market.feed(KillSwitch(venue=VENUE, on=True, by="operator"))
    market.take()
    market.wait(2 * BACKOFF_MAX_NS)
    assert len(market.sent(Place)) == asked
    assert not [op for op in market.sent(Cancel) if market.leg_of(op) == "stop"]  # type: ignore[arg-type]


def test_what_is_added_while_an_end_is_not_proven_is_placed_beside_what_may_still_fill() -> None:
    market = Market(Capabilities(can_replace=True, end_is_final=False), STOP)
    market.enters("150", "100")
    (name,) = market.orders
    market.ends(name)
    (query,) = market.take()
    market.fill("more", "50", "entry")
    (place,) = market.take()
    assert isinstance(place, Place)
    assert place.terms.order_qty == 50
    market.does(place)
    market.does(query)
    market.answer()
    market.fresh = market.wait(SECOND)
    market.answer()
    assert market.works("stop") == 150


def test_what_was_refused_beside_an_end_that_is_not_proven_waits() -> None:
    market = Market(Capabilities(can_replace=True, end_is_final=False), STOP)
    market.enters("150", "100")
    (name,) = market.orders
    market.ends(name)
    market.take()
    market.fill("more", "50", "entry")
    (place,) = market.take()
    assert [op for op in market.refused(place) if isinstance(op, Place)] == []
    fresh = market.wait(SECOND)
    assert [op.terms.order_qty for op in fresh if isinstance(op, Place)][:1] == [50]
