"""Whether a FIX message is as it was sent: BodyLength, CheckSum and its end, believed as far as the file bears them out.

Theory. A log that was cleaned of names, or printed with words of its own, has checks that do not fit, and its executions are
still facts; a log as the engine wrote it has checks that fit, and the one message whose do not was cut or changed. So each
check counts only in a file in which it holds for most messages.
"""

from __future__ import annotations

from partfill.venues.decoding import Damaged
from partfill.venues.fix.message import FixMessage


class _Check:
    """One check: how often it held, and how often it did not."""

    __slots__ = ("fits", "ignored", "misfits")

    def __init__(self) -> None:
        self.fits = 0
        self.misfits = 0
        self.ignored = 0

    def counts(self) -> bool:
        """Whether a message that fails it is damaged."""
        return self.fits > self.misfits


class Soundness:
    """The checks of one file. `learn` hears its head beforehand; `judge` goes on learning."""

    def __init__(self) -> None:
        self._length = _Check()
        self._sum = _Check()
        self._ends = _Check()
        """Messages that end with a CheckSum, against those that do not."""
        self._closed = _Check()
        """Of the latter: those with a separator behind their last field."""
        self._learned = False

    def learn(self, fix: FixMessage) -> None:
        """Hear one message of the head of the file."""
        self._learned = True
        self._hear(fix)

    def judge(self, fix: FixMessage) -> None:
        """Raise `Damaged` for a message that fails a check which holds in this file."""
        if fix.sum_fits and fix.length_fits:
            if not self._learned:
                self._sum.fits += 1
                self._length.fits += 1
                self._ends.fits += 1
            return
        if 10 not in fix.tags:
            if self._ends.counts():
                self._hear_on(fix)
                raise Damaged(f"it has no CheckSum (10), which the others have: it was cut, the last it says is {_last(fix)!r}")
            if not fix.closed and self._closed.counts():
                self._hear_on(fix)
                raise Damaged(f"it ends in the middle of a field, {_last(fix)!r}: it was cut")
        if fix.length_fits is False and not self._fits(self._length):
            self._hear_on(fix)
            raise Damaged(f"tag 9 (BodyLength) is {fix.tags[9]!r}, which is not its length: it was cut or changed")
        if fix.sum_fits is False and not self._fits(self._sum):
            self._hear_on(fix)
            raise Damaged(f"tag 10 (CheckSum) is {fix.tags[10][:20]!r}, which is not its sum: it was cut or changed")
        self._hear_on(fix)

    def notes(self) -> list[str]:
        """What was not checked, for the end of a run."""
        return [
            f"{check.ignored} x tag {tag} does not fit, as in most messages of this file: not checked"
            for tag, check in (("9 (BodyLength)", self._length), ("10 (CheckSum)", self._sum))
            if check.ignored
        ]

    @staticmethod
    def _fits(check: _Check) -> bool:
        if check.counts():
            return False
        check.ignored += 1
        return True

    def _hear_on(self, fix: FixMessage) -> None:
        if not self._learned:
            self._hear(fix)

    def _hear(self, fix: FixMessage) -> None:
        for check, held in ((self._length, fix.length_fits), (self._sum, fix.sum_fits)):
            if held:
                check.fits += 1
            elif held is False:
                check.misfits += 1
        if 10 in fix.tags:
            self._ends.fits += 1
            return
        self._ends.misfits += 1
        if fix.closed:
            self._closed.fits += 1
        else:
            self._closed.misfits += 1


def _last(fix: FixMessage) -> str:
    return next((piece for piece in reversed(fix.fields) if piece), "")[-40:]
