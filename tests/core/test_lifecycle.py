"""The tables of order status: complete, in FIX order, and derived by precedence alone."""

from __future__ import annotations

import itertools

import pytest

from partfill.core.lifecycle import (
    EFFECTS,
    ENDED,
    ENDED_DAY,
    GOOD_TILL,
    PRINTED_ENDS,
    STATUS_OF_FACT,
    WORD_EFFECTS,
    Fact,
    end_mask,
    status_of,
)
from partfill.model.words import ExecType, OrdStatus, Request, TimeInForce

PRECEDENCE = [
    OrdStatus.PENDING_CANCEL,
    OrdStatus.PENDING_REPLACE,
    OrdStatus.DONE_FOR_DAY,
    OrdStatus.CALCULATED,
    OrdStatus.FILLED,
    OrdStatus.STOPPED,
    OrdStatus.SUSPENDED,
    OrdStatus.CANCELED,
    OrdStatus.PARTIALLY_FILLED,
    OrdStatus.NEW,
    OrdStatus.ACCEPTED_FOR_BIDDING,
]
"""As FIX 4.4 Volume 4 prints it, highest first; Expired ranks with Canceled, Rejected and PendingNew with New."""
TOGETHER = [{OrdStatus.CANCELED, OrdStatus.EXPIRED}, {OrdStatus.NEW, OrdStatus.REJECTED, OrdStatus.PENDING_NEW}]


def test_every_report_has_an_effect() -> None:
    assert set(EFFECTS) == set(ExecType)
    assert all(effect.meaning for effect in EFFECTS.values())


def test_every_status_word_has_an_effect() -> None:
    assert set(WORD_EFFECTS) == set(OrdStatus)


def test_every_fact_is_one_bit_and_one_status() -> None:
    assert [fact.value for fact in Fact] == [1 << at for at in range(len(Fact))]
    assert list(STATUS_OF_FACT) == list(Fact)
    assert set(STATUS_OF_FACT.values()) == set(OrdStatus)


def test_facts_stand_in_the_precedence_of_fix() -> None:
    ours = [STATUS_OF_FACT[fact] for fact in sorted(Fact, reverse=True)]
    assert [status for status in ours if status in PRECEDENCE] == PRECEDENCE
    for group in TOGETHER:
        at = sorted(ours.index(status) for status in group)
        assert at == list(range(at[0], at[0] + len(group))), group


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(Fact, 2)))
def test_of_two_facts_the_higher_is_the_status(one: Fact, other: Fact) -> None:
    assert status_of(one | other) is STATUS_OF_FACT[max(one, other)]


@pytest.mark.parametrize("fact", Fact)
def test_one_fact_is_its_status(fact: Fact) -> None:
    assert status_of(fact) is STATUS_OF_FACT[fact]


def test_no_fact_is_an_order_that_was_not_acknowledged() -> None:
    assert status_of(0) is OrdStatus.PENDING_NEW


def test_quantities_are_never_a_word_s_effect() -> None:
    by_quantity = Fact.FILLED | Fact.PARTIALLY_FILLED
    for effect in (*EFFECTS.values(), *WORD_EFFECTS.values()):
        assert not (effect.sets | effect.clears) & by_quantity


def test_pending_is_a_request_and_never_a_fact_that_a_word_sets() -> None:
    for effect in (*EFFECTS.values(), *WORD_EFFECTS.values()):
        assert not effect.sets & (Fact.PENDING_CANCEL | Fact.PENDING_REPLACE)
    asked = {kind: effect.acknowledges for kind, effect in EFFECTS.items() if effect.acknowledges}
    assert asked == {ExecType.PENDING_CANCEL: Request.CANCEL, ExecType.PENDING_REPLACE: Request.REPLACE}


def test_terms_move_on_new_replaced_and_restated_only() -> None:
    moving = {kind for kind, effect in EFFECTS.items() if effect.terms}
    assert moving == {ExecType.NEW, ExecType.REPLACED, ExecType.RESTATED}


def test_requests_fall_with_the_order_that_ends() -> None:
    assert {kind for kind, effect in EFFECTS.items() if effect.ends} == {ExecType.CANCELED, ExecType.EXPIRED, ExecType.REJECTED}


def test_replaced_and_a_refusal_answer_one_request() -> None:
    assert {kind for kind, effect in EFFECTS.items() if effect.answers} == {ExecType.REPLACED, ExecType.CANCEL_REJECT}


def test_a_status_report_and_corrections_are_no_new_facts() -> None:
    for kind in (ExecType.ORDER_STATUS, ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT):
        assert (EFFECTS[kind].sets, EFFECTS[kind].clears) == (0, 0)


@pytest.mark.parametrize("tif", TimeInForce)
def test_done_for_day_ends_an_order_that_lives_one_day(tif: TimeInForce) -> None:
    assert end_mask(tif) == (ENDED if tif in GOOD_TILL else ENDED_DAY)
    assert bool(end_mask(tif) & Fact.DONE_FOR_DAY) == (tif not in {TimeInForce.GTC, TimeInForce.GTD})


def test_an_order_of_unknown_time_in_force_lives_one_day() -> None:
    assert end_mask(None) == ENDED_DAY


@pytest.mark.parametrize("fact", [Fact.CANCELED, Fact.EXPIRED, Fact.REJECTED, Fact.CALCULATED])
def test_these_facts_end_every_order(fact: Fact) -> None:
    assert all(end_mask(tif) & fact for tif in TimeInForce)


@pytest.mark.parametrize("fact", [Fact.FILLED, Fact.STOPPED, Fact.SUSPENDED, Fact.PENDING_CANCEL, Fact.PENDING_REPLACE])
def test_these_facts_end_no_order(fact: Fact) -> None:
    assert not any(end_mask(tif) & fact for tif in TimeInForce)


def test_an_exchange_may_bundle_the_end_into_an_execution() -> None:
    assert PRINTED_ENDS == {OrdStatus.CANCELED: Fact.CANCELED, OrdStatus.EXPIRED: Fact.EXPIRED}
