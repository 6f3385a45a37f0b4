"""What a policy came to over many orders: how much filled, at what cost, how fast, and what was decided.

Theory of operation. Every price is counted from the order's own limit, in ticks, worse above zero: that was the best price when
it came, so nothing that fills at once costs anything, and what is shown is what was done with the rest. What did not fill is
counted too, at the market `LATER_NS` after the order ended. Else the policy that buys least would look cheapest.

Rules
- Every order counts the same, whatever its size: costs are per unit asked for.
- Unfilled units are counted in two ways. At the mid price of the recorded market, for a user who gave them up: how far it went
  without him. This is below zero where nothing moved, by half a spread, since the limit was on the other side of it. And bought
  at the market then, for a user who wants them still: in the replayed market, which misses what the order took.
- An error (+-) is the standard error of the mean over blocks of half an hour: orders that are tried in the same half hour see
  the same market, and are not so many observations.
- Exact until the last division; the same results give the same digits on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

import msgspec

from partfill.model.numbers import ZERO
from partfill.model.reasons import Reason
from partfill.model.words import Side
from partfill.runtime.replay.alone import LATER_NS, Result, left
from partfill.runtime.replay.recording import SECOND_NS, Quotes

BLOCK_NS = 1_800 * SECOND_NS
_WIDE = Context(prec=40, rounding=ROUND_HALF_EVEN)


class Mean(msgspec.Struct, frozen=True):
    """An average and its standard error."""

    mean: Decimal
    error: Decimal


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One policy in one market. Shares and averages over orders; costs in ticks per unit asked for; times in seconds."""

    policy: str
    thin_rule: bool
    orders: int
    filled: Decimal
    filled_whole: Decimal
    slippage: Decimal
    """Average price of what filled against the limit, ticks; over orders."""
    cost_of_fills: Decimal
    """The same per unit asked for."""
    cost_at_mid: Mean
    """Fills, and the rest at the mid price later."""
    cost_in_full: Mean
    """Fills, and the rest bought at the market later."""
    than_cancel: Mean
    """`cost_in_full` less that of `cancel` for the same orders; below zero is cheaper."""
    seconds_median: Decimal
    seconds_p90: Decimal
    given_up: Decimal
    """Share of orders whose user lost patience."""
    chases: Decimal
    """Chases per order."""
    aborted: Decimal
    thin: Decimal
    dust: Decimal
    """Shares of orders whose rest was taken off for that."""
    filled_if_met: Decimal
    seconds_median_if_met: Decimal
    cost_in_full_if_met: Mean
    than_cancel_if_met: Mean
    """The same when resting participants trade with the order too."""


class Costs:
    """The costs of one order, in ticks per unit asked for."""

    __slots__ = ("at_mid", "block", "fills", "in_full", "slippage")

    def __init__(self, result: Result, quotes: Quotes, tick: Decimal) -> None:
        asked = result.asked
        sign = Decimal(1) if asked.side is Side.BUY else Decimal(-1)
        unit = _WIDE.multiply(asked.qty, tick)
        worse = sum((qty * sign * (px - asked.price) for qty, px in result.fills), ZERO)
        later = sum((qty * sign * (px - asked.price) for qty, px in result.later), ZERO)
        bid, ask = quotes.at(result.ended + LATER_NS)
        self.block = asked.at // BLOCK_NS
        self.fills = _WIDE.divide(worse, unit)
        self.at_mid = _WIDE.divide(worse + left(result) * sign * ((bid + ask) / 2 - asked.price), unit)
        self.in_full = _WIDE.divide(worse + later, unit)
        self.slippage = _WIDE.divide(worse, _WIDE.multiply(result.filled, tick)) if result.filled else ZERO


class Under(NamedTuple):
    """The same orders, in the same order: what became of them, what they cost, and what they cost under `cancel`."""

    results: Sequence[Result]
    costs: Sequence[Costs]
    cancel: Sequence[Costs]

    def in_full(self) -> tuple[Mean, Mean]:
        """(cost in full, the same less that under `cancel`)."""
        blocks = [each.block for each in self.costs]
        whole = [each.in_full for each in self.costs]
        less = [one - other.in_full for one, other in zip(whole, self.cancel, strict=True)]
        return _mean(whole, blocks), _mean(less, blocks)


def row(policy: str, thin_rule: bool, aside: Under, met: Under) -> Row:
    """One row: orders that resting participants step aside of, and the same orders when those trade with them."""
    results, costs = aside.results, aside.costs
    whole, less = aside.in_full()
    whole_met, less_met = met.in_full()
    seconds = _seconds(results)
    return Row(
        policy=policy,
        thin_rule=thin_rule,
        orders=len(results),
        filled=mean(_share(each) for each in results),
        filled_whole=_share_of(results, lambda each: not left(each)),
        slippage=mean(each.slippage for each in costs),
        cost_of_fills=mean(each.fills for each in costs),
        cost_at_mid=_mean([each.at_mid for each in costs], [each.block for each in costs]),
        cost_in_full=whole,
        than_cancel=less,
        seconds_median=_at(seconds, 50),
        seconds_p90=_at(seconds, 90),
        given_up=_share_of(results, lambda each: each.out_of_patience),
        chases=mean(Decimal(each.verdicts[Reason.CHASE_ORDER_SUBMITTED]) for each in results),
        aborted=_share_of(results, lambda each: each.verdicts[Reason.CHASE_ABORTED] > 0),
        thin=_share_of(results, lambda each: each.verdicts[Reason.BOOK_THIN_CANCEL] > 0),
        dust=_share_of(results, lambda each: each.verdicts[Reason.DUST_AUTO_CANCEL] > 0),
        filled_if_met=mean(_share(each) for each in met.results),
        seconds_median_if_met=_at(_seconds(met.results), 50),
        cost_in_full_if_met=whole_met,
        than_cancel_if_met=less_met,
    )


class Estimates(msgspec.Struct, frozen=True, kw_only=True):
    """How good the time to fill was that the first decision to hold told. Shares of orders that had one."""

    orders: int
    median_s: Decimal
    """Of the estimates, seconds."""
    within: Decimal
    within_twice: Decimal
    within_five_times: Decimal
    """Whose rest had filled whole by then."""


def estimates(results: Iterable[Result], patience: int) -> Estimates:
    """Compare what was told with what happened, for orders that were held; ones too long to be seen come true are left out.

    `patience` in ns.
    """
    told: list[Decimal] = []
    ratios: list[Decimal | None] = []
    for each in results:
        if each.estimate is None:
            continue
        seconds, at = each.estimate
        if seconds * SECOND_NS * 5 > each.asked.at + patience - at:
            # It would not be seen whether it came true.
            continue
        told.append(seconds)
        ratios.append(None if left(each) else _WIDE.divide(Decimal(each.ended - at), seconds * SECOND_NS))

    def within(times: int) -> Decimal:
        return _rounded(Decimal(sum(ratio is not None and ratio <= times for ratio in ratios)), len(ratios))

    return Estimates(
        orders=len(told), median_s=_at(sorted(told), 50), within=within(1), within_twice=within(2), within_five_times=within(5)
    )


def mean(values: Iterable[Decimal]) -> Decimal:
    """Average, to four decimal places; 0 of nothing."""
    total, count = ZERO, 0
    for value in values:
        total, count = _WIDE.add(total, value), count + 1
    return _rounded(total, count)


def _mean(values: Sequence[Decimal], blocks: Sequence[int]) -> Mean:
    n = len(values)
    average = _WIDE.divide(sum(values, ZERO), Decimal(n))
    sums: dict[int, Decimal] = {}
    for value, block in zip(values, blocks, strict=True):
        sums[block] = _WIDE.add(sums.get(block, ZERO), _WIDE.subtract(value, average))
    count = len(sums)
    if count < 2:
        return Mean(_rounded(average, 1), ZERO)
    spread = _WIDE.divide(sum((_WIDE.multiply(each, each) for each in sums.values()), ZERO) * count, Decimal(count - 1))
    return Mean(_rounded(average, 1), _rounded(_WIDE.sqrt(spread), n))


def _share(result: Result) -> Decimal:
    return _WIDE.divide(result.filled, result.asked.qty)


def _share_of(results: Sequence[Result], holds: Callable[[Result], bool]) -> Decimal:
    return _rounded(Decimal(sum(map(holds, results))), len(results))


def _seconds(results: Iterable[Result]) -> list[Decimal]:
    return sorted(_WIDE.divide(Decimal(each.ended - each.asked.at), Decimal(SECOND_NS)) for each in results)


def _at(ordered: Sequence[Decimal], percent: int) -> Decimal:
    return _rounded(ordered[len(ordered) * percent // 100], 1) if ordered else ZERO


def _rounded(total: Decimal, count: int) -> Decimal:
    value = _WIDE.divide(total, Decimal(count)) if count else ZERO
    return value.quantize(Decimal("0.0001"), context=_WIDE) + ZERO
