"""Two runs on one folder: the second is refused, by name and age; what a dead one left refuses nobody."""

import json
import multiprocessing
import os
import time

import pytest

from audiossl import locks
from audiossl.cli import main
from audiossl.errors import ConfigError, StoreError
from audiossl.locks import only_user
from audiossl.recipe import Stage, run_stages


def test_the_second_is_told_who_has_the_folder_and_since_when(tmp_path, monkeypatch):
    begin = time.time()
    with only_user(tmp_path / "run"):
        for later, minutes in ((600.0, 10), (-3600.0, 0)):  # clocks may go back
            monkeypatch.setattr(locks.time, "time", lambda later=later: begin + later)
            again = only_user(tmp_path / "x" / ".." / "run")
            with pytest.raises(StoreError, match=rf"run is in use by process {os.getpid()} on .*, for {minutes} min"), again:
                pass
        with only_user(tmp_path / "other"):
            pass
    assert list(tmp_path.iterdir()) == []
    with only_user(tmp_path / "run"):
        pass


def test_what_a_dead_process_left_refuses_nobody(tmp_path):
    (tmp_path / ".run.lock").write_text(json.dumps({"pid": 1, "host": "gone", "since": 0.0}))
    with only_user(tmp_path / "run"):
        pass


def hold(folder, ready, release):
    with only_user(folder):
        ready.set()
        release.wait(60)


def test_stages_and_commands_refuse_an_output_in_use(tmp_path, capsys):
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path / "run", ready, release))
    process.start()
    try:
        assert ready.wait(60)
        stage = Stage("one", lambda out, inputs: None, {})
        with pytest.raises(StoreError, match=f"in use by process {process.pid}"):
            run_stages([stage], tmp_path / "run")
        run_stages([stage], tmp_path / "run", dry_run=True)
        (tmp_path / "a.wav").touch()
        for command in (["embed", "logmel", str(tmp_path / "a.wav")], ["evaluate", "superb", "logmel", str(tmp_path)]):
            assert main([*command, "--out", str(tmp_path / "run")]) == 2
            assert f"in use by process {process.pid}" in capsys.readouterr().err
    finally:
        release.set()
        process.join(60)
    assert process.exitcode == 0
    run_stages([stage], tmp_path / "run")
    assert (tmp_path / "run" / "one" / "stage.json").is_file()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot write the output folder"), only_user(tmp_path / "file" / "run"):
        pass
