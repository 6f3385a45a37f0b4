"""The ledger of one venue order: what filled, exactly.

Rules
- Two kinds of evidence, never added: `itemised` is the sum of the newest, live version of every execution,
  `claimed` the highest cumulative statement of the venue (see `claims`). `cum = max(itemised, claimed)`.
- Executions are rows under the venue's own key. A key counts once, whatever comes, how often, in which order.
- A void is for ever. It may come before its execution: then a stone waits for it.
- A correction names the version it replaces; chains of corrections resolve in any order of arrival.
- The price of quantity that only a claim states comes from the claim's average, and is approximate.
- Everything here is O(1) per execution, however many came before. Void and correction cost the number of voids.

It does not know orders: terms, status and leaves are in `child`. It publishes nothing and never refuses a fill.
"""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum
from typing import TYPE_CHECKING

from partfill.core.claims import Claim, Losses, admit, best
from partfill.core.rows import Row, pack, pack_plain, unpack
from partfill.model.numbers import ZERO, add, mul, ratio, scale, sub

if TYPE_CHECKING:
    from partfill.core.child import Child

STATE_CODES = {"provisional": "p", "confirmed": "", "final": "f"}
"""How sure the venue is of an execution, as it is packed."""
STATE_WORDS = {code: word for word, code in STATE_CODES.items()}
_STATE_RANK = {"p": 0, "": 1, "f": 2}


class Booked(IntEnum):
    """What one execution, correction or void did."""

    NEW = 0
    DUPLICATE = 1
    CONFLICT = 2
    """The key is known with another content."""
    ENRICHED = 3
    """Nothing counted anew, but a price, a fee or a state became known."""
    CHANGED = 4
    """A correction or void took effect."""
    STONE = 5
    """A void (or the execution of an earlier void) that takes nothing from the total."""


class Ledger:
    """Evidence of one venue order. All quantities in units, prices in quote currency per unit."""

    __slots__ = (
        "child",
        "claimed",
        "claims",
        "count",
        "cum",
        "era",
        "fee_unknown",
        "fees",
        "high",
        "itemised",
        "links",
        "losses",
        "low",
        "notional",
        "order_id",
        "rows",
        "scales",
        "unpriced",
    )

    def __init__(self, child: Child, order_id: str | None) -> None:
        self.child = child
        self.order_id = order_id
        self.rows: dict[str, str] = {}
        """Execution key -> packed row (see `rows`)."""
        self.links: dict[str, str] | None = None
        """Key of a later version -> key of the execution."""
        self.itemised = ZERO
        self.notional = ZERO
        """Exact sum of qty * px over live, priced executions."""
        self.unpriced = ZERO
        """Quantity of live executions without a price."""
        self.count = 0
        """Live executions."""
        self.claims: tuple[Claim, ...] = ()
        self.losses: Losses | None = None
        self.claimed = ZERO
        self.cum = ZERO
        self.low: Decimal | None = None
        self.high: Decimal | None = None
        """Bounds of every price seen: the average lies between them."""
        self.fees: dict[str, Decimal] | None = None
        """Known fees per currency; None while none is known."""
        self.fee_unknown = 0
        """Live executions whose fee is not known. Unknown is not zero."""
        self.era = 0
        self.scales: list[tuple[int, Decimal, Decimal]] | None = None
        """Splits so far: (era it began, numerator, denominator)."""

    # ------------------------------------------------------------------ evidence

    def book(
        self, key: str, qty: Decimal, px: Decimal | None, fee: Decimal | None, currency: str | None, state: str, as_of: int
    ) -> Booked:
        """Book one execution. `state` is a code of `STATE_CODES`, `as_of` ns UTC."""
        rows = self.rows
        known = rows.get(key)
        if known is None and (self.links is None or key not in self.links):
            if fee is None and not state and not self.era:
                rows[key] = f"{qty!s}|{px!s}" if px is not None else f"{qty!s}|"
            else:
                rows[key] = pack(Row(qty, px, fee, currency, state, self.era))
            self.count += 1
            self.itemised = itemised = add(self.itemised, qty)
            if px is None:
                self.unpriced = add(self.unpriced, qty)
            else:
                self.notional = add(self.notional, mul(qty, px))
                if self.low is None or self.high is None:
                    self.low = self.high = px
                elif px < self.low:
                    self.low = px
                elif px > self.high:
                    self.high = px
            if fee is None:
                self.fee_unknown += 1
            else:
                self._charge(currency or "", fee)
            self.cum = itemised if itemised >= self.claimed else self.claimed
            return Booked.NEW
        if fee is None and not state and known == (f"{qty!s}|{px!s}" if px is not None else f"{qty!s}|"):
            return Booked.DUPLICATE
        return self._again(key, Row(qty, px, fee, currency, state, self.era, as_of=as_of))

    def claim(self, cum: Decimal, avg: Decimal | None, as_of: int) -> bool:
        """Take one cumulative claim; True when it was news."""
        claims = admit(self.claims, (as_of, cum, avg))
        if claims is self.claims:
            return False
        self.claims = claims
        self.rejoin()
        return True

    def revise(self, key: str, new_key: str | None, rank: int, row: Row, *, resolve: str | None = None) -> tuple[Booked, str]:
        """Apply a correction of version `key` whose own key is `new_key`. Returns what it did and the execution's key.

        `row` is the corrected content, its `as_of` the time of the correction; `rank` the venue's revision number.
        """
        links = self.links if self.links is not None else {}
        self.links = links
        root = links.get(key, key)
        if new_key is not None:
            seen = links.get(new_key)
            if seen is not None:
                return Booked.DUPLICATE, seen
            if new_key in self.rows and new_key != root:
                # A later correction came first and named this one as its execution: this is the missing link.
                return self._relink(root, new_key), root
            links[new_key] = root
        packed = self.rows.get(root)
        if packed is None:
            row.version, row.rank, row.era = new_key or key, rank, self.era
            self._put(root, None, row)
            return Booked.CHANGED, root
        old = unpack(packed)
        if old.void:
            return Booked.STONE, root
        if old.version is not None or old.rank:
            latest = old.version or root
            newer = key == latest or rank > old.rank or (rank == old.rank and row.as_of > old.as_of)
            if rank < old.rank or not newer or (rank and rank == old.rank):
                return Booked.DUPLICATE, root
        row.version, row.rank, row.era = new_key or key, rank, old.era
        row.first_qty = old.first_qty if old.version is not None or old.rank else old.qty
        if row.fee is None:
            row.fee, row.fee_currency = old.fee, old.fee_currency
        row.state = old.state
        self._put(root, old, row)
        return Booked.CHANGED, root

    def void(self, key: str, new_key: str | None, as_of: int, stated: Decimal | None) -> tuple[Booked, str, Decimal]:
        """Take execution `key` back. Returns what it did, the execution's key and the quantity that no longer counts."""
        root = self.links.get(key, key) if self.links else key
        packed = self.rows.get(root)
        if packed is None:
            self._lose(root, as_of, stated)
            self.rows[root] = pack(Row(None, as_of=as_of, void=True, first_qty=stated))
            self.rejoin()
            return Booked.STONE, root, ZERO
        old = unpack(packed)
        if old.void:
            return Booked.DUPLICATE, root, ZERO
        assert old.qty is not None
        lost = self._live_qty(old)
        self._put(root, old, Row(old.qty, old.px, old.fee, old.fee_currency, old.state, old.era, old.version, old.rank,
                                 as_of, old.first_qty, void=True))  # fmt: skip
        return Booked.CHANGED, root, lost

    def charge(self, key: str | None, amount: Decimal, currency: str) -> Booked:
        """Add a fee that came apart: to execution `key`, or to the order as a whole."""
        packed = None
        if key is not None:
            root = self.links.get(key, key) if self.links else key
            packed = self.rows.get(root)
        if packed is not None and packed[0] not in "!~":
            row = unpack(packed)
            if row.fee is None:
                self.fee_unknown -= 1
                self.rows[root] = pack(_with(row, fee=amount, fee_currency=currency))
            elif row.fee_currency == currency:
                self.rows[root] = pack(_with(row, fee=add(row.fee, amount)))
        self._charge(currency, amount)
        return Booked.ENRICHED

    def split(self, era: int, numerator: Decimal, denominator: Decimal) -> None:
        """Multiply every quantity so far by numerator / denominator; what was paid stays. Raises `Inexact`."""
        itemised = scale(self.itemised, numerator, denominator)
        unpriced = scale(self.unpriced, numerator, denominator)
        claims = tuple(
            (at, scale(cum, numerator, denominator), None if avg is None else ratio(mul(avg, denominator), numerator))
            for at, cum, avg in self.claims
        )
        losses = {key: (at, scale(qty, numerator, denominator)) for key, (at, qty) in (self.losses or {}).items()}
        self.itemised, self.unpriced, self.claims, self.losses = itemised, unpriced, claims, losses or None
        self.scales = [*(self.scales or ()), (era, numerator, denominator)]
        self.era = era
        self.low = self.high = None
        self.rejoin()

    # ------------------------------------------------------------------ what follows from it

    @property
    def provisional(self) -> Decimal:
        """Quantity that a claim states and no execution itemises yet."""
        return sub(self.cum, self.itemised)

    def provisional_px(self) -> Decimal | None:
        """Price of the provisional quantity, from the winning claim's average; None without one. Approximate."""
        winner = best(self.claims, self.losses)
        if winner is None or winner[2] is None or self.unpriced:
            return None
        open_qty = sub(self.cum, self.itemised)
        if open_qty <= ZERO:
            return None
        value = sub(mul(winner[2], self.cum), self.notional)
        # A rounded average times a large total can leave nothing, or less, for a small rest.
        return ratio(value, open_qty) if value > ZERO or winner[2] <= ZERO else winner[2]

    def priced(self) -> tuple[Decimal, bool] | None:
        """(value in quote currency, approximate) of all of `cum`, or None while some of it has no price."""
        if self.unpriced:
            return None
        open_qty = sub(self.cum, self.itemised)
        if not open_qty:
            return self.notional, False
        px = self.provisional_px()
        return None if px is None else (add(self.notional, mul(px, open_qty)), True)

    def live(self) -> list[tuple[str, Row]]:
        """Every execution that counts, as (key, row), in order of arrival."""
        rows = ((key, unpack(packed)) for key, packed in self.rows.items() if packed[0] not in "!~")
        return [(key, row) for key, row in rows]

    def recount(self) -> tuple[Decimal, Decimal, Decimal, int]:
        """(itemised, notional, unpriced, count) summed from the rows: what the running totals must equal."""
        itemised = notional = unpriced = ZERO
        live = self.live()
        for _, row in live:
            assert row.qty is not None
            qty = self._live_qty(row)
            itemised = add(itemised, qty)
            if row.px is None:
                unpriced = add(unpriced, qty)
            else:
                notional = add(notional, mul(row.qty, row.px))
        return itemised, notional, unpriced, len(live)

    def leg(self, key: str, leg: str, qty: Decimal, px: Decimal | None) -> Booked:
        """Keep one leg of a multi-leg execution: it has identity and counts in positions, not in this order."""
        name = f"{key}\x1f{leg}"
        packed = "~" + pack_plain(qty, px)
        known = self.rows.setdefault(name, packed)
        if known is packed:
            return Booked.ENRICHED
        return Booked.DUPLICATE if known == packed else Booked.CONFLICT

    # ------------------------------------------------------------------ inside

    def _again(self, key: str, new: Row) -> Booked:
        """An execution under a key that is known already, not to the letter the same."""
        root = self.links.get(key, key) if self.links else key
        old = unpack(self.rows[root])
        if old.leg:
            return Booked.CONFLICT
        if old.void or old.version is not None or old.rank or root != key:
            return self._first_version(root, key, old, new)
        assert old.qty is not None
        if old.qty == new.qty and (old.px == new.px or old.px is None or new.px is None):
            return self._enrich(key, old, new)
        if self.child.rules.key_revises:
            if new.as_of <= old.as_of:
                return Booked.DUPLICATE
            new.first_qty, new.version, new.era = old.qty, key, old.era
            self._put(key, old, new)
            return Booked.CHANGED
        # Nobody can say which is right: count the larger, so that what may still be sent errs on the safe side.
        if (new.qty, new.px or ZERO) > (old.qty, old.px or ZERO):
            new.era = old.era
            self._put(key, old, new)
        return Booked.CONFLICT

    def _enrich(self, key: str, old: Row, new: Row) -> Booked:
        """The same execution again, perhaps with a price, a fee or a surer state that was not known before."""
        better = _with(old)
        if old.px is None and new.px is not None:
            better.px = new.px
        if old.fee is None and new.fee is not None:
            better.fee, better.fee_currency = new.fee, new.fee_currency
        if _STATE_RANK[new.state] > _STATE_RANK[old.state]:
            better.state = new.state
        if better == old:
            return Booked.DUPLICATE
        self._put(key, old, better)
        return Booked.ENRICHED

    def _first_version(self, root: str, key: str, old: Row, new: Row) -> Booked:
        """The original of an execution that was voided or corrected before it came, or comes again."""
        if root != key or (old.first_qty is not None and old.qty is not None):
            return Booked.DUPLICATE
        if old.void and old.qty is None:
            self._lose(root, old.as_of, new.qty)
            self.rows[root] = pack(_with(old, qty=new.qty, px=new.px, fee=new.fee, fee_currency=new.fee_currency))
            self.rejoin()
            return Booked.STONE
        if old.void:
            return Booked.DUPLICATE
        self._put(root, old, _with(old, first_qty=new.qty))
        return Booked.ENRICHED

    def _relink(self, root: str, stray: str) -> Booked:
        """`stray` was taken for an execution of its own and turns out to be a version of `root`."""
        links = self.links
        assert links is not None
        later = unpack(self.rows[stray])
        self._take(stray, later)
        del self.rows[stray]
        lost = (self.losses or {}).pop(stray, None)
        for version, of in list(links.items()):
            if of == stray:
                links[version] = root
        links[stray] = root
        packed = self.rows.get(root)
        old = unpack(packed) if packed is not None else None
        if later.void:
            merged = _with(old, void=True, as_of=later.as_of) if old is not None else _with(later, qty=None)
            if lost is not None and old is None:
                self._lose(root, *lost)
        elif old is not None and old.void:
            return Booked.STONE
        else:
            merged = _with(later, version=later.version or stray)
            if old is not None:
                merged.first_qty = old.first_qty if old.version is not None or old.rank else old.qty
                merged.era = old.era
        self._put(root, old, merged)
        return Booked.CHANGED

    def _put(self, key: str, old: Row | None, new: Row) -> None:
        """Replace the version of `key` that counts, and bring every total along."""
        if old is not None and not old.void:
            self._take(key, old)
        if not new.void:
            assert new.qty is not None
            self.count += 1
            qty = self._live_qty(new)
            self.itemised = add(self.itemised, qty)
            if new.px is None:
                self.unpriced = add(self.unpriced, qty)
            else:
                self.notional = add(self.notional, mul(new.qty, new.px))
                self.low = new.px if self.low is None else min(self.low, new.px)
                self.high = new.px if self.high is None else max(self.high, new.px)
            if new.fee is None:
                self.fee_unknown += 1
            else:
                self._charge(new.fee_currency or "", new.fee)
        self.rows[key] = pack(new)
        first = new.first_qty if new.first_qty is not None else new.qty if new.void else None
        if new.void:
            self._lose(key, new.as_of, first)
        elif first is not None and new.qty is not None:
            self._lose(key, new.as_of, sub(first, new.qty) if first > new.qty else None)
        self.rejoin()

    def _take(self, key: str, old: Row) -> None:
        """Take a live version out of every total."""
        if old.void or old.qty is None:
            return
        self.count -= 1
        qty = self._live_qty(old)
        self.itemised = sub(self.itemised, qty)
        if old.px is None:
            self.unpriced = sub(self.unpriced, qty)
        else:
            self.notional = sub(self.notional, mul(old.qty, old.px))
        if old.fee is None:
            self.fee_unknown -= 1
        else:
            self._charge(old.fee_currency or "", old.fee.copy_negate())

    def _live_qty(self, row: Row) -> Decimal:
        """Quantity of a row in today's units: as stated, times the splits since."""
        assert row.qty is not None
        qty = row.qty
        for era, numerator, denominator in self.scales or ():
            if era > row.era:
                qty = scale(qty, numerator, denominator)
        return qty

    def _lose(self, key: str, as_of: int, qty: Decimal | None) -> None:
        if qty is None or not qty:
            if self.losses:
                self.losses.pop(key, None)
            return
        if self.losses is None:
            self.losses = {}
        self.losses[key] = (as_of, qty)

    def _charge(self, currency: str, amount: Decimal) -> None:
        if self.fees is None:
            self.fees = {}
        self.fees[currency] = add(self.fees.get(currency, ZERO), amount)

    def rejoin(self) -> None:
        """Derive `claimed` and `cum` anew from the evidence."""
        winner = best(self.claims, self.losses)
        self.claimed = ZERO if winner is None else winner[1]
        self.cum = self.itemised if self.itemised >= self.claimed else self.claimed


def _with(row: Row, **changes: object) -> Row:
    copy = Row(row.qty, row.px, row.fee, row.fee_currency, row.state, row.era, row.version, row.rank, row.as_of,
               row.first_qty, row.void, row.leg)  # fmt: skip
    for name, value in changes.items():
        setattr(copy, name, value)
    return copy
