# ruff: noqa: E501
"""The door: what is stepped is what can be read back, and everything else is refused by name before anything changed."""

from __future__ import annotations

import enum
import uuid
from collections import namedtuple
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from partfill.journal.journal import Journal
from partfill.journal.verify import verify
from partfill.model.admit import KINDS, NotAnInput, admit, admitted
from partfill.model.book import Book, Level
from partfill.model.capabilities import Capabilities, Cumulative
from partfill.model.codec import input_from_journal
from partfill.model.commands import (
    Amend,
    Answered,
    Decide,
    KillSwitch,
    Looked,
    Outcome,
    Protect,
    Reported,
    Resolve,
    Restarted,
    Resubmit,
    Stop,
    Submit,
    Tick,
    Track,
    Unprotect,
    Untrack,
)
from partfill.model.inputs import (
    Charge,
    DayRolled,
    Execution,
    ExecutionRevised,
    ExecutionVoided,
    Gap,
    Input,
    InstrumentListed,
    MarketSeen,
    OrderLinked,
    OrderPlaced,
    OrderSnapshot,
    Outage,
    PositionSeen,
    Quarantined,
    RequestSent,
    Unreadable,
    VenueDeclared,
)
from partfill.model.instrument import Instrument, TickBand
from partfill.model.limits import MAX_ID, MAX_LIST, MAX_TEXT
from partfill.model.numbers import NotANumber
from partfill.model.policy import Chase, LiveLimits, Mode, RemainderPolicy
from partfill.model.protection import Leg, Retry
from partfill.model.terms import Terms
from partfill.model.words import ExecutionState, LinkKind, OrdStatus, Request, Side

NOW = 1_750_000_000_000_000_000
V: dict[str, Any] = {"venue": "v"}
ONE = Decimal(1)
TERMS = Terms(instrument="ACME", side=Side.BUY, order_qty=Decimal(10), price=Decimal(5), tags=(("a", "b"),))
FILL = Execution(**V, order_id="o1", key="k1", qty=ONE, px=Decimal(5), fee=ONE, fee_currency="USD", as_of=NOW, venue_time=NOW)
BOOK = Book(instrument="ACME", bids=(Level(ONE, ONE),), asks=(Level(Decimal(2), ONE),), as_of=NOW)
SHOT = OrderSnapshot(
    **V, order_id="o1", ord_status=OrdStatus.NEW, order_qty=Decimal(10), executions=(FILL,), reason="r", as_of=NOW
)
PROTECT = Protect(
    **V, instrument="ACME", side=Side.BUY, legs=(Leg(name="stop", stop_px=Decimal(4)),), retry=Retry(retry_ms=300)
)
LISTED = Instrument(symbol="ACME", ticks=(TickBand(Decimal(0), ONE),), lot=ONE)

SAMPLES: list[Any] = [
    FILL,
    SHOT,
    ExecutionRevised(**V, order_id="o1", key="k1", qty=ONE, px=ONE, fee=ONE, fee_currency="USD", revision=2, as_of=NOW),
    ExecutionVoided(**V, order_id="o1", key="k1", qty=ONE, as_of=NOW),
    OrderLinked(**V, order_id="o1", new_order_id="o2", kind=LinkKind.REPLACE),
    Gap(**V, since=NOW, as_of=NOW, reason="r"),
    Charge(**V, order_id="o1", key="c1", amount=ONE, currency="USD"),
    VenueDeclared(**V, capabilities=Capabilities(cumulative=Cumulative.HINT)),
    OrderPlaced(**V, terms=TERMS, cl_ord_id="c1", as_of=NOW),
    RequestSent(**V, request=Request.CANCEL, cl_ord_id="c2", order_id="o1", as_of=NOW),
    DayRolled(**V),
    Resolve(**V, order_id="o1", cum_qty=ONE, venue_cum_qty=ONE, accept=True, by="me", reason="r", void=("k1",)),
    Unreadable(**V, raw="?", error="no"),
    Submit(**V, ref="r1", terms=TERMS, resubmit=Resubmit(), remainder=Chase(2), bracket=PROTECT),
    Stop(**V, ref="r1", reason="enough"),
    Amend(**V, ref="r1", order_qty=ONE),
    Answered(**V, request=Request.PLACE, cl_ord_id="c1", outcome=Outcome.DONE, order=SHOT, as_of=NOW),
    Looked(**V, order_id="o1", order=SHOT, definite=True, as_of=NOW),
    KillSwitch(venue="*", on=True, by="me", reason="r"),
    Decide(**V, ref="r1", event=1, instrument=LISTED, mode=Mode.SHADOW_ONLY, book=BOOK, limits=LiveLimits(instruments=("A",))),
    Restarted(desk="d", mode=Mode.SHADOW_ONLY),
    Tick(),
    Track(**V, ref="t1", terms=TERMS, order_id="o9"),
    Untrack(**V, ref="t1"),
    Outage(**V, over=False, since=NOW, reason="r"),
    Reported(**V, ref="r1", event_ts=NOW // 1_000_000),
    PROTECT,
    Unprotect(**V, instrument="ACME", side=Side.BUY),
    PositionSeen(**V, instrument="ACME", qty=ONE, as_of=NOW),
    MarketSeen(**V, instrument="ACME", book=BOOK),
    InstrumentListed(**V, instrument="ACME", quote="USD"),
    Quarantined(orders=(900,), parents=(901,), why="r"),
]


class Word(enum.StrEnum):
    """Somebody else's words."""

    BUY = "BUY"


class Cents(Decimal):
    """A number of somebody else."""


class Text(str):
    __slots__ = ()


class Sub(Execution, frozen=True, tag="execution"):
    """An execution of somebody else."""


WRONG: list[Any] = [
    *(None, True, False, 0, 1, 7, -1, 1 << 63, 1 << 70, 1 << 300, 10**5000, 0.0, 5.5, float("nan"), float("inf"), 1e300, 2j),
    *("", "x", "off", "FILLED", "buy", "BUY", "7", "\ud800", "x" * (MAX_ID + 1), "x" * (MAX_TEXT + 1), "1" * 70_000, Text("text")),
    *(b"x", bytearray(b"x"), uuid.UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC), Word.BUY, msgspec.Raw(b'1,"by":"me"'), object()),
    *([], [[]], {}, {"retry_ms": 5}, {"type": "execution"}, set(), (), ((),), (1, 2), ("a", "b"), [1.5] * 3, (FILL,) * (MAX_LIST + 1)),
    *(Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1e61"), Decimal("1e-130"), Decimal("1." + "1" * 70), Cents(3)),
    *(Decimal("-0"), Decimal("1E+3"), FILL, SHOT, TERMS, BOOK, Retry(), Side.SELL, OrdStatus.NEW, ExecutionState.FINAL, type, len),
    *(namedtuple("Two", "a b")("a", "b"), range(3), Sub(**V, order_id="o1", key="k1", qty=ONE)),
    *(1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000, NOW, -NOW),
]  # fmt: skip


def spoiled(inp: Any) -> list[tuple[str, Any]]:
    """`inp` with every field, and every field of what it holds, replaced by every wrong value, past all constructors."""
    found = []
    for name in inp.__struct_fields__:
        found += [(f"{name} = WRONG[{place}]", _put(inp, name, value)) for place, value in enumerate(WRONG)]
        inside = getattr(inp, name)
        if isinstance(inside, msgspec.Struct):
            found += [(f"{name}.{what}", _put(inp, name, each)) for what, each in spoiled(inside)]
        elif isinstance(inside, tuple) and inside and isinstance(inside[0], msgspec.Struct):
            found += [(f"{name}[0].{what}", _put(inp, name, (each, *inside[1:]))) for what, each in spoiled(inside[0])]
    return found


def _put(of: Any, name: str, value: Any) -> Any:
    made = msgspec.structs.replace(of)
    msgspec.structs.force_setattr(made, name, value)
    return made


def can_be(value: Any) -> bool:
    """Whether the constructors let it in: `spoiled` goes past them."""
    if isinstance(value, tuple):
        return all(map(can_be, value))
    if not isinstance(value, msgspec.Struct):
        return True
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    try:
        type(value)(**fields)
    except NotANumber:
        return False
    return all(map(can_be, fields.values()))


def test_there_is_a_sample_of_every_kind_of_input() -> None:
    assert {type(sample) for sample in SAMPLES} == set(get_args(Input)) == set(KINDS)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda each: type(each).__name__)
def test_what_is_right_passes_as_it_is(sample: Any) -> None:
    inp, body = admit(sample, NOW)
    assert inp is sample
    assert input_from_journal(body) == sample


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda each: type(each).__name__)
async def test_any_field_of_any_wrong_value_is_refused_or_read_back(sample: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    kept: list[Any] = []
    async with Journal(path) as journal:
        journal.stage(VenueDeclared(venue="v", capabilities=Capabilities()), NOW)
        for what, inp in spoiled(sample):
            before = journal.seq, repr(journal.engine.counters.as_dict())
            try:
                admitted_, body = admit(inp, NOW)
            except NotAnInput:
                with pytest.raises(NotAnInput) as refused:
                    journal.stage(inp, NOW)
                assert 5 < len(str(refused.value)) < 3_000, what
                assert (journal.seq, repr(journal.engine.counters.as_dict())) == before, what
                continue
            if not can_be(admitted_):
                continue
            assert input_from_journal(body) == admitted_, what
            if len(body) < 10_000:
                kept.append(admitted_)
                journal.stage(inp, NOW + len(kept))
                if not len(kept) % 200:
                    await journal.flush()
        await journal.flush()
    assert kept or not sample.__struct_fields__
    async with Journal(path) as journal:
        # What was accepted is there, and is what was meant.
        bodies = [input_from_journal(body) for _, _, body in journal.reader.inputs(1)]
        assert bodies == kept
    assert verify(path).ok


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda each: type(each).__name__)
def test_a_constructor_refuses_by_name_or_leaves_it_to_the_door(sample: Any) -> None:
    given = {name: getattr(sample, name) for name in sample.__struct_fields__}
    refused = isinstance(sample, LENIENT)
    for name in given:
        for value in WRONG:
            try:
                type(sample)(**{**given, name: value})
            except ValueError:
                # NotANumber or NotAnInput; no TypeError, no AttributeError.
                refused += 1
    assert refused or not given


LENIENT = (
    Quarantined,
    DayRolled,
    Decide,
    Unreadable,
    Stop,
    Untrack,
    KillSwitch,
    Restarted,
    Unprotect,
    OrderLinked,
    VenueDeclared,
)
"""Kinds whose constructors look at nothing."""

CERTAIN: list[tuple[Any, Any]] = [
    (Execution(**V, order_id=7, key=3, qty=ONE), Execution(**V, order_id="7", key="3", qty=ONE)),  # type: ignore[arg-type]
    (Execution(**V, order_id=Text("7"), key="3", qty=ONE), Execution(**V, order_id="7", key="3", qty=ONE)),
    (Execution(**V, order_id="7", key="3", qty=ONE, side="BUY"), Execution(**V, order_id="7", key="3", qty=ONE, side=Side.BUY)),  # type: ignore[arg-type]
    (OrderSnapshot(**V, order_id="7", ord_status="FILLED"), OrderSnapshot(**V, order_id="7", ord_status=OrdStatus.FILLED)),  # type: ignore[arg-type]
    (
        OrderSnapshot(**V, order_id="7", ord_status="partially_filled"),  # type: ignore[arg-type]
        OrderSnapshot(**V, order_id="7", ord_status=OrdStatus.PARTIALLY_FILLED),
    ),
    (OrderSnapshot(**V, order_id="7", executions=[FILL]), OrderSnapshot(**V, order_id="7", executions=(FILL,))),  # type: ignore[arg-type]
    (msgspec.structs.replace(PROTECT, retry={"retry_ms": 300}), PROTECT),
    (Submit(**V, ref=7, terms=TERMS), Submit(**V, ref="7", terms=TERMS)),  # type: ignore[arg-type]
    (Submit(**V, ref="7", terms=TERMS, remainder={"default_policy": "CHASE"}),  # type: ignore[arg-type]
     Submit(**V, ref="7", terms=TERMS, remainder=Chase())),
    ({"type": "execution", "venue": "v", "order_id": 7, "key": "3", "qty": "1"}, Execution(**V, order_id="7", key="3", qty=ONE)),
    (Stop(**V, ref="1", reason="x" * (MAX_TEXT + 1)), Stop(**V, ref="1", reason="x" * MAX_TEXT)),
]  # fmt: skip


@pytest.mark.parametrize(("given", "meant"), CERTAIN)
def test_what_is_certain_is_converted(given: Any, meant: Any) -> None:
    inp, body = admit(given, NOW)
    assert inp == meant == input_from_journal(body)
    assert admit(inp, NOW)[0] is inp


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: KillSwitch(venue="*", on=True, by=None), "by is None"),  # type: ignore[arg-type]
    (lambda: KillSwitch(venue="*", on="off", by="me"), "on is 'off' of type str; give True or False"),  # type: ignore[arg-type]
    (lambda: Execution(**V, order_id="1", key="1", qty=ONE, as_of=5.5), "as_of is 5.5 of type float"),  # type: ignore[arg-type]
    (lambda: Execution(**V, order_id="1", key="1", qty=ONE, as_of="5"), "as_of is '5' of type str"),  # type: ignore[arg-type]
    (lambda: Execution(**V, order_id=True, key="1", qty=ONE), "order_id is True"),  # type: ignore[arg-type]
    (lambda: Execution(**V, order_id=1.0, key="1", qty=ONE), "order_id is 1.0"),  # type: ignore[arg-type]
    (lambda: Execution(**V, order_id="1", key="1", qty=ONE, fee=ONE, fee_currency=0), "fee_currency is 0"),  # type: ignore[arg-type]
    (lambda: Execution(venue="v", account=None, order_id="1", key="1", qty=ONE), "account is None"),  # type: ignore[arg-type]
    (lambda: Submit(**V, ref="1", terms=TERMS, remainder="chase"), "remainder is 'chase' of type str; give a RemainderPolicy"),  # type: ignore[arg-type]
    (lambda: Submit(**V, ref="1", terms=TERMS, resubmit={"min_resubmit_size": 1.5}), "resubmit.min_resubmit_size is the float 1.5"),  # type: ignore[arg-type]
    (lambda: OrderSnapshot(**V, order_id="1", ord_status="done"), "ord_status is 'done'; it is one of"),  # type: ignore[arg-type]
    (lambda: Sub(**V, order_id="1", key="1", qty=ONE), "of type Sub"),
    (lambda: None, "input is None"),
    (lambda: {"type": "nothing"}, "type is 'nothing'"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "says"), REFUSED, ids=[says for _, says in REFUSED])
def test_everything_else_is_refused_by_field_value_and_what_is_right(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(NotAnInput) as refused:
        admit(make(), NOW)
    assert says in str(refused.value)


@pytest.mark.parametrize(("time", "unit"), [(1_700_000_000, "seconds"), (1_700_000_000_000, "milliseconds"),
                                            (1_700_000_000_000_000, "microseconds")])  # fmt: skip
@pytest.mark.parametrize("name", ["as_of", "venue_time"])
def test_a_time_in_another_unit_is_refused_and_the_unit_named(name: str, time: int, unit: str) -> None:
    with pytest.raises(NotAnInput, match=f"{name} is {time}; that is {unit}, give nanoseconds UTC"):
        admit(Execution(**V, order_id="1", key="1", qty=ONE, **{name: time}), NOW)
    with pytest.raises(NotAnInput, match=unit):
        admit(Looked(**V, order_id="1", order=OrderSnapshot(**V, order_id="1", **{name: time})), NOW)


def test_a_clock_that_begins_at_zero_passes_those_times() -> None:
    for time in (0, 1, 5, 1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000):
        admit(Execution(**V, order_id="1", key="1", qty=ONE, as_of=time), time)
    admit(Execution(**V, order_id="1", key="1", qty=ONE, as_of=5), NOW)


@pytest.mark.parametrize("now", [5.5, "5", True, None, 1 << 63])
async def test_a_time_of_arrival_that_is_none_changes_nothing(now: Any, tmp_path: Path) -> None:
    async with Journal(tmp_path / "a.db") as journal:
        with pytest.raises(NotAnInput, match="now is"):
            await journal.submit(FILL, now)
        assert journal.seq == 0
        await journal.submit(FILL, NOW)


def test_parts_of_inputs_pass_the_same_door() -> None:
    assert admitted(Terms(instrument="A", side="buy", order_qty=ONE), Terms, "terms").side is Side.BUY  # type: ignore[arg-type]
    policy = admitted({"default_policy": "chase", "min_remainder_size": "7"}, RemainderPolicy, "remainder")
    assert policy == Chase(min_remainder_size=Decimal(7))
    with pytest.raises(NotAnInput, match=r"tags\[0\]\[1\] is 5 of type int"):
        admitted(msgspec.structs.replace(TERMS, tags=(("a", 5),)), Terms, "terms")
