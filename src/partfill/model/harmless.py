"""Text of others, made harmless to show: ids, reasons and names come from venues and may hold anything.

Theory of operation. A terminal obeys control characters, a log has one record a line, and text that runs backwards or has
nothing to see can make one id look like another. So everything that is shown to people goes through here: `harmless` puts a ?
for each such character, for tables and messages; `escaped` writes it out as \\x1b, for logs, where nothing may get lost.

Rules
- Harmful are control characters, also those of eight bits, line and paragraph separators, marks of direction, the
  invisible, surrogates, what is private or no character at all, and more than `MOST_MARKS` accents on one letter.
- Plain ASCII costs one look.
"""

from __future__ import annotations

import re

_HARMFUL = (
    "\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ud800-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U0010ffff"
)
_ASCII = re.compile(r"[\x00-\x1f\x7f]")
_ANY = re.compile(f"[{_HARMFUL}]")
MOST_MARKS = 2
_MARKS = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0e31-\u0e3a\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff"
    f"\u20d0-\u20ff\ufe20-\ufe2f]{{{MOST_MARKS}}})[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f"
    "\u0e31-\u0e3a\u0e47-\u0e4e\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)


def harmless(value: object) -> str:
    """Text with a ? for each character that a terminal would obey or that a person cannot see.

    >>> harmless("t1\\x1b[2J\\u202e")
    't1?[2J?'
    """
    said = value if isinstance(value, str) else str(value)
    if said.isascii():
        return said if said.isprintable() else _ASCII.sub("?", said)
    return _MARKS.sub(r"\1?", _ANY.sub("?", said))


def escaped(said: str) -> str:
    """Text in one line, each such character written out.

    >>> print(escaped("a\\nb\\x1b"))
    a\\nb\\x1b
    """
    if said.isascii() and said.isprintable():
        return said
    return _ANY.sub(_written_out, said)


def _written_out(found: re.Match[str]) -> str:
    character = found.group()
    code = ord(character)
    known = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    if known is not None:
        return known
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def json_escaped(line: bytes) -> bytes:
    """JSON text with such characters as \\u escapes: the same to every reader, and harmless on a terminal."""
    if line.isascii() and b"\x7f" not in line:
        return line
    return _ANY.sub(_in_json, line.decode()).encode()


def _in_json(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code == 10:
        return "\n"
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


__all__ = ["escaped", "harmless", "json_escaped"]
