"""One FIX message out of a log line: its tags, read strictly where quantities are at stake, with errors that name the tag.

Rules
- Takes anything (a time, a level, a direction) before the "8=FIX" and after the last field.
- A separator inside a text does not tear a message: what follows it and is no tag=value belongs to the text.
- A quantity or an identity that is given twice, differently, is `Damaged`.
- A field that says nothing of quantity (a price, a time, a day total) and cannot be read is dropped and named in `odd`.
- BodyLength (9) and CheckSum (10) are worked out here and judged by `soundness`.
"""

from __future__ import annotations

import re
import zlib
from decimal import Decimal

from partfill.model.numbers import NotANumber
from partfill.venues.decoding import SHORT, Damaged, short
from partfill.venues.decoding import exact as read_number
from partfill.venues.fix.dialect import READY
from partfill.venues.fix.framing import HEAD, SEPARATORS
from partfill.venues.fix.tables import TAGS
from partfill.venues.fix.times import utc

CHECKSUM = 10
NAMELESS = READY["fix"].nameless()

_START = re.compile(r"(?<![0-9=])8=FIXT?\.")
_HEADLESS = re.compile(rf"(?:^|{SEPARATORS})\s*35=\w{{1,2}}\s*(?:{SEPARATORS})")
_KNOWN = {str(tag): tag for tag in TAGS}
_ONCE = frozenset({14, 17, 19, 20, 31, 32, 37, 38, 39, 54, 150, 151})
"""Tags that a report or an order has once."""
_SINGLE = frozenset({"8", "9", "D", "F", "G"})
"""Kinds of messages in which those tags stand in no group."""
_TEXTS = frozenset({58})
"""Tags we read that hold free text."""
GLANCED = (35, 11, 37, 41, 39, 150, 49, 56, 52, 60, 55, 54, 1, 109, 115, 128)
"""Tags that name a message, its order, its session and its account."""
_GLANCES = {
    mark: re.compile(rf"(?<={re.escape(mark)})({'|'.join(map(str, GLANCED))})=([^{re.escape(mark)}\r\n]*)")
    for mark in ("\x01", "|", ";", "\t")
}
"""The same by separator, where that is one character."""


class FixMessage:
    """The tags of one message; the first occurrence of each."""

    __slots__ = ("closed", "fields", "length_fits", "nameless", "odd", "sum_fits", "tags")

    def __init__(self, tags: dict[int, str], nameless: dict[int, frozenset[str]] = NAMELESS) -> None:
        self.tags = tags
        self.nameless = nameless
        """Per id tag: the words, in capitals, that are no id."""
        self.fields: list[str] = []
        """All fields as they stand, also those in groups."""
        self.closed = True
        """False when nothing shows that the last field is whole: no separator behind it."""
        self.length_fits: bool | None = None
        """Whether BodyLength (9) is the length; None where it cannot be told."""
        self.sum_fits: bool | None = None
        """Whether CheckSum (10) is the sum; None where there is none, or it cannot be told."""
        self.odd: list[str] = []
        """What was dropped because it cannot be read; each names the tag, the value and what would be right."""

    @classmethod
    def parse(cls, text: str, nameless: dict[int, frozenset[str]] = NAMELESS, *, weigh: bool = True) -> FixMessage | None:
        """Read one message; None when the text holds none. Raises `Damaged` for one that is torn.

        `weigh`: whether its length and its sum are compared with what it says of them.
        """
        start = _START.search(text)
        if start is None:
            if "35=" in text and _HEADLESS.search(text):
                raise Damaged(f"no BeginString in {text[:60]!r}; a FIX message starts with 8=FIX")
            return None
        body = text[start.start() :].strip("\r\n")
        head = HEAD.match(body)
        if head is None:
            raise Damaged(f"no separator after {body[:20]!r}; fields are parted by SOH or |")
        core = head[2] or "\t"
        pieces = body.split(core)
        if head[1] != core:
            pieces = [piece.strip() for piece in pieces]
        whole = _whole(pieces)
        if whole is not None:
            self = cls(whole, nameless)
            self.fields = pieces
            if weigh:
                ended = len(pieces) - (2 if not pieces[-1] else 1)
                self._weigh(pieces, ended, body if core == "\x01" == head[1] else None)
            return self
        tags: dict[int, str] = {}
        self = cls(tags, nameless)
        last: int | None = None
        again: list[tuple[int, str]] | None = None
        torn = False
        ended = -1
        known = _KNOWN
        for number, piece in enumerate(pieces):
            name, equals, value = piece.partition("=")
            tag = known.get(name)
            if tag is None or not equals:
                if not piece or piece.isspace():
                    continue
                if equals and 0 < len(name) < 7 and name.isascii() and name.isdecimal() and name[0] != "0":
                    last = None
                    continue
                if number == len(pieces) - 1 and not piece[0].isdecimal() and piece[0] != "=":
                    # Words of the log behind the message.
                    pieces[number] = ""
                    continue
                if last is not None and last not in _TEXTS:
                    raise Damaged(f"field {piece[:40]!r} is no tag=value pair; fields look like 38=100")
                torn = True
                pieces[number - 1] += core + piece
                pieces[number] = pieces[number - 1]
                pieces[number - 1] = ""
                if last is not None:
                    tags[last] += core + piece
                continue
            if tag in tags:
                if tags[tag] != value:
                    again = again or []
                    again.append((tag, value))
            else:
                tags[tag] = value
            last = tag
            if tag == CHECKSUM:
                # The end of the message; a log may go on with words of its own.
                ended = number
                break
        kind = tags.get(35)
        if not kind:
            raise Damaged("tag 35 (MsgType) is missing")
        if again is not None and kind in _SINGLE:
            for tag, value in again:
                if tag in _ONCE:
                    said = f"as {tags[tag][:40]!r} and as {value[:40]!r}"
                    raise Damaged(f"tag {tag} ({TAGS[tag]}) is given twice, {said}; a message says it once")
        self.fields = pieces
        if ended < 0:
            self.closed = not pieces[-1]
        elif weigh:
            self._weigh(pieces, ended, body if core == "\x01" == head[1] and not torn else None)
        return self

    @classmethod
    def glance(cls, text: str, nameless: dict[int, frozenset[str]] = NAMELESS) -> FixMessage | None:
        """Only what a message is called by (`GLANCED`), read in passing; None where it is not that simple, or there is none."""
        head = HEAD.search(text)
        if head is None or head[1] not in _GLANCES:
            return None
        tags: dict[int, str] = {}
        for name, value in _GLANCES[head[1]].findall(text, head.start()):
            tags.setdefault(_KNOWN[name], value)
        return cls(tags, nameless) if tags.get(35) else None

    def _weigh(self, pieces: list[str], ended: int, body: str | None) -> None:
        """Compare BodyLength and CheckSum with the message; `body` is it as it was sent, where a log kept that."""
        said = self.tags[CHECKSUM][:3]
        if body is not None:
            raw = body[: body.index("\x0110=") + 1]
        else:
            raw = "\x01".join([piece for piece in pieces[:ended] if piece]) + "\x01"
        if "\ufffd" in raw:
            # Not the bytes that were sent any more.
            return
        sent = raw.encode("utf-8", "replace")
        if len(sent) <= 256:
            # The first half of Adler-32 is one more than the sum, below 65,521.
            total = ((zlib.adler32(sent) & 0xFFFF) - 1) & 0xFF
        else:
            total = sum(sent) & 0xFF
        self.sum_fits = said.isdecimal() and len(said) == 3 and int(said) == total
        length = self.tags.get(9)
        if length is not None and len(length) < 8 and length.isascii() and length.isdecimal() and len(pieces) > 1:
            second = pieces[1]
            if second.startswith("9="):
                front = len(pieces[0].encode("utf-8", "replace")) + len(second) + 2
                self.length_fits = int(length) == len(sent) - front

    # ------------------------------------------------------------------ values

    def pairs(self) -> list[tuple[int, str]]:
        """All fields in their order, also those in groups."""
        found = []
        for piece in self.fields:
            name, equals, value = piece.partition("=")
            if equals and name.isascii() and name.isdecimal() and len(name) < 7:
                found.append((int(name), value))
        return found

    def text(self, tag: int) -> str | None:
        """The value as it stands, None when absent or empty."""
        return self.tags.get(tag) or None

    def need(self, tag: int) -> str:
        """The value of a tag that must be there. Raises `Damaged`."""
        value = self.tags.get(tag)
        if not value:
            raise Damaged(f"tag {tag} ({TAGS.get(tag, '?')}) is missing")
        return value

    def id(self, tag: int) -> str | None:
        """An identifier; None for the words that stand for none."""
        value = self.tags.get(tag)
        return None if value is None or value.strip().upper() in self.nameless[tag] else value

    def number(self, tag: int) -> Decimal | None:
        """An exact number that quantities hang on, None when absent. Raises `Damaged`."""
        value = self.tags.get(tag)
        if value is None or value == "":
            return None
        return exact(value, tag)

    def qty(self, tag: int) -> Decimal | None:
        """A quantity: an exact number of zero or more. Raises `Damaged`."""
        value = self.number(tag)
        if value is not None and value < 0:
            raise Damaged(f"tag {tag} ({TAGS.get(tag, '?')}) is {value}; a quantity is zero or more")
        return value

    def loose(self, tag: int) -> Decimal | None:
        """A number that no quantity hangs on: None, and named in `odd`, when it cannot be read."""
        value = self.tags.get(tag)
        if value is None or value == "":
            return None
        try:
            return exact(value, tag)
        except Damaged as damaged:
            self.drop(str(damaged))
            return None

    def loose_qty(self, tag: int) -> Decimal | None:
        """The same for a quantity: one below zero is none."""
        value = self.loose(tag)
        if value is not None and value < 0:
            self.drop(f"tag {tag} ({TAGS.get(tag, '?')}) is {value}; a quantity is zero or more")
            return None
        return value

    def time(self, tag: int) -> int | None:
        """A time as ns UTC, None when absent; None, and named in `odd`, when it cannot be read."""
        value = self.tags.get(tag)
        if not value:
            return None
        try:
            return utc(value)
        except ValueError as error:
            self.drop(f"tag {tag} ({TAGS.get(tag, '?')}) {error}")
            return None

    def drop(self, what: str) -> None:
        """Name a field that is not believed, once."""
        if what not in self.odd:
            self.odd.append(what)


def _whole(pieces: list[str]) -> dict[int, str] | None:
    """The tags of a message as most are, in one go: each field a pair, each tag once, the sum last. None for any other."""
    try:
        pairs = [piece.split("=", 1) for piece in (pieces if pieces[-1] else pieces[:-1])]
        tags = {_KNOWN.get(name, name): value for name, value in pairs}
    except ValueError:
        return None
    if len(tags) != len(pairs) or not pairs or pairs[-1][0] != "10" or not tags.get(35):
        return None
    for name in [name for name in tags if type(name) is str]:
        if not (0 < len(name) < 7 and name.isascii() and name.isdecimal() and name[0] != "0"):
            return None
        del tags[name]
    found: dict[int, str] = tags  # type: ignore[assignment]
    return found


def exact(value: str, tag: int) -> Decimal:
    """One number, its length checked before it is looked at. Raises `Damaged`."""
    if len(value) <= SHORT:
        try:
            return short(value)
        except NotANumber:
            # The error below has the tag's name.
            pass
    try:
        return read_number(value, f"tag {tag} ({TAGS.get(tag, '?')})")
    except NotANumber as error:
        raise Damaged(str(error)) from None
