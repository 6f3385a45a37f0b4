"""FIX messages out of the lines of a log, whatever wrote it.

Rules
- What stands between the BeginString and the next tag is the separator of that message (SOH, "|", ";", "^A", "<SOH>",
  an escape such as \\x01 or \\u0001, with or without blanks around it).
- A message starts at "8=FIX" that is no part of a value: at the start of a line, after a separator, or after words of the log.
- A line that is one JSON object is an envelope: every text in it that holds a message is a frame.
- A line that holds nothing but a BeginString starts a message of one tag a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeVar

SEPARATORS = r"\x01|\||;|\^A|<SOH>|<01>|\[SOH\]|\{SOH\}|&#x?0*1;|\u2401|\\{1,4}(?:x01|u0001|001)"
"""What engines and log writers print between two fields (a pattern)."""

HEAD = re.compile(rf"8=FIXT?\.[0-9A-Za-z.]{{1,8}}([ ]*({SEPARATORS})[ ]*|\t)")
"""The first field of a message; group 1 is the separator with its blanks, group 2 without."""

_BARE = re.compile(rf"\s*8=FIXT?\.[0-9A-Za-z.]{{1,8}}\s*(?:{SEPARATORS})?\s*")
_TAG_LINE = re.compile(r"\s*[1-9][0-9]{0,5}=")
_LAST_LINE = re.compile(r"\s*10=")
_ENDS = re.compile(rf"(?:{SEPARATORS})\s*$")
_TAG = re.compile(r"\s*[1-9][0-9]{0,5}=")
_MARKS = re.compile(rf"(?P<separator>{SEPARATORS})|(?P<start>8=FIXT?\.)")
_ADJACENT = re.compile(r"(?:(?<=[\x01|;])|(?<=\^A))(?=8=FIXT?\.)")
MAX_FIELDS = 10_000
"""Most lines of a message that is printed one tag a line."""
MAX_ENVELOPE_DEPTH = 20

_T = TypeVar("_T")


def messages(lines: Iterator[tuple[int, str | _T]]) -> Iterator[tuple[int, str | _T]]:
    """(line number, text) of every message and of every other line; what is no text is handed on."""
    opened, parts = 0, list[str]()
    for number, line in lines:
        if not isinstance(line, str):
            if parts:
                yield opened, "\x01".join(parts)
                parts = []
            yield number, line
            continue
        if parts:
            if line.strip() == "":
                continue
            if _TAG_LINE.match(line) and not _BARE.fullmatch(line) and len(parts) < MAX_FIELDS:
                parts.append(_field(line))
                if _LAST_LINE.match(line):
                    yield opened, "\x01".join(parts) + "\x01"
                    parts = []
                continue
            yield opened, "\x01".join(parts) + "\x01"
            parts = []
        if "8=FIX" not in line:
            yield number, line
        elif len(line) < 40 and _BARE.fullmatch(line):
            opened, parts = number, [_field(line)]
        elif line.startswith(("{", " {", "[{")) and (found := _envelope(line)):
            for text in found:
                yield from ((number, part) for part in parted(text))
        elif line.count("8=FIX") > 1:
            yield from ((number, part) for part in parted(line))
        else:
            yield number, line
    if parts:
        # The file ended inside the message: its last field may be cut.
        yield opened, "\x01".join(parts)


def _field(line: str) -> str:
    text = line.strip(" \t\r\n")
    return _ENDS.sub("", text)


def parted(line: str) -> list[str]:
    """The messages of one line, each with the words of the log before it."""
    plain = _ADJACENT.split(line)
    if len(plain) == line.count("8=FIX"):
        return plain
    cuts: list[int] = []
    started, field = False, 0
    for found in _MARKS.finditer(line):
        if found.lastgroup == "separator":
            field = found.end()
            continue
        at = found.start()
        if at != field and line[at - 1] in "=0123456789":
            continue
        # Inside a field ("58=see 8=FIX...") it is text; after a separator, or words of the log, it is a message.
        if started and _TAG.match(line, field, at):
            continue
        cuts.append(field if started else 0)
        started = True
    edges = [*(cuts or [0]), len(line)]
    return [part for start, end in pairwise(edges) if (part := line[start:end]).strip()]


def _envelope(line: str) -> list[str]:
    """Every text with a message in one JSON value; nothing when it is no JSON."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return []
    found: list[str] = []
    level = [value]
    for _ in range(MAX_ENVELOPE_DEPTH):
        inner: list[object] = []
        for each in level:
            if isinstance(each, str):
                if "8=FIX" in each:
                    # JSON can spell half of a surrogate pair, which is no text.
                    found.append(each.encode("utf-8", "replace").decode())
            elif isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        level = inner
    return found
