"""What being watched costs: an event that is counted, and a scrape and a health check beside so many open orders.

Run: python benchmarks/watching.py [ORDERS ...]     prints one JSON line; default 0 1000 100000
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from partfill.model.events import Alarm, AlarmKind, Confirmation, Event
from partfill.model.orders import Limit
from partfill.model.policy import Mode, Remainder
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport, Seen
from partfill.model.words import OrdStatus, Side
from partfill.runtime.bus import Told
from partfill.runtime.manager import FillManager
from partfill.service.config import parse
from partfill.service.health import judge
from partfill.service.pages import Pages
from partfill.service.vitals import take
from partfill.venues.clock import CLOCK
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.market import SHAPES, generated
from partfill.venues.paper.venue import PaperVenue

ROUNDS = 50_000
_QTY, _PX = Decimal(10), Decimal("25.00")
REPORT = ExecutionReport(
    order=1, order_id="1", cl_ord_id="1", parent=1, ref="r", report_id="rep_1", trace_id="trc_1", event=1, instrument="ACME",
    side=Side.BUY, verdict=Reason.CHASE_ABORTED, reasons=(Reason.CHASE_ABORTED,), policy_applied=Remainder.CHASE,
    mode=Mode.SHADOW_ONLY, carried_out=False, order_qty=_QTY, filled_qty=_QTY, remaining_qty=_QTY, filled_usd=_PX, original=_PX,
    price=_PX, seen=Seen(remaining_usd=Decimal(250), ticks_to_fill=4),
)  # fmt: skip
EVENTS: dict[str, Event] = {
    "report": REPORT,
    "alarm": Alarm(0, None, None, AlarmKind.GAP, "look"),
    "other": Confirmation(1, "1", "1", _QTY, _PX, "k", _QTY, OrdStatus.NEW),
}


def _us(what: Callable[[], object], rounds: int) -> float:
    """Microseconds of one call: the median of five times so many."""
    taken = []
    for _ in range(5):
        began = time.perf_counter_ns()
        for _ in range(rounds):
            what()
        taken.append((time.perf_counter_ns() - began) / rounds / 1_000)
    return round(statistics.median(taken), 2)


async def measure(orders: int) -> dict[str, float]:
    """Microseconds beside `orders` open orders."""
    acme = SHAPES["ACME"]
    venue = PaperVenue(Exchange([acme.listing]), generated([acme], 1), now=CLOCK)
    with tempfile.TemporaryDirectory() as folder:
        config = parse(f'journal.path = "{folder}/f.db"\n[[venues]]\nname = "paper"')
        fills = FillManager(Path(folder) / "f.db", [venue])
        pages = Pages(fills, config)
        async with fills:
            for first in range(0, orders, 200):
                terms = Limit("ACME", "buy", qty=10, price="2.00")
                await asyncio.gather(*(fills.submit(terms, ref=str(first + each)) for each in range(min(200, orders - first))))
                fills.lanes.budget("paper", "").per_second = 1_000_000
                await fills.lanes.drain()
            found = {
                "metrics_us": _us(pages.metrics.render, 20),
                "health_us": _us(lambda: judge(take(fills), pages.recent), 20),
            }
            if not orders:
                for name, event in EVENTS.items():
                    told = Told(1, 1, event)
                    found[f"count_{name}_us"] = _us(lambda told=told: pages.metrics.hear(told), ROUNDS)  # type: ignore[misc]
                    found[f"window_{name}_us"] = _us(lambda told=told: pages.recent.hear(told), ROUNDS)  # type: ignore[misc]
            return found


def main() -> None:
    """Measure and print."""
    counts = [int(each) for each in sys.argv[1:]] or [0, 1_000, 100_000]
    print(json.dumps({f"open_{count}": asyncio.run(measure(count)) for count in counts}))


if __name__ == "__main__":
    main()
