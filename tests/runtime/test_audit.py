"""The audit: every order rebuilt from what a venue said, every contradiction named, the same every time."""

from __future__ import annotations

import gzip
import io
import json
import random
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from partfill.journal.store import Store
from partfill.journal.verify import verify
from partfill.model.codec import to_json
from partfill.model.inputs import Input
from partfill.runtime.audit import Audit, Summary
from partfill.runtime.reading import MAX_FRAME, frames
from partfill.venues.formats import FORMATS
from tests.journal.writer import execution as seen
from tests.journal.writer import lives, placed

TRACE_FIELDS = ["line", "msg", "exec_id", "cl_ord_id", "orig_cl_ord_id", "order_id", "exec_type", "ord_status", "order_qty",
                "cum_qty", "leaves_qty", "avg_px", "differs"]  # fmt: skip
ORDER_FIELDS = ["order_id", "cl_ord_id", "instrument", "side", "ord_status", "order_qty", "cum_qty", "leaves_qty",
                "canceled_qty", "overfill_qty", "provisional_qty", "notional", "avg_px", "executions", "flags"]  # fmt: skip

# ---------------------------------------------------------------------- FIX logs, written small

TAGS = {"kind": 35, "at": 52, "order": 37, "cl": 11, "orig": 41, "exec_id": 17, "ref": 19, "type": 150, "status": 39,
        "symbol": 55, "side": 54, "qty": 38, "price": 44, "last": 32, "px": 31, "cum": 14, "leaves": 151, "avg": 6,
        "tif": 59, "text": 58}  # fmt: skip


def fix(kind: str, separator: str = "|", **fields: Any) -> str:
    """One FIX 4.4 message without its line end; fields by the names of `TAGS`."""
    head = [(8, "FIX.4.4"), (35, kind), (49, "BROKER"), (56, "CLIENT")]
    pairs = head + [(TAGS[name], value) for name, value in fields.items()]
    return "".join(f"{tag}={value}{separator}" for tag, value in pairs)


def order(cl: str = "C1", qty: Any = 1000, **more: Any) -> str:
    """NewOrderSingle: buy `qty` ACME at 100."""
    return fix("D", **{"cl": cl, "symbol": "ACME", "side": 1, "qty": qty, "price": 100, "tif": 0} | more)


def report(exec_id: str, type_: str, status: Any, cum: Any = 0, leaves: Any = 1000, **more: Any) -> str:
    """ExecutionReport about order O1 of client id C1 for 1000."""
    ids = {"order": "O1", "cl": "C1", "exec_id": exec_id, "type": type_, "status": status}
    return fix("8", **ids | {"symbol": "ACME", "side": 1, "qty": 1000, "cum": cum, "leaves": leaves} | more)


def trade(exec_id: str, last: Any, cum: Any, leaves: Any, px: Any = 100, **more: Any) -> str:
    """The report of one execution."""
    status = more.pop("status", 2 if leaves == 0 else 1)
    return report(exec_id, "F", status, cum, leaves, last=last, px=px, **more)


ACCEPTED = report("E1", "0", "0")
DAY = [order(), ACCEPTED, trade("E2", 200, 200, 800), trade("E3", 300, 500, 500, 101), trade("E4", 500, 1000, 0, 102)]
"""A clean day of one order."""


def one_order(name: str) -> list[str]:
    """The clean day under other ids."""
    return [line.replace("=O1|", f"=O{name}|").replace("=C1|", f"=C{name}|") for line in DAY]


class Result:
    """What an audit of some text gave."""

    def __init__(self, data: str | bytes, format_: str = "fix", journal: Path | None = None, **more: Any) -> None:
        raw = data.encode() if isinstance(data, str) else data
        self.trace: list[dict[str, Any]] = []
        self.reported: list[tuple[int, str]] = []
        decoder = FORMATS[format_]()
        with Audit(
            decoder, journal, trace=self.trace.append, report=lambda line, what: self.reported.append((line, what)), **more
        ) as audit:  # fmt: skip
            self.summary: Summary = audit.run(frames(io.BytesIO(raw), decoder.framing))
            self.orders = list(audit.orders())

    @property
    def damaged(self) -> list[tuple[int, str]]:
        """What was reported of lines that no message came of."""
        read = {line["line"] for line in self.trace}
        return [told for told in self.reported if told[0] not in read]

    @property
    def differs(self) -> dict[str, Any]:
        """What differs at the last message."""
        found = self.trace[-1]["differs"]
        assert isinstance(found, dict)
        return found

    @property
    def order(self) -> dict[str, Any]:
        """The one order."""
        (found,) = self.orders
        return found


def audit(*lines: str, **more: Any) -> Result:
    return Result("\n".join(lines) + "\n", **more)


def partfill(*inputs: Input, **more: Any) -> Result:
    """The same from a recording in our own format."""
    return Result(b"\n".join(map(to_json, inputs)), "partfill", **more)


PARTFILL = [sys.executable, "-c", "from partfill.cli.main import main; main()"]
"""The `partfill` command."""


def command(*arguments: Any, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the `partfill` command as a process of its own."""
    return subprocess.run([*PARTFILL, *map(str, arguments)], input=stdin, capture_output=True, timeout=60, check=False)


# ---------------------------------------------------------------------- results


def test_a_clean_day_is_rebuilt_and_contradicts_nothing() -> None:
    result = audit(*DAY)
    assert result.order == {
        "order_id": "O1", "cl_ord_id": "C1", "instrument": "ACME", "side": "buy", "ord_status": "Filled", "order_qty": "1000",
        "cum_qty": "1000", "leaves_qty": "0", "canceled_qty": "0", "overfill_qty": "0", "provisional_qty": "0",
        "notional": "101300", "avg_px": "101.3", "executions": 3, "flags": [],
    }  # fmt: skip
    summary = result.summary
    assert (summary.messages, summary.orders, summary.executions, summary.duplicates, summary.parked) == (5, 1, 3, 0, 0)
    assert (summary.contradictions, summary.damaged, summary.exit_code) == (0, 0, 0)


def test_order_lines_have_exactly_these_fields() -> None:
    assert list(audit(*DAY).order) == ORDER_FIELDS
    assert list(partfill(seen("O1", "k1")).order) == ORDER_FIELDS


def test_trace_lines_have_exactly_these_fields() -> None:
    for result in (audit(*DAY), audit(fix("9", order="O1", cl="X", orig="C1", status=8)), partfill(seen("O1", "k1"))):
        for line in result.trace:
            assert list(line) == TRACE_FIELDS


def test_a_trace_line_says_what_the_message_was_and_what_is_true_after_it() -> None:
    assert audit(*DAY).trace[2] == {
        "line": 3, "msg": "ExecutionReport", "exec_id": "E2", "cl_ord_id": "C1", "orig_cl_ord_id": None, "order_id": "O1",
        "exec_type": "Trade", "ord_status": "PartiallyFilled", "order_qty": "1000", "cum_qty": "200", "leaves_qty": "800",
        "avg_px": "100", "differs": {},
    }  # fmt: skip


def test_a_trace_line_of_a_cancel_request_has_both_client_ids() -> None:
    line = audit(*DAY[:3], fix("F", cl="C2", orig="C1", symbol="ACME", side=1, qty=1000)).trace[-1]
    assert (line["msg"], line["cl_ord_id"], line["orig_cl_ord_id"]) == ("OrderCancelRequest", "C2", "C1")
    assert (line["ord_status"], line["cum_qty"], line["leaves_qty"]) == ("PartiallyFilled", "200", "800")


def test_orders_come_in_the_order_in_which_they_appeared() -> None:
    lines = [line for name in ("z", "a", "m") for line in one_order(name)]
    assert [found["order_id"] for found in audit(*lines).orders] == ["Oz", "Oa", "Om"]


def test_a_repeated_message_counts_once() -> None:
    result = audit(*(line for line in DAY for _ in range(3)))
    assert result.order == audit(*DAY).order
    assert result.summary.duplicates > 0
    assert result.summary.exit_code == 0


def test_a_late_fill_after_the_end_counts_and_works_nothing() -> None:
    gone = report("E5", "4", "4", 200, 0)
    result = audit(*DAY[:3], gone, trade("E6", 100, 300, 0, status=4))
    assert (result.order["ord_status"], result.order["cum_qty"], result.order["leaves_qty"]) == ("Canceled", "300", "0")
    assert result.order["canceled_qty"] == "700"
    assert result.order["flags"] == ["LATE_FILL"]
    assert result.summary.exit_code == 0


def test_a_fill_before_its_order_is_parked_and_counted_and_finds_it() -> None:
    result = audit(fix("8", order="O1", exec_id="E2", type="F", status=1, last=200, px=100), *DAY[:2])
    assert (result.summary.parked, result.summary.executions, result.summary.orders) == (1, 1, 1)
    assert result.order["cum_qty"] == "200"


# ---------------------------------------------------------------------- what differs


def test_a_total_beyond_the_executions_is_provisional() -> None:
    result = audit(*DAY[:2], trade("E2", 200, 300, 700))
    # The venue's claim counts, so its own totals do not differ, and it is said that 100 have no execution.
    assert (result.order["cum_qty"], result.order["provisional_qty"], result.order["executions"]) == ("300", "100", 1)
    assert "PROVISIONAL" in result.order["flags"]
    assert result.differs == {}


def test_a_total_below_the_executions_differs() -> None:
    result = audit(*DAY[:3], trade("E3", 300, 400, 600))
    assert result.differs == {"cum_qty": "400", "leaves_qty": "600"}
    assert result.summary.contradictions == 1
    assert result.summary.exit_code == 1
    assert result.order["cum_qty"] == "500"
    assert "CONTRADICTION" in result.order["flags"]


def test_leaves_that_do_not_add_up_differ() -> None:
    result = audit(*DAY[:2], trade("E2", 200, 200, 700))
    assert result.differs == {"leaves_qty": "700"}
    assert (result.order["leaves_qty"], result.order["flags"]) == ("800", ["CONTRADICTION"])


def test_a_status_that_quantities_do_not_bear_out_differs() -> None:
    result = audit(*DAY[:2], trade("E2", 200, 200, 800, status=2))
    assert result.differs == {"ord_status": "Filled"}
    assert result.order["ord_status"] == "PartiallyFilled"


def test_an_order_quantity_that_nobody_changed_differs() -> None:
    result = audit(*DAY[:2], trade("E2", 200, 200, 800, qty=900))
    assert result.differs == {"order_qty": "900"}


@pytest.mark.parametrize("printed", ["100.3333", "100.3334", "100.333", "100.34", "100.33", "100.4", "100", "101", "100.30",
                                     "100.333333333333333"])  # fmt: skip
def test_an_average_that_was_rounded_any_way_does_not_differ(printed: str) -> None:
    # 200 at 100 and 100 at 101: 100.333...
    right = audit(*DAY[:3], trade("E3", 100, 300, 700, 101, avg=printed))
    expected = {} if printed != "100.30" else {"avg_px": "100.3"}
    assert right.differs == expected


@pytest.mark.parametrize("printed", ["100.3336", "100.31", "100.5", "99", "102", "0", "100.33333334333"])
def test_an_average_that_is_wrong_beyond_its_last_digit_differs(printed: str) -> None:
    result = audit(*DAY[:3], trade("E3", 100, 300, 700, 101, avg=printed))
    assert result.differs == {"avg_px": format(Decimal(printed).normalize(), "f")}
    assert result.order["avg_px"] is not None
    assert result.order["avg_px"].startswith("100.333333")


def test_an_exact_average_does_not_differ() -> None:
    assert audit(*DAY[:3], trade("E3", 200, 400, 600, 101, avg="100.50000")).differs == {}


def test_an_average_without_any_fill_is_no_statement() -> None:
    assert audit(order(), report("E1", "0", "0", avg="0")).differs == {}


def test_two_contents_under_one_key_are_a_contradiction_even_when_the_totals_agree() -> None:
    result = audit(*DAY[:3], trade("E2", 200, 200, 800, 105))
    assert "KEY_CONFLICT" in result.order["flags"]
    assert result.summary.contradictions == 1
    assert result.summary.exit_code == 1


def test_an_overfill_is_kept_and_marked() -> None:
    result = audit(*DAY, trade("E5", 10, 1010, 0))
    assert (result.order["cum_qty"], result.order["overfill_qty"]) == ("1010", "10")
    assert "OVERFILL" in result.order["flags"]


# ---------------------------------------------------------------------- how FIX logs look

SEPARATORS = {"SOH": "\x01", "bar": "|", "caret A": "^A"}
EXPECTED = audit(*DAY)


@pytest.mark.parametrize("separator", SEPARATORS.values(), ids=SEPARATORS)
@pytest.mark.parametrize("layout", ["one a line", "with times", "two a line", "no line ends", "windows"])
def test_a_fix_log_reads_the_same_in_every_layout(separator: str, layout: str) -> None:
    lines = [line.replace("|", separator) for line in DAY]
    log = {
        "one a line": "\n".join(lines),
        "with times": "".join(f"2026-01-02 14:30:00,{n} INFO [gw] <- {line}\n" for n, line in enumerate(lines)),
        "two a line": "\n".join("".join(lines[at : at + 2]) for at in range(0, len(lines), 2)),
        "no line ends": "".join(lines),
        "windows": "\r\n".join(lines),
    }[layout]
    result = Result(log)
    assert (result.orders, result.damaged) == (EXPECTED.orders, [])
    assert [line["exec_id"] for line in result.trace] == [line["exec_id"] for line in EXPECTED.trace]


@pytest.mark.parametrize("separator", SEPARATORS.values(), ids=SEPARATORS)
def test_several_messages_on_a_line_with_text_between_are_not_lost_unseen(separator: str) -> None:
    log = "".join(f"14:30:00.{n} {line}" for n, line in enumerate(DAY)).replace("|", separator)
    result = Result(log)
    assert result.damaged or len(result.trace) == len(DAY)


def test_lines_without_a_message_are_passed_over() -> None:
    result = audit("Session started", *DAY[:3], "", "heartbeat", fix("0"), *DAY[3:], "bye")
    assert (result.orders, result.damaged) == (EXPECTED.orders, [])


# ---------------------------------------------------------------------- damage


def test_damage_is_reported_with_line_value_and_what_would_be_right() -> None:
    result = audit(*DAY[:2], trade("E2", "many", 200, 800), *DAY[2:], trade("E9", -5, 200, 800))
    assert [line for line, _ in result.damaged] == [3, 7]
    assert "tag 32 (LastQty)" in result.damaged[0][1]
    assert "'many'" in result.damaged[0][1]
    assert "plain digits" in result.damaged[0][1]
    assert result.damaged[1][1] == "tag 32 (LastQty) is -5; a quantity is zero or more"
    # And the rest is read as if the damaged ones had not been there.
    assert result.orders == EXPECTED.orders
    assert (result.summary.damaged, result.summary.exit_code) == (2, 2)


def test_a_line_above_a_megabyte_is_reported_and_skipped() -> None:
    result = audit(*DAY[:2], "8=FIX.4.4|" + "x" * MAX_FRAME, *DAY[2:])
    assert [line for line, _ in result.damaged] == [3]
    assert str(MAX_FRAME) in result.damaged[0][1]
    assert result.orders == EXPECTED.orders


def test_damage_weighs_more_than_contradiction() -> None:
    assert audit(*DAY[:2], trade("E2", 200, 200, 700), "8=FIX.4.4|35=8|junk|").summary.exit_code == 2


def test_a_damaged_message_is_in_the_journal_word_for_word(tmp_path: Path) -> None:
    bad = trade("E2", "many", 200, 800)
    audit(*DAY[:2], bad, journal=tmp_path / "day.db")
    store = Store(tmp_path / "day.db", read_only=True)
    (row,) = store.rows("SELECT kind, text FROM alarms")
    (kept,) = store.rows("SELECT body FROM journal ORDER BY seq DESC LIMIT 1")
    store.close()
    assert row["kind"] == "unreadable"
    assert "line 3" in row["text"]
    assert bad in str(kept["body"])


# ---------------------------------------------------------------------- bounded memory


def busy_log(orders: int, seed: int = 3) -> list[str]:
    """Many FIX orders mixed, some filled beyond their end, some late long after everything."""
    rng = random.Random(seed)
    running: list[list[str]] = []
    lines: list[str] = []
    late: list[str] = []
    for number in range(orders):
        life = one_order(str(number))
        if number % 7 == 0:
            life = [*life[:3], report("E7", "4", "4", 200, 0).replace("=O1|", f"=O{number}|").replace("=C1|", f"=C{number}|")]
            late.append(trade("E8", 50, 250, 0, 99, status=4).replace("=O1|", f"=O{number}|").replace("=C1|", f"=C{number}|"))
        if number % 11 == 0:
            late.append(life[2])
        running.append(life)
        while len(running) > 8:
            life = rng.choice(running)
            lines.append(life.pop(0))
            if not life:
                running.remove(life)
    lines += [line for life in running for line in life]
    rng.shuffle(late)
    return lines + late


def test_few_orders_in_memory_give_exactly_the_same_as_many() -> None:
    log = busy_log(2000)
    many, few = audit(*log), audit(*log, max_finished=10)
    assert few.orders == many.orders
    assert few.trace == many.trace
    many.summary.seconds = few.summary.seconds = 0
    assert few.summary == many.summary
    assert len(many.orders) == 2000
    assert sum("LATE_FILL" in found["flags"] for found in many.orders) > 200


def test_few_orders_in_memory_means_few() -> None:
    log = "\n".join(busy_log(4000)).encode()
    decoder = FORMATS["fix"]()
    held: list[int] = []
    with Audit(decoder, max_finished=10) as running:
        running.run(frames(io.BytesIO(log), decoder.framing), lambda _: held.append(len(running.engine.children)))
    # A batch of new ones comes between two times of letting go.
    assert max(held) < 1000


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kept", [False, True])
def test_any_stream_gives_the_same_with_few_orders_in_memory(tmp_path: Path, seed: int, kept: bool) -> None:
    stream = list(lives(random.Random(seed), "s", 400))
    journal = tmp_path / "few.db" if kept else None
    many, few = partfill(*stream), partfill(*stream, max_finished=3, journal=journal)
    assert few.orders == many.orders
    assert few.trace == many.trace


# ---------------------------------------------------------------------- the journal of an audit


def test_the_journal_of_an_audit_proves_itself_and_equals_its_output(tmp_path: Path) -> None:
    path = tmp_path / "day.db"
    result = audit(*busy_log(300), trade("E2", 200, 200, 700), journal=path)
    verdict = verify(path)
    assert verdict.ok, verdict.problems
    shown = command("orders", path, "--json")
    assert shown.returncode == 0
    rows = [json.loads(line) for line in shown.stdout.splitlines()]
    # That a message contradicts is the audit's finding, and no evidence of the venue's.
    expected = [found | {"flags": [flag for flag in found["flags"] if flag != "CONTRADICTION"]} for found in result.orders]
    assert [{name: row[name] for name in ORDER_FIELDS} for row in rows] == expected
    fills = [json.loads(line) for line in command("fills", path, "--json").stdout.splitlines()]
    assert len([row for row in fills if not row["void"]]) == sum(found["executions"] for found in result.orders)


def test_an_audit_with_and_without_a_journal_gives_the_same(tmp_path: Path) -> None:
    log = busy_log(200)
    plain, kept = audit(*log), audit(*log, journal=tmp_path / "day.db")
    assert (plain.orders, plain.trace) == (kept.orders, kept.trace)


# ---------------------------------------------------------------------- the command


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "day.log"
    path.write_text("\n".join(busy_log(50)) + "\n")
    return path


def test_the_command_prints_orders_as_json_lines_and_a_summary(log: Path) -> None:
    done = command("audit", log, "--format", "fix")
    assert done.returncode == 0
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found == Result(log.read_bytes()).orders
    (line,) = done.stderr.decode().splitlines()
    numbers = {word: int(number) for number, word in (part.split() for part in line.split(";")[0].split(", "))}
    summary = Result(log.read_bytes()).summary
    names = ("orders", "executions", "duplicates", "parked", "contradictions", "damaged")
    assert numbers == {name: getattr(summary, name) for name in names}


def test_the_command_prints_the_trace(log: Path) -> None:
    done = command("audit", log, "--format", "fix", "--trace")
    assert [json.loads(line) for line in done.stdout.splitlines()] == Result(log.read_bytes()).trace
    assert list(json.loads(done.stdout.splitlines()[0])) == TRACE_FIELDS


def test_the_same_input_twice_prints_the_same_bytes(log: Path) -> None:
    one, two = (command("audit", log, "--format", "fix", "--trace") for _ in range(2))
    assert one.stdout == two.stdout
    assert command("audit", log, "--format", "fix").stdout == command("audit", log, "--format", "fix").stdout


def test_every_way_to_give_the_input_prints_the_same(log: Path) -> None:
    expected = command("audit", log, "--format", "fix").stdout
    packed = log.with_suffix(".gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    assert command("audit", packed, "--format", "fix").stdout == expected
    assert command("audit", "-", "--format", "fix", stdin=log.read_bytes()).stdout == expected
    assert command("audit", "-", "--format", "fix", stdin=packed.read_bytes()).stdout == expected


def test_exit_codes_are_0_clean_1_contradiction_2_damage(tmp_path: Path) -> None:
    def code(*lines: str) -> int:
        path = tmp_path / "x.log"
        path.write_text("\n".join(lines))
        return command("audit", path, "--format", "fix").returncode

    assert code(*DAY) == 0
    assert code(*DAY[:2], trade("E2", 200, 200, 700)) == 1
    assert code(*DAY, "8=FIX.4.4|35=8|junk|") == 2
    assert code("nothing of the kind") == 2


def test_damage_on_the_command_line_has_the_line_number_in_front(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("\n".join([*DAY, *(trade("E9", "many", 200, 800) for _ in range(3))]))
    done = command("audit", path, "--format", "fix")
    told = done.stderr.decode().splitlines()
    assert told[0].startswith("line 6: tag 32 (LastQty) is 'many'")
    assert [line.split(":")[0] for line in told[:-1]] == ["line 6", "line 7", "line 8"]
    assert told[-1].startswith("1 orders, 3 executions, ")


def test_a_contradiction_is_named_with_line_order_and_both_values(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("\n".join([*DAY[:2], trade("E2", 200, 200, 700), trade("E3", 300, 500, 500)]))
    done = command("audit", path, "--format", "fix")
    told = done.stderr.decode().splitlines()
    assert len(told) == 2
    assert told[0].startswith("line 3: order O1: ")
    assert "leaves_qty 700" in told[0]
    assert "800" in told[0]
    assert done.returncode == 1


def test_the_journal_of_the_command_passes_verify_and_shows(tmp_path: Path, log: Path) -> None:
    path = tmp_path / "day.db"
    assert command("audit", log, "--format", "fix", "--journal", path).returncode == 0
    assert command("verify", path).returncode == 0
    assert b"O7" in command("orders", path).stdout
    assert b"E2" in command("fills", path).stdout


def test_a_recording_in_our_own_format_is_audited(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_bytes(b"# a comment\n\n" + to_json(placed("C1")) + b"\n" + to_json(seen("O1", "k1", cl_ord_id="C1")) + b"\n")
    done = command("audit", path, "--format", "partfill")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["cl_ord_id"], found["cum_qty"], found["leaves_qty"]) == ("C1", "1", "9")
