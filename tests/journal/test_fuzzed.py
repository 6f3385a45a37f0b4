"""Fuzzed journals: memory, tables and replay say the same. `scripts/fuzz_journals.py` runs many more of them."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

from tests.journal.fuzzed import wrong

FOUND = (
    *(
        3,
        5,
        12,
        14,
        20,
        31,
        33,
        37,
        41,
        46,
        50,
        55,
        61,
        65,
        66,
        86,
        87,
        91,
        94,
        100,
        105,
        111,
        143,
        155,
        157,
        185,
        211,
        266,
        272,
    ),
    *(291, 304, 430, 437, 524, 626, 722, 746, 785, 790, 841, 894, 911, 935, 984, 990, 1026, 1027, 1030, 1056, 1063, 1102, 1112),
    *(
        1135,
        1137,
        1184,
        1195,
        1223,
        1236,
        1263,
        1371,
        3527,
        3612,
        3877,
        4927,
        6622,
        6845,
        7471,
        7675,
        7830,
        7894,
        102276,
        106540,
    ),
    *(
        20601,
        20707,
        21757,
        22016,
        102764,
        103307,
        103904,
        107846,
        201235,
        202425,
        203577,
        205237,
        205567,
        206723,
        207046,
        208026,
    ),
    *(209686, 301326),
)
"""Seeds that once were wrong."""
FRESH = range(20_000, 20_060)


@pytest.mark.parametrize("seed", FOUND)
def test_a_journal_that_was_wrong_once_is_right(seed: int, tmp_path: Path) -> None:
    assert wrong(seed, tmp_path) is None


@pytest.mark.parametrize("seed", FRESH)
def test_memory_tables_and_replay_say_the_same(seed: int, tmp_path: Path) -> None:
    assert wrong(seed, tmp_path) is None


def test_the_script_says_what_it_did(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts"))
    script = importlib.import_module("fuzz_journals")
    monkeypatch.setattr(sys, "argv", ["fuzz_journals.py", "--count", "3", "--seed", "30000"])
    assert script.main() == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["journals"], said["clean"], said["found"]) == (3, True, [])
    monkeypatch.setattr(script, "WRONG", lambda seed, folder: "it differs")
    assert script.main() == 1
    assert json.loads(capsys.readouterr().out)["found"][0] == {"seed": 30000, "what": "it differs"}
