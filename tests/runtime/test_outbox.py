"""Reports leave in order, at least once, whatever the sink and the process do; the file holds each of them once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from partfill import Chase, FillManager, Limit
from partfill.model.policy import Mode
from partfill.model.reports import ExecutionReport
from partfill.runtime import outbox
from partfill.runtime.outbox import FileSink, Outbox, Wire, reports_after
from partfill.runtime.remainders import RemainderSettings
from tests.runtime.test_decisions import Dim, Told
from tests.runtime.test_manager import WAIT_S, price, until
from tests.runtime.test_trouble import disk_with_room

LIVE = RemainderSettings(mode=Mode.GENERAL_LIVE)
SOON = Chase(10, rechase_ms=50, cancel_on_book_thin=False)


class Shaky:
    """A sink that fails when it is told to, and keeps what it took."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.fails = 0

    def last(self) -> int:
        return self.taken[-1]["number"] if self.taken else 0

    def deliver(self, reports: Sequence[dict[str, Any]]) -> None:
        if self.fails:
            self.fails -= 1
            raise OSError("the bus is down")
        self.taken.extend(reports)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def decided(fills: FillManager, venue: Dim, told: Told, count: int) -> None:
    """Let orders be decided on until so many reports are told. One that another's chase was faster than is not waited for."""
    async with asyncio.timeout(WAIT_S):
        while len(told) < count:
            await fills.submit(Limit("ACME", "buy", qty=50_000, price=price(venue, "ACME", "buy", 0)), remainder=SOON)
            venue.advance(40)
            await asyncio.sleep(0.01)


async def test_every_report_is_in_the_file_once_and_in_order(tmp_path: Path) -> None:
    venue, file = Dim(), tmp_path / "r.jsonl"
    reported: list[ExecutionReport] = []
    wire = Wire(bot_id="mine", collateral="USD", topic="polytraders.reports.execution")
    for _ in range(2):
        async with FillManager.open(
            tmp_path / "f.db",
            venues=[venue],
            remainders=LIVE,
            reports=FileSink(file),
            wire=wire,
        ) as fills:
            told = Told(fills)
            await decided(fills, venue, told, 3)
            await fills.kill(True, by="test")
            await until(lambda: all(order.ended for order in fills.orders()), "everything is off")
            await fills.kill(False, by="test")
        reported += told
    found = lines(file)
    assert [row["report_id"] for row in found] == [report.report_id for report in reported]
    assert [row["number"] for row in found] == sorted({row["number"] for row in found})
    first = found[0]
    assert (first["kind"], first["bot_id"], first["collateral"], first["partition_key"]) == (
        "ExecutionReport", "mine", "USD", first["trace_id"],
    )  # fmt: skip
    assert (first["topic"], first["retention_class"], first["market_id"], first["schema"]) == (
        "polytraders.reports.execution", "7y", "ACME", "2",
    )  # fmt: skip
    assert first["evaluated_at_ms"] == reported[0].evaluated_at // 1_000_000
    assert first["reason_codes"][0] == first["verdict"]
    assert first["user_message"]
    assert float(first["remaining_size"]) == float(first["original_size"]) - float(first["filled_size"])


async def test_a_sink_that_is_down_gets_everything_when_it_is_back(tmp_path: Path) -> None:
    venue, sink = Dim(), Shaky()
    sink.fails = 3
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=LIVE, reports=sink) as fills:
        told = Told(fills)
        await decided(fills, venue, told, 4)
        assert fills.outbox is not None
        await until(lambda: not sink.fails, "it was tried again")
        assert all(report.filled_qty for report in told)
    assert [row["report_id"] for row in sink.taken] == [report.report_id for report in told]


async def test_a_sink_that_stays_down_keeps_nobody_from_stopping_and_catches_up_later(tmp_path: Path) -> None:
    venue, sink = Dim(), Shaky()
    sink.fails = 10**9
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=LIVE, reports=sink) as fills:
        told = Told(fills)
        await decided(fills, venue, told, 2)
        assert fills.outbox is not None
        await until(lambda: fills.outbox is not None and fills.outbox.error == "the bus is down", "it fails")
    assert sink.taken == []
    sink.fails = 0
    await run(Outbox(tmp_path / "f.db", sink))
    assert [row["report_id"] for row in sink.taken][: len(told)] == [report.report_id for report in told]


async def test_a_disk_that_fills_up_in_the_middle_of_a_report_leaves_no_torn_line(tmp_path: Path) -> None:
    venue, file = Dim(), tmp_path / "r.jsonl"
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=LIVE) as fills:
        await decided(fills, venue, Told(fills), 5)
    whole = reports_after(tmp_path / "f.db", 0, Wire(), 1000)
    box = Outbox(tmp_path / "f.db", FileSink(file))
    before = {"kind": "ExecutionReport", "number": 0, "long": "z" * 1_000_000}
    FileSink(file).deliver([before])
    # Room for the first two and a part of the third.
    room = file.stat().st_size + sum(len(json.dumps(row, separators=(",", ":"))) + 1 for row in whole[:2]) + 100
    with disk_with_room(room):
        await run(box)
    assert box.failures == 1
    assert box.waiting == len(whole)
    assert not file.read_bytes().endswith(b"\n")
    await run(box)
    assert (lines(file), box.waiting, box.failures) == ([before, *whole], 0, 0)


async def test_a_sink_that_fails_in_a_way_nobody_foresaw_is_tried_again(tmp_path: Path) -> None:
    class Odd(Shaky):
        def last(self) -> int:
            if self.fails:
                self.fails -= 1
                raise ValueError("what an adapter may do")
            return super().last()

    venue, sink = Dim(), Odd()
    sink.fails = 2
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=LIVE, reports=sink) as fills:
        told = Told(fills)
        await decided(fills, venue, told, 2)
        await until(lambda: len(sink.taken) >= 2, "it was tried again")
    assert [row["report_id"] for row in sink.taken] == [report.report_id for report in told]


async def run(box: Outbox) -> None:
    """Everything there is, once."""
    box.stop()
    await box.run()


@pytest.mark.parametrize("page", [1, 2, 500])
async def test_a_new_sink_is_given_everything_from_the_beginning_in_pages(
    page: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue = Dim()
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=LIVE) as fills:
        await decided(fills, venue, Told(fills), 5)
    monkeypatch.setattr(outbox, "PAGE", page)
    sink = Shaky()
    await run(Outbox(tmp_path / "f.db", sink))
    assert sink.taken == reports_after(tmp_path / "f.db", 0, Wire(), 1000)
    assert len(sink.taken) >= 5
    # From any number on.
    assert reports_after(tmp_path / "f.db", sink.taken[2]["number"], Wire(), 1000) == sink.taken[3:]


@pytest.mark.parametrize("torn", [b"", b'{"number":7', b'{"number":77,"x":"' + b"y" * 9000])
def test_a_line_that_a_crash_cut_off_is_written_again(torn: bytes, tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "r.jsonl")
    assert sink.last() == 0
    sink.deliver([{"number": 5, "long": "z" * 9000}, {"number": 6, "long": "z" * 5000}])
    with sink.path.open("ab") as file:
        file.write(torn)
    assert sink.last() == 6
    sink.deliver([{"number": 7}])
    assert [row["number"] for row in lines(sink.path)] == [5, 6, 7]


@pytest.mark.parametrize(("said", "why"), [("not a report\n", "does not end with a report"), ("a note", "holds no report")])
def test_a_file_of_something_else_is_left_alone(said: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(said)
    with pytest.raises(OSError, match=why):
        FileSink(path).last()
    assert path.read_text() == said


def test_the_very_first_report_may_be_torn(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"kind":"Exec')
    assert FileSink(path).last() == 0
    assert path.read_text() == ""
