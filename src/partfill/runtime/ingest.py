"""Partial fills that another system reports: checked, and answered with the decision that they call for.

    reports = PartialReports(fills, {"desk-a-1": Key(secret)})
    answer = await reports.accept(body, signature, key_id, timestamp_ms)

Theory of operation. What comes in is bytes and a signature, over whatever transport (`runtime.partials` has both). It is never
a fill: our own books are the truth, and it is checked against them (`runtime.agreement`). A report that agrees with them
becomes one durable input, `Reported`, which calls for a decision on the rest; the answer carries the report of that decision.
One that shows more filled than is known here makes us ask the venue; the fill, once its word has been booked, calls for a
decision by itself.

Rules
- Nothing is parsed before the signature is right, and nothing is looked up before the time is.
- What is refused is counted by its reason, said once per burst, and changes nothing.
- One event of an order is decided on once: one that is no newer than the newest is a repeat, after a restart too.
- A report changes no policy: the order's own decides, or that of the settings where an order has none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from partfill.core.parent import Parent
from partfill.journal.journal import JournalDown
from partfill.model.commands import Reported
from partfill.model.events import ParentDone
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport
from partfill.runtime import agreement
from partfill.runtime.bus import Told
from partfill.runtime.keys import Key, checked
from partfill.runtime.partials import MAX_BODY, MAX_MS, Partial, Refusal, Refused, read, signed

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager
    from partfill.runtime.poller import FillPoller

WINDOW_MS = 30_000
"""How far the time of a signature may be from ours, either way."""
MAX_WINDOW_MS = 3_600_000
TIMEOUT_S = 2.0
"""How long a decision is waited for. It comes all the same."""
MAX_WAITING = 1_000
"""Reports that may wait for their decisions."""
BURST_NS = 60_000_000_000
"""Refusals for one reason that come closer together than this are one burst."""

log = logging.getLogger("partfill.ingest")


class Heard(StrEnum):
    """What became of a report."""

    DECIDED = "decided"
    """It called for a decision, which the answer carries."""
    WANTED = "wanted"
    """It called for a decision, which is still to come, as every report of a decision."""
    NOTHING = "nothing"
    """Nothing was left to decide by then: the rest has filled, or is being taken off."""
    REPEATED = "repeated"
    """The event was reported before: nothing was done."""
    ASKED = "asked"
    """More is said to have filled than is known here: nothing was booked, and the venue is asked."""
    REFUSED = "refused"
    """It was refused: `code` and `why` say for what reason."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a report, of which order of ours it is (`ref`), and the decision."""

    heard: Heard
    code: Refusal | None = None
    why: str | None = None
    ref: str | None = None
    report: ExecutionReport | None = None


class _Waiter:
    """One report that waits for a decision on its parent."""

    __slots__ = ("ended", "news", "reports")

    def __init__(self) -> None:
        self.reports: list[ExecutionReport] = []
        self.ended = False
        self.news = asyncio.Event()


class PartialReports:
    """Takes reports of partial fills for the orders of one manager.

    `keys` by their ids, several at once. `window_ms`: how far a signature's time may be from ours. `collateral`: what amounts
    are in, compared where a report names it. `timeout_s`: how long a decision is waited for. Raises `WrongKeys`, `ValueError`.
    """

    def __init__(self, manager: FillManager, keys: Mapping[str, Key], *, window_ms: int = WINDOW_MS,
                 collateral: str | None = None, timeout_s: float = TIMEOUT_S) -> None:  # fmt: skip
        if not 1 <= window_ms <= MAX_WINDOW_MS:
            raise ValueError(f"window_ms is {window_ms}; it is 1 to {MAX_WINDOW_MS}")
        self._manager = manager
        self._keys = checked(keys)
        self._window_ms = window_ms
        self._collateral = collateral
        self._timeout_s = timeout_s
        self.heard = dict.fromkeys(Heard, 0)
        """Reports by what became of them."""
        self.refused = dict.fromkeys(Refusal, 0)
        """Of those that were refused, by the reason."""
        self._bursts: dict[Refusal, tuple[int, int]] = {}
        """Reason -> (when it was last refused for, ns; how often that was not said)."""
        self._waiting: dict[int, list[_Waiter]] = {}
        self._waiters = 0
        self._asking: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._leave = manager.subscribe(self._told)

    async def close(self) -> None:
        """Listen no more; questions to venues are let go."""
        self._leave()
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def accept(self, body: bytes, signature: str, key_id: str, timestamp_ms: int) -> Answer:
        """Take one report; returns what became of it, once that is durable. Raises `JournalDown`, and nothing else.

        `timestamp_ms` is the time that was signed (ms UTC).
        """
        try:
            self._check_signature(body, signature, key_id, timestamp_ms)
            said = read(body)
            parent = agreement.order_of(said, self._manager.engine)
            usual = self._manager.remainders.settings.policy
            agreement.check_terms(said, parent, usual, self._collateral, self._now() + self._window_ms)
            if parent.handling is not None and said.event_ts <= parent.handling.reported:
                # The one before may still be on its way to the disk.
                await self._manager.journal.flush()
                answer = Answer(heard=Heard.REPEATED, ref=parent.ref)
            elif agreement.agrees(said, parent, self._multiplier(parent)):
                answer = await self._take(said, parent)
            else:
                self._ask(parent)
                answer = Answer(heard=Heard.ASKED, ref=parent.ref)
        except Refused as refused:
            self._count(refused)
            answer = Answer(heard=Heard.REFUSED, code=refused.code, why=str(refused))
        self.heard[answer.heard] += 1
        return answer

    def _check_signature(self, body: bytes, signature: str, key_id: str, timestamp_ms: int) -> None:
        if not (isinstance(body, bytes) and isinstance(signature, str) and isinstance(key_id, str)):
            raise Refused(Refusal.MALFORMED, "a report is bytes, and its signature and key id are text")
        if len(body) > MAX_BODY:
            raise Refused(Refusal.TOO_LONG, f"the body has {len(body)} bytes; it has {MAX_BODY} at most")
        key = self._keys.get(key_id)
        if key is None:
            raise Refused(Refusal.UNKNOWN_KEY, "nobody here knows a key of this id")
        # No sender's clock is there; and digits without end would be made of it.
        some_time = type(timestamp_ms) is int and 0 <= timestamp_ms < MAX_MS
        if not some_time or not signed(key.reveal(), key_id, timestamp_ms, body, signature):
            raise Refused(Refusal.BAD_SIGNATURE, "the signature is not that of this key, time and body")
        now = self._now()
        if not key.valid_at(now):
            raise Refused(Refusal.KEY_NOT_VALID, f"key {key_id} is not valid now; use the one that is")
        if abs(now - timestamp_ms) > self._window_ms:
            late = now - timestamp_ms
            raise Refused(Refusal.STALE, f"it was signed {late} ms before now; {self._window_ms} either way is right")

    def _multiplier(self, parent: Parent) -> Decimal:
        venue = self._manager.venues.get(parent.venue)
        instrument = venue.instruments.get(parent.terms.instrument) if venue is not None else None
        return Decimal(1) if instrument is None else instrument.multiplier

    # ------------------------------------------------------------------ what follows

    async def _take(self, said: Partial, parent: Parent) -> Answer:
        """The report agrees with our books: call for a decision, and wait for it."""
        if self._waiters >= MAX_WAITING:
            raise Refused(Refusal.BUSY, f"{self._waiters} reports wait for their decisions; send it again later")
        waiter = _Waiter()
        waiters = self._waiting.setdefault(parent.id, [])
        waiters.append(waiter)
        self._waiters += 1
        try:
            policy = self._manager.remainders.settings.policy if parent.handling is None else None
            effects = await self._manager.take(
                Reported(venue=parent.venue, account=parent.account, ref=parent.ref, event_ts=said.event_ts, policy=policy)
            )
            if effects.called:
                return await self._decision(parent, effects.called, waiter)
        finally:
            self._waiters -= 1
            waiters.remove(waiter)
            if not waiters:
                self._waiting.pop(parent.id, None)
        if parent in effects.parents:
            # It is between one order and the next, and the decision is owed.
            return Answer(heard=Heard.WANTED, ref=parent.ref)
        repeated = parent.handling is not None and said.event_ts <= parent.handling.reported
        return Answer(heard=Heard.REPEATED if repeated else Heard.NOTHING, ref=parent.ref)

    async def _decision(self, parent: Parent, event: int, waiter: _Waiter) -> Answer:
        """Wait for the report of decision `event`, or of a later one that came before it and took its place."""
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    for report in waiter.reports:
                        if report.event >= event:
                            gone = report.verdict is Reason.ORDER_GONE
                            heard = Heard.NOTHING if gone else Heard.DECIDED
                            return Answer(heard=heard, ref=parent.ref, report=report)
                    if waiter.ended:
                        break
                    waiter.news.clear()
                    await waiter.news.wait()
        except TimeoutError:
            pass
        over = waiter.ended or (parent.handling is not None and parent.handling.decided >= event)
        return Answer(heard=Heard.NOTHING if over else Heard.WANTED, ref=parent.ref)

    def _told(self, told: Told) -> None:
        event = told.event
        if not self._waiting or not isinstance(event, ExecutionReport | ParentDone):
            return
        number = event.parent if isinstance(event, ExecutionReport) else told.parent
        for waiter in self._waiting.get(number, ()):
            if isinstance(event, ExecutionReport):
                waiter.reports.append(event)
            else:
                waiter.ended = True
            waiter.news.set()

    def _ask(self, parent: Parent) -> None:
        """Ask the venue how its orders stand, now; one question at a time. Raises `Refused` where nobody can be asked."""
        scope = (parent.venue, parent.account)
        pollers = [each for each in self._manager.pollers if (each.venue.name, each.account) == scope]
        if not pollers:
            why = (
                f"filled_usd is more than has filled of {parent.ref} here, and its venue is not connected; tell the fills first"
            )
            raise Refused(Refusal.AHEAD, why)
        if scope not in self._asking:
            task = self._asking[scope] = asyncio.create_task(self._poll(pollers[0]))
            task.add_done_callback(lambda _: self._asking.pop(scope, None))

    async def _poll(self, poller: FillPoller) -> None:
        try:
            await poller.poll_once()
        except JournalDown as down:
            log.error("%s", down)
        except Exception:
            log.exception("asking %s %r how its orders stand", poller.venue.name, poller.account)

    def _count(self, refused: Refused) -> None:
        self.refused[refused.code] += 1
        now = self._manager.clock()
        last, unsaid = self._bursts.get(refused.code, (0, 0))
        if last and now - last <= BURST_NS:
            self._bursts[refused.code] = (now, unsaid + 1)
            return
        more = f" ({unsaid} more of the burst before)" if unsaid else ""
        self._bursts[refused.code] = (now, 0)
        log.warning("a report of a partial fill is refused, %s: %s%s", refused.code, refused, more)

    def _now(self) -> int:
        return self._manager.clock() // 1_000_000
