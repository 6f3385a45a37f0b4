"""FIX order-state scenarios as FIX logs: one line per message, written from the scenario's values.

The scenarios are data (tests/scenarios, and more in the shared folder when it is there). A row marked `alt` is an
alternative outcome: it is played after the rows before it and then forgotten. `rule_value` stands where the
specification prints something that breaks its own rule.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "scenarios"
SHARED = Path(__file__).parents[2] / "shared" / "scenarios" / "fix_order_state.json"

EXEC = {
    "New": "0", "DoneForDay": "3", "Canceled": "4", "Replaced": "5", "PendingCancel": "6", "Stopped": "7",
    "Rejected": "8", "Suspended": "9", "PendingNew": "A", "Calculated": "B", "Expired": "C", "Restated": "D",
    "PendingReplace": "E", "Trade": "F", "TradeCorrect": "G", "TradeCancel": "H", "OrderStatus": "I", "Triggered": "L",
    "PartialFill": "1", "Partial Fill": "1", "PartiallyFilled": "1", "Fill": "2", "Filled": "2", "Replace": "5",
}  # fmt: skip
STATUS = {
    "New": "0", "PartiallyFilled": "1", "Filled": "2", "DoneForDay": "3", "Canceled": "4", "Replaced": "5",
    "PendingCancel": "6", "Stopped": "7", "Rejected": "8", "Suspended": "9", "PendingNew": "A", "Calculated": "B",
    "Expired": "C", "AcceptedForBidding": "D", "PendingReplace": "E",
}  # fmt: skip
TYPES = {
    "NewOrderSingle": "D", "OrderCancelRequest": "F", "OrderCancelReplaceRequest": "G", "ExecutionReport": "8",
    "OrderCancelReject": "9", "OrderStatusRequest": "H",
}  # fmt: skip
TIFS = {"DAY": "0", "GTC": "1", "IOC": "3", "FOK": "4", "GTD": "6", "OPG": "2"}
TRANS = {"New": "0", "Cancel": "1", "Correct": "2", "Status": "3"}
COMPARED = ("ord_status", "order_qty", "cum_qty", "leaves_qty")


@dataclass
class Row:
    """One message of a scenario: the line to feed and what must be true after it."""

    line: str
    expected: dict[str, str]
    is_report: bool
    crosses: bool
    where: str


@dataclass
class Writer:
    """Writes the rows of one scenario."""

    version: str
    tif: str | None
    orders: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def row(self, step: dict[str, Any], where: str) -> Row:
        self.count += 1
        msg = step["msg"]
        kind = TYPES[msg]
        cl, orig = step.get("clordid"), step.get("origclordid")
        order = self._order(cl, orig, kind)
        venue = step["from"] == "venue"
        day = int(step.get("day") or 1)
        fields: list[tuple[int, Any]] = [(8, f"FIX.{self.version}"), (35, kind), (34, self.count)]
        fields += [(49, "BROKER" if venue else "CLIENT"), (56, "CLIENT" if venue else "BROKER")]
        fields.append((52, f"202601{day:02d}-09:30:{self.count % 60:02d}"))
        if step.get("poss_dup"):
            fields.append((43, "Y"))
        if step.get("poss_resend"):
            fields.append((97, "Y"))
        fields += [
            (11, cl),
            (41, orig),
            (55, "ACME"),
            (54, "1"),
            (38, step.get("order_qty")),
            (152, step.get("cash_order_qty")),
        ]
        if kind == "D":
            fields += [(40, "2"), (44, "100"), (59, TIFS.get(step.get("tif") or self.tif or "DAY", "0"))]
        if venue:
            unknown = step.get("cxl_rej_reason") in (1, "1")
            fields.append((37, "NONE" if unknown else step.get("order_id") or order))
        if kind == "8":
            fields += [(17, step.get("exec_id") or f"E{self.count}"), (19, step.get("exec_ref_id"))]
            fields += [(20, TRANS.get(step.get("exec_trans_type", "New"), "0") if self.version == "4.2" else None)]
            fields += [(150, EXEC[step["exec_type"]]), (39, STATUS.get(step.get("ord_status") or "New"))]
            fields += [(14, step.get("cum_qty")), (151, step.get("leaves_qty")), (32, step.get("last_qty"))]
            fields += [(31, step.get("last_px")), (6, step.get("avg_px")), (378, step.get("exec_restatement_reason"))]
            fields += [(424, step.get("day_order_qty")), (425, step.get("day_cum_qty")), (103, step.get("ord_rej_reason"))]
        if kind == "9":
            fields += [(39, STATUS[step["ord_status"]]), (102, step.get("cxl_rej_reason"))]
        line = "\x01".join(f"{tag}={value}" for tag, value in fields if value is not None) + "\x01"
        return Row(line, self._expected(step) if kind in "89" else {}, kind in "89", bool(step.get("crosses")), where)

    def _order(self, cl: str | None, orig: str | None, kind: str) -> str | None:
        known = self.orders.get(orig or "") or self.orders.get(cl or "")
        if known is None:
            known = f"O-{cl or orig or 'PHONE'}"
        if cl is not None:
            self.orders.setdefault(cl, known)
        return known

    @staticmethod
    def _expected(step: dict[str, Any]) -> dict[str, str]:
        printed = {name: step.get(name) for name in COMPARED}
        if step["msg"] == "OrderCancelReject":
            printed = {"ord_status": step.get("ord_status")}
        rule = step.get("rule_value")
        if isinstance(rule, dict):
            printed.update(rule)
        elif rule is not None:
            name = str(step["exception"]).split(":")[0].removesuffix("_precedence")
            printed[name] = rule
        if step.get("avg_px") is not None and Decimal(str(step.get("cum_qty") or 0)):
            printed["avg_px"] = step["avg_px"]
        for name in ("day_order_qty", "day_cum_qty"):
            if step.get(name) is not None:
                printed[name] = step[name]
        return {name: str(value) for name, value in printed.items() if value is not None}


@dataclass
class Scenario:
    """One scenario: the path it follows, and each alternative outcome as (rows before it, the row)."""

    id: str
    path: list[Row]
    alternatives: list[tuple[int, Row]]


def load(path: Path) -> list[Scenario]:
    """The scenarios of one file."""
    found = []
    for raw in json.loads(path.read_text("utf-8"))["scenarios"]:
        version = "4.2" if "4.2" in raw["id"].split("-")[0] else "4.4"
        writer = Writer(version, raw.get("tif"))
        scenario = Scenario(raw["id"], [], [])
        for number, step in enumerate(raw["steps"]):
            if step.get("from") not in ("client", "venue") or step["msg"] not in TYPES:
                continue
            row = writer.row(step, f"{raw['id']} step {number} (t={step.get('t')})")
            if step.get("branch") == "alt":
                scenario.alternatives.append((len(scenario.path), row))
            else:
                scenario.path.append(row)
        found.append(scenario)
    return found


def scenarios() -> list[Scenario]:
    """Ours, and the shared ones when they are there."""
    own = [each for path in sorted(HERE.glob("*.json")) for each in load(path)]
    return own + (load(SHARED) if SHARED.is_file() else [])
