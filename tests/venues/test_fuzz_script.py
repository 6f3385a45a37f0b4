"""The script that sends mutated messages through every decoder: it is clean, says what it did, and can fail."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from partfill.venues.formats import FORMATS

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz_decoders.py"


def script() -> Any:
    spec = importlib.util.spec_from_file_location("fuzz_decoders", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("format_", FORMATS)
def test_mutated_messages_let_nothing_but_damage_escape(format_: str) -> None:
    done = script().fuzz(format_, 3000, 5)
    assert [each for each in done["found"] if not each["error"].startswith("took")] == []
    assert done["read"] + done["refused"] == 3000
    assert done["read"] > 100
    assert done["refused"] > 100


def test_what_escapes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, raw: str, number: int) -> Any:
        raise KeyError(raw)

    monkeypatch.setattr(FORMATS["lobster"], "decode", broken)
    assert script().fuzz("lobster", 10, 5)["found"][0]["error"].startswith("KeyError")
