"""Lanes: operations of one (venue, account, instrument), in order; different lanes side by side.

Rules
- Within a lane cancels go first, then what protects a position, then everything in the order in which it was decided.
- Of each of these kinds one is out at a time. What goes first waits for no request of a later kind, which may hang
  for as long as `timeout_s`; and while it waits or is out, nothing of a later kind leaves.
- An operation is sent once. Whatever goes wrong on the way is an answer too: `Outcome.UNKNOWN`.
- An order that is not wanted any more when its turn comes (its parent was stopped, or killed) is refused here and never sent.
- Questions are reads: they do not wait in lanes, and at most `QUESTIONS` of them are out per venue.
- While a breaker is open new orders are refused here, but for those that protect a position: a stop never waits for that.
- A lane exists while it has work; nothing is kept of one that is empty.
- At DEBUG the log says when each operation leaves and when its answer came: client id, order number, number of the step that
  led to it (`partfill trace` shows that step), ms since it left. Below that level nothing is measured.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from partfill.model.commands import Answered, Looked, Outcome
from partfill.model.operations import Cancel, Operation, Place, Query, Replace
from partfill.model.words import Request
from partfill.runtime.limits import Breaker, Budget
from partfill.runtime.per_venue import PER_SECOND
from partfill.venues.protocol import Venue

QUESTIONS = 8
TIMEOUT_S = 10.0
"""How long a request may take before its outcome is unknown."""
TOGETHER = 200
"""Orders that do not leave which are refused together."""
PAUSE_S = 1.0
"""How long everything but cancels waits after "too many requests"."""

log = logging.getLogger("partfill.lanes")

_CANCELS, _URGENT, _THEN = range(3)
"""Kinds of operations: the lower goes first."""

Lane = tuple[str, str, str]
Waiting = tuple[Operation, int]
"""An operation, and the number of the step that led to it; 0 where that is not known."""
_REQUEST = {Place: Request.PLACE, Cancel: Request.CANCEL, Replace: Request.REPLACE}


class Lanes:
    """Carries operations to venues and their answers to `answer`.

    `per_second`: requests a second to each account, by the venue's name; `timeout_s`: seconds that a request may take.
    """

    def __init__(self, venues: Mapping[str, Venue], answer: Callable[[Answered | Looked], Awaitable[None]], *,
                 per_second: Mapping[str, int] | None = None, timeout_s: float = TIMEOUT_S,
                 unwanted: Callable[[Place | Replace], str | None] = lambda op: None,
                 clock: Callable[[], int] | None = None) -> None:  # fmt: skip
        self._venues = venues
        self._answer = answer
        self._per_second = per_second if per_second is not None else {}
        self._timeout_s = timeout_s
        self._clock = clock
        """What answers to questions are stamped with (ns UTC); None: they are not, and say nothing against what was heard."""
        self._unwanted = unwanted
        """Why an order that waits need not leave; None while it is wanted."""
        self._queues: tuple[dict[Lane, deque[Waiting]], ...] = ({}, {}, {})
        """By kind: what waits."""
        self._running: dict[tuple[Lane, int], asyncio.Task[None]] = {}
        """Lane, kind -> the task that sends what waits."""
        self._hurry: dict[tuple[Lane, int], asyncio.Event] = {}
        """Lanes whose next order waits for the budget, and how what goes before it tells them that it has come."""
        self._questions: dict[str, asyncio.Semaphore] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._budgets: dict[tuple[str, str], Budget] = {}
        self.breakers = {name: Breaker(time.monotonic) for name in venues}
        self.sent = 0
        """Operations handed to venues."""
        self.watchers: list[Callable[[Operation], None]] = []
        """Who is told of every operation as it is queued. They must return at once."""

    @property
    def waiting(self) -> int:
        """Operations that have not been sent yet."""
        return sum(len(queue) for queues in self._queues for queue in queues.values())

    @property
    def busy(self) -> int:
        """Lanes with work, by kind, and questions that are out."""
        return len(self._running) + len(self._asking)

    def send(self, op: Operation, because: int = 0) -> None:
        """Queue one operation, which follows from step `because` of the journal."""
        for watcher in self.watchers:
            try:
                watcher(op)
            except Exception:
                log.exception("a watcher failed on %s", _named(op))
        if type(op) is Query:
            task = asyncio.create_task(self._ask(op, because))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            return
        lane = (op.venue, op.account, op.instrument)
        kind = _CANCELS if type(op) is Cancel else _URGENT if op.urgent else _THEN
        self._queues[kind].setdefault(lane, deque()).append((op, because))
        for later in range(kind + 1, len(self._queues)):
            if (lane, later) in self._hurry:
                self._hurry[lane, later].set()
        if (lane, kind) not in self._running:
            self._running[lane, kind] = asyncio.create_task(self._run(lane, kind))

    async def drain(self) -> None:
        """Wait until nothing is queued and nothing is out."""
        while self._running or self._asking:
            await asyncio.gather(*self._running.values(), *self._asking, return_exceptions=True)

    async def stop(self) -> None:
        """Let go of everything at once: what is in flight is unknown after the next start."""
        tasks = [*self._running.values(), *self._asking]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, lane: Lane, kind: int) -> None:
        queues = self._queues[kind]
        try:
            while queue := queues.get(lane):
                first = [task for each in range(kind) if (task := self._running.get((lane, each))) is not None]
                if first:
                    await asyncio.wait(first)
                    continue
                if not await self._turn(lane, kind, queue[0][0]):
                    continue
                stay = self._stay(queue)
                if not stay:
                    op, because = queue.popleft()
                if not queue:
                    del queues[lane]
                if stay:
                    # Thousands may be waiting when a kill switch is put on: they are on disk together.
                    await asyncio.gather(*map(self._answer, stay))
                else:
                    await self._carry(op, because)
        finally:
            self._running.pop((lane, kind), None)

    async def _turn(self, lane: Lane, kind: int, op: Operation) -> bool:
        """Wait until the budget lets `op` go; False when something came before that, which may go first."""
        budget = self.budget(op.venue, op.account)
        if type(op) is Cancel:
            await budget.take(cancel=True)
            return True
        hurry = asyncio.Event()
        while True:
            if isinstance(op, Place | Replace) and self._why_not(op) is not None:
                # It does not leave: it needs no budget.
                return True
            seconds = budget.wait(cancel=False, urgent=op.urgent)
            if seconds <= 0:
                return True
            self._hurry[lane, kind] = hurry
            try:
                async with asyncio.timeout(seconds):
                    await hurry.wait()
                return False
            except TimeoutError:
                pass
            finally:
                del self._hurry[lane, kind]

    def _stay(self, queue: deque[Waiting]) -> list[Answered]:
        """Take the next orders that do not leave out of the queue, up to one that does, and refuse them."""
        stay: list[Answered] = []
        while queue and len(stay) < TOGETHER:
            op, because = queue[0]
            why_not = self._why_not(op) if isinstance(op, Place | Replace) else None
            if not isinstance(op, Place | Replace) or why_not is None:
                break
            queue.popleft()
            if log.isEnabledFor(logging.DEBUG):
                log.debug("%s stays here, because of %d: %s", _named(op), because, why_not)
            stay.append(self._refused(op, why_not))
        return stay

    async def _carry(self, op: Operation, because: int) -> None:
        assert not isinstance(op, Query)
        budget = self.budget(op.venue, op.account)
        self.sent += 1
        left = _says_leaving(op, because)
        answer = await self._request(op)
        if left:
            _say_answered(op, because, left, f"{answer.outcome.value}{f' ({answer.reason})' if answer.reason else ''}")
        if answer.outcome is Outcome.REFUSED and answer.reason == "rate_limit":
            budget.pause(PAUSE_S)
        self._judge(op, answer)
        await self._answer(answer)

    def _why_not(self, op: Place | Replace) -> str | None:
        """Why an order, or a replace of one, does not leave; None when it does."""
        breaker = self.breakers.get(op.venue)
        if type(op) is Place and breaker is not None and breaker.open and not op.urgent:
            return f"not sent: {breaker.reason}"
        return self._unwanted(op)

    async def _request(self, op: Place | Cancel | Replace) -> Answered:
        venue = self._venues[op.venue]
        try:
            async with asyncio.timeout(self._timeout_s):
                if type(op) is Place:
                    return await venue.place(op)
                if type(op) is Cancel:
                    return await venue.cancel(op)
                assert type(op) is Replace
                return await venue.replace(op)
        except TimeoutError:
            why = f"no answer within {self._timeout_s:g} s"
        except Exception as error:
            log.exception("%s failed at %s", type(op).__name__, op.venue)
            why = f"{type(error).__name__}: {error}"
        return Answered(
            venue=op.venue, account=op.account, request=_REQUEST[type(op)], cl_ord_id=op.cl_ord_id, outcome=Outcome.UNKNOWN,
            reason=why,
        )  # fmt: skip

    def _judge(self, op: Operation, answer: Answered) -> None:
        breaker = self.breakers.get(op.venue)
        if breaker is None:
            return
        if answer.outcome is Outcome.UNKNOWN:
            breaker.failed(answer.reason or "no reason given")
            return
        breaker.answered()
        if type(op) is Place and answer.outcome is Outcome.REFUSED:
            breaker.refused(op.instrument, answer.reason or "")
        elif type(op) is Place:
            breaker.accepted(op.instrument)

    @staticmethod
    def _refused(op: Place | Replace, reason: str) -> Answered:
        return Answered(
            venue=op.venue, account=op.account, request=_REQUEST[type(op)], cl_ord_id=op.cl_ord_id, outcome=Outcome.REFUSED,
            reason=reason,
        )  # fmt: skip

    async def _ask(self, op: Query, because: int) -> None:
        limit = self._questions.setdefault(op.venue, asyncio.Semaphore(QUESTIONS))
        async with limit:
            left = _says_leaving(op, because)
            asked = None if self._clock is None else self._clock()
            try:
                async with asyncio.timeout(self._timeout_s):
                    answer = await self._venues[op.venue].find(op)
            except Exception as error:
                answer = Looked(
                    venue=op.venue, account=op.account, cl_ord_id=op.cl_ord_id, order_id=op.order_id,
                    error=f"{type(error).__name__}: {error}",
                )  # fmt: skip
        if answer.order is not None and asked is not None:
            # By our own clock: what a venue stamps may be the time of a status.
            answer = msgspec.structs.replace(answer, order=msgspec.structs.replace(answer.order, asked=asked))
        if left:
            found = f"none came ({answer.error})" if answer.error else "found" if answer.order is not None else "not found"
            _say_answered(op, because, left, found if answer.definite or answer.error else f"{found}, not its last word")
        await self._answer(answer)

    def budget(self, venue: str, account: str) -> Budget:
        """The requests that one account of a venue has left."""
        budget = self._budgets.get((venue, account))
        if budget is None:
            budget = self._budgets[venue, account] = Budget(self._per_second.get(venue, PER_SECOND), time.monotonic)
        return budget


def _says_leaving(op: Operation, because: int) -> float:
    """Log that an operation leaves; returns when (s, on a clock that does not go back), 0 where nobody listens."""
    if not log.isEnabledFor(logging.DEBUG):
        return 0.0
    log.debug("%s sent, because of %d", _named(op), because)
    return time.monotonic()


def _say_answered(op: Operation, because: int, left: float, said: str) -> None:
    took_ms = (time.monotonic() - left) * 1000
    log.debug("%s after %.1f ms, because of %d: %s", _named(op), took_ms, because, said)


def _named(op: Operation) -> str:
    return f"{type(op).__name__} {op.cl_ord_id} of order {op.order} at {op.venue} {op.account!r}"
