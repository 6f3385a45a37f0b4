"""Files as frames: whatever they are packed in, however they are cut, in bounded memory."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import random
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from partfill.runtime.reading import MAX_FRAME, Frame, TooLong, Unusable, frames, open_input
from partfill.venues.decoding import Framing

# Whether inputs are closed is one test of its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def zipped(data: bytes, name: str = "messages.txt", **others: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
        for other, content in others.items():
            archive.writestr(other, content)
    return packed.getvalue()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes, "gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zip": zipped,
}  # fmt: skip
TEXT = b"".join(b"line %d of a file \xc3\xa9\n" % number for number in range(5000))


def read(data: bytes, framing: Framing) -> list[Frame | TooLong]:
    return list(frames(io.BufferedReader(io.BytesIO(data)), framing))  # type: ignore[arg-type]


def texts(data: bytes, framing: Framing) -> list[str]:
    """The frames without their numbers; none may be too long."""
    return [text for _, text in good(read(data, framing))]


def good(found: list[Frame | TooLong]) -> Iterator[Frame]:
    for frame in found:
        assert not isinstance(frame, TooLong)
        yield frame


def too_long(found: list[Frame | TooLong]) -> list[int]:
    """Lines at which something was too long."""
    return [frame.line for frame in found if isinstance(frame, TooLong)]


class Trickle(io.RawIOBase):
    """A pipe whose writer is slow: a read gives what has come so far, at most `most` bytes."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data = memoryview(data)
        self._most = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._most, len(self._data))
        buffer[:count] = self._data[:count]
        self._data = self._data[count:]
        return count


# ---------------------------------------------------------------------- packings


@pytest.mark.parametrize("packing", PACKINGS)
def test_every_packing_reads_alike(tmp_path: Path, packing: str) -> None:
    # The name says nothing: a file is told by its first bytes.
    path = tmp_path / "messages.data"
    path.write_bytes(PACKINGS[packing](TEXT))
    with open_input(str(path)) as stream:
        found = list(frames(stream, Framing.LINES))
    assert found == [(number, f"line {number - 1} of a file é\n") for number in range(1, 5001)]


@pytest.mark.parametrize("packing", PACKINGS)
def test_closing_an_input_closes_the_file(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "messages.data"
    path.write_bytes(PACKINGS[packing](TEXT))

    def descriptors() -> list[str]:
        return [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.exists()]

    stream = open_input(str(path))
    assert str(path) in descriptors()
    stream.close()
    assert str(path) not in descriptors()


STDIN = "import sys; from partfill.runtime.reading import *; from partfill.venues.decoding import Framing\n"
STDIN += "try:\n    print(list(frames(open_input('-'), Framing(sys.argv[1]))))\nexcept Unusable as e: print('Unusable:', e)"


def through_a_pipe(pieces: list[bytes], framing: Framing) -> str:
    """What a process prints that reads `pieces` from a pipe, each written some time after the one before."""
    reader = subprocess.Popen([sys.executable, "-c", STDIN, framing.value], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert reader.stdin is not None

    def write(pipe: Any) -> None:
        for number, piece in enumerate(pieces):
            time.sleep(0.3 if number else 0)
            pipe.write(piece)
            pipe.flush()
        pipe.close()

    writer = threading.Thread(target=write, args=(reader.stdin,))
    writer.start()
    assert reader.stdout is not None
    printed = reader.stdout.read().decode().strip()
    writer.join()
    reader.wait()
    reader.stdout.close()
    return printed


@pytest.mark.parametrize("packing", [name for name in PACKINGS if name != "zip"])
def test_standard_input_reads_like_a_file(packing: str) -> None:
    assert through_a_pipe([PACKINGS[packing](b"one\ntwo\n")], Framing.LINES) == r"[(1, 'one\n'), (2, 'two\n')]"


@pytest.mark.parametrize("packing", [name for name in PACKINGS if name != "zip"])
@pytest.mark.parametrize("first", [1, 3])
def test_standard_input_from_a_slow_writer_reads_like_a_file(packing: str, first: int) -> None:
    data = PACKINGS[packing](b"one\ntwo\n")
    assert through_a_pipe([data[:first], data[first:]], Framing.LINES) == r"[(1, 'one\n'), (2, 'two\n')]"


def test_json_from_a_slow_writer_is_cut_like_json_from_a_file() -> None:
    data = b'{"a": 1}\n{"torn": \n{"b": 2}\n'
    whole = through_a_pipe([data], Framing.JSON)
    assert "(3, " in whole
    assert through_a_pipe([data[:4], data[4:]], Framing.JSON) == whole


def test_a_zip_on_a_pipe_says_what_to_do() -> None:
    told = through_a_pipe([zipped(b"one\n")], Framing.LINES)
    assert told == "Unusable: standard input is a zip, which cannot be read from a pipe; unpack it, or name the file"


def test_a_zip_of_several_files_gives_the_one_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "day.zip"
    path.write_bytes(zipped(b"m\n", "day_message_5.csv", **{"day_orderbook_5.csv": b"o\n", "folder/": b""}))
    with open_input(str(path), "message") as stream:
        assert list(frames(stream, Framing.LINES)) == [(1, "m\n")]
    with pytest.raises(Unusable, match=r"holds day_message_5\.csv, day_orderbook_5\.csv; unpack the one file to read"):
        open_input(str(path))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is a folder; name a file, or - for standard input"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and then nothing of a zip"), "is a broken zip"),
        (lambda path: path.write_bytes(zipped(b"x")[:60]), "is a broken zip"),
    ],
    ids=["missing", "folder", "no zip", "torn zip"],
)
def test_an_input_that_cannot_be_opened_says_why(tmp_path: Path, make: Callable[[Path], None], told: str) -> None:
    path = tmp_path / "input"
    make(path)
    with pytest.raises(Unusable, match=told):
        open_input(str(path))


@pytest.mark.parametrize("packing", ["gz", "xz", "bz2", "zip"])
@pytest.mark.parametrize("damage", ["torn", "changed"])
@pytest.mark.parametrize("seed", [0, 44, 56])
def test_a_broken_packing_is_unusable_and_no_crash(tmp_path: Path, packing: str, damage: str, seed: int) -> None:
    # Where the damage falls decides which layer notices: the checksum, the end of the stream or the codes themselves.
    noise = random.Random(seed).randbytes(60_000).hex().encode()
    data = bytearray(PACKINGS[packing](noise))
    middle = len(data) // 2
    if packing == "zip" or damage == "changed":
        data[middle : middle + 40] = bytes(40)
    else:
        del data[middle:]
    path = tmp_path / "input"
    path.write_bytes(bytes(data))
    with pytest.raises(Unusable, match="broken"), open_input(str(path)) as stream:
        list(frames(stream, Framing.LINES))


def test_an_empty_input_has_no_frames(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for framing in Framing:
        with open_input(str(tmp_path / "empty")) as stream:
            assert list(frames(stream, framing)) == []


# ---------------------------------------------------------------------- lines


@pytest.mark.parametrize("framing", [Framing.LINES, Framing.FIX])
def test_a_line_above_the_limit_is_reported_and_skipped(framing: Framing) -> None:
    data = b"first\n" + b"x" * (MAX_FRAME + 5) + b"\nthird\n" + b"y" * (3 * MAX_FRAME) + b"\nfifth"
    found = read(data, framing)
    assert too_long(found) == [2, 4]
    assert [frame for frame in found if not isinstance(frame, TooLong)] == [(1, "first\n"), (3, "third\n"), (5, "fifth")]
    assert "1048576 bytes" in str(found[1])


@pytest.mark.parametrize("after", [b"", b"\nnext\n"])
def test_a_line_of_exactly_the_limit_is_read(after: bytes) -> None:
    found = read(b"x" * MAX_FRAME + after, Framing.LINES)
    assert too_long(found) == []


def test_bytes_that_are_no_text_are_read_all_the_same() -> None:
    assert texts(b"a\xff\xfeb\n\x00\x01\nc\n", Framing.LINES) == ["a\ufffd\ufffdb\n", "\x00\x01\n", "c\n"]


@pytest.mark.parametrize("framing", Framing)
def test_memory_is_bounded_on_a_line_without_end(tmp_path: Path, framing: Framing) -> None:
    path = tmp_path / "hole"
    with path.open("wb") as file:
        file.write(b"{")
        file.truncate(100 * MAX_FRAME)
    tracemalloc.start()
    with open_input(str(path)) as stream:
        for _ in frames(stream, framing):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * MAX_FRAME


# ---------------------------------------------------------------------- JSON

SHAPES: dict[str, Callable[[list[Any]], str]] = {
    "one a line": lambda values: "".join(json.dumps(value) + "\n" for value in values),
    "one a line, not escaped": lambda values: "\n".join(json.dumps(value, ensure_ascii=False) for value in values),
    "one a line, windows": lambda values: "".join(json.dumps(value) + "\r\n" for value in values),
    "one a line, blank lines between": lambda values: "\n\n".join(json.dumps(value) for value in values),
    "an array on one line": json.dumps,
    "an array without blanks": lambda values: json.dumps(values, separators=(",", ":")),
    "an array, pretty": lambda values: json.dumps(values, indent=2),
    "an array, one a line": lambda values: "[\n" + ",\n".join(json.dumps(value) for value in values) + "\n]\n",
    "documents, pretty": lambda values: "\n".join(json.dumps(value, indent=4) for value in values),
}

words = st.text(alphabet=st.sampled_from('{}[]"\\,:\n\t/aé€😀 \x00'), max_size=8)
scalars = st.none() | st.booleans() | st.integers() | words
nested = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=8
)
objects = st.lists(st.dictionaries(words, nested, max_size=4), max_size=8)


@pytest.mark.parametrize("shape", SHAPES)
@given(objects)
@example([{}, {"a": 1}])
@example([{"a": {}}, {}])
@example([{'"': '\\"{'}])
@settings(max_examples=150, deadline=None)
def test_any_objects_in_any_shape_come_out_as_they_went_in(shape: str, expected: list[Any]) -> None:
    found = texts(SHAPES[shape](expected).encode(), Framing.JSON)
    assert [json.loads(text) for text in found] == expected


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("most", [1, 7, 8191])
def test_how_the_bytes_come_makes_no_difference(shape: str, most: int) -> None:
    expected = [{"n": number, "text": '\\"}{[]' * (number % 5), "in": {"deep": [{}]}} for number in range(60)]
    stream: BinaryIO = io.BufferedReader(Trickle(SHAPES[shape](expected).encode(), most))  # type: ignore[assignment]
    assert [json.loads(text) for _, text in good(list(frames(stream, Framing.JSON)))] == expected


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("shift", range(-8, 3))
@pytest.mark.parametrize("size", [1 << 13, 1 << 16])
def test_an_escape_at_the_border_of_a_chunk_is_an_escape(shape: str, shift: int, size: int) -> None:
    expected = [{"a": "x" * (size + shift - 10) + '\\\\\\"{"}\\'}, {"b": "}"}, {"c": "y" * (size + shift) + '\\"'}, {"d": 1}]
    found = texts(SHAPES[shape](expected).encode(), Framing.JSON)
    assert [json.loads(text) for text in found] == expected


def test_an_array_longer_than_any_limit_is_read_element_by_element() -> None:
    expected = [{"n": number, "text": "z" * 1000} for number in range(3000)]
    data = json.dumps(expected).encode()
    assert len(data) > 2 * MAX_FRAME
    assert [json.loads(text) for text in texts(data, Framing.JSON)] == expected


def test_the_line_of_a_value_is_where_it_starts() -> None:
    assert [line for line, _ in good(read(b'{"a": 1}\n\n{"b": 2}\n', Framing.JSON))] == [1, 3]
    assert [line for line, _ in good(read(b'[\n {"a":\n 1},\n\n {"b": 2}, {"c":\n3}]', Framing.JSON))] == [2, 5, 5]


@pytest.mark.parametrize("torn", ['{"b": {"c": "d', '{"b": ', '{"b": 2', '{"b": "}', '"b": 2}', "]", "}}}", '{"b": 2}}', '\\"'])
def test_a_torn_line_does_not_hurt_the_next(torn: str) -> None:
    found = texts(f'{{"a": 1}}\n{torn}\n{{"c": 3}}\n'.encode(), Framing.JSON)
    assert json.loads(found[0]) == {"a": 1}
    assert json.loads(found[-1]) == {"c": 3}


@pytest.mark.parametrize("torn", ['{"b": {"c": "d', '{"b": ', '{"b": 2', '{"b": "}'])
def test_a_torn_first_line_does_not_hurt_the_next(torn: str) -> None:
    found = texts(f'{torn}\n{{"b": 2}}\n{{"c": 3}}\n'.encode(), Framing.JSON)
    assert [json.loads(text) for text in found[-2:]] == [{"b": 2}, {"c": 3}]


def test_a_torn_line_after_a_long_first_one_does_not_hurt_the_next() -> None:
    # A snapshot of all orders often stands first, and is long.
    first = json.dumps({"a": "x" * 100_000})
    found = texts(f'{first}\n{{"torn": \n{{"c": 3}}\n'.encode(), Framing.JSON)
    assert json.loads(found[0])["a"]
    assert json.loads(found[-1]) == {"c": 3}


def test_a_value_that_never_ends_is_handed_on_as_it_is() -> None:
    found = texts(b'[{"a": 1}, {"b": [1, 2', Framing.JSON)
    assert found == ['{"a": 1}', '{"b": [1, 2']


@pytest.mark.parametrize("shape", ["one a line", "an array on one line", "an array, pretty"])
def test_a_value_above_the_limit_is_reported_and_skipped(shape: str) -> None:
    data = SHAPES[shape]([{"a": 1}, {"b": "x" * (MAX_FRAME + 5)}, {"c": 3}]).encode()
    found = read(data, Framing.JSON)
    assert len(too_long(found)) == 1
    assert [json.loads(frame[1]) for frame in found if not isinstance(frame, TooLong)] == [{"a": 1}, {"c": 3}]


def test_text_in_an_array_is_no_object() -> None:
    found = texts(b'["not { this", {"a": 1}, "nor } this", [{"b": "]"}]]', Framing.JSON)
    assert [json.loads(text) for text in found] == [{"a": 1}, {"b": "]"}]


# ---------------------------------------------------------------------- FIX

MESSAGES = [f"8=FIX.4.4{{0}}35=8{{0}}34={number}{{0}}58=8=FIX is text{{0}}10=000{{0}}" for number in range(1, 6)]


@pytest.mark.parametrize("separator", ["\x01", "|", "^A"])
@pytest.mark.parametrize("between", ["\n", "", "\n\n", "\r\n"])
def test_fix_messages_come_one_by_one_whatever_parts_them(separator: str, between: str) -> None:
    expected = [message.format(separator) for message in MESSAGES]
    found = texts(between.join(expected).encode(), Framing.FIX)
    assert [text.strip() for text in found if text.strip()] == expected


def test_a_long_fix_log_without_line_ends_is_read_whole() -> None:
    one = b"8=FIX.4.4\x0135=8\x0158=" + b"x" * 991 + b"\x01"
    count = 3 * MAX_FRAME // len(one)
    found = texts(one * count, Framing.FIX)
    assert [text for text in found if text.encode() != one] == []
    assert len(found) == count
