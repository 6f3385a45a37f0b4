"""Input that cannot be read: one line that says why and what would be right, exit 2, in bounded time and memory."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from partfill.journal.verify import verify
from partfill.model.codec import to_json
from partfill.model.inputs import DayRolled
from partfill.runtime.audit import Audit
from partfill.runtime.reading import MAX_FRAME, frames
from partfill.venues.decoding import Framing
from partfill.venues.formats import FORMATS
from tests.journal.writer import VENUE, accepted, execution, placed
from tests.runtime.test_audit import DAY, ORDER_FIELDS, Result, audit, command, one_order, report


def one_file(data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("day.log", data)
    return packed.getvalue()


def with_bits(flags: int, method: int | None = None) -> bytes:
    """A zip whose entry says of itself that it is encrypted, or packed in some way."""
    data = bytearray(one_file("\n".join(DAY).encode()))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.index(signature) + at
        data[start : start + 2] = struct.pack("<H", flags)
        if method is not None:
            data[start + 2 : start + 4] = struct.pack("<H", method)
    return bytes(data)


UNUSABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "holds no message"),
    "blank": (lambda: b"\n \n", "holds no message"),
    "an empty gz": (lambda: gzip.compress(b""), "holds no message"),
    "binary": (lambda: bytes(range(256)) * 64, "is no text"),
    "zeros": (lambda: b"8=FIX.4.4|35=8|" + bytes(5000), "is no text"),
    "an encrypted zip": (lambda: with_bits(1), "is encrypted"),
    "a zip packed oddly": (lambda: with_bits(0, 99), "cannot be unpacked"),
    "a torn zip": (lambda: one_file(b"x" * 1000)[:60], "broken zip"),
    "a zip in name only": (lambda: b"PK\x03\x04" + b"x" * 1000, "broken zip"),
    "a torn gz": (lambda: gzip.compress("\n".join(DAY * 9).encode())[:40], "broken"),
    "a gz in name only": (lambda: b"\x1f\x8b" + b"x" * 1000, "broken"),
    "a gz bomb": (lambda: gzip.compress(b"8=FIX.4.4|35=8|58=" + b"x" * (100 << 20)), "grows more than"),
    "an xz bomb": (lambda: lzma.compress(b"8=FIX.4.4|35=8|58=" + b"x" * (100 << 20), preset=0), "grows more than"),
    "a bz2 bomb": (lambda: bz2.compress(b"8=FIX.4.4|35=8|58=" + b"x" * (100 << 20), 1), "grows more than"),
    "a zip bomb": (lambda: one_file(b"8=FIX.4.4|35=8|58=" + b"x" * (100 << 20)), "grows more than"),
    "prose": (lambda: b"nothing of the kind\n" * 50, "holds no message"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNUSABLE)
def test_unusable_input_ends_with_2_and_says_why(tmp_path: Path, what: str) -> None:
    make, said = UNUSABLE[what]
    path = tmp_path / "input"
    path.write_bytes(make())
    done = command("audit", path, "--format", "fix")
    assert done.returncode == 2
    lines = done.stderr.decode().splitlines()
    assert "Traceback" not in done.stderr.decode()
    assert said in lines[-1]
    assert all("line " in line for line in lines[:-1] if "messages" not in line)


def test_a_folder_a_missing_file_and_an_unreadable_one_end_with_2(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "none", "does not exist")):
        done = command("audit", path, "--format", "fix")
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert said in done.stderr.decode()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_line_of_70_mb_is_skipped_and_named(format_: str) -> None:
    start = b'{"a":"' if FORMATS[format_]().framing is Framing.JSON else b"8=FIX.4.4|"
    result = Result(start + b"9" * (70 << 20) + b"\n", format_)
    assert result.summary.damaged >= 1
    assert str(MAX_FRAME) in result.reported[0][1]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("deep", ['{"a":', "[", '[{"a":'])
def test_deep_json_is_damage(format_: str, deep: str) -> None:
    result = Result(deep.encode() * 100_000 + b"\n", format_)
    assert result.summary.exit_code in (0, 2)
    if FORMATS[format_]().framing is Framing.JSON and "{" in deep:
        assert result.summary.damaged


def test_a_quantity_of_65_kb_is_damage_in_every_json_format() -> None:
    for line in ('{"type":"order_snapshot","venue":"v","order_id":"O","cum_qty":"%s"}',):
        assert Result((line % ("1" * 65_000 + "x")).encode(), "partfill").summary.damaged == 1
    for format_, line in (
        ("bitstamp", '1000 order_created {"price": "250.10", "amount": "%s", "id": 5, "order_type": 0}'),
        ("inet", "A,34200100,501,11.48,%s,BID"), ("lobster", "36000.5,1,7001,%s,505000,-1"),
    ):  # fmt: skip
        result = Result((line % ("1" * 65_000 + "x")).encode(), format_)
        assert (result.summary.damaged, len(result.reported[0][1]) < 500) == (1, True)


# ---------------------------------------------------------------------- orders that stay open


def test_open_orders_leave_memory_and_come_back(tmp_path: Path) -> None:
    names = [f"{number:04d}" for number in range(3000)]
    lines = [line for name in names for line in one_order(name)[:3]]
    lines += [line for name in names for line in one_order(name)[3:4]]
    held: list[int] = []
    decoder = FORMATS["fix"]()
    path = tmp_path / "day.db"
    with Audit(decoder, path, max_open=100, max_finished=10) as run:
        stream = io.BytesIO("\n".join(lines).encode())
        summary = run.run(frames(stream, decoder.framing), lambda _: held.append(len(run.engine.children)))
        found = list(run.orders())
    assert max(held) < 1500
    assert [each["cl_ord_id"] for each in found] == [f"C{name}" for name in names]
    assert {(each["cum_qty"], each["leaves_qty"], each["executions"]) for each in found} == {("500", "500", 2)}
    assert (summary.exit_code, summary.orders) == (0, 3000)
    verdict = verify(path)
    assert verdict.ok, verdict.problems


@pytest.mark.parametrize("max_open", [0, 1, 5, 10_000])
def test_how_many_open_orders_stay_in_memory_makes_no_difference(max_open: int) -> None:
    lines = [line for part in range(5) for name in map(str, range(300)) for line in one_order(name)[part : part + 1]]
    lines += [report("E9", "4", "4", 500, 0), *lines[:40]]
    result = audit(*lines, max_open=max_open)
    expected = audit(*lines)
    assert [{name: each[name] for name in ORDER_FIELDS} for each in result.orders] == expected.orders
    assert result.reported == expected.reported


@pytest.mark.parametrize("max_open", [0, 3, 10_000])
def test_a_day_that_rolls_reaches_the_open_orders_that_left_memory(tmp_path: Path, max_open: int) -> None:
    inputs = [each for n in range(1200) for each in (placed(f"C{n}"), accepted(f"O{n}", f"C{n}"), execution(f"O{n}", "k", "1"))]
    data = b"\n".join(map(to_json, [*inputs, DayRolled(venue=VENUE), *(execution(f"O{n}", "k2", "1") for n in range(9))]))
    path = tmp_path / "day.db"
    result = Result(data, "partfill", path, max_open=max_open)
    assert [each["cum_qty"] for each in result.orders] == ["2"] * 9 + ["1"] * 1191
    verdict = verify(path)
    assert verdict.ok, verdict.problems
    assert json.dumps(result.orders)
