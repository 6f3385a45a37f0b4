"""An order as plain values and back: the state blob of the journal, and the state hash.

Everything that the rows of the order's executions do not hold. `thaw(freeze(child))` with the same rows gives an order
that behaves the same for ever; a test drives both with the same inputs.
"""

from __future__ import annotations

from collections import defaultdict, deque
from decimal import Decimal
from typing import Any

import msgspec

from partfill.core.attribution import SEPARATOR
from partfill.core.child import Child
from partfill.core.claims import Losses
from partfill.core.corrections import Case, Scales
from partfill.core.doubts import Doubt
from partfill.core.ledger import Ledger
from partfill.core.lifecycle import end_mask
from partfill.core.presumed import Gone
from partfill.journal.joining import Parts, follow, is_long, join_parts
from partfill.journal.parts import Diff, Splitter, is_short, place_of
from partfill.model.capabilities import FIX_LIKE, Capabilities
from partfill.model.numbers import ZERO
from partfill.model.words import OrdType, Request, Side, TimeInForce


class LedgerState(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    """One ledger without its rows. Fields are only ever added at the end."""

    order_id: str | None
    itemised: Decimal
    notional: Decimal
    unpriced: Decimal
    count: int
    fee_unknown: int
    claims: tuple[tuple[int, Decimal, Decimal | None], ...] = ()
    losses: Losses | None = None
    links: dict[str, str] | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    fees: dict[str, Decimal] | None = None
    era: int = 0
    scales: Scales | None = None
    cases: dict[str, Case] | None = None
    off: Decimal = ZERO
    ends: int = 0
    owed: dict[str, dict[str, Decimal]] | None = None
    qty: Decimal | None = None
    doubt: Doubt | None = None


class ChildState(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    """One order. Fields are only ever added at the end."""

    id: int
    venue: str
    account: str
    cl_ord_id: str | None
    ledgers: tuple[LedgerState, ...]
    current: int
    """Position of the ledger in force."""
    order_ids: tuple[str, ...]
    client_ids: tuple[str, ...]
    instrument: str | None
    side: Side | None
    ord_type: OrdType | None
    tif: TimeInForce | None
    price: Decimal | None
    stop_px: Decimal | None
    base: str | None
    order_qty: Decimal | None
    cash_qty: Decimal | None
    peak_qty: Decimal | None
    put_back: Decimal
    placed: bool
    facts: int
    flags: int
    requests: dict[str, Request] | None = None
    in_flight: dict[str, tuple[Request, Decimal | None, Decimal | None]] | None = None
    answered: list[str] | None = None
    """Written no more: what was answered stands in `seen`. Older files have it here."""
    ids: dict[str, str | None] | None = None
    seen: list[str] | None = None
    """Written no more: table `seen` has it. Older files have it here."""
    day_cum: Decimal = ZERO
    day: int = 0
    day_era: int = 0
    era: int = 0
    ended_at: int = 0
    updated: int = 0
    terms_at: int = 0
    opened_at: int = 0
    heard: int = 0
    life: int = 0
    left: tuple[str, ...] = ()
    ended_under: str | None = None
    reductions: tuple[tuple[int, Decimal], ...] = ()
    parted: bool = False
    bound: dict[str, int] | None = None
    gone: Gone | None = None
    odd: tuple[int, Decimal, Decimal | None, Decimal] | None = None
    split: bool = False
    """Whether some of it stands in rows of table `parts`."""


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(ChildState).decode
_LEDGER = LedgerState.__struct_fields__
_CHILD = ChildState.__struct_fields__


def freeze(child: Child) -> bytes:
    """The whole order as bytes; the same order gives the same bytes in every process."""
    ledgers = child.ledgers
    always = _always(child, [_frozen(child.ledger)] if len(ledgers) == 1 else [_frozen(each) for each in ledgers])
    if child.gone is not None or child.odd is not None:
        return _encode((*always, *_contested(child), child.gone, child.odd))
    if child.left or child.ended_under is not None or child.contested or child.reductions:
        return _encode((*always, *_contested(child)))
    return _encode(always)


def freeze_rest(child: Child) -> tuple[bytes, Diff | None]:
    """What stands in the row of the order, and the rows in which the rest of it stands, where it has grown (see `parts`)."""
    if is_short(child):
        return freeze(child), None
    splitter = Splitter(child)

    def frozen(place: int, ledger: Ledger) -> list[object]:
        less = splitter.ledger(place, ledger)
        whole = (*_frozen(ledger), None, None)[: len(_LEDGER)]
        return [less.get(name, value) for name, value in zip(_LEDGER, whole, strict=True)]

    less = splitter.split()
    if splitter.many_ledgers(frozen):
        ledgers: list[object] = []
    else:
        ledgers = [frozen(place, each) for place, each in enumerate(child.ledgers)]
    whole = (*_always(child, ledgers), *_contested(child), child.gone, child.odd, False)
    diff = splitter.done()
    if child.saved is None:
        return freeze(child), diff
    row = [less.get(name, value) for name, value in zip(_CHILD, whole, strict=True)]
    row[-1] = True
    return _encode(row), diff


def _frozen(each: Ledger) -> tuple[object, ...]:
    # Tuples in the order of the fields above: what the structs would encode to, without making them.
    base = (
        each.order_id, each.itemised, each.notional, each.unpriced, each.count, each.fee_unknown, each.claims,
        each.losses, each.links, each.low, each.high, each.fees, each.era, each.scales, each.cases, each.off, each.ends,
        each.owed,
    )  # fmt: skip
    if each.doubt is not None:
        return (*base, each.qty, each.doubt)
    return base if each.qty is None else (*base, each.qty)


def _always(child: Child, ledgers: list[Any]) -> tuple[object, ...]:
    return (
        child.id, child.venue, child.account, child.cl_ord_id, ledgers, place_of(child.ledger), child.order_ids,
        child.client_ids, child.instrument, child.side, child.ord_type, child.tif, child.price, child.stop_px, child.base,
        child.order_qty, child.cash_qty, child.peak_qty, child.put_back, child.placed, child.facts, child.flags,
        child.requests or None, child.in_flight or None, None, child.ids or None,
        None, child.day_cum, child.day, child.day_era, child.era, child.ended_at,
        child.updated, child.terms_at, child.opened_at, child.heard,
    )  # fmt: skip


def _contested(child: Child) -> tuple[object, ...]:
    return child.life, child.left, child.ended_under, child.reductions, child.parted, child.bound


def thaw(blob: bytes | str, rows: list[tuple[int, str, str]], rules: dict[str, Capabilities],
         seen: list[tuple[str, str]] | None = None, parts: Parts = ()) -> tuple[Child, dict[str, Ledger]]:  # fmt: skip
    """The order that `freeze` or `freeze_rest` wrote, and which of its ledgers each venue id means.

    `rows` are its executions in order of arrival, as (position of the ledger, key, packed row). `seen` is what it had applied,
    as (name, what it said), `parts` what of it stands in rows, as (part, key, body). `rules` are what venues declared.
    """
    state = _decode(blob)
    if parts:
        join_parts(state, parts, LedgerState)
    child = Child(state.id, state.venue, state.account, None, state.cl_ord_id, rules.get(state.venue, FIX_LIKE))
    child.ledgers = []
    by_id: dict[str, Ledger] = {}
    unnamed: defaultdict[str, deque[Ledger]] = defaultdict(deque)
    for each in state.ledgers:
        ledger = Ledger(child, each.order_id)
        ledger.itemised, ledger.notional, ledger.unpriced = each.itemised, each.notional, each.unpriced
        ledger.count, ledger.fee_unknown = each.count, each.fee_unknown
        ledger.claims, ledger.losses, ledger.links = each.claims, each.losses, each.links
        ledger.low, ledger.high, ledger.fees = each.low, each.high, each.fees
        ledger.era, ledger.scales, ledger.cases = each.era, each.scales, each.cases
        ledger.off, ledger.ends, ledger.owed = each.off, each.ends, each.owed
        ledger.qty = each.qty
        ledger.doubt = each.doubt
        ledger.rejoin()
        child.ledgers.append(ledger)
        if each.order_id is not None:
            unnamed[each.order_id].append(ledger)
    for position, key, packed in rows:
        child.ledgers[position].rows[key] = packed
    child.ledger = child.ledgers[state.current]
    child.order_ids, child.client_ids = state.order_ids, state.client_ids
    child.saved_ids = (len(state.order_ids), len(state.client_ids))
    latest: dict[str, Ledger] = {}
    for order_id in child.order_ids:
        # Each began a venue order, in this order, or is one more name of it; where the counts go on all mean the one ledger.
        name = order_id.partition(SEPARATOR)[0]
        begun = unnamed[name].popleft() if unnamed[name] else latest.get(name, child.ledger)
        latest[name] = by_id[order_id] = begun
    child.instrument, child.side, child.ord_type, child.tif = state.instrument, state.side, state.ord_type, state.tif
    child.price, child.stop_px, child.base = state.price, state.stop_px, state.base
    child.order_qty, child.cash_qty, child.peak_qty = state.order_qty, state.cash_qty, state.peak_qty
    child.put_back, child.placed, child.facts, child.flags = state.put_back, state.placed, state.facts, state.flags
    child.end_mask = end_mask(state.tif)
    child.requests, child.in_flight, child.ids = state.requests or None, state.in_flight or None, state.ids or None
    child.seen = dict(seen) if seen else None
    for name in state.seen or ():
        child.remember(name, "")
    if state.answered:
        child.answer(*state.answered)
    child.day_cum, child.day, child.day_era, child.era = state.day_cum, state.day, state.day_era, state.era
    child.ended_at, child.updated, child.terms_at = state.ended_at, state.updated, state.terms_at
    child.opened_at, child.heard, child.life = state.opened_at, state.heard, state.life
    child.left, child.ended_under, child.reductions = state.left, state.ended_under, state.reductions
    child.parted, child.bound, child.gone, child.odd = state.parted, state.bound, state.gone, state.odd
    child.cum = child.sum_cum()
    child.settle()
    if parts:
        follow(child, parts)
    return child, by_id


def is_split(blob: str) -> bool:
    """Whether some of the order stands in rows of table `parts`."""
    return blob.endswith(",true]") and _decode(blob).split


def whole(blob: str, parts: Parts) -> str:
    """The state of an order and its rows in table `parts` as one text, whatever stands where."""
    try:
        state = _decode(blob)
        if not parts and not is_long(state):
            return blob
        join_parts(state, parts, LedgerState)
    except (msgspec.MsgspecError, ValueError, LookupError):
        # Nobody can read it: that is told elsewhere.
        return f"{blob}{parts!r}" if parts else blob
    state.split = False
    return _encode([getattr(state, name) for name in _CHILD]).decode()
