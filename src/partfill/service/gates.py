"""The promotion gates of decisions on remainders, computed from a journal: what has to hold before decisions reach further.

    shadow_only  -- chase_price over 48 h -->  limited_live  -- dust_rate, abort_rate over 7 days -->  general_live

Theory of operation. A gate looks at the newest run of decisions in its mode: an unbroken row of them, the kill switch's left
out, since that decides in every mode. The window is the last 48 h or 7 days of the run, by the times of its first and last
decision. Rows are judged one by one; what is judged is what was reported, with arithmetic of its own.

Rules
- A run that is shorter than the window, or has too little to judge, is NOT ENOUGH DATA: its own state, and no pass. A violation
  fails at once, however short the run.
- chase_price: no chase goes further than `chase_max_ticks` ticks from a price that the user asked for. The price and the origin
  are those of the report, the tick that of the market the decision was made with (its input in the journal), the limit that of
  the order's own policy, and the user's prices those of the order and of its amendments. The cap that the engine keeps is not
  asked. What cannot be proven is a violation.
- dust_rate: partial fills whose rest was taken off as dust, of all partial fills that were decided on: under 5 %. One order at
  one filled quantity is one partial fill, however often it was decided on.
- abort_rate: chases given up, under `ABORTS_PER_MINUTE` over the window, and over `ABORTS_AT_WORST` in no five minutes of it:
  what the remainder document's health check calls green, and what it calls red.
- That all tests pass is a gate too, which no journal can tell of: it is named, and not computed.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from partfill.journal.desk_state import thaw_parent
from partfill.journal.store import Store
from partfill.model.codec import input_from_journal
from partfill.model.commands import Decide
from partfill.model.numbers import dec, mul, sub, text
from partfill.model.policy import Mode
from partfill.model.reasons import Reason
from partfill.model.words import Side
from partfill.service.decided import HOUR_NS, Amended, Row, Run, Wished, newest_run, rows_of

MINUTE_NS = 60_000_000_000
SHADOW_HOURS = 48
LIMITED_HOURS = 7 * 24
DUST_PERCENT = 5
ABORTS_PER_MINUTE = Decimal("0.1")
ABORTS_AT_WORST = Decimal("0.5")
"""Per minute, over any five."""
FIVE_MINUTES_NS = 5 * MINUTE_NS
MIN_PARTIALS = 20
"""Fewer partial fills say nothing of 5 %: one of them would be more."""
SHOWN = 20
"""Violations that are named; all are counted."""


class State(StrEnum):
    """How a gate stands."""

    PASS = "pass"
    FAIL = "fail"
    NOT_ENOUGH_DATA = "not enough data"
    NOT_COMPUTABLE = "not computable"


class Violation(msgspec.Struct, frozen=True):
    """One report that must not be, and why."""

    report_id: str
    why: str


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One gate. Times ns UTC. `covered_h`: how much of `window_h` the run really covers, hours.

    `counts` are what was judged; `measured` and `threshold` say the outcome in words.
    """

    gate: str
    to: Mode
    state: State
    measured: str
    threshold: str
    note: str
    window_h: int = 0
    covered_h: Decimal = Decimal(0)
    begins: int | None = None
    ends: int | None = None
    counts: dict[str, int] = {}
    violations: tuple[Violation, ...] = ()
    """The first of them; `counts` has the number of all."""


def gates(store: Store) -> list[Gate]:
    """Every gate, computed from one journal as it is now. Raises `apsw.Error` for a file that is damaged."""
    found: list[Gate] = []
    # One read transaction: a daemon may go on while we look.
    with store.db:
        found += _computed(store)
    return found


def _computed(store: Store) -> list[Gate]:
    shadow, limited = newest_run(store, Mode.SHADOW_ONLY), newest_run(store, Mode.LIMITED_LIVE)
    amended = Amended(store)
    chases = rows_of(store, shadow, SHADOW_HOURS, chases=True) if shadow is not None else ()
    return [
        Gate(
            gate="tests", to=Mode.SHADOW_ONLY, state=State.NOT_COMPUTABLE, measured="-", threshold="all tests pass",
            note="a journal cannot tell: look at the test run of this version",
        ),
        chase_price(shadow, chases, amended.before),
        dust_rate(limited, rows_of(store, limited, LIMITED_HOURS) if limited is not None else ()),
        abort_rate(limited, rows_of(store, limited, LIMITED_HOURS) if limited is not None else ()),
    ]  # fmt: skip


def passed(found: Iterable[Gate]) -> bool:
    """Whether every gate that can be computed passes."""
    return all(gate.state in (State.PASS, State.NOT_COMPUTABLE) for gate in found)


# ---------------------------------------------------------------------- the gates, over rows


def chase_price(run: Run | None, rows: Iterable[Row], wished: Wished) -> Gate:
    """No chase of the shadow run goes further than the policy of its order allows."""
    chases = wrong = 0
    shown: list[Violation] = []
    for row in rows:
        chases += 1
        why = _wrong_chase(row, wished)
        if why is not None:
            wrong += 1
            shown += [Violation(row.report_id, why)] if wrong <= SHOWN else []
    state, note = _judged(run, SHADOW_HOURS, Mode.SHADOW_ONLY, "every chase decided on is recomputed")
    if wrong:
        state = State.FAIL
    elif state is State.PASS and not chases:
        state, note = State.NOT_ENOUGH_DATA, "nothing was chased in the window, so nothing was shown"
    return Gate(
        gate="chase_price", to=Mode.LIMITED_LIVE, state=state, measured=f"{wrong} of {chases} chases beyond their limit",
        threshold="0", note=note, counts={"chases": chases, "violations": wrong}, violations=tuple(shown),
        **_window(run, SHADOW_HOURS),
    )  # fmt: skip


def dust_rate(run: Run | None, rows: Iterable[Row]) -> Gate:
    """Few rests are dust."""
    decisions = partials = dust = 0
    filled: dict[int, str] = {}
    swept: dict[int, str] = {}
    for row in rows:
        decisions += 1
        if filled.get(row.parent) != row.filled_qty:
            filled[row.parent] = row.filled_qty
            partials += 1
        if row.verdict == Reason.DUST_AUTO_CANCEL and swept.get(row.parent) != row.filled_qty:
            swept[row.parent] = row.filled_qty
            dust += 1
    said = "of all partial fills decided on; one order at one filled quantity is one"
    state, note = _judged(run, LIMITED_HOURS, Mode.LIMITED_LIVE, said)
    if state is State.PASS and partials < MIN_PARTIALS:
        state, note = State.NOT_ENOUGH_DATA, f"{partials} partial fills say nothing of {DUST_PERCENT} %; {MIN_PARTIALS} would"
    elif state is State.PASS and dust * 100 >= DUST_PERCENT * partials:
        state = State.FAIL
    return Gate(
        gate="dust_rate", to=Mode.GENERAL_LIVE, state=state, measured=f"{dust} of {partials}{_percent(dust, partials)}",
        threshold=f"under {DUST_PERCENT} %", note=note,
        counts={"decisions": decisions, "partial_fills": partials, "dust": dust}, **_window(run, LIMITED_HOURS),
    )  # fmt: skip


def abort_rate(run: Run | None, rows: Iterable[Row]) -> Gate:
    """Few chases are given up, at any time."""
    decisions = aborts = worst = 0
    late: deque[int] = deque()
    for row in rows:
        decisions += 1
        if row.verdict == Reason.CHASE_ABORTED:
            aborts += 1
            late.append(row.evaluated)
            while late[0] <= row.evaluated - FIVE_MINUTES_NS:
                late.popleft()
            worst = max(worst, len(late))
    state, note = _judged(run, LIMITED_HOURS, Mode.LIMITED_LIVE, "mean of the window, and its worst five minutes")
    minutes = 0 if run is None else (run.last_at - run.begins(LIMITED_HOURS)) // MINUTE_NS
    # A shorter time than the five minutes is told as those.
    mean, at_worst = Decimal(aborts) / max(5, minutes), Decimal(worst) / 5
    if state is State.PASS and (mean >= ABORTS_PER_MINUTE or at_worst > ABORTS_AT_WORST):
        state = State.FAIL
    return Gate(
        gate="abort_rate", to=Mode.GENERAL_LIVE, state=state,
        measured=f"{text(round(mean, 4))} per minute, {text(at_worst)} at worst",
        threshold=f"under {ABORTS_PER_MINUTE} per minute, {ABORTS_AT_WORST} at worst", note=note,
        counts={"decisions": decisions, "aborts": aborts, "worst_five_minutes": worst}, **_window(run, LIMITED_HOURS),
    )  # fmt: skip


# ---------------------------------------------------------------------- one chase


def _wrong_chase(row: Row, wished: Wished) -> str | None:
    """Why a chase is a violation; None when it is none."""
    try:
        return _recomputed(row, wished)
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        return f"cannot be proven: {type(error).__name__}: {error}"


def _recomputed(row: Row, wished: Wished) -> str | None:
    if row.input is None or row.state is None:
        return "cannot be proven: its input or its order is not in the journal"
    report, parent = json.loads(row.body), thaw_parent(row.state)
    decision = input_from_journal(row.input)
    names = (parent.venue, parent.account, parent.ref, report["event"], report["instrument"])
    if not isinstance(decision, Decide) or names != (
        decision.venue, decision.account, decision.ref, decision.event, decision.instrument.symbol,
    ):  # fmt: skip
        return f"cannot be proven: input {row.seq} is not that decision"
    if parent.handling is None or (report["ref"], report["side"]) != (parent.ref, parent.terms.side):
        return "cannot be proven: its order has no policy, or is another one"
    side, original, px = Side(report["side"]), dec(report["original"], "original"), dec(report["px"], "px")
    if original != parent.terms.price and original not in tuple(wished(parent, row.seq)):
        return f"it counts from {text(original)}, which the user never asked for"
    ticks, tick = parent.handling.policy.chase_max_ticks, decision.instrument.tick_at(original)
    if tick is None:
        return f"cannot be proven: {decision.instrument.symbol} has no tick"
    worse = sub(px, original) if side is Side.BUY else sub(original, px)
    if worse > mul(tick, Decimal(ticks)):
        return f"{text(px)} is more than {ticks} ticks of {text(tick)} worse than {text(original)}"
    return None


# ---------------------------------------------------------------------- windows


def _judged(run: Run | None, hours: int, mode: Mode, note: str) -> tuple[State, str]:
    """(state, note) as far as the run itself goes."""
    if run is None:
        return State.NOT_ENOUGH_DATA, f"no decision was made in mode {mode}"
    if run.last_at - run.first_at < hours * HOUR_NS:
        covered = _hours(run.last_at - run.first_at)
        return State.NOT_ENOUGH_DATA, f"the newest run in mode {mode} covers {text(covered)} h of {hours} h"
    return State.PASS, note


def _window(run: Run | None, hours: int) -> dict[str, Any]:
    if run is None:
        return {"window_h": hours}
    begins = run.begins(hours)
    return {"window_h": hours, "covered_h": _hours(run.last_at - begins), "begins": begins, "ends": run.last_at}


def _hours(ns: int) -> Decimal:
    return round(Decimal(ns) / HOUR_NS, 2)


def _percent(part: int, whole: int) -> str:
    return f", {text(round(Decimal(part) * 100 / whole, 2))} %" if whole else ""


__all__ = ["Gate", "State", "Violation", "abort_rate", "chase_price", "dust_rate", "gates", "passed"]
