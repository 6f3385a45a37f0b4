"""One child order: terms, ledgers, the venue's words, requests. The only place where an order's numbers come together.

Rules
- `cum_qty` is the sum over the order's ledgers; `leaves_qty`, `canceled_qty`, `overfill_qty`, `ord_status` are derived
  in `settle` and nowhere else.
- Terms move in `accept_terms` only, called for New, Replaced, Restated and reductions.
- Three things stay apart: the venue's words (`facts`), the requests it has acknowledged (`requests`), and what we have
  asked for without an answer yet (`in_flight`). Only the first two are seen in the status.
- An end belongs to the venue order it was said of: the order has ended when the one in force has.

Invariants of one order are in `invariants`; the tables in `lifecycle`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from partfill.core.ledger import Ledger
from partfill.core.lifecycle import STATUS_BY_RANK, Fact, end_mask
from partfill.model.capabilities import BelowCum, Capabilities, ReplaceQty
from partfill.model.numbers import ZERO, add, ratio, scale, sub
from partfill.model.words import Flag, OrdStatus, OrdType, Request, Side, TimeInForce

if TYPE_CHECKING:
    from partfill.core.parent import Work
    from partfill.core.presumed import Gone

_FILLED = int(Fact.FILLED)
_PARTIAL = int(Fact.PARTIALLY_FILLED)
_PENDING_CANCEL = int(Fact.PENDING_CANCEL)
_PENDING_REPLACE = int(Fact.PENDING_REPLACE)
_CORRECTED = int(Flag.VOIDED | Flag.REVISED | Flag.RULED)
_SUSPECTED = int(Flag.SUSPECTED)


class Child:
    """One order at one venue. Quantities in units, prices in quote currency per unit, times ns UTC."""

    # What every execution touches stands together at the front: with many orders, memory is what costs.
    __slots__ = (
        *("order_qty", "cum", "leaves", "facts", "end_mask", "flags", "status", "ledger", "requests", "cash_qty", "day_era"),
        *("updated", "id", "cl_ord_id", "instrument", "side", "ledgers", "rules", "account", "base", "bound", "client_ids"),
        *("day", "day_cum", "ended_at", "ended_under", "era", "gone", "heard", "ids", "in_flight", "left", "life", "odd"),
        *("opened_at", "ord_type", "order_ids", "parted", "peak_qty", "placed", "price", "put_back", "reductions"),
        *("saved", "saved_ids", "saved_row", "seen", "stop_px", "terms_at", "tif", "unsaved", "venue", "work"),
    )

    def __init__(self, number: int, venue: str, account: str, order_id: str | None, cl_ord_id: str | None,
                 rules: Capabilities) -> None:  # fmt: skip
        self.id = number
        self.venue = venue
        self.account = account
        self.cl_ord_id = cl_ord_id
        self.rules = rules
        self.instrument: str | None = None
        self.side: Side | None = None
        self.ord_type: OrdType | None = None
        self.tif: TimeInForce | None = None
        self.price: Decimal | None = None
        self.stop_px: Decimal | None = None
        self.base: str | None = None
        self.order_qty: Decimal | None = None
        """Quantity in force (Q); None while the order is not known, or when it is sized in cash."""
        self.cash_qty: Decimal | None = None
        self.peak_qty: Decimal | None = None
        """Highest quantity that was ever in force: what `canceled_qty` is counted from."""
        self.put_back = ZERO
        """Of that, what the venue said later works again."""
        self.placed = False
        """True when the order is ours (an OrderPlaced named it)."""
        self.facts = 0
        self.end_mask = end_mask(None)
        self.requests: dict[str, Request] | None = None
        self.in_flight: dict[str, tuple[Request, Decimal | None, Decimal | None]] | None = None
        """Our requests without an answer: client id -> (what, quantity and price asked for)."""
        self.ids: dict[str, str | None] | None = None
        """Client ids of the chain -> the id each replaced."""
        self.seen: dict[str, str] | None = None
        """Keys of venue messages that were applied -> what they said (see `message_keys`), and what was answered.
        Write it with `remember` only."""
        self.unsaved: list[str] | None = None
        """Those of them that the journal's table does not have yet."""
        self.flags = 0
        self.ledger = Ledger(self, order_id)
        self.ledgers: list[Ledger] = [self.ledger]
        self.cum = ZERO
        self.leaves = ZERO
        self.status = OrdStatus.PENDING_NEW
        self.day_cum = ZERO
        self.day = 0
        self.day_era = 0
        """The era in which the current trading day began."""
        self.era = 0
        self.ended_at = 0
        self.ended_under: str | None = None
        """The venue's id under which its end was said."""
        self.heard = 0
        """Of when the newest stamped word on it is (ns UTC)."""
        self.opened_at = 0
        """Of when the venue's own opening report is (New, PendingNew; ns UTC); 0 while none was heard."""
        self.life = 0
        """How many orders had one of its ids before it (see `lives`)."""
        self.bound: dict[str, int] | None = None
        """Ids that other orders had before -> which holder of it this is, from 1 on (see `Index`)."""
        self.parted = False
        """True when another order has one of its ids now: whoever brings one back brings both."""
        self.left: tuple[str, ...] = ()
        """Order ids that the chain has left, where the counts go on."""
        self.reductions: tuple[tuple[int, Decimal], ...] = ()
        """(as_of, quantity) taken off before the size of the order was known."""
        self.gone: Gone | None = None
        """Answers that show nothing of it at work, and the end that was presumed from them (see `presumed`)."""
        self.odd: tuple[int, Decimal, Decimal | None, Decimal] | None = None
        """(asked, cum, leaves, quantity) of an answer that contradicts itself: the second that says so counts."""
        self.terms_at = 0
        """Of when the newest word on the terms is (ns UTC)."""
        self.updated = 0
        self.order_ids: tuple[str, ...] = ()
        """Every venue id that leads here, in order of appearance."""
        self.client_ids: tuple[str, ...] = ()
        """Every client id that leads here, in order of appearance."""
        self.saved_ids = (0, 0)
        """How many of each the journal's index has."""
        self.saved_row: tuple[Any, ...] | None = None
        """Its instrument, and whether it is open, as the journal's row has them; None where it is not known."""
        self.saved: Any = None
        """What the journal's rows have of it, where it has grown long."""
        self.work: Work | None = None
        """The desk's side of it, for an order that partfill placed."""

    # ------------------------------------------------------------------ derivation

    def settle(self) -> None:
        """Derive status and leaves from facts, quantities and requests. Called after every change; O(1)."""
        ledger = self.ledger
        if ledger.qty is not None:
            # What is in force is that of this leg, whatever is still heard of those before it.
            self.accept_terms(self.leg_qty(ledger.qty), None)
        facts = self.facts
        cum = self.cum
        total = self.order_qty
        if cum:
            if total is not None:
                facts |= _FILLED if cum >= total > ZERO else _PARTIAL
            else:
                facts |= _FILLED if self._complete(cum, total) else _PARTIAL
        ends = ledger.ends
        facts |= ends
        requests = self.requests
        if requests:
            for request in requests.values():
                facts |= _PENDING_CANCEL if request is Request.CANCEL else _PENDING_REPLACE
        self.status = STATUS_BY_RANK[facts.bit_length()]
        if total is None or (self.facts | ends) & self.end_mask:
            self.leaves = ZERO
        else:
            leaves = sub(total, cum)
            if self.flags & _CORRECTED:
                leaves = sub(leaves, self.removed)
            self.leaves = leaves if leaves > ZERO else ZERO

    @property
    def removed(self) -> Decimal:
        """What busts and corrections took off while it works, and the venue has not put back."""
        if not self.flags & _CORRECTED:
            return ZERO
        off = ZERO
        for ledger in self.ledgers:
            off = add(off, ledger.off)
        off = sub(off, self.put_back)
        return off if off > ZERO else ZERO

    def _complete(self, cum: Decimal, total: Decimal | None) -> bool:
        if total is not None:
            return cum >= total > ZERO
        if self.cash_qty is not None:
            value = ZERO
            for ledger in self.ledgers:
                priced = ledger.priced()
                if priced is None:
                    return False
                value = add(value, priced[0])
            return value >= self.cash_qty > ZERO
        return False

    @property
    def works(self) -> bool:
        """Whether the venue may still fill it, by its words."""
        return not (self.facts | self.ledger.ends) & self.end_mask

    @property
    def open(self) -> bool:
        """Whether anything may still happen by itself: it is awaited, its parent goes on, its venue is to be asked about it.

        A parked order is not open: nothing is known to work, and whatever comes for it brings it back.
        """
        work = self.work
        if work is not None and (work.parent.done is None or work.look_at or work.looking):
            return True
        return self.awaited or bool(self.flags & _SUSPECTED)

    @property
    def awaited(self) -> bool:
        """Whether the venue may fill more of it or has a request to answer."""
        return bool(self.requests or self.in_flight) or self.open_at_venue

    @property
    def open_at_venue(self) -> bool:
        """Whether the venue may fill more of it, by its words and quantities. Before any word, it may."""
        if self.order_qty is not None:
            return self.leaves > ZERO
        return self.cash_qty is not None and self.works and not (self.cum and self._complete(self.cum, None))

    @property
    def known(self) -> bool:
        """Whether the terms are known; evidence of an unknown order is parked."""
        return self.order_qty is not None or self.cash_qty is not None

    @property
    def nameless(self) -> bool:
        """Whether only the venue ever spoke of it, and under no id of ours: it may turn out to be one of our orders."""
        return not self.placed and self.work is None and not self.client_ids

    @property
    def order_id(self) -> str | None:
        """The venue's id in force."""
        return self.ledger.order_id

    @property
    def overfill_qty(self) -> Decimal:
        """Quantity filled beyond what was in force; 0 while the order is unknown or sized in cash."""
        if self.order_qty is None or self.cum <= self.order_qty:
            return ZERO
        return sub(self.cum, self.order_qty)

    @property
    def canceled_qty(self) -> Decimal | None:
        """Everything taken off without a fill: peak + overfill = cum + leaves + canceled. None while unknown."""
        if self.peak_qty is None:
            return None
        over = self.overfill_qty
        rest = sub(sub(self.peak_qty, self.cum), self.leaves)
        return add(rest, over) if over else rest

    @property
    def provisional_qty(self) -> Decimal:
        """Quantity that only a total of the venue states."""
        open_qty = ZERO
        for ledger in self.ledgers:
            open_qty = add(open_qty, ledger.provisional)
        return open_qty

    @property
    def notional(self) -> Decimal:
        """Exact value of the executions that have a price, quote currency."""
        if len(self.ledgers) == 1:
            return self.ledger.notional
        value = ZERO
        for ledger in self.ledgers:
            value = add(value, ledger.notional)
        return value

    @property
    def executions(self) -> int:
        """Live executions."""
        return sum(ledger.count for ledger in self.ledgers)

    def average(self) -> tuple[Decimal | None, bool]:
        """(average price to show, approximate); None when nothing filled or some quantity has no price."""
        if not self.cum:
            return None, False
        ledger = self.ledger
        if ledger.cum is self.cum and ledger.cum is ledger.itemised and len(self.ledgers) == 1:
            return (None if ledger.unpriced else ratio(ledger.notional, self.cum)), False
        value, approximate = ZERO, False
        for ledger in self.ledgers:
            priced = ledger.priced()
            if priced is None:
                return None, False
            value = add(value, priced[0])
            approximate = approximate or priced[1]
        return ratio(value, self.cum), approximate

    @property
    def avg_px(self) -> Decimal | None:
        """Average price, 28 digits."""
        return self.average()[0]

    def fees(self) -> tuple[dict[str, Decimal], bool]:
        """(known fees per currency, complete): complete is False while the fee of some execution is unknown."""
        known: dict[str, Decimal] = {}
        missing = 0
        for ledger in self.ledgers:
            missing += ledger.fee_unknown
            for currency, amount in (ledger.fees or {}).items():
                known[currency] = add(known.get(currency, ZERO), amount)
        return known, not missing

    @property
    def held_qty(self) -> Decimal:
        """What the fills left in hand, units: `cum_qty` less (sell: plus) the fees taken in the base asset."""
        fee = self.fees()[0].get(self.base, ZERO) if self.base else ZERO
        return add(self.cum, fee) if self.side is Side.SELL else sub(self.cum, fee)

    @property
    def day_cum_qty(self) -> Decimal:
        """FIX DayCumQty: what filled on the current trading day; everything while no day has ended."""
        return self.day_cum if self.day_era else self.cum

    @property
    def day_order_qty(self) -> Decimal | None:
        """FIX DayOrderQty: Q less what filled on earlier days."""
        return None if self.order_qty is None else sub(self.order_qty, sub(self.cum, self.day_cum_qty))

    def all_flags(self, average: tuple[Decimal | None, bool] | None = None) -> int:
        """The kept flags and those that follow from quantities now; `average` spares a second division."""
        flags = self.flags
        if not self.known:
            flags |= Flag.PARKED
        if any(ledger.cum is not ledger.itemised and ledger.provisional for ledger in self.ledgers):
            flags |= Flag.PROVISIONAL
        if self.cum:
            avg, approximate = self.average() if average is None else average
            if avg is None:
                flags |= Flag.UNPRICED
            elif approximate:
                flags |= Flag.APPROXIMATE
        if self.overfill_qty:
            flags |= Flag.OVERFILL
        return int(flags)

    # ------------------------------------------------------------------ terms

    def accept_terms(self, order_qty: Decimal | None, price: Decimal | None) -> None:
        """New terms are in force: total quantity and price, None for unchanged."""
        if order_qty is not None:
            self.order_qty = order_qty
            if self.peak_qty is None or order_qty > self.peak_qty:
                self.peak_qty = order_qty
        if price is not None:
            self.price = price

    def accept_leg(self, ledger: Ledger, qty: Decimal | None, price: Decimal | None) -> None:
        """The venue says for how much one venue order is, of a chain in which each counts for itself; None for unchanged."""
        own = len(self.ledgers) > 1 and self.rules.replace_qty is ReplaceQty.OPEN
        if own and qty is not None:
            ledger.qty = qty
        if ledger is self.ledger:
            self.accept_terms(None if qty is None else self.leg_qty(qty), price)

    def replaced_qty(self, asked: Decimal) -> Decimal | None:
        """Total quantity in force after a replace to `asked`, by this venue's meaning; None when it ends the order.

        Total meaning: max(asked, cum + removed), or what the venue does below cum. Open meaning: cum + removed + asked.
        """
        done = add(self.cum, self.removed)
        if self.rules.replace_qty is ReplaceQty.OPEN:
            return add(done, asked)
        if asked >= done:
            return asked
        if self.rules.below_cum is BelowCum.REJECT:
            return self.order_qty
        return done if self.rules.below_cum is BelowCum.CLAMP else None

    def leg_qty(self, asked: Decimal) -> Decimal:
        """Total quantity in force where each replace begins a venue order of its own, and the one in force is for `asked`.

        Total meaning: the venue counts the legs before as done. Open meaning: they are added.
        """
        if self.rules.replace_qty is ReplaceQty.TOTAL:
            return max(asked, add(self.cum, self.removed))
        ledger = self.ledger
        before = sub(add(self.cum, self.removed), add(ledger.cum, ledger.off))
        # What the legs before did is never less than nothing: of what was taken off here, some may work again.
        return add(max(before, ZERO), asked)

    def reduce(self, qty: Decimal) -> bool:
        """Take `qty` off what is in force without a fill; False when the order has less than that left."""
        if self.order_qty is None:
            return False
        fits = qty <= self.leaves
        off = qty if fits else self.leaves
        self.order_qty = sub(self.order_qty, off)
        if self.ledger.qty is not None:
            self.ledger.qty = sub(self.ledger.qty, off)
        return fits

    def split(self, numerator: Decimal, denominator: Decimal) -> None:
        """A corporate action: every quantity times numerator / denominator, values unchanged. Raises `Inexact`."""
        names = ("order_qty", "peak_qty", "put_back", "day_cum")
        values = [getattr(self, name) for name in names]
        scaled = [None if value is None else scale(value, numerator, denominator) for value in values]
        # All or nothing: what is not exact anywhere changes nothing anywhere.
        after = [ledger.multiplied(numerator, denominator) for ledger in self.ledgers]
        for ledger, each in zip(self.ledgers, after, strict=True):
            ledger.split(self.era + 1, numerator, denominator, each)
        self.era += 1
        for name, value in zip(names, scaled, strict=True):
            setattr(self, name, value)
        self.cum = self.sum_cum()

    def roll_day(self, day: int) -> None:
        """A trading day begins: nothing has filled today."""
        self.day = day
        self.day_cum = ZERO
        self.era += 1
        self.day_era = self.era
        for ledger in self.ledgers:
            ledger.era = self.era

    def sum_cum(self) -> Decimal:
        """`cum_qty` as the sum over the ledgers; of one ledger, its very number."""
        if len(self.ledgers) == 1:
            return self.ledger.cum
        total = ZERO
        for ledger in self.ledgers:
            total = add(total, ledger.cum)
        return total

    def answer(self, *names: str) -> None:
        """Requests that were answered: a late acknowledgement of one changes nothing."""
        for name in names:
            self.remember(f"answered:{name}", "")

    def is_answered(self, name: str) -> bool:
        """Whether request `name` was answered."""
        return self.seen is not None and f"answered:{name}" in self.seen

    def remember(self, name: str, said: str) -> None:
        """Keep what was applied once, for ever: `name` is a message's key or what was answered, `said` its content."""
        if self.seen is None:
            self.seen = {}
        if name not in self.seen:
            self.seen[name] = said
            if self.unsaved is None:
                self.unsaved = []
            self.unsaved.append(name)

    def remember_all(self, other: Child) -> None:
        """What was applied to `other`, which turned out to be this order."""
        for name, said in (other.seen or {}).items():
            known = (self.seen or {}).get(name)
            # A key that both have seen, with two contents: both are known.
            self.remember(name if known in (None, said) or not said else f"{name}\x1f{said}", said)

    # ------------------------------------------------------------------ identity

    def got(self, kind: str, name: str, holder: int) -> None:
        """It is holder number `holder` of this id; `kind` is order or client."""
        self.bound = (self.bound or {}) | {f"{kind}:{name}": holder}

    @property
    def contested(self) -> bool:
        """Whether another order has, or had, one of its ids."""
        return self.parted or self.bound is not None or self.life > 0

    def had(self, kind: str, name: str) -> int:
        """Which holder of this id it is; 0 for the first."""
        return 0 if self.bound is None else self.bound.get(f"{kind}:{name}", 0)

    def contradicts(self, instrument: str | None, side: Side | None) -> bool:
        """Whether a message of this instrument and side cannot be about it. What is not known contradicts nothing."""
        if instrument is not None and self.instrument is not None and instrument != self.instrument:
            return True
        return side is not None and self.side is not None and side is not self.side

    def chain(self, cl_ord_id: str, replaced: str | None) -> None:
        """`cl_ord_id` is accepted as the id in force, unless a later one of the chain is already."""
        ids = self.ids if self.ids is not None else {}
        self.ids = ids
        if self.cl_ord_id is not None and self.cl_ord_id not in ids:
            ids[self.cl_ord_id] = None
        if cl_ord_id not in ids or ids[cl_ord_id] is None:
            ids[cl_ord_id] = replaced if replaced != cl_ord_id else None
        if not self.supersedes(cl_ord_id):
            self.cl_ord_id = cl_ord_id

    def supersedes(self, cl_ord_id: str) -> bool:
        """Whether the id in force came after `cl_ord_id` in the chain (so a report under it is an old one)."""
        if self.ids is None or self.cl_ord_id is None or self.cl_ord_id == cl_ord_id:
            return False
        at: str | None = self.cl_ord_id
        for _ in range(len(self.ids) + 1):
            at = self.ids.get(at) if at is not None else None
            if at is None:
                return False
            if at == cl_ord_id:
                return True
        return False

    def mark(self, flag: Flag) -> bool:
        """Set a kept flag; True when it was not set before."""
        if self.flags & flag:
            return False
        self.flags = int(self.flags | flag)
        return True
