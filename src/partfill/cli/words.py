"""Inputs, events and operations in words: one short line each, for people.

Rules
- Quantities in units, prices in quote currency per unit, as plain digits; what is not known is left out.
- What has no words of its own here is told as its fields, so that a new kind is never silent.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from partfill.model import commands, events, inputs, observations, operations
from partfill.model.numbers import text
from partfill.model.protection import Leg
from partfill.model.reports import ExecutionReport
from partfill.model.terms import Terms
from partfill.runtime.tracing import Direction, Line

MS = 1_000_000
LONGEST = 200
"""Characters of what is told as its fields."""


def sentence(line: Line) -> str:
    """What happened, without its time, number and order."""
    what = line.what
    if type(what) is operations.Replace:
        said = _replace(what, line)
    else:
        words = _WORDS.get(type(what))
        said = words(what) if words is not None else _fields(what)
    if line.known:
        said += ", known already"
    if line.direction is Direction.OPEN:
        return f"{said}: no answer for {ms(line.took_ns)} at the end of the journal (because of {line.because})"
    if line.direction is Direction.ASKED:
        return f"{said} (because of {line.because})"
    if line.because is not None and line.direction is Direction.CAME:
        waited = f", {ms(line.waited_ns)} of it before it left" if line.waited_ns is not None and line.waited_ns >= MS else ""
        return f"{said} (of {line.because}, after {ms(line.took_ns)}{waited})"
    return said


def ms(ns: int | None) -> str:
    """A span of time in milliseconds."""
    return "-" if ns is None else f"{ns / MS:.1f} ms"


# ---------------------------------------------------------------------- parts


def _num(value: Decimal | None) -> str:
    return "?" if value is None else text(value)


def _at(px: Decimal | None) -> str:
    return "" if px is None else f" at {text(px)}"


def _why(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _terms(terms: Terms) -> str:
    size = text(terms.order_qty) if terms.order_qty is not None else f"for {_num(terms.cash_order_qty)} in cash of"
    stop = "" if terms.stop_px is None else f", stop {text(terms.stop_px)}"
    market = " at the market" if terms.price is None else _at(terms.price)
    return f"{terms.side.value} {size} {terms.instrument}{market}{stop}"


def _name(what: Any) -> str:
    return str(what.order_id or what.cl_ord_id or "?")


def _order(said: observations.OrderSnapshot) -> str:
    """What a venue says of a whole order."""
    word = said.ord_status.value if said.ord_status is not None else said.status_text
    parts = [f"{_name(said)}"]
    if word:
        parts.append(word)
    if said.cum_qty is not None or said.order_qty is not None:
        parts.append(f"filled {_num(said.cum_qty)} of {_num(said.order_qty)}{_at(said.avg_px)}")
    if said.leaves_qty is not None:
        parts.append(f"{text(said.leaves_qty)} works{_at(said.price)}")
    return " ".join((parts[0], ", ".join(parts[1:]))).rstrip() + _why(said.reason)


def _fields(what: Any) -> str:
    """The fields of anything, shortened."""
    fields = msgspec.to_builtins(what)
    kind = fields.pop("type", type(what).__name__)
    said = f"{kind} " + " ".join(f"{name}={value}" for name, value in fields.items() if value not in (None, ""))
    return said if len(said) <= LONGEST else said[:LONGEST] + "..."


# ---------------------------------------------------------------------- what came in


def _execution(what: observations.Execution) -> str:
    fee = "" if what.fee is None else f", fee {text(what.fee)} {what.fee_currency}"
    leg = "" if what.leg is None else f", leg {what.leg}"
    return f"execution {what.key} of {_name(what)}: {text(what.qty)}{_at(what.px)}{fee}{leg}"


def _snapshot(what: observations.OrderSnapshot) -> str:
    kind = "poll" if what.exec_type is None else f"report {what.exec_type.value}"
    return f"{kind}: {_order(what)}"


def _answered(what: commands.Answered) -> str:
    order = "" if what.order is None else f"; {_order(what.order)}"
    return f"reply to {what.request.value} {what.cl_ord_id}: {what.outcome.value}{_why(what.reason)}{order}"


def _looked(what: commands.Looked) -> str:
    asked = f"answer about {_name(what)}"
    if what.error is not None:
        return f"{asked}: none came ({what.error})"
    found = "no such order" if what.order is None else _order(what.order)
    return f"{asked}: {found}{'' if what.definite else ', not its last word'}"


def _kill(what: commands.KillSwitch) -> str:
    return (
        f"kill switch {'on' if what.on else 'off'} for {what.venue} {what.account}".rstrip()
        + f" by {what.by}{_why(what.reason)}"
    )


def _decide(what: commands.Decide) -> str:
    if what.shed:
        seen = "there was no time to look"
    elif what.book is None:
        seen = "no book"
    else:
        bid, ask = what.book.bids[:1], what.book.asks[:1]
        seen = f"bid {text(bid[0].px) if bid else 'none'}, ask {text(ask[0].px) if ask else 'none'}"
    return f"the market for decision {what.event} ({what.mode.value}): {seen}"


def _amend(what: commands.Amend) -> str:
    qty = "" if what.order_qty is None else f" to {text(what.order_qty)}"
    return f"amend{qty}{_at(what.price)}"


def _submit(what: commands.Submit) -> str:
    bracket = "" if what.bracket is None else f"; {_protect(what.bracket)}"
    return f"submit {_terms(what.terms)}{bracket}"


def _protect(what: commands.Protect) -> str:
    return f"protect {_held(what)}: {', '.join(map(_leg, what.legs))}"


def _leg(leg: Leg) -> str:
    limit = f" with limit {text(leg.price)}" if leg.stops and leg.price is not None else ""
    return leg.name + _at(leg.stop_px if leg.stops else leg.price) + limit


def _held(what: Any) -> str:
    return f"{'long' if what.side.value == 'buy' else 'short'} {what.instrument}"


def _restarted(what: commands.Restarted) -> str:
    return "the process begins: what was in flight is unknown"


# ---------------------------------------------------------------------- what followed


def _fill(what: events.Fill) -> str:
    about = " or so" if what.approximate else ""
    totals = f"{text(what.cum_qty)} in all, {text(what.leaves_qty)} open, {what.ord_status.value}"
    return f"filled {text(what.qty)}{_at(what.px)}{about}: {totals}"


def _status(what: events.StatusChanged) -> str:
    return f"{what.before.value} to {what.ord_status.value}{', it has ended' if what.ended else ''}{_why(what.reason)}"


def _in_force(what: events.TermsChanged) -> str:
    return f"in force: {_num(what.order_qty)}{_at(what.price)}, {text(what.leaves_qty)} open{_why(what.reason)}"


def _done(what: events.ParentDone) -> str:
    return f"over: {what.outcome}, filled {text(what.cum_qty)}{_at(_short(what.avg_px))}, {text(what.unfilled_qty)} not"


def _short(value: Decimal | None) -> Decimal | None:
    return None if value is None else round(value, 8)


def _position(what: events.PositionChanged) -> str:
    return f"position in {what.instrument}: {text(what.qty)}{_at(_short(what.avg_px))}"


def _covered(what: events.ProtectionCovered) -> str:
    return f"protected: {text(what.qty)} of {_held(what)}, after {ms(what.after_ns)} and {what.requests} requests"


def _closed(what: events.PositionClosed) -> str:
    net = "" if what.net is None else f", {text(what.net)} net of fees"
    return f"closed: {_held(what)}, result {text(what.realised)}{net}"


def _fired(what: events.ProtectionFired) -> str:
    return f"{what.leg} of {_held(what)} is reached at {text(what.px)}: {text(what.qty)} to be closed"


def _seen(what: inputs.MarketSeen) -> str:
    if what.book is None:
        return f"nobody sees the market of {what.instrument}"
    bid, ask = (levels[0].px if levels else None for levels in (what.book.bids, what.book.asks))
    return f"the market of {what.instrument}: {_or_none(bid)} bid, {_or_none(ask)} asked"


def _or_none(px: Decimal | None) -> str:
    return "nothing" if px is None else text(px)


def _decided(what: ExecutionReport) -> str:
    does = "carried out" if what.carried_out else f"not carried out ({what.mode.value})"
    reasons = " + ".join(reason.value for reason in what.reasons)
    return f"decision {what.event}: {reasons}{_at(what.px)}, {does}"


# ---------------------------------------------------------------------- what was asked


def _replace(what: operations.Replace, line: Line) -> str:
    qty, price = line.was if line.was is not None else (None, None)
    before = _num(qty) + ("" if what.price == price else _at(price))
    return f"replace {what.order_id or what.orig_cl_ord_id}: {before} to {_num(line.to)}{_at(what.price)}, as {what.cl_ord_id}"


def _place(what: operations.Place) -> str:
    return f"place {_terms(what.terms)}, as {what.cl_ord_id}"


_WORDS: dict[type, Callable[[Any], str]] = {
    observations.Execution: _execution,
    observations.OrderSnapshot: _snapshot,
    observations.ExecutionRevised: lambda what: (
        f"execution {what.key} of {_name(what)} is {text(what.qty)}{_at(what.px)} now" + _why(what.reason)
    ),
    observations.ExecutionVoided: lambda what: f"execution {what.key} of {_name(what)} is taken back{_why(what.reason)}",
    observations.OrderLinked: lambda what: f"{_name(what)} goes on as {what.new_order_id} ({what.kind.value})",
    observations.Gap: lambda what: f"the stream of {what.venue} {what.account}".rstrip() + f" broke{_why(what.reason)}",
    commands.Submit: _submit,
    commands.Track: lambda what: f"track {_name(what)}: {_terms(what.terms)}",
    commands.Untrack: lambda what: "release it",
    commands.Stop: lambda what: f"cancel it{_why(what.reason)}",
    commands.Amend: _amend,
    commands.Answered: _answered,
    commands.Looked: _looked,
    commands.KillSwitch: _kill,
    commands.Decide: _decide,
    commands.Reported: lambda what: f"another system reports a partial fill (event_ts {what.event_ts})",
    commands.Restarted: _restarted,
    commands.Tick: lambda what: "time: something is due",
    commands.Protect: _protect,
    commands.Unprotect: lambda what: f"protect {_held(what)} no more",
    inputs.OrderPlaced: lambda what: f"placed elsewhere: {_terms(what.terms)}, as {_name(what)}",
    inputs.PositionSeen: lambda what: f"the venue says it holds {text(what.qty)} {what.instrument}",
    events.Fill: _fill,
    events.Confirmation: lambda what: f"confirmed {text(what.qty)}{_at(what.px)} as {what.key}",
    events.Reversal: lambda what: f"taken back {text(what.qty)} of {what.key}: {text(what.cum_qty)} in all{_why(what.reason)}",
    events.Repriced: lambda what: f"{what.key} has the price {_num(what.px)} now",
    events.StatusChanged: _status,
    events.TermsChanged: _in_force,
    events.Adopted: lambda what: f"found its order: {text(what.cum_qty)} had filled before it was known",
    events.Alarm: lambda what: f"ALARM {what.kind.value}: {what.text}",
    events.ResubmitTriggered: lambda what: f"{text(what.qty)} goes on as {what.new_cl_ord_id}, attempt {what.attempt}",
    events.ParentDone: _done,
    events.CommandRefused: lambda what: f"refused: {what.reason}",
    events.OutcomeUnknown: lambda what: f"{what.request} {what.request_id} is unknown, the venue is asked{_why(what.reason)}",
    events.PositionChanged: _position,
    events.PositionClosed: _closed,
    events.ProtectionFired: _fired,
    inputs.MarketSeen: _seen,
    events.ProtectionChanged: lambda what: f"to be protected: {text(what.qty)} of {_held(what)}",
    events.ProtectionCovered: _covered,
    ExecutionReport: _decided,
    operations.Place: _place,
    operations.Cancel: lambda what: f"cancel {what.order_id or what.orig_cl_ord_id}, as {what.cl_ord_id}",
    operations.Query: lambda what: f"ask about {_name(what)}",
}
"""Kind -> its words; a replace needs to know what was in force."""
