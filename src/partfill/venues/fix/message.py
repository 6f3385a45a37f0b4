"""One FIX message out of a log line: its tags, read strictly, with errors that name the tag.

Takes SOH, "|" or "^A" between fields, and anything (a time, a level, a direction) before the "8=FIX".
It does not check BodyLength or CheckSum: a log that was printed with another separator, or cleaned of names, has
neither right any more, and its executions are still facts.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from partfill.model.numbers import NotANumber, dec
from partfill.venues.decoding import Damaged

TAGS = {
    6: "AvgPx", 11: "ClOrdID", 14: "CumQty", 17: "ExecID", 19: "ExecRefID", 20: "ExecTransType", 31: "LastPx",
    32: "LastQty", 34: "MsgSeqNum", 35: "MsgType", 37: "OrderID", 38: "OrderQty", 39: "OrdStatus", 40: "OrdType",
    41: "OrigClOrdID", 44: "Price", 52: "SendingTime", 54: "Side", 55: "Symbol", 59: "TimeInForce", 60: "TransactTime",
    99: "StopPx", 102: "CxlRejReason", 103: "OrdRejReason", 122: "OrigSendingTime", 150: "ExecType", 151: "LeavesQty",
    152: "CashOrderQty", 378: "ExecRestatementReason", 424: "DayOrderQty", 425: "DayCumQty",
    442: "MultiLegReportingType",
}  # fmt: skip
"""Names of the tags that errors mention."""

CHECKSUM = "10"

_START = re.compile(r"8=FIX(?:T)?\.")
_FIELD = re.compile(r"([1-9][0-9]{0,5})=(.*)", re.DOTALL)
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?")
_NAMELESS = frozenset({"", "NONE", "none", "None", "UNKNOWN", "[N/A]", "N/A"})


class FixMessage:
    """The tags of one message; the first occurrence of each."""

    __slots__ = ("tags",)

    def __init__(self, tags: dict[int, str]) -> None:
        self.tags = tags

    @classmethod
    def parse(cls, text: str) -> FixMessage | None:
        """Read one message; None when the text holds none. Raises `Damaged` for one that is torn."""
        start = _START.search(text)
        if start is None:
            if "35=" in text and ("\x01" in text or "|" in text):
                raise Damaged(f"no BeginString in {text[:60]!r}; a FIX message starts with 8=FIX")
            return None
        body = text[start.start() :].strip("\r\n")
        separator = _separator(body)
        tags: dict[int, str] = {}
        fields = body.split(separator)
        for field in fields:
            if not field or field.isspace():
                continue
            found = _FIELD.fullmatch(field)
            if found is None:
                raise Damaged(f"field {field[:40]!r} is no tag=value pair; fields look like 38=100")
            tags.setdefault(int(found[1]), found[2])
            if found[1] == CHECKSUM:
                # The end of the message; a log may go on with words of its own.
                break
        if 35 not in tags:
            raise Damaged("tag 35 (MsgType) is missing")
        return cls(tags)

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
        """An identifier; None for the words that venues print for "none"."""
        value = self.tags.get(tag)
        return None if value is None or value in _NAMELESS else value

    def number(self, tag: int) -> Decimal | None:
        """An exact number, None when absent. Raises `Damaged`."""
        value = self.tags.get(tag)
        if value is None or value == "":
            return None
        try:
            return dec(value, f"tag {tag} ({TAGS.get(tag, '?')})")
        except NotANumber as error:
            raise Damaged(str(error)) from None

    def qty(self, tag: int) -> Decimal | None:
        """A quantity: an exact number of zero or more."""
        value = self.number(tag)
        if value is not None and value < 0:
            raise Damaged(f"tag {tag} ({TAGS.get(tag, '?')}) is {value}; a quantity is zero or more")
        return value

    def time(self, tag: int) -> int | None:
        """A UTC timestamp as ns, None when absent. Raises `Damaged`."""
        value = self.tags.get(tag)
        if not value:
            return None
        found = _TIME.fullmatch(value)
        if found is None:
            raise Damaged(f"tag {tag} ({TAGS.get(tag, '?')}) is {value!r}; a time looks like 20260102-14:30:00.123")
        year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
        try:
            # A leap second is the last one of its minute here.
            at = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        except ValueError as error:
            raise Damaged(f"tag {tag} ({TAGS.get(tag, '?')}) is {value!r}: {error}") from None
        days = at.toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
        seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
        return seconds * 1_000_000_000 + int((found[7] or "").ljust(9, "0"))


def _separator(body: str) -> str:
    if "\x01" in body:
        return "\x01"
    if "^A" in body:
        return "^A"
    if "|" in body:
        return "|"
    raise Damaged(f"no separator after {body[:20]!r}; fields are parted by SOH or |")
