"""Files as frames: plain, gz, xz, bz2 or zip, from a path or standard input, in bounded memory.

Rules
- What a file is is told by its first bytes, not by its name.
- A frame is (line number where it starts, text). A frame above `MAX_FRAME` is damaged, reported, and skipped to its end.
- JSON values are cut out by their braces, so an array of any length is read element by element.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from partfill.venues.decoding import Framing
from partfill.venues.fix.framing import messages as fix_messages

MAX_FRAME = 1 << 20
"""Longest message, in bytes."""

BOMB_SIZE = 64 << 20
"""Unpacked bytes from which on it is asked how they were packed."""
BOMB_RATIO = 500
"""Most unpacked bytes per packed one."""

Frame = tuple[int, str]
"""(line number from 1, text)"""


class Unusable(ValueError):
    """An input that cannot be read at all; the message says why and what would be right."""


class TooLong(ValueError):
    """A frame above `MAX_FRAME`; `line` is where it starts."""

    def __init__(self, line: int) -> None:
        super().__init__(f"a message longer than {MAX_FRAME} bytes; is this the right format?")
        self.line = line


def open_input(source: str, member: str | None = None) -> BinaryIO:
    """Open `source` ("-" is standard input), unpacked. `member`: a text that the wanted file of a zip has in its name.

    Raises `Unusable`.
    """
    if source == "-":
        return _unpacked(sys.stdin.buffer, "standard input", member)
    path = Path(source)
    try:
        return _unpacked(path.open("rb"), source, member)
    except FileNotFoundError:
        raise Unusable(f"{source} does not exist") from None
    except IsADirectoryError:
        raise Unusable(f"{source} is a folder; name a file, or - for standard input") from None
    except OSError as error:
        raise Unusable(f"{source} cannot be read: {error.strerror}") from None


def open_text(source: str, member: str | None = None) -> BinaryIO:
    """`open_input`, of something that is text. Raises `Unusable`."""
    stream = open_input(source, member)
    try:
        return _Unpacking(only_text(stream, source), stream)
    except BaseException:
        stream.close()
        raise


LOOK = 1 << 12
"""Bytes by which a text is told from something else."""


def only_text(stream: BinaryIO, source: str) -> BinaryIO:
    """The same stream, if its head is text. Raises `Unusable` for something else."""
    try:
        head, whole = _look(stream, LOOK)
    except Unusable:
        raise
    except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise Unusable(f"the packed input {source} is broken: {error}") from None
    if not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        # UTF-16 has a zero beside each sign of a log; what is no text has zeros elsewhere, and controls.
        zeros = head.count(0)
        wide = zeros and zeros in (head[1::2].count(0), head[0::2].count(0)) and zeros * 3 > len(head)
        if (zeros and not wide) or len(head.translate(None, _TEXT)) * 10 > len(head):
            raise Unusable(f"{source} is no text, from its first {len(head)} bytes; name a file with messages")
    return whole


_TEXT = bytes([0, 1, *b"\t\n\x0b\x0c\r\x1b", *range(0x20, 0x7F), *range(0x80, 0x100)])
"""Bytes that texts have: all but controls; SOH parts fields, zeros are counted apart."""


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes were read for a look, whole again; closing it closes what it reads from."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            taken = self._head[: len(buffer)]
            self._head = self._head[len(taken) :]
        else:
            taken = self._rest.read1(len(buffer)) if isinstance(self._rest, _READ_ONE) else self._rest.read(len(buffer))
        buffer[: len(taken)] = taken
        return len(taken)

    def close(self) -> None:
        if not self.closed:
            self._rest.close()
        super().close()


_READ_ONE = (io.BufferedReader, gzip.GzipFile, lzma.LZMAFile, bz2.BZ2File)


class _Bounded(io.RawIOBase):
    """An unpacked stream that is given up when it grows far beyond what it was packed in. Raises `Unusable`."""

    def __init__(self, unpacked: Any, packed: BinaryIO) -> None:
        self._unpacked = unpacked
        self._packed = packed
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        taken = self._unpacked.read(len(buffer))
        self._size += len(taken)
        if self._size > BOMB_SIZE and self._size > BOMB_RATIO * self._read():
            raise Unusable(f"the input grows more than {BOMB_RATIO} times when it is unpacked; no log of messages does")
        buffer[: len(taken)] = taken
        return len(taken)

    def _read(self) -> int:
        """How much of the packed input was read."""
        try:
            return self._packed.tell()
        except (OSError, ValueError):
            return self._size

    def close(self) -> None:
        if not self.closed:
            self._unpacked.close()
        super().close()


class _Unpacking(io.BufferedReader):
    """An unpacked stream that closes the packed one below it."""

    def __init__(self, unpacked: Any, below: BinaryIO) -> None:
        super().__init__(unpacked, 1 << 16)
        self._below = below

    def close(self) -> None:
        super().close()
        self._below.close()


def _look(stream: BinaryIO, size: int) -> tuple[bytes, BinaryIO]:
    """(the first `size` bytes, or all there are; the stream, whole). Waits for a slow writer."""
    parts: list[bytes] = []
    missing = size
    while missing and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    head = b"".join(parts)
    return head, io.BufferedReader(_Rejoined(head, stream), 1 << 16)


def _unpacked(raw: BinaryIO, name: str, member: str | None) -> BinaryIO:
    if raw.seekable():
        magic = raw.read(6)
        raw.seek(0)
        stream = raw
    else:
        magic, stream = _look(raw, 6)
    if magic.startswith(b"\x1f\x8b"):
        return _Unpacking(_Bounded(gzip.GzipFile(fileobj=stream), stream), stream)
    if magic.startswith(b"\xfd7zXZ"):
        return _Unpacking(_Bounded(lzma.LZMAFile(stream), stream), stream)
    if magic.startswith(b"BZh"):
        return _Unpacking(_Bounded(bz2.BZ2File(stream), stream), stream)
    if magic.startswith(b"PK"):
        if not raw.seekable():
            raise Unusable(f"{name} is a zip, which cannot be read from a pipe; unpack it, or name the file")
        return _zip_member(stream, name, member)
    return stream


def _zip_member(raw: BinaryIO, name: str, member: str | None) -> BinaryIO:
    try:
        archive = zipfile.ZipFile(raw)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, OverflowError) as error:
        raise Unusable(f"{name} is a broken zip: {error}") from None
    files = [entry for entry in archive.namelist() if not entry.endswith("/")]
    wanted = [entry for entry in files if member is not None and member in entry] or files
    if len(wanted) != 1:
        raise Unusable(f"{name} holds {', '.join(files) or 'nothing'}; unpack the one file to read")
    try:
        return _Unpacking(_Bounded(archive.open(wanted[0]), raw), raw)
    except (RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        why = "is encrypted" if "password" in str(error) else f"cannot be unpacked ({error})"
        raise Unusable(f"{wanted[0]} in {name} {why}; unpack it, and name the file in it") from None


def frames(stream: BinaryIO, framing: Framing) -> Iterator[Frame | TooLong]:
    """The frames of a stream, one by one; a `TooLong` stands for each that was skipped. Raises `Unusable`."""
    try:
        stream = _in_utf8(stream)
        if framing is Framing.JSON:
            yield from _json(stream)
        else:
            lines = _lines(stream)
            for number, line in fix_messages(lines) if framing is Framing.FIX else lines:
                yield line if isinstance(line, TooLong) else (number, line)
    except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise Unusable(f"the packed input is broken: {error}") from None


_MARKS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8"))
"""Byte order marks, and what they say of the text behind them."""


def _in_utf8(stream: BinaryIO) -> BinaryIO:
    """The same text in UTF-8, without a byte order mark. UTF-16 is told by its mark, or by the zeros of its first two signs."""
    head, whole = _look(stream, 4)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            whole.read(len(mark))
            return whole if encoding == "utf-8" else io.BufferedReader(_Recoded(whole, encoding), 1 << 16)
    zeros = tuple(byte == 0 for byte in head)
    if zeros == (False, True, False, True):
        return io.BufferedReader(_Recoded(whole, "utf-16-le"), 1 << 16)
    if zeros == (True, False, True, False):
        return io.BufferedReader(_Recoded(whole, "utf-16-be"), 1 << 16)
    return whole


class _Recoded(io.RawIOBase):
    """A stream in another encoding, as UTF-8."""

    def __init__(self, below: BinaryIO, encoding: str) -> None:
        self._below = below
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ready = b""
        self._over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._over:
            packed = self._below.read1(1 << 15)  # type: ignore[attr-defined]
            self._over = not packed
            self._ready = self._decoder.decode(packed, self._over).encode("utf-8", "replace")
        taken = self._ready[: len(buffer)]
        self._ready = self._ready[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


_FIX_ENDS = (b"\x01", b"|", b"^A", b";", b"<SOH>", b"\\x01", b"\\u0001")


def _lines(stream: BinaryIO) -> Iterator[tuple[int, str | TooLong]]:
    number = 0
    carried = b""
    while True:
        line = stream.readline(MAX_FRAME + 2 - len(carried))
        if not line:
            if carried:
                yield number, carried.decode("utf-8", "replace")
            return
        number += 0 if carried else 1
        line = carried + line
        carried = b""
        if line.endswith(b"\n") or len(line) <= MAX_FRAME:
            text = line.rstrip(b"\r\n") if len(line) > MAX_FRAME else line
            yield number, text.decode("utf-8", "replace") if len(text) <= MAX_FRAME else TooLong(number)
            continue
        # A log of FIX messages without line ends: cut at the last start of a message.
        cut = max(line.rfind(sign + b"8=FIX") + len(sign) for sign in _FIX_ENDS)
        if cut > max(map(len, _FIX_ENDS)):
            yield number, line[:cut].decode("utf-8", "replace")
            carried = line[cut:]
            continue
        yield number, TooLong(number)
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_FRAME)


_STRUCTURE = re.compile(r'["{}\[\]\\]')


def _json(stream: BinaryIO) -> Iterator[Frame | TooLong]:
    """JSON objects: one a line, or cut out of arrays and of text that spans lines."""
    head, whole = _look(stream, MAX_FRAME)
    if _one_a_line(head):
        for number, line in _lines(whole):
            if isinstance(line, TooLong):
                yield line
            elif line.strip():
                yield number, line
        return
    yield from _values(io.TextIOWrapper(whole, "utf-8", "replace"))


def _one_a_line(head: bytes) -> bool:
    """Whether a file that starts so holds one JSON object a line. There a torn line ends with its line."""
    lines = [line for line in head.split(b"\n", 64)[:64] if line.strip()]
    if not lines or not lines[0].lstrip().startswith(b"{"):
        return False
    # Pretty-printed text has lines that are no object by themselves and start with no brace, or with nothing else.
    objects = sum(line.startswith((b'{"', b'{ "')) for line in lines)
    return objects * 2 > len(lines) or (len(lines) == 1 and lines[0].rstrip().endswith(b"}"))


def _values(text: io.TextIOWrapper) -> Iterator[Frame | TooLong]:
    line, started, depth, in_string = 1, 1, 0, False
    escaped = -1
    """Position of the sign after a backslash, which means nothing."""
    parts: list[str] = []
    size = 0
    while chunk := text.read(1 << 16):
        at = 0
        for found in _STRUCTURE.finditer(chunk):
            position, sign = found.start(), found[0]
            if position == escaped:
                continue
            if in_string:
                if sign == "\\":
                    escaped = position + 1
                elif sign == '"':
                    in_string = False
                continue
            if sign == '"':
                in_string = True
            elif sign == "{":
                if depth == 0:
                    line += chunk.count("\n", at, position)
                    at, started, parts, size = position, line, [], 0
                depth += 1
            elif sign == "}" and depth:
                depth -= 1
                if depth == 0:
                    parts.append(chunk[at : position + 1])
                    size += position + 1 - at
                    line += chunk.count("\n", at, position + 1)
                    at = position + 1
                    yield TooLong(started) if size > MAX_FRAME else (started, "".join(parts))
                    parts, size = [], 0
        if depth and size <= MAX_FRAME:
            parts.append(chunk[at:])
        size += len(chunk) - at if depth else 0
        line += chunk.count("\n", at)
        # A backslash at the very end speaks of the first sign of the next chunk.
        escaped = 0 if escaped == len(chunk) else -1
    if depth:
        yield (started, "".join(parts)[:MAX_FRAME])
