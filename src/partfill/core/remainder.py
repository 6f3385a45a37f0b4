"""What to do with the rest of a partly filled order: one pure function from what is known to a verdict with its reasons.

    kill switch -> dust -> book -> policy

Rules
- The same situation gives the same verdict. Nothing is read but what is in the situation; every number that counted is told.
- Nothing is taken off blind: without a fresh book that can be, only the kill switch, dust and a policy of `cancel` act.
- Before the rest is taken off, both leftovers are judged. A quantity in hand that the venue would never let go again is worse
  than an order that rests.
- A thin book has to be thin twice, `thin_confirm_ms` apart. Depth and remainder are compared in quote currency.
- A chase counts adverse ticks from the order's original price, fees included, over the whole chain of chases: the cap stands
  where it stood when the order was made, whatever was chased since. The market coming towards the order costs no tick.
- A hold ends: by time, or when the market has gone away. One that is followed by a chase is over for good.
- A book that lacks our own resting order, where the venue shows it, is none: it is from another time, or from somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from partfill.model.book import DEPTH_LEVELS, Book
from partfill.model.instrument import Instrument
from partfill.model.numbers import ZERO, add, mul, ratio, sub
from partfill.model.policy import WIDE_TICKS, Remainder, RemainderPolicy
from partfill.model.reasons import Reason
from partfill.model.reports import Seen
from partfill.model.words import Side

FLOOR = Decimal(1)
"""Value (quote currency) below which dust is not even worth a warning: the locked floor of `min_remainder_size`."""
MS = 1_000_000


class Act(StrEnum):
    """What a verdict does to the rest."""

    HOLD = "hold"
    CANCEL = "cancel"
    CHASE = "chase"


@dataclass(slots=True, kw_only=True)
class Situation:
    """Everything that a decision sees; nobody changes it. Quantities in units, prices quote currency per unit, times ns UTC."""

    side: Side
    original: Decimal | None
    """The price the user asked for; None for an order without one."""
    price: Decimal | None
    """The price in force, or the one that is asked for while a change is on its way."""
    cum: Decimal
    leaves: Decimal
    """What is left: asked for less filled."""
    policy: RemainderPolicy
    instrument: Instrument
    now: int
    killed: bool = False
    book: Book | None = None
    held_since: int = 0
    """When it was first held; 0 when it was not."""
    thin_since: int = 0
    """When the book was first thin, of looks in a row; 0 when the last look was not."""
    cap: Decimal | None = None
    """The worst price of any chase, as it was fixed when it was first known; None: only ticks are counted."""
    expired: bool = False
    """True once a hold has ended and the chase after it goes on."""
    rests_at: Decimal | None = None
    """Where a book from after `rests_since` has to show our own order; None where none has to."""
    rests_since: int = 0

    @property
    def chases(self) -> bool:
        """Whether the rest follows the market."""
        return follows(self.policy, self.expired)


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What to do, why (the first reason is the verdict's name), and what was seen. `px`: where a chase goes."""

    act: Act
    reasons: tuple[Reason, ...]
    seen: Seen
    px: Decimal | None = None
    again_at: int = 0
    """When to decide anew (ns UTC); 0 for not before something happens."""
    thin_since: int = 0


def decide(s: Situation) -> Verdict:
    """Decide on the rest. Pure; never raises for a situation that can be made."""
    doubt: tuple[Reason, ...] = ()
    if s.book is not None and not _fresh(s, s.book):
        # Neither a level nor a value is taken from it.
        s = replace(s, book=None)
    elif s.book is not None and not _shows_ours(s, s.book):
        s, doubt = replace(s, book=None), (Reason.BOOK_IMPLAUSIBLE,)
    if s.killed:
        return Verdict(act=Act.CANCEL, reasons=(Reason.KILL_SWITCH_ACTIVE,), seen=Seen(remaining_usd=_value(s, s.leaves)))
    book = s.book
    value = _value(s, s.leaves)
    seen = _look(s, book, value)
    if value is not None and value < s.policy.min_remainder_size:
        warning = (Reason.DUST_REMAINDER,) if value >= FLOOR else ()
        return _cancel(s, seen, (Reason.DUST_AUTO_CANCEL, *warning))
    if book is None:
        if s.policy.default_policy is Remainder.CANCEL:
            return _cancel(s, seen, (Reason.CANCELLED_REMAINDER,))
        return _hold(s, seen, (Reason.BOOK_UNAVAILABLE, *doubt), again_at=s.now + s.policy.max_book_age_ms * MS)
    if s.policy.cancel_on_book_thin and value is not None and (seen.book_depth_usd or ZERO) < value:
        since = s.thin_since or s.now
        confirmed = since + s.policy.thin_confirm_ms * MS
        if s.now < confirmed:
            return _hold(s, seen, (Reason.BOOK_THIN_UNCONFIRMED,), again_at=confirmed, thin_since=since)
        return _cancel(s, seen, (Reason.BOOK_THIN_CANCEL,))
    return _by_policy(s, book, seen)


def follows(policy: RemainderPolicy, expired: bool) -> bool:
    """Whether a rest under this policy follows the market: from the start, or since its hold ended."""
    return policy.default_policy is Remainder.CHASE or (expired and policy.after_hold is Remainder.CHASE)


def cap(side: Side, original: Decimal, policy: RemainderPolicy, instrument: Instrument) -> Decimal | None:
    """The worst price that any chase of an order may have; None where prices have no ticks, and nothing is chased."""
    tick = instrument.tick_at(original)
    if tick is None:
        return None
    way = mul(tick, Decimal(policy.chase_max_ticks))
    return add(original, way) if side is Side.BUY else sub(original, way)


def within(side: Side, px: Decimal, worst: Decimal | None) -> bool:
    """Whether a price is no worse than the cap for this side."""
    return worst is not None and (px <= worst if side is Side.BUY else px >= worst)


# ---------------------------------------------------------------------- the policies


def _by_policy(s: Situation, book: Book, seen: Seen) -> Verdict:
    if s.policy.default_policy is Remainder.CANCEL:
        return _cancel(s, seen, (Reason.CANCELLED_REMAINDER,))
    if s.policy.default_policy is Remainder.CHASE:
        return _chase(s, book, seen, ())
    if not _expired(s, book):
        return _hold(s, seen, (Reason.HOLD_REMAINDER,))
    if s.policy.after_hold is Remainder.CANCEL:
        return _cancel(s, seen, (Reason.CANCELLED_REMAINDER, Reason.HOLD_EXPIRED))
    if s.policy.after_hold is Remainder.CHASE:
        return _chase(s, book, seen, (Reason.HOLD_EXPIRED,))
    # Held on, and looked at once more after another such time.
    return _hold(s, seen, (Reason.HOLD_REMAINDER, Reason.HOLD_EXPIRED), held_since=s.now)


def _expired(s: Situation, book: Book) -> bool:
    policy = s.policy
    if s.expired:
        return True
    if policy.max_hold_ms is not None and s.held_since and s.now >= s.held_since + policy.max_hold_ms * MS:
        return True
    drift, best = policy.max_hold_drift_ticks, book.best_against(s.side)
    if drift is None or best is None or s.price is None or s.instrument.tick_at(s.price) is None:
        return False
    return s.instrument.adverse_ticks(s.side, s.price, best) >= drift


def _chase(s: Situation, book: Book, seen: Seen, also: tuple[Reason, ...]) -> Verdict:
    best = book.best_against(s.side)
    if best is None:
        return _hold(s, seen, (Reason.BOOK_UNAVAILABLE, *also))
    if s.original is None or s.price is None or seen.ticks_to_fill is None or not s.instrument.valid_price(best):
        return _hold(s, seen, (Reason.NO_SUCH_PRICE, *also))
    # Ticks may change their size; the cap does not move with them.
    if seen.ticks_to_fill > s.policy.chase_max_ticks or (s.cap is not None and not within(s.side, best, s.cap)):
        return _cancel(s, seen, (Reason.CHASE_ABORTED, *also))
    if best == s.price:
        return _hold(s, seen, (Reason.HOLD_REMAINDER, Reason.CHASE_AT_BEST, *also))
    if not seen.ticks_to_fill:
        also = (Reason.FAVOURABLE_MOVE, *also)
    if seen.ticks_to_fill > WIDE_TICKS:
        also = (Reason.CHASE_WIDE, *also)
    again_at = s.now + s.policy.rechase_ms * MS
    return Verdict(act=Act.CHASE, reasons=(Reason.CHASE_ORDER_SUBMITTED, *also), seen=seen, px=best, again_at=again_at)


# ---------------------------------------------------------------------- verdicts


def _cancel(s: Situation, seen: Seen, reasons: tuple[Reason, ...]) -> Verdict:
    if _stranded(s):
        return _hold(s, seen, (Reason.STRANDED_HOLD, *reasons))
    return Verdict(act=Act.CANCEL, reasons=reasons, seen=seen)


def _hold(s: Situation, seen: Seen, reasons: tuple[Reason, ...], *, again_at: int = 0, thin_since: int = 0,
          held_since: int = 0) -> Verdict:  # fmt: skip
    since = held_since or s.held_since or s.now
    ends = 0 if s.policy.max_hold_ms is None or s.expired else since + s.policy.max_hold_ms * MS
    if s.chases:
        # It follows the market, and the market moves without asking.
        soon = s.now + s.policy.rechase_ms * MS
        again_at = min(again_at, soon) if again_at else soon
    if not again_at or 0 < ends < again_at:
        again_at = ends
    if again_at <= s.now:
        # It is over, and could not be ended: no sooner than after another look's worth of time.
        again_at = 0 if not again_at else s.now + s.policy.max_book_age_ms * MS
    return Verdict(act=Act.HOLD, reasons=reasons, seen=seen, again_at=again_at, thin_since=thin_since)


def _stranded(s: Situation) -> bool:
    """Whether a quantity would be left in hand that the venue takes no order for: of a buy what filled, of a sell the rest."""
    left = s.cum if s.side is Side.BUY else s.leaves
    if left == ZERO:
        return False
    value = _value(s, left)
    return left < s.instrument.min_qty or (value is not None and value < s.instrument.min_notional)


# ---------------------------------------------------------------------- numbers


def _fresh(s: Situation, book: Book) -> bool:
    return 0 <= s.now - book.as_of <= s.policy.max_book_age_ms * MS and book.instrument == s.instrument.symbol


def _shows_ours(s: Situation, book: Book) -> bool:
    """Whether the book has our own order where it has to be. Beyond the levels that are shown nobody can tell."""
    if s.rests_at is None or book.as_of <= s.rests_since:
        return True
    levels = book.bids if s.side is Side.BUY else book.asks
    if any(level.px == s.rests_at for level in levels):
        return True
    deeper = len(levels) >= DEPTH_LEVELS
    return deeper and (s.rests_at < levels[-1].px if s.side is Side.BUY else s.rests_at > levels[-1].px)


def _value(s: Situation, qty: Decimal) -> Decimal | None:
    """What `qty` is worth at the order's price, or at the market's; None when neither is known."""
    price = s.price if s.price is not None else s.original
    if price is None and s.book is not None:
        price = s.book.best_against(s.side)
    return None if price is None else s.instrument.notional(qty, price).copy_abs()


def _look(s: Situation, book: Book | None, value: Decimal | None) -> Seen:
    if book is None:
        return Seen(remaining_usd=value)
    depth = ZERO
    for level in book.against(s.side)[:DEPTH_LEVELS]:
        depth = add(depth, s.instrument.notional(level.qty, level.px))
    best, ticks = book.best_against(s.side), None
    if best is not None and s.original is not None and s.instrument.tick_at(s.original) is not None:
        fee = mul(best, s.policy.taker_fee_rate)
        paid = add(best, fee) if s.side is Side.BUY else sub(best, fee)
        ticks = s.instrument.adverse_ticks(s.side, s.original, paid)
    wait = None
    if book.trade_rate:
        wait = ratio(add(s.leaves, book.queue_ahead or ZERO), book.trade_rate)
    return Seen(remaining_usd=value, book_depth_usd=depth, best=best, ticks_to_fill=ticks, time_to_fill_s=wait)
