"""Which order a message is about, and what happens when its ids say two things.

Theory. An id is evidence of identity, not identity. A message is matched by the venue's order id first, then by any client
id of the chain, then by the id that it replaces. A match that the message's own instrument or side contradicts is no match.

Rules
- A blank id is no id. Nor is one that two orders have shown to share (`shared`): from the message that shows it onward.
- Instrument or side of another order under a known id: the message is parked under (id, instrument, side), alarmed, and counts
  nowhere. Where ids are unique per instrument only (`id_scope`), it is simply another order.
- A known id that begins anew is another life of it: see `lives`.
- A Replaced names with tag 41 what it replaces, an `OrderLinked` names both: whatever was parked under either id, or came
  from the venue alone, is merged into one order, in every order of arrival.
- An id that the chain has left still leads to the order. An end said under it ends that leg only.
- A refusal that names an open request, or the order that it would have changed, refuses the request and not the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core import fills, lives, presumed
from partfill.core.child import Child
from partfill.core.effects import Came, Effects
from partfill.core.ledger import Ledger
from partfill.core.lifecycle import ENDED
from partfill.core.merging import into_era, merge
from partfill.model.capabilities import FIX_LIKE, Chain, IdScope, ReplaceQty
from partfill.model.commands import Track
from partfill.model.events import AlarmKind, CommandRefused, Reversal
from partfill.model.inputs import OrderPlaced
from partfill.model.numbers import ZERO
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.words import ExecType, Flag, OrdStatus, Side

if TYPE_CHECKING:
    from partfill.core.engine import Engine

_REPLACED = int(Flag.REPLACED)
_UNCLAIMED = int(Flag.UNCLAIMED)

SEPARATOR = "\x1f"
"""Between an id and the instrument and side that tell two orders under it apart. No venue prints it in an id."""


def attribute(engine: Engine, venue: str, account: str, order_id: str | None, cl_ord_id: str | None, orig: str | None,
              effects: Effects, *, create: bool, instrument: str | None = None, side: Side | None = None,
              as_of: int | None = None, ref: str | None = None, said: Execution | None = None) -> Ledger | None:  # fmt: skip
    """The ledger that a message is about, its ids bound; a parked order is made when `create`. None: of no order.

    `instrument` and `side` are those that the message itself states. `ref` is the execution
    that it is about, `said` the one that it is.
    """
    index = engine.index
    # A blank id is none; by hand, since this is done for every message.
    order_id = order_id if order_id and not order_id.isspace() else None
    cl_ord_id = cl_ord_id if cl_ord_id and not cl_ord_id.isspace() else None
    orig = orig if orig and not orig.isspace() else None
    if order_id is not None and engine.shared and (venue, account, order_id) in engine.shared:
        order_id = None
    ledger = index.by_order.get((venue, account, order_id)) if order_id is not None else None
    mine = index.by_client.get((venue, account, cl_ord_id)) if cl_ord_id is not None else None
    if ledger is not None:
        if ledger.child.life:
            ledger = lives.meant(engine.index, (venue, account, order_id or ""), ledger, as_of, ref, said)
        child = ledger.child
        if child.contradicts(instrument, side) and mine is not None and _is_of(mine, child, instrument, side):
            name = alias(child, order_id or "", instrument, side) or ""
            return _aside(engine, mine, order_id or "", name, cl_ord_id, effects)
        if child.contradicts(instrument, side):
            kept = _elsewhere(engine, child, order_id or "", instrument, side, effects)
            if cl_ord_id is not None and mine is None:
                index.bind_client(kept.child, cl_ord_id)
                effects.bound = True
            return kept
        if cl_ord_id is not None and mine is None:
            index.bind_client(child, cl_ord_id)
            effects.bound = True
        elif mine is not None and mine is not child:
            former = lives.held(index, (venue, account, order_id or ""), mine)
            if former is not None:
                return former
            ledger = two_orders(engine, child, mine, ledger, effects, joined=orig is not None, printed=order_id)
        return ledger
    if mine is None and orig is not None:
        mine = index.by_client.get((venue, account, orig))
        if mine is not None and mine.contradicts(instrument, side):
            mine = None
        if mine is not None and cl_ord_id is not None:
            index.bind_client(mine, cl_ord_id)
            effects.bound = True
    elif mine is not None and mine.contradicts(instrument, side):
        if order_id is None:
            return _elsewhere(engine, mine, cl_ord_id or "", instrument, side, effects)
        _tell(engine, mine, cl_ord_id or "", instrument, side, effects)
        mine, cl_ord_id = None, None
    if mine is not None:
        late = as_of is not None and as_of < mine.heard
        return mine.ledger if order_id is None else continue_as(engine, mine, order_id, effects, cl_ord_id, late=late)
    if not create or (order_id is None and cl_ord_id is None):
        unattributed(engine, effects, venue, account, f"order id {order_id}, client id {cl_ord_id or orig}")
        return None
    return new_child(engine, venue, account, order_id, cl_ord_id).ledger


def tracked(engine: Engine, t: Track, effects: Effects) -> Ledger | None:
    """The order that a user wants kept, by its ids; of another instrument or side than the one known by them, another one."""
    names = (t.venue, t.account, t.order_id, t.cl_ord_id, None)
    ledger = attribute(engine, *names, effects, create=True, instrument=t.terms.instrument, side=t.terms.side)
    if ledger is None:
        said = f"{t.order_id or t.cl_ord_id!r} is blank, or printed for several orders: it names none; give another id of it"
        effects.events.append(CommandRefused(0, None, None, t.ref, said))
    return ledger


def placed_anew(engine: Engine, p: OrderPlaced, known: Child, effects: Effects) -> bool:
    """Whether an order of ours leaves under the client id of another one, `known`: that one then gives the id up."""
    later = p.as_of is not None and p.as_of // lives.DAY_NS > known.heard // lives.DAY_NS
    over = not known.open_at_venue or known.tif in lives.ONE_DAY
    by_day = known.rules.id_scope is IdScope.DAY and later and over
    hard = known.contradicts(p.terms.instrument, p.terms.side)
    if not hard and not by_day:
        asked, terms = p.terms.order_qty, (known.peak_qty, known.order_qty)
        if known.placed and known.ids is None and asked is not None and known.cash_qty is None and asked not in terms:
            effects.touch(known)
            if known.mark(Flag.DUPLICATE_ID):
                said = f"client id {p.cl_ord_id} is an order of {terms[0]}; an order of {asked} under it is not kept"
                engine.alarm(effects, known, AlarmKind.DUPLICATE_ID, said)
        return False
    if known.work is not None and not by_day:
        _tell(engine, known, p.cl_ord_id or "", p.terms.instrument, p.terms.side, effects)
        return False
    if hard and known.open_at_venue and not by_day:
        _tell(engine, known, p.cl_ord_id or "", p.terms.instrument, p.terms.side, effects)
    effects.touch(known)
    engine.index.part_client((p.venue, p.account, p.cl_ord_id or ""))
    return True


def _id(name: str | None) -> str | None:
    """The id; None for one that is blank."""
    return name if name is None or (name and not name.isspace()) else None


def alias(child: Child, name: str, instrument: str | None, side: Side | None) -> str | None:
    """The name under which what contradicts `child` by its id `name` is kept; None where nothing contradicts."""
    if not child.contradicts(instrument, side):
        return None
    if child.rules.id_scope is IdScope.INSTRUMENT and instrument is not None and instrument != child.instrument:
        return SEPARATOR.join((name, instrument))
    return SEPARATOR.join((name, instrument or "", "" if side is None else side.value))


def _elsewhere(engine: Engine, child: Child, name: str, instrument: str | None, side: Side | None, effects: Effects) -> Ledger:
    """A message that is not about `child`, though it has its id: the ledger under which that is kept."""
    kept = alias(child, name, instrument, side)
    assert kept is not None
    found = engine.index.by_order.get((child.venue, child.account, kept))
    if found is not None:
        return found
    if child.rules.id_scope is not IdScope.INSTRUMENT or instrument in (None, child.instrument):
        _tell(engine, child, name, instrument, side, effects)
    other = new_child(engine, child.venue, child.account, kept, None)
    other.ledger.order_id = name
    other.instrument, other.side = instrument, side
    return other.ledger


def _is_of(mine: Child, child: Child, instrument: str | None, side: Side | None) -> bool:
    """Whether a message under an id of `child`, which it contradicts, is of the order that its client id names."""
    return mine is not child and mine.rules.chain is Chain.CONTINUES and not mine.contradicts(instrument, side)


def _aside(engine: Engine, mine: Child, order_id: str, kept: str, cl_ord_id: str | None, effects: Effects) -> Ledger:
    """An order under an id that another one has, known by its client id: what was kept for it under `kept` is its own."""
    former = lives.held(engine.index, (mine.venue, mine.account, order_id), mine)
    if former is not None:
        # Both ids say so: it had this one before the order that has it now.
        return former
    found = engine.index.by_order.get((mine.venue, mine.account, kept))
    if found is not None and found.child is not mine:
        return two_orders(engine, found.child, mine, found, effects, printed=order_id)
    if found is not None:
        return found
    before = mine.order_id
    ledger = continue_as(engine, mine, kept, effects, cl_ord_id)
    if ledger.order_id == kept:
        ledger.order_id = before or order_id
    return ledger


def _tell(engine: Engine, child: Child, name: str, instrument: str | None, side: Side | None, effects: Effects) -> None:
    """Alarm: one id, two orders."""
    effects.touch(child)
    child.mark(Flag.ID_CONFLICT)
    ours = " ".join(filter(None, (child.side, child.instrument)))
    theirs = " ".join(filter(None, (side, instrument)))
    said = f"id {name} is a {ours} (order {child.id}); a message under it is a {theirs}: it is kept apart"
    engine.alarm(effects, child, AlarmKind.ID_CONFLICT, said)


def unattributed(engine: Engine, effects: Effects, venue: str, account: str, ids: str) -> None:
    """A message that concerns no order anybody knows."""
    engine.counters.unattributed += 1
    engine.alarm(effects, None, AlarmKind.NO_ORDER, f"{venue} {account}: a message of no known order ({ids})")


def new_child(engine: Engine, venue: str, account: str, order_id: str | None, cl_ord_id: str | None) -> Child:
    """An order that nobody knew, with its ids bound."""
    child = Child(engine.next_id, venue, account, order_id, cl_ord_id, engine.rules.get(venue, FIX_LIKE))
    child.day = engine.days.get((venue, account), 0)
    engine.next_id += 1
    engine.children[child.id] = child
    engine.counters.orders += 1
    if order_id is not None:
        engine.index.bind_order(child.ledger, order_id)
    if cl_ord_id is not None:
        engine.index.bind_client(child, cl_ord_id)
    return child


def continue_as(engine: Engine, child: Child, order_id: str, effects: Effects, cl_ord_id: str | None = None, *,
                joined: bool = False, late: bool = False) -> Ledger:  # fmt: skip
    """The order goes on (or turns out to be) under this venue id; returns the ledger of that id.

    `cl_ord_id`: the client id that came with it. `joined`: the venue says itself that the two are one. `late`: it was said
    before something else that was heard of the order.
    """
    index = engine.index
    found = index.by_order.get((child.venue, child.account, order_id))
    if found is not None:
        if found.child is child:
            return found
        if joined and _may_be_one(child, found.child):
            return join(engine, child, found.child, found, effects)
        return two_orders(engine, found.child, child, found, effects, printed=order_id)
    effects.bound = True
    restarts = child.rules.chain is Chain.RESTARTS
    if not restarts and child.ledger.order_id is not None and cl_ord_id is not None and child.supersedes(cl_ord_id):
        # It is the id of a version that was replaced since.
        now = child.ledger.order_id
        index.bind_order(child.ledger, order_id)
        child.ledger.order_id = now
        child.left += (order_id,)
        return child.ledger
    if child.ledger.order_id is not None and restarts:
        child.ledger = Ledger(child, None)
        child.ledger.era = child.era
        child.ledgers.append(child.ledger)
        # What may have ended was the venue order before; this one goes on.
        child.ended_at = 0
    child.flags &= ~_REPLACED
    presumed.said_over(child)
    before = child.ledger.order_id
    index.bind_order(child.ledger, order_id)
    if before is not None and cl_ord_id is not None and cl_ord_id != child.client_ids[0]:
        # A replace of ours named it.
        leave(child, order_id, effects)
    elif before is not None and late:
        # What it was called before it had its id.
        child.ledger.order_id = before
    return child.ledger


def works_under(child: Child, s: OrderSnapshot, effects: Effects) -> None:
    """An answer says that the order works under an id that the chain was thought to have left: it is the one in force.

    Not where the one in force has ended by the venue's own word, or something later was heard: an answer that lags shows an id
    as it was.
    """
    if (
        s.asked is not None
        and s.asked >= child.heard
        and child.works
        and s.leaves_qty
        and s.order_id in child.left
        and s.ord_status in (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED)
    ):
        leave(child, s.order_id, effects)


def two_orders(engine: Engine, by_order: Child, by_client: Child, ledger: Ledger, effects: Effects, *,
               joined: bool = False, printed: str | None = None) -> Ledger:  # fmt: skip
    """One message names two orders. A parked or nameless one is evidence of the other; two real ones are an alarm.

    `joined`: the message says itself that they are one. `printed`: the order id in it.
    """
    if _may_be_one(by_client, by_order):
        if not by_order.known or by_order.nameless:
            return absorb(engine, by_client, by_order, effects).get(ledger, ledger)
        if not by_client.known:
            absorb(engine, by_order, by_client, effects)
            return ledger
    shared = set(by_client.client_ids).intersection(by_order.client_ids)
    if shared and not joined:
        # A client id that two orders have: the venue's id says which is meant.
        return ledger
    if not joined and lives.share(engine, by_order, by_client, printed or ledger.order_id, effects):
        return by_client.ledger
    text = f"order id {ledger.order_id} is order {by_order.id}, client id {by_client.cl_ord_id} is order {by_client.id}"
    engine.alarm(effects, by_order, AlarmKind.ID_CONFLICT, text + "; the order id rules")
    return ledger


# ---------------------------------------------------------------------- replaces


def replaced(engine: Engine, s: OrderSnapshot, ledger: Ledger, effects: Effects) -> Ledger:
    """A Replaced report names the order that it replaces (tag 41): whatever came under either name is one order."""
    child, orig = ledger.child, _id(s.orig_cl_ord_id)
    if orig is None:
        return ledger
    other = engine.index.by_client.get((s.venue, s.account, orig))
    if other is None:
        engine.index.bind_client(child, orig)
        effects.bound = True
    elif other is not child and _may_be_one(other, child):
        if not _both_ours(other, child):
            leave(other, s.order_id, effects)
        ledger = join(engine, other, child, ledger, effects)
        child = ledger.child
    if s.cl_ord_id is None or not child.supersedes(s.cl_ord_id):
        leave(child, s.order_id, effects)
    return ledger


def _may_be_one(one: Child, other: Child) -> bool:
    """Whether two orders may turn out to be one: nothing contradicts it, and they are no two lives of one id."""
    if one.contradicts(other.instrument, other.side):
        return False
    if any(ledger.scales for ledger in (*one.ledgers, *other.ledgers)):
        # Of evidence from both sides of a split nobody can say which units it is in.
        return False
    if not (one.contested and other.contested):
        return True
    return set(one.order_ids).isdisjoint(other.order_ids) and set(one.client_ids).isdisjoint(other.client_ids)


def _both_ours(older: Child, newer: Child) -> bool:
    """Whether nothing a venue says makes one order of them."""
    ours = [child.work is not None or child.placed for child in (older, newer)]
    return all(ours) and older.known and newer.known


def join(engine: Engine, older: Child, newer: Child, ledger: Ledger, effects: Effects) -> Ledger:
    """The venue says that `newer`, whose `ledger` the message is about, continues `older`; returns the ledger it is now."""
    if not newer.known or newer.nameless or (newer.work is None and not newer.placed and older.known):
        return absorb(engine, older, newer, effects).get(ledger, ledger)
    if not older.known or older.nameless or (older.work is None and not older.placed):
        name = newer.ledger.order_id
        absorb(engine, newer, older, effects)
        if newer.rules.chain is Chain.CONTINUES and name is not None:
            # The older one's id is a former name.
            newer.ledger.order_id = name
        return ledger
    text = f"order {newer.cl_ord_id} is said to replace {older.cl_ord_id}, and both are orders of ours"
    engine.alarm(effects, newer, AlarmKind.ID_CONFLICT, text)
    return ledger


def named_by_link(engine: Engine, child: Child, cl_ord_id: str, effects: Effects) -> bool:
    """Bind the client id under which a link says that the order goes on; False where it is another order's."""
    other = engine.index.by_client.get((child.venue, child.account, cl_ord_id))
    if other is None:
        engine.index.bind_client(child, cl_ord_id)
    elif other is not child and not other.known and _may_be_one(child, other):
        absorb(engine, child, other, effects)
    elif other is not child:
        said = f"a link names {cl_ord_id} as order {child.id}, and it is order {other.id}"
        engine.alarm(effects, child, AlarmKind.ID_CONFLICT, said)
        return False
    return True


def leave(child: Child, order_id: str | None, effects: Effects) -> None:
    """The order goes on under `order_id`: an end that was said under an id before it was the end of that leg only."""
    if order_id is None or child.rules.chain is Chain.RESTARTS:
        return
    if order_id in child.order_ids:
        child.ledger.order_id = order_id
    left_now = tuple(each for each in child.order_ids if each != order_id)
    if left_now != child.left:
        effects.touch(child)
        child.left = left_now
    if child.ended_under is not None and child.ended_under in child.left:
        effects.touch(child)
        child.facts &= ~ENDED
        child.ledger.ends = 0
        child.ended_at = 0
        child.ended_under = None


def left(child: Child, s: OrderSnapshot) -> bool:
    """Whether a report is about a leg that the chain has left, where the counts go on."""
    if s.order_id is not None:
        return s.order_id in child.left
    return s.cl_ord_id is not None and s.orig_cl_ord_id is None and child.supersedes(s.cl_ord_id)


def refused_request(engine: Engine, s: OrderSnapshot) -> OrderSnapshot:
    """A Rejected that refuses a request (tag 11) about another order (tag 41), as what it is; any other as it stands."""
    if s.exec_type is not ExecType.REJECTED:
        return s
    cl_ord_id, orig = _id(s.cl_ord_id), _id(s.orig_cl_ord_id)
    if cl_ord_id is None or orig is None:
        return s
    index = engine.index
    child = index.by_client.get((s.venue, s.account, orig)) or index.by_client.get((s.venue, s.account, cl_ord_id))
    if child is None:
        return s
    asked = child.in_flight is not None and cl_ord_id in child.in_flight
    if not asked and not (orig != cl_ord_id and child.known and child.works and cl_ord_id != child.cl_ord_id):
        return s
    ledger = index.by_order.get((s.venue, s.account, s.order_id or ""))
    ours = ledger is not None and ledger.child is child
    return s.of_a_request(s.order_id if ours else None)


# ---------------------------------------------------------------------- merging


def absorb(engine: Engine, keep: Child, parked: Child, effects: Effects) -> dict[Ledger, Ledger]:
    """Move the parked order's evidence and ids into the order it belongs to.

    Evidence of one venue order under two ids is one ledger; that of a later venue order of the chain is one more.
    Returns, for each ledger that was merged, the one that it is part of now.
    """
    effects.enter(keep, keep.ledger, engine)
    if parked.known and parked.cum:
        # It was taken for an order of somebody else, and its fills were published as such.
        gone = Reversal(
            parked.id, parked.order_id, None, parked.cum, "", f"it is order {keep.id}", ZERO, ZERO, parked.status
        )  # fmt: skip
        effects.events.append(gone)
    into: dict[Ledger, Ledger] = {}
    new: list[tuple[Ledger, str]] = []
    one_count = keep.rules.chain is Chain.CONTINUES
    later = parked.ledger.order_id is not None and keep.ledger.order_id is not None and not parked.client_ids
    if not one_count and len(parked.ledgers) == 1 and keep.rules.replace_qty is ReplaceQty.OPEN:
        # What was the quantity of an order of its own is that of one leg.
        parked.ledger.qty = parked.order_qty
    for ledger in parked.ledgers:
        clamped = into_era(ledger, keep.era) if parked.era > keep.era else []
        ledger.child = keep
        if one_count or keep.ledger.order_id is None or ledger.order_id is None:
            had = set(keep.ledger.rows)
            new.extend((keep.ledger, key) for key in ledger.rows if key not in had)
            touched = merge(keep.ledger, ledger)
            fresh = [key for key in keep.ledger.rows if key not in had]
            # In order of arrival, unless two orders of arrival became one.
            anew = bool(had) or fresh != [key for key in ledger.rows if key in keep.ledger.rows]
            for key in fresh:
                effects.rows.append((keep.ledger, key, None, Came(ledger if key in ledger.rows else None, anew)))
            effects.rows.extend((keep.ledger, key, None, None) for key in touched if key not in keep.ledger.rows or key in had)
            into[ledger] = keep.ledger
        else:
            ledger.era = keep.era
            keep.ledgers.append(ledger)
            effects.rows.extend((ledger, key, None, None) for key in clamped)
            new.extend((ledger, key) for key in ledger.rows)
    for name, holder in (parked.bound or {}).items():
        keep.bound = (keep.bound or {}) | {name: max(holder, (keep.bound or {}).get(name, 0))}
    engine.index.merged(keep, parked, into)
    keep.parted = keep.parted or parked.parted
    keep.ended_at = max(keep.ended_at, parked.ended_at)
    keep.ended_under = parked.ended_under if keep.ended_under is None else keep.ended_under
    keep.terms_at = max(keep.terms_at, parked.terms_at)
    keep.heard = max(keep.heard, parked.heard)
    keep.opened_at = keep.opened_at or parked.opened_at
    if later and not one_count:
        # What may have ended before was the leg before.
        keep.ledger, keep.ended_at = parked.ledger, parked.ended_at
        keep.flags &= ~_REPLACED
        keep.price = keep.price if parked.price is None else parked.price
    keep.order_ids += parked.order_ids
    keep.client_ids += parked.client_ids
    keep.left += parked.left
    keep.reductions += parked.reductions
    keep.instrument = keep.instrument or parked.instrument
    keep.side = keep.side or parked.side
    keep.facts |= parked.facts
    keep.flags |= parked.flags & ~_UNCLAIMED
    if parked.gone is not None and (keep.gone is None or keep.gone.proven_at < parked.gone.proven_at):
        keep.gone = parked.gone
    keep.remember_all(parked)
    del engine.children[parked.id]
    engine.doubted.pop(parked.id, None)
    engine.counters.orders -= 1
    places = [keep.ledgers.index(into.get(ledger, ledger)) for ledger in parked.ledgers]
    effects.merged = (*effects.merged, (parked.id, keep.id, list(zip(range(len(places)), parked.ledgers, places, strict=True))))
    effects.bound = True
    effects.ledger = keep.ledger
    if keep.known:
        fills.publish_joined(engine, keep, new, effects)
    else:
        keep.cum = keep.sum_cum()
        keep.settle()
        if keep.known:
            # The other one told for how much it is.
            engine.adopt(keep, effects)
    return into
