"""Faults in which order a message is about."""

from __future__ import annotations

from faults.fault import Fault

_IDS = (
    "tests/core/test_identity.py", "tests/core/test_legs.py", "tests/core/test_legs_again.py", "tests/core/test_child.py",
    "tests/core/test_ledger.py", "tests/core/test_joined.py", "tests/journal/test_reused_ids.py",
)  # fmt: skip

FAULTS = (
    Fault(
        "ids-blank-is-an-id", "ids", "two orders with a blank id are one", "core/attribution.py",
        "order_id = order_id if order_id and not order_id.isspace() else None", "order_id = order_id or None",
        _IDS,
    ),
    Fault(
        "ids-placeholder-believed", "ids", "an id that two orders share goes on deciding", "core/attribution.py",
        "(venue, account, order_id) in engine.shared:\n        order_id = None",
        "(venue, account, order_id) in engine.shared:\n        pass",
        _IDS,
    ),
    Fault(
        "ids-instrument-not-compared", "ids", "a message of another instrument under a known id counts for that order",
        "core/attribution.py", "if child.contradicts(instrument, side):\n            kept",
        "if child.contradicts(None, side):\n            kept",
        _IDS,
    ),
    Fault(
        "ids-end-of-a-former-leg", "ids", "the end of a version that was replaced ends the order", "core/attribution.py",
        "return s.order_id in child.left", "return False",
        _IDS,
    ),
    Fault(
        "ids-leg-not-left", "ids", "a Replaced report does not leave the id before it", "core/attribution.py",
        "if s.cl_ord_id is None or not child.supersedes(s.cl_ord_id):\n        leave(child, s.order_id, effects)\n",
        "\n",
        _IDS,
    ),
    Fault(
        "ids-wrong-request-refused", "ids", "a Rejected that refuses a request is taken for the end of the order",
        "core/attribution.py", "asked = child.in_flight is not None and cl_ord_id in child.in_flight",
        "asked = child.in_flight is not None and orig in child.in_flight",
        (*_IDS, "tests/core/test_desk_answers.py"),
    ),
    Fault(
        "ids-absorbed-keys-forgotten", "ids", "messages of a parked order count once more after it was joined",
        "core/attribution.py", "    keep.remember_all(parked)\n", "",
        _IDS,
    ),
    Fault(
        "ids-absorbed-facts-forgotten", "ids", "the state of a parked order is forgotten when it is joined",
        "core/attribution.py", "    keep.facts |= parked.facts\n", "",
        _IDS,
    ),
    Fault(
        "ids-new-ledger-of-old-era", "ids", "what a new leg fills today is of an earlier day", "core/attribution.py",
        "        child.ledger.era = child.era\n", "",
        (*_IDS, "tests/core/test_result.py"),
    ),
    Fault(
        "lives-old-opener", "ids", "an opening report that came late begins another order", "core/lives.py",
        "if s.as_of is None or s.as_of <= child.heard or s.orig_cl_ord_id is not None:",
        "if s.as_of is None or s.orig_cl_ord_id is not None:",
        _IDS,
    ),
    Fault(
        "lives-filled-opener", "ids", "a New that states fills begins another order", "core/lives.py",
        "if opener and (s.cum_qty or s.executions):", "if opener and s.executions:",
        _IDS,
    ),
    Fault(
        "lives-of-ours-parted", "ids", "an order of ours whose end is not proven loses its id", "core/lives.py",
        "return _replaces(child) or (child.work is not None and not child.work.settled)", "return False",
        (*_IDS, "tests/core/test_desk_traps.py", "tests/core/test_desk_answers.py"),
    ),
    Fault(
        "lives-late-news", "ids", "late news of a former life goes to the newest", "core/lives.py",
        "early = as_of is not None and _before(newest.child, as_of)", "early = False",
        _IDS,
    ),
    Fault(
        "lives-same-day", "ids", "an order that is over within the day begins anew by a day that is not later", "core/lives.py",
        "later_day = s.as_of // DAY_NS > (child.opened_at or child.heard) // DAY_NS",
        "later_day = s.as_of // DAY_NS >= (child.opened_at or child.heard) // DAY_NS",
        _IDS,
    ),
    Fault(
        "keys-content-ignored", "ids", "a known message key with other content is a repeat", "core/message_keys.py",
        "child.remember(again, said)\n    return Known.CONTENT", "return Known.REPEAT",
        _IDS,
    ),
    Fault(
        "keys-second-content-again", "ids", "a second content of a message key counts each time that it comes",
        "core/message_keys.py", "if first == said or (seen is not None and again in seen):", "if first == said:",
        _IDS,
    ),
    Fault(
        "keys-never-known", "ids", "a keyed report counts each time that it is delivered", "core/message_keys.py",
        "        child.remember(s.key, said)\n        return Known.NEW", "        return Known.NEW",
        _IDS,
    ),
)  # fmt: skip
