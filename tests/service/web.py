"""Asking a daemon's pages over real sockets, and reading metrics back."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from tests.service.processes import WAIT_S


def get(url: str, path: str, **headers: str) -> tuple[int, bytes]:
    """(status, body) of one GET on a connection of its own."""
    where = urlsplit(url)
    line = HTTPConnection(where.hostname or "", where.port, timeout=WAIT_S)
    try:
        line.request("GET", path, headers=headers)
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()


def health(url: str, path: str = "/health") -> tuple[int, dict[str, Any]]:
    """(status, verdicts)."""
    status, body = get(url, path)
    return status, json.loads(body)


def samples(text: str) -> dict[str, float]:
    """Every sample of a scrape by its name and labels as Prometheus writes them."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            key = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def scrape(url: str) -> dict[str, float]:
    """What /metrics says now."""
    status, body = get(url, "/metrics")
    assert status == 200
    return samples(body.decode())
