"""Ids that are reused, contradict, and link to each other: an order is the same whether it stayed in memory or came back.

Each seed is a stream over three order ids, three client ids and four execution keys, with every kind of report, link, bust and
placing. One engine keeps everything in memory; the other lets each order go as soon as it may, and brings it back by its names.
After every input both must show the same order and tell the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from partfill.core.child import Child
from partfill.core.engine import Engine
from partfill.journal.batch import Batch
from partfill.journal.recovery import recover
from partfill.journal.state import freeze
from partfill.journal.store import Store
from partfill.model.capabilities import Capabilities, Chain, IdScope
from partfill.model.codec import to_json
from partfill.model.inputs import Execution, ExecutionVoided, Input, OrderLinked, OrderPlaced, OrderSnapshot, VenueDeclared
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, Side, TimeInForce

DAY = 86_400_000_000_000
VENUE = "v"
STREAMS = 300
FOUND = (517, 879, 1005)
"""Seeds beyond those that once differed."""
LENGTH = 60
D = Decimal


def stream(seed: int) -> Iterator[tuple[int, Input]]:
    """(time in ns UTC, input)."""
    rng = random.Random(seed)
    one = rng.choice
    now = 20_000 * DAY
    rules = Capabilities(id_scope=one(list(IdScope)), chain=one(list(Chain)), order_id_reused=rng.random() < 0.2)
    yield now, VenueDeclared(venue=VENUE, capabilities=rules)
    for number in range(LENGTH):
        now += one((1, 1, 1, 1_000, DAY))
        ids: dict[str, Any] = {"order_id": one(("1", "2", "3", None, " ")), "cl_ord_id": one(("A", "B", "C", None))}
        if ids["cl_ord_id"] is None and ids["order_id"] in (None, " "):
            ids["cl_ord_id"] = "A"
        of: dict[str, Any] = {"instrument": one(("X", "X", "X", "Y", None)), "side": one((Side.BUY, Side.BUY, Side.SELL, None))}
        key = one((None, "m1", "m2", f"m{number}"))
        said: dict[str, Any] = {"venue": VENUE, **ids, "as_of": one((now, now, now - 5, None))}
        kind = rng.randrange(8)
        if kind == 0:
            tif = one((None, TimeInForce.DAY, TimeInForce.GTC))
            opener = one((ExecType.NEW, ExecType.PENDING_NEW))
            yield now, OrderSnapshot(**said, **of, exec_type=opener, order_qty=D(one((5, 10))), key=key, time_in_force=tif)
        elif kind in (1, 2):
            yield now, Execution(**said, **of, key=one("abcd"), qty=D(one((1, 2))), px=D(5))
        elif kind == 3:
            yield (
                now,
                OrderSnapshot(
                    **said, exec_type=ExecType.REPLACED, orig_cl_ord_id=one("ABC"), order_qty=D(one((6, 12))), key=key
                ),
            )
        elif kind == 4:
            end = one((ExecType.CANCELED, ExecType.REJECTED, ExecType.EXPIRED))
            yield (
                now,
                OrderSnapshot(
                    **said, exec_type=end, orig_cl_ord_id=one((None, "A", "B")), ord_status=OrdStatus.REJECTED, key=key
                ),
            )
        elif kind == 5:
            total = OrderSnapshot(**said, cum_qty=D(one((0, 1, 3, 9))), asked=one((None, now)))
            yield now, one((ExecutionVoided(**said, key=one("abcd")), total))
        elif kind == 6 and (ids["order_id"] or "").strip():
            yield now, OrderLinked(**said, new_order_id=one("123"), new_cl_ord_id=one(("A", "B", None)))
        else:
            terms = Terms(instrument=of["instrument"] or "X", side=of["side"] or Side.BUY, order_qty=D(10))
            yield now, OrderPlaced(venue=VENUE, cl_ord_id=ids["cl_ord_id"] or "A", terms=terms, as_of=said["as_of"])


def shown(child: Child | None) -> tuple[int, str] | None:
    return None if child is None else (child.id, freeze(child).decode())


@pytest.mark.parametrize("seed", [*range(STREAMS), *FOUND])
def test_an_order_that_left_memory_is_the_one_that_stayed(seed: int) -> None:
    stays = Engine()
    keeper = recover(Store(":memory:"), quiet_ns=0, max_finished=0)
    store, keeper.stored, leaves = keeper.store, True, keeper.engine
    last = 0
    for number, (now, inp) in enumerate(stream(seed), 1):
        last = max(now, last) + 1
        there = stays.step(inp, last)
        keeper.recall(inp)
        here = leaves.step(inp, last)
        batch = Batch(leaves)
        batch.stage(number, inp, last, here, to_json(inp))
        keeper.note(here, number)
        store.write(batch.seal(leaves))
        assert shown(here.child) == shown(there.child), (number, inp)
        assert [type(event) for event in here.events] == [type(event) for event in there.events], (number, inp)
        keeper.release(last + 10, number)
