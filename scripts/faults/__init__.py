"""Planted faults, by the subject that they spoil. `scripts/planted_faults.py` plants them."""

from __future__ import annotations

from faults import desk, ids, ledger, protecting, shell
from faults.fault import Fault, Misplanted, planted

FAULTS: tuple[Fault, ...] = (*ledger.FAULTS, *ids.FAULTS, *desk.FAULTS, *protecting.FAULTS, *shell.FAULTS)

__all__ = ["FAULTS", "Fault", "Misplanted", "planted"]
