"""The commands of the control socket as they are read: numbers that may have been floats, and what is no policy."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from partfill import FillManager
from partfill.service.control import Control
from tests.runtime.test_manager import paper

SUBMIT = {"cmd": "submit", "ref": "r", "instrument": "ACME", "side": "buy", "qty": "1", "price": "2"}


@pytest.mark.parametrize(
    ("remainder", "why"),
    [
        ({"min_remainder_size": 1.5}, 'remainder.min_remainder_size is the float 1.5; give the digits as text, such as "1.5"'),
        ({"taker_fee_rate": 0.001}, "remainder.taker_fee_rate is the float 0.001"),
        ({"chase_max_ticks": 3.0}, "remainder.chase_max_ticks is the float 3.0"),
        ({"chase_max_ticks": 11}, "locked to 0 to 10 ticks"),
        ({"chase_max_ticks": "3"}, "chase_max_ticks"),
        ({"chase_max_ticks": True}, "chase_max_ticks"),
        ({"default_policy": "run"}, "default_policy"),
        ({"polcy": "hold"}, "its fields are default_policy, min_remainder_size"),
        ({"min_remainder_size": "nan"}, "min_remainder_size"),
        ({"min_remainder_size": "1e999"}, "min_remainder_size"),
        ({"min_remainder_size": [1]}, "min_remainder_size"),
        (["hold"], "remainder"),
    ],
)
async def test_a_policy_that_is_none_is_refused_by_name(remainder: Any, why: str, tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "f.db", venues=[paper()]) as fills:
        control, before = Control(fills, tmp_path / "f.db"), fills.journal.seq
        answer = json.loads(await control.line(json.dumps({**SUBMIT, "remainder": remainder}).encode()))
        assert not answer["ok"]
        assert why in answer["error"]
        assert fills.journal.seq == before


async def test_digits_as_text_and_whole_numbers_are_a_policy(tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "f.db", venues=[paper()]) as fills:
        control = Control(fills, tmp_path / "f.db")
        policy = {"default_policy": "chase", "min_remainder_size": "1.5", "chase_max_ticks": 2, "taker_fee_rate": "0.001"}
        answer = await control.answer(json.dumps({**SUBMIT, "remainder": policy}).encode())
        assert answer["ok"], answer
        order = fills.order("r")
        assert order is not None
        assert order.parent.handling is not None
        kept = order.parent.handling.policy
        assert (kept.default_policy, kept.min_remainder_size, kept.chase_max_ticks, kept.taker_fee_rate) == (
            "chase", Decimal("1.5"), 2, Decimal("0.001"),
        )  # fmt: skip
        whole = await control.answer(json.dumps({**SUBMIT, "ref": "s", "remainder": {"min_remainder_size": 7}}).encode())
        assert whole["ok"], whole
