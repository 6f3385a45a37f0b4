"""Inputs for tests of the journal, and a process that writes a journal until somebody kills it.

    python -m tests.journal.writer DB SEED

Thirty tasks submit the lives of random orders. What was acknowledged goes to standard output at once, one line each:
the last durable sequence number, what it was, the order, the execution (or "-").
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from partfill.journal.journal import Journal
from partfill.model.inputs import (
    Execution,
    ExecutionRevised,
    ExecutionVoided,
    Input,
    OrderPlaced,
    OrderSnapshot,
    RequestSent,
)
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus, Request, Side

VENUE = "paper"
TASKS = 30

# ---------------------------------------------------------------------- builders


def placed(cl_ord_id: str, qty: str = "10", **more: Any) -> OrderPlaced:
    """Our order to buy `qty` ACME at 50 leaves under `cl_ord_id`."""
    terms = Terms(instrument="ACME", side=Side.BUY, order_qty=Decimal(qty), price=Decimal("50"))
    return OrderPlaced(venue=VENUE, cl_ord_id=cl_ord_id, terms=terms, **more)


def snapshot(order_id: str, cl_ord_id: str | None = None, **more: Any) -> OrderSnapshot:
    """A report or a poll answer about an order."""
    return OrderSnapshot(venue=VENUE, order_id=order_id, cl_ord_id=cl_ord_id, **more)


def accepted(order_id: str, cl_ord_id: str | None = None, qty: str = "10") -> OrderSnapshot:
    """The venue took the order."""
    return snapshot(
        order_id, cl_ord_id, exec_type=ExecType.NEW, ord_status=OrdStatus.NEW, order_qty=Decimal(qty), side=Side.BUY,
        instrument="ACME",
    )  # fmt: skip


def canceled(order_id: str) -> OrderSnapshot:
    """The rest is off."""
    return snapshot(order_id, exec_type=ExecType.CANCELED, ord_status=OrdStatus.CANCELED)


def execution(order_id: str, key: str, qty: str = "1", px: str | None = "50", **more: Any) -> Execution:
    """One fill."""
    price = None if px is None else Decimal(px)
    return Execution(venue=VENUE, order_id=order_id, key=key, qty=Decimal(qty), px=price, **more)


def claim(order_id: str, cum: str, avg: str | None = "50") -> OrderSnapshot:
    """A poll answer with a total."""
    return snapshot(order_id, cum_qty=Decimal(cum), avg_px=None if avg is None else Decimal(avg))


def voided(order_id: str, key: str) -> ExecutionVoided:
    """A bust."""
    return ExecutionVoided(venue=VENUE, order_id=order_id, key=key)


def revised(order_id: str, key: str, qty: str, px: str = "51", new_key: str | None = None) -> ExecutionRevised:
    """A correction."""
    return ExecutionRevised(venue=VENUE, order_id=order_id, key=key, qty=Decimal(qty), px=Decimal(px), new_key=new_key)


def cancel_sent(cl_ord_id: str, orig: str) -> RequestSent:
    """Our request to cancel leaves."""
    return RequestSent(venue=VENUE, request=Request.CANCEL, cl_ord_id=cl_ord_id, orig_cl_ord_id=orig)


def filled_order(order_id: str, cl_ord_id: str, qty: str = "10") -> list[Input]:
    """A whole life: placed, accepted, filled in two executions, finished."""
    half = str(Decimal(qty) / 2)
    return [
        placed(cl_ord_id, qty),
        accepted(order_id, cl_ord_id, qty),
        execution(order_id, "k1", half),
        execution(order_id, "k2", half, "51"),
    ]


# ---------------------------------------------------------------------- a random stream


def life(rng: random.Random, name: str) -> Iterator[Input]:
    """One order from its placing to some end: fills in any order, repeats, claims, busts, corrections, cancels."""
    order_id, cl_ord_id = f"O{name}", f"C{name}"
    qty = rng.randint(2, 40)
    keys: list[str] = []
    yield placed(cl_ord_id, str(qty))
    if rng.random() < 0.3:
        # The fill is faster than the acknowledgement: it is parked, and the acknowledgement brings the two together.
        keys.append("early")
        yield execution(order_id, "early")
    yield accepted(order_id, cl_ord_id, str(qty))
    for step in range(rng.randint(0, 8)):
        what = rng.random()
        if what < 0.55 or not keys:
            keys.append(f"k{step}")
            fee = {"fee": Decimal("0.01"), "fee_currency": "USD"} if rng.random() < 0.3 else {}
            yield execution(order_id, keys[-1], str(rng.randint(1, 5)), f"{rng.randint(4900, 5100)}E-2", **fee)
        elif what < 0.65:
            yield claim(order_id, str(rng.randint(1, qty)), "50.1")
        elif what < 0.75:
            yield voided(order_id, rng.choice(keys))
        elif what < 0.85:
            yield revised(order_id, rng.choice(keys), str(rng.randint(1, 5)))
        else:
            yield execution(order_id, keys[-1], "1")
    if rng.random() < 0.8:
        yield cancel_sent(f"X{name}", cl_ord_id)
        yield canceled(order_id)
    if rng.random() < 0.2:
        yield execution(order_id, "late")


def lives(rng: random.Random, name: str, orders: int) -> Iterator[Input]:
    """So many orders, their inputs mixed as a busy venue mixes them."""
    running = [life(rng, f"{name}-{n}") for n in range(orders)]
    while running:
        # Only a few at a time, so that orders finish all along.
        at = rng.randrange(min(len(running), 12))
        inp = next(running[at], None)
        if inp is None:
            del running[at]
        else:
            yield inp


def acknowledgement(inp: Input) -> str:
    """What one acknowledged input was: kind, order, execution."""
    kind = str(inp.__struct_config__.tag)
    order = getattr(inp, "order_id", None) or getattr(inp, "cl_ord_id", None) or "-"
    return f"{kind} {order} {getattr(inp, 'key', None) or '-'}"


async def write(path: Path, seed: int) -> None:
    """Submit for ever."""
    clock = seed * 10**12

    async def task(journal: Journal, number: int) -> None:
        nonlocal clock
        rng = random.Random(f"{seed}/{number}")
        order = 0
        while True:
            order += 1
            # Now and then an order that another process wrote gets a late fill.
            if order % 5 == 0 and seed > 0:
                old: list[Input] = [execution(f"O{rng.randrange(seed)}-{number}-1", f"after-{seed}-{order}")]
            else:
                old = []
            for inp in [*old, *life(rng, f"{seed}-{number}-{order}")]:
                clock += 1000
                await journal.submit(inp, clock)
                os.write(1, f"{journal.durable_seq} {acknowledgement(inp)}\n".encode())

    async with Journal(path, quiet_ns=10**6, max_finished=200) as journal:
        await asyncio.gather(*(task(journal, number) for number in range(TASKS)))


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2])))
