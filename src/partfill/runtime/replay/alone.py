"""One order under one policy, alone in a recorded market: the real core and the real paper exchange, in virtual time.

Theory of operation. Time is the recording's. Between two of its events, what is on the way arrives: requests at the exchange,
answers and reports at the engine, looks at the book, timers. The order comes in at a given moment of the market; from then on
the market goes on as it was recorded, except where it meets the order. When the time that the user gives it is over, the user
takes the rest off.

Rules
- Who took in the recording meets our order where it stands first. Who rested, at a price that our order has taken, wanted to
  rest: he does, one tick away from it. To let him trade instead (`meets`) shows how much hangs on that.
- Everything travels `TRAVEL_NS`, there and back. Nothing is lost, refused or late: a policy is measured here, not a network.
- Looks follow the rules of `runtime.remainders`: what a look shows as before is not decided on, and looked at again.
- At the end the engine and the exchange agree on every fill, filled and left are what was asked for, and no fill was worse than
  the price that the user gave, or than the cap of a chase from there. Whatever else happens raises `Wrong`.
- What is left is bought (or sold) at the market `LATER_NS` after that, in the same market, which misses what the order took. So
  to give up has its price too. It counts for nothing but that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from heapq import heappop, heappush
from typing import Any, NamedTuple

import msgspec

from partfill.core.engine import Engine
from partfill.core.handling import Handling, undecided
from partfill.core.parent import Parent
from partfill.core.remainder import cap, within
from partfill.model.admit import admit
from partfill.model.book import Book
from partfill.model.commands import Answered, Decide, Looked, Restarted, Stop, Submit, Tick
from partfill.model.events import Alarm
from partfill.model.inputs import Input, VenueDeclared
from partfill.model.numbers import ZERO, add, sub
from partfill.model.observations import OrderSnapshot
from partfill.model.operations import Cancel, Operation, Place, Query, Replace
from partfill.model.policy import Mode, Remainder, RemainderPolicy
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport
from partfill.model.terms import Terms
from partfill.model.words import OrdType, Side, TimeInForce
from partfill.runtime.replay.recording import Recorded
from partfill.venues.paper.events import Add
from partfill.venues.paper.exchange import PAPER, Exchange

MS = 1_000_000
TRAVEL_NS = 5 * MS
"""How long everything is on its way to the exchange, and back."""
PATIENCE_NS = 600_000 * MS
"""How long a user waits before the rest is taken off, whatever the policy."""
LATER_NS = 10_000 * MS
"""How long after its end what is left of an order is bought at the market after all."""
_NEVER = 1 << 62


class Wrong(AssertionError):
    """Something happened that must not; the message says which order and what."""


class Asked(NamedTuple):
    """One order as it is tried under every policy. `at` ns of the recording, quantity in units, price in quote currency."""

    number: int
    at: int
    side: Side
    qty: Decimal
    price: Decimal


class Result(NamedTuple):
    """What became of one order. Quantities in units, times in ns."""

    asked: Asked
    fills: tuple[tuple[Decimal, Decimal], ...]
    """(quantity, price) of each."""
    later: tuple[tuple[Decimal, Decimal], ...]
    """The same of what was left, bought at the market later; what nobody offered any more at the last price that was paid."""
    ended: int
    """When the last of it had filled or was off, at the desk."""
    out_of_patience: bool
    """True when the user took the rest off."""
    verdicts: Counter[Reason]
    """First reasons of the decisions that were carried out, or that held."""
    estimate: tuple[Decimal, int] | None
    """The first time to fill that a decision to hold told (seconds), and when it did."""

    @property
    def filled(self) -> Decimal:
        """What filled."""
        total = ZERO
        for qty, _ in self.fills:
            total = add(total, qty)
        return total


class Alone:
    """One run. Make it with the exchange as it stands when the order comes (nobody else may use it), then `run`.

    `meets`: a participant who rested in the recording, and would meet the order here, trades with it; he steps aside otherwise.
    """

    def __init__(self, market: Recorded, exchange: Exchange, asked: Asked, policy: RemainderPolicy, *,
                 patience: int = PATIENCE_NS, meets: bool = False) -> None:  # fmt: skip
        self.engine = Engine()
        self._exchange = exchange
        self._quotes = market.quotes
        self._events = market.events
        self._next = bisect_right(market.events, asked.at, key=lambda each: each[0])
        self._meets = meets
        self._asked = asked
        self._policy = policy
        self._instrument = market.listing.instrument
        self._time = self._latest = asked.at - TRAVEL_NS
        self._patience = asked.at + patience
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        self._on_the_way = 0
        """Requests that have left and not arrived."""
        self._alarm = _NEVER
        self._said: list[OrderSnapshot] = []
        self._stopped = False
        self._verdicts: Counter[Reason] = Counter()
        self._estimate: tuple[Decimal, int] | None = None
        exchange.listeners.append(self._said.append)

    def run(self) -> Result:
        """Live through it. Raises `Wrong`."""
        asked = self._asked
        self._feed(VenueDeclared(venue=self._exchange.venue, capabilities=PAPER))
        self._feed(Restarted(desk="r"))
        terms = Terms(
            instrument=self._instrument.symbol, side=asked.side, order_qty=asked.qty, price=asked.price, ord_type=OrdType.LIMIT,
            time_in_force=TimeInForce.GTC,
        )  # fmt: skip
        self._feed(Submit(venue=self._exchange.venue, ref=f"order-{asked.number}", terms=terms, remainder=self._policy))
        (parent,) = self.engine.desk.parents.values()
        self._at(self._patience, self._stop, parent)
        while parent.done is None:
            self._step()
        result = self._proven(parent)
        return result._replace(later=self._later_on(result)) if parent.rest else result

    # ------------------------------------------------------------------ time

    def _step(self) -> None:
        """The market until something of ours is due, then that."""
        if not self._heap:
            raise self._wrong("nothing is due and it has not ended")
        self._until(self._heap[0][0])
        at, _, act, with_ = heappop(self._heap)
        self._time = max(self._time, at)
        act(*with_)
        self._reports()

    def _until(self, due: int) -> None:
        """The market up to `due`, or up to what it tells us before that."""
        events, n = self._events, self._next
        while n < len(events) and events[n][0] <= due:
            at, event = events[n]
            n += 1
            if type(event) is Add and not self._meets:
                event = self._aside(event, at)
            self._exchange.market(event, at)
            if self._said:
                self._time = at
                self._reports()
                due = min(due, self._heap[0][0])
        self._next = n

    def _aside(self, event: Add, at: int) -> Add:
        """The same, one tick away from our order where it rested in the recording and would meet ours here."""
        account = next(iter(self._exchange.accounts.values()), None)
        side = event.side
        for order in account.working.values() if account is not None else ():
            price = order.price
            if order.side is side or price is None or (event.price > price if side is Side.SELL else event.price < price):
                continue
            if not event.rested:
                bid, ask = self._quotes.at(at - 1)
                if event.price <= bid if side is Side.SELL else event.price >= ask:
                    # It took in the recording too.
                    return event
            tick = self._instrument.tick_at(price)
            assert tick is not None
            return msgspec.structs.replace(event, price=add(price, tick) if side is Side.SELL else sub(price, tick))
        return event

    def _at(self, at: int, act: Callable[..., None], *with_: Any) -> None:
        self._count += 1
        heappush(self._heap, (at, self._count, act, with_))

    def _later(self, wait: int, act: Callable[..., None], *with_: Any) -> None:
        self._at(self._time + wait, act, *with_)

    def _now(self) -> int:
        """The clock that stamps everything: no two readings are equal."""
        self._latest = max(self._latest + 1, self._time)
        return self._latest

    # ------------------------------------------------------------------ the process

    def _feed(self, inp: Input) -> None:
        now = self._now()
        effects = self.engine.step(admit(inp, now)[0], now)
        for event in effects.events:
            if type(event) is Alarm:
                raise self._wrong(f"alarm {event.kind.value}: {event.text}")
            if type(event) is ExecutionReport:
                self._decided(event)
        for op in effects.operations:
            self._send(op)
        for parent in effects.wanted:
            assert parent.handling is not None
            self._look(parent, parent.handling, parent.handling.event, False)
        self._set_alarm()

    def _set_alarm(self) -> None:
        at = self.engine.desk.timers.next_at
        if at is not None and at < self._alarm:
            self._alarm = max(at, self._time)
            self._at(self._alarm, self._wake)

    def _wake(self) -> None:
        self._alarm = _NEVER
        at = self.engine.desk.timers.next_at
        if at is not None and at <= self._time:
            self._feed(Tick())
        else:
            self._set_alarm()

    def _stop(self, parent: Parent) -> None:
        if parent.done is None:
            self._stopped = parent.stop is None
            self._feed(Stop(venue=parent.venue, ref=parent.ref))

    def _decided(self, report: ExecutionReport) -> None:
        if report.carried_out or report.verdict is Reason.HOLD_REMAINDER:
            self._verdicts[report.verdict] += 1
        if report.verdict is Reason.HOLD_REMAINDER and self._estimate is None and report.seen.time_to_fill_s is not None:
            self._estimate = report.seen.time_to_fill_s, self._time

    # ------------------------------------------------------------------ requests and their answers

    def _send(self, op: Operation) -> None:
        self._on_the_way += 1
        self._later(TRAVEL_NS, self._arrives, op, self._now())

    def _arrives(self, op: Operation, sent: int) -> None:
        self._on_the_way -= 1
        if isinstance(op, Query):
            looked = Looked(
                venue=op.venue, cl_ord_id=op.cl_ord_id, order_id=op.order_id, order=self._exchange.find(op, sent),
                definite=not self._on_the_way, as_of=sent,
            )  # fmt: skip
            self._later(TRAVEL_NS, self._feed, looked)
            return
        assert isinstance(op, Place | Cancel | Replace)
        answer: Answered = self._exchange.apply(op, self._time)
        order = None if answer.order is None else msgspec.structs.replace(answer.order, as_of=sent)
        # What the exchange told meanwhile is ahead of the answer, as on one connection.
        self._reports()
        self._later(TRAVEL_NS, self._feed, msgspec.structs.replace(answer, order=order, as_of=sent))

    def _reports(self) -> None:
        for report in self._said:
            self._later(TRAVEL_NS, self._feed, report)
        self._said.clear()

    # ------------------------------------------------------------------ looks at the market

    def _look(self, parent: Parent, handling: Handling, event: int, waited: bool) -> None:
        if waited and (handling.event != event or handling.decided >= event or undecided(parent) is None):
            # Something has happened that is decided by itself, or nothing is left to decide.
            if handling.event == event:
                self._decide(parent, event, None)
            return
        child = undecided(parent)
        self._later(TRAVEL_NS, self._shown, parent, handling, event, self._now(), None if child is None else child.order_id)

    def _shown(self, parent: Parent, handling: Handling, event: int, sent: int, order_id: str | None) -> None:
        book = self._exchange.depth(self._instrument.symbol, sent, parent.terms.side, order_id)
        self._later(TRAVEL_NS, self._saw, parent, handling, event, book)

    def _saw(self, parent: Parent, handling: Handling, event: int, book: Book) -> None:
        if handling.same(book.best_against(parent.terms.side)):
            self._later(handling.policy.rechase_ms * MS, self._look, parent, handling, event, True)
        else:
            self._decide(parent, event, book)

    def _decide(self, parent: Parent, event: int, book: Book | None) -> None:
        self._feed(
            Decide(
                venue=parent.venue, ref=parent.ref, event=event, instrument=self._instrument, mode=Mode.GENERAL_LIVE, book=book
            )
        )  # fmt: skip

    # ------------------------------------------------------------------ the proof

    def _proven(self, parent: Parent) -> Result:
        asked, policy = self._asked, self._policy
        (account,) = self._exchange.accounts.values()
        fills = []
        for execution in account.executions:
            assert execution.px is not None
            fills.append((execution.qty, execution.px))
        result = Result(asked, tuple(fills), (), self._time, self._stopped, self._verdicts, self._estimate)
        if account.working:
            raise self._wrong(f"{next(iter(account.working))} works on")
        if result.filled != parent.cum or add(parent.cum, parent.rest) != asked.qty:
            raise self._wrong(f"{result.filled} filled, {parent.cum} is known, {parent.rest} left of {asked.qty}")
        if parent.spent != _value(fills):
            raise self._wrong(f"worth {_value(fills)}, {parent.spent} is known")
        chases = Remainder.CHASE in (policy.default_policy, policy.after_hold)
        worst = cap(asked.side, asked.price, policy, self._instrument) if chases else asked.price
        for qty, px in fills:
            if not within(asked.side, px, worst):
                raise self._wrong(f"{qty} at {px} is worse than {worst}")
        return result

    def _later_on(self, result: Result) -> tuple[tuple[Decimal, Decimal], ...]:
        asked, rest = self._asked, left(result)
        self._until(result.ended + LATER_NS)
        terms = Terms(
            instrument=self._instrument.symbol, side=asked.side, order_qty=rest, ord_type=OrdType.MARKET,
            time_in_force=TimeInForce.IOC,
        )  # fmt: skip
        venue, symbol = self._exchange.venue, terms.instrument
        later = Place(venue=venue, account="later", instrument=symbol, order=0, cl_ord_id="later", terms=terms)
        self._exchange.apply(later, result.ended + LATER_NS)
        paid = []
        for execution in self._exchange.accounts["later"].executions:
            assert execution.px is not None
            paid.append((execution.qty, execution.px))
            rest = sub(rest, execution.qty)
        if rest:
            bid, ask = self._quotes.at(result.ended + LATER_NS)
            buys = asked.side is Side.BUY
            prices = [ask if buys else bid, *(px for _, px in paid)]
            paid.append((rest, max(prices) if buys else min(prices)))
        return tuple(paid)

    def _wrong(self, what: str) -> Wrong:
        a = self._asked
        return Wrong(f"order {a.number} ({a.side.value} {a.qty} at {a.price}, {a.at} ns in): {what}")


def left(result: Result) -> Decimal:
    """What of an order did not fill, units."""
    return sub(result.asked.qty, result.filled)


def _value(fills: Sequence[tuple[Decimal, Decimal]]) -> Decimal:
    total = ZERO
    for qty, px in fills:
        total = add(total, qty * px)
    return total
