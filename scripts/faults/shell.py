"""Faults in what keeps and carries: the journal, the outbox, the manager and its lanes."""

from __future__ import annotations

from faults.fault import Fault

_JOURNAL = (
    "tests/journal/test_fail_stop.py", "tests/journal/test_memory.py",
    "tests/journal/test_journal.py", "tests/journal/test_verify.py", "tests/journal/test_desk_journal.py",
    "tests/journal/test_reused_ids.py", "tests/journal/test_isolate.py", "tests/journal/test_close.py",
    "tests/journal/test_salvage.py",
)  # fmt: skip
_MANAGER = (
    "tests/runtime/test_manager.py", "tests/runtime/test_lanes.py", "tests/runtime/test_kill.py",
    "tests/runtime/test_trouble.py", "tests/runtime/test_start.py", "tests/runtime/test_outages.py",
    "tests/runtime/test_limits.py",
)  # fmt: skip
_NOT_THERE = "worlds step the engine; they have no {}"

FAULTS = (
    Fault(
        "journal-seen-not-written", "journal", "after a restart a message that was heard counts again", "journal/batch.py",
        "seen.extend((child.id, name, known[name]) for name in child.unsaved)", "seen.extend(())",
        _JOURNAL, unseen=_NOT_THERE.format("journal on disk"),
    ),
    Fault(
        "journal-numbers-again", "journal", "after a restart a number of an order is given out twice", "journal/batch.py",
        " or _numbers(engine) != self._first", "",
        _JOURNAL, unseen=_NOT_THERE.format("journal on disk"),
    ),
    Fault(
        "journal-moved-kept", "journal", "executions of an order that was joined to another stay where they were",
        "journal/batch.py", 'sealed["moved"] = self._moved', 'sealed["moved"] = []',
        _JOURNAL, unseen=_NOT_THERE.format("journal on disk"),
    ),
    Fault(
        "journal-failure-swallowed", "journal", "a write that failed is answered as done", "journal/journal.py",
        "                    failed = error\n", "                    log.error(\"%s\", error)\n",
        _JOURNAL, unseen=_NOT_THERE.format("journal on disk"),
    ),
    Fault(
        "journal-steps-after-failure", "journal", "steps are taken after a write has failed", "journal/journal.py",
        "if self._failed is not None or self._closed:\n            raise self._down()",
        "if self._closed:\n            raise self._down()",
        _JOURNAL, unseen=_NOT_THERE.format("journal on disk"),
    ),
    Fault(
        "journal-answers-early", "journal", "callers are answered before their batch is on disk", "journal/journal.py",
        "        self._queue.put((batch.last_seq, waiters))\n",
        "        self._queue.put((batch.last_seq, waiters))\n"
        "        [each.set_result(None) for each in waiters if not each.done()]\n",
        _JOURNAL, unseen=_NOT_THERE.format("journal on disk"),
    ),
    Fault(
        "keeper-leaves-early", "journal", "an order leaves memory before its last change is on disk", "journal/keeper.py",
        "if seq > durable_seq or (len(self._last)", "if (len(self._last)",
        _JOURNAL, unseen=_NOT_THERE.format("journal on disk"),
    ),
    Fault(
        "keeper-former-id", "journal", "an order that left memory is not found by its client id", "journal/keeper.py",
        "if mine is None or mine.contested:\n                    self._load(venue, account, \"client\", cl_ord_id)",
        "if mine is None or mine.contested:\n                    self._load(venue, account, \"order\", cl_ord_id)",
        _JOURNAL, unseen=_NOT_THERE.format("journal on disk"),
    ),
    Fault(
        "verify-shorter-is-equal", "journal", "the proof ends where the first of two tables ends", "journal/verify.py",
        "if left is None and right is None:", "if left is None or right is None:",
        ("tests/journal/test_verify.py",), unseen=_NOT_THERE.format("journal on disk"),
    ),
    Fault(
        "outbox-twice", "outbox", "the last report is delivered again and again", "runtime/outbox.py",
        "WHERE number > ? ORDER BY number LIMIT ?", "WHERE number >= ? ORDER BY number LIMIT ?",
        ("tests/runtime/test_outbox.py",), unseen=_NOT_THERE.format("outbox"),
    ),
    Fault(
        "outbox-failure-not-asked", "outbox", "after a failed delivery nobody asks what the sink has", "runtime/outbox.py",
        "            self.delivered = None\n            raise", "            raise",
        ("tests/runtime/test_outbox.py",), unseen=_NOT_THERE.format("outbox"),
    ),
    Fault(
        "outbox-half-a-line", "outbox", "a line that a crash left half written stays", "runtime/outbox.py",
        "                file.truncate(whole)\n", "",
        ("tests/runtime/test_outbox.py",), unseen=_NOT_THERE.format("outbox"),
    ),
    Fault(
        "outbox-counts-the-first", "outbox", "the first report of a page counts as the last", "runtime/outbox.py",
        'self.delivered = reports[-1]["number"]', 'self.delivered = reports[0]["number"]',
        ("tests/runtime/test_outbox.py",), unseen=_NOT_THERE.format("outbox"),
    ),
    Fault(
        "outbox-not-synced", "outbox", "a report counts as delivered before it is on disk", "runtime/outbox.py",
        "            os.fsync(file.fileno())\n", "",
        ("tests/runtime/test_outbox.py",), unseen=_NOT_THERE.format("outbox"),
    ),
    Fault(
        "outbox-last-not-sent", "outbox", "what was decided last is not delivered before the end", "runtime/outbox.py",
        "        while True:\n            last = self._stopping\n",
        "        while not self._stopping:\n            last = self._stopping\n",
        ("tests/runtime/test_outbox.py",), unseen=_NOT_THERE.format("outbox"),
    ),
    Fault(
        "manager-before-the-disk", "manager", "operations leave before their step is on disk", "runtime/manager.py",
        "while self._steps and self._steps[0][0].seq <= seq:", "while self._steps:",
        _MANAGER, unseen=_NOT_THERE.format("manager"),
    ),
    Fault(
        "manager-cancelled-caller", "manager", "what a caller gave who was cancelled never leaves", "runtime/manager.py",
        "            if self._steps:\n                task", "            if not self._steps:\n                task",
        _MANAGER, unseen=_NOT_THERE.format("manager"),
    ),
    Fault(
        "manager-no-timer", "manager", "nothing that waits is ever tried again", "runtime/manager.py",
        "                self.lanes.send(op, seq)\n        self._set_timer()\n", "                self.lanes.send(op, seq)\n",
        _MANAGER, unseen=_NOT_THERE.format("manager"),
    ),
    Fault(
        "manager-resubmits-unasked", "manager", "remainders are placed again though that is switched off", "runtime/manager.py",
        "        if not self.settings.enabled:\n            rule = None\n        effects = await", "        effects = await",
        (*_MANAGER, "tests/runtime/test_partial_fill_handler.py", "tests/runtime/test_tracking.py"),
        unseen=_NOT_THERE.format("manager"),
    ),
    Fault(
        "manager-queue-not-bounded", "manager", "orders are taken however many wait", "runtime/known.py",
        "if manager.lanes.waiting >= most:", "if manager.lanes.waiting >= most * 1000:",
        ("tests/runtime/test_protection_trouble.py",), unseen=_NOT_THERE.format("manager"),
    ),
    Fault(
        "lanes-cancel-waits", "manager", "a cancel waits behind orders", "runtime/lanes.py",
        "kind = _CANCELS if type(op) is Cancel else _URGENT if op.urgent else _THEN",
        "kind = _URGENT if op.urgent else _THEN",
        _MANAGER, unseen=_NOT_THERE.format("lanes"),
    ),
    Fault(
        "lanes-order-beside-a-cancel", "manager", "an order leaves while a cancel of its lane is out", "runtime/lanes.py",
        "                if first:\n                    await asyncio.wait(first)\n                    continue\n", "",
        _MANAGER, unseen=_NOT_THERE.format("lanes"),
    ),
    Fault(
        "lanes-unwanted-leaves", "manager", "an order that was canceled while it waited leaves", "runtime/lanes.py",
        "        return self._unwanted(op)\n", "        return None\n",
        _MANAGER, unseen=_NOT_THERE.format("lanes"),
    ),
    Fault(
        "lanes-silence-is-refusal", "manager", "a request without an answer counts as refused", "runtime/lanes.py",
        "cl_ord_id=op.cl_ord_id, outcome=Outcome.UNKNOWN,", "cl_ord_id=op.cl_ord_id, outcome=Outcome.REFUSED,",
        _MANAGER, unseen=_NOT_THERE.format("lanes"),
    ),
    Fault(
        "lanes-asked-when-answered", "manager", "an answer is stamped when it came instead of when it was asked for",
        "runtime/lanes.py", "order=msgspec.structs.replace(answer.order, asked=asked)",
        "order=msgspec.structs.replace(answer.order, asked=self._clock())",
        (*_MANAGER, "tests/runtime/test_poller.py"), unseen=_NOT_THERE.format("lanes"),
    ),
    Fault(
        "lanes-breaker-stops-protection", "manager", "an open breaker keeps protective orders back", "runtime/lanes.py",
        "breaker is not None and breaker.open and not op.urgent:", "breaker is not None and breaker.open:",
        (*_MANAGER, "tests/runtime/test_protection_trouble.py", "tests/runtime/test_protection_mishaps.py"),
        unseen=_NOT_THERE.format("lanes"),
    ),
)  # fmt: skip
