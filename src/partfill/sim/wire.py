"""Messages as text, some of them garbled on the way: what arrives is what was said, or refused by name, or does nothing.

Rules
- Every message of a stream is written, read by the decoder, and passes the door: it comes out as it was.
- A garbled copy comes beside it now and then. The decoder and the door refuse it, or what they make of it says what was said,
  or it is a lie: nobody could tell, and it is not fed.
- Nothing but a refusal ever comes out of them, whatever went in. What was refused is told.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from partfill.model.admit import admit
from partfill.model.codec import input_from_journal, to_json
from partfill.model.events import AlarmKind
from partfill.model.inputs import Input, Unreadable
from partfill.model.observations import Observation
from partfill.sim.truth import Violation
from partfill.venues.decoding import Damaged
from partfill.venues.partfill_lines import PartfillDecoder

if TYPE_CHECKING:
    from partfill.sim.venue import SimVenue
    from partfill.sim.world import World

NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 10**30, 0.1, 1e308, "", " ", "NaN", "-1", "1e999", "0x10", "\u0661", "\x00", "\ud800"),
    *("x" * 3000, [], {}, [[]], {"a": 1}, [None], "Infinity", "1_000", "1,5", "+1", "buy ", "FILLED", "[/b]"),
)  # fmt: skip
"""Values that a field may have by accident."""
LETTERS = '"\\{}[]:,0159-.eEnull \t\x00\xff'
HARMLESS = frozenset({"reason", "status_text", "venue_time", "avg_px", "restatement", "state"})
"""Fields that may be missing from a copy without telling anything else."""


class Wire:
    """The text between one world's venues and its process."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.ingredients.random
        self._decoder = PartfillDecoder()

    def passed(self, said: Observation) -> Observation:
        """A message after it was written and read. Raises `Violation`."""
        text = to_json(said).decode()
        read = self._read(text)
        if read != said or input_from_journal(admit(said, self._world.latest)[1].decode()) != said:
            raise Violation(f"{said} came out of its decoder as {read}")
        return said

    def garbled(self, venue: SimVenue, said: Observation) -> None:
        """A copy of a message comes garbled, perhaps."""
        if self._random.random() < 0.15:
            self._world.later(
                self._random.randint(1, 500) * 1_000_000, self._arrives, venue, said, self._garble(to_json(said).decode())
            )

    def _garble(self, text: str) -> str:
        random = self._random
        how = random.randrange(5)
        if how == 0:
            return text[: random.randrange(len(text))]
        if how == 1:
            at = random.randrange(len(text))
            return text[:at] + random.choice(LETTERS) + text[at + 1 :]
        fields = json.loads(text)
        name = random.choice(list(fields))
        if how == 2:
            del fields[name]
        elif how == 3:
            fields[name] = random.choice(NASTY)
        else:
            fields[f"{name}_" if random.random() < 0.5 else "x"] = random.choice(NASTY)
        return json.dumps(fields)

    def _arrives(self, venue: SimVenue, said: Observation, text: str) -> None:
        world = self._world
        try:
            read = self._read(text)
        except Damaged as error:
            world.ingredients.meet("a garbled message that was refused")
            shown = text.encode("utf-8", "replace").decode()[:1000]
            world.feed(Unreadable(venue=venue.name, account=venue.account, raw=shown, error=str(error)))
            if not world.expected.came(0, AlarmKind.UNREADABLE):
                raise Violation(f"nobody was told of {text!r}") from None
            return
        if read is None or type(read) is not type(said):
            return
        differs = {name for name in said.__struct_fields__ if getattr(read, name) != getattr(said, name)}
        if differs <= HARMLESS and all(getattr(read, name) is None for name in differs):
            world.ingredients.meet("a garbled message that says the same")
            world.feed(msgspec.structs.replace(read))

    def _read(self, text: str) -> Input | None:
        for message in self._decoder.decode(text, 1):
            return message.inputs[0]
        return None
