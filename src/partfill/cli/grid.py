"""Tables for people, as wide as the screen: a number is shown whole or not at all, texts give way.

Theory of operation. Each column has the width of its longest cell. Where they do not fit, texts are shortened, the longest
first, down to `LEAST`; then columns that may be left out are; then a row takes several lines, each as far as it fits, the
lines after the first set in, and texts have up to a quarter of the screen. A number that is wider than the screen goes on in
the next line.

Rules
- Every cell is made harmless here (`model.harmless`), and is never read as markup.
- A text that was shortened ends with an ellipsis; a number never does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console
from rich.text import Text

from partfill.model.harmless import harmless

LEAST = 6
"""Signs that a shortened text has at least."""
GAP = 2
PIPED = 240
"""Signs in a line where the output is no terminal."""


class Column(NamedTuple):
    """One column. `whole`: its cells are never shortened: numbers, times. `spare`: it is left out first, the highest first."""

    name: str
    whole: bool = False
    right: bool = False
    spare: int = 0


class Cell(NamedTuple):
    """A cell with a style of its own."""

    said: str
    style: str = ""


class Row(NamedTuple):
    """Cells of one row, in the order of the columns, and the style of the row."""

    cells: Sequence[str | Cell]
    style: str = ""


def short(said: str, width: int, dots: str = "…") -> str:
    """Text of at most `width` signs, with an ellipsis where it was longer."""
    if cell_len(said) <= width:
        return said
    dots = dots[: max(0, width)]
    return set_cell_size(said, max(0, width - len(dots))).rstrip(" ") + dots


def short_words(said: str, width: int, dots: str = "…") -> str:
    """The same for a sentence: it ends after a whole word, so that no number in it loses digits."""
    if cell_len(said) <= width:
        return said
    kept = fold(said, max(1, width - len(dots) - 1))[0]
    if said[len(kept) : len(kept) + 1] != " ":
        # A single word that is too long: only one without digits may be cut.
        return short(said, width, dots) if not any(map(str.isdigit, kept)) else dots[: max(0, width)]
    return f"{kept} {dots}"


def fold(said: str, room: int) -> list[str]:
    """Text as lines of at most `room` signs, broken between words, and within one only where it is longer than a line."""
    out: list[str] = []
    line = ""
    for word in said.split(" "):
        if line and cell_len(line) + 1 + cell_len(word) <= room:
            line = f"{line} {word}"
            continue
        if line:
            out.append(line)
        *full, line = chop_cells(word, max(1, room)) or [""]
        out += full
    return [*out, line]


def lines(columns: Sequence[Column], rows: Iterable[Row], width: int, *, dots: str = "…", head: str = "bold") -> list[Text]:
    """The table with its head, no line wider than `width`."""
    given = [Row([_clean(cell) for cell in row.cells], row.style) for row in rows]
    kept = list(range(len(columns)))
    natural = [
        max([cell_len(column.name), *(cell_len(_said(row.cells[n])) for row in given)]) for n, column in enumerate(columns)
    ]
    while True:
        widths = _shortened(columns, natural, kept, width)
        spare = [n for n in kept if columns[n].spare]
        if _total(widths, kept) <= width or not spare:
            break
        kept.remove(max(spare, key=lambda n: columns[n].spare))
    if _total(widths, kept) > width:
        # Several lines a row in any case: then texts need not be cut to the bone.
        widths = [size if columns[n].whole else min(size, max(LEAST, width // 4)) for n, size in enumerate(natural)]
    groups = _groups(widths, kept, width)
    names = Row([column.name for column in columns], head)
    return [line for row in (names, *given) for line in _drawn(columns, row, groups, widths, width, dots)]


def _clean(cell: str | Cell) -> str | Cell:
    return Cell(harmless(cell.said), cell.style) if isinstance(cell, Cell) else harmless(cell)


def _said(cell: str | Cell) -> str:
    return cell.said if isinstance(cell, Cell) else cell


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[n] for n in kept) + GAP * (len(kept) - 1)


def _shortened(columns: Sequence[Column], natural: Sequence[int], kept: Sequence[int], width: int) -> list[int]:
    """Widths for which the longest texts have given way, as far as is needed and they can."""
    widths = list(natural)
    texts = [n for n in kept if not columns[n].whole]
    while (much := _total(widths, kept) - width) > 0:
        widest = max((widths[n] for n in texts), default=0)
        if widest <= LEAST:
            break
        tied = [n for n in texts if widths[n] == widest]
        below = max([LEAST, *(widths[n] for n in texts if widths[n] < widest)])
        step = max(1, min(widest - below, -(-much // len(tied))))
        for n in tied:
            widths[n] -= step
    return widths


def _groups(widths: Sequence[int], kept: Sequence[int], width: int) -> list[list[int]]:
    """Which columns stand in which line of a row."""
    groups: list[list[int]] = [[]]
    at = 0
    for n in kept:
        if groups[-1] and at + GAP + widths[n] > width:
            groups.append([n])
            at = GAP + widths[n]
        else:
            at += widths[n] + (GAP if groups[-1] else 0)
            groups[-1].append(n)
    return groups


def _drawn(columns: Sequence[Column], row: Row, groups: Sequence[Sequence[int]], widths: Sequence[int], width: int,
           dots: str) -> list[Text]:  # fmt: skip
    out = []
    for number, group in enumerate(groups):
        line = Text(" " * GAP if number else "", no_wrap=True)
        room = width - line.cell_len
        for place, n in enumerate(group):
            cell = row.cells[n]
            said, style = (cell.said, cell.style) if isinstance(cell, Cell) else (cell, "")
            if not columns[n].whole:
                said = short(said, min(widths[n], room), dots)
            if cell_len(said) > room:
                # Alone in its line, and still too wide: whole, over several lines.
                parts = fold(said, room)
                out += [_styled(Text(line.plain + part, no_wrap=True), row.style) for part in parts[:-1]]
                said = parts[-1]
            pad = " " * max(0, min(widths[n], room) - cell_len(said))
            line.append(pad if columns[n].right else "")
            line.append(said, style)
            line.append(("" if columns[n].right else pad) + " " * GAP if place < len(group) - 1 else "")
        if number == 0 or line.plain.strip():
            out.append(_styled(line, row.style))
    return out


def _styled(line: Text, style: str) -> Text:
    line.rstrip()
    if style:
        # Below what single cells have.
        line.style = style
    return line


def show(columns: Sequence[Column], rows: Iterable[Row], closing: Iterable[Text] = ()) -> None:
    """Print a table, and lines after it, to standard output."""
    console = Console(width=None if sys.stdout.isatty() else PIPED, highlight=False)
    given = list(rows)
    dots = "…" if console.encoding.lower().startswith("utf") else "..."
    for line in (*(lines(columns, given, console.width, dots=dots) if given else ()), *closing):
        console.print(line, soft_wrap=True)


__all__ = ["Cell", "Column", "Row", "fold", "lines", "short", "short_words", "show"]
