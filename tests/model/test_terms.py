"""The terms of an order in the journal: what is not asked for is not written, and what old journals wrote is read."""

from __future__ import annotations

from decimal import Decimal

from partfill.model.codec import input_from_journal, to_json
from partfill.model.inputs import OrderPlaced
from partfill.model.terms import Terms
from partfill.model.words import Side

OLD = (
    b'{"type":"order_placed","venue":"x","terms":{"instrument":"I","side":"buy","order_qty":"5","cash_order_qty":null,'
    b'"price":"2","stop_px":null,"ord_type":"limit","time_in_force":"day","base":null},"cl_ord_id":"c1"}'
)
"""As journals had it before orders could be post-only or reduce-only."""


def test_a_journal_from_before_post_only_and_reduce_only_replays() -> None:
    terms = Terms(instrument="I", side=Side.BUY, order_qty=Decimal(5), price=Decimal(2))
    assert input_from_journal(OLD) == OrderPlaced(venue="x", cl_ord_id="c1", terms=terms)


def test_flags_are_written_when_they_are_set() -> None:
    plain = Terms(instrument="I", side=Side.BUY, order_qty=Decimal(5))
    flagged = Terms(instrument="I", side=Side.BUY, order_qty=Decimal(5), post_only=True, reduce_only=True)
    assert b"_only" not in to_json(OrderPlaced(venue="x", cl_ord_id="c1", terms=plain))
    line = to_json(OrderPlaced(venue="x", cl_ord_id="c1", terms=flagged))
    assert b'"post_only":true,"reduce_only":true' in line
    assert input_from_journal(line) == OrderPlaced(venue="x", cl_ord_id="c1", terms=flagged)
