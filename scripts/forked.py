"""Tests that are collected once and then run in a forked child per change of a module.

`Forked` is the side that asks. The other side is this file as a script: pytest in which, instead of the tests, a loop runs that
reads a changed source, forks, swaps the code of the module's functions in the child, and runs tests there until one fails.
A change must therefore stand inside a function, and in a line that nothing comes by while the tests are collected.
"""

from __future__ import annotations

import gc
import inspect
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

_MEMORY = 3 << 30
_EXAMPLES = 25
_LIMIT = "the time limit"


class Test(NamedTuple):
    """One collected test: how long it took with the good source, and which lines of the module it came by."""

    name: str
    seconds: float
    lines: frozenset[int]


class Forked:
    """Tests of one module, collected in the copy that `root` is. Use it as a context."""

    def __init__(self, root: Path, module: str, tests: Sequence[str]) -> None:
        self._root, self._command = root, [sys.executable, __file__, module, *tests]

    def __enter__(self) -> Forked:
        env = {**os.environ, "PYTHONPATH": str(self._root / "src"), "HYPOTHESIS_PROFILE": "gate"}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, cwd=self._root, env=env, stdin=pipe, stdout=pipe, text=True, start_new_session=True
        )
        told = self._read()
        self.early = frozenset(told["early"])
        """The lines that are come by while the tests are collected."""
        self.tests = [Test(name, seconds, frozenset(lines)) for name, seconds, lines in told["tests"]]
        return self

    def __exit__(self, *why: object) -> None:
        self._process.kill()
        self._process.communicate()

    def failed(self, source: str, tests: Iterable[str], seconds: int) -> str | None:
        """The first of the tests that fails with this source. `seconds`: of the processor, for one test."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([source, list(tests), seconds]) + "\n")
        self._process.stdin.flush()
        name: str | None = self._read()
        return name

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"no tests could be run: {' '.join(self._command)}")
        return json.loads(line)


# ---------------------------------------------------------------------- the other side


class _Failed(Exception):
    pass


class Loop:
    """The plugin that stands in the place of pytest's own loop over the tests."""

    def __init__(self, module: str, answers: int) -> None:
        self._module, self._answers = module, answers
        self._file = ""
        self._early: set[int] = set()
        self._failed = ""

    def pytest_collection(self) -> None:
        from hypothesis import Phase, settings

        # The first examples are the most telling. Failing is enough; the smallest example of it helps nobody here.
        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("forked", settings.get_profile("gate"), phases=phases, max_examples=_EXAMPLES)
        settings.load_profile("forked")
        self._file = str(Path("src", *self._module.split(".")).absolute()) + ".py"
        self._note(self._early)

    def pytest_collection_finish(self) -> None:
        self._note(None)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self._failed:
            self._failed = report.nodeid

    def pytest_runtestloop(self, session: Any) -> bool:
        items = {item.nodeid: item for item in session.items}
        functions = [
            each
            for each in gc.get_objects()
            if isinstance(each, FunctionType)
            and each.__code__.co_filename == self._file
            and "<" not in each.__code__.co_qualname
        ]
        if not functions or len(items) != len(session.items):
            raise RuntimeError(f"{self._module}: no functions, or two tests of one name")
        gc.freeze()
        self._tell(self._in_child(lambda: self._measured(items)))
        for line in sys.stdin:
            source, names, seconds = json.loads(line)

            codes = codes_of(compile(source, self._file, "exec"))
            swapped = [(function, codes[function.__code__.co_qualname]) for function in functions]
            chosen = [items[name] for name in names]
            self._tell(self._in_child(lambda: self._first_failing(swapped, chosen, seconds)))  # noqa: B023
        return True

    def _tell(self, answer: Any) -> None:
        os.write(self._answers, json.dumps(answer).encode() + b"\n")

    def _in_child(self, work: Callable[[], Any]) -> Any:
        """What the work gives in a child of its own, which may be ended by a limit."""
        out, into = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.setsid()
                resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
                answer = work()
                with open(into, "w") as pipe:
                    pipe.write(json.dumps(answer))
                os._exit(0)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(into)
        with open(out) as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise RuntimeError("the child could not do its work")
        return json.loads(said) if said else _LIMIT

    def _first_failing(self, swapped: list[tuple[FunctionType, CodeType]], items: list[Any], seconds: int) -> str | None:
        """The first test that fails with this code."""
        for function, code in swapped:
            function.__code__ = code
        for item, after in zip(items, [*items[1:], None], strict=False):
            limit = int(time.process_time()) + 1 + seconds
            resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
            try:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            except BaseException as error:
                return f"{item.nodeid} ({error!r})"
            if self._failed:
                return self._failed
        return None

    def _measured(self, items: dict[str, Any]) -> dict[str, Any]:
        tests = []
        for name, item in items.items():
            lines: set[int] = set()
            began = time.process_time()
            self._note(lines)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            self._note(None)
            if self._failed:
                raise _Failed(self._failed)
            tests.append((name, time.process_time() - began, sorted(lines)))
        return {"early": sorted(self._early), "tests": tests}

    def _note(self, lines: set[int] | None) -> None:
        """Note the lines of the module that are come by from now on; None: no more."""

        def note(frame: FrameType, event: str, arg: Any) -> Any:
            if frame.f_code.co_filename != self._file:
                return None
            assert lines is not None
            lines.add(frame.f_lineno)
            return note

        sys.settrace(note if lines is not None else None)
        threading.settrace(note if lines is not None else None)


def codes_of(code: CodeType) -> dict[str, CodeType]:
    """The code of every function that stands in a module or in a class, by its name there."""
    found: dict[str, CodeType] = {}
    for each in code.co_consts:
        if isinstance(each, CodeType):
            found |= {each.co_qualname: each} if each.co_flags & inspect.CO_OPTIMIZED else codes_of(each)
    return found


def main() -> int:
    import pytest

    module, *tests = sys.argv[1:]
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    options = ("-q", "-s", "--no-header", "--tb=no", "-p", "no:cacheprovider")
    return pytest.main([*options, *tests], [Loop(module, answers)])


if __name__ == "__main__":
    sys.exit(main())
