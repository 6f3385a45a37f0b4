"""The daemon: a FillManager on the configured venues, with a control socket, until it is told to stop.

Theory of operation. The address of the HTTP server is taken, venues are connected, the journal is opened and recovered, the
control socket listens, metrics and health are served, and only then is "ready" said. SIGINT or SIGTERM ends it cleanly: no more
commands, lanes drained, everything committed, files closed; a second signal ends it at once, which is as safe as a kill. Orders
that work go on working at the venues either way.

Rules
- A journal that cannot be written ends the process with code 1: memory is ahead of the disk then and must not be believed.
- A `paper` venue goes down with this process and comes up with the next: its orders end then, as at an exchange that
  restarts, and what had filled is in its own file beside the journal. When that cannot be written, the daemon ends with
  code 1 too. `paper-remote` goes on without us.
- Metrics and health are served until everything else is closed: who waits for a daemon that drains can see why.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from partfill.journal.journal import JournalDown
from partfill.journal.store import InUse
from partfill.runtime.ingest import PartialReports
from partfill.runtime.keys import Key, WrongKeys, from_environment, from_file
from partfill.runtime.manager import FillManager
from partfill.runtime.outbox import FileSink
from partfill.service.address import paper_path
from partfill.service.config import PAPER, Config, VenueConfig
from partfill.service.control import Control
from partfill.service.http import HttpServer
from partfill.service.pages import Pages
from partfill.venues.clock import CLOCK
from partfill.venues.paper import kept as paper
from partfill.venues.paper.client import PaperClient
from partfill.venues.paper.kept import Kept, KeptExchange
from partfill.venues.paper.market import SHAPES, generated
from partfill.venues.paper.venue import PaperVenue
from partfill.venues.protocol import Venue, VenueDown

LOOK_S = 0.1
"""How often it is looked whether the journal is still up."""

log = logging.getLogger("partfill.daemon")


async def run(config: Config, ready: Callable[[dict[str, Any]], None]) -> int:
    """Run until a signal or a failure; returns the exit code. `ready` is called once it listens.

    Raises `WrongKeys` for keys that cannot be used, `VenueDown` for a venue that does not answer, `NotAJournal` and `InUse` for
    a journal that cannot be had, and `address.Unusable` for an HTTP port that is taken.
    """
    keys = _keys(config)
    stop = asyncio.Event()
    control: Control | None = None
    broken: BaseException | None = None

    def told(number: int) -> None:
        if stop.is_set():
            log.warning("told to stop again: stopping at once; what is in flight is asked for at the next start")
            if control is not None:
                with contextlib.suppress(OSError):
                    os.unlink(control.path)
            os._exit(128 + number)
        log.info("told to stop (%s): draining", signal.Signals(number).name)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told, number)
    async with contextlib.AsyncExitStack() as stack:
        http = _http(config, stack)
        kept = _kept(config, stack)
        venues = [await _connected(venue, config, kept, stack) for venue in config.venues]
        manager = FillManager(
            config.journal, venues, settings=config.fill_management, accounts=config.accounts, per_second=config.per_second,
            timeout_s=float(config.timeout_s), remainders=config.remainders,
            reports=FileSink(config.reports) if config.reports is not None else None, wire=config.wire,
        )  # fmt: skip
        pages = Pages(manager, config)
        try:
            async with manager:
                partials = None
                if keys:
                    ingest = config.ingest
                    partials = PartialReports(manager, keys, window_ms=ingest.window_ms, collateral=config.wire.collateral)
                    pages.partials = partials
                control = Control(manager, config.journal, partials)
                await control.start()
                try:
                    if http is not None:
                        await http.serve(pages.routes())
                    markets = [venue.start() for venue in venues if isinstance(venue, PaperVenue)]
                    names = [venue.name for venue in venues]
                    log.info("ready: journal %s, venues %s, %d orders go on", config.journal, ", ".join(names),
                             len(manager.parents()))  # fmt: skip
                    ready({"ready": True, "pid": os.getpid(), "journal": str(config.journal), "control": control.path,
                           "venues": names, "http": http.url if http is not None else None})  # fmt: skip
                    broken = await _until(stop, manager, markets)
                finally:
                    pages.stop()
                    await control.close()
                    if partials is not None:
                        await partials.close()
        except JournalDown as down:
            manager.down = down
    if broken is not None:
        log.error("%s. Orders are as they were at its last word.", broken)
        return 1
    if manager.down is not None:
        log.error("%s. Nothing since the last commit is believed; orders at the venues go on working. "
                  "Put it right (disk full?) and start again.", manager.down)  # fmt: skip
        return 1
    log.info("stopped: everything is committed")
    return 0


async def _until(stop: asyncio.Event, manager: FillManager, markets: list[asyncio.Task[None]]) -> BaseException | None:
    """Wait for the end; returns what a market broke down with, None when none did."""
    while not stop.is_set() and manager.down is None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await stop.wait()
        for market in markets:
            # A generated market never ends by itself.
            if market.done() and (error := market.exception()) is not None:
                return error
    return None


def _keys(config: Config) -> dict[str, Key]:
    """The keys of the file and of the environment; none where nobody may report. Raises `WrongKeys`."""
    filed = from_file(config.ingest.key_file) if config.ingest.key_file is not None else {}
    found = from_environment(os.environ)
    both = sorted(filed.keys() & found.keys())
    if both:
        raise WrongKeys(f"key {both[0]} is in {config.ingest.key_file} and in the environment; keep one of them")
    return filed | found


def _http(config: Config, stack: contextlib.AsyncExitStack) -> HttpServer | None:
    """The server with its address taken, if there is to be one. Raises `address.Unusable`."""
    if config.http is None:
        return None
    http = HttpServer(config.http.host, config.http.port)
    http.bind()
    stack.push_async_callback(http.close)
    return http


def _kept(config: Config, stack: contextlib.AsyncExitStack) -> Kept | None:
    """The file of the paper exchanges of this process, if it has any. Raises `InUse`, `VenueDown`."""
    if all(venue.kind != PAPER for venue in config.venues):
        return None
    try:
        kept = Kept(paper_path(config.journal))
    except paper.InUse as error:
        raise InUse(str(error)) from None
    stack.callback(kept.close)
    return kept


async def _connected(config: VenueConfig, whole: Config, kept: Kept | None, stack: contextlib.AsyncExitStack) -> Venue:
    if kept is not None and config.kind == PAPER:
        shapes = [SHAPES[name] for name in config.instruments]
        # No two lives of this process share ids: what an exchange has forgotten it could name again.
        session = f"{time.time_ns() // 1_000_000:x}-"
        exchange = KeptExchange([shape.listing for shape in shapes], kept, venue=config.name, session=session, now=CLOCK())
        market = generated(shapes, config.seed)
        venue = PaperVenue(exchange, market, now=CLOCK, seed=config.seed, speed=config.speed)
        venue.advance(config.warm_up)
        stack.push_async_callback(venue.close)
        return venue
    client = await PaperClient.connect(
        config.host, config.port, now=CLOCK, session=config.session, timeout_ms=int(whole.timeout_s * 1000)
    )
    stack.push_async_callback(client.close)
    if client.name != config.name:
        where = f"{config.host}:{config.port}"
        raise VenueDown(f"the venue at {where} calls itself {client.name!r}, the configuration {config.name!r}; use its name")
    return client


__all__ = ["run"]
