"""What simulated worlds are made of: every ingredient is met, and whatever is planted into it is caught."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from partfill.cli.main import main
from partfill.core import attribution, ledger, parent, position, rulings
from partfill.core.booked import Booked
from partfill.core.child import Child
from partfill.core.effects import Effects
from partfill.core.engine import Engine
from partfill.core.index import Index
from partfill.core.position import Position
from partfill.core.timers import Timers
from partfill.journal import keeper, recovery
from partfill.model.capabilities import Capabilities
from partfill.model.events import AlarmKind
from partfill.sim import ingredients
from partfill.sim.run import live, simulate
from partfill.sim.world import World
from partfill.venues.partfill_lines import PartfillDecoder

pytestmark = pytest.mark.timeout(600)

FIRST = 700_000


def lived(has: str, worlds: int, first: int = FIRST) -> Counter[str]:
    """What these worlds met; nothing broke in them."""
    met: Counter[str] = Counter()
    for seed in range(first, first + worlds):
        assert live(World, seed, met, only=frozenset(filter(None, has.split("+"))))[1] is None, f"seed {seed} with {has}"
    return met


def broke(has: str, worlds: int, first: int = FIRST) -> str | None:
    """What first did not hold in these worlds."""
    for seed in range(first, first + worlds):
        why = live(World, seed, only=frozenset(filter(None, has.split("+"))))[1]
        if why is not None:
            return why
    return None


HOLDS = {
    "tables": (15, "restart from the tables"),
    "accounts": (30, "an order id in two accounts"),
    "fees": (40, "a charge of an execution"),
    "lag": (30, "an answer that lags"),
    "stops": (30, "an answer of a copy that stands still"),
    "lost busts": (60, "a ruling"),
    "lost busts+stops+fees": (20, "a bust that nobody told"),
    "doubled keys": (30, "a wrong with its alarm"),
    "links": (40, "a replace that was told late"),
    "ids": (60, "a placeholder for an id"),
    "ids+tables": (10, "restart from the tables"),
    "markets": (20, "an odd book"),
    "manners": (40, "a placing that arrived twice"),
    "manners+tables": (6, "a reply that came late"),
    "glitches": (40, "an order that ended in silence"),
    "legs": (30, "legs that are what they are to be"),
    "legs+tables": (4, "legs that are what they are to be"),
    "heard": (40, "a story that was told to its end"),
    "heard+tables": (6, "a story that was told to its end"),
    "wire": (15, "a garbled message that was refused"),
    "tables+accounts+fees+lost busts": (10, "restart from the tables"),
}
"""Ingredients -> worlds, and what these must have met."""


SEEDS = {
    ("fees", 76): "a charge in another currency stayed when its execution was taken back",
    ("fees", 84): "a rest below a lot was wanted of a leg, and never asked for",
    ("fees", 87): "a fee of an order of which nothing filled was no cost of the position",
    ("fees", 125): "a charge was lost with a correction that stated a fee",
    ("fees", 200): "a correction without a fee brought back the one before the last",
    ("lost busts+stops+fees", 534): "a charge came before an execution of which only a correction came",
    ("", 379): "a total without a price was priced by the fill after it",
    ("", 134): "a correction of one fill of an order was taken for one of another",
    ("links", 22): "the end of an id that a replace had left was taken for the end of the order",
    ("links", 131): "a replace that was told late brought back the id before the last",
    ("fees+ids", 5032): "an order's own id was taken for the placeholder that another report had printed",
    ("lag+ids", 5019): "an execution of a day that began by another clock",
    ("ids", 1): "a report that named our own id of yesterday began another order",
    ("ids", 3): "an execution of another instrument under a known id never found its order",
    ("ids", 9): "what an order was called before it had an id brought it back to life",
    ("ids", 54): "a fill of today was booked over an order of yesterday",
    ("ids+tables", 54): "an order that had become another one came back from rows that were not written yet",
    ("ids", 3000646): "an answer about an order of yesterday was taken for today's order of that id",
    ("ids", 3002231): "a report of today that names our order, and an id of yesterday, was booked over yesterday's order",
    ("ids", 4102443): "a fill of today was booked over an order that lived yesterday, since its end was not proven",
    ("ids", 5004548): "a fill of today was booked over an order of yesterday that was heard of after midnight",
    ("links", 3001430): "an answer that lagged brought back the id that a link had left",
    ("accounts", 3002879): "what leaves once another works counted for nothing at a venue that sums reduce-only orders",
    ("tables", 4101066): "what is due together was asked in another order after a start",
    ("tables", 4101393): "a question that waited for a cancel had no time of its own",
    ("lost busts", 4100679): "what a ruling took from a total worked again here, and not at the venue",
    ("fees", 4202664): "a protective order grew by what its own fee had taken",
    ("legs", 286): "a target that the kill switch took off was sent again when it was lifted",
    ("legs+tables", 500746): "a question was due before a refused request might come again, and only a restart asked it",
    ("ids", 40059414): "an answer about an order of yesterday, whose id is of the other side today, opened it again",
    ("tables", 80009020): "what is due together was asked in another order where a timer was left of what is over",
    ("legs+wire", 70005171): "a leg of an earlier protection was placed anew",
    ("legs+glitches", 711000150): "an order of an earlier protection grew",
    ("legs+glitches", 711000100): "an order ended by what it had waited for, and its leg had no other",
    ("legs+tables", 718000322): "what an order of an earlier protection had asked for was less in memory than in the tables",
    ("lost busts", 40019848): "a doubt began so late that nobody could have been told at the quiet point",
    ("fees", 980006007): "a protective order that was being made smaller grew again beside what was leaving",
    (
        "glitches",
        1000016497,
    ): "what a stop was to grow by was placed anew, when the position had fallen and an older stop might still come",
    ("legs+lost busts", 605484): "a doubt about what is held let every leg begin anew",
    ("links", 295): "what a replace had asked for no longer counted once the id before it had ended",
}
"""Ingredients and seeds that once broke, and what it was."""


@pytest.mark.parametrize("case", SEEDS, ids=SEEDS.get)
def test_what_once_broke_holds(case: tuple[str, int]) -> None:
    has, seed = case
    assert live(World, seed, only=frozenset(filter(None, has.split("+"))))[1] is None


@pytest.mark.parametrize("has", HOLDS)
def test_nothing_breaks_with(has: str) -> None:
    worlds, what = HOLDS[has]
    assert lived(has, worlds)[what] >= 3


def test_every_ingredient_is_drawn_and_some_worlds_have_none() -> None:
    drawn = Counter(each for seed in range(400) for each in (ingredients.Ingredients(seed).has or ("none",)))
    assert set(drawn) == {"none", *ingredients.DRAWN}
    assert drawn["none"] >= 80


def test_a_world_has_as_many_ingredients_as_are_asked_for() -> None:
    for mix in (0, 1, 2, 5):
        counts = {len(ingredients.Ingredients(seed, mix=mix).has) for seed in range(600)}
        assert counts == set(range(mix + 1)), mix
    outcome = simulate(6, FIRST, mix=len(ingredients.DRAWN))
    assert [broken.why for broken in outcome.violations] == []


def test_a_few_hundred_worlds_meet_every_ingredient() -> None:
    outcome = simulate(800, FIRST, mix=2)
    assert [broken.why for broken in outcome.violations] == []
    assert [what for what in ingredients.EVERY if not outcome.met[what]] == []


def test_the_command_prints_what_was_met() -> None:
    done = CliRunner().invoke(main, ["simulate", "--runs", "5", "--seed", "3"])
    assert done.exit_code == 0, done.output
    assert set(ingredients.EVERY) <= set(json.loads(done.output)["met"])


# ---------------------------------------------------------------------- planted


def forget_the_timers(patch: pytest.MonkeyPatch) -> None:
    """After a start nothing is asked at its time."""
    remember = recovery.recover

    def recover(*args: object, **kwargs: object) -> keeper.Keeper:
        found = remember(*args, **kwargs)  # type: ignore[arg-type]
        found.engine.desk.timers = Timers()
        return found

    patch.setattr("partfill.sim.tables.recover", recover)


def forget_what_is_in_flight(patch: pytest.MonkeyPatch) -> None:
    """After a start no request counts as on its way."""
    thaw = keeper.thaw_work

    def thawed(state: bytes, child: object, parent: object) -> None:
        thaw(state, child, parent)  # type: ignore[arg-type]
        child.work.request = None  # type: ignore[attr-defined]

    patch.setattr(keeper, "thaw_work", thawed)


def look_into_another_account(patch: pytest.MonkeyPatch) -> None:
    """An order id leads to the order of whichever account had it first."""
    bind = Index.bind_order

    def bound(self: Index, ledger: object, order_id: str) -> None:
        bind(self, ledger, order_id)  # type: ignore[arg-type]
        child = ledger.child  # type: ignore[attr-defined]
        for account in ("", "b", "c"):
            self.by_order.setdefault((child.venue, account, order_id), ledger)  # type: ignore[arg-type]

    patch.setattr(Index, "bind_order", bound)


def keep_the_fee_of_what_was_voided(patch: pytest.MonkeyPatch) -> None:
    """A charge in another currency than the execution's own stays when the execution goes."""
    patch.setattr("partfill.core.ledger.apart", lambda case, row: {})


def keep_what_fees_took(patch: pytest.MonkeyPatch) -> None:
    """What is held is what filled."""
    patch.setattr("partfill.core.position._kept", lambda share, base: (share.qty, share.value))


def take_back_as_a_trade(patch: pytest.MonkeyPatch) -> None:
    """What is taken back of an order is a trade of its own, at its own price: the average of the others moves."""

    def amend(self: Position, child: int, qty: Decimal, value: Decimal, now: int, became: object) -> None:
        self._append(position.Moved(child, qty, value), now)

    patch.setattr(Position, "_amend", amend)


def never_dispute(patch: pytest.MonkeyPatch) -> None:
    """What a venue says less than before is passed over."""
    patch.setattr(rulings, "answer", lambda *args: None)


def dispute_in_silence(patch: pytest.MonkeyPatch) -> None:
    """A dispute is noted and nobody is told."""
    alarm = Engine.alarm

    def alarmed(self: Engine, effects: Effects, child: Child | None, kind: AlarmKind, text: str) -> None:
        if kind is not AlarmKind.DISPUTED:
            alarm(self, effects, child, kind, text)

    patch.setattr(Engine, "alarm", alarmed)


def believe_an_answer_at_once(patch: pytest.MonkeyPatch) -> None:
    """The age of an answer does not matter."""
    patch.setattr(Capabilities, "lag_ns", property(lambda self: 0))


def rule_without_waiting(patch: pytest.MonkeyPatch) -> None:
    """Three answers are fresh enough."""
    patch.setattr(rulings, "_is_fresh", lambda child, ledger, doubt: True)


def count_a_doubled_key_in_silence(patch: pytest.MonkeyPatch) -> None:
    """Two contents under one key are passed over."""
    alarm = Engine.alarm

    def alarmed(self: Engine, effects: Effects, child: Child | None, kind: AlarmKind, text: str) -> None:
        if kind is not AlarmKind.KEY_CONFLICT:
            alarm(self, effects, child, kind, text)

    patch.setattr(Engine, "alarm", alarmed)


def believe_the_end_of_an_id_that_was_left(patch: pytest.MonkeyPatch) -> None:
    """Canceled is Canceled, under whichever id."""
    patch.setattr("partfill.core.reports.left", lambda child, s: False)


def submit_again_without_end(patch: pytest.MonkeyPatch) -> None:
    """Attempts are not counted."""
    patch.setattr(parent.Parent, "resubmits", property(lambda self: 0, lambda self, value: None))


def take_ids_for_unique(patch: pytest.MonkeyPatch) -> None:
    """An execution is of the order that has its id."""
    patch.setattr("partfill.core.lives.outlived", lambda *args: 0)


def believe_garbled_numbers(patch: pytest.MonkeyPatch) -> None:
    """Where nothing is said, zero is meant."""
    read = PartfillDecoder.decode

    def decode(self: PartfillDecoder, raw: str, number: int) -> object:
        return read(self, raw.replace('"as_of"', '"venue_time"'), number)

    patch.setattr(PartfillDecoder, "decode", decode)


def take_blanks_for_ids(patch: pytest.MonkeyPatch) -> None:
    """A blank id is an id like any other."""
    attribute = attribution.attribute

    def attributed(engine: Any, venue: str, account: str, *names: str | None, **also: Any) -> Any:
        named = [name if name is None or name.strip() else "blank" for name in names[:3]]
        return attribute(engine, venue, account, *named, *names[3:], **also)

    patch.setattr(attribution, "attribute", attributed)


def forget_the_void_of_a_correction(patch: pytest.MonkeyPatch) -> None:
    """A void that names a correction is lost where the correction has not come yet."""
    void = ledger.Ledger.void

    def voided(self: ledger.Ledger, key: str, what: Any) -> Any:
        return (Booked.DUPLICATE, key) if key not in self.rows and self.root(key) == key else void(self, key, what)

    patch.setattr(ledger.Ledger, "void", voided)


def believe_any_book(patch: pytest.MonkeyPatch) -> None:
    """A book is a book, of whatever."""
    patch.setattr("partfill.core.remainder._fresh", lambda s, book: s.now - book.as_of <= 2_000_000_000)


def give_up_what_exists(patch: pytest.MonkeyPatch) -> None:
    """A placing that is refused is refused, whatever the refusal says."""
    patch.setattr("partfill.core.refused.meaning", lambda reason, declared: None)


def believe_that_nothing_works(patch: pytest.MonkeyPatch) -> None:
    """One answer that prints nothing at work is enough."""
    patch.setattr("partfill.core.presumed._enough", lambda child, gone: True)


def take_all_with_a_target(patch: pytest.MonkeyPatch) -> None:
    """A target that is reached takes all that it covers, whatever the market shows."""
    patch.setattr("partfill.core.firing.takes", lambda leg, side, book: Decimal(1000))


def confirm_all_of_it(patch: pytest.MonkeyPatch) -> None:
    """A quantity that a total had told is confirmed, and so is what is new."""
    patch.setattr("partfill.core.fills._confirm", lambda child, qty, px, key, effects: None)


PLANTED: list[tuple[str, Callable[[pytest.MonkeyPatch], None]]] = [
    ("tables", forget_the_timers), ("tables", forget_what_is_in_flight), ("accounts", look_into_another_account),
    ("fees", keep_the_fee_of_what_was_voided), ("fees", keep_what_fees_took), ("accounts", take_back_as_a_trade),
    ("lost busts", never_dispute), ("lost busts", dispute_in_silence), ("lag", believe_an_answer_at_once),
    ("stops", rule_without_waiting), ("doubled keys", count_a_doubled_key_in_silence),
    ("heard", take_blanks_for_ids), ("heard", forget_the_void_of_a_correction), ("", confirm_all_of_it),
    ("markets", believe_any_book), ("manners", give_up_what_exists), ("legs", take_all_with_a_target),
    ("glitches", believe_that_nothing_works),
    ("ids", take_ids_for_unique), ("wire", believe_garbled_numbers),
    ("links", believe_the_end_of_an_id_that_was_left), ("", submit_again_without_end),
]  # fmt: skip


@pytest.mark.parametrize(("has", "plant"), PLANTED, ids=lambda each: getattr(each, "__name__", each))
def test_a_planted_bug_is_caught(
    has: str, plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert broke(has, 300) is not None
