"""partfill trace: what followed from what, from the fill to the reply, on journals of the real manager and of driven desks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from partfill import Bracket, FillManager, Limit
from partfill.cli.main import main
from partfill.journal.journal import Journal
from partfill.journal.store import Store
from partfill.model.commands import Outcome, Restarted
from partfill.model.events import Alarm, Fill
from partfill.model.inputs import MarketSeen
from partfill.model.observations import OrderSnapshot
from partfill.model.operations import Cancel, Place, Query
from partfill.model.protection import Leg
from partfill.model.words import ExecType
from partfill.runtime import tracing
from partfill.runtime.tracing import Direction, Wanted
from partfill.sim.world import World
from partfill.venues.paper.faults import Faults
from tests.cli.test_commands import piped_to_head
from tests.core.driven import MS, PLAIN, TOTAL, VENUE, D, Driven, working
from tests.core.test_protection import Market
from tests.journal.test_dust_journal import kept
from tests.journal.writer import accepted, execution, placed
from tests.runtime.test_manager import until
from tests.runtime.test_partial_fill_handler import Street, manager, street
from tests.runtime.test_positions import entered, legs, quiet

__all__ = ["quiet", "street"]
Row = dict[str, Any]


def partfill(*arguments: object) -> Result:
    done = CliRunner().invoke(main, [str(each) for each in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def told(*arguments: object) -> list[Row]:
    """The lines of partfill trace, as objects."""
    done = partfill("trace", *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def came(rows: list[Row], kind: str, **fields: Any) -> list[Row]:
    """The lines of a kind, with these values."""
    return [row for row in rows if row["kind"] == kind and all(row[name] == value for name, value in fields.items())]


@asynccontextmanager
async def desk_of(street: Street, db: Path) -> AsyncIterator[FillManager]:
    """A manager at the street, and nothing of it left afterwards."""
    fills = await manager(street, db)
    async with fills:
        yield fills
    await fills.venues["paper"].close()


async def traded(street: Street, db: Path) -> None:
    """An entry in two fills with a stop and a target that follow it, a part of the target, and the stop takes the rest."""
    async with desk_of(street, db) as fills:
        await fills.positions.protect("TOKEN", "long", stop="0.55", stop_limit="0.50", targets=["0.70"])
        for part in (40, 60):
            await entered(fills, street, 100, part)
            await until(lambda: fills.positions.of("TOKEN").covered and not fills.lanes.busy, "both legs are the position")
        assert legs(street) == (100, 100)
        street.puts("buy", 30, "0.70")
        await until(lambda: legs(street) == (70, 70), "the stop shrinks")
        await until(lambda: fills.positions.of("TOKEN").covered, "and that is known")
        street.puts("buy", 500, "0.54")
        street.puts("buy", 1, "0.55")
        street.puts("sell", 1, "0.55")
        await until(lambda: fills.positions.of("TOKEN").qty == 0, "it is stopped out")
        await until(lambda: not [order for order in street.ours if order.side == "sell"], "the target is taken off")


async def test_from_the_fill_over_the_resize_to_the_reply(quiet: Street, tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    await traded(quiet, db)
    rows = told(db, "--instrument", "TOKEN")
    stop, target = (next(row["ref"] for row in came(rows, "place") if f":{leg}:" in row["ref"]) for leg in ("stop", "target"))
    first, second = came(rows, "fill", ref="entry")
    assert [(each["what"]["qty"], each["direction"]) for each in (first, second)] == [("40", "!"), ("60", "!")]
    # The fill that came in has the number of what followed from it.
    for fill in (first, second):
        (report,) = [row for row in rows if row["seq"] == fill["seq"] and row["direction"] == "<-"]
        assert (report["kind"], report["ref"], report["because"]) == ("order_snapshot", "entry", None)
    # The first one leads to both legs, the second one resizes them.
    assert {row["ref"] for row in came(rows, "place", because=first["seq"])} == {stop, target}
    resized = came(rows, "replace", because=second["seq"])
    assert {row["ref"] for row in resized} == {stop, target}
    assert all(row["seq"] == second["seq"] and row["direction"] == "->" and " 40 to 100 at " in row["text"] for row in resized)
    # Each request has its reply, and the venue's report, both of the step in which it was made.
    for asked in [*came(rows, "place"), *came(rows, "replace"), *came(rows, "cancel")]:
        (reply,) = [row for row in came(rows, "answered") if row["what"]["cl_ord_id"] == asked["what"]["cl_ord_id"]]
        assert (reply["because"], reply["direction"], reply["ref"]) == (asked["seq"], "<-", asked["ref"])
        assert reply["took_ms"] == (reply["time"] - asked["time"]) / MS > 0
        assert 0 <= reply["waited_ms"] <= reply["took_ms"]
        assert reply["seq"] > asked["seq"]
    (replaced,) = came(rows, "order_snapshot", ref=stop, because=second["seq"])
    assert replaced["what"]["exec_type"] == "Replaced"
    # Entries, exits and what they make of the position.
    assert [row["what"]["qty"] for row in came(rows, "position_changed")] == ["40", "100", "70", "0"]
    assert [row["what"]["qty"] for row in came(rows, "protection_covered")] == ["40", "100", "70", "0"]
    assert [row["seq"] for row in rows] == sorted(row["seq"] for row in rows)
    assert not came(rows, "restarted")
    assert {row["instrument"] for row in rows} == {"TOKEN"}
    # By the ref of a stop: what it was asked for because of, and no word of the other leg.
    only = told(db, "--ref", stop)
    for direction in ("->", "!"):
        assert [row for row in only if row["direction"] == direction and row["ref"] == stop] == [
            row for row in rows if row["direction"] == direction and row["ref"] == stop
        ]
    assert {row["kind"] for row in only if row["ref"] == "entry"} == {"order_snapshot", "position_changed"}
    # That it filled took the target off.
    (cancel,) = [row for row in only if row["direction"] == "->" and row["ref"] == target]
    assert (cancel["kind"], cancel["because"]) == ("cancel", came(only, "fill", ref=stop)[0]["seq"])
    assert came(only, "answered", ref=target)[0]["because"] == cancel["seq"]
    # By the entry: what it made others do, up to their replies, and not what came of them later.
    entry = told(db, "--ref", "entry", "--venue", "paper", "--account", "")
    asked = [row["what"]["cl_ord_id"] for row in entry if row["direction"] == "->"]
    assert len(asked) == 5
    assert [row["what"]["cl_ord_id"] for row in came(entry, "answered")] == asked
    assert entry[-1]["seq"] < came(rows, "fill", ref=target)[0]["seq"]
    assert came(entry, "protection_covered")[-1]["what"]["qty"] == "100"


async def test_by_any_id_of_an_order_and_from_a_number_on(quiet: Street, tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    await traded(quiet, db)
    rows = told(db, "--instrument", "TOKEN")
    stop = next(row for row in came(rows, "replace") if ":stop:" in row["ref"])
    by_ref = told(db, "--ref", stop["ref"])
    # The venue's id, the client id, and the id of a request that it answered.
    for name in (stop["order_id"], stop["what"]["orig_cl_ord_id"], stop["what"]["cl_ord_id"]):
        assert told(db, "--order", name) == by_ref
    late = told(db, "--order", stop["order_id"], "--after", stop["seq"])
    assert late == [row for row in by_ref if row["seq"] > stop["seq"]]
    reply = next(row for row in late if row["kind"] == "answered")
    assert reply["because"] == stop["seq"]
    assert told(db, "--order", stop["order_id"], "--after", rows[-1]["seq"]) == []


async def test_as_lines_of_text(quiet: Street, tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    await traded(quiet, db)
    done = partfill("trace", db, "--instrument", "TOKEN")
    (resize,) = [line for line in done.stdout.splitlines() if ":stop:" in line and " 40 to 100 " in line]
    number, day, clock, arrow, venue, who, *words = resize.split()
    assert (day[:2], len(clock), arrow, venue) == ("20", 15, "->", "paper")
    text = " ".join(words)
    assert text.startswith("replace P")
    assert text.endswith(f"(because of {number})")
    reply = next(
        line for line in done.stdout.splitlines() if f" {who} reply to replace " in line and f"(of {number}, after " in line
    )
    assert " done; " in reply
    assert int(reply.split()[0]) > int(number)
    # Where the venue is given it is not said again.
    short = partfill("trace", db, "--instrument", "TOKEN", "--venue", "paper").stdout
    assert short == done.stdout.replace("  paper ", "  ").replace("  paper: ", "  -: ")


async def test_an_answer_that_did_not_come_and_the_question_that_followed(quiet: Street, tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    async with desk_of(quiet, db) as fills:
        luck = quiet.venue._luck
        luck.faults = Faults(lose_request=1000)
        order = await fills.submit(Limit("TOKEN", "buy", qty=5, price="0.62"), ref="lost")
        await until(lambda: order.parent.children[0].work and order.parent.children[0].work.doubt, "nobody knows")
        luck.faults = Faults()
        await until(lambda: order.status == "rejected", "it never arrived")
    rows = told(db, "--ref", "lost")
    (place,), (query,), (reply,), (looked,) = (came(rows, kind) for kind in ("place", "query", "answered", "looked"))
    assert (reply["because"], reply["what"]["outcome"]) == (place["seq"], "unknown")
    assert came(rows, "outcome_unknown")[0]["seq"] == reply["seq"]
    # Time was what made it ask.
    (tick,) = [row for row in rows if row["seq"] == query["because"] and row["direction"] == "<-"]
    assert tick["kind"] == "tick"
    assert (looked["because"], looked["ref"], looked["seq"] > query["seq"]) == (query["seq"], "lost", True)
    assert looked["took_ms"] > 0
    assert [row["direction"] for row in rows].count("?") == 0
    assert rows[-1]["kind"] == "parent_done"


async def test_while_it_is_written(quiet: Street, tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    async with desk_of(quiet, db) as fills:
        await entered(fills, quiet, 300, 40)
        before = told(db, "--ref", "entry")
        assert [row["what"]["qty"] for row in came(before, "fill")] == ["40"]
        await entered(fills, quiet, 300, 60)
        rows = told(db, "--ref", "entry")
        assert rows[: len(before)] == before
        assert [row["what"]["qty"] for row in came(rows, "fill")] == ["40", "60"]
        lines = list(tracing.trace(db, Wanted(instrument="TOKEN")))
        assert {type(line.what) for line in lines if line.direction is Direction.FOLLOWED} >= {Fill}


# ---------------------------------------------------------------------- driven desks


async def test_what_is_still_open_stands_at_the_end(tmp_path: Path) -> None:
    desk = working(TOTAL, filled="4")
    (asked,) = desk.amend("8")
    desk.wait(5 * MS)
    await kept(tmp_path / "d.db", desk)
    rows = told(tmp_path / "d.db", "--ref", "p")
    replace, still = came(rows, "replace")
    assert (replace["direction"], still["direction"], still["seq"]) == ("->", "?", replace["seq"])
    assert still["text"].startswith("replace O1: 10 to 8 at 100")
    # The kill of the process is the end of waiting: it is asked about.
    desk.feed(Restarted(desk="d"))
    await kept(tmp_path / "e.db", desk)
    rows = told(tmp_path / "e.db", "--ref", "p")
    assert [row["kind"] for row in rows if row["direction"] == "?"] == ["query"]
    assert came(rows, "restarted")[0]["seq"] == came(rows, "query")[0]["because"]
    assert asked.order == replace["order"]


async def test_the_stop_that_was_in_flight_is_followed_until_nothing_is(tmp_path: Path) -> None:
    stop, target = Leg(name="stop", stop_px=D(95)), Leg(name="target", price=D(110))
    market = Market(TOTAL, stop, target)
    market.enters("100", "40")
    # A second and a third fill while the resize after the second is unknown: the third one has to wait for the answer.
    market.fill("e8", "20", "entry")
    for op in market.take():
        market.unknown(op)
    market.fill("e9", "20", "entry")
    assert not market.take()
    # The venue knows nothing of the resize, so another comes a little later.
    for _ in range(2):
        for op in market.wait():
            market.does(op)
    assert market.legs == (80, 80)
    await kept(tmp_path / "d.db", market)
    rows = told(tmp_path / "d.db", "--ref", "entry")
    asked = came(rows, "query")
    assert [row["because"] for row in came(rows, "looked")] == [row["seq"] for row in asked]
    assert len(asked) == 2
    # What the third fill wanted followed from those answers, as orders beside the first, and is told with the entry.
    placed = came(rows, "place")[-2:]
    assert [(row["because"], row["what"]["terms"]["order_qty"]) for row in placed] == [
        (row["seq"], "40") for row in came(rows, "looked")
    ]
    assert [row["because"] for row in came(rows, "order_snapshot")][-2:] == [row["seq"] for row in placed]
    # What comes of them later is not.
    market.trades("target", "10")
    await kept(tmp_path / "e.db", market)
    assert told(tmp_path / "e.db", "--ref", "entry") == rows


async def test_what_came_before_its_order_was_known_is_told_with_it(tmp_path: Path) -> None:
    db = tmp_path / "e.db"
    async with Journal(db) as journal:
        for number, inp in enumerate(
            [execution("O1", "k1", "4", "50"), placed("C1"), accepted("O1", "C1"), accepted("O9", "C9")]
        ):
            await journal.submit(inp, 1_000 + number)
    for name in ("O1", "C1"):
        rows = told(db, "--order", name)
        assert [row["seq"] for row in rows if row["direction"] == "<-"] == [1, 2, 3]
        assert [(row["seq"], row["what"]["cum_qty"]) for row in came(rows, "fill")] == [(3, "4")]


async def test_a_command_that_was_refused_is_told_though_there_is_no_order(tmp_path: Path) -> None:
    desk = Driven(PLAIN)
    desk.kill()
    desk.submit(ref="late", instrument="NONE")
    await kept(tmp_path / "d.db", desk)
    for option in (("--ref", "late"), ("--instrument", "NONE")):
        submit, refused = told(tmp_path / "d.db", *option)
        assert (submit["kind"], submit["ref"], submit["instrument"]) == ("submit", "late", "NONE")
        assert refused["text"] == "refused: the kill switch is on (operator); an operator has to lift it first"


async def test_a_kill_switch_a_gap_and_a_decision_name_what_they_did(tmp_path: Path) -> None:
    desk = working(PLAIN, filled="4")
    desk.submit(ref="other")
    desk.acknowledge(order_id="O2")
    (cancel, _) = desk.kill()
    assert isinstance(cancel, Cancel)
    desk.refused(cancel)
    desk.wake()
    await kept(tmp_path / "d.db", desk)
    rows = told(tmp_path / "d.db", "--ref", "p")
    (switch,) = came(rows, "kill_switch")
    assert [row["because"] for row in came(rows, "cancel")] == [switch["seq"]]
    (reply,) = came(rows, "answered")
    assert (reply["because"], reply["text"].split(" (of ")[0]) == (
        switch["seq"],
        f"reply to cancel {cancel.cl_ord_id}: refused (refused)",
    )
    assert {row["ref"] for row in rows} <= {"p", None}
    assert [row["because"] for row in came(rows, "query")]
    assert "other" not in json.dumps(rows)


async def test_an_entry_is_told_with_its_protection_and_what_is_watched_in_words(quiet: Street, tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    async with await manager(quiet, path) as fills:
        await fills.positions.enter(
            Limit("TOKEN", "buy", qty=40, price="0.62"), Bracket(stop="0.55", targets=["0.70"]), ref="in"
        )
        await fills.take(MarketSeen(venue="paper", instrument="TOKEN"))
    said = partfill("trace", path, "--instrument", "TOKEN").stdout
    assert "submit buy 40 TOKEN at 0.62; protect long TOKEN: stop at 0.55, target at 0.7" in said
    assert "nobody sees the market of TOKEN" in said


async def test_text_of_a_venue_is_shown_and_never_played(tmp_path: Path) -> None:
    desk = Driven(PLAIN)
    (place,) = desk.submit()
    desk.reply(place, Outcome.REFUSED, reason="\x1b[2Jboo")
    await kept(tmp_path / "d.db", desk)
    said = partfill("trace", tmp_path / "d.db", "--ref", "p").stdout
    assert "\x1b" not in said
    assert "refused (?[2Jboo)" in said


@pytest.mark.parametrize("seed", range(700_000, 700_004))
async def test_every_operation_of_any_world_is_told_once_with_what_it_followed_from(seed: int, tmp_path: Path) -> None:
    world = World(seed)
    world.run()
    db = tmp_path / "w.db"
    asked: list[tuple[int, Any]] = []
    refs: set[str] = set()
    events = 0
    async with Journal(db, quiet_ns=0, max_finished=5) as journal:
        for number, (inp, now) in enumerate(world.log):
            effects = journal.stage(inp, now)
            asked += [(effects.seq, op) for op in effects.operations]
            refs |= {parent.ref for parent in effects.parents}
            events += len([event for event in effects.events if event.order])
            if number % 50 == 0:
                await journal.flush()
    instruments = {op.instrument for _, op in asked}
    lines = [line for name in sorted(instruments) for line in tracing.trace(db, Wanted(instrument=name), max_finished=0)]
    assert sorted((line.seq, repr(line.what)) for line in lines if line.direction is Direction.ASKED) == sorted(
        (seq, repr(op)) for seq, op in asked
    )
    assert all(line.because == line.seq for line in lines if line.direction is Direction.ASKED)
    assert sum(line.direction is Direction.FOLLOWED and bool(line.what.order) for line in lines) <= events  # type: ignore[union-attr]
    # Every order can be followed by its own ref, and its requests are among what is told then.
    for ref in sorted(refs)[:10]:
        mine = [line for line in tracing.trace(db, Wanted(ref=ref)) if line.direction is Direction.ASKED and line.ref == ref]
        theirs = [line for line in lines if line.direction is Direction.ASKED and line.ref == ref]
        assert [(line.seq, line.what) for line in mine] == [(line.seq, line.what) for line in theirs]


# ---------------------------------------------------------------------- what cannot be


@pytest.fixture
async def db(tmp_path: Path) -> Path:
    """One order that works."""
    path = tmp_path / "d.db"
    await kept(path, working(PLAIN, filled="4"))
    return path


@pytest.mark.parametrize(
    ("option", "said"),
    [(("--ref", "nope"), "no order nope in {db}; partfill orders --parents {db} lists them"),
     (("--order", "O7"), "no order with id O7 in {db}; partfill orders {db} lists them"),
     (("--instrument", "ACM"), "nothing of ACM in {db}; partfill orders {db} lists the instruments"),
     (("--ref", "p", "--venue", "moon"), "no order p at moon in {db}; partfill orders --parents {db} lists them"),
     (("--order", "O1", "--account", "b"), "no order with id O1 of account 'b' in {db}; partfill orders {db} lists them"),
     # A word that stands in the journal and names no order.
     (("--ref", "limit"), "no order limit in {db}; partfill orders --parents {db} lists them"),
     (("--ref", ""), "no order  in {db}; partfill orders --parents {db} lists them")],
)  # fmt: skip
def test_what_nobody_knows_is_named(db: Path, option: tuple[str, ...], said: str) -> None:
    done = partfill("trace", db, *option)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"partfill: {said.format(db=db)}\n"


@pytest.mark.parametrize("options", [(), ("--ref", "p", "--order", "O1"), ("--order", "O1", "--instrument", "ACME")])
def test_exactly_one_thing_is_followed(db: Path, options: tuple[str, ...]) -> None:
    done = partfill("trace", db, *options)
    assert done.exit_code == 2
    assert "exactly one of --ref, --order and --instrument" in done.stderr


def change(db: Path, sql: str) -> None:
    """What nobody should do."""
    store = Store(db)
    store.db.execute(sql)
    store.close()


def test_a_file_that_is_none_or_damaged_is_told_in_a_line(db: Path, tmp_path: Path) -> None:
    done = partfill("trace", tmp_path / "none.db", "--ref", "p")
    assert (done.exit_code, "does not exist" in done.stderr) == (2, True)
    change(db, """UPDATE journal SET body = '{"type":"what"}' WHERE seq = 4""")
    done = partfill("trace", db, "--ref", "p")
    assert done.exit_code == 0
    # What came before it is told.
    assert "submit buy 10 ACME at 100" in done.stdout
    change(db, "DELETE FROM journal WHERE seq = 4")
    done = partfill("trace", db, "--ref", "p")
    assert (done.exit_code, "input 4 is missing (found 5)" in done.stderr) == (2, True)
    data = bytearray(db.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    db.write_bytes(bytes(data))
    done = partfill("trace", db, "--ref", "p")
    assert done.exit_code == 2
    assert "d.db is damaged" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("options", [[], ["--json"]], ids=str)
async def test_into_head_it_is_quiet(tmp_path: Path, options: list[str]) -> None:
    db = tmp_path / "d.db"
    async with Journal(db) as journal:
        for number in range(3000):
            journal.stage(execution("O1", f"k{number}", "1", instrument="ACME"), number)
            if number % 100 == 0:
                await journal.flush()
    line, said = piped_to_head("trace", db, "--instrument", "ACME", *options)
    assert line
    assert said == ""


async def test_what_it_remembers_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "REMEMBERED", 5)
    desk = Driven(PLAIN)
    for number in range(20):
        desk.submit(ref=f"r{number}")
        desk.acknowledge(order_id=f"V{number}")
    desk.take()
    await kept(tmp_path / "d.db", desk)
    seen: list[tracing._Tracer] = []
    plain = tracing._Tracer.lines

    def lines(self: tracing._Tracer, step: Any) -> Any:
        seen.append(self)
        assert len(self._out) <= 5
        assert len(self._asked) <= 5
        assert len(self._followed) <= 1
        return plain(self, step)

    monkeypatch.setattr(tracing._Tracer, "lines", lines)
    found = list(tracing.trace(tmp_path / "d.db", Wanted(instrument="ACME")))
    assert len(seen[-1]._asked) == 5
    reports = [line for line in found if isinstance(line.what, OrderSnapshot) and line.what.exec_type is ExecType.NEW]
    assert [line.because for line in reports] == [line.seq - 1 for line in reports]
    assert {type(line.what) for line in found if line.direction is Direction.ASKED} == {Place}
    assert not [line for line in found if isinstance(line.what, Alarm | Query)]
    assert found[0].venue == VENUE
