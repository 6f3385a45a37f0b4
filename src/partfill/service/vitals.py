"""What of a running manager its watchers are told: one picture, taken in one go, which health is judged by and metrics show.

Rules
- It reads memory only: no file, no venue, no await. So it may be taken while a disk is full or a venue hangs.
- One pass over the orders in memory, and one over what is protected; nothing else grows with them.
- The orders are those of the engine, which is ahead of the disk by the commit that is under way.
"""

from __future__ import annotations

import time

import msgspec

from partfill.core.doubts import suspected
from partfill.model.policy import Mode, Remainder
from partfill.model.words import Flag, Side
from partfill.runtime.ingest import PartialReports
from partfill.runtime.manager import FillManager

NAMED = 5
"""Orders that are called by their names."""
DARK_FOR_S = 300.0
"""A book that nobody has looked for since is not missed any more: what wanted it is looked at far more often."""

_QUARANTINED = int(Flag.QUARANTINED)
_DISPUTED = int(Flag.DISPUTED)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One account of one venue. `failures` and `unread`: polls and reads of history in a row without an answer."""

    venue: str
    account: str
    polls: int = 0
    failures: int = 0
    error: str | None = None
    outage: bool = False
    """Whether a person was told that its reads are not answered, and it goes on."""
    breaker: str | None = None
    """Why new orders are refused here just now."""
    silent: bool = False
    """Whether that is for requests that were not answered."""
    listening: bool = True
    reads: int = 0
    """How often everything was read."""
    unread: int = 0

    @property
    def name(self) -> str:
        """The line in words."""
        return f"{self.venue} {self.account}".rstrip()


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Reports on their way to the sink. `waiting` is None while the sink has not said what it has."""

    failures: int = 0
    error: str | None = None
    waiting: int | None = 0


class DarkBook(msgspec.Struct, frozen=True, kw_only=True):
    """A book that did not come at the last look, `age_s` seconds ago."""

    venue: str
    instrument: str
    why: str
    age_s: int


class Bare(msgspec.Struct, frozen=True, kw_only=True):
    """A position whose protection has not been what it should be for `for_s` seconds.

    More than it should be counts too: it could close what is not held. `blind_s`: how long nobody has seen the market that is
    watched for it; None where somebody does, or nothing is watched.
    """

    venue: str
    account: str
    instrument: str
    side: Side
    for_s: float = 0.0
    blind_s: float | None = None

    @property
    def name(self) -> str:
        """The position in words."""
        where = f"{self.venue} {self.account}".rstrip()
        return f"the {'long' if self.side is Side.BUY else 'short'} position in {self.instrument} at {where}"


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """All protections at one moment."""

    protected: int = 0
    """Positions that are held and protected."""
    bare: tuple[Bare, ...] = ()
    """Those that are not covered now, the first `NAMED` of them, longest first."""
    uncovered: int = 0
    oldest_s: float = 0.0
    blind: int = 0
    """Of those, where nobody sees the market that is watched for them."""
    blindest_s: float = 0.0
    small: int = 0
    """Positions of which a part is less than the venue takes an order for, and has none."""


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """A manager at one moment."""

    stopping: bool = False
    down: str | None = None
    """Why the journal takes nothing any more."""
    durable: int = 0
    """Inputs on disk."""
    lines: tuple[Line, ...] = ()
    killed: tuple[tuple[str, str, str], ...] = ()
    """(venue, account, by whom) of every kill switch that is on."""
    open: int = 0
    """Parent orders that go on."""
    halted: int = 0
    quarantined: int = 0
    """Child orders in memory whose numbers are not to be believed."""
    doubted: int = 0
    disputed: int = 0
    """Child orders of which a venue says that less has filled than was heard; of those, what a person is to look at."""
    named: tuple[str, ...] = ()
    """The first few of those that are halted, by ref."""
    waiting: int = 0
    """Operations that have not been sent yet."""
    busy: int = 0
    sent: int = 0
    mode: Mode = Mode.SHADOW_ONLY
    policy: Remainder | None = None
    """What is done with the rest of an order that brings no policy."""
    looking: int = 0
    most: int = 50
    """Looks at markets under way, and how many there may be."""
    looks: int = 0
    shed: int = 0
    blind: int = 0
    dark: tuple[DarkBook, ...] = ()
    reports: Delivery | None = None
    """None where reports go nowhere."""
    covered: Covered = Covered()
    """Whether what is protected is covered."""
    dust: int = 0
    """Specks of dust that wait to be used."""
    heard: dict[str, int] = {}
    """Reports of other systems, by what became of them; empty where nobody may report."""
    refused: dict[str, int] = {}
    """Of those that were refused, by the reason."""
    counters: dict[str, int] = {}
    failed_subscribers: int = 0


def take(manager: FillManager, *, stopping: bool = False, partials: PartialReports | None = None) -> Vitals:
    """The manager now; it has been entered at least once. `partials`: who takes reports of other systems for it."""
    engine, lanes, rest = manager.engine, manager.lanes, manager.remainders
    going = [parent for parent in engine.desk.parents.values() if parent.done is None]
    halted = [parent.ref for parent in going if parent.halted]
    # Numbers may be outdated, never missing.
    doubted = [child for number in engine.doubted if (child := engine.children.get(number)) is not None and suspected(child)]
    box = manager.outbox
    policy = rest.settings.policy
    return Vitals(
        stopping=stopping,
        down=None if manager.down is None else str(manager.down),
        durable=manager.journal.durable_seq,
        lines=_lines(manager),
        killed=tuple((venue, account, who) for (venue, account), who in sorted(engine.desk.killed.items())),
        open=len(going),
        halted=len(halted),
        quarantined=sum(1 for child in engine.children.values() if child.flags & _QUARANTINED),
        doubted=sum(1 for child in doubted if not child.flags & _DISPUTED),
        disputed=sum(1 for child in doubted if child.flags & _DISPUTED),
        named=tuple(halted[:NAMED]),
        waiting=lanes.waiting,
        busy=lanes.busy,
        sent=lanes.sent,
        mode=rest.settings.mode,
        policy=None if policy is None else policy.default_policy,
        looking=rest.looking,
        most=rest.settings.max_in_flight,
        looks=rest.looks,
        shed=rest.shed,
        blind=rest.blind,
        dark=_dark(manager),
        reports=None if box is None else Delivery(failures=box.failures, error=box.error, waiting=box.waiting),
        covered=_covered(manager),
        dust=sum(len(specks) for specks in engine.desk.dust.waiting.values()),
        heard={} if partials is None else {str(what): count for what, count in partials.heard.items()},
        refused={} if partials is None else {str(why): count for why, count in partials.refused.items()},
        counters=engine.counters.as_dict(),
        failed_subscribers=manager.bus.failures,
    )


def _lines(manager: FillManager) -> tuple[Line, ...]:
    found = []
    for poller, follower in zip(manager.pollers, manager.followers, strict=True):
        breaker = manager.lanes.breakers[poller.venue.name]
        found.append(
            Line(
                venue=poller.venue.name, account=poller.account, polls=poller.polls, failures=poller.failures,
                error=poller.error, outage=poller.reads.out, breaker=breaker.reason if breaker.open else None,
                silent=breaker.silent, listening=follower.listening, reads=follower.reconciled, unread=follower.failures,
            )
        )  # fmt: skip
    return tuple(found)


def _covered(manager: FillManager) -> Covered:
    now = manager.clock()
    held = uncovered = blind = small = 0
    oldest_s = blindest_s = 0.0
    bare: list[Bare] = []
    for protection in manager.engine.desk.protections.values():
        held += bool(protection.wanted)
        small += protection.small
        since = protection.blind_since if protection.watches else 0
        blind_s = max(0, now - since) / 1e9 if since else None
        if blind_s is not None:
            blind += 1
            blindest_s = max(blindest_s, blind_s)
        for_s = 0.0
        if protection.since:
            for_s = max(0, now - protection.since) / 1e9
            uncovered += 1
            oldest_s = max(oldest_s, for_s)
        if protection.since or blind_s is not None:
            venue, account, instrument, side = protection.place
            bare.append(Bare(venue=venue, account=account, instrument=instrument, side=side, for_s=for_s, blind_s=blind_s))
    first = sorted(bare, key=lambda each: (-each.for_s, each.venue, each.account, each.instrument))[:NAMED]
    return Covered(
        protected=held, bare=tuple(first), uncovered=uncovered, oldest_s=oldest_s, blind=blind, blindest_s=blindest_s,
        small=small,
    )  # fmt: skip


def _dark(manager: FillManager) -> tuple[DarkBook, ...]:
    now = time.monotonic()
    return tuple(
        DarkBook(venue=venue, instrument=instrument, why=dark.why, age_s=int(now - dark.at))
        for (venue, instrument), dark in sorted(manager.remainders.dark.items())
        if now - dark.at < DARK_FOR_S
    )


__all__ = ["Bare", "Covered", "DarkBook", "Delivery", "Line", "Vitals", "take"]
