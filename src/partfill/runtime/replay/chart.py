"""The comparison as one picture: an SVG without scripts or fonts of its own, readable on a light and on a dark page.

Theory of operation. One panel per market, one line per policy, three columns: how much filled, what the whole order cost, how
long it took. Bars are of the policy without the rule for thin books. The ring beside them is the same policy with it; the
diamond is the bar again when participants who rested in the recording trade with us too: the truth is between bar and diamond.

Rules
- Every axis names its unit, every mark is explained below the last panel.
- Numbers come from the report and from nowhere else; positions are rounded to a tenth of a point, so that the same report gives
  the same file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from html import escape

from partfill.runtime.replay.figures import Mean, Row
from partfill.runtime.replay.policies import Compared, Report

WIDTH = 1000
LINE = 27
"""Height of one policy."""
HEAD, FOOT, GAP = 74, 34, 14
"""Of a panel: above its lines, below them, and to the next."""
TOP, LEGEND = 62, 84
_COLUMNS = ((208, 410), (452, 716), (758, 960))
"""Left and right end of each column's axis."""
_LOG = tuple(Decimal(10) ** n for n in range(-2, 4))

_STYLE = """
svg { --page: #ffffff; --ink: #1d2430; --soft: #5b6675; --line: #dfe4ea; --zero: #98a2ae;
  --part: #2f9c8f; --fills: #3f73c4; --rest: #e09a3e; --time: #7a5fb5; }
@media (prefers-color-scheme: dark) {
  svg { --page: #12161d; --ink: #e7ebf0; --soft: #9aa6b4; --line: #2a323d; --zero: #64707e;
    --part: #46b8aa; --fills: #6f9fe8; --rest: #edb062; --time: #a58fe0; }
}
text { font: 12.5px system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif; fill: var(--ink); }
.title { font-size: 19px; font-weight: 650; }
.market { font-size: 15px; font-weight: 650; }
.soft { fill: var(--soft); }
.small { font-size: 11.5px; fill: var(--soft); }
.value { font-size: 11.5px; font-variant-numeric: tabular-nums; }
.page { fill: var(--page); }
.grid { stroke: var(--line); stroke-width: 1; }
.zero { stroke: var(--zero); stroke-width: 1; }
.part { fill: var(--part); } .fills { fill: var(--fills); } .rest { fill: var(--rest); }
.ring { fill: var(--page); stroke: var(--ink); stroke-width: 1.4; }
.error { stroke: var(--ink); stroke-width: 1.2; }
.span { stroke: var(--time); stroke-width: 3; stroke-linecap: round; opacity: .45; }
.dot { fill: var(--time); }
"""


def chart(report: Report) -> str:
    """The whole file."""
    lines = len(report.markets[0].rows) // 2
    panel = HEAD + lines * LINE + FOOT
    height = TOP + len(report.markets) * (panel + GAP) + LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'aria-label="Policies for the rest of a partly filled order, compared">',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        _text(24, 34, "What becomes of the rest: policies on recorded markets", "title"),
        _text(24, 53, _under(report), "small"),
    ]
    y = TOP
    for market in report.markets:
        parts += _panel(market, y)
        y += panel + GAP
    parts += _legend(y - 6)
    return "\n".join([*parts, "</svg>", ""])


def _under(report: Report) -> str:
    minutes = report.patience_s // 60
    tried = f"The same {report.orders:,} orders in each market under every policy, each alone there"
    return f"{tried}; given up after {minutes} minutes."


def _panel(market: Compared, top: int) -> Iterator[str]:
    plain = [row for row in market.rows if not row.thin_rule]
    thin = {row.policy: row for row in market.rows if row.thin_rule}
    first, last = top + HEAD, top + HEAD + len(plain) * LINE
    yield _text(24, top + 24, market.market, "market")
    about = f"half spread {market.half_spread:.1f} ticks, next price {market.next_price:.1f} ticks further"
    yield _text(24, top + 42, f"{market.orders:,} orders, {_share(market.at_once)} of each filled at once; {about}", "small")
    heads = ("filled, % of the order", "cost of the order in full, ticks per unit", "time to done, seconds (log)")
    for (left, _), head in zip(_COLUMNS, heads, strict=True):
        yield _text(left, top + 64, head, "small")
    low, high = _range([*plain, *thin.values()])
    filled = _scale(_COLUMNS[0], Decimal(0), Decimal(1))
    cost = _scale(_COLUMNS[1], low, high)
    logs = _scale(_COLUMNS[2], _LOG[0].log10(), _LOG[-1].log10())

    def time(seconds: Decimal) -> Decimal:
        return logs(max(seconds, _LOG[0]).log10())

    yield from _grid([(filled(Decimal(n) / 4), str(n * 25)) for n in range(5)], first, last)
    ticks = [low + step for step in map(Decimal, range(int(high - low) + 1)) if (low + step) % _every(high - low) == 0]
    yield from _grid([(cost(tick), f"{tick:f}") for tick in ticks], first, last)
    yield from _grid([(time(each), f"{each.normalize():f}") for each in _LOG], first, last)
    yield f'<line class="zero" x1="{cost(Decimal(0)):.1f}" x2="{cost(Decimal(0)):.1f}" y1="{first - 4}" y2="{last}"/>'
    for number, row in enumerate(plain):
        y = first + number * LINE + LINE // 2
        other = thin[row.policy]
        yield _text(24, y + 4, row.policy)
        yield _bar(_COLUMNS[0][0], filled(row.filled), y, "part")
        yield _ring(filled(other.filled), y)
        yield _diamond(filled(row.filled_if_met), y)
        yield _text(_COLUMNS[0][1] + 6, y + 4, _share(row.filled), "value")
        yield from _cost(row, cost, y)
        yield _ring(cost(other.cost_in_full.mean), y)
        yield _diamond(cost(row.cost_in_full_if_met.mean), y)
        yield _text(_COLUMNS[1][1] + 6, y + 4, f"{row.cost_in_full.mean:.1f}", "value")
        x = (time(row.seconds_median), time(row.seconds_p90))
        yield f'<line class="span" x1="{x[0]:.1f}" x2="{x[1]:.1f}" y1="{y}" y2="{y}"/>'
        yield f'<circle class="dot" cx="{x[0]:.1f}" cy="{y}" r="4.5"/>'


def _cost(row: Row, x: Callable[[Decimal], Decimal], y: int) -> Iterator[str]:
    """What the fills cost, what the rest cost from there, and how sure the sum is."""
    whole: Mean = row.cost_in_full
    yield _bar(x(Decimal(0)), x(row.cost_of_fills), y, "fills")
    yield _bar(x(row.cost_of_fills), x(whole.mean), y, "rest")
    ends = (x(whole.mean - whole.error), x(whole.mean + whole.error))
    yield f'<line class="error" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{y}" y2="{y}"/>'
    for end in ends:
        yield f'<line class="error" x1="{end:.1f}" x2="{end:.1f}" y1="{y - 4}" y2="{y + 4}"/>'


def _legend(y: int) -> Iterator[str]:
    marks = (
        (24, '<rect class="part" x="{x}" y="{y}" width="14" height="10" rx="2"/>', "filled in all"),
        (150, '<rect class="fills" x="{x}" y="{y}" width="14" height="10" rx="2"/>', "cost of what it filled"),
        (
            316,
            '<rect class="rest" x="{x}" y="{y}" width="14" height="10" rx="2"/>',
            "cost of the rest, bought 10 s later",
        ),
        (556, '<line class="error" x1="{x}" x2="{end}" y1="{middle}" y2="{middle}"/>', "standard error, blocks of 30 minutes"),
    )
    for x, mark, says in marks:
        yield mark.format(x=x, y=y, end=x + 14, middle=y + 5)
        yield _text(x + 21, y + 9, says, "small")
    y += 24
    yield f'<circle class="ring" cx="31" cy="{y + 5}" r="4"/>'
    yield _text(45, y + 9, "the same with cancel_on_book_thin", "small")
    yield _diamond(Decimal(270), y + 5)
    yield _text(284, y + 9, "without it, if who rested trades with us too", "small")
    yield f'<line class="span" x1="560" x2="590" y1="{y + 5}" y2="{y + 5}"/><circle class="dot" cx="560" cy="{y + 5}" r="4.5"/>'
    yield _text(601, y + 9, "median to 90th percentile", "small")
    says = "Cost counts from the limit, the best price when the order came: 0 is all of it at that price; less is better."
    yield _text(24, y + 34, says, "small")


def _range(rows: Sequence[Row]) -> tuple[Decimal, Decimal]:
    """Whole ticks around everything that is drawn, zero among them."""
    ends = [Decimal(0)]
    for row in rows:
        whole = row.cost_in_full
        ends.append(row.cost_in_full_if_met.mean)
        ends += [row.cost_of_fills, whole.mean - whole.error, whole.mean + whole.error]
    return min(ends).to_integral_value(ROUND_FLOOR), max(ends).to_integral_value(ROUND_CEILING)


def _every(span: Decimal) -> int:
    """Ticks between two lines of the grid."""
    return next(step for step in (1, 2, 5, 10, 20, 50, 100, 1_000, 10_000) if span / step <= 8)


def _scale(ends: tuple[int, int], low: Decimal, high: Decimal) -> Callable[[Decimal], Decimal]:
    span = high - low if high != low else Decimal(1)

    def place(value: Decimal) -> Decimal:
        return ends[0] + (min(max(value, low), high) - low) / span * (ends[1] - ends[0])

    return place


def _grid(marks: Sequence[tuple[Decimal, str]], first: int, last: int) -> Iterator[str]:
    for x, label in marks:
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{first - 4}" y2="{last}"/>'
        yield f'<text class="small" x="{x:.1f}" y="{last + 16}" text-anchor="middle">{label}</text>'


def _bar(start: Decimal | int, end: Decimal | int, y: int, kind: str) -> str:
    x, width = min(start, end), abs(Decimal(end) - Decimal(start))
    return f'<rect class="{kind}" x="{x:.1f}" y="{y - 7}" width="{width:.1f}" height="14" rx="2"/>'


def _ring(x: Decimal, y: int) -> str:
    return f'<circle class="ring" cx="{x:.1f}" cy="{y}" r="4"/>'


def _diamond(x: Decimal, y: int) -> str:
    return f'<path class="ring" d="M{x - 5:.1f} {y}L{x:.1f} {y - 5}L{x + 5:.1f} {y}L{x:.1f} {y + 5}Z"/>'


def _text(x: int, y: int, says: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x}" y="{y}">{escape(says)}</text>'


def _share(value: Decimal) -> str:
    return f"{value * 100:.0f} %"
