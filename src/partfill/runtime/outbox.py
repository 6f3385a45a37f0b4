"""Reports of decisions leave through here: written with the decision, delivered after it, in order, at least once.

Theory of operation. The journal is the outbox: a report is a row of `decisions`, committed with the input that led to it. A
sink says which report it has last; everything after that is read from the journal and handed to it, oldest first. So a sink
that was down, or new, catches up by itself, and a process that died between two deliveries goes on where the sink stands.

Rules
- One order for all: the number of a report in the journal. So reports of one trace never overtake each other.
- A sink that fails, however it does, is asked again what it has and tried again, later and later; nothing else waits for it.
- `FileSink` holds every report once: what a crash left half written is cut off before it goes on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from partfill.core.waiting import backoff
from partfill.journal.store import Store
from partfill.model.delivered import DeliveredReport
from partfill.model.reasons import MEANINGS, Reason

PAGE = 500
"""Most reports handed over at once."""
IDLE_S = 1.0
"""How long nothing is looked for when nobody says that there is something."""
SCHEMA = "2"

_FIRST = b'{"kind":"ExecutionReport"'

log = logging.getLogger("partfill.outbox")


class Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said of every report besides the decision itself: who made it, and how its receiver is to keep it."""

    bot_id: str = "partfill"
    topic: str = "partfill.reports.execution"
    retention_class: str = "7y"
    collateral: str | None = None


class Sink(Protocol):
    """Where reports go. Both are called from a thread of their own, never two at once."""

    def last(self) -> int:
        """Number of the newest report that it has; 0 for none. Raises `OSError`."""
        ...

    def deliver(self, reports: Sequence[dict[str, Any]]) -> None:
        """Take these, oldest first; what is taken stays taken. Raises `OSError`."""
        ...


class FileSink:
    """A file of JSON Lines, one report a line, synced before it counts as delivered."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def last(self) -> int:
        """The number in the last whole line; a line without an end is cut off."""
        try:
            with self.path.open("r+b") as file:
                whole = _end_of_last_line(file)
                file.seek(0)
                begins = file.read(len(_FIRST))
                if not whole and not _FIRST.startswith(begins):
                    raise OSError(f"{self.path} holds no report; move it away")
                file.truncate(whole)
                if not whole:
                    return 0
                file.seek(_start_of_line(file, whole - 1))
                return int(json.loads(file.read())["number"])
        except FileNotFoundError:
            return 0
        except (ValueError, KeyError) as error:
            raise OSError(f"{self.path} does not end with a report: {error}; move it away") from None

    def deliver(self, reports: Sequence[dict[str, Any]]) -> None:
        """Append and sync."""
        lines = b"".join(map(as_line, reports))
        with self.path.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())


def as_line(report: dict[str, Any]) -> bytes:
    """A report as a line of JSON, in ASCII."""
    return json.dumps(report, separators=(",", ":")).encode() + b"\n"


class Outbox:
    """Hands the reports of one journal to one sink."""

    def __init__(self, journal: str | Path, sink: Sink, wire: Wire | None = None) -> None:
        self._journal = Path(journal)
        self._sink = sink
        self._wire = wire if wire is not None else Wire()
        self._more = asyncio.Event()
        self._stopping = False
        self.delivered: int | None = None
        """Number of the newest report that the sink has; None before it was asked, and after it failed."""
        self.failures = 0
        """Deliveries in a row that failed."""
        self.error: str | None = None
        self.waiting: int | None = None
        """Reports that the sink did not have after the last try; None while it never said what it has."""

    def wake(self) -> None:
        """There may be something."""
        self._more.set()

    async def run(self) -> None:
        """Deliver until `stop`, then what there still is, as far as the sink takes it."""
        while True:
            last = self._stopping
            try:
                count = await asyncio.to_thread(self._once)
            except Exception as error:
                self.failures += 1
                self.error = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
                # Whatever it is, delivery goes on: nobody else would notice that it had ended.
                log.warning("reports wait: %s", self.error, exc_info=None if isinstance(error, OSError) else error)
                if last:
                    return
                await self._wait(backoff(self.failures) / 1e9)
                continue
            self.failures, self.error = 0, None
            if count == PAGE:
                continue
            if last:
                return
            await self._wait(IDLE_S)

    def stop(self) -> None:
        """One more round, and no other."""
        self._stopping = True
        self._more.set()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._more.wait()
        except TimeoutError:
            pass
        self._more.clear()

    def _once(self) -> int:
        if self.delivered is None:
            self.delivered = self._sink.last()
        try:
            reports = reports_after(self._journal, self.delivered, self._wire, PAGE)
            if reports:
                self._sink.deliver(reports)
        except Exception:
            self.waiting = _count_after(self._journal, self.delivered)
            # It may have taken some of them, or half of one: it is asked anew before anything else is given to it.
            self.delivered = None
            raise
        if reports:
            self.delivered = reports[-1]["number"]
        self.waiting = 0 if len(reports) < PAGE else _count_after(self._journal, self.delivered)
        return len(reports)


def _count_after(journal: Path, number: int) -> int:
    store = Store(journal, read_only=True)
    try:
        return int(next(store.rows("SELECT count(*) AS n FROM decisions WHERE number > ?", (number,)))["n"])
    finally:
        store.close()


def reports_after(journal: str | Path, number: int, wire: Wire, limit: int) -> list[dict[str, Any]]:
    """Reports of a journal after `number`, oldest first, as they leave. Quantities, prices and values are text: exact."""
    store = Store(journal, read_only=True)
    try:
        query = "SELECT number, body FROM decisions WHERE number > ? ORDER BY number LIMIT ?"
        return [_as_it_leaves(row["number"], json.loads(row["body"]), wire) for row in store.rows(query, (number, limit))]
    finally:
        store.close()


def _as_it_leaves(number: int, said: dict[str, Any], wire: Wire) -> dict[str, Any]:
    meaning = MEANINGS[Reason(said["verdict"])]
    seen = said.get("seen", {})
    leaving = {
        "kind": "ExecutionReport", "schema": SCHEMA, "number": number, "topic": wire.topic, "partition_key": said["trace_id"],
        "retention_class": wire.retention_class, "report_id": said["report_id"], "trace_id": said["trace_id"],
        "bot_id": wire.bot_id, "order_id": said["order_id"] or said["cl_ord_id"], "ref": said["ref"],
        "market_id": said["instrument"], "side": said["side"], "original_size": said["order_qty"],
        "filled_size": said["filled_qty"], "remaining_size": said["remaining_qty"], "filled_usd": said["filled_usd"],
        "remaining_usd": seen.get("remaining_usd"), "policy_applied": said["policy_applied"], "verdict": said["verdict"],
        "reason_codes": said["reasons"], "severity": meaning.severity.value, "user_message": meaning.user,
        "operator_message": meaning.operator, "mode": said["mode"], "carried_out": said["carried_out"],
        "original_price": said["original"], "price": said["price"], "chase_price": said.get("px"), "inputs": seen,
        "collateral": wire.collateral, "builder_code": said.get("builder_code"),
        "evaluated_at_ms": said["evaluated_at"] // 1_000_000,
    }  # fmt: skip
    leaves: dict[str, Any] = msgspec.to_builtins(msgspec.convert(leaving, DeliveredReport))
    return leaves


def _end_of_last_line(file: Any) -> int:
    """Where the last whole line ends."""
    at = file.seek(0, os.SEEK_END)
    return _start_of_line(file, at)


def _start_of_line(file: Any, at: int) -> int:
    """Where the line begins that holds the byte before `at`; `at` itself when that byte ends a line before it."""
    step = 4096
    while at > 0:
        start = max(0, at - step)
        file.seek(start)
        found = file.read(at - start).rfind(b"\n")
        if found >= 0:
            return int(start + found + 1)
        at = start
    return 0
