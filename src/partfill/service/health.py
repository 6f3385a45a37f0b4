"""How a daemon is: a verdict on each of its parts, green, amber or red, with a reason that a person can act on at night.

    journal       the file takes inputs
    venue/NAME    requests to one account of a venue are answered, and new orders leave
    stream/NAME   what the venue says by itself is heard, and nothing of it is missing
    orders        no order was stopped because its numbers or its law cannot be
    remainders    markets are seen in time to decide on what is left of orders
    protection    what is protected is covered by what works at venues, or is watched here by somebody who sees the market
    reports       decisions reach the sink
    kill switch   nobody holds trading
    alarms        nothing happened lately that a person should look at

Theory of operation. `judge` is pure: a picture of the manager and the counts of the last minutes go in, verdicts come out. The
whole is as bad as its worst part. `judge_decisions` is the same for the decisions on remainders alone, with the thresholds of
the remainder document.

Rules
- Red is what a person has to get up for: orders are not under control, or nothing is believed any more. Amber is what
  somebody should know of. Whether the process lives is not said here: it answers.
- A reason names what is wrong, since when or how often, and what follows from it. `docs/runbook.md` says what to do.
- Between green and red the document leaves a gap: that is amber.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from partfill.core.waiting import MANY
from partfill.model.commands import EVERYWHERE
from partfill.model.events import AlarmKind
from partfill.model.reasons import Reason
from partfill.service.recent import WINDOW_S, Recent
from partfill.service.vitals import Bare, Line, Vitals

MINUTES = WINDOW_S // 60


class Color(StrEnum):
    """How bad it is."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


class Part(msgspec.Struct, frozen=True):
    """The verdict on one part. `numbers` are those that it was made with."""

    status: Color
    reason: str
    numbers: Mapping[str, float] = {}


class Health(msgspec.Struct, frozen=True):
    """All verdicts, and the worst of them."""

    status: Color
    components: Mapping[str, Part]


class Limits(NamedTuple):
    """Of decisions a minute: green below the first, red above the second."""

    green: float
    red: float


BARE = Limits(5, 30)
"""Seconds without cover: green up to the first, red above the second."""
DUST = Limits(0.2, 1)
CHASE_ABORTS = Limits(0.1, 0.5)
GRAVE = (
    *(AlarmKind.LAW, AlarmKind.INVARIANT, AlarmKind.EXPOSURE, AlarmKind.UNPROTECTED, AlarmKind.OVER_CLOSE),
    *(AlarmKind.POSITION, AlarmKind.DISPUTED),
)
"""Alarms after which quantities are in doubt."""

_ORDER = (Color.GREEN, Color.AMBER, Color.RED)


def judge(vitals: Vitals, recent: Recent) -> Health:
    """The health of the whole daemon."""
    parts = {"journal": _journal(vitals)}
    for line in vitals.lines:
        where = f"{line.venue}/{line.account}".rstrip("/")
        parts[f"venue/{where}"] = _venue(line)
        parts[f"stream/{where}"] = _stream(line)
    parts["orders"] = _orders(vitals)
    parts["remainders"] = _remainders(vitals, recent)
    parts["protection"] = _protection(vitals, recent)
    parts["reports"] = _reports(vitals)
    parts["kill switch"] = _kill_switch(vitals)
    parts["alarms"] = _alarms(recent)
    if vitals.stopping:
        parts["daemon"] = Part(
            Color.AMBER, f"it was told to stop: {vitals.waiting} operations wait and {vitals.busy} lanes are at work still"
        )
    return _whole(parts)


def judge_decisions(vitals: Vitals, recent: Recent) -> Health:
    """The health of the decisions on remainders alone, under the names of the remainder document."""
    return _whole(
        {
            "journal": _journal(vitals),
            "clob_auth": _reachable(vitals),
            "clob_public": _books(vitals),
            "dust_cancel_rate": _rate(recent, Reason.DUST_AUTO_CANCEL, "dust cancels", DUST),
            "chase_abort_rate": _rate(recent, Reason.CHASE_ABORTED, "chase aborts", CHASE_ABORTS),
        }
    )


def _whole(parts: Mapping[str, Part]) -> Health:
    return Health(max((part.status for part in parts.values()), key=_ORDER.index), parts)


# ---------------------------------------------------------------------- parts


def _journal(vitals: Vitals) -> Part:
    numbers = {"inputs": vitals.durable}
    if vitals.down is not None:
        return Part(Color.RED, f"{vitals.down}; nothing is sent any more, and what works at venues goes on unwatched", numbers)
    return Part(Color.GREEN, f"{vitals.durable} inputs are on disk", numbers)


def _venue(line: Line) -> Part:
    numbers = {"polls": line.polls, "failures": line.failures}
    if line.breaker is not None:
        return Part(Color.RED, f"new orders to {line.venue} are refused here for some seconds: {line.breaker}", numbers)
    if line.outage or line.failures >= MANY:
        why = f": {line.error}" if line.error else ""
        return Part(Color.RED, f"{line.name} does not answer, {line.failures} polls in a row{why}", numbers)
    if line.failures:
        return Part(Color.AMBER, f"the last {line.failures} polls of {line.name} had no answer: {line.error}", numbers)
    if not line.polls:
        return Part(Color.AMBER, f"{line.name} has not answered yet since the start", numbers)
    return Part(Color.GREEN, f"{line.name} answers", numbers)


def _stream(line: Line) -> Part:
    numbers = {"reads": line.reads, "failures": line.unread}
    if line.unread >= MANY:
        return Part(
            Color.RED,
            f"the history of {line.name} could not be read {line.unread} times in a row: fills may be missing",
            numbers,
        )
    if line.unread:
        return Part(Color.AMBER, f"the history of {line.name} could not be read, {line.unread} times; tried again", numbers)
    if not line.listening:
        return Part(Color.AMBER, f"the stream of {line.name} is not open, or is being caught up with; polls go on", numbers)
    return Part(Color.GREEN, f"{line.name} is heard, and everything was read {line.reads} times", numbers)


def _orders(vitals: Vitals) -> Part:
    numbers = {"open": vitals.open, "halted": vitals.halted, "quarantined": vitals.quarantined}
    if vitals.halted or vitals.quarantined:
        more = ", ..." if vitals.halted > len(vitals.named) else ""
        which = f" ({', '.join(vitals.named)}{more})" if vitals.named else ""
        return Part(
            Color.RED,
            f"{vitals.halted} orders are halted{which} and {vitals.quarantined} in quarantine: nothing is sent for them until "
            "a person has looked at what the venue has",
            numbers,
        )
    return Part(Color.GREEN, f"{vitals.open} orders go on, none is halted", numbers)


def _remainders(vitals: Vitals, recent: Recent) -> Part:
    shed, blind = recent.reasons[Reason.SHED].count, recent.reasons[Reason.BOOK_UNAVAILABLE].count
    stuck = recent.reasons[Reason.CANCEL_FAILED].count
    numbers = {"looking": vitals.looking, "shed": shed, "blind": blind, "cancel_failed": stuck, "dark_books": len(vitals.dark)}
    wrong = []
    if vitals.dark:
        wrong.append(_dark(vitals))
    if shed:
        wrong.append(f"{shed} decisions of the last {MINUTES} minutes were shed: held, and made later")
    if blind:
        wrong.append(f"{blind} decisions of the last {MINUTES} minutes were made without a book")
    if stuck:
        wrong.append(f"{stuck} cancels of a rest did not get through in the last {MINUTES} minutes")
    if wrong:
        return Part(Color.AMBER, "; ".join(wrong), numbers)
    what = "left, unless an order says otherwise" if vitals.policy is None else f"decided ({vitals.policy})"
    return Part(Color.GREEN, f"the rest of a partly filled order is {what}; the mode is {vitals.mode}", numbers)


def _dark(vitals: Vitals) -> str:
    first = vitals.dark[0]
    more = f" and {len(vitals.dark) - 1} more" if len(vitals.dark) > 1 else ""
    return (
        f"the book of {first.instrument} at {first.venue}{more} did not come {first.age_s} s ago: {first.why}; rests are held, "
        "nothing is taken off blind"
    )


def _protection(vitals: Vitals, recent: Recent) -> Part:
    now, closed = vitals.covered, recent.alarms[AlarmKind.OVER_CLOSE].count
    numbers = {
        "protected": now.protected, "uncovered": now.uncovered, "oldest_s": now.oldest_s, "blind": now.blind,
        "too_small": now.small, "over_closes": closed,
    }  # fmt: skip
    wrong = []
    if closed:
        wrong.append(f"protective orders closed more than was held, {closed} times in the last {MINUTES} minutes")
    if now.oldest_s > BARE.green and now.bare:
        first = now.bare[0]
        more = f", one of {now.uncovered}," if now.uncovered > 1 else ""
        killed = ": the kill switch is on there, and nothing is placed" if _is_killed(vitals, first) else ""
        wrong.append(f"{first.name}{more} has not been covered as it should for {first.for_s:.0f} s{killed}")
    blind = next((each for each in now.bare if each.blind_s is not None), None)
    if now.blind:
        which = f"the market of {blind.instrument} at {blind.venue}" if blind is not None else "a market"
        more = f" and {now.blind - 1} more" if now.blind > 1 else ""
        wrong.append(f"nobody sees {which}{more}: what is watched there does not protect")
    if now.small:
        wrong.append(f"a part of {now.small} positions is less than the venue takes an order for, and not covered")
    if wrong:
        return Part(Color.RED if closed or now.oldest_s > BARE.red else Color.AMBER, "; ".join(wrong), numbers)
    soon = ", or are about to be" if now.uncovered else ""
    return Part(Color.GREEN, f"{now.protected} positions are covered{soon}", numbers)


def _is_killed(vitals: Vitals, bare: Bare) -> bool:
    """Whether nothing may be placed for a position."""
    return any(venue == EVERYWHERE or (venue, account) == (bare.venue, bare.account) for venue, account, _ in vitals.killed)


def _reports(vitals: Vitals) -> Part:
    box = vitals.reports
    if box is None:
        return Part(Color.GREEN, "reports go nowhere but into the journal, where they are kept")
    if box.failures:
        count = "reports" if box.waiting is None else f"{box.waiting} reports"
        color = Color.RED if box.failures >= MANY else Color.AMBER
        return Part(
            color, f"{count} wait, none is lost: {box.failures} deliveries in a row failed: {box.error}",
            {"failures": box.failures, **({} if box.waiting is None else {"waiting": box.waiting})},
        )  # fmt: skip
    return Part(Color.GREEN, "every report was delivered", {"waiting": box.waiting or 0, "failures": 0})


def _kill_switch(vitals: Vitals) -> Part:
    if not vitals.killed:
        return Part(Color.GREEN, "off", {"on": 0})
    on = "; ".join(f"{_scope(venue, account)}, by {who}" for venue, account, who in vitals.killed)
    return Part(
        Color.AMBER, f"on {on}: everything is taken off and nothing starts there until an operator lifts it",
        {"on": len(vitals.killed)},
    )  # fmt: skip


def _scope(venue: str, account: str) -> str:
    return "everywhere" if venue == EVERYWHERE else f"{venue} {account}".rstrip()


def _alarms(recent: Recent) -> Part:
    counts = {kind: window.count for kind, window in recent.alarms.items()}
    # Good news.
    counts.pop(AlarmKind.OUTAGE_OVER)
    counts.pop(AlarmKind.DISPUTE_OVER)
    total = sum(counts.values())
    numbers = {str(kind): count for kind, count in counts.items() if count}
    if not total:
        return Part(Color.GREEN, f"none in the last {MINUTES} minutes")
    color = Color.RED if any(counts[kind] for kind in GRAVE) else Color.AMBER
    return Part(color, f"{total} in the last {MINUTES} minutes, the newest: {recent.last_alarm}", numbers)


# ---------------------------------------------------------------------- decisions alone


def _reachable(vitals: Vitals) -> Part:
    """Whether requests to venues are answered; one that answers "no" is reached."""
    for line in vitals.lines:
        if line.outage or line.failures >= MANY or (line.breaker is not None and line.silent):
            why = line.error or line.breaker or "no answer"
            return Part(Color.RED, f"{line.name} cannot be reached: {why}", {"failures": line.failures})
    for line in vitals.lines:
        if line.failures or not line.polls:
            why = f"{line.failures} polls in a row had no answer: {line.error}" if line.failures else "it has not answered yet"
            return Part(Color.AMBER, f"{line.name}: {why}", {"failures": line.failures})
    return Part(Color.GREEN, "requests are answered", {"failures": 0})


def _books(vitals: Vitals) -> Part:
    numbers = {"dark_books": len(vitals.dark)}
    if vitals.dark:
        return Part(Color.AMBER, _dark(vitals), numbers)
    return Part(Color.GREEN, "every book came when it was looked for last", numbers)


def _rate(recent: Recent, reason: Reason, what: str, limits: Limits) -> Part:
    window = recent.verdicts[reason]
    rate = window.per_minute
    numbers = {"per_minute": rate, "count": window.count, "green_below": limits.green, "red_above": limits.red}
    color = Color.GREEN if rate < limits.green else Color.RED if rate > limits.red else Color.AMBER
    return Part(color, f"{window.count} {what} in the last {MINUTES} minutes, {rate:g} a minute", numbers)


__all__ = ["BARE", "CHASE_ABORTS", "DUST", "Color", "Health", "Limits", "Part", "judge", "judge_decisions"]
