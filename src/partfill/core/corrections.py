"""Executions that were voided or corrected: everything the venue said about each, and what follows from it.

Theory. Most executions are said once and stay. For one that is not, totals that depend on the order of arrival are the
classic mistake. So all that was said about it is kept as a `Case`, and what counts is derived from the whole case, the
same whatever came first: the newest version of the chain, or nothing when it was voided, ever.

Rules
- A correction names the version it replaces. The version that nothing replaces is in force; of several, the one with
  the higher revision number, then the later one.
- What a correction does not state (price, fee) is as the version before it has it.
- A void is for ever. It may come before its execution: then the case waits without a quantity.
- What a void or a downward correction takes away works again only by the venue's word (`reopens`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from partfill.core.claims import SINCE_EVER, History
from partfill.core.rows import Row
from partfill.model.numbers import ZERO, add, scale, sub

Scales = list[tuple[int, Decimal, Decimal]]
"""Splits of an order: (era it began, numerator, denominator)."""


@dataclass(slots=True)
class Version:
    """One statement of what an execution was. Quantity in the units of its time (`era`)."""

    qty: Decimal
    px: Decimal | None = None
    fee: Decimal | None = None
    fee_currency: str | None = None
    rank: int = 0
    as_of: int = 0
    reopens: bool = False
    era: int = 0


@dataclass(slots=True)
class Void:
    """The venue took the execution back at `as_of`; `stated` is the quantity it named, if it did."""

    as_of: int
    reopens: bool
    stated: Decimal | None = None
    era: int = 0


@dataclass(slots=True)
class Case:
    """One execution that was voided or corrected."""

    first: Version | None = None
    """The execution itself, once it came."""
    versions: dict[str, Version] = field(default_factory=dict)
    """Corrections by their own key."""
    void: Void | None = None
    state: str = ""
    charged: dict[str, Decimal] = field(default_factory=dict)
    """Charges that came apart, per currency: they are the execution's, whatever version is in force."""


def in_force(case: Case, links: dict[str, str]) -> tuple[str | None, Version | None]:
    """(key, version) that counts unless the case is void; the key is None for the execution itself."""
    replaced = {links[key] for key in case.versions if key in links}
    best: tuple[str | None, Version | None] = (None, case.first)
    order: tuple[bool, int, int, str] | None = None
    for key, version in case.versions.items():
        at = (key not in replaced, version.rank, version.as_of, key)
        if order is None or at > order:
            best, order = (key, version), at
    return best


def derive(case: Case, links: dict[str, str], scales: Scales | None) -> Row:
    """The row that counts. Its quantity is in the units of its era; a void without any execution has none."""
    key, version = in_force(case, links)
    void = case.void
    if version is None:
        assert void is not None
        stated = void.stated
        return Row(None, state=case.state, era=void.era, as_of=void.as_of, first_qty=stated, reopens=void.reopens, void=True)
    first = case.first
    fee, currency, px = version.fee, version.fee_currency, version.px
    before = key
    for _ in range(len(links) + 1):
        if before is None or (fee is not None and px is not None):
            break
        before = links.get(before)
        earlier = case.versions.get(before, first) if before is not None else first
        if earlier is None:
            continue
        if fee is None:
            fee, currency = earlier.fee, earlier.fee_currency
        px = earlier.px if px is None else px
    for charged_in, amount in sorted(case.charged.items()):
        if fee is None:
            fee, currency = amount, charged_in
        elif currency == charged_in:
            fee = add(fee, amount)
    return Row(
        version.qty, px, fee, currency, case.state, version.era, key, version.rank,
        void.as_of if void is not None else version.as_of,
        first.qty if first is not None and key is not None else None,
        void.reopens if void is not None else version.reopens,
        void is not None,
    )  # fmt: skip


def as_of(case: Case, at: int) -> Case:
    """The case as the venue knew it at `at` (ns UTC)."""
    versions = {key: version for key, version in case.versions.items() if version.as_of <= at}
    void = case.void if case.void is not None and case.void.as_of <= at else None
    return Case(case.first, versions, void)


def off_qty(case: Case, links: dict[str, str], scales: Scales | None) -> Decimal:
    """What the void or correction took off the order without the venue saying that it works again, today's units."""
    _, version = in_force(case, links)
    off = ZERO
    if version is not None and case.first is not None and not version.reopens:
        fell = sub(scaled(case.first, scales), scaled(version, scales))
        off = fell if fell > ZERO else ZERO
    if case.void is not None and not case.void.reopens:
        # What the corrections before it took off stays off.
        off = add(off, scaled(version if version is not None else _named(case.void), scales))
    return off


def history(case: Case, links: dict[str, str], scales: Scales | None) -> History | None:
    """The versions as claims see them, oldest first, the last one in force; None while nothing is known of it."""
    _, version = in_force(case, links)
    told = sorted((each.as_of, scaled(each, scales)) for each in case.versions.values())
    now = ZERO if case.void is not None else scaled(version, scales) if version is not None else None
    if case.first is not None:
        told.insert(0, (SINCE_EVER, scaled(case.first, scales)))
    elif case.void is not None and case.void.stated is not None and not told:
        told.insert(0, (SINCE_EVER, scaled(_named(case.void), scales)))
    if not told or now is None:
        return None
    if case.void is not None:
        told.append((case.void.as_of, ZERO))
    elif told[-1][1] != now:
        told.append((told[-1][0], now))
    return tuple(told)


def _named(void: Void) -> Version:
    """The execution as the void names it, where that never came."""
    return Version(void.stated or ZERO, era=void.era)


def scaled(version: Version, scales: Scales | None) -> Decimal:
    """A version's quantity in today's units: as stated, times the splits since."""
    qty = version.qty
    for era, numerator, denominator in scales or ():
        if era > version.era:
            qty = scale(qty, numerator, denominator)
    return qty
