"""One world from one seed: venues, users, a network that misbehaves, a process that dies; and what must hold in it.

Theory of operation. Time is a heap of things to happen. The engine hears what arrives; its operations travel to the
simulated venues and their answers travel back. After a time of trouble comes quiet: no faults, no trade, the usual polls. Then
every ledger must equal the venue's truth, and after everything was stopped nothing may hang.

The world checks the law against the truth, not against what the engine believes: what filled and works at the venues for
one parent never exceeds what was asked.

    timeline  when      process  inputs, deaths      network  what travels      happenings  users, markets, polls
"""

from __future__ import annotations

from partfill.core.parent import Done
from partfill.model.commands import KillSwitch, Restarted, Stop
from partfill.model.inputs import VenueDeclared
from partfill.sim.accounts import add_accounts, count_collisions
from partfill.sim.attempts import Attempts
from partfill.sim.costs import Costs
from partfill.sim.decisions import Decisions
from partfill.sim.doubted import Doubted
from partfill.sim.expected import Expected
from partfill.sim.fees import give_fees
from partfill.sim.glitches import Glitches
from partfill.sim.guards import Guards
from partfill.sim.happenings import Happenings
from partfill.sim.heard import Heard
from partfill.sim.ids import Ids
from partfill.sim.ingredients import HEARD, LAG, LINKS, MIX, STOPS, TABLES, WIRE
from partfill.sim.keys import give_keys
from partfill.sim.kinds import KINDS, LINKED
from partfill.sim.leaving import Leaving
from partfill.sim.legs import Legs
from partfill.sim.links import Links
from partfill.sim.losses import Losses
from partfill.sim.manners import Manners
from partfill.sim.orders import ACME
from partfill.sim.published import Published
from partfill.sim.tables import Tables
from partfill.sim.timeline import MS, SECOND
from partfill.sim.totals import Totals
from partfill.sim.truth import Truth, Violation
from partfill.sim.venue import SimVenue
from partfill.sim.wire import Wire

TROUBLE = 8 * SECOND
"""How long users trade and things go wrong."""
TODAY = 20_000 * 86_400 * SECOND
"""A time that a real clock would show."""
QUIET = (1, 3, 35, 70)
"""Seconds after the trouble at which everything is polled; the longest wait of the desk is 30 s."""

DOUBTS = 3
"""How often more it is waited for a doubt that began late: a person is told after three answers."""


class World(Happenings):
    """One run. `only`: the ingredients it has, instead of those that it would draw."""

    def __init__(
        self, seed: int, *, story: bool = False, trouble: int = TROUBLE, users: int | None = None, deaths: bool = True,
        only: frozenset[str] | None = None, mix: int = MIX,
    ) -> None:  # fmt: skip
        super().__init__(seed, story=story, only=only, mix=mix)
        self.truth = Truth(self)
        self.costs = Costs(self)
        self.published = Published(self)
        self.leaving = Leaving(self)
        self.glitches = Glitches(self)
        self.legs = Legs(self, seed)
        self.manners = Manners(self)
        self.doubted = Doubted(self)
        self.engine = self.engine_type()
        kinds = self.random.sample(KINDS, self.random.randint(1, 3))
        self.venues = {f"v{number}": SimVenue(f"v{number}", kind, self.random) for number, kind in enumerate(kinds)}
        if LINKS in self.ingredients.has:
            self.venues["v0"] = SimVenue("v0", self.ingredients.random.choice(LINKED), self.random)
        self.ids = Ids(self)
        self.ids.choose()
        if self.ingredients.has & {WIRE, HEARD} and not self.start:
            self.begin_at(TODAY)
        add_accounts(self.ingredients, self.venues)
        for venue in self.venues.values():
            if venue.kind.itemised and not venue.scoped and not venue.daily:
                venue.fees = give_fees(self.ingredients, venue.name, venue.account)
        self.expected = Expected(self)
        self.attempts = Attempts(self)
        self.heard = Heard(self, seed)
        self.wire = Wire(self) if WIRE in self.ingredients.has else None
        self.totals = Totals(self)
        self.losses = Losses(self)
        for venue in self.venues.values():
            venue.replicas = self.totals.replicas()
            venue.keys = give_keys(self, venue)
            venue.refuses = self.legs.refuses
            venue.links = Links(self.ingredients) if LINKS in self.ingredients.has else None
        self.decisions = Decisions(self, seed)
        self.guards = Guards(self, seed)
        self.trouble = trouble
        self.users = self.random.randint(1, 5) if users is None else users
        self.crashes = sorted(self.random.randint(5, 200) for _ in range(self.random.choice((0, 0, 1, 2))))
        if not deaths:
            self.crashes = []
        if TABLES in self.ingredients.has:
            self.tables = Tables(seed, self.ingredients)

    def run(self) -> int:
        """Live through it; returns the number of events. Raises `Violation`."""
        for venue in self.venues.values():
            if not venue.account and venue.instrument == ACME:
                self.feed(VenueDeclared(venue=venue.name, capabilities=self.guards.declared(venue)))
        self.feed(Restarted(desk="s"))
        for venue in self.venues.values():
            if venue.fees is not None and not venue.account:
                self.later(self.ingredients.random.choice((0, 4 * SECOND)), self.feed, venue.fees.listed())
        for number in range(self.users):
            self.later(self.random.randint(0, 3 * SECOND), self.user_submits, f"u{number}")
        for number, wait in enumerate(self.decisions.latecomers()):
            self.later(wait, self.user_submits, f"late{number}")
        self.guards.begin()
        self.losses.begin()
        self.ids.begin()
        self.heard.begin()
        self.glitches.begin()
        self.manners.begin()
        self.later(self.random.randint(50, 200) * MS, self.market)
        self.later(SECOND, self.polls)
        for _ in range(self.weather.choice((0, 0, 0, 1, 2))):
            self.later(self.weather.randint(0, self.trouble), self.clock_jumps)
        for _ in range(self.weather.choice((0, 0, 0, 1, 3))):
            self.later(self.weather.randint(0, self.trouble), self.venue_restates)
        self.until(self.start + self.trouble + SECOND)
        self.quiet = True
        self.settle()
        self.totals.decide()
        self.guards.end()
        for parent in list(self.engine.desk.parents.values()):
            if parent.done is None and (parent.guards is None or parent.guards < 0):
                self.feed(Stop(venue=parent.venue, account=parent.account, ref=parent.ref))
        for scope in list(self.engine.desk.killed):
            self.feed(KillSwitch(venue=scope[0], account=scope[1], on=False, by="sim"))
        self.settle()
        for _ in range(4):
            if not self.totals.decide():
                break
            self.settle()
        for parent in self.engine.desk.parents.values():
            if parent.done is Done.RELEASED and parent.stop is None:
                # Its user lets it go on.
                continue
            if parent.done is None or parent.active:
                raise Violation(f"{parent.ref} was stopped and hangs: {[child.status for child in parent.active]}")
        for venue in self.venues.values():
            if venue.open and not (venue.kind.reversible and self.manners.on):
                # A void may open again what its user let go.
                raise Violation(f"everything was stopped and {next(iter(venue.open))} works at {venue.kind.name}")
        if self.tables is not None:
            self.tables.compare(self.engine)
        self.ids.count()
        count_collisions(self.ingredients, self.venues)
        return self.events

    def clock_jumps(self) -> None:
        """Somebody sets the machine's clock. Not where it has to tell how far answers are behind."""
        if not self.quiet and not self.ingredients.has & {LAG, STOPS} and self.ids.scope != "day":
            self.skew += self.weather.choice((-3, -1, 1, 60)) * SECOND
            self.tell(f"the clock jumps, it is {self.skew / SECOND:+.0f} s off")
            self.next_tick = 0
            self.set_alarm()

    def settle(self) -> None:
        """Quiet until nothing is on its way; then compare with the truth."""
        began = self.time
        for wait in QUIET:
            self.until(began + wait * SECOND)
            for venue in self.venues.values():
                for each in venue.history(self.now):
                    self.feed(each)
                self.poll(venue)
        self.still = True
        self.until(began + (QUIET[-1] + 40) * SECOND)
        for _ in range(DOUBTS):
            if not self.totals.undecided():
                break
            for venue in self.venues.values():
                self.poll(venue)
            self.until(self.time + 40 * SECOND)
        self.truth.compare()
        self.still = False


__all__ = ["MS", "SECOND", "TROUBLE", "Violation", "World"]
