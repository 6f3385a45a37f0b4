"""Real processes for tests: a daemon, and a paper venue that trades on while daemons die. Every wait has a deadline."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from partfill.service.client import ask

WAIT_S = 60.0
"""Whatever must not hang has ended after so long."""

LOCAL = """
[journal]
path = "{folder}/f.db"
[[venues]]
name = "paper"
instruments = ["ACME", "BTC-USD"]
seed = 3
[execution.fill_management]
poll_interval_ms = 50
"""
REMOTE = """
[journal]
path = "{folder}/f.db"
[[venues]]
name = "paper"
kind = "paper-remote"
port = {port}
[execution.fill_management]
auto_resubmit = true
min_resubmit_size = 0.001
max_resubmit_attempts = 2
poll_interval_ms = 100
[limits]
per_second = 500
timeout_s = {timeout}
"""


def until(true: Callable[[], Any], what: str) -> Any:
    """Wait for a condition and return what it was."""
    end = time.monotonic() + WAIT_S
    while not (found := true()):
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.01)
    return found


class Process:
    """A process whose first line of output says in JSON that it is ready."""

    def __init__(
        self, *arguments: str, errors: Path, limit: Callable[[], None] | None = None, folder: Path | None = None
    ) -> None:
        self._errors = errors.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=subprocess.PIPE, stderr=self._errors, preexec_fn=limit, cwd=folder
        )
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], WAIT_S)
        assert ready, "it never said that it is ready"
        line = self.process.stdout.readline()
        self.ready: dict[str, Any] = json.loads(line) if line else {}
        self.errors = errors

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        code = self.process.wait(WAIT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()
        return code

    def stop(self) -> int:
        """SIGTERM, then the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def die(self) -> None:
        """SIGKILL."""
        self.signal(signal.SIGKILL)
        self.wait()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.die()
        elif self.process.stdout is not None and not self.process.stdout.closed:
            self.wait()


class Daemon(Process):
    """`partfill run` in `folder`, on the configuration `said`, which names the journal `db` there."""

    def __init__(self, folder: Path, said: str, limit: Callable[[], None] | None = None, db: str = "f.db") -> None:
        config = folder / "config.toml"
        config.write_text(said)
        self.db = folder / db
        super().__init__("partfill.cli", "run", str(config), errors=folder / "errors.log", limit=limit, folder=folder)

    @property
    def url(self) -> str:
        """Where its pages are."""
        return str(self.ready["http"])

    def ask(self, cmd: str, **also: Any) -> dict[str, Any]:
        """One command through the control socket."""
        answer = ask(self.db, {"cmd": cmd, **also})
        assert answer is not None, "there is no daemon"
        return answer

    def order(self, ref: str) -> dict[str, Any]:
        """One order as the daemon has it."""
        found = [order for order in self.ask("orders", open=False)["orders"] if order["ref"] == ref]
        assert len(found) == 1, f"{len(found)} orders {ref}"
        return dict(found[0])


def local(folder: Path, **also: Any) -> Daemon:
    """A daemon with a paper venue of its own."""
    return Daemon(folder, LOCAL.format(folder=folder), **also)


def remote(folder: Path, venue: Process, timeout: str = "5") -> Daemon:
    """A daemon on a venue in another process."""
    return Daemon(folder, REMOTE.format(folder=folder, port=venue.ready["port"], timeout=timeout))


def paper_venue(folder: Path, *, seed: int = 1, speed: int = 1, faults: dict[str, int] | None = None) -> Process:
    """A paper venue as a process of its own."""
    options = ["--seed", str(seed), "--speed", str(speed), "--warm-up", "3000", "--faults", json.dumps(faults or {})]
    return Process("partfill.venues.paper", *options, errors=folder / "venue.log")


def partfill(*arguments: Any) -> subprocess.CompletedProcess[str]:
    """A command as a process of its own."""
    command = [sys.executable, "-m", "partfill.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False, env={**os.environ})
