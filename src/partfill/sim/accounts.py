"""Several accounts at one venue: each counts its orders and executions for itself, so their ids collide."""

from __future__ import annotations

from partfill.sim.ingredients import ACCOUNTS, Ingredients
from partfill.sim.venue import SimVenue


def add_accounts(ingredients: Ingredients, venues: dict[str, SimVenue]) -> None:
    """Some venues of this world have a second account, or a third."""
    if ACCOUNTS not in ingredients.has:
        return
    for first in [each for each in venues.values() if not each.scoped and not each.daily][:2]:
        for account in ("b", "c")[: ingredients.random.randint(1, 2)]:
            other = SimVenue(first.name, first.kind, first.random, account)
            venues[other.key] = other


def count_collisions(ingredients: Ingredients, venues: dict[str, SimVenue]) -> None:
    """Note how many order ids name orders in two accounts."""
    seen: set[tuple[str, str]] = set()
    for venue in venues.values():
        ids = {(venue.name, order.id) for order in venue.orders.values()}
        if both := len(seen & ids):
            ingredients.meet("an order id in two accounts", both)
        seen |= ids
