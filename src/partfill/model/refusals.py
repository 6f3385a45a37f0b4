"""Refusals that mean something: what a venue's words say of the order, in words of ours.

    reason "code -2021: Order would immediately trigger."  ->  `Refusal.WOULD_TRIGGER`

Rules
- A word of ours in a reason is understood at every venue. A venue's own codes and words are declared with its capabilities.
- A refusal that nobody declared means nothing but "look".
- Words are found whole: code -2021 is not found in -20210.
"""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """What a refusal says besides no."""

    WOULD_TRIGGER = "would_trigger"
    """A stop order: the market is beyond its price already, so the stop has fired."""
    EXISTS = "duplicate_id"
    """An order under this client id is there already: it is looked up."""
    REDUCE_ONLY_SUM = "reduce_only_sum"
    """The reduce-only orders of the position would be more than the position: the venue sums them."""
    ENDED = "unknown_order"
    """A cancel or replace: nothing works under this id. The order has ended, or it is too late."""
    RATE_LIMIT = "rate_limit"
    """Too many requests; the order itself was not looked at."""


OURS: tuple[tuple[str, Refusal], ...] = (
    *((each.value, each) for each in Refusal),
    *((word, Refusal.ENDED) for word in ("too_late", "too late", "unknown order")),
    ("duplicate id", Refusal.EXISTS),
)
"""Words that are understood at every venue."""


def meaning(reason: str | None, declared: tuple[tuple[str, Refusal], ...]) -> Refusal | None:
    """What the reason of a refusal means at a venue that declared these words; None for nothing that is known."""
    if not reason:
        return None
    said = reason.casefold()
    for word, means in (*declared, *OURS):
        if _holds(said, word.casefold()):
            return means
    return None


def _holds(said: str, word: str) -> bool:
    """Whether `word` stands in `said`, not as part of a longer word or number."""
    at = said.find(word)
    while at >= 0:
        end = at + len(word)
        before = said[at - 1] if at else " "
        after = said[end] if end < len(said) else " "
        starts = not (word[0].isalnum() and (before.isalnum() or before == "_"))
        ends = not (word[-1].isalnum() and (after.isalnum() or after == "_"))
        if starts and ends:
            return True
        at = said.find(word, at + 1)
    return False


__all__ = ["OURS", "Refusal", "meaning"]
