"""The daemon's control socket: one JSON object a line in, one out, on a Unix socket beside the journal.

    {"cmd":"status"}
    {"cmd":"submit","ref":"a1","instrument":"ACME","side":"buy","qty":"10","price":"25"}
    {"cmd":"cancel","ref":"a1","reason":"enough"}
    {"cmd":"kill","on":true,"by":"me"}
    {"cmd":"resolve","order":"a1","accept":true,"by":"me","reason":"the venue called","numbers":"20/10"}
    {"cmd":"orders","open":true,"limit":100}
    {"cmd":"positions"}
    {"cmd":"protect","instrument":"ACME","side":"long","stop":"24","targets":["26",["27","0.5"]],"over_close":"flatten"}
    {"cmd":"unprotect","instrument":"ACME","side":"long"}
    {"cmd":"partial","key_id":"desk-a","timestamp_ms":1746770100000,"signature":"..","body":"{\"order_id\":..}"}

Every answer has `ok`; one that is not has `error`, in words. Without a `price` an order is a market order. A `bracket` with
the words of `protect`, from `stop` on, protects what the order enters. A target is a price, or a price and its share of the
position.

Rules
- An answer comes when what it says is durable. A `submit` that was not answered may be sent again under its `ref`.
- Only the user who runs the daemon may connect (mode 0600). Lines and connections are bounded (`service.lines`).
- However many are connected, the kill switch, a cancel and the status get through.
- A quantity or price is text or a whole number; one with a point that is no text is refused: it may have been a float.
"""

from __future__ import annotations

import logging
import os
import time
from bisect import bisect_right
from pathlib import Path
from typing import Any

import msgspec

from partfill.journal.journal import JournalDown
from partfill.model.commands import EVERYWHERE, KillSwitch, Resubmit, Stop
from partfill.model.numbers import NotAnInput, dec
from partfill.model.orders import Limit, Market
from partfill.model.policy import RemainderPolicy
from partfill.runtime.bracket import Bracket
from partfill.runtime.ingest import Heard, PartialReports
from partfill.runtime.manager import Busy, FillManager, Refused
from partfill.runtime.order import Order
from partfill.service import commands, resolving
from partfill.service.address import control_path
from partfill.service.lines import MAX_CONNECTIONS, Lines

MAX_ORDERS = 1_000
"""Most orders in one answer."""
MAX_POSITIONS = 1_000
"""Most positions in one answer; `after` asks for the next."""

Number = str | int
log = logging.getLogger("partfill.control")


class _Request(msgspec.Struct, frozen=True, kw_only=True, tag_field="cmd", forbid_unknown_fields=True):
    pass


class Status(_Request, frozen=True, tag="status"):
    """How the daemon is."""


class Kill(_Request, frozen=True, tag="kill"):
    """Put the kill switch on or lift it; without a venue everywhere."""

    on: bool
    by: str
    reason: str | None = None
    venue: str = EVERYWHERE
    account: str = ""


class Cancel(_Request, frozen=True, tag="cancel"):
    """Take one order off; `venue` and `account` where the `ref` is not enough."""

    ref: str
    venue: str | None = None
    account: str | None = None
    reason: str | None = None


class Resubmission(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What follows when a child order ends with a remainder."""

    min_resubmit_size: Number
    max_resubmit_attempts: int


class Protective(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a position is protected: the words of `runtime.bracket.Bracket`. Prices in quote currency per unit."""

    stop: Number | None = None
    stop_limit: Number | None = None
    targets: list[Number | tuple[Number, Number]] = []
    over_close: str = "alarm"
    budget: str = "shared"
    passed: str = "watched"

    def wish(self) -> Bracket:
        """The same for the manager."""
        words = (self.over_close, self.budget)
        return Bracket(self.stop, self.stop_limit, tuple(self.targets), (), *words, passed=self.passed)


class Protect(Protective, frozen=True, kw_only=True, tag_field="cmd", tag="protect", forbid_unknown_fields=True):
    """Keep the `side` of a position, long or short, protected. The same again changes nothing; another takes its place."""

    instrument: str
    side: str
    venue: str | None = None
    account: str = ""
    at_once: bool = False


class Unprotect(_Request, frozen=True, tag="unprotect"):
    """Protect that side no more; `venue` and `account` where several have it protected. May be repeated."""

    instrument: str
    side: str
    venue: str | None = None
    account: str | None = None


class Positions(_Request, frozen=True, tag="positions"):
    """What is held or protected, by venue, account and instrument: at most `limit`, of those that come after `after`."""

    venue: str | None = None
    account: str | None = None
    instrument: str | None = None
    after: tuple[str, str, str] | None = None
    """Venue, account and instrument of the last one of the answer before."""
    limit: int = MAX_POSITIONS


class Submit(_Request, frozen=True, tag="submit"):
    """Place an order. The same `ref` again is the same order."""

    ref: str
    instrument: str
    side: str
    qty: Number
    price: Number | None = None
    tif: str | None = None
    venue: str | None = None
    account: str = ""
    resubmit: Resubmission | None = None
    remainder: dict[str, Any] | None = None
    """What is done with the rest while the order works, such as {"default_policy":"chase","chase_max_ticks":3}."""
    bracket: Protective | None = None
    """How the position that it enters is protected from its first fill on. With a `ref` that is known it changes nothing."""
    tags: dict[str, str] = {}
    """What goes along to the venue with every order that is placed for this one, such as a builder code."""


class Orders(_Request, frozen=True, tag="orders"):
    """Orders in memory, newest first: those that go on, or also those that ended lately."""

    open: bool = True
    limit: int = 100


class PartialFill(_Request, frozen=True, tag="partial"):
    """Another system reports a partial fill: `body` is the text that was signed, in UTF-8 (see `runtime.partials`)."""

    key_id: str
    timestamp_ms: int
    signature: str
    body: str


class Resolve(_Request, frozen=True, tag="resolve"):
    """A person decides between what is booked of an order and what its venue says: see `service.resolving`."""

    order: str
    accept: bool
    by: str
    reason: str
    numbers: str | None = None
    void: list[str] = []
    venue: str | None = None
    account: str | None = None


Request = Resolve | Status | Kill | Cancel | Submit | Orders | Protect | Unprotect | Positions | PartialFill
_read = msgspec.json.Decoder(Request).decode
_write = msgspec.json.Encoder(decimal_format="string").encode
_ALWAYS = (Kill, Cancel, Status)
"""What gets through however many are connected."""


class Control:
    """Serves the control socket of one FillManager."""

    def __init__(self, manager: FillManager, journal: Path, partials: PartialReports | None = None) -> None:
        self.path = control_path(journal)
        self._journal = journal
        self._manager = manager
        self._partials = partials
        self._began = time.monotonic()
        self._lines = Lines(self.path, self.line, self._first, lambda why: _written(_error(why)))

    async def start(self) -> None:
        """Listen. The journal must be held already: a socket that is there was left by a daemon that died.

        Raises `OSError` when something else stands there.
        """
        await self._lines.start()

    async def close(self) -> None:
        """Take no more commands; those under way are answered first."""
        await self._lines.close()

    async def line(self, raw: bytes) -> bytes:
        """The answer to one line, as a line."""
        return _written(await self.answer(raw))

    async def _first(self, raw: bytes) -> bytes:
        """The one line of somebody for whom there is no connection any more."""
        return _written(await self.answer(raw, always=_ALWAYS))

    async def answer(self, raw: bytes, always: tuple[type, ...] | None = None) -> dict[str, Any]:
        """Do what one line asks for; `always`: only these."""
        try:
            request = _read(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, NotAnInput) as error:
            return _error(f"cannot be understood: {error}")
        if always is not None and not isinstance(request, always):
            return _error(f"{MAX_CONNECTIONS} connections are open already; close one")
        try:
            return {"ok": True, **await self._do(request)}
        except (Refused, NotAnInput, Busy) as error:
            return _error(str(error))
        except JournalDown as down:
            return _error(str(down))
        except Exception as error:  # one caller's request never ends what others are answered by
            log.exception("a request failed")
            return _error(f"failed: {type(error).__name__}: {error}")

    async def _do(self, request: Request) -> dict[str, Any]:
        manager, journal = self._manager, self._manager.journal.reader
        if isinstance(request, Kill):
            switch = KillSwitch(
                venue=request.venue, account=request.account, on=request.on, by=request.by, reason=request.reason
            )
            given = manager.known_accounts(switch.venue)
            return await commands.kill(manager.take, manager.engine, journal, switch, given, manager.venues)
        if isinstance(request, Cancel):
            found = commands.the_one(journal, request.ref, request.venue, request.account)
            place = (found["venue"], found["account"], request.ref)
            commands.check_reached(manager, place)
            stop = Stop(venue=found["venue"], account=found["account"], ref=request.ref, reason=request.reason)
            return await commands.cancel(manager.take, manager.engine, journal, stop)
        if isinstance(request, Resolve):
            return await resolving.resolve(
                manager.take, self._journal, request.order, accept=request.accept, by=request.by, reason=request.reason,
                numbers=request.numbers, void=request.void, venue=request.venue, account=request.account,
            )  # fmt: skip
        if isinstance(request, Submit):
            return {"order": _order(await self._submit(request))}
        if isinstance(request, Orders):
            return self._orders(request)
        if isinstance(request, Protect):
            wish, where = request.wish(), (request.venue, request.account)
            return await commands.protect(manager, request.instrument, request.side, wish, *where, request.at_once)
        if isinstance(request, Unprotect):
            return await commands.unprotect(
                manager.take,
                manager.engine,
                journal,
                request.instrument,
                request.side,
                request.venue,
                request.account,
            )
        if isinstance(request, Positions):
            return await self._positions(request)
        if isinstance(request, PartialFill):
            return await self._partial(request)
        return self._status()

    async def _submit(self, request: Submit) -> Order:
        of, number = request, dec(request.qty, "qty")
        if of.price is None:
            terms = Market(of.instrument, of.side, qty=number, tif=of.tif or "ioc", tags=of.tags)
        else:
            terms = Limit(of.instrument, of.side, qty=number, price=dec(of.price, "price"), tif=of.tif or "gtc", tags=of.tags)
        rule = None
        if of.resubmit is not None:
            least = dec(of.resubmit.min_resubmit_size, "min_resubmit_size")
            rule = Resubmit(min_resubmit_size=least, max_resubmit_attempts=of.resubmit.max_resubmit_attempts)
        return await self._manager.submit(terms, ref=of.ref, venue=of.venue, account=of.account, resubmit=rule,
                                          remainder=_policy(of.remainder),
                                          bracket=None if of.bracket is None else of.bracket.wish())  # fmt: skip

    async def _partial(self, request: PartialFill) -> dict[str, Any]:
        if self._partials is None:
            raise Refused("nobody may report partial fills here; give [execution.remainder.ingest] a key_file")
        answer = await self._partials.accept(request.body.encode(), request.signature, request.key_id, request.timestamp_ms)
        said: dict[str, Any] = msgspec.to_builtins(answer)
        return {"ok": False, "error": answer.why, **said} if answer.heard is Heard.REFUSED else said

    def _orders(self, request: Orders) -> dict[str, Any]:
        most = max(0, min(request.limit, MAX_ORDERS))
        wanted = [order for order in self._manager.orders() if not (request.open and order.ended)]
        return {"count": len(wanted), "orders": [_order(order) for order in wanted[::-1][:most]]}

    async def _positions(self, request: Positions) -> dict[str, Any]:
        asked, places = (request.venue, request.account, request.instrument), self._manager.positions.places()
        if request.venue is not None and all(place[0] != request.venue for place in places):
            self._manager.where(request.venue)
        if request.account is not None and all(place[1] != request.account for place in places):
            # Nothing held by an account that nobody has would be taken for an answer.
            for venue in [request.venue] if request.venue is not None else self._manager.venues:
                self._manager.check_place(venue, request.account)
        found = [
            place for place in places
            if all(said is None or said == own for said, own in zip(asked, place, strict=True))
        ]  # fmt: skip
        rest = found if request.after is None else found[bisect_right(found, request.after) :]
        most = max(0, min(request.limit, MAX_POSITIONS))
        answer = [commands.told(self._manager.positions.at(place)) for place in rest[:most]]
        # What the engine knows may not be on disk yet.
        await self._manager.journal.flush()
        return {"count": len(found), "more": len(rest) > most, "positions": answer}

    def _status(self) -> dict[str, Any]:
        manager = self._manager
        engine = manager.engine
        venues = []
        for poller in manager.pollers:
            breaker = manager.lanes.breakers[poller.venue.name]
            venues.append(
                {"name": poller.venue.name, "account": poller.account, "polls": poller.polls, "error": poller.error,
                 "breaker": breaker.reason if breaker.open else None}
            )  # fmt: skip
        return {
            "pid": os.getpid(), "journal": str(self._journal), "uptime_s": int(time.monotonic() - self._began),
            "input": manager.journal.durable_seq, "open": sum(1 for order in manager.orders() if not order.ended),
            "waiting": manager.lanes.waiting, "alarms": engine.counters.alarms, "venues": venues,
            "killed": [{"venue": v, "account": a, "by": who} for (v, a), who in sorted(engine.desk.killed.items())],
        }  # fmt: skip


def _order(order: Order) -> dict[str, Any]:
    view, terms = order.view, order.parent.terms
    return {
        "ref": order.ref, "venue": order.venue, "account": order.account, "instrument": terms.instrument, "side": terms.side,
        "order_qty": view.order_qty, "cum_qty": view.cum_qty, "leaves_qty": view.leaves_qty, "avg_px": view.avg_px,
        "state": view.status,
    }  # fmt: skip


def _policy(said: dict[str, Any] | None) -> RemainderPolicy | None:
    """The policy of a request. Raises `NotAnInput` for what is none, and for a number that may have been a float."""
    if said is None:
        return None
    for name, value in said.items():
        if isinstance(value, float):
            raise NotAnInput(f'remainder.{name} is the float {value!r}; give the digits as text, such as "{value!r}"')
    try:
        return msgspec.convert(said, RemainderPolicy)
    except msgspec.ValidationError as error:
        raise NotAnInput(f"remainder: {error}; its fields are {', '.join(RemainderPolicy.__struct_fields__)}") from None


def _error(why: str) -> dict[str, Any]:
    return {"ok": False, "error": why}


def _written(answer: dict[str, Any]) -> bytes:
    try:
        return _write(answer) + b"\n"
    except Exception as error:  # whatever it holds, whoever asked hears something
        log.exception("an answer cannot be written")
        return _write(_error(f"the answer cannot be written: {type(error).__name__}: {error!a}")) + b"\n"


__all__ = ["Control"]
