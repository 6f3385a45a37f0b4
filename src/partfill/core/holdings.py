"""All positions of one engine: every step, what changed on an order goes into the position that it is part of.

Rules
- What an order contributes is compared with what was counted of it, so nothing is counted twice, whatever a step was about.
- An order in quarantine contributes what it did before: its numbers are not believed.
- An order that leaves memory has been counted, and is when it comes back.
- What the venue lists rules; where it names no base asset, the first order whose terms name one does, once it has fees.
- What a venue says that an account holds is compared and never taken: a difference that stays for `GRACE_NS` is told once, and
  once more when it is gone.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.position import NOTHING, Position, Share
from partfill.core.rows import unpack
from partfill.model.events import AlarmKind, ParentDone, PositionChanged, PositionClosed
from partfill.model.inputs import InstrumentListed, PositionSeen
from partfill.model.numbers import ZERO, add, mul, neg, sub, text
from partfill.model.words import Flag, Side

if TYPE_CHECKING:
    from partfill.core.engine import Engine

_QUARANTINED = int(Flag.QUARANTINED)


GRACE_NS = 10_000_000_000
"""How long fills may be on their way before a difference is one."""


class Holdings:
    """Positions by (venue, account, instrument), and what the orders in memory have contributed."""

    __slots__ = ("counted", "listed", "next_number", "positions")

    def __init__(self, listed: dict[tuple[str, str], InstrumentListed]) -> None:
        self.listed = listed
        """What is known of instruments, per (venue, instrument): the engine's own."""
        self.positions: dict[tuple[str, str, str], Position] = {}
        self.counted: dict[int, tuple[Position, Share]] = {}
        """Of every order in memory that has filled, or cost a fee."""
        self.next_number = 1

    def merged(self, effects: Effects, now: int) -> None:
        """Orders turned out to be others: what they contributed, those do."""
        for gone, _, _ in effects.merged:
            known = self.counted.pop(gone, None)
            if known is not None:
                self._move(known[0], gone, known[1], NOTHING, now, effects)

    def follow(self, child: Child, effects: Effects, now: int) -> None:
        """Draw the consequences of one step for an order that it touched."""
        known = self.counted.get(child.id)
        if known is None and not _has_counted(child):
            return
        if child.flags & _QUARANTINED:
            # What it did before stays.
            self.counted.pop(child.id, None)
            return
        if child.side is None or child.instrument is None:
            return
        after = share_of(child)
        if known is None and after == NOTHING:
            return
        if known is not None and known[0].instrument != child.instrument:
            # Its own terms name another instrument than the venue's first word did.
            self._move(known[0], child.id, known[1], NOTHING, now, effects)
            known = None
        position, before = known or (self._of(child), NOTHING)
        if after.fees and child.base is not None and position.base is None:
            position.rebase(child.base, now)
            effects.position(position)
        # The same with other digits too: those are what is there after a restart.
        self.counted[child.id] = (position, after)
        if after != before:
            if after == NOTHING:
                del self.counted[child.id]
            self._move(position, child.id, before, after, now, effects)

    def seen(self, engine: Engine, p: PositionSeen, now: int, effects: Effects) -> None:
        """The venue's own word on a position."""
        key = (p.venue, p.account, p.instrument)
        position = self.positions.get(key)
        if position is None:
            if not p.qty:
                return
            position = self._open(key)
        if position.changed >= p.as_of:
            # It has moved since the question.
            return
        if position.held == p.qty:
            if position.told:
                said = f"{p.venue} {p.account}".rstrip() + f" and fills agree again: {text(p.qty)} of {p.instrument}"
                engine.alarm(effects, None, AlarmKind.POSITION_AGREES, said)
            if position.differs:
                position.differs, position.told, position.theirs = 0, False, None
                effects.position(position)
            return
        if position.theirs != p.qty:
            position.theirs = p.qty
            effects.position(position)
        if not position.differs:
            position.differs = now
            effects.position(position)
        elif not position.told and now - position.differs >= GRACE_NS:
            position.told = True
            effects.position(position)
            said = f"{p.venue} {p.account}".rstrip() + f" holds {text(p.qty)} of {p.instrument}"
            more = text(sub(p.qty, position.held))
            engine.alarm(
                effects, None, AlarmKind.POSITION,
                f"{said}, fills here add up to {text(position.held)}: a difference of {more}; nothing was changed",
            )  # fmt: skip

    def learn(self, listed: InstrumentListed, now: int, effects: Effects) -> None:
        """What a venue says of an instrument, to every account's position in it."""
        for (venue, _, instrument), position in self.positions.items():
            if (venue, instrument) == (listed.venue, listed.instrument):
                held = position.held
                position.learn(listed, now)
                effects.position(position)
                if position.held != held:
                    self._tell(position, 0, effects)

    def restored(self, child: Child) -> None:
        """An order has come back into memory: what it contributes has been counted."""
        if child.side is None or child.instrument is None or child.flags & _QUARANTINED or not _has_counted(child):
            return
        share = share_of(child)
        if share != NOTHING:
            self.counted[child.id] = (self._of(child), share)

    def forgotten(self, number: int) -> None:
        """An order leaves memory."""
        self.counted.pop(number, None)

    def remember(self, position: Position) -> None:
        """A position comes out of the journal. What is known of its instrument has to be there before."""
        listed = self.listed.get((position.venue, position.instrument))
        if listed is not None:
            position.quote, position.multiplier = listed.quote, listed.multiplier
        self.positions[position.venue, position.account, position.instrument] = position
        self.next_number = max(self.next_number, position.number + 1)

    def _of(self, child: Child) -> Position:
        assert child.instrument is not None
        key = (child.venue, child.account, child.instrument)
        return self.positions.get(key) or self._open(key)

    def _open(self, key: tuple[str, str, str]) -> Position:
        position = self.positions[key] = Position(self.next_number, *key)
        listed = self.listed.get((position.venue, position.instrument))
        if listed is not None:
            position.learn(listed, 0)
        self.next_number += 1
        return position

    def _move(self, position: Position, child: int, before: Share, after: Share, now: int, effects: Effects) -> None:
        was = (position.held, position.cost, position.paid)
        rounds = position.rounds
        net = None if was[0] else position.net
        ours = effects.child is not None and effects.child.id == child
        position.move(child, before, after, now, _became(effects) if ours and abs(after.qty) <= abs(before.qty) else None)
        effects.position(position)
        if was != (position.held, position.cost, position.paid):
            self._tell(position, child, effects)
        held = position.held
        if was[0] and (not held or (held > ZERO) is not (was[0] > ZERO)):
            self._closed(position, child, was[0], effects)
        if position.rounds != rounds and abs(after.qty) > abs(before.qty):
            # By a fill. What a void opened again goes on as the round that it was.
            position.gross_from = position.gross
            position.net_from = position.net if was[0] else net

    @staticmethod
    def _closed(position: Position, child: int, was: Decimal, effects: Effects) -> None:
        """Nothing is left of what was held, or the other side is: it has a result."""
        net = position.net
        closed = PositionClosed(
            child, None, None, position.venue, position.account, position.instrument, Side.BUY if was > ZERO else Side.SELL,
            position.rounds, sub(position.gross, position.gross_from),
            None if net is None or position.net_from is None else sub(net, position.net_from),
        )  # fmt: skip
        place = next((place for place, each in enumerate(effects.events) if type(each) is ParentDone), len(effects.events))
        effects.events.insert(place, closed)

    @staticmethod
    def _tell(position: Position, child: int, effects: Effects) -> None:
        # The end of an order is the last that is told of it.
        place = next((place for place, each in enumerate(effects.events) if type(each) is ParentDone), len(effects.events))
        held = position.held
        qty = held if position.base is None else position.qty
        changed = PositionChanged(
            child, None, None, position.venue, position.account, position.instrument, qty, position.cost,
            position.paid, bool(position.unpriced), None if qty is held else held,
        )  # fmt: skip
        effects.events.insert(place, changed)


def _became(effects: Effects) -> tuple[Decimal, Decimal] | None:
    """What is left of the one execution that a step corrected or took back, signed; None where it was not one."""
    if len(effects.rows) != 1 or effects.child is None:
        return None
    ledger, key, _, came = effects.rows[0]
    packed = ledger.rows.get(key)
    if packed is None or came is not None:
        return None
    row = unpack(packed)
    if row.void or row.qty is None:
        return (ZERO, ZERO)
    if row.px is None or row.leg:
        # A leg of a combination is none of what the order filled.
        return None
    left = (ledger.live_qty(row), mul(row.qty, row.px))
    return left if effects.child.side is Side.BUY else (neg(left[0]), neg(left[1]))


def _has_counted(child: Child) -> bool:
    """Whether something of it has filled, perhaps to be taken back, or it cost a fee."""
    return bool(child.cum) or any(ledger.rows or ledger.claims or ledger.fees for ledger in child.ledgers)


def share_of(child: Child) -> Share:
    """What an order contributes now. Its value is that of the venue's average where executions have no price of their own."""
    if len(child.ledgers) == 1:
        # Nearly always: one venue order, all of it itemised and priced.
        ledger = child.ledger
        if ledger.cum is ledger.itemised and not ledger.unpriced and not ledger.fees:
            if child.side is Side.BUY:
                return Share(child.cum, ledger.notional)
            return Share(neg(child.cum), neg(ledger.notional))
    value, unpriced = ZERO, False
    fees: tuple[tuple[str, Decimal], ...] = ()
    for ledger in child.ledgers:
        priced = ledger.priced()
        unpriced = unpriced or priced is None
        value = add(value, ledger.notional if priced is None else priced[0])
    if any(ledger.fees for ledger in child.ledgers):
        fees = tuple(sorted(child.fees()[0].items()))
    if child.side is Side.BUY:
        return Share(child.cum, value, fees, unpriced)
    return Share(neg(child.cum), neg(value), fees, unpriced)
