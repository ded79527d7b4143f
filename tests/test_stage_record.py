"""What is kept of stages that are made again, why they are, and what of the user's data and options counts."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import ConfigError
from audiossl.files import read_json, write_json
from audiossl.provenance import folder_digests
from audiossl.recipe import run_stages, verify_stages
from audiossl.stage import Stage, deciding, earlier_fingerprint, fingerprint, plain, recorded_options
from audiossl.stage_record import is_set_aside
from audiossl.training.config import TrainingConfig


@dataclass
class Options:
    """A rate that decides the result and a line of text that does not."""

    rate: float = 0.1
    log: str = "quiet"

    def free_options(self) -> frozenset[str]:
        return frozenset({"log"})


@dataclass
class Pair:
    """Stages `first` and `second` of a run: the second adds a line to `steps` each time it is started, and may be interrupted."""

    output: Path
    data: tuple[Path, ...] = ()
    options: Options = field(default_factory=Options)
    added: dict[str, Any] = field(default_factory=dict)
    resumable: bool = True
    fails: bool = False
    first_value: int = 1

    def stages(self) -> list[Stage]:
        def first(out: Path, inputs) -> None:
            (out / "text").write_text(" ".join(path.read_text() for folder in self.data for path in sorted(folder.glob("*.txt"))))

        def second(out: Path, inputs) -> None:
            with (out / "steps").open("a") as file:
                file.write(f"{self.options.rate:g}\n")
            if self.fails:
                raise KeyboardInterrupt

        return [
            Stage("first", first, [["script"], self.first_value], names=(("prepare.py",), "value"), data=self.data),
            Stage(
                "second", second, [self.options], ("first",), resumable=self.resumable, names=("options",), added=self.added
            ),
        ]  # fmt: skip

    def run(self, **kwargs) -> list[str]:
        """Run, and name the stages that did."""
        return [name for name, seconds in run_stages(self.stages(), self.output, **kwargs).items() if seconds]

    def interrupt(self) -> None:
        self.fails = True
        with pytest.raises(KeyboardInterrupt):
            self.run()
        self.fails = False

    def names(self) -> list[str]:
        return sorted(path.name for path in self.output.iterdir())

    @property
    def steps(self) -> str:
        return (self.output / "second" / "steps").read_text()


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path / "é run")


def test_what_is_only_told_is_no_part_of_a_fingerprint(pair):
    pair.run()
    pair.options.log = "loud"
    assert pair.run() == [] and pair.names() == ["first", "second"]
    assert read_json(pair.output / "second" / "stage.json")["config"] == [{"rate": 0.1, "log": "quiet"}]


def test_unfinished_work_goes_on_with_another_log(pair):
    pair.interrupt()
    pair.options.log = "loud"
    assert pair.run() == ["second"] and pair.steps == "0.1\n0.1\n"


def test_unfinished_work_of_other_options_is_set_aside_and_taken_up_again(pair, capsys):
    pair.interrupt()
    pair.options.rate = 0.2
    assert pair.run() == ["second"] and pair.steps == "0.2\n"
    (kept,) = [name for name in pair.names() if name.endswith(".partial")]
    said = capsys.readouterr().err
    assert "options.rate was 0.1, is 0.2" in said and kept in said and "0.0 MB" in said
    assert (pair.output / kept / "steps").read_text() == "0.1\n"
    pair.options.rate = 0.1
    assert pair.run() == ["second"] and pair.steps == "0.1\n0.1\n"
    assert kept not in pair.names()


def test_a_stage_that_was_killed_before_it_began_leaves_nothing(pair):
    """A kill in the middle of writing started.json left a folder that was kept as damaged work."""
    partial = pair.output / ".second.partial"
    pair.run(last="first")
    partial.mkdir()
    (partial / ".started.json.partial").write_text("{")
    pair.run()
    assert sorted(path.name for path in pair.output.iterdir() if "second" in path.name) == ["second"]


def test_unfinished_work_is_kept_where_from_starts_anew(pair, capsys):
    pair.interrupt()
    pair.run(first="second")
    assert pair.steps == "0.1\n" and "--from" in capsys.readouterr().err
    assert [name.rpartition(".")[2] for name in pair.names()] == ["first", "second", "partial"]


def test_leftovers_that_no_stage_can_go_on_with_are_removed_aloud(pair, capsys):
    pair.resumable = False
    pair.interrupt()
    capsys.readouterr()
    assert pair.run() == ["second"] and pair.names() == ["first", "second"]
    assert "what an interrupted run left (0.0 MB) is removed" in capsys.readouterr().err


def test_finished_work_is_kept_under_its_fingerprint_and_taken_back(pair, capsys):
    pair.run()
    record = read_json(pair.output / "second" / "stage.json")["fingerprint"]
    before = folder_digests(pair.output / "second")
    pair.options.rate = 0.2
    pair.run(dry_run=True)
    said = capsys.readouterr().err
    assert f"options.rate was 0.1, is 0.2; 0.0 MB would be kept as second.{record}" in said and pair.steps == "0.1\n"
    assert pair.run() == ["second"] and pair.steps == "0.2\n"
    assert folder_digests(pair.output / f"second.{record}") == before
    said = capsys.readouterr().err
    assert "running: options.rate was 0.1, is 0.2" in said and f"kept as second.{record}" in said
    pair.options.rate = 0.1
    pair.run(dry_run=True)
    assert f"would be taken back from second.{record}" in capsys.readouterr().err and pair.steps == "0.2\n"
    assert pair.run() == [] and pair.steps == "0.1\n" and f"second.{record}" not in pair.names()
    assert len(pair.names()) == 3 and verify_stages(pair.stages(), pair.output) == 0


def test_each_stage_says_why_it_is_made_again(pair, capsys):
    pair.run()
    pair.first_value = 2
    pair.run(dry_run=True)
    first, second = capsys.readouterr().err.splitlines()[-2:]
    assert "value was 1, is 2" in first and "first has changed" in second
    assert pair.run() == ["first", "second"]
    pair.run(first="second", dry_run=True)
    assert "--from" in capsys.readouterr().err.splitlines()[-1]


def test_a_second_folder_of_one_fingerprint_gets_a_number(pair):
    pair.run()
    for _ in range(2):
        pair.run(first="second", last="second")
    kept = [name for name in pair.names() if is_set_aside(name)]
    assert len(kept) == 2 and kept[1] == f"{kept[0]}.2"


def test_a_damaged_record_is_kept_too(pair):
    pair.run()
    (pair.output / "second" / "stage.json").write_text("{")
    assert pair.run() == ["second"] and (pair.output / "second.damaged" / "steps").read_text() == "0.1\n"


@pytest.mark.parametrize("old_is_there", [True, False])
def test_finished_work_that_was_not_renamed_is(pair, old_is_there):
    """Stopped between the end of a stage and its new name."""
    pair.run()
    partial = pair.output / ".second.partial"
    shutil.copytree(pair.output / "second", partial)
    (partial / "started.json").write_text("{}")
    if not old_is_there:
        shutil.rmtree(pair.output / "second")
    assert pair.run() == [] and pair.steps == "0.1\n" and not partial.exists()
    assert verify_stages(pair.stages(), pair.output) == 0


def test_only_names_of_earlier_work_are_set_aside():
    assert is_set_aside("model_a.0123456789abcdef") and is_set_aside("pretrain.0123456789abcdef.partial.2")
    assert not is_set_aside("model_a.b") and not is_set_aside("pretrain") and not is_set_aside("model_0123456789abcdef")


# --- the user's data


@pytest.fixture
def fed(pair, tmp_path):
    """A pair that reads a folder of two files."""
    data = tmp_path / "data root"
    (data / "below").mkdir(parents=True)
    (data / "a.txt").write_text("one")
    (data / "below" / "b.bin").write_bytes(b"two")
    pair.data = (data,)
    return pair


CHANGES = {
    "other content": (lambda data: (data / "a.txt").write_text("two"), "a.txt has changed"),
    "of the same time": (lambda data: _rewrite(data / "a.txt", "longer"), "a.txt has changed"),
    "a new file": (lambda data: (data / "below" / "c").write_text(""), "below/c is new"),
    "a file gone": (lambda data: (data / "below" / "b.bin").unlink(), "below/b.bin is gone"),
    "another name": (lambda data: (data / "a.txt").rename(data / "b.txt"), "b.txt is new; "),
    "several": (lambda data: [(data / name).write_text("") for name in "xyz"], "3 files of"),
}  # fmt: skip


def _rewrite(path: Path, text: str) -> None:
    about = path.stat()
    path.write_text(text)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


@pytest.mark.parametrize("change", CHANGES)
def test_changed_data_are_read_again_and_verified(fed, capsys, change):
    alter, said = CHANGES[change]
    assert fed.run() == ["first", "second"] and fed.run() == [] and verify_stages(fed.stages(), fed.output) == 0
    alter(fed.data[0])
    capsys.readouterr()
    assert verify_stages(fed.stages(), fed.output) == 2 and said in capsys.readouterr().err
    fed.run(dry_run=True)
    assert said in capsys.readouterr().err
    assert fed.run() == ["first", "second"] and said in capsys.readouterr().err
    assert fed.run() == [] and verify_stages(fed.stages(), fed.output) == 0


def test_a_change_that_keeps_size_and_time_is_seen_by_verify(fed):
    fed.run()
    _rewrite(fed.data[0] / "a.txt", "two")
    assert fed.run() == [] and verify_stages(fed.stages(), fed.output) == 2


@pytest.mark.parametrize(
    "touch",
    [
        lambda data: os.utime(data / "a.txt", ns=(5, 5)),
        lambda data: (data / ".DS_Store").write_text("x"),
        lambda data: (data / "lost").symlink_to("absent"),
    ],
)
def test_touched_files_and_hidden_ones_are_no_change(fed, monkeypatch, touch):
    fed.run()
    touch(fed.data[0])
    assert fed.run() == [] and verify_stages(fed.stages(), fed.output) == 0
    monkeypatch.setattr("audiossl.stamps.digest", lambda path: pytest.fail("read again"))
    assert fed.run() == []


def test_the_run_may_lie_in_its_data_and_other_runs_beside_it(fed):
    fed.output = fed.data[0] / "runs" / "mine"
    assert fed.run() == ["first", "second"] and fed.run() == []
    (fed.data[0] / "runs" / "other" / "corpus").mkdir(parents=True)
    write_json(fed.data[0] / "runs" / "other" / "corpus" / "stage.json", {})
    assert fed.run() == []


def test_what_a_stage_writes_into_its_data_is_no_change(fed):
    stages = fed.stages()

    def first(out: Path, inputs) -> None:
        (fed.data[0] / "index").write_text("made while reading")

    writing = [Stage("first", first, stages[0].config, data=fed.data), stages[1]]
    assert set(run_stages(writing, fed.output)) == {"first", "second"}
    assert not any(run_stages(writing, fed.output).values())


def test_what_changes_while_a_stage_runs_is_a_change(fed):
    stages, rounds = fed.stages(), iter(["while it was read", "read"])

    def first(out: Path, inputs) -> None:
        if text := next(rounds, ""):
            (fed.data[0] / "a.txt").write_text(text)

    changing = [Stage("first", first, stages[0].config, data=fed.data), stages[1]]
    for expected in (True, True, True, False):
        assert any(run_stages(changing, fed.output).values()) == expected


def test_data_are_not_read_before_the_stage_finds_them_wrong(fed, monkeypatch):
    monkeypatch.setattr("audiossl.stamps.digest", lambda path: pytest.fail("read"))

    def first(out: Path, inputs) -> None:
        raise ConfigError("these are other data")

    with pytest.raises(ConfigError, match="other data"):
        run_stages([Stage("first", first, 1, data=fed.data)], fed.output)


def test_data_that_are_not_there(fed, capsys):
    """They are needed only where something is to be made from them."""
    fed.run()
    fed.data[0].rename(fed.output / "moved")
    assert fed.run() == [] and "is not there" in capsys.readouterr().err
    assert verify_stages(fed.stages(), fed.output) == 1
    fed.first_value = 2
    for dry in (True, False):
        with pytest.raises(ConfigError, match=r"the stage first reads .*data root, which does not exist"):
            fed.run(dry_run=dry)


def test_runs_that_recorded_no_data_are_not_made_again_but_record_them_now(fed):
    fed.run()
    folder = fed.output / "first"
    (folder / "data.json").unlink()
    prints: dict[str, str] = {}
    for stage in fed.stages():
        record = read_json(fed.output / stage.name / "stage.json")
        prints[stage.name] = earlier_fingerprint(stage, prints, record["config"])
        kept = {name: record[name] for name in ("seconds", "config", "versions", "files")}
        write_json(fed.output / stage.name / "stage.json", kept | {"fingerprint": prints[stage.name]})
    assert fed.run(dry_run=True) == [] and not (folder / "data.json").exists()
    assert fed.run() == [] and (folder / "data.json").is_file()
    (fed.data[0] / "a.txt").write_text("another")
    assert fed.run() == ["first", "second"]


def test_large_files_are_known_by_size_and_time(fed, monkeypatch):
    monkeypatch.setattr("audiossl.data_record.MOST_BYTES", 4)
    (fed.data[0] / "large").write_bytes(b"12345")
    assert fed.run() == ["first", "second"] and fed.run() == []
    files = read_json(fed.output / "first" / "data.json")[str(fed.data[0])]
    assert files["large"][2] == "" and files["a.txt"][2] != ""
    os.utime(fed.data[0] / "large", ns=(5, 5))
    assert fed.run() == ["first", "second"]


# --- options


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=25)
@given(rate=st.floats(0, 1), log=st.text(max_size=4), other=st.text(max_size=4), rest=JSON)
def test_free_options_never_count_and_earlier_records_give_them_back(rate, log, other, rest):
    def stage(text: str, value: float = rate) -> Stage:
        return Stage("s", print, [Options(value, text), {"deep": [Options(value, text)]}, rest])

    assert fingerprint(stage(log), {}) == fingerprint(stage(other), {})
    assert fingerprint(stage(log), {}) != fingerprint(stage(log, rate + 1), {})
    recorded = plain(stage(log).config)
    assert recorded_options(stage(other).config, recorded) == recorded
    assert earlier_fingerprint(stage(other), {}, recorded) == earlier_fingerprint(stage(log), {})


def test_which_options_of_training_are_free():
    told = {"validate_every", "health_frames", "log_every", "log_seconds", "tensorboard", "device", "num_threads", "parallel"}
    told |= {"compile", "recompute"}
    assert TrainingConfig().free_options() == told | {"keep", "checkpoint_every"}
    assert TrainingConfig(average_every=10).free_options() == told, "the average is over the checkpoints that are kept"
    assert TrainingConfig(rollback_above=3.0).free_options() == told | {"keep"}, "a spike goes back to the newest checkpoint"
    assert set(deciding(TrainingConfig())) == {item.name for item in fields(TrainingConfig)} - TrainingConfig().free_options()


@pytest.mark.parametrize("dry_run", [True, False])
def test_data_of_a_later_stage_that_are_not_there_are_missed_at_once(fed, tmp_path, dry_run):
    ran: list[str] = []

    def run(out: Path, inputs) -> None:
        ran.append(out.name)

    stages = [Stage("first", run, 1), Stage("second", run, 1, ("first",), data=(tmp_path / "noise",))]
    with pytest.raises(ConfigError, match=r"the stage second reads .*noise, which does not exist"):
        run_stages(stages, fed.output, dry_run=dry_run)
    assert ran == []
    run_stages(stages, fed.output, last="first", dry_run=dry_run)  # which needs none
    (tmp_path / "noise").write_text("hiss")
    run_stages(stages, fed.output, dry_run=dry_run)
    (tmp_path / "noise").unlink()
    run_stages(stages, fed.output, dry_run=True) if not dry_run else None  # what was made from them stays
