"""An order as plain values and back: the state blob of the journal, and the state hash.

Everything that the rows of the order's executions do not hold. `thaw(freeze(child))` with the same rows gives an order
that behaves the same for ever; a test drives both with the same inputs.
"""

from __future__ import annotations

from collections import defaultdict, deque
from decimal import Decimal

import msgspec

from partfill.core.attribution import SEPARATOR
from partfill.core.child import Child
from partfill.core.claims import Losses
from partfill.core.corrections import Case, Scales
from partfill.core.doubts import Doubt
from partfill.core.ledger import Ledger
from partfill.core.lifecycle import end_mask
from partfill.core.presumed import Gone
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


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(ChildState).decode


def freeze(child: Child) -> bytes:
    """The order as bytes; the same order gives the same bytes in every process."""
    # Tuples in the order of the fields above: what the structs would encode to, without making them.
    ledgers = [
        (
            each.order_id, each.itemised, each.notional, each.unpriced, each.count, each.fee_unknown, each.claims,
            each.losses, each.links, each.low, each.high, each.fees, each.era, each.scales, each.cases, each.off, each.ends,
            each.owed, *(() if each.qty is None and each.doubt is None else (each.qty,)),
            *(() if each.doubt is None else (each.doubt,)),
        )
        for each in child.ledgers
    ]  # fmt: skip
    late: tuple[object, ...] = () if child.gone is None and child.odd is None else (child.gone, child.odd)
    current = 0 if child.ledger is child.ledgers[0] else child.ledgers.index(child.ledger)
    return _encode(
        (
            child.id, child.venue, child.account, child.cl_ord_id, ledgers, current, child.order_ids, child.client_ids,
            child.instrument, child.side, child.ord_type, child.tif, child.price, child.stop_px, child.base,
            child.order_qty, child.cash_qty, child.peak_qty, child.put_back, child.placed, child.facts, child.flags,
            child.requests, child.in_flight, None, child.ids,
            None, child.day_cum, child.day, child.day_era, child.era, child.ended_at,
            child.updated, child.terms_at, child.opened_at, child.heard,
            *((child.life, child.left, child.ended_under, child.reductions, child.parted, child.bound)
              if child.contested or child.left or child.ended_under is not None or child.reductions or late else ()),
            *late,
        )
    )  # fmt: skip


def thaw(blob: bytes | str, rows: list[tuple[int, str, str]], rules: dict[str, Capabilities],
         seen: list[tuple[str, str]] | None = None) -> tuple[Child, dict[str, Ledger]]:  # fmt: skip
    """The order that `freeze` wrote, and which of its ledgers each venue id means.

    `rows` are its executions in order of arrival, as (position of the ledger, key, packed row). `seen` is what it had applied,
    as (name, what it said). `rules` are what venues declared.
    """
    state = _decode(blob)
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
    child.requests, child.in_flight, child.ids = state.requests, state.in_flight, state.ids
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
    return child, by_id
