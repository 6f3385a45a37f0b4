"""Reads that go unanswered: a person is told once when that lasts, and once when it is over.

Rules
- It lasts after `alarm_after_failures` failures in a row of one kind of read (`FillManagement`), or `LASTING_NS` after the
  first of them. It is over when every kind of read that failed has been answered again.
- Both are inputs: subscribers hear an alarm, the journal keeps it, and after a restart an outage that goes on is the same one.
- Nothing is tried again here, and no number is touched: that reads are unanswered says nothing about orders.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from partfill.model.inputs import MAX_RAW, Outage
from partfill.venues.protocol import VenueDown

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager

LASTING_NS = 60_000_000_000
"""Unanswered for so long, a read is an outage however seldom it was tried."""
READ_S = 60.0
"""A read that takes longer is not answered: a line that hangs must not stop polling for ever."""

log = logging.getLogger("partfill.outages")


class Reads:
    """The reads of one account of one venue, by kind: `orders` (polls) and `history`."""

    def __init__(self, manager: FillManager, venue: str, account: str) -> None:
        self._manager = manager
        self.venue, self.account = venue, account
        self._failing: dict[str, tuple[int, int]] = {}
        """Kind of read -> (failures in a row, when the first of them was, ns UTC)."""

    @property
    def out(self) -> bool:
        """Whether an outage has been told and is not over."""
        return (self.venue, self.account) in self._manager.engine.outages

    async def failed(self, kind: str, error: Exception) -> str:
        """A read was not answered; returns why in words. Raises `JournalDown`."""
        why = reason(error)
        if isinstance(error, VenueDown | TimeoutError):
            log.warning("%s of %s %r: %s", kind, self.venue, self.account, why)
        else:
            log.error("%s of %s %r: %s", kind, self.venue, self.account, why, exc_info=error)
        now = self._manager.clock()
        count, since = self._failing.get(kind, (0, now))
        self._failing[kind] = (count + 1, since)
        lasting = count + 1 >= self._manager.settings.alarm_after_failures or now - since >= LASTING_NS
        if lasting and not self.out:
            log.error("%s of %s %r: not answered %d times in a row: %s", kind, self.venue, self.account, count + 1, why)
            await self._manager.take(Outage(venue=self.venue, account=self.account, over=False, since=since, reason=why))
        return why

    async def answered(self, kind: str) -> None:
        """A read was answered. Raises `JournalDown`."""
        if self._failing.pop(kind, None) is not None:
            log.info("%s of %s %r: answered again", kind, self.venue, self.account)
        if self.out and not self._failing:
            since = self._manager.engine.outages[self.venue, self.account]
            await self._manager.take(Outage(venue=self.venue, account=self.account, over=True, since=since))


def reason(error: Exception) -> str:
    """An error in words that a journal can hold."""
    said = str(error) if isinstance(error, VenueDown) else f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, TimeoutError) and not str(error):
        said = f"no answer within {READ_S:g} s"
    return said.encode("utf-8", "backslashreplace").decode()[:MAX_RAW]
