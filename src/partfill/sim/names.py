"""Stories of ids: blank ones, placeholders, ids that begin anew, links told late, requests that are refused by a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from partfill.core.child import Child
from partfill.core.lifecycle import Fact
from partfill.model.capabilities import Capabilities, IdScope
from partfill.model.events import AlarmKind
from partfill.model.inputs import Input, OrderPlaced, RequestSent
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, Request, Side, TimeInForce
from partfill.sim.orders import ACME, D
from partfill.sim.story import Story

if TYPE_CHECKING:
    from partfill.sim.world import World


class Shared(Story):
    """Two or three orders whose venue prints no id, or one for all: our own ids tell them apart."""

    again = 0.0
    often = 2

    def tell(self) -> list[Input]:
        random = self.random
        self.blank = random.choice(("", " ", "NONE", "0", "-1"))
        self.filled: dict[str, int] = {}
        told: list[Input] = []
        # What is blank is no id whatever is said under it; a placeholder shows when two orders were opened under it.
        polled = self.blank in ("", " ") and random.random() < 0.6
        for name in ("a", "b", "c")[: random.randint(2, 3)]:
            order_id = f"X{name}" if polled else self.blank
            told.append(self.report(None if polled else ExecType.NEW, len(told), order_id, name))
            self.filled[name] = 0
        later: list[Input] = []
        for number in range(random.randint(1, 5)):
            name, qty = random.choice(list(self.filled)), random.randint(1, 9)
            self.filled[name] += qty
            later.append(self.execution(f"e{number}", qty, 5 + number, self.blank, cl_ord_id=name))
        return [*told, *self.doubled(self.shuffled(later))]

    def look(self, world: World, *, end: bool) -> str | None:
        if not end:
            return None
        found = {name: self.named(world.engine, name) for name in self.filled}
        return differ(found, self.filled) or (
            None if len({id(each) for each in found.values()}) == len(found) else "two orders are one here"
        )


class Foreign(Story):
    """An execution of another instrument, or of the other side, under the id of an order: it counts nowhere, and is told."""

    again = 0.0

    def tell(self) -> list[Input]:
        random = self.random
        self.qty = random.randint(1, 9)
        odd = {"instrument": "BOLT"} if random.random() < 0.5 else {"side": Side.SELL}
        fills: list[Input] = [
            self.execution("e0", self.qty, 2), self.execution("e1", random.randint(1, 9), 3, **odd),
        ]  # fmt: skip
        return [self.report(ExecType.NEW, 0), *self.shuffled(fills)]

    def look(self, world: World, *, end: bool) -> str | None:
        child = self.named(world.engine, "a")
        if not end or child is None:
            return None
        if not world.expected.came(child.id, AlarmKind.ID_CONFLICT):
            return "an execution of another order came, and nobody was told"
        return differ({"a": child}, {"a": self.qty})


class Replaced(Story):
    """An order is replaced and gets another id, whose counts go on; the id before it ends, in any order of arrival."""

    often = 2

    def tell(self) -> list[Input]:
        random = self.random
        first, second = random.randint(1, 9), random.randint(1, 9)
        self.filled = first + second
        self.name = random.choice(("b", "b", None))
        told: list[Input] = [
            self.execution("e0", first, 2),
            self.report(ExecType.REPLACED, 4, "Y", self.name, 50, orig_cl_ord_id="a"),
            self.report(ExecType.CANCELED, 5, "X", random.choice(("a", None)), None, OrdStatus.CANCELED, leaves_qty=D[0]),
            self.execution("e1", second, 6, "Y"),
        ]
        return [self.report(ExecType.NEW, 0), *self.doubled(self.shuffled(told))]

    def look(self, world: World, *, end: bool) -> str | None:
        child = self.of(world.engine, "Y")
        if not end:
            return None
        if child is not None and child.leaves != 50 - self.filled:
            return f"{child.leaves} work of a replaced order, and {50 - self.filled} by what was told"
        return differ({"Y": child}, {"Y": self.filled}) or alone(world, self)


class Refused(Story):
    """A report refuses a request, by the word that ends orders: it says nothing of the order."""

    again = 0.0

    def tell(self) -> list[Input]:
        random = self.random
        self.over = False
        terms = Terms(instrument=ACME, side=Side.BUY, order_qty=D[60], price=D[95], time_in_force=TimeInForce.GTC)
        self.qty = random.randint(1, 9)
        told: list[Input] = [
            OrderPlaced(venue=self.venue, terms=terms, cl_ord_id="a", as_of=self.start),
            self.report(ExecType.NEW, 1),
            self.execution("e0", self.qty, 2),
        ]
        sent = RequestSent(venue=self.venue, request=Request.CANCEL, cl_ord_id="r", orig_cl_ord_id="a")
        self.ended = random.random() < 0.5
        if self.ended:
            told.append(self.report(ExecType.CANCELED, 4, word=OrdStatus.CANCELED, leaves_qty=D[0]))
        told.append(sent)
        refused = {"orig_cl_ord_id": "a", "leaves_qty": D[0], "reason": "unknown order"}
        told.append(self.report(ExecType.REJECTED, 5, random.choice(("X", None)), "r", None, OrdStatus.REJECTED, **refused))
        return told

    def look(self, world: World, *, end: bool) -> str | None:
        child = self.named(world.engine, "a")
        if not end or child is None:
            return None
        right = OrdStatus.CANCELED if self.ended else OrdStatus.PARTIALLY_FILLED
        if child.status is not right or bool(child.leaves) is self.ended:
            return f"{child.status} after a request was refused, leaves {child.leaves}; it is {right}"
        if child.in_flight or child.ledger.ends & Fact.REJECTED:
            return "a request was refused, and it is in flight, or it is the order that was rejected"
        return differ({"a": child}, {"a": self.qty})


class Stated(Story):
    """The state of an order is told before anybody can know which order it is."""

    again = 0.0

    def tell(self) -> list[Input]:
        terms = Terms(instrument=ACME, side=Side.BUY, order_qty=D[60], price=D[95], time_in_force=TimeInForce.GTC)
        self.word = self.random.choice((OrdStatus.SUSPENDED, OrdStatus.STOPPED))
        kind = {OrdStatus.SUSPENDED: ExecType.SUSPENDED, OrdStatus.STOPPED: ExecType.STOPPED}[self.word]
        return [
            OrderPlaced(venue=self.venue, terms=terms, cl_ord_id="a", as_of=self.start),
            self.report(kind, 2, "X", None, None, self.word),
            self.execution("e0", 5, 3, "X", cl_ord_id="a"),
        ]

    def look(self, world: World, *, end: bool) -> str | None:
        child = self.named(world.engine, "a")
        if not end:
            return None
        if child is not None and child.status is not self.word:
            return f"{child.status} here, and {self.word} was told"
        return differ({"a": child}, {"a": 5})


class Anew(Story):
    """An id that ended begins another order; late news of the one before finds it."""

    again = 0.0
    often = 2

    def tell(self) -> list[Input]:
        random = self.random
        self.first, self.second = random.randint(2, 9), random.randint(1, 9)
        self.late, self.busted = random.randint(1, 9), random.random() < 0.5
        told: list[Input] = [
            self.report(ExecType.NEW, 0),
            self.execution("e0", self.first, 2),
            self.report(ExecType.CANCELED, 5, word=OrdStatus.CANCELED, leaves_qty=D[0]),
        ]
        self.same = random.random() < 0.4
        if self.same:
            # It says that something filled: that is no other order, and counts for the one that is known.
            said: dict[str, Any] = {"cum_qty": D[self.first], "leaves_qty": D[0]}
            told.append(self.report(ExecType.NEW, 7, word=OrdStatus.CANCELED, **said))
            return told
        told.append(self.report(ExecType.NEW, 7, name="b", qty=40))
        later: list[Input] = [self.execution("f0", self.second, 9), self.execution("e1", self.late, 3)]
        if self.busted:
            later.append(self.voided("e0", 10))
        return [*told, *self.shuffled(later)]

    def look(self, world: World, *, end: bool) -> str | None:
        if not end:
            return None
        old, new = self.named(world.engine, "a"), self.of(world.engine, "X")
        if self.same:
            return differ({"a": old, "X": new}, {"a": self.first, "X": self.first}) or alone(world, self)
        first = self.late + (0 if self.busted else self.first)
        return differ({"a": old, "b": new}, {"a": first, "b": self.second})


class SameDay(Story):
    """A venue whose ids begin anew each day: what is heard of an order later on its own day is about that order."""

    again = 0.0

    def tell(self) -> list[Input]:
        self.rules = Capabilities(id_scope=IdScope.DAY)
        # Late in the morning of some day.
        self.start = self.start // DAY * DAY + DAY // 2
        self.qty, more = self.random.randint(1, 9), self.random.randint(1, 9)
        told: list[Input] = [
            self.report(ExecType.NEW, 0, time_in_force=TimeInForce.DAY),
            self.execution("e0", self.qty, 2),
            self.report(ExecType.CANCELED, 5, word=OrdStatus.CANCELED, leaves_qty=D[0]),
            self.report(ExecType.TRADE, 8, word=OrdStatus.CANCELED, executions=(self.execution("e1", more, 8),)),
        ]
        self.qty += more
        return told

    def look(self, world: World, *, end: bool) -> str | None:
        if not end:
            return None
        old, new = self.named(world.engine, "a"), self.of(world.engine, "X")
        return differ({"a": old, "X": new}, {"a": self.qty, "X": self.qty}) or alone(world, self)


DAY = 86_400_000_000_000


def differ(found: dict[str, Child | None], filled: dict[str, int]) -> str | None:
    """What of these orders is not what was told."""
    for name, child in found.items():
        if child is None or child.cum != filled[name]:
            return f"order {name} has {child and child.cum}, and {filled[name]} filled by what was told"
    return None


def alone(world: World, story: Story) -> str | None:
    """What is wrong where one order is heard of, and no other."""
    count = sum(child.venue == story.venue for child in world.engine.children.values())
    return None if count == 1 else f"{count} orders here, and one by what was told"


NAMES: tuple[type[Story], ...] = (Shared, Foreign, Replaced, Refused, Stated, Anew, SameDay)
