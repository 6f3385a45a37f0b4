"""What a value of ours is made of, checked to the bottom: exact types, bounded sizes, real enums.

Theory. Types are read once from the annotations (`msgspec.inspect`) and compiled to one function per struct: the fast way,
which says yes or no and makes nothing. Only what it refuses goes the slow way, `mend`: there each field is looked at by name,
what is certain is converted, and the first thing that is not raises with its name, its value and what would be right.

What is certain, and nothing else:

| given | wanted | becomes |
| --- | --- | --- |
| an int that is no bool, a subclass of str | text of an id | its digits, its text |
| a subclass of str | other text | its text |
| a longer text than may be | free text (`TEXTS`) | its beginning |
| a word of ours in any case, its name or its value | an enum | its member |
| text or an int that `numbers.dec` takes, a subclass of Decimal | an exact number | a Decimal |
| a list, a named tuple | a tuple | the tuple |
| a dict with our field names | a struct | that struct, field by field |

Never by writing a value down and looking what comes back: bytes, dates and floats would come back as something else.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from functools import cache, wraps
from typing import Any

import msgspec
from msgspec import inspect

from partfill.model.limits import (
    EARLIEST_NS,
    MAX_ID,
    MAX_ID_BITS,
    MAX_INT,
    MAX_LIST,
    MAX_TEXT,
    MAX_TIME,
    UNITS_FROM,
    shown,
    unit_of,
)
from partfill.model.numbers import MAX_DIGITS, MAX_EXPONENT, NotAnInput, NotANumber, checked, dec

IDS = frozenset(
    [
        *("order_id", "cl_ord_id", "orig_cl_ord_id", "new_order_id", "new_cl_ord_id", "key", "new_key", "exec_key", "ref"),
        *("leg", "account", "instrument", "symbol"),
    ]
)
"""Fields that hold an id: whole numbers are ids too."""
TEXTS = frozenset(["reason", "status_text", "restatement", "error", "raw", "why"])
"""Fields of free text, which no quantity hangs on."""
TIMES = frozenset(["as_of", "venue_time", "since"])
"""Fields that hold a time in nanoseconds UTC."""

Fits = Callable[[Any, int], bool]


@cache
def fits(kind: type) -> Fits:
    """The fast way for one struct: whether `value` is exactly of this type to the bottom, as seen at `now` (ns UTC)."""
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    code = _Code()
    lines = ["def fits(x, n):"]
    for field in found.fields:
        lines.append(f" v = x.{field.name}")
        lines.append(f" if {code.wrong(field.type, field.name, 'v')}: return False")
    lines.append(" return True")
    exec(compile("\n".join(lines), f"<fits {kind.__name__}>", "exec"), code.names)
    made: Fits = code.names["fits"]
    return made


def _time(value: int, now: int) -> bool:
    """Whether a time before `EARLIEST_NS` is one in nanoseconds."""
    return value >= -MAX_TIME and unit_of(value, now) is None


def _long(value: Decimal) -> bool:
    """Whether a number of many characters has too many digits."""
    try:
        checked(value, "")
    except NotANumber:
        return True
    return False


def _of_union(types: tuple[inspect.Type, ...]) -> list[inspect.Type]:
    """What a value may be, None apart. A word that older files have as true or false is a word once its struct is made."""
    inner = [each for each in types if not isinstance(each, inspect.NoneType)]
    words: list[inspect.Type] = [each for each in inner if isinstance(each, inspect.EnumType)]
    return words if words and all(isinstance(each, inspect.EnumType | inspect.BoolType) for each in inner) else inner


class _Code:
    """Makes the expressions of one checker. `names` is what they refer to."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"Decimal": Decimal, "time": _time, "long": _long}

    def wrong(self, of: inspect.Type, name: str, v: str) -> str:
        """An expression that is true when `v` is not what `of` says."""
        match of:
            case inspect.UnionType(types=types):
                optional = any(isinstance(each, inspect.NoneType) for each in types)
                inner = _of_union(types)
                assert len(inner) == 1, f"{name} may be of several types"
                wrong = self.wrong(inner[0], name, v)
                return f"{v} is not None and ({wrong})" if optional else wrong
            case inspect.StrType():
                return f"type({v}) is not str or len({v}) > {MAX_TEXT if name in TEXTS else MAX_ID}"
            case inspect.BoolType():
                return f"type({v}) is not bool"
            case inspect.IntType() if name in TIMES:
                # What is before all units of time that may be meant needs no look, and what is of our days neither.
                odd = f"{v} < {EARLIEST_NS} and not 0 <= {v} < {UNITS_FROM} and not time({v}, n)"
                return f"type({v}) is not int or {v} > {MAX_TIME} or ({odd})"
            case inspect.IntType():
                return f"type({v}) is not int or not -{MAX_INT} <= {v} <= {MAX_INT}"
            case inspect.DecimalType():
                bounds = f"not -{MAX_EXPONENT} <= {v}.adjusted() <= {MAX_EXPONENT}"
                # Less than nothing of a quantity is none, and no column of quantities takes its sign.
                bounds += f" or (not {v} and {v}.is_signed())" if "qty" in name else ""
                digits = f"(len(str({v})) > {MAX_DIGITS} and long({v}))"
                return f"type({v}) is not Decimal or {bounds} or not {v}.is_finite() or {digits}"
            case inspect.EnumType(cls=cls):
                return f"type({v}) is not {self._named(cls)}"
            case inspect.StructType(cls=cls):
                return f"type({v}) is not {self._named(cls)} or not {self._named(fits(cls), cls)}({v}, n)"
            case inspect.VarTupleType(item_type=item):
                each = f"{v}_"
                wrong = self.wrong(item, name, each)
                size = f"type({v}) is not tuple or len({v}) > {MAX_LIST}"
                return f"{size} or not all([not ({wrong}) for {each} in {v}])"
            case inspect.TupleType(item_types=items):
                parts = " or ".join(f"({self.wrong(item, name, f'{v}[{place}]')})" for place, item in enumerate(items))
                return f"type({v}) is not tuple or len({v}) != {len(items)} or {parts}"
            case _:
                raise TypeError(f"{name} is of a type that no door knows: {of}")

    def _named(self, thing: Any, of: Any = None) -> str:
        name = f"{'fits_' if of is not None else ''}{(of or thing).__name__}"
        self.names[name] = thing
        return name


# ---------------------------------------------------------------------- the slow way

_HINTS = {
    "RemainderPolicy": ", such as Hold(), CancelRest() or Chase()",
    "Terms": ", such as Limit(...) or Market(...)",
    "Resubmit": ", such as Resubmit(max_resubmit_attempts=3)",
    "Retry": ", such as Retry(retry_ms=200)",
}


def mend(value: object, kind: type, now: int, name: str = "") -> Any:
    """`value` as exactly a `kind`, what is certain converted; `name` is what errors call it. Raises `NotAnInput`."""
    return _struct(value, inspect.type_info(kind), now, name)


def _struct(value: object, of: Any, now: int, path: str) -> Any:
    kind = of.cls
    if type(value) is kind:
        given = {field.name: getattr(value, field.name) for field in of.fields}
    elif isinstance(value, dict):
        given = _fields(value, of, path)
    else:
        right = kind.__name__ + _HINTS.get(kind.__name__, "")
        raise NotAnInput(f"{path or 'input'} is {shown(value)} of type {_called(value)}; give a {right}")
    inside = f"{path}." if path else ""
    fixed = {field.name: _mended(given[field.name], field.type, field.name, inside, now) for field in of.fields
             if field.name in given}  # fmt: skip
    if type(value) is kind and all(fixed[name] is given[name] for name in fixed):
        return value
    try:
        return kind(**fixed)
    except NotANumber as error:
        raise NotAnInput(f"{inside}{error}" if path else str(error)) from None
    except (TypeError, AttributeError, ArithmeticError) as error:
        raise NotAnInput(f"{path or kind.__name__} cannot be: {error}") from None


def _fields(value: dict[Any, Any], of: Any, path: str) -> dict[str, Any]:
    """The fields of a struct that somebody gave as a dict."""
    what = path or of.cls.__name__
    known = {field.name: field for field in of.fields}
    given = dict(value)
    if of.tag_field is not None and given.get(of.tag_field) == of.tag:
        del given[of.tag_field]
    for name in given:
        if name not in known:
            raise NotAnInput(f"{what} has the unknown field {shown(name)}; its fields are {', '.join(known)}")
    missing = [name for name, field in known.items() if field.required and name not in given]
    if missing:
        raise NotAnInput(f"{what} lacks {missing[0]}; give it")
    return given


def _mended(value: object, of: inspect.Type, name: str, inside: str, now: int) -> Any:
    path = inside + name
    match of:
        case inspect.UnionType(types=types):
            if value is None and any(isinstance(each, inspect.NoneType) for each in types):
                return None
            if type(value) is bool and any(isinstance(each, inspect.BoolType) for each in types):
                return value
            return _mended(value, _of_union(types)[0], name, inside, now)
        case inspect.StrType():
            return _text(value, name, path)
        case inspect.BoolType():
            if type(value) is not bool:
                raise NotAnInput(f"{path} is {shown(value)} of type {_called(value)}; give True or False")
            return value
        case inspect.IntType():
            return _int(value, name, path, now)
        case inspect.DecimalType():
            number = _decimal(value, path)
            return number.copy_abs() if "qty" in name and not number and number.is_signed() else number
        case inspect.EnumType(cls=cls):
            return _word(value, cls, path)
        case inspect.StructType():
            return _struct(value, of, now, path)
        case inspect.VarTupleType(item_type=item):
            if not isinstance(value, list | tuple):
                raise NotAnInput(f"{path} is {shown(value)} of type {_called(value)}; give a tuple")
            if len(value) > MAX_LIST:
                raise NotAnInput(f"{path} has {len(value)} entries; at most {MAX_LIST}")
            found = tuple(_mended(each, item, f"{name}[{place}]", inside, now) for place, each in enumerate(value))
            return value if type(value) is tuple and all(map(_same, found, value)) else found
        case inspect.TupleType(item_types=items):
            if not isinstance(value, list | tuple) or len(value) != len(items):
                raise NotAnInput(f"{path} is {shown(value)}; give a tuple of {len(items)}")
            pairs = zip(value, items, strict=True)
            found = tuple(_mended(each, item, f"{name}[{place}]", inside, now) for place, (each, item) in enumerate(pairs))
            return value if type(value) is tuple and all(map(_same, found, value)) else found
    raise NotAnInput(f"{path} is of a type that no door knows: {of}")


def _same(one: object, other: object) -> bool:
    return one is other


def _called(value: object) -> str:
    return type(value).__name__


def _text(value: object, name: str, path: str) -> str:
    """Text, or an id of digits."""
    if type(value) is str:
        found = value
    elif isinstance(value, str):
        found = str.__str__(value)
        found = found if type(found) is str else "".join(found)
    elif isinstance(value, int) and not isinstance(value, bool) and name in IDS:
        if value.bit_length() > MAX_ID_BITS:
            raise NotAnInput(f"{path} is {shown(value)}; an id has at most {MAX_ID_BITS} bits")
        found = str(int(value))
    else:
        right = "text, or a whole number that is the id" if name in IDS else "text"
        raise NotAnInput(f"{path} is {shown(value)} of type {_called(value)}; give {right}")
    if name in TEXTS:
        found = found[:MAX_TEXT]
    elif len(found) > MAX_ID:
        raise NotAnInput(f"{path} is {shown(found)}, {len(found)} characters; at most {MAX_ID}")
    try:
        found.encode()
    except UnicodeEncodeError:
        raise NotAnInput(f"{path} is {shown(found)}, no Unicode text; it holds half of a surrogate pair") from None
    return found


def _int(value: object, name: str, path: str, now: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        what = "a time in whole nanoseconds UTC" if name in TIMES else "a whole number"
        raise NotAnInput(f"{path} is {shown(value)} of type {_called(value)}; give {what}")
    found = int(value)
    if name in TIMES:
        if not -MAX_TIME <= found <= MAX_TIME:
            raise NotAnInput(f"{path} is {shown(found)}; a time is nanoseconds since 1970, below {MAX_TIME}")
        unit = unit_of(found, now)
        if unit is not None:
            raise NotAnInput(f"{path} is {found}; that is {unit}, give nanoseconds UTC")
    elif not -MAX_INT <= found <= MAX_INT:
        raise NotAnInput(f"{path} is {shown(found)}; a whole number has at most 64 bits")
    return value if type(value) is int else found


def _decimal(value: object, path: str) -> Decimal:
    if isinstance(value, Decimal) and type(value) is not Decimal:
        value = Decimal(value)
    elif isinstance(value, str) and type(value) is not str:
        value = str.__str__(value)
    try:
        found = dec(value, path)
    except NotANumber as error:
        raise NotAnInput(str(error)) from None
    return found


def word(value: object, words: type[Enum], path: str) -> Any:
    """The member of `words` that `value` is, by its name or its value in any case. Raises `NotAnInput`."""
    return _word(value, words, path)


@cache
def _spelled(words: type[Enum]) -> dict[str, Enum]:
    found: dict[str, Enum] = {}
    for member in words:
        found[_plain(str(member.value))] = found[_plain(member.name)] = member
    return found


def _plain(text: str) -> str:
    return text.casefold().replace("_", "").replace("-", "").replace(" ", "")


def _word(value: object, words: type[Enum], path: str) -> Any:
    if type(value) is words:
        return value
    found = _spelled(words).get(_plain(str.__str__(value)[:MAX_ID])) if isinstance(value, str) else None
    if found is None:
        allowed = ", ".join(str(member.value) for member in words)
        raise NotAnInput(f"{path} is {shown(value)}; it is one of {allowed}")
    return found


def named(check: Callable[[Any], None]) -> Callable[[Any], None]:
    """Decorates a `__post_init__`: where it stumbles over a wrong type, the error names the field, the value and what is right.

    What a journal holds has the right types, so that nothing which was ever written is refused by this.
    """

    @wraps(check)
    def strict(self: Any) -> None:
        try:
            check(self)
        except NotAnInput:
            raise
        except (TypeError, AttributeError, ArithmeticError, ValueError) as error:
            raise typed(self, error) from None

    return strict


def typed(of: msgspec.Struct, error: Exception) -> NotAnInput:
    """What is wrong with the types of a value whose own check ended in `error`: for constructors."""
    found = inspect.type_info(type(of))
    assert isinstance(found, inspect.StructType)
    for field in found.fields:
        try:
            _mended(getattr(of, field.name), field.type, field.name, "", EARLIEST_NS)
        except NotAnInput as wrong:
            return wrong
    return NotAnInput(f"{type(of).__name__} cannot be: {error}")
