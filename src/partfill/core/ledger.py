"""The ledger of one venue order: what filled, exactly.

Rules
- Two kinds of evidence, never added: `itemised` is the sum of the newest, live version of every execution,
  `claimed` the highest cumulative statement of the venue (see `claims`). `cum = max(itemised, claimed)`.
- Executions are rows under the venue's own key. A key counts once, whatever comes, how often, in which order.
- A void is for ever. It may come before its execution: then a stone waits for it.
- A correction names the version it replaces; chains of corrections resolve in any order of arrival.
- The price of quantity that only a claim states comes from the claim's average, and is approximate.
- Everything here is O(1) per execution, however many came before. A void or correction costs the number of those so far.

It does not know orders: terms, status and leaves are in `child`. It publishes nothing and never refuses a fill.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from partfill.core.asides import lift, too_late
from partfill.core.booked import Booked
from partfill.core.charges import apart, belongs, charge, settle_owed
from partfill.core.claims import Claim, Losses, admit, best, outdated
from partfill.core.corrections import Case, Scales, Version, Void, as_of, derive, history, off_qty, scaled
from partfill.core.repeats import again
from partfill.core.rows import Row, pack, pack_plain, unpack
from partfill.model.numbers import ZERO, add, mul, ratio, scale, sub

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.core.doubts import Doubt


class Multiplied(NamedTuple):
    """Quantities of a ledger after a split."""

    itemised: Decimal
    unpriced: Decimal
    off: Decimal
    qty: Decimal | None
    claims: tuple[Claim, ...]
    losses: Losses | None
    ruled_off: Decimal
    """What rulings took of `off`."""


class Ledger:
    """Evidence of one venue order. All quantities in units, prices in quote currency per unit."""

    # What every execution touches stands together at the front.
    __slots__ = (
        "child",
        "rows",
        "links",
        "itemised",
        "claimed",
        "cum",
        "count",
        "notional",
        "unpriced",
        "low",
        "high",
        "fee_unknown",
        "era",
        "owed",
        "order_id",
        "ends",
        "scales",
        "cases",
        "claims",
        "doubt",
        "fees",
        "into",
        "losses",
        "off",
        "qty",
    )

    def __init__(self, child: Child, order_id: str | None) -> None:
        self.child = child
        self.order_id = order_id
        self.rows: dict[str, str] = {}
        """Execution key -> packed row (see `rows`)."""
        self.links: dict[str, str] | None = None
        """Key of a correction -> key of the version it replaces."""
        self.cases: dict[str, Case] | None = None
        """Executions that were voided or corrected, by key (see `corrections`)."""
        self.off = ZERO
        """What voids and corrections took off that the venue has not put back to work."""
        self.ends = 0
        """Facts that ended this venue order."""
        self.into: Ledger | None = None
        """The ledger that this one was merged into, when both turned out to be one venue order."""
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
        self.owed: dict[str, dict[str, Decimal]] | None = None
        """Charges whose execution has not come yet: key -> amount per currency. They are in `fees` already."""
        self.era = 0
        self.qty: Decimal | None = None
        """Where each replace begins a venue order of its own: what the venue says that this later one is for, alone."""
        self.scales: Scales | None = None
        """Splits so far."""
        self.doubt: Doubt | None = None
        """What the venue's answers say against it, and what was ruled (see `rulings`)."""

    # ------------------------------------------------------------------ evidence

    def book(
        self, key: str, qty: Decimal, px: Decimal | None, fee: Decimal | None, currency: str | None, state: str, as_of: int
    ) -> Booked:
        """Book one execution. `state` is a code of `STATE_CODES`, `as_of` ns UTC."""
        rows = self.rows
        known = rows.get(key)
        if known is None and (self.links is None or key not in self.links):
            if fee is None and not state and not self.era and not self.child.rules.key_revises:
                rows[key] = f"{qty!s}|{px!s}" if px is not None else f"{qty!s}|"
            else:
                rows[key] = pack(Row(qty, px, fee, currency, state, self.era, as_of=as_of))
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
                self.add_fee(currency or "", fee)
            if self.owed is not None:
                settle_owed(self, key)
            self.cum = itemised if itemised >= self.claimed else self.claimed
            return Booked.NEW
        if fee is None and not state and known == (f"{qty!s}|{px!s}" if px is not None else f"{qty!s}|"):
            return Booked.DUPLICATE
        return again(self, key, Row(qty, px, fee, currency, state, self.era, as_of=as_of))

    @property
    def outdated(self) -> bool:
        """Whether a claim from before the last void says more than counts now, and none has come since."""
        return self.losses is not None and outdated(self.claims, self.losses, self.cum)

    def claim(self, cum: Decimal, avg: Decimal | None, as_of: int) -> bool:
        """Take one cumulative claim; True when it was news."""
        if self.doubt is not None and too_late(self, as_of):
            return False
        claims = admit(self.claims, (as_of, cum, avg))
        if claims is self.claims:
            return False
        self.claims = claims
        self.rejoin()
        return True

    def revise(self, key: str, new_key: str | None, version: Version) -> tuple[Booked, str]:
        """Apply a correction of version `key` whose own key is `new_key`. Returns what it did and the execution's key."""
        if new_key is not None and new_key != key:
            name = new_key
        else:
            # A venue that gives corrections no key of their own: its revision number tells them apart, or their time.
            name = f"{key}#{version.rank}" if version.rank else f"{key}@{version.as_of}"
        root = self.root(key)
        if self.links is None:
            self.links = {}
        elif name in self.links:
            return Booked.DUPLICATE, root
        if name == root:
            # It corrects what is itself a correction of it: there is no first version then.
            return Booked.CONFLICT, root
        version.era = self.era
        lift(self, root)
        case = self.open_case(root)
        if name in self.rows:
            # A later correction, or its void, came first and took this one for an execution: here is the missing link.
            stray = self.open_case(name)
            case.versions.update(stray.versions)
            case.void = case.void or stray.void
            self.drop(name)
            belongs(self, root, case, stray.charged)
        self.links[name] = key
        case.versions[name] = version
        self.derive_row(root, case)
        if self.owed is not None:
            settle_owed(self, root, name)
        return Booked.CHANGED, root

    def void(self, key: str, void: Void) -> tuple[Booked, str]:
        """Take execution `key` back, for ever. Returns what it did and the execution's key."""
        root = self.root(key)
        lift(self, root)
        known = (self.cases or {}).get(root)
        if known is not None and known.void is not None:
            return Booked.DUPLICATE, root
        void.era = self.era
        case = self.open_case(root)
        case.void = void
        self.derive_row(root, case)
        return Booked.CHANGED, root

    def charge(self, key: str | None, amount: Decimal, currency: str) -> str | None:
        """Add a fee that came apart: to execution `key`, or to the order as a whole. Returns the key of the row it changed."""
        return charge(self, key, amount, currency)

    def multiplied(self, numerator: Decimal, denominator: Decimal) -> Multiplied:
        """Every quantity times numerator / denominator, each execution by itself too. Raises `Inexact`; changes nothing."""
        for _, row in self.live():
            scale(self.live_qty(row), numerator, denominator)
        for _, case in sorted((self.cases or {}).items()):
            versions = [version for _, version in sorted(case.versions.items())]
            named = () if case.void is None or case.void.stated is None else (Version(case.void.stated, era=case.void.era),)
            for version in (*versions, *(() if case.first is None else (case.first,)), *named):
                scale(scaled(version, self.scales), numerator, denominator)
        return Multiplied(
            scale(self.itemised, numerator, denominator),
            scale(self.unpriced, numerator, denominator),
            scale(self.off, numerator, denominator),
            None if self.qty is None else scale(self.qty, numerator, denominator),
            tuple(
                (at, scale(cum, numerator, denominator), None if avg is None else ratio(mul(avg, denominator), numerator))
                for at, cum, avg in self.claims
            ),
            {
                key: tuple((at, scale(qty, numerator, denominator)) for at, qty in versions)
                for key, versions in sorted((self.losses or {}).items())
            } or None,
            ZERO if self.doubt is None else scale(self.doubt.off, numerator, denominator),
        )  # fmt: skip

    def split(self, era: int, numerator: Decimal, denominator: Decimal, after: Multiplied) -> None:
        """From `era` on every quantity so far counts as in `after`, which `multiplied` gave; what was paid stays."""
        self.itemised, self.unpriced, self.off, self.qty, self.claims, self.losses, ruled_off = after
        if self.doubt is not None:
            self.doubt.off = ruled_off
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

    def off_by(self, at: int) -> Decimal:
        """What voids and corrections that were true at `at` (ns UTC) took off and did not put back to work."""
        off = ZERO if self.doubt is None or at < self.doubt.ruled_at else self.doubt.off
        for case in (self.cases or {}).values():
            off = add(off, off_qty(as_of(case, at), self.links or {}, self.scales))
        return off

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
            qty = self.live_qty(row)
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

    def root(self, key: str) -> str:
        """The execution that `key` is a version of; `key` itself where nothing links it to another."""
        links = self.links
        if links is None:
            return key
        for _ in range(len(links)):
            before = links.get(key)
            if before is None:
                break
            key = before
        return key

    def open_case(self, key: str) -> Case:
        """The case of execution `key`, opened with what its row says."""
        self.cases = self.cases if self.cases is not None else {}
        case = self.cases.get(key)
        if case is None:
            case = self.cases[key] = Case()
            packed = self.rows.get(key)
            if packed is not None:
                row = unpack(packed)
                assert row.qty is not None
                fee = row.fee
                if row.charged is not None and fee is not None:
                    fee = sub(fee, row.charged)
                    case.charged[row.fee_currency or ""] = row.charged
                case.first = Version(row.qty, row.px, fee, row.fee_currency, 0, row.as_of, False, row.era)
                case.state = row.state
        return case

    def derive_row(self, key: str, case: Case, beside: dict[str, Decimal] | None = None) -> None:
        """Put the row that follows from the whole case, and what claims and leaves have to know of it.

        `beside`: what was charged beside the row so far, where that has changed.
        """
        links = self.links or {}
        packed = self.rows.get(key)
        old = unpack(packed) if packed is not None else None
        new = derive(case, links, self.scales)
        if case.charged:
            for currency, amount in (apart(case, old) if beside is None else beside).items():
                self.add_fee(currency, amount.copy_negate())
            for currency, amount in apart(case, new).items():
                self.add_fee(currency, amount)
        self.put(key, old, new)
        self.sum_off()
        versions = history(case, links, self.scales)
        if versions is not None:
            self.losses = self.losses if self.losses is not None else {}
            self.losses[key] = versions
        self.rejoin()

    def drop(self, key: str) -> None:
        """`key` is no execution of its own after all: out of every total."""
        row = unpack(self.rows.pop(key))
        self._take(row)
        if self.cases is not None:
            case = self.cases.pop(key, None)
            for currency, amount in apart(case, row).items() if case is not None else ():
                self.add_fee(currency, amount.copy_negate())
        if self.losses is not None:
            self.losses.pop(key, None)
        self.sum_off()

    def sum_off(self) -> None:
        """Add up what voids, corrections and rulings took off and did not put back to work."""
        self.off = ZERO if self.doubt is None else self.doubt.off
        for each in (self.cases or {}).values():
            self.off = add(self.off, off_qty(each, self.links or {}, self.scales))

    def put(self, key: str, old: Row | None, new: Row) -> None:
        """Replace the version of `key` that counts, and bring every total along."""
        if old is not None:
            self._take(old)
        if not new.void:
            assert new.qty is not None
            self.count += 1
            qty = self.live_qty(new)
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
                self.add_fee(new.fee_currency or "", new.fee)
        self.rows[key] = pack(new)
        self.rejoin()

    def _take(self, old: Row) -> None:
        """Take a version that counts out of every total."""
        if old.void or old.leg or old.qty is None:
            return
        self.count -= 1
        qty = self.live_qty(old)
        self.itemised = sub(self.itemised, qty)
        if old.px is None:
            self.unpriced = sub(self.unpriced, qty)
        else:
            self.notional = sub(self.notional, mul(old.qty, old.px))
        if old.fee is None:
            self.fee_unknown -= 1
        else:
            self.add_fee(old.fee_currency or "", old.fee.copy_negate())

    def live_qty(self, row: Row) -> Decimal:
        """Quantity of a row in today's units: as stated, times the splits since."""
        assert row.qty is not None
        qty = row.qty
        for era, numerator, denominator in self.scales or ():
            if era > row.era:
                qty = scale(qty, numerator, denominator)
        return qty

    def add_fee(self, currency: str, amount: Decimal) -> None:
        """Add to what is known in this currency."""
        total = add((self.fees or {}).get(currency, ZERO), amount)
        self.fees = (self.fees or {}) | {currency: total}

    def rejoin(self) -> None:
        """Derive `claimed` and `cum` anew from the evidence."""
        winner = best(self.claims, self.losses)
        self.claimed = ZERO if winner is None else winner[1]
        self.cum = self.itemised if self.itemised >= self.claimed else self.claimed
