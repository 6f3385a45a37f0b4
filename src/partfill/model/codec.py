"""Inputs and events as JSON and msgpack, and their JSON Schemas.

Text that comes from outside is read strictly: a number written as a JSON float is refused, since nobody can say
what its writer meant after it went through one.
"""

from __future__ import annotations

from typing import Any

import msgspec

from partfill.model.delivered import EXAMPLE, DeliveredReport
from partfill.model.events import Event
from partfill.model.inputs import Input
from partfill.model.limits import MAX_BODY
from partfill.model.numbers import NotAnInput, NotANumber, dec

_input_json: msgspec.json.Decoder[Input] = msgspec.json.Decoder(Input)
_input_msgpack: msgspec.msgpack.Decoder[Input] = msgspec.msgpack.Decoder(Input)
_event_json: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_event_msgpack: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)
_to_json = msgspec.json.Encoder()
_to_msgpack = msgspec.msgpack.Encoder()

NUMBERS = frozenset(
    [
        *("qty", "px", "fee", "amount", "price", "stop_px", "avg_px", "order_qty", "cash_order_qty", "cum_qty"),
        *("leaves_qty", "reduced_qty", "day_order_qty", "day_cum_qty", "min_resubmit_size", "min_remainder_size"),
        *("taker_fee_rate", "trade_rate", "queue_ahead", "max_usd", "from_price", "tick", "lot", "min_qty", "min_notional"),
        *("multiplier", "venue_cum_qty"),
    ]
)
"""Names of the fields that hold an exact number."""


def to_json(value: Input | Event) -> bytes:
    """One line of JSON, numbers as strings, defaults left out. Raises `NotAnInput` for text that is no Unicode."""
    try:
        return _to_json.encode(value)
    except UnicodeEncodeError as error:
        raise NotAnInput(f"{error.object[:60]!r} is no Unicode text; it holds half of a surrogate pair") from None


def to_msgpack(value: Input | Event) -> bytes:
    """The same in msgpack, for a bus or a socket."""
    return _to_msgpack.encode(value)


def input_from_msgpack(body: bytes) -> Input:
    """Read what `to_msgpack` wrote. Raises `NotAnInput`."""
    try:
        return _input_msgpack.decode(body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise NotAnInput(str(error)) from None


def input_from_journal(body: bytes | str) -> Input:
    """Read what `to_json` wrote, fast; `input_from_json` is for text that anybody may have written. Raises `NotAnInput`."""
    try:
        return _input_json.decode(body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise NotAnInput(str(error)) from None


def event_from_msgpack(body: bytes) -> Event:
    """Read an event that `to_msgpack` wrote. Raises `NotAnInput`."""
    try:
        return _event_msgpack.decode(body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise NotAnInput(str(error)) from None


def event_from_json(line: bytes | str) -> Event:
    """Read an event that `to_json` wrote. Raises `NotAnInput`."""
    try:
        return _event_json.decode(line)
    except (msgspec.MsgspecError, ValueError) as error:
        raise NotAnInput(str(error)) from None


def input_from_json(line: bytes | str) -> Input:
    """Read one input from a line of JSON that anybody may have written.

    Raises `NotAnInput` naming the field: not JSON, unknown type or field, a float, a number out of bounds.
    """
    if len(line) > MAX_BODY:
        raise NotAnInput(f"{len(line)} characters; one input has at most {MAX_BODY}")
    try:
        raw = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAnInput(f"not JSON: {error}") from None
    except RecursionError:
        raise NotAnInput("nested too deeply to be an input") from None
    if not isinstance(raw, dict):
        raise NotAnInput(f'a JSON {type(raw).__name__} where an object such as {{"type":"execution",...}} is needed')
    try:
        found: Input = msgspec.convert(_exact(raw), Input)
        return found
    except NotANumber as error:
        raise NotAnInput(str(error)) from None
    except msgspec.ValidationError as error:
        raise NotAnInput(str(error)) from None


def _exact(raw: dict[str, Any]) -> dict[str, Any]:
    for name, value in raw.items():
        if name in NUMBERS:
            if value is not None:
                raw[name] = dec(value, name)
        elif isinstance(value, dict):
            _exact(value)
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, dict):
                    _exact(each)
    return raw


def schemas() -> dict[str, Any]:
    """JSON Schemas of inputs, events and delivered reports, as published in docs/schema."""
    delivered = msgspec.json.schema(DeliveredReport)
    delivered |= {"$schema": "https://json-schema.org/draft/2020-12/schema", "examples": [msgspec.to_builtins(EXAMPLE)]}
    return {"input": msgspec.json.schema(Input), "event": msgspec.json.schema(Event), "execution-report": delivered}


__all__ = [
    "NotAnInput",
    "event_from_json",
    "event_from_msgpack",
    "input_from_journal",
    "input_from_json",
    "input_from_msgpack",
    "schemas",
    "to_json",
    "to_msgpack",
]
