"""Reports leave in order, at least once, whatever the sink and the process do; the file holds each of them once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from partfill import Chase, FillManager, Limit
from partfill.model.delivered import EXAMPLE, DeliveredReport
from partfill.model.policy import Mode
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport
from partfill.runtime import outbox
from partfill.runtime.outbox import FileSink, Outbox, Wire, reports_after
from partfill.runtime.remainders import RemainderSettings
from partfill.venues.protocol import VenueDown
from tests.runtime.test_decisions import Dim, Told, partly
from tests.runtime.test_manager import WAIT_S, price, until
from tests.runtime.test_trouble import disk_with_room

ROOT = Path(__file__).parents[2]
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


async def test_every_report_that_leaves_is_one_of_the_published_schema(tmp_path: Path) -> None:
    venue, file = Dim(), tmp_path / "r.jsonl"
    async with FillManager.open(tmp_path / "f.db", venues=[venue], remainders=LIVE, reports=FileSink(file)) as fills:
        told = Told(fills)
        await decided(fills, venue, told, 6)
        venue.broken = VenueDown("paper: no")
        await partly(fills, venue, SOON, qty=10_000_000)
        await until(lambda: Reason.BOOK_UNAVAILABLE in told.verdicts, "one is made without a book")
        await fills.kill(True, by="test")
        await until(lambda: all(order.ended for order in fills.orders()), "everything is off")
    schema = json.loads((ROOT / "docs" / "schema" / "execution-report.json").read_text())
    judge = Draft202012Validator(schema)
    found = lines(file)
    assert {row["verdict"] for row in found} >= {"CHASE_ORDER_SUBMITTED", "KILL_SWITCH_ACTIVE", "PARTIAL_FILL_BOOK_UNAVAILABLE"}
    for row in [*found, *schema["examples"]]:
        judge.validate(row)
    for row in found:
        assert list(row) == ["kind", *DeliveredReport.__struct_fields__]
    for name, wrong in (("filled_size", 4.5), ("verdict", "MAYBE"), ("remaining_size", "1,5"), ("carried_out", "no")):
        assert not judge.is_valid(found[0] | {name: wrong}), name
    assert not judge.is_valid({name: value for name, value in found[0].items() if name != "report_id"})


def test_the_fields_of_the_document_s_example_are_in_the_schema() -> None:
    named = {"report_id", "bot_id", "verdict", "remaining_usd", "policy_applied", "collateral", "evaluated_at_ms",
             "trace_id", "order_id", "market_id", "filled_usd", "builder_code"}  # fmt: skip
    assert named <= set(DeliveredReport.__struct_fields__)
    assert (EXAMPLE.verdict, EXAMPLE.remaining_usd, EXAMPLE.policy_applied) == ("HOLD_REMAINDER", 250, "hold")


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
    assert (lines(file), box.waiting, box.failures) == ([before, *json.loads(json.dumps(whole))], 0, 0)


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


def test_a_report_is_on_disk_before_it_counts_as_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, synced = tmp_path / "r.jsonl", list[bytes]()
    real = outbox.os.fsync

    def fsync(number: int) -> None:
        real(number)
        synced.append(file.read_bytes())

    monkeypatch.setattr(outbox.os, "fsync", fsync)
    FileSink(file).deliver([{"number": 1}, {"number": 2}])
    assert synced == [b'{"number":1}\n{"number":2}\n']
