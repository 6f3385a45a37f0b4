"""Scripts about remainders: whatever is told of markets, fills and requests, with what must hold checked from the script.

A script is a list of moves; each becomes one input by what the desk has asked for so far. `Watched` keeps books of its own
of what the user wished for, what filled, and which markets were shown, and judges every operation and report by those.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from partfill.core.effects import Effects
from partfill.model.book import Book, Level
from partfill.model.capabilities import Capabilities
from partfill.model.commands import (
    Amend,
    Answered,
    Decide,
    KillSwitch,
    Looked,
    Outcome,
    Reported,
    Restarted,
    Stop,
    Submit,
    Tick,
)
from partfill.model.events import AlarmKind, CommandRefused
from partfill.model.inputs import Input
from partfill.model.instrument import Instrument, TickBand
from partfill.model.observations import Execution, ExecutionVoided, OrderSnapshot
from partfill.model.operations import Cancel, Operation, Place, Query, Replace
from partfill.model.policy import LiveLimits, Mode, Remainder, RemainderPolicy
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport
from partfill.model.words import ExecType, Flag, OrdStatus, Request, Side
from tests.core.driven import GUARDED, MS, PLAIN, TOTAL, UNGUARDED, VENUE, Driven, execution, rule, terms

D = Decimal
TICK = D("0.5")
ACME = Instrument(symbol="ACME", ticks=(TickBand(D(0), TICK),), lot=D("0.1"))
RULES = st.sampled_from([PLAIN, TOTAL, GUARDED, UNGUARDED, Capabilities(end_is_final=False)])
POLICIES = st.builds(
    RemainderPolicy, default_policy=st.sampled_from((Remainder.CHASE, Remainder.CHASE, Remainder.HOLD, Remainder.CANCEL)),
    chase_max_ticks=st.sampled_from((0, 1, 3, 10)), min_remainder_size=st.sampled_from((D(1), D(5), D(150))),
    cancel_on_book_thin=st.booleans(), thin_confirm_ms=st.sampled_from((0, 250)),
    max_hold_ms=st.sampled_from((None, 100, 2000)),
    max_hold_drift_ticks=st.sampled_from((None, 2)), after_hold=st.sampled_from(Remainder),
    rechase_ms=st.sampled_from((50, 1000)),
)  # fmt: skip
_REQUEST = {Place: Request.PLACE, Cancel: Request.CANCEL, Replace: Request.REPLACE}
REACHES = (Mode.LIMITED_LIVE, Mode.GENERAL_LIVE)
BLIND = {Reason.DUST_AUTO_CANCEL, Reason.CANCELLED_REMAINDER}


class Move(msgspec.Struct, frozen=True):
    """One thing that happens: what, how long after the one before (ns), and everything that it may need."""

    kind: str
    wait: int
    pick: int
    ticks: int
    qty: int
    book: str
    outcome: Outcome
    mode: Mode
    yes: bool


KINDS = (
    *("fill", "fill", "fill", "again", "void", "decide", "decide", "decide", "decide", "late decide", "confirm", "confirm"),
    *("reply", "reply", "look", "look", "amend", "ended", "cut", "restart", "tick", "tick", "kill", "stop"),
    *("reported", "reported"),
)
MOVES = st.lists(
    st.builds(
        Move, kind=st.sampled_from(KINDS), wait=st.sampled_from((1, 50 * MS, 300 * MS, 3000 * MS, 40_000 * MS)),
        pick=st.integers(0, 3), ticks=st.integers(-6, 14), qty=st.integers(1, 4),
        book=st.sampled_from(("fresh", "fresh", "fresh", "fresh", "thin", "stale", "future", "empty", "none", "other")),
        outcome=st.sampled_from(Outcome),
        mode=st.sampled_from((Mode.GENERAL_LIVE, Mode.GENERAL_LIVE, Mode.GENERAL_LIVE, *Mode)),
        yes=st.booleans(),
    ),
    min_size=1, max_size=30,
)  # fmt: skip


class Watched(Driven):
    """One order for ten at 100 that has a policy, judged by what the script knows."""

    def __init__(self, rules: Capabilities, policy: RemainderPolicy, side: Side, *, resubmit: bool) -> None:
        super().__init__(rules, strict=False)
        self.policy, self.side = policy, side
        self.wishes: list[Decimal] = []
        self.wanted_qty = D(0)
        self.booked: dict[str, Decimal] = {}
        self.gone: set[str] = set()
        self.shown: set[Decimal] = set()
        """Prices at which a market was seen that could be believed."""
        self.told: set[int] = set()
        self.heard = 0
        """The newest event of another system that called for a decision, or is owed one."""
        again = rule("0.1", 2) if resubmit else None
        self.feed(Submit(venue=VENUE, ref="p", terms=terms("10", "100", side=side), remainder=policy, resubmit=again))

    def feed(self, *inputs: Input) -> Effects:
        """Step each input, and judge what came of it."""
        effects = Effects()
        for inp in inputs:
            self._before(inp)
            parent = self.engine.desk.by_ref.get((VENUE, "", "p"))
            stop, price = (parent.stop, parent.price) if parent is not None else (None, None)
            events = len(self.events)
            effects = super().feed(inp)
            if isinstance(inp, Reported):
                self._judge_called(inp, effects)
            new = self.events[events:]
            if isinstance(inp, Amend) and inp.order_qty is not None and not any(type(e) is CommandRefused for e in new):
                self.wanted_qty = inp.order_qty
            reports = [event for event in new if type(event) is ExecutionReport]
            for report in reports:
                self._judge_report(report)
            if isinstance(inp, Decide):
                parent = self.parent()
                changed = (parent.stop, parent.price) != (stop, price)
                assert changed is any(report.carried_out for report in reports), reports
                if changed:
                    self._judge_change(inp, reports[0], chased=parent.price != price)
            for op in effects.operations:
                if isinstance(op, Place | Replace):
                    self._judge_price(op.terms.price if isinstance(op, Place) else op.price)
            said = [event.text for event in new if getattr(event, "kind", None) in (AlarmKind.LAW, AlarmKind.INVARIANT)]
            assert not [text for text in said if "Error" in text or "could fill" in text], said
        return effects

    def _before(self, inp: Input) -> None:
        if isinstance(inp, Submit):
            assert inp.terms.price is not None
            assert inp.terms.order_qty is not None
            self.wishes, self.wanted_qty = [inp.terms.price], inp.terms.order_qty
        if isinstance(inp, Amend) and inp.price is not None:
            self.wishes.append(inp.price)
        if isinstance(inp, Execution):
            assert inp.qty is not None
            self.booked[inp.key] = inp.qty
        if isinstance(inp, ExecutionVoided):
            self.gone.add(inp.key)
        if isinstance(inp, Decide) and inp.mode in REACHES and not inp.shed and self.believable(inp):
            levels = inp.book.asks if self.side is Side.BUY else inp.book.bids  # type: ignore[union-attr]
            self.shown.update(level.px for level in levels[:1])

    def believable(self, d: Decide) -> bool:
        """Whether the market of a decision is one to act on, one millisecond from now."""
        return d.book is not None and d.book.instrument == "ACME" and d.book.as_of >= self.now + MS - 2_000 * MS and (
            d.book.as_of <= self.now + MS)  # fmt: skip

    def _judge_called(self, r: Reported, effects: Effects) -> None:
        """A report of another system books nothing, asks nothing, and calls for a decision once."""
        assert not effects.events
        assert not effects.operations
        assert not effects.rows
        assert bool(effects.called) is bool(effects.wanted)
        if effects.parents:
            assert r.event_ts > self.heard
            self.heard = r.event_ts

    def _judge_report(self, report: ExecutionReport) -> None:
        if not any(child.flags & Flag.QUARANTINED for child in self.parent().children):
            filled = sum((qty for key, qty in self.booked.items() if key not in self.gone), D(0))
            assert (report.filled_qty, report.remaining_qty) == (filled, max(D(0), self.wanted_qty - filled))
        assert report.event not in self.told
        self.told.add(report.event)
        assert report.reasons[0] is report.verdict

    def _judge_change(self, d: Decide, report: ExecutionReport, *, chased: bool) -> None:
        assert d.mode in REACHES
        assert not d.shed
        if chased:
            assert self.believable(d)
        elif not self.believable(d):
            assert report.verdict in BLIND
            if report.verdict is Reason.CANCELLED_REMAINDER:
                assert self.policy.default_policy is Remainder.CANCEL
            else:
                assert report.remaining_qty * min([*self.wishes, *self.shown]) < self.policy.min_remainder_size

    def _judge_price(self, price: Decimal | None) -> None:
        assert price is not None
        away = self.policy.chase_max_ticks * TICK
        assert price in self.wishes or price in self.shown, f"nobody named {price}"
        reached = [wish for wish in self.wishes if (price <= wish + away if self.side is Side.BUY else price >= wish - away)]
        assert reached, f"{price} is more than {away} worse than {self.wishes}"

    # ------------------------------------------------------------------ moves

    def play(self, moves: list[Move]) -> None:
        """The order works and some of it fills; then the script."""
        self.acknowledge(self.sent(Place)[0])
        self.fill("O1x0", "2")
        for move in moves:
            self.now += move.wait
            self.feed(self.as_input(move))

    def as_input(self, move: Move) -> Input:
        """What the move is, given what was asked of the venue so far."""
        placed = self.sent(Place)
        number = len(placed) - move.pick % len(placed)
        place, order_id = placed[number - 1], f"O{number}"
        requests = [op for op in self.ops if not isinstance(op, Query)]
        request = requests[-1 - move.pick % len(requests) % 2]
        questions = self.sent(Query)
        handling = self.parent().handling
        assert handling is not None
        match move.kind:
            case "fill":
                key = f"{order_id}x{len(self.booked)}"
                return execution(key, str(D(move.qty) / 2), order_id, cl_ord_id=place.cl_ord_id)
            case "again":
                key = list(self.booked)[move.pick % len(self.booked)]
                return execution(key, str(self.booked[key]), key.partition("x")[0])
            case "void":
                key = list(self.booked)[-1 - move.pick % len(self.booked)]
                return ExecutionVoided(venue=VENUE, order_id=key.partition("x")[0], key=key)
            case "decide":
                return self.decision(move, handling.event)
            case "late decide":
                return self.decision(move, max(0, handling.event + 1 - move.pick))
            case "confirm":
                return self.confirmed(request, placed)
            case "reply":
                return Answered(venue=VENUE, request=_REQUEST[type(request)], cl_ord_id=request.cl_ord_id, outcome=move.outcome)
            case "look" if questions:
                return self.answer(questions[-1], order_id, gone=move.yes)
            case "amend":
                price = 100 + move.ticks * TICK if move.yes or move.pick == 0 else None
                qty = D(3 * move.qty) if price is None or move.pick == 0 else None
                return Amend(venue=VENUE, ref="p", order_qty=qty, price=price)
            case "ended":
                return OrderSnapshot(venue=VENUE, order_id=order_id, cl_ord_id=place.cl_ord_id, exec_type=ExecType.CANCELED,
                                     ord_status=OrdStatus.CANCELED)  # fmt: skip
            case "cut":
                return OrderSnapshot(venue=VENUE, order_id=order_id, exec_type=ExecType.RESTATED, order_qty=D(move.qty * 2),
                                     restatement="position")  # fmt: skip
            case "reported":
                return Reported(venue=VENUE, ref="p", event_ts=max(1, self.heard + move.pick - 1))
            case "restart":
                return Restarted(desk="d")
            case "kill" if move.pick == 0:
                return KillSwitch(venue=VENUE, on=move.yes, by="test")
            case "stop" if move.pick == 0:
                return Stop(venue=VENUE, ref="p")
            case _:
                return Tick()

    def confirmed(self, op: Operation, placed: list[Any]) -> OrderSnapshot:
        """The venue did what was asked."""
        number = next(i for i, each in enumerate(placed, 1) if each.order == op.order)
        said: dict[str, Any] = {"venue": VENUE, "order_id": f"O{number}", "cl_ord_id": op.cl_ord_id}
        if isinstance(op, Place):
            return OrderSnapshot(exec_type=ExecType.NEW, ord_status=OrdStatus.NEW, order_qty=op.terms.order_qty, **said)
        assert isinstance(op, Cancel | Replace)
        said["orig_cl_ord_id"] = op.orig_cl_ord_id
        if isinstance(op, Cancel):
            return OrderSnapshot(exec_type=ExecType.CANCELED, ord_status=OrdStatus.CANCELED, **said)
        return OrderSnapshot(exec_type=ExecType.REPLACED, order_qty=op.order_qty, price=op.price, **said)

    def answer(self, asked: Query, order_id: str, *, gone: bool) -> Looked:
        """The venue's last word on one order."""
        word = OrdStatus.CANCELED if gone else OrdStatus.NEW
        return Looked(venue=VENUE, cl_ord_id=asked.cl_ord_id, order_id=asked.order_id, definite=True, as_of=self.now,
                      order=OrderSnapshot(venue=VENUE, order_id=asked.order_id or order_id, ord_status=word))  # fmt: skip

    def decision(self, move: Move, event: int) -> Decide:
        """A market for one decision; `move.ticks` away from 100 on the adverse side."""
        away = move.ticks * TICK
        best = 100 + away if self.side is Side.BUY else 100 - away
        size, as_of = D(1) if move.book == "thin" else D(1000), self.now
        if move.book in ("stale", "future"):
            as_of += -5_000 * MS if move.book == "stale" else 60_000 * MS
        levels = {Side.BUY: ((best - TICK, size), (best, size)), Side.SELL: ((best, size), (best + TICK, size))}[self.side]
        bids, asks = ((Level(*level),) for level in levels)
        if move.book == "empty":
            bids, asks = (bids, ()) if self.side is Side.BUY else ((), asks)  # type: ignore[assignment]
        book = Book(instrument="OTHER" if move.book == "other" else "ACME", bids=bids, asks=asks, as_of=as_of)
        return Decide(
            venue=VENUE, ref="p", event=event, instrument=ACME, mode=move.mode,
            book=None if move.book == "none" else book, shed=move.pick == 3 and move.yes,
            limits=LiveLimits(instruments=("ACME",), max_usd=D(500)),
        )  # fmt: skip
