"""Faults in what is asked of venues: parent orders, the planner, answers, refusals, ends, rulings and the kill switch."""

from __future__ import annotations

from faults.fault import Fault

_DESK = (
    "tests/core/test_desk.py", "tests/core/test_desk_answers.py", "tests/core/test_desk_traps.py",
    "tests/core/test_desk_resubmit.py", "tests/core/test_desk_afterwards.py", "tests/core/test_desk_excess.py",
    "tests/core/test_desk_reducing.py", "tests/core/test_desk_shrinks.py", "tests/core/test_desk_replaced.py",
    "tests/core/test_desk_cash.py", "tests/core/test_protection.py", "tests/core/test_covering.py",
)  # fmt: skip
_RULINGS = ("tests/core/test_rulings.py", "tests/core/test_asides.py", "tests/core/test_protection_doubted.py")
_PRESUMED = ("tests/core/test_presumed.py", "tests/core/test_firing.py")
_KILL = ("tests/core/test_desk_kill.py", "tests/runtime/test_kill.py", "tests/journal/test_desk_journal.py")

FAULTS = (
    Fault(
        "parent-leaving-counts", "parent", "a protective order that leaves still counts as open", "core/parent.py",
        "if not child.work.is_beside(child):\n                total", "if child.work is not None:\n                total",
        _DESK,
    ),
    Fault(
        "parent-worst-of-the-parent", "parent", "what the parent has filled counts against what one child may still fill",
        "core/parent.py", "rest = sub(self.max_qty, child.cum)", "rest = sub(self.max_qty, self.parent.cum)",
        _DESK,
    ),
    Fault(
        "parent-cut-forgotten", "parent", "an order that its venue cut down is asked to grow again at the next word",
        "core/parent.py", "self.cut = self.cut or total < self.max_qty", "self.cut = total < self.max_qty",
        _DESK,
    ),
    Fault(
        "parent-never-unsure", "parent", "what is left is placed while the venue is still to be asked what counts",
        "core/parent.py", "if work.settled and (work.looking or work.look_at) and any(",
        "if work.settled and work.looking and work.look_at and any(",
        _DESK,
    ),
    Fault(
        "parent-doubted-grows", "parent", "a protective order grows in doubt though nothing holds it to the position",
        "core/parent.py", "not (self.guards is not None and self.terms.reduce_only)", "self.guards is None",
        (*_RULINGS, "tests/core/test_protection.py"),
    ),
    Fault(
        "parent-value-of-last", "parent", "the value of an order is that of its last child alone", "core/parent.py",
        "value = add(value, priced[0])", "value = priced[0]",
        (*_DESK, "tests/runtime/test_manager.py"),
    ),
    Fault(
        "planner-others-not-counted", "planner", "what other children may still fill is asked for once more", "core/planner.py",
        "room = sub(parent.asked, sub(parent.exposure, work.worst(child)))", "room = sub(parent.asked, parent.cum)",
        _DESK,
    ),
    Fault(
        "planner-fights-the-venue", "planner", "an order that its venue cut down is asked for in full, for ever",
        "core/planner.py", "if work.cut and wanted > work.max_qty:", "if False and wanted > work.max_qty:",
        _DESK,
    ),
    Fault(
        "planner-one-resubmit-more", "planner", "one successor more than the user allows", "core/planner.py",
        "parent.resubmits < rule.max_resubmit_attempts", "parent.resubmits <= rule.max_resubmit_attempts",
        _DESK,
    ),
    Fault(
        "planner-resubmit-size", "planner", "a remainder of just the least size is not placed again", "core/planner.py",
        "rest >= rule.min_resubmit_size:", "rest > rule.min_resubmit_size:",
        _DESK,
    ),
    Fault(
        "planner-places-in-doubt", "planner", "the rest is placed while the venue says that less has filled", "core/planner.py",
        '"""Every child is settled: place what is left, or end."""\n    if parent.held:\n        return None',
        '"""Every child is settled: place what is left, or end."""',
        (*_RULINGS, *_DESK),
    ),
    Fault(
        "planner-places-unsure", "planner", "the rest is placed while a total from before a void is open", "core/planner.py",
        "    if rest and parent.unsure:\n        return None\n", "",
        _DESK,
    ),
    Fault(
        "planner-two-requests", "planner", "a second request leaves while the first is in flight", "core/planner.py",
        "if work.request is not None or not child.open_at_venue:", "if not child.open_at_venue:",
        _DESK,
    ),
    Fault(
        "planner-successor-of-all", "planner", "the successor is as large as the whole order was", "core/planner.py",
        "if last.work.retarget and parent.done is None:\n        return Step(request=Request.PLACE, qty=rest)",
        "if last.work.retarget and parent.done is None:\n        return Step(request=Request.PLACE, qty=parent.asked)",
        _DESK,
    ),
    Fault(
        "planner-halted-not-killed", "planner", "an order that was halted cannot be canceled", "core/planner.py",
        "if parent.halted and parent.stop is None:", "if parent.halted:",
        (*_DESK, "tests/core/test_laws.py", *_KILL),
    ),
    Fault(
        "planner-price-not-asked", "planner", "another price is wanted and not asked for", "core/planner.py",
        "if wanted == work.max_qty and parent.price == work.px:", "if wanted == work.max_qty:",
        _DESK,
    ),
    Fault(
        "planner-no-wait", "planner", "a refused request is sent again at once", "core/planner.py",
        "if step is not None and work.act_at > now:", "if step is not None and work.act_at > now + 10**12:",
        _DESK,
    ),
    Fault(
        "answers-refused-though-heard", "planner", "an order that works is given up when its placing is refused late",
        "core/answers.py", "elif a.request is Request.PLACE and not heard_of(child):", "elif a.request is Request.PLACE:",
        _DESK,
    ),
    Fault(
        "answers-older-than-the-request", "planner", "an answer that was asked for before a request closes it",
        "core/answers.py", "elif answer.as_of < max(work.sent_at, work.terms_at):", "elif answer.as_of < work.terms_at:",
        _DESK,
    ),
    Fault(
        "answers-of-another-request", "planner", "the reply to an older request answers the one in flight", "core/answers.py",
        "if work.request is not a.request or work.request_id != a.cl_ord_id:", "if work.request is not a.request:",
        _DESK,
    ),
    Fault(
        "refused-exists", "refused", "a placing whose reply was lost is given up as refused", "core/answers.py",
        "elif a.request is Request.PLACE and means is Refusal.EXISTS:",
        "elif a.request is Request.CANCEL and means is Refusal.EXISTS:",
        (*_DESK, *_PRESUMED),
    ),
    Fault(
        "refused-ended-replace", "refused", "a refused replace counts as half a proof of the end", "core/refused.py",
        "if means is Refusal.ENDED and request is Request.CANCEL:", "if means is Refusal.ENDED:",
        (*_PRESUMED, *_DESK),
    ),
    Fault(
        "refused-sum-not-believed", "refused", "a venue that sums reduce-only orders is asked for more for ever",
        "core/refused.py", "elif means is Refusal.REDUCE_ONLY_SUM and request is not Request.CANCEL:",
        "elif means is Refusal.REDUCE_ONLY_SUM and request is Request.CANCEL:",
        _PRESUMED,
    ),
    Fault(
        "presumed-one-is-enough", "presumed", "one answer ends an order where the venue's ends are not final",
        "core/presumed.py", "return rules.end_is_final or (gone.count >= 2 and gone.last - gone.first >= rules.lag_ns)",
        "return rules.end_is_final or gone.count >= 1",
        _PRESUMED,
    ),
    Fault(
        "presumed-stays-dead", "presumed", "a fill does not revive an order that was taken for ended", "core/presumed.py",
        "elif child.cum > gone.cum:", "elif child.cum > gone.cum + child.cum:",
        _PRESUMED,
    ),
    Fault(
        "presumed-old-answer-revives", "presumed", "an answer from before the proof revives the order", "core/presumed.py",
        "if gone is not None and works and told > gone.proven_at:", "if gone is not None and works:",
        _PRESUMED,
    ),
    Fault(
        "presumed-stop-not-triggered", "presumed", "a stop that has not triggered is taken for ended", "core/presumed.py",
        "return child.stop_px is not None and not child.cum", "return False",
        _PRESUMED, unseen="rare: a long run of odd answers about a stop; in 101 worlds from seed 600000",
    ),
    Fault(
        "presumed-low-total", "presumed", "an answer that shows less than is booked proves the end",
        "core/presumed.py", "if total is not None and total != ledger.cum:", "if total is not None and total > ledger.cum:",
        _PRESUMED,
    ),
    Fault(
        "rulings-lagging-answer", "rulings", "an answer within the venue's lag counts against what was heard",
        "core/rulings.py", "if s.asked <= doubt.news_at + child.rules.lag_ns or", "if s.asked <= doubt.news_at or",
        _RULINGS,
    ),
    Fault(
        "rulings-two-answers", "rulings", "two answers are enough for a dispute", "core/rulings.py",
        "if doubt.count >= MANY and", "if doubt.count >= MANY - 1 and",
        _RULINGS,
    ),
    Fault(
        "rulings-after-flaps", "rulings", "a venue that took its word back is ruled on by itself", "core/rulings.py",
        "if not doubt.flaps and _is_fresh(child, ledger, doubt)", "if _is_fresh(child, ledger, doubt)",
        _RULINGS,
    ),
    Fault(
        "rulings-broken-list", "rulings", "a list that does not add up to its own total is believed", "core/rulings.py",
        "if total is not None and whole != total:", "if total is not None and whole > total:",
        _RULINGS,
    ),
    Fault(
        "rulings-resent-log", "rulings", "a message that was weighed revives what was set aside", "core/rulings.py",
        "if told <= doubt.ruled_at:", "if told < 0:",
        _RULINGS,
    ),
    Fault(
        "rulings-late-claim", "rulings", "a claim of the moment that was ruled on counts again", "core/asides.py",
        "as_of <= ledger.doubt.ruled_at", "as_of < ledger.doubt.ruled_at",
        _RULINGS,
    ),
    Fault(
        "kill-one-venue", "kill switch", "the switch for everything stops nothing", "core/kill_switch.py",
        "return scope[0] == EVERYWHERE or scope == (venue, account)", "return scope == (venue, account)",
        _KILL,
    ),
    Fault(
        "kill-reopened", "kill switch", "an order that a void opened again works on", "core/kill_switch.py",
        "if (parent.done is None or parent.active) and _within(", "if parent.done is None and _within(",
        _KILL,
    ),
    Fault(
        "kill-not-kept", "kill switch", "a restart forgets the switch", "core/kill_switch.py",
        "    effects.engine = True\n    if not k.on:", "    if not k.on:",
        (*_KILL, "tests/journal/test_journal.py"),
    ),
    Fault(
        "kill-not-of-ours", "kill switch", "an order that the user placed elsewhere goes on working", "core/kill_switch.py",
        "if child.work is None and child.known and child.open and _within(",
        "if child.work is None and child.placed and child.open and _within(",
        _KILL,
    ),
    Fault(
        "kill-unclaimed-left", "kill switch", "what was left until its owner was known is never canceled",
        "core/kill_switch.py",
        "wanted = child is not None and child.work is None and child.open and who_killed(",
        "wanted = child is not None and child.work is not None and child.open and who_killed(",
        _KILL,
        unseen="missing: the switch while an order may be ours or not",
    ),
)  # fmt: skip
