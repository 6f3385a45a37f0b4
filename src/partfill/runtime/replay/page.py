"""The comparison as text: the tables of `docs/policies.md`, between two marks. What stands around them is written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from partfill.runtime.replay.figures import Mean
from partfill.runtime.replay.policies import Compared, Report

BEGIN, END = "<!-- figures: made by benchmarks/policies.py -->", "<!-- end of figures -->"


class NoMarks(ValueError):
    """A page without the two marks; the message says which."""


def page(around: str, report: Report) -> str:
    """The page with its figures replaced. Raises `NoMarks`."""
    before, begin, rest = around.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoMarks(f"the page needs {BEGIN!r} and, below it, {END!r}")
    return "\n".join([before + BEGIN, *_figures(report), END]) + after


def _figures(report: Report) -> Iterator[str]:
    for market in report.markets:
        yield from ("", f"### {market.market}", "", _about(market), "")
        yield from _table(
            ("policy", "thin rule", "filled", "whole", "slippage", "cost, rest at mid", "cost in full", "in full, than cancel"),
            [
                (
                    each.policy, "on" if each.thin_rule else "off", _percent(each.filled), _percent(each.filled_whole),
                    _number(each.slippage), _mean(each.cost_at_mid), _mean(each.cost_in_full), _mean(each.than_cancel),
                )
                for each in market.rows
            ],
        )  # fmt: skip
        yield ""
        yield from _table(
            (
                *("policy", "thin rule", "median s", "p90 s", "given up", "chases", "aborted", "thin", "dust"),
                *("filled if met", "median s if met", "in full if met, than cancel"),
            ),
            [
                (
                    each.policy, "on" if each.thin_rule else "off", _number(each.seconds_median), _number(each.seconds_p90),
                    _percent(each.given_up), _number(each.chases), _percent(each.aborted), _percent(each.thin),
                    _percent(each.dust), _percent(each.filled_if_met), _number(each.seconds_median_if_met),
                    _mean(each.than_cancel_if_met),
                )
                for each in market.rows
            ],
        )  # fmt: skip
    yield from ("", "### How good the time to fill was that was told", "")
    yield from _table(
        ("market", "orders", "median estimate, s", "whole by then", "by twice that", "by five times that"),
        [
            (
                market.market, f"{market.estimates.orders:,}", _number(market.estimates.median_s),
                _percent(market.estimates.within), _percent(market.estimates.within_twice),
                _percent(market.estimates.within_five_times),
            )
            for market in report.markets
        ],
    )  # fmt: skip
    yield f"\nSeed {report.seed}, {report.orders:,} orders in each market. Made with\n"
    yield f"```sh\n{report.made_with}\n```\n"


def _about(market: Compared) -> str:
    hours = Decimal(market.seconds) / 3600
    return (
        f"{market.orders:,} orders in {hours:.1f} hours ({market.events:,} market events). A tick is {market.tick}, or "
        f"{market.tick_bp:.2f} bp of the price. When the orders came, {_percent(market.at_once)} of each stood at its limit, "
        f"the spread was {market.spread:.1f} ticks (so the limit was {market.half_spread:.1f} from the mid price), and the "
        f"second best price of the other side {market.next_price:.1f} ticks behind the best; averages."
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join(['---', *['---:'] * (len(heads) - 1)])} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _percent(value: Decimal) -> str:
    return f"{value * 100:.1f} %"


def _number(value: Decimal) -> str:
    shown = f"{value:.2f}"
    return "0.00" if shown == "-0.00" else shown


def _mean(value: Mean) -> str:
    return f"{_number(value.mean)} ± {_number(value.error)}"
