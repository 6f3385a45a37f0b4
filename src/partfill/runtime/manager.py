"""FillManager: the running desk that a user holds in code.

    async with FillManager.open("fills.db", venues=[venue]) as fills:
        order = await fills.submit(Limit("BTC-USD", "buy", qty="1.5", price="64000"))
        async for event in order.events():
            print(event)

Theory of operation. Every input - a command, an answer, an observation, a sign of time - goes through `take`: the engine
steps, the step becomes durable, and only then its events reach subscribers and its operations their lanes. Inputs that
come together are committed together, and what follows from them is released in their order, also when whoever gave the
input has stopped waiting: a kill switch that timed out for its caller takes everything off all the same. An order that still
waits in its lane when it is stopped never leaves.

Start: recover, declare the venues and what they list, mark what was in flight as unknown, ask for it, read each venue's
history since the last input, then listen. Stop: drain the lanes, commit, close. A kill at any point is as safe as a stop.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from partfill.core import laws
from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.core.parent import Parent
from partfill.journal.journal import Journal, JournalDown
from partfill.model.admit import NotAnInput, admitted, flag, given, text_of, text_or_none
from partfill.model.commands import (
    EVERYWHERE,
    Amend,
    Answered,
    KillSwitch,
    Looked,
    Restarted,
    Resubmit,
    Stop,
    Submit,
    Tick,
    Track,
    Untrack,
)
from partfill.model.events import CommandRefused, Event
from partfill.model.inputs import Input, VenueDeclared
from partfill.model.limits import shown
from partfill.model.numbers import dec
from partfill.model.observations import Observation
from partfill.model.operations import Query
from partfill.model.policy import RemainderPolicy
from partfill.model.reports import ExecutionReport
from partfill.model.terms import Terms
from partfill.runtime import known, listing, untouched
from partfill.runtime.bracket import Bracket
from partfill.runtime.bus import LIMIT, Bus, Subscription, Told
from partfill.runtime.comparing import Comparing
from partfill.runtime.follower import Follower
from partfill.runtime.lanes import TIMEOUT_S, Lanes
from partfill.runtime.misfits import unreadable, unwanted, without_words
from partfill.runtime.order import Order, View, view_of
from partfill.runtime.outbox import Outbox, Sink, Wire
from partfill.runtime.per_venue import ACCOUNTS, PER_SECOND, Accounts, PerSecond, no_such_account, settle
from partfill.runtime.places import Places
from partfill.runtime.poller import FillPoller
from partfill.runtime.positions import Positions
from partfill.runtime.refusals import Busy as Busy
from partfill.runtime.refusals import Refused as Refused
from partfill.runtime.remainders import Remainders, RemainderSettings
from partfill.runtime.settings import FillManagement
from partfill.runtime.tracking import Tracking
from partfill.runtime.untouched import KillReport, LeftAlone
from partfill.runtime.watching import Watching
from partfill.venues.clock import CLOCK, Clock
from partfill.venues.protocol import Forgets, Venue

MAX_WAITING = 10_000
"""Operations that may wait in lanes before new orders are refused."""

log = logging.getLogger("partfill")


class FillManager(Places):
    """Places orders, keeps them exactly tracked, and tells what happened. Make it with `open`.

    `accounts` and `per_second` (requests a second to each account) are for all venues, or mappings by a venue's name.
    `remainders`: how the rest of partly filled orders is decided; without a word decisions are told and not sent.
    `reports`: where their reports go besides the bus, dressed as `wire` says.
    `timeout_s`: seconds until the outcome of a request counts as unknown. Raises `per_venue.Wrong`, a `ValueError`.
    """

    def __init__(
        self, path: str | Path, venues: Iterable[Venue] = (), *, settings: FillManagement | None = None,
        accounts: Accounts = ACCOUNTS, clock: Clock = CLOCK, per_second: PerSecond = PER_SECOND, timeout_s: float = TIMEOUT_S,
        remainders: RemainderSettings | None = None, reports: Sink | None = None, wire: Wire | None = None,
    ) -> None:  # fmt: skip
        self.settings = settings if settings is not None else FillManagement()
        given = list(venues)
        self.accounts, self.per_second = settle([venue.name for venue in given], accounts, per_second)
        """By the name of each venue."""
        self.venues = {venue.name: venue for venue in given}
        self.bus = Bus()
        self.journal = Journal(path)
        waits = {"per_second": self.per_second, "timeout_s": timeout_s, "clock": clock}
        self.lanes = Lanes(self.venues, self._answered, unwanted=lambda op: unwanted(self.engine, op), **waits)  # type: ignore[arg-type]
        self.pollers: list[FillPoller] = []
        self.followers: list[Follower] = []
        self.remainders = Remainders(self, remainders if remainders is not None else RemainderSettings())
        self.outbox = Outbox(path, reports, wire) if reports is not None else None
        self._delivering: asyncio.Task[None] | None = None
        self.tracking = Tracking(self)
        """Fill tracking under the names of fill-manager designs."""
        self.positions = Positions(self)
        """What is held, and its protection."""
        self.watching = Watching(self, self.settings.watch_ms)
        """Markets of stops and targets that no venue has."""
        self.views: dict[int, View] = {}
        """Parent orders as of the last durable input about them; the engine itself is ahead of the disk."""
        self.clock = clock
        """Stamps everything, strictly rising; adapters share it."""
        self._steps: deque[tuple[Effects, list[View]]] = deque()
        """What was stepped and is not released yet, in order."""
        self._behind: set[asyncio.Task[None]] = set()
        """Who releases what nobody waits for any more."""
        self._tasks: list[asyncio.Task[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._closing = False
        self.running = False
        """True from the start on, until it is closed."""
        self.down: BaseException | None = None
        """Why the desk stopped by itself: a journal that cannot be written."""

    @classmethod
    def open(cls, path: str | Path, venues: Iterable[Venue] = (), **options: Any) -> Self:
        """A manager to be entered with `async with`. Options are those of the constructor."""
        return cls(path, venues, **options)

    # ------------------------------------------------------------------ life

    async def __aenter__(self) -> Self:
        """Open the journal, recover, and begin to listen. What fails on the way is raised, with everything let go again."""
        self.journal.heard = self._stepped
        await self.journal.__aenter__()
        self.running, self._loop = True, asyncio.get_running_loop()
        try:
            await self._start()
        except BaseException:
            try:
                await self.close(drain=False)
            except Exception:
                # Why it could not start is the news.
                log.exception("what had been started could not all be let go")
            raise
        return self

    async def _start(self) -> None:
        self.clock.go_on_from(self.journal.last_now)
        last = self.journal.last_now or self.clock()
        for venue in self.venues.values():
            fault = listing.unsupported(venue.name, venue.capabilities)
            if fault is not None:
                raise Refused(fault)
            if isinstance(venue, Forgets):
                known.begin_anew(self, venue)
            await self.take(VenueDeclared(venue=venue.name, capabilities=venue.capabilities))
            # Together: a venue may list thousands.
            await asyncio.gather(*map(self.take, listing.news(venue.name, venue.instruments, self.engine.listed)))
        await self.take(Restarted(desk=f"{uuid.uuid4().hex[:8]}-", mode=self.remainders.settings.mode))
        self._say_who_is_left()
        if self.outbox is not None:
            self._delivering = asyncio.create_task(self.outbox.run())
        for venue in self.venues.values():
            for account in self.accounts[venue.name]:
                poller = FillPoller(self, venue, account)
                self.pollers.append(poller)
                follower = Follower(self, poller, last)
                self.followers.append(follower)
                comparing = Comparing(self, venue, account)
                self._tasks += [*follower.spawn(), poller.spawn_polling_task(), asyncio.create_task(comparing.run())]

    def _say_who_is_left(self) -> None:
        """Orders of an account that is not configured any more go on, and nobody listens or polls for them."""
        for venue, own in self.accounts.items():
            for account in sorted(self.known_accounts(venue) - set(own)):
                log.warning("orders go on that nobody follows: %s", no_such_account(venue, account, own))

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        await self.close(drain=kind is None)

    async def close(self, *, drain: bool = True) -> None:
        """Stop listening, let lanes finish (unless not `drain`), commit, close. Orders that work go on working."""
        if self._closing:
            return
        self._closing, self.running = True, False
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.remainders.stop()
        await self.watching.stop()
        # They may still hand operations to the lanes.
        if self._ticking is not None:
            await asyncio.gather(self._ticking, return_exceptions=True)
        await asyncio.gather(*self._behind, return_exceptions=True)
        if drain and self.down is None:
            await self.lanes.drain()
        await self.lanes.stop()
        if self.outbox is not None and self._delivering is not None:
            # What was decided last is on disk first, and leaves then.
            await asyncio.gather(self.journal.flush(), return_exceptions=True)
            self.outbox.stop()
            await asyncio.gather(self._delivering, return_exceptions=True)
        self.bus.close()
        await self.journal.close()

    @property
    def engine(self) -> Engine:
        """The engine; read it, never change it."""
        return self.journal.engine

    # ------------------------------------------------------------------ inputs

    async def take(self, inp: Input) -> Effects:
        """Step with one input, make it durable, then let what follows leave. Raises `JournalDown`, and `RuntimeError` in the
        loop of another thread: hand it over with `asyncio.run_coroutine_threadsafe`.

        Once it has stepped it is as good as done: a caller that is cancelled hears nothing, and what follows leaves.
        """
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError("this manager runs in another event loop; use asyncio.run_coroutine_threadsafe with that loop")
        try:
            effects = await self.journal.submit(inp, self.clock(), self._stepped)
        except JournalDown as down:
            self.down = down
            raise
        except asyncio.CancelledError:
            if self._steps:
                task = asyncio.create_task(self._release_behind())
                self._behind.add(task)
                task.add_done_callback(self._behind.discard)
            raise
        self._release_until(self.journal.durable_seq)
        return effects

    def _stepped(self, effects: Effects) -> None:
        # The last moment at which the engine shows this step and no later one.
        self._steps.append((effects, list(map(view_of, effects.parents))))

    def _release_until(self, seq: int) -> None:
        """Let go of every durable step up to number `seq`, in order, whoever waits for it."""
        while self._steps and self._steps[0][0].seq <= seq:
            effects, views = self._steps.popleft()
            laws.journalled(effects.seq, self.journal.durable_seq)
            for view in views:
                self.views[view.id] = view
            self._release(effects)

    async def hear(self, observation: Observation) -> Effects:
        """Take what a venue said by itself. What no journal can hold is kept as unreadable, counted and alarmed."""
        try:
            return await self.take(observation)
        except NotAnInput as bad:
            return await self.take(unreadable(observation, bad))

    async def _release_behind(self) -> None:
        try:
            await self.journal.flush()
        except JournalDown as down:
            self.down = down
            log.error("%s", down)
        self._release_until(self.journal.durable_seq)

    def view(self, parent: Parent) -> View:
        """A parent order as of the last durable input about it."""
        view = self.views.get(parent.id)
        if view is None:
            view = self.views[parent.id] = view_of(parent)
        if len(self.views) > 1000 + 2 * len(self.engine.desk.parents):
            self.views = {number: each for number, each in self.views.items() if number in self.engine.desk.parents}
        return view

    def _release(self, effects: Effects) -> None:
        seq = effects.seq
        for event in effects.events:
            self.bus.publish(Told(seq, self._parent_of(event), event))
            if self.outbox is not None and type(event) is ExecutionReport:
                self.outbox.wake()
        if effects.wanted and not self._closing:
            self.remainders.want(effects.wanted)
        if effects.protections and not self._closing:
            self.watching.mind(effects.protections)
        for op in effects.operations:
            if op.venue in self.venues and not (self._closing and type(op) is Query):
                self.lanes.send(op, seq)
        self._set_timer()

    def _parent_of(self, event: Event) -> int:
        child = self.engine.children.get(event.order)
        return child.work.parent.id if child is not None and child.work is not None else 0

    def _set_timer(self) -> None:
        at = self.engine.desk.timers.next_at
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at is not None and not self._closing:
            wait = max(0.0, (at - self.clock()) / 1e9)
            self._timer = asyncio.get_running_loop().call_later(wait, self._wake)

    def _wake(self) -> None:
        self._timer = None
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        try:
            await self.take(Tick())
        except JournalDown as down:
            log.error("%s", down)

    async def _answered(self, answer: Answered | Looked) -> None:
        try:
            try:
                await self.take(answer)
            except NotAnInput as bad:
                # No journal can hold what it says: to us it is an answer that did not come.
                log.warning("an answer of %s: %s", answer.venue, bad)
                await self.take(without_words(answer, str(bad)))
        except JournalDown as down:
            log.error("%s", down)

    # ------------------------------------------------------------------ commands

    async def submit(self, terms: Terms, *, ref: str | None = None, venue: str | None = None, account: str = "",
                     resubmit: Resubmit | None = None, remainder: RemainderPolicy | None = None,
                     bracket: Bracket | None = None) -> Order:  # fmt: skip
        """Place an order. Returns once it is durable: its request may still be on its way.

        `ref` is an id of your own; the same `ref` again is the same order, for ever. `venue` may be left out when there is one.
        `bracket`: how the position that it enters is protected from its first fill on, in the same step.
        Raises `Refused` (kill switch, a `ref` with other terms, an account that the venue was not given, a size or price
        that it does not take), `Busy`, and `NotAnInput` for an argument of a wrong type: nothing has changed then.
        """
        terms, account = admitted(terms, Terms, "terms"), text_of(account, "account")
        resubmit, remainder = given(resubmit, Resubmit, "resubmit"), given(remainder, RemainderPolicy, "remainder")
        if bracket is not None and not isinstance(bracket, Bracket):
            raise NotAnInput(f"bracket is {shown(bracket)} of type {type(bracket).__name__}; give a Bracket")
        ref = text_or_none(ref, "ref")
        where = self.where(venue)
        if ref is None or known.parent_of(self, where, account, ref) is None:
            known.check_new(self, where, account, terms, MAX_WAITING)
        else:
            # It has what protects it from its first submit.
            bracket = None
        name = ref if ref is not None else uuid.uuid4().hex
        rule = resubmit if resubmit is not None else self.settings.resubmit
        if not self.settings.enabled:
            rule = None
        effects = await self.take(
            Submit(venue=where, account=account, ref=name, terms=terms, resubmit=rule,
                   remainder=remainder if remainder is not None else self.remainders.settings.policy,
                   bracket=None if bracket is None else bracket.command(where, account, terms, self.venues[where].instruments))
        )  # fmt: skip
        self.refuse(where, account, effects)
        return self._order(where, account, name)

    async def track(self, terms: Terms, *, cl_ord_id: str | None = None, order_id: str | None = None, ref: str | None = None,
                    venue: str | None = None, account: str = "", resubmit: Resubmit | None = None,
                    remainder: RemainderPolicy | None = None) -> Order:  # fmt: skip
        """Keep an order that you placed yourself. Give it before you place it, with `cl_ord_id`, and no fill is missed.

        Raises `Refused`, also for an account that the venue was not given: nobody would listen there.
        """
        terms, account = admitted(terms, Terms, "terms"), text_of(account, "account")
        resubmit, remainder = given(resubmit, Resubmit, "resubmit"), given(remainder, RemainderPolicy, "remainder")
        cl_ord_id, order_id = text_or_none(cl_ord_id, "cl_ord_id"), text_or_none(order_id, "order_id")
        ref = text_or_none(ref, "ref")
        where = text_of(venue, "venue", number=False) if venue is not None else self.where(None)
        theirs = self.venues[where].instruments if where in self.venues else {}
        self.check_place(where, account, terms.instrument if terms.instrument in theirs else None)
        name = ref if ref is not None else cl_ord_id or order_id or ""
        rule = resubmit if resubmit is not None else self.settings.resubmit
        track = Track(
            venue=where, account=account, ref=name, terms=terms, cl_ord_id=cl_ord_id, order_id=order_id,
            resubmit=rule if self.settings.enabled else None,
            remainder=remainder if remainder is not None else self.remainders.settings.policy,
        )  # fmt: skip
        self.refuse(where, account, await self.take(track))
        return self._order(where, account, name)

    async def observe(self, observation: Observation) -> list[Event]:
        """Tell what a venue said. Returns the events that followed, once they are durable."""
        return list((await self.take(observation)).events)

    async def cancel(self, ref: str, *, venue: str | None = None, account: str = "", reason: str | None = None) -> None:
        """Nothing of the order may work any more.

        Raises `Refused` for an order nobody knows, that has ended, that is not ours, or whose venue is not connected here.
        """
        reason = text_or_none(reason, "reason", number=False)
        where, account, ref = self._reached(ref, venue, account)
        self.refuse(where, account, await self.take(Stop(venue=where, account=account, ref=ref, reason=reason)))

    async def amend(self, ref: str, *, venue: str | None = None, account: str = "", qty: Decimal | str | int | None = None,
                    price: Decimal | str | int | None = None) -> None:  # fmt: skip
        """Other terms are wanted; `qty` is the new total. Raises `Refused`."""
        new_qty = None if qty is None else dec(qty, "qty")
        new_price = None if price is None else dec(price, "price")
        where, account, ref = self._reached(ref, venue, account)
        amend = Amend(venue=where, account=account, ref=ref, order_qty=new_qty, price=new_price)
        self.refuse(where, account, await self.take(amend))

    async def release(self, ref: str, *, venue: str | None = None, account: str = "") -> None:
        """Do nothing more for an order: what works of it goes on, its fills are still booked."""
        where, account, ref = self._named(ref, venue, account)
        self.refuse(where, account, await self.take(Untrack(venue=where, account=account, ref=ref)))

    async def kill(
        self, on: bool, *, by: str, reason: str | None = None, venue: str = EVERYWHERE, account: str = ""
    ) -> KillReport:
        """Cancel everything that works and start nothing (of one venue and account, or everywhere), or lift that.

        Returns how many orders are taken off, and names each that may work and that it does not reach. Raises `Refused` for an
        account that the venue was not given and that has no order: it would stop nothing.
        """
        flag(on, "on")
        by, reason = text_of(by, "by", number=False), text_or_none(reason, "reason", number=False)
        venue, account = text_of(venue, "venue", number=False), text_of(account, "account")
        if on and venue in self.accounts and account not in self.known_accounts(venue):
            raise Refused(no_such_account(venue, account, self.known_accounts(venue)))
        effects = await self.take(KillSwitch(venue=venue, account=account, on=on, by=by, reason=reason))
        report = KillReport(len(effects.parents) if on else 0, self.left_alone(venue, account) if on else ())
        if report.left:
            log.error("the kill switch does not reach %d orders: %s", len(report.left), "; ".join(map(str, report.left[:20])))
        return report

    def left_alone(self, venue: str, account: str) -> tuple[LeftAlone, ...]:
        """Every order of a scope that may work and that no kill switch of this process reaches."""
        return tuple(untouched.left_alone(self.engine, venue, account, self.venues))

    def _reached(self, ref: object, venue: object, account: object) -> tuple[str, str, str]:
        """The same as `_named` for something that must reach a venue. Raises `Refused` where it would not."""
        place = self._named(ref, venue, account)
        why = untouched.unreachable(self.engine, known.parent_of(self, *place), place, self.venues)
        if why is not None:
            raise Refused(why)
        return place

    def _named(self, ref: object, venue: object, account: object) -> tuple[str, str, str]:
        """Venue, account and `ref` as text. Raises `NotAnInput`, `Refused`."""
        where = self.where(None) if venue is None else text_of(venue, "venue", number=False)
        return where, text_of(account, "account"), text_of(ref, "ref")

    def refuse(self, venue: str, account: str, effects: Effects) -> None:
        """Raise what was refused; where the account is one that nobody knows, that is why."""
        for event in effects.events:
            if type(event) is CommandRefused:
                if venue in self.accounts and account not in self.known_accounts(venue):
                    raise Refused(f"{event.reason}: {no_such_account(venue, account, self.known_accounts(venue))}")
                raise Refused(event.reason)

    def _order(self, venue: str, account: str, ref: str) -> Order:
        parent = known.parent_of(self, venue, account, ref)
        if parent is None:
            raise Refused(f"{ref!r} was taken and cannot be read back; partfill verify says more")
        return Order(self, parent)

    # ------------------------------------------------------------------ looking

    def order(self, ref: str, *, venue: str | None = None, account: str = "") -> Order | None:
        """The order of this `ref`, however long ago it ended; None where there is none."""
        where, account, ref = self._named(ref, venue, account)
        parent = known.parent_of(self, where, account, ref)
        return Order(self, parent) if parent is not None else None

    def orders(self) -> list[Order]:
        """Every parent order in memory: all that go on, and those that ended lately."""
        return [Order(self, parent) for parent in self.parents()]

    def parents(self) -> list[Parent]:
        """The engine's own objects of the same."""
        return list(self.engine.desk.parents.values())

    def events(self, *, limit: int = LIMIT) -> Subscription:
        """All events from now on: `async for told in fills.events()`."""
        return self.bus.subscribe(limit=limit)

    def subscribe(self, callback: Callable[[Told], None]) -> Callable[[], None]:
        """Call `callback` with every event; returns how to end that."""
        return self.bus.call(callback)
