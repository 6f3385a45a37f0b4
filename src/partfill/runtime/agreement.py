"""A report of a partial fill against our own books: which order it means, whether it means what we know, and who is ahead.

Rules
- The books are the truth. Whatever of a report contradicts them is refused by name; nothing of it is taken over.
- What is left, filled and asked for is worth what it is at the price that the user asked for last, multiplier included. What
  filled may be worth more, as far as our own books say so: a sale may bring better prices than were asked for.
- An amount is too much when it exceeds that by more than `CENT`: its sender may have rounded it.
"""

from __future__ import annotations

from decimal import Decimal

from partfill.core.engine import Engine
from partfill.core.parent import Parent
from partfill.model.numbers import ZERO, add, mul, sub, text
from partfill.model.policy import RemainderPolicy
from partfill.model.terms import BUILDER_CODE
from partfill.runtime.partials import Partial, Refusal, Refused

CENT = Decimal("0.01")
"""Quote currency."""


def order_of(said: Partial, engine: Engine) -> Parent:
    """The one order that a report is about, by the venue's id, a client id or the user's ref. Raises `Refused`."""
    scopes = {(parent.venue, parent.account) for parent in engine.desk.parents.values()}
    found: dict[int, Parent] = {}
    for venue, account in scopes:
        if said.venue not in (None, venue) or said.account not in (None, account):
            continue
        name = (venue, account, said.order_id)
        parent = engine.desk.by_ref.get(name)
        ledger, mine = engine.index.by_order.get(name), engine.index.by_client.get(name)
        children = [child for child in (mine, ledger.child if ledger is not None else None) if child is not None]
        for each in (parent, *(child.work.parent for child in children if child.work is not None)):
            if each is not None:
                found[each.id] = each
    if not found:
        raise Refused(Refusal.UNKNOWN_ORDER, f"no order that goes on is known as {said.order_id!r:.100}")
    if len(found) > 1:
        why = f"{said.order_id!r:.100} names {len(found)} orders here; name venue and account, or another id of it"
        raise Refused(Refusal.AMBIGUOUS_ORDER, why)
    (one,) = found.values()
    return one


def check_terms(said: Partial, parent: Parent, usual: RemainderPolicy | None, collateral: str | None, latest_ms: int) -> None:
    """Whether a report means the order that we know. Raises `Refused`.

    `usual` is the policy of orders that have none, `collateral` what amounts are in here (None: not compared), `latest_ms` the
    latest time that an event may have (ms UTC).
    """
    ref, terms, handling = parent.ref, parent.terms, parent.handling
    if parent.done is not None or parent.stop is not None:
        raise Refused(Refusal.ENDED, f"{ref} has ended, or is being taken off ({parent.done or parent.stop})")
    if parent.halted:
        raise Refused(Refusal.HALTED, f"{ref} is halted until a person has looked at it")
    if terms.cash_order_qty is not None or not parent.rest:
        raise Refused(Refusal.NO_REST, f"{ref} is sized in cash, or nothing is left of it; there is no rest to decide on")
    if said.side is not terms.side:
        raise Refused(Refusal.WRONG_SIDE, f"side is {said.side}; {ref} is a {terms.side}")
    if said.market_id not in (None, terms.instrument):
        raise Refused(Refusal.WRONG_MARKET, f"market_id is {said.market_id!r:.100}; {ref} is of {terms.instrument}")
    if None not in (said.collateral, collateral) and said.collateral != collateral:
        raise Refused(Refusal.WRONG_COLLATERAL, f"collateral is {said.collateral!r:.100}; ours is {collateral}")
    builder = terms.tag(BUILDER_CODE)
    if None not in (said.builder_code, builder) and said.builder_code != builder:
        raise Refused(Refusal.WRONG_BUILDER, f"builder_code is not that of {ref}")
    original = original_price(parent)
    if original is None or said.original_price != original:
        ours = "none" if original is None else text(original)
        raise Refused(Refusal.WRONG_PRICE, f"original_price is {text(said.original_price)}; that of {ref} is {ours}")
    if said.event_ts > latest_ms:
        raise Refused(Refusal.EVENT_TIME, f"event_ts_ms is {said.event_ts}, which is still to come")
    policy = handling.policy if handling is not None else usual
    if policy is None:
        raise Refused(Refusal.NO_POLICY, f"{ref} has no policy and the settings have none; give it one when it is placed")
    if said.policy not in (None, policy.default_policy):
        why = f"policy is {said.policy}; that of {ref} is {policy.default_policy}, and no report changes it"
        raise Refused(Refusal.WRONG_POLICY, why)


def agrees(said: Partial, parent: Parent, multiplier: Decimal) -> bool:
    """Whether our books show as much filled as the report. Raises `Refused` where it says that more is left than there is.

    `multiplier`: quote currency per price point and unit.
    """
    original = original_price(parent)
    assert original is not None
    point = mul(original, multiplier).copy_abs()
    left, filled, asked = mul(parent.rest, point), mul(parent.cum, point), mul(parent.asked, point)
    spent = parent.spent
    ours = filled if spent is None else max(filled, mul(spent, multiplier).copy_abs())
    if said.remaining_usd > add(left, CENT):
        why = f"remaining_usd is {text(said.remaining_usd)}; our books leave {text(left)} of {parent.ref}"
        raise Refused(Refusal.INFLATED, why)
    whole = add(asked, sub(ours, filled))
    if add(said.filled_usd, said.remaining_usd) > add(whole, CENT):
        why = f"filled_usd and remaining_usd are more than {text(whole)}, for which {parent.ref} was placed"
        raise Refused(Refusal.INFLATED, why)
    return parent.cum > ZERO and said.filled_usd <= add(ours, CENT)


def original_price(parent: Parent) -> Decimal | None:
    """The price that the user asked for last; nothing has chased an order without a policy. None for one without a price."""
    return parent.handling.original if parent.handling is not None else parent.price
