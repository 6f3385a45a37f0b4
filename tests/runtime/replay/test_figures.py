"""The figures by hand: costs counted from the limit, what did not fill, errors over blocks, and estimates that came true."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from partfill.model.reasons import Reason
from partfill.model.words import Side
from partfill.runtime.replay.alone import LATER_NS, Asked, Result
from partfill.runtime.replay.figures import BLOCK_NS, Costs, Mean, Row, Under, estimates, row
from partfill.runtime.replay.recording import SECOND_NS, Quotes

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
TICK = D("0.01")


def quotes(*, bid: str = "9.96", ask: str = "10.04") -> Quotes:
    found = Quotes()
    found.add(0, D(bid), D(ask))
    return found


def result(*fills: tuple[int, str], side: Side = BUY, qty: int = 100, later: tuple[tuple[int, str], ...] = (), at: int = 1,
           seconds: int = 5, verdict: Reason = Reason.CANCELLED_REMAINDER, lost: bool = False,
           estimate: tuple[Decimal, int] | None = None) -> Result:  # fmt: skip
    exact = [tuple((D(units), D(px)) for units, px in of) for of in (fills, later)]
    asked = Asked(1, at, side, D(qty), D("10.00"))
    return Result(asked, exact[0], exact[1], at + seconds * SECOND_NS, lost, Counter([verdict]), estimate)


def test_what_filled_at_the_limit_costs_nothing_and_the_rest_what_it_was_bought_for() -> None:
    costs = Costs(result((60, "10.00"), later=((30, "10.02"), (10, "10.05"))), quotes(), TICK)
    # (30 * 2 + 10 * 5) ticks over 100 units; the middle of the market has not moved from 10.00.
    assert (costs.fills, costs.slippage, costs.in_full, costs.at_mid) == (0, 0, D("1.1"), 0)


def test_a_rest_is_counted_at_the_middle_of_the_market_later() -> None:
    moved = quotes()
    moved.add(1 + 5 * SECOND_NS + LATER_NS, D("10.06"), D("10.10"))
    # Eight ticks away for 40 of 100 units.
    assert Costs(result((60, "10.00")), moved, TICK).at_mid == D("3.2")
    # What comes after that moment does not count.
    moved = quotes()
    moved.add(2 + 5 * SECOND_NS + LATER_NS, D("10.06"), D("10.10"))
    assert Costs(result((60, "10.00")), moved, TICK).at_mid == 0


def test_a_sale_costs_what_it_gets_less() -> None:
    costs = Costs(result((60, "10.00"), (20, "9.97"), side=SELL, later=((20, "9.90"),)), quotes(bid="9.90", ask="9.94"), TICK)
    # 20 * 3 ticks over what was asked, over what filled, and 20 more at 10 ticks or, at the middle, at 8.
    assert (costs.fills, costs.slippage, costs.in_full, costs.at_mid) == (D("0.6"), D("0.75"), D("2.6"), D("2.2"))


def test_a_better_price_is_a_cost_below_zero() -> None:
    costs = Costs(result((50, "10.00"), (50, "9.98")), quotes(), TICK)
    assert (costs.slippage, costs.in_full) == (-1, -1)


def test_an_order_of_which_nothing_filled_has_no_slippage() -> None:
    assert Costs(result(), quotes(), TICK).slippage == 0


def rows(*results: Result) -> Row:
    costs = [Costs(each, quotes(), TICK) for each in results]
    cancel = [Costs(result((100, "10.01")), quotes(), TICK) for _ in results]
    free = [Costs(result((100, "10.00")), quotes(), TICK) for _ in results]
    return row("x", True, Under(results, costs, cancel), Under(results, free, cancel))


def test_every_order_counts_the_same_whatever_its_size() -> None:
    found = rows(result((1, "10.00"), qty=1), result((100, "10.00"), qty=1_000, later=((900, "10.00"),)))
    assert (found.filled, found.filled_whole, found.orders) == (D("0.55"), D("0.5"), 2)


def test_the_error_is_that_of_blocks_and_not_of_orders() -> None:
    dear, cheap = {"later": ((100, "10.04"),)}, {"later": ((100, "10.02"),)}
    same = rows(*[result(at=1, **dear)] * 50, *[result(at=1 + BLOCK_NS, **cheap)] * 50)
    # Two blocks, at 4 and at 2 ticks: as if there were two observations.
    assert same.cost_in_full == Mean(D(3), D(1))
    assert same.than_cancel == Mean(D(2), D(1))
    assert (same.cost_in_full_if_met, same.than_cancel_if_met) == (Mean(D(0), D(0)), Mean(D(-1), D(0)))
    one = rows(*[result(at=1, **dear)] * 50, *[result(at=2, **cheap)] * 50)
    assert one.cost_in_full == Mean(D(3), D(0))


def test_times_and_decisions_are_counted_per_order() -> None:
    found = rows(
        *[result((100, "10.00"), seconds=n, verdict=Reason.CHASE_ORDER_SUBMITTED) for n in range(1, 9)],
        result((60, "10.00"), seconds=9, verdict=Reason.CHASE_ABORTED),
        result((60, "10.00"), seconds=10, verdict=Reason.DUST_AUTO_CANCEL, lost=True),
    )
    assert (found.seconds_median, found.seconds_p90) == (6, 10)
    assert (found.chases, found.aborted, found.dust, found.thin, found.given_up) == (D("0.8"), D("0.1"), D("0.1"), 0, D("0.1"))


def test_an_estimate_came_true_when_all_had_filled_by_then() -> None:
    told = (D(2), 1)
    found = estimates(
        [
            result((100, "10.00"), seconds=2, estimate=told),
            result((100, "10.00"), seconds=4, estimate=told),
            result((100, "10.00"), seconds=11, estimate=told),
            result((99, "10.00"), seconds=1, estimate=told),
            result((100, "10.00"), seconds=1),
            # Nobody would see whether this one comes true.
            result((100, "10.00"), seconds=1, estimate=(D(13), 1)),
        ],
        60 * SECOND_NS,
    )
    assert (found.orders, found.median_s) == (4, 2)
    assert (found.within, found.within_twice, found.within_five_times) == (D("0.25"), D("0.5"), D("0.5"))
