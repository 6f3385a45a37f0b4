"""Protection in the journal: after any restart it is there as it was, and a replay proves it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from partfill.journal.journal import Journal
from partfill.journal.protection_state import protection_row
from partfill.journal.verify import verify
from partfill.model.capabilities import Capabilities
from partfill.model.commands import Restarted, Unprotect
from partfill.model.words import Side
from partfill.sim.world import World
from tests.core.driven import PLAIN, SECOND, TOTAL, VENUE
from tests.core.test_protection import STOP, TARGET, Market
from tests.journal.test_dust_journal import kept

GUARDED = [seed for seed in range(710_000, 710_060) if World(seed).guards.wanted][:8]


@pytest.mark.parametrize("rules", [PLAIN, TOTAL])
async def test_after_every_step_and_a_restart_it_is_what_it_was(tmp_path: Path, rules: Capabilities) -> None:
    market = Market(rules, STOP, TARGET)
    market.enters("300", "100", "60")
    market.trades("target", "50")
    market.enters("300", "20")
    (name, *_) = [order for order, (leg, *_) in market.orders.items() if leg == "stop"]
    market.ends(name)
    market.answer()
    market.fresh = market.wait(SECOND)
    market.answer()
    market.trades("stop", "130")
    market.enters("50", "50", ref="again")
    market.feed(Restarted(desk="d"))
    db = tmp_path / "p.db"
    engine = await kept(db, market)
    ours, theirs = ([protection_row(each, 0) for each in of.desk.protections.values()] for of in (market.engine, engine))
    assert ours == theirs
    assert engine.holdings is not None
    assert {key: position.qty for key, position in engine.holdings.positions.items()} == {(VENUE, "", "ACME"): Decimal(50)}
    for most in (0, 1 << 30):
        assert verify(db, max_finished=most).problems == []


async def test_what_is_taken_back_is_not_there_after_a_restart(tmp_path: Path) -> None:
    market = Market(TOTAL, STOP)
    market.enters("10", "10")
    market.feed(Unprotect(venue=VENUE, instrument="ACME", side=Side.BUY))
    market.answer()
    engine = await kept(tmp_path / "p.db", market)
    assert engine.desk.protections == {}
    assert engine.desk.next_protection == 2
    assert verify(tmp_path / "p.db").problems == []


BROKE = [
    pytest.param(720_265, 12, id="what waited to be placed beside what works was not waited for"),
    pytest.param(721_876, 6, id="when a target may fire again was forgotten"),
    pytest.param(740_909, 9, id="protections were brought to their size in another order"),
]


@pytest.mark.parametrize(("seed", "every"), [*((seed, 0) for seed in GUARDED), *((seed, 7) for seed in GUARDED), *BROKE])
async def test_a_world_with_protection_is_proven_by_a_replay(seed: int, every: int, tmp_path: Path) -> None:
    world = World(seed)
    world.run()
    db = tmp_path / "world.db"
    journal = await Journal.open(db, quiet_ns=0, max_finished=2)
    for number, (inp, now) in enumerate(world.log):
        if type(inp) is Restarted or (every and number % every == 0):
            await journal.close()
            journal = await Journal.open(db, quiet_ns=0, max_finished=2)
        journal.stage(inp, now)
    await journal.close()
    verdict = verify(db, max_finished=0)
    assert verdict.problems == []
    assert verdict.rows["positions"] > 0
