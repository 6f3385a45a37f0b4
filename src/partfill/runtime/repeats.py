"""What a read brings that is known to the letter: it is not taken again, so that polling costs no disk while nothing happens.

Rules
- Only what could change nothing is left out. A snapshot: the same content as the last one of this order that was taken, and
  nothing has happened to the order since. An execution: its row says just that, and it is no version, void or leg.
- Stamps are no content: the same total at a later time says more only after something else was heard, and then it is taken.
- Nothing is left out of an order whose venue says less than was heard: each answer counts (`core.rulings`).
- Unsure means taken. Orders that are not in memory are never left out.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from partfill.core.doubts import pending
from partfill.core.engine import Engine
from partfill.core.rows import unpack
from partfill.model.observations import Execution, Observation, OrderSnapshot
from partfill.model.words import ExecutionState

_encode = msgspec.json.Encoder().encode
_Content = tuple[bytes, int]


class Repeats:
    """The last snapshot of each order that one poller took, as (digest, time of its step, ns UTC)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._taken: dict[str, _Content] = {}
        self._before: dict[str, _Content] = {}

    def __contains__(self, s: OrderSnapshot) -> bool:
        """Whether `s` can be left out."""
        order_id = s.order_id or ""
        found = self._before.get(order_id)
        ledger = self._engine.index.by_order.get((s.venue, s.account, order_id))
        if found is None or ledger is None or s.key is not None:
            return False
        digest, step = found
        if ledger.child.updated > step or digest != _digest(s):
            return False
        if pending(ledger.child) or ledger.child.gone is not None or ledger.child.odd is not None:
            # What is doubted has to be heard again.
            return False
        self._taken[order_id] = found
        return True

    def took(self, s: OrderSnapshot, now: int) -> None:
        """`s` was taken in the step of `now`."""
        if s.order_id is not None:
            self._taken[s.order_id] = (_digest(s), now)

    def turn(self) -> None:
        """A poll is over: orders that it did not bring are forgotten."""
        self._before, self._taken = self._taken, {}


def known(engine: Engine, observation: Observation) -> bool:
    """Whether an observation out of a venue's history is an execution that is booked just so."""
    if type(observation) is not Execution or observation.leg is not None:
        return False
    e = observation
    ledger = engine.index.by_order.get((e.venue, e.account, e.order_id or ""))
    packed = ledger.rows.get(e.key) if ledger is not None else None
    if ledger is None or packed is None or packed[0] in "!~" or e.key in (ledger.cases or ()):
        return False
    if not ledger.child.known or (e.cl_ord_id is not None and e.cl_ord_id not in ledger.child.client_ids):
        return False
    row = unpack(packed)
    fee = e.fee is None or (e.fee, e.fee_currency) == (row.fee, row.fee_currency)
    return fee and not row.state and e.state is ExecutionState.CONFIRMED and (e.qty, e.px) == (row.qty, row.px)


def _digest(s: OrderSnapshot) -> bytes:
    executions = s.executions
    if executions is not None:
        executions = tuple(msgspec.structs.replace(each, as_of=None) for each in executions)
    bare = msgspec.structs.replace(s, as_of=None, venue_time=None, asked=None, executions=executions)
    try:
        content = _encode(bare)
    except UnicodeEncodeError:
        content = repr(bare).encode("ascii", "backslashreplace")
    return blake2b(content, digest_size=16).digest()
