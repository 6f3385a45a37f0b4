"""Recorded data for tests, and how a recording is run through the engine.

The recordings may not be handed on, so they lie beside the repository and a test that wants one skips where they are
not. `Replay` is what a test looks at afterwards: the engine itself, and counts of what it said along the way.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest

from partfill.core.child import Child
from partfill.core.engine import Engine
from partfill.core.invariants import check_whole
from partfill.model.events import Alarm, AlarmKind, Fill
from partfill.model.inputs import OrderSnapshot
from partfill.model.words import Flag, OrdStatus
from partfill.venues.decoding import Decoder, Message

SHARED = Path(__file__).resolve().parents[2] / "shared"


def recorded(path: str) -> Path:
    """The recording at `path` (below the shared folder, such as "data/..."); skips where it is not here."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"the recorded data {path} is not here (expected in ../shared beside the repository)")
    return found


class Replay:
    """One file through one decoder and one engine."""

    def __init__(self, decoder: Decoder, venue: str | None = None) -> None:
        self.decoder = decoder
        self.venue = venue if venue is not None else decoder.format
        self.engine = Engine()
        self.rows = 0
        """Rows so far; a second run goes on in the same file."""
        self.messages: list[Message] = []
        self.fills: Counter[int] = Counter()
        """Fills published, per order."""
        self.alarms: Counter[AlarmKind] = Counter()
        self.partly: set[int] = set()
        """Orders with known terms that were partially filled at some moment."""
        self.taken_off: defaultdict[int, Decimal] = defaultdict(Decimal)
        """Quantity that messages said they took off, per order."""
        self.disagreements: list[Message] = []
        """Messages that print another rest than the known order has after them."""
        for declared in decoder.declare():
            self.engine.step(declared, 0)

    def run(self, rows: Iterable[str], *, keep: bool = True) -> Replay:
        """Step every input at the time of its message. `keep` remembers the messages."""
        for row in rows:
            self.rows += 1
            for message in self.decoder.decode(row, self.rows):
                self._step(message)
                if keep:
                    self.messages.append(message)
        return self

    def _step(self, message: Message) -> None:
        child = None
        for inp in message.inputs:
            effects = self.engine.step(inp, message.at)
            child = effects.child
            for event in effects.events:
                if type(event) is Fill:
                    self.fills[event.order] += 1
                elif type(event) is Alarm:
                    self.alarms[event.kind] += 1
            if child is not None:
                if child.known and child.status is OrdStatus.PARTIALLY_FILLED:
                    self.partly.add(child.id)
                if type(inp) is OrderSnapshot and inp.reduced_qty is not None:
                    self.taken_off[child.id] += inp.reduced_qty
        left = message.printed.leaves_qty
        if child is not None and child.known and left is not None and left != child.leaves:
            self.disagreements.append(message)

    def order(self, order_id: str) -> Child:
        """The order that this id means now."""
        return self.engine.index.by_order[(self.venue, "", order_id)].child

    @property
    def known(self) -> list[Child]:
        """Orders whose terms are known."""
        return [child for child in self.engine.children.values() if child.known]

    @property
    def parked(self) -> list[Child]:
        """Orders that only evidence exists of."""
        return [child for child in self.engine.children.values() if not child.known]

    def flagged(self, flag: Flag) -> list[Child]:
        """Orders that carry a mark."""
        return [child for child in self.engine.children.values() if child.all_flags() & flag]


def assert_conserved(replay: Replay) -> None:
    """Peak + overfill = cum + leaves + canceled for every known order, no term below zero, and nothing in quarantine."""
    for child in replay.engine.children.values():
        check_whole(child)
        if child.peak_qty is None:
            continue
        assert child.canceled_qty is not None
        terms = (child.peak_qty, child.overfill_qty, child.cum, child.leaves, child.canceled_qty)
        assert min(terms) >= 0, terms
        assert child.peak_qty + child.overfill_qty == child.cum + child.leaves + child.canceled_qty, terms
    assert replay.engine.counters.quarantined == 0


def assert_canceled_is_what_was_printed(replay: Replay) -> None:
    """What an order lost without a fill is the sum of what its messages took off: a second way to the same number."""
    for child in replay.known:
        if not child.all_flags() & (Flag.REDUCTION_UNSEEN | Flag.OVERFILL):
            assert child.canceled_qty == replay.taken_off.get(child.id, Decimal(0)), child.order_id
