"""The worst single message that each door lets in, and how long it holds the loop. Prints JSON: ms of the loop's thread, the
best of some runs.

    python benchmarks/worst_message.py

Doors of a running desk (`live`) are to stay below 5 ms a message; `recorded` are decoders of files, where nothing waits. What a
door refuses counts too: refusing must be cheap. A page of a venue has 1,000 executions at most. A longer list is put together
of several messages; what stepping that costs is shown as `combined`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from partfill import FillManager
from partfill.journal.journal import Journal
from partfill.model.admit import admit
from partfill.model.limits import MAX_BODY, MAX_LIST, MAX_NUMBER
from partfill.model.numbers import NotAnInput, dec
from partfill.model.observations import Execution, OrderSnapshot
from partfill.runtime.partials import MAX_BODY as MAX_PARTIAL
from partfill.runtime.partials import Refused, read
from partfill.service.control import Control
from partfill.service.lines import MAX_LINE as MAX_COMMAND
from partfill.venues.decoding import Damaged
from partfill.venues.formats import FORMATS
from partfill.venues.paper import wire

RUNS = 5
BOUND_MS = 5.0


def best(call: Callable[[], Any]) -> float:
    """Milliseconds of the fastest run."""
    found = []
    for _ in range(RUNS):
        began = time.thread_time()
        call()
        found.append((time.thread_time() - began) * 1000)
    return round(min(found), 3)


def filled(begin: str, each: str, end: str, size: int) -> str:
    """`begin`, as many of `each` with commas between as fit, `end`."""
    count = max(1, (size - len(begin) - len(end)) // (len(each) + 1))
    return begin + ",".join([each] * count) + end


def commands() -> dict[str, bytes]:
    """Lines for the control socket, each as long as it may be."""
    submit = '{"cmd":"submit","ref":"r","instrument":"A","side":"buy","price":"1",'
    return {
        "digits": (submit + '"qty":"' + "9" * (MAX_COMMAND - len(submit) - 20) + '"}').encode(),
        "whole number": (submit + '"qty":' + "9" * (MAX_COMMAND - len(submit) - 20) + "}").encode(),
        "policy": filled(submit + '"qty":"1","remainder":{', '"a":1', "}}", MAX_COMMAND).encode(),
        "tags": (submit + '"qty":"1","tags":{' + ",".join(f'"t{n}":"x"' for n in range(5_000)) + "}}").encode()[:MAX_COMMAND],
        "depth": b"[" * MAX_COMMAND,
        "targets": filled('{"cmd":"protect","instrument":"A","side":"long","targets":[', '"1"', "]}", MAX_COMMAND).encode(),
    }


async def live() -> dict[str, float]:
    """Doors of a running desk."""
    out: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with FillManager.open(Path(folder) / "f.db") as fills:
            control = Control(fills, Path(folder) / "f.db")
            for name, line in commands().items():
                found = []
                for _ in range(RUNS):
                    began = time.thread_time()
                    await control.line(line)
                    found.append((time.thread_time() - began) * 1000)
                out[f"control socket: {name}"] = round(min(found), 3)
        partial = filled('{"order_id":"x","status":"PARTIAL","a":[', "1", "]}", MAX_PARTIAL).encode()
        out["partial report"] = best(lambda: _refused(lambda: read(partial), Refused))
        order = OrderSnapshot(venue="v", order_id="o", order_qty=Decimal(1))
        some = next(wire.chunks([order] * 10_000))
        answer = wire.line(wire.Reply(id=1, orders=some))
        out[f"paper wire: one reply of several, {len(some)} orders"] = best(lambda: wire.read_answer(answer))
        one = Execution(venue="v", order_id="o", key="k", qty=Decimal(1))
        listed = wire.line(wire.Reply(id=1, executions=[one] * wire.PAGE))
        out[f"paper wire: {wire.PAGE} executions"] = best(lambda: wire.read_answer(listed))
        junk = b'{"id":1,"op":' + b"[" * (wire.MAX_LINE - 20)
        out["paper wire: a request of brackets"] = best(lambda: _refused(lambda: wire.read_ask(junk), Exception))
        for count in (100, wire.PAGE):
            out |= await lists(Path(folder), count, "observe")
        out["the longest number"] = best(lambda: _refused(lambda: dec("9" * MAX_NUMBER, "qty"), NotAnInput))
        out["a number of a million digits"] = best(lambda: _refused(lambda: dec("9" * 1_000_000, "qty"), NotAnInput))
    return out


async def lists(folder: Path, count: int, name: str) -> dict[str, float]:
    """A list of so many executions, each new to its order; and the same list once more."""
    admitted: list[float] = []
    new: list[float] = []
    known: list[float] = []
    async with Journal(folder / f"{count}.db") as journal:
        for number in range(RUNS):
            many = tuple(
                Execution(venue="v", order_id=f"o{number}", key=f"{number}k{n}", qty=Decimal(1), px=Decimal(1))
                for n in range(count)
            )
            whole = OrderSnapshot(
                venue="v", order_id=f"o{number}", order_qty=Decimal(count), cum_qty=Decimal(count), executions=many
            )
            admitted.append(best(lambda whole=whole: admit(whole, 1)))  # type: ignore[misc]
            for times in (new, known):
                began = time.thread_time()
                journal.stage(whole, 1)
                times.append(round((time.thread_time() - began) * 1000, 3))
                await journal.flush()
    return {
        f"{name}: a list of {count} executions, admitted": min(admitted),
        f"{name}: a list of {count} executions, stepped": min(new),
        f"{name}: a list of {count} known executions, stepped": min(known),
    }


def _refused(call: Callable[[], Any], kind: type[Exception]) -> None:
    with contextlib.suppress(kind):
        call()


def recorded() -> dict[str, float]:
    """Decoders of files: the longest message of each format, of what costs most."""
    fill = '{"coin":"A","px":"1","sz":"1","side":"B","time":1700000000500,"oid":1,"tid":1,"startPosition":"0","fee":"0"}'
    fix = "8=FIX.4.4|9=5|35=8|37=1|17=1|150=F|39=1|55=A|54=1|38=9|14=1|151=1|6=1|" + "58=x|" * 200_000 + "10=000|"
    worst = {
        "hyperliquid": filled('{"channel":"userFills","data":{"user":"0x1","fills":[', fill, "]}}", MAX_BODY),
        "schwab": filled("[", '{"orderId":1,"quantity":1,"filledQuantity":0,"status":"WORKING"}', "]", MAX_BODY),
        "binance-futures": filled('{"e":"ORDER_TRADE_UPDATE","o":{"a":[', "1", "]}}", MAX_BODY),
        "fix": fix.replace("|", "\x01"),
        "partfill": filled('{"now":1,"input":{"type":"order_snapshot","venue":"v","executions":[', "1", "]}}", MAX_BODY),
    }
    out = {}
    for name, raw in worst.items():
        out[f"{name}: {len(raw)} characters"] = best(lambda name=name, raw=raw: _decoded(name, raw))  # type: ignore[misc]
    deep = "[" * MAX_BODY
    for name in ("hyperliquid", "schwab", "binance-futures"):
        out[f"{name}: brackets alone"] = best(lambda name=name: _decoded(name, deep))  # type: ignore[misc]
    return out


def _decoded(name: str, raw: str) -> None:
    try:
        for _ in FORMATS[name]().decode(raw, 1):
            pass
    except Damaged:
        pass


def main() -> None:
    """Print all figures, and which doors of a desk are above the bound."""
    found = asyncio.run(live())
    with tempfile.TemporaryDirectory() as folder:
        combined = asyncio.run(lists(Path(folder), MAX_LIST, "of ten pages"))
    above = [name for name, ms in found.items() if ms > BOUND_MS]
    print(
        json.dumps(
            {"live": found, "above": above, "bound_ms": BOUND_MS, "combined": combined, "recorded": recorded()}, indent=1
        )
    )


if __name__ == "__main__":
    main()
