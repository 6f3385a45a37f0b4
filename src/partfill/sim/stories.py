"""Stories of orders that are only heard of: what fills and is taken back, splits, days, keys and prices (see `heard`)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from partfill.model.capabilities import Capabilities, Chain, ReplaceQty
from partfill.model.commands import KillSwitch
from partfill.model.events import AlarmKind
from partfill.model.inputs import DayRolled, Input
from partfill.model.observations import Execution, ExecutionRevised, ExecutionVoided, OrderSnapshot
from partfill.model.words import ExecType, OrdStatus, Side
from partfill.sim.bag import Bag, Bust, Version
from partfill.sim.costs import Book
from partfill.sim.names import NAMES
from partfill.sim.orders import ACME, D
from partfill.sim.story import Story

if TYPE_CHECKING:
    from partfill.core.engine import Engine
    from partfill.sim.world import World

MS = 1_000_000


class Corrections(Story):
    """Executions, corrections of corrections, voids and totals, with few stamps, in any order of arrival."""

    often = 6

    def tell(self) -> list[Input]:
        random = self.random
        self.bag, self.qty = Bag(), random.randint(20, 60)
        self.numbered = random.random() < 0.4
        told: list[Input] = []
        count = random.randint(1, 4)
        left = self.qty
        for number in range(count):
            qty = random.randint(1, max(1, min(9, left)))
            left -= qty
            told.append(self.execution(f"e{number}", qty, random.randint(1, 9), px=random.randint(90, 99)))
            told += self._corrected(f"e{number}", qty)
        for _ in range(random.choice((0, 1, 2, 3))):
            word, cum = OrdStatus.PARTIALLY_FILLED, D[random.randint(1, self.qty)]
            told.append(self.report(None, random.randint(1, 12), qty=None, word=word, cum_qty=cum))
        opened = self.report(ExecType.NEW, 0, qty=self.qty)
        return [opened, *self.doubled(self.shuffled(told))]

    def _corrected(self, key: str, qty: int) -> list[Input]:
        random = self.random
        told: list[Input] = []
        chain, stamps = [key], sorted(random.sample(range(2, 12), random.choice((0, 0, 1, 2, 3))))
        if self.numbered:
            # The numbers rule, whatever the stamps say.
            random.shuffle(stamps)
        for number, at in enumerate(stamps):
            qty = random.randint(1, qty + (2 if self.numbered else 0))
            px = D[random.randint(90, 99)] if random.random() < 0.7 else None
            name = {"revision": number + 1} if self.numbered else {"new_key": f"{key}c{number}"}
            works = D[random.choice((0, 0, 5))]
            told.append(
                ExecutionRevised(venue=self.venue, order_id="X", key=chain[-1], qty=D[qty], px=px, leaves_qty=works,
                                 as_of=self.start + at * MS, **name)
            )  # fmt: skip
            if not self.numbered:
                chain.append(f"{key}c{number}")
                if px is not None and random.random() < 0.4:
                    # It is told as an execution too.
                    told.append(self.execution(chain[-1], qty, at, px=int(px)))
        if random.random() < 0.4:
            named = random.choice((key, chain[-1], chain[-1]))
            at = random.randint(max([*stamps, 2]), 12)
            stated = D[qty] if named == chain[-1] and random.random() < 0.7 else None
            told.append(self.voided(named, at, qty=stated, leaves_qty=D[random.choice((0, 0, 5))]))
        return told

    def hear(self, inp: Input) -> None:
        bag = self.bag
        if isinstance(inp, Execution):
            bag.executions.setdefault(inp.key, (int(inp.qty), int(inp.px or 0)))
        elif isinstance(inp, ExecutionRevised):
            name = inp.new_key or f"{inp.key}#{inp.revision}"
            bag.before[name] = inp.key
            px = None if inp.px is None else int(inp.px)
            at = (inp.as_of or 0) - self.start
            bag.versions[name] = Version(name, int(inp.qty), px, inp.revision or 0, at, bool(inp.leaves_qty))
            bag.executions.pop(name, None)
        elif isinstance(inp, ExecutionVoided):
            stated = None if inp.qty is None else int(inp.qty)
            bag.busts.setdefault(inp.key, Bust((inp.as_of or 0) - self.start, bool(inp.leaves_qty), stated))
        elif isinstance(inp, OrderSnapshot) and inp.cum_qty is not None:
            bag.totals.append(((inp.as_of or 0) - self.start, int(inp.cum_qty)))
        for name in bag.before:
            bag.executions.pop(name, None)

    def look(self, world: World, *, end: bool) -> str | None:
        child, bag = self.of(world.engine, "X"), self.bag
        assert child is not None
        qty, value = bag.filled()
        ledger = child.ledger
        if [*map(int, (ledger.cum, ledger.itemised, ledger.notional))] != [bag.cum, qty, value]:
            return f"{ledger.cum} of {ledger.itemised} worth {ledger.notional} here; {bag.cum} of {qty} worth {value} were told"
        leaves = max(0, self.qty - bag.cum - bag.off())
        if child.leaves != leaves:
            return f"{child.leaves} work here; {leaves} by what was told"
        if ledger.outdated is not bag.to_be_asked:
            return f"the venue has to be asked: {ledger.outdated} here, {bag.to_be_asked} by what was told"
        return None


class Split(Story):
    """A split: what filled before it counts in new units, what fills after it is in these already."""

    often = 1
    again = 0.0

    def tell(self) -> list[Input]:
        random = self.random
        self.filled = [(random.randint(1, 9), random.randint(90, 99)) for _ in range(random.randint(1, 3))]
        self.later = [(random.randint(1, 9), random.randint(45, 50)) for _ in range(random.randint(1, 3))]
        self.claimed = random.choice((0, 4))
        told: list[Input] = [self.report(ExecType.NEW, 0, qty=100)]
        told += [self.execution(f"e{n}", qty, 1 + n, px=px) for n, (qty, px) in enumerate(self.filled)]
        before = sum(qty for qty, _ in self.filled)
        if self.claimed:
            # As a total alone: 4 more, each at 100.
            value = sum(qty * px for qty, px in self.filled) + 400
            avg = Decimal(value) / (before + 4)
            told.append(self.report(None, 5, qty=100, cum_qty=D[before + 4], avg_px=avg))
        told.append(self.report(ExecType.RESTATED, 6, qty=200, restatement="split"))
        told += [self.execution(f"f{n}", qty, 7 + n, px=px) for n, (qty, px) in enumerate(self.later)]
        self.voids = random.random() < 0.5
        if self.voids:
            told.append(self.voided("f0", 20))
        return told

    last: ExecType | None = None

    def hear(self, inp: Input) -> None:
        self.last = inp.exec_type if isinstance(inp, OrderSnapshot) else None

    def look(self, world: World, *, end: bool) -> str | None:
        child = self.of(world.engine, "X")
        if child is None:
            return None
        if self.claimed and self.last is ExecType.RESTATED:
            worth, priced = sum(qty * px for qty, px in self.filled) + 400, child.ledger.priced()
            if priced is None or abs(priced[0] - worth) > 1:
                return f"worth {priced} after a split; {worth} were paid"
        if not end:
            return None
        later = self.later[1:] if self.voids else self.later
        itemised = 2 * sum(qty for qty, _ in self.filled) + sum(qty for qty, _ in later)
        value = sum(qty * px for qty, px in (*self.filled, *later))
        # What only a total said is confirmed by what fills after it.
        lost = self.later[0][0] if self.voids else 0
        cum = max(itemised, 2 * (sum(qty for qty, _ in self.filled) + self.claimed) - lost)
        if child.cum != cum or child.ledger.notional != value:
            return f"{child.cum} worth {child.ledger.notional} after a split; {cum} worth {value} were told"
        return None


class Days(Story):
    """Trading days: what filled today is of today, whatever becomes of the fills of yesterday."""

    often = 2
    again = 0.0

    def tell(self) -> list[Input]:
        random = self.random
        self.legs = random.random() < 0.5
        self.today: list[int] = []
        if self.legs:
            self.rules = Capabilities(chain=Chain.RESTARTS, replace_qty=ReplaceQty.OPEN)
        told: list[Input] = [self.report(ExecType.NEW, 0, qty=100)]
        told += [self.execution(f"e{n}", random.randint(2, 9), 1 + n) for n in range(2)]
        told.append(DayRolled(venue=self.venue))
        name = "X"
        if self.legs:
            name = "Y"
            if random.random() < 0.5:
                self.today = [random.randint(2, 9)]
                told.append(self.execution("g", self.today[0], 4))
            told.append(self.report(ExecType.REPLACED, 5, "Y", "b", orig_cl_ord_id="a"))
        fills = [random.randint(2, 9) for _ in range(3)]
        told += [self.execution(f"f{n}", qty, 6 + n, name) for n, qty in enumerate(fills)]
        self.today += fills
        voids: list[Input] = []
        if random.random() < 0.7:
            voids.append(self.voided("e0", 20))
        if random.random() < 0.7:
            voids.append(self.voided("f1", 21, name))
            self.today.remove(fills[1])
        random.shuffle(voids)
        return [*told, *voids]

    def look(self, world: World, *, end: bool) -> str | None:
        child = self.of(world.engine, "X")
        if not end or child is None or child.day_cum_qty == sum(self.today):
            return None
        return f"{child.day_cum_qty} filled today here, {sum(self.today)} were told"


class Moment(Story):
    """A venue restates an order at the very moment of a void: it knows of that."""

    often = 1
    again = 0.0

    def tell(self) -> list[Input]:
        self.qty, filled, other = self.random.randint(20, 60), self.random.randint(1, 9), self.random.randint(1, 9)
        self.works = self.qty - filled
        told: list[Input] = [self.report(ExecType.NEW, 0, qty=self.qty)]
        told += [self.execution("e0", filled, 1), self.execution("e1", other, 1), self.voided("e1", 5)]
        word = OrdStatus.PARTIALLY_FILLED
        said: dict[str, Any] = {"cum_qty": D[filled], "leaves_qty": D[self.works]}
        told.append(self.report(ExecType.RESTATED, 5, qty=self.qty, word=word, **said))
        return told

    def look(self, world: World, *, end: bool) -> str | None:
        child = self.of(world.engine, "X")
        if not end or child is None or child.leaves == self.works:
            return None
        return f"{child.leaves} work here, and the venue said {self.works}"


class Overfilled(Story):
    """An order fills more than it is for, at once or after it was complete: a person is told."""

    often = 1
    again = 0.0

    def tell(self) -> list[Input]:
        self.qty = self.random.randint(5, 20)
        first = self.random.choice((self.qty, self.qty - 2))
        new = self.report(ExecType.NEW, 0, qty=self.qty)
        return [new, self.execution("e0", first, 1), self.execution("e1", 5, 2)]

    def look(self, world: World, *, end: bool) -> str | None:
        child = self.of(world.engine, "X")
        if child is None or child.cum <= self.qty or world.expected.came(child.id, AlarmKind.OVERFILL):
            return None
        return f"{child.cum} filled of {self.qty}, and nobody was told"


class Keyed(Story):
    """Messages with keys that venues use again: a repeat counts nothing, another content is evidence."""

    often = 2
    again = 0.0

    def tell(self) -> list[Input]:
        random = self.random
        told: list[Input] = [self.report(ExecType.NEW, 0, key="N")]
        if random.random() < 0.5:
            # Every report prints the order's id as its key: totals count, each once.
            parts = [random.randint(1, 9) for _ in range(3)]
            key, word = random.choice(("K", "N")), OrdStatus.PARTIALLY_FILLED
            reports = []
            for number, qty in enumerate(parts):
                said: dict[str, Any] = {
                    "cum_qty": D[sum(parts[: number + 1])],
                    "executions": (self.execution(f"{key}{number}", qty, 0),),
                }
                reports.append(self.report(ExecType.TRADE, 1 + number, key=key, word=word, **said))
            again = [msgspec.structs.replace(each, as_of=self.start + 20 * MS) for each in reports]
            random.shuffle(again)
            told += [*reports, self.voided(f"{key}2", 10), *again]
            self.cum, self.leaves = sum(parts[:2]), 60 - sum(parts)
            return told
        self.cum, self.leaves = 0, 60
        for number in range(3):
            off = random.randint(1, 9)
            self.leaves -= off
            report = self.report(None, 1 + number, key=f"K{number}", qty=None, reduced_qty=D[off])
            told += [report] * random.randint(1, 3)
        told[1:] = random.sample(told[1:], len(told) - 1)
        return told

    def look(self, world: World, *, end: bool) -> str | None:
        child = self.of(world.engine, "X")
        if not end or child is None or [int(child.cum), int(child.leaves)] == [self.cum, self.leaves]:
            return None
        return f"{child.cum} filled and {child.leaves} work here; {self.cum} and {self.leaves} by what was told"


class Unpriced(Story):
    """Executions whose price comes late: the position has a result once all have one."""

    often = 1

    def tell(self) -> list[Input]:
        random = self.random
        self.fills = [(random.randint(1, 9), random.randint(90, 99)) for _ in range(random.randint(1, 4))]
        told: list[Input] = [self.report(ExecType.NEW, 0)]
        late: list[Input] = []
        for number, (qty, px) in enumerate(self.fills):
            whole = self.execution(f"e{number}", qty, number, px=px)
            if random.random() < 0.6:
                told.append(msgspec.structs.replace(whole, px=None))
            late.append(whole)
        return [*told, *self.doubled(self.shuffled(late))]

    def look(self, world: World, *, end: bool) -> str | None:
        return paid_for(world.engine, self, sum(qty * px for qty, px in self.fills)) if end else None


class Many(Story):
    """More fills than are remembered one by one, and the void of one that is."""

    often = 0.25
    again = 0.0

    def tell(self) -> list[Input]:
        random = self.random
        told: list[Input] = []
        self.fills: list[tuple[int, int]] = []
        side, held = Side.BUY, 0
        count = random.randint(70, 90)
        for number in range(count):
            side = Side.BUY if held < 40 or random.random() < 0.6 else Side.SELL
            qty, px = random.randint(1, 9), random.randint(90, 110)
            held += qty if side is Side.BUY else -qty
            self.fills.append((qty if side is Side.BUY else -qty, px))
            name = f"X{number}"
            told.append(self.report(ExecType.NEW, number, name, f"a{number}", qty, side=side))
            told.append(self.execution(f"e{number}", qty, number, name, px))
        gone = count - random.randint(2, 40)
        told.append(self.voided(f"e{gone}", 1000, f"X{gone}"))
        self.fills.pop(gone)
        return told

    def look(self, world: World, *, end: bool) -> str | None:
        if not end:
            return None
        book = Book()
        for qty, px in self.fills:
            book.take(qty, qty * px)
        holdings = world.engine.holdings
        position = None if holdings is None else holdings.positions.get((self.venue, "", ACME))
        if position is not None and position.held == book.qty and abs(position.cost - Decimal(float(book.cost))) < 1:
            return None
        return f"{position and (position.held, position.cost)} is held; {book.qty} for {float(book.cost)} by what was told"


class Killed(Story):
    """The switch of a venue is pulled while an order of somebody else works there."""

    often = 1
    again = 0.0

    def tell(self) -> list[Input]:
        new, fill = self.report(ExecType.NEW, 0), self.execution("e", 5, 1)
        everywhere = self.random.random() < 0.2
        self.on: str | None = "*" if everywhere else self.venue
        switch = KillSwitch(venue=self.on, on=True, by="sim")
        return [new, *([fill] if self.random.random() < 0.5 else []), switch]

    def look(self, world: World, *, end: bool) -> str | None:
        if end and self.on is not None:
            world.later(300 * MS, world.feed, KillSwitch(venue=self.on, on=False, by="sim"))
            self.on = None
        return None


def paid_for(engine: Engine, story: Story, paid: int) -> str | None:
    """What is wrong with what was paid at a venue; None when it is this."""
    holdings = engine.holdings
    position = None if holdings is None else holdings.positions.get((story.venue, "", ACME))
    if position is not None and position.paid == paid and not position.unpriced:
        return None
    return f"{position and (position.paid, position.unpriced)} was paid; {paid} by what was told"


STORIES: tuple[type[Story], ...] = (
    *(Corrections, Split, Days, Moment, Overfilled, Keyed, Unpriced, Many, Killed),
    *NAMES,
)
"""Every story that may be told."""

__all__ = ["STORIES"]
