"""What is not a kill: Ctrl-C, a full disk, a folder that cannot be written, damage, clocks, and two at once."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from commands import contents, finish, interrupt, losses, run, start

from audiossl.stage_record import is_set_aside

pytestmark = pytest.mark.slow

MEGABYTE = 2**20


def test_ctrl_c_ends_in_seconds_and_the_run_goes_on(moment, whole):
    shutil.rmtree(whole.output)
    ended = interrupt(whole.words, whole.log, (0.1 + 0.8 * moment / 20) * whole.seconds["run"], signal.SIGINT)
    assert ended.seconds < 5.0, ended
    said = "audiossl: interrupted; finished work is kept, the same command resumes from there"
    assert ended.code == 0 or (ended.code == 130 and ended.errors == [said])  # it may have been done
    again = run(whole.words, whole.log)
    assert again.code == 0, again.printed
    assert contents(whole.output) == whole.contents and losses(whole.output) == whole.losses


@pytest.fixture
def small_disk(whole):
    """The folder of the run on a file system of its own, of a size that is given; for the super-user only."""
    mounted: list[Path] = []

    def mount(size: int, *options: str) -> None:
        shutil.rmtree(whole.output, ignore_errors=True)
        whole.output.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *options]), "tmpfs", str(whole.output)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("this user may not mount a file system")
        mounted.append(whole.output)

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)
    shutil.rmtree(whole.output, ignore_errors=True)
    again = run(whole.words, whole.log)
    assert again.code == 0, again.printed
    assert contents(whole.output) == whole.contents


@pytest.mark.parametrize("size", [0.05, 0.3, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0])
def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(size, whole, small_disk):
    small_disk(round(size * MEGABYTE))
    ended = run(whole.words, whole.log)
    assert ended.code == 2 and "Traceback" not in ended.printed, ended.printed[-2000:]
    assert len(ended.errors) == 1 and re.search("No space left on device|Is the disk full", ended.errors[0]), ended.errors
    finished = {path.parent.name for path in whole.output.glob("*/stage.json")}
    found = {name: digest for name, digest in contents(whole.output).items() if name.split("/")[0] in finished}
    assert all(whole.contents[name] == digest for name, digest in found.items())
    subprocess.run(["mount", "-o", "remount,size=64m", str(whole.output)], check=True)
    again = run(whole.words, whole.log)
    assert again.code == 0, again.printed
    assert contents(whole.output) == whole.contents and losses(whole.output) == whole.losses


def test_an_output_that_cannot_be_written(whole, small_disk):
    small_disk(MEGABYTE, "ro")
    ended = run(whole.words, whole.log)
    assert ended.code == 2 and len(ended.errors) == 1 and "Read-only file system" in ended.errors[0], ended.printed
    assert "Traceback" not in ended.printed


def stop_before_the_end(whole):
    """Leave a run in the middle of its training, with checkpoints."""
    shutil.rmtree(whole.output / "pretrain")
    partial = whole.output / ".pretrain.partial" / "checkpoints"
    process = start([*whole.words, "--to", "pretrain"], whole.log)
    while process.is_alive() and len(list(partial.glob("step-*.pt"))) < 2:
        time.sleep(0.01)
    process.kill()
    process.join()
    return sorted(partial.glob("step-*.pt"))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(damage, whole):
    newest = stop_before_the_end(whole)[-1]
    raw = bytearray(newest.read_bytes())
    if damage == "flipped":
        raw[len(raw) // 2] ^= 0xFF
    newest.write_bytes({"cut": raw[: len(raw) // 2], "flipped": raw, "empty": b"", "text": b"not a checkpoint"}[damage])
    again = run(whole.words, whole.log)
    assert again.code == 0 and f"{newest} is damaged and was passed over" in again.printed, again.printed
    assert contents(whole.output) == whole.contents and losses(whole.output) == whole.losses


def back_by_a_day():
    real = time.time
    time.time = lambda: real() - 86400.0


def test_the_clock_goes_back(whole):
    stop_before_the_end(whole)
    tomorrow = time.time() + 86400.0
    for path in whole.output.rglob("*"):
        os.utime(path, (tomorrow, tomorrow))
    again = run(whole.words, whole.log, back_by_a_day)
    assert again.code == 0, again.printed
    assert contents(whole.output) == whole.contents and losses(whole.output) == whole.losses


def test_two_runs_on_one_folder(whole):
    shutil.rmtree(whole.output)
    whole.log.unlink(missing_ok=True)
    begin = time.monotonic()
    first = start(whole.words, whole.log)
    while not (whole.output / "corpus").exists():
        time.sleep(0.01)
    second = run(whole.words, whole.log.with_name("second.log"))
    assert second.code == 2 and f"is in use by process {first.pid} on " in second.errors[0]
    done = finish(first, whole.log, begin)
    assert done.code == 0, done.printed
    assert contents(whole.output) == whole.contents and losses(whole.output) == whole.losses


def test_a_part_of_a_finished_stage_is_lost(whole):
    """Bytes that rot are found by `--verify`, and mended by running the stage again."""
    shard = next((whole.output / "tokens").rglob("*.npy"))
    raw = bytearray(shard.read_bytes())
    raw[-1] ^= 1
    shard.write_bytes(raw)
    found = run([*whole.words, "--verify"], whole.log)
    assert found.code == 2 and f"{shard.name} has changed" in found.printed
    assert run([*whole.words, "--from", "tokens"], whole.log).code == 0
    kept = [path for path in whole.output.iterdir() if is_set_aside(path.name)]
    assert {path.name.partition(".")[0] for path in kept} >= {"tokens", "pretrain", "embed", "evaluate"}, "what was made before"
    for path in kept:
        shutil.rmtree(path)
    assert contents(whole.output) == whole.contents and losses(whole.output) == whole.losses
