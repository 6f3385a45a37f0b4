"""A copy of the project in which a source file may be spoiled, and what its tests and the simulator say then."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_WORLDS = """
import json, sys
from partfill.sim.ingredients import ROUND
from partfill.sim.run import live
from partfill.sim.world import World
runs, first, stop, skip = json.loads(sys.argv[1])
broken = []
for seed in range(first, first + runs):
    only = ROUND[(seed - first) % len(ROUND)]
    why = None if seed in skip else live(World, seed, only=only)[1]
    if why is not None:
        broken.append([seed, why])
        if stop:
            break
print(json.dumps(broken))
"""
_FAILED = re.compile(r"^(?:FAILED|ERROR) ([^\s\[]+)", re.MULTILINE)
_ALSO = ("pyproject.toml", "examples", "docs", "scripts", "benchmarks", "ops", "README.md", "CHANGELOG.md", "CONTRIBUTING.md")


Broken = list[tuple[int, str]] | None


class Result(NamedTuple):
    """What a run said. `failed`: the first test that failed, or the reason why none could run; None for all green."""

    failed: str | None
    timed_out: bool = False


class Copy:
    """A copy of the sources and tests in a directory of its own. Use it as a context."""

    def __init__(self, source: Path = ROOT) -> None:
        self._source = source

    def __enter__(self) -> Copy:
        self._directory = tempfile.TemporaryDirectory(prefix="partfill-faults-")
        self.root = Path(self._directory.name)
        for each in ("src", "tests"):
            shutil.copytree(self._source / each, self.root / each, ignore=shutil.ignore_patterns("__pycache__"))
        for each in _ALSO:
            if (self._source / each).exists():
                (self.root / each).symlink_to(self._source / each)
        return self

    def __exit__(self, *why: object) -> None:
        self._directory.cleanup()

    def path(self, file: str) -> Path:
        """Where a file of the package stands in the copy."""
        return self.root / "src" / "partfill" / file

    @contextmanager
    def spoiled(self, file: str, text: str) -> Iterator[None]:
        """While inside, the file has this text."""
        path = self.path(file)
        good = path.read_text("utf-8")
        try:
            _write(path, text)
            yield
        finally:
            _write(path, good)

    def run_tests(self, tests: Sequence[str], seconds: float) -> Result:
        """Run test files until one fails."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", *tests]
        done = self._run(command, seconds)
        if done is None:
            return Result("the time limit", True)
        if done.returncode == 0:
            return Result(None)
        found = _FAILED.search(done.stdout)
        if done.returncode == 1 and found:
            return Result(found[1])
        if done.returncode in (2, 3, 4) and found:
            return Result(f"{found[1]} (it cannot be read)")
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout[-800:]}{done.stderr[-800:]}")

    def run_worlds(self, worlds: int, first: int, seconds: float, *, skip: Sequence[int] = (), stop: bool = True) -> Broken:
        """Live through worlds: (seed, why) of each that broke, of the first alone if `stop`. None: the time ran out."""
        done = self._run([sys.executable, "-c", _WORLDS, json.dumps([worlds, first, stop, list(skip)])], seconds)
        if done is None:
            return None
        if done.returncode:
            return [(first, (done.stderr.strip().splitlines() or ["it ended"])[-1])]
        return [(seed, why) for seed, why in json.loads(done.stdout)]

    def _run(self, command: list[str], seconds: float) -> subprocess.CompletedProcess[str] | None:
        env = {**os.environ, "PYTHONPATH": str(self.root / "src")}
        with subprocess.Popen(
            command, cwd=self.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            try:
                out, err = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                # Tests start processes of their own.
                os.killpg(process.pid, 9)
                process.communicate()
                return None
            return subprocess.CompletedProcess(command, process.returncode, out, err)


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    # Two texts of one length within a second look alike to the import system.
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
