"""Users of a simulated world, its markets and its polls: what happens there without the process."""

from __future__ import annotations

import msgspec

from partfill.model.commands import Amend, KillSwitch, Resubmit, Stop, Submit
from partfill.model.observations import Observation
from partfill.model.terms import Terms
from partfill.model.words import OrdStatus, Side, TimeInForce
from partfill.sim.ingredients import MARKETS, TOTALS
from partfill.sim.network import Network
from partfill.sim.orders import ACME, D, Order, where
from partfill.sim.timeline import MS, SECOND
from partfill.sim.venue import SimVenue

SIDES = (Side.BUY, Side.SELL)
TIFS = (TimeInForce.GTC, TimeInForce.GTC, TimeInForce.DAY, TimeInForce.IOC)


class Happenings(Network):
    """Users submit and think again; orders trade, end and are taken back; somebody polls."""

    def user_submits(self, ref: str) -> None:
        """A user wants something, and may think again."""
        random = self.random
        venue = random.choice(list(self.venues.values()))
        qty = random.randint(1, 60)
        terms = Terms(
            instrument=venue.instrument, side=random.choice(SIDES), order_qty=D[qty], price=D[random.randint(90, 110)],
            time_in_force=random.choice(TIFS),
        )  # fmt: skip
        if venue.daily and terms.time_in_force is TimeInForce.GTC:
            terms = msgspec.structs.replace(terms, time_in_force=TimeInForce.DAY)
        policy = self.decisions.policy(terms.price or D[100])
        rule = Resubmit(min_resubmit_size=D[random.choice((0, 1, 5))], max_resubmit_attempts=random.randint(0, 4))
        before = self.engine.desk.next_id
        self.decisions.wishes(before, terms.price)
        self.truth.submitted(before, qty)
        self.feed(
            Submit(
                venue=venue.name,
                account=venue.account,
                ref=ref,
                terms=terms,
                resubmit=rule if random.random() < 0.7 else None,
                remainder=policy if venue.instrument == ACME else None,
            )
        )
        parent = self.engine.desk.by_ref.get((venue.name, venue.account, ref))
        if parent is None or parent.id != before:
            self.truth.refused(before)
            return
        for _ in range(random.randint(0, 3)):
            self.later(random.randint(10, 6000) * MS, self.user_thinks_again, parent.id)

    def user_thinks_again(self, number: int) -> None:
        """Cancel, amend, submit the same again, or pull the kill switch."""
        parent = self.engine.desk.parents.get(number)
        if parent is None:
            return
        chance = self.random.random()
        if chance < 0.3:
            self.feed(Stop(venue=parent.venue, account=parent.account, ref=parent.ref))
        elif chance < 0.8:
            qty = self.random.randint(1, 80) if self.random.random() < 0.6 else None
            price = D[self.random.randint(90, 110)] if qty is None or self.random.random() < 0.5 else None
            if parent.done is None and parent.stop is None:
                self.decisions.wishes(number, price)
                self.truth.amended(number, qty)
            self.feed(
                Amend(
                    venue=parent.venue,
                    account=parent.account,
                    ref=parent.ref,
                    order_qty=None if qty is None else D[qty],
                    price=price,
                )
            )
        elif chance < 0.9:
            self.feed(
                Submit(venue=parent.venue, account=parent.account, ref=parent.ref, terms=parent.terms, resubmit=parent.resubmit)
            )
        else:
            scope = ("*", "") if self.random.random() < 0.3 else (parent.venue, parent.account)
            self.feed(KillSwitch(venue=scope[0], account=scope[1], on=True, by="sim"))
            if self.random.random() < 0.7:
                self.later(self.wait(2000), self.feed, KillSwitch(venue=scope[0], account=scope[1], on=False, by="sim"))

    def market(self) -> None:
        """Something trades, ends, or is taken back."""
        if self.quiet:
            return
        # Where decisions are looked at, there is time for them.
        calm = MARKETS in self.ingredients.has
        self.later(self.random.randint(5, 150) * (6 if calm else 1) * MS, self.market)
        venue = self.random.choice(list(self.venues.values()))
        self.events += 1
        said: list[Observation] = []
        chance = self.random.random()
        if venue.open and chance < 0.85:
            order = venue.orders[self.random.choice(list(venue.open))]
            if chance < 0.75:
                venue.fill(order, self.random.randint(1, max(1, order.leaves // 3 if calm else order.leaves)), self.now, said)
            else:
                venue.finish(order, self.random.choice((OrdStatus.CANCELED, OrdStatus.EXPIRED)), self.now, said)
        elif venue.kind.reversible and venue.orders:
            self.takes_back(venue, self.random.choice(list(venue.orders.values())), said)
        self.truth.check(venue)
        self.says(venue, said)

    def venue_restates(self) -> None:
        """A venue cuts an order down, or reprices it, by itself."""
        venue = self.weather.choice(list(self.venues.values()))
        if self.quiet or not venue.open:
            return
        order = venue.orders[self.weather.choice(list(venue.open))]
        said: list[Observation] = []
        less = self.weather.randint(0, order.leaves - 1)
        step = self.weather.randint(-1, 1)
        # What has no limit has none that could be moved.
        venue.restate(order, less, order.price if order.terms.price is None else order.price + step, self.now, said)
        self.tell(f"{order.id} is cut by {less} by its venue")
        if less:
            self.leaving.cut(venue, order)
        self.truth.check(venue)
        self.says(venue, said)

    def takes_back(self, venue: SimVenue, order: Order, said: list[Observation]) -> None:
        """A fill is voided or corrected, perhaps long after the end of its order."""
        live = [fill for fill in order.fills if fill.qty]
        if not live:
            return
        fill = self.random.choice(live)
        if self.random.random() < 0.6:
            again = venue.void(order, fill, self.random.random() < 0.4, self.now, said)
            if again:
                self.truth.works_again(order.root.parent, again)
                self.guards.works_again(venue, order, again)
        else:
            venue.correct(order, fill, self.random.randint(1, fill.qty), self.random.randint(90, 110), self.now, said)

    def polls(self) -> None:
        """The usual poll."""
        if not self.quiet:
            self.later(SECOND, self.polls)
            for venue in self.venues.values():
                if self.random.random() < 0.7:
                    self.poll(venue)

    def poll(self, venue: SimVenue) -> None:
        """Ask a venue for its open orders, and for those that only we think open."""
        also = [
            each.order_id
            for child in self.engine.children.values()
            if where(child) == venue.key and child.open
            for each in child.ledgers
            if each.order_id is not None
        ]
        if self.quiet and self.ingredients.has & TOTALS:
            # Somebody goes through everything that was ever ordered.
            also = list(venue.ids)
        said = venue.poll(self.now, also)
        if venue.daily and self.quiet:
            # What was yesterday is asked about by our ids.
            said = [*said, *venue.poll_former(self.now)]
        for each in said:
            self.later(self.wait(), self.answer, self.glitches.printed(venue, each), self.epoch)
