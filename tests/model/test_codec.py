"""Inputs and events as JSON and msgpack: what goes out comes back, and what is wrong is refused by name."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partfill.model.book import Book, Level
from partfill.model.capabilities import Capabilities
from partfill.model.codec import (
    NUMBERS,
    NotAnInput,
    event_from_json,
    event_from_msgpack,
    input_from_json,
    input_from_msgpack,
    schemas,
    to_json,
    to_msgpack,
)
from partfill.model.commands import Decide, Protect, Reported, Resubmit, Track
from partfill.model.events import Event
from partfill.model.inputs import Answered, Execution, Input, Looked, MarketSeen, OrderPlaced, OrderSnapshot
from partfill.model.instrument import Instrument, TickBand
from partfill.model.policy import LiveLimits, Remainder, RemainderPolicy
from partfill.model.protection import Leg, Retry
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport, Seen
from partfill.model.terms import Terms

D = Decimal
INPUTS: tuple[type[Any], ...] = get_args(Input)
EVENTS: tuple[type[Any], ...] = get_args(Event)

EXACT = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=D(0), max_value=D(10**12))
TIMES = st.integers(-(2**63), 2**63 - 1)
st.register_type_strategy(Decimal, EXACT)
st.register_type_strategy(int, TIMES)


INSTRUMENTS = st.builds(
    Instrument, symbol=st.text(), ticks=st.just((TickBand(D(0), D("0.01")),)), lot=st.just(D("0.1")), min_qty=EXACT,
    min_notional=EXACT, multiplier=EXACT,
)  # fmt: skip
BOOKS = st.builds(Book, instrument=st.text(), bids=st.just((Level(D(1), D(2)),)), asks=st.just((Level(D(3), D(4)),)),
                  as_of=TIMES, trade_rate=st.none() | EXACT)  # fmt: skip
POLICIES = st.builds(RemainderPolicy, default_policy=st.sampled_from(Remainder), chase_max_ticks=st.integers(0, 10),
                     max_hold_ms=st.none() | st.integers(100, 1000), max_hold_drift_ticks=st.none(),
                     after_hold=st.sampled_from(Remainder),
                     min_remainder_size=st.just(D("7.5")), thin_confirm_ms=st.just(5), max_book_age_ms=st.just(5),
                     rechase_ms=st.just(60), taker_fee_rate=st.just(D("0.01")))  # fmt: skip


def _legal(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Values of `kind` by its field types; those that the type itself refuses are left out."""
    fields = {field.name: st.from_type(field.type) for field in msgspec.structs.fields(kind)}
    if "terms" in fields:
        fields["terms"] = _legal(Terms)
        if "ref" in fields:
            fields["ref"] = st.text(min_size=1)
    if kind is Terms:
        # Sized one way or the other.
        sizes = [{"order_qty": EXACT, "cash_order_qty": st.none()}, {"order_qty": st.none(), "cash_order_qty": EXACT}]
        return st.one_of(*(_legal_or_none(kind, fields | each) for each in sizes))
    if "resubmit" in fields:
        fields["resubmit"] = st.none() | _legal(Resubmit)
    if "remainder" in fields:
        fields["remainder"] = st.none() | POLICIES
    if "capabilities" in fields:
        fields["capabilities"] = _legal(Capabilities)
    if kind is Reported:
        fields |= {"event_ts": st.integers(1, 10**12), "policy": st.none() | POLICIES}
    if kind is Protect:
        share = st.sampled_from((Decimal("0.25"), Decimal("0.5")))
        stops = st.none() | st.just(Decimal(95))
        legs = st.builds(Leg, name=st.sampled_from("abc"), stop_px=stops, price=st.just(Decimal(110)), share=share)
        fields["retry"] = st.just(Retry(retry_ms=7))
        fields["legs"] = st.lists(legs, min_size=1, max_size=2).map(tuple)
        fields["lot"] = st.none() | st.just(Decimal("0.1"))
    if kind is MarketSeen:
        seen = st.builds(Book, instrument=st.just("ACME"), bids=st.just((Level(D(1), D(2)),)), asks=st.just(()), as_of=TIMES)
        fields |= {"book": st.none() | seen, "instrument": st.just("ACME")}
    if "bracket" in fields:
        fields["bracket"] = st.none()
    if kind is Decide:
        fields |= {"instrument": INSTRUMENTS, "book": st.none() | BOOKS, "limits": st.builds(LiveLimits)}
    if kind is ExecutionReport:
        fields |= {"seen": st.builds(Seen), "reasons": st.lists(st.sampled_from(Reason), max_size=3).map(tuple)}
    if kind in (Answered, Looked):
        fields["order"] = st.none() | _legal(OrderSnapshot)
    if "executions" in fields:
        fields["executions"] = st.none() | st.lists(_legal(Execution), max_size=2).map(tuple)
    if kind is Track:
        # One of the two is given; which one does not matter here.
        ids = [{"cl_ord_id": st.text()}, {"order_id": st.text()}]
        return st.one_of(*(_legal_or_none(kind, fields | each) for each in ids))
    return _legal_or_none(kind, fields)


def _legal_or_none(kind: type[Any], fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    def made(values: dict[str, Any]) -> Any:
        try:
            return kind(**values)
        except ValueError:
            return None

    return st.fixed_dictionaries(fields).map(made).filter(lambda value: value is not None)


FEW = settings(max_examples=30)
BY_INPUT = pytest.mark.parametrize("kind", INPUTS, ids=lambda kind: kind.__name__)
BY_EVENT = pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)


@BY_INPUT
@FEW
@given(data=st.data())
def test_every_input_comes_back(kind: type[Any], data: st.DataObject) -> None:
    value = data.draw(_legal(kind))
    assert input_from_json(to_json(value)) == value
    assert input_from_msgpack(to_msgpack(value)) == value


@BY_EVENT
@FEW
@given(data=st.data())
def test_every_event_comes_back(kind: type[Any], data: st.DataObject) -> None:
    value = data.draw(_legal(kind))
    assert event_from_json(to_json(value)) == value
    assert event_from_msgpack(to_msgpack(value)) == value


EXAMPLE = Execution(venue="v", order_id="O1", key="x", qty=D("0.50"), px=D(100))


def test_numbers_are_written_as_text_and_defaults_are_left_out() -> None:
    assert json.loads(to_json(EXAMPLE)) == {
        "type": "execution", "venue": "v", "order_id": "O1", "key": "x", "qty": "0.50", "px": "100",
    }  # fmt: skip


def test_an_input_is_frozen() -> None:
    with pytest.raises(AttributeError):
        EXAMPLE.qty = D(2)  # type: ignore[misc]


@pytest.mark.parametrize("kind", [*INPUTS, *EVENTS], ids=lambda kind: kind.__name__)
def test_every_type_is_frozen_and_has_a_tag(kind: type[Any]) -> None:
    assert kind.__struct_config__.frozen
    assert isinstance(kind.__struct_config__.tag, str)
    assert kind.__struct_config__.forbid_unknown_fields


def _exact_fields(kind: type[Any]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(kind) if Decimal in (field.type, *get_args(field.type))}


def test_every_field_with_a_number_is_read_strictly() -> None:
    found = set().union(*(_exact_fields(kind) for kind in (*INPUTS, Terms)))
    assert found <= NUMBERS


def written(**fields: Any) -> str:
    return json.dumps({"type": "execution", "venue": "v", "order_id": "O1", "key": "x", "qty": "1"} | fields)


@pytest.mark.parametrize("name", ["qty", "px", "fee"])
def test_a_json_float_is_refused_by_field_and_value(name: str) -> None:
    with pytest.raises(NotAnInput, match=f"{name} is the float 0.1"):
        input_from_json(written(**{"fee_currency": "USD", name: 0.1}))


def test_a_json_float_deep_inside_is_refused() -> None:
    inner = {"venue": "v", "order_id": "O1", "key": "x", "qty": 0.1}
    with pytest.raises(NotAnInput, match=r"^qty is the float 0\.1"):
        input_from_json(json.dumps({"type": "order_snapshot", "venue": "v", "order_id": "O1", "executions": [inner]}))
    terms = {"instrument": "ACME", "side": "buy", "order_qty": 0.1}
    with pytest.raises(NotAnInput, match=r"^order_qty is the float 0\.1"):
        input_from_json(json.dumps({"type": "order_placed", "venue": "v", "cl_ord_id": "c", "terms": terms}))


def test_a_whole_number_is_let_in() -> None:
    found = input_from_json(written(qty=3))
    assert isinstance(found, Execution)
    assert found.qty == 3


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(NotAnInput, match="colour"):
        input_from_json(written(colour="red"))


def test_an_unknown_type_is_refused_by_name() -> None:
    with pytest.raises(NotAnInput, match="rumour"):
        input_from_json('{"type": "rumour", "venue": "v"}')


def test_a_missing_field_is_refused_by_name() -> None:
    with pytest.raises(NotAnInput, match="key"):
        input_from_json('{"type": "execution", "venue": "v", "qty": "1"}')


@pytest.mark.parametrize("line", ["", "{", "[1", "\x00", b"\xff\xfe", "{'a': 1}"])
def test_what_is_no_json_is_refused(line: str | bytes) -> None:
    with pytest.raises(NotAnInput, match="not JSON"):
        input_from_json(line)


@pytest.mark.parametrize(("line", "what"), [("[]", "list"), ("1", "int"), ('"x"', "str"), ("null", "NoneType")])
def test_json_that_is_no_object_is_refused(line: str, what: str) -> None:
    with pytest.raises(NotAnInput, match=f"a JSON {what} where an object"):
        input_from_json(line)


@pytest.mark.parametrize("qty", ["NaN", "Infinity", "1_000", "1e999", "", "\u0661", True, None, [], {}])
def test_a_bad_number_is_refused(qty: Any) -> None:
    with pytest.raises(NotAnInput):
        input_from_json(written(qty=qty))


NAMES = st.sampled_from(["type", "venue", "qty", "terms", "executions", "key"]) | st.text()
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
)


@given(ANY_JSON)
def test_any_json_is_an_input_or_refused_and_nothing_else(value: Any) -> None:
    with suppress(NotAnInput):
        input_from_json(json.dumps(value))


@given(st.binary())
def test_any_bytes_are_an_input_or_refused_and_nothing_else(body: bytes) -> None:
    for read in (input_from_json, input_from_msgpack, event_from_json, event_from_msgpack):
        with pytest.raises(NotAnInput):
            read(body)


def test_a_time_that_no_journal_can_hold_is_refused() -> None:
    with pytest.raises(NotAnInput):
        input_from_json(written(as_of=10**30))


def test_a_deep_nest_is_refused() -> None:
    with pytest.raises(NotAnInput):
        input_from_json('{"type":' + "[" * 100_000 + "]" * 100_000 + "}")


def test_the_schemas_name_every_type() -> None:
    both = schemas()
    for name, kinds in (("input", INPUTS), ("event", EVENTS)):
        assert {kind.__name__ for kind in kinds} <= set(both[name]["$defs"])


def test_a_placed_order_is_read_with_its_terms() -> None:
    line = '{"type":"order_placed","venue":"v","cl_ord_id":"c","terms":{"instrument":"ACME","side":"buy","order_qty":"0.10"}}'
    found = input_from_json(line)
    assert isinstance(found, OrderPlaced)
    assert str(found.terms.order_qty) == "0.10"
