"""Replaces that make new ids, and are told late: fills come under an id that nobody has named yet.

Rules
- An order may be named by a Replaced report, by a link, or by both in any order; one of them stands in the history.
- The end of the id that the chain has left comes late too: it ends that id and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from partfill.model.observations import Observation
from partfill.sim.ingredients import Ingredients
from partfill.sim.timeline import MS


class Links:
    """How one account tells that orders go on."""

    def __init__(self, ingredients: Ingredients) -> None:
        self._ingredients = ingredients
        self._random = ingredients.random
        self._slow: dict[int, tuple[Observation, int]] = {}
        """Messages on their way that take their time, by identity."""

    def told(self, report: Observation, link: Observation) -> Sequence[Observation]:
        """What is said of an order that goes on under a new id."""
        said = self._random.choice(([report], [link], [report, link], [link, report]))
        if link in said:
            self._ingredients.meet("an order that was linked to its new id")
        return self.late(said)

    def ended(self, end: Observation) -> Sequence[Observation]:
        """The old id ends, where the venue says so."""
        if self._random.random() < 0.3:
            return ()
        self._ingredients.meet("the end of an id that the chain has left")
        return self.late([end])

    def late(self, said: Sequence[Observation]) -> Sequence[Observation]:
        """These take their time, mostly."""
        for each in said:
            if self._random.random() < 0.7:
                self._slow[id(each)] = (each, self._random.randint(100, 4_000) * MS)
                self._ingredients.meet("a replace that was told late")
        return said

    def delay(self, each: Observation) -> int:
        """How much longer than others a message is on its way (ns)."""
        found = self._slow.pop(id(each), None)
        return 0 if found is None else found[1]
