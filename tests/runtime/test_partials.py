"""The bytes of an outside report: what is signed, what is read exactly, and what is refused before anything is looked up."""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partfill.model.policy import Remainder
from partfill.model.words import Side
from partfill.runtime.partials import Refusal, Refused, read, sign, signed

SECRET = b"s" * 32
WIRE = {
    "order_id": "0xcccc3333dddd4444eeee5555ffff6666aaaa7777bbbb8888cccc9999dddd0000", "status": "PARTIAL", "filled_usd": 200,
    "remaining_usd": 250, "original_price": 0.62, "side": "BUY", "collateral": "pUSD",
    "builder_code": "0x706f6c7974726164657273000000000000000000000000000000000000000000", "event_ts_ms": 1746770100000,
}  # fmt: skip


def body(**changed: Any) -> bytes:
    said = {name: value for name, value in (WIRE | changed).items() if value is not ...}
    return json.dumps(said).encode()


def code(raw: bytes) -> Refusal:
    with pytest.raises(Refused) as refused:
        read(raw)
    assert 0 < len(str(refused.value)) < 400
    return refused.value.code


def test_the_example_of_the_document_is_read() -> None:
    said = read(body(market_id="0x1a2b", policy="hold"))
    assert (said.order_id, said.side, said.event_ts) == (WIRE["order_id"], Side.BUY, 1746770100000)
    assert (said.filled_usd, said.remaining_usd, said.original_price) == (200, 250, Decimal("0.62"))
    assert (said.collateral, said.builder_code, said.market_id) == ("pUSD", WIRE["builder_code"], "0x1a2b")
    assert said.policy is Remainder.HOLD
    assert read(body(policy=None, side="sell", more={"deep": [1.5]})).side is Side.SELL


def test_numbers_are_the_digits_that_stand_there() -> None:
    raw = body().replace(b"0.62", b"0.1000000000000000055511151231257827021181583404541015625")
    assert read(raw).original_price == Decimal("0.1000000000000000055511151231257827021181583404541015625")
    assert read(body(original_price="0.30", filled_usd="0.1")).original_price == Decimal("0.3")
    assert str(read(body(filled_usd="200.10")).filled_usd) == "200.10"


@pytest.mark.parametrize(
    "changed",
    [
        *({name: ...} for name in ("order_id", "filled_usd", "remaining_usd", "original_price", "side", "event_ts_ms")),
        *({name: bad} for name in ("filled_usd", "remaining_usd") for bad in (0, -1, None, True, "x", "1_0", " 1", [], "NaN")),
        *({"original_price": bad} for bad in (None, True, "0x1", {}, "1e400", "9" * 61)),
        *({"order_id": bad} for bad in ("", 5, None, "x" * 257, ["a"])),
        *({"side": bad} for bad in ("", "HOLD", 1, None)),
        *({"event_ts_ms": bad} for bad in (0, -1, 1.5, "5", True, None, 1 << 53, [1])),
        *({"policy": bad} for bad in ("double", 1, "")),
        *({name: bad} for name in ("market_id", "collateral", "builder_code", "venue", "account") for bad in (1, "x" * 257)),
    ],
    ids=str,
)
def test_what_cannot_be_is_malformed(changed: dict[str, Any]) -> None:
    assert code(body(**changed)) is Refusal.MALFORMED


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"null", b"[]", b'"PARTIAL"', b"{", b"\xff\xfe{}", body() + b"x", body().replace(b"0.62", b"NaN"),
        body().replace(b"200", b"Infinity"), body().replace(b"0.62", b"1e999999999999999999999"), b"[" * 16_000,
        body().replace(b'"status"', b'"side": "SELL", "status"'), body(order_id="\ud800"), b'{"a":' * 3000,
        body().replace(b"1746770100000", b"1" * 5000), body().replace(b"1746770100000", b"1746770100000.0"),
    ],
    ids=range(16),
)  # fmt: skip
def test_what_is_no_report_is_malformed(raw: bytes) -> None:
    assert code(raw) is Refusal.MALFORMED


@pytest.mark.parametrize("status", ["FILLED", "partial", "CANCELLED", "NEW"])
def test_only_a_partial_fill_calls_for_a_decision(status: str) -> None:
    assert code(body(status=status)) is Refusal.NOT_PARTIAL


def test_the_signature_is_over_version_key_time_and_the_very_bytes() -> None:
    canonical = b'partfill-partial-v1\nkey-1\n1746770100123\n{"a":1}'
    expected = hmac.new(SECRET, canonical, hashlib.sha256).hexdigest()
    assert sign(SECRET, "key-1", 1746770100123, b'{"a":1}') == expected
    assert signed(SECRET, "key-1", 1746770100123, b'{"a":1}', expected)
    for other in (expected.upper(), expected[:-1], expected + "0", "", "é" * 64, "\ud800", f" {expected}"):
        assert not signed(SECRET, "key-1", 1746770100123, b'{"a":1}', other)
    assert not signed(SECRET, "key-2", 1746770100123, b'{"a":1}', expected)
    assert not signed(SECRET, "key-1", 1746770100124, b'{"a":1}', expected)
    assert not signed(SECRET[1:] + b"x", "key-1", 1746770100123, b'{"a":1}', expected)


def test_a_byte_changed_anywhere_breaks_the_signature() -> None:
    raw = body()
    right = sign(SECRET, "k", 1, raw)
    for at in range(len(raw)):
        other = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        assert not signed(SECRET, "k", 1, other, right)
    for at in range(len(right)):
        assert not signed(SECRET, "k", 1, raw, right[:at] + ("0" if right[at] != "0" else "1") + right[at + 1 :])


@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*WIRE, "x"]), inner, max_size=6),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_whatever_comes_is_read_or_refused(raw: bytes) -> None:
    why = None
    with suppress(Refused):
        read(raw)
        why = "read"
    if why is None:
        assert code(raw) in (Refusal.MALFORMED, Refusal.NOT_PARTIAL)
