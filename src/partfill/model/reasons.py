"""Why a remainder was decided as it was: every reason code, how grave it is, and what it says to whom.

The codes of the remainder document keep their names; those below the line in `Reason` are our own, for the cases that it
leaves open.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    """How grave a reason is."""

    INFO = "INFO"
    WARN = "WARN"
    HARD_REJECT = "HARD_REJECT"


class Reason(StrEnum):
    """One reason of a decision."""

    HOLD_REMAINDER = "HOLD_REMAINDER"
    CANCELLED_REMAINDER = "CANCELLED_REMAINDER"
    CHASE_ORDER_SUBMITTED = "CHASE_ORDER_SUBMITTED"
    KILL_SWITCH_ACTIVE = "KILL_SWITCH_ACTIVE"
    DUST_AUTO_CANCEL = "PARTIAL_FILL_DUST_AUTO_CANCEL"
    DUST_REMAINDER = "PARTIAL_FILL_DUST_REMAINDER"
    BOOK_THIN_CANCEL = "PARTIAL_FILL_BOOK_THIN_CANCEL"
    CHASE_WIDE = "PARTIAL_FILL_CHASE_WIDE"
    CHASE_ABORTED = "PARTIAL_FILL_CHASE_ABORTED"
    # Our own.
    BOOK_UNAVAILABLE = "PARTIAL_FILL_BOOK_UNAVAILABLE"
    BOOK_IMPLAUSIBLE = "PARTIAL_FILL_BOOK_IMPLAUSIBLE"
    BOOK_THIN_UNCONFIRMED = "PARTIAL_FILL_BOOK_THIN_UNCONFIRMED"
    STRANDED_HOLD = "PARTIAL_FILL_STRANDED_HOLD"
    HOLD_EXPIRED = "PARTIAL_FILL_HOLD_EXPIRED"
    FAVOURABLE_MOVE = "PARTIAL_FILL_FAVOURABLE_MOVE"
    CHASE_AT_BEST = "PARTIAL_FILL_CHASE_AT_BEST"
    NO_SUCH_PRICE = "PARTIAL_FILL_NO_SUCH_PRICE"
    SHED = "PARTIAL_FILL_SHED"
    CANCEL_FAILED = "PARTIAL_FILL_CANCEL_FAILED"
    ORDER_GONE = "PARTIAL_FILL_ORDER_GONE"
    QUARANTINED = "PARTIAL_FILL_QUARANTINED"
    BEYOND_LIMITED = "PARTIAL_FILL_BEYOND_LIMITED_LIVE"


class Meaning(NamedTuple):
    """What a reason is about: for the log, what to do, and what the user reads."""

    severity: Severity
    operator: str
    user: str


_INFO, _WARN, _HARD = Severity.INFO, Severity.WARN, Severity.HARD_REJECT

MEANINGS: dict[Reason, Meaning] = {
    Reason.HOLD_REMAINDER: Meaning(
        _INFO, "the rest stays in the market", "Part of your order has filled. The rest stays in the market."),
    Reason.CANCELLED_REMAINDER: Meaning(
        _INFO, "the rest is taken off, as the policy says", "Part of your order filled. The rest was taken off as you wished."),
    Reason.CHASE_ORDER_SUBMITTED: Meaning(
        _INFO, "the rest follows the market", "The rest of your order follows the market to a price where it can fill."),
    Reason.KILL_SWITCH_ACTIVE: Meaning(
        _HARD, "the kill switch is on: everything is taken off, nothing starts; an operator lifts it", "Trading is paused."),
    Reason.DUST_AUTO_CANCEL: Meaning(
        _HARD, "the rest is worth less than min_remainder_size and goes to the dust sweeper",
        "What was left of your order was too little to keep, so it was taken off."),
    Reason.DUST_REMAINDER: Meaning(
        _WARN, "the dust is worth more than the locked floor: is min_remainder_size right for this strategy?",
        "What was left of your order was very little."),
    Reason.BOOK_THIN_CANCEL: Meaning(
        _WARN, "less rests against the order than it has left, twice in a row",
        "The market was too thin for the rest of your order, which was taken off."),
    Reason.CHASE_WIDE: Meaning(
        _WARN, "the chase goes further than the default band, as the order's own policy allows",
        "The rest of your order follows the market further than usual, as you allowed."),
    Reason.CHASE_ABORTED: Meaning(
        _WARN, "the market is further away than the chase may go; is the limit right for how it moves?",
        "The rest of your order could not fill at a price that you would want, and was taken off."),
    Reason.BOOK_UNAVAILABLE: Meaning(
        _WARN, "no fresh book that can be: nothing is taken off blind; look at the market data of this venue",
        "The market cannot be seen just now. The rest of your order stays as it is."),
    Reason.BOOK_IMPLAUSIBLE: Meaning(
        _WARN, "the venue's book does not show our own order: it is old, or not of this market, or the order filled meanwhile",
        "The market cannot be seen just now. The rest of your order stays as it is."),
    Reason.BOOK_THIN_UNCONFIRMED: Meaning(
        _INFO, "the book is thin; it is looked at once more before anything is taken off",
        "The market is thin just now. The rest of your order stays for the moment."),
    Reason.STRANDED_HOLD: Meaning(
        _WARN, "to take the rest off would leave a quantity below the venue's minimum that could never be sold",
        "The rest of your order stays: what would be left without it is too little to be sold."),
    Reason.HOLD_EXPIRED: Meaning(
        _INFO, "it was held as long, or the market went as far, as the policy allows",
        "The rest of your order waited as long as you allowed."),
    Reason.FAVOURABLE_MOVE: Meaning(
        _INFO, "the market came to the order: no tick of the chase is used", "The market has come towards your order."),
    Reason.CHASE_AT_BEST: Meaning(
        _INFO, "the order stands at the best price already", "Your order stands at the best price already."),
    Reason.NO_SUCH_PRICE: Meaning(
        _WARN, "the venue takes no order at the price that the chase would need; it is held",
        "The venue takes no order at the market's price. The rest of your order stays as it is."),
    Reason.SHED: Meaning(
        _WARN, "too many decisions at once, or this one took too long: held, and decided again later",
        "The rest of your order stays in the market for now."),
    Reason.CANCEL_FAILED: Meaning(
        _WARN, "the cancel of the rest was refused again and again; the order stays under watch",
        "The rest of your order could not be taken off yet."),
    Reason.ORDER_GONE: Meaning(
        _INFO, "nothing was left to decide: it had filled or ended, or is being taken off, when its turn came",
        "Nothing was left to decide about your order."),
    Reason.QUARANTINED: Meaning(
        _INFO, "the mode is quarantine: nothing is decided", "The rest of your order stays in the market."),
    Reason.BEYOND_LIMITED: Meaning(
        _INFO, "limited_live does not reach this order: its decision is recorded and not carried out",
        "The rest of your order stays in the market."),
}  # fmt: skip
"""Every reason has one; a test checks it."""
