"""Every test has a time limit, and one that hangs fails: in a plain loop, a coroutine, a fixture, and past a bare except."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent
OPTIONS = tomllib.loads((HERE / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]

HANGS = {
    "a plain loop": "import time\n\ndef test_hangs():\n    time.sleep(600)\n",
    "a coroutine": "import asyncio\n\nasync def test_hangs():\n    await asyncio.Event().wait()\n",
    "a fixture": (
        "import time\nimport pytest\n\n@pytest.fixture\ndef slow():\n    time.sleep(600)\n\ndef test_hangs(slow):\n    pass\n"
    ),
    "a failure that is swallowed": (
        "import time\n\ndef test_hangs():\n    while True:\n        try:\n            time.sleep(600)\n"
        "        except BaseException:\n            pass\n"
    ),
}


def test_the_limits_of_this_run_are_on(request: pytest.FixtureRequest) -> None:
    assert 0 < float(request.config.getini("timeout")) <= 300
    assert request.config.pluginmanager.hasplugin("timeout")
    assert request.config.pluginmanager.hasplugin("faulthandler")


def test_what_fails_a_test_comes_before_what_ends_the_run() -> None:
    assert float(OPTIONS["timeout"]) < OPTIONS["faulthandler_timeout"]
    assert OPTIONS["faulthandler_exit_on_timeout"] is True


@pytest.mark.parametrize("body", HANGS.values(), ids=HANGS)
def test_a_test_that_hangs_fails(body: str, tmp_path: Path) -> None:
    (tmp_path / "test_hang.py").write_text(body + "\n\ndef test_next():\n    pass\n")
    settings = dict(OPTIONS, timeout="1", faulthandler_timeout=4, testpaths=["."], asyncio_mode="auto")
    (tmp_path / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\n"
        + "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    )  # fmt: skip
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_hang.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    if "except" in body:
        # The whole run ends, with the stacks of its threads.
        assert "most recent call first" in said
    else:
        assert "Timeout" in said
        assert "1 failed, 1 passed" in said or "1 passed, 1 error" in said
