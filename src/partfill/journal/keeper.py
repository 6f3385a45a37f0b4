"""Which orders are in memory: open ones always, finished ones until they have been quiet, any of them when needed.

Rules
- An order leaves memory only when it is finished, has been quiet for `quiet_ns`, and its rows are committed.
- Before a step that names an id nobody in memory has, the journal is asked; what it finds comes back whole. So a late
  fill meets the order it belongs to, however old.
- Where nothing is traded (an audit), open orders too leave memory, the longest quiet first, beyond `max_open`. An input that
  may concern any of them brings all of them back first.
- Start-up work is proportional to the open orders, not to the history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

from partfill.core.attribution import alias
from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.core.invariants import Broken, check_whole
from partfill.core.parent import Parent
from partfill.journal.desk_state import thaw_parent, thaw_work
from partfill.journal.salvage import UNREADABLE, child_from_columns, parent_from_columns, work_from_child
from partfill.journal.state import is_split, thaw
from partfill.journal.store import Store
from partfill.model.commands import (
    Amend,
    Decide,
    KillSwitch,
    Looked,
    Protect,
    Reported,
    Restarted,
    Stop,
    Submit,
    Tick,
    Track,
    Unprotect,
    Untrack,
)
from partfill.model.inputs import (
    DayRolled,
    Execution,
    Gap,
    Input,
    InstrumentListed,
    MarketSeen,
    OrderSnapshot,
    Outage,
    PositionSeen,
    Quarantined,
    Unreadable,
    VenueDeclared,
)
from partfill.model.words import Flag

QUIET_NS = 60_000_000_000
"""How long a finished order stays in memory after its last change (ns)."""
MAX_FINISHED = 20_000
"""Most finished orders in memory, however fresh."""

_NO_ORDER = (
    *(VenueDeclared, DayRolled, Gap, Unreadable, KillSwitch, Restarted, Tick, Outage, Protect, Unprotect, PositionSeen),
    *(InstrumentListed, MarketSeen, Quarantined),
)
_NO_ORDER_AT_ALL = (Unreadable, InstrumentListed, MarketSeen)
"""Those of them that concern no order in any case."""
_BY_REF = (Submit, Untrack, Stop, Amend, Decide, Reported)


class Keeper:
    """Brings orders into an engine's memory and lets them go."""

    __slots__ = (
        *(
            "_finished",
            "_last",
            "_merged",
            "_together",
            "_open",
            "store",
            "away",
            "engine",
            "hidden",
            "max_finished",
            "max_open",
            "quiet_ns",
            "stored",
        ),
        "unread_protections",
        "unreadable",
    )

    def __init__(
        self, engine: Engine, store: Store, quiet_ns: int = QUIET_NS, max_finished: int = MAX_FINISHED, *, stored: bool = True
    ) -> None:
        self.engine = engine
        self.store = store
        self.quiet_ns = quiet_ns
        self.max_finished = max_finished
        self.stored = stored
        """False while the store is known to hold no order that is not in memory."""
        self.max_open: int | None = None
        """Most open orders in memory; None: all of them, as trading needs it."""
        self.away = 0
        """Open orders that were let go and may not be in memory."""
        self._open: dict[int, int] = {}
        """With `max_open`: open order -> sequence number of its last change, the longest quiet first."""
        self._finished: deque[tuple[int, int, int]] = deque()
        """(order, sequence number of its last change, its time), oldest first."""
        self.hidden: tuple[set[int], set[int]] = (set(), set())
        """Orders and parent orders whose rows are not written any more."""
        self.unread_protections: set[int] = set()
        """Protections whose rows cannot be read: they are ended with the first batch."""
        self.unreadable: list[str] = []
        """Orders whose rows cannot be read, and why: they stand in quarantine, made from their plain columns."""
        self._merged: dict[int, int] = {}
        """Orders that turned out to be others -> in which input: until that is on disk, the store still has them."""
        self._together: set[int] = set()
        """Orders in memory of whose ids every other holder is in memory too."""
        self._last: dict[int, int] = {}
        """Finished order -> sequence number of its last change."""

    def recall(self, inp: Input) -> None:
        """Bring back the orders that `inp` names and that are not in memory."""
        if not self.stored or isinstance(inp, _NO_ORDER):
            if self.away and not isinstance(inp, _NO_ORDER_AT_ALL):
                self._recall_open()
            return
        if isinstance(inp, _BY_REF):
            self._recall_parent(inp.venue, inp.account, inp.ref)
            return
        if isinstance(inp, Track):
            self._recall_parent(inp.venue, inp.account, inp.ref)
        if type(inp) is Execution and self._is_here(inp):
            return
        index = self.engine.index
        venue, account = inp.venue, inp.account
        said: OrderSnapshot | None = getattr(inp, "order", None)
        if said is not None:
            self.recall(said)
        for order_id in (getattr(inp, "order_id", None), getattr(inp, "new_order_id", None)):
            if order_id is None:
                continue
            known = index.by_order.get((venue, account, order_id))
            if known is None or known.child.contested:
                self._load(venue, account, "order", order_id)
                known = index.by_order.get((venue, account, order_id))
            if known is not None:
                self._gather(known.child)
                for each in (known, *index.former.get((venue, account, order_id), ())):
                    self._recall_alias(each.child, order_id, inp)
        names: tuple[str | None, ...] = (
            inp.cl_ord_id,
            getattr(inp, "orig_cl_ord_id", None),
            getattr(inp, "new_cl_ord_id", None),
        )
        if isinstance(inp, Looked) and inp.order_id is not None:
            # What is said of it is taken under its own id.
            asked = index.by_order.get((venue, account, inp.order_id))
            names = names if asked is None else (*names, asked.child.cl_ord_id)
        for cl_ord_id in names:
            if cl_ord_id is not None:
                mine = index.by_client.get((venue, account, cl_ord_id))
                if mine is None or mine.contested:
                    self._load(venue, account, "client", cl_ord_id)
                    mine = index.by_client.get((venue, account, cl_ord_id))
                if mine is not None:
                    self._gather(mine)
                    self._recall_alias(mine, cl_ord_id, inp)

    def _is_here(self, e: Execution) -> bool:
        """Whether an execution is of an order in memory, and can be of no other: most often it is."""
        if e.order_id is None or e.cl_ord_id is not None:
            return False
        index, scope = self.engine.index, (e.venue, e.account, e.order_id)
        known = index.by_order.get(scope)
        if known is None or known.child.contested or scope in index.former:
            return False
        return not known.child.contradicts(e.instrument, e.side)

    def _recall_alias(self, child: Child, name: str, inp: Input) -> None:
        """Bring back what is kept under an id of an order that it contradicts (see `attribution`)."""
        of = inp.terms if isinstance(inp, Track) else inp
        kept = alias(child, name, getattr(of, "instrument", None), getattr(of, "side", None))
        if kept is not None and (child.venue, child.account, kept) not in self.engine.index.by_order:
            self._load(child.venue, child.account, "order", kept)

    def _recall_open(self) -> None:
        """Bring back every open order."""
        for number in self.store.open_children():
            if number not in self.engine.children:
                self.load(number)
        self.away = 0

    def parent(self, venue: str, account: str, ref: str) -> Parent | None:
        """The parent order of this user id, brought back where it has left memory. It leaves again by itself."""
        if self.stored:
            self._recall_parent(venue, account, ref)
        return self.engine.desk.by_ref.get((venue, account, ref))

    def _recall_parent(self, venue: str, account: str, ref: str) -> None:
        if (venue, account, ref) not in self.engine.desk.by_ref:
            number = self.store.find_parent(venue, account, ref)
            if number is not None:
                self.load_parent(number)

    def _load(self, venue: str, account: str, kind: str, name: str) -> None:
        for number in self.store.find(venue, account, kind, name):
            if number not in self.engine.children and number not in self._merged:
                self.load(number)

    def load_parent(self, number: int) -> None:
        """Bring back a parent order with all its children."""
        desk = self.engine.desk
        found = self.store.parent_state(number)
        if found is None or number in desk.parents:
            return
        blob, works = found
        try:
            parent = thaw_parent(blob)
        except UNREADABLE as error:
            parent = parent_from_columns(self.store, number)
            self.name(f"parent order {number} ({parent.ref}) is halted: its state cannot be read: {error}")
        desk.remember(parent)
        for each, state in works:
            child = self._load_one(each)
            if child is not None:
                try:
                    thaw_work(state, child, parent)
                except UNREADABLE as error:
                    work_from_child(child, parent)
                    self.name(f"order {each} is halted: what was asked for it cannot be read: {error}")
                if child.flags & Flag.QUARANTINED:
                    parent.halted = True
                self._stays_or_goes(child)
        desk.set_timers(parent)

    def hide(self, orders: Iterable[int], parents: Iterable[int]) -> None:
        """No row of these is written any more: the file refused one."""
        self.hidden[0].update(orders)
        self.hidden[1].update(parents)

    def name(self, what: str) -> None:
        """Say once what cannot be read."""
        if what not in self.unreadable:
            self.engine.counters.quarantined += 1
            self.unreadable.append(what)

    def load(self, number: int) -> Child | None:
        """Bring back one order by its number, with its parent and that one's other children if it has one."""
        parent = self.store.parent_of(number)
        if parent is not None:
            self.load_parent(parent)
            return self.engine.children.get(number)
        child = self._load_one(number)
        if child is not None:
            self._stays_or_goes(child)
        return child

    def _load_one(self, number: int) -> Child | None:
        found = self.store.child_state(number)
        if found is None:
            return None
        blob, rows = found
        try:
            parts = self.store.parts(number) if is_split(blob) else []
            child, ledgers = thaw(blob, rows, self.engine.rules, self.store.seen(number), parts)
        except UNREADABLE as error:
            child, ledgers = child_from_columns(self.store, number)
            self.name(f"order {number} is in quarantine: its state cannot be read: {error}")
        if not child.flags & Flag.QUARANTINED:
            try:
                check_whole(child)
            except (Broken, ArithmeticError):
                # Rows and totals disagree: nothing is done with this order until a person looks; `verify` says where.
                child.mark(Flag.QUARANTINED)
                self.engine.counters.quarantined += 1
        self.engine.restore(child, ledgers)
        return child

    def _gather(self, child: Child) -> None:
        """Bring back whoever else has or had an id of this order, and of theirs: all of them decide what an id means."""
        index, found = self.engine.index, [child]
        while found:
            each = found.pop()
            if each.id in self._together or not each.contested:
                continue
            self._together.add(each.id)
            for name in each.order_ids:
                self._load(each.venue, each.account, "order", name)
                found.extend(ledger.child for ledger in index.holders((each.venue, each.account, name)))
            for name in each.client_ids:
                self._load(each.venue, each.account, "client", name)
                found.extend(index.client_holders((each.venue, each.account, name)))

    def _stays_or_goes(self, child: Child) -> None:
        if child.open and self.max_open is not None and child.work is None:
            self._open.pop(child.id, None)
            self._open[child.id] = 0
        if not child.open:
            # It came for a look and leaves again, unless something happens to it.
            self._last[child.id] = 0
            self._finished.append((child.id, 0, child.updated))

    def note(self, effects: Effects, seq: int) -> None:
        """After step `seq`: remember a finished order as one that may leave."""
        if effects.child is not None and effects.changed:
            self._note(effects.child, seq)
        for change in effects.others:
            self._note(change.child, seq)
        for gone, keep, _ in effects.merged:
            self._merged[gone] = seq
            self._together.discard(keep)

    def _note(self, child: Child, seq: int) -> None:
        if self.max_open is not None:
            self._open.pop(child.id, None)
            if child.open and child.work is None:
                self._open[child.id] = seq
        if child.open:
            self._last.pop(child.id, None)
        else:
            self._last[child.id] = seq
            self._finished.append((child.id, seq, child.updated))

    @property
    def crowded(self) -> bool:
        """Whether more orders are in memory than may stay."""
        return len(self._last) > self.max_finished or (self.max_open is not None and len(self._open) > self.max_open)

    def release(self, now: int, durable_seq: int) -> int:
        """Let finished, quiet orders go whose last change is on disk (`durable_seq`). Returns how many went."""
        gone = 0
        if self._merged:
            self._merged = {number: seq for number, seq in self._merged.items() if seq > durable_seq}
        finished = self._finished
        while finished:
            number, seq, updated = finished[0]
            last = self._last.get(number)
            if last == seq:
                if seq > durable_seq or (len(self._last) <= self.max_finished and now - updated < self.quiet_ns):
                    break
                gone += self._forget(number, last)
            finished.popleft()
        return gone if self.max_open is None else gone + self._release_open(self.max_open, durable_seq)

    def _release_open(self, most: int, durable_seq: int) -> int:
        """Let the open orders go that have been quiet longest."""
        gone = 0
        for number in list(islice(self._open, max(0, len(self._open) - most))):
            if self._open[number] > durable_seq:
                break
            del self._open[number]
            child = self.engine.children.get(number)
            if child is not None:
                self.stored = True
                self._forget_one(child)
                self.away += 1
                gone += 1
        return gone

    def _forget(self, number: int, seq: int) -> int:
        """Let one order go; of a parent's children all at once, when the last of them may."""
        child = self.engine.children.get(number)
        if child is None:
            del self._last[number]
            return 0
        self.stored = True
        if child.work is None:
            del self._last[number]
            self._forget_one(child)
            return 1
        parent = child.work.parent
        if any(each.open or self._last.get(each.id, 0) > seq for each in parent.children):
            # A later one of them takes this one along.
            return 0
        for each in parent.children:
            self._last.pop(each.id, None)
            self._forget_one(each)
        self.engine.desk.forget(parent)
        return len(parent.children)

    def _forget_one(self, child: Child) -> None:
        self.engine.forget(child)
        if child.contested:
            self._together.clear()
