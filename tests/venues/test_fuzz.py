"""Every format against damaged input: nothing escapes an audit, and what cannot be read is reported with its line.

Thousands of seeded mutations of valid messages go through the whole audit, with a journal that must prove itself
afterwards, and everything that would be printed must be printable.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import random
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from partfill.journal.verify import verify
from partfill.model.admit import NotAnInput, admit
from partfill.model.capabilities import Capabilities
from partfill.model.codec import to_json
from partfill.model.inputs import Charge, DayRolled, Gap, OrderLinked, VenueDeclared
from partfill.runtime.audit import Audit
from partfill.runtime.reading import TooLong, frames
from partfill.venues.decoding import Damaged, Framing
from partfill.venues.formats import FORMATS
from tests.journal.writer import VENUE, accepted, cancel_sent, canceled, claim, execution, placed, revised, voided
from tests.recorded import recorded
from tests.runtime.test_audit import DAY, fix, order, report, trade
from tests.venues import test_binance, test_hyperliquid, test_schwab

ROUNDS = 6
PER_ROUND = 250
"""Mutated messages per audit; ROUNDS audits per format, and as many on real lines."""


def partfill_lines() -> list[str]:
    rules = VenueDeclared(venue=VENUE, capabilities=Capabilities())
    inputs = [
        rules, placed("C1"), accepted("O1", "C1"), execution("O1", "k1", "2", fee=Decimal("0.1"),
            fee_currency="USD", venue_time=1700000000000000000, as_of=5), claim("O1", "3", "50.5"),
        voided("O1", "k1"), revised("O1", "k1", "1", new_key="k2"), cancel_sent("X1", "C1"), canceled("O1"),
        Gap(venue=VENUE, since=5), DayRolled(venue=VENUE), OrderLinked(venue=VENUE, order_id="O1", new_order_id="O2"),
        Charge(venue=VENUE, order_id="O1", key="f", amount=execution("O1", "k").qty, currency="USD"),
    ]  # fmt: skip
    return [to_json(each).decode() for each in inputs]


def fix_lines() -> list[str]:
    lines = [*DAY, fix("F", cl="C2", orig="C1", symbol="ACME", side=1, qty=1000), report("E5", "4", "4", 200, 0),
             fix("G", cl="C3", orig="C1", symbol="ACME", side=1, qty=900, price=101), report("E6", "5", "0", 0, 900, orig="C1"),
             report("E7", "H", "1", 0, 1000, ref="E2"), report("E8", "G", "1", 100, 900, ref="E2", last=100, px=100),
             fix("9", order="O1", cl="C2", orig="C1", status=1, at="20260102-14:30:00.123456"),
             order("C7", at="20260102-14:30:00"), trade("E9", 1, 1, 999, at="20260102-14:30:00.5")]  # fmt: skip
    return [line.replace("|", separator) for line in lines for separator in ("|", "\x01")]


VALID: dict[str, list[str]] = {
    "partfill": partfill_lines(),
    "fix": fix_lines(),
    "lobster": ["36000.5,1,7001,300,505000,-1", "36001.25,2,7001,120,505000,-1", "36002,4,7001,100,505000,-1",
                "36003,3,7001,80,505000,-1", "36004.000000001,5,0,10,505000,1", "36005,6,-1,1,505000,1",
                "36006,7,0,0,-1,-1"],
    "binance-futures": [json.dumps(each) for each in (
        test_binance.wire(), test_binance.trade(901, "0.5", "1.25"), test_binance.trade(902, "1", "3", px="20.4"),
        test_binance.long_named(test_binance.trade(903, "0.5", "1")), test_binance.wire(x="CANCELED", X="CANCELED"),
        test_binance.wire(x="EXPIRED", X="EXPIRED", i=78), {"stream": "s", "data": test_binance.wire(i=79)},
        {"e": "ACCOUNT_UPDATE", "E": 1700000000002},
    )],
    "hyperliquid": [json.dumps(each) for each in (
        test_hyperliquid.fill(7), test_hyperliquid.fill(None), test_hyperliquid.update("open"),
        test_hyperliquid.fills_frame(test_hyperliquid.fill(8), test_hyperliquid.fill(None)),
        test_hyperliquid.update("canceled"), test_hyperliquid.updates_frame(test_hyperliquid.update("filled")),
        test_hyperliquid.reply({"resting": {"oid": 11}}, {"filled": {"oid": 12, "totalSz": "1", "avgPx": "2"}}, {"error": "x"}),
    )],
    "schwab": [json.dumps(each) for each in (
        test_schwab.order(), test_schwab.order(test_schwab.activity(4.0, 20.25), filled=4.0),
        [test_schwab.order(test_schwab.activity(10.0, 20.25), filled=10.0, status="FILLED")],
        test_schwab.spread(test_schwab.activity(2.0, 1.5, 0.3, legs=(1, 2)), filled=2.0),
        test_schwab.order(childOrderStrategies=[test_schwab.order(orderId=5)]),
    )],
    "bitstamp": ['1000 order_created {"price": "250.10", "amount": "2.00000000", "id": 501, "order_type": 0}',
                 '1100 order_changed {"price": "250.10", "amount": "1.25", "id": 501, "order_type": 0}',
                 '1200 order_deleted {"price": "250.10", "amount": "0.5", "id": 501, "order_type": 0}',
                 '1300 trade {"price": 250.1, "amount": 0.75, "id": 9}'],
    "inet": ["A,34200100,501,11.48,300,BID", "R,34200200,501,200", "T,34200200,501,11.48,100", "C,34200300,501",
             "T,34200300,501,11.48,200,TRUE", "A,34200400,502,1.00E-04,5,ASK"],
    "pitch": ["S28800011A1K27GA00000YB000300SPY   0001234500Y", "S28800012E1K27GA00000Y0001001K27GA00001A",
              "S28800013X1K27GA00000Y000100", "S28800014P1K27GA00000ZS000050AAPL  0001819000000000000012"],
    "mbo": ["1715183400000000100,1715183400000000000,A,B,5212250000000,5,6412,128,1001",
            "1715183400000000200,1715183400000000100,F,B,5212250000000,2,6412,0,1002",
            "1715183400000000300,1715183400000000200,M,B,5212250000000,3,6412,128,1003",
            "1715183400000000400,1715183400000000300,C,B,5212250000000,3,6412,128,1004",
            "1715183400000000500,1715183400000000400,T,A,5212250000000,2,0,0,1005"],
}  # fmt: skip
"""Hand-made messages of every format, one line each."""


def head(path: str, count: int = 400) -> list[str]:
    """The first lines of a recorded file, unpacked."""
    found = recorded(path)
    if found.suffix == ".zip":
        with zipfile.ZipFile(found) as archive:
            name = next(name for name in archive.namelist() if "message" in name)
            return archive.read(name).decode().splitlines()[:count]
    if found.suffix == ".json":
        value = json.loads(found.read_text(), parse_float=str)
        return [json.dumps(each) for each in (value if isinstance(value, list) else [value])][:count]
    opened = {".gz": gzip.open, ".xz": lzma.open}.get(found.suffix, open)
    with opened(found, "rt", encoding="utf-8", errors="replace") as file:
        return [line.rstrip("\n") for _, line in zip(range(count), file, strict=False)]


REAL = {
    "lobster": "data/lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip",
    "binance-futures": "data/binance_futures_user_stream/session_01.jsonl",
    "hyperliquid": "data/hyperliquid/user_fills.json",
    "schwab": "data/schwab/order_filled_market.json",
    "bitstamp": "data/bitstamp/2015-05-01.log.xz",
    "inet": "data/inet_orderbook/sample.txt.gz",
    "pitch": "data/bats_pitch/pitch_example_data.gz",
    "mbo": "data/cme_mbo/ESM4_2024-05-08_2s.csv.gz",
}

# ---------------------------------------------------------------------- mutations

NASTY = ["NaN", "Infinity", "-0", "1e999", "-1", "9" * 400, "1e400", "0x10", "٣", "", " ", "null", "true", "[]", "{}", '""',
         "\\ud800", "\x00", "\x01", "|", "=", ",", "é" * 50, "[" * 300, '{"a":' * 300, "9999999999999999999",
         "18446744073709551615", "-9223372036854775809", "99991231-23:59:59", "9999-12-31T23:59:59+0000", "0000", "\u2028",
         "'; DROP TABLE journal; --"]  # fmt: skip
SPLITS = (",", "|", "\x01", '"', ":", " ", "=")

Mutation = Callable[[random.Random, str], str]


def flip(rng: random.Random, text: str) -> str:
    data = bytearray(text.encode())
    for _ in range(rng.randint(1, 4)):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data.decode("utf-8", "replace")


def delete(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + text[at + rng.randint(1, 8) :]


def insert(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(NASTY) + text[at:]


def duplicate(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    end = at + rng.randint(1, 30)
    return text[:end] + text[at:]


def truncate(rng: random.Random, text: str) -> str:
    return text[: rng.randrange(len(text) + 1)]


def swap(rng: random.Random, text: str) -> str:
    """Two fields change places."""
    separator = rng.choice(SPLITS)
    parts = text.split(separator)
    one, two = rng.randrange(len(parts)), rng.randrange(len(parts))
    parts[one], parts[two] = parts[two], parts[one]
    return separator.join(parts)


def replace(rng: random.Random, text: str) -> str:
    """One field becomes something nasty."""
    separator = rng.choice(SPLITS)
    parts = text.split(separator)
    at = rng.randrange(len(parts))
    name, equals, _ = parts[at].partition("=")
    parts[at] = (name + equals if equals and rng.random() < 0.8 else "") + rng.choice(NASTY)
    return separator.join(parts)


def value(rng: random.Random, text: str) -> str:
    """One value of a JSON message becomes something nasty."""
    try:
        message = json.loads(text)
    except ValueError:
        return replace(rng, text)
    places: list[tuple[Any, Any]] = []

    def walk(inside: Any) -> None:
        for place, each in inside.items() if isinstance(inside, dict) else enumerate(inside):
            places.append((inside, place))
            if isinstance(each, dict | list):
                walk(each)

    if isinstance(message, dict | list):
        walk(message)
    if places:
        inside, place = rng.choice(places)
        inside[place] = rng.choice(
            [None, True, 1.5, float("nan"), -1, 0, 1 << 64, (1 << 63) + 1, 10**40, -(1 << 70), [], {}, [[]], "\ud800",
             "x\ud800", "US|D", *NASTY]
        )  # fmt: skip
    return json.dumps(message)


def binary(rng: random.Random, text: str) -> str:
    return rng.randbytes(rng.randint(0, 60)).decode("latin-1")


MUTATIONS: list[Mutation] = [flip, delete, insert, duplicate, truncate, swap, replace, value, value, replace, binary]


def mutated(rng: random.Random, lines: list[str]) -> list[str]:
    """Mutated lines among whole ones; the first is whole, so that the file looks like one of its format."""
    found = [lines[0]]
    for _ in range(PER_ROUND):
        text = rng.choice(lines)
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
            text = rng.choice(MUTATIONS)(rng, text)
        found.append(text)
    return found


# ---------------------------------------------------------------------- the audit survives


def check(format_: str, lines: list[str], journal: Path) -> None:
    data = "\n".join(lines).encode("utf-8", "replace")
    printable = msgspec.json.Encoder(decimal_format="string").encode
    reported: list[tuple[int, str]] = []
    with Audit(
        FORMATS[format_](), journal, trace=lambda line: printable(line) and None, max_finished=5,
        report=lambda line, what: reported.append((line, what)),
    ) as audit:  # fmt: skip
        summary = audit.run(frames(io.BytesIO(data), audit.decoder.framing))
        for each in audit.orders():
            printable(each)
    expected = unreadable(format_, data)
    # Contradictions are reported too.
    assert [told for told in reported if told in expected] == expected
    assert summary.damaged == len(expected)
    verdict = verify(journal)
    assert verdict.ok, verdict.problems


def unreadable(format_: str, data: bytes) -> list[tuple[int, str]]:
    """What must be reported: every frame that its decoder refuses, and by `Damaged`, and every message that the door does."""
    decoder = FORMATS[format_]()
    found: list[tuple[int, str]] = []
    for frame in frames(io.BytesIO(data), decoder.framing):
        if isinstance(frame, TooLong):
            found.append((frame.line, str(frame)))
            continue
        try:
            messages = tuple(decoder.decode(frame[1], frame[0]))
        except Damaged as damaged:
            found.append((frame[0], str(damaged)))
            continue
        for message in messages:
            try:
                for inp in message.inputs:
                    admit(inp, message.at)
            except NotAnInput as refused:
                found.append((frame[0], str(refused)))
    return found


def one_by_one(format_: str, lines: list[str], journal: Path) -> None:
    """The same, and when it fails, once more with as few lines as fail."""
    try:
        check(format_, lines, journal)
    except Exception as first:
        needed = list(lines)
        for size in (64, 16, 4, 1):
            at = 0
            while at < len(needed):
                fewer = needed[:at] + needed[at + size :]
                try:
                    check(format_, fewer, journal.with_name(f"{size}-{at}-{len(needed)}.db"))
                except type(first):
                    needed = fewer
                else:
                    at += size
        raise AssertionError(f"{type(first).__name__}: {str(first)[:300]} -- with {needed!r}") from first


@pytest.mark.parametrize("seed", range(ROUNDS))
@pytest.mark.parametrize("format_", FORMATS)
def test_damaged_messages_are_read_or_reported(tmp_path: Path, format_: str, seed: int) -> None:
    one_by_one(format_, mutated(random.Random(f"{format_}/{seed}"), VALID[format_]), tmp_path / "fuzz.db")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("format_", REAL)
def test_damaged_real_messages_are_read_or_reported(tmp_path: Path, format_: str, seed: int) -> None:
    one_by_one(format_, mutated(random.Random(f"{format_}/{seed}"), head(REAL[format_])), tmp_path / "fuzz.db")


@pytest.mark.parametrize("format_", FORMATS)
def test_the_hand_made_messages_are_valid(tmp_path: Path, format_: str) -> None:
    data = "\n".join(VALID[format_]).encode()
    assert unreadable(format_, data) == []
    check(format_, VALID[format_], tmp_path / "valid.db")


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("seed", range(2))
def test_noise_is_survived(tmp_path: Path, format_: str, seed: int) -> None:
    rng = random.Random(seed)
    lines = [binary(rng, "") for _ in range(300)]
    check(format_, lines, tmp_path / "noise.db")


# ---------------------------------------------------------------------- what is broken is reported

BROKEN = {
    "partfill": ['{"type":"execution","venue":"v","order_id":"O1","key":"k","qty":"1"', '{"type":"execution"}', "[]", "17",
                 '{"type":"execution","venue":"v","order_id":"O1","key":"k","qty":"many"}',
                 '{"type":"execution","venue":"v","order_id":"O1","key":"k","qty":1.5}',
                 '{"type":"execution","venue":"v","order_id":"O1","key":"k","qty":"NaN"}',
                 '{"type":"execution","venue":"v","order_id":"O1","key":"k","qty":"-1"}',
                 '{"type":"execution","venue":"v","order_id":"O1","key":"k","qty":"1","colour":"red"}',
                 '{"type":"nothing","venue":"v"}', "text"],
    "fix": ["8=FIX.4.4|35=8|37|", "8=FIX.4.4|35=8|=5|", trade("E2", "many", 1, 1), trade("E2", "1e999", 1, 1),
            trade("E2", "NaN", 1, 1), "8=FIX.4.4|37=O1|", "8=FIX.4.4 35=8", "35=8|37=O1|", fix("8", order="O1"),
            fix("8", exec_id="E1", type=0), order(side=9), order(qty=""), fix("8", order="O1", type="H", exec_id="E1"),
            report("E1", "0", "0", at="yesterday"), trade("E2", -1, 1, 1)],
    "lobster": ["36000.5,1,7001,300,505000", "36000.5,1,7001,many,505000,-1", "36000.5,9,7001,300,505000,-1",
                "36000.5,1,7001,NaN,505000,-1", "36000.5,1,7001,0,505000,-1", "noon,1,7001,300,505000,-1"],
    "binance-futures": ['{"e": "ORDER_TRADE_UPDATE", "E": 1700000000002, "o": {', '{"e": "ORDER_TRADE_UPDATE"}', '{"e": 5}',
                        json.dumps(test_binance.wire(q="many")), json.dumps(test_binance.wire(q=float("nan"))),
                        json.dumps(test_binance.wire(z="-1")), json.dumps(test_binance.wire(i=None)),
                        json.dumps(test_binance.wire(S="UP")), json.dumps(test_binance.wire() | {"E": "soon"})],
    "hyperliquid": ['{"coin": "ABC", "tid": 5', json.dumps(test_hyperliquid.fill(5, sz="many")), '{"channel": 5}',
                    json.dumps(test_hyperliquid.fill(5, sz="NaN")), json.dumps(test_hyperliquid.fill(5, sz="-1")),
                    json.dumps(test_hyperliquid.fill(5, oid=None)), json.dumps(test_hyperliquid.fill(5, side="up")),
                    '{"a": 1}'],
    "schwab": ['{"orderId": 5, "quantity": ', json.dumps(test_schwab.order(quantity="many")), '{"a": 1}',
               json.dumps(test_schwab.order(filledQuantity="NaN")), json.dumps(test_schwab.order(filled=-1.0)),
               json.dumps(test_schwab.order(orderLegCollection=[])), json.dumps(test_schwab.order(enteredTime="noon"))],
    "bitstamp": ['1000 order_created {"price": "250.10"', "1000 party {}", "order_created {}",
                 '1000 order_created {"price": "a", "amount": "2", "id": 5, "order_type": 0}',
                 '1000 order_created {"price": "1", "amount": "-2", "id": 5, "order_type": 0}',
                 '1000 order_created {"price": "1", "amount": "2", "id": 5, "order_type": 7}'],
    "inet": ["A,34200100,501,11.48,300", "A,34200100,501,11.48,many,BID", "A,34200100,501,11.48,NaN,BID", "Z,34200100,501",
             "A", "C,noon,501"],
    "pitch": ["S28800011A1K27GA00000YB000300SPY   000123450", "S28800012E1K27GA00000YmanyXX1K27GA00001A", "S2880001",
              "Sxxxxxxxx", "S28800013Z1K27GA00000Y000100", "X28800013X1K27GA00000Y000100"],
    "mbo": ["1,2,A,B,5212250000000,5,6412,128", "1,2,A,B,5212250000000,many,6412,128,1001",
            "1,2,Z,B,5212250000000,5,6412,128,1", "1,2,A,B,5212250000000,NaN,6412,128,1001",
            "1,2,A,Q,5212250000000,5,6412,128,1001"],
}  # fmt: skip


@pytest.mark.parametrize(("format_", "broken"), [(name, line) for name, lines in BROKEN.items() for line in lines])
def test_a_broken_message_is_reported_with_its_line_and_value(tmp_path: Path, format_: str, broken: str) -> None:
    reported: list[tuple[int, str]] = []
    before = VALID[format_][0]
    data = f"{before}\n{broken}\n{before}\n".encode()
    with Audit(FORMATS[format_](), report=lambda line, what: reported.append((line, what))) as audit:
        audit.run(frames(io.BytesIO(data), audit.decoder.framing))
    assert [line for line, _ in reported] == [2]
    assert len(reported[0][1]) > 15


def with_number(name: str, value: int) -> str:
    """An execution line whose `name` is a number that our own values refuse."""
    line = to_json(execution("O1", "k", **{name: 1})).decode()  # type: ignore[arg-type]
    return line.replace(f'"{name}":1', f'"{name}":{value}')


HOSTILE: dict[str, tuple[str, str]] = {
    "binance, text that is no Unicode": ("binance-futures", json.dumps(test_binance.wire(c="\ud800"))),
    "binance, a currency with a separator": ("binance-futures", json.dumps(test_binance.trade(5, "1", "1", N="US|D"))),
    "hyperliquid, text that is no Unicode": ("hyperliquid", json.dumps(test_hyperliquid.fill(5, coin="\ud800"))),
    "hyperliquid, a currency with a separator": ("hyperliquid", json.dumps(test_hyperliquid.fill(5, feeToken="US|D"))),
    "schwab, text that is no Unicode": ("schwab", json.dumps(
        test_schwab.order(orderLegCollection=[test_schwab.leg(symbol="\ud800")]))),
    "schwab, the year 9999": ("schwab", json.dumps(test_schwab.order(enteredTime="9999-12-31T23:59:59+0000"))),
    "fix, the year 9999 sent": ("fix", trade("E2", 1, 1, 999, at="99991231-23:59:59")),
    "fix, the year 9999 traded": ("fix", trade("E2", 1, 1, 999) + "60=99991231-23:59:59|"),
    "fix, a currency with a separator": (
        "fix", (trade("E2", 1, 1, 999) + "12=1|15=USD|").replace("|", "\x01").replace("USD", "US|D")),
    "bitstamp, the year 2423": ("bitstamp", VALID["bitstamp"][0].replace("1000", "14304384428110", 1)),
    "mbo, a time beyond 64 bits": ("mbo", VALID["mbo"][1].replace("1715183400000000100", "9" * 19, 1)),
    "mbo, a time received beyond 64 bits": ("mbo", VALID["mbo"][0].replace("1715183400000000100", "9" * 19, 1)),
    "partfill, a time beyond 63 bits": ("partfill", with_number("venue_time", (1 << 64) - 1)),
    "partfill, a time beyond 64 bits": ("partfill", with_number("as_of", 1 << 64)),
    "partfill, a currency with a separator": (
        "partfill", to_json(execution("O1", "k", fee=Decimal(1), fee_currency="U|D")).decode()),
    "inet, a price beyond measure": ("inet", "A,34200400,502,1.00E-84,5,ASK"),
    "fix, keys that differ after a zero byte": ("fix", trade("E\x00a", 1, 1, 999) + "\n" + trade("E\x00b", 1, 2, 998)),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_value_is_read_or_reported(tmp_path: Path, what: str) -> None:
    format_, line = HOSTILE[what]
    check(format_, [VALID[format_][0], line], tmp_path / "hostile.db")


def test_every_format_is_fuzzed() -> None:
    assert VALID.keys() == FORMATS.keys() == BROKEN.keys()
    assert all(FORMATS[name]().framing in Framing for name in FORMATS)
