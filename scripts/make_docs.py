"""Write the generated pages of docs/: the status tables and diagram, the invariants' index, the JSON Schemas.

Run: python scripts/make_docs.py          writes them
     python scripts/make_docs.py --check  exits 1 when one is not up to date
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

from partfill.core.lifecycle import EFFECTS, ENDED, STATUS_OF_FACT, WORD_EFFECTS, Effect, Fact, status_of
from partfill.model.codec import schemas
from partfill.model.words import ExecType, Flag, OrdStatus, Request

DOCS = Path(__file__).resolve().parent.parent / "docs"

STATES: dict[OrdStatus, int] = {
    OrdStatus.PENDING_NEW: 0,
    OrdStatus.NEW: Fact.NEW,
    OrdStatus.PARTIALLY_FILLED: Fact.NEW | Fact.PARTIALLY_FILLED,
    OrdStatus.FILLED: Fact.NEW | Fact.FILLED,
    OrdStatus.DONE_FOR_DAY: Fact.NEW | Fact.DONE_FOR_DAY,
    OrdStatus.SUSPENDED: Fact.NEW | Fact.SUSPENDED,
    OrdStatus.STOPPED: Fact.NEW | Fact.STOPPED,
    OrdStatus.CANCELED: Fact.NEW | Fact.CANCELED,
    OrdStatus.EXPIRED: Fact.NEW | Fact.EXPIRED,
    OrdStatus.REJECTED: Fact.REJECTED,
    OrdStatus.PENDING_CANCEL: Fact.NEW | Fact.PENDING_CANCEL,
    OrdStatus.PENDING_REPLACE: Fact.NEW | Fact.PENDING_REPLACE,
}
"""Facts of a typical order in each status."""


def after(facts: int, effect: Effect) -> int:
    """The facts after a report, as `core.reports` applies it."""
    facts = (facts & ~effect.clears) | effect.sets
    if effect.ends or effect.answers:
        facts &= ~(Fact.PENDING_CANCEL | Fact.PENDING_REPLACE)
    if effect.acknowledges is not None and not facts & ENDED:
        facts |= Fact.PENDING_CANCEL if effect.acknowledges is Request.CANCEL else Fact.PENDING_REPLACE
    return facts


def edges() -> dict[tuple[OrdStatus, OrdStatus], list[str]]:
    """(from, to) -> the reports that lead there; fills as the quantities decide."""
    found: dict[tuple[OrdStatus, OrdStatus], list[str]] = {}
    for status, facts in STATES.items():
        for report, effect in EFFECTS.items():
            if report is ExecType.TRADE:
                continue
            to = status_of(after(facts, effect))
            if to is not status:
                found.setdefault((status, to), []).append(report.value)
        for fact, name in ((Fact.PARTIALLY_FILLED, "fill"), (Fact.FILLED, "last fill")):
            to = status_of(facts | Fact.NEW | fact)
            if to is not status and not facts & (Fact.FILLED | fact):
                found.setdefault((status, to), []).append(name)
    found.setdefault((OrdStatus.FILLED, OrdStatus.PARTIALLY_FILLED), []).append("bust, if the venue reopens")
    return found


def _names(bits: int) -> str:
    return ", ".join(fact.name for fact in Fact if bits & fact) or "-"


def status_page() -> str:
    """docs/status.md."""
    lines = [
        "# Order status",
        "",
        "Generated from the tables in `src/partfill/core/lifecycle.py` by `scripts/make_docs.py`. Change those, not this.",
        "",
        "An order has no state variable. Facts hold about it; the status is the highest that is true now.",
        "",
        "## Precedence, highest first",
        "",
        "| fact | status | ends the order | comes from |",
        "| --- | --- | --- | --- |",
    ]
    derived = {Fact.PARTIALLY_FILLED: "quantities", Fact.FILLED: "quantities"}
    derived |= {Fact.PENDING_CANCEL: "acknowledged requests", Fact.PENDING_REPLACE: "acknowledged requests"}
    for fact, status in reversed(STATUS_OF_FACT.items()):
        ends = "yes" if fact & ENDED else "a day order" if fact is Fact.DONE_FOR_DAY else "no"
        lines.append(f"| {fact.name} | {status.value} | {ends} | {derived.get(fact, 'the venue')} |")
    lines += ["", "## Reports", "", "| report | sets | clears | terms move | means |", "| --- | --- | --- | --- | --- |"]
    for report, effect in EFFECTS.items():
        request = f" (opens a {effect.acknowledges.value} request)" if effect.acknowledges else ""
        request += " (answers a request)" if effect.answers else ""
        terms = "yes" if effect.terms else "no"
        lines.append(
            f"| {report.value} | {_names(effect.sets)} | {_names(effect.clears)} | {terms} | {effect.meaning}{request} |"
        )
    lines += ["", "## Words in a poll answer", "", "| word | sets |", "| --- | --- |"]
    for word, effect in WORD_EFFECTS.items():
        request = f", acknowledges a {effect.acknowledges.value}" if effect.acknowledges else ""
        lines.append(f"| {word.value} | {_names(effect.sets)}{request} |")
    lines += ["", "## Diagram", "", "From each status, where a report or fill leads.", "", "```mermaid", "stateDiagram-v2"]
    lines.append("    [*] --> PendingNew: sent")
    for (one, two), reports in edges().items():
        lines.append(f"    {one.value} --> {two.value}: {', '.join(reports)}")
    lines += ["```", "", "## Flags", "", "| bit | flag | meaning |", "| --- | --- | --- |"]
    meanings = _flag_meanings()
    lines += [f"| {flag.value} | {flag.name} | {meanings[flag.name]} |" for flag in Flag]
    return "\n".join(lines) + "\n"


def _flag_meanings() -> dict[str, str]:
    """The line below each flag in words.py."""
    source = (DOCS.parent / "src/partfill/model/words.py").read_text("utf-8").splitlines()
    meanings = {}
    for line, below in itertools.pairwise(source):
        name, _, value = line.strip().partition(" = ")
        if name in Flag.__members__ and value.isdigit():
            meanings[name] = below.strip().strip('"')
    return meanings


def pages() -> dict[Path, str]:
    """Every generated file and what belongs in it."""
    found = {DOCS / "status.md": status_page()}
    for name, schema in schemas().items():
        found[DOCS / "schema" / f"{name}.json"] = json.dumps(schema, indent=1, sort_keys=True) + "\n"
    return found


def main() -> int:
    """Write or check."""
    stale = [path for path, text in pages().items() if not path.is_file() or path.read_text("utf-8") != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.relative_to(DOCS.parent)} is not up to date; run python scripts/make_docs.py")
        return 1 if stale else 0
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
