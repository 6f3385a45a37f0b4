"""Seeded random journals, and what must hold of each: memory, tables and replay say the same.

A journal is written as a process would write it: a few inputs a transaction, finished orders let go and brought back, the file
closed and opened every few inputs. Beside it an engine that keeps everything in memory steps the same inputs. After every input
both must show the same order and tell the same; at the end the file must prove itself, however the proof lets orders go.

Each seed draws which kinds of inputs come how often, so that streams differ in kind and not only in order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.journal import parts
from partfill.journal.batch import Batch
from partfill.journal.digits import plain
from partfill.journal.keeper import Keeper
from partfill.journal.recovery import recover
from partfill.journal.state import freeze
from partfill.journal.store import Store
from partfill.journal.verify import verify
from partfill.model.admit import admit
from partfill.model.capabilities import Capabilities, Chain, Cumulative, IdScope, ReplaceQty
from partfill.model.events import Alarm, AlarmKind
from partfill.model.inputs import (
    Amend,
    Charge,
    DayRolled,
    Execution,
    ExecutionRevised,
    ExecutionVoided,
    Gap,
    Input,
    InstrumentListed,
    KillSwitch,
    Looked,
    OrderLinked,
    OrderPlaced,
    OrderSnapshot,
    PositionSeen,
    Quarantined,
    RequestSent,
    Resolve,
    Restarted,
    Stop,
    Submit,
    Tick,
    Track,
    Unreadable,
    Untrack,
    VenueDeclared,
)
from partfill.model.observations import LinkKind
from partfill.model.terms import Terms
from partfill.model.words import ExecType, ExecutionState, OrdStatus, Request, Side, TimeInForce
from partfill.sim.truth import Violation
from partfill.sim.world import SECOND, World
from tests.journal.writer import lives

DAY = 86_400_000_000_000
FOREVER = 1 << 62
VENUES = ("v", "w")
D = Decimal
Timed = tuple[int, Input]


class Evidence:
    """A stream over few ids, keys and instruments: everything that can be about the same order, in any order."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.one = self.rng.choice
        self.now = 20_000 * DAY
        self.number = 0
        self.said: list[Input] = []
        self.accounts = self.one((("",), ("",), ("", "b")))
        self.venues = self.one((VENUES[:1], VENUES[:1], VENUES))
        self.ids = [f"{each}" for each in range(1, self.one((3, 4, 6)))]
        self.clients = list("ABCDE"[: self.one((1, 3, 5))])
        self.keys = list("abcdef"[: self.one((2, 4, 6))])
        self.instruments = self.one((("X",), ("X", "X", "Y"), ("X", "Y", None)))
        self.sides = self.one(((Side.BUY,), (Side.BUY, Side.BUY, Side.SELL, None)))
        self.length = self.one((20, 60, 120))
        self.kinds = [kind for kind in KINDS for _ in range(self.one((0, 1, 1, 2, 5)))] or list(KINDS)

    def __iter__(self) -> Iterator[Timed]:
        one, chance = self.one, self.rng.random
        for venue in self.venues:
            rules = Capabilities(
                id_scope=one(list(IdScope)), chain=one(list(Chain)), order_id_reused=chance() < 0.2,
                replace_qty=one(list(ReplaceQty)), key_revises=chance() < 0.2, executions_complete=chance() < 0.3,
                cumulative=one((Cumulative.TRUTH, Cumulative.TRUTH, Cumulative.HINT)), lag_ms=one((0, 3_000)),
                settle_ms=one((None, 0)), can_replace=chance() < 0.5,
            )  # fmt: skip
            yield self.now, VenueDeclared(venue=venue, capabilities=rules)
        yield self.now, Restarted(desk="f")
        for number in range(self.length):
            self.number = number
            self.now += one((1, 1, 1, 1_000, 4_000_000_000, DAY))
            if self.said and chance() < 0.08:
                inp = one(self.said[-12:])
            else:
                inp = KINDS[one(self.kinds)](self)
            self.said.append(inp)
            yield self.now, inp

    # ------------------------------------------------------------------ parts of a message

    def venue(self) -> dict[str, Any]:
        """At which venue and account."""
        return {"venue": self.one(self.venues), "account": self.one(self.accounts)}

    def names(self) -> dict[str, Any]:
        """Of which order: ids, stamps."""
        one, now = self.one, self.now
        order_id = one((*self.ids, *self.ids, None, " "))
        cl_ord_id = one((*self.clients, None, None))
        if cl_ord_id is None and order_id in (None, " "):
            cl_ord_id = one(self.clients)
        stamp = one((now, now, now - 5, now - DAY, None))
        more = {"venue_time": one((now, now - 7))} if self.rng.random() < 0.2 else {}
        return {**self.venue(), "order_id": order_id, "cl_ord_id": cl_ord_id, "as_of": stamp, **more}

    def of(self) -> dict[str, Any]:
        """Instrument and side."""
        return {"instrument": self.one((*self.instruments, None)), "side": self.one((*self.sides, None))}

    def message(self) -> str | None:
        """Key of a message."""
        return self.one((None, "m1", "m2", f"m{self.number}"))

    def key(self) -> str:
        """Key of an execution, or of a correction of one."""
        return self.one(self.keys)

    def fee(self) -> dict[str, Any]:
        """A fee, or that it is not known."""
        return {"fee": D(self.one(("0.1", "-0.2"))), "fee_currency": self.one(("USD", "X"))} if self.rng.random() < 0.3 else {}

    def terms(self) -> Terms:
        """Of an order."""
        one = self.one
        size: dict[str, Any] = {"cash_order_qty": D(50)} if self.rng.random() < 0.1 else {"order_qty": D(one((5, 10)))}
        tif = one((TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC))
        return Terms(
            instrument=one([each for each in self.instruments if each]), side=one([each for each in self.sides if each]),
            price=D(5), time_in_force=tif, base=one((None, None, "X")), **size,
        )  # fmt: skip

    # ------------------------------------------------------------------ messages

    def execution(self) -> Execution:
        """A fill."""
        one = self.one
        leg = {"leg": one("pq")} if self.rng.random() < 0.05 else {}
        state = one((ExecutionState.CONFIRMED, ExecutionState.CONFIRMED, ExecutionState.PROVISIONAL, ExecutionState.FINAL))
        return Execution(
            **self.names(), **self.of(), key=self.key(), qty=D(one(("1", "2", "2.0"))), px=one((D(5), D(6), None)), state=state,
            **self.fee(), **leg,
        )  # fmt: skip

    def opening(self) -> OrderSnapshot:
        """An order begins."""
        one = self.one
        tif = one((None, TimeInForce.DAY, TimeInForce.GTC))
        size: dict[str, Any] = {"cash_order_qty": D(50)} if self.rng.random() < 0.1 else {"order_qty": D(one((5, 10)))}
        return OrderSnapshot(
            **self.names(), **self.of(), exec_type=one((ExecType.NEW, ExecType.PENDING_NEW)), key=self.message(),
            time_in_force=tif, **size,
        )  # fmt: skip

    def trade(self) -> OrderSnapshot:
        """A report with an execution in it, as FIX has it."""
        names = self.names()
        fill = Execution(**names, key=self.key(), qty=D(self.one((1, 2))), px=D(5))
        word = self.one((None, OrdStatus.PARTIALLY_FILLED, OrdStatus.FILLED, OrdStatus.CANCELED))
        return OrderSnapshot(
            **names, exec_type=ExecType.TRADE, executions=(fill,), ord_status=word, key=self.message(),
            cum_qty=self.one((None, D(1), D(3))), order_qty=self.one((None, D(10))),
        )  # fmt: skip

    def replaced(self) -> OrderSnapshot:
        """A replace was done."""
        return OrderSnapshot(
            **self.names(), exec_type=ExecType.REPLACED, orig_cl_ord_id=self.one(self.clients), key=self.message(),
            order_qty=self.one((None, D(2), D(6), D(12))), leaves_qty=self.one((None, D(1))),
        )  # fmt: skip

    def end(self) -> OrderSnapshot:
        """It ends, or a request is refused."""
        one = self.one
        kind = one((ExecType.CANCELED, ExecType.REJECTED, ExecType.EXPIRED, ExecType.DONE_FOR_DAY, ExecType.CANCEL_REJECT))
        reduced, total = one((None, None, D(2))), one((None, D(0), D(3)))
        return OrderSnapshot(
            **self.names(), exec_type=kind, orig_cl_ord_id=one((None, *self.clients)),
            ord_status=one((None, OrdStatus.REJECTED)), key=self.message(), reduced_qty=reduced, cum_qty=total,
        )  # fmt: skip

    def reduced(self) -> OrderSnapshot:
        """Quantity is taken off without a fill, or pending words."""
        kind = self.one((ExecType.RESTATED, ExecType.PENDING_CANCEL, ExecType.PENDING_REPLACE, ExecType.SUSPENDED))
        return OrderSnapshot(**self.names(), exec_type=kind, reduced_qty=D(1), key=self.message())

    def restated(self) -> OrderSnapshot:
        """The venue changes terms by itself."""
        return OrderSnapshot(
            **self.names(), exec_type=ExecType.RESTATED, restatement=self.one(("split", "renewal", "decline", None)),
            order_qty=D(self.one((2, 5, 10, 20))), key=self.message(), leaves_qty=self.one((None, D(1))),
        )  # fmt: skip

    def poll(self) -> OrderSnapshot:
        """An answer: a total, a list, or both."""
        one, names = self.one, self.names()
        listed = None
        if self.rng.random() < 0.5:
            keys = [key for key in self.keys if self.rng.random() < 0.5]
            listed = tuple(Execution(**names, key=key, qty=D(one((1, 2))), px=D(5)) for key in keys)
        word = one((None, OrdStatus.NEW, OrdStatus.FILLED, OrdStatus.CANCELED))
        return OrderSnapshot(
            **names, cum_qty=one((None, D(0), D(1), D(3), D("9.0"))), avg_px=one((None, D(5))), executions=listed,
            ord_status=word, asked=one((None, self.now)), leaves_qty=one((None, D(0))),
        )  # fmt: skip

    def void(self) -> ExecutionVoided:
        """A bust."""
        more: dict[str, Any] = {"leaves_qty": self.one((D(0), D(3)))} if self.rng.random() < 0.3 else {}
        return ExecutionVoided(**self.names(), key=self.key(), qty=self.one((None, D(2))), **more)

    def correction(self) -> ExecutionRevised:
        """A correction, of a version that may be known under another key."""
        one = self.one
        more: dict[str, Any] = {"leaves_qty": D(3)} if self.rng.random() < 0.2 else {}
        return ExecutionRevised(
            **self.names(), key=self.key(), new_key=one((None, self.key())), qty=D(one((0, 1, 2, 3))), px=one((None, D(6))),
            revision=one((None, None, 1, 2)), **self.fee(), **more,
        )  # fmt: skip

    def link(self) -> Input:
        """Two venue orders belong together."""
        names = self.names()
        if not (names["order_id"] or "").strip():
            names["order_id"] = self.one(self.ids)
        return OrderLinked(
            **names,
            new_order_id=self.one(self.ids),
            new_cl_ord_id=self.one((*self.clients, None)),
            kind=self.one(list(LinkKind)),
        )

    def placing(self) -> OrderPlaced:
        """An order of ours leaves."""
        names = self.names()
        names.pop("venue_time", None)
        if self.rng.random() < 0.6 or not (names["order_id"] or "").strip():
            names["order_id"] = None
            names["cl_ord_id"] = names["cl_ord_id"] or self.one(self.clients)
        return OrderPlaced(**names, terms=self.terms())

    def request(self) -> RequestSent:
        """A request of ours leaves."""
        names = self.names()
        names.pop("venue_time", None)
        names["cl_ord_id"] = self.one((*self.clients, "R1", "R2"))
        return RequestSent(
            **names, request=self.one((Request.CANCEL, Request.REPLACE)), orig_cl_ord_id=self.one((None, *self.clients)),
            order_qty=self.one((None, D(7))), price=self.one((None, D(6))),
        )  # fmt: skip

    def charge(self) -> Charge:
        """A fee apart."""
        return Charge(
            **self.names(), key=f"c{self.rng.randrange(6)}", amount=D("0.3"), currency=self.one(("USD", "X")),
            exec_key=self.one((None, self.key())),
        )  # fmt: skip

    def elsewhere(self) -> Input:
        """What is about no order."""
        one, at = self.one, self.venue()
        instrument = one([each for each in self.instruments if each])
        return one(
            (
                DayRolled(**at), Gap(**at, since=self.now - 5), Unreadable(**at, raw="{", error="not JSON"), Tick(),
                InstrumentListed(**at, instrument=instrument, quote="USD", base=one((None, "X"))),
                PositionSeen(**at, instrument=instrument, qty=D(one((0, 3))), as_of=self.now),
            )
        )  # fmt: skip

    def resolve(self) -> Resolve:
        """A person decides."""
        names = self.names()
        for each in ("as_of", "venue_time"):
            names.pop(each, None)
        cum, low = D(self.one((1, 2, 3))), D(self.one((0, 1)))
        return Resolve(**names, cum_qty=cum, venue_cum_qty=low, accept=self.rng.random() < 0.5, by="me", reason="so it is")

    def user(self) -> Input:
        """What a user of the desk wants."""
        one, at, ref = self.one, self.venue(), self.one(("r1", "r2", "r3"))
        return one(
            (
                Submit(**at, ref=ref, terms=self.terms()), Stop(**at, ref=ref), Amend(**at, ref=ref, order_qty=D(one((4, 8)))),
                Untrack(**at, ref=ref), KillSwitch(**at, on=self.rng.random() < 0.3, by="me"), Restarted(desk="f"),
                Track(**at, ref=ref, terms=self.terms(), cl_ord_id=one(self.clients)),
                Track(**at, ref=ref, terms=self.terms(), order_id=one(self.ids), cl_ord_id=one((None, *self.clients))),
            )
        )  # fmt: skip

    def looked(self) -> Looked:
        """What the venue says of an order that was asked for."""
        poll = self.poll()
        found = poll if self.rng.random() < 0.7 else None
        return Looked(
            venue=poll.venue, account=poll.account, cl_ord_id=poll.cl_ord_id, order_id=poll.order_id, order=found,
            definite=self.rng.random() < 0.5, as_of=self.now,
        )  # fmt: skip


KINDS: dict[str, Callable[[Evidence], Input]] = {
    name: getattr(Evidence, name)
    for name in (
        *("execution", "opening", "trade", "replaced", "end", "reduced", "restated", "poll", "void", "correction", "link"),
        *("placing", "request", "charge", "elsewhere", "resolve", "user", "looked"),
    )
}


def stream(seed: int) -> Iterator[Timed]:
    """The inputs of one journal. Of ten journals one is a simulated world's and one a busy venue's without any reused id."""
    if seed % 10 == 8:
        yield from enumerate(lives(random.Random(seed), "f", 12), 20_000 * DAY)
    elif seed % 10 == 9:
        world = World(seed, trouble=2 * SECOND)
        with suppress(Violation):
            # What the world holds against it is the simulator's own test; its inputs are a journal all the same.
            world.run()
        yield from ((now, inp) for inp, now in world.log[:600])
    else:
        yield from Evidence(seed)


class Writer:
    """One process after the other on one file."""

    def __init__(self, path: Path, rng: random.Random) -> None:
        self.path = path
        self.max_finished = rng.choice((0, 0, 1, 1_000_000))
        self.quiet_ns = rng.choice((0, FOREVER)) if self.max_finished else 0
        self.every = rng.choice((1, 2, 5))
        self.reopen = rng.choice((4, 11, 1_000_000))
        self.seq = 0
        self.open()

    def open(self) -> None:
        """A process begins."""
        self.store = Store(self.path, durable=False)
        self.reader = Store(self.path, read_only=True)
        self.keeper: Keeper = recover(self.reader, self.quiet_ns, self.max_finished)
        self.batch = Batch(self.keeper.engine)

    def close(self) -> None:
        """It ends."""
        self.commit(0)
        self.reader.close()
        self.store.close()

    def take(self, inp: Input, now: int, body: bytes) -> Effects:
        """One input."""
        self.keeper.recall(inp)
        effects = self.keeper.engine.step(inp, now)
        self.seq += 1
        self.batch.stage(self.seq, inp, now, effects, body)
        self.keeper.note(effects, self.seq)
        return effects

    def after(self, now: int) -> None:
        """Commit, and close and open, when it is time."""
        if self.seq % self.every == 0:
            self.commit(now)
        if self.seq % self.reopen == 0:
            self.close()
            self.open()

    def commit(self, now: int) -> None:
        """What is staged is on disk; what is finished may go."""
        if self.batch.size:
            self.store.write(self.batch.seal(self.keeper.engine))
            self.batch = Batch(self.keeper.engine)
        self.keeper.release(now, self.seq)


def shown(child: Child | None) -> tuple[int, str] | None:
    """All that an order is."""
    return None if child is None else (child.id, plain(freeze(child).decode()))


def wrong(seed: int, folder: Path) -> str | None:
    """What does not hold of journal `seed`; None when everything does. The file is left in `folder`.

    How much of an order is kept in rows of its own is drawn too.
    """
    few = parts.FEW
    parts.FEW = random.Random(f"few {seed}").choice((0, 1, 2, few))
    try:
        return _wrong(seed, folder)
    finally:
        parts.FEW = few


def _wrong(seed: int, folder: Path) -> str | None:
    path = folder / f"{seed}.db"
    stays = Engine()
    writer = Writer(path, random.Random(~seed))
    last = 0
    for number, (at, inp) in enumerate(stream(seed), 1):
        last = max(at, last + 1)
        inp, body = admit(inp, last)
        there = stays.step(inp, last)
        here = writer.take(inp, last, body)
        if shown(here.child) != shown(there.child):
            two = f"the journal has {shown(here.child)}, an engine that keeps everything {shown(there.child)}"
            return f"input {number} {inp}: {two}"
        if here.events != there.events:
            return f"input {number} {inp}: the journal says {here.events}, an engine that keeps everything {there.events}"
        for event in here.events:
            told = type(event) is Alarm and event.kind in (AlarmKind.INVARIANT, AlarmKind.LAW)
            # That the file refused a row is an input of the simulator's.
            if told and type(inp) is not Quarantined and type(event) is Alarm:
                return f"input {number} {inp}: alarm {event.kind}: {event.text}"
        writer.after(last)
    unreadable = writer.keeper.unreadable
    writer.close()
    if unreadable:
        return f"unreadable: {unreadable}"
    hashes = set()
    for max_finished in (0, 1_000_000):
        verdict = verify(path, max_finished=max_finished)
        if not verdict.ok:
            return f"not proved with {max_finished} finished orders in memory: {verdict.problems}"
        hashes |= {verdict.hash_live, verdict.hash_replay}
    return None if len(hashes) == 1 else f"hashes differ: {hashes}"
