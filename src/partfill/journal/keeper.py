"""Which orders are in memory: open ones always, finished ones until they have been quiet, any of them when needed.

Rules
- An order leaves memory only when it is finished, has been quiet for `quiet_ns`, and its rows are committed.
- Before a step that names an id nobody in memory has, the journal is asked; what it finds comes back whole. So a late
  fill meets the order it belongs to, however old.
- Start-up work is proportional to the open orders, not to the history.
"""

from __future__ import annotations

from collections import deque

from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.core.invariants import Broken, check_whole
from partfill.journal.engine_state import thaw_engine
from partfill.journal.state import thaw
from partfill.journal.store import Store
from partfill.model.capabilities import FIX_LIKE
from partfill.model.commands import Amend, KillSwitch, Restarted, Stop, Submit, Tick
from partfill.model.inputs import DayRolled, Gap, Input, Unreadable, VenueDeclared
from partfill.model.words import Flag

QUIET_NS = 60_000_000_000
"""How long a finished order stays in memory after its last change (ns)."""
MAX_FINISHED = 20_000
"""Most finished orders in memory, however fresh."""

_NO_ORDER = (VenueDeclared, DayRolled, Gap, Unreadable, Submit, Stop, Amend, KillSwitch, Restarted, Tick)


class Keeper:
    """Brings orders into an engine's memory and lets them go."""

    __slots__ = ("_finished", "_last", "_store", "engine", "max_finished", "quiet_ns", "stored")

    def __init__(
        self, engine: Engine, store: Store, quiet_ns: int = QUIET_NS, max_finished: int = MAX_FINISHED, *, stored: bool = True
    ) -> None:
        self.engine = engine
        self._store = store
        self.quiet_ns = quiet_ns
        self.max_finished = max_finished
        self.stored = stored
        """False while the store is known to hold no order that is not in memory."""
        self._finished: deque[tuple[int, int, int]] = deque()
        """(order, sequence number of its last change, its time), oldest first."""
        self._last: dict[int, int] = {}
        """Finished order -> sequence number of its last change."""

    def recall(self, inp: Input) -> None:
        """Bring back the orders that `inp` names and that are not in memory."""
        if not self.stored or isinstance(inp, _NO_ORDER):
            return
        index = self.engine.index
        venue, account = inp.venue, inp.account
        order_id = getattr(inp, "order_id", None)
        if order_id is not None and (venue, account, order_id) not in index.by_order:
            self._load(venue, account, "order", order_id)
        new_id = getattr(inp, "new_order_id", None)
        if new_id is not None and (venue, account, new_id) not in index.by_order:
            self._load(venue, account, "order", new_id)
        for cl_ord_id in (inp.cl_ord_id, getattr(inp, "orig_cl_ord_id", None)):
            if cl_ord_id is not None and (venue, account, cl_ord_id) not in index.by_client:
                self._load(venue, account, "client", cl_ord_id)

    def _load(self, venue: str, account: str, kind: str, name: str) -> None:
        number = self._store.find(venue, account, kind, name)
        if number is not None and number not in self.engine.children:
            self.load(number)

    def load(self, number: int) -> Child | None:
        """Bring back one order by its number."""
        found = self._store.child_state(number)
        if found is None:
            return None
        blob, rows = found
        child, ledgers = thaw(blob, rows, FIX_LIKE)
        child.rules = self.engine.rules.get(child.venue, FIX_LIKE)
        child.settle()
        if not child.flags & Flag.QUARANTINED:
            try:
                check_whole(child)
            except Broken:
                # Rows and totals disagree: nothing is done with this order until a person looks; `verify` says where.
                child.mark(Flag.QUARANTINED)
                self.engine.counters.quarantined += 1
        self.engine.restore(child, ledgers)
        if not child.open:
            # It came for a look and leaves again, unless something happens to it.
            self._last[child.id] = 0
            self._finished.append((child.id, 0, child.updated))
        return child

    def note(self, effects: Effects, seq: int) -> None:
        """After step `seq`: remember a finished order as one that may leave."""
        child = effects.child
        if child is None or not effects.changed:
            return
        if child.open:
            self._last.pop(child.id, None)
        else:
            self._last[child.id] = seq
            self._finished.append((child.id, seq, child.updated))

    @property
    def crowded(self) -> bool:
        """Whether more finished orders are in memory than may stay."""
        return len(self._last) > self.max_finished

    def release(self, now: int, durable_seq: int) -> int:
        """Let finished, quiet orders go whose last change is on disk (`durable_seq`). Returns how many went."""
        gone = 0
        finished = self._finished
        while finished:
            number, seq, updated = finished[0]
            last = self._last.get(number)
            if last == seq:
                if seq > durable_seq or (len(self._last) <= self.max_finished and now - updated < self.quiet_ns):
                    break
                del self._last[number]
                child = self.engine.children.get(number)
                if child is not None:
                    self.engine.forget(child)
                    self.stored = True
                    gone += 1
            finished.popleft()
        return gone


def recover(store: Store, quiet_ns: int = QUIET_NS, max_finished: int = MAX_FINISHED) -> Keeper:
    """An engine as it was at the last commit, with its open orders in memory."""
    body = store.engine_body()
    engine = thaw_engine(body) if body is not None else Engine()
    keeper = Keeper(engine, store, quiet_ns, max_finished, stored=store.last_seq() > 0)
    next_id = engine.next_id
    for number in store.open_children():
        keeper.load(number)
    engine.next_id = next_id
    return keeper
