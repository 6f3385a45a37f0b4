"""Faults in what filled: the ledger, its claims, corrections, and what is told of them."""

from __future__ import annotations

from faults.fault import Fault

_LEDGER = (
    "tests/core/test_ledger.py", "tests/core/test_child.py", "tests/core/test_claims.py", "tests/core/test_corrections.py",
    "tests/core/test_fills.py", "tests/core/test_result.py",
)  # fmt: skip

FAULTS = (
    Fault(
        "ledger-claim-forgotten", "ledger", "an execution lowers the total below what the venue claimed", "core/ledger.py",
        "self.cum = itemised if itemised >= self.claimed else self.claimed\n            return Booked.NEW",
        "self.cum = itemised\n            return Booked.NEW",
        _LEDGER,
    ),
    Fault(
        "ledger-correction-twice", "ledger", "a correction that is also told as an execution counts twice", "core/ledger.py",
        "if known is None and (self.links is None or key not in self.links):", "if known is None:",
        _LEDGER,
    ),
    Fault(
        "ledger-void-of-stray", "ledger", "a void is lost that named a correction before the link to its execution was known",
        "core/ledger.py", "case.void = case.void or stray.void", "case.void = case.void",
        _LEDGER,
    ),
    Fault(
        "ledger-drop-counts", "ledger", "what was no execution of its own after all stays in the totals", "core/ledger.py",
        "self._take(row)\n        if self.cases", "if self.cases",
        _LEDGER,
    ),
    Fault(
        "ledger-fee-sign", "ledger", "a fee is added once more where its execution is taken out", "core/ledger.py",
        'self.add_fee(old.fee_currency or "", old.fee.copy_negate())', 'self.add_fee(old.fee_currency or "", old.fee)',
        _LEDGER,
    ),
    Fault(
        "ledger-value-kept", "ledger", "the value of a version that is taken out stays", "core/ledger.py",
        "self.notional = sub(self.notional, mul(old.qty, old.px))", "self.notional = sub(self.notional, ZERO)",
        _LEDGER,
    ),
    Fault(
        "ledger-split-era", "ledger", "a split multiplies what filled after it too", "core/ledger.py",
        "if era > row.era:", "if era >= row.era:",
        _LEDGER,
    ),
    Fault(
        "ledger-split-average", "ledger", "a split multiplies the average of a claim instead of dividing it", "core/ledger.py",
        "ratio(mul(avg, denominator), numerator)", "ratio(mul(avg, numerator), denominator)",
        _LEDGER,
    ),
    Fault(
        "ledger-off-of-last-case", "ledger", "of several voids only the last takes quantity off", "core/ledger.py",
        "self.off = add(self.off, off_qty(each, self.links or {}, self.scales))",
        "self.off = off_qty(each, self.links or {}, self.scales)",
        _LEDGER,
    ),
    Fault(
        "ledger-one-link", "ledger", "a correction of a correction finds only the one before it", "core/ledger.py",
        "for _ in range(len(links)):", "for _ in range(1):",
        _LEDGER,
    ),
    Fault(
        "claims-late-higher", "claims", "a claim that is higher and came late is dropped", "core/claims.py",
        "if claim[0] >= as_of and claim[1] >= cum:", "if claim[0] >= as_of:",
        _LEDGER,
    ),
    Fault(
        "claims-newest-rules", "claims", "a later, lower claim takes the place of a higher one", "core/claims.py",
        "claims[0][0] < as_of and claims[0][1] <= cum", "claims[0][0] < as_of",
        _LEDGER,
    ),
    Fault(
        "claims-same-moment", "claims", "a void of the very moment of a claim counts as before it", "core/claims.py",
        "if at < as_of or qty > most:", "if at <= as_of or qty > most:",
        _LEDGER,
    ),
    Fault(
        "claims-best-before-loss", "claims", "the highest claim is chosen before losses are taken off", "core/claims.py",
        "if winner is None or left > winner[1]:", "if winner is None or cum > winner[1]:",
        _LEDGER,
    ),
    Fault(
        "claims-never-outdated", "claims", "a total from before a void is never asked for again", "core/claims.py",
        "return claims[-1][0] <= last and max(claim[1] for claim in claims) > cum",
        "return claims[-1][0] < last and max(claim[1] for claim in claims) > cum",
        _LEDGER,
    ),
    Fault(
        "corrections-void-reopens", "corrections", "a void takes its quantity off though the venue says that it works again",
        "core/corrections.py", "if case.void is not None and not case.void.reopens:", "if case.void is not None:",
        _LEDGER,
    ),
    Fault(
        "corrections-replaced-rules", "corrections", "a version that was replaced rules over the one that replaced it",
        "core/corrections.py", "at = (key not in replaced, version.rank, version.as_of, key)",
        "at = (key in replaced, version.rank, version.as_of, key)",
        _LEDGER,
    ),
    Fault(
        "corrections-not-the-last", "corrections", "claims lose by the latest correction, though an earlier one is in force",
        "core/corrections.py", "elif told[-1][1] != now:", "elif case.first is None and told[-1][1] != now:",
        _LEDGER,
    ),
    Fault(
        "corrections-falls-unseen", "corrections", "what a correction takes off works again by itself", "core/corrections.py",
        "off = fell if fell > ZERO else ZERO", "off = ZERO",
        _LEDGER,
    ),
    Fault(
        "corrections-of-the-moment", "corrections", "a restatement does not know of the void of its own moment",
        "core/corrections.py", "if case.void is not None and case.void.as_of <= at else None",
        "if case.void is not None and case.void.as_of < at else None",
        _LEDGER,
    ),
    Fault(
        "fills-overfill-again", "ledger", "an order that is complete and fills once more is not alarmed", "core/fills.py",
        "if total is not None and cum > total >= was:", "if total is not None and cum > total > was:",
        (*_LEDGER, "tests/core/test_desk_excess.py"),
    ),
    Fault(
        "fills-reversal-untold", "ledger", "what was taken back is not counted as published", "core/fills.py",
        "effects.published = add(effects.published, delta)\n            fell", "fell",
        _LEDGER,
    ),
    Fault(
        "fills-void-of-yesterday", "ledger", "a void of an earlier day lowers the day's quantity", "core/fills.py",
        "if was_today and fell > ZERO and child.day_era:", "if fell > ZERO and child.day_era:",
        _LEDGER,
    ),
    Fault(
        "fills-confirms-all", "ledger", "a claimed quantity is confirmed in full though part of it is new", "core/fills.py",
        "_confirm(child, sub(qty, delta), px, key, effects)", "_confirm(child, qty, px, key, effects)",
        _LEDGER,
    ),
    Fault(
        "fills-charge-twice", "ledger", "a charge that is told twice counts twice", "core/fills.py",
        'child.remember(name, "")\n', "\n",
        _LEDGER,
    ),
)  # fmt: skip
