"""What a simulated world is made of beside trade, losses and deaths, and how often it met each.

Rules
- About half of the worlds have none of these: they are the worlds that they were.
- Draws come from a source of its own.
- Whatever a world meets is counted when it happens, not when it is drawn: a run can show that it met all of them.
"""

from __future__ import annotations

from collections import Counter
from random import Random

TABLES = "tables"
"""The process is restarted from its tables, in the middle, and compared with one that goes on."""
ACCOUNTS = "accounts"
"""A venue has several accounts, in which the same ids name different orders."""
FEES = "fees"
"""Venues take fees, and tell of them in their own ways."""
LAG = "lag"
"""Answers of venues lag, by less than they declare."""
STOPS = "stops"
"""A copy that answers stands still for a while."""
LOST = "lost busts"
"""Busts that nobody tells, and totals that are wrong once."""
DOUBLED = "doubled keys"
"""Execution ids that name two executions."""
LINKS = "links"
"""Orders go on under other ids, and that is told late."""
WIRE = "wire"
"""Messages are written and read, and come garbled beside."""
IDS = "ids"
"""Ids are unique per instrument or day only, or are placeholders."""
HEARD = "heard"
"""Orders of others are heard of, each at a venue of its own, with everything that venues say oddly."""
MARKETS = "markets"
"""Books, instruments and policies are odd: other instruments, least sizes, larger ticks, fees."""
MANNERS = "manners"
"""Venues have odd manners: requests that arrive twice, replies that come late, refusals that mean something."""
GLITCHES = "glitches"
"""Answers print nothing at work, of orders that ended in silence and of some that work."""
LEGS = "legs"
"""Positions are protected by several legs, with shares and least sizes; venues refuse stops that the market has passed."""
TOTALS = frozenset((LAG, STOPS, LOST, DOUBLED, LINKS, WIRE, IDS))
"""Those that are about what venues say of how much filled."""

DRAWN = (LAG, WIRE, ACCOUNTS, STOPS, DOUBLED, LINKS, HEARD, MARKETS, TABLES, FEES, LOST, IDS, MANNERS, GLITCHES, LEGS)
"""Ingredients that a world draws."""
MIX = 1
"""How many of them it has at most, where nobody says another number."""
ROUND: tuple[frozenset[str] | None, ...] = (
    None,
    *map(
        frozenset,
        (
            (TABLES, HEARD), (LEGS, GLITCHES), (FEES, MARKETS), (LEGS, MANNERS), (ACCOUNTS, LEGS), (LOST, HEARD),
            (STOPS, MARKETS), (LEGS, TABLES), (LINKS, MARKETS), (GLITCHES, MARKETS), (MANNERS, HEARD), (LEGS, LOST),
            (DOUBLED, LEGS), (IDS, MARKETS), (FEES,), (LOST,), (GLITCHES,),
        ),
    ),
)  # fmt: skip
"""Ingredients of one world after the other, where all of them are to be met: None draws, as worlds do by default."""
RARE = {TABLES: 0.25, WIRE: 0.5, HEARD: 0.6, LEGS: 0.6}
"""How likely one is taken that was drawn, where it is slow."""

EVERY = (
    *("restart from the tables", "an order id in two accounts", "a fee with its execution", "an execution with two fees"),
    *("a charge of an order", "a charge of an execution", "a fee that was revised", "a fee in the base asset"),
    *("a rest that is too small to protect", "an average cost to the last digit", "an answer that lags"),
    *("an answer of a copy that stands still", "a dispute that went away", "a dispute that a person decides", "a ruling"),
    *("a bust that nobody told", "a busted execution that came back", "an execution id that was used twice"),
    *("a wrong with its alarm", "an id of two instruments", "an id that began anew", "a placeholder for an id"),
    *("a garbled message that was refused", "a replace that was told late", "an order that was linked to its new id"),
    *("the end of an id that the chain has left", "a remainder that was submitted again", "the last attempt"),
    *("a total that was too high once", "a total that was too low once", "a result of a closed position"),
    *("a story that was told to its end", "an odd book", "a placing that arrived twice", "a reply that came late"),
    *("an order that ended in silence", "an answer that prints nothing at work", "legs that are what they are to be"),
)
"""What a few hundred worlds meet. What is rarer is counted too."""


class Ingredients:
    """The ingredients of one world, and what it met of them."""

    def __init__(self, seed: int, only: frozenset[str] | None = None, mix: int = MIX) -> None:
        self.random = Random(seed ^ 0xF00D)
        if only is not None:
            # What is lived by name draws on as it did when eight were drawn from: its seeds are kept.
            self.random.sample(range(8), self.random.choice((0, 1)))
            self.has = only
        else:
            drawn = self.random.sample(DRAWN, self.random.choice(range(mix + 1)))
            self.has = frozenset(each for each in drawn if self.random.random() < RARE.get(each, 1.0))
        self.met: Counter[str] = Counter()

    def meet(self, what: str, count: int = 1) -> None:
        """One of `EVERY` happened."""
        self.met[what] += count
