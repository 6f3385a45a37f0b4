"""partfill dust: what was left of orders and was worth too little to keep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from partfill.cli.main import main
from partfill.model.policy import DustUse
from tests.core.driven import PLAIN, Driven
from tests.core.test_dust import dusty, policy
from tests.journal.test_dust_journal import kept


@pytest.fixture
async def db(tmp_path: Path) -> Path:
    """Dust of two orders, of which the next one of the side took one."""
    desk = Driven(PLAIN)
    dusty(desk, "a", DustUse.NEXT_ORDER)
    dusty(desk, "b", left="1.50")
    desk.submit(ref="c", remainder=policy(DustUse.NEXT_ORDER))
    path = tmp_path / "d.db"
    await kept(path, desk)
    return path


def partfill(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


def test_as_a_table(db: Path) -> None:
    done = partfill("dust", db)
    head, *rows, foot = done.stdout.splitlines()
    assert head.split() == [
        *("since", "venue", "account", "instrument", "side", "qty", "price", "value", "state", "use", "taken_by", "ref"),
        "order_ids",
    ]  # fmt: skip
    assert rows[0].split()[2:] == ["venue", "ACME", "buy", "1", "100", "100", "taken", "next_order", "c", "a", "V-a"]
    assert rows[1].split()[2:] == ["venue", "ACME", "buy", "1.5", "100", "150", "open", "record", "-", "b", "V-b"]
    assert foot == "2 specks of dust"
    assert done.exit_code == 0


def test_as_json_and_by_state(db: Path) -> None:
    (line,) = partfill("dust", db, "--json", "--state", "open").stdout.splitlines()
    said = json.loads(line)
    assert said.pop("since") > 0
    assert said == {
        "venue": "venue", "account": "", "instrument": "ACME", "side": "buy", "ref": "b", "order_ids": ["V-b"], "qty": "1.5",
        "price": "100", "use": "record", "state": "open", "taken_by": None, "value": "150",
    }  # fmt: skip


def test_only_the_newest_and_only_of_one_instrument(db: Path) -> None:
    assert "b" in partfill("dust", db, "--limit", 1, "--json").stdout
    assert partfill("dust", db, "--instrument", "OTHER").stdout == "0 specks of dust\n"
    assert partfill("dust", db, "--state", "swept").exit_code == 2
