"""Random trading at a paper exchange, out of a seed, for tests that compare what it says with what is made of it."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import Any

import msgspec

from partfill.core.engine import Engine
from partfill.model.codec import to_json
from partfill.model.inputs import OrderPlaced, VenueDeclared
from partfill.model.operations import Cancel, Place, Replace
from partfill.model.terms import Terms
from partfill.model.words import OrdType, TimeInForce
from partfill.venues.paper.exchange import PAPER, Exchange
from partfill.venues.paper.market import SHAPES, generated
from tests.venues.paper.desk import BUY, SELL, D, cancel, place, replace

GTC, IOC, FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK
LISTINGS = [SHAPES[name].listing for name in ("ACME", "THIN")]


class Trader:
    """Random requests of two accounts against a generated market; everything is fed to an engine as it is said."""

    def __init__(self, seed: int, feed: Engine | None, exchange: Exchange | None = None) -> None:
        self.rng = Random(seed)
        shapes = [SHAPES["ACME"], SHAPES["THIN"]]
        self.exchange = exchange if exchange is not None else Exchange(LISTINGS)
        self.engine = feed
        self.lines: list[bytes] = []
        self.now = 0
        self.names: list[tuple[str, str, str]] = []
        self.exchange.listeners.append(self._heard)
        if feed is not None:
            feed.step(VenueDeclared(venue="paper", capabilities=PAPER), 0)
        for number, (_, event) in enumerate(islice(generated(shapes, seed), 1500)):
            self.now += 1
            self.exchange.market(event, self.now)
            if number > 200 and number % 4 == 0:
                self._act(number)
            if number == 1000:
                self.exchange.end_day(self.now)

    def _heard(self, report: Any) -> None:
        self.lines.append(to_json(report))
        if self.engine is not None:
            self.engine.step(report, self.now)

    def _act(self, number: int) -> None:
        rng = self.rng
        account = rng.choice("ab")
        luck = rng.randrange(10)
        op: Place | Cancel | Replace
        if luck < 6 or not self.names:
            wanted = self._terms()
            op = place(f"c{number}", wanted, account)
            if self.engine is not None:
                placed = OrderPlaced(venue="paper", account=account, terms=wanted, cl_ord_id=op.cl_ord_id)
                self.engine.step(placed, self.now)
            self.names.append((op.cl_ord_id, account, wanted.instrument))
        else:
            name, account, symbol = rng.choice(self.names)
            if luck < 8:
                op = msgspec.structs.replace(cancel(name, f"x{number}", account), instrument=symbol)
            else:
                price = str(D(rng.randrange(800, 2600)) / 100) if rng.randrange(2) else None
                op = replace(name, str(rng.randrange(1, 300)), price, f"r{number}", account)
                self.names.append((op.cl_ord_id, account, symbol))
        self.lines.append(msgspec.json.encode(self.exchange.apply(op, self.now)))

    def _terms(self) -> Terms:
        rng = self.rng
        symbol = rng.choice(["ACME", "THIN"])
        last = self.exchange.markets[symbol].last or D(10)
        near = last + D(rng.randrange(-8, 9)) / 100
        kind = rng.choice([OrdType.LIMIT] * 4 + [OrdType.MARKET, OrdType.STOP, OrdType.STOP_LIMIT])
        limited, stops = kind in (OrdType.LIMIT, OrdType.STOP_LIMIT), kind in (OrdType.STOP, OrdType.STOP_LIMIT)
        tif = rng.choice([TimeInForce.DAY, GTC] if stops else [TimeInForce.DAY, GTC, IOC, FOK])
        return Terms(
            instrument=symbol, side=rng.choice([BUY, SELL]), order_qty=D(rng.randrange(1, 400)), ord_type=kind,
            price=near if limited else None, stop_px=last + D(rng.randrange(-9, 10)) / 100 if stops else None,
            time_in_force=tif, post_only=kind is OrdType.LIMIT and tif is GTC and rng.randrange(3) == 0,
            reduce_only=rng.randrange(3) == 0,
        )  # fmt: skip
