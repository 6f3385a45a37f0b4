"""Planted faults still fit the source, and the page says what was found. Planting them is `scripts/planted_faults.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {
    *("ledger", "claims", "corrections", "ids", "parent", "planner", "refused", "presumed", "rulings", "kill switch"),
    *("protection", "position", "remainder", "journal", "outbox", "manager"),
}


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("faults", "plant", "planted_faults")]:
        del sys.modules[name]


def test_every_fault_still_fits_its_file_and_the_file_with_it_is_python() -> None:
    from faults import FAULTS, planted

    for fault in FAULTS:
        source = (ROOT / "src" / "partfill" / fault.file).read_text("utf-8")
        compile(planted(fault, source), fault.file, "exec")
        assert fault.tests, fault.name
        for test in fault.tests:
            assert (ROOT / test).is_file(), f"{fault.name} names {test}"


def test_there_are_enough_of_them_in_every_room_under_names_of_their_own() -> None:
    from faults import FAULTS

    assert len(FAULTS) >= 60
    assert {fault.room for fault in FAULTS} == ROOMS
    assert len({fault.name for fault in FAULTS}) == len({(fault.file, fault.old, fault.new) for fault in FAULTS}) == len(FAULTS)


def test_a_fault_that_does_not_fit_is_an_error_that_says_so() -> None:
    from faults import FAULTS, Misplanted, planted

    fault = FAULTS[0]
    for source, times in (("nothing", 0), (fault.old * 2, 2)):
        with pytest.raises(Misplanted, match=f"{fault.name}: its text occurs {times} times in {fault.file}, not once"):
            planted(fault, source)
    with pytest.raises(Misplanted, match="changes nothing"):
        planted(fault._replace(new=fault.old), fault.old)


def test_the_page_is_written_from_what_was_found() -> None:
    import planted_faults

    assert planted_faults.PAGE.read_text("utf-8") == planted_faults.page(planted_faults.kept())


def test_tests_noticed_every_fault_and_what_the_simulator_did_not_is_explained() -> None:
    import planted_faults
    from faults import FAULTS

    found = planted_faults.kept()
    assert set(found) == {fault.name for fault in FAULTS}
    assert [name for name, each in found.items() if not each["test"]] == []
    for fault in FAULTS:
        assert (ROOT / found[fault.name]["test"].partition("::")[0]).is_file()
    for fault in FAULTS:
        told = found[fault.name].get("why") is not None
        assert told or fault.unseen, f"{fault.name}: the simulator did not notice, and nobody says why"
