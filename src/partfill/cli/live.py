"""Pictures of a journal on a terminal, as plain lines, or as JSON: what `watch` and `demo` show.

Theory of operation. A `Picture` (service) holds what is to be seen; `panel` turns one into something rich can draw, and
`Tape` into plain lines, each fill and each note once, for output that goes to a file or a pipe: no control codes there.
Text that came from a venue is shown, never played (`plain`). On a terminal, positions have at most a third of the room; what is
not covered comes first, in red, and what does not fit is counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from partfill.model.numbers import ZERO, text
from partfill.service.held import LegLine, PositionLine
from partfill.service.picture import FillLine, NoteLine, OrderLine, Picture

_SIGNS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
BAR = 14
"""Width of a fill bar, signs."""
PER_SECOND = 8
"""Pictures a second at most."""
_STYLES = {"working": "cyan", "stopping": "yellow", "filled": "green", "halted": "bold red", "rejected": "red", "killed": "red"}


def plain(value: object) -> str:
    """Text without the signs that a terminal would obey."""
    return _SIGNS.sub("?", str(value))


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


def panel(picture: Picture, title: str, rows: int, signs: str = "█░") -> RenderableType:
    """Everything in one frame; `rows` orders at most, and as many fills and notes as fit below; fewer beside positions."""
    parts: list[RenderableType] = [_header(picture, title)]
    held = picture.positions[: most_positions(rows)]
    if held:
        more = _more(picture, held)
        parts += [_positions(held), *([more] if more is not None else []), Text()]
        rows = max(3, rows - (len(held) + 3) // 2)
    parts.append(_orders(picture.orders[:rows], signs))
    below = Table.grid(padding=(0, 3))
    below.add_row(_fills(picture.fills[:rows]), _notes(picture.notes[:rows]))
    parts += [Text(), below]
    return Group(*parts)


def most_positions(rows: int) -> int:
    """How many positions are shown where there is room for `rows` orders and as many fills."""
    return max(2, rows * 2 // 3 - 3)


def _header(picture: Picture, title: str) -> Text:
    head = Text(f"{plain(title)}  ", style="bold")
    head.append(f"input {picture.seq}, {picture.open} open", style="dim")
    for venue, account, who in picture.killed:
        where = "everywhere" if venue == "*" else f"at {venue} {account}".rstrip()
        head.append(f"  KILL SWITCH ON {plain(where)} ({plain(who)})", style="bold red")
    return head


def _table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in columns:
        wide = len("00:00:00.000") if name in ("fills", "events") else None
        table.add_column(name, justify="right" if name in right else "left", no_wrap=True, overflow="ellipsis", min_width=wide)
    return table


def _orders(orders: list[OrderLine], signs: str) -> Table:
    columns = ("order", "side", "instrument", "qty", "price", "filled", "", "%", "avg px", "tries", "state")
    table = _table(*columns, right=("qty", "price", "filled", "%", "avg px", "tries"))
    for order in orders:
        style = _STYLES.get(order.state, "dim")
        side = Text(order.side, style="green" if order.side == "buy" else "magenta")
        table.add_row(
            plain(order.ref)[:20], side, plain(order.instrument), number(order.order_qty), number(order.price),
            number(order.cum_qty), Text(bar(order.cum_qty, order.order_qty, signs=signs), style=style),
            percent(order.cum_qty, order.order_qty), number(order.avg_px, 4), str(order.children),
            Text(order.state, style=style), style="" if order.open else "dim",
        )  # fmt: skip
    return table


def _positions(positions: list[PositionLine]) -> Table:
    table = _table("position", "at", "held", "avg px", "net", "protected", right=("held", "avg px", "net"))
    for each in positions:
        held = Text(number(each.held), style="" if not each.covered else "green" if each.held > ZERO else "magenta")
        cells = (plain(each.instrument), plain(f"{each.venue} {each.account}".rstrip()), held, number(each.avg_px, 4),
                 number(each.net, 4), plain(protected(each.legs)))  # fmt: skip
        table.add_row(*cells, style="" if each.covered else "bold red")
    return table


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


def _fills(fills: list[FillLine]) -> Table:
    table = _table("fills", "order", "side", "instrument", "qty", "px", right=("qty", "px"))
    for fill in fills:
        side = Text(fill.side or "-", style="green" if fill.side == "buy" else "magenta")
        who = plain(fill.ref or fill.order_id or "-")[:16]
        cells = (clock(fill.time), who, side, plain(fill.instrument or "-"), number(fill.qty), number(fill.px))
        table.add_row(*cells, style="strike red" if fill.void else "")
    return table


def _notes(notes: list[NoteLine]) -> Table:
    table = _table("events", "order", "what")
    for note in notes:
        said = note.text if not note.alarm else f"{note.kind}: {note.text}"
        table.add_row(clock(note.time), plain(note.ref or "-")[:16], plain(said), style="bold yellow" if note.alarm else "")
    return table


class Tape:
    """Plain lines: what is new in each picture, oldest first, once."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._seen = -1
        self._killed: list[tuple[str, str, str]] = []

    def show(self, picture: Picture) -> None:
        """Write what came since the last picture."""
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
        self._live.update(panel(picture, self.title, self.rows, "█░" if unicode else "#."), refresh=True)


__all__ = ["PER_SECOND", "Screen", "Tape", "bar", "clock", "most_positions", "number", "panel", "percent", "plain", "protected"]
