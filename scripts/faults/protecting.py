"""Faults in the protection of positions, in positions, and in decisions on the rest of an order."""

from __future__ import annotations

from faults.fault import Fault

_PROTECTION = (
    "tests/core/test_protection.py", "tests/core/test_covering.py", "tests/core/test_watched.py", "tests/core/test_firing.py",
    "tests/core/test_protection_waits.py", "tests/core/test_rounds.py", "tests/core/test_protection_doubted.py",
    "tests/core/test_laws.py",
)  # fmt: skip
_POSITION = ("tests/core/test_position.py", "tests/core/test_result.py", "tests/core/test_rounds.py")
_REMAINDER = ("tests/core/test_remainder.py", "tests/core/test_handling.py", "tests/core/test_handling_edges.py")

FAULTS = (
    Fault(
        "shares-filled-forgotten", "protection", "a leg that filled gives up its place among several", "core/shares.py",
        "gross = sum((guard.filled for guard in kind), held)", "gross = held",
        _PROTECTION,
    ),
    Fault(
        "shares-rest-uncovered", "protection", "what rounding leaves is covered by nobody", "core/shares.py",
        "if whole and guard is kind[-1]:", "if whole and guard is kind[0]:",
        _PROTECTION,
    ),
    Fault(
        "shares-open-not-counted", "protection", "a leg grows by what another of its budget still may fill", "core/shares.py",
        "            free = sub(free, guard.worst)\n", "            free = sub(free, ZERO)\n",
        _PROTECTION,
    ),
    Fault(
        "shares-leaving-not-counted", "protection", "orders that are being canceled are not counted in the budget",
        "core/shares.py", "gone = sub(gone, open_at_worst(parent))", "gone = sub(gone, ZERO)",
        _PROTECTION,
    ),
    Fault(
        "shares-fired-last", "protection", "a leg that fired is served after those that did not", "core/shares.py",
        "return (not guard.fired_at, not guard.leg.stops)", "return (bool(guard.fired_at), not guard.leg.stops)",
        _PROTECTION,
    ),
    Fault(
        "shares-summed-each", "protection", "a venue that sums reduce-only orders is given stops and targets at once",
        "core/shares.py", "return protection.budget is Budget.SHARED or rules.reduce_only is ReduceOnly.SUM",
        "return protection.budget is Budget.SHARED",
        _PROTECTION,
    ),
    Fault(
        "covering-leaves-first", "protection", "what is too much leaves before its successor works", "core/covering.py",
        "if all(map(_works, stay)):\n            for child", "if stay:\n            for child",
        _PROTECTION,
    ),
    Fault(
        "covering-half-gone", "protection", "what was canceled together is placed anew before all of it is gone",
        "core/covering.py", "    if _half_gone(parent):\n", "    if _half_gone(parent) and parent.halted:\n",
        _PROTECTION,
    ),
    Fault(
        "covering-too-little", "protection", "what is too little for an order of its own is brought together with none",
        "core/covering.py", "return _with_more([], list(stay), missing, least)", "return []",
        _PROTECTION,
    ),
    Fault(
        "covering-grows-in-doubt", "protection", "what is missing is placed while the venue is asked what counts",
        "core/covering.py", "if parent.held or (parent.unsure and not parent.doubted) or rest", "if rest",
        (*_PROTECTION, "tests/core/test_rulings.py"),
        unseen="it is a second lock: what is held for certain keeps a doubted order from growing",
    ),
    Fault(
        "covering-just-enough", "protection", "an order that is just what is too much is passed over", "core/covering.py",
        "enough = [child for child in left if _open(child) >= excess]",
        "enough = [child for child in left if _open(child) > excess]",
        _PROTECTION,
    ),
    Fault(
        "protection-filled-twice", "protection", "what a leg has filled is counted again at each fill", "core/protection.py",
        "guard.filled, guard.seen = max(ZERO, add(guard.filled, more)), parent.cum",
        "guard.filled = max(ZERO, add(guard.filled, more))",
        _PROTECTION,
    ),
    Fault(
        "protection-other-side", "protection", "a short position is protected as if it were long", "core/open_position.py",
        "position.held and (position.held > ZERO) is (protection.side is Side.BUY)", "position.held",
        _PROTECTION,
    ),
    Fault(
        "protection-doubt-begins-anew", "protection", "a doubt about what is held lets every leg begin anew",
        "core/open_position.py", "return least_held(desk.engine, protection.place[:3], protection.side, held)",
        "_begin(protection)\n    return least_held(desk.engine, protection.place[:3], protection.side, held)",
        ("tests/core/test_protection_doubted.py",),
    ),
    Fault(
        "protection-not-reducing", "protection", "protective orders do not tell the venue that they only close",
        "core/protection.py", "reduce_only=_rules(desk, protection).reduces,", "reduce_only=False,",
        _PROTECTION,
    ),
    Fault(
        "protection-under-the-switch", "protection", "a leg is placed under the kill switch", "core/protection.py",
        "if part and not killed and guard.again_at <= now", "if part and guard.again_at <= now",
        (*_PROTECTION, "tests/core/test_desk_kill.py"),
    ),
    Fault(
        "protection-fired-kept", "protection", "a target that took what was there fires no more", "core/protection.py",
        "        guard.fired_at = 0\n        guard.tries = 0 if", "        guard.tries = 0 if",
        _PROTECTION,
    ),
    Fault(
        "protection-law-not-asked", "protection", "nobody checks that a budget closes no more than is held",
        "core/protection.py", "        _law(desk, protection, rules, held, before, first, effects)\n", "        pass\n",
        _PROTECTION,
        unseen="it is a second lock: the first holds there",
    ),
    Fault(
        "protection-again-at-once", "protection", "a leg that is refused is placed again at once, for ever",
        "core/protection.py", "guard.again_at = now + backoff(max(guard.tries, 1), protection.retry)", "guard.again_at = now",
        _PROTECTION,
    ),
    Fault(
        "protection-not-kept", "protection", "a change of a protection is not written", "core/protection.py",
        "        )  # fmt: skip\n    effects.protection(protection)\n    for guard", "        )  # fmt: skip\n    for guard",
        (*_PROTECTION, "tests/journal/test_protection_journal.py"),
    ),
    Fault(
        "firing-sent-again", "protection", "a stop that the market has passed is sent again and again", "core/firing.py",
        "    guard.passed = True\n", "",
        _PROTECTION,
    ),
    Fault(
        "firing-sum-not-kept", "protection", "a restart forgets that a venue sums reduce-only orders", "core/firing.py",
        "    effects.engine = True\n    said = f\"{venue} sums", "    said = f\"{venue} sums",
        (*_PROTECTION, "tests/journal/test_protection_journal.py"),
    ),
    Fault(
        "firing-target-takes-all", "protection", "a target takes the stop off for more than the market shows", "core/firing.py",
        "whole_lots(min(guard.wanted, takes(guard.leg, protection.side, book)), protection.lot)",
        "whole_lots(guard.wanted, protection.lot)",
        _PROTECTION,
    ),
    Fault(
        "position-cost-of-exits", "position", "an exit takes its own price out of the cost instead of its part",
        "core/position.py", "return total, ratio(mul(cost, total), qty)", "return total, add(cost, moved.value)",
        _POSITION,
    ),
    Fault(
        "position-through-zero", "position", "a fill through zero opens the other side with all of its value",
        "core/position.py", "return total, ratio(mul(moved.value, total), moved.qty)", "return total, moved.value",
        _POSITION,
    ),
    Fault(
        "position-fee-sign", "position", "fees raise the net result", "core/position.py",
        "                net = sub(net, amount)\n", "                net = add(net, amount)\n",
        _POSITION,
    ),
    Fault(
        "position-base-fee-free", "position", "what a fee in the base asset took was not paid for", "core/position.py",
        "self.paid = add(self.paid, sub(value, worth))", "self.paid = add(self.paid, ZERO)",
        _POSITION,
    ),
    Fault(
        "position-unpriced-for-ever", "position", "a price that came late leaves the position without a result",
        "core/position.py", "self.unpriced += after.unpriced - before.unpriced", "self.unpriced += after.unpriced",
        _POSITION,
    ),
    Fault(
        "position-folds-the-newest", "position", "of many fills the newest is folded instead of the oldest", "core/position.py",
        "self.recent.pop(0)", "self.recent.pop()",
        _POSITION,
    ),
    Fault(
        "remainder-dust-at-the-limit", "remainder", "a rest worth just the least is dust", "core/remainder.py",
        "if value is not None and value < s.policy.min_remainder_size:",
        "if value is not None and value <= s.policy.min_remainder_size:",
        _REMAINDER,
    ),
    Fault(
        "remainder-never-thin-enough", "remainder", "a book that stays thin is waited for again and again", "core/remainder.py",
        "since = s.thin_since or s.now", "since = s.now",
        _REMAINDER,
    ),
    Fault(
        "remainder-cap-moves", "remainder", "a chase goes beyond the cap when ticks change their size", "core/remainder.py",
        "seen.ticks_to_fill > s.policy.chase_max_ticks or (s.cap is not None and not within(s.side, best, s.cap))",
        "seen.ticks_to_fill > s.policy.chase_max_ticks",
        _REMAINDER,
    ),
    Fault(
        "remainder-one-tick-less", "remainder", "a chase ends a tick before its cap", "core/remainder.py",
        "if seen.ticks_to_fill > s.policy.chase_max_ticks or", "if seen.ticks_to_fill >= s.policy.chase_max_ticks or",
        _REMAINDER,
    ),
    Fault(
        "remainder-fee-of-a-sell", "remainder", "the fee makes a sell's price better", "core/remainder.py",
        "paid = add(best, fee) if s.side is Side.BUY else sub(best, fee)", "paid = add(best, fee)",
        _REMAINDER,
    ),
    Fault(
        "remainder-stranded-swapped", "remainder", "of a buy the rest is judged, of a sell what filled", "core/remainder.py",
        "left = s.cum if s.side is Side.BUY else s.leaves", "left = s.leaves if s.side is Side.BUY else s.cum",
        _REMAINDER,
    ),
    Fault(
        "remainder-other-book", "remainder", "a book of another instrument decides", "core/remainder.py",
        " and book.instrument == s.instrument.symbol", "",
        _REMAINDER,
    ),
    Fault(
        "remainder-old-book", "remainder", "a book that is one look too old decides", "core/remainder.py",
        "return 0 <= s.now - book.as_of <= s.policy.max_book_age_ms * MS",
        "return 0 <= s.now - book.as_of <= 2 * s.policy.max_book_age_ms * MS",
        _REMAINDER,
    ),
    Fault(
        "remainder-cap-of-a-sell", "remainder", "the cap of a sell lies on the wrong side", "core/remainder.py",
        "return add(original, way) if side is Side.BUY else sub(original, way)", "return add(original, way)",
        _REMAINDER,
    ),
    Fault(
        "remainder-chases-itself", "remainder", "an order at the best price is replaced by itself", "core/remainder.py",
        "if best == s.price:", "if best == s.original:",
        _REMAINDER,
    ),
)  # fmt: skip
