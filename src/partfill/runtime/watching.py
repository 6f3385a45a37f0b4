"""Looks at markets for protection that no venue holds: prices of stops and targets that are watched here.

    engine: a leg waits for its price  ->  a look every `watch_ms`  ->  `MarketSeen`, once something is reached  ->  its order

Rules
- One task for each instrument that is watched, for as long as something waits there; a slow market holds up no other.
- Only what changes something is an input: a price that is reached, the first look after nobody saw, and that nobody sees.
- No failure ends a watch but that of the journal: what goes wrong is logged, and the market looked at again.
- Whether a price is reached is decided in the core, from the book that is journalled; here it is only looked whether to ask.
- A market that was not seen for `BLIND_S` is told: what is watched there does not protect. It is looked at all the same.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from partfill.core.firing import fires
from partfill.core.guard import Protection
from partfill.core.kill_switch import who_killed
from partfill.core.triggers import fresh
from partfill.journal.journal import JournalDown
from partfill.model.book import Book
from partfill.model.inputs import MarketSeen
from partfill.model.numbers import NotANumber
from partfill.venues.protocol import VenueDown

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager

BLIND_S = 3.0
TIMEOUT_S = 2.0
"""Within which a book has to come."""

log = logging.getLogger("partfill.watching")


class Watching:
    """The markets that one manager watches."""

    def __init__(self, manager: FillManager, watch_ms: int) -> None:
        self.watch_ms = watch_ms
        self._manager = manager
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self.looks = self.misses = 0
        """Looks at markets; of these without a book that can be believed."""

    @property
    def watched(self) -> list[tuple[str, str]]:
        """(venue, instrument) of every market that is watched now."""
        return sorted(self._tasks)

    def mind(self, protections: Iterable[Protection]) -> None:
        """These have changed: their markets are watched from now on, if something of them waits."""
        for protection in protections:
            which = (protection.venue, protection.instrument)
            if protection.watches and which not in self._tasks and protection.venue in self._manager.venues:
                self._tasks[which] = asyncio.create_task(self._watch(*which))

    async def stop(self) -> None:
        """Nothing is looked at any more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, venue: str, instrument: str) -> None:
        seen = time.monotonic()
        try:
            while waiting := self._waiting(venue, instrument):
                try:
                    book = await self._look(venue, instrument, dark=time.monotonic() - seen > BLIND_S)
                    if book is not None:
                        seen = time.monotonic()
                    await self._tell(waiting, book, time.monotonic() - seen)
                except JournalDown as down:
                    log.error("%s", down)
                    return
                except Exception:
                    # Whatever it is, the next look may be better: nobody else watches.
                    log.exception("watching %s at %s", instrument, venue)
                await asyncio.sleep(self.watch_ms / 1000)
        finally:
            self._tasks.pop((venue, instrument), None)
        # Something may have begun to wait since the last look.
        self.mind(self._waiting(venue, instrument))

    def _waiting(self, venue: str, instrument: str) -> list[Protection]:
        protections = self._manager.engine.desk.protections.values()
        return [each for each in protections if each.venue == venue and each.instrument == instrument and each.watches]

    async def _look(self, venue: str, instrument: str, *, dark: bool) -> Book | None:
        self.looks += 1
        try:
            async with asyncio.timeout(TIMEOUT_S):
                book = await self._manager.venues[venue].book(instrument)
        except TimeoutError:
            why = f"no answer within {TIMEOUT_S:g} s"
        except (VenueDown, NotANumber) as error:
            why = str(error)
        except Exception as error:
            log.exception("the book of %s at %s", instrument, venue)
            why = f"{type(error).__name__}: {error}"
        else:
            if book.instrument != instrument:
                why = f"the book that came is of {book.instrument}"
            elif fresh(book, self._manager.clock()):
                return book
            else:
                why = "the book is old"
        self.misses += 1
        if not dark:
            log.warning("nobody sees the market of %s at %s: %s", instrument, venue, why)
        return None

    async def _tell(self, waiting: list[Protection], book: Book | None, dark_s: float) -> None:
        """Let the engine know where it changes something."""
        for account in sorted({protection.account for protection in waiting}):
            theirs = [protection for protection in waiting if protection.account == account]
            if book is None:
                news = dark_s > BLIND_S and not all(protection.blind_told for protection in theirs)
            else:
                news = any(protection.blind_since or self._fires(protection, book) for protection in theirs)
            if news:
                which = theirs[0]
                await self._manager.take(MarketSeen(venue=which.venue, account=account, instrument=which.instrument, book=book))

    def _fires(self, protection: Protection, book: Book) -> bool:
        if who_killed(self._manager.engine.desk, protection.venue, protection.account) is not None:
            return False
        now = self._manager.clock()
        return any(fires(protection, guard, book, now) is not None for guard in protection.guards)
