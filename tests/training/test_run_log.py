"""What a run writes down and shows."""

from __future__ import annotations

import json
import math

from audiossl.training.run_log import RunLog


def read(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_rows_are_appended_and_a_lost_future_is_dropped(tmp_path):
    with RunLog(tmp_path, 10, tensorboard=False) as log:
        for step in range(1, 6):
            log.write(step, "train", {"loss": 1 / step, "norm": math.nan})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "los')  # torn by a kill
    with RunLog(tmp_path, 10, first_step=3, tensorboard=False) as log:
        log.write(4, "train", {"loss": 7.0})
    assert [(row["step"], row["loss"]) for row in read(tmp_path)] == [(1, 1.0), (2, 0.5), (3, 1 / 3), (4, 7.0)]
    assert read(tmp_path)[0]["norm"] is None


def test_plain_lines_where_there_is_no_terminal(tmp_path, capsys):
    with RunLog(tmp_path, 20, seconds=0.0, tensorboard=False) as log:
        log.progress(5, {"loss": 5.545, "speech_accuracy_masked": 0.25, "lr": 3.0, "seconds_per_second": 123.4})
        log.message("hello")
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("step 5/20  loss 5.545  speech_accuracy_masked 0.250  123 s/s")
    assert first.endswith("left")
    assert second == "hello"


def test_lines_are_rare_and_the_last_step_is_shown(tmp_path, capsys):
    with RunLog(tmp_path, 20, seconds=1000.0, tensorboard=False) as log:
        for step in range(1, 21):
            log.progress(step, {"loss": 1.0})
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()] == ["20/20"]


def test_other_ranks_are_silent(tmp_path, capsys):
    with RunLog(tmp_path / "run", 20, enabled=False) as log:
        log.write(1, "train", {"loss": 1.0})
        log.progress(20, {"loss": 1.0})
        log.message("hello")
    assert capsys.readouterr().err == ""
    assert not (tmp_path / "run").exists()
