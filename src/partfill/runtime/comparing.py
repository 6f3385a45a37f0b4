"""What a venue says that an account holds, held against what fills add up to: now and then, and soon again while they differ.

Rules
- Only what differs, or did so at the last look, is an input; agreement writes nothing.
- A look that fails is no news: fills and orders are followed by others, who tell when a venue does not answer.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from partfill.core.holdings import GRACE_NS
from partfill.journal.journal import JournalDown
from partfill.model.inputs import PositionSeen
from partfill.model.numbers import ZERO
from partfill.venues.protocol import Venue

if TYPE_CHECKING:
    from partfill.runtime.manager import FillManager

EVERY_S = 60.0
SOON_S = GRACE_NS / 1e9
JITTER = 0.1
TIMEOUT_S = 30.0

log = logging.getLogger("partfill.positions")


class Comparing:
    """One account of one venue."""

    def __init__(self, manager: FillManager, venue: Venue, account: str) -> None:
        self._manager = manager
        self.venue, self.account = venue, account
        self.looks = 0

    async def run(self) -> None:
        """Compare for ever; nothing where the venue does not say what is held."""
        if not self.venue.capabilities.shows_positions:
            return
        while True:
            differs = False
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    differs = await self.look()
            except JournalDown as down:
                log.error("%s", down)
                return
            except Exception as error:
                log.debug("positions of %s %r: %s", self.venue.name, self.account, error)
            wait = SOON_S if differs else EVERY_S
            await asyncio.sleep(wait * random.uniform(1, 1 + JITTER))

    async def look(self) -> bool:
        """Compare once; returns whether something differs. Raises `VenueDown`, `JournalDown`."""
        asked = self._manager.clock()
        theirs = await self.venue.positions(self.account)
        self.looks += 1
        holdings = self._manager.engine.holdings
        assert holdings is not None
        scope = (self.venue.name, self.account)
        ours = {key[2]: position for key, position in holdings.positions.items() if key[:2] == scope}
        differs = False
        for instrument in sorted({*theirs, *ours}):
            position, qty = ours.get(instrument), theirs.get(instrument, ZERO)
            held = ZERO if position is None else position.held
            if qty != held or (position is not None and position.differs):
                differs = differs or qty != held
                await self._manager.take(
                    PositionSeen(venue=scope[0], account=scope[1], instrument=instrument, qty=qty, as_of=asked)
                )
        return differs
