"""Many worlds in a row, and the shortest story of one that broke."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from partfill.sim.ingredients import EVERY, MIX
from partfill.sim.truth import Violation
from partfill.sim.world import SECOND, TROUBLE, World

STORY = 60
"""Last lines of a story that are shown."""


class Broken(NamedTuple):
    """A world in which something did not hold."""

    seed: int
    why: str
    story: list[str]


class Outcome(NamedTuple):
    """What a number of runs came to. `events` are inputs of the process and happenings at venues, `met` how often they met
    each of `ingredients.EVERY`."""

    runs: int
    events: int
    seconds: float
    violations: list[Broken]
    met: dict[str, int]


def simulate(runs: int, seed: int, *, events: int | None = None, shrink: bool = False, world: type[World] = World,
             progress: Callable[[int, int], None] | None = None, stop_at: int = 10, mix: int = MIX) -> Outcome:  # fmt: skip
    """Live through worlds `seed`, `seed` + 1, ... until `runs` or `events` is reached, or `stop_at` of them broke.

    `mix`: how many ingredients a world has at most.
    """
    began = perf_counter()
    total = done = 0
    broken: list[Broken] = []
    met = Counter(dict.fromkeys(EVERY, 0))
    knobs: dict[str, Any] = {} if mix == MIX else {"mix": mix}
    for number in range(seed, seed + runs):
        count, why = live(world, number, met, **knobs)
        total += count
        done += 1
        if why is not None:
            broken.append(tell(world, number, why, shrink, **knobs))
        if progress is not None:
            progress(done, total)
        if len(broken) >= stop_at or (events is not None and total >= events):
            break
    return Outcome(done, total, perf_counter() - began, broken, dict(met))


def live(world: type[World], seed: int, met: Counter[str] | None = None, **knobs: Any) -> tuple[int, str | None]:
    """(events, what did not hold or None) of one world, and into `met` what it met. An exception of the engine's shell counts
    too."""
    one = world(seed, **knobs)
    why = None
    try:
        one.run()
    except Violation as violation:
        why = str(violation)
    except Exception:
        why = traceback.format_exc(limit=-3)
    if met is not None:
        met.update(one.ingredients.met)
    return one.events, why


def tell(world: type[World], seed: int, why: str, shrink: bool, **also: Any) -> Broken:
    """The story of a world that broke; of a smaller one with the same seed that breaks too, if `shrink` finds one."""
    knobs: dict[str, Any] = {**also}
    if shrink:
        has = world(seed, **also).ingredients.has
        smaller: list[dict[str, Any]] = [
            {"only": frozenset()}, *({"only": has - {each}} for each in sorted(has)),
            {"deaths": False}, {"users": 3}, {"users": 2}, {"users": 1},
        ]  # fmt: skip
        for each in smaller:
            if live(world, seed, **{**knobs, **each})[1] is not None:
                knobs.update(each)
        for seconds in range(1, TROUBLE // SECOND):
            if live(world, seed, **{**knobs, "trouble": seconds * SECOND})[1] is not None:
                knobs["trouble"] = seconds * SECOND
                break
    one = world(seed, story=True, **knobs)
    try:
        one.run()
    except Exception as error:
        why = str(error) or why
    return Broken(seed, why, [f"seed {seed} {knobs or ''}".rstrip(), *(one.story or [])[-STORY:]])
