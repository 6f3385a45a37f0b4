"""Fees that come apart from their execution: what each belongs to, in every order of arrival.

Rules
- A charge that names an execution is that execution's: a void takes it out too, whatever came first, in any currency.
- An execution shows one currency. Charges in another one are kept with its case and counted beside it while it counts.
- A charge may come before its execution: it counts at once, and is the execution's fee from then on.
- A charge that names no execution is the order's.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core.corrections import Case
from partfill.core.rows import Row, pack, unpack
from partfill.model.numbers import ZERO, add

if TYPE_CHECKING:
    from partfill.core.ledger import Ledger


def charge(ledger: Ledger, key: str | None, amount: Decimal, currency: str) -> str | None:
    """Add a charge: to execution `key`, or to the order as a whole. Returns the key of the row that it changed."""
    if key is None:
        ledger.add_fee(currency, amount)
        return None
    root = ledger.root(key)
    packed = ledger.rows.get(root)
    if packed is None or unpack(packed).qty is None:
        ledger.owed = ledger.owed if ledger.owed is not None else {}
        owed = ledger.owed.setdefault(root, {})
        owed[currency] = add(owed.get(currency, ZERO), amount)
        ledger.add_fee(currency, amount)
        return None
    row = unpack(packed)
    if row.leg:
        return None
    case = (ledger.cases or {}).get(root)
    if case is None and row.fee_currency not in (None, currency):
        case = ledger.open_case(root)
    if case is not None:
        belongs(ledger, root, case, {currency: amount})
        return root
    if row.fee is None:
        ledger.fee_unknown -= 1
        row.fee = amount
    else:
        row.fee, row.charged = add(row.fee, amount), add(row.charged or ZERO, amount)
    row.fee_currency = currency
    ledger.add_fee(currency, amount)
    ledger.rows[root] = pack(row)
    return root


def settle_owed(ledger: Ledger, key: str, version: str | None = None) -> None:
    """The execution came, or a `version` of it, whose charges had come before it: they are its fee now."""
    for name in (key, version):
        if name is None or ledger.owed is None or name not in ledger.owed:
            continue
        amounts = ledger.owed.pop(name)
        ledger.owed = ledger.owed or None
        for currency, amount in sorted(amounts.items()):
            ledger.add_fee(currency, amount.copy_negate())
        for currency, amount in sorted(amounts.items()):
            charge(ledger, key, amount, currency)


def apart(case: Case, row: Row | None) -> dict[str, Decimal]:
    """What counts beside the fee that the row of this case shows: charges in another currency, while it counts."""
    if row is None or row.void or row.qty is None:
        return {}
    return {currency: amount for currency, amount in case.charged.items() if currency != row.fee_currency}


def belongs(ledger: Ledger, key: str, case: Case, amounts: dict[str, Decimal]) -> None:
    """These charges are of the execution `key`, which has a case."""
    packed = ledger.rows.get(key)
    before = apart(case, unpack(packed) if packed is not None else None)
    for currency, amount in sorted(amounts.items()):
        case.charged[currency] = add(case.charged.get(currency, ZERO), amount)
    if case.first is not None or case.versions or case.void is not None:
        ledger.derive_row(key, case, before)
