"""Protection while a venue says that less was entered than was heard: for what is held for certain, unless it is held to it."""

from __future__ import annotations

import pytest

from partfill.core.rulings import MANY
from partfill.model.capabilities import Capabilities
from partfill.model.operations import Operation, Query
from partfill.model.protection import Leg
from partfill.model.words import Flag, OrdStatus
from tests.core.driven import D, execution
from tests.core.test_protection import STOP, Market
from tests.core.test_rulings import LAG

OPEN = Capabilities(executions_complete=True)
HELD = Capabilities(executions_complete=True, reduce_only=True)


class Doubted(Market):
    """A market that does not answer questions about entries by itself: `says` does."""

    def does(self, op: Operation) -> None:
        if isinstance(op, Query) and op.order_id not in (*self.orders, *self.over):
            self.fresh[:0] = self.looked(op, error="no answer came", definite=False)
        else:
            super().does(op)


def says(market: Market, *keys: str, status: OrdStatus = OrdStatus.PARTIALLY_FILLED) -> None:
    """The venue's answer about the entry: these executions of ten each."""
    market.now += LAG
    listed = tuple(execution(key, "10", "entry") for key in keys)
    ended = status is OrdStatus.CANCELED
    market.feed(
        market.report(None, "entry", ord_status=status, cum_qty=D(10) * len(keys), leaves_qty="0" if ended else None,
                      executions=listed, asked=market.now, as_of=market.now)
    )  # fmt: skip
    market.answer()


@pytest.mark.parametrize(("rules", "meanwhile"), [(OPEN, 10), (HELD, 20)], ids=["open", "reduce-only"])
def test_a_stop_is_for_what_is_held_for_certain_where_nothing_holds_it_to_the_position(
    rules: Capabilities, meanwhile: int
) -> None:
    market = Doubted(rules, STOP)
    market.enters("40", "10", "10")
    assert market.works("stop") == 20
    market.now += LAG
    says(market, "e1")
    assert market.engine.children[1].flags & Flag.SUSPECTED
    assert market.works("stop") == meanwhile
    assert market.position == 20
    says(market, "e1", "e3")
    assert market.works("stop") == 20


@pytest.mark.parametrize("rules", [OPEN, HELD], ids=["open", "reduce-only"])
def test_after_a_ruling_the_stop_is_for_what_is_left(rules: Capabilities) -> None:
    market = Doubted(rules, STOP)
    market.enters("40", "10", "10")
    market.now += LAG
    for _ in range(MANY):
        says(market, "e1", status=OrdStatus.CANCELED)
    assert (market.position, market.works("stop")) == (10, 10)


def test_a_doubt_about_all_that_is_held_does_not_let_the_legs_begin_anew() -> None:
    market = Doubted(OPEN, Leg(name="stop", stop_px=D(95), share=D("0.5")), Leg(name="last", stop_px=D(90), share=D("0.5")))
    market.enters("40", "10", "10")
    market.trades("stop", "4")
    assert (market.works("stop"), market.works("last")) == (6, 10)
    says(market)
    assert (market.position, market.works("stop"), market.works("last")) == (16, 0, 0), "nothing is held for certain"
    says(market, "e1", "e4")
    assert (market.works("stop"), market.works("last")) == (6, 10), "what has filled keeps its place"


@pytest.mark.parametrize(("rules", "grown"), [(OPEN, 20), (HELD, 30)], ids=["open", "reduce-only"])
def test_what_another_order_enters_meanwhile_is_protected_too(rules: Capabilities, grown: int) -> None:
    market = Doubted(rules, STOP)
    market.enters("40", "10", "10")
    market.now += LAG
    says(market, "e1")
    market.enters("10", "10", ref="more")
    assert market.works("stop") == grown


@pytest.mark.parametrize(("rules", "grown"), [(OPEN, 15), (HELD, 25)], ids=["open", "reduce-only"])
def test_a_stop_of_which_the_venue_shows_less_filled_grows_only_where_it_is_held_to_the_position(
    rules: Capabilities, grown: int
) -> None:
    market = Doubted(rules, STOP)
    market.enters("40", "20")
    market.trades("stop", "5")
    assert (market.position, market.works("stop")) == (15, 15)
    (name,) = market.orders
    market.now += 2 * LAG
    said = market.report(
        None, name, ord_status=OrdStatus.NEW, cum_qty="0", leaves_qty="20", executions=(), asked=market.now, as_of=market.now
    )
    market.feed(said)
    market.fresh = [op for op in market.take() if not isinstance(op, Query)]
    assert market.engine.children[2].flags & Flag.SUSPECTED
    work = market.engine.children[2].work
    assert work is not None
    assert work.parent.unsure
    market.fill("e9", "10", "entry")
    for op in market.take():
        if not isinstance(op, Query):
            market.does(op)
    assert (market.position, market.works("stop")) == (25, grown)
