"""What one step brings about, and the engine's counters."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core.child import Child
from partfill.core.ledger import Ledger
from partfill.model.events import Event
from partfill.model.numbers import ZERO
from partfill.model.words import Flag, OrdStatus

if TYPE_CHECKING:
    from partfill.core.engine import Engine

State = tuple[OrdStatus, Decimal | None, Decimal, Decimal, Decimal, int]
"""What the audit trail compares: (ord_status, order_qty, cum_qty, leaves_qty, value of the ledger touched, kept flags)."""

_QUARANTINED = int(Flag.QUARANTINED)

_NOTHING: State = (OrdStatus.PENDING_NEW, None, ZERO, ZERO, ZERO, 0)


class RowChange:
    """One execution row that a step wrote: the newest content stands in `ledger.rows[key]`."""

    __slots__ = ("key", "ledger", "leg", "venue_time")

    def __init__(self, ledger: Ledger, key: str, venue_time: int | None, leg: str | None = None) -> None:
        self.ledger = ledger
        self.key = key
        self.venue_time = venue_time
        self.leg = leg


class Effects:
    """Everything that follows from one input. `child` is the order it touched, None if none."""

    __slots__ = (
        "after",
        "before",
        "bound",
        "changed",
        "child",
        "duplicate",
        "events",
        "ledger",
        "merged",
        "published",
        "query",
        "rows",
    )

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.rows: list[RowChange] = []
        self.child: Child | None = None
        self.ledger: Ledger | None = None
        self.before: State = _NOTHING
        self.after: State = _NOTHING
        self.published = ZERO
        """Net quantity of the events of this step: fills less reversals."""
        self.merged: list[tuple[int, Child]] = []
        """Parked orders that turned out to be another one: (number that goes, order that stays)."""
        self.query = False
        """True when the venue should be asked about this order."""
        self.duplicate = False
        """True when the input was known already."""
        self.bound = False
        """True when ids, descriptions or the day of an order moved, even by a duplicate."""
        self.changed = False
        """True when the order's row has to be written."""

    def enter(self, child: Child, ledger: Ledger, engine: Engine) -> bool:
        """This step is about `child`; False when it is in quarantine and must not be touched."""
        self.ledger = ledger
        if self.child is not child:
            if engine.days:
                day = engine.days.get((child.venue, child.account), 0)
                if day != child.day:
                    child.roll_day(day)
                    self.bound = True
            self.child = child
            self.before = (child.status, child.order_qty, child.cum, child.leaves, ledger.notional, child.flags)
        if child.flags & _QUARANTINED:
            engine.counters.held += 1
            self.child = None
            return False
        return True


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
