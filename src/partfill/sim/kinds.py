"""Kinds of venues, by what they tell and what they can do. Every seed draws some of these."""

from __future__ import annotations

from typing import NamedTuple

from partfill.model.capabilities import BelowCum, Capabilities, Chain, ClientId, Cumulative, ReplaceQty


class Kind(NamedTuple):
    """How a simulated venue behaves."""

    name: str
    capabilities: Capabilities
    itemised: bool = True
    """Whether its stream and lists carry executions."""
    totals: bool = True
    """Whether its reports carry cumulative quantities."""
    reversible: bool = False
    """Whether it takes executions back and corrects them."""
    relabels: bool = False
    """Whether an order gets a new id of the venue with every replace, while its counts go on."""
    late_fills: bool = False
    """Whether a fill may be told after the word of the end."""


KINDS = (
    Kind("itemised", Capabilities(executions_complete=True)),
    Kind("cumulative", Capabilities(itemised=False), itemised=False),
    Kind("keys", Capabilities(cumulative=Cumulative.ABSENT, end_is_final=False), totals=False, late_fills=True),
    Kind("reversible", Capabilities(can_replace=True), reversible=True),
    Kind("anonymous", Capabilities(client_id=ClientId.NONE, end_is_final=False)),
    Kind("total", Capabilities(can_replace=True, below_cum=BelowCum.CANCEL)),
    Kind(
        "guarded",
        Capabilities(
            can_replace=True, replace_guarded=True, replace_qty=ReplaceQty.OPEN, chain=Chain.RESTARTS,
            cumulative=Cumulative.ABSENT, end_is_final=False,
        ),
        totals=False, late_fills=True,
    ),
    Kind("hint", Capabilities(cumulative=Cumulative.HINT, end_is_final=False), late_fills=True),
)  # fmt: skip

LINKED = (
    Kind("relabeled", Capabilities(can_replace=True), relabels=True),
    Kind("relabeled keys", Capabilities(can_replace=True, cumulative=Cumulative.ABSENT, end_is_final=False), totals=False,
         late_fills=True, relabels=True),
    next(kind for kind in KINDS if kind.name == "guarded"),
)  # fmt: skip
"""Kinds whose replaces make new ids: worlds that tell them late have one of these."""
