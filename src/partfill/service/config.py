"""The daemon's configuration file: TOML, read strictly, every mistake named at once.

    [journal]
    path = "paper.db"

    [[venues]]
    name = "paper"
    kind = "paper"
    instruments = ["ACME", "BTC-USD"]

    [execution.fill_management]
    auto_resubmit = true
    min_resubmit_size = 10.0

Theory of operation. The tables below say which keys there are, what each may hold and what it is when left out; one reader
(`service.reader`) goes through the file with them and collects what is wrong. Paths are relative to the folder the program was
started in.

Rules
- An unknown key is a mistake: a misspelt `auto_resubmit` must not silently be off.
- A mistake names the key by its path, says what is there, and what would be right.
- What the environment sets of `[execution.fill_management]` (`PARTFILL_POLL_INTERVAL_MS`, see `runtime.settings`) goes before
  the file, and its mistakes are named along with the file's.
- Nothing is opened or written here; `writable` only asks the file system.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from partfill.model.numbers import ZERO, text
from partfill.model.policy import LOCKS, WIDE_TICKS, DustUse, LiveLimits, Mode, Remainder, RemainderPolicy
from partfill.runtime.ingest import MAX_WINDOW_MS, WINDOW_MS
from partfill.runtime.outbox import Wire
from partfill.runtime.per_venue import ACCOUNTS, PER_SECOND
from partfill.runtime.remainders import RemainderSettings
from partfill.runtime.settings import BOUNDS, FillManagement, from_environment
from partfill.service.address import MAX_BYTES, control_path, is_loopback
from partfill.service.reader import Invalid, Key, Mistake, Reader, hint, shown
from partfill.venues.paper.market import SHAPES

PAPER, PAPER_REMOTE = "paper", "paper-remote"


class VenueConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One venue. `paper` runs in the daemon's own process and restarts with it, which ends its orders; `paper-remote` is a
    process of its own.

    `speed`: market time per real time. `warm_up`: market events before the first request. `session` is the name under which
    a remote venue knows this desk; it must stay the same through restarts and belong to one desk only. `per_second`: requests
    to each account; a venue without has that of `[limits]`.
    """

    name: str
    kind: str
    accounts: tuple[str, ...]
    per_second: int
    instruments: tuple[str, ...] = ()
    seed: int = 0
    speed: int = 1
    warm_up: int = 2_000
    host: str = "127.0.0.1"
    port: int = 0
    session: str = "desk"


class IngestConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Who may report partial fills from outside. `key_file`: a TOML file of keys that only its owner may read; None: no file.

    `window_ms`: how far the time of a signature may be from ours.
    """

    key_file: Path | None = None
    window_ms: int = WINDOW_MS


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where metrics and health are served. `port` 0: a free one, which the ready line tells."""

    host: str
    port: int


class Bot(msgspec.Struct, frozen=True, kw_only=True):
    """Under which names decisions on remainders are watched. Their reports carry those of `Wire`.

    `metrics_prefix` stands before the three metrics of decisions; "" is partfill's own names. At `health_path` the health of
    the decisions alone is served; "" is nowhere.
    """

    name: str
    metrics_prefix: str
    health_path: str


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `partfill run` needs. `timeout_s`: seconds until the outcome of a request counts as unknown."""

    journal: Path
    venues: tuple[VenueConfig, ...]
    fill_management: FillManagement
    remainders: RemainderSettings
    reports: Path | None
    """A file of JSON Lines for the reports of decisions."""
    wire: Wire
    bot: Bot
    http: HttpConfig | None
    """None: nothing is served."""
    timeout_s: Decimal
    ingest: IngestConfig = IngestConfig()

    @property
    def accounts(self) -> dict[str, tuple[str, ...]]:
        """The accounts of each venue, by its name."""
        return {venue.name: venue.accounts for venue in self.venues}

    @property
    def per_second(self) -> dict[str, int]:
        """Requests a second to each account of a venue, by its name."""
        return {venue.name: venue.per_second for venue in self.venues}


_MOST = 1_000_000_000
_NEVER = ("max_hold_ms", "max_hold_drift_ticks")
"""Ends of a hold: 0 is none."""


def _locked(name: str) -> tuple[int | Decimal, int | Decimal]:
    """The range of a locked setting, in the kind of number that its key holds; 0 where that stands for none."""
    lock = LOCKS[name]
    low = ZERO if name in _NEVER else lock.low
    # A wide chase takes a policy of the order's own.
    high = Decimal(WIDE_TICKS) if name == "chase_max_ticks" else lock.high
    return (low, high) if isinstance(getattr(RemainderPolicy(), name), Decimal) else (int(low), int(high))


_TOP = {"journal": Key("table", needed=True), "venues": Key("tables", needed=True), "execution": Key("table", {}),
        "limits": Key("table", {}), "http": Key("table", {})}  # fmt: skip
_JOURNAL = {"path": Key("text", needed=True)}
_EXECUTION = {"fill_management": Key("table", {}), "remainder": Key("table", {})}
_KINDS: dict[type, str] = {bool: "bool", int: "int", Decimal: "number"}
_FILL_MANAGEMENT = {
    field.name: Key(_KINDS[field.type], field.default, *BOUNDS.get(field.name, (0, 0)))
    for field in msgspec.structs.fields(FillManagement)
}
_POLICIES = tuple(each.value for each in Remainder)
_REMAINDER = {
    "enabled": Key("bool", True),
    "mode": Key("text", Mode.SHADOW_ONLY.value, choices=tuple(each.value for each in Mode)),
    "default_policy": Key("text", Remainder.HOLD.value, choices=_POLICIES),
    "after_hold": Key("text", Remainder.CANCEL.value, choices=_POLICIES),
    "cancel_on_book_thin": Key("bool", True),
    **{
        name: Key("number" if isinstance(default, Decimal) else "int", default, *_locked(name))
        for name, default in ((each, getattr(RemainderPolicy(), each)) for each in LOCKS)
    },
    "limited_instruments": Key("words", ()),
    "limited_max_usd": Key("number", ZERO, ZERO, Decimal(_MOST)),
    "reports": Key("text", ""),
    "max_in_flight": Key("int", 50, 1, 10_000),
    "timeout_ms": Key("int", 300, 1, 60_000),
    "dust": Key("text", DustUse.RECORD.value, choices=tuple(each.value for each in DustUse)),
    "ingest": Key("table", {}),
    "bot_name": Key("text", "partfill"),
    "bot_id": Key("text", Wire().bot_id),
    "topic": Key("text", Wire().topic),
    "retention_class": Key("text", Wire().retention_class),
    "collateral": Key("text", ""),
    "metrics_prefix": Key("text", ""),
    "health_path": Key("text", ""),
}
_INGEST = {
    "key_file": Key("text", ""),
    "window_ms": Key("int", WINDOW_MS, 1, MAX_WINDOW_MS),
}
_NAMES = {
    **dict.fromkeys(("bot_name", "bot_id", "topic", "retention_class"), (r"[!-~]{1,200}", "1 to 200 signs without a space")),
    "collateral": (r"[!-~]{0,200}", 'a currency such as pUSD, or "" for none'),
    "metrics_prefix": (r"(?!partfill)([a-zA-Z_][a-zA-Z0-9_]{0,150})?",
                       'letters, digits and _, and not partfill at the start, which is our own; or "" for our own names'),
    "health_path": (r"(?!/(metrics|health)/?$)((/[A-Za-z0-9._~-]+)+)?",
                    'a path such as /internal/health/mine, but not /metrics or /health; or "" for none'),
}  # fmt: skip
"""Names that leave the process: how each has to look, and that in words."""
_HTTP = {"enabled": Key("bool", True), "host": Key("text", "127.0.0.1"), "port": Key("int", 0, 0, 65_535)}
_RATE = Key("int", PER_SECOND, 1, 10_000)
_LIMITS = {"per_second": _RATE, "timeout_s": Key("number", Decimal(10), Decimal("0.1"), Decimal(600))}
_ANY_VENUE = {
    "name": Key("text", needed=True),
    "kind": Key("text", PAPER),
    "accounts": Key("words", ACCOUNTS),
    "per_second": _RATE._replace(default=None),
}
_VENUES = {
    PAPER: {
        **_ANY_VENUE,
        "instruments": Key("words", tuple(SHAPES)),
        "seed": Key("int", 0, 0, 2**63 - 1),
        "speed": Key("int", 1, 1, 1000),
        "warm_up": Key("int", 2_000, 0, 10_000_000),
    },
    PAPER_REMOTE: {
        **_ANY_VENUE,
        "host": Key("text", "127.0.0.1"),
        "port": Key("int", 0, 1, 65_535, needed=True),
        "session": Key("text", "desk"),
    },
}


def load(path: str | Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read and judge the file at `path`, and `environ` over it. Raises `Invalid` with every mistake in both."""
    try:
        said = Path(path).read_text("utf-8")
    except FileNotFoundError:
        raise Invalid([Mistake(str(path), "does not exist", "a TOML file such as examples/paper.toml")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid([Mistake(str(path), f"cannot be read: {error}", "a TOML file in UTF-8")]) from None
    return parse(said, str(path), environ)


def parse(said: str, name: str = "config", environ: Mapping[str, str] | None = None) -> Config:
    """Judge the text of a configuration, and `environ` over it; `name` is what a mistake of its syntax calls it.

    Raises `Invalid`.
    """
    try:
        # Exact: 10.0 in the file is Decimal("10.0").
        document = tomllib.loads(said, parse_float=_exact)
    except tomllib.TOMLDecodeError as error:
        raise Invalid([Mistake(name, f"is no TOML: {error}")]) from None
    reader = Reader()
    top = reader.table(document, _TOP, "")
    journal = reader.table(top["journal"], _JOURNAL, "journal")
    tables = _venues(reader, top["venues"])
    execution = reader.table(top["execution"], _EXECUTION, "execution")
    fills = reader.table(execution["fill_management"], _FILL_MANAGEMENT, "execution.fill_management")
    rest = reader.table(execution["remainder"], _REMAINDER, "execution.remainder")
    ingest = reader.table(rest["ingest"], _INGEST, "execution.remainder.ingest")
    for name in _NEVER:
        if rest[name] and rest[name] < LOCKS[name].low:
            allowed = f"0 for never, {text(LOCKS[name].low)} to {text(LOCKS[name].high)}"
            reader.wrong(f"execution.remainder.{name}", f"is {rest[name]}, out of range", allowed)
    for name, (pattern, allowed) in _NAMES.items():
        if not re.fullmatch(pattern, rest[name]):
            reader.wrong(f"execution.remainder.{name}", f"is {shown(rest[name])}", allowed)
    limits = reader.table(top["limits"], _LIMITS, "limits")
    http = reader.table(top["http"], _HTTP, "http")
    if not is_loopback(http["host"]):
        reader.wrong("http.host", f"is {shown(http['host'])}, and only this machine is served", "127.0.0.1, ::1")
    variables, wrong = from_environment(environ or {})
    reader.mistakes.extend(Mistake(*each) for each in wrong)
    if journal["path"] is not None:
        reader.mistakes.extend(writable(journal["path"]))
    if reader.mistakes:
        raise Invalid(reader.mistakes)
    for table in tables:
        table["per_second"] = table["per_second"] or limits["per_second"]
    venues = tuple(VenueConfig(**table) for table in tables)
    management = FillManagement(**{**fills, **variables})
    return Config(
        journal=Path(journal["path"]), venues=venues, fill_management=management, remainders=_remainders(rest),
        reports=Path(rest["reports"]) if rest["reports"] else None,
        wire=Wire(bot_id=rest["bot_id"], topic=rest["topic"], retention_class=rest["retention_class"],
                  collateral=rest["collateral"] or None),
        bot=Bot(name=rest["bot_name"], metrics_prefix=rest["metrics_prefix"], health_path=rest["health_path"]),
        http=HttpConfig(host=http["host"], port=http["port"]) if http["enabled"] else None,
        timeout_s=limits["timeout_s"],
        ingest=IngestConfig(
            key_file=Path(ingest["key_file"]) if ingest["key_file"] else None, window_ms=ingest["window_ms"]
        ),
    )  # fmt: skip


def _remainders(said: dict[str, Any]) -> RemainderSettings:
    """Settings from the values of `[execution.remainder]`, all of them in range."""
    policy = {name: said[name] for name in (*LOCKS, "cancel_on_book_thin")}
    policy |= {name: policy[name] or None for name in _NEVER}
    policy |= {name: Remainder(said[name]) for name in ("default_policy", "after_hold")}
    policy["dust"] = DustUse(said["dust"])
    usual = RemainderPolicy(**policy)
    return RemainderSettings(
        mode=Mode(said["mode"]), policy=usual if said["enabled"] else None, max_in_flight=said["max_in_flight"],
        timeout_ms=said["timeout_ms"],
        limits=LiveLimits(instruments=said["limited_instruments"], max_usd=said["limited_max_usd"]),
    )  # fmt: skip


def writable(said: str, path: str = "journal.path") -> list[Mistake]:
    """What stands in the way of writing a journal at `said`."""
    file = Path(said)
    if not said:
        return [Mistake(path, "is empty", "a file such as fills.db")]
    if file.is_dir():
        return [Mistake(path, f"{said} is a folder", "a file in it, such as fills.db")]
    folder = file.parent
    if not folder.is_dir():
        return [Mistake(path, f"the folder {folder} does not exist", "a file in a folder that exists")]
    if not os.access(file if file.exists() else folder, os.W_OK) or not os.access(folder, os.W_OK):
        return [Mistake(path, f"{said} cannot be written; the file or its folder is read-only", "a place that can be written")]
    socket = len(os.fsencode(control_path(file)))
    if socket > MAX_BYTES:
        why = f"its control socket would have a path of {socket} bytes, which no system takes"
        return [Mistake(path, why, f"a path of at most {MAX_BYTES - 4} bytes")]
    return []


def _exact(said: str) -> Decimal:
    return Decimal(said.replace("_", ""))


def _venues(reader: Reader, found: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """The values of every venue's table, each by the keys of its kind."""
    if found is None:
        return []
    if not found:
        reader.wrong("venues", "is empty", "at least one [[venues]]")
    venues: list[dict[str, Any]] = []
    for number, table in enumerate(found):
        path = f"venues[{number}]"
        kind = table.get("kind", PAPER)
        if kind not in _VENUES:
            reader.wrong(f"{path}.kind", f"is {shown(kind)}", ", ".join(_VENUES))
            # Whatever kind was meant, the other mistakes are named in the same go, by the keys of any kind.
            every = {name: key for keys in _VENUES.values() for name, key in keys.items()}
            for name in sorted(table.keys() - every.keys()):
                reader.unknown(name, every, path)
            known = {name: value for name, value in table.items() if name in every}
            reader.table(known, {name: key for name, key in every.items() if name in known or name in _ANY_VENUE}, path)
            continue
        values = reader.table(table, _VENUES[kind], path)
        _check_venue(reader, values, path)
        if values["name"] is not None and values["name"] in [venue["name"] for venue in venues]:
            reader.wrong(f"{path}.name", f"{values['name']!r} is the name of another venue", "a name of its own")
        venues.append(values)
    return venues


def _check_venue(reader: Reader, values: dict[str, Any], path: str) -> None:
    name = values["name"]
    if name is not None and (not name or name == "*"):
        reader.wrong(f"{path}.name", f"is {name!r}", 'any text but "" and "*"')
    for each in values.get("instruments", ()):
        if each not in SHAPES:
            reader.wrong(f"{path}.instruments", f"{each!r} is not listed{hint(each, SHAPES)}", ", ".join(SHAPES))
    for plural in ("instruments", "accounts"):
        said = values.get(plural)
        if said is not None and (not said or len(set(said)) < len(said)):
            why = "holds one of them twice" if said else "is empty"
            reader.wrong(f"{path}.{plural}", why, "one or more, each once")


__all__ = ["Config", "Invalid", "Mistake", "VenueConfig", "load", "parse", "writable"]
