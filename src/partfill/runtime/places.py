"""Venues, accounts and instruments by the names that a user gives: which one is meant, and whether it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from partfill.core.engine import Engine
from partfill.model.admit import text_or_none
from partfill.runtime import listing
from partfill.runtime.per_venue import no_such_account
from partfill.runtime.refusals import Refused
from partfill.venues.protocol import Venue


class Places:
    """What a manager has been given, and what its engine knows of it."""

    accounts: dict[str, tuple[str, ...]]
    venues: dict[str, Venue]

    if TYPE_CHECKING:

        @property
        def engine(self) -> Engine:
            """The engine."""

    def where(self, name: str | None) -> str:
        """The name of the venue that is meant. Raises `Refused`."""
        name = text_or_none(name, "venue", number=False)
        if name is None:
            if len(self.venues) != 1:
                raise Refused(f"there are {len(self.venues)} venues ({', '.join(self.venues)}); say which one")
            return next(iter(self.venues))
        if name not in self.venues:
            raise Refused(f"venue {name!r} is not connected; there are: {', '.join(self.venues) or 'none'}")
        return name

    def known_accounts(self, venue: str) -> set[str]:
        """The accounts that a venue was given, and those of which orders are in memory all the same."""
        orders = self.engine.children.values()
        return {*self.accounts.get(venue, ()), *(order.account for order in orders if order.venue == venue)}

    def check_place(self, venue: str, account: str, instrument: str | None = None) -> None:
        """Raises `Refused` for an account that the venue was not given, and for an instrument that it does not list."""
        known = self.accounts.get(venue)
        if known is not None and account not in known:
            raise Refused(no_such_account(venue, account, known))
        fault = None if instrument is None else listing.unlisted(venue, instrument, self.venues[venue].instruments)
        if fault is not None:
            raise Refused(fault)


__all__ = ["Places"]
