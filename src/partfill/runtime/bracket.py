"""What users say of protection in plain words and numbers, as the command that the engine takes.

Rules
- A price that is not on the tick of its instrument is refused at once: its venue would refuse it when it counts.
- So is a stop beyond a target: one of the two would close the position at once. Most likely long was said and short was meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from partfill.model.commands import Protect
from partfill.model.instrument import Instrument
from partfill.model.limits import shown
from partfill.model.numbers import NotANumber, dec
from partfill.model.orders import Number
from partfill.model.protection import Budget, Leg, OverClose, Passed, Retry
from partfill.model.terms import Terms
from partfill.model.words import Side
from partfill.runtime import questioned

SIDES = {"long": Side.BUY, "short": Side.SELL}
WORDS = {side: word for word, side in SIDES.items()}
Targets = Iterable[Number | tuple[Number, Number]]
"""Prices, or (price, share of the position)."""


class Bracket(NamedTuple):
    """How a position is to be protected.

    `stop` triggers a market order, or a limit order at `stop_limit`. A target is a price, or a price and the share of the
    position that it covers. `legs`: more of either, as they are. `over_close`: "alarm", or "flatten" to trade back what
    protective orders closed too much. `budget`: "shared", or "each" to let stops and targets both rest at a venue that holds
    neither to the position. `retry`: how what the venue refuses of it, or takes off, is tried anew. `passed`: what becomes of a
    stop that the venue refuses since the market has passed its price: "watched" here, or "at_market" at once.
    """

    stop: Number | None = None
    stop_limit: Number | None = None
    targets: Targets = ()
    legs: Iterable[Leg] = ()
    over_close: str = "alarm"
    budget: str = "shared"
    retry: Retry = Retry()
    passed: str = "watched"

    def legs_wanted(self) -> tuple[Leg, ...]:
        """All legs. Raises `NotANumber`."""
        found = []
        limit = None if self.stop_limit is None else dec(self.stop_limit, "stop_limit")
        if self.stop is not None:
            found.append(Leg(name="stop", stop_px=dec(self.stop, "stop"), price=limit))
        elif limit is not None:
            raise NotANumber(f"stop_limit is {limit} and there is no stop; give the price that triggers it")
        if isinstance(self.targets, str | bytes) or not isinstance(self.targets, Iterable):
            raise NotANumber(f"targets is {shown(self.targets)}; give a list of prices, or of (price, share)")
        if not isinstance(self.legs, Iterable):
            raise NotANumber(f"legs is {shown(self.legs)}; give a list of Leg")
        given = [each if isinstance(each, tuple) else (each, 1) for each in self.targets]
        for number, (price, share) in enumerate(given, 1):
            name = "target" if len(given) == 1 else f"target{number}"
            found.append(Leg(name=name, price=dec(price, name), share=dec(share, f"share of {name}")))
        more = list(self.legs)
        for each in more:
            if not isinstance(each, Leg):
                raise NotANumber(f"legs holds {shown(each)} of type {type(each).__name__}; give Leg(...)")
        return (*found, *more)

    def command(self, venue: str, account: str, entry: Terms, listed: Mapping[str, Instrument]) -> Protect:
        """The command for the position that an order with the terms `entry` enters. Raises `NotANumber`.

        The stop of what is entered at a limit is on the other side of that limit: it would close every fill at once.
        """
        for leg in self.legs_wanted():
            if leg.stop_px is not None and entry.price is not None and entry.stop_px is None:
                long = entry.side is Side.BUY
                if leg.stop_px >= entry.price if long else leg.stop_px <= entry.price:
                    where = "below" if long else "above"
                    raise NotANumber(
                        f"{leg.name} {leg.stop_px} is not {where} the entry's price, {entry.price}; give one that is"
                    )
        return self.protecting(venue, account, entry.instrument, entry.side, listed)

    def protecting(self, venue: str, account: str, instrument: str, side: Side, listed: Mapping[str, Instrument]) -> Protect:
        """The command for a position of `side`. Raises `NotANumber`."""
        legs = self.legs_wanted()
        least: dict[str, Any] = {}
        known = listed.get(instrument)
        if known is not None:
            least = {"lot": known.lot, "min_qty": known.min_qty, "min_notional": known.min_notional}
            for leg in legs:
                for name, px in (("stop_px", leg.stop_px), ("price", leg.price)):
                    if px is not None and not known.valid_price(px):
                        near = known.price_no_worse(px, Side.SELL if side is Side.BUY else Side.BUY)
                        raise NotANumber(f"{name} {px} of {leg.name} is not on the tick of {instrument}; {near} is")
        fault = questioned.no_price(legs, known)
        if fault is not None:
            raise NotANumber(fault)
        _check_sides(legs, side)
        return Protect(
            venue=venue, account=account, instrument=instrument, side=side, legs=legs,
            over_close=_word(OverClose, "over_close", self.over_close), budget=_word(Budget, "budget", self.budget),
            retry=self.retry, passed=_word(Passed, "passed", self.passed), **least,
        )  # fmt: skip


def _check_sides(legs: tuple[Leg, ...], side: Side) -> None:
    stops = [leg.stop_px for leg in legs if leg.stop_px is not None]
    targets = [leg.price for leg in legs if leg.stop_px is None and leg.price is not None]
    if not stops or not targets:
        return
    stop, target = (max(stops), min(targets)) if side is Side.BUY else (min(stops), max(targets))
    if stop == target or (stop < target) is not (side is Side.BUY):
        what, where = ("long", "below") if side is Side.BUY else ("short", "above")
        raise NotANumber(f"stop {stop} is not {where} target {target}; the stop of a {what} position is {where} its targets")


W = TypeVar("W", Budget, OverClose, Passed)


def _word(kind: type[W], name: str, said: object) -> W:
    try:
        return kind(said if isinstance(said, str) else "")
    except ValueError:
        raise NotANumber(f"{name} is {shown(said)}; it is {' or '.join(each.value for each in kind)}") from None


def side_of(said: str) -> Side:
    """The side that "long" or "short" means. Raises `NotANumber`."""
    if not isinstance(said, str) or said not in SIDES:
        raise NotANumber(f"side is {shown(said)}; it is long or short")
    return SIDES[said]
