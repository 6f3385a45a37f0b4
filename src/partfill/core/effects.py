"""What one step brings about, and the engine's counters."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from partfill.core.child import Child
from partfill.core.ledger import Ledger
from partfill.model.dust import Speck
from partfill.model.events import Event
from partfill.model.numbers import ZERO
from partfill.model.operations import Operation
from partfill.model.words import Flag, OrdStatus

if TYPE_CHECKING:
    from partfill.core.engine import Engine
    from partfill.core.guard import Protection
    from partfill.core.parent import Parent
    from partfill.core.position import Position
    from partfill.model.inputs import InstrumentListed

State = tuple[OrdStatus, Decimal | None, Decimal, Decimal, Decimal, int]
"""What the audit trail compares: (ord_status, order_qty, cum_qty, leaves_qty, value of the ledger touched, kept flags)."""

_QUARANTINED = int(Flag.QUARANTINED)

_NOTHING: State = (OrdStatus.PENDING_NEW, None, ZERO, ZERO, ZERO, 0)


class Came(NamedTuple):
    """How an execution row came into a ledger through a merger."""

    source: Ledger | None
    """The ledger that it was in; None where the merger made it."""
    anew: bool
    """Whether it stands behind what the ledger had, so that its order of arrival is that of the merger."""


RowChange = tuple[Ledger, str, int | None, Came | None]
"""One execution row that a step wrote or dropped: (ledger, key, venue time, how a merger brought it).

Its newest content stands in `ledger.rows[key]`; it was dropped where the key is not there."""

Merged = tuple[int, int, list[tuple[int, Ledger, int]]]
"""An order that turned out to be another one: (its number, the other's, its ledgers with their positions here and there)."""


class Effects:
    """Everything that follows from one input. `child` is the order it touched, None if none."""

    # Plain attributes with defaults on the class: one of these is made per input, most keep most defaults.
    child: Child | None = None
    ledger: Ledger | None = None
    before: State = _NOTHING
    after: State = _NOTHING
    told: Decimal = ZERO
    """What subscribers had heard of before this step: nothing while the order was not known."""
    published: Decimal = ZERO
    """Net quantity of the events of this step: fills less reversals."""
    merged: tuple[Merged, ...] = ()
    """Parked orders that turned out to be another one, one after the other."""
    query: bool = False
    """True when the venue should be asked about this order."""
    behind: bool = False
    """True when the venue states more than could be booked: it may count what was taken back after the question was sent."""
    duplicate: bool = False
    """True when the input was known already."""
    bound: bool = False
    """True when ids, descriptions or the day of an order moved, even by a duplicate."""
    changed: bool = False
    """True when the order's row has to be written."""
    seq: int = 0
    """Number of the input in the journal, once it has one."""
    now: int = 0
    """When the step was made (ns UTC), once it has a number."""
    operations: Sequence[Operation] = ()
    """What to ask venues, once this step is durable."""
    others: Sequence[Change] = ()
    """Further orders that this step touched, besides `child`."""
    wanted: Sequence[Parent] = ()
    """Parent orders on whose rest a decision is wanted, with the market as it is once this step is durable."""
    positions: Sequence[Position] = ()
    """Positions that changed."""
    protections: Sequence[Protection] = ()
    """Protections that changed."""
    specks: Sequence[Speck] = ()
    """Dust that was noted, used or taken back."""
    called: int = 0
    """Number of the decision that a report of another system calls for; 0 for none."""
    parents: Sequence[Parent] = ()
    """Parent orders whose rows have to be written."""
    listed: Sequence[InstrumentListed] = ()
    """What a venue said of instruments, other than before."""
    waits: Sequence[Parent] = ()
    """Protective orders that filled: what they ask for next waits until their positions are known."""
    aside: bool = False
    """True when the message is about a request: what it prints is not of the order."""
    doubts: bool = False
    """True when what is doubted of an order changed."""
    engine: bool = False
    """True when something changed that belongs to no order: the kill switch, the desk's name."""

    _has: set[int] | None = None
    """Identities of the orders and parents that are listed."""
    _others: list[Change] | None = None
    _parents: list[Parent] | None = None
    _operations: list[Operation] | None = None

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.rows: list[RowChange] = []

    def enter(self, child: Child, ledger: Ledger, engine: Engine) -> bool:
        """This step is about `child`; False when it is in quarantine and must not be touched."""
        self.ledger = ledger
        if self.child is not child:
            if self.child is not None and self.bound:
                # It took something in from another order before the message turned out to be about this one.
                change = Change(self.child)
                change.told, change.published = self.told, self.published
                self._is_new(self.child)
                self._others = [*(self._others or ()), change]
                self.others = self._others
            self.told = self.published = ZERO
            if engine.days:
                day = engine.days.get((child.venue, child.account), 0)
                if day != child.day:
                    child.roll_day(day)
                    self.bound = True
            self.child = child
            if child.order_qty is not None or child.cash_qty is not None:
                self.told = child.cum
            self.before = (child.status, child.order_qty, child.cum, child.leaves, ledger.notional, child.flags)
        if child.flags & _QUARANTINED:
            engine.counters.held += 1
            self.child = None
            if self.bound:
                # Whatever else comes under the id that it has now is held too, after a restart as well.
                self.touch(child)
                if child.work is not None:
                    self.parent(child.work.parent)
            return False
        return True

    def leave(self, child: Child) -> None:
        """The step goes on with `child`: what it did so far was done to another order, which counts as touched."""
        other = self.child
        if other is None or other is child:
            return
        if self.bound or not self.duplicate:
            change = Change(other)
            change.before, change.told, change.published = self.before, self.told, self.published
            self._is_new(other)
            self._others = [*(each for each in self.others if each.child is not other), change]
            self.others = self._others
        self.child = self.ledger = None
        self.told = self.published = ZERO
        self.duplicate = self.bound = False

    # ------------------------------------------------------------------ what the desk adds

    def touch(self, child: Child) -> None:
        """The step changes this order too. Call before the change."""
        if child is self.child:
            self.bound = True
        elif self._is_new(child):
            self._beside(child)

    def _is_new(self, one: Child | Parent) -> bool:
        """Whether this order or parent was not listed before. One step may list all of them: a kill switch."""
        if self._has is None:
            self._has = {id(one)}
            return True
        if id(one) in self._has:
            return False
        self._has.add(id(one))
        return True

    def _beside(self, child: Child) -> None:
        self._others = self._others or []
        self._others.append(Change(child))
        self.others = self._others

    def parent(self, parent: Parent) -> None:
        """The step changes this parent order."""
        if self._is_new(parent):
            self._parents = self._parents or []
            self._parents.append(parent)
            self.parents = self._parents

    def family(self, parent: Parent) -> None:
        """The parent ends, or goes on: that decides whether its orders may leave memory."""
        for child in parent.children:
            self.touch(child)

    def want(self, parent: Parent) -> None:
        """A decision on the rest of this parent is wanted."""
        if parent not in self.wanted:
            self.wanted = [*self.wanted, parent]

    def position(self, position: Position) -> None:
        """The step changes this position."""
        if position not in self.positions:
            self.positions = [*self.positions, position]

    def protection(self, protection: Protection) -> None:
        """The step changes this protection."""
        if protection not in self.protections:
            self.protections = [*self.protections, protection]

    def speck(self, speck: Speck) -> None:
        """The step changes this dust."""
        self.specks = [*self.specks, speck]

    def send(self, operation: Operation) -> None:
        """Ask a venue, once this step is durable."""
        self._operations = self._operations or []
        self._operations.append(operation)
        self.operations = self._operations

    def take_back(self, first: int) -> None:
        """Nothing from operation number `first` on leaves."""
        if self._operations is not None:
            del self._operations[first:]


class Change:
    """An order touched beside the one that the input is about, with its state before and after."""

    __slots__ = ("after", "before", "child", "published", "told")

    def __init__(self, child: Child) -> None:
        self.child = child
        self.told: Decimal | None = None
        """What subscribers had heard of it before, where the step told of more; None where it did not."""
        self.published = ZERO
        self.before = self.after = state_of(child)


def state_of(child: Child) -> State:
    """What the audit trail compares."""
    return (child.status, child.order_qty, child.cum, child.leaves, child.ledger.notional, child.flags)


class Counters:
    """What happened since the start, as plain counts."""

    __slots__ = (
        "alarms",
        "duplicates",
        "executions",
        "gaps",
        "held",
        "inputs",
        "orders",
        "parked",
        "quarantined",
        "unattributed",
        "unreadable",
        "voids",
    )

    def __init__(self) -> None:
        self.inputs = 0
        self.orders = 0
        self.executions = 0
        """Executions booked, corrections and voids not counted."""
        self.duplicates = 0
        self.parked = 0
        """Executions that came for an order without terms."""
        self.voids = 0
        self.alarms = 0
        self.gaps = 0
        self.held = 0
        """Inputs of orders in quarantine."""
        self.quarantined = 0
        self.unattributed = 0
        self.unreadable = 0

    def as_dict(self) -> dict[str, int]:
        """All counts by name."""
        return {name: getattr(self, name) for name in self.__slots__}
