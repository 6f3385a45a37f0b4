"""Statements that say less than was heard, where nobody can be asked about them: an audit names each, and decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core.claims import SINCE_EVER
from partfill.model.capabilities import Cumulative
from partfill.model.numbers import text
from partfill.model.observations import OrderSnapshot

if TYPE_CHECKING:
    from partfill.core.ledger import Ledger


def low(ledger: Ledger, s: OrderSnapshot, as_of: int) -> str | None:
    """What a total says that is below what was heard, and no older than any total that says more; None for any other."""
    child = ledger.child
    if s.cum_qty is None or s.cum_qty >= ledger.cum or not child.known or child.rules.cumulative is not Cumulative.TRUTH:
        return None
    newest = max((at for at, cum, _ in ledger.claims if cum > s.cum_qty), default=SINCE_EVER)
    if as_of < newest:
        return None
    return f"the venue says {text(s.cum_qty)} filled after {text(ledger.cum)} had: was an execution taken back?"
