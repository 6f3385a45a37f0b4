"""FIX logs as brokers, bridges and log writers leave them: what concerns quantity is read, what is not is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from partfill.runtime.audit import Audit
from partfill.runtime.reading import frames
from partfill.venues.fix.decoder import FixDecoder
from partfill.venues.fix.dialect import READY, parse
from partfill.venues.fix.framing import parted
from tests.runtime.test_audit import DAY, Result, audit, fix, order, report, trade

SOH = "\x01"


def sent(line: str, version: str = "FIX.4.4") -> str:
    """A message as an engine sends it: with BodyLength and CheckSum, parted by SOH."""
    body = SOH.join(field for field in line.split("|") if field and not field.startswith(("8=", "9=", "10="))) + SOH
    head = f"8={version}{SOH}9={len(body.encode())}{SOH}"
    return f"{head}{body}10={sum((head + body).encode()) % 256:03d}{SOH}"


WIRE = [sent(line) for line in DAY]
EXPECTED = audit(*DAY).orders


class Told(Result):
    """The same, with what is said of the whole file."""

    def __init__(self, data: str | bytes, dialect: str | None = None) -> None:
        import io

        raw = data.encode() if isinstance(data, str) else data
        self.trace: list[dict[str, Any]] = []
        self.reported: list[tuple[int, str]] = []
        self.notes: list[str] = []
        decoder = FixDecoder(None if dialect is None else parse(dialect))
        with Audit(
            decoder, trace=self.trace.append, report=lambda line, what: self.reported.append((line, what)),
            note=self.notes.append,
        ) as run:  # fmt: skip
            self.summary = run.run(frames(io.BytesIO(raw), decoder.framing))
            self.orders = list(run.orders())


def told(*lines: str, dialect: str | None = None) -> Told:
    return Told("\n".join(lines) + "\n", dialect)


# ---------------------------------------------------------------------- real separators and frames

PRINTED: dict[str, Callable[[str], str]] = {
    "SOH": str,
    "bar": lambda m: m.replace(SOH, "|"),
    "bar with blanks": lambda m: m.replace(SOH, " | ").strip(),
    "value, blank, bar": lambda m: m.replace(SOH, " |"),
    "semicolon": lambda m: m.replace(SOH, ";"),
    "<SOH>": lambda m: m.replace(SOH, "<SOH>"),
    "caret A": lambda m: m.replace(SOH, "^A"),
    "escaped for Python": lambda m: m.replace(SOH, "\\x01"),
    "a Python repr": lambda m: f"2026-01-02 14:30:00,123 INFO gw {m.encode()!r}",
    "escaped for JSON": lambda m: m.replace(SOH, "\\u0001"),
    "escaped twice": lambda m: m.replace(SOH, "\\\\u0001"),
    "a JSON envelope": lambda m: json.dumps({"ts": "2026-01-02", "level": "INFO", "fields": [{"message": m}]}),
    "a JSON envelope, bars": lambda m: json.dumps({"msg": "in " + m.replace(SOH, "|"), "after": 1}),
    "log4j": lambda m: f"2026-01-02 14:30:00,123 INFO  [main] c.b.Gateway:42 - <{m.replace(SOH, '|')}>",
    "quickfix": lambda m: f"<20260102-14:30:00, FIX.4.4:V->C, incoming>\n  ({m})",
    "one tag a line": lambda m: m.replace(SOH, "\n") + "\n",
    "one tag a line, SOH too": lambda m: m.replace(SOH, SOH + "\r\n"),
    "one tag a line, indented": lambda m: "in:\n" + "".join(f"    {field}\n" for field in m.split(SOH) if field),
    "windows": lambda m: m + "\r",
}


@pytest.mark.parametrize("form", PRINTED)
def test_real_separators_and_frames_are_read(form: str) -> None:
    result = Told("\n".join(PRINTED[form](message) for message in WIRE))
    assert (result.orders, result.reported, result.notes) == (EXPECTED, [], [])
    assert (result.summary.messages, result.summary.exit_code) == (5, 0)


@pytest.mark.parametrize("form", [name for name in PRINTED if name not in ("quickfix",)])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_utf_16_is_read_with_and_without_a_byte_order_mark(form: str, encoding: str) -> None:
    result = Told("\n".join(PRINTED[form](message) for message in WIRE).encode(encoding))
    assert (result.orders, result.reported) == (EXPECTED, [])


@pytest.mark.parametrize("form", ["SOH", "bar", "semicolon", "<SOH>", "caret A", "escaped for JSON", "value, blank, bar"])
@pytest.mark.parametrize("between", ["", " ", "14:30:00.001 <- "])
def test_several_messages_on_a_line_are_read(form: str, between: str) -> None:
    result = Told(between.join(PRINTED[form](message) for message in WIRE))
    assert (result.orders, result.reported) == (EXPECTED, [])


@pytest.mark.parametrize("separator", ["|", ";"])
@pytest.mark.parametrize("text", ["a{0}b", "{0}", "a{0}{0}b{0}", "see 8=FIX.4.4 there", "x{0} y", "Größe{0}ok"])
@pytest.mark.parametrize("last", [False, True])
def test_a_separator_inside_58_tears_nothing(separator: str, text: str, last: bool) -> None:
    said = text.format(separator)
    message = f"58={said}|{DAY[2].removeprefix('8=FIX.4.4|')}" if not last else f"{DAY[2]}58={said}|"
    lines = [*DAY[:2], "8=FIX.4.4|" + message.removeprefix("8=FIX.4.4|"), *DAY[3:]]
    data = "\n".join(line.replace("|", separator) for line in lines)
    result = Told(data)
    assert (result.orders, result.reported) == (EXPECTED, [])


def test_a_text_that_gives_a_second_quantity_is_damage() -> None:
    result = told(*DAY[:2], DAY[2].replace("|14=", "|58=was|14=999|14="))
    assert "tag 14 (CumQty) is given twice" in result.reported[0][1]
    assert result.summary.exit_code == 2


def test_text_with_a_start_in_it_is_text_and_words_of_the_log_are_none() -> None:
    one = "8=FIX.4.4|35=8|58=see 8=FIX.4.4|14=1|"
    assert parted(one) == [one]
    two = "in 8=FIX.4.4|35=8|14=1|out 8=FIX.4.4|35=8|14=2|"
    assert parted(two) == ["in 8=FIX.4.4|35=8|14=1|", "out 8=FIX.4.4|35=8|14=2|"]


# ---------------------------------------------------------------------- a line that is cut


@pytest.mark.parametrize("form", ["SOH", "bar", "semicolon", "caret A", "<SOH>", "escaped for JSON", "one tag a line"])
def test_a_last_line_cut_anywhere_is_never_data(form: str) -> None:
    whole = PRINTED[form](WIRE[2]).rstrip("\n")
    before = "\n".join(PRINTED[form](message) for message in WIRE[:2]) + "\n"
    starts = whole.index("35=8") + 4
    ends = re.search(r"10=\d\d", whole)
    assert ends is not None
    for cut in range(starts, ends.end()):
        result = Told(before + whole[:cut])
        assert result.order["cum_qty"] == "0", whole[:cut]
        assert [what for _, what in result.reported], whole[:cut]
        assert result.summary.exit_code == 2


def test_a_last_line_cut_inside_a_quantity_is_damage_where_lines_end_with_a_separator() -> None:
    head = f"{DAY[0]}\n{DAY[1]}\n"
    cut = DAY[2][: DAY[2].index("|32=200") + len("|32=2")]
    assert Told(head + cut).summary.exit_code == 2
    assert Told(head + cut).order["cum_qty"] == "0"


@pytest.mark.parametrize("change", [("32=300", "32=900"), ("14=500", "14=510"), ("150=F", "150=4"), ("17=E3", "17=E2")])
def test_a_message_that_was_changed_does_not_count_where_checks_hold(change: tuple[str, str]) -> None:
    lines = [*WIRE[:3], WIRE[3].replace(*change), WIRE[4]]
    result = Told("\n".join(lines))
    assert [line for line, _ in result.damaged] == [4]
    assert "CheckSum" in result.reported[0][1] or "BodyLength" in result.reported[0][1]
    assert result.summary.exit_code == 2


@pytest.mark.parametrize("form", ["SOH", "bar", "a JSON envelope"])
def test_a_log_cleaned_of_names_is_read_and_said_once(form: str) -> None:
    lines = [PRINTED[form](message.replace("49=BROKER", "49=XX")) for message in WIRE]
    result = Told("\n".join(lines))
    assert (result.orders, result.reported) == (EXPECTED, [])
    assert [re.sub(r"\(.*", "", note) for note in result.notes] == ["5 x tag 9 ", "5 x tag 10 "]
    assert result.summary.exit_code == 0


# ---------------------------------------------------------------------- one odd field

ODD = {
    "60=1767364200000": None, "60=1767364200": None, "60=20260102-14:30:00Z": None, "60=20260102-14:30": None,
    "60=2026-01-02T14:30:00.123456Z": None, "60=20260102-14:30:00.123+01:00": None, "60=20260102 14:30:00": None,
    "60=noon": "tag 60", "60=20269999-14:30:00": "tag 60", "60=20260102-25:30:00": "tag 60", "52=soon": "tag 52",
    "12=1,5|15=USD": "tag 12", "44=MKT": "tag 44", "99=none": "tag 99", "424=abc": "tag 424", "425=-5": "tag 425",
    "6=NaN": "tag 6", "6=1e999": "tag 6", "44=" + "9" * 65_000: "tag 44", "12=2": "without a currency", "152=x": "tag 152",
    "136=1|137=a|138=USD": "tag 137", "12=1|13=9|15=USD": "tag 13",
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_one_odd_field_never_loses_a_report(odd: str) -> None:
    tags = {field.partition("=")[0] for field in odd.split("|")}
    lines = list(DAY)
    kept = [field for field in lines[2].split("|") if field.partition("=")[0] not in tags]
    lines[2] = "|".join([*kept[:-1], odd, ""])
    result = told(*lines)
    assert [each["cum_qty"] for each in result.orders] == ["1000"]
    assert result.order["executions"] == 3
    named = ODD[odd]
    assert [(line, named in what) for line, what in result.reported] == ([] if named is None else [(3, True)])
    assert result.summary.odd_fields == (named is not None)
    assert (result.summary.damaged, result.summary.exit_code) == (0, 0)


@pytest.mark.parametrize(
    "bad", ["32=4x", "14=1,5", "38=ten", "32=NaN", "14=-1", "32=" + "9" * 65_000 + "x", "14=" + "1" * 65_000]
)
def test_a_quantity_that_cannot_be_read_is_damage(bad: str) -> None:
    tag = bad.partition("=")[0]
    lines = [*DAY[:2], re.sub(rf"\|{tag}=[^|]*", f"|{bad}", DAY[2])]
    result = told(*lines)
    assert f"tag {tag} " in result.reported[0][1]
    assert len(result.reported[0][1]) < 300
    assert (result.order["cum_qty"], result.summary.exit_code) == ("0", 2)


def test_leaves_below_zero_are_left_out_and_the_fill_counts() -> None:
    result = told(*DAY, trade("E5", 10, 1010, -10))
    assert (result.order["cum_qty"], result.order["overfill_qty"]) == ("1010", "10")
    assert any("tag 151" in what for _, what in result.reported)


@pytest.mark.parametrize("px", ["MKT", "1,5", ""])
def test_a_fill_without_a_price_counts(px: str) -> None:
    result = told(*DAY[:2], trade("E2", 200, 200, 800, px=px))
    assert (result.order["cum_qty"], result.order["executions"]) == ("200", 1)


def without(line: str, *tags: int) -> str:
    return "|".join(field for field in line.split("|") if not field.startswith(tuple(f"{tag}=" for tag in tags)))


@pytest.mark.parametrize("first", [1, 2])
def test_a_missing_38_is_what_filled_and_what_works(first: int) -> None:
    result = told(*(without(line, 38) for line in DAY[first:4]))
    assert (result.order["order_qty"], result.order["cum_qty"], result.order["leaves_qty"]) == ("1000", "500", "500")
    assert result.summary.exit_code == 0


def test_a_missing_38_of_a_filled_order_is_what_filled() -> None:
    result = told(without(trade("E2", 200, 200, 0), 38))
    assert (result.order["order_qty"], result.order["ord_status"]) == ("200", "Filled")


def test_a_missing_38_of_an_order_that_ended_stays_unknown() -> None:
    result = told(without(report("E2", "4", "4", 200, 0), 38))
    assert (result.order["order_qty"], result.order["cum_qty"], result.order["leaves_qty"]) == (None, "200", "0")


# ---------------------------------------------------------------------- versions and kinds of messages


def old(line: str) -> str:
    """The same in FIX 4.0: no ExecType, no LeavesQty."""
    return without(line, 150, 151).replace("8=FIX.4.4|", "8=FIX.4.0|20=0|")


def test_fix_4_0_without_150_is_read() -> None:
    gone = old(report("E5", "4", "4", 500, 0))
    result = told(*map(old, DAY[:4]), gone)
    found = result.order
    assert (found["cum_qty"], found["executions"], found["ord_status"], found["leaves_qty"]) == ("500", 2, "Canceled", "0")
    assert (found["canceled_qty"], result.summary.exit_code) == ("500", 0)


def test_fix_4_0_replaces_and_busts_are_read() -> None:
    lines = [*map(old, DAY[:3]), fix("G", cl="C2", orig="C1", symbol="ACME", side=1, qty=600, price=100).replace("4.4", "4.0"),
             old(report("E7", "5", "5", 200, 400, cl="C2", orig="C1", qty=600)),
             old(report("E8", "H", "0", 0, 600, cl="C2", ref="E2", qty=600)).replace("20=0", "20=1")]  # fmt: skip
    result = told(*lines)
    assert (result.order["order_qty"], result.order["cum_qty"], result.order["leaves_qty"]) == (
        "600",
        "0",
        "400",
    )  # 4.0 has no LeavesQty: nothing says that it works again


@pytest.mark.parametrize("version", ["FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIX.5.0", "FIX.5.0SP2", "FIXT.1.1"])
def test_every_version_is_read(version: str) -> None:
    result = Told("\n".join(sent(line, version) for line in DAY))
    assert (result.orders, result.reported) == (EXPECTED, [])


def fee(*fields: str) -> Any:
    decoder = FixDecoder()
    (message,) = decoder.decode(trade("E2", 200, 200, 800) + "".join(f"{field}|" for field in fields), 1)
    (execution,) = message.inputs[0].executions  # type: ignore[union-attr]
    return execution.fee, execution.fee_currency, [(each.amount, each.currency, each.exec_key) for each in message.inputs[1:]]  # type: ignore[union-attr]


@pytest.mark.parametrize(("fields", "expected"), [
    (["12=1.5", "13=3", "479=USD"], ("1.5", "USD", [])),
    (["12=0.01", "13=1", "15=USD"], ("2.00", "USD", [])),
    (["136=1", "137=0.25", "138=USD", "139=4"], ("0.25", "USD", [])),
    (["136=2", "137=0.25", "138=USD", "139=4", "137=0.5", "138=USD", "139=2"], ("0.75", "USD", [])),
    (["12=1", "479=USD", "136=1", "137=-0.25", "138=USD"], ("0.75", "USD", [])),
    (["15=EUR", "136=1", "137=0.25"], ("0.25", "EUR", [])),
    (["12=1", "15=USD", "136=2", "137=0.25", "138=EUR", "137=0.5", "138=USD"], ("1.5", "USD", [("0.25", "EUR", "E2")])),
])  # fmt: skip
def test_fees_in_136_to_139_count(fields: list[str], expected: Any) -> None:
    paid, currency, others = fee(*fields)
    assert (str(paid), currency, [(str(amount), *rest) for amount, *rest in others]) == expected


def captured(exec_id: str | None, last: Any, *sides: str, action: int = 0, ref: str | None = None) -> str:
    """A TradeCaptureReport; `action` is tag 487."""
    fields = [(8, "FIX.4.4"), (35, "AE"), (49, "BROKER"), (56, "CLIENT"), (571, f"T{exec_id}"), (487, action), (17, exec_id),
              (19, ref), (55, "ACME"), (32, last), (31, 100), (552, len(sides))]  # fmt: skip
    return "|".join([*(f"{tag}={value}" for tag, value in fields if value is not None), *sides, ""])


def test_trade_capture_reports_fill_their_orders_once() -> None:
    line = captured("E2", 200, "54=1|37=O1|11=C1|1=ACC", "54=2|37=NONE|1=OTHER")
    result = told(*DAY[:2], line, line, DAY[2])
    assert (result.order["cum_qty"], result.order["executions"], result.order["side"]) == ("200", 1, "buy")
    assert result.summary.exit_code == 0


def test_a_trade_capture_report_fills_both_of_two_orders() -> None:
    result = told(captured("E2", 200, "54=1|37=O1", "54=2|37=O2"))
    assert result.summary.executions == 2


def test_a_trade_capture_cancel_takes_the_trade_back() -> None:
    result = told(*DAY[:2], captured("E2", 200, "54=1|37=O1"), captured("E3", 200, "54=1|37=O1", action=1, ref="E2"))
    assert result.order["cum_qty"] == "0"


def test_a_trade_told_by_report_and_by_capture_under_another_identity_counts_once_and_is_named() -> None:
    result = told(*DAY[:3], captured(None, 200, "54=1|37=O1"))
    assert (result.order["cum_qty"], result.notes) == ("200", ["passed over: 1 x 35=AE"])


def test_the_orders_of_a_list_are_orders() -> None:
    line = "8=FIX.4.4|35=E|49=CLIENT|56=BROKER|66=L1|394=3|68=2|73=2|" + "".join(
        f"11=C{n}|67={n}|55=ACME|54={n}|38={n}00|40=2|44=10|" for n in (1, 2)
    )
    result = told(line)
    assert [(each["cl_ord_id"], each["side"], each["order_qty"]) for each in result.orders] == [
        ("C1", "buy", "100"), ("C2", "sell", "200"),
    ]  # fmt: skip
    cut = told(line[: line.index("11=C2")])
    assert "NoOrders" in cut.reported[0][1]
    assert cut.summary.exit_code == 2


def test_nothing_is_passed_over_without_being_counted() -> None:
    lines = [fix("N"), fix("N"), fix("j"), fix("3"), fix("0"), fix("A"), *DAY]
    result = told(*lines)
    assert result.notes == ["passed over: 2 x 35=N, 1 x 35=j, 1 x 35=3"]
    assert result.orders == EXPECTED


@pytest.mark.parametrize("kind", ["8", "F", "I"])
def test_rejected_after_fills_is_an_end_with_what_filled(kind: str) -> None:
    last = {"last": 100, "px": 100, "cum": 300} if kind == "F" else {"cum": 200}
    result = told(*DAY[:3], report("E5", kind, "8", leaves=0, **last))
    found = result.order
    cum = str(last["cum"])
    assert (found["ord_status"], found["cum_qty"], found["leaves_qty"]) == ("Canceled", cum, "0")
    assert (found["canceled_qty"], result.summary.exit_code) == (str(1000 - int(cum)), 0)


def test_rejected_of_a_request_after_fills_is_no_end_by_this_rule() -> None:
    decoder = FixDecoder()
    (message,) = decoder.decode(report("E5", "8", "8", 200, 0, cl="C2", orig="C1"), 1)
    assert message.exec_type == "Rejected"


# ---------------------------------------------------------------------- merged logs, busts


def numbered(line: str, seq: int, at: str) -> str:
    return line.replace("|56=CLIENT|", f"|56=CLIENT|34={seq}|52=20260102-14:30:{at}|")


@pytest.mark.parametrize("bust_at", ["05", "05.001", "06"])
def test_a_bust_printed_before_its_fill_is_believed_to_be_later(bust_at: str) -> None:
    accepted = numbered(DAY[1], 1, "01")
    fill = numbered(trade("E2", 200, 200, 800), 2, "05")
    bust = numbered(report("E3", "H", "0", 0, 1000, ref="E2"), 3, bust_at)
    result = told(accepted, bust, fill)
    assert (result.order["cum_qty"], result.order["leaves_qty"]) == ("0", "1000")
    assert "34=2" in result.reported[0][1]
    assert result.summary.reordered == 1
    in_order = told(accepted, fill, bust)
    assert (in_order.order["cum_qty"], in_order.summary.reordered) == ("0", 0)


def test_sequence_numbers_that_begin_anew_are_a_new_session() -> None:
    lines = [numbered(DAY[1], 100, "01"), numbered(DAY[2], 101, "02"), numbered(DAY[3], 1, "03"), numbered(DAY[4], 2, "04")]
    result = told(*lines)
    assert (result.order["cum_qty"], result.summary.reordered) == ("1000", 0)


@pytest.mark.parametrize("kind", ["H", "G"])
def test_a_bust_that_prints_the_old_total_is_a_contradiction(kind: str) -> None:
    more = {"last": 100, "px": 100} if kind == "G" else {}
    result = told(*DAY[:4], report("E5", kind, "1", 500, 500, ref="E2", **more))
    assert result.order["cum_qty"] == ("400" if kind == "G" else "300")
    assert result.summary.contradictions == 1
    assert "cum_qty 500" in result.reported[0][1]
    assert result.summary.exit_code == 1


def test_a_bust_that_prints_the_new_total_contradicts_nothing() -> None:
    result = told(*DAY[:4], report("E5", "H", "1", 300, 700, ref="E2"))
    assert (result.order["cum_qty"], result.summary.exit_code) == ("300", 0)


# ---------------------------------------------------------------------- the dialect


@pytest.mark.parametrize("word", ["0", "-1", "-", "NONE", "none", "N/A", "UNKNOWN", "unknown", "NULL", " ", "   "])
@pytest.mark.parametrize("tag", ["37", "41"])
def test_a_placeholder_is_no_id(word: str, tag: str) -> None:
    def about(name: str, type_: str, order_id: str) -> str:
        ids = {"cl": name, "exec_id": f"{name}{type_}{order_id}"}
        line = report(status=type_, leaves=0 if type_ == "8" else 1000, order=order_id, type_=type_, **ids)
        return line if tag == "37" else line + f"41={word}|"

    placeholder = word if tag == "37" else "O1"
    refused = word if tag == "37" else "O2"
    result = told(order("R1"), about("R1", "A", placeholder), about("R1", "0", "O1"), order("R2"), about("R2", "8", refused))
    assert [(each["cl_ord_id"], each["ord_status"], each["leaves_qty"]) for each in result.orders] == [
        ("R1", "New", "1000"), ("R2", "Rejected", "0"),
    ]  # fmt: skip


def test_an_execution_without_identity_is_a_claim() -> None:
    result = told(*DAY[:2], trade("0", 200, 200, 800))
    assert (result.order["cum_qty"], result.order["provisional_qty"]) == ("200", "200")


def lives(word: str, *names: str, day: str = "20260102") -> list[str]:
    lines = []
    for name in names:
        lines += [order(name, at=f"{day}-14:30:00"), report("x" + name, "A", "A", order=word, cl=name, at=f"{day}-14:30:01")]
    return lines


def test_an_id_that_different_orders_share_is_guessed_to_be_none() -> None:
    result = told(*lives("TBD", "R1", "R2"))
    assert [each["cl_ord_id"] for each in result.orders] == ["R1", "R2"]
    assert [each["order_id"] for each in result.orders] == [None, None]
    assert len(result.notes) == 1
    assert "37=TBD is no id" in result.notes[0]


def test_a_chain_of_replaces_under_one_order_id_is_one_order() -> None:
    lines = [*lives("O1", "R1"), fix("G", cl="R2", orig="R1", symbol="ACME", side=1, qty=900, price=100),
             report("E5", "5", "0", 0, 900, cl="R2", orig="R1", qty=900),
             report("E6", "0", "0", 0, 900, cl="R2", qty=900)]  # fmt: skip
    result = told(*lines)
    assert (len(result.orders), result.notes) == (1, [])


def test_an_order_id_used_again_on_another_day_is_not_guessed_to_be_none() -> None:
    assert told(*lives("O1", "R1"), *lives("O1", "R2", day="20260103")).notes == []


@pytest.mark.parametrize("tag", ["1", "109", "115", "128"])
def test_two_accounts_in_one_session_are_told_apart(tag: str) -> None:
    def about(acc: str, **more: Any) -> str:
        return report(cl="1", **more) + f"{tag}={acc}|"

    one = {"order": "O1", "symbol": "ACME", "side": 1, "qty": 1000}
    two = {"order": "O2", "symbol": "BETA", "side": 2, "qty": 300}
    result = told(
        about("A", exec_id="E1", type_="0", status="0", **one), about("B", exec_id="E2", type_="0", status="0", **two),
        about("A", exec_id="E3", type_="F", status="1", cum=60, leaves=940, last=60, px=5, **one),
        about("B", exec_id="E4", type_="F", status="1", cum=200, leaves=100, last=200, px=6, **two),
        fix("9", order="O2", cl="X9", orig="1", status=1),
    )  # fmt: skip
    assert [(each["side"], each["order_qty"], each["cum_qty"]) for each in result.orders] == [
        ("buy", "1000", "60"), ("sell", "300", "200"),
    ]  # fmt: skip
    assert f"tag {'115' if tag == '115' else tag} tells accounts apart" in result.notes[0]


def test_accounts_do_not_join_where_orders_do_not_contradict() -> None:
    lines = [line + f"1=SUB{n}|" for n, line in enumerate(DAY)]
    result = told(*lines)
    assert (result.orders, result.notes) == (EXPECTED, [])


@pytest.mark.parametrize("name", READY)
def test_ready_dialects_read_a_plain_day(name: str) -> None:
    result = told(*DAY, dialect=name)
    assert result.orders == EXPECTED
    assert result.notes[0].startswith(f"dialect {name}: ")


def test_a_dialect_given_by_hand_is_obeyed() -> None:
    result = told(*lives("TBD", "R1", "R2"), dialect="none37=tbd+later,account=1")
    assert [each["order_id"] for each in result.orders] == [None, None]
    assert told(report("E1", "0", "0", order="0", cl="C1"), dialect="real=0").order["order_id"] == "0"


@pytest.mark.parametrize("said", ["nowhere", "none99=x", "account=7", "ids=week", "real=TBD", "=", "", "none37="])
def test_a_dialect_that_is_none_says_what_would_be_right(said: str) -> None:
    with pytest.raises(ValueError, match="give"):
        parse(said)
