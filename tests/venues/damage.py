"""Damage to JSON messages: every field at every depth, gone or wrong. What a decoder lets through, the engine survives."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from partfill.core.engine import Engine
from partfill.venues.decoding import Damaged, Message

WRONG: list[Any] = [None, True, -1, "", "x", "nan", 1.5, 10**30, [], [1], {}, {"a": 1}, "9" * 70, "1e9999"]
GONE = object()


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to everything inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for name, each in inside for path in [(*at, name), *paths(each, (*at, name))]]


def damaged_copies(shape: Any) -> Iterator[tuple[str, Any]]:
    """Every copy of `shape` with one thing in it taken out or set to something wrong, and what was done to it."""
    for path in paths(shape):
        for value in [*WRONG, GONE]:
            broken = copy.deepcopy(shape)
            inner = broken
            for step in path[:-1]:
                inner = inner[step]
            if value is GONE:
                del inner[path[-1]]
            else:
                inner[path[-1]] = value
            yield f"{path} {'gone' if value is GONE else f'= {value!r}'}", broken


def assert_named_or_harmless(shape: Any, decode: Callable[[Any], Iterable[Message]]) -> None:
    """Whatever is damaged: `Damaged` and nothing else escapes, and what comes through leaves no order in quarantine."""
    for what, broken in damaged_copies(shape):
        try:
            messages = tuple(decode(broken))
        except Damaged:
            continue
        except Exception as error:
            pytest.fail(f"{what}: {error!r} escaped")
        engine = Engine()
        for message in messages:
            for said in message.inputs:
                engine.step(said, message.at)
        assert not engine.counters.quarantined, what
