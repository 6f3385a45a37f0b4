"""An execution under a key that is known already: a repeat, more about it, its original, or a conflict.

Nothing counts twice here. Two contents under one key are a correction where the venue revises that way, otherwise an
alarm, and the larger counts: what may still be sent errs on the safe side.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from partfill.core.booked import STATE_RANK, Booked
from partfill.core.charges import settle_owed
from partfill.core.corrections import Case, Version
from partfill.core.rows import Row, unpack
from partfill.model.numbers import ZERO

if TYPE_CHECKING:
    from partfill.core.ledger import Ledger


def again(ledger: Ledger, key: str, new: Row) -> Booked:
    """An execution under a key that is known already, not to the letter the same."""
    if key not in ledger.rows:
        # It is a correction that the venue also told of as an execution.
        return Booked.DUPLICATE
    case = (ledger.cases or {}).get(key)
    old = unpack(ledger.rows[key])
    if old.leg:
        return Booked.CONFLICT
    if case is not None:
        return _first_version(ledger, key, case, new)
    assert old.qty is not None
    assert new.qty is not None
    if old.qty == new.qty and (old.px == new.px or old.px is None or new.px is None):
        return _enrich(ledger, key, old, new)
    if ledger.child.rules.key_revises:
        if new.as_of == old.as_of:
            return Booked.DUPLICATE
        case = ledger.open_case(key)
        older, newer = (old, new) if old.as_of < new.as_of else (new, old)
        assert older.qty is not None
        assert newer.qty is not None
        case.first = Version(older.qty, older.px, older.fee, older.fee_currency, 0, older.as_of, False, old.era)
        name = f"{key}@{newer.as_of}"
        ledger.links = ledger.links if ledger.links is not None else {}
        ledger.links[name] = key
        case.versions[name] = Version(newer.qty, newer.px, newer.fee, newer.fee_currency, 0, newer.as_of, False, old.era)
        ledger.derive_row(key, case)
        return Booked.CHANGED
    # Nobody can say which is right: count the larger, so that what may still be sent errs on the safe side.
    if (new.qty, new.px or ZERO) > (old.qty, old.px or ZERO):
        new.era = old.era
        ledger.put(key, old, new)
    return Booked.CONFLICT


def _enrich(ledger: Ledger, key: str, old: Row, new: Row) -> Booked:
    """The same execution again, perhaps with a price, a fee or a surer state that was not known before."""
    better = replace(old)
    if old.px is None and new.px is not None:
        better.px = new.px
    if old.fee is None and new.fee is not None:
        better.fee, better.fee_currency = new.fee, new.fee_currency
    if STATE_RANK[new.state] > STATE_RANK[old.state]:
        better.state = new.state
    if better == old:
        return Booked.DUPLICATE
    ledger.put(key, old, better)
    return Booked.ENRICHED


def _first_version(ledger: Ledger, key: str, case: Case, new: Row) -> Booked:
    """The original of an execution that was voided or corrected before it came, or comes again."""
    assert new.qty is not None
    first = case.first
    if first is not None:
        if first.qty == new.qty or ledger.child.rules.key_revises:
            return _case_again(ledger, key, case, first, new)
        return Booked.CONFLICT
    case.first = Version(new.qty, new.px, new.fee, new.fee_currency, 0, new.as_of, False, ledger.era)
    case.state = new.state
    stone = not case.versions
    ledger.derive_row(key, case)
    if ledger.owed is not None:
        settle_owed(ledger, key)
    return Booked.STONE if stone else Booked.ENRICHED


def _case_again(ledger: Ledger, key: str, case: Case, first: Version, new: Row) -> Booked:
    """The original of a case once more; where the venue revises under one key, perhaps another version of it."""
    assert new.qty is not None
    name = f"{key}@{new.as_of}"
    same = first.qty == new.qty and (new.px is None or first.px is None or first.px == new.px)
    if same and ((first.fee is None and new.fee is not None) or (first.px is None and new.px is not None)):
        first.px = first.px if first.px is not None else new.px
        if first.fee is None:
            first.fee, first.fee_currency = new.fee, new.fee_currency
        ledger.derive_row(key, case)
        return Booked.ENRICHED
    if same or not ledger.child.rules.key_revises or ledger.links is None or name in ledger.links:
        return Booked.DUPLICATE
    ledger.links[name] = key
    case.versions[name] = Version(new.qty, new.px, new.fee, new.fee_currency, 0, new.as_of, False, ledger.era)
    ledger.derive_row(key, case)
    return Booked.CHANGED
