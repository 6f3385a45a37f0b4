"""Pictures of a journal on a terminal, as plain lines, or as JSON: what `watch` and `demo` show.

Theory of operation. A `Picture` (service) holds what is to be seen; `panel` turns one into something rich can draw, and
`Tape` into plain lines, each fill and each note once, for output that goes to a file or a pipe: no control codes there.
Text that came from a venue is shown, never played (`plain`). On a terminal, positions have at most a third of the room; what is
not covered comes first, in red, and what does not fit is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import zip_longest
from types import TracebackType
from typing import TypeVar

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from partfill.cli import grid
from partfill.model.harmless import harmless as plain
from partfill.model.numbers import ZERO, text
from partfill.service.held import LegLine, PositionLine
from partfill.service.picture import FillLine, NoteLine, OrderLine, Picture

BAR = 14
"""Width of a fill bar, signs."""
BETWEEN = 3
"""Signs between fills and events that stand side by side."""
LEAST_NOTES = 48
"""Signs that events need to stand beside fills."""
PER_SECOND = 8
"""Pictures a second at most."""
_T = TypeVar("_T")
_STYLES = {
    "working": "cyan", "stopping": "yellow", "filled": "green", "halted": "bold red", "disputed": "bold red",
    "doubted": "bold yellow", "rejected": "red", "killed": "red",
}  # fmt: skip


def bar(cum: Decimal, qty: Decimal, width: int = BAR, signs: str = "█░") -> str:
    """How much of `qty` has filled: full only when all has, empty only when nothing has.

    >>> bar(Decimal("1"), Decimal("3"), 6, "#.")
    '##....'
    """
    if cum <= ZERO or qty <= ZERO:
        return signs[1] * width
    if cum >= qty:
        return signs[0] * width
    full = min(width - 1, max(1, int(cum * width / qty)))
    return signs[0] * full + signs[1] * (width - full)


def percent(cum: Decimal, qty: Decimal) -> str:
    """How much has filled, rounded down: 100% means everything."""
    return f"{int(cum * 100 / qty)}%" if qty > ZERO else "-"


def clock(ns: int | None) -> str:
    """Time of day, UTC, with milliseconds."""
    if ns is None:
        return "-"
    seconds, rest = divmod(ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S") + f".{rest // 1_000_000:03d}"


def number(value: Decimal | None, digits: int | None = None) -> str:
    """Plain digits; averages are cut to `digits` places."""
    if value is None:
        return "-"
    return text(value if digits is None else round(value, digits))


def panel(picture: Picture, title: str, rows: int, signs: str = "█░", width: int = 140) -> RenderableType:
    """Everything in one frame, no line wider than `width`: `rows` orders at most, and as many fills and notes as fit below.

    Beside positions there are fewer.
    """
    dots = "…" if signs.startswith("█") else "..."
    parts = [*_header(picture, title, width), *_alarms(picture, width, dots)]
    rows = max(3, rows - len(parts) // 2)
    held = picture.positions[: most_positions(rows)]
    if held:
        more = _more(picture, held)
        parts += [*_positions(held, width, dots), *([more] if more is not None else []), Text()]
        rows = max(3, rows - (len(held) + 3) // 2)
    parts += [*_fitting(lambda orders: _orders(orders, signs, width, dots), picture.orders[:rows], rows), Text()]
    fills, notes = _fills(picture.fills[:rows], width, dots), picture.notes[:rows]
    left = max((line.cell_len for line in fills), default=0)
    room = width - left - BETWEEN
    if room >= LEAST_NOTES:
        parts += _beside(fills, left, _notes(notes, room, dots))
    else:
        half = max(3, rows // 2)
        parts += [*_fitting(lambda fills: _fills(fills, width, dots), picture.fills[:half], half), Text()]
        parts += _fitting(lambda notes: _notes(notes, width, dots), notes[:half], half)
    return Group(*parts)


def _fitting(draw: Callable[[list[_T]], list[Text]], what: list[_T], room: int) -> list[Text]:
    """As many of these, from the first on, as fit into so many lines: on a narrow screen each takes several."""
    lines = draw(what)
    if len(lines) <= room + 1 or len(what) <= 1:
        return lines
    each = -(-len(lines) // (len(what) + 1))
    return draw(what[: max(1, room // each - 1)])


def most_positions(rows: int) -> int:
    """How many positions are shown where there is room for `rows` orders and as many fills."""
    return max(2, rows * 2 // 3 - 3)


def _beside(left: list[Text], wide: int, right: list[Text]) -> list[Text]:
    out = []
    for one, other in zip_longest(left, right):
        line = Text(no_wrap=True)
        line.append_text(one if one is not None else Text())
        if other is not None:
            line.append(" " * (wide - line.cell_len + BETWEEN))
            line.append_text(other)
        out.append(line)
    return out


def _folded(said: str, width: int, style: str) -> list[Text]:
    return [Text(line, style=style, no_wrap=True) for line in grid.fold(said, width)]


def _header(picture: Picture, title: str, width: int) -> list[Text]:
    lines = _folded(f"{plain(title)}  input {picture.seq}, {picture.open} open", width, "bold")
    if picture.writer:
        lines += _folded(plain(picture.writer), width, "bold white on red")
    for venue, account, who in picture.killed:
        where = "everywhere" if venue == "*" else f"at {venue} {account}".rstrip()
        lines += _folded(grid.short(f"KILL SWITCH ON {plain(where)} ({plain(who)})", 2 * width), width, "bold red")
    return lines


def _alarms(picture: Picture, width: int, dots: str) -> list[Text]:
    """How many alarms there were, and the last ones: they stay where events scroll away."""
    if not picture.alarms:
        return []
    lines = [Text(f"{picture.alarms} alarm{'s' if picture.alarms > 1 else ''}, the last:", style="bold yellow", no_wrap=True)]
    for note in picture.last_alarms:
        lines += _note(note, 0, width, dots)
    return lines


def _table(rows: list[grid.Row], columns: tuple[grid.Column, ...], width: int, dots: str) -> list[Text]:
    return grid.lines(columns, rows, width, dots=dots, head="dim")


_ORDERS = (
    grid.Column("order"), grid.Column("side", whole=True), grid.Column("instrument"), grid.Column("qty", True, True),
    grid.Column("price", True, True), grid.Column("filled", True, True), grid.Column("", True, spare=4),
    grid.Column("%", True, True, spare=3), grid.Column("avg px", True, True, spare=1),
    grid.Column("tries", True, True, spare=2), grid.Column("state", whole=True),
)  # fmt: skip
_POSITIONS = (
    grid.Column("position"), grid.Column("at"), grid.Column("held", True, True), grid.Column("avg px", True, True),
    grid.Column("net", True, True), grid.Column("protected", True),
)  # fmt: skip
_FILLS = (
    grid.Column("fills", True), grid.Column("order"), grid.Column("side", whole=True), grid.Column("instrument"),
    grid.Column("qty", True, True), grid.Column("px", True, True),
)  # fmt: skip


def _orders(orders: list[OrderLine], signs: str, width: int, dots: str) -> list[Text]:
    rows = []
    for order in orders:
        style = _STYLES.get(order.state, "dim")
        cells = (
            grid.short(plain(order.ref), 20, dots), grid.Cell(order.side, "green" if order.side == "buy" else "magenta"),
            order.instrument, number(order.order_qty), number(order.price), number(order.cum_qty),
            grid.Cell(bar(order.cum_qty, order.order_qty, signs=signs), style), percent(order.cum_qty, order.order_qty),
            number(order.avg_px, 4), str(order.children), grid.Cell(order.state, style),
        )  # fmt: skip
        rows.append(grid.Row(cells, "" if order.open else "dim"))
    return _table(rows, _ORDERS, width, dots)


def _positions(positions: list[PositionLine], width: int, dots: str) -> list[Text]:
    rows = []
    for each in positions:
        held = grid.Cell(number(each.held), "" if not each.covered else "green" if each.held > ZERO else "magenta")
        cells = (each.instrument, f"{each.venue} {each.account}".rstrip(), held, number(each.avg_px, 4), number(each.net, 4),
                 protected(each.legs))  # fmt: skip
        rows.append(grid.Row(cells, "" if each.covered else "bold red"))
    return _table(rows, _POSITIONS, width, dots)


def protected(legs: list[LegLine]) -> str:
    """What of each leg works, of what should: "stop 60/100, target 30/50 watched"; "-" for no protection."""
    said = (f"{leg.name} {number(leg.works)}/{number(leg.wanted)}{' watched' if leg.watched else ''}" for leg in legs)
    return ", ".join(said) or "-"


def _more(picture: Picture, shown: list[PositionLine]) -> Text | None:
    """What is not shown of positions; None where all are."""
    count = picture.held - len(shown)
    hidden = picture.uncovered - sum(1 for each in shown if not each.covered)
    if count <= 0:
        return None
    said = Text(f"and {count} more", style="dim")
    if hidden > 0:
        said.append(f", {hidden} of them not covered", style="bold red")
    return said


def _fills(fills: list[FillLine], width: int, dots: str) -> list[Text]:
    rows = []
    for fill in fills:
        side = grid.Cell(fill.side or "-", "green" if fill.side == "buy" else "magenta")
        who = grid.short(plain(fill.ref or fill.order_id or "-"), 16, dots)
        cells = (clock(fill.time), who, side, fill.instrument or "-", number(fill.qty), number(fill.px))
        rows.append(grid.Row(cells, "strike red" if fill.void else ""))
    return _table(rows, _FILLS, width, dots)


def _notes(notes: list[NoteLine], width: int, dots: str) -> list[Text]:
    """What happened, each in one line: sentences end after a whole word, so that no number in them loses digits."""
    who = max([5, *(min(16, cell_len(plain(note.ref or "-"))) for note in notes)])
    lines = [Text(f"{'events':<12}  {'order':<{who}}  what"[:width], style="dim", no_wrap=True)]
    for note in notes:
        lines += _note(note, who, width, dots)
    return lines


def _note(note: NoteLine, who: int, width: int, dots: str) -> list[Text]:
    """One event with the order in `who` signs; on a narrow screen in several lines."""
    said = plain(note.text if not note.alarm else f"{note.kind}: {note.text}")
    ref = grid.short(plain(note.ref or "-"), who or 16, dots)
    begins = f"{clock(note.time):<12}  {ref}{' ' * (who - cell_len(ref))}  "
    room = width - cell_len(begins)
    line = begins + grid.short_words(said, room if width >= LEAST_NOTES else 2 * width, dots)
    style = "bold yellow" if note.alarm else ""
    return [Text(line, style, no_wrap=True)] if cell_len(line) <= width else _folded(line, width, style)


class Tape:
    """Plain lines: what is new in each picture, oldest first, once."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._seen = -1
        self._killed: list[tuple[str, str, str]] = []
        self._writer = ""

    def show(self, picture: Picture) -> None:
        """Write what came since the last picture."""
        if picture.writer != self._writer:
            self._writer = picture.writer
            self._write(plain(picture.writer or "the journal is being written again"))
        if picture.killed != self._killed:
            self._killed = picture.killed
            where = ", ".join(f"{venue} {account}".strip() for venue, account, _ in picture.killed)
            self._write(f"{clock(picture.time)}  kill switch {plain('on: ' + where) if where else 'off'}")
        lines = [(fill.seq, 0, _tape_fill(fill)) for fill in picture.fills if fill.seq > self._seen]
        lines += [(note.seq, 1, _tape_note(note)) for note in picture.notes if note.seq > self._seen]
        for _, _, line in sorted(lines):
            self._write(line)
        self._seen = max(self._seen, picture.seq)


def _tape_fill(fill: FillLine) -> str:
    what = f"{fill.side or '-'} {number(fill.qty)} {fill.instrument or '-'} at {number(fill.px)}"
    return plain(f"{clock(fill.time)}  {'void' if fill.void else 'fill'}  {fill.ref or fill.order_id or '-'}  {what}")


def _tape_note(note: NoteLine) -> str:
    return plain(f"{clock(note.time)}  {'ALARM ' + note.kind if note.alarm else 'order'}  {note.ref or '-'}  {note.text}")


class Screen:
    """Shows pictures: redrawn in place on a terminal, as a tape anywhere else. Use as a context manager."""

    def __init__(self, title: str, console: Console | None = None) -> None:
        self.title = title
        self.console = console if console is not None else Console(highlight=False)
        self._live: Live | None = None
        self._tape = Tape(self._line)

    def __enter__(self) -> Screen:
        if self.console.is_terminal:
            self._live = Live(console=self.console, auto_refresh=False, vertical_overflow="crop")
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def _line(self, line: str) -> None:
        self.console.file.write(line + "\n")

    @property
    def rows(self) -> int:
        """Orders that fit, and as many fills."""
        return max(3, (self.console.size.height - 5) // 2) if self._live is not None else 200

    @property
    def positions(self) -> int:
        """Positions that fit; a tape has none."""
        return most_positions(self.rows) if self._live is not None else 0

    def show(self, picture: Picture) -> None:
        """Show the newest picture."""
        if self._live is None:
            self._tape.show(picture)
            self.console.file.flush()
            return
        unicode = self.console.encoding.lower().startswith("utf")
        self._live.update(panel(picture, self.title, self.rows, "█░" if unicode else "#.", self.console.width), refresh=True)


__all__ = ["PER_SECOND", "Screen", "Tape", "bar", "clock", "most_positions", "number", "panel", "percent", "plain", "protected"]
