"""What partfill does not do is refused by name: inverse contracts and accounts in hedge mode."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from partfill import FillManager, Limit
from partfill.model.capabilities import Capabilities
from partfill.model.instrument import Instrument
from partfill.runtime.audit import Audit
from partfill.runtime.manager import Refused
from partfill.venues.binance.decoder import BinanceFuturesDecoder
from partfill.venues.paper.exchange import PAPER
from partfill.venues.paper.venue import PaperVenue
from tests.runtime.test_manager import paper

MS = 1_700_000_000_000
BUY: dict[str, Any] = {"side": "buy", "qty": "1", "price": "100"}


class Hedged(PaperVenue):
    """An account that may be long and short at once."""

    @property
    def capabilities(self) -> Capabilities:
        return msgspec.structs.replace(PAPER, hedge_mode=True)


class Inverse(PaperVenue):
    """ACME is a contract worth units divided by price."""

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        listed = dict(super().instruments)
        return listed | {"ACME": msgspec.structs.replace(listed["ACME"], inverse=True)}


def as_kind(kind: type[PaperVenue]) -> PaperVenue:
    venue = paper()
    venue.__class__ = kind
    return venue


async def test_a_venue_in_hedge_mode_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="paper is in hedge mode"):
        async with FillManager.open(tmp_path / "fills.db", [as_kind(Hedged)]):
            pass
    # The journal is let go, and goes on with a venue that is not.
    async with FillManager.open(tmp_path / "fills.db", [paper()]) as fills:
        assert fills.running


async def test_nothing_of_an_inverse_contract_is_placed_tracked_or_protected_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with FillManager.open(tmp_path / "fills.db", [as_kind(Inverse)]) as fills:
        with pytest.raises(Refused, match="ACME at paper is an inverse contract"):
            await fills.submit(Limit("ACME", **BUY))
        with pytest.raises(Refused, match="inverse contract"):
            await fills.track(Limit("ACME", **BUY), order_id="X1")
        with pytest.raises(Refused, match="inverse contract"):
            await fills.positions.protect("ACME", "long", stop="90")
        order = await fills.submit(Limit("BTC-USD", side="buy", qty="1", price="1"))
        assert order.ref
        assert len(fills.engine.desk.parents) == 1


def test_an_audit_says_that_an_account_is_in_hedge_mode_and_reads_its_orders(tmp_path: Path) -> None:
    said = {
        "s": "ACMEUSDT", "c": "c1", "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "10", "p": "5", "ap": "5", "sp": "0",
        "x": "TRADE", "X": "PARTIALLY_FILLED", "i": 7, "l": "4", "z": "4", "L": "5", "T": MS, "ot": "LIMIT", "ps": "SHORT",
    }  # fmt: skip
    events = [{"e": "ORDER_TRADE_UPDATE", "E": MS + n, "o": said | {"t": n, "z": str(4 * n)}} for n in (1, 2)]
    lines = [json.dumps(event) for event in events]
    heard: list[str] = []
    audit = Audit(BinanceFuturesDecoder(), report=lambda line, what: heard.append(what))
    audit.run(iter(enumerate(lines, 1)))
    (row,) = audit.orders()
    assert row["cum_qty"] == "8"
    assert len([what for what in heard if "hedge mode" in what]) == 1
    audit.close()
