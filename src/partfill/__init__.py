"""partfill: what filled, exactly, and what should happen to the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from partfill.model.commands import Resubmit
    from partfill.model.orders import Limit, Market
    from partfill.model.policy import CancelRest, Chase, Hold
    from partfill.runtime.bracket import Bracket
    from partfill.runtime.manager import FillManager

__version__ = "0.1.0"
__all__ = ["Bracket", "CancelRest", "Chase", "FillManager", "Hold", "Limit", "Market", "Resubmit", "__version__"]

_WHERE = {
    "Bracket": "partfill.runtime.bracket",
    "CancelRest": "partfill.model.policy",
    "Chase": "partfill.model.policy",
    "FillManager": "partfill.runtime.manager",
    "Hold": "partfill.model.policy",
    "Limit": "partfill.model.orders",
    "Market": "partfill.model.orders",
    "Resubmit": "partfill.model.commands",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: the command line must start fast."""
    import importlib

    if name not in _WHERE:
        raise AttributeError(f"module 'partfill' has no attribute {name!r}; it has {', '.join(sorted(_WHERE))}")
    return getattr(importlib.import_module(_WHERE[name]), name)
