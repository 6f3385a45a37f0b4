"""The one door: what is stepped is what can be read back.

    inp, body = admit(inp, now)

Everything that an engine takes from outside goes through here first, whoever gives it: code, an adapter, a socket, a file, a
bridge. What comes out is exactly of our types to the bottom, and `body` is what the journal keeps of it, so that a replay steps
the same. What is not and cannot be made so with certainty (`model.shapes`) is refused by field, value and what would be right,
before anything changed.

Limits stand here and not in the constructors, which also run when a journal is read: what an older version let in replays for
ever. Reading a journal, no door is passed.
"""

from __future__ import annotations

from typing import Any, TypeVar, get_args

import msgspec

from partfill.model.inputs import Input
from partfill.model.limits import MAX_ID, MAX_INT, MAX_TIME, shown
from partfill.model.numbers import NotAnInput
from partfill.model.shapes import Fits, fits, mend, word

KINDS: frozenset[type] = frozenset(get_args(Input))
"""Every kind of input."""


class _Checks(dict[type, Fits | None]):
    """The check of the fast way of each kind, made when it is first asked for; None for what is no kind of input."""

    def __missing__(self, kind: type) -> Fits | None:
        if kind not in KINDS:
            return None
        self[kind] = made = fits(kind)
        return made


_checks = _Checks()
_TAGS: dict[object, type] = {kind.__struct_config__.tag: kind for kind in get_args(Input)}

_encode = msgspec.json.Encoder().encode
_T = TypeVar("_T", bound=msgspec.Struct)


def admit(inp: Any, now: int = 0) -> tuple[Input, bytes]:
    """The input as it is stepped, and its JSON as it is kept. `now`: when it came (ns UTC), which tells units of time apart.

    Raises `NotAnInput` for what no journal could give back as it was.
    """
    check = _checks[type(inp)]
    if type(now) is not int or not -MAX_TIME <= now <= MAX_TIME:
        raise NotAnInput(f"now is {shown(now)}; give a time in whole nanoseconds UTC")
    if check is not None and check(inp, now):
        try:
            return inp, _encode(inp)
        except UnicodeEncodeError:
            # The slow way says where.
            pass
    return _slowly(inp, now)


def admit_unkept(inp: Any, now: int = 0) -> Input:
    """The same for what nobody keeps, out of text that can be written (all of it ASCII, say): no JSON is made of it."""
    check = _checks[type(inp)]
    if check is not None and type(now) is int and -MAX_TIME <= now <= MAX_TIME and check(inp, now):
        known: Input = inp
        return known
    return admit(inp, now)[0]


def _slowly(inp: object, now: int) -> tuple[Input, bytes]:
    kind: type | None = type(inp)
    if isinstance(inp, dict):
        kind = _TAGS.get(inp.get("type")) if isinstance(inp.get("type"), str) else None
        if kind is None:
            raise NotAnInput(f"type is {shown(inp.get('type'))}; it is one of {', '.join(map(str, _TAGS))}")
    if kind not in KINDS:
        raise NotAnInput(f"input is {shown(inp)} of type {type(inp).__name__}; give one of ours: {', '.join(map(str, _TAGS))}")
    mended = mend(inp, kind, now)
    check = _checks[kind]
    if check is None or not check(mended, now):
        raise NotAnInput(f"{kind.__name__} holds what no journal can keep: {shown(inp)}")
    try:
        return mended, _encode(mended)
    except (UnicodeEncodeError, OverflowError, TypeError, ValueError) as error:
        raise NotAnInput(f"{kind.__name__} holds what no journal can keep: {error}") from None


def admitted(value: Any, kind: type[_T], name: str, now: int = 0) -> _T:
    """A part of an input (terms, a policy) as exactly a `kind`, called `name` in errors. Raises `NotAnInput`."""
    if type(value) is kind and fits(kind)(value, now):
        return value
    found: _T = mend(value, kind, now, name)
    return found


def text_of(value: object, name: str, *, number: bool = True) -> str:
    """An id as text: text, or (if `number`) a whole number. Raises `NotAnInput`."""
    if isinstance(value, str) and type(value) is not str:
        value = str.__str__(value)
    if number and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_INT:
        value = str(int(value))
    if type(value) is not str:
        right = "text, or a whole number that is the id" if number else "text"
        raise NotAnInput(f"{name} is {shown(value)} of type {type(value).__name__}; give {right}")
    if len(value) > MAX_ID:
        raise NotAnInput(f"{name} is {shown(value)}, {len(value)} characters; at most {MAX_ID}")
    return value


def given(value: Any, kind: type[_T], name: str) -> _T | None:
    """The same for a part that may be left out."""
    return None if value is None else admitted(value, kind, name)


def text_or_none(value: object, name: str, *, number: bool = True) -> str | None:
    """The same as `text_of` for an id that may be left out."""
    return None if value is None else text_of(value, name, number=number)


def flag(value: object, name: str) -> bool:
    """A yes or no. Raises `NotAnInput` for a word or a number: "off" is not False."""
    if type(value) is not bool:
        raise NotAnInput(f"{name} is {shown(value)} of type {type(value).__name__}; give True or False")
    return value


__all__ = ["KINDS", "NotAnInput", "admit", "admit_unkept", "admitted", "flag", "given", "text_of", "text_or_none", "word"]
