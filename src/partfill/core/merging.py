"""Two ledgers that turn out to be one: evidence that came under our id and under the venue's before anybody linked them.

Nothing is added twice: executions meet by key, claims by maximum, corrections and voids in one case each.
"""

from __future__ import annotations

from partfill.core.charges import apart, belongs, settle_owed
from partfill.core.claims import admit
from partfill.core.corrections import Case
from partfill.core.doubts import join
from partfill.core.ledger import Ledger
from partfill.core.repeats import again
from partfill.core.rows import pack, unpack
from partfill.model.numbers import ZERO, sub


def merge(ledger: Ledger, other: Ledger) -> list[str]:
    """`other` is evidence of the same venue order: everything it has counts in `ledger`, once.

    Returns the keys of all rows that were written or dropped.
    """
    other.into = ledger
    loose = dict(other.fees or {})
    for _, row in other.live():
        if row.fee is not None and row.fee_currency is not None:
            loose[row.fee_currency] = sub(loose.get(row.fee_currency, ZERO), row.fee)
    for key, case in (other.cases or {}).items():
        for currency, amount in apart(case, unpack(other.rows[key]) if key in other.rows else None).items():
            loose[currency] = sub(loose.get(currency, ZERO), amount)
    for name, key in (other.links or {}).items():
        ledger.links = ledger.links if ledger.links is not None else {}
        if ledger.root(key) != name:
            ledger.links.setdefault(name, key)
    touched = [*other.rows, *(key for key in ledger.rows if ledger.root(key) != key)]
    for key in touched:
        # What one of them took for an execution of its own may be a version of another's.
        root = ledger.root(key)
        if root != key and key in ledger.rows:
            _fold(ledger, root, ledger.open_case(key))
            ledger.drop(key)
    for key, packed in other.rows.items():
        root = ledger.root(key)
        theirs = (other.cases or {}).get(key)
        if theirs is not None or root != key or (key in ledger.rows and key in (ledger.cases or {})):
            _fold(ledger, root, theirs if theirs is not None else other.open_case(key), whole=root == key)
        elif key not in ledger.rows and packed[0] == "~":
            ledger.rows[key] = packed
        elif key not in ledger.rows:
            ledger.put(key, None, unpack(packed))
        else:
            again(ledger, key, unpack(packed))
    for claim in other.claims:
        ledger.claims = admit(ledger.claims, claim)
    for currency, amount in loose.items():
        if amount:
            ledger.add_fee(currency, amount)
    if other.owed:
        ledger.owed = (ledger.owed or {}) | other.owed
    owed = [key for key in ledger.owed or {} if ledger.root(key) in ledger.rows]
    charged = [ledger.root(key) for key in owed]
    for key in owed:
        settle_owed(ledger, ledger.root(key), key)
    for key, case in (ledger.cases or {}).items():
        # What is known of one may decide which version of another is in force.
        if case.first is not None or case.versions or case.void is not None:
            ledger.derive_row(key, case)
    join(ledger, other)
    ledger.ends |= other.ends
    ledger.qty = other.qty if ledger.qty is None else ledger.qty
    if other.order_id is not None:
        ledger.order_id = other.order_id
    ledger.rejoin()
    return [*dict.fromkeys([*touched, *(ledger.cases or {}), *charged])]


def into_era(ledger: Ledger, era: int) -> list[str]:
    """No row of it is of a later time than `era`, which is the time of the order that it becomes a part of; returns the keys of
    those that were. Nothing was split on either side, so units are the same."""
    changed = []
    for key, packed in ledger.rows.items():
        row = unpack(packed)
        if row.era > era:
            row.era = era
            ledger.rows[key] = pack(row)
            changed.append(key)
    for case in (ledger.cases or {}).values():
        for each in (*case.versions.values(), case.first, case.void):
            if each is not None:
                each.era = min(each.era, era)
    return changed


def _fold(ledger: Ledger, root: str, theirs: Case, *, whole: bool = False) -> None:
    """What is known of one execution elsewhere joins its case here; its first version too when it is the `whole` of it."""
    case = ledger.open_case(root)
    if whole:
        case.first = case.first or theirs.first
    case.versions.update(theirs.versions)
    case.void = case.void or theirs.void
    if theirs.charged:
        belongs(ledger, root, case, theirs.charged)
    if case.first is not None or case.versions or case.void is not None:
        ledger.derive_row(root, case)
