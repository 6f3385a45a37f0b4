"""A watcher is told when the process that writes its journal died, was stopped, or does not answer."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from partfill.journal.store import Store
from partfill.service import writing
from partfill.service.writing import DIED, SILENT, STOPPED, Writing
from tests.service.processes import WAIT_S, local, until


def test_a_daemon_that_answers_is_nothing_wrong_and_one_that_died_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "ANSWER_S", 0.5)
    with local(tmp_path) as daemon:
        look = Writing(daemon.db).look
        assert look() == ""
        daemon.signal(signal.SIGSTOP)
        assert look() == SILENT
        daemon.signal(signal.SIGCONT)
        until(lambda: look() == "", "it answers again")
        daemon.die()
        assert look() == DIED
        assert Writing(daemon.db).look() == DIED, "who comes later is told as well"
    with local(tmp_path) as daemon:
        assert look() == ""
        assert daemon.stop() == 0
        assert look() == STOPPED
        assert Writing(daemon.db).look() == "", "a journal at rest is nothing wrong"


def test_a_process_without_a_socket_holds_its_journal_all_the_same(tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    look = Writing(db).look
    store = Store(db)
    assert look() == ""
    store.close()
    assert look() == STOPPED


def test_watch_says_it_at_the_top_and_again_when_it_is_over(tmp_path: Path) -> None:
    with local(tmp_path) as daemon:
        command = [sys.executable, "-m", "partfill.cli", "watch", str(daemon.db), "--seconds", str(WAIT_S)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as lines, subprocess.Popen(
            [*command, "--json"], stdout=subprocess.PIPE, text=True
        ) as pictures:  # fmt: skip
            assert lines.stdout is not None
            assert pictures.stdout is not None
            assert json.loads(pictures.stdout.readline())["writer"] == ""
            daemon.die()
            while json.loads(pictures.stdout.readline())["writer"] != DIED:
                pass
            while DIED not in lines.stdout.readline():
                pass
            with local(tmp_path):
                while "is being written again" not in lines.stdout.readline():
                    pass
            for process in (lines, pictures):
                process.terminate()
