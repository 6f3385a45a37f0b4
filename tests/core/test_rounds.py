"""The result of a round: what a position that was closed, or turned over, has brought since it was opened."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from partfill.core.holdings import GRACE_NS
from partfill.model.events import PositionClosed
from partfill.model.inputs import InstrumentListed, PositionSeen
from partfill.model.observations import ExecutionVoided
from partfill.model.words import Side
from tests.core.driven import TOTAL, VENUE, D, Driven, execution


class Account(Driven):
    """Somebody who buys and sells."""

    def trades(self, ref: str, side: Side, qty: str, px: str, **also: Any) -> None:
        if (VENUE, "", ref) not in self.engine.desk.by_ref:
            self.submit("1000", px, ref=ref, side=side)
            self.acknowledge(order_id=ref)
        self.feed(execution(f"{ref}-{len(self.log)}", qty, ref, px, **also))

    def results(self) -> list[tuple[Side, Decimal, Decimal | None]]:
        return [(event.side, event.realised, event.net) for event in self.events if type(event) is PositionClosed]


def test_a_full_exit_closes_the_position_with_its_result() -> None:
    desk = Account(TOTAL)
    desk.trades("buy", Side.BUY, "100", "10")
    desk.trades("sell", Side.SELL, "60", "11")
    assert desk.results() == []
    desk.trades("sell", Side.SELL, "40", "12")
    assert desk.results() == [(Side.BUY, 140, 140)]
    # The next round begins from nothing.
    desk.trades("sell", Side.SELL, "10", "12")
    desk.trades("buy", Side.BUY, "10", "13")
    assert desk.results()[1:] == [(Side.SELL, -10, -10)]


def test_a_position_that_is_turned_over_has_the_result_of_what_was_closed() -> None:
    desk = Account(TOTAL)
    desk.trades("buy", Side.BUY, "100", "10")
    desk.trades("sell", Side.SELL, "150", "11")
    assert desk.results() == [(Side.BUY, 100, 100)]
    desk.trades("buy", Side.BUY, "50", "10")
    assert desk.results()[1:] == [(Side.SELL, 50, 50)]


def test_fees_of_entry_and_exit_are_in_the_net_result_and_so_is_the_multiplier() -> None:
    desk = Account(TOTAL)
    desk.feed(InstrumentListed(venue=VENUE, instrument="ACME", quote="USD", multiplier=D(100)))
    fee = {"fee": D("0.5"), "fee_currency": "USD"}
    for _ in range(2):
        desk.trades("buy", Side.BUY, "2", "10", **fee)
        desk.trades("sell", Side.SELL, "2", "11", **fee)
    assert desk.results() == [(Side.BUY, 200, 199)] * 2


def test_a_void_after_the_exit_goes_on_with_the_round_that_it_was() -> None:
    desk = Account(TOTAL)
    desk.trades("buy", Side.BUY, "100", "10")
    desk.trades("sell", Side.SELL, "60", "11")
    desk.feed(execution("last", "40", "sell", "12"))
    desk.feed(ExecutionVoided(venue=VENUE, order_id="sell", key="last"))
    desk.feed(execution("again", "40", "sell", "9"))
    assert desk.results() == [(Side.BUY, 140, 140), (Side.BUY, 20, 20)]


def test_what_the_venue_says_is_there_while_it_differs() -> None:
    desk = Account(TOTAL)
    desk.trades("buy", Side.BUY, "100", "10")
    assert desk.engine.holdings is not None
    position = desk.engine.holdings.positions[VENUE, "", "ACME"]
    for qty in ("90", "80"):
        desk.now += GRACE_NS
        desk.feed(PositionSeen(venue=VENUE, instrument="ACME", qty=D(qty), as_of=desk.now))
        assert (position.held, position.theirs) == (100, D(qty))
    desk.now += GRACE_NS
    desk.feed(PositionSeen(venue=VENUE, instrument="ACME", qty=D(100), as_of=desk.now))
    assert (position.held, position.theirs) == (100, None)
