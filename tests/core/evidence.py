"""What a venue can tell about one order, as hypothesis strategies, and a desk that hears it and checks every step.

A `World` is one order as it truly went: a timeline of fills, corrections, voids, charges and an end, and everything the
venue said about it along the way, through three channels: the stream (`Execution`), polls (`OrderSnapshot` with a total
and a list) and trade reports (`OrderSnapshot` with ExecType Trade). Each statement was true as of its stamp. A poll is
stamped with the moment it was sent and answered with what was true later, so a void may lie between the two.

The venue never contradicts itself in a world: what differs between two tellings is only what one of them leaves out.
So every order of arrival has to end in the same ledger, and that ledger is the truth.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.core.invariants import check_whole
from partfill.journal.state import freeze, thaw
from partfill.model.capabilities import Capabilities
from partfill.model.codec import to_json
from partfill.model.events import Alarm, AlarmKind, Fill, Reversal
from partfill.model.inputs import Input, OrderPlaced, VenueDeclared
from partfill.model.numbers import ZERO, add, dec, mul, ratio, sub
from partfill.model.observations import Charge, Execution, ExecutionRevised, ExecutionVoided, OrderSnapshot
from partfill.model.terms import Terms
from partfill.model.words import ExecType, Flag, OrdStatus, Side, TimeInForce

VENUE, ORDER, CLIENT = "venue", "O1", "c1"
D = Decimal

# ---------------------------------------------------------------------- builders


def placed(qty: str | None = "10", *, cash: str | None = None, price: str | None = "100", **also: Any) -> OrderPlaced:
    """Our order: `qty` units, or `cash` in quote currency. Terms and ids go in by name."""
    ids = {"cl_ord_id": also.pop("cl_ord_id", CLIENT), "order_id": also.pop("order_id", ORDER)}
    described: dict[str, Any] = {"instrument": "ACME", "side": Side.BUY, "time_in_force": TimeInForce.GTC} | also
    terms = Terms(order_qty=_dec(qty), cash_order_qty=_dec(cash), price=_dec(price), **described)
    return OrderPlaced(venue=VENUE, terms=terms, as_of=0, **ids)


def fill(key: str, qty: str, px: str | None = "100", *, fee: str | None = None, **also: Any) -> Execution:
    """One execution of the order."""
    named: dict[str, Any] = {"venue": VENUE, "order_id": ORDER} | also
    if fee is not None:
        named.setdefault("fee_currency", "USD")
    return Execution(key=key, qty=D(qty), px=_dec(px), fee=_dec(fee), **named)


def correct(key: str, qty: str, px: str | None = "100", new_key: str | None = None, **also: Any) -> ExecutionRevised:
    """The venue corrects version `key` to `qty` at `px`; the correction itself is `new_key`."""
    named: dict[str, Any] = {"venue": VENUE, "order_id": ORDER} | also
    return ExecutionRevised(key=key, qty=D(qty), px=_dec(px), new_key=new_key, **named)


def void(key: str, leaves: str | None = None, **also: Any) -> ExecutionVoided:
    """The venue takes execution `key` back; `leaves` is its word on what works now."""
    named: dict[str, Any] = {"venue": VENUE, "order_id": ORDER} | also
    return ExecutionVoided(key=key, leaves_qty=_dec(leaves), **named)


def charge(key: str, amount: str, exec_key: str | None = None, currency: str = "USD") -> Charge:
    """A fee that comes apart."""
    return Charge(venue=VENUE, order_id=ORDER, key=key, amount=D(amount), currency=currency, exec_key=exec_key)


def poll(cum: str | None = None, avg: str | None = None, *executions: Execution, word: OrdStatus | None = None,
         **also: Any) -> OrderSnapshot:  # fmt: skip
    """The answer to a poll: a total with its average, a status word, and the executions it lists (none: no list)."""
    named: dict[str, Any] = {"venue": VENUE, "order_id": ORDER} | also
    return OrderSnapshot(cum_qty=_dec(cum), avg_px=_dec(avg), ord_status=word, executions=executions or None, **named)


def report(kind: ExecType, *, qty: str | None = None, leaves: str | None = None, **also: Any) -> OrderSnapshot:
    """An order report: why it was sent, the quantity it puts in force, the leaves it prints."""
    named: dict[str, Any] = {"venue": VENUE, "order_id": ORDER} | also
    return OrderSnapshot(exec_type=kind, order_qty=_dec(qty), leaves_qty=_dec(leaves), **named)


def _dec(value: str | None) -> Decimal | None:
    return None if value is None else D(value)


# ---------------------------------------------------------------------- a desk that hears it


class Desk:
    """An engine, and what its subscribers heard. Every step is checked."""

    def __init__(self, rules: Capabilities | None = None, *inputs: Input) -> None:
        self.engine = Engine()
        self.now = 1_000_000
        """Later than every stamp of the evidence."""
        self.published = ZERO
        self.events: list[Any] = []
        if rules is not None:
            self.engine.step(VenueDeclared(venue=VENUE, capabilities=rules), 0)
        self.hear(*inputs)

    def hear(self, *inputs: Input) -> Effects:
        """Step every input, check what must hold after each, and return the effects of the last."""
        effects = Effects()
        for said in inputs:
            self.now += 1
            effects = self.engine.step(said, self.now)
            self.events.extend(effects.events)
            for event in effects.events:
                if isinstance(event, Fill):
                    self.published = add(self.published, event.qty)
                elif isinstance(event, Reversal):
                    self.published = sub(self.published, event.qty)
            self.check()
        return effects

    def check(self) -> None:
        """Nothing is in quarantine, sums are sums, quantity is conserved, and what was published is what filled."""
        assert not [e.text for e in self.events if isinstance(e, Alarm) and e.kind is AlarmKind.INVARIANT]
        for child in self.engine.children.values():
            check_whole(child)
            if child.peak_qty is not None:
                assert child.canceled_qty is not None
                numbers = (child.overfill_qty, child.cum, child.leaves, child.canceled_qty)
                assert min(numbers) >= ZERO, numbers
                assert child.peak_qty + child.overfill_qty == child.cum + child.leaves + child.canceled_qty, numbers
        if not any(child.era for child in self.engine.children.values()):
            # A split multiplies what was published before it: then units differ.
            known = [child.cum for child in self.engine.children.values() if child.known]
            assert self.published == sum(known, ZERO), "what was published is not what filled"

    @property
    def child(self) -> Child:
        """The only order."""
        (child,) = self.engine.children.values()
        return child

    def alarms(self, kind: AlarmKind) -> list[str]:
        """Texts of the alarms of one kind so far."""
        return [event.text for event in self.events if isinstance(event, Alarm) and event.kind is kind]

    def heard(self, *kinds: type) -> list[Any]:
        """Events of these kinds so far."""
        return [event for event in self.events if isinstance(event, kinds)]

    def restart(self) -> None:
        """Forget every order and bring it back from what a journal keeps of it."""
        for child in list(self.engine.children.values()):
            blob, rows, seen = freeze(child), rows_of(child), sorted((child.seen or {}).items())
            self.engine.forget(child)
            self.engine.restore(*thaw(blob, rows, {child.venue: child.rules}, seen))

    def frozen(self) -> dict[int, tuple[bytes | str, list[tuple[int, str, str]]]]:
        """Every order as the journal would keep it."""
        return {number: (freeze(child), rows_of(child)) for number, child in self.engine.children.items()}


def rows_of(child: Child) -> list[tuple[int, str, str]]:
    """The executions of an order as the journal keeps them."""
    return [(at, key, packed) for at, ledger in enumerate(child.ledgers) for key, packed in ledger.rows.items()]


class View(msgspec.Struct, frozen=True):
    """What an order is, whatever way it was heard of. `differences` names the fields that are not equal."""

    cum: Decimal
    itemised: Decimal
    claimed: Decimal
    notional: Decimal
    unpriced: Decimal
    count: int
    fees: dict[str, Decimal]
    fee_unknown: int
    live: dict[str, tuple[Decimal, Decimal | None]]
    status: OrdStatus
    leaves: Decimal
    canceled: Decimal | None
    overfill: Decimal
    flags: int

    def differences(self, other: View, ignoring: Iterable[str] = ()) -> dict[str, tuple[Any, Any]]:
        """Field -> (ours, theirs), where they differ."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in self.__struct_fields__ if name not in ignoring}
        return {name: (ours, theirs) for name, (ours, theirs) in pairs.items() if ours != theirs}


def view(child: Child) -> View:
    """The order now. A fill is late only by the order of arrival, so that mark is left out."""
    ledgers = child.ledgers
    live = {key: (row.qty, row.px) for ledger in ledgers for key, row in ledger.live() if row.qty is not None}
    return View(
        cum=child.cum,
        itemised=sum((ledger.itemised for ledger in ledgers), ZERO),
        claimed=sum((ledger.claimed for ledger in ledgers), ZERO),
        notional=child.notional,
        unpriced=sum((ledger.unpriced for ledger in ledgers), ZERO),
        count=child.executions,
        fees={currency: amount for currency, amount in child.fees()[0].items() if amount},
        fee_unknown=sum(ledger.fee_unknown for ledger in ledgers),
        live=live,
        status=child.status,
        leaves=child.leaves,
        canceled=child.canceled_qty,
        overfill=child.overfill_qty,
        flags=child.all_flags() & ~Flag.LATE_FILL,
    )


# ---------------------------------------------------------------------- strategies


def numbers(most: int = 9999, *, least: int = 1) -> st.SearchStrategy[str]:
    """A decimal as a venue would write it, with any scale and perhaps with zeros at its end."""
    return st.builds(_written, st.integers(least, most), st.integers(0, 3), st.integers(0, 2))


def _written(digits: int, scale: int, zeros: int) -> str:
    value = format(D(digits).scaleb(-scale), "f")
    return value + "0" * zeros if "." in value else value


class Truth(msgspec.Struct):
    """One execution as it truly is now."""

    first: Execution
    qty: Decimal
    px: Decimal | None
    version: str
    corrected: bool = False
    void: bool = False


class World(msgspec.Struct, frozen=True):
    """One order: how it was placed, all that was said of it in the order it was true, and what is true at the end."""

    placed: OrderPlaced
    said: tuple[Input, ...]
    live: dict[str, tuple[Decimal, Decimal | None]]
    """Execution key -> (qty, px), what counts at the end."""

    def __repr__(self) -> str:
        return "\n".join(["World", *(to_json(said).decode() for said in (self.placed, *self.said))])

    @property
    def cum(self) -> Decimal:
        """What filled."""
        return sum((qty for qty, _ in self.live.values()), ZERO)

    @property
    def notional(self) -> Decimal:
        """What was paid for it, where a price is known."""
        return sum((mul(qty, px) for qty, px in self.live.values() if px is not None), ZERO)


class _Timeline:
    """Builds a world step by step; the number of the step is the clock."""

    def __init__(self, draw: st.DrawFn, order_id: str | None, cl_ord_id: str | None, prefix: str) -> None:
        self.draw = draw
        self.ids: dict[str, Any] = {"venue": VENUE, "order_id": order_id, "cl_ord_id": cl_ord_id}
        self.prefix = prefix
        self.now = 0
        self.truth: list[Truth] = []
        self.said: list[Input] = []
        self.count = 0

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{self.prefix}{kind}{self.count}"

    def cum(self) -> Decimal:
        return sum((each.qty for each in self.truth if not each.void), ZERO)

    def average(self) -> Decimal | None:
        live = [each for each in self.truth if not each.void]
        if not live or any(each.px is None for each in live):
            return None
        return ratio(sum((mul(each.qty, each.px) for each in live if each.px is not None), ZERO), self.cum())

    def fill(self) -> None:
        draw = self.draw
        fee = draw(st.none() | numbers(50) | numbers(50).map(lambda rebate: "-" + rebate))
        whole = Execution(
            **self.ids,
            as_of=self.now,
            key=self.name("x"),
            qty=dec(draw(numbers())),
            px=draw(st.none() | st.just(ZERO) | numbers().map(dec) | numbers().map(dec)),
            fee=None if fee is None else dec(fee),
            fee_currency=None if fee is None else draw(st.sampled_from(["USD", "ACME"])),
        )
        self.truth.append(Truth(whole, whole.qty, whole.px, whole.key))
        channels = draw(st.sets(st.sampled_from(["stream", "report"]), min_size=1))
        if "stream" in channels:
            self.said.append(whole)
        if "report" in channels:
            # One of two channels may leave out what the other tells.
            poorer = len(channels) > 1 and draw(st.booleans())
            told = msgspec.structs.replace(whole, fee=None, fee_currency=None) if poorer else whole
            total = draw(st.booleans())
            self.said.append(
                OrderSnapshot(
                    **self.ids,
                    as_of=self.now,
                    key=self.name("r"),
                    exec_type=ExecType.TRADE,
                    ord_status=OrdStatus.PARTIALLY_FILLED,
                    executions=(told,),
                    cum_qty=self.cum() if total else None,
                    avg_px=self.average() if total else None,
                )
            )

    def correct(self) -> None:
        each = self.pick(lambda truth: not truth.void)
        if each is None:
            return
        change = self.draw(st.sampled_from(["qty", "px", "both"]))
        if change != "px":
            each.qty = dec(self.draw(numbers()))
        if change != "qty" and each.px is not None:
            each.px = dec(self.draw(numbers()))
        version, each.version, each.corrected = each.version, self.name("v"), True
        self.said.append(
            ExecutionRevised(**self.ids, as_of=self.now, key=version, new_key=each.version, qty=each.qty, px=each.px)
        )

    def void(self) -> None:
        each = self.pick(lambda truth: not truth.void)
        if each is None:
            return
        each.void = True
        stated = self.draw(st.none() | st.just(each.qty))
        named = self.draw(st.sampled_from([each.version, each.first.key]))
        self.said.append(ExecutionVoided(**self.ids, as_of=self.now, key=named, new_key=self.name("b"), qty=stated))

    def charge(self) -> None:
        each = self.pick(lambda truth: truth.first.fee is None)
        amount = dec(self.draw(numbers(50)))
        exec_key = None if each is None else each.first.key
        key = self.name("f")
        self.said.append(Charge(**self.ids, as_of=self.now, key=key, amount=amount, currency="USD", exec_key=exec_key))

    def poll(self) -> None:
        draw = self.draw
        sent = draw(st.integers(0, self.now))
        listed = None
        if draw(st.booleans()):
            # A correction has its own channel: lists show executions as they first were.
            listed = tuple(each.first for each in self.truth if not each.void and not each.corrected)
        self.said.append(
            OrderSnapshot(
                **self.ids,
                as_of=sent,
                executions=listed,
                cum_qty=self.cum(),
                avg_px=self.average(),
                ord_status=draw(st.sampled_from([None, OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED])),
            )
        )

    def end(self, kind: ExecType) -> None:
        self.said.append(OrderSnapshot(**self.ids, as_of=self.now, key=self.name("e"), exec_type=kind, cum_qty=self.cum()))

    def pick(self, wanted: Any) -> Truth | None:
        found = [each for each in self.truth if wanted(each)]
        return self.draw(st.sampled_from(found)) if found else None

    def run(self, happenings: list[str]) -> None:
        for happening in happenings:
            self.now += 10
            getattr(self, happening)()

    def live(self) -> dict[str, tuple[Decimal, Decimal | None]]:
        return {each.first.key: (each.qty, each.px) for each in self.truth if not each.void}


HAPPENINGS = ("fill", "fill", "correct", "void", "charge", "poll", "poll")


@st.composite
def worlds(
    draw: st.DrawFn, happenings: tuple[str, ...] = HAPPENINGS, *, order_id: str = ORDER, most: int = 9, may_end: bool = True
) -> World:
    """A world about order `order_id`: at least one fill, then up to `most` of `happenings`, perhaps with an end."""
    named = draw(st.booleans())
    timeline = _Timeline(draw, order_id, CLIENT if named else None, f"{order_id}.")
    timeline.run(["fill", *draw(st.lists(st.sampled_from(happenings), max_size=most))])
    if may_end and draw(st.booleans()):
        timeline.now += 10
        timeline.end(draw(st.sampled_from([ExecType.CANCELED, ExecType.EXPIRED])))
        # What comes after the end still counts.
        timeline.run(draw(st.lists(st.sampled_from(happenings), max_size=2)))
    ever = sum((each.first.qty for each in timeline.truth), ZERO)
    qty = draw(st.sampled_from([ever, add(ever, ever), D(1)]) | numbers().map(dec))
    base = draw(st.sampled_from([None, "ACME"]))
    own = placed(str(qty), order_id=order_id, cl_ord_id=CLIENT, base=base)
    return World(own, tuple(timeline.said), timeline.live())


def arrivals(said: tuple[Input, ...]) -> st.SearchStrategy[list[Input]]:
    """Any order of arrival of `said`, each at least once, some again."""
    again = st.lists(st.sampled_from(said), max_size=4)
    return again.flatmap(lambda more: st.permutations([*said, *more]))
