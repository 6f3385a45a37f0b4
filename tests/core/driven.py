"""An engine whose desk is driven step by step: what it asks of venues is checked after every input, whoever writes the test.

What must hold after each step
- nothing in quarantine and no alarm about the law; one request and one question per child at most;
- an id that was sent once is never sent again, and every operation names an order of ours;
- what filled and may still fill, recounted here from what was sent, is within the limit of the law, and no new order or
  replace leaves that would bring it above what is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.core.invariants import check_whole
from partfill.core.parent import Parent
from partfill.model.capabilities import Capabilities, ReplaceQty
from partfill.model.commands import Amend, Answered, KillSwitch, Looked, Outcome, Restarted, Resubmit, Stop, Submit, Tick
from partfill.model.events import Alarm, AlarmKind, CommandRefused, ParentDone, ResubmitTriggered
from partfill.model.inputs import Input, VenueDeclared
from partfill.model.numbers import ZERO
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.operations import Cancel, Operation, Place, Query, Replace
from partfill.model.policy import RemainderPolicy
from partfill.model.reports import ExecutionReport
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, Request, Side, TimeInForce

D = Decimal
VENUE = "venue"
TOTAL = Capabilities(can_replace=True)
GUARDED = Capabilities(can_replace=True, replace_guarded=True, replace_qty=ReplaceQty.OPEN)
UNGUARDED = Capabilities(can_replace=True, replace_qty=ReplaceQty.OPEN)
PLAIN = Capabilities()
MS, SECOND = 1_000_000, 1_000_000_000
_REQUEST = {Place: Request.PLACE, Cancel: Request.CANCEL, Replace: Request.REPLACE}


def terms(qty: str | None = "10", price: str | None = "100", **also: Any) -> Terms:
    """What a user wants of ACME."""
    said: dict[str, Any] = {"instrument": "ACME", "side": Side.BUY, "time_in_force": TimeInForce.GTC} | also
    return Terms(order_qty=None if qty is None else D(qty), price=None if price is None else D(price), **said)


def rule(least: str = "1", most: int = 3) -> Resubmit:
    """Successors for remainders of `least` units and more, at most `most` of them."""
    return Resubmit(min_resubmit_size=D(least), max_resubmit_attempts=most)


class Driven:
    """An engine, its clock, and everything it said and asked for."""

    def __init__(self, rules: Capabilities | None = None, *, strict: bool = True) -> None:
        self.engine = Engine()
        self.now = SECOND
        self.ops: list[Operation] = []
        self.fresh: list[Operation] = []
        """Asked for since the last `take`."""
        self.events: list[Any] = []
        self.wanted: list[tuple[str, int]] = []
        """Decisions wanted since the last `take_wanted`: (ref, event)."""
        self.log: list[tuple[Input, int]] = []
        self.strict = strict
        """False where the venue tells nonsense: then an order may well end in quarantine."""
        self.ids: set[str] = set()
        if rules is not None:
            self.feed(VenueDeclared(venue=VENUE, capabilities=rules))
        self.feed(Restarted(desk="d"))

    # ------------------------------------------------------------------ inputs

    def feed(self, *inputs: Input) -> Effects:
        """Step every input, a millisecond apart, and check what must hold."""
        effects = Effects()
        for inp in inputs:
            self.now += MS
            self.log.append((inp, self.now))
            effects = self.engine.step(inp, self.now)
            self.events.extend(effects.events)
            self.ops.extend(effects.operations)
            self.wanted.extend((parent.ref, parent.handling.event) for parent in effects.wanted if parent.handling is not None)
            self.fresh.extend(effects.operations)
            self.check(effects.operations)
        return effects

    def submit(self, qty: str | None = "10", price: str | None = "100", *, ref: str = "p", resubmit: Resubmit | None = None,
               remainder: RemainderPolicy | None = None, **also: Any) -> list[Operation]:  # fmt: skip
        """Submit, and return what is asked of the venue."""
        self.feed(Submit(venue=VENUE, ref=ref, terms=terms(qty, price, **also), resubmit=resubmit, remainder=remainder))
        return self.take()

    def amend(self, qty: str | None = None, price: str | None = None, ref: str = "p") -> list[Operation]:
        """Other terms are wanted."""
        self.feed(
            Amend(venue=VENUE, ref=ref, order_qty=None if qty is None else D(qty), price=None if price is None else D(price))
        )
        return self.take()

    def stop(self, ref: str = "p") -> list[Operation]:
        """Nothing may work any more."""
        self.feed(Stop(venue=VENUE, ref=ref))
        return self.take()

    def kill(self, on: bool = True, venue: str = VENUE, account: str = "") -> list[Operation]:
        """The kill switch."""
        self.feed(KillSwitch(venue=venue, account=account, on=on, by="operator"))
        return self.take()

    def wait(self, ns: int = SECOND) -> list[Operation]:
        """Let time pass, waking the desk as often as it asked for."""
        end = self.now + ns
        timers = self.engine.desk.timers
        for _ in range(10_000):
            if timers.next_at is None or timers.next_at > end:
                break
            self.now = max(self.now, timers.next_at)
            self.feed(Tick())
        else:
            raise AssertionError("a timer that is always due")
        self.now = max(self.now, end)
        return self.take()

    def wake(self) -> list[Operation]:
        """Let time pass until the desk asks for something, or wants nothing more."""
        timers = self.engine.desk.timers
        while timers.next_at is not None and not self.fresh:
            self.now = max(self.now, timers.next_at)
            self.feed(Tick())
        return self.take()

    # ------------------------------------------------------------------ what a venue says

    def report(self, kind: ExecType | None, order_id: str | None = "O1", cl: str | None = None, **also: Any) -> OrderSnapshot:
        """An order report or, without a kind, a poll."""
        for name in ("order_qty", "leaves_qty", "cum_qty", "price", "avg_px"):
            if isinstance(also.get(name), str):
                also[name] = D(also[name])
        return OrderSnapshot(venue=VENUE, order_id=order_id, cl_ord_id=cl, exec_type=kind, **also)

    def acknowledge(self, op: Operation | None = None, order_id: str = "O1") -> None:
        """The venue takes a placement."""
        placed = op if op is not None else self.last(Place)
        assert isinstance(placed, Place)
        self.feed(self.report(ExecType.NEW, order_id, placed.cl_ord_id, ord_status=OrdStatus.NEW,
                              order_qty=placed.terms.order_qty))  # fmt: skip
        self.take()

    def fill(self, key: str, qty: str, order_id: str = "O1", px: str = "100") -> None:
        """An execution."""
        self.feed(execution(key, qty, order_id, px))

    def ended(self, order_id: str = "O1", kind: ExecType = ExecType.CANCELED, **also: Any) -> None:
        """The venue's word of the end."""
        self.feed(self.report(kind, order_id, **also))

    def reply(self, op: Operation, outcome: Outcome, **also: Any) -> list[Operation]:
        """The reply to a request."""
        assert not isinstance(op, Query)
        self.feed(Answered(venue=VENUE, request=_REQUEST[type(op)], cl_ord_id=op.cl_ord_id, outcome=outcome, **also))
        return self.take()

    def done(self, op: Operation, **also: Any) -> list[Operation]:
        """Yes."""
        return self.reply(op, Outcome.DONE, **also)

    def refused(self, op: Operation, **also: Any) -> list[Operation]:
        """No."""
        return self.reply(op, Outcome.REFUSED, reason="refused", **also)

    def unknown(self, op: Operation) -> list[Operation]:
        """Nobody knows."""
        return self.reply(op, Outcome.UNKNOWN)

    def looked(self, op: Operation, order: OrderSnapshot | None = None, *, definite: bool = True,
               **also: Any) -> list[Operation]:  # fmt: skip
        """The answer to a question."""
        assert isinstance(op, Query), op
        said: dict[str, Any] = {"as_of": self.now} | also
        self.feed(Looked(venue=VENUE, cl_ord_id=op.cl_ord_id, order_id=op.order_id, order=order, definite=definite, **said))
        return self.take()

    # ------------------------------------------------------------------ looking

    def take(self) -> list[Operation]:
        """What was asked for since the last time."""
        fresh, self.fresh = self.fresh, []
        return fresh

    def take_wanted(self) -> list[tuple[str, int]]:
        """Decisions wanted since the last time."""
        wanted, self.wanted = self.wanted, []
        return wanted

    def reports(self) -> list[ExecutionReport]:
        """Every decision that was told."""
        return [event for event in self.events if type(event) is ExecutionReport]

    def last(self, kind: type[Operation]) -> Any:
        """The newest operation of a kind."""
        return [op for op in self.ops if type(op) is kind][-1]

    def sent(self, kind: type[Any]) -> list[Any]:
        """Every operation of a kind."""
        return [op for op in self.ops if type(op) is kind]

    def parent(self, ref: str = "p", account: str = "") -> Parent:
        """A parent order."""
        return self.engine.desk.by_ref[VENUE, account, ref]

    def child(self, number: int = 0, ref: str = "p") -> Child:
        """A child of it."""
        return self.parent(ref).children[number]

    def alarms(self, kind: AlarmKind) -> list[str]:
        """Texts of the alarms of one kind."""
        return [event.text for event in self.events if type(event) is Alarm and event.kind is kind]

    def refusals(self) -> list[str]:
        """Why commands changed nothing."""
        return [event.reason for event in self.events if type(event) is CommandRefused]

    def outcomes(self) -> list[tuple[str, Decimal]]:
        """(outcome, cum_qty) of every end that was told."""
        return [(event.outcome, event.cum_qty) for event in self.events if type(event) is ParentDone]

    def resubmitted(self) -> list[Decimal]:
        """Quantities of the successors."""
        return [event.qty for event in self.events if type(event) is ResubmitTriggered]

    # ------------------------------------------------------------------ what must hold

    def check(self, operations: Sequence[Operation]) -> None:
        """See the head of this file."""
        bad = [
            event.text for event in self.events if type(event) is Alarm and event.kind in (AlarmKind.LAW, AlarmKind.INVARIANT)
        ]
        assert not self.strict or not bad, bad
        engine = self.engine
        for op in operations:
            child = engine.children[op.order]
            assert child.work is not None
            assert (op.venue, op.account) == (child.venue, child.account)
            if type(op) is Query:
                assert child.work.looking
                continue
            assert op.cl_ord_id not in self.ids, f"id {op.cl_ord_id} was used before"
            self.ids.add(op.cl_ord_id)
            assert child.work.request is _REQUEST[type(op)]
            assert child.work.request_id == op.cl_ord_id
        for kinds in ((Place, Cancel, Replace), (Query,)):
            orders = [op.order for op in operations if isinstance(op, kinds)]
            assert len(orders) == len(set(orders)), "two at once for one child"
        for parent in engine.desk.parents.values():
            self.check_parent(parent)
        for op in operations:
            if isinstance(op, Place | Replace):
                self.check_room(op)

    def check_room(self, op: Place | Replace) -> None:
        """What an operation asks for fits beside all else that filled and may fill."""
        child = self.engine.children[op.order]
        assert child.work is not None
        parent = child.work.parent
        if parent.terms.cash_order_qty is None:
            total = op.terms.order_qty if isinstance(op, Place) else self.total(op, child)
            assert total is not None
            beside = sum((self.most(each) for each in parent.active if each is not child and not self.leaves(each)), ZERO)
            assert parent.cum + beside + max(ZERO, total - child.cum) <= parent.asked

    def check_parent(self, parent: Parent) -> None:
        """The sums and the law of one parent."""
        active = [child for child in parent.children if child.work is not None and not child.work.settled]
        assert active == parent.active
        if any(child.flags & 65536 for child in parent.children):
            return
        assert parent.cum == sum((child.cum for child in parent.children), ZERO)
        for child in parent.children:
            check_whole(child)
        if parent.terms.cash_order_qty is not None:
            assert len(parent.children) == 1
            return
        could = parent.cum + sum((self.most(child) for child in active if not self.leaves(child)), ZERO)
        assert could <= parent.exposure, f"{could} could fill, the law counts {parent.exposure}"
        assert parent.exposure <= parent.limit

    @staticmethod
    def leaves(child: Child) -> bool:
        """Whether its venue holds it to the position, and another order works in its stead."""
        assert child.work is not None
        return child.work.leaving and child.rules.reduces_each

    def most(self, child: Child) -> Decimal:
        """What may still fill: in force, or asked for in the one request that is not answered."""
        work = child.work
        assert work is not None
        total = child.order_qty if child.order_qty is not None and child.open_at_venue else ZERO
        assert total is not None
        if work.request is Request.REPLACE:
            op = next(op for op in reversed(self.ops) if type(op) is Replace and op.cl_ord_id == work.request_id)
            total = max(total, self.total(op, child))
        return max(ZERO, total - child.cum)

    @staticmethod
    def total(op: Replace, child: Child) -> Decimal:
        """The total quantity that a replace asks for."""
        return op.order_qty if child.rules.replace_qty is ReplaceQty.TOTAL else op.order_qty + op.cum_qty


def execution(key: str, qty: str, order_id: str | None = "O1", px: str = "100", **also: Any) -> Execution:
    """One fill at the venue of these tests."""
    return Execution(venue=VENUE, order_id=order_id, key=key, qty=D(qty), px=D(px), **also)


def working(rules: Capabilities = PLAIN, qty: str = "10", filled: str | None = None, **also: object) -> Driven:
    """One order that works, perhaps partly filled."""
    desk = Driven(rules)
    desk.submit(qty, **also)  # type: ignore[arg-type]
    desk.acknowledge()
    if filled is not None:
        desk.fill("first", filled)
    desk.take()
    return desk
