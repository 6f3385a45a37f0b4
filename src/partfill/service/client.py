"""Asking a daemon something through its control socket, from another process. `None` means that there is no daemon."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from partfill.service.address import MAX_BYTES, control_path

TIMEOUT_S = 30.0
"""How long an answer is waited for."""

AGAIN_S = 0.005
"""How soon a socket at which too many wait is tried again."""


class NoAnswer(ConnectionError):
    """A daemon took the request and did not answer: whether it was done is not known. Asking again is safe."""


def ask(journal: str | Path, request: dict[str, Any], timeout_s: float = TIMEOUT_S) -> dict[str, Any] | None:
    """The daemon's answer to one request; None when no daemon runs on this journal. Raises `NoAnswer`."""
    path = control_path(journal)
    if len(os.fsencode(path)) > MAX_BYTES:
        # No daemon could listen there.
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(timeout_s)
        try:
            _connect(line, path, timeout_s)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError as error:
            raise NoAnswer(f"the control socket {path} cannot be used: {error.strerror or error}") from None
        try:
            # Where it was cut off, what the daemon said before that is the answer.
            with contextlib.suppress(BrokenPipeError):
                line.sendall(json.dumps(request).encode() + b"\n")
            with line.makefile("rb") as answers:
                raw = answers.readline()
        except OSError as error:
            raise NoAnswer(f"the daemon on {journal} did not answer ({error}); ask again") from None
    if not raw.endswith(b"\n"):
        raise NoAnswer(f"the daemon on {journal} went away before it answered; ask again")
    answer: dict[str, Any] = json.loads(raw)
    return answer


def _connect(line: socket.socket, path: str, timeout_s: float) -> None:
    """Connect, and wait while more wait already than the system lets wait."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            line.connect(path)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(AGAIN_S)


__all__ = ["NoAnswer", "ask"]
