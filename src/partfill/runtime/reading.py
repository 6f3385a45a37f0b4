"""Files as frames: plain, gz, xz, bz2 or zip, from a path or standard input, in bounded memory.

Rules
- What a file is is told by its first bytes, not by its name.
- A frame is (line number where it starts, text). A frame above `MAX_FRAME` is damaged, reported, and skipped to its end.
- JSON values are cut out by their braces, so an array of any length is read element by element.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from partfill.venues.decoding import Framing

MAX_FRAME = 1 << 20
"""Longest message, in bytes."""

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


def _unpacked(raw: BinaryIO, name: str, member: str | None) -> BinaryIO:
    buffered = io.BufferedReader(raw) if not isinstance(raw, io.BufferedReader) else raw  # type: ignore[type-var]
    magic = buffered.peek(6)[:6]
    if magic.startswith(b"\x1f\x8b"):
        return gzip.open(buffered)  # type: ignore[return-value]
    if magic.startswith(b"\xfd7zXZ"):
        return lzma.open(buffered)  # type: ignore[return-value]
    if magic.startswith(b"BZh"):
        return bz2.open(buffered)  # type: ignore[return-value]
    if magic.startswith(b"PK"):
        if not buffered.seekable():
            raise Unusable(f"{name} is a zip, which cannot be read from a pipe; unpack it, or name the file")
        return _zip_member(buffered, name, member)
    return buffered


def _zip_member(raw: BinaryIO, name: str, member: str | None) -> BinaryIO:
    try:
        archive = zipfile.ZipFile(raw)
    except zipfile.BadZipFile as error:
        raise Unusable(f"{name} is a broken zip: {error}") from None
    files = [entry for entry in archive.namelist() if not entry.endswith("/")]
    wanted = [entry for entry in files if member is not None and member in entry] or files
    if len(wanted) != 1:
        raise Unusable(f"{name} holds {', '.join(files) or 'nothing'}; unpack the one file to read")
    return archive.open(wanted[0])  # type: ignore[return-value]


def frames(stream: BinaryIO, framing: Framing) -> Iterator[Frame | TooLong]:
    """The frames of a stream, one by one; a `TooLong` stands for each that was skipped. Raises `Unusable`."""
    try:
        if framing is Framing.JSON:
            yield from _json(stream)
        else:
            for number, line in _lines(stream):
                if isinstance(line, TooLong):
                    yield line
                elif framing is Framing.FIX and line.count("8=FIX") > 1:
                    yield from ((number, part) for part in _FIX_STARTS.split(line) if part.strip())
                else:
                    yield number, line
    except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise Unusable(f"the packed input is broken: {error}") from None


_FIX_STARTS = re.compile(r"(?<=[\x01|])(?=8=FIX)")


def _lines(stream: BinaryIO) -> Iterator[tuple[int, str | TooLong]]:
    number = 0
    carried = b""
    while True:
        line = stream.readline(MAX_FRAME - len(carried))
        if not line:
            if carried:
                yield number, carried.decode("utf-8", "replace")
            return
        number += 0 if carried else 1
        line = carried + line
        carried = b""
        if line.endswith(b"\n") or len(line) < MAX_FRAME:
            yield number, line.decode("utf-8", "replace")
            continue
        # A log of FIX messages without line ends: cut at the last start of a message.
        cut = line.rfind(b"\x018=FIX")
        if cut > 0:
            yield number, line[: cut + 1].decode("utf-8", "replace")
            carried = line[cut + 1 :]
            continue
        yield number, TooLong(number)
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_FRAME)


_STRUCTURE = re.compile(r'["{}\[\]\\]')


def _json(stream: BinaryIO) -> Iterator[Frame | TooLong]:
    """JSON objects: one a line, or cut out of arrays and of text that spans lines."""
    reader = io.BufferedReader(stream) if not isinstance(stream, io.BufferedReader) else stream  # type: ignore[type-var]
    head = reader.peek(1 << 16)[: 1 << 16].lstrip()
    first = head.split(b"\n", 1)[0].rstrip()
    # A first line that closes what it opens is a file of one value a line: there a torn line ends with its line.
    if head.startswith(b"{") and (first.endswith(b"}") or head[len(first) :].lstrip().startswith((b'{"', b"{ "))):
        for number, line in _lines(reader):
            if isinstance(line, TooLong):
                yield line
            elif line.strip():
                yield number, line
        return
    yield from _values(io.TextIOWrapper(reader, "utf-8", "replace"))


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
                in_string = depth > 0
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
