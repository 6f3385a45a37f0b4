"""When a message was said, where several logs were merged into one: its place in its session, not its line.

A message whose MsgSeqNum (34) is below one already read of the same sender, and whose SendingTime (52) is not later, was
printed behind what was sent after it. It is placed before that. A lower number with a later time is a new session.
Without numbers, a sender's SendingTime that runs backwards says the same.
"""

from __future__ import annotations

from collections import deque

from partfill.venues.fix.message import FixMessage

REMEMBERED = 4096
"""Most messages of one sender that are remembered."""
MAX_SENDERS = 1000


class _Sender:
    __slots__ = ("at", "recent", "seq")

    def __init__(self) -> None:
        self.seq = 0
        self.at = 0
        self.recent: deque[tuple[int, int, int]] = deque(maxlen=REMEMBERED)
        """(number, time sent, as_of) of its last messages."""


class Sessions:
    """The senders of one file."""

    def __init__(self) -> None:
        self._senders: dict[tuple[str | None, str | None], _Sender] = {}

    def take(self, fix: FixMessage, at: int, as_of: int) -> int | None:
        """The as-of time of a message that was printed too late; None for one in its place, which is noted as of `as_of`."""
        sender = self._sender(fix)
        if sender is None:
            return None
        seq = _number(fix)
        if at and at <= sender.at:
            if seq is None:
                later = [told for _, sent, told in sender.recent if sent > at]
            elif seq < sender.seq:
                later = [told for number, sent, told in sender.recent if number > seq and sent >= at]
            else:
                later = []
            if later:
                return min(later) - 1
        seq = seq or 0
        if seq < sender.seq and at > sender.at:
            # The numbers began anew.
            sender.recent.clear()
        if seq == 0 or seq > sender.seq or at > sender.at:
            sender.seq = seq
            sender.at = max(sender.at, at)
        sender.recent.append((seq, at, as_of))
        return None

    def _sender(self, fix: FixMessage) -> _Sender | None:
        name = (fix.tags.get(49), fix.tags.get(56))
        found = self._senders.get(name)
        if found is None:
            if len(self._senders) >= MAX_SENDERS or (name == (None, None) and 34 not in fix.tags):
                return None
            found = self._senders[name] = _Sender()
        return found


def _number(fix: FixMessage) -> int | None:
    said = fix.tags.get(34)
    return int(said) if said is not None and len(said) < 19 and said.isascii() and said.isdecimal() else None
