"""Prometheus metrics of one daemon: decisions on remainders as they are made, and the state of everything else at each scrape.

Theory of operation. `hear` is called by the bus with every event, in order and after its commit, and drops none, whatever
slow readers do: so every decision is counted once. What has a state is not counted along but read when somebody scrapes, from
the same picture that health is judged by. All of it hangs in a registry of its own: two managers in one process do not mix.

Rules
- Every label value that can be known is there from the start, with 0: a rate over a series that begins with 1 misses the 1.
- The three metrics of decisions have the names of the remainder document behind `prefix`, and our own without one. All others
  begin with `partfill_`.
- What protection does is counted from events and from what the lanes are handed (`attempts`). What is not covered now is read
  from the picture, so a position that stays bare is seen long before the histogram hears of it.
- Counters begin at 0 with the process, as usual; rates see through that. A value is a float only here, to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from partfill import __version__
from partfill.model.events import Alarm, AlarmKind, ProtectionCovered, ProtectionFired
from partfill.model.instrument import Instrument
from partfill.model.operations import Operation
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport
from partfill.runtime.bus import Told
from partfill.runtime.manager import FillManager
from partfill.runtime.outbox import SCHEMA
from partfill.service.attempts import Attempts
from partfill.service.vitals import Vitals

USD = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000)
"""Bounds of the values of remainders, quote currency; 1 and 5 are the locked floor and the default of dust."""
SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Bounds of how long a position was not covered."""
TICKS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 50, 100)
"""Bounds of the ticks of chases; 3 and 10 are the default and the lock."""
STOP, TARGET, GONE = "stop", "target", "gone"
"""Kinds of legs; the last of one whose protection was changed since it fired."""
CHASES = frozenset({Reason.CHASE_ORDER_SUBMITTED, Reason.CHASE_AT_BEST, Reason.CHASE_ABORTED})
"""Reasons of a decision that a chase was measured for."""
COUNTED = {
    "inputs": "Inputs that the engine took.",
    "orders": "Orders that became known.",
    "executions": "Executions booked, corrections and voids not counted.",
    "duplicates": "Inputs that said nothing new.",
    "parked": "Executions that came for an order without terms.",
    "voids": "Executions taken back.",
    "gaps": "Breaks of streams.",
    "held": "Inputs of orders in quarantine.",
    "unattributed": "Inputs that belong to no order.",
    "unreadable": "Messages that could not be understood.",
}
"""Counters of the engine that are shown, and what they count."""


class Names(NamedTuple):
    """What the three metrics of decisions are called."""

    decisions: str
    usd: str
    ticks: str


OWN = Names("partfill_remainder_decisions_total", "partfill_remainder_usd", "partfill_remainder_chase_ticks")


def names(prefix: str) -> Names:
    """The names behind `prefix`; our own without one."""
    return Names(f"{prefix}_decisions_total", f"{prefix}_remainder_usd", f"{prefix}_chase_ticks") if prefix else OWN


class Metrics(Collector):
    """The metrics of one manager: subscribe `hear`, have the lanes tell `leaves`, scrape `render`.

    `look` takes the picture that a scrape shows.
    """

    def __init__(self, manager: FillManager, look: Callable[[], Vitals], *, prefix: str = "", bot_id: str = "partfill") -> None:
        self._manager = manager
        self._look = look
        self._bot_id = bot_id
        called = names(prefix)
        self._decisions = Counter(called.decisions, "Decisions on remainders, by verdict.", ("verdict",), registry=None)
        self._usd = Histogram(
            called.usd, "Value of a remainder when it is decided on, quote currency.", registry=None, buckets=USD
        )
        self._ticks = Histogram(
            called.ticks, "Adverse ticks from the original price that a chase would take; above the limit it is aborted.",
            registry=None, buckets=TICKS,
        )  # fmt: skip
        self._alarms = Counter("partfill_alarms_total", "Alarms, by kind.", ("kind",), registry=None)
        self._unprotected = Histogram(
            "partfill_unprotected_seconds", "How long a protected position was not covered by what works, each time.",
            registry=None, buckets=SECONDS,
        )  # fmt: skip
        self._resizes = Counter("partfill_protection_requests_total", "Requests made to keep positions covered.", registry=None)
        self._coalesced = Counter(
            "partfill_protection_coalesced_total",
            "Changes of protected positions that took no request of their own.",
            registry=None,
        )
        self._fired = Counter(
            "partfill_protection_fired_total",
            "Prices watched here that were reached, by the kind of leg.",
            ("leg",),
            registry=None,
        )
        self._by_leg = {leg: self._fired.labels(leg) for leg in (STOP, TARGET, GONE)}
        self._over = Counter(
            "partfill_protection_over_closes_total", "Fills of protective orders that closed more than was held.", registry=None
        )
        self._attempts = Attempts(lambda: manager.engine)
        self._by_verdict = {reason: self._decisions.labels(reason.value) for reason in Reason}
        self._by_kind = {kind: self._alarms.labels(kind.value) for kind in AlarmKind}
        self.registry = CollectorRegistry()
        ProcessCollector(namespace="partfill", registry=self.registry)
        self.registry.register(self)

    def hear(self, told: Told) -> None:
        """Count one event."""
        event = told.event
        if type(event) is ExecutionReport:
            self._by_verdict[event.verdict].inc()
            value = event.seen.remaining_usd
            if value is None and event.verdict is not Reason.ORDER_GONE:
                value = self._value(told.parent, event)
            if value is not None:
                self._usd.observe(float(value))
            if event.seen.ticks_to_fill is not None and not CHASES.isdisjoint(event.reasons):
                self._ticks.observe(event.seen.ticks_to_fill)
        elif type(event) is ProtectionCovered:
            self._unprotected.observe(event.after_ns / 1e9)
            self._resizes.inc(event.requests)
            self._coalesced.inc(max(0, event.changes - event.requests))
        elif type(event) is ProtectionFired:
            self._by_leg[self._kind_of(event)].inc()
        elif type(event) is Alarm:
            self._by_kind[event.kind].inc()
            if event.kind is AlarmKind.OVER_CLOSE:
                self._over.inc()
        self._attempts.hear(told)

    def leaves(self, op: Operation) -> None:
        """Count one operation, as the lanes take it."""
        self._attempts.leaves(op)

    def _kind_of(self, event: ProtectionFired) -> str:
        of = self._manager.engine.desk.protections.get((event.venue, event.account, event.instrument, event.side))
        for guard in of.guards if of is not None else ():
            if guard.leg.name == event.leg:
                return STOP if guard.leg.stops else TARGET
        return GONE

    def _value(self, parent: int, event: ExecutionReport) -> Decimal | None:
        """The value of a remainder that was decided on without a look; None where it has no price."""
        price = event.price if event.price is not None else event.original
        of = self._manager.engine.desk.parents.get(parent)
        venue = self._manager.venues.get(of.venue) if of is not None else None
        if price is None or venue is None:
            return None
        instrument = venue.instruments.get(event.instrument) or Instrument(symbol=event.instrument)
        return instrument.notional(event.remaining_qty, price).copy_abs()

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """(text, content type) of everything, in the format that `accept` (the header) asks for."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):
            # A version that is none: what everybody reads.
            encode, content_type = choose_encoder("")
        return encode(self.registry), content_type

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry need not scrape once to learn names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metrics now."""
        protection = (self._unprotected, self._resizes, self._coalesced, self._fired, self._over)
        for counted in (self._decisions, self._usd, self._ticks, self._alarms, *protection):
            for family in counted.collect():
                # When a series began is told by no name of the document, and doubles the text.
                family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
                yield family
        yield from _attempted(self._attempts)
        vitals = self._look()
        yield from _state(vitals, self._bot_id)
        yield from _lines(vitals)


def _attempted(attempts: Attempts) -> Iterator[Metric]:
    failed = CounterMetricFamily(
        "partfill_protection_failures",
        "Requests of protective orders that were refused or not answered, and orders that ended by themselves.",
        labels=("kind",),
    )  # fmt: skip
    for kind, count in attempts.failures.items():
        failed.add_metric((kind,), count)
    again = CounterMetricFamily(
        "partfill_protection_retries", "Requests of protective orders that were made again, by request.", labels=("request",)
    )
    for request, count in attempts.retries.items():
        again.add_metric((request,), count)
    yield from (failed, again)


def _state(vitals: Vitals, bot_id: str) -> Iterator[Metric]:
    yield _info("partfill_build", "What runs.", {"version": __version__})
    yield _info("partfill_remainder", "Who decides on remainders, how far decisions reach, and the schema of their reports.",
                {"bot_id": bot_id, "mode": vitals.mode.value, "schema": SCHEMA})  # fmt: skip
    for name, what in COUNTED.items():
        yield CounterMetricFamily(f"partfill_{name}", what, vitals.counters.get(name, 0))
    yield CounterMetricFamily("partfill_operations_sent", "Requests handed to venues.", vitals.sent)
    yield CounterMetricFamily("partfill_remainder_looks", "Looks at markets for decisions.", vitals.looks)
    yield CounterMetricFamily("partfill_remainder_shed", "Decisions there was no room or time for.", vitals.shed)
    yield CounterMetricFamily("partfill_remainder_blind", "Decisions made without a book.", vitals.blind)
    yield CounterMetricFamily("partfill_subscriber_failures", "Subscribers of events that raised.", vitals.failed_subscribers)
    for name, what, label, counts in (
        ("partial_reports", "Partial fills that other systems reported, by what became of them.", "heard", vitals.heard),
        ("partial_reports_refused", "Reports of other systems that were refused, by the reason.", "reason", vitals.refused),
    ):
        family = CounterMetricFamily(f"partfill_{name}", what, labels=(label,))
        for each, count in counts.items():
            family.add_metric((each,), count)
        yield family
    box, covered = vitals.reports, vitals.covered
    for name, what, seconds in (
        ("uncovered_seconds", "How long the longest of them has not been.", covered.oldest_s),
        ("blind_seconds", "How long the longest of them has not been seen.", covered.blindest_s),
    ):
        yield GaugeMetricFamily(f"partfill_protection_{name}", what, seconds)
    for name, what, value in (
        ("protection_positions", "Positions that are held and protected.", covered.protected),
        ("protection_uncovered", "Positions whose protection is not what it should be now.", covered.uncovered),
        ("protection_blind", "Positions whose watched market nobody sees now.", covered.blind),
        ("protection_too_small", "Positions of which a part is less than the venue takes an order for.", covered.small),
        ("journal_down", "1 once the journal cannot be written.", vitals.down is not None),
        ("journal_inputs", "Number of the newest input on disk.", vitals.durable),
        ("stopping", "1 while the daemon drains.", vitals.stopping),
        ("open_orders", "Parent orders that go on.", vitals.open),
        ("halted_orders", "Parent orders that are stopped until a person has looked.", vitals.halted),
        ("quarantined_orders", "Child orders in memory whose numbers are not believed.", vitals.quarantined),
        ("doubted_orders", "Child orders of which a venue says that less has filled than was heard.", vitals.doubted),
        ("disputed_orders", "Those of which it keeps saying so: a person, or fresh answers, decide.", vitals.disputed),
        ("operations_waiting", "Operations that have not been sent yet.", vitals.waiting),
        ("lanes_busy", "Lanes at work and questions that are out.", vitals.busy),
        ("kill_switches_on", "Kill switches that are on.", len(vitals.killed)),
        ("remainder_looks_in_flight", "Looks at markets under way.", vitals.looking),
        ("dust_waiting", "Specks of dust that wait to be used.", vitals.dust),
        ("remainder_dark_books", "Books that did not come at the last look.", len(vitals.dark)),
        ("outbox_failures", "Deliveries of reports in a row that failed.", box.failures if box is not None else 0),
    ):
        yield GaugeMetricFamily(f"partfill_{name}", what, int(value))
    if box is not None and box.waiting is not None:
        yield GaugeMetricFamily("partfill_outbox_waiting", "Reports that the sink does not have yet.", box.waiting)


def _lines(vitals: Vitals) -> Iterator[Metric]:
    labels = ("venue", "account")
    up = GaugeMetricFamily("partfill_venue_up", "1 while polls of an account are answered.", labels=labels)
    polls = CounterMetricFamily("partfill_venue_polls", "Polls that were answered.", labels=labels)
    failures = GaugeMetricFamily("partfill_venue_poll_failures", "Polls in a row without an answer.", labels=labels)
    unread = GaugeMetricFamily("partfill_venue_read_failures", "Reads of history in a row without an answer.", labels=labels)
    stream = GaugeMetricFamily("partfill_venue_stream_up", "1 while the stream of an account is heard.", labels=labels)
    breaker = GaugeMetricFamily("partfill_venue_breaker_open", "1 while new orders are refused here.", labels=("venue",))
    broken: dict[str, bool] = {}
    for line in vitals.lines:
        which = (line.venue, line.account)
        up.add_metric(which, int(line.polls > 0 and not line.failures and not line.outage))
        polls.add_metric(which, line.polls)
        failures.add_metric(which, line.failures)
        unread.add_metric(which, line.unread)
        stream.add_metric(which, int(line.listening))
        broken[line.venue] = line.breaker is not None
    for venue, is_open in broken.items():
        breaker.add_metric((venue,), int(is_open))
    yield from (up, polls, failures, unread, stream, breaker)


def _info(name: str, what: str, said: Mapping[str, str]) -> Metric:
    """A gauge that is 1 and says something in its labels."""
    family = GaugeMetricFamily(f"{name}_info", what, labels=tuple(said))
    family.add_metric(tuple(said.values()), 1)
    return family


__all__ = ["OWN", "Metrics", "Names", "names"]
