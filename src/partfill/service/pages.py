"""What a daemon serves: /metrics for Prometheus, /health for people and monitors, and the health of decisions alone where the
configuration wants it.

Rules
- Make it before the manager is entered: what a start brings about is counted too. Serve it while the manager is entered or
  closes: a daemon that drains can still be asked what it waits for.
- Whoever asks a hundred times at once gets one look: a look that takes long (many open orders) is good for `REST` times as long
  as it took. So watching never holds up more than a tenth of the loop.
- Health answers 200 for green and amber and 503 for red, with every reason in both cases.
"""

from __future__ import annotations

import time

import msgspec
from aiohttp import web

from partfill import __version__
from partfill.runtime.ingest import PartialReports
from partfill.runtime.manager import FillManager
from partfill.runtime.outbox import SCHEMA
from partfill.service.config import Config
from partfill.service.health import Color, Health, judge, judge_decisions
from partfill.service.http import Page
from partfill.service.metrics import Metrics
from partfill.service.recent import Recent
from partfill.service.vitals import Vitals, take
from partfill.venues.clock import CLOCK

REST = 10
MOST_REST_S = 0.1
"""Longest age of a picture."""


class Pages:
    """The pages of one manager."""

    def __init__(self, manager: FillManager, config: Config) -> None:
        self._manager = manager
        self._bot, self._wire = config.bot, config.wire
        self._stopping = False
        self._picture: Vitals | None = None
        self._good_until = 0.0
        self.partials: PartialReports | None = None
        """Who takes reports of other systems, once somebody does."""
        self.recent = Recent()
        self.recent.remember(config.journal, CLOCK())
        self.metrics = Metrics(manager, self.look, prefix=config.bot.metrics_prefix, bot_id=config.wire.bot_id)
        manager.subscribe(self.recent.hear)
        manager.subscribe(self.metrics.hear)
        manager.lanes.watchers.append(self.metrics.leaves)

    def routes(self) -> dict[str, Page]:
        """Path -> page."""
        found: dict[str, Page] = {"/metrics": self._metrics, "/health": self._health}
        if self._bot.health_path:
            found[self._bot.health_path] = self._decisions
        return found

    def stop(self) -> None:
        """The daemon was told to stop: say so from here on."""
        self._stopping, self._picture = True, None

    def look(self) -> Vitals:
        """The manager now, or a moment ago where a look takes long."""
        began = time.perf_counter()
        if self._picture is None or began >= self._good_until:
            self._picture = take(self._manager, stopping=self._stopping, partials=self.partials)
            took = time.perf_counter() - began
            self._good_until = began + took + min(REST * took, MOST_REST_S)
        return self._picture

    async def _metrics(self, request: web.Request) -> web.Response:
        body, content_type = self.metrics.render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _health(self, request: web.Request) -> web.Response:
        return _answer(judge(self.look(), self.recent), {"version": __version__})

    async def _decisions(self, request: web.Request) -> web.Response:
        who = {
            "bot_id": self._wire.bot_id, "bot_name": self._bot.name, "version": __version__, "schema": SCHEMA,
            "mode": self._manager.remainders.settings.mode.value,
        }  # fmt: skip
        return _answer(judge_decisions(self.look(), self.recent), who)


def _answer(health: Health, who: dict[str, str]) -> web.Response:
    body = msgspec.json.encode({"status": health.status, **who, "components": health.components})
    return web.Response(body=body + b"\n", status=503 if health.status is Color.RED else 200, content_type="application/json")


__all__ = ["Pages"]
