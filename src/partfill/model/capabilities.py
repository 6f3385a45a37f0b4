"""What a venue can do and how its numbers are to be read. The core obeys this and never looks at a venue's name."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from partfill.model.numbers import NotANumber
from partfill.model.refusals import Refusal


class Cumulative(StrEnum):
    """What a venue's cumulative filled quantity is worth."""

    TRUTH = "truth"
    """Joined with the executions by maximum."""
    HINT = "hint"
    """Only a reason to ask: it stays up after a trade fails, or lags."""
    ABSENT = "absent"


class ReplaceQty(StrEnum):
    """What the quantity in a replace means at this venue (semantics: FIX total, CME without mitigation open)."""

    TOTAL = "total"
    OPEN = "open"


class BelowCum(StrEnum):
    """What a venue does with a replace to less than has filled."""

    CLAMP = "clamp"
    CANCEL = "cancel"
    REJECT = "reject"


class Chain(StrEnum):
    """Whether a venue's counts go on through a replace (FIX) or start anew under the new id."""

    CONTINUES = "continues"
    RESTARTS = "restarts"


class ClientId(StrEnum):
    """What our own id of an order is worth at this venue."""

    UNIQUE = "unique"
    """The venue refuses a second order under it and finds the first by it."""
    TAG = "tag"
    """It is kept and shown; nothing stops a second order under it."""
    NONE = "none"
    """The venue knows no id of ours: an order whose reply was lost is found by its terms."""


class IdScope(StrEnum):
    """Within what an id of this venue names one order."""

    FOREVER = "forever"
    DAY = "day"
    """Ids begin anew each trading day: what comes on a later day under the id of an order that is over is another order."""
    INSTRUMENT = "instrument"
    """Ids are unique per instrument: the same id of another instrument is another order."""


class ReduceOnly(StrEnum):
    """Whether a venue takes orders that may only make a position smaller, and what it holds to the position."""

    NONE = "none"
    """It does not."""
    EACH = "each"
    """Each such order for itself: several may rest for the whole position."""
    SUM = "sum"
    """All of them together: an order that brings their sum above the position is refused, a stop like any other."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One venue's declaration. The defaults are FIX behaviour."""

    cumulative: Cumulative = Cumulative.TRUTH
    replace_qty: ReplaceQty = ReplaceQty.TOTAL
    below_cum: BelowCum = BelowCum.CLAMP
    chain: Chain = Chain.CONTINUES
    order_id_reused: bool = False
    """True when an order id that ended may come back as a new order (BATS PITCH)."""
    key_revises: bool = False
    """True when a known key with other content is a correction; if False it is an alarm."""
    executions_complete: bool = False
    """True when a snapshot's execution list is the whole list."""
    itemised: bool = True
    """True when the venue tells single executions; the executions of a mere total are then asked for until they come."""
    can_replace: bool = False
    """True when the venue changes a working order in one request. Used only where a fill on the way cannot make it too much:
    `replace_qty` total, or `replace_guarded`."""
    replace_guarded: bool = False
    """True when a replace names the filled quantity it was made for, and the venue refuses it after any other fill."""
    client_id: ClientId = ClientId.UNIQUE
    end_is_final: bool = True
    """True when the venue's word of the end comes with everything that filled; if False the order is asked for once more
    before anything is placed in its stead."""
    shows_positions: bool = False
    """True when the venue can be asked what an account holds."""
    reduce_only: ReduceOnly | bool = ReduceOnly.NONE
    """Whether the venue takes orders that may only make a position smaller, and holds each, or the sum of them, to it. True and
    False, as older journals have it, are `each` and `none`."""
    hedge_mode: bool = False
    """True when an account holds long and short of one instrument at once. Positions here are net, so such a venue is refused
    by name: a stop for a net position would close the wrong side."""
    stops: bool = True
    """True when the venue takes stop orders; if False the prices of stops are watched here."""
    book_shows_own: bool = False
    """True when an order of ours that rests is part of the book that this venue shows: a book without it is not believed."""
    id_scope: IdScope = IdScope.FOREVER
    """Within what order ids and client ids name one order."""
    lag_ms: int = 3_000
    """How far behind its own reports the venue's answers may be, in ms: a total that was asked for sooner after the last news
    of an order says nothing against it."""
    settle_ms: int | None = None
    """How long an answer has to stay the same before it may take quantity back without an end of the order, in ms. None: 60,000
    where lists of executions are complete, 300,000 where there are totals only."""

    keys_made: bool = False
    """True where the venue gives executions no ids of their own, and the adapter composes or counts their keys. A complete list
    whose sum is the total that it is printed with then decides, whatever the keys say."""
    shows_slices: bool = False
    """True when the open quantity that the venue prints may be that of the slice which it shows (iceberg orders): 0 is then no
    proof of an end."""
    refusals: tuple[tuple[str, Refusal], ...] = ()
    """What the venue's own refusals mean: (code or words of it, meaning). Words of ours are understood everywhere."""

    def __post_init__(self) -> None:
        if isinstance(self.reduce_only, bool):
            msgspec.structs.force_setattr(self, "reduce_only", ReduceOnly.EACH if self.reduce_only else ReduceOnly.NONE)
        for word, means in self.refusals:
            if not word.strip():
                raise NotANumber(f"refusals has an empty word for {means}; give a code or words of the venue")
        if self.lag_ms < 0:
            raise NotANumber(f"lag_ms is {self.lag_ms}; it is zero or more")
        if self.settle_ms is not None and self.settle_ms < 0:
            raise NotANumber(f"settle_ms is {self.settle_ms}; it is zero or more")

    def summing(self) -> Capabilities:
        """The same of a venue that sums reduce-only orders."""
        return msgspec.structs.replace(self, reduce_only=ReduceOnly.SUM)

    @property
    def reduces(self) -> bool:
        """Whether what protects a position is held to it by the venue, one by one or in sum."""
        return self.reduce_only is not ReduceOnly.NONE

    @property
    def reduces_each(self) -> bool:
        """Whether each order that may only reduce is held to the position for itself, so that several may rest at once."""
        return self.reduce_only is ReduceOnly.EACH

    @property
    def lag_ns(self) -> int:
        """`lag_ms` in ns."""
        return self.lag_ms * 1_000_000

    @property
    def settle_ns(self) -> int:
        """`settle_ms` in ns, derived where it is not declared."""
        if self.settle_ms is not None:
            return self.settle_ms * 1_000_000
        return (60_000 if self.executions_complete else 300_000) * 1_000_000


FIX_LIKE = Capabilities()
