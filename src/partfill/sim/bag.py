"""What filled of an order, from all that was ever said of it, by brute force: a second opinion on every ledger.

Rules
- Nothing depends on the order of arrival: everything is counted anew from the whole.
- An execution and its corrections are one. What replaces nothing that counts is in force: of several the one with the higher
  revision, then the later one. A void is for ever.
- A total counts less what was lost since it was said. What was said at the very moment of a loss was said before it.
"""

from __future__ import annotations

from typing import NamedTuple

EVER = -1
"""Before every stamp."""


class Version(NamedTuple):
    """One statement of what an execution is. `px` None: as the version before it has it."""

    key: str
    """What it is called."""
    qty: int
    px: int | None
    rank: int
    at: int
    works: bool


class Bust(NamedTuple):
    """One statement that an execution is void."""

    at: int
    works: bool
    stated: int | None


class Bag:
    """Everything that was said of one order, in no order. Quantities and prices are whole numbers."""

    def __init__(self) -> None:
        self.executions: dict[str, tuple[int, int | None]] = {}
        """By key: (quantity, price) as it was told first."""
        self.versions: dict[str, Version] = {}
        """Corrections by their own key."""
        self.before: dict[str, str] = {}
        """Key of a correction -> key of the version that it replaces."""
        self.busts: dict[str, Bust] = {}
        self.totals: list[tuple[int, int]] = []
        """(stamp, quantity)"""

    def root(self, key: str) -> str:
        """The execution that a key is a version of."""
        while key in self.before:
            key = self.before[key]
        return key

    def _roots(self) -> dict[str, list[Version]]:
        """Every execution that was ever spoken of, with its corrections."""
        found: dict[str, list[Version]] = {}
        for key in (*self.executions, *self.versions, *self.busts):
            found.setdefault(self.root(key), [])
        for key, version in self.versions.items():
            found[self.root(key)].append(version)
        return found

    def _bust(self, root: str) -> Bust | None:
        return next((bust for key, bust in self.busts.items() if self.root(key) == root), None)

    def _in_force(self, root: str, versions: list[Version]) -> tuple[int, int | None] | None:
        """(quantity, price) that counts, were there no void; None while nothing is known."""
        replaced = set(self.before.values())
        if not versions:
            return self.executions.get(root)
        best = max(versions, key=lambda each: (each.key not in replaced, each.rank, each.at, each.key))
        px, key = best.px, best.key
        while px is None and key in self.before:
            key = self.before[key]
            px = self.versions[key].px if key in self.versions else self.executions.get(key, (0, None))[1]
        return best.qty, px

    def filled(self) -> tuple[int, int]:
        """(quantity, value) of the executions."""
        qty = value = 0
        for root, versions in self._roots().items():
            counts = self._in_force(root, versions)
            if counts is not None and self._bust(root) is None:
                qty += counts[0]
                value += counts[0] * (counts[1] or 0)
        return qty, value

    def off(self) -> int:
        """What was taken off and does not work again."""
        total = 0
        for root, versions in self._roots().items():
            counts, first, bust = self._in_force(root, versions), self.executions.get(root), self._bust(root)
            if versions and first is not None and counts is not None:
                replaced = set(self.before.values())
                best = max(versions, key=lambda each: (each.key not in replaced, each.rank, each.at, each.key))
                total += 0 if best.works else max(0, first[0] - counts[0])
            if bust is not None and not bust.works:
                total += counts[0] if counts is not None else bust.stated or 0
        return total

    def _histories(self) -> list[list[tuple[int, int]]]:
        """Of every execution that was not left as it was: (from when, quantity), the last one in force."""
        found = []
        for root, versions in self._roots().items():
            bust, counts = self._bust(root), self._in_force(root, versions)
            if not versions and bust is None:
                continue
            told = sorted((each.at, each.qty) for each in versions)
            first = self.executions.get(root)
            if first is not None:
                told.insert(0, (EVER, first[0]))
            elif bust is not None and bust.stated is not None and not versions:
                told.insert(0, (EVER, bust.stated))
            if not told:
                continue
            if bust is not None:
                told.append((bust.at, 0))
            elif counts is not None and told[-1][1] != counts[0]:
                told.append((told[-1][0], counts[0]))
            found.append(told)
        return found

    @staticmethod
    def _lost(told: list[tuple[int, int]], at: int) -> int:
        """What was lost of an execution since then: from the version that was in force on, the most that it ever was."""
        then = max([0, *(place for place, (since, _) in enumerate(told) if since < at)])
        return max(qty for _, qty in told[then:]) - told[-1][1]

    def claimed(self) -> int:
        """The highest total, less what was lost since."""
        histories = self._histories()
        return max([0, *(total - sum(self._lost(told, at) for told in histories) for at, total in self.totals)])

    @property
    def cum(self) -> int:
        """What filled."""
        return max(self.filled()[0], self.claimed())

    @property
    def to_be_asked(self) -> bool:
        """Whether only the venue can say what counts: it claimed more, and nothing since the last loss."""
        histories = self._histories()
        if not histories or not self.totals:
            return False
        last = max(told[-1][0] for told in histories)
        return max(at for at, _ in self.totals) <= last and max(total for _, total in self.totals) > self.cum
